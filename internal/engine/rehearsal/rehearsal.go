// Package rehearsal plays a workflow without a server, a network or a wait: through the
// same engine as a server, but with mocks in the place of what would go outside, and
// with a clock that jumps from one alarm to the next. The same rehearsal always goes the
// same way.
//
//	report, err := rehearsal.Play(ctx, rehearsal.Options{Graph: g, Inputs: inputs})
//	differences := rehearsal.Compare(test, report)
package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/calendar"
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
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// Bounds of a rehearsal.
const (
	maxCalls = 20_000
	maxTurns = 10_000
)

// Start is when rehearsals begin that do not say: Monday, 5 January 2026, 09:00 UTC.
func Start() time.Time { return time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC) }

// Options are what Play needs. Graph must be given.
type Options struct {
	Graph  *workflow.Graph
	Inputs map[string]any
	// Mocks take the place of those that the nodes have themselves, by node.
	Mocks map[string]workflow.Mock
	// Now is when the run begins; zero = Start.
	Now time.Time
	// Lenient lets nodes without a mock succeed with an empty result. Otherwise a node
	// that would go outside fails.
	Lenient bool
}

// Call is a call of a node.
type Call struct {
	At     time.Time
	NodeID string
	// Item is the index within a map, -1 outside of one.
	Item, Attempt int
	// Config is what the node was given, with everything computed: values of JSON.
	Config         map[string]any
	IdempotencyKey string
	// Mocked: its mock has answered. Missing: there is none, and it would go outside.
	Mocked, Missing bool
	approval        bool
}

// Report is what happened.
type Report struct {
	Began, Ended time.Time
	// Status is how the run ended, "" = it did not, see Stuck.
	Status workflow.Result
	// Error is why it failed; nil = it did not.
	Error *workflow.Failure
	// Stuck is what the run waits for without an end, "" = nothing.
	Stuck string
	State workflow.State
	Lines []Line
	Calls []Call
}

// Play plays a run from its beginning to its end. Its error is ctx's, or a mistake of
// the program.
func Play(ctx context.Context, o Options) (Report, error) {
	if o.Now.IsZero() {
		o.Now = Start()
	}
	p := &play{o: o, kinds: map[string]workflow.Kind{}, calls: map[place]int{}, artifacts: map[string][]byte{}, calendars: sync.OnceValues(calendar.Shipped)}
	ranks := map[string]int{}
	eachStep(o.Graph, func(s *workflow.Step) {
		ranks[s.ID] = len(ranks)
		p.kinds[s.Kind.Name()] = s.Kind
	})
	p.stage = newStage(o.Now, func(nodeID string) int { return ranks[nodeID] })
	p.real = realNodes(p, p.stage)
	return p.play(ctx)
}

// eachStep visits the nodes of a graph and of its maps, in the order of the document.
func eachStep(g *workflow.Graph, visit func(*workflow.Step)) {
	for _, s := range g.Steps {
		visit(s)
		if s.Body != nil {
			eachStep(s.Body, visit)
		}
	}
}

// realNodes are those that touch nothing outside.
func realNodes(a wait.Almanac, clk *stage) map[string]node.Node {
	out := map[string]node.Node{}
	for _, n := range []node.Node{data.Set{}, judgment.New(nil), stop.Stop{}, wait.Duration{}, wait.Until{}, wait.NewMarket(a, clk)} {
		out[n.Kind().Name()] = n
	}
	return out
}

// place is a node, for an item of a map or -1.
type place struct {
	nodeID string
	item   int
}

// play is one rehearsal. Its methods are safe for concurrent use.
type play struct {
	o         Options
	stage     *stage
	kinds     map[string]workflow.Kind
	real      map[string]node.Node
	calendars func() (*calendar.Set, error)

	mu        sync.Mutex
	calls     map[place]int
	list      []Call
	artifacts map[string][]byte
}

// play plays turns until the run is over.
func (p *play) play(ctx context.Context) (Report, error) {
	g := p.o.Graph
	jobID := id.Derive(id.Job, "job_00000000000000000000000000", g.Definition.ID)
	runID := store.WorkflowRunID(jobID)
	memory := engine.NewMemory(store.WorkflowRun{
		ID: runID, JobID: jobID, WorkflowID: g.Definition.ID, Version: 1, CreatedAt: p.o.Now,
		Job: job.Job{ID: jobID, State: job.Running, CreatedBy: "rehearsal", Trigger: job.TriggerManual},
	})
	params, err := json.Marshal(engine.Params{WorkflowID: g.Definition.ID, Inputs: p.o.Inputs})
	if err != nil {
		return Report{}, err
	}
	luck, spread := rand.New(rand.NewPCG(1, 2)), sync.Mutex{} //nolint:gosec // the same numbers each time are the point
	e := engine.New(engine.Options{
		Runs: memory, Versions: p, Nodes: p, Locks: freeLocks{}, Secrets: placeholders{}, Clock: p.stage,
		Calendars: func(string) expression.Calendars { return days{p} },
		Spread: func() float64 {
			spread.Lock()
			defer spread.Unlock()
			return luck.Float64()
		},
	})
	var verdict *task.Verdict
	var locks []string
	for range maxTurns {
		verdict = task.VerdictOf(e.Run(ctx, task.Attempt{
			JobID: jobID, RunID: "run_" + jobID[4:], Number: 1, Epoch: memory.Claim(), Params: params, Open: p.open, Locks: locks, Resumed: memory.Run().Seq > 0,
		}, host{p}))
		if ctx.Err() != nil {
			return Report{}, context.Cause(ctx)
		}
		if verdict == nil || verdict.Parking == nil || verdict.Parking.Until.IsZero() && len(verdict.Parking.Locks) == 0 {
			break
		}
		locks = verdict.Parking.Locks
		p.stage.jump(verdict.Parking.Until)
	}
	return p.report(memory, verdict), nil
}

func (p *play) report(memory *engine.Memory, verdict *task.Verdict) Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := memory.Run().State
	r := Report{Began: p.o.Now, Ended: p.stage.Now(), State: s, Calls: p.list, Lines: timeline(memory.Steps())}
	switch {
	case s.Phase == workflow.PhaseOver:
		r.Status, r.Error = s.Result, s.Error
		if r.Error == nil && s.Result == workflow.ResultFailed {
			r.Error = &workflow.Failure{Code: "stopped", Message: s.Verdict()}
		}
	case verdict != nil && verdict.Parking != nil:
		r.Stuck = verdict.Parking.For
	case verdict != nil:
		r.Status, r.Error = workflow.ResultFailed, &workflow.Failure{Code: verdict.Code, Message: verdict.Error()}
	}
	return r
}

// Node implements engine.Nodes.
func (p *play) Node(kind string) (node.Node, bool) {
	k, known := p.kinds[kind]
	return actor{p: p, kind: k, real: p.real[kind]}, known
}

// Graph implements engine.Versions.
func (p *play) Graph(context.Context, string, string, int) (*workflow.Graph, error) {
	return p.o.Graph, nil
}

// Of implements wait.Almanac: the calendars of the program.
func (p *play) Of(context.Context, string) (*calendar.Set, error) { return p.calendars() }

// called notes a call and finds its mock.
func (p *play) called(a actor, c node.Call) (workflow.Mock, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) >= maxCalls {
		return workflow.Mock{}, false, node.Fatal("too_many_calls", fmt.Errorf("a rehearsal calls its nodes %d times at most", maxCalls))
	}
	at := place{c.Step.ID, c.Item}
	m, mocked := p.mock(a, c, p.calls[at])
	p.calls[at]++
	config, _ := plain(c.Config).(map[string]any)
	p.list = append(p.list, Call{
		At: p.stage.Now(), NodeID: c.Step.ID, Item: c.Item, Attempt: c.Attempt, Config: config, IdempotencyKey: c.IdempotencyKey,
		Mocked: mocked, Missing: !mocked && !a.plays(c), approval: a.kind.Name() == kindApproval,
	})
	return m, mocked, nil
}

// resumed finds the mock of the latest call of a node.
func (p *play) resumed(a actor, c node.Call) (workflow.Mock, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mock(a, c, p.calls[place{c.Step.ID, c.Item}]-1)
}

// times is how often a node was called.
func (p *play) times(c node.Call) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[place{c.Step.ID, c.Item}]
}

// mock is the answer to the n-th call. The caller holds the lock.
func (p *play) mock(a actor, c node.Call, n int) (workflow.Mock, bool) {
	if m, there := p.o.Mocks[c.Step.ID]; there {
		return m.For(c.Item, n), true
	}
	if m := c.Step.Mocked; m != nil {
		return m.For(c.Item, n), true
	}
	switch {
	case a.plays(c):
	case a.kind.Name() == kindApproval:
		return workflow.Mock{}, true
	case p.o.Lenient:
		return workflow.Mock{Result: map[string]any{}}, true
	}
	return workflow.Mock{}, false
}

func (p *play) open(_ context.Context, _, name string) (io.ReadCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	content, there := p.artifacts[name]
	if !there {
		return nil, fault.New(fault.NotFound, "there is no artifact "+name)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// host implements task.Host: it keeps artifacts and nothing else.
type host struct{ p *play }

func (host) Log() io.Writer                             { return io.Discard }
func (host) Process(context.Context, run.Process) error { return nil }
func (host) Progress(run.Progress)                      {}
func (host) Output(string, string)                      {}
func (host) ExitCode(int)                               {}
func (host) Tokens(run.Tokens)                          {}
func (host) Call(context.Context, run.Call) error       { return nil }
func (host) Refused(context.Context, string) error      { return nil }
func (host) Checkpoint(context.Context, []byte) error   { return nil }

// Artifact implements task.Host.
func (h host) Artifact(_ context.Context, name, mediaType string, r io.Reader) (run.Artifact, error) {
	content, err := io.ReadAll(r)
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	h.p.artifacts[name] = content
	return run.Artifact{ID: "art_" + name, Name: name, MediaType: mediaType, Size: int64(len(content))}, err
}

// freeLocks implements engine.Locks: nobody else is there.
type freeLocks struct{}

func (freeLocks) Take(context.Context, engine.Claimed, []string) (bool, error) { return true, nil }
func (freeLocks) Free(context.Context, engine.Claimed, []string) error         { return nil }

// placeholders implements engine.Secrets: the name stands for the value.
type placeholders struct{}

func (placeholders) Value(_ context.Context, _, name string, _ secret.Use) (string, error) {
	return "secret:" + name, nil
}

func (placeholders) Open(context.Context, string, string, string) ([]byte, error) {
	return nil, errors.New("a rehearsal has no encrypted inputs")
}

// days implements expression.Calendars with the calendars of the program.
type days struct{ p *play }

func (d days) calendar(name string) (*calendar.Calendar, error) {
	set, err := d.p.calendars()
	if err != nil {
		return nil, err
	}
	return set.Resolve(calendar.Spec{Code: name})
}

// IsTradingDay implements expression.Calendars.
func (d days) IsTradingDay(name string, t time.Time) (bool, error) {
	c, err := d.calendar(name)
	return err == nil && c.IsSession(calendar.DateOf(t)), err
}

// NextSession implements expression.Calendars.
func (d days) NextSession(name string, t time.Time) (time.Time, error) {
	c, err := d.calendar(name)
	if err != nil {
		return time.Time{}, err
	}
	s, ok := c.SessionAfter(t)
	if !ok {
		return time.Time{}, fmt.Errorf("the calendar %s has no session after %s", name, t.Format(time.RFC3339))
	}
	return s.Open, nil
}

// Missing are the nodes without a mock that would have gone outside, each once.
func (r Report) Missing() []Call {
	var out []Call
	for _, c := range r.Calls {
		if c.Missing && !slices.ContainsFunc(out, func(x Call) bool { return x.NodeID == c.NodeID }) {
			out = append(out, c)
		}
	}
	return out
}
