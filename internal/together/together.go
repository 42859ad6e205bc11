// Package together does things together that come while others are being done: nothing
// waits for more to come, and the busier a server is, the more share one transaction.
//
//	ends := together.New(finishAll, 2, 64)
//	err := ends.Do(end)
package together

import "sync"

// Group does things for several callers at once. Its methods may be called concurrently.
// The zero value does nothing; use New.
type Group[T, R any] struct {
	do      func([]T) []R
	workers int
	most    int

	mu      sync.Mutex
	waiting []pending[T, R]
	working int
}

// pending is a thing that its caller waits for.
type pending[T, R any] struct {
	thing T
	done  chan R
}

// New returns a Group that calls do with at most so many things, which came in that order,
// and expects as many results. There are never more calls than workers at one time: with
// two, the next are prepared while the first wait for their commit.
func New[T, R any](do func([]T) []R, workers, most int) *Group[T, R] {
	return &Group[T, R]{do: do, workers: workers, most: most}
}

// Do has a thing done, alone or with others, and returns its result.
func (g *Group[T, R]) Do(thing T) R {
	p := pending[T, R]{thing, make(chan R, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, p)
	lead := g.working < g.workers
	if lead {
		g.working++
	}
	g.mu.Unlock()
	if lead {
		go g.work()
	}
	return <-p.done
}

// work does what waits until nothing does.
func (g *Group[T, R]) work() {
	for {
		g.mu.Lock()
		n := min(len(g.waiting), g.most)
		if n == 0 {
			g.working--
			g.waiting = nil // its array was as long as the queue ever was
			g.mu.Unlock()
			return
		}
		batch := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.mu.Unlock()
		things := make([]T, n)
		for i, p := range batch {
			things[i] = p.thing
		}
		for i, r := range g.do(things) {
			batch[i].done <- r
		}
		clear(batch) // a thing may be large
	}
}
