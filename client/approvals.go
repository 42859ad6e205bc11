package client

import (
	"context"
	"iter"
)

// ApprovalFilter chooses requests for approvals. The zero value chooses all.
type ApprovalFilter struct {
	Statuses []string
	Kinds    []string
	// SubjectID is the id of what waits, such as a job.
	SubjectID string
	// WorkflowRunID is the run of a workflow whose nodes wait.
	WorkflowRunID string
	PageSize      int
}

// Approvals walks over all requests that match, newest first, page by page.
func (c *Client) Approvals(ctx context.Context, f ApprovalFilter) iter.Seq2[Approval, error] {
	return pages(func(cursor string) ([]Approval, *string, error) {
		q := values{}.list("status", f.Statuses).list("kind", f.Kinds).text("subject_id", f.SubjectID).text("workflow_run_id", f.WorkflowRunID).number("limit", f.PageSize).text("cursor", cursor)
		var page ApprovalList
		err := c.get(ctx, "/api/approvals", q.url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// Approval returns one request.
func (c *Client) Approval(ctx context.Context, id string) (Approval, error) {
	var out Approval
	err := c.get(ctx, "/api/approvals/"+escape(id), nil, &out)
	return out, err
}

// Approve approves what in.ContentHash names, which is the hash of what the person
// saw.
func (c *Client) Approve(ctx context.Context, id string, in DecisionInput, call Call) (Approval, error) {
	return c.decide(ctx, id, "approve", in, call)
}

// Reject rejects it.
func (c *Client) Reject(ctx context.Context, id string, in DecisionInput, call Call) (Approval, error) {
	return c.decide(ctx, id, "reject", in, call)
}

// DelegateApproval lets in.To decide in the caller's place.
func (c *Client) DelegateApproval(ctx context.Context, id string, in DelegationInput, call Call) (Approval, error) {
	var out Approval
	err := c.post(ctx, "/api/approvals/"+escape(id)+"/delegate", in, call, &out)
	return out, err
}

// RecallApproval takes back what the caller let another decide.
func (c *Client) RecallApproval(ctx context.Context, id string, call Call) (Approval, error) {
	var out Approval
	err := c.post(ctx, "/api/approvals/"+escape(id)+"/recall", nil, call, &out)
	return out, err
}

// ReRequestApproval puts a new request in the place of a pending one and returns
// it.
func (c *Client) ReRequestApproval(ctx context.Context, id string, in DecisionInput, call Call) (Approval, error) {
	return c.decide(ctx, id, "re-request", in, call)
}

func (c *Client) decide(ctx context.Context, id, verb string, in DecisionInput, call Call) (Approval, error) {
	var out Approval
	err := c.post(ctx, "/api/approvals/"+escape(id)+"/"+verb, in, call, &out)
	return out, err
}
