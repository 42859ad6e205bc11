package wire

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
)

// ApprovalSubject is what waits for an approval.
type ApprovalSubject struct {
	Type string `json:"type" example:"job"`
	ID   string `json:"id" example:"job_01jh0000000000000000000000"`
}

// ApprovalField is one line of the summary, in its order.
type ApprovalField struct {
	Name  string `json:"name" example:"num_orders"`
	Label string `json:"label" doc:"for people"`
	Type  string `json:"type" enum:"text,number,money,flag,time,duration"`
	Value string `json:"value" doc:"money is an amount, a space and a currency"`
}

// ApprovalColumn is a column of the table.
type ApprovalColumn struct {
	Name  string `json:"name"`
	Label string `json:"label" doc:"for people"`
	Type  string `json:"type" enum:"text,number,money,flag,time,duration"`
}

// ApprovalTable lists what is to be approved.
type ApprovalTable struct {
	Columns []ApprovalColumn `json:"columns"`
	Rows    [][]string       `json:"rows" doc:"each as long as columns"`
}

// ApprovalDecision is one person's word.
type ApprovalDecision struct {
	Approved  bool      `json:"approved"`
	DecidedBy string    `json:"decided_by"`
	Comment   *string   `json:"comment"`
	DecidedAt time.Time `json:"decided_at"`
	Form      Object    `json:"form" doc:"what the person filled in; empty where the approval asks for nothing"`
}

// ApprovalDelegation says that one person decides in the place of another.
type ApprovalDelegation struct {
	From        string    `json:"from" doc:"who handed it on, and does not approve any more"`
	To          string    `json:"to" doc:"the user who may approve in that place"`
	Reason      string    `json:"reason"`
	DelegatedAt time.Time `json:"delegated_at"`
}

// DelegationInput says who is to decide in the caller's place.
type DelegationInput struct {
	To     string `json:"to" minLength:"1" maxLength:"128" example:"tom" doc:"name of a user who may decide approvals"`
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"for people"`
}

// Approval is a question to people, and how it was answered.
type Approval struct {
	ApprovalID    string               `json:"approval_id" example:"appr_01jh0000000000000000000000"`
	Kind          string               `json:"kind" example:"run_job"`
	Subject       ApprovalSubject      `json:"subject" doc:"what waits for the decision"`
	Title         string               `json:"title"`
	Summary       Object               `json:"summary" doc:"the values of fields by their names; money is an object with amount and currency"`
	Fields        []ApprovalField      `json:"fields" doc:"the summary in the order in which to show it"`
	Table         ApprovalTable        `json:"table"`
	Content       Object               `json:"content" doc:"what will be done, exactly"`
	ContentHash   string               `json:"content_hash" doc:"of everything above and min_approvals. A decision must send it"`
	RequestedBy   string               `json:"requested_by"`
	RequestedAt   time.Time            `json:"requested_at"`
	Author        *string              `json:"author" doc:"who wrote the version of the workflow or schedule that asks, or made the token that asked; as little as the requester may he approve it, unless allow_requester; null = nobody else"`
	ExpiresAt     time.Time            `json:"expires_at" doc:"nothing can be decided from then on"`
	RemindAt      []time.Time          `json:"remind_at" doc:"when people are to be reminded"`
	OnExpire      string               `json:"on_expire" enum:"reject,re_request" doc:"what an expiry means: the end of the subject, or a new request as often as max_re_requests allows"`
	Status        string               `json:"status" enum:"PENDING,APPROVED,REJECTED,EXPIRED,SUPERSEDED"`
	Decision      *string              `json:"decision" enum:"approved,rejected" nullable:"true" doc:"null unless the status is APPROVED or REJECTED"`
	ApprovedAt    *time.Time           `json:"approved_at"`
	ApprovedBy    *string              `json:"approved_by" doc:"whose approval was the last that was needed"`
	Comment       *string              `json:"comment" doc:"of who decided"`
	EndedAt       *time.Time           `json:"ended_at" doc:"when it left PENDING"`
	Reason        *string              `json:"reason" doc:"why it was superseded, for people"`
	MinApprovals  int                  `json:"min_approvals" doc:"how many people must approve; one rejection is enough"`
	Decisions     []ApprovalDecision   `json:"decisions" doc:"every person's word, oldest first"`
	Delegations   []ApprovalDelegation `json:"delegations" doc:"who may approve in whose place, oldest first"`
	AllowSelf     bool                 `json:"allow_requester" doc:"whoever asked may approve, too"`
	NeedsComment  bool                 `json:"require_comment"`
	Round         int                  `json:"round" doc:"1 for the first request about the subject; a re-request is the next"`
	MaxReRequests int                  `json:"max_re_requests"`
	Replaces      *string              `json:"replaces" doc:"id of the request whose place it took"`
	ReplacedBy    *string              `json:"replaced_by" doc:"id of the request that took its place"`
	Approvers     []string             `json:"approvers" doc:"who may approve, each role:NAME or user:NAME; empty = everybody who may decide approvals"`
	WorkflowRunID *string              `json:"workflow_run_id" doc:"the run of a workflow that waits, null = none does"`
	NodeID        *string              `json:"node_id" doc:"its node"`
	Names         map[string]string    `json:"names" doc:"of the job or run of a workflow that waits, and of the template in fields, by their ids, as far as they are known; empty in answers to changes and in messages"`
	Form          Object               `json:"form" doc:"inputs by name, as those of a workflow, that who approves fills in; empty = none. It is a part of content"`
}

// ApprovalList is one page.
type ApprovalList struct {
	Items      []Approval `json:"items"`
	NextCursor *string    `json:"next_cursor" doc:"give it as cursor to get the next page; null on the last"`
}

// ApprovalRules says how people are asked whether a job may run. All of it is
// optional.
type ApprovalRules struct {
	Title          string    `json:"title,omitempty" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"the question; Run NAME? if absent"`
	ExpiresIn      *Duration `json:"expires_in,omitempty" doc:"how long it can be decided, PT1S to P90D; P1D if absent"`
	OnExpire       string    `json:"on_expire,omitempty" enum:"reject,re_request" default:"reject" doc:"what an expiry means: the job is SKIPPED, or the server asks again, as often as max_re_requests allows"`
	MaxReRequests  *int      `json:"max_re_requests,omitempty" minimum:"0" maximum:"20" default:"3" doc:"how often it can be asked again"`
	MinApprovals   int       `json:"min_approvals,omitempty" minimum:"1" maximum:"20" default:"1" doc:"how many different people must approve; one rejection is enough"`
	AllowRequester bool      `json:"allow_requester,omitempty" doc:"whoever asks may approve it, too"`
	RequireComment bool      `json:"require_comment,omitempty" doc:"a decision needs a comment"`
}

// On fills in what the rules say of r, which was requested at r.RequestedAt.
func (in ApprovalRules) On(r approval.Request) approval.Request {
	if in.Title != "" {
		r.Title = in.Title
	}
	r.ExpiresAt = r.RequestedAt.Add(in.ExpiresIn.Or(approval.DefaultLife))
	if in.MaxReRequests != nil {
		r.MaxReRequests = *in.MaxReRequests
	}
	r.OnExpire, r.MinApprovals = approval.OnExpire(in.OnExpire), in.MinApprovals
	r.AllowRequester, r.RequireComment = in.AllowRequester, in.RequireComment
	return r
}

// DecisionInput is a person's word about what he saw.
type DecisionInput struct {
	ContentHash string `json:"content_hash" minLength:"1" maxLength:"100" doc:"that of the approval as the person saw it" example:"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Comment     string `json:"comment,omitempty" maxLength:"4000" doc:"for people"`
	Form        Object `json:"form,omitempty" doc:"the values of the approval's form by their names, where it has one"`
}

// ExecutionDecisionInput decides the approval that is pending about something.
type ExecutionDecisionInput struct {
	Approved    bool   `json:"approved" doc:"false rejects it"`
	ContentHash string `json:"content_hash,omitempty" maxLength:"100" doc:"refused if it is given and is not that of the pending approval"`
	Comment     string `json:"comment,omitempty" maxLength:"4000" doc:"for people"`
	Form        Object `json:"form,omitempty" doc:"the values of the approval's form by their names, where it has one"`
}

// ApprovalOf shows r.
func ApprovalOf(r approval.Request) Approval {
	w := Approval{
		ApprovalID: r.ID, Kind: string(r.Kind), Subject: ApprovalSubject{Type: string(r.Subject.Type), ID: r.Subject.ID},
		Title: r.Title, Summary: approvalSummary(r.Summary), Fields: []ApprovalField{}, Content: r.Content, ContentHash: r.ContentHash,
		Table:       ApprovalTable{Columns: []ApprovalColumn{}, Rows: r.Table.Rows},
		RequestedBy: r.RequestedBy.Name, Author: str(r.Author()), RequestedAt: r.RequestedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), RemindAt: r.RemindAt(),
		OnExpire: string(r.OnExpire), Status: string(r.Status), EndedAt: instant(r.DecidedAt), Reason: str(r.Reason),
		MinApprovals: r.MinApprovals, Decisions: []ApprovalDecision{}, Names: map[string]string{}, Delegations: []ApprovalDelegation{}, AllowSelf: r.AllowRequester, NeedsComment: r.RequireComment,
		Round: r.Round, MaxReRequests: r.MaxReRequests, Replaces: str(r.Replaces), ReplacedBy: str(r.ReplacedBy),
		Approvers: append([]string{}, r.Approvers...), Form: ApprovalForm(r),
	}
	if runID, nodeID, ok := r.Subject.Node(); ok {
		w.WorkflowRunID, w.NodeID = &runID, &nodeID
	}
	if w.Table.Rows == nil {
		w.Table.Rows = [][]string{}
	}
	for _, f := range r.Summary {
		w.Fields = append(w.Fields, ApprovalField{Name: f.Name, Label: orName(f.Label, f.Name), Type: string(f.Type), Value: f.Value})
	}
	for _, c := range r.Table.Columns {
		w.Table.Columns = append(w.Table.Columns, ApprovalColumn{Name: c.Name, Label: orName(c.Label, c.Name), Type: string(c.Type)})
	}
	for _, d := range r.Decisions {
		w.Decisions = append(w.Decisions, ApprovalDecision{Approved: d.Approved, DecidedBy: d.By.Name, Comment: str(d.Comment), DecidedAt: d.At.UTC(), Form: Object(d.Form)})
	}
	for _, d := range r.Delegations {
		w.Delegations = append(w.Delegations, ApprovalDelegation{From: d.From.Name, To: d.To.Name, Reason: d.Reason, DelegatedAt: d.At.UTC()})
	}
	if d := r.Last(); d != nil {
		word := strings.ToLower(string(r.Status))
		w.Decision, w.Comment = &word, str(d.Comment)
		if r.Status == approval.Approved {
			w.ApprovedAt, w.ApprovedBy = instant(d.At), &d.By.Name
		}
	}
	return w
}

// ApprovalForm is the form of a request about a node of a workflow, nil = there is
// none.
func ApprovalForm(r approval.Request) Object {
	if r.Subject.Type != approval.SubjectWorkflowNode {
		return nil
	}
	var c struct {
		Form json.RawMessage `json:"form"`
	}
	if json.Unmarshal(r.Content, &c) != nil {
		return nil
	}
	return Object(c.Form)
}

func orName(label, name string) string {
	if label == "" {
		return name
	}
	return label
}

// approvalSummary is the summary as an object, whose values have the types that
// JSON has for them.
func approvalSummary(fields []approval.Field) Object {
	values := map[string]any{}
	for _, f := range fields {
		switch f.Type {
		case approval.Number:
			values[f.Name] = f.Value
			if json.Valid([]byte(f.Value)) {
				values[f.Name] = json.RawMessage(f.Value)
			}
		case approval.Flag:
			values[f.Name] = f.Value == "true"
		case approval.Money:
			amount, currency, _ := strings.Cut(f.Value, " ")
			values[f.Name] = map[string]string{"amount": amount, "currency": currency}
		case approval.Text, approval.Time, approval.Duration:
			values[f.Name] = f.Value
		}
	}
	b, err := json.Marshal(values)
	if err != nil {
		panic("wire: summary: " + err.Error()) // plain values always encode
	}
	return b
}

// ApprovalMessage is the body of a message about an approval: the approval as the
// API shows it, and the event.
type ApprovalMessage struct {
	Event string `json:"event"`
	Approval
}
