package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// Defaults of Options.
const (
	DefaultLeaseTTL  = 30 * time.Second
	DefaultGrace     = 10 * time.Second
	DefaultStopGrace = 10 * time.Second
)

const (
	// leaseMargin is how long before the lease's end an instance stops trusting it.
	leaseMargin = 2 * time.Second
	// takeoverGrace is how long after its end a lease is condemned by others. It
	// covers the end of the work that the holder stops by itself.
	takeoverGrace = 3 * time.Second
	// rescueEvery is how often instances look for the leftovers of others. With a
	// lease of 30 s a job of a dead instance starts again within 40 s: lease,
	// grace, this and a claim.
	rescueEvery = 3 * time.Second
	// pollEvery is how often waiting jobs and cancels are looked for when no hint
	// came.
	pollEvery = time.Second
	// soonEnough is how long a cancel may stay unseen whose hint may have been lost.
	soonEnough = 50 * time.Millisecond
	// leastWait is the least pause before a delayed job is looked for again.
	leastWait = 10 * time.Millisecond
	// modelsEvery is how often the model servers are asked what they have loaded.
	modelsEvery = 5 * time.Second
	// reportEvery is how often progress is written at most.
	reportEvery = 500 * time.Millisecond
	// recordGrace is how long a stop waits for the ends of stopped attempts to be
	// recorded, after the work itself had its grace.
	recordGrace = 5 * time.Second
	// backoff is the pause after a failed call of the store.
	backoff = time.Second
)

// Log is where one attempt's output goes. Write never fails.
type Log interface {
	io.Writer
	// Close ends the log and returns its size in bytes and whether it lost its
	// middle to the cap.
	Close() (size int64, truncated bool)
}

// Options of an Engine. Store, Tasks, Logs, Blobs and WorkDir are required.
type Options struct {
	Store store.Store
	Tasks *task.Registry
	// OpenLog starts or continues the log of a run.
	OpenLog func(runID string) (Log, error)
	// PutBlob makes content durable and returns its SHA-256 and size. Before
	// anything of it shows, it calls reserve, whose error ends it.
	PutBlob func(ctx context.Context, r io.Reader, reserve blob.Reserve) (sum string, size int64, err error)
	// OpenBlob returns stored content and its size; nil = artifacts of earlier
	// attempts count as gone.
	OpenBlob func(ctx context.Context, sha256 string) (io.ReadSeekCloser, int64, error)
	// LoadedModels tells which models the servers have in memory, by the names of
	// their locks; without it, or while it returns nil, the models of the work that was started
	// last are taken for loaded. It is asked only while model_affinity is on.
	LoadedModels func(ctx context.Context) ([]string, error)
	// Limits bound what artifacts take.
	Limits store.ArtifactLimits
	// Sweep ends what is left of the processes of dead attempts on this host and
	// returns when they are gone. nil = there are no processes.
	Sweep func(ctx context.Context, dead []store.Leftover) error
	// WorkDir is where attempts get their private folders.
	WorkDir string
	// HostID identifies the data folder, see store.Instance.
	HostID  string
	Version string
	// Exclusive says that a file lock keeps every other instance away from the
	// database (SQLite). Then work goes on while the lease cannot be renewed.
	Exclusive bool
	// Alone refuses to start while another instance lives whose Place is not the
	// same: several instances need a place of logs and artifacts that all reach.
	Alone bool
	// Place is the id of such a place; "" if others do not reach it.
	Place string

	LeaseTTL time.Duration // 0 = DefaultLeaseTTL
	// Grace is how long cancelled work may take to end before it is killed; 0 =
	// DefaultGrace.
	Grace time.Duration
	// StopGrace is how long running work may go on when the server stops, before
	// it is stopped and goes back to the queue; 0 = DefaultStopGrace.
	StopGrace time.Duration
	// OnDirect is told what became of each direct request; nil = nobody is. It must
	// not block.
	OnDirect func(LaneOutcome)
	Clock    clock.Clock  // nil = the system's
	Logger   *slog.Logger // nil = discard
}

// Engine runs jobs. Make one with New and run it once.
type Engine struct {
	o   Options
	log *slog.Logger
	// quiet spares the log while something fails again and again.
	quiet quiet

	wake  chan struct{} // a slot became free, or look again
	doubt bool          // of the claim loop: the last claim's outcome is unknown

	mu       sync.Mutex
	instance string // id of the current lease
	trusted  time.Time
	active   map[string]*attempt // by run id
	calls    map[string]*call    // direct requests of this process, by run id
	closing  bool                // no more calls are taken
	// interrupted is by tenant.
	interrupted map[string]Interruptions

	ends *ends

	// affine says that the last claim went by model_affinity.
	affine atomic.Bool

	attempts sync.WaitGroup
	callers  sync.WaitGroup
	closed   chan struct{} // closed when closing is set
	over     chan struct{} // closed when nothing will be started any more
	ready    chan struct{} // closed when recovery is done
}

// New returns an engine that does nothing yet.
func New(o Options) *Engine {
	if o.LeaseTTL == 0 {
		o.LeaseTTL = DefaultLeaseTTL
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.StopGrace == 0 {
		o.StopGrace = DefaultStopGrace
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Engine{
		o: o, log: o.Logger, quiet: quiet{clock: o.Clock}, wake: make(chan struct{}, 1),
		active: map[string]*attempt{}, calls: map[string]*call{}, interrupted: map[string]Interruptions{},
		ready: make(chan struct{}), closed: make(chan struct{}), over: make(chan struct{}),
		ends: newEnds(o.Store.Jobs.Finish),
	}
}

// Ready is closed when the leftovers of earlier servers on this data folder
// are dealt with, except those that resist, and the engine claims jobs.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// InstanceID is the id of the current lease, "" while there is none.
func (e *Engine) InstanceID() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.instance
}

// Active is the number of attempts that run in this process now.
func (e *Engine) Active() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.active)
}

// Leased reports whether this process may run jobs: it holds a lease that others
// respect.
func (e *Engine) Leased() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.instance != "" && (e.o.Exclusive || e.o.Clock.Now().Before(e.trusted))
}

// Run recovers, then runs jobs until ctx ends, then stops in good order:
// running work gets StopGrace to finish, what is left is stopped and goes back
// to the queue without losing an attempt. It returns nil after a good stop, and
// an error when it could not start.
func (e *Engine) Run(ctx context.Context) error {
	if err := os.MkdirAll(e.o.WorkDir, 0o700); err != nil {
		return fmt.Errorf("make work folder: %w", err)
	}
	// Work and its records outlive ctx: they end in good order below.
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	own, err := e.register(ctx)
	if err != nil {
		return err
	}
	e.use(own)
	err = e.recover(ctx)
	if err == nil {
		err = e.checkAlone(ctx, own.id)
	}
	if err != nil {
		return errors.Join(err, e.release(live, own.id))
	}
	e.log.Info("queue is ready", "instance", e.InstanceID())
	close(e.ready)

	hints, unwatch := e.o.Store.Events.Watch()
	defer unwatch()
	loops, stopLoops := context.WithCancel(live)
	defer stopLoops()
	var background sync.WaitGroup
	background.Go(func() { e.keepLease(loops) })
	background.Go(func() { e.listen(loops, hints) })
	background.Go(func() { e.rescueOthers(loops) })
	background.Go(func() { e.keepLane(loops) })
	background.Go(func() { e.watchModels(loops) })
	background.Go(func() { e.warm(loops) })
	e.claimLoop(ctx, live)
	e.closeLane()
	if e.doubt {
		brief, cancel := context.WithTimeout(live, recordGrace)
		if err := e.adopt(brief, live); err != nil {
			e.log.Warn("claimed jobs may be left behind", "error", err)
		}
		cancel()
	}
	close(e.over)

	e.drain(end)
	e.callers.Wait()
	stopLoops()
	background.Wait()
	return e.release(context.WithoutCancel(ctx), e.InstanceID())
}

// warm has the store read the order before somebody asks for a position: with a
// million waiting jobs that takes seconds.
func (e *Engine) warm(ctx context.Context) {
	if _, err := e.o.Store.Order.Places(ctx); err != nil && ctx.Err() == nil {
		e.log.Warn("cannot read the order ahead of time", "error", err)
	}
}

// drain waits for the attempts: first in peace, then by asking them to stop,
// at last by giving up on those whose end cannot be recorded. These are found
// as leftovers at the next start.
func (e *Engine) drain(end context.CancelFunc) {
	done := make(chan struct{})
	go func() {
		e.attempts.Wait()
		close(done)
	}()
	if n := e.Active(); n > 0 {
		e.log.Info("waiting for running jobs", "count", n, "grace", e.o.StopGrace)
	}
	if e.within(done, e.o.StopGrace) {
		return
	}
	e.stopAll(task.ErrShutdown)
	if e.within(done, e.o.Grace+recordGrace) {
		return
	}
	end()
	<-done
}

// within reports whether done is closed before d is over.
func (e *Engine) within(done <-chan struct{}, d time.Duration) bool {
	t := e.o.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C():
		return false
	}
}

// stopAll asks every attempt to stop.
func (e *Engine) stopAll(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.active {
		a.cancel(cause)
	}
}

// kick makes the claim loop look again.
func (e *Engine) kick() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// listen turns hints into wake-ups and cancels. Because hints may be lost, it
// also looks by itself every pollEvery, however many hints arrive.
func (e *Engine) listen(ctx context.Context, hints <-chan store.Hint) {
	t := e.o.Clock.NewTimer(clock.Beat(e.o.Clock, pollEvery))
	defer func() { t.Stop() }()
	soon := false // t is set to soonEnough
	for {
		select {
		case <-ctx.Done():
			return
		case h := <-hints:
			switch h.Topic {
			case store.HintQueue:
				if !h.Claimed {
					e.kick()
				}
			case store.HintStop:
				e.lookForCancel(ctx, h.ID)
			case store.HintJob, store.HintEvents, store.HintOutbox, store.HintApprovals, store.HintPlans: // for those who watch
			case store.HintAll:
				e.kick()
				// A busy server loses hints all the time, and to look at everything costs.
				if !soon {
					t.Stop()
					t, soon = e.o.Clock.NewTimer(soonEnough), true
				}
			}
		case <-t.C():
			e.lookForCancel(ctx, "")
			t, soon = e.o.Clock.NewTimer(clock.Beat(e.o.Clock, pollEvery)), false
		}
	}
}

// lookForCancel stops the attempts of this process whose jobs were asked to
// stop; jobID "" means all of them.
func (e *Engine) lookForCancel(ctx context.Context, jobID string) {
	e.mu.Lock()
	var look, direct []*attempt
	var ids []string
	for _, a := range e.active {
		switch {
		case a.job.ID == "" && jobID == "":
			direct = append(direct, a)
		case a.job.ID != "" && (jobID == "" || a.job.ID == jobID):
			look, ids = append(look, a), append(ids, a.job.ID)
		}
	}
	e.mu.Unlock()
	for _, a := range direct {
		e.lookForTakeover(ctx, a)
	}
	if len(look) == 0 {
		return
	}
	stored, err := e.o.Store.Jobs.Attempts(ctx, ids)
	if err != nil {
		if n, ok := e.quiet.due("cancel"); ok {
			e.log.Warn("cannot look for a cancel", "jobs", len(ids), "error", err, "left_out", n)
		}
		return
	}
	for _, a := range look {
		j, ok := stored[a.job.ID]
		switch {
		case !ok: // it is not there any more, which its end finds out
		case j.Epoch != a.job.Epoch || j.State != job.Running:
			a.cancel(task.ErrLeaseLost) // rescued by another instance
		case !j.CancelAskedAt.IsZero():
			a.stop()
		}
	}
}

// jitter is a random number in [0,1).
func jitter() float64 { return rand.Float64() } //nolint:forbidigo // spreads retries, decides nothing
