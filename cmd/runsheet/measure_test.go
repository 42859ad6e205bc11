package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/bench"
	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/cli"
)

// TestBenchCommand: the command line knows the scenarios that there are, hands on what
// was asked, and prints one document, or a table with the goals.
func TestBenchCommand(t *testing.T) {
	t.Parallel()
	var asked cli.Bench
	found := report.Report{
		Schema: report.Schema, StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Engine: report.SQLite, Durability: "synchronous=FULL", LoadBefore: []float64{0.5, 0, 0},
		Measures: []report.Measure{report.New(report.SQLite, report.Measure{Name: report.Drain, Scenario: "drain", Path: "store", Size: 10, Values: []float64{10_000, 30_000, 40_000}})},
	}
	call := func(args ...string) string {
		var out, talk bytes.Buffer
		code := cli.Main(t.Context(), append([]string{"bench"}, args...), strings.NewReader(""), &out, &talk, cli.Options{
			Env:   func(string) (string, bool) { return "", false },
			Bench: func(_ context.Context, b cli.Bench) (report.Report, error) { asked = b; return found, nil },
		})
		if code != 0 {
			t.Fatalf("%q: exit code %d: %s", args, code, &talk)
		}
		return out.String()
	}
	out := call("--scenario", strings.Join(bench.Scenarios(), ","), "--jobs", "7", "--clients", "2", "--workers", "3", "--runs", "4", "--json")
	if !slices.Equal(asked.Scenarios, bench.Scenarios()) || asked.Jobs != 7 || asked.Clients != 2 || asked.Workers != 3 || asked.Runs != 4 || len(asked.Server) != 2 || asked.Server[1] != "serve" {
		t.Errorf("asked %+v", asked)
	}
	var back report.Report
	if err := json.Unmarshal([]byte(out), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(found, back); diff != "" {
		t.Errorf("the document:\n%s", diff)
	}
	out = call()
	for _, want := range []string{"synchronous=FULL", "MEASURE", "drain_jobs_per_s", "30,000", "10,000-40,000", ">= 20,000", "1.50", "reached"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the table:\n%s", want, out)
		}
	}
	if asked.Scenarios != nil {
		t.Errorf("all is %q", asked.Scenarios)
	}
}
