package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// readLimit bounds a read: a snapshot that stays keeps the log from being
// emptied.
const readLimit = 5 * time.Second

// Read runs f on one of the read-only connections, in a transaction that sees
// one state of the database.
func (e *engine) Read(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	select {
	case <-e.stop:
		return closed()
	default:
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readLimit, errSlow)
	defer cancel()
	err := e.read(ctx, f)
	if errors.Is(context.Cause(ctx), errSlow) && errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.StorageBusy, "reading took longer than "+readLimit.String())
	}
	return err
}

var errSlow = errors.New("read took too long")

func (e *engine) read(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	tx, err := e.readDB.BeginTx(ctx, nil)
	if err != nil {
		return e.classify(fmt.Errorf("begin read: %w", err))
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return e.classify(f(ctx, reading{tx}))
}

// reading is the portable.Tx of a read.
type reading struct{ *sql.Tx }

func (r reading) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := r.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (r reading) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return r.QueryContext(ctx, query, args...)
}

func (r reading) Row(ctx context.Context, query string, args ...any) *sql.Row {
	return r.QueryRowContext(ctx, query, args...)
}

func (reading) Hint(store.Hint) {}
