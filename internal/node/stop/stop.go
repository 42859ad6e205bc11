// Package stop has the node that ends a run.
package stop

import (
	"context"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Stop implements node.Node.
type Stop struct{}

// Kind implements node.Node.
func (Stop) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "stop", Doc: "ends the run", Outcomes: []string{"stopped"}, OnCrash: workflow.CrashRetry,
		Pure: func(workflow.Node) bool { return true },
		Fields: []workflow.Field{
			{
				Name: "status", Type: workflow.FieldString, Required: true, Constant: true, Doc: "how the run ends",
				Enum: []string{string(workflow.ResultCompleted), string(workflow.ResultFailed), string(workflow.ResultSkipped)},
			},
			{Name: "reason", Type: workflow.FieldString},
		},
	}
}

// Run implements node.Node.
func (Stop) Run(_ context.Context, c node.Call) (node.Result, error) {
	status, _ := c.Config["status"].(string)
	reason, _ := c.Config["reason"].(string)
	return node.Result{Value: map[string]any{"status": status, "reason": reason}, End: workflow.Result(status), Reason: reason}, nil
}
