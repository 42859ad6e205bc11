package cli

import (
	"context"
	"encoding/json"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) directiveCommand() *cobra.Command {
	return a.noun("directive", "Keep instructions and permissions for work with language models",
		a.directiveAdd(), a.directiveList(), a.directiveGet(), a.directiveEdit(), a.directiveVersions(), a.directiveRemove())
}

func (a *app) completeDirectives() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Directive, error] {
		return cl.Directives(ctx, client.DirectiveFilter{PageSize: completeAtMost})
	}, func(d client.Directive) cobra.Completion {
		return cobra.CompletionWithDesc(d.Name, clean(deref(d.Model)))
	})
}

func (a *app) directiveView() view[client.Directive] {
	return view[client.Directive]{
		id:      func(d client.Directive) string { return d.DirectiveID },
		columns: []string{"DIRECTIVE", "NAME", "VERSION", "MODEL", "UPDATED", "BY"}, status: -1, spare: []string{"MODEL", "BY"},
		row: func(d client.Directive) []string {
			return []string{d.DirectiveID, d.Name, strconv.Itoa(d.Version), deref(d.Model), a.ago(d.UpdatedAt), d.CreatedBy}
		},
		detail: func(d client.Directive) []pair {
			archived := ""
			if d.Archived {
				archived = "yes"
			}
			temperature := ""
			if d.Temperature != nil {
				temperature = strconv.FormatFloat(*d.Temperature, 'g', -1, 64)
			}
			return []pair{
				{"directive", d.DirectiveID},
				{"name", d.Name},
				{"description", d.Description},
				{"version", strconv.Itoa(d.Version)},
				{"archived", archived},
				{"server", deref(d.Server)},
				{"model", deref(d.Model)},
				{"temperature", temperature},
				{"context tokens", number(d.ContextTokens)},
				{"files", strings.Join(d.Allow.Files, " ")},
				{"hosts", strings.Join(d.Allow.Hosts, " ")},
				{"containers", strings.Join(d.Allow.Containers, " ")},
				{"tokens a run", number(d.Limits.Tokens)},
				{"tokens a call", number(d.Limits.CallTokens)},
				{"time", deref(d.Limits.Time)},
				{"created", stamp(&d.CreatedAt) + " by " + d.CreatedBy},
				{"updated", stamp(&d.UpdatedAt)},
				{"system prompt", d.SystemPrompt},
			}
		},
	}
}

// directiveFlags are those of add and edit.
type directiveFlags struct {
	description, system, server, model string
	temperature                        float64
	contextTokens                      int
	files, hosts, containers           []string
	tokens, callTokens                 int64
	time                               string
	archived                           bool
	rename                             string
	unset                              []string
}

func (d *directiveFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&d.description, "description", "", "a `sentence` for people")
	f.StringVar(&d.system, "system", "", "system prompt: a `text`, @file, or - for stdin. It is stored and shown: no place for secrets")
	f.StringVar(&d.server, "server", "", "`name` of the LLM server")
	f.StringVar(&d.model, "model", "", "`model` where params name none")
	f.Float64Var(&d.temperature, "temperature", 0, "`number` from 0 to 2 where params have none")
	f.IntVar(&d.contextTokens, "context-tokens", 0, "`size` of the context window")
	f.StringArrayVar(&d.files, "allow-file", nil, "`pattern` of files that may be read, such as /var/log/app/**; repeatable")
	f.StringArrayVar(&d.hosts, "allow-host", nil, "`host` whose pages may be read, such as *.example.org; repeatable")
	f.StringArrayVar(&d.containers, "allow-container", nil, "`container` whose log may be read, such as web-*; repeatable")
	f.Int64Var(&d.tokens, "max-tokens", 0, "`number` of tokens that one run may use")
	f.Int64Var(&d.callTokens, "max-call-tokens", 0, "`number` of tokens that one call may make")
	f.StringVar(&d.time, "max-time", "", "`time` that one run may take, such as 15m")
}

// changes are the fields that the flags name, as the API calls them.
func (d *directiveFlags) changes(a *app, c *cobra.Command) (map[string]any, error) {
	out, allow, limits := map[string]any{}, map[string]any{}, map[string]any{}
	put := func(to map[string]any, flag, field string, value any) {
		if c.Flags().Changed(flag) {
			to[field] = value
		}
	}
	put(out, "description", "description", d.description)
	put(out, "server", "server", d.server)
	put(out, "model", "model", d.model)
	put(out, "temperature", "temperature", d.temperature)
	put(out, "context-tokens", "context_tokens", d.contextTokens)
	put(out, "archived", "archived", d.archived)
	put(out, "rename", "name", d.rename)
	put(allow, "allow-file", "files", d.files)
	put(allow, "allow-host", "hosts", d.hosts)
	put(allow, "allow-container", "containers", d.containers)
	put(limits, "max-tokens", "tokens", d.tokens)
	put(limits, "max-call-tokens", "call_tokens", d.callTokens)
	put(limits, "max-time", "time", d.time)
	if c.Flags().Changed("system") {
		b, err := a.read(d.system)
		if err != nil {
			return nil, err
		}
		out["system_prompt"] = string(b)
	}
	for _, field := range d.unset {
		switch part, inner, nested := strings.Cut(field, "."); {
		case !nested:
			out[field] = nil
		case part == "allow":
			allow[inner] = nil
		case part == "limits":
			limits[inner] = nil
		default:
			return nil, usagef("--unset %q: fields are such as model, allow.files, limits.time", field)
		}
	}
	for name, part := range map[string]map[string]any{"allow": allow, "limits": limits} {
		if len(part) > 0 {
			out[name] = part
		}
	}
	return out, nil
}

func (a *app) directiveAdd() *cobra.Command {
	var d directiveFlags
	c := &cobra.Command{
		Use: "add NAME [flags]", Short: "Make a directive", Args: oneArg,
		Example: `  runsheet directive add careful --system @careful.txt --model qwen3:30b --max-tokens 50000
  runsheet directive add nightly-logs --allow-file '/var/log/app/**' --allow-container 'web-*'`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			fields, err := d.changes(a, c)
			if err != nil {
				return err
			}
			fields["name"] = args[0]
			b, err := json.Marshal(fields)
			if err != nil {
				return err
			}
			var in client.DirectiveInput
			if err := json.Unmarshal(b, &in); err != nil {
				return err
			}
			made, err := cl.CreateDirective(c.Context(), in, client.Call{})
			if err != nil {
				return err
			}
			if a.json == nil {
				a.quiet = true
			}
			return printOne(a, a.directiveView(), made)
		},
	}
	d.add(c)
	return c
}

func (a *app) directiveEdit() *cobra.Command {
	var (
		d  directiveFlags
		at int
	)
	c := &cobra.Command{
		Use: "edit DIRECTIVE [flags]", Aliases: []string{"set"}, Short: "Change a directive: makes a new version", Args: oneArg,
		Long: "Edit changes what its flags name and keeps the rest; a list such as --allow-file takes the place of\nthe one there was. Jobs and runs that exist keep the version they were bound to.",
		Example: `  runsheet directive edit careful --temperature 0.2
  runsheet directive edit careful --unset model --unset limits.time --archived=false`,
		ValidArgsFunction: a.completeDirectives(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			fields, err := d.changes(a, c)
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
			changed, err := cl.EditDirective(c.Context(), args[0], fields, call)
			if err != nil {
				return err
			}
			return printOne(a, a.directiveView(), changed)
		},
	}
	d.add(c)
	f := c.Flags()
	f.BoolVar(&d.archived, "archived", false, "readable, but nothing is done under it any more")
	f.StringVar(&d.rename, "rename", "", "new `name`")
	f.StringSliceVar(&d.unset, "unset", nil, "`fields` to set back, such as model, allow.files or limits.time")
	f.IntVar(&at, "if-version", 0, "only if the directive still has this `version`")
	return c
}

func (a *app) directiveList() *cobra.Command {
	var (
		f        client.DirectiveFilter
		limit    int
		archived bool
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List directives", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			f.PageSize, f.Archived = pageSize(limit), &archived
			load := func(ctx context.Context) ([]client.Directive, error) {
				return client.Collect(cl.Directives(ctx, f), limit)
			}
			return show(c.Context(), a, a.directiveView(), false, limit, load)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.Query, "search", "", "only directives whose name contains this `text`")
	fs.BoolVar(&archived, "archived", false, "the archived ones instead")
	fs.IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) directiveGet() *cobra.Command {
	version := 0
	c := &cobra.Command{
		Use: "get DIRECTIVE", Aliases: []string{"show"}, Short: "Show a directive", Args: oneArg, ValidArgsFunction: a.completeDirectives(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			var d client.Directive
			if c.Flags().Changed("version") {
				d, err = cl.DirectiveVersion(c.Context(), args[0], version)
			} else {
				d, err = cl.Directive(c.Context(), args[0])
			}
			if err != nil {
				return err
			}
			return printOne(a, a.directiveView(), d)
		},
	}
	c.Flags().IntVar(&version, "version", 0, "this `number` instead of the newest")
	return c
}

func (a *app) directiveVersions() *cobra.Command {
	limit := 0
	c := &cobra.Command{
		Use: "versions DIRECTIVE", Short: "List what a directive has been, newest first", Args: oneArg, ValidArgsFunction: a.completeDirectives(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			load := func(ctx context.Context) ([]client.Directive, error) {
				return client.Collect(cl.DirectiveVersions(ctx, args[0], pageSize(limit)), limit)
			}
			return show(c.Context(), a, a.directiveView(), false, limit, load)
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) directiveRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "rm DIRECTIVE", Aliases: []string{"delete"}, Short: "Delete a directive; jobs under it that have not begun fail", Args: oneArg,
		ValidArgsFunction: a.completeDirectives(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := a.confirm(yes, "delete the directive "+args[0]+"?"); err != nil {
				return err
			}
			if err := cl.DeleteDirective(c.Context(), args[0], client.Call{}); err != nil {
				return err
			}
			a.talk("deleted %s", args[0])
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}
