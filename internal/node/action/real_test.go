//go:build unix

package action_test

import (
	"testing"

	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/node/action"
	"github.com/runsheet/runsheet/internal/node/nodetest"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestARealModel asks a server with a model that knows a handful of words: the grammar
// of the format alone makes it answer with one of the choices.
func TestARealModel(t *testing.T) {
	t.Parallel()
	pool, err := llm.New(llm.Options{Servers: []llm.Server{{Name: "default", URL: testsvc.Ollama(t).URL}}})
	if err != nil {
		t.Fatal(err)
	}
	n := action.NewLLM(action.LLMOptions{Chat: pool, DefaultModel: testsvc.OllamaTiny})
	h := &nodetest.Host{}
	r, err := n.Run(t.Context(), nodetest.Call(h, noon, map[string]any{"prompt": "Tell of a robot.", "options": map[string]any{"max_tokens": int64(20), "seed": int64(7)}}))
	if err != nil {
		t.Fatal(err)
	}
	v := r.Value.(map[string]any)
	if text, _ := v["text"].(string); text == "" || v["tokens_out"].(int64) < 1 || v["tokens_in"].(int64) < 1 {
		t.Errorf("%+v", v)
	}
	choices := []string{"good", "thin"}
	word, err := n.Choose(t.Context(), nodetest.Call(h, noon, nil), "", "Is it good?", choices)
	if err != nil {
		t.Fatal(err)
	}
	if word != "" && word != choices[0] && word != choices[1] {
		t.Errorf("it chose %q", word)
	}
}
