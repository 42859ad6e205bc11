package powerloss

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// hit is which operations of a disk fail: the n-th that the kind can refuse, and
// with lasting all after it until the disk is healed.
type hit struct {
	n       int
	kind    disturbance
	lasting bool
}

// disturbance is a way in which a disk refuses, and the fault that callers get.
type disturbance struct {
	name string
	fail func(Op) error
	want fault.Code
}

// disturbances is read-only.
var disturbances = []disturbance{
	{"ENOSPC", full, fault.StorageFull},
	{"EIO", broken, fault.StorageUnavailable},
}

func (h hit) String() string {
	return fmt.Sprintf("%s at operation %d, lasting %v", h.kind.name, h.n, h.lasting)
}

// trigger is Options.Fault for a hit. It counts only what the kind can refuse.
type trigger struct {
	mu      sync.Mutex
	hit     hit
	seen    int
	refused int
	healed  bool
}

func (g *trigger) fault(op Op) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.hit.kind.fail(op)
	if err == nil || g.healed {
		return nil
	}
	g.seen++
	if g.seen == g.hit.n || g.hit.lasting && g.seen > g.hit.n {
		g.refused++
		return err
	}
	return nil
}

func (g *trigger) heal() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.healed = true
	return g.refused
}

// probes is how many additions may fail after the disk is healed before the
// store works again.
const probes = 2

// strike runs one hit: boot, eight clients, the disk heals, the store must work
// again without a restart and have everything; then the power goes, and it must
// have everything still. refused is 0 when the load had no n-th operation.
func (b bases) strike(ctx context.Context, name, scratch string, seed uint64, h hit, m mutation) (refused int, found []finding, err error) {
	w := newWorld(fmt.Sprintf("%s-%d-%d", name, h.n, seed), seed, scratch)
	w.checkpoint = []string{"", "wal_autocheckpoint(4)"}[w.rng.IntN(2)]
	w.ackEarly = m.ackOnError
	defer func() { err = errors.Join(err, w.end()) }()
	g := &trigger{hit: h}
	diskName, opts := w.diskOptions(Options{Fault: g.fault, SyncAgain: m.syncAgain})
	w.disk = b.clean.Clone(diskName, opts)
	w.ledger.registered = true
	if err := w.boot(ctx); err != nil {
		// The server does not start, says so, and does so when the disk works.
		refused := g.heal()
		if refused == 0 {
			return 0, nil, err
		}
		if err := w.boot(ctx); err != nil {
			return refused, nil, fmt.Errorf("start after the disk is healed: %w", err)
		}
	} else if err := w.load(ctx, 3); err != nil {
		return 0, nil, err
	}
	refused = g.heal()
	for code, n := range w.faults {
		if code != h.kind.want {
			return refused, nil, fmt.Errorf("%d requests were refused with %s, want %s", n, code, h.kind.want)
		}
	}
	c := &client{w: w, n: clients, rng: w.rng}
	before := w.ledger.acked
	for range probes + 1 {
		if err := c.add(ctx); err != nil {
			return refused, nil, err
		}
	}
	if w.ledger.acked == before {
		return refused, []finding{{stuck, fmt.Sprintf("%d additions after the disk was healed failed", probes+1)}}, nil
	}
	if found := append(w.seen, w.check(ctx)...); len(found) > 0 {
		return refused, found, nil
	}
	if err := w.cutAndRestore(Options{}); err != nil {
		return refused, nil, err
	}
	if err := w.boot(ctx); err != nil {
		return refused, []finding{{corrupt, err.Error()}}, nil
	}
	return refused, w.check(ctx), nil
}

// mutation is how a broken storage layer would differ from the product.
type mutation struct {
	ackOnError bool
	syncAgain  bool
}

// turn is one hit under one seed.
type turn struct {
	hit  hit
	seed uint64
}

// turns are all hits with n from 1 to last, each under some seeds.
func turns(last int, seeds uint64, kinds []disturbance) (out []turn) {
	for n := 1; n <= last; n++ {
		for k, kind := range kinds {
			for l, lasting := range []bool{false, true} {
				for s := range seeds {
					out = append(out, turn{hit{n, kind, lasting}, uint64(n*8+k*4+l*2) + s*10_007})
				}
			}
		}
	}
	return out
}

// strikes runs turns on all processors and hands what came of each to done,
// which reports whether to end.
func strikes(t *testing.T, turns []turn, m mutation, done func(turn, int, []finding, error) bool) {
	t.Helper()
	b, scratch, name := setup(t), t.TempDir(), strings.ReplaceAll(t.Name(), "/", "-")
	var next atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(turns) {
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				refused, found, err := b.strike(ctx, fmt.Sprintf("%s-%d", name, n), scratch, turns[n].seed, turns[n].hit, m)
				cancel()
				mu.Lock()
				if done(turns[n], refused, found, err) {
					next.Store(int64(len(turns)))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// T15: every operation of a load fails once, and once with all after it, for
// want of space and with an I/O error.
func TestEveryOperationFails(t *testing.T) {
	seeds, last := uint64(1), 100
	if testing.Short() {
		last = 20
	}
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		seeds, last = 10, 600
	}
	struck, bad := map[string]int{}, 0
	strikes(t, turns(last, seeds, disturbances), mutation{}, func(at turn, refused int, found []finding, err error) bool {
		if refused > 0 {
			struck[at.hit.kind.name]++
		}
		if err == nil && len(found) == 0 {
			return false
		}
		bad++
		t.Errorf("%v, seed %d: %v %v", at.hit, at.seed, found, err)
		return bad >= 5
	})
	t.Logf("hits that struck: %v", struck)
	for _, d := range disturbances {
		if struck[d.name] < last/2 {
			t.Errorf("%s struck only %d times", d.name, struck[d.name])
		}
	}
}

// A store that repeats a sync that failed believes that its data are safe.
func TestOutageCatchesSyncAgain(t *testing.T) {
	t.Parallel()
	sync := []disturbance{{"EIO at sync", unsyncable, fault.StorageUnavailable}}
	wantLoss(t, sync, mutation{syncAgain: true})
}

// A server that says yes although the write failed.
func TestOutageCatchesAcknowledgementOfErrors(t *testing.T) {
	t.Parallel()
	wantLoss(t, disturbances[:1], mutation{ackOnError: true})
}

// wantLoss expects that a mutant is seen to lose something.
func wantLoss(t *testing.T, kinds []disturbance, m mutation) {
	t.Helper()
	losses, others := 0, map[kind]int{}
	strikes(t, turns(40, 3, kinds), m, func(at turn, _ int, found []finding, err error) bool {
		if err != nil && len(found) == 0 {
			t.Errorf("%v, seed %d: %v", at.hit, at.seed, err)
		}
		for _, f := range found {
			others[f.kind]++
			if f.kind == lost {
				losses++
			}
		}
		return losses >= 3
	})
	if losses == 0 {
		t.Errorf("the mutant was not seen to lose anything: %v", others)
	}
}
