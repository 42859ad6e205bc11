//go:build linux

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// chaos reports whether the long form of a test was asked for.
func chaos() bool { return os.Getenv("RUNSHEET_CHAOS") == "full" }

// apply makes the workflows of a file known.
func (s *server) apply(document string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/workflows", strings.NewReader(document))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/yaml")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body) // it is only for the message
	if res.StatusCode != http.StatusCreated && res.StatusCode != http.StatusOK {
		s.t.Fatalf("apply: %d %s\n%s", res.StatusCode, answer, document)
	}
}

// flow starts a run of a workflow and returns its job.
func (s *server) flow(workflowID string, inputs map[string]any) string {
	s.t.Helper()
	if inputs == nil {
		inputs = map[string]any{}
	}
	body := map[string]any{"job_type": "workflow", "params": map[string]any{"workflow_id": workflowID, "inputs": inputs}, "name": workflowID}
	return text(s.must(http.MethodPost, "/api/jobs", body, http.StatusCreated)["job_id"])
}

// flowRun is the id of the run that belongs to a job of the type workflow.
func flowRun(jobID string) string { return "wfrun_" + strings.TrimPrefix(jobID, "job_") }

// over waits until a job has ended.
func (s *server) over(jobID string, within time.Duration) map[string]any {
	s.t.Helper()
	var j map[string]any
	eventually(s.t, within, "job "+jobID+" ends", func() bool {
		j = s.job(jobID)
		switch j["status"] {
		case "COMPLETED", "FAILED", "CANCELLED", "SKIPPED":
			return true
		}
		return false
	})
	return j
}

// step reads the newest checkpoint of a run; nil = there is none, or no answer came.
func (s *server) step(jobID string) map[string]any { return stepAt(s.url, jobID) }

func stepAt(url, jobID string) map[string]any {
	list := "/api/workflow-runs/" + flowRun(jobID) + "/checkpoints"
	_, page := request(url, http.MethodGet, list+"?limit=1", nil, nil)
	items, _ := page["items"].([]any)
	if len(items) == 0 {
		return nil
	}
	first, _ := items[0].(map[string]any)
	if code, c := request(url, http.MethodGet, list+"/"+text(first["checkpoint_id"]), nil, nil); code == http.StatusOK {
		return c
	}
	return nil
}

// names is a list of a checkpoint.
func names(step map[string]any, key string) []string {
	var out []string
	list, _ := step[key].([]any)
	for _, v := range list {
		out = append(out, text(v))
	}
	return out
}

// outcome are the outputs of a job that has ended, and the only run row that it has.
func (s *server) outcome(jobID string) map[string]any {
	s.t.Helper()
	var runs []map[string]any
	for _, r := range s.all("/api/job-runs?limit=200&job_id=" + jobID) {
		if r["job_id"] == jobID {
			runs = append(runs, r)
		}
	}
	if len(runs) != 1 {
		s.t.Errorf("job %s has %d runs, want the one that it began with", jobID, len(runs))
		return nil
	}
	r := s.must(http.MethodGet, "/api/job-runs/"+text(runs[0]["run_id"]), nil, http.StatusOK)
	out, _ := r["outputs"].(map[string]any)
	return out
}

// told are all events about a run, read from the log of events from its beginning up
// to the end of the run.
func (s *server) told(jobID string) []map[string]any {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/events?since=0", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var out []map[string]any
	in := bufio.NewScanner(res.Body)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line, ok := strings.CutPrefix(in.Text(), "data: ")
		if !ok {
			continue
		}
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatalf("event %q: %v", line, err)
		}
		data, _ := e["data"].(map[string]any)
		if data["workflow_run_id"] != flowRun(jobID) {
			continue
		}
		out = append(out, e)
		switch e["type"] {
		case "workflow.run.completed", "workflow.run.failed", "workflow.run.cancelled", "workflow.run.skipped":
			return out
		}
	}
	s.t.Fatalf("the events of run %s have no end: %v", flowRun(jobID), in.Err())
	return nil
}

// story is what happened to a node, in order.
func story(events []map[string]any, node string) string {
	var out []string
	for _, e := range events {
		data, _ := e["data"].(map[string]any)
		if text(data["node_id"]) == node && e["type"] != "workflow.progress" {
			out = append(out, strings.TrimPrefix(text(e["type"]), "workflow.node."))
		}
	}
	return fmt.Sprint(out)
}

func number(v any) int {
	n, _ := v.(float64)
	return int(n)
}

// waits blocks until a run is parked because of a node, or has gone on behind it.
func (s *server) waits(t testing.TB, jobID, node string) {
	t.Helper()
	eventually(t, time.Minute, node+" of "+jobID+" waits", func() bool {
		step := s.step(jobID)
		return slices.Contains(names(step, "completed_nodes"), node) ||
			slices.Contains(names(step, "current_nodes"), node) && s.job(jobID)["status"] == "QUEUED"
	})
}
