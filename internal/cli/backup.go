package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/archive"
)

func (a *app) backupCommand() *cobra.Command {
	var out, recipient string
	var without bool
	c := &cobra.Command{
		Use: "backup", Short: "Make a backup of the whole installation while it works", Args: noArgs,
		Long: `Backup downloads everything that the server keeps into one file: jobs, templates,
runs, events, users, logs and artifacts of all tenants, as they are at one moment.
The file gets its name only when it is whole. It holds hashes of passwords and of
tokens and whatever jobs and their logs say: keep it as you keep the server.

The folder of keys, with the administrator's token, is not in it.`,
		Example: `  runsheet backup --out /mnt/backups/monday.tar
  runsheet backup --encrypt-to age1... --out monday.tar.age
  runsheet backup --out - | ssh other 'cat > monday.tar'
  runsheet backup verify monday.tar`,
		RunE: func(c *cobra.Command, _ []string) error {
			to, err := parseRecipient(recipient)
			if err != nil {
				return err
			}
			if out == "" {
				out = "runsheet-backup-" + a.Clock.Now().UTC().Format("20060102T150405Z") + ".tar"
				if to != nil {
					out += ".age"
				}
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return a.backup(c.Context(), cl, backupJob{out, to, client.BackupOptions{WithoutArtifacts: without}})
		},
	}
	c.Flags().StringVar(&out, "out", "", "`file` to make, - for stdout (default runsheet-backup-TIME.tar)")
	c.Flags().BoolVar(&without, "no-artifacts", false, "leave the content of artifacts out")
	encryptFlag(c, &recipient)
	c.AddCommand(a.verifyCommand())
	return c
}

// backupJob says what to download and where to.
type backupJob struct {
	out     string
	to      age.Recipient // nil = not encrypted
	options client.BackupOptions
}

func (a *app) backup(ctx context.Context, cl *client.Client, j backupJob) error {
	if j.out == "-" {
		if a.outTTY {
			return usagef("a backup is no text: redirect stdout, or name a file with --out")
		}
		m, err := fetch(ctx, cl, j, a.out)
		if err == nil {
			a.talk("the backup is whole: %s", summary(m))
		}
		return err
	}
	var m archive.Manifest
	err := writeNew(j.out, func(w io.Writer) (err error) {
		m, err = fetch(ctx, cl, j, w)
		return err
	})
	if err != nil {
		return err
	}
	return a.printManifest(j.out, m)
}

// fetch downloads an archive and checks it on its way to w.
func fetch(ctx context.Context, cl *client.Client, j backupJob, w io.Writer) (archive.Manifest, error) {
	body, err := cl.Backup(ctx, j.options)
	if err != nil {
		return archive.Manifest{}, err
	}
	defer func() { _ = body.Close() }() // only read
	sink, finish, err := encrypted(w, j.to)
	if err != nil {
		return archive.Manifest{}, err
	}
	m, err := archive.Verify(io.TeeReader(body, sink))
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return m, fmt.Errorf("the backup broke off and was not kept: %w", err)
	}
	return m, finish()
}

func summary(m archive.Manifest) string {
	var rows int64
	for _, t := range m.Tables {
		rows += t.Rows
	}
	s := fmt.Sprintf("%d rows, %d artifacts, %d logs of %s, schema %d", rows, m.Blobs.Count, m.Logs.Count, m.CreatedAt.UTC().Format(time.RFC3339), m.Schema)
	if m.AbsentBlobs > 0 {
		s += fmt.Sprintf("; %d artifacts were not stored any more", m.AbsentBlobs)
	}
	if n := len(m.DamagedBlobs); n > 0 {
		s += fmt.Sprintf("; %d artifacts are damaged at the source", n)
	}
	return s
}

// printManifest shows what is in a backup.
func (a *app) printManifest(file string, m archive.Manifest) error {
	return printOne(a, view[archive.Manifest]{
		id: func(archive.Manifest) string { return file },
		detail: func(m archive.Manifest) []pair {
			out := []pair{
				{"file", file},
				{"of", m.CreatedAt.UTC().Format(time.RFC3339)},
				{"made by", "runsheet " + m.Product + " on " + m.Engine},
				{"schema", strconv.FormatInt(m.Schema, 10)},
			}
			for _, t := range m.Tables {
				if t.Name == "jobs" || t.Name == "runs" || t.Name == "templates" {
					out = append(out, pair{t.Name, strconv.FormatInt(t.Rows, 10)})
				}
			}
			artifacts := fmt.Sprintf("%d, %s", m.Blobs.Count, size(m.Blobs.Bytes))
			if m.WithoutBlobs {
				artifacts = "left out"
			}
			out = append(out, pair{"artifacts", artifacts}, pair{"logs", fmt.Sprintf("%d, %s", m.Logs.Count, size(m.Logs.Bytes))})
			if m.AbsentBlobs > 0 {
				out = append(out, pair{"absent", fmt.Sprintf("%d artifacts were not stored any more", m.AbsentBlobs)})
			}
			if len(m.DamagedBlobs) > 0 {
				out = append(out, pair{"damaged", strings.Join(m.DamagedBlobs, " ")})
			}
			return out
		},
	}, m)
}

func (a *app) verifyCommand() *cobra.Command {
	var identity string
	c := &cobra.Command{
		Use: "verify FILE", Short: "Check that a backup is whole and right, without restoring it", Args: oneArg,
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := openBackup(args[0], identity)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }() // only read
			m, err := archive.Verify(f)
			if err != nil {
				return err
			}
			if err := a.printManifest(args[0], m); err != nil {
				return err
			}
			if !a.quiet {
				sound := " and sound"
				if len(m.DamagedBlobs) > 0 {
					sound = "" // it keeps what was damaged before
				}
				a.talk("the backup is whole%s: %s", sound, summary(m))
			}
			return nil
		},
	}
	c.Flags().StringVar(&identity, "identity", "", "`file` with the age identity of an encrypted backup")
	return c
}
