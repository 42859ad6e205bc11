package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/timetable"
)

// Plain returns the input with everything that has a canonical form said in it,
// apart from JobKey, which only a store can tell the meaning of. Faults have
// pointers into the input.
func (in ScheduleInput) Plain() (ScheduleInput, error) {
	if err := in.unsupported(); err != nil {
		return in, err
	}
	in.PortfolioID, in.ContainerID = "", ""
	trigger, err := in.trigger()
	if err != nil {
		return in, err
	}
	in.Trigger, in.Cron, in.ScheduleType, in.IntervalMinutes = trigger, "", "", 0
	return in.constrained()
}

// unsupported refuses targets that this version does not have.
func (in ScheduleInput) unsupported() error {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"portfolio_id", in.PortfolioID != ""},
		{"container_id", in.ContainerID != ""},
	} {
		if f.given {
			return fault.Newf(fault.InvalidInput, "this version cannot start what %s names", f.name).
				At("/"+f.name, "unsupported", "must be absent: a schedule starts a template (template_id, params), a workflow (workflow_id, inputs) or a job (job)").
				WithHint("leave " + f.name + " out and give template_id or job; all the rest of this form is accepted")
		}
	}
	return nil
}

// trigger is what makes it fire, however it was said.
func (in ScheduleInput) trigger() (*TriggerInput, error) {
	wrong := func(field, code, detail string) error {
		return fault.New(fault.InvalidInput, detail).At("/"+field, code, detail)
	}
	cron, every := in.Cron != "", in.IntervalMinutes != 0
	switch in.ScheduleType {
	case "cron":
		if every = false; !cron {
			return nil, wrong("cron", "required", "schedule_type cron needs cron")
		}
	case "interval":
		if cron = false; !every {
			return nil, wrong("interval_minutes", "required", "schedule_type interval needs interval_minutes")
		}
	}
	switch {
	case in.Trigger != nil && cron:
		return nil, wrong("cron", "one_of", "cron and trigger say the same: give one of them")
	case in.Trigger != nil && every:
		return nil, wrong("interval_minutes", "one_of", "interval_minutes and trigger say the same: give one of them")
	case cron && every:
		return nil, wrong("interval_minutes", "one_of", "cron and interval_minutes exclude each other, unless schedule_type says which one counts")
	case cron:
		return &TriggerInput{Type: string(schedule.KindCron), Expression: in.Cron}, nil
	case every:
		return &TriggerInput{Type: string(schedule.KindInterval), IntervalMinutes: in.IntervalMinutes}, nil
	case in.Trigger == nil:
		return nil, wrong("trigger", "required", "a schedule needs a trigger, or cron, or interval_minutes")
	}
	return in.Trigger, nil
}

// constrained replaces the constraints by what they mean.
func (in ScheduleInput) constrained() (ScheduleInput, error) {
	c := in.Constraints
	if c == nil {
		return in, nil
	}
	in.Constraints = nil
	wrong := func(field, code, detail string) error {
		return fault.New(fault.InvalidInput, detail).At("/constraints/"+field, code, detail)
	}
	for _, f := range []struct {
		name  string
		given bool
	}{{"market_hours_only", c.MarketHoursOnly}, {"skip_holidays", c.SkipHolidays}} {
		if f.given && in.Calendar.IsZero() && in.Trigger.Calendar.IsZero() {
			return in, fault.New(fault.InvalidInput, f.name+" needs a calendar").At("/calendar", "required", "must name the market, for "+f.name).
				WithHint("GET /api/calendars, or runsheet calendar ls, lists what there is")
		}
	}
	if c.SkipHolidays {
		if in.OnNonSession != "" && in.OnNonSession != "skip" {
			return in, wrong("skip_holidays", "one_of", "on_non_session says something else")
		}
		in.OnNonSession = "skip"
	}
	// A market's own events are inside its hours by nature; its close would not count
	// as inside.
	if c.MarketHoursOnly && !(in.Trigger.Type == string(schedule.KindEvent) && in.Trigger.Offset.Or(0) == 0) {
		if in.OnlyIn == string(schedule.OutsideHours) {
			return in, wrong("market_hours_only", "one_of", "only_in says something else")
		}
		if in.OnlyIn == "" {
			in.OnlyIn = string(schedule.InRegularHours)
		}
		if in.Calendar.IsZero() {
			in.Calendar = in.Trigger.Calendar
		}
	}
	if c.MinIntervalHours != nil {
		d := Duration(time.Duration(*c.MinIntervalHours * float64(time.Hour)).Round(time.Second))
		if in.MinInterval != nil && *in.MinInterval != d {
			return in, wrong("min_interval_hours", "one_of", "min_interval says something else")
		}
		in.MinInterval = &d
	}
	return in, nil
}

// Timing is the part of a plain input that says when.
func (in ScheduleInput) Timing() TimingInput {
	t := TimingInput{
		Timezone: in.Timezone, Calendar: in.Calendar, OnNonSession: in.OnNonSession, OnlyIn: in.OnlyIn, Exclude: in.Exclude,
		DSTGap: in.DSTGap, DSTOverlap: in.DSTOverlap, StartAt: in.StartAt, EndAt: in.EndAt, Strict: in.Strict, AllowNever: in.AllowNever,
	}
	if in.Trigger != nil {
		t.Trigger = *in.Trigger
	}
	return t
}

// setTiming is the reverse of Timing.
func (in *ScheduleInput) setTiming(t TimingInput) {
	in.Trigger, in.Timezone, in.Calendar, in.OnNonSession, in.OnlyIn = &t.Trigger, t.Timezone, t.Calendar, t.OnNonSession, t.OnlyIn
	in.Exclude, in.DSTGap, in.DSTOverlap, in.StartAt, in.EndAt, in.Strict = t.Exclude, t.DSTGap, t.DSTOverlap, t.StartAt, t.EndAt, t.Strict
}

// Canonical compiles t, as Compile does, and returns also the form of it that is
// stored: standard cron without a zone of its own, one name for each thing, times in
// UTC. The zone is in Timezone. What it means is the same, also after the defaults of
// the installation have changed.
func (t TimingInput) Canonical(find timetable.Finder, zone *time.Location, seed string) (TimingInput, *schedule.Trigger, error) {
	trigger, err := t.Compile(find, zone, seed)
	if err != nil {
		return t, nil, err
	}
	spec := trigger.Spec()
	c := t
	c.AllowNever, c.Timezone = false, spec.Zone.String()
	c.OnNonSession, c.DSTGap, c.DSTOverlap = unless(t.OnNonSession, "skip"), unless(t.DSTGap, "auto"), unless(t.DSTOverlap, "auto")
	c.StartAt, c.EndAt = instant(utc(t.StartAt)), instant(utc(t.EndAt))
	c.Calendar = t.Calendar.compact()
	if c.Trigger, err = t.Trigger.canonical(spec, seed); err != nil {
		return t, nil, err
	}
	if x := t.Exclude; x != nil {
		y := ExcludeInput{Dates: x.Dates}
		for _, ref := range x.Calendars {
			y.Calendars = append(y.Calendars, ref.compact())
		}
		for _, text := range x.Cron {
			plain, _, err := standard(text, spec, seed)
			if err != nil {
				return t, nil, err
			}
			y.Cron = append(y.Cron, plain)
		}
		if c.Exclude = &y; y.Dates == nil && y.Calendars == nil && y.Cron == nil {
			c.Exclude = nil
		}
	}
	return c, trigger, nil
}

func (t TriggerInput) canonical(spec schedule.Spec, seed string) (TriggerInput, error) {
	c := TriggerInput{Type: t.Type}
	switch spec.Kind {
	case schedule.KindCron:
		for _, text := range t.expressions() {
			plain, every, err := standard(text, spec, seed)
			if err != nil {
				return c, err
			}
			if every > 0 && len(t.expressions()) == 1 {
				return TriggerInput{Type: string(schedule.KindInterval), Interval: DurationOf(every)}, nil
			}
			c.Expressions = append(c.Expressions, plain)
		}
		if len(c.Expressions) == 1 {
			c.Expression, c.Expressions = c.Expressions[0], nil
		}
	case schedule.KindInterval:
		c.Interval, c.Anchor, c.Mode = DurationOf(spec.Interval.Every), instant(spec.Interval.Anchor), string(spec.Interval.Mode)
	case schedule.KindAt:
		for _, text := range t.At {
			if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
				text = at.UTC().Format(time.RFC3339Nano)
			}
			c.At = append(c.At, text)
		}
	case schedule.KindEvent:
		c.Event = strings.ToUpper(string(spec.Event.Event))
		if c.Event == "OPEN" || c.Event == "CLOSE" {
			c.Event = "MARKET_" + c.Event
		}
		c.Calendar, c.Offset, c.Every, c.DuringBreaks = t.Calendar.compact(), DurationOf(spec.Event.Offset), DurationOf(spec.Event.Every), t.DuringBreaks
	case schedule.KindOn:
		c.Event, c.Subject, c.Delay = t.Event, t.Subject, DurationOf(spec.On.Delay)
	}
	return c, nil
}

// standard writes an expression in the standard dialect and without CRON_TZ=, or
// returns the interval that it is.
func standard(text string, spec schedule.Spec, seed string) (string, time.Duration, error) {
	e, err := schedule.Parse(text, schedule.Options{Dialect: spec.Cron.Dialect, Zone: spec.Zone, HashSeed: seed, DST: spec.DST})
	if err != nil {
		return "", 0, err
	}
	if e.Cron != nil && spec.Cron.Dialect == schedule.Quartz {
		return e.Cron.String(), 0, nil
	}
	words := strings.Fields(text)
	if len(words) > 0 && (strings.HasPrefix(words[0], "CRON_TZ=") || strings.HasPrefix(words[0], "TZ=")) {
		words = words[1:]
	}
	return strings.Join(words, " "), e.Every, nil
}

// compact is the reference without blanks; nil if it names none.
func (c CalendarRef) compact() CalendarRef {
	var b bytes.Buffer
	if c.IsZero() || json.Compact(&b, c) != nil {
		return nil
	}
	return CalendarRef(b.Bytes())
}

// UsesCalendar reports whether a change of calendars can move nominals.
func (t TimingInput) UsesCalendar() bool {
	return !t.Calendar.IsZero() || !t.Trigger.Calendar.IsZero() || t.Exclude != nil && len(t.Exclude.Calendars) > 0
}

// Stored is the JSON text that agenda.Definition.Trigger is; the zone is not in it.
func (t TimingInput) Stored() ([]byte, error) {
	t.Timezone, t.AllowNever = "", false
	return json.Marshal(t)
}

// StoredTiming reads the text that Stored made, with the zone that is stored beside
// it.
func StoredTiming(d agenda.Definition) (TimingInput, error) {
	var t TimingInput
	err := json.Unmarshal(d.Trigger, &t)
	t.Timezone = d.Zone
	if err != nil {
		return t, fault.Wrap(err, fault.TriggerInvalid, "the stored trigger cannot be read")
	}
	return t, nil
}

// Policy is how it treats its nominals. A fault names what is wrong with it.
func (in ScheduleInput) Policy() (agenda.Policy, error) {
	p := agenda.NewPolicy()
	if in.Overlap != "" {
		p.Overlap = agenda.Overlap(in.Overlap)
	}
	p.Missed, p.MinIntervalFrom = agenda.Missed(in.Missed), agenda.From(unless(in.MinIntervalFrom, "start"))
	for _, n := range []struct {
		given *int
		to    *int
	}{
		{in.MaxQueued, &p.MaxQueued},
		{in.MaxParallel, &p.MaxParallel},
		{in.MaxCatchUp, &p.MaxCatchUp},
		{in.PauseOnFailure, &p.PauseOnFailure},
		{in.MaxRuns, &p.MaxRuns},
	} {
		if n.given != nil {
			*n.to = *n.given
		}
	}
	for _, d := range []struct {
		name  string
		given *Duration
		to    *time.Duration
	}{
		{"grace", in.Grace, &p.Grace},
		{"catch_up_window", in.CatchUpWindow, &p.CatchUpWindow},
		{"min_interval", in.MinInterval, &p.MinInterval},
		{"jitter", in.Jitter, &p.Jitter},
		{"offset", in.Offset, &p.Offset},
		{"start_deadline", in.StartDeadline, &p.StartDeadline},
	} {
		*d.to = d.given.Or(*d.to)
		if *d.to%time.Millisecond != 0 {
			return p, fault.Newf(fault.InvalidInput, "%s is not in whole milliseconds", d.name).At("/"+d.name, "out_of_range", "must be whole milliseconds")
		}
	}
	return p, p.Validate()
}

// ScheduleInputOf is the input that makes d as it is: what a merge patch applies to.
func ScheduleInputOf(d agenda.Definition, enabled bool) (ScheduleInput, error) {
	t, err := StoredTiming(d)
	if err != nil {
		return ScheduleInput{}, err
	}
	p := d.Policy
	grace, window := Duration(p.Grace), Duration(p.CatchUpWindow)
	in := ScheduleInput{
		Name: d.Name, Description: d.Description, TemplateID: d.Target.TemplateID, WorkflowID: d.Target.WorkflowID,
		Overlap: string(p.Overlap), MaxQueued: &p.MaxQueued, MaxParallel: positive(p.MaxParallel), Missed: string(p.Missed),
		Grace: &grace, CatchUpWindow: &window, MaxCatchUp: &p.MaxCatchUp,
		MinInterval: DurationOf(p.MinInterval), MinIntervalFrom: string(p.MinIntervalFrom), Jitter: DurationOf(p.Jitter), Offset: DurationOf(p.Offset),
		StartDeadline: DurationOf(p.StartDeadline), PauseOnFailure: positive(p.PauseOnFailure), MaxRuns: positive(p.MaxRuns),
		ExecutionMode: string(d.Mode), Labels: d.Labels, Enabled: &enabled,
	}
	in.Params, in.Inputs = overOf(d.Target)
	if in.Job, err = scheduleJob(d.Target); err != nil {
		return in, err
	}
	in.setTiming(t)
	return in, nil
}

// overOf are the params of a target that is a template, and the inputs of one that is
// a workflow.
func overOf(t agenda.Target) (params, inputs Object) {
	if t.WorkflowID != "" {
		return nil, Object(t.Inputs)
	}
	return Object(t.Inputs), nil
}

func scheduleJob(t agenda.Target) (*ScheduleJobInput, error) {
	if len(t.Job) == 0 {
		return nil, nil //nolint:nilnil // a template is started
	}
	var j ScheduleJobInput
	if err := json.Unmarshal(t.Job, &j); err != nil {
		return nil, fmt.Errorf("read the job of a schedule: %w", err)
	}
	return &j, nil
}

// calendars are all references of t.
func (t TimingInput) calendars() []CalendarRef {
	all := []CalendarRef{t.Calendar, t.Trigger.Calendar}
	if t.Exclude != nil {
		all = append(all, t.Exclude.Calendars...)
	}
	return slices.DeleteFunc(all, CalendarRef.IsZero)
}
