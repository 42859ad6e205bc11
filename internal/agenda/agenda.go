// Package agenda decides what becomes of the nominals of a schedule: which of
// them fire, which are skipped and why, what happens to runs that are still
// open, and when to look again. The law is docs/schedules.md, "Overlap" to
// "Other controls".
//
// It is pure. Package schedule says when a trigger's nominals are; Plan takes
// those between the cursor and now, the runs that are open, and returns
// decisions with the state that follows. The store writes all of it in one
// transaction, so that every nominal is decided exactly once.
package agenda

import (
	"encoding/json"
	"time"

	"github.com/runsheet/runsheet/internal/schedule"
)

// Overlap says what a nominal does that is due while a run of its schedule is
// open: queued, running or waiting.
type Overlap string

// The overlap policies.
const (
	// OverlapSkip skips the nominal; it is the default.
	OverlapSkip Overlap = "skip"
	// OverlapQueueOne lets one run wait and skips what comes later.
	OverlapQueueOne Overlap = "queue_one"
	// OverlapQueueLatest lets one run wait, which a later one replaces.
	OverlapQueueLatest Overlap = "queue_latest"
	// OverlapQueueAll lets up to Policy.MaxQueued runs wait in nominal order.
	OverlapQueueAll Overlap = "queue_all"
	// OverlapCancelRunning asks what is open to stop; the new run starts after it
	// has ended.
	OverlapCancelRunning Overlap = "cancel_running"
	// OverlapAllow runs beside what is open.
	OverlapAllow Overlap = "allow"
)

// Overlaps lists the policies.
func Overlaps() []Overlap {
	return []Overlap{OverlapSkip, OverlapQueueOne, OverlapQueueLatest, OverlapQueueAll, OverlapCancelRunning, OverlapAllow}
}

// Missed says what happens to nominals that are decided more than the grace
// after they were due.
type Missed string

// The answers. MissedDefault is MissedLatest, but MissedSkip for a nominal of a
// market whose session has closed since.
const (
	MissedDefault  Missed = ""
	MissedSkip     Missed = "skip"
	MissedLatest   Missed = "latest"
	MissedEarliest Missed = "earliest"
	MissedAll      Missed = "all"
)

// MissedPolicies lists the answers that a user may give.
func MissedPolicies() []Missed {
	return []Missed{MissedSkip, MissedLatest, MissedEarliest, MissedAll}
}

// From says what the minimum interval counts from.
type From string

// FromStart counts from the start of the last run, FromEnd from its end.
const (
	FromStart From = ""
	FromEnd   From = "end"
)

// Defaults of a Policy.
const (
	DefaultGrace         = 60 * time.Second
	DefaultCatchUpWindow = 24 * time.Hour
	DefaultMaxCatchUp    = 100
	DefaultMaxQueued     = 100
)

// Policy is how a schedule treats its nominals. Its bounds are in Validate;
// NewPolicy has the defaults.
type Policy struct {
	Overlap Overlap
	// MaxQueued bounds OverlapQueueAll.
	MaxQueued int
	// MaxParallel bounds OverlapAllow; 0 = no bound. More runs wait in the queue.
	MaxParallel int

	Missed Missed
	// Grace is how late a decision may be without the nominal counting as missed.
	Grace time.Duration
	// CatchUpWindow is how old a missed nominal may be; 0 = none is made up.
	CatchUpWindow time.Duration
	// MaxCatchUp bounds MissedAll.
	MaxCatchUp int

	// MinInterval is the least time between two runs; 0 = none.
	MinInterval     time.Duration
	MinIntervalFrom From
	// Jitter and Offset are bounds of the delays of schedule.Due.
	Jitter, Offset time.Duration
	// StartDeadline is how long after it was due a run may wait for its start; 0 =
	// as long as it takes.
	StartDeadline time.Duration
	// PauseOnFailure is after how many failed runs in a row the schedule is
	// paused; 0 = never.
	PauseOnFailure int
	// MaxRuns is how many nominals fire at all; 0 = no bound.
	MaxRuns int
}

// NewPolicy returns the defaults.
func NewPolicy() Policy {
	return Policy{
		Overlap: OverlapSkip, MaxQueued: DefaultMaxQueued, Grace: DefaultGrace,
		CatchUpWindow: DefaultCatchUpWindow, MaxCatchUp: DefaultMaxCatchUp,
	}
}

// Mode says whether a fired job waits for an approval.
type Mode string

// The modes.
const (
	ModeAuto     Mode = "AUTO"
	ModeApproval Mode = "APPROVAL_REQUIRED"
)

// Status is whether a schedule fires.
type Status string

// The statuses. Active ones fire; Paused ones do when a person resumes them;
// Finished ones have no nominal left and never fire again unless they are edited.
const (
	Active   Status = "ACTIVE"
	Paused   Status = "PAUSED"
	Finished Status = "FINISHED"
)

// Statuses lists them.
func Statuses() []Status { return []Status{Active, Paused, Finished} }

// Reason is why a nominal was skipped. Those that a trigger knows are
// schedule.Skip's.
type Reason string

// The reasons of a schedule.
const (
	ReasonOverlap      Reason = "overlap"
	ReasonSuperseded   Reason = "superseded"
	ReasonBufferFull   Reason = "buffer_full"
	ReasonMissed       Reason = "missed"
	ReasonMissedWindow Reason = "missed_window"
	ReasonCoalesced    Reason = "coalesced"
	ReasonCatchUpLimit Reason = "catch_up_limit"
	ReasonMinInterval  Reason = "min_interval"
	ReasonDeadline     Reason = "deadline"
	ReasonPaused       Reason = "paused"
	// ReasonRequested: a person asked to skip it.
	ReasonRequested Reason = "requested"
	// ReasonTarget: its job could not be made, for example because the template is
	// archived.
	ReasonTarget Reason = "target"
	// ReasonUnique: an equal job is there, and its template wants only one.
	ReasonUnique Reason = "unique"
	// ReasonLoop: it was set off by a chain of more than MaxDepth schedules.
	ReasonLoop Reason = "loop"
)

// Source is what made a run.
type Source string

// The sources.
const (
	SourceSchedule Source = "schedule"
	SourceCatchUp  Source = "catch_up"
	SourceBackfill Source = "backfill"
	SourceManual   Source = "manual"
	SourceEvent    Source = "event"
)

// Sources lists them.
func Sources() []Source {
	return []Source{SourceSchedule, SourceCatchUp, SourceBackfill, SourceManual, SourceEvent}
}

// counts reports whether a run counts as one that its nominal made.
func (s Source) counts() bool { return s != SourceManual && s != SourceBackfill }

// Target is what a schedule starts: one of its fields is set.
type Target struct {
	TemplateID string `json:"template_id,omitempty"`
	WorkflowID string `json:"workflow_id,omitempty"`
	// Inputs is a JSON object for the workflow, or params over the template's.
	Inputs json.RawMessage `json:"inputs,omitempty"`
	// Job is the JSON text of an inline job, as the API takes it.
	Job json.RawMessage `json:"job,omitempty"`
}

// Definition is what a person says of a schedule. Each change of it is a new
// version.
type Definition struct {
	Name        string
	Description string
	// Trigger is the API's canonical JSON text of the trigger with its calendars
	// and bounds. Only who compiles it reads it.
	Trigger []byte
	// Zone is the IANA name that the trigger goes by.
	Zone string
	// UsesCalendar says that a change of the tenant's calendars can move nominals.
	UsesCalendar bool
	Target       Target
	Mode         Mode
	Policy       Policy
	Labels       map[string]string
	// On is what the trigger waits for besides its times; see OnOf. The zero value is
	// nothing. It is only that of the current version, and planners correct it.
	On On
}

// Schedule is a stored schedule.
type Schedule struct {
	ID, Tenant string
	// Version counts the changes of Definition from 1.
	Version int
	Definition
	State     State
	CreatedBy string
	// ChangedBy is who made this version.
	ChangedBy string
	CreatedAt time.Time
	UpdatedAt time.Time
	// ClaimedBy and ClaimedUntil tell which planner decides about it now.
	ClaimedBy    string
	ClaimedUntil time.Time
}

// State is what the decisions so far have led to. Times are UTC in whole
// milliseconds.
type State struct {
	Status Status `json:"status"`
	// StatusReason, StatusBy and StatusRun tell why a schedule is paused or
	// finished; StatusRun is a job's id.
	StatusReason string `json:"status_reason,omitempty"`
	StatusBy     string `json:"status_by,omitempty"`
	StatusRun    string `json:"status_run,omitempty"`
	// Cursor is the last nominal that was decided, or when counting began.
	Cursor time.Time `json:"-"`
	// Next is when the first nominal behind the cursor is due; zero = there is
	// none to wait for. NextNominal is that nominal.
	Next        time.Time `json:"-"`
	NextNominal time.Time `json:"next_nominal,omitzero"`
	// AwaitsEnd: the next nominal follows from the end of the open run.
	AwaitsEnd bool `json:"-"`
	// PausedFrom and PausedUntil are a pause that has ended, whose nominals are
	// still to be recorded; only PausedFrom is set while it lasts.
	PausedFrom  time.Time `json:"paused_from,omitzero"`
	PausedUntil time.Time `json:"paused_until,omitzero"`
	// SkipNext are nominals that a person does not want.
	SkipNext []time.Time `json:"skip_next,omitempty"`
	// CatchingUp: a stretch of missed nominals is decided in parts, and one of it
	// has fired.
	CatchingUp bool `json:"catching_up,omitempty"`
	// Runs is the number of nominals that fired, RunCount that of all runs.
	Runs     int `json:"runs,omitempty"`
	RunCount int `json:"run_count,omitempty"`
	// Failures is the number of failed runs in a row.
	Failures int `json:"failures,omitempty"`
	// Last is the run that was made last.
	Last Run `json:"last,omitzero"`
	// LastEnd is when a run ended last.
	LastEnd time.Time `json:"last_end,omitzero"`
	// LastSkip is the row of the history that the next nominal continues if it is
	// skipped for the same reason.
	LastSkip Stretch `json:"last_skip,omitzero"`
	// Skips counts the skipped nominals by reason.
	Skips map[Reason]int64 `json:"skips,omitempty"`
	// Calendars is the version of the tenant's calendars that Next comes from.
	Calendars int64 `json:"calendars,omitempty"`
}

// Stretch names a row of skipped nominals: the first of them and the reason.
type Stretch struct {
	First  time.Time `json:"first"`
	Reason Reason    `json:"reason"`
}

// RunStatus is how far a run is, seen from its schedule.
type RunStatus string

// The statuses of runs. A run that was dropped from the queue, also by its
// deadline, is skipped.
const (
	RunQueued    RunStatus = "QUEUED"
	RunRunning   RunStatus = "RUNNING"
	RunCompleted RunStatus = "COMPLETED"
	RunFailed    RunStatus = "FAILED"
	RunSkipped   RunStatus = "SKIPPED"
	RunCancelled RunStatus = "CANCELLED"
	// RunGone: its job was removed.
	RunGone RunStatus = "GONE"
)

// Open reports whether a run in s has not ended.
func (s RunStatus) Open() bool { return s == RunQueued || s == RunRunning }

// Run is a fired nominal, or a run that a person started.
type Run struct {
	JobID   string    `json:"job_id,omitempty"`
	Nominal time.Time `json:"nominal,omitzero"`
	// Again tells runs of one nominal apart: 0 is the one that its schedule made.
	Again int       `json:"again,omitempty"`
	Due   time.Time `json:"due,omitzero"`
	// PlannedAt is the earliest start: due, or when it was decided if that was late,
	// or later for the sake of the minimum interval.
	PlannedAt time.Time `json:"planned_at,omitzero"`
	DecidedAt time.Time `json:"decided_at,omitzero"`
	Source    Source    `json:"source,omitempty"`
	Status    RunStatus `json:"status,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Reason is why a run with the status SKIPPED was.
	Reason Reason `json:"reason,omitempty"`
}

// Decision is what becomes of a nominal, or of a stretch of skipped ones.
type Decision struct {
	Nominal time.Time
	// Previous is the nominal before, zero if there is none: together they are the
	// interval of data that a run is about.
	Previous time.Time
	Due      time.Time
	// Fire: a run is made. Reason is set otherwise.
	Fire   bool
	Source Source
	// NotBefore and StartDeadline are the job's; zero = none.
	NotBefore, StartDeadline time.Time
	// Serial: the run must not overlap with others of its schedule.
	Serial bool
	// Again: it runs also if its nominal has fired.
	Again bool

	Reason Reason
	// Last and Count belong to a stretch: Nominal is its first.
	Last  time.Time
	Count int64
	// Extends: the stretch continues one that is in the history, with the first
	// nominal and reason of Nominal and Reason; Count is what comes to it.
	Extends bool
	Marks   schedule.Marks
}

// Outcome is what Plan returns.
type Outcome struct {
	Decisions []Decision
	// Closed are runs that had ended; their status is recorded.
	Closed []Run
	// Cancel are jobs to be asked to stop, Supersede waiting ones to be dropped.
	Cancel, Supersede []string
	// State is that which follows.
	State State
	// Before is the run that was the last one before this decision.
	Before Run
	// More: the due nominals were too many for one decision; ask again at once.
	More bool
}

// LockName is the resource lock that keeps the runs of a schedule apart: those
// whose Decision is Serial have it. It has MaxParallel units.
func LockName(scheduleID string) string { return "schedule:" + scheduleID }

// Input returns the target as a body of POST /api/jobs.
func (t Target) Input() (json.RawMessage, error) {
	switch {
	case t.WorkflowID != "":
		params := map[string]any{"workflow_id": t.WorkflowID}
		if len(t.Inputs) > 0 {
			params["inputs"] = t.Inputs
		}
		return json.Marshal(map[string]any{"job_type": "workflow", "params": params})
	case len(t.Job) > 0:
		return t.Job, nil
	}
	return json.Marshal(struct {
		TemplateID string          `json:"template_id"`
		Params     json.RawMessage `json:"params,omitempty"`
	}{t.TemplateID, t.Inputs})
}
