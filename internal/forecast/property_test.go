package forecast_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/forecast"
)

// drawSpan draws anything that Span can hold, also what makes no sense.
func drawSpan(t *rapid.T) forecast.Span {
	return forecast.Span{
		Median: time.Duration(rapid.Int64Range(-1, int64(100*time.Hour)).Draw(t, "median")),
		P90:    time.Duration(rapid.Int64Range(-1, int64(300*time.Hour)).Draw(t, "p90")),
		Count:  rapid.IntRange(0, 60).Draw(t, "count"),
	}
}

var names = []string{"lock:a", "lock:b", "limit:c", "free:d"}

func drawInput(t *rapid.T, span func(*rapid.T) forecast.Span) forecast.Input {
	resources := rapid.SliceOfN(rapid.SampledFrom(names), 0, 3)
	in := forecast.Input{
		Now: noon, Slots: rapid.IntRange(0, 4).Draw(t, "slots"),
		Capacity: map[string]int{"limit:c": rapid.IntRange(0, 3).Draw(t, "capacity")},
		Held:     map[string]time.Time{},
	}
	if rapid.Bool().Draw(t, "outside") {
		in.Held["lock:a"] = rapid.SampledFrom([]time.Time{{}, noon.Add(-minute), noon.Add(7 * minute)}).Draw(t, "until")
	}
	for range rapid.IntRange(0, in.Slots).Draw(t, "running") {
		in.Running = append(in.Running, forecast.Running{
			Elapsed: time.Duration(rapid.IntRange(0, 90).Draw(t, "elapsed")) * minute, Span: span(t), Slot: true, Resources: resources.Draw(t, "holds"),
		})
	}
	for i := range rapid.IntRange(0, 12).Draw(t, "waiting") {
		w := forecast.Waiting{
			ID: fmt.Sprint("job_", i), Span: span(t), Resources: resources.Draw(t, "needs"),
			Held: rapid.IntRange(0, 9).Draw(t, "held") == 0,
		}
		if rapid.IntRange(0, 3).Draw(t, "delayed") == 0 {
			w.NotBefore = noon.Add(time.Duration(rapid.IntRange(-10, 60).Draw(t, "delay")) * minute)
		}
		in.Waiting = append(in.Waiting, w)
	}
	return in
}

func TestEstimatesAreInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, drawSpan)
		in.MaxOvertakes = rapid.IntRange(0, 3).Draw(t, "overtakes")
		in.MaxOvertakeAge = time.Duration(rapid.IntRange(0, 20).Draw(t, "age")) * minute
		in.Groups = map[string]forecast.Group{
			"g": {Sequential: rapid.Bool().Draw(t, "sequential"), MaxParallel: rapid.IntRange(0, 3).Draw(t, "parallel")},
		}
		for i := range in.Waiting {
			in.Waiting[i].Group = rapid.SampledFrom([]string{"", "", "g", "h"}).Draw(t, "group")
		}
		for i := range in.Running {
			in.Running[i].Group = rapid.SampledFrom([]string{"", "", "g"}).Draw(t, "running group")
		}
		out := forecast.Forecast(in)
		if len(out) != len(in.Waiting) {
			t.Fatalf("%d estimates for %d jobs", len(out), len(in.Waiting))
		}
		for _, w := range in.Waiting {
			e := out[w.ID]
			switch {
			case e.Known != (e.Reason == ""):
				t.Errorf("%s: known = %v with reason %q", w.ID, e.Known, e.Reason)
			case w.Held && e.Reason != forecast.ReasonHeld:
				t.Errorf("%s is held: %v", w.ID, e)
			case !e.Known && (!e.Start.IsZero() || !e.From.IsZero() || !e.To.IsZero()):
				t.Errorf("%s is unknown with times: %v", w.ID, e)
			case !e.Known:
			case e.From.Before(noon), e.From.Before(w.NotBefore):
				t.Errorf("%s starts before now or its time: %v", w.ID, e)
			case e.Start.Before(e.From), e.To.Before(e.Start):
				t.Errorf("%s: not from <= start <= to: %v", w.ID, e)
			}
		}
		if diff := cmp.Diff(out, forecast.Forecast(in)); diff != "" {
			t.Errorf("the same input again: %s", diff)
		}
		for _, e := range forecast.Beyond(in, out, []int{len(in.Waiting), 1_000_000}) {
			if e.Known && (e.From.Before(noon) || e.Start.Before(e.From) || e.To.Before(e.Start)) {
				t.Errorf("beyond: not now <= from <= start <= to: %v", e)
			}
		}
	})
}

// TestEveryJobStarts: if everything is known and nothing is out of reach, each
// job that is not held has an estimate, however locks, groups and bounds of
// overtaking are entangled.
func TestEveryJobStarts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, func(t *rapid.T) forecast.Span {
			s := drawSpan(t)
			s.Count++
			return s
		})
		in.Slots = max(1, in.Slots)
		in.Capacity["limit:c"] = max(1, in.Capacity["limit:c"])
		in.Held = map[string]time.Time{"lock:b": noon.Add(minute)}
		in.MaxOvertakes = rapid.IntRange(0, 3).Draw(t, "overtakes")
		in.MaxOvertakeAge = time.Duration(rapid.IntRange(0, 20).Draw(t, "age")) * minute
		for i := range in.Waiting {
			if !in.Waiting[i].Held {
				in.Waiting[i].Group = rapid.SampledFrom([]string{"", "", "g", "h"}).Draw(t, "group")
			}
		}
		out := forecast.Forecast(in)
		for _, w := range in.Waiting {
			if e := out[w.ID]; e.Known == w.Held {
				t.Fatalf("%s, held %v: %v", w.ID, w.Held, e)
			}
		}
	})
}

// TestOneSlotKeepsTheOrder: without resources and delays the places are the
// order of the estimates, also of both ends of the range.
func TestOneSlotKeepsTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, drawSpan)
		in.Slots = 1
		in.Running = in.Running[:min(1, len(in.Running))]
		last := forecast.Estimate{Start: noon, From: noon, To: noon}
		unknown := false
		for i := range in.Waiting {
			in.Waiting[i].Resources, in.Waiting[i].NotBefore, in.Waiting[i].Held = nil, time.Time{}, false
		}
		out := forecast.Forecast(in)
		for _, w := range in.Waiting {
			e := out[w.ID]
			if e.Known && unknown {
				t.Fatalf("%s is known behind an unknown one", w.ID)
			}
			if unknown = !e.Known; unknown {
				continue
			}
			if e.Start.Before(last.Start) || e.From.Before(last.From) || e.To.Before(last.To) {
				t.Fatalf("%s: %v, the one before: %v", w.ID, e, last)
			}
			last = e
		}
	})
}

// TestMoreSlotsAreNeverLater holds without resources and delays. With them it
// does not, in the real queue as well: another order may be a worse one
// (Graham's anomalies).
func TestMoreSlotsAreNeverLater(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, drawSpan)
		for i := range in.Waiting {
			in.Waiting[i].Resources, in.Waiting[i].NotBefore = nil, time.Time{}
		}
		few := forecast.Forecast(in)
		in.Slots += rapid.IntRange(1, 3).Draw(t, "more")
		more := forecast.Forecast(in)
		for id, f := range few {
			m := more[id]
			if f.Known && (!m.Known || m.Start.After(f.Start) || m.From.After(f.From) || m.To.After(f.To)) {
				t.Fatalf("%s: %v with more slots, before: %v", id, m, f)
			}
		}
	})
}

// TestAgainstThePlainRule compares with the law of the queue written down as
// plainly as possible. Durations are exact, so that there is one truth.
func TestAgainstThePlainRule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, func(t *rapid.T) forecast.Span {
			return exact(time.Duration(rapid.IntRange(0, 40).Draw(t, "takes")) * minute)
		})
		for i := range in.Running { // an overdue job has no exact end
			in.Running[i].Elapsed = min(in.Running[i].Elapsed, max(0, in.Running[i].Span.Median-minute))
		}
		// What runs holds one unit each; more than there are is another matter.
		want := play(in, func(r forecast.Running) time.Duration { return r.Span.Median - r.Elapsed },
			func(w forecast.Waiting) time.Duration { return w.Span.Median })
		got := map[string]time.Time{}
		for id, e := range forecast.Forecast(in) {
			if e.Known {
				got[id] = e.Start
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// play is the rule of the queue: whenever something ends, all waiting jobs are
// looked at in order, and each that has a slot and its resources starts. It
// knows no groups and no bounds of overtaking.
func play(in forecast.Input, left func(forecast.Running) time.Duration, takes func(forecast.Waiting) time.Duration) map[string]time.Time {
	type executing struct {
		end  time.Time
		uses []string
		slot int
	}
	var active []executing
	once := func(resources []string) []string {
		out := slices.Clone(resources)
		slices.Sort(out)
		return slices.Compact(out)
	}
	far := in.Now.Add(1000 * time.Hour)
	for _, r := range in.Running {
		active = append(active, executing{in.Now.Add(left(r)), once(r.Resources), 1})
	}
	for name, until := range in.Held {
		if until.IsZero() {
			until = far
		}
		active = append(active, executing{until, []string{name}, 0})
	}
	starts := map[string]time.Time{}
	for now := in.Now; now.Before(far); {
		active = slices.DeleteFunc(active, func(e executing) bool { return !e.end.After(now) })
		slots, used := in.Slots, map[string]int{}
		for _, e := range active {
			slots -= e.slot
			for _, u := range e.uses {
				used[u]++
			}
		}
		next := far
		again := false
		for _, w := range in.Waiting {
			if _, started := starts[w.ID]; started || w.Held {
				continue
			}
			if w.NotBefore.After(now) {
				if w.NotBefore.Before(next) {
					next = w.NotBefore
				}
				continue
			}
			uses := once(w.Resources)
			if slots <= 0 || slices.ContainsFunc(uses, func(u string) bool {
				units, bounded := in.Capacity[u]
				if !bounded && u[:5] == "lock:" {
					units, bounded = 1, true
				}
				return bounded && used[u] >= units
			}) {
				continue
			}
			starts[w.ID] = now
			slots--
			for _, u := range uses {
				used[u]++
			}
			active = append(active, executing{now.Add(takes(w)), uses, 1})
			again = again || takes(w) <= 0
		}
		for _, e := range active {
			if e.end.Before(next) {
				next = e.end
			}
		}
		if !again {
			now = next
		}
	}
	return starts
}
