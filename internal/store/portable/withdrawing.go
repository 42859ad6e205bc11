package portable

import (
	"context"
	"fmt"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

// This file does for requests of others than jobs what comes from whoever asked.

func (s approvals) Withdraw(ctx context.Context, p store.WithdrawApproval) (approval.Request, error) {
	var out approval.Request
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		r, _, err := s.lockApproval(ctx, tx, p.Tenant, p.ID)
		if err != nil {
			return err
		}
		if out = r; r.Status != approval.Pending {
			return nil
		}
		if r.Subject.Type == approval.SubjectJob {
			return fault.Newf(fault.Conflict, "approval %s is withdrawn with its job", r.ID)
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		c, err := approval.Apply(r, approval.Withdrawn{At: now, Reason: p.Reason})
		if err != nil {
			return err
		}
		out = storedApproval(c.After)
		return answer(ctx, tx, c)
	})
	return out, err
}

func (s approvals) Remind(ctx context.Context, p store.RemindApproval) (approval.Request, error) {
	var out approval.Request
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		r, _, err := s.lockApproval(ctx, tx, p.Tenant, p.ID)
		if err != nil {
			return err
		}
		if out = r; r.Status != approval.Pending {
			return nil
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		if !now.Before(r.ExpiresAt) {
			return nil
		}
		if err := announceApproval(ctx, tx, []event.Event{r.Reminder(now)}, r); err != nil {
			return fmt.Errorf("remind of an approval: %w", err)
		}
		return nil
	})
	return out, err
}
