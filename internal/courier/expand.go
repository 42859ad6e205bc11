package courier

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

// expand turns notes into deliveries. It reports whether there may be more.
func (c *Courier) expand(ctx context.Context) (more bool, err error) {
	notes, err := c.o.Outbox.Notes(ctx, noteBatch)
	if err != nil || len(notes) == 0 {
		return false, err
	}
	now := c.o.Clock.Now().UTC().Truncate(time.Millisecond)
	items := make([]store.Expansion, 0, len(notes))
	for _, n := range notes {
		x := store.Expansion{NoteID: n.ID, Deliveries: c.deliveries(n, now)}
		for _, d := range x.Deliveries {
			if d.WebhookID != "" || c.signed[d.Tenant] {
				continue
			}
			if _, err := c.o.Webhooks.JobSecrets(ctx, d.Tenant, webhook.NewSecret()); err != nil {
				return false, err
			}
			c.signed[d.Tenant] = true
		}
		items = append(items, x)
	}
	return len(notes) == noteBatch, c.o.Outbox.Expand(ctx, items)
}

// deliveries are the messages that a note becomes: one for each endpoint, and one
// for the job's own webhook.
func (c *Courier) deliveries(n webhook.Note, now time.Time) []webhook.Delivery {
	var out []webhook.Delivery
	var body []byte
	e := n.Event
	add := func(d webhook.Delivery) {
		if body == nil {
			body = c.render(n)
		}
		d.ID, d.Tenant, d.Type, d.JobID, d.RunID, d.Body = id.New(id.Delivery, now), e.Tenant, e.Type, e.JobID, e.RunID, body
		d.Status, d.EventAt, d.CreatedAt, d.Deadline = webhook.Pending, e.At, now, now.Add(c.o.Policy.Life)
		// Due since the event, whichever clock is ahead.
		d.NextAt = e.At
		if now.Before(d.NextAt) {
			d.NextAt = now
		}
		out = append(out, d)
	}
	for _, s := range n.Subscribers {
		if s.Wants(n) {
			add(webhook.Delivery{WebhookID: s.ID, Target: s.ID, MaxAttempts: s.MaxAttempts})
		}
	}
	if j := n.Subject.Job; j != nil && j.Webhook.URL != "" && webhook.JobWants(j.Webhook.Events, e.Type) {
		add(webhook.Delivery{URL: j.Webhook.URL, Target: webhook.TargetOf(e.Tenant, origin(j.Webhook.URL)), MaxAttempts: webhook.JobAttempts})
	}
	return out
}

// origin is scheme, host and port of a URL, by which jobs' webhooks share their
// bounds.
func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "" // accepted jobs have URLs that can be read
	}
	return strings.ToLower(outbound.Origin(u))
}

// render makes the body. A note that cannot be rendered is an error of this
// program; its receivers still learn what happened.
func (c *Courier) render(n webhook.Note) []byte {
	b, err := c.o.Render(n)
	if err == nil {
		return b
	}
	c.log.Error("cannot render an event for webhooks", "event", n.Event.Type, "job_id", n.Event.JobID, "error", err)
	b, err = json.Marshal(map[string]string{
		"event": string(n.Event.Type), "job_id": n.Event.JobID, "run_id": n.Event.RunID, "template_id": n.Event.TemplateID,
	})
	if err != nil {
		panic("courier: " + err.Error()) // a map of strings always encodes
	}
	return b
}
