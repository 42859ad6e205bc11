package wire_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// TestAttemptsThatNobodyWentOnFrom: an attempt whose server is gone is lost before another
// server has written so, and only then.
func TestAttemptsThatNobodyWentOnFrom(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	working := store.NodeAttempt{NodeID: "a", Number: 2, Epoch: 5, StartedAt: at, Instance: "inst_1", Status: workflow.NodeRunning}
	over := working
	over.Status, over.EndedAt = workflow.NodeCompleted, at.Add(time.Minute)
	written := over
	written.Status, written.Lost = workflow.NodeReady, workflow.CutOffShutdown
	for name, c := range map[string]struct {
		job  job.Job
		of   store.NodeAttempt
		want string // "" = not lost
	}{
		"it works":                        {job.Job{State: job.Running, Epoch: 5}, working, ""},
		"its server crashed":              {job.Job{State: job.Queued, Epoch: 5, Crashes: 1}, working, "crash"},
		"its server stopped":              {job.Job{State: job.Queued, Epoch: 5}, working, "shutdown"},
		"another server has just claimed": {job.Job{State: job.Running, Epoch: 6, Crashes: 1}, working, "crash"},
		"nobody will go on":               {job.Job{State: job.Cancelled, Epoch: 5, Crashes: 3}, working, "crash"},
		"it has ended":                    {job.Job{State: job.Queued, Epoch: 6, Crashes: 1}, over, ""},
		"it was written":                  {job.Job{State: job.Running, Epoch: 6, Crashes: 1}, written, "shutdown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := wire.WorkflowNodeAttemptsOf(store.WorkflowRun{Job: c.job}, []store.NodeAttempt{c.of}).Items
			want := []wire.WorkflowNodeAttempt{{NodeID: "a", Number: 2, Epoch: 5, Status: string(c.of.Status), StartedAt: &at, Instance: new("inst_1")}}
			if c.want != "" {
				want[0].Lost = &c.want
			}
			if !c.of.EndedAt.IsZero() {
				want[0].EndedAt = &c.of.EndedAt
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
