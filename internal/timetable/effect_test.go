package timetable_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/timetable"
)

// changed are the shipped calendars with overrides of XNYS.
func changed(t *testing.T, list ...calendar.Override) *calendar.Set {
	t.Helper()
	c, err := resolve(t, calendar.Spec{Code: "XNYS"}).With(list)
	if err != nil {
		t.Fatal(err)
	}
	set, err := shipped(t).With(c)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func day(t *testing.T, text string) calendar.Date {
	t.Helper()
	d, err := calendar.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestCompare closes 2026-11-23, a Monday, and 2026-11-30, the last session of its
// month, and lets 2026-11-24 close at noon.
func TestCompare(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	after := changed(
		t, calendar.Override{Date: day(t, "2026-11-23"), Kind: calendar.OverrideClosed}, calendar.Override{Date: day(t, "2026-11-30"), Kind: calendar.OverrideClosed},
		calendar.Override{Date: day(t, "2026-11-24"), Kind: calendar.OverrideHours, Open: "09:30", Close: "12:00"},
	)
	xnys := calendar.Spec{Code: "XNYS"}
	cron := func(text string) schedule.Spec {
		return schedule.Spec{Kind: schedule.KindCron, Cron: schedule.CronSpec{Expressions: []string{text}}, Zone: zone}
	}
	next := cron("0 9 * * MON")
	next.OnNonSession = schedule.NextSession
	hours := cron("0 11,13 * * *")
	hours.OnlyIn = schedule.InRegularHours
	event := func(e schedule.Event, offset time.Duration) schedule.Spec {
		return schedule.Spec{Kind: schedule.KindEvent, Event: schedule.EventSpec{Event: e, Offset: offset}, Zone: zone}
	}
	for name, c := range map[string]struct {
		plan timetable.Plan
		want []string
	}{
		"untouched": {timetable.Plan{Spec: cron("0 9 * * *")}, nil},
		"another":   {timetable.Plan{Spec: cron("0 9 * * *"), Calendar: calendar.Spec{Code: "XTSE"}}, nil},
		"vanish":    {timetable.Plan{Spec: cron("0 9 * * *"), Calendar: xnys}, []string{"23 09:00 - holiday", "30 09:00 - holiday"}},
		"appear": {
			timetable.Plan{Spec: cron("0 9 * * *"), Calendar: calendar.Spec{Not: &xnys}}, []string{"- 23 09:00", "- 30 09:00"},
		},
		"move":  {timetable.Plan{Spec: next, Calendar: xnys}, []string{"23 09:00 24 09:00", "30 09:00 01 09:00"}},
		"hours": {timetable.Plan{Spec: hours, Calendar: xnys}, []string{"23 11:00 - holiday", "23 13:00 - holiday", "24 13:00 - only_in", "30 11:00 - holiday", "30 13:00 - holiday"}},
		"close": {
			timetable.Plan{Spec: event("close", -10*time.Minute), Calendar: xnys}, []string{"23 15:50 -", "24 15:50 24 11:50", "30 15:50 -"},
		},
		"month": {timetable.Plan{Spec: event("session_end_of_month", 0), Calendar: xnys}, []string{"30 16:00 27 13:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compile := func(find timetable.Finder) *schedule.Trigger {
				tr, err := timetable.Compile(c.plan, find)
				if err != nil {
					t.Fatal(err)
				}
				return tr
			}
			from := time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)
			got, err := timetable.Compare(compile(shipped(t)), compile(after), from, from.AddDate(0, 0, 30), nil)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			at := func(n schedule.Nominal) string {
				if n.At.IsZero() {
					return "-"
				}
				return n.At.In(zone).Format("02 15:04")
			}
			for _, e := range got {
				line := at(e.Before) + " " + at(e.After)
				if e.Reason != "" {
					line += " " + string(e.Reason)
				}
				lines = append(lines, line)
				if e.Moved() != (!e.Before.At.IsZero() && !e.After.At.IsZero()) {
					t.Errorf("%s: moved is %v", line, e.Moved())
				}
			}
			if diff := cmp.Diff(c.want, lines); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if _, err := timetable.Compare(compile(shipped(t)), compile(after), from, from.AddDate(0, 0, 30), func() bool { return true }); !errors.Is(err, timetable.ErrStopped) {
				t.Errorf("stopped: %v", err)
			}
		})
	}
}
