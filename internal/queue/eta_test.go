package queue_test

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/forecast"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// TestForecasterLearns: without finished runs nothing is known; afterwards the
// second of two waiting jobs starts one duration behind the first, a job that
// was added since the last look is put at the end, and a lock that a program
// holds until a known time moves its job to that time.
func TestForecasterLearns(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := clocktest.New(now)
	s, err := sqlite.OpenMemory(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Health.Close() })
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(s.Leases.Register(ctx, store.Instance{ID: "a", HostID: "a", StartedAt: now}, 24*time.Hour))
	add := func(locks ...string) job.Job {
		t.Helper()
		j := job.Job{
			ID: id.New(id.Job, c.Now()), Tenant: "default", Type: "command", Params: []byte("{}"), Locks: locks, Priority: job.PriorityNormal,
			OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: c.Now(), QueuedAt: c.Now(),
		}
		added, err := s.Jobs.Add(ctx, store.AddJobs{Jobs: []job.Job{j}})
		ok(err)
		return added[0].Job
	}
	end := func(claimed store.Claimed) {
		t.Helper()
		jc, err := job.Apply(claimed.Job, job.Succeeded{At: c.Now()})
		ok(err)
		rc, err := run.Apply(claimed.Run, run.Succeeded{At: c.Now()})
		ok(err)
		ok(s.Jobs.Finish(ctx, []store.Finish{{Job: jc, Run: rc}})[0])
	}
	claim := func() store.Claimed {
		t.Helper()
		cs, err := s.Jobs.Claim(ctx, store.ClaimJobs{Instance: "a", Room: 1, Decide: claim.Decide})
		ok(err)
		if len(cs.Started) != 1 {
			t.Fatalf("%d started", len(cs.Started))
		}
		return cs.Started[0]
	}
	f := queue.NewForecaster(s, clock.Clock(c))
	first := add()
	if e := f.Of(first, 0); e.Known {
		t.Errorf("estimate before the first look: %+v", e)
	}
	second := add()
	ok(f.Refresh(ctx))
	if e := f.Of(second, 1); e.Known || e.Reason != forecast.ReasonNoDurations {
		t.Errorf("estimate without history: %+v", e)
	}
	for range 3 {
		run := claim()
		c.Advance(10 * time.Minute)
		end(run)
		add()
	}
	c.Advance(time.Minute) // what was learned is read again
	page, err := s.Jobs.List(ctx, store.ListJobs{Tenant: "default", States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 10})
	ok(err)
	ok(f.Refresh(ctx))
	near := func(what string, e forecast.Estimate, want time.Duration) {
		t.Helper()
		if got := e.Start.Sub(c.Now()); !e.Known || got < want-4*time.Minute || got > want+4*time.Minute || e.From.After(e.Start) || e.To.Before(e.Start) {
			t.Errorf("%s starts in %v, want about %v: %+v", what, got, want, e)
		}
	}
	near("the first", f.Of(page.Jobs[0], 0), 0)
	near("the second", f.Of(page.Jobs[1], 1), 10*time.Minute)
	near("a new one", f.Of(add(), 2), 20*time.Minute)
	_, err = s.Locks.Acquire(ctx, store.AcquireLock{Tenant: "default", Name: "gpu:0", Holder: "train.py", TTL: time.Hour})
	ok(err)
	locked := add("gpu:0")
	c.Advance(2 * time.Second)
	ok(f.Refresh(ctx))
	near("the one with the lock", f.Of(locked, 3), time.Hour-2*time.Second)
}
