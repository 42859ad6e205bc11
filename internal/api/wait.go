package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// pollEvery is how often a waiter looks by itself: hints may be lost.
const pollEvery = time.Second

// tries is how often a change is applied anew to what others changed.
const tries = 5

// again repeats f while it loses races against other writers.
func again[T any](f func() (T, error)) (T, error) {
	for i := 1; ; i++ {
		v, err := f()
		_, final := asStale(err)
		lost := fault.Is(err, fault.Conflict) || fault.Is(err, fault.VersionMismatch)
		if err == nil || final || !lost || i == tries {
			return v, err
		}
	}
}

// awaitReply waits for the end of a job: then the answer has the given status,
// otherwise 202. The answer is stored for repetitions, also when the caller has
// gone.
func (s *service) awaitReply(r *request, j job.Job, ended int) (reply, error) {
	// Everything was read; a wait must not hold a body.
	r.body = nil
	r.hold.Free()
	j, err := s.await(r.Context(), j, r.wait)
	if err != nil && r.Context().Err() == nil {
		return reply{}, err
	}
	status := http.StatusAccepted
	if j.State.Terminal() {
		status = ended
	}
	out, err := s.jobReply(withoutCancel(r.Context()), status, j)
	if err != nil {
		return reply{}, err
	}
	out.Waited = true
	return out, s.settle(r, out)
}

// await returns the job when it has ended, or as it is after d. When ctx ends,
// because the caller has gone or the server stops, it returns what it saw last
// and the error.
func (s *service) await(ctx context.Context, j job.Job, d time.Duration) (job.Job, error) {
	hints, done := s.Store.Events.Watch()
	defer done()
	end := s.Clock.NewTimer(d)
	defer end.Stop()
	for more := true; ; {
		now, err := s.Store.Jobs.Job(ctx, j.Tenant, j.ID)
		if err != nil {
			return j, err
		}
		// After the time it is looked at once more: it may have ended since.
		if j = now; j.State.Terminal() || !more {
			return j, nil
		}
		if more, err = s.pause(ctx, hints, j.ID, end.C(), pollEvery); err != nil {
			return j, err
		}
	}
}

// pause blocks until it is time to look at a job again. It returns false when
// end has come.
func (s *service) pause(ctx context.Context, hints <-chan store.Hint, jobID string, end <-chan time.Time, poll time.Duration) (bool, error) {
	t := s.Clock.NewTimer(poll)
	defer t.Stop()
	for {
		select {
		case h := <-hints:
			if h.Topic == store.HintAll || h.Topic == store.HintJob && h.ID == jobID {
				return true, nil
			}
		case <-t.C():
			return true, nil
		case <-end:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func withoutCancel(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

func itoa(n int) string { return strconv.Itoa(n) }
