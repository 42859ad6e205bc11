package story_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/story"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// asked is one question as the script sees it.
type asked struct {
	stage   string // outline, repair, section, more
	section int    // from 1
	of      int
	words   int // how many are asked for
	nth     int // how many questions of this stage and section there were before
	req     llm.Request
}

// script is a model that answers by stage. It is deterministic: what it says
// depends on the question only.
type script struct {
	answer func(ctx context.Context, q asked) (string, error)

	mu    sync.Mutex
	asked []asked
}

var (
	sectionRE = regexp.MustCompile(`Write section (\d+) of (\d+), .*, in about (\d+) words`)
	moreRE    = regexp.MustCompile(`Go on from there with about (\d+) more words`)
	planRE    = regexp.MustCompile(`words in (?:exactly (\d+)|\d+ to (\d+)) sections`)
)

func (s *script) Chat(ctx context.Context, r llm.Request) (llm.Answer, error) {
	q := asked{req: r, stage: "outline"}
	var all strings.Builder
	for _, m := range r.Messages {
		all.WriteString(m.Content + "\n")
	}
	last := r.Messages[len(r.Messages)-1].Content
	if m := sectionRE.FindStringSubmatch(all.String()); m != nil {
		q.stage = "section"
		q.section, _ = strconv.Atoi(m[1])
		q.of, _ = strconv.Atoi(m[2])
		q.words, _ = strconv.Atoi(m[3])
		if m := moreRE.FindStringSubmatch(last); m != nil {
			q.stage = "more"
			q.words, _ = strconv.Atoi(m[1])
		}
	} else if m := planRE.FindStringSubmatch(all.String()); m != nil {
		q.of, _ = strconv.Atoi(m[1] + m[2])
		if len(r.Messages) > 2 && r.Messages[len(r.Messages)-2].Role == llm.Assistant {
			q.stage = "repair"
		}
	}
	s.mu.Lock()
	for _, before := range s.asked {
		if before.stage == q.stage && before.section == q.section {
			q.nth++
		}
	}
	s.asked = append(s.asked, q)
	s.mu.Unlock()
	text, err := s.answer(ctx, q)
	if err != nil {
		return llm.Answer{Usage: llm.Usage{Server: "default"}}, err
	}
	for word := range strings.SplitAfterSeq(text, " ") {
		r.OnToken(word)
	}
	p, c := int64(50), int64(len(strings.Fields(text)))
	return llm.Answer{Text: text, Usage: llm.Usage{
		Prompt: &p, Completion: &c, Server: "default", Model: r.Model, Generate: time.Second, Total: 2 * time.Second, Stop: llm.StopNatural,
	}}, nil
}

// count is how often a stage was asked for a section.
func (s *script) count(stage string, section int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, q := range s.asked {
		if q.stage == stage && q.section == section {
			n++
		}
	}
	return n
}

func plan(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"heading":"Chapter %c","summary":"Thing %d happens."},`, 'A'+i%26, i+1)
	}
	return `{"title":"The Long Way","sections":[` + strings.TrimSuffix(b.String(), ",") + `]}`
}

// sentence has six words, and no other is like it.
func sentence(q asked, i int) string {
	return fmt.Sprintf("In %s%d the %d-th bird sang%d. ", q.stage, q.section, q.nth, i)
}

// good does what it is asked for, roughly.
func good(_ context.Context, q asked) (string, error) {
	if q.stage == "outline" || q.stage == "repair" {
		return plan(q.of), nil
	}
	var b strings.Builder
	for i := 0; i*6 < q.words; i++ {
		b.WriteString(sentence(q, i))
	}
	return b.String(), nil
}

type bundle struct {
	*story.Task
	*script
	clk  *clocktest.Manual
	host *tasktest.Host
}

func setup(answer func(context.Context, asked) (string, error)) bundle {
	s := &script{answer: answer}
	clk := clocktest.New(noon)
	return bundle{story.New(story.Options{Chat: s, Clock: clk, DefaultModel: "tiny"}), s, clk, &tasktest.Host{}}
}

func attempt(params string) task.Attempt {
	return task.Attempt{JobID: "job_1", RunID: "run_1", Number: 1, Params: json.RawMessage(params)}
}

func limits(l directive.Limits) *directive.Snapshot {
	return &directive.Snapshot{ID: "dir_1", Name: "night shift", Version: 4, Content: directive.Content{Limits: l}}
}

// text is the stored story.
func (b bundle) text(t *testing.T) string {
	t.Helper()
	f, ok := b.host.Artifacts()["story.md"]
	if !ok {
		t.Fatalf("there is no story.md, only %v", maps.Keys(b.host.Artifacts()))
	}
	return f.Content
}

// errKilled is what a host says once its server is dead.
var errKilled = fmt.Errorf("killed")

// mortal is a host that dies at an operation that makes something durable, before
// or after it has done so. What it has kept survives.
type mortal struct {
	*tasktest.Host
	die   func(error)
	at    int // from 1; 0 = never
	after bool

	mu    sync.Mutex
	n     int
	dead  bool
	saved []byte
	kept  map[string]string
}

func (m *mortal) durable(do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	if m.n == m.at && !m.after {
		m.dead = true
	}
	if m.dead {
		m.die(errKilled)
		return errKilled
	}
	err := do()
	if m.n == m.at {
		m.dead = true
		m.die(errKilled)
	}
	return err
}

func (m *mortal) Checkpoint(_ context.Context, data []byte) error {
	return m.durable(func() error { m.saved = append([]byte(nil), data...); return nil })
}

func (m *mortal) Call(ctx context.Context, c run.Call) error {
	return m.durable(func() error { return m.Host.Call(ctx, c) })
}

func (m *mortal) Artifact(ctx context.Context, name, mediaType string, r io.Reader) (a run.Artifact, err error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return a, err
	}
	err = m.durable(func() error {
		a, err = m.Host.Artifact(ctx, name, mediaType, strings.NewReader(string(raw)))
		m.kept[name] = string(raw)
		return err
	})
	return a, err
}

// open finds what earlier attempts have kept.
func open(kept map[string]string) func(context.Context, string, string) (io.ReadCloser, error) {
	return func(_ context.Context, runID, name string) (io.ReadCloser, error) {
		if text, ok := kept[strings.TrimPrefix(runID+"/", "/")+name]; ok {
			return io.NopCloser(strings.NewReader(text)), nil
		}
		return nil, fault.New(fault.ArtifactGone, "no such artifact")
	}
}
