package planner_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestRaces: whatever persons do to a schedule while two planners decide about it,
// some of which die, and wherever its clock goes, each nominal ends in exactly one
// of fired, skipped with a reason, or not yet due, and each run has one job.
func TestRaces(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			// One store for all: a schedule is removed at the end of its story.
			c := clocktest.New(beginning)
			s := raceStore(t, engine, c)
			f := newFloor(t, s, c)
			rapid.Check(t, func(r *rapid.T) {
				x := &race{t: r, s: s, clock: c, floor: f, triggers: map[int]*schedule.Trigger{}}
				x.calendars = engine == "sqlite" // a change of calendars goes by the store's clock
				x.tell()
			})
		})
	}
}

func raceStore(t *testing.T, engine string, c *clocktest.Manual) store.Store {
	t.Helper()
	if engine == "sqlite" {
		return openStore(t, c)
	}
	if testing.Short() {
		t.Skip("the other engine does the same")
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: testsvc.Postgres(t), AllowUnsafe: true, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// race is the story of one schedule.
type race struct {
	t         *rapid.T
	s         store.Store
	clock     *clocktest.Manual
	floor     *floor
	calendars bool

	id       string
	name     string
	latest   time.Time // that the clock has shown
	mu       sync.Mutex
	triggers map[int]*schedule.Trigger // by version
	// chapters are the stretches that a version decided about: nominals in (from, to].
	chapters []chapter
	crash    [2]*crashes
	planners [2]*planner.Planner
}

type chapter struct {
	version  int
	from, to time.Time
}

func (x *race) compile(ctx context.Context, s agenda.Schedule) (c planner.Compiled, err error) {
	if x.calendars {
		if c.Calendars, err = x.s.Calendars.Version(ctx, tenant); err != nil {
			return c, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	c.Trigger = x.triggers[s.Version]
	return c, nil
}

func (x *race) ctx() context.Context { return x.floor.t.Context() }

func (x *race) tell() {
	r := x.t
	now := x.clock.Now().Truncate(24 * time.Hour).Add(24 * time.Hour) // so that a story can be told again
	x.clock.Set(now)
	x.id = id.New(id.Schedule, now)
	x.name, x.latest = x.id, now
	n := agenda.Schedule{ID: x.id, Tenant: tenant, CreatedAt: now, UpdatedAt: now}
	n.Name, n.Zone, n.State, n.UsesCalendar = x.name, "UTC", agenda.State{}.Begin(now), x.calendars
	n.Policy = agenda.Policy{
		Overlap: rapid.SampledFrom(agenda.Overlaps()).Draw(r, "overlap"), MaxQueued: 2,
		Missed: rapid.SampledFrom(append(agenda.MissedPolicies(), agenda.MissedDefault)).Draw(r, "missed"),
		Grace:  time.Minute, CatchUpWindow: time.Duration(rapid.IntRange(0, 3).Draw(r, "window")) * time.Hour,
		MaxCatchUp: rapid.IntRange(1, 4).Draw(r, "max_catch_up"), MinInterval: time.Duration(rapid.IntRange(0, 3).Draw(r, "min")) * time.Minute,
		Jitter: time.Duration(rapid.IntRange(0, 300).Draw(r, "jitter")) * time.Second,
		Offset: time.Duration(rapid.IntRange(0, 40).Draw(r, "offset")) * time.Second,
	}
	x.triggers[1] = drawTrigger(r)
	got, err := x.s.Schedules.Create(x.ctx(), store.PutSchedule{Schedule: n})
	if err != nil {
		r.Fatal(err)
	}
	defer x.remove()
	x.chapters = []chapter{{version: 1, from: got.State.Cursor}}
	for i := range x.planners {
		x.crash[i] = &crashes{Schedules: x.s.Schedules}
		x.planners[i] = planner.New(planner.Options{
			Store: x.crash[i], Compose: compose, By: fmt.Sprint("p", i), OwnClock: true, Clock: x.clock, TTL: 30 * time.Second,
			Compile: x.compile,
		})
	}
	for range rapid.IntRange(1, 25).Draw(r, "steps") {
		x.step()
	}
	x.settle()
	x.check()
}

// remove ends the story: nothing of a deleted schedule is due, ever.
func (x *race) remove() {
	r := x.t
	if err := x.s.Schedules.Delete(x.ctx(), store.DeleteSchedule{Tenant: tenant, ID: x.id, At: x.clock.Now()}); err != nil {
		r.Fatal(err)
	}
	x.clock.Advance(time.Hour)
	if d, err := x.s.Schedules.Claim(x.ctx(), store.ClaimSchedules{By: "late", TTL: time.Minute, Now: x.clock.Now(), Limit: 10}); err != nil || len(d.Items) > 0 {
		r.Fatalf("a deleted schedule is due: %+v, %v", d, err)
	}
	x.floor.drain()
}

func drawTrigger(r *rapid.T) *schedule.Trigger {
	spec := schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: time.Duration(rapid.IntRange(20, 900).Draw(r, "every")) * time.Second}}
	if rapid.Bool().Draw(r, "cron") {
		spec = schedule.Spec{Kind: schedule.KindCron, Cron: schedule.CronSpec{Expressions: []string{"*/3 * * * *"}}, Exclude: schedule.Exclude{Cron: []string{"0-29 * * * *"}}}
	}
	tr, err := schedule.Compile(spec, schedule.Calendars{})
	if err != nil {
		r.Fatal(err)
	}
	return tr
}

// step moves the clock, then has planners and a person act at the same time.
func (x *race) step() {
	r := x.t
	switch rapid.IntRange(0, 9).Draw(r, "clock") {
	case 0:
		x.clock.Advance(-time.Duration(rapid.IntRange(1, 7200).Draw(r, "back")) * time.Second)
	case 1:
		x.clock.Advance(time.Duration(rapid.IntRange(1, 5*3600).Draw(r, "down")) * time.Second)
	default:
		x.clock.Advance(time.Duration(rapid.IntRange(0, 400).Draw(r, "forward")) * time.Second)
	}
	if now := x.clock.Now(); now.After(x.latest) {
		x.latest = now
	}
	person := x.person()
	var all sync.WaitGroup
	for i, p := range x.planners {
		if rapid.IntRange(0, 3).Draw(r, "planner") == 0 {
			continue
		}
		if rapid.IntRange(0, 5).Draw(r, "crash") == 0 {
			x.crash[i].next = rapid.IntRange(1, 2).Draw(r, "point")
		}
		all.Go(func() { x.tick(i, p) })
	}
	person()
	all.Wait()
	for i := range x.crash {
		x.crash[i].next, x.crash[i].dead = 0, false
	}
}

func (x *race) tick(i int, p *planner.Planner) {
	for more := true; more; {
		var err error
		if more, err = p.Tick(x.ctx()); err != nil {
			if !errors.Is(err, errCrash) {
				x.floor.t.Errorf("planner %d: %v", i, err)
			}
			return
		}
	}
}

// person draws what somebody does.
func (x *race) person() func() {
	r := x.t
	switch rapid.IntRange(0, 11).Draw(r, "person") {
	case 0:
		tr := drawTrigger(r)
		return func() {
			x.edit(func(d *agenda.Schedule) {
				d.Version++
				d.State = d.State.Begin(x.clock.Now())
				x.mu.Lock()
				defer x.mu.Unlock()
				x.triggers[d.Version] = tr
			})
		}
	case 1:
		return func() { x.edit(func(d *agenda.Schedule) { d.State = d.State.Pause(x.clock.Now(), "ann", "") }) }
	case 2, 3:
		catchUp := rapid.Bool().Draw(r, "catch_up")
		return func() { x.edit(func(d *agenda.Schedule) { d.State = d.State.Resume(x.clock.Now(), catchUp) }) }
	case 4:
		return func() {
			if _, err := x.planners[0].SkipNext(x.ctx(), x.ask(), 1); err != nil && !fault.Is(err, fault.Conflict) {
				x.floor.t.Error(err)
			}
		}
	case 5:
		return func() {
			if _, err := x.planners[1].RunNow(x.ctx(), x.ask(), agenda.RunNow{Force: true}); err != nil && !fault.Is(err, fault.Conflict) && !errors.Is(err, errCrash) {
				x.floor.t.Error(err)
			}
		}
	case 6, 7:
		return x.floor.start
	case 8:
		return x.floor.end
	case 9:
		if !x.calendars {
			return func() {}
		}
		day := rapid.IntRange(1, 28).Draw(r, "day")
		return func() {
			if _, err := x.s.Calendars.Put(x.ctx(), store.PutOverrides{Tenant: tenant, Calendar: "XNYS", By: "ann", List: []calendar.Override{
				{Date: calendar.NewDate(2027, time.March, day), Kind: calendar.OverrideClosed},
			}}); err != nil {
				x.floor.t.Error(err)
			}
		}
	}
	return func() {}
}

func (x *race) ask() planner.Ask { return planner.Ask{Tenant: tenant, Schedule: x.id, By: "ann"} }

// edit changes the schedule as the API does: it reads, changes, and writes if
// nobody came in between.
func (x *race) edit(change func(*agenda.Schedule)) {
	for {
		d, err := x.s.Schedules.Look(x.ctx(), tenant, x.id)
		if err != nil {
			x.floor.t.Error(err)
			return
		}
		before, version := d.Schedule.State.Cursor, d.Schedule.Version
		change(&d.Schedule)
		got, err := x.s.Schedules.Update(x.ctx(), store.PutSchedule{Schedule: d.Schedule, Epoch: d.Epoch, By: "ann"})
		if fault.Is(err, fault.Conflict) {
			continue
		}
		if err != nil {
			x.floor.t.Error(err)
			return
		}
		if got.Version != version {
			x.chapters[len(x.chapters)-1].to = before
			x.chapters = append(x.chapters, chapter{version: got.Version, from: got.State.Cursor})
		}
		return
	}
}

// settle lets everything that is due be decided, by a clock that has caught up with
// the latest time it ever showed: what was put off until then is looked at too.
func (x *race) settle() {
	if x.clock.Now().Before(x.latest) {
		x.clock.Set(x.latest)
	}
	x.edit(func(d *agenda.Schedule) { d.State = d.State.Resume(x.clock.Now(), false) })
	x.clock.Advance(31 * time.Second) // claims of the dead expire
	for i, p := range x.planners {
		x.tick(i, p)
	}
}

// check holds the history against the triggers.
func (x *race) check() {
	r := x.t
	d, err := x.s.Schedules.Look(x.ctx(), tenant, x.id)
	if err != nil {
		r.Fatal(err)
	}
	st := d.Schedule.State
	x.chapters[len(x.chapters)-1].to = st.Cursor
	fate := x.fates()
	for _, c := range x.chapters {
		tr := x.triggers[c.version]
		for n, ok := tr.Next(c.from); ok && !n.At.After(c.to); n, ok = tr.Next(n.At) {
			k := nominalKey{c.version, n.At.UnixMilli()}
			if len(fate[k]) != 1 {
				r.Fatalf("version %d, nominal %v: %q, want exactly one; chapters %+v", c.version, n.At, fate[k], x.chapters)
			}
			delete(fate, k)
		}
	}
	for k, f := range fate {
		r.Fatalf("version %d, nominal %v: %q, which is none of its nominals; chapters %+v", k.version, time.UnixMilli(k.ms).UTC(), f, x.chapters)
	}
	if n, ok := x.triggers[d.Schedule.Version].Next(st.Cursor); !ok || !st.NextNominal.Equal(n.At) || !st.Next.After(x.clock.Now()) {
		r.Fatalf("at %v the next nominal is %v, due %v; want %v", x.clock.Now(), st.NextNominal, st.Next, n.At)
	}
}

type nominalKey struct {
	version int
	ms      int64
}

// fates lists what became of each nominal, and checks the jobs of runs.
func (x *race) fates() map[nominalKey][]string {
	r := x.t
	out := map[nominalKey][]string{}
	jobs := map[string]bool{}
	list, err := x.s.Jobs.List(x.ctx(), store.ListJobs{Tenant: tenant, Text: x.name, Limit: 5000})
	if err != nil || list.More {
		r.Fatalf("%d jobs, %v", len(list.Jobs), err)
	}
	for _, j := range list.Jobs {
		jobs[j.ID] = true
	}
	page, err := x.s.Schedules.History(x.ctx(), store.ListHistory{Tenant: tenant, ID: x.id, Limit: 5000})
	if err != nil || page.More {
		r.Fatalf("%d entries, %v", len(page.Entries), err)
	}
	for _, e := range page.Entries {
		if e.Reason == "" {
			if !jobs[e.Run.JobID] {
				r.Fatalf("the run of %v has no job, or shares it", e.Run.Nominal)
			}
			delete(jobs, e.Run.JobID)
			if e.Run.Again == 0 {
				k := nominalKey{e.Version, e.Run.Nominal.UnixMilli()}
				out[k] = append(out[k], "fired "+string(e.Run.Source))
			}
			continue
		}
		at, last := e.Run.Nominal, e.Last
		for i := range e.Count {
			k := nominalKey{e.Version, at.UnixMilli()}
			out[k] = append(out[k], "skipped "+string(e.Reason))
			if i == e.Count-1 {
				break
			}
			n, ok := x.triggers[e.Version].Next(at)
			if !ok {
				r.Fatalf("%+v has more nominals than there are", e)
			}
			at = n.At
		}
		if !at.Equal(last) {
			r.Fatalf("%+v: its %d nominals end at %v", e, e.Count, at)
		}
	}
	for id := range jobs {
		r.Fatalf("job %s belongs to no run", id)
	}
	return out
}
