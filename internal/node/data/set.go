// Package data has the nodes that fetch or compute something and change nothing
// outside: they may be repeated at will.
package data

import (
	"context"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Set gives values, computed from what the run knows. It implements node.Node.
type Set struct{}

// Kind implements node.Node.
func (Set) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "data", Subtype: "set", SubtypeField: "data_type", Doc: "gives values that are computed from what the run knows",
		Outcomes: []string{"success"}, OnCrash: workflow.CrashRetry, InMap: true,
		Pure:   func(workflow.Node) bool { return true },
		Fields: []workflow.Field{{Name: "values", Type: workflow.FieldObject, Required: true}},
	}
}

// Run implements node.Node.
func (Set) Run(_ context.Context, c node.Call) (node.Result, error) {
	values, _ := c.Config["values"].(map[string]any)
	return node.Result{Value: values}, nil
}
