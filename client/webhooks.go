package client

import (
	"context"
	"iter"
	"strconv"
	"time"
)

// WebhookFilter chooses webhooks. The zero value chooses all.
type WebhookFilter struct {
	// Query is searched in names.
	Query string
	// Enabled chooses only enabled or only disabled ones; nil = both.
	Enabled  *bool
	PageSize int
}

// CreateWebhook makes a webhook. The answer is the only one that shows its secret.
// It is not repeated when the connection breaks.
func (c *Client) CreateWebhook(ctx context.Context, in WebhookInput) (Webhook, error) {
	var out Webhook
	err := c.postSecret(ctx, "/api/webhooks", in, &out)
	return out, err
}

// Webhooks walks over all webhooks that match, by name, page by page.
func (c *Client) Webhooks(ctx context.Context, f WebhookFilter) iter.Seq2[Webhook, error] {
	return pages(func(cursor string) ([]Webhook, *string, error) {
		q := values{}.text("q", f.Query).number("limit", f.PageSize).text("cursor", cursor)
		if f.Enabled != nil {
			q = q.text("enabled", strconv.FormatBool(*f.Enabled))
		}
		var page WebhookList
		err := c.get(ctx, "/api/webhooks", q.url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// Webhook returns a webhook by id or name.
func (c *Client) Webhook(ctx context.Context, idOrName string) (Webhook, error) {
	var out Webhook
	err := c.get(ctx, "/api/webhooks/"+escape(idOrName), nil, &out)
	return out, err
}

// EditWebhook changes a webhook by a merge patch (RFC 7396) of WebhookInput.
func (c *Client) EditWebhook(ctx context.Context, idOrName string, patch map[string]any, call Call) (Webhook, error) {
	var out Webhook
	err := c.patch(ctx, "/api/webhooks/"+escape(idOrName), patch, call, &out)
	return out, err
}

// DeleteWebhook removes a webhook. What was not delivered becomes dead.
func (c *Client) DeleteWebhook(ctx context.Context, idOrName string, call Call) error {
	return c.remove(ctx, "/api/webhooks/"+escape(idOrName), nil, call)
}

// RotateWebhook gives a webhook a new secret, which only this answer shows. The old
// one goes on signing beside it for the overlap. It is not repeated when the
// connection breaks.
func (c *Client) RotateWebhook(ctx context.Context, idOrName string, in RotateInput) (Webhook, error) {
	var out Webhook
	err := c.postSecret(ctx, "/api/webhooks/"+escape(idOrName)+"/rotate", in, &out)
	return out, err
}

// WebhookSecret tells when the secret of the webhooks of jobs and templates was
// rotated.
func (c *Client) WebhookSecret(ctx context.Context) (WebhookSecret, error) {
	var out WebhookSecret
	err := c.get(ctx, "/api/webhook-secret", nil, &out)
	return out, err
}

// RotateWebhookSecret gives the webhooks of jobs and templates a new secret, as
// RotateWebhook does.
func (c *Client) RotateWebhookSecret(ctx context.Context, in RotateInput) (WebhookSecret, error) {
	var out WebhookSecret
	err := c.postSecret(ctx, "/api/webhook-secret/rotate", in, &out)
	return out, err
}

// TestWebhook sends a test message. Delivery tells what becomes of it.
func (c *Client) TestWebhook(ctx context.Context, idOrName string, call Call) (WebhookDelivery, error) {
	var out WebhookDelivery
	err := c.post(ctx, "/api/webhooks/"+escape(idOrName)+"/test", nil, call, &out)
	return out, err
}

// DeliveryFilter chooses deliveries. The zero value chooses all.
type DeliveryFilter struct {
	// Webhook is the id or name of a webhook, "" = also those to the webhooks of
	// jobs.
	Webhook string
	// JobID chooses those about one job; not together with Webhook.
	JobID                       string
	Status, Event               []string
	CreatedAfter, CreatedBefore time.Time
	PageSize                    int
}

// Deliveries walks over all deliveries that match, newest first, page by page,
// without their attempts and bodies.
func (c *Client) Deliveries(ctx context.Context, f DeliveryFilter) iter.Seq2[WebhookDelivery, error] {
	path := "/api/webhook-deliveries"
	if f.Webhook != "" {
		path = "/api/webhooks/" + escape(f.Webhook) + "/deliveries"
	}
	return pages(func(cursor string) ([]WebhookDelivery, *string, error) {
		q := values{}.text("job_id", f.JobID).list("status", f.Status).list("event", f.Event).
			time("created_after", f.CreatedAfter).time("created_before", f.CreatedBefore).number("limit", f.PageSize).text("cursor", cursor)
		var page WebhookDeliveryList
		err := c.get(ctx, path, q.url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// Delivery returns a delivery with its attempts and its body.
func (c *Client) Delivery(ctx context.Context, deliveryID string) (WebhookDelivery, error) {
	var out WebhookDelivery
	err := c.get(ctx, "/api/webhook-deliveries/"+escape(deliveryID), nil, &out)
	return out, err
}

// Redeliver sends a message again, with the same id and body.
func (c *Client) Redeliver(ctx context.Context, deliveryID string, call Call) (WebhookDelivery, error) {
	var out WebhookDelivery
	err := c.post(ctx, "/api/webhook-deliveries/"+escape(deliveryID)+"/redeliver", nil, call, &out)
	return out, err
}

// ETag is the webhook's version for Call.IfMatch.
func (w Webhook) ETag() string { return strconv.Quote(strconv.FormatInt(w.Version, 10)) }
