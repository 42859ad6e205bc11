package command

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/task"
)

const (
	maxCheckpoint = 1 << 20 // bytes, the bound of task.Host
	pollEvery     = time.Second
)

// keeper makes a command's checkpoint durable: the file in RUNSHEET_CHECKPOINT,
// looked at every second and at the end, and the lines ::checkpoint. The newest
// of them is what the next attempt finds in the file, which is empty on the first.
//
// A file that changes while it is read is read again a second later. A program
// that may be killed in the middle of writing should write another file in the
// same folder and rename it; then no half-written checkpoint is ever seen.
type keeper struct {
	host task.Host
	dir  *os.Root
	log  *logger
	kick chan struct{} // a line came

	mu    sync.Mutex
	seen  []byte // the file's content when last read
	saved []byte // what is durable; nil means nothing
	next  []byte // what should be durable, if dirty
	dirty bool

	complained bool // only the goroutine that saves uses it
}

func newKeeper(h task.Host, dir *os.Root, log *logger, old []byte) *keeper {
	return &keeper{host: h, dir: dir, log: log, kick: make(chan struct{}, 1), seen: old, saved: old}
}

// offer takes the value of a line. It does not wait for storage: of many lines
// in a row only the last is saved.
func (k *keeper) offer(value []byte) {
	k.mu.Lock()
	k.next, k.dirty = value, true
	k.mu.Unlock()
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// watch saves until stop is closed, and lets the streams tick.
func (k *keeper) watch(ctx context.Context, clk clock.Clock, stop <-chan struct{}, ticking ...*stream) {
	t := clk.NewTimer(pollEvery)
	defer func() { t.Stop() }()
	for {
		select {
		case <-stop:
			return
		case <-k.kick:
			k.save(ctx)
		case <-t.C():
			t = clk.NewTimer(pollEvery)
			for _, s := range ticking {
				s.tick()
			}
			k.look()
			k.save(ctx)
		}
	}
}

// last saves what the command left.
func (k *keeper) last(ctx context.Context) {
	k.look()
	k.save(ctx)
}

// look reads the file if it is readable, whole and changed.
func (k *keeper) look() {
	content, err := k.read()
	if err != nil {
		k.complain(err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if content != nil && !bytes.Equal(content, k.seen) {
		k.seen = content
		k.next, k.dirty = content, true
	}
}

var errNotPlain = errors.New("it is not a regular file")

// read returns nil if there is nothing to be had now: no file, or one that
// changes at this moment.
func (k *keeper) read() ([]byte, error) {
	// The command owns the file and may have replaced it with anything. The root
	// keeps links inside; O_NONBLOCK keeps a named pipe from hanging us.
	f, err := k.dir.OpenFile(checkpointName, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, errNotPlain
	}
	b, err := io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxCheckpoint {
		return nil, errors.New("it is larger than 1 MiB")
	}
	after, err := f.Stat()
	if err != nil || after.Size() != int64(len(b)) || !after.ModTime().Equal(before.ModTime()) {
		return nil, err
	}
	return b, nil
}

// save makes the newest checkpoint durable. One that could not be saved is tried
// again at the next look.
func (k *keeper) save(ctx context.Context) {
	k.mu.Lock()
	next, due := k.next, k.dirty && (k.saved == nil || !bytes.Equal(k.next, k.saved))
	k.dirty = due
	k.mu.Unlock()
	if !due {
		return
	}
	if err := k.host.Checkpoint(ctx, next); err != nil {
		if ctx.Err() == nil {
			k.complain(err)
		}
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.saved = next
	k.dirty = !bytes.Equal(k.next, next)
}

// complain says once that checkpoints do not work; the job goes on.
func (k *keeper) complain(err error) {
	if !k.complained {
		k.complained = true
		k.log.note("the checkpoint cannot be saved: %v", err)
	}
}
