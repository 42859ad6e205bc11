package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// timetable are schedules that are all due at the same moments.
type timetable struct {
	s      *server
	ids    []string
	period time.Duration
	// from and last are the first and the last moment that was measured.
	from, last time.Time
}

// schedules measures many schedules: a look while none is due, and how long it takes
// until all have fired that are due at one moment. The server's own planner fires them,
// by the real clock; the jobs wait.
func (b *bench) schedules(ctx context.Context) (err error) {
	s, err := b.place(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove(context.WithoutCancel(ctx))) }()
	t := &timetable{s: s, period: periodOf(b.Jobs)}
	b.Say(fmt.Sprintf("schedules: adding %d", b.Jobs))
	if err := t.fill(ctx); err != nil {
		return err
	}
	// Before all rounds, of which each is to meet the next moment.
	for range b.Runs {
		if err := b.schedulesLimits(ctx); err != nil {
			return err
		}
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := b.each(ctx, func() error { return b.profiled("schedules", func() error { return t.round(ctx) }) }); err != nil {
		return err
	}
	return t.check(ctx)
}

// periodOf is how far apart the moments are: enough for all to fire, and to look at
// them afterwards.
func periodOf(schedules int) time.Duration {
	switch {
	case schedules <= 1000:
		return 5 * time.Second
	case schedules <= 20_000:
		return 20 * time.Second
	}
	return time.Minute
}

func (t *timetable) cron() string {
	if t.period == time.Minute {
		return "* * * * *"
	}
	return fmt.Sprintf("*/%d * * * * *", t.period/time.Second)
}

// openStore opens the database before a server does.
func (s *server) openStore(ctx context.Context) (store.Store, error) {
	if s.url != "" {
		return postgres.Open(ctx, postgres.Options{URL: s.url})
	}
	return sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(s.data, "runsheet.db")})
}

// fill adds the schedules while no server runs, which would fire them already.
func (t *timetable) fill(ctx context.Context) (err error) {
	st, err := t.s.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Health.Close()) }()
	now := clock.System{}.Now().UTC()
	tmpl, err := st.Templates.Create(ctx, store.PutTemplate{Template: job.Template{
		ID: id.New(id.Template, now), Tenant: access.DefaultTenant, Version: 1, Name: "bench", Type: noopType, Params: []byte(`{}`),
		Priority: job.PriorityNormal, CreatedBy: "bench", CreatedAt: now, UpdatedAt: now,
	}})
	if err != nil {
		return err
	}
	next := now.Truncate(t.period).Add(t.period)
	t.ids = make([]string, t.s.b.Jobs)
	var all sync.WaitGroup
	var at atomic.Int64
	errs := make(chan error, 64)
	for range cap(errs) {
		all.Go(func() {
			for i := int(at.Add(1)) - 1; i < len(t.ids); i = int(at.Add(1)) - 1 {
				n := agenda.Schedule{ID: id.New(id.Schedule, now), Tenant: access.DefaultTenant, CreatedBy: "bench", CreatedAt: now, UpdatedAt: now}
				n.Name, n.Zone, n.Policy = fmt.Sprintf("s%07d", i), "UTC", agenda.NewPolicy()
				n.Policy.Overlap = agenda.OverlapAllow // nothing runs, and the next moment is as the one before
				n.Trigger, n.Target.TemplateID = fmt.Appendf(nil, `{"trigger":{"type":"CRON","expression":%q}}`, t.cron()), tmpl.ID
				n.State = agenda.State{}.Begin(now)
				n.State.Cursor, n.State.Next, n.State.NextNominal = next.Add(-t.period), next, next
				made, err := st.Schedules.Create(ctx, store.PutSchedule{Schedule: n, By: "bench"})
				if err != nil {
					errs <- fmt.Errorf("add schedule: %w", err)
					return
				}
				t.ids[i] = made.ID
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}

// due waits until nothing is due, and returns when all are due next.
func (t *timetable) due(ctx context.Context) (at time.Time, err error) {
	err = until(ctx, "what was due has fired", 5*time.Millisecond, func() (bool, error) {
		d, err := t.s.store.Schedules.NextDue(ctx, time.Time{})
		at = d.At
		// A claim that is under way ends much later than the next moment.
		return err == nil && d.At.After(d.Now) && d.At.Sub(d.Now) <= t.period, err
	})
	return at, err
}

func (t *timetable) waiting(ctx context.Context) (int, error) {
	counts, err := t.s.store.Jobs.Counts(ctx, "")
	return counts[job.Queued], err
}

// round measures one moment at which all are due.
func (t *timetable) round(ctx context.Context) error {
	b, n := t.s.b, len(t.ids)
	at, before, err := t.quiet(ctx)
	if err != nil {
		return err
	}
	if t.from.IsZero() {
		t.from = at
	}
	t.last = at
	if err := clock.Sleep(ctx, clock.System{}, at.Sub(clock.System{}.Now())); err != nil {
		return err
	}
	if err := until(ctx, "all fire", 5*time.Millisecond, func() (bool, error) {
		if since(at) >= t.period {
			return false, fmt.Errorf("%d schedules have not fired after %v, when they are due again", n, t.period)
		}
		d, err := t.s.store.Schedules.NextDue(ctx, time.Time{})
		if err != nil || !d.At.After(at) {
			return false, err
		}
		now, err := t.waiting(ctx) // some may be claimed and not fired yet
		return now == before+n, err
	}); err != nil {
		return err
	}
	took := since(at)
	path := "planner: claim, decision, job in the queue, durable"
	b.note(report.SchedulesDue, path, n, ms(took))
	b.note(report.SchedulesRate, path, n, float64(n)/took.Seconds())
	return t.looks(ctx, at.Add(t.period))
}

// quiet waits until nothing is under way, and returns the next moment and how many jobs
// wait before it.
func (t *timetable) quiet(ctx context.Context) (at time.Time, jobs int, err error) {
	err = until(ctx, "the schedules rest", 100*time.Millisecond, func() (bool, error) {
		if at, err = t.due(ctx); err != nil {
			return false, err
		}
		first, err := t.waiting(ctx)
		if err != nil || clock.Sleep(ctx, clock.System{}, 200*time.Millisecond) != nil {
			return false, err
		}
		jobs, err = t.waiting(ctx)
		return jobs == first && clock.System{}.Now().Before(at), err
	})
	return at, jobs, err
}

// looks measures what a planner does when it looks and nothing is due: a claim that
// finds nothing, and the question when to look again.
func (t *timetable) looks(ctx context.Context, next time.Time) error {
	never := errors.New("nothing is due")
	p := planner.New(planner.Options{
		Store: t.s.store.Schedules, By: "bench",
		Compile: func(context.Context, agenda.Schedule) (planner.Compiled, error) { return planner.Compiled{}, never },
		Compose: func(context.Context, agenda.Schedule) (job.Job, error) { return job.Job{}, never },
	})
	var all []time.Duration
	for range looks {
		// A look at the moment itself would take schedules away from the server.
		if next.Sub(clock.System{}.Now()) < t.period/5 {
			break
		}
		at := clock.System{}.Now()
		if more, err := p.Tick(ctx); err != nil || more {
			return errors.Join(errors.New("something is due while nothing should be"), err)
		}
		if _, err := t.s.store.Schedules.NextDue(ctx, time.Time{}); err != nil {
			return err
		}
		all = append(all, since(at))
	}
	if len(all) == 0 {
		return fmt.Errorf("%d schedules take so long to fire that none of %v is idle", len(t.ids), t.period)
	}
	slices.Sort(all)
	t.s.b.note(report.SchedulesTick, "planner: one look that finds nothing due", len(t.ids), us(report.Percentile(all, 50)))
	return nil
}

// checked is how many schedules' histories are read, at equal distances.
const checked = 1000

// check returns an error unless the schedules fired once at each moment, and at no
// other.
func (t *timetable) check(ctx context.Context) error {
	want := int(t.last.Sub(t.from)/t.period) + 1
	for i := 0; i < len(t.ids); i += max(1, len(t.ids)/checked) {
		h, err := t.s.store.Schedules.History(ctx, store.ListHistory{
			Tenant: access.DefaultTenant, ID: t.ids[i], From: t.from, Before: t.last.Add(time.Millisecond), Limit: want + 1,
		})
		if err != nil {
			return err
		}
		if len(h.Entries) != want {
			return fmt.Errorf("schedule %s fired %d times in %d moments", t.ids[i], len(h.Entries), want)
		}
	}
	return nil
}
