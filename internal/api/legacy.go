package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/tally"
	"github.com/runsheet/runsheet/internal/webhook"
)

// This file and legacyqueue.go are the endpoints that programs of an earlier time
// use: /queue, /jobs, /schedules and /scheduler, without /api. Their shapes never change. They
// go through the same checks and store methods as those under /api; only what is
// read and shown is translated.

// Since when the endpoints under /jobs are deprecated, and until when they stay
// at least, in seconds since 1970.
const (
	legacyDeprecated = 1_793_491_200 // 2026-11-01
	legacySunset     = 1_830_297_599 // the end of 2027
)

// legacyTag marks the operations whose calls are counted.
const legacyTag = "legacy"

// isLegacy reports whether a path belongs to the legacy endpoints.
func isLegacy(p string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	return first == "queue" || first == "jobs" || first == "scheduler" || first == "schedules" || first == "schedule"
}

// deprecate says of a deprecated operation since when it is, until when it stays
// and what to use instead (RFC 9745, RFC 8594).
func deprecate(h http.Header, r *request) {
	if r.op.Successor == "" {
		return
	}
	h.Set("Deprecation", "@"+itoa(legacyDeprecated))
	h.Set("Sunset", time.Unix(legacySunset, 0).UTC().Format(http.TimeFormat))
	to := strings.ReplaceAll(r.op.Successor, "{job_id}", url.PathEscape(r.PathValue("job_id")))
	h.Set("Link", "<"+to+`>; rel="successor-version"`)
}

func (s *service) legacyRoutes() []operation {
	out := slices.Concat(s.legacyQueueRoutes(), s.legacyJobRoutes(), s.legacyTriggerRoutes(), s.legacyScheduleRoutes())
	status := []answer{{Status: http.StatusOK, Doc: "the state", Body: wire.LegacyScheduler{}}}
	out = append(out, operation{
		ID: "legacy_start_scheduler", Method: http.MethodPost, Path: "/scheduler/start", Scope: access.WorkersWrite,
		Summary: "Start jobs again", Answers: status, Handle: s.legacyStart,
	}, operation{
		ID: "legacy_stop_scheduler", Method: http.MethodPost, Path: "/scheduler/stop", Scope: access.WorkersWrite,
		Summary: "Finish what runs, start nothing", Answers: status, Handle: s.legacyStop,
	}, operation{
		ID: "legacy_get_scheduler", Method: http.MethodGet, Path: "/scheduler/status", Scope: access.SystemRead,
		Summary: "Show the state of the scheduler", Answers: status, Handle: s.legacyScheduler,
	}, operation{
		ID: "legacy_get_metrics", Method: http.MethodGet, Path: "/scheduler/metrics", Scope: access.SystemRead, Summary: "Show numbers about the scheduler",
		Answers: []answer{{Status: http.StatusOK, Doc: "the numbers", Body: wire.LegacyMetrics{}}}, Handle: s.legacyMetrics,
	})
	for i := range out {
		out[i].Tag = legacyTag
	}
	return out
}

// legacyMade are the faults of what makes jobs.
func legacyMade() []fault.Code {
	return []fault.Code{
		fault.NotFound, fault.WrongIDType, fault.JobTypeUnknown, fault.JobTypeDisabled, fault.CommandNotAllowed, fault.StorageFull, fault.GroupStarted,
	}
}

func (s *service) legacyQueueRoutes() []operation {
	add := operation{
		ID: "legacy_create_queue_job", Method: http.MethodPost, Path: "/queue/jobs", Scope: access.JobsWrite, Summary: "Put a job into the queue",
		Doc: "It needs the scope templates:write too, because it names the program to run.", Body: wire.LegacyJobInput{}, Faults: legacyMade(),
		Answers: []answer{{Status: http.StatusCreated, Doc: "stored", Body: wire.LegacyQueued{}}}, Handle: s.legacyAdd(http.StatusCreated, s.legacyQueued),
	}
	alias := add
	alias.ID, alias.Path, alias.Doc = "legacy_queue_add", "/queue/add", "The same as POST /queue/jobs."
	alias.Answers = []answer{{Status: http.StatusAccepted, Doc: "stored", Body: wire.LegacyQueued{}}}
	alias.Handle = s.legacyAdd(http.StatusAccepted, s.legacyQueued)
	return []operation{
		add,
		alias,
		{
			ID: "legacy_create_queue_group", Method: http.MethodPost, Path: "/queue/groups", Scope: access.JobsWrite, Summary: "Put a group of jobs into the queue",
			Doc: "It needs the scope templates:write too.", Body: wire.LegacyGroupInput{}, Faults: legacyMade(),
			Answers: []answer{{Status: http.StatusCreated, Doc: "stored", Body: wire.LegacyGroupQueued{}}}, Handle: s.legacyAddGroup,
		},
		{
			ID: "legacy_put_queue_reorder", Method: http.MethodPut, Path: "/queue/reorder", Scope: access.JobsWrite, Summary: "Move a waiting job",
			Body: wire.LegacyMove{}, Faults: []fault.Code{fault.NotFound, fault.WrongIDType, fault.AlreadyStarted, fault.AlreadyFinished},
			Answers: []answer{{Status: http.StatusOK, Doc: "moved", Body: wire.LegacyMoved{}}}, Handle: s.legacyReorder,
		},
		{
			ID: "legacy_put_queue_reorder_bulk", Method: http.MethodPut, Path: "/queue/reorder/bulk", Scope: access.JobsWrite, Summary: "Give jobs another order",
			Body: wire.LegacyOrder{}, Faults: []fault.Code{fault.WrongIDType, fault.WrongGroup},
			Answers: []answer{{Status: http.StatusOK, Doc: "what it did", Body: wire.LegacyOrdered{}}}, Handle: s.legacyReorderBulk,
		},
		{
			ID: "legacy_get_queue_status", Method: http.MethodGet, Path: "/queue/status", Scope: access.JobsRead, Summary: "Show the queue",
			Answers: []answer{{Status: http.StatusOK, Doc: "the queue", Body: wire.LegacyQueue{}}}, Handle: s.legacyQueue,
		},
		{
			ID: "legacy_delete_queue_job", Method: http.MethodDelete, Path: "/queue/jobs/{job_id}", Scope: access.JobsWrite, Summary: "Cancel a job",
			Doc:    "For a job that runs, the answer comes when its processes are gone, or after the time that they have for that.",
			Faults: []fault.Code{fault.AlreadyFinished, fault.Conflict}, Handle: s.legacyDeleteQueued,
			Answers: []answer{{Status: http.StatusOK, Doc: "what it did", Body: wire.LegacyCancelled{}}},
		},
	}
}

func (s *service) legacyJobRoutes() []operation {
	const list, one = "/jobs", "/jobs/{job_id}"
	shown := []answer{{Status: http.StatusOK, Doc: "the job", Body: wire.LegacyJob{}}}
	return []operation{
		{
			ID: "legacy_create_job", Method: http.MethodPost, Path: list, Successor: "/api/jobs", Scope: access.JobsWrite, Summary: "Put a job into the queue",
			Doc: "It needs the scope templates:write too, because it names the program to run.", Body: wire.LegacyJobInput{}, Faults: legacyMade(),
			Answers: []answer{{Status: http.StatusCreated, Doc: "stored", Body: wire.LegacyJob{}}}, Handle: s.legacyAdd(http.StatusCreated, s.legacyCreated),
		},
		{
			ID: "legacy_list_jobs", Method: http.MethodGet, Path: list, Successor: "/api/jobs", Scope: access.JobsRead, Summary: "List jobs",
			Doc:    "Newest first. With status pending or queued, a page may hold fewer jobs than asked for: next_cursor tells whether there are more.",
			Query:  pageParams(listParam("status", "only these statuses", wire.LegacyStatuses()...)),
			Faults: []fault.Code{fault.CursorInvalid}, Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.LegacyJobList{}}}, Handle: s.legacyJobs,
		},
		{
			ID: "legacy_get_job", Method: http.MethodGet, Path: one, Successor: "/api/jobs/{job_id}", Scope: access.JobsRead, Summary: "Read a job",
			Answers: shown, Handle: s.legacyJob,
		},
		{
			ID: "legacy_patch_job", Method: http.MethodPatch, Path: one, Successor: "/api/jobs/{job_id}", Scope: access.JobsWrite, Summary: "Change a waiting job",
			Body: wire.LegacyJobPatch{}, Patch: true, Answers: shown,
			Faults: []fault.Code{fault.AlreadyStarted, fault.AlreadyFinished, fault.Conflict}, Handle: s.legacyPatchJob,
		},
		{
			ID: "legacy_delete_job", Method: http.MethodDelete, Path: one, Successor: "/api/jobs/{job_id}/cancel", Scope: access.JobsWrite, Summary: "Cancel a job",
			Doc:     "As DELETE /queue/jobs/{job_id}, with the job as answer. Nothing is deleted.",
			Answers: shown, Faults: []fault.Code{fault.AlreadyFinished, fault.Conflict}, Handle: s.legacyDeleteJob,
		},
		{
			ID: "legacy_list_job_runs", Method: http.MethodGet, Path: one + "/runs", Successor: "/api/job-runs?job_id={job_id}", Scope: access.JobsRead,
			Summary: "List the attempts of a job", Answers: []answer{{Status: http.StatusOK, Doc: "all of them", Body: wire.LegacyRunList{}}}, Handle: s.legacyRuns,
		},
	}
}

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
		place := &at
		if j.Parked != "" {
			place = nil
		}
		out = append(out, wire.LegacyJobOf(j, now, place, wire.LegacyTrace{Run: runs[j.RunID], Artifacts: artifacts[j.RunID], Sent: sent}))
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

// maxLegacyUsage bounds the answer of GET /api/legacy/usage.
const maxLegacyUsage = 1000

func (s *service) legacyUsageRoutes() []operation {
	return []operation{{
		ID: "get_legacy_usage", Method: http.MethodGet, Path: "/api/legacy/usage", Scope: access.SettingsWrite, Tag: "system",
		Summary: "Show who calls legacy endpoints",
		Doc: "Calls of the last 30 days (UTC, with today) by client and operation, most first, also those that were refused to a client that was known. " +
			"Calls of this server are counted up to now, those of other servers up to a minute ago; a crash loses at most about a minute. " +
			"With the scope tenants:read the calls of all tenants.",
		Answers: []answer{{Status: http.StatusOK, Doc: "the numbers", Body: wire.LegacyUsage{}}}, Handle: s.getLegacyUsage,
	}}
}

func (s *service) getLegacyUsage(r *request) (reply, error) {
	if err := s.Tally.Flush(r.Context()); err != nil { // what is written can still be shown
		s.log.WarnContext(r.Context(), "cannot write down the calls of legacy endpoints, tries again", "error", err)
	}
	ask := store.AskLegacyUsage{Tenant: r.tenant(), Since: tally.Since(s.Clock.Now()), Limit: maxLegacyUsage}
	if r.principal.May(access.TenantsRead) {
		ask.Tenant = ""
	}
	found, err := s.Store.LegacyCalls.Usage(r.Context(), ask)
	if err != nil {
		return reply{}, err
	}
	known := map[string]operation{}
	for _, op := range s.legacyRoutes() {
		known[op.ID] = op
	}
	out := wire.LegacyUsage{Since: ask.Since, Items: []wire.LegacyUse{}, Complete: !found.More}
	for _, c := range found.Calls {
		v := wire.LegacyUse{Tenant: c.Tenant, Client: c.Client, Operation: c.Operation, Count: c.Count, LastUsedAt: c.LastAt.UTC()}
		if op, ok := known[c.Operation]; ok {
			v.Operation, v.Successor = op.Method+" "+op.Path, filled(op.Successor)
		}
		if c.Client == "" {
			v.Client, v.Operation = "other", "other"
		}
		out.Items = append(out.Items, v)
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}
