package schedule

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDelaysAreFixed: what a schedule got once it keeps, over restarts and
// versions of the program.
func TestDelaysAreFixed(t *testing.T) {
	t.Parallel()
	nominal := time.Date(2026, 1, 10, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		id             string
		offset, jitter time.Duration
	}{
		{"sched_1", 22*time.Minute + 41*time.Second, 14897 * time.Millisecond},
		{"sched_2", 18*time.Minute + 37*time.Second, 208995 * time.Millisecond},
	} {
		if got := Offset(c.id, time.Hour); got != c.offset {
			t.Errorf("%s: offset %v, want %v", c.id, got, c.offset)
		}
		if got := Jitter(c.id, nominal, 5*time.Minute); got != c.jitter {
			t.Errorf("%s: jitter %v, want %v", c.id, got, c.jitter)
		}
	}
	if a, b := Jitter("sched_1", nominal, time.Hour), Jitter("sched_1", nominal.In(time.FixedZone("", 3600)), time.Hour); a != b {
		t.Errorf("the same instant has jitters %v and %v", a, b)
	}
	for _, limit := range []time.Duration{0, -time.Hour, time.Nanosecond} {
		if Offset("sched_1", limit) != 0 || Jitter("sched_1", nominal, limit) != 0 {
			t.Errorf("there is a delay below %v", limit)
		}
	}
}

// TestDueLaws: due is at or after its nominal, before the next one, within the
// limits, and the delays of many nominals are spread.
func TestDueLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`sched_[a-z]{3}`).Draw(t, "id")
		nominal := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "nominal"))
		gap := time.Duration(rapid.Int64Range(1, 1e8).Draw(t, "gap")) * time.Millisecond
		offset, jitter := time.Duration(rapid.Int64Range(0, 1e14).Draw(t, "offset")), time.Duration(rapid.Int64Range(0, 1e14).Draw(t, "jitter"))
		due := Due(id, nominal, nominal.Add(gap), offset, jitter)
		if due.Before(nominal) || !due.Before(nominal.Add(gap)) || due.Sub(nominal) > offset+jitter {
			t.Fatalf("%v after its nominal, of %v", due.Sub(nominal), gap)
		}
		if free := Due(id, nominal, time.Time{}, offset, jitter); free.Sub(nominal) != Offset(id, offset)+Jitter(id, nominal, jitter) {
			t.Fatalf("without a following nominal: %v", free.Sub(nominal))
		}
	})
	seen := map[time.Duration]int{}
	for n := range 3600 {
		seen[Jitter("sched_1", year(2026).Add(time.Duration(n)*time.Minute), time.Minute)/time.Second]++
		seen[60+Offset(fmt.Sprint("sched_", n), time.Minute)/time.Second]++
	}
	for k, n := range seen {
		if n < 25 || n > 110 {
			t.Errorf("%d has %d of 3600", k, n)
		}
	}
	if len(seen) != 120 {
		t.Errorf("%d delays", len(seen))
	}
}
