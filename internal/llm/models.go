package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Bounds on questions about models.
const (
	askTime   = 10 * time.Second
	maxList   = 8 << 20
	maxModels = 2000
)

// ollamaModel is one entry of /api/tags and of /api/ps.
type ollamaModel struct {
	Name    string `json:"name"`
	Digest  string `json:"digest"`
	Size    int64  `json:"size"`
	Details struct {
		Family            string `json:"family"`
		ParameterSize     string `json:"parameter_size"`
		QuantizationLevel string `json:"quantization_level"`
	} `json:"details"`
	RemoteHost string `json:"remote_host"`

	SizeVRAM      int64     `json:"size_vram"` // this and the next two: /api/ps only
	ContextLength *int64    `json:"context_length"`
	ExpiresAt     time.Time `json:"expires_at"`
}

// Models lists what a server has, "" = the first, in the server's order.
func (p *Pool) Models(ctx context.Context, server string) ([]Model, error) {
	s, err := p.named(server)
	if err != nil {
		return nil, err
	}
	w := p.watch(ctx, s, askTime)
	defer w.stop()
	return p.models(w.ctx, s)
}

func (p *Pool) models(ctx context.Context, s *server) ([]Model, error) {
	if s.Kind == OpenAI {
		var list struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		if err := s.ask(ctx, http.MethodGet, "/v1/models", nil, &list); err != nil {
			return nil, err
		}
		out := make([]Model, 0, len(list.Data))
		for _, m := range list.Data[:min(len(list.Data), maxModels)] {
			out = append(out, Model{Name: m.ID})
		}
		return out, nil
	}
	list, err := s.list(ctx, "/api/tags")
	if err != nil {
		return nil, err
	}
	out := make([]Model, 0, len(list))
	for _, m := range list {
		out = append(out, Model{
			Name: m.Name, Digest: m.Digest, SizeBytes: m.Size, Family: m.Details.Family, Parameters: m.Details.ParameterSize,
			Quantization: m.Details.QuantizationLevel, Remote: m.RemoteHost != "",
		})
	}
	return out, nil
}

// Show tells more about a model than Models does: ContextTokens. Of an OpenAI
// server it tells the name.
func (p *Pool) Show(ctx context.Context, server, model string) (Model, error) {
	s, err := p.named(server)
	if err != nil {
		return Model{}, err
	}
	w := p.watch(ctx, s, askTime)
	defer w.stop()
	all, err := p.models(w.ctx, s)
	if err != nil {
		return Model{}, err
	}
	found := Model{}
	for _, m := range all {
		if SameModel(m.Name, model) {
			found = m
		}
	}
	if found.Name == "" {
		return Model{}, p.advise(w.ctx, s, model, fault.New(fault.LLMModelMissing, ""))
	}
	if s.Kind == OpenAI {
		return found, nil
	}
	var more struct {
		Info map[string]json.RawMessage `json:"model_info"`
	}
	if err := s.ask(w.ctx, http.MethodPost, "/api/show", map[string]string{"model": found.Name}, &more); err != nil {
		return Model{}, err
	}
	for key, value := range more.Info { // its first part is the architecture
		if strings.HasSuffix(key, ".context_length") {
			var n int64
			if json.Unmarshal(value, &n) == nil && n > 0 {
				found.ContextTokens = &n
			}
		}
	}
	return found, nil
}

// Loaded lists what is in a server's memory, "" = the first; nil if it does not
// tell, as OpenAI servers do.
func (p *Pool) Loaded(ctx context.Context, server string) ([]Loaded, error) {
	s, err := p.named(server)
	if err != nil {
		return nil, err
	}
	w := p.watch(ctx, s, askTime)
	defer w.stop()
	return p.loaded(w.ctx, s)
}

func (p *Pool) loaded(ctx context.Context, s *server) ([]Loaded, error) {
	if s.Kind == OpenAI {
		return nil, nil
	}
	list, err := s.list(ctx, "/api/ps")
	if err != nil {
		return nil, err
	}
	out := make([]Loaded, 0, len(list))
	for _, m := range list {
		out = append(out, Loaded{m.Name, m.Digest, m.Size, m.SizeVRAM, count(m.ContextLength), m.ExpiresAt})
	}
	return out, nil
}

func (s *server) list(ctx context.Context, path string) ([]ollamaModel, error) {
	var list struct {
		Models []ollamaModel `json:"models"`
	}
	if err := s.ask(ctx, http.MethodGet, path, nil, &list); err != nil {
		return nil, err
	}
	return list.Models[:min(len(list.Models), maxModels)], nil
}

// ask makes a request whose answer is one JSON document.
func (s *server) ask(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	resp, err := s.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	if err != nil {
		return s.explain(err)
	}
	if resp.StatusCode != http.StatusOK {
		return s.said(resp.StatusCode, errorText(read))
	}
	if len(read) > maxList || json.NewDecoder(bytes.NewReader(read)).Decode(out) != nil {
		return fault.Newf(fault.LLMBadAnswer, "LLM server %s does not answer as one of kind %s does", s.Name, s.Kind)
	}
	return nil
}
