package reserve

import (
	"context"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/store"
)

// schedules refuses new work while the disk is full: new schedules and what they
// fire. A nominal that is not decided stays due, so none is lost.
type schedules struct {
	store.Schedules
	keys store.Keys
	g    *Guard
}

func (s schedules) Create(ctx context.Context, p store.PutSchedule) (out agenda.Schedule, err error) {
	err = s.g.fresh(ctx, s.keys, p.Key, func() error {
		out, err = s.Schedules.Create(ctx, p)
		return err
	})
	return out, err
}

func (s schedules) Claim(ctx context.Context, p store.ClaimSchedules) (store.DueSchedules, error) {
	if err := s.g.Err(); err != nil {
		return store.DueSchedules{}, err
	}
	due, err := s.Schedules.Claim(ctx, p)
	return due, s.g.note(err)
}

func (s schedules) Decide(ctx context.Context, items []store.Decided) (errs []error, err error) {
	var key *store.Key
	if len(items) == 1 {
		key = items[0].Key
	}
	err = s.g.fresh(ctx, s.keys, key, func() error {
		errs, err = s.Schedules.Decide(ctx, items)
		return err
	})
	return errs, err
}
