package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func laneChecks() []check {
	return []check{
		{"Direct/KeyIsStoredAndForgotten", laneKey},
		{"Direct/RunningIsWhatAnInstanceStarted", laneRunning},
		{"Direct/WaitingEndsWithTheInstance", laneForsaken},
		{"Direct/WaitsForJobsOfItsTenant", laneTenant},
		{"Direct/RunsExpire", laneExpires},
	}
}

// longLease is one that outlasts the test, whatever clock decides.
const longLease = 100 * 365 * 24 * time.Hour

func laneRequest(instance string) store.EnterDirect {
	return store.EnterDirect{
		Run:      run.Run{ID: id.New(id.Run, base), Tenant: tenant, JobType: "echo", CreatedBy: "me", Params: []byte(`{}`)},
		Instance: instance, TTL: longLease, Now: base,
	}
}

func laneEnter(t testing.TB, s store.Store, p store.EnterDirect) store.Entered {
	t.Helper()
	e, err := s.Direct.Enter(t.Context(), p)
	if err != nil {
		t.Fatalf("enter: %v", err)
	}
	return e
}

func laneWaiting(t testing.TB, s store.Store) int {
	t.Helper()
	ds, err := s.Direct.Waiting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(ds)
}

// laneKeyed gives a request a key whose answer has a location of its own.
func laneKeyed(p store.EnterDirect) (store.EnterDirect, string) {
	location := "/runs/" + p.Run.ID
	p.Key = &store.Key{
		Tenant: tenant, Owner: "me", Text: "k", Hash: "h", Now: base, Expires: base.Add(longLease),
		Render: func(any) (store.Reply, error) { return store.Reply{Status: 200, Location: location}, nil },
	}
	return p, location
}

func laneKey(t *testing.T, s store.Store) {
	pool(t, s, 1)
	first, location := laneKeyed(laneRequest("a"))
	if e := laneEnter(t, s, first); e.Timeout != job.DefaultDirectTimeout {
		t.Errorf("it may wait for %s", e.Timeout)
	}
	second, other := laneKeyed(laneRequest("a"))
	replayed := func() string {
		t.Helper()
		_, err := s.Direct.Enter(t.Context(), second)
		again, ok := errors.AsType[*store.Replay](err)
		if !ok {
			t.Fatalf("a known key: %v", err)
		}
		return again.Reply.Location
	}
	if got := replayed(); got != location || laneWaiting(t, s) != 1 {
		t.Errorf("replayed %s, %d wait", got, laneWaiting(t, s))
	}
	leave := func(p store.EnterDirect, location string) bool {
		t.Helper()
		left, err := s.Direct.Leave(t.Context(), store.LeaveDirect{RunID: p.Run.ID, Key: p.Key, Location: location})
		if err != nil {
			t.Fatal(err)
		}
		return left
	}
	// Another request's leaving does not take the key away.
	if leave(second, other) || replayed() != location {
		t.Error("the key of another request was forgotten")
	}
	if !leave(first, location) {
		t.Error("it did not wait")
	}
	laneEnter(t, s, second)
	if got := laneClaim(t, s, "a"); len(got) != 1 {
		t.Fatalf("started %+v", got)
	}
	// A request that runs keeps its key.
	if leave(second, other) || replayed() != other {
		t.Error("a key was forgotten under which something was done")
	}
}

func laneRunning(t *testing.T, s store.Store) {
	pool(t, s, 5)
	register(t, s, "b")
	add(t, s, newJob())
	for _, i := range []string{"a", "b", "a"} {
		laneEnter(t, s, laneRequest(i))
	}
	running := func(instance string) []run.Run {
		t.Helper()
		got, err := s.Direct.Running(t.Context(), instance)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := running("a"); len(got) != 0 {
		t.Errorf("running before a claim: %+v", got)
	}
	want := laneClaim(t, s, "a")
	same(t, "running", want, running("a"))
	if len(want) != 2 || len(running("b")) != 0 {
		t.Errorf("%d run, %d elsewhere", len(want), len(running("b")))
	}
	c, err := run.Apply(want[0], run.Succeeded{At: base})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Direct.Finish(t.Context(), []run.Change{c})[0]; err != nil {
		t.Fatal(err)
	}
	same(t, "after the end of one", want[1:], running("a"))
}

func laneForsaken(t *testing.T, s store.Store) {
	pool(t, s, 1)
	register(t, s, "b")
	register(t, s, "c")
	for _, i := range []string{"b", "c", "a"} {
		laneEnter(t, s, laneRequest(i))
	}
	if err := s.Leases.Release(t.Context(), "b", base); err != nil {
		t.Fatal(err)
	}
	if n := laneWaiting(t, s); n != 2 {
		t.Errorf("%d wait after a release", n)
	}
	if err := s.Leases.Condemn(t.Context(), store.Condemn{Self: "a", HostID: "host-c", Now: base}); err != nil {
		t.Fatal(err)
	}
	if n := laneWaiting(t, s); n != 1 {
		t.Errorf("%d wait after a condemnation", n)
	}
	if got := laneClaim(t, s, "a"); len(got) != 1 {
		t.Errorf("the living one did not start: %+v", got)
	}
}

func laneTenant(t *testing.T, s store.Store) {
	pool(t, s, 3)
	other := addTenant(t, s, "acme").ID
	mine := add(t, s, newJob())[0]
	add(t, s, newJob(func(j *job.Job) { j.Tenant = other }))
	if got := claim(t, s, 2); len(got) != 2 {
		t.Fatalf("%d jobs run", len(got))
	}
	same(t, "waited for", []string{mine.ID}, laneEnter(t, s, laneRequest("a")).WaitedFor)
}

func laneExpires(t *testing.T, s store.Store) {
	pool(t, s, 1)
	laneEnter(t, s, laneRequest("a"))
	r := laneClaim(t, s, "a")[0]
	if x := expire(t, s, base.Add(time.Hour), 10); len(x.RunIDs) != 0 {
		t.Errorf("a run that executes was deleted: %+v", x)
	}
	art := run.Artifact{
		ID: id.New(id.Artifact, base), Tenant: tenant, RunID: r.ID, Name: "x", Size: 3, SHA256: "s", MediaType: "text/plain", CreatedAt: base,
	}
	if err := s.Artifacts.Put(t.Context(), art, r.Epoch, store.ArtifactLimits{}); err != nil {
		t.Fatal(err)
	}
	c, err := run.Apply(r, run.Succeeded{At: base})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Direct.Finish(t.Context(), []run.Change{c})[0]; err != nil {
		t.Fatal(err)
	}
	if x := expire(t, s, base, 10); len(x.RunIDs) != 0 {
		t.Errorf("too early: %+v", x)
	}
	same(t, "expired", store.Expired{RunIDs: []string{r.ID}, Sums: []string{"s"}, Bytes: 3}, expire(t, s, base.Add(time.Second), 10))
	same(t, "usage", store.Usage{}, usageOf(t, s))
}

// laneClaim starts the direct requests of an instance that have room.
func laneClaim(t testing.TB, s store.Store, instance string) []run.Run {
	t.Helper()
	c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: instance, Now: base, Poll: true, Room: 10, Decide: func(s job.Snapshot) job.Decision {
		var d job.Decision
		for _, r := range s.Direct {
			if r.Instance == s.Self && len(s.Running)+len(d.Direct) < s.Workers {
				d.Direct = append(d.Direct, job.Grant{RunID: r.RunID})
			}
		}
		return d
	}})
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	var out []run.Run
	for _, r := range c.Direct {
		out = append(out, r.Run)
	}
	return out
}
