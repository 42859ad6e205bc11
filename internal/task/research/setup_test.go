package research

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/extract"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/process"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

func TestMain(m *testing.M) {
	if process.Main(os.Args[1:]) || extract.Main(os.Args[1:]) {
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), // of the server's starter
		goleak.IgnoreAnyFunction("github.com/runsheet/runsheet/internal/testsvc.account.serve.func1"))
}

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// model answers by stage and remembers what it was asked.
type model struct {
	// answer gets the stage, the last message, and how often the stage was asked before.
	answer func(stage, prompt string, before int) (string, error)

	mu    sync.Mutex
	asked []string // stages
	count map[string]int
}

func stageOf(r llm.Request) string {
	switch {
	case bytes.Equal(r.Format, mapFormat):
		return "chunk"
	case bytes.Equal(r.Format, claimFormat):
		return "claims"
	case bytes.Equal(r.Format, keepFormat):
		return "reduce"
	}
	return "summary"
}

// Chat implements ask.Chat.
func (m *model) Chat(ctx context.Context, r llm.Request) (llm.Answer, error) {
	if ctx.Err() != nil {
		return llm.Answer{}, context.Cause(ctx)
	}
	stage := stageOf(r)
	m.mu.Lock()
	if m.count == nil {
		m.count = map[string]int{}
	}
	before := m.count[stage]
	m.count[stage]++
	m.asked = append(m.asked, stage)
	m.mu.Unlock()
	text, err := m.answer(stage, r.Messages[len(r.Messages)-1].Content, before)
	if err != nil {
		return llm.Answer{}, err
	}
	n, p := int64(len(text)/4), int64(100)
	return llm.Answer{Text: text, Usage: llm.Usage{Prompt: &p, Completion: &n, Server: "default", Model: r.Model, Stop: llm.StopNatural}}, nil
}

func (m *model) stages() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.asked...)
}

// part is the piece of a source in a prompt.
func part(prompt string) string {
	_, rest, _ := strings.Cut(prompt, "==========\n")
	text, _, _ := strings.Cut(rest, "\n==========")
	return text
}

// good answers as a strong model would: it quotes the beginning of each paragraph of the chunk.
func good(stage, prompt string, _ int) (string, error) {
	switch stage {
	case "chunk":
		var out []map[string]any
		for p := range strings.SplitSeq(part(prompt), "\n\n") {
			words := strings.Fields(p)
			if len(words) < 4 || len(out) == perChunk {
				continue
			}
			quote := strings.Join(words[:min(len(words), 8)], " ")
			out = append(out, map[string]any{"text": "It says: " + quote, "quote": quote, "question": 1})
		}
		b, err := json.Marshal(map[string]any{"findings": out, "open_questions": []string{"Why?"}, "tags": []string{"Fire", "fire", "harbour"}})
		return string(b), err
	case "claims":
		return `{"findings":[{"text":"Water is wet.","question":1},{"text":"Ice floats.","question":0}],"open_questions":[],"tags":["water"]}`, nil
	case "reduce":
		n := strings.Count(prompt, "\n[")
		var keep []int
		for i := n; i >= 1; i-- { // the last is the best
			keep = append(keep, i)
		}
		b, err := json.Marshal(map[string]any{"keep": keep})
		return string(b), err
	}
	return "All of it matters [1]. Some does not [99]. Both [1, 2].\n\nEnd.", nil
}

// bundle is the job type with a model, a folder that the directive allows, and a
// server that it may reach.
type bundle struct {
	task      *Task
	model     *model
	host      *tasktest.Host
	dir       string
	url       string
	directive *directive.Snapshot
	attempt   task.Attempt
}

func setup(t *testing.T, answer func(stage, prompt string, before int) (string, error)) *bundle {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	client, err := outbound.New(outbound.Options{Allow: []string{"127.0.0.1:*"}})
	if err != nil {
		t.Fatal(err)
	}
	m := &model{answer: answer}
	b := &bundle{model: m, dir: dir, host: &tasktest.Host{}}
	b.task = New(Options{Chat: m, Client: client, Clock: clocktest.New(noon), DefaultModel: "tiny"})
	b.directive = &directive.Snapshot{ID: "dir_1", Name: "library", Version: 2, Content: directive.Content{
		Allow: directive.Allow{Files: []string{filepath.ToSlash(dir) + "/**"}},
	}}
	b.attempt = task.Attempt{JobID: "job_1", RunID: "run_1", Number: 1, Dir: t.TempDir(), Directive: b.directive}
	return b
}

// serve starts a server on loopback that the directive allows.
func (b *bundle) serve(t *testing.T, h http.HandlerFunc) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	b.url = s.URL
	b.directive.Content.Allow.Hosts = []string{strings.TrimPrefix(s.URL, "http://")}
}

func (b *bundle) file(t *testing.T, name, content string) string {
	t.Helper()
	p := filepath.Join(b.dir, name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// prepare checks params against the schema, as the queue does, and completes them.
// "{dir}" and "{url}" are replaced.
func (b *bundle) prepare(t *testing.T, params string) {
	t.Helper()
	params = strings.NewReplacer("{dir}", filepath.ToSlash(b.dir), "{url}", b.url).Replace(params)
	if err := fitsSchema(t, schema, params); err != nil {
		t.Fatalf("%s: %v", params, err)
	}
	full, err := b.task.Guide(json.RawMessage(params), b.attempt.Directive)
	if err != nil {
		t.Fatalf("%s: %v", params, err)
	}
	b.attempt.Params = full
}

// run makes an attempt of a job.
func (b *bundle) run(t *testing.T, params string) error {
	t.Helper()
	b.prepare(t, params)
	return b.task.Run(t.Context(), b.attempt, b.host)
}

// again lets the next attempt begin with what the one before left.
func (b *bundle) again() {
	old := b.host
	if c := old.Checkpoints(); len(c) > 0 {
		b.attempt.Checkpoint = []byte(c[len(c)-1])
	}
	b.attempt.Number++
	b.attempt.Open = func(_ context.Context, runID, name string) (io.ReadCloser, error) {
		f, ok := old.Artifacts()[name]
		if !ok || runID != "" {
			return nil, fault.New(fault.ArtifactGone, "gone")
		}
		return io.NopCloser(strings.NewReader(f.Content)), nil
	}
	b.host = &tasktest.Host{}
}

// report is research.json, which must meet its schema and be true: each quote stands
// where it says in texts, by source id, and what research.md cites is in its list.
func (b *bundle) report(t *testing.T, texts map[string]string) Report {
	t.Helper()
	return trueReport(t, b.host.Artifacts()[jsonName].Content, b.host.Artifacts()[markdownName].Content, texts)
}

func trueReport(t *testing.T, raw, md string, texts map[string]string) Report {
	t.Helper()
	form, err := os.ReadFile("../../../docs/research.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := fitsSchema(t, form, raw); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	var r Report
	if err := json.Unmarshal([]byte(raw), &r); err != nil {
		t.Fatal(err)
	}
	sources := map[string]Source{}
	for _, s := range r.Sources {
		sources[s.ID] = s
	}
	for i, f := range r.Findings {
		if f.ID != i+1 {
			t.Errorf("finding %d has id %d", i+1, f.ID)
		}
		if f.SourceID == nil {
			continue
		}
		s, ok := sources[*f.SourceID]
		if !ok || s.Error != "" {
			t.Errorf("finding %d cites %q, which was not read", f.ID, *f.SourceID)
		}
		text, known := texts[*f.SourceID]
		if r := []rune(text); known && (*f.End > len(r) || string(r[*f.Start:*f.End]) != *f.Quote) {
			t.Errorf("finding %d: %q is not at %d to %d", f.ID, *f.Quote, *f.Start, *f.End)
		}
		if *f.End > s.Chars {
			t.Errorf("finding %d ends behind its source", f.ID)
		}
	}
	for _, n := range numbers(strings.Join(references().FindAllString(r.Summary, -1), " ")) {
		if n < 1 || n > len(r.Findings) {
			t.Errorf("the summary refers to finding %d of %d", n, len(r.Findings))
		}
	}
	cites(t, md, r)
	return r
}

// cites checks each number in brackets that is not escaped.
func cites(t *testing.T, md string, r Report) {
	t.Helper()
	list := ""
	if i := strings.Index(md, "\n## Sources\n"); i >= 0 {
		list = md[i:]
	}
	md = strings.NewReplacer(`\\`, "", `\[`, "", `\]`, "").Replace(md)
	for _, found := range regexp.MustCompile(`\[([^\]]*)\]?`).FindAllStringSubmatch(md, -1) {
		n, err := strconv.Atoi(found[1])
		if err != nil || n < 1 || n > len(r.Sources) || r.Sources[n-1].Error != "" {
			t.Errorf("research.md cites %q", found[0])
			continue
		}
		if !strings.Contains(list, fmt.Sprintf("\n%d. **", n)) {
			t.Errorf("source %d is not in the list of research.md", n)
		}
	}
}

func fitsSchema(t testing.TB, form []byte, value string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("s.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("s.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(value))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// ends checks how an attempt ended: the verdict's code and whether it is final.
func ends(t *testing.T, err error, code fault.Code, final bool) {
	t.Helper()
	v := task.VerdictOf(err)
	if v == nil || v.Code != string(code) || v.Final != final {
		t.Errorf("ended with %+v (%v), want %s, final %v", v, err, code, final)
	}
}

func codes(r Report) []string {
	var out []string
	for _, n := range r.Notes {
		out = append(out, n.Code)
	}
	return out
}

func stages(list []run.Progress) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.Stage)
	}
	return out
}

func newAsker(b *bundle) *ask.Asker {
	return ask.New(b.model, clocktest.New(noon), b.attempt, b.host, ask.Defaults{Model: "tiny"})
}
