package queue_test

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// The roles of a store as a simulated node sees them: calls may not arrive, and
// answers may be lost.

type simJobsRole struct {
	store.Jobs
	n *node
}

func via[T any](ctx context.Context, n *node, f func() (T, error)) (T, error) {
	var none T
	if err := n.reach(ctx); err != nil {
		return none, err
	}
	out, err := f()
	if err != nil {
		return none, err
	}
	if err := n.back(); err != nil {
		return none, err
	}
	return out, nil
}

func viaEach(ctx context.Context, n *node, count int, f func() []error) []error {
	errs, err := via(ctx, n, func() ([]error, error) { return f(), nil })
	if err != nil {
		errs = make([]error, count)
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

func (s simJobsRole) Claim(ctx context.Context, p store.ClaimJobs) (store.Claims, error) {
	return via(ctx, s.n, func() (store.Claims, error) { return s.Jobs.Claim(ctx, p) })
}

// simQueue only waits: a server of the simulation is told nothing by the store.
type simQueue struct{ store.Queue }

func (s simQueue) Await(_ context.Context, _ store.ClaimJobs, wait store.Waiting) (store.Claims, bool, error) {
	wait(nil)
	return store.Claims{}, false, nil
}

func (s simJobsRole) Job(ctx context.Context, tenant, id string) (job.Job, error) {
	return via(ctx, s.n, func() (job.Job, error) { return s.Jobs.Job(ctx, tenant, id) })
}

func (s simJobsRole) Attempts(ctx context.Context, ids []string) (map[string]store.Attempt, error) {
	return via(ctx, s.n, func() (map[string]store.Attempt, error) { return s.Jobs.Attempts(ctx, ids) })
}

func (s simJobsRole) Running(ctx context.Context, instance string) ([]store.Claimed, error) {
	return via(ctx, s.n, func() ([]store.Claimed, error) { return s.Jobs.Running(ctx, instance) })
}

func (s simJobsRole) Finish(ctx context.Context, items []store.Finish) []error {
	return viaEach(ctx, s.n, len(items), func() []error { return s.Jobs.Finish(ctx, items) })
}

type simRuns struct {
	store.Runs
	n *node
}

func (s simRuns) Report(ctx context.Context, items []store.Report) []error {
	return viaEach(ctx, s.n, len(items), func() []error { return s.Runs.Report(ctx, items) })
}

func (s simRuns) Checkpoint(ctx context.Context, jobID string) ([]byte, error) {
	return via(ctx, s.n, func() ([]byte, error) { return s.Runs.Checkpoint(ctx, jobID) })
}

type simLeases struct {
	store.Leases
	n *node
}

func nothing(err error) (struct{}, error) { return struct{}{}, err }

func (s simLeases) Register(ctx context.Context, i store.Instance, ttl time.Duration) error {
	_, err := via(ctx, s.n, func() (struct{}, error) { return nothing(s.Leases.Register(ctx, i, ttl)) })
	return err
}

func (s simLeases) Extend(ctx context.Context, instance string, now time.Time, ttl time.Duration) error {
	_, err := via(ctx, s.n, func() (struct{}, error) { return nothing(s.Leases.Extend(ctx, instance, now, ttl)) })
	return err
}

func (s simLeases) Condemn(ctx context.Context, p store.Condemn) error {
	_, err := via(ctx, s.n, func() (struct{}, error) { return nothing(s.Leases.Condemn(ctx, p)) })
	return err
}

func (s simLeases) Lost(ctx context.Context, p store.Condemn) (bool, error) {
	return via(ctx, s.n, func() (bool, error) { return s.Leases.Lost(ctx, p) })
}

func (s simLeases) Leftovers(ctx context.Context) ([]store.Leftover, error) {
	return via(ctx, s.n, func() ([]store.Leftover, error) { return s.Leases.Leftovers(ctx) })
}

func (s simLeases) Release(ctx context.Context, instance string, now time.Time) error {
	_, err := via(ctx, s.n, func() (struct{}, error) { return nothing(s.Leases.Release(ctx, instance, now)) })
	return err
}

func (s simLeases) Instances(ctx context.Context) ([]store.Instance, error) {
	return via(ctx, s.n, func() ([]store.Instance, error) { return s.Leases.Instances(ctx) })
}

type simEvents struct {
	store.Events
	n *node
}

func (s simEvents) Watch() (<-chan store.Hint, func()) {
	if s.n.deaf {
		return make(chan store.Hint), func() {}
	}
	return s.Events.Watch()
}
