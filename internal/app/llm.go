package app

import (
	"context"

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
