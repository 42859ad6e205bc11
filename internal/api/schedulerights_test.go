package api_test

import (
	"testing"

	"github.com/runsheet/runsheet/internal/access"
)

// TestEditNeedsTheRightToStart: jobs of schedules are made with the rights of an
// admin, so who may not start them must not say when they start either.
func TestEditNeedsTheRightToStart(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	want(t, p.call("POST", "/api/schedules", `{"name":"inline","job":`+echoJob+`,"cron":"0 9 * * *","execution_mode":"APPROVAL_REQUIRED"}`), 201, "")
	want(t, p.call("POST", "/api/schedules", `{"name":"templated","template_id":"hello","cron":"0 9 * * *"}`), 201, "")
	p.mint("timer", `{"name":"timer","roles":["author"],"scopes":["schedules:read","schedules:write"]}`)
	p.mint("starter", `{"name":"starter","roles":["author"],"scopes":["schedules:read","schedules:write","jobs:write"]}`)
	p.mint("hello-only", `{"name":"hello-only","roles":["author"],"templates":["hello"]}`)
	const soon, auto = `{"cron":"* * * * * *"}`, `{"execution_mode":"AUTO"}`
	for _, c := range []struct {
		as         access.Role
		name, body string
		status     int
	}{
		{"timer", "inline", soon, 403},
		{"timer", "templated", soon, 403},
		{"timer", "inline", auto, 403},
		{"starter", "inline", soon, 403},
		{"starter", "inline", auto, 403},
		{"hello-only", "inline", soon, 403},
		{"starter", "templated", soon, 200},
		{"hello-only", "templated", `{"cron":"*/5 * * * * *"}`, 200},
		{access.Author, "inline", `{"cron":"0 10 * * *"}`, 200},
	} {
		a := p.as(c.as, "PATCH", "/api/schedules/"+c.name, c.body)
		if a.StatusCode != c.status {
			t.Errorf("%s changes %s by %s: %d %s", c.as, c.name, c.body, a.StatusCode, a.body)
		}
	}
	want(t, p.as("timer", "PUT", "/schedules/inline", `{"cron_expression":"* * * * *"}`), 403, "forbidden")
}

// TestOwnTokensScheduleIsNotApproved: who lets a token of his make or run a schedule
// does not approve the job himself.
func TestOwnTokensScheduleIsNotApproved(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	p.mint("bot", `{"name":"bot","roles":["author"]}`)
	want(t, p.as("bot", "POST", "/api/schedules", `{"name":"asks","template_id":"hello","cron":"0 9 * * *","execution_mode":"APPROVAL_REQUIRED"}`), 201, "")
	want(t, p.as("bot", "POST", "/api/schedules/asks/run-now", `{}`), 201, "")
	a := want(t, p.call("GET", "/api/approvals", ""), 200, "").json(t)["items"].([]any)[0].(map[string]any)
	path, body := "/api/approvals/"+a["approval_id"].(string), `{"content_hash":"`+a["content_hash"].(string)+`"}`
	want(t, p.call("POST", path+"/approve", body), 403, "self_approval")
	want(t, p.as(access.Approver, "POST", path+"/approve", body), 200, "")
}

// TestCostlySchedules: what has no time to fire at is told at once. Each of these
// took minutes, for whoever listed the schedules, too.
func TestCostlySchedules(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	for name, timing := range map[string]string{
		"next":     `"trigger":{"type":"CRON","expression":"0 9 * * *"},"calendar":{"all_of":["XNYS",{"not":"XNYS"}]},"on_non_session":"next_session"`,
		"previous": `"trigger":{"type":"CRON","expression":"* * * * * *"},"calendar":{"all_of":["XNYS",{"not":"XNYS"}]},"on_non_session":"previous_session"`,
		"excluded": `"trigger":{"type":"CRON","expression":"* * * * * *"},"exclude":{"cron":["* * * * * *"],"calendars":[{"not":"XNYS"}]}`,
	} {
		made := want(t, p.call("POST", "/api/schedules", `{"name":"`+name+`","template_id":"hello","allow_never":true,`+timing+`}`), 201, "").json(t)
		if made["next_run_at"] != nil {
			t.Errorf("%s: %v", name, made["next_run_at"])
		}
		want(t, p.call("POST", "/api/schedules/"+name+"/backfill", `{"from":"0001-01-01T00:00:00Z","to":"2026-01-01T00:00:00Z","dry_run":true}`), 422, "invalid_input")
	}
	want(t, p.call("GET", "/api/schedules", ""), 200, "")
	want(t, p.call("GET", "/schedules", ""), 200, "")
}
