package main

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/bench/report"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	r := report.Report{Schema: report.Schema, Engine: report.SQLite, Durability: "synchronous=FULL", Measures: []report.Measure{
		report.New(report.SQLite, report.Measure{Name: report.Drain, Path: "store", Size: 10, Values: []float64{10_000, 20_000, 30_000}, Limit: &report.Limit{Path: "rows", Values: []float64{50_000, 40_000}}}),
	}}
	got, err := replace("a\n"+begin+"old\n"+end+"z\n", table("busy", []report.Report{r}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a\n" + begin + "**busy**\n", "| drain_jobs_per_s | >= 20,000 | 20,000 | 10,000-30,000 | 1.00 | reached | 45,000 | 0.44 | store |\n", "\n" + end + "z\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "old") {
		t.Errorf("the old text stays:\n%s", got)
	}
	if again, err := replace(got, table("busy", []report.Report{r})); err != nil || again != got {
		t.Errorf("a second time it is another: %v", err)
	}
	if _, err := replace("a document\n", "x"); err == nil {
		t.Error("a document without marks is written")
	}
}
