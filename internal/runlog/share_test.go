package runlog

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

// countingShelf counts writes, and fails them on demand.
type countingShelf struct {
	blob.Shelf
	writes atomic.Int64
	away   atomic.Bool
}

func (c *countingShelf) Write(ctx context.Context, name string, content []byte) error {
	if c.away.Load() {
		return fault.New(fault.StorageUnavailable, "away")
	}
	c.writes.Add(1)
	return c.Shelf.Write(ctx, name, content)
}

type shared struct {
	shelf *countingShelf
	run   string
	max   int64
}

func newShared(t *testing.T, max int64) shared {
	t.Helper()
	f, err := blob.OpenFolder(t.TempDir(), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return shared{shelf: &countingShelf{Shelf: f}, run: id.New(id.Run, start), max: max}
}

// open returns the logs of an instance in a folder.
func (s shared) open(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := Open(dir, Options{MaxBytes: s.max, Shelf: s.shelf, Clock: clock.System{}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (s shared) text(t *testing.T, f *Folder, lines int) string {
	t.Helper()
	r, err := f.Read(t.Context(), s.run, lines)
	if fault.Is(err, fault.LogGone) {
		return "gone"
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func flush(t *testing.T, f *Folder, run string) {
	t.Helper()
	if err := f.Flush(t.Context(), run); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherInstanceReadsAndFollows(t *testing.T) {
	t.Parallel()
	s := newShared(t, 0)
	own, other := s.open(t, t.TempDir()), s.open(t, t.TempDir())
	w, err := own.Writer(s.run)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.text(t, other, All); got != "gone" {
		t.Errorf("before the first flush: %q", got)
	}
	say(w, "one\ntwo\n")
	flush(t, own, s.run)
	if got := s.text(t, other, 1); got != "two\n" {
		t.Errorf("the last line: %q", got)
	}
	done := make(chan struct{})
	r, err := other.Follow(t.Context(), s.run, FollowOptions{Lines: All, Done: done})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	local, err := own.Follow(t.Context(), s.run, FollowOptions{Lines: All, Done: done})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	buf := make([]byte, 4)
	if _, err := io.ReadFull(local, buf); err != nil {
		t.Fatal(err)
	}
	say(w, "three\n")
	w.Close()
	own.Settle(t.Context(), s.run)
	close(done)
	if b, err := io.ReadAll(r); string(b) != "one\ntwo\nthree\n" || err != nil {
		t.Errorf("followed %q, %v", b, err)
	}
	if b, err := io.ReadAll(local); string(b) != "two\nthree\n" || err != nil {
		t.Errorf("followed where it ran, over the removal of the files: %q, %v", b, err)
	}
	if files, err := filepath.Glob(filepath.Join(own.dir, "*")); err != nil || len(files) != 0 {
		t.Errorf("the folder has %v, %v", files, err)
	}
	if got := s.text(t, own, All); got != "one\ntwo\nthree\n" {
		t.Errorf("afterwards: %q", got)
	}
	if err := other.Remove(t.Context(), s.run); err != nil || s.text(t, own, All) != "gone" {
		t.Errorf("after the removal: %v", err)
	}
}

// TestTheCapHoldsOnTheShelf, and both places read alike.
func TestTheCapHoldsOnTheShelf(t *testing.T) {
	t.Parallel()
	s := newShared(t, 4<<20)
	own, other := s.open(t, t.TempDir()), s.open(t, t.TempDir())
	w, err := own.Writer(s.run)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 160 {
		say(w, "%s\n", strings.Repeat(fmt.Sprintf("%07d ", i), 8<<10))
		if i%3 == 0 {
			flush(t, own, s.run)
		}
	}
	flush(t, own, s.run)
	before := s.text(t, own, All)
	w.Close()
	flush(t, own, s.run)
	var kept int64
	for e, err := range s.shelf.Entries(t.Context(), shelfFolder) {
		if err != nil {
			t.Fatal(err)
		}
		kept += e.Size
	}
	if kept > 4<<20+4*blockBytes || kept < 2<<20 {
		t.Errorf("the shelf has %d bytes", kept)
	}
	after := s.text(t, other, All)
	head, tail := before[:1<<20], before[len(before)-(512<<10):]
	if !strings.HasPrefix(after, head) || !strings.HasSuffix(after, tail) || !strings.Contains(after, "bytes of output were dropped here]") {
		t.Errorf("there are %d bytes here and %d there", len(before), len(after))
	}
	if n := s.shelf.writes.Load(); n > 160 {
		t.Errorf("%d writes", n)
	}
}

func TestWhatADeadServerLeftIsBroughtLater(t *testing.T) {
	t.Parallel()
	s := newShared(t, 0)
	dir := t.TempDir()
	dead, other := s.open(t, dir), s.open(t, t.TempDir())
	w, err := dead.Writer(s.run)
	if err != nil {
		t.Fatal(err)
	}
	say(w, "shown\n")
	flush(t, dead, s.run)
	say(w, "not shown yet\n") // and it dies
	if got := s.text(t, other, All); got != "shown\n" {
		t.Errorf("after the death: %q", got)
	}
	again := s.open(t, dir)
	s.shelf.away.Store(true)
	if err := again.Flush(t.Context(), s.run); !fault.Is(err, fault.StorageUnavailable) {
		t.Errorf("while the shelf is away: %v", err)
	}
	s.shelf.away.Store(false)
	flush(t, again, s.run)
	if got := s.text(t, other, All); got != "shown\nnot shown yet\n" {
		t.Errorf("when it is back: %q", got)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) != 0 {
		t.Errorf("the folder has %v, %v", files, err)
	}
}

// TestExportOfASharedLog: a log that has left the folder is copied as if it were
// there, whole or with its middle dropped.
func TestExportOfASharedLog(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string]int{"whole": 40, "middle dropped": 60_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t, 1<<20)
			own, other := s.open(t, t.TempDir()), s.open(t, t.TempDir())
			w, err := own.Writer(s.run)
			if err != nil {
				t.Fatal(err)
			}
			for i := range lines {
				say(w, "line %d of the output that this run makes\n", i)
				if i%5000 == 0 {
					flush(t, own, s.run)
				}
			}
			w.Close()
			flush(t, own, s.run)
			want := s.text(t, other, All)
			plain, err := Open(t.TempDir(), Options{MaxBytes: s.max, Clock: clock.System{}})
			if err != nil {
				t.Fatal(err)
			}
			files := 0
			if err := other.Export(t.Context(), s.run, func(name string, size int64, content io.Reader) error {
				files++
				counted := &io.LimitedReader{R: content, N: size}
				if err := plain.Import(name, counted); err != nil || counted.N != 0 {
					return fmt.Errorf("%s: %d bytes missing: %w", name, counted.N, err)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if got := s.text(t, plain, All); got != want || files == 0 {
				t.Errorf("%d files; copied %d bytes, want %d", files, len(got), len(want))
			}
		})
	}
}

// lyingShelf names blocks of impossible sizes beside those that it has.
type lyingShelf struct{ blob.Shelf }

func (l lyingShelf) Entries(_ context.Context, folder string) iter.Seq2[blob.Entry, error] {
	return func(yield func(blob.Entry, error) bool) {
		for _, name := range []string{"-0000000000000000001", "09223372036854775807", "00000000000000000900", "00000000000000000901"} {
			size := int64(1)
			switch name[19] {
			case '0':
				size = math.MaxInt64
			case '1':
				size = -1
			}
			if !yield(blob.Entry{Name: folder + name, Size: size}, nil) {
				return
			}
		}
	}
}

// TestImpossibleBlocks: what a bucket says of sizes is not believed.
func TestImpossibleBlocks(t *testing.T) {
	t.Parallel()
	s := newShared(t, 0)
	f, err := Open(t.TempDir(), Options{Shelf: lyingShelf{s.shelf}, Clock: clock.System{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Export(t.Context(), s.run, func(name string, size int64, _ io.Reader) error {
		t.Errorf("%s of %d bytes", name, size)
		return nil
	}); err != nil {
		t.Error(err)
	}
	if got := s.text(t, f, 1); got != "gone" {
		t.Errorf("a log of %q", got)
	}
}
