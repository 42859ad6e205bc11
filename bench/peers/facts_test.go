package main

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"modernc.org/sqlite"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// What is said of the contestants' durability beside their figures.

// commitsPerRun are one for the run, one for each step, one for the run's end.
const commitsPerRun = 1 + steps + 1

// opened are the connections that programs opened to SQLite files of a folder.
type opened struct {
	mu    sync.Mutex
	conns []sqlite.ExecQuerierContext
}

func watch(dir string) *opened {
	o := &opened{}
	sqlite.RegisterConnectionHook(func(c sqlite.ExecQuerierContext, dsn string) error {
		if strings.Contains(dsn, dir) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.conns = append(o.conns, c)
		}
		return nil
	})
	return o
}

// synchronous asks the connections that are still open, not new ones.
func (o *opened) synchronous(t *testing.T) map[int64]int {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	found := map[int64]int{}
	for _, c := range o.conns {
		rows, err := c.QueryContext(t.Context(), "pragma synchronous", nil)
		if err != nil {
			continue // closed by its pool
		}
		value := make([]driver.Value, 1)
		if err := rows.Next(value); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		found[value[0].(int64)]++
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(found) == 0 {
		t.Fatal("no connection is open")
	}
	return found
}

func TestDBOSSyncsNoCommitByDefault(t *testing.T) {
	dir := t.TempDir()
	o := watch(dir)
	one := launch(t, dbos.Config{DatabaseURL: "sqlite:" + filepath.Join(dir, "peer.db")}, ten)
	all(t, one, 2, 20)
	if got := o.synchronous(t); len(got) != 1 || got[1] == 0 {
		t.Errorf("values of synchronous, and how many connections have them: %v, want only 1 (NORMAL)", got)
	}
}

// A FULL in the URL is not obeyed by all connections, hence the handle of our own.
func TestDBOSDoesNotObeyTheURL(t *testing.T) {
	dir := t.TempDir()
	o := watch(dir)
	one := launch(t, dbos.Config{DatabaseURL: "sqlite:file:" + filepath.Join(dir, "peer.db") + "?_pragma=synchronous(FULL)"}, ten)
	all(t, one, 2, 20)
	if got := o.synchronous(t); got[1] == 0 {
		t.Errorf("values of synchronous, and how many connections have them: %v; all FULL: then measure DBOS so", got)
	}
}

func TestSQLiteHandleIsFull(t *testing.T) {
	db, _ := sqliteFile(t, "FULL", poolConns)
	for range poolConns { // none is given back before all are open
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		var level int
		if err := conn.QueryRowContext(t.Context(), "pragma synchronous").Scan(&level); err != nil || level != 2 {
			t.Errorf("synchronous = %d, %v, want 2 (FULL)", level, err)
		}
	}
}

func TestGoWorkflowsIsFull(t *testing.T) {
	dir := t.TempDir()
	o := watch(dir)
	one := inGoWorkflows(t, goWorkflowsFile(dir), 2)
	all(t, one, 2, 4)
	if got := o.synchronous(t); len(got) != 1 || got[2] == 0 {
		t.Errorf("values of synchronous, and how many connections have them: %v, want only 2 (FULL)", got)
	}
}

// watched is a workflow whose steps count the results of the run's steps that another
// connection can see: those that are committed.
func watched(count func(workflow string) (int, error)) func(dbos.Context, int) (int, error) {
	return func(ctx dbos.Context, n int) (int, error) {
		workflow, err := dbos.GetWorkflowID(ctx)
		if err != nil {
			return 0, err
		}
		for i := range steps {
			_, err := dbos.RunAsStep(ctx, func(context.Context) (int, error) {
				got, err := count(workflow)
				if err == nil && got != i {
					err = fmt.Errorf("%d steps are committed when step %d begins", got, i)
				}
				return n, err
			})
			if err != nil {
				return 0, err
			}
		}
		return n, nil
	}
}

func TestDBOSCommitsEachStepOnSQLite(t *testing.T) {
	const runs = 10
	db, path := sqliteFile(t, "FULL", 1)
	other, err := sqliteReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	one := launch(t, dbos.Config{SQLiteSystemDB: db}, watched(func(workflow string) (n int, err error) {
		err = other.QueryRowContext(t.Context(), "select count(*) from operation_outputs where workflow_uuid = $1", workflow).Scan(&n)
		return n, err
	}))
	if _, err := db.ExecContext(t.Context(), "pragma wal_autocheckpoint = 0"); err != nil {
		t.Fatal(err)
	}
	before := walCommits(t, path)
	all(t, one, 1, runs)
	if got := walCommits(t, path) - before; got != runs*commitsPerRun {
		t.Errorf("%d commits in %d runs, want %d each", got, runs, commitsPerRun)
	}
}

// statements counts what a pool sends: each is a round trip to the server.
type statements struct{ n atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.n.Add(1)
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// A step is BEGIN, two SELECTs and ROLLBACK to see whether it has run or is cancelled,
// an INSERT of its result, and an UPDATE of the run that changes nothing. A run has
// BEGIN, INSERT, COMMIT and an UPDATE at its end.
func TestDBOSStatementsOfAStep(t *testing.T) {
	const runs, perRun = 20, steps*6 + 4
	config, err := pgxpool.ParseConfig(testsvc.DurablePostgres(t))
	if err != nil {
		t.Fatal(err)
	}
	var sent statements
	config.ConnConfig.Tracer = &sent
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close) // after DBOS has let go of it
	one := launch(t, dbos.Config{SystemDBPool: pool}, ten)
	before := sent.n.Load()
	all(t, one, 1, runs)
	// What it does besides, now and then, may come into it.
	if got := sent.n.Load() - before; got < runs*perRun || got > runs*perRun+40 {
		t.Errorf("%d statements in %d runs, want %d in each", got, runs, perRun)
	}
}

// walCommits counts the commits in a write-ahead log: the frames that carry the
// database's size (https://sqlite.org/fileformat2.html#walformat).
func walCommits(t *testing.T, path string) int {
	t.Helper()
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	const header, frame = 32, 24
	page := int(binary.BigEndian.Uint32(log[8:]))
	n := 0
	for at := header; at+frame+page <= len(log); at += frame + page {
		if binary.BigEndian.Uint32(log[at+4:]) != 0 {
			n++
		}
	}
	return n
}

func TestDBOSCommitsEachStepOnPostgres(t *testing.T) {
	const runs = 10
	url := testsvc.DurablePostgres(t)
	other, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.Background()) }()
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := other.QueryRow(t.Context(), "show "+setting).Scan(&value); err != nil || value != "on" {
			t.Errorf("%s is %q, %v, want on", setting, value, err)
		}
	}
	one := launch(t, dbos.Config{DatabaseURL: url}, watched(func(workflow string) (n int, err error) {
		err = other.QueryRow(t.Context(), "select count(*) from dbos.operation_outputs where workflow_uuid = $1", workflow).Scan(&n)
		return n, err
	}))
	written := func() (n int) {
		t.Helper()
		if err := other.QueryRow(t.Context(), "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := written()
	all(t, one, 1, runs)
	// Transactions that write; the server may have some of its own.
	if got := written() - before; got < runs*commitsPerRun || got > runs*commitsPerRun+10 {
		t.Errorf("%d transactions wrote in %d runs, want %d each", got, runs, commitsPerRun)
	}
}
