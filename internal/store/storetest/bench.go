package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// Bench measures the hot methods of a store. open is called once for each
// measurement.
func Bench(b *testing.B, open func(b *testing.B) store.Store) {
	for _, clients := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("Add/clients=%d", clients), func(b *testing.B) { BenchAdd(b, open(b), clients) })
	}
	for _, n := range []int{1, 50} {
		b.Run(fmt.Sprintf("ClaimFinish/batch=%d", n), func(b *testing.B) { benchClaimFinish(b, open(b), n) })
	}
}

// BenchAdd lets clients add one job at a time, each waiting for its answer.
func BenchAdd(b *testing.B, s store.Store, clients int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := s.Jobs.Add(b.Context(), store.AddJobs{Jobs: []job.Job{newJob()}}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// benchClaimFinish drains jobs, n at a time.
func benchClaimFinish(b *testing.B, s store.Store, n int) {
	pool(b, s, n)
	for done := 0; done < b.N; done += 1000 {
		js := make([]job.Job, min(1000, b.N-done))
		for i := range js {
			js[i] = newJob()
		}
		add(b, s, js...)
	}
	b.ResetTimer()
	for done := 0; done < b.N; {
		c, err := s.Jobs.Claim(b.Context(), store.ClaimJobs{Instance: "a", Now: base, Room: n, Decide: firstRunnable})
		if err != nil || len(c.Started) == 0 {
			b.Fatalf("claimed %d, %v", len(c.Started), err)
		}
		items := make([]store.Finish, len(c.Started))
		for i, x := range c.Started {
			items[i] = ending(b, x, job.Succeeded{At: base})
		}
		for _, err := range s.Jobs.Finish(b.Context(), items) {
			if err != nil {
				b.Fatal(err)
			}
		}
		done += len(items)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
