package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// engine is an open database.
type engine struct {
	clock    clock.Clock
	log      *slog.Logger
	db       *sql.DB
	pooled   bool
	settings []string // begin each transaction behind a pooler
	version  string
	*portable.Watchers
	hints hints
	// numbering is true while numberSoon is at work.
	numbering atomic.Bool

	// life ends with Close; work counts the methods under way.
	mu     sync.Mutex
	closed bool
	work   sync.WaitGroup
}

// attempts is how often a transaction that the server rolled back is tried.
const attempts = 6

// txLimit bounds a transaction whose caller set no limit, so that a server that
// went silent is noticed.
const txLimit = time.Minute

// Read runs f on a snapshot of the database.
func (e *engine) Read(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	return e.run(ctx, "begin isolation level repeatable read read only", f)
}

// Look runs one query, which has a snapshot of its own: a transaction around it would be
// two more messages.
func (e *engine) Look(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	if len(e.settings) > 0 { // they are those of a transaction
		return e.Read(ctx, f)
	}
	return e.run(ctx, "", f)
}

// Set runs one statement, which is a transaction by itself.
func (e *engine) Set(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	if len(e.settings) > 0 {
		return e.Write(ctx, f)
	}
	return e.run(ctx, "", f)
}

// Write runs f in a transaction at READ COMMITTED: each statement sees what
// was committed before it, so a statement that follows a lock sees what the
// lock's former holder did.
func (e *engine) Write(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	return e.run(ctx, "begin isolation level read committed", f)
}

// run tries a transaction until its outcome is clear, the caller gives up, or
// it has failed often.
func (e *engine) run(ctx context.Context, begin string, f func(context.Context, portable.Tx) error) error {
	if !e.enter() {
		return closed()
	}
	defer e.work.Done()
	for i := 1; ; i++ {
		err := e.once(ctx, begin, f)
		if err == nil {
			return nil
		}
		verdict, again := classify(ctx, err)
		if !again || i == attempts {
			return verdict
		}
		// The first repetition comes at once: the other side of a race is done.
		if i > 1 {
			if clock.Sleep(ctx, e.clock, time.Duration(1<<i)*5*time.Millisecond) != nil {
				return verdict
			}
		}
	}
}

func (e *engine) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.work.Add(1)
	return true
}

func closed() error { return fault.New(fault.StorageUnavailable, "the database is closed") }

// once runs one transaction. Only a commit can fail with an unknown outcome;
// everything before it has not happened.
func (e *engine) once(ctx context.Context, begin string, f func(context.Context, portable.Tx) error) error {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return &lost{fmt.Errorf("connect: %w", err)}
	}
	defer func() { _ = conn.Close() }() // gives it back
	// A caller that gives up is noticed between statements. To interrupt one costs
	// the connection and a cancel request (which some poolers do not survive), and
	// to interrupt a commit leaves behind a transaction of which nobody knows
	// whether it happened. Statements are short, and the server limits them.
	life, cancel := context.WithTimeout(context.WithoutCancel(ctx), txLimit)
	defer cancel()
	var hints []store.Hint
	// database/sql keeps the connections; the statements go past it, because only the
	// driver can send several at once.
	err = conn.Raw(func(c any) error {
		s := &session{conn: c.(*stdlib.Conn).Conn(), life: life}
		s.start(begin, e.settings)
		defer s.end()
		if err := f(ctx, s); err != nil {
			return s.gone(err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		hints = s.hints
		return s.commit()
	})
	if err != nil {
		return err
	}
	e.tell(hints)
	return nil
}

// lost is an error before the commit that took the connection with it.
type lost struct{ cause error }

func (l *lost) Error() string { return l.cause.Error() }
func (l *lost) Unwrap() error { return l.cause }

// uncertain is a commit of which nobody knows whether it happened.
type uncertain struct{ cause error }

func (u *uncertain) Error() string { return u.cause.Error() }
func (u *uncertain) Unwrap() error { return u.cause }

// Close waits for the methods under way and ends all connections.
func (e *engine) Close() error {
	e.mu.Lock()
	first := !e.closed
	e.closed = true
	e.mu.Unlock()
	if !first {
		return nil
	}
	e.work.Wait()
	e.stopHints()
	if err := e.db.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}
