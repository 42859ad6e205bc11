package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

// directed is a bundle with the directives a and b and the template t under a.
func directed(t *testing.T, change ...func(*api.Options)) *bundle {
	t.Helper()
	b := setup(t, append([]func(*api.Options){withTales}, change...)...)
	for _, name := range []string{"a", "b"} {
		want(t, b.as(access.Author, "POST", "/api/directives",
			`{"name":"`+name+`","system_prompt":"Say `+name+`.","model":"model-`+name+`","allow":{"files":["/srv/`+name+`/**"]}}`), 201, "")
	}
	want(t, b.as(access.Author, "POST", "/api/job-templates", `{"name":"t","job_type":"story","params":{"topic":"x"},"directive_id":"a"}`), 201, "")
	return b
}

func (b *bundle) directive(name string) string {
	b.t.Helper()
	return want(b.t, b.call("GET", "/api/directives/"+name, ""), 200, "").text(b.t, "directive_id")
}

func (b *bundle) patchOf(path, body string) answer {
	return b.call("PATCH", path, body, "Content-Type", "application/merge-patch+json")
}

func firstPointer(t *testing.T, a answer) string {
	t.Helper()
	var p struct {
		Errors []struct{ Pointer string }
	}
	if err := json.Unmarshal(a.body, &p); err != nil || len(p.Errors) == 0 {
		return ""
	}
	return p.Errors[0].Pointer
}

// TestJobIsBoundToTheVersion: what a directive says later reaches later jobs only.
func TestJobIsBoundToTheVersion(t *testing.T) {
	t.Parallel()
	b := directed(t)
	a := b.directive("a")
	if got := want(t, b.call("GET", "/api/job-templates/t", ""), 200, "").json(t); got["directive_id"] != a {
		t.Errorf("the template names %v", got["directive_id"])
	}
	job := want(t, b.as(access.Operator, "POST", "/api/jobs", `{"template_id":"t"}`), 201, "").json(t)
	ref := map[string]any{"directive_id": a, "name": "a", "version": 1.0}
	if diff := cmp.Diff(any(ref), job["directive"]); diff != "" {
		t.Error(diff)
	}
	if p := job["params"].(map[string]any); p["model"] != "model-a" || !cmp.Equal(job["locks"], any([]any{"model:model-a"})) {
		t.Errorf("params %v, locks %v: the directive did not complete them", p, job["locks"])
	}
	want(t, b.patchOf("/api/directives/a", `{"name":"a2","system_prompt":"Say nothing.","model":"other"}`), 200, "")
	later := want(t, b.as(access.Operator, "POST", "/api/jobs", `{"template_id":"t"}`), 201, "").json(t)
	if d := later["directive"].(map[string]any); d["version"] != 2.0 || d["name"] != "a2" || later["params"].(map[string]any)["model"] != "other" {
		t.Errorf("a later job is %v", later)
	}
	c := b.claim()
	if c.Job.ID != job["job_id"] {
		t.Fatal("another job was first")
	}
	ten := int64(10)
	for _, one := range []run.Call{
		{Server: "gpu", Model: "model-a", Stage: "outline", Outcome: run.CallOK, Prompt: &ten, StartedAt: start, Load: time.Second, Total: 2 * time.Second},
		{Server: "gpu", Model: "model-a", Stage: "section", Outcome: "llm_timeout", StartedAt: start, Total: time.Minute},
	} {
		if err := b.store.Calls.Record(t.Context(), store.RecordCall{RunID: c.Run.ID, Epoch: c.Run.Epoch, Call: one, At: start}); err != nil {
			t.Fatal(err)
		}
	}
	path := "/api/job-runs/" + c.Run.ID
	got := want(t, b.as(access.Viewer, "GET", path, ""), 200, "").json(t)
	if diff := cmp.Diff(any(ref), got["directive"]); diff != "" {
		t.Error(diff)
	}
	snapshot := got["directive_snapshot"].(map[string]any)
	if snapshot["system_prompt"] != "Say a." || snapshot["version"] != 1.0 || snapshot["name"] != "a" || snapshot["model"] != "model-a" {
		t.Errorf("the snapshot is %v", snapshot)
	}
	want(t, b.call("DELETE", "/api/directives/a2", ""), 204, "")
	still := want(t, b.call("GET", path, ""), 200, "").json(t)
	if diff := cmp.Diff(any(snapshot), still["directive_snapshot"]); diff != "" {
		t.Errorf("the snapshot changed: %s", diff)
	}
	calls := list(t, b.as(access.Viewer, "GET", path+"/calls", ""))
	at := "2026-01-31T12:00:00Z"
	if diff := cmp.Diff([]map[string]any{
		{
			"server": "gpu", "model": "model-a", "stage": "outline", "outcome": "ok", "prompt_tokens": 10.0, "completion_tokens": nil,
			"started_at": at, "load_ms": 1000.0, "prompt_ms": nil, "completion_ms": nil, "total_ms": 2000.0,
		},
		{
			"server": "gpu", "model": "model-a", "stage": "section", "outcome": "llm_timeout", "prompt_tokens": nil, "completion_tokens": nil,
			"started_at": at, "load_ms": nil, "prompt_ms": nil, "completion_ms": nil, "total_ms": 60000.0,
		},
	}, calls); diff != "" {
		t.Error(diff)
	}
	want(t, b.as("stranger", "GET", path+"/calls", ""), 404, "not_found")
	b.mint("narrow", `{"name":"narrow","roles":["viewer"],"scopes":["jobs:read"]}`)
	if v := want(t, b.as("narrow", "GET", path, ""), 200, "").json(t); v["directive_snapshot"] != nil || v["directive"] == nil {
		t.Errorf("who may not read directives sees %v", v["directive_snapshot"])
	}
	for _, v := range list(t, b.call("GET", "/api/job-runs", "")) {
		if v["directive_snapshot"] != nil {
			t.Error("the list shows snapshots")
		}
	}
}

// TestWebhooksTellNoPrompt: what is sent about a run is the run without what its
// directive says.
func TestWebhooksTellNoPrompt(t *testing.T) {
	t.Parallel()
	b := directed(t)
	b.addJob(`{"template_id":"t"}`)
	c := b.claim()
	n := webhook.Note{Event: event.Event{Type: event.JobRunCompleted}}
	n.Subject.Run = &c.Run
	body, err := wire.MessageOf(n)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(body); strings.Contains(text, "Say a.") || !strings.Contains(text, `"name":"a"`) {
		t.Errorf("the message is %s", text)
	}
}

// TestChoosingADirectiveNeedsAnAuthor: a directive is a permission.
func TestChoosingADirectiveNeedsAnAuthor(t *testing.T) {
	t.Parallel()
	b := directed(t)
	b.mint("directing", `{"name":"directing","roles":["author"],"scopes":["jobs:write","templates:read","directives:write"]}`)
	for _, c := range []struct {
		who    access.Role
		body   string
		status int
		code   string
	}{
		{access.Operator, `{"template_id":"t","directive_id":"a"}`, 201, ""},
		{access.Operator, `{"template_id":"t","directive_id":"b"}`, 403, "forbidden"},
		{access.Operator, `{"template_id":"t","directive_id":"nobody"}`, 403, "forbidden"},
		{access.Author, `{"template_id":"t","directive_id":"b"}`, 201, ""},
		{"directing", `{"template_id":"t","directive_id":"b"}`, 201, ""},
		{access.Author, `{"job_type":"story","params":{"topic":"x"},"directive_id":"b"}`, 201, ""},
		{access.Author, `{"job_type":"story","params":{"topic":"x"},"directive_id":"nobody"}`, 404, "not_found"},
		{access.Author, `{"job_type":"story","params":{"topic":"x"},"directive_id":"tmpl_01jh0000000000000000000000"}`, 400, "wrong_id_type"},
		{access.Author, `{"job_type":"echo","params":{"text":"x"},"directive_id":"b"}`, 422, "invalid_input"},
		{access.Author, `{"job_type":"story","params":{"topic":"x"}}`, 201, ""},
	} {
		a := b.as(c.who, "POST", "/api/jobs", c.body)
		want(t, a, c.status, c.code)
		if c.code != "" && firstPointer(t, a) != "/directive_id" {
			t.Errorf("%s: points to %s", c.body, firstPointer(t, a))
		}
	}
	own := want(t, b.call("POST", "/api/jobs", `{"job_type":"story","params":{"topic":"x"}}`), 201, "").json(t)
	if own["directive"] != nil || own["params"].(map[string]any)["model"] != "server-model" {
		t.Errorf("without a directive: %v", own)
	}
	for body, code := range map[string]string{
		`{"name":"u","job_type":"echo","params":{"text":"x"},"directive_id":"a"}`: "invalid_input",
		`{"name":"u","job_type":"story","directive_id":"nobody"}`:                 "not_found",
	} {
		a := b.call("POST", "/api/job-templates", body)
		if a.text(t, "code") != code || firstPointer(t, a) != "/directive_id" {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	group := b.call("POST", "/api/job-groups", `{"name":"g","mode":"parallel","jobs":[{"template_id":"t"},{"template_id":"t","directive_id":"nobody"}]}`)
	if want(t, group, 404, "not_found"); firstPointer(t, group) != "/jobs/1/directive_id" {
		t.Errorf("the pointer is %s", firstPointer(t, group))
	}
}

// TestArchivedDirective: the permission is taken away.
func TestArchivedDirective(t *testing.T) {
	t.Parallel()
	b := directed(t)
	j := b.addJob(`{"template_id":"t"}`)
	c := b.claim()
	b.finish(c)
	retry := "/api/job-runs/" + c.Run.ID + "/retry"
	want(t, b.call("POST", retry, ""), 201, "")
	want(t, b.patchOf("/api/directives/a", `{"archived":true}`), 200, "")
	want(t, b.call("POST", "/api/jobs", `{"template_id":"t"}`), 409, "directive_archived")
	want(t, b.call("POST", "/api/jobs", `{"template_id":"t","directive_id":"b"}`), 201, "")
	want(t, b.call("POST", retry, ""), 409, "directive_archived")
	want(t, b.call("POST", "/api/job-templates", `{"name":"u","job_type":"story","directive_id":"a"}`), 409, "directive_archived")
	want(t, b.patchOf("/api/job-templates/t", `{"priority":3}`), 200, "") // its directive is no news
	want(t, b.patchOf("/api/directives/a", `{"archived":false}`), 200, "")
	want(t, b.call("POST", retry, ""), 201, "")
	want(t, b.call("DELETE", "/api/directives/a", ""), 204, "")
	want(t, b.call("POST", "/api/jobs", `{"template_id":"t"}`), 409, "directive_archived")
	want(t, b.patchOf("/api/job-templates/t", `{"priority":4}`), 200, "")
	want(t, b.patchOf("/api/job-templates/t", `{"directive_id":null}`), 200, "")
	want(t, b.call("POST", "/api/jobs", `{"template_id":"t"}`), 201, "")
	if got := b.get(j); got["directive"] == nil {
		t.Error("the job forgot what it worked under")
	}
}

// TestRetryIsBoundToTheSameVersion: and the job type looks at changed params again.
func TestRetryIsBoundToTheSameVersion(t *testing.T) {
	t.Parallel()
	b := directed(t)
	b.addJob(`{"template_id":"t","params":{"sources":[{"path":"/srv/a/x"}]}}`)
	c := b.claim()
	b.finish(c)
	want(t, b.patchOf("/api/directives/a", `{"model":"newer","allow":{"files":["/srv/b/**"]}}`), 200, "")
	retry := "/api/job-runs/" + c.Run.ID + "/retry"
	again := want(t, b.call("POST", retry, ""), 201, "").json(t)
	if again["directive"].(map[string]any)["version"] != 1.0 || again["params"].(map[string]any)["model"] != "model-a" {
		t.Errorf("the repetition is %v", again)
	}
	changed := want(t, b.call("POST", retry, `{"params":{"sources":[{"path":"/srv/a/y"}],"model":null}}`), 201, "").json(t)
	if changed["directive"].(map[string]any)["version"] != 1.0 || changed["params"].(map[string]any)["model"] != "model-a" ||
		!cmp.Equal(changed["locks"], any([]any{"model:model-a"})) {
		t.Errorf("the changed repetition is %v", changed)
	}
	want(t, b.call("POST", retry, `{"params":{"sources":[{"path":"/srv/b/y"}]}}`), 403, "source_not_allowed")
}

// TestRefusedSourceIsOnRecord: although nothing was made.
func TestRefusedSourceIsOnRecord(t *testing.T) {
	t.Parallel()
	b := directed(t)
	before := b.jobCount()
	a := b.as(access.Operator, "POST", "/api/jobs", `{"template_id":"t","params":{"sources":[{"path":"/etc/shadow"}]}}`)
	if want(t, a, 403, "source_not_allowed"); firstPointer(t, a) != "/params/sources/0/path" {
		t.Errorf("the pointer is %s", firstPointer(t, a))
	}
	if b.jobCount() != before {
		t.Error("a job was made")
	}
	var found []audit.Entry
	for _, e := range entries(t, b) {
		if e.Action == audit.SourceRefused {
			found = append(found, e)
		}
	}
	if len(found) != 1 || !strings.Contains(found[0].Detail["source"], "/etc/shadow") || found[0].Object != b.directive("a") || found[0].Actor.Name != "operator" {
		t.Errorf("the record has %+v", found)
	}
}

// TestMissingDirective: it is made only where the server is told so, and only for
// who might have made it.
func TestMissingDirective(t *testing.T) {
	t.Parallel()
	b := directed(t, func(o *api.Options) { o.CreateMissingDirective = true })
	want(t, b.as(access.Operator, "POST", "/api/jobs", `{"template_id":"t","directive_id":"new"}`), 403, "forbidden")
	want(t, b.as(access.Author, "POST", "/api/jobs", `{"template_id":"t","directive_id":"dir_01jh0000000000000000000000"}`), 404, "not_found")
	want(t, b.as(access.Author, "POST", "/api/jobs", `{"template_id":"t","directive_id":"a/b"}`), 422, "invalid_input")
	want(t, b.as(access.Author, "POST", "/api/jobs", `{"template_id":"t","directive_id":"unused","params":{"length":1}}`), 422, "invalid_input")
	want(t, b.call("GET", "/api/directives/unused", ""), 404, "not_found")
	j := want(t, b.as(access.Author, "POST", "/api/jobs", `{"template_id":"t","directive_id":"new"}`), 201, "").json(t)
	if d := j["directive"].(map[string]any); d["name"] != "new" || d["version"] != 1.0 {
		t.Errorf("bound to %v", d)
	}
	made := want(t, b.call("GET", "/api/directives/new", ""), 200, "").json(t)
	if made["system_prompt"] != "" || len(made["allow"].(map[string]any)["files"].([]any)) != 0 || made["created_by"] != "author" {
		t.Errorf("made %v", made)
	}
	last := entries(t, b)
	if e := last[len(last)-1]; e.Action != audit.DirectiveCreate || e.ObjectName != "new" {
		t.Errorf("the record ends with %+v", e)
	}
	want(t, b.as(access.Author, "POST", "/api/jobs", `{"template_id":"t","directive_id":"new","params":{"sources":[{"path":"/srv/a/x"}]}}`), 403, "source_not_allowed")
}

// TestRetryBringsNoPermissionBack: what a directive no longer allows is allowed again
// only by who may write directives.
func TestRetryBringsNoPermissionBack(t *testing.T) {
	t.Parallel()
	b := directed(t)
	b.addJob(`{"template_id":"t","params":{"sources":[{"path":"/srv/a/x"}]}}`)
	c := b.claim()
	b.finish(c)
	want(t, b.patchOf("/api/directives/a", `{"allow":{"files":["/srv/a/public/**"]}}`), 200, "")
	retry := "/api/job-runs/" + c.Run.ID + "/retry"
	b.mint("writer", `{"name":"writer","roles":["author"],"scopes":["jobs:read","jobs:write","templates:write"]}`)
	for _, who := range []access.Role{access.Operator, "writer"} {
		want(t, b.as(who, "POST", retry, ""), 403, "source_not_allowed")
		want(t, b.as(who, "POST", retry, `{"params":{"sources":[{"path":"/srv/a/secret"}]}}`), 403, "source_not_allowed")
		again := want(t, b.as(who, "POST", retry, `{"params":{"sources":[{"path":"/srv/a/public/x"}]}}`), 201, "").json(t)
		if d := again["directive"].(map[string]any); d["version"] != 2.0 {
			t.Errorf("%s: the repetition works under %v", who, d)
		}
	}
	again := want(t, b.as(access.Author, "POST", retry, ""), 201, "").json(t)
	if d := again["directive"].(map[string]any); d["version"] != 1.0 {
		t.Errorf("the author's repetition works under %v", d)
	}
}

// TestCitingARunNeedsTheRightToReadIt: what it found would come out in the result.
func TestCitingARunNeedsTheRightToReadIt(t *testing.T) {
	t.Parallel()
	b := directed(t)
	b.mint("blind", `{"name":"blind","roles":["author"],"scopes":["jobs:write","templates:write"]}`)
	const params = `"params":{"topic":"x","research_run_id":"run_1"}`
	for path, body := range map[string]string{
		"/api/jobs": `{"job_type":"story",` + params + `}`, "/api/job-templates": `{"name":"u","job_type":"story",` + params + `}`,
		"/jobs/story/trigger": `{"topic":"x","research_run_id":"run_1"}`,
	} {
		a := b.as("blind", "POST", path, body)
		if want(t, a, 403, "forbidden"); !strings.HasSuffix(firstPointer(t, a), "/research_run_id") {
			t.Errorf("%s: points to %s", path, firstPointer(t, a))
		}
	}
	want(t, b.as("blind", "POST", "/api/jobs", `{"job_type":"story","params":{"topic":"x"}}`), 201, "")
	want(t, b.as(access.Author, "POST", "/api/jobs", `{"job_type":"story",`+params+`}`), 201, "")
}
