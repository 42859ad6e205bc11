package wire

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// The shapes of the legacy endpoints. They are frozen: no field is renamed,
// removed or given another meaning. See docs/legacy.md.

// LegacyState is how the legacy endpoints show a state.
type LegacyState struct {
	Status string // pending, queued, running, completed, cancelled
	Result string // success, failed, skipped; "" = there is none
}

// legacyWaits is the status of what would be queued, but is held or waits for its
// time.
const legacyWaits = "pending"

// LegacyStateOf is the one table that translates states of jobs, runs and groups
// into the vocabulary of the legacy endpoints. An unknown state is the zero
// value. Whether a queued job is pending instead, its state alone does not say:
// see LegacyJobState.
func LegacyStateOf(state string) LegacyState {
	switch state {
	case string(job.Queued), string(job.GroupPending):
		return LegacyState{Status: "queued"}
	case string(job.Running), string(run.Active): // a group's RUNNING is the same text
		return LegacyState{Status: "running"}
	case string(job.Completed): // and a run's and a group's
		return LegacyState{Status: "completed", Result: "success"}
	case string(job.Failed), string(job.GroupPartial):
		return LegacyState{Status: "completed", Result: "failed"}
	case string(job.Skipped):
		return LegacyState{Status: "completed", Result: "skipped"}
	case string(job.Cancelled):
		return LegacyState{Status: "cancelled"}
	}
	return LegacyState{}
}

// LegacyJobState is the state of j as seen at a time.
func LegacyJobState(j job.Job, now time.Time) LegacyState {
	v := LegacyStateOf(string(j.State))
	if j.State == job.Queued && (j.HeldReason != "" || j.AwaitsApproval() || j.NotBefore.After(now)) {
		v.Status = legacyWaits
	}
	return v
}

// LegacyStatuses lists the statuses of jobs.
func LegacyStatuses() []string {
	return []string{legacyWaits, "queued", "running", "completed", "cancelled"}
}

// LegacyPriority is the number that a priority's name stands for; "" is normal.
func LegacyPriority(name string) int {
	switch name {
	case "high":
		return job.PriorityHigh
	case "low":
		return job.PriorityLow
	}
	return job.PriorityNormal
}

// LegacyPriorityName is the name that is nearest to a priority.
func LegacyPriorityName(priority int) string {
	switch {
	case priority <= (job.PriorityHigh+job.PriorityNormal)/2:
		return "high"
	case priority <= (job.PriorityNormal+job.PriorityLow)/2:
		return "normal"
	}
	return "low"
}

// LegacyJobInput puts a job into the queue.
type LegacyJobInput struct {
	JobType       string   `json:"job_type" minLength:"1" maxLength:"60" example:"command"`
	Params        Object   `json:"params,omitempty"`
	Priority      string   `json:"priority,omitempty" nullable:"true" enum:"high,normal,low" default:"normal" doc:"2, 5 or 8 in the order"`
	GroupID       string   `json:"group_id,omitempty" nullable:"true" maxLength:"100" doc:"add it to this group, which must not have started"`
	Position      *int     `json:"position,omitempty" nullable:"true" minimum:"0" maximum:"1000000000" doc:"number of places before it, in place of what the priority says; not with group_id"`
	MaxRetries    *int     `json:"max_retries,omitempty" nullable:"true" minimum:"0" maximum:"2" doc:"attempts after the first"`
	WebhookURL    string   `json:"webhook_url,omitempty" nullable:"true" maxLength:"2048" doc:"is told how this job fares"`
	WebhookEvents []string `json:"webhook_events,omitempty" nullable:"true" maxItems:"32" doc:"succeeded, failed, skipped, ...; the ends of attempts if absent"`
}

// Job is the same in the words of the API.
func (in LegacyJobInput) Job() JobInput {
	priority := LegacyPriority(in.Priority)
	out := JobInput{JobType: in.JobType, Params: in.Params, Priority: &priority, WebhookURL: in.WebhookURL, WebhookEvents: in.WebhookEvents}
	if in.MaxRetries != nil {
		out.RetryPolicy = &RetryPolicyInput{MaxAttempts: *in.MaxRetries + 1}
	}
	return out
}

// LegacyGroupInput puts a group of jobs into the queue.
type LegacyGroupInput struct {
	Name string           `json:"name" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$"`
	Mode string           `json:"mode,omitempty" enum:"parallel,sequential" default:"parallel"`
	Jobs []LegacyGroupJob `json:"jobs" minItems:"1" maxItems:"500"`
}

// LegacyGroupJob is a member of a new group.
type LegacyGroupJob struct {
	JobType string `json:"job_type" minLength:"1" maxLength:"60" example:"command"`
	Params  Object `json:"params,omitempty"`
}

// LegacyBatchInput puts a group of jobs into the queue: those of the list, or a
// number of stories with the same params.
type LegacyBatchInput struct {
	Jobs   []LegacyGroupJob `json:"jobs,omitempty" maxItems:"500" doc:"either this or count"`
	Count  int              `json:"count,omitempty" minimum:"1" maximum:"500" doc:"of stories; either this or jobs"`
	Params *StoryRequest    `json:"params,omitempty" doc:"of each story, with count only"`
}

// Members are the jobs of the group, or a fault with code invalid_input.
func (in LegacyBatchInput) Members() ([]JobInput, error) {
	if (len(in.Jobs) == 0) == (in.Count == 0) {
		return nil, fault.New(fault.InvalidInput, "a batch needs either jobs or count").
			At("/jobs", "one_of", "give either this or count").At("/count", "one_of", "give either this or jobs")
	}
	var out []JobInput
	if in.Count == 0 {
		if in.Params != nil {
			return nil, fault.New(fault.InvalidInput, "each job of the list has params of its own").At("/params", "not_allowed", "is for count")
		}
		for _, j := range in.Jobs {
			out = append(out, JobInput{JobType: j.JobType, Params: j.Params})
		}
		return out, nil
	}
	story := StoryRequest{}
	if in.Params != nil {
		story = *in.Params
	}
	one := JobInput{JobType: "story", DirectiveID: story.DirectiveID}
	story.DirectiveID = ""
	params, err := json.Marshal(story)
	one.Params = params
	return slices.Repeat([]JobInput{one}, in.Count), err
}

// LegacyMove moves one job.
type LegacyMove struct {
	JobID       string `json:"job_id" maxLength:"100" doc:"id of a waiting job, or of a group"`
	NewPosition int    `json:"new_position" minimum:"0" maximum:"1000000000" doc:"number of places before it; the last place if there are fewer"`
}

// LegacyMoved is what a move did.
type LegacyMoved struct {
	JobID       string `json:"job_id"`
	OldPosition int    `json:"old_position"`
	NewPosition int    `json:"new_position"`
}

// LegacyOrder gives several jobs another order among themselves.
type LegacyOrder struct {
	Order []string `json:"order" minItems:"1" maxItems:"10000" doc:"ids of jobs and groups; they take, in this order, the places that they have together"`
}

// LegacyOrdered is what a new order did.
type LegacyOrdered struct {
	Reordered int      `json:"reordered"`
	Ignored   []string `json:"ignored" doc:"ids of what does not wait any more, or is not there"`
}

// LegacyQueued is a job that was put into the queue.
type LegacyQueued struct {
	JobID         string    `json:"job_id" example:"job_01jh0000000000000000000000"`
	Status        string    `json:"status" enum:"pending,queued"`
	Position      int       `json:"position" doc:"number of places before it; a group is one place"`
	EstimatedWait *Duration `json:"estimated_wait" nullable:"true" doc:"null while unknown"`
}

// LegacyGroupQueued is a group that was put into the queue.
type LegacyGroupQueued struct {
	GroupID  string   `json:"group_id" example:"group_01jh0000000000000000000000"`
	JobIDs   []string `json:"job_ids" doc:"in list order"`
	Status   string   `json:"status" enum:"queued"`
	Position int      `json:"position"`
}

// LegacyCancelled is what a removal from the queue did.
type LegacyCancelled struct {
	JobID          string `json:"job_id"`
	PreviousStatus string `json:"previous_status" enum:"pending,queued,running"`
	NewStatus      string `json:"new_status" enum:"running,completed,cancelled" doc:"running: it was asked to stop and has not ended yet"`
}

// LegacyRunningJob is a job that runs now.
type LegacyRunningJob struct {
	JobID     string    `json:"job_id"`
	JobType   string    `json:"job_type"`
	StartedAt time.Time `json:"started_at"`
	Progress  *string   `json:"progress" doc:"the stage that it is in, in its own words; null if it said nothing"`
}

// LegacyGroup is a group that runs now.
type LegacyGroup struct {
	GroupID       string     `json:"group_id"`
	Name          string     `json:"name"`
	Mode          string     `json:"mode" enum:"parallel,sequential"`
	Status        string     `json:"status" enum:"queued,running,completed"`
	StartedAt     *time.Time `json:"started_at"`
	TotalJobs     int        `json:"total_jobs"`
	CompletedJobs int        `json:"completed_jobs" doc:"those that have ended, however"`
	SucceededJobs int        `json:"succeeded_jobs"`
	FailedJobs    int        `json:"failed_jobs"`
}

// LegacyRunning is what runs now.
type LegacyRunning struct {
	Jobs   []LegacyRunningJob `json:"jobs"`
	Groups []LegacyGroup      `json:"groups"`
}

// LegacyPlace is a job that waits.
type LegacyPlace struct {
	JobID    string `json:"job_id"`
	Position *int   `json:"position" doc:"null in the slot of its group"`
	JobType  string `json:"job_type"`
}

// LegacyWaiting is what waits.
type LegacyWaiting struct {
	Total int           `json:"total" doc:"of all waiting jobs"`
	Jobs  []LegacyPlace `json:"jobs" doc:"the first 1000, as they start"`
}

// LegacyDirect is a direct request that waits.
type LegacyDirect struct {
	RunID    string `json:"run_id"`
	Type     string `json:"type" example:"story"`
	Position int    `json:"position"`
}

// LegacyNumbers are numbers about the queue.
type LegacyNumbers struct {
	CompletedToday int       `json:"completed_today"`
	FailedToday    int       `json:"failed_today"`
	AvgWaitTime    *Duration `json:"avg_wait_time" nullable:"true" doc:"of the last 100 starts; null before the first"`
}

// LegacyQueue is the state of the queue.
type LegacyQueue struct {
	Running       LegacyRunning  `json:"running"`
	Queued        LegacyWaiting  `json:"queued"`
	PendingDirect []LegacyDirect `json:"pending_direct"`
	Statistics    LegacyNumbers  `json:"statistics"`
}

// LegacyTotals count the jobs that are kept.
type LegacyTotals struct {
	TotalJobs     int `json:"total_jobs" doc:"that are kept, see docs/retention.md"`
	CompletedJobs int `json:"completed_jobs" doc:"those that have ended, however"`
	SucceededJobs int `json:"succeeded_jobs"`
	FailedJobs    int `json:"failed_jobs"`
	SkippedJobs   int `json:"skipped_jobs"`
	CancelledJobs int `json:"cancelled_jobs"`
}

// LegacyScheduler is the state of the scheduler.
type LegacyScheduler struct {
	State       string       `json:"state" enum:"running,stopped" doc:"stopped: what runs finishes, nothing starts"`
	Workers     int          `json:"workers" doc:"number of slots"`
	RunningJobs int          `json:"running_jobs"`
	QueuedJobs  int          `json:"queued_jobs" doc:"that wait, those held and delayed too"`
	Statistics  LegacyTotals `json:"statistics"`
}

// LegacyMetrics are numbers about the scheduler.
type LegacyMetrics struct {
	State          string       `json:"state" enum:"running,stopped"`
	Workers        int          `json:"workers"`
	RunningJobs    int          `json:"running_jobs"`
	QueuedJobs     int          `json:"queued_jobs"`
	Statistics     LegacyTotals `json:"statistics"`
	CompletedToday int          `json:"completed_today"`
	FailedToday    int          `json:"failed_today"`
	AvgWaitTime    *Duration    `json:"avg_wait_time" nullable:"true" doc:"of the last 100 starts; null before the first"`
	StartedAt      time.Time    `json:"started_at" doc:"of this server"`
	UptimeSeconds  int64        `json:"uptime_seconds"`
}

// LegacyTotalsOf shows the number of jobs in each state.
func LegacyTotalsOf(counts map[job.State]int) LegacyTotals {
	t := LegacyTotals{
		SucceededJobs: counts[job.Completed], FailedJobs: counts[job.Failed], SkippedJobs: counts[job.Skipped], CancelledJobs: counts[job.Cancelled],
	}
	t.CompletedJobs = t.SucceededJobs + t.FailedJobs + t.SkippedJobs + t.CancelledJobs
	t.TotalJobs = t.CompletedJobs + counts[job.Queued] + counts[job.Running]
	return t
}

// LegacyNumbersOf shows statistics.
func LegacyNumbersOf(st store.Statistics) LegacyNumbers {
	out := LegacyNumbers{CompletedToday: st.Completed, FailedToday: st.Failed}
	if st.AverageWait != nil {
		d := Duration(st.AverageWait.Round(time.Second))
		out.AvgWaitTime = &d
	}
	return out
}

// LegacyGroupOf shows g.
func LegacyGroupOf(g job.Group) LegacyGroup {
	return LegacyGroup{
		GroupID: g.ID, Name: g.Name, Mode: string(g.Mode), Status: LegacyStateOf(string(g.State)).Status, StartedAt: instant(g.StartedAt),
		TotalJobs: g.Total, CompletedJobs: g.Ended(), SucceededJobs: g.Succeeded, FailedJobs: g.Failed,
	}
}
