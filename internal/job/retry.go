package job

import (
	"math"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Backoff is how the delay between attempts grows.
type Backoff string

// The two shapes.
const (
	Fixed       Backoff = "fixed"
	Exponential Backoff = "exponential"
)

// MaxAttempts is the most attempts that a job makes by itself.
const MaxAttempts = 3

// Retry is a job's retry policy. The zero value means one attempt.
type Retry struct {
	// MaxAttempts is 1..3; 0 counts as 1. A crash of the server and a stop in
	// good order consume none.
	MaxAttempts int
	Backoff     Backoff       // "" = exponential
	Initial     time.Duration // delay after the first failure; 0 = 1 s
	Max         time.Duration // upper bound of the delay; 0 = 5 min
	// Jitter spreads each delay d over [d*(1-Jitter), d]; 0..1.
	Jitter float64
	// On lists the failure codes after which another attempt is made; empty = all.
	On []string
}

// Validate returns a fault that names each wrong field, or nil.
func (r Retry) Validate() error {
	f := fault.New(fault.InvalidInput, "the retry policy is not valid")
	bad := f
	if r.MaxAttempts < 0 || r.MaxAttempts > MaxAttempts {
		bad = bad.At("/max_attempts", "out_of_range", "must be 1, 2 or 3")
	}
	if r.Backoff != "" && r.Backoff != Fixed && r.Backoff != Exponential {
		bad = bad.At("/backoff", "unknown_value", "must be fixed or exponential")
	}
	if r.Initial < 0 {
		bad = bad.At("/initial", "out_of_range", "must not be negative")
	}
	if r.Max < 0 {
		bad = bad.At("/max", "out_of_range", "must not be negative")
	}
	if math.IsNaN(r.Jitter) || r.Jitter < 0 || r.Jitter > 1 {
		bad = bad.At("/jitter", "out_of_range", "must be between 0 and 1")
	}
	if bad == f {
		return nil
	}
	return bad
}

// Allows reports whether another attempt follows after the given number of
// failures, the last of which had the given code.
func (r Retry) Allows(failures int, code string) bool {
	return failures < min(max(r.MaxAttempts, 1), MaxAttempts) && (len(r.On) == 0 || slices.Contains(r.On, code))
}

// Delay is the wait after the given number of failures (1 or more). jitter is
// a random number in [0,1).
func (r Retry) Delay(failures int, jitter float64) time.Duration {
	d, top := r.Initial, r.Max
	if d == 0 {
		d = time.Second
	}
	if top == 0 {
		top = 5 * time.Minute
	}
	if r.Backoff != Fixed {
		for i := 1; i < failures && d < top; i++ {
			d = 2*min(d, top/2) + top%2 // cannot overflow
		}
	}
	d = min(d, top)
	return d - time.Duration(float64(d)*r.Jitter*jitter)
}
