package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) workflowRunCommands() []*cobra.Command {
	return []*cobra.Command{
		a.workflowRun(), a.workflowRuns(), a.workflowShow(), a.workflowAttempts(), a.workflowItems(), a.workflowCheckpoints(),
		a.workflowVerb("pause", "Let a run start nothing more", "paused", (*client.Client).PauseWorkflowRun),
		a.workflowVerb("resume", "Let a paused run go on", "goes on", (*client.Client).ResumeWorkflowRun),
		a.workflowVerb("cancel", "Ask a run to end", "is asked to end", (*client.Client).CancelWorkflowRun),
		a.workflowRetry(), a.workflowRestore(), a.workflowSkip(), a.workflowDecide(), a.workflowEvent(),
	}
}

func (a *app) completeWorkflowRuns() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.WorkflowRun, error] {
		return cl.WorkflowRuns(ctx, client.WorkflowRunFilter{PageSize: completeAtMost})
	}, func(r client.WorkflowRun) cobra.Completion {
		return cobra.CompletionWithDesc(r.WorkflowRunID, clean(r.WorkflowID)+" "+r.Status)
	})
}

func (a *app) workflowRunView() view[client.WorkflowRun] {
	return view[client.WorkflowRun]{
		id:      func(r client.WorkflowRun) string { return r.WorkflowRunID },
		columns: []string{"RUN", "WORKFLOW", "VERSION", "STATUS", "CREATED", "BY"}, status: 3, spare: []string{"BY"},
		row: func(r client.WorkflowRun) []string {
			status := r.Status
			if r.Paused && r.EndedAt == nil {
				status += " (paused)"
			}
			return []string{r.WorkflowRunID, r.WorkflowID, strconv.Itoa(r.Version), status, a.ago(r.CreatedAt), r.CreatedBy}
		},
	}
}

func (a *app) workflowRun() *cobra.Command {
	var (
		input                         []string
		inputs, priority, runAt, name string
		in                            client.WorkflowRunInput
		version                       versionRef
		w                             waitFlags
		key                           string
	)
	c := &cobra.Command{
		Use: "run WORKFLOW", Short: "Run a workflow", Args: oneArg, ValidArgsFunction: a.completeWorkflows(),
		Long: `Run adds a run of a workflow to the queue and prints its id; with --wait it stays
until the run has ended and exits 0 (completed), 1 (failed), 9 (cancelled or skipped),
6 (the time was over; the run goes on) or 8 (it waits for an approval).`,
		Example: `  runsheet workflow run etl_customers --input day=2026-01-31
  runsheet workflow run etl_customers --inputs @inputs.json --wait=30m
  runsheet workflow run etl_customers --version 3 --follow`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if in.Inputs, err = a.inputsOf(input, inputs); err != nil {
				return err
			}
			if in.Priority, err = parsePriority(priority); err != nil {
				return err
			}
			if in.RunAt, err = a.parseRunAt(runAt); err != nil {
				return err
			}
			in.Name, in.Version, in.Tag = name, version.number, version.tag
			in.Trigger = "manual"
			r, err := cl.RunWorkflow(c.Context(), args[0], in, client.Call{IdempotencyKey: key})
			if err != nil {
				return err
			}
			return a.addedRun(c.Context(), cl, r, w)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&input, "input", nil, "an input, `key=value`; a value that is JSON is taken as such; may be repeated")
	f.StringVar(&inputs, "inputs", "", "all inputs, as a JSON `object`, @file or -")
	f.Var(&version, "version", "this `number` or tag; the active one without it")
	f.StringVar(&name, "name", "", "`name`, for people (the workflow if absent)")
	f.StringVar(&priority, "priority", "", "`0` to 9, high, normal or low")
	f.StringVar(&runAt, "run-at", "", "do not start before this `time`: RFC 3339, or +10m")
	f.BoolVar(&in.Hold, "hold", false, "do not start before a release of its job")
	f.StringVar(&key, "idempotency-key", "", "the same `key` within 24 hours starts only one run")
	w.add(c)
	return c
}

// inputsOf reads --inputs, and --input over them.
func (a *app) inputsOf(each []string, all string) (json.RawMessage, error) {
	b, err := (&recipe{params: all, param: each}).object(a, nil)
	if u, ok := err.(*usage); ok { //nolint:errorlint // it is made one line above
		u.text = strings.NewReplacer("--params", "--inputs", "--param", "--input").Replace(u.text)
	}
	return b, err
}

// addedRun shows a new run, and waits for it where that was asked.
func (a *app) addedRun(ctx context.Context, cl *client.Client, r client.WorkflowRunDocument, w waitFlags) error {
	if !w.on && !w.follow {
		if a.json != nil {
			return a.printRun(r)
		}
		_, err := fmt.Fprintln(a.out, r.WorkflowRunID)
		return err
	}
	a.talk("started %s", r.WorkflowRunID)
	return a.waitRun(ctx, cl, r, w)
}

// waitRun stays with a run until it ends, or waits for an approval.
func (a *app) waitRun(ctx context.Context, cl *client.Client, r client.WorkflowRunDocument, w waitFlags) error {
	if w.follow {
		return a.watchRun(ctx, cl, r.WorkflowRunID)
	}
	wctx, stop := context.WithCancel(ctx)
	defer stop()
	if w.limit > 0 {
		wctx, stop = context.WithTimeout(ctx, w.limit)
		defer stop()
	}
	seen := ""
	last, err := cl.WaitJob(wctx, r.JobID, func(j client.Job, err error) error {
		if err != nil || !jobLives(j.Status) {
			return nil //nolint:nilerr // the job is asked again
		}
		now, err := cl.WorkflowRun(wctx, r.WorkflowRunID)
		if err != nil {
			return nil //nolint:nilerr // the next look tells more
		}
		text := fmt.Sprintf("%s, %d of %d nodes", now.Status, now.Progress.Ended, now.Progress.Total)
		if text != seen {
			a.talk("%s", text)
		}
		seen = text
		if id := pendingApproval(now); id != "" && w.limit == 0 {
			j.ApprovalID = &id
			return &unapproved{job: j}
		}
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return &interrupted{jobID: r.JobID}
	case wctx.Err() != nil:
		if now, err := cl.WorkflowRun(ctx, r.WorkflowRunID); err == nil {
			if id := pendingApproval(now); id != "" {
				last.ApprovalID = &id
				return &unapproved{job: last}
			}
		}
		return &timedOut{job: last}
	case err != nil:
		return err
	}
	end, err := cl.WorkflowRun(ctx, r.WorkflowRunID)
	if err != nil {
		return err
	}
	a.talk("%s %s%s", end.WorkflowRunID, end.Status, because(end))
	if a.json != nil || a.quiet {
		if err := a.printRun(end); err != nil {
			return err
		}
	}
	if exitOfJob(end.Status) != exitOK {
		return &ended{job: last}
	}
	return nil
}

func because(r client.WorkflowRunDocument) string {
	if r.Error != nil {
		return " (" + r.Error.Code + ": " + r.Error.Message + ")"
	}
	if reason := deref(r.Reason); reason != "" {
		return " (" + reason + ")"
	}
	return ""
}

// pendingApproval is an approval for which a run waits, and for nothing else that
// would go on by itself.
func pendingApproval(r client.WorkflowRunDocument) string {
	if r.Status != "WAITING" {
		return ""
	}
	for _, n := range r.Nodes {
		if n.Wait != nil && n.Wait.For == "approval" {
			return deref(n.Wait.Ref)
		}
	}
	return ""
}

func (a *app) workflowRuns() *cobra.Command {
	var (
		f     client.WorkflowRunFilter
		limit int
		watch bool
	)
	c := &cobra.Command{
		Use: "runs [WORKFLOW]", Short: "List runs of workflows, newest first", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeWorkflows(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if f.PageSize = pageSize(limit); len(args) > 0 {
				f.WorkflowID = args[0]
			}
			return show(c.Context(), a, a.workflowRunView(), watch, limit, func(ctx context.Context) ([]client.WorkflowRun, error) {
				return client.Collect(cl.WorkflowRuns(ctx, f), limit)
			})
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.Status, "status", nil, "only these `statuses`: PENDING, RUNNING, WAITING, COMPLETED, FAILED, CANCELLED, SKIPPED")
	fs.IntVar(&f.Version, "version", 0, "only runs of this version, a `number`")
	fs.IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	fs.BoolVar(&watch, "watch", false, "show it again when it changes")
	return c
}

func (a *app) workflowShow() *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "Show a run of a workflow with its nodes", Args: oneArg, ValidArgsFunction: a.completeWorkflowRuns(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			r, err := cl.WorkflowRun(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.printRun(r)
		},
	}
}

func (a *app) printRun(r client.WorkflowRunDocument) error {
	switch {
	case a.json != nil:
		b, err := a.json.pick(r)
		if err != nil {
			return err
		}
		return a.writeJSON(b)
	case a.quiet:
		_, err := fmt.Fprintln(a.out, r.WorkflowRunID)
		return err
	}
	_, err := fmt.Fprint(a.out, runText(r))
	return err
}

// nodeMarks are the signs before nodes, by status.
func nodeMark(status string) string {
	switch status {
	case "COMPLETED":
		return "+"
	case "FAILED":
		return "x"
	case "RUNNING":
		return ">"
	case "WAITING":
		return "~"
	case "SKIPPED", "CANCELLED", "COMPENSATED":
		return "-"
	}
	return "."
}

// begunText says from where a run repeats another one, after a comma; "" = nobody told.
func begunText(r client.WorkflowRunDocument) string {
	b := r.Began
	if b == nil {
		return ""
	}
	out := ", from the nodes that failed"
	switch {
	case b.CheckpointSeq != nil:
		out = fmt.Sprintf(", from step %d", *b.CheckpointSeq)
	case b.FromNode != nil:
		out = ", from node " + *b.FromNode
	case b.FailedItems:
		out = ", the failed items of maps"
	}
	if b.FromNode != nil && b.FailedItems {
		out += " and the failed items of maps"
	}
	if b.Version != r.Version {
		out += fmt.Sprintf(", which had version %d", b.Version)
	}
	return out
}

// runText is a run for people: its head, and its nodes, each deeper than those before.
func runText(r client.WorkflowRunDocument) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(clean(fmt.Sprintf(format, args...)), " ") + "\n")
	}
	line("%s  %s version %d", r.WorkflowRunID, r.WorkflowID, r.Version)
	status := r.Status
	if r.Paused {
		status += ", paused by " + deref(r.PausedBy)
	}
	line("%s%s, %d of %d nodes", status, because(r), r.Progress.Ended, r.Progress.Total)
	line("job %s", r.JobID)
	if r.RetryOf != nil {
		line("repeats %s%s", *r.RetryOf, begunText(r))
	}
	for _, x := range []pair{{"inputs", plain(r.Inputs)}, {"outputs", plain(r.Outputs)}} {
		if x.value != "" && x.value != "{}" && x.value != "null" {
			line("%s %s", x.name, x.value)
		}
	}
	maps := map[string]client.WorkflowRunMap{}
	for _, m := range r.Maps {
		maps[m.NodeID] = m
	}
	depth := map[string]int{}
	for _, n := range r.Nodes {
		for _, before := range n.After {
			depth[n.NodeID] = max(depth[n.NodeID], depth[before]+1)
		}
		text := nodeMark(n.Status) + " " + n.NodeID + "  " + n.Status
		if n.Attempt > 1 {
			text += fmt.Sprintf(" attempt %d", n.Attempt)
		}
		if o := deref(n.Outcome); o != "" && o != "success" {
			text += " -> " + o
		}
		if m, is := maps[n.NodeID]; is {
			text += fmt.Sprintf(" %d/%d items", m.Processed, m.Total)
			if m.Failed > 0 {
				text += fmt.Sprintf(", %d failed", m.Failed)
			}
		}
		if n.Wait != nil {
			text += " for " + n.Wait.For
			if ref := deref(n.Wait.Ref); ref != "" {
				text += " " + ref
			}
			if name := deref(n.Wait.Event); name != "" {
				text += " " + name
			}
			if n.Wait.Until != nil {
				text += " until " + stamp(n.Wait.Until)
			}
		}
		if n.Recompute {
			text += " (will be recomputed)"
		}
		if n.Error != nil {
			text += " (" + n.Error.Code + ": " + n.Error.Message + ")"
		} else if reason := deref(n.Reason); reason != "" {
			text += " (" + reason + ")"
		}
		line("%s%s", strings.Repeat("  ", 1+min(depth[n.NodeID], 20)), text)
	}
	return b.String()
}

// workflowVerb is a change of a run that takes no more than its id.
func (a *app) workflowVerb(verb, short, done string, do func(*client.Client, context.Context, string, client.Call) (client.WorkflowRunDocument, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb + " RUN...", Short: short, Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeWorkflowRuns(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			for _, id := range args {
				r, err := do(cl, c.Context(), id, client.Call{})
				if err != nil {
					return err
				}
				if a.json != nil {
					if err := a.printRun(r); err != nil {
						return err
					}
					continue
				}
				a.talk("%s %s", id, done)
			}
			return nil
		},
	}
}
