package sharedread

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/runsheet/runsheet/internal/fault"
)

// TestRead: whoever asks gets a read that began after he asked, all that come during a
// read share the next one, and one who goes away takes it from nobody.
func TestRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := 0
		goOn := make(chan error)
		s := New(func(ctx context.Context) (int, error) {
			began++
			n := began
			if n == 6 {
				panic("broken")
			}
			select {
			case err := <-goOn:
				return n, err
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
		type answer struct {
			read int
			err  error
		}
		ask := func(ctx context.Context) <-chan answer {
			got := make(chan answer, 1)
			go func() {
				n, err := s.Read(ctx)
				got <- answer{n, err}
			}()
			synctest.Wait()
			return got
		}
		first, leave := context.WithCancel(t.Context())
		a := ask(first)
		b, c := ask(t.Context()), ask(t.Context())
		leave()
		if got := <-a; !errors.Is(got.err, context.Canceled) {
			t.Errorf("who left got %+v", got)
		}
		goOn <- nil // ends the read that nobody waits for
		synctest.Wait()
		if began != 2 {
			t.Fatalf("%d reads, want one under way for who came during the first", began)
		}
		d := ask(t.Context())
		goOn <- nil
		for _, ch := range []<-chan answer{b, c} {
			if got := <-ch; got.err != nil || got.read != 2 {
				t.Errorf("who came during the first read got %+v, want the second", got)
			}
		}
		broken := errors.New("broken")
		goOn <- broken
		if got := <-d; !errors.Is(got.err, broken) {
			t.Errorf("who came during the second read got %+v, want the third, which failed", got)
		}
		e := ask(t.Context())
		goOn <- nil
		if got := <-e; got.err != nil || got.read != 4 {
			t.Errorf("after a failed read: %+v", got)
		}
		f := ask(t.Context()) // the store does not answer
		if got := <-f; !fault.Is(got.err, fault.StorageUnavailable) {
			t.Errorf("a read without an end: %+v", got)
		}
		if got := <-ask(t.Context()); got.err == nil || !strings.Contains(got.err.Error(), "panic: broken") {
			t.Errorf("a read that panics: %+v", got)
		}
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.next != nil || s.reading || began != 6 {
			t.Errorf("%d reads, next %v", began, s.next)
		}
	})
}

// TestTogether: nobody gets a read that began before it was asked for.
func TestTogether(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := 0
	s := New(func(context.Context) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return now, nil
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				mu.Lock()
				now++
				asked := now
				mu.Unlock()
				if n, err := s.Read(t.Context()); err != nil || n < asked {
					t.Errorf("%d, %v, asked at %d", n, err, asked)
					return
				}
			}
		})
	}
	all.Wait()
}
