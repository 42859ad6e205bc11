package backup

import (
	"context"
	"fmt"
	"io"

	"github.com/runsheet/runsheet/internal/archive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store/dump"
	"github.com/runsheet/runsheet/internal/store/migrations"
)

// fill loads rows in one transaction, reads them again, and commits only what
// equals what was meant to be loaded. Steps are called in this order; a nil one
// is left out.
type fill struct {
	schema *dump.Schema
	// rows gives the rows of all tables to load, and returns their sums.
	rows func(load func(table string, r io.Reader) error) ([]archive.TableSum, error)
	// adjust changes rows after they were compared.
	adjust func(ctx context.Context, tx *dump.Tx) error
	// last runs just before the commit.
	last func(ctx context.Context) error
}

func (f fill) into(ctx context.Context, to *opened) (err error) {
	tx, err := to.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after a commit
	l := &dump.Loader{Schema: f.schema, Tx: tx, Engine: to.engine}
	if err := l.Begin(ctx); err != nil {
		return err
	}
	want, err := f.rows(func(name string, r io.Reader) error {
		t, ok := f.schema.Table(name)
		if !ok {
			return fault.Newf(fault.BackupInvalid, "the backup has a table %s, which schema %d has not", name, f.schema.Version)
		}
		return l.Load(ctx, t, r)
	})
	if err != nil {
		return err
	}
	if err := l.End(ctx); err != nil {
		return err
	}
	got, err := f.schema.Sums(ctx, dump.Source{DB: tx, Engine: to.engine})
	if err != nil {
		return err
	}
	if err := same(want, got); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return dump.EndInstances(ctx, tx) },
		func() error {
			if f.adjust == nil {
				return nil
			}
			return f.adjust(ctx, tx)
		},
		func() error {
			if f.last == nil {
				return nil
			}
			return f.last(ctx)
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// same compares the tables that were to be loaded with those that are stored.
func same(want []archive.TableSum, got []dump.Sum) error {
	stored := map[string]dump.Sum{}
	for _, s := range got {
		stored[s.Name] = s
	}
	for _, w := range want {
		g := stored[w.Name]
		if g.SHA256 != w.SHA256 || g.Rows != w.Rows {
			return fmt.Errorf("table %s reads otherwise than it was written (%d rows, SHA-256 %.12s; wanted %d, %.12s): nothing was stored",
				w.Name, g.Rows, g.SHA256, w.Rows, w.SHA256)
		}
		delete(stored, w.Name)
	}
	for name := range stored {
		if _, local := dump.Local[name]; !local {
			return fault.Newf(fault.BackupInvalid, "the backup has no table %s", name)
		}
	}
	return nil
}

// newest brings a database that was filled with an older schema to this
// program's.
func newest(ctx context.Context, o *opened) error {
	if err := migrations.Up(ctx, o.db, o.engine); err != nil {
		return fmt.Errorf("everything was copied; the first start of a server will try this again: %w", err)
	}
	return nil
}
