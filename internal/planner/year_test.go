package planner_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/timetable"
)

const tenant = access.DefaultTenant

// year is the state of a simulation.
type year struct {
	t        *testing.T
	s        store.Store
	clock    *clocktest.Manual
	rng      *rand.Rand
	triggers map[string]*schedule.Trigger
	planners []*planner.Planner
	crash    *crashes
	down     []downtime
}

type downtime struct{ from, to time.Time }

// crashes makes a planner die at one of the two points that matter: before and
// after its transaction.
type crashes struct {
	store.Schedules
	mu   sync.Mutex
	next int // 0 = none, 1 = before, 2 = after
	dead bool
	// between is done once between a claim and its decision.
	between func()
}

// Claims: who is dead gives nothing back.
func (c *crashes) Claims(ctx context.Context, p store.KeepClaims) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return errCrash
	}
	return c.Schedules.Claims(ctx, p)
}

var errCrash = errors.New("killed")

func (c *crashes) Decide(ctx context.Context, items []store.Decided) ([]error, error) {
	c.mu.Lock()
	point, between := c.next, c.between
	c.next, c.between = 0, nil
	c.dead = c.dead || point > 0
	c.mu.Unlock()
	if between != nil {
		between()
	}
	if point == 1 {
		return nil, errCrash
	}
	errs, err := c.Schedules.Decide(ctx, items)
	if point == 2 {
		return nil, errCrash
	}
	return errs, err
}

func openStore(t *testing.T, c clock.Clock) store.Store {
	t.Helper()
	s, err := sqlite.OpenMemory(t.Context(), c)
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

func compose(_ context.Context, s agenda.Schedule) (job.Job, error) {
	return job.Job{
		ID: id.New(id.Job, s.CreatedAt), Name: s.Name, Type: "command", Params: []byte(`{}`),
		Priority: job.PriorityNormal, OnCrash: job.CrashFail, CreatedBy: "tester",
	}, nil
}

// policies of the simulated schedules, in turn.
func policies() []agenda.Missed { return agenda.MissedPolicies() }

// specs are the triggers of the simulated schedules: DST zones, holidays, sessions.
func specs(t *testing.T) []func(i int) *schedule.Trigger {
	t.Helper()
	set, err := calendar.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	nyse, err := set.Get("XNYS")
	if err != nil {
		t.Fatal(err)
	}
	build := func(spec schedule.Spec, c schedule.Calendars) *schedule.Trigger {
		tr, err := schedule.Compile(spec, c)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	zone := func(name string) *time.Location {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	cron := func(expression, in string, c schedule.Calendars) *schedule.Trigger {
		return build(schedule.Spec{Kind: schedule.KindCron, Zone: zone(in), Cron: schedule.CronSpec{Expressions: []string{expression}}}, c)
	}
	none := schedule.Calendars{}
	return []func(int) *schedule.Trigger{
		func(i int) *schedule.Trigger {
			return cron(fmt.Sprintf("%d 2 * * *", i%60), "America/New_York", none)
		},
		func(i int) *schedule.Trigger {
			return cron(fmt.Sprintf("%d 1,2 * * SUN", i%60), "Europe/Berlin", none)
		},
		func(i int) *schedule.Trigger {
			return cron(fmt.Sprintf("30 9 * * MON#%d", 1+i%4), "Australia/Lord_Howe", none)
		},
		func(int) *schedule.Trigger {
			return cron("0 16 * * MON-FRI", "America/New_York", schedule.Calendars{Days: timetable.NewDays(nyse)})
		},
		func(i int) *schedule.Trigger {
			return build(schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: 36 * time.Hour, Anchor: beginning.Add(time.Duration(i) * time.Minute)}}, none)
		},
		func(int) *schedule.Trigger {
			return build(schedule.Spec{Kind: schedule.KindEvent, Zone: zone("America/New_York"), Event: schedule.EventSpec{
				Calendar: "XNYS", Event: schedule.EventClose, Offset: -10 * time.Minute,
			}}, schedule.Calendars{Event: timetable.NewSessions(nyse)})
		},
		func(int) *schedule.Trigger { return cron("0 0 L * *", "Asia/Seoul", none) },
		func(i int) *schedule.Trigger { return cron(fmt.Sprintf("%d 4 */3 * *", i%60), "Africa/Cairo", none) },
	}
}

var beginning = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestYear: three planners, 200 schedules, a year with DST, holidays, downtime and
// crashes. What fires is what an independent reckoning says, each nominal once, and
// every other nominal is in the history with a reason.
func TestYear(t *testing.T) {
	t.Parallel()
	schedules, end := 200, beginning.AddDate(1, 0, 0)
	if testing.Short() {
		schedules, end = 40, beginning.AddDate(0, 4, 0)
	}
	c := clocktest.New(beginning)
	y := &year{t: t, s: openStore(t, c), clock: c, rng: rand.New(rand.NewPCG(1, 2)), triggers: map[string]*schedule.Trigger{}}
	y.crash = &crashes{Schedules: y.s.Schedules}
	makes := specs(t)
	names := make([]string, schedules)
	for i := range schedules {
		n := agenda.Schedule{ID: id.New(id.Schedule, beginning), Tenant: tenant, CreatedAt: beginning, UpdatedAt: beginning}
		n.Name, n.Zone, n.Policy, n.State = fmt.Sprint("s", i), "UTC", agenda.NewPolicy(), agenda.State{}.Begin(beginning)
		n.Policy.Missed, n.Policy.Overlap, n.Policy.MaxCatchUp = policies()[i/len(makes)%4], agenda.OverlapAllow, 2
		if _, err := y.s.Schedules.Create(t.Context(), store.PutSchedule{Schedule: n}); err != nil {
			t.Fatal(err)
		}
		names[i] = n.ID
		y.triggers[n.ID] = makes[i%len(makes)](i)
	}
	for i := range 3 {
		y.planners = append(y.planners, y.planner(i))
	}
	y.run(end)
	for _, id := range names {
		y.check(id)
	}
}

func (y *year) planner(i int) *planner.Planner {
	return planner.New(planner.Options{
		Store: y.crash, Compose: compose, By: fmt.Sprint("p", i), OwnClock: true, Clock: y.clock, TTL: 30 * time.Second, MaxClaim: 20,
		Compile: func(_ context.Context, s agenda.Schedule) (planner.Compiled, error) {
			return planner.Compiled{Trigger: y.triggers[s.ID]}, nil
		},
	})
}

// run goes from one due time to the next. A downtime ends ten seconds after a full
// minute, so that neither a crash nor the grace leaves in doubt what was missed.
func (y *year) run(end time.Time) {
	for step := 0; ; step++ {
		next, err := y.s.Schedules.NextDue(y.t.Context(), y.clock.Now())
		if err != nil {
			y.t.Fatal(err)
		}
		now := next.At
		if next.At.IsZero() || !now.Before(end) {
			return
		}
		if step%100 == 50 {
			length := []time.Duration{5 * time.Minute, 2 * time.Hour, 30 * time.Hour, 12 * 24 * time.Hour}[y.rng.IntN(4)]
			from := y.clock.Now()
			now = now.Add(length).Truncate(time.Minute).Add(10 * time.Second)
			y.down = append(y.down, downtime{from, now})
		} else if step%40 == 20 {
			// The clock is set back an hour, and nothing fires again.
			y.clock.Set(y.clock.Now().Add(-time.Hour))
			y.tick()
		}
		y.clock.Set(now)
		if y.rng.IntN(10) == 0 {
			y.crash.mu.Lock()
			y.crash.next = 1 + y.rng.IntN(2)
			y.crash.mu.Unlock()
			y.tick()
			y.clock.Advance(31 * time.Second)
			y.crash.mu.Lock()
			y.crash.next, y.crash.dead = 0, false
			y.crash.mu.Unlock()
		}
		y.tick()
		y.finish()
	}
}

// tick lets the planners work at the same time until nothing is due.
func (y *year) tick() {
	var all sync.WaitGroup
	for _, p := range y.planners {
		all.Go(func() {
			for {
				more, err := p.Tick(y.t.Context())
				if err != nil && !errors.Is(err, errCrash) {
					y.t.Error(err)
				}
				if !more || err != nil {
					return
				}
			}
		})
	}
	all.Wait()
}

// finish ends all jobs, so that the lists of open runs stay short.
func (y *year) finish() {
	page, err := y.s.Jobs.List(y.t.Context(), store.ListJobs{Tenant: tenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 1000})
	if err != nil {
		y.t.Fatal(err)
	}
	moves := store.MoveJobs{Tenant: tenant, At: y.clock.Now()}
	for _, j := range page.Jobs {
		c, err := job.Apply(j, job.CancelAsked{At: y.clock.Now(), By: "tester"})
		if err != nil {
			y.t.Fatal(err)
		}
		moves.Changes = append(moves.Changes, c)
	}
	if len(moves.Changes) == 0 {
		return
	}
	if _, err := y.s.Jobs.MoveEach(y.t.Context(), moves); err != nil {
		y.t.Fatal(err)
	}
}

// check compares a schedule's history with the reference.
func (y *year) check(id string) {
	y.t.Helper()
	s, err := y.s.Schedules.Schedule(y.t.Context(), tenant, id)
	if err != nil {
		y.t.Fatal(err)
	}
	want, all := y.reference(s)
	got, skipped := map[string]bool{}, int64(0)
	for before := (time.Time{}); ; {
		page, err := y.s.Schedules.History(y.t.Context(), store.ListHistory{Tenant: tenant, ID: id, Before: before, Limit: 500})
		if err != nil {
			y.t.Fatal(err)
		}
		for _, e := range page.Entries {
			before = e.Run.Nominal
			if e.Reason != "" {
				skipped += e.Count
				continue
			}
			got[e.Run.Nominal.Format(time.RFC3339)] = true
		}
		if !page.More {
			break
		}
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); d != "" {
		y.t.Errorf("%s (missed: %s): fires (-reference +got):\n%s", s.Name, s.Policy.Missed, d)
	}
	if int64(len(got))+skipped != int64(all) {
		y.t.Errorf("%s: %d fired and %d skipped of %d nominals", s.Name, len(got), skipped, all)
	}
	counted := int64(0)
	for _, n := range s.State.Skips {
		counted += n
	}
	if counted != skipped || s.State.RunCount != len(got) {
		y.t.Errorf("%s: the counters say %d fired, %d skipped; the history %d, %d", s.Name, s.State.RunCount, counted, len(got), skipped)
	}
}

// reference reckons what a schedule must have fired, from its trigger and the
// downtimes alone.
func (y *year) reference(s agenda.Schedule) (fires map[string]bool, all int) {
	fires = map[string]bool{}
	missed := make([][]time.Time, len(y.down))
	for n, ok := y.triggers[s.ID].Next(beginning); ok && !n.At.After(s.State.Cursor); n, ok = y.triggers[s.ID].Next(n.At) {
		all++
		if n.Skip != "" {
			continue
		}
		during := slices.IndexFunc(y.down, func(d downtime) bool { return n.At.After(d.from) && !n.At.After(d.to.Add(-time.Minute)) })
		if during < 0 {
			fires[n.At.Format(time.RFC3339)] = true
		} else if y.down[during].to.Sub(n.At) <= 24*time.Hour {
			missed[during] = append(missed[during], n.At)
		}
	}
	for _, list := range missed {
		if len(list) == 0 {
			continue
		}
		switch s.Policy.Missed {
		case agenda.MissedLatest:
			list = list[len(list)-1:]
		case agenda.MissedEarliest:
			list = list[:1]
		case agenda.MissedAll:
			list = list[max(len(list)-2, 0):]
		case agenda.MissedSkip, agenda.MissedDefault:
			list = nil
		}
		for _, at := range list {
			fires[at.Format(time.RFC3339)] = true
		}
	}
	return fires, all
}
