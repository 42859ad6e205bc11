package portable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

type calendars struct{ *db }

func readCalendarVersion(ctx context.Context, tx Tx, tenant string) (int64, error) {
	var v int64
	err := tx.Row(ctx, `SELECT version FROM calendar_versions WHERE tenant = $1`, tenant).Scan(&v)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read calendar version: %w", err)
	}
	return v, nil
}

// raiseCalendarVersion comes first in each change, so that two of a tenant wait
// for each other.
func raiseCalendarVersion(ctx context.Context, tx Tx, tenant string) (int64, error) {
	var v int64
	if err := tx.Row(ctx, `INSERT INTO calendar_versions (tenant, version) VALUES ($1, 1)
		ON CONFLICT (tenant) DO UPDATE SET version = calendar_versions.version + 1 RETURNING version`, tenant).Scan(&v); err != nil {
		return 0, fmt.Errorf("raise calendar version: %w", err)
	}
	return v, nil
}

func (s calendars) Version(ctx context.Context, tenant string) (v int64, err error) {
	err = s.Read(ctx, func(ctx context.Context, tx Tx) error {
		v, err = readCalendarVersion(ctx, tx, tenant)
		return err
	})
	return v, err
}

func (s calendars) Overrides(ctx context.Context, tenant string) (store.Overrides, error) {
	var out store.Overrides
	err := s.Read(ctx, func(ctx context.Context, tx Tx) (err error) {
		// The version first: what is newer than it says is read once more.
		if out.Version, err = readCalendarVersion(ctx, tx, tenant); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT calendar, day, kind, opens, closes, break_start, break_end, reason, source, updated_by, updated_ms
			FROM calendar_overrides WHERE tenant = $1 ORDER BY calendar, day`, tenant)
		if err != nil {
			return fmt.Errorf("read calendar overrides: %w", err)
		}
		out.List, err = collect(rows, func(r Rows) (store.Override, error) {
			var o store.Override
			var day string
			var updated int64
			if err := r.Scan(&o.Calendar, &day, &o.Kind, &o.Open, &o.Close, &o.BreakStart, &o.BreakEnd, &o.Reason,
				&o.Source, &o.UpdatedBy, &updated); err != nil {
				return o, err
			}
			o.UpdatedAt = clock.FromMillis(updated)
			o.Date, err = calendar.ParseDate(day)
			return o, err
		})
		return err
	})
	return out, err
}

func (s calendars) Put(ctx context.Context, p store.PutOverrides) (version int64, err error) {
	err = s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if version, err = raiseCalendarVersion(ctx, tx, p.Tenant); err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.At)
		if err != nil {
			return err
		}
		if p.Replace {
			if _, err := tx.Exec(ctx, `DELETE FROM calendar_overrides WHERE tenant = $1 AND calendar = $2`, p.Tenant, p.Calendar); err != nil {
				return fmt.Errorf("replace calendar overrides: %w", err)
			}
		}
		for _, o := range p.List {
			if _, err := tx.Exec(ctx, `INSERT INTO calendar_overrides
				(tenant, calendar, day, kind, opens, closes, break_start, break_end, reason, source, updated_by, updated_ms)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
				ON CONFLICT (tenant, calendar, day) DO UPDATE SET kind = excluded.kind, opens = excluded.opens, closes = excluded.closes,
				break_start = excluded.break_start, break_end = excluded.break_end, reason = excluded.reason, source = excluded.source,
				updated_by = excluded.updated_by, updated_ms = excluded.updated_ms`,
				p.Tenant, p.Calendar, o.Date.String(), string(o.Kind), o.Open, o.Close, o.BreakStart, o.BreakEnd, o.Reason, p.Source, p.By, clock.Millis(now)); err != nil {
				return fmt.Errorf("put calendar override: %w", err)
			}
		}
		var n int
		if err := tx.Row(ctx, `SELECT count(*) FROM calendar_overrides WHERE tenant = $1 AND calendar = $2`, p.Tenant, p.Calendar).Scan(&n); err != nil {
			return fmt.Errorf("count calendar overrides: %w", err)
		}
		if n > calendar.MaxOverrides {
			return fault.Newf(fault.InvalidInput, "the calendar %s would have %d overrides, and %d is the most", p.Calendar, n, calendar.MaxOverrides)
		}
		if err := s.replan(ctx, tx, p.Tenant); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return version, err
}

func (s calendars) Delete(ctx context.Context, p store.DeleteOverrides) (version int64, err error) {
	err = s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if version, err = raiseCalendarVersion(ctx, tx, p.Tenant); err != nil {
			return err
		}
		var gone int64
		if p.Dates == nil {
			n, err := tx.Exec(ctx, `DELETE FROM calendar_overrides WHERE tenant = $1 AND calendar = $2`, p.Tenant, p.Calendar)
			if err != nil {
				return fmt.Errorf("delete calendar overrides: %w", err)
			}
			gone = n
		}
		for _, d := range p.Dates {
			n, err := tx.Exec(ctx, `DELETE FROM calendar_overrides WHERE tenant = $1 AND calendar = $2 AND day = $3`, p.Tenant, p.Calendar, d.String())
			if err != nil {
				return fmt.Errorf("delete calendar override: %w", err)
			}
			gone += n
		}
		if gone == 0 {
			return fault.Newf(fault.NotFound, "the calendar %s has no such override", p.Calendar)
		}
		if err := s.replan(ctx, tx, p.Tenant); err != nil {
			return err
		}
		return record(ctx, tx, p.Audit)
	})
	return version, err
}
