package store

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/webhook"
)

// Webhooks keeps where events are sent. Audit entries are as in access.go.
type Webhooks interface {
	// Create stores an endpoint with version 1; name_taken. From its commit on, every
	// event that it wants is noted.
	Create(ctx context.Context, p PutWebhook) (webhook.Endpoint, error)
	// Endpoint returns one by id or by name; not_found.
	Endpoint(ctx context.Context, tenant, idOrName string) (webhook.Endpoint, error)
	// List returns a page ordered by name.
	List(ctx context.Context, p ListWebhooks) (WebhookPage, error)
	// Update stores p.Endpoint, whose Version must be one above the stored one;
	// version_mismatch, name_taken, not_found. Its Health is not stored, but an
	// enabled endpoint that comes with the zero Health begins anew.
	Update(ctx context.Context, p PutWebhook) (webhook.Endpoint, error)
	// Delete removes an endpoint; not_found. Its open deliveries become dead.
	Delete(ctx context.Context, p DeleteWebhook) error
	// JobSecrets returns what signs the webhooks of a tenant's jobs. Without any,
	// candidate becomes the current one.
	JobSecrets(ctx context.Context, tenant string, candidate webhook.Secret) (webhook.Secrets, error)
	// RotateJobSecrets replaces it, as webhook.Secrets.Rotate does.
	RotateJobSecrets(ctx context.Context, p RotateSecrets) (webhook.Secrets, error)
}

// Outbox keeps events on their way to webhooks. Notes come into it in the
// transactions of the events.
type Outbox interface {
	// Waits tells whether there is a note or an open delivery. It holds nobody up.
	Waits(ctx context.Context) (bool, error)
	// Notes returns the oldest notes, at most limit, with those who subscribe to
	// their types.
	Notes(ctx context.Context, limit int) ([]webhook.Note, error)
	// Expand turns notes into deliveries. A note that is there no more was expanded by
	// somebody else, and its deliveries are not stored.
	Expand(ctx context.Context, items []Expansion) error
	// Add stores a delivery that comes from no event.
	Add(ctx context.Context, p AddDelivery) (webhook.Delivery, error)
	// Take claims deliveries that are due, the longest due first, until their leases
	// end. To no target are more under way, over all instances, than its health
	// allows, and none while its breaker is open. Whoever calls it also ends
	// deliveries that have nowhere to go or whose deadline has passed.
	Take(ctx context.Context, p TakeDeliveries) (Taken, error)
	// Record stores what became of claimed deliveries, and of their targets' health;
	// it disables endpoints that are gone or failed for too long. Items are
	// independent; stale_lease where somebody else has claimed the delivery since.
	Record(ctx context.Context, items []Outcome) []error
	// Delivery returns one with its attempts and body; not_found.
	Delivery(ctx context.Context, tenant, id string) (webhook.Delivery, error)
	// List returns a page, newest first, without attempts and bodies.
	List(ctx context.Context, p ListDeliveries) (DeliveryPage, error)
	// Redeliver makes a delivery pending again, with its id, its body and all its
	// attempts. One that waits for a retry is tried at once. webhook_disabled when
	// its endpoint is disabled or deleted; not_found.
	Redeliver(ctx context.Context, p Redeliver) (webhook.Delivery, error)
	// Expire deletes deliveries that ended before a time, at most limit, and returns
	// how many.
	Expire(ctx context.Context, before time.Time, limit int) (int, error)
	// Backlog counts notes and open deliveries, each up to a bound.
	Backlog(ctx context.Context) (notes, open int, err error)
}

// PutWebhook are the parameters of Webhooks.Create and Update.
type PutWebhook struct {
	Endpoint webhook.Endpoint
	Audit    *audit.Entry
}

// DeleteWebhook are the parameters of Webhooks.Delete.
type DeleteWebhook struct {
	Tenant, ID string
	Audit      *audit.Entry
}

// ListWebhooks are the parameters of Webhooks.List. Empty fields do not filter.
type ListWebhooks struct {
	Tenant  string
	Text    string // substring of the name
	Enabled *bool
	// AfterName continues behind a name; "" = from the start.
	AfterName string
	Limit     int // at least 1
}

// WebhookPage is one page. More says that endpoints follow.
type WebhookPage struct {
	Endpoints []webhook.Endpoint
	More      bool
}

// RotateSecrets are the parameters of Webhooks.RotateJobSecrets.
type RotateSecrets struct {
	Tenant  string
	Next    webhook.Secret
	At      time.Time
	Overlap time.Duration
	Audit   *audit.Entry
}

// Expansion is what becomes of a note.
type Expansion struct {
	NoteID     string
	Deliveries []webhook.Delivery
}

// AddDelivery are the parameters of Outbox.Add. p.Key as in Jobs.Add, its result
// is a webhook.Delivery.
type AddDelivery struct {
	Delivery webhook.Delivery
	Key      *Key
	Audit    *audit.Entry
}

// TakeDeliveries are the parameters of Outbox.Take.
type TakeDeliveries struct {
	Now    time.Time // zero = the authority's clock
	Limit  int       // at least 1
	Lease  time.Duration
	Policy webhook.Policy
}

// Taken is what Outbox.Take claimed.
type Taken struct {
	// Now is the time by the clock that decides.
	Now        time.Time
	Deliveries []Claim
	// NextAt is when something that was not taken is due; zero = nothing is, or it
	// waits for a place at its target.
	NextAt time.Time
}

// Claim is one claimed delivery with what is needed to send it.
type Claim struct {
	Delivery webhook.Delivery
	URL      string
	Secrets  webhook.Secrets
}

// Outcome is the parameter of Outbox.Record.
type Outcome struct {
	// Delivery is what webhook.Policy.Judge made of the claimed one.
	Delivery webhook.Delivery
	// OK says whether the receiver took it, Gone that it answered 410.
	OK, Gone bool
	// Ignored says that the attempt tells nothing about the target's health.
	Ignored bool
	Now     time.Time // zero = the authority's clock
	Policy  webhook.Policy
	Random  float64 // in [0, 1)
}

// ListDeliveries are the parameters of Outbox.List. Empty fields do not filter.
type ListDeliveries struct {
	Tenant        string
	WebhookID     string
	JobID         string
	Statuses      []webhook.Status
	Types         []event.Type
	CreatedAfter  time.Time
	CreatedBefore time.Time
	// After continues behind the last delivery of an earlier page.
	After *DeliveryMark
	Limit int // at least 1
}

// DeliveryMark is a place in a list of deliveries.
type DeliveryMark struct {
	CreatedAt time.Time
	ID        string
}

// DeliveryPage is one page. More says that deliveries follow.
type DeliveryPage struct {
	Deliveries []webhook.Delivery
	More       bool
}

// Redeliver are the parameters of Outbox.Redeliver. p.Key as in Jobs.Add, its
// result is a webhook.Delivery.
type Redeliver struct {
	Tenant, ID string
	Now        time.Time // zero = the authority's clock
	Life       time.Duration
	Key        *Key
	Audit      *audit.Entry
}
