package app

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/archive"
	"github.com/runsheet/runsheet/internal/backup"
	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
)

// checkWhole refuses a data folder that a restore has not finished, or whose
// queue went to another database than the one that is configured, and removes what backups of an earlier server have left.
func (a *App) checkWhole(context.Context) error {
	if err := backup.Unfinished(a.o.Config.Data); err != nil {
		return err
	}
	if url := a.o.Config.DatabaseURL.Reveal(); url != "" {
		if err := backup.Elsewhere(a.o.Config.Data, url); err != nil {
			return err
		}
	}
	return os.RemoveAll(a.backupFolder())
}

func (a *App) backupFolder() string { return filepath.Join(a.o.Config.Data, "backup-tmp") }

// backup takes the state of the installation for the API.
func (a *App) backup(ctx context.Context, withoutArtifacts bool) (api.Backup, error) {
	b, err := backup.Take(ctx, backup.Options{
		Snapshots: a.store.Snapshots, Blobs: a.blobs, Logs: a.logs, Folder: a.backupFolder(),
		Version: a.o.Version, Clock: a.o.Clock, WithoutBlobs: withoutArtifacts,
	})
	if err != nil {
		return nil, err
	}
	return taken{b, a}, nil
}

type taken struct {
	*backup.Backup
	a *App
}

// WriteTo implements api.Backup.
func (t taken) WriteTo(ctx context.Context, w io.Writer) error {
	m, err := t.Write(ctx, w)
	if err == nil && (m.AbsentBlobs > 0 || len(m.DamagedBlobs) > 0) {
		t.a.log.WarnContext(ctx, "the backup lacks artifacts", "absent", m.AbsentBlobs, "damaged", m.DamagedBlobs)
	}
	return err
}

// RestoreOptions are what the command line says about a restore.
type RestoreOptions struct {
	// Open opens the archive, decrypted; it is called twice.
	Open          func() (io.ReadCloser, error)
	Force, Resume bool
}

// Restore brings an installation back into the data folder and the database that
// c names, which no server may use. It returns what was restored.
func Restore(ctx context.Context, c config.Config, o RestoreOptions) (archive.Manifest, error) {
	c.ArtifactMaxBytes = 0 // what was accepted once comes back
	return backup.Restore(ctx, backup.RestoreOptions{
		Open: o.Open, Folder: c.Data, URL: c.DatabaseURL.Reveal(), Force: o.Force, Resume: o.Resume, Clock: clock.System{},
		OpenBlobs: func(ctx context.Context) (blob.Store, error) {
			a := New(Options{Config: c})
			if err := a.openBlobs(ctx); err != nil || a.shared {
				return a.blobs, err
			}
			// A folder without a database and logs: what is left of it is ours now.
			return a.blobs, a.blobs.Remove(ctx, placeName)
		},
	})
}

// MigrateOptions are what the command line says about a migration.
type MigrateOptions struct {
	// From and To are data folders or URLs of PostgreSQL.
	From, To string
	// FilesFrom and FilesTo are data folders; "" = From and To where they are.
	FilesFrom, FilesTo string
	KeepSource         bool
}

// Migrate moves a store that no server uses into an empty one.
func Migrate(ctx context.Context, o MigrateOptions) (backup.Report, error) {
	b := backup.MigrateOptions{KeepSource: o.KeepSource, Clock: clock.System{}}
	var err error
	if b.From, b.FilesFrom, err = place(o.From, o.FilesFrom); err != nil {
		return backup.Report{}, err
	}
	if b.To, b.FilesTo, err = place(o.To, o.FilesTo); err != nil {
		return backup.Report{}, err
	}
	return backup.Migrate(ctx, b)
}

// place reads where a store is, and in which data folder its files are.
func place(text, files string) (backup.Place, string, error) {
	var p backup.Place
	var err error
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		p.URL = text
	} else if p.Folder, err = filepath.Abs(text); err != nil {
		return p, "", err
	}
	if files == "" {
		return p, p.Folder, nil
	}
	files, err = filepath.Abs(files)
	return p, files, err
}
