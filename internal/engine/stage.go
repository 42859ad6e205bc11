package engine

import (
	"context"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/task"
)

// Stage is a clock that moves by itself, from one alarm to the next: that of a
// rehearsal. It may do so while a turn waits and everything that works in it sleeps;
// the engine tells it when that is, so that no work ever misses its time. A clock of
// Options that is none moves as it likes.
type Stage interface {
	clock.Clock
	// Await is NewTimer for a turn that waits for its nodes until the timer fires or is
	// stopped. sleepers says how many must sleep so that all do, and false while
	// something is on its way; it may be called during that time only.
	Await(d time.Duration, sleepers func() (int, bool)) clock.Timer
	// Sleep lets an attempt of a node sleep, for an item of a map or -1.
	Sleep(ctx context.Context, nodeID string, item int, d time.Duration) error
	// AfterFunc calls f when the time comes, before anything else can happen.
	AfterFunc(d time.Duration, f func()) (stop func())
	// Stir says that the answer of sleepers may have changed.
	Stir()
}

// timer is the timer of a turn that waits.
func (t *turn) timer(d time.Duration) clock.Timer {
	if t.e.stage != nil {
		return t.e.stage.Await(d, t.sleepers)
	}
	return t.e.o.Clock.NewTimer(d)
}

// sleepers implements the question of Stage.Await.
func (t *turn) sleepers() (int, bool) {
	if len(t.inbox) > 0 {
		return 0, false
	}
	all := 0
	for id := range t.working {
		n := 1
		if m := t.mapped[id]; m != nil {
			settled := false
			if n, settled = m.crew.count(); !settled {
				return 0, false
			}
		}
		all += n
	}
	return all, true
}

// sleep lets a node of an item sleep.
func (t *turn) sleep(ctx context.Context, nodeID string, item int, d time.Duration) error {
	if t.e.stage != nil {
		return t.e.stage.Sleep(ctx, nodeID, item, d)
	}
	return clock.Sleep(ctx, t.e.o.Clock, d)
}

// alarmed ends a context when its time has come; the answer stops that.
func (t *turn) alarmed(d time.Duration, cancel context.CancelCauseFunc) (stop func()) {
	if t.e.stage != nil {
		return t.e.stage.AfterFunc(d, func() { cancel(task.ErrTimeout) })
	}
	timer := t.e.o.Clock.NewTimer(d)
	done := make(chan struct{})
	go func() {
		select {
		case <-timer.C():
			cancel(task.ErrTimeout)
		case <-done:
		}
	}()
	return func() {
		close(done)
		timer.Stop()
	}
}

// crew counts the items of a map that are at work. The zero value has none.
type crew struct {
	mu         sync.Mutex
	live, most int
	// last: no more will begin.
	last bool
}

func (c *crew) change(f func(c *crew)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

// count is how many items are at work; false if another one is about to begin or the
// map to end.
func (c *crew) count() (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live, c.live > 0 && (c.last || c.live >= c.most)
}

// stir tells the stage that the crew of a map has changed.
func (t *turn) stir() {
	if t.e.stage != nil {
		t.e.stage.Stir()
	}
}
