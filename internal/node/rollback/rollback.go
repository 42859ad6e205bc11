// Package rollback has the nodes that put an earlier version of something in the
// place of the one that is in use.
package rollback

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Workflow makes an earlier version of a workflow the active one. It implements
// node.Node. Make one with New.
type Workflow struct{ rollbacks Rollbacks }

// New returns the node.
func New(r Rollbacks) Workflow { return Workflow{r} }

// CodeLoop is the failure of a rollback that would only lead to the next one.
const CodeLoop = "rollback_loop"

// Rollbacks changes which version of a workflow is active.
type Rollbacks interface {
	// Rollback makes r.Version the active one. A second call with the same key does
	// nothing and returns the same. Faults: forbidden when r.By may not (the scope
	// workflow:rollback); not_found; limited when the workflow had an automatic rollback
	// within the hour.
	Rollback(ctx context.Context, r Request) (Done, error)
}

// Request is a rollback that a node wants.
type Request struct {
	Key, Tenant string
	// By is who started the run, RunID and NodeID where the wish comes from.
	By, RunID, NodeID string
	WorkflowID        string
	Version           int
	// FailedVersion is that of the run, if it is one of the same workflow; 0 otherwise.
	FailedVersion int
	Reason        string
}

// Done is a rollback that was made. From is the version that was active before; 0 =
// none was.
type Done struct{ From int }

// Kind implements node.Node.
func (Workflow) Kind() workflow.Kind {
	k := kind("workflow", "makes an earlier version of a workflow the active one",
		workflow.Field{Name: "workflow_id", Type: workflow.FieldString, Required: true},
		workflow.Field{Name: "version", Type: workflow.FieldInteger, Required: true},
		workflow.Field{Name: "reason", Type: workflow.FieldString, Doc: "for the log of activations"})
	return k
}

// Declared are the rollbacks that can be written down and not yet run.
func Declared() []node.Node {
	deployment := kind("deployment", "goes back to an earlier release of a model",
		workflow.Field{Name: "deployment_id", Type: workflow.FieldString, Doc: "or model_id and environment"},
		workflow.Field{Name: "model_id", Type: workflow.FieldString},
		workflow.Field{Name: "environment", Type: workflow.FieldString},
		workflow.Field{Name: "to", Type: workflow.FieldAny, Doc: "previous, as without it, or a version"},
		workflow.Field{Name: "reason", Type: workflow.FieldString})
	deployment.Check = func(n workflow.Node, report func(at source.Pos, code, text string)) {
		c := n.Config
		if (c.Get("deployment_id") == nil) == (c.Get("model_id") == nil || c.Get("environment") == nil) {
			report(c.Pos, "required", n.ID+" needs deployment_id, or model_id and environment")
		}
	}
	return []node.Node{
		node.Declare(deployment),
		node.Declare(kind("strategy", "makes an earlier version of a strategy the active one",
			workflow.Field{Name: "strategy_id", Type: workflow.FieldString, Required: true},
			workflow.Field{Name: "version", Type: workflow.FieldAny, Required: true},
			workflow.Field{Name: "reason", Type: workflow.FieldString})),
	}
}

func kind(subtype, doc string, fields ...workflow.Field) workflow.Kind {
	return workflow.Kind{
		Type: "rollback", Subtype: subtype, SubtypeField: "target_type", Doc: doc, Outcomes: []string{"success"},
		OnCrash: workflow.CrashRetry, Effect: true, Stores: true, Fields: fields,
	}
}

// Run implements node.Node.
func (w Workflow) Run(ctx context.Context, c node.Call) (node.Result, error) {
	if w.rollbacks == nil {
		return node.Result{}, node.Fatal(node.CodeNotAvailable, errors.New("nodes cannot change versions here"))
	}
	r := Request{Tenant: c.Tenant, By: c.CreatedBy, RunID: c.RunID, NodeID: c.Step.ID, Key: c.AttemptKey()}
	r.WorkflowID, _ = c.Config["workflow_id"].(string)
	r.Reason, _ = c.Config["reason"].(string)
	version, _ := c.Config["version"].(int64)
	if version < 1 || version > math.MaxInt32 {
		return node.Result{}, node.Fatal("invalid_config", errors.New("version must be a number from 1"))
	}
	r.Version = int(version)
	if r.WorkflowID == c.WorkflowID {
		if r.FailedVersion = c.Version; r.Version == c.Version {
			return node.Result{}, node.Fatal(CodeLoop, fmt.Errorf("version %d of %s is the one that runs here: going back to it would fail in the same way", c.Version, c.WorkflowID))
		}
	}
	done, err := w.rollbacks.Rollback(ctx, r)
	switch {
	case ctx.Err() != nil:
		return node.Result{}, context.Cause(ctx)
	case err != nil:
		return node.Result{}, node.FromFault(err)
	}
	return node.Result{Value: map[string]any{
		"workflow_id": r.WorkflowID, "version": int64(r.Version), "from_version": int64(done.From), "reason": r.Reason,
	}}, nil
}
