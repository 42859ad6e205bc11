//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// onBoth runs f on SQLite and on PostgreSQL.
func onBoth(t *testing.T, f func(t *testing.T, db string)) {
	t.Run("sqlite", func(t *testing.T) { f(t, "") })
	t.Run("postgres", func(t *testing.T) { f(t, testsvc.DurablePostgres(t)) })
}

func command(argv ...string) map[string]any {
	return map[string]any{"job_type": "command", "params": map[string]any{"argv": argv}}
}

func (s *server) job(id any) map[string]any {
	s.t.Helper()
	return s.must(http.MethodGet, "/api/jobs/"+id.(string), nil, http.StatusOK)
}

func (s *server) becomes(id any, status string) map[string]any {
	s.t.Helper()
	var j map[string]any
	eventually(s.t, 2*patience, fmt.Sprintf("job %v is %s", id, status), func() bool {
		j = s.job(id)
		return j["status"] == status
	})
	return j
}

// TestStopInGoodOrder: work that runs when the server stops goes back to the
// queue, keeps its attempt, and runs after the restart.
func TestStopInGoodOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		dir := t.TempDir()
		s := newServer(t, db, "--stop-grace", "100ms")
		s.start()
		id := s.must(http.MethodPost, "/api/jobs", command(built.witness, dir, "2500", "fork"), http.StatusCreated)["job_id"]
		s.becomes(id, "RUNNING")
		eventually(t, time.Minute, "the witness starts", func() bool { return len(witnesses()) > 0 })
		s.stop()
		if left := witnesses(); len(left) > 0 {
			t.Errorf("processes outlive the server: %v", left)
		}
		s.start()
		j := s.becomes(id, "COMPLETED")
		if j["attempt"] != 2.0 {
			t.Errorf("attempt %v, want 2", j["attempt"])
		}
		runs := s.all("/api/job-runs?job_id=" + id.(string))
		for _, r := range runs {
			if e, _ := r["error"].(map[string]any); r["status"] == "FAILED" && e["code"] != "interrupted" {
				t.Errorf("the stopped run says %v", e)
			}
		}
	})
}

// TestCancelMeansGone (T09): CANCELLED is shown only when the whole tree of
// processes is gone.
func TestCancelMeansGone(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		s := newServer(t, db)
		s.start()
		id := s.must(http.MethodPost, "/api/jobs", command(built.witness, t.TempDir(), "600000", "fork"), http.StatusCreated)["job_id"]
		eventually(t, time.Minute, "witness and orphan run", func() bool { return len(witnesses()) == 2 })
		s.must(http.MethodPost, "/api/jobs/"+id.(string)+"/cancel", nil, http.StatusOK, http.StatusAccepted)
		s.becomes(id, "CANCELLED")
		if left := witnesses(); len(left) > 0 {
			t.Errorf("cancelled, yet processes live: %v", left)
		}
	})
}

// TestIdleMemory: an idle server stays under 40 MB.
func TestIdleMemory(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		s := newServer(t, db)
		s.start()
		id := s.must(http.MethodPost, "/api/jobs", command(built.witness, t.TempDir(), "1"), http.StatusCreated)["job_id"]
		s.becomes(id, "COMPLETED")
		// It is idle a few seconds after its work.
		least := 0
		eventually(t, 2*patience, "an idle server has at most 40 MB", func() bool {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(b), "VmRSS:")
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			if least == 0 || kb < least {
				least = kb
				t.Logf("RSS %d kB", kb)
			}
			return kb <= 40<<10
		})
	})
}

// TestSecondServerIsRefused: one data folder and, for want of a shared store of
// artifacts, one database belong to one server.
func TestSecondServerIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		s := newServer(t, db)
		s.start()
		for _, same := range []bool{true, false} {
			if db == "" && !same {
				continue // another data folder is another installation
			}
			second := newServer(t, db)
			if same {
				second.data = s.data
			}
			if out, err := second.output(); err == nil || !strings.Contains(out, "another runsheet server") && !strings.Contains(out, "uses this database") {
				t.Errorf("second server, same data folder %v: %v\n%s", same, err, out)
			}
		}
	})
}
