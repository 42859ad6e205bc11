package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
)

// wave is how many jobs wait at the same time while a history is made.
const wave = 10_000

// finished measures what a long history costs: the memory of a server that has run many
// jobs, against that after a tenth of them, and a start that finds them. It has one run:
// to make the history takes minutes.
func (b *bench) finished(ctx context.Context) error {
	b.turn = b.Runs - 1 // there is no other
	return b.with(ctx, b.Workers, func(s *server) error {
		tenth := max(1, b.Jobs/10)
		if err := s.live(ctx, 0, tenth); err != nil {
			return err
		}
		before := resident()
		if err := s.live(ctx, tenth, b.Jobs); err != nil {
			return err
		}
		if after := resident(); before > 0 && after > 0 {
			b.note(report.FinishedMemory, fmt.Sprintf("resident memory of server and measurement, against %d finished jobs", tenth), b.Jobs, float64(after)/float64(before))
		}
		if err := s.counted(ctx, job.Completed, b.Jobs); err != nil {
			return err
		}
		if err := s.stop(); err != nil {
			return err
		}
		began := clock.System{}.Now()
		if err := b.profiled("finished", func() error { return s.start(ctx) }); err != nil {
			return err
		}
		b.note(report.FinishedReady, "server starts again, until it answers", b.Jobs, ms(since(began)))
		return s.counted(ctx, job.Completed, b.Jobs)
	})
}

// live lets the server run jobs until it has run n, of which it has run some.
func (s *server) live(ctx context.Context, from, n int) error {
	for from < n {
		s.b.Say(fmt.Sprintf("finished, %d of %d jobs have run", from, s.b.Jobs))
		ids, err := s.add(ctx, min(wave, n-from))
		if err != nil {
			return err
		}
		if err := errors.Join(s.ended(ctx, len(ids)), s.noop.once(ids)); err != nil {
			return err
		}
		s.noop.forget()
		from += len(ids)
	}
	return nil
}

// resident is the memory of this process, in bytes, without what it has only not given
// back yet; 0 where the system does not tell.
func resident() int64 {
	debug.FreeOSMemory()
	kb, _, _ := strings.Cut(field("/proc/self/status", "VmRSS"), " ")
	n, err := strconv.ParseInt(kb, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
