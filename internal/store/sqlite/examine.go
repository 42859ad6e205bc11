package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/runsheet/runsheet/internal/store/migrations"
)

// Examination is what can be said of a database file from outside.
type Examination struct {
	// Schema is that of the file, Known the one of this program.
	Schema, Known int64
	// Damage is the verdict of the quick check, "" = sound or not finished.
	Damage string
	// Checked is false when the file was too big for the time that was given.
	Checked bool
	// Newest is when the newest job was added; zero = there is none.
	Newest time.Time
	// Bytes and WALBytes are sizes of the file and of its log.
	Bytes, WALBytes int64
}

// Examine looks at a database file without changing it, also while a server uses
// it. The quick check ends after within. A missing file is an error that wraps
// fs.ErrNotExist.
func Examine(ctx context.Context, path string, within time.Duration) (x Examination, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return x, err
	}
	x.Bytes = info.Size()
	if wal, err := os.Stat(path + "-wal"); err == nil {
		x.WALBytes = wal.Size()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return x, err
	}
	db, err := sql.Open("sqlite", modernDSN(path, []string{"busy_timeout(5000)", "mmap_size(0)"}, true)+"&mode=ro")
	if err != nil {
		return x, fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if x.Schema, x.Known, err = migrations.Versions(ctx, db, migrations.SQLite); err != nil {
		return x, err
	}
	var newest sql.NullInt64
	if err := db.QueryRowContext(ctx, `SELECT max(created_ms) FROM jobs`).Scan(&newest); err != nil {
		return x, fmt.Errorf("look for the newest job: %w", err)
	}
	if newest.Valid {
		x.Newest = time.UnixMilli(newest.Int64)
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var verdict string
	err = db.QueryRowContext(limited, `PRAGMA quick_check(1)`).Scan(&verdict)
	switch {
	case err == nil:
		if x.Checked = true; verdict != "ok" {
			x.Damage = verdict
		}
		return x, nil
	case limited.Err() != nil && ctx.Err() == nil:
		return x, nil
	}
	return x, fmt.Errorf("check database: %w", err)
}

// Network names the network file system on which path is, "" if it is on a local
// one or if this system does not tell. Servers refuse to start there.
func Network(path string) (string, error) { return network(path) }

// refuseNetwork returns an error when the folder of path is on a file system
// whose locks and syncs cannot be trusted, because another machine serves it.
func refuseNetwork(path string) error {
	name, err := network(path)
	if err == nil && name != "" {
		err = fmt.Errorf("%s is on a network file system (%s), where SQLite can lose data: use a local disk, or PostgreSQL", filepath.Dir(path), name)
	}
	return err
}
