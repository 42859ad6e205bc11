//go:build linux

package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestPoison (T08): a job during which the server crashes three times in a row
// is held with a reason. Attempts count from their claim, and others go on.
func TestPoison(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		dir := t.TempDir()
		s := newServer(t, db, "--workers", "2")
		s.start()
		job := command(built.witness, dir, "600000", "on")
		job["retry_on_restart"] = true
		id := text(s.must(http.MethodPost, "/api/jobs", job, http.StatusCreated)["job_id"])
		starts := func() (n int) {
			for _, w := range testimony(t, dir) {
				if w.job == id && w.what == "start" {
					n++
				}
			}
			return n
		}
		s.becomes(id, "RUNNING")
		for n := 1; n <= 3; n++ {
			eventually(t, time.Minute, "the witness starts", func() bool { return len(witnessesIn(dir)) > 0 && starts() == n })
			s.kill()
			s.start()
		}
		j := s.becomes(id, "QUEUED")
		w, _ := j["waiting"].(map[string]any)
		if w["code"] != "held" || !strings.Contains(text(w["detail"]), "crashed 3 times in a row") || j["attempt"] != 3.0 {
			t.Errorf("after three crashes: attempt %v, waiting %v", j["attempt"], w)
		}
		// Others are not held up, and it stays where it is.
		if other := s.finished(command(built.witness, dir, "1")); other["status"] != "COMPLETED" {
			t.Errorf("another job is %v", other["status"])
		}
		if n := starts(); n != 3 {
			t.Errorf("it started %d times", n)
		}
		s.must(http.MethodPost, "/api/jobs/"+id+"/release", nil, http.StatusOK)
		eventually(t, time.Minute, "it runs again", func() bool { return starts() == 4 })
		s.must(http.MethodPost, "/api/jobs/"+id+"/cancel", nil, http.StatusOK, http.StatusAccepted)
		s.becomes(id, "CANCELLED")
	})
}
