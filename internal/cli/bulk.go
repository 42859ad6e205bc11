package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

// bulkFlags choose jobs and say what is done to them.
type bulkFlags struct {
	in       client.BulkInput
	filter   client.BulkFilter
	labels   []string
	priority string
	all, yes bool
	place    placeFlags
}

// bulkActions are what can be done to many jobs.
func bulkActions() []string {
	return []string{"cancel", "hold", "release", "restore", "priority", "move"}
}

func (a *app) jobBulk() *cobra.Command {
	var b bulkFlags
	c := &cobra.Command{
		Use: "bulk ACTION [JOB...]", Short: "Change many jobs at once", Args: cobra.ArbitraryArgs,
		Long: `Bulk changes the named jobs, or all that the filters choose (at most 1000; repeat it
for more). Actions: ` + strings.Join(bulkActions(), ", ") + `. Try it with --dry-run
first. The exit code is 5 when some of the jobs were refused.`,
		Example: `  runsheet job bulk cancel --label team=red --dry-run
  runsheet job bulk priority --type story --priority low
  runsheet job bulk move --top job_01jh0000000000000000000001 job_01jh0000000000000000000002`,
		ValidArgs: bulkActions(),
		RunE: func(c *cobra.Command, args []string) error {
			if err := b.read(c, args); err != nil {
				return err
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if b.in.Action == "cancel" && !b.in.DryRun {
				if err := a.confirm(b.yes, "cancel "+what(b.in)+"?"); err != nil {
					return err
				}
			}
			done, err := cl.BulkJobs(c.Context(), b.in, client.Call{})
			if err != nil {
				return err
			}
			return a.printBulk(done)
		},
	}
	f := c.Flags()
	f.BoolVar(&b.in.DryRun, "dry-run", false, "change nothing, and show what would be changed")
	f.BoolVar(&b.all, "all", false, "all jobs to which the action applies")
	f.StringSliceVar(&b.filter.Status, "status", nil, "only these `statuses`, comma-separated")
	f.StringSliceVar(&b.filter.JobType, "type", nil, "only these job `types`")
	f.StringSliceVar(&b.filter.TemplateID, "template", nil, "only jobs of these templates, by `id`")
	f.StringVar(&b.filter.GroupID, "group", "", "only members of the group with this `id`")
	f.StringArrayVar(&b.labels, "label", nil, "only jobs with the label `key=value`; repeatable")
	f.StringVar(&b.filter.Query, "search", "", "only jobs whose name contains this `text`")
	f.StringVar(&b.in.Reason, "reason", "", "of a hold, a `sentence` for people")
	f.StringVar(&b.priority, "priority", "", "for the action priority: `0-9`, lower is sooner; or high, normal, low")
	f.BoolVarP(&b.yes, "yes", "y", false, "do not ask")
	b.place.add(a, c)
	complete(c, "status", "QUEUED", "RUNNING", "CANCELLED")
	complete(c, "priority", "high", "normal", "low")
	return c
}

// read makes the request from the arguments.
func (b *bulkFlags) read(c *cobra.Command, args []string) (err error) {
	if len(args) == 0 {
		return &usage{text: "an argument is missing: ACTION", hint: "one of " + strings.Join(bulkActions(), ", ")}
	}
	f := &b.filter
	b.in.Action, b.in.JobIDs = args[0], args[1:]
	if f.Labels, err = assignments(b.labels, "label"); err != nil {
		return err
	}
	for i := range f.Status {
		f.Status[i] = strings.ToUpper(f.Status[i])
	}
	chosen := b.all || len(f.Status)+len(f.JobType)+len(f.TemplateID)+len(f.Labels) > 0 || f.GroupID+f.Query != ""
	switch {
	case chosen && len(b.in.JobIDs) > 0:
		return usagef("jobs and filters exclude each other")
	case !chosen && len(b.in.JobIDs) == 0:
		return &usage{text: "which jobs?", hint: "name them, or give filters, or --all"}
	case chosen:
		b.in.Filter = f
	}
	if b.in.Priority, err = parsePriority(b.priority); err != nil {
		return err
	}
	if len(b.place.given(c)) > 0 {
		to, err := b.place.read(c)
		if err != nil {
			return err
		}
		b.in.To = &to
	}
	return nil
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
