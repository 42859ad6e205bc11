package api

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) workflowLiveRoutes() []operation {
	const steps = "/api/workflow-runs/{workflow_run_id}/checkpoints"
	return []operation{
		{
			ID: "subscribe_workflow_run", Method: http.MethodGet, Path: "/api/workflows/{workflow_run_id}/subscribe", Scope: access.WorkflowsRead, Tag: "workflows",
			Summary: "Follow a run of a workflow (WebSocket)",
			Doc: "Text frames of JSON: first a snapshot of the run, then one frame for each change of state behind since or, without it, behind the snapshot. " +
				"Frames other than changes of state have a type: progress (of a map; a slow client gets the newest only), reset where the position does not fit the log, " +
				"followed by another snapshot, and ping every 20 seconds. The client sends nothing. " +
				"Close codes: 1013 too slow, come back with since; 4401 the right to watch has ended; 1001 the server stops; 1008 the client talks too much.",
			Query: []param{
				{Name: "since", Doc: "continue behind this seq; 0 = from the oldest event that is kept; without it, from the snapshot on", Schema: seqSchema()},
				textParam("ticket", "of POST /api/session/ticket, in place of a token or a cookie"),
			},
			Ticket: true,
			Answers: []answer{{
				Status: http.StatusSwitchingProtocols, Doc: "the connection becomes a WebSocket",
				Media:  []string{"application/json"},
				Frames: []any{wire.WorkflowSnapshot{}, wire.WorkflowFrame{}, wire.WorkflowProgress{}, wire.EventReset{}, wire.EventPing{}},
			}},
			Faults: []fault.Code{fault.CrossOrigin, fault.UpgradeRequired, fault.ShuttingDown, fault.WrongIDType}, Stream: s.subscribeRun,
		},
		{
			ID: "list_workflow_checkpoints", Method: http.MethodGet, Path: steps, Scope: access.WorkflowsRead, Tag: "workflows",
			Summary: "List the steps of a run, latest first", Query: pageParams(),
			Faults:  []fault.Code{fault.CursorInvalid, fault.WrongIDType},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.WorkflowCheckpointList{}}}, Handle: s.listCheckpoints,
		},
		{
			ID: "get_workflow_checkpoint", Method: http.MethodGet, Path: steps + "/{checkpoint_id}", Scope: access.WorkflowsRead, Tag: "workflows",
			Summary: "Read a step of a run: what it had reached", Doc: "What language models wrote is not in it.",
			Faults:  []fault.Code{fault.WrongIDType},
			Answers: []answer{{Status: http.StatusOK, Doc: "the step", Body: wire.CheckpointDocument{}}}, Handle: s.getCheckpoint,
		},
	}
}

// workflowRun finds the run that the path names.
func (s *service) workflowRun(ctx context.Context, r *request) (store.WorkflowRun, error) {
	runID, err := r.id("workflow_run_id", id.WorkflowRun)
	if err != nil {
		return store.WorkflowRun{}, err
	}
	return s.Store.WorkflowRuns.Run(ctx, r.tenant(), runID)
}

func (s *service) subscribeRun(w http.ResponseWriter, r *request) error {
	// Before anything is opened: who asks for what is not there gets a plain answer.
	found, err := s.workflowRun(r.Context(), r)
	if err != nil {
		return err
	}
	return s.watch(w, r, func(st *stream) (live, error) {
		st.match = func(e event.Event) bool {
			return e.Data[event.WorkflowRunKey] == found.ID && wire.IsWorkflowEvent(e) ||
				e.JobID == found.JobID && (e.Type == event.JobCancelled || e.Type == event.JobRunFailed)
		}
		st.thin = newestProgress
		snapshot := func(ctx context.Context) (wire.WorkflowSnapshot, error) {
			seq := st.reader.Seq()
			run, err := s.workflowRun(ctx, r)
			if err != nil {
				return wire.WorkflowSnapshot{}, err
			}
			return wire.WorkflowSnapshotOf(run, seq, s.Clock.Now()), nil
		}
		first, err := snapshot(r.Context())
		out := func(k *socket) sink {
			return &runSocket{socket: k, snapshot: snapshot, runID: found.ID, status: first.Status}
		}
		return live{first: first, out: out}, err
	})
}

// newestProgress leaves out news of progress that newer ones follow: whoever is
// behind does not need them. Changes of state are all kept.
func newestProgress(evs []event.Event) []event.Event {
	newest := map[string]int64{}
	for _, e := range evs {
		if e.Type == event.WorkflowProgress {
			newest[e.Data["node_id"]] = e.Seq
		}
	}
	if len(newest) == 0 {
		return evs
	}
	out := evs[:0]
	for _, e := range evs {
		if e.Type != event.WorkflowProgress || newest[e.Data["node_id"]] == e.Seq {
			out = append(out, e)
		}
	}
	return out
}

// runSocket writes the frames of one run.
type runSocket struct {
	*socket
	snapshot func(context.Context) (wire.WorkflowSnapshot, error)
	runID    string
	// status is that of the run, as the client knows it.
	status string
}

func (k *runSocket) event(e event.Event) error {
	if !wire.IsWorkflowEvent(e) {
		end, ok := wire.WorkflowEnd(e, k.runID, k.status)
		if !ok {
			return nil // the run has said so itself
		}
		k.status = end.NewState
		return k.send(end)
	}
	if e.Data["node_id"] == "" {
		k.status = e.Data["new_state"]
	}
	text, err := k.s.frames.text(e)
	if err != nil {
		return err
	}
	return k.write(text)
}

// reset is followed by the state as it is now: what the client knows may be old.
func (k *runSocket) reset(r wire.EventReset) error {
	if err := k.socket.reset(r); err != nil {
		return err
	}
	now, err := k.snapshot(k.ctx)
	if err != nil {
		return err
	}
	k.status = now.Status
	return k.send(now)
}

// keptFrames is how many encoded frames are remembered.
const keptFrames = 512

// frames remembers what events look like as frames: each is encoded once, however
// many watch the run.
type frames struct {
	mu    sync.Mutex
	of    map[int64][]byte // by seq
	order []int64          // as a ring, once it is full
	next  int
}

// text returns the frame of an event. The caller does not change it.
func (f *frames) text(e event.Event) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if text := f.of[e.Seq]; text != nil {
		return text, nil
	}
	text, err := json.Marshal(wire.WorkflowFrameOf(e))
	if err != nil {
		return nil, err
	}
	if len(f.order) < keptFrames {
		f.order = append(f.order, e.Seq)
	} else {
		delete(f.of, f.order[f.next])
		f.order[f.next] = e.Seq
		f.next = (f.next + 1) % keptFrames
	}
	f.of[e.Seq] = text
	return text, nil
}

func (s *service) listCheckpoints(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	run, err := s.workflowRun(r.Context(), r)
	if err != nil {
		return reply{}, err
	}
	p := store.ListCheckpoints{Tenant: r.tenant(), RunID: run.ID, Limit: r.query.limit()}
	if c != nil {
		p.BeforeSeq = c.Seq
	}
	page, err := s.Store.WorkflowLog.Checkpoints(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.WorkflowCheckpointList{Items: []wire.WorkflowCheckpoint{}}
	for _, x := range page.Checkpoints {
		out.Items = append(out.Items, wire.WorkflowCheckpointOf(x))
		out.NextCursor = r.next(page.More, cursor{ID: x.ID, Seq: x.Seq})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) getCheckpoint(r *request) (reply, error) {
	runID, err := r.id("workflow_run_id", id.WorkflowRun)
	if err != nil {
		return reply{}, err
	}
	checkpointID, err := r.id("checkpoint_id", id.Checkpoint)
	if err != nil {
		return reply{}, err
	}
	found, _, err := s.Checkpoints.ByID(r.Context(), r.tenant(), runID, checkpointID)
	if err != nil {
		return reply{}, err
	}
	body, err := wire.CheckpointOf(found.Document())
	return reply{Status: http.StatusOK, Body: body}, err
}
