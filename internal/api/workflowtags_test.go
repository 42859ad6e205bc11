package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/task"
)

func TestWorkflowTags(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) { o.Tasks = task.NewRegistry(echo{}, flows{}) })
	for _, v := range []string{"1", "2", "3"} {
		want(t, b.apply("", flow("etl", v)), 201, "")
	}
	put := func(tag, body string, header ...string) answer {
		return b.call("PUT", "/api/workflows/etl/tags/"+tag, body, header...)
	}
	first := want(t, put("stable", `{"version":1}`, "If-Match", `"3"`), 200, "")
	if diff := cmp.Diff(map[string]any{"workflow_id": "etl", "tag": "stable", "version": 1.0, "previous_version": nil}, first.json(t)); diff != "" {
		t.Error(diff)
	}
	if first.Header.Get("ETag") != `"4"` {
		t.Errorf("ETag %s", first.Header.Get("ETag"))
	}
	want(t, put("stable", `{"version":2}`, "If-Match", `"3"`), 412, "version_mismatch")
	want(t, put("2026-q1", `{"version":1}`), 200, "")
	hash := want(t, b.call("GET", "/api/workflows/etl/versions/1", ""), 200, "").json(t)["content_hash"]
	if got := want(t, put("stable", `{"version":2}`), 200, "").json(t); got["previous_version"] != 1.0 {
		t.Errorf("moved: %v", got)
	}
	versions := list(t, b.call("GET", "/api/workflows/etl/versions", ""))
	if got := fmt.Sprint(versions[0]["tags"], versions[1]["tags"], versions[2]["tags"]); got != "[] [stable] [2026-q1]" {
		t.Errorf("tags in the list: %s", got)
	}
	if v := want(t, b.call("GET", "/api/workflows/etl/versions/2026-q1", ""), 200, "").json(t); v["version"] != 1.0 || v["content_hash"] != hash || fmt.Sprint(v["tags"]) != "[2026-q1]" {
		t.Errorf("by its tag: %v", v)
	}
	if d := want(t, b.call("GET", "/api/workflows/etl/diff?from=2026-q1&to=stable", ""), 200, "").json(t); d["from"] != 1.0 || d["to"] != 2.0 {
		t.Errorf("diff: %v", d)
	}
	if m := want(t, b.call("POST", "/api/workflows/etl/rollback", `{"tag":"stable","reason":"r"}`), 200, "").json(t); m["rolled_back_to_version"] != 2.0 {
		t.Errorf("rolled back: %v", m)
	}
	if m := want(t, b.call("POST", "/api/workflows/etl/activate", `{"tag":"2026-q1"}`), 200, "").json(t); m["version"] != 1.0 {
		t.Errorf("activated: %v", m)
	}
	if r := want(t, b.call("POST", "/api/workflows/etl/run", `{"tag":"stable","trigger":"manual"}`), 201, "").json(t); r["trigger"] != "manual" {
		t.Errorf("a person's run says it was started by %v", r["trigger"])
	}
	if r := want(t, b.call("POST", "/api/workflows/etl/run", `{"tag":"stable"}`), 201, "").json(t); r["version"] != 2.0 || r["trigger"] != "api" {
		t.Errorf("run: %v", r)
	}
	want(t, b.call("DELETE", "/api/workflows/etl/tags/stable", "", "If-Match", `"1"`), 412, "version_mismatch")
	want(t, b.call("DELETE", "/api/workflows/etl/tags/stable", ""), 204, "")
	want(t, b.call("DELETE", "/api/workflows/etl/tags/stable", ""), 404, "not_found")
	want(t, b.call("POST", "/api/workflows/etl/rollback", `{"tag":"stable"}`), 404, "version_not_found")

	var told []string
	for _, e := range list(t, b.call("GET", "/api/audit?limit=100", "")) {
		if action, _ := e["action"].(string); strings.HasSuffix(action, "tag") {
			told = append(told, fmt.Sprint(action, " ", e["object_name"], " ", e["detail"]))
		}
	}
	if diff := cmp.Diff([]string{
		"workflow.untag etl map[from_version:2 tag:stable]", "workflow.tag etl map[from_version:1 tag:stable version:2]",
		"workflow.tag etl map[from_version:0 tag:2026-q1 version:1]", "workflow.tag etl map[from_version:0 tag:stable version:1]",
	}, told); diff != "" {
		t.Error(diff)
	}
}

func TestWorkflowTagRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.apply("", flow("etl", "1")), 201, "")
	for _, tag := range []string{"1", "v1", "active", "newest", "UP", "a%2Fb", "%ff", "-x", "a%00", strings.Repeat("x", 65)} {
		want(t, b.call("PUT", "/api/workflows/etl/tags/"+tag, `{"version":1}`), 400, "invalid_parameter")
		want(t, b.call("DELETE", "/api/workflows/etl/tags/"+tag, ""), 400, "invalid_parameter")
	}
	put := func(as access.Role) answer { return b.as(as, "PUT", "/api/workflows/etl/tags/x", `{"version":1}`) }
	want(t, put(access.Operator), 403, "forbidden")
	want(t, put(access.Viewer), 403, "forbidden")
	want(t, put("stranger"), 404, "not_found")
	want(t, put(access.Author), 200, "")
	want(t, b.as(access.Operator, "DELETE", "/api/workflows/etl/tags/x", ""), 403, "forbidden")
	want(t, b.call("PUT", "/api/workflows/etl/tags/x", `{"version":2}`), 404, "version_not_found")
	want(t, b.call("PUT", "/api/workflows/etl/tags/x", `{"version":0}`), 422, "invalid_input")
	want(t, b.call("PUT", "/api/workflows/etl/tags/x", `{}`), 422, "invalid_input")
	want(t, b.call("PUT", "/api/workflows/none/tags/x", `{"version":1}`), 404, "not_found")
	// One of both, and what is there.
	want(t, b.call("POST", "/api/workflows/etl/rollback", `{"version":1,"tag":"x"}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/workflows/etl/rollback", `{}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/workflows/etl/rollback", `{"tag":"No Tag"}`), 400, "invalid_parameter")
	want(t, b.call("POST", "/api/workflows/etl/run", `{"tag":"none"}`), 404, "version_not_found")
	want(t, b.call("POST", "/api/workflows/etl/run", `{"version":1,"tag":"x"}`), 422, "invalid_input")
	want(t, b.call("GET", "/api/workflows/etl/diff?from=none", ""), 404, "version_not_found")
	want(t, b.call("GET", "/api/workflows/etl/diff?from=0", ""), 400, "invalid_parameter")
	want(t, b.call("GET", "/api/workflows/etl/versions/%2B1", ""), 400, "invalid_parameter")
	want(t, b.call("DELETE", "/api/workflows/etl", ""), 204, "")
	want(t, b.call("PUT", "/api/workflows/etl/tags/y", `{"version":1}`), 409, "workflow_archived")
}
