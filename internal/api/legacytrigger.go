package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// legacyBatch is the name of the groups that POST /jobs/batch/trigger makes.
const legacyBatch = "batch"

// legacyTriggerRoutes once started processes. Now they put jobs into the queue.
// They name what to do, so that who may start jobs may call them: like direct
// requests, they need no right to execute code.
func (s *service) legacyTriggerRoutes() []operation {
	made := append(legacyMade(), fault.DirectiveArchived, fault.SourceNotAllowed)
	one := func(kind, article string, body any, params func(*request) (wire.JobInput, error)) operation {
		return operation{
			ID: "legacy_trigger_" + kind, Method: http.MethodPost, Path: "/jobs/" + kind + "/trigger", Successor: "/api/jobs", Scope: access.JobsWrite,
			Summary: "Put a job that " + article + " into the queue", Doc: "To get the result as the answer, use POST /" + map[string]string{"story": "story/generate", "research": "research/run"}[kind] + ".",
			Body: body, BodyOptional: kind == "story", Faults: made,
			Answers: []answer{{Status: http.StatusAccepted, Doc: "stored", Body: wire.LegacyQueued{}}},
			Handle:  s.legacyTrigger(params),
		}
	}
	return []operation{
		one("story", "writes a story", wire.StoryRequest{}, func(r *request) (wire.JobInput, error) {
			var in wire.StoryRequest
			err := r.decode(&in)
			directive := in.DirectiveID
			in.DirectiveID = ""
			return legacyInput("story", directive, in, err)
		}),
		one("research", "does research", wire.ResearchRequest{}, func(r *request) (wire.JobInput, error) {
			var in wire.ResearchRequest
			err := r.decode(&in)
			directive := in.DirectiveID
			in.DirectiveID = ""
			return legacyInput("research", directive, in, err)
		}),
		{
			ID: "legacy_trigger_batch", Method: http.MethodPost, Path: "/jobs/batch/trigger", Successor: "/api/job-groups", Scope: access.JobsWrite,
			Summary: "Put a group of jobs into the queue, one after another",
			Doc: "Either jobs, or count stories with the same params. A job that fails does not keep the next from starting. " +
				"Job types other than story and research need the scope templates:write too.",
			Body: wire.LegacyBatchInput{}, Faults: made,
			Answers: []answer{{Status: http.StatusAccepted, Doc: "stored", Body: wire.LegacyGroupQueued{}}}, Handle: s.legacyTriggerBatch,
		},
	}
}

// legacyInput is a job of a type with these params.
func legacyInput(kind, directive string, params any, err error) (wire.JobInput, error) {
	in := wire.JobInput{JobType: kind, DirectiveID: directive}
	if err != nil {
		return in, err
	}
	in.Params, err = marshal(params)
	return in, err
}

// triggered composes a job that the caller did not write: it names only what to
// do, never what program to run.
func (s *service) triggered(r *request, in wire.JobInput) (job.Job, error) {
	if in.JobType != "story" && in.JobType != "research" {
		return s.compose(r, in)
	}
	if err := r.principal.RequireTemplate(""); err != nil {
		return job.Job{}, err
	}
	return s.composeFrom(r, in, job.Template{Name: in.JobType, Type: in.JobType, Params: []byte("{}"), Priority: job.PriorityNormal})
}

func (s *service) legacyTrigger(input func(*request) (wire.JobInput, error)) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		in, err := input(r)
		if err != nil {
			return reply{}, err
		}
		j, err := s.triggered(r, in)
		if err != nil {
			return reply{}, unprefixed(err)
		}
		now := s.now()
		j.ID, j.CreatedAt, j.QueuedAt = id.New(id.Job, now), now, now
		sit, err := s.Store.Jobs.Situation(r.Context(), nil)
		if err != nil {
			return reply{}, err
		}
		s.foresee(r.Context())
		render := func(added []store.Added) reply {
			out := s.legacyQueued(sit.Snapshot, added[0].Job, added[0].Position)
			out.Status = http.StatusAccepted
			return out
		}
		added, err := s.Store.Jobs.Add(r.Context(), store.AddJobs{Jobs: []job.Job{j}, Key: keyed(r, render)})
		if err != nil {
			return reply{}, err
		}
		return render(added), nil
	}
}

// unprefixed makes pointers into params pointers into a body that is the params.
func unprefixed(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	n := *f
	n.Fields = slices.Clone(f.Fields)
	for i, at := range n.Fields {
		n.Fields[i].Pointer = strings.TrimPrefix(at.Pointer, "/params")
	}
	return &n
}

func (s *service) legacyTriggerBatch(r *request) (reply, error) {
	var in wire.LegacyBatchInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	jobs, err := in.Members()
	if err != nil {
		return reply{}, err
	}
	now := s.now()
	p := store.AddGroup{Priority: job.PriorityNormal, Group: job.Group{
		ID: id.New(id.Group, now), Tenant: r.tenant(), Name: legacyBatch, Mode: job.Sequential, OnFailure: job.FailureContinue,
		MaxParallel: 1, CreatedBy: r.principal.Name, CreatedAt: now,
	}}
	for i, one := range jobs {
		j, err := s.triggered(r, one)
		if err != nil {
			at := "/jobs/" + strconv.Itoa(i)
			if len(in.Jobs) == 0 {
				at = "" // the params are the body's
			}
			return reply{}, within(err, at)
		}
		j.ID, j.CreatedAt, j.QueuedAt, j.Trigger = id.New(id.Job, now), now, now, job.TriggerGroup
		p.Jobs = append(p.Jobs, j)
	}
	render := func(a store.GroupAdded) reply {
		out := legacyGroupQueued(a)
		out.Status = http.StatusAccepted
		return out
	}
	p.Key = keyed(r, render)
	added, err := s.Store.Groups.Create(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	return render(added), nil
}
