package queue

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// This file holds what happens to direct requests between their arrival and
// their answer: how their places are kept, lost and given up, and how their work
// is done.

// nobodyWaits is recorded for a request that got its slot when its caller had
// been told that nothing would run.
const nobodyWaits = "nobody waited any more; nothing ran"

// keepLane renews the places of this process's waiting requests until ctx ends.
func (e *Engine) keepLane(ctx context.Context) {
	for clock.Pulse(ctx, e.o.Clock, directTTL/3) == nil {
		waiting, self := e.waitingCalls(), e.InstanceID()
		if len(waiting) == 0 || self == "" {
			continue
		}
		states, err := e.o.Store.Direct.Beat(ctx, self, directTTL)
		if err != nil {
			if n, ok := e.quiet.due("lane"); ok && ctx.Err() == nil {
				e.log.Warn("cannot renew the places of direct requests", "error", err, "left_out", n)
			}
			continue
		}
		for _, c := range waiting {
			n := slices.IndexFunc(states, func(s store.DirectState) bool { return s.RunID == c.runID })
			switch {
			case n < 0:
				e.losePlace(c)
			case !states[n].Started:
				e.moveUp(c, states[n].Ahead)
			}
		}
	}
}

// waitingCalls are the calls that have a place in the lane.
func (e *Engine) waitingCalls() []*call {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []*call
	for _, c := range e.calls {
		if c.entered && !c.refused && c.attempt == nil {
			out = append(out, c)
		}
	}
	return out
}

// losePlace tells a call that it waits in vain. It may have got its slot
// meanwhile, and then it is told nothing.
func (e *Engine) losePlace(c *call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loseLocked(c)
}

func (e *Engine) loseLocked(c *call) {
	if c.attempt != nil {
		return
	}
	select {
	case <-c.lost:
	default:
		close(c.lost)
	}
}

// moveUp tells a caller where it stands, if that has changed.
func (e *Engine) moveUp(c *call, ahead int) {
	e.mu.Lock()
	moved := c.ahead != ahead
	c.ahead = ahead
	e.mu.Unlock()
	if moved && c.req.Caller != nil {
		c.req.Caller.Queued(ahead)
	}
}

// withdraw gives a call's place up for why, which it returns. It returns nil when
// the call has its slot already: the store decides the race, and work that was
// started is done.
func (e *Engine) withdraw(ctx context.Context, c *call, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.o.LeaseTTL)
	defer cancel()
	giveUp := e.o.Clock.NewTimer(recordGrace)
	defer giveUp.Stop()
	for {
		left, err := e.o.Store.Direct.Leave(ctx, store.LeaveDirect{RunID: c.runID, Key: c.key, Location: c.location})
		if err == nil && left {
			return why
		}
		if err == nil {
			var r run.Run
			if r, err = e.o.Store.Runs.Run(ctx, c.req.Tenant, c.runID); fault.Is(err, fault.NotFound) || err == nil && r.State.Terminal() {
				return e.refuse(c, why) // not there any more, or ended by a rescue
			}
		}
		// It runs, and its grant is on its way through the claim loop; or the database
		// is away, and its place vanishes by itself. A grant that comes after all is
		// not used.
		retry := e.o.Clock.NewTimer(backoff)
		select {
		case <-c.granted:
			retry.Stop()
			return nil
		case <-retry.C():
		case <-e.over:
			retry.Stop()
			return e.refuse(c, why)
		case <-giveUp.C():
			retry.Stop()
			return e.refuse(c, why)
		}
	}
}

// refuse makes sure that a call does not run any more and returns why, or nil if
// it runs already.
func (e *Engine) refuse(c *call, why error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.attempt != nil {
		return nil
	}
	c.refused = true
	return why
}

// startDirect does the work of a request that has its slot.
func (e *Engine) startDirect(live context.Context, r run.Run) {
	a := &attempt{run: r}
	e.mu.Lock()
	c := e.calls[r.ID]
	if c != nil && !c.refused {
		c.attempt, a.call = a, c
	}
	e.mu.Unlock()
	e.launch(live, a, e.attendDirect)
}

// attendDirect makes the one attempt of a direct request and records its end.
func (e *Engine) attendDirect(ctx, live context.Context, a *attempt) {
	log := e.log.With("run_id", a.run.ID, "kind", a.run.JobType)
	c := a.call
	if c == nil {
		// Nobody is there who has the params.
		log.Warn("a direct request got its slot when nobody waited for it any more")
		e.recordDirect(live, log, a, run.Broke{At: e.o.Clock.Now(), Failure: run.Failure{Code: job.CodeCancelled, Message: nobodyWaits}})
		return
	}
	defer close(c.done)
	close(c.granted)
	<-c.placed // a claim may be faster than the answer to the request's entering
	if c.req.Caller != nil {
		c.req.Caller.Started(a.run)
	}
	h := newHost(e, a)
	result, err := e.answer(ctx, a, h)
	cause := context.Cause(ctx)
	res := h.close()
	lost := fault.New(fault.StorageUnavailable, "this server has lost its place among those that run work, and the outcome of run "+a.run.ID+" is not known here")
	if errors.Is(cause, task.ErrLeaseLost) && a.begun {
		log.Warn("attempt stopped: its lease is lost")
		c.err = lost
		return
	}
	ended, ok := e.recordDirect(live, log, a, e.directVerdict(a, cause, err, res))
	if !ok {
		c.err = lost
		return
	}
	if c.answer.Run = ended; ended.State == run.Completed {
		c.answer.Result = result
	}
	_ = e.laned(LaneServed, nil)
}

// directVerdict makes the event that ends the run of a direct request.
func (e *Engine) directVerdict(a *attempt, cause, err error, res run.Result) any {
	at := e.o.Clock.Now()
	broke := func(code, message string) any {
		return run.Broke{At: at, Failure: run.Failure{Code: code, Message: message}, Result: res}
	}
	switch {
	case errors.Is(cause, task.ErrShutdown):
		return broke(job.CodeInterrupted, "stopped with the server")
	case errors.Is(cause, task.ErrLeaseLost):
		return broke(job.CodeInterrupted, "the server lost its lease before the work began")
	case errors.Is(cause, task.ErrTimeout):
		return broke(job.CodeTimeout, "the work took longer than "+a.limit.String())
	case cause != nil:
		return broke(job.CodeCancelled, "the caller has gone")
	}
	v := task.VerdictOf(err)
	switch {
	case v == nil:
		return run.Succeeded{At: at, Result: res}
	case v.Skipped:
		return run.Passed{At: at, Reason: text(v.Error(), maxMessage), Result: res}
	}
	return broke(v.Code, text(v.Error(), maxMessage))
}

// recordDirect writes the end of a direct request and returns its run then. It
// reports false when the run is another's by now, or the server ends first.
func (e *Engine) recordDirect(live context.Context, log *slog.Logger, a *attempt, ev any) (run.Run, bool) {
	c, err := run.Apply(a.run, ev)
	if err != nil { // a claim gives active runs only
		log.Error("cannot end a direct request", "error", err)
		return run.Run{}, false
	}
	ok := e.record(live, log, func() error { return e.o.Store.Direct.Finish(live, []run.Change{c})[0] })
	return c.After, ok
}

// answer calls the task. A panic fails the request, not the
// server.
func (e *Engine) answer(ctx context.Context, a *attempt, h *host) (result json.RawMessage, err error) {
	dir := filepath.Join(e.o.WorkDir, a.run.ID)
	defer e.removeDir(a.call.kind, dir)
	if _, err := e.prepare(ctx, a, a.call.kind, dir); err != nil {
		return nil, err
	}
	under, err := e.directive(ctx, a.run)
	if err != nil {
		return nil, err
	}
	defer e.limitTime(a, timeout(0, under))()
	defer e.recovered(a, &err)
	if !e.holds(a) { // as for a job
		a.cancel(task.ErrLeaseLost)
		return nil, task.ErrLeaseLost
	}
	a.begun = true
	var out task.Sink = noSink{}
	if a.call.req.Caller != nil {
		out = a.call.req.Caller
	}
	result, err = a.call.kind.Answer(ctx, task.Attempt{
		RunID: a.run.ID, Tenant: a.run.Tenant, JobName: a.run.JobName, Number: a.run.Attempt, Params: a.call.req.Params,
		Epoch: a.run.Epoch, IdempotencyKey: a.run.ID, Directive: under, Open: e.opener(a, h), Dir: dir, Grace: e.o.Grace, Until: e.workUntil(a),
	}, h, out)
	var fields map[string]json.RawMessage
	switch {
	case err != nil:
		return nil, err
	case len(result) == 0:
		return json.RawMessage(`{}`), nil
	case json.Unmarshal(result, &fields) != nil || fields == nil:
		return nil, task.Fatal("task_error", errors.New("the task's answer is not a JSON object"))
	}
	return result, nil
}

// noSink is for requests whose caller wants the result only.
type noSink struct{}

func (noSink) Token(string) {}

// interruptDirect ends the run of a direct request whose server is gone.
func (e *Engine) interruptDirect(ctx context.Context, r run.Run) error {
	c, err := run.Apply(r, run.Broke{
		At: e.o.Clock.Now(), Failure: run.Failure{Code: job.CodeInterrupted, Message: job.InterruptedMessage}, Result: r.Result,
	})
	if err != nil {
		return err
	}
	return e.o.Store.Direct.Finish(ctx, []run.Change{c})[0]
}

// lookForTakeover stops the work of a direct request that is another's by now.
func (e *Engine) lookForTakeover(ctx context.Context, a *attempt) {
	r, err := e.o.Store.Runs.Run(ctx, a.run.Tenant, a.run.ID)
	if err == nil && (r.State.Terminal() || r.Epoch != a.run.Epoch) {
		a.cancel(task.ErrLeaseLost)
	}
}

func sorted(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }
