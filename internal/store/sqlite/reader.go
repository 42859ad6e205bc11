package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/portable"
)

// Read runs f on one of the read-only connections, in a transaction that sees
// one state of the database.
func (e *engine) Read(ctx context.Context, f func(context.Context, portable.Tx) error) error {
	select {
	case <-e.stop:
		return closed()
	default:
	}
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
