package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/doctor"
	"github.com/runsheet/runsheet/internal/export"
)

// errUnwell is the error of a doctor who found something; the report has said it.
var errUnwell = errors.New("something is wrong; see the lines with fail")

func (a *app) doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong with this installation", Args: noArgs,
		Long: `Doctor looks at the configuration, the data folder, the database, the place of the
artifacts, the certificate, clocks and limits, and asks the running server if there
is one. Give it the flags and the environment of the server, and run it as the same
user. Each line is ok, warn or fail; it exits with 1 if one is fail. It changes
nothing and shows no secret.`,
		Example: "  runsheet doctor --data /var/lib/runsheet\n  runsheet doctor --config /etc/runsheet/runsheet.yaml --json",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(config.Sources{Flags: c.Flags(), Env: a.Env})
			var report doctor.Report
			if err != nil {
				report = doctor.Misconfigured(err)
			} else {
				report = doctor.Examine(c.Context(), doctor.Options{Config: cfg, Clock: a.Clock, Connect: func() (*client.Client, error) {
					return a.connectLocal(c, -1)
				}})
			}
			if err := a.printReport(report); err != nil {
				return err
			}
			if report.Failed() {
				return errUnwell
			}
			return nil
		},
	}
	config.AddFlags(c.Flags())
	return c
}

func (a *app) printReport(r doctor.Report) error {
	if a.json != nil {
		return printList(a, view[doctor.Check]{}, r)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, c := range r {
		if a.quiet && c.Status == doctor.OK {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Status, c.Name, clean(c.Detail)) // Flush returns it
		if c.Remedy != "" {
			fmt.Fprintf(w, "\t\t-> %s\n", clean(c.Remedy))
		}
	}
	return w.Flush()
}

// healthTime is how long a healthy server may take to say so.
const healthTime = 3 * time.Second

func (a *app) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Say whether the server can take work", Args: noArgs,
		Long: `Health asks the server once and ends with exit code 0 if it can take work, else with
7. It needs no token, and in a container no program but this one.`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), healthTime)
			defer cancel()
			cl, err := a.connectWith(c, -1)
			if err != nil {
				return err
			}
			if err := cl.Ready(ctx); err != nil {
				if ctx.Err() != nil && c.Context().Err() == nil {
					return &client.Unreachable{URL: cl.URL(), Err: errors.New("no answer within " + healthTime.String())}
				}
				return err
			}
			if !a.quiet {
				_, err = fmt.Fprintln(a.out, "ok "+strings.TrimSuffix(cl.URL(), "/"))
			}
			return err
		},
	}
}

func (a *app) exportCommand() *cobra.Command {
	var (
		o                      export.Options
		out, format, recipient string
	)
	c := &cobra.Command{
		Use: "export", Short: "Write templates, directives and queue settings as files for people", Args: noArgs,
		Long: `Export writes what was defined, one file each, sorted and without ids and times, so
that git shows what changed. It lists them in .runsheet-export in the folder, and
the next export removes those that are no more, and no other file; a file in its
way that is not listed is refused. With --encrypt-to all of it becomes one file,
as on stdout. It reads through the API with your rights. Secrets of the server are
never in it; params of templates are, as they were written. It is no backup.`,
		Example: "  runsheet export --out definitions\n  runsheet export --out - --format json\n  runsheet export --encrypt-to age1... --out definitions.yaml.age",
		RunE: func(c *cobra.Command, _ []string) error {
			o.Format = export.Format(format)
			if o.Format != export.YAML && o.Format != export.JSON {
				return usagef("--format must be yaml or json")
			}
			to, err := parseRecipient(recipient)
			if err != nil {
				return err
			}
			if to != nil && out == "-" && a.outTTY {
				return usagef("an encrypted export is no text: redirect stdout, or name a file with --out")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			files, err := export.Collect(c.Context(), cl, o)
			if err != nil {
				return err
			}
			switch {
			case out == "-":
				return writeStream(a.out, to, files)
			case to != nil:
				err = writeNew(out, func(w io.Writer) error { return writeStream(w, to, files) })
			default:
				err = export.WriteDir(out, files)
				if f, is := errors.AsType[*export.Foreign](err); is {
					return &usage{text: f.Error(), hint: "move the file away, or name another folder with --out"}
				}
			}
			if err == nil {
				a.talk("wrote %d files to %s", len(files), out)
			}
			return err
		},
	}
	c.Flags().StringVar(&out, "out", "-", "`folder` to write to (a file with --encrypt-to), or - for stdout")
	encryptFlag(c, &recipient)
	c.Flags().StringVar(&format, "format", "yaml", "yaml or json")
	c.Flags().BoolVar(&o.Runs, "runs", false, "add the history of runs as JSON Lines, without params")
	return c
}

// writeStream writes all files of an export one behind the other, encrypted
// unless to is nil.
func writeStream(w io.Writer, to age.Recipient, files []export.File) error {
	w, finish, err := encrypted(w, to)
	if err != nil {
		return err
	}
	for _, f := range files {
		head := ""
		if strings.HasSuffix(f.Path, ".yaml") {
			head = "---\n# " + f.Path + "\n"
		}
		if _, err := fmt.Fprint(w, head+string(f.Content)); err != nil {
			return err
		}
	}
	return finish()
}
