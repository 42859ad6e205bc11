package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestKilledSessionsLoseNothing kills all sessions again and again while
// clients add jobs and, as clients do, repeat what had no clear answer.
func TestKilledSessionsLoseNothing(t *testing.T) {
	t.Parallel()
	url := testsvc.Postgres(t)
	s := open(t, postgres.Options{URL: url})
	killer := connect(t, url)
	const clients, each = 4, 60
	var unclear atomic.Int64
	var wg sync.WaitGroup
	done := make(chan struct{})
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				k := &store.Key{
					Tenant: "default", Text: fmt.Sprint(c, "-", i), Now: base, Expires: base.Add(time.Hour),
					Render: func(any) (store.Reply, error) { return store.Reply{Status: 201}, nil },
				}
				for {
					_, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob()}, Key: k})
					var replay *store.Replay
					if err == nil || errors.As(err, &replay) {
						break
					}
					if !fault.Is(err, fault.StorageUnavailable) {
						t.Errorf("err = %v, want storage_unavailable", err)
						return
					}
					unclear.Add(1)
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	kills := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			// The server's own pause lets some transactions through between the kills.
			if _, err := killer.Exec(t.Context(), `SELECT pg_sleep(0.03)`); err != nil {
				t.Fatal(err)
			}
			var n int
			if err := killer.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			kills += n
		}
	}
	n, err := s.Jobs.Counts(t.Context(), "default")
	if err != nil || n[job.Queued] != clients*each {
		t.Errorf("%d jobs, %v; want %d", n[job.Queued], err, clients*each)
	}
	if kills == 0 {
		t.Error("no session was killed: the test tested nothing")
	}
	t.Logf("%d sessions killed, %d unclear answers", kills, unclear.Load())
}

func TestOpenAtOnceMigratesOnce(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"direct": testsvc.Postgres(t), "pooled": testsvc.PgBouncer(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					s, err := postgres.Open(t.Context(), postgres.Options{URL: url, AllowUnsafe: true, MaxConns: 2})
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := s.Queue.Settings(t.Context()); err != nil {
						t.Error(err)
					}
					if err := s.Health.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://x@/y?pooler=session": "pooler=session",
		"http://nowhere":                 "not valid",
		"postgres://x@127.0.0.1:1/y":     "does not answer",
	} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: url})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: err = %v, want %q", url, err, want)
		}
	}
}

func TestATextWithNULIsTheCallersFault(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Options{URL: testsvc.Postgres(t)})
	j := newJob()
	j.Name = "a\x00b"
	_, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{j}})
	if !fault.Is(err, fault.InvalidInput) {
		t.Errorf("err = %v, want invalid_input", err)
	}
}

// TestAFrozenInstanceDoesNotHoldTheQueue freezes a process in the middle of a
// claim, where it holds the lock under which all claim. The server ends such a
// session after some seconds, and what it had begun has not happened.
func TestAFrozenInstanceDoesNotHoldTheQueue(t *testing.T) {
	t.Parallel()
	url := testsvc.Postgres(t)
	frozen, other := open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})
	ctx := t.Context()
	for id, s := range map[string]store.Store{"frozen": frozen, "other": other} {
		if err := s.Leases.Register(ctx, store.Instance{ID: id, HostID: id}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	added, err := frozen.Jobs.Add(ctx, store.AddJobs{Jobs: []job.Job{newJob()}})
	if err != nil {
		t.Fatal(err)
	}
	within, woken := make(chan struct{}), make(chan struct{})
	var once sync.Once
	claimed := make(chan struct{})
	go func() {
		defer close(claimed)
		_, _ = frozen.Jobs.Claim(ctx, store.ClaimJobs{Instance: "frozen", Room: 1, Decide: func(job.Snapshot) job.Decision {
			once.Do(func() { close(within); <-woken })
			return job.Decision{} // what it does when it is tried again does not matter
		}})
	}()
	<-within
	c, err := other.Jobs.Claim(ctx, store.ClaimJobs{Instance: "other", Room: 1, Decide: claim.Decide})
	if err != nil || len(c.Started) != 1 || c.Started[0].Job.ID != added[0].Job.ID {
		t.Errorf("beside a frozen instance: %d started, %v", len(c.Started), err)
	}
	close(woken)
	<-claimed
}
