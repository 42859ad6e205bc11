package portable

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/store"
)

// This file hands approvals to others, and takes them back. It goes the way of
// decisions: the same locks, in the same order, and the clock is read behind them.

func (s approvals) Delegate(ctx context.Context, p store.DelegateApproval) (approval.Request, error) {
	return s.hand(ctx, handing{p.Tenant, p.ID, p.Now, p.Key, p.Audit, func(r approval.Request, now time.Time) (any, error) {
		return approval.Delegate{At: now, From: p.From, To: p.To, Reason: p.Reason}, r.MayDelegate(p.From, p.Roles, p.To, p.Reason, now)
	}})
}

func (s approvals) Recall(ctx context.Context, p store.RecallApproval) (approval.Request, error) {
	return s.hand(ctx, handing{p.Tenant, p.ID, p.Now, p.Key, p.Audit, func(r approval.Request, now time.Time) (any, error) {
		return approval.Recall{At: now, By: p.By}, r.MayRecall(p.By, now)
	}})
}

// handing is a change of who may decide a request.
type handing struct {
	tenant, id string
	now        time.Time
	key        *store.Key
	audit      *audit.Entry
	// event is what happens, or why it may not.
	event func(r approval.Request, now time.Time) (any, error)
}

func (s approvals) hand(ctx context.Context, h handing) (approval.Request, error) {
	var out approval.Request
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, h.key); err != nil {
			return err
		}
		r, _, err := s.lockApproval(ctx, tx, h.tenant, h.id)
		if err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, h.now)
		if err != nil {
			return err
		}
		ev, err := h.event(r, now)
		if err != nil {
			return err
		}
		c, err := approval.Apply(r, ev)
		if err != nil {
			return err
		}
		if err := answer(ctx, tx, c); err != nil {
			return err
		}
		out = storedApproval(c.After)
		if err := storeKey(ctx, tx, h.key, out); err != nil {
			return err
		}
		return record(ctx, tx, withStatus(h.audit, c.After))
	})
	return out, err
}
