package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func groupChecks() []check {
	return []check{
		{"Groups/CreateAndRead", groupCreate},
		{"Groups/AddMembers", groupAddMembers},
		{"Groups/ListPages", groupList},
		{"Groups/ParallelInOneSlot", groupParallel},
		{"Groups/SequentialInListOrder", groupSequential},
		{"Groups/StopSkipsTheRest", groupStop},
		{"Groups/ContinueEndsPartial", groupContinue},
		{"Groups/CancelWhilePending", groupCancelWaiting},
		{"Groups/CancelWhileRunning", groupCancelRunning},
		{"Groups/MovesAsOne", groupMoves},
		{"Groups/MembersMoveInside", groupInside},
		{"Groups/RetryInside", groupRetry},
		{"Groups/CrashInside", groupCrash},
		{"Groups/MembersEndTogether", groupRace},
		{"Groups/HeldMemberWhileItStops", groupStopRace},
	}
}

func group(m job.GroupMode, f job.OnFailure) job.Group {
	return job.Group{
		ID: id.New(id.Group, base), Tenant: tenant, Name: "group", Mode: m, MaxParallel: 2, OnFailure: f,
		CreatedBy: "tester", CreatedAt: base,
	}
}

func addGroup(t testing.TB, s store.Store, g job.Group, js ...job.Job) store.GroupAdded {
	t.Helper()
	for i := range js {
		js[i].Trigger = job.TriggerGroup
	}
	got, err := s.Groups.Create(t.Context(), store.AddGroup{Group: g, Jobs: js, Priority: job.PriorityNormal})
	if err != nil {
		t.Fatalf("create group: %v", err)
	}
	return got
}

// wantGroup checks state and counters: succeeded, failed, skipped, cancelled.
func wantGroup(t testing.TB, s store.Store, groupID string, state job.GroupState, counts ...int) {
	t.Helper()
	g := readGroup(t, s, groupID)
	got := []int{g.Succeeded, g.Failed, g.Skipped, g.Cancelled}
	if g.State != state || !slices.Equal(got, counts) {
		t.Errorf("group is %s with %v, want %s with %v", g.State, got, state, counts)
	}
	if g.Terminal() == g.FinishedAt.IsZero() {
		t.Errorf("group is %s, finished at %v", g.State, g.FinishedAt)
	}
}

func broke() job.Broke { return job.Broke{At: base, Failure: job.Failure{Code: "x"}} }

func mustFinish(t testing.TB, s store.Store, c store.Claimed, ev any) {
	t.Helper()
	if err := finishWith(t, s, c, ev); err != nil {
		t.Fatalf("finish: %v", err)
	}
}

func groupCreate(t *testing.T, s store.Store) {
	l := letters(t, s, "a b")
	g := group(job.Parallel, job.FailureStop)
	g.Labels = map[string]string{"k": "v"}
	got, err := s.Groups.Create(t.Context(), store.AddGroup{Group: g, Jobs: members(2), Priority: 5, Place: &store.Place{Before: l["b"]}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Position != 1 || got.Group.State != job.GroupPending || got.Group.Total != 2 || len(got.Jobs) != 2 {
		t.Errorf("created %+v", got)
	}
	same(t, "group", readGroup(t, s, g.ID), got.Group)
	ms, err := s.Groups.Members(t.Context(), tenant, g.ID, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "members", got.Jobs, ms)
	rest, err := s.Groups.Members(t.Context(), tenant, g.ID, ms[0].Rank, 10)
	if err != nil || len(rest) != 1 || rest[0].ID != ms[1].ID {
		t.Errorf("behind the first: %v, %v", ids(rest), err)
	}
	same(t, "by group", ids(ms), ids(list(t, s, store.ListJobs{GroupID: g.ID, Sort: store.SortQueue}).Jobs))
	wantOrder(t, s, "a m0 m1 b")
	wantPositions(t, s)
	low := group(job.Parallel, job.FailureStop)
	if _, err := s.Groups.Create(t.Context(), store.AddGroup{Group: low, Jobs: []job.Job{newJob(named("low"))}, Priority: 8}); err != nil {
		t.Fatal(err)
	}
	letters(t, s, "c")
	wantOrder(t, s, "a m0 m1 b c low")
	wantPositions(t, s)
	_, err = s.Groups.Group(t.Context(), "ten_other", g.ID)
	wantCode(t, err, fault.NotFound)
	if ms, err = s.Groups.Members(t.Context(), "ten_other", g.ID, "", 10); err != nil || len(ms) != 0 {
		t.Errorf("another tenant sees %d members, %v", len(ms), err)
	}
}

func groupAddMembers(t *testing.T, s store.Store) {
	pool(t, s, 2)
	letters(t, s, "a")
	g := addGroup(t, s, group(job.Parallel, job.FailureStop), members(1)...).Group
	letters(t, s, "b")
	more := store.AddMembers{Tenant: tenant, GroupID: g.ID, Jobs: []job.Job{newJob(named("m1")), newJob(named("m2"))}}
	got, err := s.Groups.Add(t.Context(), more)
	if err != nil {
		t.Fatal(err)
	}
	if got.Position != 1 || got.Group.Total != 3 || len(got.Jobs) != 2 {
		t.Errorf("added %+v", got)
	}
	wantOrder(t, s, "a m0 m1 m2 b")
	wantPositions(t, s)
	claim(t, s, 2)
	more.Jobs = members(1)
	_, err = s.Groups.Add(t.Context(), more)
	wantCode(t, err, fault.GroupStarted)
	more.GroupID = id.New(id.Group, base)
	_, err = s.Groups.Add(t.Context(), more)
	wantCode(t, err, fault.NotFound)
}

func groupList(t *testing.T, s store.Store) {
	var want []string
	for i := range 5 {
		g := group(job.Parallel, job.FailureStop)
		g.CreatedAt = base.Add(time.Duration(i/2) * time.Second)
		g.Name = fmt.Sprint("Ünit ", i)
		addGroup(t, s, g, members(1)...)
		want = append(want, fmt.Sprint(i/2, g.ID)) // by time, then by id
	}
	slices.Sort(want)
	slices.Reverse(want)
	for i := range want {
		want[i] = want[i][1:]
	}
	var got []string
	p := store.ListGroups{Tenant: tenant, Text: "üNIT", States: []job.GroupState{job.GroupPending}, Limit: 2}
	for {
		page, err := s.Groups.List(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.Groups {
			got = append(got, g.ID)
			p.After = &store.GroupMark{CreatedAt: g.CreatedAt, ID: g.ID}
		}
		if !page.More {
			break
		}
	}
	same(t, "groups", want, got)
	p = store.ListGroups{Tenant: tenant, States: []job.GroupState{job.GroupRunning}, Limit: 2}
	if page, err := s.Groups.List(t.Context(), p); err != nil || len(page.Groups) != 0 {
		t.Errorf("%d run, %v", len(page.Groups), err)
	}
}

func groupParallel(t *testing.T, s store.Store) {
	pool(t, s, 2)
	g := addGroup(t, s, group(job.Parallel, job.FailureStop), members(3)...)
	l := letters(t, s, "a b")
	cs := claim(t, s, 10)
	same(t, "started", []string{g.Jobs[0].ID, g.Jobs[1].ID, l["a"]}, claimedIDs(cs))
	if cs[0].Run.GroupID != g.Group.ID || !cs[0].Job.GroupActive {
		t.Errorf("member %+v", cs[0])
	}
	wantGroup(t, s, g.Group.ID, job.GroupRunning, 0, 0, 0, 0)
	wantPositions(t, s)
	if len(claim(t, s, 10)) != 0 {
		t.Error("more started than two at a time in two slots")
	}
	succeed(t, s, cs[0])
	last := claim(t, s, 10)
	same(t, "third member", []string{g.Jobs[2].ID}, claimedIDs(last))
	succeed(t, s, cs[1])
	if len(claim(t, s, 10)) != 0 {
		t.Error("the slot was given away while a member runs")
	}
	succeed(t, s, last[0])
	wantGroup(t, s, g.Group.ID, job.GroupCompleted, 3, 0, 0, 0)
	same(t, "next", []string{l["b"]}, claimedIDs(claim(t, s, 10)))
	var types []event.Type
	for _, e := range since(t, s, 0) {
		if e.Data["group_id"] == g.Group.ID {
			types = append(types, e.Type)
		}
	}
	same(t, "announced", []event.Type{event.GroupCreated, event.GroupStarted, event.GroupFinished}, types)
}

func groupSequential(t *testing.T, s store.Store) {
	pool(t, s, 1)
	g := addGroup(t, s, group(job.Sequential, job.FailureStop), members(3)...)
	letters(t, s, "a")
	for i, m := range g.Jobs {
		cs := claim(t, s, 10)
		same(t, fmt.Sprint("member ", i), []string{m.ID}, claimedIDs(cs))
		wantPositions(t, s)
		succeed(t, s, cs[0])
	}
	wantGroup(t, s, g.Group.ID, job.GroupCompleted, 3, 0, 0, 0)
	same(t, "then", 1, len(claim(t, s, 10)))
}

func groupStop(t *testing.T, s store.Store) {
	pool(t, s, 1)
	g := addGroup(t, s, group(job.Sequential, job.FailureStop), members(4)...)
	mustMove(t, s, read(t, s, g.Jobs[3].ID), job.Held{At: base, Reason: "x"})
	c := claimOne(t, s)
	mustFinish(t, s, c, job.Passed{At: base, Reason: "nothing"}) // no failure
	mustFinish(t, s, claimOne(t, s), broke())
	wantGroup(t, s, g.Group.ID, job.GroupPartial, 0, 1, 3, 0)
	for _, m := range g.Jobs[2:] {
		j := read(t, s, m.ID)
		r, err := s.Runs.Run(t.Context(), tenant, j.RunID)
		if err != nil || j.State != job.Skipped || r.State != run.Skipped || r.Reason != job.ReasonGroupStopped {
			t.Errorf("job %s, run %+v, %v", j.State, r, err)
		}
	}
	wantPositions(t, s)
	if len(claim(t, s, 1)) != 0 {
		t.Error("something started")
	}
}

func groupContinue(t *testing.T, s store.Store) {
	pool(t, s, 1)
	g := addGroup(t, s, group(job.Sequential, job.FailureContinue), members(3)...)
	mustFinish(t, s, claimOne(t, s), broke())
	mustMove(t, s, read(t, s, g.Jobs[2].ID), job.CancelAsked{At: base})
	mustFinish(t, s, claimOne(t, s), job.Succeeded{At: base})
	wantGroup(t, s, g.Group.ID, job.GroupPartial, 1, 1, 0, 1)
}

func mustCancelGroup(t testing.TB, s store.Store, groupID string) {
	t.Helper()
	g, err := s.Groups.Cancel(t.Context(), store.CancelGroup{Tenant: tenant, ID: groupID, By: "me", At: base})
	if err != nil {
		t.Fatalf("cancel: %v", err)
	}
	same(t, "cancelled group", readGroup(t, s, groupID), g)
}

func groupCancelWaiting(t *testing.T, s store.Store) {
	letters(t, s, "a")
	g := addGroup(t, s, group(job.Parallel, job.FailureStop), members(3)...)
	letters(t, s, "b")
	mustCancelGroup(t, s, g.Group.ID)
	wantGroup(t, s, g.Group.ID, job.GroupPartial, 0, 0, 0, 3)
	wantOrder(t, s, "a b")
	wantPositions(t, s)
	_, err := s.Groups.Cancel(t.Context(), store.CancelGroup{Tenant: tenant, ID: g.Group.ID, At: base})
	wantCode(t, err, fault.AlreadyFinished)
	_, err = s.Groups.Cancel(t.Context(), store.CancelGroup{Tenant: "ten_other", ID: g.Group.ID, At: base})
	wantCode(t, err, fault.NotFound)
}

// groupCancelRunning: waiting members are cancelled, not skipped because the
// first of them was; running ones are asked.
func groupCancelRunning(t *testing.T, s store.Store) {
	for _, f := range []job.OnFailure{job.FailureStop, job.FailureContinue} {
		if f == job.FailureStop {
			pool(t, s, 1)
		}
		g := addGroup(t, s, group(job.Parallel, f), members(5)...)
		cs := claim(t, s, 5)
		if len(cs) != 2 {
			t.Fatalf("%d started", len(cs))
		}
		mustCancelGroup(t, s, g.Group.ID)
		wantGroup(t, s, g.Group.ID, job.GroupRunning, 0, 0, 0, 3)
		for _, c := range cs {
			c.Job = read(t, s, c.Job.ID)
			if c.Job.CancelAskedAt.IsZero() || c.Job.CancelledBy != "me" {
				t.Errorf("not asked: %+v", c.Job)
			}
			mustFinish(t, s, c, broke())
		}
		wantGroup(t, s, g.Group.ID, job.GroupPartial, 0, 0, 0, 5)
		wantPositions(t, s)
	}
}

func groupMoves(t *testing.T, s store.Store) {
	l := letters(t, s, "a b")
	g := addGroup(t, s, group(job.Parallel, job.FailureStop), members(3)...)
	letters(t, s, "c")
	got := place(t, s, &store.Place{Top: true}, g.Group.ID)
	wantOrder(t, s, "m0 m1 m2 a b c")
	if got.OldPosition != 2 || got.NewPosition != 0 || got.Job.ID != g.Jobs[0].ID {
		t.Errorf("moved %+v", got)
	}
	place(t, s, &store.Place{After: l["a"]}, g.Group.ID)
	wantOrder(t, s, "a m0 m1 m2 b c")
	place(t, s, &store.Place{Before: g.Jobs[1].ID}, l["b"]) // a member stands for its group
	wantOrder(t, s, "a b m0 m1 m2 c")
	place(t, s, nil, g.Group.ID, l["b"], l["a"])
	wantOrder(t, s, "m0 m1 m2 b a c")
	if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(named("d"))}, Place: &store.Place{After: g.Group.ID}}); err != nil {
		t.Fatal(err)
	}
	wantOrder(t, s, "m0 m1 m2 d b a c")
	ms, err := s.Groups.Members(t.Context(), tenant, g.Group.ID, "", 10)
	if err != nil || len(ms) != 3 || ms[0].Rank.Place() != readGroup(t, s, g.Group.ID).Rank {
		t.Errorf("members %+v, %v", ms, err)
	}
	pool(t, s, 1)
	same(t, "started", []string{g.Jobs[0].ID, g.Jobs[1].ID}, claimedIDs(claim(t, s, 5)))
	after := place(t, s, &store.Place{Bottom: true}, g.Group.ID)
	same(t, "ignored", []string{g.Group.ID}, after.Ignored)
}

func groupInside(t *testing.T, s store.Store) {
	pool(t, s, 1)
	letters(t, s, "a")
	g := addGroup(t, s, group(job.Sequential, job.FailureContinue), members(4, retries(2))...)
	letters(t, s, "b")
	m := ids(g.Jobs)
	got := place(t, s, &store.Place{Top: true}, m[2])
	wantOrder(t, s, "a m2 m0 m1 m3 b")
	if got.OldPosition != 2 || got.NewPosition != 0 {
		t.Errorf("inside from %d to %d", got.OldPosition, got.NewPosition)
	}
	place(t, s, &store.Place{After: m[3]}, m[0])
	wantOrder(t, s, "a m2 m1 m3 m0 b")
	place(t, s, nil, m[0], m[2])
	wantOrder(t, s, "a m0 m1 m3 m2 b")
	place(t, s, &store.Place{Position: 1}, m[2], m[3])
	wantOrder(t, s, "a m0 m2 m3 m1 b")
	mustFinish(t, s, claimOne(t, s), job.Succeeded{At: base}) // a
	c := claimOne(t, s)
	place(t, s, &store.Place{Top: true}, m[1]) // also while the group runs
	wantOrder(t, s, "m1 m2 m3 b")
	mustFinish(t, s, c, broke())
	wantOrder(t, s, "m0 m1 m2 m3 b")
	other := addGroup(t, s, group(job.Sequential, job.FailureContinue), newJob(named("n")))
	_, err := s.Order.Place(t.Context(), store.PlaceJobs{Tenant: tenant, IDs: []string{m[1], other.Jobs[0].ID}, At: base})
	wantCode(t, err, fault.WrongGroup)
}

// groupRetry: a member that waits for its next attempt keeps the slot, and in a
// sequential group the others wait for it.
func groupRetry(t *testing.T, s store.Store) {
	pool(t, s, 1)
	g := addGroup(t, s, group(job.Sequential, job.FailureStop), members(2, retries(2))...)
	letters(t, s, "a")
	mustFinish(t, s, claimOne(t, s), broke())
	wantGroup(t, s, g.Group.ID, job.GroupRunning, 0, 0, 0, 0)
	if c := claimAt(t, s, "a", 5, base); len(c.Started) != 0 || c.NextAt != base.Add(time.Second) {
		t.Errorf("%v started, next at %v", claimedIDs(c.Started), c.NextAt)
	}
	c := claimAt(t, s, "a", 5, base.Add(time.Second))
	same(t, "again", []string{g.Jobs[0].ID}, claimedIDs(c.Started))
	mustFinish(t, s, c.Started[0], broke())
	wantGroup(t, s, g.Group.ID, job.GroupPartial, 0, 1, 1, 0)
}

func groupCrash(t *testing.T, s store.Store) {
	pool(t, s, 1)
	register(t, s, "b")
	g := addGroup(t, s, group(job.Parallel, job.FailureStop),
		newJob(named("m0"), onCrash(job.CrashRetry)), newJob(named("m1"), onCrash(job.CrashRetry)), newJob(named("m2")))
	claim(t, s, 5)
	if err := s.Leases.Condemn(t.Context(), store.Condemn{HostID: "host-a", Now: base}); err != nil {
		t.Fatal(err)
	}
	if got := claimAt(t, s, "b", 5, base); len(got.Started) != 0 {
		t.Errorf("%v started before the leftovers ended", claimedIDs(got.Started))
	}
	left, err := s.Leases.Leftovers(t.Context())
	if err != nil || len(left) != 2 {
		t.Fatalf("%d leftovers, %v", len(left), err)
	}
	for _, l := range left {
		mustFinish(t, s, store.Claimed{Job: l.Job, Run: l.Run}, job.Interrupted{At: base})
	}
	wantGroup(t, s, g.Group.ID, job.GroupRunning, 0, 0, 0, 0)
	same(t, "goes on", []string{g.Jobs[0].ID, g.Jobs[1].ID}, claimedIDs(claimAt(t, s, "b", 5, base).Started))
	wantPositions(t, s)
}

// groupRace ends all members at once; every end must be counted.
func groupRace(t *testing.T, s store.Store) {
	pool(t, s, 10)
	var cs []store.Claimed
	var groups []string
	for range 3 {
		g := group(job.Parallel, job.FailureStop)
		g.MaxParallel = 8
		groups = append(groups, g.ID)
		addGroup(t, s, g, members(8)...)
		cs = append(cs, claim(t, s, 100)...)
	}
	if len(cs) != 24 {
		t.Fatalf("%d started", len(cs))
	}
	together(12, func(i int) {
		items := []store.Finish{ending(t, cs[i], job.Succeeded{At: base}), ending(t, cs[23-i], job.Succeeded{At: base})}
		for _, err := range s.Jobs.Finish(t.Context(), items) {
			if err != nil {
				t.Errorf("finish: %v", err)
			}
		}
	})
	for _, g := range groups {
		wantGroup(t, s, g, job.GroupCompleted, 8, 0, 0, 0)
	}
}

// groupStopRace changes waiting members while a failure stops the group: none
// may be left behind.
func groupStopRace(t *testing.T, s store.Store) {
	pool(t, s, 1)
	for range 3 {
		g := addGroup(t, s, group(job.Sequential, job.FailureStop), members(6)...)
		c := claimOne(t, s)
		var mu sync.Mutex
		together(4, func(i int) {
			if i == 0 {
				if err := finishWith(t, s, c, broke()); err != nil {
					t.Errorf("finish: %v", err)
				}
				return
			}
			for _, m := range g.Jobs[1:] {
				mu.Lock()
				j := read(t, s, m.ID)
				mu.Unlock()
				if j.State != job.Queued {
					continue
				}
				ev := any(job.Held{At: base, Reason: fmt.Sprint(i)})
				if j.HeldReason != "" {
					ev = job.Released{At: base}
				}
				ch, err := job.Apply(j, ev)
				if err != nil {
					t.Error(err)
					continue
				}
				if _, err := s.Jobs.Move(t.Context(), store.MoveJob{Change: ch}); err != nil && !fault.Is(err, fault.Conflict) {
					t.Errorf("hold: %v", err)
				}
			}
		})
		wantGroup(t, s, g.Group.ID, job.GroupPartial, 0, 1, 5, 0)
	}
	wantPositions(t, s)
}
