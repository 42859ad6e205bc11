package api

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// maxBulk is how many jobs one request changes at most.
const maxBulk = 1000

func (s *service) bulkRoutes() []operation {
	return []operation{{
		ID: "bulk_jobs", Method: http.MethodPost, Path: "/api/jobs/bulk", Scope: access.JobsWrite, Tag: "jobs",
		Summary: "Change many jobs at once",
		Doc: "Jobs are named by job_ids or chosen by a filter, at most 1000. Each is changed or refused by itself, with the reason; all changes are " +
			"stored together. dry_run changes nothing and says what would be changed. Running jobs that are cancelled are asked to stop.",
		Body: wire.BulkInput{}, Answers: []answer{{Status: http.StatusOK, Doc: "what happened to each", Body: wire.BulkResult{}}},
		Faults: []fault.Code{fault.NotFound, fault.WrongIDType, fault.WrongGroup, fault.AlreadyStarted}, Handle: s.bulkJobs,
	}}
}

// bulk is one change of many jobs under way.
type bulk struct {
	in    wire.BulkInput
	place *store.Place
	more  bool
	items []bulkItem
}

// bulkItem is one of the jobs. Those without error are to be changed.
type bulkItem struct {
	id  string
	job job.Job // the zero value when it is not there
	err error
	// change is set unless the action is a move.
	change job.Change
}

func (s *service) bulkJobs(r *request) (reply, error) {
	var in wire.BulkInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	place, err := checkBulk(in)
	if err != nil {
		return reply{}, err
	}
	return again(func() (reply, error) {
		b := &bulk{in: in, place: place}
		if err := s.gather(r, b); err != nil {
			return reply{}, err
		}
		if err := s.judge(r, b); err != nil {
			return reply{}, err
		}
		if in.DryRun {
			return b.reply(nil), nil
		}
		if in.Action == "move" {
			return s.bulkMove(r, b)
		}
		return s.bulkChange(r, b)
	})
}

// checkBulk checks what a schema cannot, and reads the place of a move.
func checkBulk(in wire.BulkInput) (*store.Place, error) {
	bad := func(at, code, detail string) error {
		return fault.New(fault.InvalidInput, "the change of many jobs cannot be made").At(at, code, detail)
	}
	if (len(in.JobIDs) == 0) == (in.Filter == nil) {
		return nil, bad("/job_ids", "one_of", "give either this or filter")
	}
	switch {
	case in.Action == "priority" && in.Priority == nil:
		return nil, bad("/priority", "required", "the action priority needs it")
	case in.Action != "priority" && in.Priority != nil:
		return nil, bad("/priority", "not_allowed", "is for the action priority")
	case in.Action != "hold" && in.Reason != "":
		return nil, bad("/reason", "not_allowed", "is for the action hold")
	case in.Action == "move" && in.To == nil:
		return nil, bad("/to", "required", "the action move needs it")
	case in.Action != "move" && in.To != nil:
		return nil, bad("/to", "not_allowed", "is for the action move")
	}
	seen := map[string]bool{}
	for i, one := range in.JobIDs {
		at := "/job_ids/" + strconv.Itoa(i)
		if err := id.Check(id.Job, one); err != nil {
			return nil, fault.From(err).At(at, string(fault.WrongIDType), "is not a job's id")
		}
		if seen[one] {
			return nil, bad(at, "duplicate", "is named twice")
		}
		seen[one] = true
	}
	if err := checkFilter(in.Filter); err != nil {
		return nil, err
	}
	if in.To == nil {
		return nil, nil //nolint:nilnil // only a move has a place
	}
	p, err := needPlace(*in.To)
	return p, within(err, "/to")
}

func checkFilter(f *wire.BulkFilter) error {
	if f == nil {
		return nil
	}
	for i, st := range f.Status {
		if !slices.Contains(job.States(), job.State(st)) {
			return fault.Newf(fault.InvalidInput, "%q is not a status", clip(st)).At("/filter/status/"+strconv.Itoa(i), "unknown_value", "is not a status of jobs")
		}
	}
	for i, t := range f.TemplateID {
		if err := id.Check(id.Template, t); err != nil {
			return fault.From(err).At("/filter/template_id/"+strconv.Itoa(i), string(fault.WrongIDType), "is not a template's id")
		}
	}
	if f.GroupID != "" {
		if err := id.Check(id.Group, f.GroupID); err != nil {
			return fault.From(err).At("/filter/group_id", string(fault.WrongIDType), "is not a group's id")
		}
	}
	return within(checkLabels(f.Labels), "/filter")
}

// subjects are the states of the jobs that an action is for.
func subjects(action string) []job.State {
	switch action {
	case "cancel":
		return []job.State{job.Queued, job.Running}
	case "restore":
		return []job.State{job.Cancelled}
	}
	return []job.State{job.Queued}
}

// gather reads the jobs.
func (s *service) gather(r *request, b *bulk) error {
	for _, one := range b.in.JobIDs {
		j, err := s.Store.Jobs.Job(r.Context(), r.tenant(), one)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		b.items = append(b.items, bulkItem{id: one, job: j, err: err})
	}
	f := b.in.Filter
	if f == nil {
		return nil
	}
	p := store.ListJobs{
		Tenant: r.tenant(), Types: f.JobType, TemplateIDs: f.TemplateID, GroupID: f.GroupID, Labels: f.Labels, Text: f.Query,
		States: subjects(b.in.Action), Sort: store.SortQueue, Limit: maxPage,
	}
	if len(f.Status) > 0 {
		p.States = nil
		for _, st := range f.Status {
			p.States = append(p.States, job.State(st))
		}
	}
	if f.CreatedAfter != nil {
		p.CreatedAfter = f.CreatedAfter.UTC()
	}
	if f.CreatedBefore != nil {
		p.CreatedBefore = f.CreatedBefore.UTC()
	}
	for {
		page, err := s.Store.Jobs.List(r.Context(), p)
		if err != nil {
			return err
		}
		for _, j := range page.Jobs {
			b.items = append(b.items, bulkItem{id: j.ID, job: j})
		}
		b.more = page.More
		if !page.More || len(b.items) >= maxBulk {
			return nil
		}
		last := page.Jobs[len(page.Jobs)-1]
		p.After = &store.JobMark{Rank: last.Rank, CreatedAt: last.CreatedAt, ID: last.ID}
	}
}

// judge decides about each job, without changing any.
func (s *service) judge(r *request, b *bulk) error {
	now := s.Clock.Now().UTC().Truncate(time.Millisecond)
	steer := map[string]error{} // by template
	for i := range b.items {
		it := &b.items[i]
		if it.err != nil {
			continue
		}
		verdict, known := steer[it.job.TemplateID]
		if !known {
			verdict = s.maySteer(r, it.job)
			if verdict != nil && !fault.Is(verdict, fault.ForbiddenScope) {
				return verdict
			}
			steer[it.job.TemplateID] = verdict
		}
		if it.err = verdict; it.err == nil {
			it.change, it.err = b.apply(r, it.job, now)
		}
	}
	return nil
}

// apply is what the action does to one job.
func (b *bulk) apply(r *request, j job.Job, now time.Time) (job.Change, error) {
	switch b.in.Action {
	case "cancel":
		return job.Apply(j, job.CancelAsked{At: now, By: r.principal.Name})
	case "hold":
		return job.Apply(j, job.Held{At: now, By: r.principal.Name, Reason: b.in.Reason})
	case "release":
		return job.Apply(j, job.Released{At: now})
	case "restore":
		return job.Apply(j, job.Restored{At: now})
	case "priority":
		return job.Apply(j, job.Edited{At: now, Priority: b.in.Priority})
	}
	return job.Apply(j, job.Placed{At: now, Rank: j.Rank})
}

// bulkChange stores the changes of all actions but a move.
func (s *service) bulkChange(r *request, b *bulk) (reply, error) {
	p := store.MoveJobs{Tenant: r.tenant(), At: s.Clock.Now().UTC().Truncate(time.Millisecond)}
	for _, it := range b.items {
		if it.err == nil {
			p.Changes = append(p.Changes, it.change)
		}
	}
	render := func(moved []store.Moved) reply {
		verdict := map[string]store.Moved{}
		for _, m := range moved {
			verdict[m.Job.ID] = m
		}
		return b.reply(func(it bulkItem) (job.Job, error) {
			m := verdict[it.id]
			return m.Job, m.Err
		})
	}
	var err error
	if p.Audit, err = s.record(r, change{Action: audit.JobsChanged, Detail: map[string]string{
		"action": b.in.Action, "jobs": itoa(len(p.Changes)),
	}}); err != nil {
		return reply{}, err
	}
	p.Key = keyed(r, render)
	moved, err := s.Store.Jobs.MoveEach(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	return render(moved), nil
}

// bulkMove moves the jobs together.
func (s *service) bulkMove(r *request, b *bulk) (reply, error) {
	p := store.PlaceJobs{Tenant: r.tenant(), Place: b.place, At: s.Clock.Now().UTC().Truncate(time.Millisecond)}
	for _, it := range b.items {
		if it.err == nil {
			p.IDs = append(p.IDs, it.id)
		}
	}
	if len(p.IDs) == 0 {
		return s.bulkChange(r, b) // nothing to do, but an answer to keep
	}
	render := func(done store.Placed) reply {
		return b.reply(func(it bulkItem) (job.Job, error) {
			if slices.Contains(done.Ignored, it.id) {
				return it.job, fault.Newf(fault.AlreadyStarted, "job %s does not wait any more", it.id)
			}
			return it.job, nil
		})
	}
	var err error
	if p.Audit, err = s.record(r, moveChange(p)); err != nil {
		return reply{}, err
	}
	p.Key = keyed(r, render)
	done, err := s.Store.Order.Place(r.Context(), p)
	if err != nil {
		return reply{}, within(nearby(err, p.Place), "/to")
	}
	return render(done), nil
}

// reply is the answer. verdict says what happened to a job that was not refused
// before; nil in a dry run.
func (b *bulk) reply(verdict func(bulkItem) (job.Job, error)) reply {
	out := wire.BulkResult{Action: b.in.Action, DryRun: b.in.DryRun, Matched: len(b.items), More: b.more, Items: []wire.BulkItem{}}
	for _, it := range b.items {
		j, err, result := it.job, it.err, "would"
		if err == nil && verdict != nil {
			result = "done"
			j, err = verdict(it)
		}
		v := wire.BulkItem{JobID: it.id, Result: result}
		if j.ID != "" {
			status := string(j.State)
			v.Name, v.Status = &j.Name, &status
		}
		if err != nil {
			f := fault.From(err)
			v.Result, v.Error = "refused", &wire.Error{Code: string(f.Code), Message: f.Detail}
			out.Refused++
		} else {
			out.Done++
		}
		out.Items = append(out.Items, v)
	}
	return reply{Status: http.StatusOK, Body: out}
}
