package rehearsal

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// stage implements engine.Stage: time stands still while anything works, and jumps to
// the next alarm when all that works sleeps. Whoever is to wake at the same time wakes
// one after the other, in the order of the document, so that a rehearsal always goes
// the same way. It is safe for concurrent use.
type stage struct {
	// rank is the place of a node in the document.
	rank func(nodeID string) int

	mu     sync.Mutex
	now    time.Time
	turn   *alarm
	ready  func() (int, bool)
	asleep []*sleeper
	alarms []*alarm
}

// sleeper is an attempt of a node that sleeps.
type sleeper struct {
	ctx        context.Context //nolint:containedctx // whether it is over decides whether the sleeper sleeps
	at         time.Time
	rank, item int
	woken      chan struct{}
}

// alarm is a timer, or a function that is called.
type alarm struct {
	s  *stage
	at time.Time
	c  chan time.Time
	f  func()
}

func newStage(now time.Time, rank func(string) int) *stage { return &stage{now: now, rank: rank} }

// Now implements clock.Clock.
func (s *stage) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// jump moves the time forward between two turns.
func (s *stage) jump(to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to.After(s.now) {
		s.now = to
	}
}

// NewTimer implements clock.Clock.
func (s *stage) NewTimer(d time.Duration) clock.Timer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &alarm{s: s, at: s.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		a.c <- s.now
		return a
	}
	s.alarms = append(s.alarms, a)
	return a
}

// Await implements engine.Stage.
func (s *stage) Await(d time.Duration, sleepers func() (int, bool)) clock.Timer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &alarm{s: s, at: s.now.Add(d), c: make(chan time.Time, 1)}
	s.turn, s.ready = a, sleepers
	s.advance()
	return a
}

// C implements clock.Timer.
func (a *alarm) C() <-chan time.Time { return a.c }

// Stop implements clock.Timer.
func (a *alarm) Stop() bool {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turn == a {
		s.turn, s.ready = nil, nil
		return true
	}
	i := slices.Index(s.alarms, a)
	if i >= 0 {
		s.alarms = slices.Delete(s.alarms, i, i+1)
	}
	return i >= 0
}

// AfterFunc implements engine.Stage.
func (s *stage) AfterFunc(d time.Duration, f func()) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &alarm{s: s, at: s.now.Add(d), f: f}
	s.alarms = append(s.alarms, a)
	return func() { a.Stop() }
}

// Sleep implements engine.Stage.
func (s *stage) Sleep(ctx context.Context, nodeID string, item int, d time.Duration) error {
	s.mu.Lock()
	me := &sleeper{ctx: ctx, at: s.now.Add(max(d, 0)), rank: s.rank(nodeID), item: item, woken: make(chan struct{})}
	s.asleep = append(s.asleep, me)
	s.advance()
	s.mu.Unlock()
	select {
	case <-me.woken:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asleep = slices.DeleteFunc(s.asleep, func(x *sleeper) bool { return x == me })
	return context.Cause(ctx)
}

// Stir implements engine.Stage.
func (s *stage) Stir() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
}

// advance wakes who is next, if all that works sleeps. The caller holds the lock.
func (s *stage) advance() {
	for s.turn != nil {
		n, settled := s.ready()
		if !settled || n != len(s.asleep) {
			return
		}
		for _, x := range s.asleep {
			if x.ctx.Err() != nil {
				return // it is about to wake by itself
			}
		}
		next := s.first()
		ring := s.earliest()
		switch {
		case next != nil && !next.at.After(s.turn.at) && (ring == nil || !next.at.After(ring.at)):
			s.now = later(s.now, next.at)
			s.asleep = slices.DeleteFunc(s.asleep, func(x *sleeper) bool { return x == next })
			close(next.woken)
			return
		case ring != nil && !ring.at.After(s.turn.at):
			s.now = later(s.now, ring.at)
			s.alarms = slices.DeleteFunc(s.alarms, func(a *alarm) bool { return a == ring })
			if ring.f != nil {
				ring.f()
			} else {
				ring.c <- s.now
			}
		default:
			s.now = later(s.now, s.turn.at)
			s.turn.c <- s.now
			s.turn, s.ready = nil, nil
		}
	}
}

// first is the sleeper that wakes next, nil = nobody sleeps.
func (s *stage) first() *sleeper {
	var out *sleeper
	for _, x := range s.asleep {
		if out == nil || x.at.Before(out.at) || x.at.Equal(out.at) && (x.rank < out.rank || x.rank == out.rank && x.item < out.item) {
			out = x
		}
	}
	return out
}

// earliest is the alarm that rings next, nil = there is none.
func (s *stage) earliest() *alarm {
	var out *alarm
	for _, a := range s.alarms {
		if out == nil || a.at.Before(out.at) {
			out = a
		}
	}
	return out
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
