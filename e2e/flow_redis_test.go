//go:build linux

package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestWorkflowRedis (T14) empties Redis, freezes it and kills it while a run works:
// the run does not notice, and whoever follows its events gets all of them.
func TestWorkflowRedis(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("freezes Redis")
	}
	engines(t, func(t *testing.T, fresh func() string) {
		const items = 200
		w, redis := newWarehouse(t, items), testsvc.OwnRedis(t)
		s := newServer(t, fresh(), "--allow-outbound", strings.TrimPrefix(w.URL, "http://"))
		s.env = []string{"RUNSHEET_REDIS_URL=" + redis.URL()}
		s.start()
		s.apply(strings.NewReplacer("HOST", w.URL, "CONCURRENCY", "1").Replace(etlDocument))
		w.slow(8 * time.Millisecond)
		id := s.flow("etl_customers", map[string]any{"day": "2026-01-31", "table": "rough"})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for _, act := range []func(){
				func() { redis.Do("FLUSHALL") }, redis.Stop, redis.Continue, func() { redis.Do("FLUSHALL") }, redis.Kill,
			} {
				pause(300 * time.Millisecond)
				act()
			}
		}()
		last, completed := "", 0
		for _, e := range s.told(id) { // which is live: the run has just begun
			data, _ := e["data"].(map[string]any)
			switch e["type"] {
			case "workflow.progress":
				last = text(data["reason"])
			case "workflow.node.completed":
				completed++
			}
		}
		<-done
		same(t, "the run", s.over(id, time.Minute), map[string]any{"status": "COMPLETED"})
		if last != "200/200" || completed != 3 {
			t.Errorf("the last progress was %s, %d nodes were told to be completed", last, completed)
		}
		w.judge("rough", items, 1)
		s.must(http.MethodGet, "/readyz", nil, http.StatusOK)
		s.stop()
	})
}
