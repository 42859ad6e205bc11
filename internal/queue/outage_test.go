package queue_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
)

var errAway = fault.New(fault.StorageUnavailable, "the database is away")

// faultyJobs, faultyRuns and faultyLeases are a store whose answers get lost
// when the test says so.
type faultyJobs struct {
	store.Jobs
	claimed func(store.Claims) error // nil = as it is
	finish  func(store.Finish) error // before the finish; nil = as it is
}

func (f faultyJobs) Claim(ctx context.Context, p store.ClaimJobs) (store.Claims, error) {
	c, err := f.Jobs.Claim(ctx, p)
	if err == nil && f.claimed != nil {
		if err := f.claimed(c); err != nil {
			return store.Claims{}, err
		}
	}
	return c, err
}

// faultyQueue is the same for claims that wait.
type faultyQueue struct {
	store.Queue
	claimed func(store.Claims) error
}

func (f faultyQueue) Await(ctx context.Context, p store.ClaimJobs, wait store.Waiting) (store.Claims, bool, error) {
	c, rode, err := f.Queue.Await(ctx, p, wait)
	if rode && err == nil {
		if err := f.claimed(c); err != nil {
			return store.Claims{}, true, err
		}
	}
	return c, rode, err
}

func (f faultyJobs) Finish(ctx context.Context, items []store.Finish) []error {
	if f.finish != nil {
		if err := f.finish(items[0]); err != nil {
			return []error{err}
		}
	}
	return f.Jobs.Finish(ctx, items)
}

type faultyRuns struct {
	store.Runs
	fail func() error
}

func (f faultyRuns) Checkpoint(ctx context.Context, jobID string) ([]byte, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Runs.Checkpoint(ctx, jobID)
}

func (f faultyRuns) SaveCheckpoint(ctx context.Context, c store.Checkpoint) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Runs.SaveCheckpoint(ctx, c)
}

func (f faultyRuns) Report(ctx context.Context, items []store.Report) []error {
	if items[0].Process != nil {
		if err := f.fail(); err != nil {
			return []error{err}
		}
	}
	return f.Runs.Report(ctx, items)
}

type faultyArtifacts struct {
	store.Artifacts
	fail func() error
}

func (f faultyArtifacts) Put(ctx context.Context, a run.Artifact, epoch int64, l store.ArtifactLimits) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Artifacts.Put(ctx, a, epoch, l)
}

type faultyLeases struct {
	store.Leases
	fail     func() error
	register func() error // before the registration; nil = as it is
}

func (f faultyLeases) Extend(ctx context.Context, instanceID string, now time.Time, ttl time.Duration) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Leases.Extend(ctx, instanceID, now, ttl)
}

func (f faultyLeases) Register(ctx context.Context, i store.Instance, ttl time.Duration) error {
	if f.register != nil {
		if err := f.register(); err != nil {
			return err
		}
	}
	return f.Leases.Register(ctx, i, ttl)
}

// hurried makes the bundle's store and engine live by a clock of which a tenth
// of a second passes in every real millisecond, until the test ends.
func hurried(b *bundle) *clocktest.Manual {
	b.t.Helper()
	c := clocktest.New(time.Now())
	st, err := sqlite.OpenMemory(b.t.Context(), c)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for clock.Sleep(ctx, clock.System{}, time.Millisecond) == nil {
			c.Advance(100 * time.Millisecond)
		}
	}()
	b.t.Cleanup(func() {
		stop()
		<-done
		if err := st.Health.Close(); err != nil {
			b.t.Error(err)
		}
	})
	b.store, b.opts.Store, b.opts.Clock = st, st, c
	return c
}

func idle(context.Context, task.Attempt, task.Host) error { return nil }

// leaveBehind claims what waits under an instance of the bundle's host that
// will never be heard of again.
func (b *bundle) leaveBehind(n int) []store.Claimed {
	b.t.Helper()
	ctx := b.t.Context()
	if _, err := b.store.Queue.Scale(ctx, store.Scale{Workers: n, Tenant: tenant}); err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Leases.Register(ctx, store.Instance{ID: "dead", HostID: "host"}, time.Hour); err != nil {
		b.t.Fatal(err)
	}
	c, err := b.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: "dead", Room: n, Decide: claim.Decide})
	if err != nil || len(c.Started) != n {
		b.t.Fatalf("claimed %d, %v", len(c.Started), err)
	}
	return c.Started
}

func TestAClaimWithoutAnswerIsAdopted(t *testing.T) {
	t.Parallel()
	b := setup(t, idle)
	var lost atomic.Int32
	claimed := func(c store.Claims) error {
		if len(c.Started) > 0 && lost.Add(1) == 1 {
			return errAway
		}
		return nil
	}
	b.opts.Store.Jobs, b.opts.Store.Queue = faultyJobs{Jobs: b.store.Jobs, claimed: claimed}, faultyQueue{b.store.Queue, claimed}
	b.start()
	first := b.ended(b.add(nil).ID)
	second := b.ended(b.add(nil).ID)
	for _, j := range []job.Job{first, second} {
		if r := b.runs(j.ID); j.State != job.Completed || len(r) != 1 {
			t.Errorf("job %s, runs %+v", j.State, r)
		}
	}
	if lost.Load() < 2 {
		t.Error("the first answer was not lost: the test tested nothing")
	}
}

func TestAClaimWithoutAnswerAtTheStopIsNotLeftBehind(t *testing.T) {
	t.Parallel()
	b := setup(t, idle)
	claimed := func(c store.Claims) error {
		if len(c.Started) > 0 {
			b.tail()
			return errAway
		}
		return nil
	}
	b.opts.Store.Jobs, b.opts.Store.Queue = faultyJobs{Jobs: b.store.Jobs, claimed: claimed}, faultyQueue{b.store.Queue, claimed}
	b.start()
	j := b.add(nil)
	b.until(j.ID, "claimed", func(j job.Job) bool { return j.Attempt == 1 })
	b.stop()
	j, err := b.store.Jobs.Job(t.Context(), tenant, j.ID)
	if err != nil || j.State == job.Running {
		t.Errorf("after the stop: %+v, %v", j, err)
	}
}

// TestALeaseLostToAnOutageIsLeftToARescue loses the answers to renewals, and
// the first attempt to take a new lease. When the database answers again the old
// lease could still be extended: then it would never end, and nobody would ever
// take the stopped job up.
func TestALeaseLostToAnOutageIsLeftToARescue(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	var atOnce, most atomic.Int32
	b := setup(t, func(ctx context.Context, a task.Attempt, _ task.Host) error {
		most.Store(max(most.Load(), atOnce.Add(1)))
		defer atOnce.Add(-1)
		if a.Number > 1 {
			return nil
		}
		away.Store(true)
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), task.ErrLeaseLost) {
			t.Errorf("stopped by %v", context.Cause(ctx))
		}
		return nil
	})
	hurried(b)
	b.opts.Exclusive = false
	b.opts.Store.Leases = faultyLeases{
		Leases: b.store.Leases,
		fail: func() error {
			if away.Load() {
				return errAway
			}
			return nil
		},
		register: func() error {
			if away.Swap(false) {
				return errAway
			}
			return nil
		},
	}
	e := b.start()
	before := e.InstanceID()
	j := b.ended(b.add(func(j *job.Job) { j.OnCrash = job.CrashRetry }).ID)
	if r := b.runs(j.ID); j.State != job.Completed || len(r) != 2 || r[0].Failure.Code != job.CodeInterrupted {
		t.Errorf("job %s, runs %+v", j.State, r)
	}
	if most.Load() != 1 {
		t.Errorf("%d attempts at once", most.Load())
	}
	if now := e.InstanceID(); now == before || now == "" {
		t.Errorf("instance %q after %q", now, before)
	}
}

// failsFirst fails a first attempt; a second one begins with what that has saved.
func failsFirst(_ context.Context, a task.Attempt, _ task.Host) error {
	if a.Number == 1 {
		return errors.New("not yet")
	}
	return nil
}

func twoAttempts(j *job.Job) { j.Retry = job.Retry{MaxAttempts: 2, Initial: time.Millisecond} }

// TestALeaseLostBeforeTheWorkBeganCostsNothing has an outage right after the
// claim that lasts longer than the lease.
func TestALeaseLostBeforeTheWorkBeganCostsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, failsFirst)
	hurried(b)
	b.opts.Exclusive = false
	var away atomic.Bool
	fail := func() error {
		if away.Load() {
			return errAway
		}
		return nil
	}
	claimed := func(c store.Claims) error {
		if len(c.Started) > 0 && c.Started[0].Job.Attempt == 2 {
			away.Store(true)
		}
		return nil
	}
	b.opts.Store.Jobs, b.opts.Store.Queue = faultyJobs{Jobs: b.store.Jobs, claimed: claimed}, faultyQueue{b.store.Queue, claimed}
	b.opts.Store.Runs = faultyRuns{b.store.Runs, fail}
	first := true // the bundle's first registration is made before any outage
	b.opts.Store.Leases = faultyLeases{Leases: b.store.Leases, fail: fail, register: func() error {
		if !first {
			away.Store(false)
		}
		first = false
		return nil
	}}
	b.start()
	j := b.ended(b.add(twoAttempts).ID) // its crash policy is fail
	r := b.runs(j.ID)
	if j.State != job.Completed || len(r) != 3 || r[1].Failure.Code != job.CodeInterrupted || j.Failures != 1 || j.Crashes != 0 {
		t.Errorf("job %+v, runs %+v", j, r)
	}
}

func TestALostLeaseIsNotReplacedBesideANewcomer(t *testing.T) {
	t.Parallel()
	stopped := make(chan struct{})
	var away atomic.Bool
	b := setup(t, func(ctx context.Context, _ task.Attempt, _ task.Host) error {
		away.Store(true)
		<-ctx.Done()
		close(stopped)
		return nil
	})
	hurried(b)
	b.opts.Exclusive, b.opts.Alone = false, true
	var registered atomic.Int32
	b.opts.Store.Leases = faultyLeases{
		Leases: b.store.Leases,
		fail: func() error {
			if away.Load() {
				return errAway
			}
			return nil
		},
		register: func() error {
			registered.Add(1)
			return nil
		},
	}
	e := b.start()
	b.until(b.add(nil).ID, "at work while the newcomer comes", func(job.Job) bool { return away.Load() })
	if err := b.store.Leases.Register(t.Context(), store.Instance{ID: "newcomer", HostID: "elsewhere"}, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	<-stopped
	for range 50 {
		if err := clock.Sleep(t.Context(), b.opts.Clock, time.Second); err != nil {
			t.Fatal(err)
		}
		if got := e.InstanceID(); got != "" {
			t.Fatalf("took lease %s beside the newcomer", got)
		}
	}
	if n := registered.Load(); n != 1 {
		t.Errorf("registered %d times, once would do", n)
	}
	if err := b.store.Leases.Release(t.Context(), "newcomer", time.Time{}); err != nil {
		t.Fatal(err)
	}
	away.Store(false)
	for range 3000 {
		if e.InstanceID() != "" {
			return
		}
		if err := clock.Sleep(t.Context(), b.opts.Clock, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("no lease after the newcomer left")
}

func TestAnyFailureTextCanBeStored(t *testing.T) {
	t.Parallel()
	for name, msg := range map[string]string{
		"nul": "a\x00b", "not utf-8": "a\xff\xfeb", "long": strings.Repeat("ü\xff\x00", 5000),
	} {
		for kind, verdict := range map[string]func(string) error{
			"fail": func(s string) error { return task.Fail("odd", errors.New(s)) }, "skip": task.Skip,
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				b := setup(t, func(_ context.Context, _ task.Attempt, h task.Host) error {
					h.Progress(run.Progress{Stage: msg})
					h.Output("k", msg)
					return verdict(msg)
				})
				b.start()
				r := b.runs(b.ended(b.add(nil).ID).ID)[0]
				if r.Failure.Message+r.Reason == "" {
					t.Error("nothing was kept")
				}
				for what, s := range map[string]string{
					"message": r.Failure.Message, "reason": r.Reason, "stage": r.Result.Progress.Stage, "output": r.Result.Outputs["k"],
				} {
					if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
						t.Errorf("%s %.20q is not storable everywhere", what, s)
					}
				}
				if n := len(r.Failure.Message + r.Reason); n > 4096 {
					t.Errorf("the message has %d bytes", n)
				}
			})
		}
	}
}

func TestFoldersOfDeadAttemptsAreRemoved(t *testing.T) {
	t.Parallel()
	b := setup(t, idle)
	ours, other := filepath.Join(b.opts.WorkDir, id.New(id.Run, time.Now())), filepath.Join(b.opts.WorkDir, "keep")
	for _, dir := range []string{ours, other} {
		if err := os.MkdirAll(filepath.Join(dir, "work"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.start()
	if _, err := os.Stat(ours); !os.IsNotExist(err) {
		t.Errorf("the folder of a dead attempt is there: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("something else was removed: %v", err)
	}
}

func TestALeftoverThatCannotBeRescuedStopsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, idle)
	hurried(b)
	b.add(nil)
	b.add(nil)
	left := b.leaveBehind(2)
	stuck, other := left[0].Job.ID, left[1].Job.ID
	var broken atomic.Bool
	broken.Store(true)
	b.opts.Store.Jobs = faultyJobs{Jobs: b.store.Jobs, finish: func(f store.Finish) error {
		if broken.Load() && f.Job.Before.ID == stuck {
			return fault.New(fault.InternalError, "this row is odd")
		}
		return nil
	}}
	b.start()
	if j := b.ended(other); j.Failure.Code != job.CodeInterrupted {
		t.Errorf("the other leftover: %+v", j)
	}
	if j := b.ended(b.add(nil).ID); j.State != job.Completed {
		t.Errorf("a new job: %+v", j)
	}
	if j := b.until(stuck, "there", func(job.Job) bool { return true }); j.State != job.Running {
		t.Errorf("the stuck leftover is %s", j.State)
	}
	broken.Store(false)
	b.ended(stuck)
}

func TestLeftoversWaitForTheirProcesses(t *testing.T) {
	t.Parallel()
	b := setup(t, idle)
	hurried(b)
	b.add(nil)
	other := b.add(nil)
	dead := b.leaveBehind(2)[0]
	dir := filepath.Join(b.opts.WorkDir, dead.Run.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var undying atomic.Bool
	undying.Store(true)
	sweeps := make(chan struct{}, 100)
	b.opts.Sweep = func(_ context.Context, left []store.Leftover) error {
		sweeps <- struct{}{}
		if undying.Load() && left[0].Job.ID == dead.Job.ID {
			return errors.New("a process does not die")
		}
		return nil
	}
	b.start()
	b.ended(other.ID)
	for range 5 { // more than the start makes
		<-sweeps
	}
	if j := b.until(dead.Job.ID, "there", func(job.Job) bool { return true }); j.State != job.Running {
		t.Errorf("its locks are free while its process lives: %s", j.State)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the folder of a living process: %v", err)
	}
	undying.Store(false)
	b.ended(dead.Job.ID)
}

// TestAnExclusiveDatabaseHasNoOtherInstance starts on a database whose host id
// was lost, with a lease that a wrong clock has put far into the future.
func TestAnExclusiveDatabaseHasNoOtherInstance(t *testing.T) {
	t.Parallel()
	b := setup(t, idle)
	j := b.add(nil)
	b.leaveBehind(1)
	if err := b.store.Leases.Extend(t.Context(), "dead", time.Now().Add(24*365*time.Hour), time.Hour); err != nil {
		t.Fatal(err)
	}
	b.opts.HostID = "another"
	swept := 0
	b.opts.Sweep = func(_ context.Context, dead []store.Leftover) error {
		swept += len(dead)
		return nil
	}
	b.start()
	if j := b.until(j.ID, "there", func(job.Job) bool { return true }); j.State != job.Failed || swept != 1 {
		t.Errorf("job %+v, %d swept", j, swept)
	}
}

// TestOutagesDoNotFailJobs makes every record of an attempt fail once for want
// of a database or of room.
func TestOutagesDoNotFailJobs(t *testing.T) {
	t.Parallel()
	b := setup(t, func(ctx context.Context, _ task.Attempt, h task.Host) error {
		if err := h.Process(ctx, run.Process{Pid: 1 << 30, Start: "x"}); err != nil {
			return err
		}
		if err := h.Checkpoint(ctx, []byte("half")); err != nil {
			return err
		}
		_, err := h.Artifact(ctx, "out.txt", "text/plain", strings.NewReader("x"))
		return err
	})
	hurried(b)
	var calls atomic.Int32
	fail := func() error {
		switch n := calls.Add(1); {
		case n%2 == 0:
			return nil
		case n%3 == 0:
			return fault.New(fault.StorageFull, "the disk is full")
		}
		return errAway
	}
	b.opts.Store.Runs = faultyRuns{b.store.Runs, fail}
	b.opts.Store.Artifacts = faultyArtifacts{b.store.Artifacts, fail}
	b.start()
	j := b.ended(b.add(nil).ID)
	if r := b.runs(j.ID); j.State != job.Completed || len(r) != 1 || r[0].Process.Pid == 0 {
		t.Errorf("job %s %+v, runs %+v", j.State, j.Failure, r)
	}
	if n := calls.Load(); n != 6 {
		t.Errorf("%d calls, want two for each of three records", n)
	}
}

// TestAnOutageDoesNotOutlastACancel stops work that waits for the database.
func TestAnOutageDoesNotOutlastACancel(t *testing.T) {
	t.Parallel()
	b := setup(t, failsFirst)
	hurried(b)
	asked := make(chan struct{}, 1000)
	b.opts.Store.Runs = faultyRuns{b.store.Runs, func() error {
		asked <- struct{}{}
		return errAway
	}}
	b.start()
	j := b.add(twoAttempts)
	<-asked // for what the first attempt has saved
	b.cancel(b.until(j.ID, "running", func(j job.Job) bool { return j.State == job.Running }))
	if j = b.ended(j.ID); j.State != job.Cancelled {
		t.Errorf("job %+v", j)
	}
	if dirs, err := os.ReadDir(b.opts.WorkDir); err != nil || len(dirs) != 0 {
		t.Errorf("left in the work folder: %v, %v", dirs, err)
	}
}
