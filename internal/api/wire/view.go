package wire

import (
	"encoding/json"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/crontab"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
)

// Overview is what every page shows around its own content.
type Overview struct {
	Seq       int64     `json:"seq" doc:"position in the log of events that is not newer than the answer: follow events since it"`
	Time      time.Time `json:"time" doc:"the server's clock"`
	Version   string    `json:"version" doc:"of the server"`
	StartedAt time.Time `json:"started_at" doc:"of the server"`
	Restored  *int      `json:"restored" doc:"jobs that waited when the server had started, and were there before; 10000 = that many or more; null for who may not read jobs"`
	// Interrupted is about what this server took over only.
	Interrupted      *Interrupted `json:"interrupted" doc:"what ran on servers that died and was taken over by this one since its start, of the latest loss: what is taken over more than 15 minutes after the last is counted anew; null for who may not read jobs"`
	Paused           bool         `json:"paused"`
	PausedBy         *string      `json:"paused_by" doc:"null for other tenants than the default one"`
	PausedReason     *string      `json:"paused_reason" doc:"null for other tenants than the default one"`
	Workers          int          `json:"workers" doc:"number of slots"`
	Queued           int          `json:"queued" doc:"jobs that wait"`
	Running          int          `json:"running"`
	FailedToday      int          `json:"failed_today" doc:"since midnight in the installation's time zone"`
	PendingApprovals *int         `json:"pending_approvals" doc:"null for who may not read approvals"`
}

// Interrupted counts what the death of a server interrupted, by what became of it.
type Interrupted struct {
	Failed   int        `json:"failed" doc:"jobs and direct requests that failed by it. Jobs that had been asked to stop are not counted"`
	Requeued int        `json:"requeued" doc:"jobs that went back into the queue, to be done again or to go on"`
	JobID    *string    `json:"job_id" doc:"of those requeued, the one that was taken over first"`
	RunID    *string    `json:"run_id" doc:"the run of those failed that started first"`
	Since    *time.Time `json:"since" doc:"when that run started: the others of those failed started later, and before until"`
	Until    *time.Time `json:"until" doc:"when the latest of all was taken over; up to started_at when this server did it as it started"`
}

// InterruptedOf shows them, without when that was: see Between.
func InterruptedOf(failed, requeued int, jobID, runID string) *Interrupted {
	return &Interrupted{Failed: failed, Requeued: requeued, JobID: str(jobID), RunID: str(runID)}
}

// Between adds when that was; zero times are left out.
func (n *Interrupted) Between(since, until time.Time) *Interrupted {
	n.Since, n.Until = moment(since), moment(until)
	return n
}

// RunBar counts runs that started in one stretch of time.
type RunBar struct {
	At        time.Time `json:"at" doc:"its beginning"`
	Active    int       `json:"active"`
	Completed int       `json:"completed"`
	Failed    int       `json:"failed"`
	Skipped   int       `json:"skipped"`
}

// RunHistogram counts the runs of a list by the time at which they started.
type RunHistogram struct {
	BucketMs int64    `json:"bucket_ms" doc:"what one bar counts"`
	Bars     []RunBar `json:"bars" doc:"oldest first; times without runs are left out"`
	Complete bool     `json:"complete" doc:"false: only the newest 200000 runs are counted, the oldest bar of them in part"`
}

// TypicalDuration is how long runs of a kind take that end well.
type TypicalDuration struct {
	JobType    string  `json:"job_type"`
	TemplateID *string `json:"template_id" doc:"null: of the job type, whatever the template"`
	MedianMs   int64   `json:"median_ms"`
	P90Ms      int64   `json:"p90_ms"`
	Runs       int     `json:"runs" doc:"how many of the latest it was made of"`
}

// WorkflowResult is one of the latest runs of a workflow.
type WorkflowResult struct {
	WorkflowRunID string     `json:"workflow_run_id"`
	Version       int        `json:"version"`
	Status        *string    `json:"status" enum:"COMPLETED,FAILED,CANCELLED,SKIPPED" doc:"null until it ends"`
	StartedAt     *time.Time `json:"started_at"`
	EndedAt       *time.Time `json:"ended_at"`
}

// WorkflowResultsOf shows results; never null.
func WorkflowResultsOf(list []store.WorkflowResult) []WorkflowResult {
	out := make([]WorkflowResult, 0, len(list))
	for _, x := range list {
		out = append(out, WorkflowResult{WorkflowRunID: x.RunID, Version: x.Version, Status: str(x.Status), StartedAt: moment(x.StartedAt), EndedAt: moment(x.EndedAt)})
	}
	return out
}

// VersionResults counts the runs of a version among the latest 10,000 of its workflow.
type VersionResults struct {
	Runs      int        `json:"runs"`
	Completed int        `json:"completed"`
	Failed    int        `json:"failed"`
	Cancelled int        `json:"cancelled"`
	Skipped   int        `json:"skipped"`
	LastRunAt *time.Time `json:"last_run_at"`
}

// VersionResultsOf shows a tally.
func VersionResultsOf(t store.VersionTally) *VersionResults {
	return &VersionResults{Runs: t.Runs, Completed: t.Completed, Failed: t.Failed, Cancelled: t.Cancelled, Skipped: t.Skipped, LastRunAt: moment(t.LastAt)}
}

// ScheduleResult is one of the latest runs of a schedule.
type ScheduleResult struct {
	NominalAt time.Time  `json:"nominal_at"`
	Source    string     `json:"source" enum:"schedule,catch_up,backfill,manual,event"`
	Status    string     `json:"status" enum:"QUEUED,RUNNING,COMPLETED,FAILED,SKIPPED,CANCELLED,GONE" doc:"GONE: its job was removed"`
	JobID     *string    `json:"job_id"`
	StartedAt *time.Time `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// ScheduleResultsOf shows results; never null.
func ScheduleResultsOf(list []store.HistoryEntry) []ScheduleResult {
	out := make([]ScheduleResult, 0, len(list))
	for _, x := range list {
		r := x.Run
		out = append(out, ScheduleResult{NominalAt: r.Nominal.UTC(), Source: string(r.Source), Status: string(r.Status), JobID: str(r.JobID), StartedAt: moment(r.StartedAt), EndedAt: moment(r.EndedAt)})
	}
	return out
}

// ScheduleFireAt is one fire to come, or one that is skipped.
type ScheduleFireAt struct {
	ScheduleID string `json:"schedule_id"`
	ScheduleNominal
}

// ScheduleFires are the fires of all schedules in a stretch of time.
type ScheduleFires struct {
	Items     []ScheduleFireAt   `json:"items" doc:"by time"`
	Schedules []ScheduleOfFires  `json:"schedules" doc:"those of which there are fires, by name"`
	Durations []ScheduleDuration `json:"durations" doc:"how long what they start takes; those of which nothing is known are left out"`
	Complete  bool               `json:"complete" doc:"false: a bound was reached, and there are more; ask for less time"`
}

// ScheduleOfFires is a schedule beside its fires.
type ScheduleOfFires struct {
	ScheduleID string `json:"schedule_id"`
	Name       string `json:"name"`
	Timezone   string `json:"timezone"`
	Truncated  bool   `json:"truncated" doc:"it fires more often than is shown: the first 300 are"`
}

// ScheduleDuration is how long runs of a schedule take.
type ScheduleDuration struct {
	ScheduleID string `json:"schedule_id"`
	TypicalDuration
}

// NominalsOf shows the first nominals of a schedule.
func NominalsOf(list []schedule.Nominal, show func(n schedule.Nominal, following time.Time) ScheduleNominal, most int) []ScheduleNominal {
	out := []ScheduleNominal{}
	for i, n := range list[:min(most, len(list))] {
		var following time.Time
		if i+1 < len(list) {
			following = list[i+1].At
		}
		out = append(out, show(n, following))
	}
	return out
}

// JobEventList is one page of what happened to a job.
type JobEventList struct {
	Items      []Event `json:"items"`
	NextCursor *string `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// JobTimeline is what a job did when.
type JobTimeline struct {
	JobID    string       `json:"job_id"`
	Segments []JobSegment `json:"segments" doc:"in order, without gaps; the last has no end unless the job has ended"`
	Complete bool         `json:"complete" doc:"false: the beginning was removed from the log of events, or there are more events than are looked at"`
}

// JobSegment is a stretch of a job's life.
type JobSegment struct {
	Kind    string     `json:"kind" enum:"queued,held,running,parked,retry_delay"`
	Detail  *string    `json:"detail" doc:"with parked: what the run waits for"`
	Attempt *int       `json:"attempt" doc:"with running"`
	RunID   *string    `json:"run_id" doc:"with running and parked"`
	From    time.Time  `json:"from"`
	To      *time.Time `json:"to" doc:"null: it goes on"`
}

// LockWaiter is a job or a direct request that needs a lock.
type LockWaiter struct {
	Kind        string  `json:"kind" enum:"job,direct"`
	OtherTenant bool    `json:"other_tenant" doc:"it belongs to another tenant, and its name and ids are not shown"`
	JobID       *string `json:"job_id"`
	RunID       *string `json:"run_id" doc:"of a direct request"`
	Name        *string `json:"name"`
	Position    *int    `json:"position" doc:"number of waiting jobs before it; null for direct requests, which come first"`
}

// DeliveryRate is how a webhook's latest deliveries went.
type DeliveryRate struct {
	Deliveries int `json:"deliveries" doc:"the latest, 100 at most"`
	Delivered  int `json:"delivered"`
	Failed     int `json:"failed" doc:"will be tried again"`
	Dead       int `json:"dead" doc:"given up"`
	Pending    int `json:"pending"`
}

// RedeliverInput chooses what is sent again.
type RedeliverInput struct {
	Since time.Time `json:"since" doc:"only messages that were made later"`
	// Limit bounds how many.
	Limit int `json:"limit,omitempty" minimum:"1" maximum:"200" doc:"at most this many, the newest; 100 if absent"`
}

// Redelivered says what is sent again.
type Redelivered struct {
	Redelivered int      `json:"redelivered"`
	Items       []string `json:"items" doc:"ids of the deliveries"`
	More        bool     `json:"more" doc:"more failed since: repeat the request"`
}

// ConfigSetting is one value of the server's configuration.
type ConfigSetting struct {
	Key    string  `json:"key" example:"workers"`
	Value  string  `json:"value" doc:"secrets are masked"`
	Origin string  `json:"origin" doc:"default, file F:LINE:COLUMN, environment NAME or flag --name"`
	Hot    bool    `json:"hot" doc:"it can be changed while the server runs, by the operation in change"`
	Change *string `json:"change" doc:"the operation that changes it, as in PATCH /api/workers; null: it needs a restart"`
}

// ConfigList is the configuration that the server was started with.
type ConfigList struct {
	Items []ConfigSetting `json:"items"`
}

// LegacyUsage tells who calls the endpoints outside of /api that programs of an earlier
// time use.
type LegacyUsage struct {
	Since    time.Time   `json:"since" doc:"the beginning of the first day that counts"`
	Items    []LegacyUse `json:"items" doc:"most calls first"`
	Complete bool        `json:"complete" doc:"false: only the first 1000 are shown"`
}

// LegacyUse is how often a client called one operation.
type LegacyUse struct {
	Tenant     string    `json:"tenant" doc:"whose client it is"`
	Client     string    `json:"client" doc:"name of the token or user, as in the audit; other: the calls that were too many to tell apart"`
	Operation  string    `json:"operation" example:"GET /jobs/{job_id}" doc:"method and path; other: as in client"`
	Count      int64     `json:"count"`
	LastUsedAt time.Time `json:"last_used_at"`
	Successor  *string   `json:"successor" example:"/api/jobs/{job_id}" doc:"what to use instead, as in the header Link; null: the operation is not deprecated"`
}

// Storage is what the installation takes on disk.
type Storage struct {
	DatabaseBytes int64  `json:"database_bytes"`
	LogBytes      int64  `json:"log_bytes" doc:"of the database's write-ahead log; 0 on PostgreSQL"`
	Engine        string `json:"engine" doc:"the database and its version"`
	Usage
}

// CrontabInput is a table of cron.
type CrontabInput struct {
	Text     string `json:"text" minLength:"1" maxLength:"262144" doc:"the table, as crontab -l shows it"`
	System   bool   `json:"system,omitempty" doc:"it has a column for the user, as /etc/crontab"`
	Prefix   string `json:"prefix,omitempty" maxLength:"60" doc:"goes before each name"`
	Timezone string `json:"timezone,omitempty" maxLength:"100" doc:"IANA zone of the table, unless CRON_TZ in it says otherwise; the server's if absent"`
	Home     string `json:"home,omitempty" maxLength:"500" doc:"folder in which commands begin, unless HOME in the table says otherwise"`
}

// CrontabPlan is what would be made of a table.
type CrontabPlan struct {
	Items   []CrontabLine   `json:"items" doc:"by line"`
	Remarks []CrontabRemark `json:"remarks" doc:"about settings of the table, such as MAILTO, by line; those about entries are with them"`
}

// CrontabRemark is something to be said of a line of a table.
type CrontabRemark struct {
	Line   int               `json:"line" doc:"from 1"`
	Column *int              `json:"column" doc:"in characters, from 1; null: it is about the whole line"`
	Code   string            `json:"code" doc:"stable, for programs; another version may have more" enum:"not_utf8,nul_character,every_incomplete,fields_missing,fields_too_many,value_invalid,range_backwards,macro_unknown,time_invalid,user_missing,user_empty,command_missing,zone_unknown,zone_unknown_above,delay_invalid,path_not_absolute,name_invalid,line_not_ended,other_user,system_table,home_needed,number_fixed,step_ambiguous,step_too_large,zone_of_commands,nothing_mailed,setting_without_effect,never_fires,at_server_start"`
	Values map[string]string `json:"values" doc:"what the text speaks of, by name, such as the item at fault, so that a program can say it in its own words"`
	Text   string            `json:"text" doc:"for people, in English"`
}

// CrontabRemarkOf shows a remark; column 0 is the whole line.
func CrontabRemarkOf(line, column int, r crontab.Remark) CrontabRemark {
	out := CrontabRemark{Line: line, Code: string(r.Code), Values: r.Values, Text: r.Text}
	if column > 0 {
		out.Column = &column
	}
	if out.Values == nil {
		out.Values = map[string]string{}
	}
	return out
}

// CrontabLine is a line of a table and the schedule for it.
type CrontabLine struct {
	Line      int             `json:"line"`
	Status    string          `json:"status" enum:"new,exists,unreadable" doc:"exists: there is a schedule of this name"`
	Name      *string         `json:"name"`
	Command   *string         `json:"command"`
	User      *string         `json:"user"`
	Summary   *string         `json:"summary" doc:"when it fires, in words"`
	NextRunAt *time.Time      `json:"next_run_at"`
	Warnings  []string        `json:"warnings" doc:"the texts of remarks"`
	Remarks   []CrontabRemark `json:"remarks" doc:"what is not as it was under cron"`
	Error     *string         `json:"error" doc:"why it cannot be read, with its place"`
	Problem   *CrontabRemark  `json:"problem" doc:"the same for programs"`
	Schedule  *ScheduleInput  `json:"schedule" doc:"body of POST /api/schedules that makes it, paused"`
}

// Demo says what the demonstration is made of.
type Demo struct {
	Templates []string `json:"templates" doc:"names"`
	Jobs      []string `json:"jobs" doc:"ids of those that wait or run, 100 at most"`
	Workflows []string `json:"workflows" doc:"ids"`
}

// WorkflowItem is one item of a map.
type WorkflowItem struct {
	Index   int     `json:"index" doc:"from 0"`
	Status  string  `json:"status" enum:"pending,running,completed,failed" doc:"running is known only of items that a crash must not repeat"`
	Code    *string `json:"code" doc:"why it failed"`
	Message *string `json:"message"`
}

// WorkflowItemList is one page of a map's items.
type WorkflowItemList struct {
	Items      []WorkflowItem `json:"items"`
	Total      int            `json:"total" doc:"all items of the map"`
	Processed  int            `json:"processed"`
	Failed     int            `json:"failed"`
	NextCursor *string        `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// TargetKind is what a schedule starts, the zero value where that cannot be told
// without its template.
func TargetKind(t agenda.Target) store.Kind {
	var inline struct {
		JobType    string `json:"job_type"`
		TemplateID string `json:"template_id"`
	}
	switch {
	case t.WorkflowID != "":
		return store.Kind{JobType: workflowType}
	case len(t.Job) > 0 && json.Unmarshal(t.Job, &inline) == nil && inline.TemplateID == "":
		return store.Kind{JobType: inline.JobType}
	}
	return store.Kind{}
}
