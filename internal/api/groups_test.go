package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/store"
)

// groupOf is the body of a group of n members; more are further fields.
func groupOf(mode string, n int, more string) string {
	jobs := make([]string, n)
	for i := range jobs {
		jobs[i] = fmt.Sprintf(`{"job_type":"echo","name":"m%d","params":{"text":"hi"}}`, i)
	}
	return `{"name":"night","mode":"` + mode + `","jobs":[` + strings.Join(jobs, ",") + `]` + more + `}`
}

func (b *bundle) addGroup(body string) map[string]any {
	b.t.Helper()
	return want(b.t, b.call("POST", "/api/job-groups", body), 201, "").json(b.t)
}

// pick is some fields of an answer.
func pick(m map[string]any, names ...string) map[string]any {
	out := map[string]any{}
	for _, n := range names {
		out[n] = m[n]
	}
	return out
}

func jobsOf(g map[string]any) []map[string]any {
	items, _ := g["jobs"].([]any)
	var out []map[string]any
	for _, i := range items {
		m, _ := i.(map[string]any)
		out = append(out, m)
	}
	return out
}

func code(v any) any {
	m, _ := v.(map[string]any)
	return m["code"]
}

func TestCreateGroup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addJob(echoJob)
	a := want(t, b.call("POST", "/api/job-groups", groupOf("parallel", 10, `,"labels":{"a":"b"},"priority":7`)), 201, "")
	g := a.json(t)
	path := "/api/job-groups/" + g["group_id"].(string)
	if a.Header.Get("Location") != path {
		t.Errorf("headers %v", a.Header)
	}
	fields := []string{"name", "mode", "max_parallel", "on_failure", "status", "position", "total", "completed", "running", "labels", "created_by", "started_at", "next_cursor"}
	expect := map[string]any{
		"name": "night", "mode": "parallel", "max_parallel": 8.0, "on_failure": "continue", "status": "PENDING", "position": 1.0, "total": 10.0, "completed": 0.0,
		"running": 0.0, "labels": map[string]any{"a": "b"}, "created_by": "admin", "started_at": nil, "next_cursor": nil,
	}
	if diff := cmp.Diff(expect, pick(g, fields...)); diff != "" || code(g["waiting"]) != "position" {
		t.Errorf("%s %v", diff, g["waiting"])
	}
	read := want(t, b.call("GET", path, ""), 200, "").json(t)
	if diff := cmp.Diff(pick(g, append(fields, "waiting")...), pick(read, append(fields, "waiting")...)); diff != "" {
		t.Error(diff)
	}
	for _, jobs := range [][]map[string]any{jobsOf(g), jobsOf(read)} {
		if len(jobs) != 10 {
			t.Fatalf("%d members", len(jobs))
		}
		for i, j := range jobs {
			want := map[string]any{"name": fmt.Sprint("m", i), "group_id": g["group_id"], "trigger": "group", "priority": 7.0, "position": 1.0, "status": "QUEUED"}
			if diff := cmp.Diff(want, pick(j, "name", "group_id", "trigger", "priority", "position", "status")); diff != "" {
				t.Error(diff)
			}
		}
	}
	s := b.addGroup(groupOf("sequential", 2, `,"top":true`))
	if s["on_failure"] != "stop" || s["max_parallel"] != 1.0 || s["position"] != 0.0 {
		t.Errorf("sequential: %v", s)
	}
	if p := b.addGroup(groupOf("parallel", 3, `,"before":"`+g["group_id"].(string)+`"`)); p["position"] != 2.0 || p["max_parallel"] != 3.0 {
		t.Errorf("before the other group: %v of %v", p["position"], p["max_parallel"])
	}
}

func TestGroupIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	two := `{"job_type":"echo","params":{"text":"x"}},`
	for name, c := range map[string]struct {
		body, code, pointer string
		status              int
	}{
		"empty":            {`{"name":"n","mode":"parallel","jobs":[]}`, "invalid_input", "/jobs", 422},
		"no jobs":          {`{"name":"n","mode":"parallel"}`, "invalid_input", "/jobs", 422},
		"no mode":          {`{"name":"n","jobs":[` + echoJob + `]}`, "invalid_input", "/mode", 422},
		"unknown mode":     {groupOf("both", 1, ""), "invalid_input", "/mode", 422},
		"too many":         {groupOf("parallel", 501, ""), "invalid_input", "/jobs", 422},
		"too parallel":     {groupOf("parallel", 1, `,"max_parallel":9`), "invalid_input", "/max_parallel", 422},
		"not parallel":     {groupOf("sequential", 1, `,"max_parallel":2`), "invalid_input", "/max_parallel", 422},
		"params":           {`{"name":"n","mode":"parallel","jobs":[` + two + two + two + `{"job_type":"echo","params":{"text":3}}]}`, "invalid_input", "/jobs/3/params/text", 422},
		"check":            {`{"name":"n","mode":"parallel","jobs":[` + two + `{"job_type":"echo","params":{"text":"forbidden"}}]}`, "command_not_allowed", "/jobs/1/params/text", 422},
		"unknown type":     {`{"name":"n","mode":"parallel","jobs":[` + two + `{"job_type":"ghost"}]}`, "job_type_unknown", "/jobs/1/job_type", 422},
		"no template":      {`{"name":"n","mode":"parallel","jobs":[` + two + `{"template_id":"nope"}]}`, "not_found", "/jobs/1/template_id", 404},
		"unknown field":    {`{"name":"n","mode":"parallel","jobs":[` + two + `{"job_type":"echo","colour":1}]}`, "unknown_field", "/jobs/1/colour", 422},
		"group in a group": {`{"name":"n","mode":"parallel","jobs":[{"job_type":"echo","params":{"text":"x"},"group_id":"group_01jh0000000000000000000000"}]}`, "invalid_input", "/jobs/0/group_id", 422},
		"two places":       {groupOf("parallel", 1, `,"top":true,"bottom":true`), "invalid_input", "", 422},
		"wrong place":      {groupOf("parallel", 1, `,"before":"run_01jh0000000000000000000000"`), "wrong_id_type", "/before", 400},
		"no such place":    {groupOf("parallel", 1, `,"after":"job_01jh0000000000000000000000"`), "not_found", "/after", 404},
		"label":            {groupOf("parallel", 1, `,"labels":{"":"x"}`), "invalid_input", "/labels/", 422},
	} {
		a := want(t, b.call("POST", "/api/job-groups", c.body), c.status, c.code)
		if !strings.Contains(string(a.body), `"pointer":"`+c.pointer) {
			t.Errorf("%s: no pointer %s in %s", name, c.pointer, a.body)
		}
	}
	want(t, b.as(access.Operator, "POST", "/api/job-groups", groupOf("parallel", 1, "")), 403, "forbidden")
	if n := b.jobCount(); n != 0 {
		t.Errorf("%d jobs are left of what was refused", n)
	}
	if l := list(t, b.call("GET", "/api/job-groups", "")); len(l) != 0 {
		t.Errorf("groups %v", l)
	}
}

func TestGroupLife(t *testing.T) {
	t.Parallel()
	b := setup(t)
	g := b.addGroup(groupOf("sequential", 2, ""))
	groupID := g["group_id"].(string)
	path := "/api/job-groups/" + groupID
	more := want(t, b.call("POST", path+"/jobs", `{"jobs":[{"job_type":"echo","name":"late","params":{"text":"x"}}]}`, "Idempotency-Key", "more"), 201, "")
	if v := more.json(t); v["total"] != 3.0 || len(jobsOf(v)) != 1 || jobsOf(v)[0]["name"] != "late" {
		t.Errorf("added: %s", more.body)
	}
	if again := want(t, b.call("POST", path+"/jobs", `{"jobs":[{"job_type":"echo","name":"late","params":{"text":"x"}}]}`, "Idempotency-Key", "more"), 201, ""); string(again.body) != string(more.body) {
		t.Errorf("replay differs: %s", again.body)
	}
	one := want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","name":"last","params":{"text":"x"},"group_id":"`+groupID+`"}`), 201, "").json(t)
	if one["group_id"] != groupID || one["position"] != 0.0 {
		t.Errorf("added by POST /api/jobs: %v", one)
	}
	c := b.claim()
	v := want(t, b.call("GET", path, ""), 200, "").json(t)
	if diff := cmp.Diff(map[string]any{"status": "RUNNING", "running": 1.0, "total": 4.0, "position": nil, "waiting": nil}, pick(v, "status", "running", "total", "position", "waiting")); diff != "" {
		t.Error(diff)
	}
	if j := jobsOf(v)[1]; j["position"] != nil || code(j["waiting"]) != "group" {
		t.Errorf("second member: %v", j)
	}
	want(t, b.call("POST", path+"/jobs", `{"jobs":[`+echoJob+`]}`), 409, "group_started")
	if a := want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"x"},"group_id":"`+groupID+`"}`), 409, "group_started"); !strings.Contains(string(a.body), `"/group_id"`) {
		t.Errorf("no pointer: %s", a.body)
	}
	b.finish(c)
	want(t, b.call("POST", "/api/jobs/"+jobsOf(v)[1]["job_id"].(string)+"/hold", `{"reason":"lunch"}`), 200, "")
	v = want(t, b.call("GET", path, ""), 200, "").json(t)
	if v["completed"] != 1.0 || v["succeeded"] != 1.0 || code(v["waiting"]) != "held" {
		t.Errorf("with a held member: %v", v)
	}
	a := want(t, b.call("POST", path+"/cancel", "", "Idempotency-Key", "c"), 200, "")
	if v := a.json(t); v["status"] != "PARTIAL" || v["cancelled"] != 3.0 || v["completed"] != 4.0 {
		t.Errorf("cancelled: %s", a.body)
	}
	if again := want(t, b.call("POST", path+"/cancel", "", "Idempotency-Key", "c"), 200, ""); string(again.body) != string(a.body) {
		t.Errorf("replay differs: %s", again.body)
	}
	want(t, b.call("POST", path+"/cancel", ""), 409, "already_finished")
	if r := want(t, b.call("GET", "/api/job-runs/"+c.Run.ID, ""), 200, "").json(t); r["group_id"] != groupID {
		t.Errorf("run %v", r)
	}
	want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"x"},"group_id":"job_01jh0000000000000000000000"}`), 400, "wrong_id_type")
	want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"x"},"group_id":"group_01jh0000000000000000000000"}`), 404, "not_found")
}

func TestCancelRunningGroup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/api/job-groups/" + b.addGroup(groupOf("sequential", 3, ""))["group_id"].(string)
	c := b.claim()
	a := want(t, b.call("POST", path+"/cancel", ""), 202, "")
	if v := a.json(t); v["status"] != "RUNNING" || v["cancelled"] != 2.0 || v["running"] != 1.0 || v["skipped"] != 0.0 || a.Header.Get("Location") != path {
		t.Errorf("asked to stop: %s", a.body)
	}
	if j := want(t, b.call("GET", "/api/jobs/"+c.Job.ID, ""), 200, "").json(t); j["cancel_requested_at"] == nil || j["cancelled_by"] != "admin" {
		t.Errorf("the running member: %v", j)
	}
}

func TestGroupPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 3 {
		b.addGroup(strings.Replace(groupOf("parallel", 5, ""), "night", fmt.Sprint("Night ", i), 1))
		b.clock.Advance(time.Second)
	}
	var names []string
	cursor := ""
	for {
		a := b.call("GET", "/api/job-groups?limit=2&status=PENDING&q=nIGHT"+cursor, "")
		for _, g := range list(t, a) {
			names = append(names, g["name"].(string))
			if g["jobs"] != nil {
				t.Error("a list shows members")
			}
		}
		next := a.text(t, "next_cursor")
		if next == "" {
			break
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
	if got := strings.Join(names, ","); got != "Night 2,Night 1,Night 0" {
		t.Error(got)
	}
	path := "/api/job-groups/" + list(t, b.call("GET", "/api/job-groups", ""))[0]["group_id"].(string)
	names, cursor = nil, ""
	for range 3 {
		v := want(t, b.call("GET", path+"?limit=2"+cursor, ""), 200, "").json(t)
		for _, j := range jobsOf(v) {
			names = append(names, j["name"].(string))
		}
		next, _ := v["next_cursor"].(string)
		cursor = "&cursor=" + url.QueryEscape(next)
	}
	if got := strings.Join(names, ","); got != "m0,m1,m2,m3,m4" {
		t.Error(got)
	}
	if l := list(t, b.call("GET", "/api/job-groups?status=RUNNING,PARTIAL", "")); len(l) != 0 {
		t.Errorf("running: %v", l)
	}
	if l := list(t, b.as("stranger", "GET", "/api/job-groups", "")); len(l) != 0 {
		t.Errorf("another tenant sees %v", l)
	}
	for _, verb := range []string{"GET " + path, "POST " + path + "/cancel"} {
		method, target, _ := strings.Cut(verb, " ")
		want(t, b.as("stranger", method, target, ""), 404, "not_found")
	}
	want(t, b.as("stranger", "POST", path+"/jobs", `{"jobs":[`+echoJob+`]}`), 404, "not_found")
}

// TestGroupsOfALimitedToken: a token for some templates neither cancels nor adds
// to groups with other members.
func TestGroupsOfALimitedToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range []string{"mine", "other"} {
		want(t, b.call("POST", "/api/job-templates", `{"name":"`+name+`","job_type":"echo","params":{"text":"x"}}`), 201, "")
	}
	b.mint("limited", `{"name":"limited","roles":["operator"],"templates":["mine"]}`)
	group := func(templates ...string) string {
		return `{"name":"g","mode":"sequential","jobs":[{"template_id":"` + strings.Join(templates, `"},{"template_id":"`) + `"}]}`
	}
	want(t, b.as("limited", "POST", "/api/job-groups", group("mine", "other")), 403, "forbidden")
	own := want(t, b.as("limited", "POST", "/api/job-groups", group("mine", "mine")), 201, "").text(t, "group_id")
	mixed := b.addGroup(group("mine", "other"))["group_id"].(string)
	for groupID, status := range map[string]int{own: 201, mixed: 403} {
		if a := b.as("limited", "POST", "/api/job-groups/"+groupID+"/jobs", `{"jobs":[{"template_id":"mine"}]}`); a.StatusCode != status {
			t.Errorf("add: %d %s", a.StatusCode, a.body)
		}
		if a := b.as("limited", "POST", "/api/jobs", `{"template_id":"mine","group_id":"`+groupID+`"}`); a.StatusCode != status {
			t.Errorf("add by job: %d %s", a.StatusCode, a.body)
		}
		if a := b.as("limited", "POST", "/api/job-groups/"+groupID+"/cancel", ""); (a.StatusCode == 200) != (status == 201) {
			t.Errorf("cancel: %d %s", a.StatusCode, a.body)
		}
	}
}

// TestGroupWaits: a group says what its members wait for, and a parallel one only
// when none of them could start.
func TestGroupWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.store.Locks.Acquire(t.Context(), store.AcquireLock{Tenant: access.DefaultTenant, Name: "gpu:0", Holder: "train.py", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	body := func(mode string) string {
		return `{"name":"g","mode":"` + mode + `","jobs":[{"job_type":"echo","params":{"text":"x"},"locks":["gpu:0"]},` + echoJob + `]}`
	}
	if g := b.addGroup(body("sequential")); code(g["waiting"]) != "lock" {
		t.Errorf("sequential waits: %v", g["waiting"])
	}
	if g := b.addGroup(strings.Replace(body("parallel"), `"name"`, `"top":true,"name"`, 1)); code(g["waiting"]) != "group" {
		t.Errorf("parallel waits: %v", g["waiting"])
	}
}
