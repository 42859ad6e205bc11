package storetest

import (
	"sync"
	"testing"
	"time"

	claimrule "github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func budgetChecks() []check {
	return []check{
		{"Budgets/CountTheDay", budgetCounts},
		{"Budgets/AreSeenByClaims", budgetClaims},
		{"Budgets/ManyCallsAtOnce", budgetRace},
		{"Budgets/RenewForMembersOfGroups", budgetOfGroup},
	}
}

func called(t *testing.T, s store.Store, r run.Run, at time.Time, tokens [2]int64) {
	t.Helper()
	c := run.Call{Server: "default", Model: "m", Stage: "s", Outcome: run.CallOK, Prompt: &tokens[0], Completion: &tokens[1], StartedAt: at}
	if err := s.Calls.Record(t.Context(), store.RecordCall{RunID: r.ID, Epoch: r.Epoch, Call: c, At: at}); err != nil {
		t.Fatal(err)
	}
}

func putBudget(t *testing.T, s store.Store, b job.Budget) {
	t.Helper()
	b.UpdatedBy, b.UpdatedAt = "tester", base
	if err := s.Budgets.Put(t.Context(), store.PutBudget{Budget: b}); err != nil {
		t.Fatal(err)
	}
}

func budgetsAt(t *testing.T, s store.Store, of string, at time.Time) []job.Budget {
	t.Helper()
	out, err := s.Budgets.List(t.Context(), of, at)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func budgetCounts(t *testing.T, s store.Store) {
	pool(t, s, 3)
	add(t, s, newJob(func(j *job.Job) { j.TemplateID = "tmpl_a" }), newJob())
	cs := claim(t, s, 2)
	putBudget(t, s, job.Budget{Tenant: tenant, TemplateID: "tmpl_a", Tokens: 10})
	putBudget(t, s, job.Budget{Tenant: tenant, Tokens: 50})
	putBudget(t, s, job.Budget{Tenant: tenant, Tokens: 100})
	day := base.Truncate(24 * time.Hour).Add(23*time.Hour + 59*time.Minute + 59*time.Second)
	called(t, s, cs[0].Run, day, [2]int64{4, 6})
	called(t, s, cs[1].Run, day, [2]int64{20, 0})
	own := job.Budget{Tenant: tenant, Tokens: 100, Spent: 30, UpdatedBy: "tester", UpdatedAt: base}
	tmpl := job.Budget{Tenant: tenant, TemplateID: "tmpl_a", Tokens: 10, Spent: 10, UpdatedBy: "tester", UpdatedAt: base}
	same(t, "budgets", []job.Budget{own, tmpl}, budgetsAt(t, s, tenant, day))
	if got := budgetsAt(t, s, "red", day); len(got) != 0 {
		t.Errorf("another tenant sees %v", got)
	}
	// A new day begins at midnight in UTC.
	own.Spent, tmpl.Spent = 0, 0
	same(t, "next day", []job.Budget{own, tmpl}, budgetsAt(t, s, tenant, day.Add(time.Second)))
	if err := s.Budgets.Delete(t.Context(), store.PutBudget{Budget: job.Budget{Tenant: tenant, TemplateID: "tmpl_a"}}); err != nil {
		t.Fatal(err)
	}
	same(t, "after delete", []job.Budget{own}, budgetsAt(t, s, tenant, day.Add(time.Second)))
	wantCode(t, s.Budgets.Delete(t.Context(), store.PutBudget{Budget: job.Budget{Tenant: tenant, TemplateID: "tmpl_a"}}), fault.NotFound)
}

func budgetClaims(t *testing.T, s store.Store) {
	pool(t, s, 5)
	add(t, s, newJob())
	called(t, s, claimOne(t, s).Run, base, [2]int64{3, 4})
	putBudget(t, s, job.Budget{Tenant: tenant, Tokens: 7})
	add(t, s, newJob(locks("model:m")))
	var seen []job.Budget
	_, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Now: base, Poll: true, Room: 1, Decide: func(snap job.Snapshot) job.Decision {
		seen = snap.Budgets
		return job.Decision{}
	}})
	if err != nil || len(seen) != 1 || seen[0].Spent != 7 || !seen[0].Over() {
		t.Errorf("a claim sees %+v, %v", seen, err)
	}
}

func budgetRace(t *testing.T, s store.Store) {
	pool(t, s, 3)
	add(t, s, newJob())
	c := claimOne(t, s)
	putBudget(t, s, job.Budget{Tenant: tenant, Tokens: 1000})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			one := int64(1)
			call := run.Call{Model: "m", Outcome: run.CallOK, Prompt: &one, Completion: &one, StartedAt: base}
			if err := s.Calls.Record(t.Context(), store.RecordCall{RunID: c.Run.ID, Epoch: c.Run.Epoch, Call: call, At: base}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := budgetsAt(t, s, tenant, base); got[0].Spent != 40 {
		t.Errorf("spent %d, want 40", got[0].Spent)
	}
	calls, err := s.Calls.Of(t.Context(), tenant, c.Run.ID)
	if err != nil || len(calls) != 20 {
		t.Errorf("%d calls, %v", len(calls), err)
	}
}

// budgetOfGroup: a member of a running group, which has no place of its own in the order,
// starts when a new day has renewed its budget, though nothing was changed since a claim
// that started nothing.
func budgetOfGroup(t *testing.T, s store.Store) {
	pool(t, s, 3)
	if err := s.Leases.Extend(t.Context(), "a", base, 100*time.Hour); err != nil {
		t.Fatal(err)
	}
	g := group(job.Parallel, job.FailureContinue)
	g.MaxParallel = 1
	addGroup(t, s, g, newJob(locks("model:m")), newJob(locks("model:m")))
	look := func(now time.Time) []store.Claimed {
		t.Helper()
		c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Now: now, Poll: true, Room: 3, Decide: claimrule.Decide})
		if err != nil {
			t.Fatal(err)
		}
		return c.Started
	}
	cs := look(base)
	if len(cs) != 1 {
		t.Fatalf("%d started", len(cs))
	}
	putBudget(t, s, job.Budget{Tenant: tenant, Tokens: 7})
	called(t, s, cs[0].Run, base, [2]int64{3, 4})
	succeed(t, s, cs[0])
	for range 3 {
		if n := len(look(base.Add(time.Second))); n != 0 {
			t.Fatalf("%d started, and the day's tokens are spent", n)
		}
	}
	if n := len(look(base.Add(24 * time.Hour))); n != 1 {
		t.Errorf("%d started on the next day", n)
	}
}
