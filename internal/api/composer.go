package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
)

// Composer makes jobs as POST /api/jobs does, for who has no request: schedules. It
// is safe for concurrent use.
type Composer struct{ s *service }

// NewComposer returns a composer. Store, Tasks, and what else of the options
// decides about jobs, are as for New.
func NewComposer(o Options) (*Composer, error) {
	if o.Tasks == nil || o.Store.Templates == nil {
		return nil, errors.New("api: Store and Tasks must be given")
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	params, err := paramSchemas(o.Tasks)
	if err != nil {
		return nil, err
	}
	return &Composer{&service{Options: o, log: o.Logger, schemas: &schemas{params: params}}}, nil
}

// Compose makes the job that body, a JobInput, describes when p sends it. The job
// has no id and is not stored. Faults as those of POST /api/jobs.
func (c *Composer) Compose(ctx context.Context, p access.Principal, body []byte) (job.Job, error) {
	var in wire.JobInput
	if err := strict.Decode(body, &in); err != nil {
		return job.Job{}, err
	}
	if err := unasked(in); err != nil {
		return job.Job{}, err
	}
	r := &request{Request: (&http.Request{Header: http.Header{}}).WithContext(ctx), principal: p, body: body}
	return c.s.compose(r, in)
}
