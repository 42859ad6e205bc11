package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// workflowType is the type of jobs whose run is one of a workflow.
const workflowType = "workflow"

// JobInput puts a job into the queue: from a template, or inline with a
// job_type.
type JobInput struct {
	TemplateID     string            `json:"template_id,omitempty" maxLength:"100" doc:"id or name of a template; either this or job_type" example:"tmpl_01jh0000000000000000000000"`
	JobType        string            `json:"job_type,omitempty" maxLength:"60" doc:"for an inline job, which needs the scope templates:write too" example:"command"`
	DirectiveID    string            `json:"directive_id,omitempty" maxLength:"100" doc:"id or name of the directive to work under, in place of the template's; another than the template's needs the scope templates:write or directives:write" example:"dir_01jh0000000000000000000000"`
	Name           string            `json:"name,omitempty" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"for people; the template's name or the job type if absent"`
	Params         Object            `json:"params,omitempty" doc:"merged (JSON merge patch) over the template's"`
	Priority       *int              `json:"priority,omitempty" minimum:"0" maximum:"9" doc:"lower is sooner; the template's, or 5, if absent"`
	RetryPolicy    *RetryPolicyInput `json:"retry_policy,omitempty" doc:"in place of the template's"`
	Timeout        *Duration         `json:"timeout,omitempty" doc:"of one attempt, in place of the template's"`
	Locks          []string          `json:"locks,omitempty" maxItems:"16" doc:"in addition to those of the template and the job type" example:"[\"gpu:0\"]"`
	Hold           bool              `json:"hold,omitempty" doc:"do not start before a release"`
	RunAt          *time.Time        `json:"run_at,omitempty" doc:"do not start before this time"`
	Limits         *JobLimitsInput   `json:"limits,omitempty" doc:"how many such jobs run at the same time; only closer than the template's"`
	Unique         *JobUniqueInput   `json:"unique,omitempty" doc:"in place of the template's: do nothing while an equal job is there"`
	StartDeadline  *Moment           `json:"start_deadline,omitempty" doc:"if it has not started by then, it is SKIPPED with reason deadline. A time, or a duration from run_at on, or else from now on"`
	CrashPolicy    string            `json:"crash_policy,omitempty" enum:"retry,fail,ask" doc:"what a crash of the server does to it while it runs: back to its place, FAILED, or FAILED with outcome_unknown for a person to look"`
	RetryOnRestart *bool             `json:"retry_on_restart,omitempty" doc:"the same as crash_policy retry (true) or fail (false)"`
	Labels         map[string]string `json:"labels,omitempty" doc:"added to the template's"`
	Approval       *ApprovalRules    `json:"approval,omitempty" doc:"it does not start before people approve it; {} = with the defaults. Not for members of groups"`
	GroupID        string            `json:"group_id,omitempty" maxLength:"100" doc:"id of a PENDING group, of which it becomes the last member"`
	WebhookURL     string            `json:"webhook_url,omitempty" maxLength:"2048" doc:"is told how this job fares; the template's if absent" example:"https://example.com/hooks/runsheet"`
	WebhookEvents  []string          `json:"webhook_events,omitempty" maxItems:"32" doc:"what it is told: events about jobs, or succeeded, failed, skipped, queued, started, cancelled; the template's, or the ends of attempts, if absent"`
	Trigger        string            `json:"trigger,omitempty" enum:"api,manual" default:"api" doc:"manual when a person asked for it"`
	Position       *int              `json:"position,omitempty" minimum:"0" maximum:"1000000000" doc:"in the order, from 0; at most one of position, before, after, top and bottom. Without one, priority decides"`
	Before         string            `json:"before,omitempty" maxLength:"100" doc:"id of the waiting job or group that comes next"`
	After          string            `json:"after,omitempty" maxLength:"100" doc:"id of the waiting job or group that comes just before"`
	Top            bool              `json:"top,omitempty" doc:"to the very front"`
	Bottom         bool              `json:"bottom,omitempty" doc:"to the very end"`
}

// JobPatch is what may be changed while a job waits; a merge patch.
type JobPatch struct {
	Params        Object            `json:"params,omitempty" doc:"what the job works with: before its first attempt, and not if it needs an approval, runs a workflow or is the job of a node of one. Like those of a retry"`
	Name          *string           `json:"name,omitempty" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$"`
	Priority      *int              `json:"priority,omitempty" minimum:"0" maximum:"9" doc:"moves the job behind the others of that priority"`
	Labels        map[string]string `json:"labels,omitempty" doc:"a null value removes a label"`
	Timeout       *Duration         `json:"timeout,omitempty" doc:"of one attempt; null = none"`
	RunAt         *time.Time        `json:"run_at,omitempty" doc:"do not start before this time; null = as soon as it may, also in place of the delay before a retry"`
	StartDeadline *Moment           `json:"start_deadline,omitempty" doc:"if it has not started by then, it is SKIPPED; null = never"`
}

// RetryInput is what a retry does differently. All of it is optional.
type RetryInput struct {
	Params        Object     `json:"params,omitempty" doc:"merged (JSON merge patch) over the run's"`
	Priority      *int       `json:"priority,omitempty" minimum:"0" maximum:"9" doc:"lower is sooner; the job's if absent"`
	Hold          bool       `json:"hold,omitempty" doc:"do not start before a release"`
	RunAt         *time.Time `json:"run_at,omitempty" doc:"do not start before this time"`
	StartDeadline *Moment    `json:"start_deadline,omitempty" doc:"if it has not started by then, it is SKIPPED; the earlier job's deadline does not count again"`
}

// Reason is the optional body of a hold or a pause.
type Reason struct {
	Reason string `json:"reason,omitempty" maxLength:"500" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"for people"`
}

// Waiting is why a job does not run yet.
type Waiting struct {
	Code   string     `json:"code" enum:"position,no_slot,lock,limit,paused,held,not_before,group,direct_first,retry_delay,approval,event,parked"`
	Detail string     `json:"detail" doc:"for people"`
	For    *string    `json:"for" doc:"with parked: what the run waits for, for example approval, timer, event, job, retry_delay, paused or turn"`
	Holder *string    `json:"holder" doc:"id of what it waits for"`
	HeldBy *string    `json:"held_by" doc:"with held: who holds it; null: the server, because it crashed several times in a row while the job ran"`
	Reason *string    `json:"reason" doc:"with held: what who holds it gave as the reason; null: nothing"`
	Until  *time.Time `json:"until" doc:"when the reason ends by itself; null if unknown"`
}

// Job is one thing that waits in, or was taken from, the queue.
type Job struct {
	JobID             string            `json:"job_id" example:"job_01jh0000000000000000000000"`
	Name              string            `json:"name"`
	JobType           string            `json:"job_type" example:"command"`
	TemplateID        *string           `json:"template_id"`
	TemplateVersion   *int              `json:"template_version"`
	Directive         *DirectiveRef     `json:"directive" doc:"the version that it works under, bound when it was added; null: none"`
	Status            string            `json:"status" enum:"QUEUED,RUNNING,COMPLETED,FAILED,SKIPPED,CANCELLED"`
	GroupID           *string           `json:"group_id" doc:"the group that it belongs to"`
	Priority          int               `json:"priority" doc:"0..9, lower is sooner"`
	Position          *int              `json:"position" doc:"number of places before it in the queue, a group being one; null when it does not wait, or waits in the slot of its group"`
	EstimatedWait     *Duration         `json:"estimated_wait" nullable:"true" doc:"from now to the likely start; null while unknown"`
	EstimatedStartAt  *time.Time        `json:"estimated_start_at" doc:"the likely start: as many starts are earlier as later; null while unknown"`
	EstimatedStart    *StartRange       `json:"estimated_start_range" doc:"four of five starts lie in it; null while unknown"`
	Waiting           *Waiting          `json:"waiting" doc:"why it waits; null when it does not"`
	Hold              bool              `json:"hold"`
	RunAt             *time.Time        `json:"run_at" doc:"does not start before this time"`
	StartDeadline     *time.Time        `json:"start_deadline" doc:"if it has not started by then, it is SKIPPED"`
	Params            Object            `json:"params"`
	RetryPolicy       RetryPolicy       `json:"retry_policy"`
	Timeout           *Duration         `json:"timeout" nullable:"true"`
	Locks             []string          `json:"locks"`
	Limits            JobLimits         `json:"limits"`
	UniqueKey         *string           `json:"unique_key" doc:"equal for equal jobs; null: it may have equals"`
	RetryOnRestart    bool              `json:"retry_on_restart"`
	CrashPolicy       string            `json:"crash_policy" enum:"fail,retry,ask,resume" doc:"resume: its run goes on, which only some job types can do"`
	Labels            map[string]string `json:"labels"`
	WebhookURL        *string           `json:"webhook_url" doc:"who is told how it fares"`
	WebhookEvents     []string          `json:"webhook_events" doc:"by their full names; the ends of attempts if empty"`
	Trigger           string            `json:"trigger" enum:"api,manual,schedule,retry,workflow,group"`
	CreatedBy         string            `json:"created_by"`
	RetryOf           *string           `json:"retry_of" doc:"the run that this job repeats"`
	ApprovalID        *string           `json:"approval_id" doc:"the approval without which it does not start; null: it needs none"`
	Attempt           int               `json:"attempt" doc:"number of the current or last attempt; 0 before the first"`
	RunID             *string           `json:"run_id" doc:"the current or last run"`
	WorkflowRunID     *string           `json:"workflow_run_id" doc:"of a job of the type workflow: its run of the workflow; null for others"`
	InstanceID        *string           `json:"instance_id" doc:"the server process that runs it"`
	Error             *Error            `json:"error" doc:"why it, or its last attempt, failed"`
	CancelRequestedAt *time.Time        `json:"cancel_requested_at"`
	CancelledBy       *string           `json:"cancelled_by"`
	CreatedAt         time.Time         `json:"created_at"`
	QueuedAt          time.Time         `json:"queued_at" doc:"when it last entered the queue"`
	StartedAt         *time.Time        `json:"started_at" doc:"start of the current or last attempt"`
	FinishedAt        *time.Time        `json:"finished_at"`
	ScheduleFire
}

// StartRange is when a job is expected to start at the earliest and at the
// latest.
type StartRange struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Estimate shows when j is expected to start, as seen from now.
func (j Job) Estimate(now, start, from, to time.Time) Job {
	at := start.UTC()
	j.EstimatedStartAt, j.EstimatedStart = &at, &StartRange{From: from.UTC(), To: to.UTC()}
	wait := Duration(max(start.Sub(now).Round(time.Second), 0))
	j.EstimatedWait = &wait
	return j
}

// JobList is one page.
type JobList struct {
	Items      []Job   `json:"items"`
	NextCursor *string `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// JobOf shows j. position and waiting are given for a queued job only.
func JobOf(j job.Job, position *int, waiting *job.Waiting) Job {
	w := Job{
		JobID: j.ID, Name: j.Name, JobType: j.Type, TemplateID: str(j.TemplateID), GroupID: str(j.GroupID), Status: string(j.State),
		Priority: j.Priority, Hold: j.HeldReason != "", RunAt: instant(j.NotBefore), Params: j.Params,
		RetryPolicy: retryPolicy(j.Retry), Timeout: DurationOf(j.Timeout), Locks: list(j.Locks),
		RetryOnRestart: j.OnCrash == job.CrashRetry, CrashPolicy: string(j.OnCrash), Labels: labels(j.Labels),
		WebhookURL: str(j.Webhook.URL), WebhookEvents: list(j.Webhook.Events),
		Trigger: string(j.Trigger), CreatedBy: j.CreatedBy, RetryOf: str(j.RetryOf), Attempt: j.Attempt,
		RunID: str(j.RunID), InstanceID: str(j.Instance), CancelRequestedAt: instant(j.CancelAskedAt),
		CancelledBy: str(j.CancelledBy), CreatedAt: j.CreatedAt.UTC(), QueuedAt: j.QueuedAt.UTC(),
		StartedAt: instant(j.StartedAt), FinishedAt: instant(j.FinishedAt),
	}
	w.Directive, w.ApprovalID = directiveRef(j.Directive), str(j.ApprovalID)
	w.StartDeadline, w.Limits, w.UniqueKey = instant(j.StartDeadline), jobLimits(j.Limits), str(j.UniqueKey)
	if j.TemplateID != "" {
		w.TemplateVersion = &j.TemplateVersion
	}
	if j.Type == workflowType {
		w.WorkflowRunID = str(store.WorkflowRunID(j.ID))
	}
	if j.Failure != (job.Failure{}) {
		w.Error = &Error{Code: j.Failure.Code, Message: j.Failure.Message}
	}
	if j.State == job.Queued {
		if !j.GroupActive {
			w.Position = position
		}
		w.Waiting = waitingOf(waiting)
	}
	return w
}
