package approval

import (
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/event"
)

// This file holds the guards and effects that state.go names. Apply completes
// status, version and what all events carry.

func moreNeeded(r Request, _ Approve) bool { return r.Approvals()+1 < r.MinApprovals }

func (r Request) with(d Decision) Request {
	r.Decisions = append(slices.Clone(r.Decisions), d)
	return r
}

// end moves the request out of PENDING.
func end(r Request, at time.Time, c *Change) {
	r.DecidedAt = at
	c.After = r
	c.Emit = []event.Event{{Type: event.ApprovalDecided, At: at}}
}

func count(r Request, e Approve, c *Change) {
	c.After = r.with(Decision{By: e.By, Approved: true, Comment: e.Comment, At: e.At, Form: e.Form})
}

func approve(r Request, e Approve, c *Change) {
	end(r.with(Decision{By: e.By, Approved: true, Comment: e.Comment, At: e.At, Form: e.Form}), e.At, c)
}

func reject(r Request, e Reject, c *Change) {
	end(r.with(Decision{By: e.By, Comment: e.Comment, At: e.At}), e.At, c)
}

func delegate(r Request, e Delegate, c *Change) {
	r.Delegations = append(slices.Clone(r.Delegations), Delegation{From: e.From, To: e.To, Reason: e.Reason, At: e.At})
	c.After, c.Emit = r, []event.Event{{Type: event.ApprovalDelegated, At: e.At}}
}

func recall(r Request, e Recall, c *Change) {
	gone := r.after(e.By)
	r.Delegations = slices.DeleteFunc(slices.Clone(r.Delegations), func(d Delegation) bool {
		return slices.ContainsFunc(gone, func(g Delegation) bool { return g.To == d.To })
	})
	c.After, c.Emit = r, []event.Event{{Type: event.ApprovalRecalled, At: e.At}}
}

func lapse(r Request, e Lapsed, c *Change) {
	r.ReplacedBy = e.ReplacedBy
	end(r, e.At, c)
	c.Emit[0].Type = event.ApprovalExpired
}

func replace(r Request, e Replaced, c *Change) {
	r.ReplacedBy, r.Reason = e.ReplacedBy, e.Reason
	end(r, e.At, c)
}

func withdraw(r Request, e Withdrawn, c *Change) {
	r.Reason = e.Reason
	end(r, e.At, c)
}
