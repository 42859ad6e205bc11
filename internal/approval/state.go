package approval

import (
	"time"

	"github.com/runsheet/runsheet/internal/fsm"
)

// Status is where a request is in its life.
type Status string

// The states.
const (
	// Pending waits for people until it expires. A decision, the expiry, a new
	// request or the end of its subject moves it.
	Pending Status = "PENDING"
	// Approved: enough people said yes; the subject goes on. Nothing moves it.
	Approved Status = "APPROVED"
	// Rejected: somebody said no; the subject ends. Nothing moves it.
	Rejected Status = "REJECTED"
	// Expired: nobody decided in time. Nothing moves it; a new request may have
	// taken its place.
	Expired Status = "EXPIRED"
	// Superseded: another request took its place, or its subject ended before.
	// Nothing moves it.
	Superseded Status = "SUPERSEDED"
)

// States lists all states, the living one first.
func States() []Status { return []Status{Pending, Approved, Rejected, Expired, Superseded} }

// Terminal reports whether nothing can move s any more.
func (s Status) Terminal() bool { return s != Pending }

// Events. Each is a fact that the table turns into a Change.
type (
	// Approve is one person's yes.
	Approve struct {
		At      time.Time
		By      Person
		Comment string
		// Form is what the person filled in, a JSON object; nil = nothing.
		Form []byte
	}
	// Reject is one person's no, which is enough.
	Reject struct {
		At      time.Time
		By      Person
		Comment string
	}
	// Delegate says that From lets To decide in his place.
	Delegate struct {
		At       time.Time
		From, To Person
		Reason   string
	}
	// Recall says that By takes back what he handed on, with all that follows from it.
	Recall struct {
		At time.Time
		By Person
	}
	// Lapsed says that the request's time is over. ReplacedBy is the request that
	// takes its place, "" = none does.
	Lapsed struct {
		At         time.Time
		ReplacedBy string
	}
	// Replaced says that another request took its place.
	Replaced struct {
		At         time.Time
		ReplacedBy string
		Reason     string
	}
	// Withdrawn says that the subject needs no answer any more: it has ended.
	Withdrawn struct {
		At     time.Time
		Reason string
	}
)

// Table is the request's state machine.
var Table = fsm.New[Status, Request, Change](func(r Request) Status { return r.Status },
	fsm.On[Approve](fsm.From(Pending), fsm.When("more approvals are needed", moreNeeded), fsm.To(Pending), fsm.Do(count)),
	fsm.On[Approve](fsm.From(Pending), fsm.To(Approved), fsm.Do(approve)),
	fsm.On[Reject](fsm.From(Pending), fsm.To(Rejected), fsm.Do(reject)),
	fsm.On[Delegate](fsm.From(Pending), fsm.To(Pending), fsm.Do(delegate)),
	fsm.On[Recall](fsm.From(Pending), fsm.To(Pending), fsm.Do(recall)),
	fsm.On[Lapsed](fsm.From(Pending), fsm.To(Expired), fsm.Do(lapse)),
	fsm.On[Replaced](fsm.From(Pending), fsm.To(Superseded), fsm.Do(replace)),
	fsm.On[Withdrawn](fsm.From(Pending), fsm.To(Superseded), fsm.Do(withdraw)),
)
