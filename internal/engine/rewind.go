package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
)

// This file puts runs back to an earlier node, and ends what nodes waited for that do
// not wait any more.

// errRewound stops nodes because the run goes back to before them.
var errRewound = errors.New("the run was put back")

// rewinding is a node that wants the run put back.
type rewinding struct {
	work   *work
	to     string
	region []string // to and all that follows it
}

// putBack begins to put the run back to a node, because w asks for it. What works
// there ends first; w itself waits until then.
func (t *turn) putBack(w *work, to string) error {
	if t.state.Phase == workflow.PhaseStopping {
		t.noteAttempt(w, workflow.NodeCancelled, "rewind", nil)
		return t.state.EndNode(w.id(), t.now())
	}
	r := rewinding{work: w, to: to, region: t.g.Descendants(to)}
	t.rewinds[w.id()] = r
	for _, id := range r.region {
		if other := t.working[id]; other != nil {
			other.cancel(errRewound)
		}
	}
	return nil
}

// rewound reports whether a node is to be put back, and must not go on before.
func (t *turn) rewound(id string) bool {
	for by, r := range t.rewinds {
		if by == id || slices.Contains(r.region, id) {
			return true
		}
	}
	return false
}

// rewindAll puts the run back where nothing works any more in the part in question.
func (t *turn) rewindAll() error {
	for id, r := range t.rewinds {
		if slices.ContainsFunc(r.region, func(id string) bool { return t.working[id] != nil }) {
			continue
		}
		delete(t.rewinds, id)
		switch s := t.state.Status(id); {
		case s != workflow.NodeRunning && s != workflow.NodeWaiting:
			continue // the run ends, or another one has put it back
		case t.state.Phase == workflow.PhaseStopping:
			t.noteAttempt(r.work, workflow.NodeCancelled, "rewind", nil)
			if err := t.state.EndNode(id, t.now()); err != nil {
				return err
			}
			continue
		}
		if err := t.rewind(r); err != nil {
			return err
		}
	}
	return nil
}

// rewind puts the run back. The node that asked for it is put back with the others.
func (t *turn) rewind(r rewinding) error {
	at, id := t.now(), r.work.id()
	before := t.state.Clone()
	if t.state.Rewinds == nil {
		t.state.Rewinds = map[string]int{}
	}
	t.state.Rewinds[id]++
	t.noteAttempt(r.work, workflow.NodeWaiting, "rewind", nil)
	if t.state.Status(id) == workflow.NodeRunning {
		// Its attempt is over. A node at work cannot be put back.
		if err := t.state.EndNode(id, at); err != nil {
			return err
		}
	}
	after := t.state.Clone()
	if err := t.g.Rewind(&after, r.to, at); err != nil {
		t.state = before
		return t.fail(r.work, node.FailureOf(node.Fatal("rewind", err)))
	}
	t.state = after
	for _, gone := range r.region {
		delete(t.stored, gone)
		delete(t.woken, gone)
	}
	t.touch(id)
	delete(before.Nodes, id) // what it waited for has ended: that is why it asks
	t.abandon(before)
	return nil
}

// abandoned is a wait that a node has given up.
type abandoned struct {
	on   node.Abandoning
	call node.Call
	wait workflow.Wait
}

// abandon notes the waits of nodes that have been dropped. They are ended when the step
// that drops them is durable: another server may have the run by then, and it may wait
// for the very same.
func (t *turn) abandon(before workflow.State) {
	for id, n := range before.Nodes {
		is := t.state.Status(id)
		if n.Status == workflow.NodeWaiting && n.Wait != nil && (is == workflow.NodeCancelled || is == workflow.NodePending) {
			t.giveUp(t.g.Step(id), before, *n.Wait)
		}
	}
}

// forsake notes the wait for which a node has just asked and which nobody needs.
func (t *turn) forsake(w *work, err error) {
	if waits, ok := errors.AsType[*node.Waiting](err); ok {
		t.giveUp(w.step, t.state, waits.Wait)
		t.touch("")
	}
}

func (t *turn) giveUp(step *workflow.Step, s workflow.State, w workflow.Wait) {
	known, _ := t.e.o.Nodes.Node(step.Node.Kind())
	a, is := known.(node.Abandoning)
	if !is {
		return
	}
	n := s.Nodes[step.ID]
	c, err := t.call(context.Background(), step, t.g.Env(s, t.scope, step.ID, t.now()), place{attempt: n.Attempt, round: n.Round, item: -1})
	if err != nil { // its config cannot be computed any more, and is not needed for this
		t.e.o.Logger.Debug("the config of a node that is given up", "workflow_run_id", t.run.ID, "node_id", step.ID, "error", err)
	}
	t.abandoned = append(t.abandoned, abandoned{on: a, call: c, wait: w})
}

// endAbandoned ends the waits that a durable step has given up.
func (t *turn) endAbandoned() {
	list := t.abandoned
	t.abandoned = nil
	for _, x := range list {
		if err := x.on.Abandon(context.Background(), x.call, x.wait); err != nil {
			t.e.o.Logger.Warn("cannot end what a node waited for", "workflow_run_id", t.run.ID, "node_id", x.call.Step.ID, "error", err)
		}
	}
}
