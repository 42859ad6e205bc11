package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Only POST decides: a link in a message opens a page, and whatever fetches links
// in advance decides nothing.
func (s *service) approvalRoutes() []operation {
	const list, one = "/api/approvals", "/api/approvals/{approval_id}"
	var statuses []string
	for _, x := range approval.States() {
		statuses = append(statuses, string(x))
	}
	shown := []answer{{Status: http.StatusOK, Doc: "the approval as it is now", Body: wire.Approval{}}}
	refused := []fault.Code{
		fault.ApprovalClosed, fault.ApprovalContentChanged, fault.SelfApproval, fault.AlreadyDecided, fault.ApprovalDelegated,
	}
	return append(s.delegationRoutes(one), []operation{
		{
			ID: "list_approvals", Method: http.MethodGet, Path: list, Scope: access.ApprovalsRead, Tag: "approvals", Summary: "List requests for approvals, newest first",
			Query: pageParams(listParam("status", "only these statuses", statuses...), listParam("kind", "only these kinds, for example run_job"),
				textParam("subject_type", "only about things of this type, for example job"), textParam("subject_id", "only about this thing"),
				textParam("workflow_run_id", "only about nodes of this run of a workflow"),
				enumParam("sort", "order of the list; -requested_at if absent. expires_at: those that expire first come first", "-requested_at", "expires_at")),
			Faults:  []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.ApprovalList{}}}, Handle: s.listApprovals,
		},
		{
			ID: "get_approval", Method: http.MethodGet, Path: one, Scope: access.ApprovalsRead, Tag: "approvals", Summary: "Read a request for an approval",
			Answers: shown, Handle: s.getApproval,
		},
		{
			ID: "approve", Method: http.MethodPost, Path: one + "/approve", Scope: access.ApprovalsDecide, Tag: "approvals", Summary: "Approve",
			Doc: "What waits goes on when min_approvals different people have approved. Whoever asked cannot, nor can a token of his. " +
				"The decision is for exactly the content whose hash it sends, and only before the request expires.",
			Body: wire.DecisionInput{}, Faults: refused, Answers: shown,
			Handle: func(r *request) (reply, error) { return s.decide(r, true) },
		},
		{
			ID: "reject", Method: http.MethodPost, Path: one + "/reject", Scope: access.ApprovalsDecide, Tag: "approvals", Summary: "Reject",
			Doc:  "One rejection is enough. A job that waited is SKIPPED with reason approval_rejected.",
			Body: wire.DecisionInput{}, Faults: refused[:2], Answers: shown,
			Handle: func(r *request) (reply, error) { return s.decide(r, false) },
		},
		{
			ID: "re_request_approval", Method: http.MethodPost, Path: one + "/re-request", Scope: access.ApprovalsDecide, Tag: "approvals", Summary: "Ask again",
			Doc: "A new request with the same content and a fresh life takes the place of a pending one, which becomes SUPERSEDED; decisions so far do not count. " +
				"It can be done max_re_requests times.",
			Body: wire.DecisionInput{}, Faults: []fault.Code{fault.ApprovalClosed, fault.ApprovalContentChanged, fault.ReRequestsExhausted},
			Answers: []answer{{Status: http.StatusCreated, Doc: "the new request", Body: wire.Approval{}}}, Handle: s.rerequest,
		},
		{
			ID: "approve_execution", Method: http.MethodPost, Path: "/api/executions/{execution_id}/approve", Scope: access.ApprovalsDecide, Tag: "approvals",
			Summary: "Approve or reject what is pending about an execution",
			Doc:     "The same as approve or reject of the approval that is pending about the execution. The id may also be that of a job.",
			Body:    wire.ExecutionDecisionInput{}, Faults: refused, Answers: shown, Handle: s.decideExecution,
		},
	}...)
}

// person is who makes the request, as one who asks or decides.
func (r *request) person() approval.Person {
	p := approval.Person{Name: r.principal.Name, ID: r.principal.UserID, MadeBy: r.principal.MadeBy}
	if r.principal.TokenID != "" {
		p.ID = r.principal.TokenID
	}
	return p
}

func (s *service) approval(r *request) (approval.Request, error) {
	which, err := r.id("approval_id", id.Approval)
	if err != nil {
		return approval.Request{}, err
	}
	return s.Store.Approvals.Approval(r.Context(), r.tenant(), which)
}

func approvalReply(status int) func(approval.Request) reply {
	return func(a approval.Request) reply {
		out := reply{Status: status, ETag: etag(a.Version), Body: wire.ApprovalOf(a)}
		if status == http.StatusCreated {
			out.Location = "/api/approvals/" + a.ID
		}
		return out
	}
}

func (s *service) listApprovals(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListApprovals{
		Tenant: r.tenant(), Limit: r.query.limit(),
		Subject: approval.Subject{Type: approval.SubjectType(r.query.text("subject_type")), ID: r.query.text("subject_id")},
	}
	if p.RunID = r.query.text("workflow_run_id"); p.RunID != "" {
		if err := id.Check(id.WorkflowRun, p.RunID); err != nil {
			return reply{}, fault.From(err).At("query/workflow_run_id", string(fault.WrongIDType), "is not a workflow run's id")
		}
	}
	for _, x := range r.query["status"] {
		p.Statuses = append(p.Statuses, approval.Status(x))
	}
	for _, x := range r.query["kind"] {
		p.Kinds = append(p.Kinds, approval.Kind(x))
	}
	p.ByExpiry = r.query.text("sort") == "expires_at"
	if c != nil {
		p.After = &store.ApprovalPosition{At: c.at(), ID: c.ID}
	}
	page, err := s.Store.Approvals.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.ApprovalList{Items: []wire.Approval{}}
	for _, a := range page.Requests {
		out.Items = append(out.Items, wire.ApprovalOf(a))
		at := a.RequestedAt
		if p.ByExpiry {
			at = a.ExpiresAt
		}
		out.NextCursor = r.next(page.More, cursor{ID: a.ID, AtMs: at.UnixMilli()})
	}
	return reply{Status: http.StatusOK, Body: out}, s.nameApprovals(r, out.Items)
}

// nameApprovals adds the names of what the approvals are about, with a bounded number
// of statements.
func (s *service) nameApprovals(r *request, items []wire.Approval) error {
	of := make([][]string, len(items))
	for i, a := range items {
		of[i] = []string{a.Subject.ID}
		if a.WorkflowRunID != nil {
			of[i] = []string{*a.WorkflowRunID}
		}
		for _, f := range a.Fields {
			if f.Name == "template_id" {
				of[i] = append(of[i], f.Value)
			}
		}
	}
	names, err := s.names(r, slices.Concat(of...))
	if err != nil {
		return err
	}
	for i, ids := range of {
		for _, x := range ids {
			if n, ok := names[x]; ok {
				items[i].Names[x] = n
			}
		}
	}
	return nil
}

func (s *service) getApproval(r *request) (reply, error) {
	a, err := s.approval(r)
	if err != nil {
		return reply{}, err
	}
	out := []wire.Approval{wire.ApprovalOf(a)}
	if err := s.nameApprovals(r, out); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, ETag: etag(a.Version), Body: out[0]}, nil
}

func (s *service) decide(r *request, yes bool) (reply, error) {
	var in wire.DecisionInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	a, err := s.approval(r)
	if err != nil {
		return reply{}, err
	}
	return s.decideOn(r, a, yes, in)
}

// decideOn carries a person's word about a request out.
func (s *service) decideOn(r *request, a approval.Request, yes bool, in wire.DecisionInput) (reply, error) {
	action := audit.ApprovalRejected
	if yes {
		action = audit.ApprovalApproved
	}
	entry, err := s.record(r, change{Action: action, Object: a.ID, Name: a.Title, Before: wire.ApprovalOf(a)})
	if err != nil {
		return reply{}, err
	}
	form, err := allowed(r, a, yes, in)
	if err != nil {
		return reply{}, err
	}
	if yes && !a.AllowRequester {
		if err := s.askedByToken(r, a, r.person()); err != nil {
			return reply{}, err
		}
	}
	if yes {
		if err := s.soundWord(r, a); err != nil {
			return reply{}, err
		}
	}
	render := approvalReply(http.StatusOK)
	got, err := s.Store.Approvals.Decide(r.Context(), store.DecideApproval{
		Tenant: r.tenant(), ID: a.ID, Approve: yes, By: r.person(), Roles: r.roles(), Comment: in.Comment, ContentHash: in.ContentHash, Form: form,
		Key: keyed(r, render), Audit: entry,
	})
	if err != nil {
		return reply{}, err
	}
	return render(got), nil
}

// roles are those of who makes the request, as approvals name them.
func (r *request) roles() []string { return rolesOf(r.principal) }

func rolesOf(p access.Principal) []string {
	var out []string
	for _, role := range p.Roles {
		out = append(out, string(role))
	}
	return out
}

// askedByToken returns self_approval when a token that a person made, or that is
// of the same maker, asked for what he is to approve. Of who made, edited and ran a
// schedule only the names are known, so the tokens are looked up by theirs, also
// those that are revoked.
func (s *service) askedByToken(r *request, a approval.Request, me approval.Person) error {
	p := store.ListTokens{Tenant: r.tenant(), Limit: maxPage}
	for {
		page, err := s.Store.Tokens.List(r.Context(), p)
		if err != nil {
			return err
		}
		for _, t := range page.Tokens {
			p.After = &store.TokenMark{CreatedAt: t.CreatedAt, ID: t.ID}
			asked := t.Name == a.RequestedBy.Name || t.Name == a.RequestedBy.MadeBy
			if asked && t.CreatedBy != "" && (t.CreatedBy == me.Name || t.CreatedBy == me.MadeBy) {
				return fault.Newf(fault.SelfApproval, "%s asked for this, a token that %s made, so somebody else must approve it", t.Name, t.CreatedBy).WithHint(a.Others())
			}
		}
		if !page.More {
			return nil
		}
	}
}

func (s *service) rerequest(r *request) (reply, error) {
	var in wire.DecisionInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	a, err := s.approval(r)
	if err != nil {
		return reply{}, err
	}
	now := s.now()
	if a.Status != approval.Pending {
		return reply{}, approval.Closed(a)
	}
	// It stays the request of whoever wanted this first, so that he cannot approve it
	// after somebody else has asked again for him.
	n, err := a.Again(id.New(id.Approval, now), a.RequestedBy, now)
	if err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.ApprovalRerequested, Object: a.ID, Name: a.Title, Before: wire.ApprovalOf(a), After: wire.ApprovalOf(n)})
	if err != nil {
		return reply{}, err
	}
	entry.Detail = map[string]string{"replaced_by": n.ID}
	render := approvalReply(http.StatusCreated)
	got, err := s.Store.Approvals.Rerequest(r.Context(), store.RerequestApproval{
		New: n, ContentHash: in.ContentHash, Reason: in.Comment, Key: keyed(r, render), Audit: entry,
	})
	if err != nil {
		return reply{}, err
	}
	return render(got), nil
}

// enqueueAsking adds a job that starts when it is approved, under the rules that
// the last argument puts on the request.
func (s *service) enqueueAsking(r *request, j job.Job, p store.AddJobs, rules func(approval.Request) approval.Request) (reply, error) {
	now := s.now()
	j.ID = id.New(id.Job, now)
	ask, err := approval.New(rules(j.Request(id.New(id.Approval, now), r.person(), now, 0)))
	if err != nil {
		return reply{}, within(err, "/approval")
	}
	p.Approvals = []approval.Request{ask}
	return s.enqueue(r, j, p)
}

// unasked refuses an approval where a job cannot wait for one of its own.
func unasked(in wire.JobInput) error {
	if in.Approval == nil {
		return nil
	}
	return fault.New(fault.InvalidInput, "this job cannot ask for an approval").
		At("/approval", "not_allowed", "is for single jobs; a schedule's jobs ask with execution_mode APPROVAL_REQUIRED")
}

// decideExecution decides what is pending about an execution, or a job.
func (s *service) decideExecution(r *request) (reply, error) {
	var in wire.ExecutionDecisionInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	kind := id.Execution
	if strings.HasPrefix(r.PathValue("execution_id"), string(id.Job)+"_") {
		kind = id.Job
	}
	subject, err := r.id("execution_id", kind)
	if err != nil {
		return reply{}, err
	}
	about := store.ListApprovals{Tenant: r.tenant(), Subject: approval.Subject{ID: subject}, Statuses: []approval.Status{approval.Pending}, Limit: 1}
	page, err := s.Store.Approvals.List(r.Context(), about)
	if err == nil && len(page.Requests) == 0 {
		about.Statuses = nil // the last one tells how it ended
		page, err = s.Store.Approvals.List(r.Context(), about)
	}
	if err != nil {
		return reply{}, err
	}
	if len(page.Requests) == 0 {
		return reply{}, fault.Newf(fault.NotFound, "nothing is to be approved about %s", subject)
	}
	a := page.Requests[0]
	hash := in.ContentHash
	if hash == "" {
		hash = a.ContentHash
	}
	return s.decideOn(r, a, in.Approved, wire.DecisionInput{ContentHash: hash, Comment: in.Comment, Form: in.Form})
}

// allowed checks what a yes needs beside the rules of approvals: that the caller is
// among those who are asked, and that he filled in the form. It returns the form with
// its defaults; nil = there is none. A no needs nothing, and nothing of it is kept.
func allowed(r *request, a approval.Request, yes bool, in wire.DecisionInput) ([]byte, error) {
	if !yes || a.Status != approval.Pending {
		return nil, nil
	}
	if err := a.Eligible(r.person(), r.roles()); err != nil {
		return nil, err
	}
	declared := wire.ApprovalForm(a)
	if len(declared) == 0 || string(declared) == "null" {
		if len(in.Form) > 0 && string(in.Form) != "null" {
			return nil, fault.New(fault.InvalidInput, "the approval has no form").At("/form", "not_allowed", "the approval asks for nothing")
		}
		return nil, nil
	}
	var doc any
	if err := json.Unmarshal(declared, &doc); err != nil {
		return nil, err
	}
	form, err := workflow.FormOf(doc)
	if err != nil {
		return nil, err
	}
	given := map[string]any{}
	if len(in.Form) > 0 {
		if err := json.Unmarshal(in.Form, &given); err != nil {
			return nil, fault.New(fault.InvalidInput, "the form must be an object").At("/form", "wrong_type", "must be an object")
		}
	}
	whole, err := form.Complete(given, "/form")
	if err != nil {
		return nil, err
	}
	return json.Marshal(whole)
}
