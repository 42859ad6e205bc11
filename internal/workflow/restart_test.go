package workflow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/workflow"
)

const sagaText = `
workflow_id: w
on_error: tell
nodes:
  - {node_id: a, type: data, data_type: set, config: {values: {}}, next: [b, side]}
  - {node_id: b, type: map, config: {items: "{{[1,2,3]}}", nodes: [{node_id: one, type: data, data_type: set, config: {values: {}}}]}, next: c}
  - {node_id: side, type: data, data_type: set, config: {values: {}}}
  - {node_id: c, type: data, data_type: set, config: {values: {}}}
  - {node_id: tell, type: data, data_type: set, config: {values: {}}}
`

var restartAt = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC) // read-only

// failedRun is a run whose map has failed and whose handler has run.
func failedRun() workflow.State {
	s := workflow.Begin()
	s.Phase, s.Result, s.Reason, s.Completed = workflow.PhaseOver, workflow.ResultFailed, "too many", 3
	s.Error = &workflow.Failure{NodeID: "b", Code: "item", Message: "too many"}
	done := workflow.NodeState{Status: workflow.NodeCompleted, Attempt: 1, Outcome: "success", Order: 1}
	s.Nodes = map[string]workflow.NodeState{
		"a": done, "side": done, "tell": done, "b": {Status: workflow.NodeFailed, Attempt: 2, Error: s.Error},
	}
	s.Outputs = map[string]map[string]any{"a": {"x": int64(1)}, "side": {}, "tell": {}}
	s.Maps = map[string]workflow.MapState{"b": {Items: "art_1", Sum: "9f", Total: 3, Next: 3, Above: []int{}, Failed: []workflow.FailedItem{{Index: 1, Code: "x"}}, Begun: []int{2}}}
	s.Values, s.Worked, s.Rewinds = map[string]any{"v": 1}, time.Hour, map[string]int{"b": 2}
	return s
}

func statuses(s workflow.State) map[string]string {
	out := map[string]string{}
	for id := range s.Nodes {
		if st := s.Status(id); st != workflow.NodePending {
			out[id] = string(st)
		}
	}
	return out
}

func TestRestart(t *testing.T) {
	t.Parallel()
	g := read(t, sagaText)
	before := failedRun()
	s, err := g.Restart(before, workflow.Again{}, restartAt)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "COMPLETED", "side": "COMPLETED"}, statuses(s)); diff != "" {
		t.Error(diff)
	}
	// The items that went well are kept, the failed one is open again.
	want := workflow.MapState{Items: "art_1", Sum: "9f", Total: 3, Next: 1, Above: []int{2}, Failed: []workflow.FailedItem{}}
	if diff := cmp.Diff(want, s.Maps["b"]); diff != "" {
		t.Error(diff)
	}
	if s.Phase != workflow.PhaseRunning || s.Error != nil || s.Result != "" || s.Values != nil || s.Worked != 0 || s.Rewinds["b"] != 0 || s.Outputs["tell"] != nil || s.Outputs["a"] == nil {
		t.Errorf("not as at a beginning: %+v", s)
	}
	if diff := cmp.Diff(failedRun(), before); diff != "" {
		t.Errorf("the old state has changed: %s", diff)
	}
	if s, err = g.Restart(before, workflow.Again{From: "b"}, restartAt); err != nil || len(s.Maps) != 0 {
		t.Errorf("from the map itself it begins anew: %v %+v", err, s.Maps)
	}
	if s, err = g.Restart(before, workflow.Again{From: "a"}, restartAt); err != nil || len(statuses(s)) != 0 || len(s.Maps) != 0 {
		t.Errorf("from the first node nothing is kept: %v %+v", err, s)
	}
	if s, err = g.Restart(before, workflow.Again{From: "side"}, restartAt); err != nil || len(statuses(s)) != 1 || len(s.Maps) != 1 {
		t.Errorf("what has failed runs again too: %v %+v", err, s)
	}
	// It goes on: the failed map is ready, and nothing else.
	if s, err = g.Restart(before, workflow.Again{}, restartAt); err != nil {
		t.Fatal(err)
	}
	if err := g.Advance(&s, workflow.Scope{}, restartAt); err != nil || s.Status("b") != workflow.NodeReady || s.Status("c") != workflow.NodePending || s.Nodes["b"].Round != 1 {
		t.Errorf("after a step: %v %v", err, statuses(s))
	}
}

func TestRestartOfItems(t *testing.T) {
	t.Parallel()
	g := read(t, sagaText)
	s := failedRun()
	s.Error, s.Result = nil, workflow.ResultCompleted
	done := workflow.NodeState{Status: workflow.NodeCompleted, Attempt: 1, Outcome: "partial"}
	s.Nodes["b"], s.Nodes["c"] = done, done
	delete(s.Nodes, "tell")
	again, err := g.Restart(s, workflow.Again{FailedItems: true}, restartAt)
	if err != nil || again.Maps["b"].Next != 1 || again.Status("c") != workflow.NodePending || again.Status("side") != workflow.NodeCompleted {
		t.Errorf("%v %+v", err, again)
	}
	s.Maps = nil
	for a, code := range map[workflow.Again]fault.Code{
		{FailedItems: true}: fault.NothingToRetry, {}: fault.NothingToRetry, {From: "nobody"}: fault.UnknownNode, {From: "tell"}: fault.UnknownNode,
	} {
		if _, err := g.Restart(s, a, restartAt); !fault.Is(err, code) {
			t.Errorf("%+v: %v", a, err)
		}
	}
	s.Nodes["side"] = workflow.NodeState{Status: workflow.NodeFailed, Outcome: workflow.OutcomeError}
	if again, err = g.Restart(s, workflow.Again{}, restartAt); err != nil || again.Status("side") != workflow.NodePending || again.Status("c") != workflow.NodeCompleted {
		t.Errorf("a failure that was handled: %v %v", err, statuses(again))
	}
}

func TestResumed(t *testing.T) {
	t.Parallel()
	g := read(t, sagaText)
	s := failedRun()
	s.Phase, s.Error = workflow.PhaseRunning, nil
	s.Nodes["b"] = workflow.NodeState{Status: workflow.NodeRunning, Attempt: 1}
	s.Nodes["side"] = workflow.NodeState{Status: workflow.NodeWaiting, Wait: &workflow.Wait{For: workflow.WaitApproval, Ref: "appr_1"}}
	got, err := g.Resumed(s, restartAt)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "COMPLETED"}, statuses(got)); diff != "" || got.Nodes["side"].Wait != nil || got.Maps["b"].Total != 3 {
		t.Errorf("%s %+v", diff, got)
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	from := read(t, sagaText)
	s, err := from.Restart(failedRun(), workflow.Again{}, restartAt)
	if err != nil {
		t.Fatal(err)
	}
	s.Nodes["side"] = workflow.NodeState{Status: workflow.NodeSkipped}
	to := read(t, strings.Replace(sagaText, "- {node_id: c, type: data, data_type: set, config: {values: {}}}", "- {node_id: c, type: data, data_type: set, config: {values: {y: 2}}}", 1))
	got, list, err := to.Adopt(s, from, kinds(), restartAt)
	if err != nil || len(list) > 0 || got.Status("a") != workflow.NodeCompleted || got.Status("side") != workflow.NodePending {
		t.Errorf("%v %v %v", err, list, statuses(got))
	}
	to = read(t, strings.Replace(sagaText, "node_id: a, type: data, data_type: set, config: {values: {}}", "node_id: a, type: data, data_type: set, config: {values: {y: 2}}", 1))
	if _, list, err = to.Adopt(s, from, kinds(), restartAt); err != nil || len(list) != 1 || !strings.Contains(list[0], "node a is COMPLETED and differs") {
		t.Errorf("%v %v", err, list)
	}
}

func TestRecomputed(t *testing.T) {
	t.Parallel()
	g := read(t, `
workflow_id: w
nodes:
  - {node_id: a, type: action, action_type: llm, config: {prompt: x}}
  - {node_id: b, type: data, data_type: set, config: {values: {y: "{{outputs.a.text}}", z: "{{outputs.a.tokens}}"}}}
`)
	s := workflow.Begin()
	s.Nodes["a"] = workflow.NodeState{Status: workflow.NodeCompleted, Ephemeral: true}
	s.Outputs["a"] = map[string]any{"tokens": int64(3)}
	if got := g.Recomputed(s); len(got) != 1 || got[0] != "a" {
		t.Errorf("got %v", got)
	}
	s.Outputs["a"]["text"] = "there"
	if got := g.Recomputed(s); len(got) != 0 {
		t.Errorf("all is stored: %v", got)
	}
}
