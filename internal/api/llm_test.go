package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/llm"
)

func TestLLMServers(t *testing.T) {
	t.Parallel()
	if got := string(want(t, setup(t).call("GET", "/api/llm/servers", ""), 200, "").body); !strings.Contains(got, `"items":[]`) {
		t.Errorf("without a server: %s", got)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/version":
			fmt.Fprint(w, `{"version":"9"}`)
		case "/api/tags":
			fmt.Fprint(w, `{"models":[{"name":"m:1b","digest":"abc","size":5}]}`)
		case "/api/ps":
			fmt.Fprint(w, `{"models":[{"name":"m:1b","size":6,"size_vram":4,"expires_at":"2026-01-31T12:00:00+01:00"}]}`)
		}
	}))
	t.Cleanup(s.Close)
	pool, err := llm.New(llm.Options{Servers: []llm.Server{{Name: "default", URL: s.URL}, {Name: "away", Kind: llm.OpenAI, URL: "http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *api.Options) { o.LLM, o.LLMModel = pool, "m:1b" })
	got := string(want(t, b.call("GET", "/api/llm/servers", ""), 200, "").body)
	for _, text := range []string{
		`"default_model":"m:1b"`, `"name":"default","kind":"ollama","url":"` + s.URL + `","status":"ok","code":null`, `"version":"9"`,
		`"models":[{"name":"m:1b","digest":"abc","size_bytes":5,"family":null`,
		`"loaded":[{"name":"m:1b","size_bytes":6,"vram_bytes":4,"context_tokens":null,"expires_at":"2026-01-31T11:00:00Z"}]`,
		`"name":"away","kind":"openai","url":"http://127.0.0.1:1","status":"unavailable","code":"llm_unreachable"`,
	} {
		if !strings.Contains(got, text) {
			t.Errorf("no %s in %s", text, got)
		}
	}
}
