//go:build linux

package e2e

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // to hold a snapshot as another program would

	"github.com/runsheet/runsheet/internal/clock"
)

// soak is what one long life of a server goes through.
type soak struct {
	*server
	jobs, lines int
	full        bool
}

// TestSoak lets one server run many jobs while a job logs all the time and somebody
// follows it, and while sessions that their owners forgot hold the database back. From a
// tenth of the jobs on nothing may grow but the database, and that with the jobs; each
// job ends once; when the sessions are gone the log of SQLite is small again. `make soak`
// has a million jobs, as many lines as a job writes in a day, and waits until the server
// complains of the sessions.
func TestSoak(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs thousands of jobs on a real server")
	}
	size := soak{jobs: 1_000, lines: 10_000}
	if n, err := strconv.Atoi(os.Getenv("RUNSHEET_SOAK")); err == nil {
		size = soak{jobs: n, lines: 864_000, full: true}
	}
	engines(t, func(t *testing.T, fresh func() string) {
		s := size
		s.server = newServer(t, fresh(), "--allow-command", "/bin/sh", "--workers", "16", "--pprof", "127.0.0.1:0")
		s.start()
		profile := s.profile()
		s.apply(`{"kind":"Workflow","workflow_id":"soak","nodes":[{"node_id":"one","type":"data","data_type":"set","config":{"values":{"x":1}}}]}`)
		logs := s.logAll()
		s.run(0, s.jobs/10)
		before := s.size(profile)
		release := s.hold()
		at := s.run(s.jobs/10, s.jobs/5)
		if s.full {
			at = s.complains(at)
		}
		release()
		s.rests()
		at = s.run(at, max(at, s.jobs))
		logs()
		s.rests()
		after := s.size(profile)
		t.Logf("%d jobs: %+v", s.jobs/10, before)
		t.Logf("%d jobs: %+v", at, after)
		s.compare(before, after, at)
	})
}

var profiles = regexp.MustCompile(`http://127\.0\.0\.1:\d+/debug/pprof/`)

// profile is where the server's profiles are, which it says in its log.
func (s *soak) profile() (url string) {
	s.t.Helper()
	eventually(s.t, time.Minute, "the server says where its profiles are", func() bool {
		url = profiles.FindString(s.log.tail(100_000))
		return url != ""
	})
	return url
}

// logAll starts a job that logs all the time, and follows it. The result waits until the
// log has ended, and checks that each line came, in order.
func (s *soak) logAll() (wait func()) {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s.t.Cleanup(stop)
	cmd := exec.CommandContext(ctx, built.runsheet, "job", "add", "--name", "chatter", "--follow", "--", "/bin/sh", "-c",
		fmt.Sprintf(`i=0; while [ $i -lt %d ]; do echo "line $i"; i=$((i+1)); done`, s.lines))
	cmd.Env = []string{"RUNSHEET_DATA=" + s.data, "PATH=" + os.Getenv("PATH"), "HOME=" + s.data}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	got, wrong := 0, ""
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); got++ {
			if want := fmt.Sprintf("line %d", got); wrong == "" && lines.Text() != want {
				wrong = fmt.Sprintf("%q, want %q", lines.Text(), want)
			}
		}
	})
	return func() {
		s.t.Helper()
		reading.Wait()
		if err := cmd.Wait(); err != nil || got != s.lines || wrong != "" {
			s.t.Errorf("the log that was followed has %d lines of %d: %s, %v", got, s.lines, wrong, err)
		}
	}
}

// wave is how many jobs are added by one request, and ahead how many wait at most, more
// or less: what waits needs memory, too.
const (
	wave  = 500
	ahead = 5_000
)

// run adds jobs until there were n, and waits until all have ended. It returns n.
func (s *soak) run(from, n int) int {
	s.t.Helper()
	for at := from; at < n; at += wave {
		list := make([]map[string]any, min(wave, n-at))
		for i := range list {
			list[i] = map[string]any{"job_type": "workflow", "name": "soak", "params": map[string]any{"workflow_id": "soak"}}
		}
		s.must(http.MethodPost, "/api/job-groups", map[string]any{"name": fmt.Sprintf("wave %d", at), "mode": "parallel", "jobs": list}, http.StatusCreated)
		s.waits(ahead)
	}
	s.waits(0)
	eventually(s.t, 10*time.Minute, "the ends of all jobs are counted", func() bool { return s.ended() >= n })
	if got := s.ended(); got != n {
		s.t.Fatalf("%d jobs have ended well, want %d", got, n)
	}
	return n
}

// waits until at most n jobs wait.
func (s *soak) waits(n int) {
	s.t.Helper()
	eventually(s.t, 30*time.Minute, fmt.Sprintf("at most %d jobs wait", n), func() bool {
		q := s.must(http.MethodGet, "/api/queue?limit=1", nil, http.StatusOK)
		return int(q["statistics"].(map[string]any)["queued"].(float64)) <= n
	})
}

func (s *soak) ended() int {
	for line := range strings.Lines(s.text("/metrics")) {
		if v, ok := strings.CutPrefix(line, `runsheet_jobs_finished_total{job_type="workflow",state="COMPLETED"} `); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return int(n)
		}
	}
	return 0
}

// hold opens what sessions forget: on SQLite a reader, on PostgreSQL one with a snapshot
// and one with an open transaction that has changed something. The result ends them.
func (s *soak) hold() (release func()) {
	s.t.Helper()
	ctx := context.Background()
	if s.db == "" {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data, "runsheet.db")+"?mode=ro")
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = db.Close() })
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		n := 0
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM jobs`).Scan(&n); err != nil {
			s.t.Fatal(err)
		}
		return func() {
			if err := tx.Rollback(); err != nil {
				s.t.Error(err)
			}
		}
	}
	var list []*pgx.Conn
	for _, first := range []string{
		`BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobs`,
		`BEGIN; CREATE TEMPORARY TABLE forgotten (x INT); INSERT INTO forgotten VALUES (1)`,
	} {
		conn, err := pgx.Connect(ctx, s.db)
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, conn)
		if _, err := conn.Exec(ctx, first); err != nil {
			s.t.Fatal(err)
		}
	}
	return func() {
		for _, conn := range list {
			if err := conn.Close(ctx); err != nil {
				s.t.Error(err)
			}
		}
	}
}

// complains runs jobs, of which n have run, until the server tells of the session that
// holds the database back: on SQLite of the log, on PostgreSQL of the time. It returns how
// many have run then.
func (s *soak) complains(n int) int {
	s.t.Helper()
	want := map[bool]string{true: "log", false: "transaction"}[s.db == ""]
	eventually(s.t, time.Hour, "the server complains of its "+want, func() bool {
		if s.storage() == want {
			return true
		}
		n = s.run(n, n+wave) // the log grows with what is written
		return false
	})
	return n
}

// storage is the note of the check of this name.
func (s *soak) storage() string {
	out := s.must(http.MethodGet, "/readyz", nil, http.StatusOK)
	for _, c := range out["checks"].([]any) {
		if c := c.(map[string]any); c["name"] == "storage" {
			note, _ := c["note"].(string)
			return note
		}
	}
	s.t.Fatal("/readyz has no check of the storage")
	return ""
}

// rests waits until nothing holds the database back any more.
func (s *soak) rests() {
	s.t.Helper()
	eventually(s.t, 5*time.Minute, "the storage is well", func() bool { return s.storage() == "" })
	if s.db == "" {
		eventually(s.t, 5*time.Minute, "the log is small", func() bool { return s.gauge("runsheet_sqlite_wal_bytes") <= 64<<20 })
	}
}

// extent is how large a server is.
type extent struct{ heap, goroutines, files, database int }

var heapAlloc = regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)$`)

// size looks after the server has thrown away what it does not need any more.
func (s *soak) size(profile string) extent {
	s.t.Helper()
	if err := clock.Sleep(s.t.Context(), clock.System{}, 6*time.Second); err != nil { // numbers of the database are 5 s old at most
		s.t.Fatal(err)
	}
	var out extent
	for range 2 { // the second time what finalizers have freed
		m := heapAlloc.FindStringSubmatch(s.textAt(profile + "heap?gc=1&debug=1"))
		if m == nil {
			s.t.Fatal("the profile does not tell the size of the heap")
		}
		var err error
		if out.heap, err = strconv.Atoi(m[1]); err != nil {
			s.t.Fatal(err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	out.goroutines, out.files, out.database = s.gauge("go_goroutines"), s.files(), s.gauge("runsheet_database_bytes")
	return out
}

// gauge reads a metric that must be there.
func (s *soak) gauge(name string) int {
	s.t.Helper()
	n := s.metric(name)
	if n < 0 {
		s.t.Fatalf("no metric %s", name)
	}
	return n
}

// compare allows what a server needs that has not done everything once yet, ten per
// cent of the heap, and a database that grows with the jobs.
func (s *soak) compare(before, after extent, ran int) {
	s.t.Helper()
	heap := before.heap + before.heap/10
	if !s.full {
		heap += 8 << 20
	}
	if after.heap > heap {
		s.t.Errorf("the heap has %d bytes, and had %d after a tenth of the jobs", after.heap, before.heap)
	}
	if after.goroutines > before.goroutines+20 {
		s.t.Errorf("%d goroutines, and %d after a tenth of the jobs", after.goroutines, before.goroutines)
	}
	if after.files > before.files+10 {
		s.t.Errorf("%d open files, and %d after a tenth of the jobs", after.files, before.files)
	}
	tenth := s.jobs / 10
	if straight := before.database / tenth * ran; after.database > straight+3*straight/10 {
		s.t.Errorf("the database has %d bytes after %d jobs, and had %d after %d", after.database, ran, before.database, tenth)
	}
}
