// Package kinds lists the kinds of nodes that this release has: the language, its
// JSON Schema, the server and the command line all go by it. A new kind is a folder
// below package node and a line here.
package kinds

import (
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/action"
	"github.com/runsheet/runsheet/internal/node/approval"
	"github.com/runsheet/runsheet/internal/node/data"
	"github.com/runsheet/runsheet/internal/node/deploy"
	"github.com/runsheet/runsheet/internal/node/judgment"
	"github.com/runsheet/runsheet/internal/node/mapping"
	"github.com/runsheet/runsheet/internal/node/notification"
	"github.com/runsheet/runsheet/internal/node/rollback"
	"github.com/runsheet/runsheet/internal/node/stop"
	"github.com/runsheet/runsheet/internal/node/subworkflow"
	"github.com/runsheet/runsheet/internal/node/wait"
	"github.com/runsheet/runsheet/internal/workflow"
)

// All returns the declarations of all kinds. Kind asks nothing of a node, so those
// that need a server to run are here without one.
func All() []workflow.Kind {
	out := []workflow.Kind{mapping.Kind()}
	for _, n := range []interface{ Kind() workflow.Kind }{
		(*action.APICall)(nil), (*action.Command)(nil),
		action.LLM{},
		action.Job{},
		approval.Approval{},
		data.Set{},
		(*data.HTTP)(nil),
		data.File{},
		data.Artifact{},
		data.Query{},
		judgment.New(nil),
		(*notification.Webhook)(nil), (*notification.Email)(nil), (*notification.Ntfy)(nil), (*notification.Slack)(nil),
		rollback.Workflow{},
		stop.Stop{},
		subworkflow.Subworkflow{},
		wait.Duration{},
		wait.Until{},
		wait.Event{},
		wait.Market{},
		wait.Job{},
	} {
		out = append(out, n.Kind())
	}
	for _, n := range Declared() {
		out = append(out, n.Kind())
	}
	return out
}

// Declared are the nodes of kinds that can be written down and not yet run.
func Declared() []node.Node {
	var out []node.Node
	for _, list := range [][]node.Node{action.Declared(), data.Declared(), deploy.Declared(), rollback.Declared()} {
		out = append(out, list...)
	}
	return out
}

// Registry returns All as the language takes it.
func Registry() workflow.Kinds { return workflow.NewKinds(All()...) }
