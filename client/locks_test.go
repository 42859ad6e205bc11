package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runsheet/runsheet/client"
)

// lockServer is a server with one lock, whose answers to renewals the test gives.
type lockServer struct {
	mu       sync.Mutex
	calls    []string
	renew    func(n int) int // status of the n-th renewal
	acquire  func(n int) int
	renewals int
	acquires int
}

func problem(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	code := map[int]string{409: "lock_not_held", 423: "lock_held"}[status]
	if status == 423 {
		status = 409
	}
	fmt.Fprintf(w, `{"status":%d,"code":%q}`, status, code)
}

func newLockServer(t *testing.T, s *lockServer) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{URL: "http://lock.test", Retries: -1, HTTPClient: &http.Client{Transport: s}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// RoundTrip answers in place: the time of a synctest bubble, in which these tests
// run, stands still while a connection is open.
func (s *lockServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	s.mu.Lock()
	verb := r.URL.EscapedPath()[strings.LastIndex(r.URL.EscapedPath(), "/")+1:]
	s.calls = append(s.calls, r.URL.EscapedPath())
	status := 200
	switch verb {
	case "renew":
		s.renewals++
		if s.renew != nil {
			status = s.renew(s.renewals)
		}
	case "acquire":
		s.acquires++
		if s.acquire != nil {
			status = s.acquire(s.acquires)
		}
	}
	s.mu.Unlock()
	switch {
	case status != 200:
		problem(w, status)
	case verb == "release":
		w.WriteHeader(204)
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "team/gpu:0", "token": 17, "holder": "x", "since": time.Time{}, "expires_at": time.Time{}})
	}
	return w.Result(), nil
}

func (s *lockServer) made(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if strings.HasSuffix(c, call) {
			n++
		}
	}
	return n
}

// rest is the pause between two looks.
func rest() {
	ctx, stop := context.WithTimeout(context.Background(), time.Millisecond)
	defer stop()
	<-ctx.Done()
}

func TestHoldLockRenewsAndReleases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &lockServer{}
		c := newLockServer(t, s)
		begin := time.Now()
		err := c.HoldLock(t.Context(), "team/gpu:0", client.Hold{Holder: "x"}, func(ctx context.Context, token int64) error {
			if token != 17 {
				t.Errorf("token %d", token)
			}
			for s.made("/renew") < 3 {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				rest()
			}
			return errors.New("mine")
		})
		if err == nil || err.Error() != "mine" || s.made("/api/locks/team%2Fgpu:0/release") != 1 {
			t.Errorf("%v; calls %v", err, s.calls)
		}
		if took := time.Since(begin).Round(time.Second); took != 30*time.Second { // a renewal each third of the TTL
			t.Errorf("three renewals took %v", took)
		}
	})
}

func TestHoldLockIsLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		renew func(int) int
		after time.Duration
	}{
		"taken away": {func(int) int { return 409 }, 10 * time.Second},
		"no answer":  {func(int) int { return 503 }, 20 * time.Second},
		"no right":   {func(int) int { return 403 }, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &lockServer{renew: c.renew}
				cl := newLockServer(t, s)
				begin := time.Now()
				err := cl.HoldLock(t.Context(), "gpu", client.Hold{Holder: "x", TTL: 30 * time.Second}, func(ctx context.Context, _ int64) error {
					<-ctx.Done()
					return errors.New("stopped")
				})
				lost, is := errors.AsType[*client.LockLost](err)
				if !is || lost.Token != 17 || !strings.Contains(err.Error(), "stopped") || s.made("/release") != 0 {
					t.Errorf("%v; calls %v", err, s.calls)
				}
				if took := time.Since(begin); took != c.after {
					t.Errorf("the work was told after %v", took)
				}
			})
		})
	}
}

// TestHoldLockBearsTrouble: a renewal that fails is repeated while the lock is
// still held.
func TestHoldLockBearsTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &lockServer{renew: func(n int) int {
			if n%2 == 1 {
				return 503
			}
			return 200
		}}
		c := newLockServer(t, s)
		err := c.HoldLock(t.Context(), "gpu", client.Hold{Holder: "x"}, func(ctx context.Context, _ int64) error {
			for s.made("/renew") < 4 {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				rest()
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestHoldLockWaits(t *testing.T) {
	t.Parallel()
	s := &lockServer{acquire: func(n int) int {
		if n < 3 {
			return 423
		}
		return 200
	}}
	c := newLockServer(t, s)
	work := func(context.Context, int64) error { return nil }
	var p *client.Problem
	if err := c.HoldLock(t.Context(), "gpu", client.Hold{Holder: "x"}, work); !errors.As(err, &p) || p.Code != "lock_held" {
		t.Errorf("without waiting: %v", err)
	}
	if err := c.HoldLock(t.Context(), "gpu", client.Hold{Holder: "x", Wait: -1}, work); err != nil {
		t.Errorf("waiting: %v", err)
	}
}

// A program outside of the queue holds a lock, so that no job that needs it runs
// meanwhile.
func ExampleClient_HoldLock() {
	// A server of the real thing's shape.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/release") {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		fmt.Fprint(w, `{"name":"gpu:0","token":17,"holder":"train.py","since":"2026-01-31T12:00:00Z","expires_at":"2026-01-31T12:00:30Z"}`)
	}))
	defer server.Close()

	c, err := client.New(client.Options{URL: server.URL, Token: "rst_..."})
	if err != nil {
		panic(err)
	}
	err = c.HoldLock(context.Background(), "gpu:0", client.Hold{Holder: "train.py", Wait: time.Minute}, func(ctx context.Context, token int64) error {
		// Work here, and stop when ctx ends: then another has the lock. The store
		// that the work writes to gets the token and refuses smaller ones.
		fmt.Println("working with token", token)
		return ctx.Err()
	})
	fmt.Println("gave it back:", err)
	// Output:
	// working with token 17
	// gave it back: <nil>
}
