// Package reserve keeps accepted work going while the disk of the data folder is
// full.
//
// A Guard holds a file of worthless bytes in the data folder. When the disk is
// full, new work is refused and no job is started; what running jobs still have
// to record takes its room from that file, a piece at a time. When there is
// space again, the file is made whole and new work is accepted, without a
// restart.
//
//	g := reserve.New(reserve.Options{Path: "data/reserve", Local: true})
//	st = g.Wrap(st)  // sees and refuses writes
//	go g.Run(ctx)    // looks at the disk
//
// "Full" is what a write said, or less free space than a quarter of the
// reserve. A database on another machine can be full as well: then the guard
// refuses new work for some seconds and lets it try again.
package reserve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
)

const (
	// DefaultBytes is the size of the reserve, unless that is more than a
	// twentieth of the file system.
	DefaultBytes = 16 << 20
	share        = 20
	// pieces is how many times something can be taken from the reserve.
	pieces = 8
	// every is how often the disk is looked at.
	every = time.Second
	// shortest and longest bound how long new work is refused after a write was;
	// from one to the other when it happens again soon.
	shortest = time.Second
	longest  = 5 * time.Second
	// soon is how long the guard remembers the last time, and how often it says at
	// most that the disk is full.
	soon = time.Minute
)

// Space measures a file system, in bytes. free is what this process may use.
type Space func() (free, total int64, err error)

// Options of a Guard. Path is required.
type Options struct {
	// Path is the file. Its folder must exist.
	Path string
	// Bytes is the size of the file; 0 = DefaultBytes or a twentieth of the file
	// system, whichever is less.
	Bytes int64
	// Later leaves it to Run to make the reserve, which takes some time, meanwhile the
	// guard's other methods wait.
	Later bool
	// Local says that the database is on the same disk, so that giving space back
	// helps it.
	Local  bool
	Space  Space        // nil = that of Path's file system
	Clock  clock.Clock  // nil = the system's
	Logger *slog.Logger // nil = discard
}

// Guard knows whether the disk is full. It is safe for concurrent use.
type Guard struct {
	o    Options
	want int64 // size of a whole reserve
	low  int64 // with less free space the disk is full

	mu   sync.Mutex
	held int64 // size of the reserve now
	// given counts how often something was taken from the reserve.
	given int
	full  bool
	free  int64 // when the disk was looked at last
	// until is the earliest time at which new work may be tried again, hold the
	// pause that led to it.
	until     time.Time
	hold      time.Duration
	tripped   time.Time
	announced time.Time
	loud      bool // the present state was announced
}

// New looks at the disk and makes the reserve, if there is room for it. On a full
// disk an earlier reserve is given up at once, because a server needs some
// space to start.
func New(o Options) *Guard {
	if o.Space == nil {
		dir := filepath.Dir(o.Path)
		o.Space = func() (int64, int64, error) { return space(dir) }
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Guard{o: o, want: o.Bytes}
	free, total, err := o.Space()
	if g.want == 0 {
		g.want = DefaultBytes
		if err == nil {
			g.want = min(g.want, total/share)
		}
	}
	g.low = g.want / 4
	if st, err := os.Stat(o.Path); err == nil {
		g.held = st.Size()
	}
	if err != nil {
		g.o.Logger.Warn("cannot measure the disk", "error", err)
		return g
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free = free
	switch {
	case free < g.low:
		g.shrink(0)
		g.trip()
	case !o.Later:
		g.prepare(free)
	}
	return g
}

// prepare makes the reserve, or shrinks one that is too large, if there is room for it.
func (g *Guard) prepare(free int64) {
	if g.held == g.want || free+g.held < g.want+2*g.low {
		return
	}
	if err := g.build(); err != nil {
		g.o.Logger.Warn("cannot make the reserve", "bytes", g.want, "error", err)
	}
}

// Run looks at the disk every second until ctx ends.
func (g *Guard) Run(ctx context.Context) {
	if g.o.Later {
		g.mu.Lock()
		if !g.full {
			g.prepare(g.free)
		}
		g.mu.Unlock()
	}
	for clock.Pulse(ctx, g.o.Clock, every) == nil {
		g.look()
	}
}

// Err is nil while new work is welcome, else storage_full with the reason.
func (g *Guard) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.full {
		return nil
	}
	if !g.o.Local && g.free >= g.low {
		return fault.New(fault.StorageFull, "the database has no space left; new work is refused for a few seconds")
	}
	return fault.Newf(fault.StorageFull, "the disk of the data folder is full: %s are free; new work is accepted again when there are %s",
		size(g.free), size(g.want-g.held+2*g.low))
}

// Full reports whether Err is not nil.
func (g *Guard) Full() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.full
}

// look measures the disk and changes the state where that is due.
func (g *Guard) look() {
	free, _, err := g.o.Space()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		// What writes say has to do.
		free = g.want + 2*g.low
	}
	g.free = free
	missing := max(g.want-g.held, 0)
	switch {
	case !g.full && free < g.low:
		g.trip()
	case !g.full && missing > 0 && free >= missing+2*g.low:
		_ = g.build() // it is tried again
	case g.full && free >= missing+2*g.low && !g.o.Clock.Now().Before(g.until):
		if err := g.build(); err != nil {
			return // somebody was faster
		}
		g.full = false
		level := slog.LevelDebug
		if g.loud {
			level = slog.LevelInfo
		}
		g.o.Logger.Log(context.Background(), level, "there is disk space again, new work is accepted", "free_bytes", g.free, "after", g.o.Clock.Now().Sub(g.tripped))
	}
}

// trip notes that the disk is full. g.mu is held.
func (g *Guard) trip() {
	now := g.o.Clock.Now()
	if !g.full {
		if g.tripped.IsZero() || now.Sub(g.until) > soon {
			g.hold = 0
		}
		g.hold = min(max(2*g.hold, shortest), longest)
		g.full, g.tripped = true, now
		g.loud = g.announced.IsZero() || now.Sub(g.announced) >= soon
		level := slog.LevelDebug
		if g.loud {
			level, g.announced = slog.LevelError, now
		}
		g.o.Logger.Log(context.Background(), level, "the disk is full: new work is refused, running jobs may finish", "free_bytes", g.free, "reserve_bytes", g.held)
	}
	g.until = now.Add(g.hold)
}

// generation is passed to giveWay by who met a full disk afterwards.
func (g *Guard) generation() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.given
}

// refused notes that a write met a full disk.
func (g *Guard) refused() {
	free, _, err := g.o.Space()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		g.free = free
	}
	g.trip()
}

// giveWay is refused for a write that must not fail: it takes a piece from the
// reserve and reports whether the write should be tried again. Of many writes
// that failed together only the first takes one.
func (g *Guard) giveWay(generation int) bool {
	g.refused()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.o.Local {
		return false
	}
	if g.given != generation {
		return true
	}
	if g.held == 0 {
		return false
	}
	g.shrink(max(g.held-max(g.want/pieces, 1), 0))
	return true
}

// shrink gives space back. g.mu is held.
func (g *Guard) shrink(to int64) {
	g.given++
	if to == g.held {
		return
	}
	if err := os.Truncate(g.o.Path, to); err != nil {
		g.o.Logger.Warn("cannot give up the reserve", "error", err)
		to = 0 // not tried again
	}
	g.held = to
}

// build makes the reserve whole. The bytes are random and synced, so that a file
// system that compresses or postpones has them nevertheless. g.mu is held.
func (g *Guard) build() (err error) {
	if g.held == g.want {
		return nil
	}
	f, err := os.OpenFile(g.o.Path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the reserve: %w", err)
	}
	defer func() {
		if err == nil {
			g.held = g.want
		} else {
			err = errors.Join(err, f.Truncate(g.held))
		}
		err = errors.Join(err, f.Close())
	}()
	if g.held > g.want {
		return f.Truncate(g.want)
	}
	rng := rand.NewChaCha8([32]byte{1})
	buf := make([]byte, 64<<10)
	for at := g.held; at < g.want; {
		_, _ = rng.Read(buf) // never fails
		n, err := f.WriteAt(buf[:min(int64(len(buf)), g.want-at)], at)
		if err != nil {
			return fmt.Errorf("write the reserve: %w", err)
		}
		at += int64(n)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync the reserve: %w", err)
	}
	return nil
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
