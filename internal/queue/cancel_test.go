package queue_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// noticing is a role that tells when the engine has read a job that was asked to
// stop, and has come back to read it again: then it knows.
type noticing struct {
	store.Jobs
	seen  atomic.Int32
	known chan struct{}
}

func (n *noticing) Attempts(ctx context.Context, ids []string) (map[string]store.Attempt, error) {
	all, err := n.Jobs.Attempts(ctx, ids)
	for _, a := range all {
		if !a.CancelAskedAt.IsZero() && n.seen.Add(1) == 2 {
			close(n.known)
		}
	}
	return all, err
}

// TestCancelBeforeTheWorkBegins: a job that was claimed, but whose work has not
// begun, is cancelled without beginning.
func TestCancelBeforeTheWorkBegins(t *testing.T) {
	t.Parallel()
	var called atomic.Bool
	b := setup(t, func(context.Context, task.Attempt, task.Host) error {
		called.Store(true)
		return nil
	})
	opening, open := make(chan struct{}), make(chan struct{})
	b.opts.OpenLog = func(string) (queue.Log, error) {
		close(opening)
		<-open
		return &memLog{}, nil
	}
	n := &noticing{Jobs: b.store.Jobs, known: make(chan struct{})}
	b.opts.Store.Jobs = n
	b.start()
	j := b.add(func(j *job.Job) { j.Retry.MaxAttempts = 3 })
	<-opening
	b.cancel(b.until(j.ID, "running", func(j job.Job) bool { return j.State == job.Running }))
	<-n.known
	if j, err := b.store.Jobs.Job(t.Context(), tenant, j.ID); err != nil || j.State != job.Running {
		t.Errorf("shown as %s before its attempt was over, %v", j.State, err)
	}
	close(open)
	j = b.ended(j.ID)
	if r := b.runs(j.ID); j.State != job.Cancelled || len(r) != 1 || r[0].State != run.Failed || r[0].Failure.Code != job.CodeCancelled {
		t.Errorf("job %s, runs %+v", j.State, r)
	}
	if called.Load() {
		t.Error("the work began after the cancel was known")
	}
}

// TestCancelTwice: the second wish changes nothing, not even who had the first.
func TestCancelTwice(t *testing.T) {
	t.Parallel()
	began, asked, end := make(chan struct{}), make(chan struct{}), make(chan struct{})
	b := setup(t, func(ctx context.Context, _ task.Attempt, _ task.Host) error {
		close(began)
		<-ctx.Done()
		close(asked)
		<-end // it takes its time to stop
		return context.Cause(ctx)
	})
	b.start()
	j := b.add(nil)
	<-began // a job that is RUNNING may still be about to begin
	b.cancel(b.until(j.ID, "running", func(j job.Job) bool { return j.State == job.Running }))
	<-asked
	now, err := b.store.Jobs.Job(t.Context(), tenant, j.ID)
	if err != nil || now.State != job.Running {
		t.Fatalf("shown as %s while its work goes on, %v", now.State, err)
	}
	c, err := job.Apply(now, job.CancelAsked{At: now.CancelAskedAt.Add(time.Hour), By: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Jobs.Move(t.Context(), store.MoveJob{Change: c}); err != nil {
		t.Fatal(err)
	}
	close(end)
	if j := b.ended(j.ID); j.State != job.Cancelled || j.CancelledBy != "ann" || !j.CancelAskedAt.Equal(now.CancelAskedAt) {
		t.Errorf("%+v", j)
	}
}

// TestCancelDuringTheDelayOfARetry: at once, and no attempt follows.
func TestCancelDuringTheDelayOfARetry(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ context.Context, a task.Attempt, _ task.Host) error {
		if a.JobName == "next" {
			return nil
		}
		return task.Fail("again", errors.New("no luck"))
	})
	b.start()
	j := b.add(func(j *job.Job) {
		j.Retry = job.Retry{MaxAttempts: 3, Backoff: job.Fixed, Initial: time.Hour, Max: time.Hour}
		j.Locks = []string{"gpu:0"}
	})
	j = b.until(j.ID, "waiting for its retry", func(j job.Job) bool { return j.State == job.Queued && j.Failures == 1 })
	b.cancel(j)
	if j = b.ended(j.ID); j.State != job.Cancelled || j.Attempt != 1 || len(b.runs(j.ID)) != 1 {
		t.Errorf("job %+v", j)
	}
	next := b.ended(b.add(func(j *job.Job) { j.Name, j.Locks = "next", []string{"gpu:0"} }).ID)
	if next.State != job.Completed {
		t.Errorf("the next holder of the lock: %+v", next)
	}
}

// TestCancelDuringARescue: while the processes of a dead server's attempt are
// ended, its job is RUNNING; a cancel that comes then ends it, whatever the crash
// policy.
func TestCancelDuringARescue(t *testing.T) {
	t.Parallel()
	b := setup(t, func(context.Context, task.Attempt, task.Host) error { return nil })
	ctx := t.Context()
	j := b.add(func(j *job.Job) { j.OnCrash, j.Locks = job.CrashRetry, []string{"gpu:0"} })
	if err := b.store.Leases.Register(ctx, store.Instance{ID: "dead", HostID: "host"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if c, err := b.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: "dead", Room: 1, Decide: claim.Decide}); err != nil || len(c.Started) != 1 {
		t.Fatalf("claimed %+v, %v", c, err)
	}
	b.opts.Sweep = func(ctx context.Context, _ []store.Leftover) error {
		now, err := b.store.Jobs.Job(ctx, tenant, j.ID)
		if err != nil {
			return err
		}
		b.cancel(now)
		if now, err = b.store.Jobs.Job(ctx, tenant, j.ID); err != nil || now.State != job.Running {
			t.Errorf("shown as %s while its processes live, %v", now.State, err)
		}
		return nil
	}
	b.start()
	j = b.ended(j.ID)
	if r := b.runs(j.ID); j.State != job.Cancelled || len(r) != 1 || r[0].Failure.Code != job.CodeCancelled {
		t.Errorf("job %s, runs %+v", j.State, r)
	}
	if next := b.ended(b.add(func(j *job.Job) { j.Locks = []string{"gpu:0"} }).ID); next.State != job.Completed {
		t.Errorf("its lock is still held: %+v", next)
	}
}
