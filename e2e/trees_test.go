//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// shapes are the ways in which a command's children try to stay, see
// witness/tree.go.
var shapes = []string{"plain", "setsid", "double", "daemon", "deaf"} // read-only

// TestProcessTrees (T09): a command leaves children behind that hold its lock,
// its standard output and the witness's lock, in every shape. However the
// command ends, the next holder of the lock starts after the last of them is
// gone: the witness ends with an error if it finds its lock taken.
func TestProcessTrees(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for graces")
	}
	for name, db := range map[string]func(testing.TB) string{
		"sqlite":   func(testing.TB) string { return "" },
		"postgres": testsvc.DurablePostgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &forest{t: t, s: newServer(t, db(t), "--workers", "16"), dir: t.TempDir()}
			f.s.start()
			f.round("end by themselves", "", func(map[string]string) {}, "leave")
			f.round("cancel", "cancelled", func(ids map[string]string) {
				for _, id := range ids {
					f.s.must(http.MethodPost, "/api/jobs/"+id+"/cancel", nil, http.StatusOK, http.StatusAccepted)
				}
			}, shapes...)
			f.timeout = "10s" // long enough for all trees to stand
			f.round("timeout", "timeout", func(map[string]string) {}, shapes...)
			f.timeout = ""
			f.round("server killed", "interrupted", func(map[string]string) {
				f.s.kill()
				f.restart()
			}, shapes...)
			f.round("server and supervisors killed", "interrupted", func(map[string]string) {
				shims := children(f.s.cmd.Process.Pid)
				for _, pid := range shims {
					_ = syscall.Kill(pid, syscall.SIGSTOP) // cannot do their work any more
				}
				f.s.kill()
				for _, pid := range shims {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
				if left := witnessesIn(f.dir); len(left) < len(shapes) {
					t.Errorf("only %d orphans are left: the test tested nothing", len(left))
				}
				f.restart()
			}, shapes...)
			for _, w := range testimony(t, f.dir) {
				if w.what == "overlap" {
					t.Errorf("I8: run %s of job %s found %s held by run %s", w.run, w.job, w.key, w.holder)
				}
			}
		})
	}
}

// forest is a server and the trees of processes that its jobs leave behind.
type forest struct {
	t       *testing.T
	s       *server
	dir     string
	timeout string
	rounds  int
}

// restart starts the server again. No process of the dead one may be there when
// it is ready.
func (f *forest) restart() {
	f.t.Helper()
	begin := time.Now()
	before := map[int]bool{}
	for _, pid := range witnessesIn(f.dir) {
		before[pid] = true
	}
	f.s.start()
	for _, pid := range witnessesIn(f.dir) {
		if before[pid] {
			f.t.Errorf("process %d of the dead server survived the restart", pid)
		}
	}
	f.t.Logf("%d orphans, ready after %v", len(before), time.Since(begin).Round(time.Millisecond))
}

// round starts one command of each shape under a lock and one that waits for
// the lock, brings about the end of the first ones, and waits for the second.
func (f *forest) round(name, code string, end func(ids map[string]string), shapes ...string) {
	f.t.Helper()
	f.rounds++
	first, second := map[string]string{}, map[string]string{}
	for _, shape := range shapes {
		lock := fmt.Sprintf("%s-%d", shape, f.rounds)
		job := command(built.witness, f.dir, "600000", "tree="+shape, "lock="+lock)
		job["locks"] = []string{lock}
		if f.timeout != "" {
			job["timeout"] = f.timeout
		}
		first[shape] = text(f.s.must(http.MethodPost, "/api/jobs", job, http.StatusCreated)["job_id"])
		next := command(built.witness, f.dir, "1", "lock="+lock)
		next["locks"] = []string{lock}
		second[shape] = text(f.s.must(http.MethodPost, "/api/jobs", next, http.StatusCreated)["job_id"])
	}
	if code != "" {
		eventually(f.t, time.Minute, name+": all trees stand", func() bool {
			started := map[string]bool{}
			for _, w := range testimony(f.t, f.dir) {
				started[w.job] = started[w.job] || w.what == "start"
			}
			for _, id := range first {
				if !started[id] {
					return false
				}
			}
			return true
		})
	}
	begin := time.Now()
	end(first)
	for shape, id := range second {
		if j := f.s.becomes(id, "COMPLETED"); j["attempt"] != 1.0 {
			f.t.Errorf("%s, %s: the next holder needed %v attempts", name, shape, j["attempt"])
		}
	}
	for shape, id := range first {
		runs := f.s.all("/api/job-runs?job_id=" + id)
		got := ""
		if e, ok := runs[0]["error"].(map[string]any); ok {
			got = text(e["code"])
		}
		if len(runs) != 1 || got != code {
			f.t.Errorf("%s, %s: %d runs, the first with error %q, want %q", name, shape, len(runs), got, code)
		}
	}
	if left := witnessesIn(f.dir); len(left) > 0 {
		f.t.Errorf("%s: %d processes are left", name, len(left))
	}
	f.t.Logf("%s: %d trees gone and their locks passed on after %v", name, len(first), time.Since(begin).Round(time.Millisecond))
}
