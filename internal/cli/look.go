package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

// This file has what shows, beside one resource, what there is and what happened.

func (a *app) demoCommand() *cobra.Command {
	start := &cobra.Command{
		Use: "start", Short: "Add demonstration data, unless there is some", Args: noArgs,
		Long: "Start adds templates, jobs and workflows to the server, all with the label demo, as serve --demo\ndoes: jobs to reorder, a run to retry, a version to roll back, a request to decide. A server that\nruns no programs gets workflows only.",
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			d, err := cl.StartDemo(c.Context())
			if err != nil {
				return err
			}
			return printOne(a, view[client.Demo]{
				id: func(d client.Demo) string {
					return strings.Join(slices.Concat(d.Templates, d.Jobs, d.Workflows), "\n")
				},
				detail: func(d client.Demo) []pair {
					return []pair{
						{"templates", strings.Join(d.Templates, " ")},
						{"jobs", strings.Join(d.Jobs, " ")},
						{"workflows", strings.Join(d.Workflows, " ")},
					}
				},
			}, d)
		},
	}
	var yes bool
	remove := &cobra.Command{
		Use: "remove", Aliases: []string{"rm"}, Short: "Remove demonstration data; runs stay in the history", Args: noArgs,
		Long: "Remove cancels waiting jobs with the label demo=true, asks running ones to stop, deletes the\ntemplates with that label, archives the workflows and frees the lock demo:line.",
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := a.confirm(yes, "remove all jobs, templates and workflows with the label demo=true?"); err != nil {
				return err
			}
			if err := cl.RemoveDemo(c.Context(), client.Call{}); err != nil {
				return err
			}
			a.talk("removed the demonstration data")
			return nil
		},
	}
	remove.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return a.noun("demo", "Add and remove something to look at", start, remove)
}

func (a *app) storageCommand() *cobra.Command {
	return &cobra.Command{
		Use: "storage", Short: "Show what the installation takes on disk", Args: noArgs,
		Long: "Storage shows the size of the database, which is that of the whole installation, and the\nartifacts of your tenant with their limits.",
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			s, err := cl.Storage(c.Context())
			if err != nil {
				return err
			}
			return printOne(a, view[client.Storage]{
				id: func(s client.Storage) string { return strconv.FormatInt(s.DatabaseBytes, 10) },
				detail: func(s client.Storage) []pair {
					limit := func(n *int64) string {
						if n == nil {
							return "no limit"
						}
						return size(*n)
					}
					out := []pair{{"engine", s.Engine}, {"database", size(s.DatabaseBytes)}}
					if s.LogBytes > 0 {
						out = append(out, pair{"write-ahead log", size(s.LogBytes)})
					}
					return append(out, pair{"artifacts", fmt.Sprintf("%s in %d", size(s.ArtifactBytes), s.ArtifactCount)},
						pair{"artifact quota", limit(s.ArtifactQuotaBytes)}, pair{"artifacts of one run", limit(s.ArtifactRunMaxBytes)})
				},
			}, s)
		},
	}
}

func (a *app) legacyCommand() *cobra.Command {
	usage := &cobra.Command{
		Use: "usage", Short: "List who called legacy endpoints in the last 30 days", Args: noArgs,
		Long:    "Usage lists the calls of /queue, /jobs, /schedules and /scheduler (without /api) by client and\noperation, most first. INSTEAD is what to use in place of a deprecated operation. When nobody\ncalls them, they can be turned off: serve --legacy-enabled=false.",
		Example: "  runsheet legacy usage\n  runsheet legacy usage --json=client,operation,count",
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			found, err := cl.LegacyUsage(c.Context())
			if err != nil {
				return err
			}
			if err := printList(a, view[client.LegacyUse]{
				id: func(u client.LegacyUse) string { return u.Client + " " + u.Operation }, columns: []string{"CLIENT", "OPERATION", "CALLS", "LAST", "TENANT", "INSTEAD"}, status: -1, spare: []string{"TENANT", "INSTEAD"},
				row: func(u client.LegacyUse) []string {
					return []string{u.Client, u.Operation, strconv.FormatInt(u.Count, 10), u.LastUsedAt.Format(time.RFC3339), u.Tenant, deref(u.Successor)}
				},
			}, found.Items); err != nil {
				return err
			}
			if len(found.Items) == 0 {
				a.talk("nobody has called them since %s", found.Since.Format(time.DateOnly))
			}
			if !found.Complete {
				a.talk("only those with the most calls are shown")
			}
			return nil
		},
	}
	return a.noun("legacy", "See who calls endpoints of an earlier time", usage)
}

func (a *app) configEffective() *cobra.Command {
	return &cobra.Command{
		Use: "effective", Short: "Show the configuration that a running server uses", Args: noArgs,
		Long:    "Effective asks the server, unlike print. CHANGE is what changes a value while the server runs;\nall others need a restart. Secrets are masked.",
		Example: "  runsheet config effective\n  runsheet config effective --json=key,value",
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			all, err := cl.Config(c.Context())
			if err != nil {
				return err
			}
			return printList(a, view[client.ConfigSetting]{
				id: func(s client.ConfigSetting) string { return s.Key }, columns: []string{"KEY", "VALUE", "ORIGIN", "CHANGE"}, status: -1, spare: []string{"CHANGE"},
				row: func(s client.ConfigSetting) []string { return []string{s.Key, s.Value, s.Origin, deref(s.Change)} },
			}, all)
		},
	}
}

func (a *app) jobEvents() *cobra.Command {
	limit := 0
	c := &cobra.Command{
		Use: "events JOB", Short: "List what happened to a job, oldest first", Args: oneArg, ValidArgsFunction: a.completeJobs(),
		Long: "Events lists what the log of events still has of a job: retention.events_days says how long that is.",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return show(c.Context(), a, view[client.Event]{
				id: func(e client.Event) string { return strconv.FormatInt(e.Seq, 10) }, columns: []string{"SEQ", "AT", "EVENT", "RUN", "DETAILS"}, status: -1,
				spare: []string{"RUN", "SEQ"}, note: true,
				row: func(e client.Event) []string {
					return []string{strconv.FormatInt(e.Seq, 10), stamp(&e.At), e.Type, e.RunID, labelText(e.Data)}
				},
			}, false, limit, func(ctx context.Context) ([]client.Event, error) {
				return client.Collect(cl.JobEvents(ctx, args[0]), limit)
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 0, "at most this `number`; 0 = all")
	return c
}

// fire is one time of a schedule with its name.
type fire struct {
	client.ScheduleFireAt
	Name string `json:"name"`
}

func (a *app) scheduleFires() *cobra.Command {
	var f client.FireFilter
	var from, to string
	c := &cobra.Command{
		Use: "fires", Short: "List the times at which schedules will fire, all in one list", Args: noArgs,
		Long: `Fires lists what active schedules will do between two times, those that are skipped
with the reason: at most 62 days, and the first 300 of each schedule. For one schedule
and more times see: runsheet schedule next. What is past: runsheet schedule history.`,
		Example: `  runsheet schedule fires
  runsheet schedule fires --from 2026-02-01T00:00:00Z --to 2026-02-03T00:00:00Z --json=name,nominal_at`,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			for _, x := range []struct {
				flag, text string
				to         *time.Time
			}{{"from", from, &f.From}, {"to", to, &f.To}} {
				if x.text == "" {
					continue
				}
				if *x.to, err = parseTime(x.flag, x.text); err != nil {
					return err
				}
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			found, err := cl.ScheduleFires(c.Context(), f)
			if err != nil {
				return err
			}
			names := map[string]string{}
			var cut []string
			for _, s := range found.Schedules {
				if names[s.ScheduleID] = s.Name; s.Truncated {
					cut = append(cut, s.Name)
				}
			}
			list := make([]fire, len(found.Items))
			for i, x := range found.Items {
				list[i] = fire{x, names[x.ScheduleID]}
			}
			if err := printList(a, scheduleFireView(), list); err != nil {
				return err
			}
			if len(cut) > 0 {
				a.talk("more than is shown: %s", strings.Join(cut, ", "))
			}
			if !found.Complete {
				a.talk("the list was cut: ask for less time, or for fewer schedules")
			}
			return nil
		},
	}
	fs := c.Flags()
	fs.StringVar(&from, "from", "", "from this `time` on, RFC 3339 (now)")
	fs.StringVar(&to, "to", "", "before this `time`, RFC 3339 (a week later)")
	fs.StringSliceVar(&f.ScheduleID, "schedule", nil, "only of these schedules, by `id`")
	return c
}

func scheduleFireView() view[fire] {
	return view[fire]{
		id:      func(x fire) string { return x.NominalAt.Format(time.RFC3339Nano) + " " + x.ScheduleID },
		columns: []string{"LOCAL", "SCHEDULE", "UTC", "MARKS", "SKIPPED"}, status: -1, spare: []string{"MARKS", "UTC"},
		row: func(x fire) []string {
			return []string{x.Local, x.Name, x.NominalAt.Format(time.RFC3339Nano), strings.Join(x.Marks, " "), deref(x.Skip)}
		},
	}
}

func (a *app) workflowAttempts() *cobra.Command {
	return &cobra.Command{
		Use: "attempts RUN NODE", Short: "List the attempts of a node, also those that were lost with their server", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeWorkflowRuns(),
		Example: "  runsheet workflow attempts wfrun_01jh0000000000000000000000 upload",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return show(c.Context(), a, view[client.WorkflowNodeAttempt]{
				id:      func(x client.WorkflowNodeAttempt) string { return strconv.Itoa(x.Number) },
				columns: []string{"ATTEMPT", "STATUS", "STARTED", "ENDED", "SERVER", "RESULT"}, status: 1, spare: []string{"SERVER"}, note: true,
				row: func(x client.WorkflowNodeAttempt) []string {
					status, result := x.Status, deref(x.Outcome)
					if x.Error != nil {
						result = x.Error.Code + ": " + x.Error.Message
					}
					switch deref(x.Lost) {
					case "crash":
						status, result = "LOST", strings.TrimSuffix("its server died; "+result, "; ")
					case "shutdown":
						status, result = "LOST", strings.TrimSuffix("its server stopped; "+result, "; ")
					}
					return []string{strconv.Itoa(x.Number), status, stamp(x.StartedAt), stamp(x.EndedAt), deref(x.Instance), result}
				},
			}, false, 0, func(ctx context.Context) ([]client.WorkflowNodeAttempt, error) {
				return cl.WorkflowNodeAttempts(ctx, args[0], args[1])
			})
		},
	}
}

func (a *app) workflowItems() *cobra.Command {
	var f client.WorkflowItemFilter
	limit := 0
	c := &cobra.Command{
		Use: "items RUN NODE", Short: "List the items of a map and how far each is", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeWorkflowRuns(),
		Example: "  runsheet workflow items wfrun_01jh0000000000000000000000 upload --status failed",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			f.PageSize = pageSize(limit)
			return show(c.Context(), a, view[client.WorkflowItem]{
				id: func(x client.WorkflowItem) string { return strconv.Itoa(x.Index) }, columns: []string{"ITEM", "STATUS", "REASON"}, status: 1, note: true,
				row: func(x client.WorkflowItem) []string {
					why := deref(x.Code)
					if m := deref(x.Message); m != "" {
						why += ": " + m
					}
					return []string{strconv.Itoa(x.Index), strings.ToUpper(x.Status), why}
				},
			}, false, limit, func(ctx context.Context) ([]client.WorkflowItem, error) {
				return client.Collect(cl.WorkflowItems(ctx, args[0], args[1], f), limit)
			})
		},
	}
	c.Flags().StringVar(&f.Status, "status", "", "only these: `pending`, running, completed or failed")
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	complete(c, "status", "pending", "running", "completed", "failed")
	return c
}
