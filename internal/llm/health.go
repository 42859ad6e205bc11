package llm

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/outbound"
)

// How long a probe may take, and how long a finding is used.
const (
	probeTime = 3 * time.Second
	healthAge = 5 * time.Second
	remoteAge = 30 * time.Second
)

// probe is the last finding about a server.
type probe struct {
	mu    sync.Mutex // held while the server is asked, so that one asks for all
	valid bool
	found ServerHealth
}

// Health asks all servers at once, within a few seconds, and tells what it finds in
// their order. A finding is used again for five seconds. The caller must not
// change the lists in it.
func (p *Pool) Health(ctx context.Context) []ServerHealth {
	out := make([]ServerHealth, len(p.servers))
	var all sync.WaitGroup
	for i, s := range p.servers {
		all.Go(func() { out[i] = p.probe(ctx, s, healthAge) })
	}
	all.Wait()
	return out
}

// probe returns a finding that is not older than age.
func (p *Pool) probe(ctx context.Context, s *server, age time.Duration) ServerHealth {
	s.last.mu.Lock()
	defer s.last.mu.Unlock()
	if now := p.clk.Now(); s.last.valid && now.Sub(s.last.found.CheckedAt) < age && !now.Before(s.last.found.CheckedAt) {
		return s.last.found
	}
	// Others wait for what is found, so that it does not end with this caller.
	w := p.watch(context.WithoutCancel(ctx), s, probeTime)
	defer w.stop()
	h := ServerHealth{Name: s.Name, Kind: s.Kind, URL: outbound.Origin(s.base)}
	begun := p.clk.Now()
	err := p.examine(w.ctx, s, &h, begun)
	h.OK, h.CheckedAt = err == nil, p.clk.Now()
	if err != nil {
		if cause := context.Cause(w.ctx); cause != nil {
			err = cause
		}
		f := fault.From(err)
		h.Code, h.Detail = f.Code, f.Detail
	}
	s.last.found, s.last.valid = h, true
	return h
}

// examine fills in what the server tells.
func (p *Pool) examine(ctx context.Context, s *server, h *ServerHealth, begun time.Time) (err error) {
	if s.Kind == Ollama {
		var v struct {
			Version string `json:"version"`
		}
		if err := s.ask(ctx, http.MethodGet, "/api/version", nil, &v); err != nil {
			return err
		}
		h.Version, h.Latency = v.Version[:min(len(v.Version), 40)], p.clk.Now().Sub(begun)
	}
	if h.Models, err = p.models(ctx, s); err != nil {
		return err
	}
	h.told = true
	if s.Kind == OpenAI {
		h.Latency = p.clk.Now().Sub(begun)
	}
	h.Loaded, err = p.loaded(ctx, s)
	return err
}

// refuseRemote refuses models that only seem to be on a local server: Ollama
// passes what they are asked on to its maker's computers.
func (p *Pool) refuseRemote(ctx context.Context, s *server, model string) error {
	if p.allowRemote {
		return nil
	}
	refused := fault.Newf(fault.LLMRefusedRemote, "LLM server %s would pass the request on: %s is a model in the cloud", s.Name, model)
	// Case does not count to Ollama, which also speaks OpenAI's API.
	name := strings.ToLower(tagged(model))
	if tag := name[strings.LastIndexByte(name, ':')+1:]; tag == "cloud" || strings.HasSuffix(tag, "-cloud") {
		return refused
	}
	if s.Kind != Ollama {
		return nil
	}
	h := p.probe(ctx, s, remoteAge)
	if !h.OK {
		// It may be of a time when the server was away: what it found is nothing now.
		h = p.probe(ctx, s, 0)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !h.told {
		// Not to know is not to be sure that the text stays here.
		return fault.New(h.Code, h.Detail).WithRetryAfter(waitFor(h.Code))
	}
	if slices.ContainsFunc(h.Models, func(m Model) bool { return m.Remote && SameModel(m.Name, model) }) {
		return refused
	}
	return nil
}
