package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/event"
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
		j = job.AddHeld(j, r.principal.Name)
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
		_, err = s.checked(r, kind, v.Params, d)
	} else {
		j, err = s.withParams(r, j, kind, d, in)
	}
	pinned, is := kind.(task.Pinned)
	if err != nil || !is {
		return j, err
	}
	// Secret inputs are not kept: those that are given now are encrypted, and those
	// that must be given are asked for.
	pin, err := pinned.Pin(r.Context(), j.Tenant, j.Params)
	if err != nil {
		return j, within(err, "/params")
	}
	j.Params = pin.Params
	return j, nil
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

// maxTimeline is how many events a timeline is made of at most.
const maxTimeline = 5000

func (s *service) jobViewRoutes() []operation {
	const one = "/api/jobs/{job_id}"
	return []operation{
		{
			ID: "list_job_events", Method: http.MethodGet, Path: one + "/events", Scope: access.EventsRead, Tag: "jobs",
			Summary: "List what happened to a job, oldest first", Doc: "As far as the log of events reaches back, those of its runs among them.",
			Query: pageParams(), Faults: []fault.Code{fault.CursorInvalid, fault.WrongIDType},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.JobEventList{}}}, Handle: s.listJobEvents,
		},
		{
			ID: "get_job_timeline", Method: http.MethodGet, Path: one + "/timeline", Scope: access.JobsRead, Tag: "jobs",
			Summary: "Show when a job waited, ran and was parked", Doc: "Made of its events. Segments follow each other, so that none is shorter than nothing, whatever clocks did.",
			Faults:  []fault.Code{fault.WrongIDType},
			Answers: []answer{{Status: http.StatusOK, Doc: "the segments", Body: wire.JobTimeline{}}}, Handle: s.getTimeline,
		},
		{
			ID: "duplicate_job", Method: http.MethodPost, Path: one + "/duplicate", Scope: access.JobsWrite, Tag: "jobs", Waits: true,
			Summary: "Put another job like this one into the queue",
			Doc: "Whatever became of this one. The body changes some of it, with the rights that a retry needs. Runs of workflows are begun with " +
				"POST /api/workflows/{workflow_id}/run instead.",
			Body: wire.RetryInput{}, BodyOptional: true,
			Faults: []fault.Code{fault.JobTypeUnknown, fault.CommandNotAllowed, fault.StorageFull, fault.DirectiveArchived, fault.SourceNotAllowed, fault.WrongIDType},
			Answers: []answer{
				{Status: http.StatusCreated, Doc: "the new job; with Prefer: wait, ended", Body: wire.Job{}},
				{Status: http.StatusAccepted, Doc: "the new job, not ended within Prefer: wait", Body: wire.Job{}},
			},
			Handle: s.duplicateJob,
		},
	}
}

func (s *service) listJobEvents(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	j, err := s.job(r)
	if err != nil {
		return reply{}, err
	}
	p := store.ListJobEvents{Tenant: r.tenant(), JobID: j.ID, Limit: r.query.limit()}
	if c != nil {
		if c.ID != j.ID {
			return reply{}, otherCursor("job")
		}
		p.After = c.Seq
	}
	page, err := s.Store.Views.JobEvents(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.JobEventList{Items: []wire.Event{}}
	for _, e := range page.Events {
		out.Items = append(out.Items, wire.EventOf(e))
		out.NextCursor = r.next(page.More, cursor{ID: j.ID, Seq: e.Seq})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) getTimeline(r *request) (reply, error) {
	j, err := s.job(r)
	if err != nil {
		return reply{}, err
	}
	page, err := s.Store.Views.JobEvents(r.Context(), store.ListJobEvents{Tenant: r.tenant(), JobID: j.ID, Limit: maxTimeline})
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: timeline(j, page)}, nil
}

// timeline makes segments of a job's events.
func timeline(j job.Job, page store.EventPage) wire.JobTimeline {
	out := wire.JobTimeline{JobID: j.ID, Segments: []wire.JobSegment{}, Complete: !page.More}
	if len(page.Events) == 0 || page.Events[0].Type != event.JobQueued {
		out.Complete = false
	}
	failed := false // the last attempt, and nothing happened since
	for _, e := range page.Events {
		kind := ""
		switch e.Type { //nolint:exhaustive // the others change nothing that is shown
		case event.JobQueued:
			kind = "queued"
			if failed {
				kind = "retry_delay"
			}
		case event.JobDue, event.JobReleased, event.JobWoken, event.JobApproved:
			kind = "queued"
		case event.JobHeld:
			kind = "held"
		case event.JobStarted:
			kind = "running"
		case event.JobParked:
			kind = "parked"
		case event.JobRunFailed, event.JobRunCompleted, event.JobRunSkipped, event.JobCancelled:
			failed = e.Type == event.JobRunFailed
			end(&out, e.At)
			continue
		default:
			continue
		}
		failed = false
		begin(&out, kind, e)
	}
	if j.State.Terminal() && !j.FinishedAt.IsZero() {
		end(&out, j.FinishedAt)
	}
	return out
}

// end ends the last segment unless it has an end.
func end(out *wire.JobTimeline, at time.Time) {
	if n := len(out.Segments); n > 0 && out.Segments[n-1].To == nil {
		last := &out.Segments[n-1]
		if at.Before(last.From) {
			at = last.From
		}
		last.To = new(at.UTC())
	}
}

func begin(out *wire.JobTimeline, kind string, e event.Event) {
	end(out, e.At)
	seg := wire.JobSegment{Kind: kind, From: e.At.UTC()}
	if n := len(out.Segments); n > 0 {
		seg.From = *out.Segments[n-1].To // without gaps
		if seg.From.Before(e.At) {
			seg.From = e.At.UTC()
		}
	}
	if kind == "running" {
		if n, err := strconv.Atoi(e.Data["attempt"]); err == nil {
			seg.Attempt = &n
		}
	}
	if kind == "running" || kind == "parked" {
		seg.RunID = filled(e.RunID)
	}
	seg.Detail = filled(e.Data["for"])
	out.Segments = append(out.Segments, seg)
}

// duplicateJob makes a new job from what the job had resolved, as a retry does.
func (s *service) duplicateJob(r *request) (reply, error) {
	var in wire.RetryInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	old, err := s.job(r)
	if err != nil {
		return reply{}, err
	}
	if err := s.maySteer(r, old); err != nil {
		return reply{}, err
	}
	if old.Type == workflowType {
		return reply{}, fault.New(fault.InvalidInput, "a run of a workflow is not duplicated, but begun with POST /api/workflows/{workflow_id}/run").
			At("path/job_id", "not_allowed", "runs a workflow")
	}
	j, err := s.repeated(r, run.Run{ID: old.RunID, JobID: old.ID, JobType: old.Type, Params: old.Params, Directive: old.Directive}, old, in)
	if err != nil {
		return reply{}, err
	}
	j.Trigger, j.RetryOf = job.TriggerManual, ""
	if old.ApprovalID == "" {
		return s.enqueue(r, j, store.AddJobs{})
	}
	before, err := s.Store.Approvals.Approval(r.Context(), r.tenant(), old.ApprovalID)
	if err != nil {
		return reply{}, err
	}
	return s.enqueueAsking(r, j, store.AddJobs{}, before.Rules)
}

// rework is what a waiting job is to do after a patch; nil: the patch says nothing of
// its params.
func (s *service) rework(r *request, j job.Job) (*job.Work, error) {
	var in struct {
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil {
		return nil, err
	}
	if in.Params == nil {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	refused := func(detail string) error {
		return fault.New(fault.InvalidInput, "the params cannot be changed: "+detail).At("/params", "not_allowed", detail)
	}
	switch {
	case string(in.Params) == "null":
		return nil, refused("a job cannot be without")
	case j.Type == workflowType:
		return nil, refused("the run keeps the inputs with which it was added")
	case j.Attempt > 0:
		return nil, refused("the job has started before")
	case j.ApprovalID != "":
		return nil, refused("people were asked to approve it as it is")
	case j.Trigger == job.TriggerWorkflow:
		return nil, refused("a run of a workflow has added it, and what it does is the workflow's to say")
	}
	kind, err := s.Tasks.Find(j.Type)
	if err != nil {
		return nil, err
	}
	d, err := s.directiveAgain(r, run.Run{ID: j.ID, Directive: j.Directive})
	if err != nil {
		return nil, err
	}
	n, err := s.withParams(r, j, kind, d, wire.RetryInput{Params: wire.Object(in.Params)})
	if err != nil {
		return nil, err
	}
	return &job.Work{Params: n.Params, Locks: slices.Clone(n.Locks), Limits: n.Limits, UniqueKey: n.UniqueKey}, nil
}
