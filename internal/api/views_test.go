package api_test

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/crontab"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

func objects(t *testing.T, v any) []map[string]any {
	t.Helper()
	list, ok := v.([]any)
	if !ok {
		t.Fatalf("not a list: %v", v)
	}
	var out []map[string]any
	for _, x := range list {
		m, ok := x.(map[string]any)
		if !ok {
			t.Fatalf("not an object: %v", x)
		}
		out = append(out, m)
	}
	return out
}

func TestOverview(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addJob(echoJob)
	v := want(t, b.as(access.Viewer, "GET", "/api/overview", ""), 200, "").json(t)
	got := map[string]any{}
	for _, k := range []string{"paused", "queued", "running", "pending_approvals", "restored", "version"} {
		got[k] = v[k]
	}
	// The job was added after the start, so nothing was restored.
	if diff := cmp.Diff(map[string]any{"paused": false, "queued": 1.0, "running": 0.0, "pending_approvals": 0.0, "restored": 0.0, "version": "test"}, got); diff != "" {
		t.Error(diff)
	}
	if n, _ := v["seq"].(float64); n < 1 {
		t.Errorf("seq %v", v["seq"])
	}
	want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"hi"},"approval":{}}`), 201, "")
	want(t, b.call("POST", "/api/queue/pause", `{"reason":"lunch"}`), 200, "")
	v = b.call("GET", "/api/overview", "").json(t)
	if v["pending_approvals"] != 1.0 || v["paused"] != true || v["paused_reason"] != "lunch" {
		t.Errorf("overview %v", v)
	}
	if v := want(t, b.as("stranger", "GET", "/api/overview", ""), 200, "").json(t); v["queued"] != 0.0 || v["paused_reason"] != nil {
		t.Errorf("a stranger sees %v", v)
	}
}

func TestOverviewTellsWhatARestartBroughtBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addJob(echoJob)
	b.clock.Advance(time.Minute)
	again := setupOn(t, b.store, func(o *api.Options) { o.Clock = b.clock })
	for range 2 { // it stays when the queue changes
		if v := again.call("GET", "/api/overview", "").json(t); v["restored"] != 1.0 {
			t.Errorf("restored %v", v["restored"])
		}
		again.addJob(echoJob)
	}
}

func TestOverviewTellsWhatACrashInterrupted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if v := b.call("GET", "/api/overview", "").json(t)["interrupted"]; cmp.Diff(map[string]any{"failed": 0.0, "requeued": 0.0, "job_id": nil, "run_id": nil, "since": nil, "until": nil}, v) != "" {
		t.Errorf("nothing was interrupted, but %v", v)
	}
	since := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	again := setupOn(t, b.store, func(o *api.Options) {
		o.Interrupted = func(tenant string) queue.Interruptions {
			if tenant != access.DefaultTenant {
				return queue.Interruptions{}
			}
			return queue.Interruptions{Failed: 2, Requeued: 1, JobID: "job_1", RunID: "run_1", Since: since, Until: since.Add(time.Hour)}
		}
	})
	got := want(t, again.as(access.Viewer, "GET", "/api/overview", ""), 200, "").json(t)["interrupted"]
	if diff := cmp.Diff(map[string]any{"failed": 2.0, "requeued": 1.0, "job_id": "job_1", "run_id": "run_1", "since": "2026-03-01T09:00:00Z", "until": "2026-03-01T10:00:00Z"}, got); diff != "" {
		t.Error(diff)
	}
	if v, _ := again.as("stranger", "GET", "/api/overview", "").json(t)["interrupted"].(map[string]any); v["failed"] != 0.0 {
		t.Errorf("a stranger sees %v", v)
	}
}

func TestQueueShowsLocksAndWhenItIsDrained(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.call("PATCH", "/api/workers", `{"count":1}`), 200, "")
	for range 3 {
		b.addJob(`{"job_type":"echo","params":{"text":"x"}}`)
		c := b.claim()
		b.clock.Advance(10 * time.Second)
		b.finish(c)
	}
	b.addJob(`{"job_type":"echo","params":{"text":"x","model":"m"}}`)
	long := b.claim()
	held := b.addJob(`{"job_type":"echo","params":{"text":"held"},"hold":true}`)
	if v := want(t, b.call("GET", "/api/queue", ""), 200, "").json(t); v["drained_at"] != nil {
		t.Errorf("drained %v with a held job only", v["drained_at"])
	}
	want(t, b.call("POST", "/api/jobs/"+held+"/cancel", ""), 200, "")
	b.addJob(`{"job_type":"echo","params":{"text":"x","model":"m"}}`)
	b.clock.Advance(time.Second)
	v := want(t, b.call("GET", "/api/queue", ""), 200, "").json(t)
	one := objects(t, v["running"])[0]
	if diff := cmp.Diff([]any{"model:m"}, one["locks"]); diff != "" || one["typical_ms"] != 10000.0 {
		t.Errorf("%s%v", diff, one)
	}
	if n, _ := v["seq"].(float64); n < 1 || v["drained_at"] == nil || v["drained_range"] == nil {
		t.Errorf("seq %v, drained %v %v", v["seq"], v["drained_at"], v["drained_range"])
	}
	locks := list(t, b.call("GET", "/api/locks?include=waiters", ""))
	if w := objects(t, locks[0]["waiters"]); len(w) != 1 || w[0]["position"] != 0.0 || w[0]["job_id"] == nil {
		t.Errorf("waiters %v", w)
	}
	if _, there := list(t, b.call("GET", "/api/locks", ""))[0]["waiters"]; there {
		t.Error("waiters although nobody asked")
	}
	// One that is nothing like the others: what such jobs usually take is not known.
	b.clock.Advance(10 * time.Minute)
	b.finish(long)
	b.claim()
	b.clock.Advance(time.Minute)
	if one := objects(t, want(t, b.call("GET", "/api/queue", ""), 200, "").json(t)["running"])[0]; one["typical_ms"] != nil {
		t.Errorf("after runs of 10 s and of 10 minutes it usually takes %v ms", one["typical_ms"])
	}
}

func TestRunsIncluded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.call("PATCH", "/api/workers", `{"count":1}`), 200, "")
	for range 3 {
		b.addJob(echoJob)
		c := b.claim()
		b.clock.Advance(15 * time.Minute)
		b.finish(c)
	}
	v := want(t, b.call("GET", "/api/job-runs?include=histogram,typical&limit=1&bucket=1800", ""), 200, "").json(t)
	h, _ := v["histogram"].(map[string]any)
	bars := objects(t, h["bars"])
	if len(bars) != 2 || bars[0]["completed"] != 2.0 || bars[1]["completed"] != 1.0 || bars[0]["at"] != "2026-01-31T12:00:00Z" || h["complete"] != true {
		t.Errorf("histogram %v", h)
	}
	if ty := objects(t, v["typical"]); len(ty) != 1 || ty[0]["median_ms"] != 900000.0 || ty[0]["runs"] != 3.0 {
		t.Errorf("typical %v", ty)
	}
	// What is shown beside the items is no part of the list: later pages need not ask for it again.
	cursor, _ := v["next_cursor"].(string)
	if n := len(list(t, b.call("GET", "/api/job-runs?cursor="+url.QueryEscape(cursor), ""))); n != 2 {
		t.Errorf("%d runs on the second page", n)
	}
	v = want(t, b.call("GET", "/api/job-runs?include=histogram&status=FAILED&bucket=86400", ""), 200, "").json(t)
	if h, _ := v["histogram"].(map[string]any); len(h["bars"].([]any)) != 0 || h["bucket_ms"] != 86400000.0 {
		t.Errorf("histogram of failed runs %v", h)
	}
	want(t, b.call("GET", "/api/job-runs?include=everything", ""), 400, "invalid_parameter")
	if n := len(list(t, b.call("GET", "/api/job-runs?workflow_id=etl", ""))); n != 0 {
		t.Errorf("%d runs of a workflow that is not there", n)
	}
}

func TestJobHistory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.call("PATCH", "/api/workers", `{"count":1}`), 200, "")
	j := b.addJob(`{"job_type":"echo","params":{"text":"hi"},"hold":true}`)
	b.clock.Advance(time.Minute)
	want(t, b.call("POST", "/api/jobs/"+j+"/release", ""), 200, "")
	b.clock.Advance(time.Minute)
	c := b.claim()
	b.clock.Advance(time.Minute)
	b.finish(c)
	var types []string
	first := b.call("GET", "/api/jobs/"+j+"/events?limit=2", "")
	rest := b.call("GET", "/api/jobs/"+j+"/events?limit=2&cursor="+first.text(t, "next_cursor"), "")
	for _, e := range append(list(t, first), list(t, rest)...) {
		types = append(types, e["type"].(string))
	}
	if diff := cmp.Diff([]string{"job.queued", "job.released", "job.started", "job.run.completed"}, types); diff != "" {
		t.Error(diff)
	}
	v := want(t, b.call("GET", "/api/jobs/"+j+"/timeline", ""), 200, "").json(t)
	var kinds []string
	for _, s := range objects(t, v["segments"]) {
		kinds = append(kinds, s["kind"].(string)+" "+s["from"].(string)[11:19]+" "+s["to"].(string)[11:19])
	}
	if diff := cmp.Diff([]string{"queued 12:00:00 12:01:00", "queued 12:01:00 12:02:00", "running 12:02:00 12:03:00"}, kinds); diff != "" || v["complete"] != true {
		t.Error(diff, v["complete"])
	}
	want(t, b.as("stranger", "GET", "/api/jobs/"+j+"/events", ""), 404, "not_found")
	want(t, b.as("stranger", "GET", "/api/jobs/"+j+"/timeline", ""), 404, "not_found")
}

func TestDuplicate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addJob(`{"job_type":"echo","name":"n","params":{"text":"hi","model":"m"},"priority":2,"labels":{"a":"b"},"unique":{"by":["/text"]}}`)
	a := want(t, b.call("POST", "/api/jobs/"+j+"/duplicate", "", "Idempotency-Key", "k"), 201, "")
	v := a.json(t)
	if v["job_id"] == j || v["name"] != "n" || v["priority"] != 2.0 || v["trigger"] != "manual" || v["retry_of"] != nil || v["params"].(map[string]any)["text"] != "hi" {
		t.Errorf("duplicate %s", a.body)
	}
	if again := want(t, b.call("POST", "/api/jobs/"+j+"/duplicate", "", "Idempotency-Key", "k"), 201, ""); again.text(t, "job_id") != v["job_id"] {
		t.Error("the repetition made another job")
	}
	v = want(t, b.call("POST", "/api/jobs/"+j+"/duplicate", `{"params":{"text":"other"},"hold":true}`), 201, "").json(t)
	if v["params"].(map[string]any)["text"] != "other" || v["hold"] != true {
		t.Errorf("duplicate %v", v)
	}
	// Without a template the params are an author's.
	want(t, b.as(access.Operator, "POST", "/api/jobs/"+j+"/duplicate", `{"params":{"text":"other"}}`), 403, "forbidden")
	want(t, b.as(access.Operator, "POST", "/api/jobs/"+j+"/duplicate", ""), 201, "")
	want(t, b.as("stranger", "POST", "/api/jobs/"+j+"/duplicate", ""), 404, "not_found")
}

func TestParamsOfAWaitingJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addJob(`{"job_type":"echo","params":{"text":"hi","model":"m"},"locks":["gpu:0"]}`)
	path := "/api/jobs/" + j
	v := want(t, b.call("PATCH", path, `{"params":{"text":"ho","model":"n","times":2}}`), 200, "").json(t)
	if diff := cmp.Diff([]any{"gpu:0", "model:n"}, v["locks"]); diff != "" {
		t.Error(diff)
	}
	v = want(t, b.call("PATCH", path, `{"params":{"times":null},"name":"new"}`), 200, "").json(t)
	if diff := cmp.Diff(map[string]any{"text": "ho", "model": "n"}, v["params"]); diff != "" || v["name"] != "new" {
		t.Error(diff, v["name"])
	}
	if a := want(t, b.call("PATCH", path, `{"params":{"text":7}}`), 422, "invalid_input"); !strings.Contains(string(a.body), "/params/text") {
		t.Errorf("no pointer: %s", a.body)
	}
	want(t, b.call("PATCH", path, `{"params":null}`), 422, "invalid_input")
	want(t, b.as(access.Operator, "PATCH", path, `{"params":{"text":"x"}}`), 403, "forbidden")
	want(t, b.as(access.Operator, "PATCH", path, `{"name":"operators may"}`), 200, "")
	want(t, b.call("PATCH", "/api/workers", `{"count":1}`), 200, "")
	if c := b.claim(); string(c.Run.Params) != `{"model":"n","text":"ho"}` && !strings.Contains(string(c.Run.Params), `"ho"`) {
		t.Errorf("the attempt has %s", c.Run.Params)
	}
	asking := want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"hi"},"approval":{}}`), 201, "").text(t, "job_id")
	want(t, b.call("PATCH", "/api/jobs/"+asking, `{"params":{"text":"x"}}`), 422, "invalid_input")
	// Nor is what was approved changed afterwards.
	r := objects(t, want(t, b.call("GET", "/api/approvals", ""), 200, "").json(t)["items"])[0]
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+r["approval_id"].(string)+"/approve", `{"content_hash":"`+r["content_hash"].(string)+`"}`), 200, "")
	want(t, b.call("PATCH", "/api/jobs/"+asking, `{"params":{"text":"x"}}`), 422, "invalid_input")
	want(t, b.call("PATCH", "/api/jobs/"+asking, `{"name":"approved"}`), 200, "")
	// Nor is a step of a workflow, which may come after an approval in it.
	now := b.clock.Now()
	step := job.Job{
		ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Name: "step", Type: "echo", State: job.Queued, Version: 1, Params: []byte(`{"text":"x"}`),
		OnCrash: job.CrashFail, Priority: 5, Trigger: job.TriggerWorkflow, CreatedBy: "flow", CreatedAt: now, QueuedAt: now,
	}
	if _, err := b.store.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{step}}); err != nil {
		t.Fatal(err)
	}
	want(t, b.call("PATCH", "/api/jobs/"+step.ID, `{"params":{"text":"y"}}`), 422, "invalid_input")
}

func TestCrontabPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := `{"text":"# backup\n0 3 * * * /usr/bin/backup --all\nnonsense\nMAILTO=ann\n*/90 3 30 2 * ./x","prefix":"ann-","timezone":"Asia/Seoul"}`
	v := want(t, b.as(access.Viewer, "POST", "/api/import/crontab", body), 200, "").json(t)
	items := objects(t, v["items"])
	if len(items) != 3 || items[0]["status"] != "new" || items[1]["status"] != "unreadable" || items[0]["line"] != 2.0 || items[0]["next_run_at"] != "2026-01-31T18:00:00Z" {
		t.Fatalf("items %v", items)
	}
	in, _ := items[0]["schedule"].(map[string]any)
	if in["enabled"] != false || in["timezone"] != "Asia/Seoul" || !strings.HasPrefix(in["name"].(string), "ann-") {
		t.Errorf("schedule %v", in)
	}
	// What there is to say comes with a code, its values and the text.
	if d := cmp.Diff(map[string]any{
		"line": 3.0, "column": 9.0, "code": "fields_missing", "values": map[string]any{"count": "1"}, "text": "the time has 1 of 5 fields, or this is no setting",
	}, items[1]["problem"]); d != "" || items[1]["error"] != "line 3, column 9: the time has 1 of 5 fields, or this is no setting" || items[0]["problem"] != nil {
		t.Errorf("problem %s, %v", d, items[1])
	}
	var codes, texts []any
	for _, r := range objects(t, items[2]["remarks"]) {
		codes, texts = append(codes, r["code"]), append(texts, r["text"])
	}
	if d := cmp.Diff([]any{"step_too_large", "home_needed", "line_not_ended", "never_fires"}, codes); d != "" || !cmp.Equal(texts, items[2]["warnings"]) {
		t.Errorf("remarks %s, warnings %v", d, items[2]["warnings"])
	}
	if of := objects(t, v["remarks"]); len(of) != 1 || of[0]["code"] != "nothing_mailed" || of[0]["line"] != 4.0 {
		t.Errorf("of settings %v", of)
	}
	want(t, b.call("POST", "/api/import/crontab", `{"text":"0 3 * * * x","timezone":"Mars/Base"}`), 422, "zone_unknown")
}

// TestCrontabCodes: the document names every code.
func TestCrontabCodes(t *testing.T) {
	t.Parallel()
	f, _ := reflect.TypeFor[wire.CrontabRemark]().FieldByName("Code")
	var want []string
	for _, c := range crontab.Codes {
		want = append(want, string(c))
	}
	if d := cmp.Diff(want, strings.Split(f.Tag.Get("enum"), ",")); d != "" {
		t.Error(d)
	}
}

// TestWorkflowProblemCodes: the document names every code and every reason.
func TestWorkflowProblemCodes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{"Code": workflow.Codes, "Reason": workflow.Reasons} {
		f, _ := reflect.TypeFor[wire.WorkflowProblem]().FieldByName(name)
		if d := cmp.Diff(want, strings.Split(f.Tag.Get("enum"), ",")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestScheduleFires(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := func(name, cron string) string {
		return `{"name":"` + name + `","timezone":"UTC","trigger":{"type":"CRON","expression":"` + cron + `"},"job":{"job_type":"echo","params":{"text":"x"}}}`
	}
	want(t, b.call("POST", "/api/schedules", body("late", "0 20 * * *")), 201, "")
	want(t, b.call("POST", "/api/schedules", body("soon", "0 13 * * *")), 201, "")
	want(t, b.call("POST", "/api/schedules", strings.Replace(body("off", "0 14 * * *"), `{"name"`, `{"enabled":false,"name"`, 1)), 201, "")
	// Without a planner nothing is decided yet: those that run are due at once, in the
	// order of their names. The order by time is the store's, and tested there.
	var names []string
	cursor := ""
	for range 3 {
		a := want(t, b.call("GET", "/api/schedules?sort=next_run_at&include=next,results&limit=1"+cursor, ""), 200, "")
		one := list(t, a)[0]
		names = append(names, one["name"].(string))
		if n, _ := one["next"].([]any); one["name"] != "off" && len(n) != 3 {
			t.Errorf("next of %v: %v", one["name"], one["next"])
		}
		cursor = "&cursor=" + a.text(t, "next_cursor")
	}
	if diff := cmp.Diff([]string{"late", "soon", "off"}, names); diff != "" {
		t.Error(diff)
	}
	v := want(t, b.call("GET", "/api/schedule-fires?to=2026-02-02T00:00:00Z", ""), 200, "").json(t)
	var fires []string
	for _, f := range objects(t, v["items"]) {
		fires = append(fires, f["nominal_at"].(string))
	}
	if diff := cmp.Diff([]string{"2026-01-31T13:00:00Z", "2026-01-31T20:00:00Z", "2026-02-01T13:00:00Z", "2026-02-01T20:00:00Z"}, fires); diff != "" || v["complete"] != true {
		t.Error(diff, v["complete"])
	}
	if s := objects(t, v["schedules"]); len(s) != 2 || s[0]["name"] != "late" {
		t.Errorf("schedules %v", s)
	}
	want(t, b.call("GET", "/api/schedule-fires?to=2027-01-01T00:00:00Z", ""), 400, "invalid_parameter")
	if v := want(t, b.as("stranger", "GET", "/api/schedule-fires", ""), 200, "").json(t); len(v["items"].([]any)) != 0 {
		t.Errorf("a stranger sees %v", v)
	}
}

func TestApprovalsByExpiry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, life := range []string{"PT3H", "PT1H", "PT2H"} {
		want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"hi"},"approval":{"title":"`+life+`","expires_in":"`+life+`"}}`), 201, "")
	}
	var titles []string
	cursor := ""
	for range 3 {
		a := want(t, b.call("GET", "/api/approvals?status=PENDING&sort=expires_at&limit=1"+cursor, ""), 200, "")
		titles = append(titles, list(t, a)[0]["title"].(string))
		cursor = "&cursor=" + a.text(t, "next_cursor")
	}
	if diff := cmp.Diff([]string{"PT1H", "PT2H", "PT3H"}, titles); diff != "" {
		t.Error(diff)
	}
}

func TestWebhookRateAndRedelivery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := want(t, b.call("POST", "/api/webhooks", `{"name":"chat","url":"https://example.com/x","events":["*"]}`), 201, "").text(t, "webhook_id")
	want(t, b.call("POST", "/api/webhooks/chat/test", ""), 202, "")
	hooks := list(t, b.call("GET", "/api/webhooks?include=rate", ""))
	if rate, _ := hooks[0]["rate"].(map[string]any); rate["pending"] != 1.0 || rate["deliveries"] != 1.0 {
		t.Errorf("rate %v", hooks[0]["rate"])
	}
	v := want(t, b.call("POST", "/api/webhooks/"+h+"/redeliver", `{"since":"2026-01-01T00:00:00Z"}`), 202, "").json(t)
	if v["redelivered"] != 0.0 || v["more"] != false { // what is on its way is not sent twice
		t.Errorf("redelivered %v", v)
	}
	want(t, b.call("POST", "/api/webhooks/"+h+"/redeliver", `{}`), 422, "invalid_input")
	want(t, b.call("PATCH", "/api/webhooks/"+h, `{"enabled":false}`), 200, "")
	want(t, b.call("POST", "/api/webhooks/"+h+"/redeliver", `{"since":"2026-01-01T00:00:00Z"}`), 409, "webhook_disabled")
}

func TestConfigAndStorage(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) {
		o.Config = func() []wire.ConfigSetting {
			return []wire.ConfigSetting{{Key: "workers", Value: "1", Origin: "default"}, {Key: "data", Value: "x", Origin: "flag --data"}}
		}
	})
	items := list(t, want(t, b.call("GET", "/api/config", ""), 200, ""))
	if items[0]["hot"] != true || items[0]["change"] != "PATCH /api/workers" || items[1]["hot"] != false || items[1]["origin"] != "flag --data" {
		t.Errorf("config %v", items)
	}
	want(t, b.as(access.Operator, "GET", "/api/config", ""), 403, "forbidden")
	want(t, b.as("stranger", "GET", "/api/config", ""), 403, "forbidden")
	if v := want(t, b.as(access.Viewer, "GET", "/api/storage", ""), 200, "").json(t); v["engine"] == "" || v["artifact_bytes"] != 0.0 {
		t.Errorf("storage %v", v)
	}
	want(t, b.call("POST", "/api/demo", ""), 404, "not_found")
	want(t, b.as(access.Operator, "POST", "/api/demo", ""), 403, "forbidden")
}

// TestLogBackwards reads a log from its end towards its beginning.
func TestLogBackwards(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addJob(echoJob)
	c := b.claim()
	path := "/api/job-runs/" + c.Run.ID + "/logs"
	w, err := b.logs.Writer(c.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	whole := ""
	for i := range 7 {
		line := strings.Repeat("x", i) + "\x1b[31m!\x1b[0m\n"
		whole += line
		if _, err := w.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	got, target := "", path+"?raw=true&tail=3"
	for range 3 {
		a := want(t, b.call("GET", target, ""), 200, "")
		from := a.Header.Get("Runsheet-Log-From")
		got = string(a.body) + got
		target = path + "?raw=true&tail=3&before=" + from
		if from == "0" {
			break
		}
	}
	if got != whole {
		t.Errorf("read %q, want %q", got, whole)
	}
	if a := want(t, b.call("GET", path+"?tail=1&before=0", ""), 200, ""); len(a.body) != 0 {
		t.Errorf("before the beginning: %q", a.body)
	}
	if a := want(t, b.call("GET", path+"?tail=1&before=9999", ""), 200, ""); string(a.body) != "xxxxxx!\n" {
		t.Errorf("before what is beyond the end: %q", a.body)
	}
	want(t, b.call("GET", path+"?follow=true&before=3", ""), 400, "invalid_parameter")
}

// TestParamsThatMakeEquals: a change of params does not get around the uniqueness that
// the template asks for.
func TestParamsThatMakeEquals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.call("POST", "/api/job-templates", `{"name":"one","job_type":"echo","params":{"text":"a"},"unique":{"by":["/text"]}}`), 201, "")
	first := b.addJob(`{"template_id":"one"}`)
	second := b.addJob(`{"template_id":"one","params":{"text":"b"}}`)
	a := want(t, b.call("PATCH", "/api/jobs/"+second, `{"params":{"text":"a"}}`), 409, "not_unique")
	if a.Header.Get("Location") != "/api/jobs/"+first {
		t.Errorf("location %q", a.Header.Get("Location"))
	}
	// What it is already is no obstacle, and what is free is taken.
	want(t, b.call("PATCH", "/api/jobs/"+second, `{"params":{"text":"b"},"name":"n"}`), 200, "")
	want(t, b.call("PATCH", "/api/jobs/"+second, `{"params":{"text":"c"}}`), 200, "")
	want(t, b.call("POST", "/api/jobs", `{"template_id":"one","params":{"text":"c"}}`), 409, "not_unique")
	want(t, b.call("POST", "/api/jobs", `{"template_id":"one","params":{"text":"b"}}`), 201, "")
}

// TestLostPersonsFindThePages: a browser that asks for what is not there gets a page
// with a link, a program the problem document; below /api everybody gets the latter.
func TestLostPersonsFindThePages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const html = "text/html,application/xhtml+xml,*/*;q=0.8"
	page := b.call("GET", "/foo", "", "Accept", html)
	if page.StatusCode != 404 || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(page.body), `href="/ui/"`) || !strings.Contains(string(page.body), "nothing here") {
		t.Errorf("a browser sees %d %s", page.StatusCode, page.body)
	}
	if korean := b.call("GET", "/foo", "", "Accept", html, "Accept-Language", "ko-KR,ko;q=0.9"); !strings.Contains(string(korean.body), `lang="ko"`) {
		t.Errorf("in Korean: %s", korean.body)
	}
	want(t, b.call("GET", "/foo", ""), 404, "not_found")
	want(t, b.call("POST", "/foo", "", "Accept", html), 404, "not_found")
	want(t, b.call("GET", "/api/foo", "", "Accept", html), 404, "not_found")
}
