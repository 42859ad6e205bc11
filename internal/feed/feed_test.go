package feed_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/feed"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// The server that all tests share outlives them.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/runsheet/runsheet/internal/testsvc.account.serve.func1"))
}

const tenant = "default"

// log is the real log of a store, watched, and changed where a test wants that.
type log struct {
	store.Events
	deaf  bool // hints do not arrive
	floor atomic.Int64
	reads atomic.Int64
	fails atomic.Bool
}

func (l *log) Watch() (<-chan store.Hint, func()) {
	if l.deaf {
		return nil, func() {}
	}
	return l.Events.Watch()
}

func (l *log) Since(ctx context.Context, t string, seq int64, limit int) ([]event.Event, error) {
	l.reads.Add(1)
	if l.fails.Load() {
		return nil, errors.New("the disk is gone")
	}
	return l.Events.Since(ctx, t, seq, limit)
}

func (l *log) Range(ctx context.Context) (event.Range, error) {
	r, err := l.Events.Range(ctx)
	r.Floor = max(r.Floor, l.floor.Load())
	return r, err
}

type bundle struct {
	store store.Store
	log   *log
	feed  *feed.Feed
}

func setup(t *testing.T, change ...func(*bundle, *feed.Options)) *bundle {
	t.Helper()
	s, err := sqlite.OpenMemory(t.Context(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{store: s, log: &log{Events: s.Events}}
	o := feed.Options{Events: b.log}
	for _, c := range change {
		c(b, &o)
	}
	b.feed = feed.New(o)
	t.Cleanup(func() {
		if err := errors.Join(b.feed.Close(), s.Health.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// announce makes n events.
func (b *bundle) announce(t testing.TB, n int) {
	t.Helper()
	for range n {
		if _, err := b.store.Queue.Scale(t.Context(), store.Scale{Workers: 1, Tenant: tenant, At: time.Unix(1, 0)}); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *bundle) open(t testing.TB, seq int64) *feed.Reader {
	t.Helper()
	r, err := b.feed.Open(t.Context(), tenant, seq)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// take reads until it has n events, within a time limit.
func take(t testing.TB, r *feed.Reader, n int) []event.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []event.Event
	for len(got) < n {
		evs, more, err := r.Take(ctx)
		if err != nil {
			t.Fatalf("take: %v after %d events", err, len(got))
		}
		got = append(got, evs...)
		if len(evs) > 0 {
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("only %d of %d events came", len(got), n)
		}
	}
	for i, e := range got {
		if i > 0 && e.Seq <= got[i-1].Seq {
			t.Fatalf("seq %d after %d", e.Seq, got[i-1].Seq)
		}
	}
	return got
}

func TestReaderGetsWhatItAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.announce(t, 3)
	all, fromNow := b.open(t, 0), b.open(t, feed.Now)
	if evs, more, err := fromNow.Take(t.Context()); err != nil || len(evs) != 0 || more == nil {
		t.Errorf("before anything happened: %d events, %v", len(evs), err)
	}
	b.announce(t, 2)
	old := take(t, all, 5)
	late := take(t, fromNow, 2)
	if len(old) != 5 || len(late) != 2 || late[0].Seq != old[3].Seq || fromNow.Seq() != old[4].Seq {
		t.Errorf("from the beginning %d, from now %d, at %d", len(old), len(late), fromNow.Seq())
	}
	if evs := take(t, b.open(t, old[1].Seq), 3); evs[0].Seq != old[2].Seq {
		t.Errorf("behind %d comes %d", old[1].Seq, evs[0].Seq)
	}
	other, err := b.feed.Open(t.Context(), "ten_other", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if evs, _, err := other.Take(t.Context()); err != nil || len(evs) != 0 {
		t.Errorf("another tenant gets %d events, %v", len(evs), err)
	}
}

// TestSlowReader: who is slower than memory gets everything from the store, and
// memory does not grow.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *bundle, o *feed.Options) { o.Recent = 10 })
	slow, quick := b.open(t, 0), b.open(t, 0)
	b.announce(t, 400)
	if n := len(take(t, quick, 400)); n != 400 {
		t.Errorf("the quick one got %d", n)
	}
	if n := len(take(t, slow, 400)); n != 400 {
		t.Errorf("the slow one got %d", n)
	}
	b.announce(t, 1)
	take(t, slow, 1)
}

// TestQuietTenantIsNoGap: other tenants' events between a reader's position and
// memory are no reason to begin anew.
func TestQuietTenantIsNoGap(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *bundle, o *feed.Options) { o.Recent = 4 })
	b.announce(t, 50)
	r, err := b.feed.Open(t.Context(), "ten_quiet", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if evs, more, err := r.Take(t.Context()); err != nil || len(evs) != 0 || more == nil {
		t.Errorf("%d events, %v", len(evs), err)
	}
}

func TestResets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.announce(t, 20)
	b.log.floor.Store(10)
	for seq, want := range map[int64]*feed.Reset{
		9: {Seq: 20, Reason: feed.ReasonGone}, 0: {Seq: 20, Reason: feed.ReasonGone}, 21: {Seq: 20, Reason: feed.ReasonAhead},
		10: nil, 20: nil,
	} {
		r := b.open(t, seq)
		_, _, err := r.Take(t.Context())
		got, ok := errors.AsType[*feed.Reset](err)
		if ok != (want != nil) || ok && *got != *want {
			t.Errorf("position %d: %v, want %v", seq, err, want)
			continue
		}
		if !ok {
			continue
		}
		if evs, more, err := r.Take(t.Context()); len(evs) != 0 || more == nil || err != nil || r.Seq() != 20 {
			t.Errorf("position %d: after the reset %d events, %v, at %d", seq, len(evs), err, r.Seq())
		}
	}
}

// TestRemovedWhileReading: events that are removed while a slow reader catches up
// are a gap, and it is told.
func TestRemovedWhileReading(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *bundle, o *feed.Options) { o.Recent = 4 })
	b.announce(t, 20)
	r := b.open(t, 2)
	b.log.floor.Store(15)
	_, _, err := r.Take(t.Context())
	if got, ok := errors.AsType[*feed.Reset](err); !ok || *got != (feed.Reset{Seq: 20, Reason: feed.ReasonGone}) {
		t.Fatalf("err = %v", err)
	}
	b.announce(t, 1)
	if evs := take(t, r, 1); evs[0].Seq != 21 {
		t.Errorf("after the reset comes %d", evs[0].Seq)
	}
}

// TestWithoutHints: events arrive within two seconds although nobody tells.
func TestWithoutHints(t *testing.T) {
	t.Parallel()
	c := clocktest.New(time.Unix(1000, 0))
	b := setup(t, func(b *bundle, o *feed.Options) { b.log.deaf, o.Clock = true, c })
	r := b.open(t, feed.Now)
	asleep := func() { // what was to be read is read
		for c.Timers() == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	for range 2 {
		asleep()
		b.announce(t, 1)
		for range 8 {
			c.Advance(250 * time.Millisecond)
			asleep()
		}
		if evs, _, err := r.Take(t.Context()); len(evs) != 1 || err != nil {
			t.Errorf("%d events, %v", len(evs), err)
		}
	}
}

// TestManyReaders: a thousand readers cost the reads of one.
func TestManyReaders(t *testing.T) {
	t.Parallel()
	const readers, events = 1000, 50
	b := setup(t, func(b *bundle, _ *feed.Options) { b.log.deaf = true }) // so that reads can be counted
	var all []*feed.Reader
	for range readers {
		all = append(all, b.open(t, feed.Now))
	}
	begin := time.Now()
	var got sync.WaitGroup
	for _, r := range all {
		got.Go(func() {
			if n := len(take(t, r, events)); n != events {
				t.Errorf("%d events", n)
			}
		})
	}
	b.announce(t, events)
	got.Wait()
	if reads := b.log.reads.Load(); reads > 10+int64(time.Since(begin)/time.Second) {
		t.Errorf("%d readers read the log %d times in %s", readers, reads, time.Since(begin))
	}
}

// TestStoreTrouble: a log that cannot be read for a while is read on afterwards.
func TestStoreTrouble(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.open(t, feed.Now)
	b.log.fails.Store(true)
	b.announce(t, 3)
	for before := b.log.reads.Load(); b.log.reads.Load() == before; {
		time.Sleep(time.Millisecond)
	}
	b.log.fails.Store(false)
	take(t, r, 3)
}

func TestClose(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.open(t, feed.Now)
	closed := make(chan error)
	go func() { closed <- b.feed.Close() }()
	<-r.Closing()
	if _, _, err := r.Take(t.Context()); !errors.Is(err, feed.ErrClosed) {
		t.Errorf("take: %v", err)
	}
	select {
	case err := <-closed:
		t.Errorf("it did not wait for its reader: %v", err)
	default:
	}
	r.Close()
	r.Close()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := b.feed.Open(t.Context(), tenant, feed.Now); !errors.Is(err, feed.ErrClosed) {
		t.Errorf("open: %v", err)
	}
}

// bus is a Bus in memory.
type bus struct {
	published chan string
	hints     chan string
}

func (b *bus) Publish(t string)               { b.published <- t }
func (b *bus) Watch() (<-chan string, func()) { return b.hints, func() {} }
func (b *bus) Health() (bool, string)         { return false, "it is only in memory" }

// TestBus: what begins here is published, what the bus says makes followers
// look, and neither is needed.
func TestBus(t *testing.T) {
	t.Parallel()
	wires := &bus{published: make(chan string, 100), hints: make(chan string, 100)}
	b := setup(t, func(_ *bundle, o *feed.Options) {
		o.Bus, o.Poll = wires, time.Hour
	})
	if ok, detail := b.feed.Health(); ok || detail != "it is only in memory" {
		t.Errorf("health %v %q", ok, detail)
	}
	r := b.open(t, feed.Now)
	b.announce(t, 1)
	take(t, r, 1)
	if got := <-wires.published; got != tenant {
		t.Errorf("published %q", got)
	}
	// Another instance writes: the store's own hints do not come, the bus's do.
	deafBus := &bus{published: make(chan string, 100), hints: make(chan string, 100)}
	other := feed.New(feed.Options{Events: &log{Events: b.store.Events, deaf: true}, Bus: deafBus, Poll: time.Hour})
	defer func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}()
	far, err := other.Open(t.Context(), tenant, feed.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	for _, hint := range []string{tenant, ""} {
		b.announce(t, 1)
		for range 2 { // the first may meet the pause after an earlier look
			deafBus.hints <- hint
		}
		take(t, far, 1)
	}
	if n := len(deafBus.published); n != 0 {
		t.Errorf("%d hints of others were published again", n)
	}
}
