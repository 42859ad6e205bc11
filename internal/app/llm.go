package app

import (
	"context"
	"errors"

	"github.com/runsheet/runsheet/internal/llm"
)

// openLLM makes the way to the servers of language models. None is asked: most
// installations have none, and one that is down must not stop the server.
func (a *App) openLLM(context.Context) (err error) {
	o := a.o.Config.LLM.Options()
	o.Clock, o.Observe = a.o.Clock, a.metrics.LLMCall
	a.llm, err = llm.New(o)
	return err
}

// loadedModels tells the locks of the models that the servers have in memory.
// Servers that do not tell are left out; nil without an error says that none does.
func (a *App) loadedModels(ctx context.Context) ([]string, error) {
	var (
		out  []string
		errs []error
	)
	for _, s := range a.llm.Servers() {
		if s.Kind != llm.Ollama {
			continue
		}
		found, err := a.llm.Loaded(ctx, s.Name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if out == nil {
			out = []string{}
		}
		for _, m := range found {
			out = append(out, llm.LockName(m.Name))
		}
	}
	if out != nil {
		return out, nil
	}
	return nil, errors.Join(errs...)
}
