package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// addNamed adds jobs with these names and returns their ids by name.
func (b *bundle) addNamed(names ...string) map[string]string {
	b.t.Helper()
	out := map[string]string{}
	for _, n := range names {
		out[n] = b.addJob(`{"job_type":"echo","name":"` + n + `","params":{"text":"hi"}}`)
		b.clock.Advance(time.Millisecond)
	}
	return out
}

// order is the names of the waiting jobs, and the ETag.
func (b *bundle) order() (names, tag string) {
	b.t.Helper()
	a := want(b.t, b.call("GET", "/api/queue?limit=200", ""), 200, "")
	page, _ := a.json(b.t)["queued"].(map[string]any)
	var out []string
	items, _ := page["items"].([]any)
	for i, it := range items {
		m, _ := it.(map[string]any)
		if groups := a.json(b.t)["groups"].([]any); len(groups) == 0 && m["position"] != float64(i) {
			b.t.Errorf("%v has position %v at place %d", m["name"], m["position"], i)
		}
		out = append(out, fmt.Sprint(m["name"]))
	}
	return strings.Join(out, " "), a.Header.Get("ETag")
}

func (b *bundle) wantOrder(names string) {
	b.t.Helper()
	if got, _ := b.order(); got != names {
		b.t.Errorf("order %s, want %s", got, names)
	}
}

func TestMoveOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "b", "c", "d")
	_, tag := b.order()
	path := "/api/jobs/" + j["d"] + "/move"
	a := want(t, b.call("POST", path, `{"top":true}`, "If-Match", tag), 200, "")
	v := a.json(t)
	shown, _ := v["job"].(map[string]any)
	if v["old_position"] != 3.0 || v["new_position"] != 0.0 || v["job_id"] != j["d"] || shown["position"] != 0.0 || a.Header.Get("ETag") == tag {
		t.Errorf("%s", a.body)
	}
	b.wantOrder("d a b c")
	stale := want(t, b.call("POST", path, `{"bottom":true}`, "If-Match", tag), 412, "version_mismatch")
	cur, _ := stale.json(t)["current"].(map[string]any)
	if `"`+fmt.Sprint(cur["revision"])+`"` != a.Header.Get("ETag") || stale.Header.Get("ETag") != a.Header.Get("ETag") {
		t.Errorf("412 without the current order: %s", stale.body)
	}
	for _, step := range []struct{ body, order string }{
		{`{"bottom":true}`, "a b c d"},
		{`{"position":1}`, "a d b c"},
		{`{"before":"` + j["a"] + `"}`, "d a b c"},
		{`{"after":"` + j["b"] + `"}`, "a b d c"},
		{`{"position":900}`, "a b c d"},
	} {
		want(t, b.call("POST", path, step.body), 200, "")
		b.wantOrder(step.order)
	}
	for _, bad := range []struct {
		body   string
		status int
		code   string
		at     string
	}{
		{`{}`, 422, "invalid_input", "/position"},
		{`{"top":true,"position":1}`, 422, "invalid_input", "/position"},
		{`{"position":-1}`, 422, "invalid_input", "/position"},
		{`{"before":"` + j["d"] + `"}`, 422, "invalid_input", ""},
		{`{"before":"run_01jh0000000000000000000000"}`, 400, "wrong_id_type", "/before"},
		{`{"after":"job_01jh0000000000000000000000"}`, 404, "not_found", "/after"},
		{`{"newPosition":1}`, 422, "unknown_field", ""},
	} {
		if a := want(t, b.call("POST", path, bad.body), bad.status, bad.code); !strings.Contains(string(a.body), `"pointer":"`+bad.at) {
			t.Errorf("%s: no pointer %s: %s", bad.body, bad.at, a.body)
		}
	}
	b.wantOrder("a b c d")
	b.claim() // a
	want(t, b.call("POST", "/api/jobs/"+j["a"]+"/move", `{"bottom":true}`), 409, "already_started")
	want(t, b.call("POST", path, `{"after":"`+j["a"]+`"}`), 409, "already_started")
	want(t, b.call("POST", "/api/jobs/"+j["b"]+"/cancel", ""), 200, "")
	want(t, b.call("POST", "/api/jobs/"+j["b"]+"/move", `{"bottom":true}`), 409, "already_finished")
}

func TestMoveIsRepeatable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "b", "c")
	first := want(t, b.call("POST", "/api/jobs/"+j["c"]+"/move", `{"top":true}`, "Idempotency-Key", "k"), 200, "")
	want(t, b.call("POST", "/api/jobs/"+j["b"]+"/move", `{"top":true}`), 200, "")
	again := want(t, b.call("POST", "/api/jobs/"+j["c"]+"/move", `{"top":true}`, "Idempotency-Key", "k"), 200, "")
	if string(first.body) != string(again.body) || again.Header.Get("ETag") != first.Header.Get("ETag") {
		t.Errorf("replay differs: %s", again.body)
	}
	b.wantOrder("b c a")
}

func TestPutOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "b", "c", "d", "e")
	put := func(body string, headers ...string) answer {
		return b.call("PUT", "/api/queue/order", body, headers...)
	}
	names := func(n string) string {
		var ids []string
		for s := range strings.FieldsSeq(n) {
			ids = append(ids, j[s])
		}
		return `["` + strings.Join(ids, `","`) + `"]`
	}
	_, tag := b.order()
	want(t, put(`{"order":`+names("e c a")+`}`, "If-Match", tag), 200, "")
	b.wantOrder("e b c d a")
	want(t, put(`{"order":`+names("a b c d e")+`}`, "If-Match", tag), 412, "version_mismatch")
	want(t, put(`{"order":`+names("a b c d e")+`}`), 200, "")
	want(t, put(`{"order":`+names("d b")+`,"top":true}`), 200, "")
	b.wantOrder("d b a c e")
	want(t, put(`{"order":`+names("a d")+`,"before":"`+j["e"]+`"}`), 200, "")
	b.wantOrder("b c a d e")
	a := want(t, put(`{"job_id":"`+j["e"]+`","position":1}`), 200, "")
	if v := a.json(t); v["old_position"] != 4.0 || v["new_position"] != 1.0 {
		t.Errorf("%s", a.body)
	}
	b.wantOrder("b e c a d")
	b.claim() // b
	const nobody = "job_01jh0000000000000000000000"
	a = want(t, put(`{"order":["`+j["b"]+`","`+j["d"]+`","`+nobody+`","`+j["e"]+`"]}`), 200, "")
	v := a.json(t)
	if diff := cmp.Diff([]any{j["b"], nobody}, v["ignored"]); diff != "" || len(v["moved"].([]any)) != 2 || v["job"] != nil {
		t.Errorf("%s %s", diff, a.body)
	}
	b.wantOrder("d c a e")
	if v := want(t, put(`{"job_id":"`+j["b"]+`","top":true}`), 200, "").json(t); len(v["ignored"].([]any)) != 1 {
		t.Errorf("a move of a started job: %v", v)
	}
	for body, at := range map[string]string{
		`{}`: "/job_id", `{"order":[]}`: "/order", `{"job_id":"` + j["a"] + `"}`: "/position",
		`{"order":["` + j["a"] + `","` + j["a"] + `"]}`:          "/order/1",
		`{"job_id":"` + j["a"] + `","order":["` + j["c"] + `"]}`: "/job_id",
		`{"order":["` + strings.Repeat(`x","`, 10_000) + `x"]}`:  "/order",
	} {
		if a := want(t, put(body), 422, "invalid_input"); !strings.Contains(string(a.body), `"pointer":"`+at+`"`) {
			t.Errorf("%.80s: %s", body, a.body)
		}
	}
	if a := want(t, put(`{"order":["tmpl_01jh0000000000000000000000"]}`), 400, "wrong_id_type"); !strings.Contains(string(a.body), `"/order/0"`) {
		t.Errorf("%s", a.body)
	}
	want(t, put(`{"job_id":"`+nobody+`","top":true}`), 404, "not_found")
	want(t, b.as(access.Viewer, "PUT", "/api/queue/order", `{"job_id":"`+j["a"]+`","top":true}`), 403, "forbidden")
}

// TestOrderRevision: only what a person does to the order changes its ETag.
func TestOrderRevision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "b", "c")
	_, first := b.order()
	b.addNamed("d")
	b.finish(b.claim())
	want(t, b.call("POST", "/api/jobs/"+j["b"]+"/cancel", ""), 200, "")
	if _, tag := b.order(); tag != first {
		t.Errorf("ETag %s, was %s: nobody changed the order", tag, first)
	}
	want(t, b.call("PATCH", "/api/jobs/"+j["c"], `{"priority":9}`), 200, "")
	if _, tag := b.order(); tag == first {
		t.Error("a change of priority left the ETag")
	}
}

func TestAddAtAPlace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "b")
	add := func(name, place string) answer {
		return b.call("POST", "/api/jobs", `{"job_type":"echo","name":"`+name+`","params":{"text":"x"},`+place+`}`)
	}
	for _, one := range []struct {
		name, place string
		at          float64
	}{
		{"top", `"top":true`, 0},
		{"bottom", `"bottom":true`, 3},
		{"one", `"position":1`, 1},
		{"before", `"before":"` + j["b"] + `"`, 3},
		{"after", `"after":"` + j["b"] + `"`, 5},
		{"urgent", `"priority":0,"bottom":true`, 7},
	} {
		if v := want(t, add(one.name, one.place), 201, "").json(t); v["position"] != one.at {
			t.Errorf("%s at %v, want %v", one.name, v["position"], one.at)
		}
	}
	b.wantOrder("top one a before b after bottom urgent")
	want(t, add("x", `"top":true,"bottom":true`), 422, "invalid_input")
	if a := want(t, add("x", `"before":"job_01jh0000000000000000000000"`), 404, "not_found"); !strings.Contains(string(a.body), `"/before"`) {
		t.Errorf("%s", a.body)
	}
	if n := b.jobCount(); n != 8 {
		t.Errorf("%d jobs", n)
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "b", "c")
	path := "/api/jobs/" + j["b"]
	want(t, b.call("POST", path+"/restore", ""), 409, "conflict")
	want(t, b.call("POST", path+"/cancel", ""), 200, "")
	b.wantOrder("a c")
	a := want(t, b.call("POST", path+"/restore", "", "Idempotency-Key", "r"), 200, "")
	if v := a.json(t); v["status"] != "QUEUED" || v["position"] != 1.0 || v["cancelled_by"] != nil {
		t.Errorf("%s", a.body)
	}
	b.wantOrder("a b c")
	if again := want(t, b.call("POST", path+"/restore", "", "Idempotency-Key", "r"), 200, ""); string(again.body) != string(a.body) {
		t.Errorf("replay differs: %s", again.body)
	}
	b.finish(b.claim())
	want(t, b.call("POST", "/api/jobs/"+j["a"]+"/restore", ""), 409, "already_finished")
	want(t, b.as("stranger", "POST", path+"/restore", ""), 404, "not_found")
}

// TestMovesAreForTemplates: a token that is for some templates moves only their
// jobs, also inside a list.
func TestMovesAreForTemplates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, n := range []string{"mine", "theirs"} {
		want(t, b.call("POST", "/api/job-templates", `{"name":"`+n+`","job_type":"echo","params":{"text":"x"}}`), 201, "")
	}
	theirs, mine := b.addJob(`{"template_id":"theirs"}`), b.addJob(`{"template_id":"mine"}`)
	inline := b.addJob(echoJob)
	b.mint("ci", `{"name":"ci","roles":["operator"],"templates":["mine"]}`)
	put := func(body string) answer { return b.as("ci", "PUT", "/api/queue/order", body) }
	want(t, put(`{"job_id":"`+mine+`","top":true}`), 200, "")
	want(t, put(`{"job_id":"`+theirs+`","top":true}`), 403, "forbidden")
	want(t, put(`{"order":["`+theirs+`","`+mine+`"]}`), 403, "forbidden")
	want(t, b.as("ci", "POST", "/api/jobs/"+inline+"/move", `{"top":true}`), 403, "forbidden")
	want(t, b.as("ci", "POST", "/api/jobs/"+theirs+"/restore", ""), 403, "forbidden")
	a := want(t, b.as("ci", "POST", "/api/jobs/bulk", `{"filter":{},"action":"cancel"}`), 200, "")
	if v := a.json(t); v["done"] != 1.0 || v["refused"] != 2.0 {
		t.Errorf("%s", a.body)
	}
	b.wantOrder("theirs echo")
}

// TestOrderOfTenants: nobody moves or sees what another tenant has.
func TestOrderOfTenants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tenancy()
	j := b.addNamed("a", "b")
	own := want(t, b.as("stranger", "POST", "/api/jobs", echoJob), 201, "").text(t, "job_id")
	want(t, b.as("stranger", "PUT", "/api/queue/order", `{"job_id":"`+j["b"]+`","top":true}`), 404, "not_found")
	want(t, b.as("stranger", "PUT", "/api/queue/order", `{"job_id":"`+own+`","before":"`+j["a"]+`"}`), 404, "not_found")
	v := want(t, b.as("stranger", "PUT", "/api/queue/order", `{"order":["`+j["b"]+`","`+own+`"],"top":true}`), 200, "").json(t)
	if diff := cmp.Diff([]any{j["b"]}, v["ignored"]); diff != "" {
		t.Error(diff)
	}
	b.wantOrderAt("a", 1)
	a := want(t, b.as("stranger", "GET", "/api/queue", ""), 200, "")
	if strings.Contains(string(a.body), j["a"]) || strings.Contains(string(a.body), j["b"]) {
		t.Errorf("shows foreign jobs: %s", a.body)
	}
	if n := a.json(t)["statistics"].(map[string]any)["queued"]; n != 1.0 {
		t.Errorf("%v queued", n)
	}
}

// wantOrderAt checks the position of one job.
func (b *bundle) wantOrderAt(name string, at float64) {
	b.t.Helper()
	for _, j := range list(b.t, b.call("GET", "/api/jobs?status=QUEUED&q="+name, "")) {
		if j["name"] == name && j["position"] != at {
			b.t.Errorf("%s at %v, want %v", name, j["position"], at)
		}
	}
}

func TestQueueState(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addNamed("a", "b", "c", "d", "e")
	b.finish(b.claim())
	running := b.claim()
	want(t, b.call("POST", "/api/queue/pause", `{"reason":"lunch"}`), 200, "")
	want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","name":"held","params":{"text":"x"},"hold":true}`), 201, "")
	want(t, b.call("POST", "/api/jobs", `{"job_type":"echo","name":"later","params":{"text":"x"},"run_at":"2027-01-01T00:00:00Z"}`), 201, "")
	a := want(t, b.call("GET", "/api/queue?limit=2", ""), 200, "")
	v := a.json(t)
	got := map[string]any{}
	for _, k := range []string{"paused", "paused_by", "paused_reason", "workers", "direct", "groups"} {
		got[k] = v[k]
	}
	if diff := cmp.Diff(map[string]any{
		"paused": true, "paused_by": "admin", "paused_reason": "lunch", "workers": 1.0, "direct": []any{}, "groups": []any{},
	}, got); diff != "" {
		t.Error(diff)
	}
	runs, _ := v["running"].([]any)
	if len(runs) != 1 {
		t.Fatalf("running %v", v["running"])
	}
	one, _ := runs[0].(map[string]any)
	if one["job_id"] != running.Job.ID || one["run_id"] != running.Run.ID || one["name"] != "b" || one["started_at"] == nil {
		t.Errorf("running %v", one)
	}
	st, _ := v["statistics"].(map[string]any)
	delete(st, "average_wait")
	if diff := cmp.Diff(map[string]any{
		"queued": 5.0, "held": 1.0, "delayed": 1.0, "running": 1.0, "completed_today": 1.0, "failed_today": 0.0,
	}, st); diff != "" {
		t.Error(diff)
	}
	page, _ := v["queued"].(map[string]any)
	next := url.QueryEscape(fmt.Sprint(page["next_cursor"]))
	items, _ := page["items"].([]any)
	if len(items) != 2 || next == "" {
		t.Fatalf("page %v", page)
	}
	a = want(t, b.call("GET", "/api/queue?limit=2&cursor="+next, ""), 200, "")
	page, _ = a.json(t)["queued"].(map[string]any)
	items, _ = page["items"].([]any)
	if first, _ := items[0].(map[string]any); first["name"] != "e" || first["position"] != 2.0 {
		t.Errorf("second page %v", first)
	}
	want(t, b.call("GET", "/api/jobs?cursor="+next, ""), 400, "cursor_invalid")
	want(t, b.call("POST", "/api/queue/resume", ""), 200, "")
	b.clock.Advance(13 * time.Hour) // past midnight
	st, _ = b.call("GET", "/api/queue", "").json(t)["statistics"].(map[string]any)
	if st["completed_today"] != 0.0 {
		t.Errorf("yesterday's count today: %v", st)
	}
}

// TestQueueShowsGroups: a page tells of the groups of its jobs, so that they can
// be folded, and members move only inside of theirs.
func TestQueueShowsGroups(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addNamed("a", "z")
	g := job.Group{
		ID: id.New(id.Group, start), Tenant: access.DefaultTenant, Name: "nightly", Mode: job.Sequential, MaxParallel: 1, OnFailure: job.FailureStop,
		State: job.GroupPending, CreatedBy: "admin", CreatedAt: start,
	}
	var members []job.Job
	for _, n := range []string{"m1", "m2", "m3"} {
		members = append(members, job.Job{
			ID: id.New(id.Job, start), Tenant: access.DefaultTenant, Name: n, Type: "echo", Params: []byte(`{"text":"x"}`), Priority: job.PriorityNormal,
			OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedBy: "admin", CreatedAt: start, QueuedAt: start,
		})
	}
	if _, err := b.store.Groups.Create(t.Context(), store.AddGroup{
		Group: g, Jobs: members, Priority: job.PriorityNormal, Place: &store.Place{After: j["a"]},
	}); err != nil {
		t.Fatal(err)
	}
	b.wantOrder("a m1 m2 m3 z")
	a := want(t, b.call("GET", "/api/queue", ""), 200, "")
	groups, _ := a.json(t)["groups"].([]any)
	if len(groups) != 1 {
		t.Fatalf("groups %v", groups)
	}
	if v, _ := groups[0].(map[string]any); v["group_id"] != g.ID || v["position"] != 1.0 || v["total"] != 3.0 || v["status"] != "PENDING" {
		t.Errorf("group %v", v)
	}
	b.wantOrderAt("z", 2)
	if n := len(list(t, b.call("GET", "/api/jobs?group_id="+g.ID, ""))); n != 3 {
		t.Errorf("%d members listed", n)
	}
	want(t, b.call("GET", "/api/jobs?group_id=nightly", ""), 400, "wrong_id_type")
	v := want(t, b.call("POST", "/api/jobs/"+members[2].ID+"/move", `{"top":true}`, "Idempotency-Key", "m"), 200, "").json(t)
	shown, _ := v["job"].(map[string]any)
	if v["old_position"] != 2.0 || v["new_position"] != 0.0 || shown["position"] != 1.0 {
		t.Errorf("%v", v)
	}
	b.wantOrder("a m3 m1 m2 z")
	if a := want(t, b.call("POST", "/api/jobs/"+members[2].ID+"/move", `{"before":"`+j["a"]+`"}`), 422, "wrong_group"); !strings.Contains(string(a.body), `"/before"`) {
		t.Errorf("%s", a.body)
	}
	want(t, b.call("PUT", "/api/queue/order", `{"order":["`+members[0].ID+`","`+j["z"]+`"]}`), 422, "wrong_group")
	want(t, b.call("PUT", "/api/queue/order", `{"order":["`+j["z"]+`","`+g.ID+`"]}`), 200, "")
	b.wantOrder("a z m3 m1 m2")
	want(t, b.call("PUT", "/api/queue/order", `{"job_id":"`+g.ID+`","top":true}`), 200, "")
	b.wantOrder("m3 m1 m2 a z")
}

// addMany adds n jobs past the API, in one go.
func (b *bundle) addMany(n int) {
	b.t.Helper()
	var jobs []job.Job
	for i := range n {
		jobs = append(jobs, job.Job{
			ID: id.New(id.Job, start), Tenant: access.DefaultTenant, Name: fmt.Sprint(i), Type: "echo", Params: []byte(`{"text":"x"}`),
			Priority: job.PriorityNormal, OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedBy: "admin", CreatedAt: start, QueuedAt: start,
		})
	}
	if _, err := b.store.Jobs.Add(b.t.Context(), store.AddJobs{Jobs: jobs}); err != nil {
		b.t.Fatal(err)
	}
}
