package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// workflowTogether: steps that are written at once are as those that are written one
// after the other: state, outputs, checkpoints, attempts, events. They are fenced as
// one, and there are all of them or none.
func workflowTogether(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	f.node("z", workflow.NodeState{Status: workflow.NodeRunning, Attempt: 1})
	const many = 40 // more than one statement can take
	list, state := f.ahead(many)
	seq := list[many-1].Seq
	last := list[many-1]
	last.Before = list[:many-1]
	for what, edit := range map[string]func(*store.WorkflowStep){
		"of another attempt": func(p *store.WorkflowStep) { p.Epoch++ },
		"that leave one out": func(p *store.WorkflowStep) { p.Before = p.Before[1:] },
		"that come twice": func(p *store.WorkflowStep) {
			p.Before = append([]store.WorkflowStep{list[0]}, p.Before...)
			p.Before[0].Seq--
		},
	} {
		p := last
		edit(&p)
		if _, err := s.WorkflowRuns.Step(t.Context(), p); !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.StaleLease) {
			t.Errorf("steps %s: %v", what, err)
		}
	}
	if r := f.stored(); r.Seq != f.seq {
		t.Fatalf("step %d after refusals, want %d", r.Seq, f.seq)
	}
	if _, err := s.WorkflowRuns.Step(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	r := f.stored()
	same(t, "seq", seq, r.Seq)
	same(t, "state", plain(t, state), plain(t, r.State))
	page, err := s.WorkflowLog.Checkpoints(t.Context(), store.ListCheckpoints{Tenant: tenant, RunID: f.id, Limit: 200})
	if err != nil || len(page.Checkpoints) != many+1 {
		t.Fatalf("%d checkpoints, %v, want %d", len(page.Checkpoints), err, many+1)
	}
	// In the middle: the tenth node is at work, those before it have their outputs.
	half, err := s.WorkflowLog.Checkpoint(t.Context(), tenant, f.id, list[18].CheckpointID)
	if err != nil {
		t.Fatal(err)
	}
	if got := half.State; got.Status("n09") != workflow.NodeRunning || got.Status("n10") != "" && got.Status("n10") != workflow.NodePending ||
		got.Outputs["n08"]["x"] != "17" || got.Outputs["n09"] != nil {
		t.Errorf("state at checkpoint %d: %s", half.Seq, plain(t, got))
	}
	attempts, err := s.WorkflowLog.Attempts(t.Context(), tenant, f.id, "n03", 10)
	if err != nil || len(attempts) != 1 || attempts[0].Status != workflow.NodeCompleted {
		t.Errorf("attempts %+v, %v", attempts, err)
	}
	evs, err := s.Events.Since(t.Context(), tenant, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range evs {
		if e.Type != event.WorkflowNodeCompleted {
			continue
		}
		if want := fmt.Sprint(list[n].Seq); e.Data["step"] != want {
			t.Errorf("event %d is of step %s, want %s", n, e.Data["step"], want)
		}
		n++
	}
	same(t, "events", many, n)
	f.seq, f.state = seq, state
	f.completed("z", map[string]any{"done": true})
	same(t, "after", plain(t, f.state), plain(t, f.stored().State))
}

// ahead are the next n steps of a run, and the state after them. Each node begins in one
// step and ends in the next. Nothing is written.
func (f *flow) ahead(n int) (list []store.WorkflowStep, state workflow.State) {
	state, seq := f.state, f.seq
	for i := range n {
		after := state.Clone()
		node := fmt.Sprintf("n%02d", i/2)
		ns := workflow.NodeState{Status: workflow.NodeRunning, Attempt: 1}
		if i%2 == 1 {
			ns.Status, ns.Outcome = workflow.NodeCompleted, "success"
			after.Outputs[node] = map[string]any{"x": fmt.Sprint(i)}
			after.Completed++
		}
		after.Nodes[node] = ns
		seq++
		at := base.Add(time.Duration(seq) * time.Second)
		list = append(list, store.WorkflowStep{
			RunID: f.id, JobID: f.Job.ID, Epoch: f.Job.Epoch, Seq: seq, CheckpointID: fmt.Sprintf("cp_%s_%d", f.id, seq), NodeID: node, At: at,
			Delta:    workflow.Difference(state, after, nil),
			Attempts: []store.NodeAttempt{{RunID: f.id, NodeID: node, Number: 1, Epoch: f.Job.Epoch, StartedAt: at, Status: ns.Status, Outcome: ns.Outcome}},
			Events:   []event.Event{{Tenant: tenant, Type: event.WorkflowNodeCompleted, At: at, JobID: f.Job.ID, Data: map[string]string{"node_id": node, "step": fmt.Sprint(seq)}}},
		})
		state = after
	}
	return list, state
}

// workflowLast: the last step of a run and the end of its job are written together, or
// neither is.
func workflowLast(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s, onCrash(job.CrashRetry))
	f.node("a", workflow.NodeState{Status: workflow.NodeRunning, Attempt: 1})
	f = f.retaken(base.Add(time.Minute))
	same(t, "crashes", 1, read(t, s, f.Job.ID).Crashes)
	after := f.state.Clone()
	after.Nodes["a"] = workflow.NodeState{Status: workflow.NodeCompleted, Outcome: "success", Attempt: 1}
	after.Phase, after.Result = workflow.PhaseOver, workflow.ResultCompleted
	last := f.next(after, func(p *store.WorkflowStep) {
		p.Events = []event.Event{{Tenant: tenant, Type: event.WorkflowRunCompleted, At: base, JobID: f.Job.ID, Data: map[string]string{"step": "last"}}}
	})
	end := func(c store.Claimed, edit ...func(*store.WorkflowStep)) error {
		p := last
		for _, e := range edit {
			e(&p)
		}
		fin := ending(t, c, job.Succeeded{At: base.Add(3 * time.Minute)})
		fin.Last = &p
		return s.Jobs.Finish(t.Context(), []store.Finish{fin})[0]
	}
	wantCode(t, end(f.Claimed, func(p *store.WorkflowStep) { p.Seq++ }), fault.InvalidInput)
	wantCode(t, end(f.Claimed, func(p *store.WorkflowStep) { p.Epoch-- }), fault.StaleLease)
	wantCode(t, end(f.Claimed, func(p *store.WorkflowStep) { p.Delta.Outputs = map[string]map[string]any{"a": {"x": make(chan int)}} }), fault.InvalidInput)
	// A person has changed the job since it was claimed: the end is refused, and with it
	// the step.
	old := f.Claimed
	f.Job = mustMove(t, s, f.Job, job.CancelAsked{At: base.Add(2 * time.Minute), By: "ann"})
	wantCode(t, end(old), fault.Conflict)
	if r := f.stored(); !r.EndedAt.IsZero() || r.Seq != f.seq || r.State.Phase == workflow.PhaseOver || read(t, s, f.Job.ID).State != job.Running {
		t.Fatalf("after refusals the run is at step %d, %s, and the job %s", r.Seq, r.State.Phase, read(t, s, f.Job.ID).State)
	}
	if err := end(f.Claimed); err != nil {
		t.Fatal(err)
	}
	r, j := f.stored(), read(t, s, f.Job.ID)
	if !r.EndedAt.Equal(base.Add(3*time.Minute)) || !j.FinishedAt.Equal(r.EndedAt) {
		t.Errorf("the run ended at %v, its job at %v", r.EndedAt, j.FinishedAt)
	}
	if r.Seq != last.Seq || r.State.Phase != workflow.PhaseOver || r.State.Status("a") != workflow.NodeCompleted || j.State != job.Completed || j.Crashes != 0 {
		t.Errorf("step %d, %s, a is %s, the job %s with %d crashes", r.Seq, r.State.Phase, r.State.Status("a"), j.State, j.Crashes)
	}
	// The run's end is told before the job's.
	evs := since(t, s, 0)
	i := slices.IndexFunc(evs, func(e event.Event) bool { return e.Type == event.WorkflowRunCompleted })
	k := slices.IndexFunc(evs, func(e event.Event) bool { return e.Type == event.JobRunCompleted })
	if i < 0 || k < i {
		t.Errorf("the run's end is event %d, the job's %d", i, k)
	}
	wantCode(t, end(f.Claimed), fault.StaleLease)
}

// workflowLasts: runs that end at the same time each end as if they were alone: those
// that are refused are, the others are not held up.
func workflowLasts(t *testing.T, s store.Store) {
	endFlows(t, s, func(ends []store.Finish) []error {
		errs := make([]error, len(ends))
		together(len(ends), func(i int) { errs[i] = s.Jobs.Finish(t.Context(), ends[i:i+1])[0] })
		return errs
	})
}

// workflowLastsAtOnce: so do those that are given in one call.
func workflowLastsAtOnce(t *testing.T, s store.Store) {
	endFlows(t, s, func(ends []store.Finish) []error { return s.Jobs.Finish(t.Context(), ends) })
}

func endFlows(t *testing.T, s store.Store, finish func([]store.Finish) []error) {
	t.Helper()
	const many = 24
	pool(t, s, many)
	flows := make([]*flow, many)
	for i := range flows {
		flows[i] = begun(t, s)
	}
	want := func(i int) fault.Code {
		return []fault.Code{"", "", "", fault.StaleLease, "", fault.InvalidInput, "", fault.Conflict}[i%8]
	}
	ends := make([]store.Finish, many)
	for i, f := range flows {
		after := f.with(map[string]workflow.NodeState{"a": {Status: workflow.NodeCompleted, Outcome: fmt.Sprint("o", i), Attempt: 1}})
		after.Outputs["a"] = map[string]any{"i": fmt.Sprint(i)}
		after.Phase, after.Result = workflow.PhaseOver, workflow.ResultCompleted
		p := f.next(after, func(p *store.WorkflowStep) {
			p.Events = []event.Event{{Tenant: tenant, Type: event.WorkflowRunCompleted, At: base, JobID: f.Job.ID, Data: map[string]string{"step": fmt.Sprint(p.Seq)}}}
			p.Attempts = []store.NodeAttempt{{RunID: f.id, NodeID: "a", Number: 1, Epoch: f.Job.Epoch, StartedAt: base, Status: workflow.NodeCompleted}}
		})
		ends[i] = ending(t, f.Claimed, job.Succeeded{At: base.Add(time.Minute)})
		switch code := want(i); {
		case code == fault.StaleLease:
			p.Epoch--
		case code == fault.InvalidInput:
			p.Seq += 2
		case code == fault.Conflict:
			mustMove(t, s, f.Job, job.CancelAsked{At: base.Add(time.Second), By: "ann"})
		}
		ends[i].Last = &p
	}
	errs := finish(ends)
	evs := since(t, s, 0)
	for i, f := range flows {
		r, j := f.stored(), read(t, s, f.Job.ID)
		if code := want(i); code != "" {
			wantCode(t, errs[i], code)
			if r.Seq != 0 || j.State != job.Running || !r.EndedAt.IsZero() {
				t.Errorf("run %d: refused with %s, and at step %d, its job %s", i, code, r.Seq, j.State)
			}
			continue
		}
		if errs[i] != nil || r.Seq != 1 || !r.EndedAt.Equal(base.Add(time.Minute)) || r.State.Nodes["a"].Outcome != fmt.Sprint("o", i) || r.State.Outputs["a"]["i"] != fmt.Sprint(i) || j.State != job.Completed {
			t.Errorf("run %d: %v, step %d, %s, job %s", i, errs[i], r.Seq, plain(t, r.State), j.State)
		}
		if a, err := s.WorkflowLog.Attempts(t.Context(), tenant, f.id, "a", 10); err != nil || len(a) != 1 {
			t.Errorf("run %d has the attempts %+v, %v", i, a, err)
		}
		run := slices.IndexFunc(evs, func(e event.Event) bool { return e.Type == event.WorkflowRunCompleted && e.JobID == f.Job.ID })
		end := slices.IndexFunc(evs, func(e event.Event) bool { return e.Type == event.JobRunCompleted && e.JobID == f.Job.ID })
		if run < 0 || end < run {
			t.Errorf("run %d: its end is event %d, its job's %d", i, run, end)
		}
	}
	// The lists by status have them where they belong.
	for status, n := range map[string]int{store.WorkflowCompleted: many * 5 / 8, store.WorkflowRunning: many * 3 / 8} {
		page, err := s.WorkflowRuns.List(t.Context(), store.ListWorkflowRuns{Tenant: tenant, Statuses: []string{status}, Limit: 100})
		if err != nil || len(page.Runs) != n {
			t.Errorf("%d runs are %s, want %d (%v)", len(page.Runs), status, n, err)
		}
	}
}
