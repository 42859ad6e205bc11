package main

import (
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	t.Parallel()
	one := map[string]float64{"ns/op": 5, "nodes/s": 562, "cpu-us/node": 434.1, "runs/s": 56.2}
	if got, err := read([]map[string]float64{one}); err != nil || got != (figures{StepsPerSecond: 562, CPUMicros: 434.1}) {
		t.Errorf("read = %v, %v", got, err)
	}
	for _, lines := range [][]map[string]float64{nil, {{"ns/op": 5, "nodes/s": 3}}, {one, one}} {
		if got, err := read(lines); err == nil {
			t.Errorf("read(%v) = %v, want an error", lines, got)
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
