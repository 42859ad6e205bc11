package api

import (
	"encoding/json"
	"slices"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// retryRun makes a new job from what the finished run's job had resolved. The
// job type checks the params again: what was allowed then may not be now. Equal
// jobs do not stand in the way of a person who wants this one.
func (s *service) retryRun(r *request) (reply, error) {
	var in wire.RetryInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	v, err := s.run(r)
	if err != nil {
		return reply{}, err
	}
	if !v.State.Terminal() {
		return reply{}, fault.Newf(fault.NotFinished, "run %s still executes", v.ID)
	}
	if v.JobID == "" {
		return reply{}, fault.Newf(fault.DirectNotRepeatable, "run %s was a direct request", v.ID)
	}
	old, err := s.Store.Jobs.Job(r.Context(), r.tenant(), v.JobID)
	if err != nil {
		return reply{}, err
	}
	if err := s.maySteer(r, old); err != nil {
		return reply{}, err
	}
	j, err := s.repeated(r, v, old, in)
	if err != nil {
		return reply{}, err
	}
	if old.ApprovalID == "" {
		return s.enqueue(r, j, store.AddJobs{})
	}
	// An approval was for that job: its repetition needs one of its own.
	before, err := s.Store.Approvals.Approval(r.Context(), r.tenant(), old.ApprovalID)
	if err != nil {
		return reply{}, err
	}
	return s.enqueueAsking(r, j, store.AddJobs{}, before.Rules)
}

// repeated is the job that repeats a run, with the changes that the input names.
func (s *service) repeated(r *request, v run.Run, old job.Job, in wire.RetryInput) (job.Job, error) {
	j := job.Job{
		Tenant: r.tenant(), State: job.Queued, Version: 1, Name: old.Name, Type: old.Type, Params: v.Params,
		TemplateID: old.TemplateID, TemplateVersion: old.TemplateVersion, Retry: old.Retry, Timeout: old.Timeout,
		Locks: old.Locks, OnCrash: old.OnCrash, Labels: old.Labels, Priority: old.Priority, Limits: old.Limits,
		Webhook: old.Webhook, UniqueKey: old.UniqueKey,
		Trigger: job.TriggerRetry, CreatedBy: r.principal.Name, RetryOf: v.ID,
	}
	kind, err := s.Tasks.Find(v.JobType)
	if err != nil {
		return j, err
	}
	if in.Priority != nil {
		j.Priority = *in.Priority
	}
	if in.RunAt != nil {
		j.NotBefore = in.RunAt.UTC()
	}
	if in.Hold {
		j.HeldReason = "held when it was added by " + r.principal.Name
	}
	if j.StartDeadline, err = deadline(in.StartDeadline, j.NotBefore, s.now()); err != nil {
		return j, err
	}
	d, err := s.directiveAgain(r, v)
	if err != nil {
		return j, err
	}
	j.Directive = bound(d)
	if len(in.Params) == 0 {
		// They were completed then.
		_, err := s.checked(r, kind, v.Params, d)
		return j, err
	}
	return s.withParams(r, j, kind, d, in)
}

// withParams changes the params of a job that repeats a run, and all that was
// made from them. What its template said then still holds.
func (s *service) withParams(r *request, j job.Job, kind task.Task, d directive.Directive, in wire.RetryInput) (job.Job, error) {
	t := job.Template{Type: j.Type}
	if j.TemplateID == "" {
		if err := r.principal.Require(access.TemplatesWrite); err != nil {
			return j, fault.From(err).At("/params", "forbidden", "the params of a job without a template are written by who may write templates")
		}
	} else {
		var err error
		if t, err = s.Store.Templates.Version(r.Context(), r.tenant(), j.TemplateID, j.TemplateVersion); err != nil {
			return j, err
		}
	}
	if err := mayOverride(r.principal, kind, t, wire.JobInput{Params: in.Params}); err != nil {
		return j, err
	}
	was := kind.Locks(j.Params)
	t.Params = j.Params
	var err error
	if j.Params, err = s.params(kind, t, json.RawMessage(in.Params)); err != nil {
		return j, err
	}
	if j.Params, err = s.checked(r, kind, j.Params, d); err != nil {
		return j, err
	}
	own := slices.DeleteFunc(slices.Clone(j.Locks), func(l string) bool { return slices.Contains(was, l) && !slices.Contains(t.Locks, l) })
	j.Locks = union(own, kind.Locks(j.Params))
	if j.Limits, err = j.Limits.For(j); err != nil {
		return j, err
	}
	j.UniqueKey = ""
	if t.Unique != nil {
		j.UniqueKey, err = t.Unique.Key(j)
	}
	return j, err
}
