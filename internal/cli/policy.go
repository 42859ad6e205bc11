package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

// policy are the flags, of a job and of a template, that say when and how often
// a job starts.
type policy struct {
	startDeadline string
	crash         string
	maxRunning    int
	limitKey      []string
	maxPerKey     int
	unique        bool
	uniqueBy      []string
	uniquePeriod  string
	uniqueStates  []string
	uniqueReturn  bool
}

func (p *policy) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.startDeadline, "start-deadline", "", "skip the job if it has not started so `long` after it was added or may start, such as 2h; for a job also a time")
	f.StringVar(&p.crash, "crash-policy", "", "what a crash of the server does to it while it runs: `retry`, fail, or ask (a person looks)")
	f.IntVar(&p.maxRunning, "max-running", 0, "at most this `number` of the template's jobs run at once")
	f.StringArrayVar(&p.limitKey, "limit-key", nil, "`param` by whose value running jobs are counted; repeatable")
	f.IntVar(&p.maxPerKey, "max-per-key", 0, "at most this `number` of jobs with the same values run at once; 1 if absent")
	f.BoolVar(&p.unique, "unique", false, "do nothing while an equal job waits or runs")
	f.StringArrayVar(&p.uniqueBy, "unique-by", nil, "`param` by which jobs are equal; all if absent; repeatable")
	f.StringVar(&p.uniquePeriod, "unique-period", "", "only equal jobs that were added so `recently` count, such as 24h")
	f.StringSliceVar(&p.uniqueStates, "unique-states", nil, "`statuses` in which an equal job counts")
	f.BoolVar(&p.uniqueReturn, "unique-return", false, "if there is an equal job, print that one instead of failing")
	complete(c, "crash-policy", "retry", "fail", "ask")
}

func (p *policy) limits() *client.JobLimitsInput {
	if p.maxRunning == 0 && len(p.limitKey) == 0 && p.maxPerKey == 0 {
		return nil
	}
	return &client.JobLimitsInput{MaxRunning: positive(p.maxRunning), Key: p.limitKey, MaxPerKey: positive(p.maxPerKey)}
}

func positive(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func (p *policy) uniqueness() *client.JobUniqueInput {
	if !p.unique && len(p.uniqueBy) == 0 && p.uniquePeriod == "" && len(p.uniqueStates) == 0 && !p.uniqueReturn {
		return nil
	}
	out := &client.JobUniqueInput{By: p.uniqueBy, Period: text(p.uniquePeriod)}
	for _, s := range p.uniqueStates {
		out.States = append(out.States, strings.ToUpper(s))
	}
	if p.uniqueReturn {
		out.OnConflict = "return"
	}
	return out
}

// job fills in what the flags say.
func (p *policy) job(in *client.JobInput) {
	in.StartDeadline, in.CrashPolicy = moment(p.startDeadline), p.crash
	in.Limits, in.Unique = p.limits(), p.uniqueness()
}

// moment is an optional time or duration as the API reads it. Beside those forms
// it takes +10m, as --run-at does.
func moment(s string) *string { return text(strings.TrimPrefix(s, "+")) }

// changes adds the fields of a template that the flags name.
func (p *policy) changes(out map[string]any) {
	if p.startDeadline != "" {
		out["start_deadline"] = p.startDeadline
	}
	if p.crash != "" {
		out["crash_policy"] = p.crash
	}
	if l := p.limits(); l != nil {
		out["limits"] = l
	}
	if u := p.uniqueness(); u != nil {
		out["unique"] = u
	}
}

func boundsText(l client.JobLimits) string {
	var out []string
	if l.MaxRunning != nil {
		out = append(out, number(l.MaxRunning)+" of the template at once")
	}
	if l.MaxPerKey != nil {
		out = append(out, number(l.MaxPerKey)+" at once for each "+strings.Join(l.Key, " "))
	}
	return strings.Join(out, ", ")
}

func uniqueText(u *client.JobUnique) string {
	if u == nil {
		return ""
	}
	out := "by all params"
	if len(u.By) > 0 {
		out = "by " + strings.Join(u.By, " ")
	}
	if u.Period != nil {
		out += " within " + *u.Period
	}
	return out + " among " + strings.Join(u.States, ", ")
}

func (a *app) jobEdit() *cobra.Command {
	var (
		name, priority, timeout, runAt, deadline string
		labels, unlabel, unset                   []string
		what                                     recipe
	)
	c := &cobra.Command{
		Use: "edit JOB", Aliases: []string{"set"}, Short: "Change a waiting job", Args: oneArg, ValidArgsFunction: a.completeJobs(),
		Long: "Edit changes what its flags name and keeps the rest. A job that has started cannot be changed any more. --params and --param are " +
			"merged over the job's params, where null takes one away; those of a job that has started before, that needs an approval, that " +
			"runs a workflow, or that a node of one has added stay as they are.",
		Example: `  runsheet job edit job_01jh0000000000000000000000 --priority high --run-at +1h
  runsheet job edit job_01jh0000000000000000000000 --label team=red --unset run_at,start_deadline
  runsheet job edit job_01jh0000000000000000000000 --params '{"length":800}' --param topic=null`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			patch := map[string]any{}
			for field, value := range map[string]string{"name": name, "timeout": timeout, "start_deadline": strings.TrimPrefix(deadline, "+")} {
				if value != "" {
					patch[field] = value
				}
			}
			if p, err := parsePriority(priority); err != nil {
				return err
			} else if p != nil {
				patch["priority"] = *p
			}
			if at, err := a.parseRunAt(runAt); err != nil {
				return err
			} else if at != nil {
				patch["run_at"] = at.Format(time.RFC3339Nano)
			}
			if all, err := labelPatch(labels, unlabel); err != nil {
				return err
			} else if len(all) > 0 {
				patch["labels"] = all
			}
			for _, field := range unset {
				patch[field] = nil
			}
			if params, err := what.object(a, nil); err != nil {
				return err
			} else if params != nil {
				patch["params"] = params
			}
			if len(patch) == 0 {
				return usagef("nothing to change was given")
			}
			j, err := cl.EditJob(c.Context(), args[0], patch, client.Call{})
			if err != nil {
				return err
			}
			return printOne(a, a.jobView(), j)
		},
	}
	f := c.Flags()
	f.StringVar(&name, "name", "", "`name`, for people")
	f.StringVar(&priority, "priority", "", "`0-9`, lower is sooner; or high, normal, low; it goes behind the others of that priority")
	f.StringVar(&timeout, "timeout", "", "time `limit` of one attempt, such as 15m or PT15M")
	f.StringVar(&runAt, "run-at", "", "do not start before this `time`: RFC 3339, or +10m")
	f.StringVar(&deadline, "start-deadline", "", "skip the job if it has not started by this `time`, or so long from now or its run_at on")
	f.StringVar(&what.params, "params", "", "params to change, as `JSON`, @file, or - for stdin")
	f.StringArrayVar(&what.param, "param", nil, "one param to change, `key=value`; the value is JSON or else text; repeatable")
	f.StringArrayVar(&labels, "label", nil, "label `key=value`; repeatable")
	f.StringArrayVar(&unlabel, "unlabel", nil, "`key` of a label to remove; repeatable")
	f.StringSliceVar(&unset, "unset", nil, "`fields` to set back: run_at, start_deadline, timeout")
	complete(c, "priority", "high", "normal", "low")
	return c
}

// labelPatch is what a merge patch says of labels that are set and taken away.
func labelPatch(set, unset []string) (map[string]any, error) {
	given, err := assignments(set, "label")
	all := map[string]any{}
	for k, v := range given {
		all[k] = v
	}
	for _, k := range unset {
		all[k] = nil
	}
	return all, err
}

// again are the flags of a retry.
type again struct {
	hold                    bool
	runAt, deadline, params string
	param                   []string
	priority                string
}

func (g *again) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&g.params, "params", "", "params to change, as `JSON`, @file, or - for stdin")
	f.StringArrayVar(&g.param, "param", nil, "one param to change, `key=value`; the value is JSON or else text; repeatable")
	f.StringVar(&g.priority, "priority", "", "`0-9`, lower is sooner; or high, normal, low; the job's if absent")
	f.BoolVar(&g.hold, "hold", false, "do not start before a release")
	f.StringVar(&g.runAt, "run-at", "", "do not start before this `time`: RFC 3339, or +10m")
	f.StringVar(&g.deadline, "start-deadline", "", "skip the job if it has not started by this `time`, or so long from now on")
	complete(c, "priority", "high", "normal", "low")
}

// input is what the flags say.
func (g *again) input(a *app) (in client.RetryInput, err error) {
	r := recipe{params: g.params, param: g.param}
	if in.Params, err = r.object(a, nil); err != nil {
		return in, err
	}
	if in.Priority, err = parsePriority(g.priority); err != nil {
		return in, err
	}
	if in.RunAt, err = a.parseRunAt(g.runAt); err != nil {
		return in, err
	}
	in.Hold, in.StartDeadline = g.hold, moment(g.deadline)
	return in, nil
}
