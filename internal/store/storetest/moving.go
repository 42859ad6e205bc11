package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func movingChecks() []check {
	return []check{
		{"MoveEach/ItemsAreIndependent", eachIsIndependent},
		{"MoveEach/TakesJobsBackToTheirPlaces", eachRestores},
		{"MoveEach/GoesBehindInOrder", eachGoesBehind},
		{"MoveEach/Replays", eachReplays},
		{"Statistics/CountsByTenantAndTime", statisticsCount},
		{"Statistics/AverageWait", statisticsWait},
	}
}

// applied makes a change of a stored job.
func applied(t *testing.T, j job.Job, ev any) job.Change {
	t.Helper()
	c, err := job.Apply(j, ev)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// moveEach carries out changes, all of which must succeed.
func moveEach(t *testing.T, s store.Store, cs ...job.Change) []job.Job {
	t.Helper()
	moved, err := s.Jobs.MoveEach(t.Context(), store.MoveJobs{Changes: cs, Tenant: tenant, At: base})
	if err != nil {
		t.Fatal(err)
	}
	var out []job.Job
	for _, m := range moved {
		if m.Err != nil {
			t.Fatal(m.Err)
		}
		out = append(out, m.Job)
	}
	return out
}

func eachIsIndependent(t *testing.T, s store.Store) {
	js := add(t, s, newJob(named("a")), newJob(named("b")), newJob(named("c")))
	var cs []job.Change
	for _, j := range js {
		cs = append(cs, applied(t, j, job.Held{At: base, By: "ann", Reason: "audit"}))
	}
	mustMove(t, s, js[1], job.CancelAsked{At: base, By: "ann"})
	moved, err := s.Jobs.MoveEach(t.Context(), store.MoveJobs{Changes: cs, Tenant: tenant, At: base})
	if err != nil || len(moved) != 3 {
		t.Fatalf("%v, %v", moved, err)
	}
	wantCode(t, moved[1].Err, fault.Conflict)
	for _, i := range []int{0, 2} {
		if moved[i].Err != nil || moved[i].Job.HeldReason != "audit" || moved[i].Job.HeldBy != "ann" {
			t.Errorf("item %d: %+v", i, moved[i])
		}
		same(t, "stored", moved[i].Job, read(t, s, js[i].ID))
	}
	if got := read(t, s, js[1].ID); got.State != job.Cancelled {
		t.Errorf("the one that lost is %s", got.State)
	}
	none, err := s.Jobs.MoveEach(t.Context(), store.MoveJobs{Tenant: tenant, At: base})
	if err != nil || len(none) != 0 {
		t.Errorf("no changes: %v, %v", none, err)
	}
}

func eachRestores(t *testing.T, s store.Store) {
	var js []job.Job
	for i := range 5 {
		js = append(js, add(t, s, newJob(named(fmt.Sprint(i))))[0])
	}
	// 1 and 2 are cancelled, and another job gets the place of 1, and is cancelled there.
	one := mustMove(t, s, js[1], job.CancelAsked{At: base, By: "ann"})
	two := mustMove(t, s, js[2], job.CancelAsked{At: base, By: "ann"})
	taker := applied(t, js[4], job.Placed{At: base, Rank: one.Rank})
	taker.Emit = []event.Event{{Tenant: tenant, Type: event.QueueReordered, At: base}}
	moveEach(t, s, taker)
	four := mustMove(t, s, read(t, s, js[4].ID), job.CancelAsked{At: base, By: "ann"})
	back := moveEach(t, s, applied(t, two, job.Restored{At: base}), applied(t, four, job.Restored{At: base}), applied(t, one, job.Restored{At: base}))
	seen := map[string]bool{}
	for _, j := range back {
		if j.State != job.Queued || seen[string(j.Rank)] {
			t.Errorf("%s is %s at %q", j.Name, j.State, j.Rank)
		}
		seen[string(j.Rank)] = true
	}
	// The one that came back first has the place itself, the other the one before it.
	same(t, "order", []string{"0", "1", "4", "2", "3"}, order(t, s))
	sit, err := s.Jobs.Situation(t.Context(), back)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "positions", map[string]int{two.ID: 3, four.ID: 2, one.ID: 1}, sit.Positions)
}

// order is the names of the waiting jobs.
func order(t *testing.T, s store.Store) []string {
	t.Helper()
	page, err := s.Jobs.List(t.Context(), store.ListJobs{Tenant: tenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return names(page.Jobs)
}

func eachGoesBehind(t *testing.T, s store.Store) {
	js := add(t, s, newJob(named("a")), newJob(named("b")), newJob(named("c")), newJob(named("d"), prio(2)))
	before, err := s.Queue.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two := 2
	moveEach(t, s, applied(t, js[2], job.Edited{At: base, Priority: &two}), applied(t, js[0], job.Edited{At: base, Priority: &two}))
	same(t, "order", []string{"d", "c", "a", "b"}, order(t, s))
	after, err := s.Queue.Settings(t.Context())
	if err != nil || after.Revision != before.Revision+1 {
		t.Errorf("revision %d, was %d: %v", after.Revision, before.Revision, err)
	}
}

func eachReplays(t *testing.T, s store.Store) {
	js := add(t, s, newJob(), newJob())
	p := store.MoveJobs{Tenant: tenant, At: base, Key: &store.Key{
		Tenant: tenant, Owner: "o", Text: "k", Hash: "h", Now: base, Expires: base.Add(time.Hour),
		Render: func(result any) (store.Reply, error) {
			moved, _ := result.([]store.Moved)
			return store.Reply{Status: 200, Body: []byte(fmt.Sprint(len(moved)))}, nil
		},
	}}
	for _, j := range js {
		p.Changes = append(p.Changes, applied(t, j, job.Held{At: base, Reason: "x"}))
	}
	if _, err := s.Jobs.MoveEach(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	_, err := s.Jobs.MoveEach(t.Context(), p)
	if reply, ok := isReplay(err); !ok || string(reply.Body) != "2" {
		t.Errorf("repeated: %v", err)
	}
}

func statisticsCount(t *testing.T, s store.Store) {
	other := id.New(id.Tenant, base)
	ask := func(of string, since time.Time) store.Statistics {
		t.Helper()
		st, err := s.Jobs.Statistics(t.Context(), store.AskStatistics{Tenant: of, Since: since, Starts: 10})
		if err != nil {
			t.Fatal(err)
		}
		st.AverageWait = nil
		return st
	}
	same(t, "empty", store.Statistics{}, ask(tenant, base))
	pool(t, s, 3)
	add(t, s, newJob(named("a")), newJob(named("b")), newJob(named("c")))
	started := claim(t, s, 3)
	if len(started) != 3 {
		t.Fatalf("%d started", len(started))
	}
	succeed(t, s, started[0])
	if err := finishWith(t, s, started[1], job.Broke{At: base.Add(time.Minute), Failure: job.Failure{Code: "exit_nonzero"}}); err != nil {
		t.Fatal(err)
	}
	add(t, s, newJob(), newJob(held("x")), newJob(at(base.Add(time.Hour))), newJob(held("y"), at(base.Add(time.Hour))))
	want := store.Statistics{Queued: 4, Held: 2, Delayed: 1, Running: 1, Completed: 1, Failed: 1}
	same(t, "counted", want, ask(tenant, base))
	if _, err := s.Tenants.Create(t.Context(), store.PutTenant{Tenant: access.Tenant{ID: other, Name: "red", CreatedAt: base, UpdatedAt: base}}); err != nil {
		t.Fatal(err)
	}
	add(t, s, newJob(func(j *job.Job) { j.Tenant = other }))
	same(t, "with another tenant", want, ask(tenant, base))
	same(t, "the other tenant", store.Statistics{Queued: 1}, ask(other, base))
	want.Completed, want.Failed = 0, 0
	same(t, "later", want, ask(tenant, base.Add(24*time.Hour)))
}

func statisticsWait(t *testing.T, s store.Store) {
	pool(t, s, 8)
	for _, wait := range []time.Duration{time.Hour, 2 * time.Minute, 4 * time.Minute} {
		add(t, s, newJob(func(j *job.Job) { j.QueuedAt = base.Add(-wait) }))
	}
	for i := range 3 {
		if n := len(claimAt(t, s, "a", 1, base.Add(time.Duration(i)*time.Second)).Started); n != 1 {
			t.Fatalf("claim %d started %d", i, n)
		}
	}
	// The hour is not among the latest two.
	st, err := s.Jobs.Statistics(t.Context(), store.AskStatistics{Tenant: tenant, Since: base, Starts: 2})
	if err != nil || st.AverageWait == nil || *st.AverageWait != 3*time.Minute+1500*time.Millisecond {
		t.Errorf("%+v, %v", st, err)
	}
}
