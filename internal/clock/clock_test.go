package clock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/clock"
)

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := clock.Sleep(t.Context(), clock.System{}, time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != time.Hour {
			t.Errorf("slept %v, want 1h", got)
		}
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := clock.Sleep(ctx, clock.System{}, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep = %v", err)
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("slept %v, want 1m", got)
		}
	})
}

func TestMillis(t *testing.T) {
	t.Parallel()
	if got := clock.Millis(time.Time{}); got != 0 {
		t.Errorf("Millis(zero) = %d", got)
	}
	if got := clock.FromMillis(0); !got.IsZero() {
		t.Errorf("FromMillis(0) = %v", got)
	}
	seoul := time.FixedZone("KST", 9*60*60)
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(-1<<45, 1<<45).Filter(func(n int64) bool { return n != 0 }).Draw(t, "ms")
		back := clock.FromMillis(ms)
		if back.Location() != time.UTC {
			t.Fatalf("%v is not in UTC", back)
		}
		if got := clock.Millis(back.In(seoul)); got != ms {
			t.Fatalf("%d came back as %d", ms, got)
		}
	})
}

// TestBeat: loops with different periods wait no longer than they want, and wake
// together.
func TestBeat(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, time.Nanosecond, 999 * time.Millisecond} {
		if got := clock.Beat(clock.System{}, d); got != d {
			t.Errorf("%v becomes %v", d, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		woken := map[time.Duration]map[time.Duration]int{} // by period, by the part of the second
		for _, d := range []time.Duration{time.Second, 3 * time.Second, 10 * time.Second / 3, 5 * time.Second} {
			woken[d] = map[time.Duration]int{}
			// They begin at different times of a second, none of which is close to a beat.
			time.Sleep(clock.Beat(clock.System{}, 2*time.Second) + time.Duration(100+len(woken)*123)*time.Millisecond)
			for first, n := true, 0; n < 50; n++ {
				began := time.Now()
				if err := clock.Pulse(t.Context(), clock.System{}, d); err != nil {
					t.Fatal(err)
				}
				spent := time.Since(began)
				if spent > d || spent < d/100 || !first && d%time.Second == 0 && spent != d {
					t.Errorf("of %v it slept %v", d, spent)
				}
				if first = false; n > 0 {
					woken[d][time.Duration(time.Now().UnixNano())%time.Second]++
				}
			}
		}
		for d, at := range woken {
			if len(at) != 1 {
				t.Errorf("loops of %v wake at %v", d, at)
			}
			for part := range at {
				if woken[time.Second][part] == 0 {
					t.Errorf("loops of %v wake at %v, those of a second at %v", d, part, woken[time.Second])
				}
			}
		}
	})
}
