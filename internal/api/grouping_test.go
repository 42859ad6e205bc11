package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/id"
)

// formOf is the body of a group of waiting jobs.
func formOf(mode, more string, jobIDs ...string) string {
	return `{"name":"night","mode":"` + mode + `","job_ids":["` + strings.Join(jobIDs, `","`) + `"]` + more + `}`
}

func TestGroupWaitingJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "b", "c", "d", "e")
	_, tag := b.order()
	a := want(t, b.call("POST", "/api/job-groups", formOf("sequential", `,"labels":{"k":"v"}`, j["d"], j["b"], j["c"]), "If-Match", tag, "Idempotency-Key", "k"), 201, "")
	g := a.json(t)
	groupID := g["group_id"].(string)
	path := "/api/job-groups/" + groupID
	expect := map[string]any{
		"name": "night", "mode": "sequential", "max_parallel": 1.0, "on_failure": "stop", "status": "PENDING", "position": 1.0, "total": 3.0,
		"completed": 0.0, "labels": map[string]any{"k": "v"}, "created_by": "admin",
	}
	fields := []string{"name", "mode", "max_parallel", "on_failure", "status", "position", "total", "completed", "labels", "created_by"}
	if diff := cmp.Diff(expect, pick(g, fields...)); diff != "" || a.Header.Get("Location") != path {
		t.Errorf("%s at %s", diff, a.Header.Get("Location"))
	}
	if diff := cmp.Diff(expect, pick(want(t, b.call("GET", path, ""), 200, "").json(t), fields...)); diff != "" {
		t.Error(diff)
	}
	for i, m := range jobsOf(g) {
		expect := map[string]any{"name": []string{"d", "b", "c"}[i], "group_id": groupID, "trigger": "api", "priority": 5.0, "position": 1.0, "params": map[string]any{"text": "hi"}}
		if diff := cmp.Diff(expect, pick(m, "name", "group_id", "trigger", "priority", "position", "params")); diff != "" {
			t.Error(diff)
		}
	}
	b.wantOrder("a d b c e")
	if _, now := b.order(); now == tag || now != a.Header.Get("ETag") {
		t.Errorf("ETag %s, of the order %s, before %s", a.Header.Get("ETag"), now, tag)
	}
	if again := want(t, b.call("POST", "/api/job-groups", formOf("sequential", `,"labels":{"k":"v"}`, j["d"], j["b"], j["c"]), "If-Match", tag, "Idempotency-Key", "k"), 201, ""); string(again.body) != string(a.body) {
		t.Errorf("replay differs: %s", again.body)
	}
	// Its members wait for each other once it runs.
	b.finish(b.claim())
	if c := b.claim(); c.Job.ID != j["d"] {
		t.Errorf("%s started", c.Job.Name)
	}
	if m := b.get(j["b"]); code(m["waiting"]) != "group" || m["position"] != nil {
		t.Errorf("second member: %v", m)
	}
	entries := string(want(t, b.call("GET", "/api/audit?object="+groupID, ""), 200, "").body)
	if !strings.Contains(entries, `"action":"group.form"`) || !strings.Contains(entries, `"jobs":"3"`) {
		t.Errorf("the record has %s", entries)
	}
}

func TestDissolveGroup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "b", "c", "d", "e")
	path := "/api/job-groups/" + want(t, b.call("POST", "/api/job-groups", formOf("parallel", "", j["c"], j["a"])), 201, "").text(t, "group_id")
	b.wantOrder("c a b d e")
	_, tag := b.order()
	a := want(t, b.call("POST", path+"/dissolve", "", "If-Match", tag, "Idempotency-Key", "k"), 200, "")
	v := a.json(t)
	if diff := cmp.Diff(map[string]any{"job_ids": []any{j["c"], j["a"]}, "position": 0.0, "group": nil}, pick(v, "job_ids", "position", "group")); diff != "" {
		t.Error(diff)
	}
	b.wantOrder("c a b d e")
	if _, now := b.order(); now == tag || now != a.Header.Get("ETag") || now != fmt.Sprintf(`"%v"`, v["revision"]) && !strings.Contains(now, fmt.Sprint(v["revision"])) {
		t.Errorf("ETag %s, revision %v, of the order %s", a.Header.Get("ETag"), v["revision"], now)
	}
	want(t, b.call("GET", path, ""), 404, "not_found")
	want(t, b.call("POST", path+"/dissolve", ""), 404, "not_found")
	if again := want(t, b.call("POST", path+"/dissolve", "", "If-Match", tag, "Idempotency-Key", "k"), 200, ""); string(again.body) != string(a.body) {
		t.Errorf("replay differs: %s", again.body)
	}
	for i, name := range []string{"c", "a", "b"} {
		if m := b.get(j[name]); m["group_id"] != nil || m["position"] != float64(i) {
			t.Errorf("%s: %v at %v", name, m["group_id"], m["position"])
		}
	}
	// Of one that runs, what has begun stays.
	path = "/api/job-groups/" + want(t, b.call("POST", "/api/job-groups", formOf("sequential", "", j["c"], j["a"], j["e"])), 201, "").text(t, "group_id")
	c := b.claim()
	v = want(t, b.call("POST", path+"/dissolve", ""), 200, "").json(t)
	left, _ := v["group"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"status": "RUNNING", "total": 1.0, "running": 1.0}, pick(left, "status", "total", "running")); diff != "" {
		t.Error(diff)
	}
	b.wantOrder("a e b d")
	want(t, b.call("POST", path+"/dissolve", ""), 409, "already_started")
	b.finish(c)
	want(t, b.call("POST", path+"/dissolve", ""), 409, "already_finished")
	if g := want(t, b.call("GET", path, ""), 200, "").json(t); g["status"] != "COMPLETED" || g["total"] != 1.0 {
		t.Errorf("in the end %v", g)
	}
	if entries := string(want(t, b.call("GET", "/api/audit?action=group.dissolve", ""), 200, "").body); strings.Count(entries, `"object_name":"night"`) != 2 {
		t.Errorf("the record has %s", entries)
	}
}

func TestGroupingIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("r", "x", "a", "b", "c")
	b.claim()
	want(t, b.call("POST", "/api/jobs/"+j["x"]+"/cancel", ""), 200, "")
	in := want(t, b.call("POST", "/api/job-groups", formOf("parallel", "", j["c"])), 201, "").text(t, "group_id")
	b.wantOrder("a b c")
	asks := b.addJob(`{"job_type":"echo","name":"asks","params":{"text":"hi"},"approval":{}}`)
	nobody := id.New(id.Job, clock.System{}.Now())
	many := make([]string, 501)
	for i := range many {
		many[i] = nobody
	}
	for name, c := range map[string]struct {
		body, code, pointer string
		status              int
	}{
		"both":            {formOf("parallel", `,"jobs":[`+echoJob+`]`, j["a"]), "invalid_input", "/job_ids", 422},
		"empty":           {`{"name":"n","mode":"parallel","job_ids":[]}`, "invalid_input", "/job_ids", 422},
		"too many":        {formOf("parallel", "", many...), "invalid_input", "/job_ids", 422},
		"twice":           {formOf("parallel", "", j["a"], j["b"], j["a"]), "invalid_input", "/job_ids/2", 422},
		"no job":          {formOf("parallel", "", j["a"], "run_01jh0000000000000000000000"), "wrong_id_type", "/job_ids/1", 400},
		"not there":       {formOf("parallel", "", j["a"], nobody), "not_found", "/job_ids/1", 404},
		"runs":            {formOf("parallel", "", j["a"], j["r"]), "already_started", "/job_ids/1", 409},
		"has ended":       {formOf("parallel", "", j["x"], j["a"]), "already_finished", "/job_ids/0", 409},
		"in a group":      {formOf("parallel", "", j["a"], j["c"]), "not_groupable", "/job_ids/1", 409},
		"asks somebody":   {formOf("parallel", "", asks), "not_groupable", "/job_ids/0", 409},
		"with a place":    {formOf("parallel", `,"top":true`, j["a"]), "invalid_input", "/top", 422},
		"with a priority": {formOf("parallel", `,"priority":2`, j["a"]), "invalid_input", "/priority", 422},
		"not parallel":    {formOf("sequential", `,"max_parallel":2`, j["a"]), "invalid_input", "/max_parallel", 422},
	} {
		a := want(t, b.call("POST", "/api/job-groups", c.body), c.status, c.code)
		if !strings.Contains(string(a.body), `"pointer":"`+c.pointer) {
			t.Errorf("%s: no pointer %s in %s", name, c.pointer, a.body)
		}
	}
	if a := b.call("POST", "/api/job-groups", formOf("parallel", "", j["r"])); !strings.Contains(string(a.body), "RUNNING") {
		t.Errorf("the state is not told: %s", a.body)
	}
	want(t, b.as(access.Operator, "POST", "/api/job-groups/"+in+"/dissolve", "", "If-Match", `"0"`), 412, "version_mismatch")
	stale := want(t, b.call("POST", "/api/job-groups", formOf("parallel", "", j["a"]), "If-Match", `"0"`), 412, "version_mismatch")
	if !strings.Contains(string(stale.body), `"revision"`) {
		t.Errorf("the queue as it is is missing: %s", stale.body)
	}
	want(t, b.call("POST", "/api/job-groups", groupOf("parallel", 1, ""), "If-Match", `"0"`), 412, "version_mismatch")
	want(t, b.as(access.Viewer, "POST", "/api/job-groups", formOf("parallel", "", j["a"])), 403, "forbidden")
	want(t, b.as(access.Viewer, "POST", "/api/job-groups/"+in+"/dissolve", ""), 403, "forbidden")
	b.tenancy()
	b.mint("stranger", `{"name":"stranger","roles":["admin"],"tenant":"other"}`)
	want(t, b.as("stranger", "POST", "/api/job-groups", formOf("parallel", "", j["a"])), 404, "not_found")
	want(t, b.as("stranger", "POST", "/api/job-groups/"+in+"/dissolve", ""), 404, "not_found")
	b.mint("limited", `{"name":"limited","roles":["author"],"templates":["mine"]}`)
	want(t, b.as("limited", "POST", "/api/job-groups", formOf("parallel", "", j["a"])), 403, "forbidden")
	want(t, b.as("limited", "POST", "/api/job-groups/"+in+"/dissolve", ""), 403, "forbidden")
	b.wantOrder("a b c asks")
	if l := list(t, b.call("GET", "/api/job-groups", "")); len(l) != 1 {
		t.Errorf("groups %v", l)
	}
}
