package engine_test

import (
	"context"
	"errors"
	"fmt"
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

// example is a workflow whose crashes are looked at.
type example struct {
	text   string
	inputs map[string]any
	// fail says which attempts of effects fail.
	fail func(key string, attempt int) error
	// ends is the code of the verdict, "" = it completes.
	ends string
	// repeats is how many effects may be repeated by a crash beside those in flight.
	items int
}

func on(suffix string, upTo int) func(string, int) error {
	return func(key string, attempt int) error {
		if strings.HasSuffix(key, suffix) && attempt <= upTo {
			return node.Fail("broken", node.ClassServerError, errors.New("it broke"))
		}
		return nil
	}
}

func act(id, more string) string {
	return fmt.Sprintf("  - {node_id: %s, type: action, action_type: effect, config: {value: \"{{ run.node_id }}\"}%s}\n", id, more)
}

var examples = map[string]example{
	"a row":     {text: "nodes:\n" + act("a", "") + act("b", "") + act("c", ""), items: 1},
	"a diamond": {text: "nodes:\n" + act("a", ", next: [b, c]") + act("b", ", next: d") + act("c", ", next: d") + act("d", ""), items: 2},
	"judgment": {text: `
inputs: {n: {type: integer, default: 3}}
nodes:
  - {node_id: a, type: action, action_type: effect, config: {value: "{{ n + 1 }}"}, next: b}
  - {node_id: b, type: data, data_type: set, config: {values: {x: "{{ outputs.a.value * 2 }}"}}, next: c}
  - {node_id: c, type: judgment, config: {expr: "outputs.b.x == 8"}, next: {"true": d, "false": e}}
  - {node_id: d, type: action, action_type: effect, config: {value: 1}}
  - {node_id: e, type: action, action_type: effect, config: {value: 2}}
outputs: {x: "{{ outputs.b?.x }}"}
`, items: 1},
	"computing": {text: "nodes:\n" + sets(4) + act("a", "") + strings.NewReplacer("s0", "r0", "s1", "r1", "s2", "r2").Replace(sets(3)) + act("b", ""), items: 1},
	"retry":     {text: "nodes:\n" + act("a", ", retry: {max_attempts: 3, initial: 5ms}") + act("b", ""), fail: on(":a", 2), items: 1},
	"failure":   {text: "nodes:\n" + act("a", ", retry: {max_attempts: 2, initial: 5ms}") + act("b", ""), fail: on(":a", 9), ends: "broken", items: 1},
	"continue":  {text: "nodes:\n" + act("a", ", on_error: continue") + act("b", ""), fail: on(":a", 9), items: 1},
	"handler": {text: "nodes:\n" + act("a", ", on_error: h") + act("b", "") +
		"  - {node_id: h, type: data, data_type: set, config: {values: {why: \"{{ error.code }}\"}}}\n", fail: on(":a", 9), items: 1},
	"compensation": {text: "compensation: auto\non_error: z\nnodes:\n" + act("a", ", compensate: ua") + act("b", ", compensate: ub") + act("c", "") +
		act("ua", "") + act("ub", "") + act("z", ""), fail: on(":c", 9), ends: "broken", items: 1},
	"timer": {text: "nodes:\n" + act("a", "") + "  - {node_id: w, type: wait, wait_type: duration, config: {for: 20ms}}\n" + act("b", ""), items: 1},
	"stop":  {text: "nodes:\n" + act("a", "") + "  - {node_id: s, type: stop, config: {status: SKIPPED, reason: enough}}\n", ends: "skipped", items: 1},
	"map": {text: `
nodes:
  - {node_id: m, type: map, config: {items: "{{ 1..20 }}", as: n, concurrency: 3, nodes: [
      {node_id: x, type: data, data_type: set, config: {values: {y: "{{ n * 2 }}"}}},
      {node_id: put, type: action, action_type: effect, config: {value: "{{ outputs.x.y }}"}}]}}
  - {node_id: after, type: data, data_type: set, config: {values: {n: "{{ outputs.m.processed }}"}}}
outputs: {n: "{{ outputs.after.n }}"}
`, items: 3},
	"map with failures": {text: `
nodes:
  - {node_id: m, type: map, config: {items: "{{ 1..10 }}", concurrency: 2, on_item_error: collect, max_failures: "20%", nodes: [
      {node_id: put, type: action, action_type: effect, config: {value: "{{ item }}"}, retry: {max_attempts: 2, initial: 1ms}}]}}
outputs: {failed: "{{ outputs.m.failed }}"}
`, fail: on(":put:4", 9), items: 4},
	"map that fails": {text: `
nodes:
  - {node_id: m, type: map, config: {items: "{{ 1..9 }}", nodes: [
      {node_id: put, type: action, action_type: effect, config: {value: "{{ item }}"}}]}}
`, fail: on(":put:4", 9), ends: "broken", items: 1},
	"handler of what was said": {text: `
on_error: h
nodes:
  - {node_id: s, type: action, action_type: say}
  - {node_id: b, type: action, action_type: effect, config: {value: "{{ len(outputs.s.text) }}"}}
  - {node_id: h, type: data, data_type: set, config: {values: {why: "{{ outputs.s?.text }}"}}}
`, fail: on(":b", 9), ends: "broken", items: 2},
	"rewind": {text: "nodes:\n" + act("a", ", next: [b, g]") + act("b", "") + "  - {node_id: g, type: action, action_type: back, config: {to: a}}\n", items: 2},
	"map in batches of steps": {text: `
nodes:
  - {node_id: m, type: map, config: {items: "{{ 1..20 }}", checkpoint_every: 4, nodes: [
      {node_id: put, type: action, action_type: effect, config: {value: "{{ item }}"}}]}}
`, items: 4},
	"what was said": {text: `
nodes:
  - {node_id: s, type: action, action_type: say}
  - {node_id: t, type: data, data_type: set, config: {values: {words: "{{ split(outputs.s.text, ' ') }}"}}}
  - {node_id: p, type: action, action_type: effect, config: {value: "{{ len(outputs.t.words) }}"}}
  - {node_id: q, type: action, action_type: effect, config: {value: "{{ outputs.s.tokens_in }}"}}
outputs: {n: "{{ outputs.q.value }}", words: "{{ outputs.p.value }}"}
`, items: 3},
	"locks": {text: "nodes:\n" + act("a", ", resources: ['gpu:0'], next: [b, c]") + act("b", ", resources: ['gpu:0', 'model:x']") + act("c", ", resources: ['gpu:0']"), items: 1},
}

// outcome is what must be the same whatever crashed in between.
type outcome struct {
	Verdict string
	Nodes   map[string]workflow.NodeStatus
	Outputs map[string]string
	Values  map[string]any
	Failed  []workflow.FailedItem
	Effects []string // each once, sorted
}

func (w *world) outcome(v *task.Verdict) outcome {
	r := w.memory.Run()
	o := outcome{Nodes: map[string]workflow.NodeStatus{}, Outputs: w.outputs, Values: r.State.Values}
	if v != nil {
		o.Verdict = v.Code
	}
	for id, n := range r.State.Nodes {
		o.Nodes[id] = n.Status
	}
	for _, m := range r.State.Maps {
		o.Failed = append(o.Failed, m.Failed...)
	}
	keys := slices.Clone(w.effects)
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		o.Effects = append(o.Effects, strings.TrimPrefix(key, r.ID))
	}
	return o
}

// TestCrashAtEachStep is T07: a run that crashes at any of its durable writes, before
// it or right after it, ends as one that does not; no node works again whose end was
// written, and of a map no more items than were in flight. The takeover is told once.
func TestCrashAtEachStep(t *testing.T) {
	t.Parallel()
	for name, ex := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fresh := func() *world {
				w := newWorld(t, ex.text, ex.inputs)
				w.fail = ex.fail
				return w
			}
			whole := fresh()
			v := whole.play()
			want := whole.outcome(v)
			if want.Verdict != ex.ends {
				t.Fatalf("verdict %v, want code %q", v, ex.ends)
			}
			steps := whole.memory.Run().Seq
			once := counts(whole.effects)
			if got := whole.takeovers(); len(got) != 0 {
				t.Fatalf("takeovers of a run that was never cut off: %v", got)
			}
			for k := int64(1); k <= steps; k++ {
				for _, after := range []bool{false, true} {
					w := fresh()
					v := w.turnCrashing(k, after)
					if v == nil || v.Code != "crashed" { // the step came in a later turn, or was another one
						v = w.continued(v, k, after)
					} else {
						clear(w.locked)
						v = w.play()
					}
					if diff := cmp.Diff(want, w.outcome(v)); diff != "" {
						t.Fatalf("crash at step %d of %d (after: %v): %s", k, steps, after, diff)
					}
					repeats := 0
					for key, n := range counts(w.effects) {
						repeats += max(0, n-once[strings.Replace(key, w.memory.Run().ID, whole.memory.Run().ID, 1)])
					}
					if repeats > ex.items {
						t.Fatalf("crash at step %d of %d (after: %v): %d effects were repeated, at most %d may be", k, steps, after, repeats, ex.items)
					}
					if !slices.IsSorted(w.done) {
						t.Fatalf("progress went back: %v", w.done)
					}
					if got := w.takeovers(); len(got) != w.cut {
						t.Fatalf("crash at step %d of %d (after: %v): %d takeovers were told of %d: %v", k, steps, after, len(got), w.cut, got)
					}
					w.nothingSaid()
					w.wholeAttempts(w.torn)
				}
			}
		})
	}
}

// continued plays on after a turn that parked before the step at which it is to crash.
func (w *world) continued(v *task.Verdict, k int64, after bool) *task.Verdict {
	for range 20 {
		if v == nil || v.Parking == nil {
			return v
		}
		if !v.Parking.Until.IsZero() {
			time.Sleep(time.Until(v.Parking.Until)) // the timer of the queue
		}
		if v = w.turnCrashing(k, after); v != nil && v.Code == "crashed" {
			clear(w.locked)
			return w.play()
		}
	}
	return v
}

// takeovers returns the data of the events that tell of one.
func (w *world) takeovers() []map[string]string {
	var out []map[string]string
	for _, s := range w.memory.Steps() {
		for _, e := range s.Events {
			if e.Data["after"] != "" {
				out = append(out, e.Data)
			}
		}
	}
	return out
}

// attempts returns the attempts of nodes as a store keeps them, by node and number.
func (w *world) attempts() map[string]map[int]store.NodeAttempt {
	out := map[string]map[int]store.NodeAttempt{}
	for _, s := range w.memory.Steps() {
		for _, a := range s.Attempts {
			if out[a.NodeID] == nil {
				out[a.NodeID] = map[int]store.NodeAttempt{}
			}
			old := out[a.NodeID][a.Number]
			if a.Instance == "" {
				a.Instance = old.Instance
			}
			if old.Lost != "" {
				a.Lost, a.EndedAt, a.Instance, a.Epoch = old.Lost, old.EndedAt, old.Instance, old.Epoch
			}
			out[a.NodeID][a.Number] = a
		}
	}
	return out
}

// wholeAttempts: the attempts of each node are numbered from 1, each has ended, and as
// many are lost as nodes were at work when a turn crashed.
func (w *world) wholeAttempts(lost int) {
	w.t.Helper()
	for node, all := range w.attempts() {
		for n := 1; n <= len(all); n++ {
			a, there := all[n]
			if !there || a.EndedAt.IsZero() || a.Status == workflow.NodeRunning || a.EndedAt.Before(a.StartedAt) {
				w.t.Fatalf("attempt %d of %s: %+v of %+v", n, node, a, all)
			}
			if a.Lost != "" {
				lost--
			}
		}
	}
	if lost != 0 {
		w.t.Fatalf("%d lost attempts are missing: %+v", lost, w.attempts())
	}
}

// lostCase is what becomes of the attempt of the node b that is cut off.
type lostCase struct {
	policy string
	fail   func(string, int) error
	// again crashes the second turn too, before or after its first step.
	again string
	// decision is what a person says.
	decision string
	want     []store.NodeAttempt
	// count is what the policy of retry counts, worked how often the node worked.
	count, worked int
}

func lostCases() map[string]lostCase {
	lost := func(n int, is workflow.NodeStatus) store.NodeAttempt {
		return store.NodeAttempt{Number: n, Epoch: int64(n), Instance: fmt.Sprintf("inst_%d", n), Lost: workflow.CutOffCrash, Status: is}
	}
	failed := func(a store.NodeAttempt, code string) store.NodeAttempt {
		a.Status, a.Error = workflow.NodeFailed, &workflow.Failure{NodeID: "b", Code: code, Attempt: 1}
		return a
	}
	done := func(n int, epoch int64) store.NodeAttempt {
		return store.NodeAttempt{Number: n, Epoch: epoch, Instance: fmt.Sprintf("inst_%d", epoch), Status: workflow.NodeCompleted, Outcome: "success"}
	}
	type list = []store.NodeAttempt
	return map[string]lostCase{
		"retry":                    {policy: "retry", want: list{lost(1, "READY"), done(2, 2)}, count: 1, worked: 2},
		"retry, twice":             {policy: "retry", again: "after", want: list{lost(1, "READY"), lost(2, "READY"), done(3, 3)}, count: 1, worked: 2},
		"retry, nothing was begun": {policy: "retry", again: "before", want: list{lost(1, "READY"), done(2, 3)}, count: 1, worked: 2},
		"retry, and a failure": {
			policy: "retry, retry: {max_attempts: 2, initial: 1ms}", fail: on(":b", 1), count: 2, worked: 3,
			want: list{lost(1, "READY"), failed(store.NodeAttempt{Number: 2, Epoch: 2, Instance: "inst_2"}, "broken"), done(3, 3)},
		},
		"fail":                      {policy: "fail", want: list{failed(lost(1, ""), "interrupted")}, count: 1, worked: 1},
		"ask":                       {policy: "ask", want: list{lost(1, "WAITING")}, count: 1, worked: 1},
		"ask, and do it again":      {policy: "ask", decision: "retry", want: list{lost(1, "WAITING"), done(2, 3)}, count: 2, worked: 2},
		"ask, and it had failed":    {policy: "ask", decision: "failed", want: list{failed(lost(1, ""), "outcome_unknown")}, count: 1, worked: 1},
		"ask, and it had gone well": {policy: "ask", decision: "completed", want: list{lost(1, "COMPLETED")}, count: 1, worked: 1},
	}
}

// TestLostAttempts: an attempt that its server's death has cut off stays one of its own,
// with that server, whatever follows it; and it counts as the crash policy says.
func TestLostAttempts(t *testing.T) {
	t.Parallel()
	for name, c := range lostCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "nodes:\n"+act("a", "")+act("b", ", on_crash: "+c.policy), nil)
			w.loses(c)
			got := w.attempts()["b"]
			for i, want := range c.want {
				a := got[i+1]
				if a.EndedAt.Before(a.StartedAt) || i > 0 && a.StartedAt.Before(got[i].EndedAt) {
					t.Errorf("attempt %d from %v to %v", i+1, a.StartedAt, a.EndedAt)
				}
				want.RunID, want.NodeID, want.StartedAt, want.EndedAt = a.RunID, "b", a.StartedAt, a.EndedAt
				if want.Error != nil && a.Error != nil {
					want.Error.Message = a.Error.Message
				}
				if diff := cmp.Diff(want, a); diff != "" {
					t.Error(diff)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("%d attempts, want %d: %+v", len(got), len(c.want), got)
			}
			if n := w.memory.Run().State.Nodes["b"].Attempt; n != c.count {
				t.Errorf("%d attempts count, want %d", n, c.count)
			}
			if n := counts(w.effects)[w.memory.Run().ID+":b"]; n != c.worked {
				t.Errorf("it worked %d times, want %d", n, c.worked)
			}
		})
	}
}

// loses plays a run whose first server dies while the node b works. Each server that goes
// on is another one.
func (w *world) loses(c lostCase) {
	w.t.Helper()
	crashed := func(v *task.Verdict) {
		w.t.Helper()
		if v == nil || v.Code != "crashed" {
			w.t.Fatalf("the turn ended with %v", v)
		}
	}
	w.fail = c.fail
	ctx, die := context.WithCancelCause(w.t.Context())
	w.block = func(ctx context.Context, key string) error {
		if !strings.HasSuffix(key, ":b") {
			return nil
		}
		die(task.ErrLeaseLost)
		<-ctx.Done()
		return ctx.Err()
	}
	crashed(w.turn(ctx))
	w.block, w.instance = nil, "inst_2"
	if c.again != "" {
		crashed(w.turnCrashing(2, c.again == "after"))
		w.instance = "inst_3"
	}
	v := w.turn(w.t.Context())
	w.instance = "inst_3"
	if c.decision != "" {
		w.memory.Wake(store.WokenNode{NodeID: "b", For: workflow.WaitPerson, Data: []byte(`{"decision":"` + c.decision + `"}`)})
		v = w.turn(w.t.Context())
	}
	if v != nil && v.Parking != nil && !v.Parking.Until.IsZero() {
		time.Sleep(time.Until(v.Parking.Until)) // the timer of the queue
		v = w.play()
	}
	if failed := c.policy == "fail" || c.decision == "failed"; failed != (v != nil && v.Parking == nil) {
		w.t.Errorf("the run ended with %v", v)
	}
}

// nothingSaid looks for what must not be stored.
func (w *world) nothingSaid() {
	w.t.Helper()
	for _, s := range w.memory.Steps() {
		if text := fmt.Sprint(s); strings.Contains(text, "marker") || strings.Contains(text, "what was") {
			w.t.Fatalf("step %d has what was said: %s", s.Seq, text)
		}
	}
	for name, content := range w.artifacts {
		if strings.Contains(string(content), "marker") {
			w.t.Fatalf("artifact %s has what was said", name)
		}
	}
}

func counts(keys []string) map[string]int {
	out := map[string]int{}
	for _, k := range keys {
		out[k]++
	}
	return out
}

var _ = store.WorkflowPending
