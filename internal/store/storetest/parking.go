package storetest

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func parkingChecks() []check {
	return []check{
		{"Park/RunStaysActive", parkActive},
		{"Park/TimeWakes", parkTime},
		{"Park/CancelWakes", parkCancel},
		{"Park/CancelThatItDidNotSee", parkUnseen},
		{"Park/HoldKeeps", parkHold},
		{"Park/Locks", parkLocks},
		{"Park/OutsideOfTheOrder", parkOrder},
		{"Park/CrashResumes", parkCrash},
		{"Park/GroupWaits", parkGroup},
		{"Park/Statistics", parkStatistics},
	}
}

// durable is a job whose run outlives its slot.
func durable(edit ...func(*job.Job)) job.Job {
	return newJob(append([]func(*job.Job){onCrash(job.CrashResume), ofType("durable")}, edit...)...)
}

// parkFor claims one job and parks it.
func parkFor(t testing.TB, s store.Store, p job.Parked) store.Claimed {
	t.Helper()
	c := claimOne(t, s)
	if p.At.IsZero() {
		p.At = base.Add(time.Second)
	}
	if err := finishWith(t, s, c, p); err != nil {
		t.Fatalf("park: %v", err)
	}
	return c
}

func parkActive(t *testing.T, s store.Store) {
	pool(t, s, 1)
	js := add(t, s, durable(locks("l")), newJob(locks("l")))
	c := claimOne(t, s)
	f := ending(t, c, job.Parked{At: base.Add(time.Second), For: "approval"})
	f.Run.After.Result = run.Result{Outputs: map[string]string{"k": "v"}, LogBytes: 7, Progress: run.Progress{Stage: "half", Done: 1, Total: 2}}
	if err := s.Jobs.Finish(t.Context(), []store.Finish{f})[0]; err != nil {
		t.Fatal(err)
	}
	j := read(t, s, js[0].ID)
	f.Job.After.Rank = j.Rank // the store gave it
	same(t, "job", f.Job.After, j)
	if j.Rank == "" || j.Rank >= js[1].Rank {
		t.Errorf("its place %q is not before the queue", j.Rank)
	}
	r, err := s.Runs.Run(t.Context(), tenant, c.Run.ID)
	if err != nil || r.State != run.Active || r.Instance != "" {
		t.Fatalf("run %+v, %v", r, err)
	}
	same(t, "run", f.Run.After, r)
	evs := since(t, s, 0)
	if last := evs[len(evs)-1]; last.Type != event.JobParked || last.RunID != c.Run.ID || last.Data["for"] != "approval" {
		t.Errorf("announced %+v", last)
	}
	for inWork, want := range map[bool]int{false: 1, true: 0} {
		p, err := s.Runs.List(t.Context(), store.ListRuns{Tenant: tenant, States: []run.State{run.Active}, InWork: inWork, Limit: 9})
		if err != nil || len(p.Runs) != want {
			t.Errorf("active runs, in work %v: %d, %v", inWork, len(p.Runs), err)
		}
	}
	// Its lock and its slot are free, and nobody writes for it.
	other := claimOne(t, s)
	same(t, "the next", js[1].ID, other.Job.ID)
	wantCode(t, s.Runs.Report(t.Context(), []store.Report{{RunID: r.ID, Epoch: r.Epoch, LogBytes: new(int64)}})[0], fault.StaleLease)
	wantCode(t, s.Runs.SaveCheckpoint(t.Context(), store.Checkpoint{JobID: j.ID, RunID: r.ID, Epoch: r.Epoch, Data: []byte("x"), At: base}), fault.StaleLease)
	succeed(t, s, other)
	// It is not a leftover of its server.
	if err := s.Leases.Release(t.Context(), "a", base.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Leases.Leftovers(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("leftovers %+v, %v", left, err)
	}
	if gone, err := s.Retention.ExpireJobs(t.Context(), base.AddDate(1, 0, 0), 10); err != nil || gone.Jobs != 1 {
		t.Errorf("expired %+v, %v", gone, err)
	}
	same(t, "it is still there", j, read(t, s, j.ID))
}

func parkTime(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, durable(), newJob(prio(job.PriorityHigh)))
	first := claimOne(t, s) // the one of high priority
	succeed(t, s, first)
	until := base.Add(time.Hour)
	c := parkFor(t, s, job.Parked{For: "timer", Until: until})
	late := add(t, s, newJob(prio(job.PriorityMin)))[0]
	if got := claimAt(t, s, "a", 1, base.Add(time.Minute)); len(got.Started) != 1 || got.Started[0].Job.ID != late.ID {
		t.Fatalf("before its time: %+v", got.Started)
	} else {
		succeed(t, s, got.Started[0])
	}
	if got := claimAt(t, s, "a", 1, base.Add(2*time.Minute)); len(got.Started) != 0 || !got.NextAt.Equal(until) {
		t.Fatalf("claims %+v", got)
	}
	add(t, s, newJob(prio(job.PriorityMin)))
	register(t, s, "b")
	extend(t, s, "b", until)
	got := claimAt(t, s, "b", 1, until)
	if len(got.Started) != 1 || got.Started[0].Job.ID != c.Job.ID {
		t.Fatalf("at its time: %+v", got.Started)
	}
	n := got.Started[0]
	if n.Job.Attempt != 1 || n.Job.RunID != c.Job.RunID || n.Job.Epoch <= c.Job.Epoch || n.Job.Resuming || n.Job.Parked != "" || !n.Job.NotBefore.IsZero() {
		t.Errorf("job %+v", n.Job)
	}
	if n.Run.ID != c.Run.ID || n.Run.Instance != "b" || n.Run.Epoch != n.Job.Epoch || !n.Run.StartedAt.Equal(c.Run.StartedAt) {
		t.Errorf("run %+v", n.Run)
	}
	back, err := s.Jobs.Running(t.Context(), "b")
	if err != nil || len(back) != 1 {
		t.Fatal(back, err)
	}
	same(t, "running", n, back[0])
	wantCode(t, finishWith(t, s, c, job.Succeeded{At: until}), fault.StaleLease)
	succeed(t, s, n)
	p, err := s.Runs.List(t.Context(), store.ListRuns{Tenant: tenant, JobID: c.Job.ID, Limit: 9})
	if err != nil || len(p.Runs) != 1 || p.Runs[0].State != run.Completed {
		t.Errorf("runs %+v, %v", p.Runs, err)
	}
}

// extend lets a lease live an hour from a later time on.
func extend(t testing.TB, s store.Store, instance string, now time.Time) {
	t.Helper()
	if err := s.Leases.Extend(t.Context(), instance, now, time.Hour); err != nil {
		t.Fatal(err)
	}
}

func parkCancel(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, durable())
	c := parkFor(t, s, job.Parked{For: "event"})
	same(t, "while it is parked", 0, len(claim(t, s, 1)))
	j := mustMove(t, s, read(t, s, c.Job.ID), job.CancelAsked{At: base.Add(2 * time.Second), By: "ann"})
	if j.State != job.Queued || j.Parked != "" || j.CancelAskedAt.IsZero() {
		t.Fatalf("asked: %+v", j)
	}
	n := claimOne(t, s)
	same(t, "its run", c.Run.ID, n.Run.ID)
	// While it ends, it may wait again.
	if err := finishWith(t, s, n, job.Parked{At: base, For: "retry_delay", CancelSeen: true}); err != nil {
		t.Fatal(err)
	}
	if j = read(t, s, c.Job.ID); j.Parked != "retry_delay" {
		t.Fatalf("%+v", j)
	}
	mustMove(t, s, j, job.Woken{At: base})
	if err := finishWith(t, s, claimOne(t, s), job.Broke{At: base, Failure: job.Failure{Code: job.CodeCancelled}}); err != nil {
		t.Fatal(err)
	}
	if j = read(t, s, c.Job.ID); j.State != job.Cancelled {
		t.Errorf("ended %s", j.State)
	}
}

func parkUnseen(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, durable())
	c := claimOne(t, s)
	f := ending(t, c, job.Parked{At: base, For: "event"})
	mustMove(t, s, c.Job, job.CancelAsked{At: base, By: "ann"})
	wantCode(t, s.Jobs.Finish(t.Context(), []store.Finish{f})[0], fault.Conflict)
	c.Job = read(t, s, c.Job.ID)
	if err := finishWith(t, s, c, job.Parked{At: base, For: "event"}); err != nil {
		t.Fatal(err)
	}
	same(t, "it goes on", c.Run.ID, claimOne(t, s).Run.ID)
}

func parkHold(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, durable())
	c := parkFor(t, s, job.Parked{For: "event", Until: base.Add(time.Minute)})
	j := mustMove(t, s, read(t, s, c.Job.ID), job.Held{At: base, Reason: "by hand"})
	same(t, "held", 0, len(claimAt(t, s, "a", 1, base.Add(time.Hour-time.Second)).Started))
	j = mustMove(t, s, j, job.Woken{At: base})
	same(t, "held and woken", 0, len(claim(t, s, 1)))
	mustMove(t, s, j, job.Released{At: base})
	same(t, "released", c.Run.ID, claimOne(t, s).Run.ID)
}

func parkLocks(t *testing.T, s store.Store) {
	pool(t, s, 2)
	js := add(t, s, durable(locks("own")), newJob(locks("gpu")))
	cs := claim(t, s, 2)
	mine := cs[0]
	if mine.Job.ID != js[0].ID {
		mine = cs[1]
	}
	if err := finishWith(t, s, mine, job.Parked{At: base, Locks: []string{"gpu", "net"}}); err != nil {
		t.Fatal(err)
	}
	if j := read(t, s, mine.Job.ID); j.Parked != "" || !j.Ready() {
		t.Fatalf("parked with locks: %+v", j)
	}
	same(t, "while the lock is held", 0, len(claim(t, s, 1)))
	other := cs[1]
	if other.Job.ID == mine.Job.ID {
		other = cs[0]
	}
	succeed(t, s, other)
	n := claimOne(t, s)
	same(t, "its run", mine.Run.ID, n.Run.ID)
	same(t, "its locks", []string{"gpu", "net"}, n.Job.ResumeLocks)
	has := func(want ...string) {
		t.Helper()
		sit, err := s.Jobs.Situation(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range []string{"gpu", "net", "own"} {
			for _, h := range sit.Snapshot.Held[l] {
				if h.RunID == n.Run.ID && h.Token == n.Run.Epoch && h.JobID == n.Job.ID {
					got = append(got, l)
				}
			}
		}
		same(t, "held", want, got)
	}
	has("gpu", "net", "own")
	if err := s.Locks.Free(t.Context(), store.FreeLocks{JobID: n.Job.ID, RunID: n.Run.ID, Epoch: n.Run.Epoch, Names: []string{"gpu", "x"}}); err != nil {
		t.Fatal(err)
	}
	has("net", "own")
	if err := finishWith(t, s, n, job.Parked{At: base, Locks: []string{"gpu"}}); err != nil {
		t.Fatal(err)
	}
	has()
	// Something else to do: it does not wait for the locks any more.
	add(t, s, newJob(locks("gpu"), prio(job.PriorityMin)))
	j := mustMove(t, s, read(t, s, n.Job.ID), job.Woken{At: base})
	same(t, "locks after it was woken", 0, len(j.ResumeLocks))
	n = claimOne(t, s)
	same(t, "its run again", mine.Run.ID, n.Run.ID)
	has("own")
}

// parkOrder: a parked job has no place; one that goes on is moved like others.
func parkOrder(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, durable())
	c := parkFor(t, s, job.Parked{For: "event"})
	l := letters(t, s, "a b")
	places, err := s.Order.Places(t.Context())
	if err != nil || places != 2 {
		t.Errorf("%d places, %v", places, err)
	}
	front, err := s.Order.Front(t.Context(), 9)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "front", []string{l["a"], l["b"]}, ids(front.Jobs))
	sit, err := s.Jobs.Situation(t.Context(), []job.Job{read(t, s, c.Job.ID), read(t, s, l["a"])})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "positions", map[string]int{l["a"]: 0}, sit.Positions)
	to := store.PlaceJobs{Tenant: tenant, IDs: []string{c.Job.ID}, Place: &store.Place{After: l["b"]}, At: base}
	placed, err := s.Order.Place(t.Context(), to)
	if err != nil || len(placed.Moved) != 0 || len(placed.Ignored) != 1 {
		t.Errorf("moving a parked job: %+v, %v", placed, err)
	}
	mustMove(t, s, read(t, s, c.Job.ID), job.Woken{At: base})
	if placed, err = s.Order.Place(t.Context(), to); err != nil || len(placed.Moved) != 1 {
		t.Errorf("moving one that goes on: %+v, %v", placed, err)
	}
	same(t, "order", []string{l["a"], l["b"], c.Job.ID}, queued(t, s))
}

func parkCrash(t *testing.T, s store.Store) {
	pool(t, s, 1)
	js := add(t, s, durable())
	for i := 1; i <= job.PoisonCrashes; i++ {
		c := claimOne(t, s)
		add(t, s, newJob(prio(job.PriorityMin)))
		ev := any(job.Interrupted{At: base})
		if i == 2 {
			mustReturn := job.Returned{At: base}
			if err := finishWith(t, s, c, mustReturn); err != nil {
				t.Fatal(err)
			}
			c = claimOne(t, s) // before the one of the highest priority
		}
		if err := finishWith(t, s, c, ev); err != nil {
			t.Fatal(err)
		}
		j := read(t, s, js[0].ID)
		if j.State != job.Queued || !j.Resuming || j.Attempt != 1 || j.Crashes != i || (j.HeldReason != "") != (i == job.PoisonCrashes) {
			t.Fatalf("after crash %d: %+v", i, j)
		}
	}
	r, err := s.Runs.Run(t.Context(), tenant, read(t, s, js[0].ID).RunID)
	if err != nil || r.State != run.Active || r.Instance != "" {
		t.Errorf("run %+v, %v", r, err)
	}
}

// parkGroup: a member that is parked has not ended; nobody skips it, and nobody
// passes it where the order is strict.
func parkGroup(t *testing.T, s store.Store) {
	pool(t, s, 2)
	g := addGroup(t, s, group(job.Sequential, job.FailureStop), durable(), newJob())
	c := parkFor(t, s, job.Parked{For: "event"})
	same(t, "behind it", 0, len(claim(t, s, 2)))
	mustMove(t, s, read(t, s, c.Job.ID), job.Woken{At: base})
	succeed(t, s, claimOne(t, s))
	succeed(t, s, claimOne(t, s))
	if got, err := s.Groups.Group(t.Context(), tenant, g.Group.ID); err != nil || got.State != job.GroupCompleted {
		t.Errorf("group %+v, %v", got, err)
	}
	g = addGroup(t, s, group(job.Parallel, job.FailureStop), durable(), newJob(), newJob())
	c = parkFor(t, s, job.Parked{For: "event"})
	same(t, "the first member", g.Jobs[0].ID, c.Job.ID)
	if err := finishWith(t, s, claimOne(t, s), job.Broke{At: base, Failure: job.Failure{Code: "x"}}); err != nil {
		t.Fatal(err)
	}
	same(t, "the rest", job.Skipped, read(t, s, g.Jobs[2].ID).State)
	j := read(t, s, c.Job.ID)
	same(t, "what had begun", "event", j.Parked)
	if _, err := s.Groups.Cancel(t.Context(), store.CancelGroup{Tenant: tenant, ID: g.Group.ID, By: "ann", At: base}); err != nil {
		t.Fatal(err)
	}
	n := claimOne(t, s)
	same(t, "it ends by itself", c.Run.ID, n.Run.ID)
	if err := finishWith(t, s, n, job.Broke{At: base, Failure: job.Failure{Code: job.CodeCancelled}}); err == nil {
		same(t, "and is cancelled", job.Cancelled, read(t, s, c.Job.ID).State)
	} else {
		t.Error(err)
	}
}

func parkStatistics(t *testing.T, s store.Store) {
	pool(t, s, 3)
	add(t, s, durable(), durable(), durable())
	parkFor(t, s, job.Parked{For: "event"})
	parkFor(t, s, job.Parked{For: "timer", Until: base.Add(time.Hour)})
	add(t, s, newJob(at(base.Add(time.Hour))), newJob(held("by hand")))
	got, err := s.Jobs.Statistics(t.Context(), store.AskStatistics{Tenant: tenant, Since: base, Starts: 10})
	if err != nil || got.Queued != 5 || got.Delayed != 1 || got.Held != 1 {
		t.Errorf("statistics %+v, %v", got, err)
	}
	survey, err := s.Health.Survey(t.Context())
	if err != nil || survey.Queued != 5 || survey.Ready != 1 || survey.Delayed != 1 {
		t.Errorf("survey %+v, %v", survey, err)
	}
}
