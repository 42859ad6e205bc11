package action_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/action"
	"github.com/runsheet/runsheet/internal/node/nodetest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// Canaries that must not come out anywhere but where they are asked for.
const (
	promptCanary = "heron-in-the-prompt"
	answerCanary = "otter-in-the-answer"
)

// model answers with the next of its texts, or fails.
type model struct {
	mu    sync.Mutex
	texts []string
	err   error
	asked []llm.Request
}

func (m *model) Chat(_ context.Context, r llm.Request) (llm.Answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, r)
	if m.err != nil {
		return llm.Answer{}, m.err
	}
	in, out := int64(10), int64(5)
	return llm.Answer{Text: m.texts[min(len(m.asked), len(m.texts))-1], Usage: llm.Usage{Prompt: &in, Completion: &out, Server: "default", Model: r.Model}}, nil
}

func ask(t *testing.T, m *model, config map[string]any) (node.Result, *nodetest.Host, error) {
	t.Helper()
	h := &nodetest.Host{}
	n := action.NewLLM(action.LLMOptions{Chat: m, DefaultModel: "tiny", Clock: clock.System{}})
	r, err := n.Run(t.Context(), nodetest.Call(h, noon, config))
	if strings.Contains(h.LogText(), "canary") || strings.Contains(fmt.Sprint(err), promptCanary) || strings.Contains(fmt.Sprint(err), answerCanary) {
		t.Errorf("text came out: %v, log %q", err, h.LogText())
	}
	return r, h, err
}

func TestTextIsEphemeralAndCountsAreNot(t *testing.T) {
	t.Parallel()
	m := &model{texts: []string{answerCanary}}
	r, h, err := ask(t, m, map[string]any{
		"prompt": promptCanary, "system": "Be kind.", "options": map[string]any{"temperature": 0.5, "seed": int64(7), "max_tokens": int64(99), "stop": []any{"END"}, "server": "big"},
	})
	if err != nil {
		t.Fatal(err)
	}
	value, durable := r.Value.(map[string]any), r.Durable.(map[string]any)
	if !r.Ephemeral || value["text"] != answerCanary || value["tokens_in"] != int64(10) || value["tokens_out"] != int64(5) || value["model"] != "tiny" {
		t.Errorf("%+v", r)
	}
	if raw, err := json.Marshal(durable); err != nil || strings.Contains(string(raw), answerCanary) || durable["tokens_out"] != int64(5) || durable["artifact_id"] != nil {
		t.Errorf("durable %s, %v", raw, err)
	}
	got := m.asked[0]
	if got.Server != "big" || *got.Temperature != 0.5 || *got.Seed != 7 || got.MaxTokens != 99 || !cmp.Equal(got.Stop, []string{"END"}) || got.Messages[0].Content != "Be kind." {
		t.Errorf("asked %+v", got)
	}
	if calls := h.Calls(); len(calls) != 1 || calls[0].Stage != "n" || *calls[0].Completion != 5 {
		t.Errorf("recorded %+v", calls)
	}
}

func TestSaveAsKeepsTheText(t *testing.T) {
	t.Parallel()
	r, h, err := ask(t, &model{texts: []string{answerCanary}}, map[string]any{"prompt": "x", "save_as": map[string]any{"artifact": "story.md"}})
	if err != nil {
		t.Fatal(err)
	}
	if d := r.Durable.(map[string]any); d["artifact_id"] != "art_story.md" || !r.Ephemeral {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(map[string]string{"story.md": answerCanary}, h.Artifacts()); diff != "" {
		t.Error(diff)
	}
}

func facts() map[string]any {
	return map[string]any{
		"type": "object", "required": []any{"facts"},
		"properties": map[string]any{"facts": map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "minItems": int64(2)}},
	}
}

func TestFormatIsEnforced(t *testing.T) {
	t.Parallel()
	m := &model{texts: []string{`{"facts": ["` + answerCanary + `"]}`, "```json\n" + `{"facts": ["a", "b"], "n": 2}` + "\n```"}}
	r, _, err := ask(t, m, map[string]any{"prompt": "x", "format": facts()})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"facts": []any{"a", "b"}, "n": int64(2)}
	if diff := cmp.Diff(want, r.Value.(map[string]any)["json"]); diff != "" {
		t.Error(diff)
	}
	if r.Value.(map[string]any)["tokens_in"] != int64(20) {
		t.Errorf("two calls cost %v", r.Value)
	}
	_, _, err = ask(t, &model{texts: []string{answerCanary}}, map[string]any{"prompt": promptCanary, "format": facts()})
	if f := node.FailureOf(err); f.Code != string(fault.LLMUnusable) || f.Final || f.Class != node.ClassServerError {
		t.Errorf("never usable: %+v", f)
	}
	for name, format := range map[string]map[string]any{
		"no schema": {"type": "nothing"}, "reads elsewhere": {"$ref": "file:///etc/passwd"},
	} {
		if _, _, err := ask(t, m, map[string]any{"prompt": "x", "format": format}); node.FailureOf(err).Code != "invalid_config" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFailuresHaveClasses(t *testing.T) {
	t.Parallel()
	for code, want := range map[fault.Code]struct {
		class string
		final bool
	}{
		fault.LLMTimeout:      {node.ClassTimeout, false},
		fault.LLMBadAnswer:    {node.ClassServerError, false},
		fault.LLMModelMissing: {"", true},
	} {
		_, h, err := ask(t, &model{err: fault.New(code, "no")}, map[string]any{"prompt": promptCanary})
		if f := node.FailureOf(err); f.Code != string(code) || f.Class != want.class || f.Final != want.final {
			t.Errorf("%s: %+v", code, f)
		}
		if len(h.Calls()) != 1 {
			t.Errorf("%s: %d calls are recorded", code, len(h.Calls()))
		}
	}
	none := action.NewLLM(action.LLMOptions{})
	if _, err := none.Run(t.Context(), nodetest.Call(&nodetest.Host{}, noon, map[string]any{"prompt": "x"})); node.FailureOf(err).Code != "no_llm" {
		t.Errorf("no server: %v", err)
	}
}

func TestTheDirectiveHolds(t *testing.T) {
	t.Parallel()
	m := &model{texts: []string{"yes"}}
	c := nodetest.Call(&nodetest.Host{}, noon, map[string]any{"prompt": "x"})
	c.Directive = &directive.Snapshot{Content: directive.Content{System: "Obey.", Model: "guided", Limits: directive.Limits{CallTokens: 3}}}
	if _, err := action.NewLLM(action.LLMOptions{Chat: m}).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := m.asked[0]; got.Model != "guided" || got.MaxTokens != 3 || got.Messages[0].Content != "Obey." {
		t.Errorf("asked %+v", got)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{`{"choice": "good"}`: "good", `{"choice": "great"}`: "", "I cannot say": ""} {
		n := action.NewLLM(action.LLMOptions{Chat: &model{texts: []string{answer}}, DefaultModel: "tiny"})
		got, err := n.Choose(t.Context(), nodetest.Call(&nodetest.Host{}, noon, nil), "", "Is it?", []string{"good", "thin"})
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", answer, got, err)
		}
	}
}
