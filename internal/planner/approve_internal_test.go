package planner

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
)

// TestApprovedContent: what decides what runs is in the hash that people approve.
func TestApprovedContent(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	hash := func(change func(*job.Job)) string {
		j := job.Job{ID: "job_1", Tenant: "default", Name: "tale", Type: "story", Params: []byte(`{}`), Directive: run.Directive{ID: "dir_1", Version: 1}}
		change(&j)
		r, err := question(j, agenda.Schedule{ID: "sched_1", Tenant: "default", Version: 1}, agenda.Decision{Nominal: now}, "ann", now)
		if err != nil {
			t.Fatal(err)
		}
		return r.ContentHash
	}
	same := hash(func(*job.Job) {})
	for name, change := range map[string]func(*job.Job){
		"params":            func(j *job.Job) { j.Params = []byte(`{"a":1}`) },
		"directive":         func(j *job.Job) { j.Directive.ID = "dir_2" },
		"directive version": func(j *job.Job) { j.Directive.Version = 2 },
		"template version":  func(j *job.Job) { j.TemplateVersion = 2 },
		"locks":             func(j *job.Job) { j.Locks = []string{"gpu:0"} },
		"timeout":           func(j *job.Job) { j.Timeout = time.Second },
	} {
		if hash(change) == same {
			t.Errorf("%s changes nothing of what is approved", name)
		}
	}
}
