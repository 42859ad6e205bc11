package storetest

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

func workflowSwitch(t *testing.T, s store.Store) {
	pool(t, s, 1)
	for _, hash := range []string{"one", "two"} {
		if _, err := s.Workflows.Apply(t.Context(), newApply("wf_s", hash)); err != nil {
			t.Fatal(err)
		}
	}
	f := begun(t, s, func(j *job.Job) { j.Params = []byte(`{"workflow_id":"wf_s","version":1}`) })
	f.node("a", workflow.NodeState{Status: workflow.NodeCompleted})
	p := store.SwitchWorkflow{Tenant: tenant, ID: f.id, Seq: 1, From: 1, To: 2, At: base.Add(time.Second)}
	wantCode(t, s.WorkflowRuns.Switch(t.Context(), p), fault.Conflict) // it is at work
	if err := finishWith(t, s, f.Claimed, job.Returned{At: base.Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		edit func(*store.SwitchWorkflow)
		code fault.Code
	}{
		"another step":    {func(p *store.SwitchWorkflow) { p.Seq = 7 }, fault.Conflict},
		"another version": {func(p *store.SwitchWorkflow) { p.From = 2 }, fault.Conflict},
		"no version":      {func(p *store.SwitchWorkflow) { p.To = 9 }, fault.VersionNotFound},
		"another tenant":  {func(p *store.SwitchWorkflow) { p.Tenant = "ten_other" }, fault.NotFound},
	} {
		bad := p
		tt.edit(&bad)
		if err := s.WorkflowRuns.Switch(t.Context(), bad); !fault.Is(err, tt.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, "version", 1, f.stored().Version)
	if err := s.WorkflowRuns.Switch(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	same(t, "version", 2, f.stored().Version)
	same(t, "nodes", workflow.NodeCompleted, f.stored().State.Status("a"))
	wantCode(t, s.WorkflowRuns.Switch(t.Context(), p), fault.Conflict)
}
