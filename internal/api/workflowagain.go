package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/workflow"
)

// This file repeats runs of workflows: a new run begins with what is kept of another.

func (s *service) workflowAgainRoutes(one string) []operation {
	answers := []answer{
		{Status: http.StatusOK, Doc: "with preview: what would run again", Body: wire.WorkflowRetryPreview{}},
		{Status: http.StatusCreated, Doc: "the new run; with Prefer: wait, ended", Body: wire.WorkflowRunDocument{}},
		{Status: http.StatusAccepted, Doc: "the new run, not ended within Prefer: wait", Body: wire.WorkflowRunDocument{}},
	}
	faults := []fault.Code{
		fault.WrongIDType, fault.NotFinished, fault.NothingToRetry, fault.UnknownNode, fault.VersionNotPossible, fault.VersionNotFound, fault.JobTypeUnknown, fault.StorageFull,
	}
	return []operation{
		{
			ID: "retry_workflow_run", Method: http.MethodPost, Path: one + "/retry", Scope: access.JobsWrite, Tag: "workflows", Waits: true, Summary: "Repeat a run that has ended",
			Doc: "Makes a new run, whose retry_of names this one, and which keeps what went well: all but the nodes that failed and those behind them, or from_node and those behind it. " +
				"A map that failed keeps the items that went well.",
			Body: wire.WorkflowRetryInput{}, BodyOptional: true, Faults: faults, Answers: answers, Handle: s.retryWorkflowRun,
		},
		{
			ID: "restore_workflow_run", Method: http.MethodPost, Path: one + "/restore", Scope: access.JobsWrite, Tag: "workflows", Waits: true, Summary: "Begin with a checkpoint of a run that has ended",
			Doc:  "Makes a new run, whose retry_of names this one, with the state that it had at that step. What was under way there begins anew.",
			Body: wire.WorkflowRestoreInput{}, Faults: faults, Answers: answers, Handle: s.restoreWorkflowRun,
		},
	}
}

// repetition is a run that is to begin with the state of another one.
type repetition struct {
	old      store.WorkflowRun
	from, to *workflow.Graph
	version  int
	inputs   wire.Object
	preview  bool
	// began is what was asked for; runAgain adds the old run's version.
	began workflow.Beginning
	// seed makes the state of the old run's version.
	seed func(g *workflow.Graph) (workflow.State, error)
}

func (s *service) retryWorkflowRun(r *request) (reply, error) {
	var in wire.WorkflowRetryInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	p, err := s.repetition(r, in.Version, in.Tag)
	if err != nil {
		return reply{}, err
	}
	p.inputs, p.preview = in.Inputs, in.Preview
	p.began = workflow.Beginning{From: in.FromNode, FailedItems: in.FailedItems}
	p.seed = func(g *workflow.Graph) (workflow.State, error) {
		seed, err := g.Restart(p.old.State, workflow.Again{From: in.FromNode, FailedItems: in.FailedItems}, s.now())
		if err != nil && in.FromNode != "" {
			f := fault.From(err)
			err = f.At("/from_node", string(f.Code), f.Detail)
		}
		return seed, err
	}
	return s.runAgain(r, p)
}

func (s *service) restoreWorkflowRun(r *request) (reply, error) {
	var in wire.WorkflowRestoreInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if err := id.Check(id.Checkpoint, in.CheckpointID); err != nil {
		return reply{}, fault.From(err).At("/checkpoint_id", string(fault.WrongIDType), "is not a checkpoint's id")
	}
	p, err := s.repetition(r, in.Version, in.Tag)
	if err != nil {
		return reply{}, err
	}
	found, _, err := s.Checkpoints.ByID(r.Context(), r.tenant(), p.old.ID, in.CheckpointID)
	if err != nil {
		return reply{}, err
	}
	p.inputs, p.preview = in.Inputs, in.Preview
	p.began = workflow.Beginning{Seq: found.Seq}
	p.seed = func(g *workflow.Graph) (workflow.State, error) { return g.Resumed(found.State, s.now()) }
	return s.runAgain(r, p)
}

// repetition finds the run that the path names, which must have ended, and both
// versions; 0 and no tag is that of the run.
func (s *service) repetition(r *request, version int, tag string) (repetition, error) {
	old, err := s.workflowRun(r.Context(), r)
	if err != nil {
		return repetition{}, err
	}
	if err := s.maySteer(r, old.Job); err != nil {
		return repetition{}, err
	}
	if !old.Job.State.Terminal() {
		return repetition{}, fault.Newf(fault.NotFinished, "run %s is %s", old.ID, old.Status()).WithHint("wait for its end, or cancel it")
	}
	if version, err = s.versionOf(r, old.WorkflowID, version, tag); err != nil {
		return repetition{}, err
	}
	p := repetition{old: old, version: old.Version}
	if p.from, err = s.graph(r.Context(), old.Tenant, old.WorkflowID, old.Version); err != nil {
		return p, err
	}
	if p.to = p.from; version != 0 && version != old.Version {
		p.version = version
		if p.to, err = s.graph(r.Context(), old.Tenant, old.WorkflowID, version); fault.Is(err, fault.VersionNotFound) {
			err = fault.From(err).At("/version", "not_found", "there is no such version")
		}
	}
	return p, err
}

// runAgain makes the new run, or tells what it would do.
func (s *service) runAgain(r *request, p repetition) (reply, error) {
	seed, err := p.seed(p.from)
	if err != nil {
		return reply{}, err
	}
	if p.to != p.from {
		var obstacles []string
		if seed, obstacles, err = p.to.Adopt(seed, p.from, s.kinds, s.now()); err != nil {
			return reply{}, err
		}
		if len(obstacles) > 0 {
			f := fault.Newf(fault.VersionNotPossible, "run %s cannot go on with version %d: %s", p.old.ID, p.version, obstacles[0])
			for _, text := range obstacles {
				f = f.At("/version", "obstacle", text)
			}
			return reply{}, f
		}
	}
	p.began.Version = p.old.Version
	seed.Began = &p.began
	j, err := s.jobAgain(r, p)
	if err != nil {
		return reply{}, err
	}
	if p.preview {
		return reply{Status: http.StatusOK, Body: wire.WorkflowRetryPreviewOf(p.old.WorkflowID, p.version, seed, p.to)}, nil
	}
	add := store.AddJobs{Seeds: []store.WorkflowSeed{{JobID: j.ID, RetryOf: p.old.ID, State: seed}}}
	if p.old.Job.ApprovalID != "" {
		// An approval was for that job: its repetition needs one of its own.
		before, err := s.Store.Approvals.Approval(r.Context(), r.tenant(), p.old.Job.ApprovalID)
		if err != nil {
			return reply{}, err
		}
		ask, err := approval.New(before.Rules(j.Request(id.New(id.Approval, s.now()), r.person(), s.now(), 0)))
		if err != nil {
			return reply{}, err
		}
		add.Approvals = []approval.Request{ask}
	}
	return s.addRun(r, j, add, store.WorkflowRun{RetryOf: p.old.ID, State: seed})
}

// secretsAgain makes sure that secret inputs, which are not kept, are given again:
// nobody knows any more whether the old run had them.
func secretsAgain(p repetition, inputs json.RawMessage) error {
	given := map[string]json.RawMessage{}
	if len(inputs) > 0 {
		if err := json.Unmarshal(inputs, &given); err != nil {
			return err
		}
	}
	bad := fault.New(fault.InvalidInput, "secret inputs are not kept: give them again").WithHint("null says that the input is not set")
	for _, in := range p.to.Definition.Inputs {
		if _, there := given[in.Name]; in.Secret && !there {
			bad = bad.At("/inputs/"+in.Name, "required", in.Name+" is secret: give it again, or null")
		}
	}
	if len(bad.Fields) == 0 {
		return nil
	}
	return bad
}

// jobAgain is the job of the new run.
func (s *service) jobAgain(r *request, p repetition) (job.Job, error) {
	old := p.old.Job
	j := job.Job{
		ID: id.New(id.Job, s.now()), Tenant: r.tenant(), State: job.Queued, Version: 1, Name: old.Name, Type: old.Type, TemplateID: old.TemplateID, TemplateVersion: old.TemplateVersion,
		Directive: old.Directive, Retry: old.Retry, Timeout: old.Timeout, Locks: old.Locks, OnCrash: old.OnCrash, Labels: old.Labels, Priority: old.Priority, Limits: old.Limits,
		Webhook: old.Webhook, UniqueKey: old.UniqueKey, Trigger: job.TriggerRetry, CreatedBy: r.principal.Name, RetryOf: old.RunID,
	}
	var was flowParams
	if err := json.Unmarshal(old.Params, &was); err != nil {
		return j, err
	}
	inputs, err := overlaid(was.Inputs, p.inputs)
	if err != nil {
		return j, err
	}
	if !p.preview {
		if err := secretsAgain(p, inputs); err != nil {
			return j, err
		}
	}
	params, err := flowParams{WorkflowID: p.old.WorkflowID, Version: p.version, Inputs: inputs}.object()
	if err != nil {
		return j, err
	}
	kind, err := s.Tasks.Find(workflowType)
	if err != nil {
		return j, err
	}
	pinned, is := kind.(task.Pinned)
	if !is {
		return j, fault.New(fault.JobTypeUnknown, "this server cannot run workflows")
	}
	pin, err := pinned.Pin(r.Context(), j.Tenant, json.RawMessage(params))
	if err != nil {
		if f := fault.From(err); len(f.Fields) > 0 && strings.HasPrefix(f.Fields[0].Pointer, "/inputs/") {
			err = f.WithHint("secret inputs are not kept: give them again with inputs")
		}
		return j, err
	}
	var now flowParams
	if err := json.Unmarshal(pin.Params, &now); err != nil {
		return j, err
	}
	now.Depth = was.Depth
	j.Params, err = json.Marshal(now)
	return j, err
}

// overlaid are inputs with others in place of those with the same names.
func overlaid(under json.RawMessage, over wire.Object) (json.RawMessage, error) {
	if len(over) == 0 || string(over) == "null" {
		return under, nil
	}
	all := map[string]json.RawMessage{}
	for _, part := range []json.RawMessage{under, json.RawMessage(over)} {
		if len(part) == 0 {
			continue
		}
		if err := json.Unmarshal(part, &all); err != nil {
			return nil, fault.Wrap(err, fault.InvalidInput, "inputs must be an object").At("/inputs", "wrong_type", "must be an object")
		}
	}
	for name, v := range all {
		if string(v) == "null" {
			delete(all, name)
		}
	}
	return json.Marshal(all)
}
