package api

import (
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

func (s *service) deliveryRoutes() []operation {
	const hook, list, one = "/api/webhooks/{webhook_id}", "/api/webhook-deliveries", "/api/webhook-deliveries/{delivery_id}"
	filters := func(more ...param) []param {
		return pageParams(append(more,
			listParam("status", "only these statuses", "pending", "delivered", "failed", "dead"), listParam("event", "only these types of events"),
			timeParam("created_after", "only later ones"), timeParam("created_before", "only earlier ones"))...)
	}
	page := []answer{{Status: http.StatusOK, Doc: "one page, without attempts and bodies", Body: wire.WebhookDeliveryList{}}}
	return []operation{
		{
			ID: "test_webhook", Method: http.MethodPost, Path: hook + "/test", Scope: access.WebhooksWrite, Tag: "webhooks", Summary: "Send a test message",
			Doc: "Its event is webhook.test. It is sent at once and only once; read the delivery to see what became of it.", Faults: []fault.Code{fault.WebhookDisabled},
			Answers: []answer{{Status: http.StatusAccepted, Doc: "on its way", Body: wire.WebhookDelivery{}}}, Handle: s.testWebhook,
		},
		{
			ID: "list_deliveries_of_webhook", Method: http.MethodGet, Path: hook + "/deliveries", Scope: access.WebhooksRead, Tag: "webhooks",
			Summary: "List what was sent to a webhook, newest first", Query: filters(), Faults: []fault.Code{fault.CursorInvalid},
			Answers: page, Handle: s.listDeliveries,
		},
		{
			ID: "list_webhook_deliveries", Method: http.MethodGet, Path: list, Scope: access.WebhooksRead, Tag: "webhooks",
			Summary: "List deliveries, also to the webhooks of jobs, newest first", Query: filters(textParam("job_id", "only about this job")),
			Faults: []fault.Code{fault.CursorInvalid}, Answers: page, Handle: s.listDeliveries,
		},
		{
			ID: "get_webhook_delivery", Method: http.MethodGet, Path: one, Scope: access.WebhooksRead, Tag: "webhooks", Summary: "Read a delivery with its attempts and body",
			Answers: []answer{{Status: http.StatusOK, Doc: "the delivery", Body: wire.WebhookDelivery{}}}, Handle: s.getDelivery,
		},
		{
			ID: "redeliver_webhook_delivery", Method: http.MethodPost, Path: one + "/redeliver", Scope: access.WebhooksWrite, Tag: "webhooks",
			Summary: "Send a message again", Doc: "With the same id and body, at once, whatever became of it before.", Faults: []fault.Code{fault.WebhookDisabled},
			Answers: []answer{{Status: http.StatusAccepted, Doc: "on its way", Body: wire.WebhookDelivery{}}}, Handle: s.redeliver,
		},
	}
}

// deliveryLife is how long a test or a redelivery is tried.
const deliveryLife = 72 * time.Hour

func deliveryReply(r *request, status int, d webhook.Delivery) reply {
	out := reply{Status: status, Body: wire.DeliveryOf(d, r.principal.May(access.WebhooksWrite), true)}
	if status == http.StatusAccepted {
		out.Location = "/api/webhook-deliveries/" + d.ID
	}
	return out
}

func (s *service) testWebhook(r *request) (reply, error) {
	e, err := s.webhook(r)
	if err != nil {
		return reply{}, err
	}
	if !e.Enabled {
		return reply{}, fault.Newf(fault.WebhookDisabled, "the webhook %s is disabled", e.Name)
	}
	now := s.Clock.Now().UTC().Truncate(time.Millisecond)
	body, err := marshal(wire.TestMessage{Event: string(webhook.Test), WebhookID: e.ID, Name: e.Name, At: now})
	if err != nil {
		return reply{}, err
	}
	d := webhook.Delivery{
		ID: id.New(id.Delivery, now), Tenant: e.Tenant, WebhookID: e.ID, Target: e.ID, Type: webhook.Test, Body: body, Status: webhook.Pending,
		MaxAttempts: 1, NextAt: now, Deadline: now.Add(deliveryLife), EventAt: now, CreatedAt: now,
	}
	entry, err := s.record(r, change{Action: audit.WebhookTested, Object: e.ID, Name: e.Name, Detail: map[string]string{"delivery": d.ID}})
	if err != nil {
		return reply{}, err
	}
	render := func(d webhook.Delivery) reply { return deliveryReply(r, http.StatusAccepted, d) }
	made, err := s.Store.Outbox.Add(r.Context(), store.AddDelivery{Delivery: d, Key: keyed(r, render), Audit: entry})
	if err != nil {
		return reply{}, err
	}
	return render(made), nil
}

func (s *service) listDeliveries(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListDeliveries{
		Tenant: r.tenant(), JobID: r.query.text("job_id"), CreatedAfter: r.query.time("created_after"), CreatedBefore: r.query.time("created_before"),
		Limit: r.query.limit(),
	}
	if r.PathValue("webhook_id") != "" {
		e, err := s.webhook(r)
		if err != nil {
			return reply{}, err
		}
		p.WebhookID = e.ID
	}
	if p.JobID != "" {
		if err := id.Check(id.Job, p.JobID); err != nil {
			return reply{}, fault.From(err).At("query/job_id", string(fault.WrongIDType), fault.From(err).Detail)
		}
	}
	for _, v := range r.query["status"] {
		p.Statuses = append(p.Statuses, webhook.Status(v))
	}
	for _, v := range r.query["event"] {
		p.Types = append(p.Types, event.Type(v))
	}
	if c != nil {
		p.After = &store.DeliveryMark{CreatedAt: c.at(), ID: c.ID}
	}
	page, err := s.Store.Outbox.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.WebhookDeliveryList{Items: []wire.WebhookDelivery{}}
	for _, d := range page.Deliveries {
		out.Items = append(out.Items, wire.DeliveryOf(d, r.principal.May(access.WebhooksWrite), false))
		out.NextCursor = r.next(page.More, cursor{ID: d.ID, AtMs: clock.Millis(d.CreatedAt)})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) getDelivery(r *request) (reply, error) {
	ref, err := r.id("delivery_id", id.Delivery)
	if err != nil {
		return reply{}, err
	}
	d, err := s.Store.Outbox.Delivery(r.Context(), r.tenant(), ref)
	if err != nil {
		return reply{}, err
	}
	return deliveryReply(r, http.StatusOK, d), nil
}

func (s *service) redeliver(r *request) (reply, error) {
	ref, err := r.id("delivery_id", id.Delivery)
	if err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.WebhookRedelivered, Object: ref})
	if err != nil {
		return reply{}, err
	}
	render := func(d webhook.Delivery) reply { return deliveryReply(r, http.StatusAccepted, d) }
	d, err := s.Store.Outbox.Redeliver(r.Context(), store.Redeliver{
		Tenant: r.tenant(), ID: ref, Now: time.Time{}, Life: deliveryLife, Key: keyed(r, render), Audit: entry,
	})
	if err != nil {
		return reply{}, err
	}
	return render(d), nil
}

// redeliverMost is how many messages one request sends again unless it says so.
const redeliverMost = 100

func (s *service) redeliverRoutes() []operation {
	return []operation{{
		ID: "redeliver_failed", Method: http.MethodPost, Path: "/api/webhooks/{webhook_id}/redeliver", Scope: access.WebhooksWrite, Tag: "webhooks",
		Summary: "Send again what did not arrive",
		Doc: "All messages to the webhook that were made since and given up, the newest first, with their ids and bodies. " +
			"Repeating it is harmless: what is on its way is not sent twice.",
		Body: wire.RedeliverInput{}, Pure: true, Faults: []fault.Code{fault.WebhookDisabled},
		Answers: []answer{{Status: http.StatusAccepted, Doc: "on their way", Body: wire.Redelivered{}}}, Handle: s.redeliverFailed,
	}}
}

func (s *service) redeliverFailed(r *request) (reply, error) {
	var in wire.RedeliverInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Limit == 0 {
		in.Limit = redeliverMost
	}
	e, err := s.webhook(r)
	if err != nil {
		return reply{}, err
	}
	if !e.Enabled {
		return reply{}, fault.Newf(fault.WebhookDisabled, "the webhook %s is disabled", e.Name)
	}
	page, err := s.Store.Outbox.List(r.Context(), store.ListDeliveries{
		Tenant: r.tenant(), WebhookID: e.ID, Statuses: []webhook.Status{webhook.Dead}, CreatedAfter: in.Since, Limit: in.Limit,
	})
	if err != nil {
		return reply{}, err
	}
	out := wire.Redelivered{Items: []string{}, More: page.More}
	for _, d := range page.Deliveries {
		entry, err := s.record(r, change{Action: audit.WebhookRedelivered, Object: d.ID})
		if err != nil {
			return reply{}, err
		}
		_, err = s.Store.Outbox.Redeliver(r.Context(), store.Redeliver{Tenant: r.tenant(), ID: d.ID, Now: time.Time{}, Life: deliveryLife, Audit: entry})
		if fault.Is(err, fault.NotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return reply{}, err
		}
		out.Items = append(out.Items, d.ID)
	}
	out.Redelivered = len(out.Items)
	return reply{Status: http.StatusAccepted, Body: out}, nil
}
