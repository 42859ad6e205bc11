package wait

import (
	"context"
	"errors"
	"fmt"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Job waits for the end of a job, however it ends. It implements node.Node and
// node.Resuming. Make one with NewJob.
type Job struct{ queue node.Queue }

// NewJob returns the node.
func NewJob(q node.Queue) Job { return Job{q} }

// Kind implements node.Node.
func (Job) Kind() workflow.Kind {
	return kind("job", "waits for the end of a job",
		workflow.Field{Name: "job_id", Type: workflow.FieldString, Required: true, Doc: "of a job, or of a run of a workflow"},
		workflow.Field{Name: "timeout", Type: workflow.FieldDuration})
}

// Run implements node.Node. A job that has ended is no wait.
func (j Job) Run(ctx context.Context, c node.Call) (node.Result, error) {
	if j.queue == nil {
		return node.Result{}, node.Fatal(node.CodeNotAvailable, errors.New("nodes cannot see jobs here"))
	}
	which, _ := c.Config["job_id"].(string)
	return j.look(ctx, c, which)
}

func (j Job) look(ctx context.Context, c node.Call, which string) (node.Result, error) {
	child, err := j.queue.Child(ctx, c.Tenant, which)
	switch {
	case ctx.Err() != nil:
		return node.Result{}, context.Cause(ctx)
	case err != nil:
		return node.Result{}, node.FromFault(err)
	case child.State.Terminal():
		return node.Result{Outcome: fired, Value: child.Value()}, nil
	}
	w := workflow.Wait{For: workflow.WaitJob, Ref: child.JobID}
	if text, ok := c.Config["timeout"].(string); ok {
		d, ok := workflow.ParseDuration(text)
		if !ok || d <= 0 {
			return node.Result{}, node.Fatal("invalid_config", fmt.Errorf("timeout is %q, which is no duration", text))
		}
		w.Until = c.Env.Now.Add(d)
	}
	return node.Result{}, node.Wait(w)
}

// Resume implements node.Resuming.
func (j Job) Resume(ctx context.Context, c node.Call, woke node.Woke) (node.Result, error) {
	r, err := j.look(ctx, c, woke.Wait.Ref)
	if _, waits := errors.AsType[*node.Waiting](err); waits && woke.TimedOut {
		return node.Result{Outcome: timedOut, Value: map[string]any{"job_id": woke.Wait.Ref}}, nil
	}
	return r, err
}
