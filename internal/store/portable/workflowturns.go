package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// This file gives the places under the concurrency keys of workflows away. Whoever
// does so has locked the key's row. A place that becomes free is given to the oldest
// run that waits, at once: nobody can come in between.

// concurrencyKey is a key of a workflow.
type concurrencyKey struct{ tenant, workflow, name string }

// cancelledByKey is who cancels the oldest holder.
const cancelledByKey = "workflow concurrency"

// turn is a run that has a place, or waits for one.
type turn struct {
	run, job string
	holder   bool
	most     int
	asked    bool // to end
}

// lockKey locks a key, which need not be in use.
func lockKey(ctx context.Context, tx Tx, k concurrencyKey) error {
	if _, err := tx.Exec(ctx, `INSERT INTO workflow_keys (tenant, workflow_id, name, entries) VALUES ($1, $2, $3, 0)
		ON CONFLICT (tenant, workflow_id, name) DO UPDATE SET entries = workflow_keys.entries + 1`, k.tenant, k.workflow, k.name); err != nil {
		return fmt.Errorf("lock a concurrency key: %w", err)
	}
	return nil
}

// turns are those of a key, the oldest run first.
func turns(ctx context.Context, tx Tx, k concurrencyKey) ([]turn, error) {
	rows, err := tx.Query(ctx, `SELECT t.run_id, t.job_id, t.holder, t.most, coalesce(j.cancel_asked_ms, 0)
		FROM workflow_turns t LEFT JOIN jobs j ON j.job_id = t.job_id
		WHERE t.tenant = $1 AND t.workflow_id = $2 AND t.name = $3 ORDER BY t.run_id`, k.tenant, k.workflow, k.name)
	if err != nil {
		return nil, fmt.Errorf("read places: %w", err)
	}
	return collect(rows, func(r Rows) (t turn, err error) {
		var asked int64
		err = r.Scan(&t.run, &t.job, &t.holder, &t.most, &asked)
		t.asked = asked > 0
		return t, err
	})
}

func (s workflowRuns) Enter(ctx context.Context, p store.EnterWorkflow) (store.Turn, error) {
	var out store.Turn
	p.Limit = max(p.Limit, 1)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.Turn{}
		k := concurrencyKey{name: p.Key}
		err := tx.Row(ctx, `SELECT tenant, workflow_id FROM workflow_runs WHERE run_id = $1 AND job_id = $2`, p.RunID, p.JobID).Scan(&k.tenant, &k.workflow)
		if errors.Is(err, sql.ErrNoRows) {
			return noWorkflowRun(p.RunID)
		}
		if err != nil {
			return fmt.Errorf("read the run that enters: %w", err)
		}
		if err := lockKey(ctx, tx, k); err != nil {
			return err
		}
		if _, err := s.fence(ctx, tx, p.JobID, p.Epoch); err != nil {
			return err
		}
		all, err := turns(ctx, tx, k)
		if err != nil {
			return err
		}
		granted := mayEnter(all, p)
		if !granted && p.OnConflict == workflow.ConflictCancelOldest {
			at, err := s.Now(ctx, tx, p.At)
			if err != nil {
				return err
			}
			if err := s.stopOldest(ctx, tx, all, p, at); err != nil {
				return err
			}
			// One that had nothing to do has ended already.
			if all, err = turns(ctx, tx, k); err != nil {
				return err
			}
			granted = mayEnter(all, p)
		}
		out = store.Turn{Granted: granted}
		if granted || p.OnConflict != workflow.ConflictSkip {
			if _, err := tx.Exec(ctx, `INSERT INTO workflow_turns (run_id, job_id, tenant, workflow_id, name, holder, most, woke)
				VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT (run_id) DO UPDATE SET holder = excluded.holder, most = excluded.most, woke = 0`,
				p.RunID, p.JobID, k.tenant, k.workflow, k.name, flag(granted), p.Limit); err != nil {
				return fmt.Errorf("enter: %w", err)
			}
		}
		for _, t := range all {
			if t.holder && t.run != p.RunID {
				out.Holders = append(out.Holders, t.run)
			}
		}
		if granted {
			out.Holders = append(out.Holders, p.RunID)
			slices.Sort(out.Holders)
		}
		return nil
	})
	return out, err
}

// mayEnter reports whether a run has a place, or can have one without passing those
// that came before it.
func mayEnter(all []turn, p store.EnterWorkflow) bool {
	taken := 0
	for _, t := range all {
		switch {
		case t.run == p.RunID && t.holder:
			return true
		case t.run == p.RunID:
		case t.holder, t.run < p.RunID && !t.asked:
			taken++
		}
	}
	return taken < p.Limit
}

// stopOldest asks as many of the oldest runs to end as there are too many with p.
func (s workflowRuns) stopOldest(ctx context.Context, tx Tx, all []turn, p store.EnterWorkflow, at time.Time) error {
	alive := slices.DeleteFunc(slices.Clone(all), func(t turn) bool { return t.asked || t.run == p.RunID })
	for _, t := range alive[:min(len(alive), max(0, len(alive)+1-p.Limit))] {
		if err := s.LockJob(ctx, tx, t.job); err != nil {
			return err
		}
		js, err := leanJobs(ctx, tx, `job_id = $1`, t.job)
		if err != nil {
			return err
		}
		if len(js) == 0 || js[0].State.Terminal() {
			continue
		}
		c, err := job.Apply(js[0], job.CancelAsked{At: at, By: cancelledByKey})
		if err != nil {
			return err
		}
		if done, err := change(ctx, tx, c); err != nil || !done { // its row is locked
			return errOr(err, meanwhile(t.job))
		}
		if err := dropCheckpoint(ctx, tx, c.After); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
	}
	return nil
}

// leaveTurn gives the place of a run that has ended to those that wait.
func leaveTurn(ctx context.Context, tx Tx, runID string, at time.Time) error {
	var k concurrencyKey
	err := tx.Row(ctx, `SELECT tenant, workflow_id, name FROM workflow_turns WHERE run_id = $1`, runID).Scan(&k.tenant, &k.workflow, &k.name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the place of a run: %w", err)
	}
	if err := lockKey(ctx, tx, k); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM workflow_turns WHERE run_id = $1`, runID); err != nil {
		return fmt.Errorf("leave a place: %w", err)
	}
	all, err := turns(ctx, tx, k)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		if _, err := tx.Exec(ctx, `DELETE FROM workflow_keys WHERE tenant = $1 AND workflow_id = $2 AND name = $3`, k.tenant, k.workflow, k.name); err != nil {
			return fmt.Errorf("forget a concurrency key: %w", err)
		}
		return nil
	}
	taken := 0
	for _, t := range all {
		if t.holder {
			taken++
		}
	}
	for _, t := range all {
		if t.holder || t.asked {
			continue
		}
		if taken >= t.most {
			break
		}
		taken++
		if _, err := tx.Exec(ctx, `UPDATE workflow_turns SET holder = 1, woke = 1 WHERE run_id = $1`, t.run); err != nil {
			return fmt.Errorf("give a place: %w", err)
		}
		if err := lockJobRow(ctx, tx, t.job); err != nil {
			return err
		}
		if err := wakeRun(ctx, tx, t.run, at); err != nil {
			return err
		}
	}
	return nil
}

// awake reports whether a run that parks has something to do after all: what
// happened since its last step must not be slept through. A paused run sleeps until
// it may go on; then it is woken. The run's job is locked.
func awake(ctx context.Context, tx Tx, jobID, parkedFor string) (bool, error) {
	id := store.WorkflowRunID(jobID)
	var paused string
	var woken, turn bool
	err := tx.Row(ctx, `SELECT paused_by, EXISTS (SELECT 1 FROM workflow_waits x WHERE x.run_id = $1 AND x.woke_ms > 0),
		EXISTS (SELECT 1 FROM workflow_turns t WHERE t.run_id = $2 AND t.woke = 1) FROM workflow_runs WHERE run_id = $3`, id, id, id).Scan(&paused, &woken, &turn)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for what woke a run: %w", err)
	}
	if paused != "" {
		return false, nil
	}
	return woken || turn || parkedFor == parkedPaused, nil
}

// parkedPaused is the reason of a run that parks because it is paused.
const parkedPaused = "paused"
