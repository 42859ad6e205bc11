package planner_test

import (
	"context"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/store"
)

// choosy is a store that cannot take what the schedule "bad" makes.
type choosy struct{ store.Schedules }

func (c choosy) Decide(ctx context.Context, items []store.Decided) ([]error, error) {
	for _, d := range items {
		if d.Name == "bad" && len(d.Jobs) > 0 {
			return nil, fault.New(fault.InvalidInput, "a text holds a character that the database cannot store")
		}
	}
	return c.Schedules.Decide(ctx, items)
}

// TestBadScheduleStopsNoOther: neither one whose decision cannot be written nor one
// that makes the program panic.
func TestBadScheduleStopsNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t, plain, func(o *planner.Options) {
		o.Store = choosy{o.Store}
		o.Compose = func(ctx context.Context, s agenda.Schedule) (job.Job, error) {
			if s.Name == "panics" {
				panic("a test")
			}
			return compose(ctx, s)
		}
	})
	for _, name := range []string{"bad", "panics"} {
		n := agenda.Schedule{ID: id.New(id.Schedule, beginning), Tenant: tenant, CreatedAt: beginning, UpdatedAt: beginning}
		n.Name, n.Zone, n.Policy, n.State = name, "UTC", agenda.NewPolicy(), agenda.State{}.Begin(beginning)
		if _, err := b.s.Schedules.Create(t.Context(), store.PutSchedule{Schedule: n}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := b.p.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(10 * time.Minute)
	}
	for name, want := range map[string]agenda.Status{"s": agenda.Active, "bad": agenda.Paused, "panics": agenda.Paused} {
		s, err := b.s.Schedules.Schedule(t.Context(), tenant, name)
		if err != nil || s.State.Status != want || (s.State.RunCount > 0) != (name == "s") || (s.State.StatusReason == "") != (name == "s") {
			t.Errorf("%s: %+v, %v", name, s.State, err)
		}
	}
}
