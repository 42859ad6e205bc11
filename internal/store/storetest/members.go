package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// This file is about the members of groups and the locks of programs outside
// where the store does more than keep rows.

func memberChecks() []check {
	return []check{
		{"Groups/CancelIsNotAFailure", groupCancel},
		{"Groups/CancelOfAPendingOne", groupCancelPending},
		{"Groups/FailureSkipsTheRest", groupStops},
		{"Groups/FailureSkipsWhoComesBack", groupStopsRetry},
		{"Groups/ManyThatNeedOneLockHideNobody", groupWindow},
		{"Groups/AddOnlyWhilePending", groupAdd},
		{"Groups/AreOfTheirTenant", groupTenant},
		{"Groups/KeysReplay", groupKeys},
		{"Groups/ExpireWithTheirLastMember", groupExpires},
		{"Locks/KeysReplay", lockKeys},
		{"Locks/ExpiryWakesTheClaim", lockExpiry},
		{"Locks/ForceReleaseOfAnAttempt", lockForce},
	}
}

// oneSlot is a decision with groups: the running ones go on, and if there are
// none, the first waiting thing starts. It knows locks, but no limits.
func oneSlot(s job.Snapshot) job.Decision {
	var d job.Decision
	taken := map[string]bool{}
	for l := range s.Held {
		taken[l] = true
	}
	next := func(g job.GroupWork, group string) {
		n := g.Running
		for _, c := range g.Next {
			free := true
			for _, l := range c.Needs.Locks {
				free = free && !taken[l]
			}
			if n == g.Group.MaxParallel || g.Blocked {
				return
			}
			if !free {
				continue
			}
			for _, l := range c.Needs.Locks {
				taken[l] = true
			}
			d.Claims, group = append(d.Claims, job.Claim{JobID: c.JobID, Needs: c.Needs, Group: group}), ""
			n++
		}
	}
	for _, g := range s.Groups {
		next(g, "")
	}
	if len(s.Groups) == 0 && len(s.Running) == 0 {
		_ = s.Heads.Walk(func(string) bool { return false }, func(c job.Candidate, g *job.GroupWork) bool {
			if g != nil {
				next(*g, g.Group.ID)
			} else {
				d.Claims = append(d.Claims, job.Claim{JobID: c.JobID, Needs: c.Needs})
			}
			return false
		})
	}
	return d
}

func claimGroups(t testing.TB, s store.Store) []store.Claimed {
	t.Helper()
	c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Now: base, Poll: true, Room: 100, Decide: oneSlot})
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return c.Started
}

func newGroup(mode job.GroupMode, most int, on job.OnFailure) job.Group {
	return job.Group{
		ID: id.New(id.Group, base), Tenant: tenant, Name: "group", Mode: mode, MaxParallel: most, OnFailure: on, CreatedBy: "tester", CreatedAt: base,
	}
}

func makeGroup(t testing.TB, s store.Store, g job.Group, members ...job.Job) store.GroupAdded {
	t.Helper()
	added, err := s.Groups.Create(t.Context(), store.AddGroup{Group: g, Jobs: members, Priority: job.PriorityNormal})
	if err != nil {
		t.Fatalf("create group: %v", err)
	}
	return added
}

func members(n int, edit ...func(*job.Job)) []job.Job {
	var out []job.Job
	for i := range n {
		out = append(out, newJob(append(edit, named(fmt.Sprint("m", i)))...))
	}
	return out
}

func readGroup(t testing.TB, s store.Store, groupID string) job.Group {
	t.Helper()
	g, err := s.Groups.Group(t.Context(), tenant, groupID)
	if err != nil {
		t.Fatalf("read group: %v", err)
	}
	return g
}

// counts are the state and counters of a group in short.
func counts(g job.Group) string {
	return fmt.Sprintf("%s total=%d ok=%d failed=%d skipped=%d cancelled=%d", g.State, g.Total, g.Succeeded, g.Failed, g.Skipped, g.Cancelled)
}

func cancelGroup(t testing.TB, s store.Store, groupID string) (job.Group, error) {
	t.Helper()
	return s.Groups.Cancel(t.Context(), store.CancelGroup{Tenant: tenant, ID: groupID, By: "ann", At: base.Add(time.Second)})
}

func groupCancel(t *testing.T, s store.Store) {
	pool(t, s, 1)
	g := makeGroup(t, s, newGroup(job.Sequential, 1, job.FailureStop), members(4)...).Group
	c := claimGroups(t, s)
	if len(c) != 1 {
		t.Fatalf("claimed %d", len(c))
	}
	now, err := cancelGroup(t, s, g.ID)
	if err != nil {
		t.Fatalf("cancel: %v", err)
	}
	same(t, "after the cancel", "RUNNING total=4 ok=0 failed=0 skipped=0 cancelled=3", counts(now))
	asked := read(t, s, c[0].Job.ID)
	if asked.State != job.Running || asked.CancelledBy != "ann" {
		t.Errorf("the running member is %s, cancelled by %q", asked.State, asked.CancelledBy)
	}
	if _, err := cancelGroup(t, s, g.ID); err != nil {
		t.Errorf("a second cancel: %v", err)
	}
	asked = read(t, s, c[0].Job.ID)
	if err := finishWith(t, s, store.Claimed{Job: asked, Run: c[0].Run}, job.Broke{At: base.Add(2 * time.Second), Failure: run.Failure{Code: "cancelled"}}); err != nil {
		t.Fatal(err)
	}
	same(t, "at the end", "PARTIAL total=4 ok=0 failed=0 skipped=0 cancelled=4", counts(readGroup(t, s, g.ID)))
	_, err = cancelGroup(t, s, g.ID)
	wantCode(t, err, fault.AlreadyFinished)
}

func groupCancelPending(t *testing.T, s store.Store) {
	pool(t, s, 1)
	g := makeGroup(t, s, newGroup(job.Parallel, 2, job.FailureStop), members(3)...).Group
	now, err := cancelGroup(t, s, g.ID)
	if err != nil {
		t.Fatalf("cancel: %v", err)
	}
	same(t, "group", "PARTIAL total=3 ok=0 failed=0 skipped=0 cancelled=3", counts(now))
	same(t, "claimed", 0, len(claimGroups(t, s)))
	n, err := s.Order.Places(t.Context())
	if err != nil || n != 0 {
		t.Errorf("%d places, %v", n, err)
	}
}

func groupStops(t *testing.T, s store.Store) {
	pool(t, s, 1)
	g := makeGroup(t, s, newGroup(job.Sequential, 1, job.FailureStop), members(3)...).Group
	c := claimGroups(t, s)
	if err := finishWith(t, s, c[0], job.Broke{At: base.Add(time.Second), Fatal: true, Failure: run.Failure{Code: "exit_nonzero"}}); err != nil {
		t.Fatal(err)
	}
	same(t, "group", "PARTIAL total=3 ok=0 failed=1 skipped=2 cancelled=0", counts(readGroup(t, s, g.ID)))
	js, err := s.Groups.Members(t.Context(), tenant, g.ID, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range js[1:] {
		runs, err := s.Runs.List(t.Context(), store.ListRuns{Tenant: tenant, JobID: j.ID, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if j.State != job.Skipped || len(runs.Runs) != 1 || runs.Runs[0].State != run.Skipped || runs.Runs[0].Reason != job.ReasonGroupStopped {
			t.Errorf("%s is %s with runs %+v", j.Name, j.State, runs.Runs)
		}
	}
}

// groupStopsRetry: a member that runs while another stops the group gets no
// further attempt.
func groupStopsRetry(t *testing.T, s store.Store) {
	pool(t, s, 2)
	js := members(2)
	for i := range js {
		js[i].Retry = job.Retry{MaxAttempts: 3}
	}
	g := makeGroup(t, s, newGroup(job.Parallel, 2, job.FailureStop), js...).Group
	c := claimGroups(t, s)
	same(t, "claimed", 2, len(c))
	broke := job.Broke{At: base.Add(time.Second), Failure: run.Failure{Code: "exit_nonzero"}}
	fatal := broke
	fatal.Fatal = true
	if err := finishWith(t, s, c[0], fatal); err != nil {
		t.Fatal(err)
	}
	if err := finishWith(t, s, c[1], broke); err != nil {
		t.Fatal(err)
	}
	same(t, "group", "PARTIAL total=2 ok=0 failed=1 skipped=1 cancelled=0", counts(readGroup(t, s, g.ID)))
	same(t, "state", job.Skipped, read(t, s, c[1].Job.ID).State)
}

// groupWindow: however many of the first members wait for one lock, one that does
// not need it starts.
func groupWindow(t *testing.T, s store.Store) {
	pool(t, s, 1)
	if _, err := s.Locks.Acquire(t.Context(), store.AcquireLock{Tenant: tenant, Name: "gpu:0", Holder: "x", TTL: time.Hour, Now: base}); err != nil {
		t.Fatal(err)
	}
	js := append(members(40, locks("gpu:0")), newJob(named("other"), locks("cpu")), newJob(named("plain")))
	makeGroup(t, s, newGroup(job.Parallel, 4, job.FailureContinue), js...)
	var got []string
	for _, c := range claimGroups(t, s) {
		got = append(got, c.Job.Name)
	}
	same(t, "started", []string{"other", "plain"}, got)
}

func groupAdd(t *testing.T, s store.Store) {
	pool(t, s, 1)
	g := makeGroup(t, s, newGroup(job.Sequential, 1, job.FailureStop), members(1)...).Group
	add := func(groupID string) (store.GroupAdded, error) {
		return s.Groups.Add(t.Context(), store.AddMembers{Tenant: tenant, GroupID: groupID, Jobs: []job.Job{newJob(named("late"))}})
	}
	got, err := add(g.ID)
	if err != nil || got.Group.Total != 2 || len(got.Jobs) != 1 || got.Jobs[0].GroupID != g.ID {
		t.Fatalf("added %+v, %v", got, err)
	}
	claimGroups(t, s)
	_, err = add(g.ID)
	wantCode(t, err, fault.GroupStarted)
	_, err = add(id.New(id.Group, base))
	wantCode(t, err, fault.NotFound)
	same(t, "total", 2, readGroup(t, s, g.ID).Total)
}

func groupTenant(t *testing.T, s store.Store) {
	g := makeGroup(t, s, newGroup(job.Sequential, 1, job.FailureStop), members(2)...).Group
	const other = "ten_other"
	_, err := s.Groups.Group(t.Context(), other, g.ID)
	wantCode(t, err, fault.NotFound)
	_, err = s.Groups.Cancel(t.Context(), store.CancelGroup{Tenant: other, ID: g.ID, At: base})
	wantCode(t, err, fault.NotFound)
	_, err = s.Groups.Add(t.Context(), store.AddMembers{Tenant: other, GroupID: g.ID, Jobs: members(1)})
	wantCode(t, err, fault.NotFound)
	js, err := s.Groups.Members(t.Context(), other, g.ID, "", 10)
	if err != nil || len(js) != 0 {
		t.Errorf("another tenant sees %d members, %v", len(js), err)
	}
	same(t, "group", "PENDING total=2 ok=0 failed=0 skipped=0 cancelled=0", counts(readGroup(t, s, g.ID)))
}

func keyNamed(text string, body string) *store.Key {
	return &store.Key{
		Tenant: tenant, Owner: "ann", Text: text, Hash: body, Now: base, Expires: base.Add(time.Hour),
		Render: func(any) (store.Reply, error) { return store.Reply{Status: 200, Body: []byte(body)}, nil },
	}
}

func groupKeys(t *testing.T, s store.Store) {
	pool(t, s, 1)
	p := store.AddGroup{Group: newGroup(job.Sequential, 1, job.FailureStop), Jobs: members(2), Key: keyNamed("create", "c")}
	if _, err := s.Groups.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	_, err := s.Groups.Create(t.Context(), p)
	if r, ok := isReplay(err); !ok || string(r.Body) != "c" {
		t.Errorf("second create: %v", err)
	}
	m := store.AddMembers{Tenant: tenant, GroupID: p.Group.ID, Jobs: members(1), Key: keyNamed("add", "a")}
	if _, err := s.Groups.Add(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Groups.Add(t.Context(), m); err == nil {
		t.Error("added twice")
	}
	c := store.CancelGroup{Tenant: tenant, ID: p.Group.ID, At: base, Key: keyNamed("cancel", "x")}
	if _, err := s.Groups.Cancel(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	_, err = s.Groups.Cancel(t.Context(), c)
	if _, ok := isReplay(err); !ok {
		t.Errorf("second cancel: %v", err)
	}
	same(t, "total", 3, readGroup(t, s, p.Group.ID).Total)
}

func groupExpires(t *testing.T, s store.Store) {
	pool(t, s, 1)
	g := makeGroup(t, s, newGroup(job.Sequential, 1, job.FailureContinue), members(2)...).Group
	waits := makeGroup(t, s, newGroup(job.Sequential, 1, job.FailureStop), members(1)...).Group
	for i, at := range []time.Time{base.Add(time.Second), base.Add(time.Hour)} {
		c := claimGroups(t, s)
		if len(c) != 1 {
			t.Fatalf("claim %d: %d jobs", i, len(c))
		}
		endAt(t, s, c[0], at)
		if i == 0 { // the group runs on, without its first member
			same(t, "expired early", 1, expire(t, s, base.Add(time.Minute), 10).Jobs)
			same(t, "group", "RUNNING total=2 ok=1 failed=0 skipped=0 cancelled=0", counts(readGroup(t, s, g.ID)))
		}
	}
	expire(t, s, base.Add(2*time.Hour), 10)
	_, err := s.Groups.Group(t.Context(), tenant, g.ID)
	wantCode(t, err, fault.NotFound)
	same(t, "the waiting one", "PENDING total=1 ok=0 failed=0 skipped=0 cancelled=0", counts(readGroup(t, s, waits.ID)))
}

func lockKeys(t *testing.T, s store.Store) {
	p := store.AcquireLock{Tenant: tenant, Name: "a/b:c", Holder: "x", TTL: time.Minute, Now: base, Key: keyNamed("acquire", "1")}
	h, err := s.Locks.Acquire(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Locks.Acquire(t.Context(), p)
	if _, ok := isReplay(err); !ok {
		t.Errorf("second acquire: %v", err)
	}
	// Not taken is not an answer that is kept: the repetition may find it free.
	p.Key = keyNamed("again", "2")
	_, err = s.Locks.Acquire(t.Context(), p)
	wantCode(t, err, fault.LockHeld)
	n := store.RenewLock{Tenant: tenant, Name: p.Name, Token: h.Token, TTL: time.Minute, Now: base.Add(time.Second), Key: keyNamed("renew", "3")}
	if got, err := s.Locks.Renew(t.Context(), n); err != nil || !got.ExpiresAt.Equal(base.Add(61*time.Second)) {
		t.Fatalf("renewed %+v, %v", got, err)
	}
	_, err = s.Locks.Renew(t.Context(), n)
	if _, ok := isReplay(err); !ok {
		t.Errorf("second renew: %v", err)
	}
	r := store.ReleaseLock{Tenant: tenant, Name: p.Name, Token: h.Token, Now: base, Key: keyNamed("release", "4")}
	if _, err := s.Locks.Release(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	_, err = s.Locks.Release(t.Context(), r)
	if _, ok := isReplay(err); !ok {
		t.Errorf("second release: %v", err)
	}
	if _, err := s.Locks.Acquire(t.Context(), p); err != nil {
		t.Errorf("acquire with the key of the one that was refused: %v", err)
	}
}

func lockExpiry(t *testing.T, s store.Store) {
	pool(t, s, 1)
	h, err := s.Locks.Acquire(t.Context(), store.AcquireLock{Tenant: tenant, Name: "gpu:0", Holder: "x", TTL: time.Minute, Now: base})
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, newJob(locks("gpu:0")))
	c := claimAt(t, s, "a", 1, base)
	if len(c.Started) != 0 || !c.NextAt.Equal(h.ExpiresAt) {
		t.Errorf("started %d, look again at %s, want %s", len(c.Started), c.NextAt, h.ExpiresAt)
	}
	c = claimAt(t, s, "a", 1, h.ExpiresAt)
	if len(c.Started) != 1 || c.Started[0].Run.Epoch <= h.Token {
		t.Fatalf("started %+v after the lock's expiry at token %d", c.Started, h.Token)
	}
	_, err = s.Locks.Renew(t.Context(), store.RenewLock{Tenant: tenant, Name: "gpu:0", Token: h.Token, TTL: time.Minute, Now: h.ExpiresAt})
	wantCode(t, err, fault.LockNotHeld)
}

// lockForce takes a lock from a running attempt: the lock is free, the attempt
// goes on, and its end does not touch the next holder.
func lockForce(t *testing.T, s store.Store) {
	pool(t, s, 2)
	add(t, s, newJob(locks("gpu:0")))
	c := claimOne(t, s)
	r := store.ReleaseLock{Tenant: tenant, Name: "gpu:0", Token: c.Run.Epoch, Now: base}
	_, err := s.Locks.Release(t.Context(), r)
	wantCode(t, err, fault.LockNotHeld) // an attempt's is not given back from outside
	r.Force = true
	if _, err := s.Locks.Release(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	add(t, s, newJob(locks("gpu:0")))
	next := claimOne(t, s)
	succeed(t, s, c)
	l, err := s.Locks.Lock(t.Context(), "gpu:0")
	if err != nil || len(l.Holders) != 1 || l.Holders[0].Token != next.Run.Epoch {
		t.Errorf("holders %+v, %v", l.Holders, err)
	}
}
