package job

import (
	"time"

	"github.com/runsheet/runsheet/internal/event"
)

// This file holds what is particular to durable job types, whose run outlives its
// slot: guards and effects, like effect.go.

func cancelResuming(j Job, _ CancelAsked) bool { return j.Resuming }
func crashResume(j Job, _ Interrupted) bool    { return j.OnCrash == CrashResume }
func returnResume(j Job, _ Returned) bool      { return j.OnCrash == CrashResume }
func mayPark(j Job, _ Parked) bool             { return j.OnCrash == CrashResume }
func mayWake(j Job, _ Woken) bool              { return j.Resuming }
func dropable(j Job, _ Dropped) bool           { return !j.Resuming }

func editable(j Job, e Edited) bool {
	if e.Work != nil && (j.Attempt > 0 || j.ApprovalID != "") {
		return false // people approve, or have approved, what it is
	}
	return !j.Resuming || e.NotBefore == nil && e.StartDeadline == nil
}

// suspend takes j's run off its slot; it goes on with the next claim. The store
// gives j a place at the end of the lane of resumed runs; inside a group it keeps
// the place that it has there.
func suspend(j Job, at time.Time) Job {
	j = leave(j)
	j.Resuming, j.QueuedAt = true, at
	if j.GroupID == "" {
		j.Rank = ""
	}
	return j
}

func resumeCrashed(j Job, e Interrupted, c *Change) {
	n := suspend(j, e.At)
	n.Crashes++
	n.Failure = Failure{Code: CodeInterrupted, Message: InterruptedMessage}
	c.Emit = []event.Event{runEvent(j, event.JobQueued, e.At, CodeInterrupted)}
	poison(n, e.At, c)
}

func resumeReturned(j Job, e Returned, c *Change) {
	n := suspend(j, e.At)
	if e.After > 0 {
		n.NotBefore = e.At.Add(e.After)
	}
	c.After = n
	c.Emit = []event.Event{runEvent(j, event.JobQueued, e.At, CodeInterrupted)}
}

// ParkedForLocks is what people read a run waits for that was parked with locks.
const ParkedForLocks = "locks"

func park(j Job, e Parked, c *Change) {
	n := suspend(j, e.At)
	n.Crashes = 0 // it has come so far
	parked := runEvent(j, event.JobParked, e.At, "")
	parked.Data = map[string]string{"for": e.For}
	c.Emit = []event.Event{parked}
	switch {
	case !j.CancelAskedAt.IsZero() && !e.CancelSeen:
		c.Emit = append(c.Emit, runEvent(j, event.JobWoken, e.At, ""))
	case len(e.Locks) > 0:
		n.ResumeLocks = e.Locks
		parked.Data["for"] = ParkedForLocks
	default:
		n.Parked, n.NotBefore = e.For, e.Until
		if e.For == "" {
			n.Parked = string(event.JobParked) // it must not start before it is woken
		}
		if !e.Until.IsZero() {
			parked.Data["until"] = e.Until.UTC().Format(time.RFC3339)
		}
	}
	c.After = n
}

func wake(j Job, e Woken, c *Change) {
	c.After = j
	if j.Parked == "" && len(j.ResumeLocks) == 0 {
		return
	}
	c.After = woken(j, e.At)
	c.Emit = []event.Event{runEvent(j, event.JobWoken, e.At, "")}
}

// woken is j without what its run waits for.
func woken(j Job, at time.Time) Job {
	if j.Parked != "" {
		j.NotBefore, j.QueuedAt = time.Time{}, at
	}
	j.Parked, j.ResumeLocks = "", nil
	return j
}

// askWaiting notes a cancel of a run that is not in work: it has to end by itself,
// whatever it waits for, and though somebody held it.
func askWaiting(j Job, e CancelAsked, c *Change) {
	c.After = j
	if !j.CancelAskedAt.IsZero() {
		return
	}
	n := woken(j, e.At)
	n.CancelAskedAt, n.CancelledBy, n.HeldReason, n.HeldBy = e.At, e.By, "", ""
	n.NotBefore = time.Time{}
	c.After = n
	c.Emit = []event.Event{runEvent(j, event.JobCancelAsked, e.At, "")}
}
