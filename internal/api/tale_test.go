package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// tale is a job type that works under directives, by the name of a real one. It
// answers direct requests with the topic and what it works under.
type tale struct{ kind string }

var (
	_ task.Direct = tale{}
	_ task.Guided = tale{}
	_ task.Citing = tale{}
)

type taleParams struct {
	Topic   string `json:"topic"`
	Length  int    `json:"length,omitempty"`
	Model   string `json:"model,omitempty"`
	Run     string `json:"research_run_id,omitempty"`
	Sources []struct {
		Path string `json:"path"`
	} `json:"sources,omitempty"`
}

func withTales(o *api.Options) { o.Tasks = task.NewRegistry(echo{}, tale{"story"}, tale{"research"}) }

func (t tale) Type() string { return t.kind }

func (tale) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"topic":{"type":"string","maxLength":50},
		"length":{"type":"integer","minimum":50},"model":{"type":"string"},"research_run_id":{"type":"string"},
		"sources":{"type":"array","items":{"type":"object","properties":{"path":{"type":"string"}}}}}}`)
}

// Check wants a model, which Guide has filled in.
func (tale) Check(p json.RawMessage) error {
	if bytes.Contains(p, []byte(`"topic":"forbidden"`)) {
		return fault.New(fault.InvalidInput, "not this topic").At("/topic", "not_allowed", "is not allowed")
	}
	return nil
}

func (tale) Locks(p json.RawMessage) []string {
	var v taleParams
	if json.Unmarshal(p, &v) != nil || v.Model == "" {
		return nil
	}
	return []string{"model:" + v.Model}
}

func (tale) OnCrash() job.CrashPolicy { return job.CrashRetry }

func (tale) Guide(params json.RawMessage, d *directive.Snapshot) (json.RawMessage, error) {
	var v taleParams
	if err := json.Unmarshal(params, &v); err != nil {
		return nil, err
	}
	if v.Model == "" && d != nil {
		v.Model = d.Content.Model
	}
	if v.Model == "" {
		v.Model = "server-model"
	}
	for _, s := range v.Sources {
		if d == nil || !d.Content.Allow.File(s.Path) {
			return nil, fault.Newf(fault.SourceNotAllowed, "the directive does not allow %s", s.Path).At("/sources/0/path", "not_allowed", "is not allowed")
		}
	}
	return json.Marshal(v)
}

func (tale) Cites() []string { return []string{"research_run_id"} }

func (tale) Run(context.Context, task.Attempt, task.Host) error { return nil }

func (t tale) Answer(ctx context.Context, a task.Attempt, h task.Host, out task.Sink) (json.RawMessage, error) {
	var v taleParams
	if err := json.Unmarshal(a.Params, &v); err != nil {
		return nil, task.Fatal("params", errors.New("the params cannot be read"))
	}
	text := v.Topic + " by " + v.Model
	if a.Directive != nil {
		text += " under " + a.Directive.Name + ": " + a.Directive.Content.System
	}
	for word := range strings.SplitAfterSeq(text, " ") {
		out.Token(word)
	}
	three := int64(3)
	if err := h.Call(ctx, run.Call{
		Server: "local", Model: v.Model, Stage: "outline", Outcome: run.CallOK, Prompt: &three, StartedAt: start, Total: time.Second,
	}); err != nil {
		return nil, err
	}
	if _, err := h.Artifact(ctx, "story.md", "text/markdown", strings.NewReader(text)); err != nil {
		return nil, task.Unstored(err)
	}
	return json.Marshal(map[string]string{"story": text})
}

func (tale) Recall(_ context.Context, open func(string) (io.ReadCloser, error)) (json.RawMessage, error) {
	f, err := open("story.md")
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return json.Marshal(map[string]string{"story": string(b)})
}
