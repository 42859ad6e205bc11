package queue

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

// claimLoop claims and starts attempts until ctx ends. live is the context of
// the attempts, which ends later.
func (e *Engine) claimLoop(ctx, live context.Context) {
	for poll := false; ctx.Err() == nil; {
		next, err := e.claim(ctx, live, poll)
		wait := pollEvery
		switch {
		case fault.Is(err, fault.StaleLease):
			wait = backoff / 4 // keepLease renews it or takes a new one
		case err != nil:
			if ctx.Err() == nil {
				if n, ok := e.quiet.due("claim"); ok {
					e.log.Error("cannot claim jobs", "error", err, "left_out", n)
				}
			}
			wait = backoff
		case !next.IsZero():
			// The store's clock decides; when it is behind, looking all the time would
			// not make it faster.
			wait = min(wait, max(next.Sub(e.o.Clock.Now()), leastWait))
		}
		t := e.o.Clock.NewTimer(clock.Beat(e.o.Clock, wait))
		select {
		case <-ctx.Done():
		case <-e.wake:
			poll = false
		case <-t.C():
			poll = next.IsZero() && err == nil
		}
		t.Stop()
	}
}

// claim starts what may start now and returns when the next delayed job is due.
// poll: nobody told of anything. After an error it is not known whether jobs were claimed.
func (e *Engine) claim(ctx, live context.Context, poll bool) (time.Time, error) {
	// The store may hold the lease for alive when this server doubts it: what it claimed,
	// it would give back at once, again and again.
	if !e.Leased() {
		return time.Time{}, fault.New(fault.StaleLease, "this server doubts its lease")
	}
	if e.doubt {
		if err := e.adopt(ctx, live); err != nil {
			return time.Time{}, err
		}
		e.doubt = false
	}
	for {
		room := store.MaxWorkers - e.Active()
		c, err := e.o.Store.Jobs.Claim(ctx, store.ClaimJobs{Instance: e.InstanceID(), Room: room, Poll: poll, Decide: e.decide})
		if err != nil {
			e.doubt = !fault.Is(err, fault.StaleLease)
			return time.Time{}, err
		}
		for _, d := range c.Direct {
			e.startDirect(live, d.Run)
		}
		for _, s := range c.Started {
			e.start(live, s)
		}
		if c.Settled || len(c.Started)+len(c.Direct) == 0 {
			return c.NextAt, nil
		}
	}
}

// adopt starts what a claim with an unknown outcome gave to this instance.
// Nobody else would: its lease is alive.
func (e *Engine) adopt(ctx, live context.Context) error {
	// Known attempts are noted before the store is asked, so that one that ends
	// meanwhile is not started a second time.
	e.mu.Lock()
	self, known := e.instance, maps.Clone(e.active)
	e.mu.Unlock()
	held, err := e.o.Store.Jobs.Running(ctx, self)
	if err != nil {
		return fmt.Errorf("look for claimed jobs: %w", err)
	}
	direct, err := e.o.Store.Direct.Running(ctx, self)
	if err != nil {
		return fmt.Errorf("look for direct requests: %w", err)
	}
	for _, r := range direct {
		if known[r.ID] == nil {
			e.log.Warn("starting a direct request whose claim had an unknown outcome", "run_id", r.ID)
			e.startDirect(live, r)
		}
	}
	for _, c := range held {
		// The run may have been here before, and its last turn not be over in full.
		if a := known[c.Run.ID]; a == nil || a.run.Epoch != c.Run.Epoch {
			e.log.Warn("starting a job whose claim had an unknown outcome", "job_id", c.Job.ID, "run_id", c.Run.ID)
			e.start(live, c)
		}
	}
	return nil
}
