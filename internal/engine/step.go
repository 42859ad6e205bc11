package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
)

// save makes everything that has changed durable in one step, with those that were put
// off. It tries as long as the store is away; an error ends the turn.
func (t *turn) save(ctx context.Context) error {
	if !t.dirty && len(t.events) == 0 && len(t.pending) == 0 {
		return nil
	}
	p := t.step()
	p.Before = t.pending
	signals, err := t.write(ctx, p)
	if err != nil {
		return err
	}
	t.run.Seq, t.run.Epoch = p.Seq, p.Epoch
	if t.run.StartedAt.IsZero() {
		t.run.StartedAt = t.since
	}
	t.tell(p)
	t.pending = nil
	t.signal(signals)
	t.answer(true)
	t.endAbandoned()
	t.show()
	if t.e.o.Watch != nil {
		r := t.run
		r.State, r.UpdatedAt = t.durable(), t.since
		t.e.o.Watch.Saved(r, p.CheckpointID)
	}
	return nil
}

// step makes a step of everything that has changed since the last one.
func (t *turn) step() store.WorkflowStep {
	at := t.now()
	t.state.Worked, t.since = t.worked(), at
	t.announceNodes()
	if t.final { // behind the ends of its nodes: whoever watches the run leaves here
		t.announceRun(endOf(t.state.Result), t.state.Result, t.state.Verdict())
	}
	state := t.state.Clone()
	p := store.WorkflowStep{
		RunID: t.run.ID, JobID: t.a.JobID, Epoch: t.a.Epoch, Seq: t.run.Seq + int64(len(t.pending)) + 1, CheckpointID: id.New(id.Checkpoint, at),
		NodeID: t.about, Item: t.items, Delta: workflow.Difference(t.saved, state, t.stored), Attempts: t.attempts, Events: t.events,
	}
	for i := range p.Events {
		p.Events[i].At = at
		p.Events[i].Data["step"] = strconv.FormatInt(p.Seq, 10)
	}
	t.saved = state
	t.attempts, t.events, t.about, t.items, t.dirty = nil, nil, "", false, false
	t.due = time.Time{}
	return p
}

// tell writes what has become durable into the run's log, for people.
func (t *turn) tell(p store.WorkflowStep) {
	var b strings.Builder
	for _, e := range p.Told() {
		if e.Type == event.WorkflowProgress {
			continue
		}
		if node := e.Data["node_id"]; node != "" {
			b.WriteString(node + ": ")
		}
		b.WriteString(e.Data["new_state"])
		if why := e.Data["reason"]; why != "" {
			b.WriteString(" (" + why + ")")
		}
		if n := t.state.Nodes[e.Data["node_id"]]; n.Status == workflow.NodeFailed && n.Error != nil {
			b.WriteString(": " + n.Error.Message)
		}
		b.WriteByte('\n')
	}
	t.log.tell(t.mask.Text(b.String()), t.now())
}

// write writes a step, as often as it takes.
func (t *turn) write(ctx context.Context, p store.WorkflowStep) (store.WorkflowSignals, error) {
	for {
		signals, err := t.e.o.Runs.Step(ctx, p)
		switch {
		case err == nil:
			return signals, nil
		case fault.Is(err, fault.StaleLease):
			return signals, task.ErrLeaseLost
		case fault.Is(err, fault.Conflict):
			// The answer to a try before was lost, here or inside of the store, but it was
			// written: nobody else can have written a step under this epoch.
			return t.reread(ctx, p, err)
		case fault.Is(err, fault.InvalidInput), fault.Is(err, fault.NotFound):
			return signals, task.Fatal("internal_error", fmt.Errorf("write step %d: %w", p.Seq, err))
		case ctx.Err() != nil:
			return signals, context.Cause(ctx)
		}
		t.e.o.Logger.Error("cannot write a step of a workflow, trying again", "workflow_run_id", t.run.ID, "seq", p.Seq, "error", err)
		if clock.Sleep(ctx, t.e.o.Clock, again) != nil {
			return signals, context.Cause(ctx)
		}
	}
}

// reread tells whether a step whose answer was lost has been written.
func (t *turn) reread(ctx context.Context, p store.WorkflowStep, refused error) (store.WorkflowSignals, error) {
	r, signals, err := t.e.load(ctx, t.a)
	if err != nil {
		return signals, err
	}
	if r.Seq == p.Seq && r.Epoch == p.Epoch {
		return signals, nil
	}
	t.e.o.Logger.Error("a step was refused", "workflow_run_id", t.run.ID, "seq", p.Seq, "stored", r.Seq, "error", refused)
	return signals, task.ErrLeaseLost
}

// durable is the state as the store has it: without what stays in memory.
func (t *turn) durable() workflow.State {
	s := t.state.Clone()
	for id, o := range t.stored {
		if _, there := s.Outputs[id]; there {
			s.Outputs[id] = o
		}
	}
	return s
}

// announceNodes makes the events of what has changed since the last step.
func (t *turn) announceNodes() {
	for _, step := range t.g.Steps {
		was, is := t.saved.Status(step.ID), t.state.Status(step.ID)
		if was == is {
			continue
		}
		typ, ok := nodeEvents[is]
		if !ok {
			continue
		}
		n := t.state.Nodes[step.ID]
		reason := n.Reason
		switch {
		case n.Wait != nil && is == workflow.NodeWaiting:
			reason = string(n.Wait.For)
		case n.Error != nil && is == workflow.NodeFailed:
			reason = n.Error.Code
		}
		t.announce(typ, step.ID, string(was), string(is), reason)
		if is == workflow.NodeSkipped {
			t.events[len(t.events)-1].Data["reason_code"] = workflow.SkipCode(reason)
		}
	}
}

var nodeEvents = map[workflow.NodeStatus]event.Type{
	workflow.NodeRunning: event.WorkflowNodeStarted, workflow.NodeWaiting: event.WorkflowNodeWaiting, workflow.NodeCompleted: event.WorkflowNodeCompleted,
	workflow.NodeFailed: event.WorkflowNodeFailed, workflow.NodeSkipped: event.WorkflowNodeSkipped, workflow.NodeCancelled: event.WorkflowNodeCancelled,
	workflow.NodeCompensated: event.WorkflowNodeCompensated,
}

func (t *turn) announce(typ event.Type, nodeID, was, is, reason string) {
	t.events = append(t.events, event.Event{
		Type: typ, JobID: t.a.JobID, RunID: t.a.RunID, Tenant: t.a.Tenant,
		Data: map[string]string{
			"workflow_run_id": t.run.ID, "workflow_id": t.run.WorkflowID, "node_id": nodeID, "previous_state": was, "new_state": is, "reason": reason,
		},
	})
}

// announceRun tells where the run is now; the same twice is told once.
func (t *turn) announceRun(typ event.Type, is workflow.Result, reason string) {
	was := t.status
	if was == is {
		return
	}
	t.status = is
	t.announce(typ, "", string(was), string(is), reason)
}

func endOf(r workflow.Result) event.Type {
	switch r {
	case workflow.ResultFailed:
		return event.WorkflowRunFailed
	case workflow.ResultSkipped:
		return event.WorkflowRunSkipped
	case workflow.ResultCancelled:
		return event.WorkflowRunCancelled
	case workflow.ResultCompleted, workflow.ResultRunning, workflow.ResultWaiting:
	}
	return event.WorkflowRunCompleted
}

// show tells how far the run is: in items while a map works, else in nodes.
func (t *turn) show() {
	for id := range t.mapped {
		if m, there := t.state.Maps[id]; there {
			t.h.Progress(run.Progress{Stage: id, Done: int64(m.Processed()), Total: int64(m.Total)})
			return
		}
	}
	var done, all int64
	for _, step := range t.g.Steps {
		if step.Handler {
			continue
		}
		all++
		if t.state.Status(step.ID).Terminal() {
			done++
		}
	}
	t.showed = max(t.showed, done)
	t.h.Progress(run.Progress{Stage: "nodes", Done: t.showed, Total: all})
}

// enter takes a place under the run's concurrency key. When it is not granted the
// error ends the turn.
func (t *turn) enter(ctx context.Context) (bool, error) {
	c := t.g.Definition.Concurrency
	v, err := t.g.Key.Eval(t.g.Env(t.state, t.scope, "", t.since))
	if err != nil {
		return false, task.Fatal("concurrency", fmt.Errorf("concurrency.key: %w", err))
	}
	for {
		turn, err := t.e.o.Runs.Enter(ctx, store.EnterWorkflow{
			RunID: t.run.ID, JobID: t.a.JobID, Epoch: t.a.Epoch, Key: fmt.Sprint(v), Limit: c.Limit, OnConflict: c.OnConflict,
		})
		switch {
		case err == nil && turn.Granted:
			return true, nil
		case err == nil && c.OnConflict == workflow.ConflictSkip:
			t.state.Stop(workflow.ResultSkipped, fmt.Sprintf("another run has the concurrency key %q", v))
			t.touch("")
			return true, nil
		case err == nil:
			return false, task.Park(task.Parking{For: string(waitTurn)})
		case stale(err):
			return false, task.ErrLeaseLost
		}
		t.e.o.Logger.Error("cannot take a place under a concurrency key, trying again", "workflow_run_id", t.run.ID, "error", err)
		if clock.Sleep(ctx, t.e.o.Clock, again) != nil {
			return false, context.Cause(ctx)
		}
	}
}
