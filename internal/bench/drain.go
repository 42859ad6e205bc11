package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
)

// drain measures how fast waiting jobs that do nothing are run, from the moment when
// the queue may start them until the end of the last is durable.
func (b *bench) drain(ctx context.Context) error {
	return b.each(ctx, func() error {
		if err := b.drainLimits(ctx); err != nil {
			return err
		}
		return b.with(ctx, b.Workers, func(s *server) error {
			if err := s.pause(ctx, true); err != nil {
				return err
			}
			ids, err := s.add(ctx, b.Jobs)
			if err != nil {
				return err
			}
			began := clock.System{}.Now()
			var spent time.Duration
			if err := b.profiled("drain", func() error {
				if err := s.pause(ctx, false); err != nil {
					return err
				}
				err := s.ended(ctx, b.Jobs)
				spent = since(began)
				return err
			}); err != nil {
				return err
			}
			if err := errors.Join(s.noop.once(ids), s.counted(ctx, job.Completed, b.Jobs)); err != nil {
				return err
			}
			b.note(report.Drain, fmt.Sprintf("store -> queue -> no-op job, %d workers", b.Workers), b.Jobs, float64(b.Jobs)/spent.Seconds())
			return nil
		})
	})
}

// ended waits until n jobs have run and their ends are in the store, which is asked
// only then: looking is part of what is measured.
func (s *server) ended(ctx context.Context, n int) error {
	return until(ctx, "the jobs end", time.Millisecond, func() (bool, error) {
		if s.noop.count() < n {
			return false, nil
		}
		return s.none(ctx, job.Running, job.Queued)
	})
}

// meanGap is the mean time between two jobs that come to an idle server.
const meanGap = 10 * time.Millisecond

// maxArrivals bounds the jobs of one run, which then takes ten seconds.
const maxArrivals = 1000

// latency measures the time from the request that adds a job to the beginning of its
// attempt, on a server that has nothing else to do. Jobs come at random: equal gaps
// fall into step with whatever looks at equal intervals.
func (b *bench) latency(ctx context.Context) error {
	seed := uint64(0)
	return b.each(ctx, func() error {
		seed++
		if err := b.latencyLimits(ctx); err != nil {
			return err
		}
		return b.with(ctx, b.Workers, func(s *server) error {
			return b.profiled("latency", func() error { return s.arrivals(ctx, rand.New(rand.NewPCG(1, seed))) })
		})
	})
}

var startNames = [3]string{report.StartP50, report.StartP95, report.StartP99}

func (s *server) arrivals(ctx context.Context, r *rand.Rand) error {
	n := min(s.b.Jobs, maxArrivals)
	s.noop.watch(n)
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.conn.Close() }() // all was answered
	// The first ones find nothing prepared; they are no sample.
	const warm = 10
	sent, ids := make([]time.Time, n), make([]string, 0, n+warm)
	for i := range n + warm {
		if err := clock.Sleep(ctx, clock.System{}, time.Duration(r.ExpFloat64()*float64(meanGap))); err != nil {
			return err
		}
		name := "warm"
		if i >= warm {
			name = strconv.Itoa(i - warm)
			sent[i-warm] = clock.System{}.Now()
		}
		one, err := c.add(name)
		if err != nil {
			return err
		}
		ids = append(ids, one)
	}
	if err := s.ended(ctx, n+warm); err != nil {
		return err
	}
	if err := errors.Join(s.noop.once(ids), s.counted(ctx, job.Completed, n+warm)); err != nil {
		return err
	}
	delays := make([]time.Duration, n)
	for i := range delays {
		at, ok := s.noop.began[strconv.Itoa(i)] // all have ended
		if delays[i] = at.Sub(sent[i]); !ok || delays[i] <= 0 {
			return fmt.Errorf("job %d was sent at %v and began at %v", i, sent[i], at)
		}
	}
	s.b.delays(startNames, "POST /api/jobs -> store -> queue -> no-op job begins, mean gap "+meanGap.String(), n, delays)
	return nil
}
