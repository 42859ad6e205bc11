package runlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

// A log on the shelf is blocks named logs/<run_id>/<place>, where place is that
// of the block's first byte in the whole output, in 20 digits. The last block is
// written anew as it grows, and what is dropped from the log goes block by block.
// So the names tell everything, and a server that died has left a log that reads
// up to its last write.
const (
	shelfFolder = "logs/"
	// blockBytes is the size at which a block is full.
	blockBytes = 256 << 10
	// shareEvery is how often growing logs go to the shelf, and how often
	// followers look there: one write for each run that said something.
	shareEvery = 2 * time.Second
	// shareAtOnce is how many logs go to the shelf at the same time.
	shareAtOnce = 8
)

// shipment is a log on its way to the shelf.
type shipment struct {
	runID string

	mu     sync.Mutex // one write at a time
	known  bool       // the fields below were read from the shelf
	start  int64      // of the block that grows
	pos    int64      // place up to which the output is on the shelf
	blocks []int64    // starts of all blocks

	dirty, closed bool // under Folder.mu
}

// track makes the log of a run go to the shelf.
func (f *Folder) track(runID string) {
	if f.shelf == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.shipments[runID]; s != nil {
		s.closed = false
		return
	}
	f.shipments[runID] = &shipment{runID: runID}
}

// ended notes that nothing more comes.
func (f *Folder) ended(runID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.shipments[runID]; s != nil {
		s.closed, s.dirty = true, true
	}
}

// adopt takes over what an earlier server could not bring to the shelf.
func (f *Folder) adopt() error {
	if f.shelf == nil {
		return nil
	}
	files, err := os.ReadDir(f.dir)
	if err != nil {
		return fault.Wrap(err, fault.StorageUnavailable, "read the log folder")
	}
	for _, file := range files {
		if runID, ok := strings.CutSuffix(file.Name(), ".log"); ok && id.Check(id.Run, runID) == nil {
			f.shipments[runID] = &shipment{runID: runID, closed: true, dirty: true}
		}
	}
	return nil
}

// Share brings logs to the shelf until ctx ends, and once more then, within
// last. Without a shelf it returns at once.
func (f *Folder) Share(ctx context.Context, log *slog.Logger, last time.Duration) {
	if f.shelf == nil {
		return
	}
	for clock.Sleep(ctx, f.clock, shareEvery) == nil {
		f.round(ctx, log)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), last)
	defer cancel()
	f.round(ctx, log)
}

// round brings what is new of all logs to the shelf.
func (f *Folder) round(ctx context.Context, log *slog.Logger) {
	f.mu.Lock()
	var dirty []string
	for _, runID := range slices.Sorted(maps.Keys(f.shipments)) {
		if f.shipments[runID].dirty {
			dirty = append(dirty, runID)
		}
	}
	f.mu.Unlock()
	was := f.sick.Load()
	var errs [shareAtOnce]error
	var work sync.WaitGroup
	for k := range shareAtOnce {
		work.Go(func() {
			for i := k; i < len(dirty) && errs[k] == nil; i += shareAtOnce {
				errs[k] = f.Flush(ctx, dirty[i])
			}
		})
	}
	work.Wait()
	if err := errors.Join(errs[:]...); err != nil && !was {
		log.Warn("run logs cannot be shared now", "error", err)
	}
}

// Settle is Flush at the end of a run: who sees that the run has ended then finds
// all of its log. When the last write failed, it does not try.
func (f *Folder) Settle(ctx context.Context, runID string) {
	if !f.sick.Load() {
		_ = f.Flush(ctx, runID) // Share tries again, and tells
	}
}

// Flush brings what is new of the log of a run to the shelf. After the end of the
// run, the log leaves the folder.
func (f *Folder) Flush(ctx context.Context, runID string) error {
	f.mu.Lock()
	s := f.shipments[runID]
	f.mu.Unlock()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.mu.Lock()
	closed := s.closed // before looking: what is written until then is taken
	s.dirty = false
	f.mu.Unlock()
	err := f.ship(ctx, s)
	f.sick.Store(err != nil)
	f.mu.Lock()
	finished := err == nil && closed && s.closed && f.shipments[runID] == s
	if finished {
		delete(f.shipments, runID)
	}
	s.dirty = s.dirty || err != nil
	f.mu.Unlock()
	if !finished {
		return err
	}
	return f.removeLocal(runID) // what stays is adopted at the next start
}

// ship writes blocks until the shelf has what the folder has.
func (f *Folder) ship(ctx context.Context, s *shipment) error {
	parts, err := f.localParts(s.runID)
	if fault.Is(err, fault.LogGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeAll(parts)
	if !s.known {
		if err := f.recall(ctx, s); err != nil {
			return err
		}
	}
	buf := make([]byte, blockBytes)
	end := parts[len(parts)-1].start + parts[len(parts)-1].size
	for s.pos < end {
		n, err := span(parts, buf, s.start)
		if err != nil {
			return fault.Wrap(err, fault.StorageUnavailable, "read the log")
		}
		// The block is full, or its beginning was dropped: begin another.
		if s.start+int64(n) <= s.pos {
			if s.start = firstFrom(parts, s.pos); s.start >= end {
				break
			}
			s.pos = s.start
			continue
		}
		if err := f.shelf.Write(ctx, blockName(s.runID, s.start), buf[:n]); err != nil {
			return err
		}
		if !slices.Contains(s.blocks, s.start) {
			s.blocks = append(s.blocks, s.start)
		}
		s.pos = s.start + int64(n)
	}
	return f.dropFar(ctx, s, parts)
}

// recall reads from the shelf what an earlier server brought there.
func (f *Folder) recall(ctx context.Context, s *shipment) error {
	s.blocks, s.pos = nil, 0
	for e, err := range f.shelf.Entries(ctx, shelfFolder+s.runID+"/") {
		if err != nil {
			return err
		}
		start, ours := blockStart(e)
		if !ours {
			continue
		}
		s.blocks = append(s.blocks, start)
		s.pos = max(s.pos, start+e.Size)
	}
	s.start, s.known = s.pos, true
	return nil
}

// dropFar removes the blocks that lie wholly in what the log has dropped.
func (f *Folder) dropFar(ctx context.Context, s *shipment, parts []part) error {
	slices.Sort(s.blocks)
	for i := 1; i < len(parts); i++ {
		from, to := parts[i-1].start+parts[i-1].size, parts[i].start
		var kept []int64
		for k, b := range s.blocks {
			if b < from || k+1 == len(s.blocks) || s.blocks[k+1] > to {
				kept = append(kept, b)
				continue
			}
			if err := f.shelf.Remove(ctx, blockName(s.runID, b)); err != nil {
				return err
			}
		}
		s.blocks = kept
	}
	return nil
}

// span reads output from a place on, as far as buf and the output without a gap
// reach.
func span(parts []part, buf []byte, from int64) (int, error) {
	n := 0
	for _, p := range parts {
		pos := from + int64(n)
		if pos < p.start || pos >= p.start+p.size {
			continue
		}
		want := min(int64(len(buf)-n), p.start+p.size-pos)
		got, err := p.at(buf[n:n+int(want)], pos)
		n += got
		if err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
	}
	return n, nil
}

// firstFrom is the first place from pos on that the parts have.
func firstFrom(parts []part, pos int64) int64 {
	for _, p := range parts {
		if pos < p.start+p.size {
			return max(pos, p.start)
		}
	}
	last := parts[len(parts)-1]
	return last.start + last.size
}

func blockName(runID string, start int64) string {
	return fmt.Sprintf("%s%s/%020d", shelfFolder, runID, start)
}

// blockStart is the inverse of blockName; false for what no log put on the shelf.
func blockStart(e blob.Entry) (int64, bool) {
	start, err := strconv.ParseInt(path.Base(e.Name), 10, 64)
	return start, err == nil && start >= 0 && start < math.MaxInt64-blockBytes && e.Size >= 0 && e.Size <= blockBytes
}

// farParts finds the blocks of a log. They are read when they are needed.
func (f *Folder) farParts(ctx context.Context, runID string) ([]part, error) {
	var parts []part
	for e, err := range f.shelf.Entries(ctx, shelfFolder+runID+"/") {
		if err != nil {
			return nil, err
		}
		start, ours := blockStart(e)
		if !ours {
			continue
		}
		b := &block{ctx: ctx, folder: f, name: e.Name}
		parts = append(parts, part{ReaderAt: b, Closer: b, start: start, size: e.Size, far: true})
	}
	if len(parts) == 0 {
		return nil, fault.Newf(fault.LogGone, "there is no log of %s here", runID)
	}
	return parts, nil
}

// block is the content of one block.
type block struct {
	ctx     context.Context // of the reader: io.ReaderAt has none
	folder  *Folder
	name    string
	content []byte
	read    bool
}

// ReadAt implements io.ReaderAt. A block that was dropped meanwhile is empty.
func (b *block) ReadAt(p []byte, off int64) (int, error) {
	if !b.read {
		content, err := b.folder.shelf.Read(b.ctx, b.name)
		if err != nil && !fault.Is(err, fault.ArtifactGone) {
			return 0, err
		}
		b.content, b.read = content, true
	}
	if off >= int64(len(b.content)) {
		return 0, io.EOF
	}
	n := copy(p, b.content[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (b *block) Close() error {
	b.content = nil
	return nil
}

func (f *Folder) removeFar(ctx context.Context, runID string) error {
	for e, err := range f.shelf.Entries(ctx, shelfFolder+runID+"/") {
		if err == nil {
			err = f.shelf.Remove(ctx, e.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Old returns the runs of which logs exist that were last written before the
// given time, sorted.
func (f *Folder) Old(ctx context.Context, before time.Time) ([]string, error) {
	young := map[string]bool{}
	note := func(runID string, at time.Time) {
		if id.Check(id.Run, runID) == nil {
			young[runID] = young[runID] || !at.Before(before)
		}
	}
	files, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fault.Wrap(err, fault.StorageUnavailable, "read the log folder")
	}
	for _, file := range files {
		if st, err := file.Info(); err == nil {
			runID, _, _ := strings.Cut(file.Name(), ".")
			note(runID, st.ModTime())
		}
	}
	if f.shelf != nil {
		for e, err := range f.shelf.Entries(ctx, shelfFolder) {
			if err != nil {
				return nil, err
			}
			note(path.Base(path.Dir(e.Name)), e.Written)
		}
	}
	maps.DeleteFunc(young, func(_ string, is bool) bool { return is })
	return slices.Sorted(maps.Keys(young)), nil
}
