package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/app"
	"github.com/runsheet/runsheet/internal/config"
)

// flows is a server with its client.
type flows struct {
	*client.Client
	t   *testing.T
	ctx context.Context //nolint:containedctx // it lives as long as the test
	// stop ends the server; without it, the end of the test does.
	stop func()
}

func startFlows(t *testing.T) *flows {
	t.Helper()
	c := settings(t)
	c.Workers = 2
	return startFlowsOf(t, c)
}

func startFlowsOf(t *testing.T, c config.Config) *flows {
	t.Helper()
	a := app.New(app.Options{Config: c})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	local, err := config.ReadLocal(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(client.Options{URL: local.URL, Token: local.Token, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return &flows{cl, t, ctx, stop}
}

func (f *flows) apply(text string) {
	f.t.Helper()
	if _, err := f.ApplyWorkflows(f.ctx, []byte(text), client.ApplyOptions{}, client.Call{}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *flows) start(id, inputs string) client.WorkflowRunDocument {
	f.t.Helper()
	r, err := f.RunWorkflow(f.ctx, id, client.WorkflowRunInput{Inputs: json.RawMessage(inputs)}, client.Call{})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// until waits until a run is as ok wants it.
func (f *flows) until(id string, ok func(client.WorkflowRunDocument) bool) client.WorkflowRunDocument {
	f.t.Helper()
	var r client.WorkflowRunDocument
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var err error
		if r, err = f.WorkflowRun(f.ctx, id); err != nil {
			b, _ := json.Marshal(r) // for people
			f.t.Fatalf("%v: %s", err, b)
		}
		if ok(r) {
			return r
		}
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			b, _ := json.Marshal(r) // for people
			f.t.Fatalf("it did not come: %s", b)
		}
	}
}

func (f *flows) end(id, status string) client.WorkflowRunDocument {
	f.t.Helper()
	r := f.until(id, client.WorkflowRunDocument.Ended)
	if r.Status != status {
		b, _ := json.Marshal(r) // for people
		f.t.Fatalf("%s is %s, want %s: %s", id, r.Status, status, b)
	}
	return r
}

func waits(node, reason string) func(client.WorkflowRunDocument) bool {
	return func(r client.WorkflowRunDocument) bool {
		return r.Status == "WAITING" && slices.ContainsFunc(r.Nodes, func(n client.WorkflowRunNode) bool { return n.NodeID == node && n.Wait != nil && n.Wait.For == reason })
	}
}

func (f *flows) refused(err error, code, text string) {
	f.t.Helper()
	var p *client.Problem
	if !errors.As(err, &p) || p.Code != code {
		f.t.Fatalf("%v, want %s", err, code)
	}
	b, _ := json.Marshal(p) // for people
	if !strings.Contains(string(b)+p.Detail, text) {
		f.t.Errorf("%q is not in %s", text, b)
	}
}

const gateText = `
workflow_id: gate
inputs: {n: {type: integer, required: true}, pin: {type: string, secret: true}}
nodes:
  - {node_id: a, type: data, data_type: set, config: {values: {x: "{{inputs.n}}"}}}
  - {node_id: gate, type: approval, config: {title: "go on?"}}
  - {node_id: b, type: data, data_type: set, config: {values: {y: "{{outputs.a.x + 1}}"}}}
outputs: {y: "{{outputs.b.y}}"}
`

// TestSkippedSaysWhy: the document of a run says for programs why a node was skipped.
func TestSkippedSaysWhy(t *testing.T) {
	t.Parallel()
	f := startFlows(t)
	f.apply("workflow_id: some\nnodes:\n  - {node_id: a, type: data, data_type: set, when: '1 > 2', config: {values: {x: 1}}}\n  - {node_id: b, type: data, data_type: set, config: {values: {x: 1}}}\n")
	r := f.end(f.start("some", "{}").WorkflowRunID, "COMPLETED")
	got := map[string]string{}
	for _, n := range r.Nodes {
		if n.ReasonCode != nil {
			got[n.NodeID] = *n.ReasonCode
		}
	}
	if got["a"] != "condition_false" || got["b"] != "not_reached" {
		t.Errorf("%v", got)
	}
}

// TestTakeoverIsKept: a run that the next server took over says so, also after its end;
// and jobs name the runs of workflows that are theirs.
func TestTakeoverIsKept(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
			_, _ = io.WriteString(w, "{}") // who has gone needs no answer
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(outside.Close)
	c := settings(t)
	c.OutboundAllow = []string{outside.Listener.Addr().String()}
	f := startFlowsOf(t, c)
	f.apply(`
workflow_id: long
nodes:
  - {node_id: a, type: data, data_type: set, config: {values: {x: 1}}}
  - {node_id: b, type: action, action_type: api_call, on_crash: retry, config: {method: GET, url: "` + outside.URL + `"}}
`)
	r := f.start("long", `{}`)
	r = f.until(r.WorkflowRunID, func(r client.WorkflowRunDocument) bool {
		return slices.ContainsFunc(r.Nodes, func(n client.WorkflowRunNode) bool { return n.NodeID == "b" && n.Status == "RUNNING" })
	})
	if r.Takeover != nil {
		t.Errorf("nobody took it over: %+v", *r.Takeover)
	}
	attempts := func() []client.WorkflowNodeAttempt {
		t.Helper()
		list, err := f.WorkflowNodeAttempts(f.ctx, r.WorkflowRunID, "b")
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	first := attempts()
	if len(first) != 1 || first[0].Number != 1 || first[0].Status != "RUNNING" || first[0].Lost != nil || first[0].Instance == nil || first[0].EndedAt != nil {
		t.Fatalf("while it works the attempts are %+v", first)
	}
	f.stop()
	close(hold)
	f = startFlowsOf(t, c)
	r = f.end(r.WorkflowRunID, "COMPLETED")
	// The lost attempt is one of its own, with the server that had it; it does not count.
	if got := attempts(); len(got) != 2 || got[0].Number != 1 || got[0].Lost == nil || *got[0].Lost != "shutdown" || got[0].Instance == nil ||
		*got[0].Instance != *first[0].Instance || !got[0].StartedAt.Equal(*first[0].StartedAt) || got[0].EndedAt == nil || got[0].EndedAt.Before(*got[0].StartedAt) ||
		got[1].Number != 2 || got[1].Status != "COMPLETED" || got[1].Lost != nil || *got[1].Instance == *got[0].Instance || got[1].StartedAt.Before(*got[0].EndedAt) {
		t.Errorf("the attempts are %+v", got)
	}
	if n := r.Nodes[1]; n.NodeID != "b" || n.Attempt != 1 {
		t.Errorf("the node is %+v", n)
	}
	if o := r.Takeover; o == nil || o.After != "shutdown" || o.NodeID == nil || *o.NodeID != "b" || o.Item != nil || o.InstanceID == nil || o.At.Before(*r.StartedAt) {
		t.Errorf("the run has the takeover %+v", o)
	}
	if j, err := f.Job(f.ctx, r.JobID); err != nil || j.WorkflowRunID == nil || *j.WorkflowRunID != r.WorkflowRunID {
		t.Errorf("its job names %v, %v", j.WorkflowRunID, err)
	}
}

// TestCancelLeavesWhatOthersStarted: a run that only waits for a job does not take the
// job along when it is cancelled, also where another run has started that one.
func TestCancelLeavesWhatOthersStarted(t *testing.T) {
	t.Parallel()
	f := startFlows(t)
	f.apply("workflow_id: slow\nnodes: [{node_id: e, type: wait, wait_type: event, config: {name: never}}]")
	f.apply("workflow_id: parent\nnodes: [{node_id: sub, type: subworkflow, config: {workflow_id: slow}}]")
	f.apply(`
workflow_id: watcher
inputs: {job: {type: string, required: true}}
nodes: [{node_id: w, type: wait, wait_type: job, config: {job_id: "{{inputs.job}}"}}]`)
	parent := f.until(f.start("parent", `{}`).WorkflowRunID, waits("sub", "job"))
	child := *parent.Nodes[0].Wait.Ref
	watcher := f.start("watcher", `{"job":"`+child+`"}`)
	f.until(watcher.WorkflowRunID, waits("w", "job"))
	cancel := func(id string) {
		t.Helper()
		if _, err := f.CancelWorkflowRun(f.ctx, id, client.Call{}); err != nil {
			t.Fatal(err)
		}
		f.end(id, "CANCELLED")
	}
	cancel(watcher.WorkflowRunID)
	if j, err := f.Job(f.ctx, child); err != nil || j.CancelRequestedAt != nil || j.FinishedAt != nil {
		t.Errorf("the job of the other run: %s, %v", j.Status, err)
	}
	cancel(parent.WorkflowRunID) // and its own child with it
	if j, err := f.Job(f.ctx, child); err != nil || j.CancelRequestedAt == nil && j.Status != "CANCELLED" {
		t.Errorf("its own job: %s, %v", j.Status, err)
	}
}

// TestIncludeNeedsTheRights: a token that reads workflows alone gets nothing of schedules
// and approvals with them.
func TestIncludeNeedsTheRights(t *testing.T) {
	t.Parallel()
	f := startFlows(t)
	f.apply("workflow_id: etl\nnodes: [{node_id: a, type: stop, config: {status: COMPLETED}}]")
	cron := "0 9 * * *"
	if _, err := f.CreateSchedule(f.ctx, client.ScheduleInput{Name: "nightly", WorkflowID: "etl", Cron: cron, Timezone: "UTC"}, client.Call{}); err != nil {
		t.Fatal(err)
	}
	for scopes, told := range map[string]bool{"workflows:read": false, "workflows:read,schedules:read,approvals:read": true} {
		made, err := f.CreateToken(f.ctx, client.TokenInput{Name: scopes[len(scopes)-9:], Roles: []string{"viewer"}, Scopes: strings.Split(scopes, ",")})
		if err != nil {
			t.Fatal(err)
		}
		q, err := http.NewRequestWithContext(f.ctx, http.MethodGet, f.URL()+"/api/workflows?include=results,next,approvals", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+made.Token)
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(a.Body)
		if err = errors.Join(err, a.Body.Close()); err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%s %v: %s", a.Status, err, body)
		}
		for _, field := range []string{"next_run_at", "next_schedule_id", "pending_approvals"} {
			if strings.Contains(string(body), `"`+field+`"`) != told {
				t.Errorf("%s, %s: %s", scopes, field, body)
			}
		}
	}
}

// retriesAsJob repeats a run of gate as any other job: its inputs are checked, and its
// secrets are not stored in the clear.
func (f *flows) retriesAsJob(jobID string) {
	f.t.Helper()
	old, err := f.Job(f.ctx, jobID)
	if err != nil || old.RunID == nil {
		f.t.Fatalf("%+v, %v", old, err)
	}
	_, err = f.RetryRun(f.ctx, *old.RunID, client.RetryInput{Params: json.RawMessage(`{"inputs":{"n":"x"}}`)}, client.Call{})
	f.refused(err, "invalid_input", "/params/inputs/n")
	j, err := f.RetryRun(f.ctx, *old.RunID, client.RetryInput{Hold: true, Params: json.RawMessage(`{"inputs":{"pin":"hochgeheim"}}`)}, client.Call{})
	if err != nil || strings.Contains(string(j.Params), "hochgeheim") {
		f.t.Fatalf("%s, %v", j.Params, err)
	}
	if _, err := f.CancelJob(f.ctx, j.JobID, client.Call{}); err != nil {
		f.t.Fatal(err)
	}
}

func TestWorkflowRunGoesThroughAnApproval(t *testing.T) {
	t.Parallel()
	f := startFlows(t)
	f.apply(gateText)
	_, err := f.RunWorkflow(f.ctx, "gate", client.WorkflowRunInput{Inputs: json.RawMessage(`{"n":"x"}`)}, client.Call{})
	f.refused(err, "invalid_input", "/inputs/n")
	_, err = f.RunWorkflow(f.ctx, "gate", client.WorkflowRunInput{Version: 7}, client.Call{})
	f.refused(err, "version_not_found", "/version")
	_, err = f.RunWorkflow(f.ctx, "none", client.WorkflowRunInput{}, client.Call{})
	f.refused(err, "not_found", "none")

	r := f.start("gate", `{"n":41,"pin":"geheim"}`)
	r = f.until(r.WorkflowRunID, waits("gate", "approval"))
	if strings.Contains(string(r.Inputs), "geheim") || !strings.Contains(string(r.Inputs), `"pin":"***"`) || r.Progress.Total != 3 || r.Progress.Ended != 1 {
		t.Errorf("%s %+v", r.Inputs, r.Progress)
	}
	_, err = f.SkipWorkflowNode(f.ctx, r.WorkflowRunID, "gate", "", client.Call{})
	f.refused(err, "conflict", "approval")
	_, err = f.RetryWorkflowRun(f.ctx, r.WorkflowRunID, client.WorkflowRetryInput{}, client.Call{})
	f.refused(err, "not_finished", "WAITING")
	if r, err = f.CancelWorkflowRun(f.ctx, r.WorkflowRunID, client.Call{}); err != nil {
		t.Fatal(err)
	}
	r = f.end(r.WorkflowRunID, "CANCELLED")
	f.retriesAsJob(r.JobID)

	// What was there is kept, and the approval is asked for again.
	p, err := f.PreviewWorkflowRetry(f.ctx, r.WorkflowRunID, client.WorkflowRetryInput{})
	if err != nil || !slices.Equal(p.Kept, []string{"a"}) || !slices.Equal(p.Runs, []string{"gate", "b"}) {
		t.Errorf("preview %+v, %v", p, err)
	}
	_, err = f.RetryWorkflowRun(f.ctx, r.WorkflowRunID, client.WorkflowRetryInput{}, client.Call{})
	f.refused(err, "invalid_input", "secret inputs are not kept")
	again, err := f.RetryWorkflowRun(f.ctx, r.WorkflowRunID, client.WorkflowRetryInput{Inputs: json.RawMessage(`{"pin": "1234567890"}`)}, client.Call{})
	if err != nil || again.RetryOf == nil || *again.RetryOf != r.WorkflowRunID {
		t.Fatalf("%+v, %v", again, err)
	}
	f.until(again.WorkflowRunID, waits("gate", "approval"))
	if again, err = f.PauseWorkflowRun(f.ctx, again.WorkflowRunID, client.Call{}); err != nil || !again.Paused {
		t.Fatalf("%+v, %v", again, err)
	}
	// Another version is refused where it would change what has happened.
	f.apply(strings.Replace(gateText, "{{inputs.n}}", "{{inputs.n + 5}}", 1))
	_, err = f.ActivateWorkflow(f.ctx, "gate", client.WorkflowMoveInput{Version: 2, Running: "migrate"}, client.Call{})
	f.refused(err, "running_not_possible", "node a is COMPLETED and differs")
	_, err = f.RetryWorkflowRun(f.ctx, r.WorkflowRunID, client.WorkflowRetryInput{Version: 2, Inputs: json.RawMessage(`{"pin": null}`)}, client.Call{})
	f.refused(err, "version_not_possible", "node a")
	f.apply(strings.Replace(gateText, "outputs.a.x + 1", "outputs.a.x + 2", 1))
	moved, err := f.ActivateWorkflow(f.ctx, "gate", client.WorkflowMoveInput{Version: 3, Running: "migrate"}, client.Call{})
	if err != nil || moved.RunsChanged != 1 {
		t.Fatalf("%+v, %v", moved, err)
	}
	if again, err = f.ResumeWorkflowRun(f.ctx, again.WorkflowRunID, client.Call{}); err != nil || again.Paused || again.Version != 3 {
		t.Fatalf("%+v, %v", again, err)
	}
	if _, err = f.ActivateWorkflow(f.ctx, "gate", client.WorkflowMoveInput{Version: 1, Running: "cancel"}, client.Call{}); err != nil {
		t.Fatal(err)
	}
	f.end(again.WorkflowRunID, "CANCELLED")
}

const itemsText = `
workflow_id: items
inputs: {bad: {type: integer, default: 3}}
nodes:
  - node_id: each
    type: map
    config:
      items: "{{[1, 2, 3, 4]}}"
      on_item_error: collect
      nodes:
        - {node_id: one, type: judgment, config: {expr: "item != inputs.bad || 1 / 0 > len('x') + int('q')"}}
  - {node_id: after, type: data, data_type: set, config: {values: {done: true}}}
`

func TestWorkflowRunRepeatsFailedItems(t *testing.T) {
	t.Parallel()
	f := startFlows(t)
	f.apply(itemsText)
	r := f.end(f.start("items", `{}`).WorkflowRunID, "COMPLETED")
	if len(r.Maps) != 1 || r.Maps[0].Failed != 1 || r.Maps[0].FailedItems[0].Index != 2 {
		t.Fatalf("%+v", r.Maps)
	}
	p, err := f.PreviewWorkflowRetry(f.ctx, r.WorkflowRunID, client.WorkflowRetryInput{FailedItems: true})
	if err != nil || len(p.Maps) != 1 || p.Maps[0].Kept != 3 {
		t.Errorf("preview %+v, %v", p, err)
	}
	again, err := f.RetryWorkflowRun(f.ctx, r.WorkflowRunID, client.WorkflowRetryInput{FailedItems: true, Inputs: json.RawMessage(`{"bad":9}`)}, client.Call{})
	if err != nil {
		t.Fatal(err)
	}
	if again = f.end(again.WorkflowRunID, "COMPLETED"); again.Maps[0].Failed != 0 || again.Maps[0].Processed != 4 {
		t.Errorf("%+v", again.Maps)
	}
	if diff := cmp.Diff(&client.WorkflowBeginning{Version: 1, FailedItems: true}, again.Began); diff != "" || r.Began != nil {
		t.Errorf("the first began with %+v, the retry: %s", r.Began, diff)
	}
	if again, err = f.RetryWorkflowRun(f.ctx, r.WorkflowRunID, client.WorkflowRetryInput{FromNode: "after"}, client.Call{}); err != nil {
		t.Fatal(err)
	}
	if again = f.end(again.WorkflowRunID, "COMPLETED"); again.Maps[0].Failed != 1 {
		t.Errorf("from the node after it the map is kept: %+v", again.Maps)
	}
	if diff := cmp.Diff(&client.WorkflowBeginning{Version: 1, FromNode: new("after")}, again.Began); diff != "" {
		t.Error(diff)
	}
	// The retries are found by the run of the job.
	list, err := client.Collect(f.Jobs(f.ctx, client.JobFilter{RetryOf: *r.RunID}), 0)
	if err != nil || len(list) != 2 || list[0].WorkflowRunID == nil || *list[0].WorkflowRunID != again.WorkflowRunID {
		t.Errorf("retries %+v, %v", list, err)
	}
	_, err = f.RetryWorkflowRun(f.ctx, r.WorkflowRunID, client.WorkflowRetryInput{FromNode: "nobody"}, client.Call{})
	f.refused(err, "unknown_node", "/from_node")
	steps, err := client.Collect(f.WorkflowCheckpoints(f.ctx, r.WorkflowRunID, 50), 0)
	if err != nil || len(steps) == 0 {
		t.Fatalf("%v %v", steps, err)
	}
	shown, err := f.WorkflowCheckpoint(f.ctx, r.WorkflowRunID, steps[0].CheckpointID)
	var counters, outputs map[string]any
	if err != nil || json.Unmarshal(shown.Context, &counters) != nil || json.Unmarshal(shown.Outputs, &outputs) != nil || counters["total_items"] == nil || len(outputs) == 0 {
		t.Errorf("checkpoint %+v: %v", shown, err)
	}
	restored, err := f.RestoreWorkflowRun(f.ctx, r.WorkflowRunID, client.WorkflowRestoreInput{CheckpointID: steps[len(steps)-1].CheckpointID}, client.Call{})
	if err != nil {
		t.Fatal(err)
	}
	f.end(restored.WorkflowRunID, "COMPLETED")
	if diff := cmp.Diff(&client.WorkflowBeginning{Version: 1, CheckpointSeq: &steps[len(steps)-1].Seq}, restored.Began); diff != "" {
		t.Error(diff)
	}
}

const eventText = `
workflow_id: file
inputs: {name: {type: string, default: a.csv}}
nodes:
  - {node_id: file, type: wait, wait_type: event, config: {name: arrived, match: "result.name == inputs.name"}}
outputs: {size: "{{outputs.file.event?.size}}"}
`

func TestWorkflowEvent(t *testing.T) {
	t.Parallel()
	f := startFlows(t)
	f.apply(eventText)
	r, other := f.start("file", `{}`), f.start("file", `{"name":"b.csv"}`)
	f.until(r.WorkflowRunID, waits("file", "event"))
	f.until(other.WorkflowRunID, waits("file", "event"))
	call := client.Call{IdempotencyKey: "once"}
	for range 2 {
		if got, err := f.PostWorkflowEvent(f.ctx, "arrived", json.RawMessage(`{"name":"a.csv","size":7}`), call); err != nil || got.Woken != 1 || got.Items[0].WorkflowRunID != r.WorkflowRunID {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if r = f.end(r.WorkflowRunID, "COMPLETED"); string(r.Outputs) != `{"size":7}` {
		t.Errorf("%s", r.Outputs)
	}
	_, err := f.PostWorkflowEvent(f.ctx, "arrived", json.RawMessage(`{"$by_person":true,"decision":"skip"}`), client.Call{})
	f.refused(err, "invalid_input", "$by_person")
	if _, err := f.SkipWorkflowNode(f.ctx, other.WorkflowRunID, "file", "it never comes", client.Call{}); err != nil {
		t.Fatal(err)
	}
	f.end(other.WorkflowRunID, "COMPLETED")
}

func TestScheduleStartsAWorkflow(t *testing.T) {
	t.Parallel()
	f := startFlows(t)
	f.apply(itemsText)
	body := func(inputs string) client.ScheduleInput {
		return client.ScheduleInput{Name: "nightly", WorkflowID: "items", Inputs: json.RawMessage(inputs), Cron: "0 0 1 1 *"}
	}
	_, err := f.CreateSchedule(f.ctx, body(`{"bad":"x"}`), client.Call{})
	f.refused(err, "invalid_input", "/inputs/bad")
	s, err := f.CreateSchedule(f.ctx, body(`{"bad":9}`), client.Call{})
	if err != nil || s.WorkflowID == nil || *s.WorkflowID != "items" || string(s.Inputs) != `{"bad":9}` {
		t.Fatalf("%+v, %v", s, err)
	}
	j, err := f.RunScheduleNow(f.ctx, s.ScheduleID, client.RunNowInput{}, client.Call{})
	if err != nil {
		t.Fatal(err)
	}
	if r := f.end(strings.Replace(j.JobID, "job_", "wfrun_", 1), "COMPLETED"); r.Maps[0].Failed != 0 {
		t.Errorf("%+v", r.Maps)
	}
}
