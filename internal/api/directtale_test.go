package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

// ask makes a request of the server.
func (s *laneServer) ask(who, method, path, body string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+s.tokens[who])
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res, text}
}

// TestStoryNow: the direct routes, as an author and as an operator.
func TestStoryNow(t *testing.T) {
	t.Parallel()
	s := startLane(t, tasktest.Echo{})
	want(t, s.ask("author", "POST", "/api/directives", `{"name":"d","system_prompt":"Be brief.","model":"dm","allow":{"files":["/srv/**"]}}`), 201, "")
	const body = `{"topic":"a private topic","length":100}`
	plain := want(t, s.ask("operator", "POST", "/story/generate", body, "Idempotency-Key", "k"), 200, "").json(t)
	if plain["success"] != true || plain["story"] != "a private topic by server-model" || plain["artifacts"].(map[string]any)["story.md"] == nil {
		t.Errorf("the answer is %v", plain)
	}
	for _, field := range []string{"run_id", "tokens", "queue_wait_ms", "waited_for", "interrupted_jobs"} {
		if _, ok := plain[field]; !ok {
			t.Errorf("the answer has no %s", field)
		}
	}
	again := want(t, s.ask("operator", "POST", "/story/generate", body, "Idempotency-Key", "k"), 200, "")
	if got := again.json(t); got["run_id"] != plain["run_id"] || got["story"] != plain["story"] || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the repetition is %s", again.body)
	}
	under := want(t, s.ask("author", "POST", "/story/generate/", `{"topic":"x","directive_id":"d"}`), 200, "").json(t)
	if under["story"] != "x by dm under d: Be brief." {
		t.Errorf("under a directive: %v", under["story"])
	}
	runID := under["run_id"].(string)
	v := want(t, s.ask("viewer", "GET", "/api/job-runs/"+runID, ""), 200, "").json(t)
	if v["directive"].(map[string]any)["name"] != "d" || v["directive_snapshot"].(map[string]any)["system_prompt"] != "Be brief." || v["job_id"] != nil {
		t.Errorf("the run is %v", v)
	}
	tokens := v["tokens"].(map[string]any)
	if tokens["prompt"] != 3.0 || tokens["completion"] != nil {
		t.Errorf("tokens %v", tokens)
	}
	if calls := list(t, s.ask("viewer", "GET", "/api/job-runs/"+runID+"/calls", "")); len(calls) != 1 || calls[0]["model"] != "dm" {
		t.Errorf("calls %v", calls)
	}
	if frames := s.stream("operator", "/story/generate", `{"topic":"once upon a time"}`); !strings.HasPrefix(frames, "queued started token") || !strings.HasSuffix(frames, "result") {
		t.Errorf("the stream is %s", frames)
	}
	for _, c := range []struct {
		who, path, body string
		status          int
		code            string
	}{
		{"operator", "/story/generate", `{"topic":"x","directive_id":"d"}`, 403, "forbidden"},
		{"author", "/story/generate", `{"topic":"x","directive_id":"nobody"}`, 404, "not_found"},
		{"author", "/story/generate", `{"topic":"x","directive_id":""}`, 422, "invalid_input"},
		{"author", "/story/generate", `{"topic":"forbidden"}`, 422, "invalid_input"},
		{"author", "/story/generate", `{"topik":"x"}`, 422, "unknown_field"},
		{"author", "/story/generate", `{"length":1}`, 422, "invalid_input"},
		{"viewer", "/story/generate", `{"topic":"x"}`, 403, "forbidden"},
		{"nobody", "/story/generate", `{"topic":"x"}`, 401, "unauthorized"},
		{"restricted", "/story/generate", `{"topic":"x"}`, 403, "forbidden"},
		{"blind", "/story/generate", `{"topic":"x","research_run_id":"run_1"}`, 403, "forbidden"},
		{"blind", "/story/generate", `{"topic":"x"}`, 200, ""},
		{"author", "/research/run", `{}`, 422, "invalid_input"},
		{"author", "/api/story/generate", `{"topic":"x"}`, 404, "not_found"},
	} {
		a := s.ask(c.who, "POST", c.path, c.body)
		if a.StatusCode != c.status || c.code != "" && a.text(t, "code") != c.code {
			t.Errorf("%s %s %s: %d %s", c.who, c.path, c.body, a.StatusCode, a.body)
		}
	}
	want(t, s.ask("author", "GET", "/story/generate", ""), 405, "method_not_allowed")
}

// stream makes a direct request and returns the names of the events.
func (s *laneServer) stream(who, path, body string) string {
	s.t.Helper()
	a := s.ask(who, "POST", path, body, "Accept", "text/event-stream")
	var names []string
	for _, f := range laneFrames(s.t, strings.NewReader(string(a.body)), nil) {
		names = append(names, f.name)
	}
	return strings.Join(names, " ")
}

// TestDirectRefusalLeavesNoName: what a direct request asked for is nowhere, not
// even in the record of its refusal.
func TestDirectRefusalLeavesNoName(t *testing.T) {
	t.Parallel()
	s := startLane(t, tasktest.Echo{})
	want(t, s.ask("author", "POST", "/api/directives", `{"name":"d","allow":{"files":["/srv/**"]}}`), 201, "")
	a := s.ask("author", "POST", "/research/run", `{"topic":"x","sources":[{"path":"/etc/canary-4711"}],"directive_id":"d"}`)
	if want(t, a, 403, "source_not_allowed"); !strings.Contains(string(a.body), "canary-4711") {
		t.Errorf("the caller is not told which: %s", a.body)
	}
	want(t, s.ask("author", "POST", "/research/run", `{"topic":"x","sources":[{"path":"/srv/canary-4711"}],"directive_id":"d"}`), 200, "")
	page, err := s.store.Audit.List(t.Context(), store.ListAudit{Tenant: access.DefaultTenant, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range page.Entries {
		if e.Action == audit.SourceRefused {
			n++
		}
		for k, v := range e.Detail {
			if strings.Contains(v, "canary") {
				t.Errorf("%s: %s = %s", e.Action, k, v)
			}
		}
	}
	if n != 1 || strings.Contains(s.logs.String(), "canary-4711") {
		t.Errorf("%d refusals on record; log:\n%s", n, s.logs.String())
	}
}

// TestDirectDirectiveArchivedWhileItWaits: archived while it waited, the permission is
// gone.
func TestDirectDirectiveArchivedWhileItWaits(t *testing.T) {
	t.Parallel()
	e, open, began := busy()
	s := startLane(t, e)
	want(t, s.ask("author", "POST", "/api/directives", `{"name":"d"}`), 201, "")
	s.hold(open, began)
	got := make(chan answer, 1)
	go func() { got <- s.ask("author", "POST", "/story/generate", `{"topic":"x","directive_id":"d"}`) }()
	s.waiting(1)
	want(t, s.ask("author", "PATCH", "/api/directives/d", `{"archived":true}`, "Content-Type", "application/merge-patch+json"), 200, "")
	close(open)
	want(t, <-got, 409, "directive_archived")
}
