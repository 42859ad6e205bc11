package client

import (
	"context"
	"encoding/json"
	"iter"
)

// WorkflowRunFilter chooses runs of workflows. The zero value chooses all.
type WorkflowRunFilter struct {
	WorkflowID string
	Version    int
	// Status are PENDING, RUNNING, WAITING, COMPLETED, FAILED, CANCELLED, SKIPPED.
	Status   []string
	PageSize int
}

func workflowRunPath(id string) string { return "/api/workflow-runs/" + escape(id) }

// Ended reports whether the run has ended.
func (r WorkflowRunDocument) Ended() bool {
	return r.Status != "PENDING" && r.Status != "RUNNING" && r.Status != "WAITING"
}

// RunWorkflow starts a run. With call.Wait it returns the ended run, or the run as it
// is when the time is over.
func (c *Client) RunWorkflow(ctx context.Context, workflowID string, in WorkflowRunInput, call Call) (WorkflowRunDocument, error) {
	var out WorkflowRunDocument
	err := c.post(ctx, workflowPath(workflowID)+"/run", in, call, &out)
	return out, err
}

// WorkflowRuns walks over all runs that match, newest first, page by page.
func (c *Client) WorkflowRuns(ctx context.Context, f WorkflowRunFilter) iter.Seq2[WorkflowRun, error] {
	return pages(func(cursor string) ([]WorkflowRun, *string, error) {
		q := values{}.text("workflow_id", f.WorkflowID).number("version", f.Version).list("status", f.Status).number("limit", f.PageSize).text("cursor", cursor)
		var out WorkflowRunList
		err := c.get(ctx, "/api/workflow-runs", q.url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// WorkflowRun returns a run with its nodes.
func (c *Client) WorkflowRun(ctx context.Context, id string) (WorkflowRunDocument, error) {
	var out WorkflowRunDocument
	err := c.get(ctx, workflowRunPath(id), nil, &out)
	return out, err
}

// WorkflowNodeAttempts returns the attempts of a node, oldest first.
func (c *Client) WorkflowNodeAttempts(ctx context.Context, id, nodeID string) ([]WorkflowNodeAttempt, error) {
	var out WorkflowNodeAttemptList
	err := c.get(ctx, workflowRunPath(id)+"/nodes/"+escape(nodeID)+"/attempts", nil, &out)
	return out.Items, err
}

// WorkflowCheckpoint returns the state that a run had at one of its steps.
func (c *Client) WorkflowCheckpoint(ctx context.Context, id, checkpointID string) (CheckpointDocument, error) {
	var out CheckpointDocument
	err := c.get(ctx, workflowRunPath(id)+"/checkpoints/"+escape(checkpointID), nil, &out)
	return out, err
}

// WorkflowCheckpoints walks over the steps of a run, latest first.
func (c *Client) WorkflowCheckpoints(ctx context.Context, id string, pageSize int) iter.Seq2[WorkflowCheckpoint, error] {
	return pages(func(cursor string) ([]WorkflowCheckpoint, *string, error) {
		var out WorkflowCheckpointList
		err := c.get(ctx, workflowRunPath(id)+"/checkpoints", values{}.number("limit", pageSize).text("cursor", cursor).url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// CancelWorkflowRun asks a run to end.
func (c *Client) CancelWorkflowRun(ctx context.Context, id string, call Call) (WorkflowRunDocument, error) {
	return c.steer(ctx, id, "/cancel", nil, call)
}

// PauseWorkflowRun lets a run start nothing more.
func (c *Client) PauseWorkflowRun(ctx context.Context, id string, call Call) (WorkflowRunDocument, error) {
	return c.steer(ctx, id, "/pause", nil, call)
}

// ResumeWorkflowRun lets a paused run go on.
func (c *Client) ResumeWorkflowRun(ctx context.Context, id string, call Call) (WorkflowRunDocument, error) {
	return c.steer(ctx, id, "/resume", nil, call)
}

// SkipWorkflowNode ends a waiting node as if it had gone well.
func (c *Client) SkipWorkflowNode(ctx context.Context, id, nodeID, reason string, call Call) (WorkflowRunDocument, error) {
	return c.steer(ctx, id, "/nodes/"+escape(nodeID)+"/skip", Reason{Reason: reason}, call)
}

// DecideWorkflowNode says what an attempt of a node did that a crash cut off.
func (c *Client) DecideWorkflowNode(ctx context.Context, id, nodeID string, in WorkflowDecisionInput, call Call) (WorkflowRunDocument, error) {
	return c.steer(ctx, id, "/nodes/"+escape(nodeID)+"/decide", in, call)
}

// RetryWorkflowRun makes a new run that repeats one; in.Preview is not looked at.
func (c *Client) RetryWorkflowRun(ctx context.Context, id string, in WorkflowRetryInput, call Call) (WorkflowRunDocument, error) {
	in.Preview = false
	return c.steer(ctx, id, "/retry", in, call)
}

// PreviewWorkflowRetry tells what a retry would run again.
func (c *Client) PreviewWorkflowRetry(ctx context.Context, id string, in WorkflowRetryInput) (WorkflowRetryPreview, error) {
	in.Preview = true
	var out WorkflowRetryPreview
	err := c.post(ctx, workflowRunPath(id)+"/retry", in, Call{}, &out)
	return out, err
}

// RestoreWorkflowRun makes a new run that begins with a checkpoint of one; in.Preview
// is not looked at.
func (c *Client) RestoreWorkflowRun(ctx context.Context, id string, in WorkflowRestoreInput, call Call) (WorkflowRunDocument, error) {
	in.Preview = false
	return c.steer(ctx, id, "/restore", in, call)
}

// PostWorkflowEvent tells runs that wait for an event that it has happened. data is an
// object, or nil.
func (c *Client) PostWorkflowEvent(ctx context.Context, name string, data json.RawMessage, call Call) (WorkflowEventResult, error) {
	var out WorkflowEventResult
	err := c.post(ctx, "/api/workflow-events", WorkflowEventInput{Name: name, Data: data}, call, &out)
	return out, err
}

func (c *Client) steer(ctx context.Context, id, verb string, in any, call Call) (WorkflowRunDocument, error) {
	var out WorkflowRunDocument
	err := c.post(ctx, workflowRunPath(id)+verb, in, call, &out)
	return out, err
}
