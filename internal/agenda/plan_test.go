package agenda_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/schedule"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// minute is a trigger with a nominal every minute.
func compile(t testing.TB, spec schedule.Spec) *schedule.Trigger {
	t.Helper()
	tr, err := schedule.Compile(spec, schedule.Calendars{})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func every(t testing.TB, d time.Duration) *schedule.Trigger {
	t.Helper()
	return compile(t, schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: d}})
}

// input is a schedule that was made at noon.
func input(tr *schedule.Trigger, now time.Time, edit ...func(*agenda.Policy)) agenda.Input {
	s := agenda.Schedule{ID: "sched_1"}
	s.Policy = agenda.NewPolicy()
	for _, e := range edit {
		e(&s.Policy)
	}
	s.State = agenda.State{}.Begin(noon)
	return agenda.Input{Schedule: s, Trigger: tr, Now: now}
}

// told writes decisions briefly: minutes after noon, then + or the reason.
func told(o agenda.Outcome) string {
	var b strings.Builder
	for _, d := range o.Decisions {
		at := int(d.Nominal.Sub(noon) / time.Minute)
		switch {
		case d.Fire:
			fmt.Fprintf(&b, "%d+", at)
			if d.Source != agenda.SourceSchedule {
				fmt.Fprintf(&b, "%s", d.Source)
			}
			if !d.NotBefore.IsZero() {
				fmt.Fprintf(&b, "@%d", int(d.NotBefore.Sub(noon)/time.Minute))
			}
		case d.Count > 1:
			fmt.Fprintf(&b, "%d-%d %s", at, int(d.Last.Sub(noon)/time.Minute), d.Reason)
		default:
			fmt.Fprintf(&b, "%d %s", at, d.Reason)
		}
		b.WriteString("; ")
	}
	for _, id := range o.Cancel {
		b.WriteString("cancel " + id + "; ")
	}
	for _, id := range o.Supersede {
		b.WriteString("drop " + id + "; ")
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func running(id string) agenda.Run {
	return agenda.Run{JobID: id, Nominal: noon.Add(-2 * time.Minute), Source: agenda.SourceSchedule, Status: agenda.RunRunning, StartedAt: noon.Add(-time.Minute)}
}

func waits(id string) agenda.Run {
	return agenda.Run{JobID: id, Nominal: noon.Add(-time.Minute), Source: agenda.SourceSchedule, Status: agenda.RunQueued}
}

// TestOverlap has a row for each of the policies of the law's section 5, with
// nothing open, with a run, and with a run and one that waits.
func TestOverlap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy            agenda.Overlap
		idle, busy, queue string
	}{
		{agenda.OverlapSkip, "1+", "1 overlap", "1 overlap"},
		{agenda.OverlapQueueOne, "1+", "1+", "1 overlap"},
		{agenda.OverlapQueueLatest, "1+", "1+", "1+; drop w"},
		{agenda.OverlapQueueAll, "1+", "1+", "1 buffer_full"},
		{agenda.OverlapCancelRunning, "1+", "1+; cancel r", "1+; cancel r; cancel w"},
		{agenda.OverlapAllow, "1+", "1+", "1+"},
	} {
		for i, want := range []string{c.idle, c.busy, c.queue} {
			in := input(every(t, time.Minute), noon.Add(time.Minute), func(p *agenda.Policy) { p.Overlap, p.MaxQueued = c.policy, 1 })
			in.Runs = []agenda.Run{running("r"), waits("w")}[:i]
			if got := told(agenda.Plan(in)); got != want {
				t.Errorf("%s with %d open: %q, want %q", c.policy, i, got, want)
			}
		}
	}
}

// TestMissed is T12: downtime of 5 minutes, 2 hours and 30 days (with a nominal
// every 6 hours) against the policies, each with each way of overlap.
func TestMissed(t *testing.T) {
	t.Parallel()
	type row struct {
		down    time.Duration
		every   time.Duration
		missed  agenda.Missed
		overlap agenda.Overlap
		want    string
	}
	day := 24 * time.Hour
	for _, r := range []row{
		{5 * time.Minute, time.Minute, agenda.MissedSkip, agenda.OverlapSkip, "1-3 missed; 4+; 5 overlap"},
		{5 * time.Minute, time.Minute, agenda.MissedLatest, agenda.OverlapSkip, "1-2 coalesced; 3+catch_up; 4-5 overlap"},
		{5 * time.Minute, time.Minute, agenda.MissedEarliest, agenda.OverlapAllow, "1+catch_up; 2-3 coalesced; 4+; 5+"},
		{5 * time.Minute, time.Minute, agenda.MissedAll, agenda.OverlapAllow, "1+catch_up; 2+catch_up; 3+catch_up; 4+; 5+"},
		{5 * time.Minute, time.Minute, agenda.MissedAll, agenda.OverlapSkip, "1+catch_up; 2-5 overlap"},
		{5 * time.Minute, time.Minute, agenda.MissedAll, agenda.OverlapQueueOne, "1+catch_up; 2+catch_up; 3-5 overlap"},
		{5 * time.Minute, time.Minute, agenda.MissedAll, agenda.OverlapQueueLatest, "1+catch_up; 2 superseded; 3 superseded; 4 superseded; 5+"},
		{5 * time.Minute, time.Minute, agenda.MissedAll, agenda.OverlapCancelRunning, "1 superseded; 2 superseded; 3 superseded; 4 superseded; 5+"},
		{2 * time.Hour, time.Hour, agenda.MissedSkip, agenda.OverlapSkip, "60 missed; 120+"},
		{2*time.Hour + 2*time.Minute, time.Hour, agenda.MissedSkip, agenda.OverlapSkip, "60-120 missed"},
		{2*time.Hour + 2*time.Minute, time.Hour, agenda.MissedDefault, agenda.OverlapSkip, "60 coalesced; 120+catch_up"},
		{2*time.Hour + 2*time.Minute, time.Hour, agenda.MissedAll, agenda.OverlapAllow, "60+catch_up; 120+catch_up"},
		{2*time.Hour + 2*time.Minute, time.Hour, agenda.MissedAll, agenda.OverlapQueueOne, "60+catch_up; 120+catch_up"},
		{2*time.Hour + 2*time.Minute, time.Hour, agenda.MissedLatest, agenda.OverlapCancelRunning, "60 coalesced; 120+catch_up"},
		{30*day + 2*time.Minute, 6 * time.Hour, agenda.MissedSkip, agenda.OverlapSkip, "360-41760 missed_window; 42120-43200 missed"},
		{30*day + 2*time.Minute, 6 * time.Hour, agenda.MissedLatest, agenda.OverlapSkip, "360-41760 missed_window; 42120-42840 coalesced; 43200+catch_up"},
		{30*day + 2*time.Minute, 6 * time.Hour, agenda.MissedEarliest, agenda.OverlapSkip, "360-41760 missed_window; 42120+catch_up; 42480-43200 coalesced"},
		{30*day + 2*time.Minute, 6 * time.Hour, agenda.MissedAll, agenda.OverlapAllow, "360-41760 missed_window; 42120 catch_up_limit; 42480+catch_up; 42840+catch_up; 43200+catch_up"},
	} {
		tr := compile(t, schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: r.every, Anchor: noon}})
		in := input(tr, noon.Add(r.down), func(p *agenda.Policy) {
			p.Missed, p.Overlap = r.missed, r.overlap
			if r.down > day {
				p.MaxCatchUp = 3
			}
		})
		o := agenda.Plan(in)
		if got := told(o); got != r.want {
			t.Errorf("%v down, %s, %s:\n got %s\nwant %s", r.down, r.missed, r.overlap, got, r.want)
		}
		// Never permanently off.
		if o.State.Status != agenda.Active || !o.State.Next.After(in.Now) {
			t.Errorf("%v down, %s: the schedule is %s, next %v", r.down, r.missed, o.State.Status, o.State.Next)
		}
	}
}

// TestControls has the rules of section 7.
func TestControls(t *testing.T) {
	t.Parallel()
	at := func(m float64) time.Time { return noon.Add(time.Duration(m * float64(time.Minute))) }
	ended := func(n int, status agenda.RunStatus) (out []agenda.Run) {
		for i := range n {
			out = append(out, agenda.Run{JobID: fmt.Sprint("j", i), Nominal: at(-9), Status: status, StartedAt: at(-9), EndedAt: at(0.1 * float64(i+1))})
		}
		return out
	}
	for _, c := range []struct {
		name   string
		now    time.Time
		policy func(*agenda.Policy)
		edit   func(*agenda.Input)
		want   string
		status agenda.Status
	}{
		{name: "the minimum interval skips", now: at(2), policy: func(p *agenda.Policy) {
			p.MinInterval = 2 * time.Minute
			p.Overlap = agenda.OverlapAllow
			p.Grace = 2 * time.Minute
		}, want: "1+; 2 min_interval"},
		{name: "an equal interval does not", now: at(2), policy: func(p *agenda.Policy) {
			p.MinInterval = time.Minute
			p.Overlap = agenda.OverlapAllow
			p.Grace = 2 * time.Minute
		}, edit: func(in *agenda.Input) {
			in.Schedule.State.Last = agenda.Run{JobID: "x", Nominal: noon, PlannedAt: noon, StartedAt: noon.Add(time.Second), Status: agenda.RunCompleted}
		}, want: "1+; 2+"},
		{name: "a catch-up of all is spaced", now: at(4.5), policy: func(p *agenda.Policy) {
			p.Missed, p.MinInterval, p.Overlap = agenda.MissedAll, 5*time.Minute, agenda.OverlapAllow
		}, want: "1+catch_up; 2+catch_up@9; 3+catch_up@14; 4 min_interval"},
		{name: "from the end", now: at(1), policy: func(p *agenda.Policy) { p.MinInterval, p.MinIntervalFrom = 2*time.Minute, agenda.FromEnd }, edit: func(in *agenda.Input) {
			in.Schedule.State.Last = agenda.Run{JobID: "j0", Nominal: at(-9)}
			in.Runs = ended(1, agenda.RunCompleted)
		}, want: "1 min_interval"},
		{name: "the deadline has passed", now: at(1.5), policy: func(p *agenda.Policy) { p.StartDeadline = 10 * time.Second }, want: "1 deadline"},
		{name: "no catch-up at all", now: at(3), policy: func(p *agenda.Policy) { p.CatchUpWindow = 0 }, want: "1 missed_window; 2+; 3 overlap"},
		{name: "max_runs", now: at(4), policy: func(p *agenda.Policy) { p.MaxRuns, p.Overlap, p.Grace = 2, agenda.OverlapAllow, time.Hour }, want: "1+; 2+", status: agenda.Finished},
		{name: "a person skips one", now: at(1), edit: func(in *agenda.Input) {
			st, got, err := in.SkipNextOf(1)
			if err != nil || len(got) != 1 || !got[0].Equal(at(1)) {
				t.Errorf("skip next: %v %v", got, err)
			}
			in.Schedule.State = st
		}, want: "1 requested"},
		{name: "paused", now: at(3), edit: func(in *agenda.Input) { in.Schedule.State = in.Schedule.State.Pause(at(1), "ann", "") }, status: agenda.Paused},
		{name: "resumed", now: at(5), edit: func(in *agenda.Input) {
			in.Schedule.State = in.Schedule.State.Pause(at(1), "ann", "").Resume(at(4.5), false)
		}, want: "1-4 paused; 5+"},
		{name: "resumed with catch-up", now: at(4.5), edit: func(in *agenda.Input) {
			in.Schedule.State = in.Schedule.State.Pause(at(1), "ann", "").Resume(at(4.5), true)
		}, want: "1-2 coalesced; 3+catch_up; 4 overlap"},
		{name: "paused by failures", now: at(1), policy: func(p *agenda.Policy) { p.PauseOnFailure = 3 }, edit: func(in *agenda.Input) { in.Runs = ended(3, agenda.RunFailed) }, status: agenda.Paused},
		{name: "not enough failures", now: at(1), policy: func(p *agenda.Policy) { p.PauseOnFailure = 3 }, edit: func(in *agenda.Input) { in.Runs = ended(2, agenda.RunFailed) }, want: "1+"},
		{name: "cancelled runs are no failures", now: at(1), policy: func(p *agenda.Policy) { p.PauseOnFailure = 3 }, edit: func(in *agenda.Input) { in.Runs = ended(5, agenda.RunCancelled) }, want: "1+"},
		{name: "the clock went back", now: at(-60), want: ""},
	} {
		in := input(every(t, time.Minute), c.now)
		if c.policy != nil {
			c.policy(&in.Schedule.Policy)
		}
		if c.edit != nil {
			c.edit(&in)
		}
		o := agenda.Plan(in)
		if got := told(o); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if c.status == "" {
			c.status = agenda.Active
		}
		if o.State.Status != c.status {
			t.Errorf("%s: the schedule is %s, want %s", c.name, o.State.Status, c.status)
		}
		if next := o.State.Next; (c.status == agenda.Active) != next.After(c.now) {
			t.Errorf("%s: %s, next %v", c.name, c.status, next)
		}
	}
}

// TestParts: a stretch that is decided in parts comes out as in one piece.
func TestParts(t *testing.T) {
	t.Parallel()
	for _, m := range agenda.MissedPolicies() {
		set := func(p *agenda.Policy) { p.Missed, p.MaxCatchUp, p.Overlap = m, 3, agenda.OverlapAllow }
		whole := agenda.Plan(input(every(t, time.Minute), noon.Add(100*time.Minute), set))
		in := input(every(t, time.Minute), noon.Add(100*time.Minute), set)
		in.MaxNominals = 7
		fired := map[string]bool{}
		for range 100 {
			o := agenda.Plan(in)
			for _, d := range o.Decisions {
				if d.Fire {
					fired[d.Nominal.String()] = true
				}
			}
			in.Schedule.State = o.State
			if !o.More {
				break
			}
		}
		want := map[string]bool{}
		for _, d := range whole.Decisions {
			if d.Fire {
				want[d.Nominal.String()] = true
			}
		}
		// What fires is the same; which of the reasons the others got may differ.
		if d := cmp.Diff(want, fired); d != "" {
			t.Errorf("%s (-whole +parts):\n%s", m, d)
		}
		if !in.Schedule.State.Cursor.Equal(whole.State.Cursor) {
			t.Errorf("%s: the cursors are %v and %v", m, in.Schedule.State.Cursor, whole.State.Cursor)
		}
	}
}

func TestAfterCompletion(t *testing.T) {
	t.Parallel()
	tr := compile(t, schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: time.Minute, Mode: schedule.AfterCompletion}})
	in := input(tr, noon.Add(90*time.Second))
	o := agenda.Plan(in)
	if told(o) != "1+" || !o.State.AwaitsEnd || !o.State.Next.IsZero() {
		t.Fatalf("first: %s, %+v", told(o), o.State)
	}
	in.Schedule.State = o.State
	in.Runs = []agenda.Run{{JobID: "a", Nominal: noon.Add(time.Minute), Status: agenda.RunCompleted, EndedAt: noon.Add(10 * time.Minute)}}
	in.Now = noon.Add(10*time.Minute + time.Second)
	o = agenda.Plan(in)
	if told(o) != "" || o.State.AwaitsEnd || !o.State.Next.Equal(noon.Add(11*time.Minute)) {
		t.Fatalf("after the end: %s, %+v", told(o), o.State)
	}
}

// TestCalendarsChange: what the new calendars put before the change does not fire,
// and what was to come by the old ones, put off by jitter, is not lost.
func TestCalendarsChange(t *testing.T) {
	t.Parallel()
	at := func(minutes float64) time.Time { return noon.Add(time.Duration(minutes * float64(time.Minute))) }
	ten := every(t, 10*time.Minute)
	shifted := compile(t, schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: 10 * time.Minute, Anchor: at(3)}})
	// The change comes at minute 5; minute 10 was next, now it is 13, and not 3.
	in := input(ten, noon)
	in.Schedule.State = agenda.Plan(in).State
	in.Schedule.State.Next, in.Calendars, in.Trigger, in.Now = at(5), 1, shifted, at(5.5)
	o := agenda.Plan(in)
	if got := told(o); got != "" || !o.State.NextNominal.Equal(at(13)) {
		t.Errorf("after the change %q, next %v", got, o.State.NextNominal)
	}
	if in.Schedule.State, in.Now = o.State, at(13); told(agenda.Plan(in)) != "13+" {
		t.Errorf("then %q", told(agenda.Plan(in)))
	}
	// It comes when minute 10 is past and its due time is not.
	for i := range 20 {
		in = input(ten, at(9), func(p *agenda.Policy) { p.Jitter, p.Grace = 9*time.Minute, time.Hour })
		in.Schedule.ID = fmt.Sprint("sched_", i)
		in.Schedule.State = agenda.Plan(in).State
		if in.Schedule.State.Next.Before(at(10.1)) {
			continue
		}
		in.Schedule.State.Next, in.Calendars, in.Now = at(10.1), 1, at(10.1)
		o = agenda.Plan(in)
		in.Schedule.State, in.Now = o.State, at(19.5)
		if got := told(o) + told(agenda.Plan(in)); got != "10+" {
			t.Errorf("put off: %q", got)
		}
	}
	// It comes when minute 10 is due, and nobody has decided it yet.
	in = input(ten, noon)
	in.Schedule.State = agenda.Plan(in).State
	in.Calendars, in.Now = 1, at(10.1)
	if got := told(agenda.Plan(in)); got != "10+" {
		t.Errorf("due: %q", got)
	}
}
