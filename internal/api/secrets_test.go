package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/vault"
)

const blogGrants = `[{"workflow_id":"blog-*","kinds":["action/api_call"],"hosts":["blog.example.com"]}]`

func TestSecretLife(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := want(t, b.call("PUT", "/api/secrets/BLOG_TOKEN", `{"value":"canary-of-a-secret","description":"for the blog","grants":`+blogGrants+`}`), 201, "")
	if made.Header.Get("ETag") != `"1"` || made.Header.Get("Location") != "/api/secrets/BLOG_TOKEN" {
		t.Errorf("headers %v", made.Header)
	}
	grant := map[string]any{"workflow_id": "blog-*", "kinds": []any{"action/api_call"}, "hosts": []any{"blog.example.com"}}
	whole := map[string]any{
		"name": "BLOG_TOKEN", "description": "for the blog", "grants": []any{grant}, "version": 1.0, "value_version": 1.0, "value_set_at": "2026-01-31T12:00:00Z",
		"created_by": "admin", "created_at": "2026-01-31T12:00:00Z", "updated_by": "admin", "updated_at": "2026-01-31T12:00:00Z",
		"last_used_at": nil, "warnings": []any{},
	}
	if diff := cmp.Diff(whole, made.json(t)); diff != "" {
		t.Error(diff)
	}
	// Grants alone.
	b.clock.Advance(time.Hour)
	granted := want(t, b.call("PUT", "/api/secrets/BLOG_TOKEN", `{"grants":[]}`, "If-Match", `"1"`), 200, "").json(t)
	whole["grants"], whole["version"], whole["updated_at"], whole["warnings"] = []any{}, 2.0, "2026-01-31T13:00:00Z", nil
	if diff := cmp.Diff(whole, granted); diff != "" {
		t.Error(diff)
	}
	same := want(t, b.call("PUT", "/api/secrets/BLOG_TOKEN", `{"grants":[]}`), 200, "")
	if same.Header.Get("ETag") != `"2"` {
		t.Error("what changes nothing makes a version")
	}
	want(t, b.call("PUT", "/api/secrets/BLOG_TOKEN", `{"value":"canary-other-value"}`, "If-Match", `"1"`), 412, "version_mismatch")
	want(t, b.call("DELETE", "/api/secrets/BLOG_TOKEN", "", "If-Match", `"1"`), 412, "version_mismatch")
	again := want(t, b.call("PUT", "/api/secrets/BLOG_TOKEN", `{"value":"canary-of-a-secret"}`), 200, "").json(t)
	if again["version"] != 3.0 || again["value_version"] != 2.0 || again["value_set_at"] != "2026-01-31T13:00:00Z" {
		t.Errorf("a new value made %v", again)
	}
	want(t, b.call("PUT", "/api/secrets/A", `{"value":"short","grants":`+blogGrants+`}`), 201, "")
	listed := list(t, b.call("GET", "/api/secrets", ""))
	if len(listed) != 2 || listed[0]["name"] != "A" || listed[1]["name"] != "BLOG_TOKEN" {
		t.Errorf("the list is %v", listed)
	}
	if page := want(t, b.call("GET", "/api/secrets?limit=1", ""), 200, "").json(t); page["next_cursor"] == nil {
		t.Error("there is no second page")
	}
	want(t, b.call("GET", "/api/secrets/A", ""), 200, "")
	want(t, b.call("DELETE", "/api/secrets/A", "", "If-Match", `"1"`), 204, "")
	want(t, b.call("GET", "/api/secrets/A", ""), 404, "secret_not_found")
	want(t, b.call("DELETE", "/api/secrets/A", ""), 404, "secret_not_found")
	record := string(want(t, b.call("GET", "/api/audit?limit=50", ""), 200, "").body)
	for _, part := range []string{`"secret.set"`, `"secret.delete"`, `"value":"kept"`, `"value":"set"`} {
		if !strings.Contains(record, part) {
			t.Errorf("the record lacks %s: %s", part, record)
		}
	}
	if strings.Contains(record, "canary") || strings.Contains(record, "short") {
		t.Error("the record has a value")
	}
}

func TestSecretWarnsOfShortValues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		value, name string
		warned      bool
	}{{"1234567", "A", true}, {"12345678", "B", false}, {`a\nb`, "C", true}} {
		got := want(t, b.call("PUT", "/api/secrets/"+c.name, `{"value":"`+c.value+`"}`), 201, "").json(t)
		if warnings := got["warnings"].([]any); (len(warnings) > 0) != c.warned {
			t.Errorf("%q: warnings %v", c.value, warnings)
		}
	}
}

func TestSecretRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const path = "/api/secrets/S"
	for body, pointer := range map[string]string{
		`{}`:           "/value",
		`{"value":""}`: "/value",
		`{"value":"canary-` + strings.Repeat("x", secret.MaxValue) + `"}`:                               "/value",
		`{"value":["canary-value"]}`:                                                                    "/value",
		`{"value":"canary-value","grants":[{"workflow_id":"w"}]}`:                                       "/grants/0/kinds",
		`{"value":"canary-value","grants":[{"workflow_id":"w","kinds":[]}]}`:                            "/grants/0/kinds",
		`{"value":"canary-value","grants":[{"workflow_id":"[","kinds":["k"]}]}`:                         "/grants/0/workflow_id",
		`{"value":"canary-value","grants":[{"workflow_id":"w","kinds":["k"],"hosts":["https://x.y"]}]}`: "/grants/0/hosts/0",
		`{"value":"canary-value","valeu":"canary-value"}`:                                               "/valeu",
	} {
		a := b.call("PUT", path, body)
		if a.StatusCode != 422 && a.StatusCode != 400 || firstPointer(t, a) != pointer || strings.Contains(string(a.body), "canary") {
			t.Errorf("%.80s: %d %s", body, a.StatusCode, a.body)
		}
	}
	for _, name := range []string{"a-b", "9x", "a.b", strings.Repeat("a", 129), "%2e%2ex", "%00", "ä"} {
		want(t, b.call("PUT", "/api/secrets/"+name, `{"value":"canary-value"}`), 422, "invalid_input")
		want(t, b.call("GET", "/api/secrets/"+name, ""), 404, "secret_not_found")
		want(t, b.call("DELETE", "/api/secrets/"+name, ""), 404, "secret_not_found")
	}
	want(t, b.call("PUT", path, `{"value":"canary-value"}`, "If-Match", `"7"`), 412, "version_mismatch")
	for _, role := range []access.Role{access.Viewer, access.Operator, access.Author, access.Approver} {
		want(t, b.as(role, "PUT", path, `{"value":"canary-value"}`), 403, "forbidden")
		want(t, b.as(role, "GET", "/api/secrets", ""), 403, "forbidden")
		want(t, b.as(role, "DELETE", path, ""), 403, "forbidden")
	}
	want(t, b.call("PUT", path, `{"value":"canary-value"}`), 201, "")
	want(t, b.as("stranger", "GET", path, ""), 404, "secret_not_found")
	want(t, b.as("stranger", "DELETE", path, ""), 404, "secret_not_found")
	if n := len(list(t, b.as("stranger", "GET", "/api/secrets", ""))); n != 0 {
		t.Errorf("another tenant sees %d", n)
	}
}

// TestSecretWithoutKey: a server that lacks the key, or has another, says so.
func TestSecretWithoutKey(t *testing.T) {
	t.Parallel()
	for code, v := range map[fault.Code]func(store.Secrets) api.Vault{
		fault.SecretsKeyMissing: func(st store.Secrets) api.Vault { return vault.New(vault.Options{Store: st}) },
		fault.SecretsKeyWrong: func(st store.Secrets) api.Vault {
			if _, err := st.FirstCheck(t.Context(), vault.NewKey().Check(), start); err != nil {
				t.Fatal(err)
			}
			return vault.New(vault.Options{Store: st, Key: vault.NewKey().Text()})
		},
	} {
		b := setup(t, func(o *api.Options) { o.Vault = v(o.Store.Secrets) })
		want(t, b.call("PUT", "/api/secrets/S", `{"value":"canary-value"}`), 503, string(code))
		want(t, b.call("GET", "/api/secrets", ""), 200, "")
	}
	b := setup(t, func(o *api.Options) { o.Vault = nil })
	want(t, b.call("PUT", "/api/secrets/S", `{"value":"canary-value"}`), 503, "secrets_key_missing")
}
