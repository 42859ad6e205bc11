package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// This file lets parked runs go on. Whoever ends what a run waits for first writes
// that it has ended, and then wakes the job, in one transaction; whoever parks a run
// first parks it, and then looks for what has ended. Both lock the job's row, so one
// of them sees what the other did.

// wakeJob lets the run of a job go on that is parked, or that waits for locks while
// there is something else to do. It locks the job's row. A job whose run is in work
// hears of it in another way; one that waits for its first attempt, or has ended,
// needs nothing.
func (d *db) wakeJob(ctx context.Context, tx Tx, jobID string, at time.Time) error {
	if err := d.LockJob(ctx, tx, jobID); err != nil {
		return err
	}
	j, err := scanJobWith(tx.Row(ctx, `SELECT `+jobColumns+` FROM jobs WHERE job_id = $1`, jobID).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read job to wake: %w", err)
	}
	return wake(ctx, tx, j, at)
}

// wake is wakeJob of a job whose row is locked.
func wake(ctx context.Context, tx Tx, j job.Job, at time.Time) error {
	if j.State != job.Queued || j.Parked == "" && len(j.ResumeLocks) == 0 {
		return nil
	}
	c, err := job.Apply(j, job.Woken{At: at})
	if err != nil {
		return err
	}
	done, err := change(ctx, tx, c)
	if err != nil {
		return err
	}
	if !done {
		return fault.Newf(fault.Conflict, "job %s changed meanwhile", j.ID)
	}
	tx.Hint(store.Hint{Topic: store.HintQueue})
	return nil
}

// wakeMissed wakes a job that has just been parked, if what its run waits for has
// ended already.
func wakeMissed(ctx context.Context, tx Tx, j job.Job) error {
	if j.State != job.Queued || j.Parked == "" && len(j.ResumeLocks) == 0 {
		return nil
	}
	missed, err := missedWake(ctx, tx, j)
	if err != nil || !missed {
		return err
	}
	return wake(ctx, tx, j, j.QueuedAt)
}

// missedWake reports whether the run of a job that is being parked has something to
// do: a wait of its that has ended and of which it has not heard. The job's row is
// locked. A cancel that was asked is job.Parked's business.
func missedWake(ctx context.Context, tx Tx, j job.Job) (bool, error) {
	if j.Type != workflowType {
		return false, nil
	}
	return awake(ctx, tx, j.ID, j.Parked)
}
