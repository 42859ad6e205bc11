package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) jobRoutes() []operation {
	const list, one = "/api/jobs", "/api/jobs/{job_id}"
	states := make([]string, 0, 6)
	for _, st := range job.States() {
		states = append(states, string(st))
	}
	shown := []answer{{Status: http.StatusOK, Doc: "the job", Body: wire.Job{}}}
	verb := func(name, summary, doc string, h func(*request) (reply, error)) operation {
		return operation{
			ID: name + "_job", Method: http.MethodPost, Path: one + "/" + name, Scope: access.JobsWrite, Tag: "jobs",
			Summary: summary, Doc: doc, Matches: true, Answers: shown,
			Faults: []fault.Code{fault.AlreadyFinished, fault.Conflict}, Handle: h,
		}
	}
	cancel := verb("cancel", "Cancel a job",
		"A queued job is cancelled at once. A running one is asked to stop: 202, and CANCELLED is shown when its processes are gone.", s.cancelJob)
	cancel.Waits = true
	cancel.Answers = append(slices.Clone(shown), answer{Status: http.StatusAccepted, Doc: "asked to stop", Body: wire.Job{}})
	hold := verb("hold", "Hold a waiting job", "It keeps its place, but does not start before a release.", s.holdJob)
	hold.Body, hold.BodyOptional = wire.Reason{}, true
	return []operation{
		{
			ID: "create_job", Method: http.MethodPost, Path: list, Scope: access.JobsWrite, Tag: "jobs", Summary: "Put a job into the queue",
			Doc: "From a template (template_id) or inline (job_type, which needs the scope templates:write too). params are merged over the template's. " +
				"With approval it waits, without a slot and without locks, until people approve it.",
			Body: wire.JobInput{}, Waits: true,
			Faults: []fault.Code{
				fault.NotFound, fault.WrongIDType, fault.TemplateArchived, fault.JobTypeUnknown, fault.JobTypeDisabled,
				fault.CommandNotAllowed, fault.StorageFull, fault.AlreadyStarted, fault.GroupStarted, fault.NotUnique,
				fault.DirectiveArchived, fault.SourceNotAllowed,
			},
			Answers: []answer{
				{Status: http.StatusOK, Doc: "nothing was added: the equal job that was there (unique.on_conflict return)", Body: wire.Job{}},
				{Status: http.StatusCreated, Doc: "stored; with Prefer: wait, ended", Body: wire.Job{}},
				{Status: http.StatusAccepted, Doc: "stored, but not ended within Prefer: wait", Body: wire.Job{}},
			},
			Handle: s.createJob,
		},
		{
			ID: "list_jobs", Method: http.MethodGet, Path: list, Scope: access.JobsRead, Tag: "jobs", Summary: "List jobs",
			Doc: "Newest first; with status=QUEUED in the order in which they start.",
			Query: pageParams(listParam("status", "only these statuses", states...), listParam("job_type", "only these job types"),
				listParam("template_id", "only jobs of these templates, by id"), textParam("group_id", "only members of this group"),
				textParam("schedule_id", "only what this schedule made, by id"), textParam("retry_of", "only what repeats this run, by id"), labelParam(),
				textParam("q", "part of the name, any case"), timeParam("created_after", "created later than this"), timeParam("created_before", "created earlier than this"),
				enumParam("sort", "order of the list", string(store.SortQueue), string(store.SortCreated), string(store.SortNewest))),
			Faults:  []fault.Code{fault.CursorInvalid, fault.WrongIDType},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.JobList{}}},
			Handle:  s.listJobs,
		},
		{
			ID: "get_job", Method: http.MethodGet, Path: one, Scope: access.JobsRead, Tag: "jobs", Summary: "Read a job",
			Matches: true, Answers: shown, Handle: s.getJob,
		},
		{
			ID: "patch_job", Method: http.MethodPatch, Path: one, Scope: access.JobsWrite, Tag: "jobs", Summary: "Change a waiting job",
			Doc:  "A JSON merge patch (RFC 7396). Refused once the job has started.",
			Body: wire.JobPatch{}, Patch: true, Matches: true, Answers: shown,
			Faults: []fault.Code{fault.AlreadyFinished, fault.Conflict, fault.NotUnique}, Handle: s.patchJob,
		},
		cancel,
		hold,
		verb("release", "Release a held job", "", s.releaseJob),
	}
}

func jobLocation(j job.Job) string { return "/api/jobs/" + j.ID }

// views shows jobs. Queued ones get their position and why they wait.
func (s *service) views(ctx context.Context, jobs ...job.Job) ([]wire.Job, error) {
	var sit store.Situation
	if slices.ContainsFunc(jobs, func(j job.Job) bool { return j.State == job.Queued }) {
		var err error
		if sit, err = s.Store.Jobs.Situation(ctx, jobs); err != nil {
			return nil, err
		}
		s.foresee(ctx)
	}
	made, err := s.fires(ctx, jobs...)
	if err != nil {
		return nil, err
	}
	out := make([]wire.Job, 0, len(jobs))
	why := claim.NewExplainer(sit.Snapshot)
	for _, j := range jobs {
		v := s.explained(why, j, sit.Positions[j.ID])
		v.ScheduleFire = made[j.ID]
		out = append(out, v)
	}
	return out, nil
}

// queued shows a job that waits at a position. A job that ended or started
// meanwhile is shown as it is.
func (s *service) queued(snap job.Snapshot, j job.Job, at int) wire.Job {
	return s.explained(claim.NewExplainer(snap), j, at)
}

func (s *service) explained(e *claim.Explainer, j job.Job, at int) wire.Job {
	if j.State != job.Queued {
		return wire.JobOf(j, nil, nil)
	}
	why := e.Explain(j, at)
	if j.Parked != "" { // it waits outside of the order
		return wire.JobOf(j, nil, &why)
	}
	out := wire.JobOf(j, &at, &why)
	if f := s.forecast.Of(j, at); f.Known && why.Code != job.WaitPaused {
		now := s.Clock.Now()
		// What has been added since the last look at everything may wait for longer than
		// that knows.
		if why.Code == job.WaitLimit && f.Start.Before(why.Until) {
			f.Start, f.From, f.To = why.Until, why.Until, later(f.To, why.Until)
		}
		out = out.Estimate(now, f.Start, f.From, f.To)
	}
	return out
}

func later(a, b time.Time) time.Time {
	if !a.IsZero() && a.Before(b) {
		return b
	}
	return a
}

// foresee brings the estimates up to date. Without them a job can be shown too.
func (s *service) foresee(ctx context.Context) {
	if err := s.forecast.Refresh(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("cannot estimate when jobs start", "error", err)
	}
}

func (s *service) jobReply(ctx context.Context, status int, j job.Job) (reply, error) {
	v, err := s.views(ctx, j)
	if err != nil {
		return reply{}, err
	}
	out := reply{Status: status, ETag: etag(j.Version), Body: v[0]}
	if status != http.StatusOK {
		out.Location = jobLocation(j)
	}
	return out, nil
}

func (s *service) createJob(r *request) (reply, error) {
	var in wire.JobInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	place, err := placeOf(in.Move())
	if err == nil && in.GroupID != "" {
		err = firstOf(placeless(in), unasked(in))
	}
	if err != nil {
		return reply{}, err
	}
	t, err := s.recipe(r, in)
	if err != nil {
		return reply{}, err
	}
	j, err := s.composeFrom(r, in, t)
	if err != nil {
		return reply{}, err
	}
	if in.GroupID != "" {
		return s.enqueueMember(r, j, in.GroupID)
	}
	p := store.AddJobs{Place: place}
	if p.Unique, err = s.uniqueness(r, in, t); err != nil {
		return reply{}, err
	}
	if in.Approval != nil {
		return s.enqueueAsking(r, j, p, in.Approval.On)
	}
	return s.enqueue(r, j, p)
}

// enqueue stores a composed job, as p says, and, when the caller wants it, waits
// for its end.
func (s *service) enqueue(r *request, j job.Job, p store.AddJobs) (reply, error) {
	now := s.now()
	if j.ID == "" {
		j.ID = id.New(id.Job, now)
	}
	j.CreatedAt, j.QueuedAt = now, now
	sit, err := s.scene.Read(r.Context())
	if err != nil {
		return reply{}, err
	}
	s.foresee(r.Context())
	status := http.StatusCreated
	if r.wait > 0 {
		status = http.StatusAccepted // until it has ended
	}
	render := func(added []store.Added) reply {
		a := added[0]
		status := status
		if a.Existing && r.wait == 0 {
			status = http.StatusOK
		}
		return reply{Status: status, Location: jobLocation(a.Job), ETag: etag(a.Job.Version), Body: s.queued(sit.Snapshot, a.Job, a.Position)}
	}
	p.Jobs, p.Key = []job.Job{j}, keyed(r, render)
	added, err := s.Store.Jobs.Add(r.Context(), p)
	if err != nil {
		return reply{}, notUnique(nearby(err, p.Place))
	}
	if r.wait == 0 {
		return render(added), nil
	}
	if added[0].Existing {
		return s.awaitReply(r, added[0].Job, http.StatusOK)
	}
	return s.awaitReply(r, added[0].Job, http.StatusCreated)
}

func (s *service) listJobs(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	for i, t := range r.query["template_id"] {
		if err := id.Check(id.Template, t); err != nil {
			return reply{}, fault.From(err).At("query/template_id", string(fault.WrongIDType), "value "+strconv.Itoa(i+1)+" is not a template's id")
		}
	}
	if g := r.query.text("group_id"); g != "" {
		if err := id.Check(id.Group, g); err != nil {
			return reply{}, fault.From(err).At("query/group_id", string(fault.WrongIDType), "is not a group's id")
		}
	}
	if run := r.query.text("retry_of"); run != "" {
		if err := id.Check(id.Run, run); err != nil {
			return reply{}, fault.From(err).At("query/retry_of", string(fault.WrongIDType), "is not a run's id")
		}
	}
	scheduleID, err := r.filterSchedule()
	if err != nil {
		return reply{}, err
	}
	p := store.ListJobs{
		Tenant: r.tenant(), Types: r.query["job_type"], TemplateIDs: r.query["template_id"], GroupID: r.query.text("group_id"), ScheduleID: scheduleID, RetryOf: r.query.text("retry_of"), Labels: r.query.labels(),
		Text: r.query.text("q"), CreatedAfter: r.query.time("created_after"), CreatedBefore: r.query.time("created_before"),
		Sort: store.Sort(r.query.text("sort")), After: c.jobMark(), Limit: r.query.limit(),
	}
	for _, st := range r.query["status"] {
		p.States = append(p.States, job.State(st))
	}
	if p.Sort == "" {
		p.Sort = store.SortNewest
		if slices.Equal(p.States, []job.State{job.Queued}) {
			p.Sort = store.SortQueue
		}
	}
	page, err := s.Store.Jobs.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.JobList{}
	if out.Items, err = s.views(r.Context(), page.Jobs...); err != nil {
		return reply{}, err
	}
	if n := len(page.Jobs); n > 0 {
		last := page.Jobs[n-1]
		out.NextCursor = r.next(page.More, cursor{ID: last.ID, Rank: string(last.Rank), AtMs: clock.Millis(last.CreatedAt)})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) job(r *request) (job.Job, error) {
	jobID, err := r.id("job_id", id.Job)
	if err != nil {
		return job.Job{}, err
	}
	return s.Store.Jobs.Job(r.Context(), r.tenant(), jobID)
}

func (s *service) getJob(r *request) (reply, error) {
	j, err := s.job(r)
	if err != nil {
		return reply{}, err
	}
	return s.jobReply(r.Context(), http.StatusOK, j)
}

// maySteer returns nil when the caller may change the job, which some may only if
// it was made from certain templates. What counts is the name that the template
// has now; a job whose template is gone is nobody's among them.
func (s *service) maySteer(r *request, j job.Job) error {
	if r.principal.Templates == nil {
		return nil
	}
	if j.TemplateID == "" {
		return r.principal.RequireTemplate("")
	}
	t, err := s.Store.Templates.Template(r.Context(), r.tenant(), j.TemplateID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return r.principal.RequireTemplate(t.Name)
}

// move applies an event to the job that the path names and stores the change.
// What another request changed meanwhile is read again.
func (s *service) move(r *request, event func(j job.Job, now time.Time) (any, error), status func(job.Job) int) (job.Job, error) {
	return s.moveBy(r, event, status, s.Store.Jobs.Move)
}

// moveBy is move with what carries the change out.
func (s *service) moveBy(r *request, event func(j job.Job, now time.Time) (any, error), status func(job.Job) int,
	carry func(context.Context, store.MoveJob) (job.Job, error),
) (job.Job, error) {
	return again(func() (job.Job, error) {
		j, err := s.job(r)
		if err != nil {
			return j, err
		}
		if err := s.maySteer(r, j); err != nil {
			return j, err
		}
		if r.ifMatch != nil {
			now, err := s.views(r.Context(), j)
			if err != nil {
				return j, err
			}
			if err := r.match(etag(j.Version), now[0]); err != nil {
				return j, err
			}
		}
		ev, err := event(j, s.Clock.Now().UTC().Truncate(time.Millisecond))
		if err != nil {
			return j, err
		}
		change, err := job.Apply(j, ev)
		if err != nil {
			return j, err
		}
		key, err := s.moveKey(r, change.After, status)
		if err != nil {
			return j, err
		}
		return carry(r.Context(), store.MoveJob{Change: change, Key: key})
	})
}

// moveKey prepares the answer that is stored with the change to j. The position is
// read before, because nothing may be read inside the store's transaction; no
// event that has a key changes it.
func (s *service) moveKey(r *request, j job.Job, status func(job.Job) int) (*store.Key, error) {
	if r.key == nil {
		return nil, nil //nolint:nilnil // without a key there is nothing to store
	}
	sit, err := s.Store.Jobs.Situation(r.Context(), []job.Job{j})
	if err != nil {
		return nil, err
	}
	made, err := s.fires(r.Context(), j)
	if err != nil {
		return nil, err
	}
	return keyed(r, func(n job.Job) reply {
		v := s.queued(sit.Snapshot, n, sit.Positions[j.ID])
		v.ScheduleFire = made[j.ID]
		out := reply{Status: status(n), ETag: etag(n.Version), Body: v}
		if out.Status != http.StatusOK {
			out.Location = jobLocation(n)
		}
		return out
	}), nil
}

func always(status int) func(job.Job) int { return func(job.Job) int { return status } }

func (s *service) patchJob(r *request) (reply, error) {
	var unique *store.Unique
	j, err := s.moveBy(r, func(j job.Job, now time.Time) (any, error) {
		ev, err := s.edited(r, j, now)
		if err == nil && ev.Work != nil && ev.Work.UniqueKey != "" {
			unique, err = s.uniqueAgain(r, j)
		}
		return ev, err
	}, always(http.StatusOK), func(ctx context.Context, p store.MoveJob) (job.Job, error) {
		p.Unique = unique
		return s.Store.Jobs.Move(ctx, p)
	})
	if err != nil {
		return reply{}, notUnique(err)
	}
	return s.jobReply(r.Context(), http.StatusOK, j)
}

func (s *service) cancelJob(r *request) (reply, error) {
	asked := func(j job.Job) int {
		if j.State.Terminal() {
			return http.StatusOK
		}
		return http.StatusAccepted
	}
	j, err := s.move(r, func(_ job.Job, now time.Time) (any, error) {
		return job.CancelAsked{At: now, By: r.principal.Name}, nil
	}, asked)
	if err != nil {
		return reply{}, err
	}
	s.cancelChildren(r.Context(), j, r.principal.Name, 0)
	if r.wait > 0 {
		return s.awaitReply(r, j, http.StatusOK)
	}
	return s.jobReply(r.Context(), asked(j), j)
}

func (s *service) holdJob(r *request) (reply, error) {
	var in wire.Reason
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	j, err := s.move(r, func(_ job.Job, now time.Time) (any, error) {
		return job.Held{At: now, By: r.principal.Name, Reason: in.Reason}, nil
	}, always(http.StatusOK))
	if err != nil {
		return reply{}, err
	}
	return s.jobReply(r.Context(), http.StatusOK, j)
}

func (s *service) releaseJob(r *request) (reply, error) {
	j, err := s.move(r, func(_ job.Job, now time.Time) (any, error) {
		return job.Released{At: now}, nil
	}, always(http.StatusOK))
	if err != nil {
		return reply{}, err
	}
	return s.jobReply(r.Context(), http.StatusOK, j)
}
