package portable

import (
	"context"
	"fmt"
	"slices"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
)

// This file finds, before anything is written, the decisions of a batch that came
// too late.

// hold takes all locks of a batch, in the order that everybody keeps: keys of equal
// jobs, jobs, schedules, each sorted. Then it finds those that are in conflict.
func (s schedules) hold(ctx context.Context, tx Tx, all []*ruling) error {
	var keys, jobIDs, ids []string
	for _, v := range all {
		ids, jobIDs = append(ids, v.ID), append(append(jobIDs, v.Outcome.Supersede...), v.Outcome.Cancel...)
		for _, j := range v.Jobs {
			if _, is := v.Unique[j.ID]; is && j.UniqueKey != "" {
				keys = append(keys, "unique "+j.Tenant+" "+j.UniqueKey)
			}
		}
	}
	for _, k := range distinct(keys) {
		if err := s.LockContent(ctx, tx, k); err != nil {
			return err
		}
	}
	open, err := unawaited(ctx, tx, awaiting(all))
	if err != nil {
		return err
	}
	for _, id := range distinct(append(jobIDs, open...)) {
		if err := s.LockJob(ctx, tx, id); err != nil {
			return err
		}
	}
	for _, v := range all {
		if err := s.displaced(ctx, tx, v); err != nil {
			return err
		}
	}
	if err := s.LockSchedules(ctx, tx, distinct(ids)); err != nil || len(keys) == 0 {
		return err // without keys nobody asks before moveOn
	}
	return outdated(ctx, tx, all)
}

func distinct(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// outdated finds the decisions whose schedule is not as it was. The schedules are
// locked, so moveOn finds no others.
func outdated(ctx context.Context, tx Tx, all []*ruling) error {
	var w where
	ids := make([]string, len(all))
	for i, v := range all {
		ids[i] = v.ID
	}
	w.conds = append(w.conds, "deleted_ms = 0")
	in(&w, "schedule_id", distinct(ids))
	rows, err := tx.Query(ctx, `SELECT schedule_id, tenant, claim_epoch FROM schedules`+w.String(), w.args...)
	if err != nil {
		return fmt.Errorf("read schedules to decide about: %w", err)
	}
	type fence struct {
		tenant string
		epoch  int64
	}
	now := map[string]fence{}
	if _, err := collect(rows, func(r Rows) (struct{}, error) {
		var id string
		var f fence
		err := r.Scan(&id, &f.tenant, &f.epoch)
		now[id] = f
		return struct{}{}, err
	}); err != nil {
		return fmt.Errorf("read schedules to decide about: %w", err)
	}
	for _, v := range all {
		if v.err == nil && now[v.ID] != (fence{v.Tenant, v.Epoch}) {
			v.err = changedMeanwhile(v)
		}
	}
	return nil
}

func changedMeanwhile(v *ruling) error {
	return fault.Newf(fault.Conflict, "schedule %s changed meanwhile", v.ID)
}

// displaced reads the jobs that give way to new ones; they are locked.
func (s schedules) displaced(ctx context.Context, tx Tx, v *ruling) error {
	for _, list := range []struct {
		ids []string
		to  *[]job.Job
	}{{v.Outcome.Supersede, &v.dropped}, {v.Outcome.Cancel, &v.stopped}} {
		for _, id := range list.ids {
			j, err := jobByID(ctx, tx, v.Tenant, id)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			*list.to = append(*list.to, j)
		}
	}
	for _, j := range v.dropped {
		if j.State != job.Queued || j.Attempt > 0 {
			v.err = fault.Newf(fault.Conflict, "job %s is %s by now", j.ID, j.State)
			v.retry = v.By == ""
		}
	}
	return nil
}

// release lets the next claim have the schedules again that a planner cannot
// decide about as it wanted to: nobody may wait for the claim's end.
func release(ctx context.Context, tx Tx, all []*ruling) error {
	for _, v := range all {
		if !v.retry {
			continue
		}
		if _, err := tx.Exec(ctx, `UPDATE schedules SET claimed_by = '', claimed_until_ms = 0 WHERE schedule_id = $1 AND claim_epoch = $2`,
			v.ID, v.Epoch); err != nil {
			return fmt.Errorf("release a schedule: %w", err)
		}
	}
	return nil
}
