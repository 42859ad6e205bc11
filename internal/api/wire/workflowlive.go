package wire

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// WorkflowFrame tells of one change of state of a run, or of a node of it.
type WorkflowFrame struct {
	InstanceID    string    `json:"instance_id" doc:"the run of the workflow" example:"wfrun_01jh0000000000000000000000"`
	PreviousState string    `json:"previous_state" doc:"status before" example:"RUNNING"`
	NewState      string    `json:"new_state" doc:"status now" example:"COMPLETED"`
	NodeID        *string   `json:"node_id" doc:"the node; null: it is about the run as a whole"`
	Reason        *string   `json:"reason" doc:"why, for people"`
	Seq           int64     `json:"seq" doc:"position in the log of events; come back with since" example:"41"`
	Timestamp     time.Time `json:"timestamp"`
}

// WorkflowProgress tells how far a map is. A client that is slow gets only the
// newest one of each node.
type WorkflowProgress struct {
	Type       string    `json:"type" enum:"progress"`
	InstanceID string    `json:"instance_id" doc:"the run of the workflow"`
	NodeID     string    `json:"node_id" doc:"the map"`
	Processed  int       `json:"processed" doc:"how many items have ended"`
	Total      int       `json:"total"`
	Seq        int64     `json:"seq" doc:"position in the log of events"`
	Timestamp  time.Time `json:"timestamp"`
}

// WorkflowSnapshot is a run as it is at the beginning of a WebSocket, and again
// after a reset. Together with the frames behind its position it is complete; a
// frame may tell of something that the snapshot shows already.
type WorkflowSnapshot struct {
	Type          string         `json:"type" enum:"snapshot"`
	InstanceID    string         `json:"instance_id" doc:"the run of the workflow"`
	WorkflowID    string         `json:"workflow_id"`
	Version       int            `json:"version"`
	Status        string         `json:"status" enum:"PENDING,RUNNING,WAITING,COMPLETED,FAILED,CANCELLED,SKIPPED"`
	Paused        bool           `json:"paused" doc:"a person let it start nothing more"`
	Phase         string         `json:"phase" doc:"what it is about: running, stopping, compensating, handling, over"`
	Nodes         []WorkflowNode `json:"nodes" doc:"those that were reached, by id; all others are PENDING"`
	Progress      []MapProgress  `json:"progress" doc:"its maps, by node"`
	CheckpointSeq int64          `json:"checkpoint_seq" doc:"number of the step that is shown, 0 = it never began"`
	Seq           int64          `json:"seq" doc:"position in the log of events that was the newest when the state was read"`
	Timestamp     time.Time      `json:"timestamp" doc:"the server's clock"`
}

// WorkflowNode is a node of a run.
type WorkflowNode struct {
	NodeID  string  `json:"node_id"`
	Status  string  `json:"status" enum:"PENDING,READY,RUNNING,WAITING,COMPLETED,FAILED,SKIPPED,CANCELLED,COMPENSATED"`
	Attempt int     `json:"attempt" doc:"number of the latest attempt, 0 = none began"`
	Outcome *string `json:"outcome"`
	Reason  *string `json:"reason" doc:"why it was skipped, or the message of its failure"`

	ReasonCode *string `json:"reason_code" doc:"why it was skipped, for programs" enum:"not_reached,condition_false"`

	ErrorCode *string    `json:"error_code" doc:"why it failed, for programs"`
	WaitsFor  *string    `json:"waits_for" doc:"retry_delay, timer, approval, event, job, decision or lock"`
	WaitUntil *time.Time `json:"wait_until" doc:"when the wait ends by itself"`
	StartedAt *time.Time `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// MapProgress is how far a map is.
type MapProgress struct {
	NodeID    string `json:"node_id"`
	Processed int    `json:"processed" doc:"how many items have ended"`
	Total     int    `json:"total"`
	Failed    int    `json:"failed" doc:"how many of those that ended failed"`
}

// WorkflowCheckpoint is a step of a run, as lists show it.
type WorkflowCheckpoint struct {
	CheckpointID  string    `json:"checkpoint_id"`
	WorkflowRunID string    `json:"workflow_run_id"`
	NodeID        *string   `json:"node_id" doc:"what the step was mostly about; null: the run"`
	Seq           int64     `json:"seq" doc:"number of the step, from 1"`
	Epoch         int64     `json:"epoch" doc:"grows with each claim of the run by a server"`
	Timestamp     time.Time `json:"timestamp"`
}

// WorkflowCheckpointList is a page of steps, latest first.
type WorkflowCheckpointList struct {
	Items      []WorkflowCheckpoint `json:"items"`
	NextCursor *string              `json:"next_cursor"`
}

// IsWorkflowEvent reports whether e is about a run of a workflow.
func IsWorkflowEvent(e event.Event) bool { return e.Type.Topic() == event.TopicWorkflow }

// WorkflowFrameOf shows an event of a run: a WorkflowFrame, or a WorkflowProgress.
func WorkflowFrameOf(e event.Event) any {
	runID, at := e.Data[event.WorkflowRunKey], e.At.UTC()
	if e.Type == event.WorkflowProgress {
		done, of, _ := strings.Cut(e.Data["reason"], "/")
		processed, _ := strconv.Atoi(done) // 0 says as much
		total, _ := strconv.Atoi(of)
		return WorkflowProgress{
			Type: "progress", InstanceID: runID, NodeID: e.Data["node_id"], Processed: processed, Total: total, Seq: e.Seq, Timestamp: at,
		}
	}
	return WorkflowFrame{
		InstanceID: runID, PreviousState: e.Data["previous_state"], NewState: e.Data["new_state"],
		NodeID: str(e.Data["node_id"]), Reason: str(e.Data["reason"]), Seq: e.Seq, Timestamp: at,
	}
}

// WorkflowEnd is the frame of a run that ended without its own word, because its job
// was cancelled before it began or was given up. ok is false for other events of a
// job.
func WorkflowEnd(e event.Event, runID, before string) (f WorkflowFrame, ok bool) {
	f = WorkflowFrame{InstanceID: runID, PreviousState: before, Seq: e.Seq, Timestamp: e.At.UTC()}
	switch e.Type { //nolint:exhaustive // the others end nothing
	case event.JobCancelled:
		f.NewState = store.WorkflowCancelled
	case event.JobRunFailed:
		f.NewState, f.Reason = store.WorkflowFailed, str(e.Data["code"])
	default:
		return f, false
	}
	return f, f.NewState != before && before != store.WorkflowCompleted && before != store.WorkflowSkipped
}

// WorkflowSnapshotOf shows a run.
func WorkflowSnapshotOf(r store.WorkflowRun, seq int64, now time.Time) WorkflowSnapshot {
	out := WorkflowSnapshot{
		Type: "snapshot", InstanceID: r.ID, WorkflowID: r.WorkflowID, Version: r.Version, Status: r.Status(), Paused: r.PausedBy != "",
		Phase: cmp.Or(string(r.State.Phase), string(workflow.PhaseRunning)), Nodes: []WorkflowNode{}, Progress: []MapProgress{},
		CheckpointSeq: r.Seq, Seq: seq, Timestamp: now.UTC().Truncate(time.Millisecond),
	}
	for _, id := range slices.Sorted(maps.Keys(r.State.Nodes)) {
		out.Nodes = append(out.Nodes, workflowNodeOf(id, r.State.Nodes[id], r.State.Status(id)))
	}
	for _, id := range slices.Sorted(maps.Keys(r.State.Maps)) {
		m := r.State.Maps[id]
		out.Progress = append(out.Progress, MapProgress{NodeID: id, Processed: m.Processed(), Total: m.Total, Failed: len(m.Failed)})
	}
	return out
}

func workflowNodeOf(id string, n workflow.NodeState, status workflow.NodeStatus) WorkflowNode {
	out := WorkflowNode{
		NodeID: id, Status: string(status), Attempt: n.Attempt, Outcome: str(n.Outcome), Reason: str(n.Reason), ReasonCode: str(workflow.SkipCode(n.Reason)),
		StartedAt: moment(n.StartedAt), EndedAt: moment(n.EndedAt),
	}
	if n.Error != nil {
		out.ErrorCode = str(n.Error.Code)
		if out.Reason == nil {
			out.Reason = str(n.Error.Message)
		}
	}
	if n.Wait != nil && n.Status == workflow.NodeWaiting {
		out.WaitsFor, out.WaitUntil = str(string(n.Wait.For)), moment(n.Wait.Until)
	}
	return out
}

// WorkflowCheckpointOf shows a step.
func WorkflowCheckpointOf(c store.WorkflowCheckpoint) WorkflowCheckpoint {
	return WorkflowCheckpoint{CheckpointID: c.ID, WorkflowRunID: c.RunID, NodeID: str(c.NodeID), Seq: c.Seq, Epoch: c.Epoch, Timestamp: c.At.UTC()}
}
