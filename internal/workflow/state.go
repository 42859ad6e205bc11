package workflow

import (
	"time"

	"github.com/runsheet/runsheet/internal/fsm"
)

// NodeStatus is where a node of a run is in its life.
type NodeStatus string

// The states.
const (
	// NodePending has not been decided about: nodes before it are under way. Their
	// ends move it. A run that ends leaves it where it is.
	NodePending NodeStatus = "PENDING"
	// NodeReady may start as soon as the run has room for it.
	NodeReady NodeStatus = "READY"
	// NodeRunning has an attempt on the instance that has the run.
	NodeRunning NodeStatus = "RUNNING"
	// NodeWaiting waits for a time, a person, an event or a job, without a slot.
	NodeWaiting NodeStatus = "WAITING"
	// NodeCompleted has an outcome and outputs. A rewind or a compensation moves it.
	NodeCompleted NodeStatus = "COMPLETED"
	// NodeFailed has no attempt left. If somebody goes on from there its outcome is
	// "error". A rewind moves it.
	NodeFailed NodeStatus = "FAILED"
	// NodeSkipped did not run: its condition was false, or nothing led to it.
	NodeSkipped NodeStatus = "SKIPPED"
	// NodeCancelled was stopped, or never started, because the run ends.
	NodeCancelled NodeStatus = "CANCELLED"
	// NodeCompensated was completed, and what it did was undone.
	NodeCompensated NodeStatus = "COMPENSATED"
)

// NodeStates lists all states, living ones first.
func NodeStates() []NodeStatus {
	return []NodeStatus{
		NodePending, NodeReady, NodeRunning, NodeWaiting, NodeCompleted, NodeFailed, NodeSkipped, NodeCancelled, NodeCompensated,
	}
}

// Terminal reports whether s is left by nothing but a rewind or a compensation.
func (s NodeStatus) Terminal() bool {
	return s != NodePending && s != NodeReady && s != NodeRunning && s != NodeWaiting
}

// Events. Each is a fact that the table turns into a change of a NodeState.
type (
	// Readied says that the edges before it let it start.
	Readied struct{ At time.Time }
	// Passed says that it does not run.
	Passed struct {
		At     time.Time
		Reason string
	}
	// Began starts its next attempt.
	Began struct{ At time.Time }
	// Parked says what it waits for.
	Parked struct {
		At   time.Time
		Wait Wait
	}
	// Succeeded ends it well.
	Succeeded struct {
		At      time.Time
		Outcome string
		// Order counts the completed nodes of the run.
		Order int
		// Ephemeral: a part of its outputs is not stored.
		Ephemeral bool
	}
	// Delayed ends an attempt badly; another one comes.
	Delayed struct {
		At, Until time.Time
		Failure   Failure
	}
	// Broke ends it badly. Handled says that the run goes on from there.
	Broke struct {
		At      time.Time
		Failure Failure
		Handled bool
	}
	// Lost says that the server died during the attempt: the next one repeats it.
	Lost struct{ At time.Time }
	// Ended stops it because the run ends.
	Ended struct{ At time.Time }
	// Undone says that what it did was undone.
	Undone struct{ At time.Time }
	// Rewound puts it back to its beginning, for another round.
	Rewound struct{ At time.Time }
	// Forgotten puts it back because what it gave is lost: it gives it again.
	Forgotten struct{ At time.Time }
)

// NodeTable is the state machine of a node.
var NodeTable = fsm.New[NodeStatus, NodeState, NodeState](func(n NodeState) NodeStatus { return n.Status },
	fsm.On[Readied](fsm.From(NodePending, NodeWaiting), fsm.To(NodeReady), fsm.Do(ready)),
	fsm.On[Passed](fsm.From(NodePending, NodeReady), fsm.To(NodeSkipped), fsm.Do(pass)),
	fsm.On[Began](fsm.From(NodeReady), fsm.To(NodeRunning), fsm.Do(begin)),
	fsm.On[Parked](fsm.From(NodeRunning, NodeWaiting), fsm.To(NodeWaiting), fsm.Do(park)),
	fsm.On[Succeeded](fsm.From(NodeRunning, NodeWaiting), fsm.To(NodeCompleted), fsm.Do(succeed)),
	fsm.On[Delayed](fsm.From(NodeRunning, NodeWaiting), fsm.To(NodeWaiting), fsm.Do(delay)),
	fsm.On[Broke](fsm.From(NodeReady, NodeRunning, NodeWaiting), fsm.To(NodeFailed), fsm.Do(breakDown)),
	fsm.On[Lost](fsm.From(NodeRunning), fsm.To(NodeReady), fsm.Do(lose)),
	fsm.On[Ended](fsm.From(NodePending, NodeReady, NodeRunning, NodeWaiting), fsm.To(NodeCancelled), fsm.Do(end)),
	fsm.On[Undone](fsm.From(NodeCompleted), fsm.To(NodeCompensated), fsm.Do(undo)),
	fsm.On[Forgotten](fsm.From(NodeCompleted), fsm.To(NodePending), fsm.Do(forget)),
	fsm.On[Rewound](fsm.From(NodeStates()...), fsm.To(NodePending), fsm.Do(rewind)),
)
