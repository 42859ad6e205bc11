//go:build linux

package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// cluster is three servers on one PostgreSQL and one shared folder, with
// clients that add jobs at whichever answers.
type cluster struct {
	t     *testing.T
	dir   string // the witness's
	nodes []*node

	mu    sync.Mutex
	urls  []string
	acked map[string]bool // by job id; true = retry_on_restart
	lost  int             // stale writes that dead servers had counted
}

// node is one server of a cluster.
type node struct {
	*server
	c *cluster
	n int
	// machine says that the server has a process namespace of its own: the others
	// cannot end its processes, as if it ran elsewhere.
	machine bool
	// way is its way to the database; nil = a direct one.
	way     *relay
	windows []window
}

// window is a time during which a server did not do its work, by the witness's
// clock.
type window struct {
	from, to time.Duration
	// whole says that its commands were frozen with it, and killed that it died.
	whole, killed bool
	// long says that the lease may have run out meanwhile.
	long bool
}

// newCluster starts servers whose leases last for ttl, with more arguments. The last
// one is a machine of its own, if this system lets us.
func newCluster(t *testing.T, ttl time.Duration, args ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), acked: map[string]bool{}, urls: make([]string, 3)}
	db, place := testsvc.DurablePostgres(t), "file://"+filepath.Join(t.TempDir(), "shared")
	isolate := []string{"--pid", "--fork", "--mount-proc", "--kill-child"}
	apart := exec.CommandContext(t.Context(), "unshare", append(isolate, "true")...).Run() == nil
	if !apart {
		t.Log("no process namespaces here: all three servers are on one machine")
	}
	way := newRelay(t, db)
	for n := range 3 {
		url := db
		if n == 2 {
			url = way.url
		}
		s := newServer(t, url, append([]string{"--workers", "8", "--blob-url", place, "--lease-ttl", ttl.String()}, args...)...)
		no := &node{server: s, c: c, n: n, machine: apart && n == 2}
		if n == 2 {
			no.way = way
		}
		if no.machine {
			args := append([]string{}, s.args...)
			s.make = func(ctx context.Context, _ ...string) *exec.Cmd {
				plain := &server{t: s.t, data: s.data, db: s.db, args: args, env: s.env}
				cmd := plain.command(ctx)
				in := exec.CommandContext(ctx, "unshare", append(append(append([]string{}, isolate...), cmd.Path), cmd.Args[1:]...)...)
				in.Env = cmd.Env
				return in
			}
		}
		c.nodes = append(c.nodes, no)
		no.up()
	}
	return c
}

// up starts the server.
func (n *node) up() {
	n.t.Helper()
	n.start()
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	n.c.urls[n.n] = n.url
}

// instance is the id of the server's lease, as it says itself.
func (n *node) instance() string {
	n.t.Helper()
	return text(n.must(http.MethodGet, "/api/scheduler", nil, http.StatusOK)["instance_id"])
}

// pid is the server's own process.
func (n *node) pid() int {
	if !n.machine {
		return n.cmd.Process.Pid
	}
	return children(n.cmd.Process.Pid)[0]
}

// freeze stops the server, and with whole everything below it, and returns how
// to go on. The window is noted then.
func (n *node) freeze(whole, long bool) (thaw func()) {
	n.t.Helper()
	w := window{from: monotonic(), whole: whole, long: long}
	stopped := []int{n.pid()}
	_ = syscall.Kill(n.pid(), syscall.SIGSTOP)
	for seen := map[int]bool{}; whole; {
		fresh := 0
		for _, pid := range descendants(n.pid()) {
			if !seen[pid] {
				seen[pid] = true
				fresh++
				stopped = append(stopped, pid)
				_ = syscall.Kill(pid, syscall.SIGSTOP)
			}
		}
		if fresh == 0 {
			break
		}
	}
	return func() {
		for i := range stopped { // the commands before the server, which could end them
			_ = syscall.Kill(stopped[len(stopped)-1-i], syscall.SIGCONT)
		}
		w.to = monotonic()
		n.windows = append(n.windows, w)
	}
}

// cut takes the server's database away, and returns how to give it back. The
// window is noted then.
func (n *node) cut(long bool) (heal func()) {
	n.t.Helper()
	w := window{from: monotonic(), long: long}
	mend := n.way.cut()
	return func() {
		mend()
		w.to = monotonic()
		n.windows = append(n.windows, w)
	}
}

// crash kills the server and its supervisors, so that the commands live on. The
// window ends with the next start.
func (n *node) crash() {
	n.t.Helper()
	n.c.lost += n.staleWrites()
	shims := children(n.pid())
	for _, pid := range shims {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	w := window{from: monotonic(), to: 1 << 62, killed: true, long: true}
	n.kill()
	for _, pid := range shims {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	n.windows = append(n.windows, w)
}

// active are the witness's runs that this server makes now, as another sees it,
// and whether one of them takes long and is repeated after a crash.
func (n *node) active(from *node) (runs []string, long bool) {
	mine := map[string]bool{}
	for _, w := range testimony(n.t, n.c.dir) {
		if w.what == "start" && w.where == n.data {
			mine[w.run] = true
		}
	}
	for _, j := range from.all("/api/jobs?status=RUNNING&limit=200") {
		if mine[text(j["run_id"])] {
			runs = append(runs, text(j["run_id"]))
			long = long || j["retry_on_restart"] == true && slices.Contains(j["params"].(map[string]any)["argv"].([]any), any(longRun))
		}
	}
	return runs, long
}

// staleWrites is the server's counter of refused writes.
func (n *node) staleWrites() int {
	n.t.Helper()
	sum := 0
	for line := range strings.Lines(n.text("/metrics")) {
		if rest, ok := strings.CutPrefix(line, "runsheet_stale_writes_refused_total{"); ok {
			_, value, _ := strings.Cut(strings.TrimSpace(rest), " ")
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				n.t.Fatalf("metric %q: %v", line, err)
			}
			sum += int(v)
		}
	}
	return sum
}

// staleWrites is the number of refused writes of all servers.
func (c *cluster) staleWrites() int {
	c.t.Helper()
	sum := c.lost
	for _, n := range c.nodes {
		sum += n.staleWrites()
	}
	return sum
}

// busy waits until a server makes two attempts or more, one of which would
// outlast a takeover, and returns them.
func (n *node) busy(from *node) []string {
	n.t.Helper()
	var runs []string
	var long bool
	defer func() {
		if n.t.Failed() {
			state := from.must(http.MethodGet, "/api/queue", nil, http.StatusOK)
			n.t.Logf("%s has the attempts %v, one of them long: %v; all run %v, %v", n.instance(), runs, long, state["running"], state["statistics"])
		}
	}()
	// Which server takes which job is chance.
	eventually(n.t, 3*time.Minute, "the server is busy", func() bool {
		runs, long = n.active(from)
		return long && len(runs) >= 2
	})
	return runs
}

// takeOver waits until runs of another server have ended and their jobs had the
// time to start again.
func (n *node) takeOver(runs []string) {
	n.t.Helper()
	begin := time.Now()
	eventually(n.t, 3*time.Minute, "the jobs of a lost server are taken over", func() bool {
		for _, id := range runs {
			if n.must(http.MethodGet, "/api/job-runs/"+id, nil, http.StatusOK)["status"] == nil {
				return false
			}
		}
		return true
	})
	n.t.Logf("%d attempts taken over after another %v", len(runs), time.Since(begin).Round(100*time.Millisecond))
	// Time for the next attempts to meet what may be left of these.
	pause(2 * time.Second)
}

// clients adds jobs until the returned function is called. A request without an
// answer is repeated with its key, at the next server.
func (c *cluster) clients(every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var wg sync.WaitGroup
	for n := range 3 {
		wg.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				// A server hears of the jobs that it was given before the others do: clients
				// that stayed with the one that answers would leave nothing to those that wake.
				c.add(ctx, n, k, n+k)
				select {
				case <-ctx.Done():
				case <-time.After(every + rand.N(every)):
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// longMillis is what a job takes that outlasts the takeover of a short lease.
const (
	longMillis = 15_000
	longRun    = "15000"
)

// add adds one job, at the server number at or the next that answers. A request that was sent is repeated until it is answered,
// also behind the end of ctx: else a job could exist that nobody knows.
func (c *cluster) add(ctx context.Context, client, k, at int) {
	ms, args := 200+rand.IntN(2500), []string{"on"}
	job := map[string]any{}
	switch rand.IntN(5) {
	case 0:
		ms = 200 + rand.IntN(800)
		if k%5 > 0 {
			args = append(args, "lock=gpu")
			job["locks"] = []string{"gpu"}
		}
	case 1:
		args = append(args, "fork")
	}
	retry := rand.IntN(3) > 0
	if k%5 == 0 {
		ms, retry = longMillis, true
		args = append(args, "fork")
	}
	name := fmt.Sprintf("c%d-%d", client, k)
	maps.Copy(job, command(append([]string{built.witness, c.dir, strconv.Itoa(ms)}, args...)...))
	job["name"], job["retry_on_restart"] = name, retry
	sent := context.WithoutCancel(ctx)
	for tries := 0; ctx.Err() == nil || tries > 0 && tries < 100; tries, at = tries+1, at+1 {
		c.mu.Lock()
		url := c.urls[at%len(c.urls)]
		c.mu.Unlock()
		brief, cancel := context.WithTimeout(sent, 2*time.Second)
		code, out := requestContext(brief, url, http.MethodPost, "/api/jobs", job, map[string]string{"Idempotency-Key": name})
		cancel()
		if code == http.StatusCreated {
			c.mu.Lock()
			c.acked[text(out["job_id"])] = retry
			c.mu.Unlock()
			return
		}
		pause(50 * time.Millisecond)
	}
}

// monotonic is the witness's clock.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}
