package tally_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/tally"
)

var start = time.Date(2026, 3, 1, 23, 59, 30, 0, time.UTC)

func open(t *testing.T, c *clocktest.Manual) store.Store {
	t.Helper()
	s, err := sqlite.OpenMemory(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func usage(t *testing.T, s store.Store, since time.Time) []store.LegacyCalled {
	t.Helper()
	got, err := s.LegacyCalls.Usage(t.Context(), store.AskLegacyUsage{Since: since, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return got.Calls
}

// TestFailedWriteIsRepeated: what could not be written is written later, once.
func TestFailedWriteIsRepeated(t *testing.T) {
	t.Parallel()
	c := clocktest.New(start)
	s := open(t, c)
	n := tally.New(tally.Options{Store: s.LegacyCalls, Clock: c})
	n.Count("ten", "ci", "get")
	gone, stop := context.WithCancel(t.Context())
	stop()
	if err := n.Flush(gone); err == nil {
		t.Fatal("a write that was cancelled has no error")
	}
	c.Advance(time.Minute) // another day
	n.Count("ten", "ci", "get")
	for range 2 {
		if err := n.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []store.LegacyCalled{{Tenant: "ten", Client: "ci", Operation: "get", Count: 2, LastAt: start.Add(time.Minute)}}
	if diff := cmp.Diff(want, usage(t, s, start)); diff != "" {
		t.Error(diff)
	}
	want[0].Count = 1
	if diff := cmp.Diff(want, usage(t, s, c.Now())); diff != "" {
		t.Error("of the second day", diff)
	}
}

// TestBounded: however many clients call, few are told apart, and no call is lost.
func TestBounded(t *testing.T) {
	t.Parallel()
	c := clocktest.New(start)
	s := open(t, c)
	n := tally.New(tally.Options{Store: s.LegacyCalls, Clock: c})
	const clients, each = 1000, 3
	var wg sync.WaitGroup
	for range each {
		wg.Go(func() {
			for i := range clients {
				n.Count("ten", fmt.Sprint("client", i), "get")
			}
		})
	}
	wg.Wait()
	if err := n.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := usage(t, s, start)
	if len(got) > 401 || len(got) < 2 || got[0].Client != "" || got[0].Operation != "" {
		t.Fatalf("%d rows, the first %+v", len(got), got[0])
	}
	var sum int64
	for _, g := range got {
		sum += g.Count
	}
	if sum != clients*each {
		t.Errorf("%d calls, want %d", sum, clients*each)
	}
}

// TestRunWrites: nobody has to ask for the numbers to be written.
func TestRunWrites(t *testing.T) {
	t.Parallel()
	c := clocktest.New(start)
	s := open(t, c)
	n := tally.New(tally.Options{Store: s.LegacyCalls, Clock: c})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Run(ctx)
	}()
	n.Count("ten", "ci", "get")
	for len(usage(t, s, start)) == 0 { // the test's time limit ends it
		c.Advance(time.Minute)
	}
	stop()
	<-done
}
