package tasktest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/task"
)

// Echo is a job type that also answers direct requests: it says the text that it
// was given, word by word, and keeps it in an artifact. It exists in tests only.
// The zero value is ready.
type Echo struct {
	// Jobs does the work of jobs; nil = they end at once.
	Jobs func(ctx context.Context, a task.Attempt, h task.Host) error
	// Before is called at the beginning of each answer, whose error it may be; nil =
	// nothing.
	Before func(ctx context.Context, a task.Attempt, h task.Host) error
}

var _ task.Direct = Echo{}

// Said is what Echo takes.
type Said struct {
	Text  string   `json:"text"`
	Locks []string `json:"locks"`
}

// Type is "echo".
func (Echo) Type() string { return "echo" }

// Schema takes text and locks.
func (Echo) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"text":{"type":"string"},
		"locks":{"type":"array","items":{"type":"string"}}}}`)
}

// Check takes everything.
func (Echo) Check(json.RawMessage) error { return nil }

// Locks are those that the params name.
func (Echo) Locks(params json.RawMessage) []string {
	var s Said
	if json.Unmarshal(params, &s) != nil {
		return nil
	}
	return s.Locks
}

// OnCrash is job.CrashFail.
func (Echo) OnCrash() job.CrashPolicy { return job.CrashFail }

// Run calls Jobs.
func (e Echo) Run(ctx context.Context, a task.Attempt, h task.Host) error {
	if e.Jobs == nil {
		return nil
	}
	return e.Jobs(ctx, a, h)
}

// Answer says the text.
func (e Echo) Answer(ctx context.Context, a task.Attempt, h task.Host, out task.Sink) (json.RawMessage, error) {
	if e.Before != nil {
		if err := e.Before(ctx, a, h); err != nil {
			return nil, err
		}
	}
	var s Said
	if err := json.Unmarshal(a.Params, &s); err != nil {
		return nil, task.Fatal("params", errors.New("the params cannot be read"))
	}
	for word := range strings.SplitAfterSeq(s.Text, " ") {
		out.Token(word)
	}
	if _, err := h.Artifact(ctx, "echo.txt", "text/plain", strings.NewReader(s.Text)); err != nil {
		return nil, task.Unstored(err)
	}
	return json.Marshal(map[string]string{"echo": s.Text})
}

// Recall reads the artifact.
func (Echo) Recall(_ context.Context, open func(string) (io.ReadCloser, error)) (json.RawMessage, error) {
	f, err := open("echo.txt")
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return json.Marshal(map[string]string{"echo": string(b)})
}

// Caller remembers what a direct request's caller hears. It has the methods of
// queue.Caller but for Started, which the test adds. The zero value is ready.
type Caller struct {
	mu     sync.Mutex
	heard  []string
	tokens strings.Builder
}

// Note remembers a stage.
func (c *Caller) Note(stage string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, stage)
}

// Token implements task.Sink.
func (c *Caller) Token(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens.WriteString(text)
}

// Heard are the stages so far.
func (c *Caller) Heard() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.heard...)
}

// Text is what came as tokens so far.
func (c *Caller) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens.String()
}
