package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/archive"
	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/runlog"
	"github.com/runsheet/runsheet/internal/store/dump"
	"github.com/runsheet/runsheet/internal/store/migrations"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// MigrateOptions say from where to where.
type MigrateOptions struct {
	From, To Place
	// FilesFrom and FilesTo are data folders; when both are set and differ, logs
	// and artifacts are copied. Otherwise they stay where they are.
	FilesFrom, FilesTo string
	// KeepSource lets servers start on the source afterwards.
	KeepSource bool
	Clock      clock.Clock
	// AllowUnsafe accepts a PostgreSQL server that may lose commits. Tests only.
	AllowUnsafe bool
}

// Report tells what a migration did.
type Report struct {
	Tables []archive.TableSum `json:"tables"`
	// Logs and Blobs are how many files were copied.
	Logs  int64 `json:"logs"`
	Blobs int64 `json:"artifacts"`
	// Hint says what was left behind and is wanted, "" if nothing.
	Hint string `json:"hint,omitempty"`
}

// moving begins the reason in the mark of a source whose migration may not have
// ended.
const moving = "was being migrated"

// Migrate copies the rows of a store that nobody uses into an empty one, compares
// both, and marks the source so that no server starts on it by mistake.
//
// The source is marked before the target is committed: a crash between the two
// leaves two places that servers refuse or find empty, never two that both go on
// with the same jobs. Migrate can be repeated then.
func Migrate(ctx context.Context, o MigrateOptions) (rep Report, err error) {
	if err := o.exist(); err != nil {
		return rep, err
	}
	unlock, err := o.lock()
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := o.check(); err != nil {
		return rep, err
	}
	from, err := o.From.open(ctx, database, o.AllowUnsafe)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	schema, err := from.ready(ctx)
	if err != nil {
		return rep, err
	}
	to, err := o.To.open(ctx, incoming, o.AllowUnsafe)
	if err != nil {
		return rep, err
	}
	open := true
	defer func() {
		if open {
			err = errors.Join(err, to.close())
		}
	}()
	if err := to.prepare(ctx, schema); err != nil {
		return rep, err
	}
	if err := o.files(ctx, &rep); err != nil {
		return rep, err
	}
	if rep.Tables, err = o.copyRows(ctx, schema, from, to); err != nil {
		return rep, err
	}
	if err := newest(ctx, to); err != nil {
		return rep, err
	}
	open = false
	if err := to.close(); err != nil {
		return rep, err
	}
	if o.To.URL == "" {
		if err := publish(o.To.Folder); err != nil {
			return rep, err
		}
	}
	rep.Hint = o.left(rep)
	if o.KeepSource {
		return rep, nil
	}
	return rep, from.mark(ctx, o.why("was migrated"))
}

func (o MigrateOptions) why(verb string) string {
	return fmt.Sprintf("%s to %s at %s", verb, o.To, o.Clock.Now().UTC().Format(time.RFC3339))
}

// lock takes the data folders that are touched, each once.
func (o MigrateOptions) lock() (func() error, error) {
	var all []func() error
	unlock := func() error {
		var errs []error
		for _, f := range all {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	done := map[string]bool{"": true}
	for _, folder := range []string{o.From.Folder, o.To.Folder, o.FilesFrom, o.FilesTo} {
		if done[folder] {
			continue
		}
		done[folder] = true
		f, err := lockFolder(folder)
		if err != nil {
			return nil, errors.Join(err, unlock())
		}
		all = append(all, f)
	}
	return unlock, nil
}

// exist refuses sources that are not there, before a folder or a lock is made.
func (o MigrateOptions) exist() error {
	if o.From == o.To {
		return fault.New(fault.InvalidInput, "the source and the target are the same")
	}
	if o.From.URL == "" {
		if _, err := os.Stat(filepath.Join(o.From.Folder, database)); err != nil {
			return fault.Newf(fault.NotFound, "there is no database in %s", o.From.Folder)
		}
	}
	if o.FilesFrom != "" {
		if _, err := os.Stat(o.FilesFrom); err != nil {
			return fault.Newf(fault.NotFound, "there is no data folder %s", o.FilesFrom)
		}
	}
	return nil
}

func (o MigrateOptions) check() error {
	for _, p := range []Place{o.From, o.To} {
		if p.URL != "" {
			continue
		}
		if err := Unfinished(p.Folder); err != nil {
			return err
		}
	}
	if o.To.URL != "" {
		return nil
	}
	if err := absent(o.To.Folder); err != nil {
		return err
	}
	// An earlier attempt that was interrupted: no server has ever looked at it.
	return RestoreOptions{Folder: o.To.Folder}.drop()
}

// ready returns the schema of a source that nobody uses.
func (o *opened) ready(ctx context.Context) (*dump.Schema, error) {
	if err := o.idle(ctx); err != nil {
		return nil, err
	}
	why, err := o.marked(ctx)
	if err != nil {
		return nil, err
	}
	if why != "" && !strings.HasPrefix(why, "it "+moving) {
		return nil, fault.Newf(fault.StoreMoved, "the database %s is not in use any more: %s", o.place, why)
	}
	have, err := migrations.Version(ctx, o.db, o.engine)
	if err != nil {
		return nil, err
	}
	known, err := migrations.Newest()
	if err != nil {
		return nil, err
	}
	if have == 0 {
		return nil, fault.Newf(fault.NotFound, "there is no Runsheet in the database %s", o.place)
	}
	if have > known {
		return nil, fault.Newf(fault.InvalidInput, "the database %s has schema %d, this program knows %d", o.place, have, known).
			WithHint("use a newer runsheet")
	}
	return dump.SchemaOf(ctx, have)
}

// copyRows fills to with the rows of from, through a pipe, and compares.
func (o MigrateOptions) copyRows(ctx context.Context, schema *dump.Schema, from, to *opened) (sums []archive.TableSum, err error) {
	read := func(src dump.Source) error {
		return fill{
			schema: schema,
			rows: func(load func(string, io.Reader) error) ([]archive.TableSum, error) {
				for _, t := range schema.Tables {
					sum, err := pipe(ctx, schema, src, t, func(r io.Reader) error { return load(t.Name, r) })
					if err != nil {
						return nil, err
					}
					sums = append(sums, sum)
				}
				return sums, nil
			},
			adjust: func(ctx context.Context, tx *dump.Tx) error {
				// Two stores that both go on must not both own one place, or each would
				// remove what only the other one names. Without the source, a copied
				// folder becomes the place at the first start, and a bucket stays it.
				if !o.KeepSource {
					return nil
				}
				return schema.ForgetPlace(ctx, tx)
			},
			last: func(ctx context.Context) error {
				// A server that was starting when we looked first would be seen now.
				if err := errors.Join(from.idle(ctx), to.idle(ctx)); err != nil {
					return err
				}
				if o.KeepSource {
					return nil
				}
				return from.mark(ctx, o.why(moving))
			},
		}.into(ctx, to)
	}
	if from.engine == migrations.SQLite {
		tx, err := sqlite.Begin(ctx, from.db)
		if err != nil {
			return nil, err
		}
		defer func() { _ = tx.Rollback() }() // nothing was written
		return sums, read(dump.Source{DB: tx, Engine: from.engine})
	}
	err = postgres.Consistent(ctx, from.db, func(tx *dump.Tx) error {
		return read(dump.Source{DB: tx, Engine: from.engine})
	})
	return sums, err
}

// pipe reads a table on one side and hands it to load on the other.
func pipe(ctx context.Context, s *dump.Schema, src dump.Source, t dump.Table, load func(io.Reader) error) (archive.TableSum, error) {
	r, w := io.Pipe()
	type result struct {
		sum dump.Sum
		err error
	}
	done := make(chan result, 1)
	go func() {
		sum, err := s.Write(ctx, src, t, w)
		w.CloseWithError(err)
		done <- result{sum, err}
	}()
	hash := sha256.New()
	err := load(io.TeeReader(r, hash))
	r.CloseWithError(errors.New("loading ended"))
	got := <-done
	if err = errors.Join(err, got.err); err != nil {
		return archive.TableSum{}, err
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != got.sum.SHA256 {
		return archive.TableSum{}, fmt.Errorf("table %s was not read to its end", t.Name)
	}
	return archive.TableSum(got.sum), nil
}

// copies reports whether logs and artifacts go to another folder.
func (o MigrateOptions) copies() bool {
	return o.FilesFrom != "" && o.FilesTo != "" && o.FilesFrom != o.FilesTo
}

// left tells of logs and artifacts that a new data folder lacks, because nobody
// said where they are.
func (o MigrateOptions) left(rep Report) string {
	if o.To.URL != "" || o.FilesFrom != "" {
		return ""
	}
	if there, err := os.ReadDir(filepath.Join(o.To.Folder, "logs")); err == nil && len(there) > 0 {
		return "" // the queue comes back into its old folder
	}
	for _, t := range rep.Tables {
		if t.Name == "runs" && t.Rows > 0 {
			return fmt.Sprintf("logs and artifacts of %d runs were not copied: --files-from FOLDER, the data folder of the old server, does it. "+
				"Now copy its folders logs and artifacts into %s before you start a server", t.Rows, o.To.Folder)
		}
	}
	return ""
}

// files copies logs and artifacts when both folders were given.
func (o MigrateOptions) files(ctx context.Context, rep *Report) error {
	if !o.copies() {
		return nil
	}
	if err := copyLogs(ctx, filepath.Join(o.FilesFrom, "logs"), filepath.Join(o.FilesTo, "logs"), rep); err != nil {
		return err
	}
	source, err := blob.OpenFolder(filepath.Join(o.FilesFrom, "artifacts"), blob.Options{})
	if err != nil {
		return err
	}
	target, err := blob.OpenFolder(filepath.Join(o.FilesTo, "artifacts"), blob.Options{})
	if err != nil {
		return err
	}
	for info, err := range source.List(ctx) {
		if err != nil {
			return err
		}
		content, _, err := source.Open(ctx, info.Sum)
		if err != nil {
			return err
		}
		err = putBlob(ctx, target, info.Sum, content)
		if err = errors.Join(err, content.Close()); err != nil {
			return err
		}
		rep.Blobs++
	}
	return nil
}

func copyLogs(ctx context.Context, from, to string, rep *Report) error {
	entries, err := os.ReadDir(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list logs: %w", err)
	}
	logs, err := runlog.Open(to, runlog.Options{})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !archive.IsLogName(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		// One that an interrupted attempt has left may not be whole.
		if err := os.Remove(filepath.Join(to, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("replace a log: %w", err)
		}
		f, err := os.Open(filepath.Join(from, e.Name()))
		if err != nil {
			return fmt.Errorf("open a log: %w", err)
		}
		err = logs.Import(e.Name(), f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		rep.Logs++
	}
	return nil
}
