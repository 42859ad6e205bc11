package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/dump"
	"github.com/runsheet/runsheet/internal/store/migrations"
)

// unhurried lifts the limits of a transaction that copies a whole database.
const unhurried = `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = 0`

// Snapshot implements store.Snapshots by one REPEATABLE READ transaction. The
// folder is not used.
func (e *engine) Snapshot(ctx context.Context, _ string, f func(context.Context, store.Snapshot) error) error {
	if !e.enter() {
		return closed()
	}
	defer e.work.Done()
	version, err := migrations.Version(ctx, e.db, migrations.Postgres)
	if err != nil {
		return err
	}
	err = Consistent(ctx, e.db, func(tx *sql.Tx) error {
		s, err := dump.NewSnapshot(ctx, dump.Source{DB: tx, Engine: migrations.Postgres}, version)
		if err != nil {
			return err
		}
		return f(ctx, s)
	})
	verdict, _ := classify(ctx, err)
	return verdict
}

// Consistent calls f with a read-only transaction that sees one state of db.
func Consistent(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin snapshot: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if _, err := tx.ExecContext(ctx, unhurried); err != nil {
		return fmt.Errorf("begin snapshot: %w", err)
	}
	return f(tx)
}

// Offline opens a database that no server uses, without migrating it, and keeps
// servers from starting until close is called: they wait for the lock under
// which they migrate.
func Offline(ctx context.Context, o Options) (db *sql.DB, closeAll func() error, err error) {
	o = withDefaults(o)
	cfg, _, err := parse(o.URL)
	if err != nil {
		return nil, nil, err
	}
	server, err := probe(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	if err := server.check(ctx, o, true); err != nil {
		return nil, nil, err
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // works with and without a pooler
	db = stdlib.OpenDB(*cfg)
	lock, err := db.BeginTx(context.WithoutCancel(ctx), nil) // it must not end before close
	if err != nil {
		return nil, nil, errors.Join(unreachable(cfg, err), db.Close())
	}
	closeAll = func() error { return errors.Join(lock.Rollback(), db.Close()) }
	if _, err := lock.ExecContext(ctx, unhurried); err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	if _, err := lock.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
		return nil, nil, errors.Join(fault.Wrap(err, fault.StorageBusy, "another program prepares this database"), closeAll())
	}
	return db, closeAll, nil
}

// Begin starts the one transaction that fills a database.
func Begin(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	if _, err := tx.ExecContext(ctx, unhurried+`; SET LOCAL synchronous_commit = on`); err != nil {
		return nil, errors.Join(fmt.Errorf("begin: %w", err), tx.Rollback())
	}
	return tx, nil
}

// Living returns the ids of the instances whose lease is not over, of a
// database that may be empty.
func Living(ctx context.Context, q dump.Querier) (ids []string, err error) {
	if exists, err := has(ctx, q, "instances"); err != nil || !exists {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, `SELECT instance_id FROM instances
		WHERE ended_ms = 0 AND lease_until_ms > floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("look for living instances: %w", err)
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("look for living instances: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func has(ctx context.Context, q dump.Querier, table string) (bool, error) {
	var exists bool
	if err := q.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&exists); err != nil {
		return false, fmt.Errorf("look for table %s: %w", table, err)
	}
	return exists, nil
}

// The mark is a comment: it needs no table, is part of a transaction, and is
// shown by every tool.
const markPrefix = "runsheet: this database "

// Mark makes servers refuse to start on the database, with why as the reason.
func Mark(ctx context.Context, q dump.Querier, why string) error {
	text := strings.ReplaceAll(markPrefix+why, "'", "''")
	if _, err := q.ExecContext(ctx, `COMMENT ON TABLE queue IS '`+text+`'`); err != nil {
		return fmt.Errorf("mark the database: %w", err)
	}
	return nil
}

// Marked returns why the database must not be used, "" if it may.
func Marked(ctx context.Context, q dump.Querier) (string, error) {
	var text sql.NullString
	if err := q.QueryRowContext(ctx, `SELECT obj_description(to_regclass('queue'), 'pg_class')`).Scan(&text); err != nil {
		return "", fmt.Errorf("look for a mark of the database: %w", err)
	}
	why, marked := strings.CutPrefix(text.String, markPrefix)
	if !marked {
		return "", nil
	}
	return "it " + why, nil
}

func refuseMoved(ctx context.Context, cfg *pgx.ConnConfig) error {
	c := cfg.Copy()
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	db := stdlib.OpenDB(*c)
	defer func() { _ = db.Close() }() // only read
	why, err := Marked(ctx, db)
	if err != nil || why == "" {
		return err
	}
	return fault.Newf(fault.StoreMoved, "the database %s is not in use any more: %s", cfg.Database, why).
		WithHint("start the server on the new database; to go on with this one instead, which knows nothing of what happened since, run COMMENT ON TABLE queue IS NULL in it")
}

// Describe names the database of a URL without its password.
func Describe(url string) string {
	cfg, _, err := parse(url)
	if err != nil {
		return "the PostgreSQL database"
	}
	return fmt.Sprintf("%s on %s", cfg.Database, address(cfg.Host, cfg.Port))
}
