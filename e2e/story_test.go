//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestAStoryGoesOnAfterAKill kills a server in the third of five sections. What
// was finished stays as it is, and the model is not asked for it again.
func TestAStoryGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for a slow model")
	}
	s := newServer(t, "", "--llm-url", testsvc.Ollama(t).URL)
	s.start()
	job := s.must(http.MethodPost, "/api/jobs", map[string]any{"job_type": "story", "name": "long", "params": map[string]any{
		"topic": "a small robot", "length": 5000, "sections": 5, "seed": 7, "model": testsvc.OllamaTiny,
	}}, http.StatusCreated)
	path := "/api/job-runs?job_id=" + text(job["job_id"])
	artifacts := func(run string) map[string]string {
		sums := map[string]string{}
		list, _ := s.must(http.MethodGet, "/api/job-runs/"+run, nil, http.StatusOK)["artifacts"].(map[string]any)
		for name, a := range list {
			sums[name] = text(a.(map[string]any)["sha256"])
		}
		return sums
	}
	first := ""
	eventually(t, 60*time.Second, "two sections are finished", func() bool {
		if items := s.all(path); len(items) > 0 {
			first = text(items[0]["run_id"])
		}
		return first != "" && artifacts(first)["sections/02.md"] != ""
	})
	s.kill()
	s.start()
	before := artifacts(first)
	if before["story.md"] != "" {
		t.Fatal("the story was finished before the server was killed")
	}
	second := ""
	eventually(t, 120*time.Second, "the story is finished", func() bool {
		for _, run := range s.all(path) {
			if run["status"] == "COMPLETED" {
				second = text(run["run_id"])
			}
		}
		return second != ""
	})
	if second == first {
		t.Fatal("the run that was killed is COMPLETED")
	}
	after, finished := artifacts(second), 0
	for name, sum := range before {
		if after[name] != sum {
			t.Errorf("%s is another after the restart", name)
		}
		if strings.HasPrefix(name, "sections/") {
			finished++
		}
	}
	if len(after) != 7 {
		t.Errorf("the story has %v", after)
	}
	// Each call is one of an unfinished section: the rest was not asked for again.
	calls, again := len(s.all("/api/job-runs/"+first+"/calls")), s.all("/api/job-runs/"+second+"/calls")
	if calls == 0 || len(again) == 0 {
		t.Errorf("%d calls before the kill and %d after it were recorded", calls, len(again))
	}
	for _, c := range again {
		if c["stage"] != "section" {
			t.Errorf("asked again for the %v", c["stage"])
		}
	}
	log := s.text("/api/job-runs/" + second + "/logs")
	if !strings.Contains(log, fmt.Sprintf("going on after section %d of 5", finished)) || strings.Contains(log, "outline:") {
		t.Errorf("%d sections were finished, and the log says:\n%s", finished, log)
	}
	for i := 1; i <= 5; i++ {
		if got := strings.Contains(log, fmt.Sprintf("section %d/5:", i)); got != (i > finished) {
			t.Errorf("section %d was written again: %t\n%s", i, got, log)
		}
	}
}
