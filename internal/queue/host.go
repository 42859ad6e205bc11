package queue

import (
	"context"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// Bounds of what an attempt may say.
const (
	maxOutputs     = 256
	maxOutputBytes = 64 << 10
	maxCheckpoint  = 1 << 20
	maxStageBytes  = 256
)

// host is the task.Host of one attempt. What is said often (progress, outputs,
// tokens) is kept here and written at most every reportEvery.
type host struct {
	e   *Engine
	a   *attempt
	log Log

	// last and written are what Last was given; only the attempt's goroutine uses them.
	last    *store.WorkflowStep
	written func()

	mu    sync.Mutex
	res   run.Result
	calls int64 // to models, so far
	dirty bool

	stop chan struct{}
	done chan struct{}
}

func newHost(e *Engine, a *attempt) *host {
	h := &host{e: e, a: a, res: a.run.Result, stop: make(chan struct{}), done: make(chan struct{})}
	if a.cancelled != nil {
		h.calls = a.run.Epoch << 20 // the run may have made calls in earlier turns
	}
	log, err := e.o.OpenLog(a.run.ID)
	if err != nil {
		// Output is worth less than the work.
		e.log.Error("cannot open the log of a run", "run_id", a.run.ID, "error", err)
		log = noLog{}
	}
	h.log = log
	go h.report()
	return h
}

// noLog stands in when the log cannot be opened.
type noLog struct{}

func (noLog) Write(p []byte) (int, error) { return len(p), nil }
func (noLog) Close() (int64, bool)        { return 0, true }

// close ends reporting and the log, and returns what the attempt left.
func (h *host) close() run.Result {
	close(h.stop)
	<-h.done
	size, truncated := h.log.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.res.LogBytes, h.res.LogTruncated = size, truncated
	return h.res
}

// Last implements engine.Ender.
func (h *host) Last(p store.WorkflowStep, written func()) { h.last, h.written = &p, written }

// report writes what changed, until the attempt ends.
func (h *host) report() {
	defer close(h.done)
	for {
		t := h.e.o.Clock.NewTimer(reportEvery)
		select {
		case <-h.stop:
			t.Stop()
			return
		case <-t.C():
			h.flush()
		}
	}
}

func (h *host) flush() {
	h.mu.Lock()
	if !h.dirty {
		h.mu.Unlock()
		return
	}
	h.dirty = false
	p := h.res.Progress
	r := store.Report{RunID: h.a.run.ID, Epoch: h.a.run.Epoch, Progress: &p, Tokens: h.res.Tokens, Outputs: maps.Clone(h.res.Outputs)}
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), h.e.o.LeaseTTL)
	defer cancel()
	if err := h.fenced(h.e.o.Store.Runs.Report(ctx, []store.Report{r})[0]); err != nil && !fault.Is(err, fault.StaleLease) {
		if n, ok := h.e.quiet.due("report"); ok {
			h.e.log.Warn("cannot report progress", "run_id", h.a.run.ID, "error", err, "left_out", n)
		}
		h.mu.Lock()
		h.dirty = true
		h.mu.Unlock()
	}
}

// persist repeats a write for which the database is away or full, until ctx
// ends: that is not the job's fault and must not fail work that may have taken
// hours. f must be harmless to repeat.
func (h *host) persist(ctx context.Context, f func() error) error {
	for {
		err := h.fenced(f())
		if !fault.Is(err, fault.StorageUnavailable) && !fault.Is(err, fault.StorageBusy) && !fault.Is(err, fault.StorageFull) {
			return err
		}
		if n, ok := h.e.quiet.due("record"); ok {
			h.e.log.Warn("cannot record what an attempt did, trying again", "run_id", h.a.run.ID, "error", err, "left_out", n)
		}
		if clock.Sleep(ctx, h.e.o.Clock, backoff) != nil {
			return err
		}
	}
}

// fenced stops the attempt when err says that it was taken over.
func (h *host) fenced(err error) error {
	if fault.Is(err, fault.StaleLease) {
		h.a.cancel(task.ErrLeaseLost)
	}
	return err
}

func (h *host) change(f func(*run.Result)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.res)
	h.dirty = true
}

// Log implements task.Host.
func (h *host) Log() io.Writer { return h.log }

// Process implements task.Host.
func (h *host) Process(ctx context.Context, p run.Process) error {
	r := store.Report{RunID: h.a.run.ID, Epoch: h.a.run.Epoch, Process: &p}
	return h.persist(ctx, func() error { return h.e.o.Store.Runs.Report(ctx, []store.Report{r})[0] })
}

// Progress implements task.Host.
func (h *host) Progress(p run.Progress) {
	p.Stage = text(p.Stage, maxStageBytes)
	h.change(func(r *run.Result) { r.Progress = p })
}

// Output implements task.Host.
func (h *host) Output(key, value string) {
	value = text(value, maxOutputBytes)
	h.change(func(r *run.Result) {
		if r.Outputs == nil {
			r.Outputs = map[string]string{}
		}
		if _, known := r.Outputs[key]; known || len(r.Outputs) < maxOutputs {
			r.Outputs[key] = value
		}
	})
}

// ExitCode implements task.Host.
func (h *host) ExitCode(code int) { h.change(func(r *run.Result) { r.ExitCode = &code }) }

// Tokens implements task.Host.
func (h *host) Tokens(t run.Tokens) { h.change(func(r *run.Result) { r.Tokens = &t }) }

// Call implements task.Host. It is repeated while the database is away: what was
// spent must not be forgotten, nor counted twice where an answer got lost.
func (h *host) Call(ctx context.Context, c run.Call) error {
	rec := store.RecordCall{RunID: h.a.run.ID, Epoch: h.a.run.Epoch, Call: c}
	h.change(func(r *run.Result) {
		h.calls++
		r.Tokens = r.Tokens.With(c)
		rec.Number, rec.Tokens = h.calls, r.Tokens
	})
	return h.persist(ctx, func() error { return h.e.o.Store.Calls.Record(ctx, rec) })
}

// Refused implements task.Host.
func (h *host) Refused(ctx context.Context, source string) error {
	if h.a.job.ID == "" {
		source = "not recorded: of a direct request" // which leaves nothing of what it asked
	}
	e := audit.Entry{
		Tenant: h.a.run.Tenant, At: h.now(), Actor: audit.Actor{Name: h.a.run.CreatedBy}, Action: audit.SourceRefused,
		Object: h.a.run.ID, ObjectName: h.a.run.JobName, Detail: map[string]string{"source": text(source, maxStageBytes)},
	}
	return h.persist(ctx, func() error {
		_, err := h.e.o.Store.Audit.Append(ctx, e)
		return err
	})
}

// Checkpoint implements task.Host.
func (h *host) Checkpoint(ctx context.Context, data []byte) error {
	if len(data) > maxCheckpoint {
		return fault.Newf(fault.BodyTooLarge, "a checkpoint may have %d bytes, this one has %d", maxCheckpoint, len(data))
	}
	if h.a.job.ID == "" {
		return nil // a direct request has no next attempt
	}
	c := store.Checkpoint{JobID: h.a.job.ID, RunID: h.a.run.ID, Epoch: h.a.run.Epoch, Data: data, At: h.now()}
	return h.persist(ctx, func() error { return h.e.o.Store.Runs.SaveCheckpoint(ctx, c) })
}

// reserveFor is how long content is kept for an artifact that is not bound yet.
const reserveFor = 24 * time.Hour

// Artifact implements task.Host: first the content is durable, then its name.
func (h *host) Artifact(ctx context.Context, name, mediaType string, r io.Reader) (run.Artifact, error) {
	at, l := h.now(), h.e.o.Limits
	a := run.Artifact{
		ID: id.New(id.Artifact, at), Tenant: h.a.run.Tenant, RunID: h.a.run.ID, Name: name, MediaType: mediaType, CreatedAt: at,
	}
	until := at.Add(reserveFor)
	_, _, err := h.e.o.PutBlob(ctx, &quota{r: r, left: least(l.Run, l.Tenant), max: least(l.Run, l.Tenant)}, func(sum string, size int64) error {
		a.SHA256, a.Size = sum, size
		res := store.Reservation{ArtifactID: a.ID, Tenant: a.Tenant, RunID: a.RunID, Name: name, SHA256: sum, Size: size, Until: until, Limits: l}
		return h.persist(ctx, func() error { return h.e.o.Store.Artifacts.Reserve(ctx, res) })
	})
	if err != nil {
		return run.Artifact{}, err
	}
	return a, h.persist(ctx, func() error {
		if !h.now().Before(until.Add(-time.Hour)) {
			return fault.Newf(fault.ArtifactGone, "%q could not be recorded within %s, and its content may be removed", name, reserveFor)
		}
		return h.e.o.Store.Artifacts.Put(ctx, a, h.a.run.Epoch, l)
	})
}

// least is the smaller of two limits, 0 counting as none.
func least(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// quota ends content that cannot fit, however little the rest takes.
type quota struct {
	r         io.Reader
	left, max int64 // max 0 = no limit
}

// Read implements io.Reader.
func (q *quota) Read(p []byte) (int, error) {
	n, err := q.r.Read(p)
	if q.left -= int64(n); q.max > 0 && q.left < 0 {
		return 0, fault.Newf(fault.QuotaExceeded, "the artifact alone has more than the %d bytes that are allowed", q.max)
	}
	return n, err
}

func (h *host) now() time.Time { return h.e.o.Clock.Now() }
