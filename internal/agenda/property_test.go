package agenda_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/schedule"
)

// TestEachNominalOnce: whatever happens to a schedule and its clock, each decision
// is about exactly the nominals between the old and the new cursor, each once, and
// none that is due is left.
func TestEachNominalOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		in := agenda.Input{Schedule: agenda.Schedule{ID: "sched_p"}, Now: noon}
		in.Schedule.Policy = agenda.Policy{
			Overlap: rapid.SampledFrom(agenda.Overlaps()).Draw(r, "overlap"), MaxQueued: 2,
			Missed: rapid.SampledFrom(append(agenda.MissedPolicies(), agenda.MissedDefault)).Draw(r, "missed"),
			Grace:  time.Minute, CatchUpWindow: time.Duration(rapid.IntRange(0, 3).Draw(r, "window")) * time.Hour,
			MaxCatchUp: rapid.IntRange(1, 4).Draw(r, "max_catch_up"), MinInterval: time.Duration(rapid.IntRange(0, 3).Draw(r, "min")) * time.Minute,
			Jitter: time.Duration(rapid.IntRange(0, 40).Draw(r, "jitter")) * time.Second,
			Offset: time.Duration(rapid.IntRange(0, 40).Draw(r, "offset")) * time.Second,
		}
		in.MaxNominals = rapid.SampledFrom([]int{0, 5, 30}).Draw(r, "part")
		in.Trigger = drawTrigger(r)
		in.Schedule.State = agenda.State{}.Begin(noon)
		fired := map[int64]bool{}
		jobs := 0
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			switch rapid.IntRange(0, 9).Draw(r, "op") {
			case 0:
				in.Now = in.Now.Add(-time.Duration(rapid.IntRange(1, 7200).Draw(r, "back")) * time.Second)
			case 1:
				in.Trigger = drawTrigger(r)
				in.Schedule.State = in.Schedule.State.Begin(in.Now)
			case 2:
				in.Schedule.State = in.Schedule.State.Pause(in.Now, "ann", "")
			case 3:
				in.Schedule.State = in.Schedule.State.Resume(in.Now, rapid.Bool().Draw(r, "catch_up"))
			case 4:
				if st, _, err := in.SkipNextOf(1); err == nil {
					in.Schedule.State = st
				}
			case 5:
				for i := range in.Runs {
					in.Runs[i].Status = rapid.SampledFrom([]agenda.RunStatus{agenda.RunRunning, agenda.RunCompleted, agenda.RunFailed}).Draw(r, "status")
					in.Runs[i].StartedAt, in.Runs[i].EndedAt = in.Now, in.Now
				}
			case 6:
				in.Now = in.Now.Add(time.Duration(rapid.IntRange(1, 5*3600).Draw(r, "down")) * time.Second)
			default:
				in.Now = in.Now.Add(time.Duration(rapid.IntRange(0, 90).Draw(r, "forward")) * time.Second)
			}
			o := agenda.Plan(in)
			covers(r, in, o)
			var runs []agenda.Run
			for _, run := range in.Runs {
				if run.Status.Open() && !slices.Contains(o.Supersede, run.JobID) {
					runs = append(runs, run)
				}
			}
			for _, d := range o.Decisions {
				if !d.Fire {
					continue
				}
				if fired[d.Nominal.UnixMilli()] {
					r.Fatalf("%v fired twice", d.Nominal)
				}
				fired[d.Nominal.UnixMilli()] = true
				jobs++
				runs = append(runs, agenda.Run{JobID: fmt.Sprint("j", jobs), Nominal: d.Nominal, Source: d.Source, Status: agenda.RunQueued})
			}
			in.Runs, in.Schedule.State = runs, o.State
		}
	})
}

func drawTrigger(r *rapid.T) *schedule.Trigger {
	spec := schedule.Spec{Kind: schedule.KindInterval, Interval: schedule.IntervalSpec{Every: time.Duration(rapid.IntRange(20, 600).Draw(r, "every")) * time.Second}}
	if rapid.Bool().Draw(r, "cron") {
		spec = schedule.Spec{Kind: schedule.KindCron, Cron: schedule.CronSpec{Expressions: []string{"*/3 * * * *"}}, Exclude: schedule.Exclude{Cron: []string{"0-29 * * * *"}}}
	}
	tr, err := schedule.Compile(spec, schedule.Calendars{})
	if err != nil {
		r.Fatal(err)
	}
	return tr
}

// covers checks one step.
func covers(r *rapid.T, in agenda.Input, o agenda.Outcome) {
	old, now := in.Schedule.State.Cursor, o.State.Cursor
	if now.Before(old) {
		r.Fatalf("the cursor went from %v to %v", old, now)
	}
	at := old
	first := true
	for _, d := range o.Decisions {
		count := int64(1)
		last := d.Nominal
		if !d.Fire {
			count, last = d.Count, d.Last
		}
		for i := range count {
			n, ok := in.Trigger.Next(at)
			if !ok {
				r.Fatalf("%+v is about nominals that do not exist", d)
			}
			if i == 0 && !n.At.Equal(d.Nominal) && !(first && d.Extends) {
				r.Fatalf("after %v comes %v, and the decision is %+v", at, n.At, d)
			}
			at = n.At
		}
		if !at.Equal(last) {
			r.Fatalf("%+v ends at %v", d, at)
		}
		first = false
	}
	if !at.Equal(now) {
		r.Fatalf("decisions reach to %v, the cursor is %v", at, now)
	}
	if o.State.Status != agenda.Active {
		if len(o.Decisions) > 0 {
			r.Fatalf("%s, and decides", o.State.Status)
		}
		return
	}
	if o.More {
		if len(o.Decisions) == 0 {
			r.Fatal("there is more, and nothing is decided")
		}
		return
	}
	if n, ok := in.Trigger.Next(now); !ok || !o.State.NextNominal.Equal(n.At) || !o.State.Next.After(in.Now.Truncate(time.Millisecond)) || o.State.Next.Before(n.At) {
		r.Fatalf("at %v the next nominal is %v, due %v; want %v", in.Now, o.State.NextNominal, o.State.Next, n.At)
	}
}
