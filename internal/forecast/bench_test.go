package forecast_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/forecast"
)

// long returns a queue of n jobs on slots that are all busy.
func long(n, slots int, resources func(i int) []string) forecast.Input {
	in := forecast.Input{Now: noon, Slots: slots, MaxOvertakes: 20, MaxOvertakeAge: 10 * minute}
	span := func(i int) forecast.Span {
		m := time.Duration(1+i%20) * minute
		return forecast.Span{Median: m, P90: m * 2, Count: 50}
	}
	for i := range slots {
		in.Running = append(in.Running, forecast.Running{ID: fmt.Sprint("r", i), Span: span(i), Elapsed: minute / 2, Slot: true})
	}
	for i := range n {
		in.Waiting = append(in.Waiting, forecast.Waiting{ID: fmt.Sprintf("job_%06d", i), Span: span(i), Resources: resources(i)})
	}
	return in
}

func BenchmarkForecast(b *testing.B) {
	for _, c := range []struct {
		name      string
		n, slots  int
		resources func(int) []string
	}{
		{"1000x4", 1000, 4, func(int) []string { return nil }},
		{"1000x64", 1000, 64, func(int) []string { return nil }},
		{"1000x4_eight_locks", 1000, 4, func(i int) []string { return []string{fmt.Sprint("lock:", i%8)} }},
		{"1000x4_one_lock", 1000, 4, func(int) []string { return []string{"lock:gpu"} }},
		{"1000x4_thousand_classes_one_lock", 1000, 4, func(i int) []string { return []string{"lock:gpu", fmt.Sprint("lock:", i)} }},
		{"1000x4_two_of_thirty_locks", 1000, 4, func(i int) []string {
			return []string{fmt.Sprint("lock:", i*7%30), fmt.Sprint("lock:", i*11%30)}
		}},
		{"100x4", 100, 4, func(int) []string { return nil }},
	} {
		in := long(c.n, c.slots, c.resources)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				forecast.Forecast(in)
			}
		})
	}
}

func BenchmarkBeyond(b *testing.B) {
	in := long(1000, 4, func(int) []string { return nil })
	covered := forecast.Forecast(in)
	positions := make([]int, 50)
	for b.Loop() {
		forecast.Beyond(in, covered, positions)
	}
}
