package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

type retention struct{ *db }

func (s retention) Turn(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (bool, error) {
	var mine bool
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, now)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO turns (name, holder, until_ms) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms
			WHERE turns.holder = excluded.holder OR turns.until_ms <= $4`,
			name, holder, clock.Millis(now.Add(ttl)), clock.Millis(now))
		mine = n > 0
		if err != nil {
			return fmt.Errorf("take a turn: %w", err)
		}
		return nil
	})
	return mine, err
}

func (s retention) Cutoff(ctx context.Context, keep int) (time.Time, error) {
	var ms int64
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		// One more than keep says whether there is anything to delete.
		rows, err := tx.Query(ctx, `SELECT finished_ms FROM runs WHERE finished_ms > 0 ORDER BY finished_ms DESC LIMIT 2 OFFSET $1`, keep-1)
		if err != nil {
			return fmt.Errorf("look for the oldest run to keep: %w", err)
		}
		ends, err := collect(rows, func(r Rows) (ms int64, err error) { return ms, r.Scan(&ms) })
		if ms = 0; len(ends) == 2 {
			ms = ends[0]
		}
		return err
	})
	return clock.FromMillis(ms), err
}

// expiring finds jobs to delete. A job that repeats a run and has not finished
// keeps that run's job.
const expiring = `SELECT j.job_id FROM jobs j WHERE j.finished_ms > 0 AND j.finished_ms < $1 AND j.state <> $2 AND j.state <> $3
	AND NOT EXISTS (SELECT 1 FROM runs r JOIN jobs a ON a.retry_of = r.run_id
		WHERE r.job_id = j.job_id AND a.finished_ms = 0 AND a.retry_of <> '')
	ORDER BY j.finished_ms LIMIT $4`

func (s retention) ExpireJobs(ctx context.Context, before time.Time, limit int) (store.Expired, error) {
	var out store.Expired
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.Expired{}
		ids, err := texts(ctx, tx, expiring, clock.Millis(before), string(job.Queued), string(job.Running), limit)
		if err != nil {
			return fmt.Errorf("look for expired jobs: %w", err)
		}
		slices.Sort(ids) // batches that meet lock in one order
		for _, id := range ids {
			if err := s.LockJob(ctx, tx, id); err != nil {
				return err
			}
		}
		if len(ids) > 0 {
			return s.expire(ctx, tx, ids, &out)
		}
		direct, err := texts(ctx, tx, `SELECT run_id FROM runs WHERE job_id = '' AND finished_ms > 0 AND finished_ms < $1
			ORDER BY finished_ms LIMIT $2`, clock.Millis(before), limit)
		if err != nil || len(direct) == 0 {
			return err
		}
		slices.Sort(direct)
		return s.expireRuns(ctx, tx, `run_id`, direct, &out)
	})
	return out, err
}

// expire deletes jobs that are locked. Another instance may have been faster, so
// what counts is what the statements found.
func (s retention) expire(ctx context.Context, tx Tx, ids []string, out *store.Expired) error {
	if err := s.expireRuns(ctx, tx, `job_id`, ids, out); err != nil {
		return err
	}
	list, args := values(ids)
	if _, err := tx.Exec(ctx, `DELETE FROM checkpoints WHERE job_id IN (`+list+`)`, args...); err != nil {
		return fmt.Errorf("delete checkpoints: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM approvals WHERE subject_type = 'job' AND subject_id IN (`+list+`)`, args...); err != nil {
		return fmt.Errorf("delete approvals: %w", err)
	}
	// Schedules that are not due for long do not know yet how their runs ended, and
	// deleted ones never take it in.
	if _, err := tx.Exec(ctx, `UPDATE schedule_runs SET status = j.state, started_ms = j.started_ms, ended_ms = j.finished_ms,
		open = CASE WHEN EXISTS (SELECT 1 FROM schedules s WHERE s.schedule_id = schedule_runs.schedule_id AND s.deleted_ms > 0) THEN 0 ELSE 1 END
		FROM jobs j WHERE j.job_id = schedule_runs.job_id AND schedule_runs.open = 1 AND schedule_runs.job_id IN (`+list+`)`, args...); err != nil {
		return fmt.Errorf("note the ends of schedules' runs: %w", err)
	}
	if err := expireWorkflows(ctx, tx, ids); err != nil {
		return err
	}
	groupIDs, err := texts(ctx, tx, `DELETE FROM jobs WHERE job_id IN (`+list+`) RETURNING group_id`, args...)
	if err != nil {
		return fmt.Errorf("delete jobs: %w", err)
	}
	out.Jobs = len(groupIDs)
	return expireGroups(ctx, tx, groupIDs)
}

// expireRuns deletes the runs that have one of the ids in a column, with their
// artifacts.
func (s retention) expireRuns(ctx context.Context, tx Tx, column string, ids []string, out *store.Expired) error {
	list, args := values(ids)
	type gone struct {
		tenant, sum string
		size        int64
	}
	rows, err := tx.Query(ctx, `DELETE FROM artifacts WHERE run_id IN (SELECT run_id FROM runs WHERE `+column+` IN (`+list+`))
		RETURNING tenant, sha256, size_bytes`, args...)
	if err != nil {
		return fmt.Errorf("delete artifacts: %w", err)
	}
	arts, err := collect(rows, func(r Rows) (g gone, err error) { return g, r.Scan(&g.tenant, &g.sum, &g.size) })
	if err != nil {
		return fmt.Errorf("delete artifacts: %w", err)
	}
	used := map[string]store.Usage{}
	for _, a := range arts {
		u := used[a.tenant]
		used[a.tenant] = store.Usage{Bytes: u.Bytes + a.size, Count: u.Count + 1}
		out.Sums, out.Bytes = append(out.Sums, a.sum), out.Bytes+a.size
	}
	if _, err := tx.Exec(ctx, `DELETE FROM llm_calls WHERE run_id IN (SELECT run_id FROM runs WHERE `+column+` IN (`+list+`))`, args...); err != nil {
		return fmt.Errorf("delete calls: %w", err)
	}
	runs, err := texts(ctx, tx, `DELETE FROM runs WHERE `+column+` IN (`+list+`) RETURNING run_id`, args...)
	if err != nil {
		return fmt.Errorf("delete runs: %w", err)
	}
	out.RunIDs = append(out.RunIDs, runs...)
	for _, tenant := range slices.Sorted(maps.Keys(used)) {
		if err := use(ctx, tx, tenant, -used[tenant].Bytes, -used[tenant].Count); err != nil {
			return err
		}
	}
	return nil
}

// expireGroups deletes those of the groups that have ended and whose last member
// is gone. It locks them first: of two batches that delete the last members at
// once, the second sees what the first did.
func expireGroups(ctx context.Context, tx Tx, ids []string) error {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for _, g := range ids {
		if g == "" {
			continue
		}
		if _, err := tx.Exec(ctx, `UPDATE job_groups SET version = version WHERE group_id = $1`, g); err != nil {
			return fmt.Errorf("lock group: %w", err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM job_groups WHERE group_id = $1 AND finished_ms > 0
			AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.group_id = $2 AND jobs.group_id <> '')`, g, g); err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
	}
	return nil
}

// ExpireEvents deletes from the beginning of the whole log only: a reader whose
// position is behind the oldest event has missed nothing, whatever its tenant.
func (s retention) ExpireEvents(ctx context.Context, before time.Time, keep, limit int) (int, error) {
	// Events that nobody has read yet may have no number.
	if _, err := s.EventRange(ctx); err != nil {
		return 0, err
	}
	var total int64
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		total = 0
		upTo := int64(-1)
		rows, err := tx.Query(ctx, `SELECT seq, at_ms FROM events WHERE seq IS NOT NULL ORDER BY seq LIMIT $1`, limit)
		if err != nil {
			return fmt.Errorf("look for the oldest events: %w", err)
		}
		young := false
		if _, err := collect(rows, func(rows Rows) (struct{}, error) {
			var seq, at int64
			err := rows.Scan(&seq, &at)
			young = young || at >= clock.Millis(before)
			if !young {
				upTo = seq
			}
			return struct{}{}, err
		}); err != nil {
			return fmt.Errorf("look for the oldest events: %w", err)
		}
		if keep > 0 {
			var newest int64 // the oldest of those that are kept
			err := tx.Row(ctx, `SELECT seq FROM events WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1 OFFSET $1`, keep-1).Scan(&newest)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("look for the newest events: %w", err)
			}
			upTo = min(upTo, newest-1)
		}
		if total, err = tx.Exec(ctx, `DELETE FROM events WHERE seq <= $1`, upTo); err != nil {
			return fmt.Errorf("delete events: %w", err)
		}
		return nil
	})
	return int(total), err
}

func (s retention) Known(ctx context.Context, runIDs []string) ([]string, error) {
	if len(runIDs) == 0 {
		return nil, nil
	}
	var out []string
	list, args := values(runIDs)
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		out, err = texts(ctx, tx, `SELECT run_id FROM runs WHERE run_id IN (`+list+`)`, args...)
		return err
	})
	return out, err
}

func (s retention) BeginRemoval(ctx context.Context, sums []string, now time.Time) ([]string, error) {
	sums = slices.Compact(slices.Sorted(slices.Values(sums))) // batches that meet lock in one order
	var out []string
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = nil
		if _, err := tx.Exec(ctx, `DELETE FROM artifact_reservations WHERE until_ms < $1`, clock.Millis(now)); err != nil {
			return fmt.Errorf("delete old reservations: %w", err)
		}
		for _, sum := range sums {
			if err := s.LockContent(ctx, tx, sum); err != nil {
				return err
			}
			n, err := tx.Exec(ctx, `INSERT INTO blob_removals (sha256, at_ms) SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT)
				WHERE NOT EXISTS (SELECT 1 FROM artifacts WHERE sha256 = $3)
				AND NOT EXISTS (SELECT 1 FROM artifact_reservations WHERE sha256 = $4)
				ON CONFLICT (sha256) DO UPDATE SET at_ms = excluded.at_ms`, sum, clock.Millis(now), sum, sum)
			if err != nil {
				return fmt.Errorf("begin a removal: %w", err)
			}
			if n > 0 {
				out = append(out, sum)
			}
		}
		return nil
	})
	return out, err
}

func (s retention) EndRemoval(ctx context.Context, sums []string) error {
	if len(sums) == 0 {
		return nil
	}
	list, args := values(sums)
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM blob_removals WHERE sha256 IN (`+list+`)`, args...); err != nil {
			return fmt.Errorf("end removals: %w", err)
		}
		return nil
	})
}

func (s retention) Unended(ctx context.Context, before time.Time, limit int) ([]string, error) {
	var out []string
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		out, err = texts(ctx, tx, `SELECT sha256 FROM blob_removals WHERE at_ms < $1 ORDER BY sha256 LIMIT $2`, clock.Millis(before), limit)
		return err
	})
	return out, err
}

// texts runs a query of one column of text.
func texts(ctx context.Context, tx Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(r Rows) (s string, err error) { return s, r.Scan(&s) })
}

// values makes the placeholders and arguments of an IN list.
func values(list []string) (string, []any) {
	marks, args := make([]string, len(list)), make([]any, len(list))
	for i, v := range list {
		marks[i], args[i] = fmt.Sprintf("$%d", i+1), v
	}
	return strings.Join(marks, ", "), args
}
