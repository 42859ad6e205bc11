package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/almanac"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/health"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
)

// startPlanner fires schedules until the server stops.
func (a *App) startPlanner(ctx context.Context) error {
	composer, err := api.NewComposer(a.apiOptions())
	if err != nil {
		return fmt.Errorf("make composer: %w", err)
	}
	s, name := a.o.Config.Schedules, plannerName(a.o.Clock.Now())
	a.planner = planner.New(planner.Options{
		Store: a.store.Schedules, Watch: a.store.Events.Watch, Compile: a.compileSchedule, Compose: composeSchedule(composer), Unique: uniqueRule(composer),
		By: name, Exclusive: a.exclusive(), Poll: s.Poll, TTL: s.ClaimTTL, MaxClaim: s.MaxClaim,
		Clock: a.o.Clock, Logger: a.log,
	})
	a.checks = append(a.checks, health.Check{Name: "schedules", Run: func(context.Context) (string, error) {
		return "", health.Degrade(a.planner.Err())
	}})
	// Before the planner runs, so that it sees them with its first look.
	if err := a.store.Happenings.Started(ctx, store.ServerStarted{By: name}); err != nil {
		return fmt.Errorf("set off schedules with @reboot: %w", err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := a.planner.Run(run)
		done <- err
		if err != nil {
			a.fail(fmt.Errorf("planner: %w", err))
		}
	}()
	a.onStop("planner", func() error {
		stop()
		return <-done
	})
	return nil
}

// plannerName is host:pid:boot. The last part is this start's own: in a container
// every start may have the same process id.
func plannerName(now time.Time) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d:%s", host, os.Getpid(), id.New("boot", now))
}

// compileSchedule is planner.Options.Compile.
func (a *App) compileSchedule(ctx context.Context, s agenda.Schedule) (planner.Compiled, error) {
	var in wire.TimingInput
	err := json.Unmarshal(s.Trigger, &in)
	if err != nil {
		return planner.Compiled{}, fault.Wrap(err, fault.TriggerInvalid, "it cannot be read: "+err.Error())
	}
	zone := a.zone()
	if s.Zone != "" {
		if zone, err = schedule.LoadZone(s.Zone); err != nil {
			return planner.Compiled{}, err
		}
	}
	// The version is read before the calendars: if they change in between, the
	// schedule is planned again.
	var version int64
	if s.UsesCalendar {
		if version, err = a.store.Calendars.Version(ctx, s.Tenant); err != nil {
			return planner.Compiled{}, err
		}
	}
	t, err := in.Compile(lateCalendars{ctx, a.almanac, s.Tenant}, zone, s.ID)
	return planner.Compiled{Trigger: t, Calendars: version}, err
}

// lateCalendars finds a tenant's calendars, and reads them only if one is named:
// most schedules need none.
type lateCalendars struct {
	ctx    context.Context //nolint:containedctx // it lives as long as one compilation
	of     *almanac.Almanac
	tenant string
}

// Resolve implements timetable.Finder.
func (l lateCalendars) Resolve(spec calendar.Spec) (*calendar.Calendar, error) {
	set, err := l.of.Of(l.ctx, l.tenant)
	if err != nil {
		return nil, err
	}
	return set.Resolve(spec)
}

// composeSchedule is planner.Options.Compose. Whether its author may start this job
// was looked at when the schedule was made or changed, so nothing is refused now
// that was allowed then.
func composeSchedule(c *api.Composer) func(context.Context, agenda.Schedule) (job.Job, error) {
	return func(ctx context.Context, s agenda.Schedule) (job.Job, error) {
		body, err := s.Target.Input()
		if err != nil {
			return job.Job{}, err
		}
		j, err := c.Compose(ctx, author(s), body)
		if len(s.Target.Job) > 0 && j.Name == j.Type {
			j.Name = s.Name // a list of jobs that are all named "command" helps nobody
		}
		return j, err
	}
}

func author(s agenda.Schedule) access.Principal {
	return access.Principal{Name: cmp.Or(s.CreatedBy, "schedule"), Tenant: s.Tenant, Roles: []access.Role{access.Admin}}
}

// uniqueRule is planner.Options.Unique.
func uniqueRule(c *api.Composer) func(context.Context, agenda.Schedule) (*store.Unique, error) {
	return func(ctx context.Context, s agenda.Schedule) (*store.Unique, error) {
		body, err := s.Target.Input()
		if err != nil {
			return nil, err
		}
		return c.Unique(ctx, author(s), body)
	}
}

// expireHappenings deletes what is told of nominals that did not fire, and of what
// set schedules off, when it is as old as runs that are deleted.
func (a *App) expireHappenings(ctx context.Context) error {
	// What paused schedules keep is bounded also when nothing gets too old.
	var before time.Time
	if days := a.o.Config.RetentionDays; days > 0 {
		before = a.o.Clock.Now().AddDate(0, 0, -days)
	}
	for {
		n, err := a.store.Happenings.Expire(ctx, store.ExpireHappenings{Before: before, Limit: 10 * expireBatch})
		if err != nil || n == 0 {
			return err
		}
		if err := clock.Sleep(ctx, a.o.Clock, batchPause); err != nil {
			return err
		}
	}
}
