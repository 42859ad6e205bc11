package cli

import (
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

// recipe are the flags that a job and a template have in common.
type recipe struct {
	jobType  string
	params   string
	param    []string
	priority string
	timeout  string
	retry    int
	delay    string // --retry-delay
	restart  bool   // --retry-on-restart
	locks    []string
	labels   []string
	policy
	hook   string   // --webhook
	events []string // --webhook-event
}

func (r *recipe) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.jobType, "type", "", "job `type`; command when a command follows --")
	f.StringVar(&r.params, "params", "", "params as `JSON`, @file, or - for stdin")
	f.StringArrayVar(&r.param, "param", nil, "one param, `key=value`; the value is JSON or else text; repeatable")
	f.StringVar(&r.priority, "priority", "", "`0-9`, lower is sooner; or high, normal, low")
	f.StringVar(&r.timeout, "timeout", "", "time `limit` of one attempt, such as 15m or PT15M")
	f.IntVar(&r.retry, "retry", 0, "`attempts` in all, 1 to 3")
	f.StringVar(&r.delay, "retry-delay", "", "`delay` before the second attempt, such as 30s; 1s if absent")
	f.BoolVar(&r.restart, "retry-on-restart", false, "after a crash of the server run again instead of failing")
	f.StringArrayVar(&r.locks, "lock", nil, "`name` of a resource to hold while it runs, such as gpu:0; repeatable")
	f.StringArrayVar(&r.labels, "label", nil, "label `key=value`; repeatable")
	f.StringVar(&r.hook, "webhook", "", "`URL` that is told how it fares")
	f.StringSliceVar(&r.events, "webhook-event", nil, "`events` that it is told: succeeded, failed, skipped, queued, started, cancelled; the first three if absent")
	complete(c, "priority", "high", "normal", "low")
	r.policy.add(c)
}

// argv is what follows -- on the command line.
func argv(c *cobra.Command, args []string) (before, after []string) {
	if n := c.ArgsLenAtDash(); n >= 0 {
		return args[:n], args[n:]
	}
	return args, nil
}

// object puts the params together: --params, then --param, then the command.
// Nil when nothing was said.
func (r *recipe) object(a *app, argv []string) (json.RawMessage, error) {
	params := map[string]json.RawMessage{}
	if r.params != "" {
		text, err := a.read(r.params)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &params); err != nil || params == nil {
			return nil, usagef("--params must be a JSON object")
		}
	}
	for _, p := range r.param {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return nil, usagef("--param %q must be key=value", p)
		}
		value := json.RawMessage(v)
		if !json.Valid(value) {
			b, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			value = b
		}
		params[k] = value
	}
	if len(argv) > 0 {
		a.noteRelative(argv)
		b, err := json.Marshal(argv)
		if err != nil {
			return nil, err
		}
		params["argv"] = b
	}
	if len(params) == 0 && r.params == "" {
		return nil, nil
	}
	return json.Marshal(params)
}

// read returns the text of an argument: itself, a file (@name) or stdin (-).
func (a *app) read(arg string) ([]byte, error) {
	const limit = 1 << 20
	var (
		b   []byte
		err error
	)
	switch name, isFile := strings.CutPrefix(arg, "@"); {
	case arg == "-":
		b, err = io.ReadAll(io.LimitReader(a.in, limit+1))
	case isFile:
		b, err = os.ReadFile(name)
	default:
		return []byte(arg), nil
	}
	if err != nil {
		return nil, usagef("read %s: %v", arg, err)
	}
	if len(b) > limit {
		return nil, usagef("%s is larger than %d bytes", arg, limit)
	}
	return b, nil
}

func parsePriority(s string) (*int, error) {
	switch s {
	case "":
		return nil, nil
	case "high":
		return new(2), nil
	case "normal":
		return new(5), nil
	case "low":
		return new(8), nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 9 {
		return nil, usagef("--priority must be 0 to 9, high, normal or low")
	}
	return &n, nil
}

// priorityWord is a priority as --priority takes it: a word, where there is one.
func priorityWord(n int) string {
	switch n {
	case 2:
		return "high"
	case 5:
		return "normal"
	case 8:
		return "low"
	}
	return strconv.Itoa(n)
}

func optionalPriority(p *int) string {
	if p == nil {
		return ""
	}
	return priorityWord(*p)
}

func (a *app) jobAdd() *cobra.Command {
	var (
		r                          recipe
		in                         client.JobInput
		name, template, runAt, key string
		w                          waitFlags
		place                      placeFlags
		ask                        approvalFlags
	)
	c := &cobra.Command{
		Use: "add [flags] [-- COMMAND ARG...]", Short: "Put a job into the queue", Args: cobra.ArbitraryArgs,
		Long: `Add puts a job into the queue: a command after --, any job type with --type, or
a job made from a --template. It prints the job's id; with --wait it stays until the
job has ended and exits 0 (completed), 1 (failed), 9 (cancelled or skipped), 6 (the
time was over; the job goes on) or 8 (it waits for an approval, and starts when that
is given).`,
		Example: `  runsheet job add --name hello -- /bin/echo hello
  runsheet job add --wait=30m --follow --lock gpu:0 -- python3 /opt/jobs/train.py
  runsheet job add --template nightly --priority high
  runsheet job add --top -- /opt/jobs/urgent.sh
  runsheet job add --approval=4h --approvals 2 -- /opt/jobs/release.sh
  runsheet job add --type command --params @job.json --run-at +10m`,
		RunE: func(c *cobra.Command, args []string) error {
			before, command := argv(c, args)
			if len(before) > 0 {
				if _, err := time.ParseDuration(before[0]); err == nil && w.on {
					return &usage{text: "unexpected argument " + strconv.Quote(before[0]), hint: "a time limit follows an equals sign: --wait=" + before[0]}
				}
				return &usage{text: "unexpected argument " + strconv.Quote(before[0]), hint: "put the command behind --: runsheet job add -- " + strings.Join(before, " ")}
			}
			to, err := place.read(c)
			if err != nil {
				return err
			}
			in.Position, in.Before, in.After, in.Top, in.Bottom = to.Position, to.Before, to.After, to.Top, to.Bottom
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			in.Name, in.TemplateID, in.Trigger = name, template, "manual"
			if err := r.job(a, command, &in); err != nil {
				return err
			}
			if name == "" && template == "" && len(command) > 0 {
				in.Name = commandName(command)
			}
			if in.RunAt, err = a.parseRunAt(runAt); err != nil {
				return err
			}
			in.Approval = ask.read()
			j, err := cl.AddJob(c.Context(), in, client.Call{IdempotencyKey: key})
			if err != nil {
				return err
			}
			return a.added(c.Context(), cl, j, w)
		},
	}
	r.add(c)
	f := c.Flags()
	f.StringVar(&name, "name", "", "`name`, for people (the program if absent)")
	f.StringVar(&template, "template", "", "`template` to make the job from, by id or name")
	f.StringVar(&in.DirectiveID, "directive", "", "`directive` to work under, by id or name; the template's if absent")
	f.StringVar(&in.GroupID, "group", "", "`id` of a group that has not begun, of which it becomes the last member")
	f.StringVar(&runAt, "run-at", "", "do not start before this `time`: RFC 3339, or +10m")
	place.add(a, c)
	f.BoolVar(&in.Hold, "hold", false, "do not start before a release")
	f.StringVar(&key, "idempotency-key", "", "the same `key` within 24 hours adds the job only once")
	w.add(c)
	ask.add(c)
	for flag, f := range map[string]completer{"template": a.completeTemplates(), "group": a.completeGroups(), "directive": a.completeDirectives()} {
		if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
			panic("cli: " + err.Error()) // the flag was added above
		}
	}
	return c
}

func (r *recipe) checkRetry() error {
	if r.delay != "" && r.retry < 2 {
		return usagef("--retry-delay needs --retry 2 or 3")
	}
	return nil
}

// job fills in what the common flags say.
func (r *recipe) job(a *app, command []string, in *client.JobInput) (err error) {
	kind := r.jobType
	switch {
	case in.TemplateID != "" && kind != "":
		return usagef("--template and --type exclude each other")
	case in.TemplateID == "" && kind == "" && len(command) > 0:
		kind = "command"
	case in.TemplateID == "" && kind == "":
		return &usage{text: "what shall it do?", hint: "give a command behind --, or --template, or --type; see: runsheet job add --help"}
	}
	in.JobType = kind
	if in.Params, err = r.object(a, command); err != nil {
		return err
	}
	if in.Priority, err = parsePriority(r.priority); err != nil {
		return err
	}
	if err := r.checkRetry(); err != nil {
		return err
	}
	if r.retry != 0 {
		in.RetryPolicy = &client.RetryPolicyInput{MaxAttempts: r.retry, Initial: text(r.delay)}
	}
	if r.restart {
		in.RetryOnRestart = &r.restart
	}
	in.Timeout = text(r.timeout)
	in.Locks = r.locks
	r.policy.job(in)
	in.WebhookURL, in.WebhookEvents = r.hook, r.events
	in.Labels, err = assignments(r.labels, "label")
	return err
}

func (a *app) parseRunAt(s string) (*time.Time, error) {
	if s == "" {
		return nil, nil
	}
	if wait, ok := strings.CutPrefix(s, "+"); ok {
		if d, err := time.ParseDuration(wait); err == nil && d >= 0 {
			return new(a.Clock.Now().Add(d).UTC()), nil
		}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return nil, usagef("--run-at %q must be a time such as 2026-01-31T12:00:00Z, or +10m", s)
	}
	return &t, nil
}
