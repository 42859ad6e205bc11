package notification

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/exchange"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/webhook"
)

// headerKey carries the idempotency key.
const headerKey = "Idempotency-Key"

// WebhookOptions configure Webhook.
type WebhookOptions struct {
	// Client reaches the receivers; it must be given.
	Client *outbound.Client
	Clock  clock.Clock // nil = the system's
	// URL is where messages go that name no other place, "" = nowhere. Secret signs
	// them, and only them: whoever writes a workflow must not get messages to his own
	// URL signed that another receiver would take for the server's. "" = no signature.
	URL, Secret string
}

// Webhook sends a message as JSON to a URL. It implements node.Node and node.Targeted.
type Webhook struct {
	o        WebhookOptions
	exchange exchange.Exchange
}

var (
	_ node.Node     = (*Webhook)(nil)
	_ node.Targeted = (*Webhook)(nil)
)

// NewWebhook returns the kind.
func NewWebhook(o WebhookOptions) *Webhook {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	return &Webhook{o, exchange.New(o.Client, o.Clock)}
}

// Target implements node.Targeted.
func (w *Webhook) Target(config map[string]any) (string, error) {
	return w.exchange.Target(first(config, w.o.URL))
}

// payload is the body.
type payload struct {
	ID        string         `json:"id"`
	Type      string         `json:"type"`
	CreatedAt string         `json:"created_at"`
	Data      payloadMessage `json:"data"`
}

type payloadMessage struct {
	Title         string `json:"title"`
	Text          string `json:"text"`
	Level         string `json:"level"`
	WorkflowID    string `json:"workflow_id"`
	WorkflowRunID string `json:"workflow_run_id"`
	NodeID        string `json:"node_id"`
}

// Run implements node.Node. The body is the same for all attempts.
func (w *Webhook) Run(ctx context.Context, c node.Call) (node.Result, error) {
	m, err := read(c)
	if err != nil {
		return node.Result{}, err
	}
	to, err := m.only(w.o.URL)
	if err != nil {
		return node.Result{}, err
	}
	if err := secure(w.o.Client, to); err != nil {
		return node.Result{}, err
	}
	secret, err := exchange.String(c.Config, "secret")
	if err != nil {
		return node.Result{}, err
	}
	if len(m.to) == 0 && secret == "" {
		secret = w.o.Secret
	}
	body, err := json.Marshal(payload{m.id, "workflow.notification", m.at.Format(time.RFC3339Nano), payloadMessage{
		m.title, m.text, m.level, c.WorkflowID, c.RunID, nodeID(c),
	}})
	if err != nil {
		return node.Result{}, exchange.Invalid("the message cannot be written as JSON")
	}
	now := w.o.Clock.Now()
	h := http.Header{"Content-Type": {"application/json"}, webhook.HeaderID: {m.id}, webhook.HeaderTimestamp: {strconv.FormatInt(now.Unix(), 10)}}
	if secret != "" {
		h.Set(webhook.HeaderSignature, webhook.Secrets{Current: webhook.Stored(secret)}.Sign(m.id, now, body))
	}
	return letter{"webhook", to, h, body}.post(ctx, w.exchange, c, m)
}

func nodeID(c node.Call) string {
	if c.Step == nil {
		return ""
	}
	return c.Step.ID
}

// secure refuses URLs to which a message could be read on the way.
func secure(c *outbound.Client, raw string) error {
	_, err := c.CheckSecure(raw)
	if err == nil {
		return nil
	}
	f := fault.From(err)
	return node.Fatal(string(f.Code), errors.New(f.Detail))
}

// letter is a message as it is sent over HTTP.
type letter struct {
	channel, to string
	header      http.Header
	body        []byte
}

// post sends it and takes every status of success for one.
func (l letter) post(ctx context.Context, x exchange.Exchange, c node.Call, m message) (node.Result, error) {
	if c.IdempotencyKey != "" {
		l.header.Set(headerKey, c.IdempotencyKey)
	}
	if _, err := x.Do(ctx, exchange.Request{Method: http.MethodPost, URL: l.to, Header: l.header, Body: l.body}, c.Host.Log()); err != nil {
		return node.Result{}, err
	}
	return sent(l.channel, m.id), nil
}
