package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
)

// ScheduleJobInput is the job that a schedule starts, if it has no template.
type ScheduleJobInput struct {
	TemplateID    string            `json:"template_id,omitempty" maxLength:"100" doc:"id or name of a template; either this or job_type"`
	JobType       string            `json:"job_type,omitempty" maxLength:"60" doc:"for an inline job, which needs the scope templates:write too" example:"command"`
	DirectiveID   string            `json:"directive_id,omitempty" maxLength:"100" doc:"id or name of the directive to work under"`
	Name          string            `json:"name,omitempty" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"for people"`
	Params        Object            `json:"params,omitempty" doc:"merged (JSON merge patch) over the template's"`
	Priority      *int              `json:"priority,omitempty" minimum:"0" maximum:"9" doc:"lower is sooner; the template's, or 5, if absent"`
	RetryPolicy   *RetryPolicyInput `json:"retry_policy,omitempty" doc:"in place of the template's"`
	Timeout       *Duration         `json:"timeout,omitempty" doc:"of one attempt, in place of the template's"`
	Locks         []string          `json:"locks,omitempty" maxItems:"16" doc:"in addition to those of the template and the job type"`
	Limits        *JobLimitsInput   `json:"limits,omitempty" doc:"how many such jobs run at the same time; only closer than the template's"`
	CrashPolicy   string            `json:"crash_policy,omitempty" enum:"retry,fail,ask" doc:"what a crash of the server does to it while it runs"`
	Labels        map[string]string `json:"labels,omitempty" doc:"added to the template's"`
	WebhookURL    string            `json:"webhook_url,omitempty" maxLength:"2048" doc:"is told how its jobs fare"`
	WebhookEvents []string          `json:"webhook_events,omitempty" maxItems:"32" doc:"what it is told"`
}

// ScheduleConstraints is another way to say only_in, the calendar's part and
// min_interval.
type ScheduleConstraints struct {
	MarketHoursOnly  bool     `json:"market_hours_only,omitempty" doc:"the same as only_in regular_hours; needs a calendar"`
	SkipHolidays     bool     `json:"skip_holidays,omitempty" doc:"the same as on_non_session skip; needs a calendar"`
	MinIntervalHours *float64 `json:"min_interval_hours,omitempty" nullable:"true" minimum:"0" maximum:"8784" doc:"the same as min_interval, in hours"`
}

// ScheduleInput creates a schedule, or is what a merge patch applies to. What it
// starts and when may be said in several ways; the answers have only the canonical
// one: trigger, and template_id or job.
type ScheduleInput struct {
	Name        string `json:"name,omitempty" maxLength:"100" pattern:"^[^\\x00-\\x20\\x7f/]([^\\x00-\\x1f\\x7f/]*[^\\x00-\\x20\\x7f/])?$" doc:"unique among the schedules; accepted wherever a schedule_id is. Made from the template's or the job type's if absent" example:"market-report"`
	Description string `json:"description,omitempty" maxLength:"2000"`

	TemplateID  string            `json:"template_id,omitempty" maxLength:"100" doc:"id or name of the template that it starts; either this or job" example:"daily-horror-story"`
	Params      Object            `json:"params,omitempty" doc:"merged (JSON merge patch) over the template's"`
	Job         *ScheduleJobInput `json:"job,omitempty" doc:"the job that it starts, in place of template_id"`
	JobKey      string            `json:"job_key,omitempty" maxLength:"100" doc:"another way to say template_id or job: the name of a template, or else a job type"`
	WorkflowID  string            `json:"workflow_id,omitempty" nullable:"true" maxLength:"100" doc:"the workflow that it starts, in place of template_id"`
	Inputs      Object            `json:"inputs,omitempty" nullable:"true" doc:"of the workflow"`
	PortfolioID string            `json:"portfolio_id,omitempty" nullable:"true" maxLength:"100" doc:"refused: this version starts jobs only"`
	ContainerID string            `json:"container_id,omitempty" nullable:"true" maxLength:"100" doc:"another name of portfolio_id"`

	Trigger         *TriggerInput        `json:"trigger,omitempty" doc:"what makes it fire"`
	Cron            string               `json:"cron,omitempty" nullable:"true" maxLength:"256" doc:"another way to say trigger: an expression" example:"0 9 * * MON-FRI"`
	ScheduleType    string               `json:"schedule_type,omitempty" nullable:"true" enum:"cron,interval" doc:"says which of cron and interval_minutes counts"`
	IntervalMinutes int                  `json:"interval_minutes,omitempty" nullable:"true" minimum:"1" maximum:"52560000" doc:"another way to say trigger: an interval"`
	Timezone        string               `json:"timezone,omitempty" maxLength:"100" doc:"IANA name of the zone that local times are of. If absent, the installation's at this moment, which is stored" example:"Asia/Seoul"`
	Calendar        CalendarRef          `json:"calendar,omitempty" doc:"on whose dates it fires: a code, or {all_of|any_of: [...]} or {not: ...}"`
	OnNonSession    string               `json:"on_non_session,omitempty" enum:"skip,next_session,previous_session" doc:"what happens on a date that the calendar does not have; skip if absent"`
	OnlyIn          string               `json:"only_in,omitempty" enum:"session,regular_hours,outside_hours" doc:"only inside or outside of the calendar's hours; regular_hours leaves out breaks"`
	Exclude         *ExcludeInput        `json:"exclude,omitempty" doc:"times that are taken away"`
	DSTGap          string               `json:"dst_gap,omitempty" enum:"auto,skip" doc:"what becomes of named times that a change of the clock leaves out"`
	DSTOverlap      string               `json:"dst_overlap,omitempty" enum:"auto,first,second,both" doc:"at which of two equal local times it fires"`
	StartAt         *time.Time           `json:"start_at,omitempty" doc:"not before this time"`
	EndAt           *time.Time           `json:"end_at,omitempty" doc:"before this time only"`
	Strict          bool                 `json:"strict,omitempty" doc:"skip dates that the calendar does not reach"`
	AllowNever      bool                 `json:"allow_never,omitempty" doc:"accept what never fires"`
	BackfillFrom    *time.Time           `json:"backfill_from,omitempty" doc:"only when it is created: nominals from this time on are missed ones, which missed and catch_up_window are about"`
	Constraints     *ScheduleConstraints `json:"constraints,omitempty" doc:"another way to say only_in and min_interval"`

	Overlap         string    `json:"overlap,omitempty" enum:"skip,queue_one,queue_latest,queue_all,cancel_running,allow" doc:"what it does while one of its runs is queued, waiting or running; skip if absent"`
	MaxQueued       *int      `json:"max_queued,omitempty" minimum:"1" maximum:"10000" doc:"with queue_all: how many wait; 100 if absent"`
	MaxParallel     *int      `json:"max_parallel,omitempty" minimum:"1" maximum:"1000" doc:"with allow: how many run at the same time; no bound if absent"`
	Missed          string    `json:"missed,omitempty" enum:"skip,latest,earliest,all" doc:"which of the nominals run that were not decided in time; latest if absent, but none of a market's session that has closed"`
	Grace           *Duration `json:"grace,omitempty" doc:"how late a decision may be before the nominal counts as missed; PT1M if absent, at least PT1S"`
	CatchUpWindow   *Duration `json:"catch_up_window,omitempty" doc:"how old a missed nominal may be; PT24H if absent, PT0S: none is made up"`
	MaxCatchUp      *int      `json:"max_catch_up,omitempty" minimum:"1" maximum:"10000" doc:"with missed all: how many; 100 if absent"`
	MinInterval     *Duration `json:"min_interval,omitempty" doc:"least time between two of its runs"`
	MinIntervalFrom string    `json:"min_interval_from,omitempty" enum:"start,end" doc:"what min_interval counts from; start if absent"`
	Jitter          *Duration `json:"jitter,omitempty" doc:"each nominal is delayed by less than this, always the same"`
	Offset          *Duration `json:"offset,omitempty" doc:"all nominals are delayed by the same time, which is less than this"`
	StartDeadline   *Duration `json:"start_deadline,omitempty" doc:"a run that has not started so long after it was due is SKIPPED"`
	PauseOnFailure  *int      `json:"pause_on_failure,omitempty" minimum:"1" maximum:"10000" doc:"pause after so many failed runs in a row"`
	MaxRuns         *int      `json:"max_runs,omitempty" minimum:"1" maximum:"1000000000" doc:"finished after so many runs; those that people start do not count"`

	ExecutionMode string            `json:"execution_mode,omitempty" enum:"AUTO,APPROVAL_REQUIRED" doc:"with APPROVAL_REQUIRED each run waits for an approval; AUTO if absent"`
	Labels        map[string]string `json:"labels,omitempty"`
	Enabled       *bool             `json:"enabled,omitempty" doc:"false: paused; true if absent"`
	PauseReason   string            `json:"pause_reason,omitempty" maxLength:"1000" doc:"with enabled false: why, for people"`
}

// Schedule is what starts jobs at certain times.
type Schedule struct {
	ScheduleID  string `json:"schedule_id" example:"sched_01jh0000000000000000000000"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Version     int    `json:"version" doc:"counts its changes from 1"`

	TemplateID *string           `json:"template_id" doc:"the template that it starts; null: job or workflow_id says what"`
	WorkflowID *string           `json:"workflow_id" doc:"the workflow that it starts, with the version that is active then"`
	Inputs     Object            `json:"inputs" doc:"of the workflow"`
	Params     Object            `json:"params" doc:"merged over the template's"`
	Job        *ScheduleJobInput `json:"job" doc:"the job that it starts; null: template_id says what"`

	Trigger      TriggerInput  `json:"trigger"`
	Timezone     string        `json:"timezone" example:"Asia/Seoul"`
	Calendar     CalendarRef   `json:"calendar"`
	OnNonSession string        `json:"on_non_session" enum:"skip,next_session,previous_session"`
	OnlyIn       *string       `json:"only_in" enum:"session,regular_hours,outside_hours" doc:"null: at any time"`
	Exclude      *ExcludeInput `json:"exclude"`
	DSTGap       string        `json:"dst_gap" enum:"auto,skip"`
	DSTOverlap   string        `json:"dst_overlap" enum:"auto,first,second,both"`
	StartAt      *time.Time    `json:"start_at"`
	EndAt        *time.Time    `json:"end_at"`
	Strict       bool          `json:"strict"`

	Overlap         string    `json:"overlap" enum:"skip,queue_one,queue_latest,queue_all,cancel_running,allow"`
	MaxQueued       int       `json:"max_queued"`
	MaxParallel     *int      `json:"max_parallel" doc:"null: no bound"`
	Missed          *string   `json:"missed" enum:"skip,latest,earliest,all" doc:"null: latest, but none of a market's session that has closed"`
	Grace           Duration  `json:"grace"`
	CatchUpWindow   Duration  `json:"catch_up_window"`
	MaxCatchUp      int       `json:"max_catch_up"`
	MinInterval     *Duration `json:"min_interval" nullable:"true"`
	MinIntervalFrom string    `json:"min_interval_from" enum:"start,end"`
	Jitter          *Duration `json:"jitter" nullable:"true"`
	Offset          *Duration `json:"offset" nullable:"true"`
	StartDeadline   *Duration `json:"start_deadline" nullable:"true"`
	PauseOnFailure  *int      `json:"pause_on_failure" doc:"null: never"`
	MaxRuns         *int      `json:"max_runs" doc:"null: no bound"`

	ExecutionMode string            `json:"execution_mode" enum:"AUTO,APPROVAL_REQUIRED"`
	Labels        map[string]string `json:"labels"`

	Summary             string            `json:"summary" doc:"when it fires, in words" example:"at 09:00 on Monday to Friday (Asia/Seoul)"`
	ResolvedExpressions []string          `json:"resolved_expressions" nullable:"false" doc:"the expressions with what H stands for in this schedule; empty if none has an H"`
	Warnings            []ScheduleWarning `json:"warnings" nullable:"false"`

	Enabled             bool             `json:"enabled" doc:"false while it is paused"`
	State               string           `json:"state" enum:"active,paused,finished"`
	StateReason         *string          `json:"state_reason" doc:"why it is paused or finished"`
	StateBy             *string          `json:"state_by" doc:"who paused it; null: it did so itself"`
	StateJobID          *string          `json:"state_job_id" doc:"the job whose failure paused it"`
	NextRunAt           *time.Time       `json:"next_run_at" doc:"when the next run is due; null: none is to come, or it waits for the end of one"`
	NextNominalAt       *time.Time       `json:"next_nominal_at" doc:"the time that next_run_at comes from, before jitter and offset"`
	SkipNext            []time.Time      `json:"skip_next" nullable:"false" doc:"nominals that will be skipped because somebody asked for it"`
	LastRunAt           *time.Time       `json:"last_run_at" doc:"when its last run was put into the queue, also by a person"`
	LastJobID           *string          `json:"last_job_id"`
	LastStatus          *string          `json:"last_status" doc:"of the last run"`
	RunCount            int              `json:"run_count" doc:"all its runs"`
	FiredCount          int              `json:"fired_count" doc:"those that max_runs counts: without those that people started"`
	ConsecutiveFailures int              `json:"consecutive_failures" doc:"failed runs in a row"`
	SkippedCounts       map[string]int64 `json:"skipped_counts" doc:"skipped nominals by reason"`
	ClaimedBy           *string          `json:"claimed_by" doc:"the server that decides about it now: host:pid:boot"`
	ClaimedUntil        *time.Time       `json:"claimed_until"`

	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`

	Next    []ScheduleNominal `json:"next,omitempty" doc:"the next three nominals; in lists with include=next"`
	Results []ScheduleResult  `json:"results,omitempty" doc:"the latest 20 runs, latest first; in lists with include=results"`
}

// ScheduleWarning is something about a schedule that a person should look at.
type ScheduleWarning struct {
	Code   string `json:"code" enum:"calendar_expires,calendar_expired,unverified,never_fires,trigger_unusable,clock_ahead"`
	Detail string `json:"detail" doc:"for people"`
}

// ScheduleList is one page.
type ScheduleList struct {
	Items      []Schedule `json:"items" nullable:"false"`
	NextCursor *string    `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// RunNowInput is what a run that a person wants does differently.
type RunNowInput struct {
	Overlap string `json:"overlap,omitempty" enum:"skip,queue_one,queue_latest,queue_all,cancel_running,allow" doc:"in place of the schedule's"`
	Force   bool   `json:"force,omitempty" doc:"also before min_interval has passed"`
}

// ResumeInput is how a schedule goes on.
type ResumeInput struct {
	CatchUp bool   `json:"catch_up,omitempty" doc:"treat what was due meanwhile as missed; without it, it is skipped"`
	Reason  string `json:"reason,omitempty" maxLength:"500" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"for the audit record"`
}

// SkipNextInput says how many nominals are not wanted.
type SkipNextInput struct {
	Count int `json:"count,omitempty" minimum:"1" maximum:"100" default:"1" doc:"how many"`
}

// BackfillInput runs nominals of the past.
type BackfillInput struct {
	From    time.Time `json:"from" doc:"inclusive"`
	To      time.Time `json:"to" doc:"exclusive; not ahead"`
	Order   string    `json:"order,omitempty" enum:"asc,desc" default:"asc" doc:"in which order they run"`
	Overlap string    `json:"overlap,omitempty" enum:"queue_all,allow" default:"queue_all" doc:"one after the other, or beside each other"`
	Max     int       `json:"max,omitempty" minimum:"1" maximum:"1000" doc:"the first so many of them; 1000 if absent, and more than that are refused"`
	Rerun   bool      `json:"rerun,omitempty" doc:"also those that have fired"`
	DryRun  bool      `json:"dry_run,omitempty" doc:"only list them"`
}

// BackfillItem is a nominal of a backfill.
type BackfillItem struct {
	NominalAt time.Time `json:"nominal_at"`
	Local     string    `json:"local" doc:"the same as clocks in the schedule's zone show it"`
	Marks     []string  `json:"marks" nullable:"false"`
	JobID     *string   `json:"job_id" doc:"the job that was made; null in a dry run"`
}

// Backfill is what a backfill did, or would do.
type Backfill struct {
	ScheduleID string         `json:"schedule_id"`
	DryRun     bool           `json:"dry_run"`
	Count      int            `json:"count"`
	Items      []BackfillItem `json:"items" nullable:"false" doc:"in the order in which they run"`
}

// ScheduleNominal is an instant that a schedule's trigger yields.
type ScheduleNominal struct {
	NominalAt time.Time  `json:"nominal_at"`
	DueAt     *time.Time `json:"due_at" doc:"with jitter and offset; null if it is skipped"`
	Local     string     `json:"local" doc:"nominal_at as clocks in the schedule's zone show it" example:"2026-01-12T09:00:00+09:00"`
	Marks     []string   `json:"marks" nullable:"false" doc:"dst_moved, dst_repeated, session_moved, early_close, unverified"`
	Skip      *string    `json:"skip" doc:"why it does not fire: holiday, non_session, only_in, excluded, calendar_expired, requested; null = it does"`
}

// ScheduleNext is what comes.
type ScheduleNext struct {
	Items []ScheduleNominal `json:"items" nullable:"false"`
}

// DataInterval is what a run is about: from the nominal before to its own.
type DataInterval struct {
	Start *time.Time `json:"start" doc:"inclusive; null: there is no nominal before"`
	End   time.Time  `json:"end" doc:"exclusive"`
}

// ScheduleEntry is a line of a schedule's history: a run, or nominals one after the
// other that were skipped for the same reason.
type ScheduleEntry struct {
	Kind            string        `json:"kind" enum:"run,skip"`
	NominalAt       time.Time     `json:"nominal_at" doc:"of skipped ones the first"`
	LastNominalAt   time.Time     `json:"last_nominal_at" doc:"of skipped ones the last"`
	Local           string        `json:"local" doc:"nominal_at as clocks in the schedule's zone show it now"`
	Count           int64         `json:"count" doc:"how many nominals"`
	Again           int           `json:"again" doc:"tells runs of one nominal apart: 0 is the one that the schedule made"`
	Source          *string       `json:"source" enum:"schedule,catch_up,backfill,manual,event" doc:"what made the run; null for skipped ones"`
	Status          string        `json:"status" enum:"QUEUED,RUNNING,COMPLETED,FAILED,SKIPPED,CANCELLED,GONE" doc:"GONE: its job was removed"`
	Reason          *string       `json:"reason" doc:"why it was skipped"`
	JobID           *string       `json:"job_id"`
	DueAt           *time.Time    `json:"due_at"`
	PlannedAt       *time.Time    `json:"planned_at" doc:"the earliest start"`
	DecidedAt       *time.Time    `json:"decided_at"`
	StartedAt       *time.Time    `json:"started_at"`
	FinishedAt      *time.Time    `json:"finished_at"`
	ScheduleVersion int           `json:"schedule_version"`
	CalendarVersion *int64        `json:"calendar_version" doc:"of the tenant's overrides; null for skipped ones"`
	DataInterval    *DataInterval `json:"data_interval"`
}

// ScheduleHistory is one page.
type ScheduleHistory struct {
	Items      []ScheduleEntry `json:"items" nullable:"false"`
	NextCursor *string         `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// ScheduleVersion is what a schedule was.
type ScheduleVersion struct {
	ScheduleID string        `json:"schedule_id"`
	Version    int           `json:"version"`
	CreatedAt  time.Time     `json:"created_at"`
	CreatedBy  string        `json:"created_by" doc:"who made this version"`
	Summary    string        `json:"summary" doc:"when it fired, in words"`
	Definition ScheduleInput `json:"definition" doc:"in the canonical form; a PATCH with it makes a new version that is the same"`
}

// ScheduleVersionList is one page.
type ScheduleVersionList struct {
	Items      []ScheduleVersion `json:"items" nullable:"false"`
	NextCursor *string           `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// ScheduleFire says which nominal of a schedule a job or a run belongs to. All of it
// is null for what no schedule made.
type ScheduleFire struct {
	ScheduleID      *string       `json:"schedule_id" doc:"the schedule that made it"`
	NominalAt       *time.Time    `json:"nominal_at" doc:"the time for which its schedule made it"`
	DueAt           *time.Time    `json:"due_at" doc:"nominal_at with jitter and offset"`
	DecidedAt       *time.Time    `json:"decided_at" doc:"when the schedule made it"`
	Source          *string       `json:"source" enum:"schedule,catch_up,backfill,manual,event" doc:"why its schedule made it"`
	ScheduleVersion *int          `json:"schedule_version"`
	Timezone        *string       `json:"timezone" doc:"of that version of the schedule"`
	CalendarVersion *int64        `json:"calendar_version" doc:"of the tenant's overrides of calendars; 0: there were none"`
	DataInterval    *DataInterval `json:"data_interval" doc:"from the nominal before to this one"`
}

// ScheduleStateOf is a status as the API writes it.
func ScheduleStateOf(s agenda.Status) string {
	switch s {
	case agenda.Active:
		return "active"
	case agenda.Paused:
		return "paused"
	case agenda.Finished:
		return "finished"
	}
	return string(s)
}
