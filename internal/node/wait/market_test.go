package wait_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/nodetest"
	"github.com/runsheet/runsheet/internal/node/wait"
)

// almanac has the calendars of the program, and then others.
type almanac struct{ set *calendar.Set }

func (a *almanac) Of(context.Context, string) (*calendar.Set, error) { return a.set, nil }

func shipped(t *testing.T) *calendar.Set {
	t.Helper()
	set, err := calendar.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestMarket(t *testing.T) {
	t.Parallel()
	// Monday, 2 March 2026: New York opens at 14:30 UTC and closes at 21:00.
	day := func(h, m int) time.Time { return time.Date(2026, 3, 2, h, m, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		now           time.Time
		event, offset string
		want          time.Time
	}{
		"before the open":              {day(12, 0), "open", "", day(14, 30)},
		"behind the open":              {day(14, 31), "open", "", day(14, 30).AddDate(0, 0, 1)},
		"an offset that is not over":   {day(14, 31), "open", "5m", day(14, 35)},
		"an offset that is over":       {day(14, 36), "open", "5m", day(14, 35).AddDate(0, 0, 1)},
		"before the close":             {day(14, 31), "close", "-10m", day(20, 50)},
		"so late that it is too early": {day(20, 51), "close", "-10m", day(20, 50).AddDate(0, 0, 1)},
		"over a weekend":               {day(21, 0).AddDate(0, 0, -3), "open", "", day(14, 30)},
	} {
		n := wait.NewMarket(&almanac{shipped(t)}, clocktest.New(c.now))
		config := map[string]any{"calendar": "XNYS", "event": c.event}
		if c.offset != "" {
			config["offset"] = c.offset
		}
		_, err := n.Run(t.Context(), nodetest.Call(nil, c.now, config))
		w, ok := errors.AsType[*node.Waiting](err)
		if !ok || !w.Wait.Until.Equal(c.want) {
			t.Errorf("%s: %v, %+v, want %s", name, err, w, c.want)
		}
	}
}

func TestMarketAsksTheCalendarAgain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	clk, a := clocktest.New(now), &almanac{shipped(t)}
	n := wait.NewMarket(a, clk)
	call := nodetest.Call(nil, now, map[string]any{"calendar": "XNYS", "event": "open"})
	_, err := n.Run(t.Context(), call)
	w, _ := errors.AsType[*node.Waiting](err)
	cal, err := a.set.Get("XNYS")
	if err != nil {
		t.Fatal(err)
	}
	mourning, err := cal.With([]calendar.Override{{Date: calendar.NewDate(2026, 3, 2), Kind: calendar.OverrideClosed, Reason: "mourning"}})
	if err != nil {
		t.Fatal(err)
	}
	clk.Advance(w.Wait.Until.Sub(now))
	if r, err := n.Resume(t.Context(), call, node.Woke{Wait: w.Wait, TimedOut: true}); err != nil || r.Outcome != "fired" || r.Value.(map[string]any)["at"] != "2026-03-02T14:30:00Z" {
		t.Errorf("as it was: %+v, %v", r, err)
	}
	if a.set, err = a.set.With(mourning); err != nil {
		t.Fatal(err)
	}
	_, err = n.Resume(t.Context(), call, node.Woke{Wait: w.Wait, TimedOut: true})
	if later, ok := errors.AsType[*node.Waiting](err); !ok || !later.Wait.Until.Equal(w.Wait.Until.AddDate(0, 0, 1)) {
		t.Errorf("with a new holiday: %+v, %v", later, err)
	}
}

func TestJob(t *testing.T) {
	t.Parallel()
	q := &nodetest.Queue{}
	q.Put(node.Child{JobID: "job_a", State: job.Running})
	n := wait.NewJob(q)
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	c := nodetest.Call(nil, now, map[string]any{"job_id": "job_a", "timeout": "5m"})
	_, err := n.Run(t.Context(), c)
	w, ok := errors.AsType[*node.Waiting](err)
	if !ok || w.Wait.Ref != "job_a" || !w.Wait.Until.Equal(now.Add(5*time.Minute)) {
		t.Fatalf("%+v, %v", w, err)
	}
	if r, err := n.Resume(t.Context(), c, node.Woke{Wait: w.Wait, TimedOut: true}); err != nil || r.Outcome != "timed_out" {
		t.Errorf("%+v, %v", r, err)
	}
	q.Put(node.Child{JobID: "job_a", State: job.Failed})
	if r, err := n.Resume(t.Context(), c, node.Woke{Wait: w.Wait, TimedOut: true}); err != nil || r.Outcome != "fired" || r.Value.(map[string]any)["status"] != "FAILED" {
		t.Errorf("%+v, %v", r, err)
	}
	c.Config["job_id"] = "job_b"
	if _, err := n.Run(t.Context(), c); node.FailureOf(err).Code != "not_found" {
		t.Error(err)
	}
}
