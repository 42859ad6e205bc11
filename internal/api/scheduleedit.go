package api

import (
	"cmp"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/timetable"
)

// maxBackfillFrom bounds how far back a new schedule may begin.
const maxBackfillFrom = 366 * 24 * time.Hour

func (s *service) createSchedule(r *request) (reply, error) {
	var in wire.ScheduleInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	return s.addSchedule(r, in, func(made wire.Schedule, _ agenda.Schedule) reply {
		return reply{Status: http.StatusCreated, Location: scheduleLocation(made.ScheduleID), ETag: etag(int64(made.Version)), Body: made}
	})
}

func scheduleLocation(id string) string { return "/api/schedules/" + id }

// addSchedule makes a schedule; show makes the answer.
func (s *service) addSchedule(r *request, in wire.ScheduleInput, show func(wire.Schedule, agenda.Schedule) reply) (reply, error) {
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return reply{}, err
	}
	if err := pauseReason(in); err != nil {
		return reply{}, err
	}
	now := s.now()
	n := agenda.Schedule{
		ID: id.New(id.Schedule, now), Tenant: r.tenant(), Version: 1, CreatedBy: r.principal.Name, CreatedAt: now, UpdatedAt: now,
	}
	d, err := s.definition(r, set, n, in)
	if err != nil {
		return reply{}, err
	}
	n.Definition = d
	from := now
	if in.BackfillFrom != nil {
		if from, err = backfillFrom(*in.BackfillFrom, now); err != nil {
			return reply{}, err
		}
	}
	if n.State = n.State.Begin(from); in.BackfillFrom != nil {
		n.State.Next = now
	}
	if in.Enabled != nil && !*in.Enabled {
		n.State = n.State.Pause(now, r.principal.Name, cmp.Or(in.PauseReason, "made paused"))
	}
	render := func(m agenda.Schedule) reply { return show(wire.ScheduleOf(m, set, now), m) }
	put := func() (agenda.Schedule, error) {
		entry, err := s.record(r, change{Action: audit.ScheduleCreated, Object: n.ID, Name: n.Name, After: wire.ScheduleOf(n, set, now)})
		if err != nil {
			return n, err
		}
		return s.Store.Schedules.Create(r.Context(), store.PutSchedule{Schedule: n, By: r.principal.Name, Key: keyed(r, render), Audit: entry})
	}
	made, err := put()
	if fault.Is(err, fault.NameTaken) && in.Name == "" {
		n.Name = unused(n.Name, n.ID)
		made, err = put()
	}
	if err != nil {
		return reply{}, err
	}
	s.wakePlanner()
	return render(made), nil
}

// pauseReason refuses a reason for a pause that the input does not ask for.
func pauseReason(in wire.ScheduleInput) error {
	if in.PauseReason != "" && (in.Enabled == nil || *in.Enabled) {
		return fault.New(fault.InvalidInput, "a reason for a pause that there is not").At("/pause_reason", "not_allowed", "only with enabled false")
	}
	return nil
}

// unused makes a name that no other schedule has, out of one that was not given.
func unused(name, id string) string {
	if len(name) > 90 {
		name = strings.ToValidUTF8(name[:90], "")
	}
	return strings.TrimSpace(name) + "-" + id[len(id)-6:]
}

// backfillFrom is the cursor of a schedule that begins in the past: from is
// inclusive, a cursor is not.
func backfillFrom(from, now time.Time) (time.Time, error) {
	if from.After(now) || now.Sub(from) > maxBackfillFrom {
		return from, fault.New(fault.InvalidInput, "backfill_from is about the past").
			At("/backfill_from", "out_of_range", "must be within the last 366 days")
	}
	return from.UTC().Truncate(time.Millisecond).Add(-time.Millisecond), nil
}

func (s *service) wakePlanner() {
	if s.Planner != nil {
		s.Planner.Wake()
	}
}

// definition checks an input beyond its schema and makes of it what is stored. n is
// the schedule as it is: its id counts, and its target is not checked again if it
// stays.
func (s *service) definition(r *request, set timetable.Finder, n agenda.Schedule, in wire.ScheduleInput) (agenda.Definition, error) {
	d, err := s.rules(set, n, in)
	if err != nil {
		return d, err
	}
	if in, err = in.Plain(); err != nil {
		return d, err
	}
	var name string
	if d.Target, name, err = s.target(r, n.Target, in); err != nil {
		return d, err
	}
	if d.Name == "" {
		d.Name = name
	}
	return d, nil
}

// rules is definition without what the schedule starts.
func (s *service) rules(set timetable.Finder, n agenda.Schedule, in wire.ScheduleInput) (agenda.Definition, error) {
	var d agenda.Definition
	in, err := in.Plain()
	if err != nil {
		return d, err
	}
	if strings.HasPrefix(in.Name, "sched_") || anyID.MatchString(in.Name) {
		return d, fault.New(fault.InvalidInput, "a schedule's name must not look like an id").At("/name", "format", "must not look like an id")
	}
	if err := checkLabels(in.Labels); err != nil {
		return d, err
	}
	if d.Policy, err = in.Policy(); err != nil {
		return d, err
	}
	t, trigger, err := in.Timing().Canonical(set, s.Zone, n.ID)
	if err != nil {
		return d, err
	}
	if d.On, err = agenda.OnOf(trigger); err != nil {
		return d, err
	}
	if d.Trigger, err = t.Stored(); err != nil {
		return d, err
	}
	moved := n.Trigger == nil || n.Zone != t.Timezone || !same(json.RawMessage(n.Trigger), json.RawMessage(d.Trigger))
	if !moved {
		d.Trigger = n.Trigger
	} else if !in.AllowNever {
		from := s.Clock.Now()
		if in.BackfillFrom != nil {
			from = in.BackfillFrom.Add(-1)
		}
		if err := timetable.Never(trigger, from); err != nil {
			f := fault.From(err)
			return d, f.At("/trigger"+neverAt(*in.Trigger), string(f.Code), f.Detail)
		}
	}
	d.Zone, d.UsesCalendar, d.Labels, d.Description, d.Name = t.Timezone, t.UsesCalendar(), in.Labels, in.Description, in.Name
	if d.Mode = agenda.Mode(in.ExecutionMode); d.Mode == "" {
		d.Mode = agenda.ModeAuto
	}
	return d, nil
}

// target is what the input starts, checked as POST /api/jobs would check it, and a
// name for a schedule of it. old stays as it is, if the input says the same.
func (s *service) target(r *request, old agenda.Target, in wire.ScheduleInput) (agenda.Target, string, error) {
	given := 0
	for _, yes := range []bool{in.TemplateID != "", in.WorkflowID != "", in.Job != nil, in.JobKey != ""} {
		if yes {
			given++
		}
	}
	if given != 1 {
		return old, "", fault.New(fault.InvalidInput, "a schedule starts one thing: template_id, or workflow_id, or job, or job_key").
			At("/template_id", "one_of", "give exactly one of template_id, job and job_key").At("/job", "one_of", "give exactly one of template_id, job and job_key")
	}
	var t agenda.Target
	if in.WorkflowID != "" {
		return s.workflowTarget(r, old, in)
	}
	if len(in.Inputs) > 0 && !same(in.Inputs, wire.Object("{}")) && !same(in.Inputs, wire.Object("null")) {
		return t, "", fault.New(fault.InvalidInput, "inputs are for workflows").At("/inputs", "not_allowed", "only with workflow_id")
	}
	body, at := wire.JobInput{}, ""
	if in.JobKey != "" {
		if err := s.jobKey(r, &in); err != nil {
			return t, "", err
		}
	}
	if in.Job != nil {
		if at = "/job"; len(in.Params) > 0 && !same(in.Params, wire.Object("{}")) {
			return t, "", fault.New(fault.InvalidInput, "params beside job").At("/params", "not_allowed", "belongs inside of job")
		}
		var err error
		if t.Job, err = json.Marshal(in.Job); err != nil {
			return t, "", err
		}
		if err := json.Unmarshal(t.Job, &body); err != nil {
			return t, "", err
		}
	} else {
		t.TemplateID = in.TemplateID
		if !same(in.Params, wire.Object("{}")) {
			t.Inputs = json.RawMessage(in.Params)
		}
		body.TemplateID, body.Params = in.TemplateID, in.Params
	}
	if same(old, t) {
		return old, "", s.mayDirect(r, old)
	}
	if err := r.principal.Require(access.JobsWrite); err != nil {
		return t, "", fault.From(err).WithHint("a schedule starts jobs, so who makes one needs this, too")
	}
	j, err := s.compose(r, body)
	if err != nil {
		return t, "", within(err, at)
	}
	if t.TemplateID != "" {
		t.TemplateID = j.TemplateID // by id, so that the template may be renamed
	}
	name := j.Name
	if name == commandType {
		name = programOf(j.Params, name)
	}
	return t, strings.TrimSpace(strings.ReplaceAll(clipName(name), "/", "-")), nil
}

// commandType is the job type that runs a program, and the name of its jobs that have
// no name.
const commandType = "command"

// programOf is the name of the program that a command runs, without its folder: what a
// schedule of it is called that was given no name.
func programOf(params []byte, otherwise string) string {
	var p struct {
		Argv []string `json:"argv"`
	}
	if json.Unmarshal(params, &p) != nil || len(p.Argv) == 0 || p.Argv[0] == "" {
		return otherwise
	}
	return path.Base(p.Argv[0])
}

// workflowTarget is a workflow that the input starts. Its inputs are checked against the
// version that is active now; each run takes the one that is active when it is made.
func (s *service) workflowTarget(r *request, old agenda.Target, in wire.ScheduleInput) (agenda.Target, string, error) {
	t := agenda.Target{WorkflowID: in.WorkflowID}
	if len(in.Params) > 0 && !same(in.Params, wire.Object("{}")) {
		return t, "", fault.New(fault.InvalidInput, "params beside workflow_id").At("/params", "not_allowed", "a workflow takes inputs")
	}
	if len(in.Inputs) > 0 && !same(in.Inputs, wire.Object("{}")) && !same(in.Inputs, wire.Object("null")) {
		t.Inputs = json.RawMessage(in.Inputs)
	}
	if same(old, t) {
		return old, "", s.mayDirect(r, old)
	}
	if err := r.principal.Require(access.JobsWrite); err != nil {
		return t, "", fault.From(err).WithHint("a schedule starts jobs, so who makes one needs this, too")
	}
	if err := r.principal.RequireTemplate(""); err != nil {
		return t, "", err
	}
	params, err := flowParams{WorkflowID: t.WorkflowID, Inputs: t.Inputs}.object()
	if err != nil {
		return t, "", err
	}
	template := job.Template{Name: t.WorkflowID, Type: workflowType, Params: []byte("{}"), Priority: job.PriorityNormal}
	if _, err := s.composeFrom(r, wire.JobInput{JobType: workflowType, Params: params}, template); err != nil {
		return t, "", outOf(err, "/params")
	}
	return t, t.WorkflowID, nil
}

// clipName is a name of a job in the length that a schedule's may have.
func clipName(name string) string {
	const limit = 100
	if len(name) <= limit {
		return name
	}
	return strings.ToValidUTF8(name[:limit], "")
}

// jobKey says what a job_key means: a template by its name, or else a job type.
func (s *service) jobKey(r *request, in *wire.ScheduleInput) error {
	_, err := s.Store.Templates.Template(r.Context(), r.tenant(), in.JobKey)
	if err == nil {
		in.TemplateID = in.JobKey
		return nil
	}
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	if _, unknown := s.Tasks.Find(in.JobKey); unknown != nil {
		return fault.Newf(fault.NotFound, "no template and no job type %q", clip(in.JobKey)).At("/job_key", "not_found", "is neither a template's name nor a job type")
	}
	in.Job, in.Params = &wire.ScheduleJobInput{JobType: in.JobKey, Params: in.Params}, nil
	return nil
}

// mayDirect returns nil when the caller may change what starts the target, which
// some may only if it is one of certain templates.
func (s *service) mayDirect(r *request, t agenda.Target) error {
	if r.principal.Templates == nil {
		return nil
	}
	ref := t.TemplateID
	if len(t.Job) > 0 {
		var j wire.ScheduleJobInput
		if err := json.Unmarshal(t.Job, &j); err != nil {
			return err
		}
		ref = j.TemplateID
	}
	if ref == "" {
		return r.principal.RequireTemplate("")
	}
	found, err := s.Store.Templates.Template(r.Context(), r.tenant(), ref)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return r.principal.RequireTemplate(found.Name)
}

// mayStart returns nil when the caller might start the target himself: its jobs run
// with the rights of an admin, so whoever may not start them must not say when and
// how they start, or that nobody has to approve them. What else is wrong with the
// target does not count, because an edit may be what puts it right.
func (s *service) mayStart(r *request, t agenda.Target) error {
	if err := r.principal.Require(access.JobsWrite); err != nil {
		return fault.From(err).WithHint("a schedule starts jobs, so who changes one needs this, too")
	}
	if r.principal.May(access.TemplatesWrite) && r.principal.May(access.JobsRead) {
		return nil
	}
	body, err := t.Input()
	if err != nil || body == nil {
		return err
	}
	var in wire.JobInput
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	if _, err := s.compose(r, in); fault.Is(err, fault.ForbiddenScope) {
		return err
	}
	return nil
}

// scheduleRef is what the path names a schedule by, an id or a name.
func scheduleRef(r *request) (string, error) {
	ref := r.PathValue("schedule_id")
	if strings.HasPrefix(ref, "sched_") || anyID.MatchString(ref) {
		if err := id.Check(id.Schedule, ref); err != nil {
			return ref, fault.From(err).At("path/schedule_id", string(fault.WrongIDType), fault.From(err).Detail)
		}
	}
	if !utf8.ValidString(ref) || strings.ContainsRune(ref, 0) {
		// No name is like this, and PostgreSQL would refuse the text itself.
		return ref, fault.Newf(fault.NotFound, "no schedule %q", clip(ref)).At("path/schedule_id", "encoding", "must be UTF-8 without NUL")
	}
	return ref, nil
}

// look finds the schedule that the path names, with what fences a change of it, and
// its tenant's calendars.
func (s *service) look(r *request) (store.DueSchedule, *calendar.Set, error) {
	ref, err := scheduleRef(r)
	if err != nil {
		return store.DueSchedule{}, nil, err
	}
	d, err := s.Store.Schedules.Look(r.Context(), r.tenant(), ref)
	if err != nil {
		return d, nil, err
	}
	d.Schedule = d.Current()
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	return d, set, err
}

func (s *service) patchSchedule(r *request) (reply, error) {
	return again(func() (reply, error) {
		d, set, err := s.look(r)
		if err != nil {
			return reply{}, err
		}
		now := s.now()
		if err := r.match(etag(int64(d.Schedule.Version)), wire.ScheduleOf(d.Schedule, set, now)); err != nil {
			return reply{}, err
		}
		in, err := s.patchedSchedule(r, d.Schedule)
		if err != nil {
			return reply{}, err
		}
		n, err := s.edit(r, d, set, in)
		if err != nil {
			return reply{}, err
		}
		return reply{Status: http.StatusOK, ETag: etag(int64(n.Version)), Body: wire.ScheduleOf(n, set, now)}, nil
	})
}

// patchedSchedule applies the merge patch of the request to a schedule.
func (s *service) patchedSchedule(r *request, old agenda.Schedule) (wire.ScheduleInput, error) {
	base, err := wire.ScheduleInputOf(old.Definition, old.State.Status != agenda.Paused)
	if err != nil {
		return base, err
	}
	doc, err := strict.Parse(r.body)
	if err != nil {
		return base, err
	}
	patch, _ := doc.(map[string]any)
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return patch[n] != nil })
	}
	trigger, _ := patch["trigger"].(map[string]any)
	kind, _ := trigger["type"].(string)
	_, one := trigger["expression"].(string)
	_, many := trigger["expressions"].([]any)
	switch {
	case kind != "" && kind != base.Trigger.Type, has("cron", "interval_minutes"):
		base.Trigger = nil // the old one's own fields would be in the way
	case one || many:
		base.Trigger.Expression, base.Trigger.Expressions = "", nil
	case trigger["interval_minutes"] != nil || trigger["every"] != nil && base.Trigger.Type == string(schedule.KindInterval):
		base.Trigger.Interval = nil
	}
	if c, _ := patch["constraints"].(map[string]any); c["min_interval_hours"] != nil && !has("min_interval") {
		base.MinInterval = nil
	}
	switch {
	case has("workflow_id") && !has("job", "template_id", "job_key"):
		if patch["workflow_id"] != base.WorkflowID {
			base.Inputs = nil
		}
		base.Job, base.TemplateID, base.Params = nil, "", nil
	case has("template_id", "job_key") && !has("job"):
		base.Job, base.TemplateID, base.WorkflowID, base.Inputs = nil, "", "", nil
	case has("job") && !has("template_id"):
		base.TemplateID, base.Params, base.WorkflowID, base.Inputs = "", nil, "", nil
	}
	return patched(s, r, base)
}

// edit makes a new version of a schedule, if the input says something new.
func (s *service) edit(r *request, d store.DueSchedule, set *calendar.Set, in wire.ScheduleInput) (agenda.Schedule, error) {
	old, n, now := d.Schedule, d.Schedule, s.now()
	if in.BackfillFrom != nil {
		return old, fault.New(fault.InvalidInput, "backfill_from is for new schedules").At("/backfill_from", "not_allowed", "only when a schedule is created").
			WithHint("POST " + scheduleLocation(old.ID) + "/backfill runs nominals of the past")
	}
	if in.Name == "" {
		return old, fault.New(fault.InvalidInput, "a schedule has a name").At("/name", "required", "must not be removed")
	}
	if err := s.mayDirect(r, old.Target); err != nil {
		return old, err
	}
	if err := pauseReason(in); err != nil {
		return old, err
	}
	var err error
	if n.Definition, err = s.definition(r, set, old, in); err != nil {
		return old, err
	}
	enabled := in.Enabled == nil || *in.Enabled
	turned := enabled != (old.State.Status != agenda.Paused)
	moved := n.Zone != old.Zone || !same(json.RawMessage(n.Trigger), json.RawMessage(old.Trigger))
	before, errB := wire.ScheduleInputOf(old.Definition, true)
	after, errA := wire.ScheduleInputOf(n.Definition, true)
	if err := firstOf(errB, errA); err != nil {
		return old, err
	}
	changed := !same(before, after)
	if !changed && !turned {
		return old, nil
	}
	if changed && same(old.Target, n.Target) {
		if err := s.mayStart(r, old.Target); err != nil {
			return old, err
		}
	}
	switch {
	case moved:
		n.State = n.State.Begin(now)
	case changed && n.State.Status == agenda.Finished:
		n.State = n.State.Begin(now) // it has perhaps more runs to make
	case changed:
		n.State = n.State.Again(now)
	}
	if turned && enabled {
		n.State = n.State.Resume(now, false)
	} else if turned {
		n.State = n.State.Pause(now, r.principal.Name, in.PauseReason)
	}
	if changed {
		n.Version++
	}
	n.UpdatedAt = now
	return s.storeSchedule(r, d, n, scheduleChange{change: change{Action: audit.ScheduleUpdated, Detail: map[string]string{"version": itoa(n.Version)}}, set: set})
}

// scheduleChange is the audit entry of a change, without what can be read off the
// schedules, the key of its request, nil = none, and the tenant's calendars.
type scheduleChange struct {
	change
	key *store.Key
	set *calendar.Set
}

// storeSchedule stores n in the place of d, with an audit entry.
func (s *service) storeSchedule(r *request, d store.DueSchedule, n agenda.Schedule, x scheduleChange) (agenda.Schedule, error) {
	c := x.change
	now := s.now()
	c.Object, c.Name, c.Before, c.After = n.ID, n.Name, wire.ScheduleOf(d.Schedule, x.set, now), wire.ScheduleOf(n, x.set, now)
	entry, err := s.record(r, c)
	if err != nil {
		return n, err
	}
	out, err := s.Store.Schedules.Update(r.Context(), store.PutSchedule{Schedule: n, Epoch: d.Epoch, By: r.principal.Name, Key: x.key, Audit: entry})
	if err == nil {
		s.wakePlanner()
	}
	return out, err
}

func (s *service) deleteSchedule(r *request) (reply, error) {
	d, set, err := s.look(r)
	if err != nil {
		return reply{}, err
	}
	view := wire.ScheduleOf(d.Schedule, set, s.now())
	if err := firstOf(s.mayDirect(r, d.Schedule.Target), r.match(etag(int64(d.Schedule.Version)), view)); err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.ScheduleDeleted, Object: d.Schedule.ID, Name: d.Schedule.Name, Before: view})
	if err != nil {
		return reply{}, err
	}
	p := store.DeleteSchedule{Tenant: r.tenant(), ID: d.Schedule.ID, At: s.Clock.Now(), Audit: entry}
	if err := s.Store.Schedules.Delete(r.Context(), p); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, nil
}
