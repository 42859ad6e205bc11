package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// TestAutomaticRetries: never more than three attempts, each a run, each waiting
// at the old place; by hand as often as a person wants.
func TestAutomaticRetries(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		for _, n := range []string{"0", "4"} {
			a := want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"a"},"retry_policy":{"max_attempts":`+n+`}}`), 422, "invalid_input")
			if pointerOf(t, a) != "/retry_policy/max_attempts" {
				t.Errorf("%s", a.body)
			}
			want(t, b.call("POST", "/api/job-templates", `{"name":"x","job_type":"echo","retry_policy":{"max_attempts":`+n+`}}`), 422, "invalid_input")
		}
		ahead := b.addJob(`{"name":"ahead","job_type":"echo","params":{"text":"a"},"hold":true}`)
		j := b.addJob(`{"job_type":"echo","params":{"text":"a"},"retry_policy":{"max_attempts":3,"backoff":"fixed","initial":"PT10S"}}`)
		behind := b.addJob(`{"name":"behind","job_type":"echo","params":{"text":"a"},"hold":true}`)
		for attempt := 1; attempt <= 3; attempt++ {
			c := b.claim()
			if c.Job.ID != j || c.Run.Attempt != attempt {
				t.Fatalf("claimed %s, attempt %d", c.Job.ID, c.Run.Attempt)
			}
			b.fail(c, "exit_nonzero")
			v := b.get(j)
			if attempt == 3 {
				if v["status"] != "FAILED" || v["waiting"] != nil {
					t.Fatalf("after the last attempt: %v", v)
				}
				break
			}
			until := b.clock.Now().Add(10 * time.Second).Format(time.RFC3339)
			if v["status"] != "QUEUED" || v["position"] != 1.0 || v["run_at"] != until {
				t.Fatalf("after attempt %d: %v", attempt, v)
			}
			if len(b.tryClaim(1)) != 0 {
				t.Fatal("it started before its delay was over")
			}
			b.clock.Advance(10 * time.Second)
		}
		runs := list(t, b.call("GET", "/api/job-runs?job_id="+j+"&sort=started_at", ""))
		if len(runs) != 3 || runs[0]["attempt"] != 1.0 || runs[2]["attempt"] != 3.0 || runs[2]["status"] != "FAILED" {
			t.Errorf("runs %v", runs)
		}
		last := runs[2]["run_id"].(string)
		made := map[string]bool{}
		for range 5 {
			v := want(t, b.call("POST", "/api/job-runs/"+last+"/retry", ""), 201, "").json(t)
			if v["retry_of"] != last || v["attempt"] != 0.0 || v["trigger"] != "retry" {
				t.Errorf("retry %v", v)
			}
			made[v["job_id"].(string)] = true
		}
		if len(made) != 5 || b.get(ahead)["position"] != 0.0 || b.get(behind)["position"] != 1.0 {
			t.Errorf("%d new jobs; ahead %v behind %v", len(made), b.get(ahead)["position"], b.get(behind)["position"])
		}
	})
}

// TestRetryOnlyOnNamedCodes: other failures end the job.
func TestRetryOnlyOnNamedCodes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const body = `{"job_type":"echo","params":{"text":"a"},"retry_policy":{"max_attempts":3,"on":["timeout"],"initial":"PT1S"}}`
	once := b.addJob(body)
	b.fail(b.claim(), "exit_nonzero")
	if v := b.get(once); v["status"] != "FAILED" || v["attempt"] != 1.0 {
		t.Errorf("%v", v)
	}
	again := b.addJob(body)
	b.fail(b.claim(), "timeout")
	if v := b.get(again); v["status"] != "QUEUED" || waitingCode(v) != "retry_delay" {
		t.Errorf("%v", v)
	}
	// A person may end the delay, or the job.
	if v := want(t, b.call("PATCH", "/api/jobs/"+again, `{"run_at":null}`), 200, "").json(t); waitingCode(v) == "retry_delay" {
		t.Errorf("%v", v)
	}
	b.fail(b.claim(), "timeout")
	v := want(t, b.call("POST", "/api/jobs/"+again+"/cancel", ""), 200, "").json(t)
	if v["status"] != "CANCELLED" || v["attempt"] != 2.0 {
		t.Errorf("cancelled in the delay: %v", v)
	}
	b.clock.Advance(time.Hour)
	if c := b.tryClaim(5); len(c) != 0 {
		t.Errorf("a cancelled job started: %+v", c)
	}
}

// TestRetryWithChanges: some of a repeated job can be changed; what follows from
// the params follows from the new ones.
func TestRetryWithChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.call("POST", "/api/job-templates", `{"name":"s","job_type":"echo","params":{"text":"a","model":"m1","times":1},"locks":["own"],
		"params_schema":{"properties":{"times":{"maximum":5}}},"limits":{"key":["times"]},"unique":{"by":["times"]},"start_deadline":"PT1H"}`), 201, "")
	j := b.addJob(`{"template_id":"s"}`)
	c := b.claim()
	b.finish(c)
	want(t, b.call("PATCH", "/api/job-templates/s", `{"locks":["other"],"unique":null}`), 200, "")
	old, path := b.get(j), "/api/job-runs/"+c.Run.ID+"/retry"
	same := want(t, b.call("POST", path, ""), 201, "").json(t)
	for _, k := range []string{"params", "locks", "limits", "unique_key", "template_version", "name", "labels", "retry_policy", "crash_policy"} {
		if d := cmp.Diff(old[k], same[k]); d != "" {
			t.Errorf("%s: %s", k, d)
		}
	}
	v := want(t, b.call("POST", path, `{"params":{"times":4,"model":"m2"},"priority":1,"hold":true,"run_at":"2026-02-01T00:00:00Z","start_deadline":"PT1H"}`), 201, "").json(t)
	got := map[string]any{}
	for _, k := range []string{"params", "locks", "priority", "hold", "run_at", "start_deadline"} {
		got[k] = v[k]
	}
	if d := cmp.Diff(map[string]any{
		"params": map[string]any{"text": "a", "model": "m2", "times": 4.0}, "locks": []any{"model:m2", "own"}, "priority": 1.0, "hold": true,
		"run_at": "2026-02-01T00:00:00Z", "start_deadline": "2026-02-01T01:00:00Z",
	}, got); d != "" {
		t.Error(d)
	}
	if v["unique_key"] == nil || v["unique_key"] == old["unique_key"] {
		t.Errorf("unique_key %v, was %v", v["unique_key"], old["unique_key"])
	}
	want(t, b.call("POST", path, `{"params":{"times":6}}`), 422, "invalid_input")
	want(t, b.call("POST", path, `{"params":{"text":"forbidden"}}`), 422, "command_not_allowed")
	want(t, b.call("POST", path, `{"name":"x"}`), 422, "unknown_field")
	want(t, b.as(access.Operator, "POST", path, `{"params":{"times":2}}`), 201, "")
	want(t, b.as(access.Operator, "POST", path, `{"params":{"model":"mine"}}`), 403, "forbidden")
	b.addJob(`{"job_type":"echo","params":{"text":"a"},"priority":1}`)
	c = b.claim()
	b.finish(c)
	inline := "/api/job-runs/" + c.Run.ID + "/retry"
	want(t, b.as(access.Operator, "POST", inline, ""), 201, "")
	want(t, b.as(access.Operator, "POST", inline, `{"params":{"text":"b"}}`), 403, "forbidden")
	got2 := make(chan answer, 1)
	go func() { got2 <- b.call("POST", inline, `{"priority":0}`, "Prefer", "wait=30") }()
	b.waitFor(func() bool { return b.clock.Timers() > 0 })
	b.finish(b.claim())
	b.tick(got2)
	if a := want(t, <-got2, 201, ""); a.text(t, "status") != "COMPLETED" {
		t.Errorf("waited %s", a.body)
	}
}

// TestCancelIsTrue: what waits is cancelled at once, what runs when it has ended.
func TestCancelIsTrue(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		j := b.addJob(echoJob)
		path := "/api/jobs/" + j + "/cancel"
		if v := want(t, b.call("POST", path, ""), 200, "").json(t); v["status"] != "CANCELLED" || v["cancelled_by"] != "admin" || v["run_id"] != nil {
			t.Errorf("%v", v)
		}
		want(t, b.call("POST", path, ""), 409, "already_finished")
		j = b.addJob(`{"job_type":"echo","params":{"text":"a"},"retry_policy":{"max_attempts":3}}`)
		path = "/api/jobs/" + j + "/cancel"
		c := b.claim()
		for i, role := range []access.Role{access.Admin, access.Operator} {
			v := want(t, b.as(role, "POST", path, ""), 202, "").json(t)
			if v["status"] != "RUNNING" || v["cancelled_by"] != "admin" || v["cancel_requested_at"] == nil {
				t.Errorf("cancel %d: %v", i+1, v)
			}
		}
		b.fail(c, "cancelled")
		if v := b.get(j); v["status"] != "CANCELLED" || v["error"] != nil || v["attempt"] != 1.0 {
			t.Errorf("%v", v)
		}
		want(t, b.call("POST", path, ""), 409, "already_finished")
		r := want(t, b.call("GET", "/api/job-runs/"+c.Run.ID, ""), 200, "").json(t)
		if e, _ := r["error"].(map[string]any); r["status"] != "FAILED" || e["code"] != "cancelled" {
			t.Errorf("run %v", r)
		}
		// Cancelled while its server is dead: its end shows only when it was rescued.
		j = b.addJob(`{"job_type":"echo","params":{"text":"a"},"crash_policy":"retry"}`)
		c = b.claim()
		want(t, b.call("POST", "/api/jobs/"+j+"/cancel", ""), 202, "")
		if s := b.get(j)["status"]; s != "RUNNING" {
			t.Errorf("status %v", s)
		}
		b.crash(c)
		if v := b.get(j); v["status"] != "CANCELLED" {
			t.Errorf("after the rescue: %v", v)
		}
	})
}

func TestCrashPolicies(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		for _, c := range []struct {
			fields, policy, status, code string
		}{
			{``, "fail", "FAILED", "interrupted"}, // the type's own
			{`,"crash_policy":"fail"`, "fail", "FAILED", "interrupted"},
			{`,"crash_policy":"ask"`, "ask", "FAILED", "outcome_unknown"},
			{`,"crash_policy":"retry"`, "retry", "QUEUED", "interrupted"},
			{`,"retry_on_restart":true`, "retry", "QUEUED", "interrupted"},
			{`,"retry_on_restart":false,"crash_policy":"fail"`, "fail", "FAILED", "interrupted"},
		} {
			j := b.addJob(`{"job_type":"echo","params":{"text":"a"},"priority":1` + c.fields + `}`)
			b.crash(b.claim())
			v := b.get(j)
			e, _ := v["error"].(map[string]any)
			if v["crash_policy"] != c.policy || v["status"] != c.status || e["code"] != c.code || v["retry_on_restart"] != (c.policy == "retry") {
				t.Errorf("%s: %v", c.fields, v)
			}
			if c.status == "QUEUED" {
				want(t, b.call("POST", "/api/jobs/"+j+"/cancel", ""), 200, "")
			}
		}
		a := want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"a"},"crash_policy":"retry","retry_on_restart":false}`), 422, "invalid_input")
		if pointerOf(t, a) != "/retry_on_restart" {
			t.Errorf("%s", a.body)
		}
		tm := "/api/job-templates/" + want(t, b.call("POST", "/api/job-templates", `{"name":"orders","job_type":"echo","params":{"text":"a"},"crash_policy":"ask"}`), 201, "").text(t, "template_id")
		// Somebody has to look: who may only start it cannot say otherwise.
		want(t, b.as(access.Operator, "POST", "/api/jobs", `{"template_id":"orders","retry_on_restart":true}`), 403, "forbidden")
		want(t, b.as(access.Operator, "POST", "/api/jobs", `{"template_id":"orders","crash_policy":"ask"}`), 201, "")
		want(t, b.as(access.Author, "POST", "/api/jobs", `{"template_id":"orders","crash_policy":"fail"}`), 201, "")
		for _, c := range []struct {
			patch  string
			policy any
		}{
			{`{"priority":6}`, "ask"},
			{`{"retry_on_restart":true}`, "retry"},
			{`{"crash_policy":"fail"}`, "fail"},
			{`{"crash_policy":"ask"}`, "ask"},
			{`{"crash_policy":null}`, nil},
		} {
			if v := want(t, b.call("PATCH", tm, c.patch), 200, "").json(t); v["crash_policy"] != c.policy {
				t.Errorf("%s: %v", c.patch, v["crash_policy"])
			}
		}
		want(t, b.call("PATCH", tm, `{"crash_policy":"ask","retry_on_restart":true}`), 422, "invalid_input")
	})
}

// TestPoison: three crashes in a row hold a job, unless it got further between
// them. A release begins to count anew.
func TestPoison(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		j := b.addJob(`{"job_type":"echo","params":{"text":"a"},"crash_policy":"retry"}`)
		crash := func(checkpoint bool) map[string]any {
			t.Helper()
			c := b.claim()
			if checkpoint {
				if err := b.store.Runs.SaveCheckpoint(t.Context(), store.Checkpoint{JobID: j, RunID: c.Run.ID, Epoch: c.Run.Epoch, Data: []byte("x"), At: start}); err != nil {
					t.Fatal(err)
				}
			}
			b.crash(c)
			return b.get(j)
		}
		for i, checkpoint := range []bool{false, false, true, false} {
			if v := crash(checkpoint); v["hold"] != false {
				t.Fatalf("held after crash %d: %v", i+1, v)
			}
		}
		v := crash(false)
		if w, _ := v["waiting"].(map[string]any); v["hold"] != true || w["code"] != "held" || w["held_by"] != nil || w["reason"] != nil || !strings.Contains(w["detail"].(string), "crashed 3 times") {
			t.Fatalf("not held: %v", v)
		}
		if len(b.tryClaim(1)) != 0 {
			t.Fatal("a poisoned job started")
		}
		want(t, b.call("POST", "/api/jobs/"+j+"/release", ""), 200, "")
		if v := crash(false); v["hold"] != false || v["attempt"] != 6.0 {
			t.Errorf("after the release: %v", v)
		}
	})
}

func TestEditWaitingJob(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		j := b.addJob(`{"name":"a","job_type":"echo","params":{"text":"a"},"timeout":"PT1M"}`)
		b.addJob(echoJob)
		path := "/api/jobs/" + j
		v := want(t, b.call("PATCH", path, `{"name":"b","timeout":"PT5M","priority":7,"labels":{"k":"v"},"run_at":"2099-02-01T00:00:00Z","start_deadline":"PT1H"}`), 200, "").json(t)
		got := map[string]any{}
		for _, k := range []string{"name", "timeout", "priority", "labels", "run_at", "start_deadline", "position", "status"} {
			got[k] = v[k]
		}
		if d := cmp.Diff(map[string]any{
			"name": "b", "timeout": "PT5M", "priority": 7.0, "labels": map[string]any{"k": "v"}, "run_at": "2099-02-01T00:00:00Z",
			"start_deadline": "2099-02-01T01:00:00Z", "position": 1.0, "status": "QUEUED",
		}, got); d != "" {
			t.Error(d)
		}
		if waitingCode(v) != "not_before" || len(list(t, b.call("GET", "/api/jobs?q=B", ""))) != 1 {
			t.Errorf("%v", v)
		}
		for patch, at := range map[string]string{
			`{"start_deadline":"2026-01-31T12:00:00Z"}`: "/start_deadline",
			`{"run_at":"2099-02-01T01:00:00Z"}`:         "/start_deadline", // later than its deadline
			`{"name":null}`:                             "/name",
			`{"name":""}`:                               "/name",
			`{"timeout":"PT0S"}`:                        "/timeout",
			`{"run_at":"soon"}`:                         "/run_at",
		} {
			if a := b.call("PATCH", path, patch); a.StatusCode != 422 || pointerOf(t, a) != at {
				t.Errorf("%s: %d %s", patch, a.StatusCode, a.body)
			}
		}
		want(t, b.call("PATCH", path, `{"locks":["gpu:0"]}`), 422, "unknown_field")
		v = want(t, b.call("PATCH", path, `{"run_at":null,"start_deadline":null,"timeout":null,"priority":1}`), 200, "").json(t)
		if v["run_at"] != nil || v["start_deadline"] != nil || v["timeout"] != nil || v["name"] != "b" || v["position"] != 0.0 {
			t.Errorf("%v", v)
		}
		c := b.claim()
		if c.Job.ID != j || c.Job.Timeout != 0 || c.Run.JobName != "b" {
			t.Errorf("claimed %+v", c.Job)
		}
		want(t, b.call("PATCH", path, `{"priority":1}`), 409, "conflict")
		b.crash(c)
		want(t, b.call("PATCH", path, `{"priority":1}`), 409, "already_finished")
		j = b.addJob(`{"job_type":"echo","params":{"text":"a"},"priority":0,"retry_policy":{"max_attempts":2},"start_deadline":"PT1M"}`)
		b.fail(b.claim(), "x")
		want(t, b.call("PATCH", "/api/jobs/"+j, `{"start_deadline":"PT1H"}`), 422, "invalid_input") // it has started once
		want(t, b.call("PATCH", "/api/jobs/"+j, `{"name":"c"}`), 200, "")
	})
}

// TestRunTells: a run has every field, and what is unknown is null.
func TestRunTells(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		want(t, b.call("POST", "/api/job-templates", `{"name":"s","job_type":"echo","params":{"text":"a"},"labels":{"k":"v"}}`), 201, "")
		j := b.addJob(`{"template_id":"s","trigger":"manual"}`)
		b.clock.Advance(90 * time.Second)
		c := b.claim()
		path := "/api/job-runs/" + c.Run.ID
		r := want(t, b.call("GET", path, ""), 200, "").json(t)
		tokens := map[string]any{"prompt": nil, "completion": nil, "by_model": map[string]any{}}
		expect := map[string]any{
			"run_id": c.Run.ID, "job_id": j, "name": "s", "job_type": "echo", "template_id": c.Job.TemplateID, "template_version": 1.0, "status": nil,
			"active": true, "attempt": 1.0, "trigger": "manual", "created_by": "admin", "retry_of": nil, "group_id": nil, "waited_for": []any{},
			"schedule_id": nil, "nominal_at": nil, "due_at": nil, "decided_at": nil, "source": nil, "schedule_version": nil, "timezone": nil,
			"calendar_version": nil, "data_interval": nil,
			"directive": nil, "directive_snapshot": nil,
			"params": map[string]any{"text": "a"}, "labels": map[string]any{"k": "v"}, "created_at": "2026-01-31T12:00:00Z", "queued_at": "2026-01-31T12:00:00Z",
			"started_at": "2026-01-31T12:01:30Z", "finished_at": nil, "queue_wait_ms": 90000.0, "duration_ms": nil, "instance_id": c.Run.Instance,
			"pid": nil, "exit_code": nil, "error": nil, "reason": nil, "progress": nil, "tokens": tokens, "outputs": map[string]any{}, "artifacts": map[string]any{},
			"log_url": path + "/logs", "log_bytes": 0.0, "log_truncated": false, "report_markdown": nil, "report_json": nil,
		}
		if d := cmp.Diff(expect, r); d != "" {
			t.Error(d)
		}
		seven, nine, code := int64(7), int64(9), 3
		b.clock.Advance(time.Second)
		b.end(c, job.Broke{At: b.clock.Now(), Failure: job.Failure{Code: "exit_nonzero", Message: "exit code 3"}}, run.Broke{
			At: b.clock.Now(), Failure: run.Failure{Code: "exit_nonzero", Message: "exit code 3"}, Result: run.Result{
				ExitCode: &code, Outputs: map[string]string{"loss": "0.1"}, Progress: run.Progress{Stage: "load", Done: 2}, LogBytes: 5, LogTruncated: true,
				Tokens: &run.Tokens{ByModel: map[string]run.ModelTokens{"m": {Prompt: &seven, Completion: &nine}, "n": {Prompt: &nine}}},
			},
		})
		r = want(t, b.call("GET", path, ""), 200, "").json(t)
		for k, v := range map[string]any{
			"status": "FAILED", "active": false, "finished_at": "2026-01-31T12:01:31Z", "duration_ms": 1000.0, "exit_code": 3.0,
			"error": map[string]any{"code": "exit_nonzero", "message": "exit code 3"}, "outputs": map[string]any{"loss": "0.1"},
			"progress": map[string]any{"stage": "load", "done": 2.0, "total": nil}, "log_bytes": 5.0, "log_truncated": true,
			// One model's completion is unknown, so their sum is.
			"tokens": map[string]any{"prompt": 16.0, "completion": nil, "by_model": map[string]any{
				"m": map[string]any{"prompt": 7.0, "completion": 9.0}, "n": map[string]any{"prompt": 9.0, "completion": nil},
			}},
		} {
			if d := cmp.Diff(v, r[k]); d != "" {
				t.Errorf("%s: %s", k, d)
			}
		}
	})
}

func TestWhoHolds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addJob(`{"job_type":"echo","params":{"text":"a"},"hold":true}`)
	waits := func(by, reason any) {
		t.Helper()
		w, _ := b.get(j)["waiting"].(map[string]any)
		if w["code"] != "held" || w["held_by"] != by || w["reason"] != reason || w["detail"] == "" {
			t.Errorf("%v", w)
		}
	}
	waits("admin", nil)
	for _, given := range []struct {
		body   string
		reason any
	}{{``, nil}, {`{"reason":"wait for the data"}`, "wait for the data"}} {
		want(t, b.call("POST", "/api/jobs/"+j+"/release", ""), 200, "")
		if w, _ := b.get(j)["waiting"].(map[string]any); w["held_by"] != nil || w["reason"] != nil {
			t.Errorf("not held: %v", w)
		}
		want(t, b.call("POST", "/api/jobs/"+j+"/hold", given.body), 200, "")
		waits("admin", given.reason)
	}
	want(t, b.call("POST", "/api/jobs/"+j+"/release", ""), 200, "")
	want(t, b.call("POST", "/api/jobs/bulk", `{"job_ids":["`+j+`"],"action":"hold"}`), 200, "")
	waits("admin", nil)
}
