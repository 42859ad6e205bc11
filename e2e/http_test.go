//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestHTTPJob: a job reaches the server that is allowed, and no other, also not
// Runsheet itself.
func TestHTTPJob(t *testing.T) {
	t.Parallel()
	var forbidden atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { forbidden.Add(1) }))
	defer other.Close()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL, http.StatusFound)
			return
		}
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Idempotency-Key"), b)
	}))
	defer target.Close()
	s := newServer(t, "", "--allow-outbound", strings.TrimPrefix(target.URL, "http://"))
	s.start()
	ask := func(params map[string]any) map[string]any {
		return map[string]any{"job_type": "http", "params": params}
	}

	j := s.finished(ask(map[string]any{"method": "POST", "url": target.URL, "body": map[string]any{"n": 1}, "headers": map[string]any{"X-Token": "canary-canary"}}))
	same(t, "job", j, map[string]any{"status": "COMPLETED"})
	r := s.must(http.MethodGet, "/api/job-runs/"+text(j["run_id"]), nil, http.StatusOK)
	file, _ := r["artifacts"].(map[string]any)["response"].(map[string]any)
	if got, want := s.text("/api/artifacts/"+text(file["artifact_id"])), "POST "+text(j["job_id"])+` {"n":1}`; got != want {
		t.Errorf("response %q, want %q", got, want)
	}
	same(t, "outputs", r["outputs"].(map[string]any), map[string]any{"status": "200", "origin": target.URL})

	j = s.finished(ask(map[string]any{"url": target.URL + "/away", "redirects": 3}))
	same(t, "redirected job", j, map[string]any{"status": "FAILED"})
	for _, u := range []string{other.URL, s.url + "/api/jobs", "http://169.254.169.254/latest", "http://2130706433/"} {
		s.must(http.MethodPost, "/api/jobs", ask(map[string]any{"url": u}), http.StatusUnprocessableEntity)
	}
	if n := forbidden.Load(); n > 0 {
		t.Errorf("%d requests reached a server that is not allowed", n)
	}
	if strings.Contains(s.log.tail(1<<20), "canary-canary") {
		t.Error("a header's value is in the server's log")
	}
	s.stop()
}
