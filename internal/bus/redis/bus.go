// Package redis carries hints between instances through a Redis server:
// "this tenant has new events". It carries nothing else and keeps nothing there,
// so that a Redis that is absent, slow, emptied or full of other people's
// messages costs time and never an event.
//
//	b, err := redis.Open(redis.Options{URL: "redis://:secret@10.0.0.5:6379/0"})
//	defer b.Close()
//
// Open needs no server: the bus connects when it can, and again after each
// failure. It sends itself a message every second; only when that comes back is
// the bus healthy, and after each time that it was not, watchers are told that
// hints may have been lost.
//
// The client is our own, because the protocol of the few commands needed here
// (AUTH, SUBSCRIBE, PUBLISH) is small and the usual libraries are not: the one
// that was measured adds 10 MB to the binary.
package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// Options say where the server is.
type Options struct {
	// URL is as CheckURL wants it. Required.
	URL    string
	Clock  clock.Clock  // nil = the system's
	Logger *slog.Logger // nil = nothing is logged
}

const (
	// beat is how often the bus sends itself a message, deadAfter how long it
	// waits for one.
	beat      = time.Second
	deadAfter = 3 * time.Second
	// pause is the least time between two messages of one instance: what is
	// published meanwhile shares the next one.
	pause = 5 * time.Millisecond
	// Waits between attempts to connect.
	leastWait, mostWait = 100 * time.Millisecond, 2 * time.Second
	// watchBuffer is how many tenants wait for a slow watcher.
	watchBuffer = 64
	// magic begins each message; what begins otherwise is not ours.
	magic = "runsheet1"
	// everyone stands for all tenants in a message.
	everyone = "*"
	// maxTenants bounds what one message names.
	maxTenants = 256
)

// Bus is a connection to the other instances. It is safe for concurrent use.
type Bus struct {
	place    place
	clock    clock.Clock
	log      *slog.Logger
	self     string
	hints    string // the channel of all instances
	echo     string // our own
	stop     context.CancelFunc
	running  sync.WaitGroup
	wakeup   chan struct{}
	mu       sync.Mutex
	pending  map[string]struct{}
	watchers map[chan string]struct{}
	healthy  bool
	detail   string
}

// Open returns a running bus. The error is about the URL; a server that does
// not answer is none.
func Open(o Options) (*Bus, error) {
	p, err := parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("redis url: %w", err)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	channel := "runsheet:" + strconv.Itoa(p.database) + ":"
	b := &Bus{
		place: p, clock: o.Clock, log: o.Logger, self: rand.Text(), hints: channel + "events", wakeup: make(chan struct{}, 1),
		pending: map[string]struct{}{}, watchers: map[chan string]struct{}{}, detail: "redis is not connected yet: events of other instances are found by polling",
	}
	b.echo = channel + "echo:" + b.self
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.running.Go(func() { b.run(ctx) })
	return b, nil
}

// Close ends the bus and waits for its goroutines.
func (b *Bus) Close() error {
	b.stop()
	b.running.Wait()
	return nil
}

// Health says whether hints pass, and if not, why, for people. The text names no
// address, because readiness is public; the log does.
func (b *Bus) Health() (ok bool, detail string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.healthy, b.detail
}

// Publish tells the other instances that a tenant has new events; "" means that
// any tenant may have. It never blocks, and what cannot be sent now is lost.
func (b *Bus) Publish(tenant string) {
	b.mu.Lock()
	if b.healthy {
		b.pending[tenant] = struct{}{}
	}
	b.mu.Unlock()
	select {
	case b.wakeup <- struct{}{}:
	default:
	}
}

// Watch returns a channel of tenants that have new events and a function that
// ends it. "" means any tenant. The channel is never closed.
func (b *Bus) Watch() (<-chan string, func()) {
	c := make(chan string, watchBuffer)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers[c] = struct{}{}
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, c)
	}
}

// deliver hands a tenant to all watchers. It never blocks: a watcher that is
// behind is told to look at everything.
func (b *Bus) deliver(tenant string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.watchers {
		for sent := false; !sent; {
			select {
			case c <- tenant:
				sent = true
			default:
				select {
				case <-c:
				default:
				}
				tenant = ""
			}
		}
	}
}

// run connects again and again until ctx ends.
func (b *Bus) run(ctx context.Context) {
	wait := leastWait
	for ctx.Err() == nil {
		err := b.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if b.fail(ctx, err) {
			wait = leastWait
		}
		if clock.Sleep(ctx, b.clock, wait) != nil {
			return
		}
		wait = min(2*wait, mostWait)
	}
}

// fail notes that hints do not pass. It reports whether they did before.
func (b *Bus) fail(ctx context.Context, err error) bool {
	b.mu.Lock()
	was := b.healthy
	b.healthy, b.detail = false, "redis does not answer: events of other instances are found by polling"
	clear(b.pending)
	b.mu.Unlock()
	if was {
		b.log.WarnContext(ctx, "lost Redis, events of other instances are found by polling", "error", err)
	} else {
		b.log.DebugContext(ctx, "no connection to Redis", "error", err)
	}
	return was
}

// works notes that hints pass. Those of the time before are lost.
func (b *Bus) works(ctx context.Context) {
	b.mu.Lock()
	was := b.healthy
	b.healthy, b.detail = true, ""
	b.mu.Unlock()
	if !was {
		b.log.InfoContext(ctx, "connected to Redis", "addr", b.place.addr)
		b.deliver("")
	}
}

// session is the life of one pair of connections: a subscriber cannot publish.
// It returns why it ended.
func (b *Bus) session(ctx context.Context) error {
	sub, err := dial(ctx, b.place)
	if err != nil {
		return err
	}
	defer sub.Close()
	pub, err := dial(ctx, b.place)
	if err != nil {
		return err
	}
	defer pub.Close()
	defer context.AfterFunc(ctx, func() { // so that Close waits for no time limit
		_ = sub.Close()
		_ = pub.Close()
	})()
	if err := sub.send("SUBSCRIBE", b.hints, b.echo); err != nil {
		return err
	}
	life, end := context.WithCancelCause(ctx)
	var reader sync.WaitGroup
	reader.Go(func() { end(b.receive(ctx, sub)) })
	err = b.send(life, pub)
	_ = sub.Close() // ends the reader; nothing that matters is lost
	reader.Wait()
	if cause := context.Cause(life); err == nil && cause != nil {
		err = cause
	}
	return err
}

// receive reads messages until the connection or our own messages fail to
// come.
func (b *Bus) receive(ctx context.Context, c *conn) error {
	if err := c.SetReadDeadline(in(deadAfter)); err != nil {
		return err
	}
	for {
		a, err := read(c.in)
		if err != nil {
			return err
		}
		if len(a.list) != 3 || a.list[0] != "message" {
			continue // the answer to SUBSCRIBE
		}
		if a.list[1] == b.echo {
			if err := c.SetReadDeadline(in(deadAfter)); err != nil {
				return err
			}
			b.works(ctx)
			continue
		}
		for _, tenant := range b.understand(a.list[2]) {
			b.deliver(tenant)
		}
	}
}

// understand returns the tenants that a message names. Who can publish can
// write anything; the worst that a message does is that somebody looks.
func (b *Bus) understand(message string) []string {
	words := strings.Fields(message)
	if len(words) < 3 || len(words) > maxTenants+2 || words[0] != magic || words[1] == b.self {
		return nil
	}
	if slices.Contains(words[2:], everyone) {
		return []string{""}
	}
	return words[2:]
}

// send publishes what is pending, and a beat, until something fails.
func (b *Bus) send(ctx context.Context, c *conn) error {
	due := b.clock.NewTimer(0)
	defer func() { due.Stop() }()
	for {
		select {
		case <-due.C():
			if _, err := c.do("PUBLISH", b.echo, magic); err != nil {
				return err
			}
			due = b.clock.NewTimer(beat)
		case <-b.wakeup:
			message := b.take()
			if message == "" {
				continue
			}
			if _, err := c.do("PUBLISH", b.hints, message); err != nil {
				return err
			}
			if clock.Sleep(ctx, b.clock, pause) != nil {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// take returns the message of what is pending, "" for nothing.
func (b *Bus) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pending) == 0 {
		return ""
	}
	words := []string{magic, b.self}
	for t := range b.pending {
		if t == "" || len(b.pending) > maxTenants || strings.ContainsAny(t, " \t\r\n") {
			words = append(words[:2], everyone)
			break
		}
		words = append(words, t)
	}
	clear(b.pending)
	return strings.Join(words, " ")
}
