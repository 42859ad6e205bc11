package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/dump"
	"github.com/runsheet/runsheet/internal/store/migrations"
)

// Snapshot implements store.Snapshots: it copies the database into a file of
// its own and reads that. The copy is the one read that may take longer than
// readLimit: it takes as long as the disk needs to write the database once, and
// the log grows by what is written meanwhile, to be trimmed after it. Whoever
// reads the rows, however slowly, reads the copy and keeps nobody from anything.
func (e *engine) Snapshot(ctx context.Context, folder string, f func(context.Context, store.Snapshot) error) (err error) {
	select {
	case <-e.stop:
		return closed()
	default:
	}
	own, err := os.MkdirTemp(folder, "snapshot-*")
	if err != nil {
		return fmt.Errorf("make a folder for the copy: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(own)) }()
	path := filepath.Join(own, "copy.db")
	if err := private(path); err != nil {
		return err
	}
	if err := e.copyTo(ctx, path); err != nil {
		return e.classify(fmt.Errorf("copy the database: %w", err))
	}
	d := withDefaults(Options{}).Driver // the copy is an ordinary file
	db, err := sql.Open(d.Name, d.DSN(path, []string{"busy_timeout(5000)", "temp_store(MEMORY)"}, true))
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	version, err := migrations.Version(ctx, db, migrations.SQLite)
	if err != nil {
		return err
	}
	s, err := dump.NewSnapshot(ctx, dump.Source{DB: db, Engine: migrations.SQLite}, version)
	if err != nil {
		return err
	}
	return f(ctx, s)
}

// copyTo makes a copy on a connection of its own, because the readers' are
// read-only and the writer's is never free.
func (e *engine) copyTo(ctx context.Context, path string) (err error) {
	const vacuum = `VACUUM INTO $1`
	if e.shared {
		return e.alone(ctx, func(s *session) error {
			_, err := s.conn.ExecContext(ctx, vacuum, path)
			return err
		})
	}
	db, err := sql.Open(e.options.Driver.Name, e.options.Driver.DSN(e.options.Path, []string{"busy_timeout(5000)"}, false))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, vacuum, path)
	return err
}
