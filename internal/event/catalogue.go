package event

import "slices"

// Topic is a class of events that a reader may choose. The text is part of the
// API.
type Topic string

// The topics.
const (
	TopicJob      Topic = "job"      // what happens to jobs as a whole
	TopicRun      Topic = "run"      // how attempts end
	TopicTemplate Topic = "template" // changes of job templates
	TopicQueue    Topic = "queue"    // the order, and settings of the queue: worker count, pausing, limits
	TopicGroup    Topic = "group"    // what happens to groups as a whole
	TopicLock     Topic = "lock"     // locks that are held from outside
	TopicApproval Topic = "approval" // questions to people
	TopicSchedule Topic = "schedule" // what happens to schedules and their nominals
	TopicWorkflow Topic = "workflow" // what happens to runs of workflows, to their nodes, and to the tags of versions
)

// Field is one value of an event beside those that all have.
type Field struct {
	// Name is as in the API: job_id, or data.attempt for a key of data.
	Name string
	// Doc says what it holds.
	Doc string
}

// Entry is what the catalogue says of a type.
type Entry struct {
	Type  Type
	Topic Topic
	// When ends the sentence "It is announced when ...".
	When   string
	Fields []Field
}

// catalogue is read-only; each type has exactly one entry.
var catalogue = []Entry{
	{JobQueued, TopicJob, "a job enters the queue, is there again after an attempt that failed, or comes back because the server stopped", fields(jobID, Field{Name: "data.code", Doc: "interrupted, when a run that goes on came back because a server stopped or crashed; absent otherwise"})},
	{JobStarted, TopicJob, "a worker takes a job and an attempt begins, or one that had begun goes on", fields(jobID, runID, Field{Name: "data.attempt", Doc: "number of the attempt, from 1"}, Field{Name: "data.resumed", Doc: "true, when the attempt had begun before and goes on; absent otherwise"})},
	{JobUpdated, TopicJob, "a person changes a waiting job: its priority or its labels", fields(jobID)},
	{JobHeld, TopicJob, "a waiting job is held: it will not start until it is released", fields(jobID)},
	{JobReleased, TopicJob, "a held job may start again", fields(jobID)},
	{JobCancelAsked, TopicJob, "a running job, or one whose run waits to go on, is asked to stop", fields(jobID)},
	{JobCancelled, TopicJob, "a job has ended by cancel, and none of its processes is left", fields(jobID)},
	{JobRunCompleted, TopicRun, "an attempt ends well, and with it the job", fields(jobID, runID)},
	{JobRunFailed, TopicRun, "an attempt fails; the job ends, unless job.queued or job.cancelled follows", fields(jobID, runID, Field{Name: "data.code", Doc: "why, for programs, for example exit_nonzero"})},
	{JobRunSkipped, TopicRun, "an attempt finds that there is nothing to do, and the job ends", fields(jobID, runID, Field{Name: "data.reason", Doc: "why, for people"})},
	{JobDue, TopicJob, "the time before which a job must not start has come", fields(jobID)},
	{JobParked, TopicJob, "a run gives its slot back while it waits for something", fields(jobID, runID, Field{Name: "data.for", Doc: "what it waits for: approval, timer, event, job, retry_delay, paused, turn, or locks"}, Field{Name: "data.until", Doc: "when it goes on by itself; absent where it does not"})},
	{JobWoken, TopicJob, "what a parked run waited for has come: it goes on when it gets a slot", fields(jobID, runID)},
	{JobApproved, TopicJob, "the approval that a job waited for is given: it may start", fields(jobID)},
	{GroupCreated, TopicGroup, "a group of jobs enters the queue, and job.queued tells of each member; or a person makes one of jobs that wait", fields(groupID)},
	{GroupDissolved, TopicGroup, "a person dissolves a group: its waiting members are ordinary jobs again", fields(groupID, Field{Name: "data.status", Doc: "COMPLETED or PARTIAL, when all its other members had ended; absent otherwise"})},
	{GroupStarted, TopicGroup, "a group gets its slot", fields(groupID)},
	{GroupFinished, TopicGroup, "the last member of a group has ended", fields(groupID, Field{Name: "data.status", Doc: "COMPLETED or PARTIAL"})},
	{DirectStarted, TopicRun, "a direct request gets its slot", fields(runID)},
	{DirectFinished, TopicRun, "a direct request ends", fields(runID, Field{Name: "data.status", Doc: "COMPLETED, FAILED or SKIPPED"})},
	{TemplateCreated, TopicTemplate, "a job template is created", fields(templateID)},
	{TemplateUpdated, TopicTemplate, "a job template gets a new version, is archived or unarchived", fields(templateID)},
	{TemplateDeleted, TopicTemplate, "a job template is deleted", fields(templateID)},
	{WorkersScaled, TopicQueue, "the worker count is set", fields(Field{Name: "data.workers", Doc: "the new count"})},
	{QueuePaused, TopicQueue, "the queue is paused: what runs finishes, nothing starts", nil},
	{QueueResumed, TopicQueue, "the queue starts jobs again", nil},
	{QueueReordered, TopicQueue, "a person changes the order of the waiting jobs", fields(Field{Name: "data.revision", Doc: "the order's new revision"})},
	{RulesChanged, TopicQueue, "limits or the rules of overtaking are changed", nil},
	{LockAcquired, TopicLock, "a program outside of the queue takes a lock", fields(lockName)},
	{ApprovalRequested, TopicApproval, "somebody is asked to approve something", approvalFields},
	{ApprovalDecided, TopicApproval, "a request for an approval ends in time: data.status is APPROVED, REJECTED or SUPERSEDED", approvalFields},
	{ApprovalExpired, TopicApproval, "a request for an approval ends because nobody decided in time", approvalFields},
	{ApprovalDelegated, TopicApproval, "a person lets somebody else decide a request for an approval in his place", approvalFields},
	{ApprovalRecalled, TopicApproval, "a person takes back what he let somebody else decide", approvalFields},
	{ApprovalReminder, TopicApproval, "nobody has decided a request for an approval yet, and its workflow wants people to be reminded", approvalFields},
	{ScheduleCreated, TopicSchedule, "a schedule is created", scheduleFields()},
	{ScheduleUpdated, TopicSchedule, "a schedule gets a new version", scheduleFields(scheduleVersion)},
	{SchedulePaused, TopicSchedule, "a schedule is paused: by a person, after too many failed runs, or because its trigger cannot be used", scheduleFields(
		Field{Name: "data.reason", Doc: "why, for people"}, Field{Name: "data.by", Doc: "who paused it; absent = nobody"}, Field{Name: "data.job_id", Doc: "the job whose failure was one too many"})},
	{ScheduleResumed, TopicSchedule, "a paused schedule goes on", scheduleFields()},
	{ScheduleFinished, TopicSchedule, "a schedule has no nominal left, or has fired as often as it may", scheduleFields(Field{Name: "data.reason", Doc: "why, for people"})},
	{ScheduleDeleted, TopicSchedule, "a schedule is deleted; its jobs stay", scheduleFields()},
	{ScheduleFired, TopicSchedule, "a nominal becomes a job", scheduleFields(scheduleVersion, Field{Name: "data.nominal_at", Doc: "the nominal"},
		Field{Name: "data.job_id", Doc: "the job"}, Field{Name: "data.source", Doc: "schedule, catch_up, backfill, manual or event"})},
	{ScheduleSkipped, TopicSchedule, "one nominal, or several for the same reason, do not fire", scheduleFields(Field{Name: "data.reason", Doc: "why, for programs, for example overlap"},
		Field{Name: "data.nominal_at", Doc: "the first of them"}, Field{Name: "data.last_at", Doc: "the last of them"}, Field{Name: "data.count", Doc: "how many"})},
	{WorkflowRunStarted, TopicWorkflow, "a run of a workflow works for the first time", workflowFields()},
	{WorkflowRunWaiting, TopicWorkflow, "all that a run can do now is wait: it gives its slot back", workflowFields()},
	{WorkflowRunResumed, TopicWorkflow, "a run that waited or was paused works again, or a server goes on with one that was cut off in the middle of its work", workflowFields(
		Field{Name: "data.after", Doc: "what cut it off: crash, its server died, or shutdown, its server stopped in order; absent = it had waited"},
		Field{Name: "data.at_node_id", Doc: "with after: the node at which it goes on; absent = none was at work"},
		Field{Name: "data.at_item", Doc: "with after: how many items of that node, a map, had ended"})},
	{WorkflowRunPaused, TopicWorkflow, "a person pauses a run: it starts no more nodes", workflowFields()},
	{WorkflowRunCompleted, TopicWorkflow, "a run ends well", workflowFields()},
	{WorkflowRunFailed, TopicWorkflow, "a run ends badly, after compensation and its error handler", workflowFields()},
	{WorkflowRunCancelled, TopicWorkflow, "a run that a person cancelled has ended", workflowFields()},
	{WorkflowRunSkipped, TopicWorkflow, "a run ends because there is nothing to do", workflowFields()},
	{WorkflowNodeStarted, TopicWorkflow, "an attempt of a node begins", workflowFields(nodeID)},
	{WorkflowNodeWaiting, TopicWorkflow, "a node waits for a time, a person, an event, a job, a lock or its next attempt", workflowFields(nodeID)},
	{WorkflowNodeCompleted, TopicWorkflow, "a node ends well", workflowFields(nodeID)},
	{WorkflowNodeFailed, TopicWorkflow, "a node fails and has no attempt left", workflowFields(nodeID)},
	{WorkflowNodeSkipped, TopicWorkflow, "a node does not run: its condition is false, or nothing leads to it", workflowFields(nodeID, Field{Name: "data.reason_code", Doc: "why, for programs: condition_false or not_reached"})},
	{WorkflowNodeCancelled, TopicWorkflow, "a node is stopped, or never starts, because the run ends", workflowFields(nodeID)},
	{WorkflowNodeCompensated, TopicWorkflow, "what a node did is undone", workflowFields(nodeID)},
	{WorkflowProgress, TopicWorkflow, "items of a map have ended; data.reason says how many of how many, as in 750/1000", workflowFields(nodeID)},
	{WorkflowTagged, TopicWorkflow, "a tag names a version of a workflow, perhaps in place of another", tagFields(Field{Name: "data.version", Doc: "the version"})},
	{WorkflowUntagged, TopicWorkflow, "a tag of a workflow is taken away", tagFields()},
	{LockReleased, TopicLock, "a lock that was taken from outside is free again: given back, expired or taken away", fields(lockName)},
}

var (
	jobID          = Field{Name: "job_id", Doc: "the job"}
	runID          = Field{Name: "run_id", Doc: "the attempt"}
	templateID     = Field{Name: "template_id", Doc: "the template"}
	groupID        = Field{Name: "data.group_id", Doc: "the group"}
	approvalFields = []Field{
		{Name: "data.approval_id", Doc: "the approval"},
		{Name: "data.status", Doc: "its status"},
		{Name: "data.subject_type", Doc: "what waits for it, for example job"},
		{Name: "data.subject_id", Doc: "its id"},
		{Name: "data.workflow_run_id", Doc: "the run of a workflow that waits; absent = none does"},
		{Name: "data.node_id", Doc: "its node"},
		{Name: "data.delegates", Doc: "who may decide it because somebody handed it to them: names with commas between; absent = nobody"},
	}
	scheduleVersion = Field{Name: "data.version", Doc: "the version of the schedule"}

	nodeID = Field{Name: "data.node_id", Doc: "the node"}

	lockName = Field{Name: "data.lock", Doc: "the lock's name"}
)

func fields(f ...Field) []Field { return f }

func scheduleFields(more ...Field) []Field {
	return append([]Field{{Name: "data.schedule_id", Doc: "the schedule"}, {Name: "data.name", Doc: "its name"}}, more...)
}

func tagFields(more ...Field) []Field {
	return append(append([]Field{{Name: "data.workflow_id", Doc: "the workflow"}, {Name: "data.tag", Doc: "the tag"}}, more...),
		Field{Name: "data.from_version", Doc: "the version that it named before; absent = none"})
}

func workflowFields(more ...Field) []Field {
	return append(append([]Field{{Name: "data.workflow_run_id", Doc: "the run of the workflow"}, {Name: "data.workflow_id", Doc: "the workflow"}}, more...),
		Field{Name: "data.previous_state", Doc: "status before"}, Field{Name: "data.new_state", Doc: "status now"},
		Field{Name: "data.reason", Doc: "why, for people; absent = there is nothing to say"}, Field{Name: "data.step", Doc: "number of the run's step"})
}

// Catalogue returns what is known of every type, in the order of the
// documentation.
func Catalogue() []Entry { return slices.Clone(catalogue) }

// Topics returns all topics in the order of the documentation.
func Topics() []Topic {
	return []Topic{TopicJob, TopicRun, TopicGroup, TopicTemplate, TopicQueue, TopicLock, TopicApproval, TopicSchedule, TopicWorkflow}
}

// Topic is the topic of t, "" for a type that is not in the catalogue: one that
// a newer server has announced.
func (t Type) Topic() Topic {
	i := slices.IndexFunc(catalogue, func(e Entry) bool { return e.Type == t })
	if i < 0 {
		return ""
	}
	return catalogue[i].Topic
}
