package portable

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type schedules struct{ *db }

// scheduleBody is what a version of a schedule holds. It is stored as JSON: fields
// may be added, never renamed.
type scheduleBody struct {
	Description string            `json:"description,omitempty"`
	Trigger     json.RawMessage   `json:"trigger,omitempty"`
	Zone        string            `json:"zone"`
	Target      agenda.Target     `json:"target"`
	Mode        agenda.Mode       `json:"mode"`
	Policy      schedulePolicy    `json:"policy"`
	Labels      map[string]string `json:"labels,omitempty"`
}

// schedulePolicy has the fields of agenda.Policy under names that stay.
type schedulePolicy struct {
	Overlap         agenda.Overlap `json:"overlap"`
	MaxQueued       int            `json:"max_queued"`
	MaxParallel     int            `json:"max_parallel,omitempty"`
	Missed          agenda.Missed  `json:"missed,omitempty"`
	GraceMS         int64          `json:"grace_ms"`
	CatchUpWindowMS int64          `json:"catch_up_window_ms"`
	MaxCatchUp      int            `json:"max_catch_up"`
	MinIntervalMS   int64          `json:"min_interval_ms,omitempty"`
	MinIntervalFrom agenda.From    `json:"min_interval_from,omitempty"`
	JitterMS        int64          `json:"jitter_ms,omitempty"`
	OffsetMS        int64          `json:"offset_ms,omitempty"`
	StartDeadlineMS int64          `json:"start_deadline_ms,omitempty"`
	PauseOnFailure  int            `json:"pause_on_failure,omitempty"`
	MaxRuns         int            `json:"max_runs,omitempty"`
}

func policyBody(p agenda.Policy) schedulePolicy {
	return schedulePolicy{
		p.Overlap, p.MaxQueued, p.MaxParallel, p.Missed, p.Grace.Milliseconds(), p.CatchUpWindow.Milliseconds(), p.MaxCatchUp,
		p.MinInterval.Milliseconds(), p.MinIntervalFrom, p.Jitter.Milliseconds(), p.Offset.Milliseconds(),
		p.StartDeadline.Milliseconds(), p.PauseOnFailure, p.MaxRuns,
	}
}

func (b schedulePolicy) policy() agenda.Policy {
	return agenda.Policy{
		Overlap: b.Overlap, MaxQueued: b.MaxQueued, MaxParallel: b.MaxParallel, Missed: b.Missed, Grace: fromMS(b.GraceMS),
		CatchUpWindow: fromMS(b.CatchUpWindowMS), MaxCatchUp: b.MaxCatchUp, MinInterval: fromMS(b.MinIntervalMS),
		MinIntervalFrom: b.MinIntervalFrom, Jitter: fromMS(b.JitterMS), Offset: fromMS(b.OffsetMS),
		StartDeadline: fromMS(b.StartDeadlineMS), PauseOnFailure: b.PauseOnFailure, MaxRuns: b.MaxRuns,
	}
}

func scheduleBodyOf(d agenda.Definition) string {
	return encode(scheduleBody{d.Description, d.Trigger, d.Zone, d.Target, d.Mode, policyBody(d.Policy), d.Labels})
}

func readBody(text string, d *agenda.Definition) error {
	var b scheduleBody
	if err := decode(text, &b); err != nil {
		return err
	}
	d.Description, d.Trigger, d.Zone, d.Target, d.Mode, d.Labels = b.Description, b.Trigger, b.Zone, b.Target, b.Mode, b.Labels
	d.Policy = b.Policy.policy()
	return nil
}

const scheduleColumns = `schedule_id, tenant, name, version, body, uses_calendar, status, state, cursor_ms, next_ms, awaits_end,
	claimed_by, claimed_until_ms, created_by, created_ms, updated_ms, claim_epoch, changed_by, on_event, on_subject, on_delay_ms`

// scanned is a row of schedules.
func scanDue(scan func(...any) error) (store.DueSchedule, error) {
	var out store.DueSchedule
	s := &out.Schedule
	var body, state string
	var status agenda.Status
	var cursor, next, until, created, updated, delay int64
	if err := scan(&s.ID, &s.Tenant, &s.Name, &s.Version, &body, &s.UsesCalendar, &status, &state, &cursor, &next, &s.State.AwaitsEnd,
		&s.ClaimedBy, &until, &s.CreatedBy, &created, &updated, &out.Epoch, &s.ChangedBy,
		&s.On.Event, &s.On.Subject, &delay); err != nil {
		return out, err
	}
	awaits := s.State.AwaitsEnd
	s.On.Delay = fromMS(delay)
	if err := decode(state, &s.State); err != nil {
		return out, err
	}
	s.State.AwaitsEnd, s.State.Status = awaits, status
	s.State.Cursor, s.State.Next = clock.FromMillis(cursor), clock.FromMillis(next)
	s.ClaimedUntil, s.CreatedAt, s.UpdatedAt = clock.FromMillis(until), clock.FromMillis(created), clock.FromMillis(updated)
	return out, readBody(body, &s.Definition)
}

func storedSchedule(s agenda.Schedule) agenda.Schedule {
	s.CreatedAt, s.UpdatedAt = clock.FromMillis(clock.Millis(s.CreatedAt)), clock.FromMillis(clock.Millis(s.UpdatedAt))
	s.State.Cursor, s.State.Next = clock.FromMillis(clock.Millis(s.State.Cursor)), clock.FromMillis(clock.Millis(s.State.Next))
	s.ClaimedBy = ""
	s.ClaimedUntil = clock.FromMillis(0)
	return s
}

func (s schedules) Create(ctx context.Context, p store.PutSchedule) (agenda.Schedule, error) {
	d := storedSchedule(p.Schedule)
	d.Version, d.CreatedBy, d.ChangedBy = 1, p.By, p.By
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO schedules (`+scheduleColumns+`, name_folded, deleted_ms)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', 0, $12, $13, $14, 1, $15, $16, $17, $18, $19, 0)
			ON CONFLICT (tenant, name) WHERE deleted_ms = 0 DO NOTHING`,
			d.ID, d.Tenant, d.Name, d.Version, scheduleBodyOf(d.Definition), flag(d.UsesCalendar), string(d.State.Status), encode(d.State),
			clock.Millis(d.State.Cursor), clock.Millis(d.State.Next), flag(d.State.AwaitsEnd), d.CreatedBy,
			clock.Millis(d.CreatedAt), clock.Millis(d.UpdatedAt), d.ChangedBy, string(d.On.Event), d.On.Subject, d.On.Delay.Milliseconds(), fold(d.Name))
		if err != nil {
			return fmt.Errorf("insert schedule: %w", err)
		}
		if n == 0 {
			return scheduleTaken(d.Name)
		}
		if err := keepSchedule(ctx, tx, d, p.By); err != nil {
			return err
		}
		if err := announcePlan(ctx, tx, planOf(d), event.ScheduleCreated, d.CreatedAt); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintPlans})
		if err := storeKey(ctx, tx, p.Key, d); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return d, err
}

func scheduleTaken(name string) error {
	return fault.Newf(fault.NameTaken, "a schedule named %q exists", name).At("/name", string(fault.NameTaken), "is taken")
}

// keepSchedule keeps a version, and gives the lock of its runs as many units as may
// run beside each other.
func keepSchedule(ctx context.Context, tx Tx, d agenda.Schedule, by string) error {
	if _, err := tx.Exec(ctx, `INSERT INTO schedule_versions (schedule_id, version, name, body, created_by, created_ms)
		VALUES ($1, $2, $3, $4, $5, $6)`, d.ID, d.Version, d.Name, scheduleBodyOf(d.Definition), by, clock.Millis(d.UpdatedAt)); err != nil {
		return fmt.Errorf("insert schedule version: %w", err)
	}
	lock := agenda.LockName(d.ID)
	if d.Policy.Overlap != agenda.OverlapAllow || d.Policy.MaxParallel < 2 {
		if _, err := tx.Exec(ctx, `DELETE FROM lock_capacities WHERE name = $1`, lock); err != nil {
			return fmt.Errorf("forget the capacity of a schedule: %w", err)
		}
		return nil
	}
	if _, err := tx.Exec(ctx, `INSERT INTO lock_capacities (name, capacity, updated_ms) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET capacity = excluded.capacity, updated_ms = excluded.updated_ms`,
		lock, d.Policy.MaxParallel, clock.Millis(d.UpdatedAt)); err != nil {
		return fmt.Errorf("set the capacity of a schedule: %w", err)
	}
	return nil
}

// scheduleBy asks by id and then by name: with both in one query, SQLite goes through
// all schedules of the tenant.
func scheduleBy(ctx context.Context, tx Tx, tenant, idOrName string) (store.DueSchedule, error) {
	for _, column := range []string{"schedule_id", "name"} {
		d, err := scanDue(tx.Row(ctx, `SELECT `+scheduleColumns+` FROM schedules WHERE tenant = $1 AND `+column+` = $2 AND deleted_ms = 0`,
			tenant, idOrName).Scan)
		if !errors.Is(err, sql.ErrNoRows) {
			return d, err
		}
	}
	return store.DueSchedule{}, fault.Newf(fault.NotFound, "no schedule %s", idOrName)
}

func (s schedules) Schedule(ctx context.Context, tenant, idOrName string) (agenda.Schedule, error) {
	var d store.DueSchedule
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		d, err = scheduleBy(ctx, tx, tenant, idOrName)
		return err
	})
	return d.Schedule, err
}

func (s schedules) Version(ctx context.Context, tenant, id string, version int) (agenda.Schedule, error) {
	var d store.DueSchedule
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		if d, err = scheduleBy(ctx, tx, tenant, id); err != nil {
			return err
		}
		var body string
		var at int64
		err = tx.Row(ctx, `SELECT version, name, body, created_by, created_ms FROM schedule_versions WHERE schedule_id = $1 AND version = $2`,
			d.Schedule.ID, version).Scan(&d.Schedule.Version, &d.Schedule.Name, &body, &d.Schedule.ChangedBy, &at)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.Newf(fault.NotFound, "no version %d of schedule %s", version, id)
		}
		if err != nil {
			return fmt.Errorf("read schedule version: %w", err)
		}
		d.Schedule.UpdatedAt = clock.FromMillis(at)
		return readBody(body, &d.Schedule.Definition)
	})
	return d.Schedule, err
}

// nextOrNever orders schedules by when they are due; never is behind all times.
const (
	nextOrNever = "CASE WHEN next_ms > 0 THEN next_ms ELSE 9007199254740991 END"
	never       = 1<<53 - 1
)

func (s schedules) List(ctx context.Context, p store.ListSchedules) (store.SchedulePage, error) {
	var w where
	w.add("tenant = %s", p.Tenant)
	w.conds = append(w.conds, "deleted_ms = 0")
	w.contains("name_folded", p.Text)
	in(&w, "status", p.Statuses)
	w.targets(p.Templates)
	for _, k := range slices.Sorted(maps.Keys(p.Labels)) {
		// A first sieve: the labels of the job that it starts are in the body, too.
		w.add("replace(body, %s, '') <> body", encode(k)+":"+encode(p.Labels[k]))
	}
	by := "name"
	switch {
	case p.ByNext:
		by = nextOrNever + ", name"
		if p.AfterName != "" {
			at := int64(never)
			if !p.AfterNext.IsZero() {
				at = clock.Millis(p.AfterNext)
			}
			w.add("("+nextOrNever+", name) > (%s, %s)", at, p.AfterName)
		}
	case p.AfterName != "":
		w.add("name > %s", p.AfterName)
	}
	query := fmt.Sprintf(`SELECT %s FROM schedules%s ORDER BY %s`, scheduleColumns, w.String(), by)
	if len(p.Labels) == 0 {
		query += fmt.Sprintf(` LIMIT %d`, p.Limit+1)
	}
	var (
		page  store.SchedulePage
		items []store.DueSchedule
	)
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		if items, err = listed(ctx, tx, query, w.args, p); err != nil {
			return err
		}
		if page.More = len(items) > p.Limit; page.More {
			items = items[:p.Limit]
		}
		if len(items) == 0 {
			return nil
		}
		return openRuns(ctx, tx, items)
	})
	for _, d := range items {
		page.Schedules = append(page.Schedules, d.Current())
	}
	return page, err
}

// listed reads one schedule more than a page, if there are as many.
func listed(ctx context.Context, tx Tx, query string, args []any, p store.ListSchedules) ([]store.DueSchedule, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	var items []store.DueSchedule
	for len(items) <= p.Limit && rows.Next() {
		d, err := scanDue(rows.Scan)
		if err != nil {
			return nil, err
		}
		if hasLabels(d.Schedule.Labels, p.Labels) {
			items = append(items, d)
		}
	}
	return items, rows.Err()
}

func hasLabels(has, wanted map[string]string) bool {
	for k, v := range wanted {
		if got, ok := has[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func (s schedules) Update(ctx context.Context, p store.PutSchedule) (agenda.Schedule, error) {
	d := storedSchedule(p.Schedule)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		var taken int
		if err := tx.Row(ctx, `SELECT count(*) FROM schedules WHERE tenant = $1 AND name = $2 AND deleted_ms = 0 AND schedule_id <> $3`,
			d.Tenant, d.Name, d.ID).Scan(&taken); err != nil {
			return fmt.Errorf("check schedule name: %w", err)
		}
		if taken > 0 {
			return scheduleTaken(d.Name)
		}
		now, err := scheduleBy(ctx, tx, d.Tenant, d.ID)
		if err != nil {
			return err
		}
		if v := now.Schedule.Version; d.Version != v && d.Version != v+1 {
			return fault.Newf(fault.VersionMismatch, "schedule %s has version %d by now", d.ID, v)
		}
		epoch := now.Epoch
		if p.Epoch != 0 {
			epoch = p.Epoch
		}
		if d.ChangedBy = now.Schedule.ChangedBy; d.Version != now.Schedule.Version {
			d.ChangedBy = p.By
		}
		if err := s.lockUnawaited(ctx, tx, d); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE schedules SET name = $1, name_folded = $2, version = $3, body = $4, uses_calendar = $5, status = $6,
			state = $7, cursor_ms = $8, next_ms = $9, awaits_end = $10, updated_ms = $11, changed_by = $12, on_event = $13, on_subject = $14,
			on_delay_ms = $15, claimed_by = '', claimed_until_ms = 0, claim_epoch = claim_epoch + 1
			WHERE schedule_id = $16 AND tenant = $17 AND version = $18 AND claim_epoch = $19 AND deleted_ms = 0`,
			d.Name, fold(d.Name), d.Version, scheduleBodyOf(d.Definition), flag(d.UsesCalendar), string(d.State.Status), encode(d.State),
			clock.Millis(d.State.Cursor), clock.Millis(d.State.Next), flag(d.State.AwaitsEnd), clock.Millis(d.UpdatedAt),
			d.ChangedBy, string(d.On.Event), d.On.Subject, d.On.Delay.Milliseconds(), d.ID, d.Tenant, now.Schedule.Version, epoch)
		if err != nil {
			return fmt.Errorf("update schedule: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.Conflict, "schedule %s changed meanwhile", d.ID)
		}
		if d.Version != now.Schedule.Version {
			if err := keepSchedule(ctx, tx, d, p.By); err != nil {
				return err
			}
			if err := forgetHappenings(ctx, tx, d); err != nil {
				return err
			}
			if err := announcePlan(ctx, tx, planOf(d), event.ScheduleUpdated, d.UpdatedAt, "version", strconv.Itoa(d.Version)); err != nil {
				return err
			}
		}
		if err := reviveHappenings(ctx, tx, now.Schedule, d); err != nil {
			return err
		}
		at, err := s.Now(ctx, tx, time.Time{})
		if err != nil {
			return err
		}
		if err := awaitOrForget(ctx, tx, d, at); err != nil {
			return err
		}
		if err := announceStatus(ctx, tx, planOf(d), now.Schedule.State.Status, d.State, at); err != nil {
			return err
		}
		tx.Hint(store.Hint{Topic: store.HintPlans})
		if err := storeKey(ctx, tx, p.Key, d); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return d, err
}

// lockUnawaited locks what unawaited lists, before the schedule's own row.
func (s schedules) lockUnawaited(ctx context.Context, tx Tx, d agenda.Schedule) error {
	if !d.State.AwaitsEnd {
		return nil
	}
	open, err := unawaited(ctx, tx, []string{d.ID})
	if err != nil {
		return err
	}
	for _, id := range open {
		if err := s.LockJob(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

func awaitOrForget(ctx context.Context, tx Tx, d agenda.Schedule, at time.Time) error {
	if d.State.AwaitsEnd {
		return awaitEnds(ctx, tx, clock.Millis(at), []string{d.ID})
	}
	return forgetAwaited(ctx, tx, d.ID)
}

func (s schedules) Delete(ctx context.Context, p store.DeleteSchedule) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		gone := plan{tenant: p.Tenant, id: p.ID}
		err := tx.Row(ctx, `UPDATE schedules SET deleted_ms = $1, next_ms = 0, awaits_end = 0, uses_calendar = 0, claimed_by = '',
			claimed_until_ms = 0, claim_epoch = claim_epoch + 1 WHERE schedule_id = $2 AND tenant = $3 AND deleted_ms = 0 RETURNING name`,
			clock.Millis(p.At), p.ID, p.Tenant).Scan(&gone.name)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.Newf(fault.NotFound, "no schedule %s", p.ID)
		}
		if err != nil {
			return fmt.Errorf("delete schedule: %w", err)
		}
		if err := announcePlan(ctx, tx, gone, event.ScheduleDeleted, p.At); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM lock_capacities WHERE name = $1`, agenda.LockName(p.ID)); err != nil {
			return fmt.Errorf("forget the capacity of a schedule: %w", err)
		}
		if err := forgetAwaited(ctx, tx, p.ID); err != nil {
			return err
		}
		if err := forgetHappenings(ctx, tx, agenda.Schedule{ID: p.ID}); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
}

func fromMS(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
