package main

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// poolConns is how many connections DBOS gives its own pool of SQLite.
const poolConns = 8

// ten is the workflow of ten steps without work.
func ten(ctx dbos.Context, n int) (int, error) {
	for range steps {
		if _, err := dbos.RunAsStep(ctx, func(context.Context) (int, error) { return n, nil }); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// launch starts DBOS as its documentation shows it, without its log.
func launch(tb testing.TB, c dbos.Config, workflow func(dbos.Context, int) (int, error)) run {
	tb.Helper()
	c.AppName, c.Logger = "peers", slog.New(slog.DiscardHandler)
	ctx, err := dbos.NewContext(context.Background(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := dbos.Shutdown(ctx, 10*time.Second); err != nil {
			tb.Error(err)
		}
	})
	dbos.RegisterWorkflow(ctx, workflow)
	if err := dbos.Launch(ctx); err != nil {
		tb.Fatal(err)
	}
	return func(n int) error {
		h, err := dbos.RunWorkflow(ctx, workflow, n)
		if err != nil {
			return err
		}
		_, err = h.GetResult()
		return err
	}
}

func inSQLite(tb testing.TB, synchronous string, conns int, workflow func(dbos.Context, int) (int, error)) (run, *sql.DB) {
	tb.Helper()
	db, _ := sqliteFile(tb, synchronous, conns)
	return launch(tb, dbos.Config{SQLiteSystemDB: db}, workflow), db
}

// BenchmarkDBOSDefault is DBOS on a SQLite file as it opens that itself: NORMAL, which
// syncs no commit; TestDBOSSyncsNoCommitByDefault shows it.
func BenchmarkDBOSDefault(b *testing.B) {
	measure(b, func(b *testing.B, _ int) run {
		b.Helper()
		return launch(b, dbos.Config{DatabaseURL: "sqlite:" + filepath.Join(b.TempDir(), "peer.db")}, ten)
	})
}

// BenchmarkDBOSFull is DBOS on SQLite with the durability of Runsheet.
func BenchmarkDBOSFull(b *testing.B) {
	measure(b, func(b *testing.B, _ int) run {
		b.Helper()
		one, _ := inSQLite(b, "FULL", poolConns, ten)
		return one
	})
}

// BenchmarkDBOSFullTuned is BenchmarkDBOSFull with one connection: then writers wait in
// Go for each other, not asleep in SQLite for a lock.
func BenchmarkDBOSFullTuned(b *testing.B) {
	measure(b, func(b *testing.B, _ int) run {
		b.Helper()
		one, _ := inSQLite(b, "FULL", 1, ten)
		return one
	})
}

// BenchmarkDBOSPostgres is DBOS on a PostgreSQL that syncs each commit, with its own
// pool of 20 connections.
func BenchmarkDBOSPostgres(b *testing.B) {
	measure(b, func(b *testing.B, _ int) run {
		b.Helper()
		return launch(b, dbos.Config{DatabaseURL: testsvc.DurablePostgres(b)}, ten)
	})
}
