package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/store"
)

const writerDirective = `{"name":"writer","description":"d","system_prompt":"Be brief.","server":"gpu","model":"m1","temperature":0,"context_tokens":8192,
	"allow":{"files":["/srv/**"],"hosts":["*.example.org"],"containers":["web-*"]},"limits":{"tokens":1000,"call_tokens":100,"time":"15m"}}`

func TestDirectives(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		made := want(t, b.as(access.Author, "POST", "/api/directives", writerDirective), 201, "")
		d := made.json(t)
		ref := d["directive_id"].(string)
		if made.Header.Get("Location") != "/api/directives/"+ref || made.Header.Get("ETag") != `"1"` {
			t.Errorf("headers %v", made.Header)
		}
		expect := map[string]any{
			"directive_id": ref, "version": 1.0, "name": "writer", "description": "d", "system_prompt": "Be brief.", "server": "gpu", "model": "m1",
			"temperature": 0.0, "context_tokens": 8192.0, "archived": false, "created_by": "author",
			"allow":      map[string]any{"files": []any{"/srv/**"}, "hosts": []any{"*.example.org"}, "containers": []any{"web-*"}},
			"limits":     map[string]any{"tokens": 1000.0, "call_tokens": 100.0, "time": "PT15M"},
			"created_at": "2026-01-31T12:00:00Z", "updated_at": "2026-01-31T12:00:00Z",
		}
		if diff := cmp.Diff(expect, d); diff != "" {
			t.Error(diff)
		}
		for _, by := range []string{ref, "writer"} {
			if got := want(t, b.as(access.Viewer, "GET", "/api/directives/"+by, ""), 200, "").json(t); !cmp.Equal(expect, got) {
				t.Error(cmp.Diff(expect, got))
			}
		}
		want(t, b.call("POST", "/api/directives", writerDirective), 409, "name_taken")
		bare := want(t, b.call("POST", "/api/directives", `{"name":"bare"}`), 201, "").json(t)
		empty := map[string]any{"files": []any{}, "hosts": []any{}, "containers": []any{}}
		if bare["model"] != nil || bare["temperature"] != nil || bare["context_tokens"] != nil || !cmp.Equal(bare["allow"], any(empty)) ||
			!cmp.Equal(bare["limits"], any(map[string]any{"tokens": nil, "call_tokens": nil, "time": nil})) {
			t.Errorf("defaults: %v", bare)
		}

		one := "/api/directives/" + ref
		patch := func(body string, headers ...string) answer {
			return b.call("PATCH", one, body, append([]string{"Content-Type", "application/merge-patch+json"}, headers...)...)
		}
		want(t, patch(`{"model":"m2"}`, "If-Match", `"7"`), 412, "version_mismatch")
		v2 := want(t, patch(`{"model":"m2","limits":{"tokens":null},"allow":{"hosts":[]},"temperature":null}`, "If-Match", `"1"`), 200, "").json(t)
		expect["version"], expect["model"], expect["temperature"] = 2.0, "m2", nil
		expect["limits"].(map[string]any)["tokens"] = nil
		expect["allow"].(map[string]any)["hosts"] = []any{}
		if diff := cmp.Diff(expect, v2); diff != "" {
			t.Error(diff)
		}
		if same := want(t, patch(`{"model":"m2"}`), 200, "").json(t); same["version"] != 2.0 {
			t.Errorf("a patch that changes nothing made version %v", same["version"])
		}
		want(t, patch(`{"name":"bare"}`), 409, "name_taken")
		want(t, patch(`{"limits":{"time":"-1s"}}`), 422, "invalid_input")
		want(t, patch(`{"model":null,"other":null}`), 422, "unknown_field")
	})
}

// TestDirectiveVersions: what a version said stays readable, also of a directive
// that is gone.
func TestDirectiveVersions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		ref := want(t, b.as(access.Author, "POST", "/api/directives", writerDirective), 201, "").text(t, "directive_id")
		want(t, b.call("POST", "/api/directives", `{"name":"bare"}`), 201, "")
		one := "/api/directives/" + ref
		patch := func(body string) answer {
			return b.call("PATCH", one, body, "Content-Type", "application/merge-patch+json")
		}
		want(t, patch(`{"model":"m2"}`), 200, "")
		first := want(t, b.as(access.Viewer, "GET", one+"/versions/1", ""), 200, "").json(t)
		if first["model"] != "m1" || first["version"] != 1.0 {
			t.Errorf("version 1 is %v", first)
		}
		want(t, b.call("GET", one+"/versions/3", ""), 404, "not_found")
		for _, n := range []string{"0", "-1", "x", "99999999999"} {
			want(t, b.call("GET", one+"/versions/"+n, ""), 400, "invalid_parameter")
		}
		page := want(t, b.call("GET", "/api/directives/writer/versions?limit=1", ""), 200, "").json(t)
		if page["items"].([]any)[0].(map[string]any)["version"] != 2.0 {
			t.Errorf("newest first: %v", page)
		}
		cursor := page["next_cursor"].(string)
		rest := list(t, b.call("GET", one+"/versions?limit=1&cursor="+cursor, ""))
		if len(rest) != 1 || rest[0]["version"] != 1.0 {
			t.Errorf("second page: %v", rest)
		}
		want(t, b.call("GET", "/api/directives/bare/versions?limit=1&cursor="+cursor, ""), 400, "cursor_invalid")

		want(t, patch(`{"archived":true}`), 200, "")
		for query, names := range map[string]string{"": "bare writer", "?archived=true": "writer", "?archived=false": "bare", "?q=RIT": "writer"} {
			var got []string
			for _, d := range list(t, b.as(access.Viewer, "GET", "/api/directives"+query, "")) {
				got = append(got, d["name"].(string))
			}
			if strings.Join(got, " ") != names {
				t.Errorf("%s lists %v", query, got)
			}
		}
		want(t, b.as("stranger", "GET", one, ""), 404, "not_found")
		want(t, b.as("stranger", "GET", one+"/versions/1", ""), 404, "not_found")
		want(t, b.call("DELETE", one, "", "If-Match", `"1"`), 412, "version_mismatch")
		want(t, b.as(access.Author, "DELETE", one, ""), 204, "")
		want(t, b.call("GET", one, ""), 404, "not_found")
		want(t, b.call("GET", one+"/versions", ""), 404, "not_found")
		want(t, b.call("GET", one+"/versions/2", ""), 200, "")
		want(t, b.call("POST", "/api/directives", writerDirective), 201, "")
		want(t, b.call("GET", "/api/directives/tmpl_01jh0000000000000000000000", ""), 400, "wrong_id_type")
		want(t, b.call("POST", "/api/directives", `{"name":"k"}`, "Idempotency-Key", "k"), 201, "")
		if again := want(t, b.call("POST", "/api/directives", `{"name":"k"}`, "Idempotency-Key", "k"), 201, ""); again.Header.Get("Idempotency-Replayed") != "true" {
			t.Error("the repetition made another")
		}
		var told []string
		for _, e := range entries(t, b) {
			told = append(told, string(e.Action)+" "+e.ObjectName)
			if strings.Contains(fmt.Sprint(e), "Be brief") {
				t.Errorf("the audit record has the prompt: %v", e)
			}
		}
		if diff := cmp.Diff([]string{
			"directive.create writer", "directive.create bare", "directive.update writer", "directive.update writer", "directive.delete writer",
			"directive.create writer", "directive.create k",
		}, told); diff != "" {
			t.Error(diff)
		}
	})
}

// entries are the audit entries about directives and sources.
func entries(t *testing.T, b *bundle) []audit.Entry {
	t.Helper()
	page, err := b.store.Audit.List(t.Context(), store.ListAudit{Tenant: access.DefaultTenant, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var out []audit.Entry
	for _, e := range page.Entries {
		if strings.HasPrefix(string(e.Action), "directive.") || e.Action == audit.SourceRefused {
			out = append(out, e)
		}
	}
	return out
}

// What cannot be meant is refused, with a pointer to it.
func TestDirectiveInputIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	many := `["/a"` + strings.Repeat(`,"/a"`, 200) + `]`
	for pointer, fields := range map[string]string{
		"/system_prompt":      `"system_prompt":"` + strings.Repeat("é", 20000) + `"`,
		"/temperature":        `"temperature":2.5`,
		"/context_tokens":     `"context_tokens":-1`,
		"/allow/files":        `"allow":{"files":` + many + `}`,
		"/allow/files/0":      `"allow":{"files":["relative/x"]}`,
		"/allow/files/1":      `"allow":{"files":["/a","/a/../b"]}`,
		"/allow/hosts/0":      `"allow":{"hosts":["https://x.example"]}`,
		"/allow/containers/0": `"allow":{"containers":["a b"]}`,
		"/limits/tokens":      `"limits":{"tokens":-1}`,
		"/limits/time":        `"limits":{"time":"PT99999H"}`,
		"/limits/call_tokens": `"limits":{"call_tokens":1.5}`,
		"/name":               `"name":"dir_x"`,
		"/system_promt":       `"system_promt":"x"`,
	} {
		body := `{"name":"n",` + fields + `}`
		if pointer == "/name" {
			body = `{` + fields + `}`
		}
		a := b.call("POST", "/api/directives", body)
		var p struct {
			Errors []struct{ Pointer string }
		}
		if err := json.Unmarshal(a.body, &p); err != nil || a.StatusCode != 422 || len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: %d %s", pointer, a.StatusCode, clipped(a.body))
		}
	}
}

func clipped(b []byte) string { return string(b[:min(len(b), 300)]) }
