package api

import (
	"context"
	"net/http"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/draw"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// What happens to runs that have begun when another version is used.
const (
	RunningKeep    = "keep"
	RunningCancel  = "cancel"
	RunningMigrate = "migrate"
)

// RunningChange is what is to happen to the running runs of a workflow.
type RunningChange struct {
	Tenant, WorkflowID string
	// Version is the one that becomes active, Mode RunningCancel or RunningMigrate.
	Version    int
	Mode       string
	By, Reason string
}

// RunningWorkflows changes runs that have begun.
type RunningWorkflows interface {
	// Prepare checks that the change is possible and changes nothing;
	// running_not_possible, with a field for each obstacle. The function that it
	// returns carries the change out and says how many runs it reached. It is called
	// when the version is active, or never.
	Prepare(ctx context.Context, c RunningChange) (func(ctx context.Context) (int, error), error)
}

func (s *service) activateWorkflow(r *request) (reply, error) {
	return s.moveWorkflow(r, store.ActivatedByPerson, audit.WorkflowActivated, func(m store.MovedWorkflow, version, runs int) any {
		return wire.WorkflowMoved{Success: true, WorkflowID: m.Workflow.ID, Version: version, PreviousVersion: previous(m), RunsChanged: runs}
	})
}

func (s *service) rollbackWorkflow(r *request) (reply, error) {
	return s.moveWorkflow(r, store.ActivatedByRollback, audit.WorkflowRolledBack, func(m store.MovedWorkflow, version, runs int) any {
		return wire.WorkflowRolledBack{Success: true, WorkflowID: m.Workflow.ID, RolledBackToVersion: version, PreviousVersion: previous(m), RunsChanged: runs}
	})
}

func previous(m store.MovedWorkflow) *int {
	if m.From == 0 {
		return nil
	}
	return &m.From
}

// moveWorkflow lets another version be the active one. What is to happen to running
// runs is checked before and done after: the pointer and the runs are not one
// transaction, and a repetition does the rest.
func (s *service) moveWorkflow(r *request, source string, action audit.Action, show func(m store.MovedWorkflow, version, runs int) any) (reply, error) {
	var in wire.WorkflowMoveInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	w, err := s.workflow(r)
	if err != nil {
		return reply{}, err
	}
	if err := r.match(etag(w.Revision), wire.WorkflowOf(w)); err != nil {
		return reply{}, err
	}
	if !w.ArchivedAt.IsZero() {
		return reply{}, fault.Newf(fault.WorkflowArchived, "workflow %s is archived", w.ID)
	}
	if in.Version, err = s.versionOf(r, w.ID, in.Version, in.Tag); err != nil {
		return reply{}, err
	}
	if in.Version == 0 {
		return reply{}, fault.New(fault.InvalidInput, "a version or a tag must be given").At("/version", "required", "version or tag must be given")
	}
	if in.Version > w.Newest {
		return reply{}, fault.Newf(fault.VersionNotFound, "workflow %s has no version %d", w.ID, in.Version).At("/version", "not_found", "the newest is "+itoa(w.Newest))
	}
	finish, err := s.running(r, RunningChange{
		Tenant: w.Tenant, WorkflowID: w.ID, Version: in.Version, Mode: in.Running, By: r.principal.Name, Reason: in.Reason,
	})
	if err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: action, Object: w.ID, Name: w.Name, Detail: map[string]string{
		"from_version": itoa(w.Active), "reason": in.Reason, "running": in.Running, "tag": in.Tag,
	}})
	if err != nil {
		return reply{}, err
	}
	render := func(runs int) func(m store.MovedWorkflow) reply {
		return func(m store.MovedWorkflow) reply {
			return reply{Status: http.StatusOK, ETag: etag(m.Workflow.Revision), Body: show(m, in.Version, runs)}
		}
	}
	p := store.ActivateWorkflow{
		Tenant: w.Tenant, ID: w.ID, Version: in.Version, Source: source, By: r.principal.Name, Reason: in.Reason, At: s.now(),
		Audit: entry,
	}
	if finish == nil {
		p.Key = keyed(r, render(0))
	}
	if r.ifMatch != nil {
		p.IfRevision = w.Revision
	}
	moved, err := s.Store.Workflows.Activate(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	if finish == nil {
		return render(0)(moved), nil
	}
	runs, err := finish(r.Context())
	if err != nil {
		return reply{}, err
	}
	out := render(runs)(moved)
	if r.key == nil {
		return out, nil
	}
	// Not before: a repetition has to do the rest.
	k := *r.key
	k.Render = func(any) (store.Reply, error) { return encode(out) }
	return out, s.Store.Keys.Begin(withoutCancel(r.Context()), k)
}

// running prepares what is to happen to runs that have begun; nil: nothing.
func (s *service) running(r *request, c RunningChange) (func(context.Context) (int, error), error) {
	if c.Mode == "" || c.Mode == RunningKeep {
		return nil, nil //nolint:nilnil // nothing to do is no error
	}
	if s.Running == nil {
		return nil, fault.Newf(fault.RunningNotPossible, "this server cannot %s running runs", c.Mode).At("/running", "unsupported", "must be keep")
	}
	return s.Running.Prepare(r.Context(), c)
}

func (s *service) diffWorkflow(r *request) (reply, error) {
	w, err := s.workflow(r)
	if err != nil {
		return reply{}, err
	}
	out := wire.WorkflowDiff{WorkflowID: w.ID, From: max(w.Active, 1), To: w.Newest}
	for name, n := range map[string]*int{"from": &out.From, "to": &out.To} {
		if text := r.query.text(name); text != "" {
			if *n, err = s.versionNamed(r, w.ID, text, "query/"+name); err != nil {
				return reply{}, err
			}
		}
	}
	var texts [2]string
	var graphs [2]*workflow.Graph
	for i, n := range []int{out.From, out.To} {
		v, err := s.Store.Workflows.Version(r.Context(), w.Tenant, w.ID, n)
		if err != nil {
			return reply{}, err
		}
		tree, err := source.Read(w.ID, v.Definition)
		if err != nil {
			return reply{}, err
		}
		texts[i] = string(tree[0].YAML())
		docs, p := workflow.Read(w.ID, v.Definition, s.kinds)
		if len(docs) == 1 && docs[0].Workflow != nil {
			graphs[i] = workflow.Check(docs[0].Workflow, s.kinds, p)
		}
	}
	out.Text = draw.Diff("version "+itoa(out.From), "version "+itoa(out.To), texts[0], texts[1])
	out.Show(workflow.Diff{})
	if graphs[0] != nil && graphs[1] != nil { // a version of another release may not be valid any more
		out.Show(workflow.Compare(graphs[0], graphs[1], s.kinds))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}
