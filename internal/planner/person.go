package planner

import (
	"context"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// This file has what persons do with schedules besides editing them. It goes the
// way of the planner: agenda decides, the store writes.

// bind completes a job with what its schedule says of this run.
func bind(j job.Job, s agenda.Schedule, d agenda.Decision, now time.Time) job.Job {
	if j.ID == "" {
		j.ID = id.New(id.Job, now)
	}
	j.Tenant, j.Trigger = s.Tenant, job.TriggerSchedule
	if d.Source == agenda.SourceManual {
		j.Trigger = job.TriggerManual
	}
	if j.CreatedBy == "" {
		j.CreatedBy = s.CreatedBy
	}
	j.CreatedAt, j.QueuedAt = now, now
	if d.NotBefore.After(now) {
		j.NotBefore = d.NotBefore
	}
	if !d.StartDeadline.IsZero() {
		j.StartDeadline = d.StartDeadline
	}
	if d.Serial {
		j.Locks = append(slices.Clone(j.Locks), agenda.LockName(s.ID))
		slices.Sort(j.Locks)
		j.Locks = slices.Compact(j.Locks)
	}
	return j
}

// Ask says whom a wish is from.
type Ask struct {
	Tenant, Schedule string // Schedule is an id or a name
	By               string
	Key              *store.Key
	Audit            *audit.Entry
}

// tries bounds how often a wish is repeated when a planner came in between.
const tries = 5

// look reads a schedule and makes it ready for a decision at the time it returns.
func (p *Planner) look(ctx context.Context, a Ask) (store.DueSchedule, agenda.Input, error) {
	d, err := p.o.Store.Look(ctx, a.Tenant, a.Schedule)
	if err != nil {
		return d, agenda.Input{}, err
	}
	c, err := p.o.Compile(ctx, d.Schedule)
	if err != nil {
		return d, agenda.Input{}, err
	}
	next, err := p.o.Store.NextDue(ctx, p.now())
	return d, agenda.Input{Schedule: d.Schedule, Trigger: c.Trigger, Calendars: c.Calendars, Runs: d.Runs, Now: next.Now}, err
}

// carryOut decides with plan until no planner comes in between, and returns the
// jobs.
func (p *Planner) carryOut(ctx context.Context, a Ask, plan func(agenda.Input) (agenda.Outcome, error)) (jobs []job.Job, err error) {
	for range tries {
		d, in, err := p.look(ctx, a)
		if err != nil {
			return nil, err
		}
		o, err := plan(in)
		if err != nil {
			return nil, err
		}
		item := decided(d, in.Now, o)
		item.By, item.Key, item.Audit = a.By, a.Key, a.Audit
		for _, x := range o.Decisions {
			if !x.Fire {
				continue
			}
			j, err := p.o.Compose(ctx, d.Schedule)
			if err != nil {
				return nil, err
			}
			j.CreatedBy = a.By
			if err := start(&item, bind(j, d.Schedule, x, in.Now), d.Schedule, x, a.By); err != nil {
				return nil, err
			}
		}
		if n := len(item.Jobs); n > 0 {
			item.Outcome.State.Last.JobID = item.Jobs[n-1].ID
		}
		errs, err := p.o.Store.Decide(ctx, []store.Decided{item})
		if err != nil {
			return nil, err
		}
		if errs[0] == nil {
			p.Wake()
			return item.Jobs, nil
		}
	}
	return nil, fault.Newf(fault.Conflict, "schedule %s changes at this moment", a.Schedule)
}

// RunNow starts a run beside the plan: neither the cursor nor the next nominal
// moves. Errors as agenda.PlanNow; *store.Replay when the key was seen.
func (p *Planner) RunNow(ctx context.Context, a Ask, r agenda.RunNow) (job.Job, error) {
	jobs, err := p.carryOut(ctx, a, func(in agenda.Input) (agenda.Outcome, error) { return agenda.PlanNow(in, r) })
	if err != nil {
		return job.Job{}, err
	}
	return jobs[0], nil
}

// SkipNext skips the next count nominals that would fire, and returns them.
func (p *Planner) SkipNext(ctx context.Context, a Ask, count int) ([]time.Time, error) {
	var err error
	for range tries {
		d, in, e := p.look(ctx, a)
		if e != nil {
			return nil, e
		}
		st, got, e := in.SkipNextOf(count)
		if e != nil {
			return nil, e
		}
		d.Schedule.State = st
		_, err = p.o.Store.Update(ctx, store.PutSchedule{Schedule: d.Schedule, Epoch: d.Epoch, By: a.By, Key: a.Key, Audit: a.Audit})
		if !fault.Is(err, fault.Conflict) {
			return got, err
		}
	}
	return nil, err
}

// Backfill runs nominals of the past; with dry it only lists them. Errors as
// agenda.PlanBackfill.
func (p *Planner) Backfill(ctx context.Context, a Ask, b agenda.Backfill, dry bool) ([]agenda.Decision, []job.Job, error) {
	var list []agenda.Decision
	plan := func(in agenda.Input) (agenda.Outcome, error) {
		fired, err := p.fired(ctx, a, b)
		if err != nil {
			return agenda.Outcome{}, err
		}
		b.Fired = fired
		o, err := agenda.PlanBackfill(in, b)
		list = o.Decisions
		return o, err
	}
	if dry {
		_, in, err := p.look(ctx, a)
		if err == nil {
			_, err = plan(in)
		}
		return list, nil, err
	}
	jobs, err := p.carryOut(ctx, a, plan)
	return list, jobs, err
}

// fired lists the nominals of an interval that have fired.
func (p *Planner) fired(ctx context.Context, a Ask, b agenda.Backfill) (map[int64]bool, error) {
	out := map[int64]bool{}
	ask := store.ListHistory{Tenant: a.Tenant, ID: a.Schedule, Kind: store.HistoryRun, From: b.From, Before: b.To, Limit: agenda.MaxBackfill}
	for {
		page, err := p.o.Store.History(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Entries {
			ask.After = e.Mark()
			if e.Run.Reason == "" && e.Run.Source != agenda.SourceManual {
				out[e.Run.Nominal.UnixMilli()] = true
			}
		}
		if !page.More {
			return out, nil
		}
	}
}
