// Package garbage lets a busy server with a small heap collect garbage less often.
//
// What is live in a server is some 10 MB, so that Go's own rule, to collect when the heap
// has doubled, takes a fifth of the processor of one that runs short jobs, for memory that
// it can spare. A server that has little to do, or much that is live, collects as always.
package garbage

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// spareHeap is how much garbage a busy server may have before it is collected, in
	// bytes; a third more where that saves a change of the percentage.
	spareHeap = 48 << 20
	// percents of the live heap: what Go does by itself, and the most that is asked for.
	usualPercent, mostPercent = 100, 400
	// busyRate is from how many bytes allocated a second a server counts as busy, and
	// busyCycles how many collections in a row must be of such seconds: a start is none.
	busyRate   = 8 << 20
	busyCycles = 8
)

// collector sets the percentage after each collection.
type collector struct {
	now     func() time.Time
	set     func(percent int)
	percent int
	busy    int // collections in a row
	allocs  uint64
	at      time.Time
}

// after takes what is live and what was ever allocated, in bytes, after a collection.
func (c *collector) after(live, allocs uint64) {
	now := c.now()
	since := max(now.Sub(c.at), time.Millisecond)
	if rate := float64(allocs-c.allocs) / since.Seconds(); c.at.IsZero() || rate < busyRate {
		c.busy = 0
	} else {
		c.busy++
	}
	c.at, c.allocs = now, allocs
	want := usualPercent
	if c.busy >= busyCycles {
		want = int(min(mostPercent, max(usualPercent, spareHeap*100/max(live, 1))))
	}
	// Each change stops the world for some microseconds: small ones are not worth it.
	if d := want - c.percent; want == usualPercent && d != 0 || d > c.percent/4 || -d > c.percent/4 {
		c.percent = want
		c.set(want)
	}
}

// Tune follows the collections of this process until stop is called, which puts back
// what was. Whoever has set GOGC or GOMEMLIMIT has decided otherwise: then it does
// nothing. It is to be called once in a process; a second one at the same time does no
// harm, the last to speak is obeyed.
func Tune(now func() time.Time) (stop func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	c := &collector{now: now, percent: usualPercent, set: func(percent int) { debug.SetGCPercent(percent) }}
	collected, end, done := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	onCollection(collected, end)
	go func() {
		defer close(done)
		for {
			select {
			case <-collected:
				c.after(heap())
			case <-end:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(end)
		<-done
		if c.percent != usualPercent {
			c.set(usualPercent)
		}
	})
}

// onCollection sends after each collection, until stop is closed: an object that nobody
// holds is collected in the next one, and makes its follower.
func onCollection(to chan<- struct{}, stop <-chan struct{}) {
	runtime.AddCleanup(new([64]byte), func(to chan<- struct{}) {
		select {
		case <-stop:
			return
		case to <- struct{}{}:
		default: // the one before is still being looked at
		}
		onCollection(to, stop)
	}, to)
}

// heap is what is live and what was ever allocated, in bytes.
func heap() (live, allocs uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}
