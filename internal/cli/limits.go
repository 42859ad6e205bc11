package cli

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) limitsCommand() *cobra.Command {
	get := &cobra.Command{
		Use: "get", Aliases: []string{"ls", "show"}, Short: "Show the limits and what runs", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			l, err := cl.Limits(c.Context())
			if err != nil {
				return err
			}
			return a.printLimits(l)
		},
	}
	return a.noun("limits", "Bound how many jobs run at a time", get, a.limitsSet())
}

func (a *app) limitsSet() *cobra.Command {
	var (
		global                    string
		types, templates, tenants []string
	)
	c := &cobra.Command{
		Use: "set", Short: "Change limits; running jobs are never stopped", Args: noArgs,
		Long: `Set changes only what is named. A limit of 0 lets no job start, none takes the limit
away. Limits come in addition to the worker count (runsheet worker scale).`,
		Example: `  runsheet limits set --global 4
  runsheet limits set --type story=1 --template nightly=2
  runsheet limits set --tenant red=none`,
		RunE: func(c *cobra.Command, _ []string) error {
			patch := map[string]any{}
			if global != "" {
				n, err := parseLimit("--global", global)
				if err != nil {
					return err
				}
				patch["max_global"] = n
			}
			for _, kind := range []struct {
				flag, field string
				given       []string
			}{{"type", "max_per_job", types}, {"template", "max_per_template", templates}, {"tenant", "max_per_tenant", tenants}} {
				if len(kind.given) == 0 {
					continue
				}
				entries := map[string]any{}
				for _, text := range kind.given {
					i := strings.LastIndexByte(text, '=')
					if i <= 0 {
						return usagef("--%s %q must be name=number", kind.flag, text)
					}
					n, err := parseLimit("--"+kind.flag, text[i+1:])
					if err != nil {
						return err
					}
					entries[text[:i]] = n
				}
				patch[kind.field] = entries
			}
			if len(patch) == 0 {
				return &usage{text: "nothing to set", hint: "see: " + c.CommandPath() + " --help"}
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			l, err := cl.SetLimits(c.Context(), patch, client.Call{})
			if err != nil {
				return err
			}
			return a.printLimits(l)
		},
	}
	f := c.Flags()
	f.StringVar(&global, "global", "", "`number` of all jobs, or none")
	f.StringArrayVar(&types, "type", nil, "`type=number` of jobs of one type, or type=none; repeatable")
	f.StringArrayVar(&templates, "template", nil, "`name=number` of jobs of one template, or name=none; repeatable")
	f.StringArrayVar(&tenants, "tenant", nil, "`name=number` of jobs of one tenant, or name=none; repeatable")
	return c
}

// parseLimit reads a limit; none is null.
func parseLimit(flag, text string) (*int, error) {
	if text == "none" {
		return nil, nil //nolint:nilnil // null takes a limit away
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return nil, usagef("%s: %q must be a whole number, or none", flag, text)
	}
	return &n, nil
}

// limit is one line of the table of limits.
type limit struct {
	kind, name string
	most       *int
	running    int
}

// printLimits shows limits, and what runs of that for which there is none.
func (a *app) printLimits(l client.Limits) error {
	if a.json != nil {
		b, err := a.json.pick(l)
		if err != nil {
			return err
		}
		return a.writeJSON(b)
	}
	lines := []limit{{"global", "", l.MaxGlobal, l.Running.Global}}
	for _, kind := range []struct {
		name          string
		most, running map[string]int
	}{{"type", l.MaxPerJob, l.Running.PerJob}, {"template", l.MaxPerTemplate, l.Running.PerTemplate}, {"tenant", l.MaxPerTenant, l.Running.PerTenant}} {
		names := append(sortedKeys(kind.most), sortedKeys(kind.running)...)
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			line := limit{kind: kind.name, name: name, running: kind.running[name]}
			if n, ok := kind.most[name]; ok {
				line.most = &n
			}
			lines = append(lines, line)
		}
	}
	return printList(a, view[limit]{
		id: func(v limit) string { return strings.TrimSpace(v.kind + " " + v.name) }, columns: []string{"LIMIT", "OF", "MOST", "RUNNING"}, status: -1,
		row: func(v limit) []string {
			most := "none"
			if v.most != nil {
				most = strconv.Itoa(*v.most)
			}
			return []string{v.kind, v.name, most, strconv.Itoa(v.running)}
		},
	}, lines)
}

func (a *app) settingsCommand() *cobra.Command {
	get := &cobra.Command{
		Use: "get", Aliases: []string{"ls", "show"}, Short: "Show the rules by which the queue decides", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			s, err := cl.Settings(c.Context())
			if err != nil {
				return err
			}
			return printOne(a, settingsView(), s)
		},
	}
	names := []cobra.Completion{
		"strict_order=", "max_overtakes=", "max_overtake_age=", "model_affinity=", "direct_group_policy=", "direct_wait_timeout=", "direct_max_waiting=",
	}
	set := &cobra.Command{
		Use: "set NAME=VALUE...", Short: "Change rules of the queue", Args: someArgs,
		Long: `Set changes only what is named; the value default restores a default. What each rule
does is explained in docs/queue.md.`,
		Example: `  runsheet settings set strict_order=true max_overtakes=5
  runsheet settings set max_overtake_age=2m model_affinity=default`,
		ValidArgs: names,
		RunE: func(c *cobra.Command, args []string) error {
			patch := map[string]any{}
			for _, arg := range args {
				k, v, ok := strings.Cut(arg, "=")
				if !ok || k == "" {
					return usagef("%q must be name=value", arg)
				}
				patch[k] = settingValue(v)
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			s, err := cl.SetSettings(c.Context(), patch, client.Call{})
			if err != nil {
				return err
			}
			return printOne(a, settingsView(), s)
		},
	}
	return a.noun("settings", "See and change the rules by which the queue decides", get, set)
}

// settingValue is a value of the command line as JSON: a number, true or false,
// null for default, else text.
func settingValue(text string) any {
	var v any
	switch {
	case text == "default":
		return nil
	case json.Unmarshal([]byte(text), &v) == nil:
		return json.RawMessage(text)
	}
	return text
}

func settingsView() view[client.Rules] {
	return view[client.Rules]{
		id: func(client.Rules) string { return "settings" },
		detail: func(r client.Rules) []pair {
			return []pair{
				{"strict_order", strconv.FormatBool(r.StrictOrder)},
				{"max_overtakes", strconv.Itoa(r.MaxOvertakes)},
				{"max_overtake_age", r.MaxOvertakeAge},
				{"model_affinity", strconv.Itoa(r.ModelAffinity)},
				{"direct_group_policy", r.DirectGroupPolicy},
				{"direct_wait_timeout", r.DirectWaitTimeout},
				{"direct_max_waiting", strconv.Itoa(r.DirectMaxWaiting)},
			}
		},
	}
}
