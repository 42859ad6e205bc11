package cli

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/runsheet/runsheet/internal/archive"
	"github.com/runsheet/runsheet/internal/config"
)

// Restore is what `restore` asks for.
type Restore struct {
	// Open opens the backup, decrypted; it may be called more than once.
	Open          func() (io.ReadCloser, error)
	Force, Resume bool
}

// Migrate is what `migrate` asks for. From and To are data folders or URLs of
// PostgreSQL.
type Migrate struct {
	From, To, FilesFrom, FilesTo string
	KeepSource                   bool
}

// Migrated is what `migrate` did.
type Migrated struct {
	Tables []archive.TableSum `json:"tables"`
	Logs   int64              `json:"logs"`
	Blobs  int64              `json:"artifacts"`
	// Hint says what was left behind and is wanted, "" if nothing.
	Hint string `json:"hint,omitempty"`
}

// isURL reports whether a place is a PostgreSQL database.
func isURL(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// check refuses what would become a folder with the name of a URL.
func (m Migrate) check() error {
	for _, p := range []struct {
		flag, value string
		urls        bool
	}{{"--from", m.From, true}, {"--to", m.To, true}, {"--files-from", m.FilesFrom, false}, {"--files-to", m.FilesTo, false}} {
		scheme, _, found := strings.Cut(p.value, "://")
		if !found || p.urls && isURL(p.value) {
			continue
		}
		u := usagef("%s takes no %s:// URL", p.flag, scheme)
		if u.hint = "give a data folder"; p.urls {
			u.hint += ", or a postgres:// URL"
		}
		return u
	}
	return nil
}

// next is the command that starts a server on the new place, without a password.
func (m Migrate) next() string {
	if !isURL(m.To) {
		return "runsheet serve --data " + m.To
	}
	data := "FOLDER" // of the old server: nothing here names it
	for _, f := range []string{m.FilesTo, m.FilesFrom, m.From} {
		if f != "" && !isURL(f) {
			data = f
			break
		}
	}
	to := "URL"
	if u, err := url.Parse(m.To); err == nil {
		to = u.Redacted()
	}
	return "runsheet serve --data " + data + " --database-url " + to
}

func (a *app) restoreCommand() *cobra.Command {
	var identity string
	var r Restore
	c := &cobra.Command{
		Use: "restore FILE", Short: "Bring an installation back from a backup", Args: oneArg,
		Long: `Restore puts a backup into an empty data folder and, with --database-url, an empty
PostgreSQL database, whichever of the two databases it came from. No server may use
them. The backup is checked first, and all of it becomes visible at once.

Jobs that ran when the backup was made are treated by the next server as after a
crash. The queue is paused, because a server that still works with the same jobs
would run them a second time; runsheet queue resume starts it.`,
		Example: `  runsheet restore monday.tar --data /var/lib/runsheet
  runsheet restore monday.tar.age --identity key.txt --data /var/lib/runsheet \
      --database-url postgres://runsheet@db/runsheet`,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := config.Load(config.Sources{Flags: c.Flags(), Env: a.Env})
			if err != nil {
				return err
			}
			r.Open = func() (io.ReadCloser, error) { return openBackup(args[0], identity) }
			m, err := a.Restore(c.Context(), cfg, r)
			if err != nil {
				return err
			}
			if !r.Resume {
				a.talk("the queue is paused; when no other server works with these jobs: runsheet queue resume")
			}
			return a.printManifest(args[0], m)
		},
	}
	config.AddFlags(c.Flags())
	c.Flags().VisitAll(func(f *pflag.Flag) {
		f.Hidden = !slices.Contains([]string{"config", "data", "database-url", "blob-url"}, f.Name)
	})
	c.Flags().StringVar(&identity, "identity", "", "`file` with the age identity of an encrypted backup")
	c.Flags().BoolVar(&r.Force, "force", false, "replace what an interrupted restore has left in the data folder")
	c.Flags().BoolVar(&r.Resume, "resume", false, "do not pause the queue")
	return c
}

func (a *app) migrateCommand() *cobra.Command {
	var m Migrate
	c := &cobra.Command{
		Use: "migrate --from PLACE --to PLACE", Short: "Move the queue between SQLite and PostgreSQL", Args: noArgs,
		Long: `Migrate copies everything in the database of one place into the empty database of
another and compares both. A place is a data folder, which means SQLite, or a
postgres:// URL. Stop the server first; the order of the queue, held and delayed
jobs, attempts and idempotency keys stay as they are.

Afterwards no server starts on the old place by mistake, unless --keep-source is
given. Logs and artifacts stay in the data folder: start the server with the same
--data. With --files-from and --files-to they are copied to another.`,
		Example: `  runsheet migrate --from /var/lib/runsheet --to postgres://runsheet@db/runsheet
  runsheet migrate --from postgres://runsheet@db/runsheet --to /srv/runsheet --files-from /var/lib/runsheet`,
		RunE: func(c *cobra.Command, _ []string) error {
			if m.From == "" || m.To == "" {
				return &usage{text: "--from and --to must both be given", hint: "see: " + c.CommandPath() + " --help"}
			}
			if err := m.check(); err != nil {
				return err
			}
			done, err := a.Migrate(c.Context(), m)
			if err != nil {
				return err
			}
			if done.Hint != "" {
				a.talk("%s", done.Hint)
			}
			if m.KeepSource {
				a.talk("the old place still opens: use one of the two only")
			}
			a.talk("next: %s", m.next())
			return printOne(a, view[Migrated]{
				id: func(Migrated) string { return m.To },
				detail: func(d Migrated) []pair {
					var rows int64
					for _, t := range d.Tables {
						rows += t.Rows
					}
					return []pair{
						{"tables", fmt.Sprintf("%d, all equal on both sides", len(d.Tables))},
						{"rows", strconv.FormatInt(rows, 10)},
						{"logs", fmt.Sprintf("%d copied", d.Logs)},
						{"artifacts", fmt.Sprintf("%d copied", d.Blobs)},
					}
				},
			}, done)
		},
	}
	f := c.Flags()
	f.StringVar(&m.From, "from", "", "data `folder or URL` to move from")
	f.StringVar(&m.To, "to", "", "data `folder or URL` to move to; it must be empty")
	f.StringVar(&m.FilesFrom, "files-from", "", "copy logs and artifacts from this data `folder` (default --from, if it is one)")
	f.StringVar(&m.FilesTo, "files-to", "", "copy logs and artifacts to this data `folder` (default --to, if it is one)")
	f.BoolVar(&m.KeepSource, "keep-source", false, "let servers start on the old place")
	return c
}
