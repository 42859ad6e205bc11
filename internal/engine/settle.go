package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
)

// settle takes the end of a work into the state.
func (t *turn) settle(m ended) error {
	w := m.work
	t.free(w)
	delete(t.working, w.id())
	delete(t.mapped, w.id())
	if w.woke != nil {
		delete(t.woken, w.id())
	}
	if s := t.state.Status(w.id()); s != workflow.NodeRunning && s != workflow.NodeWaiting {
		t.forsake(w, m.err) // it was dropped meanwhile
		return nil
	}
	if m.err != nil && m.cause != nil && !errors.Is(m.cause, errCancelled) && !errors.Is(m.cause, errStopped) && !errors.Is(m.cause, errRewound) {
		return nil // the turn itself ends: it was cut off, and what becomes of it is for the next turn
	}
	err := t.outcome(m)
	t.touch(w.id())
	if err == nil {
		err = t.rewindAll()
	}
	if err != nil {
		return task.Fatal("internal_error", err)
	}
	return nil
}

func (t *turn) outcome(m ended) error {
	w, at := m.work, t.now()
	if m.err == nil {
		return t.succeed(w, m.result)
	}
	if waits, ok := errors.AsType[*node.Waiting](m.err); ok {
		if t.state.Phase == workflow.PhaseStopping {
			t.forsake(w, m.err)
			t.noteAttempt(w, workflow.NodeCancelled, "", nil)
			return t.state.EndNode(w.id(), at)
		}
		if name, _ := w.step.Config.Get("name"); waits.Wait.Event != "" && (t.tainted(name.Refs()) || t.reveals(waits.Wait.Event)) {
			return t.fail(w, node.Fatal("not_stored", errors.New("the name of the event would store what must not be stored")))
		}
		t.noteAttempt(w, workflow.NodeWaiting, "", nil)
		return t.state.ParkNode(w.id(), waits.Wait, at)
	}
	if errors.Is(m.cause, errCancelled) || errors.Is(m.cause, errStopped) || errors.Is(m.cause, errRewound) {
		t.noteAttempt(w, workflow.NodeCancelled, "", nil)
		return t.state.EndNode(w.id(), at)
	}
	return t.fail(w, node.FailureOf(m.err))
}

// succeed ends a node well.
func (t *turn) succeed(w *work, r node.Result) error {
	at, id := t.now(), w.id()
	if r.Rewind != "" {
		return t.putBack(w, r.Rewind)
	}
	outcome := r.Outcome
	if outcome == "" && len(w.step.Kind.Outcomes) > 0 {
		outcome = w.step.Kind.Outcomes[0]
	}
	done := workflow.Done{Outcome: outcome}
	var err error
	if done.Outputs, err = t.outputs(w, r.Value); err != nil {
		return t.fail(w, node.FailureOf(node.Fatal("outputs", err)))
	}
	kept, err := t.keep(w, r, &done)
	if err != nil {
		return t.fail(w, node.FailureOf(err))
	}
	if err := t.g.Succeed(&t.state, id, done, at); err != nil {
		return err
	}
	delete(t.redo, id)
	delete(t.stored, id)
	if t.state.Status(id) == workflow.NodeFailed {
		t.noteAttempt(w, workflow.NodeFailed, outcome, t.state.Nodes[id].Error)
		return nil
	}
	if kept != nil {
		t.stored[id] = kept
	}
	t.noteAttempt(w, workflow.NodeCompleted, outcome, nil)
	if r.End != "" && t.state.Phase == workflow.PhaseRunning {
		reason := t.mask.Text(r.Reason)
		if leaf, _ := w.step.Config.Get("reason"); t.tainted(leaf.Refs()) {
			reason = notStored
		}
		t.state.Stop(r.End, reason)
	}
	return nil
}

// fail ends an attempt badly: another one comes later, or the node has failed.
func (t *turn) fail(w *work, f *node.Failure) error {
	at := t.now()
	failure := workflow.Failure{Code: f.Code, Message: t.message(f.Error(), t.tainted(w.step.Reads())), NodeID: w.id(), Attempt: t.state.Nodes[w.id()].Attempt}
	t.noteAttempt(w, workflow.NodeFailed, "", &failure)
	if !f.Final && t.state.Phase != workflow.PhaseStopping {
		env := t.g.Env(t.state, t.scope, w.id(), at)
		if delay, again := t.g.Repeats(workflow.Attempted{Step: w.step, Failure: failure, Class: f.Class, Spread: t.e.o.Spread()}, env); again {
			return t.state.Retry(w.id(), failure, at.Add(max(delay, f.After)), at)
		}
	}
	return t.g.Fail(&t.state, w.id(), failure, at)
}

// ByPerson is the key that tells a person's word to a waiting node apart from the data
// of an event, which must not have it.
const ByPerson = "$by_person"

const maxMessage = 2048

func short(s string) string {
	if len(s) > maxMessage {
		return s[:maxMessage-3] + "..."
	}
	return s
}

// resume goes on with nodes whose wait has ended, by itself or from outside.
func (t *turn) resume(ctx context.Context) error {
	if t.signals.Paused || t.state.Phase == workflow.PhaseStopping || t.state.Phase == workflow.PhaseOver {
		return nil
	}
	now := t.now()
	for _, step := range t.g.With(t.state, workflow.NodeWaiting) {
		n := t.state.Nodes[step.ID]
		if t.working[step.ID] != nil || t.rewound(step.ID) {
			continue
		}
		woken, is := t.woken[step.ID]
		is = is && woken.For == n.Wait.For
		late := !n.Wait.Until.IsZero() && !now.Before(n.Wait.Until)
		if !is && !late {
			continue
		}
		if err := t.wake(ctx, step, n, woken, is); err != nil {
			return err
		}
	}
	return nil
}

// wake ends one wait.
func (t *turn) wake(ctx context.Context, step *workflow.Step, n workflow.NodeState, woken store.WokenNode, is bool) error {
	w := &work{step: step, began: n.StartedAt, woke: &node.Woke{For: n.Wait.For, TimedOut: !is, Wait: *n.Wait}}
	if is {
		v, err := decode(woken.Data)
		if err != nil {
			return fatal(fmt.Errorf("what woke node %s: %w", step.ID, err))
		}
		w.woke.Data = v
		if skipped, reason := skip(v, woken.For); skipped {
			delete(t.woken, step.ID)
			t.forsake(w, node.Wait(*n.Wait))
			return t.skipped(w, reason)
		}
	}
	switch n.Wait.For {
	case workflow.WaitRetry:
		t.touch("")
		return fatal(t.state.WakeNode(step.ID, t.now()))
	case workflow.WaitPerson:
		delete(t.woken, step.ID)
		return t.decided(step, woken)
	case workflow.WaitTimer, workflow.WaitApproval, workflow.WaitEvent, workflow.WaitJob, workflow.WaitLock:
	}
	t.launch(ctx, w)
	return nil
}

// skip reports whether a person has said to go on as if the node had ended well. An
// approval is decided, not skipped, and what an event brings is a person's word only
// with a mark that events cannot have.
func skip(v any, by workflow.WaitFor) (bool, string) {
	m, _ := v.(map[string]any)
	if m["decision"] != "skip" || by == workflow.WaitApproval || by == workflow.WaitEvent && m[ByPerson] != true {
		return false, ""
	}
	reason, _ := m["reason"].(string)
	return true, reason
}

// skipped ends a waiting node by a person's word.
func (t *turn) skipped(w *work, reason string) error {
	t.touch(w.id())
	t.noteAttempt(w, workflow.NodeCompleted, "", nil)
	outcome := ""
	if len(w.step.Kind.Outcomes) > 0 {
		outcome = w.step.Kind.Outcomes[0]
	}
	return fatal(t.g.Succeed(&t.state, w.id(), workflow.Done{Outcome: outcome, Outputs: map[string]any{"skipped": true, "reason": reason}}, t.now()))
}

// decided takes a person's word about an attempt that was cut off.
func (t *turn) decided(step *workflow.Step, woken store.WokenNode) error {
	t.touch(step.ID)
	v, err := decode(woken.Data)
	if err != nil {
		return fatal(err)
	}
	m, _ := v.(map[string]any)
	w := &work{step: step, began: t.state.Nodes[step.ID].StartedAt}
	switch m["decision"] {
	case "retry":
		return fatal(t.state.WakeNode(step.ID, t.now()))
	case "failed":
		return fatal(t.fail(w, node.FailureOf(node.Fatal("outcome_unknown", errors.New("a person says that it failed")))))
	}
	reason, _ := m["reason"].(string)
	return t.skipped(w, reason)
}

// fatal makes an error of the state the end of the run: it is a mistake of the
// program.
func fatal(err error) error {
	if err == nil {
		return nil
	}
	return task.Fatal("internal_error", err)
}

// noteTakeover records that the last turn was cut off. The job counts crashes until a
// step follows; only a turn that was cut off leaves nodes at work. It is part of the
// turn's first step, and so there once for each takeover.
func (t *turn) noteTakeover() {
	running := t.g.With(t.state, workflow.NodeRunning)
	o := workflow.Takeover{At: t.since, After: workflow.CutOffCrash, Instance: t.run.Job.Instance}
	switch {
	case t.run.Job.Crashes > 0:
	case len(running) > 0:
		o.After = workflow.CutOffShutdown
	default:
		return
	}
	said := t.events[len(t.events)-1].Data
	said["after"] = string(o.After)
	if len(running) == 0 {
		running = t.g.With(t.state, workflow.NodeReady) // not all that begins is written at once
	}
	if len(running) > 0 {
		o.NodeID = running[0].ID
		said["at_node_id"] = o.NodeID
	}
	if m, there := t.state.Maps[o.NodeID]; there {
		n := m.Processed()
		o.Items = &n
		said["at_item"] = strconv.Itoa(n)
	}
	t.state.Takeover = &o
	// What begins now is durable before it works: if this server dies too, that is known.
	t.touch("")
	t.due = t.since
}

// recover puts right what a crash left: nodes that were at work. Their attempts are
// lost, and noted so.
func (t *turn) recover() error {
	at := t.now()
	for _, step := range t.g.With(t.state, workflow.NodeRunning) {
		policy := step.OnCrash
		if step.Body != nil {
			policy = workflow.CrashRetry // its items have policies of their own
		}
		w := &work{step: step, began: t.state.Nodes[step.ID].StartedAt, lost: t.state.Takeover.After}
		var err error
		switch policy {
		case workflow.CrashAsk:
			t.noteAttempt(w, workflow.NodeWaiting, "", nil)
			err = t.state.ParkNode(step.ID, workflow.Wait{For: workflow.WaitPerson}, at)
		case workflow.CrashFail:
			err = t.fail(w, node.FailureOf(node.Fatal("interrupted", errors.New("the server stopped in the middle of it"))))
		case workflow.CrashRetry:
			t.noteAttempt(w, workflow.NodeReady, "", nil)
			err = t.state.LoseNode(step.ID, at)
		}
		if err != nil {
			return task.Fatal("internal_error", err)
		}
	}
	return nil
}

// finish ends the run: its outputs are computed, the last step is written.
func (t *turn) finish(ctx context.Context) error {
	if t.saved.Phase != workflow.PhaseOver {
		t.results()
		t.touch("")
		t.final = true
		if err := t.conclude(ctx); err != nil {
			return err
		}
	}
	for name, v := range t.state.Values {
		t.h.Output(name, text(v))
	}
	switch t.state.Result {
	case workflow.ResultSkipped:
		return task.Skip(orElse(t.state.Reason, "a stop node ended it"))
	case workflow.ResultFailed, workflow.ResultCancelled:
		code := "stopped"
		if t.state.Error != nil {
			code = t.state.Error.Code
		}
		return task.Fatal(code, errors.New(orElse(t.state.Verdict(), "the run failed")))
	case workflow.ResultCompleted, workflow.ResultRunning, workflow.ResultWaiting:
	}
	return nil
}

// Ender is a task.Host that writes the last step of a run together with the end of its
// job, which saves a transaction. written is called when that is durable.
type Ender interface {
	Last(p store.WorkflowStep, written func())
}

// conclude has the last step written: with the end of the job if nothing else has to
// follow from it before.
func (t *turn) conclude(ctx context.Context) error {
	host, can := t.h.(Ender)
	if !can || t.items || len(t.mapped) > 0 || len(t.abandoned) > 0 || !t.signals.CancelAskedAt.IsZero() {
		return t.save(ctx)
	}
	p := t.step()
	p.Before, t.pending = t.pending, nil
	t.tell(p)
	t.show()
	host.Last(p, func() {
		if t.e.o.Watch == nil {
			return
		}
		t.run.Seq, t.run.Epoch = p.Seq, p.Epoch
		if t.run.StartedAt.IsZero() {
			t.run.StartedAt = t.since
		}
		r := t.run
		r.State, r.UpdatedAt = t.durable(), t.since
		t.e.o.Watch.Saved(r, p.CheckpointID)
	})
	return nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// worked is how long the run has worked, without its waits.
func (t *turn) worked() time.Duration { return t.state.Worked + t.now().Sub(t.since) }

// stale turns the refusal of a write into the end of the turn.
func stale(err error) bool { return fault.Is(err, fault.StaleLease) || fault.Is(err, fault.Conflict) }
