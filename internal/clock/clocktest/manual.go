// Package clocktest has a clock that moves only when a test tells it to.
package clocktest

import (
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// Manual is a clock.Clock that stands still until Advance or Set is called.
// It is safe for concurrent use.
type Manual struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*timer]struct{}
}

// New returns a clock that shows start.
func New(start time.Time) *Manual {
	return &Manual{now: start, timers: map[*timer]struct{}{}}
}

// Now returns the time last set.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// NewTimer returns a timer that fires when the clock reaches now + d.
func (m *Manual) NewTimer(d time.Duration) clock.Timer {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &timer{m: m, at: m.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		t.c <- m.now
		return t
	}
	m.timers[t] = struct{}{}
	return t
}

// Advance moves the clock forward by d and fires the timers that came due.
func (m *Manual) Advance(d time.Duration) { m.Set(m.Now().Add(d)) }

// Set moves the clock to t, forward or back, and fires the timers that came
// due. Moving back fires nothing.
func (m *Manual) Set(t time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = t
	for tm := range m.timers {
		if !tm.at.After(t) {
			delete(m.timers, tm)
			tm.c <- t
		}
	}
}

// Timers is the number of timers that wait: a test polls it to learn that the
// code under test has gone to sleep.
func (m *Manual) Timers() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.timers)
}

type timer struct {
	m  *Manual
	at time.Time
	c  chan time.Time
}

func (t *timer) C() <-chan time.Time { return t.c }

func (t *timer) Stop() bool {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	_, waiting := t.m.timers[t]
	delete(t.m.timers, t)
	return waiting
}
