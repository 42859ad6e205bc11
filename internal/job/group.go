package job

import (
	"time"

	"github.com/runsheet/runsheet/internal/rank"
)

// GroupMode says how the members of a group run.
type GroupMode string

// The modes.
const (
	Parallel   GroupMode = "parallel"   // together, inside one slot
	Sequential GroupMode = "sequential" // one after another, in list order, inside one slot
)

// OnFailure says what a member that does not succeed means for the rest.
type OnFailure string

// The answers.
const (
	FailureStop     OnFailure = "stop"     // the rest is SKIPPED with reason group_stopped
	FailureContinue OnFailure = "continue" // the rest runs
)

// GroupState is where a group is in its life.
type GroupState string

// The states of a group.
const (
	// GroupPending waits in the order for its one slot; a claim starts it.
	GroupPending GroupState = "PENDING"
	// GroupRunning has its slot until the last member ended.
	GroupRunning GroupState = "RUNNING"
	// GroupCompleted: all members succeeded. Nothing moves it.
	GroupCompleted GroupState = "COMPLETED"
	// GroupPartial has ended, and at least one member did not succeed. Nothing
	// moves it.
	GroupPartial GroupState = "PARTIAL"
)

// Bounds of groups.
const (
	DefaultMaxParallel = 8
	MaxGroupMembers    = 10_000
)

// Group is several jobs that occupy one place in the order together.
type Group struct {
	ID, Tenant string
	Name       string
	Mode       GroupMode
	// MaxParallel is how many members of a parallel group run at a time, 1..8.
	MaxParallel int
	OnFailure   OnFailure
	State       GroupState
	Version     int64
	// Rank is the place of the group; its members have ranks inside of it.
	Rank rank.Rank
	// Total members; those that have ended, by how.
	Total, Succeeded, Failed, Skipped, Cancelled int
	// NextMember numbers the members; numbers are not used twice.
	NextMember int
	Labels     map[string]string
	CreatedBy  string

	CreatedAt, StartedAt, FinishedAt time.Time
}

// Ended is the number of members that have ended.
func (g Group) Ended() int { return g.Succeeded + g.Failed + g.Skipped + g.Cancelled }

// Terminal reports whether the group has ended.
func (g Group) Terminal() bool { return g.State == GroupCompleted || g.State == GroupPartial }

// Member counts the end of one member and ends the group with its last one.
func (g Group) Member(s State, at time.Time) Group {
	switch s {
	case Completed:
		g.Succeeded++
	case Failed:
		g.Failed++
	case Skipped:
		g.Skipped++
	case Cancelled:
		g.Cancelled++
	case Queued, Running:
		return g
	}
	g.Version++
	if g.Ended() < g.Total {
		return g
	}
	g.State, g.FinishedAt = g.Outcome(), at
	return g
}

// Outcome is the state of the group once all its members have ended.
func (g Group) Outcome() GroupState {
	if g.Succeeded == g.Total {
		return GroupCompleted
	}
	return GroupPartial
}

// Stops reports whether a member that ended in s ends the rest of the group.
func (g Group) Stops(s State) bool {
	return g.OnFailure == FailureStop && s.Terminal() && s != Completed && s != Skipped
}
