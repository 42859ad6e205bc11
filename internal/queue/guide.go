package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// This file holds what an attempt is given beside its params: the directive that
// it works under and what earlier runs left.

// directive reads the version that the attempt is bound to. A database that is
// away is waited for until ctx ends. A directive that was archived or deleted
// since the job was added ends the attempt: its permission was taken away.
func (e *Engine) directive(ctx context.Context, r run.Run) (*directive.Snapshot, error) {
	if r.Directive.ID == "" {
		return nil, nil
	}
	for {
		d, err := e.o.Store.Directives.Version(ctx, r.Tenant, r.Directive.ID, r.Directive.Version)
		switch {
		case err == nil && d.Archived:
			return nil, task.Fatal(string(fault.DirectiveArchived), fmt.Errorf("directive %s was archived or deleted", d.Name))
		case err == nil:
			return &directive.Snapshot{ID: d.ID, Name: d.Name, Version: d.Version, Content: d.Content}, nil
		case fault.Is(err, fault.NotFound):
			return nil, task.Fatal(string(fault.DirectiveArchived), errors.New("the directive is not there any more"))
		}
		if n, ok := e.quiet.due("directive"); ok && ctx.Err() == nil {
			e.log.Error("cannot read the directive of an attempt, trying again", "run_id", r.ID, "error", err, "left_out", n)
		}
		if clock.Sleep(ctx, e.o.Clock, backoff) != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// timeout is the shorter of the job's and the directive's; 0 = none.
func timeout(own time.Duration, d *directive.Snapshot) time.Duration {
	if d == nil || d.Content.Limits.Time() == 0 || own > 0 && own < d.Content.Limits.Time() {
		return own
	}
	return d.Content.Limits.Time()
}

// limitTime stops the attempt after a while. The caller calls the function that it
// gets when the work has ended.
func (e *Engine) limitTime(a *attempt, after time.Duration) (stop func()) {
	a.limit = after
	if after <= 0 {
		return func() {}
	}
	timer, over := e.o.Clock.NewTimer(after), make(chan struct{})
	go func() {
		select {
		case <-timer.C():
			a.cancel(task.ErrTimeout)
		case <-over:
		}
	}()
	return func() {
		close(over)
		timer.Stop()
	}
}

// earlierRuns is how many runs of a job are searched for an artifact.
const earlierRuns = 50

// opener returns the Open of an attempt. A database that is away is waited for until
// ctx ends: what was done before must not be done again because of it.
func (e *Engine) opener(a *attempt, h *host) func(ctx context.Context, runID, name string) (io.ReadCloser, error) {
	return func(ctx context.Context, runID, name string) (io.ReadCloser, error) {
		var sum string
		if err := h.persist(ctx, func() (err error) {
			sum, err = e.find(ctx, a, runID, name)
			return err
		}); err != nil {
			return nil, err
		}
		f, _, err := e.o.OpenBlob(ctx, sum)
		if err != nil {
			return nil, err
		}
		return intact{f, name}, nil
	}
}

// find is the hash of an artifact as Open of an attempt looks for it.
func (e *Engine) find(ctx context.Context, a *attempt, runID, name string) (sum string, err error) {
	ids := []string{runID}
	if runID == "" {
		if ids, err = e.runsOf(ctx, a); err != nil {
			return "", err
		}
	}
	arts, err := e.o.Store.Artifacts.Of(ctx, a.run.Tenant, ids...)
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		n := slices.IndexFunc(arts[id], func(x run.Artifact) bool { return x.Name == name })
		if n >= 0 && e.o.OpenBlob != nil {
			return arts[id][n].SHA256, nil
		}
	}
	return "", fault.Newf(fault.ArtifactGone, "there is no artifact %s", name)
}

// intact is content that counts as gone once it proves to be damaged: it will be no
// better the next time.
type intact struct {
	io.ReadCloser
	name string
}

// Read implements io.Reader.
func (c intact) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if errors.Is(err, blob.ErrDamaged) {
		err = fault.Wrap(err, fault.ArtifactGone, "the content of artifact "+c.name+" is damaged")
	}
	return n, err
}

// runsOf are the ids of the job's runs, newest first; none of a direct request.
func (e *Engine) runsOf(ctx context.Context, a *attempt) ([]string, error) {
	if a.job.ID == "" {
		return nil, nil
	}
	page, err := e.o.Store.Runs.List(ctx, store.ListRuns{Tenant: a.run.Tenant, JobID: a.job.ID, Limit: earlierRuns})
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(page.Runs))
	for _, r := range page.Runs {
		ids = append(ids, r.ID)
	}
	return ids, nil
}
