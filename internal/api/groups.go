package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) groupRoutes() []operation {
	const list, one = "/api/job-groups", "/api/job-groups/{group_id}"
	made := []fault.Code{
		fault.NotFound, fault.WrongIDType, fault.TemplateArchived, fault.JobTypeUnknown, fault.JobTypeDisabled, fault.CommandNotAllowed, fault.StorageFull,
		fault.DirectiveArchived, fault.SourceNotAllowed,
	}
	return []operation{
		{
			ID: "create_job_group", Method: http.MethodPost, Path: list, Scope: access.JobsWrite, Tag: "job-groups", Summary: "Put a group of jobs into the queue",
			Doc: "The group has one place and, when its turn comes, one slot. With jobs, each member is made as in POST /api/jobs. With job_ids, the members are " +
				"jobs that wait and are in no group: the group takes the place of the first of them in the queue, and they stand there together, in the given order. " +
				"If one is refused, nothing is stored, and the pointers say which. If-Match takes the ETag of GET /api/queue: 412, with the queue as it is, " +
				"when a person has changed the order since.",
			Body: wire.JobGroupInput{}, Matches: true, Faults: append(slices.Clone(made), fault.AlreadyStarted, fault.AlreadyFinished, fault.NotGroupable, fault.Conflict),
			Handle:  s.createGroup,
			Answers: []answer{{Status: http.StatusCreated, Doc: "stored", Body: wire.JobGroup{}}},
		},
		{
			ID: "list_job_groups", Method: http.MethodGet, Path: list, Scope: access.JobsRead, Tag: "job-groups", Summary: "List groups", Doc: "Newest first, without their members.",
			Query: pageParams(listParam("status", "only these statuses", string(job.GroupPending), string(job.GroupRunning), string(job.GroupCompleted), string(job.GroupPartial)),
				textParam("q", "part of the name, any case")),
			Faults: []fault.Code{fault.CursorInvalid}, Handle: s.listGroups,
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.JobGroupList{}}},
		},
		{
			ID: "get_job_group", Method: http.MethodGet, Path: one, Scope: access.JobsRead, Tag: "job-groups", Summary: "Read a group and its members",
			Query: pageParams(), Faults: []fault.Code{fault.CursorInvalid}, Handle: s.getGroup,
			Answers: []answer{{Status: http.StatusOK, Doc: "the group and a page of its members", Body: wire.JobGroup{}}},
		},
		{
			ID: "cancel_job_group", Method: http.MethodPost, Path: one + "/cancel", Scope: access.JobsWrite, Tag: "job-groups", Summary: "Cancel a group",
			Doc:    "Waiting members are cancelled at once. Running ones are asked to stop: 202, and the group ends when their processes are gone.",
			Faults: []fault.Code{fault.AlreadyFinished, fault.Conflict}, Handle: s.cancelGroup,
			Answers: []answer{
				{Status: http.StatusOK, Doc: "it has ended", Body: wire.JobGroup{}},
				{Status: http.StatusAccepted, Doc: "its running members were asked to stop", Body: wire.JobGroup{}},
			},
		},
		{
			ID: "dissolve_job_group", Method: http.MethodPost, Path: one + "/dissolve", Scope: access.JobsWrite, Tag: "job-groups", Summary: "Dissolve a group",
			Doc: "The members that wait are ordinary jobs again, one behind the other at the group's place; nothing is cancelled. Those that have begun or ended stay " +
				"members; a group without members is gone. If-Match is that of the order, as in POST /api/job-groups.",
			Matches: true, Faults: []fault.Code{fault.AlreadyFinished, fault.AlreadyStarted, fault.Conflict}, Handle: s.dissolveGroup,
			Answers: []answer{{Status: http.StatusOK, Doc: "what left the group, and what is left of it", Body: wire.JobGroupDissolved{}}},
		},
		{
			ID: "add_job_group_jobs", Method: http.MethodPost, Path: one + "/jobs", Scope: access.JobsWrite, Tag: "job-groups", Summary: "Add members to a group",
			Doc: "Only while it is PENDING. All or none.", Body: wire.JobGroupJobs{}, Faults: append(slices.Clone(made), fault.GroupStarted), Handle: s.addGroupJobs,
			Answers: []answer{{Status: http.StatusCreated, Doc: "stored", Body: wire.JobGroup{}}},
		},
	}
}

func groupLocation(groupID string) string { return "/api/job-groups/" + groupID }

// members composes the jobs of a group. What is wrong with one is told with its
// number.
func (s *service) members(r *request, in []wire.JobInput, now time.Time) ([]job.Job, error) {
	out := make([]job.Job, 0, len(in))
	for i, one := range in {
		at := "/jobs/" + itoa(i)
		if one.GroupID != "" {
			return nil, fault.New(fault.InvalidInput, "a member of a group names no group").At(at+"/group_id", "not_allowed", "these jobs go into this group")
		}
		if err := firstOf(placeless(one), unasked(one)); err != nil {
			return nil, within(err, at)
		}
		j, err := s.compose(r, one)
		if err != nil {
			return nil, within(err, at)
		}
		j.ID, j.CreatedAt, j.QueuedAt, j.Trigger = id.New(id.Job, now), now, now, job.TriggerGroup
		out = append(out, j)
	}
	return out, nil
}

// placeless refuses a place for a member of a group, which is the last of its
// group.
func placeless(in wire.JobInput) error {
	place, err := placeOf(in.Move())
	if err != nil || place == nil {
		return err
	}
	at := "/position"
	switch {
	case place.Before != "":
		at = "/before"
	case place.After != "":
		at = "/after"
	case place.Top:
		at = "/top"
	case place.Bottom:
		at = "/bottom"
	}
	return fault.New(fault.InvalidInput, "a member of a group has no place of its own").At(at, "not_allowed", "the group has the place")
}

// newGroup makes the group itself of an input.
func newGroup(in wire.JobGroupInput) (job.Group, error) {
	g := job.Group{
		Name: in.Name, Mode: job.GroupMode(in.Mode), OnFailure: job.OnFailure(in.OnFailure), MaxParallel: min(len(in.Jobs)+len(in.JobIDs), job.DefaultMaxParallel), Labels: in.Labels,
	}
	if in.MaxParallel != nil {
		g.MaxParallel = *in.MaxParallel
	}
	if g.Mode == job.Sequential {
		if in.MaxParallel != nil && *in.MaxParallel != 1 {
			return g, fault.New(fault.InvalidInput, "the members of a sequential group run one after another").At("/max_parallel", "not_allowed", "is for parallel groups")
		}
		g.MaxParallel = 1
	}
	if g.OnFailure == "" {
		g.OnFailure = job.FailureContinue
		if g.Mode == job.Sequential {
			g.OnFailure = job.FailureStop
		}
	}
	return g, checkLabels(in.Labels)
}

// groupPlace is the place that the input names, nil if it names none.
func groupPlace(in wire.JobGroupInput) (*store.Place, error) {
	p := &store.Place{Before: in.Before, After: in.After, Top: in.Top, Bottom: in.Bottom}
	n := 0
	for pointer, given := range map[string]bool{"/before": in.Before != "", "/after": in.After != "", "/top": in.Top, "/bottom": in.Bottom, "/position": in.Position != nil} {
		if !given {
			continue
		}
		if n++; n > 1 {
			return nil, fault.New(fault.InvalidInput, "a group has one place").At(pointer, "one_of", "give at most one of position, before, after, top, bottom")
		}
	}
	if n == 0 {
		return nil, nil //nolint:nilnil // no place is the usual case
	}
	if in.Position != nil {
		p.Position = *in.Position
	}
	for pointer, ref := range map[string]string{"/before": in.Before, "/after": in.After} {
		if ref == "" || id.Check(id.Group, ref) == nil {
			continue
		}
		if err := id.Check(id.Job, ref); err != nil {
			return nil, fault.From(err).At(pointer, string(fault.WrongIDType), "must be the id of a job or of a group")
		}
	}
	return p, nil
}

func (s *service) createGroup(r *request) (reply, error) {
	var in wire.JobGroupInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if (len(in.Jobs) == 0) == (len(in.JobIDs) == 0) {
		return reply{}, fault.New(fault.InvalidInput, "say of what the group is made").
			At("/jobs", "one_of", "give either this or job_ids").At("/job_ids", "one_of", "give either this or jobs")
	}
	now := s.Clock.Now().UTC().Truncate(time.Millisecond)
	g, err := newGroup(in)
	if err != nil {
		return reply{}, err
	}
	g.ID, g.Tenant, g.CreatedBy, g.CreatedAt = id.New(id.Group, now), r.tenant(), r.principal.Name, now
	if len(in.JobIDs) > 0 {
		return s.formGroup(r, in, g)
	}
	if _, err := s.seenOrder(r); err != nil {
		return reply{}, err
	}
	p := store.AddGroup{Priority: job.PriorityNormal}
	if p.Place, err = groupPlace(in); err != nil {
		return reply{}, err
	}
	if in.Priority != nil {
		p.Priority = *in.Priority
	}
	if p.Jobs, err = s.members(r, in.Jobs, now); err != nil {
		return reply{}, err
	}
	for i := range p.Jobs {
		p.Jobs[i].Priority = p.Priority
	}
	p.Group = g
	render, err := s.renderAdded(r, http.StatusCreated)
	if err != nil {
		return reply{}, err
	}
	p.Key = keyed(r, render)
	added, err := s.Store.Groups.Create(r.Context(), p)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.AlreadyStarted) {
		pointer, f := "/before", fault.From(err)
		if in.After != "" {
			pointer = "/after"
		}
		return reply{}, f.At(pointer, string(f.Code), f.Detail)
	}
	if err != nil {
		return reply{}, err
	}
	return render(added), nil
}

// renderAdded makes the answer to new members. What else waits is read before,
// because nothing may be read inside the store's transaction.
func (s *service) renderAdded(r *request, status int) (func(store.GroupAdded) reply, error) {
	sit, err := s.Store.Jobs.Situation(r.Context(), nil)
	s.foresee(r.Context())
	return func(a store.GroupAdded) reply {
		v := wire.JobGroupOf(a.Group, 0, &a.Position, pendingReason(sit.Snapshot, a.Group, a.Jobs, a.Position))
		v.Jobs = []wire.Job{}
		why := claim.NewExplainer(sit.Snapshot)
		for _, j := range a.Jobs {
			v.Jobs = append(v.Jobs, s.explained(why, j, a.Position))
		}
		out := reply{Status: status, Location: groupLocation(a.Group.ID), Body: v}
		if a.Revision != 0 {
			out.ETag = etag(a.Revision)
		}
		return out
	}, err
}

// pendingReason is why a group does not start, of which these are the first
// waiting members. A parallel one starts as soon as one of them can.
func pendingReason(snap job.Snapshot, g job.Group, waiting []job.Job, at int) *job.Waiting {
	var first *job.Waiting
	for _, j := range waiting {
		why := claim.Explain(snap, j, at)
		if first == nil {
			first = &why
		}
		own := why.Code == job.WaitLock || why.Code == job.WaitLimit || why.Code == job.WaitHeld || why.Code == job.WaitApproval || why.Code == job.WaitNotBefore || why.Code == job.WaitRetryDelay
		if g.Mode == job.Sequential || !own {
			return &why
		}
	}
	return first
}

// lookAhead is how many waiting members of a group are asked why it waits.
const lookAhead = 16

// groupViews shows groups without members. Those that wait get their position
// and why.
func (s *service) groupViews(ctx context.Context, gs ...job.Group) ([]wire.JobGroup, error) {
	var places []job.Job
	for _, g := range gs {
		if g.State == job.GroupPending { // stands for the group's place
			places = append(places, job.Job{ID: g.ID, State: job.Queued, Rank: rank.Member(g.Rank, 0)})
		}
	}
	var sit store.Situation
	if slices.ContainsFunc(gs, func(g job.Group) bool { return !g.Terminal() }) {
		var err error
		if sit, err = s.Store.Jobs.Situation(ctx, places); err != nil {
			return nil, err
		}
	}
	running := map[string]int{}
	for _, o := range sit.Snapshot.Running {
		if o.JobID != "" {
			running[o.Group]++
		}
	}
	out := make([]wire.JobGroup, 0, len(gs))
	for _, g := range gs {
		if g.Terminal() || g.State == job.GroupRunning && running[g.ID] > 0 {
			out = append(out, wire.JobGroupOf(g, running[g.ID], nil, nil))
			continue
		}
		page, err := s.Store.Jobs.List(ctx, store.ListJobs{Tenant: g.Tenant, GroupID: g.ID, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: lookAhead})
		if err != nil {
			return nil, err
		}
		var position *int
		at := sit.Positions[g.ID]
		if g.State == job.GroupPending {
			position = &at
		}
		out = append(out, wire.JobGroupOf(g, 0, position, pendingReason(sit.Snapshot, g, page.Jobs, at)))
	}
	return out, nil
}

func (s *service) listGroups(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListGroups{Tenant: r.tenant(), Text: r.query.text("q"), Limit: r.query.limit()}
	for _, st := range r.query["status"] {
		p.States = append(p.States, job.GroupState(st))
	}
	if c != nil {
		p.After = &store.GroupMark{CreatedAt: c.at(), ID: c.ID}
	}
	page, err := s.Store.Groups.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.JobGroupList{}
	if out.Items, err = s.groupViews(r.Context(), page.Groups...); err != nil {
		return reply{}, err
	}
	if n := len(page.Groups); n > 0 {
		last := page.Groups[n-1]
		out.NextCursor = r.next(page.More, cursor{ID: last.ID, AtMs: clock.Millis(last.CreatedAt)})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// group returns the group that the path names.
func (s *service) group(r *request) (job.Group, error) {
	groupID, err := r.id("group_id", id.Group)
	if err != nil {
		return job.Group{}, err
	}
	return s.Store.Groups.Group(r.Context(), r.tenant(), groupID)
}

func (s *service) getGroup(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	g, err := s.group(r)
	if err != nil {
		return reply{}, err
	}
	var after rank.Rank
	if c != nil {
		after = rank.Rank(c.Rank)
	}
	limit := r.query.limit()
	js, err := s.Store.Groups.Members(r.Context(), r.tenant(), g.ID, after, limit+1)
	if err != nil {
		return reply{}, err
	}
	more := len(js) > limit
	js = js[:min(len(js), limit)]
	views, err := s.groupViews(r.Context(), g)
	if err != nil {
		return reply{}, err
	}
	v := views[0]
	if v.Jobs, err = s.views(r.Context(), js...); err != nil {
		return reply{}, err
	}
	if more {
		last := js[len(js)-1]
		v.NextCursor = r.next(true, cursor{ID: last.ID, Rank: string(last.Rank)})
	}
	return reply{Status: http.StatusOK, Body: v}, nil
}

// maySteerGroup returns nil when the caller may change every member that has not
// ended.
func (s *service) maySteerGroup(r *request, g job.Group) error {
	if r.principal.Templates == nil {
		return nil
	}
	p := store.ListJobs{Tenant: r.tenant(), GroupID: g.ID, States: []job.State{job.Queued, job.Running}, Sort: store.SortCreated, Limit: maxPage}
	for {
		page, err := s.Store.Jobs.List(r.Context(), p)
		if err != nil {
			return err
		}
		for _, j := range page.Jobs {
			if err := s.maySteer(r, j); err != nil {
				return err
			}
			p.After = &store.JobMark{Rank: j.Rank, CreatedAt: j.CreatedAt, ID: j.ID}
		}
		if !page.More {
			return nil
		}
	}
}

func (s *service) cancelGroup(r *request) (reply, error) {
	g, err := s.group(r)
	if err != nil {
		return reply{}, err
	}
	if err := s.maySteerGroup(r, g); err != nil {
		return reply{}, err
	}
	render := func(now job.Group) reply {
		out := reply{Status: http.StatusOK}
		running := 0
		if !now.Terminal() { // what is left of it runs
			running = now.Total - now.Ended()
			out.Status, out.Location = http.StatusAccepted, groupLocation(now.ID)
		}
		out.Body = wire.JobGroupOf(now, running, nil, nil)
		return out
	}
	g, err = again(func() (job.Group, error) {
		return s.Store.Groups.Cancel(r.Context(), store.CancelGroup{
			Tenant: r.tenant(), ID: g.ID, By: r.principal.Name, At: s.Clock.Now().UTC().Truncate(time.Millisecond), Key: keyed(r, render),
		})
	})
	if err != nil {
		return reply{}, err
	}
	return render(g), nil
}

func (s *service) addGroupJobs(r *request) (reply, error) {
	var in wire.JobGroupJobs
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	g, err := s.group(r)
	if err != nil {
		return reply{}, err
	}
	if err := s.maySteerGroup(r, g); err != nil {
		return reply{}, err
	}
	js, err := s.members(r, in.Jobs, s.Clock.Now().UTC().Truncate(time.Millisecond))
	if err != nil {
		return reply{}, err
	}
	render, err := s.renderAdded(r, http.StatusCreated)
	if err != nil {
		return reply{}, err
	}
	added, err := s.Store.Groups.Add(r.Context(), store.AddMembers{Tenant: r.tenant(), GroupID: g.ID, Jobs: js, Key: keyed(r, render)})
	if err != nil {
		return reply{}, err
	}
	return render(added), nil
}

// enqueueMember stores a composed job as the last member of a group, otherwise
// like enqueue.
func (s *service) enqueueMember(r *request, j job.Job, groupID string) (reply, error) {
	if err := id.Check(id.Group, groupID); err != nil {
		return reply{}, fault.From(err).At("/group_id", string(fault.WrongIDType), fault.From(err).Detail)
	}
	g, err := s.Store.Groups.Group(r.Context(), r.tenant(), groupID)
	if err != nil {
		return reply{}, fault.From(err).At("/group_id", "not_found", "there is no such group")
	}
	// Whoever adds a member decides with it how the group ends.
	if err := s.maySteerGroup(r, g); err != nil {
		return reply{}, err
	}
	now := s.Clock.Now().UTC().Truncate(time.Millisecond)
	j.ID, j.CreatedAt, j.QueuedAt, j.Trigger = id.New(id.Job, now), now, now, job.TriggerGroup
	sit, err := s.scene.Read(r.Context())
	if err != nil {
		return reply{}, err
	}
	s.foresee(r.Context())
	status := http.StatusCreated
	if r.wait > 0 {
		status = http.StatusAccepted // until it has ended
	}
	render := func(a store.GroupAdded) reply {
		m := a.Jobs[0]
		return reply{Status: status, Location: jobLocation(m), ETag: etag(m.Version), Body: s.queued(sit.Snapshot, m, a.Position)}
	}
	added, err := s.Store.Groups.Add(r.Context(), store.AddMembers{Tenant: r.tenant(), GroupID: groupID, Jobs: []job.Job{j}, Key: keyed(r, render)})
	if err != nil {
		if fault.Is(err, fault.GroupStarted) {
			err = fault.From(err).At("/group_id", string(fault.GroupStarted), fault.From(err).Detail)
		}
		return reply{}, err
	}
	if r.wait == 0 {
		return render(added), nil
	}
	return s.awaitReply(r, added.Jobs[0], http.StatusCreated)
}
