package forecast_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/forecast"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// exact is a kind that always takes the same time.
func exact(d time.Duration) forecast.Span { return forecast.Span{Median: d, P90: d, Count: 50} }

const minute = time.Minute

func running(elapsed, takes time.Duration, resources ...string) forecast.Running {
	return forecast.Running{Elapsed: elapsed, Span: exact(takes), Slot: true, Resources: resources}
}

func waiting(id string, takes time.Duration, resources ...string) forecast.Waiting {
	return forecast.Waiting{ID: id, Span: exact(takes), Resources: resources}
}

// show writes estimates in minutes from noon: "5" if the range is that point,
// "1..9" with the range, else the reason.
func show(in forecast.Input) map[string]string {
	out := map[string]string{}
	for id, e := range forecast.Forecast(in) {
		m := func(t time.Time) string { return fmt.Sprintf("%.3g", t.Sub(noon).Minutes()) }
		switch {
		case !e.Known:
			out[id] = string(e.Reason)
		case e.From.Equal(e.To):
			out[id] = m(e.Start)
		default:
			out[id] = m(e.From) + ".." + m(e.Start) + ".." + m(e.To)
		}
	}
	return out
}

var (
	unknown = forecast.Waiting{ID: "new"}
	held    = forecast.Waiting{ID: "held", Span: exact(5 * minute), Held: true}
)

// from is a waiting job with an earliest start.
func from(at time.Duration, w forecast.Waiting) forecast.Waiting {
	w.NotBefore = noon.Add(at)
	return w
}

func member(id, group string, takes time.Duration, resources ...string) forecast.Waiting {
	w := waiting(id, takes, resources...)
	w.Group = group
	return w
}

func onHold(w forecast.Waiting) forecast.Waiting {
	w.Held = true
	return w
}

func runningMember(group string, elapsed, takes time.Duration) forecast.Running {
	r := running(elapsed, takes)
	r.Group = group
	return r
}

// slotless is something that runs in the slot of another.
func slotless(r forecast.Running) forecast.Running {
	r.Slot = false
	return r
}

// example is one whose every number can be worked out by hand.
type example struct {
	name string
	in   forecast.Input
	want map[string]string
}

func check(t *testing.T, examples []example) {
	t.Helper()
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.in.Now = noon
			if diff := cmp.Diff(e.want, show(e.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The examples of docs/estimates.md are among those of TestSlots, TestGroups and
// TestRange.

func TestSlots(t *testing.T) {
	t.Parallel()
	check(t, []example{
		{
			"an idle slot: now, then one after another",
			forecast.Input{Slots: 1, Waiting: []forecast.Waiting{waiting("a", 10*minute), waiting("b", 5*minute), waiting("c", minute)}},
			map[string]string{"a": "0", "b": "10", "c": "15"},
		},
		{
			"a job that runs has its remaining time",
			forecast.Input{
				Slots: 1, Running: []forecast.Running{running(4*minute, 10*minute)},
				Waiting: []forecast.Waiting{waiting("a", 3*minute), waiting("b", minute)},
			},
			map[string]string{"a": "6", "b": "9"},
		},
		{
			"two slots: whichever is free first",
			forecast.Input{
				Slots: 2, Running: []forecast.Running{running(0, 10*minute), running(8*minute, 10*minute)},
				Waiting: []forecast.Waiting{waiting("a", 3*minute), waiting("b", 20*minute), waiting("c", minute)},
			},
			map[string]string{"a": "2", "b": "5", "c": "10"},
		},
		{
			"more runs than there are slots now",
			forecast.Input{
				Slots: 1, Running: []forecast.Running{running(0, 10*minute), running(0, 4*minute)},
				Waiting: []forecast.Waiting{waiting("a", minute)},
			},
			map[string]string{"a": "10"},
		},
		{
			"held and delayed jobs are passed over",
			forecast.Input{Slots: 1, Waiting: []forecast.Waiting{held, from(12*minute, waiting("later", 5*minute)), waiting("a", 10*minute), waiting("b", 10*minute), waiting("c", minute)}},
			map[string]string{"held": "held", "later": "20", "a": "0", "b": "10", "c": "25"},
		},
	})
}

func TestLocks(t *testing.T) {
	t.Parallel()
	check(t, []example{
		{
			"a lock: the next without it goes first",
			forecast.Input{
				Slots: 2, Running: []forecast.Running{running(0, 10*minute, "lock:gpu")},
				Waiting: []forecast.Waiting{waiting("a", 5*minute, "lock:gpu"), waiting("b", 20*minute, "lock:gpu"), waiting("c", 7*minute)},
			},
			map[string]string{"a": "10", "b": "15", "c": "0"},
		},
		{
			"a limit of two, and a lock held without a slot",
			forecast.Input{
				Slots: 4, Capacity: map[string]int{"type:http": 2}, Running: []forecast.Running{slotless(running(0, minute, "lock:gpu"))},
				Waiting: []forecast.Waiting{
					waiting("a", 5*minute, "type:http"), waiting("b", 6*minute, "type:http"), waiting("c", minute, "type:http"),
					waiting("d", minute, "lock:gpu", "unbounded"),
				},
			},
			map[string]string{"a": "0", "b": "0", "c": "5", "d": "1"},
		},
		{
			"both locks at once, or none",
			forecast.Input{
				Slots: 3, Running: []forecast.Running{running(0, 2*minute, "lock:x"), running(0, 6*minute, "lock:y")},
				Waiting: []forecast.Waiting{waiting("a", minute, "lock:x", "lock:y"), waiting("b", 5*minute, "lock:x"), waiting("c", minute, "lock:y")},
			},
			map[string]string{"a": "7", "b": "2", "c": "6"},
		},
		{
			"a lock held outside until 12:04, and one nobody knows until when",
			forecast.Input{
				Slots: 1, Held: map[string]time.Time{"lock:gpu": noon.Add(4 * minute), "lock:disk": {}},
				Waiting: []forecast.Waiting{waiting("a", minute, "lock:gpu"), waiting("b", minute, "lock:disk"), waiting("c", minute)},
			},
			map[string]string{"a": "4", "b": "behind_held_lock", "c": "0"},
		},
	})
}

func TestOvertaking(t *testing.T) {
	t.Parallel()
	check(t, []example{
		{
			"overtaken once, by b: then a keeps both locks, also from e, which comes at 12:06:30",
			forecast.Input{
				Slots: 3, MaxOvertakes: 1, Running: []forecast.Running{running(0, 2*minute, "lock:x"), running(0, 6*minute, "lock:y")},
				Waiting: []forecast.Waiting{
					waiting("a", minute, "lock:x", "lock:y"), waiting("b", 5*minute, "lock:x"),
					waiting("c", minute, "lock:y"), waiting("d", minute, "lock:x"),
					from(6*minute+30*time.Second, waiting("e", minute, "lock:y")),
				},
			},
			map[string]string{"a": "7", "b": "2", "c": "8", "d": "8", "e": "9"},
		},
		{
			"a bound by age: from the fourth minute on x is kept for a",
			forecast.Input{
				Slots: 3, MaxOvertakeAge: 4 * minute, Running: []forecast.Running{running(0, 9*minute, "lock:y")},
				Waiting: []forecast.Waiting{
					waiting("a", minute, "lock:x", "lock:y"), waiting("b", 2*minute, "lock:x"), waiting("c", 2*minute, "lock:x"),
					waiting("d", 2*minute, "lock:x"),
				},
			},
			map[string]string{"a": "9", "b": "0", "c": "2", "d": "10"},
		},
		{
			"what was kept and is not used up is free when a starts",
			forecast.Input{
				Slots: 3, MaxOvertakes: 1, Capacity: map[string]int{"limit": 2}, Running: []forecast.Running{running(0, 6*minute, "lock:x")},
				Waiting: []forecast.Waiting{waiting("a", minute, "lock:x", "limit"), waiting("b", minute), waiting("c", minute, "limit")},
			},
			map[string]string{"a": "6", "b": "0", "c": "6"},
		},
		{
			"the next of a class has a bound of its own: d, which is before a2, is the one start",
			forecast.Input{
				Slots: 5, MaxOvertakes: 1, Running: []forecast.Running{running(0, 2*minute, "lock:x")},
				Waiting: []forecast.Waiting{
					from(3*minute, waiting("d", 5*minute, "lock:x")),
					waiting("a1", 2*minute, "lock:x", "lock:y"), waiting("a2", 2*minute, "lock:x", "lock:y"),
					waiting("e", time.Hour),
					from(4*minute, waiting("c", minute, "lock:y")),
				},
			},
			map[string]string{"d": "4", "a1": "2", "a2": "9", "e": "0", "c": "11"},
		},
	})
}

func TestGroups(t *testing.T) {
	t.Parallel()
	check(t, []example{
		{
			"a sequential group has one place and one slot",
			forecast.Input{
				Slots: 1, Groups: map[string]forecast.Group{"g": {Sequential: true}},
				Waiting: []forecast.Waiting{waiting("a", minute), member("g1", "g", 2*minute), member("g2", "g", 3*minute), waiting("b", minute)},
			},
			map[string]string{"a": "0", "g1": "1", "g2": "3", "b": "6"},
		},
		{
			"a parallel group, two at once",
			forecast.Input{
				Slots: 1, Groups: map[string]forecast.Group{"g": {MaxParallel: 2}},
				Waiting: []forecast.Waiting{member("g1", "g", 2*minute), member("g2", "g", 5*minute), member("g3", "g", minute), waiting("b", minute)},
			},
			map[string]string{"g1": "0", "g2": "0", "g3": "2", "b": "5"},
		},
		{
			"a parallel group whose members need one model",
			forecast.Input{
				Slots:   1,
				Waiting: []forecast.Waiting{member("g1", "g", 2*minute, "lock:m"), member("g2", "g", 5*minute, "lock:m"), waiting("b", minute)},
			},
			map[string]string{"g1": "0", "g2": "2", "b": "7"},
		},
		{
			"a group takes the locks of all members; a member waits for its time inside the slot",
			forecast.Input{
				Slots: 2, Running: []forecast.Running{running(0, 4*minute, "lock:y")}, Groups: map[string]forecast.Group{"g": {Sequential: true}},
				Waiting: []forecast.Waiting{
					member("g1", "g", 2*minute), member("g2", "g", minute, "lock:y"),
					from(9*minute, member("g3", "g", minute)), waiting("b", minute, "lock:y"),
				},
			},
			map[string]string{"g1": "4", "g2": "6", "g3": "9", "b": "10"},
		},
		{
			"a parallel group starts with the first member whose time has come",
			forecast.Input{
				Slots: 1,
				Waiting: []forecast.Waiting{
					from(5*minute, member("g1", "g", minute)), member("g2", "g", minute), waiting("b", minute),
				},
			},
			map[string]string{"g1": "5", "g2": "0", "b": "6"},
		},
	})
}

func TestGroupsThatAreHeldOrRun(t *testing.T) {
	t.Parallel()
	check(t, []example{
		{
			"a held member stops a sequential group, which keeps its slot",
			forecast.Input{
				Slots: 2, Groups: map[string]forecast.Group{"g": {Sequential: true}},
				Waiting: []forecast.Waiting{
					member("g1", "g", minute), onHold(member("g2", "g", minute)), member("g3", "g", minute),
					waiting("a", 2*minute), waiting("b", minute),
				},
			},
			map[string]string{"g1": "0", "g2": "held", "g3": "behind_held_job", "a": "0", "b": "2"},
		},
		{
			"a group that begins with a held member takes no slot",
			forecast.Input{
				Slots: 1, Groups: map[string]forecast.Group{"g": {Sequential: true}},
				Waiting: []forecast.Waiting{onHold(member("g1", "g", minute)), member("g2", "g", minute), waiting("a", minute)},
			},
			map[string]string{"g1": "held", "g2": "behind_held_job", "a": "0"},
		},
		{
			"a held member of a parallel group stops only who waits for its slot",
			forecast.Input{
				Slots:   1,
				Waiting: []forecast.Waiting{onHold(member("g1", "g", minute)), member("g2", "g", minute), member("g3", "g", minute), waiting("a", minute)},
			},
			map[string]string{"g1": "held", "g2": "0", "g3": "0", "a": "behind_held_job"},
		},
		{
			"so does one of a group that runs",
			forecast.Input{
				Slots: 1, Running: []forecast.Running{runningMember("g", 2*minute, 5*minute)},
				Waiting: []forecast.Waiting{onHold(member("g2", "g", minute)), waiting("a", minute)},
			},
			map[string]string{"g2": "held", "a": "behind_held_job"},
		},
		{
			"a sequential group waits for the time of its first member",
			forecast.Input{
				Slots: 1, Groups: map[string]forecast.Group{"g": {Sequential: true}},
				Waiting: []forecast.Waiting{from(5*minute, member("g1", "g", minute)), member("g2", "g", minute), waiting("a", minute)},
			},
			map[string]string{"g1": "5", "g2": "6", "a": "0"},
		},
		{
			"a group that runs goes on in its slot",
			forecast.Input{
				Slots: 1, Running: []forecast.Running{runningMember("g", 2*minute, 5*minute)}, Groups: map[string]forecast.Group{"g": {Sequential: true}},
				Waiting: []forecast.Waiting{member("g2", "g", 4*minute), waiting("b", minute)},
			},
			map[string]string{"g2": "3", "b": "7"},
		},
	})
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	check(t, []example{
		{
			"paused",
			forecast.Input{Slots: 1, Paused: true, Waiting: []forecast.Waiting{waiting("a", minute), held}},
			map[string]string{"a": "paused", "held": "held"},
		},
		{
			"a limit of nothing",
			forecast.Input{Slots: 1, Capacity: map[string]int{"type:x": 0}, Waiting: []forecast.Waiting{waiting("a", minute, "type:x"), waiting("b", minute)}},
			map[string]string{"a": "no_capacity", "b": "0"},
		},
		{"no slots", forecast.Input{Waiting: []forecast.Waiting{waiting("a", minute)}}, map[string]string{"a": "no_slots"}},
		{
			"nothing is known of the first: it starts, the next is unknown",
			forecast.Input{Slots: 1, Waiting: []forecast.Waiting{unknown, waiting("a", minute)}},
			map[string]string{"new": "0", "a": "no_durations"},
		},
		{
			"with a second slot the next start whatever the new one does: b at once, or after a",
			forecast.Input{Slots: 2, Waiting: []forecast.Waiting{unknown, waiting("a", 4*minute), waiting("b", minute)}},
			map[string]string{"new": "0", "a": "0", "b": "0..4..4"},
		},
	})
}

// TestRange works out ranges by hand. With a median of 10 minutes and a P90 of
// 20, the lognormal distribution has its 10 % quantile at 5 minutes.
func TestRange(t *testing.T) {
	t.Parallel()
	kind := forecast.Span{Median: 10 * minute, P90: 20 * minute, Count: 1_000_000}
	behind := func(elapsed time.Duration) forecast.Estimate {
		in := forecast.Input{
			Now: noon, Slots: 1, Running: []forecast.Running{{Span: kind, Elapsed: elapsed, Slot: true}}, Waiting: []forecast.Waiting{waiting("a", minute)},
		}
		return forecast.Forecast(in)["a"]
	}
	for _, c := range []struct {
		elapsed         time.Duration
		from, start, to float64 // minutes
	}{
		{0, 5, 10, 20},
		// Half of all jobs have ended by the median; of the others, half need more
		// than the 75 % quantile: 10*2^(0.6745/1.2816) = 14.4.
		{10 * minute, 0.70, 4.40, 14.3},
		// Overdue: exponent 1.755/0.5409 = 3.245, so that half of the jobs need
		// 2^(1/3.245)-1 = 23.8 % of what they have run, and one in ten 103 %.
		{30 * minute, 0.99, 7.15, 31.0},
		{300 * minute, 9.9, 71.5, 310},
	} {
		e := behind(c.elapsed)
		for _, v := range []struct {
			name string
			got  time.Time
			want float64
		}{{"from", e.From, c.from}, {"start", e.Start, c.start}, {"to", e.To, c.to}} {
			// The quantiles of 19 runs are interpolated: allow 4 % and 3 seconds.
			if got := v.got.Sub(noon).Minutes(); got < v.want*0.96-0.05 || got > v.want*1.04+0.05 {
				t.Errorf("elapsed %v: %s is %.2f minutes, want %.2f", c.elapsed, v.name, got, v.want)
			}
		}
	}
	if e := behind(10 * minute); !e.Known || e.Reason != "" {
		t.Errorf("known = %v, reason = %q", e.Known, e.Reason)
	}
}

// TestOverdueIsNotNow: what always took ten minutes and has run for eleven does
// not end now.
func TestOverdueIsNotNow(t *testing.T) {
	t.Parallel()
	e := forecast.Forecast(forecast.Input{
		Now: noon, Slots: 1, Running: []forecast.Running{running(11*minute, 10*minute)}, Waiting: []forecast.Waiting{waiting("a", minute)},
	})["a"]
	if wait := e.Start.Sub(noon); wait < 2*minute || wait > 3*minute {
		t.Errorf("an overdue job is expected to need %v more", wait)
	}
	if !e.From.Before(e.Start) || !e.Start.Before(e.To) {
		t.Errorf("no range for an overdue job: %v", e)
	}
}

// TestFewDurationsWidenTheRange: equal durations show no spread, but two of
// them prove little.
func TestFewDurationsWidenTheRange(t *testing.T) {
	t.Parallel()
	last := 24 * time.Hour
	for _, n := range []int{1, 2, 3, 5, 10, 20} {
		e := forecast.Forecast(forecast.Input{Now: noon, Slots: 1, Waiting: []forecast.Waiting{
			{ID: "a", Span: forecast.Span{Median: 10 * minute, P90: 10 * minute, Count: n}}, {ID: "b"},
		}})["b"]
		if e.To.Sub(e.From) >= last {
			t.Errorf("range after %d durations is %v, before it was %v", n, e.To.Sub(e.From), last)
		}
		last = e.To.Sub(e.From)
	}
	if last != 0 {
		t.Errorf("twenty equal durations leave a range of %v", last)
	}
}
