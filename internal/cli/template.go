package cli

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) templateCommand() *cobra.Command {
	return a.noun("template", "Keep recipes for jobs", a.templateAdd(), a.templateList(), a.templateGet(), a.templateSet(), a.templateRemove())
}

func (a *app) templateView() view[client.JobTemplate] {
	return view[client.JobTemplate]{
		id:      func(t client.JobTemplate) string { return t.TemplateID },
		columns: []string{"TEMPLATE", "NAME", "TYPE", "VERSION", "PRI", "UPDATED"}, status: -1, spare: []string{"TYPE", "PRI"},
		row: func(t client.JobTemplate) []string {
			return []string{t.TemplateID, t.Name, t.JobType, strconv.Itoa(t.Version), priorityWord(t.Priority), a.ago(t.UpdatedAt)}
		},
		detail: func(t client.JobTemplate) []pair {
			archived := ""
			if t.Archived {
				archived = "yes"
			}
			return []pair{
				{"template", t.TemplateID},
				{"name", t.Name},
				{"description", t.Description},
				{"type", t.JobType},
				{"directive", deref(t.DirectiveID)},
				{"version", strconv.Itoa(t.Version)},
				{"archived", archived},
				{"priority", priorityWord(t.Priority)},
				{"attempts", strconv.Itoa(t.RetryPolicy.MaxAttempts)},
				{"timeout", deref(t.Timeout)},
				{"start deadline", deref(t.StartDeadline)},
				{"locks", strings.Join(t.Locks, " ")},
				{"limits", boundsText(t.Limits)},
				{"unique", uniqueText(t.Unique)},
				{"after a crash", deref(t.CrashPolicy)},
				{"labels", labelText(t.Labels)},
				{"webhook", deref(t.WebhookURL)},
				{"told", strings.Join(t.WebhookEvents, " ")},
				{"created", stamp(&t.CreatedAt) + " by " + t.CreatedBy},
				{"updated", stamp(&t.UpdatedAt)},
				{"params", plain(t.Params)},
				{"schema", plain(t.ParamsSchema)},
			}
		},
	}
}

// templateFlags are those of add and set, beside the recipe's.
type templateFlags struct {
	recipe
	description, schema string
	directive           string
	archived            bool
	rename              string
	unset               []string
}

func (t *templateFlags) add(c *cobra.Command) {
	t.recipe.add(c)
	c.Flags().StringVar(&t.description, "description", "", "a `sentence` for people")
	c.Flags().StringVar(&t.directive, "directive", "", "`directive` that its jobs work under, by id or name")
	c.Flags().StringVar(&t.schema, "schema", "", "`JSON` Schema for the params, @file, or - for stdin")
}

// changes are the fields that the flags name, as the API calls them.
func (t *templateFlags) changes(a *app, c *cobra.Command, command []string) (map[string]any, error) {
	out := map[string]any{}
	put := func(flag, field string, value any) {
		if c.Flags().Changed(flag) {
			out[field] = value
		}
	}
	put("type", "job_type", t.jobType)
	put("timeout", "timeout", t.timeout)
	put("description", "description", t.description)
	put("directive", "directive_id", t.directive)
	put("archived", "archived", t.archived)
	put("rename", "name", t.rename)
	put("lock", "locks", t.locks)
	put("webhook", "webhook_url", t.hook)
	put("webhook-event", "webhook_events", t.events)
	put("retry-on-restart", "retry_on_restart", t.restart)
	if err := t.checkRetry(); err != nil {
		return nil, err
	}
	policy := map[string]any{"max_attempts": t.retry}
	if t.delay != "" {
		policy["initial"] = t.delay
	}
	put("retry", "retry_policy", policy)
	if p, err := parsePriority(t.priority); err != nil {
		return nil, err
	} else if p != nil {
		out["priority"] = *p
	}
	if labels, err := assignments(t.labels, "label"); err != nil {
		return nil, err
	} else if labels != nil {
		out["labels"] = labels
	}
	if t.schema != "" {
		b, err := a.read(t.schema)
		if err != nil {
			return nil, err
		}
		if !json.Valid(b) {
			return nil, usagef("--schema must be JSON")
		}
		out["params_schema"] = json.RawMessage(b)
	}
	params, err := t.object(a, command)
	if err != nil {
		return nil, err
	}
	if params != nil {
		out["params"] = params
	}
	t.policy.changes(out)
	for _, field := range t.unset {
		out[field] = nil
	}
	return out, nil
}

func (a *app) templateAdd() *cobra.Command {
	var t templateFlags
	c := &cobra.Command{
		Use: "add NAME [flags] [-- COMMAND ARG...]", Short: "Make a template",
		Example: `  runsheet template add nightly --retry 3 --lock gpu:0 -- python3 /opt/jobs/train.py
  runsheet template add nap --type command --params '{"argv":["sleep","5"]}'`,
		RunE: func(c *cobra.Command, args []string) error {
			before, command := argv(c, args)
			if len(before) != 1 {
				return usagef("a template needs one name")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if t.jobType == "" && len(command) > 0 {
				if err := c.Flags().Set("type", "command"); err != nil {
					return err
				}
			}
			if t.jobType == "" {
				return usagef("a template needs --type, or a command behind --")
			}
			fields, err := t.changes(a, c, command)
			if err != nil {
				return err
			}
			fields["name"] = before[0]
			b, err := json.Marshal(fields)
			if err != nil {
				return err
			}
			var in client.JobTemplateInput
			if err := json.Unmarshal(b, &in); err != nil {
				return err
			}
			made, err := cl.CreateTemplate(c.Context(), in, client.Call{})
			if err != nil {
				return err
			}
			if a.json == nil {
				a.quiet = true
			}
			return printOne(a, a.templateView(), made)
		},
	}
	t.add(c)
	return c
}

func (a *app) templateSet() *cobra.Command {
	var (
		t  templateFlags
		at int
	)
	c := &cobra.Command{
		Use: "set TEMPLATE [flags] [-- COMMAND ARG...]", Aliases: []string{"edit"}, Short: "Change a template: makes a new version",
		Long: "Set changes what its flags name and keeps the rest. Jobs that exist keep the version they were made from.",
		Example: `  runsheet template set nightly --priority high --timeout 2h
  runsheet template set nightly --unset timeout --archived=false`,
		ValidArgsFunction: a.completeTemplates(),
		RunE: func(c *cobra.Command, args []string) error {
			before, command := argv(c, args)
			if len(before) != 1 {
				return usagef("name one template")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			fields, err := t.changes(a, c, command)
			if err != nil {
				return err
			}
			if len(fields) == 0 {
				return usagef("nothing to change was given")
			}
			call := client.Call{}
			if at > 0 {
				call.IfMatch = strconv.Quote(strconv.Itoa(at))
			}
			changed, err := cl.EditTemplate(c.Context(), before[0], fields, call)
			if err != nil {
				return err
			}
			return printOne(a, a.templateView(), changed)
		},
	}
	t.add(c)
	f := c.Flags()
	f.BoolVar(&t.archived, "archived", false, "readable, but makes no new jobs")
	f.StringVar(&t.rename, "rename", "", "new `name`")
	f.StringSliceVar(&t.unset, "unset", nil, "`fields` to set back, such as timeout")
	f.IntVar(&at, "if-version", 0, "only if the template still has this `version`")
	return c
}

func (a *app) templateList() *cobra.Command {
	var (
		f        client.TemplateFilter
		limit    int
		archived bool
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List templates", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			f.PageSize, f.Archived = pageSize(limit), &archived
			load := func(ctx context.Context) ([]client.JobTemplate, error) {
				return client.Collect(cl.Templates(ctx, f), limit)
			}
			return show(c.Context(), a, a.templateView(), false, limit, load)
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.JobType, "type", nil, "only these job `types`")
	fs.StringVar(&f.Query, "search", "", "only templates whose name contains this `text`")
	fs.BoolVar(&archived, "archived", false, "the archived ones instead")
	fs.IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) templateGet() *cobra.Command {
	return &cobra.Command{
		Use: "get TEMPLATE", Aliases: []string{"show"}, Short: "Show a template", Args: oneArg, ValidArgsFunction: a.completeTemplates(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			t, err := cl.Template(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printOne(a, a.templateView(), t)
		},
	}
}

func (a *app) templateRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "rm TEMPLATE", Aliases: []string{"delete"}, Short: "Delete a template; its jobs and runs stay", Args: oneArg,
		ValidArgsFunction: a.completeTemplates(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := a.confirm(yes, "delete the template "+args[0]+"?"); err != nil {
				return err
			}
			if err := cl.DeleteTemplate(c.Context(), args[0], client.Call{}); err != nil {
				return err
			}
			a.talk("deleted %s", args[0])
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}
