package planner

import (
	"context"
	"maps"
	"slices"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/job"
)

// recipes are the jobs that were composed for a batch. To compose one reads its
// template, and schedules that are due together often start the same. They last no
// longer than the batch, so that a change of a template counts from the next one on.
type recipes map[recipe]job.Job

// recipe is what decides about a job.
type recipe struct{ tenant, by, template, inputs string }

// compose returns what was composed for another schedule, or else composes. Failures are not kept.
func (r recipes) compose(ctx context.Context, compose func(context.Context, agenda.Schedule) (job.Job, error), s agenda.Schedule) (job.Job, error) {
	t := s.Target
	if t.TemplateID == "" { // nothing is read for it
		return compose(ctx, s)
	}
	key := recipe{s.Tenant, s.CreatedBy, t.TemplateID, string(t.Inputs)}
	j, ok := r[key]
	if !ok {
		var err error
		if j, err = compose(ctx, s); err != nil {
			return j, err
		}
		j.ID = "" // each has its own
		r[key] = j
	}
	j.Params, j.Locks, j.Labels = slices.Clone(j.Params), slices.Clone(j.Locks), maps.Clone(j.Labels)
	return j, nil
}
