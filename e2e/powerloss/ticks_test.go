package powerloss

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
)

// The schedules of this test, by name: one that fires each second, one
// that is set off by its jobs, and one whose jobs need an approval.
const (
	everySecond = "every-second"
	setOff      = "set-off"
	approved    = "approved"
)

// clockwork is a machine whose schedules go on from second to second.
type clockwork struct {
	*world
	planner *planner.Planner
	boots   int
	// told is the last instant whose decisions were acknowledged.
	told time.Time
}

// TestPowerLossOfTicks cuts the power at one change of the disk after the other
// while schedules fire, jobs end and people approve: at each third of two seconds, at
// each single one of ten with RUNSHEET_CHAOS=full. After the restart everything that was
// decided is there, nothing is there by half, and in the end each nominal has fired
// exactly once.
func TestPowerLossOfTicks(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	base := newClockwork(t, "base", scratch)
	defer base.close(t)
	n, o := base.diskOptions(Options{})
	base.disk = NewDisk(n, o)
	if err := base.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{everySecond, setOff, approved} {
		s := agenda.Schedule{ID: "sched_" + name, Tenant: tenant, CreatedBy: "ann", ChangedBy: "ann", CreatedAt: start, UpdatedAt: start}
		s.Name, s.Zone, s.Policy, s.State, s.Mode = name, "UTC", agenda.NewPolicy(), agenda.State{}.Begin(start), agenda.ModeAuto
		s.Policy.Overlap, s.Policy.Missed = agenda.OverlapQueueAll, agenda.MissedAll
		if name == approved {
			s.Mode = agenda.ModeApproval
		}
		if name == setOff {
			s.On = agenda.On{Event: agenda.JobCompleted, Subject: "sched_" + everySecond}
		}
		if _, err := base.store.Schedules.Create(t.Context(), store.PutSchedule{Schedule: s}); err != nil {
			t.Fatal(err)
		}
	}
	if err := base.shut(); err != nil {
		t.Fatal(err)
	}
	seconds, stride := 2, 3
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		seconds, stride = 10, 1
	}
	cuts, found := base.cuts(t, "", seconds, stride)
	for _, err := range found {
		t.Error(err)
	}
	t.Logf("%d cuts", cuts)
	if len(found) == 0 && cuts < 50 {
		t.Errorf("%d cuts prove nothing", cuts)
	}
	// The same is worth something only if it sees a store that does not sync.
	if _, found = base.cuts(t, "NORMAL", 2, 25); len(found) == 0 {
		t.Error("no loss seen with synchronous=NORMAL")
	}
}

// cuts lives once for each stride-th change of the disk, until there are no more, and
// returns what went wrong, at most five times.
func (w *clockwork) cuts(t *testing.T, synchronous string, seconds, stride int) (cuts int, found []error) {
	t.Helper()
	for at := 1; len(found) < 5; at += stride {
		x := newClockwork(t, fmt.Sprintf("cut-%s-%d", synchronous, at), w.scratch)
		if x.synchronous = synchronous; synchronous != "" {
			x.checkpoint = "" // a checkpoint would sync what a commit does not
		}
		name, o := x.diskOptions(Options{CutAt: at})
		o.Seed += uint64(at)
		x.disk = w.disk.Clone(name, o)
		whole, err := x.live(t.Context(), seconds)
		x.close(t)
		if err != nil {
			found = append(found, fmt.Errorf("cut at change %d: %w", at, err))
		}
		if whole {
			break
		}
		cuts++
	}
	return cuts, found
}

func newClockwork(t *testing.T, name, scratch string) *clockwork {
	w := newWorld(strings.ReplaceAll(t.Name(), "/", "-")+"-"+name, 1, scratch)
	w.checkpoint = "wal_autocheckpoint(20)" // so that cuts fall into checkpoints too
	return &clockwork{world: w}
}

func (w *clockwork) close(t *testing.T) {
	t.Helper()
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

// start boots the machine and makes its planner, which takes over from the dead one.
func (w *clockwork) start(ctx context.Context) error {
	if err := w.boot(ctx); err != nil {
		return err
	}
	w.boots++
	by := fmt.Sprint("planner-", w.boots)
	triggers := map[string]*schedule.Trigger{}
	for name, spec := range map[string]schedule.Spec{
		everySecond: {Kind: schedule.KindCron, Cron: schedule.CronSpec{Expressions: []string{"* * * * * *"}}},
		setOff:      {Kind: schedule.KindOn, On: schedule.OnSpec{Event: string(agenda.JobCompleted), Subject: "sched_" + everySecond}},
		approved:    {Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: time.Second}},
	} {
		t, err := schedule.Compile(spec, schedule.Calendars{})
		if err != nil {
			return err
		}
		triggers[name] = t
	}
	w.planner = planner.New(planner.Options{
		Store: w.store.Schedules, By: by, OwnClock: true, Clock: w.clock,
		Compile: func(_ context.Context, s agenda.Schedule) (planner.Compiled, error) {
			return planner.Compiled{Trigger: triggers[s.Name]}, nil
		},
		Compose: func(_ context.Context, s agenda.Schedule) (job.Job, error) {
			return job.Job{
				ID: id.New(id.Job, w.clock.Now()), Name: s.Name, Type: "command", Params: []byte(`{}`),
				Priority: job.PriorityNormal, OnCrash: job.CrashRetry, CreatedBy: "ann",
			}, nil
		},
	})
	return w.store.Schedules.Claims(ctx, store.KeepClaims{By: by, Others: true, Now: w.clock.Now()})
}

// live goes on for some seconds, with the cut somewhere, then recovers, checks, and
// goes on for some more. whole: the cut never came.
func (w *clockwork) live(ctx context.Context, seconds int) (whole bool, err error) {
	w.ledger.registered = true
	err = w.start(ctx)
	for range seconds {
		if err != nil {
			break
		}
		w.clock.Advance(time.Second)
		err = w.second(ctx)
	}
	if whole = !w.disk.Off(); whole && err != nil {
		return false, err
	}
	if err := w.cutAndRestore(Options{}); err != nil {
		return whole, err
	}
	if err := w.start(ctx); err != nil {
		return whole, fmt.Errorf("boot after the cut: %w", err)
	}
	if err := w.judge(ctx, w.told); err != nil {
		return whole, fmt.Errorf("after the cut: %w", err)
	}
	// An attempt that ran when the power went is ended as its instance would be.
	if err := w.rescue(ctx); err != nil {
		return whole, err
	}
	for range 2 {
		w.clock.Advance(time.Second)
		if err := w.second(ctx); err != nil {
			return whole, fmt.Errorf("going on: %w", err)
		}
	}
	if err := w.judge(ctx, w.clock.Now()); err != nil {
		return whole, fmt.Errorf("in the end: %w", err)
	}
	return whole, nil
}

// second does everything that falls to now: nominals, approvals and jobs, until
// nothing is left.
func (w *clockwork) second(ctx context.Context) error {
	for range 20 {
		if err := w.planner.Work(ctx); err != nil {
			return err
		}
		w.told = w.clock.Now()
		open, err := w.store.Approvals.List(ctx, store.ListApprovals{Tenant: tenant, Statuses: []approval.Status{approval.Pending}, Limit: 100})
		if err != nil {
			return err
		}
		for _, r := range open.Requests {
			if _, err := w.store.Approvals.Decide(ctx, store.DecideApproval{
				Tenant: tenant, ID: r.ID, Approve: true, By: approval.Person{Name: "bob"}, ContentHash: r.ContentHash, Now: w.clock.Now(),
			}); err != nil {
				return err
			}
		}
		got, err := w.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: instance, Now: w.clock.Now(), Room: 10, Decide: claim.Decide})
		if err != nil {
			return err
		}
		if len(got.Started) == 0 && len(open.Requests) == 0 {
			return nil
		}
		for _, s := range got.Started {
			if err := w.succeed(ctx, s.Job, s.Run); err != nil {
				return err
			}
		}
	}
	return errors.New("it never comes to rest")
}

func (w *clockwork) succeed(ctx context.Context, j job.Job, r run.Run) error {
	jc, err := job.Apply(j, job.Succeeded{At: w.clock.Now()})
	if err != nil {
		return err
	}
	rc, err := run.Apply(r, run.Succeeded{At: w.clock.Now()})
	if err != nil {
		return err
	}
	return w.store.Jobs.Finish(ctx, []store.Finish{{Job: jc, Run: rc}})[0]
}

func (w *clockwork) rescue(ctx context.Context) error {
	page, err := w.store.Jobs.List(ctx, store.ListJobs{Tenant: tenant, States: []job.State{job.Running}, Sort: store.SortCreated, Limit: 1000})
	if err != nil {
		return err
	}
	for _, j := range page.Jobs {
		if j, err = w.store.Jobs.Job(ctx, tenant, j.ID); err != nil {
			return err
		}
		r, err := w.store.Runs.Run(ctx, tenant, j.RunID)
		if err != nil {
			return err
		}
		if err := w.succeed(ctx, j, r); err != nil {
			return err
		}
	}
	return nil
}

// tickRules are facts that every transaction of a schedule keeps; each query selects
// what breaks one.
var tickRules = []struct{ text, query string }{
	{"a job without its fire key", `SELECT job_id FROM jobs j WHERE (SELECT count(*) FROM schedule_runs r WHERE r.job_id = j.job_id) <> 1`},
	{"a fire key without its job", `SELECT nominal_ms FROM schedule_runs r WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job_id = r.job_id)`},
	{"a nominal that fired and was skipped", `SELECT r.nominal_ms FROM schedule_runs r JOIN schedule_skips s ON s.schedule_id = r.schedule_id
		AND r.nominal_ms BETWEEN s.nominal_ms AND s.last_ms`},
	{"a fire key beyond the cursor", `SELECT r.nominal_ms FROM schedule_runs r JOIN schedules s ON s.schedule_id = r.schedule_id WHERE r.nominal_ms > s.cursor_ms`},
	{"a nominal up to the cursor that did not fire", `SELECT s.name FROM schedules s WHERE s.name <> 'set-off' AND
		(s.cursor_ms - s.created_ms) / 1000 <> (SELECT count(*) FROM schedule_runs r WHERE r.schedule_id = s.schedule_id)`},
	{"a job that starts without its approval", `SELECT job_id FROM jobs j WHERE name = 'approved' AND NOT EXISTS (SELECT 1 FROM approvals a
		WHERE a.subject_id = j.job_id AND (a.status = 'APPROVED' OR j.attempt = 0))`},
	{"an approval about no job", `SELECT approval_id FROM approvals a WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job_id = a.subject_id)`},
	{"a job that has ended without setting off the schedule that waits for it", `SELECT job_id FROM jobs j WHERE name = 'every-second' AND
		(state = 'COMPLETED') <> (SELECT count(*) FROM schedule_events e WHERE e.about = j.job_id)`},
	{"a happening that came to nothing", `SELECT about FROM schedule_events e JOIN schedules s ON s.schedule_id = e.schedule_id WHERE e.nominal_ms > 0
		AND e.nominal_ms <= s.cursor_ms AND NOT EXISTS (SELECT 1 FROM schedule_runs r WHERE r.schedule_id = e.schedule_id AND r.nominal_ms = e.nominal_ms)`},
}

// judge asks SQLite itself, and compares what fired up to an instant with the
// seconds until then.
func (w *clockwork) judge(ctx context.Context, until time.Time) error {
	c := &checker{w: w.world}
	if err := c.database(ctx); err != nil {
		return err
	}
	if len(c.found) > 0 {
		return fmt.Errorf("%v", c.found)
	}
	d := w.disk.Driver("")
	db, err := sql.Open(d.Name, d.DSN(dbPath, []string{"busy_timeout(5000)"}, true))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, r := range tickRules {
		var broken string
		if err := db.QueryRowContext(ctx, r.query).Scan(&broken); err == nil {
			return fmt.Errorf("%s: %s", r.text, broken)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("look for %s: %w", r.text, err)
		}
	}
	for _, name := range []string{everySecond, approved} {
		var fired int
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM schedule_runs r JOIN schedules s ON s.schedule_id = r.schedule_id
			WHERE s.name = $1 AND nominal_ms <= $2`, name, until.UnixMilli()).Scan(&fired); err != nil {
			return err
		}
		if want := max(0, int(until.Sub(start)/time.Second)); fired != want {
			return fmt.Errorf("%s fired %d times until %v, want %d", name, fired, until, want)
		}
	}
	return nil
}
