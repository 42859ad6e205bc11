package metrics

import (
	"context"
	"errors"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
)

// maxModels is how many models have a series of their own. People write names of
// models into params, so there could be any number.
const maxModels = 50

// LLMCall counts a question to a language model.
func (m *Metrics) LLMCall(c llm.Call) {
	// A server that was not found has the name that was asked for.
	server, model, outcome := c.Usage.Server, c.Usage.Model, "ok"
	if c.Err != nil {
		f, known := errors.AsType[*fault.Error](c.Err)
		switch {
		case known:
			outcome = string(f.Code)
		case errors.Is(c.Err, context.DeadlineExceeded):
			outcome = "deadline"
		default:
			outcome = "cancelled"
		}
	}
	if server == "" || outcome == string(fault.LLMServerUnknown) || outcome == string(fault.InvalidInput) {
		server, model = "other", "other"
	}
	model = m.llmModel(model, outcome == "ok")
	m.llmCalls.WithLabelValues(server, model, outcome).Inc()
	m.llmSeconds.WithLabelValues(server, model).Observe(c.Took.Seconds())
	for kind, n := range map[string]*int64{"prompt": c.Usage.Prompt, "completion": c.Usage.Completion} {
		if n != nil {
			m.llmTokens.WithLabelValues(server, model, kind).Add(float64(*n))
		}
	}
	if c.Err == nil && (c.Usage.Prompt == nil || c.Usage.Completion == nil) {
		m.llmUncounted.WithLabelValues(server, model).Inc()
	}
}

// llmModel is the label of a model: its name once it has answered.
func (m *Metrics) llmModel(name string, answered bool) string {
	m.modelsMu.Lock()
	defer m.modelsMu.Unlock()
	if !m.models[name] && (!answered || len(m.models) >= maxModels) {
		return "other"
	}
	m.models[name] = true
	return name
}
