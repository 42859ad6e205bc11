package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// States of a direct request.
const (
	directWaiting = "WAITING"
	directRunning = "RUNNING"
)

type direct struct{ *db }

func (s direct) Enter(ctx context.Context, p store.EnterDirect) (store.Entered, error) {
	var out store.Entered
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.Entered{}
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		if err := checkLease(ctx, tx, p.Instance, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM direct_requests WHERE state = 'WAITING' AND lease_until_ms <= $1`, clock.Millis(now)); err != nil {
			return fmt.Errorf("forget direct requests: %w", err)
		}
		set, err := settings(ctx, tx)
		if err != nil {
			return err
		}
		var last int64
		if err := tx.Row(ctx, `SELECT count(*), coalesce(max(seq), 0) FROM direct_requests WHERE state = 'WAITING'`).Scan(&out.Ahead, &last); err != nil {
			return fmt.Errorf("count direct requests: %w", err)
		}
		if out.Ahead >= set.Rules.DirectWaiting {
			return fault.Newf(fault.DirectLaneFull, "%d direct requests wait already", out.Ahead)
		}
		if out.WaitedFor, err = texts(ctx, tx, `SELECT job_id FROM jobs WHERE state = 'RUNNING' AND tenant || '' = $1
			UNION ALL SELECT run_id FROM direct_requests WHERE state = 'RUNNING' AND tenant = $2`, p.Run.Tenant, p.Run.Tenant); err != nil {
			return fmt.Errorf("list what runs: %w", err)
		}
		epoch, err := nextEpoch(ctx, tx) // orders the lane
		if err != nil {
			return err
		}
		out.Timeout = set.Rules.DirectTimeout
		out.ArrivedAt = clock.FromMillis(clock.Millis(now))
		r := p.Run
		if _, err := tx.Exec(ctx, `INSERT INTO direct_requests (run_id, seq, tenant, kind, state, locks, instance_id, epoch, created_by, params,
			waited_for, group_id, arrived_ms, started_ms, lease_until_ms, directive)
			VALUES ($1, $2, $3, $4, 'WAITING', $5, $6, 0, $7, $8, $9, '', $10, 0, $11, $12)`,
			r.ID, epoch, r.Tenant, r.JobType, encode(p.Locks), p.Instance, r.CreatedBy, string(r.Params), encode(out.WaitedFor),
			clock.Millis(now), clock.Millis(now.Add(p.TTL)), encodeDirective(r.Directive)); err != nil {
			return fmt.Errorf("enter the direct lane: %w", err)
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

func (s direct) Beat(ctx context.Context, instance string, ttl time.Duration) ([]store.DirectState, error) {
	var out []store.DirectState
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = nil
		now, err := s.Now(ctx, tx, time.Time{})
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE direct_requests SET lease_until_ms = $1 WHERE instance_id = $2 AND state = 'WAITING'`,
			clock.Millis(now.Add(ttl)), instance); err != nil {
			return fmt.Errorf("renew direct requests: %w", err)
		}
		rows, err := tx.Query(ctx, `SELECT run_id, state, instance_id FROM direct_requests WHERE state = 'RUNNING' OR lease_until_ms > $1 ORDER BY seq`,
			clock.Millis(now))
		if err != nil {
			return fmt.Errorf("list direct requests: %w", err)
		}
		ahead := 0
		_, err = collect(rows, func(r Rows) (struct{}, error) {
			var d store.DirectState
			var state, owner string
			if err := r.Scan(&d.RunID, &state, &owner); err != nil {
				return struct{}{}, err
			}
			d.Started, d.Ahead = state == directRunning, ahead
			if !d.Started {
				ahead++
			}
			if owner == instance {
				out = append(out, d)
			}
			return struct{}{}, nil
		})
		return err
	})
	return out, err
}

func (s direct) Running(ctx context.Context, instance string) ([]run.Run, error) {
	var out []run.Run
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		out, err = directRuns(ctx, tx, `instance_id = $1`, instance)
		return err
	})
	return out, err
}

// directRuns returns the active runs of direct requests that meet a condition,
// in the order in which they started.
func directRuns(ctx context.Context, tx Tx, cond string, args ...any) ([]run.Run, error) {
	rows, err := tx.Query(ctx, `SELECT `+runColumns+` FROM runs WHERE state = 'ACTIVE' AND job_id = '' AND `+cond+` ORDER BY epoch`, args...)
	if err != nil {
		return nil, fmt.Errorf("list direct requests: %w", err)
	}
	return collect(rows, scanRun)
}

func (s direct) Leave(ctx context.Context, p store.LeaveDirect) (bool, error) {
	var left bool
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		// A claim must not start it at this moment.
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `DELETE FROM direct_requests WHERE run_id = $1 AND state = 'WAITING'`, p.RunID)
		if err != nil {
			return fmt.Errorf("leave the direct lane: %w", err)
		}
		if left = n > 0; left {
			tx.Hint(store.Hint{Topic: store.HintQueue})
		}
		if p.Key == nil {
			return nil
		}
		if _, err := tx.Exec(ctx, `DELETE FROM idempotency_keys WHERE tenant = $1 AND owner = $2 AND key = $3 AND location = $4
			AND NOT EXISTS (SELECT 1 FROM runs WHERE run_id = $5)`,
			p.Key.Tenant, p.Key.Owner, p.Key.Text, p.Location, p.RunID); err != nil {
			return fmt.Errorf("forget a key: %w", err)
		}
		return nil
	})
	return left, err
}

// startDirect carries a grant out.
func startDirect(ctx context.Context, tx Tx, g job.Grant, now time.Time) (r run.Run, started bool, err error) {
	var locks, waited, params, dir string
	var arrived int64
	err = tx.Row(ctx, `SELECT run_id, tenant, kind, locks, instance_id, created_by, params, waited_for, arrived_ms, directive FROM direct_requests
		WHERE run_id = $1 AND state = 'WAITING'`, g.RunID).
		Scan(&r.ID, &r.Tenant, &r.JobType, &locks, &r.Instance, &r.CreatedBy, &params, &waited, &arrived, &dir)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("read direct request: %w", err)
	}
	var names []string
	if err := errors.Join(decode(locks, &names), decode(waited, &r.WaitedFor), decode(dir, &r.Directive)); err != nil {
		return r, false, err
	}
	if r.Epoch, err = nextEpoch(ctx, tx); err != nil {
		return r, false, err
	}
	r.State, r.JobName, r.Params, r.Attempt, r.Trigger = run.Active, r.JobType, []byte(params), 1, string(job.TriggerDirect)
	r.CreatedAt, r.QueuedAt, r.StartedAt = clock.FromMillis(arrived), clock.FromMillis(arrived), now
	if _, err := tx.Exec(ctx, `UPDATE direct_requests SET state = 'RUNNING', epoch = $1, group_id = $2, started_ms = $3 WHERE run_id = $4`,
		r.Epoch, g.Group, clock.Millis(now), r.ID); err != nil {
		return r, false, fmt.Errorf("start direct request: %w", err)
	}
	if err := insertRun(ctx, tx, r); err != nil {
		return r, false, err
	}
	if err := takeLocks(ctx, tx, names, "", r, now); err != nil {
		return r, false, err
	}
	return r, true, announce(ctx, tx, []event.Event{{Tenant: r.Tenant, Type: event.DirectStarted, At: now, RunID: r.ID}})
}

func (s direct) Finish(ctx context.Context, items []run.Change) []error {
	errs := make([]error, len(items))
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		clear(errs)
		for _, i := range inOrder(items, func(c run.Change) string { return c.Before.ID }) {
			verdict, err := finishDirect(ctx, tx, items[i])
			if err != nil {
				return err
			}
			errs[i] = verdict
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return nil
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// forsaken ends the waiting of requests whose instance has ended: nobody would
// hear their answers.
func forsaken(ctx context.Context, tx Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM direct_requests WHERE state = 'WAITING'
		AND instance_id IN (SELECT instance_id FROM instances WHERE ended_ms <> 0)`); err != nil {
		return fmt.Errorf("forget direct requests: %w", err)
	}
	return nil
}

// lockDirect keeps a direct request from ending until the transaction ends. A
// request that does not run needs no lock.
func lockDirect(ctx context.Context, tx Tx, runID string) error {
	if _, err := tx.Exec(ctx, `UPDATE direct_requests SET epoch = epoch WHERE run_id = $1`, runID); err != nil {
		return fmt.Errorf("lock direct request: %w", err)
	}
	return nil
}

func finishDirect(ctx context.Context, tx Tx, c run.Change) (verdict, err error) {
	r := c.After
	n, err := tx.Exec(ctx, `DELETE FROM direct_requests WHERE run_id = $1 AND epoch = $2 AND state = 'RUNNING'`, r.ID, r.Epoch)
	if err != nil {
		return nil, fmt.Errorf("end direct request: %w", err)
	}
	live, err := active(ctx, tx, r.ID, r.Epoch)
	if err != nil {
		return nil, err
	}
	// A restored installation has the run without its request.
	if n == 0 && !live {
		return staleRun(r.ID), nil
	}
	if err := endRun(ctx, tx, r); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM lock_holders WHERE run_id = $1 AND token = $2`, r.ID, r.Epoch); err != nil {
		return nil, fmt.Errorf("free locks: %w", err)
	}
	e := event.Event{Tenant: r.Tenant, Type: event.DirectFinished, At: r.FinishedAt, RunID: r.ID, Data: map[string]string{"status": string(r.State)}}
	return nil, announce(ctx, tx, []event.Event{e})
}

func (s direct) Waiting(ctx context.Context) ([]job.Direct, error) {
	var snap job.Snapshot
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, time.Time{})
		if err != nil {
			return err
		}
		snap = job.Snapshot{Now: now}
		_, err = directs(ctx, tx, &snap)
		return err
	})
	return snap.Direct, err
}
