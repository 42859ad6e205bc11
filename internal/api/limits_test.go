package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/job"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.tenancy()
	tmpl := want(t, b.call("POST", "/api/job-templates", `{"name":"daily","job_type":"echo","params":{"text":"x"}}`), 201, "").text(t, "template_id")
	b.addJob(`{"template_id":"daily"}`)
	first := want(t, b.call("GET", "/api/limits", ""), 200, "")
	b.claim()
	patch := func(body string, headers ...string) answer {
		return b.as(access.Operator, "PATCH", "/api/limits", body, headers...)
	}
	a := want(t, patch(`{"max_global":4,"max_per_job":{"echo":2},"max_per_template":{"daily":1},"max_per_tenant":{"red":0,"default":3}}`,
		"If-Match", first.Header.Get("ETag")), 200, "")
	v := a.json(t)
	delete(v, "updated_at")
	expect := map[string]any{
		"max_global": 4.0, "max_per_job": map[string]any{"echo": 2.0}, "max_per_template": map[string]any{tmpl: 1.0},
		"max_per_tenant": map[string]any{other: 0.0, "default": 3.0},
		"running": map[string]any{
			"global": 1.0, "per_job": map[string]any{"echo": 1.0}, "per_template": map[string]any{tmpl: 1.0}, "per_tenant": map[string]any{"default": 1.0},
		},
	}
	if diff := cmp.Diff(expect, v); diff != "" {
		t.Error(diff)
	}
	// They are obeyed, and the job says so.
	want(t, b.call("PATCH", "/api/workers", `{"count":3}`), 200, "")
	waits := b.addJob(`{"template_id":"daily"}`)
	if w, _ := b.call("GET", "/api/jobs/"+waits, "").json(t)["waiting"].(map[string]any); w["code"] != "limit" {
		t.Errorf("waiting %v", w)
	}
	stale := want(t, patch(`{"max_global":9}`, "If-Match", first.Header.Get("ETag")), 412, "version_mismatch")
	if cur, _ := stale.json(t)["current"].(map[string]any); cur["max_global"] != 4.0 {
		t.Errorf("412 without the current limits: %s", stale.body)
	}
	for body, at := range map[string]string{
		`{"max_per_job":{"nope":1}}`:                                 "/max_per_job/nope",
		`{"max_per_template":{"nope":1}}`:                            "/max_per_template/nope",
		`{"max_per_template":{"tmpl_01jh0000000000000000000000":1}}`: "/max_per_template/tmpl_01jh0000000000000000000000",
		`{"max_per_tenant":{"nope":1}}`:                              "/max_per_tenant/nope",
		`{"max_per_job":{"echo":-1}}`:                                "/max_per_job/echo",
		`{"max_per_job":{"echo":1000001}}`:                           "/max_per_job/echo",
		`{"max_per_job":{"echo":"x"}}`:                               "/max_per_job/echo",
		`{"max_global":-1}`:                                          "/max_global",
		`{"max_per_template":{"daily":1,"` + tmpl + `":2}}`:          "/max_per_template/",
	} {
		if a := want(t, patch(body), 422, "invalid_input"); !strings.Contains(string(a.body), `"pointer":"`+at) {
			t.Errorf("%s: no pointer %s: %s", body, at, a.body)
		}
	}
	want(t, patch(`{"maxGlobal":1}`), 422, "unknown_field")
	// Other tenants see what concerns them.
	foreign := want(t, b.as("stranger", "GET", "/api/limits", ""), 200, "")
	if strings.Contains(string(foreign.body), tmpl) || strings.Contains(string(foreign.body), "default") {
		t.Errorf("%s", foreign.body)
	}
	if n := foreign.json(t)["max_per_tenant"].(map[string]any)[other]; n != 0.0 {
		t.Errorf("own limit %v", n)
	}
	// A template that is gone keeps its entry until somebody takes it away.
	want(t, b.call("DELETE", "/api/job-templates/daily", ""), 204, "")
	want(t, patch(`{"max_per_template":{"`+tmpl+`":2}}`), 200, "")
	v = want(t, patch(`{"max_global":null,"max_per_job":{"echo":null},"max_per_template":{"`+tmpl+`":null},"max_per_tenant":null}`), 200, "").json(t)
	for _, k := range []string{"max_per_job", "max_per_template", "max_per_tenant"} {
		if m, _ := v[k].(map[string]any); len(m) != 0 {
			t.Errorf("%s: %v", k, m)
		}
	}
	if v["max_global"] != nil {
		t.Errorf("max_global %v", v["max_global"])
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := want(t, b.as(access.Viewer, "GET", "/api/settings", ""), 200, "")
	v := first.json(t)
	delete(v, "updated_at")
	defaults := map[string]any{
		"strict_order": false, "max_overtakes": 20.0, "max_overtake_age": "PT10M", "model_affinity": 0.0, "direct_group_policy": "whole",
		"direct_wait_timeout": "PT5M", "direct_max_waiting": 100.0,
	}
	if diff := cmp.Diff(defaults, v); diff != "" {
		t.Error(diff)
	}
	patch := func(body string, headers ...string) answer { return b.call("PATCH", "/api/settings", body, headers...) }
	want(t, b.as(access.Operator, "PATCH", "/api/settings", `{"strict_order":true}`), 403, "forbidden")
	want(t, patch(`{"strict_order":true,"max_overtakes":0,"max_overtake_age":"90s","model_affinity":3,"direct_group_policy":"next",
		"direct_wait_timeout":"PT1H","direct_max_waiting":0}`, "If-Match", first.Header.Get("ETag")), 200, "")
	set, err := b.store.Queue.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(job.Rules{
		StrictOrder: true, MaxOvertakeAge: 90 * time.Second, ModelAffinity: 3, DirectGroupPolicy: job.DirectNext, DirectTimeout: time.Hour,
	}, set.Rules); diff != "" {
		t.Error(diff)
	}
	want(t, patch(`{"strict_order":false}`, "If-Match", first.Header.Get("ETag")), 412, "version_mismatch")
	// The bounds of the document are those of the domain.
	for body, at := range map[string]string{
		fmt.Sprintf(`{"max_overtakes":%d}`, job.MaxOvertakesBound+1):                  "/max_overtakes",
		fmt.Sprintf(`{"model_affinity":%d}`, job.MaxModelAffinity+1):                  "/model_affinity",
		fmt.Sprintf(`{"direct_max_waiting":%d}`, job.MaxDirectWaitingBound+1):         "/direct_max_waiting",
		fmt.Sprintf(`{"max_overtake_age":"%s"}`, job.MaxOvertakeAgeBound+time.Second): "/max_overtake_age",
		fmt.Sprintf(`{"direct_wait_timeout":"%s"}`, job.MaxDirectTimeout+time.Second): "/direct_wait_timeout",
		`{"direct_wait_timeout":"PT0S"}`:                                              "/direct_wait_timeout", `{"direct_group_policy":"some"}`: "/direct_group_policy",
		`{"max_overtakes":-1}`: "/max_overtakes", `{"max_overtake_age":10}`: "/max_overtake_age",
	} {
		if a := want(t, patch(body), 422, "invalid_input"); !strings.Contains(string(a.body), `"pointer":"`+at+`"`) {
			t.Errorf("%s: no pointer %s: %s", body, at, a.body)
		}
	}
	for _, body := range []string{
		fmt.Sprintf(`{"max_overtakes":%d,"model_affinity":%d,"direct_max_waiting":%d}`, job.MaxOvertakesBound, job.MaxModelAffinity, job.MaxDirectWaitingBound),
		fmt.Sprintf(`{"max_overtake_age":"%s","direct_wait_timeout":"%s"}`, job.MaxOvertakeAgeBound, job.MaxDirectTimeout),
	} {
		want(t, patch(body), 200, "")
	}
	want(t, patch(`{"max_workers":3}`), 422, "unknown_field")
	v = want(t, patch(`{"strict_order":null,"max_overtakes":null,"max_overtake_age":null,"model_affinity":null,"direct_group_policy":null,
		"direct_wait_timeout":null,"direct_max_waiting":null}`), 200, "").json(t)
	delete(v, "updated_at")
	if diff := cmp.Diff(defaults, v); diff != "" {
		t.Error(diff)
	}
	// Limits stay when rules change, and the other way round.
	want(t, b.call("PATCH", "/api/limits", `{"max_global":2}`), 200, "")
	want(t, patch(`{"model_affinity":1}`), 200, "")
	if v := b.call("GET", "/api/limits", "").json(t); v["max_global"] != 2.0 {
		t.Errorf("limits %v", v)
	}
}

func TestBulk(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "b", "c", "d")
	b.claim() // a
	bulk := func(body string, headers ...string) map[string]any {
		t.Helper()
		return want(t, b.call("POST", "/api/jobs/bulk", body, headers...), 200, "").json(t)
	}
	verdicts := func(v map[string]any) string {
		var out []string
		items, _ := v["items"].([]any)
		for _, i := range items {
			m, _ := i.(map[string]any)
			text := fmt.Sprintf("%v %v", m["name"], m["result"])
			if e, _ := m["error"].(map[string]any); e != nil {
				text += fmt.Sprintf(" %v", e["code"])
			}
			out = append(out, text)
		}
		return strings.Join(out, ", ")
	}
	const nobody = "job_01jh0000000000000000000000"
	ids := `["` + strings.Join([]string{j["a"], j["b"], nobody, j["c"]}, `","`) + `"]`
	v := bulk(`{"job_ids":` + ids + `,"action":"hold","reason":"audit","dry_run":true}`)
	if got := verdicts(v); got != "a refused conflict, b would, <nil> refused not_found, c would" || v["done"] != 2.0 || v["refused"] != 2.0 || v["matched"] != 4.0 {
		t.Errorf("%s %v", got, v)
	}
	if w := b.call("GET", "/api/jobs/"+j["b"], "").json(t)["hold"]; w != false {
		t.Error("a dry run held a job")
	}
	first := bulk(`{"job_ids":`+ids+`,"action":"hold","reason":"audit"}`, "Idempotency-Key", "k")
	if got := verdicts(first); got != "a refused conflict, b done, <nil> refused not_found, c done" {
		t.Error(got)
	}
	if w, _ := b.call("GET", "/api/jobs/"+j["b"], "").json(t)["waiting"].(map[string]any); w["detail"] != "audit" {
		t.Errorf("waiting %v", w)
	}
	want(t, b.call("POST", "/api/jobs/"+j["b"]+"/release", ""), 200, "")
	if diff := cmp.Diff(first, bulk(`{"job_ids":`+ids+`,"action":"hold","reason":"audit"}`, "Idempotency-Key", "k")); diff != "" {
		t.Errorf("the replay differs: %s", diff)
	}
	if b.call("GET", "/api/jobs/"+j["b"], "").json(t)["hold"] != false {
		t.Error("the replay was carried out")
	}
	for _, step := range []struct{ body, verdicts, order string }{
		{`{"filter":{"q":"C"},"action":"release"}`, "c done", "b c d"},
		{`{"job_ids":["` + j["c"] + `","` + j["b"] + `"],"action":"move","to":{"bottom":true}}`, "c done, b done", "d c b"},
		{`{"job_ids":["` + j["a"] + `","` + j["b"] + `"],"action":"move","to":{"top":true}}`, "a refused conflict, b done", "b d c"},
		{`{"job_ids":["` + j["d"] + `","` + j["c"] + `"],"action":"priority","priority":0}`, "d done, c done", "d c b"},
		{`{"filter":{"status":["QUEUED"]},"action":"cancel"}`, "d done, c done, b done", ""},
		{`{"filter":{"job_type":["echo"]},"action":"restore"}`, "d done, c done, b done", "d c b"},
		{`{"filter":{},"action":"cancel"}`, "a done, d done, c done, b done", ""},
	} {
		got := verdicts(bulk(step.body))
		if a, b := strings.Split(got, ", "), strings.Split(step.verdicts, ", "); len(a) != len(b) || got != step.verdicts && !strings.Contains(step.body, `"filter":{}`) {
			t.Errorf("%s: %s", step.body, got)
		}
		b.wantOrder(step.order)
	}
	if v := b.call("GET", "/api/jobs/"+j["a"], "").json(t); v["status"] != "RUNNING" || v["cancel_requested_at"] == nil {
		t.Errorf("the running job: %v", v)
	}
}

func TestBulkRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a")["a"]
	for body, at := range map[string]string{
		`{"action":"cancel"}`: "/job_ids", `{"action":"cancel","job_ids":["` + j + `"],"filter":{}}`: "/job_ids",
		`{"action":"burn","filter":{}}`: "/action", `{"action":"priority","filter":{}}`: "/priority", `{"action":"cancel","filter":{},"priority":3}`: "/priority",
		`{"action":"move","filter":{}}`: "/to", `{"action":"move","filter":{},"to":{}}`: "/to/position", `{"action":"hold","filter":{},"to":{"top":true}}`: "/to",
		`{"action":"cancel","filter":{},"reason":"x"}`: "/reason", `{"action":"cancel","filter":{"status":["queued"]}}`: "/filter/status/0",
		`{"action":"cancel","job_ids":["` + j + `","` + j + `"]}`:                 "/job_ids/1",
		`{"action":"cancel","job_ids":["` + strings.Repeat(`x","`, 1000) + `x"]}`: "/job_ids",
	} {
		if a := want(t, b.call("POST", "/api/jobs/bulk", body), 422, "invalid_input"); !strings.Contains(string(a.body), `"pointer":"`+at+`"`) {
			t.Errorf("%.90s: no pointer %s: %s", body, at, a.body)
		}
	}
	want(t, b.call("POST", "/api/jobs/bulk", `{"action":"cancel","job_ids":["run_01jh0000000000000000000000"]}`), 400, "wrong_id_type")
	want(t, b.call("POST", "/api/jobs/bulk", `{"action":"cancel","filter":{"group_id":"x"}}`), 400, "wrong_id_type")
	want(t, b.as(access.Viewer, "POST", "/api/jobs/bulk", `{"action":"cancel","filter":{}}`), 403, "forbidden")
	b.wantOrder("a")
	b.tenancy()
	v := want(t, b.as("stranger", "POST", "/api/jobs/bulk", `{"action":"cancel","job_ids":["`+j+`"]}`), 200, "").json(t)
	if v["refused"] != 1.0 {
		t.Errorf("%v", v)
	}
	b.wantOrder("a")
}

// TestBulkIsBounded: what one request leaves, the next one finds.
func TestBulkIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addMany(1001)
	v := want(t, b.call("POST", "/api/jobs/bulk", `{"action":"hold","filter":{}}`), 200, "").json(t)
	if v["matched"] != 1000.0 || v["more"] != true || v["done"] != 1000.0 {
		t.Errorf("matched %v, more %v, done %v", v["matched"], v["more"], v["done"])
	}
}

// TestStatisticsDay: today begins at midnight in the installation's zone.
func TestStatisticsDay(t *testing.T) {
	t.Parallel()
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *api.Options) { o.Zone = seoul }) // 21:00 there
	b.addNamed("a")
	b.clock.Advance(90 * time.Second)
	b.finish(b.claim())
	today := func() map[string]any {
		st, _ := b.call("GET", "/api/queue", "").json(t)["statistics"].(map[string]any)
		return st
	}
	if st := today(); st["completed_today"] != 1.0 || st["average_wait"] != "PT1M30.001S" {
		t.Errorf("%v", st)
	}
	b.clock.Advance(3 * time.Hour)
	if st := today(); st["completed_today"] != 0.0 {
		t.Errorf("after midnight: %v", st)
	}
}
