package api_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func TestBudgets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tenancy()
	want(t, b.call("PATCH", "/api/workers", `{"count":3}`), 200, "")
	tmpl := want(t, b.call("POST", "/api/job-templates", `{"name":"tale","job_type":"echo","params":{"text":"x"},"locks":["model:m"]}`), 201, "").text(t, "template_id")
	b.addJob(`{"template_id":"tale"}`)
	c := b.claim()
	spent := int64(60)
	call := run.Call{Model: "m", Outcome: run.CallOK, Prompt: &spent, Completion: &spent, StartedAt: b.clock.Now()}
	if err := b.store.Calls.Record(t.Context(), store.RecordCall{RunID: c.Run.ID, Epoch: c.Run.Epoch, Call: call, At: b.clock.Now()}); err != nil {
		t.Fatal(err)
	}
	want(t, b.as(access.Operator, "PUT", "/api/budgets/tale", `{"tokens_per_day":100}`), 403, "forbidden")
	want(t, b.call("PUT", "/api/budgets/nope", `{"tokens_per_day":100}`), 404, "not_found")
	want(t, b.call("PUT", "/api/budgets/job_01jh0000000000000000000000", `{"tokens_per_day":100}`), 400, "wrong_id_type")
	want(t, b.call("PUT", "/api/budgets/tale", `{"tokens_per_day":-1}`), 422, "invalid_input")
	want(t, b.call("PUT", "/api/budgets/tale", `{}`), 422, "invalid_input")
	want(t, b.call("PUT", "/api/budgets/tenant", `{"tokens_per_day":1000}`), 200, "")
	v := want(t, b.call("PUT", "/api/budgets/tale", `{"tokens_per_day":100}`), 200, "").json(t)
	if v["template_id"] != tmpl || v["tokens_per_day"] != 100.0 {
		t.Errorf("%v", v)
	}

	// The list and the waiting job tell the same. Both take the day from the
	// authority's clock, so the job's reason is looked at where the test's clock is.
	items, _ := want(t, b.call("GET", "/api/budgets", ""), 200, "").json(t)["items"].([]any)
	if len(items) != 2 || items[0].(map[string]any)["template_id"] != nil {
		t.Fatalf("%v", items)
	}
	if got := want(t, b.as("stranger", "GET", "/api/budgets", ""), 200, "").text(t, "items"); got != "[]" && got != "" {
		t.Errorf("another tenant sees %s", got)
	}
	day := store.Day(b.clock.Now())
	used := want(t, b.call("GET", "/api/token-usage?from="+day+"&to="+day, ""), 200, "")
	for _, text := range []string{`"day":"` + day + `"`, `"model":"m"`, `"prompt_tokens":60`, `"unknown_calls":0`, tmpl} {
		if !strings.Contains(string(used.body), text) {
			t.Errorf("usage without %s: %s", text, used.body)
		}
	}
	want(t, b.call("GET", "/api/token-usage?from=yesterday", ""), 400, "invalid_parameter")
	entries := want(t, b.call("GET", "/api/audit?action=budget.update", ""), 200, "")
	if !strings.Contains(string(entries.body), `"tokens_per_day":"100"`) {
		t.Errorf("%s", entries.body)
	}
	want(t, b.call("DELETE", "/api/budgets/tale", ""), 204, "")
	want(t, b.call("PUT", "/api/budgets/tale", `{"tokens_per_day":100}`), 200, "")
	want(t, b.call("DELETE", "/api/job-templates/tale", ""), 204, "")
	want(t, b.call("DELETE", "/api/budgets/"+tmpl, ""), 204, "")
	want(t, b.call("DELETE", "/api/budgets/tale", ""), 404, "not_found")
}
