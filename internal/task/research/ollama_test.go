//go:build unix

package research

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/task/tasktest"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestOllama asks a real server whose model talks nonsense: the report is valid all
// the same, and the calls are counted.
func TestOllama(t *testing.T) {
	t.Parallel()
	server := testsvc.Ollama(t)
	pool, err := llm.New(llm.Options{Servers: []llm.Server{{Name: "default", Kind: llm.Ollama, URL: server.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, good)
	b.task = New(Options{Chat: pool, Client: b.task.o.Client, Clock: clock.System{}, DefaultModel: testsvc.OllamaTiny})
	b.file(t, "note.md", note)
	params := `{"topic":"The harbour","questions":["What burned?"],"seed":7,"sources":[{"path":"{dir}/note.md"},{"text":"A second source says little."}]}`
	if err := b.run(t, params); err != nil {
		t.Fatal(err)
	}
	r := b.report(t, map[string]string{"s1": note, "s2": "A second source says little."})
	if r.Model != testsvc.OllamaTiny || r.Chunks.Asked != 2 {
		t.Errorf("%+v", r)
	}
	calls := b.host.Calls()
	if len(calls) < 2 {
		t.Fatalf("%d calls", len(calls))
	}
	for _, c := range calls {
		if c.Prompt == nil || *c.Prompt == 0 || c.Completion == nil || c.Model != testsvc.OllamaTiny || c.Server != "default" {
			t.Errorf("%+v", c)
		}
	}
	// What the model did say for the first attempt is not asked again.
	b.again()
	if err := b.run(t, params); err != nil {
		t.Fatal(err)
	}
	if n := len(b.host.Calls()); n != 0 {
		t.Errorf("%d calls in the second attempt", n)
	}
	// The direct lane, without sources: claims, or nothing to report.
	b.host, b.attempt.JobID, b.attempt.Open, b.attempt.Checkpoint = &tasktest.Host{}, "", nil, nil
	b.prepare(t, `{"topic":"The harbour","seed":7}`)
	got, err := b.task.Answer(t.Context(), b.attempt, b.host, &tasktest.Caller{})
	if err != nil {
		ends(t, err, "llm_unusable", true)
		return
	}
	var answer struct {
		Report   json.RawMessage `json:"report"`
		Markdown string          `json:"markdown"`
	}
	if err := json.Unmarshal(got, &answer); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", got, err))
	}
	trueReport(t, string(answer.Report), answer.Markdown, nil)
}
