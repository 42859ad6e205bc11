package nodetest

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// RunID is the run that calls belong to.
const RunID = "wfrun_01jh0000000000000000000000"

// Call is the first attempt of a node named "n" with a config that is computed
// already.
func Call(h node.Host, now time.Time, config map[string]any) node.Call {
	return node.Call{
		RunID: RunID, JobID: "job_01jh0000000000000000000000", TaskRunID: "run_01jh0000000000000000000000", WorkflowID: "w", Tenant: "default",
		Version: 3, CreatedBy: "ann", Step: &workflow.Step{Node: workflow.Node{ID: "n"}}, Attempt: 1, Item: -1, Config: config,
		Env: expression.Env{Now: now}, IdempotencyKey: RunID + ":n", Host: h,
	}
}

// CallOf is the first attempt of the first of nodes, a list as it stands in a
// document. Its config is what the document says; more overrides that. The id of the
// job's run is the test's own, for processes that are named after it.
func CallOf(t *testing.T, h *Host, kinds workflow.Kinds, nodes string, more map[string]any) node.Call {
	t.Helper()
	s := Graph(t, kinds, nodes).Steps[0]
	c := Call(h, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), map[string]any{})
	c.Step, c.IdempotencyKey = s, RunID+":"+s.ID
	c.TaskRunID = fmt.Sprintf("run_%s_%p", strings.ReplaceAll(t.Name(), "/", "_"), h)
	c.Env.Inputs = map[string]any{"x": "X"}
	v, err := s.Config.Eval(c.Env)
	if err != nil {
		t.Fatal(err)
	}
	if said, ok := v.(map[string]any); ok && said != nil {
		c.Config = said
	}
	maps.Copy(c.Config, more)
	return c
}

// Graph is a checked workflow of the given nodes; inputs.x is the string X.
func Graph(t *testing.T, kinds workflow.Kinds, nodes string) *workflow.Graph {
	t.Helper()
	g, problems := Check(kinds, nodes)
	if g == nil {
		t.Fatalf("%v\n%s", problems, nodes)
	}
	return g
}

// Check is Graph that returns what is wrong.
func Check(kinds workflow.Kinds, nodes string) (*workflow.Graph, []workflow.Problem) {
	docs, p := workflow.Read("w.yaml", []byte("workflow_id: w\ninputs: {x: {type: string, default: X}}\nnodes:\n"+nodes), kinds)
	if !p.Empty() || len(docs) == 0 {
		return nil, p.List()
	}
	g := workflow.Check(docs[0].Workflow, kinds, p)
	return g, p.List()
}

// Failure is the failure of an attempt; the test ends if it is none.
func Failure(t *testing.T, err error) *node.Failure {
	t.Helper()
	if err == nil {
		t.Fatal("the attempt did not fail")
	}
	f := node.FailureOf(err)
	if f.Code == "internal_error" {
		t.Fatalf("not a failure of the node: %v", err)
	}
	return f
}
