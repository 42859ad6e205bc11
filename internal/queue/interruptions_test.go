package queue

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
)

func TestInterruptionsAreOfTheLatestLoss(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 9, minute, 0, 0, time.UTC) }
	var n Interruptions
	for _, step := range []struct {
		run     string
		started int
		became  job.State
		taken   int
		want    Interruptions
	}{
		{"r1", 2, job.Failed, 10, Interruptions{Failed: 1, RunID: "r1", Since: at(2), Until: at(10)}},
		{"r2", 1, job.Failed, 11, Interruptions{Failed: 2, RunID: "r2", Since: at(1), Until: at(11)}},
		{"r3", 0, job.Queued, 12, Interruptions{Failed: 2, Requeued: 1, JobID: "job of r3", RunID: "r2", Since: at(1), Until: at(12)}},
		{"r4", 0, job.Cancelled, 40, Interruptions{Failed: 2, Requeued: 1, JobID: "job of r3", RunID: "r2", Since: at(1), Until: at(12)}},
		{"r5", 26, job.Failed, 28, Interruptions{Failed: 1, RunID: "r5", Since: at(26), Until: at(28)}},
		{"r6", 27, job.Queued, 43, Interruptions{Failed: 1, Requeued: 1, JobID: "job of r6", RunID: "r5", Since: at(26), Until: at(43)}},
		{"r7", 25, job.Queued, 44, Interruptions{Failed: 1, Requeued: 2, JobID: "job of r6", RunID: "r5", Since: at(26), Until: at(44)}},
	} {
		n = n.with(run.Run{ID: step.run, JobID: "job of " + step.run, StartedAt: at(step.started)}, step.became, at(step.taken))
		if diff := cmp.Diff(step.want, n); diff != "" {
			t.Error(step.run, diff)
		}
	}
}
