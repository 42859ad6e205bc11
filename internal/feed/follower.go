package feed

import (
	"context"
	"sync"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
)

// follower reads the log of one tenant and keeps its newest events.
type follower struct {
	f      *Feed
	tenant string
	wakeup chan struct{}
	stop   context.CancelFunc
	// readers counts those who hold it; Feed.mu guards it.
	readers int

	mu sync.Mutex
	// ring holds all events of the tenant with base < Seq <= head, oldest at
	// first.
	ring       []event.Event
	first      int
	base, head int64
	// changed is closed, and replaced, when events were added.
	changed chan struct{}
}

func newFollower(f *Feed, tenant string, from int64) *follower {
	return &follower{
		f: f, tenant: tenant, wakeup: make(chan struct{}, 1), base: from, head: from, changed: make(chan struct{}),
	}
}

// kick makes the follower read soon. It never blocks.
func (fo *follower) kick() {
	select {
	case fo.wakeup <- struct{}{}:
	default: // it will read anyway, after what the hint told of was committed
	}
}

// run reads until ctx ends.
func (fo *follower) run(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		err := fo.read(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			fo.f.o.Logger.WarnContext(ctx, "cannot read events, trying again", "tenant", fo.tenant, "error", err)
		}
		failing = err != nil
		if clock.Sleep(ctx, fo.f.o.Clock, gap) != nil {
			return
		}
		t := fo.f.o.Clock.NewTimer(fo.f.o.Poll)
		select {
		case <-fo.wakeup:
		case <-t.C():
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// read takes in what is new.
func (fo *follower) read(ctx context.Context) error {
	for {
		fo.mu.Lock()
		head := fo.head
		fo.mu.Unlock()
		evs, err := fo.f.o.Events.Since(ctx, fo.tenant, head, batch)
		if err != nil {
			return err
		}
		fo.add(evs)
		if len(evs) < batch {
			return nil
		}
	}
}

func (fo *follower) add(evs []event.Event) {
	if len(evs) == 0 {
		return
	}
	fo.mu.Lock()
	defer fo.mu.Unlock()
	for _, e := range evs {
		if len(fo.ring) < fo.f.o.Recent {
			fo.ring = append(fo.ring, e)
		} else {
			fo.base = fo.ring[fo.first].Seq
			fo.ring[fo.first] = e
			fo.first = (fo.first + 1) % len(fo.ring)
		}
	}
	fo.head = evs[len(evs)-1].Seq
	close(fo.changed)
	fo.changed = make(chan struct{})
}

// after returns the next events behind seq, and a channel that is closed when
// more have come. When memory does not reach back to seq, it returns no channel
// and how far it does.
func (fo *follower) after(seq int64) (evs []event.Event, more <-chan struct{}, base int64) {
	fo.mu.Lock()
	defer fo.mu.Unlock()
	if seq < fo.base {
		return nil, nil, fo.base
	}
	n := len(fo.ring)
	// The first event of the ring with a greater Seq, by halving.
	low, high := 0, n
	for low < high {
		mid := (low + high) / 2
		if fo.ring[(fo.first+mid)%n].Seq > seq {
			high = mid
		} else {
			low = mid + 1
		}
	}
	for i := low; i < n && len(evs) < batch; i++ {
		evs = append(evs, fo.ring[(fo.first+i)%n])
	}
	return evs, fo.changed, fo.base
}
