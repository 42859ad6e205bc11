package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func claimChecks() []check {
	return []check{
		{"Claim/StartsInOrder", claimInOrder},
		{"Claim/WritesJobAndRun", claimWrites},
		{"Claim/NeedsALivingLease", claimNeedsLease},
		{"Claim/FiftyClaimersEachJobOnce", claimEachOnce},
		{"Claim/NeverExceedsTheWorkerCount", claimWithinWorkers},
		{"Claim/ExcludesByLocks", claimExcludes},
		{"Claim/LocksUnderConcurrency", claimLocksRace},
		{"Claim/WakesDelayedJobs", claimDelayed},
		{"Claim/SkipsHeldAndPaused", claimHeldPaused},
		{"Claim/SeesEveryClass", claimManyClasses},
		{"Claim/TakesManyOfOneClass", claimOneClass},
		{"Claim/AgainstCancel", claimAgainstCancel},
		{"Claim/DecideSeesTheSnapshot", claimSnapshot},
		{"Claim/ForgetsWhoWasOvertaken", claimForgetsOvertaken},
		{"Claim/AwaitsWhatIsTold", claimAwaits},
		{"Claim/AwaitsNothing", claimAwaitsNothing},
		{"Claim/AwaitNeedsALivingLease", claimAwaitNeedsLease},
		{"Situation/TellsLocksAndSlots", situation},
	}
}

func claimInOrder(t *testing.T, s store.Store) {
	pool(t, s, 10)
	js := add(t, s, newJob(prio(8)), newJob(), newJob(prio(2)), newJob(), newJob(prio(2)))
	same(t, "first two", []string{js[2].ID, js[4].ID}, claimedIDs(claim(t, s, 2)))
	same(t, "rest", []string{js[1].ID, js[3].ID, js[0].ID}, claimedIDs(claim(t, s, 9)))
	if got := claim(t, s, 9); len(got) != 0 {
		t.Errorf("%d more", len(got))
	}
}

func claimWrites(t *testing.T, s store.Store) {
	pool(t, s, 2)
	j := add(t, s, newJob(labelled(map[string]string{"k": "v"}), locks("gpu:0"), func(j *job.Job) { j.RetryOf = "run_old" }))[0]
	now := base.Add(time.Minute)
	c := claimAt(t, s, "a", 1, now).Started[0]
	same(t, "job", read(t, s, j.ID), c.Job)
	if c.Job.State != job.Running || c.Job.Attempt != 1 || c.Job.Instance != "a" || c.Job.Epoch == 0 || c.Job.StartedAt != now {
		t.Errorf("job %+v", c.Job)
	}
	r, err := s.Runs.Run(t.Context(), tenant, c.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "run", r, c.Run)
	same(t, "run as claimed", run.Run{
		ID: c.Job.RunID, Tenant: tenant, JobID: j.ID, State: run.Active, JobName: "job", JobType: "command", Params: []byte(`{}`),
		Labels: map[string]string{"k": "v"}, Attempt: 1, Trigger: "api", CreatedBy: "tester", RetryOf: "run_old", Instance: "a",
		Epoch: c.Job.Epoch, CreatedAt: base, QueuedAt: base, StartedAt: now,
	}, c.Run)
	evs := since(t, s, 0)
	last := evs[len(evs)-1]
	if last.Type != event.JobStarted || last.JobID != j.ID || last.RunID != c.Run.ID {
		t.Errorf("announced %+v", last)
	}
}

func claimNeedsLease(t *testing.T, s store.Store) {
	pool(t, s, 5)
	add(t, s, newJob())
	try := func(instance string, now time.Time) error {
		_, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: instance, Now: now, Poll: true, Room: 1, Decide: firstRunnable})
		return err
	}
	wantCode(t, try("unknown", base), fault.StaleLease)
	wantCode(t, try("a", base.Add(time.Hour)), fault.StaleLease) // the lease is over
	register(t, s, "b")
	if err := s.Leases.Condemn(t.Context(), store.Condemn{Self: "a", HostID: "host-b", Now: base}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, try("b", base), fault.StaleLease)
	if err := s.Leases.Release(t.Context(), "a", base); err != nil {
		t.Fatal(err)
	}
	wantCode(t, try("a", base), fault.StaleLease)
	if got := queued(t, s); len(got) != 1 {
		t.Error("a refused claim started something")
	}
}

func claimEachOnce(t *testing.T, s store.Store) {
	const n = 100
	for i := range 5 {
		register(t, s, fmt.Sprint(i))
	}
	scale(t, s, n)
	var js []job.Job
	for i := range n {
		js = append(js, newJob(ofType(fmt.Sprintf("type%d", i%3))))
	}
	add(t, s, js...)
	var mu sync.Mutex
	started, epochs := map[string]int{}, map[int64]int{}
	together(50, func(i int) {
		for {
			c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: fmt.Sprint(i % 5), Now: base, Poll: true, Room: 1 + i%3, Decide: firstRunnable})
			if err != nil {
				t.Errorf("claim: %v", err)
				return
			}
			if len(c.Started) == 0 {
				return
			}
			mu.Lock()
			for _, x := range c.Started {
				started[x.Job.ID]++
				epochs[x.Job.Epoch]++
			}
			mu.Unlock()
		}
	})
	for _, j := range js {
		if started[j.ID] != 1 {
			t.Errorf("job %s started %d times", j.ID, started[j.ID])
		}
	}
	if len(epochs) != n {
		t.Errorf("%d epochs for %d attempts", len(epochs), n)
	}
}

func claimWithinWorkers(t *testing.T, s store.Store) {
	register(t, s, "b")
	pool(t, s, 3)
	for range 10 {
		add(t, s, newJob())
	}
	var mu sync.Mutex
	total := 0
	together(10, func(i int) {
		c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: []string{"a", "b"}[i%2], Now: base, Room: 2, Decide: firstRunnable})
		if err != nil {
			t.Errorf("claim: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		total += len(c.Started)
	})
	if total != 3 {
		t.Errorf("%d jobs run on 3 workers", total)
	}
	scale(t, s, 0)
	if got := claim(t, s, 5); len(got) != 0 {
		t.Errorf("%d jobs started with 0 workers", len(got))
	}
}

func claimExcludes(t *testing.T, s store.Store) {
	pool(t, s, 10)
	js := add(t, s, newJob(locks("gpu:0", "model:x")), newJob(locks("gpu:0")), newJob(), newJob(locks("model:x")), newJob(locks("gpu:1")))
	first := claim(t, s, 10)
	same(t, "first", []string{js[0].ID, js[2].ID, js[4].ID}, claimedIDs(first))
	succeed(t, s, first[0])
	same(t, "freed together", []string{js[1].ID, js[3].ID}, claimedIDs(claim(t, s, 10)))
}

// claimLocksRace runs claimers on several instances that finish what they
// start; no two holders of a lock may overlap.
func claimLocksRace(t *testing.T, s store.Store) {
	for i := range 4 {
		register(t, s, fmt.Sprint(i))
	}
	scale(t, s, 8)
	const n = 48
	for i := range n {
		add(t, s, newJob(locks(fmt.Sprintf("lock%d", i%3))))
	}
	var mu sync.Mutex
	holder := map[string]string{}
	done := 0
	together(8, func(i int) {
		for {
			c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: fmt.Sprint(i % 4), Now: base, Poll: true, Room: 2, Decide: firstRunnable})
			if err != nil {
				t.Errorf("claim: %v", err)
				return
			}
			var ends []store.Finish
			mu.Lock()
			for _, x := range c.Started {
				l := x.Job.Locks[0]
				if other := holder[l]; other != "" {
					t.Errorf("%s holds %s, which %s holds", x.Job.ID, l, other)
				}
				holder[l] = x.Job.ID
				ends = append(ends, ending(t, x, job.Succeeded{At: base}))
			}
			over := done == n
			mu.Unlock()
			if over {
				return
			}
			if len(ends) == 0 {
				continue
			}
			mu.Lock()
			for _, x := range c.Started { // before the store frees it: then nobody else can have it yet
				delete(holder, x.Job.Locks[0])
			}
			done += len(ends)
			mu.Unlock()
			for _, err := range s.Jobs.Finish(t.Context(), ends) {
				if err != nil {
					t.Errorf("finish: %v", err)
				}
			}
		}
	})
	if got := queued(t, s); len(got) != 0 {
		t.Errorf("%d jobs still wait", len(got))
	}
}

func claimDelayed(t *testing.T, s store.Store) {
	pool(t, s, 5)
	soon, late := base.Add(time.Second), base.Add(time.Minute)
	js := add(t, s, newJob(at(late)), newJob(at(soon)), newJob(at(base.Add(2*time.Hour)), held("x")))
	c := claimAt(t, s, "a", 5, soon.Add(-time.Millisecond))
	if len(c.Started) != 0 || c.NextAt != soon {
		t.Errorf("started %d, next at %v; want none, %v", len(c.Started), c.NextAt, soon)
	}
	c = claimAt(t, s, "a", 5, soon)
	same(t, "at its time", []string{js[1].ID}, claimedIDs(c.Started))
	if c.NextAt != late {
		t.Errorf("next at %v, want %v", c.NextAt, late)
	}
	c = claimAt(t, s, "a", 5, late)
	same(t, "later", []string{js[0].ID}, claimedIDs(c.Started))
	if !c.NextAt.IsZero() {
		t.Errorf("next at %v, want none: held jobs wake nobody", c.NextAt)
	}
	if got := read(t, s, js[0].ID); !got.NotBefore.IsZero() {
		t.Errorf("a running job has not before %v", got.NotBefore)
	}
}

func claimHeldPaused(t *testing.T, s store.Store) {
	pool(t, s, 5)
	js := add(t, s, newJob(held("x"), prio(0)), newJob())
	if _, err := s.Queue.Pause(t.Context(), store.Pause{Paused: true, By: "me", Tenant: tenant, At: base}); err != nil {
		t.Fatal(err)
	}
	if got := claim(t, s, 5); len(got) != 0 {
		t.Errorf("a paused queue started %v", claimedIDs(got))
	}
	if _, err := s.Queue.Pause(t.Context(), store.Pause{Tenant: tenant, At: base}); err != nil {
		t.Fatal(err)
	}
	same(t, "resumed", []string{js[1].ID}, claimedIDs(claim(t, s, 5)))
}

// claimManyClasses puts the soonest job into the class that sorts last.
func claimManyClasses(t *testing.T, s store.Store) {
	pool(t, s, 3)
	var js []job.Job
	for i := range 320 {
		js = append(js, newJob(locks(fmt.Sprintf("lock%03d", i))))
	}
	js = append(js, newJob(ofType("zz"), prio(0)), newJob(ofType("zz"), prio(0)))
	js = add(t, s, js...)
	same(t, "claimed", []string{js[320].ID, js[321].ID, js[0].ID}, claimedIDs(claim(t, s, 3)))
}

func claimOneClass(t *testing.T, s store.Store) {
	pool(t, s, 6)
	var js []job.Job
	for i := range 20 {
		js = append(js, newJob(prio(5-i%2), ofType([]string{"x", "y"}[i%4/2])))
	}
	js = add(t, s, js...)
	same(t, "claimed", queued(t, s)[:6], claimedIDs(claim(t, s, 6)))
	_ = js
}

func claimAgainstCancel(t *testing.T, s store.Store) {
	pool(t, s, 100)
	js := add(t, s, func() (out []job.Job) {
		for range 40 {
			out = append(out, newJob())
		}
		return out
	}()...)
	var mu sync.Mutex
	cancelled, started := map[string]bool{}, map[string]bool{}
	together(5, func(i int) {
		if i == 0 {
			for k := range slices.Backward(js) {
				_, err := move(t, s, js[k], job.CancelAsked{At: base})
				if err != nil && !fault.Is(err, fault.Conflict) {
					t.Errorf("cancel: %v", err)
				}
				mu.Lock()
				cancelled[js[k].ID] = err == nil
				mu.Unlock()
			}
			return
		}
		for range 15 {
			c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Now: base, Poll: true, Room: 1, Decide: firstRunnable})
			if err != nil {
				t.Errorf("claim: %v", err)
				return
			}
			mu.Lock()
			for _, id := range claimedIDs(c.Started) {
				started[id] = true
			}
			mu.Unlock()
		}
	})
	for _, j := range js {
		if cancelled[j.ID] == started[j.ID] {
			t.Errorf("job %s: cancelled %v, started %v", j.ID, cancelled[j.ID], started[j.ID])
		}
	}
}

func claimSnapshot(t *testing.T, s store.Store) {
	pool(t, s, 4)
	js := add(t, s, newJob(locks("l")), newJob(locks("l")), newJob(ofType("x")))
	first := claimOne(t, s)
	var got job.Snapshot
	var heads []string
	_, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Now: base, Poll: true, Room: 2, Decide: func(s job.Snapshot) job.Decision {
		got = s
		err := s.Heads.Walk(func(string) bool { return false }, func(c job.Candidate, _ *job.GroupWork) bool {
			heads = append(heads, c.JobID)
			return true
		})
		if err != nil {
			t.Error(err)
		}
		return job.Decision{}
	}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "heads", []string{js[1].ID, js[2].ID}, heads)
	got.Heads = nil
	same(t, "snapshot", job.Snapshot{
		Now: base, Rules: job.DefaultRules(), Workers: 4, Room: 2, Self: "a",
		Running:  []job.Occupant{{JobID: first.Job.ID, RunID: first.Run.ID, Needs: first.Job.Needs(), Since: first.Job.StartedAt}},
		Held:     map[string][]job.Holder{"l": {holder("l", first.Job)}},
		Capacity: map[string]int{},
	}, got)
}

// claimForgetsOvertaken: a job that was away begins anew, and is no barrier because
// of what was before.
func claimForgetsOvertaken(t *testing.T, s store.Store) {
	pool(t, s, 1)
	j := add(t, s, newJob(locks("l")))[0]
	var seen []job.Overtaken
	decide := func(s job.Snapshot) job.Decision {
		seen = s.Overtaken
		if len(seen) == 0 && j.Version == 1 {
			return job.Decision{Overtaken: []job.Overtaken{{JobID: j.ID, Rank: j.Rank, Needs: j.Needs(), Starts: 20, Since: base}}}
		}
		return job.Decision{Overtaken: seen}
	}
	look := func() int {
		if _, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Now: base, Poll: true, Room: 1, Decide: decide}); err != nil {
			t.Fatal(err)
		}
		return len(seen)
	}
	look()
	if look() != 1 {
		t.Fatal("not noted")
	}
	j = mustMove(t, s, j, job.Held{At: base, Reason: "held"})
	if look() != 0 {
		t.Error("a held job is overtaken")
	}
	j = mustMove(t, s, j, job.Released{At: base})
	if look() != 0 {
		t.Errorf("it came back as %+v", seen[0])
	}
}

// holder is what the store says of a lock that a running job has.
func holder(lock string, j job.Job) job.Holder {
	return job.Holder{Lock: lock, Token: j.Epoch, Tenant: j.Tenant, JobID: j.ID, RunID: j.RunID, HeldAt: j.StartedAt}
}

func situation(t *testing.T, s store.Store) {
	pool(t, s, 4)
	js := add(t, s, newJob(locks("l")), newJob(locks("l", "m")), newJob(locks("n")))
	c := claimOne(t, s)
	got, err := s.Jobs.Situation(t.Context(), js[1:])
	if err != nil {
		t.Fatal(err)
	}
	if snap := got.Snapshot; snap.Now.IsZero() || snap.Workers != 4 || len(snap.Running) != 1 || snap.Paused {
		t.Errorf("situation %+v", got)
	}
	same(t, "held", map[string][]job.Holder{"l": {holder("l", c.Job)}}, got.Snapshot.Held)
}

// during is a claim that waits while f runs.
func during(t *testing.T, s store.Store, instance string, f func()) (c store.Claims, rode bool, err error) {
	t.Helper()
	return s.Queue.Await(t.Context(), store.ClaimJobs{Instance: instance, Now: base, Room: 9, Decide: firstRunnable}, func(<-chan struct{}) { f() })
}

// claimAwaits: what is told while a claim waits starts with it or with the next claim,
// once; what started with it is durable when the answer of who told is there.
func claimAwaits(t *testing.T, s store.Store) {
	pool(t, s, 3)
	told, unwatch := s.Events.Watch()
	defer unwatch()
	start := func(f func()) []string {
		t.Helper()
		for len(told) > 0 {
			<-told
		}
		c, rode, err := during(t, s, "a", f)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for len(told) > 0 {
			if h := <-told; h.Topic == store.HintQueue && h.Claimed {
				seen++
			}
		}
		if rode != (seen > 0) {
			t.Errorf("rode: %v, and %d hints say so", rode, seen)
		}
		if !rode && len(c.Started) > 0 {
			t.Errorf("%d started by who only waited", len(c.Started))
		}
		out := claimedIDs(c.Started)
		return append(out, claimedIDs(claim(t, s, 9))...)
	}
	var js []job.Job
	same(t, "started", 2, len(start(func() { js = add(t, s, newJob(), newJob(prio(2))) })))
	for _, j := range js {
		if got := read(t, s, j.ID); got.State != job.Running || got.Attempt != 1 {
			t.Errorf("%s, attempt %d", got.State, got.Attempt)
		}
	}
	// One slot is free, and the order decides as ever.
	late := add(t, s, newJob(prio(7)), newJob(), newJob(prio(3)))
	same(t, "first", []string{late[2].ID}, claimedIDs(claim(t, s, 1)))
	// A slot becomes free.
	same(t, "next", []string{late[1].ID}, start(func() { succeed(t, s, claimOf(t, s, js[0].ID)) }))
	// What is not committed starts nothing.
	if got := start(func() {
		if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{newJob(), late[0]}}); err == nil {
			t.Error("a job was added twice")
		}
	}); len(got) != 0 {
		t.Errorf("%d started of what was refused", len(got))
	}
	same(t, "waiting", []string{late[0].ID}, queued(t, s))
}

// claimOf is the running attempt of a job.
func claimOf(t *testing.T, s store.Store, jobID string) store.Claimed {
	t.Helper()
	all, err := s.Jobs.Running(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Job.ID == jobID {
			return c
		}
	}
	t.Fatalf("job %s does not run", jobID)
	return store.Claimed{}
}

// claimAwaitsNothing: a claim that has ended its wait takes nothing any more.
func claimAwaitsNothing(t *testing.T, s store.Store) {
	pool(t, s, 3)
	for range 3 {
		c, rode, err := during(t, s, "a", func() {})
		if rode || err != nil || len(c.Started) > 0 {
			t.Fatalf("rode: %v, %d started, %v", rode, len(c.Started), err)
		}
	}
	j := add(t, s, newJob())[0]
	if got := read(t, s, j.ID); got.State != job.Queued {
		t.Errorf("the job is %s", got.State)
	}
	same(t, "started", []string{j.ID}, claimedIDs(claim(t, s, 3)))
}

// claimAwaitNeedsLease: a claim that is refused takes nothing from who told of something.
func claimAwaitNeedsLease(t *testing.T, s store.Store) {
	pool(t, s, 3)
	var j job.Job
	_, rode, err := during(t, s, "unknown", func() { j = add(t, s, newJob())[0] })
	if rode {
		wantCode(t, err, fault.StaleLease)
	} else if err != nil {
		t.Error(err)
	}
	if got := read(t, s, j.ID); got.State != job.Queued {
		t.Errorf("the job is %s", got.State)
	}
	same(t, "started", []string{j.ID}, claimedIDs(claim(t, s, 3)))
}
