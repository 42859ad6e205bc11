package portable

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// This file ends requests for approvals, and does to their jobs what follows.

func (s approvals) Decide(ctx context.Context, p store.DecideApproval) (approval.Request, error) {
	var out approval.Request
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		r, j, err := s.lockApproval(ctx, tx, p.Tenant, p.ID)
		if err != nil {
			return err
		}
		// Only now: what waited for a lock must not be decided by an old time.
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		if err := r.MayDecide(p.By, p.Approve, p.Comment, p.ContentHash, now); err != nil {
			return err
		}
		if p.Approve {
			if err := r.Eligible(p.By, p.Roles); err != nil {
				return err
			}
		}
		var ev any = approval.Reject{At: now, By: p.By, Comment: p.Comment}
		if p.Approve {
			ev = approval.Approve{At: now, By: p.By, Comment: p.Comment, Form: p.Form}
		}
		c, err := approval.Apply(r, ev)
		if err != nil {
			return err
		}
		if err := s.conclude(ctx, tx, c, j, now); err != nil {
			return err
		}
		out = storedApproval(c.After)
		if err := storeKey(ctx, tx, p.Key, out); err != nil {
			return err
		}
		return record(ctx, tx, withStatus(p.Audit, c.After))
	})
	return out, err
}

// withStatus is an entry that also tells how the request stands now.
func withStatus(e *audit.Entry, r approval.Request) *audit.Entry {
	if e == nil {
		return nil
	}
	n := *e
	n.Detail = maps.Clone(e.Detail)
	if n.Detail == nil {
		n.Detail = map[string]string{}
	}
	n.Detail["status"], n.Detail["content_hash"], n.Detail["subject"] = string(r.Status), r.ContentHash, r.Subject.ID
	return &n
}

// conclude carries out a change of a request and what it means for the job that
// waits for it, nil = none does.
func (s approvals) conclude(ctx context.Context, tx Tx, c approval.Change, j *job.Job, now time.Time) error {
	if err := answer(ctx, tx, c); err != nil {
		return err
	}
	if !c.After.Status.Terminal() || j == nil {
		return nil
	}
	tx.Hint(store.Hint{Topic: store.HintQueue})
	switch c.After.Status {
	case approval.Approved:
		jc, err := job.Apply(*j, job.Approved{At: now})
		if err != nil {
			return err
		}
		done, err := change(ctx, tx, jc)
		if err == nil && !done {
			err = fault.Newf(fault.Conflict, "job %s changed meanwhile", j.ID)
		}
		return err
	case approval.Rejected:
		return dropJob(ctx, tx, *j, now, approval.ReasonRejected)
	case approval.Expired:
		if c.After.ReplacedBy == "" {
			return dropJob(ctx, tx, *j, now, approval.ReasonExpired)
		}
	case approval.Pending, approval.Superseded:
	}
	return nil
}

func (s approvals) Rerequest(ctx context.Context, p store.RerequestApproval) (approval.Request, error) {
	n := storedApproval(p.New)
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := claimKey(ctx, tx, p.Key); err != nil {
			return err
		}
		r, j, err := s.lockApproval(ctx, tx, n.Tenant, n.Replaces)
		if err != nil {
			return err
		}
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		switch {
		case r.Status != approval.Pending:
			return approval.Closed(r)
		case !now.Before(r.ExpiresAt):
			return fault.Newf(fault.ApprovalClosed, "approval %s expired at %s", r.ID, r.ExpiresAt.Format(time.RFC3339))
		case r.ContentHash != p.ContentHash:
			return fault.Newf(fault.ApprovalContentChanged, "the content of approval %s has the hash %s", r.ID, r.ContentHash)
		}
		c, err := approval.Apply(r, approval.Replaced{At: now, ReplacedBy: n.ID, Reason: p.Reason})
		if err != nil {
			return err
		}
		if err := s.replace(ctx, tx, c, n, j, now); err != nil {
			return err
		}
		if err := storeKey(ctx, tx, p.Key, n); err != nil {
			return err
		}
		return record(ctx, tx, withStatus(p.Audit, n))
	})
	return n, err
}

// replace ends a request by c and makes its job wait for n.
func (s approvals) replace(ctx context.Context, tx Tx, c approval.Change, n approval.Request, j *job.Job, now time.Time) error {
	if err := answer(ctx, tx, c); err != nil {
		return err
	}
	if j != nil {
		jc, err := job.Apply(*j, job.Rerequested{At: now, ApprovalID: n.ID, Until: n.ExpiresAt})
		if err != nil {
			return err
		}
		if done, err := change(ctx, tx, jc); err != nil || !done {
			return errOr(err, fault.Newf(fault.Conflict, "job %s changed meanwhile", j.ID))
		}
	}
	return ask(ctx, tx, n)
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func (s approvals) Expire(ctx context.Context, p store.ExpireApprovals) (store.ExpiredApprovals, error) {
	var out store.ExpiredApprovals
	err := s.Write(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.Now(ctx, tx, p.Now)
		if err != nil {
			return err
		}
		out = store.ExpiredApprovals{Now: now}
		// By subject, because each locks its job: two instances go the same way.
		rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT approval_id, tenant FROM (SELECT approval_id, tenant, subject_id FROM approvals
			WHERE status = 'PENDING' AND expires_ms <= $1 ORDER BY expires_ms LIMIT %d) AS due ORDER BY subject_id`, p.Limit), clock.Millis(now))
		if err != nil {
			return fmt.Errorf("look for expired approvals: %w", err)
		}
		due, err := collect(rows, func(r Rows) (at [2]string, err error) {
			err = r.Scan(&at[0], &at[1])
			return at, err
		})
		if err != nil {
			return err
		}
		for _, d := range due {
			if err := s.lapse(ctx, tx, d[1], d[0], now, &out); err != nil {
				return err
			}
		}
		var next sql.NullInt64
		if err := tx.Row(ctx, `SELECT min(expires_ms) FROM approvals WHERE status = 'PENDING'`).Scan(&next); err != nil {
			return fmt.Errorf("look for the next expiry: %w", err)
		}
		if next.Valid {
			out.NextAt = clock.FromMillis(next.Int64)
		}
		for _, r := range out.Requests {
			e := audit.Entry{Tenant: r.Tenant, At: now, Actor: audit.Actor{Name: "runsheet"}, Action: audit.ApprovalExpired, Object: r.ID, ObjectName: r.Title}
			if err := record(ctx, tx, withStatus(&e, r)); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// lapse ends one request whose time is over, unless somebody was faster.
func (s approvals) lapse(ctx context.Context, tx Tx, tenant, approvalID string, now time.Time, out *store.ExpiredApprovals) error {
	r, j, err := s.lockApproval(ctx, tx, tenant, approvalID)
	if fault.Is(err, fault.NotFound) || err == nil && (r.Status != approval.Pending || now.Before(r.ExpiresAt)) {
		return nil
	}
	if err != nil {
		return err
	}
	var n *approval.Request
	if r.OnExpire == approval.ExpireReRequest {
		if again, err := r.Again(id.New(id.Approval, now), r.RequestedBy, now); err == nil {
			n = &again
		} else if !fault.Is(err, fault.ReRequestsExhausted) {
			return err
		}
	}
	ev := approval.Lapsed{At: now}
	if n != nil {
		ev.ReplacedBy = n.ID
	}
	c, err := approval.Apply(r, ev)
	if err != nil {
		return err
	}
	if n != nil {
		err = s.replace(ctx, tx, c, storedApproval(*n), j, now)
	} else {
		err = s.conclude(ctx, tx, c, j, now)
	}
	out.Requests = append(out.Requests, storedApproval(c.After))
	return err
}
