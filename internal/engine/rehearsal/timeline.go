package rehearsal

import (
	"fmt"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Line is something that happened.
type Line struct {
	At time.Time
	// NodeID is the node, "" = the run.
	NodeID string
	// State is where the node, or the run, is now.
	State string
	// Text says more, "" = nothing.
	Text string
}

// timeline makes lines of the steps that were written.
func timeline(steps []store.WorkflowStep) []Line {
	var out []Line
	for _, s := range steps {
		var last []Line // the run ends behind its nodes
		for _, e := range s.Events {
			l := Line{At: e.At, NodeID: e.Data["node_id"], State: e.Data["new_state"]}
			switch {
			case e.Type == event.WorkflowProgress:
				l.State, l.Text = string(workflow.NodeRunning), e.Data["reason"]+" items"
			case l.NodeID != "":
				l.Text = told(s.Delta.Nodes[l.NodeID])
			case l.State == string(workflow.ResultWaiting), e.Type == event.WorkflowRunResumed:
				continue // its nodes tell
			default:
				l.Text = e.Data["reason"]
				if l.State != string(workflow.ResultRunning) {
					last = append(last, l)
					continue
				}
			}
			out = append(out, l)
		}
		out = append(out, last...)
	}
	return out
}

// told is what there is to say of a node.
func told(n workflow.NodeState) string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch n.Status {
	case workflow.NodeRunning:
		if n.Attempt > 1 {
			say("attempt %d", n.Attempt)
		}
	case workflow.NodeWaiting:
		if n.Error != nil {
			say("%s: %s;", n.Error.Code, n.Error.Message)
		}
		if n.Wait != nil {
			say("for %s", n.Wait.For)
			if !n.Wait.Until.IsZero() {
				say("until %s", n.Wait.Until.UTC().Format(time.RFC3339))
			}
		}
	case workflow.NodeCompleted:
		say("%s", n.Outcome)
	case workflow.NodeFailed:
		if n.Error != nil {
			say("%s: %s", n.Error.Code, n.Error.Message)
		}
	case workflow.NodeSkipped, workflow.NodeCancelled:
		say("%s", n.Reason)
	case workflow.NodePending, workflow.NodeReady, workflow.NodeCompensated:
	}
	return strings.Join(parts, " ")
}
