//go:build linux

package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSmoke starts a server, creates one of everything, and checks it. It is
// the first test to run after a change: it takes seconds and touches each part.
func TestSmoke(t *testing.T) {
	t.Parallel()
	s := newServer(t, "", "--allow-command", "/bin/sh")
	s.start()

	template := s.must(http.MethodPost, "/api/job-templates", map[string]any{
		"name": "smoke", "job_type": "command",
		"params": map[string]any{
			"argv":      []string{"/bin/sh", "-c", `echo "hello, queue"; echo "::progress 1/2 half"; echo "::output answer=42"; echo data >out.txt`},
			"artifacts": []string{"out.txt"},
		},
	}, http.StatusCreated)
	same(t, "template", template, map[string]any{"name": "smoke", "version": 1.0, "job_type": "command"})

	job := s.finished(map[string]any{"template_id": template["template_id"], "labels": map[string]string{"suite": "smoke"}})
	same(t, "job", job, map[string]any{"status": "COMPLETED", "attempt": 1.0, "template_version": 1.0})

	runs := s.all("/api/job-runs?job_id=" + text(job["job_id"]))
	if len(runs) != 1 {
		t.Fatalf("%d runs of the job, want 1", len(runs))
	}
	run := s.must(http.MethodGet, "/api/job-runs/"+text(runs[0]["run_id"]), nil, http.StatusOK)
	same(t, "run", run, map[string]any{"status": "COMPLETED", "active": false, "exit_code": 0.0, "error": nil, "outputs": map[string]any{"answer": "42"}})
	runPath := "/api/job-runs/" + text(run["run_id"])
	if got := s.text(runPath + "/logs"); !strings.Contains(got, "hello, queue") {
		t.Errorf("log = %q", got)
	}
	artifacts, _ := run["artifacts"].(map[string]any)
	artifact, _ := artifacts["out.txt"].(map[string]any)
	if artifact == nil {
		t.Fatalf("artifacts = %v, want out.txt", artifacts)
	}
	if got := s.text("/api/artifacts/" + text(artifact["artifact_id"])); got != "data\n" {
		t.Errorf("artifact = %q", got)
	}

	broken := s.finished(inline("exit 3"))
	same(t, "failing job", broken, map[string]any{"status": "FAILED"})
	again := s.must(http.MethodPost, runPath+"/retry", map[string]any{}, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	same(t, "retried run", again, map[string]any{"retry_of": run["run_id"]})

	held := inline("exit 0")
	held["hold"] = true
	waiting := s.must(http.MethodPost, "/api/jobs", held, http.StatusCreated)
	why, _ := waiting["waiting"].(map[string]any)
	same(t, "why a held job waits", why, map[string]any{"code": "held"})
	s.must(http.MethodPost, "/api/jobs/"+text(waiting["job_id"])+"/cancel", map[string]any{}, http.StatusOK, http.StatusAccepted)
	same(t, "cancelled job", s.must(http.MethodGet, "/api/jobs/"+text(waiting["job_id"]), nil, http.StatusOK), map[string]any{"status": "CANCELLED"})

	every := s.must(http.MethodPost, "/api/schedules", map[string]any{
		"name": "smoke-often", "template_id": template["template_id"], "trigger": map[string]any{"type": "INTERVAL", "interval": "PT1S"}, "overlap": "allow",
	}, http.StatusCreated)
	same(t, "schedule", every, map[string]any{"state": "active"})
	s.fired("smoke-often")

	workers := s.must(http.MethodPatch, "/api/workers", map[string]any{"count": 3}, http.StatusOK)
	same(t, "workers", workers, map[string]any{"count": 3.0})
	same(t, "scheduler", s.must(http.MethodGet, "/api/scheduler", nil, http.StatusOK), map[string]any{"workers": 3.0, "paused": false})

	same(t, "OpenAPI", s.must(http.MethodGet, "/api/openapi.json", nil, http.StatusOK), map[string]any{"openapi": "3.1.0"})
	same(t, "problem", s.must(http.MethodPost, "/api/jobs", map[string]any{"job_typ": "command"}, http.StatusBadRequest, http.StatusUnprocessableEntity), map[string]any{"code": "unknown_field"})
	s.must(http.MethodGet, "/livez", nil, http.StatusOK)
	s.stop()
}

// fired waits until a schedule has made a job that completed.
func (s *server) fired(name string) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); pause(50 * time.Millisecond) {
		for _, e := range s.all("/api/schedules/" + name + "/history?kind=run") {
			if e["status"] == "COMPLETED" && e["source"] == "schedule" {
				s.must(http.MethodPost, "/api/schedules/"+name+"/pause", map[string]any{"reason": "smoke"}, http.StatusOK)
				return
			}
		}
	}
	s.t.Fatalf("the schedule %s has fired nothing that completed", name)
}

// inline is the body of a job that runs a shell script.
func inline(script string) map[string]any {
	return map[string]any{"job_type": "command", "params": map[string]any{"argv": []string{"/bin/sh", "-c", script}}}
}

// finished adds a job and waits for its end.
func (s *server) finished(body map[string]any) map[string]any {
	s.t.Helper()
	code, job := s.try(http.MethodPost, "/api/jobs", body, map[string]string{"Prefer": "wait=60"})
	if code != http.StatusCreated {
		s.t.Fatalf("POST /api/jobs with Prefer: wait: got %d %v, want 201 with the final state", code, job)
	}
	return job
}

// text reads an answer that is not JSON.
func (s *server) text(path string) string {
	s.t.Helper()
	return s.textAt(s.url + path)
}

// textAt is text of another address of the server.
func (s *server) textAt(url string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %d %q, %v", url, res.StatusCode, b, err)
	}
	return string(b)
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// same compares the named fields.
func same(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	for k, w := range want {
		if diff := cmp.Diff(w, got[k]); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", what, k, diff)
		}
	}
}
