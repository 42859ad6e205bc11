package storetest

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

func waitChecks() []check {
	return []check{
		{"Workflows/WakeEndsAWait", wakeEnds},
		{"Workflows/WaitsForAnEventArePaged", waitsPaged},
		{"Workflows/DecisionWakes", decisionWakes},
		{"Workflows/ReplacedApprovalIsFollowed", replacedFollowed},
		{"Workflows/EndOfAJobWakes", jobWakes},
		{"Workflows/WhatHasEndedWakesAtOnce", endedWakes},
		{"Workflows/WakeAndWaitMeet", wakeRace},
		{"Workflows/EndsTogetherWakeAll", wakeTogether},
		{"Workflows/PauseAndGoOn", workflowPause},
		{"Workflows/KeySkips", keySkips},
		{"Workflows/KeyQueuesByAge", keyQueues},
		{"Workflows/KeyCancelsTheOldest", keyCancels},
		{"Workflows/KeyRace", turnRace},
	}
}

func waitFor(w workflow.Wait) workflow.NodeState {
	return workflow.NodeState{Status: workflow.NodeWaiting, Attempt: 1, Wait: &w}
}

// woken returns what the signals of a run say woke, by node.
func (f *flow) woken() map[string]map[string]any {
	f.t.Helper()
	sig, err := f.s.WorkflowRuns.Signals(f.t.Context(), []string{f.id})
	if err != nil {
		f.t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for _, n := range sig[f.id].Woken {
		var data map[string]any
		if err := json.Unmarshal(n.Data, &data); err != nil {
			f.t.Errorf("data %s: %v", n.Data, err)
		}
		out[n.NodeID] = data
	}
	return out
}

func wakeEnds(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	if sig := f.node("a", waitFor(workflow.Wait{For: workflow.WaitEvent, Event: "paid", Match: "x"})); len(sig.Woken) > 0 {
		t.Errorf("woken at once: %+v", sig.Woken)
	}
	f.node("b", waitFor(workflow.Wait{For: workflow.WaitPerson, Ref: "r"}))
	wake := func(node string, w workflow.WaitFor, ref, data string) error {
		return s.WorkflowRuns.Wake(t.Context(), store.WakeNode{
			Tenant: tenant, RunID: f.id, NodeID: node, For: w, Ref: ref, Data: json.RawMessage(data), At: base.Add(time.Minute),
		})
	}
	wantCode(t, wake("a", workflow.WaitApproval, "", `{}`), fault.Conflict)
	wantCode(t, wake("b", workflow.WaitPerson, "other", `{}`), fault.Conflict)
	wantCode(t, wake("c", workflow.WaitEvent, "", `{}`), fault.Conflict)
	if err := wake("a", workflow.WaitEvent, "", `{"n":"1"}`); err != nil {
		t.Fatal(err)
	}
	wantCode(t, wake("a", workflow.WaitEvent, "", `{"n":"2"}`), fault.Conflict)
	same(t, "woken", map[string]map[string]any{"a": {"n": "1"}}, f.woken())
	want := []store.WokenNode{{NodeID: "a", For: workflow.WaitEvent, Data: json.RawMessage(`{"n":"1"}`), At: base.Add(time.Minute)}}
	same(t, "woken, as a step says", want, f.node("c", workflow.NodeState{Status: workflow.NodeRunning}).Woken)
	_, sig, err := s.WorkflowRuns.Load(t.Context(), f.Job.ID, f.Job.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "woken, as a loader learns", want, sig.Woken)
	// It waits for another one.
	if sig := f.node("a", waitFor(workflow.Wait{For: workflow.WaitEvent, Event: "paid", Match: "y"})); len(sig.Woken) > 0 {
		t.Errorf("woken %+v by what was read", sig.Woken)
	}
	if err := wake("b", workflow.WaitPerson, "r", `{}`); err != nil {
		t.Fatal(err)
	}
	if sig := f.node("b", workflow.NodeState{Status: workflow.NodeCompleted}); len(sig.Woken) > 0 {
		t.Errorf("woken %+v, which waits no more", sig.Woken)
	}
	same(t, "left", map[string]map[string]any{}, f.woken())
}

func waitsPaged(t *testing.T, s store.Store) {
	pool(t, s, 5)
	until := base.Add(time.Hour)
	var want []string
	for range 3 {
		f := begun(t, s)
		f.node("b", waitFor(workflow.Wait{For: workflow.WaitEvent, Event: "paid", Match: "m", Until: until}))
		f.node("a", waitFor(workflow.Wait{For: workflow.WaitEvent, Event: "paid"}))
		f.node("c", waitFor(workflow.Wait{For: workflow.WaitEvent, Event: "other"}))
		want = append(want, f.id)
	}
	p := store.ListWaiting{Tenant: tenant, Event: "paid", Limit: 4}
	got, err := s.WorkflowRuns.Waiting(t.Context(), p)
	if err != nil || len(got) != 4 {
		t.Fatalf("%d nodes, %v", len(got), err)
	}
	p.AfterRun, p.AfterNodeID = got[3].RunID, got[3].NodeID
	rest, err := s.WorkflowRuns.Waiting(t.Context(), p)
	if err != nil || len(rest) != 2 {
		t.Fatalf("%d more nodes, %v", len(rest), err)
	}
	seen := map[string]int{}
	for _, n := range append(got, rest...) {
		seen[n.RunID]++
	}
	for _, id := range want {
		same(t, "waits of "+id, 2, seen[id])
	}
	same(t, "node", store.WaitingNode{
		RunID: got[1].RunID, NodeID: "b", WorkflowID: "wf_a", Version: 3, Wait: workflow.Wait{For: workflow.WaitEvent, Event: "paid", Match: "m", Until: until},
	}, got[1])
	if err := s.WorkflowRuns.Wake(t.Context(), store.WakeNode{Tenant: tenant, RunID: got[0].RunID, NodeID: "a", For: workflow.WaitEvent, Data: json.RawMessage(`{}`), At: base}); err != nil {
		t.Fatal(err)
	}
	if got, _ = s.WorkflowRuns.Waiting(t.Context(), store.ListWaiting{Tenant: tenant, Event: "paid", Limit: 10}); len(got) != 5 {
		t.Errorf("%d nodes wait after one woke, want 5", len(got))
	}
}

// nodeAsks makes a request that a node of a workflow asks.
func nodeAsks(t testing.TB, s store.Store) approval.Request {
	t.Helper()
	r := question(t, "", func(r *approval.Request) { r.Subject = approval.Subject{Type: "workflow_run", ID: r.ID} })
	if _, err := s.Approvals.Create(t.Context(), store.CreateApproval{Request: r}); err != nil {
		t.Fatal(err)
	}
	return r
}

func decisionWakes(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	yes, no, late := nodeAsks(t, s), nodeAsks(t, s), nodeAsks(t, s)
	for node, r := range map[string]approval.Request{"yes": yes, "no": no, "late": late} {
		f.node(node, waitFor(workflow.Wait{For: workflow.WaitApproval, Ref: r.ID}))
	}
	if _, err := decide(t, s, yes, "ann", true); err != nil {
		t.Fatal(err)
	}
	if _, err := decide(t, s, no, "bob", false); err != nil {
		t.Fatal(err)
	}
	got := f.woken()
	if len(got) != 2 {
		t.Fatalf("woken: %v", got)
	}
	for node, want := range map[string][]string{"yes": {"APPROVED", "approved", "ann"}, "no": {"REJECTED", "rejected", "bob"}} {
		d := got[node]
		same(t, node, append(want, "c"), []string{fmt.Sprint(d["status"]), fmt.Sprint(d["decision"]), fmt.Sprint(d["by"]), fmt.Sprint(d["comment"])})
	}
	if _, err := s.Approvals.Expire(t.Context(), store.ExpireApprovals{Now: late.ExpiresAt, Limit: 10}); err != nil {
		t.Fatal(err)
	}
	same(t, "expired", "EXPIRED", fmt.Sprint(f.woken()["late"]["status"]))
}

func replacedFollowed(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	r := nodeAsks(t, s)
	f.node("a", waitFor(workflow.Wait{For: workflow.WaitApproval, Ref: r.ID}))
	n := again(t, r)
	if _, err := s.Approvals.Rerequest(t.Context(), store.RerequestApproval{New: n, ContentHash: r.ContentHash, Now: base.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	same(t, "woken by a replacement", map[string]map[string]any{}, f.woken())
	// Who comes late follows too.
	if sig := f.node("b", waitFor(workflow.Wait{For: workflow.WaitApproval, Ref: r.ID})); len(sig.Woken) > 0 {
		t.Errorf("woken %+v by a replacement", sig.Woken)
	}
	if _, err := decide(t, s, n, "ann", true); err != nil {
		t.Fatal(err)
	}
	got := f.woken()
	same(t, "woken", []any{"APPROVED", "APPROVED", n.ID}, []any{got["a"]["status"], got["b"]["status"], got["a"]["approval_id"]})
}

// ways end a job, each in its own way, and return how.
func ways() map[string]func(t testing.TB, s store.Store, j job.Job) job.State {
	take := func(t testing.TB, s store.Store, j job.Job) store.Claimed {
		t.Helper()
		c := claimOne(t, s)
		same(t, "claimed", j.ID, c.Job.ID)
		return c
	}
	return map[string]func(t testing.TB, s store.Store, j job.Job) job.State{
		"finish": func(t testing.TB, s store.Store, j job.Job) job.State {
			fin := ending(t, take(t, s, j), job.Succeeded{At: base.Add(time.Second)})
			fin.Run.After.Result.Outputs = map[string]string{"k": "v"}
			if err := s.Jobs.Finish(t.Context(), []store.Finish{fin})[0]; err != nil {
				t.Fatal(err)
			}
			return job.Completed
		},
		"failure": func(t testing.TB, s store.Store, j job.Job) job.State {
			if err := finishWith(t, s, take(t, s, j), job.Broke{At: base.Add(time.Second), Failure: run.Failure{Code: "x", Message: "m"}}); err != nil {
				t.Fatal(err)
			}
			return job.Failed
		},
		"cancel": func(t testing.TB, s store.Store, j job.Job) job.State {
			mustMove(t, s, j, job.CancelAsked{At: base, By: "ann"})
			return job.Cancelled
		},
		"rescue": func(t testing.TB, s store.Store, j job.Job) job.State {
			if err := finishWith(t, s, take(t, s, j), job.Interrupted{At: base.Add(time.Second)}); err != nil {
				t.Fatal(err)
			}
			return job.Failed
		},
		"drop": func(t testing.TB, s store.Store, _ job.Job) job.State {
			claimAt(t, s, "a", 1, base.Add(30*time.Minute))
			return job.Skipped
		},
	}
}

func jobWakes(t *testing.T, s store.Store) {
	pool(t, s, 2)
	f := begun(t, s)
	for name, end := range ways() {
		edit := func(*job.Job) {}
		if name == "drop" {
			edit = func(j *job.Job) { j.StartDeadline = base.Add(time.Minute) }
		}
		for _, j := range []job.Job{newJob(edit), flowJob(edit)} {
			j = add(t, s, j)[0]
			ref, node := j.ID, name+"_"+j.Type
			if j.Type == "workflow" {
				ref = store.WorkflowRunID(j.ID)
			}
			f.node(node, waitFor(workflow.Wait{For: workflow.WaitJob, Ref: ref}))
			state := end(t, s, j)
			d := f.woken()[node]
			same(t, node, []any{string(state), j.ID}, []any{d["status"], d["job_id"]})
			if name == "finish" {
				same(t, node+" outputs", map[string]any{"k": "v"}, d["outputs"])
			}
			if name == "failure" {
				same(t, node+" error", map[string]any{"code": "x", "message": "m"}, toPlain(t, d["error"]))
			}
			f.node(node, workflow.NodeState{Status: workflow.NodeCompleted})
		}
	}
}

// toPlain is a value that is an object.
func toPlain(t testing.TB, v any) map[string]any {
	t.Helper()
	m, is := v.(map[string]any)
	if !is {
		t.Fatalf("%v is no object", v)
	}
	return m
}

func endedWakes(t *testing.T, s store.Store) {
	pool(t, s, 2)
	f := begun(t, s)
	j := add(t, s, newJob())[0]
	succeed(t, s, claimOne(t, s))
	r := nodeAsks(t, s)
	if _, err := decide(t, s, r, "ann", true); err != nil {
		t.Fatal(err)
	}
	for ref, w := range map[string]workflow.WaitFor{j.ID: workflow.WaitJob, r.ID: workflow.WaitApproval, id.New(id.Job, base): workflow.WaitJob, id.New(id.Approval, base): workflow.WaitApproval} {
		sig := f.node("a", waitFor(workflow.Wait{For: w, Ref: ref}))
		if len(sig.Woken) != 1 {
			t.Errorf("%s: woken %+v", ref, sig.Woken)
		}
	}
}

// wakeRace lets a node begin to wait at the moment at which what it waits for ends.
func wakeRace(t *testing.T, s store.Store) {
	pool(t, s, 2)
	f := begun(t, s)
	for i := range 30 {
		j := add(t, s, newJob())[0]
		c := claimOne(t, s)
		r := nodeAsks(t, s)
		step := f.next(f.with(map[string]workflow.NodeState{
			"job": waitFor(workflow.Wait{For: workflow.WaitJob, Ref: j.ID, Match: fmt.Sprint(i)}), "approval": waitFor(workflow.Wait{For: workflow.WaitApproval, Ref: r.ID, Match: fmt.Sprint(i)}),
		}))
		together(3, func(who int) {
			switch who {
			case 0:
				if _, err := s.WorkflowRuns.Step(t.Context(), step); err != nil {
					t.Errorf("step: %v", err)
				}
			case 1:
				if err := finishWith(t, s, c, job.Succeeded{At: base.Add(time.Second)}); err != nil {
					t.Errorf("finish: %v", err)
				}
			case 2:
				if _, err := decide(t, s, r, "ann", true); err != nil {
					t.Errorf("decide: %v", err)
				}
			}
		})
		if got := f.woken(); len(got) != 2 {
			t.Fatalf("round %d: woken %v, want both", i, got)
		}
		f.seq++
		f.to(f.with(map[string]workflow.NodeState{"job": {Status: workflow.NodeCompleted}, "approval": {Status: workflow.NodeCompleted}}))
		f.state = f.state.Clone()
	}
}

// wakeTogether lets jobs end in calls of several whose ends wake the same two runs, in
// opposite orders: every wait hears of its end, and the calls do not stop each other.
func wakeTogether(t *testing.T, s store.Store) {
	pool(t, s, 8)
	flows := []*flow{begun(t, s), begun(t, s)}
	for range 5 {
		var ends [4]store.Finish
		waits := [2]map[string]workflow.NodeState{{}, {}}
		for i := range ends {
			j := add(t, s, newJob())[0]
			ends[i] = ending(t, claimOne(t, s), job.Succeeded{At: base.Add(time.Second)})
			of := waits[[]int{0, 1, 1, 0}[i]] // the first and the last of one, those between of the other
			of[fmt.Sprint("n", i)] = waitFor(workflow.Wait{For: workflow.WaitJob, Ref: j.ID})
		}
		for i, f := range flows {
			f.to(f.with(waits[i]))
		}
		together(2, func(who int) {
			for _, err := range s.Jobs.Finish(t.Context(), ends[2*who:2*who+2]) {
				if err != nil {
					t.Errorf("finish: %v", err)
				}
			}
		})
		for i, f := range flows {
			if got := f.woken(); len(got) != 2 {
				t.Fatalf("run %d: woken %v, want both", i, got)
			}
			over := map[string]workflow.NodeState{}
			for id := range waits[i] {
				over[id] = workflow.NodeState{Status: workflow.NodeCompleted}
			}
			f.to(f.with(over))
		}
	}
}

func workflowPause(t *testing.T, s store.Store) {
	pool(t, s, 1)
	f := begun(t, s)
	pause := func(paused bool, by string) (store.WorkflowRun, error) {
		return s.WorkflowRuns.Pause(t.Context(), store.PauseWorkflow{Tenant: tenant, ID: f.id, Paused: paused, By: by, At: base})
	}
	r, err := pause(true, "ann")
	if err != nil || r.PausedBy != "ann" {
		t.Fatalf("paused by %q, %v", r.PausedBy, err)
	}
	if sig := f.node("a", workflow.NodeState{Status: workflow.NodeRunning}); !sig.Paused {
		t.Error("a step does not tell of the pause")
	}
	mustMove(t, s, read(t, s, f.Job.ID), job.CancelAsked{At: base.Add(time.Minute), By: "bob"})
	all, err := s.WorkflowRuns.Signals(t.Context(), []string{f.id, "wfrun_none"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "signals", map[string]store.WorkflowSignals{f.id: {Paused: true, CancelAskedAt: base.Add(time.Minute), CancelledBy: "bob"}}, all)
	if r, err = pause(false, "ann"); err != nil || r.PausedBy != "" {
		t.Fatalf("paused by %q, %v", r.PausedBy, err)
	}
	if sig := f.node("a", workflow.NodeState{Status: workflow.NodeCompleted}); sig.Paused || sig.CancelledBy != "bob" {
		t.Errorf("signals %+v", sig)
	}
	if err := finishWith(t, s, store.Claimed{Job: read(t, s, f.Job.ID), Run: f.Run}, job.Broke{At: base.Add(time.Hour), Failure: run.Failure{Code: "cancelled"}}); err != nil {
		t.Fatal(err)
	}
	_, err = pause(true, "ann")
	wantCode(t, err, fault.AlreadyFinished)
}

func (f *flow) enter(key string, limit int, c workflow.Conflict) store.Turn {
	f.t.Helper()
	turn, err := f.s.WorkflowRuns.Enter(f.t.Context(), store.EnterWorkflow{
		RunID: f.id, JobID: f.Job.ID, Epoch: f.Job.Epoch, Key: key, Limit: limit, OnConflict: c, At: base,
	})
	if err != nil {
		f.t.Fatalf("enter: %v", err)
	}
	return turn
}

func keySkips(t *testing.T, s store.Store) {
	pool(t, s, 5)
	a, b, c := begun(t, s), begun(t, s), begun(t, s)
	for range 2 {
		same(t, "first", store.Turn{Granted: true, Holders: []string{a.id}}, a.enter("k", 1, workflow.ConflictSkip))
	}
	same(t, "second", store.Turn{Holders: []string{a.id}}, b.enter("k", 1, workflow.ConflictSkip))
	if !b.enter("other", 1, workflow.ConflictSkip).Granted {
		t.Error("another key is taken")
	}
	succeed(t, s, a.Claimed)
	if !c.enter("k", 1, workflow.ConflictSkip).Granted {
		t.Error("the place of a run that ended is taken")
	}
	d := begun(t, s, func(j *job.Job) { j.Params = []byte(`{"workflow_id":"wf_b"}`) })
	if !d.enter("k", 1, workflow.ConflictSkip).Granted {
		t.Error("another workflow has the same key")
	}
}

func keyQueues(t *testing.T, s store.Store) {
	pool(t, s, 6)
	var fs []*flow
	for i := range 5 {
		fs = append(fs, begun(t, s, func(j *job.Job) { j.ID = id.New(id.Job, base.Add(time.Duration(i)*time.Millisecond)) }))
	}
	const queue = workflow.ConflictQueue
	if !fs[0].enter("k", 2, queue).Granted || !fs[1].enter("k", 2, queue).Granted {
		t.Fatal("the free places were not given")
	}
	for _, i := range []int{4, 2, 3} {
		if fs[i].enter("k", 2, queue).Granted {
			t.Fatalf("run %d has no place", i)
		}
	}
	for n, end := range []int{0, 1, 2} {
		succeed(t, s, fs[end].Claimed)
		for i := n + 3; i < 5; i++ {
			if fs[i].enter("k", 2, queue).Granted {
				t.Fatalf("after %d ends run %d has a place", n+1, i)
			}
		}
		if !fs[n+2].enter("k", 2, queue).Granted {
			t.Fatalf("after %d ends run %d has none", n+1, n+2)
		}
	}
}

func keyCancels(t *testing.T, s store.Store) {
	pool(t, s, 4)
	a, b, c := begun(t, s), begun(t, s), begun(t, s)
	const stop = workflow.ConflictCancelOldest
	if !a.enter("k", 1, stop).Granted {
		t.Fatal("no place")
	}
	for range 2 {
		same(t, "second", store.Turn{Holders: []string{a.id}}, b.enter("k", 1, stop))
	}
	j := read(t, s, a.Job.ID)
	same(t, "cancelled by", "workflow concurrency", j.CancelledBy)
	if !read(t, s, b.Job.ID).CancelAskedAt.IsZero() {
		t.Error("the newcomer was cancelled")
	}
	if err := finishWith(t, s, store.Claimed{Job: j, Run: a.Run}, job.Broke{At: base.Add(time.Second), Failure: run.Failure{Code: "cancelled"}}); err != nil {
		t.Fatal(err)
	}
	if !b.enter("k", 1, stop).Granted {
		t.Error("the second one does not follow")
	}
	if c.enter("k", 1, stop).Granted || read(t, s, b.Job.ID).CancelledBy == "" {
		t.Error("the third one does not end the second")
	}
}

// turnRace lets runs come and end at once: there are never more than the limit.
func turnRace(t *testing.T, s store.Store) {
	const runs, limit = 16, 3
	pool(t, s, runs)
	waiting := map[*flow]bool{}
	for range runs {
		waiting[begun(t, s)] = true
	}
	var held []*flow
	for round := 0; len(waiting) > 0 || len(held) > 0; round++ {
		if round > runs {
			t.Fatalf("%d runs have no place yet", len(waiting))
		}
		actors := held
		for f := range waiting {
			actors = append(actors, f)
		}
		var mu sync.Mutex
		var entered []*flow
		together(len(actors), func(i int) {
			f := actors[i]
			if i < len(held) {
				succeed(t, s, f.Claimed)
			} else if f.enter("k", limit, workflow.ConflictQueue).Granted {
				mu.Lock()
				entered = append(entered, f)
				mu.Unlock()
			}
		})
		if len(entered) > limit || round == 0 && len(entered) != limit {
			t.Fatalf("round %d: %d runs have a place of %d", round, len(entered), limit)
		}
		held = entered
		for _, f := range held {
			delete(waiting, f)
		}
	}
}
