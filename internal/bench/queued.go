package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

const (
	// few is how many jobs wait in the case with which a large one is compared.
	few = 10_000
	// looks is how often each operation is done.
	looks = 200
	// weighed is from how many jobs on their memory is measured: with fewer, other things
	// in the process change more. kept bounds the ids that are kept here meanwhile.
	weighed = 100_000
	kept    = 1000
	// pageSize is that of the web pages.
	pageSize = 50
)

// crowd are jobs that wait on a server which starts none.
type crowd struct {
	s   *server
	n   int      // how many wait
	ids []string // of some of them
	r   *rand.Rand
}

// costs are the medians of what operations take while many jobs wait.
type costs struct{ position, move, page time.Duration }

// queued measures operations while many jobs wait, how much memory their order takes,
// and how soon a server is ready that finds them.
func (b *bench) queued(ctx context.Context) error {
	seed := uint64(0)
	return b.each(ctx, func() error {
		seed++
		if err := b.queuedLimits(ctx); err != nil {
			return err
		}
		return b.with(ctx, 0, func(s *server) error {
			c := &crowd{s: s, r: rand.New(rand.NewPCG(2, seed))}
			empty, err := c.again(ctx) // what a server without jobs has in memory
			if err != nil {
				return err
			}
			small, err := c.small(ctx)
			if err != nil {
				return err
			}
			if err := c.fill(ctx, b.Jobs); err != nil {
				return err
			}
			var large costs
			if err := b.profiled("queued", func() (err error) {
				large, err = c.cost(ctx)
				return err
			}); err != nil {
				return err
			}
			n := b.Jobs
			b.note(report.QueuedPosition, "store: position and reason of one job", n, us(large.position))
			b.note(report.QueuedMove, "store: one job to a random place, durable", n, ms(large.move))
			b.note(report.QueuedPage, "store: a page of 50 at the front", n, ms(large.page))
			if small != (costs{}) {
				path := fmt.Sprintf("the same, against %d jobs", few)
				b.note(report.PositionGrowth, path, n, times(large.position, small.position))
				b.note(report.MoveGrowth, path, n, times(large.move, small.move))
				b.note(report.PageGrowth, path, n, times(large.page, small.page))
			}
			found, err := c.again(ctx)
			if err != nil {
				return err
			}
			b.note(report.QueuedReady, "server starts again, until it tells a position", n, ms(found.ready))
			if n >= weighed {
				if found.heap <= empty.heap {
					return fmt.Errorf("a server with %d jobs has %d bytes in memory, and one without %d", n, found.heap, empty.heap)
				}
				b.note(report.QueuedIndex, "heap of the server with the jobs, less one without", n, float64(found.heap-empty.heap)/float64(n))
			}
			return s.counted(ctx, job.Queued, n)
		})
	})
}

func times(a, b time.Duration) float64 { return float64(a) / float64(b) }

// small measures the smaller case on the way; nothing if the large one is not larger.
func (c *crowd) small(ctx context.Context) (costs, error) {
	if c.s.b.Jobs < 2*few {
		return costs{}, nil
	}
	if err := c.fill(ctx, few); err != nil {
		return costs{}, err
	}
	return c.cost(ctx)
}

// fill adds jobs until n wait.
func (c *crowd) fill(ctx context.Context, n int) error {
	ids, err := c.s.add(ctx, n-c.n)
	if err != nil {
		return err
	}
	c.n = n
	// The events of what was added get their numbers, on PostgreSQL after the fact: what is
	// measured is a queue at rest, and not the end of filling it.
	if _, err := c.s.store.Events.Range(ctx); err != nil {
		return err
	}
	for _, i := range c.r.Perm(len(ids))[:min(len(ids), kept)] {
		c.ids = append(c.ids, strings.Clone(ids[i]))
	}
	return nil
}

func (c *crowd) cost(ctx context.Context) (costs, error) {
	var out costs
	for _, op := range []struct {
		do   func(context.Context, job.Job) error
		took *time.Duration
	}{{c.position, &out.position}, {c.move, &out.move}, {c.page, &out.page}} {
		all := make([]time.Duration, 0, looks)
		for i := range looks + 1 {
			j, err := c.any(ctx)
			if err != nil {
				return out, err
			}
			at := clock.System{}.Now()
			if err := op.do(ctx, j); err != nil {
				return out, err
			}
			if i > 0 { // the first may have to read the order
				all = append(all, since(at))
			}
		}
		slices.Sort(all)
		*op.took = report.Percentile(all, 50)
	}
	return out, nil
}

// any is one of the jobs.
func (c *crowd) any(ctx context.Context) (job.Job, error) {
	return c.s.store.Jobs.Job(ctx, access.DefaultTenant, c.ids[c.r.IntN(len(c.ids))])
}

func (c *crowd) position(ctx context.Context, j job.Job) error {
	sit, err := c.s.store.Jobs.Situation(ctx, []job.Job{j})
	if err != nil {
		return err
	}
	if at, ok := sit.Positions[j.ID]; !ok || at < 0 || at > c.n {
		return fmt.Errorf("job %s of %d is at position %d", j.ID, c.n, at)
	}
	return nil
}

func (c *crowd) move(ctx context.Context, j job.Job) error {
	done, err := c.s.store.Order.Place(ctx, store.PlaceJobs{
		Tenant: access.DefaultTenant, IDs: []string{j.ID}, Place: &store.Place{Position: c.r.IntN(c.n)}, At: clock.System{}.Now(),
	})
	if err == nil && !slices.Contains(done.Moved, j.ID) {
		err = fmt.Errorf("job %s was not moved", j.ID)
	}
	return err
}

func (c *crowd) page(ctx context.Context, _ job.Job) error {
	want := min(pageSize, c.n)
	p, err := c.s.store.Jobs.List(ctx, store.ListJobs{Tenant: access.DefaultTenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: pageSize})
	if err == nil && len(p.Jobs) != want {
		err = fmt.Errorf("a page has %d jobs, want %d", len(p.Jobs), want)
	}
	return err
}

// restarted is what a server tells that was started again.
type restarted struct {
	ready time.Duration
	heap  int64 // what it has in memory, in bytes
}

// again stops the server and starts it on the same place.
func (c *crowd) again(ctx context.Context) (restarted, error) {
	if err := c.s.stop(); err != nil {
		return restarted{}, err
	}
	began := clock.System{}.Now()
	if err := c.s.start(ctx); err != nil {
		return restarted{}, err
	}
	if len(c.ids) > 0 {
		j, err := c.any(ctx)
		if err = errors.Join(err, c.position(ctx, j)); err != nil {
			return restarted{}, err
		}
	}
	out := restarted{ready: since(began)}
	out.heap = heap()
	return out, nil
}

// heap is what is in use after everything unused is gone.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers freed
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
