package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// JobMove says where in the order something goes: exactly one of its fields.
type JobMove struct {
	Position *int   `json:"position,omitempty" minimum:"0" maximum:"1000000000" doc:"number of places before it; a group is one place"`
	Before   string `json:"before,omitempty" maxLength:"100" doc:"id of the job or group that comes next"`
	After    string `json:"after,omitempty" maxLength:"100" doc:"id of the job or group that comes just before"`
	Top      bool   `json:"top,omitempty" doc:"to the very front"`
	Bottom   bool   `json:"bottom,omitempty" doc:"to the very end"`
}

// OrderInput changes the order: one job or group that goes to a place; several
// that go there together, in the given order; or, without a place, several that
// take in the given order the places that they have.
type OrderInput struct {
	JobID    string   `json:"job_id,omitempty" maxLength:"100" doc:"id of one job, or of a group; either this or order"`
	Order    []string `json:"order,omitempty" minItems:"1" maxItems:"10000" doc:"ids of jobs and groups; either this or job_id"`
	Position *int     `json:"position,omitempty" minimum:"0" maximum:"1000000000" doc:"number of places before it; a group is one place"`
	Before   string   `json:"before,omitempty" maxLength:"100" doc:"id of the job or group that comes next"`
	After    string   `json:"after,omitempty" maxLength:"100" doc:"id of the job or group that comes just before"`
	Top      bool     `json:"top,omitempty" doc:"to the very front"`
	Bottom   bool     `json:"bottom,omitempty" doc:"to the very end"`
}

// Move is where it goes.
func (in OrderInput) Move() JobMove {
	return JobMove{Position: in.Position, Before: in.Before, After: in.After, Top: in.Top, Bottom: in.Bottom}
}

// Move is where the new job goes.
func (in JobInput) Move() JobMove {
	return JobMove{Position: in.Position, Before: in.Before, After: in.After, Top: in.Top, Bottom: in.Bottom}
}

// OrderChange is what a change of the order did.
type OrderChange struct {
	Revision int64    `json:"revision" doc:"of the order now"`
	Moved    []string `json:"moved" doc:"ids that have a new place, or were named and kept theirs"`
	Ignored  []string `json:"ignored" doc:"ids of what does not wait any more, or is not there"`
	// The rest is about a move of one thing.
	JobID       *string `json:"job_id" doc:"what was moved, when it was one job or group"`
	OldPosition *int    `json:"old_position" doc:"of a move of one; inside the group for a member of a group"`
	NewPosition *int    `json:"new_position" doc:"of a move of one; inside the group for a member of a group"`
	Job         *Job    `json:"job" doc:"the job as it is now, when one was moved; of a group, its first member"`
}

// RunningJob is something that executes now.
type RunningJob struct {
	JobID      *string   `json:"job_id" doc:"null for a direct request"`
	RunID      string    `json:"run_id"`
	Name       string    `json:"name"`
	JobType    string    `json:"job_type"`
	TemplateID *string   `json:"template_id"`
	GroupID    *string   `json:"group_id" doc:"the group in whose slot it runs"`
	Priority   *int      `json:"priority" doc:"null for a direct request"`
	Attempt    int       `json:"attempt"`
	StartedAt  time.Time `json:"started_at"`
	Progress   *Progress `json:"progress"`
	InstanceID *string   `json:"instance_id"`
	// CancelRequestedAt is set while it is being stopped.
	CancelRequestedAt *time.Time `json:"cancel_requested_at" doc:"it is being stopped"`
	Locks             []string   `json:"locks" doc:"which it holds"`
	TypicalMs         *int64     `json:"typical_ms" doc:"how long such runs take: the median of the latest that ended well, of its template, else of its job type if those took about as long; null while unknown"`
	Tokens            Tokens     `json:"tokens"`
}

// WaitingDirect is a direct request that waits for its slot.
type WaitingDirect struct {
	RunID        string     `json:"run_id"`
	Kind         string     `json:"kind" doc:"the work" example:"story"`
	Position     int        `json:"position" doc:"number of direct requests before it"`
	Locks        []string   `json:"locks"`
	CreatedBy    string     `json:"created_by" doc:"who asks"`
	WaitingSince time.Time  `json:"waiting_since"`
	Deadline     *time.Time `json:"deadline" doc:"when it is given up unless it has its slot; null: never"`
}

// QueueGroup is a group of which jobs are on the page.
type QueueGroup struct {
	GroupID     string `json:"group_id" example:"group_01jh0000000000000000000000"`
	Name        string `json:"name"`
	Mode        string `json:"mode" enum:"parallel,sequential"`
	Status      string `json:"status" enum:"PENDING,RUNNING,COMPLETED,PARTIAL"`
	Position    *int   `json:"position" doc:"number of places before it; null when it has its slot"`
	MaxParallel int    `json:"max_parallel"`
	OnFailure   string `json:"on_failure" enum:"stop,continue"`
	Total       int    `json:"total" doc:"number of its jobs"`
	Completed   int    `json:"completed" doc:"those that have ended, however"`
	Succeeded   int    `json:"succeeded"`
	Failed      int    `json:"failed"`
	Skipped     int    `json:"skipped"`
}

// QueueStatistics are numbers about the queue.
type QueueStatistics struct {
	Queued         int       `json:"queued" doc:"jobs that wait; those held and delayed are among them"`
	Held           int       `json:"held"`
	Delayed        int       `json:"delayed" doc:"their time, or that of the next attempt, has not come"`
	Running        int       `json:"running"`
	CompletedToday int       `json:"completed_today" doc:"since midnight in the installation's time zone"`
	FailedToday    int       `json:"failed_today" doc:"since midnight in the installation's time zone"`
	AverageWait    *Duration `json:"average_wait" nullable:"true" doc:"from entering the queue to the start, of the last 100 starts; null before the first"`
}

// QueueState is the queue: what runs, what waits in which order, and how many.
type QueueState struct {
	Seq          int64           `json:"seq" doc:"position in the log of events that is not newer than the answer: follow events since it"`
	Revision     int64           `json:"revision" doc:"of the order: it changes only when a person changes the order. The ETag holds it too"`
	Paused       bool            `json:"paused" doc:"running jobs finish, none starts"`
	PausedBy     *string         `json:"paused_by" doc:"null for other tenants than the default one"`
	PausedReason *string         `json:"paused_reason" doc:"null for other tenants than the default one"`
	Workers      int             `json:"workers" doc:"number of slots"`
	Running      []RunningJob    `json:"running" doc:"in the order in which they started"`
	Direct       []WaitingDirect `json:"direct" doc:"direct requests that wait, first come first"`
	Queued       JobList         `json:"queued" doc:"one page of the order"`
	Groups       []QueueGroup    `json:"groups" doc:"the groups of the jobs that run or are on the page"`
	Statistics   QueueStatistics `json:"statistics" doc:"may be some seconds old"`
	DrainedAt    *time.Time      `json:"drained_at" doc:"when the last of the waiting jobs is likely to start; held ones do not count; null while unknown, and when none waits"`
	Drained      *StartRange     `json:"drained_range" doc:"four of five times it lies in this"`
}

// RunningJobOf shows an attempt. j is its job, the zero value for a direct
// request.
func RunningJobOf(v run.Run, j job.Job) RunningJob {
	out := RunningJob{
		JobID: str(v.JobID), RunID: v.ID, Name: v.JobName, JobType: v.JobType, TemplateID: str(v.TemplateID), GroupID: str(v.GroupID),
		Attempt: v.Attempt, StartedAt: v.StartedAt.UTC(), Progress: progress(v.Result.Progress), InstanceID: str(v.Instance),
		CancelRequestedAt: instant(j.CancelAskedAt), Locks: []string{}, Tokens: tokens(v.Result.Tokens),
	}
	if j.ID != "" {
		out.Priority, out.GroupID = &j.Priority, str(j.GroupID)
	}
	return out
}

// QueueGroupOf shows a group. position is that of its place.
func QueueGroupOf(g job.Group, position *int) QueueGroup {
	if g.State != job.GroupPending {
		position = nil
	}
	return QueueGroup{
		GroupID: g.ID, Name: g.Name, Mode: string(g.Mode), Status: string(g.State), Position: position, MaxParallel: g.MaxParallel,
		OnFailure: string(g.OnFailure), Total: g.Total, Completed: g.Ended(), Succeeded: g.Succeeded, Failed: g.Failed, Skipped: g.Skipped,
	}
}

// QueueStatisticsOf shows statistics.
func QueueStatisticsOf(st store.Statistics) QueueStatistics {
	out := QueueStatistics{
		Queued: st.Queued, Held: st.Held, Delayed: st.Delayed, Running: st.Running, CompletedToday: st.Completed, FailedToday: st.Failed,
	}
	if st.AverageWait != nil {
		d := Duration(*st.AverageWait)
		out.AverageWait = &d
	}
	return out
}
