package portable

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

// This file announces what happens to schedules, and sets off those that wait for
// something inside of Runsheet. What has
// happened is written with the event, and only into rows of its own: it must not
// wait for a planner, nor a planner for it. The planner that claims the schedule
// gives it a nominal.

// happeningOf is what schedules call an event; "" = they cannot wait for it.
func happeningOf(e event.Event, s webhook.Subject) agenda.Happening {
	switch e.Type { //nolint:exhaustive // all others are none
	case event.JobRunCompleted:
		return agenda.JobCompleted
	case event.JobRunFailed:
		if s.Job != nil && s.Job.State == job.Failed { // it is not tried again
			return agenda.JobFailed
		}
	case event.ApprovalDecided, event.ApprovalExpired:
		if s.Approval != nil && s.Approval.Status != approval.Superseded {
			return agenda.ApprovalDecided
		}
	}
	return ""
}

func factsOf(s webhook.Subject, madeBy string) agenda.Facts {
	var f agenda.Facts
	if s.Approval != nil {
		f.Words = []string{string(s.Approval.Status), string(s.Approval.Kind), s.Approval.Subject.ID}
	}
	if s.Job != nil {
		f.Words, f.Labels = append(f.Words, s.Job.ID, s.Job.Name, s.Job.Type, s.Job.TemplateID), s.Job.Labels
	}
	if madeBy != "" {
		f.Words = append(f.Words, madeBy)
	}
	return f
}

// listener is a schedule that waits for something.
type listener struct {
	id, status string
	on         agenda.On
	madeBy     string // the schedule of the job that it is about
	depth      int
}

// setOff tells the schedules of a tenant that wait for it what has happened. A
// schedule is not set off by its own jobs.
func setOff(ctx context.Context, tx Tx, h agenda.Happening, e event.Event, s webhook.Subject) error {
	rows, err := tx.Query(ctx, `SELECT s.schedule_id, s.status, s.on_subject, s.on_delay_ms, coalesce(r.schedule_id, ''), coalesce(v.depth, 0)
		FROM schedules s LEFT JOIN schedule_runs r ON r.job_id = $1 AND r.job_id <> ''
		LEFT JOIN schedule_events v ON v.schedule_id = r.schedule_id AND v.nominal_ms = r.nominal_ms AND v.nominal_ms > 0
		WHERE s.tenant = $2 AND s.on_event = $3 AND s.deleted_ms = 0 AND s.status <> $4 ORDER BY s.schedule_id`,
		e.JobID, e.Tenant, string(h), string(agenda.Finished))
	if err != nil {
		return fmt.Errorf("look for schedules that wait for %s: %w", h, err)
	}
	list, err := collect(rows, func(r Rows) (l listener, err error) {
		var delay int64
		err = r.Scan(&l.id, &l.status, &l.on.Subject, &delay, &l.madeBy, &l.depth)
		l.on.Delay = fromMS(delay)
		return l, err
	})
	if err != nil {
		return err
	}
	for _, l := range list {
		if l.madeBy == l.id || !l.on.Wants(factsOf(s, l.madeBy)) {
			continue
		}
		waiting := 1
		if l.status != string(agenda.Active) {
			waiting = 2
		}
		if _, err := tx.Exec(ctx, `INSERT INTO schedule_events (schedule_id, event_id, at_ms, waiting, nominal_ms, depth, about)
			VALUES ($1, $2, $3, $4, 0, $5, $6)`, l.id, id.New(id.Event, e.At), clock.Millis(e.At.Add(l.on.Delay)), waiting, l.depth+1, e.JobID); err != nil {
			return fmt.Errorf("set off schedule %s: %w", l.id, err)
		}
		tx.Hint(store.Hint{Topic: store.HintPlans})
	}
	return nil
}

type happenings struct{ *db }

// Started is store.Happenings.Started.
func (s happenings) Started(ctx context.Context, p store.ServerStarted) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO schedule_events (schedule_id, event_id, at_ms, waiting, nominal_ms, depth, about)
			SELECT schedule_id, $1, $2, CASE WHEN status = $3 THEN 1 ELSE 2 END, 0, 1, '' FROM schedules
			WHERE on_event = $4 AND deleted_ms = 0 AND status <> $5
			ON CONFLICT (schedule_id, event_id) DO NOTHING`,
			p.By, clock.Millis(now), string(agenda.Active), string(agenda.ServerStarted), string(agenda.Finished))
		if err != nil {
			return fmt.Errorf("set off schedules by the start of a server: %w", err)
		}
		if err := s.replanAll(ctx, tx, clock.Millis(now)); err != nil {
			return err
		}
		if n > 0 {
			tx.Hint(store.Hint{Topic: store.HintPlans})
		}
		return nil
	})
}

// Expire is store.Happenings.Expire.
func (s happenings) Expire(ctx context.Context, p store.ExpireHappenings) (int, error) {
	var total int64
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		total = 0
		for _, query := range []string{
			`DELETE FROM schedule_events WHERE (schedule_id, event_id) IN (SELECT v.schedule_id, v.event_id FROM schedule_events v
				JOIN schedules s ON s.schedule_id = v.schedule_id
				WHERE v.at_ms < $1 AND (v.waiting = 0 AND v.nominal_ms <= s.cursor_ms OR s.deleted_ms > 0) LIMIT $2)`,
			`DELETE FROM schedule_skips WHERE (schedule_id, nominal_ms, reason) IN (SELECT schedule_id, nominal_ms, reason
				FROM schedule_skips WHERE decided_ms < $1 LIMIT $2)`,
			`DELETE FROM schedule_runs WHERE (schedule_id, nominal_ms, again) IN (SELECT r.schedule_id, r.nominal_ms, r.again
				FROM schedules s JOIN schedule_runs r ON r.schedule_id = s.schedule_id WHERE s.deleted_ms > 0 AND s.deleted_ms < $1
				AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job_id = r.job_id) LIMIT $2)`,
		} {
			n, err := tx.Exec(ctx, query, clock.Millis(p.Before), p.Limit)
			if err != nil {
				return fmt.Errorf("delete old history of schedules: %w", err)
			}
			total += n
		}
		n, err := s.condense(ctx, tx, p.Limit)
		total += n
		return err
	})
	return int(total), err
}

// maxGiven is how many happenings of a schedule get nominals in one claim.
const maxGiven = 1000

// giveNominals makes nominals of what the claimed schedules wait for, in the order
// in which it happened, and never one at or before the cursor.
func giveNominals(ctx context.Context, tx Tx, nowMS int64, items []store.DueSchedule) error {
	for i := range items {
		d := &items[i]
		if d.Schedule.On.Event == "" {
			continue
		}
		ids, at, err := waitingHappenings(ctx, tx, d.Schedule.ID, nowMS)
		if err != nil {
			return err
		}
		var given sql.NullInt64
		if err := tx.Row(ctx, `SELECT max(nominal_ms) FROM schedule_events WHERE schedule_id = $1 AND nominal_ms > 0`, d.Schedule.ID).Scan(&given); err != nil {
			return fmt.Errorf("read the last nominal of a schedule: %w", err)
		}
		last := max(given.Int64, clock.Millis(d.Schedule.State.Cursor))
		for k, id := range ids {
			last = max(at[k], last+1)
			if _, err := tx.Exec(ctx, `UPDATE schedule_events SET waiting = 0, nominal_ms = $1 WHERE schedule_id = $2 AND event_id = $3`,
				last, d.Schedule.ID, id); err != nil {
				return fmt.Errorf("give a nominal: %w", err)
			}
		}
		if len(ids) > 0 {
			// Whoever takes over from this planner must see that there is something to do.
			if _, err := tx.Exec(ctx, `UPDATE schedules SET next_ms = $1 WHERE schedule_id = $2`, nowMS, d.Schedule.ID); err != nil {
				return fmt.Errorf("make a schedule due: %w", err)
			}
		}
		if d.Happened, err = happened(ctx, tx, d.Schedule); err != nil {
			return err
		}
	}
	return nil
}

func waitingHappenings(ctx context.Context, tx Tx, scheduleID string, nowMS int64) (ids []string, at []int64, err error) {
	rows, err := tx.Query(ctx, `SELECT event_id, at_ms FROM schedule_events WHERE schedule_id = $1 AND waiting > 0 AND at_ms <= $2
		ORDER BY at_ms, event_id LIMIT $3`, scheduleID, nowMS, maxGiven)
	if err != nil {
		return nil, nil, fmt.Errorf("read what a schedule waits for: %w", err)
	}
	_, err = collect(rows, func(r Rows) (struct{}, error) {
		var id string
		var ms int64
		err := r.Scan(&id, &ms)
		ids, at = append(ids, id), append(at, ms)
		return struct{}{}, err
	})
	return ids, at, err
}

// happened returns what is not decided yet, and the one before, which is where the
// interval of data begins.
func happened(ctx context.Context, tx Tx, s agenda.Schedule) ([]agenda.Happened, error) {
	var before sql.NullInt64
	cursor := clock.Millis(s.State.Cursor)
	if err := tx.Row(ctx, `SELECT max(nominal_ms) FROM schedule_events WHERE schedule_id = $1 AND nominal_ms > 0 AND nominal_ms <= $2`,
		s.ID, cursor).Scan(&before); err != nil {
		return nil, fmt.Errorf("read the nominal before: %w", err)
	}
	from := cursor + 1
	if before.Valid {
		from = before.Int64
	}
	rows, err := tx.Query(ctx, `SELECT nominal_ms, depth FROM schedule_events WHERE schedule_id = $1 AND nominal_ms > 0 AND nominal_ms >= $2
		ORDER BY nominal_ms`, s.ID, from)
	if err != nil {
		return nil, fmt.Errorf("read the nominals of a schedule: %w", err)
	}
	return collect(rows, func(r Rows) (h agenda.Happened, err error) {
		var ms int64
		err = r.Scan(&ms, &h.Depth)
		h.Nominal = clock.FromMillis(ms)
		return h, err
	})
}

// forgetHappenings drops what happened before a schedule was edited.
func forgetHappenings(ctx context.Context, tx Tx, s agenda.Schedule) error {
	until := clock.Millis(s.State.Cursor)
	if s.On.Event == "" {
		until = 1 << 62
	}
	if _, err := tx.Exec(ctx, `DELETE FROM schedule_events WHERE schedule_id = $1 AND waiting > 0 AND at_ms <= $2`, s.ID, until); err != nil {
		return fmt.Errorf("forget what a schedule waited for: %w", err)
	}
	return nil
}

// plan names a schedule in its events.
type plan struct{ tenant, id, name string }

func planOf(s agenda.Schedule) plan { return plan{s.Tenant, s.ID, s.Name} }

// planEvent is an event about a schedule, with pairs of names and values; those
// without a value are left out.
func planEvent(p plan, t event.Type, at time.Time, pairs ...string) event.Event {
	data := map[string]string{"schedule_id": p.id, "name": p.name}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			data[pairs[i]] = pairs[i+1]
		}
	}
	return event.Event{Tenant: p.tenant, Type: t, At: at, Data: data}
}

// announcePlan announces a planEvent.
func announcePlan(ctx context.Context, tx Tx, p plan, t event.Type, at time.Time, pairs ...string) error {
	return announce(ctx, tx, []event.Event{planEvent(p, t, at, pairs...)})
}

// announceStatus announces that a schedule has another status than before.
func announceStatus(ctx context.Context, tx Tx, p plan, was agenda.Status, st agenda.State, at time.Time) error {
	if was == st.Status {
		return nil
	}
	switch st.Status {
	case agenda.Paused:
		return announcePlan(ctx, tx, p, event.SchedulePaused, at, "reason", st.StatusReason, "by", st.StatusBy, "job_id", st.StatusRun)
	case agenda.Finished:
		return announcePlan(ctx, tx, p, event.ScheduleFinished, at, "reason", st.StatusReason)
	case agenda.Active:
		if was == agenda.Paused {
			return announcePlan(ctx, tx, p, event.ScheduleResumed, at)
		}
	}
	return nil
}

// firedEvent is announced with the job of a nominal that fires.
func firedEvent(d store.Decided, x agenda.Decision, jobID string) event.Event {
	return planEvent(plan{d.Tenant, d.ID, d.Name}, event.ScheduleFired, d.Now, "version", strconv.Itoa(d.Version),
		"nominal_at", instant(x.Nominal), "job_id", jobID, "source", string(x.Source))
}

// skippedEvent is announced with the row of nominals that do not fire.
func skippedEvent(d store.Decided, x agenda.Decision) event.Event {
	return planEvent(plan{d.Tenant, d.ID, d.Name}, event.ScheduleSkipped, d.Now, "reason", string(x.Reason),
		"nominal_at", instant(x.Nominal), "last_at", instant(x.Last), "count", strconv.FormatInt(x.Count, 10))
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// reviveHappenings keeps what is still to set off a schedule from being overlooked
// when it goes on, or when its cursor moves back because the clock was wrong.
func reviveHappenings(ctx context.Context, tx Tx, before, after agenda.Schedule) error {
	if was, is := clock.Millis(before.State.Cursor), clock.Millis(after.State.Cursor); is < was {
		// The nominals that are given lie ahead of the clock, too.
		if _, err := tx.Exec(ctx, `DELETE FROM schedule_events WHERE schedule_id = $1 AND nominal_ms > $2 AND nominal_ms <= $3`,
			after.ID, is, was); err != nil {
			return fmt.Errorf("forget nominals ahead of the clock: %w", err)
		}
		if _, err := tx.Exec(ctx, `UPDATE schedule_events SET waiting = 1, nominal_ms = 0 WHERE schedule_id = $1 AND nominal_ms > $2`,
			after.ID, is); err != nil {
			return fmt.Errorf("take back nominals ahead of the clock: %w", err)
		}
	}
	if after.State.Status != agenda.Active || before.State.Status == agenda.Active {
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE schedule_events SET waiting = 1 WHERE schedule_id = $1 AND waiting = 2`, after.ID); err != nil {
		return fmt.Errorf("wake what a schedule waits for: %w", err)
	}
	return nil
}

// replanAll lets all schedules that go by calendars look for their next nominal
// again: the server that starts may have other calendars than the one before.
func (d *db) replanAll(ctx context.Context, tx Tx, nowMS int64) error {
	ids, err := texts(ctx, tx, `SELECT schedule_id FROM schedules WHERE uses_calendar = 1 AND next_ms > $1 ORDER BY schedule_id`, nowMS)
	if err != nil {
		return fmt.Errorf("look for schedules with calendars: %w", err)
	}
	if err := d.LockSchedules(ctx, tx, ids); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE schedules SET next_ms = $1, claimed_by = '', claimed_until_ms = 0, claim_epoch = claim_epoch + 1
		WHERE uses_calendar = 1 AND next_ms > $2`, nowMS, nowMS); err != nil {
		return fmt.Errorf("plan schedules with calendars again: %w", err)
	}
	return nil
}

// condense bounds what paused schedules keep of what happens meanwhile: the oldest,
// at most limit, become one row of skipped nominals. It also wakes what was written
// for a paused schedule while a person resumed it.
func (d *db) condense(ctx context.Context, tx Tx, limit int) (int64, error) {
	if _, err := tx.Exec(ctx, `UPDATE schedule_events SET waiting = 1 WHERE waiting = 2 AND schedule_id IN
		(SELECT schedule_id FROM schedules WHERE on_event <> '' AND status = $1 AND deleted_ms = 0)`, string(agenda.Active)); err != nil {
		return 0, fmt.Errorf("wake what schedules wait for: %w", err)
	}
	ids, err := texts(ctx, tx, `SELECT v.schedule_id FROM schedule_events v JOIN schedules s ON s.schedule_id = v.schedule_id
		WHERE v.waiting > 0 AND s.status = $1 AND s.deleted_ms = 0 GROUP BY v.schedule_id HAVING count(*) > $2 ORDER BY v.schedule_id`,
		string(agenda.Paused), maxGiven)
	if err != nil {
		return 0, fmt.Errorf("look for what paused schedules keep: %w", err)
	}
	if err := d.LockSchedules(ctx, tx, ids); err != nil {
		return 0, err
	}
	var total int64
	for _, id := range ids {
		n, err := condenseOne(ctx, tx, id, limit)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func condenseOne(ctx context.Context, tx Tx, id string, limit int) (int64, error) {
	due, err := scanDue(tx.Row(ctx, `SELECT `+scheduleColumns+` FROM schedules WHERE schedule_id = $1`, id).Scan)
	if err != nil || due.Schedule.State.Status != agenda.Paused {
		return 0, err
	}
	rows, err := tx.Query(ctx, `SELECT event_id, at_ms FROM schedule_events WHERE schedule_id = $1 AND waiting > 0
		ORDER BY at_ms DESC, event_id DESC LIMIT $2 OFFSET $3`, id, limit, maxGiven)
	if err != nil {
		return 0, fmt.Errorf("read what a paused schedule keeps: %w", err)
	}
	var events []string
	var first, last int64
	if _, err := collect(rows, func(r Rows) (struct{}, error) {
		var event string
		err := r.Scan(&event, &first)
		if events = append(events, event); len(events) == 1 {
			last = first
		}
		return struct{}{}, err
	}); err != nil || len(events) == 0 {
		return 0, err
	}
	w := where{args: []any{id}, conds: []string{"schedule_id = $1"}}
	in(&w, "event_id", events)
	n, err := tx.Exec(ctx, `DELETE FROM schedule_events`+w.String(), w.args...)
	if err != nil {
		return 0, fmt.Errorf("delete what a paused schedule keeps: %w", err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO schedule_skips (schedule_id, nominal_ms, reason, last_ms, nominals, decided_ms, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (schedule_id, nominal_ms, reason) DO UPDATE SET last_ms = excluded.last_ms,
		nominals = schedule_skips.nominals + excluded.nominals, decided_ms = excluded.decided_ms`,
		id, first, string(agenda.ReasonPaused), last, n, last, due.Schedule.Version); err != nil {
		return 0, fmt.Errorf("record skipped nominals: %w", err)
	}
	st := due.Schedule.State
	if st.Skips = maps.Clone(st.Skips); st.Skips == nil {
		st.Skips = map[agenda.Reason]int64{}
	}
	st.Skips[agenda.ReasonPaused] += n
	if _, err := tx.Exec(ctx, `UPDATE schedules SET state = $1, claim_epoch = claim_epoch + 1 WHERE schedule_id = $2`, encode(st), id); err != nil {
		return 0, fmt.Errorf("count skipped nominals: %w", err)
	}
	return n, nil
}
