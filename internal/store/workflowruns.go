package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/workflow"
)

// WorkflowRuns keeps runs of workflows. A run belongs to a job of the type workflow
// and is written with it, by whatever adds the job: its id is that of the job with
// the prefix wfrun. Its status is that of the job, see WorkflowRun.Status.
type WorkflowRuns interface {
	// Run returns a run with its state, the first one where it never began; not_found.
	Run(ctx context.Context, tenant, id string) (WorkflowRun, error)
	// List returns a page without states, newest first.
	List(ctx context.Context, p ListWorkflowRuns) (WorkflowRunPage, error)
	// Load returns the run of a job for an attempt that begins; stale_lease when epoch
	// is not the active attempt's.
	Load(ctx context.Context, jobID string, epoch int64) (WorkflowRun, WorkflowSignals, error)
	// Enter takes a place under a concurrency key, which the run keeps until its job
	// has ended. stale_lease as in Load.
	Enter(ctx context.Context, p EnterWorkflow) (Turn, error)
	// Step makes one step durable: rows of nodes and maps, what the run waits for, the
	// checkpoint and the events. stale_lease when p.Epoch is not the active attempt's;
	// conflict when p.Seq is not one above the stored one. It clears the job's count
	// of crashes. A wait whose approval or job has ended already is woken at once.
	Step(ctx context.Context, p WorkflowStep) (WorkflowSignals, error)
	// Signals are what a run in work should know; it may be asked for often.
	Signals(ctx context.Context, runIDs []string) (map[string]WorkflowSignals, error)
	// Wake ends the wait of a node, and the parking of its run; conflict when the node
	// does not wait for that any more.
	Wake(ctx context.Context, p WakeNode) error
	// Waiting returns the nodes of a tenant that wait for an event of that name,
	// oldest first, at most limit behind a run and node.
	Waiting(ctx context.Context, p ListWaiting) ([]WaitingNode, error)
	// Pause lets a run start nothing more, or with p.Paused false go on;
	// already_finished. A run that was parked is woken when it may go on.
	Pause(ctx context.Context, p PauseWorkflow) (WorkflowRun, error)
	// Switch lets a run that nobody works on go on with another version; conflict when
	// it is at work, or not at p.Seq of p.From any more; already_finished;
	// version_not_found.
	Switch(ctx context.Context, p SwitchWorkflow) error
}

// WorkflowLog is the log of the steps of workflows' runs.
type WorkflowLog interface {
	// Checkpoints returns a page of a run's checkpoints, latest first, without states.
	Checkpoints(ctx context.Context, p ListCheckpoints) (CheckpointPage, error)
	// Checkpoint returns one with the state that the run had, the latest where id is
	// empty; not_found.
	Checkpoint(ctx context.Context, tenant, runID, id string) (WorkflowCheckpoint, error)
	// Attempts returns the attempts of a run's nodes, oldest first, at most limit.
	Attempts(ctx context.Context, tenant, runID, nodeID string, limit int) ([]NodeAttempt, error)
	// Forget shortens the logs of runs that ended before p.Before to p.Keep checkpoints
	// and returns how many it deleted, at most p.Limit.
	Forget(ctx context.Context, p ForgetCheckpoints) (int, error)
}

// WorkflowRunID is the id of the run that belongs to a job of the type workflow.
func WorkflowRunID(jobID string) string {
	_, body, _ := strings.Cut(jobID, "_")
	return workflowRunPrefix + body
}

// WorkflowJobID is the inverse of WorkflowRunID. Other ids come back as they are.
func WorkflowJobID(runID string) string {
	if body, is := strings.CutPrefix(runID, workflowRunPrefix); is {
		return string(id.Job) + "_" + body
	}
	return runID
}

const workflowRunPrefix = "wfrun_"

// WorkflowRun is a run of a workflow.
type WorkflowRun struct {
	ID, Tenant, JobID string
	WorkflowID        string
	Version           int
	// Hash is that of the version's content.
	Hash string
	// RetryOf is the run whose state this one began with, "" = none.
	RetryOf string
	// Seq counts steps; 0 = it never began. Epoch is that of the latest step.
	Seq, Epoch int64
	// PausedBy is who paused it, "" = it is not paused.
	PausedBy  string
	CreatedAt time.Time
	StartedAt time.Time // zero = it never began
	EndedAt   time.Time
	UpdatedAt time.Time
	// State is empty in lists.
	State workflow.State
	// Job is the job as it is in the same moment.
	Job job.Job
}

// Statuses of a run, as people see them.
const (
	WorkflowPending   = "PENDING"
	WorkflowRunning   = "RUNNING"
	WorkflowWaiting   = "WAITING"
	WorkflowCompleted = "COMPLETED"
	WorkflowFailed    = "FAILED"
	WorkflowCancelled = "CANCELLED"
	WorkflowSkipped   = "SKIPPED"
)

// Status is where a run is in its life: PENDING until it first works, RUNNING while
// it has a slot, WAITING in between, and in the end what its job is.
func (r WorkflowRun) Status() string {
	switch r.Job.State {
	case job.Queued:
		if r.Seq == 0 {
			return WorkflowPending
		}
		return WorkflowWaiting
	case job.Running:
		return WorkflowRunning
	case job.Completed, job.Failed, job.Skipped, job.Cancelled:
	}
	return string(r.Job.State)
}

// WorkflowSignals is what happened to a run from outside since its last step.
type WorkflowSignals struct {
	// Woken are nodes whose wait has ended, but not by its time.
	Woken []WokenNode
	// Paused: start nothing more, and park.
	Paused bool
	// CancelAskedAt is when a person asked the run to end; zero = nobody did.
	CancelAskedAt time.Time
	CancelledBy   string
}

// WokenNode is a node whose wait has ended.
type WokenNode struct {
	NodeID string
	For    workflow.WaitFor
	// Data is what the event, the decision or the job brought, JSON.
	Data json.RawMessage
	At   time.Time
}

// WorkflowStep are the parameters of WorkflowRuns.Step.
type WorkflowStep struct {
	RunID, JobID string
	Epoch        int64
	// Seq is the number of the step, from 1.
	Seq          int64
	CheckpointID string
	// NodeID is what the step is mostly about, "" = the run.
	NodeID string
	// Item says that the step is about items of a map: only the latest KeepItems
	// checkpoints of such steps of the node are kept.
	Item     bool
	Delta    workflow.Delta
	Attempts []NodeAttempt
	Events   []event.Event
	At       time.Time // zero = the authority's clock
	// Before are the steps right before this one when they were not written on their
	// own: all are written at once, or none, and each has its checkpoint. Of them RunID,
	// JobID, Epoch, At and Before do not count. They begin and end no waits and no maps,
	// and are not about items.
	Before []WorkflowStep
}

// All returns the steps that are written with this one, and it, in their order.
func (p WorkflowStep) All() []WorkflowStep {
	one := p
	one.Before = nil
	return append(slices.Clone(p.Before), one)
}

// Told returns the events of the step and of those that are written with it.
func (p WorkflowStep) Told() []event.Event {
	var out []event.Event
	for _, one := range p.Before {
		out = append(out, one.Events...)
	}
	return append(out, p.Events...)
}

// KeepItems is how many checkpoints of the items of a map are kept.
const KeepItems = 100

// NodeAttempt is one attempt of a node, written when it begins (where that is durable)
// and when it ends, the latter in place of the former. Of one that was lost only Status,
// Outcome and Error change afterwards: a person says what it did.
type NodeAttempt struct {
	RunID, NodeID string
	// Number counts the node's attempts in this run from 1, over rewinds.
	Number    int
	Epoch     int64
	StartedAt time.Time
	// EndedAt is zero where it has not ended, or its server died and none has gone on
	// with the run. Of a lost one it is when a server went on.
	EndedAt time.Time
	// Instance is the server that worked on it, "" = as it was written before.
	Instance string
	// Lost is what has cut it off with its server, "" = nothing.
	Lost workflow.CutOff
	// Status is that of the node after it: RUNNING, COMPLETED, FAILED, WAITING, or READY
	// where another one repeats it.
	Status  workflow.NodeStatus
	Outcome string
	Error   *workflow.Failure
}

// EnterWorkflow are the parameters of WorkflowRuns.Enter.
type EnterWorkflow struct {
	RunID, JobID string
	Epoch        int64
	Key          string
	Limit        int
	OnConflict   workflow.Conflict
	At           time.Time
}

// Turn is the answer to a run that asks for a place under its concurrency key.
type Turn struct {
	// Granted: it may go on. Otherwise, with OnConflict skip, it ends; with the others it
	// waits, is woken when a place may be free, and asks again.
	Granted bool
	// Holders are the runs that have the places.
	Holders []string
}

// WakeNode are the parameters of WorkflowRuns.Wake.
type WakeNode struct {
	Tenant, RunID, NodeID string
	For                   workflow.WaitFor
	// Ref is what was waited for, "" = whatever it is.
	Ref   string
	Data  json.RawMessage
	At    time.Time
	Key   *Key // rendered from these parameters
	Audit *audit.Entry
}

// ListWaiting are the parameters of WorkflowRuns.Waiting.
type ListWaiting struct {
	Tenant, Event         string
	AfterRun, AfterNodeID string
	Limit                 int
}

// WaitingNode is a node that waits for an event.
type WaitingNode struct {
	RunID, NodeID, WorkflowID string
	Version                   int
	Wait                      workflow.Wait
}

// PauseWorkflow are the parameters of WorkflowRuns.Pause.
type PauseWorkflow struct {
	Tenant, ID string
	Paused     bool
	By         string
	At         time.Time
	Key        *Key // rendered from the run
	Audit      *audit.Entry
}

// SwitchWorkflow are the parameters of WorkflowRuns.Switch.
type SwitchWorkflow struct {
	Tenant, ID string
	// Seq is the number of the run's latest step.
	Seq      int64
	From, To int
	At       time.Time
	Audit    *audit.Entry
}

// ListWorkflowRuns are the parameters of WorkflowRuns.List.
type ListWorkflowRuns struct {
	Tenant     string
	WorkflowID string   // "" = of all
	Version    int      // 0 = of all
	Statuses   []string // none = all
	Before     string   // id of the last run of the page before
	Limit      int
}

// WorkflowRunPage is a page of runs.
type WorkflowRunPage struct {
	Runs []WorkflowRun
	More bool
}

// WorkflowCheckpoint is a step of a run.
type WorkflowCheckpoint struct {
	ID, RunID, NodeID string
	Seq, Epoch        int64
	At                time.Time
	State             workflow.State
}

// ListCheckpoints are the parameters of WorkflowLog.Checkpoints.
type ListCheckpoints struct {
	Tenant, RunID string
	BeforeSeq     int64 // 0 = from the latest
	Limit         int
}

// CheckpointPage is a page of checkpoints.
type CheckpointPage struct {
	Checkpoints []WorkflowCheckpoint
	More        bool
}

// ForgetCheckpoints are the parameters of WorkflowLog.Forget.
type ForgetCheckpoints struct {
	Before time.Time
	Keep   int
	Limit  int
}

// WorkflowSeed says with which state a run that is added begins: that of another run,
// or of a checkpoint, as far as it is kept.
type WorkflowSeed struct {
	JobID   string
	RetryOf string
	State   workflow.State
}
