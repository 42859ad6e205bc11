package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/crontab"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/timetable"
)

// The bounds of previews. previewTime is for a whole request; maxLooks are worked
// on at the same time, the others wait.
const (
	maxLooks     = 2
	maxPreviews  = 100
	previewCount = 10
	previewTime  = 10 * time.Second
)

func (s *service) previewRoutes() []operation {
	return []operation{{
		ID: "preview_schedule", Method: http.MethodPost, Path: "/api/schedules/preview", Scope: access.SchedulesRead, Tag: "schedules",
		Summary: "Show when something would fire",
		Doc: "Nothing is stored. Times that a calendar, hours or an exclusion take away are listed, too, and count: skip says why. " +
			"A list of up to 100 bodies gets a list of answers.",
		Body: wire.SchedulePreviewInput{}, Many: maxPreviews, Pure: true,
		Hint:    `a preview reads only the canonical form: {"trigger":{"type":"CRON","expression":"0 9 * * *"},"timezone":"Asia/Seoul","count":3}`,
		Faults:  []fault.Code{fault.CronInvalid, fault.TriggerInvalid, fault.ZoneUnknown, fault.NeverFires},
		Answers: []answer{{Status: http.StatusOK, Doc: "the next times, in order; a list of answers for a list", Body: wire.SchedulePreview{}}},
		Handle:  s.previewSchedule,
	}}
}

// lookAhead waits for its turn to use a processor for long. The caller calls done
// at the end, and asks stop in between, which says when the time is over.
func (s *service) lookAhead(r *request) (stop func() bool, done func(), err error) {
	select {
	case s.looks <- struct{}{}:
	case <-r.Context().Done():
		return nil, nil, r.Context().Err()
	}
	end := s.Clock.Now().Add(previewTime)
	return func() bool { return r.Context().Err() != nil || s.Clock.Now().After(end) }, func() { <-s.looks }, nil
}

func (s *service) previewSchedule(r *request) (reply, error) {
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return reply{}, err
	}
	stop, done, err := s.lookAhead(r)
	if err != nil {
		return reply{}, err
	}
	defer done()
	if !isList(r.body) {
		var in wire.SchedulePreviewInput
		if err := r.decode(&in); err != nil {
			return reply{}, err
		}
		out, err := s.preview(in, set, stop)
		return reply{Status: http.StatusOK, Body: out}, err
	}
	var list []wire.SchedulePreviewInput
	if err := r.decode(&list); err != nil {
		return reply{}, err
	}
	out := make([]wire.SchedulePreview, 0, len(list))
	for i, in := range list {
		one, err := s.preview(in, set, stop)
		if err != nil {
			return reply{}, under(err, "/"+itoa(i))
		}
		out = append(out, one)
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// isList reports whether a JSON text is a list.
func isList(body []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) }

// under puts where a part of the body stands before the pointers of a fault.
func under(err error, at string) error {
	f := fault.From(err)
	if f.Kind() == fault.Internal {
		return err
	}
	moved := fault.New(f.Code, f.Detail).WithHint(f.Hint)
	for _, x := range f.Fields {
		moved = moved.At(at+x.Pointer, x.Code, x.Detail)
	}
	return moved
}

func (s *service) preview(in wire.SchedulePreviewInput, find timetable.Finder, stop func() bool) (wire.SchedulePreview, error) {
	out := wire.SchedulePreview{Items: []wire.Nominal{}}
	trigger, err := in.Compile(find, s.Zone, "")
	if err != nil {
		return out, err
	}
	from, count := s.Clock.Now(), previewCount
	if in.From != nil {
		from = in.From.UTC()
	}
	if in.Count > 0 {
		count = in.Count
	}
	if !in.AllowNever {
		if err := timetable.Never(trigger, from); err != nil {
			f := fault.From(err)
			return out, f.At("/trigger"+neverAt(in.Trigger), string(f.Code), f.Detail)
		}
	}
	items, err := timetable.Preview(trigger, from, count, stop)
	if errors.Is(err, timetable.ErrStopped) {
		return out, fault.Newf(fault.TriggerInvalid, "the preview takes longer than %v", previewTime).
			At("/count", "out_of_range", "must be less for this trigger").WithHint("ask for fewer times, or for fewer triggers at once")
	}
	for _, n := range items {
		out.Items = append(out.Items, wire.NominalOf(n))
	}
	return out, err
}

// neverAt is the field that says when a trigger fires.
func neverAt(t wire.TriggerInput) string {
	switch {
	case t.Expression != "":
		return "/expression"
	case t.Expressions != nil:
		return "/expressions"
	case t.At != nil:
		return "/at"
	case t.Event != "":
		return "/event"
	}
	return ""
}

func (s *service) crontabRoutes() []operation {
	return []operation{{
		ID: "plan_crontab", Method: http.MethodPost, Path: "/api/import/crontab", Scope: access.SchedulesRead, Tag: "schedules", Pure: true,
		Summary: "Tell which schedules a table of cron would make",
		Doc: "It makes nothing: each line comes with the body of POST /api/schedules that makes its schedule, paused, so that nothing runs twice while cron still has it. " +
			"As in cron, it runs beside a run that is not over, and times that pass while no server runs are not made up.",
		Body: wire.CrontabInput{}, Faults: []fault.Code{fault.ZoneUnknown},
		Answers: []answer{{Status: http.StatusOK, Doc: "every line that says what to run, and those that cannot be read", Body: wire.CrontabPlan{}}}, Handle: s.planCrontab,
	}}
}

func (s *service) planCrontab(r *request) (reply, error) {
	var in wire.CrontabInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Timezone == "" {
		in.Timezone = s.Zone.String()
	}
	if _, err := schedule.LoadZone(in.Timezone); err != nil {
		f := fault.From(err)
		return reply{}, f.At("/timezone", string(f.Code), f.Detail)
	}
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return reply{}, err
	}
	there := map[string]bool{}
	if err := s.eachSchedule(r, nil, func(x agenda.Schedule) { there[x.Name] = true }); err != nil {
		return reply{}, err
	}
	table := crontab.Parse(in.Text, crontab.Options{System: in.System, Home: in.Home})
	out := wire.CrontabPlan{Items: []wire.CrontabLine{}, Remarks: []wire.CrontabRemark{}}
	for _, e := range table.Entries {
		line := s.cronLine(in, e, set)
		if line.Name != nil && there[*line.Name] && line.Schedule != nil {
			line.Status = "exists"
		}
		out.Items = append(out.Items, line)
	}
	for _, p := range table.Problems {
		out.Items = append(out.Items, wire.CrontabLine{
			Line: p.Line, Status: "unreadable", Warnings: []string{}, Remarks: []wire.CrontabRemark{},
			Error: new(p.String()), Problem: new(wire.CrontabRemarkOf(p.Line, p.Column, p.Remark)),
		})
	}
	for _, p := range table.Remarks {
		out.Remarks = append(out.Remarks, wire.CrontabRemarkOf(p.Line, p.Column, p.Remark))
	}
	slices.SortStableFunc(out.Items, func(a, b wire.CrontabLine) int { return a.Line - b.Line })
	return reply{Status: http.StatusOK, Body: out}, nil
}

// cronLine is the schedule for one line.
func (s *service) cronLine(in wire.CrontabInput, e crontab.Entry, find timetable.Finder) wire.CrontabLine {
	zone := e.Zone
	if zone == "" {
		zone = in.Timezone
	}
	name := in.Prefix + e.Name
	out := wire.CrontabLine{Line: e.Line, Status: "new", Name: &name, Command: &e.Command, User: filled(e.User), Warnings: []string{}, Remarks: []wire.CrontabRemark{}}
	tell := func(r crontab.Remark) {
		out.Warnings = append(out.Warnings, r.Text)
		out.Remarks = append(out.Remarks, wire.CrontabRemarkOf(e.Line, 0, r))
	}
	for _, r := range e.Remarks {
		tell(r)
	}
	timing := wire.TimingInput{Trigger: wire.TriggerInput{Type: string(schedule.KindCron), Expression: e.Expression}, Timezone: zone}
	trigger, err := timing.Compile(find, s.Zone, name)
	if err != nil {
		detail := fault.From(err).Detail
		out.Status, out.Error = "unreadable", &detail
		out.Problem = new(wire.CrontabRemarkOf(e.Line, 0, crontab.Remark{Code: crontab.TimeInvalid, Values: map[string]string{"item": e.Expression}, Text: detail}))
		return out
	}
	body := &wire.ScheduleInput{
		Name: name, Description: e.Description, Timezone: zone, Trigger: &timing.Trigger, Overlap: "allow", Missed: "skip", Enabled: new(false),
		PauseReason: "imported from a crontab: take its line out there, then enable it", Labels: map[string]string{"source": "crontab"},
		Job: &wire.ScheduleJobInput{JobType: "command", Name: e.Name, Params: cronParams(e), RetryPolicy: &wire.RetryPolicyInput{MaxAttempts: 1}},
	}
	if body.Description == "" {
		body.Description = "line " + itoa(e.Line) + " of a crontab"
	}
	if e.Offset > 0 {
		body.Offset = new(wire.Duration(e.Offset))
	}
	if e.User != "" {
		body.Labels["cron_user"] = e.User
	}
	out.Summary = new(schedule.Describe(trigger.Spec(), schedule.English))
	if n, ok := trigger.Next(s.Clock.Now()); ok {
		out.NextRunAt = new(n.At.UTC())
	} else if !trigger.Reboot() {
		body.AllowNever = true
		tell(crontab.NewRemark(crontab.NeverFires))
	}
	if trigger.Reboot() {
		tell(crontab.NewRemark(crontab.AtServerStart))
	}
	out.Schedule = body
	return out
}

// cronParams are those of the command job.
func cronParams(e crontab.Entry) wire.Object {
	p := struct {
		Argv  []string          `json:"argv"`
		Env   map[string]string `json:"env,omitempty"`
		Stdin string            `json:"stdin,omitempty"`
	}{Argv: e.Argv(), Stdin: e.Stdin}
	for _, v := range e.Env {
		if p.Env == nil {
			p.Env = map[string]string{}
		}
		p.Env[v.Name] = v.Value
	}
	b, err := json.Marshal(p)
	if err != nil {
		panic("api: params have no JSON: " + err.Error()) // strings always encode
	}
	return b
}
