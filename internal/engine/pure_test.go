package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// sets are nodes that only compute, each from the one before.
func sets(n int) string {
	var b strings.Builder
	b.WriteString("  - {node_id: s0, type: data, data_type: set, config: {values: {x: 1}}}\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "  - {node_id: s%d, type: data, data_type: set, config: {values: {x: \"{{ outputs.s%d.x + 1 }}\"}}}\n", i, i-1)
	}
	return b.String()
}

// writes counts how often something is written.
func (w *world) writes() *int {
	n := 0
	w.memory.Before = func(store.WorkflowStep) error { n++; return nil }
	return &n
}

// TestComputingNodesAreWrittenTogether: a step and a checkpoint each, in order, and one
// write for all.
func TestComputingNodesAreWrittenTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+sets(10), nil)
	n := w.writes()
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	if *n != 1 {
		t.Errorf("written %d times", *n)
	}
	steps := w.memory.Steps()
	if len(steps) != 10 {
		t.Fatalf("%d steps, want one a node", len(steps))
	}
	seen := map[string]bool{}
	for i, s := range steps {
		id := fmt.Sprintf("s%d", i)
		if s.Seq != int64(i+1) || s.NodeID != id || seen[s.CheckpointID] || s.Delta.Nodes[id].Status != workflow.NodeCompleted || s.Delta.Outputs[id]["x"] != int64(i+1) {
			t.Errorf("step %d is %d of %s, with %+v", i, s.Seq, s.NodeID, s.Delta)
		}
		seen[s.CheckpointID] = true
	}
}

// TestComputedIsDurableBeforeItIsUsed: what somebody can see follows from nothing that
// could be lost.
func TestComputedIsDurableBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+sets(5)+act("b", "")+act("c", ""), nil)
	n := w.writes()
	w.block = func(context.Context, string) error {
		for i := range 5 {
			if got := w.memory.Run().State.Status(fmt.Sprintf("s%d", i)); got != workflow.NodeCompleted {
				t.Errorf("an effect begins while node s%d is stored as %s", i, got)
			}
		}
		return nil
	}
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	if *n != 3 {
		t.Errorf("written %d times, want 3: what was computed, b, c", *n)
	}
}

// TestManyComputingNodes: no more than so many are put off.
func TestManyComputingNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nodes:\n"+sets(200), nil)
	n := w.writes()
	if v := w.play(); v != nil {
		t.Fatalf("verdict %+v", v)
	}
	if *n != 4 {
		t.Errorf("written %d times, want 4: 65 + 65 + 65 + 5 steps", *n)
	}
	if got := w.memory.Run().State.Outputs["s199"]["x"]; got != int64(200) {
		t.Errorf("x is %v", got)
	}
}
