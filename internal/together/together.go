// Package together does things together that come while others are being done: nothing
// waits for more to come, and the busier a server is, the more share one transaction.
//
//	adds := together.New(addAll, 2, 64)
//	added, err := adds.Do(ctx, job)
package together

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
)

// Group does things for several callers at once. Its methods may be called concurrently.
// The zero value does nothing; use New.
type Group[T, R any] struct {
	do      func([]T) []R
	workers int
	most    int

	mu      sync.Mutex
	waiting []*pending[T, R]
	working int
}

// pending is a thing that its caller waits for.
type pending[T, R any] struct {
	thing T
	done  chan outcome[R]
}

// outcome is what became of a thing. panicked is what do said when it panicked.
type outcome[R any] struct {
	result   R
	panicked any
}

// New returns a Group that calls do with at most so many things, which came in that order,
// and takes as many results from it. There are never more calls than workers at one time:
// with two, the next are prepared while the first wait for their commit.
func New[T, R any](do func([]T) []R, workers, most int) *Group[T, R] {
	return &Group[T, R]{do: do, workers: workers, most: most}
}

// Do has a thing done, alone or with others, and returns its result. While it has not been
// begun, the end of ctx takes it back: Do returns ctx's error then. When do panics, so does
// each Do that waits for it.
func (g *Group[T, R]) Do(ctx context.Context, thing T) (R, error) {
	p := &pending[T, R]{thing, make(chan outcome[R], 1)}
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
	select {
	case o := <-p.done:
		return o.must(), nil
	case <-ctx.Done():
	}
	if g.takeBack(p) {
		var none R
		return none, ctx.Err()
	}
	o := <-p.done
	return o.must(), nil
}

// must is the result, or panics as do did.
func (o outcome[R]) must() R {
	if o.panicked != nil {
		panic(o.panicked)
	}
	return o.result
}

// takeBack reports whether p had not been begun, and is not going to be.
func (g *Group[T, R]) takeBack(p *pending[T, R]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, p)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return i >= 0
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
		batch := slices.Clone(g.waiting[:n])
		g.waiting = slices.Delete(g.waiting, 0, n)
		g.mu.Unlock()
		g.serve(batch)
	}
}

// serve does some things and tells their callers.
func (g *Group[T, R]) serve(batch []*pending[T, R]) {
	things := make([]T, len(batch))
	for i, p := range batch {
		things[i] = p.thing
	}
	results, panicked := g.call(things)
	for i, p := range batch {
		o := outcome[R]{panicked: panicked}
		if panicked == nil {
			o.result = results[i]
		}
		p.done <- o
	}
}

func (g *Group[T, R]) call(things []T) (results []R, panicked any) {
	defer func() {
		if p := recover(); p != nil {
			panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	results = g.do(things)
	if len(results) != len(things) {
		panic(fmt.Sprintf("together: %d results for %d things", len(results), len(things)))
	}
	return results, nil
}
