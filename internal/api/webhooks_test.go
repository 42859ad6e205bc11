package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

// guarded checks URLs as the server does.
func guarded(t *testing.T) func(*api.Options) {
	t.Helper()
	c, err := outbound.New(outbound.Options{Allow: []string{"127.0.0.1:8080", "hooks.lan:80"}})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *api.Options) {
		o.CheckTarget = func(raw string) error {
			_, err := c.CheckSecure(raw)
			return err
		}
	}
}

func TestWebhookLife(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded(t))
	made := want(t, b.call("POST", "/api/webhooks", `{"url":"https://example.com/hooks/private?k=v","events":["failed","job.queued","*"],"labels":{"a":"b"}}`), 201, "")
	ref, secret := made.text(t, "webhook_id"), made.text(t, "secret")
	if !strings.HasPrefix(secret, webhook.SecretPrefix) || len(secret) < 40 || made.Header.Get("Location") != "/api/webhooks/"+ref || !strings.HasPrefix(made.text(t, "name"), "example.com-") {
		t.Errorf("made: %s", made.body)
	}
	if got := fmt.Sprint(made.json(t)["events"]); got != "[* job.queued job.run.failed]" {
		t.Errorf("events: %s", got)
	}
	one := want(t, b.call("GET", "/api/webhooks/"+ref, ""), 200, "")
	if one.json(t)["secret"] != nil || one.text(t, "url") != "https://example.com/hooks/private?k=v" || one.Header.Get("ETag") != `"1"` {
		t.Errorf("read: %s", one.body)
	}
	low := want(t, b.as(access.Viewer, "GET", "/api/webhooks/"+ref, ""), 200, "")
	if low.text(t, "url") != "https://example.com/..." {
		t.Errorf("a viewer sees %s", low.body)
	}
	want(t, b.as(access.Operator, "PATCH", "/api/webhooks/"+ref, `{}`), 403, "forbidden")
	want(t, b.call("PATCH", "/api/webhooks/"+ref, `{"name":"chat","labels":null}`), 200, "")
	want(t, b.call("PATCH", "/api/webhooks/chat", `{"enabled":false}`, "If-Match", `"1"`), 412, "version_mismatch")
	off := want(t, b.call("PATCH", "/api/webhooks/chat", `{"enabled":false}`, "If-Match", `"2"`), 200, "")
	if off.text(t, "disabled_reason") != "by_hand" {
		t.Errorf("disabled: %s", off.body)
	}
	want(t, b.call("POST", "/api/webhooks/chat/test", ""), 409, "webhook_disabled")
	on := want(t, b.call("PATCH", "/api/webhooks/chat", `{"enabled":true}`), 200, "")
	if on.json(t)["disabled_reason"] != nil {
		t.Errorf("enabled: %s", on.body)
	}
	rotated := want(t, b.call("POST", "/api/webhooks/chat/rotate", `{"overlap":"PT1H"}`), 200, "")
	if rotated.text(t, "secret") == secret || rotated.text(t, "previous_secret_until") != "2026-01-31T13:00:00Z" {
		t.Errorf("rotated: %s", rotated.body)
	}
	want(t, b.call("POST", "/api/webhooks/chat/rotate", `{"overlap":"P8D"}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/webhooks", `{"name":"chat","url":"https://example.com/","events":["*"]}`), 409, "name_taken")
	if n := len(list(t, b.call("GET", "/api/webhooks?enabled=true&q=ha", ""))); n != 1 {
		t.Errorf("%d listed", n)
	}
	want(t, b.as("stranger", "GET", "/api/webhooks/"+ref, ""), 404, "not_found")
	want(t, b.call("DELETE", "/api/webhooks/chat", ""), 204, "")
	want(t, b.call("GET", "/api/webhooks/"+ref, ""), 404, "not_found")
	var actions []string
	for _, e := range list(t, b.call("GET", "/api/audit?object="+ref+"&sort=seq", "")) {
		actions = append(actions, fmt.Sprint(e["action"]))
		for _, private := range []string{"whsec_", "private"} {
			if strings.Contains(fmt.Sprint(e), private) {
				t.Errorf("the record holds a secret: %v", e)
			}
		}
	}
	if got := strings.Join(actions, " "); got != "webhook.create webhook.update webhook.update webhook.update webhook.rotate webhook.delete" {
		t.Errorf("audit: %s", got)
	}
}

// TestWebhookTargets is the corpus of URLs that must not be sent to; package
// outbound has the whole one, and the courier asks again at each attempt.
func TestWebhookTargets(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded(t))
	for _, bad := range []string{
		"http://example.com/", "ftp://example.com/", "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
		"https://017700000001/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:169.254.169.254]/", "https://169.254.169.254/latest/meta-data",
		"https://0.0.0.0/", "https://10.0.0.1/", "https://192.168.0.1/", "https://100.64.0.1/", "https://[fd00::1]/", "https://[fe80::1]/", "https://localhost/",
		"https://a.localhost/", "https://user:pw@example.com/", "https://example.com\\@127.0.0.1/", "https://224.0.0.1/", "https://[64:ff9b::7f00:1]/",
		"http://127.0.0.1:8081/", "http://hooks.lan:81/", "//example.com/", "example.com", "javascript:alert(1)",
	} {
		body := fmt.Sprintf(`{"url":%q,"events":["*"]}`, bad)
		if a := b.call("POST", "/api/webhooks", body); a.StatusCode != 422 && a.StatusCode != 400 || !strings.Contains(string(a.body), `"pointer":"/url"`) {
			t.Errorf("%s: %d %s", bad, a.StatusCode, a.body)
		}
		job := fmt.Sprintf(`{"job_type":"echo","params":{"text":"x"},"webhook_url":%q}`, bad)
		if a := b.call("POST", "/api/jobs", job); a.StatusCode != 422 && a.StatusCode != 400 || !strings.Contains(string(a.body), `"pointer":"/webhook_url"`) {
			t.Errorf("job to %s: %d %s", bad, a.StatusCode, a.body)
		}
	}
	for i, good := range []string{"https://example.com/", "https://8.8.8.8:8443/x", "http://127.0.0.1:8080/", "http://hooks.lan/x"} {
		want(t, b.call("POST", "/api/webhooks", fmt.Sprintf(`{"name":"n%d","url":%q,"events":["*"]}`, i, good)), 201, "")
	}
	for body, pointer := range map[string]string{
		`{"url":"https://example.com/","events":["job.exploded"]}`:                               "/events/0",
		`{"url":"https://example.com/","events":[]}`:                                             "/events",
		`{"url":"https://example.com/","events":["*"],"max_attempts":17}`:                        "/max_attempts",
		`{"url":"https://example.com/","events":["*"],"template_ids":["job_x"]}`:                 "/template_ids/0",
		`{"url":"https://example.com/","events":["*"],"name":"hook_01jh0000000000000000000000"}`: "/name",
	} {
		if a := b.call("POST", "/api/webhooks", body); a.StatusCode < 400 || a.StatusCode >= 500 || !strings.Contains(string(a.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
		}
	}
}

func TestJobWebhook(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded(t))
	want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"x"},"webhook_events":["failed"]}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"x"},"webhook_url":"https://example.com/","webhook_events":["queue.paused"]}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/job-templates", `{"name":"t","job_type":"echo","params":{"text":"x"},"webhook_url":"https://t.example.com/","webhook_events":["failed","skipped"]}`), 201, "")
	for body, expect := range map[string]string{
		`{"template_id":"t"}`:                                        "https://t.example.com/ [job.run.failed job.run.skipped]",
		`{"template_id":"t","webhook_events":["succeeded"]}`:         "https://t.example.com/ [job.run.completed]",
		`{"template_id":"t","webhook_url":"https://j.example.com/"}`: "https://j.example.com/ [job.run.failed job.run.skipped]",
		`{"job_type":"echo","params":{"text":"x"}}`:                  "<nil> []",
	} {
		made := want(t, b.call("POST", "/api/jobs", body), 201, "").json(t)
		if got := fmt.Sprint(made["webhook_url"], " ", made["webhook_events"]); got != expect {
			t.Errorf("%s: %s, want %s", body, got, expect)
		}
	}
	patched := want(t, b.call("PATCH", "/api/job-templates/t", `{"webhook_url":null,"webhook_events":null}`), 200, "")
	if patched.json(t)["webhook_url"] != nil {
		t.Errorf("patched: %s", patched.body)
	}
	first := want(t, b.call("GET", "/api/webhook-secret", ""), 200, "")
	if first.json(t)["secret"] != nil {
		t.Errorf("%s", first.body)
	}
	if text := want(t, b.call("POST", "/api/webhook-secret/rotate", ""), 200, "").text(t, "secret"); !strings.HasPrefix(text, "whsec_") {
		t.Errorf("rotated to %s", text)
	}
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded(t))
	made := want(t, b.call("POST", "/api/webhooks", `{"name":"chat","url":"https://example.com/hooks/private","events":["*"]}`), 201, "")
	sent := want(t, b.call("POST", "/api/webhooks/chat/test", "", "Idempotency-Key", "k"), 202, "")
	again := want(t, b.call("POST", "/api/webhooks/chat/test", "", "Idempotency-Key", "k"), 202, "")
	ref := sent.text(t, "delivery_id")
	if again.text(t, "delivery_id") != ref || sent.text(t, "status") != "pending" || sent.text(t, "event") != "webhook.test" {
		t.Errorf("sent: %s, then %s", sent.body, again.body)
	}
	taken, err := b.store.Outbox.Take(t.Context(), store.TakeDeliveries{Limit: 1, Lease: time.Minute, Policy: webhook.Default()})
	if err != nil || len(taken.Deliveries) != 1 {
		t.Fatalf("%d taken, %v", len(taken.Deliveries), err)
	}
	bad := webhook.Attempt{At: taken.Now, Duration: 3 * time.Millisecond, Status: 500, Code: webhook.CodeStatus, Message: "the receiver answered 500"}
	judged := webhook.Default().Judge(taken.Deliveries[0].Delivery, bad, taken.Now, 0)
	if err := b.store.Outbox.Record(t.Context(), []store.Outcome{{Delivery: judged, Policy: webhook.Default()}})[0]; err != nil {
		t.Fatal(err)
	}
	one := want(t, b.as(access.Viewer, "GET", "/api/webhook-deliveries/"+ref, ""), 200, "").json(t)
	if fmt.Sprintf("%v %v %v", one["status"], one["last_status"], one["attempts"]) != "dead 500 1" || !strings.Contains(fmt.Sprint(one["body"]), "webhook.test") {
		t.Errorf("delivery: %v", one)
	}
	for path, n := range map[string]int{
		"/api/webhooks/chat/deliveries": 1, "/api/webhook-deliveries?status=dead": 1, "/api/webhook-deliveries?status=pending,failed": 0,
		"/api/webhook-deliveries?event=webhook.test": 1, "/api/webhook-deliveries?job_id=job_01jh0000000000000000000000": 0,
	} {
		if got := len(list(t, b.call("GET", path, ""))); got != n {
			t.Errorf("%s: %d, want %d", path, got, n)
		}
	}
	want(t, b.as("stranger", "GET", "/api/webhook-deliveries/"+ref, ""), 404, "not_found")
	want(t, b.as("stranger", "POST", "/api/webhook-deliveries/"+ref+"/redeliver", ""), 404, "not_found")
	want(t, b.as(access.Operator, "POST", "/api/webhook-deliveries/"+ref+"/redeliver", ""), 403, "forbidden")
	if re := want(t, b.call("POST", "/api/webhook-deliveries/"+ref+"/redeliver", ""), 202, ""); re.text(t, "status") != "pending" {
		t.Errorf("redelivered: %s", re.body)
	}
	want(t, b.call("DELETE", "/api/webhooks/"+made.text(t, "webhook_id"), ""), 204, "")
	want(t, b.call("POST", "/api/webhook-deliveries/"+ref+"/redeliver", ""), 409, "webhook_disabled")
}

// TestMessages: what a webhook is sent is what the API shows, and the event.
func TestMessages(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded(t))
	want(t, b.call("POST", "/api/webhooks", `{"name":"all","url":"https://example.com/","events":["*"]}`), 201, "")
	ref := b.addJob(echoJob)
	c := b.claim()
	b.finish(c)
	want(t, b.call("POST", "/api/scheduler/pause", ""), 200, "")
	notes, err := b.store.Outbox.Notes(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]map[string]any{}
	for _, n := range notes {
		body, err := wire.MessageOf(n)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if got["event"] != string(n.Event.Type) || !strings.HasPrefix(string(body), `{"event":`) {
			t.Errorf("%s is sent as %s", n.Event.Type, body)
		}
		delete(got, "event")
		seen[string(n.Event.Type)] = got
	}
	run := want(t, b.call("GET", "/api/job-runs/"+c.Run.ID, ""), 200, "").json(t)
	if diff := cmp.Diff(run, seen["job.run.completed"]); diff != "" {
		t.Errorf("the run: %s", diff)
	}
	if j := seen["job.queued"]; j["job_id"] != ref || j["status"] != "QUEUED" || j["position"] != nil {
		t.Errorf("job.queued: %v", j)
	}
	if j := seen["job.started"]; j["job_id"] != ref || j["status"] != "RUNNING" || j["run_id"] != c.Run.ID {
		t.Errorf("job.started: %v", j)
	}
	if q := seen["queue.paused"]; q["at"] == nil {
		t.Errorf("queue.paused: %v", q)
	}
}
