package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// attempt is one execution in this process.
type attempt struct {
	job    job.Job
	run    run.Run
	cancel context.CancelCauseFunc
	// cancelled is closed by the first cancel that a person asks for, of a durable type;
	// nil for others, whose context ends. stopOnce guards it.
	cancelled chan struct{}
	stopOnce  sync.Once
	// call is the direct request that it is for, nil for a job. A request whose
	// caller has gone has none either; then job is zero too.
	call *call
	// begun says that the task was called. Only the attempt's goroutine uses it.
	begun bool
	// limit is how long the work may take, 0 = as long as it wants. Only the
	// attempt's goroutine uses it.
	limit time.Duration
	// until is the end of the lease, kept when the lease is lost; under Engine.mu.
	until time.Time
}

// start runs a claimed attempt in a goroutine of its own. If the lease was lost
// since the claim, the attempt is stopped before it begins.
func (e *Engine) start(live context.Context, c store.Claimed) {
	a := &attempt{job: c.Job, run: c.Run}
	if e.durable(c.Job.Type) {
		a.cancelled = make(chan struct{})
		if !c.Job.CancelAskedAt.IsZero() {
			a.stop()
		}
	}
	e.launch(live, a, e.attend)
}

// durable reports whether the runs of a job type outlive their slot.
func (e *Engine) durable(jobType string) bool {
	t, err := e.o.Tasks.Find(jobType)
	if err != nil {
		return false
	}
	_, is := t.(task.Durable)
	return is
}

// stop ends the work because a person wants that: at once, or by asking a durable
// type to end it.
func (a *attempt) stop() {
	if a.cancelled == nil {
		a.cancel(task.ErrCancelled)
		return
	}
	a.stopOnce.Do(func() { close(a.cancelled) })
}

// launch runs attend in a goroutine of its own, under the attempt's context.
func (e *Engine) launch(live context.Context, a *attempt, attend func(ctx, live context.Context, a *attempt)) {
	ctx, cancel := context.WithCancelCause(live)
	a.cancel = cancel
	e.mu.Lock()
	e.active[a.run.ID] = a
	if a.run.Instance != e.instance {
		cancel(task.ErrLeaseLost)
	}
	e.mu.Unlock()
	e.attempts.Go(func() {
		defer func() {
			e.mu.Lock()
			full := len(e.active) >= store.MaxWorkers
			if e.active[a.run.ID] == a { // its run may go on already
				delete(e.active, a.run.ID)
			}
			e.mu.Unlock()
			if full { // else the store has told already that a slot is free
				e.kick()
			}
		}()
		defer cancel(nil)
		attend(ctx, live, a)
	})
}

// attend makes the attempt and records its end. ctx is the attempt's and ends
// by cancel, timeout, shutdown or a lost lease; live outlasts it.
func (e *Engine) attend(ctx, live context.Context, a *attempt) {
	log := e.log.With("job_id", a.job.ID, "run_id", a.run.ID, "attempt", a.run.Attempt)
	log.Debug("attempt starts", "job_type", a.job.Type)
	h := newHost(e, a)
	err := e.execute(ctx, a, h)
	// Asked before close, which may take long: work that has ended is not undone
	// by what is asked of it afterwards.
	cause := context.Cause(ctx)
	result := h.close()
	if errors.Is(cause, task.ErrLeaseLost) && a.begun {
		log.Warn("attempt stopped: its lease is lost")
		return
	}
	end := e.verdict(cause, err, result, a)
	if e.record(live, log, func() error {
		err := e.conclude(live, a.job, a.run, h.last, end)
		if h.last != nil && (fault.Is(err, fault.InvalidInput) || fault.Is(err, fault.NotFound)) {
			// To try again would not help.
			err = fmt.Errorf("write step %d: %w", h.last.Seq, err)
			log.Error("the last step of a workflow cannot be stored", "error", err)
			h.last, end = nil, e.verdict(cause, task.Fatal("internal_error", err), result, a)
			return e.conclude(live, a.job, a.run, nil, end)
		}
		return err
	}) {
		if h.last != nil {
			h.written()
		}
		log.Debug("attempt ended")
	}
}

// record writes the end of an attempt, as often as it takes. It reports false when
// the attempt is another's by now, or live ends before.
func (e *Engine) record(live context.Context, log *slog.Logger, write func() error) bool {
	for {
		err := write()
		switch {
		case err == nil:
			return true
		case fault.Is(err, fault.StaleLease) || fault.Is(err, fault.AlreadyFinished):
			log.Warn("result refused: the attempt was taken over", "error", err)
			return false
		case live.Err() != nil:
			log.Error("result lost: the server ended before it could be written", "error", err)
			return false
		}
		// The database is away or full: the work is done, so keep its result until
		// it can be written.
		if n, ok := e.quiet.due("end"); ok {
			log.Error("cannot record the end of an attempt", "error", err, "left_out", n)
		}
		if clock.Sleep(live, e.o.Clock, backoff) != nil {
			return false
		}
	}
}

// verdict makes the events that end the attempt. They depend on the job as it
// is when they are written, because a cancel may have come meanwhile.
func (e *Engine) verdict(cause, err error, res run.Result, a *attempt) func(job.Job) (any, any) {
	at := e.o.Clock.Now()
	if cause == nil && !errors.Is(err, task.ErrLeaseLost) && a.job.OnCrash == job.CrashResume {
		return e.durableVerdict(at, task.VerdictOf(err), res)
	}
	broke := func(f run.Failure, fatal bool, after time.Duration) func(job.Job) (any, any) {
		return func(j job.Job) (any, any) {
			if !j.CancelAskedAt.IsZero() {
				f = run.Failure{Code: job.CodeCancelled, Message: "cancelled" + by(j.CancelledBy)}
			}
			return job.Broke{At: at, Failure: f, Fatal: fatal, After: after, Jitter: jitter()}, run.Broke{At: at, Failure: f, Result: res}
		}
	}
	returned := func(code, why string, after time.Duration) func(job.Job) (any, any) {
		return func(j job.Job) (any, any) {
			if j.OnCrash == job.CrashResume {
				return job.Returned{At: at, After: after}, run.Left{Result: res}
			}
			f := run.Failure{Code: code, Message: why + "; the job went back to the queue"}
			if !j.CancelAskedAt.IsZero() {
				f = run.Failure{Code: job.CodeCancelled, Message: "cancelled" + by(j.CancelledBy)}
			}
			return job.Returned{At: at, After: after}, run.Broke{At: at, Failure: f, Result: res}
		}
	}
	switch {
	case errors.Is(cause, task.ErrShutdown):
		return returned(job.CodeInterrupted, "stopped with the server", 0)
	case errors.Is(cause, task.ErrLeaseLost):
		// Nothing was done, so no crash policy need decide. If the job was taken over
		// already, this is refused. It rests a moment: a server that doubts its lease,
		// while the store does not, would get it again and again.
		return returned(job.CodeInterrupted, "the server lost its lease before the work began", backoff)
	case errors.Is(cause, task.ErrTimeout):
		return broke(run.Failure{Code: job.CodeTimeout, Message: "the attempt took longer than " + a.limit.String()}, false, 0)
	case cause != nil:
		return broke(run.Failure{Code: job.CodeCancelled, Message: "cancelled"}, true, 0)
	}
	if errors.Is(err, task.ErrLeaseLost) {
		// The work was ended while the server was frozen, and nobody has taken the
		// job over, else this is refused. The crash policy decides.
		return interrupted(at, res)
	}
	v := task.VerdictOf(err)
	switch {
	case v == nil:
		return func(job.Job) (any, any) { return job.Succeeded{At: at}, run.Succeeded{At: at, Result: res} }
	case v.Postponed:
		return returned(v.Code, text(v.Error(), maxMessage), v.After)
	case v.Skipped:
		reason := text(v.Error(), maxMessage)
		return func(job.Job) (any, any) {
			return job.Passed{At: at, Reason: reason}, run.Passed{At: at, Reason: reason, Result: res}
		}
	}
	return broke(run.Failure{Code: v.Code, Message: text(v.Error(), maxMessage)}, v.Final, v.After)
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return " by " + who
}

// maxMessage bounds the error text of a run, in bytes.
const maxMessage = 4096

// text makes s storable in every database, in at most n bytes: a record that the
// database refuses would keep its job running for ever.
func text(s string, n int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n-3], "") + "..."
	}
	return s
}

// prepare makes the private folder of a type that works in one, and reads what the
// attempt before has saved, but for a durable type, which has its own state. A full disk or an
// absent database is not the job's fault and must not use up its attempts, so
// it is waited for until ctx ends.
func (e *Engine) prepare(ctx context.Context, a *attempt, t task.Task, dir string) (checkpoint []byte, err error) {
	_, folder := t.(task.Foldered)
	// Nothing went before a first attempt, nor before a direct request.
	later := a.cancelled == nil && a.job.ID != "" && a.run.Attempt > 1
	for folder || later {
		var err error
		if folder {
			err = os.MkdirAll(dir, 0o700)
		}
		if err == nil && later {
			checkpoint, err = e.o.Store.Runs.Checkpoint(ctx, a.job.ID)
		}
		if err == nil {
			return checkpoint, nil
		}
		if ctx.Err() == nil {
			if n, ok := e.quiet.due("prepare"); ok {
				e.log.Error("cannot prepare an attempt, trying again", "job_id", a.job.ID, "run_id", a.run.ID, "error", err, "left_out", n)
			}
		}
		if clock.Sleep(ctx, e.o.Clock, backoff) != nil {
			return nil, context.Cause(ctx)
		}
	}
	return nil, nil
}

// execute calls the task, under the job's timeout. A panic
// of the task fails the attempt, not the server.
func (e *Engine) execute(ctx context.Context, a *attempt, h *host) (err error) {
	t, err := e.o.Tasks.Find(a.job.Type)
	if err != nil {
		return task.Fatal("job_type_unknown", err)
	}
	dir := filepath.Join(e.o.WorkDir, a.run.ID)
	defer e.removeDir(t, dir)
	checkpoint, err := e.prepare(ctx, a, t, dir)
	if err != nil {
		return err
	}
	under, err := e.directive(ctx, a.run)
	if err != nil {
		return err
	}
	if a.cancelled == nil { // a durable type has its own
		defer e.limitTime(a, timeout(a.job.Timeout, under))()
	}
	defer e.recovered(a, &err)
	if ctx.Err() != nil { // cancelled between the claim and now
		return context.Cause(ctx)
	}
	// The claim may be long ago: this process may have been frozen since.
	if !e.holds(a) {
		a.cancel(task.ErrLeaseLost)
		return task.ErrLeaseLost
	}
	a.begun = true
	return t.Run(ctx, task.Attempt{
		JobID: a.job.ID, RunID: a.run.ID, Tenant: a.job.Tenant, JobName: a.job.Name, Number: a.run.Attempt, Epoch: a.run.Epoch,
		Params: a.job.Params, IdempotencyKey: a.job.ID, Directive: under, Checkpoint: checkpoint, Open: e.opener(a, h), Dir: dir, Grace: e.o.Grace, Until: e.workUntil(a),
		Locks: slices.Clone(a.job.ResumeLocks), Cancelled: a.cancelled,
	}, h)
}

// recovered turns a panic of the task into its error. It must be deferred.
func (e *Engine) recovered(a *attempt, err *error) {
	if p := recover(); p != nil {
		e.log.Error("task panicked", "job_id", a.job.ID, "run_id", a.run.ID, "panic", describe(p), "stack", string(debug.Stack()))
		*err = task.Fatal(job.CodePanic, errors.New("the job type panicked; see the server's log"))
	}
}

// removeDir removes the folder of an attempt of a type that may have made one.
func (e *Engine) removeDir(t task.Task, dir string) {
	_, folder := t.(task.Foldered)
	if _, durable := t.(task.Durable); !folder && !durable {
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		e.log.Warn("cannot remove work folder", "dir", dir, "error", err)
	}
}

// describe says what a panic was about. Only the text of the runtime's own errors
// is free of what the params contained; of all others the type must do, and the
// stack.
func describe(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}
