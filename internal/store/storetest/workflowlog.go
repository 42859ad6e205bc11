package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

func logChecks() []check {
	return []check{
		{"Workflows/CheckpointHasTheStateOfThen", workflowCheckpoint},
		{"Workflows/ItemsKeepTheLatestCheckpoints", workflowItems},
		{"Workflows/ForgetShortensTheLog", workflowForget},
		{"Workflows/AttemptsAreReplaced", workflowAttempts},
		{"Workflows/LostAttemptsStayLost", lostAttempts},
	}
}

func workflowCheckpoint(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	var then []workflow.State
	note := func() { then = append(then, f.state) }
	f.completed("a", map[string]any{"v": "a1"})
	note()
	m := f.state.Clone()
	m.Maps, m.Context["k"] = map[string]workflow.MapState{"m": {Items: "i", Total: 2}}, "v"
	f.to(m)
	note()
	f.completed("b", map[string]any{"v": "b1"})
	note()
	back := f.state.Clone()
	back.Nodes["a"] = workflow.NodeState{Status: workflow.NodePending}
	delete(back.Outputs, "a")
	delete(back.Maps, "m")
	f.to(back)
	note()
	f.completed("a", map[string]any{"v": "a2"})
	note()
	page, err := s.WorkflowLog.Checkpoints(t.Context(), store.ListCheckpoints{Tenant: tenant, RunID: f.id, Limit: 3})
	if err != nil || len(page.Checkpoints) != 3 || !page.More || page.Checkpoints[0].Seq != 5 {
		t.Fatalf("page %+v, %v", page, err)
	}
	rest, err := s.WorkflowLog.Checkpoints(t.Context(), store.ListCheckpoints{Tenant: tenant, RunID: f.id, BeforeSeq: page.Checkpoints[2].Seq, Limit: 3})
	if err != nil || len(rest.Checkpoints) != 2 || rest.More {
		t.Fatalf("page %+v, %v", rest, err)
	}
	for _, c := range append(page.Checkpoints, rest.Checkpoints...) {
		got, err := s.WorkflowLog.Checkpoint(t.Context(), tenant, f.id, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := then[c.Seq-1].Clone()
		if c.Seq < 5 {
			delete(want.Outputs, "a") // it ran again
		}
		same(t, fmt.Sprintf("state of step %d", c.Seq), plain(t, want), plain(t, got.State))
		same(t, "at", base.Add(time.Duration(c.Seq)*time.Second), got.At)
	}
	last, err := s.WorkflowLog.Checkpoint(t.Context(), tenant, f.id, "")
	if err != nil || last.Seq != 5 {
		t.Errorf("the latest is %d, %v", last.Seq, err)
	}
	_, err = s.WorkflowLog.Checkpoint(t.Context(), tenant, f.id, "cp_none")
	wantCode(t, err, fault.NotFound)
}

// item makes a step about an item of the map m.
func (f *flow) item(i int) {
	f.t.Helper()
	after := f.state.Clone()
	after.Maps = map[string]workflow.MapState{"m": {Items: "i", Total: 1000, Next: i}}
	f.to(after, func(p *store.WorkflowStep) { p.Item, p.NodeID = true, "m" })
}

func workflowItems(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	f.node("m", workflow.NodeState{Status: workflow.NodeRunning})
	const more = 7
	for i := range store.KeepItems + more {
		f.item(i + 1)
	}
	f.node("m", workflow.NodeState{Status: workflow.NodeCompleted})
	page, err := s.WorkflowLog.Checkpoints(t.Context(), store.ListCheckpoints{Tenant: tenant, RunID: f.id, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "checkpoints", store.KeepItems+2, len(page.Checkpoints))
	same(t, "the oldest of an item", int64(more+2), page.Checkpoints[len(page.Checkpoints)-2].Seq)
	c, err := s.WorkflowLog.Checkpoint(t.Context(), tenant, f.id, "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "state", plain(t, f.state), plain(t, c.State))
}

func workflowForget(t *testing.T, s store.Store) {
	pool(t, s, 2)
	f, open := begun(t, s), begun(t, s)
	var then []workflow.State
	for i := range 20 {
		f.node(fmt.Sprintf("n%02d", i), workflow.NodeState{Status: workflow.NodeRunning})
		open.node("a", workflow.NodeState{Status: workflow.NodeRunning, Attempt: i})
		then = append(then, f.state)
	}
	succeed(t, s, f.Claimed)
	total := 0
	for _, want := range []int{6, 6, 3, 0} {
		n, err := s.WorkflowLog.Forget(t.Context(), store.ForgetCheckpoints{Before: base.Add(time.Hour), Keep: 5, Limit: 6})
		if err != nil || n != want {
			t.Fatalf("forgot %d, %v, want %d", n, err, want)
		}
		total += n
	}
	page, err := s.WorkflowLog.Checkpoints(t.Context(), store.ListCheckpoints{Tenant: tenant, RunID: f.id, Limit: 100})
	if err != nil || len(page.Checkpoints) != 5 {
		t.Fatalf("%d are left, %v", len(page.Checkpoints), err)
	}
	for _, c := range page.Checkpoints {
		got, err := s.WorkflowLog.Checkpoint(t.Context(), tenant, f.id, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprintf("state of step %d", c.Seq), plain(t, then[c.Seq-1]), plain(t, got.State))
	}
	page, err = s.WorkflowLog.Checkpoints(t.Context(), store.ListCheckpoints{Tenant: tenant, RunID: open.id, Limit: 100})
	if err != nil || len(page.Checkpoints) != 20 {
		t.Errorf("a run that goes on has %d checkpoints, %v", len(page.Checkpoints), err)
	}
}

func workflowAttempts(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	first := store.NodeAttempt{RunID: f.id, NodeID: "a", Number: 1, Epoch: f.Job.Epoch, StartedAt: base, Status: workflow.NodeRunning}
	write := func(as ...store.NodeAttempt) { f.to(f.state, func(p *store.WorkflowStep) { p.Attempts = as }) }
	write(first)
	done := first
	done.EndedAt, done.Status, done.Error = base.Add(time.Second), workflow.NodeFailed, &workflow.Failure{Code: "x", Message: "m"}
	second := store.NodeAttempt{RunID: f.id, NodeID: "a", Number: 2, Epoch: f.Job.Epoch, StartedAt: base.Add(time.Minute), Status: workflow.NodeRunning}
	other := store.NodeAttempt{RunID: f.id, NodeID: "b", Number: 1, Epoch: f.Job.Epoch, StartedAt: base.Add(time.Hour), Status: workflow.NodeCompleted, Outcome: "success"}
	write(done, second, other)
	for node, want := range map[string][]store.NodeAttempt{"": {done, second, other}, "a": {done, second}, "b": {other}, "c": nil} {
		got, err := s.WorkflowLog.Attempts(t.Context(), tenant, f.id, node, 10)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "attempts of "+node, want, got)
	}
	got, err := s.WorkflowLog.Attempts(t.Context(), tenant, f.id, "", 2)
	if err != nil || len(got) != 2 {
		t.Errorf("%d attempts, %v, want 2", len(got), err)
	}
}

// lostAttempts: what is written of an attempt when it is found to be lost keeps the server
// that had begun it; what is said of it later changes neither that nor when it ended, and
// the one that follows is another one. Others name the server that had them last.
func lostAttempts(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	write := func(as ...store.NodeAttempt) { f.to(f.state, func(p *store.WorkflowStep) { p.Attempts = as }) }
	read := func(node string) []store.NodeAttempt {
		t.Helper()
		got, err := s.WorkflowLog.Attempts(t.Context(), tenant, f.id, node, 10)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	began := func(node string, number int, at time.Time) store.NodeAttempt {
		return store.NodeAttempt{RunID: f.id, NodeID: node, Number: number, Epoch: 1, StartedAt: at, Status: workflow.NodeRunning, Instance: "inst_a"}
	}
	a, b, c := began("a", 1, base), began("b", 1, base), began("c", 1, base)
	write(a, b, c)
	same(t, "what has begun", []store.NodeAttempt{a, b, c}, read(""))

	lost := func(x store.NodeAttempt, is workflow.NodeStatus, by workflow.CutOff) store.NodeAttempt {
		x.EndedAt, x.Status, x.Lost, x.Instance = base.Add(time.Minute), is, by, ""
		return x
	}
	next := began("a", 2, base.Add(time.Minute))
	next.Epoch, next.Instance = 2, "inst_b"
	write(lost(a, workflow.NodeReady, workflow.CutOffCrash), next, lost(b, workflow.NodeWaiting, workflow.CutOffShutdown))
	a, b = lost(a, workflow.NodeReady, workflow.CutOffCrash), lost(b, workflow.NodeWaiting, workflow.CutOffShutdown)
	a.Instance, b.Instance = "inst_a", "inst_a"
	same(t, "a lost one and the next", []store.NodeAttempt{a, next}, read("a"))
	same(t, "one that waits for a word", []store.NodeAttempt{b}, read("b"))

	said := began("b", 1, base) // by a person, on another server
	said.Epoch, said.Instance, said.EndedAt = 3, "inst_b", base.Add(time.Hour)
	said.Status, said.Error = workflow.NodeFailed, &workflow.Failure{Code: "outcome_unknown", Message: "m"}
	moved := c // parked there, gone on with here
	moved.Epoch, moved.Instance, moved.EndedAt, moved.Status, moved.Outcome = 3, "inst_b", base.Add(time.Hour), workflow.NodeCompleted, "success"
	write(said, moved)
	b.Status, b.Error = said.Status, said.Error
	same(t, "what a person says of it", []store.NodeAttempt{b}, read("b"))
	same(t, "one that went on elsewhere", []store.NodeAttempt{moved}, read("c"))
}
