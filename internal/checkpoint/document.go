package checkpoint

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/workflow"
)

// DocumentSchema is the version of Document.
const DocumentSchema = 1

// Snapshot is a run of a workflow after one of its steps.
type Snapshot struct {
	// ID is that of the checkpoint.
	ID, Tenant, RunID string
	WorkflowID        string
	Version           int
	// NodeID is what the step was mostly about, "" = the run.
	NodeID     string
	Seq, Epoch int64
	At         time.Time
	State      workflow.State
	// Ephemeral are nodes whose outputs must stay in the memory of the run: they are
	// in no tier.
	Ephemeral map[string]bool
}

// Document is a checkpoint as people and programs see it.
type Document struct {
	Schema       int    `json:"schema"`
	CheckpointID string `json:"checkpoint_id"`
	Seq          int64  `json:"seq"`
	RunID        string `json:"run_id"`
	WorkflowID   string `json:"workflow_id"`
	Version      int    `json:"version"`
	// CompletedNodes are in the order in which they ended, the other lists by name.
	CompletedNodes []string `json:"completed_nodes"`
	SkippedNodes   []string `json:"skipped_nodes"`
	// CurrentNode is the one of CurrentNodes that works or else waits for the
	// longest time; nil = none does.
	CurrentNode  *string                      `json:"current_node"`
	CurrentNodes []string                     `json:"current_nodes"`
	Context      map[string]any               `json:"context"`
	Maps         map[string]workflow.MapState `json:"maps"`
	Pending      Pending                      `json:"pending"`
	Outputs      map[string]map[string]any    `json:"outputs"`
}

// Pending is what nodes wait for.
type Pending struct {
	Timers    []PendingTimer    `json:"timers"`
	Approvals []PendingApproval `json:"approvals"`
	Events    []PendingEvent    `json:"events"`
}

// PendingTimer is a time that a node waits for.
type PendingTimer struct {
	NodeID string    `json:"node_id"`
	Until  time.Time `json:"until"`
}

// PendingApproval is a request for an approval that a node waits for.
type PendingApproval struct {
	NodeID     string    `json:"node_id"`
	ApprovalID string    `json:"approval_id"`
	Until      time.Time `json:"until,omitzero"`
}

// PendingEvent is an event that a node waits for.
type PendingEvent struct {
	NodeID string    `json:"node_id"`
	Event  string    `json:"event"`
	Match  string    `json:"match,omitempty"`
	Until  time.Time `json:"until,omitzero"`
}

// Document returns the snapshot in the form that people and programs see. It
// shares maps with the state.
func (s Snapshot) Document() Document {
	st := s.State
	d := Document{
		Schema: DocumentSchema, CheckpointID: s.ID, Seq: s.Seq, RunID: s.RunID, WorkflowID: s.WorkflowID, Version: s.Version,
		CompletedNodes: []string{}, SkippedNodes: []string{}, CurrentNodes: []string{},
		Context: st.Context, Maps: map[string]workflow.MapState{}, Outputs: map[string]map[string]any{},
		Pending: Pending{Timers: []PendingTimer{}, Approvals: []PendingApproval{}, Events: []PendingEvent{}},
	}
	if d.Context == nil {
		d.Context = map[string]any{}
	}
	for id, m := range st.Maps {
		if m.Above == nil {
			m.Above = []int{}
		}
		if m.Failed == nil {
			m.Failed = []workflow.FailedItem{}
		}
		d.Maps[id] = m
	}
	for id, o := range st.Outputs {
		if !s.Ephemeral[id] {
			d.Outputs[id] = o
		}
	}
	for _, id := range slices.Sorted(maps.Keys(st.Nodes)) {
		n := st.Nodes[id]
		switch n.Status {
		case workflow.NodeCompleted:
			d.CompletedNodes = append(d.CompletedNodes, id)
		case workflow.NodeSkipped:
			d.SkippedNodes = append(d.SkippedNodes, id)
		case workflow.NodeRunning:
			d.CurrentNodes = append(d.CurrentNodes, id)
		case workflow.NodeWaiting:
			d.CurrentNodes = append(d.CurrentNodes, id)
			if n.Wait != nil {
				d.Pending.add(id, *n.Wait)
			}
		case workflow.NodePending, workflow.NodeReady, workflow.NodeFailed, workflow.NodeCancelled, workflow.NodeCompensated:
		}
	}
	slices.SortStableFunc(d.CompletedNodes, func(a, b string) int { return cmp.Compare(st.Nodes[a].Order, st.Nodes[b].Order) })
	d.CurrentNode = current(st, d.CurrentNodes)
	return d
}

func current(st workflow.State, ids []string) *string {
	if len(ids) == 0 {
		return nil
	}
	rank := func(id string) int {
		if st.Nodes[id].Status == workflow.NodeRunning {
			return 0
		}
		return 1
	}
	first := slices.MinFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), st.Nodes[a].StartedAt.Compare(st.Nodes[b].StartedAt), cmp.Compare(a, b))
	})
	return &first
}

// add notes a wait. What is for a job, a lock or a person's word is none of the
// document's lists.
func (p *Pending) add(id string, w workflow.Wait) {
	switch w.For {
	case workflow.WaitRetry, workflow.WaitTimer:
		p.Timers = append(p.Timers, PendingTimer{NodeID: id, Until: w.Until.UTC()})
	case workflow.WaitApproval:
		p.Approvals = append(p.Approvals, PendingApproval{NodeID: id, ApprovalID: w.Ref, Until: w.Until.UTC()})
	case workflow.WaitEvent:
		p.Events = append(p.Events, PendingEvent{NodeID: id, Event: w.Event, Match: w.Match, Until: w.Until.UTC()})
	case workflow.WaitJob, workflow.WaitPerson, workflow.WaitLock:
	}
}
