package job_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
)

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		retry    job.Retry
		failures int
		jitter   float64
		want     time.Duration
	}{
		{"defaults", job.Retry{}, 1, 0, time.Second},
		{"doubles", job.Retry{}, 4, 0, 8 * time.Second},
		{"has a top", job.Retry{}, 30, 0, 5 * time.Minute},
		{"fixed stays", job.Retry{Backoff: job.Fixed, Initial: 3 * time.Second}, 9, 0, 3 * time.Second},
		{"fixed has a top too", job.Retry{Backoff: job.Fixed, Initial: time.Hour, Max: time.Minute}, 1, 0, time.Minute},
		{"jitter shortens", job.Retry{Initial: 10 * time.Second, Jitter: 0.5}, 1, 0.5, 7500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.retry.Delay(c.failures, c.jitter); got != c.want {
				t.Errorf("Delay(%d, %v) = %v, want %v", c.failures, c.jitter, got, c.want)
			}
		})
	}
}

func drawRetry(t *rapid.T) job.Retry {
	durations := rapid.Int64Range(0, math.MaxInt64)
	return job.Retry{
		MaxAttempts: rapid.IntRange(0, job.MaxAttempts).Draw(t, "max_attempts"),
		Backoff:     rapid.SampledFrom([]job.Backoff{"", job.Fixed, job.Exponential}).Draw(t, "backoff"),
		Initial:     time.Duration(durations.Draw(t, "initial")),
		Max:         time.Duration(durations.Draw(t, "max")),
		Jitter:      rapid.Float64Range(0, 1).Draw(t, "jitter"),
	}
}

// TestRetryDelayProperties: a delay is never negative, never over the top,
// never shrinks with more failures, and jitter only shortens it.
func TestRetryDelayProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawRetry(t)
		if err := r.Validate(); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		n := rapid.IntRange(1, 1000).Draw(t, "failures")
		jitter := rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(t, "random")
		top := r.Max
		if top == 0 {
			top = 5 * time.Minute
		}
		full, short := r.Delay(n, 0), r.Delay(n, jitter)
		if full < 0 || full > top {
			t.Fatalf("Delay(%d, 0) = %v, top %v", n, full, top)
		}
		if next := r.Delay(n+1, 0); next < full {
			t.Fatalf("Delay(%d) = %v, Delay(%d) = %v", n, full, n+1, next)
		}
		// float64 rounds durations over 104 days to more than a nanosecond.
		slack := time.Duration(float64(full) * 1e-12)
		if least := full - time.Duration(float64(full)*r.Jitter); short > full || short < least-slack || short < 0 {
			t.Fatalf("Delay(%d, %v) = %v, want %v..%v", n, jitter, short, least, full)
		}
	})
}

func TestRetryAllows(t *testing.T) {
	t.Parallel()
	only := job.Retry{MaxAttempts: 3, On: []string{"timeout"}}
	for _, c := range []struct {
		retry    job.Retry
		failures int
		code     string
		want     bool
	}{
		{job.Retry{}, 1, "x", false},
		{job.Retry{MaxAttempts: 3}, 2, "x", true},
		{job.Retry{MaxAttempts: 3}, 3, "x", false},
		{only, 1, "timeout", true},
		{only, 1, "x", false},
	} {
		if got := c.retry.Allows(c.failures, c.code); got != c.want {
			t.Errorf("%+v.Allows(%d, %s) = %v, want %v", c.retry, c.failures, c.code, got, c.want)
		}
	}
}

func TestRetryValidate(t *testing.T) {
	t.Parallel()
	bad := job.Retry{MaxAttempts: 4, Backoff: "wild", Initial: -1, Max: -1, Jitter: math.NaN()}
	err := bad.Validate()
	if !fault.Is(err, fault.InvalidInput) {
		t.Fatalf("Validate = %v, want %s", err, fault.InvalidInput)
	}
	if got := len(fault.From(err).Fields); got != 5 {
		t.Errorf("%d wrong fields, want 5: %+v", got, fault.From(err).Fields)
	}
	if err := (job.Retry{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
}
