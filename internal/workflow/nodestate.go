package workflow

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Failure is why an attempt, a node or a run ended badly.
type Failure struct {
	NodeID  string `json:"node_id,omitempty"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Attempt int    `json:"attempt,omitempty"`
}

// plain is the failure as expressions see it.
func (f Failure) plain() map[string]any {
	return map[string]any{"node_id": f.NodeID, "code": f.Code, "message": f.Message, "attempt": int64(f.Attempt)}
}

// WaitFor is what a waiting node waits for.
type WaitFor string

// The reasons.
const (
	WaitRetry    WaitFor = "retry_delay" // the time of the next attempt
	WaitTimer    WaitFor = "timer"
	WaitApproval WaitFor = "approval"
	WaitEvent    WaitFor = "event"
	WaitJob      WaitFor = "job"      // a job, or a run of another workflow
	WaitPerson   WaitFor = "decision" // somebody says what an attempt did that was cut off
	WaitLock     WaitFor = "lock"     // the node's locks; nothing but the engine ends it
)

// Wait is a node's reason to wait.
type Wait struct {
	For WaitFor `json:"for"`
	// Until is when it ends by itself; zero = never.
	Until time.Time `json:"until,omitzero"`
	// Ref is the approval, the job or the run that is waited for; Event and Match
	// describe an event: its name and an expression over it.
	Ref   string `json:"ref,omitempty"`
	Event string `json:"event,omitempty"`
	Match string `json:"match,omitempty"`
}

// Why nodes are skipped.
const (
	skipNotReached = "nothing led to it"
	skipCondition  = "its condition is false"
)

// SkipCode is the code of the reason for which a node was skipped; "" = another one.
func SkipCode(reason string) string {
	switch reason {
	case skipNotReached:
		return "not_reached"
	case skipCondition:
		return "condition_false"
	}
	return ""
}

// NodeState is a node of a run, as it is kept. The zero value is a node that was
// not reached yet, with Status "" for NodePending in stored documents.
type NodeState struct {
	Status NodeStatus `json:"status"`
	// Attempt counts the attempts, as the policy of retry does.
	Attempt int `json:"attempt,omitempty"`
	// Past is how many attempts it had beside these: before it was last put back to its
	// beginning, and lost ones. Past and Attempt together number an attempt.
	Past    int    `json:"past,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	// Reason is why it was skipped.
	Reason    string    `json:"reason,omitempty"`
	ReadyAt   time.Time `json:"ready_at,omitzero"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Now is what now() is for the node: the beginning of its first attempt.
	Now time.Time `json:"now,omitzero"`
	// Wait is what a WAITING node waits for, and what a CANCELLED one waited for.
	Wait  *Wait    `json:"wait,omitempty"`
	Error *Failure `json:"error,omitempty"`
	// Order is the place among the completed nodes, from 1.
	Order int `json:"order,omitempty"`
	// Round counts how often it was put back to its beginning.
	Round int `json:"round,omitempty"`
	// Ephemeral says that a part of its outputs is kept in memory only.
	Ephemeral bool `json:"ephemeral,omitempty"`
}

func ready(s NodeState, e Readied, n *NodeState) {
	*n = s
	n.ReadyAt, n.Wait = e.At, nil
}

func pass(s NodeState, e Passed, n *NodeState) {
	*n = s
	n.EndedAt, n.Reason = e.At, e.Reason
}

func begin(s NodeState, e Began, n *NodeState) {
	*n = s
	n.Attempt++
	n.StartedAt = e.At
	if n.Now.IsZero() {
		n.Now = e.At
	}
}

func park(s NodeState, e Parked, n *NodeState) {
	*n = s
	n.Wait = &e.Wait
}

func succeed(s NodeState, e Succeeded, n *NodeState) {
	*n = s
	n.EndedAt, n.Outcome, n.Order, n.Ephemeral, n.Wait, n.Error = e.At, e.Outcome, e.Order, e.Ephemeral, nil, nil
}

func delay(s NodeState, e Delayed, n *NodeState) {
	*n = s
	n.Error, n.Wait = &e.Failure, &Wait{For: WaitRetry, Until: e.Until}
}

func breakDown(s NodeState, e Broke, n *NodeState) {
	*n = s
	n.EndedAt, n.Error, n.Wait = e.At, &e.Failure, nil
	if e.Handled {
		n.Outcome = OutcomeError
	}
}

// lose takes the attempt out of the count: the policy of retry, and what the node asks
// others for, takes the one that repeats it for the same one. It was one nevertheless.
func lose(s NodeState, _ Lost, n *NodeState) {
	*n = s
	n.Attempt--
	n.Past++
}

func end(s NodeState, e Ended, n *NodeState) {
	*n = s // with what it waited for, which somebody has to end
	n.EndedAt = e.At
}

func undo(s NodeState, _ Undone, n *NodeState) { *n = s }

func forget(s NodeState, _ Forgotten, n *NodeState) {
	*n = NodeState{Round: s.Round, Now: s.Now, Past: s.Past + s.Attempt}
}

func rewind(s NodeState, _ Rewound, n *NodeState) {
	*n = NodeState{Round: s.Round + 1, Past: s.Past + s.Attempt}
}

// apply moves a node; conflict when the table has no such move.
func (n NodeState) apply(event any) (NodeState, error) {
	if n.Status == "" {
		n.Status = NodePending
	}
	to, change, err := NodeTable.Apply(n, event)
	if err != nil {
		return n, fault.Wrap(err, fault.Conflict, "the node is "+string(n.Status))
	}
	change.Status = to
	return change, nil
}

// Delta is what one step changes in the state of a run, as it is written: absolute
// values, so that the latest of several wins. Applying all deltas of a run in their
// order to the zero State gives its state.
type Delta struct {
	// Rest is the state without nodes, outputs and maps.
	Rest State `json:"rest"`
	// Nodes and Maps that changed.
	Nodes map[string]NodeState `json:"nodes,omitempty"`
	Maps  map[string]MapState  `json:"maps,omitempty"`
	// Outputs that were set. Those of ephemeral results are not here.
	Outputs map[string]map[string]any `json:"outputs,omitempty"`
	// NoOutputs and NoMaps are nodes that have lost theirs: they were rewound.
	NoOutputs []string `json:"no_outputs,omitempty"`
	NoMaps    []string `json:"no_maps,omitempty"`
}

// Difference is the delta that leads from a state to another one. stored has the
// outputs to be stored of nodes where these are others than those in memory.
func Difference(before, after State, stored map[string]map[string]any) Delta {
	d := Delta{Rest: after, Nodes: map[string]NodeState{}, Maps: map[string]MapState{}, Outputs: map[string]map[string]any{}}
	d.Rest.Nodes, d.Rest.Outputs, d.Rest.Maps = nil, nil, nil
	for id, n := range after.Nodes {
		if was, there := before.Nodes[id]; !there || !reflect.DeepEqual(was, n) {
			d.Nodes[id] = n
		}
	}
	for id, m := range after.Maps {
		if was, there := before.Maps[id]; !there || !reflect.DeepEqual(was, m) {
			d.Maps[id] = m
		}
	}
	for id, o := range after.Outputs {
		was, there := before.Outputs[id]
		if there && sameMap(was, o) {
			continue
		}
		if other, is := stored[id]; is {
			o = other
		}
		d.Outputs[id] = o
	}
	for id := range before.Outputs {
		if _, there := after.Outputs[id]; !there {
			d.NoOutputs = append(d.NoOutputs, id)
		}
	}
	for id := range before.Maps {
		if _, there := after.Maps[id]; !there {
			d.NoMaps = append(d.NoMaps, id)
		}
	}
	slices.Sort(d.NoOutputs)
	slices.Sort(d.NoMaps)
	return d
}

// sameMap reports whether two maps are one and the same: outputs are set, never
// changed in place.
func sameMap(a, b map[string]any) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// Apply returns the state after a delta. s may be the zero State.
func (s State) Apply(d Delta) State {
	nodes, outputs, ms := s.Clone(), s.Outputs, s.Maps
	out := d.Rest.Clone()
	out.Nodes, out.Outputs, out.Maps = nodes.Nodes, cloned(outputs), cloned(ms)
	if out.Nodes == nil {
		out.Nodes = map[string]NodeState{}
	}
	if out.Context == nil {
		out.Context = map[string]any{}
	}
	maps.Copy(out.Nodes, d.Nodes)
	maps.Copy(out.Maps, d.Maps)
	maps.Copy(out.Outputs, d.Outputs)
	for _, id := range d.NoOutputs {
		delete(out.Outputs, id)
	}
	for _, id := range d.NoMaps {
		delete(out.Maps, id)
	}
	return out
}

func cloned[V any](m map[string]V) map[string]V {
	out := make(map[string]V, len(m))
	maps.Copy(out, m)
	return out
}

// Plain returns d, read from JSON by the standard decoder, with whole numbers as
// expressions know them: int64.
func (d Delta) Plain() Delta {
	for id, o := range d.Outputs {
		d.Outputs[id] = PlainOutputs(o)
	}
	d.Rest.Context, d.Rest.Values = PlainOutputs(d.Rest.Context), PlainOutputs(d.Rest.Values)
	return d
}

// PlainOutputs is Plain for the outputs of one node. Whole numbers beyond 2^53 should
// be decoded with UseNumber.
func PlainOutputs(o map[string]any) map[string]any {
	if o == nil {
		return nil
	}
	out, _ := plainNumbers(o).(map[string]any)
	return out
}

// Plain returns a value that the standard decoder has read, with whole numbers as
// int64. It changes v in place.
func Plain(v any) any { return plainNumbers(v) }

func plainNumbers(v any) any {
	switch v := v.(type) {
	case float64:
		if n := int64(v); float64(n) == v && math.Abs(v) < 1<<53 {
			return n
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i, x := range v {
			v[i] = plainNumbers(x)
		}
	case map[string]any:
		for k, x := range v {
			v[k] = plainNumbers(x)
		}
	}
	return v
}
