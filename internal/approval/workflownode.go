package approval

import (
	"cmp"
	"slices"
	"strings"
)

// SubjectWorkflowNode is a node of a run of a workflow, which waits for the decision.
const SubjectWorkflowNode SubjectType = "workflow_node"

// KindWorkflow asks whether a run of a workflow may go on.
const KindWorkflow Kind = "workflow_approval"

// NodeSubject is a node of a run of a workflow.
func NodeSubject(runID, nodeID string) Subject {
	return Subject{Type: SubjectWorkflowNode, ID: runID + "/" + nodeID}
}

// Node returns the run and the node of a subject of NodeSubject; false if it is
// another one.
func (s Subject) Node() (runID, nodeID string, ok bool) {
	if s.Type != SubjectWorkflowNode {
		return "", "", false
	}
	return strings.Cut(s.ID, "/")
}

// Prefixes of Request.Approvers.
const (
	approverRole = "role:"
	approverUser = "user:"
)

// ApproverOK reports whether text can be one of Request.Approvers.
func ApproverOK(text string) bool {
	for _, p := range []string{approverRole, approverUser} {
		if name, ok := strings.CutPrefix(text, p); ok && name != "" && len(text) <= maxTitle {
			return true
		}
	}
	return false
}

// Names reports whether p, who has the given roles, is among those who are asked. A
// token is who made it, not whom it is called after. Everybody is where no approvers
// are named.
func (r Request) Names(p Person, roles []string) bool {
	if len(r.Approvers) == 0 {
		return true
	}
	user := cmp.Or(p.MadeBy, p.Name)
	return slices.ContainsFunc(r.Approvers, func(a string) bool {
		if role, ok := strings.CutPrefix(a, approverRole); ok {
			return slices.Contains(roles, role)
		}
		return strings.TrimPrefix(a, approverUser) == user
	})
}
