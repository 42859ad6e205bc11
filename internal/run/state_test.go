package run_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/run"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func events() []any {
	return []any{
		run.Succeeded{At: noon},
		run.Passed{At: noon, Reason: "nothing new"},
		run.Broke{At: noon, Failure: run.Failure{Code: "timeout"}},
		run.Left{},
	}
}

// TestVerdicts compares the answer to every event in every state with the
// reviewed one.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, s := range run.States() {
		for _, ev := range events() {
			verdict := ""
			c, err := run.Apply(run.Run{ID: "run_1", State: s}, ev)
			switch {
			case fault.Is(err, fault.Conflict):
				verdict = "refused: conflict"
			case err != nil:
				verdict = "plain error " + err.Error()
			default:
				verdict = strings.TrimSpace(fmt.Sprint(c.After.State, " ", c.After.Failure.Code, c.After.Reason))
			}
			fmt.Fprintf(&got, "%-9s %-9s -> %s\n", s, reflect.TypeOf(ev).Name(), verdict)
		}
	}
	path := filepath.Join("testdata", "verdicts.golden")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s is not what comes out; after review: go test -update (-want +got):\n%s", path, diff)
	}
}

func TestEventsAreComplete(t *testing.T) {
	t.Parallel()
	for _, r := range run.Table.Rules() {
		if !slices.ContainsFunc(events(), func(ev any) bool { return reflect.TypeOf(ev).Name() == r.Event }) {
			t.Errorf("no sample of event %s", r.Event)
		}
	}
}

// TestEndsOnce applies random events: the first but Left ends the run, and nothing
// changes it afterwards.
func TestEndsOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := run.Run{ID: "run_1", State: run.Active, Instance: "inst_1", StartedAt: noon.Add(-time.Minute)}
		for i := range rapid.IntRange(1, 10).Draw(t, "steps") {
			ev := rapid.SampledFrom(events()).Draw(t, "event")
			c, err := run.Apply(r, ev)
			if (err == nil) != (r.State == run.Active) {
				t.Fatalf("event %d on %s: %v", i, r.State, err)
			}
			if err != nil {
				continue
			}
			r = c.After
			if _, goesOn := ev.(run.Left); goesOn {
				if r.State != run.Active || r.Instance != "" || r.Duration() != 0 {
					t.Fatalf("after it left its slot: %+v", r)
				}
				continue
			}
			if !r.State.Terminal() || r.Duration() != time.Minute {
				t.Fatalf("after the first event: %s, duration %v", r.State, r.Duration())
			}
		}
	})
}

// TestEndKeepsProgress: what the attempt said last stays when the end says
// nothing newer.
func TestEndKeepsProgress(t *testing.T) {
	t.Parallel()
	said := run.Progress{Stage: "train", Done: 3, Total: 10}
	r := run.Run{State: run.Active, Result: run.Result{Progress: said}}
	c, err := run.Apply(r, run.Succeeded{At: noon})
	if err != nil {
		t.Fatal(err)
	}
	if c.After.Result.Progress != said {
		t.Errorf("progress %+v, want %+v", c.After.Result.Progress, said)
	}
}

// TestTimesAreNeverNegative: a clock that steps back between start and end
// does not show.
func TestTimesAreNeverNegative(t *testing.T) {
	t.Parallel()
	r := run.Run{QueuedAt: noon, StartedAt: noon.Add(-time.Second), FinishedAt: noon.Add(-time.Minute)}
	if r.QueueWait() != 0 || r.Duration() != 0 {
		t.Errorf("wait %v, duration %v, want 0", r.QueueWait(), r.Duration())
	}
}
