package storetest

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

func outboxDeadline(t *testing.T, s store.Store) {
	e := addEndpoint(t, s, newEndpoint("a"))
	d := addMessage(t, s, message(e, func(d *webhook.Delivery) { d.NextAt, d.Deadline = base.Add(time.Hour), base.Add(time.Hour) }))
	gone := addMessage(t, s, message(newEndpoint("never stored")))
	// What is under way keeps its place, and what becomes of it counts.
	sent := addMessage(t, s, message(e, func(d *webhook.Delivery) { d.NextAt, d.Deadline = base.Add(-time.Hour), base.Add(time.Minute) }))
	under := take(t, s, base.Add(time.Minute-time.Second), 1).Deliveries
	if len(under) != 1 || under[0].Delivery.ID != sent.ID {
		t.Fatalf("%d taken", len(under))
	}
	take(t, s, base.Add(time.Minute), 1)
	if err := attempt(t, s, under[0].Delivery, webhook.Attempt{Status: 200}, base.Add(time.Minute)); err != nil {
		t.Errorf("delivered at the last moment: %v", err)
	}
	if got := take(t, s, base.Add(time.Hour), 10).Deliveries; len(got) != 0 {
		t.Errorf("%d are sent", len(got))
	}
	if got := delivery(t, s, d.ID); got.Status != webhook.Dead || got.ErrorCode != webhook.CodeExpired {
		t.Errorf("%s %s", got.Status, got.ErrorCode)
	}
	if got := delivery(t, s, gone.ID); got.Status != webhook.Dead || got.ErrorCode != webhook.CodeDeleted {
		t.Errorf("%s %s", got.Status, got.ErrorCode)
	}
}

func outboxRedeliver(t *testing.T, s store.Store) {
	e := addEndpoint(t, s, newEndpoint("a"))
	outboxWaits(t, s, false)
	d := addMessage(t, s, message(e))
	outboxWaits(t, s, true)
	c := take(t, s, base, 1).Deliveries[0]
	outboxWaits(t, s, true)
	if err := attempt(t, s, c.Delivery, webhook.Attempt{Status: 400, Code: webhook.CodeStatus, Final: true}, base); err != nil {
		t.Fatal(err)
	}
	outboxWaits(t, s, false)
	later := base.Add(time.Hour)
	got, err := s.Outbox.Redeliver(t.Context(), store.Redeliver{Tenant: tenant, ID: d.ID, Now: later, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != webhook.Pending || got.Attempts != 0 || len(got.Log) != 1 || !got.NextAt.Equal(later) || !got.FinishedAt.IsZero() {
		t.Errorf("redelivered: %+v", got)
	}
	again := take(t, s, later, 1).Deliveries
	if len(again) != 1 || again[0].Delivery.ID != d.ID || string(again[0].Delivery.Body) != string(d.Body) {
		t.Fatalf("taken: %d", len(again))
	}
	_, err = s.Outbox.Redeliver(t.Context(), store.Redeliver{Tenant: "ten_other", ID: d.ID, Now: later, Life: time.Hour})
	wantCode(t, err, fault.NotFound)
}

func outboxList(t *testing.T, s store.Store) {
	e, other := addEndpoint(t, s, newEndpoint("a")), addEndpoint(t, s, newEndpoint("b"))
	for i := range 5 {
		at := base.Add(time.Duration(i) * time.Second)
		addMessage(t, s, message(e, func(d *webhook.Delivery) { d.CreatedAt = at }))
	}
	addMessage(t, s, message(other))
	list := func(p store.ListDeliveries) store.DeliveryPage {
		t.Helper()
		p.Tenant = tenant
		page, err := s.Outbox.List(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	one := list(store.ListDeliveries{WebhookID: e.ID, Limit: 3})
	if len(one.Deliveries) != 3 || !one.More || !one.Deliveries[0].CreatedAt.Equal(base.Add(4*time.Second)) {
		t.Fatalf("first page: %d", len(one.Deliveries))
	}
	last := one.Deliveries[2]
	two := list(store.ListDeliveries{WebhookID: e.ID, Limit: 3, After: &store.DeliveryMark{CreatedAt: last.CreatedAt, ID: last.ID}})
	if len(two.Deliveries) != 2 || two.More {
		t.Errorf("second page: %d", len(two.Deliveries))
	}
	if n := len(list(store.ListDeliveries{JobID: "job_x", Statuses: []webhook.Status{webhook.Pending}, Limit: 10}).Deliveries); n != 6 {
		t.Errorf("%d of the job", n)
	}
	if n := len(list(store.ListDeliveries{Statuses: []webhook.Status{webhook.Dead}, Limit: 10}).Deliveries); n != 0 {
		t.Errorf("%d dead", n)
	}
	c := take(t, s, base, 1).Deliveries[0]
	if err := attempt(t, s, c.Delivery, webhook.Attempt{Status: 200}, base); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Outbox.Expire(t.Context(), base, 10); err != nil || n != 0 {
		t.Errorf("%d expired too early, %v", n, err)
	}
	if n, err := s.Outbox.Expire(t.Context(), base.Add(time.Second), 10); err != nil || n != 1 {
		t.Errorf("%d expired, %v", n, err)
	}
	_, err := s.Outbox.Delivery(t.Context(), tenant, c.Delivery.ID)
	wantCode(t, err, fault.NotFound)
	if _, err := s.Outbox.Expire(t.Context(), base.Add(time.Second), 10); err != nil {
		t.Errorf("second pass: %v", err)
	}
	if n, open, err := s.Outbox.Backlog(t.Context()); err != nil || n != 0 || open != 5 {
		t.Errorf("backlog: %d notes, %d open, %v", n, open, err)
	}
}
