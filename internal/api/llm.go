package api

import (
	"net/http"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/llm"
)

func (s *service) llmRoutes() []operation {
	return []operation{{
		ID: "list_llm_servers", Method: http.MethodGet, Path: "/api/llm/servers", Scope: access.SystemRead, Tag: "llm",
		Summary: "Show the servers of language models, and what they have",
		Doc:     "Each is asked now, for three seconds at most; an answer is used for five. A server that does not answer is listed as unavailable.",
		Answers: []answer{{Status: http.StatusOK, Doc: "all servers of the configuration", Body: wire.LLMServers{}}},
		Handle:  s.listLLMServers,
	}}
}

func (s *service) listLLMServers(r *request) (reply, error) {
	v := wire.LLMServers{Items: []wire.LLMServer{}, DefaultModel: filled(s.LLMModel)}
	if s.LLM != nil {
		for _, h := range s.LLM.Health(r.Context()) {
			v.Items = append(v.Items, llmServer(h))
		}
	}
	return reply{Status: http.StatusOK, Body: v}, nil
}

func llmServer(h llm.ServerHealth) wire.LLMServer {
	v := wire.LLMServer{
		Name: h.Name, Kind: string(h.Kind), URL: h.URL, Status: "ok", Version: filled(h.Version), Models: []wire.LLMModel{}, Loaded: []wire.LLMLoaded{},
		CheckedAt: h.CheckedAt.UTC(),
	}
	if !h.OK {
		v.Status, v.Code, v.Detail = "unavailable", filled(string(h.Code)), filled(h.Detail)
	} else {
		v.LatencyMs = new(h.Latency.Milliseconds())
	}
	for _, m := range h.Models {
		v.Models = append(v.Models, wire.LLMModel{
			Name: m.Name, Digest: filled(m.Digest), SizeBytes: filled(m.SizeBytes), Family: filled(m.Family), Parameters: filled(m.Parameters),
			Quantization: filled(m.Quantization), Remote: m.Remote,
		})
	}
	for _, m := range h.Loaded {
		l := wire.LLMLoaded{Name: m.Name, SizeBytes: m.SizeBytes, VRAMBytes: m.VRAMBytes, ContextTokens: m.ContextTokens}
		if !m.ExpiresAt.IsZero() {
			l.ExpiresAt = new(m.ExpiresAt.UTC())
		}
		v.Loaded = append(v.Loaded, l)
	}
	return v
}

// filled is nil for the zero value, which means unknown here.
func filled[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
