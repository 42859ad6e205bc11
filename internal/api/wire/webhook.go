package wire

import (
	"bytes"
	"encoding/json"
	"net/url"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/webhook"
)

// WebhookInput makes a webhook, or is what a merge patch applies to.
type WebhookInput struct {
	Name        string            `json:"name,omitempty" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x20\\x7f/]([^\\x00-\\x1f\\x7f/]*[^\\x00-\\x20\\x7f/])?$" doc:"unique among the webhooks; made from the URL's host if absent" example:"chat"`
	Description string            `json:"description,omitempty" maxLength:"2000"`
	URL         string            `json:"url" minLength:"1" maxLength:"2048" doc:"https, unless the operator's allow-list names the target" example:"https://example.com/hooks/runsheet"`
	Events      []string          `json:"events" minItems:"1" maxItems:"64" doc:"types of events, succeeded, failed, skipped, queued, started, cancelled, or * for all" example:"[\"job.run.failed\"]"`
	JobTypes    []string          `json:"job_types,omitempty" maxItems:"32" doc:"only events about jobs of these types"`
	TemplateIDs []string          `json:"template_ids,omitempty" maxItems:"64" doc:"only events about jobs of these templates, by id"`
	Labels      map[string]string `json:"labels,omitempty" doc:"only events about jobs that have all these labels"`
	MaxAttempts *int              `json:"max_attempts,omitempty" minimum:"1" maximum:"16" doc:"attempts of one delivery, within three days; 16 if absent"`
	Enabled     *bool             `json:"enabled,omitempty" doc:"true if absent; true also brings back one that the server has disabled"`
}

// WebhookHealth is how a webhook fares.
type WebhookHealth struct {
	Failures        int        `json:"failures" doc:"attempts in a row that failed"`
	FailingSince    *time.Time `json:"failing_since"`
	PausedUntil     *time.Time `json:"paused_until" doc:"after several failures only one message is tried at a time, and none before this"`
	LastDeliveredAt *time.Time `json:"last_delivered_at"`
	LastFailedAt    *time.Time `json:"last_failed_at"`
}

// Webhook is a URL to which events are sent.
type Webhook struct {
	WebhookID           string            `json:"webhook_id" example:"hook_01jh0000000000000000000000"`
	Name                string            `json:"name" example:"chat"`
	Description         string            `json:"description"`
	URL                 string            `json:"url" doc:"without its path for callers who may not change webhooks, because it may hold a secret"`
	Secret              *string           `json:"secret" doc:"what signs the messages; shown in the answer that made it, null ever after" example:"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"`
	Events              []string          `json:"events" doc:"types of events, * = all"`
	JobTypes            []string          `json:"job_types"`
	TemplateIDs         []string          `json:"template_ids"`
	Labels              map[string]string `json:"labels"`
	MaxAttempts         int               `json:"max_attempts"`
	Enabled             bool              `json:"enabled"`
	DisabledReason      *string           `json:"disabled_reason" enum:"by_hand,gone,failing" doc:"gone: it answered 410; failing: nothing reached it for three days"`
	DisabledAt          *time.Time        `json:"disabled_at"`
	Health              WebhookHealth     `json:"health"`
	Rate                *DeliveryRate     `json:"rate,omitempty" doc:"in lists with include=rate"`
	SecretRotatedAt     *time.Time        `json:"secret_rotated_at"`
	PreviousSecretUntil *time.Time        `json:"previous_secret_until" doc:"until then messages carry a signature by the previous secret too"`
	CreatedBy           string            `json:"created_by"`
	CreatedAt           time.Time         `json:"created_at"`
	UpdatedAt           time.Time         `json:"updated_at"`
	Version             int64             `json:"version" doc:"grows with every change; the ETag"`
}

// WebhookList is one page of webhooks.
type WebhookList struct {
	Items      []Webhook `json:"items"`
	NextCursor *string   `json:"next_cursor"`
}

// RotateInput is the optional body of a rotation.
type RotateInput struct {
	Overlap *Duration `json:"overlap,omitempty" doc:"how long the old secret goes on signing beside the new one, P7D at most; P1D if absent, PT0S to end it at once"`
}

// WebhookSecret is what signs the webhooks of the tenant's jobs and templates.
type WebhookSecret struct {
	Secret              *string    `json:"secret" doc:"shown in the answer to a rotation, null otherwise" example:"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"`
	RotatedAt           *time.Time `json:"rotated_at"`
	PreviousSecretUntil *time.Time `json:"previous_secret_until"`
}

// DeliveryAttempt is one try to deliver.
type DeliveryAttempt struct {
	At         time.Time `json:"at"`
	DurationMs int64     `json:"duration_ms"`
	Status     *int      `json:"status" doc:"of the answer; null without one"`
	Error      *Error    `json:"error" doc:"null when the receiver took it"`
}

// WebhookDelivery is one message to one receiver.
type WebhookDelivery struct {
	DeliveryID    string            `json:"delivery_id" doc:"also the message's webhook-id" example:"dlv_01jh0000000000000000000000"`
	WebhookID     *string           `json:"webhook_id" doc:"null for the webhook of a job or template"`
	URL           *string           `json:"url" doc:"of the webhook of a job or template, as in webhooks; null otherwise"`
	Event         string            `json:"event" example:"job.run.failed"`
	JobID         *string           `json:"job_id"`
	RunID         *string           `json:"run_id"`
	Status        string            `json:"status" enum:"pending,delivered,failed,dead" doc:"failed: will be tried again; dead: given up"`
	Attempts      int               `json:"attempts" doc:"since it was made or redelivered"`
	MaxAttempts   int               `json:"max_attempts"`
	NextAttemptAt *time.Time        `json:"next_attempt_at"`
	LastStatus    *int              `json:"last_status" doc:"of the last answer; null without one"`
	Error         *Error            `json:"error" doc:"of the last attempt, or why it is dead"`
	EventAt       time.Time         `json:"event_at"`
	CreatedAt     time.Time         `json:"created_at"`
	FinishedAt    *time.Time        `json:"finished_at"`
	Log           []DeliveryAttempt `json:"log" nullable:"true" doc:"the last 50 attempts, oldest first; null in lists"`
	Body          *Object           `json:"body" nullable:"true" doc:"as it is sent; null in lists. The answers' bodies are never kept"`
}

// WebhookDeliveryList is one page of deliveries.
type WebhookDeliveryList struct {
	Items      []WebhookDelivery `json:"items"`
	NextCursor *string           `json:"next_cursor"`
}

// WebhookOf shows e; whole says whether its URL is.
func WebhookOf(e webhook.Endpoint, whole bool) Webhook {
	w := Webhook{
		WebhookID: e.ID, Name: e.Name, Description: e.Description, URL: shownURL(e.URL, whole), Events: texts(e.Events), JobTypes: list(e.JobTypes),
		TemplateIDs: list(e.TemplateIDs), Labels: labels(e.Labels), MaxAttempts: e.MaxAttempts, Enabled: e.Enabled,
		DisabledReason: str(string(e.DisabledReason)), DisabledAt: instant(e.DisabledAt),
		Health: WebhookHealth{
			Failures: e.Health.Failures, FailingSince: instant(e.Health.FailingSince), PausedUntil: instant(e.Health.OpenUntil),
			LastDeliveredAt: instant(e.Health.LastDelivered), LastFailedAt: instant(e.Health.LastFailed),
		},
		SecretRotatedAt: instant(e.Secrets.RotatedAt), PreviousSecretUntil: instant(e.Secrets.PreviousUntil),
		CreatedBy: e.CreatedBy, CreatedAt: e.CreatedAt.UTC(), UpdatedAt: e.UpdatedAt.UTC(), Version: e.Version,
	}
	return w
}

// shownURL hides path and query, which may hold a secret, unless whole.
func shownURL(raw string, whole bool) string {
	u, err := url.Parse(raw)
	switch {
	case whole || err == nil && u.Path == "" && u.RawQuery == "":
		return raw
	case err != nil:
		return ""
	}
	return u.Scheme + "://" + u.Host + "/..."
}

// WebhookInputOf is the input that would make e: what a merge patch changes.
func WebhookInputOf(e webhook.Endpoint) WebhookInput {
	return WebhookInput{
		Name: e.Name, Description: e.Description, URL: e.URL, Events: texts(e.Events), JobTypes: e.JobTypes, TemplateIDs: e.TemplateIDs,
		Labels: e.Labels, MaxAttempts: &e.MaxAttempts, Enabled: &e.Enabled,
	}
}

// WebhookSecretOf shows when secrets were rotated, never themselves.
func WebhookSecretOf(s webhook.Secrets) WebhookSecret {
	return WebhookSecret{RotatedAt: instant(s.RotatedAt), PreviousSecretUntil: instant(s.PreviousUntil)}
}

// DeliveryOf shows d; whole says whether its URL is, detail whether it comes with
// its attempts and its body.
func DeliveryOf(d webhook.Delivery, whole, detail bool) WebhookDelivery {
	w := WebhookDelivery{
		DeliveryID: d.ID, WebhookID: str(d.WebhookID), Event: string(d.Type), JobID: str(d.JobID), RunID: str(d.RunID), Status: string(d.Status),
		Attempts: d.Attempts, MaxAttempts: d.MaxAttempts, NextAttemptAt: instant(d.NextAt), LastStatus: number(d.LastStatus),
		Error: failureOf(d.ErrorCode, d.ErrorMessage), EventAt: d.EventAt.UTC(), CreatedAt: d.CreatedAt.UTC(), FinishedAt: instant(d.FinishedAt),
	}
	if d.URL != "" {
		w.URL = str(shownURL(d.URL, whole))
	}
	if !detail {
		return w
	}
	w.Log = []DeliveryAttempt{}
	for _, a := range d.Log {
		w.Log = append(w.Log, DeliveryAttempt{
			At: a.At.UTC(), DurationMs: a.Duration.Milliseconds(), Status: number(a.Status), Error: failureOf(a.Code, a.Message),
		})
	}
	body := Object(d.Body)
	w.Body = &body
	return w
}

func number(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func failureOf(code, message string) *Error {
	if code == "" {
		return nil
	}
	return &Error{Code: code, Message: message}
}

// RunMessage is the body of a message about how an attempt ended: the run as the
// API shows it, and the event.
type RunMessage struct {
	Event string `json:"event"`
	Run
}

// JobMessage is the body of other messages about a job: the job as the API shows
// it, and the event. position, waiting and estimated_wait are null: they would be
// old when the message arrives.
type JobMessage struct {
	Event string `json:"event"`
	Job
}

// OtherMessage is the body of all other messages: what live connections get.
type OtherMessage struct {
	Event      string            `json:"event"`
	At         time.Time         `json:"at"`
	RunID      string            `json:"run_id,omitempty"`
	TemplateID string            `json:"template_id,omitempty"`
	Data       map[string]string `json:"data"`
}

// TestMessage is the body of a test.
type TestMessage struct {
	Event     string    `json:"event" enum:"webhook.test"`
	WebhookID string    `json:"webhook_id"`
	Name      string    `json:"name"`
	At        time.Time `json:"at"`
}

// MessageOf is the body of the messages about a note.
func MessageOf(n webhook.Note) ([]byte, error) {
	e, s := n.Event, n.Subject
	var out any
	switch {
	case s.Approval != nil:
		out = ApprovalMessage{Event: string(e.Type), Approval: ApprovalOf(*s.Approval)}
	case s.Run != nil && e.Type.Topic() == event.TopicRun:
		out = RunMessage{Event: string(e.Type), Run: RunOf(*s.Run, s.Artifacts)}
	case s.Job != nil:
		j := JobOf(*s.Job, nil, nil)
		j.WebhookURL = str(shownURL(s.Job.Webhook.URL, false)) // others than its owner are told too
		out = JobMessage{Event: string(e.Type), Job: j}
	default:
		out = OtherMessage{Event: string(e.Type), At: e.At.UTC(), RunID: e.RunID, TemplateID: e.TemplateID, Data: labels(e.Data)}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // as in the API's answers
	err := enc.Encode(out)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
