package subworkflow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/nodetest"
	"github.com/runsheet/runsheet/internal/node/subworkflow"
	"github.com/runsheet/runsheet/internal/workflow"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestRunsAnotherWorkflow(t *testing.T) {
	t.Parallel()
	q := &nodetest.Queue{}
	n := subworkflow.New(q)
	c := nodetest.Call(&nodetest.Host{}, noon, map[string]any{"workflow_id": "etl", "version": int64(2), "inputs": map[string]any{"day": "2026-03-01"}})
	c.Depth = 1
	_, err := n.Run(t.Context(), c)
	w, ok := errors.AsType[*node.Waiting](err)
	if !ok || w.Wait.For != workflow.WaitJob {
		t.Fatal(err)
	}
	s := q.Submitted()[0]
	if s.Type != "workflow" || s.Depth != 2 || s.CreatedBy != "ann" || s.WorkflowRunID != nodetest.RunID || s.NodeID != "n" ||
		string(s.Params) != `{"inputs":{"day":"2026-03-01"},"version":2,"workflow_id":"etl"}` {
		t.Errorf("%+v %s", s, s.Params)
	}
	q.Put(node.Child{JobID: w.Wait.Ref, State: job.Completed, Outputs: map[string]any{"rows": int64(3)}})
	r, err := n.Resume(t.Context(), c, node.Woke{For: w.Wait.For, Wait: w.Wait})
	if diff := cmp.Diff(map[string]any{"rows": int64(3)}, r.Value); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if err := n.Abandon(t.Context(), c, w.Wait); err != nil || !cmp.Equal(q.Cancelled(), []string{w.Wait.Ref}) {
		t.Errorf("cancelled %v, %v", q.Cancelled(), err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	q := &nodetest.Queue{}
	c := nodetest.Call(&nodetest.Host{}, noon, map[string]any{"workflow_id": "etl", "version": "newest"})
	if _, err := subworkflow.New(q).Run(t.Context(), c); node.FailureOf(err).Code != "invalid_config" {
		t.Error(err)
	}
	c.Config["version"] = "active"
	c.Depth = workflow.MaxDepth
	if _, err := subworkflow.New(q).Run(t.Context(), c); node.FailureOf(err).Code != "too_deep" {
		t.Error(err)
	}
	if len(q.Submitted()) != 0 {
		t.Error("it was submitted")
	}
}
