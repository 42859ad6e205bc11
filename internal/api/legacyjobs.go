package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

// legacyCreated shows a new job as POST /jobs does.
func (s *service) legacyCreated(_ job.Snapshot, j job.Job, position int) reply {
	return reply{Location: "/jobs/" + j.ID, Body: wire.LegacyJobOf(j, s.Clock.Now(), &position, wire.LegacyTrace{})}
}

// legacyViews shows jobs with what their last attempts left.
func (s *service) legacyViews(ctx context.Context, tenant string, jobs ...job.Job) ([]wire.LegacyJob, error) {
	var sit store.Situation
	if slices.ContainsFunc(jobs, func(j job.Job) bool { return j.State == job.Queued }) {
		var err error
		if sit, err = s.Store.Jobs.Situation(ctx, jobs); err != nil {
			return nil, err
		}
	}
	runs, ids := map[string]*run.Run{}, []string{}
	for _, j := range jobs {
		if j.RunID == "" {
			continue
		}
		v, err := s.Store.Runs.Run(ctx, tenant, j.RunID)
		if fault.Is(err, fault.NotFound) {
			continue // removed at this moment
		}
		if err != nil {
			return nil, err
		}
		runs[j.RunID], ids = &v, append(ids, v.ID)
	}
	artifacts, err := s.Store.Artifacts.Of(ctx, tenant, ids...)
	if err != nil {
		return nil, err
	}
	now, out := s.Clock.Now(), make([]wire.LegacyJob, 0, len(jobs))
	for _, j := range jobs {
		at := sit.Positions[j.ID]
		sent, err := s.legacySent(ctx, j)
		if err != nil {
			return nil, err
		}
		out = append(out, wire.LegacyJobOf(j, now, &at, wire.LegacyTrace{Run: runs[j.RunID], Artifacts: artifacts[j.RunID], Sent: sent}))
	}
	return out, nil
}

// legacySent reports whether a message about j reached its own webhook.
func (s *service) legacySent(ctx context.Context, j job.Job) (bool, error) {
	if j.Webhook.URL == "" {
		return false, nil
	}
	page, err := s.Store.Outbox.List(ctx, store.ListDeliveries{
		Tenant: j.Tenant, JobID: j.ID, Statuses: []webhook.Status{webhook.Delivered}, Limit: maxPage,
	})
	return slices.ContainsFunc(page.Deliveries, func(d webhook.Delivery) bool { return d.WebhookID == "" }), err
}

func (s *service) legacyReply(r *request, j job.Job) (reply, error) {
	v, err := s.legacyViews(withoutCancel(r.Context()), r.tenant(), j)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: v[0]}, nil
}

func (s *service) legacyJob(r *request) (reply, error) {
	j, err := s.job(r)
	if err != nil {
		return reply{}, err
	}
	return s.legacyReply(r, j)
}

func (s *service) legacyJobs(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	wanted := r.query["status"]
	if len(wanted) == 0 {
		wanted = wire.LegacyStatuses()
	}
	p := store.ListJobs{Tenant: r.tenant(), Sort: store.SortNewest, After: c.jobMark(), Limit: r.query.limit()}
	pending, queued := slices.Contains(wanted, wire.LegacyStatuses()[0]), slices.Contains(wanted, wire.LegacyStateOf(string(job.Queued)).Status)
	for _, st := range job.States() {
		if slices.Contains(wanted, wire.LegacyStateOf(string(st)).Status) || st == job.Queued && pending {
			p.States = append(p.States, st)
		}
	}
	page, err := s.Store.Jobs.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	counts, err := s.Store.Jobs.Counts(r.Context(), r.tenant())
	if err != nil {
		return reply{}, err
	}
	out := wire.LegacyJobList{}
	for _, st := range p.States {
		out.Total += counts[st]
	}
	if pending != queued {
		numbers, err := s.statistics(r)
		if err != nil {
			return reply{}, err
		}
		waits := numbers.Held + numbers.Delayed
		if queued {
			waits = numbers.Queued - waits
		}
		out.Total += waits - counts[job.Queued]
	}
	now := s.Clock.Now()
	shown := slices.DeleteFunc(slices.Clone(page.Jobs), func(j job.Job) bool {
		return !slices.Contains(wanted, wire.LegacyJobState(j, now).Status)
	})
	if out.Jobs, err = s.legacyViews(r.Context(), r.tenant(), shown...); err != nil {
		return reply{}, err
	}
	if n := len(page.Jobs); n > 0 {
		last := page.Jobs[n-1]
		out.NextCursor = r.next(page.More, cursor{ID: last.ID, Rank: string(last.Rank), AtMs: clock.Millis(last.CreatedAt)})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) legacyPatchJob(r *request) (reply, error) {
	in, err := patched(s, r, wire.LegacyJobPatch{})
	if err != nil {
		return reply{}, err
	}
	if in.Priority != nil && in.Position != nil {
		return reply{}, fault.New(fault.InvalidInput, "a job has one place").
			At("/priority", "one_of", "give either this or position").At("/position", "one_of", "give either this or priority")
	}
	j, err := s.job(r)
	if err != nil {
		return reply{}, err
	}
	switch {
	case in.Priority != nil:
		priority := wire.LegacyPriority(*in.Priority)
		j, err = s.move(r, func(_ job.Job, now time.Time) (any, error) {
			return job.Edited{At: now, Priority: &priority}, nil
		}, always(http.StatusOK))
	case in.Position != nil:
		var done store.Placed
		if done, err = s.legacyMoveTo(r, j.ID, *in.Position); err == nil {
			j = done.Job
		}
	default: // nothing is to be changed, but who must not change it learns that
		err = s.maySteer(r, j)
	}
	if err != nil {
		return reply{}, err
	}
	return s.legacyReply(r, j)
}

func (s *service) legacyDeleteJob(r *request) (reply, error) {
	_, after, err := s.legacyCancel(r)
	if err != nil {
		return reply{}, err
	}
	return s.legacyReply(r, after)
}

// legacyRuns shows the attempts of a job, which are few: more than MaxAttempts
// only after crashes.
func (s *service) legacyRuns(r *request) (reply, error) {
	j, err := s.job(r)
	if err != nil {
		return reply{}, err
	}
	page, err := s.Store.Runs.List(r.Context(), store.ListRuns{Tenant: r.tenant(), JobID: j.ID, Ascending: true, Limit: legacyPage})
	if err != nil {
		return reply{}, err
	}
	ids := make([]string, 0, len(page.Runs))
	for _, v := range page.Runs {
		ids = append(ids, v.ID)
	}
	artifacts, err := s.Store.Artifacts.Of(r.Context(), r.tenant(), ids...)
	if err != nil {
		return reply{}, err
	}
	out := wire.LegacyRunList{Runs: []wire.LegacyRun{}, Total: len(page.Runs)}
	for _, v := range page.Runs {
		out.Runs = append(out.Runs, wire.LegacyRunOf(v, artifacts[v.ID]))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}
