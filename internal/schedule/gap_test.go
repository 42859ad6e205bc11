package schedule

import (
	"testing"
	"time"
)

// rare is a calendar that has few dates, and counts how often it is asked.
type rare struct {
	dates map[Date]bool
	asked *int
}

func (r rare) Day(d Date) DayInfo {
	*r.asked++
	return DayInfo{In: r.dates[d]}
}

func (rare) Zone() *time.Location { return nil }

// TestRareDates: a calendar without dates for years is not searched again for each
// nominal, and the answers are those of a search from the start.
func TestRareDates(t *testing.T) {
	t.Parallel()
	day := DateIn(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), time.UTC)
	for name, dates := range map[string]map[Date]bool{
		"none": {}, "far apart": {day - 2500: true, day + 10: true, day + 3000: true}, "near": {day: true, day + 1: true, day + 20: true},
	} {
		for _, policy := range []OnNonSession{NextSession, PreviousSession} {
			asked := 0
			spec := Spec{Kind: KindCron, Cron: CronSpec{Expressions: []string{"0 9 * * *"}}, OnNonSession: policy}
			trigger, err := Compile(spec, Calendars{Days: rare{dates, &asked}})
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			for range 50 {
				fresh, err := Compile(spec, Calendars{Days: rare{dates, new(int)}})
				if err != nil {
					t.Fatal(err)
				}
				got, ok := trigger.Next(at)
				want, wantOK := fresh.Next(at)
				if ok != wantOK || got != want {
					t.Fatalf("%s %s after %v: %v %v, want %v %v", name, policy, at, got, ok, want, wantOK)
				}
				if at = got.At; !ok {
					break
				}
			}
			if asked > 150_000 {
				t.Errorf("%s %s: the calendar was asked %d times", name, policy, asked)
			}
		}
	}
}

// TestExcludedForWeeks: a long exclusion does not hide the time after it.
func TestExcludedForWeeks(t *testing.T) {
	t.Parallel()
	spec := Spec{Kind: KindCron, Cron: CronSpec{Expressions: []string{"* * * * * *"}}}
	first := DateIn(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.UTC)
	for d := range Date(30) {
		spec.Exclude.Dates = append(spec.Exclude.Dates, first+d)
	}
	trigger, err := Compile(spec, Calendars{})
	if err != nil {
		t.Fatal(err)
	}
	n, ok := trigger.NextFiring(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if want := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC); !ok || !n.At.Equal(want) {
		t.Errorf("%v %v, want %v", n, ok, want)
	}
}
