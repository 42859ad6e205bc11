package wire

import (
	"encoding/json"
	"time"

	"github.com/runsheet/runsheet/internal/checkpoint"
)

// CheckpointDocument is a step of a run of a workflow with what it had reached.
type CheckpointDocument struct {
	Schema         int                      `json:"schema" doc:"version of this form"`
	CheckpointID   string                   `json:"checkpoint_id"`
	Seq            int64                    `json:"seq" doc:"number of the step, from 1"`
	RunID          string                   `json:"run_id" doc:"the run of the workflow"`
	WorkflowID     string                   `json:"workflow_id"`
	Version        int                      `json:"version" doc:"of the workflow"`
	CompletedNodes []string                 `json:"completed_nodes" doc:"in the order in which they ended"`
	SkippedNodes   []string                 `json:"skipped_nodes"`
	CurrentNode    *string                  `json:"current_node" doc:"the one that works, else waits, for the longest time"`
	CurrentNodes   []string                 `json:"current_nodes" doc:"all that work or wait"`
	Context        Object                   `json:"context" doc:"counters of the map that works, and what nodes have set"`
	Maps           map[string]CheckpointMap `json:"maps" doc:"by node"`
	Pending        CheckpointPending        `json:"pending"`
	Outputs        Object                   `json:"outputs" doc:"by node; what language models wrote is not here"`
}

// CheckpointMap is how far a map was.
type CheckpointMap struct {
	ItemsRef    string           `json:"items_ref" doc:"the artifact with the list"`
	ItemsSHA256 string           `json:"items_sha256"`
	Total       int              `json:"total"`
	NextIndex   int              `json:"next_index" doc:"the first item that has not ended"`
	DoneAbove   []int            `json:"done_above" doc:"items behind next_index that have ended"`
	Failed      []CheckpointItem `json:"failed"`
}

// CheckpointItem is an item whose nodes failed.
type CheckpointItem struct {
	Index   int    `json:"index"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// CheckpointPending is what nodes waited for.
type CheckpointPending struct {
	Timers    []CheckpointTimer    `json:"timers"`
	Approvals []CheckpointApproval `json:"approvals"`
	Events    []CheckpointEvent    `json:"events"`
}

// CheckpointTimer is a time that a node waited for.
type CheckpointTimer struct {
	NodeID string    `json:"node_id"`
	Until  time.Time `json:"until"`
}

// CheckpointApproval is an approval that a node waited for.
type CheckpointApproval struct {
	NodeID     string     `json:"node_id"`
	ApprovalID string     `json:"approval_id"`
	Until      *time.Time `json:"until"`
}

// CheckpointEvent is an event that a node waited for.
type CheckpointEvent struct {
	NodeID string     `json:"node_id"`
	Event  string     `json:"event" doc:"its name"`
	Match  *string    `json:"match" doc:"an expression over it; null: any event of the name"`
	Until  *time.Time `json:"until"`
}

// CheckpointOf shows a step. The error is that of a value that JSON does not have.
func CheckpointOf(d checkpoint.Document) (CheckpointDocument, error) {
	out := CheckpointDocument{
		Schema: d.Schema, CheckpointID: d.CheckpointID, Seq: d.Seq, RunID: d.RunID, WorkflowID: d.WorkflowID, Version: d.Version,
		CompletedNodes: d.CompletedNodes, SkippedNodes: d.SkippedNodes, CurrentNode: d.CurrentNode, CurrentNodes: d.CurrentNodes,
		Maps:    map[string]CheckpointMap{},
		Pending: CheckpointPending{Timers: []CheckpointTimer{}, Approvals: []CheckpointApproval{}, Events: []CheckpointEvent{}},
	}
	counters, err := json.Marshal(d.Context)
	if err != nil {
		return out, err
	}
	outputs, err := json.Marshal(d.Outputs)
	if err != nil {
		return out, err
	}
	out.Context, out.Outputs = counters, outputs
	for id, m := range d.Maps {
		one := CheckpointMap{ItemsRef: m.Items, ItemsSHA256: m.Sum, Total: m.Total, NextIndex: m.Next, DoneAbove: m.Above, Failed: []CheckpointItem{}}
		for _, f := range m.Failed {
			one.Failed = append(one.Failed, CheckpointItem{Index: f.Index, Code: f.Code, Message: f.Message})
		}
		out.Maps[id] = one
	}
	for _, p := range d.Pending.Timers {
		out.Pending.Timers = append(out.Pending.Timers, CheckpointTimer{NodeID: p.NodeID, Until: p.Until})
	}
	for _, p := range d.Pending.Approvals {
		out.Pending.Approvals = append(out.Pending.Approvals, CheckpointApproval{NodeID: p.NodeID, ApprovalID: p.ApprovalID, Until: instant(p.Until)})
	}
	for _, p := range d.Pending.Events {
		out.Pending.Events = append(out.Pending.Events, CheckpointEvent{NodeID: p.NodeID, Event: p.Event, Match: str(p.Match), Until: instant(p.Until)})
	}
	return out, nil
}
