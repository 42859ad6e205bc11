package node

import (
	"context"
	"encoding/json"

	"github.com/runsheet/runsheet/internal/job"
)

// Queue is how nodes put jobs into the queue and follow them.
type Queue interface {
	// Submit adds the job that s describes and returns it; a second call with the same
	// key returns the first one's job. What the job may do is bounded by the rights of
	// s.CreatedBy as they are now. Faults as those of adding a job.
	Submit(ctx context.Context, s Submission) (Child, error)
	// Child is a job as it is now, by its id or by that of a run of a workflow;
	// not_found.
	Child(ctx context.Context, tenant, id string) (Child, error)
	// Cancel asks a job to end; it is no error if it has ended, or is gone.
	Cancel(ctx context.Context, tenant, jobID, reason string) error
}

// Submission is a job that a node wants.
type Submission struct {
	// Key is unique for the attempt of the node.
	Key    string
	Tenant string
	// CreatedBy is who started the run.
	CreatedBy string
	// WorkflowRunID and NodeID say which node wants it; Depth is how many workflows are
	// around the job, from 1.
	WorkflowRunID, NodeID string
	Depth                 int
	// TemplateID or Type is set. Name is "" for the template's, or the type.
	TemplateID, Type, Name string
	// Params is a JSON object, nil = none.
	Params json.RawMessage
	// Reveals reports whether a text of the job, as it will be stored, has a secret in
	// it: such a job is refused. nil = none has.
	Reveals func(text string) bool
}

// Child is a job that a node added or waits for.
type Child struct {
	JobID string
	// RunID is the job's latest run, WorkflowRunID its run of a workflow; "" = none.
	RunID, WorkflowRunID string
	State                job.State
	// Outputs are those of the run of the workflow, or the latest run's.
	Outputs map[string]any
	// Code and Message say why it failed, Message also why it was skipped.
	Code, Message string
}

// Value is the child as the result of a node.
func (c Child) Value() map[string]any {
	outputs := any(c.Outputs)
	if c.Outputs == nil {
		outputs = map[string]any{}
	}
	return map[string]any{
		"job_id": c.JobID, "run_id": c.RunID, "workflow_run_id": c.WorkflowRunID, "status": string(c.State), "outputs": outputs,
	}
}
