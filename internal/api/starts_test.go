package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// onBoth runs f on each database.
func onBoth(t *testing.T, f func(t *testing.T, b *bundle)) {
	t.Helper()
	open := map[string]func(t *testing.T) (store.Store, error){
		"sqlite": func(t *testing.T) (store.Store, error) { return sqlite.OpenMemory(t.Context(), clocktest.New(start)) },
		"postgres": func(t *testing.T) (store.Store, error) {
			return postgres.Open(t.Context(), postgres.Options{URL: testsvc.Postgres(t), AllowUnsafe: true, MaxConns: 4})
		},
	}
	for name, f2 := range open {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := f2(t)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Health.Close(); err != nil {
					t.Error(err)
				}
			})
			f(t, setupOn(t, s))
		})
	}
}

// tryClaim starts what may start now, at most room jobs, on a fresh instance.
func (b *bundle) tryClaim(room int) []store.Claimed {
	b.t.Helper()
	ctx := b.t.Context()
	inst := store.Instance{ID: id.New(id.Instance, b.clock.Now()), HostID: id.New(id.Instance, start), Hostname: "h", StartedAt: start}
	if err := b.store.Leases.Register(ctx, inst, 1000*time.Hour); err != nil {
		b.t.Fatal(err)
	}
	c, err := b.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: inst.ID, Now: b.clock.Now(), Room: room, Decide: claim.Decide})
	if err != nil {
		b.t.Fatal(err)
	}
	return c.Started
}

func (b *bundle) slots(n int) {
	b.t.Helper()
	if _, err := b.store.Queue.Scale(b.t.Context(), store.Scale{Workers: n, Tenant: access.DefaultTenant, At: start}); err != nil {
		b.t.Fatal(err)
	}
}

// end ends an attempt by an event of the job.
func (b *bundle) end(c store.Claimed, forJob, forRun any) job.Job {
	b.t.Helper()
	j, err := b.store.Jobs.Job(b.t.Context(), c.Job.Tenant, c.Job.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	jc, err := job.Apply(j, forJob)
	if err != nil {
		b.t.Fatal(err)
	}
	rc, err := run.Apply(c.Run, forRun)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Jobs.Finish(b.t.Context(), []store.Finish{{Job: jc, Run: rc}})[0]; err != nil {
		b.t.Fatal(err)
	}
	return jc.After
}

func (b *bundle) fail(c store.Claimed, code string) job.Job {
	b.t.Helper()
	f := job.Failure{Code: code, Message: "no luck"}
	return b.end(c, job.Broke{At: b.clock.Now(), Failure: f}, run.Broke{At: b.clock.Now(), Failure: f})
}

func (b *bundle) crash(c store.Claimed) job.Job {
	b.t.Helper()
	j, err := b.store.Jobs.Job(b.t.Context(), c.Job.Tenant, c.Job.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.end(c, job.Interrupted{At: b.clock.Now()}, run.Broke{At: b.clock.Now(), Failure: job.CrashFailure(j)})
}

func (b *bundle) get(jobID string) map[string]any {
	b.t.Helper()
	return want(b.t, b.call("GET", "/api/jobs/"+jobID, ""), 200, "").json(b.t)
}

func waitingCode(v map[string]any) string {
	w, _ := v["waiting"].(map[string]any)
	code, _ := w["code"].(string)
	return code
}

// pointerOf is the place that a problem names first.
func pointerOf(t *testing.T, a answer) string {
	t.Helper()
	places, _ := a.json(t)["errors"].([]any)
	if len(places) == 0 {
		return ""
	}
	first, _ := places[0].(map[string]any)
	p, _ := first["pointer"].(string)
	return p
}

func TestUniqueJobs(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		const body = `{"job_type":"echo","params":{"text":"a","times":2},"unique":{"by":["text"]}}`
		first := b.addJob(body)
		a := want(t, b.call("POST", "/api/jobs", strings.Replace(body, `"times":2`, `"times":3`, 1)), 409, "not_unique")
		if a.Header.Get("Location") != "/api/jobs/"+first || !strings.Contains(a.text(t, "hint"), first) || !strings.Contains(string(a.body), `"detail":"`+first+`"`) {
			t.Errorf("refusal %s %v", a.body, a.Header)
		}
		if b.get(first)["unique_key"] == nil {
			t.Error("the job does not show that it is unique")
		}
		b.addJob(strings.Replace(body, `"a"`, `"b"`, 1))                         // another value
		b.addJob(`{"job_type":"echo","params":{"text":"a"}}`)                    // not unique itself
		all := `{"job_type":"echo","params":{"text":"x","times":1},"unique":{}}` // all params
		one := b.addJob(all)                                                     //
		want(t, b.call("POST", "/api/jobs", strings.Replace(all, "1", "1.0", 1)), 409, "not_unique")
		b.addJob(strings.Replace(all, `,"times":1`, "", 1)) // missing is a value of its own
		want(t, b.call("POST", "/api/jobs", strings.Replace(all, `,"times":1`, "", 1)), 409, "not_unique")
		want(t, b.call("POST", "/api/jobs/"+one+"/cancel", ""), 200, "")
		b.addJob(all) // who left the queue does not stand in the way
		for body, at := range map[string]string{
			`{"job_type":"echo","params":{"text":"a"},"unique":{"by":["txet"]}}`:      "/unique/by/0",
			`{"job_type":"echo","params":{"text":"a"},"unique":{"by":["/text~"]}}`:    "/unique/by/0",
			`{"job_type":"echo","params":{"text":"a"},"unique":{"states":["DONE"]}}`:  "/unique/states/0",
			`{"job_type":"echo","params":{"text":"a"},"unique":{"period":"-PT1H"}}`:   "/unique/period",
			`{"job_type":"echo","params":{"text":"a"},"unique":{"on_conflict":"oh"}}`: "/unique/on_conflict",
		} {
			if a := b.call("POST", "/api/jobs", body); a.StatusCode != 422 || pointerOf(t, a) != at {
				t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
			}
		}
	})
}

// TestUniqueForAPeriod: by a template, over the end of the job.
func TestUniqueForAPeriod(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		tm := want(t, b.call("POST", "/api/job-templates", `{"name":"daily","job_type":"echo","params":{"text":"a"},
			"unique":{"by":["/text"],"period":"24h"}}`), 201, "").json(t)
		expect := map[string]any{"by": []any{"/text"}, "period": "PT24H", "states": []any{"QUEUED", "RUNNING", "COMPLETED"}, "on_conflict": "refuse"}
		if d := cmp.Diff(expect, tm["unique"]); d != "" {
			t.Error(d)
		}
		const body = `{"template_id":"daily"}`
		b.addJob(body)
		c := b.claim()
		want(t, b.call("POST", "/api/jobs", body), 409, "not_unique")
		b.finish(c)
		want(t, b.call("POST", "/api/jobs", body), 409, "not_unique")
		b.addJob(`{"template_id":"daily","params":{"text":"b"}}`)
		b.addJob(`{"template_id":"daily","unique":{}}`) // the job's own rule, by other params
		b.clock.Advance(24*time.Hour + time.Second)
		again := b.addJob(body)
		a := want(t, b.call("POST", "/api/jobs", `{"template_id":"daily","unique":{"by":["text"],"on_conflict":"return"}}`, "Idempotency-Key", "k"), 200, "")
		if a.text(t, "job_id") != again || a.Header.Get("Location") != "/api/jobs/"+again {
			t.Errorf("%s, want job %s", a.body, again)
		}
		n := b.jobCount()
		b.tryClaim(100) // it starts, and the repetition does not look again
		rep := want(t, b.call("POST", "/api/jobs", `{"template_id":"daily","unique":{"by":["text"],"on_conflict":"return"}}`, "Idempotency-Key", "k"), 200, "")
		if string(rep.body) != string(a.body) || rep.Header.Get("Idempotency-Replayed") != "true" || b.jobCount() != n {
			t.Errorf("replay %s\nof     %s", rep.body, a.body)
		}
		want(t, b.call("PATCH", "/api/job-templates/daily", `{"unique":null}`), 200, "")
		b.addJob(body)
	})
}

// TestUniqueReturnWaits: Prefer: wait waits for the job that was there.
func TestUniqueReturnWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const body = `{"job_type":"echo","params":{"text":"a"},"unique":{"on_conflict":"return"}}`
	first := b.addJob(body)
	c := b.claim()
	got := make(chan answer, 1)
	go func() { got <- b.call("POST", "/api/jobs", body, "Prefer", "wait=30") }()
	b.waitFor(func() bool { return b.clock.Timers() > 0 })
	b.finish(c)
	b.tick(got)
	if a := want(t, <-got, 200, ""); a.text(t, "job_id") != first || a.text(t, "status") != "COMPLETED" {
		t.Errorf("%s", a.body)
	}
}

// TestUniqueRace: of many equal jobs that come at once, one is added.
func TestUniqueRace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		const n = 12
		var mu sync.Mutex
		statuses := map[int]int{}
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				r := b.call("POST", "/api/jobs", fmt.Sprintf(`{"name":"%d","job_type":"echo","params":{"text":"a"},"unique":{}}`, i))
				mu.Lock()
				defer mu.Unlock()
				statuses[r.StatusCode]++
			})
		}
		all.Wait()
		if d := cmp.Diff(map[int]int{http.StatusCreated: 1, http.StatusConflict: n - 1}, statuses); d != "" || b.jobCount() != 1 {
			t.Errorf("%d jobs; %s", b.jobCount(), d)
		}
	})
}

func TestStartDeadline(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		want(t, b.call("POST", "/api/job-templates", `{"name":"soon","job_type":"echo","params":{"text":"a"},"start_deadline":"30m"}`), 201, "")
		late := b.addJob(`{"template_id":"soon","hold":true}`)
		for body, at := range map[string]string{
			`{"template_id":"soon"}`:                                                                         "2026-01-31T12:30:00Z",
			`{"template_id":"soon","run_at":"2026-01-31T15:00:00Z"}`:                                         "2026-01-31T15:30:00Z",
			`{"template_id":"soon","start_deadline":"PT2H"}`:                                                 "2026-01-31T14:00:00Z",
			`{"template_id":"soon","start_deadline":"2026-02-01T01:00:00+01:00"}`:                            "2026-02-01T00:00:00Z",
			`{"template_id":"soon","start_deadline":"2026-02-01T00:00:00Z","run_at":"2026-01-31T12:00:00Z"}`: "2026-02-01T00:00:00Z",
		} {
			if v := b.get(b.addJob(body)); v["start_deadline"] != at {
				t.Errorf("%s: %v", body, v["start_deadline"])
			}
		}
		for _, bad := range []string{
			`"2026-01-31T12:00:00Z"`, `"PT0S"`, `"tomorrow"`, `"2026-01-31T13:00:00Z","run_at":"2026-01-31T13:00:00Z"`,
		} {
			a := want(t, b.call("POST", "/api/jobs", `{"template_id":"soon","start_deadline":`+bad+`}`), 422, "invalid_input")
			if pointerOf(t, a) != "/start_deadline" {
				t.Errorf("%s: %s", bad, a.body)
			}
		}
		b.clock.Advance(30 * time.Minute)
		c := b.tryClaim(1)
		if len(c) != 1 || c[0].Job.ID == late {
			t.Fatalf("claimed %+v", c)
		}
		v := b.get(late)
		if v["status"] != "SKIPPED" || v["started_at"] != nil || v["attempt"] != 0.0 || v["run_id"] == nil || v["finished_at"] != "2026-01-31T12:30:00Z" {
			t.Errorf("late job %v", v)
		}
		r := want(t, b.call("GET", "/api/job-runs/"+v["run_id"].(string), ""), 200, "").json(t)
		got := map[string]any{}
		for _, k := range []string{"status", "active", "reason", "started_at", "duration_ms", "queue_wait_ms", "finished_at", "instance_id", "error"} {
			got[k] = r[k]
		}
		if d := cmp.Diff(map[string]any{
			"status": "SKIPPED", "active": false, "reason": "deadline", "started_at": nil, "duration_ms": nil, "queue_wait_ms": 1800000.0,
			"finished_at": "2026-01-31T12:30:00Z", "instance_id": nil, "error": nil,
		}, got); d != "" {
			t.Error(d)
		}
		if a := b.call("POST", "/api/job-runs/"+v["run_id"].(string)+"/retry", ""); a.StatusCode != 201 || a.json(t)["start_deadline"] != nil {
			t.Errorf("retry %s", a.body)
		}
	})
}

// TestJobLimits: by template, and by a key of params.
func TestJobLimits(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		b.slots(20)
		want(t, b.call("POST", "/api/job-templates", `{"name":"two","job_type":"echo","params":{"text":"a"},"limits":{"max_running":2}}`), 201, "")
		want(t, b.call("POST", "/api/job-templates", `{"name":"user","job_type":"echo","params":{"text":"a"},"limits":{"key":["text"]}}`), 201, "")
		for range 3 {
			b.addJob(`{"template_id":"two"}`)
		}
		if n := len(b.tryClaim(20)); n != 2 {
			t.Fatalf("%d of the template run, want 2", n)
		}
		waits := list(t, b.call("GET", "/api/jobs?status=QUEUED", ""))[0]
		if waitingCode(waits) != "limit" {
			t.Errorf("waiting %v", waits["waiting"])
		}
		for _, user := range []string{"ann", "ann", "bob"} {
			b.addJob(`{"template_id":"user","params":{"text":"` + user + `"}}`)
		}
		b.addJob(`{"job_type":"echo","params":{"text":"ann"},"limits":{"key":["/text"],"max_per_key":2}}`) // another recipe, another key
		var users []string
		for _, c := range b.tryClaim(20) {
			users = append(users, string(c.Job.Params))
		}
		if d := cmp.Diff([]string{`{"text":"ann"}`, `{"text":"bob"}`, `{"text":"ann"}`}, users); d != "" {
			t.Error(d)
		}
		tight := b.get(b.addJob(`{"template_id":"two","limits":{"max_running":1,"key":["times"]}}`))
		if d := cmp.Diff(map[string]any{"max_running": 1.0, "key": []any{"/times"}, "max_per_key": 1.0}, tight["limits"]); d != "" {
			t.Error(d)
		}
		loose := b.get(b.addJob(`{"template_id":"two","limits":{"max_running":9}}`))
		if d := cmp.Diff(map[string]any{"max_running": 2.0, "key": []any{}, "max_per_key": nil}, loose["limits"]); d != "" {
			t.Error(d)
		}
		more := b.get(b.addJob(`{"template_id":"user","limits":{"max_per_key":5}}`))
		if d := cmp.Diff(map[string]any{"max_running": nil, "key": []any{"/text"}, "max_per_key": 1.0}, more["limits"]); d != "" {
			t.Error(d)
		}
		for limits, at := range map[string]string{
			`{"job_type":"echo","params":{"text":"a"},"limits":{"max_running":1}}`: "/limits/max_running",
			`{"job_type":"echo","params":{"text":"a"},"limits":{"max_per_key":1}}`: "/limits/max_per_key",
			`{"job_type":"echo","params":{"text":"a"},"limits":{"key":["usr"]}}`:   "/limits/key/0",
			`{"template_id":"user","limits":{"key":["times"]}}`:                    "/limits/key",
			`{"template_id":"user","limits":{"max_running":0}}`:                    "/limits/max_running",
		} {
			if a := b.call("POST", "/api/jobs", limits); a.StatusCode != 422 || pointerOf(t, a) != at {
				t.Errorf("%s: %d %s", limits, a.StatusCode, a.body)
			}
		}
	})
}

// TestSnapshot: a job keeps what its template said when it was added.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		want(t, b.call("POST", "/api/job-templates", `{"name":"s","job_type":"echo","params":{"text":"a"},"locks":["one"],"timeout":"PT1M","priority":3,
			"labels":{"v":"1"},"limits":{"max_running":2,"key":["text"]},"unique":{"by":["text"]},"start_deadline":"PT1H","crash_policy":"ask",
			"retry_policy":{"max_attempts":3,"on":["x"],"initial":"PT1S"}}`), 201, "")
		before := b.get(b.addJob(`{"template_id":"s"}`))
		want(t, b.call("PATCH", "/api/job-templates/s", `{"params":{"text":"b"},"locks":["two"],"timeout":"PT2M","priority":7,"labels":{"v":"2"},
			"limits":{"max_running":5,"key":null},"unique":null,"start_deadline":null,"crash_policy":"retry","retry_policy":{"max_attempts":1,"on":[]}}`), 200, "")
		after := b.get(before["job_id"].(string))
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("the job changed with its template: %s", d)
		}
		if before["crash_policy"] != "ask" || before["template_version"] != 1.0 || before["retry_on_restart"] != false {
			t.Errorf("job %v", before)
		}
		c := b.claim()
		if c.Run.TemplateVersion != 1 || string(c.Run.Params) != `{"text":"a"}` || c.Job.Retry.MaxAttempts != 3 || len(c.Job.Locks) != 1 || c.Job.Locks[0] != "one" {
			t.Errorf("claimed %+v", c)
		}
		v := b.get(b.addJob(`{"template_id":"s"}`))
		if v["template_version"] != 2.0 || v["unique_key"] != nil || v["start_deadline"] != nil || v["crash_policy"] != "retry" || v["timeout"] != "PT2M" {
			t.Errorf("later job %v", v)
		}
	})
}
