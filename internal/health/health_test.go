package health_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/health"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestWorstCheckDecides(t *testing.T) {
	t.Parallel()
	bad := errors.New("disk is gone")
	fine := health.Check{Name: "fine", Run: func(context.Context) (string, error) { return "paused", nil }}
	poor := health.Check{Name: "poor", Run: func(context.Context) (string, error) { return "", health.Degrade(bad) }}
	dead := health.Check{Name: "dead", Run: func(context.Context) (string, error) { return "", bad }}
	for want, checks := range map[health.Status][]health.Check{
		health.OK: {fine}, health.Degraded: {fine, poor}, health.Failing: {dead, poor, fine},
	} {
		m := health.New(health.Options{Checks: checks, Clock: clocktest.New(start)})
		if before := m.Last(); before.Status != health.Failing {
			t.Errorf("before the first look it is %s", before.Status)
		}
		r := m.Report(t.Context())
		if r.Status != want || len(r.Checks) != len(checks) || r.Checks[0].Name != checks[0].Name || !r.Checks[0].At.Equal(start) {
			t.Errorf("%s: %+v", want, r)
		}
		if want != health.OK && r.Checks[0].Detail != bad.Error() && r.Checks[1].Detail != bad.Error() {
			t.Errorf("%s: no detail in %+v", want, r)
		}
		m.Close()
	}
	if health.Degrade(nil) != nil {
		t.Error("Degrade makes an error of none")
	}
}

// TestOnceASecond: a crowd costs one look a second.
func TestOnceASecond(t *testing.T) {
	t.Parallel()
	c := clocktest.New(start)
	var looks atomic.Int64
	m := health.New(health.Options{Clock: c, Checks: []health.Check{{Name: "x", Run: func(context.Context) (string, error) {
		looks.Add(1)
		return "", nil
	}}}})
	defer m.Close()
	for second := 1; second <= 3; second++ {
		var crowd sync.WaitGroup
		for range 50 {
			crowd.Go(func() { m.Report(t.Context()) })
		}
		crowd.Wait()
		if n := looks.Load(); n != int64(second) {
			t.Errorf("%d looks in %d seconds", n, second)
		}
		c.Advance(time.Second)
	}
}

// TestHangingCheck: a check that ignores its time limit counts as failing, or as degraded
// if it is mild, is not called a second time meanwhile, and is good again when it comes back.
func TestHangingCheck(t *testing.T) {
	t.Parallel()
	for mild, want := range map[bool]health.Status{false: health.Failing, true: health.Degraded} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			hangs(t, mild, want)
		})
	}
}

func hangs(t *testing.T, mild bool, want health.Status) {
	t.Helper()
	c := clocktest.New(start)
	free := make(chan struct{})
	var calls atomic.Int64
	m := health.New(health.Options{Clock: c, Checks: []health.Check{{Name: "x", Timeout: time.Millisecond, Mild: mild, Run: func(context.Context) (string, error) {
		calls.Add(1)
		<-free
		return "", nil
	}}}})
	defer m.Close()
	for range 3 {
		if r := m.Report(t.Context()); r.Status != want {
			t.Fatalf("%+v", r)
		}
		c.Advance(time.Minute)
	}
	if n := calls.Load(); n > 1 { // 0: it has not been given a processor yet
		t.Errorf("called %d times", n)
	}
	close(free)
	deadline, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for m.Report(deadline).Status != health.OK {
		c.Advance(time.Second)
		if deadline.Err() != nil {
			t.Fatal("it does not recover")
		}
	}
}

func TestCloseEndsChecks(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	m := health.New(health.Options{Checks: []health.Check{{Name: "x", Timeout: time.Hour, Run: func(ctx context.Context) (string, error) {
		close(begun)
		<-ctx.Done()
		return "", ctx.Err()
	}}}})
	done := make(chan health.Report)
	go func() { done <- m.Report(t.Context()) }()
	<-begun
	m.Close()
	if r := <-done; r.Status != health.Failing {
		t.Errorf("%+v", r)
	}
}

func TestSpace(t *testing.T) {
	t.Parallel()
	if free, size, err := health.Space(t.TempDir()); err != nil || free == 0 || size < free {
		t.Errorf("%d free of %d, %v", free, size, err)
	}
	const mib = 1 << 20
	for _, c := range []struct {
		free, size uint64
		want       health.Status
		note       string
	}{
		{600 * mib, 100_000 * mib, health.OK, ""},
		{500 * mib, 100_000 * mib, health.Degraded, "low"},
		{15 * mib, 100_000 * mib, health.Failing, "full"},
		{2 * mib, 8 * mib, health.OK, ""},
		{mib / 2, 8 * mib, health.Degraded, "low"},
		{0, 8 * mib, health.Failing, "full"},
	} {
		m := health.New(health.Options{Checks: []health.Check{{Name: "x", Run: health.CheckSpace(func() (uint64, uint64, error) { return c.free, c.size, nil })}}})
		if r := m.Report(t.Context()); r.Status != c.want || r.Checks[0].Note != c.note {
			t.Errorf("%d of %d: %+v", c.free, c.size, r)
		}
		m.Close()
	}
}
