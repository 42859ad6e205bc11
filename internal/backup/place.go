package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/filelock"
	"github.com/runsheet/runsheet/internal/store/dump"
	"github.com/runsheet/runsheet/internal/store/migrations"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// Place is where a store is: a data folder, which holds the SQLite database, or
// a PostgreSQL database. One of the two is set.
type Place struct {
	// Folder is the path of a data folder.
	Folder string
	// URL of a PostgreSQL database. It is a secret.
	URL string
}

// database is the file of SQLite in a data folder.
const database = "runsheet.db"

// String names the place without a password.
func (p Place) String() string {
	if p.URL == "" {
		return filepath.Join(p.Folder, database)
	}
	return postgres.Describe(p.URL)
}

// opened is a place that no server uses and that none can begin to use.
type opened struct {
	place  Place
	db     *dump.DB
	engine migrations.Engine
	path   string // of the SQLite file
	close  func() error
}

// lockFolder keeps servers out of a data folder.
func lockFolder(folder string) (func() error, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	lock, err := filelock.Take(filepath.Join(folder, "runsheet.lock"))
	if err != nil {
		return nil, err
	}
	return lock.Close, nil
}

// open opens a place. unsafe accepts a PostgreSQL server that may lose commits.
// The data folder must have been locked. file is the name of the SQLite file.
func (p Place) open(ctx context.Context, file string, unsafe bool) (*opened, error) {
	if p.URL != "" {
		db, closeAll, err := postgres.Offline(ctx, postgres.Options{URL: p.URL, AllowUnsafe: unsafe})
		if err != nil {
			return nil, err
		}
		return &opened{place: p, db: db, engine: migrations.Postgres, close: closeAll}, nil
	}
	path := filepath.Join(p.Folder, file)
	db, closeAll, err := sqlite.Offline(ctx, path)
	if err != nil {
		return nil, err
	}
	return &opened{place: p, db: db, engine: migrations.SQLite, path: path, close: closeAll}, nil
}

// absent refuses a data folder that has a database already.
func absent(folder string) error {
	path := filepath.Join(folder, database)
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for a database: %w", err)
	}
	return fault.Newf(fault.StoreNotEmpty, "there is a database already: %s", path).
		WithHint("choose another folder with --data, or move the old database away")
}

// idle refuses a PostgreSQL database that a living instance uses.
func (o *opened) idle(ctx context.Context) error {
	if o.engine != migrations.Postgres {
		return nil // the locks say so
	}
	ids, err := postgres.Living(ctx, o.db)
	if err != nil || len(ids) == 0 {
		return err
	}
	return fault.Newf(fault.OtherInstance, "a server uses the database %s: %s", o.place, strings.Join(ids, ", ")).
		WithHint("stop it; the lease of one that crashed is over after 30 seconds")
}

// marked returns why the place is not in use any more, "" if it is.
func (o *opened) marked(ctx context.Context) (string, error) {
	if o.engine == migrations.Postgres {
		return postgres.Marked(ctx, o.db)
	}
	return sqlite.Marked(filepath.Join(o.place.Folder, database)) // also when another file is filled, to become this one
}

func (o *opened) mark(ctx context.Context, why string) error {
	if o.engine == migrations.Postgres {
		return postgres.Mark(ctx, o.db, why)
	}
	if err := sqlite.Mark(o.path, why); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(o.path))
}

// begin starts the transaction that fills a place.
func (o *opened) begin(ctx context.Context) (*dump.Tx, error) {
	if o.engine == migrations.Postgres {
		return postgres.Begin(ctx, o.db)
	}
	return sqlite.Begin(ctx, o.db)
}

// prepare migrates an empty place to the schema and refuses one that is in use.
func (o *opened) prepare(ctx context.Context, s *dump.Schema) error {
	if err := o.idle(ctx); err != nil {
		return err
	}
	have, err := migrations.Version(ctx, o.db, o.engine)
	if err != nil {
		return err
	}
	used := fault.Newf(fault.StoreNotEmpty, "the database %s is not empty", o.place).
		WithHint("use a new database; nothing was changed in this one")
	if have > s.Version {
		// An empty one of a newer program could not be told from a used one.
		return used
	}
	why, err := o.marked(ctx)
	if err != nil {
		return err
	}
	if why != "" {
		used.Detail += ": " + why
		return used
	}
	if have != s.Version {
		if err := migrations.UpTo(ctx, o.db, o.engine, s.Version); err != nil {
			return err
		}
	}
	tables, err := s.Used(ctx, dump.Source{DB: o.db, Engine: o.engine})
	if err != nil {
		return err
	}
	if len(tables) > 0 {
		used.Detail += ": there are rows in " + strings.Join(tables, ", ")
		return used
	}
	return nil
}
