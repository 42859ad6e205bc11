// Package timetable joins triggers with calendars: it turns a Plan, which names
// calendars, into a schedule.Trigger, which asks them, and lists what comes next.
// It is pure; where calendars come from is the caller's affair (Finder).
//
//	trigger, err := timetable.Compile(plan, set)
//	items := timetable.Preview(trigger, now, 10, nil)
package timetable

import (
	"errors"
	"time"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
)

// Plan is a trigger and the names of its calendars. The zero value of a name is
// no calendar.
type Plan struct {
	Spec schedule.Spec
	// Calendar has the dates, and the hours of Spec.OnlyIn.
	Calendar calendar.Spec
	// Market has the sessions of an EVENT; none = Calendar has them.
	Market calendar.Spec
	// Exclude are the calendars whose dates are excluded.
	Exclude []calendar.Spec
}

// Finder finds calendars by their names; it is a *calendar.Set.
type Finder interface {
	// Resolve builds what a Spec names; not_found, invalid_input.
	Resolve(spec calendar.Spec) (*calendar.Calendar, error)
}

// Part says which calendar of a Plan is at fault.
type Part string

// The parts.
const (
	PartCalendar Part = "calendar"
	PartMarket   Part = "market"
	PartExclude  Part = "exclude"
)

// CalendarError says that a calendar could not be found or built. It unwraps to
// the fault.
type CalendarError struct {
	Part Part
	// Index counts within Exclude.
	Index int
	Err   error
}

// Error implements error.
func (e *CalendarError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with it.
func (e *CalendarError) Unwrap() error { return e.Err }

// Compile finds the calendars of a plan and compiles its trigger. Errors are
// those of schedule.Compile, or a *CalendarError.
//
// The dates of a market's events are those of its sessions, whatever clocks show
// where the schedule is: a plan whose only calendar is the market has no other
// dates to ask for.
func Compile(p Plan, find Finder) (*schedule.Trigger, error) {
	var calendars schedule.Calendars
	zone := p.Spec.Zone
	if zone == nil {
		// The zone may stand in the expression.
		t, err := schedule.Compile(schedule.Spec{Kind: p.Spec.Kind, Cron: p.Spec.Cron, Interval: p.Spec.Interval, At: p.Spec.At, On: p.Spec.On}, calendars)
		if err == nil {
			zone = t.Spec().Zone
		}
	}
	get := func(spec calendar.Spec, part Part, index int) (*calendar.Calendar, error) {
		c, err := find.Resolve(spec)
		if err != nil {
			return nil, &CalendarError{Part: part, Index: index, Err: err}
		}
		return c.In(zone), nil
	}
	market := p.Market
	if named(p.Calendar) {
		c, err := get(p.Calendar, PartCalendar, 0)
		if err != nil {
			return nil, err
		}
		calendars.Hours = NewHours(c)
		if p.Spec.Kind == schedule.KindEvent && !named(market) {
			market = p.Calendar
		} else {
			calendars.Days = NewDays(c)
		}
	}
	if named(market) {
		c, err := get(market, PartMarket, 0)
		if err != nil {
			return nil, err
		}
		calendars.Event = NewSessions(c)
	}
	for i, spec := range p.Exclude {
		c, err := get(spec, PartExclude, i)
		if err != nil {
			return nil, err
		}
		calendars.Exclude = append(calendars.Exclude, NewDays(c))
	}
	return schedule.Compile(p.Spec, calendars)
}

func named(s calendar.Spec) bool {
	return s.Code != "" || s.AllOf != nil || s.AnyOf != nil || s.Not != nil
}

// ErrStopped is what Preview returns when it was told to stop.
var ErrStopped = errors.New("the preview was stopped")

// Preview lists the first count nominals after from, also those that are
// skipped. It asks stop, if it is not nil, before each of them, and ends with
// ErrStopped once it says so.
func Preview(t *schedule.Trigger, from time.Time, count int, stop func() bool) ([]schedule.Nominal, error) {
	var out []schedule.Nominal
	for len(out) < count {
		if stop != nil && stop() {
			return out, ErrStopped
		}
		n, ok := t.Next(from)
		if !ok {
			break
		}
		out = append(out, n)
		from = n.At
	}
	return out, nil
}

// Never is the fault for a trigger that has no nominal after from; nil if it has
// one, or none is expected of its kind.
func Never(t *schedule.Trigger, from time.Time) error {
	if !t.Never(from) {
		return nil
	}
	return fault.New(fault.NeverFires, "there is no time after "+from.UTC().Format(time.RFC3339)+" at which it fires").
		WithHint("correct the trigger, or allow it with allow_never (--allow-never)")
}
