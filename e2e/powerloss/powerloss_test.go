package powerloss

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// trial is one run of a world under a seed and what came of it.
type trial struct {
	seed           uint64
	found          []finding
	acked, unknown int
	bug            error
}

// variant is how a mutant differs from the product.
type variant struct {
	synchronous string
	syncLies    bool
	ackEarly    bool
}

// bases are the disks that trials start from, made once.
type bases struct{ clean, dirty *Disk }

// setup makes the disks: one after a stop in good order, one whose WAL holds
// commits.
func setup(t *testing.T) bases {
	t.Helper()
	make := func(name string, shut bool) *Disk {
		w := newWorld(strings.ReplaceAll(t.Name(), "/", "-")+"-"+name, 0, t.TempDir())
		n, o := w.diskOptions(Options{})
		w.disk = NewDisk(n, o)
		if err := w.boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		if shut {
			if err := w.shut(); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() {
			if err := w.end(); err != nil {
				t.Error(err)
			}
		})
		return w.disk
	}
	return bases{clean: make("clean", true), dirty: make("dirty", false)}
}

// try runs one seed: boot, load, cut; then a boot that may be cut as well;
// then the check; in some seeds all that again on the same data.
func (b bases) try(ctx context.Context, name, scratch string, seed uint64, v variant) (out trial) {
	out.seed = seed
	w := newWorld(fmt.Sprintf("%s-%d", name, seed), seed, scratch)
	w.synchronous, w.ackEarly = v.synchronous, v.ackEarly
	w.checkpoint = []string{"", "wal_autocheckpoint(4)", "wal_autocheckpoint(40)"}[w.rng.IntN(3)]
	defer func() {
		if err := w.end(); err != nil && out.bug == nil {
			out.bug = err
		}
		out.acked, out.unknown = w.ledger.acked, w.ledger.unknown
	}()
	rounds := 1
	if w.rng.IntN(4) == 0 {
		rounds = 2
	}
	for round := range rounds {
		o := Options{CutAt: w.cutAt(), SyncLies: v.syncLies}
		if round == 0 {
			w.insert(b, o)
		} else if out.bug = w.cutAndRestore(o); out.bug != nil {
			return out
		}
		if err := w.boot(ctx); err == nil {
			if out.bug = w.load(ctx, 2+w.rng.IntN(12)); out.bug != nil {
				return out
			}
			if out.found = w.seen; len(out.found) > 0 {
				return out
			}
			if w.rng.IntN(4) == 0 {
				_ = w.shut() // the cut may come during it
			}
		} else if !w.disk.Off() {
			out.found = append(out.found, finding{corrupt, err.Error()})
			return out
		}
		// Now and then the power goes again while the machine recovers.
		for w.rng.IntN(4) == 0 {
			if out.bug = w.cutAndRestore(Options{CutAt: 1 + w.rng.IntN(30), SyncLies: v.syncLies}); out.bug != nil {
				return out
			}
			if err := w.boot(ctx); err != nil && !w.disk.Off() {
				out.found = append(out.found, finding{corrupt, err.Error()})
				return out
			}
		}
		if out.bug = w.cutAndRestore(Options{SyncLies: v.syncLies}); out.bug != nil {
			return out
		}
		if err := w.boot(ctx); err != nil {
			out.found = append(out.found, finding{corrupt, err.Error()})
			return out
		}
		if out.found = w.check(ctx); len(out.found) > 0 {
			return out
		}
	}
	return out
}

// insert puts the first disk in: mostly one with a schema, sometimes a new one.
func (w *world) insert(b bases, o Options) {
	name, o := w.diskOptions(o)
	switch w.rng.IntN(8) {
	case 0:
		w.disk = NewDisk(name, o)
		return
	case 1, 2, 3:
		w.disk = b.dirty.Clone(name, o)
	default:
		w.disk = b.clean.Clone(name, o)
	}
	w.ledger.registered = true
}

// cutAt is the operation at which the power goes: sometimes while the store
// opens, sometimes after everything is done.
func (w *world) cutAt() int {
	if w.rng.IntN(8) == 0 {
		return 1 + w.rng.IntN(40)
	}
	return 1 + w.rng.IntN(cutRange)
}

// cutRange is about the number of operations of a long load.
const cutRange = 1200

// seeds returns which seeds to run: those that the environment asks for, else
// 1 to n.
func seeds(t *testing.T, n int) []uint64 {
	t.Helper()
	if s := os.Getenv("POWERLOSS_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("POWERLOSS_SEED: %v", err)
		}
		return []uint64{seed}
	}
	if s := os.Getenv("POWERLOSS_SEEDS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("POWERLOSS_SEEDS: %v", err)
		}
	}
	return firstSeeds(n)
}

func firstSeeds(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i) + 1
	}
	return out
}

// tryAll runs the seeds on all processors until done says that it has seen
// enough.
func tryAll(t *testing.T, seeds []uint64, v variant, done func(trial) bool) {
	t.Helper()
	b, scratch, name := setup(t), t.TempDir(), strings.ReplaceAll(t.Name(), "/", "-")
	var next atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(seeds) {
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				out := b.try(ctx, name, scratch, seeds[n], v)
				cancel()
				mu.Lock()
				if done(out) {
					next.Store(int64(len(seeds)))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// T01b: nothing that was acknowledged is lost, whenever the power goes.
func TestPowerLossKeepsWhatWasAcknowledged(t *testing.T) {
	var acked, unknown, bad int
	all := seeds(t, 2000)
	tryAll(t, all, variant{}, func(out trial) bool {
		acked += out.acked
		unknown += out.unknown
		if out.bug == nil && len(out.found) == 0 {
			return false
		}
		bad++
		if out.bug != nil {
			t.Errorf("seed %d: %v", out.seed, out.bug)
		}
		for _, f := range out.found {
			t.Errorf("seed %d: %s", out.seed, f)
		}
		t.Logf("repeat with: POWERLOSS_SEED=%d go test -run %s -count=50 .", out.seed, t.Name())
		return bad >= 5
	})
	t.Logf("%d seeds: %d operations acknowledged, %d without an answer", len(all), acked, unknown)
	if len(all) >= 100 && (acked < 20*len(all) || unknown < len(all)) {
		t.Errorf("the load is too thin to prove anything")
	}
}

// Each mutant breaks one link of the promise. The test above is worth
// something only if it sees each.

// synchronous=NORMAL does not sync at commit: acknowledged work is lost, but
// nothing is damaged.
func TestPowerLossCatchesSynchronousNormal(t *testing.T) {
	t.Parallel()
	n := mutant(t, variant{synchronous: "NORMAL"})
	if n[lost] == 0 {
		t.Errorf("no loss seen with synchronous=NORMAL: %v", n)
	}
	if len(n) > 1 {
		t.Errorf("more than loss seen with synchronous=NORMAL: %v", n)
	}
}

// A disk that does not sync when told to can damage anything.
func TestPowerLossCatchesDiskWithoutSync(t *testing.T) {
	t.Parallel()
	n := mutant(t, variant{syncLies: true})
	if n[lost] == 0 || n[corrupt] == 0 {
		t.Errorf("loss and damage expected of a disk that does not sync: %v", n)
	}
}

// A server that answers before the commit acknowledges what a cut takes away.
func TestPowerLossCatchesEarlyAcknowledgement(t *testing.T) {
	t.Parallel()
	if n := mutant(t, variant{ackEarly: true}); n[lost] == 0 {
		t.Errorf("no loss seen although answers come before commits: %v", n)
	}
}

// mutant runs some seeds and counts what was found, by kind.
func mutant(t *testing.T, v variant) map[kind]int {
	t.Helper()
	found := map[kind]int{}
	tryAll(t, firstSeeds(60), v, func(out trial) bool {
		if out.bug != nil {
			t.Errorf("seed %d: %v", out.seed, out.bug)
		}
		for _, f := range out.found {
			found[f.kind]++
		}
		return false
	})
	t.Logf("found: %v", found)
	return found
}
