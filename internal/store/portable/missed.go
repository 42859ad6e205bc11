package portable

import (
	"context"

	"github.com/runsheet/runsheet/internal/job"
)

// missedWake reports whether the run of a job that is being parked has something to
// do: a wait of its that has ended and of which it has not heard. The job's row is
// locked. A cancel that was asked is job.Parked's business.
func missedWake(ctx context.Context, tx Tx, j job.Job) (bool, error) {
	if j.Type != workflowType {
		return false, nil
	}
	return awake(ctx, tx, j.ID, j.Parked)
}
