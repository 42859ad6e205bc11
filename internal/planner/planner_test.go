package planner_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
)

// The PostgreSQL server is waited for until the process ends.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
}

// bundle is a planner on an empty store, with a schedule "s" every ten minutes.
type bundle struct {
	s     store.Store
	clock *clocktest.Manual
	p     *planner.Planner
	calls *counted
	ask   planner.Ask
}

// counted counts what goes to the store.
type counted struct {
	store.Schedules
	claims atomic.Int64
}

func (c *counted) Claim(ctx context.Context, p store.ClaimSchedules) (store.DueSchedules, error) {
	c.claims.Add(1)
	return c.Schedules.Claim(ctx, p)
}

func setup(t *testing.T, edit func(*agenda.Schedule), options func(*planner.Options)) *bundle {
	t.Helper()
	c := clocktest.New(beginning)
	b := &bundle{s: openStore(t, clock.System{}), clock: c, ask: planner.Ask{Tenant: tenant, Schedule: "s", By: "ann"}}
	b.calls = &counted{Schedules: b.s.Schedules}
	tr, err := schedule.Compile(schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: 10 * time.Minute}}, schedule.Calendars{})
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		n := agenda.Schedule{ID: id.New(id.Schedule, beginning), Tenant: tenant, CreatedAt: beginning, UpdatedAt: beginning}
		n.Name, n.Zone, n.Policy, n.State = "s", "UTC", agenda.NewPolicy(), agenda.State{}.Begin(beginning)
		edit(&n)
		if _, err := b.s.Schedules.Create(t.Context(), store.PutSchedule{Schedule: n}); err != nil {
			t.Fatal(err)
		}
	}
	o := planner.Options{
		Store: b.calls, Watch: b.s.Events.Watch, By: "p", OwnClock: true, Clock: c, Compose: compose,
		Compile: func(context.Context, agenda.Schedule) (planner.Compiled, error) {
			return planner.Compiled{Trigger: tr}, nil
		},
	}
	if options != nil {
		options(&o)
	}
	b.p = planner.New(o)
	return b
}

func plain(*agenda.Schedule) {}

// run starts the planner; the returned function stops it and waits.
func (b *bundle) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.p.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 12_000 {
		if ok() {
			return
		}
		if clock.Sleep(t.Context(), clock.System{}, 5*time.Millisecond) != nil {
			break
		}
	}
	t.Fatalf("%s: not within a minute", what)
}

func (b *bundle) queued(t *testing.T) []job.Job {
	t.Helper()
	page, err := b.s.Jobs.List(t.Context(), store.ListJobs{Tenant: tenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Jobs
}

func TestWakesWhenDue(t *testing.T) {
	t.Parallel()
	b := setup(t, plain, nil)
	stop := b.run(t)
	defer stop()
	eventually(t, "asleep", func() bool { return b.clock.Timers() == 1 && b.calls.claims.Load() >= 1 })
	if n := len(b.queued(t)); n != 0 {
		t.Fatalf("%d jobs before anything is due", n)
	}
	for range 20 { // it sleeps at most half a minute at a time
		b.clock.Advance(30 * time.Second)
		eventually(t, "asleep again", func() bool { return b.clock.Timers() == 1 })
	}
	eventually(t, "fired", func() bool { return len(b.queued(t)) == 1 })
	j := b.queued(t)[0]
	if j.Trigger != job.TriggerSchedule || len(j.Locks) != 1 {
		t.Errorf("the job is %+v", j)
	}
}

// TestIdleDoesNotPoll: without schedules nothing is asked; news wake the planner.
func TestIdleDoesNotPoll(t *testing.T) {
	t.Parallel()
	b := setup(t, nil, nil)
	stop := b.run(t)
	defer stop()
	eventually(t, "asleep", func() bool { return b.clock.Timers() == 1 })
	before := b.calls.claims.Load()
	b.clock.Advance(59 * time.Second)
	if n := b.calls.claims.Load(); n != before {
		t.Errorf("asked %d times in a minute", n-before)
	}
	n := agenda.Schedule{ID: id.New(id.Schedule, beginning), Tenant: tenant, CreatedAt: beginning, UpdatedAt: beginning}
	n.Name, n.Policy, n.State = "s", agenda.NewPolicy(), agenda.State{}.Begin(beginning)
	if _, err := b.s.Schedules.Create(t.Context(), store.PutSchedule{Schedule: n}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "planned", func() bool {
		s, err := b.s.Schedules.Schedule(t.Context(), tenant, "s")
		return err == nil && s.State.Next.Equal(beginning.Add(10*time.Minute))
	})
}

func TestStopGivesClaimsBack(t *testing.T) {
	t.Parallel()
	b := setup(t, plain, func(o *planner.Options) {
		o.Compile = func(ctx context.Context, _ agenda.Schedule) (planner.Compiled, error) {
			<-ctx.Done()
			return planner.Compiled{}, ctx.Err()
		}
	})
	stop := b.run(t)
	eventually(t, "claimed", func() bool {
		s, err := b.s.Schedules.Schedule(t.Context(), tenant, "s")
		return err == nil && s.ClaimedBy == "p"
	})
	stop()
	if s, err := b.s.Schedules.Schedule(t.Context(), tenant, "s"); err != nil || s.ClaimedBy != "" {
		t.Errorf("claimed by %q, %v", s.ClaimedBy, err)
	}
}

// TestTriesAgain: what cannot be planned now is tried again soon, and nothing else
// waits for it.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	fail := true
	b := setup(t, plain, func(o *planner.Options) {
		compile := o.Compile
		o.Compile = func(ctx context.Context, s agenda.Schedule) (planner.Compiled, error) {
			if fail {
				return planner.Compiled{}, fmt.Errorf("the calendars cannot be read now")
			}
			return compile(ctx, s)
		}
	})
	if _, err := b.p.Tick(t.Context()); err == nil {
		t.Error("the failure is hidden")
	}
	fail = false
	if _, err := b.p.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := b.s.Schedules.Schedule(t.Context(), tenant, "s"); err != nil || !s.State.Next.After(beginning) {
		t.Errorf("%+v, %v", s.State, err)
	}
}

// TestTargetGone: a job that cannot be made is a skipped nominal, and the schedule
// goes on.
func TestTargetGone(t *testing.T) {
	t.Parallel()
	b := setup(t, plain, func(o *planner.Options) {
		o.Compose = func(context.Context, agenda.Schedule) (job.Job, error) {
			return job.Job{}, fault.New(fault.TemplateArchived, "template x is archived")
		}
	})
	for range 3 {
		if _, err := b.p.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(10 * time.Minute)
	}
	s, err := b.s.Schedules.Schedule(t.Context(), tenant, "s")
	if err != nil || s.State.Skips[agenda.ReasonTarget] != 2 || s.State.RunCount != 0 || s.State.Status != agenda.Active {
		t.Errorf("%+v, %v", s.State, err)
	}
}

func TestRunNowAndBackfill(t *testing.T) {
	t.Parallel()
	b := setup(t, func(n *agenda.Schedule) { n.Policy.MinInterval = time.Minute }, nil)
	if _, err := b.p.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := b.s.Schedules.Schedule(t.Context(), tenant, "s")
	if err != nil {
		t.Fatal(err)
	}
	j, err := b.p.RunNow(t.Context(), b.ask, agenda.RunNow{})
	if err != nil || j.Trigger != job.TriggerManual || j.CreatedBy != "ann" {
		t.Fatalf("run now: %+v, %v", j, err)
	}
	if _, err := b.p.RunNow(t.Context(), b.ask, agenda.RunNow{Overlap: agenda.OverlapAllow}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a run within the minimum interval: %v", err)
	}
	if _, err := b.p.RunNow(t.Context(), b.ask, agenda.RunNow{Force: true}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a run beside another: %v", err)
	}
	if _, err := b.p.RunNow(t.Context(), b.ask, agenda.RunNow{Force: true, Overlap: agenda.OverlapAllow}); err != nil {
		t.Error(err)
	}
	after, err := b.s.Schedules.Schedule(t.Context(), tenant, "s")
	if err != nil || !after.State.Next.Equal(before.State.Next) || !after.State.Cursor.Equal(before.State.Cursor) || after.State.RunCount != 2 {
		t.Errorf("after it: %+v, %v", after.State, err)
	}
	past := agenda.Backfill{From: beginning.Add(-time.Hour), To: beginning}
	list, _, err := b.p.Backfill(t.Context(), b.ask, past, true)
	if err != nil || len(list) != 6 || len(b.queued(t)) != 2 {
		t.Fatalf("dry: %d nominals, %d jobs, %v", len(list), len(b.queued(t)), err)
	}
	if _, jobs, err := b.p.Backfill(t.Context(), b.ask, past, false); err != nil || len(jobs) != 6 {
		t.Fatalf("backfill: %d jobs, %v", len(jobs), err)
	}
	if _, jobs, err := b.p.Backfill(t.Context(), b.ask, past, false); err != nil || len(jobs) != 0 {
		t.Errorf("once more: %d jobs, %v", len(jobs), err)
	}
	past.Rerun = true
	if _, jobs, err := b.p.Backfill(t.Context(), b.ask, past, false); err != nil || len(jobs) != 6 {
		t.Errorf("rerun: %d jobs, %v", len(jobs), err)
	}
	got, err := b.p.SkipNext(t.Context(), b.ask, 2)
	if err != nil || len(got) != 2 || !got[0].Equal(beginning.Add(10*time.Minute)) {
		t.Errorf("skip next: %v, %v", got, err)
	}
}

// TestAwaitingDoesNotPoll: a schedule that waits for the end of a run is looked at
// when that comes, and not before.
func TestAwaitingDoesNotPoll(t *testing.T) {
	t.Parallel()
	b := setup(t, plain, func(o *planner.Options) {
		tr, err := schedule.Compile(schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: time.Minute, Mode: schedule.AfterCompletion}}, schedule.Calendars{})
		if err != nil {
			t.Fatal(err)
		}
		o.Compile = func(context.Context, agenda.Schedule) (planner.Compiled, error) {
			return planner.Compiled{Trigger: tr}, nil
		}
	})
	stop := b.run(t)
	defer stop()
	asleep := func() bool { return b.clock.Timers() == 1 }
	state := func() agenda.State {
		s, err := b.s.Schedules.Schedule(t.Context(), tenant, "s")
		if err != nil {
			t.Fatal(err)
		}
		return s.State
	}
	// One timer is the planner asleep, or the one that keeps its claims; and a late hint makes it
	// look once more. So the clock goes on until it has fired, and one quiet time of ten is enough:
	// a planner that polls asks in each.
	eventually(t, "planned", func() bool { return state().Next.After(beginning) })
	eventually(t, "fired", func() bool {
		if state().AwaitsEnd {
			return asleep()
		}
		if asleep() {
			b.clock.Advance(time.Minute)
		}
		return false
	})
	quiet := false
	for range 10 {
		before := b.calls.claims.Load()
		b.clock.Advance(20 * time.Second)
		if err := clock.Sleep(t.Context(), clock.System{}, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if quiet = b.calls.claims.Load() == before; quiet {
			break
		}
	}
	if !quiet {
		t.Error("asked in each of ten times of 20 s while the run waits")
	}
	j := b.queued(t)[0]
	c, err := job.Apply(j, job.CancelAsked{At: b.clock.Now(), By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.s.Jobs.Move(t.Context(), store.MoveJob{Change: c}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "planned again", func() bool { return !state().AwaitsEnd && state().Next.Equal(b.clock.Now().Add(time.Minute)) })
}
