package together

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// TestDo: what comes while all workers are at work waits for the next call, which takes
// all of it up to the most, in order; each caller gets its own result.
func TestDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls [][]int
		goOn := make(chan struct{})
		g := New(func(list []int) []int {
			calls = append(calls, list)
			<-goOn
			out := make([]int, len(list))
			for i, n := range list {
				out[i] = 10 * n
			}
			return out
		}, 1, 3)
		results := make([]int, 6)
		for i := range results {
			go func() { results[i], _ = g.Do(t.Context(), i) }() // no context ends
			synctest.Wait()                                      // the first is being done, the others come one after the other
		}
		if len(calls) != 1 {
			t.Errorf("%d calls while the first was under way", len(calls))
		}
		for range 3 {
			goOn <- struct{}{}
			synctest.Wait()
		}
		if want := [][]int{{0}, {1, 2, 3}, {4, 5}}; !slices.EqualFunc(calls, want, slices.Equal) {
			t.Errorf("called with %v, want %v", calls, want)
		}
		if want := []int{0, 10, 20, 30, 40, 50}; !slices.Equal(results, want) {
			t.Errorf("results %v", results)
		}
		go func() { results[0], _ = g.Do(t.Context(), 7) }() // it works again after a rest
		synctest.Wait()
		goOn <- struct{}{}
		synctest.Wait()
		if results[0] != 70 || g.working != 0 {
			t.Errorf("%d, %d at work", results[0], g.working)
		}
	})
}

// TestWorkers: no more calls at one time than workers.
func TestWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := make(chan int, 10)
		goOn := make(chan struct{})
		g := New(func(list []int) []int {
			now <- len(list)
			<-goOn
			return list
		}, 2, 64)
		for i := range 5 {
			go func() { _, _ = g.Do(t.Context(), i) }() // only how many are called counts
			synctest.Wait()
		}
		if len(now) != 2 {
			t.Errorf("%d calls at one time", len(now))
		}
		close(goOn)
		synctest.Wait()
		close(now)
		var sizes []int
		for n := range now {
			sizes = append(sizes, n)
		}
		if slices.Sort(sizes); !slices.Equal(sizes, []int{1, 1, 3}) {
			t.Errorf("calls with %v things", sizes)
		}
	})
}

// TestTakenBack: whoever gives up is not waited for while others are being done, and what
// has been begun has an outcome.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls [][]int
		goOn := make(chan struct{})
		g := New(func(list []int) []int {
			calls = append(calls, list)
			<-goOn
			return list
		}, 1, 64)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make([]error, 3)
		for i := range errs {
			go func() {
				of := ctx
				if i == 2 {
					of = t.Context()
				}
				_, errs[i] = g.Do(of, i)
			}()
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		if !errors.Is(errs[1], context.Canceled) {
			t.Errorf("one that waits and gives up: %v", errs[1])
		}
		goOn <- struct{}{}
		goOn <- struct{}{}
		synctest.Wait()
		if errs[0] != nil || errs[2] != nil {
			t.Errorf("what was begun: %v, what waited on: %v", errs[0], errs[2])
		}
		if want := [][]int{{0}, {2}}; !slices.EqualFunc(calls, want, slices.Equal) {
			t.Errorf("called with %v, want %v", calls, want)
		}
	})
}

// TestPanic: a panic is that of the callers who wait for it, and the group goes on.
func TestPanic(t *testing.T) {
	t.Parallel()
	g := New(func(list []int) []int {
		switch list[0] {
		case 1:
			panic("one")
		case 2:
			return nil
		}
		return list
	}, 1, 64)
	for n, want := range []string{"", "one", "0 results for 1 things", ""} {
		func() {
			defer func() {
				if p := recover(); (p == nil) != (want == "") || !strings.Contains(fmt.Sprint(p), want) {
					t.Errorf("%d: panic %v, want %q", n, p, want)
				}
			}()
			if got, err := g.Do(t.Context(), n); got != n || err != nil {
				t.Errorf("%d: %d, %v", n, got, err)
			}
		}()
	}
}
