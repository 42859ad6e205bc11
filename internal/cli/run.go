package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) runCommand() *cobra.Command {
	return a.noun("run", "Look at execution attempts", a.runList(), a.runGet(), a.runRetry(), a.runLogs(), a.runArtifacts(), a.runCalls())
}

func (a *app) runView() view[client.Run] {
	return view[client.Run]{
		id:      func(r client.Run) string { return r.RunID },
		columns: []string{"RUN", "NAME", "STATUS", "ATTEMPT", "STARTED", "TOOK", "EXIT", "ERROR"},
		status:  2, spare: []string{"ATTEMPT", "EXIT", "TOOK"},
		row: func(r client.Run) []string {
			code := ""
			if r.Error != nil {
				code = r.Error.Code
			} else if r.Reason != nil {
				code = *r.Reason // why it was skipped
			}
			return []string{
				r.RunID, r.Name, runStatus(r), strconv.Itoa(r.Attempt), a.agoPtr(r.StartedAt), took(r.DurationMs), number(r.ExitCode), code,
			}
		},
		detail: runDetail,
	}
}

func runStatus(r client.Run) string {
	if r.Status == nil {
		return "active"
	}
	return *r.Status
}

func took(ms *int64) string {
	if ms == nil {
		return ""
	}
	return (time.Duration(*ms) * time.Millisecond).String()
}

func runDetail(r client.Run) []pair {
	out := []pair{
		{"run", r.RunID},
		{"job", deref(r.JobID)},
		{"name", r.Name},
		{"type", r.JobType},
		{"status", runStatus(r)},
		{"attempt", strconv.Itoa(r.Attempt)},
		{"trigger", r.Trigger + " by " + r.CreatedBy},
		{"retry of", deref(r.RetryOf)},
		{"directive", directiveText(r.Directive)},
		{"group", deref(r.GroupID)},
		{"started", stamp(r.StartedAt)},
		{"finished", stamp(r.FinishedAt)},
		{"took", took(r.DurationMs)},
		{"waited", took(&r.QueueWaitMs)},
		{"waited for", strings.Join(r.WaitedFor, " ")},
		{"instance", deref(r.InstanceID)},
		{"pid", number(r.Pid)},
		{"exit code", number(r.ExitCode)},
		{"progress", progressText(r.Progress)},
	}
	if r.Error != nil {
		out = append(out, pair{"error", r.Error.Code + ": " + r.Error.Message})
	}
	out = append(out, pair{"reason", deref(r.Reason)}, pair{"tokens", tokenText(r.Tokens)})
	for _, k := range sortedKeys(r.Outputs) {
		out = append(out, pair{"output " + k, r.Outputs[k]})
	}
	for _, k := range sortedKeys(r.Artifacts) {
		out = append(out, pair{"artifact " + k, size(r.Artifacts[k].SizeBytes) + "  " + r.Artifacts[k].ArtifactID})
	}
	log := size(r.LogBytes)
	if r.LogTruncated {
		log += ", truncated"
	}
	return append(out, pair{"log", log}, pair{"labels", labelText(r.Labels)}, pair{"params", plain(r.Params)})
}

// directiveText names the version of a directive.
func directiveText(d *client.DirectiveRef) string {
	if d == nil {
		return ""
	}
	return d.Name + ", version " + strconv.Itoa(d.Version) + " (" + d.DirectiveID + ")"
}

// tokenText says what is known of the counts.
func tokenText(t client.Tokens) string {
	var out []string
	if t.Prompt != nil {
		out = append(out, number(t.Prompt)+" prompt")
	}
	if t.Completion != nil {
		out = append(out, number(t.Completion)+" completion")
	}
	return strings.Join(out, ", ")
}

func (a *app) runList() *cobra.Command {
	var (
		f      client.RunFilter
		labels []string
		limit  int
		watch  bool
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List runs, newest first", Args: noArgs,
		Example: "  runsheet run ls --status FAILED --limit 10\n  runsheet run ls --job job_01jh0000000000000000000000 --json",
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
			load := func(ctx context.Context) ([]client.Run, error) { return client.Collect(cl.Runs(ctx, f), limit) }
			return show(c.Context(), a, a.runView(), watch, limit, load)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.JobID, "job", "", "only runs of this `job`")
	fs.StringSliceVar(&f.Status, "status", nil, "only these `statuses`, comma-separated")
	fs.StringSliceVar(&f.JobType, "type", nil, "only these job `types`")
	fs.StringSliceVar(&f.TemplateID, "template", nil, "only runs of these templates, by `id`")
	fs.StringArrayVar(&labels, "label", nil, "only runs with the label `key=value`; repeatable")
	addListFlags(c, &limit, &watch)
	complete(c, "status", "ACTIVE", "COMPLETED", "FAILED", "SKIPPED")
	return c
}

// onRun is a command on one run.
func (a *app) onRun(use, short string, do func(c *cobra.Command, cl *client.Client, id string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: oneArg, ValidArgsFunction: a.completeRuns(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			id := args[0]
			if strings.HasPrefix(id, "job_") {
				if id, err = lastRun(c.Context(), cl, id); err != nil {
					return err
				}
			}
			return do(c, cl, id)
		},
	}
}

func (a *app) runGet() *cobra.Command {
	return a.onRun("get RUN", "Show a run", func(c *cobra.Command, cl *client.Client, id string) error {
		r, err := cl.Run(c.Context(), id)
		if err != nil {
			return err
		}
		return printOne(a, a.runView(), r)
	})
}

func (a *app) runRetry() *cobra.Command {
	var (
		w waitFlags
		g again
	)
	c := a.onRun("retry RUN", "Do the work of a run again, as a new job", func(c *cobra.Command, cl *client.Client, id string) error {
		in, err := g.input(a)
		if err != nil {
			return err
		}
		j, err := cl.RetryRun(c.Context(), id, in, client.Call{})
		if err != nil {
			return err
		}
		return a.added(c.Context(), cl, j, w)
	})
	g.add(c)
	w.add(c)
	return c
}

// logFlags are the flags of `logs`.
type logFlags struct {
	follow bool
	tail   int
}

func (l *logFlags) add(c *cobra.Command) {
	c.Flags().BoolVarP(&l.follow, "follow", "f", false, "go on until the run has ended")
	c.Flags().IntVarP(&l.tail, "tail", "n", 0, "only the last so many `lines`; 0 = all")
}

func (a *app) printLog(ctx context.Context, cl *client.Client, runID string, l logFlags) error {
	_, err := a.copyLog(ctx, cl, runID, client.LogOptions{Tail: l.tail, Follow: l.follow}, 0)
	return err
}

func (a *app) runLogs() *cobra.Command {
	var l logFlags
	c := a.onRun("logs RUN", "Print the output of a run", func(c *cobra.Command, cl *client.Client, id string) error {
		return a.printLog(c.Context(), cl, id, l)
	})
	l.add(c)
	return c
}

func (a *app) runArtifacts() *cobra.Command {
	var dir string
	c := a.onRun("artifacts RUN", "List the files that a run produced, or save them", func(c *cobra.Command, cl *client.Client, id string) error {
		items, err := cl.RunArtifacts(c.Context(), id)
		if err != nil {
			return err
		}
		if dir != "" {
			if err := a.save(c.Context(), cl, dir, items); err != nil {
				return err
			}
		}
		return printList(a, view[client.Artifact]{
			id: func(x client.Artifact) string { return x.ArtifactID }, columns: []string{"ARTIFACT", "NAME", "SIZE", "TYPE", "SHA256"}, status: -1, spare: []string{"SHA256", "TYPE"},
			row: func(x client.Artifact) []string {
				return []string{x.ArtifactID, x.Name, size(x.SizeBytes), x.MediaType, x.SHA256[:min(12, len(x.SHA256))]}
			},
		}, items)
	})
	c.Long = "RUN may be the id of a job: then it is its last run. So it is with all commands about one run."
	c.Example = `  runsheet run artifacts run_01jh0000000000000000000000 --save out/
  runsheet run artifacts job_01jh0000000000000000000000`
	c.Flags().StringVar(&dir, "save", "", "download all of them into this `folder`")
	return c
}

func (a *app) runCalls() *cobra.Command {
	return a.onRun("calls RUN", "List what a run asked of language models", func(c *cobra.Command, cl *client.Client, id string) error {
		calls, err := cl.RunCalls(c.Context(), id)
		if err != nil {
			return err
		}
		return printList(a, view[client.LLMCall]{
			id:      func(x client.LLMCall) string { return x.Stage },
			columns: []string{"STAGE", "MODEL", "OUTCOME", "PROMPT", "COMPLETION", "TOOK", "SERVER"}, status: -1, spare: []string{"SERVER", "TOOK"},
			row: func(x client.LLMCall) []string {
				return []string{x.Stage, x.Model, x.Outcome, unknown(x.PromptTokens), unknown(x.CompletionTokens), took(&x.TotalMs), x.Server}
			},
		}, calls)
	})
}

// unknown is a count, or that it is not known, which is not 0.
func unknown(n *int64) string {
	if n == nil {
		return "?"
	}
	return number(n)
}

// save downloads artifacts. A server cannot make it write outside dir.
func (a *app) save(ctx context.Context, cl *client.Client, dir string, items []client.Artifact) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() // a handle of a folder, nothing can be lost
	for _, item := range items {
		if err := download(ctx, cl, root, item); err != nil {
			return err
		}
		a.talk("saved %s", filepath.Join(dir, filepath.FromSlash(item.Name)))
	}
	return nil
}

func download(ctx context.Context, cl *client.Client, root *os.Root, item client.Artifact) error {
	name := filepath.FromSlash(item.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return err
	}
	r, err := cl.OpenArtifact(ctx, item.ArtifactID)
	if err != nil {
		return err
	}
	defer r.Close() // only read
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
