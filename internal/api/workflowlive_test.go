package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// flowRun is a run of a workflow that a test plays.
type flowRun struct {
	store store.Store
	clock clock.Clock
	id    string
	c     store.Claimed
	state workflow.State
	seq   int64
	// steps are the ids of its checkpoints.
	steps []string
}

// addFlow adds a run that has not begun, of the default tenant.
func (b *bundle) addFlow() *flowRun {
	b.t.Helper()
	return addFlow(b.t, b.store, b.clock)
}

func addFlow(t testing.TB, s store.Store, c clock.Clock) *flowRun {
	t.Helper()
	j := job.Job{
		ID: id.New(id.Job, c.Now()), Tenant: access.DefaultTenant, Type: "workflow", Name: "flow", State: job.Queued,
		Params: json.RawMessage(`{"workflow_id":"etl_customers","version":3}`), OnCrash: job.CrashResume, CreatedAt: c.Now(), CreatedBy: "ann",
	}
	if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{j}}); err != nil {
		t.Fatal(err)
	}
	return &flowRun{store: s, clock: c, id: store.WorkflowRunID(j.ID), state: workflow.Begin()}
}

// begin gives it a slot.
func (f *flowRun) begin(t testing.TB) *flowRun {
	t.Helper()
	now := f.clock.Now()
	inst := store.Instance{ID: id.New(id.Instance, now), HostID: id.New(id.Instance, now), Hostname: "h", StartedAt: now}
	if err := f.store.Leases.Register(t.Context(), inst, time.Hour); err != nil {
		t.Fatal(err)
	}
	c, err := f.store.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: inst.ID, Now: now, Room: 1, Decide: claim.Decide})
	if err != nil || len(c.Started) != 1 || store.WorkflowRunID(c.Started[0].Job.ID) != f.id {
		t.Fatalf("claim: %v, %d started", err, len(c.Started))
	}
	f.c = c.Started[0]
	return f
}

// step writes a step with events; change may be nil.
func (f *flowRun) step(t testing.TB, change func(*workflow.State), evs ...event.Event) {
	t.Helper()
	before := f.state.Clone()
	if change != nil {
		change(&f.state)
	}
	f.seq++
	for i := range evs {
		evs[i].At, evs[i].Tenant, evs[i].JobID, evs[i].RunID = f.clock.Now(), access.DefaultTenant, f.c.Job.ID, f.c.Run.ID
		evs[i].Data["workflow_run_id"], evs[i].Data["workflow_id"] = f.id, "etl_customers"
	}
	step := store.WorkflowStep{
		RunID: f.id, JobID: f.c.Job.ID, Epoch: f.c.Job.Epoch, Seq: f.seq, CheckpointID: id.New(id.Checkpoint, f.clock.Now()),
		Delta: workflow.Difference(before, f.state, nil), Events: evs, At: f.clock.Now(),
	}
	if _, err := f.store.WorkflowRuns.Step(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	f.steps = append(f.steps, step.CheckpointID)
}

func told(typ event.Type, node, was, is, reason string) event.Event {
	return event.Event{Type: typ, Data: map[string]string{"node_id": node, "previous_state": was, "new_state": is, "reason": reason}}
}

// subscribe opens the socket of a run.
func (b *bundle) subscribe(f *flowRun, base, query string) *websocket.Conn {
	b.t.Helper()
	return watch(b.t, base+"/api/v1/workflows/"+f.id+"/subscribe"+query, b.tokens[access.Viewer])
}

// raw reads one frame as it is.
func raw(t testing.TB, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, text, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func snapshotOf(t testing.TB, c *websocket.Conn) wire.WorkflowSnapshot {
	t.Helper()
	var s wire.WorkflowSnapshot
	if text := raw(t, c); json.Unmarshal([]byte(text), &s) != nil || s.Type != "snapshot" {
		t.Fatalf("not a snapshot: %s", text)
	}
	return s
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	f := b.addFlow()
	c := b.subscribe(f, srv.URL, "")
	if s := snapshotOf(t, c); s.Status != "PENDING" || s.InstanceID != f.id || s.WorkflowID != "etl_customers" || s.Version != 3 || len(s.Nodes) != 0 || s.CheckpointSeq != 0 {
		t.Errorf("snapshot %+v", s)
	}
	f.begin(t)
	f.step(t, func(s *workflow.State) {
		s.Nodes["extract"] = workflow.NodeState{Status: workflow.NodeCompleted, Attempt: 1, Outcome: "success", Order: 1, StartedAt: start}
		s.Nodes["load_all"] = workflow.NodeState{Status: workflow.NodeRunning, Attempt: 1, StartedAt: start}
		s.Maps = map[string]workflow.MapState{"load_all": {Items: "art_1", Sum: "9f", Total: 1000, Next: 750}}
	}, told(event.WorkflowRunStarted, "", "PENDING", "RUNNING", ""), told(event.WorkflowNodeCompleted, "extract", "RUNNING", "COMPLETED", ""),
		told(event.WorkflowProgress, "load_all", "", "", "750/1000"), told(event.WorkflowNodeWaiting, "gate", "RUNNING", "WAITING", "approval"))
	evs, err := b.store.Events.Since(t.Context(), access.DefaultTenant, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	seq := map[event.Type]int64{}
	for _, e := range evs {
		seq[e.Type] = e.Seq
	}
	want := []string{
		fmt.Sprintf(`{"instance_id":%q,"previous_state":"PENDING","new_state":"RUNNING","node_id":null,"reason":null,"seq":%d,"timestamp":"2026-01-31T12:00:00Z"}`, f.id, seq[event.WorkflowRunStarted]),
		fmt.Sprintf(`{"instance_id":%q,"previous_state":"RUNNING","new_state":"COMPLETED","node_id":"extract","reason":null,"seq":%d,"timestamp":"2026-01-31T12:00:00Z"}`, f.id, seq[event.WorkflowNodeCompleted]),
		fmt.Sprintf(`{"type":"progress","instance_id":%q,"node_id":"load_all","processed":750,"total":1000,"seq":%d,"timestamp":"2026-01-31T12:00:00Z"}`, f.id, seq[event.WorkflowProgress]),
		fmt.Sprintf(`{"instance_id":%q,"previous_state":"RUNNING","new_state":"WAITING","node_id":"gate","reason":"approval","seq":%d,"timestamp":"2026-01-31T12:00:00Z"}`, f.id, seq[event.WorkflowNodeWaiting]),
	}
	var got []string
	for range want {
		got = append(got, raw(t, c))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// Who comes later, or back, gets a snapshot and then what he asked for.
	again := b.subscribe(f, srv.URL, fmt.Sprintf("?since=%d", seq[event.WorkflowNodeCompleted]))
	s := snapshotOf(t, again)
	if s.Status != "RUNNING" || len(s.Nodes) != 2 || s.Nodes[0].NodeID != "extract" || s.Nodes[0].Status != "COMPLETED" || s.Nodes[1].Status != "RUNNING" ||
		len(s.Progress) != 1 || s.Progress[0] != (wire.MapProgress{NodeID: "load_all", Processed: 750, Total: 1000}) || s.CheckpointSeq != 1 {
		t.Errorf("snapshot %+v", s)
	}
	if got := []string{raw(t, again), raw(t, again)}; !slices.Equal(got, want[2:]) {
		t.Errorf("replay %v", got)
	}
	if r := b.subscribe(f, srv.URL, "?since=4711"); true {
		snapshotOf(t, r)
		if text := raw(t, r); !strings.HasPrefix(text, `{"type":"reset"`) {
			t.Errorf("not a reset: %s", text)
		}
		snapshotOf(t, r) // what was known may be old
	}
}

// TestSubscribeEnd: a run whose job ends without a word of the run ends for its
// viewers too, once.
func TestSubscribeEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	f := b.addFlow()
	c := b.subscribe(f, srv.URL, "")
	snapshotOf(t, c)
	jobID := store.WorkflowJobID(f.id)
	want(t, b.call("POST", "/api/jobs/"+jobID+"/cancel", ""), 200, "")
	if text := raw(t, c); !strings.Contains(text, `"previous_state":"PENDING","new_state":"CANCELLED","node_id":null`) {
		t.Errorf("%s", text)
	}
	late := b.subscribe(f, srv.URL, "?since=0")
	if s := snapshotOf(t, late); s.Status != "CANCELLED" {
		t.Errorf("%+v", s)
	}
}

func TestSubscribeDoor(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) { o.MaxSockets = 1 })
	srv := b.serve()
	f := b.addFlow()
	const upgrade = "Upgrade"
	headers := []string{"Connection", upgrade, upgrade, "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}
	at := func(run string) string { return "/api/workflows/" + run + "/subscribe" }
	want(t, b.as(access.Viewer, "GET", at("wfrun_01jh0000000000000000000000"), "", headers...), 404, "not_found")
	want(t, b.as("stranger", "GET", at(f.id), "", headers...), 404, "not_found")
	want(t, b.as("", "GET", at(f.id), "", headers...), 401, "unauthorized")
	want(t, b.as(access.Viewer, "GET", at("job_01jh0000000000000000000000"), "", headers...), 400, "wrong_id_type")
	want(t, b.as(access.Viewer, "GET", at(f.id), ""), 426, "upgrade_required")
	want(t, b.as(access.Viewer, "GET", at(f.id), "", append(headers, "Origin", "http://evil.example")...), 403, "cross_origin")
	b.subscribe(f, srv.URL, "")
	if _, res, err := dial(t, srv.URL+at(f.id), b.tokens[access.Viewer]); err == nil || res.StatusCode != 429 { //nolint:bodyclose // closed by the library
		t.Errorf("the second: %v", err)
	}
}

// TestProgressOfTheSlow: whoever is behind gets the newest progress and all
// changes of state.
func TestProgressOfTheSlow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	f := b.addFlow().begin(t)
	const steps = 200
	for i := range steps {
		f.step(t, nil, told(event.WorkflowProgress, "load_all", "", "", fmt.Sprintf("%d/200", i+1)), told(event.WorkflowNodeStarted, fmt.Sprintf("n%d", i), "READY", "RUNNING", ""))
	}
	c := b.subscribe(f, srv.URL, "?since=0")
	snapshotOf(t, c)
	states, progress, last := 0, 0, ""
	for states < steps {
		if text := raw(t, c); strings.Contains(text, `"type":"progress"`) {
			progress++
			last = text
		} else {
			states++
		}
	}
	if progress > 10 || !strings.Contains(last, `"processed":200`) {
		t.Errorf("%d frames of progress, the last is %s", progress, last)
	}
}

func TestEventsOfOneRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	f := b.addFlow().begin(t)
	f.step(t, nil, told(event.WorkflowRunStarted, "", "PENDING", "RUNNING", ""))
	for _, query := range []string{"topics=workflow", "topics=workflow:" + f.id, "workflow_run_id=" + f.id} {
		s := follow(t, srv.URL+"/api/events?since=0&"+query, b.tokens[access.Viewer])
		s.must()
		if e := s.mustEvent("workflow.run.started"); e.Topic != "workflow" || e.Data["workflow_run_id"] != f.id || e.Data["new_state"] != "RUNNING" {
			t.Errorf("%s: %+v", query, e)
		}
	}
}

func TestCheckpoints(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.addFlow()
	base := "/api/workflow-runs/" + f.id + "/checkpoints"
	if got := list(t, b.as(access.Viewer, "GET", base, "")); len(got) != 0 {
		t.Errorf("%v", got)
	}
	f.begin(t)
	for i := range 5 {
		f.step(t, func(s *workflow.State) {
			s.Nodes[fmt.Sprintf("n%d", i)] = workflow.NodeState{Status: workflow.NodeCompleted, Order: i + 1}
			s.Context["processed_items"] = int64(i + 1)
		})
	}
	one := want(t, b.as(access.Viewer, "GET", base+"?limit=3", ""), 200, "").json(t)
	items, next := one["items"].([]any), one["next_cursor"].(string)
	first := items[0].(map[string]any)
	if len(items) != 3 || first["checkpoint_id"] != f.steps[4] || first["seq"] != float64(5) || first["workflow_run_id"] != f.id || first["epoch"] == float64(0) {
		t.Errorf("%v", items)
	}
	if rest := list(t, b.as(access.Viewer, "GET", base+"?limit=3&cursor="+next, "")); len(rest) != 2 {
		t.Errorf("%v", rest)
	}
	got := want(t, b.as(access.Viewer, "GET", base+"/"+f.steps[1], ""), 200, "").json(t)
	if diff := cmp.Diff(map[string]any{
		"schema": 1.0, "checkpoint_id": f.steps[1], "seq": 2.0, "run_id": f.id, "workflow_id": "etl_customers", "version": 3.0,
		"completed_nodes": []any{"n0", "n1"}, "skipped_nodes": []any{}, "current_node": nil, "current_nodes": []any{},
		"context": map[string]any{"processed_items": 2.0}, "maps": map[string]any{}, "outputs": map[string]any{},
		"pending": map[string]any{"timers": []any{}, "approvals": []any{}, "events": []any{}},
	}, got); diff != "" {
		t.Error(diff)
	}
	want(t, b.as(access.Viewer, "GET", base+"/ckpt_01jh0000000000000000000000", ""), 404, "not_found")
	want(t, b.as(access.Viewer, "GET", base+"/job_01jh0000000000000000000000", ""), 400, "wrong_id_type")
	want(t, b.as("stranger", "GET", base, ""), 404, "not_found")
	want(t, b.as("stranger", "GET", base+"/"+f.steps[1], ""), 404, "not_found")
}
