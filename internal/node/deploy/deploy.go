// Package deploy has the nodes that bring something to where it is used.
package deploy

import (
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Declared are the deployments that can be written down and not yet run.
func Declared() []node.Node {
	str, num, dur, obj, list := workflow.FieldString, workflow.FieldNumber, workflow.FieldDuration, workflow.FieldObject, workflow.FieldList
	return []node.Node{node.Declare(workflow.Kind{
		Type: "deploy", Subtype: "model", SubtypeField: "target_type", Doc: "starts a version of a model and leads traffic to it",
		Outcomes: []string{"healthy", "rolled_back"}, Plain: []string{"healthy"}, OnCrash: workflow.CrashRetry, Effect: true, Secrets: true,
		Fields: []workflow.Field{
			{Name: "model_id", Type: str, Required: true},
			{Name: "version", Type: workflow.FieldAny},
			{Name: "artifact", Type: str, Doc: "id of the artifact with the model"},
			{Name: "environment", Type: str, Required: true, Enum: []string{"dev", "staging", "production"}},
			{Name: "argv", Type: list, Doc: "the command that serves the model; {{port}} is a free port; or endpoint"},
			{Name: "endpoint", Type: str, Doc: "where the model is served already; or argv"},
			{Name: "strategy", Type: str, Enum: []string{"direct", "canary", "blue_green"}},
			{Name: "health", Type: obj, Fields: []workflow.Field{
				{Name: "path", Type: str},
				{Name: "interval", Type: dur},
				{Name: "healthy_after", Type: workflow.FieldInteger, Doc: "good answers in a row"},
				{Name: "timeout", Type: dur},
			}},
			{Name: "steps", Type: list, Fields: []workflow.Field{
				{Name: "traffic", Type: num, Required: true, Doc: "percent"},
				{Name: "hold", Type: dur},
			}},
			{Name: "analysis", Type: list, Fields: []workflow.Field{
				{Name: "metric", Type: str, Required: true},
				{Name: "max", Type: num},
				{Name: "min", Type: num},
			}},
			{Name: "on_failure", Type: str, Enum: []string{"rollback", "hold"}},
			{Name: "keep_previous", Type: dur},
		},
		Check: func(n workflow.Node, report func(at source.Pos, code, text string)) {
			if (n.Config.Get("argv") == nil) == (n.Config.Get("endpoint") == nil) {
				report(n.Config.Pos, "required", n.ID+" needs one of argv and endpoint")
			}
		},
	})}
}
