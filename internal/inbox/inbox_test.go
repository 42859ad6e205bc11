package inbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/inbox"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// watched tells of each call of Expire when it has returned.
type watched struct {
	store.Approvals
	fail  chan struct{} // one failure for each value
	calls chan store.ExpiredApprovals
}

func (w watched) Expire(ctx context.Context, p store.ExpireApprovals) (store.ExpiredApprovals, error) {
	select {
	case <-w.fail:
		w.calls <- store.ExpiredApprovals{}
		return store.ExpiredApprovals{}, errors.New("not now")
	default:
	}
	out, err := w.Approvals.Expire(ctx, p)
	select {
	case w.calls <- out:
	case <-ctx.Done():
	}
	return out, err
}

type bench struct {
	t     *testing.T
	clock *clocktest.Manual
	store store.Store
	seen  watched
}

func setup(t *testing.T, failures int) *bench {
	t.Helper()
	c := clocktest.New(start)
	s, err := sqlite.OpenMemory(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t, c, s, watched{s.Approvals, make(chan struct{}, failures), make(chan store.ExpiredApprovals)}}
	for range failures {
		b.seen.fail <- struct{}{}
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	in := inbox.New(inbox.Options{Approvals: b.seen, Watch: s.Events.Watch, Clock: c})
	go func() { done <- in.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// next is what the inbox did next. While it sleeps, time goes on by steps: never
// between its waking and what it does then.
func (b *bench) next(step time.Duration) store.ExpiredApprovals {
	b.t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case out := <-b.seen.calls:
			return out
		case <-tick.C:
			if b.clock.Timers() > 0 {
				b.clock.Advance(step)
			}
		case <-limit.C:
			b.t.Fatal("the inbox does nothing")
		}
	}
}

func (b *bench) ask(life time.Duration) approval.Request {
	b.t.Helper()
	now := b.clock.Now()
	j := job.Job{ID: id.New(id.Job, now), Tenant: "default", Name: "j", Type: "command", Params: []byte(`{}`), OnCrash: job.CrashFail, CreatedBy: "ann"}
	r, err := approval.New(j.Request(id.New(id.Approval, now), approval.Person{Name: "ann"}, now, life))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.store.Jobs.Add(b.t.Context(), store.AddJobs{Jobs: []job.Job{j}, Approvals: []approval.Request{r}}); err != nil {
		b.t.Fatal(err)
	}
	return r
}

func TestExpiresInTime(t *testing.T) {
	t.Parallel()
	b := setup(t, 0)
	b.next(0) // nothing is there
	r := b.ask(90 * time.Second)
	if out := b.next(0); !out.NextAt.Equal(r.ExpiresAt) { // woken by the hint alone
		t.Fatalf("after the request: %+v", out)
	}
	for {
		out := b.next(time.Second)
		if len(out.Requests) == 0 {
			if !out.Now.Before(r.ExpiresAt) {
				t.Fatal("it did not expire when its time was over")
			}
			continue
		}
		if out.Requests[0].ID != r.ID || out.Requests[0].Status != approval.Expired || out.Now.Sub(r.ExpiresAt) > 2*time.Second {
			t.Errorf("expired: %+v", out)
		}
		break
	}
	j, err := b.store.Jobs.Job(t.Context(), "default", r.Subject.ID)
	if err != nil || j.State != job.Skipped {
		t.Errorf("the job is %s, %v", j.State, err)
	}
}

func TestGoesOnAfterFailures(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	for range 3 {
		b.next(time.Second)
	}
	r := b.ask(time.Second)
	for range 10 {
		if out := b.next(time.Second); len(out.Requests) == 1 && out.Requests[0].ID == r.ID {
			return
		}
	}
	t.Error("it did not expire")
}
