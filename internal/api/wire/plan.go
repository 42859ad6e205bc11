package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/timetable"
)

// Compile makes a trigger of what the input says. zone is where local times are
// if it names none, seed what H stands for: the schedule's id. Errors are faults
// with a pointer into the input.
func (t TimingInput) Compile(find timetable.Finder, zone *time.Location, seed string) (*schedule.Trigger, error) {
	p, err := t.Plan(zone)
	if err != nil {
		return nil, err
	}
	p.Spec.Cron.HashSeed = seed
	trigger, err := timetable.Compile(p, find)
	if err != nil {
		return nil, t.place(err)
	}
	return trigger, nil
}

// Plan is the only place that turns the API's words into those of schedule. The
// cron expressions and the calendars' names are not looked at yet.
func (t TimingInput) Plan(zone *time.Location) (timetable.Plan, error) {
	p := timetable.Plan{Spec: schedule.Spec{
		Kind: schedule.Kind(t.Trigger.Type), Strict: t.Strict,
		DST:          schedule.DST{Gap: schedule.DSTGap(unless(t.DSTGap, "auto")), Overlap: schedule.DSTOverlap(unless(t.DSTOverlap, "auto"))},
		OnNonSession: schedule.OnNonSession(unless(t.OnNonSession, "skip")), OnlyIn: schedule.OnlyIn(t.OnlyIn),
		StartAt: utc(t.StartAt), EndAt: utc(t.EndAt), Calendar: t.Calendar.label(),
	}}
	if err := t.Trigger.foreign(); err != nil {
		return p, err
	}
	var err error
	switch {
	case t.Timezone != "":
		if p.Spec.Zone, err = schedule.LoadZone(t.Timezone); err != nil {
			return p, fault.From(err).At("/timezone", string(fault.ZoneUnknown), fault.From(err).Detail)
		}
	case !t.Trigger.namesZone():
		p.Spec.Zone = zone
	}
	if p.Calendar, err = t.Calendar.Spec("/calendar"); err != nil {
		return p, err
	}
	if err := t.exclusions(&p); err != nil {
		return p, err
	}
	return p, t.Trigger.fill(&p)
}

// unless returns "" for the word that means the rule itself.
func unless(word, rule string) string {
	if word == rule {
		return ""
	}
	return word
}

func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// label names the calendar for people.
func (c CalendarRef) label() string {
	if c.IsZero() {
		return ""
	}
	return strings.Trim(string(c), `"`)
}

func (t TimingInput) exclusions(p *timetable.Plan) error {
	if t.Exclude == nil {
		return nil
	}
	p.Spec.Exclude.Cron = t.Exclude.Cron
	for i, text := range t.Exclude.Dates {
		d, err := calendar.ParseDate(text)
		if err != nil {
			return fault.New(fault.InvalidInput, err.Error()).At(fmt.Sprintf("/exclude/dates/%d", i), "format", "must be a date such as 2026-12-24")
		}
		p.Spec.Exclude.Dates = append(p.Spec.Exclude.Dates, schedule.Date(d))
	}
	for i, ref := range t.Exclude.Calendars {
		at := fmt.Sprintf("/exclude/calendars/%d", i)
		spec, err := ref.Spec(at)
		if err == nil && ref.IsZero() {
			err = fault.New(fault.InvalidInput, "a calendar is missing").At(at, "wrong_type", "must be a calendar")
		}
		if err != nil {
			return err
		}
		p.Exclude = append(p.Exclude, spec)
		p.Spec.Exclude.Calendars = append(p.Spec.Exclude.Calendars, ref.label())
	}
	return nil
}

// namesZone reports whether the first expression names the zone itself.
func (t TriggerInput) namesZone() bool {
	all := t.expressions()
	return t.Type == string(schedule.KindCron) && len(all) > 0 && strings.HasPrefix(strings.TrimSpace(all[0]), "CRON_TZ=")
}

func (t TriggerInput) expressions() []string {
	if t.Expression != "" {
		return append([]string{t.Expression}, t.Expressions...)
	}
	return t.Expressions
}

// foreign refuses fields that the trigger's type does not read.
func (t TriggerInput) foreign() error {
	for _, f := range []struct {
		name  string
		given bool
		of    string
	}{
		{"expression", t.Expression != "", "CRON"},
		{"expressions", t.Expressions != nil, "CRON"},
		{"dialect", t.Dialect != "", "CRON"},
		{"interval", t.Interval != nil, "INTERVAL"},
		{"interval_minutes", t.IntervalMinutes != 0, "INTERVAL"},
		{"anchor", t.Anchor != nil, "INTERVAL"},
		{"mode", t.Mode != "", "INTERVAL"},
		{"at", t.At != nil, "AT"},
		{"event", t.Event != "", "EVENT ON"},
		{"calendar", !t.Calendar.IsZero(), "EVENT"},
		{"offset", t.Offset != nil, "EVENT"},
		{"every", t.Every != nil, "EVENT INTERVAL"},
		{"during_breaks", t.DuringBreaks, "EVENT"},
		{"subject", t.Subject != "", "ON"},
		{"delay", t.Delay != nil, "ON"},
	} {
		if f.given && !slices.Contains(strings.Fields(f.of), t.Type) {
			detail := fmt.Sprintf("%s is for the type %s", f.name, strings.ReplaceAll(f.of, " ", " or "))
			return fault.New(fault.TriggerInvalid, detail).At("/trigger/"+f.name, "not_allowed", detail)
		}
	}
	return nil
}

// fill writes the part of the plan that is the trigger's own.
func (t TriggerInput) fill(p *timetable.Plan) (err error) {
	s := &p.Spec
	switch s.Kind {
	case schedule.KindCron:
		s.Cron = schedule.CronSpec{Expressions: t.expressions(), Dialect: schedule.Dialect(t.Dialect)}
	case schedule.KindInterval:
		given := 0
		for _, d := range []time.Duration{t.Interval.Or(0), t.Every.Or(0), time.Duration(t.IntervalMinutes) * time.Minute} {
			if d != 0 {
				s.Interval.Every = d
				given++
			}
		}
		if given > 1 {
			return fault.New(fault.TriggerInvalid, "interval and interval_minutes say the same: give one").
				At("/trigger/interval", "not_allowed", "must be absent when interval_minutes or every is given")
		}
		s.Interval.Anchor, s.Interval.Mode = utc(t.Anchor), schedule.Mode(unless(t.Mode, "fixed_rate"))
	case schedule.KindAt:
		for i, text := range t.At {
			if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
				s.At.Instants = append(s.At.Instants, at.UTC())
				continue
			}
			local, err := schedule.ParseLocal(text)
			if err != nil {
				return fault.New(fault.TriggerInvalid, err.Error()).
					At(fmt.Sprintf("/trigger/at/%d", i), "format", "must be a time such as 2026-03-29T02:30:00Z, or a local one such as 2026-03-29T02:30")
			}
			s.At.Locals = append(s.At.Locals, local)
		}
	case schedule.KindEvent:
		s.Event = schedule.EventSpec{
			Calendar: t.Calendar.label(), Event: eventOf(t.Event), Offset: t.Offset.Or(0), Every: t.Every.Or(0), DuringBreaks: t.DuringBreaks,
		}
		if s.Event.Calendar == "" {
			s.Event.Calendar, s.Calendar = s.Calendar, ""
		}
		p.Market, err = t.Calendar.Spec("/trigger/calendar")
	case schedule.KindOn:
		s.On = schedule.OnSpec{Event: t.Event, Subject: t.Subject, Delay: t.Delay.Or(0)}
	}
	return err
}

// eventOf reads MARKET_OPEN, BREAK_START and SESSION_END_OF_MONTH, in any case;
// open and close alone are understood as well.
func eventOf(word string) schedule.Event {
	return schedule.Event(strings.TrimPrefix(strings.ToLower(word), "market_"))
}

// place adds the pointer to a fault of timetable.Compile.
func (t TimingInput) place(err error) error {
	if wrong, ok := errors.AsType[*schedule.SyntaxError](err); ok {
		f := fault.From(err)
		return f.At(t.pointerOf(wrong.Text), "syntax", fmt.Sprintf("column %d: %s", wrong.Column, wrong.Reason))
	}
	if missing, ok := errors.AsType[*timetable.CalendarError](err); ok {
		at := "/calendar"
		switch missing.Part {
		case timetable.PartMarket:
			if !t.Trigger.Calendar.IsZero() {
				at = "/trigger/calendar"
			}
		case timetable.PartExclude:
			at = fmt.Sprintf("/exclude/calendars/%d", missing.Index)
		case timetable.PartCalendar:
		}
		detail := fault.From(missing.Err).Detail
		return fault.New(fault.InvalidInput, detail).At(at, string(fault.From(missing.Err).Code), detail).
			WithHint("GET /api/calendars, or runsheet calendar ls, lists what there is")
	}
	f := fault.From(err)
	if len(f.Fields) > 0 || f.Kind() != fault.Invalid {
		return err
	}
	return f.At(t.suspect(f.Detail), "invalid", f.Detail)
}

// pointerOf is where an expression stands in the input.
func (t TimingInput) pointerOf(text string) string {
	if t.Trigger.Expression != "" && t.Trigger.Expression == text {
		return "/trigger/expression"
	}
	if i := slices.Index(t.Trigger.Expressions, text); i >= 0 {
		return fmt.Sprintf("/trigger/expressions/%d", i)
	}
	if t.Exclude != nil {
		if i := slices.Index(t.Exclude.Cron, text); i >= 0 {
			return fmt.Sprintf("/exclude/cron/%d", i)
		}
	}
	return "/trigger/expression"
}

// suspect finds the field that a refused trigger is about by its name.
func (t TimingInput) suspect(detail string) string {
	for _, name := range []string{"on_non_session", "only_in", "end_at"} {
		if strings.Contains(detail, name) {
			return "/" + name
		}
	}
	switch schedule.Kind(t.Trigger.Type) {
	case schedule.KindCron:
		if strings.Contains(detail, "exclude") {
			return "/exclude/cron"
		}
		return "/trigger/expression"
	case schedule.KindInterval:
		return "/trigger/interval"
	case schedule.KindAt:
		return "/trigger/at"
	case schedule.KindEvent:
		for _, name := range []string{"every", "offset"} {
			if strings.HasPrefix(detail, name) || strings.HasPrefix(detail, "the "+name) {
				return "/trigger/" + name
			}
		}
		if strings.Contains(detail, "needs a calendar") {
			return "/calendar"
		}
		return "/trigger/event"
	case schedule.KindOn:
		return "/trigger/event"
	}
	return "/trigger/type"
}
