package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// Now is the database's clock, which all instances share.
func (e *engine) Now(ctx context.Context, tx portable.Tx, given time.Time) (time.Time, error) {
	if !given.IsZero() {
		return given, nil
	}
	var now time.Time
	if err := e.NowLater(ctx, tx, given, &now); err != nil {
		return now, err
	}
	if err := tx.Flush(ctx); err != nil {
		return now, fmt.Errorf("read the database's clock: %w", err)
	}
	return now, nil
}

// NowLater asks the database's clock with the next statement.
func (e *engine) NowLater(ctx context.Context, tx portable.Tx, given time.Time, now *time.Time) error {
	if *now = given; !given.IsZero() {
		return nil
	}
	return tx.Ask(ctx, func(rows portable.Rows) error {
		var ms int64
		if !rows.Next() {
			return errors.Join(rows.Err(), errNoClock)
		}
		if err := rows.Scan(&ms); err != nil {
			return err
		}
		*now = clock.FromMillis(ms)
		return nil
	}, `SELECT `+clockMillis)
}

const clockMillis = `floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

// Clock is a query of its own: it is run once, and its outcome is looked up in indexes.
func (e *engine) Clock(given time.Time, n int) (expr string, arg any) {
	return fmt.Sprintf(`(SELECT coalesce(nullif($%d::bigint, 0), %s))`, n, clockMillis), clock.Millis(given)
}

var errNoClock = errors.New("the database does not tell the time")

// MaxParams is far below the protocol's limit, 65,535.
func (e *engine) MaxParams() int { return 8192 }

// LockQueue locks the queue's one row, in one round trip with the statement that comes
// next: that sees what was committed before the lock was there.
func (e *engine) LockQueue(ctx context.Context, tx portable.Tx) error {
	if err := tx.Later(ctx, `SELECT 1 FROM queue WHERE id = 1 FOR UPDATE`); err != nil {
		return fmt.Errorf("lock queue: %w", err)
	}
	return nil
}

// placeBlock is the increment of job_seq.
const placeBlock = 100_000

// NextSeq takes a block from the sequence, which waits for nobody. Gaps do not
// matter: only the order counts.
func (e *engine) NextSeq(ctx context.Context, tx portable.Tx, n int) (int64, error) {
	if n > placeBlock {
		return 0, fault.Newf(fault.InvalidInput, "at most %d jobs can be added at once", placeBlock)
	}
	var first int64
	if err := tx.Row(ctx, `SELECT nextval('job_seq')`).Scan(&first); err != nil {
		return 0, fmt.Errorf("reserve places: %w", err)
	}
	return first, nil
}

// LockJob locks the job's row. A job that does not exist needs no lock.
func (e *engine) LockJob(ctx context.Context, tx portable.Tx, id string) error {
	var one int
	err := tx.Row(ctx, `SELECT 1 FROM jobs WHERE job_id = $1 FOR UPDATE`, id).Scan(&one)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("lock job: %w", err)
	}
	return nil
}

// LockAttempt locks the job's row.
func (e *engine) LockAttempt(ctx context.Context, tx portable.Tx, id string) (portable.Attempt, error) {
	return portable.ScanAttempt(tx.Row(ctx, `SELECT `+portable.AttemptColumns+` FROM jobs WHERE job_id = $1 FOR UPDATE`, id).Scan)
}

// ForUpdate locks rows.
func (e *engine) ForUpdate() string { return " FOR UPDATE" }

// OneOf has one parameter, so that the statement is the same for any number of values.
// The planner must not know that number: it would make a new plan for few values each
// time, which takes longer than to find them.
func (e *engine) OneOf(column string, n int, list []string) (cond string, args []any) {
	return fmt.Sprintf("%s = ANY(ARRAY(SELECT unnest($%d::text[])))", column, n), []any{list}
}

// Columnwise inserts with unnest.
func (e *engine) Columnwise() bool { return true }

// LockStep locks the job's row and the run's.
func (e *engine) LockStep(ctx context.Context, tx portable.Tx, runID, jobID string) (portable.Begun, error) {
	return portable.ScanBegun(tx.Row(ctx, beginStep, runID, jobID))
}

var beginStep = portable.BegunQuery(clockMillis, ` FOR UPDATE OF j, w`)

// LockContent takes an advisory lock that ends with the transaction, because
// there need not be a row of the content.
func (e *engine) LockContent(ctx context.Context, tx portable.Tx, sum string) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, sum); err != nil {
		return fmt.Errorf("lock content: %w", err)
	}
	return nil
}

// Compact does nothing: autovacuum keeps the tables from growing.
func (e *engine) Compact(context.Context) (bool, error) { return false, nil }

// EventsSince numbers what has been committed, then reads by number.
//
// Identity values are given at insertion, so an event with a smaller one can
// appear after a reader has passed it. A number that is given to rows already
// visible, by one transaction at a time, cannot: whoever sees a number sees
// all smaller ones. Events of one job keep their order, because the later
// change waited for the earlier one's commit and so has the larger identity.
//
// The other ways were a lock from an event's insertion to its commit, which
// makes all writers wait for each other's sync (docs/bench.md), and staying
// behind the oldest transaction under way, which any idle session of the server
// can hold up for hours.
func (e *engine) EventsSince(ctx context.Context, tenant string, seq int64, limit int) ([]event.Event, error) {
	var out []event.Event
	var fresh bool
	read := func(ctx context.Context, tx portable.Tx) (err error) {
		out, err = portable.ReadEvents(ctx, tx, tenant, seq, limit)
		return err
	}
	err := e.Read(ctx, func(ctx context.Context, tx portable.Tx) error {
		if err := tx.Row(ctx, `SELECT EXISTS (SELECT 1 FROM events WHERE seq IS NULL)`).Scan(&fresh); err != nil {
			return fmt.Errorf("look for new events: %w", err)
		}
		return read(ctx, tx)
	})
	if err != nil || !fresh || len(out) == limit {
		return out, err
	}
	if err := e.number(ctx); err != nil {
		return nil, err
	}
	err = e.Read(ctx, read)
	return out, err
}

// EventRange numbers what has been committed, then reads.
func (e *engine) EventRange(ctx context.Context) (event.Range, error) {
	var r event.Range
	var fresh bool
	read := func(ctx context.Context, tx portable.Tx) (err error) {
		if err := tx.Row(ctx, `SELECT last_seq, EXISTS (SELECT 1 FROM events WHERE seq IS NULL) FROM event_log WHERE id = 1`).Scan(&r.Last, &fresh); err != nil {
			return fmt.Errorf("read the event log: %w", err)
		}
		r.Floor, err = portable.ReadFloor(ctx, tx, r.Last)
		return err
	}
	if err := e.Read(ctx, read); err != nil || !fresh {
		return r, err
	}
	if err := e.number(ctx); err != nil {
		return event.Range{}, err
	}
	err := e.Read(ctx, read)
	return r, err
}

// numberBatch bounds what one transaction numbers.
const numberBatch = 5_000

// number gives numbers to all events that were committed before the call.
func (e *engine) number(ctx context.Context) error {
	for n := numberBatch; n == numberBatch; {
		if err := e.Write(ctx, func(ctx context.Context, tx portable.Tx) error {
			// The row lock is the order: the next holder sees these numbers.
			var last int64
			if err := tx.Row(ctx, `SELECT last_seq FROM event_log WHERE id = 1 FOR UPDATE`).Scan(&last); err != nil {
				return fmt.Errorf("lock event log: %w", err)
			}
			count, err := tx.Exec(ctx, `UPDATE events SET seq = $1 + fresh.place FROM (
					SELECT event_id, row_number() OVER (ORDER BY event_id) AS place FROM (
						SELECT event_id FROM events WHERE seq IS NULL ORDER BY event_id LIMIT $2) AS head) AS fresh
				WHERE events.event_id = fresh.event_id`, last, numberBatch)
			if err != nil {
				return fmt.Errorf("number events: %w", err)
			}
			n = int(count)
			if n == 0 {
				return nil
			}
			if _, err := tx.Exec(ctx, `UPDATE event_log SET last_seq = $1 WHERE id = 1`, last+count); err != nil {
				return fmt.Errorf("advance event log: %w", err)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// unnumberedCap bounds the count of events that have no number yet.
const unnumberedCap = 10_000

// Measure implements portable.Hot.
func (e *engine) Measure(ctx context.Context, tx portable.Tx, s *store.Survey) error {
	var held float64
	if err := tx.Row(ctx, `SELECT last_seq, (SELECT count(*) FROM (SELECT 1 FROM events WHERE seq IS NULL LIMIT $1) AS fresh),
		pg_database_size(current_database()), pg_notification_queue_usage(),
		coalesce((SELECT extract(epoch FROM clock_timestamp() - min(began)) FROM (
			SELECT xact_start AS began FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
				AND pid <> pg_backend_pid() AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
			UNION ALL SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()) AS open), 0)::float8
		FROM event_log WHERE id = 1`, unnumberedCap).
		Scan(&s.LastEvent, &s.Unnumbered, &s.DatabaseBytes, &s.NotifyUsed, &held); err != nil {
		return fmt.Errorf("measure the database: %w", err)
	}
	s.Held = time.Duration(max(0, held) * float64(time.Second))
	return nil
}

// Version implements store.Health.
func (e *engine) Version(context.Context) (string, error) { return "postgresql " + e.version, nil }

// Durability implements store.Health. Behind a pooler the settings of our sessions are
// made in each transaction that writes, so it is one.
func (e *engine) Durability(ctx context.Context) (string, error) {
	var fsync, commit string
	err := e.Write(ctx, func(ctx context.Context, tx portable.Tx) error {
		return tx.Row(ctx, `SELECT current_setting('fsync'), current_setting('synchronous_commit')`).Scan(&fsync, &commit)
	})
	if err != nil {
		return "", err
	}
	return "fsync=" + fsync + " synchronous_commit=" + commit, nil
}

// DueSchedules passes over the schedules that another claim is taking. The lock lets
// those through that only refer to a schedule: what sets one off must not wait.
func (e *engine) DueSchedules(ctx context.Context, tx portable.Tx, p store.ClaimSchedules) ([]string, error) {
	return portable.DueSchedules(ctx, tx, p, " FOR NO KEY UPDATE OF s SKIP LOCKED")
}

// LockSchedules locks rows in the order of a sorted list: an UPDATE of many takes
// them as it meets them, and two of those could wait for each other.
func (e *engine) LockSchedules(ctx context.Context, tx portable.Tx, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `SELECT 1 FROM schedules WHERE schedule_id = ANY($1) ORDER BY schedule_id FOR NO KEY UPDATE`, ids); err != nil {
		return fmt.Errorf("lock schedules: %w", err)
	}
	return nil
}

// LoadPlaces reads the log's end and the waiting jobs in one statement, because
// the statements of a claim do not see the same.
func (e *engine) LoadPlaces(ctx context.Context, tx portable.Tx, each func(order.Spot)) (portable.Mark, error) {
	m := portable.Mark{Loose: map[int64]bool{}}
	rows, err := tx.Query(ctx, `SELECT last_seq, NULL::bigint, '', '', 0, 0 FROM event_log WHERE id = 1
		UNION ALL SELECT NULL, event_id, '', '', 0, 0 FROM events WHERE seq IS NULL AND places <> ''
		UNION ALL SELECT NULL, NULL, rank, class, group_active, ready FROM jobs WHERE state = 'QUEUED' AND parked = ''`)
	if err != nil {
		return m, err
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	for rows.Next() {
		var last, loose sql.NullInt64
		s, err := portable.ScanSpot(func(to ...any) error { return rows.Scan(append([]any{&last, &loose}, to...)...) })
		switch {
		case err != nil:
			return m, err
		case last.Valid:
			m.Seq = last.Int64
		case loose.Valid:
			m.Loose[loose.Int64] = true
		default:
			each(s)
		}
	}
	return m, rows.Err()
}

// MovedSince reads what is visible, with a number or without, in one statement,
// so nothing waits for numbers to be given. Of both kinds only what moved something is
// read, and of what has no number only what is not known, if that is not much: an event that was read without
// one is remembered until it comes again with it. Where no numbers were given, none are
// looked for: the planner's guess may be an index that it would read from end to end. What
// has no number is read in order, because only so an index forgets what it finds dead.
// Numbers have no gaps, so when there are fewer events than numbers, retention has
// deleted some before they were followed.
func (e *engine) MovedSince(ctx context.Context, tx portable.Tx, m portable.Mark, limit int) (moved []string, next portable.Mark, overflow bool, err error) {
	known := []int64{}
	if len(m.Loose) <= maxLoose { // each is compared with each row
		known = slices.AppendSeq(known, maps.Keys(m.Loose))
	}
	rows, err := tx.Query(ctx, `SELECT event_id, seq, places, last_seq,
			CASE WHEN last_seq > $1 THEN (SELECT count(*) FROM (SELECT 1 FROM events WHERE seq > $1 LIMIT $2) AS behind) ELSE 0 END
		FROM event_log LEFT JOIN LATERAL (
			SELECT event_id, seq, places FROM events WHERE last_seq > $1 AND seq > $1 AND places <> ''
			UNION ALL (SELECT event_id, seq, places FROM events WHERE seq IS NULL AND places <> '' AND event_id <> ALL($3::bigint[]) ORDER BY event_id LIMIT $2)
		) AS fresh ON true
		WHERE event_log.id = 1 ORDER BY event_id LIMIT $2`, m.Seq, limit+1, known)
	if err != nil {
		return nil, m, false, fmt.Errorf("follow the order: %w", err)
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	next = portable.Mark{Loose: maps.Clone(m.Loose)}
	numbered := int64(0)
	for n := 0; rows.Next(); n++ {
		var event, seq sql.NullInt64
		var text sql.NullString
		if err := rows.Scan(&event, &seq, &text, &next.Seq, &numbered); err != nil {
			return nil, m, false, err
		}
		if next.Seq < m.Seq {
			// A reader whose snapshot is older than what the index has followed: to go
			// back would be to follow the same events twice.
			return nil, m, false, nil
		}
		overflow = n == limit
		if !event.Valid {
			continue // nothing new
		}
		if seq.Valid {
			delete(next.Loose, event.Int64)
		} else {
			next.Loose[event.Int64] = true
		}
		if !m.Loose[event.Int64] {
			moved = append(moved, text.String)
		}
	}
	if len(next.Loose) > maxLoose {
		e.numberSoon()
	}
	return moved, next, overflow || numbered < next.Seq-m.Seq, rows.Err()
}

// maxLoose is how many moves without a number are read again and again before
// somebody numbers them who needs no numbers.
const maxLoose = 64

// numberSoon numbers events in the background, if nobody does it at this moment.
func (e *engine) numberSoon() {
	if !e.numbering.CompareAndSwap(false, true) {
		return
	}
	if !e.enter() {
		return
	}
	go func() {
		defer e.work.Done()
		defer e.numbering.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), txLimit)
		defer cancel()
		// Readers of events number them too, and report what goes wrong.
		_ = e.number(ctx)
	}()
}

// Along only waits: whoever adds a job does not wait for the queue's lock.
func (e *engine) Along(_ context.Context, _ func(context.Context, portable.Tx) error, wait store.Waiting) (rode bool, err error) {
	wait(nil)
	return false, nil
}

// Commits counts nothing: other processes write, too.
func (e *engine) Commits() (n uint64, sole bool) { return 0, false }

// Era is constant: a transaction sees nothing that can be lost.
func (e *engine) Era() int64 { return 0 }
