// Package job is the domain of the queue: what a job and its template are,
// which states a job goes through, and what each event does to it.
//
// Everything here is pure: functions take the time and return values. A job is
// changed only by Apply, which turns an event into a Change; the store carries
// the Change out as a compare-and-swap. The package does not know how jobs are
// stored, shown or executed.
package job

import (
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/fsm"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/run"
)

// Priority bounds: an integer in which lower is sooner.
const (
	PriorityHigh   = 2
	PriorityNormal = 5
	PriorityLow    = 8
	PriorityMin    = 0
	PriorityMax    = 9
)

// PoisonCrashes is the number of server crashes in a row, without durable
// progress in between, after which a job is held instead of started again.
const PoisonCrashes = 3

// CrashPolicy says what becomes of an attempt whose instance died.
type CrashPolicy string

// The crash policies.
const (
	// CrashFail ends the job FAILED with code interrupted.
	CrashFail CrashPolicy = "fail"
	// CrashRetry puts the job back at its old place; no attempt is consumed.
	CrashRetry CrashPolicy = "retry"
	// CrashAsk ends the job FAILED with code outcome_unknown: a person decides.
	CrashAsk CrashPolicy = "ask"
	// CrashResume puts the job into the lane of resumed runs, and its run goes on as
	// the same attempt. Only durable job types have it, and they have no other: they
	// also end by themselves after a cancel, and can be parked.
	CrashResume CrashPolicy = "resume"
)

// Trigger says what put the job into the queue.
type Trigger string

// The triggers of this release.
const (
	TriggerAPI    Trigger = "api"    // a program, by the API
	TriggerManual Trigger = "manual" // a person, by CLI or UI
	TriggerRetry  Trigger = "retry"  // a retry of an earlier run
	TriggerGroup  Trigger = "group"  // as a member of a group
	// TriggerSchedule is a schedule. Such jobs enter behind the manual ones of
	// their priority.
	TriggerSchedule Trigger = "schedule"
	// TriggerDirect is a direct request, which has a run but no job.
	TriggerDirect Trigger = "direct"
	// TriggerWorkflow is a node of a workflow.
	TriggerWorkflow Trigger = "workflow"
)

// Codes of failures that the queue itself gives. Job types add their own, for
// example exit_nonzero.
const (
	CodeCancelled      = "cancelled"
	CodeInterrupted    = "interrupted"
	CodeOutcomeUnknown = "outcome_unknown"
	CodeTimeout        = "timeout"
	CodePanic          = "panic"
)

// Reasons for which the queue itself skips a job.
const (
	ReasonDeadline     = "deadline"      // it had not started by its start deadline
	ReasonGroupStopped = "group_stopped" // an earlier member of its group did not succeed
)

// Failure is why an attempt or a job ended badly.
type Failure = run.Failure

// Job is one thing that waits in, or was taken from, the queue. Everything
// that a template said was copied in at creation: later changes of the template
// do not reach it.
type Job struct {
	ID     string
	Tenant string
	State  State
	// Version counts the changes of this row; a Change names the one it saw.
	Version int64

	Name            string
	Type            string
	Params          []byte // JSON object
	TemplateID      string // "" for an inline job
	TemplateVersion int
	// Directive is the version that was current when the job was added.
	Directive run.Directive
	Retry     Retry
	Timeout   time.Duration // of one attempt; 0 = none
	Locks     []string      // sorted, no duplicates
	OnCrash   CrashPolicy
	Labels    map[string]string
	Trigger   Trigger
	CreatedBy string
	RetryOf   string // run id, "" unless Trigger is retry

	// Priority is where the job went when it was added: behind the others of its
	// priority. It is not a second order.
	Priority int
	// Rank is the place in the one order of all waiting jobs. The store gives it,
	// and keeps it while the job is not in the queue, so that it can come back.
	Rank rank.Rank
	// GroupID is the group that the job is a member of, "" = none.
	GroupID string
	// GroupActive says that its group has begun: the job waits inside the group's
	// slot and has no place of its own in the order.
	GroupActive bool
	Limits      Limits
	// UniqueKey is what Unique computed from the params, "" = may be repeated.
	UniqueKey string
	// StartDeadline is when a job that has never started is skipped; zero = never.
	StartDeadline time.Time
	// Webhook is who hears of the job; the zero value is nobody.
	Webhook Webhook
	// NotBefore is the time before which the job must not start; zero = now.
	NotBefore time.Time
	// HeldReason is why the job is held; "" = it is not.
	HeldReason string
	// HeldBy is who holds it; "" = it is not held, or the server does.
	HeldBy string
	// ApprovalID is the approval without which the job must not start, "" = it needs
	// none. It stays when the approval is given.
	ApprovalID string
	// ApprovalUntil is when the approval expires, while the job waits for it; zero =
	// it does not. A job that ended while it waited keeps it.
	ApprovalUntil time.Time

	// Resuming says that the job's run has begun and goes on when the job is claimed:
	// RunID is still active, and the claim makes no new attempt.
	Resuming bool
	// Parked is what a resuming job waits for outside of the order; "" = it is not
	// parked. It is woken by that, or when NotBefore comes.
	Parked string
	// ResumeLocks are what the run needs beside Locks in order to go on, sorted. A claim
	// takes them, and they stay as they are until the run leaves its slot.
	ResumeLocks []string

	Attempt  int    // number of the current or last attempt, from 1; 0 = none yet
	Failures int    // attempts that count against Retry.MaxAttempts
	Crashes  int    // server crashes in a row during this job
	RunID    string // current or last run
	Instance string // holder of the running attempt, "" otherwise
	Epoch    int64  // fencing token of the current or last attempt
	// CancelAskedAt is when a person asked the running attempt to stop.
	CancelAskedAt time.Time
	CancelledBy   string
	Failure       Failure

	CreatedAt  time.Time
	QueuedAt   time.Time // when it last entered the queue
	StartedAt  time.Time // start of the current or last attempt
	FinishedAt time.Time
}

// Change is what an event does to a job. The store carries it out only if the
// row still has Before's version, state and epoch; otherwise nothing happens
// and the store returns a conflict.
type Change struct {
	Before Job
	After  Job
	Emit   []event.Event
}

// demand says, for people, to which jobs an event that was refused can happen.
func demand(ev any) string {
	switch ev.(type) {
	case Held:
		return "only a job that waits can be held"
	case Released:
		return "only a job that waits can be released"
	case Edited:
		return "only a job that waits can be changed, and when a run goes on that has begun is for the run to say"
	case Placed:
		return "only a job that waits can be moved"
	case Restored:
		return "only a cancelled job that never started, is in no group and waited for no approval can be restored"
	case Dropped:
		return "only a job that waits can be skipped, and not when its run has begun"
	case Approved, Rerequested:
		return "only a job that waits for an approval can be approved"
	}
	return fmt.Sprintf("%T does not apply", ev)
}

// Apply turns an event into a change, or into a fault with code
// already_finished (the job has ended) or conflict (the event does not fit).
// It is pure and leaves j alone.
func Apply(j Job, ev any) (Change, error) {
	to, c, err := Table.Apply(j, ev)
	if err != nil {
		if j.State.Terminal() {
			why := ""
			if _, is := ev.(Restored); is {
				why = "; " + demand(ev)
			}
			return Change{}, fault.Newf(fault.AlreadyFinished, "job %s is %s%s", j.ID, j.State, why)
		}
		var r *fsm.Rejected
		if asRejected(err, &r) {
			return Change{}, fault.Newf(fault.Conflict, "job %s is %s; %s", j.ID, j.State, demand(ev))
		}
		return Change{}, err
	}
	c.Before = j
	c.After.State = to
	c.After.Version = j.Version + 1
	for i := range c.Emit {
		c.Emit[i].Tenant = j.Tenant
		c.Emit[i].JobID = j.ID
	}
	return c, nil
}
