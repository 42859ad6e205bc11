package feed_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/bus/redis"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/feed"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

// TestLostRedis: two instances over one database, which hear of each other through
// Redis only. Without it events come by polling, none is lost, and afterwards they
// come at once again. Part of T14.
func TestLostRedis(t *testing.T) {
	t.Parallel()
	srv := testsvc.OwnRedis(t)
	bus := func() *redis.Bus {
		b, err := redis.Open(redis.Options{URL: srv.URL()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() }) // it has nothing to say
		return b
	}
	one, two := bus(), bus()
	b := setup(t, func(_ *bundle, o *feed.Options) { o.Bus = one })
	// The other instance does not hear the store: its hints come from the first one.
	other := feed.New(feed.Options{Events: &log{Events: b.store.Events, deaf: true}, Bus: two})
	r, err := other.Open(t.Context(), tenant, feed.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
	all := 0
	arrive := func() {
		t.Helper()
		begin := time.Now()
		b.announce(t, 3)
		all += len(take(t, r, 3))
		if took := time.Since(begin); took > 50*time.Second { // two at most on a machine that has time
			t.Errorf("it took %s", took)
		}
	}
	healthy := func(want bool) {
		t.Helper()
		until(t, "health", func() bool {
			ok1, _ := one.Health()
			ok2, _ := two.Health()
			return ok1 == want && ok2 == want
		})
	}
	healthy(true)
	arrive()
	srv.Kill()
	for range 3 {
		arrive()
	}
	healthy(false)
	arrive()
	srv.Restart()
	healthy(true)
	srv.Do("FLUSHALL")
	arrive()
	srv.Stop()
	arrive()
	srv.Continue()
	if all != 21 || r.Seq() != 21 {
		t.Errorf("%d events, at %d", all, r.Seq())
	}
}

// announced is where mirrors send to.
type announced struct {
	mu   sync.Mutex
	got  []feed.Message
	fail bool
}

func (a *announced) send(_ context.Context, m feed.Message) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail {
		return errors.New("nobody is there")
	}
	a.got = append(a.got, m)
	return nil
}

func (a *announced) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.got)
}

func message(e event.Event) (feed.Message, bool) {
	return feed.Message{Key: "k", Channel: "c", Seq: e.Seq, Text: []byte(e.Type)}, true
}

// now makes events that are not old.
func (b *bundle) now(t testing.TB) {
	t.Helper()
	if _, err := b.store.Queue.Scale(t.Context(), store.Scale{Workers: 1, Tenant: tenant, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
}

// TestMirror: the first event of a tenant is told too, each once, and what cannot be
// sent delays nobody.
func TestMirror(t *testing.T) {
	t.Parallel()
	b, out := setup(t), &announced{}
	m := feed.NewMirror(feed.MirrorOptions{Feed: b.feed, Events: b.store.Events, Message: message, Announce: out.send, Clock: clock.System{}})
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	for n := range 10 {
		b.now(t)
		until(t, "message "+strconv.Itoa(n), func() bool { return out.count() == n+1 })
	}
	for i, g := range out.got {
		if g.Seq != int64(i+1) || g.Channel != "c" {
			t.Errorf("message %d is %+v", i, g)
		}
	}
	out.mu.Lock()
	out.fail = true
	out.mu.Unlock()
	b.now(t)
	take(t, b.open(t, 10), 1)
}

// TestOnceForAll: several instances that announce the same event do it once.
func TestOnceForAll(t *testing.T) {
	t.Parallel()
	url := testsvc.Redis(t)
	var keeps []*redis.Keep
	for range 2 {
		k, err := redis.OpenKeep(redis.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = k.Close() }) // it has nothing to say
		until(t, "health", func() bool { ok, _ := k.Health(); return ok })
		keeps = append(keeps, k)
	}
	for seq, want := range map[int64]string{1: "1", 5: "5"} {
		for _, k := range keeps {
			if err := k.Announce(t.Context(), "announced"+want, seq, time.Minute, "a channel of TestOnceForAll", []byte("text")); err != nil {
				t.Error(err)
			}
			if err := k.Announce(t.Context(), "announced"+want, seq-1, time.Minute, "a channel of TestOnceForAll", []byte("old")); err != nil {
				t.Error(err)
			}
		}
		if v, found, err := keeps[0].Get(t.Context(), "announced"+want); err != nil || !found || string(v) != want {
			t.Errorf("%q, %v, %v", v, found, err)
		}
	}
}
