package queue

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

// claimLoop claims and starts attempts until ctx ends. live is the context of
// the attempts, which ends later.
func (e *Engine) claimLoop(ctx, live context.Context) {
	for ctx.Err() == nil {
		next, err := e.claim(ctx, live)
		wait := pollEvery
		switch {
		case fault.Is(err, fault.StaleLease):
			wait = backoff / 4 // keepLease renews it or takes a new one
		case err != nil:
			if ctx.Err() == nil {
				e.log.Error("cannot claim jobs", "error", err)
			}
			wait = backoff
		case !next.IsZero():
			wait = min(wait, max(next.Sub(e.o.Clock.Now()), time.Millisecond))
		}
		t := e.o.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-e.wake:
		case <-t.C():
		}
		t.Stop()
	}
}

// claim starts what may start now and returns when the next delayed job is due.
func (e *Engine) claim(ctx, live context.Context) (time.Time, error) {
	for {
		room := store.MaxWorkers - e.Active()
		c, err := e.o.Store.Jobs.Claim(ctx, store.ClaimJobs{Instance: e.InstanceID(), Room: room, Decide: Decide})
		if err != nil {
			return time.Time{}, err
		}
		for _, s := range c.Started {
			e.start(live, s)
		}
		if len(c.Started) == 0 {
			return c.NextAt, nil
		}
	}
}
