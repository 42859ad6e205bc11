package portable

import (
	"context"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func (s jobs) Statistics(ctx context.Context, p store.AskStatistics) (store.Statistics, error) {
	var out store.Statistics
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		out = store.Statistics{}
		if err := waitingNumbers(ctx, tx, p.Tenant, &out); err != nil {
			return err
		}
		if err := tx.Row(ctx, `SELECT count(*) FROM jobs WHERE state = 'RUNNING' AND tenant || '' = $1`, p.Tenant).Scan(&out.Running); err != nil {
			return fmt.Errorf("count running jobs: %w", err)
		}
		rows, err := tx.Query(ctx, `SELECT state, count(*) FROM jobs WHERE finished_ms > 0 AND finished_ms >= $1 AND tenant || '' = $2 GROUP BY state`,
			clock.Millis(p.Since), p.Tenant)
		if err != nil {
			return fmt.Errorf("count ended jobs: %w", err)
		}
		if _, err := collect(rows, func(r Rows) (struct{}, error) {
			var st job.State
			var n int
			err := r.Scan(&st, &n)
			switch st {
			case job.Completed:
				out.Completed = n
			case job.Failed:
				out.Failed = n
			case job.Queued, job.Running, job.Skipped, job.Cancelled:
			}
			return struct{}{}, err
		}); err != nil {
			return err
		}
		out.AverageWait, err = averageWait(ctx, tx, p)
		return err
	})
	return out, err
}

// waitingNumbers counts waiting jobs. With one tenant it reads entries of
// indexes only, which is many times faster than reading the rows.
func waitingNumbers(ctx context.Context, tx Tx, tenant string, out *store.Statistics) error {
	var others bool
	if err := tx.Row(ctx, `SELECT EXISTS (SELECT 1 FROM tenants WHERE tenant_id <> $1)`, tenant).Scan(&others); err != nil {
		return fmt.Errorf("look for other tenants: %w", err)
	}
	more, args := "", []any(nil)
	if others {
		more, args = ` AND tenant = $1`, []any{tenant}
	}
	ready := 0
	// Each condition begins word for word with that of a partial index.
	for _, c := range []struct {
		n     *int
		where string
	}{
		{&out.Queued, `state = 'QUEUED'`},
		{&ready, `state = 'QUEUED' AND ready = 1`},
		{&out.Delayed, `state = 'QUEUED' AND ready = 0 AND held_reason = '' AND not_before_ms > 0`},
	} {
		if err := tx.Row(ctx, `SELECT count(*) FROM jobs WHERE `+c.where+more, args...).Scan(c.n); err != nil {
			return fmt.Errorf("count waiting jobs: %w", err)
		}
	}
	out.Held = max(0, out.Queued-ready-out.Delayed)
	// A parked run is neither delayed nor held.
	var parked int
	if err := tx.Row(ctx, `SELECT count(*) FROM jobs WHERE parked <> '' AND held_reason = '' AND not_before_ms > 0`+more, args...).Scan(&parked); err != nil {
		return fmt.Errorf("count parked jobs: %w", err)
	}
	out.Delayed = max(0, out.Delayed-parked)
	if out.Held == 0 {
		return nil
	}
	// What is not ready is held, waits for an approval, which counts as held, or
	// belongs to a group that has begun.
	var members int
	if err := tx.Row(ctx, `SELECT count(*) FROM jobs WHERE state = 'QUEUED' AND ready = 0 AND held_reason = '' AND not_before_ms = 0 AND approval_until_ms = 0`+more, args...).Scan(&members); err != nil {
		return fmt.Errorf("count waiting members: %w", err)
	}
	out.Held = max(0, out.Held-members)
	return nil
}

// waitDepth bounds how far averageWait looks past direct requests.
const waitDepth = 1000

// averageWait is that of the latest starts of jobs.
func averageWait(ctx context.Context, tx Tx, p store.AskStatistics) (*time.Duration, error) {
	rows, err := tx.Query(ctx, `SELECT queued_ms, started_ms FROM (SELECT queued_ms, started_ms, run_id, job_id, epoch FROM runs
		WHERE tenant = $1 ORDER BY started_ms DESC, run_id DESC LIMIT $2) AS latest WHERE job_id <> '' AND epoch > 0
		ORDER BY started_ms DESC, run_id DESC LIMIT $3`, p.Tenant, max(p.Starts, waitDepth), p.Starts)
	if err != nil {
		return nil, fmt.Errorf("read waits: %w", err)
	}
	waits, err := collect(rows, func(r Rows) (int64, error) {
		var queued, started int64
		err := r.Scan(&queued, &started)
		return max(0, started-queued), err
	})
	if err != nil || len(waits) == 0 {
		return nil, err
	}
	var sum int64
	for _, w := range waits {
		sum += w
	}
	mean := time.Duration(sum/int64(len(waits))) * time.Millisecond
	return &mean, nil
}
