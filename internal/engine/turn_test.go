package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
)

// status lists the nodes of a run by their states.
func (w *world) status() map[string]workflow.NodeStatus {
	out := map[string]workflow.NodeStatus{}
	for id, n := range w.memory.Run().State.Nodes {
		out[id] = n.Status
	}
	return out
}

func (w *world) wake(nodeID string, why workflow.WaitFor, data string) {
	w.memory.Wake(store.WokenNode{NodeID: nodeID, For: why, Data: json.RawMessage(data)})
}

func TestParksWithoutSlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+act("a", "")+"  - {node_id: e, type: wait, wait_type: event, config: {name: go}}\n"+act("b", ""), nil)
	v := w.turn(t.Context())
	if v == nil || v.Parking == nil || v.Parking.For != "event" || !v.Parking.Until.IsZero() {
		t.Fatalf("verdict %+v", v)
	}
	if diff := cmp.Diff(map[string]workflow.NodeStatus{"a": workflow.NodeCompleted, "e": workflow.NodeWaiting}, w.status()); diff != "" {
		t.Error(diff)
	}
	w.wake("e", workflow.WaitEvent, `{"n": 1}`)
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	if n := w.memory.Run().State.Outputs["e"]["event"]; cmp.Diff(map[string]any{"n": int64(1)}, n) != "" {
		t.Errorf("the event's data is %v", n)
	}
	var states []string
	for _, s := range w.memory.Steps() {
		for _, e := range s.Events {
			if e.Data["node_id"] == "" {
				states = append(states, string(e.Type)[len("workflow.run."):])
			}
		}
	}
	if diff := cmp.Diff([]string{"started", "waiting", "resumed", "completed"}, states); diff != "" {
		t.Error(diff)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+act("a", "")+"  - {node_id: d, type: wait, wait_type: duration, config: {for: 10ms}}\n"+act("b", ""), nil)
	w.memory.Signal(func(s *store.WorkflowSignals) { s.Paused = true })
	v := w.turn(t.Context())
	if v == nil || v.Parking == nil || v.Parking.For != "paused" || !v.Parking.Until.IsZero() {
		t.Fatalf("verdict %+v", v)
	}
	if len(w.effects) != 0 {
		t.Errorf("a paused run did %v", w.effects)
	}
	w.memory.Signal(func(s *store.WorkflowSignals) { s.Paused = false })
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
}

// TestCancel: a run that waits undoes what it did, and ends.
func TestCancel(t *testing.T) {
	t.Parallel()
	text := "compensation: auto\non_error: z\nnodes:\n" + act("a", ", compensate: u, next: [e, s]") + "  - {node_id: e, type: wait, wait_type: event, config: {name: go}}\n" +
		act("s", ", retry: {max_attempts: 5, initial: 1h, max: 1h}") + act("u", "") + act("z", "")
	w := newWorld(t, text, nil)
	w.fail = on(":s", 9)
	if v := w.turn(t.Context()); v == nil || v.Parking == nil {
		t.Fatalf("verdict %+v", v)
	}
	w.memory.Signal(func(s *store.WorkflowSignals) { s.CancelAskedAt, s.CancelledBy = time.Unix(5, 0), "ann" })
	v := w.turn(t.Context())
	if v == nil || v.Code != "cancelled" || !v.Final || !strings.Contains(v.Error(), "by ann") {
		t.Fatalf("verdict %+v", v)
	}
	want := map[string]workflow.NodeStatus{
		"a": workflow.NodeCompensated, "e": workflow.NodeCancelled, "s": workflow.NodeCancelled, "u": workflow.NodeCompleted, "z": workflow.NodeCompleted,
	}
	if diff := cmp.Diff(want, w.status()); diff != "" {
		t.Error(diff)
	}
	if again := w.turn(t.Context()); again == nil || again.Code != "cancelled" { // the end was not recorded by the queue
		t.Errorf("verdict of a run that is over: %+v", again)
	}
}

// TestCancelAtWork: what works is stopped at once.
func TestCancelAtWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+act("a", "")+act("b", ""), nil)
	cancelled := make(chan struct{})
	w.cancelled = cancelled
	w.block = func(ctx context.Context, key string) error {
		if strings.HasSuffix(key, ":b") {
			close(cancelled)
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return nil
	}
	if v := w.turn(t.Context()); v == nil || v.Code != "cancelled" {
		t.Fatalf("verdict %+v", v)
	}
	if got := w.status()["b"]; got != workflow.NodeCancelled {
		t.Errorf("b is %s", got)
	}
}

// TestShutdown: a turn that is asked to leave keeps what has ended, and goes on later.
func TestShutdown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+act("r", ", next: [a, b]")+act("a", "")+act("b", ", on_crash: ask"), nil)
	ctx, stop := context.WithCancelCause(t.Context())
	w.block = func(ctx context.Context, key string) error {
		switch {
		case strings.HasSuffix(key, ":b"):
			stop(task.ErrShutdown)
			<-ctx.Done()
			return context.Cause(ctx)
		case strings.HasSuffix(key, ":a"):
			<-ctx.Done() // it ends well all the same
		}
		return nil
	}
	if v := w.turn(ctx); v == nil || !errors.Is(v, task.ErrShutdown) {
		t.Fatalf("verdict %+v", v)
	}
	if diff := cmp.Diff(map[string]workflow.NodeStatus{"r": workflow.NodeCompleted, "a": workflow.NodeCompleted, "b": workflow.NodeRunning}, w.status()); diff != "" {
		t.Error(diff)
	}
	w.block = nil
	v := w.turn(t.Context())
	if v == nil || v.Parking == nil || v.Parking.For != "decision" {
		t.Fatalf("verdict %+v: a person has to say what became of b", v)
	}
	w.wake("b", workflow.WaitPerson, `{"decision": "retry"}`)
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	keys := counts(w.effects)
	for key, n := range keys {
		if want := map[bool]int{true: 2, false: 1}[strings.HasSuffix(key, ":b")]; n != want {
			t.Errorf("%s was done %d times, want %d", key, n, want)
		}
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	for decision, want := range map[string]workflow.NodeStatus{"completed": workflow.NodeCompleted, "skip": workflow.NodeCompleted, "failed": workflow.NodeFailed} {
		w := newWorld(t, "nodes:\n"+act("a", ", on_crash: ask, retry: {max_attempts: 3}"), nil)
		if v := w.turnCrashingInEffect(); v.Code != "crashed" {
			t.Fatalf("verdict %+v", v)
		}
		if v := w.turn(t.Context()); v == nil || v.Parking == nil {
			t.Fatalf("verdict %+v", v)
		}
		w.wake("a", workflow.WaitPerson, `{"decision": "`+decision+`", "reason": "I looked"}`)
		_ = w.play()
		if got := w.status()["a"]; got != want || len(w.effects) != 1 {
			t.Errorf("after %q a is %s, and was done %d times", decision, got, len(w.effects))
		}
	}
}

func TestCrashPolicyFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+act("a", ", on_crash: fail, retry: {max_attempts: 3}"), nil)
	if v := w.turnCrashingInEffect(); v.Code != "crashed" {
		t.Fatalf("verdict %+v", v)
	}
	if v := w.play(); v == nil || v.Code != "interrupted" || len(w.effects) != 1 {
		t.Fatalf("verdict %+v after %d effects", v, len(w.effects))
	}
}

// turnCrashingInEffect plays a turn whose server dies while an effect is at work.
func (w *world) turnCrashingInEffect() *task.Verdict {
	ctx, crash := context.WithCancelCause(w.t.Context())
	defer crash(nil)
	w.block = func(ctx context.Context, _ string) error {
		crash(errCrash)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	defer func() { w.block = nil }()
	return w.turn(ctx)
}

// TestTakeover: a run that was cut off tells where it goes on, once; one that has
// waited does not.
func TestTakeover(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+act("a", "")+"  - {node_id: e, type: wait, wait_type: event, config: {name: go}}\n"+`
  - {node_id: m, type: map, config: {items: "{{ 1..9 }}", nodes: [{node_id: put, type: action, action_type: effect, config: {value: "{{ item }}"}}]}}
  - {node_id: f, type: wait, wait_type: event, config: {name: stop}}
`+act("b", ""), nil)
	if v := w.turn(t.Context()); v == nil || v.Parking == nil {
		t.Fatalf("verdict %+v", v)
	}
	w.wake("e", workflow.WaitEvent, `{}`)
	ctx, crash := context.WithCancelCause(t.Context())
	defer crash(nil)
	w.memory.After = func(p store.WorkflowStep) error {
		if p.Delta.Maps["m"].Processed() == 4 {
			crash(errCrash)
			return errCrash
		}
		return nil
	}
	if v := w.turn(ctx); v == nil || v.Code != "crashed" {
		t.Fatalf("verdict %+v", v)
	}
	w.memory.After = nil
	if w.memory.Run().State.Takeover != nil || len(w.takeovers()) != 0 {
		t.Fatalf("it was told before the crash: %v", w.takeovers())
	}
	if v := w.turn(t.Context()); v == nil || v.Parking == nil {
		t.Fatalf("verdict %+v", v)
	}
	told := func(after, node, item string) map[string]string {
		return map[string]string{"after": after, "at_node_id": node, "at_item": item}
	}
	check := func(want ...map[string]string) *workflow.Takeover {
		t.Helper()
		var got []map[string]string
		for _, d := range w.takeovers() {
			got = append(got, told(d["after"], d["at_node_id"], d["at_item"]))
			if d["node_id"] != "" || d["new_state"] != "RUNNING" {
				t.Errorf("it is not about the run: %v", d)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		return w.memory.Run().State.Takeover
	}
	o := check(told("crash", "m", "4"))
	if o == nil || o.At.IsZero() || o.After != workflow.CutOffCrash || o.Instance != "inst_1" || o.NodeID != "m" || o.Items == nil || *o.Items != 4 {
		t.Errorf("the run has the takeover %+v", o)
	}
	w.wake("f", workflow.WaitEvent, `{}`)
	ctx, stop := context.WithCancelCause(t.Context())
	w.block = func(ctx context.Context, _ string) error {
		stop(task.ErrShutdown)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if v := w.turn(ctx); v == nil || !errors.Is(v, task.ErrShutdown) {
		t.Fatalf("verdict %+v", v)
	}
	w.block = nil
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	if o := check(told("crash", "m", "4"), told("shutdown", "b", "")); o == nil || o.After != workflow.CutOffShutdown || o.NodeID != "b" || o.Items != nil {
		t.Errorf("the run has the takeover %+v", o)
	}
}

// TestLocksPark: a node whose lock is not free lets the run wait for it in the queue.
func TestLocksPark(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+act("a", "")+act("b", ", resources: ['gpu:0', 'model:x']"), nil)
	w.locked["gpu:0"] = true
	v := w.turn(t.Context())
	if v == nil || v.Parking == nil || !slices.Equal(v.Parking.Locks, []string{"gpu:0", "model:x"}) {
		t.Fatalf("verdict %+v", v)
	}
	w.granted = v.Parking.Locks // the queue has taken them for the next turn
	if v := w.turn(t.Context()); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	if w.locked["gpu:0"] || w.locked["model:x"] {
		t.Errorf("locks are left: %v", w.locked)
	}
}

func TestTimeoutOfAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+act("a", ", timeout: 20ms, retry: {max_attempts: 2, initial: 1ms, on: [timeout]}"), nil)
	w.block = func(ctx context.Context, _ string) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if v := w.play(); v == nil || v.Code != "timeout" || len(w.effects) != 2 {
		t.Fatalf("verdict %+v after %d attempts", v, len(w.effects))
	}
}

func TestTimeoutOfRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "timeout: 4s\nnodes:\n"+act("a", "")+"  - {node_id: w, type: wait, wait_type: duration, config: {for: 4500ms}}\n"+act("b", ""), nil)
	if v := w.play(); v != nil { // waits do not count
		t.Fatalf("verdict %+v", v)
	}
}

// TestLargeOutputs: they are kept as an artifact and read back after a crash.
func TestLargeOutputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n  - {node_id: a, type: data, data_type: set, config: {values: {big: \"{{ repeat('x', 400000) }}\"}}}\n"+
		act("b", "")+"  - {node_id: c, type: data, data_type: set, config: {values: {n: \"{{ len(outputs.a.big) }}\"}}}\n", nil)
	if v := w.turnCrashing(1, true); v == nil || v.Code != "crashed" {
		t.Fatalf("verdict %+v", v)
	}
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	if n := w.memory.Run().State.Outputs["c"]["n"]; n != int64(400000) {
		t.Errorf("n is %v", n)
	}
	for _, s := range w.memory.Steps() {
		if data, _ := json.Marshal(s.Delta); len(data) > 20_000 {
			t.Errorf("step %d has %d bytes", s.Seq, len(data))
		}
	}
}

func TestNodePanics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+act("a", ""), nil)
	w.block = func(context.Context, string) error { panic("oh") }
	if v := w.turn(t.Context()); v == nil || v.Code != "panic" || strings.Contains(v.Error(), "oh") {
		t.Fatalf("verdict %+v", v)
	}
}

var _ = node.ClassTimeout

// TestLogGoesOn: the log of a run that went on after a wait has its end too, however
// short that was; one that was short from the beginning has none.
func TestLogGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n  - {node_id: e, type: wait, wait_type: event, config: {name: go}}\n  - {node_id: d, type: data, data_type: set, config: {values: {x: 1}}}\n", nil)
	if v := w.turn(t.Context()); v == nil || v.Parking == nil {
		t.Fatalf("verdict %+v", v)
	}
	if log := w.log.String(); !strings.Contains(log, "e: WAITING") {
		t.Fatalf("while it waits: %q", log)
	}
	w.wake("e", workflow.WaitEvent, `{}`)
	if v := w.turn(t.Context()); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	if log := w.log.String(); !strings.HasSuffix(log, "d: COMPLETED\nCOMPLETED\n") {
		t.Errorf("the log ends with %q", log)
	}
	short := newWorld(t, "nodes:\n  - {node_id: d, type: data, data_type: set, config: {values: {x: 1}}}\n", nil)
	if v := short.turn(t.Context()); v != nil || short.log.Len() > 0 {
		t.Errorf("verdict %+v, log %q", v, short.log.String())
	}
}
