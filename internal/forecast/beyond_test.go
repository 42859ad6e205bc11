package forecast_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/forecast"
)

// TestBeyondGoesOnAtThePace: ten jobs of two minutes on one slot start at 0, 2,
// ..., 18 minutes, so position p starts at 2p.
func TestBeyondGoesOnAtThePace(t *testing.T) {
	t.Parallel()
	in := forecast.Input{Now: noon, Slots: 1}
	for i := range 10 {
		in.Waiting = append(in.Waiting, waiting(fmt.Sprint(i), 2*minute))
	}
	check := func(what string, positions []int, want ...float64) {
		t.Helper()
		for i, e := range forecast.Beyond(in, forecast.Forecast(in), positions) {
			if got := e.Start.Sub(noon).Minutes(); !e.Known || got != want[i] {
				t.Errorf("%s: position %d starts after %v minutes, want %v (%+v)", what, positions[i], got, want[i], e)
			}
		}
	}
	check("all", []int{10, 11, 100}, 20, 22, 200)
	// A delayed job is no measure; held ones take places but no time: of ten
	// places eight start, so ten further places take 8 * 2 minutes.
	in.Waiting[3].NotBefore = noon.Add(24 * time.Hour)
	in.Waiting[5].Held = true
	check("held and delayed", []int{19}, 14+16)
}

func TestBeyondIsUnknown(t *testing.T) {
	t.Parallel()
	one := []forecast.Waiting{waiting("a", minute)}
	for _, c := range []struct {
		in   forecast.Input
		want forecast.Reason
	}{
		{forecast.Input{Slots: 1, Paused: true, Waiting: one}, forecast.ReasonPaused},
		{forecast.Input{Waiting: one}, forecast.ReasonNoSlots},
		{forecast.Input{Slots: 1, Waiting: one}, forecast.ReasonNoDurations},
	} {
		c.in.Now = noon
		if got := forecast.Beyond(c.in, forecast.Forecast(c.in), []int{5}); got[0] != (forecast.Estimate{Reason: c.want}) {
			t.Errorf("beyond = %v, want %s", got, c.want)
		}
	}
}

// TestBeyondMeetsTheWholeForecast compares what is extrapolated from 200 places
// with what a forecast of all 1,000 says.
func TestBeyondMeetsTheWholeForecast(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	in := forecast.Input{Now: noon, Slots: 3}
	for i := range 1000 {
		m := time.Duration(1+rng.IntN(20)) * minute
		in.Waiting = append(in.Waiting, forecast.Waiting{ID: fmt.Sprint(i), Span: forecast.Span{Median: m, P90: 2 * m, Count: 50}})
	}
	whole := forecast.Forecast(in)
	front := in
	front.Waiting = in.Waiting[:200]
	positions := []int{200, 400, 999}
	for i, e := range forecast.Beyond(front, forecast.Forecast(front), positions) {
		want := whole[fmt.Sprint(positions[i])]
		if off := e.Start.Sub(want.Start).Minutes() / want.Start.Sub(noon).Minutes(); off < -0.1 || off > 0.1 {
			t.Errorf("position %d: %v, all played: %v, off by %.0f %%", positions[i], e.Start.Sub(noon), want.Start.Sub(noon), 100*off)
		}
		if e.To.Sub(e.From) < want.To.Sub(want.From)/2 {
			t.Errorf("position %d: range of %v, all played: %v", positions[i], e.To.Sub(e.From), want.To.Sub(want.From))
		}
	}
}
