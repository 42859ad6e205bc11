package sqlite

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// Now is the process's clock: the file lock keeps other writers out, so there
// is no other clock to agree with.
func (e *engine) Now(_ context.Context, _ portable.Tx, given time.Time) (time.Time, error) {
	if given.IsZero() {
		return e.clock.Now().UTC().Truncate(time.Millisecond), nil
	}
	return given, nil
}

// NowLater is Now.
func (e *engine) NowLater(ctx context.Context, tx portable.Tx, given time.Time, now *time.Time) (err error) {
	*now, err = e.Now(ctx, tx, given)
	return err
}

// Clock is Now.
func (e *engine) Clock(given time.Time, n int) (expr string, arg any) {
	if given.IsZero() {
		given = e.clock.Now()
	}
	return fmt.Sprintf("$%d", n), clock.Millis(given)
}

// MaxParams is small: SQLite looks a parameter's name up in a list of all names
// when it is bound, so the cost grows with the square of their number.
func (e *engine) MaxParams() int { return 128 }

// LockQueue does nothing: the writer runs one transaction at a time.
func (e *engine) LockQueue(context.Context, portable.Tx) error { return nil }

// NextSeq counts in the queue's row.
func (e *engine) NextSeq(ctx context.Context, tx portable.Tx, n int) (int64, error) {
	var last int64
	if err := tx.Row(ctx, `UPDATE queue SET next_seq = next_seq + $1 WHERE id = 1 RETURNING next_seq`, n).Scan(&last); err != nil {
		return 0, fmt.Errorf("reserve places: %w", err)
	}
	return last - int64(n) + 1, nil
}

// LockJob does nothing, as LockQueue.
func (e *engine) LockJob(context.Context, portable.Tx, string) error { return nil }

// LockAttempt only reads, as LockQueue.
func (e *engine) LockAttempt(ctx context.Context, tx portable.Tx, id string) (portable.Attempt, error) {
	return portable.ScanAttempt(tx.Row(ctx, `SELECT `+portable.AttemptColumns+` FROM jobs WHERE job_id = $1`, id).Scan)
}

// ForUpdate is nothing, as LockQueue.
func (e *engine) ForUpdate() string { return "" }

// OneOf is a list.
func (e *engine) OneOf(column string, n int, list []string) (cond string, args []any) {
	return portable.OneOf(column, n, list)
}

// Columnwise would need a function that SQLite has for JSON only.
func (e *engine) Columnwise() bool { return false }

// LockStep only reads, as LockQueue; the time is the caller's.
func (e *engine) LockStep(ctx context.Context, tx portable.Tx, runID, jobID string) (portable.Begun, error) {
	b, err := portable.ScanBegun(tx.Row(ctx, beginStep, runID, jobID))
	b.Now = e.clock.Now().UTC().Truncate(time.Millisecond)
	return b, err
}

var beginStep = portable.BegunQuery("0", "")

// LockContent does nothing, as LockQueue.
func (e *engine) LockContent(context.Context, portable.Tx, string) error { return nil }

// EventsSince reads by sequence number: with one writer, numbers are given in
// commit order.
func (e *engine) EventsSince(ctx context.Context, tenant string, seq int64, limit int) ([]event.Event, error) {
	var out []event.Event
	err := e.Read(ctx, func(ctx context.Context, tx portable.Tx) (err error) {
		out, err = portable.ReadEvents(ctx, tx, tenant, seq, limit)
		return err
	})
	return out, err
}

// lastEvent reads the last number that was given.
const lastEvent = `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)`

// EventRange reads the last number from where SQLite keeps it, because the
// event that had it may be gone.
func (e *engine) EventRange(ctx context.Context) (event.Range, error) {
	var r event.Range
	err := e.Read(ctx, func(ctx context.Context, tx portable.Tx) (err error) {
		if err := tx.Row(ctx, lastEvent).Scan(&r.Last); err != nil {
			return fmt.Errorf("read the last event's number: %w", err)
		}
		r.Floor, err = portable.ReadFloor(ctx, tx, r.Last)
		return err
	})
	return r, err
}

// Measure implements portable.Hot. Numbers are given in the transaction that
// announces, so no event is without.
func (e *engine) Measure(ctx context.Context, tx portable.Tx, s *store.Survey) error {
	if err := tx.Row(ctx, `SELECT coalesce(max(seq), 0) FROM events`).Scan(&s.LastEvent); err != nil {
		return fmt.Errorf("look for the last event: %w", err)
	}
	if e.wal == "" {
		return nil // in memory, or on a file layer of a test
	}
	for path, size := range map[string]*int64{e.wal: &s.LogBytes, strings.TrimSuffix(e.wal, "-wal"): &s.DatabaseBytes} {
		if st, err := os.Stat(path); err == nil {
			*size = st.Size()
		} else if !os.IsNotExist(err) {
			return fmt.Errorf("look at the database file: %w", err)
		}
	}
	return nil
}

// Version implements store.Health.
func (e *engine) Version(ctx context.Context) (string, error) {
	var v string
	err := e.Read(ctx, func(ctx context.Context, tx portable.Tx) error {
		return tx.Row(ctx, `SELECT sqlite_version()`).Scan(&v)
	})
	return "sqlite " + v, err
}

// synchronous are the names of SQLite's levels.
var synchronous = [...]string{"OFF", "NORMAL", "FULL", "EXTRA"}

// Durability implements store.Health.
func (e *engine) Durability(ctx context.Context) (string, error) {
	var level int
	err := e.Write(ctx, func(ctx context.Context, tx portable.Tx) error {
		return tx.Row(ctx, `PRAGMA synchronous`).Scan(&level)
	})
	if err == nil && (level < 0 || level >= len(synchronous)) {
		err = fmt.Errorf("read durability: SQLite has no level %d", level)
	}
	if err != nil {
		return "", err
	}
	return "synchronous=" + synchronous[level], nil
}

// DueSchedules needs no locks: the writer runs one transaction at a time.
func (e *engine) DueSchedules(ctx context.Context, tx portable.Tx, p store.ClaimSchedules) ([]string, error) {
	return portable.DueSchedules(ctx, tx, p, "")
}

// LockSchedules does nothing: the writer runs one transaction at a time.
func (e *engine) LockSchedules(context.Context, portable.Tx, []string) error { return nil }

// LoadPlaces reads inside one transaction, of which every statement sees the
// same.
func (e *engine) LoadPlaces(ctx context.Context, tx portable.Tx, each func(order.Spot)) (portable.Mark, error) {
	var m portable.Mark
	if err := tx.Row(ctx, lastEvent).Scan(&m.Seq); err != nil {
		return m, fmt.Errorf("look for the last event: %w", err)
	}
	rows, err := tx.Query(ctx, `SELECT `+portable.SpotColumns+` FROM jobs WHERE state = 'QUEUED' AND parked = '' ORDER BY rank`)
	if err != nil {
		return m, err
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	for rows.Next() {
		s, err := portable.ScanSpot(rows.Scan)
		if err != nil {
			return m, err
		}
		each(s)
	}
	return m, rows.Err()
}

// MovedSince reads by sequence number: with one writer, numbers are given in
// commit order and without gaps, so a gap is what retention has deleted before
// it was followed.
func (e *engine) MovedSince(ctx context.Context, tx portable.Tx, m portable.Mark, limit int) (moved []string, next portable.Mark, overflow bool, err error) {
	var last int64
	if err := tx.Row(ctx, lastEvent).Scan(&last); err != nil {
		return nil, m, false, fmt.Errorf("look for the last event: %w", err)
	}
	if last <= m.Seq { // less: a reader whose snapshot is older than what was followed
		return nil, m, false, nil
	}
	rows, err := tx.Query(ctx, `SELECT seq, places FROM events WHERE seq > $1 ORDER BY seq LIMIT $2`, m.Seq, limit+1)
	if err != nil {
		return nil, m, false, fmt.Errorf("follow the order: %w", err)
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	next = portable.Mark{Seq: m.Seq}
	for n := 0; rows.Next() && n < limit; n++ {
		var seq int64
		var text string
		if err := rows.Scan(&seq, &text); err != nil {
			return nil, m, false, err
		}
		if seq != next.Seq+1 {
			break
		}
		next.Seq = seq
		if text != "" {
			moved = append(moved, text)
		}
	}
	return moved, next, next.Seq != last, rows.Err()
}

// Commits counts batches that may have changed something, also those whose commit
// failed: the file is locked, so no other process writes.
func (e *engine) Commits() (n uint64, sole bool) {
	select {
	case <-e.stop:
		return 0, false // whoever asks shall hear that it is closed
	default:
		return e.commits.Load(), true
	}
}

// Era counts the batches that failed at the disk: requests in them saw what
// others in them had written.
func (e *engine) Era() int64 { return e.era.Load() }
