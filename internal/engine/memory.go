package engine

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Memory is Runs for one run that is kept in memory: rehearsals and tests. States go
// through JSON at each step, as they do in a database. It is safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	run     store.WorkflowRun
	state   workflow.State
	signals store.WorkflowSignals
	steps   []store.WorkflowStep
	// Before is called before each step; an error refuses it. nil = nothing.
	Before func(store.WorkflowStep) error
	// After is called when a step is kept; an error hides that from the engine.
	After func(store.WorkflowStep) error
}

// NewMemory returns a run that has not begun, or, with a state, one that goes on from
// there.
func NewMemory(run store.WorkflowRun) *Memory {
	m := &Memory{run: run, state: run.State}
	return m
}

// Run returns the run as it is kept.
func (m *Memory) Run() store.WorkflowRun {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.run
	r.State = m.state
	return r
}

// Steps returns what was written so far.
func (m *Memory) Steps() []store.WorkflowStep {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]store.WorkflowStep(nil), m.steps...)
}

// Claim begins another turn: earlier ones can write nothing more.
func (m *Memory) Claim() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run.Job.Epoch++
	return m.run.Job.Epoch
}

// Wake ends the wait of a node, as something outside does.
func (m *Memory) Wake(w store.WokenNode) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signals.Woken = append(m.signals.Woken, w)
}

// Signal changes what the run is told from outside.
func (m *Memory) Signal(change func(*store.WorkflowSignals)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.signals)
}

// Load implements Runs.
func (m *Memory) Load(_ context.Context, _ string, epoch int64) (store.WorkflowRun, store.WorkflowSignals, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if epoch != m.run.Job.Epoch {
		return store.WorkflowRun{}, store.WorkflowSignals{}, fault.New(fault.StaleLease, "another turn has the run")
	}
	r := m.run
	r.State = m.state.Clone()
	return r, m.signals, nil
}

// Enter implements Runs: there is no other run.
func (m *Memory) Enter(context.Context, store.EnterWorkflow) (store.Turn, error) {
	return store.Turn{Granted: true}, nil
}

// Step implements Runs.
func (m *Memory) Step(_ context.Context, p store.WorkflowStep) (store.WorkflowSignals, error) {
	if m.Before != nil {
		if err := m.Before(p); err != nil {
			return store.WorkflowSignals{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case p.Epoch != m.run.Job.Epoch:
		return store.WorkflowSignals{}, fault.New(fault.StaleLease, "another turn has the run")
	case p.All()[0].Seq != m.run.Seq+1:
		return store.WorkflowSignals{}, fault.Newf(fault.Conflict, "step %d does not follow step %d", p.All()[0].Seq, m.run.Seq)
	}
	for _, one := range p.All() {
		kept, err := roundTrip(one.Delta)
		if err != nil {
			return store.WorkflowSignals{}, err
		}
		m.state = m.state.Apply(kept)
		m.steps = append(m.steps, one)
		m.signals.Woken = slices.DeleteFunc(slices.Clone(m.signals.Woken), func(w store.WokenNode) bool {
			n, changed := kept.Nodes[w.NodeID]
			return changed && (n.Wait == nil || n.Wait.For != w.For)
		})
	}
	m.run.Seq, m.run.Epoch = p.Seq, p.Epoch
	if m.After != nil {
		if err := m.After(p); err != nil {
			return store.WorkflowSignals{}, err
		}
	}
	return m.signals, nil
}

// Signals implements Runs.
func (m *Memory) Signals(context.Context, []string) (map[string]store.WorkflowSignals, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return map[string]store.WorkflowSignals{m.run.ID: m.signals}, nil
}

// roundTrip is a delta as a database gives it back: values of JSON have the types that
// they have for expressions.
func roundTrip(d workflow.Delta) (workflow.Delta, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return d, err
	}
	var out workflow.Delta
	if err := json.Unmarshal(data, &out); err != nil {
		return d, err
	}
	return out.Plain(), nil
}
