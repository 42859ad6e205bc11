package action

import (
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Declared are the actions that can be written down and not yet run: those that trade.
func Declared() []node.Node {
	list := []workflow.Kind{
		{
			Subtype: "risk_check", Doc: "checks a strategy's signals against rules",
			Fields: []workflow.Field{
				{Name: "rules", Type: workflow.FieldObject, Required: true, Doc: "limits by name, for example max_turnover"},
				{Name: "signals", Type: workflow.FieldAny, Doc: "rows of a signals node"},
			},
		},
		{
			Subtype: "plan_orders", Doc: "makes a list of orders that lead from what is held to what is wanted",
			Fields: []workflow.Field{
				{Name: "account", Type: workflow.FieldString, Required: true},
				{Name: "targets", Type: workflow.FieldAny, Doc: "wanted weights or quantities; or signals"},
				{Name: "signals", Type: workflow.FieldAny, Doc: "rows of a signals node; or targets"},
			},
			Check: oneOf("targets", "signals"),
		},
		{
			Subtype: "execute_orders", Doc: "sends the orders of a plan", Effect: true,
			Fields: []workflow.Field{
				{Name: "plan", Type: workflow.FieldString, Required: true},
				{Name: "plan_hash", Type: workflow.FieldString, Required: true, Doc: "of the plan that was approved"},
			},
		},
		{
			Subtype: "cancel_orders", Doc: "cancels the open orders of a plan, or all", Effect: true,
			Fields: []workflow.Field{
				{Name: "plan", Type: workflow.FieldString},
				{Name: "account", Type: workflow.FieldString},
			},
		},
	}
	out := make([]node.Node, 0, len(list))
	for _, k := range list {
		k.Type, k.SubtypeField, k.Outcomes, k.OnCrash = "action", "action_type", []string{"success"}, workflow.CrashRetry
		k.Retryable = []string{node.ClassTimeout, node.ClassServerError, node.ClassRateLimited}
		out = append(out, node.Declare(k))
	}
	return out
}
