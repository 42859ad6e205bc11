package queue

import (
	"context"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
)

// decide is claim.Decide, and remembers whether loaded models mattered.
func (e *Engine) decide(s job.Snapshot) job.Decision {
	e.affine.Store(s.Rules.ModelAffinity > 0)
	return claim.Decide(s)
}

// watchModels keeps the note of which models are loaded near the truth while
// model_affinity is on: a server drops a model after a while, and others than
// Runsheet use it. It is a hint: without it, or when it is late, only the number of
// swaps suffers.
func (e *Engine) watchModels(ctx context.Context) {
	if e.o.LoadedModels == nil {
		return
	}
	for clock.Pulse(ctx, e.o.Clock, modelsEvery) == nil {
		if !e.affine.Load() {
			continue
		}
		models, err := e.o.LoadedModels(ctx)
		if err == nil && models != nil {
			err = e.o.Store.Queue.SetLoaded(ctx, models)
		}
		if n, ok := e.quiet.due("models"); err != nil && ok && ctx.Err() == nil {
			e.log.Warn("cannot find out which models are loaded", "error", err, "left_out", n)
		}
	}
}
