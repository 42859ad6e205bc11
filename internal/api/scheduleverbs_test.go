package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/store"
)

// get reads a schedule.
func (p *planned) get(name string) map[string]any {
	p.t.Helper()
	return want(p.t, p.call("GET", "/api/schedules/"+name, ""), 200, "").json(p.t)
}

// history is what became of nominals, in short.
func (p *planned) history(name, query string) (out []string) {
	p.t.Helper()
	for cursor := ""; ; {
		a := p.call("GET", "/api/schedules/"+name+"/history?limit=2"+query+cursor, "")
		for _, e := range list(p.t, a) {
			at, err := time.Parse(time.RFC3339, fmt.Sprint(e["nominal_at"]))
			if err != nil {
				p.t.Fatal(err)
			}
			text := fmt.Sprint(at.Format("15:04:05"), " ", e["status"])
			if e["kind"] == "skip" {
				text = fmt.Sprint(at.Format("15:04:05"), " ", e["reason"], " ", e["count"])
			} else if e["source"] != "schedule" {
				text += fmt.Sprint(" ", e["source"], " ", e["again"])
			}
			out = append(out, text)
		}
		next := a.text(p.t, "next_cursor")
		if next == "" {
			return out
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
}

func TestScheduleChanges(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	id := fmt.Sprint(p.add(`{"name":"s","template_id":"hello","cron":"0 9 * * *","timezone":"Asia/Seoul"}`)["schedule_id"])
	path := "/api/schedules/" + id
	first := want(t, p.call("GET", path, ""), 200, "")
	if first.Header.Get("ETag") != `"1"` {
		t.Errorf("ETag %s", first.Header.Get("ETag"))
	}
	p.tick(time.Hour)
	a := want(t, p.call("PATCH", path, `{"description":"x","max_runs":3}`, "If-Match", `"1"`, "Content-Type", "application/merge-patch+json"), 200, "").json(t)
	if a["version"] != 2.0 || a["max_runs"] != 3.0 || a["next_run_at"] != "2026-02-01T00:00:00Z" {
		t.Errorf("%v", a)
	}
	want(t, p.call("PATCH", path, `{"description":"y"}`, "If-Match", `"1"`), 412, "version_mismatch")
	if v := want(t, p.call("PATCH", path, `{"description":"x"}`), 200, "").json(t); v["version"] != 2.0 {
		t.Error("a change that changes nothing made a version")
	}
	for patch, expect := range map[string]map[string]any{
		`{"max_runs":null}`:                                 {"max_runs": nil},
		`{"enabled":false}`:                                 {"enabled": false, "state": "paused", "next_run_at": nil, "state_by": "admin"},
		`{"enabled":true,"timezone":"UTC"}`:                 {"enabled": true, "state": "active", "next_run_at": "2026-02-01T09:00:00Z"},
		`{"job":{"job_type":"echo","params":{"text":"z"}}}`: {"template_id": nil, "job": map[string]any{"job_type": "echo", "params": map[string]any{"text": "z"}}},
	} {
		if patch == `{"enabled":true,"timezone":"UTC"}` {
			want(t, p.call("PATCH", path, `{"enabled":false}`), 200, "")
		}
		got := want(t, p.call("PATCH", path, patch), 200, "").json(t)
		keys := make([]string, 0, len(expect))
		for k := range expect {
			keys = append(keys, k)
		}
		if d := cmp.Diff(expect, fieldsOf(got, keys...)); d != "" {
			t.Errorf("%s:\n%s", patch, d)
		}
		want(t, p.call("PATCH", path, `{"enabled":true}`), 200, "")
	}
	got := want(t, p.call("PATCH", path, `{"trigger":{"type":"INTERVAL","interval":"PT10M"}}`), 200, "").json(t)
	if d := cmp.Diff(map[string]any{"type": "INTERVAL", "interval": "PT10M"}, got["trigger"]); d != "" {
		t.Error(d)
	}
	// Nothing from before the edit fires: 13:00 was its last moment.
	p.tick(9 * time.Minute)
	if n := p.get("s")["run_count"]; n != 0.0 {
		t.Errorf("%v runs", n)
	}
	want(t, p.call("PATCH", path, `{"name":null}`), 422, "invalid_input")
	want(t, p.call("PATCH", path, `{"colour":null}`), 422, "unknown_field")
	want(t, p.call("PATCH", path, `{"schedule_id":"x"}`), 422, "unknown_field")
	want(t, p.call("PATCH", path, `{"trigger":{"type":"CRON","expression":"0 0 30 2 *"}}`), 422, "never_fires")
	versions := list(t, p.call("GET", path+"/versions", ""))
	n := len(versions)
	if n < 5 || versions[0]["version"] != float64(n) || versions[n-1]["version"] != 1.0 || versions[0]["created_by"] != "admin" {
		t.Errorf("versions %v", versions)
	}
	want(t, p.call("GET", path+"/versions/99", ""), 404, "not_found")
	want(t, p.call("GET", path+"/versions/x", ""), 400, "invalid_parameter")
	// A template that is archived does not keep its schedule from being edited.
	want(t, p.call("PATCH", path, `{"template_id":"hello"}`), 200, "")
	want(t, p.call("PATCH", "/api/job-templates/hello", `{"archived":true}`), 200, "")
	want(t, p.call("PATCH", path, `{"enabled":false}`), 200, "")
	want(t, p.call("POST", path+"/run-now", ``), 409, "template_archived")
	want(t, p.call("DELETE", path, "", "If-Match", `"1"`), 412, "version_mismatch")
	want(t, p.call("DELETE", path, ""), 204, "")
	want(t, p.call("GET", path, ""), 404, "not_found")
}

func TestScheduleRunNow(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	id := fmt.Sprint(p.add(`{"name":"s","template_id":"hello","cron":"0 * * * *","min_interval":"PT10M"}`)["schedule_id"])
	path := "/api/schedules/s"
	before := p.get("s")
	p.tick(time.Minute)
	a := want(t, p.call("POST", path+"/run-now", "", "Idempotency-Key", "k"), 201, "")
	j := a.json(t)
	again := want(t, p.call("POST", path+"/run-now", "", "Idempotency-Key", "k"), 201, "")
	if again.Header.Get("Idempotency-Replayed") != "true" || string(again.body) != string(a.body) {
		t.Errorf("another answer to the same key: %s", again.body)
	}
	if j["schedule_id"] != id || j["source"] != "manual" || j["trigger"] != "manual" || j["schedule_version"] != 1.0 || j["timezone"] != "UTC" || j["nominal_at"] != "2026-01-31T12:01:00Z" {
		t.Errorf("job %s", a.body)
	}
	after := p.get("s")
	if after["run_count"] != 1.0 || after["last_run_at"] != "2026-01-31T12:01:00Z" || after["last_job_id"] != j["job_id"] || after["next_run_at"] != before["next_run_at"] {
		t.Errorf("%v", after)
	}
	refused := want(t, p.call("POST", path+"/run-now", `{"overlap":"allow"}`), 409, "conflict")
	if !strings.Contains(string(refused.body), "2026-01-31T12:11:00Z") || !strings.Contains(string(refused.body), `"/force"`) {
		t.Errorf("when is it allowed? %s", refused.body)
	}
	if r := want(t, p.call("POST", path+"/run-now", `{"force":true}`), 409, "conflict"); !strings.Contains(string(r.body), `"/overlap"`) {
		t.Errorf("%s", r.body)
	}
	want(t, p.call("POST", path+"/run-now", `{"force":true,"overlap":"allow"}`), 201, "")
	want(t, p.call("POST", path+"/run-now", `{"forced":true}`), 422, "unknown_field")
	if r := want(t, p.call("POST", path+"/run-now", `{"force":true,"overlap":"allow"}`, "Prefer", "wait=0"), 201, ""); r.text(t, "status") != "QUEUED" {
		t.Errorf("%s", r.body)
	}
	p.clock.Advance(time.Second)
	for _, target := range []string{"/api/jobs?schedule_id=" + id, "/api/job-runs?schedule_id=" + id} {
		if target[5:10] == "job-r" {
			p.finish(p.claim())
		}
		for _, item := range list(t, p.call("GET", target, "")) {
			if item["schedule_id"] != id || item["decided_at"] == nil || item["data_interval"] != nil {
				t.Errorf("%s: %v", target, item)
			}
		}
	}
	if n := len(list(t, p.call("GET", "/api/jobs?schedule_id="+id, ""))); n != 3 {
		t.Errorf("%d jobs", n)
	}
	if n := len(list(t, p.call("GET", "/api/job-runs?schedule_id="+id, ""))); n != 1 {
		t.Errorf("%d runs", n)
	}
	if n := len(list(t, p.call("GET", "/api/jobs?schedule_id=sched_01jh0000000000000000000000", ""))); n != 0 {
		t.Errorf("%d jobs of another schedule", n)
	}
	want(t, p.call("GET", "/api/jobs?schedule_id=s", ""), 400, "wrong_id_type")
	p.addJob(echoJob)
	for _, item := range list(t, p.call("GET", "/api/jobs?limit=1", "")) {
		if item["schedule_id"] != nil || item["nominal_at"] != nil {
			t.Errorf("%v", item)
		}
	}
	page, err := p.store.Audit.List(t.Context(), store.ListAudit{Tenant: access.DefaultTenant, Actions: []audit.Action{audit.ScheduleRun}, Limit: 10})
	if err != nil || len(page.Entries) != 3 {
		t.Errorf("%d audit entries, %v", len(page.Entries), err)
	}
}

// TestScheduleHistory: pages lose and repeat nothing, also at equal nominals.
func TestScheduleHistory(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	p.add(`{"name":"s","template_id":"hello","trigger":{"type":"INTERVAL","interval":"PT1M"}}`)
	path := "/api/schedules/s"
	p.tick(time.Minute)
	job := list(t, p.call("GET", "/api/jobs", ""))[0]
	if d := cmp.Diff(map[string]any{"start": "2026-01-31T12:00:00Z", "end": "2026-01-31T12:01:00Z"}, job["data_interval"]); d != "" {
		t.Error(d)
	}
	p.tick(time.Minute) // overlap
	p.tick(time.Minute) // overlap
	p.finish(p.claim())
	if got := list(t, p.call("GET", "/api/schedules", ""))[0]["last_status"]; got != "COMPLETED" {
		t.Errorf("the list shows the ended run as %v", got)
	}
	want(t, p.call("POST", path+"/skip-next", `{"count":1}`), 200, "")
	skips := want(t, p.call("POST", path+"/skip-next", ``, "Idempotency-Key", "k"), 200, "").json(t)
	again := want(t, p.call("POST", path+"/skip-next", ``, "Idempotency-Key", "k"), 200, "").json(t)
	if d := cmp.Diff([]any{"2026-01-31T12:04:00Z", "2026-01-31T12:05:00Z"}, skips["skip_next"]); d != "" || again["skip_next"] == nil {
		t.Error(d)
	}
	if skips["next_run_at"] != "2026-01-31T12:06:00Z" {
		t.Errorf("next %v", skips["next_run_at"])
	}
	next := list(t, p.call("GET", path+"/next?count=3", ""))
	if next[0]["skip"] != "requested" || next[2]["skip"] != nil || next[2]["due_at"] != "2026-01-31T12:06:00Z" {
		t.Errorf("%v", next)
	}
	p.tick(time.Minute)
	p.tick(time.Minute)
	p.tick(time.Minute) // fires 12:06
	p.finish(p.claim())
	body := `{"from":"2026-01-31T12:01:00Z","to":"2026-01-31T12:04:00Z","dry_run":true`
	dry := want(t, p.call("POST", path+"/backfill", body+`}`), 200, "").json(t)
	if dry["count"] != 2.0 || dry["dry_run"] != true {
		t.Errorf("%v", dry)
	}
	want(t, p.call("POST", path+"/backfill", strings.Replace(body, "true", "false", 1)+`,"rerun":true,"order":"desc","max":2}`), 201, "")
	made := want(t, p.call("POST", path+"/backfill", strings.Replace(body, "true", "false", 1)+`}`, "Idempotency-Key", "b"), 201, "")
	replay := want(t, p.call("POST", path+"/backfill", strings.Replace(body, "true", "false", 1)+`}`, "Idempotency-Key", "b"), 201, "")
	if string(made.body) != string(replay.body) {
		t.Errorf("%s, again %s", made.body, replay.body)
	}
	want(t, p.call("POST", path+"/backfill", `{"from":"2026-01-31T12:01:00Z","to":"2026-01-31T12:01:00Z"}`), 422, "invalid_input")
	want(t, p.call("POST", path+"/backfill", `{"from":"2026-01-31T12:01:00Z","to":"2026-03-31T12:01:00Z"}`), 422, "invalid_input")
	want(t, p.call("POST", path+"/backfill", ``), 415, "unsupported_media_type")
	for query, expect := range map[string]string{
		"":                 "12:06:00 COMPLETED, 12:04:00 requested 2, 12:03:00 QUEUED backfill 1, 12:02:00 QUEUED backfill 1, 12:02:00 overlap 2, 12:01:00 COMPLETED",
		"&kind=skip":       "12:04:00 requested 2, 12:02:00 overlap 2",
		"&reason=overlap":  "12:02:00 overlap 2",
		"&source=schedule": "12:06:00 COMPLETED, 12:01:00 COMPLETED",
		"&from=2026-01-31T12:02:00Z&to=2026-01-31T12:03:00Z": "12:02:00 QUEUED backfill 1, 12:02:00 overlap 2",
	} {
		got := strings.Join(p.history("s", query), ", ")
		if got != expect {
			t.Errorf("%s: %s, want %s", query, got, expect)
		}
	}
	counts, _ := p.get("s")["skipped_counts"].(map[string]any)
	if counts["overlap"] != 2.0 || counts["requested"] != 2.0 {
		t.Errorf("%v", counts)
	}
	want(t, p.call("GET", path+"/history?cursor=x", ""), 400, "cursor_invalid")
	want(t, p.call("GET", path+"/history?kind=x", ""), 400, "invalid_parameter")
}

func TestSchedulePause(t *testing.T) {
	t.Parallel()
	p := withPlanner(t)
	p.add(`{"name":"s","template_id":"hello","trigger":{"type":"INTERVAL","interval":"PT1M"}}`)
	path := "/api/schedules/s"
	v := want(t, p.call("POST", path+"/pause", `{"reason":"lunch"}`), 200, "").json(t)
	if v["state"] != "paused" || v["state_reason"] != "lunch" || v["state_by"] != "admin" || v["enabled"] != false || v["version"] != 1.0 {
		t.Errorf("%v", v)
	}
	p.tick(3 * time.Minute)
	want(t, p.call("POST", path+"/resume", ``, "Idempotency-Key", "r"), 200, "")
	p.tick(0)
	if got := strings.Join(p.history("s", ""), ", "); got != "12:03:00 QUEUED, 12:01:00 paused 2" {
		t.Error(got)
	}
	want(t, p.call("POST", path+"/disable", ``), 200, "")
	p.tick(3 * time.Minute)
	want(t, p.call("POST", path+"/enable", `{"catch_up":true}`), 200, "")
	p.tick(0)
	if got := strings.Join(p.history("s", "&from=2026-01-31T12:04:00Z"), ", "); strings.Contains(got, "paused") || !strings.Contains(got, "12:0") {
		t.Errorf("what was due meanwhile is not made up: %s", got)
	}
	if n := len(list(t, p.call("GET", "/api/schedules?state=paused", ""))); n != 0 {
		t.Errorf("%d paused", n)
	}
	tmpl := want(t, p.call("GET", "/api/job-templates/hello", ""), 200, "").text(t, "template_id")
	if n := len(list(t, p.call("GET", "/api/schedules?state=active&template_id="+tmpl+"&q=S", ""))); n != 1 {
		t.Errorf("%d active", n)
	}
	if n := len(list(t, p.call("GET", "/api/schedules?template_id=tmpl_01jh0000000000000000000000", ""))); n != 0 {
		t.Errorf("%d of another template", n)
	}
}

// TestLegacySchedulesGolden locks the endpoints under /schedules.
func TestLegacySchedulesGolden(t *testing.T) {
	t.Parallel()
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	s := newScript(t, legacyZone(seoul))
	first := s.say(201, "POST", "/schedules", `{"name":"morning","job_type":"echo","job_params":{"text":"hi"},"cron_expression":"0 9 * * *","timezone":"Asia/Seoul","enabled":true}`).text(t, "schedule_id")
	s.say(201, "POST", "/schedule/create", `{"name":"noon","job_type":"echo","job_params":{"text":"hi"},"cron_expression":"0 12 * * *"}`)
	s.say(201, "POST", "/schedules", `{"name":"off","job_type":"echo","job_params":{"text":"hi"},"cron_expression":"0 12 * * *","timezone":"America/New_York","enabled":false}`)
	s.say(200, "GET", "/schedules", "")
	s.say(200, "PUT", "/schedules/"+first, `{"enabled":false}`)
	s.say(200, "PUT", "/schedules/"+first, `{"enabled":true,"cron_expression":"30 9 * * *"}`)
	s.say(200, "PUT", "/schedules/"+first, `{"job_params":{"text":"ho"},"timezone":"Europe/Paris","name":"early"}`)
	s.say(200, "GET", "/schedule/list", "")
	s.say(204, "DELETE", "/schedules/"+first, "")
	s.say(404, "PUT", "/schedules/"+first, `{"enabled":false}`)
	s.say(204, "DELETE", "/schedule/off", "")
	s.say(422, "POST", "/schedules", `{"name":"bad","job_type":"echo","job_params":{"text":"hi"},"cron_expression":"99 9 * * *"}`)
	s.say(422, "POST", "/schedules", `{"name":"bad","job_type":"none","cron_expression":"0 9 * * *"}`)
	s.say(409, "POST", "/schedules", `{"name":"noon","job_type":"echo","job_params":{"text":"hi"},"cron_expression":"0 9 * * *"}`)
	s.check("schedules")
}
