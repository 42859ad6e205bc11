//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// recovery is how long the server may take to accept work after space came back (T15):
// ten seconds in the long suite, more on a machine that runs other tests meanwhile.
var recovery = map[bool]time.Duration{true: 10 * time.Second, false: time.Minute}[chaos()]

// crowd is eight clients that add jobs all the time, and what they were told.
type crowd struct {
	dir  string // the witness's
	stop chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	url     string
	acked   map[string]bool
	refused int
	wrong   []string // answers that should not be
}

func newCrowd(s *server, dir string) *crowd {
	c := &crowd{dir: dir, stop: make(chan struct{}), url: s.url, acked: map[string]bool{}}
	for n := range 8 {
		c.wg.Go(func() { c.work(n) })
	}
	return c
}

func (c *crowd) end() {
	close(c.stop)
	c.wg.Wait()
}

// work adds one job after the other; each is repeated with its key until it is
// accepted.
func (c *crowd) work(client int) {
	for n := 0; ; n++ {
		argv := []string{built.witness, c.dir, strconv.Itoa(rand.IntN(100))}
		if rand.IntN(4) == 0 {
			argv = append(argv, "chat")
		}
		body := command(argv...)
		body["name"] = fmt.Sprintf("d%d-%d", client, n)
		for !c.add(body) {
			if c.over(100 * time.Millisecond) {
				return
			}
		}
		if c.over(time.Duration(20+rand.IntN(150)) * time.Millisecond) {
			return
		}
	}
}

// over waits and reports whether the crowd has to end.
func (c *crowd) over(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.stop:
		return true
	case <-t.C:
		return false
	}
}

func (c *crowd) add(body map[string]any) bool {
	c.mu.Lock()
	url := c.url
	c.mu.Unlock()
	code, header, out := answer(url, body, body["name"].(string))
	c.mu.Lock()
	defer c.mu.Unlock()
	switch code {
	case http.StatusCreated:
		c.acked[out["job_id"].(string)] = true
		return true
	case 0:
		// No answer: the server was killed.
	case http.StatusInsufficientStorage:
		c.refused++
		if header.Get("Content-Type") != "application/problem+json" || header.Get("Retry-After") == "" || out["code"] != "storage_full" {
			c.wrong = append(c.wrong, fmt.Sprintf("507 with %v %v", header, out))
		}
	default:
		c.wrong = append(c.wrong, fmt.Sprintf("%d %v", code, out))
	}
	return false
}

func (c *crowd) counts() (acked, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.acked), c.refused
}

// answer posts a job.
func answer(url string, body map[string]any, key string) (int, http.Header, map[string]any) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/jobs", bytes.NewReader(b))
	if err != nil {
		return 0, nil, nil
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer res.Body.Close()
	var out map[string]any
	if json.NewDecoder(res.Body).Decode(&out) != nil {
		return 0, nil, nil
	}
	return res.StatusCode, res.Header, out
}

// TestDiskFull (T15) fills the disk of the data folder under a running server
// with eight clients: new work is refused with 507, readiness says why, reads
// and cancels work, running jobs end and their end is kept; once there is space,
// work is accepted again soon and without a restart. The same again with a kill
// while the disk is full. Nothing that was acknowledged is lost.
func TestDiskFull(t *testing.T) {
	rounds := 1
	switch {
	case testing.Short():
		t.Skip("fills a real server's disk")
	case os.Getenv("RUNSHEET_CHAOS") == "full":
		rounds = 50
	}
	dir := t.TempDir()
	d := newDisk(t, filepath.Join(dir, "disk"), 24)
	s := newServer(t, "", "--workers", "6", "--allow-command", "/bin/sh,"+built.witness)
	s.data = filepath.Join(d.dir, "data")
	s.start()
	witness := filepath.Join(dir, "witness")
	if err := os.Mkdir(witness, 0o700); err != nil {
		t.Fatal(err)
	}
	gate := filepath.Join(dir, "gate") // outside of the full disk
	last := s.add(inline("echo before; while [ ! -e " + gate + " ]; do sleep 0.05; done; seq 1 20000; echo after"))
	endless := s.add(inline("echo endless; sleep 600"))
	s.becomes(last, "RUNNING")
	s.becomes(endless, "RUNNING")
	eventually(t, time.Minute, "the job has written", func() bool {
		return strings.HasPrefix(s.text("/api/job-runs/"+s.runOf(last)+"/logs"), "before\n")
	})
	queued := inline("exit 0")
	queued["hold"] = true
	held := s.add(queued)

	c := newCrowd(s, witness)
	defer func() {
		c.end()
		c.judge(s)
	}()
	eventually(t, time.Minute, "the clients are at work", func() bool { n, _ := c.counts(); return n >= 20 })
	s.fills(d, c)

	// What is running may finish and is recorded although there is no space.
	for _, path := range []string{"/api/jobs", "/api/job-runs", "/api/scheduler", "/api/workers"} {
		s.must(http.MethodGet, path, nil, http.StatusOK)
	}
	s.must(http.MethodPost, "/api/jobs/"+held+"/cancel", nil, http.StatusOK, http.StatusAccepted)
	s.must(http.MethodPost, "/api/jobs/"+endless+"/cancel", nil, http.StatusOK, http.StatusAccepted)
	s.becomes(endless, "CANCELLED")
	s.becomes(held, "CANCELLED")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.becomes(last, "COMPLETED")
	s.unready()
	if got := s.text("/api/job-runs/" + s.runOf(last) + "/logs"); !strings.HasPrefix(got, "before\n") {
		t.Errorf("the log of a job that ended on a full disk begins %.60q", got)
	}
	s.calm(3 * time.Second)
	s.recovers(d, c)

	for range rounds { // once more, with a kill
		s.fills(d, c)
		s.kill()
		d.fill() // also what the dead left
		s.launch()
		c.mu.Lock()
		c.url = s.url
		c.mu.Unlock()
		s.unready()
		s.must(http.MethodGet, "/api/jobs", nil, http.StatusOK)
		s.recovers(d, c)
	}
}

// add adds a job and returns its id.
func (s *server) add(body map[string]any) string {
	s.t.Helper()
	return text(s.must(http.MethodPost, "/api/jobs", body, http.StatusCreated)["job_id"])
}

func (s *server) runOf(job string) string {
	s.t.Helper()
	items := s.all("/api/job-runs?job_id=" + job)
	if len(items) != 1 {
		s.t.Fatalf("job %s has %d runs, want 1", job, len(items))
	}
	return text(items[0]["run_id"])
}

// fills fills the disk until a client is refused and readiness fails.
func (s *server) fills(d *disk, c *crowd) {
	s.t.Helper()
	_, before := c.counts()
	d.fill()
	eventually(s.t, recovery, "clients are refused", func() bool { _, n := c.counts(); return n > before })
	s.unready()
}

// unready expects that readiness fails and says that the disk is full.
func (s *server) unready() {
	s.t.Helper()
	eventually(s.t, recovery, "readiness fails", func() bool {
		code, out := s.try(http.MethodGet, "/readyz", nil, nil)
		return code == http.StatusServiceUnavailable && strings.Contains(fmt.Sprint(out), "full")
	})
}

// recovers frees the disk and expects that work is accepted soon, and that the
// reserve is made whole.
func (s *server) recovers(d *disk, c *crowd) {
	s.t.Helper()
	before, _ := c.counts()
	d.free()
	eventually(s.t, recovery, "work is accepted again", func() bool {
		n, _ := c.counts()
		code, _ := s.try(http.MethodGet, "/readyz", nil, nil)
		return n > before && code == http.StatusOK
	})
	st, err := os.Stat(filepath.Join(s.data, "reserve"))
	if err != nil || st.Size() != 24<<20/20 {
		s.t.Errorf("the reserve is not whole: %v %v", st, err)
	}
}

// calm watches the server for some time on its full disk: it must neither be
// busy nor fill its log or its memory.
func (s *server) calm(d time.Duration) {
	s.t.Helper()
	pid := s.cmd.Process.Pid
	ticks := func() int {
		st := stat(pid)
		if st == nil {
			s.t.Fatal("the server is gone")
		}
		user, _ := strconv.Atoi(st[11])
		system, _ := strconv.Atoi(st[12])
		return user + system
	}
	most := 10_000 / d.Seconds() // bytes of log in a second
	begin, busy, said := time.Now(), ticks(), len(s.log.tail(1<<30))
	pause(d)
	busy, said = ticks()-busy, len(s.log.tail(1<<30))-said
	d = time.Since(begin) // longer than asked for where others are at work
	s.t.Logf("in %v on a full disk: %d ms of CPU, %d bytes of log", d, busy*10, said)
	if busy*10 > int(d.Milliseconds())/2 {
		s.t.Errorf("the server is busy on a full disk: %d ms of CPU in %v", busy*10, d)
	}
	if said > int(most*d.Seconds()) {
		s.t.Errorf("the server wrote %d bytes of log in %v on a full disk", said, d)
	}
	if kb := s.rss(); kb > 100<<10 {
		s.t.Errorf("RSS is %d kB on a full disk", kb)
	}
}

// rss is the server's memory in kB.
func (s *server) rss() int {
	s.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return kb
}

// judge lets everything end and compares what clients and witness know with
// the server.
func (c *crowd) judge(s *server) {
	t := s.t
	t.Helper()
	for _, w := range c.wrong[:min(len(c.wrong), 5)] {
		t.Errorf("a client was told: %s", w)
	}
	if t.Failed() {
		return
	}
	eventually(t, 2*time.Minute, "everything ended", func() bool {
		return len(s.must(http.MethodGet, "/api/jobs?status=QUEUED,RUNNING&limit=1", nil, http.StatusOK)["items"].([]any)) == 0
	})
	jobs, names := map[string]map[string]any{}, map[string]bool{}
	for _, j := range s.all("/api/jobs?limit=200") {
		jobs[text(j["job_id"])] = j
		if name := text(j["name"]); strings.HasPrefix(name, "d") {
			if names[name] {
				t.Errorf("two jobs came from the key %s", name)
			}
			names[name] = true
		}
	}
	starts, ends := map[string]int{}, map[string]int{}
	for _, w := range testimony(t.(*testing.T), c.dir) {
		switch w.what {
		case "start":
			starts[w.run]++
		case "end":
			ends[w.run]++
		case "overlap":
			t.Errorf("attempt %s of job %s ran beside another", w.attempt, w.job)
		}
	}
	attempts, broken := map[string]int{}, map[string]int{}
	for _, r := range s.all("/api/job-runs?limit=200") {
		id, job := text(r["run_id"]), text(r["job_id"])
		attempts[job]++
		if !c.acked[job] {
			continue
		}
		switch r["status"] {
		case "COMPLETED":
			if starts[id] != 1 || ends[id] != 1 {
				t.Errorf("run %s is COMPLETED; the witness saw %d starts and %d ends", id, starts[id], ends[id])
			}
		default:
			why, _ := r["error"].(map[string]any)
			broken[text(why["code"])]++
			if starts[id] > 1 || why["code"] != "interrupted" {
				t.Errorf("run %s is %v with %v; the witness saw %d starts", id, r["status"], why, starts[id])
			}
		}
		delete(starts, id)
	}
	for id := range c.acked {
		j := jobs[id]
		if j == nil {
			t.Errorf("acknowledged job %s is gone", id)
		} else if n, _ := j["attempt"].(float64); int(n) != attempts[id] || n < 1 {
			t.Errorf("job %s says attempt %v, it has %d runs", id, j["attempt"], attempts[id])
		}
	}
	for id := range starts {
		t.Errorf("the witness saw run %s, the server does not know it or its job was never acknowledged", id)
	}
	t.Logf("%d jobs acknowledged, %d requests refused, runs that failed: %v", len(c.acked), c.refused, broken)
}
