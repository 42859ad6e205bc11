package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

const (
	// maxKept is the largest value that is kept or read, in bytes.
	maxKept = 4 << 20
	// quickEnough is how long a server may take to answer a sign of life: a slower
	// one is of no use, and counts as absent.
	quickEnough = 500 * time.Millisecond
	// sound is how long a connection must have worked for the next attempt to
	// connect to come at once.
	sound = 5 * time.Second
)

// ErrAbsent is what commands return, at once, while there is no usable server.
var ErrAbsent = errors.New("redis is not there")

// Keep holds values in a Redis server, for a while and without a promise: they
// may be gone at any time, and be anything, because others may write there too.
// Connections are made in the background. After a failure commands return ErrAbsent
// at once until the server answers quickly again. It is safe for concurrent use.
type Keep struct {
	// Readers and writers do not wait for each other.
	reads, writes *lane
	stop          context.CancelFunc
	running       sync.WaitGroup
}

// OpenKeep returns a running Keep. The error is about the URL; a server that does
// not answer is none.
func OpenKeep(o Options) (*Keep, error) {
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
	k := &Keep{reads: newLane(p, o), writes: newLane(p, o)}
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	k.running.Go(func() { k.reads.run(ctx) })
	k.running.Go(func() { k.writes.run(ctx) })
	return k, nil
}

// Close ends it and waits for its goroutines.
func (k *Keep) Close() error {
	k.stop()
	k.running.Wait()
	return nil
}

// Health says whether the server can be used now, and if not, why, for people.
func (k *Keep) Health() (ok bool, detail string) {
	if k.reads.up() && k.writes.up() {
		return true, ""
	}
	return false, "redis does not answer: checkpoints are read from the database"
}

// Get returns a value; found is false when there is none. It waits until ctx ends
// at the longest.
func (k *Keep) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	return k.reads.do(ctx, "GET", key)
}

// Put keeps a value for ttl.
func (k *Keep) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if len(value) > maxKept {
		return fmt.Errorf("%d bytes are more than redis is given", len(value))
	}
	_, _, err := k.writes.do(ctx, "SET", key, string(value), "PX", milliseconds(ttl))
	return err
}

// raise keeps "number value" unless a greater number is there. What is there may be
// of any kind, which is no reason to fail.
const raise = `local c = redis.pcall('GET', KEYS[1])
if type(c) == 'string' then
  local n = tonumber(string.match(c, '^(%d+) '))
  if n and n > tonumber(ARGV[1]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return 1`

// Raise keeps "seq value" for ttl, unless what is there has a greater seq.
func (k *Keep) Raise(ctx context.Context, key string, seq int64, value string, ttl time.Duration) error {
	_, _, err := k.writes.do(ctx, "EVAL", raise, "1", key, strconv.FormatInt(seq, 10), value, milliseconds(ttl))
	return err
}

// announce publishes a message unless one with the same or a greater number was.
const announce = `local c = redis.pcall('GET', KEYS[1])
if type(c) == 'string' then
  local n = tonumber(c)
  if n and n >= tonumber(ARGV[1]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1`

// Announce publishes a message with a number on a channel once, whichever instance
// comes first: key keeps, for ttl, the number of the latest one.
func (k *Keep) Announce(ctx context.Context, key string, seq int64, ttl time.Duration, channel string, message []byte) error {
	_, _, err := k.writes.do(ctx, "EVAL", announce, "1", key, strconv.FormatInt(seq, 10), milliseconds(ttl), channel, string(message))
	return err
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }

// lane is one connection, on which one command is under way at a time.
type lane struct {
	place  place
	clock  clock.Clock
	log    *slog.Logger
	turn   chan struct{} // holds one while nobody uses conn
	broken chan struct{}
	mu     sync.Mutex
	conn   *conn // nil = there is none
}

func newLane(p place, o Options) *lane {
	l := &lane{place: p, clock: o.Clock, log: o.Logger, turn: make(chan struct{}, 1), broken: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

func (l *lane) up() bool { return l.current() != nil }

func (l *lane) current() *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

func (l *lane) set(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = c
}

// do sends a command and reads its answer. An answer that says that something is
// wrong leaves the connection alone; anything else ends it.
func (l *lane) do(ctx context.Context, args ...string) (value []byte, found bool, err error) {
	if !l.up() {
		return nil, false, ErrAbsent
	}
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	c := l.current()
	if c == nil {
		return nil, false, ErrAbsent
	}
	value, found, err = exchange(ctx, c, args)
	if _, said := errors.AsType[failure](err); err == nil || said {
		return value, found, err
	}
	l.set(nil)
	_ = c.Close() // the first error counts
	select {
	case l.broken <- struct{}{}:
	default:
	}
	return nil, false, err
}

func exchange(ctx context.Context, c *conn, args []string) (value []byte, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	limit, given := ctx.Deadline()
	if !given {
		limit = in(ioTimeout)
	}
	if err := c.write(limit, args...); err != nil {
		return nil, false, err
	}
	if err := c.SetReadDeadline(limit); err != nil {
		return nil, false, err
	}
	return readKept(c.in)
}

// readKept reads one answer, which may be a large text.
func readKept(in *bufio.Reader) (text []byte, found bool, err error) {
	kind, line, err := head(in)
	if err != nil {
		return nil, false, err
	}
	if kind != '$' {
		s, err := value(in, kind, line)
		return []byte(s), true, err
	}
	n, err := strconv.ParseInt(line, 10, 64)
	if err != nil || n < -1 || n > maxKept {
		return nil, false, errProtocol
	}
	if n == -1 {
		return nil, false, nil
	}
	text = make([]byte, n+2)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, false, err
	}
	return text[:n], true, nil
}

// run keeps a connection until ctx ends.
func (l *lane) run(ctx context.Context) {
	wait := leastWait
	for ctx.Err() == nil {
		since := l.clock.Now()
		err := l.session(ctx)
		if ctx.Err() != nil {
			return
		}
		l.log.DebugContext(ctx, "no connection to Redis", "error", err)
		if l.clock.Now().Sub(since) > sound {
			wait = leastWait
		}
		if clock.Sleep(ctx, l.clock, wait) != nil {
			return
		}
		wait = min(2*wait, mostWait)
	}
}

// session is the life of a connection. It returns why it ended.
func (l *lane) session(ctx context.Context) error {
	select { // of the session before
	case <-l.broken:
	default:
	}
	c, err := dial(ctx, l.place)
	if err != nil {
		return err
	}
	defer func() {
		l.set(nil)
		_ = c.Close() // nothing that matters is lost
	}()
	if _, err := c.do("SELECT", strconv.Itoa(l.place.database)); err != nil {
		return err
	}
	if err := probe(ctx, c); err != nil {
		return err
	}
	l.set(c)
	for {
		t := l.clock.NewTimer(beat)
		select {
		case <-t.C():
			pctx, cancel := context.WithTimeout(ctx, quickEnough)
			_, _, err := l.do(pctx, "PING")
			cancel()
			if err != nil {
				return err
			}
		case <-l.broken:
			t.Stop()
			return errors.New("a command failed")
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// probe reports a server that is too slow to be of use.
func probe(ctx context.Context, c *conn) error {
	ctx, cancel := context.WithTimeout(ctx, quickEnough)
	defer cancel()
	_, _, err := exchange(ctx, c, []string{"PING"})
	return err
}
