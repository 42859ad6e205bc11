// Package webhook holds the rules of sending events to other programs: what an
// endpoint wants, how a message is signed, and when a delivery is tried again,
// given up, or an endpoint left alone.
//
// It is pure. An event that somebody wants becomes a Note, written with the event;
// a Note becomes one Delivery for each who wants it; the courier sends deliveries
// and Judge says what becomes of them. The store keeps all three.
package webhook

import (
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/event"
)

// Endpoint is a URL to which the events of a tenant are sent.
type Endpoint struct {
	ID, Tenant  string
	Name        string // unique in the tenant
	Description string
	URL         string
	// Events are types of package event, or All.
	Events []event.Type
	// JobTypes, TemplateIDs and Labels let through only events about such jobs: one
	// of each list, and all labels. Empty ones let everything through.
	JobTypes, TemplateIDs []string
	Labels                map[string]string
	// MaxAttempts bounds the attempts of one delivery, 1..16.
	MaxAttempts int
	Enabled     bool
	// DisabledReason says why Enabled is false, "" while it is true.
	DisabledReason Reason
	DisabledAt     time.Time
	Secrets        Secrets
	// Health is how it fares. The store keeps it beside the endpoint; changes of the
	// endpoint leave it alone.
	Health    Health
	CreatedBy string
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Reason is why an endpoint is disabled. The text is part of the API.
type Reason string

// The reasons.
const (
	ByHand  Reason = "by_hand" // a person switched it off
	Gone    Reason = "gone"    // it answered 410
	Failing Reason = "failing" // nothing reached it for Policy.DisableAfter
)

// The bounds and defaults of an endpoint.
const (
	MaxAttempts     = 16
	DefaultAttempts = 16
	// JobAttempts is for the webhooks of jobs and templates: one try, three retries.
	JobAttempts = 4
)

// All among the events of an endpoint stands for every type but workflow.progress,
// which a long map announces a hundred times: who wants it names it.
const All event.Type = "*"

// Test is the type of the message that a person sends to see whether an endpoint
// works. It is no event of the log.
const Test event.Type = "webhook.test"

// Wants reports whether n is to be sent to e.
func (e Endpoint) Wants(n Note) bool {
	all := slices.Contains(e.Events, All) && n.Event.Type != event.WorkflowProgress
	if !e.Enabled || !all && !slices.Contains(e.Events, n.Event.Type) {
		return false
	}
	if len(e.JobTypes)+len(e.TemplateIDs)+len(e.Labels) == 0 {
		return true
	}
	j := n.Subject.Job
	if j == nil || len(e.JobTypes) > 0 && !slices.Contains(e.JobTypes, j.Type) ||
		len(e.TemplateIDs) > 0 && !slices.Contains(e.TemplateIDs, j.TemplateID) {
		return false
	}
	for k, v := range e.Labels {
		if got, ok := j.Labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// short are the names that jobs and templates may use, because they are about
// one job anyway. Read-only.
var short = map[string]event.Type{
	"succeeded": event.JobRunCompleted, "completed": event.JobRunCompleted, "failed": event.JobRunFailed, "skipped": event.JobRunSkipped,
	"queued": event.JobQueued, "started": event.JobStarted, "cancelled": event.JobCancelled,
}

// ParseEvents reads names of events: types of the catalogue, short names
// (succeeded, failed, skipped, queued, started, cancelled), or *. It returns them
// sorted, each once. When a name is not known, bad is its place; otherwise bad is
// negative.
func ParseEvents(names []string) (out []event.Type, bad int) {
	for i, n := range names {
		t, ok := short[n]
		switch {
		case ok:
		case n == string(All) || event.Type(n).Topic() != "":
			t = event.Type(n)
		default:
			return nil, i
		}
		out = append(out, t)
	}
	slices.Sort(out)
	return slices.Compact(out), -1
}

// AboutJob reports whether events of a type are about one job, so that a job's
// own webhook can want them.
func AboutJob(t event.Type) bool {
	return t == All || t.Topic() == event.TopicJob || t.Topic() == event.TopicRun
}

// JobEvents are what a job's webhook is told when it does not say: how the
// attempts end.
func JobEvents() []event.Type {
	return []event.Type{event.JobRunCompleted, event.JobRunFailed, event.JobRunSkipped}
}

// JobWants reports whether a job's webhook with these events (names as ParseEvents
// reads them; none = JobEvents) wants a type.
func JobWants(names []string, t event.Type) bool {
	types, bad := ParseEvents(names)
	if bad >= 0 || len(names) == 0 {
		types = JobEvents()
	}
	return slices.Contains(types, t) || slices.Contains(types, All) && AboutJob(t)
}
