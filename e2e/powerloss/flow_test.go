package powerloss

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/engine"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/mapping"
	"github.com/runsheet/runsheet/internal/node/wait"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
)

// flowText is the workflow whose run loses power: data, a map with effects, a wait
// without a slot, data again.
const flowText = `
workflow_id: w
nodes:
  - {node_id: first, type: data, data_type: set, config: {values: {n: "{{ 3 + 4 }}"}}}
  - {node_id: each, type: map, config: {items: "{{ 1..10 }}", as: i, concurrency: 2, nodes: [
      {node_id: put, type: action, action_type: effect, config: {value: "{{ i * outputs.first.n }}"}}]}}
  - {node_id: rest, type: wait, wait_type: duration, config: {for: 5ms}}
  - {node_id: last, type: data, data_type: set, config: {values: {done: "{{ outputs.each.processed }}"}}}
outputs: {done: "{{ outputs.last.done }}"}
`

// inFlight is how many items of the map work at once.
const inFlight = 2

// millwork is a machine on which the one run of a workflow works. What is outside of
// its disk survives: what the run did, and its artifacts, whose durability is proved
// elsewhere.
type millwork struct {
	*world
	graph *workflow.Graph
	jobID string

	lock      sync.Mutex
	effects   []string // idempotency keys, in order
	repeated  []string // of those, the ones that a step had told were done
	artifacts map[string][]byte
	outputs   map[string]string
	// states are those after each step that was tried; acked is the latest whose
	// writing was acknowledged.
	states map[int64]string
	state  workflow.State
	acked  int64
	wrong  error
}

// TestPowerLossOfAWorkflowRun cuts the power at one change of the disk after the other
// while a run of a workflow works: at each third, at each single one with
// RUNSHEET_CHAOS=full. After the restart no step that was acknowledged is missing, the
// state is whole, and the run goes on and ends as one that never lost power; no node
// and no item of a map that was known to be done works again.
func TestPowerLossOfAWorkflowRun(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	base := newMillwork(t, "base", scratch, id.New(id.Job, start))
	defer base.close(t)
	n, o := base.diskOptions(Options{})
	base.disk = NewDisk(n, o)
	if err := base.boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := base.store.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{{
		ID: base.jobID, Tenant: tenant, Name: "w", Type: "workflow", Params: []byte(`{"workflow_id":"w","version":1,"inputs":{}}`),
		Trigger: job.TriggerAPI, Priority: job.PriorityNormal, OnCrash: job.CrashResume, CreatedBy: "ann", CreatedAt: start, QueuedAt: start,
	}}})
	if err := errors.Join(err, base.shut()); err != nil {
		t.Fatal(err)
	}
	whole := newMillwork(t, "whole", scratch, base.jobID)
	defer whole.close(t)
	name, o := whole.diskOptions(Options{})
	whole.disk = base.disk.Clone(name, o)
	whole.ledger.registered = true
	if err := errors.Join(whole.boot(t.Context()), whole.play(t.Context())); err != nil {
		t.Fatal(err)
	}
	want, err := whole.ending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want.Job != job.Completed || want.Outputs["done"] != "10" || len(want.Effects) != 10 || len(whole.effects) != 10 {
		t.Fatalf("the run without a loss of power: %+v", want)
	}
	stride := 3
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		stride = 1
	}
	cuts, found := base.cuts(t, "", stride, want)
	for _, err := range found {
		t.Error(err)
	}
	t.Logf("%d cuts, %d steps", cuts, whole.acked)
	if len(found) == 0 && cuts < 50 {
		t.Errorf("%d cuts prove nothing", cuts)
	}
	// The same is worth something only if it sees a store that does not sync.
	if _, found = base.cuts(t, "NORMAL", 25, want); !strings.Contains(fmt.Sprint(found), string(lost)) {
		t.Errorf("no loss seen with synchronous=NORMAL: %v", found)
	}
}

// cuts lives once for each stride-th change of the disk, until there are no more, and
// returns what went wrong, at most five times.
func (w *millwork) cuts(t *testing.T, synchronous string, stride int, want ending) (cuts int, found []error) {
	t.Helper()
	for at := 1; len(found) < 5; at += stride {
		x := newMillwork(t, fmt.Sprintf("cut-%s-%d", synchronous, at), w.scratch, w.jobID)
		if x.synchronous = synchronous; synchronous != "" {
			x.checkpoint = "" // a checkpoint would sync what a commit does not
		}
		name, o := x.diskOptions(Options{CutAt: at})
		o.Seed += uint64(at)
		x.disk = w.disk.Clone(name, o)
		whole, err := x.live(t.Context(), want)
		x.close(t)
		if err != nil {
			found = append(found, fmt.Errorf("cut at change %d: %w", at, err))
		}
		if whole {
			break
		}
		cuts++
	}
	return cuts, found
}

func newMillwork(t *testing.T, name, scratch, jobID string) *millwork {
	t.Helper()
	w := &millwork{
		world: newWorld(strings.ReplaceAll(t.Name(), "/", "-")+"-"+name, 1, scratch), jobID: jobID,
		artifacts: map[string][]byte{}, outputs: map[string]string{}, states: map[int64]string{0: plainState(workflow.Begin())}, state: workflow.Begin(),
	}
	w.checkpoint = "wal_autocheckpoint(20)" // so that cuts fall into checkpoints too
	var list []workflow.Kind
	for _, n := range w.nodes() {
		list = append(list, n.Kind())
	}
	kinds := workflow.NewKinds(list...)
	docs, problems := workflow.Read("w.yaml", []byte(flowText), kinds)
	if len(docs) == 1 {
		w.graph = workflow.Check(docs[0].Workflow, kinds, problems)
	}
	if w.graph == nil {
		t.Fatalf("%v", problems.List())
	}
	return w
}

func (w *millwork) close(t *testing.T) {
	t.Helper()
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

// live plays the run with the cut somewhere, recovers, checks, and plays on. whole: the
// cut never came.
func (w *millwork) live(ctx context.Context, want ending) (whole bool, err error) {
	w.ledger.registered = true
	if err = w.boot(ctx); err == nil {
		err = w.play(ctx)
	}
	if whole = !w.disk.Off(); whole && err != nil {
		return false, err
	}
	if err := w.cutAndRestore(Options{}); err != nil {
		return whole, err
	}
	if err := w.boot(ctx); err != nil {
		return whole, fmt.Errorf("boot after the cut: %w", err)
	}
	if err := w.recovered(ctx); err != nil {
		return whole, fmt.Errorf("after the cut: %w", err)
	}
	if err := w.rescue(ctx); err != nil {
		return whole, err
	}
	if err := w.play(ctx); err != nil {
		return whole, fmt.Errorf("going on: %w", err)
	}
	if err := w.recovered(ctx); err != nil {
		return whole, fmt.Errorf("in the end: %w", err)
	}
	got, err := w.ending(ctx)
	if err != nil {
		return whole, err
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return whole, fmt.Errorf("the run ended in another way (-want +got):\n%s", diff)
	}
	if more := len(w.effects) - len(got.Effects); more > inFlight {
		return whole, fmt.Errorf("%d items were repeated, at most %d may be: %v", more, inFlight, w.effects)
	}
	return whole, nil
}

// play claims the run's job and plays its turns until it is over. An error that the
// loss of power made means nothing.
func (w *millwork) play(ctx context.Context) error {
	for range 100 {
		got, err := w.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: instance, Now: w.clock.Now(), Room: 1, Decide: claim.Decide})
		if err != nil {
			return err
		}
		if len(got.Started) == 0 {
			j, err := w.store.Jobs.Job(ctx, tenant, w.jobID)
			if err != nil || j.State.Terminal() {
				return err
			}
			w.clock.Advance(time.Millisecond) // what it waits for is a time
			continue
		}
		if err := w.turn(ctx, got.Started[0]); err != nil {
			return err
		}
	}
	return errors.New("the run does not end")
}

var errCut = errors.New("the power is gone")

// turn plays one turn, and ends it as the queue does.
func (w *millwork) turn(ctx context.Context, c store.Claimed) error {
	on, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	e := engine.New(engine.Options{
		Runs: steps{w.store.WorkflowRuns, w, cut}, Versions: w, Nodes: w, Clock: halfClock{w.clock}, Spread: func() float64 { return 0 },
	})
	err := e.Run(on, task.Attempt{
		JobID: c.Job.ID, RunID: c.Run.ID, Tenant: tenant, Number: c.Job.Attempt, Epoch: c.Job.Epoch, Params: c.Job.Params, Dir: w.scratch,
		Open: w.artifact,
	}, outside{w})
	switch {
	case w.disk.Off():
		return errCut
	case w.wrong != nil:
		return w.wrong
	case len(w.repeated) > 0:
		return fmt.Errorf("done again although a step said that it was done: %v", w.repeated)
	}
	v := task.VerdictOf(err)
	switch {
	case v == nil:
		return w.finish(ctx, c.Run, job.Succeeded{At: w.clock.Now()}, run.Succeeded{At: w.clock.Now()})
	case v.Parking != nil:
		return w.finish(ctx, c.Run, job.Parked{At: w.clock.Now(), For: v.Parking.For, Until: v.Parking.Until}, run.Left{})
	}
	return fmt.Errorf("the run ended: %w", v)
}

// finish ends a turn. The job is read anew, because steps change it.
func (w *millwork) finish(ctx context.Context, r run.Run, je, re any) error {
	j, err := w.store.Jobs.Job(ctx, tenant, w.jobID)
	if err != nil {
		return err
	}
	jc, err := job.Apply(j, je)
	if err != nil {
		return err
	}
	rc, err := run.Apply(r, re)
	if err != nil {
		return err
	}
	return w.store.Jobs.Finish(ctx, []store.Finish{{Job: jc, Run: rc}})[0]
}

// rescue ends a turn that was at work when the power went, as the instance does.
func (w *millwork) rescue(ctx context.Context) error {
	j, err := w.store.Jobs.Job(ctx, tenant, w.jobID)
	if err != nil || j.State != job.Running {
		return err
	}
	r, err := w.store.Runs.Run(ctx, tenant, j.RunID)
	if err != nil {
		return err
	}
	return w.finish(ctx, r, job.Interrupted{At: w.clock.Now()}, run.Left{})
}

// flowRules are facts that every step keeps; each query selects what breaks one.
var flowRules = []struct{ text, query string }{
	{"a run whose steps are not those in its log", `SELECT run_id FROM workflow_runs r WHERE seq <> (SELECT count(*) FROM workflow_checkpoints c
		WHERE c.run_id = r.run_id) OR seq <> (SELECT coalesce(max(seq), 0) FROM workflow_checkpoints c WHERE c.run_id = r.run_id)`},
	{"a node whose end was not told once", `SELECT node_id FROM workflow_nodes n WHERE (json_extract(state, '$.status') = 'COMPLETED') <>
		(SELECT count(*) FROM events e WHERE type = 'workflow.node.completed' AND json_extract(e.data, '$.node_id') = n.node_id)`},
	{"a wait of a node that does not wait", `SELECT node_id FROM workflow_waits w WHERE NOT EXISTS (SELECT 1 FROM workflow_nodes n
		WHERE n.run_id = w.run_id AND n.node_id = w.node_id AND json_extract(n.state, '$.status') = 'WAITING')`},
	{"a node that waits without its wait", `SELECT node_id FROM workflow_nodes n WHERE json_extract(state, '$.status') = 'WAITING' AND NOT EXISTS
		(SELECT 1 FROM workflow_waits w WHERE n.run_id = w.run_id AND n.node_id = w.node_id)`},
	{"a job with another number of runs than one", `SELECT job_id FROM jobs j WHERE attempt > 0 AND (SELECT count(*) FROM runs r WHERE r.job_id = j.job_id) <> 1`},
}

// recovered compares the store with what was acknowledged.
func (w *millwork) recovered(ctx context.Context) error {
	d := w.disk.Driver("")
	db, err := sql.Open(d.Name, d.DSN(dbPath, []string{"busy_timeout(5000)"}, true))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	c := &checker{w: w.world}
	if err := c.integrity(ctx, db); err != nil || len(c.found) > 0 {
		return errors.Join(err, fmt.Errorf("%v", c.found))
	}
	for _, r := range flowRules {
		var broken string
		if err := db.QueryRowContext(ctx, r.query).Scan(&broken); err == nil {
			return fmt.Errorf("%s: %s", r.text, broken)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("look for %s: %w", r.text, err)
		}
	}
	r, err := w.store.WorkflowRuns.Run(ctx, tenant, store.WorkflowRunID(w.jobID))
	if err != nil {
		return err
	}
	got := plainState(r.State)
	switch want, tried := w.states[r.Seq]; {
	case r.Seq < w.acked:
		return fmt.Errorf("%s: the run is at step %d, acknowledged was %d", lost, r.Seq, w.acked)
	case r.Seq > w.acked+1 || !tried:
		return fmt.Errorf("%s: the run is at step %d, acknowledged was %d", strange, r.Seq, w.acked)
	case got != want:
		return fmt.Errorf("%s: after step %d the run is\n%s, and was\n%s", halved, r.Seq, got, want)
	}
	w.acked, w.state = r.Seq, r.State
	return nil
}

// ending is what must be the same whenever the power went.
type ending struct {
	Job     job.State
	Nodes   map[string]workflow.NodeStatus
	Values  map[string]map[string]any
	Map     int
	Outputs map[string]string
	Effects []string // each once, sorted
}

func (w *millwork) ending(ctx context.Context) (ending, error) {
	r, err := w.store.WorkflowRuns.Run(ctx, tenant, store.WorkflowRunID(w.jobID))
	if err != nil {
		return ending{}, err
	}
	out := ending{Job: r.Job.State, Nodes: map[string]workflow.NodeStatus{}, Values: map[string]map[string]any{}, Map: r.State.Maps["each"].Processed(), Outputs: w.outputs}
	for name, n := range r.State.Nodes {
		out.Nodes[name] = n.Status
	}
	for _, name := range []string{"first", "last"} {
		out.Values[name] = r.State.Outputs[name]
	}
	out.Effects = slices.Compact(slices.Sorted(slices.Values(w.effects)))
	return out, nil
}

// plainState is a state as JSON, in which empty lists and maps are as good as none.
func plainState(s workflow.State) string {
	if len(s.Maps) == 0 {
		s.Maps = nil
	}
	if len(s.Context) == 0 {
		s.Context = nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// steps is the store of a turn: it notes what was acknowledged, and ends the turn when
// the power goes.
type steps struct {
	store.WorkflowRuns
	w   *millwork
	cut context.CancelCauseFunc
}

// Step implements engine.Runs.
func (s steps) Step(ctx context.Context, p store.WorkflowStep) (store.WorkflowSignals, error) {
	var kept workflow.Delta // as the store gives it back
	raw, err := json.Marshal(p.Delta)
	if err == nil {
		err = json.Unmarshal(raw, &kept)
	}
	s.w.lock.Lock()
	after := s.w.state.Apply(kept.Plain())
	s.w.states[p.Seq] = plainState(after)
	if err == nil && p.Seq != s.w.acked+1 {
		err = fmt.Errorf("step %d was tried after step %d", p.Seq, s.w.acked)
	}
	s.w.wrong = errors.Join(s.w.wrong, err)
	s.w.lock.Unlock()
	signals, err := s.WorkflowRuns.Step(ctx, p)
	if s.w.disk.Off() && err != nil {
		s.cut(errCut)
		return signals, err
	}
	s.w.lock.Lock()
	defer s.w.lock.Unlock()
	if err == nil {
		s.w.acked, s.w.state = p.Seq, after
	} else if !unknown(err) {
		s.w.wrong = errors.Join(s.w.wrong, err)
	}
	return signals, err
}

// Load implements engine.Runs.
func (s steps) Load(ctx context.Context, jobID string, epoch int64) (store.WorkflowRun, store.WorkflowSignals, error) {
	r, signals, err := s.WorkflowRuns.Load(ctx, jobID, epoch)
	if err != nil && s.w.disk.Off() {
		s.cut(errCut)
	}
	return r, signals, err
}

// halfClock tells the machine's time, and has timers that fire though that stands.
type halfClock struct{ *clocktest.Manual }

// NewTimer implements clock.Clock.
func (halfClock) NewTimer(d time.Duration) clock.Timer { return clock.System{}.NewTimer(d) }

// Graph implements engine.Versions.
func (w *millwork) Graph(context.Context, string, string, int) (*workflow.Graph, error) {
	return w.graph, nil
}

func (w *millwork) nodes() []node.Node {
	return []node.Node{set{}, each{}, wait.Duration{}, effect{w}}
}

// Node implements engine.Nodes.
func (w *millwork) Node(name string) (node.Node, bool) {
	for _, n := range w.nodes() {
		if n.Kind().Name() == name {
			return n, true
		}
	}
	return nil, false
}

// set is a node that gives back what it is told, as data/set does, whose package has
// drivers of databases.
type set struct{}

// Kind implements node.Node.
func (set) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "data", Subtype: "set", SubtypeField: "data_type", Outcomes: []string{"success"}, OnCrash: workflow.CrashRetry,
		Fields: []workflow.Field{{Name: "values", Type: workflow.FieldObject}},
	}
}

// Run implements node.Node.
func (set) Run(_ context.Context, c node.Call) (node.Result, error) {
	values, _ := c.Config["values"].(map[string]any)
	return node.Result{Value: values}, nil
}

// each declares maps, which the engine plays.
type each struct{}

// Kind implements node.Node.
func (each) Kind() workflow.Kind { return mapping.Kind() }

// Run implements node.Node.
func (each) Run(context.Context, node.Call) (node.Result, error) {
	return node.Result{}, errors.New("the engine plays maps")
}

// effect is a node that does something outside.
type effect struct{ w *millwork }

// Kind implements node.Node.
func (effect) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "action", Subtype: "effect", SubtypeField: "action_type", Outcomes: []string{"success"}, Effect: true, InMap: true,
		OnCrash: workflow.CrashRetry, Fields: []workflow.Field{{Name: "value", Type: workflow.FieldAny}},
	}
}

// Run implements node.Node.
func (e effect) Run(_ context.Context, c node.Call) (node.Result, error) {
	if e.w.disk.Off() {
		return node.Result{}, errCut
	}
	e.w.lock.Lock()
	defer e.w.lock.Unlock()
	_, item, _ := strings.Cut(strings.TrimPrefix(c.IdempotencyKey, c.RunID+":"), ":")
	i, err := strconv.Atoi(item)
	if err != nil {
		return node.Result{}, fmt.Errorf("the key %q names no item: %w", c.IdempotencyKey, err)
	}
	if m, ok := e.w.state.Maps["each"]; ok && m.Done(i) {
		e.w.repeated = append(e.w.repeated, c.IdempotencyKey)
	}
	e.w.effects = append(e.w.effects, c.IdempotencyKey)
	return node.Result{Value: map[string]any{"value": c.Config["value"]}}, nil
}

// artifact is task.Attempt.Open.
func (w *millwork) artifact(_ context.Context, _, name string) (io.ReadCloser, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	content, ok := w.artifacts[name]
	if !ok {
		return nil, fault.New(fault.ArtifactGone, name)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// outside is the task.Host of a turn.
type outside struct{ w *millwork }

func (outside) Log() io.Writer                             { return io.Discard }
func (outside) Process(context.Context, run.Process) error { return nil }
func (outside) Progress(run.Progress)                      {}
func (outside) ExitCode(int)                               {}
func (outside) Tokens(run.Tokens)                          {}
func (outside) Call(context.Context, run.Call) error       { return nil }
func (outside) Refused(context.Context, string) error      { return nil }
func (outside) Checkpoint(context.Context, []byte) error   { return nil }

func (o outside) Output(key, value string) {
	o.w.lock.Lock()
	defer o.w.lock.Unlock()
	o.w.outputs[key] = value
}

func (o outside) Artifact(_ context.Context, name, media string, r io.Reader) (run.Artifact, error) {
	content, err := io.ReadAll(r)
	o.w.lock.Lock()
	defer o.w.lock.Unlock()
	o.w.artifacts[name] = content
	return run.Artifact{ID: "art_" + name, Name: name, MediaType: media, Size: int64(len(content))}, err
}
