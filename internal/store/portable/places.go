package portable

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/store"
)

// Mark is how far an index of places has followed the log of events.
type Mark struct {
	// Seq: all events up to this number are in.
	Seq int64
	// Loose are the ids of events that are in and had no number yet (PostgreSQL).
	Loose map[int64]bool
}

// places is the in-memory index of the order: a cache of the rows, made from
// them and from what the events say of the order afterwards. Whoever uses it
// brings a transaction and first follows the log as that sees it, so within the
// claim's transaction it is exact. The database alone is the truth: whatever the
// index proposes is read again before it is used.
type places struct {
	// mu is taken inside a transaction, never the other way round.
	mu     sync.Mutex
	index  *order.Index
	loaded bool
	mark   Mark
	era    int64
}

func newPlaces() *places { return &places{index: order.New(job.ClassResources)} }

// maxFollow is how many events an index follows at a time; with more, reading
// the waiting jobs anew is faster.
const maxFollow = 100_000

// with calls f with the index as tx sees the order. The index must not leave f.
func (d *db) with(ctx context.Context, tx Tx, f func(*order.Index) error) error {
	p := d.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := d.follow(ctx, tx); err != nil {
		return err
	}
	return f(p.index)
}

// follow brings the index up to date. The caller holds mu. When the log cannot
// be read, because the caller has given up for example, the index stays as it is.
func (d *db) follow(ctx context.Context, tx Tx) error {
	p := d.places
	if era := d.Era(); era != p.era {
		p.loaded, p.era = false, era
	}
	if p.loaded {
		moved, next, overflow, err := d.MovedSince(ctx, tx, p.mark, maxFollow)
		if err != nil {
			return err
		}
		if !overflow && p.apply(moved) == nil {
			p.mark = next
			return nil
		}
	}
	return p.load(func(each func(order.Spot)) (Mark, error) { return d.LoadPlaces(ctx, tx, each) })
}

// apply returns an error when the log contradicts the index, which is then made
// anew.
func (p *places) apply(moved []string) error {
	for _, text := range moved {
		ds, err := parseDeltas(text)
		if err != nil {
			return err
		}
		if err := p.index.Apply(ds); err != nil {
			return err
		}
	}
	return nil
}

func (p *places) load(read func(each func(order.Spot)) (Mark, error)) error {
	p.loaded = false
	var mark Mark
	var err error
	var spots iter.Seq[order.Spot] = func(yield func(order.Spot) bool) {
		mark, err = read(func(s order.Spot) { yield(s) })
	}
	p.index.Load(spots)
	if err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	p.mark, p.loaded = mark, true
	return nil
}

// deltaText says in an event's row what a change did to one job's place: a line
// for where it was and one for where it is, "-" or "+", rank, whether it is
// listed and ready, and class.
func deltaText(out, in order.Spot) string {
	if out == in {
		return ""
	}
	return spotText('-', out) + spotText('+', in)
}

func spotText(sign byte, s order.Spot) string {
	if s.Rank == "" {
		return ""
	}
	return string(sign) + string(s.Rank) + "\t" + digit(s.Listed) + digit(s.Ready) + "\t" + s.Class + "\n"
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// parseDeltas reads the texts of one event. An out line and the in line behind
// it need not be of one job: the index takes all outs before all ins.
func parseDeltas(text string) ([]order.Delta, error) {
	var ds []order.Delta
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 || len(f[0]) < 2 || len(f[1]) != 2 {
			return nil, fmt.Errorf("read a change of the order: %q", line)
		}
		s := order.Spot{Rank: rank.Rank(f[0][1:]), Listed: f[1][0] == '1', Ready: f[1][1] == '1', Class: f[2]}
		if f[0][0] == '-' {
			ds = append(ds, order.Delta{Out: s})
		} else {
			ds = append(ds, order.Delta{In: s})
		}
	}
	return ds, nil
}

// spotOf is a row of the waiting jobs as the index sees it.
func spotOf(r, class string, groupActive, ready bool) order.Spot {
	return order.Spot{Rank: rank.Rank(r), Class: class, Listed: !groupActive, Ready: ready}
}

// SpotColumns and ScanSpot read waiting jobs for an index.
const SpotColumns = `rank, class, group_active, ready`

// ScanSpot is the inverse of SpotColumns.
func ScanSpot(scan func(...any) error) (order.Spot, error) {
	var r, class string
	var active, ready bool
	err := scan(&r, &class, &active, &ready)
	return spotOf(r, class, active, ready), err
}

// absence remembers that something was looked for and not there. It is so until
// something is committed, so that to look again and again costs nothing.
type absence struct {
	mu sync.Mutex
	at uint64 // the count of commits before the look, plus one; 0 = none
}

// unless calls look, unless it is known that it would find nothing. look may not depend
// on the time, and tells whether it has found something.
func (a *absence) unless(e Engine, look func() (found bool, err error)) error {
	at, sole := e.Commits()
	if !sole {
		_, err := look()
		return err
	}
	a.mu.Lock()
	still := a.at == at+1
	a.mu.Unlock()
	if still {
		return nil
	}
	found, err := look()
	if found || err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = at + 1
	return nil
}

// lastScene is what Situation has found, without the places.
type lastScene struct {
	mu  sync.Mutex
	at  uint64 // the count of commits before it was read, plus one; 0 = none
	out store.Situation
}

// remembered is the last Situation if nothing was committed since.
func (d *db) remembered(js []job.Job) (out store.Situation, ok bool) {
	at, sole := d.Commits()
	if !sole {
		return out, false
	}
	d.scene.mu.Lock()
	out, ok = d.scene.out, d.scene.at == at+1
	d.scene.mu.Unlock()
	if !ok {
		return out, false
	}
	p := d.places
	p.mu.Lock()
	defer p.mu.Unlock()
	// After a batch that failed at the disk, the index is that of what was not committed.
	if !p.loaded || p.era != d.Era() {
		return out, false
	}
	out.Positions = positions(p.index, js)
	return out, true
}

// remember keeps what Situation has found when at had been committed, unless it depends
// on the time. The index has followed to at, or beyond.
func (d *db) remember(at uint64, out store.Situation) {
	s := out.Snapshot
	if len(s.Budgets) > 0 || len(s.Direct) > 0 || len(s.Held) > 0 {
		return
	}
	out.Positions = nil
	d.scene.mu.Lock()
	defer d.scene.mu.Unlock()
	if d.scene.at <= at {
		d.scene.at, d.scene.out = at+1, out
	}
}

// positions are the places in the order of those jobs that have one.
func positions(x *order.Index, js []job.Job) map[string]int {
	out := make(map[string]int, len(js))
	for _, j := range js {
		if j.State == job.Queued && j.Parked == "" && j.Rank != "" {
			out[j.ID] = x.Position(j.Rank.Place())
		}
	}
	return out
}
