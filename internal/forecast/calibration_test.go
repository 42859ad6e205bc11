package forecast_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/forecast"
)

// world is a random queue whose true durations are lognormal. The forecast sees
// only what Learn was given.
type world struct {
	rng    *rand.Rand
	median []float64 // seconds
	sigma  []float64
	spans  []forecast.Span
}

func newWorld(seed uint64, history int) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 7))}
	for k := range 4 {
		w.median = append(w.median, math.Exp(w.rng.Float64()*5)) // 1 s to 2.5 min
		w.sigma = append(w.sigma, 0.1+0.9*w.rng.Float64())
		var known []time.Duration
		for range history {
			known = append(known, w.draw(k))
		}
		w.spans = append(w.spans, forecast.Learn(known))
	}
	return w
}

func (w *world) draw(k int) time.Duration {
	return time.Duration(w.median[k] * math.Exp(w.sigma[k]*w.rng.NormFloat64()) * float64(time.Second))
}

// queue draws an input and the true starts of its jobs.
func (w *world) queue(jobs, slots int, locks bool) (forecast.Input, map[string]time.Time) {
	in := forecast.Input{Now: noon, Slots: slots}
	left := map[string]time.Duration{}
	for i := range slots {
		// Whoever looks at a random moment meets long runs more often, in
		// proportion to their length: a lognormal distribution remains one, with a
		// median that is higher by the factor exp(sigma^2).
		k := w.rng.IntN(4)
		whole := time.Duration(float64(w.draw(k)) * math.Exp(w.sigma[k]*w.sigma[k]))
		elapsed := time.Duration(w.rng.Float64() * float64(whole))
		id := fmt.Sprint("running_", i)
		in.Running = append(in.Running, forecast.Running{ID: id, Span: w.spans[k], Elapsed: elapsed, Slot: true})
		left[id] = whole - elapsed
	}
	takes := map[string]time.Duration{}
	for i := range jobs {
		k := w.rng.IntN(4)
		j := forecast.Waiting{ID: fmt.Sprintf("job_%d_%d", w.rng.Uint32(), i), Span: w.spans[k]}
		if locks && k < 2 {
			j.Resources = []string{"lock:gpu"}
		}
		takes[j.ID] = w.draw(k)
		in.Waiting = append(in.Waiting, j)
	}
	return in, play(in, func(r forecast.Running) time.Duration { return left[r.ID] }, func(j forecast.Waiting) time.Duration { return takes[j.ID] })
}

// TestCalibration counts how many of the true starts lie in the range, which
// should hold 80 %, and whether as many are too early as too late. The seeds
// are fixed, so the counts are too; the bounds allow for a change of method.
func TestCalibration(t *testing.T) {
	t.Parallel()
	const worlds = 300
	for _, c := range []struct {
		name        string
		history     int
		jobs, slots int
		locks       bool
		least, most float64 // share in the range
	}{
		{"one slot", 50, 30, 1, false, 0.72, 0.88},
		{"four slots", 50, 60, 4, false, 0.72, 0.88},
		{"a lock", 50, 40, 3, true, 0.72, 0.88},
		{"long queue", 50, 200, 2, false, 0.70, 0.88},
		{"ten durations", 10, 30, 2, false, 0.65, 0.90},
		{"three durations", 3, 30, 2, false, 0.60, 0.95},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var in, early, late, first, firstIn, last, lastIn int
			for seed := range uint64(worlds) {
				input, truth := newWorld(seed, c.history).queue(c.jobs, c.slots, c.locks)
				out := forecast.Forecast(input)
				for i, w := range input.Waiting {
					e, at := out[w.ID], truth[w.ID]
					inside := !at.Before(e.From) && !at.After(e.To)
					switch {
					case !e.Known:
						t.Fatalf("%s is unknown: %s", w.ID, e.Reason)
					case inside:
						in++
					case at.Before(e.From):
						early++
					default:
						late++
					}
					hit := 0
					if inside {
						hit = 1
					}
					if i < c.slots {
						first, firstIn = first+1, firstIn+hit
					}
					if i >= c.jobs*3/4 {
						last, lastIn = last+1, lastIn+hit
					}
				}
			}
			n := float64(in + early + late)
			share := func(k, n int) float64 { return float64(k) / float64(n) }
			t.Logf("%d starts: %.1f %% in the range, %.1f %% earlier, %.1f %% later; next to start %.1f %%, last quarter %.1f %%",
				int(n), 100*float64(in)/n, 100*float64(early)/n, 100*float64(late)/n, 100*share(firstIn, first), 100*share(lastIn, last))
			for what, got := range map[string]float64{"all": float64(in) / n, "next to start": share(firstIn, first), "last quarter": share(lastIn, last)} {
				if got < c.least || got > c.most {
					t.Errorf("%s: %.1f %% in the range, want %.0f to %.0f %%", what, 100*got, 100*c.least, 100*c.most)
				}
			}
		})
	}
}
