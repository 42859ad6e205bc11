// Package runlog keeps the output of runs: one log per run, capped, readable
// while it grows.
//
// A log is DATA/logs/<run_id>.log. A run that says more than the cap keeps the
// beginning and the end: the .log file holds the first half, two more files
// (.log.1 and .log.2) take turns for the rest, and the older one is dropped when
// the newer one is full. A reader sees one text with a line in the place of
// what was dropped.
//
// Logs hold what the program wrote, byte for byte. Whoever shows them strips
// control sequences with Stripper.
//
// With a Shelf, which all instances reach, a log goes there in blocks while it
// grows, see share.go, and leaves the folder when all of it is there.
//
// A log is not synced: after a power loss its last lines may be missing.
package runlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

// DefaultMaxBytes is the cap of one log.
const DefaultMaxBytes = 10 << 20

// DefaultPoll is how often a follower looks for output that another process
// wrote.
const DefaultPoll = 500 * time.Millisecond

// Options of a Folder. The zero value is ready for production.
type Options struct {
	// MaxBytes is the cap of one log in bytes; 0 = DefaultMaxBytes. Less than
	// 4096 counts as 4096.
	MaxBytes int64
	// Poll is how often followers look for the output of other processes; 0 =
	// DefaultPoll. Output of this process wakes them at once.
	Poll time.Duration
	// Spare, when not nil, is asked before each write: while it is true, output is
	// lost instead of written, as on a full disk.
	Spare func() bool
	// Shelf is where logs go, so that other instances can read them; nil = they
	// stay in the folder.
	Shelf blob.Shelf
	// Clock is for polling; nil = clock.System.
	Clock clock.Clock
}

// Folder is the logs of all runs. It is safe for concurrent use.
type Folder struct {
	dir   string
	max   int64
	poll  time.Duration
	clock clock.Clock
	spare func() bool
	shelf blob.Shelf
	sick  atomic.Bool // the shelf did not take the last write

	mu sync.Mutex
	// shipments are the logs that are not wholly on the shelf.
	shipments map[string]*shipment
	// watched has an entry for each run that someone follows; its channel is
	// closed and the entry taken away at the next write.
	watched map[string]chan struct{}
}

// Open returns the logs in dir, which is created where it is missing (mode
// 0700).
func Open(dir string, o Options) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.StorageUnavailable, "create the log folder")
	}
	f := &Folder{
		dir: dir, max: o.MaxBytes, poll: o.Poll, clock: o.Clock, spare: o.Spare, shelf: o.Shelf,
		watched: map[string]chan struct{}{}, shipments: map[string]*shipment{},
	}
	if f.max == 0 {
		f.max = DefaultMaxBytes
	}
	f.max = max(f.max, 4096)
	if f.poll <= 0 {
		f.poll = DefaultPoll
	}
	if f.clock == nil {
		f.clock = clock.System{}
	}
	return f, f.adopt()
}

// Remove deletes the log of a run that has ended; a run without a log is not an
// error.
func (f *Folder) Remove(ctx context.Context, runID string) error {
	if err := id.Check(id.Run, runID); err != nil {
		return err
	}
	f.mu.Lock()
	delete(f.shipments, runID)
	f.mu.Unlock()
	err := f.removeLocal(runID)
	if f.shelf != nil {
		err = errors.Join(err, f.removeFar(ctx, runID))
	}
	return err
}

// removeLocal removes the .log file first: without it the others do not count.
func (f *Folder) removeLocal(runID string) error {
	var errs []error
	for _, p := range []string{f.path(runID), f.tail(runID, 1), f.tail(runID, 2)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fault.Wrap(err, fault.StorageUnavailable, "remove the log")
	}
	f.notify(runID)
	return nil
}

func (f *Folder) path(runID string) string { return filepath.Join(f.dir, runID+".log") }

// tail is the file of the older (1) or the newer (2) part of the end.
func (f *Folder) tail(runID string, n int) string {
	return filepath.Join(f.dir, fmt.Sprintf("%s.log.%d", runID, n))
}

// changed returns a channel that is closed at the next write to the log by this
// process.
func (f *Folder) changed(runID string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.watched[runID]
	if !ok {
		c = make(chan struct{})
		f.watched[runID] = c
	}
	return c
}

func (f *Folder) notify(runID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.watched[runID]; ok {
		close(c)
		delete(f.watched, runID)
	}
	if s := f.shipments[runID]; s != nil {
		s.dirty = true
	}
}

// Every tail file begins with a line that says where in the whole output it
// starts. Its length is fixed.
const (
	headerFormat = "runsheet-log-continues-at %020d\n"
	headerLen    = 47
)

// dropMark is the line in the place of n bytes.
func dropMark(n int64) string {
	return fmt.Sprintf("[runsheet: %d bytes of output were dropped here]\n", n)
}

// lossMark is the line after which output goes on when n bytes could not be
// written.
func lossMark(n int64) string {
	return fmt.Sprintf("[runsheet: %d bytes of output were lost because they could not be written to disk]\n", n)
}
