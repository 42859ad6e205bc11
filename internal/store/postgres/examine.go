package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/runsheet/runsheet/internal/store/migrations"
)

// Examination is what a server tells of itself.
type Examination struct {
	// Version is the server's, such as 15.8.
	Version string
	// Fsync, FullPageWrites and SynchronousCommit are settings as the server
	// names their values.
	Fsync, FullPageWrites, SynchronousCommit string
	// Pooled means that a pooler in transaction mode stands in between.
	Pooled bool
	// Schema is that of the database, 0 = none yet. Known is the one of this
	// program.
	Schema, Known int64
	// Now is the server's clock.
	Now time.Time
	// Refused is why a server would not start with this database; nil = it would.
	Refused error
	// Moved is why the database is not in use any more, "" if it may be.
	Moved string
}

// Examine connects and reads, without changing anything. The error is that of
// Open for a database that cannot be reached.
func Examine(ctx context.Context, url string) (Examination, error) {
	cfg, mode, err := parse(url)
	if err != nil {
		return Examination{}, err
	}
	s, err := probe(ctx, cfg)
	if err != nil {
		return Examination{}, err
	}
	x := Examination{
		Version: s.version, Fsync: s.fsync, FullPageWrites: s.fullPages, SynchronousCommit: s.commit,
		Pooled: s.pooled && mode != poolerNone || mode == poolerTransaction,
	}
	x.Refused = s.check(ctx, withDefaults(Options{}), true)
	c := cfg.Copy()
	c.DefaultQueryExecMode = pgx.QueryExecModeExec // works with and without a pooler
	db := stdlib.OpenDB(*c)
	defer func() { _ = db.Close() }() // nothing was written
	db.SetMaxOpenConns(1)
	var exists bool
	if err := db.QueryRowContext(ctx, `SELECT clock_timestamp(), to_regclass('goose_db_version') IS NOT NULL`).Scan(&x.Now, &exists); err != nil {
		return x, fmt.Errorf("read the clock: %w", err)
	}
	if exists {
		x.Schema, x.Known, err = migrations.Versions(ctx, db, migrations.Postgres)
	}
	if err == nil {
		x.Moved, err = Marked(ctx, db)
	}
	return x, err
}
