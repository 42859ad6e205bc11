package queue

import (
	"context"
	"sync"

	"github.com/runsheet/runsheet/internal/store"
)

// ends writes the ends of attempts. Those that come while others are being written are
// written together, in one transaction: no end waits for more to come, and the busier the
// server is, the more ends share a commit.
type ends struct {
	write func(context.Context, []store.Finish) []error

	mu      sync.Mutex
	waiting []*pendingEnd
	writers int
}

const (
	// endWriters is how many transactions of ends are under way at the same time: while
	// one waits for its commit, the next is prepared.
	endWriters = 2
	// maxEnds bounds the ends of one transaction, which holds their rows locked.
	maxEnds = 64
)

// pendingEnd is an end that its attempt waits for.
type pendingEnd struct {
	ctx  context.Context
	end  store.Finish
	done chan error
}

// finish writes the end of an attempt and returns when its outcome is known.
func (w *ends) finish(ctx context.Context, f store.Finish) error {
	if f.Job.After.GroupID != "" { // it ends alone, see store.Jobs
		return w.write(ctx, []store.Finish{f})[0]
	}
	p := &pendingEnd{ctx: ctx, end: f, done: make(chan error, 1)}
	w.mu.Lock()
	w.waiting = append(w.waiting, p)
	lead := w.writers < endWriters
	if lead {
		w.writers++
	}
	w.mu.Unlock()
	if lead {
		go w.work()
	}
	return <-p.done
}

// work writes what waits until nothing does.
func (w *ends) work() {
	for {
		w.mu.Lock()
		n := 0
		for n < min(len(w.waiting), maxEnds) && w.waiting[n].ctx == w.waiting[0].ctx {
			n++
		}
		if n == 0 {
			w.writers--
			w.mu.Unlock()
			return
		}
		batch := w.waiting[:n:n]
		w.waiting = w.waiting[n:]
		w.mu.Unlock()
		list := make([]store.Finish, n)
		for i, p := range batch {
			list[i] = p.end
		}
		for i, err := range w.write(batch[0].ctx, list) {
			batch[i].done <- err
		}
		clear(batch) // each may have a megabyte of params
	}
}
