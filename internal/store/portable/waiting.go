package portable

import (
	"context"
	"database/sql"
	"fmt"
	"maps"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
)

// This file looks after what schedules wait for when they change, and while they are
// paused.

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
	if _, err := collect(rows, func(r *sql.Rows) (struct{}, error) {
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
