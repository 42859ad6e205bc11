package portable

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func (s jobs) Claim(ctx context.Context, p store.ClaimJobs) (store.Claims, error) {
	var out store.Claims
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out = store.Claims{}
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
		if _, err := tx.Exec(ctx, `UPDATE jobs SET ready = 1 WHERE state = 'QUEUED' AND ready = 0 AND held_reason = ''
			AND not_before_ms <= $1`, clock.Millis(now)); err != nil {
			return fmt.Errorf("wake delayed jobs: %w", err)
		}
		if out.NextAt, err = nextDue(ctx, tx); err != nil {
			return err
		}
		snap, err := snapshot(ctx, tx, now)
		if err != nil {
			return err
		}
		snap.Room = p.Room
		free := min(snap.Workers-snap.Running, p.Room)
		if snap.Paused || free <= 0 {
			return nil
		}
		if snap.Heads, err = heads(ctx, tx, free); err != nil {
			return err
		}
		if snap.Held, err = held(ctx, tx, snap.Heads); err != nil {
			return err
		}
		for _, jobID := range p.Decide(snap).Claims {
			c, started, err := start(ctx, tx, jobID, p.Instance, now)
			if err != nil {
				return err
			}
			if started {
				out.Started = append(out.Started, c)
			}
		}
		return nil
	})
	if err != nil {
		return store.Claims{}, err
	}
	return out, nil
}

// checkLease refuses an instance that was condemned or released, or whose
// lease is over: it must not start anything.
func checkLease(ctx context.Context, tx Tx, instance string, now time.Time) error {
	var until, ended int64
	err := tx.Row(ctx, `SELECT lease_until_ms, ended_ms FROM instances WHERE instance_id = $1`, instance).Scan(&until, &ended)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (ended != 0 || until <= clock.Millis(now)) {
		return fault.Newf(fault.StaleLease, "instance %s has no living lease", instance)
	}
	return err
}

func nextDue(ctx context.Context, tx Tx) (time.Time, error) {
	var ms sql.NullInt64
	err := tx.Row(ctx, `SELECT min(not_before_ms) FROM jobs WHERE state = 'QUEUED' AND ready = 0 AND held_reason = ''`).Scan(&ms)
	if err != nil {
		return time.Time{}, fmt.Errorf("next delayed job: %w", err)
	}
	return clock.FromMillis(ms.Int64), nil
}

func snapshot(ctx context.Context, tx Tx, now time.Time) (job.Snapshot, error) {
	s := job.Snapshot{Now: now}
	err := tx.Row(ctx, `SELECT workers, paused, (SELECT count(*) FROM jobs WHERE state = 'RUNNING') FROM queue WHERE id = 1`).
		Scan(&s.Workers, &s.Paused, &s.Running)
	if err != nil {
		return s, fmt.Errorf("read queue: %w", err)
	}
	return s, nil
}

// heads returns, in order, the jobs among which a claim of n can choose: the
// first of each class, and the first n of a class without locks. One is enough
// where there are locks, because the first to start takes them.
//
// Classes are found by skipping through the index, so their cost does not grow
// with the number of jobs in them.
func heads(ctx context.Context, tx Tx, n int) ([]job.Candidate, error) {
	rows, err := tx.Query(ctx, `WITH RECURSIVE c(class) AS (
			SELECT (SELECT min(class) FROM jobs WHERE state = 'QUEUED' AND ready = 1)
			UNION ALL
			SELECT (SELECT min(class) FROM jobs WHERE state = 'QUEUED' AND ready = 1 AND class > c.class)
			FROM c WHERE c.class IS NOT NULL),
		h(head) AS (
			SELECT (SELECT job_id FROM jobs WHERE state = 'QUEUED' AND ready = 1 AND class = c.class
				ORDER BY priority, seq LIMIT 1) FROM c WHERE c.class IS NOT NULL)
		SELECT `+candidateColumns+` FROM h JOIN jobs ON job_id = h.head`)
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	out, err := collect(rows, scanCandidate)
	if err != nil {
		return nil, err
	}
	for _, head := range out {
		if len(head.Locks) > 0 || n == 1 {
			continue
		}
		rows, err := tx.Query(ctx, `SELECT `+candidateColumns+` FROM jobs WHERE state = 'QUEUED' AND ready = 1 AND class = $1
			AND (priority, seq) > ($2, $3) ORDER BY priority, seq LIMIT $4`, head.Class, head.Priority, head.Seq, n-1)
		if err != nil {
			return nil, fmt.Errorf("read jobs of class: %w", err)
		}
		more, err := collect(rows, scanCandidate)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	slices.SortFunc(out, func(a, b job.Candidate) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Seq, b.Seq))
	})
	return out, nil
}

const candidateColumns = `job_id, tenant, job_type, class, priority, seq, locks`

func scanCandidate(r *sql.Rows) (job.Candidate, error) {
	var c job.Candidate
	var locks string
	if err := r.Scan(&c.JobID, &c.Tenant, &c.Type, &c.Class, &c.Priority, &c.Seq, &locks); err != nil {
		return c, err
	}
	return c, decode(locks, &c.Locks)
}

// held returns the holders of all locks that the candidates name. Few locks
// are held at a time, however many are waited for: all are read.
func held(ctx context.Context, tx Tx, cs []job.Candidate) (map[string]job.Holder, error) {
	wanted := map[string]bool{}
	for _, c := range cs {
		for _, l := range c.Locks {
			wanted[l] = true
		}
	}
	out := map[string]job.Holder{}
	if len(wanted) == 0 {
		return out, nil
	}
	rows, err := tx.Query(ctx, `SELECT l.name, l.job_id, j.tenant, l.epoch FROM locks l JOIN jobs j ON j.job_id = l.job_id`)
	if err != nil {
		return nil, fmt.Errorf("read locks: %w", err)
	}
	holders, err := collect(rows, func(r *sql.Rows) (h job.Holder, err error) { return h, r.Scan(&h.Lock, &h.JobID, &h.Tenant, &h.Epoch) })
	for _, h := range holders {
		if wanted[h.Lock] {
			out[h.Lock] = h
		}
	}
	return out, err
}

// start carries one claim out: epoch, job, run, locks. It reports false when a
// person cancelled, held or edited the job since it was read: those changes do
// not wait for claims. The slot stays free until the next claim, which the
// change's hint brings about.
func start(ctx context.Context, tx Tx, jobID, instance string, now time.Time) (c store.Claimed, started bool, err error) {
	none := store.Claimed{}
	j, err := scanJobWith(tx.Row(ctx, `SELECT `+jobColumns+` FROM jobs WHERE job_id = $1`, jobID).Scan)
	if err != nil {
		return none, false, fmt.Errorf("read job to claim: %w", err)
	}
	if j.State != job.Queued || j.HeldReason != "" {
		return none, false, nil
	}
	var epoch int64
	if err := tx.Row(ctx, `UPDATE queue SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch`).Scan(&epoch); err != nil {
		return none, false, fmt.Errorf("next epoch: %w", err)
	}
	ch, err := job.Apply(j, job.Claimed{At: now, RunID: id.New(id.Run, now), Instance: instance, Epoch: epoch})
	if err != nil {
		return none, false, err
	}
	// Before's epoch is the old one; change compares it.
	done, err := change(ctx, tx, ch)
	if err != nil || !done {
		return none, false, err
	}
	r := runOf(ch.After)
	if err := insertRun(ctx, tx, r); err != nil {
		return none, false, err
	}
	for _, l := range j.Locks {
		n, err := tx.Exec(ctx, `INSERT INTO locks (name, job_id, epoch, held_ms) VALUES ($1, $2, $3, $4)
			ON CONFLICT (name) DO NOTHING`, l, j.ID, epoch, clock.Millis(now))
		if err != nil {
			return none, false, fmt.Errorf("take lock: %w", err)
		}
		if n == 0 {
			return none, false, fault.Newf(fault.InternalError, "lock %s is taken although the decision found it free", l)
		}
	}
	return store.Claimed{Job: ch.After, Run: r}, true, nil
}

func runOf(j job.Job) run.Run {
	return run.Run{
		ID: j.RunID, Tenant: j.Tenant, JobID: j.ID, State: run.Active,
		JobName: j.Name, JobType: j.Type, TemplateID: j.TemplateID, TemplateVersion: j.TemplateVersion,
		Params: j.Params, Labels: j.Labels, Attempt: j.Attempt, Trigger: string(j.Trigger), CreatedBy: j.CreatedBy,
		RetryOf: j.RetryOf, Instance: j.Instance, Epoch: j.Epoch,
		CreatedAt: j.CreatedAt, QueuedAt: j.QueuedAt, StartedAt: j.StartedAt,
	}
}

func (s jobs) Running(ctx context.Context, instanceID string) ([]store.Claimed, error) {
	var out []store.Claimed
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		out, err = running(ctx, tx, `instance_id = $1`, instanceID)
		return err
	})
	return out, err
}

// running returns the running attempts that meet a condition, in claim order.
func running(ctx context.Context, tx Tx, cond string, args ...any) ([]store.Claimed, error) {
	rows, err := tx.Query(ctx, `SELECT `+jobColumns+` FROM jobs WHERE state = 'RUNNING' AND `+cond+` ORDER BY epoch`, args...)
	if err != nil {
		return nil, fmt.Errorf("list running jobs: %w", err)
	}
	js, err := collect(rows, scanJob)
	if err != nil {
		return nil, err
	}
	var out []store.Claimed
	for _, j := range js {
		r, err := scanRunWith(tx.Row(ctx, `SELECT `+runColumns+` FROM runs WHERE run_id = $1`, j.RunID).Scan)
		if err != nil {
			return nil, fmt.Errorf("read active run: %w", err)
		}
		out = append(out, store.Claimed{Job: j, Run: r})
	}
	return out, nil
}

func (s jobs) Situation(ctx context.Context, js []job.Job) (job.Snapshot, error) {
	var out job.Snapshot
	err := s.Read(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, time.Time{})
		if err != nil {
			return err
		}
		if out, err = snapshot(ctx, tx, now); err != nil {
			return err
		}
		cs := make([]job.Candidate, len(js))
		for i, j := range js {
			cs[i].Locks = j.Locks
		}
		out.Held, err = held(ctx, tx, cs)
		return err
	})
	return out, err
}

func (s jobs) Finish(ctx context.Context, items []store.Finish) []error {
	errs := make([]error, len(items))
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		clear(errs)
		for _, i := range inOrder(items, func(f store.Finish) string { return f.Job.Before.RunID }) {
			verdict, err := finish(ctx, tx, items[i])
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

// finish ends one attempt. The first result is what the caller learns about
// this item; the second ends the whole transaction.
func finish(ctx context.Context, tx Tx, it store.Finish) (verdict, err error) {
	b, emit := it.Job.Before, it.Job.Emit
	it.Job.Emit = nil // announced when the run has its end too
	done, err := change(ctx, tx, it.Job)
	if err != nil {
		return nil, err
	}
	if !done {
		return stale(ctx, tx, b)
	}
	if err := endRun(ctx, tx, it.Run.After); err != nil {
		return nil, err
	}
	if err := announceOf(ctx, tx, emit, &it.Job.After); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM locks WHERE job_id = $1 AND epoch = $2`, b.ID, b.Epoch); err != nil {
		return nil, fmt.Errorf("free locks: %w", err)
	}
	return nil, dropCheckpoint(ctx, tx, it.Job.After)
}

// dropCheckpoint removes what was saved for attempts that will not come.
func dropCheckpoint(ctx context.Context, tx Tx, j job.Job) error {
	if !j.State.Terminal() {
		return nil
	}
	if _, err := tx.Exec(ctx, `DELETE FROM checkpoints WHERE job_id = $1`, j.ID); err != nil {
		return fmt.Errorf("drop checkpoint: %w", err)
	}
	return nil
}

// stale tells why a change under b's epoch did not match.
func stale(ctx context.Context, tx Tx, b job.Job) (verdict, err error) {
	now, err := jobByID(ctx, tx, b.Tenant, b.ID)
	if fault.Is(err, fault.NotFound) {
		return err, nil
	}
	if err != nil {
		return nil, err
	}
	if now.Epoch == b.Epoch && now.State == b.State {
		return fault.Newf(fault.Conflict, "job %s changed meanwhile", b.ID), nil
	}
	return fault.Newf(fault.StaleLease, "attempt %d of job %s was taken over or has ended", b.Attempt, b.ID), nil
}
