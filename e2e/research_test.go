//go:build linux

package e2e

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestResearchJob: a job asks a real LLM server about a text and leaves a report,
// whatever nonsense the model talks.
func TestResearchJob(t *testing.T) {
	t.Parallel()
	models := testsvc.Ollama(t)
	s := newServer(t, "", "--llm-url", models.URL, "--llm-model", testsvc.OllamaTiny)
	s.start()
	ask := func(source map[string]any) map[string]any {
		return map[string]any{"job_type": "research", "params": map[string]any{"topic": "The harbour", "seed": 1, "sources": []any{source}}}
	}
	j := s.finished(ask(map[string]any{"text": "The harbour burned in 1702."}))
	same(t, "job", j, map[string]any{"status": "COMPLETED"})
	r := s.must(http.MethodGet, "/api/job-runs/"+text(j["run_id"]), nil, http.StatusOK)
	if r["status"] != "COMPLETED" {
		t.Fatalf("%v", r["error"])
	}
	file, _ := r["artifacts"].(map[string]any)["research.json"].(map[string]any)
	var report struct {
		Version int
		Model   string
		Sources []struct{ Chars int }
	}
	if err := json.Unmarshal([]byte(s.text("/api/artifacts/"+text(file["artifact_id"]))), &report); err != nil {
		t.Fatal(err)
	}
	if report.Version != 1 || report.Model != testsvc.OllamaTiny || len(report.Sources) != 1 || report.Sources[0].Chars != 27 {
		t.Errorf("%+v", report)
	}
}
