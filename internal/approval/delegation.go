package approval

import (
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// This file is about who hands an approval to somebody else. A delegation moves one
// person's yes, it never makes a second one: whoever has handed it on has none any
// more, and whoever got it counts once, like everybody. It is about one request; the
// next round begins without.

// Bounds of delegations.
const (
	// MaxDelegations is how many a request has at most, MaxChain how often one yes is
	// handed on.
	MaxDelegations = 20
	MaxChain       = 3
)

// Delegation says that From lets To decide in his place.
type Delegation struct {
	From   Person    `json:"from"`
	To     Person    `json:"to"` // a user, with name and id
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// surely reports whether p acts for q: it is q, or one of them is a token that the other
// made. Is is for refusing, where doubt counts against a person; this is for allowing,
// so that a token does not become somebody by having his name.
func (p Person) surely(q Person) bool {
	switch {
	case p.ID != "" || q.ID != "":
		if p.ID == q.ID {
			return true
		}
	case p.Name == q.Name && p.MadeBy == q.MadeBy:
		return true
	}
	return p.madeBy(q) || q.madeBy(p)
}

// madeBy reports whether p is a token that q, who is none, made.
func (p Person) madeBy(q Person) bool { return p.MadeBy != "" && q.MadeBy == "" && p.MadeBy == q.Name }

// handedOn is the delegation by which p gave his word away, nil = he has it.
func (r Request) handedOn(p Person) *Delegation {
	i := slices.IndexFunc(r.Delegations, func(d Delegation) bool { return p.Is(d.From) })
	if i < 0 {
		return nil
	}
	return &r.Delegations[i]
}

// Delegates are the names of those who can decide because somebody handed it to them,
// and who did not hand it on, sorted.
func (r Request) Delegates() []string {
	var out []string
	for _, d := range r.Delegations {
		if r.handedOn(d.To) == nil {
			out = append(out, d.To.Name)
		}
	}
	slices.Sort(out)
	return out
}

// Eligible returns nil when p, who has the given roles, is among those who may say yes:
// named by the request, or a delegate, and did not hand it on. approval_delegated,
// forbidden.
func (r Request) Eligible(p Person, roles []string) error {
	if d := r.handedOn(p); d != nil {
		return fault.Newf(fault.ApprovalDelegated, "%s handed approval %s to %s", d.From.Name, r.ID, d.To.Name)
	}
	if r.Names(p, roles) || slices.ContainsFunc(r.Delegations, func(d Delegation) bool { return p.surely(d.To) }) {
		return nil
	}
	return fault.Newf(fault.ForbiddenScope, "this is for %s to approve", strings.Join(r.Approvers, ", ")).
		WithHint("anybody who may decide approvals may reject it")
}

// MayDelegate returns nil when from, who has the given roles, may let to decide in his
// place: from may approve himself and has not, and to is neither from, nor who asked or
// wrote what asks, nor somebody who has approved, is a delegate, or has handed it on.
// approval_closed, self_approval, already_decided, approval_delegated, forbidden,
// delegate_not_possible.
func (r Request) MayDelegate(from Person, roles []string, to Person, reason string, now time.Time) error {
	refuse := func(why string) error {
		return fault.Newf(fault.DelegateNotPossible, "%s cannot decide approval %s for %s: %s", to.Name, r.ID, from.Name, why).At("/to", string(fault.DelegateNotPossible), why)
	}
	if err := r.open(now); err != nil {
		return err
	}
	if !r.AllowRequester && from.Is(r.RequestedBy) {
		return r.self(from)
	}
	if r.approvedBy(from) {
		return fault.Newf(fault.AlreadyDecided, "%s has approved this already", from.Name)
	}
	if err := r.Eligible(from, roles); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(reason) == "":
		return fault.New(fault.InvalidInput, "a delegation needs a reason").At("/reason", "required", "must say why")
	case len(reason) > MaxText:
		return fault.New(fault.InvalidInput, "the reason is too long").At("/reason", "too_long", "must have 4096 bytes at most")
	case to.Is(from):
		return refuse("that is the same person")
	case to.Is(r.RequestedBy):
		// Also where the requester may approve: then he needs no delegation, and nobody
		// else should lend him a second word.
		return refuse("who asked, or wrote what asks, is no delegate")
	case r.approvedBy(to):
		return refuse("who has approved already counts once")
	case r.handedOn(to) != nil:
		return refuse("who handed it on does not get it back in this way; withdraw that delegation")
	case slices.ContainsFunc(r.Delegations, func(d Delegation) bool { return to.Is(d.To) }):
		return refuse("somebody else has handed it to the same person, who counts once")
	case len(r.Delegations) >= MaxDelegations:
		return refuse("it was handed on as often as it may be")
	case len(r.Before(from)) >= MaxChain:
		return refuse("it was handed from person to person as often as it may be")
	}
	return nil
}

// Before are those through whose hands p got r, the nearest first.
func (r Request) Before(p Person) []Person {
	var out []Person
	for range r.Delegations {
		i := slices.IndexFunc(r.Delegations, func(d Delegation) bool { return p.surely(d.To) })
		if i < 0 {
			break
		}
		p = r.Delegations[i].From
		out = append(out, p)
	}
	return out
}

// MayRecall returns nil when p may take back what he handed on: not_found when it was
// nothing, already_decided when somebody has approved in his place, approval_closed.
func (r Request) MayRecall(p Person, now time.Time) error {
	if err := r.open(now); err != nil {
		return err
	}
	gone := r.after(p)
	if len(gone) == 0 {
		return fault.Newf(fault.NotFound, "%s has handed approval %s to nobody", p.Name, r.ID)
	}
	for _, d := range gone {
		if r.approvedBy(d.To) {
			return fault.Newf(fault.AlreadyDecided, "%s has approved this in the place of %s", d.To.Name, d.From.Name)
		}
	}
	return nil
}

// after are the delegations that end when p takes his back: it, and those that follow
// from it.
func (r Request) after(p Person) []Delegation {
	var out []Delegation
	for range r.Delegations {
		i := slices.IndexFunc(r.Delegations, func(d Delegation) bool { return p.surely(d.From) })
		if i < 0 {
			break
		}
		out = append(out, r.Delegations[i])
		p = r.Delegations[i].To
	}
	return out
}

func (r Request) approvedBy(p Person) bool {
	return slices.ContainsFunc(r.Decisions, func(d Decision) bool { return d.By.Is(p) })
}

// open returns approval_closed when nothing can be done about r at now.
func (r Request) open(now time.Time) error {
	if r.Status != Pending {
		return Closed(r)
	}
	if !now.Before(r.ExpiresAt) {
		return fault.Newf(fault.ApprovalClosed, "approval %s expired at %s", r.ID, r.ExpiresAt.Format(time.RFC3339))
	}
	return nil
}
