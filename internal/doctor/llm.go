package doctor

import (
	"context"
	"slices"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
)

// models asks the servers of language models. Who named neither a server nor a
// model does not use them, and nobody has to listen at the default address.
func (e *exam) models(ctx context.Context) {
	o := e.Config.LLM.Options()
	o.Clock = e.Clock
	pool, err := llm.New(o)
	if err != nil {
		e.bad(Fail, "llm", "correct llm.url and llm.servers", "%s", fault.From(err).Detail)
		return
	}
	found := pool.Health(ctx)
	if len(found) == 0 {
		return
	}
	want := e.Config.LLM.Model
	has := false
	for i, h := range found {
		if !h.OK {
			if i == 0 && want == "" && len(found) == 1 && h.Code == fault.LLMUnreachable {
				e.ok("llm", "not used: nothing listens at %s, and no model is configured", h.URL)
				return
			}
			e.bad(Warn, "llm", h.Code.Entry().Remedy, "%s", h.Detail)
			continue
		}
		has = has || slices.ContainsFunc(h.Models, func(m llm.Model) bool { return llm.SameModel(m.Name, want) })
		e.ok("llm", "server %s answers at %s with %d models", h.Name, h.URL, len(h.Models))
	}
	if want != "" && !has {
		e.bad(Warn, "llm model", "ollama pull "+want+", or correct llm.model", "no server that answers has %s", want)
	}
}
