package cli

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) jobCommand() *cobra.Command {
	return a.noun("job", "Put jobs into the queue and look after them",
		a.jobAdd(), a.jobList(), a.jobGet(), a.jobWatch(), a.jobLogs(), a.jobEvents(), a.jobRetry(), a.jobDuplicate(), a.jobEdit(),
		a.jobVerb("cancel", "Take jobs out of the queue, or stop them", true, func(ctx context.Context, c *client.Client, id, _ string) (client.Job, error) {
			return c.CancelJob(ctx, id, client.Call{})
		}),
		a.jobVerb("hold", "Keep waiting jobs from starting", false, func(ctx context.Context, c *client.Client, id, reason string) (client.Job, error) {
			return c.HoldJob(ctx, id, reason, client.Call{})
		}),
		a.jobVerb("release", "Let held jobs start", false, func(ctx context.Context, c *client.Client, id, _ string) (client.Job, error) {
			return c.ReleaseJob(ctx, id, client.Call{})
		}),
		a.jobMove(), a.jobBulk(),
		a.jobVerb("restore", "Take cancelled jobs that never started back to their old places", false, func(ctx context.Context, c *client.Client, id, _ string) (client.Job, error) {
			return c.RestoreJob(ctx, id, client.Call{})
		}),
	)
}

func (a *app) jobView() view[client.Job] {
	return view[client.Job]{
		id:      func(j client.Job) string { return j.JobID },
		columns: []string{"JOB", "NAME", "TYPE", "STATUS", "POS", "PRI", "CREATED", "REASON"},
		status:  3, spare: []string{"TYPE", "CREATED", "PRI", "POS"}, note: true,
		row: func(j client.Job) []string {
			return []string{
				j.JobID, j.Name, j.JobType, j.Status, number(j.Position), priorityWord(j.Priority), a.ago(j.CreatedAt), reason(j),
			}
		},
		detail: a.jobDetail,
	}
}

func (a *app) jobDetail(j client.Job) []pair {
	out := []pair{
		{"job", j.JobID},
		{"name", j.Name},
		{"type", j.JobType},
		{"status", j.Status},
		{"position", number(j.Position)},
		{"waiting", waiting(j)},
		{"priority", priorityWord(j.Priority)},
	}
	if j.TemplateID != nil {
		out = append(out, pair{"template", *j.TemplateID + " version " + number(j.TemplateVersion)})
	}
	out = append(out, pair{"directive", directiveText(j.Directive)})
	if j.Attempt > 0 {
		out = append(out, pair{"attempt", strconv.Itoa(j.Attempt) + " of " + strconv.Itoa(max(j.RetryPolicy.MaxAttempts, j.Attempt))})
	}
	out = append(out, pair{"run", deref(j.RunID)}, pair{"created", stamp(&j.CreatedAt) + " by " + j.CreatedBy},
		pair{"run at", stamp(j.RunAt)}, pair{"start deadline", stamp(j.StartDeadline)}, pair{"timeout", deref(j.Timeout)}, pair{"started", stamp(j.StartedAt)}, pair{"finished", stamp(j.FinishedAt)},
		pair{"locks", strings.Join(j.Locks, " ")}, pair{"limits", boundsText(j.Limits)}, pair{"after a crash", j.CrashPolicy}, pair{"labels", labelText(j.Labels)})
	if j.Error != nil {
		out = append(out, pair{"error", j.Error.Code + ": " + j.Error.Message})
	}
	return append(out, pair{"params", plain(j.Params)})
}

// reason is why a job waits, what it is about to do, or why it failed.
func reason(j client.Job) string {
	if j.Status == "RUNNING" && j.CancelRequestedAt != nil {
		return "is being stopped"
	}
	if text := waiting(j); text != "" || j.Error == nil {
		return text
	}
	return j.Error.Code
}

func waiting(j client.Job) string { return waitingText(j.Waiting) }

// waitingText says why a job or a group waits, with who holds it, or until when.
func waitingText(w *client.Waiting) string {
	switch {
	case w == nil:
		return ""
	case w.HeldBy != nil && w.Reason != nil:
		return w.Detail + " (held by " + *w.HeldBy + ")"
	case w.Until != nil:
		return w.Detail + " (until " + stamp(w.Until) + ")"
	}
	return w.Detail
}

func (a *app) jobList() *cobra.Command {
	var (
		f      client.JobFilter
		labels []string
		limit  int
		watch  bool
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List jobs", Args: noArgs,
		Example: `  runsheet job ls --status QUEUED,RUNNING
  runsheet job ls --label team=red --json=job_id,status
  runsheet job ls --watch | jq .status`,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if f.Labels, err = assignments(labels, "label"); err != nil {
				return err
			}
			for i := range f.Status {
				f.Status[i] = strings.ToUpper(f.Status[i])
			}
			f.PageSize = pageSize(limit)
			load := func(ctx context.Context) ([]client.Job, error) { return client.Collect(cl.Jobs(ctx, f), limit) }
			return show(c.Context(), a, a.jobView(), watch, limit, load)
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.Status, "status", nil, "only these `statuses`, comma-separated")
	fs.StringSliceVar(&f.JobType, "type", nil, "only these job `types`")
	fs.StringSliceVar(&f.TemplateID, "template", nil, "only jobs of these templates, by `id`")
	fs.StringVar(&f.GroupID, "group", "", "only members of the group with this `id`")
	fs.StringVar(&f.RetryOf, "retry-of", "", "only what repeats this `run`")
	fs.StringArrayVar(&labels, "label", nil, "only jobs with the label `key=value`; repeatable")
	fs.StringVar(&f.Query, "search", "", "only jobs whose name contains this `text`")
	fs.StringVar(&f.Sort, "sort", "", "`order`: queue, created_at or -created_at; the default is queue with --status QUEUED")
	addListFlags(c, &limit, &watch)
	complete(c, "status", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED")
	return c
}

func addListFlags(c *cobra.Command, limit *int, watch *bool) {
	c.Flags().IntVar(limit, "limit", 50, "at most this `number`; 0 = all")
	c.Flags().BoolVar(watch, "watch", false, "print each change as a line of JSON until interrupted")
}

func pageSize(limit int) int {
	if limit <= 0 || limit > 200 {
		return 200
	}
	return limit
}

func (a *app) jobGet() *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use: "get JOB", Aliases: []string{"show"}, Short: "Show a job", Args: oneArg,
		ValidArgsFunction: a.completeJobs(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			load := func(ctx context.Context) ([]client.Job, error) {
				j, err := cl.Job(ctx, args[0])
				return []client.Job{j}, err
			}
			if watch {
				return show(c.Context(), a, a.jobView(), true, 0, load)
			}
			one, err := load(c.Context())
			if err != nil {
				return err
			}
			return printOne(a, a.jobView(), one[0])
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "print each change as a line of JSON until interrupted")
	return c
}

func (a *app) jobVerb(verb, short string, destructive bool,
	do func(ctx context.Context, c *client.Client, id, reason string) (client.Job, error),
) *cobra.Command {
	var (
		yes bool
		why string
	)
	c := &cobra.Command{
		Use: verb + " JOB...", Short: short, Args: someArgs, ValidArgsFunction: a.completeJobs(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if destructive {
				if err := a.confirm(yes, verb+" "+strings.Join(args, ", ")+"?"); err != nil {
					return err
				}
			}
			var jobs []client.Job
			var first error
			for _, id := range args {
				j, err := do(c.Context(), cl, id, why)
				if err == nil {
					jobs = append(jobs, j)
					continue
				}
				if first != nil {
					a.explain(err, a.exitCode(c.Context(), err))
					continue
				}
				first = err
			}
			if len(jobs) > 0 {
				if err := printList(a, a.jobView(), jobs); err != nil {
					return err
				}
			}
			return first
		},
	}
	if destructive {
		c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	}
	if verb == "hold" {
		c.Flags().StringVar(&why, "reason", "", "a `sentence` for people")
	}
	return c
}

func (a *app) jobRetry() *cobra.Command {
	var (
		w waitFlags
		g again
	)
	c := &cobra.Command{
		Use: "retry JOB", Short: "Do the work of a job again, as a new job", Args: oneArg,
		ValidArgsFunction: a.completeJobs(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			runID, err := lastRun(c.Context(), cl, args[0])
			if err != nil {
				return err
			}
			in, err := g.input(a)
			if err != nil {
				return err
			}
			j, err := cl.RetryRun(c.Context(), runID, in, client.Call{})
			if err != nil {
				return err
			}
			return a.added(c.Context(), cl, j, w)
		},
	}
	g.add(c)
	w.add(c)
	return c
}

func (a *app) jobDuplicate() *cobra.Command {
	var (
		w waitFlags
		g again
	)
	c := &cobra.Command{
		Use: "duplicate JOB", Short: "Put another job like this one into the queue, whatever became of it", Args: oneArg,
		ValidArgsFunction: a.completeJobs(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			in, err := g.input(a)
			if err != nil {
				return err
			}
			j, err := cl.DuplicateJob(c.Context(), args[0], in, client.Call{})
			if err != nil {
				return err
			}
			return a.added(c.Context(), cl, j, w)
		},
	}
	g.add(c)
	w.add(c)
	return c
}

// lastRun is the current or last run of a job.
func lastRun(ctx context.Context, cl *client.Client, jobID string) (string, error) {
	j, err := cl.Job(ctx, jobID)
	if err != nil {
		return "", err
	}
	if j.RunID == nil {
		return "", &client.Problem{Status: 409, Code: "conflict", Detail: "job " + jobID + " has not run yet", Hint: "see why: runsheet job get " + jobID}
	}
	return *j.RunID, nil
}

func (a *app) jobWatch() *cobra.Command {
	w := waitFlags{on: true, patient: true}
	c := &cobra.Command{
		Use: "watch JOB", Short: "Watch a job until it ends", Args: oneArg,
		Long:              "Watch shows why a job waits and how far it is. It ends with the job; the exit code says how the job ended.",
		ValidArgsFunction: a.completeJobs(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return a.wait(c.Context(), cl, args[0], w)
		},
	}
	c.Flags().BoolVarP(&w.follow, "follow", "f", false, "print the job's output too")
	return c
}

func (a *app) jobLogs() *cobra.Command {
	var l logFlags
	c := &cobra.Command{
		Use: "logs JOB", Short: "Print the output of a job's last run", Args: oneArg,
		Long:              "Logs prints what the last run of a job wrote. With --follow it waits for the start and stays to the end.",
		Example:           "  runsheet job logs --follow --tail 20 job_01jh0000000000000000000000",
		ValidArgsFunction: a.completeJobs(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if l.follow {
				if err := started(c.Context(), cl, args[0]); err != nil {
					return err
				}
			}
			runID, err := lastRun(c.Context(), cl, args[0])
			if err != nil {
				return err
			}
			return a.printLog(c.Context(), cl, runID, l)
		},
	}
	l.add(c)
	return c
}

// started waits until a job has a run, or will never have one.
func started(ctx context.Context, cl *client.Client, jobID string) error {
	begun := errors.New("it has begun")
	_, err := cl.WaitJob(ctx, jobID, func(j client.Job, _ error) error {
		if j.RunID != nil {
			return begun
		}
		return nil
	})
	if errors.Is(err, begun) {
		return nil
	}
	return err
}

// confirm asks before something is destroyed.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !a.inTTY || !a.errTTY {
		e := usagef("this needs --yes when nobody can be asked")
		return e
	}
	if _, err := io.WriteString(a.err, clean(question)+" [y/N] "); err != nil {
		return err
	}
	var answer []byte
	buf := make([]byte, 1)
	for len(answer) < 10 {
		n, err := a.in.Read(buf)
		if n == 0 && err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 || buf[0] == '\n' {
			break
		}
		answer = append(answer, buf[0])
	}
	switch strings.ToLower(strings.TrimSpace(string(answer))) {
	case "y", "yes":
		return nil
	}
	return usagef("nothing was done")
}
