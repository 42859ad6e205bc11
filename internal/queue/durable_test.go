package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/engine"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// steady is a durable job type whose turns do what the test says.
type steady struct{ scripted }

func (steady) Type() string             { return "steady" }
func (steady) OnCrash() job.CrashPolicy { return job.CrashResume }
func (steady) Durable()                 {}

// setupDurable is setup with a durable type. turn is the number of the turn, from 1.
func setupDurable(t *testing.T, f func(ctx context.Context, turn int32, a task.Attempt, h task.Host) error) *bundle {
	t.Helper()
	var turns atomic.Int32
	run := func(ctx context.Context, a task.Attempt, h task.Host) error { return f(ctx, turns.Add(1), a, h) }
	b := setup(t, run)
	b.opts.Tasks = task.NewRegistry(steady{scripted{run}}, scripted{func(context.Context, task.Attempt, task.Host) error { return nil }})
	return b
}

func (b *bundle) addDurable() job.Job {
	b.t.Helper()
	return b.add(func(j *job.Job) { j.Type, j.OnCrash, j.Timeout = "steady", job.CrashResume, time.Nanosecond })
}

func (b *bundle) parked(jobID string) job.Job {
	b.t.Helper()
	return b.until(jobID, "parked", func(j job.Job) bool { return j.Parked != "" })
}

func (b *bundle) wake(j job.Job) {
	b.t.Helper()
	c, err := job.Apply(j, job.Woken{At: time.Now()})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.store.Jobs.Move(b.t.Context(), store.MoveJob{Change: c}); err != nil {
		b.t.Fatal(err)
	}
}

// TestDurableParks: a run that is parked and woken is one attempt with one history.
func TestDurableParks(t *testing.T) {
	t.Parallel()
	b := setupDurable(t, func(_ context.Context, turn int32, a task.Attempt, h task.Host) error {
		h.Output(fmt.Sprint("turn", turn), fmt.Sprint(a.Number))
		switch turn {
		case 1:
			return task.Park(task.Parking{For: "event"})
		case 2:
			return task.Park(task.Parking{For: "timer", Until: time.Now().Add(20 * time.Millisecond)})
		}
		return nil
	})
	b.start()
	j := b.parked(b.addDurable().ID)
	// Its slot is free.
	if o := b.ended(b.add(nil).ID); o.State != job.Completed {
		t.Fatalf("another job: %+v", o)
	}
	b.wake(b.parked(j.ID))
	j = b.ended(j.ID)
	r := b.runs(j.ID)
	if j.State != job.Completed || j.Attempt != 1 || len(r) != 1 || r[0].State != run.Completed {
		t.Fatalf("job %+v, runs %+v", j, r)
	}
	for _, k := range []string{"turn1", "turn2", "turn3"} {
		if r[0].Result.Outputs[k] != "1" {
			t.Errorf("output %s of %v", k, r[0].Result.Outputs)
		}
	}
}

// TestDurableCancel: the work is told, not ended; a cancel of a parked run starts it.
func TestDurableCancel(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	b := setupDurable(t, func(ctx context.Context, turn int32, a task.Attempt, _ task.Host) error {
		if turn == 1 {
			close(began)
			<-a.Cancelled
			if ctx.Err() != nil {
				return task.Fatal("context", ctx.Err())
			}
			return task.Park(task.Parking{For: "retry_delay", CancelSeen: true})
		}
		select {
		case <-a.Cancelled: // also when it was asked before
		default:
			return task.Fatal("unaware", errors.New("it does not know of the cancel"))
		}
		return task.Fail("cancelled", errors.New("undone"))
	})
	b.start()
	j := b.addDurable()
	<-began
	b.cancel(b.until(j.ID, "running", func(j job.Job) bool { return j.State == job.Running }))
	b.wake(b.parked(j.ID))
	j = b.ended(j.ID)
	if r := b.runs(j.ID); j.State != job.Cancelled || len(r) != 1 || r[0].Failure.Code != job.CodeCancelled || r[0].State != run.Failed {
		t.Errorf("job %+v, runs %+v", j, r)
	}
}

func TestDurableCancelWhileParked(t *testing.T) {
	t.Parallel()
	b := setupDurable(t, func(_ context.Context, turn int32, a task.Attempt, _ task.Host) error {
		if turn == 1 {
			return task.Park(task.Parking{For: "approval"})
		}
		<-a.Cancelled
		return task.Fatal(job.CodeCancelled, errors.New("it was cancelled"))
	})
	b.start()
	j := b.parked(b.addDurable().ID)
	b.cancel(j)
	if j = b.ended(j.ID); j.State != job.Cancelled || j.CancelledBy != "ann" {
		t.Errorf("job %+v", j)
	}
}

// TestDurableShutdown: a stop of the server ends the turn, not the run.
func TestDurableShutdown(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	b := setupDurable(t, func(ctx context.Context, turn int32, _ task.Attempt, _ task.Host) error {
		if turn == 1 {
			close(began)
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return nil
	})
	b.start()
	j := b.addDurable()
	<-began
	b.stop()
	j = b.until(j.ID, "back", func(j job.Job) bool { return j.State == job.Queued })
	if r := b.runs(j.ID); !j.Resuming || len(r) != 1 || r[0].State != run.Active || r[0].Instance != "" {
		t.Fatalf("job %+v, runs %+v", j, r)
	}
	b.start()
	j = b.ended(j.ID)
	if r := b.runs(j.ID); j.State != job.Completed || j.Attempt != 1 || len(r) != 1 {
		t.Errorf("job %+v, runs %+v", j, r)
	}
}

// TestDurableCrash: what a dead server left goes on, with its locks free.
func TestDurableCrash(t *testing.T) {
	t.Parallel()
	b := setupDurable(t, func(_ context.Context, _ int32, a task.Attempt, _ task.Host) error {
		if a.Number != 1 {
			return task.Fatal("number", fmt.Errorf("attempt %d", a.Number))
		}
		return nil
	})
	ctx := t.Context()
	if err := b.store.Leases.Register(ctx, store.Instance{ID: "dead", HostID: "host", StartedAt: time.Now()}, time.Hour); err != nil {
		t.Fatal(err)
	}
	j := b.addDurable()
	c, err := b.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: "dead", Room: 1, Decide: func(job.Snapshot) job.Decision {
		return job.Decision{Claims: []job.Claim{{JobID: j.ID, Needs: j.Needs()}}}
	}})
	if err != nil || len(c.Started) != 1 {
		t.Fatal(c, err)
	}
	old := c.Started[0]
	if got, err := b.store.Locks.Take(ctx, store.TakeLocks{JobID: j.ID, RunID: old.Run.ID, Epoch: old.Run.Epoch, Names: []string{"gpu"}}); err != nil || !got.Granted {
		t.Fatal(got, err)
	}
	b.start()
	j = b.ended(j.ID)
	r := b.runs(j.ID)
	if j.State != job.Completed || j.Crashes != 1 || len(r) != 1 || r[0].ID != old.Run.ID || r[0].State != run.Completed {
		t.Errorf("job %+v, runs %+v", j, r)
	}
	if l, err := b.store.Locks.Lock(ctx, "gpu"); err != nil || len(l.Holders) != 0 {
		t.Errorf("lock %+v, %v", l, err)
	}
}

// TestDurableLocks: a run that parks with locks goes on when it has them.
func TestDurableLocks(t *testing.T) {
	t.Parallel()
	var b *bundle
	b = setupDurable(t, func(ctx context.Context, turn int32, a task.Attempt, _ task.Host) error {
		me := store.TakeLocks{JobID: a.JobID, RunID: a.RunID, Epoch: a.Epoch, Names: []string{"gpu"}}
		got, err := b.store.Locks.Take(ctx, me)
		switch {
		case err != nil:
			return err
		case turn == 1 && (got.Granted || len(a.Locks) > 0):
			return task.Fatal("granted", errors.New("somebody else has the lock"))
		case turn == 1:
			return task.Park(task.Parking{Locks: []string{"gpu"}})
		case !got.Granted || !slices.Equal(a.Locks, []string{"gpu"}):
			return task.Fatal("refused", fmt.Errorf("%+v, with %v", got, a.Locks))
		}
		return nil
	})
	ctx := t.Context()
	h, err := b.store.Locks.Acquire(ctx, store.AcquireLock{Tenant: tenant, Name: "gpu", Holder: "test", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b.start()
	j := b.until(b.addDurable().ID, "waiting", func(j job.Job) bool { return len(j.ResumeLocks) > 0 })
	if j.State != job.Queued || j.Parked != "" {
		t.Errorf("job %+v", j)
	}
	if _, err := b.store.Locks.Release(ctx, store.ReleaseLock{Tenant: tenant, Name: "gpu", Token: h.Token}); err != nil {
		t.Fatal(err)
	}
	if j = b.ended(j.ID); j.State != job.Completed {
		t.Errorf("job %+v", j)
	}
}

// TestOnlyDurableTypesPark: others cannot leave a run behind.
func TestOnlyDurableTypesPark(t *testing.T) {
	t.Parallel()
	b := setup(t, func(context.Context, task.Attempt, task.Host) error { return task.Park(task.Parking{For: "event"}) })
	b.start()
	if j := b.ended(b.add(nil).ID); j.State != job.Failed || j.Failure.Code != "parked" {
		t.Errorf("job %+v", j)
	}
	j := b.add(func(j *job.Job) { j.HeldReason = "by hand" })
	if _, err := job.Apply(j, job.Woken{At: time.Now()}); !fault.Is(err, fault.Conflict) {
		t.Errorf("waking a job that has not begun: %v", err)
	}
}

// TestDurableLastStep: a last step that cannot be stored fails the job at once, instead
// of being tried for ever.
func TestDurableLastStep(t *testing.T) {
	t.Parallel()
	var written atomic.Bool
	b := setupDurable(t, func(_ context.Context, _ int32, a task.Attempt, h task.Host) error {
		h.(engine.Ender).Last(store.WorkflowStep{RunID: "wfr_none", JobID: a.JobID, Epoch: a.Epoch, Seq: 1}, func() { written.Store(true) })
		return nil
	})
	b.start()
	j := b.ended(b.addDurable().ID)
	if j.State != job.Failed || j.Failure.Code != "internal_error" || written.Load() {
		t.Errorf("job %+v, written %v", j, written.Load())
	}
}
