package api_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func TestRunsAndRetry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.addJob(`{"job_type":"echo","name":"n","params":{"text":"hi"}}`)
	c := b.claim()
	path := "/api/job-runs/" + c.Run.ID
	v := want(t, b.call("GET", path, ""), 200, "").json(t)
	if v["status"] != nil || v["active"] != true || v["job_id"] != j || v["duration_ms"] != nil || v["error"] != nil {
		t.Errorf("active run %v", v)
	}
	want(t, b.call("POST", path+"/retry", ""), 409, "not_finished")
	sum := strings.Repeat("ab", 32)
	b.blobs[sum] = "0123456789"
	art := run.Artifact{
		ID: id.New(id.Artifact, start), Tenant: access.DefaultTenant, RunID: c.Run.ID, Name: "report.md", Size: 10, SHA256: sum,
		MediaType: "text/html", CreatedAt: start,
	}
	if err := b.store.Artifacts.Put(t.Context(), art, c.Run.Epoch, store.ArtifactLimits{}); err != nil {
		t.Fatal(err)
	}
	b.finish(c)
	v = want(t, b.call("GET", path, ""), 200, "").json(t)
	if v["status"] != "COMPLETED" || v["active"] != false || v["report_markdown"] != "/api/artifacts/"+art.ID || v["report_json"] != nil {
		t.Errorf("ended run %v", v)
	}
	if arts, _ := v["artifacts"].(map[string]any); arts["report.md"] == nil {
		t.Errorf("artifacts %v", v["artifacts"])
	}
	if n := len(list(t, b.call("GET", path+"/artifacts", ""))); n != 1 {
		t.Errorf("%d artifacts", n)
	}
	if n := len(list(t, b.call("GET", "/api/job-runs?status=COMPLETED&job_id="+j, ""))); n != 1 {
		t.Errorf("%d runs", n)
	}
	a := want(t, b.as(access.Operator, "POST", path+"/retry", ""), 201, "")
	for query, n := range map[string]int{c.Run.ID: 1, id.New(id.Run, time.UnixMilli(1)): 0} {
		if got := list(t, b.call("GET", "/api/jobs?retry_of="+query, "")); len(got) != n {
			t.Errorf("jobs that repeat %s: %v, want %d", query, got, n)
		}
	}
	want(t, b.call("GET", "/api/jobs?retry_of="+j, ""), 400, "wrong_id_type")
	if r := a.json(t); r["retry_of"] != c.Run.ID || r["trigger"] != "retry" || r["job_id"] == j || r["name"] != "n" {
		t.Errorf("retry %s", a.body)
	}
	b.artifactChecks(art)
}

func (b *bundle) artifactChecks(art run.Artifact) {
	t := b.t
	t.Helper()
	url := "/api/artifacts/" + art.ID
	a := want(t, b.call("GET", url, ""), 200, "")
	h := a.Header
	if string(a.body) != "0123456789" || h.Get("Content-Type") != "application/octet-stream" || h.Get("ETag") != `"`+art.SHA256+`"` ||
		!strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("download %s %v", a.body, h)
	}
	if a := want(t, b.call("GET", url, "", "Range", "bytes=2-4"), 206, ""); string(a.body) != "234" {
		t.Errorf("range %s", a.body)
	}
	want(t, b.call("GET", url, "", "If-None-Match", `"`+art.SHA256+`"`), 304, "")
	for _, over := range []string{"bytes=10-", "lines=1-2"} {
		a := want(t, b.call("GET", url, "", "Range", over), 416, "range_not_satisfiable")
		if d := a.Header.Get("Content-Disposition"); d != "" || !strings.Contains(string(a.body), `"pointer":"header/Range"`) {
			t.Errorf("%s: %s %q", over, a.body, d)
		}
	}
	if a := want(t, b.call("GET", url, "", "If-Match", `"other"`), 412, "version_mismatch"); a.Header.Get("ETag") != `"`+art.SHA256+`"` ||
		!strings.Contains(string(a.body), art.ID) {
		t.Errorf("precondition %s %v", a.body, a.Header)
	}
	want(t, b.call("HEAD", url, ""), 200, "")
	delete(b.blobs, art.SHA256)
	want(t, b.call("GET", url, ""), 404, "artifact_gone")
}

func TestLogs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addJob(echoJob)
	c := b.claim()
	path := "/api/job-runs/" + c.Run.ID + "/logs"
	if a := want(t, b.call("GET", path, ""), 200, ""); len(a.body) != 0 {
		t.Errorf("log before any output: %q", a.body)
	}
	w, err := b.logs.Writer(c.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "one\n\x1b[31mtwo\x1b[0m\n")
	if a := want(t, b.call("GET", path, ""), 200, ""); string(a.body) != "one\ntwo\n" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("log %q %v", a.body, a.Header)
	}
	if a := b.call("GET", path+"?tail=1", ""); string(a.body) != "two\n" {
		t.Errorf("tail %q", a.body)
	}
	if a := b.call("GET", path+"?raw=true&tail=1", ""); string(a.body) != "\x1b[31mtwo\x1b[0m\n" {
		t.Errorf("raw %q", a.body)
	}
	got := make(chan answer, 2)
	go func() { got <- b.call("GET", path+"?follow=true", "") }()
	b.waitFor(func() bool { return b.clock.Timers() > 0 })
	fmt.Fprint(w, "three\n")
	w.Close()
	b.finish(c)
	b.tick(got)
	if a := <-got; string(a.body) != "one\ntwo\nthree\n" {
		t.Errorf("followed %q", a.body)
	}
	a := b.call("GET", path+"?follow=true", "", "Accept", "text/event-stream")
	if s := string(a.body); !strings.Contains(s, "event: log\ndata: {\"text\":\"one") || !strings.HasSuffix(s, "event: end\ndata: {\"status\":\"COMPLETED\"}\n\n") {
		t.Errorf("events %q", s)
	}
	a = b.call("GET", path, "", "Accept", "text/event-stream", "Last-Event-ID", "8")
	if s := string(a.body); strings.Contains(s, "one") || !strings.Contains(s, "three") {
		t.Errorf("resumed %q", s)
	}
}

// events joins the texts of a stream of log events and counts its ids.
func events(t *testing.T, a answer) (text string, ids int) {
	t.Helper()
	for line := range strings.SplitSeq(string(a.body), "\n") {
		if strings.HasPrefix(line, "id: ") {
			ids++
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var v struct{ Text string }
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			t.Fatal(err)
		}
		text += v.Text
	}
	return text, ids
}

// TestLogEvents: characters that a read cuts in two arrive whole, and an id never
// leads to another place than it came from.
func TestLogEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addJob(echoJob)
	c := b.claim()
	path := "/api/job-runs/" + c.Run.ID + "/logs"
	w, err := b.logs.Writer(c.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	long := "x" + strings.Repeat("\u00e4\u20ac\U0001f600", 20_000) + "\n"
	fmt.Fprint(w, long+"last\n\xe2\x82")
	w.Close()
	b.finish(c)
	sse := []string{"Accept", "text/event-stream"}
	for _, query := range []string{"", "?raw=true"} {
		if text, ids := events(t, b.call("GET", path+query, "", sse...)); strings.TrimRight(text, "\ufffd") != long+"last\n" || ids < 2 {
			t.Errorf("%q: %d bytes, %d ids", query, len(text), ids)
		}
	}
	if text, ids := events(t, b.call("GET", path+"?tail=2", "", sse...)); text != "last\n\ufffd" || ids != 0 {
		t.Errorf("tail %q with %d ids", text, ids)
	}
	if text, _ := events(t, b.call("GET", path+"?tail=2", "", append(sse, "Last-Event-ID", fmt.Sprint(len(long)))...)); text != "last\n\ufffd" {
		t.Errorf("continued %q", text)
	}
}

// brokenLog fails in the middle.
type brokenLog struct{ api.Logs }

func (brokenLog) Read(context.Context, string, int) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("half\n"), iotest.ErrReader(errors.New("disk")))), nil
}

func TestBrokenLogIsCut(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) { o.Logs = brokenLog{} })
	b.addJob(echoJob)
	c := b.claim()
	srv := httptest.NewServer(b.handler)
	defer srv.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/job-runs/"+c.Run.ID+"/logs", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+b.tokens[access.Admin])
	res, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("status %d, %q looks complete", res.StatusCode, text)
	}
}

func TestSystem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.as("", "GET", "/livez", ""), 200, "")
	want(t, b.as("", "GET", "/readyz", ""), 200, "")
	if a := want(t, b.as("", "GET", "/", ""), 302, ""); a.Header.Get("Location") != "/ui/" {
		t.Errorf("/ goes to %s", a.Header.Get("Location"))
	}
	for _, p := range []string{"/ui/", "/ui/some/page", "/ui/api/", "/ui/api/swagger-ui-bundle.js", "/ui/api/viewer.js"} {
		if a := want(t, b.as("", "GET", p, ""), 200, ""); strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") && strings.Contains(string(a.body), "<script>") {
			t.Errorf("%s has an inline script", p)
		}
	}
	if a := want(t, b.as("", "GET", "/problems/already_finished", "", "Accept", "text/html"), 200, ""); !strings.Contains(string(a.body), "Already finished") {
		t.Errorf("page %s", a.body)
	}
	want(t, b.as("", "GET", "/problems/nonsense", ""), 404, "not_found")
	if a := want(t, b.call("GET", "/api/docs", ""), 303, ""); a.Header.Get("Location") != "/ui/api/" {
		t.Errorf("docs go to %s", a.Header.Get("Location"))
	}
	if items := list(t, b.call("GET", "/api/job-types", "")); len(items) != 1 || items[0]["params_schema"].(map[string]any)["type"] != "object" || items[0]["enabled"] != true || items[0]["hint"] != "" {
		t.Errorf("job types %v", items)
	}
	tag := want(t, b.call("GET", "/api/workers", ""), 200, "").Header.Get("ETag")
	b.addJob(echoJob)
	b.claim()
	v := want(t, b.call("PATCH", "/api/workers", `{"count":3}`, "If-Match", tag), 200, "").json(t)
	slots, _ := v["slots"].([]any)
	if v["count"] != 3.0 || v["running"] != 1.0 || len(slots) != 3 || slots[0].(map[string]any)["state"] != "busy" {
		t.Errorf("workers %v", v)
	}
	want(t, b.call("PATCH", "/api/workers", `{"count":3}`, "If-Match", tag), 412, "version_mismatch")
	want(t, b.call("PATCH", "/api/workers", `{"count":-1}`), 422, "invalid_input")
	v = want(t, b.call("PATCH", "/api/workers", `{"count":0}`), 200, "").json(t)
	if slots, _ := v["slots"].([]any); len(slots) != 1 || slots[0].(map[string]any)["state"] != "surplus" {
		t.Errorf("shrunk %v", v)
	}
	if v := want(t, b.call("POST", "/api/scheduler/pause", `{"reason":"r"}`, "Idempotency-Key", "p"), 200, "").json(t); v["state"] != "paused" || v["paused_reason"] != "r" || v["paused_by"] != "admin" {
		t.Errorf("paused %v", v)
	}
	if v := want(t, b.call("POST", "/api/scheduler/resume", ""), 200, "").json(t); v["state"] != "running" || v["paused_by"] != nil || v["running"] != 1.0 {
		t.Errorf("resumed %v", v)
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	b := setup(t)
	plain := b.call("GET", "/api/openapi.json", "")
	a := b.call("GET", "/api/openapi.json", "", "Accept-Encoding", "br, gzip")
	if a.Header.Get("Content-Encoding") != "gzip" || len(a.body) >= len(plain.body) {
		t.Fatalf("not compressed: %v", a.Header)
	}
	z, err := gzip.NewReader(strings.NewReader(string(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || string(text) != string(plain.body) {
		t.Errorf("other content after gzip: %v", err)
	}
	if a := b.call("GET", "/api/openapi.json", "", "Accept-Encoding", "gzip;q=0"); a.Header.Get("Content-Encoding") != "" {
		t.Error("compressed against the caller's will")
	}
}
