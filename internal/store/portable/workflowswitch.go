package portable

import (
	"context"
	"fmt"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func (s workflowRuns) Switch(ctx context.Context, p store.SwitchWorkflow) error {
	return s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := s.lockRun(ctx, tx, p.Tenant, p.ID); err != nil {
			return err
		}
		at, err := s.Now(ctx, tx, p.At)
		if err != nil {
			return err
		}
		j, err := jobByID(ctx, tx, p.Tenant, store.WorkflowJobID(p.ID))
		if err != nil {
			return err
		}
		switch {
		case j.State.Terminal():
			return fault.Newf(fault.AlreadyFinished, "run %s is %s", p.ID, j.State)
		case j.State != job.Queued:
			return fault.Newf(fault.Conflict, "run %s is at work", p.ID)
		}
		r, err := workflowByID(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		to, err := versionOf(ctx, tx, p.Tenant, r.WorkflowID, p.To)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE workflow_runs SET version = $1, hash = $2, updated_ms = $3 WHERE run_id = $4 AND seq = $5 AND version = $6`,
			to.Version, to.Hash, clock.Millis(at), p.ID, p.Seq, p.From)
		if err != nil {
			return fmt.Errorf("switch the version of a run: %w", err)
		}
		if n == 0 {
			return fault.Newf(fault.Conflict, "run %s has gone on meanwhile", p.ID)
		}
		tx.Hint(store.Hint{Topic: store.HintJob, ID: j.ID})
		return record(ctx, tx, p.Audit)
	})
}
