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
