package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
)

// errCancelled stops nodes because a person cancelled the run, errStopped because it
// ends otherwise.
var (
	errCancelled = errors.New("the run was cancelled")
	errStopped   = errors.New("the run ends")
)

// play goes on with the run until it is over, only waits, or must be left.
func (t *turn) play(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	for {
		if ctx.Err() != nil {
			return t.leave(ctx, nil)
		}
		if err := t.advance(ctx); err != nil {
			return err
		}
		if t.state.Phase == workflow.PhaseOver && len(t.working) == 0 {
			return t.finish(ctx)
		}
		starts, err := t.choose(ctx)
		if err != nil {
			return err
		}
		idle := len(t.working) == 0 && len(starts) == 0
		if idle {
			if err := t.parked(); err != nil {
				return err
			}
		}
		quick, starts := apart(starts)
		stashed := len(starts) == 0 && len(quick) > 0 && t.stash()
		if !stashed && (idle || t.dirty && (t.pressing() || urgent(starts)) || len(t.pending) > 0 && len(quick) == 0) {
			if err := t.save(ctx); err != nil {
				return err
			}
		}
		for _, w := range starts {
			t.launch(ctx, w)
		}
		if len(quick) > 0 {
			if err := t.compute(ctx, quick); err != nil {
				return err
			}
			continue
		}
		switch {
		case idle && t.state.Phase == workflow.PhaseOver, idle && t.stirred():
			t.announceRun(event.WorkflowRunResumed, workflow.ResultRunning, "")
			continue
		case idle:
			return task.Park(t.parking())
		}
		if err := t.await(ctx); err != nil {
			return err
		}
	}
}

// parked tells that the run waits from now on.
func (t *turn) parked() error {
	typ, why := event.WorkflowRunWaiting, t.reason()
	if why == "" {
		return task.Fatal("internal_error", errors.New("the run does not go on, and waits for nothing"))
	}
	if why == waitPaused {
		typ = event.WorkflowRunPaused
	}
	t.announceRun(typ, workflow.ResultWaiting, string(why))
	return nil
}

// begin prepares the first look at a run: it takes its turn under a concurrency key,
// and puts right what a crash left behind.
func (t *turn) begin(ctx context.Context) error {
	if t.run.Seq == 0 && t.g.Key != nil && t.state.Phase == workflow.PhaseRunning && t.signals.CancelAskedAt.IsZero() {
		granted, err := t.enter(ctx)
		if err != nil || !granted {
			return err
		}
	}
	if t.run.Seq == 0 {
		t.announceRun(event.WorkflowRunStarted, workflow.ResultRunning, "")
	} else if t.state.Phase != workflow.PhaseOver {
		t.announceRun(event.WorkflowRunResumed, workflow.ResultRunning, "")
		t.noteTakeover()
	}
	for _, step := range t.g.With(t.state, workflow.NodeCancelled) {
		// A server may have died between the step that gave a wait up and its end.
		if w := t.state.Nodes[step.ID].Wait; w != nil {
			t.giveUp(step, t.state, *w)
		}
	}
	t.endAbandoned()
	if t.state.Phase == workflow.PhaseOver {
		return nil // it ended, and the server with it before the queue knew
	}
	if err := t.reload(ctx); err != nil {
		return err
	}
	return t.recover()
}

// advance carries the state on, and lets what must end know.
func (t *turn) advance(ctx context.Context) error {
	if !t.signals.CancelAskedAt.IsZero() && t.state.Result != workflow.ResultCancelled && t.state.Phase != workflow.PhaseOver {
		t.state.Cancel("cancelled" + by(t.signals.CancelledBy))
		t.touch("")
	}
	if err := t.resume(ctx); err != nil {
		return err
	}
	if limit := t.g.Definition.Timeout; limit > 0 && t.state.Phase == workflow.PhaseRunning && t.worked() > limit {
		t.state.FailRun(workflow.Failure{Code: "timeout", Message: fmt.Sprintf("the run has worked for longer than %s", limit)})
		t.touch("")
	}
	before := t.state.Clone()
	if err := t.g.Advance(&t.state, t.scope, t.now()); err != nil {
		return task.Fatal("internal_error", err)
	}
	if !same(before, t.state) {
		t.hush(before)
		t.touch("")
		t.abandon(before)
	}
	if t.state.Phase == workflow.PhaseStopping {
		t.halt()
	}
	for id, w := range t.working { // a wait that has ended too late
		if t.state.Status(id).Terminal() {
			w.cancel(errStopped)
		}
	}
	return nil
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return " by " + who
}

// same compares what Advance can change.
func same(a, b workflow.State) bool {
	if a.Phase != b.Phase || a.Result != b.Result || len(a.Undo) != len(b.Undo) || len(a.Nodes) != len(b.Nodes) {
		return false
	}
	for id, n := range b.Nodes {
		if a.Nodes[id].Status != n.Status {
			return false
		}
	}
	return true
}

// halt asks the nodes that work to end: at once after a cancel, with some grace when
// the run fails by itself.
func (t *turn) halt() {
	if t.state.Result == workflow.ResultCancelled {
		for _, w := range t.working {
			w.cancel(errCancelled)
		}
		return
	}
	if t.ended.IsZero() {
		t.ended = t.now().Add(t.e.o.Grace)
	}
	if !t.now().Before(t.ended) {
		for _, w := range t.working {
			w.cancel(errStopped)
		}
	}
}

// pressing reports whether the next step cannot wait.
func (t *turn) pressing() bool {
	return t.about != "" || !t.due.IsZero() && !t.now().Before(t.due)
}

// urgent reports whether the beginning of any of these has to be durable before it
// works.
func urgent(starts []*work) bool {
	for _, w := range starts {
		if w.step.OnCrash != workflow.CrashRetry {
			return true
		}
	}
	return false
}

// stirred reports whether something has happened while the run was about to park. What
// woke a node that waits no more, because the run ends, is nothing.
func (t *turn) stirred() bool {
	maps.DeleteFunc(t.woken, func(id string, w store.WokenNode) bool {
		n := t.state.Nodes[id]
		return n.Status != workflow.NodeWaiting || n.Wait == nil || n.Wait.For != w.For
	})
	return len(t.woken) > 0 && !t.signals.Paused || !t.signals.CancelAskedAt.IsZero() && t.state.Result != workflow.ResultCancelled
}

// reason is what the run waits for first.
func (t *turn) reason() workflow.WaitFor {
	if t.signals.Paused {
		return waitPaused
	}
	if len(t.blocked) > 0 {
		return workflow.WaitLock
	}
	var first workflow.Wait
	for _, step := range t.g.With(t.state, workflow.NodeWaiting) {
		w := t.state.Nodes[step.ID].Wait
		if first.For == "" || first.Until.IsZero() && !w.Until.IsZero() || !w.Until.IsZero() && w.Until.Before(first.Until) {
			first = *w
		}
	}
	return first.For
}

// waitPaused and waitTurn are reasons of runs, not of nodes.
const (
	waitPaused workflow.WaitFor = "paused"
	waitTurn   workflow.WaitFor = "turn"
)

// parking says until when the run waits.
func (t *turn) parking() task.Parking {
	p := task.Parking{For: string(t.reason()), CancelSeen: !t.signals.CancelAskedAt.IsZero()}
	if t.signals.Paused {
		return p
	}
	for _, step := range t.g.Steps {
		if names, is := t.blocked[step.ID]; is && t.state.Status(step.ID) == workflow.NodeReady {
			p.Locks = names
			return p
		}
	}
	p.Until = t.alarm()
	return p
}

// alarm is the earliest time at which a wait ends by itself; zero = none does.
func (t *turn) alarm() time.Time {
	var first time.Time
	for _, step := range t.g.With(t.state, workflow.NodeWaiting) {
		if until := t.state.Nodes[step.ID].Wait.Until; !until.IsZero() && (first.IsZero() || until.Before(first)) {
			first = until
		}
	}
	return first
}

// await waits until something happens.
func (t *turn) await(ctx context.Context) error {
	every := lookEvery
	if t.e.stage != nil {
		every = stageEvery
	}
	wait := every
	if t.state.Phase != workflow.PhaseStopping {
		t.ended = time.Time{}
	}
	now := t.now()
	for _, at := range []time.Time{t.due, t.rings(), t.ended, t.overtime()} {
		if at.IsZero() || at.Equal(t.ended) && !now.Before(at) { // the grace is over: that was told
			continue
		}
		wait = min(wait, max(at.Sub(now), time.Millisecond))
	}
	timer := t.timer(wait)
	cancelled := t.a.Cancelled
	if !t.signals.CancelAskedAt.IsZero() {
		cancelled = nil
	}
	select {
	case m := <-t.inbox:
		timer.Stop()
		return t.receive(ctx, m)
	case <-cancelled:
		timer.Stop()
		if err := t.look(ctx); err != nil { // it says who
			return err
		}
		if t.signals.CancelAskedAt.IsZero() {
			t.signals.CancelAskedAt = t.now()
		}
		return nil
	case <-ctx.Done():
		timer.Stop()
		return t.leave(ctx, nil)
	case s := <-t.news:
		timer.Stop()
		if len(s.Woken) > 0 {
			// It may have been read before the last step, and be about a wait that was
			// another one: what is read now is not.
			return t.look(ctx)
		}
		t.signal(s)
		return nil
	case <-timer.C():
		clear(t.blocked)
		return nil
	}
}

// rings is alarm for a turn that works: a wait whose end nobody may act on now is left
// out, so that the turn does not spin.
func (t *turn) rings() time.Time {
	var first time.Time
	if t.signals.Paused || t.state.Phase == workflow.PhaseStopping || t.state.Phase == workflow.PhaseOver {
		return first
	}
	for _, step := range t.g.With(t.state, workflow.NodeWaiting) {
		until := t.state.Nodes[step.ID].Wait.Until
		if t.working[step.ID] == nil && !t.rewound(step.ID) && !until.IsZero() && (first.IsZero() || until.Before(first)) {
			first = until
		}
	}
	return first
}

// overtime is when the run will have worked for too long; zero = that is no matter any
// more.
func (t *turn) overtime() time.Time {
	limit := t.g.Definition.Timeout
	if limit <= 0 || t.state.Phase != workflow.PhaseRunning {
		return time.Time{}
	}
	return t.since.Add(limit - t.state.Worked + time.Millisecond)
}

// look asks whether something has happened to the run.
func (t *turn) look(ctx context.Context) error {
	got, err := t.e.o.Runs.Signals(ctx, []string{t.run.ID})
	if err != nil {
		t.e.o.Logger.Warn("cannot read what happened to a run", "workflow_run_id", t.run.ID, "error", err)
		return nil // the next look, or step, tells
	}
	t.signal(got[t.run.ID])
	return nil
}

// receive takes one message, and all others that are there. A turn that must leave does
// not take the end of a node that it has itself cut off for the node's own.
func (t *turn) receive(ctx context.Context, m any) error {
	for {
		if ctx.Err() != nil {
			return t.leave(ctx, m)
		}
		if err := t.take(m); err != nil {
			return err
		}
		select {
		case m = <-t.inbox:
		default:
			return nil
		}
	}
}

func (t *turn) take(m any) error {
	switch m := m.(type) {
	case ended:
		return t.settle(m)
	case itemsReady:
		t.itemsReady(m)
	case itemBegun:
		t.itemBegun(m)
	case itemEnded:
		t.itemEnded(m)
	}
	return nil
}

// leave gives the slot up because the server stops, or has lost the run. What has
// ended well by now is kept, unless it is another's to say. first is a message that was
// taken already, nil = none.
func (t *turn) leave(ctx context.Context, first any) error {
	cause := context.Cause(ctx)
	lost := errors.Is(cause, task.ErrLeaseLost)
	for _, w := range t.working {
		w.cancel(cause)
	}
	if first != nil {
		if err := t.last(first, lost); err != nil {
			return err
		}
	}
	for t.answer(false); len(t.working) > 0; t.answer(false) {
		if err := t.last(<-t.inbox, lost); err != nil {
			return err
		}
	}
	if lost || !t.dirty && len(t.pending) == 0 {
		return cause
	}
	// The context is over, the lease is not: what is known is worth one more step. A
	// store that is away does not hold the server up.
	ctx, stop := t.limit(context.WithoutCancel(ctx), lastStep)
	defer stop()
	if err := t.save(ctx); err != nil && !errors.Is(err, task.ErrTimeout) {
		return err
	}
	return cause
}

// lastStep is how long a turn that leaves tries to write what it knows.
const lastStep = 5 * time.Second

// last takes a message of a turn that leaves.
func (t *turn) last(m any, lost bool) error {
	switch m := m.(type) {
	case ended:
		if m.err == nil && !lost && m.result.Rewind == "" {
			return t.settle(m)
		}
		t.free(m.work)
		delete(t.working, m.work.id())
		delete(t.mapped, m.work.id())
	case itemEnded:
		if lost {
			m.ack <- false
			return nil
		}
		t.itemEnded(m)
	case itemsReady:
		m.ack <- false
	case itemBegun:
		m.ack <- false
	}
	return nil
}

// Nodes that only compute are played at once. Nothing outside follows from them, so the
// next one need not wait until the last one is durable: their steps are put off and
// written together, each with its own number and checkpoint, before anything follows
// that somebody could see. After a crash they compute the same again.

// minTimeout is the time limit from which on none is set for a node that only computes:
// expressions have budgets of their own.
const minTimeout = time.Second

// maxPending is how many steps may be put off.
const maxPending = 64

// quick reports whether a node works here and now: it only computes. In a rehearsal,
// another one plays its part, and may take its time.
func (t *turn) quick(w *work) bool {
	s := w.step
	return t.e.stage == nil && s.Kind.Pure != nil && s.Kind.Pure(s.Node) && s.Body == nil && s.OnCrash == workflow.CrashRetry && s.Timeout >= minTimeout &&
		len(w.locks) == 0 && len(t.rewinds) == 0
}

// apart splits the nodes that start now into those that only compute, and the others.
func apart(starts []*work) (quick, others []*work) {
	for _, w := range starts {
		if w.quick {
			quick = append(quick, w)
		} else {
			others = append(others, w)
		}
	}
	return quick, others
}

// stash puts off the step that is due; false: it must be written.
func (t *turn) stash() bool {
	if t.about == "" { // nothing has ended, what has begun goes with it
		return true
	}
	if len(t.pending) >= maxPending || t.items || len(t.mapped) > 0 || len(t.abandoned) > 0 {
		return false
	}
	for id, n := range t.state.Nodes {
		if n.Status == workflow.NodeWaiting || t.saved.Status(id) == workflow.NodeWaiting {
			return false
		}
	}
	for id := range t.saved.Outputs {
		if _, there := t.state.Outputs[id]; !there {
			return false
		}
	}
	t.pending = append(t.pending, t.step())
	return true
}

// compute lets nodes work here and now. They were not noted as begun: that they have
// ended is all there is to tell.
func (t *turn) compute(ctx context.Context, list []*work) error {
	for i, w := range list {
		if i > 0 && len(t.working) == 0 {
			t.stash() // a step each; what cannot be put off goes with the next one
		}
		w.began = t.now()
		if err := t.state.StartNode(w.id(), w.began); err != nil {
			return task.Fatal("internal_error", err)
		}
		if w.failed == nil {
			w.failed = t.equip(ctx, w)
		}
		end := ended{work: w, err: w.failed}
		if end.err == nil {
			end.result, end.err = t.invoke(ctx, w.node, w.call, nil, 0)
		}
		if err := t.settle(end); err != nil {
			return err
		}
	}
	return nil
}
