package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/timetable"
)

func (s *service) listSchedules(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListSchedules{Tenant: r.tenant(), Text: r.query.text("q"), Templates: r.query["template_id"], Labels: r.query.labels(), Limit: r.query.limit()}
	for _, t := range p.Templates {
		if err := id.Check(id.Template, t); err != nil {
			return reply{}, fault.From(err).At("query/template_id", string(fault.WrongIDType), "is not a template's id")
		}
	}
	for _, name := range r.query["state"] {
		for _, st := range agenda.Statuses() {
			if wire.ScheduleStateOf(st) == name {
				p.Statuses = append(p.Statuses, st)
			}
		}
	}
	if p.ByNext = r.query.text("sort") == "next_run_at"; c != nil {
		p.AfterName, p.AfterNext = c.Name, c.at()
	}
	page, err := s.Store.Schedules.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return reply{}, err
	}
	out, now := wire.ScheduleList{Items: []wire.Schedule{}}, s.now()
	for _, d := range page.Schedules {
		out.Items = append(out.Items, wire.ScheduleOf(d, set, now))
		out.NextCursor = r.next(page.More, cursor{Name: d.Name, AtMs: clock.Millis(d.State.Next)})
	}
	return reply{Status: http.StatusOK, Body: out}, s.includeSchedules(r, set, page.Schedules, out.Items)
}

func (s *service) getSchedule(r *request) (reply, error) {
	d, set, err := s.look(r)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, ETag: etag(int64(d.Schedule.Version)), Body: wire.ScheduleOf(d.Schedule, set, s.now())}, nil
}

func (s *service) scheduleNext(r *request) (reply, error) {
	d, set, err := s.look(r)
	if err != nil {
		return reply{}, err
	}
	sch := d.Schedule
	t, err := wire.StoredTiming(sch.Definition)
	if err != nil {
		return reply{}, err
	}
	trigger, err := t.Compile(set, s.Zone, sch.ID)
	if err != nil {
		return reply{}, err
	}
	stop, done, err := s.lookAhead(r)
	if err != nil {
		return reply{}, err
	}
	defer done()
	from, count := s.Clock.Now(), r.query.number("count", previewCount)
	if _, given := r.query["from"]; given {
		from = r.query.time("from")
	}
	// One more than asked for: jitter does not reach the nominal that follows.
	items, err := timetable.Preview(trigger, from, count+1, stop)
	if err != nil {
		return reply{}, fault.Newf(fault.InvalidParameter, "this takes longer than %v", previewTime).At("query/count", "invalid", "must be less for this schedule")
	}
	out := wire.ScheduleNext{Items: []wire.ScheduleNominal{}}
	for i, n := range items[:min(count, len(items))] {
		var following time.Time
		if i+1 < len(items) {
			following = items[i+1].At
		}
		out.Items = append(out.Items, wire.ScheduleNominalOf(sch, n, following))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) scheduleHistory(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	d, _, err := s.look(r)
	if err != nil {
		return reply{}, err
	}
	if c != nil && c.ID != d.Schedule.ID {
		return reply{}, otherCursor("schedule")
	}
	p := store.ListHistory{
		Tenant: r.tenant(), ID: d.Schedule.ID, From: r.query.time("from"), Before: r.query.time("to"),
		Kind: store.HistoryKind(r.query.text("kind")), After: c.historyMark(), Limit: r.query.limit(),
	}
	for _, x := range r.query["reason"] {
		p.Reasons = append(p.Reasons, agenda.Reason(x))
	}
	for _, x := range r.query["source"] {
		p.Sources = append(p.Sources, agenda.Source(x))
	}
	page, err := s.Store.Schedules.History(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	zone, err := schedule.LoadZone(d.Schedule.Zone)
	if err != nil {
		zone = time.UTC
	}
	out := wire.ScheduleHistory{Items: []wire.ScheduleEntry{}}
	for _, e := range page.Entries {
		out.Items = append(out.Items, wire.ScheduleEntryOf(e, zone))
		out.NextCursor = r.next(page.More, historyCursor(d.Schedule.ID, e.Mark()))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func otherCursor(what string) error {
	return fault.New(fault.CursorInvalid, "the cursor belongs to another "+what).At("query/cursor", "invalid", "is not a next_cursor of this list")
}

func (s *service) listScheduleVersions(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	d, _, err := s.look(r)
	if err != nil {
		return reply{}, err
	}
	n := d.Schedule.Version
	if c != nil {
		if c.ID != d.Schedule.ID || c.Seq < 1 || c.Seq > int64(n) {
			return reply{}, otherCursor("schedule")
		}
		n = int(c.Seq) - 1
	}
	out := wire.ScheduleVersionList{Items: []wire.ScheduleVersion{}}
	for ; n > 0 && len(out.Items) < r.query.limit(); n-- {
		v, err := s.scheduleVersion(r, d.Schedule.ID, n)
		if err != nil {
			return reply{}, err
		}
		out.Items = append(out.Items, v)
		out.NextCursor = r.next(n > 1, cursor{ID: d.Schedule.ID, Seq: int64(n)})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) scheduleVersion(r *request, scheduleID string, n int) (wire.ScheduleVersion, error) {
	v, err := s.Store.Schedules.Version(r.Context(), r.tenant(), scheduleID, n)
	if err != nil {
		return wire.ScheduleVersion{}, err
	}
	return wire.ScheduleVersionOf(v)
}

func (s *service) getScheduleVersion(r *request) (reply, error) {
	n, err := strconv.Atoi(r.PathValue("version"))
	if err != nil || n < 1 || n > maxVersion {
		return reply{}, fault.New(fault.InvalidParameter, "a version is a number from 1").At("path/version", "wrong_type", "must be a number from 1")
	}
	ref, err := scheduleRef(r)
	if err != nil {
		return reply{}, err
	}
	v, err := s.scheduleVersion(r, ref, n)
	return reply{Status: http.StatusOK, Body: v}, err
}

// filterSchedule is the schedule_id that a list is restricted to, "" = it is not.
func (r *request) filterSchedule() (string, error) {
	v := r.query.text("schedule_id")
	if v == "" {
		return "", nil
	}
	if err := id.Check(id.Schedule, v); err != nil {
		return "", fault.From(err).At("query/schedule_id", string(fault.WrongIDType), "is not a schedule's id")
	}
	return v, nil
}

// fires tells which of the jobs schedules made, and how.
func (s *service) fires(ctx context.Context, jobs ...job.Job) (map[string]wire.ScheduleFire, error) {
	byTenant := map[string][]string{}
	for _, j := range jobs {
		if j.Trigger == job.TriggerSchedule || j.Trigger == job.TriggerManual {
			byTenant[j.Tenant] = append(byTenant[j.Tenant], j.ID)
		}
	}
	return s.firesOf(ctx, byTenant)
}

// firesOfRuns is fires for runs.
func (s *service) firesOfRuns(ctx context.Context, runs ...run.Run) (map[string]wire.ScheduleFire, error) {
	byTenant := map[string][]string{}
	for _, v := range runs {
		if v.Trigger == string(job.TriggerSchedule) || v.Trigger == string(job.TriggerManual) {
			byTenant[v.Tenant] = append(byTenant[v.Tenant], v.JobID)
		}
	}
	return s.firesOf(ctx, byTenant)
}

func (s *service) firesOf(ctx context.Context, byTenant map[string][]string) (map[string]wire.ScheduleFire, error) {
	out := map[string]wire.ScheduleFire{}
	for tenant, ids := range byTenant {
		found, err := s.Store.Fires.Of(ctx, tenant, ids...)
		if err != nil {
			return nil, err
		}
		for jobID, f := range found {
			out[jobID] = wire.FireOf(f)
		}
	}
	return out, nil
}
