package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// equalJobs gives all jobs of a decision one key.
func equalJobs(d store.Decided, key string) store.Decided {
	d.Unique = map[string]store.Unique{}
	for i := range d.Jobs {
		d.Jobs[i].UniqueKey = key
		d.Unique[d.Jobs[i].ID] = store.Unique{}
	}
	return d
}

// scheduleConflictUnique: a job that is not made because its decision came too late
// keeps no equal one of the same batch away.
func scheduleConflictUnique(t *testing.T, s store.Store) {
	createPlan(t, s, newSchedule("a"))
	createPlan(t, s, newSchedule("b"))
	due := claimPlans(t, s, "p", base)
	items := []store.Decided{equalJobs(firing(due[0], base, 1), "k"), equalJobs(firing(due[1], base, 1), "k")}
	items[0].Epoch--
	errs, err := s.Schedules.Decide(t.Context(), items)
	if err != nil || errs[1] != nil {
		t.Fatal(errs, err)
	}
	wantCode(t, errs[0], fault.Conflict)
	same(t, "the other one", []string{"1 QUEUED"}, planHistory(t, s, due[1].Schedule.Name))
	same(t, "queue", []string{items[1].Jobs[0].ID}, queued(t, s))
}

// scheduleOppositeBatches: two instances decide about batches that name the same
// keys, in opposite orders.
func scheduleOppositeBatches(t *testing.T, s store.Store) {
	const half, rounds = 10, 5
	for i := range 2 * half {
		createPlan(t, s, newSchedule(fmt.Sprint("s", i)))
	}
	for r := range rounds {
		now := base.Add(time.Duration(r) * time.Hour)
		var batches [2][]store.Decided
		for i, d := range claimPlans(t, s, "p", now) {
			batches[i/half] = append(batches[i/half], equalJobs(firing(d, now, r+1), fmt.Sprint("k", r, i%half)))
		}
		slices.Reverse(batches[1])
		together(2, func(p int) {
			errs, err := s.Schedules.Decide(t.Context(), batches[p])
			for _, e := range errs {
				if e != nil {
					t.Error(e)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	counts, err := s.Jobs.Counts(t.Context(), tenant)
	if err != nil || counts[job.Queued] != half*rounds {
		t.Errorf("%d jobs, want one for each of %d keys: %v", counts[job.Queued], half*rounds, err)
	}
}
