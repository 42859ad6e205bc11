package run

import (
	"time"

	"github.com/runsheet/runsheet/internal/fsm"
)

// State is the result of a run, or Active while there is none.
type State string

// The states.
const (
	// Active executes; its instance, or a rescue, ends it. People see status
	// null and active true.
	Active State = "ACTIVE"
	// Completed ended well.
	Completed State = "COMPLETED"
	// Failed ended badly; Failure says why.
	Failed State = "FAILED"
	// Skipped ended without work to do; Reason says why.
	Skipped State = "SKIPPED"
)

// States lists all states, the living one first.
func States() []State { return []State{Active, Completed, Failed, Skipped} }

// Terminal reports whether nothing can move s any more.
func (s State) Terminal() bool { return s != Active }

// Events.
type (
	// Succeeded ends the run well.
	Succeeded struct {
		At     time.Time
		Result Result
	}
	// Passed ends the run without work to do.
	Passed struct {
		At     time.Time
		Reason string
		Result Result
	}
	// Broke ends the run badly: an error, a cancel, a crash.
	Broke struct {
		At      time.Time
		Failure Failure
		Result  Result
	}
	// Left says that a durable run gave its slot back: it goes on on another day, or
	// after a restart, and has no instance until then.
	Left struct{ Result Result }
)

// Table is the run's state machine.
var Table = fsm.New[State, Run, Change](func(r Run) State { return r.State },
	fsm.On[Succeeded](fsm.From(Active), fsm.To(Completed), fsm.Do(succeed)),
	fsm.On[Passed](fsm.From(Active), fsm.To(Skipped), fsm.Do(pass)),
	fsm.On[Broke](fsm.From(Active), fsm.To(Failed), fsm.Do(fail)),
	fsm.On[Left](fsm.From(Active), fsm.To(Active), fsm.Do(leave)),
)
