package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/runsheet/runsheet/internal/archive"
	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/runlog"
	"github.com/runsheet/runsheet/internal/store/dump"
	"github.com/runsheet/runsheet/internal/store/migrations"
)

// RestoreOptions say what goes where.
type RestoreOptions struct {
	// Open opens the archive, decrypted. It is called twice: the first reading
	// only checks.
	Open func() (io.ReadCloser, error)
	// Folder is the data folder. It is locked by Restore.
	Folder string
	// URL of the PostgreSQL database; "" = SQLite in Folder.
	URL string
	// OpenBlobs opens the place of the artifacts.
	OpenBlobs func(context.Context) (blob.Store, error)
	// Force replaces what an interrupted restore has left in Folder.
	Force bool
	// Resume lets the queue go on by itself. Otherwise it is paused.
	Resume bool
	Clock  clock.Clock
	// AllowUnsafe accepts a PostgreSQL server that may lose commits. Tests only.
	AllowUnsafe bool
}

// The names of what a restore leaves when it is interrupted.
const (
	unfinished = "restore-unfinished"
	incoming   = database + ".incoming"
)

// Unfinished returns an error when an interrupted restore or migration has left
// its parts in a data folder: a server must not start on them.
func Unfinished(folder string) error {
	_, err := os.Lstat(filepath.Join(folder, unfinished))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the data folder: %w", err)
	}
	return fault.Newf(fault.RestoreUnfinished, "a restore into %s was interrupted: what is there is not whole", folder).
		WithHint("run the same runsheet restore again with --force, or empty the folder")
}

// Restore brings an installation back from an archive, into an empty folder and
// an empty database. The archive is checked before anything is written. All of it
// becomes visible at once; an interruption leaves a folder that servers refuse,
// or nothing.
func Restore(ctx context.Context, o RestoreOptions) (m archive.Manifest, err error) {
	if m, err = verify(o.Open); err != nil {
		return m, err
	}
	newestSchema, err := migrations.Newest()
	if err != nil {
		return m, err
	}
	if m.Schema > newestSchema {
		return m, fault.Newf(fault.BackupInvalid, "the backup has schema %d, this program knows %d", m.Schema, newestSchema).
			WithHint("restore it with runsheet " + m.Product + " or newer")
	}
	if m.Schema < 1 {
		return m, fault.Newf(fault.BackupInvalid, "the backup has schema %d, which never was", m.Schema)
	}
	schema, err := dump.SchemaOf(ctx, m.Schema)
	if err != nil {
		return m, err
	}
	unlock, err := lockFolder(o.Folder)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := o.clear(ctx); err != nil {
		return m, err
	}
	// A folder that somebody made may be open to others; what comes into it is not
	// for them. A volume that belongs to another user, as in containers, stays.
	if err := os.Chmod(o.Folder, 0o700); err != nil && !errors.Is(err, fs.ErrPermission) {
		return m, fmt.Errorf("close the data folder to others: %w", err)
	}
	return m, o.restore(ctx, m, schema)
}

func verify(open func() (io.ReadCloser, error)) (archive.Manifest, error) {
	r, err := open()
	if err != nil {
		return archive.Manifest{}, err
	}
	defer func() { _ = r.Close() }() // only read
	return archive.Verify(r)
}

func (o RestoreOptions) mark() string { return filepath.Join(o.Folder, unfinished) }

// clear makes sure that the folder is empty, apart from keys and locks. With
// Force it removes what an interrupted restore has left: no server can have used
// it, since none starts on it.
func (o RestoreOptions) clear(context.Context) error {
	if err := Unfinished(o.Folder); err != nil {
		if !fault.Is(err, fault.RestoreUnfinished) || !o.Force {
			return err
		}
		for _, name := range []string{
			database, database + "-wal", database + "-shm", incoming, incoming + "-wal", incoming + "-shm", "logs",
		} {
			if err := os.RemoveAll(filepath.Join(o.Folder, name)); err != nil {
				return fmt.Errorf("remove what a restore has left: %w", err)
			}
		}
		return nil
	}
	if err := absent(o.Folder); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(o.Folder, "logs")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	logs, err := runlog.Open(filepath.Join(o.Folder, "logs"), runlog.Options{})
	if err != nil {
		return err
	}
	if empty, err := logs.Empty(); err != nil || empty {
		return err
	}
	return fault.Newf(fault.StoreNotEmpty, "there are logs of runs already in %s", o.Folder).WithHint("choose another folder with --data")
}

func (o RestoreOptions) restore(ctx context.Context, m archive.Manifest, schema *dump.Schema) (err error) {
	if err := writeMark(o.mark(), "A restore into this folder has begun and has not ended.\n"); err != nil {
		return err
	}
	place := Place{Folder: o.Folder, URL: o.URL}
	to, err := place.open(ctx, incoming, o.AllowUnsafe)
	if err != nil {
		return errors.Join(err, o.unmark())
	}
	open := true
	defer func() {
		if open {
			err = errors.Join(err, to.close())
		}
	}()
	if err := to.prepare(ctx, schema); err != nil {
		open = false
		return errors.Join(err, to.close(), o.drop(), o.unmark()) // nothing was written but that
	}
	if err := o.load(ctx, m, schema, to); err != nil {
		return err
	}
	if err := newest(ctx, to); err != nil {
		return err
	}
	open = false
	if err := to.close(); err != nil {
		return err
	}
	if o.URL == "" {
		if err := publish(o.Folder); err != nil {
			return err
		}
	}
	return o.unmark()
}

// drop removes a database file that was not filled.
func (o RestoreOptions) drop() error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		if err := os.Remove(filepath.Join(o.Folder, incoming+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (o RestoreOptions) unmark() error {
	if err := os.Remove(o.mark()); err != nil {
		return fmt.Errorf("end the restore: %w", err)
	}
	return syncFolder(o.Folder)
}

// load reads the archive a second time and stores what is in it.
func (o RestoreOptions) load(ctx context.Context, m archive.Manifest, schema *dump.Schema, to *opened) error {
	file, err := o.Open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	r, err := archive.NewReader(file)
	if err != nil {
		return err
	}
	blobs, err := o.OpenBlobs(ctx)
	if err != nil {
		return err
	}
	logs, err := runlog.Open(filepath.Join(o.Folder, "logs"), runlog.Options{})
	if err != nil {
		return err
	}
	damaged := map[string]bool{}
	for _, sum := range m.DamagedBlobs {
		damaged[sum] = true
	}
	reason := fmt.Sprintf("restored from a backup of %s; resume when no other server works with the same jobs",
		m.CreatedAt.Format(time.RFC3339))
	return fill{
		schema: schema,
		rows: func(load func(string, io.Reader) error) ([]archive.TableSum, error) {
			for {
				e, err := r.Next()
				if errors.Is(err, io.EOF) {
					// The same bytes as in the first reading? The file may have changed.
					again, _ := r.Manifest()
					return again.Tables, nil
				}
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					return nil, err
				}
				switch {
				case e.Kind == archive.Table:
					err = load(e.Name, r)
				case e.Kind == archive.Log:
					err = logs.Import(e.Name, r)
				case e.Kind == archive.Blob && !damaged[e.Name]:
					err = putBlob(ctx, blobs, e.Name, r)
				}
				if err != nil {
					return nil, err
				}
			}
		},
		adjust: func(ctx context.Context, tx *dump.Tx) error {
			if err := dump.ForgetHosts(ctx, tx); err != nil || o.Resume {
				return err
			}
			return dump.Pause(ctx, tx, reason, o.Clock.Now())
		},
		last: to.idle, // a server that was starting when we looked first would be seen now
	}.into(ctx, to)
}

func putBlob(ctx context.Context, to blob.Store, sum string, r io.Reader) error {
	got, _, err := to.Put(ctx, r, nil)
	if err != nil {
		return fmt.Errorf("store artifact %s: %w", sum, err)
	}
	if got != sum {
		return fault.Newf(fault.BackupInvalid, "the content of artifact %s has another SHA-256", sum)
	}
	return nil
}

// publish makes a filled database file the one that servers use.
func publish(folder string) error {
	if err := os.Rename(filepath.Join(folder, incoming), filepath.Join(folder, database)); err != nil {
		return fmt.Errorf("put the database into its place: %w", err)
	}
	if err := os.Remove(filepath.Join(folder, incoming+".lock")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a lock: %w", err)
	}
	return syncFolder(folder)
}

func writeMark(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("mark the data folder: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("mark the data folder: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}
