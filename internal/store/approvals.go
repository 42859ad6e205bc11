package store

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/audit"
)

// Approvals keeps requests for approvals. A request leaves PENDING exactly once,
// and what that means for its subject happens in the same transaction: a job that
// waits for it goes on when it is APPROVED, and is SKIPPED when it is REJECTED or
// EXPIRED. A job that ends while it waits supersedes its request. Content and its
// hash never change.
//
// A request about a job comes into being with the job: see AddJobs.Approvals.
type Approvals interface {
	// Create stores a request about anything but a job; conflict when its subject
	// has one that is PENDING. p.Key as in Jobs.Add.
	Create(ctx context.Context, p CreateApproval) (approval.Request, error)
	// Approval returns one; not_found.
	Approval(ctx context.Context, tenant, id string) (approval.Request, error)
	// List returns a page, newest first.
	List(ctx context.Context, p ListApprovals) (ApprovalPage, error)
	// Decide adds one person's word, by the authority's clock, and carries out what
	// follows. approval_closed when somebody was faster or it has expired;
	// otherwise the faults of Request.MayDecide and, for a yes, Request.Eligible;
	// not_found. p.Key as in Jobs.Add.
	Decide(ctx context.Context, p DecideApproval) (approval.Request, error)
	// Delegate lets another person decide in the place of one who may; the faults of
	// Request.MayDelegate, not_found. p.Key as in Jobs.Add.
	Delegate(ctx context.Context, p DelegateApproval) (approval.Request, error)
	// Recall takes back what a person handed on, with all that follows from it; the
	// faults of Request.MayRecall, not_found. p.Key as in Jobs.Add.
	Recall(ctx context.Context, p RecallApproval) (approval.Request, error)
	// Rerequest puts p.New in the place of the request that p.New.Replaces names, if
	// that is PENDING, has not expired and shows p.ContentHash; approval_closed,
	// approval_content_changed, not_found. A job goes on waiting, for the new one.
	Rerequest(ctx context.Context, p RerequestApproval) (approval.Request, error)
	// Withdraw supersedes a request about anything but a job, because nobody needs an
	// answer any more, and returns it; one that has ended stays as it is. not_found.
	Withdraw(ctx context.Context, p WithdrawApproval) (approval.Request, error)
	// Remind announces a PENDING request once more and returns it; of one that has
	// ended it says nothing. not_found.
	Remind(ctx context.Context, p RemindApproval) (approval.Request, error)
	// Expire ends requests whose time is over by the authority's clock, or puts new
	// ones in their place where they say so.
	Expire(ctx context.Context, p ExpireApprovals) (ExpiredApprovals, error)
}

// CreateApproval are the parameters of Approvals.Create.
type CreateApproval struct {
	// Request is one of approval.New.
	Request approval.Request
	Key     *Key
	Audit   *audit.Entry
}

// ListApprovals are the parameters of Approvals.List.
type ListApprovals struct {
	Tenant   string
	Statuses []approval.Status
	Kinds    []approval.Kind
	// Subject restricts the list to requests about one thing; the zero value does
	// not. An empty type stands for every type.
	Subject approval.Subject
	// RunID restricts the list to requests about nodes of a run of a workflow; "" does
	// not.
	RunID string
	// ByExpiry orders by when they expire, the first first; else the newest request
	// is the first.
	ByExpiry bool
	// After continues behind a request; nil = from the first.
	After *ApprovalPosition
	Limit int // at least 1
}

// ApprovalPosition is a place in a list of requests: when one was made or, by expiry,
// expires, and its id.
type ApprovalPosition struct {
	At time.Time
	ID string
}

// ApprovalPage is one page. More says that requests follow.
type ApprovalPage struct {
	Requests []approval.Request
	More     bool
}

// DecideApproval are the parameters of Approvals.Decide.
type DecideApproval struct {
	Tenant, ID string
	Approve    bool
	By         approval.Person
	// Roles are those of By.
	Roles   []string
	Comment string
	// ContentHash is the hash of what the person saw.
	ContentHash string
	// Form is what the person filled in, a JSON object that fits the request's content;
	// nil = nothing.
	Form []byte
	Now  time.Time // zero = the authority's clock
	Key  *Key
	// Audit is written with the decision; its Detail gets the status that followed.
	Audit *audit.Entry
}

// DelegateApproval are the parameters of Approvals.Delegate.
type DelegateApproval struct {
	Tenant, ID string
	From       approval.Person
	// Roles are those of From.
	Roles []string
	// To is a user of the tenant who may decide approvals: the caller has looked.
	To     approval.Person
	Reason string
	Now    time.Time // zero = the authority's clock
	Key    *Key
	Audit  *audit.Entry
}

// RecallApproval are the parameters of Approvals.Recall.
type RecallApproval struct {
	Tenant, ID string
	By         approval.Person
	Now        time.Time // zero = the authority's clock
	Key        *Key
	Audit      *audit.Entry
}

// RerequestApproval are the parameters of Approvals.Rerequest.
type RerequestApproval struct {
	// New is one of Request.Again.
	New approval.Request
	// ContentHash is that of the request which is replaced.
	ContentHash string
	Reason      string    // for people
	Now         time.Time // zero = the authority's clock
	Key         *Key
	Audit       *audit.Entry
}

// WithdrawApproval are the parameters of Approvals.Withdraw.
type WithdrawApproval struct {
	Tenant, ID string
	Reason     string    // for people
	Now        time.Time // zero = the authority's clock
}

// RemindApproval are the parameters of Approvals.Remind.
type RemindApproval struct {
	Tenant, ID string
	Now        time.Time // zero = the authority's clock
}

// ExpireApprovals are the parameters of Approvals.Expire.
type ExpireApprovals struct {
	Now   time.Time // zero = the authority's clock
	Limit int       // at least 1
}

// ExpiredApprovals is what Approvals.Expire did.
type ExpiredApprovals struct {
	// Requests are those that expired, as they are now.
	Requests []approval.Request
	// Now is the authority's time, NextAt when the next one expires; zero = none is
	// PENDING.
	Now, NextAt time.Time
}
