package workflow_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/workflow"
)

const sample = `workflow_id: w
labels: {team: a}
inputs: {topic: {type: string, max: 10}, n: {type: integer, default: 3}}
vars: {limit: {b: 1, a: 2}}
defaults: {timeout: PT20M, retry: {max_attempts: 3, initial: 5s}}
nodes:
  - {node_id: a, type: http, config: {body: {z: 1, y: "{{ topic }}"}, url: "http://x", wait: PT90S}, next: [j]}
  - {node_id: j, type: condition, config: {expr: n > 1}, next: {"true": [m, k], "false": k}, retry: {max_attempts: 3, initial: 5s}}
  - {node_id: m, type: map, config: {items: "{{ [1] }}", nodes: [{node_id: b, type: data, data_type: set, config: {values: {}}, mock: {result: {b: 1, a: 2}}}]}}
  - {node_id: k, type: approval, join: any, resources: "gpu:0", timeout: 1h, outputs: {o: result.x}}
outputs: {x: "{{ outputs.a.x }}"}
`

// TestCanonical: YAML, JSON and YAML again are one text each.
func TestCanonical(t *testing.T) {
	t.Parallel()
	g := read(t, sample)
	first := g.Definition.Canonical(kinds())
	yaml, json := first.YAML(), first.JSON(true)
	want := `kind: Workflow
workflow_id: w
labels:
  team: a
inputs:
  topic:
    type: string
    max: 10
  "n":
    type: integer
    default: 3
vars:
  limit:
    a: 2
    b: 1
defaults:
  retry:
    max_attempts: 3
    initial: 5s
  timeout: 20m
nodes:
  - node_id: a
    type: action
    action_type: api_call
    config:
      url: "http://x"
      body:
        "y": "{{ topic }}"
        z: 1
      wait: 1m30s
    next: j
`
	if got := string(yaml); !strings.HasPrefix(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	for _, text := range [][]byte{yaml, json} {
		again := read(t, string(text))
		if diff := cmp.Diff(string(yaml), string(again.Definition.Canonical(kinds()).YAML())); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(string(json), string(again.Definition.Canonical(kinds()).JSON(true))); diff != "" {
			t.Error(diff)
		}
		if again.Definition.Hash(kinds()) != g.Definition.Hash(kinds()) {
			t.Error("another hash")
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	a := read(t, sample)
	b := read(t, strings.NewReplacer(
		`url: "http://x"`, `url: "http://y"`, "timeout: 1h, ", "", `"false": k`, `"false": c`, "outputs: {x", "timeout: 2h\noutputs: {x",
		"  - {node_id: k,", "  - {node_id: c, type: stop}\n  - {node_id: k,",
	).Replace(sample))
	want := workflow.Diff{
		Added: []string{"c"}, Fields: []string{"timeout"},
		Changed:    []workflow.NodeDiff{{ID: "a", Fields: []string{"config.url"}}, {ID: "k", Fields: []string{"timeout"}}},
		EdgesAdded: []string{"j.false -> c"}, EdgesRemoved: []string{"j.false -> k"},
	}
	if diff := cmp.Diff(want, workflow.Compare(a, b, kinds())); diff != "" {
		t.Error(diff)
	}
	if !workflow.Compare(a, a, kinds()).Empty() {
		t.Error("a differs from itself")
	}
	s := workflow.Begin()
	if got := workflow.Obstacles(s, a, b, kinds()); got != nil {
		t.Errorf("a run that has not begun: %v", got)
	}
	s.Nodes["a"] = workflow.NodeState{Status: workflow.NodeCompleted}
	if got := workflow.Obstacles(s, a, b, kinds()); len(got) != 1 || !strings.Contains(got[0], "node a is COMPLETED and differs in [config]") {
		t.Errorf("got %v", got)
	}
}
