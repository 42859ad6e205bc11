package powerloss

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

const (
	dbPath  = "/queue.db"
	dayLong = 24 * time.Hour
	clients = 8
)

// start is the time on every clock here; it stands still.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is one machine over its life: disks, boots, clients.
type world struct {
	name  string
	rng   *rand.Rand
	clock *clocktest.Manual
	// synchronous and checkpoint are pragmas; "" = production's.
	synchronous, checkpoint string
	// ackEarly takes every request for acknowledged, as a server would that
	// answers before the commit.
	ackEarly bool
	scratch  string

	disk   *Disk
	disks  int
	store  store.Store
	open   bool
	ledger *ledger

	mu sync.Mutex
	// faults counts the refusals that clients got, by code.
	faults map[fault.Code]int
	// seen are broken promises that clients met.
	seen []finding
}

func newWorld(name string, seed uint64, scratch string) *world {
	return &world{
		name: name, rng: rand.New(rand.NewPCG(seed, 2)), clock: clocktest.New(start), scratch: scratch,
		ledger: newLedger(), faults: map[fault.Code]int{},
	}
}

// diskOptions completes o; every disk of the world has its own random numbers.
func (w *world) diskOptions(o Options) (string, Options) {
	w.disks++
	o.Seed, o.Scratch = w.rng.Uint64(), w.scratch
	return fmt.Sprintf("%s-%d", w.name, w.disks), o
}

func (w *world) refused(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f, ok := errors.AsType[*fault.Error](err); ok {
		w.faults[f.Code]++
	}
}

// meet notes a broken promise.
func (w *world) meet(f finding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, f)
}

// boot opens the store and does what a server does first.
func (w *world) boot(ctx context.Context) error {
	s, err := sqlite.Open(ctx, sqlite.Options{Path: dbPath, Clock: w.clock, Driver: w.disk.Driver(w.checkpoint), Synchronous: w.synchronous})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	w.store, w.open = s, true
	if w.ledger.registered {
		return nil
	}
	if err := prepare(ctx, s); err != nil {
		return err
	}
	w.ledger.registered = true
	return nil
}

// prepare registers the instance and raises the number of workers. It may be
// repeated.
func prepare(ctx context.Context, s store.Store) error {
	live, err := s.Leases.Instances(ctx)
	if err != nil {
		return fmt.Errorf("list instances: %w", err)
	}
	if len(live) == 0 {
		err := s.Leases.Register(ctx, store.Instance{ID: instance, HostID: "host", StartedAt: start}, 365*dayLong)
		if err != nil {
			return fmt.Errorf("register: %w", err)
		}
	}
	if _, err := s.Queue.Scale(ctx, store.Scale{Workers: store.MaxWorkers, Tenant: tenant, At: start}); err != nil {
		return fmt.Errorf("scale: %w", err)
	}
	return nil
}

// load runs the clients until each did about ops operations or the power went.
func (w *world) load(ctx context.Context, ops int) error {
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for n := range clients {
		c := &client{w: w, n: n, rng: rand.New(rand.NewPCG(w.rng.Uint64(), 3))}
		wg.Go(func() { errs[n] = c.work(ctx, ops) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// shut closes the store as the end of a process does.
func (w *world) shut() error {
	if !w.open {
		return nil
	}
	w.open = false
	return w.store.Health.Close()
}

// end frees what the world holds.
func (w *world) end() error {
	err := w.shut()
	if w.disk != nil {
		err = errors.Join(err, w.disk.Close())
	}
	return err
}

// cutAndRestore cuts the power and puts the disk that the machine finds
// afterwards in place.
func (w *world) cutAndRestore(o Options) error {
	w.disk.Cut()
	_ = w.shut() // cannot succeed without power
	name, o := w.diskOptions(o)
	old := w.disk
	w.disk = old.Restore(name, o)
	return old.Close()
}

// kill ends the server's process and leaves the machine running.
func (w *world) kill(o Options) error {
	w.disk.Cut()
	_ = w.shut() // the process has no say
	name, o := w.diskOptions(o)
	old := w.disk
	w.disk = old.Kill(name, o)
	return old.Close()
}
