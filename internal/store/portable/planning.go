package portable

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// This file holds what planners do with schedules. Locks are taken in the order
// jobs, schedule, and what ends a job never touches a schedule, so they do not
// wait for each other in a circle.

// claimSlack is what a claim's end may lie beyond a planner's TTL: instances read the
// clock in another order than they commit.
const claimSlack = 10 * time.Second

// DueSchedules is Hot.DueSchedules; lock is what the engine adds to the query. A
// claim that ends later than one that is made now would, comes from before the clock
// was set back: whoever has it is not waited for, because that may take as long as
// the step was. If its planner lives, its decision is refused.
func DueSchedules(ctx context.Context, tx Tx, p store.ClaimSchedules, lock string) ([]string, error) {
	ms, latest := clock.Millis(p.Now), clock.Millis(p.Now.Add(p.TTL+claimSlack))
	ids, err := texts(ctx, tx, fmt.Sprintf(`SELECT s.schedule_id FROM schedules s
		WHERE s.next_ms > 0 AND s.next_ms <= $1 AND (s.claimed_until_ms <= $2 OR s.claimed_until_ms > $3)
		ORDER BY s.next_ms LIMIT %d%s`, p.Limit, lock), ms, ms, latest)
	if err != nil {
		return nil, fmt.Errorf("look for due schedules: %w", err)
	}
	if len(ids) == p.Limit {
		return ids, nil
	}
	ended, err := texts(ctx, tx, fmt.Sprintf(`SELECT s.schedule_id FROM schedules s
		WHERE s.awaits_end = 1 AND (s.claimed_until_ms <= $1 OR s.claimed_until_ms > $2)
			AND NOT EXISTS (SELECT 1 FROM schedule_runs r JOIN jobs j ON j.job_id = r.job_id
			WHERE r.schedule_id = s.schedule_id AND r.open = 1 AND j.finished_ms = 0)
		ORDER BY s.schedule_id LIMIT %d%s`, p.Limit-len(ids), lock), ms, latest)
	if err != nil {
		return nil, fmt.Errorf("look for schedules whose run has ended: %w", err)
	}
	ids = append(ids, ended...)
	if len(ids) == p.Limit {
		return ids, nil
	}
	setOff, err := texts(ctx, tx, fmt.Sprintf(`SELECT s.schedule_id FROM schedules s
		WHERE s.schedule_id IN (SELECT v.schedule_id FROM schedule_events v WHERE v.waiting = 1 AND v.at_ms <= $1)
		AND s.status = 'ACTIVE' AND s.deleted_ms = 0 AND (s.claimed_until_ms <= $2 OR s.claimed_until_ms > $3)
		ORDER BY s.schedule_id LIMIT %d%s`, p.Limit, lock), ms, ms, latest)
	if err != nil {
		return nil, fmt.Errorf("look for schedules that something set off: %w", err)
	}
	for _, id := range setOff {
		if len(ids) < p.Limit && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s schedules) Claim(ctx context.Context, p store.ClaimSchedules) (store.DueSchedules, error) {
	var out store.DueSchedules
	err := s.Write(ctx, func(ctx context.Context, tx Tx) (err error) {
		out = store.DueSchedules{}
		if out.Now, err = s.Now(ctx, tx, p.Now); err != nil {
			return err
		}
		at := p
		at.Now = out.Now
		ids, err := s.DueSchedules(ctx, tx, at)
		if err != nil || len(ids) == 0 {
			return err
		}
		w := where{args: []any{p.By, clock.Millis(out.Now.Add(p.TTL))}}
		in(&w, "schedule_id", ids)
		rows, err := tx.Query(ctx, `UPDATE schedules SET claimed_by = $1, claimed_until_ms = $2, claim_epoch = claim_epoch + 1`+w.String()+
			` RETURNING `+scheduleColumns, w.args...)
		if err != nil {
			return fmt.Errorf("claim schedules: %w", err)
		}
		if out.Items, err = collect(rows, func(r *sql.Rows) (store.DueSchedule, error) { return scanDue(r.Scan) }); err != nil {
			return err
		}
		slices.SortFunc(out.Items, func(a, b store.DueSchedule) int {
			return slices.Index(ids, a.Schedule.ID) - slices.Index(ids, b.Schedule.ID)
		})
		if err := giveNominals(ctx, tx, clock.Millis(out.Now), out.Items); err != nil {
			return err
		}
		return openRuns(ctx, tx, out.Items)
	})
	return out, err
}

func (s schedules) Look(ctx context.Context, tenant, idOrName string) (store.DueSchedule, error) {
	items := make([]store.DueSchedule, 1)
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		if items[0], err = scheduleBy(ctx, tx, tenant, idOrName); err != nil {
			return err
		}
		return openRuns(ctx, tx, items)
	})
	return items[0], err
}

// openRuns fills in the runs whose end is not recorded, as their jobs are now.
func openRuns(ctx context.Context, tx Tx, items []store.DueSchedule) error {
	at := map[string]int{}
	ids := make([]string, len(items))
	for i, d := range items {
		at[d.Schedule.ID], ids[i] = i, d.Schedule.ID
	}
	var w where
	w.conds = append(w.conds, "r.open = 1")
	in(&w, "r.schedule_id", ids)
	rows, err := tx.Query(ctx, runQuery+w.String()+` ORDER BY r.nominal_ms, r.again`, w.args...)
	if err != nil {
		return fmt.Errorf("read open runs: %w", err)
	}
	_, err = collect(rows, func(r *sql.Rows) (struct{}, error) {
		id, e, err := scanRunEntry(r.Scan)
		if err == nil {
			items[at[id]].Runs = append(items[at[id]].Runs, e.Run)
		}
		return struct{}{}, err
	})
	return err
}

const runQuery = `SELECT r.schedule_id, r.nominal_ms, r.again, r.previous_ms, r.due_ms, r.planned_ms, r.decided_ms, r.source, r.version,
	r.calendar_version, r.job_id, r.open, r.status, r.reason, r.started_ms, r.ended_ms,
	coalesce(j.state, ''), coalesce(j.started_ms, 0), coalesce(j.finished_ms, 0)
	FROM schedule_runs r LEFT JOIN jobs j ON j.job_id = r.job_id`

func scanRunEntry(scan func(...any) error) (id string, e store.HistoryEntry, err error) {
	r := &e.Run
	var nominal, previous, due, planned, decided, started, ended, jobStarted, jobEnded int64
	var open bool
	var state string
	if err := scan(&id, &nominal, &r.Again, &previous, &due, &planned, &decided, &r.Source, &e.Version, &e.Calendars, &r.JobID, &open,
		&r.Status, &r.Reason, &started, &ended, &state, &jobStarted, &jobEnded); err != nil {
		return id, e, err
	}
	switch {
	case open && state != "":
		r.Status, started, ended = agenda.RunStatus(state), jobStarted, jobEnded
	case open && r.Status == "": // retention notes how a job ended before it goes
		r.Status = agenda.RunGone
	}
	r.Nominal, r.Due, r.PlannedAt = clock.FromMillis(nominal), clock.FromMillis(due), clock.FromMillis(planned)
	r.DecidedAt, r.StartedAt, r.EndedAt = clock.FromMillis(decided), clock.FromMillis(started), clock.FromMillis(ended)
	e.Previous = clock.FromMillis(previous)
	return id, e, nil
}

func (s schedules) Claims(ctx context.Context, p store.KeepClaims) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		ids, err := texts(ctx, tx, `SELECT schedule_id FROM schedules WHERE claimed_by <> '' AND (claimed_by = $1) = ($2 = 0) ORDER BY schedule_id`,
			p.By, flag(p.Others))
		if err != nil {
			return fmt.Errorf("look for claims: %w", err)
		}
		if err := s.LockSchedules(ctx, tx, ids); err != nil {
			return err
		}
		switch {
		case p.Others:
			_, err = tx.Exec(ctx, `UPDATE schedules SET claimed_by = '', claimed_until_ms = 0, claim_epoch = claim_epoch + 1
				WHERE claimed_by <> '' AND claimed_by <> $1`, p.By)
		case p.TTL > 0:
			_, err = tx.Exec(ctx, `UPDATE schedules SET claimed_until_ms = $1 WHERE claimed_by = $2 AND claimed_by <> ''`, clock.Millis(now.Add(p.TTL)), p.By)
		default:
			_, err = tx.Exec(ctx, `UPDATE schedules SET claimed_by = '', claimed_until_ms = 0, claim_epoch = claim_epoch + 1
				WHERE claimed_by = $1 AND claimed_by <> ''`, p.By)
		}
		if err != nil {
			return fmt.Errorf("keep claims: %w", err)
		}
		return nil
	})
}

func (s schedules) NextDue(ctx context.Context, now time.Time) (store.NextDue, error) {
	var out store.NextDue
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		if out.Now, err = s.Now(ctx, tx, now); err != nil {
			return err
		}
		var next, claimed, happens sql.NullInt64
		if err := tx.Row(ctx, `SELECT
			(SELECT next_ms FROM schedules WHERE next_ms > 0 AND claimed_until_ms <= $1 ORDER BY next_ms LIMIT 1),
			(SELECT min(claimed_until_ms) FROM schedules WHERE claimed_by <> '' AND claimed_until_ms > $2),
			(SELECT min(v.at_ms) FROM schedule_events v JOIN schedules s ON s.schedule_id = v.schedule_id
				WHERE v.waiting = 1 AND s.status = 'ACTIVE' AND s.deleted_ms = 0 AND s.claimed_until_ms <= $3),
			EXISTS (SELECT 1 FROM schedules WHERE awaits_end = 1)`,
			clock.Millis(out.Now), clock.Millis(out.Now), clock.Millis(out.Now)).Scan(&next, &claimed, &happens, &out.Awaiting); err != nil {
			return fmt.Errorf("read the next due time: %w", err)
		}
		var at int64
		for _, ms := range []sql.NullInt64{next, claimed, happens} {
			if ms.Valid && (at == 0 || ms.Int64 < at) {
				at = ms.Int64
			}
		}
		out.At = clock.FromMillis(at)
		return nil
	})
	return out, err
}

// replan lets all schedules of a tenant that go by calendars look for their next
// nominal again. Cursors stay: agenda.Plan sees that the calendars have changed, and
// from when on they count by the time that is written here.
func (d *db) replan(ctx context.Context, tx Tx, tenant string) error {
	now, err := d.Now(ctx, tx, time.Time{})
	if err != nil {
		return err
	}
	ms := clock.Millis(now)
	ids, err := texts(ctx, tx, `SELECT schedule_id FROM schedules WHERE tenant = $1 AND uses_calendar = 1 AND next_ms > 0 ORDER BY schedule_id`, tenant)
	if err != nil {
		return fmt.Errorf("look for schedules to plan again: %w", err)
	}
	if err := d.LockSchedules(ctx, tx, ids); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE schedules SET next_ms = CASE WHEN next_ms > $1 THEN $2 ELSE next_ms END,
		claimed_by = '', claimed_until_ms = 0, claim_epoch = claim_epoch + 1
		WHERE tenant = $3 AND uses_calendar = 1 AND next_ms > 0`, ms, ms, tenant)
	if err != nil {
		return fmt.Errorf("plan schedules again: %w", err)
	}
	if n > 0 {
		tx.Hint(store.Hint{Topic: store.HintPlans})
	}
	return nil
}

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
	for _, id := range distinct(jobIDs) {
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
	if _, err := collect(rows, func(r *sql.Rows) (struct{}, error) {
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
