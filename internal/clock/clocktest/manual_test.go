package clocktest_test

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fired(tm clock.Timer) bool {
	select {
	case <-tm.C():
		return true
	default:
		return false
	}
}

func TestTimersFireWhenTheClockReachesThem(t *testing.T) {
	t.Parallel()
	c := clocktest.New(noon)
	soon, late, now := c.NewTimer(time.Second), c.NewTimer(time.Minute), c.NewTimer(0)
	if !fired(now) {
		t.Error("a timer of 0 does not fire at once")
	}
	c.Advance(999 * time.Millisecond)
	if fired(soon) {
		t.Error("fired too early")
	}
	c.Advance(time.Millisecond)
	if !fired(soon) || fired(late) {
		t.Error("after 1 s: want the first timer only")
	}
	if got := c.Timers(); got != 1 {
		t.Errorf("%d timers wait, want 1", got)
	}
	if soon.Stop() || !late.Stop() || late.Stop() {
		t.Error("Stop must report whether the timer was waiting")
	}
	c.Advance(time.Hour)
	if fired(late) {
		t.Error("a stopped timer fired")
	}
}

func TestSetBackFiresNothing(t *testing.T) {
	t.Parallel()
	c := clocktest.New(noon)
	tm := c.NewTimer(time.Second)
	c.Set(noon.Add(-time.Hour))
	if fired(tm) || !c.Now().Equal(noon.Add(-time.Hour)) {
		t.Errorf("now %v", c.Now())
	}
	c.Set(noon.Add(time.Second))
	if !fired(tm) {
		t.Error("the timer is lost")
	}
}
