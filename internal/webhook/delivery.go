package webhook

import (
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
)

// Note is an event that somebody wants. It is written in the transaction of the
// event, with its subject as it was then.
type Note struct {
	ID    string
	Event event.Event
	// Subject is what the event is about.
	Subject Subject
	// Subscribers are the enabled endpoints that want the type of the event, as of
	// the moment of reading. Their filters are not applied.
	Subscribers []Endpoint
}

// SubjectVersion is the version of the form in which subjects are stored.
const SubjectVersion = 1

// Subject is an object at the time of an event. It is stored as JSON for the
// moments until a note becomes deliveries; fields may be added, never renamed.
type Subject struct {
	Version   int               `json:"version"`
	Job       *job.Job          `json:"job,omitempty"`
	Run       *run.Run          `json:"run,omitempty"`
	Artifacts []run.Artifact    `json:"artifacts,omitempty"`
	Approval  *approval.Request `json:"approval,omitempty"`
}

// Status is where a delivery is. The text is part of the API.
type Status string

// The statuses.
const (
	Pending   Status = "pending"   // waits for its first attempt
	Delivered Status = "delivered" // the receiver took it; nothing moves it but a redelivery
	Failed    Status = "failed"    // the last attempt failed; the courier tries again
	Dead      Status = "dead"      // given up; a person may redeliver it
)

// Open reports whether the courier has still to send it.
func (s Status) Open() bool { return s == Pending || s == Failed }

// Codes of failures, beside those of package outbound (target_*).
const (
	CodeStatus   = "unexpected_status" // the answer was not 2xx
	CodeRedirect = "redirect"          // the answer was a redirect, which is never followed
	CodeGone     = "gone"              // the answer was 410
	CodeExpired  = "expired"           // it could not be delivered before its deadline
	CodeDisabled = "webhook_disabled"  // the webhook was disabled
	CodeDeleted  = "webhook_deleted"   // the webhook was deleted
	CodeInternal = "internal_error"    // this server could not make the request
)

// Attempt is one try to deliver. No part of the answer's body is ever kept.
type Attempt struct {
	At       time.Time
	Duration time.Duration
	// Status is that of the answer, 0 without one.
	Status int
	// Code and Message say why it failed; "" = it did not.
	Code, Message string
	// RetryAfter is what the answer asked for; 0 = nothing.
	RetryAfter time.Duration
	// Final says that repeating it is of no use, or not allowed.
	Final bool
}

// OK reports whether the receiver took the message.
func (a Attempt) OK() bool { return a.Code == "" }

// MaxLog bounds the attempts that are kept with a delivery.
const MaxLog = 50

// Delivery is one message to one receiver. Its id is the message's id, and its
// body never changes: every attempt, also of a redelivery, sends the same.
type Delivery struct {
	ID, Tenant string
	// WebhookID is the endpoint, "" for a job's own webhook.
	WebhookID string
	// Target is who shares the bounds and the breaker: the endpoint, or the host of a
	// job's own webhook.
	Target string
	// URL is that of a job's own webhook; an endpoint's is looked up at each attempt.
	URL           string
	Type          event.Type
	JobID, RunID  string
	Body          []byte
	Status        Status
	Attempts      int // since it was made or redelivered
	MaxAttempts   int
	NextAt        time.Time // of the next attempt, while Status is open
	Deadline      time.Time // no attempt begins after it
	LastStatus    int       // of the last answer, 0 without one
	ErrorCode     string    // of the last attempt, or why it is dead
	ErrorMessage  string
	Log           []Attempt // oldest first, at most MaxLog; empty in lists
	EventAt       time.Time
	CreatedAt     time.Time
	FinishedAt    time.Time
	LeaseSequence int64 // grows with each claim
}

// TargetOf is the target of a job's own webhook: jobs of a tenant that name one
// host share it.
func TargetOf(tenant, origin string) string { return "job " + tenant + " " + origin }
