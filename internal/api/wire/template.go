package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
)

// RetryPolicyInput says how often and when a failed attempt is repeated.
type RetryPolicyInput struct {
	MaxAttempts int       `json:"max_attempts,omitempty" minimum:"1" maximum:"3" default:"1" doc:"attempts in all, the first included"`
	Backoff     string    `json:"backoff,omitempty" enum:"fixed,exponential" default:"exponential"`
	Initial     *Duration `json:"initial,omitempty" doc:"delay after the first failure; PT1S if absent"`
	Max         *Duration `json:"max,omitempty" doc:"upper bound of the delay; PT5M if absent"`
	Jitter      float64   `json:"jitter,omitempty" minimum:"0" maximum:"1" default:"0" doc:"spreads each delay d over d*(1-jitter) to d"`
	On          []string  `json:"on,omitempty" maxItems:"32" doc:"failure codes that are worth another attempt; all if empty"`
}

// RetryPolicy is the policy in force.
type RetryPolicy struct {
	MaxAttempts int      `json:"max_attempts" doc:"attempts in all, the first included"`
	Backoff     string   `json:"backoff" enum:"fixed,exponential"`
	Initial     Duration `json:"initial" doc:"delay after the first failure"`
	Max         Duration `json:"max" doc:"upper bound of the delay"`
	Jitter      float64  `json:"jitter"`
	On          []string `json:"on" doc:"failure codes that are worth another attempt; all if empty"`
}

// Domain converts the input; nil gives the zero policy.
func (r *RetryPolicyInput) Domain() job.Retry {
	if r == nil {
		return job.Retry{}
	}
	return job.Retry{
		MaxAttempts: r.MaxAttempts, Backoff: job.Backoff(r.Backoff),
		Initial: r.Initial.Or(0), Max: r.Max.Or(0), Jitter: r.Jitter, On: r.On,
	}
}

func retryInput(r job.Retry) *RetryPolicyInput {
	if r.MaxAttempts == 0 && r.Backoff == "" && r.Initial == 0 && r.Max == 0 && r.Jitter == 0 && len(r.On) == 0 {
		return nil
	}
	return &RetryPolicyInput{
		MaxAttempts: r.MaxAttempts, Backoff: string(r.Backoff), Initial: DurationOf(r.Initial),
		Max: DurationOf(r.Max), Jitter: r.Jitter, On: r.On,
	}
}

func retryPolicy(r job.Retry) RetryPolicy {
	w := RetryPolicy{
		MaxAttempts: max(r.MaxAttempts, 1), Backoff: string(r.Backoff),
		Initial: Duration(r.Initial), Max: Duration(r.Max), Jitter: r.Jitter, On: list(r.On),
	}
	if w.Backoff == "" {
		w.Backoff = string(job.Exponential)
	}
	if w.Initial == 0 {
		w.Initial = Duration(time.Second)
	}
	if w.Max == 0 {
		w.Max = Duration(5 * time.Minute)
	}
	return w
}

// JobTemplateInput creates a template, or is what a merge patch applies to.
type JobTemplateInput struct {
	Name           string            `json:"name" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x20\\x7f/]([^\\x00-\\x1f\\x7f/]*[^\\x00-\\x20\\x7f/])?$" doc:"unique among the templates; accepted wherever a template_id is" example:"daily-horror-story"`
	Description    string            `json:"description,omitempty" maxLength:"2000"`
	JobType        string            `json:"job_type" minLength:"1" maxLength:"60" example:"command"`
	Params         Object            `json:"params,omitempty" doc:"defaults over which a job's params are merged"`
	ParamsSchema   Object            `json:"params_schema,omitempty" doc:"JSON Schema (2020-12) that the merged params must meet"`
	DirectiveID    string            `json:"directive_id,omitempty" maxLength:"100" doc:"id or name of the directive that its jobs work under, for job types that use language models"`
	RetryPolicy    *RetryPolicyInput `json:"retry_policy,omitempty"`
	Timeout        *Duration         `json:"timeout,omitempty" doc:"of one attempt; none if absent"`
	Priority       *int              `json:"priority,omitempty" minimum:"0" maximum:"9" doc:"lower is sooner; 5 if absent"`
	Locks          []string          `json:"locks,omitempty" maxItems:"16" doc:"named resources that a job holds while it runs" example:"[\"gpu:0\"]"`
	Limits         *JobLimitsInput   `json:"limits,omitempty" doc:"how many jobs run at the same time"`
	Unique         *JobUniqueInput   `json:"unique,omitempty" doc:"refuse a job while an equal one is there"`
	StartDeadline  *Duration         `json:"start_deadline,omitempty" doc:"a job that has not started so long after its run_at, or after it was added, is SKIPPED"`
	CrashPolicy    string            `json:"crash_policy,omitempty" enum:"retry,fail,ask" doc:"what a crash of the server does to a running job: back to its place, FAILED, or FAILED with outcome_unknown for a person to look; the job type decides if absent"`
	RetryOnRestart *bool             `json:"retry_on_restart,omitempty" doc:"the same as crash_policy retry (true) or fail (false)"`
	Labels         map[string]string `json:"labels,omitempty"`
	WebhookURL     string            `json:"webhook_url,omitempty" maxLength:"2048" doc:"is told how its jobs fare" example:"https://example.com/hooks/runsheet"`
	WebhookEvents  []string          `json:"webhook_events,omitempty" maxItems:"32" doc:"what it is told: events about jobs, or succeeded, failed, skipped, queued, started, cancelled; the ends of attempts if absent"`
	Archived       bool              `json:"archived,omitempty" doc:"readable, but makes no new jobs"`
}

// JobTemplate is a named, versioned recipe for jobs.
type JobTemplate struct {
	TemplateID     string            `json:"template_id" example:"tmpl_01jh0000000000000000000000"`
	Version        int               `json:"version" doc:"each change adds one and reaches later jobs only"`
	Name           string            `json:"name" example:"daily-horror-story"`
	Description    string            `json:"description"`
	JobType        string            `json:"job_type" example:"command"`
	Params         Object            `json:"params"`
	ParamsSchema   *Object           `json:"params_schema" nullable:"true"`
	DirectiveID    *string           `json:"directive_id" doc:"the directive that its jobs work under; null: none" example:"dir_01jh0000000000000000000000"`
	RetryPolicy    RetryPolicy       `json:"retry_policy"`
	Timeout        *Duration         `json:"timeout" nullable:"true"`
	Priority       int               `json:"priority"`
	Locks          []string          `json:"locks"`
	Limits         JobLimits         `json:"limits"`
	Unique         *JobUnique        `json:"unique" doc:"null: jobs may be equal"`
	StartDeadline  *Duration         `json:"start_deadline" nullable:"true" doc:"null: jobs wait as long as it takes"`
	CrashPolicy    *string           `json:"crash_policy" enum:"retry,fail,ask" doc:"null: the job type decides"`
	RetryOnRestart *bool             `json:"retry_on_restart" doc:"null: the job type decides, or crash_policy is ask"`
	Labels         map[string]string `json:"labels"`
	WebhookURL     *string           `json:"webhook_url"`
	WebhookEvents  []string          `json:"webhook_events" doc:"by their full names; the ends of attempts if empty"`
	Archived       bool              `json:"archived"`
	CreatedBy      string            `json:"created_by"`
	CreatedAt      time.Time         `json:"created_at"`
	UpdatedAt      time.Time         `json:"updated_at"`
}

// JobTemplateList is one page.
type JobTemplateList struct {
	Items      []JobTemplate `json:"items"`
	NextCursor *string       `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// Crash converts crash_policy and retry_on_restart, which must agree; "" when
// neither is given.
func Crash(policy string, retryOnRestart *bool) (job.CrashPolicy, error) {
	if retryOnRestart == nil {
		return job.CrashPolicy(policy), nil
	}
	p := job.CrashFail
	if *retryOnRestart {
		p = job.CrashRetry
	}
	if policy != "" && policy != string(p) {
		return p, fault.New(fault.InvalidInput, "crash_policy and retry_on_restart contradict each other").
			At("/retry_on_restart", "contradiction", "give crash_policy alone")
	}
	return p, nil
}

func restart(p job.CrashPolicy) *bool {
	if p == "" || p == job.CrashAsk {
		return nil
	}
	b := p == job.CrashRetry
	return &b
}

// TemplateOf shows t.
func TemplateOf(t job.Template) JobTemplate {
	w := JobTemplate{
		TemplateID: t.ID, Version: t.Version, Name: t.Name, Description: t.Description, JobType: t.Type,
		Params: t.Params, DirectiveID: str(t.DirectiveID), RetryPolicy: retryPolicy(t.Retry), Timeout: DurationOf(t.Timeout),
		Priority: t.Priority, Locks: list(t.Locks), RetryOnRestart: restart(t.OnCrash), Labels: labels(t.Labels),
		WebhookURL: str(t.Webhook.URL), WebhookEvents: list(t.Webhook.Events),
		Archived: t.Archived, CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(),
		Limits: jobLimits(t.Limits), Unique: jobUnique(t.Unique), StartDeadline: DurationOf(t.StartDeadline), CrashPolicy: str(string(t.OnCrash)),
	}
	if t.ParamsSchema != nil {
		s := Object(t.ParamsSchema)
		w.ParamsSchema = &s
	}
	return w
}

// TemplateInputOf is the input that would make t: what a merge patch changes.
func TemplateInputOf(t job.Template) JobTemplateInput {
	return JobTemplateInput{
		Name: t.Name, Description: t.Description, JobType: t.Type, Params: t.Params, ParamsSchema: t.ParamsSchema,
		DirectiveID: t.DirectiveID, RetryPolicy: retryInput(t.Retry), Timeout: DurationOf(t.Timeout), Priority: &t.Priority, Locks: t.Locks,
		RetryOnRestart: restart(t.OnCrash), Labels: t.Labels, WebhookURL: t.Webhook.URL, WebhookEvents: t.Webhook.Events,
		Archived: t.Archived,
		Limits:   limitsInput(t.Limits), Unique: uniqueInput(t.Unique), StartDeadline: DurationOf(t.StartDeadline), CrashPolicy: string(t.OnCrash),
	}
}
