package api

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

func (s *service) webhookRoutes() []operation {
	const list, one, secret = "/api/webhooks", "/api/webhooks/{webhook_id}", "/api/webhook-secret"
	target := []fault.Code{fault.NameTaken, fault.TargetNotAllowed}
	return []operation{
		{
			ID: "create_webhook", Secret: true, Method: http.MethodPost, Path: list, Scope: access.WebhooksWrite, Tag: "webhooks", Summary: "Make a webhook",
			Doc:  "Events are sent to the URL, signed by the Standard Webhooks scheme. The answer shows the secret, once.",
			Body: wire.WebhookInput{}, Faults: target,
			Answers: []answer{{Status: http.StatusCreated, Doc: "made", Body: wire.Webhook{}}}, Handle: s.createWebhook,
		},
		{
			ID: "list_webhooks", Method: http.MethodGet, Path: list, Scope: access.WebhooksRead, Tag: "webhooks", Summary: "List webhooks, by name",
			Query:  pageParams(textParam("q", "part of the name"), flagParam("enabled", "only enabled, or only disabled, webhooks"), includeParam("rate")),
			Faults: []fault.Code{fault.CursorInvalid}, Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.WebhookList{}}}, Handle: s.listWebhooks,
		},
		{
			ID: "get_webhook", Method: http.MethodGet, Path: one, Scope: access.WebhooksRead, Tag: "webhooks", Summary: "Read a webhook by id or name",
			Answers: []answer{{Status: http.StatusOK, Doc: "the webhook, without its secret", Body: wire.Webhook{}}}, Handle: s.getWebhook,
		},
		{
			ID: "patch_webhook", Method: http.MethodPatch, Path: one, Scope: access.WebhooksWrite, Tag: "webhooks", Summary: "Change a webhook",
			Doc:  "A JSON merge patch (RFC 7396). Another URL, and enabling it, forget earlier failures.",
			Body: wire.WebhookInput{}, Patch: true, Matches: true, Faults: target,
			Answers: []answer{{Status: http.StatusOK, Doc: "the webhook after the change", Body: wire.Webhook{}}}, Handle: s.patchWebhook,
		},
		{
			ID: "delete_webhook", Method: http.MethodDelete, Path: one, Scope: access.WebhooksWrite, Tag: "webhooks", Summary: "Delete a webhook",
			Doc: "What was not delivered yet becomes dead.", Matches: true,
			Answers: []answer{{Status: http.StatusNoContent, Doc: "deleted"}}, Handle: s.deleteWebhook,
		},
		{
			ID: "rotate_webhook", Secret: true, Method: http.MethodPost, Path: one + "/rotate", Scope: access.WebhooksWrite, Tag: "webhooks",
			Summary: "Give a webhook a new secret", Doc: "The answer shows it, once. Messages carry signatures by both secrets for the overlap.",
			Body: wire.RotateInput{}, BodyOptional: true,
			Answers: []answer{{Status: http.StatusOK, Doc: "rotated", Body: wire.Webhook{}}}, Handle: s.rotateWebhook,
		},
		{
			ID: "get_webhook_secret", Method: http.MethodGet, Path: secret, Scope: access.WebhooksWrite, Tag: "webhooks",
			Summary: "See when the secret of jobs' webhooks was rotated",
			Answers: []answer{{Status: http.StatusOK, Doc: "without the secret", Body: wire.WebhookSecret{}}}, Handle: s.getWebhookSecret,
		},
		{
			ID: "rotate_webhook_secret", Secret: true, Method: http.MethodPost, Path: secret + "/rotate", Scope: access.WebhooksWrite, Tag: "webhooks",
			Summary: "Give the webhooks of jobs and templates a new secret", Doc: "One secret signs all of the tenant's. The answer shows it, once; to get to know the first one, rotate it.",
			Body: wire.RotateInput{}, BodyOptional: true,
			Answers: []answer{{Status: http.StatusOK, Doc: "rotated", Body: wire.WebhookSecret{}}}, Handle: s.rotateWebhookSecret,
		},
	}
}

// The overlap of a rotation.
const (
	rotateOverlap    = 24 * time.Hour
	maxRotateOverlap = 7 * 24 * time.Hour
)

func (s *service) webhookReply(r *request, status int, e webhook.Endpoint, secret string) reply {
	body := wire.WebhookOf(e, r.principal.May(access.WebhooksWrite))
	out := reply{Status: status, ETag: etag(e.Version)}
	if secret != "" {
		body.Secret = &secret
	}
	if status == http.StatusCreated {
		out.Location = "/api/webhooks/" + e.ID
	}
	out.Body = body
	return out
}

func (s *service) createWebhook(r *request) (reply, error) {
	var in wire.WebhookInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	now := s.Clock.Now().UTC().Truncate(time.Millisecond)
	e := webhook.Endpoint{
		ID: id.New(id.Webhook, now), Tenant: r.tenant(), MaxAttempts: webhook.DefaultAttempts, Enabled: true,
		Secrets: webhook.Secrets{Current: webhook.NewSecret(), RotatedAt: now}, CreatedBy: r.principal.Name, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	if in.Name == "" {
		in.Name = nameOf(in.URL, e.ID)
	}
	if err := s.fillWebhook(&e, in, now); err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{
		Action: audit.WebhookCreated, Object: e.ID, Name: e.Name, After: wire.WebhookOf(e, true), Detail: map[string]string{"host": hostOf(e.URL)},
	})
	if err != nil {
		return reply{}, err
	}
	if e, err = s.Store.Webhooks.Create(r.Context(), store.PutWebhook{Endpoint: e, Audit: entry}); err != nil {
		return reply{}, err
	}
	return s.webhookReply(r, http.StatusCreated, e, e.Secrets.Current.Reveal()), nil
}

// nameOf makes a name for a webhook that came without one.
func nameOf(raw, webhookID string) string {
	host := hostOf(raw)
	return host[:min(len(host), 80)] + "-" + webhookID[len(webhookID)-6:]
}

// hostOf is what the record says of a URL: the rest may hold secrets.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return "webhook"
	}
	return strings.ToLower(u.Hostname())
}

// fillWebhook checks the input beyond its schema and writes it into e.
func (s *service) fillWebhook(e *webhook.Endpoint, in wire.WebhookInput, now time.Time) error {
	if looksLikeID(in.Name) || strings.HasPrefix(in.Name, "hook_") {
		return fault.New(fault.InvalidInput, "a webhook's name must not look like an id").At("/name", "format", "must not look like an id")
	}
	types, err := eventTypes(in.Events, "/events")
	if err != nil {
		return err
	}
	if err := firstOf(s.checkTarget(in.URL, "/url"), checkLabels(in.Labels)); err != nil {
		return err
	}
	for i, ref := range in.TemplateIDs {
		if err := id.Check(id.Template, ref); err != nil {
			return fault.From(err).At("/template_ids/"+itoa(i), string(fault.WrongIDType), fault.From(err).Detail)
		}
	}
	was := e.URL
	e.Name, e.Description, e.URL, e.Events = in.Name, in.Description, in.URL, types
	e.JobTypes, e.TemplateIDs, e.Labels = union(in.JobTypes), union(in.TemplateIDs), in.Labels
	if in.MaxAttempts != nil {
		e.MaxAttempts = *in.MaxAttempts
	}
	enabled := in.Enabled == nil || *in.Enabled
	switch {
	case enabled && !e.Enabled:
		e.Enabled, e.DisabledReason, e.DisabledAt, e.Health = true, "", time.Time{}, webhook.Health{}
	case !enabled && e.Enabled:
		e.Enabled, e.DisabledReason, e.DisabledAt = false, webhook.ByHand, now
	}
	if was != e.URL {
		e.Health = webhook.Health{}
	}
	return nil
}

// eventTypes reads names of events.
func eventTypes(names []string, at string) ([]event.Type, error) {
	types, bad := webhook.ParseEvents(names)
	if bad >= 0 {
		return nil, fault.Newf(fault.InvalidInput, "there is no event %q", clip(names[bad])).
			At(at+"/"+itoa(bad), "unknown_value", "must be a type of event, succeeded, failed, skipped, queued, started, cancelled, or *").
			WithHint("docs/events.md lists all types")
	}
	return types, nil
}

// checkTarget refuses a URL to which nothing must be sent.
func (s *service) checkTarget(raw, at string) error {
	if s.CheckTarget == nil {
		return nil
	}
	if err := s.CheckTarget(raw); err != nil {
		f := fault.From(err)
		return f.At(at, string(f.Code), f.Detail)
	}
	return nil
}

// jobWebhook is the webhook of a job or template; under is what holds where the
// input says nothing.
func (s *service) jobWebhook(raw string, names []string, under job.Webhook) (job.Webhook, error) {
	out := under
	if raw != "" {
		if err := s.checkTarget(raw, "/webhook_url"); err != nil {
			return out, err
		}
		out = job.Webhook{URL: raw, Events: under.Events}
	}
	if len(names) > 0 {
		if out.URL == "" {
			return out, fault.New(fault.InvalidInput, "webhook_events needs a webhook_url").At("/webhook_events", "needs", "needs a webhook_url")
		}
		types, err := eventTypes(names, "/webhook_events")
		if err != nil {
			return out, err
		}
		out.Events = nil
		for _, t := range types {
			if !webhook.AboutJob(t) {
				return out, fault.Newf(fault.InvalidInput, "%s is not about a job", t).
					At("/webhook_events", "unknown_value", "must be events about jobs; others need a webhook of the installation")
			}
			out.Events = append(out.Events, string(t))
		}
	}
	return out, nil
}

func (s *service) listWebhooks(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListWebhooks{Tenant: r.tenant(), Text: r.query.text("q"), Limit: r.query.limit()}
	if _, given := r.query["enabled"]; given {
		b := r.query.flag("enabled")
		p.Enabled = &b
	}
	if c != nil {
		p.AfterName = c.Name
	}
	page, err := s.Store.Webhooks.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.WebhookList{Items: []wire.Webhook{}}
	for _, e := range page.Endpoints {
		out.Items = append(out.Items, wire.WebhookOf(e, r.principal.May(access.WebhooksWrite)))
		out.NextCursor = r.next(page.More, cursor{Name: e.Name})
	}
	return reply{Status: http.StatusOK, Body: out}, s.includeRates(r, out.Items)
}

// webhook finds the webhook that the path names by id or by name.
func (s *service) webhook(r *request) (webhook.Endpoint, error) {
	ref, err := r.name("webhook_id", id.Webhook)
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return s.Store.Webhooks.Endpoint(r.Context(), r.tenant(), ref)
}

func (s *service) getWebhook(r *request) (reply, error) {
	e, err := s.webhook(r)
	if err != nil {
		return reply{}, err
	}
	return s.webhookReply(r, http.StatusOK, e, ""), nil
}

func (s *service) patchWebhook(r *request) (reply, error) {
	return again(func() (reply, error) {
		e, err := s.webhook(r)
		if err != nil {
			return reply{}, err
		}
		if err := r.match(etag(e.Version), wire.WebhookOf(e, true)); err != nil {
			return reply{}, err
		}
		in, err := patched(s, r, wire.WebhookInputOf(e))
		if err != nil {
			return reply{}, err
		}
		now := s.Clock.Now().UTC().Truncate(time.Millisecond)
		n := e
		if in.Name == "" {
			in.Name = e.Name
		}
		if err := s.fillWebhook(&n, in, now); err != nil {
			return reply{}, err
		}
		if same(wire.WebhookInputOf(e), wire.WebhookInputOf(n)) {
			return s.webhookReply(r, http.StatusOK, e, ""), nil
		}
		if n, err = s.updateWebhook(r, audit.WebhookUpdated, e, n, now); err != nil {
			return reply{}, err
		}
		return s.webhookReply(r, http.StatusOK, n, ""), nil
	})
}

// updateWebhook stores n in place of e.
func (s *service) updateWebhook(r *request, action audit.Action, e, n webhook.Endpoint, now time.Time) (webhook.Endpoint, error) {
	n.Version, n.UpdatedAt = e.Version+1, now
	entry, err := s.record(r, change{
		Action: action, Object: e.ID, Name: n.Name, Before: wire.WebhookOf(e, true), After: wire.WebhookOf(n, true),
		Detail: map[string]string{"host": hostOf(n.URL), "enabled": yesNo(n.Enabled)},
	})
	if err != nil {
		return n, err
	}
	return s.Store.Webhooks.Update(r.Context(), store.PutWebhook{Endpoint: n, Audit: entry})
}

func (s *service) deleteWebhook(r *request) (reply, error) {
	e, err := s.webhook(r)
	if err != nil {
		return reply{}, err
	}
	if err := r.match(etag(e.Version), wire.WebhookOf(e, true)); err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.WebhookDeleted, Object: e.ID, Name: e.Name, Before: wire.WebhookOf(e, true)})
	if err != nil {
		return reply{}, err
	}
	if err := s.Store.Webhooks.Delete(r.Context(), store.DeleteWebhook{Tenant: r.tenant(), ID: e.ID, Audit: entry}); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, nil
}

// overlap reads the optional body of a rotation.
func overlap(r *request) (time.Duration, error) {
	var in wire.RotateInput
	if err := r.decode(&in); err != nil {
		return 0, err
	}
	d := in.Overlap.Or(rotateOverlap)
	if d < 0 || d > maxRotateOverlap {
		return 0, fault.New(fault.InvalidInput, "the old secret goes on for seven days at most").At("/overlap", "out_of_range", "must be from PT0S to P7D")
	}
	return d, nil
}

func (s *service) rotateWebhook(r *request) (reply, error) {
	beside, err := overlap(r)
	if err != nil {
		return reply{}, err
	}
	return again(func() (reply, error) {
		e, err := s.webhook(r)
		if err != nil {
			return reply{}, err
		}
		now := s.Clock.Now().UTC().Truncate(time.Millisecond)
		n := e
		n.Secrets = e.Secrets.Rotate(webhook.NewSecret(), now, beside)
		if n, err = s.updateWebhook(r, audit.WebhookRotated, e, n, now); err != nil {
			return reply{}, err
		}
		return s.webhookReply(r, http.StatusOK, n, n.Secrets.Current.Reveal()), nil
	})
}

func (s *service) getWebhookSecret(r *request) (reply, error) {
	secrets, err := s.Store.Webhooks.JobSecrets(r.Context(), r.tenant(), webhook.NewSecret())
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: wire.WebhookSecretOf(secrets)}, nil
}

func (s *service) rotateWebhookSecret(r *request) (reply, error) {
	beside, err := overlap(r)
	if err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.WebhookSecretRotated})
	if err != nil {
		return reply{}, err
	}
	secrets, err := s.Store.Webhooks.RotateJobSecrets(r.Context(), store.RotateSecrets{
		Tenant: r.tenant(), Next: webhook.NewSecret(), At: s.Clock.Now(), Overlap: beside, Audit: entry,
	})
	if err != nil {
		return reply{}, err
	}
	out, text := wire.WebhookSecretOf(secrets), secrets.Current.Reveal()
	out.Secret = &text
	return reply{Status: http.StatusOK, Body: out}, nil
}
