package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/config"
)

func (a *app) workerCommand() *cobra.Command {
	var watch bool
	ls := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the slots and who fills them", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			load := func(ctx context.Context) ([]client.Slot, error) {
				w, err := cl.Workers(ctx)
				return w.Slots, err
			}
			return show(c.Context(), a, a.slotView(), watch, 0, load)
		},
	}
	ls.Flags().BoolVar(&watch, "watch", false, "print each change as a line of JSON until interrupted")
	scale := &cobra.Command{
		Use: "scale COUNT", Short: "Set the worker count; running jobs are never stopped", Args: oneArg,
		Example: "  runsheet worker scale 4",
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil || n < 0 {
				return usagef("the worker count must be a whole number, not %q", args[0])
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			w, err := cl.ScaleWorkers(c.Context(), n, client.Call{})
			if err != nil {
				return err
			}
			return printOne(a, view[client.Workers]{
				id: func(w client.Workers) string { return strconv.Itoa(w.Count) }, columns: []string{"WORKERS", "RUNNING"}, status: -1,
				row: func(w client.Workers) []string { return []string{strconv.Itoa(w.Count), strconv.Itoa(w.Running)} },
			}, w)
		},
	}
	return a.noun("worker", "See and set how many jobs run at a time", ls, scale)
}

func (a *app) slotView() view[client.Slot] {
	return view[client.Slot]{
		id:      func(s client.Slot) string { return strconv.Itoa(s.Slot) },
		columns: []string{"SLOT", "STATE", "JOB", "NAME", "TYPE", "SINCE"}, status: 1, spare: []string{"TYPE"},
		row: func(s client.Slot) []string {
			return []string{strconv.Itoa(s.Slot), s.State, deref(s.JobID), deref(s.Name), deref(s.JobType), a.agoPtr(s.Since)}
		},
	}
}

func (a *app) queueCommand() *cobra.Command {
	verb := func(use, short string, do func(ctx context.Context, cl *client.Client) (client.Scheduler, error)) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: noArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				cl, err := a.connect(c)
				if err != nil {
					return err
				}
				s, err := do(c.Context(), cl)
				if err != nil {
					return err
				}
				return printOne(a, a.schedulerView(), s)
			},
		}
	}
	var reason string
	pause := verb("pause", "Let running jobs finish and start no other", func(ctx context.Context, cl *client.Client) (client.Scheduler, error) {
		return cl.Pause(ctx, reason, client.Call{})
	})
	pause.Flags().StringVar(&reason, "reason", "", "a `sentence` for people")
	return a.noun("queue", "See, order, pause and resume the queue", a.queueList(), a.queueTop(), a.queueReorder(),
		verb("status", "Show the state of the queue", func(ctx context.Context, cl *client.Client) (client.Scheduler, error) {
			return cl.Scheduler(ctx)
		}),
		pause,
		verb("resume", "Start jobs again", func(ctx context.Context, cl *client.Client) (client.Scheduler, error) {
			return cl.Resume(ctx, client.Call{})
		}),
	)
}

func (a *app) schedulerView() view[client.Scheduler] {
	return view[client.Scheduler]{
		id: func(s client.Scheduler) string { return s.State },
		detail: func(s client.Scheduler) []pair {
			state := s.State
			if s.PausedBy != nil {
				state += " by " + *s.PausedBy
			}
			if s.PausedReason != nil && *s.PausedReason != "" {
				state += ": " + *s.PausedReason
			}
			return []pair{
				{"state", state},
				{"workers", strconv.Itoa(s.Workers)},
				{"running", strconv.Itoa(s.Running)},
				{"queued", strconv.Itoa(s.Queued)},
				{"completed", strconv.Itoa(s.Jobs.Completed)},
				{"failed", strconv.Itoa(s.Jobs.Failed)},
				{"database", s.Engine},
				{"version", s.Version},
				{"up", short(time.Duration(s.UptimeMs) * time.Millisecond)},
			}
		},
	}
}

func (a *app) serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: noArgs,
		Long: `Serve runs the server until it is interrupted. Its first line on stdout is the
address. Every flag is also an environment variable and a key of the YAML file that
--config names; a flag wins over the environment, the environment over the file.`,
		Example: `  runsheet serve --demo
  runsheet serve --data /var/lib/runsheet --allow-command '/usr/bin/*' --workers 2
  RUNSHEET_ADMIN_TOKEN=... runsheet serve --config /etc/runsheet.yaml`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(config.Sources{Flags: c.Flags(), Env: a.Env})
			if err != nil {
				return err
			}
			return a.Serve(c.Context(), cfg)
		},
	}
	config.AddFlags(c.Flags())
	return c
}

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "print", Short: "Show the configuration that serve would use, and where each value comes from", Args: noArgs,
		Long: `Print shows what serve would use with the same flags, environment and file. It does
not ask a running server, which keeps what it was started with.`,
		Example: "  runsheet config print --config /etc/runsheet.yaml\n  runsheet config print --json",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(config.Sources{Flags: c.Flags(), Env: a.Env})
			if err != nil {
				return err
			}
			return printList(a, view[config.Setting]{
				id: func(s config.Setting) string { return s.Key }, columns: []string{"KEY", "VALUE", "ORIGIN"}, status: -1,
				row: func(s config.Setting) []string { return []string{s.Key, s.Value, s.Origin} },
			}, cfg.Settings())
		},
	}
	config.AddFlags(c.Flags())
	return a.noun("config", "Look at the configuration", c, a.configEffective())
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.json != nil {
				b, err := a.json.pick(map[string]string{"version": a.Version})
				if err != nil {
					return err
				}
				return a.writeJSON(b)
			}
			_, err := fmt.Fprintln(a.out, "runsheet "+a.Version)
			return err
		},
	}
}
