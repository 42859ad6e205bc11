package portable

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

type jobs struct{ *db }

func (s jobs) Add(ctx context.Context, p store.AddJobs) ([]store.Added, error) {
	var out []store.Added
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = nil
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		first, err := s.NextSeq(ctx, tx, len(p.Jobs))
		if err != nil {
			return err
		}
		now, err := s.addedAt(ctx, tx, p.Jobs)
		if err != nil {
			return err
		}
		for i, j := range p.Jobs {
			j.Seq = first + int64(i)
			j.State, j.Version = job.Queued, 1
			if j.CreatedAt.IsZero() {
				j.CreatedAt = now
			}
			if j.QueuedAt.IsZero() {
				j.QueuedAt = now
			}
			j = stored(j)
			if err := insertJob(ctx, tx, j); err != nil {
				return err
			}
			if err := announceOf(ctx, tx, []event.Event{{
				Tenant: j.Tenant, Type: event.JobQueued, At: j.QueuedAt, JobID: j.ID,
			}}, &j); err != nil {
				return err
			}
			pos, err := position(ctx, tx, j)
			if err != nil {
				return err
			}
			out = append(out, store.Added{Job: j, Position: pos})
		}
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

// addedAt asks for the time only when a job came without one.
func (s jobs) addedAt(ctx context.Context, tx Tx, js []job.Job) (time.Time, error) {
	for _, j := range js {
		if j.CreatedAt.IsZero() || j.QueuedAt.IsZero() {
			return s.Now(ctx, tx, time.Time{})
		}
	}
	return time.Time{}, nil
}

func (s jobs) Job(ctx context.Context, tenant, id string) (job.Job, error) {
	var j job.Job
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		j, err = jobByID(ctx, tx, tenant, id)
		return err
	})
	return j, err
}

func (s jobs) List(ctx context.Context, p store.ListJobs) (store.JobPage, error) {
	var w where
	if p.Sort == store.SortQueue && slices.Equal(p.States, []job.State{job.Queued}) {
		// The planner needs the literal to use the index of waiting jobs, and must
		// not take the one that begins with the tenant instead.
		w.conds = append(w.conds, "state = 'QUEUED'")
		w.add("tenant || '' = %s", p.Tenant)
	} else {
		w.add("tenant = %s", p.Tenant)
		in(&w, "state", p.States)
	}
	in(&w, "job_type", p.Types)
	in(&w, "template_id", p.TemplateIDs)
	w.labels("labels", p.Labels)
	w.contains("name_folded", p.Text)
	w.between("created_ms", p.CreatedAfter, p.CreatedBefore)
	order := "created_ms DESC, job_id DESC"
	switch p.Sort {
	case store.SortQueue:
		order = "priority, seq"
		if p.After != nil {
			w.add("(priority, seq) > (%s, %s)", p.After.Priority, p.After.Seq)
		}
	case store.SortCreated:
		order = "created_ms, job_id"
		if p.After != nil {
			w.add("(created_ms, job_id) > (%s, %s)", p.After.CreatedAt.UnixMilli(), p.After.ID)
		}
	case store.SortNewest, "":
		if p.After != nil {
			w.add("(created_ms, job_id) < (%s, %s)", p.After.CreatedAt.UnixMilli(), p.After.ID)
		}
	}
	query := fmt.Sprintf(`SELECT %s FROM jobs%s ORDER BY %s LIMIT %d`, jobColumns, w.String(), order, p.Limit+1)
	var page store.JobPage
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		rows, err := tx.Query(ctx, query, w.args...)
		if err != nil {
			return fmt.Errorf("list jobs: %w", err)
		}
		page.Jobs, err = collect(rows, scanJob)
		return err
	})
	if len(page.Jobs) > p.Limit {
		page.Jobs, page.More = page.Jobs[:p.Limit], true
	}
	return page, err
}

func (s jobs) Move(ctx context.Context, p store.MoveJob) (job.Job, error) {
	var out job.Job
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		c := p.Change
		if c.After.Seq == 0 {
			seq, err := s.NextSeq(ctx, tx, 1)
			if err != nil {
				return err
			}
			c.After.Seq = seq
		}
		done, err := change(ctx, tx, c)
		if err != nil {
			return err
		}
		if !done {
			if _, err := jobByID(ctx, tx, c.Before.Tenant, c.Before.ID); err != nil {
				return err
			}
			return fault.Newf(fault.Conflict, "job %s changed meanwhile", c.Before.ID)
		}
		if err := dropCheckpoint(ctx, tx, c.After); err != nil {
			return err
		}
		out = stored(c.After)
		tx.Hint(store.Hint{Topic: store.HintQueue})
		return storeKey(ctx, tx, p.Key, out)
	})
	return out, err
}

func (s jobs) Position(ctx context.Context, j job.Job) (int, error) {
	var n int
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		n, err = position(ctx, tx, j)
		return err
	})
	return n, err
}

func position(ctx context.Context, tx Tx, j job.Job) (int, error) {
	var n int
	err := tx.Row(ctx, `SELECT count(*) FROM jobs WHERE state = 'QUEUED' AND (priority, seq) < ($1, $2)`, j.Priority, j.Seq).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("position of job: %w", err)
	}
	return n, nil
}

func (s jobs) Counts(ctx context.Context, tenant string) (map[job.State]int, error) {
	out := map[job.State]int{}
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		clear(out)
		rows, err := tx.Query(ctx, `SELECT state, count(*) FROM jobs WHERE tenant = $1 OR $2 = '' GROUP BY state`, tenant, tenant)
		if err != nil {
			return fmt.Errorf("count jobs: %w", err)
		}
		_, err = collect(rows, func(r *sql.Rows) (struct{}, error) {
			var st job.State
			var n int
			err := r.Scan(&st, &n)
			out[st] = n
			return struct{}{}, err
		})
		return err
	})
	return out, err
}
