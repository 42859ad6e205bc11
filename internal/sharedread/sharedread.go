// Package sharedread shares one read among callers that come at the same time. Each
// gets what was read after it had come: who comes while a read is under way waits for
// the next one, with all others that do.
//
//	queue := sharedread.New(func(ctx context.Context) (int, error) { return count(ctx) })
//	n, err := queue.Read(ctx)
package sharedread

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Limit is how long a read may take: its context ends then, and callers get
// storage_unavailable.
const Limit = 30 * time.Second

// Shared reads for several callers at once. Its methods may be called concurrently. The
// zero value reads nothing; use New.
type Shared[T any] struct {
	read func(context.Context) (T, error)

	mu sync.Mutex
	// next is for those that came while a read is under way; nil = nobody did.
	next    *turn[T]
	reading bool
}

// turn is one read. value and err are there when done is closed.
type turn[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// New shares read, of which there is never more than one at a time. Its context is no
// caller's: it goes on for others when one goes away.
func New[T any](read func(context.Context) (T, error)) *Shared[T] {
	return &Shared[T]{read: read}
}

// Read returns what a read found that began after the call, or that read's error, or
// ctx's when that ends first. The value is shared: nobody may change what it refers to.
func (s *Shared[T]) Read(ctx context.Context) (T, error) {
	s.mu.Lock()
	if s.next == nil {
		s.next = &turn[T]{done: make(chan struct{})}
	}
	mine := s.next
	if !s.reading {
		s.reading = true
		go s.serve()
	}
	s.mu.Unlock()
	select {
	case <-mine.done:
		return mine.value, mine.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// serve reads until nobody waits.
func (s *Shared[T]) serve() {
	for {
		s.mu.Lock()
		now := s.next
		s.next = nil
		s.reading = now != nil
		s.mu.Unlock()
		if now == nil {
			return
		}
		now.do(s.read)
	}
}

// do reads. A read that panics is an error of those who wait for it, as it would be of a
// request that read by itself.
func (t *turn[T]) do(read func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), Limit)
	defer cancel()
	defer close(t.done)
	defer func() {
		if p := recover(); p != nil {
			t.err = fmt.Errorf("read: panic: %v\n%s", p, debug.Stack())
		}
	}()
	t.value, t.err = read(ctx)
	if t.err != nil && ctx.Err() != nil {
		t.err = fault.Wrap(t.err, fault.StorageUnavailable, "the database does not answer")
	}
}
