package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/doctor"
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
