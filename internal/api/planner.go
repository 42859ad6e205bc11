package api

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
)

// Planner does what persons want of schedules besides editing them; it is a
// *planner.Planner.
type Planner interface {
	// RunNow starts a run beside the plan; conflict when the overlap policy or the
	// minimum interval stands in the way, *store.Replay when the key was seen.
	RunNow(ctx context.Context, a planner.Ask, r agenda.RunNow) (job.Job, error)
	// SkipNext skips the next count nominals that would fire, and returns them.
	SkipNext(ctx context.Context, a planner.Ask, count int) ([]time.Time, error)
	// Backfill runs nominals of the past; with dry it only lists them.
	Backfill(ctx context.Context, a planner.Ask, b agenda.Backfill, dry bool) ([]agenda.Decision, []job.Job, error)
	// Wake makes it look at once.
	Wake()
}
