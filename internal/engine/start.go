package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// work is a node at work: an attempt, or the end of a wait.
type work struct {
	step   *workflow.Step
	node   node.Node
	call   node.Call
	locks  []string
	began  time.Time
	cancel context.CancelCauseFunc
	// lost is what has cut the attempt off, "" = nothing.
	lost workflow.CutOff
	// woke is set when the work is the end of a wait.
	woke *node.Woke
	// failed is why it cannot even begin.
	failed error
	// quick says that it only computes, see pure.go.
	quick bool
	// private says that it works with what a language model said. listed says that the
	// items of a map are made of that.
	private, listed bool
	// said is what was said when a map began that works with it.
	said []string
}

func (w *work) id() string { return w.step.ID }

// ended says how a work ended.
type ended struct {
	work   *work
	result node.Result
	err    error
	// cause is why its context had ended, nil = it had not.
	cause error
}

// choose takes the nodes that start now, in the order of the document, and notes that
// they have begun.
func (t *turn) choose(ctx context.Context) ([]*work, error) {
	clear(t.blocked)
	if t.signals.Paused || t.state.Phase == workflow.PhaseStopping || t.state.Phase == workflow.PhaseOver {
		return nil, nil
	}
	var out []*work
	for _, step := range t.g.With(t.state, workflow.NodeReady) {
		if len(t.working)+len(out) >= t.g.Definition.Parallel {
			break
		}
		if t.lacks(step) || t.rewound(step.ID) {
			continue
		}
		w, err := t.prepare(ctx, step)
		if err != nil {
			return nil, err
		}
		if w != nil {
			out = append(out, w)
		}
	}
	t.unused()
	return out, nil
}

// lacks reports whether a node has to wait for outputs that are computed again.
func (t *turn) lacks(step *workflow.Step) bool {
	for id := range t.redo {
		if s := t.state.Status(id); s.Terminal() {
			delete(t.redo, id)
			continue
		}
		if id != step.ID && reads(step, id) {
			return true
		}
	}
	return false
}

// prepare begins an attempt of a ready node; nil if its locks are not free.
func (t *turn) prepare(ctx context.Context, step *workflow.Step) (*work, error) {
	w := &work{step: step, began: t.now()}
	env := t.g.Env(t.state, t.scope, step.ID, w.began)
	names, err := t.names(step, env)
	for _, r := range step.Resources {
		if t.tainted(r.Refs()) {
			err = errLockSaid
		}
	}
	if err != nil {
		w.failed = node.Fatal("resources", err)
		names = nil
	}
	free, err := t.lock(ctx, step.ID, names)
	if err != nil {
		return nil, err
	}
	if !free {
		t.blocked[step.ID] = names
		return nil, nil //nolint:nilnil // there is no work yet
	}
	w.locks = names
	if w.quick = t.quick(w); w.quick {
		return w, nil
	}
	if err := t.state.StartNode(step.ID, w.began); err != nil {
		return nil, task.Fatal("internal_error", err)
	}
	t.noteAttempt(w, workflow.NodeRunning, "", nil)
	t.touch("")
	return w, nil
}

// errLockSaid refuses locks whose names would store an answer.
var errLockSaid = errors.New("the name of a lock is made of what a language model said, and names are stored")

// names are the locks of a node.
func (t *turn) names(step *workflow.Step, env expression.Env) ([]string, error) {
	var out []string
	for _, r := range step.Resources {
		v, err := r.Eval(env)
		if err != nil {
			return nil, err
		}
		name, ok := v.(string)
		if !ok || name == "" {
			return nil, fmt.Errorf("the name of a lock is %T", v)
		}
		if t.reveals(name) {
			return nil, errors.New("the name of a lock has a secret input in it, and names are stored")
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// launch lets a node work in a goroutine of its own.
func (t *turn) launch(ctx context.Context, w *work) {
	ctx, w.cancel = context.WithCancelCause(ctx)
	t.working[w.id()] = w
	if w.failed == nil {
		w.failed = t.equip(ctx, w)
	}
	var m workflow.MapState
	var of *mapped
	if w.step.Body != nil {
		m, of = t.state.Maps[w.id()], &mapped{work: w}
		t.mapped[w.id()] = of
	}
	go func() {
		defer w.cancel(nil)
		res, err := t.attempt(ctx, w, of, m)
		t.inbox <- ended{work: w, result: res, err: err, cause: context.Cause(ctx)}
	}()
}

// equip computes what a node is told.
func (t *turn) equip(ctx context.Context, w *work) error {
	env := t.g.Env(t.state, t.scope, w.id(), w.began)
	n := t.state.Nodes[w.id()]
	call, err := t.call(ctx, w.step, env, place{attempt: n.Attempt, round: n.Round, item: -1})
	if err != nil {
		return err
	}
	if w.call, w.private = call, t.tainted(w.step.Reads()); w.private && w.step.Body != nil {
		w.said = t.said()
	}
	if items, ok := w.step.Config.Get("items"); ok && w.step.Body != nil {
		w.listed = t.tainted(items.Refs())
	}
	kind, known := t.e.o.Nodes.Node(w.step.Node.Kind())
	if !known && w.step.Body == nil {
		return node.Fatal("node_type_unknown", fmt.Errorf("this server has no nodes of type %s", w.step.Node.Kind()))
	}
	w.node = kind
	return nil
}

// place says which attempt of a node it is: its number, how often the node was put back
// to its beginning, and the item of a map, -1 = none.
type place struct {
	attempt, round, item int
	// said is what the log of an item's node must not have.
	said []string
}

// call computes the config of a node and what goes with it. It is safe for concurrent
// use: the turn's state is in env.
func (t *turn) call(ctx context.Context, step *workflow.Step, env expression.Env, at place) (node.Call, error) {
	c := node.Call{
		RunID: t.run.ID, JobID: t.a.JobID, TaskRunID: t.a.RunID, WorkflowID: t.run.WorkflowID, Tenant: t.a.Tenant, Version: t.run.Version,
		CreatedBy: t.run.Job.CreatedBy, Directive: t.a.Directive, Depth: t.in.Depth, Step: step, Attempt: at.attempt, Rewinds: at.round, Item: at.item, Env: env,
	}
	c.Reveals = t.reveals
	h := &host{t: t, step: step, item: at.item}
	c.Host = h
	if at.item < 0 && step.Kind.Stores && t.tainted(step.Given()) {
		return c, node.Fatal("not_stored", errors.New("it would store what a language model said; name an artifact with save_as, and use that"))
	}
	switch {
	case len(at.said) > 0:
		h.said = newPieces(at.said)
	case at.item < 0 && t.tainted(step.Reads()):
		h.said = newPieces(t.said())
	}
	secrets, err := t.secrets(ctx, step, &env)
	if err != nil {
		return c, err
	}
	v, err := step.Config.Eval(env)
	if err != nil {
		return c, node.Fatal("expression", fmt.Errorf("config: %w", err))
	}
	c.Config, _ = v.(map[string]any)
	if c.Config == nil {
		c.Config = map[string]any{}
	}
	if err := t.granted(ctx, step, c.Config, secrets); err != nil {
		return c, err
	}
	if err := t.storable(step, c.Config); err != nil {
		return c, err
	}
	c.IdempotencyKey = fmt.Sprintf("%s:%s", t.run.ID, step.ID)
	if at.item >= 0 {
		c.IdempotencyKey = fmt.Sprintf("%s:%d", c.IdempotencyKey, at.item)
	}
	if at.round > 0 {
		c.IdempotencyKey = fmt.Sprintf("%s~%d", c.IdempotencyKey, at.round)
	}
	if step.Key != nil {
		v, err := step.Key.Eval(env)
		if err != nil {
			return c, node.Fatal("expression", fmt.Errorf("idempotency_key: %w", err))
		}
		c.IdempotencyKey = fmt.Sprint(v)
	}
	return c, nil
}

// attempt lets a node work and returns how it ended.
func (t *turn) attempt(ctx context.Context, w *work, of *mapped, m workflow.MapState) (res node.Result, err error) {
	if w.failed != nil {
		return res, w.failed
	}
	limit := w.step.Node.Timeout
	if w.woke != nil {
		limit = 0
	}
	ctx, stop := t.limit(ctx, limit)
	defer stop()
	if w.step.Body != nil {
		return t.driven(ctx, w, of, m)
	}
	return t.invoke(ctx, w.node, w.call, w.woke, limit)
}

// limit ends a context after a time, by the engine's clock; 0 = never.
func (t *turn) limit(ctx context.Context, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	if d <= 0 {
		return ctx, func() { cancel(nil) }
	}
	disarm := t.alarmed(d, cancel)
	return ctx, func() {
		disarm()
		cancel(nil)
	}
}

// invoke calls a node. A panic of it fails its attempt, not the server.
func (t *turn) invoke(ctx context.Context, n node.Node, c node.Call, woke *node.Woke, limit time.Duration) (res node.Result, err error) {
	defer func() {
		if h, ours := c.Host.(*host); ours {
			h.close()
		}
		if r := recover(); r != nil {
			t.e.o.Logger.Error("a node panicked", "workflow_run_id", t.run.ID, "node_id", c.Step.ID, "panic", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
			err = node.Fatal("panic", errors.New("the node panicked; see the server's log"))
		}
	}()
	if woke != nil {
		r, ok := n.(node.Resuming)
		if !ok {
			return res, node.Fatal("internal_error", fmt.Errorf("a node of type %s does not go on after a wait", c.Step.Node.Kind()))
		}
		return r.Resume(ctx, c, *woke)
	}
	res, err = n.Run(ctx, c)
	if err != nil && errors.Is(context.Cause(ctx), task.ErrTimeout) {
		return res, node.Fail("timeout", node.ClassTimeout, fmt.Errorf("the attempt took longer than %s", limit))
	}
	return res, err
}

// noteAttempt records an attempt of a node with the next step.
func (t *turn) noteAttempt(w *work, status workflow.NodeStatus, outcome string, f *workflow.Failure) {
	a := store.NodeAttempt{
		RunID: t.run.ID, NodeID: w.id(), Number: t.state.Nodes[w.id()].Past + t.state.Nodes[w.id()].Attempt, Epoch: t.a.Epoch, StartedAt: w.began,
		Status: status, Outcome: outcome, Error: f, Instance: t.run.Job.Instance, Lost: w.lost,
	}
	if w.lost != "" { // it was that of the turn before
		a.Epoch, a.Instance = t.run.Epoch, ""
	}
	if status != workflow.NodeRunning {
		a.EndedAt = t.now()
	}
	for i, old := range t.attempts {
		if old.NodeID == a.NodeID && old.Number == a.Number {
			t.attempts[i] = a
			return
		}
	}
	t.attempts = append(t.attempts, a)
}

// This file takes and frees the locks of nodes. The store gives them to the attempt;
// which node of it has one is known here only, and two of them never have the same.

// lock takes the locks of a node, all or none. owner is the node, with its item.
func (t *turn) lock(ctx context.Context, owner string, names []string) (bool, error) {
	if len(names) == 0 {
		return true, nil
	}
	more, ok := t.claimNames(owner, names)
	if !ok || len(more) == 0 {
		return ok, nil
	}
	if t.e.o.Locks == nil {
		return false, task.Fatal("internal_error", errors.New("there is nothing to lock with"))
	}
	taken, err := t.e.o.Locks.Take(ctx, t.claimed(), more)
	if err == nil && taken {
		return true, nil
	}
	t.unclaim(names, more)
	switch {
	case fault.Is(err, fault.StaleLease):
		return false, task.ErrLeaseLost
	case err != nil:
		t.e.o.Logger.Warn("cannot take locks for a node, trying again", "workflow_run_id", t.run.ID, "node", owner, "error", err)
	}
	return false, nil
}

// claimNames writes down that names are owner's, unless another node of the run has
// one of them, and returns those that the attempt does not have yet.
func (t *turn) claimNames(owner string, names []string) (more []string, ok bool) {
	t.locking.Lock()
	defer t.locking.Unlock()
	for _, name := range names {
		has, have := t.held[name]
		if have && has != "" {
			return nil, false
		}
		if !have {
			more = append(more, name)
		}
	}
	for _, name := range names {
		t.held[name] = owner
	}
	return more, true
}

// unclaim takes claimNames back: the attempt did not get more.
func (t *turn) unclaim(names, more []string) {
	t.locking.Lock()
	defer t.locking.Unlock()
	for _, name := range names {
		t.held[name] = ""
	}
	for _, name := range more {
		delete(t.held, name)
	}
}

// release gives locks back. What cannot be given back now is when the attempt ends.
// They are the node's until the store has them: nobody else in the run takes them while
// they are given away.
func (t *turn) release(owner string, names []string) {
	if len(names) == 0 {
		return
	}
	if err := t.e.o.Locks.Free(context.Background(), t.claimed(), names); err != nil {
		t.e.o.Logger.Warn("cannot free the locks of a node", "workflow_run_id", t.run.ID, "node", owner, "error", err)
	}
	t.locking.Lock()
	defer t.locking.Unlock()
	for _, name := range names {
		delete(t.held, name)
	}
}

// free gives the locks of a work back.
func (t *turn) free(w *work) {
	t.release(w.id(), w.locks)
	w.locks = nil
}

// unused frees locks with which the run was started and which no node has taken.
func (t *turn) unused() {
	var left []string
	t.locking.Lock()
	for name, owner := range t.held {
		if owner == "" {
			left = append(left, name)
		}
	}
	t.locking.Unlock()
	t.release("", left)
}

// lockItem takes the locks of an item's node and waits until they are free: also for
// other items, and for the nodes beside the map.
func (t *turn) lockItem(ctx context.Context, nodeID string, item int, owner string, names []string) error {
	for {
		ok, err := t.lock(ctx, owner, names)
		if err != nil {
			return node.Fatal("locks", fmt.Errorf("take locks: %w", err))
		}
		if ok {
			return nil
		}
		if err := t.sleep(ctx, nodeID, item, again); err != nil {
			return err
		}
	}
}
