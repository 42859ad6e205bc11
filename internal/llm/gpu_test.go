package llm_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/llm"
)

func TestGPUs(t *testing.T) {
	t.Parallel()
	g, err := llm.ParseGPUs([]string{"qwen3:30b=gpu:1", "qwen3:*=gpu:0", " hf.co/*/small =gpu:0", "a.c=gpu:2"}, []string{"gpu:1=2"})
	if err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string][]string{
		"qwen3:30b": {"gpu:1"}, "qwen3:8b": {"gpu:0"}, "qwen3": {"gpu:0"}, "library/qwen3:8b": {"gpu:0"}, "Qwen3:8B": {"gpu:0"}, "hf.co/x/y/small": {"gpu:0"}, "abc": nil, "a.c": {"gpu:2"}, "llama3": nil, "xqwen3:8b": nil,
	} {
		if diff := cmp.Diff(want, g.Locks(model)); diff != "" {
			t.Errorf("%s: %s", model, diff)
		}
	}
	if diff := cmp.Diff(map[string]int{"gpu:0": 1, "gpu:1": 2, "gpu:2": 1}, g.Capacities()); diff != "" {
		t.Error(diff)
	}
	for _, bad := range [][2][]string{
		{{"qwen3"}}, {{"=gpu:0"}}, {{"x="}}, {{"x=model:y"}}, {{"x=gpu 0"}}, {nil, {"gpu:0"}}, {nil, {"gpu:0=0"}}, {nil, {"gpu:0=x"}}, {nil, {"=2"}}, {nil, {"gpu:0=1025"}},
	} {
		if _, err := llm.ParseGPUs(bad[0], bad[1]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func TestLockName(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]string{
		"qwen3:30b": "model:qwen3:30b", "hf.co/bartowski/x": "model:hf.co/bartowski/x", "mod el@1": "model:mod-el-1", "qwen3:latest": "model:qwen3", "registry.ollama.ai/library/qwen3": "model:qwen3", "library/qwen3:8b": "model:qwen3:8b",
		"Qwen3:30B": "model:qwen3:30b", "QWEN3:Latest": "model:qwen3",
		strings.Repeat("x", 200): "model:" + strings.Repeat("x", 122),
	} {
		if got := llm.LockName(model); got != want {
			t.Errorf("%s: %s, want %s", model, got, want)
		}
	}
}
