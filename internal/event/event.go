// Package event is the catalogue of everything Runsheet announces: one type
// for the durable log, webhooks, Server-Sent Events and the WebSocket.
//
// An event is written in the same transaction as the change that it tells of.
// It carries ids and plain values only; a reader who wants the whole object
// asks for it. catalogue.go says of each type what it means and to which topic
// it belongs; docs/events.md is made from it.
package event

import "time"

// Type names what happened. The text is part of the API.
type Type string

// The catalogue. Each type has an entry in catalogue.go.
const (
	JobQueued       Type = "job.queued"        // a job entered the queue, or came back to it
	JobStarted      Type = "job.started"       // an attempt was claimed
	JobUpdated      Type = "job.updated"       // a person changed a waiting job
	JobHeld         Type = "job.held"          // a job will not start until released
	JobReleased     Type = "job.released"      // a held job may start again
	JobCancelAsked  Type = "job.cancel_asked"  // a running job was asked to stop
	JobCancelled    Type = "job.cancelled"     // a job ended by cancel, its processes are gone
	JobRunCompleted Type = "job.run.completed" // an attempt succeeded
	JobRunFailed    Type = "job.run.failed"    // an attempt failed
	JobRunSkipped   Type = "job.run.skipped"   // an attempt had nothing to do
	JobApproved     Type = "job.approved"      // the approval that a job waited for was given
	JobDue          Type = "job.due"           // a delayed job's time has come
	JobParked       Type = "job.parked"        // a run gave its slot back while it waits for something
	JobWoken        Type = "job.woken"         // a parked run can go on
	GroupCreated    Type = "group.created"
	GroupStarted    Type = "group.started"   // a group got its slot
	GroupFinished   Type = "group.finished"  // the last member of a group ended
	GroupDissolved  Type = "group.dissolved" // a person took the waiting members out of a group
	DirectStarted   Type = "direct.started"  // a direct request got its slot
	DirectFinished  Type = "direct.finished" // a direct request ended
	QueueReordered  Type = "queue.reordered" // a person changed the order
	RulesChanged    Type = "rules.changed"   // limits or the rules of overtaking
	LockAcquired    Type = "lock.acquired"   // a program outside took a lock
	LockReleased    Type = "lock.released"   // it gave it back, or lost it
	TemplateCreated Type = "template.created"
	TemplateUpdated Type = "template.updated"
	TemplateDeleted Type = "template.deleted"
	WorkersScaled   Type = "workers.scaled"
	QueuePaused     Type = "queue.paused"
	QueueResumed    Type = "queue.resumed"
	// An approval is announced when it is asked for, and when it is not PENDING any
	// more: it was decided (data.status says how), or its time was over.
	ApprovalRequested Type = "approval.requested"
	ApprovalDecided   Type = "approval.decided"
	ApprovalExpired   Type = "approval.expired"
	// ApprovalDelegated tells that somebody else may decide in a person's place,
	// ApprovalRecalled that the person took that back.
	ApprovalDelegated Type = "approval.delegated"
	ApprovalRecalled  Type = "approval.recalled"
	// ApprovalReminder tells again of a request that nobody has decided yet.
	ApprovalReminder Type = "approval.reminder"

	ScheduleCreated  Type = "schedule.created"
	ScheduleUpdated  Type = "schedule.updated"  // it has a new version
	SchedulePaused   Type = "schedule.paused"   // by a person, or by itself
	ScheduleResumed  Type = "schedule.resumed"  // a person lets it go on
	ScheduleFinished Type = "schedule.finished" // no nominal is left
	ScheduleDeleted  Type = "schedule.deleted"
	ScheduleFired    Type = "schedule.fired"   // a nominal became a job
	ScheduleSkipped  Type = "schedule.skipped" // nominals did not

	WorkflowRunStarted   Type = "workflow.run.started"   // a run of a workflow works for the first time
	WorkflowRunWaiting   Type = "workflow.run.waiting"   // it waits without a slot
	WorkflowRunResumed   Type = "workflow.run.resumed"   // it works again
	WorkflowRunPaused    Type = "workflow.run.paused"    // a person stopped it for a while
	WorkflowRunCompleted Type = "workflow.run.completed" // it ended well
	WorkflowRunFailed    Type = "workflow.run.failed"    // it ended badly
	WorkflowRunCancelled Type = "workflow.run.cancelled" // it ended by a person's wish
	WorkflowRunSkipped   Type = "workflow.run.skipped"   // it ended with nothing to do

	WorkflowNodeStarted     Type = "workflow.node.started"     // an attempt of a node began
	WorkflowNodeWaiting     Type = "workflow.node.waiting"     // a node waits without a slot
	WorkflowNodeCompleted   Type = "workflow.node.completed"   // a node ended well
	WorkflowNodeFailed      Type = "workflow.node.failed"      // a node has no attempt left
	WorkflowNodeSkipped     Type = "workflow.node.skipped"     // a node does not run
	WorkflowNodeCancelled   Type = "workflow.node.cancelled"   // a node was stopped with its run
	WorkflowNodeCompensated Type = "workflow.node.compensated" // what a node did was undone

	WorkflowProgress Type = "workflow.progress" // items of a map have ended

	WorkflowTagged   Type = "workflow.tagged"   // a tag names a version, perhaps in place of another
	WorkflowUntagged Type = "workflow.untagged" // a tag is gone
)

// Event is one announcement. The zero Seq means that the store has not
// numbered it yet.
type Event struct {
	// Seq is the position in the installation's log. It only grows.
	Seq    int64
	Tenant string
	Type   Type
	At     time.Time
	// Ids of what it is about; empty where they do not apply.
	JobID, RunID, TemplateID string
	// Data holds a few plain values, for example {"code": "timeout"}.
	Data map[string]string
}

// Range says how far the log reaches. A reader whose position is from Floor to
// Last can go on from there; any other has to begin anew.
type Range struct {
	// Floor: every event with a greater Seq is still kept. 0 = the whole log.
	Floor int64
	// Last is the Seq of the newest event, 0 when there was none yet.
	Last int64
}

// Holds reports whether a reader at seq can go on without a gap.
func (r Range) Holds(seq int64) bool { return seq >= r.Floor && seq <= r.Last }
