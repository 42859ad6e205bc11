// Package engine plays runs of workflows: it asks package workflow what comes next,
// lets nodes work, makes each step durable, and gives the slot back when all that is
// left waits.
//
//	e := engine.New(engine.Options{Runs: s.WorkflowRuns, ...})
//	err := e.Run(ctx, attempt, host) // one turn of a run, in a slot of the queue
//
// A turn is one goroutine, which alone changes the state of the run; nodes work in
// goroutines of their own and report to it. What it decides is written before anything
// that follows from it begins: a step has the ends of the nodes that have just ended
// and the beginnings of those that come next.
package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// Runs is the part of store.WorkflowRuns that the engine needs.
type Runs interface {
	Load(ctx context.Context, jobID string, epoch int64) (store.WorkflowRun, store.WorkflowSignals, error)
	Enter(ctx context.Context, p store.EnterWorkflow) (store.Turn, error)
	Step(ctx context.Context, p store.WorkflowStep) (store.WorkflowSignals, error)
	Signals(ctx context.Context, runIDs []string) (map[string]store.WorkflowSignals, error)
}

// Versions finds checked definitions. Graphs are shared and must not be changed.
type Versions interface {
	// Graph returns a version; not_found.
	Graph(ctx context.Context, tenant, workflowID string, version int) (*workflow.Graph, error)
}

// Nodes finds kinds of nodes by workflow.Kind.Name.
type Nodes interface {
	Node(kind string) (node.Node, bool)
}

// Claimed names the attempt that has the run.
type Claimed struct {
	JobID, RunID string
	Epoch        int64
}

// Locks lets an attempt take and free locks while it works.
type Locks interface {
	// Take takes all of them or none; false: somebody else has one. Those that the
	// attempt has already are had.
	Take(ctx context.Context, by Claimed, names []string) (bool, error)
	// Free gives them back.
	Free(ctx context.Context, by Claimed, names []string) error
}

// Secrets gives the values of secrets to nodes that may have them.
type Secrets interface {
	// Value returns a secret for a use of it; secret_not_found, secret_not_granted.
	Value(ctx context.Context, tenant, name string, use secret.Use) (string, error)
	// Open decrypts a secret input; aad is that of SealedInput.
	Open(ctx context.Context, tenant, aad, sealed string) ([]byte, error)
}

// Mask hides values of secrets in texts.
type Mask interface {
	// Add makes values known that are to be hidden.
	Add(values ...string)
	// Text hides them in a text, and Value in all texts of a value of JSON.
	Text(s string) string
}

// Watcher hears of steps that have become durable. It must not block.
type Watcher interface {
	Saved(run store.WorkflowRun, checkpointID string)
}

// Options are what New needs. Locks, Secrets, Watch, Calendars and Mask may be nil.
type Options struct {
	Runs     Runs
	Versions Versions
	Nodes    Nodes
	Locks    Locks
	Secrets  Secrets
	Watch    Watcher
	// Artifacts opens an artifact of a run by its id.
	Artifacts func(ctx context.Context, tenant, runID, artifactID string) (io.ReadCloser, error)
	// Hints says when something may have happened outside, and how to stop listening;
	// nil = nobody does.
	Hints func() (<-chan store.Hint, func())
	// Calendars answers questions about trading days for a tenant.
	Calendars func(tenant string) expression.Calendars
	// Mask makes an empty mask for one turn.
	Mask   func() Mask
	Clock  clock.Clock  // nil = the system's
	Logger *slog.Logger // nil = nothing is logged
	// Spread returns a random number in [0,1) for the jitter of retries; nil = the
	// runtime's.
	Spread func() float64
	// Grace is how long nodes may go on when a run fails, before they are stopped;
	// 0 = 30 s.
	Grace time.Duration
}

// Times of a turn.
const (
	defaultGrace = 30 * time.Second
	// lazily is how long a step may wait for others when nothing depends on it.
	lazily = 200 * time.Millisecond
	// lookEvery is how often a turn asks whether something has happened to its run.
	lookEvery = time.Second
	// stageEvery is that in a rehearsal, where nothing happens unseen.
	stageEvery = 1000 * time.Hour
	// again is the pause before a lock is tried again, or a store that was away.
	again = 500 * time.Millisecond
)

// Engine plays runs. It is safe for concurrent use.
type Engine struct {
	o     Options
	news  news
	stage Stage // Options.Clock, nil = it is none
}

// New returns an engine.
func New(o Options) *Engine {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Spread == nil {
		o.Spread = rand.Float64 //nolint:forbidigo // spreads retries, decides nothing
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.Mask == nil {
		o.Mask = func() Mask { return noMask{} }
	}
	e := &Engine{o: o}
	e.stage, _ = o.Clock.(Stage)
	e.news.o = &e.o
	return e
}

type noMask struct{}

func (noMask) Add(...string)        {}
func (noMask) Text(s string) string { return s }

// Params are the params of a job that is a run of a workflow.
type Params struct {
	WorkflowID string         `json:"workflow_id"`
	Version    *int           `json:"version,omitempty"`
	Inputs     map[string]any `json:"inputs,omitempty"`
	// Sealed are secret inputs, encrypted.
	Sealed map[string]string `json:"sealed,omitempty"`
	// Depth is how many workflows are around it.
	Depth int `json:"depth,omitempty"`
}

// SealedInput says of an encrypted input what it is, so that it cannot be taken for
// another one.
func SealedInput(workflowID, name string) string { return "input/" + workflowID + "/" + name }

// Run plays a run until it is over, waits, or must be left. Its error is what a
// durable task.Task returns.
func (e *Engine) Run(ctx context.Context, a task.Attempt, h task.Host) error {
	var in Params
	if err := json.Unmarshal(a.Params, &in); err != nil {
		return task.Fatal("invalid_input", fmt.Errorf("read the params: %w", err))
	}
	p, err := e.open(ctx, a, h, in)
	if err != nil {
		return err
	}
	defer p.close()
	if err = p.play(ctx); err != nil { // it waits, is left or went wrong
		p.log.release()
	}
	return err
}
