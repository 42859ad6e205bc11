package api

import (
	"net/http"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

// This file lets a person hand an approval to another user, who then may approve it in
// his place.

func (s *service) delegationRoutes(one string) []operation {
	shown := []answer{{Status: http.StatusOK, Doc: "the approval as it is now", Body: wire.Approval{}}}
	return []operation{
		{
			ID: "delegate_approval", Method: http.MethodPost, Path: one + "/delegate", Scope: access.ApprovalsDecide, Tag: "approvals", Summary: "Let another user decide",
			Doc: "Who may approve this, and has not, hands it to a user who then may, also if approvers does not name him: for this approval only. Who hands it on does not approve it any more. " +
				"The user must be one who may decide approvals, and neither have asked for this nor be its author. He counts once, and may hand it on; three times in a row at most.",
			Body: wire.DelegationInput{}, Faults: []fault.Code{fault.ApprovalClosed, fault.SelfApproval, fault.AlreadyDecided, fault.ApprovalDelegated, fault.DelegateNotPossible},
			Answers: shown, Handle: s.delegate,
		},
		{
			ID: "recall_approval", Method: http.MethodPost, Path: one + "/recall", Scope: access.ApprovalsDecide, Tag: "approvals", Summary: "Take a delegation back",
			Doc:    "The caller may approve again, and whoever got it from him may not, nor who got it from there. It is refused once one of them has approved.",
			Faults: []fault.Code{fault.ApprovalClosed, fault.AlreadyDecided}, Answers: shown, Handle: s.recall,
		},
	}
}

func (s *service) delegate(r *request) (reply, error) {
	var in wire.DelegationInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	a, err := s.approval(r)
	if err != nil {
		return reply{}, err
	}
	from := r.person()
	if !a.AllowRequester {
		if err := s.askedByToken(r, a, from); err != nil {
			return reply{}, err
		}
	}
	if err := s.soundWord(r, a); err != nil {
		return reply{}, err
	}
	// Before the user is looked up: who may not delegate learns nothing of users.
	if err := a.MayDelegate(from, r.roles(), approval.Person{}, in.Reason, s.now()); err != nil {
		return reply{}, err
	}
	to, err := s.delegateNamed(r, in.To)
	if err != nil {
		return reply{}, err
	}
	if err := s.askedByToken(r, a, to); err != nil {
		return reply{}, fault.Newf(fault.DelegateNotPossible, "%s cannot decide approval %s: a token of the same person asked for it", to.Name, a.ID).
			At("/to", string(fault.DelegateNotPossible), "who asked is no delegate")
	}
	entry, err := s.record(r, change{Action: audit.ApprovalDelegated, Object: a.ID, Name: a.Title, Before: wire.ApprovalOf(a), Detail: map[string]string{
		"to": to.Name, "to_id": to.ID, "reason": in.Reason,
	}})
	if err != nil {
		return reply{}, err
	}
	render := approvalReply(http.StatusOK)
	got, err := s.Store.Approvals.Delegate(r.Context(), store.DelegateApproval{
		Tenant: r.tenant(), ID: a.ID, From: from, Roles: r.roles(), To: to, Reason: in.Reason, Key: keyed(r, render), Audit: entry,
	})
	if err != nil {
		return reply{}, err
	}
	return render(got), nil
}

// delegateNamed is the user of the tenant with a name, who may decide approvals. All
// others get the same answer: an approver is nobody who may list users.
func (s *service) delegateNamed(r *request, name string) (approval.Person, error) {
	u, err := s.Store.Users.User(r.Context(), r.tenant(), name)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return approval.Person{}, err
	}
	if err != nil || u.Name != name || u.Tenant != r.tenant() || u.Disabled || !u.Principal("").May(access.ApprovalsDecide) {
		return approval.Person{}, fault.Newf(fault.DelegateNotPossible, "there is no user %s here who may decide approvals", clip(name)).
			At("/to", string(fault.DelegateNotPossible), "is no user who may decide approvals")
	}
	return approval.Person{Name: u.Name, ID: u.ID}, nil
}

// soundWord returns forbidden when the caller's yes to a is worth nothing because
// somebody lost his right: who made the caller, a token, or one of those through whose
// hands the caller got a. What he handed on ends with his right.
func (s *service) soundWord(r *request, a approval.Request) error {
	me, roles := r.person(), r.roles()
	may, err := s.makerDecides(r, me, a.Names(approval.Person{}, roles))
	if err != nil {
		return err
	}
	if !may {
		return fault.Newf(fault.ForbiddenScope, "%s, who made the token %s, may not decide approvals any more", me.MadeBy, me.Name)
	}
	if a.Names(me, roles) {
		return nil // he needs nobody
	}
	before := a.Before(me)
	for i, p := range before {
		sound, err := s.stillDecides(r, a, p, i == len(before)-1)
		if err != nil {
			return err
		}
		if !sound {
			return fault.Newf(fault.ForbiddenScope, "%s, who handed approval %s on, may not decide it any more", p.Name, a.ID)
		}
	}
	return nil
}

// stillDecides reports whether p, who handed a on, may decide approvals. first says that
// nobody handed it to him: he must be asked himself.
func (s *service) stillDecides(r *request, a approval.Request, p approval.Person, first bool) (bool, error) {
	var is access.Principal
	var err error
	switch {
	case p.ID == "": // given at start: as long as the server has it
		return true, nil
	case id.Check(id.Token, p.ID) == nil:
		var t access.Token
		t, err = s.Store.Tokens.Token(r.Context(), r.tenant(), p.ID)
		if t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || s.now().Before(t.ExpiresAt)) {
			is = t.Principal()
		}
	default:
		var u access.User
		u, err = s.Store.Users.User(r.Context(), r.tenant(), p.ID)
		if !u.Disabled {
			is = u.Principal("")
		}
	}
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	roles := rolesOf(is)
	if err != nil || !is.May(access.ApprovalsDecide) || first && !a.Names(p, roles) {
		return false, err
	}
	return s.makerDecides(r, p, a.Names(approval.Person{}, roles))
}

// makerDecides reports whether who made the token p may decide approvals. Is he no user,
// or none any more, the token has nothing but its own roles: asked says that they are
// enough.
func (s *service) makerDecides(r *request, p approval.Person, asked bool) (bool, error) {
	if p.MadeBy == "" {
		return true, nil
	}
	// Administrators of the default tenant make tokens of others.
	u, err := s.Store.Users.User(r.Context(), "", p.MadeBy)
	if fault.Is(err, fault.NotFound) || err == nil && u.Name != p.MadeBy {
		return asked, nil
	}
	return err == nil && !u.Disabled && u.Principal("").May(access.ApprovalsDecide), err
}

func (s *service) recall(r *request) (reply, error) {
	a, err := s.approval(r)
	if err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.ApprovalRecalled, Object: a.ID, Name: a.Title, Before: wire.ApprovalOf(a)})
	if err != nil {
		return reply{}, err
	}
	render := approvalReply(http.StatusOK)
	got, err := s.Store.Approvals.Recall(r.Context(), store.RecallApproval{Tenant: r.tenant(), ID: a.ID, By: r.person(), Key: keyed(r, render), Audit: entry})
	if err != nil {
		return reply{}, err
	}
	return render(got), nil
}
