package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/filelock"
)

// Offline opens a database file that no server uses, without migrating it, and
// keeps servers out until close is called. A file that does not exist is created
// empty, for its owner only.
func Offline(ctx context.Context, path string) (db *sql.DB, closeAll func() error, err error) {
	lock, err := filelock.Take(path + ".lock")
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (*sql.DB, func() error, error) { return nil, nil, errors.Join(err, lock.Close()) }
	if err := refuseNetwork(path); err != nil {
		return fail(err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := private(path); err != nil {
			return fail(err)
		}
	}
	o := withDefaults(Options{})
	db, err = sql.Open(o.Driver.Name, o.Driver.DSN(path, pragmas(o.Synchronous), false))
	if err != nil {
		return fail(fmt.Errorf("open database: %w", err))
	}
	db.SetMaxOpenConns(1)
	if err := settle(ctx, db); err != nil {
		return fail(errors.Join(err, db.Close()))
	}
	return db, func() error { return errors.Join(db.Close(), lock.Close()) }, nil
}

// Begin starts the one transaction that reads or fills a database.
func Begin(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return tx, nil
}

// MarkPath is the file that says where the database beside it has gone.
func MarkPath(path string) string { return path + ".moved" }

// Mark makes servers refuse to start on the database, with why as the reason.
func Mark(path, why string) error {
	f, err := os.OpenFile(MarkPath(path), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("mark the database: %w", err)
	}
	_, err = f.WriteString(why + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("mark the database: %w", err)
	}
	return nil
}

// Marked returns why the database must not be used, "" if it may.
func Marked(path string) (string, error) {
	b, err := os.ReadFile(MarkPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for a mark of the database: %w", err)
	}
	return "it " + strings.TrimSpace(string(b)), nil
}

func refuseMoved(path string) error {
	why, err := Marked(path)
	if err != nil || why == "" {
		return err
	}
	return fault.Newf(fault.StoreMoved, "the database %s is not in use any more: %s", path, why).
		WithHint("start the server on the new database; to go on with this one instead, which knows nothing of what happened since, remove " + MarkPath(path))
}
