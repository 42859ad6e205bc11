package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/webhook"
	"github.com/runsheet/runsheet/internal/workflow"
)

// itemsOf are index and status of the items in an answer.
func itemsOf(t *testing.T, a answer) (out []string) {
	t.Helper()
	for _, x := range list(t, a) {
		out = append(out, fmt.Sprint(x["index"], " ", x["status"]))
	}
	return out
}

func TestItemsOfAMap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.addFlow()
	path := "/api/workflow-runs/" + f.id + "/nodes/each/items"
	want(t, b.call("GET", path, ""), 404, "not_found") // it has not begun
	f.begin(t).step(t, func(s *workflow.State) {
		s.Maps = map[string]workflow.MapState{"each": {
			Total: 7, Next: 3, Above: []int{4}, Begun: []int{5}, Failed: []workflow.FailedItem{{Index: 1, Code: "http_status", Message: "the server answered 500"}},
		}}
		s.Nodes["one"] = workflow.NodeState{Status: workflow.NodeCompleted}
	})
	all := []string{"0 completed", "1 failed", "2 completed", "3 pending", "4 completed", "5 running", "6 pending"}
	whole := want(t, b.as(access.Viewer, "GET", path, ""), 200, "")
	if diff := cmp.Diff(all, itemsOf(t, whole)); diff != "" {
		t.Error(diff)
	}
	v := whole.json(t)
	if v["total"] != 7.0 || v["processed"] != 4.0 || v["failed"] != 1.0 || v["next_cursor"] != nil {
		t.Errorf("%s", whole.body)
	}
	if one := list(t, whole)[1]; one["code"] != "http_status" || one["message"] != "the server answered 500" {
		t.Errorf("item %v", one)
	}
	var paged []string
	cursor := ""
	for range 4 {
		a := want(t, b.call("GET", path+"?limit=2"+cursor, ""), 200, "")
		paged = append(paged, itemsOf(t, a)...)
		cursor = "&cursor=" + a.text(t, "next_cursor")
	}
	if diff := cmp.Diff(all, paged); diff != "" || cursor != "&cursor=" {
		t.Error(diff, cursor)
	}
	for status, expect := range map[string][]string{
		"pending": {"3 pending", "6 pending"}, "running": {"5 running"}, "completed": {"0 completed", "2 completed", "4 completed"}, "failed": {"1 failed"},
	} {
		if diff := cmp.Diff(expect, itemsOf(t, b.call("GET", path+"?status="+status, ""))); diff != "" {
			t.Errorf("%s: %s", status, diff)
		}
	}
	want(t, b.call("GET", path+"?status=lost", ""), 400, "invalid_parameter")
	want(t, b.call("GET", path+"?limit=0", ""), 400, "invalid_parameter")
	want(t, b.call("GET", path+"?limit=201", ""), 400, "invalid_parameter")
	want(t, b.call("GET", path+"?cursor=x", ""), 400, "cursor_invalid")
	// A cursor of another list.
	other := b.addFlow()
	first := b.call("GET", path+"?limit=2", "").text(t, "next_cursor")
	want(t, b.call("GET", "/api/workflow-runs/"+other.id+"/nodes/each/items?limit=2&cursor="+first, ""), 404, "not_found")
	want(t, b.call("GET", path+"?limit=2&status=failed&cursor="+first, ""), 400, "cursor_invalid")
	want(t, b.call("GET", "/api/workflow-runs/"+f.id+"/nodes/one/items", ""), 404, "not_found")
	want(t, b.call("GET", "/api/workflow-runs/job_01jh0000000000000000000000/nodes/each/items", ""), 400, "wrong_id_type")
	want(t, b.call("GET", "/api/workflow-runs/wfrun_01jh0000000000000000000000/nodes/each/items", ""), 404, "not_found")
	want(t, b.as("stranger", "GET", path, ""), 404, "not_found")
	want(t, b.as("", "GET", path, ""), 401, "unauthorized")
}

// demoFake counts what is asked of it.
type demoFake struct {
	started, removed int
	fail             error
}

func (d *demoFake) Start(context.Context) (wire.Demo, error) {
	d.started++
	return wire.Demo{Templates: []string{"demo-hello"}, Jobs: []string{"job_1"}, Workflows: []string{"demo_pipeline"}}, d.fail
}

func (d *demoFake) Remove(_ context.Context, record func() error) error {
	d.removed++
	if err := record(); err != nil {
		return err
	}
	return d.fail
}

func TestDemo(t *testing.T) {
	t.Parallel()
	d := &demoFake{}
	b := setup(t, func(o *api.Options) { o.Demo = d })
	v := want(t, b.call("POST", "/api/demo", ""), 200, "").json(t)
	expect := map[string]any{"templates": []any{"demo-hello"}, "jobs": []any{"job_1"}, "workflows": []any{"demo_pipeline"}}
	if diff := cmp.Diff(expect, v); diff != "" {
		t.Error(diff)
	}
	if a := want(t, b.call("DELETE", "/api/demo", ""), 204, ""); len(a.body) != 0 {
		t.Errorf("%s", a.body)
	}
	// Nobody else reaches it: other roles, another tenant's administrator, nobody.
	for _, method := range []string{"POST", "DELETE"} {
		for _, role := range []access.Role{access.Viewer, access.Operator, access.Author, access.Approver} {
			want(t, b.as(role, method, "/api/demo", ""), 403, "forbidden")
		}
		want(t, b.as("stranger", method, "/api/demo", ""), 403, "forbidden")
		want(t, b.as("", method, "/api/demo", ""), 401, "unauthorized")
	}
	if d.started != 1 || d.removed != 1 {
		t.Errorf("started %d times, removed %d", d.started, d.removed)
	}
	// The record has who was let in, and nobody else.
	record := want(t, b.call("GET", "/api/audit?action=demo.add,demo.remove&sort=seq", ""), 200, "").json(t)
	if e := objects(t, record["items"]); len(e) != 2 || e[0]["action"] != "demo.add" || e[1]["action"] != "demo.remove" {
		t.Errorf("the record has %v", e)
	}
	d.fail = errors.New("the disk is on fire")
	if a := want(t, b.call("POST", "/api/demo", ""), 500, "internal_error"); strings.Contains(string(a.body), "fire") {
		t.Errorf("%s", a.body)
	}
	want(t, b.call("DELETE", "/api/demo", ""), 500, "internal_error")
	want(t, setup(t).call("DELETE", "/api/demo", ""), 404, "not_found")
}

func TestStorageIsOfTheTenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addJob(echoJob)
	c := b.claim()
	art := run.Artifact{
		ID: id.New(id.Artifact, start), Tenant: access.DefaultTenant, RunID: c.Run.ID, Name: "story.md", Size: 16, SHA256: strings.Repeat("ab", 32),
		MediaType: "text/plain", CreatedAt: start,
	}
	if err := b.store.Artifacts.Put(t.Context(), art, c.Run.Epoch, store.ArtifactLimits{}); err != nil {
		t.Fatal(err)
	}
	own := want(t, b.as(access.Viewer, "GET", "/api/storage", ""), 200, "").json(t)
	if own["artifact_bytes"] != 16.0 || own["artifact_count"] != 1.0 {
		t.Errorf("own %v", own)
	}
	if v := want(t, b.as("stranger", "GET", "/api/storage", ""), 200, "").json(t); v["artifact_bytes"] != 0.0 || v["artifact_count"] != 0.0 {
		t.Errorf("a stranger sees %v", v)
	}
	want(t, b.as("", "GET", "/api/storage", ""), 401, "unauthorized")
	want(t, b.call("GET", "/api/storage?x=1", ""), 400, "unknown_parameter")
	// Where there is nothing to show, the configuration is not found.
	want(t, b.call("GET", "/api/config", ""), 404, "not_found")
	for _, role := range []access.Role{access.Viewer, access.Author, access.Approver} {
		want(t, b.as(role, "GET", "/api/config", ""), 403, "forbidden")
	}
}

func TestCrontabPlanKnowsWhatIsThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	plan := func(role access.Role) map[string]any {
		t.Helper()
		return list(t, want(t, b.as(role, "POST", "/api/import/crontab", `{"text":"0 3 * * * /usr/bin/backup\n","prefix":"ann-"}`), 200, ""))[0]
	}
	name, _ := plan(access.Viewer)["name"].(string)
	want(t, b.call("POST", "/api/schedules",
		`{"name":"`+name+`","trigger":{"type":"CRON","expression":"0 3 * * *"},"job":{"job_type":"echo","params":{"text":"x"}}}`), 201, "")
	if one := plan(access.Viewer); one["status"] != "exists" {
		t.Errorf("own %v", one)
	}
	if one := plan("stranger"); one["status"] != "new" {
		t.Errorf("a stranger is told of another tenant's schedule: %v", one)
	}
	if n := len(list(t, b.as("stranger", "GET", "/api/schedules", ""))); n != 0 {
		t.Errorf("the plan made %d schedules", n)
	}
	v := list(t, want(t, b.call("POST", "/api/import/crontab", `{"text":"@reboot /bin/x\n0 3 30 2 * /bin/y\n"}`), 200, ""))
	if !strings.Contains(fmt.Sprint(v[0]["warnings"]), "when the server starts") || !strings.Contains(fmt.Sprint(v[1]["warnings"]), "never fires") || v[1]["next_run_at"] != nil {
		t.Errorf("warnings %v", v)
	}
	if n := len(list(t, want(t, b.call("POST", "/api/import/crontab", `{"text":"# nothing\n"}`), 200, ""))); n != 0 {
		t.Errorf("%d lines of a comment", n)
	}
	want(t, b.call("POST", "/api/import/crontab", `{}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/import/crontab", `{"text":"x","zone":"UTC"}`), 422, "unknown_field")
	want(t, b.as("", "POST", "/api/import/crontab", `{"text":"x"}`), 401, "unauthorized")
}

func TestScheduleFiresBounds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := want(t, b.call("POST", "/api/schedules",
		`{"name":"often","timezone":"UTC","trigger":{"type":"CRON","expression":"* * * * *"},"job":{"job_type":"echo","params":{"text":"x"}}}`), 201, "").text(t, "schedule_id")
	want(t, b.call("POST", "/api/schedules",
		`{"name":"daily","timezone":"UTC","trigger":{"type":"CRON","expression":"0 13 * * *"},"job":{"job_type":"echo","params":{"text":"x"}}}`), 201, "")
	v := want(t, b.as(access.Viewer, "GET", "/api/schedule-fires?schedule_id="+made, ""), 200, "").json(t)
	// 300 of one schedule; the list says that it has more.
	if s := objects(t, v["schedules"]); len(objects(t, v["items"])) != 300 || len(s) != 1 || s[0]["truncated"] != true || s[0]["name"] != "often" {
		t.Errorf("%d items of %v", len(objects(t, v["items"])), s)
	}
	at := func(from, to string) []string {
		t.Helper()
		var out []string
		for _, f := range objects(t, want(t, b.call("GET", "/api/schedule-fires?from="+from+"&to="+to, ""), 200, "").json(t)["items"]) {
			out = append(out, f["nominal_at"].(string))
		}
		return out
	}
	// From is part of it, to is not.
	if diff := cmp.Diff([]string{"2026-02-03T12:58:00Z", "2026-02-03T12:59:00Z"}, at("2026-02-03T12:58:00Z", "2026-02-03T13:00:00Z")); diff != "" {
		t.Error(diff)
	}
	// What is past is not in it.
	if got := at("2026-01-30T00:00:00Z", "2026-01-31T11:00:00Z"); len(got) != 0 {
		t.Errorf("in the past: %v", got)
	}
	if got := at("2026-01-30T00:00:00Z", "2026-01-31T12:02:00Z"); !slices.Equal(got, []string{"2026-01-31T12:00:00Z", "2026-01-31T12:01:00Z"}) {
		t.Errorf("from the past on: %v", got)
	}
	want(t, b.call("GET", "/api/schedule-fires?from=2026-02-03T12:00:00Z&to=2026-02-03T11:00:00Z", ""), 400, "invalid_parameter")
	want(t, b.call("GET", "/api/schedule-fires?from=2026-02-01T00:00:00Z&to=2026-04-05T00:00:00Z", ""), 400, "invalid_parameter")
	want(t, b.call("GET", "/api/schedule-fires?from=tomorrow", ""), 400, "invalid_parameter")
	if got := want(t, b.as("stranger", "GET", "/api/schedule-fires?schedule_id="+made, ""), 200, "").json(t); len(objects(t, got["items"])) != 0 || len(objects(t, got["schedules"])) != 0 {
		t.Errorf("a stranger sees %v", got)
	}
	want(t, b.as("", "GET", "/api/schedule-fires", ""), 401, "unauthorized")
}

// dead makes n deliveries to a webhook that were given up, and returns their ids, the
// newest first.
func (b *bundle) dead(hook string, n int) (ids []string) {
	b.t.Helper()
	for range n {
		b.clock.Advance(time.Second)
		ids = append(ids, want(b.t, b.call("POST", "/api/webhooks/"+hook+"/test", ""), 202, "").text(b.t, "delivery_id"))
	}
	slices.Reverse(ids)
	taken, err := b.store.Outbox.Take(b.t.Context(), store.TakeDeliveries{Limit: n, Lease: time.Minute, Policy: webhook.Default()})
	if err != nil || len(taken.Deliveries) != n {
		b.t.Fatalf("%d taken, %v", len(taken.Deliveries), err)
	}
	bad := webhook.Attempt{At: taken.Now, Duration: time.Millisecond, Status: 500, Code: webhook.CodeStatus, Message: "the receiver answered 500"}
	for _, d := range taken.Deliveries {
		judged := webhook.Default().Judge(d.Delivery, bad, taken.Now, 0)
		if judged.Status != webhook.Dead {
			b.t.Fatalf("a test that failed is %s", judged.Status)
		}
		if err := b.store.Outbox.Record(b.t.Context(), []store.Outcome{{Delivery: judged, Policy: webhook.Default()}})[0]; err != nil {
			b.t.Fatal(err)
		}
	}
	return ids
}

func TestRedeliverAllThatFailed(t *testing.T) {
	t.Parallel()
	clk := clocktest.New(start) // one for all: when a message is due is the store's
	s, err := sqlite.OpenMemory(t.Context(), clk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	b := setupOn(t, s, func(o *api.Options) { o.Clock = clk })
	b.clock = clk
	want(t, b.call("POST", "/api/webhooks", `{"name":"chat","url":"https://example.com/x","events":["*"]}`), 201, "")
	want(t, b.call("POST", "/api/webhooks", `{"name":"other","url":"https://example.com/y","events":["*"]}`), 201, "")
	ids := b.dead("chat", 3)
	b.dead("other", 1)
	const path, since = "/api/webhooks/chat/redeliver", `"since":"2026-01-01T00:00:00Z"`
	// Who may not, does not.
	want(t, b.as("stranger", "POST", path, `{`+since+`}`), 404, "not_found")
	want(t, b.as(access.Operator, "POST", path, `{`+since+`}`), 403, "forbidden")
	want(t, b.as("", "POST", path, `{`+since+`}`), 401, "unauthorized")
	want(t, b.call("POST", path, `{`+since+`,"limit":201}`), 422, "invalid_input")
	want(t, b.call("POST", path, `{`+since+`,"limit":-1}`), 422, "invalid_input")
	want(t, b.call("POST", path, `{"since":"yesterday"}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/webhooks/none/redeliver", `{`+since+`}`), 404, "not_found")
	want(t, b.call("POST", "/api/webhooks/job_01jh0000000000000000000000/redeliver", `{`+since+`}`), 400, "wrong_id_type")
	if n := len(list(t, b.call("GET", "/api/webhook-deliveries?status=dead", ""))); n != 4 {
		t.Fatalf("%d are dead, want 4", n)
	}
	redelivered := func(body string) (float64, []any, bool) {
		t.Helper()
		v := want(t, b.call("POST", path, body), 202, "").json(t)
		return v["redelivered"].(float64), v["items"].([]any), v["more"].(bool)
	}
	if n, _, more := redelivered(`{"since":"2036-01-01T00:00:00Z"}`); n != 0 || more {
		t.Errorf("%v made after the future, more = %v", n, more)
	}
	if n, items, more := redelivered(`{` + since + `,"limit":2}`); n != 2 || !more || !slices.Equal(items, []any{ids[0], ids[1]}) {
		t.Errorf("first %v %v, more = %v; want the newest two of %v", n, items, more, ids)
	}
	if n, items, more := redelivered(`{` + since + `}`); n != 1 || more || !slices.Equal(items, []any{ids[2]}) {
		t.Errorf("then %v %v, more = %v", n, items, more)
	}
	if n, _, _ := redelivered(`{` + since + `}`); n != 0 { // what is on its way is not sent twice
		t.Errorf("again %v", n)
	}
	for _, ref := range ids {
		if got := b.call("GET", "/api/webhook-deliveries/"+ref, "").text(t, "status"); got != "pending" {
			t.Errorf("%s is %s", ref, got)
		}
	}
	if left := list(t, b.call("GET", "/api/webhook-deliveries?status=dead", "")); len(left) != 1 {
		t.Errorf("another webhook's: %v", left)
	}
	if n := len(list(t, b.call("GET", "/api/audit?action=webhook.redeliver", ""))); n != 3 {
		t.Errorf("%d audit entries, want 3", n)
	}
}
