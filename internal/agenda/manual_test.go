package agenda_test

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/timetable"
)

// TestMarketClosed: an order job must not run after hours.
func TestMarketClosed(t *testing.T) {
	t.Parallel()
	set, err := calendar.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	nyse, err := set.Get("XNYS")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := schedule.Compile(schedule.Spec{Kind: schedule.KindEvent, Event: schedule.EventSpec{
		Calendar: "XNYS", Event: schedule.EventClose, Offset: -10 * time.Minute,
	}}, schedule.Calendars{Event: timetable.NewSessions(nyse)})
	if err != nil {
		t.Fatal(err)
	}
	due := time.Date(2026, 3, 2, 20, 50, 0, 0, time.UTC) // 15:50 in New York
	for late, want := range map[time.Duration]string{
		time.Second:      "1970+",
		5 * time.Minute:  "1970+catch_up",
		15 * time.Minute: "1970 missed",
	} {
		if got := told(agenda.Plan(input(tr, due.Add(late)))); got != want {
			t.Errorf("%v late: %q, want %q", late, got, want)
		}
	}
	asked := input(tr, due.Add(15*time.Minute), func(p *agenda.Policy) { p.Missed = agenda.MissedLatest })
	if got := told(agenda.Plan(asked)); got != "1970+catch_up" {
		t.Errorf("who asks for it gets it: %q", got)
	}
}

func TestBackfillBounds(t *testing.T) {
	t.Parallel()
	in := input(every(t, time.Second), noon)
	for _, b := range []agenda.Backfill{
		{From: noon, To: noon},
		{From: noon.Add(-time.Minute), To: noon.Add(time.Minute)},
		{From: noon.Add(-time.Hour), To: noon},
		{From: noon.Add(-time.Minute), To: noon, Max: 1001},
	} {
		if _, err := agenda.PlanBackfill(in, b); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("%+v: %v", b, err)
		}
	}
	o, err := agenda.PlanBackfill(in, agenda.Backfill{From: noon.Add(-10 * time.Second), To: noon, Descending: true, Max: 3, Fired: map[int64]bool{noon.Add(-time.Second).UnixMilli(): true}})
	if err != nil || len(o.Decisions) != 3 || !o.Decisions[0].Nominal.Equal(noon.Add(-2*time.Second)) || !o.Decisions[0].Previous.Equal(noon.Add(-3*time.Second)) {
		t.Errorf("%+v, %v", o.Decisions, err)
	}
}

// TestBackfillOfNothing: also an interval in which everything is skipped is looked
// at for a bounded time.
func TestBackfillOfNothing(t *testing.T) {
	t.Parallel()
	tr, err := schedule.Compile(schedule.Spec{
		Kind: schedule.KindCron, Cron: schedule.CronSpec{Expressions: []string{"* * * * * *"}}, Exclude: schedule.Exclude{Cron: []string{"* * * * * *"}},
	}, schedule.Calendars{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = agenda.PlanBackfill(input(tr, noon), agenda.Backfill{From: noon.AddDate(-1900, 0, 0), To: noon})
	if f := fault.From(err); f.Code != fault.InvalidInput || len(f.Fields) != 1 || f.Fields[0].Pointer != "/from" {
		t.Errorf("%+v", err)
	}
	if o, err := agenda.PlanBackfill(input(tr, noon), agenda.Backfill{From: noon.Add(-24 * time.Hour), To: noon}); err != nil || len(o.Decisions) != 0 {
		t.Errorf("a day: %+v %v", o.Decisions, err)
	}
}

// TestSkipNextIsBounded: what people ask for does not grow a schedule for ever.
func TestSkipNextIsBounded(t *testing.T) {
	t.Parallel()
	in := input(every(t, time.Second), noon)
	for range 10 {
		st, got, err := in.SkipNextOf(100)
		if err != nil || len(got) != 100 {
			t.Fatalf("%d %v", len(got), err)
		}
		in.Schedule.State = st
	}
	if _, _, err := in.SkipNextOf(1); !fault.Is(err, fault.Conflict) {
		t.Errorf("one more: %v", err)
	}
}

func TestPolicyBounds(t *testing.T) {
	t.Parallel()
	if err := agenda.NewPolicy().Validate(); err != nil {
		t.Error(err)
	}
	for _, wrong := range []func(*agenda.Policy){
		func(p *agenda.Policy) { p.Overlap = "often" },
		func(p *agenda.Policy) { p.Missed = "never" },
		func(p *agenda.Policy) { p.Grace = time.Millisecond },
		func(p *agenda.Policy) { p.MaxCatchUp = 0 },
		func(p *agenda.Policy) { p.Jitter = -1 },
		func(p *agenda.Policy) { p.MinIntervalFrom = "middle" },
	} {
		p := agenda.NewPolicy()
		wrong(&p)
		if err := p.Validate(); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
