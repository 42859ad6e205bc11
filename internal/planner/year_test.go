package planner_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

const tenant = access.DefaultTenant

// crashes makes a planner die at one of the two points that matter: before and
// after its transaction.
type crashes struct {
	store.Schedules
	mu   sync.Mutex
	next int // 0 = none, 1 = before, 2 = after
	dead bool
	// between is done once between a claim and its decision.
	between func()
	// lost are the schedules whose decisions came to nothing.
	lost map[string]bool
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

// errCrash is of the kind after which a planner that lives on writes nothing either.
var errCrash = fault.New(fault.StorageUnavailable, "killed")

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
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lost = map[string]bool{}
		for _, d := range items {
			c.lost[d.ID] = true
		}
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

var beginning = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// year is the state of a simulation.
type year struct {
	t        *testing.T
	s        store.Store
	clock    *clocktest.Manual
	rng      *rand.Rand
	plots    []*plot
	byID     map[string]*plot // also by name
	planners []*planner.Planner
	crash    *crashes
	quiet    []silence
	nextDown time.Time
	floor    *floor
	ends     map[string]*ending // of running jobs
	starts   map[string]int     // by schedule
	startAt  time.Time          // when a waiting job's time comes
}

// ending is when a running job ends.
type ending struct {
	of      store.Claimed
	at      time.Time
	stopped bool
}

// TestYear: three planners, 200 schedules of all kinds with all policies, whose jobs
// take time, over a year with DST, holidays, downtime, crashes and clocks that are
// set back. What becomes of each nominal, when, and why is what a slow reading of
// docs/schedules.md says (year_walk_test.go and year_rules_test.go), and there is
// nothing else. RUNSHEET_CHAOS=full makes it ten years with several times as many
// nominals each.
func TestYear(t *testing.T) {
	t.Parallel()
	seeds, count, end := uint64(1), 200, beginning.AddDate(1, 0, 0)
	dense := 1
	switch {
	case os.Getenv("RUNSHEET_CHAOS") == "full":
		seeds, dense = 10, 3
	case testing.Short():
		count, end = 60, beginning.AddDate(0, 4, 0)
	}
	g := newGround(t, end)
	for seed := uint64(1); seed <= seeds && !t.Failed(); seed++ {
		y := newYear(t, seed, g, count, dense)
		y.run(end)
		y.check()
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}
}

func newYear(t *testing.T, seed uint64, g *ground, count, dense int) *year {
	t.Helper()
	c := clocktest.New(beginning)
	y := &year{
		t: t, s: openStore(t, c), clock: c, rng: rand.New(rand.NewPCG(seed, 2)), byID: map[string]*plot{},
		ends: map[string]*ending{}, starts: map[string]int{},
	}
	y.nextDown = beginning.Add(100 * time.Hour)
	y.crash = &crashes{Schedules: y.s.Schedules}
	y.plots = g.plots(y.rng, count, dense)
	for _, p := range y.plots {
		n := agenda.Schedule{ID: p.id, Tenant: tenant, CreatedAt: beginning, UpdatedAt: beginning}
		n.Name, n.Zone, n.Policy, n.State = p.name, "UTC", p.policy, agenda.State{}.Begin(beginning)
		if _, err := y.s.Schedules.Create(t.Context(), store.PutSchedule{Schedule: n}); err != nil {
			t.Fatal(err)
		}
		y.byID[p.id], y.byID[p.name] = p, p
	}
	for i := range 3 {
		y.planners = append(y.planners, planner.New(planner.Options{
			Store: y.crash, Compose: compose, By: fmt.Sprint("p", i), OwnClock: true, Clock: c, TTL: 30 * time.Second, MaxClaim: 20,
			Compile: func(_ context.Context, s agenda.Schedule) (planner.Compiled, error) {
				return planner.Compiled{Trigger: y.byID[s.ID].trigger}, nil
			},
		}))
	}
	y.floor = newFloor(t, y.s, c)
	return y
}

// run goes from one instant at which there is something to do to the next.
func (y *year) run(end time.Time) {
	for step := 0; ; step++ {
		now := y.next()
		if now.IsZero() || !now.Before(end) {
			return
		}
		switch {
		case now.After(y.nextDown):
			now = y.down(now)
		case step%60 == 20:
			// The clock is set back an hour, and nothing fires again.
			real := y.clock.Now()
			y.clock.Set(real.Add(-time.Hour))
			y.tick()
			y.clock.Set(real)
		}
		y.clock.Set(now)
		y.finish()
		if y.rng.IntN(40) == 0 {
			y.kill()
			y.finish()
		}
		y.tick()
		y.start()
	}
}

// next is the first instant at which something is due, a job ends, or one may start.
func (y *year) next() time.Time {
	due, err := y.s.Schedules.NextDue(y.t.Context(), y.clock.Now())
	if err != nil {
		y.t.Fatal(err)
	}
	first := due.At
	for _, e := range y.ends {
		if first.IsZero() || e.at.Before(first) {
			first = e.at
		}
	}
	if !y.startAt.IsZero() && y.startAt.Before(first) {
		first = y.startAt
	}
	return latestOf(first, y.clock.Now())
}

// down keeps everything from being done for a while. It ends ten seconds after a
// full minute, at an instant that means nothing to any schedule.
func (y *year) down(now time.Time) time.Time {
	lengths := []time.Duration{5 * time.Minute, 2 * time.Hour, 30 * time.Hour, 30 * time.Hour, 5 * 24 * time.Hour}
	q := silence{from: y.clock.Now(), to: now.Add(lengths[y.rng.IntN(len(lengths))]).Truncate(time.Minute).Add(10 * time.Second)}
	y.quiet = append(y.quiet, q)
	y.nextDown = q.to.Add(time.Duration(50+y.rng.IntN(400)) * time.Hour)
	return q.to
}

// kill lets a planner die before or after it has written a decision. What it has
// claimed waits until its claims end; the others see to what it has not.
func (y *year) kill() {
	y.crash.mu.Lock()
	y.crash.next, y.crash.lost = 1+y.rng.IntN(2), nil
	y.crash.mu.Unlock()
	y.tick()
	q := silence{from: y.clock.Now(), to: y.clock.Now().Add(31 * time.Second), crash: true}
	y.crash.mu.Lock()
	q.lost = y.crash.lost
	y.crash.next, y.crash.dead = 0, false
	y.crash.mu.Unlock()
	y.tick()
	y.quiet = append(y.quiet, q)
	y.clock.Set(q.to)
}

// tick lets the planners work at the same time until nothing is due.
func (y *year) tick() {
	list := y.planners
	if y.rng.IntN(4) > 0 { // the others have nothing left to do, mostly
		list = list[y.rng.IntN(len(list)):][:1]
	}
	var all sync.WaitGroup
	for _, p := range list {
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

// start starts the jobs whose locks are free, and notes who was asked to stop.
func (y *year) start() {
	c, err := y.s.Jobs.Claim(y.t.Context(), store.ClaimJobs{Instance: "floor", Now: y.clock.Now(), Room: 1000, Decide: claim.Decide})
	if err != nil {
		y.t.Fatal(err)
	}
	y.startAt = c.NextAt
	for id, e := range y.ends {
		if y.byID[e.of.Job.Name].policy.Overlap != agenda.OverlapCancelRunning || e.stopped {
			continue
		}
		if e.of.Job, err = y.s.Jobs.Job(y.t.Context(), tenant, id); err != nil {
			y.t.Fatal(err)
		}
		if asked := e.of.Job.CancelAskedAt; !asked.IsZero() {
			e.stopped = true
			if at := asked.Add(stopTime); at.Before(e.at) {
				e.at = at
			}
		}
	}
	for _, x := range c.Started {
		p := y.byID[x.Job.Name]
		y.ends[x.Job.ID] = &ending{of: x, at: y.clock.Now().Add(p.takes(y.starts[p.id]))}
		y.starts[p.id]++
	}
}

// finish ends the jobs whose time has come.
func (y *year) finish() {
	now := y.clock.Now()
	var list []store.Finish
	for id, e := range y.ends {
		if e.at.After(now) {
			continue
		}
		delete(y.ends, id)
		var jobEvent, runEvent any = job.Succeeded{At: now}, run.Succeeded{At: now}
		if e.stopped {
			jobEvent = job.Broke{At: now, Failure: job.Failure{Code: "cancelled"}}
			runEvent = run.Broke{At: now, Failure: run.Failure{Code: "cancelled"}}
		}
		var x store.Finish
		var err error
		if x.Job, err = job.Apply(e.of.Job, jobEvent); err == nil {
			x.Run, err = run.Apply(e.of.Run, runEvent)
		}
		if err != nil {
			y.t.Fatal(err)
		}
		list = append(list, x)
	}
	if len(list) == 0 {
		return
	}
	for _, err := range y.s.Jobs.Finish(y.t.Context(), list) {
		if err != nil {
			y.t.Fatal(err)
		}
	}
}

// check compares what is in the store with the slow reading.
func (y *year) check() {
	y.t.Helper()
	jobs, fired, skips := map[string]bool{}, 0, map[agenda.Reason]int{}
	lives := map[string]*life{}
	for _, p := range y.plots {
		l := &life{plot: p, quiet: y.quiet, fates: map[time.Time]*fate{}}
		if p.upstream != nil {
			l.setOff(lives[p.upstream.id].good)
		}
		l.live(y.clock.Now())
		lives[p.id] = l
		for _, f := range l.fates {
			if f.Reason == "" {
				fired++
			}
			skips[f.Reason]++
		}
		y.compare(l, jobs)
	}
	page, err := y.s.Jobs.List(y.t.Context(), store.ListJobs{Tenant: tenant, Sort: store.SortCreated, Limit: 1_000_000})
	if err != nil {
		y.t.Fatal(err)
	}
	for _, j := range page.Jobs {
		if !jobs[j.ID] {
			y.t.Errorf("job %s of %s belongs to no nominal", j.ID, j.Name)
		}
		delete(jobs, j.ID)
	}
	for id := range jobs {
		y.t.Errorf("job %s of a nominal does not exist", id)
	}
	y.t.Logf("%d nominals fired with %d jobs, %d silences, by reason: %v", fired, len(page.Jobs), len(y.quiet), skips)
	if len(y.plots) < 200 {
		return
	}
	for _, r := range []agenda.Reason{
		agenda.ReasonOverlap, agenda.ReasonSuperseded, agenda.ReasonBufferFull, agenda.ReasonMissed, agenda.ReasonMissedWindow, agenda.ReasonCoalesced,
		agenda.ReasonCatchUpLimit, agenda.ReasonMinInterval, agenda.ReasonDeadline, "holiday", "non_session", "only_in", "excluded",
	} {
		if skips[r] == 0 {
			y.t.Errorf("nothing is skipped for the reason %s: the year is too tame", r)
		}
	}
}

// compare compares the history of a schedule with its life, and notes its jobs.
func (y *year) compare(l *life, jobs map[string]bool) {
	y.t.Helper()
	left := maps.Clone(l.fates)
	bad := func(at time.Time, format string, args ...any) {
		if l.wrong++; l.wrong <= 3 {
			y.t.Errorf("%s %s (%s), %s, %+v: %s", l.name, l.what, l.id, at.Format(time.RFC3339Nano), l.policy, fmt.Sprintf(format, args...))
		}
	}
	var all []time.Time
	for at := range l.fates {
		all = append(all, at)
	}
	for after := (*store.HistoryMark)(nil); ; {
		page, err := y.s.Schedules.History(y.t.Context(), store.ListHistory{Tenant: tenant, ID: l.id, After: after, Limit: 500})
		if err != nil {
			y.t.Fatal(err)
		}
		for _, e := range page.Entries {
			after = e.Mark()
			if e.Reason != "" {
				n := int64(0)
				for _, at := range all {
					if at.Before(e.Run.Nominal) || at.After(e.Last) {
						continue
					}
					n++
					if f := left[at]; f == nil {
						bad(at, "has two entries in the history")
					} else if f.Reason != e.Reason {
						bad(at, "skipped for %s, the reading says %+v", e.Reason, *f)
					}
					delete(left, at)
				}
				if n != e.Count {
					bad(e.Run.Nominal, "%d nominals skipped for %s until %v, the reading has %d", e.Count, e.Reason, e.Last, n)
				}
				continue
			}
			f, at := left[e.Run.Nominal], e.Run.Nominal
			delete(left, at)
			jobs[e.Run.JobID] = true
			if f == nil {
				bad(at, "fired; the reading does not know it, or twice")
				continue
			}
			if e.Run.Reason != f.Reason || e.Run.Source != f.Source || !e.Run.Due.Equal(f.Due) || !e.Run.DecidedAt.Equal(f.Decided) {
				bad(at, "%+v, the reading says %+v", e.Run, *f)
			}
			if f.Reason == "" && (!e.Run.StartedAt.Equal(f.Start) || !e.Run.EndedAt.Equal(f.End)) {
				bad(at, "ran from %v to %v, the reading says %+v", e.Run.StartedAt, e.Run.EndedAt, *f)
			}
		}
		if !page.More {
			break
		}
	}
	for at, f := range left {
		bad(at, "is not in the history, the reading says %+v", *f)
	}
	y.counters(l)
}

// counters compares what a schedule counts itself.
func (y *year) counters(l *life) {
	y.t.Helper()
	s, err := y.s.Schedules.Schedule(y.t.Context(), tenant, l.id)
	if err != nil {
		y.t.Fatal(err)
	}
	skips, fired := map[agenda.Reason]int64{}, 0
	for _, f := range l.fates {
		if f.Reason == "" {
			fired++
		} else {
			skips[f.Reason]++
		}
	}
	if s.State.RunCount != fired || s.State.Runs != fired || !maps.Equal(s.State.Skips, skips) {
		y.t.Errorf("%s: counts %d, %d runs and %v, the reading %d and %v", l.name, s.State.RunCount, s.State.Runs, s.State.Skips, fired, skips)
	}
	if (s.State.Status == agenda.Finished) != l.finished() {
		y.t.Errorf("%s is %s", l.name, s.State.Status)
	}
}
