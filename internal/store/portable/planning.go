package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
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
	if open {
		r.Status, started, ended = agenda.RunStatus(state), jobStarted, jobEnded
		if state == "" {
			r.Status = agenda.RunGone
		}
	}
	r.Nominal, r.Due, r.PlannedAt = clock.FromMillis(nominal), clock.FromMillis(due), clock.FromMillis(planned)
	r.DecidedAt, r.StartedAt, r.EndedAt = clock.FromMillis(decided), clock.FromMillis(started), clock.FromMillis(ended)
	e.Previous = clock.FromMillis(previous)
	return id, e, nil
}

func (s schedules) Decide(ctx context.Context, items []store.Decided) ([]error, error) {
	var out []error
	lost := false
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		out, lost = make([]error, len(items)), false
		for i, d := range items {
			if err := claimKey(ctx, tx, d.Key); err != nil {
				return err
			}
			err := s.decide(ctx, tx, d)
			var f *fault.Error
			switch {
			case errors.As(err, &f) && f.Code == fault.Conflict:
				out[i] = err
				if lost = d.Key != nil; lost {
					return err // nothing must stay of the key either
				}
				continue
			case err != nil:
				return err
			}
			if err := storeKey(ctx, tx, d.Key, d); err != nil {
				return err
			}
			if err := record(ctx, tx, d.Audit); err != nil {
				return err
			}
		}
		return nil
	})
	if lost {
		return out, nil
	}
	return out, err
}

// decide carries out one decision. A conflict is returned before anything is
// written.
func (s schedules) decide(ctx context.Context, tx Tx, d store.Decided) error {
	var dropped, stopped []job.Job
	for _, list := range []struct {
		ids []string
		to  *[]job.Job
	}{{d.Outcome.Supersede, &dropped}, {d.Outcome.Cancel, &stopped}} {
		for _, id := range list.ids {
			if err := s.LockJob(ctx, tx, id); err != nil {
				return err
			}
			j, err := jobByID(ctx, tx, d.Tenant, id)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			*list.to = append(*list.to, j)
		}
	}
	for _, j := range dropped {
		if j.State != job.Queued || j.Attempt > 0 {
			return fault.Newf(fault.Conflict, "job %s is %s by now", j.ID, j.State)
		}
	}
	st := d.Outcome.State
	n, err := tx.Exec(ctx, `UPDATE schedules SET status = $1, state = $2, cursor_ms = $3, next_ms = $4, awaits_end = $5, claimed_by = '',
		claimed_until_ms = 0, claim_epoch = claim_epoch + 1 WHERE schedule_id = $6 AND tenant = $7 AND claim_epoch = $8 AND deleted_ms = 0`,
		string(st.Status), encode(st), clock.Millis(st.Cursor), clock.Millis(st.Next), flag(st.AwaitsEnd), d.ID, d.Tenant, d.Epoch)
	if err != nil {
		return fmt.Errorf("decide about a schedule: %w", err)
	}
	if n == 0 {
		return fault.Newf(fault.Conflict, "schedule %s changed meanwhile", d.ID)
	}
	if d.On != nil {
		if _, err := tx.Exec(ctx, `UPDATE schedules SET on_event = $1, on_subject = $2, on_delay_ms = $3 WHERE schedule_id = $4`,
			string(d.On.Event), d.On.Subject, d.On.Delay.Milliseconds(), d.ID); err != nil {
			return fmt.Errorf("note what a schedule waits for: %w", err)
		}
	}
	for _, j := range dropped {
		if err := dropJob(ctx, tx, j, d.Now, string(agenda.ReasonSuperseded)); err != nil {
			return fmt.Errorf("replace a waiting run: %w", err)
		}
		if err := closeRun(ctx, tx, d.ID, agenda.Run{JobID: j.ID, Status: agenda.RunSkipped, Reason: agenda.ReasonSuperseded, EndedAt: d.Now}); err != nil {
			return err
		}
	}
	if err := stopJobs(ctx, tx, stopped, d); err != nil {
		return err
	}
	for _, r := range d.Outcome.Closed {
		if err := closeRun(ctx, tx, d.ID, r); err != nil {
			return err
		}
	}
	if d.Was != "" {
		if err := announceStatus(ctx, tx, plan{d.Tenant, d.ID, d.Name}, d.Was, st, d.Now); err != nil {
			return err
		}
	}
	if err := s.record(ctx, tx, d); err != nil {
		return err
	}
	if d.By != "" { // planners look at the time themselves
		tx.Hint(store.Hint{Topic: store.HintPlans})
	}
	return nil
}

func closeRun(ctx context.Context, tx Tx, id string, r agenda.Run) error {
	if _, err := tx.Exec(ctx, `UPDATE schedule_runs SET open = 0, status = $1, reason = $2, started_ms = $3, ended_ms = $4
		WHERE job_id = $5 AND schedule_id = $6`, string(r.Status), string(r.Reason), clock.Millis(r.StartedAt), clock.Millis(r.EndedAt), r.JobID, id); err != nil {
		return fmt.Errorf("record the end of a run: %w", err)
	}
	return nil
}

// stopJobs asks jobs to stop. One that has ended meanwhile needs nothing.
func stopJobs(ctx context.Context, tx Tx, list []job.Job, d store.Decided) error {
	by := d.By
	if by == "" {
		by = "schedule " + d.ID
	}
	for _, j := range list {
		if j.State.Terminal() {
			continue
		}
		c, err := job.Apply(j, job.CancelAsked{At: d.Now, By: by})
		if err != nil {
			return err
		}
		if _, err := change(ctx, tx, c); err != nil { // its row is locked
			return err
		}
		if err := dropCheckpoint(ctx, tx, c.After); err != nil {
			return err
		}
	}
	return nil
}

// record writes the history and the jobs.
func (s schedules) record(ctx context.Context, tx Tx, d store.Decided) error {
	jobs := d.Jobs
	var fired []job.Job
	for _, x := range d.Outcome.Decisions {
		if !x.Fire {
			if err := recordSkip(ctx, tx, d, x); err != nil {
				return err
			}
			if err := announceSkipped(ctx, tx, d, x); err != nil {
				return err
			}
			continue
		}
		if len(jobs) == 0 {
			return fmt.Errorf("schedule %s fires without a job", d.ID)
		}
		j := jobs[0]
		jobs = jobs[1:]
		is, err := recordRun(ctx, tx, d, x, j.ID)
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		fired = append(fired, j)
		if err := announceFired(ctx, tx, d, x, j.ID); err != nil {
			return err
		}
	}
	if len(fired) == 0 {
		return nil
	}
	first, err := s.NextSeq(ctx, tx, len(fired))
	if err != nil {
		return err
	}
	for i, j := range fired {
		j.Rank = rank.Natural(j.Zone(), first+int64(i))
		if _, err := addAsking(ctx, tx, j, requestAbout(d.Approvals, j.ID), d.Now); err != nil {
			return err
		}
	}
	tx.Hint(store.Hint{Topic: store.HintQueue})
	return nil
}

func recordSkip(ctx context.Context, tx Tx, d store.Decided, x agenda.Decision) error {
	if _, err := tx.Exec(ctx, `INSERT INTO schedule_skips (schedule_id, nominal_ms, reason, last_ms, nominals, decided_ms, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (schedule_id, nominal_ms, reason) DO UPDATE SET last_ms = excluded.last_ms,
		nominals = schedule_skips.nominals + excluded.nominals, decided_ms = excluded.decided_ms`,
		d.ID, clock.Millis(x.Nominal), string(x.Reason), clock.Millis(x.Last), x.Count, clock.Millis(d.Now), d.Version); err != nil {
		return fmt.Errorf("record a skipped nominal: %w", err)
	}
	return nil
}

// recordRun takes the fire key. It reports false when the nominal has fired.
func recordRun(ctx context.Context, tx Tx, d store.Decided, x agenda.Decision, jobID string) (bool, error) {
	again := 0
	if x.Source == agenda.SourceManual || x.Source == agenda.SourceBackfill && x.Again {
		if err := tx.Row(ctx, `SELECT coalesce(max(again), 0) + 1 FROM schedule_runs WHERE schedule_id = $1 AND nominal_ms = $2`,
			d.ID, clock.Millis(x.Nominal)).Scan(&again); err != nil {
			return false, fmt.Errorf("number a run: %w", err)
		}
	}
	planned := x.Due
	if x.Source == agenda.SourceCatchUp {
		planned = d.Now
	}
	if !x.NotBefore.IsZero() {
		planned = x.NotBefore
	}
	n, err := tx.Exec(ctx, `INSERT INTO schedule_runs (schedule_id, nominal_ms, again, previous_ms, due_ms, planned_ms, decided_ms, source,
		version, calendar_version, job_id, open, status, reason, started_ms, ended_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, '', '', 0, 0)
		ON CONFLICT (schedule_id, nominal_ms, again) DO NOTHING`,
		d.ID, clock.Millis(x.Nominal), again, clock.Millis(x.Previous), clock.Millis(x.Due), clock.Millis(planned), clock.Millis(d.Now),
		string(x.Source), d.Version, d.Outcome.State.Calendars, jobID)
	if err != nil {
		return false, fmt.Errorf("record a run: %w", err)
	}
	return n == 1, nil
}

func (s schedules) Claims(ctx context.Context, p store.KeepClaims) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
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
