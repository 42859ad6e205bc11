package api

import (
	"context"
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
)

// Planner does what persons want of schedules besides editing them; it is a
// *planner.Planner.
type Planner interface {
	// RunNow starts a run beside the plan; conflict when the overlap policy or the
	// minimum interval stands in the way, *store.Replay when the key was seen.
	RunNow(ctx context.Context, a planner.Ask, r agenda.RunNow) (job.Job, error)
	// SkipNext skips the next count nominals that would fire, and returns them.
	SkipNext(ctx context.Context, a planner.Ask, count int) ([]time.Time, error)
	// Backfill runs nominals of the past; with dry it only lists them.
	Backfill(ctx context.Context, a planner.Ask, b agenda.Backfill, dry bool) ([]agenda.Decision, []job.Job, error)
	// Wake makes it look at once.
	Wake()
}

// turn pauses or resumes the schedule that the path names.
func (s *service) turn(r *request, action audit.Action, reason string, state func(agenda.State) agenda.State) (reply, error) {
	return again(func() (reply, error) {
		d, set, err := s.look(r)
		if err != nil {
			return reply{}, err
		}
		if err := s.mayDirect(r, d.Schedule.Target); err != nil {
			return reply{}, err
		}
		n, now := d.Schedule, s.now()
		n.State, n.UpdatedAt = state(n.State), now
		render := func(n agenda.Schedule) reply {
			return reply{Status: http.StatusOK, ETag: etag(int64(n.Version)), Body: wire.ScheduleOf(n, set, now)}
		}
		c := change{Action: action}
		if reason != "" {
			c.Detail = map[string]string{"reason": reason}
		}
		n, err = s.storeSchedule(r, d, n, scheduleChange{c, keyed(r, render), set})
		if err != nil {
			return reply{}, err
		}
		return render(n), nil
	})
}

func (s *service) pauseSchedule(r *request) (reply, error) {
	var in wire.Reason
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	now := s.now()
	return s.turn(r, audit.SchedulePaused, in.Reason, func(st agenda.State) agenda.State {
		if st.Status == agenda.Finished {
			return st // there is nothing to pause
		}
		return st.Pause(now, r.principal.Name, in.Reason)
	})
}

func (s *service) resumeSchedule(r *request) (reply, error) {
	var in wire.ResumeInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	now := s.now()
	return s.turn(r, audit.ScheduleResumed, in.Reason, func(st agenda.State) agenda.State { return st.Resume(now, in.CatchUp) })
}

// ask begins what the planner does for a person with the schedule that the path
// names.
func (s *service) ask(r *request, action audit.Action, detail map[string]string) (planner.Ask, agenda.Schedule, *calendar.Set, error) {
	d, set, err := s.look(r)
	if err != nil {
		return planner.Ask{}, d.Schedule, set, err
	}
	if err := s.mayDirect(r, d.Schedule.Target); err != nil {
		return planner.Ask{}, d.Schedule, set, err
	}
	if s.Planner == nil {
		return planner.Ask{}, d.Schedule, set, fault.New(fault.StorageUnavailable, "this server plans no schedules")
	}
	entry, err := s.record(r, change{Action: action, Object: d.Schedule.ID, Name: d.Schedule.Name, Detail: detail})
	return planner.Ask{Tenant: r.tenant(), Schedule: d.Schedule.ID, By: r.principal.Name, Audit: entry}, d.Schedule, set, err
}

func (s *service) runSchedule(r *request) (reply, error) {
	var in wire.RunNowInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	detail := map[string]string{}
	if in.Overlap != "" {
		detail["overlap"] = in.Overlap
	}
	if in.Force {
		detail["force"] = "true"
	}
	a, _, _, err := s.ask(r, audit.ScheduleRun, detail)
	if err != nil {
		return reply{}, err
	}
	sit, err := s.Store.Jobs.Situation(r.Context(), nil)
	if err != nil {
		return reply{}, err
	}
	status := http.StatusCreated
	if r.wait > 0 {
		status = http.StatusAccepted // until it has ended
	}
	// What is stored with the run itself stands only if the server dies before it has
	// read the job.
	a.Key = keyed(r, func(d store.Decided) reply {
		if len(d.Jobs) == 0 {
			return reply{Status: status}
		}
		j := d.Jobs[0]
		return reply{Status: status, Location: jobLocation(j), Body: s.queued(sit.Snapshot, j, 0)}
	})
	if a.Key != nil && r.wait == 0 {
		a.Key.InFlightUntil = a.Key.Now.Add(settleTime)
	}
	j, err := s.Planner.RunNow(r.Context(), a, agenda.RunNow{Overlap: agenda.Overlap(in.Overlap), Force: in.Force})
	if err != nil {
		return reply{}, err
	}
	if j, err = s.Store.Jobs.Job(withoutCancel(r.Context()), j.Tenant, j.ID); err != nil {
		return reply{}, err
	}
	if r.wait > 0 {
		return s.awaitReply(r, j, http.StatusCreated)
	}
	out, err := s.jobReply(withoutCancel(r.Context()), http.StatusCreated, j)
	if err != nil {
		return reply{}, err
	}
	return out, s.complete(r, out)
}

// complete stores the answer of a request whose key was in flight up to now.
func (s *service) complete(r *request, out reply) error {
	if r.key == nil {
		return nil
	}
	enc, err := encode(out)
	if err != nil {
		return err
	}
	return s.Store.Keys.Complete(withoutCancel(r.Context()), *r.key, enc)
}

func (s *service) backfillSchedule(r *request) (reply, error) {
	var in wire.BackfillInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	a, sch, _, err := s.ask(r, audit.ScheduleBackfilled, map[string]string{
		"from": in.From.UTC().Format(http.TimeFormat), "to": in.To.UTC().Format(http.TimeFormat),
	})
	if err != nil {
		return reply{}, err
	}
	zone, err := schedule.LoadZone(sch.Zone)
	if err != nil {
		return reply{}, err
	}
	show := func(list []agenda.Decision, jobs []job.Job) reply {
		out := wire.Backfill{ScheduleID: sch.ID, DryRun: in.DryRun, Count: len(list), Items: []wire.BackfillItem{}}
		for i, d := range list {
			item := wire.BackfillItem{NominalAt: d.Nominal.UTC(), Local: schedule.Nominal{At: d.Nominal, Zone: zone}.Local(), Marks: d.Marks.Strings()}
			if i < len(jobs) {
				item.JobID = &jobs[i].ID
			}
			out.Items = append(out.Items, item)
		}
		status := http.StatusCreated
		if in.DryRun {
			status = http.StatusOK
		}
		return reply{Status: status, Body: out}
	}
	a.Key = keyed(r, func(d store.Decided) reply { return show(d.Outcome.Decisions, d.Jobs) })
	list, jobs, err := s.Planner.Backfill(r.Context(), a, agenda.Backfill{
		From: in.From.UTC(), To: in.To.UTC(), Descending: in.Order == "desc", Overlap: agenda.Overlap(in.Overlap), Max: in.Max, Rerun: in.Rerun,
	}, in.DryRun)
	if err != nil {
		return reply{}, err
	}
	return show(list, jobs), nil
}

func (s *service) skipNext(r *request) (reply, error) {
	in := wire.SkipNextInput{Count: 1}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	count := max(in.Count, 1)
	a, sch, set, err := s.ask(r, audit.ScheduleSkipped, map[string]string{"count": itoa(count)})
	if err != nil {
		return reply{}, err
	}
	now := s.now()
	render := func(n agenda.Schedule) reply {
		return reply{Status: http.StatusOK, ETag: etag(int64(n.Version)), Body: wire.ScheduleOf(n, set, now)}
	}
	a.Key = keyed(r, render)
	if _, err := s.Planner.SkipNext(r.Context(), a, count); err != nil {
		return reply{}, err
	}
	n, err := s.Store.Schedules.Schedule(r.Context(), r.tenant(), sch.ID)
	if err != nil {
		return reply{}, err
	}
	return render(n), nil
}
