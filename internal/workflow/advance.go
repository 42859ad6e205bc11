package workflow

import (
	"fmt"
	"slices"
	"time"
)

// Advance carries a run on as far as it goes by itself: nodes become ready or are
// skipped, and when none is left the run passes to its next phase. Call it after
// each change; it changes nothing when nothing follows.
func (g *Graph) Advance(s *State, sc Scope, at time.Time) error {
	for {
		switch s.Phase {
		case PhaseRunning:
			if err := g.settle(s, sc, at); err != nil {
				return err
			}
			if s.Phase == PhaseStopping {
				continue // a condition failed
			}
			if !g.idle(*s) {
				return nil
			}
			s.Phase, s.Result = PhaseOver, ResultCompleted
		case PhaseStopping:
			if err := g.drop(s, at); err != nil {
				return err
			}
			if len(g.With(*s, NodeRunning)) > 0 {
				return nil
			}
			g.stopped(s)
		case PhaseUndoing:
			if !g.undo(s, at) {
				return nil
			}
		case PhaseHandling:
			if done, err := g.handle(s, sc, at); err != nil || !done {
				return err
			}
			s.Phase = PhaseOver
		case PhaseOver:
			return nil
		}
	}
}

// idle reports that no node works, waits or may start.
func (g *Graph) idle(s State) bool {
	for _, n := range s.Nodes {
		if n.Status == NodeReady || n.Status == NodeRunning || n.Status == NodeWaiting {
			return false
		}
	}
	return true
}

// settle decides about pending nodes until nothing changes.
func (g *Graph) settle(s *State, sc Scope, at time.Time) error {
	for changed := true; changed && s.Phase == PhaseRunning; {
		changed = false
		for _, step := range g.Steps {
			if step.Handler || s.Status(step.ID) != NodePending {
				continue
			}
			moved, err := g.decide(s, step, sc, at)
			if err != nil {
				return err
			}
			changed = changed || moved
		}
	}
	return nil
}

// decide moves one pending node if it can be decided about.
func (g *Graph) decide(s *State, step *Step, sc Scope, at time.Time) (bool, error) {
	switch g.incoming(*s, step) {
	case unsettled:
		return false, nil
	case inactive:
		return true, s.move(step.ID, Passed{At: at, Reason: skipNotReached})
	case active:
	}
	if step.When != nil {
		ok, err := step.When.Bool(g.Env(*s, sc, step.ID, at))
		if err != nil {
			if err := s.move(step.ID, Readied{At: at}); err != nil {
				return false, err
			}
			return true, g.Fail(s, step.ID, Failure{Code: "condition", Message: "when: " + err.Error()}, at)
		}
		if !ok {
			return true, s.move(step.ID, Passed{At: at, Reason: skipCondition})
		}
	}
	return true, s.move(step.ID, Readied{At: at})
}

// edgeState is what is known of the edges that lead to a node.
type edgeState int

const (
	unsettled edgeState = iota
	inactive
	active
)

// incoming judges the edges into a node by its join. Several edges from one node are
// one: any of its outcomes will do.
func (g *Graph) incoming(s State, step *Step) edgeState {
	if len(step.In) == 0 {
		return active
	}
	var open, on, off int
	var seen []string
	for _, e := range step.In {
		if slices.Contains(seen, e.From) {
			continue
		}
		seen = append(seen, e.From)
		switch g.edge(s, e.From, step) {
		case unsettled:
			open++
		case active:
			on++
		case inactive:
			off++
		}
	}
	switch {
	case step.Join == JoinAny && on > 0:
		return active
	case step.Join == JoinAll && off > 0:
		return inactive
	case open > 0:
		return unsettled
	case step.Join == JoinAlways || on > 0:
		return active
	}
	return inactive
}

func (g *Graph) edge(s State, from string, to *Step) edgeState {
	n := s.Nodes[from]
	switch s.Status(from) {
	case NodePending, NodeReady, NodeRunning, NodeWaiting:
		return unsettled
	case NodeSkipped, NodeCancelled, NodeCompensated:
		return inactive
	case NodeCompleted, NodeFailed:
	}
	for _, e := range to.In {
		if e.From == from && n.Outcome != "" && g.Taken(e, n.Outcome) {
			return active
		}
	}
	return inactive
}

// drop cancels what has not begun, and what only waits.
func (g *Graph) drop(s *State, at time.Time) error {
	for _, step := range g.Steps {
		if st := s.Status(step.ID); st == NodeReady || st == NodeWaiting {
			if err := s.move(step.ID, Ended{At: at}); err != nil {
				return err
			}
		}
	}
	return nil
}

// stopped goes on after the last node has ended. A stop node ends the run as it
// says; a failure and a cancel have their consequences.
func (g *Graph) stopped(s *State) {
	if s.Error == nil {
		s.Phase = PhaseOver
		return
	}
	if s.Undo = nil; g.Definition.Compensate {
		for _, step := range g.With(*s, NodeCompleted) {
			if step.Compensate != "" {
				s.Undo = append(s.Undo, step.ID)
			}
		}
		slices.SortFunc(s.Undo, func(a, b string) int { return s.Nodes[b].Order - s.Nodes[a].Order })
	}
	if s.Phase = PhaseUndoing; len(s.Undo) == 0 {
		s.Phase = PhaseHandling
	}
}

// undo works through the compensations, one after the other. It reports that it is
// done with them.
func (g *Graph) undo(s *State, at time.Time) bool {
	for len(s.Undo) > 0 {
		by := g.Step(s.Undo[0]).Compensate
		switch s.Status(by) {
		case NodePending:
			if s.move(by, Readied{At: at}) == nil {
				return false
			}
		case NodeReady, NodeRunning, NodeWaiting:
			return false
		case NodeCompleted:
			// The table lets every completed node be undone.
			_ = s.move(s.Undo[0], Undone{At: at})
		case NodeFailed, NodeSkipped, NodeCancelled, NodeCompensated:
		}
		s.Undo = s.Undo[1:]
	}
	s.Phase = PhaseHandling
	return true
}

// handle runs the workflow's on_error and what follows it. It reports that it is
// done.
func (g *Graph) handle(s *State, sc Scope, at time.Time) (bool, error) {
	first := g.Step(g.Definition.OnError)
	if first == nil {
		return true, nil
	}
	if s.Status(first.ID) == NodePending && s.HandlerError == nil {
		if err := s.move(first.ID, Readied{At: at}); err != nil {
			return false, err
		}
	}
	region := g.Descendants(first.ID)
	for changed := true; changed && s.HandlerError == nil; {
		changed = false
		for _, id := range region[1:] {
			if s.Status(id) != NodePending {
				continue
			}
			moved, err := g.decide(s, g.Step(id), sc, at)
			if err != nil {
				return false, err
			}
			changed = changed || moved
		}
	}
	if s.HandlerError != nil {
		if err := g.drop(s, at); err != nil {
			return false, err
		}
	}
	return g.idle(*s), nil
}

// Verdict is the end of a run in words; empty before.
func (s State) Verdict() string {
	switch {
	case s.Phase != PhaseOver:
		return ""
	case s.Error == nil:
		return s.Reason
	case s.Error.NodeID != "":
		return fmt.Sprintf("node %s: %s", s.Error.NodeID, s.Error.Message)
	}
	return s.Error.Message
}
