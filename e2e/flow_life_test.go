//go:build linux

package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// lifeDocument waits in every way that there is.
const lifeDocument = `
kind: Workflow
workflow_id: inner
inputs: {n: {type: integer, required: true}}
nodes:
  - {node_id: rest, type: wait, wait_type: duration, config: {for: 700ms}}
  - {node_id: inside, type: action, action_type: api_call, config: {method: POST, url: "HOST/inside", body: {n: "{{inputs.n}}"}}}
outputs: {doubled: "{{inputs.n * 2}}"}
---
kind: Workflow
workflow_id: life
compensation: auto
inputs: {end: {type: string, default: last}}
nodes:
  - {node_id: a, type: action, action_type: api_call, config: {method: POST, url: "HOST/a"}, compensate: undo_a, next: [b, c]}
  - node_id: b
    type: action
    action_type: api_call
    config: {method: POST, url: "HOST/b"}
    retry: {max_attempts: 3, backoff: fixed, initial: 900ms, on: [http_5xx]}
    next: pause
  - {node_id: c, type: action, action_type: api_call, config: {method: POST, url: "HOST/c"}, compensate: undo_c, next: pause}
  - {node_id: pause, type: wait, wait_type: duration, config: {for: 900ms}, next: gate}
  - node_id: gate
    type: approval
    config: {title: "Go on?", expires_in: 1h, allow_requester: true}
    next: {approved: child}
  - {node_id: child, type: action, action_type: job, config: {template_id: TEMPLATE}, next: sub}
  - {node_id: sub, type: subworkflow, config: {workflow_id: inner, inputs: {n: 21}}, next: signal}
  - {node_id: signal, type: wait, wait_type: event, config: {name: never, timeout: 900ms}, next: {fired: last, timed_out: last}}
  - {node_id: last, type: action, action_type: api_call, config: {method: POST, url: "HOST/{{inputs.end}}", body: {doubled: "{{outputs.sub.doubled}}"}}}
  - {node_id: undo_a, type: action, action_type: api_call, config: {method: POST, url: "HOST/undo_a"}}
  - {node_id: undo_c, type: action, action_type: api_call, config: {method: POST, url: "HOST/undo_c"}}
outputs: {doubled: "{{outputs.sub?.doubled}}", late: "{{outputs.signal?.event == nil}}"}
`

// counter counts what it is asked for.
type counter struct {
	*httptest.Server
	t testing.TB

	mu    sync.Mutex
	order []string // paths
	keys  map[string][]string
	// stuck are paths that hang as often as it says, until the client is gone.
	stuck map[string]int
}

func newCounter(t testing.TB) *counter {
	c := &counter{t: t, keys: map[string][]string{}, stuck: map[string]int{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// ServeHTTP implements http.Handler.
func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	_, _ = io.Copy(io.Discard, r.Body) // only then the end of the client is noticed
	c.mu.Lock()
	c.order = append(c.order, name)
	c.keys[name] = append(c.keys[name], r.Header.Get("Idempotency-Key"))
	first := len(c.keys[name]) == 1
	stuck := c.stuck[name] > 0
	c.stuck[name]--
	c.mu.Unlock()
	switch {
	case stuck:
		<-r.Context().Done()
	case name == "b" && first:
		w.WriteHeader(http.StatusServiceUnavailable)
	case name == "bad":
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
}

func (c *counter) count(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.keys[name])
}

// judge: each path came as often as it says, or up to more times more, always with
// the same key.
func (c *counter) judge(want map[string]int, more int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	extra := 0
	for name, keys := range c.keys {
		if len(keys) < want[name] || want[name] == 0 {
			c.t.Errorf("%s came %d times, want %d", name, len(keys), want[name])
		}
		extra += len(keys) - want[name]
		if same := slices.Compact(slices.Clone(keys)); len(same) != 1 || same[0] == "" {
			c.t.Errorf("%s came with the keys %q", name, same)
		}
	}
	for name := range want {
		if len(c.keys[name]) == 0 {
			c.t.Errorf("%s never came", name)
		}
	}
	if extra > more {
		c.t.Errorf("%d calls were repeated, at most %d may be: %v", extra, more, c.order)
	}
}

// life makes the workflow known; rest is how long its child job works, in ms.
func (c *counter) life(s *server, dir string, rest int) {
	c.t.Helper()
	template := command(built.witness, dir, fmt.Sprint(rest))
	template["name"], template["retry_on_restart"] = "witness", true
	made := s.must(http.MethodPost, "/api/job-templates", template, http.StatusCreated)
	s.apply(strings.NewReplacer("HOST", c.URL, "TEMPLATE", text(made["template_id"])).Replace(lifeDocument))
}

func (c *counter) host() string { return strings.TrimPrefix(c.URL, "http://") }

// approve decides the one approval that is open.
func (s *server) approve() {
	s.t.Helper()
	var open []map[string]any
	eventually(s.t, time.Minute, "an approval is asked for", func() bool {
		open = s.all("/api/approvals?status=PENDING&limit=10")
		return len(open) == 1
	})
	id := text(open[0]["approval_id"])
	a := s.must(http.MethodGet, "/api/approvals/"+id, nil, http.StatusOK)
	s.must(http.MethodPost, "/api/approvals/"+id+"/approve", map[string]any{"content_hash": a["content_hash"]}, http.StatusOK)
}

// engines runs a test on each database; fresh makes an empty one.
func engines(t *testing.T, test func(t *testing.T, fresh func() string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, func() string { return "" })
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, func() string { return testsvc.DurablePostgres(t) })
	})
}

// TestWorkflowLife kills the only server in every wait of a run, and somewhere in
// between: the run goes on with the node at which it was. There is one slot, which
// the run does not hold while it waits: its child, its subworkflow and a job of
// somebody else work in it.
func TestWorkflowLife(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills a real server many times")
	}
	rounds := 1
	if chaos() {
		rounds = 10
	}
	engines(t, func(t *testing.T, fresh func() string) {
		for range rounds {
			lifeInWaits(t, fresh(), "last")
			lifeInWaits(t, fresh(), "bad")
			lifeAtRandom(t, fresh(), 4)
		}
	})
}

// lifeServer is a server with a workflow whose child job works for rest ms.
func lifeServer(t *testing.T, db string, slots, rest int) (*server, *counter, string) {
	c, dir := newCounter(t), t.TempDir()
	s := newServer(t, db, "--workers", fmt.Sprint(slots), "--allow-outbound", c.host())
	s.start()
	c.life(s, dir, rest)
	return s, c, dir
}

func lifeInWaits(t *testing.T, db, end string) {
	s, c, dir := lifeServer(t, db, 1, 700)
	id := s.flow("life", map[string]any{"end": end})
	for _, node := range []string{"b", "pause", "gate", "child", "sub", "signal"} {
		s.waits(t, id, node)
		if node == "gate" {
			j := s.finished(command(built.witness, t.TempDir(), "0"))
			same(t, "a job beside the run that waits", j, map[string]any{"status": "COMPLETED"})
		}
		s.kill()
		s.start()
		if node == "gate" {
			s.approve()
		}
	}
	j := s.over(id, time.Minute)
	want := map[string]int{"a": 1, "b": 2, "c": 1, "inside": 1, end: 1}
	if end == "last" {
		same(t, "the run", j, map[string]any{"status": "COMPLETED"})
		if diff := cmp.Diff("42", s.outcome(id)["doubled"]); diff != "" {
			t.Errorf("outputs: %s", diff)
		}
	} else {
		same(t, "the run that fails", j, map[string]any{"status": "FAILED"})
		s.outcome(id)
		want["undo_a"], want["undo_c"] = 1, 1
		if n := len(c.order); n < 2 || c.order[n-2] != "undo_c" || c.order[n-1] != "undo_a" {
			t.Errorf("what was undone is not in the order: %v", c.order)
		}
	}
	c.judge(want, 0)
	child(t, s, dir, 2) // the kill in its wait was in its middle
	events := s.told(id)
	if got := story(events, "last"); !strings.HasSuffix(got, map[string]string{"last": "completed]", "bad": "failed]"}[end]) {
		t.Errorf("events of the last node: %s", got)
	}
	for node, want := range map[string]string{
		"pause": "[started waiting completed]", "gate": "[started approval.requested waiting approval.decided completed]", "child": "[started waiting completed]", "sub": "[started waiting completed]",
		"signal": "[started waiting completed]", "a": "[completed]", // so fast that its beginning is not told
	} {
		got := story(events, node)
		if node == "a" && end == "bad" {
			want = "[completed compensated]"
		}
		if got != want {
			t.Errorf("events of %s: %s, want %s", node, got, want)
		}
	}
	s.stop()
}

// child: the run's child job is one, and did not run beside itself.
func child(t *testing.T, s *server, dir string, most int) {
	t.Helper()
	jobs, starts := map[string]bool{}, 0
	for _, w := range testimony(t, dir) {
		if w.what == "overlap" {
			t.Errorf("child job %s runs beside itself", w.job)
		}
		if w.what == "start" {
			jobs[w.job] = true
			starts++
		}
	}
	if len(jobs) != 1 || starts > most {
		t.Errorf("%d child jobs with %d starts", len(jobs), starts)
	}
	for id := range jobs {
		if j := s.job(id); j["status"] != "COMPLETED" {
			t.Errorf("child job: %v", j)
		}
	}
}

func lifeAtRandom(t *testing.T, db string, kills int) {
	s, c, dir := lifeServer(t, db, 1, 100)
	id := s.flow("life", nil)
	stop := make(chan struct{})
	approved := make(chan bool)
	go func() { // approves as soon as it can, whatever is up
		defer close(approved)
		for {
			select {
			case <-stop:
				return
			default:
			}
			pause(20 * time.Millisecond)
			_, page := s.try(http.MethodGet, "/api/approvals?status=PENDING&limit=10", nil, nil)
			open, _ := page["items"].([]any)
			for _, o := range open {
				item, _ := o.(map[string]any)
				path := "/api/approvals/" + text(item["approval_id"])
				_, a := s.try(http.MethodGet, path, nil, nil)
				s.try(http.MethodPost, path+"/approve", map[string]any{"content_hash": a["content_hash"]}, nil)
			}
		}
	}()
	for range kills {
		pause(rand.N(1500 * time.Millisecond))
		s.kill()
		s.start()
	}
	same(t, "the run", s.over(id, time.Minute), map[string]any{"status": "COMPLETED"})
	close(stop)
	<-approved
	if diff := cmp.Diff("42", s.outcome(id)["doubled"]); diff != "" {
		t.Errorf("outputs: %s", diff)
	}
	c.judge(map[string]int{"a": 1, "b": 2, "c": 1, "inside": 1, "last": 1}, 2*kills)
	child(t, s, dir, kills+1)
	s.told(id)
	s.stop()
}

// TestWorkflowMoves has two servers on one database. The one that works on a run
// dies, in the middle of a node and in a wait: the other goes on with the same run.
func TestWorkflowMoves(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills real servers")
	}
	rounds := 1
	if chaos() {
		rounds = 20
	}
	for range rounds {
		c, dir, db, place := newCounter(t), t.TempDir(), testsvc.DurablePostgres(t), "file://"+filepath.Join(t.TempDir(), "shared")
		c.stuck["a"], c.stuck["last"] = 1, 1
		var both []*server
		for range 2 {
			s := newServer(t, db, "--workers", "2", "--blob-url", place, "--lease-ttl", "5s", "--allow-outbound", c.host())
			s.start()
			both = append(both, s)
		}
		c.life(both[0], dir, 100)
		id := both[0].flow("life", nil)
		die := func(node string) {
			eventually(t, time.Minute, node+" is at work", func() bool { return c.count(node) == 1 })
			at := 0
			if text(both[0].job(id)["instance_id"]) == text(both[1].must(http.MethodGet, "/api/scheduler", nil, http.StatusOK)["instance_id"]) {
				at = 1
			}
			both[at].kill()
			other := both[1-at]
			if node == "a" {
				other.waits(t, id, "gate")
				both[at].start()
				other.kill() // in a wait: nobody has the run
				both[at].approve()
				other.start()
				return
			}
			same(t, "the run", other.over(id, time.Minute), map[string]any{"status": "COMPLETED"})
			other.outcome(id)
			other.told(id)
		}
		die("a")
		die("last")
		// The node in whose middle the server died was repeated, with its key.
		c.judge(map[string]int{"a": 2, "b": 2, "c": 1, "inside": 1, "last": 2}, 0)
		child(t, bothUp(both), dir, 1)
	}
}

// bothUp returns one that is up.
func bothUp(list []*server) *server {
	for _, s := range list {
		if s.cmd != nil {
			return s
		}
	}
	return nil
}

// TestWorkflowCancel cancels runs that wait and runs that work, with a kill right
// after it: the run ends as cancelled, what it did is undone, its child job ends.
func TestWorkflowCancel(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills real servers")
	}
	engines(t, func(t *testing.T, fresh func() string) {
		kills := []bool{false, true}
		if strings.HasSuffix(t.Name(), "/postgres") && os.Getenv("RUNSHEET_CHAOS") != "full" {
			kills = kills[1:] // the hard half of it
		}
		for _, kill := range kills {
			for _, node := range []string{"gate", "child", "sub", "c"} {
				cancelAt(t, fresh(), node, kill)
			}
		}
	})
}

func cancelAt(t *testing.T, db, node string, kill bool) {
	slots, rest := 1, 100
	if node == "child" {
		slots, rest = 2, 60_000 // its child job holds one
	}
	s, c, _ := lifeServer(t, db, slots, rest)
	what := fmt.Sprintf("cancel at %s (kill: %v)", node, kill)
	want := map[string]int{"a": 1, "b": 1, "c": 1, "undo_a": 1, "undo_c": 1}
	if node == "c" {
		c.stuck["c"] = 1
		delete(want, "undo_c") // it did not complete
	} else {
		want["b"] = 2
	}
	id := s.flow("life", nil)
	if node == "c" {
		eventually(t, time.Minute, "c works", func() bool { return c.count("c") == 1 && c.count("b") == 1 })
	} else {
		s.waits(t, id, "gate")
		if node != "gate" {
			s.approve()
			s.waits(t, id, node)
		}
	}
	s.must(http.MethodPost, "/api/jobs/"+id+"/cancel", map[string]any{}, http.StatusOK, http.StatusAccepted)
	if kill {
		s.kill()
		s.start()
	}
	same(t, what, s.over(id, time.Minute), map[string]any{"status": "CANCELLED"})
	more := 0
	if kill {
		more = 2
	}
	c.judge(want, more)
	if open := s.all("/api/approvals?status=PENDING&limit=10"); len(open) != 0 {
		t.Errorf("%s: approvals are left: %v", what, open)
	}
	for _, j := range s.all("/api/jobs?limit=50") {
		if j["job_id"] == id || j["status"] == "COMPLETED" {
			continue
		}
		same(t, what+": the job of a node", s.over(text(j["job_id"]), time.Minute), map[string]any{"status": "CANCELLED"})
	}
	s.outcome(id)
	s.told(id)
	s.kill()
}
