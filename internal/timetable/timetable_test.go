package timetable_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/timetable"
)

func shipped(t *testing.T) *calendar.Set {
	t.Helper()
	set, err := calendar.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func resolve(t *testing.T, spec calendar.Spec) *calendar.Calendar {
	t.Helper()
	c, err := shipped(t).Resolve(spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func codes(list ...string) (out []calendar.Spec) {
	for _, c := range list {
		out = append(out, calendar.Spec{Code: c})
	}
	return out
}

// TestHoursArePhases compares what a trigger is told with what the calendar says
// of every fifth minute, for markets whose hours overlap across dates too.
func TestHoursArePhases(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]calendar.Spec{
		"one":       {Code: "XTKS"},
		"evening":   {Code: "CMES"},
		"any":       {AnyOf: codes("XTKS", "XNYS")},
		"overlap":   {AnyOf: codes("CMES", "XNZE", "XHKG")},
		"all":       {AllOf: codes("XTKS", "XHKG")},
		"not":       {Not: &calendar.Spec{Code: "XNYS"}},
		"in a zone": {AllOf: append(codes("XNYS"), calendar.Spec{Not: &calendar.Spec{Code: "XTSE"}})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := resolve(t, spec)
			hours := timetable.NewHours(c)
			first := time.Date(2026, 5, 14, 0, 0, 0, 0, time.UTC)
			for at := first; at.Before(first.AddDate(0, 0, 8)); at = at.Add(5 * time.Minute) {
				want := c.Phase(at)
				got := calendar.Closed
				s, ok := hours.SessionAfter(at)
				if ok && !at.Before(s.Open) {
					got = calendar.Regular
					for _, b := range s.Breaks {
						if !at.Before(b.Start) && at.Before(b.End) {
							got = calendar.Break
						}
					}
				}
				if got != want {
					t.Fatalf("%v: %s, the calendar says %s; %+v", at, got, want, s)
				}
				if before, ok := hours.SessionBefore(at); ok && !before.Open.Before(at) {
					t.Fatalf("%v: the session before opens at %v", at, before.Open)
				}
			}
		})
	}
}

// TestPausesOfACombination: an any_of has one session a date, and its pauses.
func TestPausesOfACombination(t *testing.T) {
	t.Parallel()
	c := resolve(t, calendar.Spec{AnyOf: codes("XTKS", "XNYS")})
	s, ok := timetable.NewSessions(c).SessionAfter(time.Date(2026, 1, 13, 0, 0, 0, 0, time.UTC))
	clock := func(h, m int) time.Time { return time.Date(2026, 1, 13, h, m, 0, 0, time.UTC) }
	want := schedule.Session{
		Date: dateOf(2026, 1, 13), Open: clock(0, 0), Close: clock(21, 0),
		Breaks: []schedule.Break{{Start: clock(2, 30), End: clock(3, 30)}, {Start: clock(6, 30), End: clock(14, 30)}},
	}
	if diff := cmp.Diff(want, s); !ok || diff != "" {
		t.Error(diff)
	}
}

func TestDays(t *testing.T) {
	t.Parallel()
	days := timetable.NewDays(resolve(t, calendar.Spec{Code: "XNYS"}))
	for date, want := range map[schedule.Date]schedule.DayInfo{
		dateOf(2026, 11, 25): {In: true},
		dateOf(2026, 11, 26): {Holiday: true},
		dateOf(2026, 11, 27): {In: true, EarlyClose: true},
		dateOf(2026, 11, 28): {},
		dateOf(2150, 11, 27): {In: true, Unverified: true},
	} {
		if got := days.Day(date); got != want {
			t.Errorf("%v: %+v, want %+v", date, got, want)
		}
	}
	if days.Zone().String() != "America/New_York" || timetable.NewDays(resolve(t, calendar.Spec{Code: "US"})).Zone() != nil {
		t.Error("an exchange has its own zone, a country none")
	}
}

// TestDenseTriggerIsMoved: a nominal each second over a long closure takes no long
// walk, and lands where those of single minutes do.
func TestDenseTriggerIsMoved(t *testing.T) {
	t.Parallel()
	set := shipped(t)
	first := func(expression string) time.Time {
		trigger, err := timetable.Compile(timetable.Plan{
			Spec:     schedule.Spec{Kind: schedule.KindCron, OnNonSession: schedule.NextSession, Zone: time.UTC, Cron: schedule.CronSpec{Expressions: []string{expression}}},
			Calendar: calendar.Spec{AllOf: append(codes("weekdays"), calendar.Spec{AnyOf: codes("KR")}, calendar.Spec{Not: &calendar.Spec{Code: "US"}})},
		}, set)
		if err != nil {
			t.Fatal(err)
		}
		n, ok := trigger.Next(time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC))
		if !ok {
			t.Fatal("it never fires")
		}
		return n.At
	}
	minutes, seconds := first("* * * * *"), first("* * * * * *")
	if minutes.Truncate(24*time.Hour) != seconds.Truncate(24*time.Hour) {
		t.Errorf("minutes %v, seconds %v", minutes, seconds)
	}
}

func TestCompileNamesTheCalendar(t *testing.T) {
	t.Parallel()
	set := shipped(t)
	spec := schedule.Spec{Kind: schedule.KindCron, Cron: schedule.CronSpec{Expressions: []string{"@daily"}}}
	for part, p := range map[timetable.Part]timetable.Plan{
		timetable.PartCalendar: {Spec: spec, Calendar: calendar.Spec{Code: "nope"}},
		timetable.PartMarket:   {Spec: spec, Market: calendar.Spec{Code: "nope"}},
		timetable.PartExclude:  {Spec: spec, Exclude: codes("XNYS", "nope")},
	} {
		_, err := timetable.Compile(p, set)
		wrong, ok := errors.AsType[*timetable.CalendarError](err)
		if !ok || wrong.Part != part || !fault.Is(err, fault.NotFound) || part == timetable.PartExclude && wrong.Index != 1 {
			t.Errorf("%s: %v", part, err)
		}
	}
}

func TestPreviewStops(t *testing.T) {
	t.Parallel()
	trigger, err := timetable.Compile(timetable.Plan{Spec: schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: time.Hour}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	left := 3
	got, err := timetable.Preview(trigger, time.Unix(0, 0), 10, func() bool { left--; return left < 0 })
	if len(got) != 3 || !errors.Is(err, timetable.ErrStopped) {
		t.Errorf("%d nominals, %v", len(got), err)
	}
}

func dateOf(year int, month time.Month, day int) schedule.Date {
	return schedule.DateIn(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), time.UTC)
}
