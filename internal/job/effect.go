package job

import (
	"errors"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fsm"
)

// This file holds the guards and effects that state.go names. A guard reads
// the job and the event; an effect writes the job that follows and the events
// that are announced with it. Apply completes ids, state and version.

func asRejected(err error, r **fsm.Rejected) bool { return errors.As(err, r) }

func notHeld(j Job, _ Claimed) bool {
	return j.HeldReason == "" && j.Parked == "" && j.ApprovalUntil.IsZero()
}

func waitsForApproval(j Job, _ Approved) bool { return j.AwaitsApproval() }
func stillWaits(j Job, _ Rerequested) bool    { return j.AwaitsApproval() }

func brokeCancelled(j Job, _ Broke) bool       { return !j.CancelAskedAt.IsZero() }
func crashCancelled(j Job, _ Interrupted) bool { return !j.CancelAskedAt.IsZero() }
func returnCancelled(j Job, _ Returned) bool   { return !j.CancelAskedAt.IsZero() }
func crashRetry(j Job, _ Interrupted) bool     { return j.OnCrash == CrashRetry }
func attemptsLeft(j Job, e Broke) bool {
	return !e.Fatal && j.Retry.Allows(j.Failures+1, e.Failure.Code)
}
func emit(t event.Type, at time.Time) event.Event { return event.Event{Type: t, At: at} }

func claim(j Job, e Claimed, c *Change) {
	j.Instance, j.Epoch = e.Instance, e.Epoch
	if !j.Resuming {
		j.Attempt++
		j.RunID, j.StartedAt = e.RunID, e.At
	}
	started := event.Event{
		Type: event.JobStarted, At: e.At, RunID: j.RunID,
		Data: map[string]string{"attempt": strconv.Itoa(j.Attempt)},
	}
	if j.Resuming {
		started.Data["resumed"] = "true"
	}
	j.Resuming = false
	j.NotBefore = time.Time{}
	j.Failure = Failure{}
	c.After = j
	c.Emit = []event.Event{started}
}

// leave is common to every end of an attempt, and to what interrupts one.
func leave(j Job) Job {
	j.Instance, j.ResumeLocks = "", nil
	return j
}

// finish ends the job for good.
func finish(j Job, at time.Time) Job {
	j = leave(j)
	j.FinishedAt = at
	j.Resuming, j.Parked = false, ""
	return j
}

func succeed(j Job, e Succeeded, c *Change) {
	c.After = finish(j, e.At)
	c.Emit = []event.Event{runEvent(j, event.JobRunCompleted, e.At, "")}
}

func pass(j Job, e Passed, c *Change) {
	c.After = finish(j, e.At)
	skipped := runEvent(j, event.JobRunSkipped, e.At, "")
	skipped.Data = map[string]string{"reason": e.Reason}
	c.Emit = []event.Event{skipped}
}

func fail(j Job, e Broke, c *Change) {
	n := finish(j, e.At)
	n.Failures++
	n.Failure = e.Failure
	c.After = n
	c.Emit = []event.Event{runEvent(j, event.JobRunFailed, e.At, e.Failure.Code)}
}

func retry(j Job, e Broke, c *Change) {
	n := leave(j)
	n.Failures++
	n.Crashes = 0
	n.Failure = e.Failure
	n.NotBefore = e.At.Add(max(e.After, j.Retry.Delay(n.Failures, e.Jitter)))
	n.QueuedAt = e.At
	c.After = n
	c.Emit = []event.Event{
		runEvent(j, event.JobRunFailed, e.At, e.Failure.Code),
		emit(event.JobQueued, e.At),
	}
}

func stop(j Job, e Broke, c *Change) { cancelled(j, e.At, CodeCancelled, c) }

func stopCrashed(j Job, e Interrupted, c *Change) { cancelled(j, e.At, CodeCancelled, c) }

func stopReturned(j Job, e Returned, c *Change) { cancelled(j, e.At, CodeCancelled, c) }

func cancelled(j Job, at time.Time, code string, c *Change) {
	n := finish(j, at)
	n.Failure = Failure{}
	c.After = n
	c.Emit = []event.Event{runEvent(j, event.JobRunFailed, at, code), emit(event.JobCancelled, at)}
}

func withdraw(j Job, e CancelAsked, c *Change) {
	n := finish(j, e.At)
	n.CancelAskedAt, n.CancelledBy = e.At, e.By
	c.After = n
	c.Emit = []event.Event{emit(event.JobCancelled, e.At)}
}

func askCancel(j Job, e CancelAsked, c *Change) {
	c.After = j
	if j.CancelAskedAt.IsZero() {
		c.After.CancelAskedAt, c.After.CancelledBy = e.At, e.By
		c.Emit = []event.Event{emit(event.JobCancelAsked, e.At)}
	}
}

func requeueCrashed(j Job, e Interrupted, c *Change) {
	n := leave(j)
	n.Crashes++
	n.QueuedAt = e.At
	n.Failure = Failure{Code: CodeInterrupted, Message: InterruptedMessage}
	c.Emit = []event.Event{runEvent(j, event.JobRunFailed, e.At, CodeInterrupted), emit(event.JobQueued, e.At)}
	poison(n, e.At, c)
}

// poison holds a job that crashed the server too often.
func poison(n Job, at time.Time, c *Change) {
	if n.Crashes >= PoisonCrashes {
		n.HeldReason = "the server crashed " + strconv.Itoa(n.Crashes) + " times in a row while this job ran"
		c.Emit = append(c.Emit, emit(event.JobHeld, at))
	}
	c.After = n
}

// InterruptedMessage is what a person reads on an attempt that a crash ended.
const InterruptedMessage = "interrupted by server restart"

func failCrashed(j Job, e Interrupted, c *Change) {
	n := finish(j, e.At)
	n.Failure = CrashFailure(j)
	c.After = n
	c.Emit = []event.Event{runEvent(j, event.JobRunFailed, e.At, n.Failure.Code)}
}

// CrashFailure is the failure that an attempt of j gets when its instance
// died: outcome_unknown where a person must look, interrupted elsewhere,
// cancelled when the job had been asked to stop.
func CrashFailure(j Job) Failure {
	if !j.CancelAskedAt.IsZero() {
		return Failure{Code: CodeCancelled, Message: "cancelled; " + InterruptedMessage}
	}
	if j.OnCrash == CrashAsk {
		return Failure{Code: CodeOutcomeUnknown, Message: InterruptedMessage + "; whether the work took effect is unknown"}
	}
	return Failure{Code: CodeInterrupted, Message: InterruptedMessage}
}

func giveBack(j Job, e Returned, c *Change) {
	n := leave(j)
	n.QueuedAt = e.At
	if e.After > 0 {
		n.NotBefore = e.At.Add(e.After)
	}
	c.After = n
	c.Emit = []event.Event{runEvent(j, event.JobRunFailed, e.At, CodeInterrupted), emit(event.JobQueued, e.At)}
}

func hold(j Job, e Held, c *Change) {
	c.After = j
	if j.HeldReason == "" {
		c.After = Hold(j, e.By, e.Reason)
		c.Emit = []event.Event{emit(event.JobHeld, e.At)}
	}
}

// The words of a hold for which nobody gave any.
const (
	heldWords  = "held by "
	addedWords = "held when it was added by "
)

// Hold is j held by a person, whose words may be missing.
func Hold(j Job, by, reason string) Job {
	j.HeldBy, j.HeldReason = by, reason
	if reason == "" {
		j.HeldReason = heldWords + by
	}
	return j
}

// AddHeld is j, which is new, held by who adds it.
func AddHeld(j Job, by string) Job { return Hold(j, by, addedWords+by) }

// HoldReason is what the person who holds the job gave as the reason; "" = nothing, or
// nobody holds it.
func (j Job) HoldReason() string {
	if j.HeldBy == "" || j.HeldReason == heldWords+j.HeldBy || j.HeldReason == addedWords+j.HeldBy {
		return ""
	}
	return j.HeldReason
}

func release(j Job, e Released, c *Change) {
	c.After = j
	if j.HeldReason != "" {
		c.After.HeldReason, c.After.HeldBy = "", ""
		c.After.Crashes = 0
		c.Emit = []event.Event{emit(event.JobReleased, e.At)}
	}
}

func edit(j Job, e Edited, c *Change) {
	c.After = j
	if e.Priority != nil && *e.Priority != j.Priority {
		c.After.Priority = *e.Priority
		if j.GroupID == "" && !j.Resuming { // whose lane has no priorities
			c.After.Rank = "" // the store puts it behind the others of that priority
		}
	}
	if e.Name != nil {
		c.After.Name = *e.Name
	}
	if e.Timeout != nil {
		c.After.Timeout = *e.Timeout
	}
	if e.Labels != nil {
		c.After.Labels = e.Labels
	}
	if e.NotBefore != nil {
		c.After.NotBefore = *e.NotBefore
	}
	if e.StartDeadline != nil {
		c.After.StartDeadline = *e.StartDeadline
	}
	if w := e.Work; w != nil {
		c.After.Params, c.After.Locks, c.After.Limits, c.After.UniqueKey = w.Params, w.Locks, w.Limits, w.UniqueKey
	}
	c.Emit = []event.Event{emit(event.JobUpdated, e.At)}
}

func place(j Job, e Placed, c *Change) {
	c.After = j
	c.After.Rank = e.Rank
}

func due(j Job, e Due, c *Change) {
	c.After = j
	if j.Parked != "" {
		wake(j, Woken(e), c)
		return
	}
	if !j.NotBefore.IsZero() {
		c.After.NotBefore = time.Time{}
		c.Emit = []event.Event{emit(event.JobDue, e.At)}
	}
}

func drop(j Job, e Dropped, c *Change) {
	n := finish(j, e.At)
	n.RunID = e.RunID
	c.After = n
	skipped := runEvent(n, event.JobRunSkipped, e.At, "")
	skipped.Data = map[string]string{"reason": e.Reason}
	c.Emit = []event.Event{skipped}
}

func neverStarted(j Job, _ Restored) bool {
	return j.Attempt == 0 && j.GroupID == "" && j.ApprovalUntil.IsZero()
}

func restore(j Job, e Restored, c *Change) {
	j.FinishedAt, j.CancelAskedAt, j.CancelledBy = time.Time{}, time.Time{}, ""
	j.Failure = Failure{}
	c.After = j
	c.Emit = []event.Event{emit(event.JobQueued, e.At)}
}

func approve(j Job, e Approved, c *Change) {
	c.After = j
	c.After.ApprovalUntil = time.Time{}
	c.Emit = []event.Event{emit(event.JobApproved, e.At)}
}

func rerequest(j Job, e Rerequested, c *Change) {
	c.After = j
	c.After.ApprovalID, c.After.ApprovalUntil = e.ApprovalID, e.Until
	// The approvals announce it.
}

func groupable(j Job, _ Grouped) bool {
	return j.GroupID == "" && !j.Resuming && j.Parked == "" && !j.AwaitsApproval() && j.Trigger != TriggerWorkflow
}

func enterGroup(j Job, e Grouped, c *Change) {
	c.After = j
	c.After.GroupID, c.After.Rank = e.GroupID, e.Rank
}

func member(j Job, _ Ungrouped) bool { return j.GroupID != "" && !j.Resuming && j.Parked == "" }

func leaveGroup(j Job, e Ungrouped, c *Change) {
	c.After = j
	c.After.GroupID, c.After.GroupActive, c.After.Rank = "", false, e.Rank
}

func groupBegan(j Job, _ GroupBegan, c *Change) {
	c.After = j
	c.After.GroupActive = true
}

func runEvent(j Job, t event.Type, at time.Time, code string) event.Event {
	ev := event.Event{Type: t, At: at, RunID: j.RunID}
	if code != "" {
		ev.Data = map[string]string{"code": code}
	}
	return ev
}
