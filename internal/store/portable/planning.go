package portable

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// This file holds what planners do with schedules. Locks are taken in the order
// jobs, schedule, and what ends a job never touches a schedule, only the row of its
// run, so they do not wait for each other in a circle.

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
	ended, err := texts(ctx, tx, fmt.Sprintf(`SELECT s.schedule_id FROM schedule_runs r JOIN schedules s ON s.schedule_id = r.schedule_id
		WHERE r.awaited = 2 AND s.awaits_end = 1 AND (s.claimed_until_ms <= $1 OR s.claimed_until_ms > $2)
		ORDER BY r.schedule_id LIMIT %d%s`, p.Limit, lock), ms, latest)
	if err != nil {
		return nil, fmt.Errorf("look for schedules whose run has ended: %w", err)
	}
	setOff, err := texts(ctx, tx, fmt.Sprintf(`SELECT s.schedule_id FROM schedules s
		WHERE s.schedule_id IN (SELECT v.schedule_id FROM schedule_events v WHERE v.waiting = 1 AND v.at_ms <= $1)
		AND s.status = 'ACTIVE' AND s.deleted_ms = 0 AND (s.claimed_until_ms <= $2 OR s.claimed_until_ms > $3)
		ORDER BY s.schedule_id LIMIT %d%s`, p.Limit, lock), ms, ms, latest)
	if err != nil {
		return nil, fmt.Errorf("look for schedules that something set off: %w", err)
	}
	for _, id := range slices.Concat(ended, setOff) {
		if len(ids) < p.Limit && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// anyDue tells whether DueSchedules could find anything.
func (s schedules) anyDue(ctx context.Context, p store.ClaimSchedules) (bool, error) {
	at, ms := s.Clock(p.Now, 1)
	const free = `(s.claimed_until_ms <= now.ms OR s.claimed_until_ms > now.ms + now.most)`
	// As in NextDue, each is a look at the beginning of an index.
	due, err := s.any(ctx, `SELECT coalesce((SELECT 1 FROM schedules s WHERE s.next_ms > 0 AND s.next_ms <= now.ms AND `+free+` ORDER BY s.next_ms LIMIT 1),
		(SELECT 1 FROM schedule_runs r JOIN schedules s ON s.schedule_id = r.schedule_id
			WHERE r.awaited = 2 AND s.awaits_end = 1 AND `+free+` ORDER BY r.schedule_id LIMIT 1),
		(SELECT 1 FROM schedule_events v JOIN schedules s ON s.schedule_id = v.schedule_id
			WHERE v.waiting = 1 AND v.at_ms <= now.ms AND s.status = 'ACTIVE' AND s.deleted_ms = 0 AND `+free+` ORDER BY v.at_ms LIMIT 1), 0)
		FROM (SELECT `+at+` AS ms, CAST($2 AS BIGINT) AS most) AS now`, ms, (p.TTL + claimSlack).Milliseconds())
	if err != nil {
		return false, fmt.Errorf("look whether a schedule is due: %w", err)
	}
	return due, nil
}

func (s schedules) Claim(ctx context.Context, p store.ClaimSchedules) (store.DueSchedules, error) {
	var out store.DueSchedules
	if _, sole := s.Commits(); !sole { // there, a transaction is several messages
		if due, err := s.anyDue(ctx, p); err != nil || !due {
			return out, err
		}
	}
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
		if out.Items, err = collect(rows, func(r Rows) (store.DueSchedule, error) { return scanDue(r.Scan) }); err != nil {
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
	_, err = collect(rows, func(r Rows) (struct{}, error) {
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
				WHERE claimed_by <> '' AND claimed_until_ms > 0 AND claimed_by <> $1`, p.By)
		case p.TTL > 0:
			_, err = tx.Exec(ctx, `UPDATE schedules SET claimed_until_ms = $1 WHERE claimed_by <> '' AND claimed_until_ms > 0 AND claimed_by = $2`, clock.Millis(now.Add(p.TTL)), p.By)
		default:
			_, err = tx.Exec(ctx, `UPDATE schedules SET claimed_by = '', claimed_until_ms = 0, claim_epoch = claim_epoch + 1
				WHERE claimed_by <> '' AND claimed_until_ms > 0 AND claimed_by = $1`, p.By)
		}
		if err != nil {
			return fmt.Errorf("keep claims: %w", err)
		}
		return nil
	})
}

func (s schedules) NextDue(ctx context.Context, now time.Time) (store.NextDue, error) {
	var out store.NextDue
	clk, arg := s.Clock(now, 1)
	err := s.db.Look(ctx, func(ctx context.Context, tx Tx) error {
		// Each is a look at the beginning of an index, also where the database knows
		// nothing of the tables yet: with min() PostgreSQL then reads them.
		var ms int64
		var next, claimed, happens, ended sql.NullInt64
		if err := tx.Row(ctx, `SELECT now.ms,
			(SELECT next_ms FROM schedules WHERE next_ms > 0 AND claimed_until_ms <= now.ms ORDER BY next_ms LIMIT 1),
			(SELECT claimed_until_ms FROM schedules WHERE claimed_by <> '' AND claimed_until_ms > now.ms ORDER BY claimed_until_ms LIMIT 1),
			(SELECT v.at_ms FROM schedule_events v JOIN schedules s ON s.schedule_id = v.schedule_id
				WHERE v.waiting = 1 AND s.status = 'ACTIVE' AND s.deleted_ms = 0 AND s.claimed_until_ms <= now.ms ORDER BY v.at_ms LIMIT 1),
			(SELECT now.ms FROM schedule_runs r JOIN schedules s ON s.schedule_id = r.schedule_id
				WHERE r.awaited = 2 AND s.awaits_end = 1 AND s.claimed_until_ms <= now.ms ORDER BY r.schedule_id LIMIT 1)
			FROM (SELECT `+clk+` AS ms) AS now`, arg).Scan(&ms, &next, &claimed, &happens, &ended); err != nil {
			return fmt.Errorf("read the next due time: %w", err)
		}
		out.Now = clock.FromMillis(ms)
		var at int64
		for _, ms := range []sql.NullInt64{next, claimed, happens, ended} {
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

// endAwaited tells planners, with each change that has been written of a job, which of
// the schedules that wait for the end of a run may go on. The end marks the run's row,
// and only if its schedule waits. Persons and schedules start the jobs that schedules
// make, so others do not even pay for the look.
func endAwaited(ctx context.Context, tx Tx, c job.Change) error {
	if !mayBeAwaited(c) {
		return nil
	}
	n, err := tx.Exec(ctx, `UPDATE schedule_runs SET awaited = 2 WHERE job_id = $1 AND awaited = 1`, c.After.ID)
	if err != nil {
		return fmt.Errorf("note the end of a run: %w", err)
	}
	if n > 0 {
		tx.Hint(store.Hint{Topic: store.HintPlans})
	}
	return nil
}

// mayBeAwaited reports whether a change ends a job for which a schedule may wait.
func mayBeAwaited(c job.Change) bool {
	return c.After.State.Terminal() && !c.Before.State.Terminal() && (c.After.Trigger == job.TriggerSchedule || c.After.Trigger == job.TriggerManual)
}

// unawaited lists the jobs of open runs that schedules have not waited for. They are
// to be locked: a job that ends at the same moment would not see that it is waited
// for.
func unawaited(ctx context.Context, tx Tx, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var w where
	w.conds = append(w.conds, "open = 1", "awaited = 0")
	in(&w, "schedule_id", ids)
	list, err := texts(ctx, tx, `SELECT job_id FROM schedule_runs`+w.String()+` ORDER BY job_id`, w.args...)
	if err != nil {
		return nil, fmt.Errorf("look for runs to wait for: %w", err)
	}
	return list, nil
}

// awaitEnds lets schedules wait for the ends of all their open runs. One that waits
// without such a run, because a person or an equal job was faster, is due at once.
// The caller has locked the jobs of unawaited before it locked the schedules.
func awaitEnds(ctx context.Context, tx Tx, nowMS int64, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var w where
	w.conds = append(w.conds, "open = 1", "awaited = 0")
	in(&w, "schedule_id", ids)
	if _, err := tx.Exec(ctx, `UPDATE schedule_runs SET awaited = CASE WHEN EXISTS (
		SELECT 1 FROM jobs j WHERE j.job_id = schedule_runs.job_id AND j.finished_ms = 0) THEN 1 ELSE 2 END`+w.String(), w.args...); err != nil {
		return fmt.Errorf("wait for the ends of runs: %w", err)
	}
	w = where{args: []any{nowMS}}
	w.conds = append(w.conds, "awaits_end = 1", "NOT EXISTS (SELECT 1 FROM schedule_runs r WHERE r.schedule_id = schedules.schedule_id AND r.open = 1)")
	in(&w, "schedule_id", ids)
	if _, err := tx.Exec(ctx, `UPDATE schedules SET next_ms = $1`+w.String(), w.args...); err != nil {
		return fmt.Errorf("go on without a run: %w", err)
	}
	return nil
}

// forgetAwaited is for schedules that do not wait any more, so that planners do not
// come upon their runs again and again.
func forgetAwaited(ctx context.Context, tx Tx, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	var w where
	w.conds = append(w.conds, "open = 1", "awaited > 0")
	in(&w, "schedule_id", ids)
	if _, err := tx.Exec(ctx, `UPDATE schedule_runs SET awaited = 0`+w.String(), w.args...); err != nil {
		return fmt.Errorf("stop waiting for the ends of runs: %w", err)
	}
	return nil
}

// await writes what decisions wait for, once their runs are there.
func await(ctx context.Context, tx Tx, done []*ruling) error {
	var stopped []string
	for _, v := range done {
		if v.Was != v.Outcome.State.Status && !v.Outcome.State.AwaitsEnd {
			stopped = append(stopped, v.ID)
		}
	}
	if err := forgetAwaited(ctx, tx, stopped...); err != nil {
		return err
	}
	ids := awaiting(done)
	if len(ids) == 0 {
		return nil
	}
	return awaitEnds(ctx, tx, clock.Millis(done[0].Now), ids)
}

func awaiting(list []*ruling) []string {
	var ids []string
	for _, v := range list {
		if v.Outcome.State.AwaitsEnd {
			ids = append(ids, v.ID)
		}
	}
	return ids
}
