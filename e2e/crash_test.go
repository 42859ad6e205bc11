//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestCrash (T01) kills the server at random moments while eight clients add
// jobs, restarts it each time, and lets the witness judge: every acknowledged
// job exists, attempts of one job never overlap, not even with orphans, no run
// stays active, and no process of a dead server survives the restart.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a real server many times")
	}
	kills := 20
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		kills = 200
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		crash(t, "", kills)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		crash(t, testsvc.DurablePostgres(t), kills)
	})
}

// ledger is what the clients know: ids of acknowledged jobs.
type ledger struct {
	mu    sync.Mutex
	acked map[string]bool // by job id; true = retry_on_restart
	url   string
}

func crash(t *testing.T, db string, kills int) {
	dir := t.TempDir()
	s := newServer(t, db, "--workers", "4")
	s.start()
	l := &ledger{acked: map[string]bool{}, url: s.url}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() { addJobs(l, dir, c, stop) })
	}
	for k := range kills {
		pause(time.Duration(200+rand.IntN(1200)) * time.Millisecond)
		shims := children(s.cmd.Process.Pid)
		s.kill()
		if k%2 == 1 {
			// Also end the supervisors, so that the restart has something to find.
			for _, pid := range shims {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		orphans := witnessesOf(dir)
		begin := time.Now()
		s.start()
		t.Logf("kill %d: %d orphans, ready after %v", k+1, len(orphans), time.Since(begin).Round(time.Millisecond))
		for pid, start := range witnessesOf(dir) {
			if orphans[pid] == start {
				t.Errorf("kill %d: process %d of the dead server survived the restart", k+1, pid)
			}
		}
		l.mu.Lock()
		l.url = s.url
		l.mu.Unlock()
	}
	close(stop)
	clients.Wait()
	runDry(t, s)
	judge(t, s, l, dir)
}

// runDry waits until everything has ended, and releases what crashes have held.
func runDry(t *testing.T, s *server) {
	t.Helper()
	// What waits for a worker is not the point any more; let the rest finish.
	s.must(http.MethodPatch, "/api/workers", map[string]any{"count": 64}, http.StatusOK)
	poisoned := 0
	t.Cleanup(func() {
		if t.Failed() {
			for _, j := range s.all("/api/jobs?status=QUEUED,RUNNING&limit=200") {
				t.Logf("left: %v", j)
			}
			s.dump()
		}
	})
	eventually(t, 2*time.Minute, "everything ended", func() bool {
		left := s.must(http.MethodGet, "/api/jobs?status=QUEUED,RUNNING&limit=1&sort=queue", nil, http.StatusOK)["items"].([]any)
		if len(left) == 0 {
			return true
		}
		j := left[0].(map[string]any)
		if w, ok := j["waiting"].(map[string]any); ok && w["code"] == "held" {
			// Three crashes in a row ended it: it waits for a person.
			if !strings.Contains(w["detail"].(string), "the server crashed 3 times in a row") {
				t.Fatalf("job %v is held: %v", j["job_id"], w["detail"])
			}
			poisoned++
			s.must(http.MethodPost, "/api/jobs/"+j["job_id"].(string)+"/release", nil, http.StatusOK)
		}
		return false
	})
	t.Logf("%d jobs were held after three crashes in a row", poisoned)
}

// addJobs adds jobs as fast as they are acknowledged, until stop is closed.
// A request without an answer is repeated with its key, as users are told to.
func addJobs(l *ledger, dir string, client int, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		argv := []string{built.witness, dir, strconv.Itoa(rand.IntN(150))}
		if rand.IntN(3) == 0 {
			argv = append(argv, "fork")
		}
		retry := rand.IntN(2) == 0
		body := map[string]any{
			"job_type": "command", "params": map[string]any{"argv": argv}, "retry_on_restart": retry,
			"name": fmt.Sprintf("c%d-%d", client, n),
		}
		key := map[string]string{"Idempotency-Key": fmt.Sprintf("c%d-%d", client, n)}
		for {
			l.mu.Lock()
			url := l.url
			l.mu.Unlock()
			code, out := request(url, http.MethodPost, "/api/jobs", body, key)
			if code == http.StatusCreated {
				l.mu.Lock()
				l.acked[out["job_id"].(string)] = retry
				l.mu.Unlock()
				break
			}
			select {
			case <-stop:
				return
			default:
				pause(20 * time.Millisecond)
			}
		}
		pause(time.Duration(rand.IntN(120)) * time.Millisecond)
	}
}

// judge compares the clients' ledger and the witness's log with the server.
func judge(t *testing.T, s *server, l *ledger, dir string) {
	t.Helper()
	jobs := map[string]map[string]any{}
	names := map[string]string{}
	for _, j := range s.all("/api/jobs?limit=200") {
		id := j["job_id"].(string)
		jobs[id] = j
		if other, twice := names[j["name"].(string)]; twice {
			t.Errorf("jobs %s and %s came from one idempotency key", id, other)
		}
		names[j["name"].(string)] = id
	}
	for id := range l.acked {
		if jobs[id] == nil {
			t.Errorf("I1: acknowledged job %s is gone", id)
		}
	}
	runs := map[string]map[string]any{}
	attempts := map[string]int{}
	for _, r := range s.all("/api/job-runs?limit=200") {
		runs[r["run_id"].(string)] = r
		attempts[r["job_id"].(string)]++
		if r["active"] != false || r["status"] == nil {
			t.Errorf("I5: run %s is active after everything ended", r["run_id"])
		}
	}
	started, overlaps := 0, 0
	perJob, perRun := map[string]int{}, map[string]int{}
	for _, w := range testimony(t, dir) {
		switch w.what {
		case "overlap":
			overlaps++
			t.Errorf("I2, I8: attempt %s of job %s ran beside another", w.attempt, w.job)
		case "start":
			started++
			perJob[w.job]++
			perRun[w.run]++
			if runs[w.run] == nil {
				t.Errorf("I4: the witness saw run %s, the server does not know it", w.run)
			}
		}
	}
	for id, n := range perRun {
		if n > 1 {
			t.Errorf("I2: run %s started %d times", id, n)
		}
	}
	interrupted := 0
	for id, j := range jobs {
		if j["retry_on_restart"] == false && perJob[id] > 1 {
			t.Errorf("job %s with crash policy fail started %d times", id, perJob[id])
		}
		if j["status"] == "FAILED" {
			interrupted++
			if code := j["error"].(map[string]any)["code"]; code != "interrupted" {
				t.Errorf("job %s failed with %v", id, code)
			}
		}
	}
	for pid := range witnessesOf(dir) {
		t.Errorf("I5: process %d is left", pid)
	}
	t.Logf("%d jobs acknowledged, %d witness starts, %d runs, %d jobs interrupted", len(l.acked), started, len(runs), interrupted)
	if interrupted == 0 || started == 0 {
		t.Error("no attempt was interrupted: the test tested nothing")
	}
}

// statement is one line of the witness, see there.
type statement struct {
	what, job, run, attempt string
	pid                     int
	epoch                   int64
	where                   string // data folder of the server that started it
	at                      time.Duration
	key, holder             string
}

func testimony(t testing.TB, dir string) []statement {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "log"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var out []statement
	for line := range strings.Lines(string(b)) {
		if !strings.HasSuffix(line, "\n") {
			break // being written
		}
		p := strings.Fields(line)
		if len(p) != 10 {
			t.Fatalf("witness said %q", line)
		}
		pid, err := strconv.Atoi(p[4])
		epoch, err2 := strconv.ParseInt(p[5], 10, 64)
		at, err3 := strconv.ParseInt(p[7], 10, 64)
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatalf("witness said %q: %v", line, err)
		}
		out = append(out, statement{p[0], p[1], p[2], p[3], pid, epoch, p[6], time.Duration(at), p[8], p[9]})
	}
	return out
}

func pause(d time.Duration) { time.Sleep(d) }
