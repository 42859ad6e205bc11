package claim_test

import (
	"fmt"
	"testing"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
)

// TestGroupsOfASpentBudgetDoNotHideTheOthers: they wait until midnight, and however
// many they are, another tenant's group behind them starts.
func TestGroupsOfASpentBudgetDoNotHideTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.workers = 2
	w.budgets = []job.Budget{{Tenant: "t1", Tokens: 10, Spent: 10}}
	add := func(tenant string, n int) *job.Job {
		g := &job.Group{ID: fmt.Sprint("g", n), Tenant: tenant, Mode: job.Sequential, OnFailure: job.FailureStop, State: job.GroupPending, Total: 1}
		j := &job.Job{
			ID: fmt.Sprint("j", n), GroupID: g.ID, State: job.Queued, Type: "story", Tenant: tenant, Locks: []string{fmt.Sprint("model:", n)},
			Priority: job.PriorityNormal,
		}
		j.Rank = rank.Natural(j.Zone(), int64(n))
		w.groups, w.jobs = append(w.groups, g), append(w.jobs, j)
		return j
	}
	for n := range 100 {
		add("t1", n+1)
	}
	want := add("t2", 200)
	d := claim.Decide(w.snapshot())
	if len(d.Claims) != 1 || d.Claims[0].JobID != want.ID {
		t.Errorf("starts %+v, want %s", d.Claims, want.ID)
	}
}
