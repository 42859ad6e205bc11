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
		for rode := true; rode && ctx.Err() == nil; {
			next, poll, rode, err = e.pause(ctx, live, next, err)
		}
	}
}

// pause waits until it is time to claim again, after a claim that knows when the next
// delayed job is due, or failed. poll: nobody told of anything meanwhile. rode: it has
// claimed already, with the outcome next and err.
func (e *Engine) pause(ctx, live context.Context, next time.Time, failed error) (again time.Time, poll, rode bool, err error) {
	wait := pollEvery
	switch {
	case fault.Is(failed, fault.StaleLease):
		wait = backoff / 4 // keepLease renews it or takes a new one
	case failed != nil:
		if ctx.Err() == nil {
			if n, ok := e.quiet.due("claim"); ok {
				e.log.Error("cannot claim jobs", "error", failed, "left_out", n)
			}
		}
		wait = backoff
	case !next.IsZero():
		// The store's clock decides; when it is behind, looking all the time would
		// not make it faster.
		wait = min(wait, max(next.Sub(e.o.Clock.Now()), leastWait))
	}
	poll = failed == nil && next.IsZero()
	t := e.o.Clock.NewTimer(clock.Beat(e.o.Clock, wait))
	defer t.Stop()
	woken := false
	until := func(rode <-chan struct{}) {
		select {
		case <-ctx.Done():
		case <-rode:
		case <-e.wake:
			woken, poll = true, false
		case <-t.C():
		}
	}
	// First, it has to be seen what became of a claim that failed. And what rides does not
	// see whether the lease is still trusted, which only matters where others can take it.
	what := e.claimOf(false)
	if failed != nil || !e.o.Exclusive || what.Room <= 0 {
		until(nil)
		return next, poll, false, nil
	}
	c, rode, err := e.o.Store.Queue.Await(ctx, what, until)
	if !rode && err == nil {
		return next, poll, false, nil
	}
	if err != nil {
		e.doubt = !fault.Is(err, fault.StaleLease)
		return time.Time{}, poll, true, err
	}
	if woken { // by something that the claim may not have seen
		e.kick()
	}
	if !e.begin(live, c) {
		next, err := e.claim(ctx, live, false)
		return next, poll, true, err
	}
	return c.NextAt, poll, true, nil
}

// claimOf is what this server claims now.
func (e *Engine) claimOf(poll bool) store.ClaimJobs {
	return store.ClaimJobs{Instance: e.InstanceID(), Room: store.MaxWorkers - e.Active(), Poll: poll, Decide: e.decide}
}

// begin starts what was claimed, and tells whether that was all.
func (e *Engine) begin(live context.Context, c store.Claims) (all bool) {
	for _, d := range c.Direct {
		e.startDirect(live, d.Run)
	}
	for _, s := range c.Started {
		e.start(live, s)
	}
	return c.Settled || len(c.Started)+len(c.Direct) == 0
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
		c, err := e.o.Store.Jobs.Claim(ctx, e.claimOf(poll))
		if err != nil {
			e.doubt = !fault.Is(err, fault.StaleLease)
			return time.Time{}, err
		}
		if e.begin(live, c) {
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
