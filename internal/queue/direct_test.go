package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// hearer is the caller of a direct request.
type hearer struct {
	tasktest.Caller
	queued, started chan struct{} // closed at the first of each
	q, s            sync.Once
}

func newHearer() *hearer {
	return &hearer{queued: make(chan struct{}), started: make(chan struct{})}
}

func (h *hearer) Queued(ahead int) {
	h.Note(fmt.Sprint("queued ", ahead))
	h.q.Do(func() { close(h.queued) })
}

func (h *hearer) Started(run.Run) {
	h.Note("started")
	h.s.Do(func() { close(h.started) })
}

// asked is one direct request under way.
type asked struct {
	*hearer
	t      testing.TB
	leave  context.CancelFunc
	done   chan struct{}
	answer queue.DirectAnswer
	err    error
}

const digest = `{"digest":"0000"}`

// ask makes a direct request of an engine and returns when it waits, or has ended
// already.
func ask(t testing.TB, e *queue.Engine, said tasktest.Said, change ...func(*queue.DirectRequest)) *asked {
	t.Helper()
	params, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(context.Background())
	a := &asked{hearer: newHearer(), t: t, leave: leave, done: make(chan struct{})}
	r := queue.DirectRequest{Tenant: tenant, Kind: "echo", By: "ann", Params: params, Digest: []byte(digest), Caller: a.hearer}
	for _, c := range change {
		c(&r)
	}
	go func() {
		defer close(a.done)
		a.answer, a.err = e.Direct(ctx, r)
	}()
	t.Cleanup(func() {
		leave()
		<-a.done
	})
	select {
	case <-a.queued:
	case <-a.done:
	}
	return a
}

// ended waits for the answer.
func (a *asked) ended() (queue.DirectAnswer, error) {
	a.t.Helper()
	await(a.t, a.done, "the end of a direct request")
	return a.answer, a.err
}

func await(t testing.TB, c <-chan struct{}, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	select {
	case <-c:
	case <-ctx.Done():
		t.Fatal("waited too long for", what)
	}
}

// gate is a job type's work that goes on when the test says so.
type gate struct {
	mu    sync.Mutex
	order []string // ids of what has started
	began chan string
	open  chan struct{}
}

func newGate() *gate { return &gate{began: make(chan string, 1000), open: make(chan struct{})} }

func (g *gate) enter(id string) {
	g.mu.Lock()
	g.order = append(g.order, id)
	g.mu.Unlock()
	g.began <- id
}

func (g *gate) pass(ctx context.Context, a task.Attempt, _ task.Host) error {
	g.enter(a.JobID)
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gate) next(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	select {
	case id := <-g.began:
		return id
	case <-ctx.Done():
		t.Fatal("nothing starts")
		return ""
	}
}

// echoBundle is an engine's test bundle whose job type is an echo.
func echoBundle(t *testing.T, e tasktest.Echo) *bundle {
	t.Helper()
	b := setup(t, nil)
	b.opts.Tasks = task.NewRegistry(e)
	return b
}

func echoJob(j *job.Job) { j.Type = "echo" }

func needs(locks ...string) func(*job.Job) {
	return func(j *job.Job) { j.Type, j.Locks = "echo", locks }
}

// onBoth runs a test on a store in memory and on PostgreSQL.
func onBoth(t *testing.T, f func(t *testing.T, st store.Store)) {
	for name, open := range map[string]func(t *testing.T) (store.Store, error){
		"sqlite": func(t *testing.T) (store.Store, error) { return sqlite.OpenMemory(t.Context(), nil) },
		"postgres": func(t *testing.T) (store.Store, error) {
			return postgres.Open(t.Context(), postgres.Options{URL: testsvc.Postgres(t), AllowUnsafe: true, MaxConns: 6})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, err := open(t)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := st.Health.Close(); err != nil {
					t.Error(err)
				}
			})
			f(t, st)
		})
	}
}

func (b *bundle) use(st store.Store) *bundle {
	b.store, b.opts.Store = st, st
	return b
}

func TestDirectAnswers(t *testing.T) {
	t.Parallel()
	one := int64(1)
	b := echoBundle(t, tasktest.Echo{Before: func(_ context.Context, _ task.Attempt, h task.Host) error {
		h.Tokens(run.Tokens{Prompt: &one})
		h.Progress(run.Progress{Stage: "saying", Done: 1})
		_, err := h.Log().Write([]byte("says\n"))
		return errors.Join(err, h.Checkpoint(context.Background(), []byte("kept nowhere")))
	}})
	e := b.start()
	a := ask(t, e, tasktest.Said{Text: "private words"})
	got, err := a.ended()
	if err != nil || string(got.Result) != `{"echo":"private words"}` || a.Text() != "private words" {
		t.Fatalf("answer %s, tokens %q, %v", got.Result, a.Text(), err)
	}
	if diff := cmp.Diff([]string{"queued 0", "started"}, a.Heard()); diff != "" {
		t.Error(diff)
	}
	r, err := b.store.Runs.Run(t.Context(), tenant, got.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if r.State != run.Completed || r.JobID != "" || r.Trigger != "direct" || r.JobType != "echo" || r.CreatedBy != "ann" || string(r.Params) != digest ||
		r.Result.Tokens == nil || *r.Result.Tokens.Prompt != 1 || r.Result.LogBytes == 0 {
		t.Errorf("run %+v", r)
	}
	arts, err := b.store.Artifacts.Of(t.Context(), tenant, r.ID)
	if err != nil || len(arts[r.ID]) != 1 || arts[r.ID][0].Name != "echo.txt" {
		t.Errorf("artifacts %+v, %v", arts, err)
	}
	if w, err := b.store.Direct.Waiting(t.Context()); err != nil || len(w) != 0 || e.Active() > 1 {
		t.Errorf("left in the lane: %v, %v", w, err)
	}
}

// entering is a store whose answer to Enter comes late.
type entering struct {
	store.Direct
	before func()
}

func (e entering) Enter(ctx context.Context, p store.EnterDirect) (store.Entered, error) {
	in, err := e.Direct.Enter(ctx, p)
	e.before()
	return in, err
}

// TestDirectIsQueuedBeforeItStarts: also when a claim is faster than the answer to the
// request's entering.
func TestDirectIsQueuedBeforeItStarts(t *testing.T) {
	t.Parallel()
	b := echoBundle(t, tasktest.Echo{})
	var caller *hearer
	b.opts.Store.Direct = entering{b.store.Direct, func() {
		b.add(echoJob) // makes the engine claim
		for {
			w, err := b.store.Direct.Waiting(context.Background())
			if err == nil && len(w) == 0 {
				break
			}
			_ = clock.Sleep(context.Background(), clock.System{}, time.Millisecond)
		}
		select {
		case <-caller.started:
		case <-time.After(200 * time.Millisecond): // long enough for it to be told too early
		}
	}}
	e := b.start()
	a := ask(t, e, tasktest.Said{Text: "x"}, func(r *queue.DirectRequest) { caller = r.Caller.(*hearer) })
	if _, err := a.ended(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"queued 0", "started"}, a.Heard()); diff != "" {
		t.Error(diff)
	}
}

// TestDirectGoesBeforeEverythingThatWaits is the judged line: 500 jobs wait, and
// the first slot that gets free is the direct request's.
func TestDirectGoesBeforeEverythingThatWaits(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, st store.Store) {
		const waiting = 500
		g := newGate()
		b := echoBundle(t, tasktest.Echo{
			Jobs: g.pass,
			Before: func(context.Context, task.Attempt, task.Host) error {
				g.enter("direct")
				return nil
			},
		}).use(st)
		first := b.add(echoJob)
		e := b.start()
		if id := g.next(t); id != first.ID {
			t.Fatalf("started %s", id)
		}
		var ids []string
		for range waiting / 100 {
			js := make([]job.Job, 100)
			for i := range js {
				js[i] = first
				js[i].ID = newJobID()
			}
			added, err := b.store.Jobs.Add(t.Context(), store.AddJobs{Jobs: js})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range added {
				ids = append(ids, a.Job.ID)
			}
		}
		a := ask(t, e, tasktest.Said{Text: "now"})
		close(g.open)
		if got, err := a.ended(); err != nil || !slices.Equal(got.Run.WaitedFor, []string{first.ID}) {
			t.Fatalf("waited for %v, want %s; %v", got.Run.WaitedFor, first.ID, err)
		}
		got := []string{g.next(t), g.next(t), g.next(t)}
		if diff := cmp.Diff([]string{"direct", ids[0], ids[1]}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDirectWaitsNoLongerThanTheRulesSay(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := echoBundle(t, tasktest.Echo{Jobs: g.pass})
	hurried(b)
	e := b.start()
	b.add(echoJob)
	g.next(t)
	began := b.opts.Clock.Now()
	a := ask(t, e, tasktest.Said{Text: "never"})
	_, err := a.ended()
	if !fault.Is(err, fault.DirectWaitTimeout) || fault.From(err).RetryAfter == 0 {
		t.Fatalf("ended with %v", err)
	}
	if took := b.opts.Clock.Now().Sub(began); took < job.DefaultDirectTimeout || took > 2*job.DefaultDirectTimeout {
		t.Errorf("waited for %s", took)
	}
	nothingLeft(t, b)
}

// nothingLeft makes sure that no direct request waits or has a run.
func nothingLeft(t *testing.T, b *bundle) {
	t.Helper()
	w, err := b.store.Direct.Waiting(t.Context())
	if err != nil || len(w) != 0 {
		t.Errorf("waiting: %+v, %v", w, err)
	}
	p, err := b.store.Runs.List(t.Context(), store.ListRuns{Tenant: tenant, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Runs {
		if r.JobID == "" {
			t.Errorf("a run is left: %+v", r)
		}
	}
}

// leaving is a store whose Leave comes late.
type leaving struct {
	store.Direct
	before func()
}

func (l leaving) Leave(ctx context.Context, p store.LeaveDirect) (bool, error) {
	l.before()
	return l.Direct.Leave(ctx, p)
}

// TestDirectTimeoutAgainstGrant: the slot comes after the time is over and before
// the request has left. The store decides, and it runs.
func TestDirectTimeoutAgainstGrant(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := echoBundle(t, tasktest.Echo{Jobs: g.pass})
	hurried(b)
	var late atomic.Int32
	b.opts.Store.Direct = leaving{b.store.Direct, func() {
		if late.Add(1) > 1 {
			return
		}
		close(g.open)
		for {
			w, err := b.store.Direct.Waiting(context.Background())
			if err == nil && len(w) == 0 {
				return
			}
			_ = clock.Sleep(context.Background(), clock.System{}, time.Millisecond)
		}
	}}
	e := b.start()
	b.add(echoJob)
	g.next(t)
	a := ask(t, e, tasktest.Said{Text: "just"})
	got, err := a.ended()
	if err != nil || got.Run.State != run.Completed || late.Load() == 0 {
		t.Errorf("ended with %+v, %v, after %d tries to leave", got, err, late.Load())
	}
}

func TestDirectLaneIsFull(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := echoBundle(t, tasktest.Echo{Jobs: g.pass})
	rules := job.DefaultRules()
	rules.DirectWaiting = 2
	if _, err := b.store.Queue.SetRules(t.Context(), store.SetRules{Rules: rules, Tenant: tenant, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	var outcomes sync.Map
	b.opts.OnDirect = func(o queue.LaneOutcome) { outcomes.Store(o, true) }
	e := b.start()
	b.add(echoJob)
	g.next(t)
	one, two := ask(t, e, tasktest.Said{Text: "1"}), ask(t, e, tasktest.Said{Text: "2"})
	if _, err := ask(t, e, tasktest.Said{Text: "3"}).ended(); !fault.Is(err, fault.DirectLaneFull) || fault.From(err).RetryAfter == 0 {
		t.Errorf("the third: %v", err)
	}
	if _, full := outcomes.Load(queue.LaneFull); !full || e.DirectWaiting() != 2 {
		t.Errorf("%d wait", e.DirectWaiting())
	}
	close(g.open)
	for _, a := range []*asked{one, two} {
		if _, err := a.ended(); err != nil {
			t.Error(err)
		}
	}
	if h := two.Heard(); h[0] != "queued 1" || h[len(h)-1] != "started" {
		t.Errorf("the second heard %v", h)
	}
}

func TestDirectCallerGoesWhileWaiting(t *testing.T) {
	t.Parallel()
	g := newGate()
	b := echoBundle(t, tasktest.Echo{Jobs: g.pass})
	e := b.start()
	b.add(echoJob)
	g.next(t)
	a := ask(t, e, tasktest.Said{Text: "gone"})
	a.leave()
	if _, err := a.ended(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	close(g.open)
	b.ended(b.add(echoJob).ID)
	nothingLeft(t, b)
}

func TestDirectCallerGoesWhileItRuns(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cancel bool
		state  run.State
		code   string
	}{
		"finish": {false, run.Completed, ""},
		"cancel": {true, run.Failed, job.CodeCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := make(chan struct{})
			b := echoBundle(t, tasktest.Echo{Before: func(ctx context.Context, _ task.Attempt, _ task.Host) error {
				<-left
				if tc.cancel {
					<-ctx.Done()
					return context.Cause(ctx)
				}
				return nil
			}})
			e := b.start()
			a := ask(t, e, tasktest.Said{Text: "x"}, func(r *queue.DirectRequest) { r.CancelOnDisconnect = tc.cancel })
			await(t, a.started, "the start")
			a.leave()
			close(left)
			got, err := a.ended()
			if err != nil || got.Run.State != tc.state || got.Run.Failure.Code != tc.code {
				t.Errorf("ended %+v, %v", got.Run, err)
			}
		})
	}
}

func TestDirectWhenTheServerStops(t *testing.T) {
	t.Parallel()
	b := echoBundle(t, tasktest.Echo{Before: func(ctx context.Context, _ task.Attempt, _ task.Host) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}})
	e := b.start()
	running := ask(t, e, tasktest.Said{Text: "runs"})
	await(t, running.started, "the start")
	waiting := ask(t, e, tasktest.Said{Text: "waits"})
	b.stop()
	if _, err := waiting.ended(); !fault.Is(err, fault.ShuttingDown) {
		t.Errorf("the waiting one: %v", err)
	}
	if got, err := running.ended(); err != nil || got.Run.State != run.Failed || got.Run.Failure.Code != job.CodeInterrupted {
		t.Errorf("the running one: %+v, %v", got.Run, err)
	}
	if _, err := ask(t, e, tasktest.Said{Text: "late"}).ended(); !fault.Is(err, fault.ShuttingDown) {
		t.Errorf("after the stop: %v", err)
	}
	if w, err := b.store.Direct.Waiting(t.Context()); err != nil || len(w) != 0 {
		t.Errorf("left in the lane: %v, %v", w, err)
	}
}

func TestDirectPanicTellsNothing(t *testing.T) {
	t.Parallel()
	var logs memLog
	b := echoBundle(t, tasktest.Echo{Before: func(context.Context, task.Attempt, task.Host) error { panic("secret text") }})
	b.opts.Logger = logTo(&logs)
	e := b.start()
	got, err := ask(t, e, tasktest.Said{Text: "secret text"}).ended()
	if err != nil || got.Run.Failure.Code != job.CodePanic || got.Result != nil {
		t.Errorf("ended %+v, %v", got, err)
	}
	b.stop()
	if s := logs.b.String(); !strings.Contains(s, "panicked") || strings.Contains(s, "secret") || strings.Contains(got.Run.Failure.Message, "secret") {
		t.Errorf("told: %s %s", s, got.Run.Failure.Message)
	}
}

func TestDirectVerdicts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err   error
		state run.State
		code  string
	}{
		"skip":  {task.Skip("nothing"), run.Skipped, ""},
		"retry": {task.Retry("busy", errors.New("b"), time.Hour), run.Failed, "busy"},
		"plain": {errors.New("boom"), run.Failed, "task_error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := echoBundle(t, tasktest.Echo{Before: func(context.Context, task.Attempt, task.Host) error { return tc.err }})
			got, err := ask(t, b.start(), tasktest.Said{}).ended()
			if err != nil || got.Run.State != tc.state || got.Run.Failure.Code != tc.code || got.Result != nil {
				t.Errorf("ended %+v, %v", got, err)
			}
		})
	}
}

func TestDirectNeedsATaskThatAnswers(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	if _, err := b.start().Direct(t.Context(), queue.DirectRequest{Tenant: tenant, Kind: "scripted"}); !fault.Is(err, fault.JobTypeUnknown) {
		t.Error(err)
	}
}

func TestADirectClaimWithoutAnswerIsAdopted(t *testing.T) {
	t.Parallel()
	b := echoBundle(t, tasktest.Echo{})
	var lost atomic.Int32
	claimed := func(c store.Claims) error {
		if len(c.Direct) > 0 && lost.Add(1) == 1 {
			return errAway
		}
		return nil
	}
	b.opts.Store.Jobs, b.opts.Store.Queue = faultyJobs{Jobs: b.store.Jobs, claimed: claimed}, faultyQueue{b.store.Queue, claimed}
	e := b.start()
	got, err := ask(t, e, tasktest.Said{Text: "found"}).ended()
	if err != nil || got.Run.State != run.Completed || lost.Load() == 0 {
		t.Errorf("ended %+v, %v", got, err)
	}
}
