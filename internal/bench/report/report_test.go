package report_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/bench/report"
)

var update = flag.Bool("update", false, "write the golden file")

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		engine, name string
		size         int
		values       []float64
		median       float64
		ratio        float64
		verdict      report.Verdict
	}{
		{report.SQLite, report.Drain, 10, []float64{30_000, 10_000, 40_000}, 30_000, 1.5, report.Reached},
		{report.SQLite, report.Drain, 10, []float64{20_000}, 20_000, 1, report.Reached},
		{report.SQLite, report.Drain, 10, []float64{1_000, 3_000}, 2_000, 0.1, report.Missed},
		{report.PostgreSQL, report.Drain, 10, []float64{20_000}, 20_000, 20. / 30, report.Missed},
		{report.SQLite, report.StartP50, 10, []float64{0.25}, 0.25, 2, report.Reached},
		{report.SQLite, report.StartP50, 10, []float64{1}, 1, 0.5, report.Missed},
		{report.SQLite, report.QueuedMove, 999_999, []float64{0.2}, 0.2, 2, report.Smaller},
		{report.SQLite, report.QueuedMove, 1_000_000, []float64{0.2}, 0.2, 2, report.Reached},
		{report.SQLite, report.QueuedMove, 10, []float64{0.8}, 0.8, 0.5, report.Missed},
		{report.PostgreSQL, report.Insert, 10, []float64{1}, 1, 0, report.NoGoal},
		{report.SQLite, "steps_8_per_s", 10, []float64{1}, 1, 0, report.NoGoal},
	} {
		m := report.New(c.engine, report.Measure{Name: c.name, Size: c.size, Values: c.values})
		ratio := 0.0
		if m.Ratio != nil {
			ratio = *m.Ratio
		}
		if m.Median != c.median || m.Verdict != c.verdict || ratio != c.ratio {
			t.Errorf("%s %s %v: median %v, ratio %v, %s; want %v, %v, %s", c.engine, c.name, c.values, m.Median, ratio, m.Verdict, c.median, c.ratio, c.verdict)
		}
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for p, want := range map[float64]int{1: 1, 50: 50, 95: 95, 99: 99, 99.5: 100, 100: 100} {
		if got := report.Percentile(hundred, p); got != want {
			t.Errorf("%v: %d, want %d", p, got, want)
		}
	}
	if got := report.Percentile([]int{7}, 50); got != 7 {
		t.Errorf("of one: %d", got)
	}
}

func TestFigure(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{0: "0.00", 0.0123: "0.012", 0.25: "0.25", 1.5: "1.50", 12.34: "12.3", 123.4: "123", 1234: "1,234", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := report.Figure(x); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
}

// TestDocument: the names of the JSON document are part of the product.
func TestDocument(t *testing.T) {
	t.Parallel()
	r := report.Report{
		Schema: report.Schema, StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), TookMs: 1500, Engine: report.SQLite, Durability: "synchronous=FULL",
		Versions: report.Versions{Runsheet: "1.0", Go: "go1.26", Database: "sqlite 3.50"}, Machine: report.Machine{Cores: 2, CPU: "x", MemoryBytes: 1 << 30, OS: "linux/amd64"},
		LoadBefore: []float64{0.1, 0.2, 0.3}, Sizes: report.Sizes{Jobs: 1, Clients: 2, Workers: 3, Runs: 4},
		Measures: []report.Measure{
			report.New(report.SQLite, report.Measure{Name: report.Drain, Scenario: "drain", Path: "store", Size: 1, Values: []float64{2, 1}, Limit: &report.Limit{Path: "rows", Values: []float64{5, 7}}}),
			report.New(report.SQLite, report.Measure{Name: report.StartP95, Scenario: "latency", Path: "http", Size: 1, Values: []float64{2, 1}, Limit: &report.Limit{Path: "commits", Values: []float64{0.5, 1}}}),
		},
	}
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const path = "testdata/report.json"
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}
