package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) groupCommand() *cobra.Command {
	return a.noun("group", "Run several jobs in one slot: together, or one after another",
		a.groupAdd(), a.groupList(), a.groupGet(), a.groupCancel(), a.groupDissolve(), a.groupAddJob())
}

func (a *app) groupView() view[client.JobGroup] {
	return view[client.JobGroup]{
		id:      func(g client.JobGroup) string { return g.GroupID },
		columns: []string{"GROUP", "NAME", "MODE", "STATUS", "POS", "DONE", "CREATED", "REASON"},
		status:  3, spare: []string{"MODE", "CREATED", "POS"}, note: true,
		row: func(g client.JobGroup) []string {
			return []string{
				g.GroupID, g.Name, g.Mode, g.Status, number(g.Position), strconv.Itoa(g.Completed) + "/" + strconv.Itoa(g.Total),
				a.ago(g.CreatedAt), groupReason(g),
			}
		},
		detail: func(g client.JobGroup) []pair {
			most := ""
			if g.Mode == "parallel" {
				most = ", at most " + strconv.Itoa(g.MaxParallel) + " at a time"
			}
			return []pair{
				{"group", g.GroupID},
				{"name", g.Name},
				{"mode", g.Mode + most},
				{"on failure", g.OnFailure},
				{"status", g.Status},
				{"position", number(g.Position)},
				{"waiting", groupReason(g)},
				{"members", groupCounts(g)},
				{"created", stamp(&g.CreatedAt) + " by " + g.CreatedBy},
				{"started", stamp(g.StartedAt)},
				{"finished", stamp(g.FinishedAt)},
				{"labels", labelText(g.Labels)},
			}
		},
	}
}

func groupReason(g client.JobGroup) string {
	return waitingText(g.Waiting)
}

// groupCounts is "5: 2 succeeded, 1 failed, 1 running, 1 waiting".
func groupCounts(g client.JobGroup) string {
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{g.Succeeded, "succeeded"},
		{g.Failed, "failed"},
		{g.Skipped, "skipped"},
		{g.Cancelled, "cancelled"},
		{g.Running, "running"},
		{g.Total - g.Completed - g.Running, "waiting"},
	} {
		if c.n > 0 {
			parts = append(parts, strconv.Itoa(c.n)+" "+c.what)
		}
	}
	return strconv.Itoa(g.Total) + ": " + strings.Join(parts, ", ")
}

// parseInput reads JSON or YAML of a text, @file or - into v, and refuses fields
// that v does not have.
func (a *app) parseInput(flag, arg string, v any) error {
	b, err := a.read(arg)
	if err != nil {
		return err
	}
	if !json.Valid(b) {
		if b, err = yaml.YAMLToJSON(b); err != nil {
			return usagef("--%s is neither JSON nor YAML: %v", flag, err)
		}
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return usagef("--%s: %s", flag, strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// memberFlag reads the --job flags: an object, @file, or the name of a template.
func (a *app) memberFlag(args []string) ([]client.JobInput, error) {
	var out []client.JobInput
	for _, arg := range args {
		var in client.JobInput
		if strings.HasPrefix(arg, "{") || strings.HasPrefix(arg, "@") || arg == "-" {
			if err := a.parseInput("job", arg, &in); err != nil {
				return nil, err
			}
		} else {
			in.TemplateID = arg
		}
		out = append(out, in)
	}
	return out, nil
}

const memberHelp = "a `job`: the name of a template, a JSON object, or @file; repeatable"

// fileArg is the argument of parseInput for a file's name.
func fileArg(name string) string {
	if name == "-" {
		return name
	}
	return "@" + name
}

// groupFlags are those of group add.
type groupFlags struct {
	file, priority, key   string
	jobs, labels          []string
	most, position        int
	name, mode, onFailure string
	before, after         string
	top, bottom           bool
}

func (g *groupFlags) add(a *app, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&g.file, "file", "", "the group as JSON or YAML: a `file`, or - for stdin")
	f.StringArrayVar(&g.jobs, "job", nil, memberHelp)
	f.StringVar(&g.name, "name", "", "`name`, for people")
	f.StringVar(&g.mode, "mode", "", "parallel (if absent) or sequential")
	f.IntVar(&g.most, "max-parallel", 0, "members that run at a time, 1 to 8")
	f.StringVar(&g.onFailure, "on-failure", "", "what a failed member means for the rest: stop or continue")
	f.StringVar(&g.priority, "priority", "", "`0-9`, lower is sooner; or high, normal, low")
	f.IntVar(&g.position, "position", 0, "place in the queue, from 0")
	f.StringVar(&g.before, "before", "", "`id` of the job or group to stand before")
	f.StringVar(&g.after, "after", "", "`id` of the job or group to stand behind")
	f.BoolVar(&g.top, "top", false, "before everything that waits")
	f.BoolVar(&g.bottom, "bottom", false, "behind everything that waits")
	f.StringArrayVar(&g.labels, "label", nil, "label `key=value`; repeatable")
	f.StringVar(&g.key, "idempotency-key", "", "the same `key` within 24 hours adds the group only once")
	complete(c, "mode", "parallel", "sequential")
	complete(c, "on-failure", "stop", "continue")
	complete(c, "priority", "high", "normal", "low")
	if err := c.RegisterFlagCompletionFunc("job", a.completeTemplates()); err != nil {
		panic("cli: " + err.Error()) // the flag was added above
	}
}

// input is the group of the file, with what the flags say over it, and of the
// waiting jobs that are named.
func (g *groupFlags) input(a *app, c *cobra.Command, waiting []string) (in client.JobGroupInput, err error) {
	if g.file != "" {
		if err := a.parseInput("file", fileArg(g.file), &in); err != nil {
			return in, err
		}
	}
	more, err := a.memberFlag(g.jobs)
	if err != nil {
		return in, err
	}
	in.Jobs, in.JobIDs = append(in.Jobs, more...), append(in.JobIDs, waiting...)
	switch {
	case len(in.Jobs)+len(in.JobIDs) == 0:
		return in, &usage{text: "a group needs jobs", hint: "give --job, once for each, --file, or the ids of waiting jobs; see: runsheet group add --help"}
	case len(in.Jobs) > 0 && len(in.JobIDs) > 0:
		return in, usagef("a group is made of new jobs or of waiting ones, not of both")
	}
	for _, f := range []struct {
		to    *string
		value string
	}{{&in.Name, g.name}, {&in.Mode, g.mode}, {&in.OnFailure, g.onFailure}, {&in.Before, g.before}, {&in.After, g.after}} {
		if f.value != "" {
			*f.to = f.value
		}
	}
	in.Top, in.Bottom = in.Top || g.top, in.Bottom || g.bottom
	if in.Mode == "" {
		in.Mode = "parallel"
	}
	if in.Name == "" {
		return in, usagef("a group needs a --name")
	}
	if c.Flags().Changed("max-parallel") {
		in.MaxParallel = &g.most
	}
	if c.Flags().Changed("position") {
		in.Position = &g.position
	}
	if p, err := parsePriority(g.priority); err != nil {
		return in, err
	} else if p != nil {
		in.Priority = p
	}
	l, err := assignments(g.labels, "label")
	if l != nil {
		in.Labels = l
	}
	return in, err
}

func (a *app) groupAdd() *cobra.Command {
	var g groupFlags
	c := &cobra.Command{
		Use: "add [JOB...]", Short: "Put a group of jobs into the queue, or make one of waiting jobs", Args: cobra.ArbitraryArgs, ValidArgsFunction: a.completeQueued(),
		Long: `Add puts jobs into the queue that share one place and one slot: those of --job, in
that order, or those of a --file. A file is JSON or YAML and has the fields of
POST /api/job-groups; flags go before what it says. All jobs are added, or none.

With the ids of jobs that wait, it makes a group of these instead, in that order.
The group takes the place of the first of them in the queue; group dissolve is the
way back.`,
		Example: `  runsheet group add --name night --mode sequential --job extract --job load --job report
  runsheet group add --file night.yaml --top
  runsheet group add --name night --mode sequential job_01jh0000000000000000000000 job_01jh0000000000000000000001
  runsheet group add --name sweep --max-parallel 2 --job '{"template_id":"train","params":{"lr":0.1}}' --job '{"template_id":"train","params":{"lr":0.2}}'`,
		RunE: func(c *cobra.Command, args []string) error {
			in, err := g.input(a, c, args)
			if err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			made, err := cl.AddGroup(c.Context(), in, client.Call{IdempotencyKey: g.key})
			if err != nil {
				return err
			}
			if a.json == nil {
				a.quiet = true // the id is all that a new group has to say
			}
			return printOne(a, a.groupView(), made)
		},
	}
	g.add(a, c)
	return c
}

func (a *app) groupAddJob() *cobra.Command {
	var (
		jobs []string
		file string
	)
	c := &cobra.Command{
		Use: "add-job GROUP", Short: "Add jobs to a group that has not begun", Args: oneArg, ValidArgsFunction: a.completeGroups(),
		Example: "  runsheet group add-job group_01jh0000000000000000000000 --job report",
		RunE: func(c *cobra.Command, args []string) error {
			var in []client.JobInput
			if file != "" {
				if err := a.parseInput("file", fileArg(file), &in); err != nil {
					return err
				}
			}
			more, err := a.memberFlag(jobs)
			if err != nil {
				return err
			}
			if in = append(in, more...); len(in) == 0 {
				return &usage{text: "which jobs?", hint: "give --job, once for each, or --file with a list of jobs"}
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			g, err := cl.AddGroupJobs(c.Context(), args[0], in, client.Call{})
			if err != nil {
				return err
			}
			if a.json == nil {
				a.quiet = true
			}
			return printList(a, a.jobView(), g.Jobs)
		},
	}
	c.Flags().StringArrayVar(&jobs, "job", nil, memberHelp)
	c.Flags().StringVar(&file, "file", "", "a list of jobs as JSON or YAML: a `file`, or - for stdin")
	if err := c.RegisterFlagCompletionFunc("job", a.completeTemplates()); err != nil {
		panic("cli: " + err.Error()) // the flag was added above
	}
	return c
}

func (a *app) groupList() *cobra.Command {
	var (
		f     client.GroupFilter
		limit int
		watch bool
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List groups, newest first", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			for i := range f.Status {
				f.Status[i] = strings.ToUpper(f.Status[i])
			}
			f.PageSize = pageSize(limit)
			load := func(ctx context.Context) ([]client.JobGroup, error) { return client.Collect(cl.Groups(ctx, f), limit) }
			return show(c.Context(), a, a.groupView(), watch, limit, load)
		},
	}
	c.Flags().StringSliceVar(&f.Status, "status", nil, "only these `statuses`, comma-separated")
	c.Flags().StringVar(&f.Query, "search", "", "only groups whose name contains this `text`")
	addListFlags(c, &limit, &watch)
	complete(c, "status", "PENDING", "RUNNING", "COMPLETED", "PARTIAL")
	return c
}

func (a *app) groupGet() *cobra.Command {
	return &cobra.Command{
		Use: "get GROUP", Aliases: []string{"show"}, Short: "Show a group and its members", Args: oneArg, ValidArgsFunction: a.completeGroups(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			g, err := cl.Group(c.Context(), args[0])
			if err != nil {
				return err
			}
			if err := printOne(a, a.groupView(), g); err != nil || a.json != nil || a.quiet {
				return err
			}
			jobs, err := client.Collect(cl.GroupJobs(c.Context(), args[0]), 0)
			if err != nil {
				return err
			}
			if _, err := io.WriteString(a.out, "\n"); err != nil {
				return err
			}
			return printList(a, a.jobView(), jobs)
		},
	}
}

func (a *app) groupCancel() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "cancel GROUP...", Short: "Cancel groups: their waiting members, and stop the running ones", Args: someArgs, ValidArgsFunction: a.completeGroups(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := a.confirm(yes, "cancel "+strings.Join(args, ", ")+"?"); err != nil {
				return err
			}
			var groups []client.JobGroup
			var failed []error
			for _, ref := range args {
				g, err := cl.CancelGroup(c.Context(), ref, client.Call{})
				if err != nil {
					failed = append(failed, err)
					continue
				}
				groups = append(groups, g)
			}
			for _, err := range failed[min(1, len(failed)):] {
				a.explain(err, a.exitCode(c.Context(), err))
			}
			if len(groups) > 0 {
				if err := printList(a, a.groupView(), groups); err != nil {
					return err
				}
			}
			if len(failed) > 0 {
				return failed[0]
			}
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (a *app) groupDissolve() *cobra.Command {
	return &cobra.Command{
		Use: "dissolve GROUP", Short: "Make the waiting members of a group ordinary jobs again", Args: oneArg, ValidArgsFunction: a.completeGroups(),
		Long: `Dissolve takes the members that wait out of a group. They stay in the queue, one
behind the other at the group's place; nothing is cancelled. Members that have begun
or ended stay in the group; a group without members is gone.`,
		Example: "  runsheet group dissolve group_01jh0000000000000000000000",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			d, err := cl.DissolveGroup(c.Context(), args[0], client.Call{})
			if err != nil {
				return err
			}
			return printOne(a, dissolvedView(), d)
		},
	}
}

func dissolvedView() view[client.JobGroupDissolved] {
	return view[client.JobGroupDissolved]{
		id: func(d client.JobGroupDissolved) string { return strings.Join(d.JobIDs, "\n") },
		detail: func(d client.JobGroupDissolved) []pair {
			left := "nothing: it is gone"
			if d.Group != nil {
				left = groupCounts(*d.Group)
			}
			return []pair{
				{"jobs", strings.Join(d.JobIDs, " ")},
				{"position", strconv.Itoa(d.Position)},
				{"group", d.GroupID},
				{"left of it", left},
			}
		},
	}
}
