// Package feed brings events to whoever watches them live. It reads the
// durable log of the store once for all readers of a tenant, keeps the newest
// events in memory, and lets each reader go through them at its own pace.
//
//	f := feed.New(feed.Options{Events: s.Events})
//	defer f.Close()
//	r, err := f.Open(ctx, tenant, feed.Now)
//	defer r.Close()
//	evs, more, err := r.Take(ctx) // evs is empty: wait for more, then Take again
//
// The first reader of a tenant starts a follower, the last one ends it. A
// follower reads the log when it is told that there is something new, by a hint
// of the store or of the bus, and each Poll anyway: hints only make it faster.
// A reader that is slower than what memory holds catches up from the store, a
// few at a time. So memory depends on the number of tenants that are watched and
// on nothing that a reader does.
package feed

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/store"
)

// Bus carries hints between instances; it is a *redis.Bus. Messages may be
// lost, doubled, late or wrong.
type Bus interface {
	// Publish tells the other instances that a tenant has new events. It never
	// blocks.
	Publish(tenant string)
	// Watch returns a channel of tenants and a function that ends it; "" means
	// any tenant, because messages may have been lost.
	Watch() (<-chan string, func())
	// Health says whether hints pass now, and if not, why, for people.
	Health() (ok bool, detail string)
}

// Log is the part of store.Events that a feed needs.
type Log interface {
	Since(ctx context.Context, tenant string, seq int64, limit int) ([]event.Event, error)
	Range(ctx context.Context) (event.Range, error)
	Watch() (<-chan store.Hint, func())
}

// Options are what New needs. Events must be given.
type Options struct {
	Events Log
	// Bus connects instances beside what the store itself does; nil = nothing.
	Bus    Bus
	Clock  clock.Clock  // nil = the system's
	Logger *slog.Logger // nil = nothing is logged
	// Recent is how many events of a tenant are kept in memory; 0 = 1024.
	Recent int
	// Poll is how long a follower waits for a hint; 0 = 1 s.
	Poll time.Duration
}

// The defaults, and bounds that nobody needs to change.
const (
	defaultRecent = 1024
	defaultPoll   = time.Second
	// gap is the least time between two reads of a follower: what is announced
	// meanwhile shares the next one.
	gap = 3 * time.Millisecond
	// batch bounds what one read of the log and one Take return.
	batch = 256
	// catchers is how many readers may read the log by themselves at once.
	catchers = 4
)

// ErrClosed is what readers get when the feed is closed.
var ErrClosed = errors.New("feed: closed")

// Feed is the live side of the log. Its methods are safe for concurrent use.
type Feed struct {
	o       Options
	ctx     context.Context // the life of the goroutines that Close ends
	stop    context.CancelFunc
	running sync.WaitGroup // goroutines
	readers sync.WaitGroup // open readers
	slots   chan struct{}

	mu        sync.Mutex
	closed    bool
	followers map[string]*follower
}

// New returns a running feed. Close ends it.
func New(o Options) *Feed {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Recent <= 0 {
		o.Recent = defaultRecent
	}
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	f := &Feed{o: o, slots: make(chan struct{}, catchers), followers: map[string]*follower{}}
	f.ctx, f.stop = context.WithCancel(context.Background())
	hints, unwatch := o.Events.Watch()
	tenants, unsubscribe := (<-chan string)(nil), func() {}
	if o.Bus != nil {
		tenants, unsubscribe = o.Bus.Watch()
	}
	f.running.Go(func() {
		defer unwatch()
		defer unsubscribe()
		f.listen(hints, tenants)
	})
	return f
}

// Close ends all followers, gives ErrClosed to the readers, and waits until
// they are closed.
func (f *Feed) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.stop()
	f.running.Wait()
	f.readers.Wait()
	return nil
}

// Health says whether hints between instances pass, and if not, why, for
// people. Events arrive in either case; without hints they come up to a second
// later.
func (f *Feed) Health() (ok bool, detail string) {
	if f.o.Bus == nil {
		return true, ""
	}
	return f.o.Bus.Health()
}

// listen passes hints on: those of the store to followers and, when they began
// here, to the bus; those of the bus to followers.
func (f *Feed) listen(hints <-chan store.Hint, tenants <-chan string) {
	for {
		select {
		case h := <-hints:
			switch h.Topic {
			case store.HintEvents:
				f.wake(h.ID)
			case store.HintAll:
				f.wake("")
				h.ID = ""
			case store.HintQueue, store.HintJob, store.HintStop, store.HintOutbox, store.HintApprovals, store.HintPlans:
				continue // each event has a hint of its own
			}
			if f.o.Bus != nil && !h.Remote {
				f.o.Bus.Publish(h.ID)
			}
		case t := <-tenants:
			f.wake(t)
		case <-f.ctx.Done():
			return
		}
	}
}

// wake tells the follower of a tenant, or with "" all followers, to read.
func (f *Feed) wake(tenant string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if tenant != "" {
		if fo := f.followers[tenant]; fo != nil {
			fo.kick()
		}
		return
	}
	for _, fo := range f.followers {
		fo.kick()
	}
}

// join returns the follower of a tenant, which it starts where there is none.
func (f *Feed) join(tenant string, r event.Range) (*follower, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	fo := f.followers[tenant]
	if fo == nil {
		// It begins a little in the past, so that those who come back after a
		// short break, perhaps all at once, find in memory what they missed.
		from := max(r.Floor, r.Last-int64(f.o.Recent), 0)
		fo = newFollower(f, tenant, from)
		ctx, stop := context.WithCancel(f.ctx)
		fo.stop = stop
		f.followers[tenant] = fo
		f.running.Go(func() { fo.run(ctx) })
	}
	fo.readers++
	f.readers.Add(1)
	return fo, nil
}

// leave is the inverse of join.
func (f *Feed) leave(fo *follower) {
	defer f.readers.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	fo.readers--
	if fo.readers == 0 {
		fo.stop()
		delete(f.followers, fo.tenant)
	}
}
