package planner_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
)

// stepped is a machine's clock that is set: its timers go by the time that the
// machine runs, and do not see the steps.
type stepped struct {
	runs *clocktest.Manual
	mu   sync.Mutex
	off  time.Duration
}

// renewal is the period of a planner's renewals with the TTL below. Their timers are
// not counted: those of an idle planner are waited for.
const renewal = 40 * time.Second

func (s *stepped) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs.Now().Add(s.off)
}

func (s *stepped) NewTimer(d time.Duration) clock.Timer {
	if d == renewal {
		return clock.System{}.NewTimer(d)
	}
	return s.runs.NewTimer(d)
}

// face is the clock for who only reads it: the store's timers are not waited for.
type face struct{ *stepped }

func (face) NewTimer(d time.Duration) clock.Timer { return clock.System{}.NewTimer(d) }

func (s *stepped) step(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off += d
}

// TestClockSteps is T10's steps of a single server's clock, with its sleeping
// planner: a minute schedule fires no nominal twice, and after a step forward makes
// up one run at most. By the clock it is never silent for longer than a minute: after
// a step back it goes on where it was when the clock gets there again, because what
// has fired must not fire again; after a step forward, also that of a suspended
// machine, it goes on at once.
func TestClockSteps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		step time.Duration
	}{
		{"-1s", -time.Second},
		{"-1h", -time.Hour},
		{"+1s", time.Second},
		{"+1h", time.Hour},
		{"suspended for 8h", 8 * time.Hour},
		{"+1d", 24 * time.Hour},
		{"+1y", 365 * 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clockStep(t, c.step)
		})
	}
}

func clockStep(t *testing.T, step time.Duration) {
	wall := &stepped{runs: clocktest.New(beginning)}
	s := openStore(t, face{wall})
	tr, err := schedule.Compile(schedule.Spec{Kind: schedule.KindCron, Zone: time.UTC, Cron: schedule.CronSpec{Expressions: []string{"* * * * *"}}}, schedule.Calendars{})
	if err != nil {
		t.Fatal(err)
	}
	n := agenda.Schedule{ID: id.New(id.Schedule, beginning), Tenant: tenant, CreatedAt: beginning, UpdatedAt: beginning}
	n.Name, n.Zone, n.Policy, n.State = "s", "UTC", agenda.NewPolicy(), agenda.State{}.Begin(beginning)
	n.Policy.Overlap = agenda.OverlapAllow
	if _, err := s.Schedules.Create(t.Context(), store.PutSchedule{Schedule: n}); err != nil {
		t.Fatal(err)
	}
	b := &bundle{s: s, p: planner.New(planner.Options{
		Store: s.Schedules, By: "p", Clock: wall, Compose: compose, TTL: 3 * renewal,
		Compile: func(context.Context, agenda.Schedule) (planner.Compiled, error) {
			return planner.Compiled{Trigger: tr}, nil
		},
	})}
	stop := b.run(t)
	asleep := func() { eventually(t, "asleep", func() bool { return wall.runs.Timers() == 1 }) }
	work := func(d time.Duration) {
		for end := wall.runs.Now().Add(d); wall.runs.Now().Before(end); {
			asleep()
			wall.runs.Advance(10 * time.Second)
		}
		asleep()
	}
	work(5*time.Minute + 10*time.Second)
	before := wall.Now()
	wall.step(step)
	after := wall.Now()
	work(max(-step, 0) + 5*time.Minute)
	stop()

	page, err := s.Schedules.History(t.Context(), store.ListHistory{Tenant: tenant, ID: "s", Limit: 1000})
	if err != nil || page.More {
		t.Fatal(err)
	}
	catchUps, last, covered := 0, wall.Now(), int64(0)
	for _, e := range page.Entries { // newest first
		if e.Reason != "" {
			covered += e.Count
			if step < time.Minute || e.Run.Nominal.Before(before) || e.Last.After(after) {
				t.Errorf("%d nominals from %v are skipped: %s", e.Count, e.Run.Nominal, e.Reason)
			}
			continue
		}
		covered++
		if e.Run.Source == agenda.SourceCatchUp {
			catchUps++
		} else if late := e.Run.DecidedAt.Sub(e.Run.Due); late < 0 || late > time.Minute {
			t.Errorf("%v is decided %v later", e.Run.Nominal, late)
		}
		from := e.Run.Nominal
		if step > 0 && !from.After(before) && last.After(before) {
			from = after // the step itself is no silence
		}
		if gap := last.Sub(from); gap > time.Minute {
			t.Errorf("silent for %v after %v", gap, from)
		}
		last = e.Run.Nominal
	}
	if catchUps > 1 {
		t.Errorf("%d runs are made up", catchUps)
	}
	newest := page.Entries[0].Run.Nominal
	if all := int64(newest.Sub(beginning) / time.Minute); covered != all || wall.Now().Sub(newest) > time.Minute {
		t.Errorf("of %d nominals up to %v %d are in the history; it is %v", all, newest, covered, wall.Now())
	}
	if jobs := len(b.queued(t)); jobs > 70 || step < 0 && jobs != int(covered) {
		t.Errorf("%d jobs", jobs)
	}
}
