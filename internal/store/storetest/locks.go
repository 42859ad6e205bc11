package storetest

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func lockChecks() []check {
	return []check{
		{"Locks/AcquireRenewRelease", lockLife},
		{"Locks/Expire", lockExpires},
		{"Locks/Force", lockTakenAway},
		{"Locks/Capacity", lockCapacity},
		{"Locks/List", lockList},
		{"Locks/TokensGrow", lockTokens},
		{"Locks/JobsAndProgramsExclude", lockExclusion},
		{"Locks/Most", lockMost},
	}
}

func acquire(t testing.TB, s store.Store, name, holder string, now time.Time) (job.Holder, error) {
	return s.Locks.Acquire(t.Context(), store.AcquireLock{Tenant: tenant, Name: name, Holder: holder, TTL: time.Minute, Now: now})
}

func mustAcquire(t testing.TB, s store.Store, name, holder string, now time.Time) job.Holder {
	t.Helper()
	h, err := acquire(t, s, name, holder, now)
	if err != nil {
		t.Fatalf("acquire: %v", err)
	}
	return h
}

func lockLife(t *testing.T, s store.Store) {
	pool(t, s, 2)
	h := mustAcquire(t, s, "l", "backup", base)
	same(t, "holder", job.Holder{
		Lock: "l", Token: h.Token, Tenant: tenant, Outside: "backup", HeldAt: base, ExpiresAt: base.Add(time.Minute),
	}, h)
	_, err := acquire(t, s, "l", "other", base)
	wantCode(t, err, fault.LockHeld)
	add(t, s, newJob(locks("l")))
	if got := claim(t, s, 2); len(got) != 0 {
		t.Error("a job started although a program holds its lock")
	}
	renew := func(token int64, tenant string, now time.Time) (job.Holder, error) {
		return s.Locks.Renew(t.Context(), store.RenewLock{Tenant: tenant, Name: "l", Token: token, TTL: time.Minute, Now: now})
	}
	release := func(p store.ReleaseLock) error {
		p.Name, p.Now = "l", base
		_, err := s.Locks.Release(t.Context(), p)
		return err
	}
	got, err := renew(h.Token, tenant, base.Add(30*time.Second))
	if err != nil || got.ExpiresAt != base.Add(90*time.Second) || got.Token != h.Token {
		t.Errorf("renewed %+v, %v", got, err)
	}
	_, err = renew(h.Token+1, tenant, base)
	wantCode(t, err, fault.LockNotHeld)
	_, err = renew(h.Token, "ten_other", base)
	wantCode(t, err, fault.LockNotHeld)
	wantCode(t, release(store.ReleaseLock{Tenant: "ten_other", Token: h.Token}), fault.LockNotHeld)
	if err := release(store.ReleaseLock{Tenant: tenant, Token: h.Token}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, release(store.ReleaseLock{Tenant: tenant, Token: h.Token}), fault.LockNotHeld)
	c := claimOne(t, s)
	_, err = acquire(t, s, "l", "backup", base)
	wantCode(t, err, fault.LockHeld)
	wantCode(t, release(store.ReleaseLock{Tenant: tenant, Token: c.Job.Epoch}), fault.LockNotHeld) // that is the attempt's
	var types []event.Type
	for _, e := range since(t, s, 0) {
		if e.Data["lock"] == "l" {
			types = append(types, e.Type)
		}
	}
	same(t, "announced", []event.Type{event.LockAcquired, event.LockReleased}, types)
}

func lockExpires(t *testing.T, s store.Store) {
	pool(t, s, 2)
	h := mustAcquire(t, s, "l", "backup", base)
	j := add(t, s, newJob(locks("l")))[0]
	c := claimAt(t, s, "a", 2, base.Add(time.Minute-time.Millisecond))
	if len(c.Started) != 0 || c.NextAt != base.Add(time.Minute) {
		t.Errorf("%d started, next at %v", len(c.Started), c.NextAt)
	}
	same(t, "afterwards", []string{j.ID}, claimedIDs(claimAt(t, s, "a", 2, base.Add(time.Minute)).Started))
	_, err := s.Locks.Renew(t.Context(), store.RenewLock{Tenant: tenant, Name: "l", Token: h.Token, TTL: time.Minute, Now: base.Add(time.Minute)})
	wantCode(t, err, fault.LockNotHeld)
	first := mustAcquire(t, s, "m", "one", base)
	second := mustAcquire(t, s, "m", "two", base.Add(time.Minute))
	if second.Token <= first.Token {
		t.Errorf("token %d after %d", second.Token, first.Token)
	}
	_, err = s.Locks.Renew(t.Context(), store.RenewLock{Tenant: tenant, Name: "m", Token: first.Token, TTL: time.Hour, Now: base})
	wantCode(t, err, fault.LockNotHeld)
}

// lockTakenAway takes locks away from a program and from an attempt, which goes on
// without and ends in peace.
func lockTakenAway(t *testing.T, s store.Store) {
	pool(t, s, 2)
	js := add(t, s, newJob(locks("l")), newJob(locks("l")))
	c := claimOne(t, s)
	h := mustAcquire(t, s, "m", "x", base)
	for name, token := range map[string]int64{"l": c.Job.Epoch, "m": h.Token} {
		got, err := s.Locks.Release(t.Context(), store.ReleaseLock{Tenant: "ten_admin", Name: name, Token: token, Force: true, Now: base})
		if err != nil || got.Token != token {
			t.Errorf("forced %+v, %v", got, err)
		}
	}
	next := claim(t, s, 2)
	same(t, "started", []string{js[1].ID}, claimedIDs(next))
	succeed(t, s, c) // must not free the other's unit
	_, err := acquire(t, s, "l", "x", base)
	wantCode(t, err, fault.LockHeld)
	succeed(t, s, next[0])
	mustAcquire(t, s, "l", "x", base)
}

func setCapacity(t testing.TB, s store.Store, name string, n int) {
	t.Helper()
	l, err := s.Locks.SetCapacity(t.Context(), store.SetCapacity{Tenant: tenant, Name: name, Capacity: n, At: base})
	if err != nil || l.Capacity != n {
		t.Fatalf("set capacity: %+v, %v", l, err)
	}
}

func lockCapacity(t *testing.T, s store.Store) {
	pool(t, s, 10)
	setCapacity(t, s, "gpu", 3)
	h := mustAcquire(t, s, "gpu", "x", base)
	js := add(t, s, newJob(locks("gpu")), newJob(locks("gpu")), newJob(locks("gpu")))
	cs := claim(t, s, 10)
	same(t, "two units", []string{js[0].ID, js[1].ID}, claimedIDs(cs))
	setCapacity(t, s, "gpu", 2)
	if _, err := s.Locks.Release(t.Context(), store.ReleaseLock{Tenant: tenant, Name: "gpu", Token: h.Token, Now: base}); err != nil {
		t.Fatal(err)
	}
	if got := claim(t, s, 10); len(got) != 0 {
		t.Error("more holders than the smaller capacity")
	}
	setCapacity(t, s, "gpu", 1)
	succeed(t, s, cs[0])
	if got := claim(t, s, 10); len(got) != 0 {
		t.Error("two holders of one unit")
	}
	succeed(t, s, cs[1])
	same(t, "last", []string{js[2].ID}, claimedIDs(claim(t, s, 10)))
}

func lockList(t *testing.T, s store.Store) {
	pool(t, s, 2)
	setCapacity(t, s, "b", 2)
	setCapacity(t, s, "d", 4)
	setCapacity(t, s, "d", 1) // forgets it
	add(t, s, newJob(locks("a", "c")))
	c := claimOne(t, s)
	var got []string
	p := store.ListLocks{Limit: 2}
	for {
		page, err := s.Locks.List(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Locks {
			got = append(got, fmt.Sprintf("%s %d %d", l.Name, l.Capacity, len(l.Holders)))
			p.AfterName = l.Name
		}
		if !page.More {
			break
		}
	}
	same(t, "locks", []string{"a 1 1", "b 2 0", "c 1 1"}, got)
	l, err := s.Locks.Lock(t.Context(), "c")
	if err != nil || l.Holders[0] != holder("c", c.Job) {
		t.Errorf("lock %+v, %v", l, err)
	}
	if l, err = s.Locks.Lock(t.Context(), "never"); err != nil || l.Capacity != 1 || len(l.Holders) != 0 {
		t.Errorf("unknown lock %+v, %v", l, err)
	}
	register(t, s, "b")
	if err := s.Leases.Condemn(t.Context(), store.Condemn{Self: "b", HostID: "host-a", Now: base}); err != nil {
		t.Fatal(err)
	}
	if l, err = s.Locks.Lock(t.Context(), "c"); err != nil || !l.Holders[0].Lost {
		t.Errorf("its server is gone: %+v, %v", l, err)
	}
}

// lockTokens: tokens of one lock grow, whoever gets it.
func lockTokens(t *testing.T, s store.Store) {
	pool(t, s, 1)
	var last int64
	for range 4 {
		h := mustAcquire(t, s, "l", "x", base)
		if h.Token <= last {
			t.Errorf("token %d after %d", h.Token, last)
		}
		if _, err := s.Locks.Release(t.Context(), store.ReleaseLock{Tenant: tenant, Name: "l", Token: h.Token, Now: base}); err != nil {
			t.Fatal(err)
		}
		add(t, s, newJob(locks("l")))
		c := claimOne(t, s)
		if c.Job.Epoch <= h.Token {
			t.Errorf("epoch %d after token %d", c.Job.Epoch, h.Token)
		}
		last = c.Job.Epoch
		succeed(t, s, c)
	}
}

// lockExclusion: jobs of two instances and programs want two units of a lock.
func lockExclusion(t *testing.T, s store.Store) {
	pool(t, s, 8)
	register(t, s, "b")
	setCapacity(t, s, "l", 2)
	for range 20 {
		add(t, s, newJob(locks("l", "z")))
	}
	var mu sync.Mutex
	held, most, done := 0, 0, 0
	enter := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		held += n
		most = max(most, held)
		if held > 2 {
			t.Errorf("%d hold two units", held)
		}
	}
	together(6, func(i int) {
		for range 400 {
			mu.Lock()
			over := done == 20
			mu.Unlock()
			if over {
				return
			}
			if i%3 == 0 {
				h, err := acquire(t, s, "l", fmt.Sprint(i), base)
				if err != nil {
					wantCode(t, err, fault.LockHeld)
					continue
				}
				enter(1)
				enter(-1)
				if _, err := s.Locks.Release(t.Context(), store.ReleaseLock{Tenant: tenant, Name: "l", Token: h.Token, Now: base}); err != nil {
					t.Errorf("release: %v", err)
				}
				continue
			}
			c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: []string{"a", "b"}[i%2], Now: base, Room: 2, Decide: firstRunnable})
			if err != nil {
				t.Errorf("claim: %v", err)
				return
			}
			for _, x := range c.Started {
				enter(1)
				enter(-1)
				if err := finishWith(t, s, x, job.Succeeded{At: base}); err != nil {
					t.Errorf("finish: %v", err)
				}
				mu.Lock()
				done++
				mu.Unlock()
			}
		}
	})
	if most == 0 {
		t.Error("nobody held it")
	}
}

// lockMost: a program cannot fill what every decision reads.
func lockMost(t *testing.T, s store.Store) {
	for i := range 1000 {
		mustAcquire(t, s, "l"+strconv.Itoa(i), "flood", base)
	}
	_, err := acquire(t, s, "more", "flood", base)
	wantCode(t, err, fault.TooManyRequests)
	if _, err := s.Locks.Acquire(t.Context(), store.AcquireLock{Tenant: "other", Name: "more", Holder: "calm", TTL: time.Minute, Now: base}); err != nil {
		t.Errorf("another tenant gets no lock: %v", err)
	}
	mustAcquire(t, s, "later", "flood", base.Add(time.Hour)) // all have expired
}

func workLockChecks() []check {
	return []check{
		{"WorkLocks/AllOrNone", workAllOrNone},
		{"WorkLocks/WhoWaitsComesFirst", workWaiting},
		{"WorkLocks/EndWithTheAttempt", workEnds},
		{"WorkLocks/OneHolderAtATime", workRace},
	}
}

func takeMore(t testing.TB, s store.Store, c store.Claimed, names ...string) store.TakenLocks {
	t.Helper()
	got, err := s.Locks.Take(t.Context(), store.TakeLocks{JobID: c.Job.ID, RunID: c.Run.ID, Epoch: c.Run.Epoch, Names: names, Now: base})
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	return got
}

func workAllOrNone(t *testing.T, s store.Store) {
	pool(t, s, 2)
	if _, err := s.Locks.SetCapacity(t.Context(), store.SetCapacity{Tenant: tenant, Name: "gpu", Capacity: 2, At: base}); err != nil {
		t.Fatal(err)
	}
	add(t, s, durable(), durable())
	cs := claim(t, s, 2)
	granted := store.TakenLocks{Granted: true}
	same(t, "first", granted, takeMore(t, s, cs[0], "net", "gpu", "net"))
	same(t, "again", granted, takeMore(t, s, cs[0], "gpu"))
	same(t, "one is taken", store.TakenLocks{Blocked: "net"}, takeMore(t, s, cs[1], "gpu", "net", "disk"))
	l, err := s.Locks.Lock(t.Context(), "gpu")
	if err != nil || len(l.Holders) != 1 || l.Holders[0].RunID != cs[0].Run.ID || l.Holders[0].Token != cs[0].Run.Epoch {
		t.Errorf("holders %+v, %v", l.Holders, err)
	}
	same(t, "the second unit", granted, takeMore(t, s, cs[1], "gpu"))
	if err := s.Locks.Free(t.Context(), store.FreeLocks{JobID: cs[0].Job.ID, RunID: cs[0].Run.ID, Epoch: cs[0].Run.Epoch, Names: []string{"net"}}); err != nil {
		t.Fatal(err)
	}
	same(t, "when it is free", granted, takeMore(t, s, cs[1], "net"))
	_, err = s.Locks.Take(t.Context(), store.TakeLocks{JobID: cs[0].Job.ID, RunID: cs[0].Run.ID, Epoch: cs[0].Run.Epoch - 1, Names: []string{"x"}})
	wantCode(t, err, fault.StaleLease)
}

func workWaiting(t *testing.T, s store.Store) {
	pool(t, s, 3)
	add(t, s, durable(), durable(), newJob(locks("gpu")), newJob(locks("net")))
	cs := claim(t, s, 2)
	if err := finishWith(t, s, cs[0], job.Parked{At: base, Locks: []string{"gpu"}}); err != nil {
		t.Fatal(err)
	}
	same(t, "a run of the lane waits for it", store.TakenLocks{Blocked: "gpu"}, takeMore(t, s, cs[1], "gpu"))
	same(t, "only work that has not begun waits for it", store.TakenLocks{Granted: true}, takeMore(t, s, cs[1], "net"))
}

func workEnds(t *testing.T, s store.Store) {
	pool(t, s, 1)
	add(t, s, durable())
	for _, ev := range []any{
		job.Parked{At: base, For: "timer", Until: base.Add(time.Millisecond)}, job.Interrupted{At: base}, job.Returned{At: base}, job.Succeeded{At: base},
	} {
		c := claimAt(t, s, "a", 1, base.Add(time.Second)).Started[0]
		same(t, "taken", true, takeMore(t, s, c, "gpu").Granted)
		if err := finishWith(t, s, c, ev); err != nil {
			t.Fatal(err)
		}
		if l, err := s.Locks.Lock(t.Context(), "gpu"); err != nil || len(l.Holders) != 0 {
			t.Errorf("after %T: %+v, %v", ev, l.Holders, err)
		}
		_, err := s.Locks.Take(t.Context(), store.TakeLocks{JobID: c.Job.ID, RunID: c.Run.ID, Epoch: c.Run.Epoch, Names: []string{"gpu"}, Now: base})
		wantCode(t, err, fault.StaleLease)
	}
}

func workRace(t *testing.T, s store.Store) {
	pool(t, s, 4)
	add(t, s, durable(), durable(), durable(), durable())
	cs := claim(t, s, 4)
	got := make([]store.TakenLocks, len(cs))
	together(len(cs), func(i int) {
		var err error
		got[i], err = s.Locks.Take(t.Context(), store.TakeLocks{JobID: cs[i].Job.ID, RunID: cs[i].Run.ID, Epoch: cs[i].Run.Epoch, Names: []string{"a", "b"}, Now: base})
		if err != nil {
			t.Error(err)
		}
	})
	n := 0
	for _, g := range got {
		if g.Granted {
			n++
		}
	}
	same(t, "granted", 1, n)
}
