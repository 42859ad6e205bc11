// Package approval has the node that asks people whether a run may go on, and with
// what. The question is a request of package approval, which the API shows and
// decides; the node makes it, waits for its end without a slot, and says what the end
// means for the run.
package approval

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Approval implements node.Node, node.Resuming and node.Abandoning. Make one with New.
type Approval struct {
	approvals store.Approvals
	clock     clock.Clock
	author    Author
}

// Author finds who wrote a version of a workflow; "" = nobody knows.
type Author func(ctx context.Context, tenant, workflowID string, version int) (string, error)

// New returns the node; clk nil is the system's. approvals nil: nodes fail.
func New(approvals store.Approvals, clk clock.Clock) Approval {
	if clk == nil {
		clk = clock.System{}
	}
	return Approval{approvals: approvals, clock: clk}
}

// By returns the node with a way to find authors. Who wrote the version that runs
// decides what is asked, and so cannot approve it, like who started it.
func (a Approval) By(f Author) Approval {
	a.author = f
	return a
}

// Codes of failures.
const (
	// CodeExpired: nobody decided in time, and on_expire is fail.
	CodeExpired = "approval_expired"
	// CodeWithdrawn: the request was taken back by another hand than the run's.
	CodeWithdrawn = "approval_withdrawn"
	// CodeBindChanged: the bound value changed behind an approval, and it was asked
	// again as often as it may be.
	CodeBindChanged = "approval_bind_changed"
)

// Run implements node.Node. It asks once for each time that the run comes here,
// whatever crashes.
func (a Approval) Run(ctx context.Context, c node.Call) (node.Result, error) {
	if a.approvals == nil {
		return node.Result{}, node.Fatal(node.CodeNotAvailable, errors.New("nodes cannot ask for approvals here"))
	}
	which := id.Derive(id.Approval, c.RunID, c.Step.ID, strconv.Itoa(c.Rewinds))
	r, err := a.approvals.Approval(ctx, c.Tenant, which)
	if fault.Is(err, fault.NotFound) {
		r, err = a.ask(ctx, c, which, nil)
	}
	if err != nil {
		return node.Result{}, broken(ctx, err)
	}
	return a.look(ctx, c, r)
}

// Resume implements node.Resuming.
func (a Approval) Resume(ctx context.Context, c node.Call, woke node.Woke) (node.Result, error) {
	r, err := a.approvals.Approval(ctx, c.Tenant, woke.Wait.Ref)
	if err == nil && r.Status == approval.Pending && woke.TimedOut {
		r, err = a.approvals.Remind(ctx, store.RemindApproval{Tenant: c.Tenant, ID: r.ID})
	}
	if err != nil {
		return node.Result{}, broken(ctx, err)
	}
	return a.look(ctx, c, r)
}

// Abandon implements node.Abandoning: it withdraws the request.
func (a Approval) Abandon(ctx context.Context, c node.Call, w workflow.Wait) error {
	_, err := a.approvals.Withdraw(ctx, store.WithdrawApproval{Tenant: c.Tenant, ID: w.Ref, Reason: "the workflow run does not wait for it any more"})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// look says what a request as it stands means.
func (a Approval) look(ctx context.Context, c node.Call, r approval.Request) (node.Result, error) {
	for r.Status == approval.Superseded && r.ReplacedBy != "" {
		var err error
		if r, err = a.approvals.Approval(ctx, c.Tenant, r.ReplacedBy); err != nil {
			return node.Result{}, broken(ctx, err)
		}
	}
	switch r.Status {
	case approval.Pending:
		return node.Result{}, node.Wait(workflow.Wait{For: workflow.WaitApproval, Ref: r.ID, Until: nextReminder(c, r, a.clock.Now())})
	case approval.Approved:
		return a.approved(ctx, c, r)
	case approval.Rejected:
		return result(rejected, r), nil
	case approval.Expired:
		return a.lapsed(ctx, c, r)
	case approval.Superseded:
	}
	return node.Result{}, node.Fatal(CodeWithdrawn, fmt.Errorf("approval %s was withdrawn: %s", r.ID, r.Reason))
}

// approved looks whether what was bound is still what it was.
func (a Approval) approved(ctx context.Context, c node.Call, r approval.Request) (node.Result, error) {
	now, err := bindHash(c)
	if err != nil {
		return node.Result{}, err
	}
	if now == boundTo(r) {
		return result(approved, r), nil
	}
	if r.Round > r.MaxReRequests {
		return node.Result{}, node.Fatal(CodeBindChanged, fmt.Errorf("what approval %s is bound to has changed since, and it was asked %d times", r.ID, r.Round))
	}
	return a.again(ctx, c, r)
}

// lapsed does what on_expire says.
func (a Approval) lapsed(ctx context.Context, c node.Call, r approval.Request) (node.Result, error) {
	switch word(c, "on_expire") {
	case onExpireFail:
		return node.Result{}, node.Fatal(CodeExpired, fmt.Errorf("nobody decided approval %s before %s", r.ID, r.ExpiresAt.UTC().Format(time.RFC3339)))
	case onExpireReRequest:
		if r.Round > r.MaxReRequests {
			break
		}
		if to := word(c, "rewind_to"); to != "" {
			return node.Result{Rewind: to, Reason: CodeExpired}, nil
		}
		return a.again(ctx, c, r)
	}
	// As if somebody had said no, unless the workflow tells the two apart, or says
	// neither where that leads: then the run fails, and should say why.
	outcome := expired
	for _, e := range c.Step.Out {
		if e.Outcome == expired {
			return result(expired, r), nil
		}
		if e.Outcome == rejected {
			outcome = rejected
		}
	}
	return result(outcome, r), nil
}

// again asks in the place of a request that has ended.
func (a Approval) again(ctx context.Context, c node.Call, old approval.Request) (node.Result, error) {
	which := id.Derive(id.Approval, c.RunID, c.Step.ID, strconv.Itoa(c.Rewinds), old.ID)
	r, err := a.approvals.Approval(ctx, c.Tenant, which)
	if fault.Is(err, fault.NotFound) {
		r, err = a.ask(ctx, c, which, &old)
	}
	if err != nil {
		return node.Result{}, broken(ctx, err)
	}
	return a.look(ctx, c, r)
}

// ask makes a request. Before is the one in whose place it comes; nil = the latest
// about the node, if there is one.
func (a Approval) ask(ctx context.Context, c node.Call, which string, before *approval.Request) (approval.Request, error) {
	subject := approval.NodeSubject(c.RunID, c.Step.ID)
	page, err := a.approvals.List(ctx, store.ListApprovals{Tenant: c.Tenant, Subject: subject, Limit: 1})
	if err != nil {
		return approval.Request{}, err
	}
	if len(page.Requests) > 0 {
		last := page.Requests[0]
		if last.Status == approval.Pending {
			// Left over from a time round of this run that nobody ended.
			if last, err = a.approvals.Withdraw(ctx, store.WithdrawApproval{Tenant: c.Tenant, ID: last.ID, Reason: "the run asks again"}); err != nil {
				return last, err
			}
		}
		if before == nil {
			before = &last
		}
	}
	r, err := request(c, which, a.clock.Now())
	if err != nil {
		return r, err
	}
	if a.author != nil {
		if r.RequestedBy.MadeBy, err = a.author(ctx, c.Tenant, c.WorkflowID, c.Version); err != nil {
			return r, err
		}
	}
	if before != nil {
		r.Round, r.Replaces = before.Round+1, before.ID
	}
	if r, err = approval.New(r); err != nil {
		return r, err
	}
	return a.approvals.Create(ctx, store.CreateApproval{Request: r})
}

// broken is how an attempt ends that could not ask or look.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f, ok := errors.AsType[*node.Failure](err); ok {
		return f
	}
	return node.FromFault(err)
}

// nextReminder is when people are to be reminded next; zero = never.
func nextReminder(c node.Call, r approval.Request, now time.Time) time.Time {
	every := span(c, "remind_every", 0)
	if every <= 0 {
		return time.Time{}
	}
	passed := max(now.Sub(r.RequestedAt), 0) / every
	next := r.RequestedAt.Add((passed + 1) * every)
	if !next.Before(r.ExpiresAt) {
		return time.Time{}
	}
	return next
}
