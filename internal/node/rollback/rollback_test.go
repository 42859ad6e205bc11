package rollback_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/nodetest"
	"github.com/runsheet/runsheet/internal/node/rollback"
)

type versions struct {
	asked []rollback.Request
	err   error
}

func (v *versions) Rollback(_ context.Context, r rollback.Request) (rollback.Done, error) {
	v.asked = append(v.asked, r)
	return rollback.Done{From: 3}, v.err
}

func TestWorkflow(t *testing.T) {
	t.Parallel()
	v := &versions{}
	c := nodetest.Call(nil, time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), map[string]any{"workflow_id": "w", "version": int64(2), "reason": "bad"})
	r, err := rollback.New(v).Run(t.Context(), c)
	if err != nil || r.Value.(map[string]any)["from_version"] != int64(3) {
		t.Errorf("%+v, %v", r, err)
	}
	want := rollback.Request{Key: nodetest.RunID + ":n", Tenant: "default", By: "ann", RunID: nodetest.RunID, NodeID: "n", WorkflowID: "w", Version: 2, FailedVersion: 3, Reason: "bad"}
	if diff := cmp.Diff(want, v.asked[0]); diff != "" {
		t.Error(diff)
	}
	c.Config["version"] = int64(3) // the one that runs
	if _, err := rollback.New(v).Run(t.Context(), c); node.FailureOf(err).Code != rollback.CodeLoop || len(v.asked) != 1 {
		t.Errorf("%v, asked %d times", err, len(v.asked))
	}
	c.Config["version"] = int64(1)
	v.err = fault.New(fault.ForbiddenScope, "no")
	if _, err := rollback.New(v).Run(t.Context(), c); !node.FailureOf(err).Final || node.FailureOf(err).Code != "forbidden" {
		t.Error(err)
	}
}
