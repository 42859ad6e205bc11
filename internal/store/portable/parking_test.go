package portable_test

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// TestWakeJob: it wakes what is parked or waits for locks, and leaves the rest alone.
func TestWakeJob(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s, err := sqlite.OpenMemory(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Health.Close() })
	if err := s.Leases.Register(ctx, store.Instance{ID: "a", StartedAt: now}, time.Hour); err != nil {
		t.Fatal(err)
	}
	added, err := s.Jobs.Add(ctx, store.AddJobs{Jobs: []job.Job{{
		ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Type: "durable", Params: []byte("{}"), OnCrash: job.CrashResume, CreatedAt: now, QueuedAt: now,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	jobID := added[0].Job.ID
	wake := func() job.Job {
		t.Helper()
		if err := portable.WakeJob(ctx, s, jobID, now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		j, err := s.Jobs.Job(ctx, access.DefaultTenant, jobID)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	if j := wake(); j.Version != added[0].Job.Version {
		t.Errorf("a job that has not begun was changed: %+v", j)
	}
	if err := portable.WakeJob(ctx, s, "job_none", now); err != nil {
		t.Errorf("a job that is gone: %v", err)
	}
	for _, p := range []job.Parked{{At: now, For: "event", Until: now.Add(time.Hour)}, {At: now, Locks: []string{"gpu"}}} {
		waits, err := s.Jobs.Job(ctx, access.DefaultTenant, jobID)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Jobs.Claim(ctx, store.ClaimJobs{Instance: "a", Now: now, Room: 1, Decide: func(job.Snapshot) job.Decision {
			return job.Decision{Claims: []job.Claim{{JobID: jobID, Needs: waits.Needs()}}}
		}})
		if err != nil || len(c.Started) != 1 {
			t.Fatal(c, err)
		}
		if j := wake(); j.State != job.Running || j.Version != c.Started[0].Job.Version {
			t.Errorf("a job in work was changed: %+v", j)
		}
		jc, err := job.Apply(c.Started[0].Job, p)
		if err != nil {
			t.Fatal(err)
		}
		rc, err := run.Apply(c.Started[0].Run, run.Left{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Jobs.Finish(ctx, []store.Finish{{Job: jc, Run: rc}})[0]; err != nil {
			t.Fatal(err)
		}
		if j := wake(); !j.Ready() || len(j.ResumeLocks) != 0 || !j.Resuming || p.For != "" && !j.QueuedAt.Equal(now.Add(time.Minute)) {
			t.Errorf("woken: %+v", j)
		}
	}
}
