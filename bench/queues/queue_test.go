package main

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	found "github.com/runsheet/runsheet/internal/bench/report"
)

const (
	// bulk is how many jobs are added in one transaction, as `runsheet bench` does.
	bulk = 1000
	// meanGap and warm are those of `runsheet bench`.
	meanGap, warm = 10 * time.Millisecond, 10
)

// queue is a contestant with an empty database of its own. Jobs have numbers.
type queue struct {
	// add adds a job and returns its id when the queue has acknowledged it.
	add func(n int) (string, error)
	// prompt is add of somebody who wants the job to begin at once; nil = add.
	prompt func(n int) (string, error)
	// addMany adds the jobs of a range in one transaction; nil = the queue cannot.
	addMany func(from, to int) error
	// waiting are the ids of all jobs that have not begun.
	waiting func() ([]string, error)
	// work starts workers that tell ran of each job; nil = only its adding is measured.
	// stop ends them and writes what they have not written.
	work func(workers int, ran func(n int)) (stop func() error, err error)
	// open reports whether a job has not ended durably.
	open func() (bool, error)
}

// start makes a contestant. What it needs ends with the test.
type start func(tb testing.TB) queue

// measure has the measures of `runsheet bench` for another queue, with b.N jobs.
func measure(b *testing.B, workers int, of start) {
	b.Helper()
	b.Run("insert", func(b *testing.B) {
		q := of(b)
		b.ResetTimer()
		ids := q.addEach(b, b.N)
		b.StopTimer()
		perSecond(b, found.Insert, b.Elapsed())
		q.hold(b, ids)
	})
	b.Run("bulk", func(b *testing.B) {
		q := of(b)
		if q.addMany == nil {
			b.Skip("it has no batch")
		}
		b.ResetTimer()
		q.fill(b, b.N)
		b.StopTimer()
		perSecond(b, found.Bulk, b.Elapsed())
		if ids, err := q.waiting(); err != nil || len(ids) != b.N {
			b.Errorf("%d jobs wait, %v, want %d", len(ids), err, b.N)
		}
	})
	b.Run("drain", func(b *testing.B) {
		q := of(b)
		q.fill(b, b.N)
		b.ResetTimer()
		spent := q.drain(b, workers, b.N)
		b.StopTimer()
		perSecond(b, found.Drain, spent)
	})
	b.Run("latency", func(b *testing.B) {
		delays := of(b).delays(b, workers, b.N, rand.New(rand.NewPCG(1, 1)))
		for name, p := range map[string]float64{found.StartP50: 50, found.StartP95: 95} {
			b.ReportMetric(float64(found.Percentile(delays, p).Nanoseconds())/1e6, name)
		}
	})
}

func perSecond(b *testing.B, name string, spent time.Duration) {
	b.Helper()
	b.ReportMetric(float64(b.N)/spent.Seconds(), name)
}

// addEach adds jobs 0 to n-1 one at a time, with many clients.
func (q queue) addEach(tb testing.TB, n int) []string {
	tb.Helper()
	var next atomic.Int64
	ids := make([]string, n)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				one, err := q.add(int(i))
				if err != nil {
					tb.Errorf("add job %d: %v", i, err)
					return
				}
				ids[i] = one
			}
		})
	}
	all.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
	return ids
}

// hold fails unless exactly these jobs wait.
func (q queue) hold(tb testing.TB, ids []string) {
	tb.Helper()
	found, err := q.waiting()
	if err != nil {
		tb.Fatal(err)
	}
	slices.Sort(found)
	if want := slices.Sorted(slices.Values(ids)); !slices.Equal(found, want) {
		tb.Fatalf("%d jobs were acknowledged, and %d wait that are not all the same", len(want), len(found))
	}
}

// fill adds n jobs as fast as the queue can.
func (q queue) fill(tb testing.TB, n int) {
	tb.Helper()
	if q.addMany == nil {
		q.addEach(tb, n)
		return
	}
	for from := 0; from < n; from += bulk {
		if err := q.addMany(from, min(n, from+bulk)); err != nil {
			tb.Fatal(err)
		}
	}
}

// tally counts how often each job ran, and when it began first.
type tally struct {
	mu    sync.Mutex
	ran   []int
	began []time.Time
	total int
	last  chan struct{} // closed when each has run, or as many as there are
}

func newTally(n int) *tally {
	return &tally{ran: make([]int, n), began: make([]time.Time, n), last: make(chan struct{})}
}

func (t *tally) note(n int) {
	at := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ran[n]++; t.ran[n] == 1 {
		t.began[n] = at
	}
	if t.total++; t.total == len(t.ran) {
		close(t.last)
	}
}

// once fails unless each job ran once.
func (t *tally) once(tb testing.TB) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, n := range t.ran {
		if n != 1 {
			tb.Errorf("job %d ran %d times", i, n)
			return
		}
	}
}

// drain starts workers and returns how long it took until the last end was durable.
func (q queue) drain(tb testing.TB, workers, n int) time.Duration {
	tb.Helper()
	t := newTally(n)
	began := time.Now()
	stop, err := q.work(workers, t.note)
	if err != nil {
		tb.Fatal(err)
	}
	q.wait(tb, t)
	// A queue that writes the last ends late on purpose writes them when it is stopped.
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	var spent time.Duration
	for {
		open, err := q.open()
		if err != nil {
			tb.Fatal(err)
		}
		if spent = time.Since(began); !open {
			break
		}
		if spent > patience {
			tb.Fatal("the jobs do not end")
		}
		time.Sleep(time.Millisecond)
	}
	if err := <-stopped; err != nil {
		tb.Fatal(err)
	}
	t.once(tb)
	return spent
}

// patience is how long a turn may take.
const patience = 5 * time.Minute

func (q queue) wait(tb testing.TB, t *tally) {
	tb.Helper()
	select {
	case <-t.last:
	case <-time.After(patience):
		tb.Fatal("the jobs do not run")
	}
}

// delays are the times from before a job is added to its beginning, sorted. Jobs come at
// random, on a queue that has nothing else to do.
func (q queue) delays(tb testing.TB, workers, n int, r *rand.Rand) []time.Duration {
	tb.Helper()
	t := newTally(warm + n)
	stop, err := q.work(workers, t.note)
	if err != nil {
		tb.Fatal(err)
	}
	add := q.prompt
	if add == nil {
		add = q.add
	}
	sent := make([]time.Time, warm+n)
	for i := range sent {
		time.Sleep(time.Duration(r.ExpFloat64() * float64(meanGap)))
		sent[i] = time.Now()
		if _, err := add(i); err != nil {
			tb.Fatal(errors.Join(err, stop()))
		}
	}
	q.wait(tb, t)
	if err := stop(); err != nil {
		tb.Fatal(err)
	}
	t.once(tb)
	if open, err := q.open(); err != nil || open {
		tb.Errorf("a job has not ended, or %v", err)
	}
	delays := make([]time.Duration, n)
	for i := range delays {
		delays[i] = t.began[warm+i].Sub(sent[warm+i])
	}
	slices.Sort(delays)
	return delays
}
