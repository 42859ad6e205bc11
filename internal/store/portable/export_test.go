package portable

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/store"
)

// WakeJob wakes a job in a transaction of its own.
func WakeJob(ctx context.Context, s store.Store, jobID string, at time.Time) error {
	d := s.Jobs.(jobs).db
	return d.Write(ctx, func(ctx context.Context, tx Tx) error { return d.wakeJob(ctx, tx, jobID, at) })
}
