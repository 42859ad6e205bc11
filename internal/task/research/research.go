// Package research is the job type that reads sources with a language model and
// writes down what they say.
//
// Each source is read, made plain text and cut into chunks. The model is asked for
// findings in each chunk (map), each with a verbatim quote; a finding whose quote
// is not in the chunk is dropped, so a citation never points to something that
// does not exist. Then the model chooses the best findings (reduce) and
// sums them up. What comes out are the artifacts research.json, whose schema is
// docs/research.schema.json, and research.md.
//
// The model is not trusted. Its answers are JSON of a fixed form, repaired once; a
// chunk without a usable answer is counted and left out, and where choosing or
// summing up fails the report goes without. What a source says is data: an
// instruction in it can at worst spoil findings, because the model can do nothing
// but answer.
//
// Progress is durable: the answer for each chunk is an artifact (chunks/0001.json,
// reduce/..., summary.json), bound by a hash to the question that it answers. The
// next attempt of a job takes what fits and asks for the rest. Direct requests
// keep the report only.
package research

import (
	"context"
	_ "embed"
	"encoding/json"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/extract"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/task"
)

// Options configure the type.
type Options struct {
	// Chat asks models; it must be given.
	Chat ask.Chat
	// Client fetches URLs; it must be given.
	Client *outbound.Client
	// Clock is the system's if nil.
	Clock clock.Clock
	// DefaultModel is asked where neither params nor directive name one; "" = such
	// jobs are refused.
	DefaultModel string
	// Closed reports whether a file, by its path without links, is never read, whatever
	// a directive allows; nil = none.
	Closed func(real string) bool
	// ModelLocks returns what a model locks beside itself, such as a GPU; nil =
	// nothing.
	ModelLocks func(model string) []string
}

// Task is the job type. Its methods are safe for concurrent use.
type Task struct {
	o Options
	// text makes text of a document; tests replace it.
	text func(ctx context.Context, o extract.Options, data []byte, mediaType string) (extract.Document, error)
}

var (
	_ task.Direct = (*Task)(nil)
	_ task.Guided = (*Task)(nil)
)

//go:embed schema.json
var schema []byte

// New returns the job type. A missing chat or client is an error of the
// programmer and panics.
func New(o Options) *Task {
	if o.Chat == nil || o.Client == nil {
		panic("research: Chat and Client must be given")
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Closed == nil {
		o.Closed = func(string) bool { return false }
	}
	return &Task{o: o, text: extract.Text}
}

// Type is "research".
func (*Task) Type() string { return "research" }

// Schema is the JSON Schema of params.
func (*Task) Schema() json.RawMessage { return schema }

// Locks are those of the model.
func (t *Task) Locks(params json.RawMessage) []string { return ask.Locks(params, t.o.ModelLocks) }

// OnCrash is retry: reading twice changes nothing, and what was asked is kept.
func (*Task) OnCrash() job.CrashPolicy { return job.CrashRetry }

// Foldered implements task.Foldered: documents are read in it.
func (*Task) Foldered() {}

// Check refuses sources that can never be read.
func (t *Task) Check(raw json.RawMessage) error {
	p, err := decode(raw)
	if err != nil {
		return err
	}
	return p.check(t.o.Client)
}

// Guide fills in the model and refuses sources that the directive does not allow.
func (t *Task) Guide(raw json.RawMessage, d *directive.Snapshot) (json.RawMessage, error) {
	p, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if err := p.check(t.o.Client); err != nil {
		return nil, err
	}
	if err := p.guard(d); err != nil {
		return nil, err
	}
	return ask.Model(raw, d, t.o.DefaultModel)
}
