// Package sqlite keeps the store in one SQLite file, or in memory for tests.
//
// All writes go through one goroutine (writer.go) that commits waiting
// requests together, so a durable commit is shared by everyone who waits for
// it; reads go to a small pool of read-only connections (reader.go). The
// database is in WAL mode with synchronous=FULL: a write has reached the disk
// when its method returns. A file lock keeps a second server out.
//
// The package works with any database/sql driver for SQLite; production uses
// modernc.org/sqlite, which is pure Go, and the power-loss tests use one whose
// file layer can lie.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/filelock"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/migrations"
	"github.com/runsheet/runsheet/internal/store/portable"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// Options say how to open a database.
type Options struct {
	// Path is the database file. Its folder must exist.
	Path string
	// Clock gives the time of leases; nil = the system's.
	Clock clock.Clock
	// Driver opens connections; the zero value uses modernc.org/sqlite.
	Driver Driver
	// Synchronous is FULL, which "" means, or NORMAL, which loses commits with
	// the power and exists for tests and measurements only.
	Synchronous string
	// OnBatch is told how many requests shared a transaction, after it ended, by
	// the writer's goroutine: it must not block. nil = nobody is told.
	OnBatch func(requests int)
}

// Driver is how connections are made, so that tests can put another file layer
// below the same storage code.
type Driver struct {
	// Name is a registered database/sql driver.
	Name string
	// DSN builds the data source name for a path, pragmas and URI parameters.
	DSN func(path string, pragmas []string, readOnly bool) string
	// NoLock leaves out the file lock, for file layers that are not files.
	NoLock bool
	// Code returns SQLite's extended result code of an error, 0 if it has none.
	Code func(error) int
}

// readers is the number of read-only connections.
const readers = 4

// Open opens or creates a database file, migrates it, and keeps other servers
// out until it is closed.
func Open(ctx context.Context, o Options) (store.Store, error) {
	o = withDefaults(o)
	e := &engine{clock: o.Clock, code: o.Driver.Code, options: o, onBatch: o.OnBatch, Watchers: portable.NewWatchers()}
	if !o.Driver.NoLock {
		if err := refuseMoved(o.Path); err != nil {
			return store.Store{}, err
		}
		lock, err := filelock.Take(o.Path + ".lock")
		if err != nil {
			return store.Store{}, err
		}
		e.lock = lock
		e.wal = o.Path + "-wal"
		if err := refuseNetwork(o.Path); err != nil {
			_ = e.Close() // the first error counts
			return store.Store{}, err
		}
	}
	if err := e.open(ctx, o); err != nil {
		_ = e.Close() // the first error counts
		return store.Store{}, err
	}
	e.opened = true
	return portable.New(e), nil
}

func (e *engine) open(ctx context.Context, o Options) error {
	closed := false
	if e.lock != nil {
		var err error
		if closed, err = wasClosed(e.lock, o.Path); err != nil {
			return err
		}
	}
	fresh := false
	if _, err := os.Stat(o.Path); os.IsNotExist(err) {
		fresh = true
		if !o.Driver.NoLock {
			if err := private(o.Path); err != nil {
				return err
			}
			if err := shrinkable(ctx, o); err != nil {
				return err
			}
		}
	}
	dsn := o.Driver.DSN(o.Path, pragmas(o.Synchronous), false)
	db, err := sql.Open(o.Driver.Name, dsn)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(1)
	e.writeDB = db
	if err := settle(ctx, db); err != nil {
		err = e.classify(err)
		if fault.Is(err, fault.StorageFull) {
			err = fault.Wrap(err, fault.StorageFull, "the disk is full, and the database needs space to open: make free as much as "+
				filepath.Base(o.Path)+"-wal has, and start again")
		}
		return err
	}
	if err := migrate(ctx, db, o.Path, fresh || o.Driver.NoLock); err != nil {
		return err
	}
	if !fresh && !closed && !o.Driver.NoLock {
		if err := quickCheck(ctx, db, checkTime); err != nil {
			return err
		}
	}
	e.readDB, err = sql.Open(o.Driver.Name, o.Driver.DSN(o.Path, pragmas(o.Synchronous), true))
	if err != nil {
		return fmt.Errorf("open database for reading: %w", err)
	}
	e.readDB.SetMaxOpenConns(readers + 1)
	e.readDB.SetMaxIdleConns(readers + 1)
	if err := e.keep(ctx); err != nil {
		return err
	}
	e.startReaders()
	return e.startWriter(ctx)
}

// private makes an empty file for its owner only, which SQLite then takes for a
// new database. SQLite itself would let everybody read it: params of jobs may be
// confidential, and not every data folder is closed. The log and its index get
// the mode of the database.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("create %s: %w", filepath.Base(path), err)
	}
	return f.Close()
}

// settle moves what an earlier process left in the log into the database file.
// If that process died after a failed sync, pages of the log may exist in the
// operating system's cache only; nothing must be appended behind them (see
// keep).
func settle(ctx context.Context, db *sql.DB) error {
	var busy, pages, moved int
	if err := db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved); err != nil {
		return fmt.Errorf("checkpoint the log: %w", err)
	}
	if busy != 0 {
		return fault.New(fault.StorageBusy, "another process uses the database")
	}
	return nil
}

// keep opens a connection that stays open and idle, so that the writer's is
// never the last one. The last one to close would take the index of the log
// with it, and the next would build it again from the log: from pages that a
// failed sync left in the operating system's cache, but not on the disk.
// Commits that follow such pages are lost with the power, although their own
// sync succeeded.
func (e *engine) keep(ctx context.Context) error {
	conn, err := e.readDB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open keeper: %w", err)
	}
	e.keeper = conn
	var n int
	if err := conn.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&n); err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	return nil
}

// OpenMemory returns an empty database in memory, which ends with Close. It
// is the store that other packages' tests use.
func OpenMemory(ctx context.Context, c clock.Clock) (store.Store, error) {
	o := withDefaults(Options{Clock: c})
	e := &engine{clock: o.Clock, code: o.Driver.Code, options: o, Watchers: portable.NewWatchers()}
	// One connection serves readers and writer, in turn: a second one would see
	// another memory.
	db, err := sql.Open(o.Driver.Name, ":memory:?_pragma=foreign_keys(1)")
	if err != nil {
		return store.Store{}, fmt.Errorf("open memory: %w", err)
	}
	db.SetMaxOpenConns(1)
	e.writeDB, e.readDB, e.shared = db, db, true
	if err := migrations.Up(ctx, db, migrations.SQLite); err != nil {
		_ = e.Close() // the first error counts
		return store.Store{}, err
	}
	e.startReaders()
	if err := e.startWriter(ctx); err != nil {
		_ = e.Close() // the first error counts
		return store.Store{}, err
	}
	return portable.New(e), nil
}

func withDefaults(o Options) Options {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Synchronous == "" {
		o.Synchronous = "FULL"
	}
	if o.Driver.Name == "" {
		o.Driver = Driver{Name: "sqlite", DSN: modernDSN, Code: modernCode}
	}
	return o
}

// pragmas in the order in which they must run: the busy timeout first, because
// the others may have to wait for a lock.
func pragmas(synchronous string) []string {
	return []string{
		"busy_timeout(5000)",
		"journal_mode(WAL)",
		"synchronous(" + synchronous + ")",
		"foreign_keys(1)",
		"journal_size_limit(67108864)",
		"wal_autocheckpoint(1000)",
		"cache_size(-16000)",
		"temp_store(MEMORY)",
	}
}

func modernDSN(path string, pragmas []string, readOnly bool) string {
	v := url.Values{"_pragma": pragmas}
	if readOnly {
		v.Add("_pragma", "query_only(1)")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
}

// migrate brings the schema up to date. An existing database is copied first,
// so that a migration that goes wrong costs nothing.
func migrate(ctx context.Context, db *sql.DB, path string, noBackup bool) error {
	if !noBackup {
		pending, err := migrations.Pending(ctx, db, migrations.SQLite)
		if err != nil {
			return fmt.Errorf("look for migrations: %w", err)
		}
		if pending {
			copyTo := path + ".before-migration"
			if err := os.Remove(copyTo); err != nil && !os.IsNotExist(err) {
				return fmt.Errorf("replace old copy: %w", err)
			}
			if err := private(copyTo); err != nil {
				return err
			}
			if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, copyTo); err != nil {
				return fmt.Errorf("copy database before migration: %w", err)
			}
		}
	}
	return migrations.Up(ctx, db, migrations.SQLite)
}

// checkTime bounds the check of the file at the start.
const checkTime = time.Minute

// quickCheck refuses a damaged file: better no start than silent loss. A file
// that is too big to be checked within the limit is no damaged one.
func quickCheck(ctx context.Context, db *sql.DB, limit time.Duration) error {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var verdict string
	if err := db.QueryRowContext(within, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		if within.Err() != nil && ctx.Err() == nil {
			return nil
		}
		return fmt.Errorf("check database: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("the database is damaged (%s): restore a backup", verdict)
	}
	return nil
}
