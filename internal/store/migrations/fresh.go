package migrations

import (
	"context"
	"database/sql"
	_ "embed" // the schema of SQLite
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// sqliteSchema is what all migrations make of an empty SQLite database. "make generate"
// writes it: one migration after the other takes SQLite several times as long, because
// each change of a table makes it read the schema again.
//
//go:embed sqlite.gen.sql
var sqliteSchema string

// fresh makes the newest schema in a database that was never migrated, in one
// transaction, and reports whether it was such a database.
func fresh(ctx context.Context, db *sql.DB, e Engine, p *goose.Provider, dir fs.FS) (made bool, err error) {
	if empty, err := untouched(ctx, db, e); err != nil || !empty {
		return false, err
	}
	text := sqliteSchema
	if e == Postgres {
		if text, err = (whole{dir}).all(p.ListSources()); err != nil {
			return false, err
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("make the schema: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	// Without arguments, so that the drivers take many statements at once.
	if _, err := tx.ExecContext(ctx, text); err != nil {
		return false, fmt.Errorf("make the schema: %w", err)
	}
	if err := book(ctx, tx, e, p.ListSources(), dir); err != nil {
		return false, fmt.Errorf("record the schema: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("make the schema: %w", err)
	}
	return true, nil
}

// untouched reports whether db has nothing in it (of SQLite), or was never migrated (of
// PostgreSQL, where others may have tables, too).
func untouched(ctx context.Context, db *sql.DB, e Engine) (bool, error) {
	query := `SELECT NOT EXISTS (SELECT 1 FROM sqlite_master WHERE tbl_name <> 'schema_checksums')`
	if e == Postgres {
		query = `SELECT to_regclass('` + goose.DefaultTablename + `') IS NULL`
	}
	var empty bool
	if err := db.QueryRowContext(ctx, query).Scan(&empty); err != nil {
		return false, fmt.Errorf("look for a schema: %w", err)
	}
	return empty, nil
}

// book notes that all migrations have run, as if one had after the other.
func book(ctx context.Context, tx *sql.Tx, e Engine, sources []*goose.Source, dir fs.FS) error {
	s, err := database.NewStore(dialect(e), goose.DefaultTablename)
	if err != nil {
		return err
	}
	if err := s.CreateVersionTable(ctx, tx); err != nil {
		return err
	}
	if err := s.Insert(ctx, tx, database.InsertRequest{Version: 0}); err != nil { // as goose does
		return err
	}
	for _, one := range sources {
		if err := s.Insert(ctx, tx, database.InsertRequest{Version: one.Version}); err != nil {
			return err
		}
		if err := note(ctx, tx, dir, one); err != nil {
			return err
		}
	}
	return nil
}

// all is the text of migrations, one after the other.
func (w whole) all(sources []*goose.Source) (string, error) {
	var out strings.Builder
	for _, one := range sources {
		b, err := fs.ReadFile(w.FS, one.Path)
		if err != nil {
			return "", err
		}
		out.WriteString(oneStatement(string(b)))
	}
	return out.String(), nil
}
