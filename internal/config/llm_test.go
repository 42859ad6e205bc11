package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/llm"
)

func TestLLMServers(t *testing.T) {
	t.Parallel()
	path := file(t, `
llm:
  model: qwen3:8b
  servers:
    - name: gpu
      url: http://10.0.0.5:8080/v1
      kind: openai
      key_file: /etc/runsheet/gpu.key
    - name=spare url=http://10.0.0.6:11434
`)
	want := []llm.Server{
		{Name: "default", Kind: llm.Ollama, URL: "http://127.0.0.1:9"},
		{Name: "gpu", Kind: llm.OpenAI, URL: "http://10.0.0.5:8080/v1", KeyFile: "/etc/runsheet/gpu.key"},
		{Name: "spare", Kind: llm.Ollama, URL: "http://10.0.0.6:11434"},
	}
	c, err := config.Load(config.Sources{Flags: flags(t, "--config", path), Env: env("HOME", "/h", "RUNSHEET_LLM_URL", "http://127.0.0.1:9")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, c.LLM.Options().Servers); diff != "" || c.LLM.Model != "qwen3:8b" {
		t.Errorf("%s, model %s", diff, c.LLM.Model)
	}
	// What is shown means the same again.
	again, err := config.Load(config.Sources{Env: env("HOME", "/h", "RUNSHEET_LLM_URL", "", "RUNSHEET_LLM_SERVERS",
		strings.TrimSuffix(origins(c)["llm.servers"], " <- file "+path+":4:3"))})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[1:], again.LLM.Options().Servers); diff != "" {
		t.Error(diff)
	}
}

func TestLLMServersAreRefused(t *testing.T) {
	t.Parallel()
	for text, say := range map[string]string{
		"gpu": "name=NAME", "name=a url=http://10.0.0.1 color=red": "name=NAME", "name=a name=b url=http://10.0.0.1": "name=NAME",
		"name=a": "URL", "name=a kind=grpc url=http://10.0.0.1": "kind", "name=default url=http://10.0.0.1": "two LLM servers",
		"name=a url=http://8.8.8.8": "not loopback or private",
	} {
		_, err := config.Load(config.Sources{Env: env("HOME", "/h", "RUNSHEET_LLM_SERVERS", text)})
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %q", text, err, say)
		}
	}
	if _, err := config.Load(config.Sources{Env: env("HOME", "/h", "RUNSHEET_LLM_URL", "http://8.8.8.8", "RUNSHEET_LLM_ALLOW_REMOTE", "true")}); err != nil {
		t.Error(err)
	}
}
