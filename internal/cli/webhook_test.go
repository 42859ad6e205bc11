package cli

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
)

const (
	hookID = "hook_01jh0000000000000000000000"
	dlvID  = "dlv_01jh0000000000000000000000"
)

// webhookAnswer is the part of the fake server that knows webhooks.
func webhookAnswer(w http.ResponseWriter, request string) bool {
	hook := client.Webhook{
		WebhookID: hookID, Name: "pager \x1b[31mred", URL: "https://example.com/...", Events: []string{"job.run.failed"}, MaxAttempts: 16, Enabled: true,
		Labels: map[string]string{"team": "red"}, Health: client.WebhookHealth{LastDeliveredAt: new(now.Add(-time.Minute))}, CreatedBy: "ann",
		SecretRotatedAt: new(now.Add(-time.Hour)), CreatedAt: now.Add(-time.Hour), UpdatedAt: now, Version: 1,
	}
	off := hook
	off.Name, off.Enabled, off.DisabledReason, off.DisabledAt = "old", false, new("gone"), new(now)
	off.Health = client.WebhookHealth{Failures: 3, FailingSince: new(now.Add(-time.Minute)), LastFailedAt: new(now)}
	fresh := hook
	fresh.Secret = new("whsec_new")
	delivery := client.WebhookDelivery{
		DeliveryID: dlvID, WebhookID: new(hookID), Event: "job.run.failed", JobID: new(jobID), RunID: new(runID), Status: "dead", Attempts: 2, MaxAttempts: 2,
		LastStatus: new(500), Error: &client.Error{Code: "unexpected_status", Message: "the receiver answered 500"}, EventAt: now, CreatedAt: now.Add(-time.Minute),
		FinishedAt: new(now),
	}
	whole := delivery
	whole.Body = json.RawMessage(`{"event":"job.run.failed"}`)
	whole.Log = []client.DeliveryAttempt{{At: now.Add(-time.Minute), DurationMs: 12, Error: &client.Error{Code: "target_timeout", Message: "x did not answer"}}, {At: now, DurationMs: 7, Status: new(500)}}
	test := whole
	test.Status, test.Error, test.Log = "delivered", nil, nil
	again := delivery
	again.Status, again.Attempts, again.Error = "pending", 0, nil
	page := func(items ...any) any { return map[string]any{"items": items, "next_cursor": nil} }
	status := http.StatusOK
	var out any
	switch request {
	case "POST /webhooks":
		status, out = http.StatusCreated, fresh
	case "POST /webhooks/pager/rotate":
		out = fresh
	case "POST /webhook-secret/rotate":
		out = client.WebhookSecret{Secret: new("whsec_jobs"), RotatedAt: new(now)}
	case "GET /webhooks":
		out = page(hook, off)
	case "GET /webhooks/pager", "PATCH /webhooks/pager":
		out = hook
	case "GET /webhooks/old":
		out = off
	case "DELETE /webhooks/pager":
		w.WriteHeader(http.StatusNoContent)
		return true
	case "POST /webhooks/pager/test":
		status, out = http.StatusAccepted, test
	case "POST /webhooks/old/test":
		status, out = http.StatusAccepted, whole
	case "GET /webhooks/pager/deliveries", "GET /webhook-deliveries":
		out = page(delivery)
	case "GET /webhook-deliveries/" + dlvID:
		out = whole
	case "POST /webhook-deliveries/" + dlvID + "/redeliver":
		status, out = http.StatusAccepted, again
	default:
		return false
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
	return true
}

func TestWebhookGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"webhook_add":          "webhook add https://example.com/x --event failed --name pager",
		"webhook_add_q":        "webhook add https://example.com/x --event failed -q",
		"webhook_add_json":     "webhook add https://example.com/x --event failed --json=webhook_id,secret",
		"webhook_add_usage":    "webhook add https://example.com/x",
		"webhook_add_help":     "webhook add --help",
		"webhook_ls":           "webhook ls",
		"webhook_get":          "webhook get pager",
		"webhook_get_off":      "webhook get old",
		"webhook_edit":         "webhook edit pager --enable",
		"webhook_edit_nothing": "webhook edit pager",
		"webhook_rm":           "webhook rm --yes pager",
		"webhook_rm_asks":      "webhook rm pager",
		"webhook_rotate":       "webhook rotate pager",
		"webhook_rotate_now":   "webhook rotate pager --overlap 0s",
		"webhook_rotate_jobs":  "webhook rotate --jobs",
		"webhook_rotate_usage": "webhook rotate",
		"webhook_test":         "webhook test pager",
		"webhook_test_fails":   "webhook test old",
		"webhook_deliveries":   "webhook deliveries pager --status dead",
		"webhook_delivery":     "webhook delivery " + dlvID,
		"webhook_redeliver":    "webhook redeliver " + dlvID,
		"webhook_help":         "webhook --help",
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, args) })
	}
}

// TestWebhookBodies: what the flags say is what the server is asked.
func TestWebhookBodies(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"webhook add https://x.example/ --event failed,skipped --attempts 3 --label a=b": `{"url":"https://x.example/","events":["failed","skipped"],"labels":{"a":"b"},"max_attempts":3}`,
		"webhook edit pager --disable --unset labels --rename p":                         `{"enabled":false,"labels":null,"name":"p"}`,
		"webhook rotate pager --overlap 48h":                                             `{"overlap":"48h"}`,
		"job add --webhook https://x.example/ --webhook-event failed --template nightly": `{"template_id":"nightly","webhook_url":"https://x.example/","webhook_events":["failed"],"trigger":"manual"}`,
		"template set nightly --webhook https://x.example/ --webhook-event failed":       `{"webhook_events":["failed"],"webhook_url":"https://x.example/"}`,
	} {
		f := serve(t, "COMPLETED")
		if _, talk, code := f.invoke(t.Context(), t, "", strings.Fields(args)...); code != exitOK {
			t.Errorf("%s: exit %d\n%s", args, code, talk)
			continue
		}
		if diff := cmp.Diff(want, f.bodies[len(f.bodies)-1]); diff != "" {
			t.Errorf("%s: %s", args, diff)
		}
	}
}
