// Package subworkflow has the node that runs another workflow.
package subworkflow

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Subworkflow implements node.Node, node.Resuming and node.Abandoning. Make one with
// New.
type Subworkflow struct{ queue node.Queue }

// New returns the node.
func New(q node.Queue) Subworkflow { return Subworkflow{q} }

// jobType is the type of jobs that run workflows.
const jobType = "workflow"

// active is the version that is active when the node starts.
const active = "active"

// Kind implements node.Node.
func (Subworkflow) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "subworkflow", Doc: "runs another workflow", Outcomes: []string{"success"}, OnCrash: workflow.CrashRetry, Effect: true, Stores: true,
		Fields: []workflow.Field{
			{Name: "workflow_id", Type: workflow.FieldString, Constant: true, Required: true},
			{Name: "version", Type: workflow.FieldAny, Doc: "active, as without it, or a number"},
			{Name: "inputs", Type: workflow.FieldObject},
			{Name: "wait", Type: workflow.FieldBoolean, Doc: "true without it; with false the node ends as soon as the run is in the queue"},
		},
		Check: check,
	}
}

func check(n workflow.Node, report func(at source.Pos, code, text string)) {
	v := n.Config.Get("version")
	if v == nil || v.Kind == source.Int && v.Int > 0 || v.Kind == source.String && (v.Str == active || isTemplate(v.Str)) {
		return
	}
	report(v.Pos, "wrong_type", "version must be active or a number from 1")
}

// Run implements node.Node.
func (s Subworkflow) Run(ctx context.Context, c node.Call) (node.Result, error) {
	if c.Depth+1 > workflow.MaxDepth {
		return node.Result{}, node.Fatal("too_deep", fmt.Errorf("%d workflows are one inside the other already, and that is the most", workflow.MaxDepth))
	}
	which, _ := c.Config["workflow_id"].(string)
	inputs, _ := c.Config["inputs"].(map[string]any)
	if inputs == nil {
		inputs = map[string]any{}
	}
	given := map[string]any{"workflow_id": which, "inputs": inputs}
	switch v := c.Config["version"].(type) {
	case nil:
	case int64:
		given["version"] = v
	case string:
		n, err := strconv.ParseInt(v, 10, 32)
		if v != active && (err != nil || n < 1) {
			return node.Result{}, node.Fatal("invalid_config", errVersion)
		}
		if v != active {
			given["version"] = n
		}
	default:
		return node.Result{}, node.Fatal("invalid_config", errVersion)
	}
	params, err := node.Params(given)
	if err != nil {
		return node.Result{}, err
	}
	wait, is := c.Config["wait"].(bool)
	wait = wait || !is
	r, err := node.Start(ctx, s.queue, c, node.Submission{Type: jobType, Params: params}, wait)
	return outputs(r, wait), err
}

var errVersion = errors.New("version must be active or a number from 1")

// outputs is the result of a run that was waited for: its own outputs.
func outputs(r node.Result, waited bool) node.Result {
	v, ok := r.Value.(map[string]any)
	if waited && ok {
		r.Value = v["outputs"]
	}
	return r
}

// Resume implements node.Resuming.
func (s Subworkflow) Resume(ctx context.Context, c node.Call, woke node.Woke) (node.Result, error) {
	child, err := node.Resume(ctx, s.queue, c, woke)
	if err != nil {
		return node.Result{}, err
	}
	r, err := node.Ended(child)
	return outputs(r, true), err
}

// Abandon implements node.Abandoning: it cancels the run.
func (s Subworkflow) Abandon(ctx context.Context, c node.Call, w workflow.Wait) error {
	return s.queue.Cancel(ctx, c.Tenant, w.Ref, "the workflow run "+c.RunID+" does not wait for it any more")
}

func isTemplate(s string) bool { return strings.Contains(s, "{{") }
