// Package story is the job type that writes a story with a language model.
//
// The model is asked for an outline, then for one section after the other; the
// sections are put together as story.md. A weak model does not make a story fail:
// an outline that cannot be used is repaired once and then replaced by a fixed one,
// a section that is too short is continued, one that is too long is cut at the end
// of a sentence, one that stays empty is left out, and the front matter says so.
// Only where there is no text at all the attempt fails, with code llm_empty.
//
// The outline and each finished section are artifacts before the next begins, and
// the checkpoint names their hashes: another attempt goes on with the next section
// and asks nothing again. What users and models say goes into artifacts and nowhere
// else; what the model says is cleaned of all that is no text first.
package story

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/task"
)

//go:embed schema.json
var schema []byte

// maxStory bounds a story that is read again, in bytes.
const maxStory = 32 << 20

// warm is the temperature where nobody sets one.
const warm = 0.8

// Options configure the type.
type Options struct {
	// Chat asks models; it must be given.
	Chat ask.Chat
	// Clock tells the time; the system's if nil.
	Clock clock.Clock
	// DefaultModel is used where neither params nor the directive name a model; "" =
	// one must be named.
	DefaultModel string
	// ModelLocks gives the locks that a model needs beside its own, such as a GPU's;
	// nil = none.
	ModelLocks func(model string) []string
}

// Task is the job type. Its methods are safe for concurrent use.
type Task struct{ o Options }

var (
	_ task.Direct = (*Task)(nil)
	_ task.Guided = (*Task)(nil)
)

// New returns the job type.
func New(o Options) *Task {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	return &Task{o}
}

// Type is "story".
func (*Task) Type() string { return "story" }

// Schema is schema.json.
func (*Task) Schema() json.RawMessage { return schema }

// Check refuses texts that can be nothing but an attack, and sections that are too
// many or too few for the length. Missing fields are no fault.
func (*Task) Check(raw json.RawMessage) error {
	p, err := decode(raw)
	if err != nil {
		return err
	}
	return p.check()
}

// Guide fills in the model.
func (t *Task) Guide(raw json.RawMessage, d *directive.Snapshot) (json.RawMessage, error) {
	return ask.Model(raw, d, t.o.DefaultModel)
}

// Locks are the model's.
func (t *Task) Locks(raw json.RawMessage) []string { return ask.Locks(raw, t.o.ModelLocks) }

// Cites is the run whose findings are the material.
func (*Task) Cites() []string { return []string{"research_run_id"} }

// OnCrash is job.CrashRetry: nothing outside of the server has changed, and the
// finished sections are kept.
func (*Task) OnCrash() job.CrashPolicy { return job.CrashRetry }

// Run makes one attempt.
func (t *Task) Run(ctx context.Context, a task.Attempt, h task.Host) error {
	_, err := t.tell(ctx, a, h, nil)
	return err
}

// Answer writes a story for a caller, who gets its text as it comes. That is a
// preview: what the answer has is cleaned and cut to length.
func (t *Task) Answer(ctx context.Context, a task.Attempt, h task.Host, out task.Sink) (json.RawMessage, error) {
	text, err := t.tell(ctx, a, h, out)
	if err != nil {
		return nil, err
	}
	return answer(text)
}

// Recall reads story.md again.
func (*Task) Recall(ctx context.Context, open func(string) (io.ReadCloser, error)) (json.RawMessage, error) {
	f, err := open(storyFile)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxStory))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return answer(body(string(raw)))
}

func answer(text string) (json.RawMessage, error) {
	return json.Marshal(map[string]string{"story": text})
}

// tell writes the story and returns it without its front matter.
func (t *Task) tell(ctx context.Context, a task.Attempt, h task.Host, out task.Sink) (string, error) {
	p, err := decode(a.Params)
	if err == nil {
		err = p.check()
	}
	if err == nil && p.Model == "" {
		err = fault.New(fault.InvalidInput, "no model is named")
	}
	if err != nil {
		return "", task.Fatal(string(fault.From(err).Code), errors.New(fault.From(err).Detail))
	}
	own := warm
	w := &writer{p: p, a: a, h: h, clk: t.o.Clock, out: out, state: saved{Version: savedVersion, Params: hash(a.Params)}}
	w.k = ask.New(t.o.Chat, t.o.Clock, a, h, ask.Defaults{
		Model: p.Model, System: system, Temperature: p.Temperature, Fallback: &own, Seed: p.Seed,
	})
	said := ""
	if a.Directive != nil {
		said = a.Directive.Content.System
	}
	w.room = newRoom(w.k.ContextTokens(), said)
	if p.ResearchRun != "" {
		if w.material, err = research(ctx, a, p.ResearchRun); err != nil {
			return "", err
		}
	}
	if err := w.write(ctx); err != nil {
		return "", err
	}
	return w.assemble(ctx)
}
