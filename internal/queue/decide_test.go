package queue_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
)

// snapshots draws what a claim may see: a few locks, some held, jobs in order.
func snapshots(t *rapid.T) job.Snapshot {
	locks := []string{"a", "b", "c"}
	s := job.Snapshot{
		Workers: rapid.IntRange(0, 6).Draw(t, "workers"),
		Room:    rapid.IntRange(0, 6).Draw(t, "room"),
		Paused:  rapid.IntRange(0, 9).Draw(t, "paused") == 0,
		Held:    map[string]job.Holder{},
	}
	s.Running = rapid.IntRange(0, s.Workers+1).Draw(t, "running")
	for _, l := range locks {
		if rapid.Bool().Draw(t, "held "+l) {
			s.Held[l] = job.Holder{Lock: l, JobID: "holder of " + l}
		}
	}
	n := rapid.IntRange(0, 12).Draw(t, "jobs")
	for i := range n {
		s.Heads = append(s.Heads, job.Candidate{
			JobID: fmt.Sprint(i), Seq: int64(i),
			Locks: rapid.SliceOfNDistinct(rapid.SampledFrom(locks), 0, 3, rapid.ID[string]).Draw(t, "locks"),
		})
	}
	return s
}

func TestDecideLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := snapshots(t)
		d := queue.Decide(s)
		if n := len(d.Claims); n > max(0, min(s.Workers-s.Running, s.Room)) {
			t.Fatalf("claimed %d with %d workers, %d running, room %d", n, s.Workers, s.Running, s.Room)
		}
		if s.Paused && len(d.Claims) > 0 {
			t.Fatal("claimed while paused")
		}
		taken := map[string]bool{}
		for l := range s.Held {
			taken[l] = true
		}
		full := len(d.Claims) == max(0, min(s.Workers-s.Running, s.Room))
		for _, c := range s.Heads {
			claimed := slices.Contains(d.Claims, c.JobID)
			w, waits := d.Waiting[c.JobID]
			if claimed == waits {
				t.Fatalf("job %s: claimed %v, has a reason %v", c.JobID, claimed, waits)
			}
			blocked := slices.ContainsFunc(c.Locks, func(l string) bool { return taken[l] })
			if claimed && blocked {
				t.Fatalf("job %s claimed although a lock is taken", c.JobID)
			}
			if !claimed && !blocked && !s.Paused && !full {
				t.Fatalf("job %s could start and does not: %+v", c.JobID, w)
			}
			if claimed {
				for _, l := range c.Locks {
					taken[l] = true
				}
			}
		}
		if !slices.IsSortedFunc(d.Claims, func(a, b string) int { return index(s, a) - index(s, b) }) {
			t.Fatalf("claims out of order: %v", d.Claims)
		}
		if diff := cmp.Diff(d, queue.Decide(s)); diff != "" {
			t.Fatal("not pure:", diff)
		}
	})
}

func index(s job.Snapshot, id string) int {
	return slices.IndexFunc(s.Heads, func(c job.Candidate) bool { return c.JobID == id })
}

func TestExplain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	free := job.Snapshot{Now: now, Workers: 2, Running: 2}
	for name, tc := range map[string]struct {
		s     job.Snapshot
		j     job.Job
		ahead int
		want  job.Waiting
	}{
		"next":           {free, job.Job{}, 0, job.Waiting{Code: job.WaitNoSlot, Detail: "next in order; all 2 slots are busy"}},
		"about to start": {job.Snapshot{Now: now, Workers: 2, Running: 1}, job.Job{}, 0, job.Waiting{Code: job.WaitNoSlot, Detail: "next in order; a slot is free, it is about to start"}},
		"no workers":     {job.Snapshot{Now: now}, job.Job{}, 0, job.Waiting{Code: job.WaitNoSlot, Detail: "the worker count is 0"}},
		"behind":         {free, job.Job{}, 3, job.Waiting{Code: job.WaitPosition, Detail: "3 jobs are ahead"}},
		"behind, free":   {job.Snapshot{Now: now, Workers: 2, Running: 1}, job.Job{}, 3, job.Waiting{Code: job.WaitPosition, Detail: "3 jobs are ahead; a slot is free for the first that can start"}},
		"behind one":     {free, job.Job{}, 1, job.Waiting{Code: job.WaitPosition, Detail: "1 job is ahead"}},
		"held":           {free, job.Job{HeldReason: "held by ann"}, 3, job.Waiting{Code: job.WaitHeld, Detail: "held by ann"}},
		"paused":         {job.Snapshot{Now: now, Paused: true}, job.Job{}, 3, job.Waiting{Code: job.WaitPaused, Detail: "the queue is paused: running jobs finish, none starts"}},
		"not before":     {free, job.Job{NotBefore: now.Add(time.Hour)}, 0, job.Waiting{Code: job.WaitNotBefore, Detail: "its start time has not come", Until: now.Add(time.Hour)}},
		"time passed":    {free, job.Job{NotBefore: now}, 0, job.Waiting{Code: job.WaitNoSlot, Detail: "next in order; all 2 slots are busy"}},
		"retry delay": {
			free,
			job.Job{NotBefore: now.Add(time.Minute), Failures: 1, Attempt: 1, Failure: job.Failure{Code: "timeout"}},
			0,
			job.Waiting{Code: job.WaitRetryDelay, Detail: "attempt 1 failed (timeout); the next one waits", Until: now.Add(time.Minute)},
		},
		"lock": {
			job.Snapshot{Now: now, Workers: 2, Held: map[string]job.Holder{"gpu:0": {Lock: "gpu:0", JobID: "job_x"}}},
			job.Job{Locks: []string{"gpu:0"}},
			2,
			job.Waiting{Code: job.WaitLock, Detail: "lock gpu:0 is held by job_x", Holder: "job_x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, queue.Explain(tc.s, tc.j, tc.ahead)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestForeignHolderStaysNameless: tenants share locks, and learn nothing of each
// other's jobs by it.
func TestForeignHolderStaysNameless(t *testing.T) {
	t.Parallel()
	s := job.Snapshot{
		Workers: 2, Room: 2, Held: map[string]job.Holder{"gpu:0": {Lock: "gpu:0", JobID: "job_x", Tenant: "a"}},
		Heads: []job.Candidate{{JobID: "1", Tenant: "b", Locks: []string{"gpu:0"}}, {JobID: "2", Tenant: "a", Locks: []string{"gpu:0"}}},
	}
	d := queue.Decide(s)
	if w := d.Waiting["1"]; w.Code != job.WaitLock || w.Holder != "" || w.Detail != "lock gpu:0 is held by a job of another tenant" {
		t.Errorf("a stranger learns %+v", w)
	}
	if w := d.Waiting["2"]; w.Holder != "job_x" {
		t.Errorf("the own tenant learns %+v", w)
	}
}
