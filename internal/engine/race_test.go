package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
)

// asks is a node that waits for something of its own outside.
type asks struct{ w *world }

func (asks) Kind() workflow.Kind {
	return workflow.Kind{Type: "action", Subtype: "asks", SubtypeField: "action_type", Outcomes: []string{"success"}, OnCrash: workflow.CrashRetry}
}

func (asks) Run(_ context.Context, c node.Call) (node.Result, error) {
	return node.Result{}, node.Wait(workflow.Wait{For: workflow.WaitApproval, Ref: c.Step.ID})
}

func (asks) Resume(context.Context, node.Call, node.Woke) (node.Result, error) {
	return node.Result{}, nil
}

func (a asks) Abandon(_ context.Context, c node.Call, _ workflow.Wait) error {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.abandoned = append(a.w.abandoned, c.Step.ID)
	return nil
}

// back is a node that puts the run back once.
type back struct{}

func (back) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "action", Subtype: "back", SubtypeField: "action_type", Outcomes: []string{"success"}, OnCrash: workflow.CrashRetry,
		Fields: []workflow.Field{{Name: "to", Type: workflow.FieldString, Node: true}},
	}
}

func (back) Run(_ context.Context, c node.Call) (node.Result, error) {
	if c.Rewinds == 0 {
		return node.Result{Rewind: c.Config["to"].(string)}, nil
	}
	return node.Result{}, nil
}

// TestShutdownIsNoFailure: the node that ends first does not end as one that failed.
func TestShutdownIsNoFailure(t *testing.T) {
	t.Parallel()
	for range 30 {
		w := newWorld(t, "nodes:\n"+act("a", ""), nil)
		ctx, stop := context.WithCancelCause(t.Context())
		w.block = func(ctx context.Context, _ string) error {
			stop(task.ErrShutdown)
			<-ctx.Done()
			return context.Cause(ctx)
		}
		if v := w.turn(ctx); v == nil || !errors.Is(v, task.ErrShutdown) {
			t.Fatalf("verdict %+v", v)
		}
		if got := w.status()["a"]; got != workflow.NodeRunning && got != "" {
			t.Fatalf("a is %s after a shutdown", got)
		}
		w.block = nil
		if v := w.play(); v != nil {
			t.Fatalf("verdict %+v", v)
		}
	}
}

// TestAbandonsWhenDurable: a server that cannot write that its run fails must not end
// what the run still waits for elsewhere.
func TestAbandonsWhenDurable(t *testing.T) {
	t.Parallel()
	text := "nodes:\n" + act("r", ", next: [q, a]") + "  - {node_id: q, type: action, action_type: asks}\n" + act("a", ", next: b") + act("b", "")
	w := newWorld(t, text, nil)
	w.fail = on(":b", 9)
	w.block = func(ctx context.Context, key string) error { // b fails when q is known to wait
		for strings.HasSuffix(key, ":b") && w.status()["q"] != workflow.NodeWaiting && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		return nil
	}
	w.memory.Before = func(p store.WorkflowStep) error {
		if p.Delta.Nodes["b"].Status == workflow.NodeFailed {
			w.memory.Claim() // another server has it now
		}
		return nil
	}
	if v := w.turn(t.Context()); v == nil || v.Code != "crashed" {
		t.Fatalf("verdict %+v", v)
	}
	if len(w.abandoned) != 0 || w.status()["q"] != workflow.NodeWaiting {
		t.Fatalf("a server without the run abandoned %v; q is %s", w.abandoned, w.status()["q"])
	}
	w.memory.Before = nil
	if v := w.play(); v == nil || v.Code != "broken" {
		t.Fatalf("verdict %+v", v)
	}
	if diff := cmp.Diff([]string{"q"}, w.abandoned); diff != "" {
		t.Error(diff)
	}
}

// TestAbandonsAfterCrash: what a cancelled run waited for is ended, also if its server
// dies right behind the step that gives it up.
func TestAbandonsAfterCrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n  - {node_id: q, type: action, action_type: asks}\n", nil)
	if v := w.turn(t.Context()); v == nil || v.Parking == nil {
		t.Fatalf("verdict %+v", v)
	}
	w.memory.Signal(func(s *store.WorkflowSignals) { s.CancelAskedAt = time.Unix(5, 0) })
	if v := w.turnCrashing(w.memory.Run().Seq+1, true); v == nil || v.Code != "crashed" {
		t.Fatalf("verdict %+v", v)
	}
	if len(w.abandoned) != 0 || w.status()["q"] != workflow.NodeCancelled {
		t.Fatalf("abandoned %v; q is %s: the crash came too late", w.abandoned, w.status()["q"])
	}
	if v := w.turn(t.Context()); v == nil || v.Code != "cancelled" {
		t.Fatalf("verdict %+v", v)
	}
	if diff := cmp.Diff([]string{"q"}, w.abandoned); diff != "" {
		t.Error(diff)
	}
}

// TestRewindsPastWork: what works in the part that is put back ends first, and its
// attempts are told apart also after a restart.
func TestRewindsPastWork(t *testing.T) {
	t.Parallel()
	text := "nodes:\n" + act("a", ", next: [b, g]") + act("b", "") + "  - {node_id: g, type: action, action_type: back, config: {to: a}}\n"
	w := newWorld(t, text, nil)
	w.block = func(ctx context.Context, key string) error {
		if !strings.HasSuffix(key, ":b") { // the second time round it has another key
			return nil
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	for id, n := range w.memory.Run().State.Nodes {
		if n.Status != workflow.NodeCompleted || n.Round != 1 || n.Past != 1 || n.Attempt != 1 {
			t.Errorf("node %s: %+v", id, n)
		}
	}
	numbers := map[string][]int{}
	for _, s := range w.memory.Steps() {
		for _, a := range s.Attempts {
			if !slices.Contains(numbers[a.NodeID], a.Number) {
				numbers[a.NodeID] = append(numbers[a.NodeID], a.Number)
			}
		}
	}
	if diff := cmp.Diff(map[string][]int{"a": {1, 2}, "b": {1, 2}, "g": {1, 2}}, numbers); diff != "" {
		t.Error(diff)
	}
}

// TestMapNeverForgets: steps of a map whose items must not be repeated never lose one
// that has ended.
func TestMapNeverForgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
nodes:
  - {node_id: m, type: map, config: {items: "{{ 1..300 }}", concurrency: 16, nodes: [
      {node_id: put, type: action, action_type: effect, on_crash: ask, config: {value: "{{ item }}"}}]}}
`, nil)
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	var last workflow.MapState
	for _, s := range w.memory.Steps() {
		m, is := s.Delta.Maps["m"]
		if !is {
			continue
		}
		for i := range m.Total {
			if last.Done(i) && !m.Done(i) {
				t.Fatalf("step %d forgets item %d", s.Seq, i)
			}
		}
		last = m
	}
	if last.Next != 300 || len(last.Begun) != 0 {
		t.Errorf("at the end: next %d, begun %v", last.Next, last.Begun)
	}
}

// TestItemsLockEachOther: two items of a run never have one lock at once.
func TestItemsLockEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
nodes:
  - {node_id: m, type: map, config: {items: "{{ 1..3 }}", concurrency: 3, nodes: [
      {node_id: put, type: action, action_type: effect, resources: ['gpu:0'], config: {value: "{{ item }}"}}]}}
`, nil)
	var at, most atomic.Int32
	w.block = func(context.Context, string) error {
		most.Store(max(most.Load(), at.Add(1)))
		time.Sleep(20 * time.Millisecond) // long enough for another one to come
		at.Add(-1)
		return nil
	}
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	if most.Load() != 1 || len(w.locked) != 0 {
		t.Errorf("%d items had the lock at once; locks left: %v", most.Load(), w.locked)
	}
}

// TestItemsUnknown: a map whose items must not be repeated ends after a crash, and its
// retries do not repeat them either.
func TestItemsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
nodes:
  - {node_id: m, type: map, retry: {max_attempts: 3, initial: 1ms}, config: {items: "{{ 1..3 }}", nodes: [
      {node_id: put, type: action, action_type: effect, on_crash: fail, config: {value: "{{ item }}"}}]}}
`, nil)
	if v := w.turnCrashingInEffect(); v.Code != "crashed" {
		t.Fatalf("verdict %+v", v)
	}
	if v := w.play(); v == nil || v.Code != "outcome_unknown" || len(w.effects) != 1 {
		t.Fatalf("verdict %+v after %d effects", v, len(w.effects))
	}
}

// TestOutputsNoJSON: a value that cannot be stored ends the run, not its turn.
func TestOutputsNoJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "inputs: {n: {type: integer, default: 0}}\nnodes:\n"+act("a", "")+"outputs: {x: \"{{ 1 / n }}\"}\n", nil)
	if v := w.play(); v == nil || v.Code != "outputs" {
		t.Fatalf("verdict %+v", v)
	}
}

// TestWokenTooLate: what comes for a node that a cancel has dropped does not keep the
// run from waiting.
func TestWokenTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "on_error: h\nnodes:\n  - {node_id: e, type: wait, wait_type: event, config: {name: go}}\n"+
		"  - {node_id: h, type: wait, wait_type: event, config: {name: over}}\n", nil)
	if v := w.turn(t.Context()); v == nil || v.Parking == nil {
		t.Fatalf("verdict %+v", v)
	}
	w.wake("e", workflow.WaitEvent, `{}`)
	w.memory.Signal(func(s *store.WorkflowSignals) { s.CancelAskedAt = time.Unix(5, 0) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if v := w.turn(ctx); v == nil || v.Parking == nil || !v.Parking.CancelSeen {
		t.Fatalf("verdict %+v", v)
	}
	w.wake("h", workflow.WaitEvent, `{}`)
	if v := w.turn(ctx); v == nil || v.Code != "cancelled" {
		t.Fatalf("verdict %+v", v)
	}
}

// TestCancelWhileUndoing: what is being undone is undone to its end.
func TestCancelWhileUndoing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "compensation: auto\nnodes:\n"+act("a", ", compensate: u")+act("b", "")+act("u", ""), nil)
	w.fail = on(":b", 9)
	cancelled := make(chan struct{})
	w.cancelled = cancelled
	w.block = func(ctx context.Context, key string) error {
		if !strings.HasSuffix(key, ":u") {
			return nil
		}
		close(cancelled)
		for w.memory.Run().State.Result != workflow.ResultCancelled && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond): // the turn has heard of it: long enough to stop this too
			return nil
		}
	}
	v := w.turn(t.Context())
	if v == nil || v.Code != "broken" {
		t.Fatalf("verdict %+v", v)
	}
	if s := w.status(); s["a"] != workflow.NodeCompensated || w.memory.Run().State.Result != workflow.ResultCancelled {
		t.Errorf("nodes %v, result %s", s, w.memory.Run().State.Result)
	}
}

// TestMapTriedAgain: a crash in the second attempt of a map does not open its items
// once more.
func TestMapTriedAgain(t *testing.T) {
	t.Parallel()
	for k := int64(1); ; k++ {
		w := newWorld(t, `
nodes:
  - {node_id: m, type: map, retry: {max_attempts: 2, initial: 1ms}, config: {items: "{{ 1..4 }}", on_item_error: collect, max_failures: 0, nodes: [
      {node_id: put, type: action, action_type: effect, config: {value: "{{ item }}"}}]}}
`, nil)
		w.fail = on(":put:2", 9)
		v := w.turnCrashing(k, true)
		crashed := v != nil && v.Code == "crashed"
		if !crashed {
			v = w.continued(v, k, true)
		} else {
			v = w.play()
		}
		if v == nil || v.Code != "max_failures" {
			t.Fatalf("crash at step %d: verdict %+v", k, v)
		}
		for key, n := range counts(w.effects) {
			if n > 2 || n > 1 && !strings.HasSuffix(key, ":put:2") && !strings.HasSuffix(key, ":put:3") {
				t.Fatalf("crash at step %d: %s was done %d times", k, key, n)
			}
		}
		if k > w.memory.Run().Seq {
			return
		}
	}
}
