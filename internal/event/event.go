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
	GroupCreated    Type = "group.created"
	GroupStarted    Type = "group.started"   // a group got its slot
	GroupFinished   Type = "group.finished"  // the last member of a group ended
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
	// more: data.status says how it ended.
	ApprovalRequested Type = "approval.requested"
	ApprovalDecided   Type = "approval.decided"

	ScheduleCreated  Type = "schedule.created"
	ScheduleUpdated  Type = "schedule.updated"  // it has a new version
	SchedulePaused   Type = "schedule.paused"   // by a person, or by itself
	ScheduleResumed  Type = "schedule.resumed"  // a person lets it go on
	ScheduleFinished Type = "schedule.finished" // no nominal is left
	ScheduleDeleted  Type = "schedule.deleted"
	ScheduleFired    Type = "schedule.fired"   // a nominal became a job
	ScheduleSkipped  Type = "schedule.skipped" // nominals did not
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
