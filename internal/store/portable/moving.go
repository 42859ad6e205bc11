package portable

import (
	"context"
	"fmt"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/store"
)

// This file carries out changes of several jobs at a time, and takes cancelled
// jobs back.

func (s jobs) MoveEach(ctx context.Context, p store.MoveJobs) ([]store.Moved, error) {
	var out []store.Moved
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = make([]store.Moved, 0, len(p.Changes))
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		changes, err := s.prepare(ctx, tx, p)
		if err != nil {
			return err
		}
		any := false
		for _, c := range changes {
			done, err := change(ctx, tx, c)
			if err == nil && done {
				err = dropCheckpoint(ctx, tx, c.After)
			}
			if err != nil {
				return err
			}
			if !done {
				out = append(out, store.Moved{Job: c.Before, Err: fault.Newf(fault.Conflict, "job %s changed meanwhile", c.Before.ID)})
				continue
			}
			any = true
			out = append(out, store.Moved{Job: stored(c.After)})
		}
		if any {
			if err := record(ctx, tx, p.Audit); err != nil {
				return err
			}
			tx.Hint(store.Hint{Topic: store.HintQueue})
		}
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

// prepare gives the changes that need one a place, before anything is written.
func (s jobs) prepare(ctx context.Context, tx Tx, p store.MoveJobs) ([]job.Change, error) {
	out := make([]job.Change, len(p.Changes))
	var behind, back []int
	for i, c := range p.Changes {
		out[i] = c
		switch {
		case c.After.Rank == "":
			behind = append(behind, i)
		case c.Before.State == job.Cancelled && c.After.State == job.Queued:
			back = append(back, i)
		}
	}
	if len(back)+len(behind) > 0 {
		if err := s.LockQueue(ctx, tx); err != nil {
			return nil, err
		}
	}
	if err := s.oldPlaces(ctx, tx, out, back); err != nil {
		return nil, err
	}
	if len(behind) == 0 {
		return out, nil
	}
	first, err := s.NextSeq(ctx, tx, len(behind))
	if err != nil {
		return nil, err
	}
	for n, i := range behind {
		out[i].After.Rank = rank.Natural(out[i].After.Zone(), first+int64(n))
	}
	_, err = bumpRevision(ctx, tx, p.Tenant, "", p.At, "")
	return out, err
}

// oldPlaces makes sure that the changes with the given numbers, by which jobs
// come back, do not meet another job: their places may have been given away.
func (d *db) oldPlaces(ctx context.Context, tx Tx, changes []job.Change, back []int) error {
	if len(back) == 0 {
		return nil
	}
	given := map[rank.Rank]bool{}
	kept, err := reserved(ctx, tx)
	if err != nil {
		return err
	}
	for _, r := range kept { // what runs may come back too
		given[r] = true
	}
	for _, i := range back {
		to := &changes[i].After.Rank
		var taken int
		if err := tx.Row(ctx, `SELECT (SELECT count(*) FROM jobs WHERE state = 'QUEUED' AND rank = $1)
			+ (SELECT count(*) FROM job_groups WHERE state = 'PENDING' AND rank = $2)`, string(*to), string(*to)).Scan(&taken); err != nil {
			return fmt.Errorf("look at the old place: %w", err)
		}
		if taken > 0 || given[*to] {
			if err := d.with(ctx, tx, func(x *order.Index) error {
				lo := prior(x, x.Position(*to)-1, nil)
				for r := range given {
					if r < *to && r > lo {
						lo = r
					}
				}
				*to = rank.Before(lo, *to)
				return nil
			}); err != nil {
				return err
			}
		}
		given[*to] = true
	}
	return nil
}

func (s orders) Restore(ctx context.Context, p store.MoveJob) (job.Job, error) {
	var out job.Job
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		if err := s.LockQueue(ctx, tx); err != nil {
			return err
		}
		changes := []job.Change{p.Change}
		if err := s.oldPlaces(ctx, tx, changes, []int{0}); err != nil {
			return err
		}
		done, err := change(ctx, tx, changes[0])
		if err != nil {
			return err
		}
		if !done {
			return fault.Newf(fault.Conflict, "job %s changed meanwhile", p.Change.Before.ID)
		}
		out = stored(changes[0].After)
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}
