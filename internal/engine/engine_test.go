package engine_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/engine"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/data"
	"github.com/runsheet/runsheet/internal/node/judgment"
	"github.com/runsheet/runsheet/internal/node/stop"
	"github.com/runsheet/runsheet/internal/node/wait"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
)

// world is everything outside of the engine, which survives its crashes.
type world struct {
	t      *testing.T
	graph  *workflow.Graph
	memory *engine.Memory
	params json.RawMessage

	mu        sync.Mutex
	effects   []string // idempotency keys, in order
	artifacts map[string][]byte
	outputs   map[string]string
	done      []int64
	log       bytes.Buffer
	fail      func(key string, attempt int) error
	locked    map[string]bool
	mine      map[string]bool // those of locked that the run has
	abandoned []string        // nodes whose waits were given up
	// block is called by each effect while it works; cancelled and granted are given
	// to the next turn.
	block     func(ctx context.Context, key string) error
	cancelled chan struct{}
	granted   []string
	// crashes are those since the last step, which the queue and the store count.
	crashes int
	// cut counts turns that crashed and left something to go on with, torn the nodes that
	// they left at work.
	cut, torn int
	// instance has the next turn; "" = inst_1.
	instance string
	// secrets and mask are the engine's; nil = none.
	secrets engine.Secrets
	mask    func() engine.Mask
}

// effect is a node with an effect outside; it answers with what it was given.
type effect struct{ w *world }

func (effect) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "action", Subtype: "effect", SubtypeField: "action_type", Outcomes: []string{"success"}, Effect: true, InMap: true, Secrets: true,
		OnCrash: workflow.CrashRetry, Fields: []workflow.Field{{Name: "value", Type: workflow.FieldAny}},
	}
}

func (e effect) Run(ctx context.Context, c node.Call) (node.Result, error) {
	e.w.mu.Lock()
	e.w.effects = append(e.w.effects, c.IdempotencyKey)
	block := e.w.block
	e.w.mu.Unlock()
	fmt.Fprintf(c.Host.Log(), "it got %v\n", c.Config["value"])
	if block != nil {
		if err := block(ctx, c.IdempotencyKey); err != nil {
			return node.Result{}, err
		}
	}
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.w.fail != nil {
		if err := e.w.fail(c.IdempotencyKey, c.Attempt); err != nil {
			return node.Result{}, err
		}
	}
	return node.Result{Value: map[string]any{"value": c.Config["value"]}}, nil
}

// said is a node that says something which is not to be stored.
type said struct{ w *world }

func (said) Kind() workflow.Kind {
	return workflow.Kind{Type: "action", Subtype: "say", SubtypeField: "action_type", Outcomes: []string{"success"}, InMap: true, OnCrash: workflow.CrashRetry}
}

func (s said) Run(_ context.Context, c node.Call) (node.Result, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.effects = append(s.w.effects, c.IdempotencyKey)
	return node.Result{Value: map[string]any{"text": "the marker of what was said", "tokens_in": int64(7)}, Ephemeral: true, Durable: map[string]any{"tokens_in": int64(7)}}, nil
}

type mapping struct{}

func (mapping) Kind() workflow.Kind {
	return workflow.Kind{Type: "map", Outcomes: []string{"success", "partial"}, OnCrash: workflow.CrashRetry, Fields: []workflow.Field{
		{Name: "items", Type: workflow.FieldAny, Required: true},
		{Name: "nodes", Type: workflow.FieldNodes, Required: true},
		{Name: "as", Type: workflow.FieldString},
		{Name: "concurrency", Type: workflow.FieldInteger},
		{Name: "checkpoint_every", Type: workflow.FieldInteger},
		{Name: "on_item_error", Type: workflow.FieldString},
		{Name: "max_failures", Type: workflow.FieldAny},
	}}
}

func (mapping) Run(context.Context, node.Call) (node.Result, error) {
	return node.Result{}, errors.New("the engine plays maps")
}

func (w *world) nodes() []node.Node {
	return []node.Node{
		effect{w}, said{w}, mapping{}, data.Set{}, judgment.New(nil), stop.Stop{}, wait.Duration{}, wait.Event{}, asks{w}, back{},
	}
}

func (w *world) Node(name string) (node.Node, bool) {
	for _, n := range w.nodes() {
		if n.Kind().Name() == name {
			return n, true
		}
	}
	return nil, false
}

func (w *world) Graph(context.Context, string, string, int) (*workflow.Graph, error) {
	return w.graph, nil
}

func newWorld(t *testing.T, text string, inputs map[string]any) *world {
	t.Helper()
	w := &world{t: t, artifacts: map[string][]byte{}, outputs: map[string]string{}, locked: map[string]bool{}, mine: map[string]bool{}}
	var list []workflow.Kind
	for _, n := range w.nodes() {
		list = append(list, n.Kind())
	}
	kinds := workflow.NewKinds(list...)
	docs, problems := workflow.Read("w.yaml", []byte("workflow_id: w\n"+text), kinds)
	if len(docs) == 1 {
		w.graph = workflow.Check(docs[0].Workflow, kinds, problems)
	}
	if w.graph == nil {
		t.Fatalf("%v", problems.List())
	}
	jobID := id.New(id.Job, time.Unix(1, 0))
	w.memory = engine.NewMemory(store.WorkflowRun{
		ID: "wfrun_" + jobID[4:], Tenant: "t", JobID: jobID, WorkflowID: "w", Version: 1, Job: job.Job{ID: jobID, State: job.Running, CreatedBy: "ann"},
	})
	w.params, _ = json.Marshal(map[string]any{"workflow_id": "w", "inputs": inputs})
	return w
}

// host is the task.Host of a turn.
type host struct{ w *world }

func (h host) Log() io.Writer                           { return &lockedWriter{h.w} }
func (host) Process(context.Context, run.Process) error { return nil }
func (h host) Progress(p run.Progress)                  { h.w.progress(p) }
func (h host) Output(key, value string) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.outputs[key] = value
}
func (host) ExitCode(int)                             {}
func (host) Tokens(run.Tokens)                        {}
func (host) Call(context.Context, run.Call) error     { return nil }
func (host) Refused(context.Context, string) error    { return nil }
func (host) Checkpoint(context.Context, []byte) error { return nil }
func (h host) Artifact(_ context.Context, name, media string, r io.Reader) (run.Artifact, error) {
	content, err := io.ReadAll(r)
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.artifacts[name] = content
	return run.Artifact{ID: "art_" + name, Name: name, MediaType: media, Size: int64(len(content))}, err
}

type lockedWriter struct{ w *world }

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(p)
}

func (w *world) progress(p run.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.Stage != "nodes" {
		w.done = append(w.done, p.Done)
	}
}

func (w *world) Take(_ context.Context, _ engine.Claimed, names []string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range names {
		if w.locked[n] && !w.mine[n] { // as in the store, the attempt's own ones are had
			return false, nil
		}
	}
	for _, n := range names {
		w.locked[n], w.mine[n] = true, true
	}
	return true, nil
}

func (w *world) Free(_ context.Context, _ engine.Claimed, names []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range names {
		delete(w.locked, n)
		delete(w.mine, n)
	}
	return nil
}

// counted is the memory with the count of crashes.
type counted struct {
	*engine.Memory
	w *world
}

func (c counted) Load(ctx context.Context, jobID string, epoch int64) (store.WorkflowRun, store.WorkflowSignals, error) {
	r, signals, err := c.Memory.Load(ctx, jobID, epoch)
	r.Job.Crashes, r.Job.Instance = c.w.crashes, cmp.Or(c.w.instance, "inst_1")
	return r, signals, err
}

func (c counted) Step(ctx context.Context, p store.WorkflowStep) (store.WorkflowSignals, error) {
	before := c.Memory.Run().Seq
	signals, err := c.Memory.Step(ctx, p)
	if c.Memory.Run().Seq > before {
		c.w.crashes = 0
	}
	return signals, err
}

// turn plays one turn and returns how it ended.
func (w *world) turn(ctx context.Context) *task.Verdict {
	w.t.Helper()
	e := engine.New(engine.Options{Runs: counted{w.memory, w}, Versions: w, Nodes: w, Locks: w, Secrets: w.secrets, Mask: w.mask, Spread: func() float64 { return 0 }})
	err := e.Run(ctx, task.Attempt{
		JobID: w.memory.Run().JobID, RunID: "run_1", Tenant: "t", Number: 1, Epoch: w.memory.Claim(), Params: w.params, Dir: w.t.TempDir(),
		Cancelled: w.cancelled, Locks: w.granted,
		Open: func(_ context.Context, _, name string) (io.ReadCloser, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			content, ok := w.artifacts[name]
			if !ok {
				return nil, fault.New(fault.NotFound, name)
			}
			return io.NopCloser(bytes.NewReader(content)), nil
		},
	}, host{w})
	if errors.Is(err, errCrash) || errors.Is(err, task.ErrLeaseLost) {
		w.crashes++
		if r := w.memory.Run(); r.Seq > 0 && r.State.Phase != workflow.PhaseOver {
			w.cut++
			w.torn += len(w.graph.With(r.State, workflow.NodeRunning))
		}
		return &task.Verdict{Code: "crashed"}
	}
	return task.VerdictOf(err)
}

var errCrash = errors.New("the power failed")

// play plays turns until the run is over. Timers are real and short.
func (w *world) play() *task.Verdict {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for range 1000 {
		v := w.turn(ctx)
		if v == nil || v.Parking == nil && v.Code != "crashed" {
			return v
		}
		if v.Parking != nil && !v.Parking.Until.IsZero() {
			time.Sleep(time.Until(v.Parking.Until)) // the timer of the queue
		} else if v.Parking != nil && len(v.Parking.Locks) == 0 {
			return v
		}
	}
	w.t.Fatal("the run does not end")
	return nil
}

// turnCrashing plays one turn that crashes at a step: before it is written, or right
// after, when the engine does not know yet. 0 = it does not.
func (w *world) turnCrashing(at int64, after bool) *task.Verdict {
	ctx, cancel := context.WithCancelCause(w.t.Context())
	defer cancel(nil)
	crash := func(p store.WorkflowStep) error {
		if p.Seq == at {
			cancel(errCrash)
			return errCrash
		}
		return nil
	}
	w.memory.Before, w.memory.After = nil, nil
	if after {
		w.memory.After = crash
	} else {
		w.memory.Before = crash
	}
	v := w.turn(ctx)
	w.memory.Before, w.memory.After = nil, nil
	return v
}
