// Package backup copies a whole installation: backup into an archive, restore
// from one, and migrate between the databases.
//
// What it copies is the rows of the database (package dump), the content of
// artifacts and the logs of runs. It never copies the folder of keys, so nothing
// that it makes contains the administrator's token, the local token or the
// identity of a host. It does not know the API or the command line; app gives it
// the opened places.
//
//	b, err := backup.Take(ctx, o)   // the moment of the backup
//	defer b.Close()
//	m, err := b.Write(ctx, w)       // as slowly as w takes it
package backup

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/archive"
	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/runlog"
	"github.com/runsheet/runsheet/internal/store"
)

// Options of Take. Snapshots, Blobs, Logs and Folder must be given.
type Options struct {
	Snapshots store.Snapshots
	Blobs     blob.Store
	Logs      *runlog.Folder
	// Folder is where temporary copies of the rows go; it is created.
	Folder string
	// Version of the program.
	Version string
	Clock   clock.Clock
	// WithoutBlobs leaves the content of artifacts out.
	WithoutBlobs bool
}

// Backup is the state of an installation at one moment, ready to be written.
type Backup struct {
	o      Options
	dir    string // has a file for each table
	tables []table
	man    archive.Manifest
}

type table struct {
	name string
	rows int64
}

// Take copies the rows of the database, as they are at one moment, into
// temporary files. The caller closes the result.
func Take(ctx context.Context, o Options) (*Backup, error) {
	if err := os.MkdirAll(o.Folder, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.StorageUnavailable, "make a folder for the backup")
	}
	dir, err := os.MkdirTemp(o.Folder, "backup-*")
	if err != nil {
		return nil, fault.Wrap(err, fault.StorageUnavailable, "make a folder for the backup")
	}
	b := &Backup{o: o, dir: dir}
	b.man = archive.Manifest{Product: o.Version, CreatedAt: o.Clock.Now().UTC().Truncate(time.Millisecond), WithoutBlobs: o.WithoutBlobs}
	err = o.Snapshots.Snapshot(ctx, dir, func(ctx context.Context, s store.Snapshot) error {
		b.man.Schema, b.man.Engine = s.Schema(), s.Engine()
		for _, name := range s.Tables() {
			rows, err := b.spool(name, func(w io.Writer) (int64, error) { return s.Write(ctx, name, w) })
			if err != nil {
				return err
			}
			b.tables = append(b.tables, table{name, rows})
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Close removes the temporary files.
func (b *Backup) Close() error { return os.RemoveAll(b.dir) }

func (b *Backup) path(table string) string { return filepath.Join(b.dir, table+".jsonl") }

func (b *Backup) spool(name string, write func(io.Writer) (int64, error)) (int64, error) {
	f, err := os.OpenFile(b.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, fault.Wrap(err, fault.StorageUnavailable, "write a temporary file of the backup")
	}
	w := bufio.NewWriterSize(f, 256<<10)
	rows, err := write(w)
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
		return 0, fmt.Errorf("copy table %s: %w", name, err)
	}
	return rows, nil
}

// Write writes the archive. Content of artifacts that retention has removed
// since Take is counted as absent; content that turns out to be damaged is named
// in the manifest. Neither makes the backup fail, because nothing that is done
// later would bring the content back. Logs are as long as they are now.
func (b *Backup) Write(ctx context.Context, w io.Writer) (archive.Manifest, error) {
	a, err := archive.NewWriter(&stopping{ctx, w})
	if err != nil {
		return b.man, err
	}
	for _, t := range b.tables {
		if err := b.writeTable(a, t); err != nil {
			return b.man, err
		}
	}
	if !b.o.WithoutBlobs {
		if err := b.writeBlobs(ctx, a); err != nil {
			return b.man, err
		}
	}
	if err := b.column("runs", "run_id", func(id string) error { return b.o.Logs.Export(ctx, id, a.Log) }); err != nil {
		return b.man, err
	}
	return a.Close(b.man)
}

// stopping is a writer that fails when its context has ended.
type stopping struct {
	ctx context.Context //nolint:containedctx // io.Writer has none
	w   io.Writer
}

func (s *stopping) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}

func (b *Backup) writeTable(a *archive.Writer, t table) error {
	f, err := os.Open(b.path(t.name))
	if err != nil {
		return fault.Wrap(err, fault.StorageUnavailable, "read a temporary file of the backup")
	}
	defer func() { _ = f.Close() }() // only read
	st, err := f.Stat()
	if err != nil {
		return fault.Wrap(err, fault.StorageUnavailable, "read a temporary file of the backup")
	}
	return a.Table(t.name, t.rows, st.Size(), f)
}

func (b *Backup) writeBlobs(ctx context.Context, a *archive.Writer) error {
	seen := map[[32]byte]struct{}{}
	if err := b.column("artifacts", "sha256", func(sum string) error {
		var key [32]byte
		if n, err := hex.Decode(key[:], []byte(sum)); err == nil && n == len(key) {
			seen[key] = struct{}{}
		}
		return nil
	}); err != nil {
		return err
	}
	sums := make([][32]byte, 0, len(seen))
	for k := range seen {
		sums = append(sums, k)
	}
	slices.SortFunc(sums, func(a, b [32]byte) int { return slices.Compare(a[:], b[:]) })
	for _, k := range sums {
		sum := hex.EncodeToString(k[:])
		content, size, err := b.o.Blobs.Open(ctx, sum)
		if fault.Is(err, fault.ArtifactGone) {
			b.man.AbsentBlobs++
			continue
		}
		if err != nil {
			return fmt.Errorf("open artifact %s: %w", sum, err)
		}
		err = a.Blob(sum, size, verified{content})
		if err = errors.Join(err, content.Close()); err != nil {
			return err
		}
	}
	return nil
}

// verified translates the error of damaged content.
type verified struct{ r io.Reader }

func (v verified) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	if errors.Is(err, blob.ErrDamaged) {
		err = archive.ErrDamaged
	}
	return n, err
}

// column calls f with the text in one column of each row of a copied table.
func (b *Backup) column(table, name string, f func(string) error) error {
	file, err := os.Open(b.path(table))
	if err != nil {
		return fault.Wrap(err, fault.StorageUnavailable, "read a temporary file of the backup")
	}
	defer func() { _ = file.Close() }() // only read
	rows := json.NewDecoder(bufio.NewReaderSize(file, 256<<10))
	var names []string
	if err := rows.Decode(&names); err != nil {
		return fmt.Errorf("read the copy of %s: %w", table, err)
	}
	at := slices.Index(names, name)
	if at < 0 {
		return fmt.Errorf("table %s has no column %s", table, name)
	}
	for rows.More() {
		var row []json.RawMessage
		var text string
		if err := rows.Decode(&row); err != nil {
			return fmt.Errorf("read the copy of %s: %w", table, err)
		}
		if err := json.Unmarshal(row[at], &text); err != nil {
			return fmt.Errorf("read the copy of %s: %w", table, err)
		}
		if err := f(text); err != nil {
			return err
		}
	}
	return nil
}
