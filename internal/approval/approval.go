// Package approval is the domain of questions to people: what a request for an
// approval is, who may decide it, for how long, and what each event does to it.
//
// Everything here is pure: functions take the time and return values. A request
// is changed only by Apply, which turns an event into a Change; the store carries
// the Change out as a compare-and-swap together with what it means for the
// subject. The package knows nothing of subjects but their type and id.
package approval

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/fsm"
)

// SubjectType says what an approval is about. The text is part of the API.
type SubjectType string

// SubjectJob is a job of the queue, which waits for the decision.
const SubjectJob SubjectType = "job"

// Subject is what waits for the decision.
type Subject struct {
	Type SubjectType
	ID   string
}

// Kind says what is asked, for people and for filters, for example "run_job".
type Kind string

// KindRunJob asks whether a job may run.
const KindRunJob Kind = "run_job"

// OnExpire says what an expiry means.
type OnExpire string

// What an expiry means.
const (
	// ExpireReject: the subject ends as if somebody had said no. "" means the same.
	ExpireReject OnExpire = "reject"
	// ExpireReRequest: a new request takes the place of the expired one, as often as
	// MaxReRequests allows; the last one expires as with ExpireReject.
	ExpireReRequest OnExpire = "re_request"
)

// Bounds of requests.
const (
	// DefaultLife is how long a request can be decided when nobody says otherwise.
	DefaultLife = 24 * time.Hour
	// MinLife and MaxLife bound it.
	MinLife = time.Second
	MaxLife = 90 * 24 * time.Hour
	// MaxApprovals is the most approvals that a request can ask for.
	MaxApprovals = 20
	// MaxReRequests is the most requests that may follow the first one.
	MaxReRequests = 20
	// DefaultReRequests is how many may when nobody says otherwise.
	DefaultReRequests = 3
	// MaxContent is the size of the content, MaxText that of a comment, in bytes.
	MaxContent = 256 << 10
	MaxText    = 4 << 10
	maxFields  = 100
	maxRows    = 2000
	maxTitle   = 500
)

// Reasons for which a job is skipped. They are part of the API.
const (
	ReasonRejected = "approval_rejected"
	ReasonExpired  = "approval_expired"
)

// Person is who asks or decides.
type Person struct {
	// Name is what people know, for example a user's or a token's name.
	Name string `json:"name"`
	// ID is that of the user or token; "" for those known by name only.
	ID string `json:"id,omitempty"`
	// MadeBy is the name of who made the token; "" = it is no token, or was given at
	// start.
	MadeBy string `json:"made_by,omitempty"`
}

// Is reports whether p and q may be the same human being: a token counts as
// whoever made it. In doubt they are the same, because an approval by oneself is
// none.
func (p Person) Is(q Person) bool {
	if p.ID != "" && p.ID == q.ID {
		return true
	}
	for _, a := range []string{p.Name, p.MadeBy} {
		if a != "" && (a == q.Name || a == q.MadeBy) {
			return true
		}
	}
	return false
}

// Decision is one person's word.
type Decision struct {
	By       Person    `json:"by"`
	Approved bool      `json:"approved"`
	Comment  string    `json:"comment,omitempty"`
	At       time.Time `json:"at"`
	// Form is what was filled in, a JSON object; nil = nothing was asked for.
	Form json.RawMessage `json:"form,omitempty"`
}

// ValueType says how to show a value. The text is part of the API.
type ValueType string

// The types of values.
const (
	Text     ValueType = "text"
	Number   ValueType = "number"   // decimal digits
	Money    ValueType = "money"    // decimal digits, a space, a currency
	Flag     ValueType = "flag"     // true or false
	Time     ValueType = "time"     // RFC 3339
	Duration ValueType = "duration" // ISO 8601
)

// Field is one line of the summary.
type Field struct {
	// Name is snake_case and unique in the summary; Label is for people, "" = Name.
	Name  string    `json:"name"`
	Label string    `json:"label,omitempty"`
	Type  ValueType `json:"type"`
	Value string    `json:"value"`
}

// Column is one column of the table.
type Column struct {
	Name  string    `json:"name"`
	Label string    `json:"label,omitempty"`
	Type  ValueType `json:"type"`
}

// Listing is a table of what is asked for, for example the planned orders.
type Listing struct {
	Columns []Column   `json:"columns,omitempty"`
	Rows    [][]string `json:"rows,omitempty"` // each as long as Columns
}

// Request is a question to people. Content, and with it ContentHash, never
// changes; a changed plan is a new request.
type Request struct {
	ID     string
	Tenant string
	Status Status
	// Version counts the changes of this row; a Change names the one it saw.
	Version int64

	Kind    Kind
	Subject Subject
	Title   string
	Summary []Field
	Table   Listing
	// Content is a JSON object, exactly as it will be executed; nil = none.
	Content []byte
	// ContentHash is Hash of the request: a decision names what it saw.
	ContentHash string

	RequestedBy Person
	RequestedAt time.Time
	ExpiresAt   time.Time
	// Remind is how long before ExpiresAt people are to be reminded, longest first.
	Remind   []time.Duration
	OnExpire OnExpire
	// Approvers are who may say yes, each role:NAME or user:NAME; none = everybody who
	// may decide approvals. Everybody may say no.
	Approvers []string
	// MinApprovals is how many different people must say yes; one no is enough.
	MinApprovals int
	// AllowRequester lets whoever asked decide, too.
	AllowRequester bool
	// RequireComment refuses decisions without one.
	RequireComment bool

	// Round counts the requests about this subject, from 1; Replaces and ReplacedBy
	// are the ids of its neighbours, "" = none.
	Round                int
	Replaces, ReplacedBy string
	// MaxReRequests is how many rounds may follow the first one.
	MaxReRequests int

	Decisions []Decision
	// Delegations are who decides in whose place, oldest first.
	Delegations []Delegation
	// Reason is why the request was superseded, for people; "" otherwise.
	Reason string
	// DecidedAt is when it left PENDING, zero before.
	DecidedAt time.Time
}

// New completes r, sets its status and its hash, and checks it: invalid_input.
// ID, Tenant, Subject, Title, RequestedBy and RequestedAt must be given.
func New(r Request) (Request, error) {
	r.Status, r.Version, r.Decisions, r.Delegations, r.DecidedAt = Pending, 1, nil, nil, time.Time{}
	r.MinApprovals, r.Round = max(r.MinApprovals, 1), max(r.Round, 1)
	if r.OnExpire == "" {
		r.OnExpire = ExpireReject
	}
	if r.ExpiresAt.IsZero() {
		r.ExpiresAt = r.RequestedAt.Add(DefaultLife)
	}
	r.RequestedAt, r.ExpiresAt = r.RequestedAt.UTC().Truncate(time.Millisecond), r.ExpiresAt.UTC().Truncate(time.Millisecond)
	slices.SortFunc(r.Remind, func(a, b time.Duration) int { return int(min(max(b-a, -1), 1)) })
	r.ContentHash = Hash(r)
	return r, r.check()
}

func (r Request) check() error {
	bad := func(pointer, why string) error {
		return fault.New(fault.InvalidInput, "the request for an approval cannot be made: "+why).At(pointer, "invalid", why)
	}
	life := r.ExpiresAt.Sub(r.RequestedAt)
	switch {
	case r.ID == "" || r.Tenant == "" || r.Subject.ID == "" || r.Subject.Type == "" || r.Kind == "" || r.RequestedBy.Name == "":
		return bad("", "it names no subject, kind or requester")
	case r.Title == "" || len(r.Title) > maxTitle:
		return bad("/title", "must have 1 to 500 bytes")
	case life < MinLife || life > MaxLife:
		return bad("/expires_in", "must be 1 second to 90 days")
	case len(r.Approvers) > maxFields || slices.ContainsFunc(r.Approvers, func(a string) bool { return !ApproverOK(a) }):
		return bad("/approvers", "must be role:NAME or user:NAME each, 100 at most")
	case r.MinApprovals > MaxApprovals:
		return bad("/min_approvals", "must be 20 at most")
	case r.MaxReRequests < 0 || r.MaxReRequests > MaxReRequests:
		return bad("/max_re_requests", "must be 0 to 20")
	case r.OnExpire != ExpireReject && r.OnExpire != ExpireReRequest:
		return bad("/on_expire", "must be reject or re_request")
	case len(r.Content) > MaxContent:
		return bad("/content", "must have 256 KiB at most")
	case len(r.Content) > 0 && (!json.Valid(r.Content) || bytes.TrimSpace(r.Content)[0] != '{'):
		return bad("/content", "must be a JSON object")
	case len(r.Summary) > maxFields || len(r.Table.Columns) > maxFields || len(r.Table.Rows) > maxRows:
		return bad("/summary", "must have 100 fields, 100 columns and 2000 rows at most")
	case slices.ContainsFunc(r.Table.Rows, func(row []string) bool { return len(row) != len(r.Table.Columns) }):
		return bad("/table", "each row must be as long as the columns")
	case slices.ContainsFunc(r.Remind, func(d time.Duration) bool { return d <= 0 || d >= life }):
		return bad("/remind", "must be within the life of the request")
	}
	return nil
}

// RemindAt are the times at which people are to be reminded, in order.
func (r Request) RemindAt() []time.Time {
	out := make([]time.Time, 0, len(r.Remind))
	for _, d := range r.Remind {
		out = append(out, r.ExpiresAt.Add(-d))
	}
	return out
}

// Approvals is how many people have said yes.
func (r Request) Approvals() int {
	n := 0
	for _, d := range r.Decisions {
		if d.Approved {
			n++
		}
	}
	return n
}

// Last is the word that decided, nil unless the request is APPROVED or REJECTED.
func (r Request) Last() *Decision {
	if (r.Status != Approved && r.Status != Rejected) || len(r.Decisions) == 0 {
		return nil
	}
	return &r.Decisions[len(r.Decisions)-1]
}

// MayDecide returns nil when p may decide r at now having seen content with the
// given hash, and why not otherwise: approval_closed, approval_content_changed,
// self_approval, already_decided (p has said yes before), comment_required. Whether p is
// among those who are asked is Eligible's word.
// A person may always reject what he asked for himself.
func (r Request) MayDecide(p Person, approve bool, comment, hash string, now time.Time) error {
	if err := r.open(now); err != nil {
		return err
	}
	switch {
	case hash != r.ContentHash:
		return fault.Newf(fault.ApprovalContentChanged, "the content of approval %s has the hash %s", r.ID, r.ContentHash).
			At("/content_hash", string(fault.ApprovalContentChanged), "is not that of the approval: look at it again")
	case approve && !r.AllowRequester && p.Is(r.RequestedBy):
		return r.self(p)
	case approve && r.approvedBy(p):
		return fault.Newf(fault.AlreadyDecided, "%s has approved this already; %d of %d approvals are there", p.Name, r.Approvals(), r.MinApprovals)
	case r.RequireComment && strings.TrimSpace(comment) == "":
		return fault.New(fault.InvalidInput, "this decision needs a comment").At("/comment", "required", "must say why")
	case len(comment) > MaxText:
		return fault.New(fault.InvalidInput, "the comment is too long").At("/comment", "too_long", "must have 4096 bytes at most")
	}
	return nil
}

// Author is whose word r is beside that of who asked: who wrote the version of the
// workflow or of the schedule that asks, or who made the token that asked. "" =
// nobody else's. As little as the requester may he approve it.
func (r Request) Author() string { return r.RequestedBy.MadeBy }

// self says by which rule p cannot approve r.
func (r Request) self(p Person) error {
	by := r.RequestedBy
	who := p.Name
	if p.MadeBy != "" {
		who = fmt.Sprintf("%s, a token of %s,", p.Name, p.MadeBy)
	}
	asked := p.ID != "" && p.ID == by.ID || p.Name == by.Name || p.MadeBy != "" && p.MadeBy == by.Name
	why := "asked for this"
	switch {
	case asked:
	case r.Subject.Type == SubjectWorkflowNode:
		why = fmt.Sprintf("wrote the version of the workflow whose run of %s asks for this", by.Name)
	case by.ID == "":
		why = "wrote the current version of the schedule that asks for this"
	default:
		why = fmt.Sprintf("made the token %s, which asked for this", by.Name)
	}
	return fault.Newf(fault.SelfApproval, "%s %s, so somebody else must approve it", who, why).WithHint(r.Others())
}

// Others says who may approve r in place of who asked or wrote what asks, and how to
// add a person: an administrator may be the only one there is.
func (r Request) Others() string {
	who, role := "another user with the role approver or admin", "approver"
	if len(r.Approvers) > 0 {
		role = ""
		names := make([]string, len(r.Approvers))
		for i, a := range r.Approvers {
			kind, name, _ := strings.Cut(a, ":")
			if names[i] = "user " + name; kind == "role" {
				names[i], role = "another user with the role "+name, cmp.Or(role, name)
			}
		}
		who = strings.Join(names, " or ")
	}
	add := ""
	if role != "" {
		add = "an administrator adds a person: runsheet user create NAME --role " + role + "; "
	}
	allow := "who asks may only if the request says allow_requester (job add --self-approval)"
	if r.Subject.Type == SubjectWorkflowNode {
		allow = "who started the run or wrote the version may only if the node says allow_requester"
	}
	return who + " may approve it; " + add + allow + "; a token counts as who made it"
}

// Closed says that nothing can be decided about r any more, and why.
func Closed(r Request) error {
	why := "is " + string(r.Status)
	if d := r.Last(); d != nil {
		why += " by " + d.By.Name
	}
	if r.ReplacedBy != "" {
		why += "; " + r.ReplacedBy + " took its place"
	} else if r.Reason != "" {
		why += ": " + r.Reason
	}
	return fault.Newf(fault.ApprovalClosed, "approval %s %s", r.ID, why)
}

// Change is what an event does to a request. The store carries it out only if the
// row still has Before's version, status and content hash.
type Change struct {
	Before Request
	After  Request
	Emit   []event.Event
}

// Apply turns an event into a change, or into a fault with code approval_closed.
// It is pure and leaves r alone. Whether a person may decide is MayDecide's word.
func Apply(r Request, ev any) (Change, error) {
	to, c, err := Table.Apply(r, ev)
	if err != nil {
		if _, refused := errors.AsType[*fsm.Rejected](err); refused {
			return Change{}, Closed(r)
		}
		return Change{}, err
	}
	c.Before = r
	c.After.Status, c.After.Version = to, r.Version+1
	for i := range c.Emit {
		c.Emit[i] = c.After.event(c.Emit[i])
	}
	return c, nil
}

// Requested is the event by which a new request is announced.
func (r Request) Requested() event.Event {
	return r.event(event.Event{Type: event.ApprovalRequested, At: r.RequestedAt})
}

// Reminder is the event by which people are reminded of a request.
func (r Request) Reminder(at time.Time) event.Event {
	return r.event(event.Event{Type: event.ApprovalReminder, At: at})
}

// event fills in what all events about r carry.
func (r Request) event(e event.Event) event.Event {
	e.Tenant = r.Tenant
	e.Data = map[string]string{
		"approval_id": r.ID, "status": string(r.Status), "subject_type": string(r.Subject.Type), "subject_id": r.Subject.ID,
	}
	if names := r.Delegates(); len(names) > 0 {
		e.Data["delegates"] = strings.Join(names, ",")
	}
	if r.Subject.Type == SubjectJob {
		e.JobID = r.Subject.ID
	}
	if runID, nodeID, ok := r.Subject.Node(); ok {
		e.Data["workflow_run_id"], e.Data["node_id"] = runID, nodeID
	}
	return e
}

// Rules puts the rules under which r is decided on another request: life,
// reminders, expiry, people.
func (r Request) Rules(n Request) Request {
	n.ExpiresAt = n.RequestedAt.Add(r.ExpiresAt.Sub(r.RequestedAt))
	n.Remind, n.OnExpire, n.MaxReRequests = slices.Clone(r.Remind), r.OnExpire, r.MaxReRequests
	n.MinApprovals, n.AllowRequester, n.RequireComment = r.MinApprovals, r.AllowRequester, r.RequireComment
	n.Approvers = slices.Clone(r.Approvers)
	return n
}

// Again returns the request that takes r's place with the same content: the next
// round, with a fresh life of the same length. content may be nil: the content
// stays. re_requests_exhausted when there were as many as r allows.
func (r Request) Again(id string, by Person, now time.Time) (Request, error) {
	if r.Round > r.MaxReRequests {
		return Request{}, fault.Newf(fault.ReRequestsExhausted, "this was requested %d times, and %d re-requests are the most", r.Round, r.MaxReRequests)
	}
	n := r
	n.ID, n.Replaces, n.ReplacedBy, n.Round, n.Reason = id, r.ID, "", r.Round+1, ""
	n.RequestedBy, n.RequestedAt, n.ExpiresAt = by, now, now.Add(r.ExpiresAt.Sub(r.RequestedAt))
	n.Remind = slices.Clone(r.Remind)
	return New(n)
}
