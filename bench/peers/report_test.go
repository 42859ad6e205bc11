package main

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := parse([]byte("goos: linux\nBenchmarkRuns/sqlite/concurrent=8-2 \t 300\t 17794394 ns/op\t 434.1 cpu-us/node\t 562.0 nodes/s\t 56.20 runs/s\nPASS\n"))
	if want := (figures{StepsPerSecond: 562, CPUMicros: 434.1}); err != nil || got != want {
		t.Errorf("parse = %v, %v, want %v", got, err, want)
	}
	for _, text := range []string{"", "PASS\n", "BenchmarkA 1 5 ns/op 3 nodes/s\n", "BenchmarkA 1 5 nodes/s 3 cpu-us/node\nBenchmarkB 1 5 nodes/s 3 cpu-us/node\n"} {
		if got, err := parse([]byte(text)); err == nil {
			t.Errorf("parse(%q) = %v, want an error", text, got)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	r := report{At: "2026-11-22T10:00:00Z", Runs: 10}
	our := contestant{Name: "Runsheet", Database: "X", engine: "x", product: true}
	peer := contestant{Name: "peer", Database: "X", engine: "x"}
	for round, rate := range []float64{100, 300, 200} {
		r.add(our, 8, round, figures{rate, 10})
		r.add(peer, 8, round, figures{100, 20})
	}
	var out strings.Builder
	r.table(&out)
	for _, want := range []string{"| X | Runsheet | 8 | 200 (100-300) | 10 (10-10) | 1 |\n", "| X | peer | 8 | 100 (100-100) | 20 (20-20) | 2.00 (1.00-3.00) |\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, out.String())
		}
	}
}
