// Package migrations brings a database to the schema of this program.
//
// Migrations are forward-only SQL files with the same numbers and names for
// both engines, embedded in the binary. Each runs in one transaction. The
// checksum of every file that ran is recorded: a file that was changed
// afterwards, or a database that a newer program has migrated, is refused with
// a clear error instead of being guessed at.
package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"math"

	"github.com/pressly/goose/v3"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Engine selects a folder of migrations.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Pending reports whether db needs migrations. An empty database does.
func Pending(ctx context.Context, db *sql.DB, e Engine) (bool, error) {
	p, _, err := provider(db, e)
	if err != nil {
		return false, err
	}
	return p.HasPending(ctx)
}

// Up runs what is missing, in order. Two processes must not run it at once
// (the engines see to that: a file lock, an advisory lock).
func Up(ctx context.Context, db *sql.DB, e Engine) error { return UpTo(ctx, db, e, 0) }

// Newest is the version of the schema that Up makes.
func Newest() (int64, error) {
	names, err := fs.Glob(files, string(SQLite)+"/*.sql") // sorted
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	return goose.NumericComponent(names[len(names)-1])
}

// Version is the version of db's schema; 0 for an empty database.
func Version(ctx context.Context, db *sql.DB, e Engine) (int64, error) {
	p, _, err := provider(db, e)
	if err != nil {
		return 0, err
	}
	v, err := p.GetDBVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return v, nil
}

// UpTo is Up that stops at a version, for data that fits an older schema; 0 is
// the newest.
func UpTo(ctx context.Context, db *sql.DB, e Engine, version int64) error {
	p, dir, err := provider(db, e)
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_checksums (
		version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL)`); err != nil {
		return fmt.Errorf("create checksum table: %w", err)
	}
	if version == 0 {
		if made, err := fresh(ctx, db, e, p, dir); err != nil || made {
			return err
		}
	}
	if err := refuseNewer(ctx, p); err != nil {
		return err
	}
	if err := verify(ctx, db, p, dir); err != nil {
		return err
	}
	if version == 0 {
		version = math.MaxInt64
	}
	results, err := p.UpTo(ctx, version)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, r := range results {
		if err := note(ctx, db, dir, r.Source); err != nil {
			return err
		}
	}
	return nil
}

// note records the checksum of a migration that ran.
func note(ctx context.Context, db interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}, dir fs.FS, s *goose.Source,
) error {
	sum, err := checksum(dir, s.Path)
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `INSERT INTO schema_checksums (version, name, sha256) VALUES ($1, $2, $3)
		ON CONFLICT (version) DO NOTHING`, s.Version, s.Path, sum); err != nil {
		return fmt.Errorf("record checksum: %w", err)
	}
	return nil
}

func provider(db *sql.DB, e Engine) (*goose.Provider, fs.FS, error) {
	dir, err := fs.Sub(files, string(e))
	if err != nil {
		return nil, nil, err
	}
	p, err := goose.NewProvider(dialect(e), db, whole{dir}, goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, dir, nil
}

func dialect(e Engine) goose.Dialect {
	if e == Postgres {
		return goose.DialectPostgres
	}
	return goose.DialectSQLite3
}

func refuseNewer(ctx context.Context, p *goose.Provider) error {
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if have > want {
		return fmt.Errorf("the database has schema %d, this program knows %d: use a newer runsheet or restore a backup", have, want)
	}
	return nil
}

// verify compares recorded checksums with the files of this program. A crash
// between a migration and its record leaves a gap, which is filled in.
func verify(ctx context.Context, db *sql.DB, p *goose.Provider, dir fs.FS) error {
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	recorded, err := checksums(ctx, db)
	if err != nil {
		return fmt.Errorf("read checksums: %w", err)
	}
	for _, src := range p.ListSources() {
		if src.Version > have {
			continue
		}
		got, found := recorded[src.Version]
		if !found {
			if err := note(ctx, db, dir, src); err != nil {
				return err
			}
			continue
		}
		sum, err := checksum(dir, src.Path)
		if err != nil {
			return err
		}
		if got != sum {
			return fmt.Errorf("migration %s differs from the one that made this database: this build does not fit the data", src.Path)
		}
	}
	return nil
}

// checksums are those that are recorded, by the versions of migrations.
func checksums(ctx context.Context, db *sql.DB) (map[int64]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT version, sha256 FROM schema_checksums`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	out := map[int64]string{}
	for rows.Next() {
		var version int64
		var sum string
		if err := rows.Scan(&version, &sum); err != nil {
			return nil, err
		}
		out[version] = sum
	}
	return out, rows.Err()
}

func checksum(dir fs.FS, path string) (string, error) {
	b, err := fs.ReadFile(dir, path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
