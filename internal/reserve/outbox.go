package reserve

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

type webhooks struct {
	store.Webhooks
	g *Guard
}

func (w webhooks) Create(ctx context.Context, p store.PutWebhook) (e webhook.Endpoint, err error) {
	err = w.g.fresh(ctx, nil, nil, func() error {
		e, err = w.Webhooks.Create(ctx, p)
		return err
	})
	return e, err
}

// Update must not wait for space: somebody may have the secret who should not.
func (w webhooks) Update(ctx context.Context, p store.PutWebhook) (e webhook.Endpoint, err error) {
	err = w.g.need(func() error {
		e, err = w.Webhooks.Update(ctx, p)
		return err
	})
	return e, err
}

func (w webhooks) Delete(ctx context.Context, p store.DeleteWebhook) error {
	return w.g.need(func() error { return w.Webhooks.Delete(ctx, p) })
}

func (w webhooks) RotateJobSecrets(ctx context.Context, p store.RotateSecrets) (s webhook.Secrets, err error) {
	err = w.g.need(func() error {
		s, err = w.Webhooks.RotateJobSecrets(ctx, p)
		return err
	})
	return s, err
}

// outbox waits while the disk is full: what is sent and cannot be recorded would
// be sent again.
type outbox struct {
	store.Outbox
	keys store.Keys
	g    *Guard
}

func (o outbox) Expand(ctx context.Context, items []store.Expansion) error {
	return o.g.note(o.Outbox.Expand(ctx, items))
}

func (o outbox) Add(ctx context.Context, p store.AddDelivery) (d webhook.Delivery, err error) {
	err = o.g.fresh(ctx, o.keys, p.Key, func() error {
		d, err = o.Outbox.Add(ctx, p)
		return err
	})
	return d, err
}

func (o outbox) Take(ctx context.Context, p store.TakeDeliveries) (store.Taken, error) {
	if o.g.Full() {
		return store.Taken{}, nil
	}
	t, err := o.Outbox.Take(ctx, p)
	return t, o.g.note(err)
}

func (o outbox) Record(ctx context.Context, items []store.Outcome) []error {
	return needAll(o.g, items, func(some []store.Outcome) []error { return o.Outbox.Record(ctx, some) })
}

func (o outbox) Expire(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = o.g.need(func() error {
		n, err = o.Outbox.Expire(ctx, before, limit)
		return err
	})
	return n, err
}
