package powerloss

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/runsheet/runsheet/internal/fault"
)

// outage is a time in which a disk refuses operations. The disk's lock guards
// it while clients run.
type outage struct {
	mu sync.Mutex
	// from is the number of operations that still work, length the number of
	// refusals after which the disk works again.
	from, length int
	fail         func(Op) error
	refused      int
}

// fault is Options.Fault.
func (o *outage) fault(op Op) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.from > 0 {
		o.from--
		return nil
	}
	if o.refused >= o.length {
		return nil
	}
	err := o.fail(op)
	if err != nil {
		o.refused++
	}
	return err
}

func (o *outage) heal() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.length = 0
}

func (o *outage) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refused
}

// The ways in which disks refuse.
var (
	errNoSpace = vfs.SystemError(errors.New("no space left on device"), sqlite3.FULL)
	errOpen    = vfs.SystemError(errors.New("input/output error"), sqlite3.CANTOPEN)
	errRead    = vfs.SystemError(errors.New("input/output error"), sqlite3.IOERR_READ)
	errWrite   = vfs.SystemError(errors.New("input/output error"), sqlite3.IOERR_WRITE)
	errSync    = vfs.SystemError(errors.New("input/output error"), sqlite3.IOERR_FSYNC)
)

func full(op Op) error {
	if op == OpWrite || op == OpCreate {
		return errNoSpace
	}
	return nil
}

func broken(op Op) error {
	switch op {
	case OpRead:
		return errRead
	case OpOpen:
		return errOpen
	case OpSync:
		return errSync
	case OpWrite, OpCreate, OpTruncate, OpDelete:
		return errWrite
	}
	return nil
}

func unsyncable(op Op) error {
	if op == OpSync {
		return errSync
	}
	return nil
}

// T15 at the file layer: while the disk is full or broken, requests are refused
// with the right fault; afterwards the store works again by itself; nothing
// that was acknowledged is lost, then or at a later power cut.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		fail func(Op) error
		want fault.Code
	}{
		{"full", full, fault.StorageFull},
		{"broken", broken, fault.StorageUnavailable},
		{"unsyncable", unsyncable, fault.StorageUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, scratch := setup(t), t.TempDir()
			name := strings.ReplaceAll(t.Name(), "/", "-")
			refused := 0
			all := seeds(t, 2000)
			for _, seed := range all[:(len(all)+19)/20] {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				n, err := b.outage(ctx, name, scratch, seed, c.fail, c.want)
				cancel()
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
				refused += n
				if t.Failed() && seed > 20 {
					break
				}
			}
			if refused == 0 {
				t.Errorf("no request was ever refused")
			}
			t.Logf("%d requests refused", refused)
		})
	}
}

// outage runs one seed and returns how many requests were refused.
func (b bases) outage(ctx context.Context, name, scratch string, seed uint64, fail func(Op) error, want fault.Code) (refused int, err error) {
	w := newWorld(fmt.Sprintf("%s-%d", name, seed), seed, scratch)
	w.checkpoint = []string{"", "wal_autocheckpoint(4)"}[w.rng.IntN(2)]
	defer func() { err = errors.Join(err, w.end()) }()
	o := &outage{from: w.rng.IntN(300), length: 1 + w.rng.IntN(40), fail: fail}
	diskName, opts := w.diskOptions(Options{Fault: o.fault})
	w.disk = b.clean.Clone(diskName, opts)
	w.ledger.registered = true
	if err := w.boot(ctx); err != nil {
		if o.count() > 0 {
			return 0, nil // the outage came before the server was up
		}
		return 0, err
	}
	if err := w.load(ctx, 2+w.rng.IntN(8)); err != nil {
		return 0, err
	}
	o.heal()
	if w.rng.IntN(3) == 0 {
		// Somebody restarts the server the hard way because of the trouble.
		if err := w.kill(Options{}); err != nil {
			return 0, err
		}
		if err := w.boot(ctx); err != nil {
			return 0, fmt.Errorf("after the kill: %w", err)
		}
	}
	for code, n := range w.faults {
		if code != want {
			return 0, fmt.Errorf("%d requests were refused with %s, want %s", n, code, want)
		}
		refused += n
	}
	if found := w.check(ctx); len(found) > 0 {
		return 0, fmt.Errorf("after the outage: %v", found)
	}
	if w.rng.IntN(2) == 0 {
		if err := w.load(ctx, 3); err != nil {
			return 0, err
		}
	}
	if err := w.cutAndRestore(Options{}); err != nil {
		return 0, err
	}
	if err := w.boot(ctx); err != nil {
		return 0, fmt.Errorf("after the power cut: %w", err)
	}
	if found := w.check(ctx); len(found) > 0 {
		return 0, fmt.Errorf("after the power cut: %v", found)
	}
	return refused, nil
}
