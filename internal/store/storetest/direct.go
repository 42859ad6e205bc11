package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func directChecks() []check {
	return []check{
		{"Direct/EnterAndFinish", directLife},
		{"Direct/FirstComeFirstOverInstances", directFIFO},
		{"Direct/LaneFull", directFull},
		{"Direct/WithdrawnAndExpired", directLeave},
		{"Direct/BeatKeepsThemWaiting", directBeat},
		{"Direct/TakesLocks", directLocks},
		{"Direct/LeftoversOfTheDead", directCrash},
		{"Direct/AgainstClaims", directRace},
	}
}

// ages is a lease that outlives the test, whatever clock decides.
const ages = 100 * 365 * 24 * time.Hour

func request(instance string, locks ...string) store.EnterDirect {
	return store.EnterDirect{
		Run:   run.Run{ID: id.New(id.Run, base), Tenant: tenant, JobType: "echo", CreatedBy: "me", Params: []byte(`{"hash":"h"}`)},
		Locks: locks, Instance: instance, TTL: ages, Now: base,
	}
}

func enter(t testing.TB, s store.Store, p store.EnterDirect) store.Entered {
	t.Helper()
	e, err := s.Direct.Enter(t.Context(), p)
	if err != nil {
		t.Fatalf("enter: %v", err)
	}
	return e
}

func directIDs(ds []job.Direct) []string {
	out := []string{}
	for _, d := range ds {
		out = append(out, d.RunID)
	}
	return out
}

func waitingDirect(t testing.TB, s store.Store) []string {
	t.Helper()
	ds, err := s.Direct.Waiting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return directIDs(ds)
}

func endDirect(t testing.TB, s store.Store, r run.Run, ev any) error {
	t.Helper()
	c, err := run.Apply(r, ev)
	if err != nil {
		t.Fatal(err)
	}
	return s.Direct.Finish(t.Context(), []run.Change{c})[0]
}

func directLife(t *testing.T, s store.Store) {
	pool(t, s, 1)
	j := add(t, s, newJob())[0]
	c := claimOne(t, s)
	add(t, s, newJob())
	p := request("a")
	e := enter(t, s, p)
	same(t, "entered", store.Entered{WaitedFor: []string{j.ID}, ArrivedAt: base, Timeout: job.DefaultDirectTimeout}, e)
	same(t, "waiting", []string{p.Run.ID}, waitingDirect(t, s))
	succeed(t, s, c)
	now := base.Add(time.Second)
	got := claimAt(t, s, "a", 2, now)
	if len(got.Started) != 0 || len(got.Direct) != 1 {
		t.Fatalf("started %v and %d direct", claimedIDs(got.Started), len(got.Direct))
	}
	r := got.Direct[0].Run
	same(t, "run", run.Run{
		ID: p.Run.ID, Tenant: tenant, State: run.Active, JobName: "echo", JobType: "echo", Params: p.Run.Params, Attempt: 1, Trigger: "direct",
		CreatedBy: "me", Instance: "a", Epoch: r.Epoch, CreatedAt: base, QueuedAt: base, StartedAt: now, WaitedFor: []string{j.ID},
	}, r)
	stored, err := s.Runs.Run(t.Context(), tenant, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "as stored", stored, r)
	if left, err := s.Direct.Leave(t.Context(), store.LeaveDirect{RunID: r.ID}); err != nil || left {
		t.Errorf("withdrew one that runs: %v, %v", left, err)
	}
	if got := claimAt(t, s, "a", 2, now); len(got.Started) != 0 {
		t.Error("its slot was given away")
	}
	if err := endDirect(t, s, r, run.Succeeded{At: now}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, endDirect(t, s, r, run.Succeeded{At: now}), fault.StaleLease)
	if stored, err = s.Runs.Run(t.Context(), tenant, r.ID); err != nil || stored.State != run.Completed {
		t.Errorf("ended %+v, %v", stored, err)
	}
	same(t, "then the queue", 1, len(claim(t, s, 2)))
	var types []event.Type
	for _, e := range since(t, s, 0) {
		if e.RunID == r.ID {
			types = append(types, e.Type)
		}
	}
	same(t, "announced", []event.Type{event.DirectStarted, event.DirectFinished}, types)
}

func directFIFO(t *testing.T, s store.Store) {
	pool(t, s, 1)
	register(t, s, "b")
	ps := []store.EnterDirect{request("b"), request("a"), request("b")}
	for i, p := range ps {
		if e := enter(t, s, p); e.Ahead != i {
			t.Errorf("request %d has %d ahead", i, e.Ahead)
		}
	}
	same(t, "waiting", []string{ps[0].Run.ID, ps[1].Run.ID, ps[2].Run.ID}, waitingDirect(t, s))
	if got := claimAt(t, s, "a", 5, base); len(got.Direct) != 0 {
		t.Error("an instance started a request that is not first")
	}
	for i, instance := range []string{"b", "a", "b"} {
		got := claimAt(t, s, instance, 5, base)
		if len(got.Direct) != 1 || got.Direct[0].Run.ID != ps[i].Run.ID {
			t.Fatalf("turn %d: %+v", i, got.Direct)
		}
		if err := endDirect(t, s, got.Direct[0].Run, run.Succeeded{At: base}); err != nil {
			t.Fatal(err)
		}
	}
}

func directFull(t *testing.T, s store.Store) {
	pool(t, s, 1)
	rules := job.DefaultRules()
	rules.DirectWaiting = 2
	setRules(t, s, rules)
	enter(t, s, request("a"))
	first := waitingDirect(t, s)[0]
	enter(t, s, request("a"))
	_, err := s.Direct.Enter(t.Context(), request("a"))
	wantCode(t, err, fault.DirectLaneFull)
	if got := claimAt(t, s, "a", 1, base); len(got.Direct) != 1 || got.Direct[0].Run.ID != first {
		t.Fatalf("started %+v", got.Direct)
	}
	enter(t, s, request("a")) // a running one does not count
	_, err = s.Direct.Enter(t.Context(), request("unknown"))
	wantCode(t, err, fault.StaleLease)
}

func directLeave(t *testing.T, s store.Store) {
	pool(t, s, 1)
	p, q, r := request("a"), request("a"), request("a")
	q.TTL = time.Second
	for _, x := range []store.EnterDirect{p, q, r} {
		enter(t, s, x)
	}
	if left, err := s.Direct.Leave(t.Context(), store.LeaveDirect{RunID: p.Run.ID}); err != nil || !left {
		t.Errorf("withdrawn: %v, %v", left, err)
	}
	if left, err := s.Direct.Leave(t.Context(), store.LeaveDirect{RunID: p.Run.ID}); err != nil || left {
		t.Errorf("withdrawn twice: %v, %v", left, err)
	}
	got := claimAt(t, s, "a", 1, base.Add(time.Second))
	if len(got.Direct) != 1 || got.Direct[0].Run.ID != r.Run.ID {
		t.Errorf("started %+v, want the one whose lease lives", got.Direct)
	}
	x := request("a")
	x.Now = base.Add(time.Second)
	if e := enter(t, s, x); e.Ahead != 0 || !slices.Equal(e.WaitedFor, []string{r.Run.ID}) {
		t.Errorf("entered %+v", e)
	}
}

func directBeat(t *testing.T, s store.Store) {
	pool(t, s, 1)
	register(t, s, "b")
	p, q, r := request("a"), request("b"), request("a")
	for _, x := range []store.EnterDirect{p, q, r} {
		x.TTL = time.Millisecond
		enter(t, s, x)
	}
	if _, err := s.Direct.Beat(t.Context(), "b", ages); err != nil {
		t.Fatal(err)
	}
	got, err := s.Direct.Beat(t.Context(), "a", ages)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "beat", []store.DirectState{{RunID: p.Run.ID}, {RunID: r.Run.ID, Ahead: 2}}, got)
	started := claimAt(t, s, "a", 1, base.Add(time.Minute)).Direct
	if len(started) != 1 || started[0].Run.ID != p.Run.ID {
		t.Fatalf("started %+v", started)
	}
	if got, err = s.Direct.Beat(t.Context(), "a", ages); err != nil {
		t.Fatal(err)
	}
	same(t, "beat", []store.DirectState{{RunID: p.Run.ID, Started: true}, {RunID: r.Run.ID, Ahead: 1}}, got)
}

// directLocks: a request holds its locks like a job, and jobs that need none of
// them may start while it waits.
func directLocks(t *testing.T, s store.Store) {
	pool(t, s, 3)
	js := add(t, s, newJob(locks("l")))
	c := claimOne(t, s)
	p := request("a", "l")
	enter(t, s, p)
	js = append(js, add(t, s, newJob(locks("l")), newJob(locks("m")))...)
	got := claimAt(t, s, "a", 5, base)
	same(t, "meanwhile", []string{js[2].ID}, claimedIDs(got.Started))
	succeed(t, s, c)
	got = claimAt(t, s, "a", 5, base)
	if len(got.Direct) != 1 || len(got.Started) != 0 {
		t.Fatalf("%d direct, started %v", len(got.Direct), claimedIDs(got.Started))
	}
	l, err := s.Locks.Lock(t.Context(), "l")
	if err != nil || len(l.Holders) != 1 || l.Holders[0].RunID != p.Run.ID || l.Holders[0].JobID != "" || l.Holders[0].Token != got.Direct[0].Run.Epoch {
		t.Errorf("lock %+v, %v", l, err)
	}
	if err := endDirect(t, s, got.Direct[0].Run, run.Broke{At: base, Failure: run.Failure{Code: "x"}}); err != nil {
		t.Fatal(err)
	}
	same(t, "then", []string{js[1].ID}, claimedIDs(claim(t, s, 5)))
}

func directCrash(t *testing.T, s store.Store) {
	pool(t, s, 1)
	register(t, s, "b")
	p := request("a", "l")
	enter(t, s, p)
	got := claimAt(t, s, "a", 1, base).Direct
	if len(got) != 1 {
		t.Fatalf("%d started", len(got))
	}
	if err := s.Leases.Condemn(t.Context(), store.Condemn{Self: "b", HostID: "host-a", Now: base}); err != nil {
		t.Fatal(err)
	}
	left, err := s.Leases.Leftovers(t.Context())
	if err != nil || len(left) != 1 || left[0].Run.ID != p.Run.ID || left[0].Job.ID != "" || left[0].HostID != "host-a" {
		t.Fatalf("leftovers %+v, %v", left, err)
	}
	lost(t, s, store.Condemn{Self: "b", Now: base}, true)
	j := add(t, s, newJob(locks("l")))[0]
	if c := claimAt(t, s, "b", 1, base); len(c.Started) != 0 {
		t.Error("the slot was given away before the leftover ended")
	}
	if err := endDirect(t, s, left[0].Run, run.Broke{At: base, Failure: run.Failure{Code: job.CodeInterrupted}}); err != nil {
		t.Fatal(err)
	}
	lost(t, s, store.Condemn{Self: "b", Now: base}, false)
	wantCode(t, endDirect(t, s, got[0].Run, run.Succeeded{At: base}), fault.StaleLease)
	same(t, "goes on", []string{j.ID}, claimedIDs(claimAt(t, s, "b", 1, base).Started))
}

// directRace: requests are withdrawn while claims want to start them.
func directRace(t *testing.T, s store.Store) {
	pool(t, s, 100)
	var ps []store.EnterDirect
	for range 24 {
		p := request("a")
		enter(t, s, p)
		ps = append(ps, p)
	}
	left := make([]bool, len(ps))
	started := make([]map[string]bool, 4)
	together(8, func(i int) {
		if i < 4 {
			started[i] = map[string]bool{}
			for range 4 {
				c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Now: base, Poll: true, Room: 2, Decide: firstRunnable})
				if err != nil {
					t.Errorf("claim: %v", err)
				}
				for _, d := range c.Direct {
					started[i][d.Run.ID] = true
				}
			}
			return
		}
		for k := i - 4; k < len(ps); k += 4 {
			var err error
			if left[k], err = s.Direct.Leave(t.Context(), store.LeaveDirect{RunID: ps[k].Run.ID}); err != nil {
				t.Errorf("leave: %v", err)
			}
		}
	})
	for k, p := range ps {
		n := 0
		for _, m := range started {
			if m[p.Run.ID] {
				n++
			}
		}
		if left[k] {
			n++
		}
		if n != 1 {
			t.Errorf("request %d was started or withdrawn %d times", k, n)
		}
	}
}
