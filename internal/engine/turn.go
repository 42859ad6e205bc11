package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// turn is the part of a run between taking a slot and giving it back. Only the
// goroutine of play uses it, but for what is said to be shared.
type turn struct {
	e    *Engine
	a    task.Attempt
	h    task.Host
	in   Params
	mask Mask // shared, safe
	log  *tale

	g     *workflow.Graph // shared, constant
	scope workflow.Scope  // shared, constant
	run   store.WorkflowRun
	// state is where the run is, saved where the store has it.
	state, saved workflow.State
	// stored are the outputs in the store of nodes that have others in memory.
	stored map[string]map[string]any
	// redo are nodes that work again because a crash lost their outputs.
	redo map[string]bool

	working map[string]*work
	// mapped are maps at work, by node.
	mapped map[string]*mapped
	inbox  chan any // shared
	// news is what happens to the run outside, unheard its end.
	news    <-chan store.WorkflowSignals
	unheard func()
	// held are locks that the attempt has, and by which node; "" = by none yet.
	held map[string]string // under locking
	// locking guards held: items take locks too.
	locking sync.Mutex
	// blocked are ready nodes whose locks are not free, with these.
	blocked map[string][]string
	// woken are the nodes whose wait has ended and that were not resumed yet.
	woken    map[string]store.WokenNode
	signals  store.WorkflowSignals
	attempts []store.NodeAttempt
	events   []event.Event
	// pending are steps of nodes that only compute, which are written with the next one.
	pending []store.WorkflowStep
	// rewinds are nodes that want the run put back, while nodes of that part work.
	rewinds map[string]rewinding
	// abandoned are waits to be ended when the step is durable that gives them up.
	abandoned []abandoned
	// about is the node that the next step is mostly about; items says that nothing
	// but items of maps has changed.
	about string
	items bool
	// dirty: something changed since the last step. due is when it must be written.
	dirty bool
	due   time.Time
	// since is until when Worked has been counted; ended when the grace is over.
	since, ended time.Time
	// status is what the run was announced to be.
	status workflow.Result
	// final: the next step is the run's last.
	final bool
	// showed is the last progress that was shown.
	showed int64
}

// open reads a run and prepares its turn.
func (e *Engine) open(ctx context.Context, a task.Attempt, h task.Host, in Params) (*turn, error) {
	run, signals, err := e.load(ctx, a)
	if err != nil {
		return nil, err
	}
	g, err := e.o.Versions.Graph(ctx, a.Tenant, run.WorkflowID, run.Version)
	if err != nil {
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.VersionNotFound) || fault.Is(err, fault.InvalidInput) {
			return nil, task.Fatal("workflow_version", err)
		}
		return nil, task.Postpone(fmt.Errorf("read the workflow: %w", err), 5*time.Second)
	}
	now := e.o.Clock.Now()
	t := &turn{
		e: e, a: a, h: h, in: in, mask: e.o.Mask(), log: &tale{to: h.Log(), from: now, open: run.Seq > 0}, g: g, run: run, state: run.State, stored: map[string]map[string]any{}, redo: map[string]bool{},
		working: map[string]*work{}, mapped: map[string]*mapped{}, inbox: make(chan any, 256), held: map[string]string{}, blocked: map[string][]string{},
		woken: map[string]store.WokenNode{}, rewinds: map[string]rewinding{}, since: now,
	}
	if run.Seq == 0 && run.RetryOf == "" {
		t.state = workflow.Begin()
	}
	t.status = workflow.ResultWaiting
	if run.Seq == 0 {
		t.status = resultPending
	}
	for _, name := range a.Locks {
		t.held[name] = ""
	}
	if err := t.inputs(ctx); err != nil {
		return nil, err
	}
	t.signal(signals)
	t.saved = t.state.Clone()
	t.news, t.unheard = e.news.follow(run.ID)
	return t, nil
}

// resultPending is what a run was before its first step.
const resultPending workflow.Result = store.WorkflowPending

// load asks until the store answers, or the attempt is another's.
func (e *Engine) load(ctx context.Context, a task.Attempt) (store.WorkflowRun, store.WorkflowSignals, error) {
	for {
		run, signals, err := e.o.Runs.Load(ctx, a.JobID, a.Epoch)
		switch {
		case err == nil:
			return run, signals, nil
		case fault.Is(err, fault.StaleLease):
			return run, signals, task.ErrLeaseLost
		case fault.Is(err, fault.NotFound):
			return run, signals, task.Fatal("workflow_run_missing", err)
		}
		e.o.Logger.Error("cannot read a run of a workflow, trying again", "job_id", a.JobID, "error", err)
		if clock.Sleep(ctx, e.o.Clock, again) != nil {
			return run, signals, context.Cause(ctx)
		}
	}
}

// inputs makes the scope of the run's expressions.
func (t *turn) inputs(ctx context.Context) error {
	given, _ := workflow.Plain(maps.Clone(t.in.Inputs)).(map[string]any)
	if len(t.in.Sealed) > 0 {
		if t.e.o.Secrets == nil {
			return task.Fatal("secrets_unavailable", errors.New("the run has secret inputs, and this server has no key for them"))
		}
		if given == nil {
			given = map[string]any{}
		}
		for name, sealed := range t.in.Sealed {
			data, err := t.e.o.Secrets.Open(ctx, t.a.Tenant, SealedInput(t.run.WorkflowID, name), sealed)
			if err != nil {
				return task.Postpone(fmt.Errorf("open the secret input %s: %w", name, err), 5*time.Second)
			}
			if given[name], err = decode(data); err != nil {
				return task.Fatal("invalid_input", err)
			}
			t.mask.Add(secretTexts(given[name], nil)...)
		}
	}
	inputs, err := t.g.Definition.Complete(given, "/inputs")
	if err != nil {
		return task.Fatal("invalid_input", err)
	}
	t.scope = workflow.Scope{
		Inputs: inputs,
		Run: map[string]any{
			"id": t.run.ID, "attempt": int64(t.a.Number), "started_at": stamp(t.run.StartedAt, t.since), "trigger": string(t.run.Job.Trigger),
			"scheduled_for": t.run.Job.Labels["runsheet.scheduled_for"],
		},
		Workflow: map[string]any{"id": t.run.WorkflowID, "version": int64(t.run.Version)},
	}
	if t.e.o.Calendars != nil {
		t.scope.Calendars = t.e.o.Calendars(t.a.Tenant)
	}
	if t.scope.Vars, err = t.g.Definition.Constants(expression.Env{Inputs: inputs, Run: t.scope.Run, Workflow: t.scope.Workflow, Now: t.since}); err != nil {
		return task.Fatal("vars", err)
	}
	return nil
}

func stamp(at, or time.Time) string {
	if at.IsZero() {
		at = or
	}
	return at.UTC().Format(time.RFC3339)
}

// close ends everything that still works and waits for it.
func (t *turn) close() {
	t.unheard()
	for _, w := range t.working {
		w.cancel(task.ErrShutdown)
	}
	for len(t.working) > 0 {
		t.answer(false)
		switch m := (<-t.inbox).(type) {
		case ended:
			delete(t.working, m.work.id())
		case itemEnded:
			m.ack <- false
		case itemsReady:
			m.ack <- false
		case itemBegun:
			m.ack <- false
		}
	}
}

// claimed names the attempt. It is safe for concurrent use.
func (t *turn) claimed() Claimed {
	return Claimed{JobID: t.a.JobID, RunID: t.a.RunID, Epoch: t.a.Epoch}
}

func (t *turn) now() time.Time { return t.e.o.Clock.Now() }

// touch says that the state has changed.
func (t *turn) touch(nodeID string) {
	if t.about == "" {
		t.about = nodeID
	}
	t.dirty, t.items = true, false
	if t.due.IsZero() {
		t.due = t.now().Add(lazily)
	}
}

// signal takes over what has happened outside.
func (t *turn) signal(s store.WorkflowSignals) {
	t.signals.Paused = s.Paused
	if !s.CancelAskedAt.IsZero() && t.signals.CancelAskedAt.IsZero() {
		t.signals.CancelAskedAt, t.signals.CancelledBy = s.CancelAskedAt, s.CancelledBy
	}
	for _, w := range s.Woken {
		t.woken[w.NodeID] = w
	}
}
