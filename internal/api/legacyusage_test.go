package api_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
)

func TestLegacyUsage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const path = "/api/legacy/usage"
	first := want(t, b.call("GET", path, ""), 200, "")
	if v := first.json(t); len(list(t, first)) != 0 || v["complete"] != true || v["since"] != start.UTC().Truncate(24*time.Hour).AddDate(0, 0, -29).Format(time.RFC3339) {
		t.Errorf("before any call: %s", first.body)
	}
	j := b.addJob(`{"job_type":"echo","params":{"text":"hi"}}`) // not a legacy call
	for range 3 {
		want(t, b.as(access.Viewer, "GET", "/jobs/"+j, ""), 200, "")
	}
	b.clock.Advance(time.Minute)
	want(t, b.call("GET", "/queue/status", ""), 200, "")
	want(t, b.call("GET", "/queue/status/", ""), 200, "")
	want(t, b.as(access.Viewer, "POST", "/scheduler/stop", ""), 403, "forbidden")
	want(t, b.as("stranger", "GET", "/jobs", ""), 200, "")
	want(t, b.call("GET", "/queue/status", "", "Authorization", "Bearer nobody"), 401, "unauthorized") // whose call is it?
	want(t, b.call("GET", "/queue/nothing", ""), 404, "not_found")
	last := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	expected := []map[string]any{
		{"tenant": "default", "client": "viewer", "operation": "GET /jobs/{job_id}", "count": 3.0, "last_used_at": last(start), "successor": "/api/jobs/{job_id}"},
		{"tenant": "default", "client": "admin", "operation": "GET /queue/status", "count": 2.0, "last_used_at": last(start.Add(time.Minute)), "successor": nil},
		{"tenant": "default", "client": "viewer", "operation": "POST /scheduler/stop", "count": 1.0, "last_used_at": last(start.Add(time.Minute)), "successor": nil},
		{"tenant": "other", "client": "stranger", "operation": "GET /jobs", "count": 1.0, "last_used_at": last(start.Add(time.Minute)), "successor": "/api/jobs"},
	}
	for range 2 { // to look counts nothing
		if diff := cmp.Diff(expected, list(t, want(t, b.call("GET", path, ""), 200, ""))); diff != "" {
			t.Error(diff)
		}
	}
	want(t, b.as(access.Operator, "GET", path, ""), 403, "forbidden")
	want(t, b.as("stranger", "GET", path, ""), 403, "forbidden")
	b.clock.Advance(30 * 24 * time.Hour)
	if items := list(t, want(t, b.call("GET", path, ""), 200, "")); len(items) != 0 {
		t.Errorf("after 30 days: %v", items)
	}
}
