package order_test

import (
	"fmt"
	"iter"
	"runtime"
	"testing"

	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
)

// sizes are pairs of jobs and classes.
var sizes = []struct{ jobs, classes int }{
	{10_000, 5_000}, {100_000, 5_000}, {1_000_000, 5_000}, {1_000_000, 1_000_000},
}

func eachSize(b *testing.B, f func(b *testing.B, jobs, classes int)) {
	for _, s := range sizes {
		b.Run(fmt.Sprintf("%d jobs/%d classes", s.jobs, s.classes), func(b *testing.B) { f(b, s.jobs, s.classes) })
	}
}

// fresh copies a string, as one that was read from a database.
func fresh[S ~string](s S) S { return S([]byte(s)) }

// nthSpot is the i-th job; neighbours are of different classes, and each class
// needs the lock and a key of its own.
func nthSpot(i, classes int) order.Spot {
	return order.Spot{
		Rank:  fresh(rank.Natural(5, int64(i)+1)),
		Class: fmt.Sprintf("gpu,key%d#", i*7919%classes), Listed: true, Ready: true,
	}
}

// queue yields the jobs and, behind them, one that needs a processor only.
func queue(jobs, classes int) iter.Seq[order.Spot] {
	return func(yield func(order.Spot) bool) {
		for i := range jobs - 1 {
			if !yield(nthSpot(i, classes)) {
				return
			}
		}
		yield(order.Spot{Rank: rank.Natural(5, int64(jobs)), Class: "cpu#", Listed: true, Ready: true})
	}
}

func loaded(jobs, classes int) *order.Index {
	x := order.New(resources)
	x.Load(queue(jobs, classes))
	return x
}

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkLoad also reports the memory of a waiting job, with its strings:
// loaded, and after every class has been parked.
func BenchmarkLoad(b *testing.B) {
	eachSize(b, func(b *testing.B, jobs, classes int) {
		spots := make([]order.Spot, 0, jobs)
		for s := range queue(jobs, classes) {
			spots = append(spots, s)
		}
		x := order.New(resources)
		b.ResetTimer()
		for range b.N {
			x.Load(func(yield func(order.Spot) bool) {
				for _, s := range spots {
					yield(s)
				}
			})
		}
		b.StopTimer()
		runtime.KeepAlive(spots)
		x, spots = nil, nil
		before := heapBytes()
		x = loaded(jobs, classes)
		b.ReportMetric(float64(heapBytes()-before)/float64(jobs), "B/job")
		firstWalk(x, isGPU)
		b.ReportMetric(float64(heapBytes()-before)/float64(jobs), "B/job-parked")
		runtime.KeepAlive(x)
	})
}

// BenchmarkApplyMemory reports the memory after a million single inserts, as
// they come (in order) and anywhere.
func BenchmarkApplyMemory(b *testing.B) {
	for name, step := range map[string]int{"in order": 1, "anywhere": 611_953} {
		b.Run(name, func(b *testing.B) {
			const jobs = 1_000_000
			for range b.N {
				before := heapBytes()
				x := order.New(resources)
				for i := range jobs {
					must(b, x.Apply([]order.Delta{{In: nthSpot(i*step%jobs, 5000)}}))
				}
				b.ReportMetric(float64(heapBytes()-before)/jobs, "B/job")
				runtime.KeepAlive(x)
			}
		})
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPosition(b *testing.B) {
	eachSize(b, func(b *testing.B, jobs, classes int) {
		x := loaded(jobs, classes)
		b.ResetTimer()
		for i := range b.N {
			x.Position(rank.Natural(5, int64(i*611_953%jobs)+1))
		}
	})
}

func BenchmarkAt(b *testing.B) {
	eachSize(b, func(b *testing.B, jobs, classes int) {
		x := loaded(jobs, classes)
		b.ResetTimer()
		for i := range b.N {
			x.At(i * 611_953 % jobs)
		}
	})
}

// BenchmarkApply moves jobs from anywhere to anywhere: one out, one in.
func BenchmarkApply(b *testing.B) {
	eachSize(b, func(b *testing.B, jobs, classes int) {
		x := loaded(jobs, classes)
		spots := make([]order.Spot, jobs-1)
		for i := range spots {
			spots[i] = nthSpot(i, classes)
		}
		b.ResetTimer()
		for i := range b.N {
			from := i * 611_953 % len(spots)
			// Ranks of another zone, so that none is met twice.
			in := spots[from]
			in.Rank = rank.Natural(4, int64(i)*7_368_787%(1<<40)+1)
			must(b, x.Apply([]order.Delta{{Out: spots[from], In: in}}))
			spots[from] = in
		}
	})
}

func isGPU(r string) bool { return r == "gpu" }

func firstWalk(x *order.Index, blocked func(string) bool) int {
	n := 0
	x.Walk(blocked, func(rank.Rank, string) bool {
		n++
		return n < 8
	})
	return n
}

func benchWalk(b *testing.B, blocked func(string) bool, want int) {
	eachSize(b, func(b *testing.B, jobs, classes int) {
		x := loaded(jobs, classes)
		firstWalk(x, blocked)
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			if got := firstWalk(x, blocked); got != want {
				b.Fatalf("%d jobs, want %d", got, want)
			}
		}
	})
}

// BenchmarkWalkLocked: all but the last job wait for one lock.
func BenchmarkWalkLocked(b *testing.B) { benchWalk(b, isGPU, 1) }

// BenchmarkWalkFree: nothing is blocked, eight jobs are taken.
func BenchmarkWalkFree(b *testing.B) { benchWalk(b, isFree, 8) }

// BenchmarkWalkLockedFirst: the walk that parks all classes.
func BenchmarkWalkLockedFirst(b *testing.B) {
	eachSize(b, func(b *testing.B, jobs, classes int) {
		for range b.N {
			b.StopTimer()
			x := loaded(jobs, classes)
			b.StartTimer()
			firstWalk(x, isGPU)
		}
	})
}

// BenchmarkWalkKeys: 5,000 keys have blocked their classes once. They still
// do, or are free again.
func BenchmarkWalkKeys(b *testing.B) {
	taken := map[string]bool{}
	for i := range 5000 {
		taken[fmt.Sprintf("key%d", i)] = true
	}
	for name, blocked := range map[string]func(string) bool{"blocked": func(r string) bool { return taken[r] }, "free": isFree} {
		b.Run(name, func(b *testing.B) {
			x := loaded(100_000, 5000)
			firstWalk(x, func(r string) bool { return taken[r] })
			b.ResetTimer()
			for range b.N {
				firstWalk(x, blocked)
			}
		})
	}
}

// BenchmarkClaim: a lock is freed, the next job takes it, and leaves.
func BenchmarkClaim(b *testing.B) {
	eachSize(b, func(b *testing.B, jobs, classes int) {
		x := loaded(jobs, classes)
		firstWalk(x, isGPU)
		next := jobs
		b.ResetTimer()
		for range b.N {
			taken := false
			var d order.Delta
			x.Walk(func(r string) bool { return taken && r == "gpu" }, func(r rank.Rank, class string) bool {
				if class == "cpu#" {
					return true
				}
				taken = true
				d.Out = order.Spot{Rank: r, Class: class, Listed: true, Ready: true}
				return true
			})
			next++
			d.In = d.Out
			d.In.Rank = rank.Natural(5, int64(next))
			must(b, x.Apply([]order.Delta{d}))
		}
	})
}

func BenchmarkBlocked(b *testing.B) {
	eachSize(b, func(b *testing.B, jobs, classes int) {
		x := loaded(jobs, classes)
		firstWalk(x, isGPU)
		b.ResetTimer()
		for range b.N {
			if got := x.Blocked(isGPU, 256, 256); len(got) != 256 {
				b.Fatalf("%d heads", len(got))
			}
		}
	})
}
