//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestWorkflowETL (T07) is the fourth example of the language with a real source and
// a real receiver: the server is killed again and again in the middle of the map.
// Every item arrives, a crash repeats no more items than were in flight, each with
// the key that it had, and nothing that was written as done is done again.
// RUNSHEET_CHAOS=full has 1,000 items and kills 50 times on each database.
func TestWorkflowETL(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills a real server many times")
	}
	items, kills := 120, 3
	if chaos() {
		items, kills = 1000, 25
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, at := range []int{1, 4} {
			t.Run(fmt.Sprint(engine, "-", at), func(t *testing.T) {
				t.Parallel()
				db := ""
				if engine == "postgres" {
					db = testsvc.DurablePostgres(t)
				}
				etl(t, db, items, at, kills)
			})
		}
	}
}

const etlDocument = `
kind: Workflow
workflow_id: etl_customers
inputs:
  day: {type: date, required: true}
  table: {type: string, required: true}
nodes:
  - node_id: extract
    type: data
    data_type: http
    config: {url: "HOST/export?day={{inputs.day}}", select: "body.customers"}
    outputs: {items: "result", count: "len(result)"}
  - node_id: load_all
    type: map
    timeout: 6h
    config:
      items: "{{outputs.extract.items}}"
      order: strict
      concurrency: CONCURRENCY
      checkpoint_every: 1
      max_failures: "5%"
      on_item_error: collect
      nodes:
        - {node_id: clean, type: data, data_type: set, config: {values: {id: "{{item.id}}", email: "{{lower(item.email)}}"}}}
        - node_id: upsert
          type: action
          action_type: api_call
          config: {method: PUT, url: "HOST/{{inputs.table}}/{{outputs.clean.id}}", body: "{{outputs.clean}}"}
          retry: {max_attempts: 4, backoff: exponential, initial: 20ms, max: 100ms, on: [timeout, http_5xx, http_429]}
  - node_id: report
    type: action
    action_type: api_call
    config:
      method: POST
      url: "HOST/{{inputs.table}}/report"
      body: {text: "{{outputs.load_all.processed}} of {{outputs.load_all.total}}, failed {{len(outputs.load_all.failed)}}"}
outputs: {total: "{{outputs.load_all.total}}", succeeded: "{{outputs.load_all.succeeded}}", failed: "{{outputs.load_all.failed}}", count: "{{outputs.extract.count}}"}
`

func etl(t *testing.T, db string, items, concurrency, kills int) {
	w := newWarehouse(t, items)
	s := newServer(t, db, "--allow-outbound", strings.TrimPrefix(w.URL, "http://"))
	s.start()
	s.apply(strings.NewReplacer("HOST", w.URL, "CONCURRENCY", strconv.Itoa(concurrency)).Replace(etlDocument))

	calm := s.flow("etl_customers", map[string]any{"day": "2026-01-31", "table": "calm"})
	same(t, "the run without crashes", s.over(calm, 2*time.Minute), map[string]any{"status": "COMPLETED"})
	want := s.outcome(calm)
	if got := text(want["failed"]); strings.Count(got, "http_422") != items/40 || want["count"] != strconv.Itoa(items) {
		t.Errorf("outputs %v", want)
	}

	w.slow(time.Duration(4*concurrency) * time.Millisecond)
	id := s.flow("etl_customers", map[string]any{"day": "2026-01-31", "table": "rough"})
	watch := w.watch(t, s.url, id)
	for range kills {
		// Somewhere in the next half share of the items: all kills fall into the run.
		w.await(t, "rough", concurrency+2+rand.IntN(max(1, items/kills/2-concurrency)))
		pause(rand.N(8 * time.Millisecond))
		s.kill()
		w.crash()
		watch.stop()
		s.start()
		watch.follow(s.url)
	}
	same(t, "the run", s.over(id, 2*time.Minute), map[string]any{"status": "COMPLETED"})
	watch.stop()
	if diff := cmp.Diff(want, s.outcome(id)); diff != "" {
		t.Errorf("outputs (-without crashes +with them):\n%s", diff)
	}
	repeats := w.judge("rough", items, concurrency)
	last, seen, takeovers := -1, 0, 0
	for _, e := range s.told(id) {
		data, _ := e["data"].(map[string]any)
		if data["after"] != nil {
			takeovers++
			same(t, "a takeover", data, map[string]any{"after": "crash", "at_node_id": "load_all"})
		}
		if e["type"] == "workflow.progress" && data["node_id"] == "load_all" {
			done, _, _ := strings.Cut(text(data["reason"]), "/")
			n, err := strconv.Atoi(done)
			if err != nil || n < last {
				t.Errorf("progress %v after %d (%v)", data["reason"], last, err)
			}
			last = n
			seen++
		}
	}
	// Each kill has cut off an attempt of the map, which is one of its own.
	list, _ := s.must(http.MethodGet, "/api/workflow-runs/"+flowRun(id)+"/nodes/load_all/attempts", nil, http.StatusOK)["items"].([]any)
	for i, x := range list {
		a, _ := x.(map[string]any)
		want := map[string]any{"number": float64(i + 1), "status": "COMPLETED", "lost": nil}
		if i < kills {
			want = map[string]any{"number": float64(i + 1), "status": "READY", "lost": "crash"}
		}
		same(t, "an attempt", a, want)
		if a["ended_at"] == nil || a["instance_id"] == nil {
			t.Errorf("an attempt is %v", a)
		}
	}
	if len(list) != kills+1 {
		t.Errorf("%d attempts after %d kills: %v", len(list), kills, list)
	}
	if takeovers != kills {
		t.Errorf("%d takeovers were told after %d kills", takeovers, kills)
	}
	if last != items || seen < 20 {
		t.Errorf("%d events of progress, the last one says %d of %d", seen, last, items)
	}
	t.Logf("%d items, %d kills, %d repeated, %d looks at checkpoints, %d events of progress", items, kills, repeats, watch.looks, seen)
	s.stop()
}

// warehouse is where customers come from and where they go.
type warehouse struct {
	*httptest.Server
	t     *testing.T
	items int

	mu      sync.Mutex
	delay   time.Duration
	crashes int // of the server that is tested
	exports int
	got     map[string][]delivery // by table
	reports map[string][]string
	// durable are items of the run that is watched whose end was seen in a checkpoint.
	low   int
	above map[int]bool
}

// delivery is one PUT.
type delivery struct {
	index   int
	key     string
	answer  int
	crashes int // before it
}

func newWarehouse(t *testing.T, items int) *warehouse {
	w := &warehouse{t: t, items: items, got: map[string][]delivery{}, reports: map[string][]string{}, above: map[int]bool{}}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

// refused says which items are never taken, and shy which are not at the first try.
func refused(i int) bool { return i%40 == 17 }
func shy(i int) bool     { return i%25 == 3 }

// ServeHTTP implements http.Handler.
func (w *warehouse) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	table, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case table == "export":
		w.mu.Lock()
		w.exports++
		w.mu.Unlock()
		var list []map[string]any
		for i := range w.items {
			list = append(list, map[string]any{"id": fmt.Sprintf("c-%d", i), "email": fmt.Sprintf("Person%d@Example.org", i)})
		}
		out.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(out).Encode(map[string]any{"customers": list})
	case name == "report":
		var body struct{ Text string }
		_ = json.NewDecoder(r.Body).Decode(&body) // judge sees that it is empty
		w.mu.Lock()
		w.reports[table] = append(w.reports[table], body.Text)
		w.mu.Unlock()
	default:
		out.WriteHeader(w.put(table, name, r))
	}
}

func (w *warehouse) put(table, name string, r *http.Request) int {
	var body struct{ ID, Email string }
	i, err := strconv.Atoi(strings.TrimPrefix(name, "c-"))
	if err2 := json.NewDecoder(r.Body).Decode(&body); err != nil || err2 != nil || r.Method != http.MethodPut ||
		body.ID != name || body.Email != fmt.Sprintf("person%d@example.org", i) {
		w.t.Errorf("%s %s: %v (%v, %v)", r.Method, r.URL, body, err, err2)
		return http.StatusBadRequest
	}
	w.mu.Lock()
	d := delivery{index: i, key: r.Header.Get("Idempotency-Key"), answer: http.StatusOK, crashes: w.crashes}
	first := !slices.ContainsFunc(w.got[table], func(o delivery) bool { return o.index == i })
	switch {
	case refused(i):
		d.answer = http.StatusUnprocessableEntity
	case shy(i) && first:
		d.answer = http.StatusServiceUnavailable
	}
	if table == "rough" && (i < w.low || w.above[i]) {
		w.t.Errorf("item %d came again after it was written as done", i)
	}
	w.got[table] = append(w.got[table], d)
	delay := w.delay
	w.mu.Unlock()
	if delay > 0 {
		pause(rand.N(2 * delay))
	}
	return d.answer
}

func (w *warehouse) slow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

func (w *warehouse) crash() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.crashes++
}

// await waits until n more items have come.
func (w *warehouse) await(t *testing.T, table string, n int) {
	t.Helper()
	count := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.got[table])
	}
	goal := count() + n
	eventually(t, time.Minute, "items arrive", func() bool { return count() >= goal })
}

// judge looks at what came into a table and returns how many items came again after
// a crash.
func (w *warehouse) judge(table string, items, concurrency int) int {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	keys, ended, before := map[int]string{}, map[int]bool{}, map[int]bool{}
	again := make([]map[int]bool, w.crashes+1)
	now, high := 0, -1
	for _, d := range w.got[table] {
		if d.crashes != now {
			now = d.crashes
			for i := range keys {
				before[i] = true
			}
		}
		if before[d.index] {
			if again[now] == nil {
				again[now] = map[int]bool{}
			}
			again[now][d.index] = true
		}
		if key, ok := keys[d.index]; ok && key != d.key {
			w.t.Errorf("item %d came with the keys %q and %q", d.index, key, d.key)
		}
		keys[d.index] = d.key
		ended[d.index] = ended[d.index] || d.answer == http.StatusOK || refused(d.index)
		if concurrency == 1 && d.index > high+1 {
			w.t.Errorf("item %d came behind item %d", d.index, high)
		}
		high = max(high, d.index)
	}
	distinct := map[string]bool{}
	for i := range items {
		if !ended[i] {
			w.t.Errorf("item %d never arrived", i)
		}
		distinct[keys[i]] = true
	}
	if len(distinct) != items || distinct[""] {
		w.t.Errorf("%d items have %d keys", items, len(distinct))
	}
	repeats := 0
	for n, list := range again {
		if len(list) > concurrency {
			w.t.Errorf("crash %d repeated %d items, at most %d were in flight: %v", n, len(list), concurrency, list)
		}
		repeats += len(list)
	}
	failed := 0
	for i := range items {
		if refused(i) {
			failed++
		}
	}
	if got, want := w.reports[table], fmt.Sprintf("%d of %d, failed %d", items, items, failed); len(got) != 1 || got[0] != want {
		w.t.Errorf("reports %q, want %q", got, want)
	}
	if w.exports != len(w.reports) { // one for each run
		w.t.Errorf("%d exports", w.exports)
	}
	return repeats
}

// lookout looks at the checkpoints of a run all the time.
type lookout struct {
	t     *testing.T
	w     *warehouse
	jobID string
	quit  chan struct{}
	done  chan struct{}
	looks int
	last  int
}

func (w *warehouse) watch(t *testing.T, url, jobID string) *lookout {
	l := &lookout{t: t, w: w, jobID: jobID}
	l.follow(url)
	t.Cleanup(l.stop)
	return l
}

func (l *lookout) follow(url string) {
	l.quit, l.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(l.done)
		for {
			select {
			case <-l.quit:
				return
			default:
				l.look(stepAt(url, l.jobID))
				pause(5 * time.Millisecond)
			}
		}
	}()
}

func (l *lookout) stop() {
	if l.quit != nil {
		close(l.quit)
		<-l.done
		l.quit = nil
	}
}

func (l *lookout) look(step map[string]any) {
	maps, _ := step["maps"].(map[string]any)
	m, ok := maps["load_all"].(map[string]any)
	if !ok {
		return
	}
	l.looks++
	about, _ := step["context"].(map[string]any)
	if n := number(about["processed_items"]); n < l.last {
		l.t.Errorf("processed_items is %d after %d", n, l.last)
	} else {
		l.last = n
	}
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.low = max(l.w.low, number(m["next_index"]))
	above, _ := m["done_above"].([]any)
	for _, v := range above {
		l.w.above[number(v)] = true
	}
}
