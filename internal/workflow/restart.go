package workflow

import (
	"maps"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Again says from where a run is repeated.
type Again struct {
	// From is a node; it and all that follows it run again. "" = from the nodes that
	// failed.
	From string
	// FailedItems lets the failed items of maps run again, and what follows these maps.
	FailedItems bool
}

// Restart returns the state with which another run goes on from s, which nobody works
// on any more. Nodes that failed, were under way, or were undone are back at their
// beginning, with all that follows them; a map among them keeps the items that went
// well, unless it is a.From or follows another one of them. unknown_node and
// nothing_to_retry.
func (g *Graph) Restart(s State, a Again, at time.Time) (State, error) {
	if a.From != "" {
		step := g.Step(a.From)
		switch {
		case step == nil:
			return s, fault.Newf(fault.UnknownNode, "the workflow has no node %s", a.From)
		case step.Handler:
			return s, fault.Newf(fault.UnknownNode, "the node %s runs only when others fail", a.From)
		case s.Status(a.From) == NodePending:
			return s, fault.Newf(fault.NothingToRetry, "the node %s was not reached", a.From)
		}
	}
	roots := g.broken(s)
	if a.From != "" {
		roots[a.From] = true
	}
	if a.FailedItems {
		found := false
		for id, m := range s.Maps {
			if step := g.Step(id); step != nil && len(m.Failed) > 0 {
				roots[id], found = true, true
			}
		}
		if !found && a.From == "" {
			return s, fault.New(fault.NothingToRetry, "no item of a map has failed")
		}
	}
	if len(roots) == 0 { // those that failed and were handled
		for id, n := range s.Nodes {
			if n.Status == NodeFailed && g.Step(id) != nil {
				roots[id] = true
			}
		}
	}
	if len(roots) == 0 {
		return s, fault.New(fault.NothingToRetry, "no node has failed")
	}
	return g.rewound(s, roots, a.From, at)
}

// Resumed returns the state with which another run goes on from a checkpoint: what was
// under way there begins anew.
func (g *Graph) Resumed(s State, at time.Time) (State, error) {
	return g.rewound(s, g.broken(s), "", at)
}

// broken are the nodes at which a run has to begin anew.
func (g *Graph) broken(s State) map[string]bool {
	out := map[string]bool{}
	for id, n := range s.Nodes {
		if g.Step(id) == nil {
			continue
		}
		switch s.Status(id) {
		case NodeReady, NodeRunning, NodeWaiting, NodeCancelled, NodeCompensated:
			out[id] = true
		case NodeFailed:
			if n.Outcome != OutcomeError {
				out[id] = true
			}
		case NodePending, NodeCompleted, NodeSkipped:
		}
	}
	return out
}

func (g *Graph) rewound(s State, roots map[string]bool, from string, at time.Time) (State, error) {
	s = s.Clone()
	s.Phase, s.Error, s.HandlerError, s.UndoErrors, s.Undo = PhaseRunning, nil, nil, nil, nil
	s.Result, s.Reason, s.Values, s.Worked, s.Takeover = "", "", nil, 0, nil
	again, follows := map[string]bool{}, map[string]bool{}
	for root := range roots {
		for _, id := range g.Descendants(root) {
			again[id] = true
			follows[id] = follows[id] || id != root
		}
	}
	for _, step := range g.Steps {
		if step.Handler { // the new run fails by itself, if at all
			for _, id := range g.Descendants(step.ID) {
				again[id] = true
			}
		}
	}
	for id := range again {
		delete(s.Rewinds, id)
		delete(s.Outputs, id)
		m, is := s.Maps[id]
		if delete(s.Maps, id); is && id != from && roots[id] && !follows[id] {
			m.Begun = nil
			s.Maps[id] = m.Reopen()
		}
		if s.Status(id) == NodePending {
			continue
		}
		if err := s.move(id, Rewound{At: at}); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Adopt returns a state of version from as one of g, and why that cannot be: see
// Obstacles. Nodes that were skipped, and behind which nothing has happened, are
// decided about anew.
func (g *Graph) Adopt(s State, from *Graph, kinds Kinds, at time.Time) (State, []string, error) {
	if list := Obstacles(s, from, g, kinds); len(list) > 0 {
		return s, list, nil
	}
	s = s.Clone()
	for id := range s.Nodes {
		if g.Step(id) != nil {
			continue
		}
		delete(s.Nodes, id)
		delete(s.Outputs, id)
		delete(s.Maps, id)
	}
	for _, id := range slices.Sorted(maps.Keys(s.Nodes)) {
		if s.Status(id) != NodeSkipped || slices.ContainsFunc(g.Descendants(id), func(next string) bool {
			return s.Status(next) != NodePending && s.Status(next) != NodeSkipped
		}) {
			continue
		}
		if err := s.move(id, Rewound{At: at}); err != nil {
			return s, nil, err
		}
	}
	return s, nil, nil
}

// Recomputed are the completed nodes that a run which goes on from s has to repeat,
// because a node that has not ended reads what is not stored of their outputs. The
// outputs of s are the stored ones.
func (g *Graph) Recomputed(s State) []string {
	if s.Phase == PhaseOver {
		return nil
	}
	again := map[string]bool{}
	for changed := true; changed; {
		changed = false
		for _, step := range g.Steps {
			if s.Status(step.ID).Terminal() && !again[step.ID] {
				continue
			}
			for _, r := range step.Reads() {
				id := r.Path[1]
				n := s.Nodes[id]
				if again[id] || n.Status != NodeCompleted || !n.Ephemeral {
					continue
				}
				if len(r.Path) > 2 {
					if _, stored := s.Outputs[id][r.Path[2]]; stored {
						continue
					}
				}
				again[id], changed = true, true
			}
		}
	}
	return slices.Sorted(maps.Keys(again))
}
