package queue_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
)

// An attempt whose work was ended while its server was frozen, and which nobody
// has taken over, ends like one of a dead server: the crash policy decides.
func TestWorkThatLapsedIsInterrupted(t *testing.T) {
	t.Parallel()
	for policy, want := range map[job.CrashPolicy]job.State{job.CrashRetry: job.Completed, job.CrashFail: job.Failed} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(_ context.Context, a task.Attempt, _ task.Host) error {
				if a.Number == 1 {
					return task.ErrLeaseLost
				}
				return nil
			})
			b.opts.Exclusive = false
			b.start()
			j := b.ended(b.add(func(j *job.Job) { j.OnCrash = policy }).ID)
			if r := b.runs(j.ID); j.State != want || r[0].Failure.Code != job.CodeInterrupted {
				t.Errorf("job %s, runs %+v", j.State, r)
			}
		})
	}
}

// TestNoWorkBeginsAfterAFreeze freezes a server between its claim and the begin
// of the work, for longer than the lease.
func TestNoWorkBeginsAfterAFreeze(t *testing.T) {
	t.Parallel()
	var stale, lost atomic.Bool
	var once sync.Once
	ended := make(chan struct{})
	c := clocktest.New(time.Now())
	b := setup(t, func(_ context.Context, a task.Attempt, _ task.Host) error {
		if a.Number == 1 {
			stale.Store(true)
		}
		return nil
	})
	st, err := sqlite.OpenMemory(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	b.store, b.opts.Store, b.opts.Clock, b.opts.Exclusive = st, st, c, false
	b.opts.Store.Jobs = faultyJobs{Jobs: st.Jobs, claimed: func(cl store.Claims) error {
		if len(cl.Started) > 0 && cl.Started[0].Job.Attempt == 1 {
			lost.Store(true)
			c.Advance(queue.DefaultLeaseTTL)
		}
		return nil
	}, finish: func(store.Finish) error {
		once.Do(func() { close(ended) })
		return nil
	}}
	// The attempt comes before the lease's keeper has noticed anything. If he could
	// renew the lease it would go on rightly.
	b.opts.Store.Leases = faultyLeases{Leases: st.Leases, fail: func() error {
		if lost.Load() {
			<-ended
			return errAway
		}
		return nil
	}, register: func() error {
		lost.Store(false)
		return nil
	}}
	b.start()
	id := b.add(func(j *job.Job) { j.OnCrash = job.CrashRetry }).ID
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // the rest of the time passes by itself
		for clock.Sleep(ctx, clock.System{}, time.Millisecond) == nil {
			c.Advance(20 * time.Millisecond)
		}
	}()
	j := b.ended(id)
	if r := b.runs(j.ID); j.State != job.Completed || len(r) != 2 {
		t.Errorf("job %s, runs %+v", j.State, r)
	}
	if stale.Load() {
		t.Error("the first attempt began although its lease was over")
	}
}

// Processes of another data folder may be on this machine too.
func TestProcessesOfOtherFoldersAreSwept(t *testing.T) {
	t.Parallel()
	b := setup(t, idle)
	hurried(b)
	b.opts.Exclusive, b.opts.HostID = false, "another"
	j := b.add(nil)
	dead := b.leaveBehind(1)[0]
	// A lease that ends soon: this host must wait for its end.
	if err := b.store.Leases.Extend(t.Context(), "dead", time.Time{}, queue.DefaultLeaseTTL); err != nil {
		t.Fatal(err)
	}
	swept := make(chan []store.Leftover, 100)
	b.opts.Sweep = func(_ context.Context, left []store.Leftover) error {
		swept <- slices.Clone(left)
		return nil
	}
	b.start()
	if left := <-swept; len(left) != 1 || left[0].Run.ID != dead.Run.ID || left[0].HostID != "host" {
		t.Errorf("swept %+v", left)
	}
	b.ended(j.ID)
}

// An attempt is told how long it may go on alone: to the end of the lease as it
// was asked for, and further with each renewal. Alone on its database it may go
// on for ever.
func TestUntil(t *testing.T) {
	t.Parallel()
	for _, exclusive := range []bool{false, true} {
		b := setup(t, func(ctx context.Context, a task.Attempt, _ task.Host) error {
			if exclusive {
				if a.Until != nil {
					t.Error("there is an end to exclusive work")
				}
				return nil
			}
			first := a.Until()
			for ctx.Err() == nil && !a.Until().After(first) {
				_ = clock.Sleep(ctx, clock.System{}, time.Millisecond)
			}
			return nil
		})
		hurried(b)
		b.opts.Exclusive = exclusive
		b.start()
		b.ended(b.add(nil).ID)
	}
}

// slow is a clock that is an hour behind the database's.
type slow struct{}

func (slow) Now() time.Time                       { return time.Now().Add(-time.Hour) }
func (slow) NewTimer(d time.Duration) clock.Timer { return clock.System{}.NewTimer(d) }

// TestAServerInDoubtClaimsNothing: the answers to renewals are lost, so that the server
// doubts a lease that the store holds for alive. What it claimed now, it would give back
// at once, and with its slow clock for a moment that is past.
func TestAServerInDoubtClaimsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(context.Context, task.Attempt, task.Host) error { return nil })
		began := time.Now()
		b.opts.Exclusive, b.opts.Clock, b.opts.LeaseTTL = false, slow{}, 30500*time.Millisecond
		b.opts.Store.Leases = unheardLeases{b.store.Leases, func() bool { return time.Since(began) > 6*time.Second }}
		var claims atomic.Int32
		b.opts.Store.Jobs = faultyJobs{Jobs: b.store.Jobs, claimed: func(c store.Claims) error {
			if len(c.Started) > 0 && claims.Add(1) > 5 {
				return errAway // lets time go on
			}
			return nil
		}}
		b.start()
		// Renewed at 5.08 s, trusted until 33.58 s, and given up at the next try, at 34.17 s.
		time.Sleep(33800 * time.Millisecond)
		j := b.add(nil)
		time.Sleep(20 * time.Second)
		if r := b.runs(j.ID); claims.Load() != 1 || len(r) != 1 || r[0].State != run.Completed {
			t.Errorf("%d claims, runs %+v", claims.Load(), r)
		}
	})
}

// unheardLeases loses the answers to renewals.
type unheardLeases struct {
	store.Leases
	lost func() bool
}

func (l unheardLeases) Extend(ctx context.Context, instanceID string, now time.Time, ttl time.Duration) error {
	if err := l.Leases.Extend(ctx, instanceID, now, ttl); err != nil || !l.lost() {
		return err
	}
	return errAway
}
