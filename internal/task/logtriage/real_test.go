//go:build unix

package logtriage_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/task/logtriage"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestRealServer: a model that knows nothing of logs still leaves a whole report.
func TestRealServer(t *testing.T) {
	t.Parallel()
	pool, err := llm.New(llm.Options{Servers: []llm.Server{{Name: "default", URL: testsvc.Ollama(t).URL}}})
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, `{"model":"`+testsvc.OllamaTiny+`","seed":7,"sources":[{"path":"DIR/logs/a.log"}]}`)
	b.task = logtriage.New(logtriage.Options{Chat: pool, Clock: fixed{}})
	b.write(t, "logs/a.log", strings.Repeat("2026-03-01T10:00:00Z ERROR the robot is lost\n", 5)+"INFO fine\n")
	r := b.run(t)
	calls := b.host.Calls()
	if len(r.Clusters) != 2 || r.Clusters[0].Count != 5 || len(calls) == 0 || calls[0].Completion == nil || calls[0].Outcome != "ok" {
		s, _ := json.Marshal(r)
		t.Errorf("calls %+v, report %s", calls, s)
	}
}
