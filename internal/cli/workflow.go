package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) workflowCommand() *cobra.Command {
	return a.noun("workflow", "Keep and run workflows: steps that depend on one another, in versions", append([]*cobra.Command{
		a.workflowInit(), a.workflowValidate(), a.workflowFmt(), a.workflowGraph(), a.workflowSchema(), a.workflowTest(), a.workflowPlan(), a.workflowApply(),
		a.workflowList(), a.workflowGet(), a.workflowExport(), a.workflowVersions(), a.workflowDiff(), a.workflowActivations(),
		a.workflowMove("activate", "Let new runs use another version", "now uses"), a.workflowMove("rollback", "Go back to another version", "is back at"), a.workflowTag(), a.workflowRemove(), a.workflowWatch(),
	}, a.workflowRunCommands()...)...)
}

func (a *app) completeWorkflows() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Workflow, error] {
		return cl.Workflows(ctx, client.WorkflowFilter{PageSize: completeAtMost})
	}, func(w client.Workflow) cobra.Completion { return cobra.CompletionWithDesc(w.WorkflowID, clean(w.Name)) })
}

func (a *app) workflowView() view[client.Workflow] {
	return view[client.Workflow]{
		id:      func(w client.Workflow) string { return w.WorkflowID },
		columns: []string{"WORKFLOW", "NAME", "ACTIVE", "NEWEST", "UPDATED"}, status: -1, spare: []string{"NAME"},
		row: func(w client.Workflow) []string {
			return []string{w.WorkflowID, w.Name, number(w.ActiveVersion), strconv.Itoa(w.NewestVersion), a.ago(w.UpdatedAt)}
		},
		detail: func(w client.Workflow) []pair {
			archived := ""
			if w.Archived {
				archived = "yes"
			}
			return []pair{
				{"workflow", w.WorkflowID},
				{"name", w.Name},
				{"description", w.Description},
				{"active version", number(w.ActiveVersion)},
				{"newest version", strconv.Itoa(w.NewestVersion)},
				{"content hash", w.ContentHash},
				{"archived", archived},
				{"created", stamp(&w.CreatedAt) + " by " + w.CreatedBy},
				{"updated", stamp(&w.UpdatedAt)},
			}
		},
	}
}

func (a *app) workflowVersionView() view[client.WorkflowVersion] {
	return view[client.WorkflowVersion]{
		id:      func(v client.WorkflowVersion) string { return strconv.Itoa(v.Version) },
		columns: []string{"VERSION", "ACTIVE", "TAGS", "CREATED", "BY", "MESSAGE"}, status: -1, spare: []string{"MESSAGE", "BY"},
		row: func(v client.WorkflowVersion) []string {
			active := ""
			if v.Active {
				active = "yes"
			}
			return []string{strconv.Itoa(v.Version), active, strings.Join(v.Tags, ","), a.ago(v.CreatedAt), v.CreatedBy, v.Message}
		},
	}
}

func (a *app) workflowActivationView() view[client.WorkflowActivation] {
	return view[client.WorkflowActivation]{
		id:      func(x client.WorkflowActivation) string { return strconv.Itoa(x.Version) },
		columns: []string{"AT", "VERSION", "FROM", "HOW", "BY", "REASON"}, status: -1, spare: []string{"REASON", "BY"},
		row: func(x client.WorkflowActivation) []string {
			return []string{stamp(&x.At), strconv.Itoa(x.Version), number(x.FromVersion), x.Source, x.By, x.Reason}
		},
	}
}

func (a *app) appliedView() view[client.AppliedDocument] {
	return view[client.AppliedDocument]{
		id:      func(d client.AppliedDocument) string { return d.ID },
		columns: []string{"KIND", "NAME", "VERSION", "RESULT", "ACTIVE"}, status: -1,
		row: func(d client.AppliedDocument) []string {
			name, active := d.Name, ""
			if d.Kind == "Workflow" {
				name = d.ID
			}
			if d.Active != nil && *d.Active {
				active = "yes"
			}
			return []string{d.Kind, name, strconv.Itoa(d.Version), d.Result, active}
		},
	}
}

func (a *app) workflowApply() *cobra.Command {
	var (
		o     client.ApplyOptions
		force bool
	)
	c := &cobra.Command{
		Use: "apply FILE", Short: "Store a file's workflows, templates and schedules on the server", Args: oneArg,
		Long:    "Apply makes a new version of each workflow whose content differs from the newest, and lets new\nruns use it unless --draft is given. All of a file is checked before anything is stored. - is stdin.",
		Example: "  runsheet workflow apply etl.yaml --message 'retry uploads'\n  runsheet workflow apply etl.yaml --draft",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			name, text, err := a.documentFile(args[0])
			if err != nil {
				return err
			}
			if !force {
				if _, _, err := a.valid(name, text); err != nil {
					return err
				}
			}
			o.File = filepath.Base(name)
			done, err := cl.ApplyWorkflows(c.Context(), text, o, client.Call{})
			if err != nil {
				return err
			}
			return printList(a, a.appliedView(), done.Items)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Draft, "draft", false, "store new versions without using them")
	f.StringVarP(&o.Message, "message", "m", "", "what was changed, a `text`")
	f.BoolVar(&force, "server-check", false, "let the server alone check the file: it may know more node types")
	return c
}

func (a *app) workflowPlan() *cobra.Command {
	return &cobra.Command{
		Use: "plan FILE", Short: "Tell what the workflows of a file will do", Args: oneArg,
		Long: "Plan lists the nodes in an order in which they may run, locks, secrets, the schedules that start\nthe workflow, where it calls out, and where it needs a person. Nothing is stored.",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			name, text, err := a.documentFile(args[0])
			if err != nil {
				return err
			}
			plans, err := cl.PlanWorkflows(c.Context(), text, filepath.Base(name))
			if err != nil {
				return err
			}
			if a.json != nil {
				b, err := json.Marshal(plans)
				if err != nil {
					return err
				}
				return a.writeJSON(b)
			}
			for _, p := range plans.Items {
				if _, err := fmt.Fprint(a.out, planText(p)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func planText(p client.WorkflowPlan) string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(clean(fmt.Sprintf(format, args...)) + "\n") }
	part := func(name string, n int) {
		if n > 0 {
			line("%s:", name)
		}
	}
	line("workflow %s", p.WorkflowID)
	part("nodes", len(p.Nodes))
	for i, n := range p.Nodes {
		kind, more := n.Type, ""
		if s := deref(n.Subtype); s != "" {
			kind += "/" + s
		}
		if within := deref(n.Within); within != "" {
			more += " for each item of " + within
		}
		if n.Handler {
			more += " only as a handler"
		}
		if when := deref(n.When); when != "" {
			more += " when " + when
		}
		line("  %d. %s (%s)%s", i+1, n.NodeID, kind, more)
	}
	part("locks", len(p.Locks))
	for _, u := range p.Locks {
		line("  %s: %s", u.Name, strings.Join(u.Nodes, ", "))
	}
	part("secrets", len(p.Secrets))
	for _, u := range p.Secrets {
		line("  %s: %s", u.Name, strings.Join(u.Nodes, ", "))
	}
	part("calls out", len(p.Calls))
	for _, x := range p.Calls {
		line("  %s (%s) %s", x.NodeID, x.Kind, deref(x.Target))
	}
	part("needs a person", len(p.People))
	for _, x := range p.People {
		line("  %s: %s %s", x.NodeID, x.Why, strings.Join(x.Who, ", "))
	}
	part("schedules", len(p.Schedules))
	for _, x := range p.Schedules {
		line("  %s (%s)", x.Name, x.State)
	}
	return b.String()
}

func (a *app) workflowList() *cobra.Command {
	var (
		f     client.WorkflowFilter
		limit int
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List workflows", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			f.PageSize = pageSize(limit)
			return show(c.Context(), a, a.workflowView(), false, limit, func(ctx context.Context) ([]client.Workflow, error) {
				return client.Collect(cl.Workflows(ctx, f), limit)
			})
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.Query, "search", "", "only workflows whose id or name contains this `text`")
	fs.BoolVar(&f.Archived, "archived", false, "the archived ones instead")
	fs.IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) workflowGet() *cobra.Command {
	return &cobra.Command{
		Use: "get WORKFLOW", Short: "Show a workflow", Args: oneArg, ValidArgsFunction: a.completeWorkflows(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			w, err := cl.Workflow(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printOne(a, a.workflowView(), w)
		},
	}
}

func (a *app) workflowExport() *cobra.Command {
	var version versionRef
	c := &cobra.Command{
		Use: "export WORKFLOW", Short: "Print a version as YAML", Args: oneArg, ValidArgsFunction: a.completeWorkflows(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			var definition []byte
			if version.given() {
				v, err := cl.WorkflowVersion(c.Context(), args[0], version.String())
				if err != nil {
					return err
				}
				definition = v.Definition
			} else {
				w, err := cl.Workflow(c.Context(), args[0])
				if err != nil {
					return err
				}
				definition = w.Definition
			}
			if a.json != nil {
				return a.writeJSON(definition)
			}
			text, err := yamlOf(args[0], definition)
			if err != nil {
				return err
			}
			_, err = a.out.Write(text)
			return err
		},
	}
	c.Flags().Var(&version, "version", "this `number` or tag; the active one, or else the newest, without it")
	return c
}

func (a *app) workflowVersions() *cobra.Command {
	limit := 0
	c := &cobra.Command{
		Use: "versions WORKFLOW", Short: "List the versions of a workflow, newest first", Args: oneArg, ValidArgsFunction: a.completeWorkflows(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return show(c.Context(), a, a.workflowVersionView(), false, limit, func(ctx context.Context) ([]client.WorkflowVersion, error) {
				return client.Collect(cl.WorkflowVersions(ctx, args[0], pageSize(limit)), limit)
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) workflowActivations() *cobra.Command {
	limit := 0
	c := &cobra.Command{
		Use: "activations WORKFLOW", Short: "List which version was used when, latest first", Args: oneArg, ValidArgsFunction: a.completeWorkflows(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return show(c.Context(), a, a.workflowActivationView(), false, limit, func(ctx context.Context) ([]client.WorkflowActivation, error) {
				return client.Collect(cl.WorkflowActivations(ctx, args[0], pageSize(limit)), limit)
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) workflowDiff() *cobra.Command {
	var from, to versionRef
	c := &cobra.Command{
		Use: "diff WORKFLOW", Short: "Show what differs between two versions", Args: oneArg, ValidArgsFunction: a.completeWorkflows(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			d, err := cl.DiffWorkflow(c.Context(), args[0], from.String(), to.String())
			if err != nil {
				return err
			}
			if a.json != nil {
				b, err := json.Marshal(d)
				if err != nil {
					return err
				}
				return a.writeJSON(b)
			}
			for _, l := range strings.SplitAfter(d.Text, "\n") {
				if l != "" {
					_, _ = fmt.Fprintln(a.out, clean(strings.TrimSuffix(l, "\n"))) // nobody is left to tell
				}
			}
			return nil
		},
	}
	c.Flags().Var(&from, "from", "a version's `number` or tag; the active one without it")
	c.Flags().Var(&to, "to", "a version's `number` or tag; the newest without it")
	return c
}

// workflowMove is activate and rollback.
func (a *app) workflowMove(verb, short, done string) *cobra.Command {
	var (
		in client.WorkflowMoveInput
		to versionRef
	)
	c := &cobra.Command{
		Use: verb + " WORKFLOW VERSION|TAG", Short: short, Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeWorkflows(),
		Example: "  runsheet workflow " + verb + " etl 2 --reason 'uploads fail'\n  runsheet workflow " + verb + " etl --to stable",
		RunE: func(c *cobra.Command, args []string) error {
			if (len(args) == 2) == to.given() {
				return usagef("give the version once: as VERSION, or with --to")
			}
			if len(args) == 2 {
				if err := to.Set(args[1]); err != nil {
					return usagef("%s", err)
				}
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			in.Version, in.Tag = to.number, to.tag
			n, was, err := moveTo(c.Context(), cl, verb, args[0], in)
			if to.number > 0 {
				n = to.number
			}
			switch {
			case err != nil:
				return err
			case was != nil && *was == n:
				a.talk("%s uses version %d already", args[0], n)
			default:
				a.talk("%s %s version %d", args[0], done, n)
			}
			return nil
		},
	}
	c.Flags().Var(&to, "to", "the version, by its `number` or a tag, in place of VERSION")
	c.Flags().StringVar(&in.Reason, "reason", "", "why, a `text` for the log")
	c.Flags().StringVar(&in.Running, "running", "", "what happens to running runs: `keep`, cancel or migrate; keep without it")
	return c
}

// moveTo makes a version the active one and returns it and the one that was.
func moveTo(ctx context.Context, cl *client.Client, verb, workflowID string, in client.WorkflowMoveInput) (n int, was *int, err error) {
	if verb == "rollback" {
		m, err := cl.RollBackWorkflow(ctx, workflowID, in, client.Call{})
		return m.RolledBackToVersion, m.PreviousVersion, err
	}
	m, err := cl.ActivateWorkflow(ctx, workflowID, in, client.Call{})
	return m.Version, m.PreviousVersion, err
}

func (a *app) workflowRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "rm WORKFLOW", Aliases: []string{"delete"}, Short: "Archive a workflow: no new run begins, all that was stays", Args: oneArg,
		ValidArgsFunction: a.completeWorkflows(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := a.confirm(yes, "archive the workflow "+args[0]+"?"); err != nil {
				return err
			}
			if err := cl.DeleteWorkflow(c.Context(), args[0], client.Call{}); err != nil {
				return err
			}
			a.talk("archived %s", args[0])
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}
