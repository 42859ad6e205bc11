package reserve_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/reserve"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

const kib = 1 << 10

// machine is a disk whose size the test decides, below a database in memory.
// The reserve really exists; the rest of the disk is a number.
type machine struct {
	t     *testing.T
	path  string
	room  int64 // what the reserve and free space have together
	clock *clocktest.Manual
	fail  int // how many more writes the database refuses
	calls int
	st    store.Store
}

func setup(t *testing.T, room int64) *machine {
	t.Helper()
	c := clocktest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	st, err := sqlite.OpenMemory(t.Context(), nil) // the clock is for the guard only, whose timers are counted
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, path: filepath.Join(t.TempDir(), "reserve"), room: room, clock: c, st: st}
	t.Cleanup(func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	m.st.Queue = refusing{st.Queue, m}
	return m
}

type refusing struct {
	store.Queue
	m *machine
}

func (r refusing) Pause(ctx context.Context, p store.Pause) (store.Settings, error) {
	r.m.calls++
	if r.m.fail > 0 {
		r.m.fail--
		return store.Settings{}, fault.New(fault.StorageFull, "full")
	}
	return r.Queue.Pause(ctx, p)
}

func (m *machine) held() int64 {
	st, err := os.Stat(m.path)
	if err != nil {
		return 0
	}
	return st.Size()
}

func (m *machine) space() (free, total int64, err error) { return m.room - m.held(), 1 << 30, nil }

func (m *machine) guard(local bool) *reserve.Guard {
	return reserve.New(reserve.Options{Path: m.path, Bytes: 800 * kib, Local: local, Space: m.space, Clock: m.clock})
}

// ticks lets the guard look at the disk n times.
func (m *machine) ticks(g *reserve.Guard, n int) {
	m.t.Helper()
	ctx, stop := context.WithCancel(m.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	asleep := func() {
		for try := 0; m.clock.Timers() == 0; try++ {
			if try == 60_000 {
				m.t.Fatal("the guard does not look at the disk")
			}
			_ = clock.Sleep(m.t.Context(), clock.System{}, time.Millisecond)
		}
	}
	for range n {
		asleep()
		m.clock.Advance(time.Second)
	}
	asleep()
	stop()
	<-done
}

func (m *machine) add(st store.Store) error {
	now := m.clock.Now()
	_, err := st.Jobs.Add(m.t.Context(), store.AddJobs{Jobs: []job.Job{{
		ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Type: "x", Params: []byte("{}"), OnCrash: job.CrashFail,
	}}})
	return err
}

func (m *machine) pause(st store.Store) error {
	_, err := st.Queue.Pause(m.t.Context(), store.Pause{Paused: true, Tenant: access.DefaultTenant, At: m.clock.Now()})
	return err
}

// New work is refused on a full disk, without touching the reserve, and accepted
// when there is space.
func TestNewWorkWaitsForSpace(t *testing.T) {
	t.Parallel()
	m := setup(t, 2000*kib)
	g := m.guard(true)
	st := g.Wrap(m.st)
	if m.held() != 800*kib || m.add(st) != nil || st.Health.Ping(t.Context()) != nil {
		t.Fatalf("at first: reserve %d, %v", m.held(), g.Err())
	}
	m.room = 900 * kib
	m.ticks(g, 1)
	if err := m.add(st); !fault.Is(err, fault.StorageFull) {
		t.Errorf("on a full disk: %v", err)
	}
	if err := st.Health.Ping(t.Context()); !fault.Is(err, fault.StorageFull) {
		t.Errorf("ping on a full disk: %v", err)
	}
	c, err := st.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "none", Room: 1})
	if err != nil || len(c.Started) > 0 {
		t.Errorf("claim on a full disk: %v, %v", c, err)
	}
	if _, err := st.Queue.Settings(t.Context()); err != nil {
		t.Errorf("read on a full disk: %v", err)
	}
	if m.held() != 800*kib {
		t.Errorf("the reserve has %d bytes although nobody needed it", m.held())
	}
	m.room = 2000 * kib
	m.ticks(g, 2)
	if err := m.add(st); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

type refusingOrder struct {
	store.Order
	m *machine
}

func (r refusingOrder) Place(ctx context.Context, p store.PlaceJobs) (store.Placed, error) {
	if r.m.fail > 0 {
		r.m.fail--
		return store.Placed{}, fault.New(fault.StorageFull, "full")
	}
	return r.Order.Place(ctx, p)
}

func (r refusing) SetRules(ctx context.Context, p store.SetRules) (store.Settings, error) {
	if r.m.fail > 0 {
		r.m.fail--
		return store.Settings{}, fault.New(fault.StorageFull, "full")
	}
	return r.Queue.SetRules(ctx, p)
}

// What people do to get out of the trouble may use the reserve.
func TestOrderAndLimitsUseTheReserve(t *testing.T) {
	t.Parallel()
	m := setup(t, 2000*kib)
	m.st.Order = refusingOrder{m.st.Order, m}
	g := m.guard(true)
	st := g.Wrap(m.st)
	m.room, m.fail = 800*kib, 1
	most := 1
	if _, err := st.Queue.SetRules(t.Context(), store.SetRules{Rules: job.Rules{MaxGlobal: &most}, Tenant: access.DefaultTenant, At: m.clock.Now()}); err != nil {
		t.Errorf("limits: %v", err)
	}
	m.fail = 1
	nobody := id.New(id.Job, m.clock.Now())
	_, err := st.Order.Place(t.Context(), store.PlaceJobs{
		Tenant: access.DefaultTenant, IDs: []string{nobody}, Place: &store.Place{Top: true}, At: m.clock.Now(),
	})
	if !fault.Is(err, fault.NotFound) { // it was asked again, and found that there is no such job
		t.Errorf("move: %v", err)
	}
	if m.held() != 600*kib {
		t.Errorf("the reserve has %d bytes, want 2 of 8 pieces less", m.held())
	}
}

// A write that belongs to accepted work is tried again with a piece of the
// reserve, until there is none; then the reserve comes back.
func TestAcceptedWorkUsesTheReserve(t *testing.T) {
	t.Parallel()
	m := setup(t, 2000*kib)
	g := m.guard(true)
	st := g.Wrap(m.st)
	m.room, m.fail = 800*kib, 3
	if err := m.pause(st); err != nil || m.calls != 4 {
		t.Errorf("%v after %d tries, want success after 4", err, m.calls)
	}
	if m.held() != 500*kib {
		t.Errorf("the reserve has %d bytes, want 3 of 8 pieces less", m.held())
	}
	m.fail = 1000
	if err := m.pause(st); !fault.Is(err, fault.StorageFull) || m.held() != 0 || m.calls > 20 {
		t.Errorf("%v after %d tries, reserve %d", err, m.calls, m.held())
	}
	m.fail, m.room = 0, 1100*kib // whole reserve, but less than half of one beside it
	m.ticks(g, 10)
	if !g.Full() || m.held() != 0 {
		t.Errorf("with too little space: full %v, reserve %d", g.Full(), m.held())
	}
	m.room = 1300 * kib
	m.ticks(g, 7)
	if g.Full() || m.held() != 800*kib {
		t.Errorf("with space: full %v, reserve %d", g.Full(), m.held())
	}
}

// A database elsewhere can be full: the reserve would not help it, and after some
// seconds it is asked again.
func TestFullDatabaseElsewhereIsAskedAgain(t *testing.T) {
	t.Parallel()
	m := setup(t, 2000*kib)
	g := m.guard(false)
	st := g.Wrap(m.st)
	for range 20 {
		m.fail = 1
		if err := m.pause(st); !fault.Is(err, fault.StorageFull) || !g.Full() {
			t.Fatalf("%v, full %v", err, g.Full())
		}
		m.ticks(g, 7)
		if err := m.add(st); err != nil {
			t.Fatalf("not asked again: %v", err)
		}
	}
	if m.held() != 800*kib {
		t.Errorf("the reserve has %d bytes", m.held())
	}
}

// A server that starts on a full disk gets what an earlier one has put aside.
func TestStartOnFullDiskGivesTheReserveUp(t *testing.T) {
	t.Parallel()
	m := setup(t, 2000*kib)
	m.guard(true)
	m.room = 800 * kib
	if g := m.guard(true); !g.Full() || m.held() != 0 {
		t.Errorf("full %v, reserve %d; want true, 0", g.Full(), m.held())
	}
}

// full is a store of artifacts on a full disk, until it was asked twice.
type full struct {
	store.Artifacts
	calls int
}

func (f *full) Reserve(context.Context, store.Reservation) error {
	if f.calls++; f.calls < 3 {
		return fault.New(fault.StorageFull, "full")
	}
	return nil
}

// An artifact is announced before it is recorded: both belong to accepted work.
func TestReservationsUseTheReserve(t *testing.T) {
	t.Parallel()
	m := setup(t, 2000*kib)
	g := m.guard(true)
	f := &full{}
	m.st.Artifacts, m.room = f, 800*kib
	if err := g.Wrap(m.st).Artifacts.Reserve(t.Context(), store.Reservation{}); err != nil || f.calls != 3 {
		t.Errorf("%v after %d tries, want success after 3", err, f.calls)
	}
}

// refusingGroups and refusingLocks are a database that refuses some writes.
type refusingGroups struct {
	store.Groups
	m *machine
}

func (r refusingGroups) Cancel(_ context.Context, p store.CancelGroup) (job.Group, error) {
	if r.m.calls++; r.m.fail > 0 {
		r.m.fail--
		return job.Group{}, fault.New(fault.StorageFull, "full")
	}
	return job.Group{ID: p.ID}, nil
}

type refusingLocks struct {
	store.Locks
	m *machine
}

func (r refusingLocks) answer() (job.Holder, error) {
	if r.m.calls++; r.m.fail > 0 {
		r.m.fail--
		return job.Holder{}, fault.New(fault.StorageFull, "full")
	}
	return job.Holder{}, nil
}

func (r refusingLocks) Renew(context.Context, store.RenewLock) (job.Holder, error) { return r.answer() }

func (r refusingLocks) Release(context.Context, store.ReleaseLock) (job.Holder, error) {
	return r.answer()
}

// Groups are new work; their end, and that of locks, takes from the reserve.
func TestGroupsAndLocksOnAFullDisk(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(context.Context, store.Store) error{
		"cancel": func(ctx context.Context, s store.Store) error {
			_, err := s.Groups.Cancel(ctx, store.CancelGroup{})
			return err
		},
		"renew": func(ctx context.Context, s store.Store) error {
			_, err := s.Locks.Renew(ctx, store.RenewLock{})
			return err
		},
		"release": func(ctx context.Context, s store.Store) error {
			_, err := s.Locks.Release(ctx, store.ReleaseLock{})
			return err
		},
	} {
		m := setup(t, 2000*kib)
		g := m.guard(true)
		m.ticks(g, 1)
		st := m.st
		st.Groups, st.Locks = refusingGroups{st.Groups, m}, refusingLocks{st.Locks, m}
		st = g.Wrap(st)
		before := m.held()
		m.fail = 1
		if err := write(t.Context(), st); err != nil || m.calls != 2 || m.held() >= before {
			t.Errorf("%s: %v after %d calls, reserve %d of %d", name, err, m.calls, m.held(), before)
		}
		for what, add := range map[string]func() error{
			"create": func() error { _, err := st.Groups.Create(t.Context(), store.AddGroup{}); return err },
			"add":    func() error { _, err := st.Groups.Add(t.Context(), store.AddMembers{}); return err },
		} {
			if err := add(); !fault.Is(err, fault.StorageFull) {
				t.Errorf("%s on a full disk: %v", what, err)
			}
		}
	}
}

// TestLater: a server that starts does not wait for the reserve, which is made as soon
// as the guard runs, and not at all on a full disk.
func TestLater(t *testing.T) {
	t.Parallel()
	for room, want := range map[int64]int64{10 << 20: 800 * kib, 100 * kib: 0} {
		m := setup(t, room)
		g := reserve.New(reserve.Options{Path: m.path, Bytes: 800 * kib, Local: true, Space: m.space, Clock: m.clock, Later: true})
		if m.held() != 0 || g.Full() != (want == 0) {
			t.Errorf("with %d bytes of room: a reserve of %d bytes, full %v", room, m.held(), g.Full())
		}
		m.ticks(g, 0)
		if m.held() != want {
			t.Errorf("with %d bytes of room the reserve has %d, want %d", room, m.held(), want)
		}
	}
}
