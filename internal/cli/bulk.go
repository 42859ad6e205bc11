package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) jobBulk() *cobra.Command {
	var (
		in       client.BulkInput
		filter   client.BulkFilter
		labels   []string
		priority string
		all, yes bool
		place    placeFlags
	)
	actions := []string{"cancel", "hold", "release", "restore", "priority", "move"}
	c := &cobra.Command{
		Use: "bulk ACTION [JOB...]", Short: "Change many jobs at once", Args: cobra.ArbitraryArgs,
		Long: `Bulk changes the named jobs, or all that the filters choose (at most 1000; repeat it
for more). Actions: ` + strings.Join(actions, ", ") + `. Try it with --dry-run
first. The exit code is 5 when some of the jobs were refused.`,
		Example: `  runsheet job bulk cancel --label team=red --dry-run
  runsheet job bulk priority --type story --priority low
  runsheet job bulk move --top job_01jh0000000000000000000001 job_01jh0000000000000000000002`,
		ValidArgs: actions,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usage{text: "an argument is missing: ACTION", hint: "one of " + strings.Join(actions, ", ")}
			}
			var err error
			in.Action, in.JobIDs = args[0], args[1:]
			if filter.Labels, err = assignments(labels, "label"); err != nil {
				return err
			}
			for i := range filter.Status {
				filter.Status[i] = strings.ToUpper(filter.Status[i])
			}
			chosen := all || len(filter.Status)+len(filter.JobType)+len(filter.TemplateID)+len(filter.Labels) > 0 || filter.GroupID+filter.Query != ""
			switch {
			case chosen && len(in.JobIDs) > 0:
				return usagef("jobs and filters exclude each other")
			case !chosen && len(in.JobIDs) == 0:
				return &usage{text: "which jobs?", hint: "name them, or give filters, or --all"}
			case chosen:
				in.Filter = &filter
			}
			if in.Priority, err = parsePriority(priority); err != nil {
				return err
			}
			if len(place.given(c)) > 0 {
				to, err := place.read(c)
				if err != nil {
					return err
				}
				in.To = &to
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if in.Action == "cancel" && !in.DryRun {
				if err := a.confirm(yes, "cancel "+what(in)+"?"); err != nil {
					return err
				}
			}
			done, err := cl.BulkJobs(c.Context(), in, client.Call{})
			if err != nil {
				return err
			}
			return a.printBulk(done)
		},
	}
	f := c.Flags()
	f.BoolVar(&in.DryRun, "dry-run", false, "change nothing, and show what would be changed")
	f.BoolVar(&all, "all", false, "all jobs to which the action applies")
	f.StringSliceVar(&filter.Status, "status", nil, "only these `statuses`, comma-separated")
	f.StringSliceVar(&filter.JobType, "type", nil, "only these job `types`")
	f.StringSliceVar(&filter.TemplateID, "template", nil, "only jobs of these templates, by `id`")
	f.StringVar(&filter.GroupID, "group", "", "only members of the group with this `id`")
	f.StringArrayVar(&labels, "label", nil, "only jobs with the label `key=value`; repeatable")
	f.StringVar(&filter.Query, "search", "", "only jobs whose name contains this `text`")
	f.StringVar(&in.Reason, "reason", "", "of a hold, a `sentence` for people")
	f.StringVar(&priority, "priority", "", "for the action priority: `0-9`, lower is sooner; or high, normal, low")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	place.add(a, c)
	complete(c, "status", "QUEUED", "RUNNING", "CANCELLED")
	complete(c, "priority", "high", "normal", "low")
	return c
}

// what names the jobs of a change, for a question.
func what(in client.BulkInput) string {
	if in.Filter == nil {
		return strings.Join(in.JobIDs, ", ")
	}
	return "all jobs that match"
}

// printBulk shows what happened to each job; refused ones make the exit code.
func (a *app) printBulk(done client.BulkResult) error {
	if err := printList(a, view[client.BulkItem]{
		id: func(i client.BulkItem) string { return i.JobID }, columns: []string{"JOB", "NAME", "STATUS", "RESULT", "WHY"}, status: 2, note: true,
		row: func(i client.BulkItem) []string {
			why := ""
			if i.Error != nil {
				why = i.Error.Message
			}
			return []string{i.JobID, deref(i.Name), deref(i.Status), i.Result, why}
		},
	}, done.Items); err != nil {
		return err
	}
	if done.More {
		a.talk("more jobs match: repeat the command")
	}
	if done.Refused > 0 {
		return &client.Problem{Status: 409, Code: "conflict", Detail: fmt.Sprintf("%d of %d were refused", done.Refused, done.Matched)}
	}
	return nil
}
