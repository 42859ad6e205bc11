package cli

import (
	"context"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) completeSchedules() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Schedule, error] {
		return cl.Schedules(ctx, client.ScheduleFilter{PageSize: completeAtMost})
	}, func(s client.Schedule) cobra.Completion {
		return cobra.CompletionWithDesc(s.Name, clean(s.State+", "+s.Summary))
	})
}

func (a *app) scheduleView() view[client.Schedule] {
	return view[client.Schedule]{
		id:      func(s client.Schedule) string { return s.ScheduleID },
		columns: []string{"SCHEDULE", "NAME", "STATE", "NEXT", "LAST", "RUNS", "WHEN"}, status: 2, spare: []string{"RUNS", "LAST"}, note: true,
		row: func(s client.Schedule) []string {
			last := a.agoPtr(s.LastRunAt)
			if s.LastStatus != nil && last != "" {
				last = *s.LastStatus + " " + last
			}
			return []string{s.ScheduleID, s.Name, s.State, stamp(s.NextRunAt), last, strconv.Itoa(s.RunCount), s.Summary}
		},
		detail: scheduleDetail,
	}
}

func scheduleDetail(s client.Schedule) []pair {
	target := "template " + deref(s.TemplateID)
	if s.WorkflowID != nil {
		target = "workflow " + *s.WorkflowID
	}
	if s.Job != nil {
		b, err := json.Marshal(s.Job)
		if err != nil {
			panic("cli: a job has no JSON: " + err.Error())
		}
		target = "job " + plain(b)
	}
	state := s.State
	if s.StateReason != nil {
		state += ": " + *s.StateReason
	}
	if s.StateBy != nil {
		state += " (" + *s.StateBy + ")"
	}
	trigger, err := json.Marshal(s.Trigger)
	if err != nil {
		panic("cli: a trigger has no JSON: " + err.Error())
	}
	params := plain(s.Params)
	if params == "{}" {
		params = ""
	}
	var skip, counts []string
	for _, at := range s.SkipNext {
		skip = append(skip, stamp(&at))
	}
	for _, reason := range sortedKeys(s.SkippedCounts) {
		counts = append(counts, reason+" "+strconv.FormatInt(s.SkippedCounts[reason], 10))
	}
	out := []pair{
		{"schedule", s.ScheduleID},
		{"name", s.Name},
		{"description", s.Description},
		{"state", state},
		{"when", s.Summary},
		{"starts", target},
		{"next", stamp(s.NextRunAt)},
		{"not wanted", strings.Join(skip, " ")},
		{"last", stamp(s.LastRunAt)},
		{"last job", deref(s.LastJobID)},
		{"last status", deref(s.LastStatus)},
		{"runs", strconv.Itoa(s.RunCount)},
		{"skipped", strings.Join(counts, ", ")},
		{"trigger", plain(trigger)},
		{"resolved", strings.Join(s.ResolvedExpressions, "; ")},
		{"timezone", s.Timezone},
		{"calendar", strings.Trim(plain(s.Calendar), `"`)},
		{"only in", deref(s.OnlyIn)},
		{"from", stamp(s.StartAt)},
		{"until", stamp(s.EndAt)},
		{"overlap", s.Overlap},
		{"missed", deref(s.Missed)},
		{"catch-up window", s.CatchUpWindow},
		{"min interval", deref(s.MinInterval)},
		{"jitter", deref(s.Jitter)},
		{"offset", deref(s.Offset)},
		{"start deadline", deref(s.StartDeadline)},
		{"pause on failure", number(s.PauseOnFailure)},
		{"max runs", number(s.MaxRuns)},
		{"execution mode", s.ExecutionMode},
		{"params", params},
		{"labels", labelText(s.Labels)},
		{"version", strconv.Itoa(s.Version)},
		{"created", stamp(&s.CreatedAt) + " by " + s.CreatedBy},
		{"updated", stamp(&s.UpdatedAt)},
	}
	for _, w := range s.Warnings {
		out = append(out, pair{"warning", w.Detail})
	}
	return out
}

// warn tells what a person should look at.
func (a *app) warn(s client.Schedule) {
	for _, w := range s.Warnings {
		a.talk("warning: %s", w.Detail)
	}
}

func (a *app) scheduleAdd() *cobra.Command {
	var (
		s        scheduleFlags
		disabled bool
		from     string
		key      string
	)
	c := &cobra.Command{
		Use: "add NAME [flags] [-- COMMAND ARG...]", Short: "Make a schedule",
		Long: `Add makes a schedule. What it starts is a --template, a --job, or a command after --.
When: --cron, --every, --at, --event (of a market) or --on (an event of this server).
To see the times before, give the same flags to: runsheet schedule next`,
		Example: `  runsheet schedule add report --cron '0 9 * * MON-FRI' --timezone Asia/Seoul --template market-report
  runsheet schedule add sync --every 15m --overlap queue_one -- /opt/jobs/sync.sh
  runsheet schedule add close --event MARKET_CLOSE --offset -10m --calendar XNYS --template rebalance --execution-mode APPROVAL_REQUIRED
  runsheet schedule add -f nightly.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			before, command := argv(c, args)
			if len(before) > 1 || len(before) == 0 && s.file == "" {
				return usagef("a schedule needs one name")
			}
			fields, err := s.changes(a, c, command, nil)
			if err != nil {
				return err
			}
			if len(before) == 1 {
				fields["name"] = before[0]
			}
			if disabled {
				fields["enabled"] = false
			}
			if from != "" {
				fields["backfill_from"] = from
			}
			in, err := scheduleInput(fields)
			if err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			made, err := cl.CreateSchedule(c.Context(), in, client.Call{IdempotencyKey: key})
			if err != nil {
				return err
			}
			if a.json == nil && !a.quiet {
				a.talk("%s", made.Summary)
				if made.NextRunAt != nil {
					a.talk("next: %s", stamp(made.NextRunAt))
				}
			}
			a.warn(made)
			if a.json == nil {
				a.quiet = true
			}
			return printOne(a, a.scheduleView(), made)
		},
	}
	s.add(a, c)
	f := c.Flags()
	f.BoolVar(&disabled, "disabled", false, "make it paused")
	f.StringVar(&from, "backfill-from", "", "treat what would have fired since this `time` as missed, RFC 3339")
	f.StringVar(&key, "idempotency-key", "", "the same `key` within 24 hours makes it only once")
	return c
}

// scheduleInput is what fields say; those of a wrong kind are named.
func scheduleInput(fields map[string]any) (in client.ScheduleInput, err error) {
	b, err := json.Marshal(fields)
	if err != nil {
		return in, err
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return in, usagef("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return in, nil
}

func (a *app) scheduleEdit() *cobra.Command {
	var (
		s      scheduleFlags
		rename string
		unset  []string
		at     int
	)
	c := &cobra.Command{
		Use: "edit SCHEDULE [flags] [-- COMMAND ARG...]", Aliases: []string{"set"}, Short: "Change a schedule: makes a new version",
		Long: `Edit changes what its flags name and keeps the rest. After a change of when it fires,
nothing from before the change fires.`,
		Example: `  runsheet schedule edit report --cron '30 9 * * MON-FRI'
  runsheet schedule edit sync --unset jitter --max-runs 100`,
		ValidArgsFunction: a.completeSchedules(),
		RunE: func(c *cobra.Command, args []string) error {
			before, command := argv(c, args)
			if len(before) != 1 {
				return usagef("name one schedule")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			of, err := cl.Schedule(c.Context(), before[0])
			if err != nil {
				return err
			}
			fields, err := s.changes(a, c, command, &of)
			if err != nil {
				return err
			}
			if rename != "" {
				fields["name"] = rename
			}
			for _, field := range unset {
				fields[field] = nil
			}
			if len(fields) == 0 {
				return usagef("nothing to change was given")
			}
			call := client.Call{}
			if at > 0 {
				call.IfMatch = strconv.Quote(strconv.Itoa(at))
			}
			changed, err := cl.EditSchedule(c.Context(), before[0], fields, call)
			if err != nil {
				return err
			}
			a.warn(changed)
			return printOne(a, a.scheduleView(), changed)
		},
	}
	s.add(a, c)
	f := c.Flags()
	f.StringVar(&rename, "rename", "", "new `name`")
	f.StringSliceVar(&unset, "unset", nil, "`fields` to set back, such as calendar or jitter")
	f.IntVar(&at, "if-version", 0, "only if the schedule still has this `version`")
	return c
}

func (a *app) scheduleList() *cobra.Command {
	var (
		f      client.ScheduleFilter
		labels []string
		limit  int
		watch  bool
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List schedules, by name", Args: noArgs,
		Example: "  runsheet schedule ls --state paused\n  runsheet schedule ls --label source=crontab --json=name,next_run_at",
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if f.Labels, err = assignments(labels, "label"); err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			f.PageSize = pageSize(limit)
			load := func(ctx context.Context) ([]client.Schedule, error) {
				return client.Collect(cl.Schedules(ctx, f), limit)
			}
			return show(c.Context(), a, a.scheduleView(), watch, limit, load)
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.States, "state", nil, "only these `states`: active, paused, finished")
	fs.StringVar(&f.Query, "search", "", "only schedules whose name contains this `text`")
	fs.StringSliceVar(&f.TemplateID, "template", nil, "only those that start these templates, by `id`")
	fs.StringArrayVar(&labels, "label", nil, "only schedules with the label `key=value`; repeatable")
	addListFlags(c, &limit, &watch)
	complete(c, "state", "active", "paused", "finished")
	return c
}

// onSchedule is a command on one schedule.
func (a *app) onSchedule(use, short string, do func(c *cobra.Command, cl *client.Client, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: oneArg, ValidArgsFunction: a.completeSchedules(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return do(c, cl, args[0])
		},
	}
}

func (a *app) scheduleGet() *cobra.Command {
	var version int
	c := a.onSchedule("get SCHEDULE", "Show a schedule", func(c *cobra.Command, cl *client.Client, name string) error {
		if c.Flags().Changed("version") {
			v, err := cl.ScheduleVersion(c.Context(), name, version)
			if err != nil {
				return err
			}
			return printOne(a, a.scheduleVersionView(), v)
		}
		s, err := cl.Schedule(c.Context(), name)
		if err != nil {
			return err
		}
		return printOne(a, a.scheduleView(), s)
	})
	c.Aliases = []string{"show"}
	c.Flags().IntVar(&version, "version", 0, "what it was as this `number`")
	return c
}

func (a *app) scheduleRemove() *cobra.Command {
	var yes bool
	c := a.onSchedule("rm SCHEDULE", "Delete a schedule; jobs that it made stay", func(c *cobra.Command, cl *client.Client, name string) error {
		if err := a.confirm(yes, "delete the schedule "+name+"?"); err != nil {
			return err
		}
		if err := cl.DeleteSchedule(c.Context(), name, client.Call{}); err != nil {
			return err
		}
		a.talk("deleted %s", name)
		return nil
	})
	c.Aliases = []string{"delete"}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (a *app) scheduleVersionView() view[client.ScheduleVersion] {
	return view[client.ScheduleVersion]{
		id:      func(v client.ScheduleVersion) string { return strconv.Itoa(v.Version) },
		columns: []string{"VERSION", "CREATED", "BY", "WHEN"}, status: -1, note: true,
		row: func(v client.ScheduleVersion) []string {
			return []string{strconv.Itoa(v.Version), v.CreatedAt.UTC().Format(time.RFC3339), v.CreatedBy, v.Summary}
		},
		detail: func(v client.ScheduleVersion) []pair {
			b, err := json.Marshal(v.Definition)
			if err != nil {
				panic("cli: a definition has no JSON: " + err.Error())
			}
			return []pair{
				{"schedule", v.ScheduleID},
				{"version", strconv.Itoa(v.Version)},
				{"created", stamp(&v.CreatedAt) + " by " + v.CreatedBy},
				{"when", v.Summary},
				{"definition", plain(b)},
			}
		},
	}
}

func (a *app) scheduleVersions() *cobra.Command {
	limit := 0
	c := a.onSchedule("versions SCHEDULE", "List what a schedule has been, newest first", func(c *cobra.Command, cl *client.Client, name string) error {
		load := func(ctx context.Context) ([]client.ScheduleVersion, error) {
			return client.Collect(cl.ScheduleVersions(ctx, name, pageSize(limit)), limit)
		}
		return show(c.Context(), a, a.scheduleVersionView(), false, limit, load)
	})
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}
