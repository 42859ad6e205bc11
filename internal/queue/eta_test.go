package queue_test

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/forecast"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// foretold is a queue with one slot whose clock stands still.
type foretold struct {
	*testing.T
	store store.Store
	clock *clocktest.Manual
}

func newForetold(t *testing.T) *foretold {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := clocktest.New(now)
	s, err := sqlite.OpenMemory(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Health.Close() })
	b := &foretold{T: t, store: s, clock: c}
	b.ok(s.Leases.Register(t.Context(), store.Instance{ID: "a", HostID: "a", StartedAt: now}, 24*time.Hour))
	return b
}

func (b *foretold) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *foretold) add(locks ...string) job.Job {
	b.Helper()
	now := b.clock.Now()
	j := job.Job{
		ID: id.New(id.Job, now), Tenant: "default", Type: "command", Params: []byte("{}"), Locks: locks, Priority: job.PriorityNormal,
		OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: now, QueuedAt: now,
	}
	added, err := b.store.Jobs.Add(b.Context(), store.AddJobs{Jobs: []job.Job{j}})
	b.ok(err)
	return added[0].Job
}

// work does the first job, which takes so long.
func (b *foretold) work(took time.Duration) {
	b.Helper()
	cs, err := b.store.Jobs.Claim(b.Context(), store.ClaimJobs{Instance: "a", Room: 1, Decide: claim.Decide})
	b.ok(err)
	if len(cs.Started) != 1 {
		b.Fatalf("%d started", len(cs.Started))
	}
	b.clock.Advance(took)
	jc, err := job.Apply(cs.Started[0].Job, job.Succeeded{At: b.clock.Now()})
	b.ok(err)
	rc, err := run.Apply(cs.Started[0].Run, run.Succeeded{At: b.clock.Now()})
	b.ok(err)
	b.ok(b.store.Jobs.Finish(b.Context(), []store.Finish{{Job: jc, Run: rc}})[0])
}

func (b *foretold) near(what string, e forecast.Estimate, want time.Duration) {
	b.Helper()
	if got := e.Start.Sub(b.clock.Now()); !e.Known || got < want-4*time.Minute || got > want+4*time.Minute || e.From.After(e.Start) || e.To.Before(e.Start) {
		b.Errorf("%s starts in %v, want about %v: %+v", what, got, want, e)
	}
}

// TestForecasterLearns: without finished runs nothing is known; afterwards the
// second of two waiting jobs starts one duration behind the first, a job that
// was added since the last look is put at the end, and a lock that a program
// holds until a known time moves its job to that time.
func TestForecasterLearns(t *testing.T) {
	t.Parallel()
	b := newForetold(t)
	ctx, s, c := t.Context(), b.store, b.clock
	f := queue.NewForecaster(s, c)
	first := b.add()
	if e := f.Of(first, 0); e.Known {
		t.Errorf("estimate before the first look: %+v", e)
	}
	second := b.add()
	b.ok(f.Refresh(ctx))
	if e := f.Of(second, 1); e.Known || e.Reason != forecast.ReasonNoDurations {
		t.Errorf("estimate without history: %+v", e)
	}
	for range 3 {
		b.work(10 * time.Minute)
		b.add()
	}
	c.Advance(time.Minute) // what was learned is read again
	page, err := s.Jobs.List(ctx, store.ListJobs{Tenant: "default", States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 10})
	b.ok(err)
	b.ok(f.Refresh(ctx))
	b.near("the first", f.Of(page.Jobs[0], 0), 0)
	b.near("the second", f.Of(page.Jobs[1], 1), 10*time.Minute)
	b.near("a new one", f.Of(b.add(), 2), 20*time.Minute)
	_, err = s.Locks.Acquire(ctx, store.AcquireLock{Tenant: "default", Name: "gpu:0", Holder: "train.py", TTL: time.Hour})
	b.ok(err)
	locked := b.add("gpu:0")
	c.Advance(2 * time.Second)
	b.ok(f.Refresh(ctx))
	b.near("the one with the lock", f.Of(locked, 3), time.Hour-2*time.Second)
}

// TestForecasterKnowsNotWhenAnOverrunEnds: what waits behind a run that takes a little
// longer than others has an estimate, and none once that run has outlived its kind.
func TestForecasterKnowsNotWhenAnOverrunEnds(t *testing.T) {
	t.Parallel()
	b := newForetold(t)
	for range 20 {
		b.add()
		b.work(time.Minute)
	}
	b.add()
	cs, err := b.store.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Room: 1, Decide: claim.Decide})
	b.ok(err)
	if len(cs.Started) != 1 {
		t.Fatalf("%d started", len(cs.Started))
	}
	behind := b.add()
	f := queue.NewForecaster(b.store, b.clock)
	b.clock.Advance(150 * time.Second)
	b.ok(f.Refresh(t.Context()))
	if e := f.Of(behind, 0); !e.Known {
		t.Errorf("after two and a half times the usual: %+v", e)
	}
	b.clock.Advance(time.Minute)
	b.ok(f.Refresh(t.Context()))
	if e := f.Of(behind, 0); e.Known || e.Reason != forecast.ReasonNoDurations {
		t.Errorf("after three and a half times the usual: %+v", e)
	}
}

// TestForecasterPutsDirectRequestsFirst: they start one after the other, jobs
// behind them, also one that came since the last look. Of a request that does not
// wait nothing is known.
func TestForecasterPutsDirectRequestsFirst(t *testing.T) {
	t.Parallel()
	b := newForetold(t)
	for range 50 {
		b.add()
		b.work(10 * time.Minute)
	}
	first := b.add()
	f := queue.NewForecaster(b.store, b.clock)
	enter := func() {
		t.Helper()
		r := run.Run{ID: id.New(id.Run, b.clock.Now()), Tenant: "default", JobType: "command", CreatedBy: "ann", Params: []byte("{}")}
		_, err := b.store.Direct.Enter(t.Context(), store.EnterDirect{Run: r, Instance: "a", TTL: time.Minute})
		b.ok(err)
	}
	direct := func(ahead int) forecast.Estimate {
		t.Helper()
		e, err := f.Direct(t.Context(), ahead)
		b.ok(err)
		return e
	}
	enter()
	b.near("the first request", direct(0), 0)
	enter() // within the second
	b.near("the second request", direct(1), 10*time.Minute)
	b.near("the first job", f.Of(first, 0), 20*time.Minute)
	b.near("a new job", f.Of(b.add(), 1), 30*time.Minute)
	if e := direct(2); e.Known {
		t.Errorf("nobody waits there: %+v", e)
	}
}
