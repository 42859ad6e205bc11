package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// driver works through the items of one attempt of a map.
type driver struct {
	t     *turn
	w     *work
	p     plan
	items []any
	slots chan struct{}
	// moved has something in it when an item has ended.
	moved chan struct{}
	crew  *crew

	mu    sync.Mutex
	m     workflow.MapState
	fatal *workflow.FailedItem
	left  bool
}

func (d *driver) run(ctx context.Context) (node.Result, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group sync.WaitGroup
	above := len(d.m.Above)
	for i := range d.items {
		if d.done(i) {
			continue
		}
		if !d.near(ctx, i, above+maxAhead) || !d.slot(ctx) {
			break
		}
		if d.p.careful && !d.begin(ctx, i) {
			<-d.slots
			break
		}
		d.crew.change(func(c *crew) { c.live++ })
		group.Go(func() {
			defer func() {
				d.crew.change(func(c *crew) { c.live-- })
				<-d.slots
				d.t.stir()
			}()
			failed := d.guarded(ctx, i)
			if failed == nil && ctx.Err() != nil && d.over() {
				return
			}
			if errors.Is(context.Cause(ctx), errItemFailed) && failed != nil && failed.Code == codeStopped {
				return // it is no failure of its own
			}
			d.report(i, failed, stop)
		})
	}
	d.crew.change(func(c *crew) { c.last = true })
	d.t.stir()
	group.Wait()
	return d.result(ctx)
}

// errItemFailed stops the other items because one has failed too many.
var errItemFailed = errors.New("too many items have failed")

const (
	// codeStopped is the code of an item that was stopped, codeUnknown that of one of
	// which nobody knows what it did.
	codeStopped = "stopped"
	codeUnknown = "outcome_unknown"
	// maxAhead is how many items may end while an earlier one works: all of them are
	// written with each step.
	maxAhead = 4096
)

// near waits until an item is not too far ahead of one that takes long.
func (d *driver) near(ctx context.Context, i, most int) bool {
	for {
		d.mu.Lock()
		fine := i == d.m.Next || len(d.m.Above) < most
		d.mu.Unlock()
		if fine {
			return true
		}
		select {
		case <-d.moved:
		case <-ctx.Done():
			return false
		}
	}
}

func (d *driver) done(i int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.m.Done(i)
}

func (d *driver) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left
}

func (d *driver) slot(ctx context.Context) bool {
	select {
	case d.slots <- struct{}{}:
		return ctx.Err() == nil || d.giveBack()
	case <-ctx.Done():
		return false
	}
}

func (d *driver) giveBack() bool {
	<-d.slots
	return false
}

// begin notes that an item is at work, for a crash.
func (d *driver) begin(ctx context.Context, i int) bool {
	ack := make(chan bool, 1)
	d.t.inbox <- itemBegun{work: d.w, index: i, ack: ack}
	return <-ack && ctx.Err() == nil
}

// report tells the end of an item and waits until it is durable.
func (d *driver) report(i int, failed *workflow.FailedItem, stop context.CancelCauseFunc) {
	if failed != nil && failed.Code == codeStopped {
		d.mu.Lock()
		d.left = true
		d.mu.Unlock()
		return // it was cut off: it has not ended
	}
	d.mu.Lock()
	d.m = d.m.Finish(i, failed)
	if failed != nil && d.p.intolerable(len(d.m.Failed)) && d.fatal == nil {
		d.fatal = failed
		stop(errItemFailed)
	}
	d.mu.Unlock()
	select {
	case d.moved <- struct{}{}:
	default:
	}
	ack := make(chan bool, 1)
	d.t.inbox <- itemEnded{work: d.w, index: i, failed: failed, ack: ack}
	if !<-ack {
		d.mu.Lock()
		d.left = true
		d.mu.Unlock()
		stop(errStopped)
	}
}

// result is how the map ended.
func (d *driver) result(ctx context.Context) (node.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.fatal != nil:
		f := node.Fail(d.fatal.Code, "", fmt.Errorf("item %d: %s", d.fatal.Index, d.fatal.Message))
		if d.p.collect {
			f = node.Fail("max_failures", "", fmt.Errorf("%d items have failed, at most %d may; the last one, item %d: %s",
				len(d.m.Failed), d.p.most, d.fatal.Index, d.fatal.Message))
		}
		// Another attempt would repeat what must not be repeated by itself.
		f.Final = slices.ContainsFunc(d.m.Failed, func(f workflow.FailedItem) bool { return f.Code == codeUnknown })
		return node.Result{}, f
	case d.left || ctx.Err() != nil:
		return node.Result{}, gone(ctx)
	}
	failed := make([]any, 0, len(d.m.Failed))
	for _, f := range d.m.Failed {
		failed = append(failed, map[string]any{"index": int64(f.Index), "code": f.Code, "message": f.Message})
	}
	r := node.Result{Outcome: "success", Value: map[string]any{
		"total": int64(d.m.Total), "processed": int64(d.m.Processed()), "succeeded": int64(d.m.Processed() - len(d.m.Failed)), "failed": failed,
	}}
	if len(failed) > 0 {
		r.Outcome = "partial"
	}
	return r, nil
}

// guarded is item. A panic of it fails the item, not the server.
func (d *driver) guarded(ctx context.Context, i int) (failed *workflow.FailedItem) {
	defer func() {
		if r := recover(); r != nil {
			f := d.t.panicked(d.w.step, r)
			failed = &workflow.FailedItem{Index: i, Code: f.Code, Message: f.Error()}
		}
	}()
	return d.item(ctx, i)
}

// item plays the body of the map for one item, in memory. It returns nil when it went
// well.
func (d *driver) item(ctx context.Context, i int) *workflow.FailedItem {
	t, body := d.t, d.w.step.Body
	s := workflow.Begin()
	scope := t.scope
	scope.Outer = outer(d.w.call.Env)
	scope.Item, scope.Index = d.items[i], i
	s.Context["total_items"] = int64(len(d.items))
	wrong := func(code string, err error) *workflow.FailedItem {
		return &workflow.FailedItem{Index: i, Code: code, Message: t.message(err.Error(), d.w.private)}
	}
	for {
		if err := body.Advance(&s, scope, t.now()); err != nil {
			return wrong("internal_error", err)
		}
		if s.Phase == workflow.PhaseOver {
			break
		}
		if ctx.Err() != nil {
			return &workflow.FailedItem{Index: i, Code: codeStopped}
		}
		next := body.With(s, workflow.NodeReady)
		if len(next) == 0 {
			return wrong("internal_error", errors.New("the item does not go on"))
		}
		if err := d.step(ctx, &s, scope, next[0], i); err != nil {
			if ctx.Err() != nil {
				return &workflow.FailedItem{Index: i, Code: codeStopped}
			}
			return wrong("internal_error", err)
		}
	}
	if s.Result == workflow.ResultFailed && s.Error != nil {
		private := d.w.private || d.heard(s, body.Step(s.Error.NodeID))
		return &workflow.FailedItem{Index: i, Code: s.Error.Code, Message: t.message(s.Error.Message, private)}
	}
	return nil
}

// outer are the outputs of the nodes around the map.
func outer(env expression.Env) map[string]map[string]any {
	out := make(map[string]map[string]any, len(env.Outputs))
	for id, o := range env.Outputs {
		if m, ok := o.(map[string]any); ok {
			out[id] = m
		}
	}
	return out
}

// step lets one node of an item work until it has ended, with its retries.
func (d *driver) step(ctx context.Context, s *workflow.State, scope workflow.Scope, step *workflow.Step, i int) error {
	t, body := d.t, d.w.step.Body
	for _, r := range step.Resources {
		for _, ref := range r.Refs() {
			if ref.Root() == "outputs" && (d.w.private || len(ref.Path) > 1 && s.Nodes[ref.Path[1]].Ephemeral) {
				return body.Fail(s, step.ID, workflow.Failure{NodeID: step.ID, Code: "resources", Message: errLockSaid.Error()}, t.now())
			}
		}
	}
	for {
		began := t.now()
		if err := s.StartNode(step.ID, began); err != nil {
			return err
		}
		env := body.Env(*s, scope, step.ID, began)
		res, err := d.attempt(ctx, step, env, place{attempt: s.Nodes[step.ID].Attempt, round: d.w.call.Rewinds, item: i, said: d.saidTo(*s, step)})
		if err == nil {
			outputs, bad := t.bodyOutputs(step, env, res.Value)
			if bad == nil {
				outcome := res.Outcome
				if outcome == "" && len(step.Kind.Outcomes) > 0 {
					outcome = step.Kind.Outcomes[0]
				}
				if res.End != "" {
					s.Stop(res.End, t.message(res.Reason, res.Reason != "" && d.heard(*s, step)))
				}
				heard := res.Ephemeral || d.heard(*s, step)
				return body.Succeed(s, step.ID, workflow.Done{Outcome: outcome, Outputs: outputs, Ephemeral: heard}, t.now())
			}
			err = node.Fatal("outputs", bad)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		f := node.FailureOf(err)
		failure := workflow.Failure{NodeID: step.ID, Code: f.Code, Message: t.message(f.Error(), d.w.private || d.heard(*s, step)), Attempt: s.Nodes[step.ID].Attempt}
		delay, again := t.g.Repeats(workflow.Attempted{Step: step, Failure: failure, Class: f.Class, Spread: t.e.o.Spread()}, env)
		if f.Final || !again {
			return body.Fail(s, step.ID, failure, t.now())
		}
		if err := s.Retry(step.ID, failure, t.now().Add(delay), t.now()); err != nil {
			return err
		}
		if err := t.sleep(ctx, step.ID, i, max(delay, f.After)); err != nil {
			return err
		}
		if err := s.WakeNode(step.ID, t.now()); err != nil {
			return err
		}
	}
}

// attempt makes one attempt of a node of an item, under its locks and its timeout.
func (d *driver) attempt(ctx context.Context, step *workflow.Step, env expression.Env, at place) (node.Result, error) {
	t, i := d.t, at.item
	names, err := t.names(step, env)
	if err != nil {
		return node.Result{}, node.Fatal("resources", err)
	}
	owner := fmt.Sprintf("%s[%d]", step.ID, i)
	if err := t.lockItem(ctx, step.ID, i, owner, names); err != nil {
		return node.Result{}, err
	}
	defer t.release(owner, names)
	n, known := t.e.o.Nodes.Node(step.Node.Kind())
	if !known {
		return node.Result{}, node.Fatal("node_type_unknown", fmt.Errorf("this server has no nodes of type %s", step.Node.Kind()))
	}
	c, err := t.call(ctx, step, env, at)
	if err != nil {
		return node.Result{}, err
	}
	limited, stop := t.limit(ctx, step.Node.Timeout)
	defer stop()
	return t.invoke(limited, n, c, nil, step.Node.Timeout)
}
