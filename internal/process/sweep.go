package process

import (
	"time"

	"github.com/runsheet/runsheet/internal/run"
)

// sweepTime bounds Sweep; sweepPause is between two looks.
const (
	sweepTime  = 5 * time.Second
	sweepPause = 10 * time.Millisecond
)

// Survivor is an attempt that is over, whose processes may not be.
type Survivor struct {
	// RunID is the marker of its tree.
	RunID string
	// Part is that of Options: of the run's trees only this one is dead; "" = all.
	Part string
	// Process is the supervisor as it was recorded; zero if none was.
	Process run.Process
}
