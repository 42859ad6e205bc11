package api

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
)

// This file and legacy*.go are the endpoints that programs of an earlier time
// use: /queue, /jobs and /scheduler, without /api. Their shapes never change. They
// go through the same checks and store methods as those under /api; only what is
// read and shown is translated.

// Since when the endpoints under /jobs are deprecated, and until when they stay
// at least, in seconds since 1970.
const (
	legacyDeprecated = 1_793_491_200 // 2026-11-01
	legacySunset     = 1_830_297_599 // the end of 2027
)

// isLegacy reports whether a path belongs to the legacy endpoints.
func isLegacy(p string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	return first == "queue" || first == "jobs" || first == "scheduler"
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
	out := append(s.legacyQueueRoutes(), s.legacyJobRoutes()...)
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
		out[i].Tag = "legacy"
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
