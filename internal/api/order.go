package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// This file is about the order: moves of one and of many, taking back what was
// cancelled, and making groups of what waits.

func (s *service) orderRoutes() []operation {
	changed := []answer{{Status: http.StatusOK, Doc: "what the change did", Body: wire.OrderChange{}}}
	faults := []fault.Code{fault.NotFound, fault.WrongIDType, fault.WrongGroup, fault.AlreadyStarted}
	return []operation{
		{
			ID: "put_queue_order", Method: http.MethodPut, Path: "/api/queue/order", Scope: access.JobsWrite, Tag: "queue",
			Summary: "Change the order",
			Doc: "One move (job_id and a place), several that go to a place together (order and a place), or several that exchange the places " +
				"that they have (order). A move changes the order and nothing else. What has started meanwhile is reported in ignored. " +
				"If-Match takes the ETag of GET /api/queue: 412, with the queue as it is, when a person has changed the order since.",
			Body: wire.OrderInput{}, Matches: true, Answers: changed, Faults: faults, Handle: s.putOrder,
		},
		{
			ID: "move_job", Method: http.MethodPost, Path: "/api/jobs/{job_id}/move", Scope: access.JobsWrite, Tag: "jobs",
			Summary: "Move a waiting job",
			Doc: "The same as PUT /api/queue/order for one job; If-Match takes the ETag of the order. A member of a group moves inside its group. " +
				"A job that does not wait any more is a conflict.",
			Body: wire.JobMove{}, Matches: true, Answers: changed, Faults: append(faults, fault.AlreadyFinished), Handle: s.moveJob,
		},
		{
			ID: "restore_job", Method: http.MethodPost, Path: "/api/jobs/{job_id}/restore", Scope: access.JobsWrite, Tag: "jobs",
			Summary: "Take a cancelled job back",
			Doc:     "A job that was cancelled before it ever started goes back to its old place. A member of a group does not.",
			Matches: true, Answers: []answer{{Status: http.StatusOK, Doc: "the job", Body: wire.Job{}}},
			Faults: []fault.Code{fault.AlreadyFinished, fault.Conflict}, Handle: s.restoreJob,
		},
	}
}

// placeOf reads where something goes; nil when nothing is said.
func placeOf(in wire.JobMove) (*store.Place, error) {
	given := 0
	for _, set := range []bool{in.Position != nil, in.Before != "", in.After != "", in.Top, in.Bottom} {
		if set {
			given++
		}
	}
	switch {
	case given == 0:
		return nil, nil //nolint:nilnil // no place is not an error, and has no value
	case given > 1:
		return nil, fault.New(fault.InvalidInput, "a place is one of position, before, after, top and bottom").
			At("/position", "one_of", "give one of position, before, after, top and bottom")
	}
	for _, near := range []struct{ at, id string }{{"/before", in.Before}, {"/after", in.After}} {
		if near.id != "" {
			if err := checkPlaced(near.id, near.at); err != nil {
				return nil, err
			}
		}
	}
	p := &store.Place{Before: in.Before, After: in.After, Top: in.Top, Bottom: in.Bottom}
	if in.Position != nil {
		p.Position = *in.Position
	}
	return p, nil
}

// needPlace is placeOf for a body that must name a place.
func needPlace(in wire.JobMove) (*store.Place, error) {
	p, err := placeOf(in)
	if err == nil && p == nil {
		err = fault.New(fault.InvalidInput, "say where it goes").
			At("/position", "required", "give one of position, before, after, top and bottom")
	}
	return p, err
}

// checkPlaced accepts ids of what has a place in the order.
func checkPlaced(text, at string) error {
	err := id.Check(id.Job, text)
	if err != nil && id.Check(id.Group, text) == nil {
		return nil
	}
	if err != nil {
		return fault.From(err).At(at, string(fault.WrongIDType), "must be the id of a job or a group")
	}
	return nil
}

// nearby adds to a fault about the neighbour that a place names where in the
// request that stands.
func nearby(err error, p *store.Place) error {
	f := fault.From(err)
	if p == nil || p.Before+p.After == "" || len(f.Fields) > 0 || !strings.Contains(f.Detail, p.Before+p.After) {
		return err
	}
	if slices.Contains([]fault.Code{fault.NotFound, fault.AlreadyStarted, fault.WrongGroup}, f.Code) {
		return f.At(nearAt(p), string(f.Code), "cannot be a neighbour")
	}
	return err
}

// nearAt is where a request names the neighbour.
func nearAt(p *store.Place) string {
	if p.After != "" {
		return "/after"
	}
	return "/before"
}

func (s *service) putOrder(r *request) (reply, error) {
	var in wire.OrderInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if (in.JobID == "") == (len(in.Order) == 0) {
		return reply{}, fault.New(fault.InvalidInput, "say what is moved").
			At("/job_id", "one_of", "give either this or order").At("/order", "one_of", "give either this or job_id")
	}
	if in.JobID != "" {
		place, err := needPlace(in.Move())
		if err == nil {
			err = checkPlaced(in.JobID, "/job_id")
		}
		if err != nil {
			return reply{}, err
		}
		return s.place(r, store.PlaceJobs{IDs: []string{in.JobID}, Place: place}, true)
	}
	place, err := placeOf(in.Move())
	if err != nil {
		return reply{}, err
	}
	seen := map[string]bool{}
	for i, one := range in.Order {
		at := "/order/" + strconv.Itoa(i)
		if err := checkPlaced(one, at); err != nil {
			return reply{}, err
		}
		if seen[one] {
			return reply{}, fault.Newf(fault.InvalidInput, "%s is named twice", one).At(at, "duplicate", "is named twice")
		}
		seen[one] = true
	}
	return s.place(r, store.PlaceJobs{IDs: in.Order, Place: place}, false)
}

func (s *service) moveJob(r *request) (reply, error) {
	var in wire.JobMove
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	place, err := needPlace(in)
	if err != nil {
		return reply{}, err
	}
	j, err := s.job(r)
	if err != nil {
		return reply{}, err
	}
	if j.State.Terminal() {
		return reply{}, fault.Newf(fault.AlreadyFinished, "job %s is %s", j.ID, j.State)
	}
	if j.State != job.Queued {
		return reply{}, fault.Newf(fault.AlreadyStarted, "job %s has started", j.ID)
	}
	return s.place(r, store.PlaceJobs{IDs: []string{j.ID}, Place: place}, true, j)
}

// place changes the order. one says that the answer is about one thing, about
// is its job, where known.
func (s *service) place(r *request, p store.PlaceJobs, one bool, about ...job.Job) (reply, error) {
	var err error
	if p.Place != nil && slices.Contains(p.IDs, p.Place.Before+p.Place.After) {
		return reply{}, fault.New(fault.InvalidInput, "nothing moves before or behind itself").At(nearAt(p.Place), "self", "is what is moved")
	}
	if p.Allow, err = s.maySteerAll(r, p.IDs); err != nil {
		return reply{}, err
	}
	p.Tenant = r.tenant()
	if p.Audit, err = s.record(r, moveChange(p)); err != nil {
		return reply{}, err
	}
	done, err := again(func() (store.Placed, error) {
		p.At = s.Clock.Now().UTC().Truncate(time.Millisecond)
		if r.ifMatch == nil && r.key == nil {
			return s.Store.Order.Place(r.Context(), p)
		}
		sit, err := s.Store.Jobs.Situation(r.Context(), about)
		if err != nil {
			return store.Placed{}, err
		}
		if err := s.matchOrder(r, sit.Settings); err != nil {
			return store.Placed{}, err
		}
		if r.ifMatch != nil {
			p.IfRevision = sit.Settings.Revision
		}
		p.Key = keyed(r, func(done store.Placed) reply {
			return s.placed(p, done, one, func(j job.Job) wire.Job {
				if j.GroupID != "" { // it moved inside of its group, whose place is as it was
					return s.queued(sit.Snapshot, j, sit.Positions[j.ID])
				}
				return s.queued(sit.Snapshot, j, done.NewPosition)
			})
		})
		return s.Store.Order.Place(r.Context(), p)
	})
	if err != nil {
		return reply{}, nearby(err, p.Place)
	}
	var shown []wire.Job
	if one && done.Job.ID != "" {
		if shown, err = s.views(r.Context(), done.Job); err != nil {
			return reply{}, err
		}
	}
	return s.placed(p, done, one, func(job.Job) wire.Job { return shown[0] }), nil
}

// placed is the answer to a change of the order.
func (s *service) placed(p store.PlaceJobs, done store.Placed, one bool, show func(job.Job) wire.Job) reply {
	out := wire.OrderChange{Revision: done.Revision, Moved: []string{}, Ignored: []string{}}
	out.Moved = append(out.Moved, done.Moved...)
	out.Ignored = append(out.Ignored, done.Ignored...)
	if one {
		out.JobID = &p.IDs[0]
		if len(done.Moved) > 0 {
			out.OldPosition, out.NewPosition = &done.OldPosition, &done.NewPosition
		}
		if done.Job.ID != "" {
			v := show(done.Job)
			out.Job = &v
		}
	}
	return reply{Status: http.StatusOK, ETag: etag(done.Revision), Body: out}
}

// moveChange is how the record tells of a change of the order.
func moveChange(p store.PlaceJobs) change {
	detail := map[string]string{"jobs": itoa(len(p.IDs)), "to": "their own places"}
	if p.Place != nil {
		switch {
		case p.Place.Before != "":
			detail["to"] = "before " + p.Place.Before
		case p.Place.After != "":
			detail["to"] = "after " + p.Place.After
		case p.Place.Top:
			detail["to"] = "top"
		case p.Place.Bottom:
			detail["to"] = "bottom"
		default:
			detail["to"] = "position " + itoa(p.Place.Position)
		}
	}
	c := change{Action: audit.QueueReordered, Detail: detail}
	if len(p.IDs) == 1 {
		c.Object = p.IDs[0]
	}
	return c
}

// matchOrder compares the caller's If-Match with the revision of the order.
func (s *service) matchOrder(r *request, set store.Settings) error {
	err := r.match(etag(set.Revision), nil)
	st, mismatch := asStale(err)
	if !mismatch {
		return err
	}
	// It is the answer of another operation, to which its cursor must belong.
	look, op := *r, *r.op
	op.Path = "/api/queue"
	look.op, look.query = &op, nil
	now, err := s.queueState(&look, nil, pageSize)
	if err != nil {
		return err
	}
	st.current = now
	return st
}

// maySteerAll is maySteer for what a move names. It looks before the store's
// transaction, in which nothing else may be read.
func (s *service) maySteerAll(r *request, names []string) (func(job.Job) error, error) {
	if r.principal.Templates == nil {
		return nil, nil //nolint:nilnil // everything may be moved
	}
	allowed := map[string]error{}
	look := func(j job.Job) error {
		if _, known := allowed[j.TemplateID]; known {
			return nil
		}
		err := s.maySteer(r, j)
		if err != nil && !fault.Is(err, fault.ForbiddenScope) {
			return err
		}
		allowed[j.TemplateID] = err
		return nil
	}
	for _, name := range names {
		if err := s.eachJob(r.Context(), r.tenant(), name, look); err != nil {
			return nil, err
		}
	}
	return func(j job.Job) error {
		err, known := allowed[j.TemplateID]
		if !known { // it came into the group at this moment
			return fault.Newf(fault.Conflict, "the group of job %s changed meanwhile", j.ID)
		}
		return err
	}, nil
}

// eachJob calls f with the job, or with the jobs of the group, of that id. What
// is not there is passed over.
func (s *service) eachJob(ctx context.Context, tenant, name string, f func(job.Job) error) error {
	if id.Check(id.Group, name) != nil {
		j, err := s.Store.Jobs.Job(ctx, tenant, name)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return f(j)
	}
	p := store.ListJobs{Tenant: tenant, GroupID: name, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: maxPage}
	for {
		page, err := s.Store.Jobs.List(ctx, p)
		if err != nil {
			return err
		}
		for _, j := range page.Jobs {
			if err := f(j); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		last := page.Jobs[len(page.Jobs)-1]
		p.After = &store.JobMark{Rank: last.Rank, CreatedAt: last.CreatedAt, ID: last.ID}
	}
}

func (s *service) restoreJob(r *request) (reply, error) {
	j, err := s.moveBy(r, func(_ job.Job, now time.Time) (any, error) {
		return job.Restored{At: now}, nil
	}, always(http.StatusOK), s.Store.Order.Restore)
	if err != nil {
		return reply{}, err
	}
	return s.jobReply(r.Context(), http.StatusOK, j)
}

// formGroup is createGroup for jobs that wait.
func (s *service) formGroup(r *request, in wire.JobGroupInput, g job.Group) (reply, error) {
	if err := firstOf(unplaced(in), checkMembers(in.JobIDs)); err != nil {
		return reply{}, err
	}
	p := store.FormGroup{Group: g, JobIDs: in.JobIDs}
	var err error
	if p.Allow, err = s.maySteerAll(r, in.JobIDs); err != nil {
		return reply{}, err
	}
	p.Audit, err = s.record(r, change{
		Action: audit.GroupFormed, Object: g.ID, Name: g.Name, Detail: map[string]string{"jobs": itoa(len(in.JobIDs)), "mode": string(g.Mode)},
	})
	if err != nil {
		return reply{}, err
	}
	var render func(store.GroupAdded) reply
	added, err := again(func() (store.GroupAdded, error) {
		revision, err := s.seenOrder(r)
		if err != nil {
			return store.GroupAdded{}, err
		}
		if render, err = s.renderAdded(r, http.StatusCreated); err != nil {
			return store.GroupAdded{}, err
		}
		p.IfRevision, p.Key = revision, keyed(r, render)
		return s.Store.Groups.Form(r.Context(), p)
	})
	if err != nil {
		return reply{}, err
	}
	return render(added), nil
}

// unplaced refuses what a group of waiting jobs gets from them.
func unplaced(in wire.JobGroupInput) error {
	for _, f := range []struct {
		at    string
		given bool
	}{
		{"/priority", in.Priority != nil},
		{"/position", in.Position != nil},
		{"/before", in.Before != ""},
		{"/after", in.After != ""},
		{"/top", in.Top},
		{"/bottom", in.Bottom},
	} {
		if f.given {
			return fault.New(fault.InvalidInput, "a group of waiting jobs takes the place of the first of them").
				At(f.at, "not_allowed", "is for a group of new jobs; move the group when it is there")
		}
	}
	return nil
}

// checkMembers checks the ids of jobs that a group is made of.
func checkMembers(ids []string) error {
	seen := map[string]bool{}
	for i, one := range ids {
		at := "/job_ids/" + itoa(i)
		if err := id.Check(id.Job, one); err != nil {
			return fault.From(err).At(at, string(fault.WrongIDType), "must be the id of a job")
		}
		if seen[one] {
			return fault.Newf(fault.InvalidInput, "%s is named twice", one).At(at, "duplicate", "is named twice")
		}
		seen[one] = true
	}
	return nil
}

// seenOrder is the revision of the order on which the caller insists, 0 for none.
func (s *service) seenOrder(r *request) (int64, error) {
	if r.ifMatch == nil {
		return 0, nil
	}
	set, err := s.Store.Queue.Settings(r.Context())
	if err == nil {
		err = s.matchOrder(r, set)
	}
	return set.Revision, err
}

func (s *service) dissolveGroup(r *request) (reply, error) {
	g, err := s.group(r)
	if err != nil {
		return reply{}, err
	}
	p := store.DissolveGroup{Tenant: r.tenant(), ID: g.ID}
	if p.Allow, err = s.maySteerAll(r, []string{g.ID}); err != nil {
		return reply{}, err
	}
	if p.Audit, err = s.record(r, change{Action: audit.GroupDissolved, Object: g.ID, Name: g.Name}); err != nil {
		return reply{}, err
	}
	p.Key = keyed(r, dissolved)
	done, err := again(func() (store.GroupDissolved, error) {
		if p.IfRevision, err = s.seenOrder(r); err != nil {
			return store.GroupDissolved{}, err
		}
		p.At = s.Clock.Now().UTC().Truncate(time.Millisecond)
		return s.Store.Groups.Dissolve(r.Context(), p)
	})
	if err != nil {
		return reply{}, err
	}
	return dissolved(done), nil
}

// dissolved is the answer to dissolving a group.
func dissolved(d store.GroupDissolved) reply {
	out := wire.JobGroupDissolved{GroupID: d.Group.ID, JobIDs: d.JobIDs, Position: d.Position, Revision: d.Revision}
	if !d.Deleted {
		v := wire.JobGroupOf(d.Group, d.Group.Total-d.Group.Ended(), nil, nil)
		out.Group = &v
	}
	return reply{Status: http.StatusOK, ETag: etag(d.Revision), Body: out}
}
