// Package portable implements the store's contract once, in the SQL that
// SQLite and PostgreSQL share. What differs (transactions, the claim's lock,
// the clock, sequences, hints) comes from an Engine.
//
// Rules for SQL here: placeholders are $1, $2, ... and first appear in that
// order; times are Unix milliseconds; booleans are 0 or 1; lists and maps are
// JSON text; uniqueness is met with ON CONFLICT, never by catching an error,
// because an error ends a transaction on PostgreSQL.
package portable

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/together"
	"github.com/runsheet/runsheet/internal/webhook"
)

// Tx is an open transaction. It must not leave the function it was given to.
type Tx interface {
	// Exec runs a statement and returns the number of rows it changed.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// Query runs a query; the caller closes the rows before it runs another statement.
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	// Row runs a query of one row; sql.ErrNoRows comes from Scan.
	Row(ctx context.Context, query string, args ...any) Row
	// Later runs a statement whose outcome nobody asks for, at once or together with the
	// next one or the commit: a round trip less. What it did wrong may so be reported by
	// one of those.
	Later(ctx context.Context, query string, args ...any) error
	// Ask is Later for a query; scan is given its rows, at once or when the next
	// statement is run, but before the commit.
	Ask(ctx context.Context, scan func(Rows) error, query string, args ...any) error
	// Flush runs what Later and Ask have put off.
	Flush(ctx context.Context) error
	// Hint is sent to watchers if, and after, the transaction commits.
	Hint(h store.Hint)
	// Aside says that what the transaction changes makes nothing to do for anybody, so
	// that Engine.Commits need not count it.
	Aside()
}

// ErrMeanwhile is in an error of a function given to Write that saw rows change between
// two of its statements: run again, the function may succeed, and Write does so a few
// times before it returns the error.
var ErrMeanwhile = errors.New("rows changed between two statements")

// meanwhile is ErrMeanwhile in words for the caller.
func meanwhile(jobID string) error {
	return fault.Wrap(ErrMeanwhile, fault.StorageBusy, "job "+jobID+" changes at this moment")
}

// Rows are the rows of a query, as those of database/sql.
type Rows interface {
	Next() bool
	Scan(to ...any) error
	Err() error
	Close() error
}

// Row is the row of a query, as that of database/sql.
type Row interface{ Scan(to ...any) error }

// Engine is what an engine adds. Errors that it returns are classified.
type Engine interface {
	// Read runs f in a read-only transaction on a consistent snapshot.
	Read(ctx context.Context, f func(context.Context, Tx) error) error
	// Look is Read of one query.
	Look(ctx context.Context, f func(context.Context, Tx) error) error
	// Write runs f in a transaction and commits it durably. f may run more than
	// once and must not keep state between runs.
	Write(ctx context.Context, f func(context.Context, Tx) error) error
	// Watch is store.Events.Watch.
	Watch() (<-chan store.Hint, func())
	// Snapshot is store.Snapshots'.
	store.Snapshots
	// MaxParams is how many parameters a statement may have before several
	// statements are faster than one for many rows.
	MaxParams() int
	// LockSchedules keeps changes of schedules out until the transaction ends. ids are
	// sorted and locked in that order.
	LockSchedules(ctx context.Context, tx Tx, ids []string) error
	// LockAttempt is Hot.LockJob, and returns what a step of its run asks about it;
	// sql.ErrNoRows.
	LockAttempt(ctx context.Context, tx Tx, id string) (Attempt, error)
	// LockStep is LockAttempt of the job of a run, with what a step asks about that.
	LockStep(ctx context.Context, tx Tx, runID, jobID string) (Begun, error)
	Upkeep
	Hot
	Saving
}

// Saving are what saves round trips.
type Saving interface {
	// Commits counts the transactions that may have changed something, if only this
	// process can change the database (sole). What a transaction found that began after
	// the count was read holds as long as the count stays the same.
	Commits() (n uint64, sole bool)
	// Along calls wait, and runs f, before that returns, in the next transaction that tells
	// of something to start, as its last part: rode is true then, and err is that of f or
	// of the commit. An engine that does not do so only calls wait.
	Along(ctx context.Context, f func(context.Context, Tx) error, wait store.Waiting) (rode bool, err error)
	// Set is Write of one statement that does no harm when it is run twice. It may have
	// happened although ctx ended before it returned.
	Set(ctx context.Context, f func(context.Context, Tx) error) error
	// NowLater is Hot.Now whose outcome is there after the next statement or Tx.Flush.
	NowLater(ctx context.Context, tx Tx, given time.Time, now *time.Time) error
	// Clock is Hot.Now as an expression, in milliseconds, of what is only one statement;
	// arg is the argument number n that is in it, once. On SQLite it is the time of the
	// call, which is earlier than that of the transaction.
	Clock(given time.Time, n int) (expr string, arg any)
	// ForUpdate is what follows a query whose rows must not change until the transaction
	// ends; "" where nothing can change them.
	ForUpdate() string
	// OneOf is the condition that a column has one of some values, and its arguments, of
	// which the first is number n of the statement's.
	OneOf(column string, n int, list []string) (cond string, args []any)
	// Columnwise says that rows are inserted as one list for each column: a statement is
	// then the same for any number of rows, and its arguments are few.
	Columnwise() bool
}

// Upkeep are those of store.Health that the engines have.
type Upkeep interface {
	Compact(ctx context.Context) (bool, error)
	Version(ctx context.Context) (string, error)
	Durability(ctx context.Context) (string, error)
	Close() error
}

// Hot are the statements in which the engines differ. Each engine has them in
// hot.go, in this order.
type Hot interface {
	// Now is the authority's time: given, unless that is zero.
	Now(ctx context.Context, tx Tx, given time.Time) (time.Time, error)
	// LockQueue keeps every other claim out until the transaction ends. It may be put off
	// until the next statement.
	LockQueue(ctx context.Context, tx Tx) error
	// NextSeq reserves n places in the order and returns the first.
	NextSeq(ctx context.Context, tx Tx, n int) (int64, error)
	// LockJob keeps changes of one job out until the transaction ends.
	LockJob(ctx context.Context, tx Tx, id string) error
	// LockContent keeps reservations and removals of one content out until the
	// transaction ends.
	LockContent(ctx context.Context, tx Tx, sum string) error
	// EventsSince is store.Events.Since. It runs outside of a transaction,
	// because an engine may have to number events before it reads them.
	EventsSince(ctx context.Context, tenant string, seq int64, limit int) ([]event.Event, error)
	// EventRange is store.Events.Range, outside of a transaction like EventsSince.
	EventRange(ctx context.Context) (event.Range, error)
	// DueSchedules locks, where that is needed, and returns the ids of schedules that
	// are due and not claimed. Those that another transaction holds are passed over.
	DueSchedules(ctx context.Context, tx Tx, p store.ClaimSchedules) ([]string, error)
	// LoadPlaces calls each for every waiting job, as of one moment, and returns how
	// far the log of events had come at that moment.
	LoadPlaces(ctx context.Context, tx Tx, each func(order.Spot)) (Mark, error)
	// MovedSince returns, in order, what events behind m did to the order, and how
	// far the log has come. overflow says that there is more than limit.
	MovedSince(ctx context.Context, tx Tx, m Mark, limit int) (moved []string, next Mark, overflow bool, err error)
	// Era changes when writes that a transaction could see have been lost.
	Era() int64
	// Measure fills in what the engine knows of the log of events and of sizes:
	// LastEvent, Unnumbered, DatabaseBytes, LogBytes, Held, NotifyUsed.
	Measure(ctx context.Context, tx Tx, s *store.Survey) error
}

// New returns the store of an engine.
func New(e Engine) store.Store {
	db := &db{Engine: e, places: newPlaces()}
	db.adds = together.New(jobs{db}.addTogether, addWriters, maxAdds)
	return store.Store{
		Jobs: jobs{db}, Runs: runs{db}, Templates: templates{db}, Directives: directives{db}, Calls: calls{db}, Budgets: budgets{db}, Workflows: workflows{db}, Calendars: calendars{db}, Approvals: approvals{db}, Schedules: schedules{db}, Fires: fires{db}, Happenings: happenings{db}, Artifacts: artifacts{db},
		Events: events{db}, Leases: leases{db}, Queue: queue{db}, Order: orders{db}, Groups: groups{db}, Locks: locks{db}, Direct: direct{db}, Keys: keys{db}, Retention: retention{db}, Health: health{db},
		Tenants: tenants{db}, Users: users{db}, Tokens: tokens{db}, Sessions: sessions{db}, Audit: auditLog{db},
		Webhooks: webhooks{db}, Outbox: outbox{db},
		Secrets: secrets{db}, WorkflowRuns: workflowRuns{db}, WorkflowLog: workflowLog{db},
		Snapshots: e, Views: views{db}, LegacyCalls: legacyCalls{db},
	}
}

type db struct {
	Engine
	places *places
	scene  lastScene
	adds   *together.Group[adding, addition]
	// What was looked for and not there.
	work, outbox absence
}

// any runs a query of one row that tells whether there is something to do: what nearly
// always finds nothing begins with it, because it costs one message and holds nobody up.
func (d *db) any(ctx context.Context, query string, args ...any) (found bool, err error) {
	err = d.Look(ctx, func(ctx context.Context, tx Tx) error { return tx.Row(ctx, query, args...).Scan(&found) })
	return found, err
}

type health struct{ *db }

func (h health) Ping(ctx context.Context) error {
	return h.Write(ctx, func(ctx context.Context, tx Tx) error {
		_, err := tx.Exec(ctx, `UPDATE queue SET id = id WHERE id = 1`)
		tx.Aside()
		return err
	})
}

type events struct{ *db }

func (e events) Since(ctx context.Context, tenant string, seq int64, limit int) ([]event.Event, error) {
	return e.EventsSince(ctx, tenant, seq, limit)
}

func (e events) Range(ctx context.Context) (event.Range, error) { return e.EventRange(ctx) }

// ReadFloor reads the Floor of a log whose newest event is or was last. Each
// tenant's oldest event is one step in an index.
func ReadFloor(ctx context.Context, tx Tx, last int64) (int64, error) {
	var oldest sql.NullInt64
	if err := tx.Row(ctx, `SELECT min((SELECT min(seq) FROM events WHERE events.tenant = tenants.tenant_id AND seq IS NOT NULL))
		FROM tenants`).Scan(&oldest); err != nil {
		return 0, fmt.Errorf("read the oldest event: %w", err)
	}
	if !oldest.Valid {
		return last, nil
	}
	return oldest.Int64 - 1, nil
}

// ReadEvents reads the numbered events of a tenant behind seq, in order.
func ReadEvents(ctx context.Context, tx Tx, tenant string, seq int64, limit int) ([]event.Event, error) {
	rows, err := tx.Query(ctx, `SELECT seq, tenant, type, at_ms, job_id, run_id, template_id, data FROM events
		WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3`, tenant, seq, limit)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return collect(rows, scanEvent)
}

// announce writes events that are not about a job.
func announce(ctx context.Context, tx Tx, evs []event.Event) error {
	return announceMoved(ctx, tx, evs, "")
}

// announceMoved announces events, the first of which carries what happened to
// the order.
func announceMoved(ctx context.Context, tx Tx, evs []event.Event, moved string) error {
	return announceOf(ctx, tx, evs, moved, nil)
}

// announceOf is announceMoved, and leaves a note for the webhooks of each event
// that somebody wants. j is the job that they are about, as it is after the
// change, nil = it is to be looked up; whatever else they are about must be
// written before. Whether an endpoint wants a type comes back with the insertion,
// so nobody pays for webhooks that are not there.
func announceOf(ctx context.Context, tx Tx, evs []event.Event, moved string, j *job.Job) error {
	return announceAbout(ctx, tx, evs, moved, webhook.Subject{Job: j})
}

// announceApproval announces events about a request, as it is after the change.
func announceApproval(ctx context.Context, tx Tx, evs []event.Event, r approval.Request) error {
	return announceAbout(ctx, tx, evs, "", webhook.Subject{Approval: &r})
}

const insertEvent = `INSERT INTO events (tenant, type, at_ms, job_id, run_id, template_id, data, places)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
	RETURNING EXISTS (SELECT 1 FROM webhook_subscriptions w WHERE w.tenant = $9 AND w.type IN ($10, '*'))`

func announceAbout(ctx context.Context, tx Tx, evs []event.Event, moved string, s webhook.Subject) error {
	a, err := askAbout(ctx, tx, evs, moved, s)
	if err != nil {
		return err
	}
	if err := tx.Flush(ctx); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return a.act(ctx, tx)
}

// announcement are events that are written with the next statement, and who wants them.
type announcement struct {
	events []event.Event
	about  webhook.Subject
	wants  func(i int, e event.Event, s webhook.Subject) wants
}

// wants is who listens for an event: an endpoint, a schedule, a node of a workflow that
// waits for a job.
type wants struct{ hook, schedule, wait bool }

// askAbout is the first half of announceAbout, up to Tx.Flush.
func askAbout(ctx context.Context, tx Tx, evs []event.Event, moved string, s webhook.Subject) (*announcement, error) {
	each := make([]wants, len(evs))
	a := &announcement{evs, s, func(i int, _ event.Event, _ webhook.Subject) wants { return each[i] }}
	for i, e := range evs {
		args := []any{
			e.Tenant, string(e.Type), clock.Millis(e.At), e.JobID, e.RunID, e.TemplateID, encode(e.Data), moved,
			e.Tenant, string(e.Type),
		}
		query, happening := insertEvent+`, 1 = 0`, happeningOf(e, s)
		if happening != "" {
			query = insertEvent + `, EXISTS (SELECT 1 FROM schedules s WHERE s.tenant = $11 AND s.on_event = $12 AND s.deleted_ms = 0)`
			args = append(args, e.Tenant, string(happening))
		}
		if s.Job != nil && s.Job.State.Terminal() {
			args = append(args, s.Job.ID)
			query += `, EXISTS (SELECT 1 FROM workflow_waits x WHERE x.ref = $` + strconv.Itoa(len(args)) + ` AND x.ref <> '' AND x.kind = 'job')`
		} else {
			query += `, 1 = 0`
		}
		if err := tx.Ask(ctx, single(&each[i].hook, &each[i].schedule, &each[i].wait), query, args...); err != nil {
			return nil, fmt.Errorf("announce %s: %w", e.Type, err)
		}
		moved = ""
	}
	return a, nil
}

// act does what follows from events.
func (a *announcement) act(ctx context.Context, tx Tx) error {
	s := a.about
	for i, e := range a.events {
		w := a.wants(i, e, s)
		if w.wait {
			if err := jobEnded(ctx, tx, *s.Job); err != nil {
				return err
			}
		}
		if w.schedule {
			if err := setOff(ctx, tx, happeningOf(e, s), e, s); err != nil {
				return err
			}
		}
		if w.hook || wantedByJob(s.Job, e) {
			if err := note(ctx, tx, e, s); err != nil {
				return err
			}
		}
		tx.Hint(store.Hint{Topic: store.HintEvents, ID: e.Tenant})
		if e.JobID != "" {
			tx.Hint(store.Hint{Topic: store.HintJob, ID: e.JobID})
		}
	}
	return nil
}

// single reads the one row of a query, for Tx.Ask; sql.ErrNoRows.
func single(to ...any) func(Rows) error {
	return func(rows Rows) error {
		if !rows.Next() {
			return errOr(rows.Err(), sql.ErrNoRows)
		}
		return rows.Scan(to...)
	}
}

// collect reads all rows with scan and closes them.
func collect[T any](rows Rows, scan func(Rows) (T, error)) ([]T, error) {
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// encode writes a map, slice or struct as JSON text; a nil map or slice
// becomes "".
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("portable: encode: " + err.Error()) // only plain values come here
	}
	if string(b) == "null" {
		return ""
	}
	return string(b)
}

// decode is the inverse of encode.
func decode(s string, v any) error {
	if s == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fmt.Errorf("decode column: %w", err)
	}
	return nil
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
