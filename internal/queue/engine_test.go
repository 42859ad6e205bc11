package queue_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
)

const tenant = "default"

// scripted is a job type whose attempts do what the test says.
type scripted struct {
	run func(ctx context.Context, a task.Attempt, h task.Host) error
}

func (scripted) Type() string                   { return "scripted" }
func (scripted) Schema() json.RawMessage        { return json.RawMessage(`{}`) }
func (scripted) Check(json.RawMessage) error    { return nil }
func (scripted) Locks(json.RawMessage) []string { return nil }
func (scripted) OnCrash() job.CrashPolicy       { return job.CrashFail }
func (s scripted) Run(ctx context.Context, a task.Attempt, h task.Host) error {
	return s.run(ctx, a, h)
}

type memLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *memLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *memLog) Close() (int64, bool) { return int64(l.b.Len()), false }

type bundle struct {
	t     *testing.T
	store store.Store
	opts  queue.Options
	tail  context.CancelFunc
	done  chan error
}

// setup makes a store in memory and the options of an engine on it, whose only
// job type runs f.
func setup(t *testing.T, f func(ctx context.Context, a task.Attempt, h task.Host) error) *bundle {
	t.Helper()
	st, err := sqlite.OpenMemory(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bundle{t: t, store: st, opts: queue.Options{
		Store: st, Tasks: task.NewRegistry(scripted{f}), WorkDir: t.TempDir(), HostID: "host", Exclusive: true,
		OpenLog: func(string) (queue.Log, error) { return &memLog{}, nil },
		PutBlob: func(_ context.Context, r io.Reader, reserve blob.Reserve) (string, int64, error) {
			b, err := io.ReadAll(r)
			if err != nil {
				return "", 0, err
			}
			sum := sha256.Sum256(b)
			s := hex.EncodeToString(sum[:])
			return s, int64(len(b)), reserve(s, int64(len(b)))
		},
		StopGrace: 50 * time.Millisecond, Grace: 5 * time.Second,
	}}
}

// start runs an engine until the test ends or stop is called.
func (b *bundle) start() *queue.Engine {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	e := queue.New(b.opts)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	b.tail, b.done = cancel, done
	b.t.Cleanup(func() { b.stop() })
	select {
	case <-e.Ready():
	case err := <-done:
		b.t.Fatal("engine did not start:", err)
	}
	return e
}

func (b *bundle) stop() {
	b.t.Helper()
	if b.tail == nil {
		return
	}
	b.tail()
	if err := <-b.done; err != nil {
		b.t.Error("engine:", err)
	}
	b.tail = nil
}

func (b *bundle) add(change func(*job.Job)) job.Job {
	b.t.Helper()
	now := time.Now().UTC()
	j := job.Job{
		ID: id.New(id.Job, now), Tenant: tenant, Type: "scripted", Params: []byte("{}"), Priority: job.PriorityNormal,
		OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: now, QueuedAt: now,
	}
	if change != nil {
		change(&j)
	}
	added, err := b.store.Jobs.Add(b.t.Context(), store.AddJobs{Jobs: []job.Job{j}})
	if err != nil {
		b.t.Fatal(err)
	}
	return added[0].Job
}

// until polls the job until ok says so, and fails the test after a minute.
func (b *bundle) until(jobID string, what string, ok func(job.Job) bool) job.Job {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	for {
		j, err := b.store.Jobs.Job(b.t.Context(), tenant, jobID)
		if err != nil {
			b.t.Fatal(err)
		}
		if ok(j) {
			return j
		}
		if clock.Sleep(ctx, clock.System{}, 5*time.Millisecond) != nil {
			b.t.Fatalf("job never was %s: %+v", what, j)
		}
	}
}

func (b *bundle) ended(jobID string) job.Job {
	b.t.Helper()
	return b.until(jobID, "ended", func(j job.Job) bool { return j.State.Terminal() })
}

func (b *bundle) runs(jobID string) []run.Run {
	b.t.Helper()
	p, err := b.store.Runs.List(b.t.Context(), store.ListRuns{Tenant: tenant, JobID: jobID, Ascending: true, Limit: 50})
	if err != nil {
		b.t.Fatal(err)
	}
	return p.Runs
}

func (b *bundle) cancel(j job.Job) {
	b.t.Helper()
	c, err := job.Apply(j, job.CancelAsked{At: time.Now(), By: "ann"})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.store.Jobs.Move(b.t.Context(), store.MoveJob{Change: c}); err != nil {
		b.t.Fatal(err)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err      error
		panics   bool
		state    job.State
		code     string
		runState run.State
	}{
		"ok":    {state: job.Completed, runState: run.Completed},
		"skip":  {err: task.Skip("nothing new"), state: job.Skipped, runState: run.Skipped},
		"fail":  {err: task.Fail("exit_nonzero", errors.New("exit code 3")), state: job.Failed, code: "exit_nonzero", runState: run.Failed},
		"plain": {err: errors.New("boom"), state: job.Failed, code: "task_error", runState: run.Failed},
		"panic": {panics: true, state: job.Failed, code: "panic", runState: run.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(_ context.Context, _ task.Attempt, h task.Host) error {
				h.Output("k", "v")
				if tc.panics {
					panic("secret text")
				}
				return tc.err
			})
			b.start()
			j := b.ended(b.add(nil).ID)
			if j.State != tc.state || j.Failure.Code != tc.code || strings.Contains(j.Failure.Message, "secret") {
				t.Errorf("job ended %s %+v", j.State, j.Failure)
			}
			r := b.runs(j.ID)
			if len(r) != 1 || r[0].State != tc.runState || r[0].Failure.Code != tc.code || r[0].Result.Outputs["k"] != "v" {
				t.Errorf("runs: %+v", r)
			}
		})
	}
}

func TestRetryUntilAttemptsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ context.Context, a task.Attempt, h task.Host) error {
		if want := map[int]string{1: "", 2: "after 1", 3: "after 2"}[a.Number]; string(a.Checkpoint) != want {
			return task.Fatal("checkpoint", fmt.Errorf("attempt %d got checkpoint %q", a.Number, a.Checkpoint))
		}
		if err := h.Checkpoint(context.Background(), fmt.Appendf(nil, "after %d", a.Number)); err != nil {
			return err
		}
		return task.Fail("again", errors.New("no luck"))
	})
	b.start()
	j := b.ended(b.add(func(j *job.Job) { j.Retry = job.Retry{MaxAttempts: 3, Backoff: job.Fixed, Initial: time.Millisecond} }).ID)
	if j.State != job.Failed || j.Failure.Code != "again" || j.Attempt != 3 || len(b.runs(j.ID)) != 3 {
		t.Errorf("job %+v, %d runs", j, len(b.runs(j.ID)))
	}
}

func TestCancelRunning(t *testing.T) {
	t.Parallel()
	b := setup(t, func(ctx context.Context, _ task.Attempt, _ task.Host) error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
	b.start()
	j := b.add(func(j *job.Job) { j.Retry.MaxAttempts = 3 })
	b.cancel(b.until(j.ID, "running", func(j job.Job) bool { return j.State == job.Running }))
	j = b.ended(j.ID)
	if r := b.runs(j.ID); j.State != job.Cancelled || len(r) != 1 || r[0].State != run.Failed || r[0].Failure.Code != job.CodeCancelled {
		t.Errorf("job %s, runs %+v", j.State, r)
	}
}

func TestTimeoutIsRetried(t *testing.T) {
	t.Parallel()
	const limit = time.Hour // of the clock, so that the second attempt ends within it on any machine
	var c *clocktest.Manual
	b := setup(t, func(ctx context.Context, a task.Attempt, _ task.Host) error {
		if a.Number == 1 {
			c.Advance(limit)
			<-ctx.Done()
		}
		return nil
	})
	c = hurried(b)
	b.start()
	j := b.ended(b.add(func(j *job.Job) {
		j.Timeout = limit
		j.Retry = job.Retry{MaxAttempts: 2, Initial: time.Millisecond}
	}).ID)
	if r := b.runs(j.ID); j.State != job.Completed || len(r) != 2 || r[0].Failure.Code != job.CodeTimeout {
		t.Errorf("job %+v, runs %+v", j, r)
	}
}

func TestStopReturnsWork(t *testing.T) {
	t.Parallel()
	b := setup(t, func(ctx context.Context, a task.Attempt, _ task.Host) error {
		if a.Number > 1 {
			return nil
		}
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), task.ErrShutdown) {
			return fmt.Errorf("stopped by %w", context.Cause(ctx))
		}
		return errors.New("killed")
	})
	b.start()
	j := b.add(nil)
	b.until(j.ID, "running", func(j job.Job) bool { return j.State == job.Running })
	b.stop()
	j, err := b.store.Jobs.Job(t.Context(), tenant, j.ID)
	if err != nil || j.State != job.Queued || j.Failures != 0 {
		t.Fatalf("after the stop: %+v, %v", j, err)
	}
	b.start()
	if j = b.ended(j.ID); j.State != job.Completed {
		t.Errorf("after the restart: %+v", j)
	}
}

func TestRecoverLeftovers(t *testing.T) {
	t.Parallel()
	b := setup(t, func(context.Context, task.Attempt, task.Host) error { return nil })
	ctx := t.Context()
	fail := b.add(func(j *job.Job) { j.Locks = []string{"gpu:0"} })
	again := b.add(func(j *job.Job) { j.OnCrash = job.CrashRetry })
	ask := b.add(func(j *job.Job) { j.OnCrash = job.CrashAsk })
	if _, err := b.store.Queue.Scale(ctx, store.Scale{Workers: 3, Tenant: tenant}); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Leases.Register(ctx, store.Instance{ID: "dead", HostID: "host"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	c, err := b.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: "dead", Room: 10, Decide: claim.Decide})
	if err != nil || len(c.Started) != 3 {
		t.Fatalf("claimed %d, %v", len(c.Started), err)
	}
	var swept []string
	b.opts.Sweep = func(ctx context.Context, dead []store.Leftover) error {
		for _, l := range dead {
			// Locks are not free before the processes are gone.
			if j, err := b.store.Jobs.Job(ctx, tenant, l.Job.ID); err != nil || j.State != job.Running {
				t.Errorf("job %s is %s during the sweep, %v", l.Job.ID, j.State, err)
			}
			swept = append(swept, l.Job.ID)
		}
		return nil
	}
	e := b.start()
	if !slices.Equal(swept, []string{fail.ID, again.ID, ask.ID}) {
		t.Errorf("swept %v", swept)
	}
	if j := b.ended(fail.ID); j.State != job.Failed || j.Failure.Code != job.CodeInterrupted {
		t.Errorf("crash policy fail: %s %+v", j.State, j.Failure)
	}
	if j := b.ended(ask.ID); j.State != job.Failed || j.Failure.Code != job.CodeOutcomeUnknown {
		t.Errorf("crash policy ask: %s %+v", j.State, j.Failure)
	}
	if j := b.ended(again.ID); j.State != job.Completed || j.Attempt != 2 || j.Failures != 0 {
		t.Errorf("crash policy retry: %+v", j)
	}
	if j := b.ended(b.add(func(j *job.Job) { j.Locks = []string{"gpu:0"} }).ID); j.State != job.Completed {
		t.Errorf("the lock of the dead attempt is still held: %+v", j)
	}
	n := e.Interruptions(tenant)
	if n.Failed != 2 || n.Requeued != 1 || n.JobID != again.ID || n.RunID == "" || n.Since.IsZero() || n.Until.Before(n.Since) {
		t.Errorf("interrupted %+v", n)
	}
	if r, err := b.store.Runs.Run(ctx, tenant, n.RunID); err != nil || r.JobID != fail.ID && r.JobID != ask.ID {
		t.Errorf("the run that failed: %+v, %v", r, err)
	}
	if other := e.Interruptions("ten_other"); other != (queue.Interruptions{}) {
		t.Errorf("another tenant: %+v", other)
	}
}

func TestPoisonIsHeld(t *testing.T) {
	t.Parallel()
	b := setup(t, func(context.Context, task.Attempt, task.Host) error { return nil })
	ctx := t.Context()
	j := b.add(func(j *job.Job) { j.OnCrash = job.CrashRetry })
	for i := range job.PoisonCrashes {
		inst := fmt.Sprint("dead", i)
		if err := b.store.Leases.Register(ctx, store.Instance{ID: inst, HostID: "host"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		c, err := b.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: inst, Room: 1, Decide: claim.Decide})
		if err != nil || len(c.Started) != 1 {
			t.Fatalf("crash %d: claimed %d, %v", i, len(c.Started), err)
		}
		if i < job.PoisonCrashes-1 {
			cc, err := job.Apply(c.Started[0].Job, job.Interrupted{At: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			rc, err := run.Apply(c.Started[0].Run, run.Broke{At: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.store.Jobs.Finish(ctx, []store.Finish{{Job: cc, Run: rc}})[0]; err != nil {
				t.Fatal(err)
			}
		}
	}
	b.start()
	j, err := b.store.Jobs.Job(ctx, tenant, j.ID)
	if err != nil || j.State != job.Queued || j.HeldReason == "" {
		t.Fatalf("after %d crashes: %+v, %v", job.PoisonCrashes, j, err)
	}
	c, err := job.Apply(j, job.Released{At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Jobs.Move(ctx, store.MoveJob{Change: c}); err != nil {
		t.Fatal(err)
	}
	if j := b.ended(j.ID); j.State != job.Completed {
		t.Errorf("released job: %+v", j)
	}
}

func TestOrderAndWorkerCount(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var started []string
	running, most := 0, 0
	b := setup(t, func(_ context.Context, a task.Attempt, _ task.Host) error {
		mu.Lock()
		started = append(started, a.JobName)
		running++
		most = max(most, running)
		mu.Unlock()
		defer func() {
			mu.Lock()
			running--
			mu.Unlock()
		}()
		return nil
	})
	var last job.Job
	for i, p := range []int{5, 8, 5, 2, 0, 9, 2} {
		last = b.add(func(j *job.Job) { j.Priority, j.Name = p, fmt.Sprintf("%d-%d", p, i) })
	}
	b.start()
	b.until(last.ID, "ended", func(job.Job) bool {
		n, err := b.store.Jobs.Counts(t.Context(), tenant)
		return err == nil && n[job.Completed] == 7
	})
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"0-4", "2-3", "2-6", "5-0", "5-2", "8-1", "9-5"}; !slices.Equal(started, want) {
		t.Errorf("started %v, want %v", started, want)
	}
	if most != 1 {
		t.Errorf("%d ran at once with one worker", most)
	}
}

func TestLocksExclude(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	holders := 0
	b := setup(t, func(_ context.Context, _ task.Attempt, _ task.Host) error {
		mu.Lock()
		holders++
		n := holders
		mu.Unlock()
		defer func() {
			mu.Lock()
			holders--
			mu.Unlock()
		}()
		if n > 1 {
			return fmt.Errorf("%d hold the lock", n)
		}
		return nil
	})
	if _, err := b.store.Queue.Scale(t.Context(), store.Scale{Workers: 8, Tenant: tenant}); err != nil {
		t.Fatal(err)
	}
	b.start()
	var ids []string
	for range 30 {
		ids = append(ids, b.add(func(j *job.Job) { j.Locks = []string{"gpu:0"} }).ID)
	}
	for _, jobID := range ids {
		if j := b.ended(jobID); j.State != job.Completed {
			t.Errorf("%+v", j.Failure)
		}
	}
}

func TestLostLeaseStopsWorkAndRefusesItsResult(t *testing.T) {
	t.Parallel()
	began, stopped := make(chan struct{}), make(chan error, 1)
	b := setup(t, func(ctx context.Context, a task.Attempt, _ task.Host) error {
		if a.Number > 1 {
			return nil
		}
		close(began)
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return nil
	})
	b.opts.LeaseTTL = 600 * time.Millisecond
	b.start()
	j := b.add(func(j *job.Job) { j.OnCrash = job.CrashRetry })
	<-began // a job that is RUNNING may still be about to begin
	j = b.until(j.ID, "running", func(j job.Job) bool { return j.State == job.Running })
	// Another instance takes over, as if this one had been away for long.
	if err := b.store.Leases.Condemn(t.Context(), store.Condemn{Self: "other", HostID: "host"}); err != nil {
		t.Fatal(err)
	}
	c, err := job.Apply(j, job.Interrupted{At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.store.Runs.Run(t.Context(), tenant, j.RunID)
	if err != nil {
		t.Fatal(err)
	}
	rc, err := run.Apply(r, run.Broke{At: time.Now(), Failure: job.CrashFailure(j)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.store.Jobs.Finish(t.Context(), []store.Finish{{Job: c, Run: rc}})[0]; err != nil {
		t.Fatal(err)
	}
	if cause := <-stopped; !errors.Is(cause, task.ErrLeaseLost) {
		t.Errorf("stopped by %v", cause)
	}
	j = b.ended(j.ID)
	if rs := b.runs(j.ID); j.State != job.Completed || len(rs) != 2 || rs[0].Failure.Code != job.CodeInterrupted {
		t.Errorf("job %s, runs %+v", j.State, rs)
	}
}

func TestArtifactsAndProgress(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	b := setup(t, func(ctx context.Context, _ task.Attempt, h task.Host) error {
		h.Progress(run.Progress{Stage: "loading", Done: 3, Total: 10})
		if _, err := h.Artifact(ctx, "out.txt", "text/plain", strings.NewReader("one")); err != nil {
			return err
		}
		if _, err := h.Artifact(ctx, "out.txt", "text/plain", strings.NewReader("two!")); err != nil {
			return err
		}
		<-seen
		return nil
	})
	b.start()
	j := b.add(nil)
	b.until(j.ID, "at 3/10", func(job.Job) bool {
		r := b.runs(j.ID)
		return len(r) == 1 && r[0].Result.Progress == run.Progress{Stage: "loading", Done: 3, Total: 10}
	})
	close(seen)
	j = b.ended(j.ID)
	as, err := b.store.Artifacts.Of(t.Context(), tenant, j.RunID)
	if err != nil || len(as[j.RunID]) != 1 || as[j.RunID][0].Size != 4 {
		t.Errorf("artifacts %+v, %v", as, err)
	}
}

func TestAloneRefusesASecondInstance(t *testing.T) {
	t.Parallel()
	b := setup(t, func(context.Context, task.Attempt, task.Host) error { return nil })
	b.opts.Exclusive, b.opts.Alone = false, true
	b.start()
	second := b.opts
	second.HostID = "other host"
	if err := queue.New(second).Run(t.Context()); !fault.Is(err, fault.OtherInstance) {
		t.Errorf("a second instance started beside the first: %v", err)
	}
	b.stop()
	b.opts = second
	b.start()
}
