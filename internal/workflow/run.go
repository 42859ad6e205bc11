package workflow

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// StateSchema is the version of the durable form of State.
const StateSchema = 1

// Phase says what a run is about.
type Phase string

// The phases, in the order in which a run that fails has them.
const (
	// PhaseRunning starts nodes as their edges let them.
	PhaseRunning Phase = "running"
	// PhaseStopping starts no more; nodes that work are asked to end.
	PhaseStopping Phase = "stopping"
	// PhaseUndoing compensates completed nodes, the last one first.
	PhaseUndoing Phase = "compensating"
	// PhaseHandling runs the workflow's on_error.
	PhaseHandling Phase = "handling"
	// PhaseOver is the end: Result says which.
	PhaseOver Phase = "over"
)

// Result is how a run ended.
type Result string

// The results. Skipped is that of a stop node only.
const (
	ResultCompleted Result = "COMPLETED"
	ResultFailed    Result = "FAILED"
	ResultSkipped   Result = "SKIPPED"
	ResultCancelled Result = "CANCELLED"
)

// What a run is between its ends, for announcements.
const (
	ResultRunning Result = "RUNNING"
	ResultWaiting Result = "WAITING"
)

// CodeCancelled is the code of the failure of a run that a person cancelled.
const CodeCancelled = "cancelled"

// State is a run of a workflow, as it is kept: everything that decides how it goes
// on. Outputs of nodes are values of JSON.
type State struct {
	Schema int   `json:"schema"`
	Phase  Phase `json:"phase"`
	// Nodes are those that were reached.
	Nodes   map[string]NodeState      `json:"nodes"`
	Outputs map[string]map[string]any `json:"outputs"`
	// Context has the counters of the map that works, and those that nodes set.
	Context map[string]any      `json:"context"`
	Maps    map[string]MapState `json:"maps,omitempty"`
	// Completed counts completed nodes.
	Completed int `json:"completed"`
	// Rewinds counts, by the node that asked for them.
	Rewinds map[string]int `json:"rewinds,omitempty"`
	// Error is why the run fails, HandlerError why its handler did too.
	Error        *Failure `json:"error,omitempty"`
	HandlerError *Failure `json:"handler_error,omitempty"`
	// UndoErrors are compensations that did not work.
	UndoErrors []Failure `json:"undo_errors,omitempty"`
	// Undo are the nodes still to be compensated, the next one first.
	Undo []string `json:"undo,omitempty"`
	// Result and Reason are set when the run is to end, or has.
	Result Result `json:"result,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Values are the outputs of the run, when it has completed.
	Values map[string]any `json:"values,omitempty"`
	// Worked is how long the run has worked, without its waits.
	Worked time.Duration `json:"worked,omitempty"`
	// Takeover is the latest one; nil = none was needed. It is never changed in place.
	Takeover *Takeover `json:"takeover,omitempty"`
	// Began is how a run began that repeats another one; nil = it repeats none. It is
	// never changed in place.
	Began *Beginning `json:"began,omitempty"`
}

// Beginning tells what a run that repeats another one was asked to begin with.
type Beginning struct {
	// Version is the other run's.
	Version int `json:"version"`
	// From and FailedItems are those of Again.
	From        string `json:"from,omitempty"`
	FailedItems bool   `json:"failed_items,omitempty"`
	// Seq is the step of the other run whose checkpoint it has; 0 = it is no
	// checkpoint.
	Seq int64 `json:"seq,omitempty"`
}

// Takeover tells that a server went on with a run that another one, or the same one
// before, had left in the middle of its work.
type Takeover struct {
	At    time.Time `json:"at"`
	After CutOff    `json:"after"`
	// Instance is the server that went on.
	Instance string `json:"instance,omitempty"`
	// NodeID is the node at which the run went on, "" = none was at work. Items is how
	// many of its items had ended; nil = it is no map.
	NodeID string `json:"node_id,omitempty"`
	Items  *int   `json:"items,omitempty"`
}

// CutOff is what ended the work of a run before the run had ended or waited.
type CutOff string

// The ways in which a run is cut off.
const (
	CutOffCrash    CutOff = "crash"    // its server died
	CutOffShutdown CutOff = "shutdown" // its server stopped in order
)

// MapState is how far a map is.
type MapState struct {
	// Items is the artifact with the list, Sum its SHA-256.
	Items string `json:"items_ref"`
	Sum   string `json:"items_sha256"`
	Total int    `json:"total"`
	// Next is the first item that has not ended; Above are those behind it that
	// have.
	Next   int          `json:"next_index"`
	Above  []int        `json:"done_above"`
	Failed []FailedItem `json:"failed"`
	// Begun are items at work, kept only where a crash must not repeat them.
	Begun []int `json:"begun,omitempty"`
	// Attempt is the map's attempt that works on the items: a later one opens those
	// again that have failed.
	Attempt int `json:"attempt,omitempty"`
}

// FailedItem is an item whose nodes failed.
type FailedItem struct {
	Index   int    `json:"index"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Processed is how many items have ended.
func (m MapState) Processed() int { return m.Next + len(m.Above) }

// Done reports whether item i has ended.
func (m MapState) Done(i int) bool { return i < m.Next || slices.Contains(m.Above, i) }

// Begin notes that item i is at work and must not be repeated after a crash.
func (m MapState) Begin(i int) MapState {
	if !m.Done(i) && !slices.Contains(m.Begun, i) {
		m.Begun = append(slices.Clone(m.Begun), i)
	}
	return m
}

// Finish notes the end of item i; failed is nil if it went well.
func (m MapState) Finish(i int, failed *FailedItem) MapState {
	if m.Done(i) {
		return m
	}
	m.Begun = slices.DeleteFunc(slices.Clone(m.Begun), func(b int) bool { return b == i })
	m.Above = append(slices.Clone(m.Above), i)
	slices.Sort(m.Above)
	for len(m.Above) > 0 && m.Above[0] == m.Next {
		m.Above, m.Next = m.Above[1:], m.Next+1
	}
	if failed != nil {
		m.Failed = append(slices.Clone(m.Failed), *failed)
		slices.SortFunc(m.Failed, func(a, b FailedItem) int { return a.Index - b.Index })
	}
	return m
}

// Begin is the state of a new run.
func Begin() State {
	return State{Schema: StateSchema, Phase: PhaseRunning, Nodes: map[string]NodeState{}, Outputs: map[string]map[string]any{}, Context: map[string]any{}}
}

// Clone returns a copy that shares nothing that Advance or the methods change.
func (s State) Clone() State {
	s.Nodes, s.Outputs, s.Context = maps.Clone(s.Nodes), maps.Clone(s.Outputs), maps.Clone(s.Context)
	s.Maps, s.Rewinds = maps.Clone(s.Maps), maps.Clone(s.Rewinds)
	s.UndoErrors, s.Undo = slices.Clone(s.UndoErrors), slices.Clone(s.Undo)
	return s
}

// Status is a node's.
func (s State) Status(id string) NodeStatus {
	if n, ok := s.Nodes[id]; ok && n.Status != "" {
		return n.Status
	}
	return NodePending
}

// With returns the nodes in a status, in the order of the graph.
func (g *Graph) With(s State, status NodeStatus) []*Step {
	var out []*Step
	for _, step := range g.Steps {
		if s.Status(step.ID) == status {
			out = append(out, step)
		}
	}
	return out
}

// Scope is what expressions of a run see beside its state.
type Scope struct {
	Inputs, Vars map[string]any
	Run          map[string]any
	Workflow     map[string]any
	Calendars    expression.Calendars
	// Outer are the outputs of the nodes around a map, Item and Index what its body
	// works on.
	Outer map[string]map[string]any
	Item  any
	Index int
}

// Env is what an expression of a node sees. In a handler error is the failure that
// led there, elsewhere the one for which the run ends.
func (g *Graph) Env(s State, sc Scope, id string, now time.Time) expression.Env {
	env := s.env(sc, id, now)
	step := g.Step(id)
	if step == nil {
		return env
	}
	for _, e := range step.In {
		if n := s.Nodes[e.From]; e.Outcome == OutcomeError && n.Status == NodeFailed && n.Error != nil {
			env.Error = n.Error.plain()
		}
	}
	return env
}

func (s State) env(sc Scope, id string, now time.Time) expression.Env {
	outputs := make(map[string]any, len(s.Outputs)+len(sc.Outer))
	for node, o := range sc.Outer {
		outputs[node] = o
	}
	for node, o := range s.Outputs {
		outputs[node] = o
	}
	run := maps.Clone(sc.Run)
	if run == nil {
		run = map[string]any{}
	}
	run["node_id"] = id
	if at := s.Nodes[id].Now; !at.IsZero() {
		now = at
	}
	env := expression.Env{
		Inputs: sc.Inputs, Vars: sc.Vars, Outputs: outputs, Context: maps.Clone(s.Context), Run: run, Workflow: sc.Workflow, Now: now, Calendars: sc.Calendars,
		Item: sc.Item, Index: sc.Index,
	}
	if s.Error != nil {
		env.Error = s.Error.plain()
	}
	return env
}

// move applies an event to a node of the state, in place.
func (s *State) move(id string, event any) error {
	n, err := s.Nodes[id].apply(event)
	if err != nil {
		return fault.Wrap(err, fault.Conflict, fmt.Sprintf("node %s: %s", id, fault.From(err).Detail))
	}
	s.Nodes[id] = n
	return nil
}

// StartNode begins an attempt of a ready node.
func (s *State) StartNode(id string, at time.Time) error { return s.move(id, Began{At: at}) }

// ParkNode lets a node wait.
func (s *State) ParkNode(id string, w Wait, at time.Time) error {
	return s.move(id, Parked{At: at, Wait: w})
}

// WakeNode ends the wait for a retry, or for a person's word to repeat.
func (s *State) WakeNode(id string, at time.Time) error { return s.move(id, Readied{At: at}) }

// LoseNode ends an attempt that died with its server; another one repeats it.
func (s *State) LoseNode(id string, at time.Time) error { return s.move(id, Lost{At: at}) }

// Succeed ends a node well. An outcome that nobody goes on from fails it.
func (g *Graph) Succeed(s *State, id string, done Done, at time.Time) error {
	step := g.Step(id)
	if step == nil {
		return fault.Newf(fault.NotFound, "no node %s", id)
	}
	if !g.Handled(id, done.Outcome) {
		return g.Fail(s, id, Failure{Code: done.Outcome, Message: done.deadEnd()}, at)
	}
	if err := s.move(id, Succeeded{At: at, Outcome: done.Outcome, Order: s.Completed + 1, Ephemeral: done.Ephemeral}); err != nil {
		return err
	}
	s.Completed++
	s.Outputs[id] = done.Outputs
	return nil
}

// deadEnd says that nobody goes on from an outcome; of a rejection also whose it was.
func (d Done) deadEnd() string {
	said := fmt.Sprintf("it ended with %q", d.Outcome)
	if d.Outcome == "rejected" {
		said = "rejected"
		if by, ok := d.Outputs["decided_by"].(string); ok && by != "" {
			said += " by " + by
		}
	}
	return said + "; no edge leads on from that outcome"
}

// Done is how a node ended well.
type Done struct {
	Outcome string
	// Outputs must not be changed any more.
	Outputs map[string]any
	// Ephemeral: a part of Outputs is not to be stored.
	Ephemeral bool
}

// EndNode stops a node because the run ends.
func (s *State) EndNode(id string, at time.Time) error { return s.move(id, Ended{At: at}) }

// Recompute puts a completed node whose outputs were lost back to its beginning,
// alone: what followed it stays.
func (s *State) Recompute(id string, at time.Time) error {
	if err := s.move(id, Forgotten{At: at}); err != nil {
		return err
	}
	delete(s.Outputs, id)
	return nil
}

// FailRun ends the run badly for a reason that is no node's.
func (s *State) FailRun(f Failure) {
	if s.Phase == PhaseRunning {
		s.Error = &f
		s.stop(ResultFailed, f.Message)
	}
}

// Attempted is an attempt that failed.
type Attempted struct {
	Step    *Step
	Failure Failure
	// Class is the failure's class for retry.on, "" = none.
	Class string
	// Spread is a random number in [0,1) for the jitter.
	Spread float64
}

// Repeats reports whether an attempt that failed is followed by another one, and
// after which delay.
func (g *Graph) Repeats(a Attempted, env expression.Env) (time.Duration, bool) {
	r := a.Step.Retry
	if a.Failure.Attempt >= r.MaxAttempts || len(r.On) > 0 && !slices.Contains(r.On, a.Class) {
		return 0, false
	}
	if a.Step.RetryWhen != nil {
		env.Error = a.Failure.plain()
		if ok, err := a.Step.RetryWhen.Bool(env); err != nil || !ok {
			return 0, false
		}
	}
	return r.Delay(a.Failure.Attempt, a.Spread), true
}

// Delay is the wait after the attempt-th attempt, counted from 1. spread in [0,1)
// takes off up to the part Jitter.
func (r Retry) Delay(attempt int, spread float64) time.Duration {
	d := float64(r.Initial)
	if r.Backoff == BackoffExponential {
		d *= math.Pow(2, float64(attempt-1))
	}
	d = min(d, float64(r.Max))
	return time.Duration(d * (1 - r.Jitter*spread)).Round(time.Millisecond)
}

// Retry lets a node wait for its next attempt.
func (s *State) Retry(id string, f Failure, until, at time.Time) error {
	f.NodeID, f.Attempt = id, s.Nodes[id].Attempt
	return s.move(id, Delayed{At: at, Until: until, Failure: f})
}

// Fail ends a node badly: somebody goes on from there, or the run fails.
func (g *Graph) Fail(s *State, id string, f Failure, at time.Time) error {
	step := g.Step(id)
	f.NodeID = id
	if f.Attempt == 0 {
		f.Attempt = s.Nodes[id].Attempt
	}
	handled := s.Phase == PhaseRunning && step.OnError != OnErrorFail
	if err := s.move(id, Broke{At: at, Failure: f, Handled: handled}); err != nil {
		return err
	}
	switch {
	case handled:
		s.Outputs[id] = map[string]any{"error": f.plain()}
	case s.Phase == PhaseRunning:
		s.Error = &f
		s.stop(ResultFailed, f.Message)
	case s.Phase == PhaseUndoing:
		s.UndoErrors = append(s.UndoErrors, f)
	case s.Phase == PhaseHandling && s.HandlerError == nil:
		s.HandlerError = &f
	}
	return nil
}

// Cancel begins the end of a run by a person's wish. What is being undone goes on being
// undone: half of that is what nobody wants.
func (s *State) Cancel(reason string) {
	if s.Phase == PhaseOver || s.Result == ResultCancelled {
		return
	}
	if s.Phase == PhaseUndoing {
		s.Result, s.Reason = ResultCancelled, reason
		return
	}
	s.Error = &Failure{Code: CodeCancelled, Message: reason}
	s.stop(ResultCancelled, reason)
}

// Stop is what a stop node does.
func (s *State) Stop(result Result, reason string) { s.stop(result, reason) }

func (s *State) stop(result Result, reason string) {
	s.Phase, s.Result, s.Reason = PhaseStopping, result, reason
}

// Rewind puts a node and all that follows it back to their beginning. Nodes that
// work or wait are an error.
func (g *Graph) Rewind(s *State, to string, at time.Time) error {
	for _, id := range g.Descendants(to) {
		switch s.Status(id) {
		case NodeRunning:
			return fault.Newf(fault.Conflict, "node %s is at work", id)
		case NodePending:
			continue
		case NodeReady, NodeWaiting, NodeCompleted, NodeFailed, NodeSkipped, NodeCancelled, NodeCompensated:
		}
		if err := s.move(id, Rewound{At: at}); err != nil {
			return err
		}
		delete(s.Outputs, id)
		delete(s.Maps, id)
	}
	return nil
}

// Reopen lets the items that have failed run again.
func (m MapState) Reopen() MapState {
	m.Attempt = 0 // of nobody yet
	if len(m.Failed) == 0 {
		return m
	}
	again := map[int]bool{}
	for _, f := range m.Failed {
		again[f.Index] = true
	}
	out := m
	out.Next, out.Above, out.Failed = m.Failed[0].Index, []int{}, []FailedItem{}
	for i := out.Next; i < m.Total; i++ {
		if m.Done(i) && !again[i] {
			out.Above = append(out.Above, i)
		}
	}
	return out
}
