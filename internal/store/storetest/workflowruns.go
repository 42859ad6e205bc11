package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

func workflowRunChecks() []check {
	return slices.Concat(waitChecks(), parkChecks(), logChecks(), []check{
		{"Workflows/RunComesWithItsJob", workflowBorn},
		{"Workflows/RunIsPinnedToAVersion", workflowPinned},
		{"Workflows/StepKeepsTheState", workflowStep},
		{"Workflows/StepIsFenced", workflowFenced},
		{"Workflows/TwoLoaders", workflowLoaders},
		{"Workflows/OneOfManyStepsFollows", workflowStepRace},
		{"Workflows/StepClearsCrashes", workflowCrashes},
		{"Workflows/EventsAreOneWithTheStep", workflowEvents},
		{"Workflows/StepsTogetherAreAsApart", workflowTogether},
		{"Workflows/LastStepIsOneWithTheEnd", workflowLast},
		{"Workflows/LastStepsAtTheSameTime", workflowLasts},
		{"Workflows/LastStepsInOneCall", workflowLastsAtOnce},
		{"Workflows/SeedBeginsWithAState", workflowSeed},
		{"Workflows/ListFiltersAndPages", workflowRunList},
		{"Workflows/SwitchIsCompareAndSet", workflowSwitch},
		{"Workflows/SecretInputsGoWithTheEnd", workflowSealed},
		{"Workflows/RetentionTakesAllRows", workflowRetention},
		{"Workflows/TenantsApart", workflowTenants},
	})
}

// flow is a run of a workflow at work, as the engine has it.
type flow struct {
	store.Claimed
	t     testing.TB
	s     store.Store
	id    string
	seq   int64
	state workflow.State
}

const flowParams = `{"workflow_id":"wf_a","version":3,"inputs":{}}`

func flowJob(edit ...func(*job.Job)) job.Job {
	return newJob(append([]func(*job.Job){ofType("workflow"), func(j *job.Job) { j.Params = []byte(flowParams) }}, edit...)...)
}

// begun adds a run of a workflow and claims it. There must be a pool.
func begun(t testing.TB, s store.Store, edit ...func(*job.Job)) *flow {
	t.Helper()
	add(t, s, flowJob(edit...))
	return working(t, s, claimOne(t, s))
}

func working(t testing.TB, s store.Store, c store.Claimed) *flow {
	t.Helper()
	r, _, err := s.WorkflowRuns.Load(t.Context(), c.Job.ID, c.Job.Epoch)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return &flow{Claimed: c, t: t, s: s, id: r.ID, seq: r.Seq, state: r.State}
}

// next is the step that leads to after.
func (f *flow) next(after workflow.State, edit ...func(*store.WorkflowStep)) store.WorkflowStep {
	p := store.WorkflowStep{
		RunID: f.id, JobID: f.Job.ID, Epoch: f.Job.Epoch, Seq: f.seq + 1, CheckpointID: fmt.Sprintf("cp_%s_%d", f.id, f.seq+1),
		Delta: workflow.Difference(f.state, after, nil), At: base.Add(time.Duration(f.seq+1) * time.Second),
	}
	for _, e := range edit {
		e(&p)
	}
	return p
}

// to makes a step.
func (f *flow) to(after workflow.State, edit ...func(*store.WorkflowStep)) store.WorkflowSignals {
	f.t.Helper()
	sig, err := f.s.WorkflowRuns.Step(f.t.Context(), f.next(after, edit...))
	if err != nil {
		f.t.Fatalf("step %d: %v", f.seq+1, err)
	}
	f.seq, f.state = f.seq+1, after
	return sig
}

// with is the state with changed nodes.
func (f *flow) with(nodes map[string]workflow.NodeState) workflow.State {
	s := f.state.Clone()
	maps.Copy(s.Nodes, nodes)
	return s
}

// node makes a step that changes one node.
func (f *flow) node(id string, n workflow.NodeState) store.WorkflowSignals {
	f.t.Helper()
	return f.to(f.with(map[string]workflow.NodeState{id: n}))
}

// completed makes a step that completes a node with outputs.
func (f *flow) completed(id string, outputs map[string]any) store.WorkflowSignals {
	f.t.Helper()
	after := f.with(map[string]workflow.NodeState{id: {Status: workflow.NodeCompleted, Outcome: "success", Attempt: 1}})
	after.Outputs[id] = outputs
	after.Completed++
	return f.to(after)
}

func (f *flow) stored() store.WorkflowRun {
	f.t.Helper()
	r, err := f.s.WorkflowRuns.Run(f.t.Context(), tenant, f.id)
	if err != nil {
		f.t.Fatalf("read run: %v", err)
	}
	return r
}

// plain is a state as JSON has it.
func plain(t testing.TB, s workflow.State) string {
	t.Helper()
	s.Maps, s.Context = orEmpty(s.Maps), orEmpty(s.Context)
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func orEmpty[V any](m map[string]V) map[string]V {
	if len(m) == 0 {
		return nil
	}
	return m
}

func workflowBorn(t *testing.T, s store.Store) {
	j := add(t, s, newJob(), flowJob())[1]
	r, err := s.WorkflowRuns.Run(t.Context(), tenant, store.WorkflowRunID(j.ID))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "run", store.WorkflowRun{
		ID: "wfrun_" + strings.TrimPrefix(j.ID, "job_"), Tenant: tenant, JobID: j.ID, WorkflowID: "wf_a", Version: 3,
		CreatedAt: base, UpdatedAt: base, State: workflow.Begin(), Job: j,
	}, r)
	same(t, "status", store.WorkflowPending, r.Status())
	if store.WorkflowJobID(r.ID) != j.ID {
		t.Errorf("the job of %s is %s", r.ID, store.WorkflowJobID(r.ID))
	}
	_, err = s.WorkflowRuns.Run(t.Context(), tenant, "wfrun_none")
	wantCode(t, err, fault.NotFound)
}

func workflowPinned(t *testing.T, s store.Store) {
	one := apply(t, s, newApply("w", "one"))
	two := apply(t, s, newApply("w", "two"))
	for params, want := range map[string]store.AppliedWorkflow{`{"workflow_id":"w","version":1}`: one, `{"workflow_id":"w","version":null}`: two, `{"workflow_id":"w"}`: two} {
		j := add(t, s, flowJob(func(j *job.Job) { j.Params = []byte(params) }))[0]
		r, err := s.WorkflowRuns.Run(t.Context(), tenant, store.WorkflowRunID(j.ID))
		if err != nil {
			t.Fatal(err)
		}
		if r.Version != want.Version.Version || r.Hash != want.Version.Hash || r.Hash == "" {
			t.Errorf("%s is pinned to %d, %q", params, r.Version, r.Hash)
		}
	}
}

func workflowStep(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	after := f.with(map[string]workflow.NodeState{
		"a": {Status: workflow.NodeCompleted, Attempt: 1, Outcome: "success", StartedAt: base, EndedAt: base.Add(time.Second), Order: 1},
		"b": {Status: workflow.NodeReady, ReadyAt: base},
		"m": {Status: workflow.NodeRunning, Attempt: 1},
	})
	after.Outputs["a"] = map[string]any{"x": "1", "list": []any{"é", true, nil}}
	after.Maps = map[string]workflow.MapState{"m": {Items: "items", Sum: "s", Total: 9, Next: 2, Above: []int{4}, Failed: []workflow.FailedItem{{Index: 1, Code: "c"}}}}
	after.Context["n"], after.Completed = "v", 1
	if sig := f.to(after); sig.Paused || len(sig.Woken) > 0 || !sig.CancelAskedAt.IsZero() {
		t.Errorf("signals %+v of nothing", sig)
	}
	r := f.stored()
	same(t, "state", plain(t, after), plain(t, r.State))
	same(t, "seq, epoch", []int64{1, f.Job.Epoch}, []int64{r.Seq, r.Epoch})
	same(t, "started", base.Add(time.Second), r.StartedAt)
	same(t, "status", store.WorkflowRunning, r.Status())
	// A rewind takes outputs and maps away; what is not in the delta stays.
	next := after.Clone()
	next.Nodes["a"] = workflow.NodeState{Status: workflow.NodePending}
	delete(next.Outputs, "a")
	delete(next.Maps, "m")
	f.to(next)
	r = f.stored()
	same(t, "state after a rewind", plain(t, next), plain(t, r.State))
	same(t, "started once", base.Add(time.Second), r.StartedAt)
	same(t, "loaded", plain(t, next), plain(t, working(t, s, f.Claimed).state))
}

func workflowFenced(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	f.node("a", workflow.NodeState{Status: workflow.NodeRunning})
	want := plain(t, f.state)
	try := func(edit func(*store.WorkflowStep)) error {
		_, err := s.WorkflowRuns.Step(t.Context(), f.next(f.with(map[string]workflow.NodeState{"a": {Status: workflow.NodeFailed}}), edit))
		return err
	}
	wantCode(t, try(func(p *store.WorkflowStep) { p.Seq = 1 }), fault.Conflict)
	wantCode(t, try(func(p *store.WorkflowStep) { p.Seq = 0 }), fault.Conflict)
	wantCode(t, try(func(p *store.WorkflowStep) { p.Seq = 3 }), fault.Conflict)
	wantCode(t, try(func(p *store.WorkflowStep) { p.Epoch-- }), fault.StaleLease)
	wantCode(t, try(func(p *store.WorkflowStep) { p.Epoch++ }), fault.StaleLease)
	wantCode(t, try(func(p *store.WorkflowStep) { p.JobID = "job_none" }), fault.StaleLease)
	same(t, "state after refusals", want, plain(t, f.stored().State))
	if err := finishWith(t, s, f.Claimed, job.Succeeded{At: base.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, try(func(*store.WorkflowStep) {}), fault.StaleLease)
	_, _, err := s.WorkflowRuns.Load(t.Context(), f.Job.ID, f.Job.Epoch)
	wantCode(t, err, fault.StaleLease)
	r := f.stored()
	same(t, "ended", base.Add(time.Minute), r.EndedAt)
	same(t, "status", store.WorkflowCompleted, r.Status())
	page, err := s.WorkflowLog.Checkpoints(t.Context(), store.ListCheckpoints{Tenant: tenant, RunID: f.id, Limit: 10})
	if err != nil || len(page.Checkpoints) != 1 {
		t.Errorf("%d checkpoints, %v, want that of the one step", len(page.Checkpoints), err)
	}
}

// retaken ends the attempt of a run as a crash does and claims it again.
func (f *flow) retaken(now time.Time) *flow {
	f.t.Helper()
	if err := finishWith(f.t, f.s, f.Claimed, job.Interrupted{At: now}); err != nil {
		f.t.Fatal(err)
	}
	got := claimAt(f.t, f.s, "a", 1, now).Started
	if len(got) != 1 {
		f.t.Fatalf("claimed %d jobs after a crash", len(got))
	}
	return working(f.t, f.s, got[0])
}

func workflowLoaders(t *testing.T, s store.Store) {
	pool(t, s, 1)
	old := begun(t, s, onCrash(job.CrashRetry))
	old.node("a", workflow.NodeState{Status: workflow.NodeRunning})
	now := old.retaken(base.Add(time.Minute))
	same(t, "what the second one loads", plain(t, old.state), plain(t, now.state))
	_, err := s.WorkflowRuns.Step(t.Context(), old.next(old.with(map[string]workflow.NodeState{"a": {Status: workflow.NodeFailed}})))
	wantCode(t, err, fault.StaleLease)
	_, _, err = s.WorkflowRuns.Load(t.Context(), old.Job.ID, old.Job.Epoch)
	wantCode(t, err, fault.StaleLease)
	_, err = s.WorkflowRuns.Enter(t.Context(), store.EnterWorkflow{RunID: old.id, JobID: old.Job.ID, Epoch: old.Job.Epoch, Key: "k", Limit: 1})
	wantCode(t, err, fault.StaleLease)
	now.completed("a", map[string]any{"x": "1"})
	same(t, "state", plain(t, now.state), plain(t, now.stored().State))
}

func workflowStepRace(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	for range 10 {
		var won atomic.Int32
		together(8, func(i int) {
			after := f.with(map[string]workflow.NodeState{fmt.Sprintf("n%d", i): {Status: workflow.NodeRunning}})
			switch _, err := s.WorkflowRuns.Step(t.Context(), f.next(after)); {
			case err == nil:
				won.Add(1)
			case !fault.Is(err, fault.Conflict):
				t.Errorf("step: %v", err)
			}
		})
		if won.Load() != 1 {
			t.Fatalf("%d steps with one number", won.Load())
		}
		r := f.stored()
		f.seq, f.state = r.Seq, r.State
	}
	same(t, "seq", int64(10), f.seq)
}

func workflowCrashes(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s, onCrash(job.CrashRetry)).retaken(base.Add(time.Minute))
	same(t, "crashes", 1, read(t, s, f.Job.ID).Crashes)
	f.node("a", workflow.NodeState{Status: workflow.NodeRunning})
	same(t, "crashes after a step that begins a node", 1, read(t, s, f.Job.ID).Crashes)
	f.node("a", workflow.NodeState{Status: workflow.NodeCompleted})
	same(t, "crashes after a step that ends one", 0, read(t, s, f.Job.ID).Crashes)
}

func workflowEvents(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	const typ event.Type = "workflow.node.completed"
	events := func(n int) func(*store.WorkflowStep) {
		return func(p *store.WorkflowStep) {
			for i := range n {
				p.Events = append(p.Events, event.Event{Tenant: tenant, Type: typ, At: p.At, JobID: p.JobID, Data: map[string]string{"node_id": fmt.Sprint(i)}})
			}
		}
	}
	hints, stop := s.Events.Watch()
	defer stop()
	f.to(f.state, events(2))
	f.to(f.state, events(7))
	if _, err := s.WorkflowRuns.Step(t.Context(), f.next(f.state, events(1), func(p *store.WorkflowStep) { p.Seq++ })); err == nil {
		t.Error("a step was left out")
	}
	all, err := s.Events.Since(t.Context(), tenant, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(all, func(e event.Event) bool { return e.Type != typ })
	if len(got) != 9 || got[8].Data["node_id"] != "6" || got[0].JobID != f.Job.ID {
		t.Errorf("%d events, want 9: %+v", len(got), got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		select {
		case h := <-hints:
			if h.Topic == store.HintEvents && h.ID == tenant {
				return
			}
		case <-ctx.Done():
			t.Fatal("no hint of the events")
		}
	}
}

func workflowSeed(t *testing.T, s store.Store) {
	pool(t, s, 1)
	seed := workflow.Begin()
	seed.Nodes["a"] = workflow.NodeState{Status: workflow.NodeCompleted, Outcome: "success", Order: 1}
	seed.Outputs["a"], seed.Completed = map[string]any{"x": "1"}, 1
	seed.Maps = map[string]workflow.MapState{"m": {Items: "i", Total: 3, Next: 1}}
	j := flowJob()
	if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{j}, Seeds: []store.WorkflowSeed{{JobID: j.ID, RetryOf: "wfrun_old", State: seed}}}); err != nil {
		t.Fatal(err)
	}
	f := working(t, s, claimOne(t, s))
	same(t, "retry of", "wfrun_old", f.stored().RetryOf)
	same(t, "seq", int64(0), f.seq)
	same(t, "state", plain(t, seed), plain(t, f.state))
	f.node("b", workflow.NodeState{Status: workflow.NodeRunning})
	c, err := s.WorkflowLog.Checkpoint(t.Context(), tenant, f.id, "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "state of the checkpoint", plain(t, f.state), plain(t, c.State))
	plainJob := newJob()
	_, err = s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{plainJob}, Seeds: []store.WorkflowSeed{{JobID: plainJob.ID}}})
	wantCode(t, err, fault.InvalidInput)
}

func workflowRunList(t *testing.T, s store.Store) {
	pool(t, s, 20)
	var all []string
	for i := range 12 {
		at := base.Add(time.Duration(i) * time.Millisecond)
		j := flowJob(func(j *job.Job) {
			j.ID, j.CreatedAt = id.New(id.Job, at), at
			if i%3 == 0 {
				j.Params = []byte(`{"workflow_id":"wf_b","version":1}`)
			}
		})
		add(t, s, j)
		all = append(all, store.WorkflowRunID(j.ID))
	}
	started := claim(t, s, 8)
	for i, c := range started[:6] {
		f := working(t, s, c)
		f.node("a", workflow.NodeState{Status: workflow.NodeRunning})
		switch {
		case i < 2:
			succeed(t, s, c)
		case i < 4:
			if err := finishWith(t, s, c, job.Broke{At: base.Add(time.Second), Failure: job.Failure{Code: "x"}}); err != nil {
				t.Fatal(err)
			}
		case i == 4:
			if err := finishWith(t, s, c, job.Returned{At: base.Add(time.Second)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	newest := func(list ...int) []string {
		out := []string{}
		for _, i := range slices.Backward(list) {
			out = append(out, all[i])
		}
		return out
	}
	for name, tt := range map[string]struct {
		p    store.ListWorkflowRuns
		want []string
	}{
		"all":       {store.ListWorkflowRuns{}, newest(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)},
		"workflow":  {store.ListWorkflowRuns{WorkflowID: "wf_b"}, newest(0, 3, 6, 9)},
		"version":   {store.ListWorkflowRuns{Version: 3}, newest(1, 2, 4, 5, 7, 8, 10, 11)},
		"completed": {store.ListWorkflowRuns{Statuses: []string{store.WorkflowCompleted}}, newest(0, 1)},
		"failed":    {store.ListWorkflowRuns{Statuses: []string{store.WorkflowFailed}, WorkflowID: "wf_b"}, newest(3)},
		"pending":   {store.ListWorkflowRuns{Statuses: []string{store.WorkflowPending}}, newest(8, 9, 10, 11)},
		"waiting":   {store.ListWorkflowRuns{Statuses: []string{store.WorkflowWaiting}}, newest(4)},
		"running":   {store.ListWorkflowRuns{Statuses: []string{store.WorkflowRunning}}, newest(5, 6, 7)},
		"several":   {store.ListWorkflowRuns{Statuses: []string{store.WorkflowRunning, store.WorkflowFailed}}, newest(2, 3, 5, 6, 7)},
	} {
		for _, limit := range []int{2, 3, 50} {
			var got []string
			for p := tt.p; ; {
				p.Tenant, p.Limit = tenant, limit
				page, err := s.WorkflowRuns.List(t.Context(), p)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for _, r := range page.Runs {
					got = append(got, r.ID)
					if r.Job.ID != r.JobID || len(tt.p.Statuses) > 0 && !slices.Contains(tt.p.Statuses, r.Status()) {
						t.Errorf("%s: run of job %q is %s", name, r.Job.ID, r.Status())
					}
				}
				if !page.More {
					break
				}
				p.Before = got[len(got)-1]
			}
			same(t, fmt.Sprintf("%s by %d", name, limit), tt.want, got)
		}
	}
}

func workflowSealed(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s, func(j *job.Job) {
		j.Params = []byte(`{"workflow_id":"wf_a","inputs":{"a":1},"sealed":"geheim","version":3}`)
	}, onCrash(job.CrashRetry)).retaken(base.Add(time.Minute))
	if !strings.Contains(string(read(t, s, f.Job.ID).Params), "geheim") {
		t.Error("the secret inputs are gone before the end")
	}
	succeed(t, s, f.Claimed)
	j := read(t, s, f.Job.ID)
	same(t, "params", `{"inputs":{"a":1},"version":3,"workflow_id":"wf_a"}`, string(j.Params))
	page, err := s.Runs.List(t.Context(), store.ListRuns{Tenant: tenant, JobID: j.ID, Limit: 10})
	if err != nil || len(page.Runs) == 0 {
		t.Fatalf("%d runs, %v", len(page.Runs), err)
	}
	for _, r := range page.Runs {
		if strings.Contains(string(r.Params), "geheim") {
			t.Errorf("run %s keeps %s", r.ID, r.Params)
		}
	}
}

func workflowRetention(t *testing.T, s store.Store) {
	pool(t, s, 2)
	f, stays := begun(t, s), begun(t, s)
	f.completed("a", map[string]any{"x": "1"})
	stays.completed("a", map[string]any{"x": "1"})
	succeed(t, s, f.Claimed)
	got, err := s.Retention.ExpireJobs(t.Context(), base.Add(time.Hour), 10)
	if err != nil || got.Jobs != 1 {
		t.Fatalf("expired %d, %v", got.Jobs, err)
	}
	_, err = s.WorkflowRuns.Run(t.Context(), tenant, f.id)
	wantCode(t, err, fault.NotFound)
	_, err = s.WorkflowLog.Checkpoints(t.Context(), store.ListCheckpoints{Tenant: tenant, RunID: f.id, Limit: 1})
	wantCode(t, err, fault.NotFound)
	same(t, "the other run", plain(t, stays.state), plain(t, stays.stored().State))
}

func workflowTenants(t *testing.T, s store.Store) {
	pool(t, s, 1)
	other := addTenant(t, s, "other").ID
	f := begun(t, s)
	f.node("a", workflow.NodeState{Status: workflow.NodeWaiting, Wait: &workflow.Wait{For: workflow.WaitEvent, Event: "e"}})
	_, err := s.WorkflowRuns.Run(t.Context(), other, f.id)
	wantCode(t, err, fault.NotFound)
	_, err = s.WorkflowLog.Checkpoints(t.Context(), store.ListCheckpoints{Tenant: other, RunID: f.id, Limit: 1})
	wantCode(t, err, fault.NotFound)
	_, err = s.WorkflowLog.Checkpoint(t.Context(), other, f.id, "")
	wantCode(t, err, fault.NotFound)
	_, err = s.WorkflowLog.Attempts(t.Context(), other, f.id, "", 1)
	wantCode(t, err, fault.NotFound)
	_, err = s.WorkflowRuns.Pause(t.Context(), store.PauseWorkflow{Tenant: other, ID: f.id, Paused: true, At: base})
	wantCode(t, err, fault.NotFound)
	wantCode(t, s.WorkflowRuns.Wake(t.Context(), store.WakeNode{Tenant: other, RunID: f.id, NodeID: "a", For: workflow.WaitEvent, At: base}), fault.NotFound)
	page, err := s.WorkflowRuns.List(t.Context(), store.ListWorkflowRuns{Tenant: other, Limit: 10})
	if err != nil || len(page.Runs) > 0 {
		t.Errorf("another tenant sees %d runs, %v", len(page.Runs), err)
	}
	nodes, err := s.WorkflowRuns.Waiting(t.Context(), store.ListWaiting{Tenant: other, Event: "e", Limit: 10})
	if err != nil || len(nodes) > 0 {
		t.Errorf("another tenant sees %d waits, %v", len(nodes), err)
	}
	// A job of another tenant is none that can be waited for.
	j := add(t, s, newJob(func(j *job.Job) { j.Tenant = other }))[0]
	sig := f.node("b", workflow.NodeState{Status: workflow.NodeWaiting, Wait: &workflow.Wait{For: workflow.WaitJob, Ref: j.ID}})
	if len(sig.Woken) != 1 || !strings.Contains(string(sig.Woken[0].Data), "NOT_FOUND") {
		t.Errorf("woken %+v", sig.Woken)
	}
}
