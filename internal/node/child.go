package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Codes of failures of nodes that wait for a job.
const (
	CodeJobFailed    = "job_failed"
	CodeJobCancelled = "job_cancelled"
)

// AttemptKey is a key for what an attempt makes only once: the same after a crash,
// another for the next attempt and for the next time round.
func (c Call) AttemptKey() string {
	key := c.IdempotencyKey
	if c.Attempt > 1 {
		key += "#" + strconv.Itoa(c.Attempt)
	}
	return key
}

// Start submits a job of a node, and waits for it if wait says so.
func Start(ctx context.Context, q Queue, c Call, s Submission, wait bool) (Result, error) {
	if q == nil {
		return Result{}, Fatal(CodeNotAvailable, errors.New("nodes cannot add jobs here"))
	}
	if wait && c.Item >= 0 {
		return Result{}, Fatal("invalid_config", errors.New("a node inside of a map cannot wait for a job: set wait to false"))
	}
	s.Key, s.Tenant, s.CreatedBy, s.WorkflowRunID, s.NodeID = c.AttemptKey(), c.Tenant, c.CreatedBy, c.RunID, c.Step.ID
	s.Depth, s.Reveals = c.Depth+1, c.Reveals
	child, err := q.Submit(ctx, s)
	switch {
	case err != nil && ctx.Err() != nil:
		return Result{}, context.Cause(ctx)
	case err != nil:
		return Result{}, FromFault(err)
	case !wait:
		return Result{Value: child.Value()}, nil
	}
	return Ended(child)
}

// Ended is how a node ends that waited for a job, or that it waits on.
func Ended(child Child) (Result, error) {
	switch child.State {
	case job.Queued, job.Running:
		return Result{}, Wait(workflow.Wait{For: workflow.WaitJob, Ref: child.JobID})
	case job.Failed:
		return Result{}, Fail(CodeJobFailed, "", fmt.Errorf("job %s failed: %s", child.JobID, cmp.Or(child.Code, "no code")))
	case job.Cancelled:
		return Result{}, Fatal(CodeJobCancelled, fmt.Errorf("job %s was cancelled", child.JobID))
	case job.Completed, job.Skipped:
	}
	return Result{Value: child.Value()}, nil
}

// Resume looks at the job that a wait was for.
func Resume(ctx context.Context, q Queue, c Call, woke Woke) (Child, error) {
	child, err := q.Child(ctx, c.Tenant, woke.Wait.Ref)
	switch {
	case ctx.Err() != nil:
		return child, context.Cause(ctx)
	case err != nil:
		return child, FromFault(err)
	}
	return child, nil
}

// Params encodes a node's object as the params of a job.
func Params(v any) (json.RawMessage, error) {
	m, _ := v.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, Fatal("invalid_config", errors.New("params cannot be written as JSON"))
	}
	return raw, nil
}
