package cli

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

// option is a flag that is a field of a schedule as it stands.
type option struct {
	flag, field, help string
	number            bool
	values            []cobra.Completion
}

// scheduleOptions are the fields of a schedule beside when and what.
func scheduleOptions() []option {
	return []option{
		{flag: "description", field: "description", help: "a `sentence` for people"},
		{
			flag: "overlap", field: "overlap", help: "`policy` while one of its runs is not over: skip (if absent), queue_one, queue_latest, queue_all, cancel_running or allow",
			values: []string{"skip", "queue_one", "queue_latest", "queue_all", "cancel_running", "allow"},
		},
		{flag: "max-queued", field: "max_queued", help: "with queue_all: at most this `number` waits (100)", number: true},
		{flag: "max-parallel", field: "max_parallel", help: "with allow: at most this `number` runs at once", number: true},
		{
			flag: "missed", field: "missed", help: "`which` of the times run that passed while no server ran: skip, latest (if absent; with --event not after the close), earliest or all",
			values: []string{"skip", "latest", "earliest", "all"},
		},
		{flag: "grace", field: "grace", help: "`duration` after which one counts as missed (1m)"},
		{flag: "catch-up-window", field: "catch_up_window", help: "`age` up to which a missed one runs (24h)"},
		{flag: "max-catch-up", field: "max_catch_up", help: "with missed all: at most this `number` (100)", number: true},
		{flag: "min-interval", field: "min_interval", help: "least `duration` between two runs"},
		{flag: "min-interval-from", field: "min_interval_from", help: "count it from the `start` or the end of a run", values: []string{"start", "end"}},
		{flag: "jitter", field: "jitter", help: "delay each by less than this `duration`, always the same"},
		{flag: "spread", field: "offset", help: "delay all by one `duration` below this, made from the schedule's id (the field offset)"},
		{flag: "start-deadline", field: "start_deadline", help: "skip a run that has not started this `duration` after it was due"},
		{flag: "pause-on-failure", field: "pause_on_failure", help: "pause after this `number` of failed runs in a row", number: true},
		{flag: "max-runs", field: "max_runs", help: "finished after this `number` of runs", number: true},
		{flag: "start-at", field: "start_at", help: "not before this `time`, RFC 3339"},
		{flag: "end-at", field: "end_at", help: "only before this `time`, RFC 3339"},
		{
			flag: "execution-mode", field: "execution_mode", help: "`AUTO`, or APPROVAL_REQUIRED: each run waits for an approval",
			values: []string{"AUTO", "APPROVAL_REQUIRED"},
		},
	}
}

// scheduleFlags are those of add and edit.
type scheduleFlags struct {
	timingFlags
	job, file                     string
	template, jobType, directive  string
	jobName, params, priority     string
	timeout                       string
	param, locks, labels, jobTags []string
	given                         []string
	workflow, inputs              string
	retry                         int
}

func (s *scheduleFlags) add(a *app, c *cobra.Command) {
	s.timingFlags.add(c)
	f := c.Flags()
	f.StringVar(&s.on, "on", "", "`event` of this server that it follows, such as job.run.completed")
	f.StringVar(&s.subject, "subject", "", "with --on: what the event must be about: the `id` of a job, template or schedule, the name of a job (of a schedule's commands: its name), a job type, or label=value")
	f.StringVar(&s.delay, "delay", "", "with --on: `duration` between the event and the start")
	f.StringVarP(&s.file, "file", "f", "", "the schedule as JSON or YAML: a `file`, or - for stdin; other flags are put over it")
	f.StringVar(&s.template, "template", "", "`template` that it starts, by id or name")
	f.StringVar(&s.job, "job", "", "job that it starts: a `JSON` object, or @file")
	f.StringVar(&s.jobType, "type", "", "`type` of the job that it starts; command when a command follows --")
	f.StringVar(&s.params, "params", "", "params as `JSON`, @file, or - for stdin")
	f.StringArrayVar(&s.param, "param", nil, "one param, `key=value`; the value is JSON or else text; repeatable")
	f.StringVar(&s.workflow, "workflow", "", "`workflow` that it starts, by id")
	f.StringArrayVar(&s.given, "input", nil, "one input of the workflow, `key=value`; the value is JSON or else text; repeatable")
	f.StringVar(&s.inputs, "inputs", "", "all inputs of the workflow, as a JSON `object`, @file or -")
	f.StringVar(&s.jobName, "job-name", "", "`name` of the jobs")
	f.StringVar(&s.directive, "directive", "", "`directive` that the jobs work under, by id or name")
	f.StringVar(&s.priority, "priority", "", "`0-9` of the jobs, lower is sooner; or high, normal, low")
	f.StringVar(&s.timeout, "timeout", "", "time `limit` of one attempt, such as 15m")
	f.IntVar(&s.retry, "retry", 0, "`attempts` in all, 1 to 3")
	f.StringArrayVar(&s.locks, "lock", nil, "`name` of a resource that a job holds while it runs; repeatable")
	f.StringArrayVar(&s.jobTags, "job-label", nil, "label of the jobs, `key=value`; repeatable")
	f.StringArrayVar(&s.labels, "label", nil, "label `key=value`; repeatable")
	for _, o := range scheduleOptions() {
		if o.number {
			f.Int(o.flag, 0, o.help)
		} else {
			f.String(o.flag, "", o.help)
		}
		if o.values != nil {
			complete(c, o.flag, o.values...)
		}
	}
	complete(c, "priority", "high", "normal", "low")
	for flag, f := range map[string]completer{"template": a.completeTemplates(), "workflow": a.completeWorkflows(), "directive": a.completeDirectives()} {
		if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
			panic("cli: " + err.Error()) // the flag was added above
		}
	}
}

// changes are the fields that the flags name, as the API calls them. of is the
// schedule that is changed, nil for a new one.
func (s *scheduleFlags) changes(a *app, c *cobra.Command, command []string, of *client.Schedule) (map[string]any, error) {
	out := map[string]any{}
	if s.file != "" {
		var raw json.RawMessage
		if err := a.parseInput("file", fileArg(s.file), &raw); err != nil {
			return nil, err
		}
		// What a schedule does not have is a mistake; what is null is kept, because it
		// takes something away.
		var known client.ScheduleInput
		if err := a.parseInput("file", string(raw), &known); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &out); err != nil {
			return nil, err
		}
	}
	if err := s.timing(c, out, of == nil && s.file == ""); err != nil {
		return nil, err
	}
	flags := c.Flags()
	for _, o := range scheduleOptions() {
		if !flags.Changed(o.flag) {
			continue
		}
		if o.number {
			n, err := flags.GetInt(o.flag)
			if err != nil {
				return nil, err
			}
			out[o.field] = n
			continue
		}
		text, err := flags.GetString(o.flag)
		if err != nil {
			return nil, err
		}
		out[o.field] = text
	}
	if labels, err := assignments(s.labels, "label"); err != nil {
		return nil, err
	} else if labels != nil {
		out["labels"] = labels
	}
	return out, s.target(a, out, command, of)
}

// timing writes when it fires.
func (s *scheduleFlags) timing(c *cobra.Command, out map[string]any, required bool) error {
	if n := len(s.kinds()); n > 1 || n == 0 && required {
		return s.one("--cron, --every, --at, --event, --on")
	} else if n == 0 {
		s.every = "1s" // only to read the rest
		defer func() { s.every = "" }()
	}
	in, err := s.input()
	if err != nil {
		return err
	}
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	if s.every == "1s" && !c.Flags().Changed("every") {
		delete(fields, "trigger")
		for _, flag := range []string{"offset", "repeat", "during-breaks", "anchor", "after-completion", "quartz", "subject", "delay"} {
			if c.Flags().Changed(flag) {
				return usagef("--%s is a part of when it fires: give all of that", flag)
			}
		}
	}
	maps.Copy(out, fields)
	for flag, value := range map[string]bool{"strict": s.strict, "allow-never": s.allowNever} {
		if c.Flags().Changed(flag) {
			out[strings.ReplaceAll(flag, "-", "_")] = value
		}
	}
	return nil
}

// target writes what it starts.
func (s *scheduleFlags) target(a *app, out map[string]any, command []string, of *client.Schedule) error {
	job, err := s.jobFields(a, command)
	if err != nil {
		return err
	}
	inline := s.jobType != "" || len(command) > 0
	if s.workflow != "" || s.given != nil || s.inputs != "" {
		if s.template != "" || s.job != "" || inline || len(job) > 0 {
			return usagef("a workflow excludes --template, --job and flags about a job")
		}
		return s.workflowTarget(a, out, of)
	}
	if s.template != "" && inline {
		return usagef("--template excludes --type and a command")
	}
	if s.job != "" {
		if s.template != "" || len(job) > 0 {
			return usagef("--job says all of the job: give no other flag about it")
		}
		var in client.ScheduleJobInput
		if err := a.parseInput("job", s.job, &in); err != nil {
			return err
		}
		out["job"] = in
		return s.only(out, "job", of)
	}
	params, more := job["params"], len(job)
	if params != nil {
		more--
	}
	switch {
	case s.template != "" && more == 0, s.template == "" && !inline && more == 0 && params != nil && of != nil && of.TemplateID != nil:
		if params != nil {
			out["params"] = params
		}
		if s.template == "" {
			return nil
		}
		out["template_id"] = s.template
		return s.only(out, "template_id", of)
	case s.template != "":
		job["template_id"] = s.template
	case len(job) == 0:
		if _, ok := anyOf(out, "job", "template_id", "job_key", "workflow_id", "portfolio_id", "container_id"); of == nil && !ok {
			return &usage{text: "what shall it start?", hint: "give a command behind --, or --template, --workflow, --job or --type; see: runsheet schedule add --help"}
		}
		return nil
	case inline:
		job["job_type"] = s.jobType
		if s.jobType == "" {
			job["job_type"] = "command"
		}
	case of == nil:
		if given, ok := out["job"].(map[string]any); ok {
			maps.Copy(given, job)
			return nil
		}
		return &usage{text: "what shall it start?", hint: "give a command behind --, or --template, --workflow, --job or --type; see: runsheet schedule add --help"}
	case of.WorkflowID != nil:
		return usagef("it starts a workflow: give --input, or another target with --template, --type or a command")
	case of.Job == nil:
		job["template_id"] = deref(of.TemplateID)
	default:
		out["job"] = job
		return nil
	}
	out["job"] = job
	return s.only(out, "job", of)
}

// workflowTarget writes the workflow that it starts.
func (s *scheduleFlags) workflowTarget(a *app, out map[string]any, of *client.Schedule) error {
	_, named := out["workflow_id"]
	if s.workflow == "" && !named && (of == nil || of.WorkflowID == nil) {
		return usagef("--input and --inputs are a workflow's: name it with --workflow")
	}
	inputs, err := a.inputsOf(s.given, s.inputs)
	if err != nil {
		return err
	}
	if inputs != nil {
		out["inputs"] = inputs
	}
	if s.workflow == "" {
		return nil
	}
	out["workflow_id"] = s.workflow
	return s.only(out, "workflow_id", of)
}

// only removes the other target of a schedule that is changed.
func (s *scheduleFlags) only(out map[string]any, keep string, of *client.Schedule) error {
	if of == nil {
		return nil
	}
	if keep != "template_id" && of.TemplateID != nil {
		out["template_id"], out["params"] = nil, nil
	}
	if keep != "job" && of.Job != nil {
		out["job"] = nil
	}
	if keep != "workflow_id" && of.WorkflowID != nil {
		out["workflow_id"], out["inputs"] = nil, nil
	}
	return nil
}

func anyOf(m map[string]any, names ...string) (string, bool) {
	for _, name := range names {
		if _, ok := m[name]; ok {
			return name, true
		}
	}
	return "", false
}

// jobFields are the flags about the job.
func (s *scheduleFlags) jobFields(a *app, command []string) (map[string]any, error) {
	job := map[string]any{}
	r := recipe{params: s.params, param: s.param}
	params, err := r.object(a, command)
	if err != nil {
		return nil, err
	}
	if params != nil {
		job["params"] = params
	}
	for field, value := range map[string]string{"name": s.jobName, "directive_id": s.directive, "timeout": s.timeout} {
		if value != "" {
			job[field] = value
		}
	}
	if p, err := parsePriority(s.priority); err != nil {
		return nil, err
	} else if p != nil {
		job["priority"] = *p
	}
	if s.retry != 0 {
		job["retry_policy"] = map[string]any{"max_attempts": s.retry}
	}
	if s.locks != nil {
		job["locks"] = s.locks
	}
	if labels, err := assignments(s.jobTags, "job-label"); err != nil {
		return nil, err
	} else if labels != nil {
		job["labels"] = labels
	}
	return job, nil
}
