package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Versions finds checked definitions of workflows, which are shared and must not be
// changed.
type Versions interface {
	// Graph returns a version; not_found.
	Graph(ctx context.Context, tenant, workflowID string, version int) (*workflow.Graph, error)
}

// workflowType is the job type of runs of workflows.
const workflowType = "workflow"

func (s *service) workflowRunRoutes() []operation {
	const list, one = "/api/workflow-runs", "/api/workflow-runs/{workflow_run_id}"
	statuses := []string{
		store.WorkflowPending, store.WorkflowRunning, store.WorkflowWaiting, store.WorkflowCompleted, store.WorkflowFailed, store.WorkflowCancelled, store.WorkflowSkipped,
	}
	shown := []answer{{Status: http.StatusOK, Doc: "the run", Body: wire.WorkflowRunDocument{}}}
	cancel := operation{
		ID: "cancel_workflow_run", Method: http.MethodPost, Path: one + "/cancel", Scope: access.JobsWrite, Tag: "workflows", Waits: true,
		Summary: "Cancel a run", Doc: "One that never began is cancelled at once. Another one is asked to end: what it did is compensated and its on_error runs, if it says so.",
		Faults:  []fault.Code{fault.WrongIDType, fault.AlreadyFinished},
		Answers: append(slices.Clone(shown), answer{Status: http.StatusAccepted, Doc: "asked to end", Body: wire.WorkflowRunDocument{}}), Handle: s.cancelWorkflowRun,
	}
	return append([]operation{
		{
			ID: "run_workflow", Method: http.MethodPost, Path: "/api/workflows/{workflow_id}/run", Scope: access.JobsWrite, Tag: "workflows", Waits: true,
			Summary: "Run a workflow", Doc: "Adds a job of the type workflow, which is in the queue like all others. The inputs are checked now, and the run keeps its version.",
			Body: wire.WorkflowRunInput{}, BodyOptional: true,
			Faults: []fault.Code{fault.VersionNotFound, fault.NoActiveVersion, fault.WorkflowArchived, fault.JobTypeUnknown, fault.StorageFull, fault.AlreadyStarted},
			Answers: []answer{
				{Status: http.StatusCreated, Doc: "stored; with Prefer: wait, ended", Body: wire.WorkflowRunDocument{}},
				{Status: http.StatusAccepted, Doc: "stored, but not ended within Prefer: wait", Body: wire.WorkflowRunDocument{}},
			},
			Handle: s.runWorkflow,
		},
		{
			ID: "list_workflow_runs", Method: http.MethodGet, Path: list, Scope: access.WorkflowsRead, Tag: "workflows", Summary: "List runs of workflows, newest first",
			Query: pageParams(textParam("workflow_id", "only of this workflow"), numberParam("version", "only of this version", 1, maxVersion),
				listParam("status", "only these statuses", statuses...)),
			Faults:  []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.WorkflowRunList{}}}, Handle: s.listWorkflowRuns,
		},
		{
			ID: "get_workflow_run", Method: http.MethodGet, Path: one, Scope: access.WorkflowsRead, Tag: "workflows", Summary: "Read a run of a workflow",
			Doc: "What language models wrote is not in it.", Query: []param{includeParam("definition")}, Faults: []fault.Code{fault.WrongIDType}, Answers: shown, Handle: s.getWorkflowRun,
		},
		{
			ID: "list_workflow_node_attempts", Method: http.MethodGet, Path: one + "/nodes/{node_id}/attempts", Scope: access.WorkflowsRead, Tag: "workflows",
			Summary: "List the attempts of a node, oldest first", Doc: "An attempt that was lost with its server is one of its own. One that was lost within 0.2 s of its beginning may be missing: nothing of it was stored.", Faults: []fault.Code{fault.WrongIDType},
			Answers: []answer{{Status: http.StatusOK, Doc: "at most 200", Body: wire.WorkflowNodeAttemptList{}}}, Handle: s.listNodeAttempts,
		},
		cancel,
	}, append(s.workflowSteerRoutes(one), s.workflowAgainRoutes(one)...)...)
}

// graph is the checked definition of a version.
func (s *service) graph(ctx context.Context, tenant, workflowID string, version int) (*workflow.Graph, error) {
	if s.Versions != nil {
		return s.Versions.Graph(ctx, tenant, workflowID, version)
	}
	v, err := s.Store.Workflows.Version(ctx, tenant, workflowID, version)
	if err != nil {
		return nil, err
	}
	docs, p := workflow.Read(workflowID, v.Definition, s.kinds)
	if len(docs) == 1 && docs[0].Workflow != nil {
		if g := workflow.Check(docs[0].Workflow, s.kinds, p); g != nil {
			return g, nil
		}
	}
	return nil, fault.Newf(fault.InvalidInput, "version %d of the workflow %s was made by another release and cannot be read", version, workflowID)
}

// runView shows a run. One whose version cannot be read any more is shown without what
// only that tells.
func (s *service) runView(ctx context.Context, w store.WorkflowRun) (wire.WorkflowRunDocument, error) {
	g, err := s.graph(ctx, w.Tenant, w.WorkflowID, w.Version)
	if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.VersionNotFound) && !fault.Is(err, fault.InvalidInput) {
		return wire.WorkflowRunDocument{}, err
	}
	var why *job.Waiting
	if w.Job.State == job.Queued {
		sit, err := s.Store.Jobs.Situation(ctx, []job.Job{w.Job})
		if err != nil {
			return wire.WorkflowRunDocument{}, err
		}
		reason := claim.NewExplainer(sit.Snapshot).Explain(w.Job, sit.Positions[w.JobID])
		why = &reason
	}
	return wire.WorkflowRunDocumentOf(w, g, why), nil
}

func (s *service) runReply(ctx context.Context, status int, w store.WorkflowRun) (reply, error) {
	v, err := s.runView(ctx, w)
	out := reply{Status: status, Body: v}
	if status != http.StatusOK {
		out.Location = workflowRunLocation(w.ID)
	}
	return out, err
}

func workflowRunLocation(id string) string { return "/api/workflow-runs/" + id }

func (s *service) runWorkflow(r *request) (reply, error) {
	var in wire.WorkflowRunInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	w, err := s.workflow(r)
	if err != nil {
		return reply{}, err
	}
	if !w.ArchivedAt.IsZero() {
		return reply{}, fault.Newf(fault.WorkflowArchived, "workflow %s is archived", w.ID)
	}
	if err := r.principal.RequireTemplate(""); err != nil {
		return reply{}, err
	}
	if in.Version, err = s.versionOf(r, w.ID, in.Version, in.Tag); err != nil {
		return reply{}, err
	}
	params, err := flowParams{WorkflowID: w.ID, Version: in.Version, Inputs: json.RawMessage(in.Inputs)}.object()
	if err != nil {
		return reply{}, err
	}
	body := in.Job(params)
	place, err := placeOf(body.Move())
	if err != nil {
		return reply{}, err
	}
	// Who applied the workflow had the right to say what runs: who runs it says only
	// with which inputs.
	j, err := s.composeFrom(r, body, job.Template{Name: w.ID, Type: workflowType, Params: []byte("{}"), Priority: job.PriorityNormal})
	if err != nil {
		return reply{}, outOf(err, "/params")
	}
	return s.addRun(r, j, store.AddJobs{Place: place}, store.WorkflowRun{})
}

// flowParams are the params of a job that runs a workflow.
type flowParams struct {
	WorkflowID string            `json:"workflow_id"`
	Version    int               `json:"version,omitempty"`
	Inputs     json.RawMessage   `json:"inputs,omitempty"`
	Sealed     map[string]string `json:"sealed,omitempty"`
	Depth      int               `json:"depth,omitempty"`
}

func (p flowParams) object() (wire.Object, error) {
	if len(p.Inputs) == 0 || string(p.Inputs) == "null" {
		p.Inputs = nil
	}
	return json.Marshal(p)
}

// outOf takes prefix from the pointers of a fault.
func outOf(err error, prefix string) error {
	if err == nil {
		return nil
	}
	f := fault.From(err)
	n := *f
	n.Fields = slices.Clone(f.Fields)
	for i, x := range n.Fields {
		n.Fields[i].Pointer = strings.TrimPrefix(x.Pointer, prefix)
	}
	return &n
}

// addRun stores the job of a run, and waits for its end where that is wanted. begin is
// the run as far as it is known.
func (s *service) addRun(r *request, j job.Job, p store.AddJobs, begin store.WorkflowRun) (reply, error) {
	now := s.now()
	if j.ID == "" {
		j.ID = id.New(id.Job, now)
	}
	j.CreatedAt, j.QueuedAt = now, now
	sit, err := s.Store.Jobs.Situation(r.Context(), nil)
	if err != nil {
		return reply{}, err
	}
	var params flowParams
	if err := json.Unmarshal(j.Params, &params); err != nil {
		return reply{}, err
	}
	g, err := s.graph(r.Context(), j.Tenant, params.WorkflowID, params.Version)
	if err != nil {
		return reply{}, err
	}
	status := http.StatusCreated
	if r.wait > 0 {
		status = http.StatusAccepted // until it has ended
	}
	runID := store.WorkflowRunID(j.ID)
	render := func(added []store.Added) reply {
		w := begin
		if w.State.Phase == "" {
			w.State = workflow.Begin()
		}
		w.ID, w.Tenant, w.JobID, w.WorkflowID, w.Version, w.Job = runID, j.Tenant, j.ID, params.WorkflowID, params.Version, added[0].Job
		w.CreatedAt, w.UpdatedAt = now, now
		why := claim.NewExplainer(sit.Snapshot).Explain(w.Job, added[0].Position)
		return reply{Status: status, Location: workflowRunLocation(runID), Body: wire.WorkflowRunDocumentOf(w, g, &why)}
	}
	p.Jobs, p.Key = []job.Job{j}, keyed(r, render)
	added, err := s.Store.Jobs.Add(r.Context(), p)
	if err != nil {
		return reply{}, nearby(err, p.Place)
	}
	if r.wait == 0 {
		return render(added), nil
	}
	return s.awaitRun(r, added[0].Job, http.StatusCreated)
}

// awaitRun waits for the end of a run: then the answer has the given status, otherwise
// 202.
func (s *service) awaitRun(r *request, j job.Job, ended int) (reply, error) {
	// Everything was read; a wait must not hold a body.
	r.body = nil
	r.hold.Free()
	j, err := s.await(r.Context(), j, r.wait)
	if err != nil && r.Context().Err() == nil {
		return reply{}, err
	}
	status := http.StatusAccepted
	if j.State.Terminal() {
		status = ended
	}
	ctx := withoutCancel(r.Context())
	w, err := s.Store.WorkflowRuns.Run(ctx, j.Tenant, store.WorkflowRunID(j.ID))
	if err != nil {
		return reply{}, err
	}
	out, err := s.runReply(ctx, status, w)
	if err != nil {
		return reply{}, err
	}
	out.Waited = true
	return out, s.settle(r, out)
}

func (s *service) listWorkflowRuns(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListWorkflowRuns{
		Tenant: r.tenant(), WorkflowID: r.query.text("workflow_id"), Version: r.query.number("version", 0), Statuses: r.query["status"], Limit: r.query.limit(),
	}
	if c != nil {
		p.Before = c.ID
	}
	page, err := s.Store.WorkflowRuns.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.WorkflowRunList{Items: []wire.WorkflowRun{}}
	for _, w := range page.Runs {
		out.Items = append(out.Items, wire.WorkflowRunOf(w))
		out.NextCursor = r.next(page.More, cursor{ID: w.ID})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) getWorkflowRun(r *request) (reply, error) {
	w, err := s.workflowRun(r.Context(), r)
	if err != nil {
		return reply{}, err
	}
	v, err := s.runView(r.Context(), w)
	if err != nil || !r.includes("definition") {
		return reply{Status: http.StatusOK, Body: v}, err
	}
	version, err := s.Store.Workflows.Version(r.Context(), w.Tenant, w.WorkflowID, w.Version)
	if err == nil {
		v.Definition = wire.Object(version.Definition)
	} else if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.VersionNotFound) {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: v}, nil
}

// maxAttempts is how many attempts of a node are shown.
const maxAttempts = 200

func (s *service) listNodeAttempts(r *request) (reply, error) {
	w, err := s.workflowRun(r.Context(), r)
	if err != nil {
		return reply{}, err
	}
	node, err := r.node()
	if err != nil {
		return reply{}, err
	}
	all, err := s.Store.WorkflowLog.Attempts(r.Context(), r.tenant(), w.ID, node, maxAttempts)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: wire.WorkflowNodeAttemptsOf(w, all)}, nil
}

// node is the node that the path names.
func (r *request) node() (string, error) {
	ref := r.PathValue("node_id")
	if !workflowID.MatchString(ref) {
		return "", fault.New(fault.NotFound, "there is no such node").At("path/node_id", "pattern", "a node_id is 1 to 64 of a-z, 0-9, _ and -")
	}
	return ref, nil
}

func (s *service) cancelWorkflowRun(r *request) (reply, error) {
	asked := func(j job.Job) int {
		if j.State.Terminal() {
			return http.StatusOK
		}
		return http.StatusAccepted
	}
	w, err := again(func() (store.WorkflowRun, error) {
		w, err := s.workflowRun(r.Context(), r)
		if err != nil {
			return w, err
		}
		if err := s.maySteer(r, w.Job); err != nil {
			return w, err
		}
		change, err := job.Apply(w.Job, job.CancelAsked{At: s.now(), By: r.principal.Name})
		if err != nil {
			return w, err
		}
		v, err := s.runView(r.Context(), w)
		if err != nil {
			return w, err
		}
		key := keyed(r, func(j job.Job) reply {
			w.Job = j
			v.WorkflowRun = wire.WorkflowRunOf(w)
			return reply{Status: asked(j), Location: workflowRunLocation(w.ID), Body: v}
		})
		_, err = s.Store.Jobs.Move(r.Context(), store.MoveJob{Change: change, Key: key})
		return w, err
	})
	if err != nil {
		return reply{}, err
	}
	if w, err = s.Store.WorkflowRuns.Run(r.Context(), w.Tenant, w.ID); err != nil {
		return reply{}, err
	}
	s.cancelChildren(r.Context(), w.Job, r.principal.Name, 0)
	if r.wait > 0 {
		return s.awaitRun(r, w.Job, http.StatusOK)
	}
	return s.runReply(r.Context(), asked(w.Job), w)
}
