package storetest

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func leaseChecks() []check {
	return []check{
		{"Leases/RegisterAndList", leaseRegister},
		{"Leases/OldestFirstWhateverTheClock", leaseOldestFirst},
		{"Leases/Extend", leaseExtend},
		{"Leases/CondemnByTime", leaseCondemnTime},
		{"Leases/CondemnByHost", leaseCondemnHost},
		{"Leases/LeftoversOfTheGone", leaseLeftovers},
		{"Leases/RunningIsWhatAnInstanceClaimed", leaseRunning},
		{"Leases/ZeroTimeIsTheAuthoritysClock", leaseOwnClock},
	}
}

func alive(t testing.TB, s store.Store) []string {
	t.Helper()
	is, err := s.Leases.Instances(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, i := range is {
		out = append(out, i.ID)
	}
	return out
}

func leaseRegister(t *testing.T, s store.Store) {
	register(t, s, "z")
	i := store.Instance{ID: "a", HostID: "h", Hostname: "ü", Pid: 1 << 22, Version: "1", StartedAt: base.Add(time.Second)}
	if err := s.Leases.Register(t.Context(), i, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := s.Leases.Register(t.Context(), i, time.Minute); err == nil {
		t.Error("one id was registered twice")
	}
	got, err := s.Leases.Instances(t.Context())
	if err != nil || len(got) != 2 || got[0].ID != "z" {
		t.Fatalf("instances %+v, %v; want the oldest first", got, err)
	}
	i.LeaseUntil = base.Add(time.Second + time.Minute)
	same(t, "instance", i, got[1])
	if err := s.Leases.Release(t.Context(), "a", base); err != nil {
		t.Fatal(err)
	}
	if err := s.Leases.Release(t.Context(), "a", base); err != nil {
		t.Errorf("released twice: %v", err)
	}
	same(t, "alive", []string{"z"}, alive(t, s))
}

// leaseOldestFirst registers in one millisecond and with a clock that goes
// back: whoever came first must stay the first.
func leaseOldestFirst(t *testing.T, s store.Store) {
	want := []string{"m", "z", "a", "b"}
	for n, id := range want {
		at := base
		if n == 3 {
			at = base.Add(-time.Hour)
		}
		if err := s.Leases.Register(t.Context(), store.Instance{ID: id, HostID: id, StartedAt: at}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "alive", want, alive(t, s))
}

func leaseExtend(t *testing.T, s store.Store) {
	register(t, s, "a")
	// A lease that is over but not condemned can still be extended.
	if err := s.Leases.Extend(t.Context(), "a", base.Add(2*time.Hour), time.Minute); err != nil {
		t.Fatal(err)
	}
	got, err := s.Leases.Instances(t.Context())
	if err != nil || got[0].LeaseUntil != base.Add(2*time.Hour+time.Minute) {
		t.Errorf("lease until %v, %v", got, err)
	}
	wantCode(t, s.Leases.Extend(t.Context(), "unknown", base, time.Minute), fault.StaleLease)
	if err := s.Leases.Release(t.Context(), "a", base); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Leases.Extend(t.Context(), "a", base, time.Minute), fault.StaleLease)
}

func leaseCondemnTime(t *testing.T, s store.Store) {
	register(t, s, "a")
	register(t, s, "self")
	condemn := func(now time.Time, some bool) {
		t.Helper()
		p := store.Condemn{Self: "self", Now: now, Grace: time.Minute}
		lost(t, s, p, some)
		if err := s.Leases.Condemn(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		lost(t, s, p, false)
	}
	condemn(base.Add(time.Hour+time.Minute), false)
	same(t, "within the grace", []string{"a", "self"}, alive(t, s))
	condemn(base.Add(time.Hour+time.Minute+time.Millisecond), true)
	same(t, "after it", []string{"self"}, alive(t, s))
	wantCode(t, s.Leases.Extend(t.Context(), "a", base, time.Hour), fault.StaleLease)
}

// lost checks what Leases.Lost says.
func lost(t *testing.T, s store.Store, p store.Condemn, want bool) {
	t.Helper()
	if got, err := s.Leases.Lost(t.Context(), p); err != nil || got != want {
		t.Errorf("lost: %t, %v", got, err)
	}
}

func leaseCondemnHost(t *testing.T, s store.Store) {
	for _, i := range []store.Instance{{ID: "self", HostID: "h1"}, {ID: "dead", HostID: "h1"}, {ID: "other", HostID: "h2"}} {
		i.StartedAt = base
		if err := s.Leases.Register(t.Context(), i, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Leases.Condemn(t.Context(), store.Condemn{Self: "self", HostID: "h1", Now: base, Grace: time.Minute}); err != nil {
		t.Fatal(err)
	}
	same(t, "alive", []string{"self", "other"}, alive(t, s))
}

func leaseLeftovers(t *testing.T, s store.Store) {
	pool(t, s, 5)
	register(t, s, "b")
	add(t, s, newJob(), newJob(), newJob())
	mine := claim(t, s, 1)
	dead := claimAt(t, s, "b", 2, base).Started
	if got, err := s.Leases.Leftovers(t.Context()); err != nil || len(got) != 0 {
		t.Fatalf("leftovers of the living: %v, %v", got, err)
	}
	now := store.Condemn{Self: "a", Now: base}
	lost(t, s, now, false)
	if err := s.Leases.Condemn(t.Context(), store.Condemn{Self: "a", HostID: "host-b", Now: base}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Leases.Leftovers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Leftover{}
	for _, c := range dead {
		want = append(want, store.Leftover{Job: c.Job, Run: c.Run, HostID: "host-b"})
	}
	same(t, "leftovers", want, got)
	lost(t, s, now, true)
	if err := finishWith(t, s, dead[0], job.Interrupted{At: base}); err != nil {
		t.Fatal(err)
	}
	if got, _ = s.Leases.Leftovers(t.Context()); len(got) != 1 {
		t.Errorf("%d leftovers after one was rescued", len(got))
	}
	if err := finishWith(t, s, dead[1], job.Interrupted{At: base}); err != nil {
		t.Fatal(err)
	}
	lost(t, s, now, false)
	if err := s.Leases.Release(t.Context(), "a", base); err != nil {
		t.Fatal(err)
	}
	if got, _ = s.Leases.Leftovers(t.Context()); len(got) != 1 || got[0].Job.ID != mine[0].Job.ID {
		t.Errorf("after a release: %d leftovers", len(got))
	}
}

// leaseRunning is how a claim without an answer is found again.
func leaseRunning(t *testing.T, s store.Store) {
	running := func(instance string) []store.Claimed {
		t.Helper()
		got, err := s.Jobs.Running(t.Context(), instance)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	pool(t, s, 5)
	register(t, s, "b")
	add(t, s, newJob(), newJob(func(j *job.Job) { j.Locks = []string{"gpu:0"} }), newJob(), newJob())
	mine := claim(t, s, 2)
	other := claimAt(t, s, "b", 1, base).Started
	same(t, "running", mine, running("a"))
	same(t, "running elsewhere", other, running("b"))
	if got := running("unknown"); len(got) != 0 {
		t.Errorf("an unknown instance runs %v", claimedIDs(got))
	}
	if err := finishWith(t, s, mine[0], job.Succeeded{At: base}); err != nil {
		t.Fatal(err)
	}
	same(t, "after an end", mine[1:], running("a"))
	// The instance's own end changes nothing: the attempts are still its own.
	if err := s.Leases.Release(t.Context(), "a", base); err != nil {
		t.Fatal(err)
	}
	same(t, "after a release", mine[1:], running("a"))
}

func leaseOwnClock(t *testing.T, s store.Store) {
	if err := s.Leases.Register(t.Context(), store.Instance{ID: "a", HostID: "h"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	got, err := s.Leases.Instances(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := got[0].LeaseUntil.Sub(got[0].StartedAt); d != time.Minute || got[0].StartedAt.IsZero() {
		t.Errorf("started %v, lease of %v", got[0].StartedAt, d)
	}
	if err := s.Leases.Extend(t.Context(), "a", time.Time{}, time.Hour); err != nil {
		t.Fatal(err)
	}
	lost(t, s, store.Condemn{Grace: time.Second}, false)
	lost(t, s, store.Condemn{Grace: -2 * time.Hour}, true)
	if err := s.Leases.Condemn(t.Context(), store.Condemn{Grace: time.Second}); err != nil {
		t.Fatal(err)
	}
	same(t, "alive", []string{"a"}, alive(t, s))
	scale(t, s, 1)
	add(t, s, newJob())
	if got := claimAt(t, s, "a", 1, time.Time{}).Started; len(got) != 1 || got[0].Job.StartedAt.IsZero() {
		t.Errorf("claimed %v", claimedIDs(got))
	}
}
