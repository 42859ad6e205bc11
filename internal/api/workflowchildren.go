package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// childTries is how often a child that changes meanwhile is asked to end.
const (
	childTries = 5
	childPause = 20 * time.Millisecond
)

// cancelChildren asks the jobs for which a cancelled run of a workflow waits to end,
// and theirs. The run does that itself when it has a slot; but its own child may have
// the last one. What fails here is therefore left to the run.
func (s *service) cancelChildren(ctx context.Context, j job.Job, by string, depth int) {
	if depth > workflow.MaxDepth || j.Type != workflowType || j.State != job.Queued {
		return
	}
	run, err := s.Store.WorkflowRuns.Run(ctx, j.Tenant, store.WorkflowRunID(j.ID))
	if err != nil {
		return
	}
	g, err := s.graph(ctx, run.Tenant, run.WorkflowID, run.Version)
	if err != nil {
		return
	}
	for _, step := range g.With(run.State, workflow.NodeWaiting) {
		// What a wait node waits for is another's, maybe another run's.
		if w := run.State.Nodes[step.ID].Wait; w != nil && w.For == workflow.WaitJob && step.Kind.Type != "wait" {
			s.cancelChild(ctx, j.Tenant, w.Ref, by, depth)
		}
	}
}

func (s *service) cancelChild(ctx context.Context, tenant, jobID, by string, depth int) {
	for range childTries {
		child, err := s.Store.Jobs.Job(ctx, tenant, jobID)
		if err != nil || child.Trigger != job.TriggerWorkflow {
			return
		}
		c, err := job.Apply(child, job.CancelAsked{At: s.now(), By: by})
		if err != nil {
			return
		}
		child, err = s.Store.Jobs.Move(ctx, store.MoveJob{Change: c})
		if err == nil {
			s.cancelChildren(ctx, child, by, depth+1)
			return
		}
		if !fault.Is(err, fault.Conflict) || clock.Sleep(ctx, s.Clock, childPause) != nil {
			return
		}
	}
}

func (s *service) workflowItemRoutes() []operation {
	return []operation{{
		ID: "list_workflow_items", Method: http.MethodGet, Path: "/api/workflow-runs/{workflow_run_id}/nodes/{node_id}/items", Scope: access.WorkflowsRead, Tag: "workflows",
		Summary: "List the items of a map and how far each is", Doc: "By index. The attempts of an item's nodes are in its checkpoints and logs.",
		Query: pageParams(enumParam("status", "only these; all if absent", "pending", "running", "completed", "failed")), Faults: []fault.Code{fault.CursorInvalid, fault.WrongIDType, fault.NotFound},
		Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.WorkflowItemList{}}}, Handle: s.listWorkflowItems,
	}}
}

func (s *service) listWorkflowItems(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	w, err := s.workflowRun(r.Context(), r)
	if err != nil {
		return reply{}, err
	}
	node, err := r.node()
	if err != nil {
		return reply{}, err
	}
	m, ok := w.State.Maps[node]
	if !ok {
		return reply{}, fault.Newf(fault.NotFound, "the node %s is no map, or has not begun", clip(node))
	}
	from := 0
	if c != nil {
		if c.ID != w.ID || c.Name != "" || c.Seq < 0 || c.Seq > int64(m.Total) {
			return reply{}, otherCursor("map")
		}
		from = int(c.Seq)
	}
	out := wire.WorkflowItemList{Items: []wire.WorkflowItem{}, Total: m.Total, Processed: m.Processed(), Failed: len(m.Failed)}
	next := 0
	out.Items, next = mapItems(m, from, r.query.limit(), r.query.text("status"))
	out.NextCursor = r.next(next < m.Total, cursor{ID: w.ID, Seq: int64(next)})
	return reply{Status: http.StatusOK, Body: out}, nil
}

// mapItems are at most limit items from index from on that have a status; next is where
// the rest begins.
func mapItems(m workflow.MapState, from, limit int, status string) (items []wire.WorkflowItem, next int) {
	failed := map[int]workflow.FailedItem{}
	for _, f := range m.Failed {
		failed[f.Index] = f
	}
	items = []wire.WorkflowItem{}
	above := 0
	for i := from; i < m.Total; i++ {
		if len(items) == limit {
			return items, i
		}
		one := wire.WorkflowItem{Index: i, Status: "pending"}
		for above < len(m.Above) && m.Above[above] < i {
			above++
		}
		f, bad := failed[i]
		switch {
		case bad:
			one.Status, one.Code, one.Message = "failed", &f.Code, &f.Message
		case i < m.Next || above < len(m.Above) && m.Above[above] == i:
			one.Status = "completed"
		case slices.Contains(m.Begun, i):
			one.Status = "running"
		}
		if status == "" || status == one.Status {
			items = append(items, one)
		}
	}
	return items, m.Total
}
