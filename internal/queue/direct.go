package queue

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

const (
	// directTTL is how long a waiting request is honoured after its server was
	// heard of last.
	directTTL = 10 * time.Second
	// fullRetry and timeoutRetry are what a refused caller is told to wait.
	fullRetry    = 10 * time.Second
	timeoutRetry = 30 * time.Second
)

// DirectRequest is a synchronous call that takes the next free slot.
type DirectRequest struct {
	Tenant string
	// Kind is the type of the task, which must be a task.Direct.
	Kind string
	By   string // who asks
	// Directive is what the work is done under; the zero value is none.
	Directive run.Directive
	// Params are given to the task and kept nowhere.
	Params json.RawMessage
	// Digest is what the run has in place of params, a JSON object. It must not
	// tell what they are.
	Digest []byte
	// Key makes the request repeatable: Location is that of the answer that is
	// stored for it, for a run with the given id. nil = it is not.
	Key func(runID string) (key *store.Key, location string)
	// CancelOnDisconnect: work whose caller has gone is stopped; otherwise it is
	// finished and recorded.
	CancelOnDisconnect bool
	// Caller hears how the request gets on; nil = nobody listens.
	Caller Caller
}

// Caller hears how its direct request gets on. Its methods must not block. Queued
// comes first, but not where the answer to its entering was lost. It may come often,
// and late: what was said last, or Started, holds.
type Caller interface {
	// Queued says that the request waits, behind ahead others.
	Queued(ahead int)
	// Started says that the request has its slot.
	Started(r run.Run)
	task.Sink
}

// DirectAnswer is how a direct request ended.
type DirectAnswer struct {
	// Run has ended, well or badly.
	Run run.Run
	// Result are the fields of the answer, a JSON object; nil unless the run is
	// COMPLETED.
	Result json.RawMessage
}

// LaneOutcome is what became of a direct request. It is a label of metrics.
type LaneOutcome string

// The outcomes.
const (
	LaneServed  LaneOutcome = "served"  // it ran, well or badly
	LaneTimeout LaneOutcome = "timeout" // no slot in time
	LaneFull    LaneOutcome = "full"    // too many waited
	LaneLeft    LaneOutcome = "left"    // the caller went before it ran
	LaneRefused LaneOutcome = "refused" // the server stopped, or had no database or lease
)

// call is one direct request of this process, from its arrival to its answer.
type call struct {
	kind     task.Direct
	req      DirectRequest
	runID    string
	key      *store.Key
	location string

	placed  chan struct{} // closed when its caller has been told its place, or will not be
	granted chan struct{} // closed when it runs; run and attempt are set
	lost    chan struct{} // closed when its place in the lane is known to be lost
	done    chan struct{} // closed when its end is recorded, or cannot be; answer or err is set
	attempt *attempt
	answer  DirectAnswer
	err     error

	// What follows belongs to Engine.mu.
	entered bool // its place was written
	refused bool // it must not run any more
	ahead   int
}

// Direct makes a request wait for the next free slot, before any queued job, and
// does its work. It returns when the work has ended and that is recorded, also
// when the caller has gone meanwhile.
//
// Without work having been done, the error is a fault: direct_lane_full,
// direct_wait_timeout, shutting_down (the cause of ctx may say so, too),
// job_type_unknown, one of storage's, ctx's error when the caller went, or
// *store.Replay. storage_unavailable also says that the outcome of the work is not
// known.
func (e *Engine) Direct(ctx context.Context, r DirectRequest) (DirectAnswer, error) {
	kind, err := e.o.Tasks.Direct(r.Kind)
	if err != nil {
		return DirectAnswer{}, err
	}
	c := &call{
		kind: kind, req: r, runID: id.New(id.Run, e.o.Clock.Now()),
		placed: make(chan struct{}), granted: make(chan struct{}), lost: make(chan struct{}), done: make(chan struct{}),
	}
	if r.Key != nil {
		c.key, c.location = r.Key(c.runID)
	}
	if !e.enlist(c) {
		return DirectAnswer{}, e.laned(LaneRefused, stopping())
	}
	defer e.discharge(c)
	if err := e.mayspend(ctx, c); err != nil {
		return DirectAnswer{}, e.laned(LaneRefused, err)
	}
	limit, err := e.enter(ctx, c)
	if err != nil {
		return DirectAnswer{}, err
	}
	defer limit.Stop()
	if err := e.await(ctx, c, limit); err != nil {
		return DirectAnswer{}, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if r.CancelOnDisconnect && !fault.Is(context.Cause(ctx), fault.ShuttingDown) {
			c.attempt.cancel(task.ErrCancelled)
		}
		<-c.done
	}
	return c.answer, c.err
}

// DirectWaiting is the number of direct requests of this process that wait.
func (e *Engine) DirectWaiting() int { return len(e.waitingCalls()) }

func stopping() error {
	return fault.New(fault.ShuttingDown, "the server stops; nothing ran").WithRetryAfter(timeoutRetry)
}

// laned counts an outcome and returns err. A request that got its slot after all
// (err is nil) is counted when it was served.
func (e *Engine) laned(o LaneOutcome, err error) error {
	if e.o.OnDirect != nil && (err != nil || o == LaneServed) {
		e.o.OnDirect(o)
	}
	return err
}

// mayspend refuses a request that needs a model while a budget is spent: nobody
// would wait for midnight.
func (e *Engine) mayspend(ctx context.Context, c *call) error {
	needs := job.Direct{Tenant: c.req.Tenant, Locks: c.kind.Locks(c.req.Params)}.Needs()
	if !slices.ContainsFunc(needs.Locks, job.IsModelLock) {
		return nil
	}
	found, err := e.o.Store.Budgets.List(ctx, c.req.Tenant, time.Time{})
	if err != nil {
		return err
	}
	if b := (job.Snapshot{Budgets: found}).SpentBudget(needs); b != nil {
		now := e.o.Clock.Now()
		return fault.New(fault.BudgetSpent, claim.BudgetText(*b)).WithRetryAfter(job.BudgetEnd(now).Sub(now))
	}
	return nil
}

// enlist makes the call known, so that its grant finds it, unless the lane is
// closed.
func (e *Engine) enlist(c *call) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return false
	}
	e.callers.Add(1)
	e.calls[c.runID] = c
	return true
}

func (e *Engine) discharge(c *call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.calls, c.runID)
	e.callers.Done()
}

// closeLane takes no more calls and sends those away that wait.
func (e *Engine) closeLane() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closing = true
	close(e.closed)
}

// enter takes a place in the lane. The timer is the end of the waiting.
func (e *Engine) enter(ctx context.Context, c *call) (clock.Timer, error) {
	defer close(c.placed)
	// Its outcome must be known, also when the caller goes now.
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.o.LeaseTTL)
	defer cancel()
	in, err := e.o.Store.Direct.Enter(brief, store.EnterDirect{
		Run: run.Run{
			ID: c.runID, Tenant: c.req.Tenant, JobType: c.req.Kind, CreatedBy: c.req.By, Params: c.req.Digest, Directive: c.req.Directive,
		},
		Locks: sorted(c.kind.Locks(c.req.Params)), Instance: e.InstanceID(), TTL: directTTL, Key: c.key,
	})
	switch {
	case err == nil:
	case fault.Is(err, fault.DirectLaneFull):
		return nil, e.laned(LaneFull, fault.From(err).WithRetryAfter(fullRetry))
	case fault.Is(err, fault.StaleLease):
		return nil, e.laned(LaneRefused, noLease())
	case fault.Is(err, fault.StorageUnavailable):
		if err := e.laned(LaneRefused, e.withdraw(ctx, c, err)); err != nil {
			return nil, err
		}
		return e.o.Clock.NewTimer(directTTL), nil // it has its slot
	default:
		return nil, err
	}
	e.mu.Lock()
	c.entered, c.ahead = true, in.Ahead
	e.mu.Unlock()
	if c.req.Caller != nil {
		c.req.Caller.Queued(in.Ahead)
	}
	e.kick()
	return e.o.Clock.NewTimer(in.Timeout), nil
}

func noLease() error {
	return fault.New(fault.StorageUnavailable, "this server has lost its place among those that run work; nothing ran").WithRetryAfter(fullRetry)
}

// await returns nil when the call has its slot.
func (e *Engine) await(ctx context.Context, c *call, limit clock.Timer) error {
	select {
	case <-c.granted:
		return nil
	case <-c.lost:
		return e.laned(LaneRefused, e.withdraw(ctx, c, noLease()))
	case <-limit.C():
		return e.laned(LaneTimeout, e.withdraw(ctx, c, fault.New(fault.DirectWaitTimeout, "no slot was free in time; nothing ran").WithRetryAfter(timeoutRetry)))
	case <-e.closed:
		return e.laned(LaneRefused, e.withdraw(ctx, c, stopping()))
	case <-ctx.Done():
		if fault.Is(context.Cause(ctx), fault.ShuttingDown) {
			return e.laned(LaneRefused, e.withdraw(ctx, c, stopping()))
		}
		return e.laned(LaneLeft, e.withdraw(ctx, c, ctx.Err()))
	}
}
