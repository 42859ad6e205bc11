package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

func parkChecks() []check {
	return []check{
		{"Workflows/WakeResumesAParkedRun", parkWake},
		{"Workflows/DecisionAndJobResumeAParkedRun", parkEnds},
		{"Workflows/WakeBeforeTheParkIsNotLost", parkMissed},
		{"Workflows/WakeAndParkMeet", parkRace},
		{"Workflows/PausedRunSleeps", parkPaused},
		{"Workflows/FreePlaceResumesAParkedRun", parkTurn},
		{"Workflows/CancelByKeyResumesAParkedRun", parkCancelled},
	}
}

func resumes(j *job.Job) { j.OnCrash = job.CrashResume }

// park lets a run wait without a slot.
func (f *flow) park(what string) {
	f.t.Helper()
	if err := f.s.Jobs.Finish(f.t.Context(), []store.Finish{f.parking(what)})[0]; err != nil {
		f.t.Fatalf("park: %v", err)
	}
}

func (f *flow) parking(what string) store.Finish {
	f.t.Helper()
	jc, err := job.Apply(read(f.t, f.s, f.Job.ID), job.Parked{At: base.Add(time.Minute), For: what})
	if err != nil {
		f.t.Fatal(err)
	}
	rc, err := run.Apply(f.Run, run.Left{})
	if err != nil {
		f.t.Fatal(err)
	}
	return store.Finish{Job: jc, Run: rc}
}

func (f *flow) parked() bool {
	f.t.Helper()
	j := read(f.t, f.s, f.Job.ID)
	if j.State != job.Queued {
		f.t.Fatalf("the job is %s", j.State)
	}
	return j.Parked != ""
}

// resumed claims a run that goes on.
func (f *flow) resumed() *flow {
	f.t.Helper()
	got := claimAt(f.t, f.s, "a", 1, base.Add(2*time.Minute)).Started
	if len(got) != 1 || got[0].Job.ID != f.Job.ID {
		f.t.Fatalf("claimed %v, want %s", claimedIDs(got), f.Job.ID)
	}
	n := working(f.t, f.s, got[0])
	same(f.t, "run", f.Run.ID, n.Run.ID)
	same(f.t, "state", plain(f.t, f.state), plain(f.t, n.state))
	return n
}

func (f *flow) wake(node string) {
	f.t.Helper()
	if err := f.s.WorkflowRuns.Wake(f.t.Context(), store.WakeNode{
		Tenant: tenant, RunID: f.id, NodeID: node, For: workflow.WaitEvent, Data: json.RawMessage(`{}`), At: base.Add(time.Minute),
	}); err != nil {
		f.t.Fatalf("wake: %v", err)
	}
}

func anEvent() workflow.NodeState { return waitFor(workflow.Wait{For: workflow.WaitEvent, Event: "e"}) }

func parkWake(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s, resumes)
	f.node("a", anEvent())
	f.park("event")
	if !f.parked() {
		t.Fatal("it is not parked")
	}
	same(t, "status", store.WorkflowWaiting, f.stored().Status())
	f.wake("a")
	if f.parked() {
		t.Fatal("it is parked still")
	}
	f = f.resumed()
	if len(f.woken()) != 1 {
		t.Errorf("woken %v", f.woken())
	}
	f.node("a", workflow.NodeState{Status: workflow.NodeCompleted})
	f.node("b", anEvent())
	f.park("event")
	if !f.parked() {
		t.Error("what was read woke it again")
	}
}

func parkEnds(t *testing.T, s store.Store) {
	pool(t, s, 2)
	f := begun(t, s, resumes)
	r := nodeAsks(t, s)
	f.node("a", waitFor(workflow.Wait{For: workflow.WaitApproval, Ref: r.ID}))
	f.park("approval")
	if _, err := decide(t, s, r, "ann", true); err != nil {
		t.Fatal(err)
	}
	f = f.resumed()
	f.node("a", workflow.NodeState{Status: workflow.NodeCompleted})
	j := add(t, s, newJob())[0]
	c := claimOne(t, s)
	same(t, "claimed", j.ID, c.Job.ID)
	f.node("b", waitFor(workflow.Wait{For: workflow.WaitJob, Ref: j.ID}))
	f.park("job")
	if !f.parked() {
		t.Fatal("it is not parked")
	}
	succeed(t, s, c)
	if f.parked() {
		t.Error("the end of the job does not wake it")
	}
}

func parkMissed(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s, resumes)
	f.node("a", anEvent())
	f.wake("a") // the engine has not looked since
	f.park("event")
	if f.parked() {
		t.Fatal("the wake is lost")
	}
	f.resumed()
}

func parkRace(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s, resumes)
	for i := range 30 {
		f.node("a", anEvent())
		p := f.parking("event")
		together(2, func(who int) {
			if who == 0 {
				f.wake("a")
			} else if err := s.Jobs.Finish(t.Context(), []store.Finish{p})[0]; err != nil {
				t.Errorf("park: %v", err)
			}
		})
		if t.Failed() || f.parked() {
			t.Fatalf("round %d: the wake is lost", i)
		}
		f = f.resumed()
		f.node("a", workflow.NodeState{Status: workflow.NodeCompleted})
	}
}

func parkPaused(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s, resumes)
	pause := func(paused bool) {
		t.Helper()
		if _, err := s.WorkflowRuns.Pause(t.Context(), store.PauseWorkflow{Tenant: tenant, ID: f.id, Paused: paused, By: "ann", At: base}); err != nil {
			t.Fatal(err)
		}
	}
	f.node("a", anEvent())
	pause(true)
	f.wake("a")
	f.park("paused")
	if !f.parked() {
		t.Fatal("a paused run works")
	}
	pause(false)
	if f.parked() {
		t.Fatal("it sleeps on")
	}
	f = f.resumed()
	f.node("a", workflow.NodeState{Status: workflow.NodeCompleted})
	pause(true)
	pause(false) // before it could park
	f.park("paused")
	if f.parked() {
		t.Fatal("it sleeps although it is not paused any more")
	}
	f = f.resumed()
	f.node("b", anEvent())
	f.park("event")
	pause(true)
	f.wake("b")
	if !f.parked() {
		t.Error("a paused run was woken")
	}
	pause(false)
	if f.parked() {
		t.Error("what came during the pause is lost")
	}
}

func parkTurn(t *testing.T, s store.Store) {
	pool(t, s, 3)
	a, b, c := begun(t, s, resumes), begun(t, s, resumes), begun(t, s, resumes)
	if b.id > c.id { // ids of one millisecond are in no order
		b, c = c, b
	}
	const queue = workflow.ConflictQueue
	if !a.enter("k", 1, queue).Granted || b.enter("k", 1, queue).Granted || c.enter("k", 1, queue).Granted {
		t.Fatal("one place for one run")
	}
	b.park("turn")
	if !b.parked() {
		t.Fatal("it is not parked")
	}
	// A holder keeps its place while it is parked.
	a.node("x", anEvent())
	a.park("event")
	if !b.parked() {
		t.Fatal("a parked run gave its place away")
	}
	a.wake("x")
	a = a.resumed()
	succeed(t, s, a.Claimed)
	b = b.resumed()
	if !b.enter("k", 1, queue).Granted {
		t.Fatal("it was woken and has no place")
	}
	succeed(t, s, b.Claimed)
	c.park("turn") // the place came before
	if c.parked() {
		t.Error("it sleeps although it has a place")
	}
}

func parkCancelled(t *testing.T, s store.Store) {
	pool(t, s, 2)
	a, b := begun(t, s, resumes), begun(t, s, resumes)
	const stop = workflow.ConflictCancelOldest
	if !a.enter("k", 1, stop).Granted {
		t.Fatal("no place")
	}
	a.node("x", anEvent())
	a.park("event")
	if b.enter("k", 1, stop).Granted {
		t.Fatal("the place is free before its holder has ended")
	}
	if a.parked() {
		t.Fatal("the holder sleeps on")
	}
	b.park("turn")
	a = a.resumed()
	same(t, "cancelled by", "workflow concurrency", a.Job.CancelledBy)
	if err := finishWith(t, s, a.Claimed, job.Broke{At: base, Failure: job.Failure{Code: job.CodeCancelled}}); err != nil {
		t.Fatal(err)
	}
	same(t, "end", job.Cancelled, read(t, s, a.Job.ID).State)
	if b = b.resumed(); !b.enter("k", 1, stop).Granted {
		t.Error("the newcomer has no place")
	}
}
