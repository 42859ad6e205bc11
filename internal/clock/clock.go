// Package clock is the only source of time in Runsheet.
//
// Pure code takes a time.Time argument. Engines, which must wait, hold a
// Clock. Production passes System; tests pass clocktest.Manual and move it by
// hand. Nothing else may call time.Now, time.After or time.Sleep: the linter
// forbids it outside this package.
//
// Wall times returned here keep their monotonic reading, so differences
// between two of them are immune to clock steps. They are converted to UTC at
// the edges only.
package clock

import (
	"context"
	"math/rand/v2"
	"time"
)

// Clock tells the time and makes timers. Implementations are safe for
// concurrent use.
type Clock interface {
	// Now is the current time, with a monotonic reading where there is one.
	Now() time.Time
	// NewTimer fires once after d. A d of zero or less fires at once.
	NewTimer(d time.Duration) Timer
}

// Timer is a one-shot alarm.
type Timer interface {
	// C receives the time when the timer fires. The channel is never closed.
	C() <-chan time.Time
	// Stop ends the timer; it reports whether the timer had not fired yet.
	Stop() bool
}

// System is the clock of the machine.
type System struct{}

// Now returns time.Now.
func (System) Now() time.Time { return time.Now() }

// NewTimer wraps time.NewTimer.
func (System) NewTimer(d time.Duration) Timer { return systemTimer{time.NewTimer(d)} }

type systemTimer struct{ t *time.Timer }

func (s systemTimer) C() <-chan time.Time { return s.t.C }
func (s systemTimer) Stop() bool          { return s.t.Stop() }

// Sleep waits for d or until ctx ends, whichever comes first, and returns
// ctx.Err() in the second case.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// beat is how far apart a process's beats are, and phase where they are in a second.
const beat = time.Second

var phase = rand.N(beat)

// Beat returns a little less than d, so that a wait begun now ends at a beat of this
// process: loops that look at something now and then all look when the process is awake
// in any case. It returns d for one of less than a second, and never more than d. The
// beats of several processes are not those of the others, who may look at one database.
func Beat(c Clock, d time.Duration) time.Duration {
	if d < beat {
		return d
	}
	past := time.Duration(c.Now().Add(d-phase).UnixNano()) % beat
	if d-past < beat/100 { // woken a little before the beat
		return d
	}
	return d - max(past, 0) // negative before 1970
}

// Pulse is Sleep of Beat.
func Pulse(ctx context.Context, c Clock, d time.Duration) error { return Sleep(ctx, c, Beat(c, d)) }

// Millis converts t to the form in which times are stored: milliseconds since
// the Unix epoch, UTC. The zero time becomes 0.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FromMillis is the inverse of Millis: 0 becomes the zero time, anything else
// an instant in UTC.
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
