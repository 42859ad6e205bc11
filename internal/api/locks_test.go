package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

const holdBody = `{"holder":"train.py","ttl":"30s"}`

func holders(m map[string]any) []map[string]any {
	items, _ := m["holders"].([]any)
	var out []map[string]any
	for _, i := range items {
		h, _ := i.(map[string]any)
		out = append(out, h)
	}
	return out
}

func token(a answer, t *testing.T) string {
	t.Helper()
	n, _ := a.json(t)["token"].(float64)
	if n < 1 {
		t.Fatalf("no token: %s", a.body)
	}
	return fmt.Sprintf(`{"token":%.0f`, n)
}

func TestLockLife(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const path = "/api/locks/gpu:0"
	if v := want(t, b.call("GET", path, ""), 200, "").json(t); v["capacity"] != 1.0 || v["free"] != 1.0 || len(holders(v)) != 0 {
		t.Errorf("nobody holds it: %v", v)
	}
	a := want(t, b.as(access.Operator, "POST", path+"/acquire", holdBody, "Idempotency-Key", "k"), 200, "")
	if diff := cmp.Diff(map[string]any{"name": "gpu:0", "holder": "train.py", "since": "2026-01-31T12:00:00Z", "expires_at": "2026-01-31T12:00:30Z"}, pick(a.json(t), "name", "holder", "since", "expires_at")); diff != "" {
		t.Error(diff)
	}
	tok := token(a, t)
	if again := want(t, b.as(access.Operator, "POST", path+"/acquire", holdBody, "Idempotency-Key", "k"), 200, ""); string(again.body) != string(a.body) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("replay: %s", again.body)
	}
	held := want(t, b.call("POST", path+"/acquire", `{"holder":"other.py","ttl":"PT1M"}`), 409, "lock_held")
	current, _ := held.json(t)["current"].(map[string]any)
	if hs := holders(current); len(hs) != 1 || hs[0]["holder"] != "train.py" || hs[0]["kind"] != "outside" || hs[0]["expires_at"] == nil || !strings.Contains(string(held.body), `"pointer":"/holder"`) {
		t.Errorf("409 does not say who: %s", held.body)
	}
	r := want(t, b.call("POST", path+"/renew", tok+`,"ttl":"1h"}`), 200, "").json(t)
	if r["expires_at"] != "2026-01-31T13:00:00Z" {
		t.Errorf("renewed: %v", r)
	}
	want(t, b.call("POST", path+"/renew", `{"token":999,"ttl":"1h"}`), 409, "lock_not_held")
	want(t, b.call("POST", path+"/release", `{"token":999}`), 409, "lock_not_held")
	want(t, b.as("stranger", "POST", path+"/release", tok+`}`), 409, "lock_not_held")
	want(t, b.call("POST", path+"/release", tok+`}`, "Idempotency-Key", "r"), 204, "")
	want(t, b.call("POST", path+"/release", tok+`}`, "Idempotency-Key", "r"), 204, "")
	want(t, b.call("POST", path+"/release", tok+`}`), 409, "lock_not_held")
	next := token(want(t, b.call("POST", path+"/acquire", holdBody), 200, ""), t)
	if next <= tok && len(next) <= len(tok) {
		t.Errorf("token %s after %s", next, tok)
	}
}

func TestLockInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const path = "/api/locks/gpu:0"
	for body, pointer := range map[string]string{
		`{"holder":"x","ttl":"500ms"}`: "/ttl", `{"holder":"x","ttl":"25h"}`: "/ttl", `{"holder":"x","ttl":"-1m"}`: "/ttl", `{"holder":"x","ttl":5}`: "/ttl", `{"holder":"x"}`: "/ttl",
		`{"ttl":"5s"}`: "/holder", `{"holder":"","ttl":"5s"}`: "/holder", `{"holder":"a\nb","ttl":"5s"}`: "/holder",
	} {
		if a := b.call("POST", path+"/acquire", body); a.StatusCode != 422 || !strings.Contains(string(a.body), `"pointer":"`+pointer) {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
		}
	}
	want(t, b.call("POST", path+"/renew", `{"token":1,"ttl":"0s"}`), 422, "invalid_input")
	want(t, b.call("POST", path+"/renew", `{"token":0,"ttl":"5s"}`), 422, "invalid_input")
	want(t, b.call("POST", path+"/acquire", holdBody, "Prefer", "wait=soon"), 400, "invalid_header")
}

// TestLockNames: a name is one step of the path, whatever is in it.
func TestLockNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	names := []string{"gpu:0", "team/a:b", "a//b", "a/../b", "a/./b", "a/", "a/acquire", "model:qwen3:30b", "a.b_c-D", strings.Repeat("x", 128)}
	for _, name := range names {
		for _, root := range []string{"/api", "/api/v1"} {
			path := root + "/locks/" + url.PathEscape(name)
			tok := token(want(t, b.call("POST", path+"/acquire", holdBody), 200, ""), t)
			for _, end := range []string{"", "/"} {
				if v := want(t, b.call("GET", path+end, ""), 200, "").json(t); v["name"] != name || len(holders(v)) != 1 {
					t.Errorf("%s%s: %v", path, end, v)
				}
			}
			want(t, b.call("POST", path+"/release", tok+"}"), 204, "")
		}
	}
	for _, name := range []string{"..", ".", "%20a", "-a", "a%00b", "a%20b", "%C3%BC", strings.Repeat("x", 129), "%2Fa", "a%5Cb", "a%25"} {
		if a := b.call("GET", "/api/locks/"+name, ""); a.StatusCode != 400 && a.StatusCode != 404 {
			t.Errorf("%q: %d %s", name, a.StatusCode, a.body)
		}
	}
	for _, target := range []string{"/api/locks/team/a", "/api/locks//a", "/api/locks/a//acquire", "/api/locks/../jobs", "/api/locks/%2e%2e/jobs", "/api%2flocks/a", "/api/locks/a/../../jobs"} {
		want(t, b.call("GET", target, ""), 404, "not_found")
	}
}

func TestLockHolders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobID := b.addJob(`{"job_type":"echo","params":{"text":"x"},"locks":["gpu:0","cpu"]}`)
	c := b.claim()
	waits := b.addJob(`{"job_type":"echo","params":{"text":"x"},"locks":["gpu:0"]}`)
	want(t, b.call("POST", "/api/locks/outside/acquire", holdBody), 200, "")
	own := list(t, b.call("GET", "/api/locks", ""))
	if len(own) != 3 || own[0]["name"] != "cpu" || own[1]["name"] != "gpu:0" || own[2]["name"] != "outside" {
		t.Fatalf("locks %v", own)
	}
	expect := map[string]any{"kind": "job", "other_tenant": false, "job_id": jobID, "job_name": "echo", "run_id": c.Run.ID, "holder": nil, "expires_at": nil, "lost": false}
	if diff := cmp.Diff(expect, pick(holders(own[1])[0], "kind", "other_tenant", "job_id", "job_name", "run_id", "holder", "expires_at", "lost")); diff != "" {
		t.Error(diff)
	}
	for _, l := range list(t, b.as("stranger", "GET", "/api/locks", "")) {
		h := holders(l)[0]
		if h["other_tenant"] != true || h["job_id"] != nil || h["job_name"] != nil || h["run_id"] != nil || h["holder"] != nil {
			t.Errorf("another tenant sees %v", h)
		}
	}
	if a := want(t, b.as("stranger", "POST", "/api/locks/outside/acquire", holdBody), 409, "lock_held"); strings.Contains(string(a.body), "train.py") {
		t.Errorf("another tenant learns the holder: %s", a.body)
	}
	page := want(t, b.call("GET", "/api/locks?limit=2", ""), 200, "")
	rest := list(t, b.call("GET", "/api/locks?limit=2&cursor="+url.QueryEscape(page.text(t, "next_cursor")), ""))
	if len(list(t, page)) != 2 || len(rest) != 1 || rest[0]["name"] != "outside" {
		t.Errorf("pages: %s then %v", page.body, rest)
	}
	// A capacity lets the waiting job in; what holds it stays when it shrinks.
	want(t, b.call("PATCH", "/api/locks/gpu:0", `{"capacity":2}`), 200, "")
	if w := want(t, b.call("GET", "/api/jobs/"+waits, ""), 200, "").json(t)["waiting"]; code(w) == "lock" {
		t.Errorf("still waits for the lock: %v", w)
	}
	for body, status := range map[string]int{`{"capacity":0}`: 422, `{"capacity":1025}`: 422, `{"capacity":null}`: 422, `{"colour":1}`: 422, `{}`: 200} {
		if a := b.call("PATCH", "/api/locks/gpu:0", body); a.StatusCode != status {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
		}
	}
}

// TestLockRights: who may what, and what is recorded.
func TestLockRights(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobID := b.addJob(`{"job_type":"echo","params":{"text":"x"},"locks":["gpu:0"]}`)
	c := b.claim()
	body := fmt.Sprintf(`{"token":%d}`, c.Run.Epoch)
	want(t, b.call("POST", "/api/locks/gpu:0/release", body), 409, "lock_not_held")
	for _, role := range []access.Role{access.Viewer, access.Operator, access.Author, "stranger"} {
		want(t, b.as(role, "POST", "/api/locks/gpu:0/force-release", body), 403, "forbidden")
		want(t, b.as(role, "PATCH", "/api/locks/gpu:0", `{"capacity":3}`), 403, "forbidden")
	}
	want(t, b.as(access.Viewer, "POST", "/api/locks/gpu:0/acquire", holdBody), 403, "forbidden")
	b.mint("script", `{"name":"script","roles":["operator"],"scopes":["locks:use"]}`)
	want(t, b.as("script", "POST", "/api/locks/x/acquire", holdBody), 200, "")
	for _, target := range []string{"/api/jobs", "/api/locks", "/api/scheduler"} {
		want(t, b.as("script", "GET", target, ""), 403, "forbidden")
	}
	taken := want(t, b.call("POST", "/api/locks/gpu:0/force-release", body), 200, "").json(t)
	if taken["job_id"] != jobID || taken["kind"] != "job" {
		t.Errorf("taken from %v", taken)
	}
	want(t, b.call("POST", "/api/locks/gpu:0/force-release", body), 409, "lock_not_held")
	want(t, b.call("PATCH", "/api/locks/gpu:0", `{"capacity":3}`), 200, "")
	want(t, b.call("PATCH", "/api/locks/gpu:0", `{"capacity":3}`), 200, "") // changes nothing: no entry
	var got []string
	for _, e := range list(t, b.call("GET", "/api/audit?sort=seq&action=lock.force_release,lock.capacity", "")) {
		got = append(got, fmt.Sprint(e["action"], " ", e["object_name"], " ", e["detail"]))
	}
	wanted := []string{
		fmt.Sprintf("lock.force_release gpu:0 map[holder:%s token:%d]", jobID, c.Run.Epoch), "lock.capacity gpu:0 map[from:1 to:3]",
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
	b.finish(c) // it went on without the lock
	if j := want(t, b.call("GET", "/api/jobs/"+jobID, ""), 200, "").json(t); j["status"] != "COMPLETED" {
		t.Errorf("the job is %v", j["status"])
	}
}

// TestAcquireWaits: with Prefer: wait the lock is handed over when it gets free,
// or refused when the time is over.
func TestAcquireWaits(t *testing.T) {
	t.Parallel()
	st, err := sqlite.OpenMemory(t.Context(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Health.Close() })
	b := setupOn(t, st)
	tok := token(want(t, b.call("POST", "/api/locks/gpu:0/acquire", `{"holder":"a","ttl":"1h"}`), 200, ""), t)
	got := make(chan answer, 1)
	ask := func() {
		got <- b.call("POST", "/api/locks/gpu:0/acquire", `{"holder":"b","ttl":"1h"}`, "Prefer", "wait=60", "Idempotency-Key", "w")
	}
	go ask()
	b.waitFor(func() bool { return b.clock.Timers() >= 2 })
	want(t, b.call("POST", "/api/locks/gpu:0/release", tok+"}"), 204, "")
	b.tick(got)
	a := want(t, <-got, 200, "")
	if a.text(t, "holder") != "b" || a.Header.Get("Preference-Applied") != "wait=60" {
		t.Errorf("%s %v", a.body, a.Header)
	}
	go ask()
	if again := want(t, <-got, 200, ""); string(again.body) != string(a.body) {
		t.Errorf("replay: %s", again.body)
	}
	go func() {
		got <- b.call("POST", "/api/locks/gpu:0/acquire", `{"holder":"c","ttl":"1h"}`, "Prefer", "wait=3")
	}()
	b.tick(got)
	want(t, <-got, 409, "lock_held")
}

// TestAcquireAtTheLastMoment: a lock that is given back just before the time of who
// waits for it is over is his.
func TestAcquireAtTheLastMoment(t *testing.T) {
	t.Parallel()
	st, err := sqlite.OpenMemory(t.Context(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Health.Close() })
	b := setupOn(t, st)
	for n := range 10 { // the end and what tells of the lock are there at once: chance has it which is seen
		path := fmt.Sprint("/api/locks/gpu:", n)
		tok := token(want(t, b.call("POST", path+"/acquire", `{"holder":"a","ttl":"1h"}`), 200, ""), t)
		got := make(chan answer, 1)
		go func() { got <- b.call("POST", path+"/acquire", `{"holder":"b","ttl":"1h"}`, "Prefer", "wait=60") }()
		b.waitFor(func() bool { return b.clock.Timers() >= 2 })
		want(t, b.call("POST", path+"/release", tok+"}"), 204, "")
		b.clock.Advance(time.Minute)
		want(t, <-got, 200, "")
	}
}
