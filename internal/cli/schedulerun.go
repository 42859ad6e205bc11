package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) scheduleRunNow() *cobra.Command {
	var (
		in  client.RunNowInput
		key string
		w   waitFlags
	)
	c := a.onSchedule("run-now SCHEDULE", "Run what a schedule starts, beside its plan", func(c *cobra.Command, cl *client.Client, name string) error {
		j, err := cl.RunScheduleNow(c.Context(), name, in, client.Call{IdempotencyKey: key})
		if err != nil {
			return err
		}
		return a.added(c.Context(), cl, j, w)
	})
	c.Long = `Run-now makes a run as if a time of the schedule had come; when it fires next stays
as it is. It prints the job's id; with --wait it stays until the job has ended and exits
0 (completed), 1 (failed), 9 (cancelled or skipped), 8 (it waits for an approval) or 6
(the time was over; the job goes on).`
	c.Example = "  runsheet schedule run-now nightly --wait=30m --follow\n  runsheet schedule run-now nightly --overlap allow --force"
	f := c.Flags()
	f.StringVar(&in.Overlap, "overlap", "", "`policy` in place of the schedule's, such as allow")
	f.BoolVar(&in.Force, "force", false, "also before the least time between two runs has passed")
	f.StringVar(&key, "idempotency-key", "", "the same `key` within 24 hours makes only one run")
	w.add(c)
	complete(c, "overlap", "skip", "queue_one", "queue_latest", "queue_all", "cancel_running", "allow")
	return c
}

func (a *app) schedulePause(name, alias string) *cobra.Command {
	var reason string
	c := a.onSchedule(name+" SCHEDULE", "Pause a schedule: its times are skipped", func(c *cobra.Command, cl *client.Client, name string) error {
		s, err := cl.PauseSchedule(c.Context(), name, reason, client.Call{})
		if err != nil {
			return err
		}
		return printOne(a, a.scheduleView(), s)
	})
	c.Aliases = []string{alias}
	c.Flags().StringVar(&reason, "reason", "", "a `sentence` for others")
	return c
}

func (a *app) scheduleResume(name, alias string) *cobra.Command {
	var in client.ResumeInput
	c := a.onSchedule(name+" SCHEDULE", "Let a schedule fire again; also promotes an imported one", func(c *cobra.Command, cl *client.Client, name string) error {
		s, err := cl.ResumeSchedule(c.Context(), name, in, client.Call{})
		if err != nil {
			return err
		}
		return printOne(a, a.scheduleView(), s)
	})
	c.Aliases = []string{alias}
	c.Flags().BoolVar(&in.CatchUp, "catch-up", false, "treat the times since the pause as missed ones, instead of skipping them")
	c.Flags().StringVar(&in.Reason, "reason", "", "a `sentence` for the audit record")
	return c
}

func (a *app) scheduleSkipNext() *cobra.Command {
	count := 1
	c := a.onSchedule("skip-next SCHEDULE", "Leave out the next time", func(c *cobra.Command, cl *client.Client, name string) error {
		if count < 1 {
			return usagef("--count must be 1 or more")
		}
		s, err := cl.SkipNextOfSchedule(c.Context(), name, count, client.Call{})
		if err != nil {
			return err
		}
		if a.json == nil && !a.quiet {
			for _, at := range s.SkipNext {
				a.talk("will be skipped: %s", stamp(&at))
			}
		}
		return printOne(a, a.scheduleView(), s)
	})
	c.Flags().IntVar(&count, "count", 1, "this `number` of times")
	return c
}

func (a *app) scheduleEntryView() view[client.ScheduleEntry] {
	return view[client.ScheduleEntry]{
		id: func(e client.ScheduleEntry) string {
			if e.JobID != nil {
				return *e.JobID
			}
			return e.NominalAt.Format(time.RFC3339Nano)
		},
		columns: []string{"NOMINAL", "LOCAL", "STATUS", "SOURCE", "REASON", "COUNT", "JOB"}, status: 2, spare: []string{"COUNT", "LOCAL", "SOURCE"},
		row: func(e client.ScheduleEntry) []string {
			return []string{
				stamp(&e.NominalAt), e.Local, e.Status, deref(e.Source), deref(e.Reason), strconv.FormatInt(e.Count, 10), deref(e.JobID),
			}
		},
	}
}

func (a *app) scheduleHistory() *cobra.Command {
	var (
		f        client.ScheduleHistoryFilter
		from, to string
		limit    int
		watch    bool
	)
	c := a.onSchedule("history SCHEDULE", "Show what became of each time, the latest first", func(c *cobra.Command, cl *client.Client, name string) (err error) {
		if from != "" {
			if f.From, err = parseTime("from", from); err != nil {
				return err
			}
		}
		if to != "" {
			if f.To, err = parseTime("to", to); err != nil {
				return err
			}
		}
		f.PageSize = pageSize(limit)
		load := func(ctx context.Context) ([]client.ScheduleEntry, error) {
			return client.Collect(cl.ScheduleHistory(ctx, name, f), limit)
		}
		return show(c.Context(), a, a.scheduleEntryView(), watch, limit, load)
	})
	c.Long = "History lists each time as a run or as skipped, with the reason. Skipped ones that follow\neach other for the same reason are one line with their count."
	c.Example = "  runsheet schedule history nightly --kind skip\n  runsheet schedule history nightly --source backfill --json=nominal_at,status"
	fs := c.Flags()
	fs.StringVar(&f.Kind, "kind", "", "only `run`, or only skip")
	fs.StringSliceVar(&f.Reasons, "reason", nil, "only what was skipped for these `reasons`")
	fs.StringSliceVar(&f.Sources, "source", nil, "only runs from these `sources`: schedule, catch_up, backfill, manual, event")
	fs.StringVar(&from, "from", "", "from this `time` on, RFC 3339")
	fs.StringVar(&to, "to", "", "before this `time`, RFC 3339")
	addListFlags(c, &limit, &watch)
	complete(c, "kind", "run", "skip")
	complete(c, "source", "schedule", "catch_up", "backfill", "manual", "event")
	return c
}

func (a *app) scheduleBackfill() *cobra.Command {
	var (
		in            client.BackfillInput
		from, to, key string
		yes           bool
	)
	c := a.onSchedule("backfill SCHEDULE", "Run times of the past", func(c *cobra.Command, cl *client.Client, name string) (err error) {
		if from == "" || to == "" {
			return usagef("say which times: --from and --to")
		}
		if in.From, err = parseTime("from", from); err != nil {
			return err
		}
		if in.To, err = parseTime("to", to); err != nil {
			return err
		}
		if !in.DryRun && !yes && a.inTTY && a.errTTY {
			first := in
			first.DryRun = true
			would, err := cl.BackfillSchedule(c.Context(), name, first, client.Call{})
			if err != nil {
				return err
			}
			if err := a.confirm(false, "run "+strconv.Itoa(would.Count)+" times of "+name+"?"); err != nil {
				return err
			}
		} else if !in.DryRun {
			if err := a.confirm(yes, ""); err != nil {
				return err
			}
		}
		done, err := cl.BackfillSchedule(c.Context(), name, in, client.Call{IdempotencyKey: key})
		if err != nil {
			return err
		}
		if done.DryRun && a.json == nil && !a.quiet {
			a.talk("a dry run: %d would be run", done.Count)
		}
		return printList(a, view[client.BackfillItem]{
			id: func(b client.BackfillItem) string {
				if b.JobID != nil {
					return *b.JobID
				}
				return b.NominalAt.Format(time.RFC3339Nano)
			},
			columns: []string{"NOMINAL", "LOCAL", "MARKS", "JOB"}, status: -1, spare: []string{"MARKS"},
			row: func(b client.BackfillItem) []string {
				return []string{stamp(&b.NominalAt), b.Local, strings.Join(b.Marks, " "), deref(b.JobID)}
			},
		}, done.Items)
	})
	c.Example = `  runsheet schedule backfill nightly --from 2026-01-01T00:00:00Z --to 2026-01-08T00:00:00Z --dry-run
  runsheet schedule backfill nightly --from 2026-01-01T00:00:00Z --to 2026-01-08T00:00:00Z --order desc --yes`
	f := c.Flags()
	f.StringVar(&from, "from", "", "from this `time` on, RFC 3339")
	f.StringVar(&to, "to", "", "before this `time`, RFC 3339")
	f.StringVar(&in.Order, "order", "", "`asc` (if absent) or desc")
	f.StringVar(&in.Overlap, "overlap", "", "`queue_all`: one after the other (if absent), or allow: beside each other")
	f.IntVar(&in.Max, "max", 0, "only the first so `many` of them")
	f.BoolVar(&in.Rerun, "rerun", false, "also those that have fired")
	f.BoolVar(&in.DryRun, "dry-run", false, "only list them")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.StringVar(&key, "idempotency-key", "", "the same `key` within 24 hours runs them only once")
	complete(c, "order", "asc", "desc")
	complete(c, "overlap", "queue_all", "allow")
	return c
}
