//go:build linux

package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
	"github.com/runsheet/runsheet/internal/testsvc/gguf"
)

// modelServer is a server that asks a real Ollama.
func modelServer(t *testing.T, o *testsvc.OllamaServer, env []string, args ...string) *server {
	t.Helper()
	s := newServer(t, "", args...)
	s.env = append([]string{"RUNSHEET_LLM_URL=" + o.URL, "RUNSHEET_LLM_MODEL=" + testsvc.OllamaTiny}, env...)
	s.start()
	return s
}

// story adds a job that writes a story and returns its id.
func (s *server) story(model string, params map[string]any, more map[string]any) string {
	s.t.Helper()
	p := map[string]any{"length": 50, "sections": 1, "seed": 7, "model": model}
	maps.Copy(p, params)
	in := map[string]any{"job_type": "story", "params": p}
	maps.Copy(in, more)
	return s.must(http.MethodPost, "/api/jobs", in, http.StatusCreated)["job_id"].(string)
}

// brief makes a directive under which calls are short, so that a slow model does
// not take for ever.
func (s *server) brief() string {
	s.t.Helper()
	return s.must(http.MethodPost, "/api/directives", map[string]any{"name": "brief", "limits": map[string]any{"call_tokens": 60}},
		http.StatusCreated)["directive_id"].(string)
}

func (s *server) paused(on bool) {
	s.t.Helper()
	s.must(http.MethodPost, "/api/queue/"+map[bool]string{true: "pause", false: "resume"}[on], nil, http.StatusOK)
}

func (s *server) ended(d time.Duration, jobs ...string) {
	s.t.Helper()
	eventually(s.t, d, "the stories are written", func() bool {
		for _, id := range jobs {
			switch j := s.must(http.MethodGet, "/api/jobs/"+id, nil, http.StatusOK); j["status"] {
			case "COMPLETED":
			case "FAILED", "SKIPPED", "CANCELLED":
				s.t.Fatalf("%v", j)
			default:
				return false
			}
		}
		return true
	})
}

// starts are the jobs of all runs by the time of their start.
func (s *server) starts() (jobs []string, runs []map[string]any) {
	s.t.Helper()
	runs = s.all("/api/job-runs?limit=200")
	slices.SortFunc(runs, func(a, b map[string]any) int { return strings.Compare(stamp(a, "started_at"), stamp(b, "started_at")) })
	for _, r := range runs {
		id, _ := r["job_id"].(string)
		jobs = append(jobs, id)
	}
	return jobs, runs
}

// stamp is a time in a form that sorts as text.
func stamp(v map[string]any, name string) string {
	at, err := time.Parse(time.RFC3339Nano, v[name].(string))
	if err != nil {
		return ""
	}
	return at.UTC().Format("2006-01-02T15:04:05.000000000")
}

// TestDirectStoryGoesFirst: with one slot, a slow model and twenty waiting stories,
// a direct one waits for the running one only, runs, and the queue goes on in its
// order. It makes no job.
func TestDirectStoryGoesFirst(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for a slow model")
	}
	o := testsvc.OwnOllama(t)
	// Slow enough to be met at work, and not so slow that the test takes minutes.
	const model = "steady"
	o.Add(t, model, gguf.Model{Name: model, Blocks: 100, Width: 128, Context: 1024})
	s := modelServer(t, o, nil)
	d := s.brief()
	s.paused(true)
	var queued []string
	for range 20 {
		queued = append(queued, s.story(model, nil, map[string]any{"directive_id": d}))
	}
	s.paused(false)
	eventually(t, time.Minute, "the first one runs", func() bool {
		return s.must(http.MethodGet, "/api/jobs/"+queued[0], nil, http.StatusOK)["status"] == "RUNNING"
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	code, answer := requestContext(ctx, s.url, http.MethodPost, "/story/generate", map[string]any{
		"topic": "a robot", "length": 50, "model": model, "directive_id": d,
	}, nil)
	if code != http.StatusOK || answer["success"] != true || len(answer["story"].(string)) < 50 {
		t.Fatalf("%d %v", code, answer)
	}
	if got := fmt.Sprint(answer["waited_for"]); got != "["+queued[0]+"]" || got != fmt.Sprint(answer["interrupted_jobs"]) {
		t.Errorf("waited for %s, want %s", got, queued[0])
	}
	if n, _ := answer["tokens"].(map[string]any)["completion"].(float64); n <= 0 {
		t.Errorf("tokens %v", answer["tokens"])
	}
	eventually(t, time.Minute, "the queue goes on", func() bool {
		jobs, _ := s.starts()
		return len(jobs) >= 4
	})
	s.paused(true)
	jobs, runs := s.starts()
	want := []string{queued[0], "", queued[1], queued[2]}
	if !slices.Equal(jobs[:4], want) {
		t.Errorf("started %v, want %v", jobs[:4], want)
	}
	if runs[1]["run_id"] != answer["run_id"] || stamp(runs[1], "started_at") < stamp(runs[0], "finished_at") {
		t.Errorf("the direct run %v did not follow the first %v", runs[1], runs[0])
	}
	if all := s.all("/api/jobs?limit=200"); len(all) != len(queued) {
		t.Errorf("%d jobs, %d were added", len(all), len(queued))
	}
}

// overlap reports whether two runs ran at the same time.
func overlap(a, b map[string]any) bool {
	return stamp(a, "started_at") < stamp(b, "finished_at") && stamp(b, "started_at") < stamp(a, "finished_at")
}

// TestModelsAreNotShared: with four slots, no two stories of one model run at a
// time, while those of two models do; where both models share a device, nothing
// overlaps.
func TestModelsAreNotShared(t *testing.T) {
	t.Parallel()
	o := testsvc.Ollama(t)
	for _, gpus := range []string{"", "*=gpu:0"} {
		t.Run("gpus "+gpus, func(t *testing.T) {
			t.Parallel()
			s := modelServer(t, o, []string{"RUNSHEET_LLM_GPUS=" + gpus}, "--workers", "4")
			s.paused(true)
			var jobs []string
			for i := range 8 {
				jobs = append(jobs, s.story([]string{testsvc.OllamaTiny, testsvc.OllamaOther}[i%2], nil, nil))
			}
			s.paused(false)
			s.ended(2*time.Minute, jobs...)
			_, runs := s.starts()
			for i, a := range runs {
				for _, b := range runs[:i] {
					same := a["params"].(map[string]any)["model"] == b["params"].(map[string]any)["model"]
					if overlap(a, b) && (same || gpus != "") {
						t.Errorf("%v and %v ran at the same time", a["run_id"], b["run_id"])
					}
				}
			}
		})
	}
}

// TestModelAffinity: twenty stories that alternate between two models. Without
// affinity they start exactly as shown; with 3 there are at most half as many
// swaps.
func TestModelAffinity(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("writes forty stories")
	}
	o := testsvc.Ollama(t)
	swaps := map[int]int{}
	for _, affinity := range []int{0, 3} {
		s := modelServer(t, o, nil)
		s.must(http.MethodPatch, "/api/settings", map[string]any{"model_affinity": affinity}, http.StatusOK)
		s.paused(true)
		models := map[string]string{}
		for i := range 20 {
			m := []string{testsvc.OllamaTiny, testsvc.OllamaOther}[i%2]
			models[s.story(m, nil, nil)] = m
		}
		var shown []string
		for _, j := range s.all("/api/jobs?status=QUEUED&limit=200") {
			shown = append(shown, j["job_id"].(string))
		}
		s.paused(false)
		s.ended(3*time.Minute, shown...)
		jobs, _ := s.starts()
		if affinity == 0 && !slices.Equal(jobs, shown) {
			t.Errorf("started %v, shown %v", jobs, shown)
		}
		for i := range jobs[1:] {
			if models[jobs[i]] != models[jobs[i+1]] {
				swaps[affinity]++
			}
		}
	}
	if t.Logf("swaps by affinity: %v", swaps); 2*swaps[3] > swaps[0] {
		t.Errorf("swaps by affinity: %v", swaps)
	}
}
