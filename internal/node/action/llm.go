// Package action has the nodes that do something: ask a language model, add a job,
// and others.
package action

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// maxPrompt bounds what one node asks, in bytes.
const maxPrompt = 1 << 20

// LLMOptions configure an LLM.
type LLMOptions struct {
	// Chat asks models; nil: there is no server of them, and nodes fail.
	Chat ask.Chat
	// Clock tells the time; the system's if nil.
	Clock clock.Clock
	// DefaultModel is used where neither the node nor the directive name one.
	DefaultModel string
}

// LLM asks a language model. What is asked and answered is in no log and no error,
// and its result is ephemeral. It implements node.Node. Make one with NewLLM.
type LLM struct{ o LLMOptions }

// NewLLM returns the node.
func NewLLM(o LLMOptions) LLM {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	return LLM{o}
}

// Kind implements node.Node.
func (LLM) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "action", Subtype: "llm", SubtypeField: "action_type", Doc: "asks a language model",
		Outcomes: []string{"success"}, OnCrash: workflow.CrashRetry, InMap: true,
		Ephemeral: true, Durable: []string{"artifact_id", "tokens_in", "tokens_out", "model", "duration_ms"},
		Retryable: []string{node.ClassTimeout, node.ClassServerError, node.ClassRateLimited, node.ClassLock},
		Fields: []workflow.Field{
			{Name: "model", Type: workflow.FieldString, Doc: "without it that of the directive, then llm.model of the server"},
			{Name: "system", Type: workflow.FieldString, Doc: "instructions that come before the prompt"},
			{Name: "prompt", Type: workflow.FieldString, Required: true},
			{Name: "format", Type: workflow.FieldObject, Doc: "a JSON Schema that the answer must meet; without it the answer is text"},
			{Name: "options", Type: workflow.FieldObject, Fields: []workflow.Field{
				{Name: "server", Type: workflow.FieldString, Doc: "a server of llm.servers; without it that of the directive, then the first that has the model"},
				{Name: "temperature", Type: workflow.FieldNumber},
				{Name: "seed", Type: workflow.FieldInteger, Doc: "makes answers repeatable"},
				{Name: "max_tokens", Type: workflow.FieldInteger, Doc: "bounds the answer"},
				{Name: "context_tokens", Type: workflow.FieldInteger, Doc: "room for the prompt and the answer"},
				{Name: "stop", Type: workflow.FieldList, Doc: "texts at which the answer ends"},
			}},
			{Name: "save_as", Type: workflow.FieldObject, Doc: "keeps the answer, which is forgotten otherwise", Fields: []workflow.Field{
				{Name: "artifact", Type: workflow.FieldString, Required: true, Doc: "its name, for example story.md"},
				{Name: "media_type", Type: workflow.FieldString, Doc: "without it by the name's ending"},
			}},
		},
		Check: checkFormat,
	}
}

// checkFormat compiles a schema that has no {{ }}.
func checkFormat(n workflow.Node, report func(at source.Pos, code, text string)) {
	v := n.Config.Get("format")
	if v == nil || v.Kind != source.Map {
		return
	}
	raw := v.JSON(false)
	if bytes.Contains(raw, []byte("{{")) {
		return
	}
	if _, err := compile(raw); err != nil {
		report(v.Pos, "invalid_schema", "format is no JSON Schema: "+err.Error())
	}
}

// compile makes a schema that reads nothing from elsewhere.
func compile(raw []byte) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("it cannot be read")
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(closed{})
	const name = "format.json"
	if err := c.AddResource(name, doc); err != nil {
		return nil, errors.New("it cannot be used")
	}
	schema, err := c.Compile(name)
	if err != nil {
		text := err.Error()
		if _, rest, ok := strings.Cut(text, "\n"); ok {
			text = strings.TrimSpace(rest)
		}
		return nil, errors.New(text)
	}
	return schema, nil
}

// closed loads nothing.
type closed struct{}

func (closed) Load(string) (any, error) { return nil, errors.New("other documents are not read") }

// question is the config of a node, read.
type question struct {
	defaults ask.Defaults
	ask      ask.Question
	server   string
	context  int
	schema   *jsonschema.Schema
	artifact string
	media    string
}

func (l LLM) read(c node.Call) (question, error) {
	text := func(m map[string]any, name string) string { s, _ := m[name].(string); return s }
	q := question{defaults: ask.Defaults{System: text(c.Config, "system")}}
	var guided string
	if c.Directive != nil {
		guided = c.Directive.Content.Model
	}
	q.defaults.Model = cmp.Or(text(c.Config, "model"), guided, l.o.DefaultModel)
	if q.defaults.Model == "" {
		return q, node.Fatal("invalid_config", errors.New("no model is named, and the server has no default (llm.model)"))
	}
	prompt := text(c.Config, "prompt")
	if prompt == "" || len(prompt)+len(q.defaults.System) > maxPrompt {
		return q, node.Fatal("invalid_config", fmt.Errorf("prompt and system must have 1 to %d bytes together", maxPrompt))
	}
	q.ask = ask.Question{Stage: c.Step.ID, Messages: []llm.Message{{Role: llm.User, Content: prompt}}}
	if f, ok := c.Config["format"].(map[string]any); ok {
		raw, err := json.Marshal(f)
		if err == nil {
			q.schema, err = compile(raw)
		}
		if err != nil {
			return q, node.Fatal("invalid_config", fmt.Errorf("format is no JSON Schema: %w", err))
		}
		q.ask.Format = raw
	}
	if save, ok := c.Config["save_as"].(map[string]any); ok {
		q.artifact, q.media = text(save, "artifact"), text(save, "media_type")
		if q.media == "" {
			q.media = cmp.Or(mime.TypeByExtension(path.Ext(q.artifact)), "text/plain; charset=utf-8")
		}
	}
	options, _ := c.Config["options"].(map[string]any)
	q.server = text(options, "server")
	if t, ok := number(options["temperature"]); ok {
		q.defaults.Temperature = &t
	}
	if n, ok := options["seed"].(int64); ok {
		q.defaults.Seed = &n
	}
	if n, ok := options["max_tokens"].(int64); ok && n > 0 {
		q.ask.MaxTokens = int(n)
	}
	if n, ok := options["context_tokens"].(int64); ok && n > 0 {
		q.context = int(n)
	}
	stops, _ := options["stop"].([]any)
	for _, s := range stops {
		if s, ok := s.(string); ok && s != "" {
			q.ask.Stop = append(q.ask.Stop, s)
		}
	}
	return q, nil
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// Run implements node.Node.
func (l LLM) Run(ctx context.Context, c node.Call) (node.Result, error) {
	if l.o.Chat == nil {
		return node.Result{}, node.Fatal("no_llm", errNoModel)
	}
	q, err := l.read(c)
	if err != nil {
		return node.Result{}, err
	}
	start := l.o.Clock.Now()
	k, used := l.asker(c, q)
	var value any
	var text string
	if q.schema == nil {
		answer, err := k.Ask(ctx, q.ask)
		if err != nil {
			return node.Result{}, failed(ctx, err)
		}
		text, value = answer.Text, answer.Text
	} else {
		err := k.Structured(ctx, q.ask, func(raw []byte) error {
			v, err := source.Read("answer.json", raw)
			if err != nil || len(v) != 1 {
				return errors.New("it is not one JSON value")
			}
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
			if err != nil {
				return errors.New("it is not valid JSON")
			}
			if err := q.schema.Validate(doc); err != nil {
				return err // for the model alone
			}
			value, text = v[0].Plain(), string(raw)
			return nil
		})
		if err != nil {
			return node.Result{}, failed(ctx, err)
		}
	}
	used.took = l.o.Clock.Now().Sub(start)
	return used.result(ctx, q, value, text)
}

// result keeps the answer, if it is to be kept, and says what it cost.
func (m *meter) result(ctx context.Context, q question, value any, text string) (node.Result, error) {
	durable := map[string]any{
		"model": cmp.Or(m.model, q.defaults.Model), "tokens_in": m.in, "tokens_out": m.out, "duration_ms": m.took.Milliseconds(), "artifact_id": nil,
	}
	if q.artifact != "" {
		a, err := m.to.Artifact(ctx, q.artifact, q.media, strings.NewReader(text))
		if err != nil {
			if ctx.Err() != nil {
				return node.Result{}, context.Cause(ctx)
			}
			v := task.VerdictOf(task.Unstored(err))
			return node.Result{}, node.Fail(v.Code, "", v)
		}
		durable["artifact_id"] = a.ID
	}
	whole := maps.Clone(durable)
	name := "text"
	if q.schema != nil {
		name = "json"
	}
	whole[name] = value
	return node.Result{Value: whole, Ephemeral: true, Durable: durable}, nil
}

// asker is what asks for a node, and counts.
func (l LLM) asker(c node.Call, q question) (*ask.Asker, *meter) {
	d := directive.Snapshot{}
	if c.Directive != nil {
		d = *c.Directive
	}
	d.Content.Server = cmp.Or(q.server, d.Content.Server)
	if q.context > 0 {
		d.Content.ContextTokens = q.context
	}
	m := &meter{to: c.Host}
	return ask.New(l.o.Chat, l.o.Clock, task.Attempt{Directive: &d}, m, q.defaults), m
}

// meter adds up what servers say of the calls of one node, one after the other.
type meter struct {
	to      node.Host
	in, out int64
	model   string
	took    time.Duration // all of them together
}

func (m *meter) Call(ctx context.Context, c run.Call) error {
	if c.Prompt != nil {
		m.in += *c.Prompt
	}
	if c.Completion != nil {
		m.out += *c.Completion
	}
	m.model = c.Model
	return m.to.Call(ctx, c)
}

// Choose is a judgment.Asker: the model's word, "" if it is none of choices.
func (l LLM) Choose(ctx context.Context, c node.Call, model, text string, choices []string) (string, error) {
	if l.o.Chat == nil {
		return "", node.Fatal("no_llm", errNoModel)
	}
	format := map[string]any{
		"type": "object", "required": []any{"choice"}, "additionalProperties": false,
		"properties": map[string]any{"choice": map[string]any{"type": "string", "enum": anys(choices)}},
	}
	asks := c
	asks.Config = map[string]any{
		"model": model, "prompt": text, "format": format, "options": map[string]any{"temperature": int64(0), "max_tokens": int64(200)},
		"system": "Answer the question with one of these words: " + strings.Join(choices, ", ") + ". Answer with JSON such as {\"choice\": \"" + choices[0] + "\"}.",
	}
	r, err := l.Run(ctx, asks)
	if f, is := errors.AsType[*node.Failure](err); is && f.Code == string(fault.LLMUnusable) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	whole, _ := r.Value.(map[string]any)
	answer, _ := whole["json"].(map[string]any)
	word, _ := answer["choice"].(string)
	return word, nil
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// failed is how an attempt ends whose question was not answered.
func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, ask.ErrUnusable) {
		f := node.Fail(string(fault.LLMUnusable), node.ClassServerError, errors.New("the model gave no answer that meets format, and none when it was told so"))
		return f
	}
	v, ok := errors.AsType[*task.Verdict](err)
	if !ok {
		return node.Fail("llm_failed", "", errors.New("the language model could not be asked"))
	}
	f := node.Fail(v.Code, "", errors.New(v.Error()))
	f.Final, f.After = v.Final, v.After
	server := []fault.Code{fault.LLMUnreachable, fault.LLMServerFailed, fault.LLMBrokenStream, fault.LLMBadAnswer, fault.LLMUnusable}
	switch code := fault.Code(v.Code); {
	case code == fault.LLMTimeout:
		f.Class = node.ClassTimeout
	case code == fault.LLMBusy:
		f.Class = node.ClassRateLimited
	case slices.Contains(server, code):
		f.Class = node.ClassServerError
	}
	return f
}

var errNoModel = errors.New("no server of language models is configured")
