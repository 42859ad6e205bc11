package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
)

func TestCreateJobFromTemplate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tm := want(t, b.call("POST", "/api/job-templates", `{"name":"greet","job_type":"echo","params":{"text":"a","times":2},
		"params_schema":{"properties":{"times":{"maximum":5}}},"timeout":"15m","priority":3,"locks":["gpu:0"],"labels":{"team":"x"},
		"retry_policy":{"max_attempts":2,"initial":"PT2S"},"retry_on_restart":true}`), 201, "")
	if tm.Header.Get("Location") != "/api/job-templates/"+tm.text(t, "template_id") || tm.Header.Get("ETag") != `"1"` || tm.text(t, "timeout") != "PT15M" {
		t.Errorf("template %s %v", tm.body, tm.Header)
	}
	a := want(t, b.call("POST", "/api/jobs", `{"template_id":"greet","params":{"times":null,"model":"m"},"labels":{"who":"me"},"trigger":"manual"}`), 201, "")
	j := a.json(t)
	if a.Header.Get("Location") != "/api/jobs/"+j["job_id"].(string) || a.Header.Get("ETag") == "" {
		t.Errorf("headers %v", a.Header)
	}
	got := map[string]any{}
	for _, k := range []string{"name", "status", "params", "priority", "position", "estimated_wait", "locks", "labels", "trigger", "created_by", "timeout", "retry_on_restart", "attempt", "template_version", "run_id", "workflow_run_id"} {
		got[k] = j[k]
	}
	expect := map[string]any{
		"name": "greet", "status": "QUEUED", "params": map[string]any{"text": "a", "model": "m"}, "priority": 3.0, "position": 0.0,
		"estimated_wait": "PT0S", "locks": []any{"gpu:0", "model:m"}, "labels": map[string]any{"team": "x", "who": "me"}, "trigger": "manual",
		"created_by": "admin", "timeout": "PT15M", "retry_on_restart": true, "attempt": 0.0, "template_version": 1.0, "run_id": nil, "workflow_run_id": nil,
	}
	if diff := cmp.Diff(expect, got); diff != "" {
		t.Error(diff)
	}
	if w, _ := j["waiting"].(map[string]any); w["code"] != "no_slot" {
		t.Errorf("waiting %v", j["waiting"])
	}
	bad := want(t, b.call("POST", "/api/jobs", `{"template_id":"greet","params":{"times":6}}`), 422, "invalid_input")
	if !strings.Contains(string(bad.body), `"/params/times"`) {
		t.Errorf("no pointer: %s", bad.body)
	}
	want(t, b.call("PATCH", "/api/job-templates/greet", `{"archived":true}`), 200, "")
	want(t, b.call("POST", "/api/jobs", `{"template_id":"greet"}`), 409, "template_archived")
}

func TestTemplateChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := want(t, b.call("POST", "/api/job-templates", `{"name":"a","job_type":"echo","params":{"text":"x"},"labels":{"k":"v"}}`), 201, "").text(t, "template_id")
	want(t, b.call("POST", "/api/job-templates", `{"name":"a","job_type":"echo"}`), 409, "name_taken")
	want(t, b.call("POST", "/api/job-templates", `{"name":"`+id+`","job_type":"echo"}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/job-templates", `{"name":"s","job_type":"echo","params_schema":{"$ref":"file:///etc/passwd"}}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/job-templates", `{"name":"s","job_type":"echo","params_schema":{"$ref":"#"}}`), 422, "invalid_input")
	path := "/api/job-templates/" + id
	a := want(t, b.call("PATCH", path, `{"params":{"times":3},"labels":{"k":null}}`, "If-Match", `"1"`, "Content-Type", "application/merge-patch+json"), 200, "")
	v := a.json(t)
	if diff := cmp.Diff(map[string]any{"text": "x", "times": 3.0}, v["params"]); diff != "" || v["version"] != 2.0 || len(v["labels"].(map[string]any)) != 0 {
		t.Errorf("%s %s", diff, a.body)
	}
	if a := want(t, b.call("PATCH", path, `{"name":"a"}`), 200, ""); a.Header.Get("ETag") != `"2"` {
		t.Error("a change that changes nothing made a version")
	}
	old := want(t, b.call("PATCH", path, `{"priority":1}`, "If-Match", `"1"`), 412, "version_mismatch")
	if cur, _ := old.json(t)["current"].(map[string]any); cur["version"] != 2.0 || old.Header.Get("ETag") != `"2"` {
		t.Errorf("412 without the current representation: %s", old.body)
	}
	want(t, b.call("PATCH", path, `{"name":null}`), 422, "invalid_input")
	want(t, b.call("PATCH", path, `{"colour":null}`), 422, "unknown_field")
	want(t, b.call("PATCH", path, `[]`), 422, "invalid_input")
	want(t, b.call("PATCH", path, ``, "Content-Type", "application/json"), 400, "malformed_body")
	want(t, b.call("DELETE", path, "", "If-Match", `"1"`), 412, "version_mismatch")
	want(t, b.call("DELETE", path, ""), 204, "")
	want(t, b.call("GET", path, ""), 404, "not_found")
}

func TestPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 7 {
		b.addJob(fmt.Sprintf(`{"job_type":"echo","name":"n%d","params":{"text":"hi"},"priority":%d,"labels":{"odd":"%v"}}`, i, 9-i, i%2 == 1))
		b.clock.Advance(time.Second)
	}
	walk := func(target string) (names []string) {
		cursor := ""
		for range 10 {
			a := b.call("GET", target+cursor, "")
			for _, j := range list(t, a) {
				names = append(names, j["name"].(string))
			}
			next := a.text(t, "next_cursor")
			if next == "" {
				return names
			}
			cursor = "&cursor=" + url.QueryEscape(next)
		}
		t.Fatal("the list has no end")
		return nil
	}
	for target, expect := range map[string]string{
		"/api/jobs?limit=2":                            "n6 n5 n4 n3 n2 n1 n0",
		"/api/jobs?limit=3&status=QUEUED":              "n6 n5 n4 n3 n2 n1 n0",
		"/api/jobs?limit=3&sort=created_at":            "n0 n1 n2 n3 n4 n5 n6",
		"/api/jobs?limit=2&label=odd:true":             "n5 n3 n1",
		"/api/jobs?limit=200&status=RUNNING":           "",
		"/api/jobs?limit=1&q=N3":                       "n3",
		"/api/jobs?limit=2&sort=queue":                 "n6 n5 n4 n3 n2 n1 n0",
		"/api/jobs?limit=2&job_type=echo,x":            "n6 n5 n4 n3 n2 n1 n0",
		"/api/jobs?created_after=2026-01-31T12:00:04Z": "n6 n5",
	} {
		if got := strings.Join(walk(target), " "); got != expect {
			t.Errorf("%s: %s, want %s", target, got, expect)
		}
	}
	next := b.call("GET", "/api/jobs?limit=2", "").text(t, "next_cursor")
	want(t, b.call("GET", "/api/jobs?limit=2&status=QUEUED&cursor="+url.QueryEscape(next), ""), 400, "cursor_invalid")
	want(t, b.call("GET", "/api/jobs?limit=5&cursor="+url.QueryEscape(next), ""), 200, "")
	for i, j := range list(t, b.call("GET", "/api/jobs?status=QUEUED", "")) {
		if j["position"] != float64(i) {
			t.Errorf("position %v at place %d", j["position"], i)
		}
	}
}

func TestJobVerbs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addJob(`{"job_type":"echo","params":{"text":"hi"},"hold":true}`)
	path := "/api/jobs/" + j
	if w, _ := b.call("GET", path, "").json(t)["waiting"].(map[string]any); w["code"] != "held" {
		t.Errorf("waiting %v", w)
	}
	if v := want(t, b.call("POST", path+"/release", ""), 200, "").json(t); v["hold"] != false {
		t.Errorf("still held: %v", v)
	}
	a := want(t, b.call("POST", path+"/hold", `{"reason":"lunch"}`), 200, "")
	if w, _ := a.json(t)["waiting"].(map[string]any); w["detail"] != "lunch" {
		t.Errorf("waiting %v", w)
	}
	tag := a.Header.Get("ETag")
	want(t, b.call("PATCH", path, `{"priority":2,"labels":{"a":"b"}}`, "If-Match", tag), 200, "")
	want(t, b.call("PATCH", path, `{"priority":2}`, "If-Match", tag), 412, "version_mismatch")
	want(t, b.call("PATCH", path, `{"priority":null}`), 422, "invalid_input")
	want(t, b.call("PATCH", path, `{"colour":"x"}`), 422, "unknown_field")
	v := want(t, b.call("PATCH", path, `{"labels":{"a":null,"c":"d"}}`), 200, "").json(t)
	if diff := cmp.Diff(map[string]any{"c": "d"}, v["labels"]); diff != "" || v["priority"] != 2.0 {
		t.Errorf("%s %v", diff, v)
	}
	if v := want(t, b.call("POST", path+"/cancel", ""), 200, "").json(t); v["status"] != "CANCELLED" || v["cancelled_by"] != "admin" {
		t.Errorf("cancelled: %v", v)
	}
	want(t, b.call("POST", path+"/cancel", ""), 409, "already_finished")
	want(t, b.call("PATCH", path, `{"priority":1}`), 409, "already_finished")
}

func TestCancelRunning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addJob(echoJob)
	b.claim()
	a := want(t, b.call("POST", "/api/jobs/"+j+"/cancel", "", "Idempotency-Key", "k"), 202, "")
	if v := a.json(t); v["status"] != "RUNNING" || v["cancel_requested_at"] == nil || a.Header.Get("Location") != "/api/jobs/"+j {
		t.Errorf("%s %v", a.body, a.Header)
	}
	again := want(t, b.call("POST", "/api/jobs/"+j+"/cancel", "", "Idempotency-Key", "k"), 202, "")
	if string(again.body) != string(a.body) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("replay differs: %s", again.body)
	}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := want(t, b.call("POST", "/api/jobs", echoJob, "Idempotency-Key", "one"), 201, "")
	want(t, b.call("POST", "/api/jobs/"+first.text(t, "job_id")+"/cancel", ""), 200, "")
	second := want(t, b.call("POST", "/api/jobs", echoJob, "Idempotency-Key", "one"), 201, "")
	if string(first.body) != string(second.body) || second.Header.Get("Idempotency-Replayed") != "true" ||
		second.Header.Get("Location") != first.Header.Get("Location") || second.Header.Get("ETag") != first.Header.Get("ETag") {
		t.Errorf("replay differs: %s %v", second.body, second.Header)
	}
	want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"other"}}`, "Idempotency-Key", "one"), 422, "idempotency_mismatch")
	want(t, b.as(access.Author, "POST", "/api/jobs", echoJob, "Idempotency-Key", "one"), 201, "")
	if n := b.jobCount(); n != 2 {
		t.Errorf("%d jobs, want one for each principal", n)
	}
	b.clock.Advance(25 * time.Hour)
	if a := want(t, b.call("POST", "/api/jobs", echoJob, "Idempotency-Key", "one"), 201, ""); string(a.body) == string(first.body) {
		t.Error("the key was kept for more than 24 h")
	}
}

func TestIdempotencyRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var wg sync.WaitGroup
	bodies := make([]string, 20)
	for i := range bodies {
		wg.Go(func() {
			bodies[i] = string(want(t, b.call("POST", "/api/jobs", echoJob, "Idempotency-Key", "race"), 201, "").body)
		})
	}
	wg.Wait()
	for _, s := range bodies {
		if s != bodies[0] {
			t.Fatal("two answers for one key")
		}
	}
	if n := b.jobCount(); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

func TestPreferWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := make(chan answer, 1)
	go func() {
		got <- b.call("POST", "/api/jobs", echoJob, "Prefer", "wait=30", "Idempotency-Key", "w")
	}()
	b.waitFor(func() bool { return b.clock.Timers() >= 2 })
	want(t, b.call("POST", "/api/jobs", echoJob, "Prefer", "wait=30", "Idempotency-Key", "w"), 409, "idempotency_in_flight")
	b.finish(b.claim())
	b.tick(got)
	a := want(t, <-got, 201, "")
	if a.text(t, "status") != "COMPLETED" || a.Header.Get("Preference-Applied") != "wait=30" {
		t.Errorf("%s %v", a.body, a.Header)
	}
	if r := want(t, b.call("POST", "/api/jobs", echoJob, "Prefer", "wait=30", "Idempotency-Key", "w"), 201, ""); string(r.body) != string(a.body) {
		t.Errorf("the replay is not the final answer: %s", r.body)
	}
	go func() { got <- b.call("POST", "/api/jobs", echoJob, "Prefer", "wait=5") }()
	b.tick(got)
	a = want(t, <-got, 202, "")
	if a.text(t, "status") != "QUEUED" || a.Header.Get("Location") == "" {
		t.Errorf("%s %v", a.body, a.Header)
	}
}

// tick moves the clock until an answer is there.
func (b *bundle) tick(got chan answer) {
	b.t.Helper()
	b.waitFor(func() bool {
		if len(got) > 0 {
			return true
		}
		if b.clock.Timers() > 0 {
			b.clock.Advance(time.Second)
		}
		return false
	})
}

// waitFor polls for something that another goroutine does.
func (b *bundle) waitFor(done func() bool) {
	b.t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-deadline.C:
			b.t.Fatal("it did not happen within a minute")
		}
	}
}
