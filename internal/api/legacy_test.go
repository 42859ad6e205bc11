package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

// This file locks the answers of the legacy endpoints. A golden file must not
// change: programs that nobody maintains read them.

// script is a conversation that is compared with a golden file. Ids are numbered
// in the order in which they appear.
type script struct {
	*bundle
	out   strings.Builder
	names map[string]string
	step  time.Duration // how far the clock goes before each request
}

func newScript(t *testing.T, change ...func(*api.Options)) *script {
	t.Helper()
	return &script{bundle: setup(t, change...), names: map[string]string{}}
}

var anyObject = regexp.MustCompile(`\b(job|group|run|art|inst|req|sched)_[0-9a-z]{26}\b`)

// anyWait is an estimate, which is made with random numbers.
var anyWait = regexp.MustCompile(`("estimated_wait": )"PT([0-9]+[HMS])+"`)

func (s *script) numbered(text string) string {
	text = anyWait.ReplaceAllString(text, `$1"PT_X"`)
	return anyObject.ReplaceAllStringFunc(text, func(v string) string {
		kind, _, _ := strings.Cut(v, "_")
		if kind == "req" {
			return "req_X"
		}
		if s.names[v] == "" {
			n := 1
			for _, name := range s.names {
				if strings.HasPrefix(name, kind+"_") {
					n++
				}
			}
			s.names[v] = fmt.Sprint(kind, "_", n)
		}
		return s.names[v]
	})
}

// say makes a request and writes it and its answer down.
func (s *script) say(status int, method, target, body string) answer {
	s.t.Helper()
	s.clock.Advance(s.step)
	a := s.call(method, target, body)
	if a.StatusCode != status {
		s.t.Errorf("%s %s: %d, want %d: %s", method, target, a.StatusCode, status, a.body)
	}
	fmt.Fprintf(&s.out, "> %s %s %s\n%d\n", method, s.numbered(target), s.numbered(body), a.StatusCode)
	for _, h := range []string{"Content-Type", "Deprecation", "Link", "Location", "Sunset"} {
		if v := a.Header.Get(h); v != "" {
			fmt.Fprintf(&s.out, "%s: %s\n", h, s.numbered(v))
		}
	}
	var pretty bytes.Buffer
	if len(a.body) > 0 && json.Indent(&pretty, bytes.TrimSpace(a.body), "", "  ") == nil {
		s.out.WriteString(s.numbered(pretty.String()) + "\n")
	}
	s.out.WriteString("\n")
	return a
}

// check compares what was said with a golden file.
func (s *script) check(name string) {
	s.t.Helper()
	file := filepath.Join("testdata", "legacy", name+".txt")
	got := s.out.String()
	s.out.Reset()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(string(golden), got); diff != "" {
		s.t.Errorf("%s:\n%s", name, diff)
	}
}

const legacyBody = `{"job_type":"echo","params":{"text":"hi"},"priority":"normal","group_id":null,"position":null}`

func TestLegacyQueueGolden(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.say(200, "GET", "/queue/status", "")
	for range 3 { // so that it is known how long such jobs take
		s.addJob(echoJob)
		c := s.claim()
		s.clock.Advance(15 * time.Minute)
		s.finish(c)
	}
	s.addJob(echoJob)
	s.claim()
	s.step = 2 * time.Second
	first := s.say(201, "POST", "/queue/jobs", legacyBody).text(t, "job_id")
	second := s.say(202, "POST", "/queue/add", `{"job_type":"echo","params":{"text":"hi"}}`).text(t, "job_id")
	high := s.say(201, "POST", "/queue/jobs", `{"job_type":"echo","params":{"text":"hi"},"priority":"high"}`).text(t, "job_id")
	s.say(201, "POST", "/queue/jobs", `{"job_type":"echo","params":{"text":"hi"},"priority":"low","position":1}`)
	group := s.say(201, "POST", "/queue/groups", `{"name":"three","mode":"parallel","jobs":[{"job_type":"echo","params":{"text":"a"}},{"job_type":"echo","params":{"text":"b"}}]}`)
	s.say(201, "POST", "/queue/jobs", `{"job_type":"echo","params":{"text":"c"},"group_id":"`+group.text(t, "group_id")+`"}`)
	s.say(200, "PUT", "/queue/reorder", `{"job_id":"`+second+`","new_position":0}`)
	s.say(200, "PUT", "/queue/reorder/bulk", `{"order":["`+first+`","`+second+`","job_01jh0000000000000000000000"]}`)
	s.say(200, "GET", "/queue/status", "")
	s.check("queue")

	s.say(200, "DELETE", "/queue/jobs/"+high, "")
	s.say(409, "DELETE", "/queue/jobs/"+high, "")
	s.say(409, "PUT", "/queue/reorder", `{"job_id":"`+high+`","new_position":0}`)
	s.say(404, "PUT", "/queue/reorder", `{"job_id":"job_01jh0000000000000000000000","new_position":0}`)
	s.say(200, "PUT", "/queue/reorder/bulk", `{"order":["`+high+`"]}`)
	s.say(400, "PUT", "/queue/reorder/bulk", `{"order":["job-3"]}`)
	s.say(422, "POST", "/queue/jobs", `{"job_type":"echo","params":{"text":"hi"},"priority":5}`)
	s.say(422, "POST", "/queue/jobs", `{"job_type":"echo","params":{"text":3}}`)
	s.say(422, "POST", "/queue/groups", `{"name":"bad","mode":"sequential","jobs":[{"job_type":"echo","params":{"text":"a"}},{"job_type":"none"}]}`)
	s.say(404, "POST", "/queue/jobs", `{"job_type":"echo","params":{"text":"c"},"group_id":"group_01jh0000000000000000000000"}`)
	s.check("queue_refused")
}

// running starts one job that reports its stage and ends it or not.
func (s *script) running(stage string) store.Claimed {
	s.t.Helper()
	c := s.claim()
	err := s.store.Runs.Report(s.t.Context(), []store.Report{{
		RunID: c.Run.ID, Epoch: c.Run.Epoch, Progress: &run.Progress{Stage: stage}, Process: &run.Process{Pid: 4711, Start: "1"},
	}})[0]
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func TestLegacyJobsGolden(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	j := s.say(201, "POST", "/jobs", `{"job_type":"echo","params":{"text":"hi"},"priority":"high","max_retries":2,"webhook_url":"https://example.com/hook","webhook_events":["succeeded"]}`).text(t, "job_id")
	s.clock.Advance(time.Second)
	waits := s.say(201, "POST", "/jobs", legacyBody).text(t, "job_id")
	s.say(200, "PATCH", "/jobs/"+waits, `{"priority":"low"}`)
	s.say(200, "PATCH", "/jobs/"+waits, `{"position":0}`)
	s.say(200, "PATCH", "/jobs/"+waits, `{}`)
	s.say(422, "PATCH", "/jobs/"+waits, `{"position":0,"priority":"low"}`)
	s.say(200, "PATCH", "/jobs/"+waits, `{"position":7}`)
	s.say(200, "GET", "/jobs/"+j+"/runs", "")
	s.clock.Advance(time.Minute)
	c := s.running("chapter 3")
	s.say(200, "GET", "/jobs/"+j, "")
	s.say(200, "GET", "/queue/status", "")
	s.say(409, "PATCH", "/jobs/"+j, `{"position":0}`)
	if err := s.store.Artifacts.Put(t.Context(), run.Artifact{
		ID: id.New(id.Artifact, start), Tenant: access.DefaultTenant, RunID: c.Run.ID, Name: "out.txt", Size: 1, SHA256: strings.Repeat("ab", 32), MediaType: "text/plain", CreatedAt: start,
	}, c.Run.Epoch, store.ArtifactLimits{}); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(time.Minute)
	s.finish(c)
	s.say(200, "GET", "/jobs/"+j, "")
	s.say(200, "GET", "/jobs/"+j+"/runs", "")
	s.say(200, "DELETE", "/jobs/"+waits, "")
	s.say(409, "DELETE", "/jobs/"+waits, "")
	s.say(404, "GET", "/jobs/job_01jh0000000000000000000000", "")
	s.say(200, "GET", "/jobs", "")
	s.say(200, "GET", "/jobs?status=completed", "")
	s.say(400, "GET", "/jobs?status=COMPLETED", "")
	s.say(200, "GET", "/scheduler/status", "")
	s.check("jobs")
}

// TestLegacyGroupsGolden: a group that runs, and a direct request that waits.
func TestLegacyGroupsGolden(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	body := `{"name":"two","mode":"sequential","jobs":[{"job_type":"echo","params":{"text":"a"}},{"job_type":"echo","params":{"text":"b"}},{"job_type":"echo","params":{"text":"c"}}]}`
	made := s.say(201, "POST", "/queue/groups", body).json(t)
	s.finish(s.claim())
	c := s.claim()
	if _, err := s.store.Direct.Enter(t.Context(), store.EnterDirect{
		Run:      run.Run{ID: id.New(id.Run, start), Tenant: access.DefaultTenant, JobName: "story", JobType: "story", Params: []byte(`{}`), CreatedAt: start, QueuedAt: start},
		Instance: c.Run.Instance, TTL: time.Minute, Now: start,
	}); err != nil {
		t.Fatal(err)
	}
	s.say(200, "GET", "/queue/status", "")
	members, _ := made["job_ids"].([]any)
	s.say(200, "GET", fmt.Sprint("/jobs/", members[2]), "")
	s.say(409, "POST", "/queue/jobs", `{"job_type":"echo","params":{"text":"d"},"group_id":"`+fmt.Sprint(made["group_id"])+`"}`)
	s.say(422, "POST", "/queue/jobs", `{"job_type":"echo","params":{"text":"d"},"group_id":"`+fmt.Sprint(made["group_id"])+`","position":0}`)
	s.check("groups")
}

// TestLegacyWebhookSent: only what reached the job's own webhook counts.
func TestLegacyWebhookSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := want(t, b.call("POST", "/jobs", `{"job_type":"echo","params":{"text":"hi"},"webhook_url":"https://example.com/hook"}`), 201, "").text(t, "job_id")
	sent := func() any { return want(t, b.call("GET", "/jobs/"+j, ""), 200, "").json(t)["webhook_sent"] }
	endpoint := want(t, b.call("POST", "/api/webhooks", `{"name":"all","url":"https://example.com/all","events":["job.queued"]}`), 201, "").text(t, "webhook_id")
	now := start
	send := func(d webhook.Delivery, a webhook.Attempt) {
		t.Helper()
		now = now.Add(time.Minute)
		target := d.WebhookID
		if target == "" {
			target = "example.com"
		}
		d.ID, d.Tenant, d.JobID, d.Type, d.Body, d.MaxAttempts = id.New(id.Delivery, start), access.DefaultTenant, j, event.JobQueued, []byte(`{}`), 3
		d.Target, d.EventAt, d.CreatedAt, d.NextAt, d.Deadline = target, now, now, now, now.Add(time.Hour)
		if _, err := b.store.Outbox.Add(t.Context(), store.AddDelivery{Delivery: d}); err != nil {
			t.Fatal(err)
		}
		p := webhook.Default()
		taken, err := b.store.Outbox.Take(t.Context(), store.TakeDeliveries{Now: now, Limit: 1, Lease: time.Minute, Policy: p})
		if err != nil || len(taken.Deliveries) != 1 {
			t.Fatalf("%v %+v", err, taken)
		}
		a.At = now
		err = b.store.Outbox.Record(t.Context(), []store.Outcome{{Delivery: p.Judge(taken.Deliveries[0].Delivery, a, now, 0), OK: a.OK(), Now: now, Policy: p}})[0]
		if err != nil {
			t.Fatal(err)
		}
	}
	own := webhook.Delivery{URL: "https://example.com/hook"}
	send(own, webhook.Attempt{Status: 500, Code: webhook.CodeStatus, Final: true})
	send(webhook.Delivery{WebhookID: endpoint}, webhook.Attempt{Status: 200})
	if sent() != false {
		t.Error("nothing reached it")
	}
	send(own, webhook.Attempt{Status: 200})
	if sent() != true {
		t.Error("a message reached it")
	}
}

func TestLegacySchedulerGolden(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.say(201, "POST", "/queue/jobs", legacyBody)
	s.say(200, "GET", "/scheduler/status", "")
	s.say(200, "POST", "/scheduler/stop", "")
	s.say(200, "GET", "/scheduler/status", "")
	s.say(200, "POST", "/scheduler/start", "")
	s.clock.Advance(90 * time.Second)
	s.finish(s.claim())
	s.say(200, "GET", "/scheduler/metrics", "")
	s.check("scheduler")
	var got []string
	for _, e := range list(t, s.call("GET", "/api/audit?sort=seq", "")) {
		got = append(got, fmt.Sprint(e["action"]))
	}
	if diff := cmp.Diff([]string{"queue.pause", "queue.resume"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestLegacyReorderIsRecorded: also who moves by these endpoints stands in the
// chain.
func TestLegacyReorderIsRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "b")
	want(t, b.call("PUT", "/queue/reorder", `{"job_id":"`+j["b"]+`","new_position":0}`), 200, "")
	want(t, b.call("PUT", "/queue/reorder/bulk", `{"order":["`+j["a"]+`","`+j["b"]+`"]}`), 200, "")
	if l := list(t, b.call("GET", "/api/audit?action=queue.reorder", "")); len(l) != 2 || l[1]["object"] != j["b"] {
		t.Errorf("%v", l)
	}
}

// TestLegacyDeleteWaits: a job that runs is shown as cancelled when its attempt
// has ended, and the answer waits for that, but not for ever.
func TestLegacyDeleteWaits(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]bool{"ends": true, "goes on": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			j := b.addJob(echoJob)
			c := b.claim()
			got := make(chan answer)
			go func() { got <- b.call("DELETE", "/queue/jobs/"+j, "") }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for now := c.Job; now.CancelAskedAt.IsZero(); {
				var err error
				if now, err = b.store.Jobs.Job(ctx, c.Job.Tenant, j); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case a := <-got:
				t.Fatalf("answered while it runs: %s", a.body)
			default:
			}
			wanted := "running"
			if ends {
				wanted = "cancelled"
				b.stop(c)
			}
			for {
				select {
				case a := <-got:
					v := want(t, a, 200, "").json(t)
					if v["previous_status"] != "running" || v["new_status"] != wanted {
						t.Errorf("%v", v)
					}
					return
				case <-ctx.Done():
					t.Fatal("no answer")
				default:
					b.clock.Advance(time.Second) // its timers begin at any moment
				}
			}
		})
	}
}

// stop ends a claimed attempt as one that was asked to stop.
func (b *bundle) stop(c store.Claimed) {
	b.t.Helper()
	j, err := b.store.Jobs.Job(b.t.Context(), c.Job.Tenant, c.Job.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	f := job.Failure{Code: job.CodeCancelled, Message: "cancelled"}
	jc, err := job.Apply(j, job.Broke{At: b.clock.Now(), Failure: f})
	if err != nil {
		b.t.Fatal(err)
	}
	rc, err := run.Apply(c.Run, run.Broke{At: b.clock.Now(), Failure: f})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Jobs.Finish(b.t.Context(), []store.Finish{{Job: jc, Run: rc}})[0]; err != nil {
		b.t.Fatal(err)
	}
}

// TestLegacyStates: the table knows every state, with words of the legacy
// vocabulary only.
func TestLegacyStates(t *testing.T) {
	t.Parallel()
	got := map[string]wire.LegacyState{}
	for _, st := range job.States() {
		got[string(st)] = wire.LegacyStateOf(string(st))
	}
	wanted := map[string]wire.LegacyState{
		"QUEUED": {Status: "queued"}, "RUNNING": {Status: "running"}, "CANCELLED": {Status: "cancelled"},
		"COMPLETED": {Status: "completed", Result: "success"}, "FAILED": {Status: "completed", Result: "failed"}, "SKIPPED": {Status: "completed", Result: "skipped"},
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
	others := []string{string(job.GroupPending), string(job.GroupRunning), string(job.GroupCompleted), string(job.GroupPartial)}
	for _, st := range run.States() {
		others = append(others, string(st))
	}
	for _, st := range others {
		if wire.LegacyStateOf(st).Status == "" {
			t.Errorf("%s has no word", st)
		}
	}
	for name, j := range map[string]job.Job{
		"pending": {State: job.Queued, HeldReason: "x"}, "queued": {State: job.Queued, NotBefore: start}, "running": {State: job.Running, NotBefore: start.Add(time.Hour)},
	} {
		if st := wire.LegacyJobState(j, start).Status; st != name {
			t.Errorf("%+v: %s", j, st)
		}
	}
	if st := wire.LegacyJobState(job.Job{State: job.Queued, NotBefore: start.Add(time.Second)}, start).Status; st != "pending" {
		t.Error(st)
	}
	for p := job.PriorityMin; p <= job.PriorityMax; p++ {
		name := wire.LegacyPriorityName(p)
		if d := wire.LegacyPriority(name) - p; d < -1 || d > 2 {
			t.Errorf("%d is %s", p, name)
		}
	}
}

// TestLegacyPending: held and delayed jobs are pending, in lists and totals.
func TestLegacyPending(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addJob(`{"job_type":"echo","params":{"text":"hi"},"hold":true}`)
	b.addJob(`{"job_type":"echo","params":{"text":"hi"},"run_at":"2026-02-01T00:00:00Z"}`)
	b.addJob(echoJob)
	for status, n := range map[string]int{"pending": 2, "queued": 1, "pending,queued": 3, "running": 0} {
		v := want(t, b.call("GET", "/jobs?status="+status, ""), 200, "").json(t)
		if jobs, _ := v["jobs"].([]any); len(jobs) != n || v["total"] != float64(n) {
			t.Errorf("%s: %d jobs, total %v", status, len(jobs), v["total"])
		}
	}
	seen, cursor := 0, ""
	for range 4 {
		v := want(t, b.call("GET", "/jobs?limit=1"+cursor, ""), 200, "").json(t)
		jobs, _ := v["jobs"].([]any)
		seen += len(jobs)
		next, more := v["next_cursor"].(string)
		if !more {
			break
		}
		cursor = "&cursor=" + next
	}
	if seen != 3 {
		t.Errorf("%d jobs on all pages", seen)
	}
}

// TestLegacyIsTheSameDoor: idempotency, rights, templates, sizes and trailing slashes are
// those of the other endpoints.
func TestLegacyIsTheSameDoor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/queue/jobs", "/queue/add", "/jobs"} {
		first := b.call("POST", path, legacyBody, "Idempotency-Key", path)
		again := b.call("POST", path, legacyBody, "Idempotency-Key", path)
		if again.StatusCode != first.StatusCode || !bytes.Equal(first.body, again.body) || again.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: %d %s", path, again.StatusCode, again.body)
		}
		want(t, b.as(access.Operator, "POST", path, legacyBody), 403, "forbidden")
		want(t, b.call("POST", path, `{"jobType":"echo"}`), 422, "invalid_input")
		want(t, b.call("POST", path, `{"job_type":"echo","params":{"text":"`+strings.Repeat("x", api.MaxBody)+`"}}`), 413, "body_too_large")
	}
	if n := b.jobCount(); n != 3 {
		t.Errorf("%d jobs", n)
	}
	group := `{"name":"g","jobs":[{"job_type":"echo","params":{"text":"a"}}]}`
	one, two := b.call("POST", "/queue/groups", group, "Idempotency-Key", "g"), b.call("POST", "/queue/groups", group, "Idempotency-Key", "g")
	if !bytes.Equal(want(t, one, 201, "").body, two.body) {
		t.Errorf("%s", two.body)
	}
	want(t, b.as(access.Operator, "POST", "/queue/groups", group), 403, "forbidden")
	want(t, b.call("GET", "/queue/status/", ""), 200, "")
	want(t, b.call("GET", "/jobs/", ""), 200, "")
	want(t, b.call("PUT", "/queue/status", "{}"), 405, "method_not_allowed")
	for _, path := range []string{"/queue", "/queue/", "/scheduler", "/queue/jobs/x/y", "/jobs/other/trigger", "/schedule", "/schedules/x/y"} {
		want(t, b.call("GET", path, ""), 404, "not_found")
	}
	stored, err := b.store.Jobs.List(t.Context(), store.ListJobs{Tenant: access.DefaultTenant, Sort: store.SortCreated, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range stored.Jobs {
		if j.Trigger != job.TriggerAPI || j.CreatedBy != "admin" {
			t.Errorf("trigger %s by %s", j.Trigger, j.CreatedBy)
		}
	}
}

// TestLegacyOfRestrictedTokens: who may steer jobs of some templates only may not
// move or cancel others.
func TestLegacyOfRestrictedTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.call("POST", "/api/job-templates", `{"name":"mine","job_type":"echo","params":{"text":"x"}}`), 201, "")
	b.mint("ci", `{"name":"ci","roles":["author"],"templates":["mine"]}`)
	own, other := b.addJob(`{"template_id":"mine"}`), b.addJob(echoJob)
	move := func(j string) string { return `{"job_id":"` + j + `","new_position":0}` }
	want(t, b.as("ci", "PUT", "/queue/reorder", move(other)), 403, "forbidden")
	want(t, b.as("ci", "PUT", "/queue/reorder/bulk", `{"order":["`+other+`","`+own+`"]}`), 403, "forbidden")
	want(t, b.as("ci", "PATCH", "/jobs/"+other, `{"position":0}`), 403, "forbidden")
	want(t, b.as("ci", "PATCH", "/jobs/"+other, `{}`), 403, "forbidden")
	want(t, b.as("ci", "DELETE", "/queue/jobs/"+other, ""), 403, "forbidden")
	want(t, b.as("ci", "DELETE", "/jobs/"+other, ""), 403, "forbidden")
	want(t, b.as("ci", "POST", "/queue/jobs", legacyBody), 403, "forbidden")
	want(t, b.as("ci", "PUT", "/queue/reorder", move(own)), 200, "")
	want(t, b.as("ci", "DELETE", "/queue/jobs/"+own, ""), 200, "")
}

// TestLegacyOff: without them nothing of the legacy endpoints is left.
func TestLegacyOff(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) { o.WithoutLegacy = true })
	n := 0
	for _, r := range routes() {
		if strings.HasPrefix(r.path, "/queue/") || strings.HasPrefix(r.path, "/jobs") || strings.HasPrefix(r.path, "/scheduler/") {
			n++
			want(t, b.call(r.method, r.target, ""), 404, "not_found")
		}
	}
	if n != 20 {
		t.Errorf("%d legacy routes", n)
	}
	if doc := b.call("GET", "/api/openapi.json", ""); bytes.Contains(doc.body, []byte(`"/queue/`)) {
		t.Error("the document shows them")
	}
}

func TestLegacyTriggersGolden(t *testing.T) {
	t.Parallel()
	s := newScript(t, withTales)
	s.say(202, "POST", "/jobs/story/trigger", `{"topic":"a lighthouse","length":100}`)
	s.say(202, "POST", "/jobs/story/trigger", "")
	s.say(202, "POST", "/jobs/research/trigger", `{"topic":"heat pumps","model":"m"}`)
	s.say(202, "POST", "/jobs/batch/trigger", `{"jobs":[{"job_type":"research","params":{"topic":"x"}},{"job_type":"story","params":{"topic":"y"}},{"job_type":"echo","params":{"text":"z"}}]}`)
	s.say(202, "POST", "/jobs/batch/trigger", `{"count":2,"params":{"topic":"twice"}}`)
	s.check("triggers")

	s.say(422, "POST", "/jobs/story/trigger", `{"length":1}`)
	s.say(422, "POST", "/jobs/research/trigger", `{}`)
	s.say(422, "POST", "/jobs/batch/trigger", `{}`)
	s.say(422, "POST", "/jobs/batch/trigger", `{"count":2,"jobs":[{"job_type":"story"}]}`)
	s.say(422, "POST", "/jobs/batch/trigger", `{"jobs":[{"job_type":"story"},{"job_type":"story","params":{"length":1}}]}`)
	s.say(403, "POST", "/jobs/research/trigger", `{"topic":"x","sources":[{"path":"/etc/passwd"}]}`)
	s.check("triggers_refused")
}

// TestLegacyTriggersAreForOperators: they name no program; a batch may.
func TestLegacyTriggersAreForOperators(t *testing.T) {
	t.Parallel()
	b := setup(t, withTales)
	for body, status := range map[string]int{
		`/jobs/story/trigger {"topic":"x"}`:                                           202,
		`/jobs/research/trigger {"topic":"x"}`:                                        202,
		`/jobs/batch/trigger {"count":3}`:                                             202,
		`/jobs/batch/trigger {"jobs":[{"job_type":"story"},{"job_type":"research"}]}`: 202,
		`/jobs/batch/trigger {"jobs":[{"job_type":"echo","params":{"text":"x"}}]}`:    403,
		`/jobs/story/trigger {"topic":"x","directive_id":"nobody"}`:                   403,
	} {
		path, body, _ := strings.Cut(body, " ")
		want(t, b.as(access.Viewer, "POST", path, body), 403, "forbidden")
		if a := b.as(access.Operator, "POST", path, body); a.StatusCode != status {
			t.Errorf("%s %s: %d %s", path, body, a.StatusCode, a.body)
		}
	}
	one, two := b.call("POST", "/jobs/story/trigger", `{"topic":"x"}`, "Idempotency-Key", "s"), b.call("POST", "/jobs/story/trigger", `{"topic":"x"}`, "Idempotency-Key", "s")
	if !bytes.Equal(want(t, one, 202, "").body, want(t, two, 202, "").body) {
		t.Errorf("%s, then %s", one.body, two.body)
	}
	group := want(t, b.call("POST", "/jobs/batch/trigger", `{"count":2}`), 202, "").text(t, "group_id")
	g := want(t, b.call("GET", "/api/job-groups/"+group, ""), 200, "").json(t)
	if g["mode"] != "sequential" || g["on_failure"] != "continue" || g["name"] != "batch" || len(g["jobs"].([]any)) != 2 {
		t.Errorf("the group is %v", g)
	}
	without := setup(t)
	want(t, without.call("POST", "/jobs/story/trigger", `{"topic":"x"}`), 422, "job_type_unknown")
}
