package api

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) runRoutes() []operation {
	const list, one = "/api/job-runs", "/api/job-runs/{run_id}"
	return []operation{
		{
			ID: "list_job_runs", Method: http.MethodGet, Path: list, Scope: access.JobsRead, Tag: "job-runs", Summary: "List runs",
			Doc: "Newest start first.",
			Query: pageParams(listParam("status", "only these; ACTIVE for those that execute", "ACTIVE", "COMPLETED", "FAILED", "SKIPPED"),
				textParam("job_id", "only runs of this job"), textParam("schedule_id", "only runs of this schedule, by id"), listParam("job_type", "only these job types"),
				listParam("template_id", "only runs of these templates, by id"), labelParam(), textParam("q", "part of the job's name, any case"),
				timeParam("started_after", "started later than this"), timeParam("started_before", "started earlier than this"),
				textParam("workflow_id", "only runs of this workflow"), includeParam("histogram", "typical"), numberParam("bucket", "seconds of a bar of the histogram; 3600 if absent", 60, maxBucket),
				enumParam("sort", "order of the list", "started_at", "-started_at")),
			Faults:  []fault.Code{fault.CursorInvalid, fault.WrongIDType},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.RunList{}}},
			Handle:  s.listRuns,
		},
		{
			ID: "get_job_run", Method: http.MethodGet, Path: one, Scope: access.JobsRead, Tag: "job-runs", Summary: "Read a run",
			Answers: []answer{{Status: http.StatusOK, Doc: "the run", Body: wire.Run{}}}, Handle: s.getRun,
		},
		{
			ID: "retry_job_run", Method: http.MethodPost, Path: one + "/retry", Scope: access.JobsWrite, Tag: "job-runs",
			Summary: "Do the work of a finished run again", Doc: "Makes a new job of what the run's job had resolved; retry_of names the run. The body changes some of it.", Waits: true,
			Body: wire.RetryInput{}, BodyOptional: true,
			Faults: []fault.Code{fault.NotFinished, fault.DirectNotRepeatable, fault.NotFound, fault.VersionNotFound, fault.JobTypeUnknown, fault.CommandNotAllowed, fault.StorageFull, fault.DirectiveArchived, fault.SourceNotAllowed},
			Answers: []answer{
				{Status: http.StatusCreated, Doc: "the new job; with Prefer: wait, ended", Body: wire.Job{}},
				{Status: http.StatusAccepted, Doc: "the new job, not ended within Prefer: wait", Body: wire.Job{}},
			},
			Handle: s.retryRun,
		},
		{
			ID: "list_run_calls", Method: http.MethodGet, Path: one + "/calls", Scope: access.JobsRead, Tag: "job-runs",
			Summary: "List what a run asked of language models, in order", Doc: "Counts and durations; what was said is kept nowhere.",
			Answers: []answer{{Status: http.StatusOK, Doc: "all of them", Body: wire.LLMCallList{}}}, Handle: s.listCalls,
		},
		{
			ID: "list_run_artifacts", Method: http.MethodGet, Path: one + "/artifacts", Scope: access.JobsRead, Tag: "job-runs",
			Summary: "List a run's artifacts, by name",
			Answers: []answer{{Status: http.StatusOK, Doc: "all of them", Body: wire.ArtifactList{}}}, Handle: s.listArtifacts,
		},
		{
			ID: "get_artifact", Method: http.MethodGet, Path: "/api/artifacts/{artifact_id}", Scope: access.JobsRead, Tag: "job-runs",
			Summary: "Download an artifact", Doc: "Takes Range and If-None-Match; the ETag is the content's SHA-256.",
			Answers: []answer{
				{Status: http.StatusOK, Doc: "the content", Media: []string{"application/octet-stream"}},
				{Status: http.StatusPartialContent, Doc: "the part that Range asked for", Media: []string{"application/octet-stream"}},
			},
			Faults: []fault.Code{fault.ArtifactGone, fault.RangeNotSatisfiable, fault.VersionMismatch}, Stream: s.getArtifact,
		},
	}
}

// run finds the run that the path names.
func (s *service) run(r *request) (run.Run, error) {
	runID, err := r.id("run_id", id.Run)
	if err != nil {
		return run.Run{}, err
	}
	return s.Store.Runs.Run(r.Context(), r.tenant(), runID)
}

func (s *service) getRun(r *request) (reply, error) {
	v, err := s.run(r)
	if err != nil {
		return reply{}, err
	}
	arts, err := s.Store.Artifacts.Of(r.Context(), r.tenant(), v.ID)
	if err != nil {
		return reply{}, err
	}
	made, err := s.firesOfRuns(r.Context(), v)
	if err != nil {
		return reply{}, err
	}
	out := wire.RunOf(v, arts[v.ID])
	out.ScheduleFire = made[v.JobID]
	if v.Directive.ID != "" && r.principal.May(access.DirectivesRead) {
		d, err := s.Store.Directives.Version(r.Context(), r.tenant(), v.Directive.ID, v.Directive.Version)
		if err != nil {
			return reply{}, err
		}
		snapshot := wire.SnapshotOf(d)
		out.Snapshot = &snapshot
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) listCalls(r *request) (reply, error) {
	v, err := s.run(r)
	if err != nil {
		return reply{}, err
	}
	calls, err := s.Store.Calls.Of(r.Context(), r.tenant(), v.ID)
	if err != nil {
		return reply{}, err
	}
	out := wire.LLMCallList{Items: []wire.LLMCall{}}
	for _, c := range calls {
		out.Items = append(out.Items, wire.LLMCallOf(c))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) listRuns(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	scheduleID, err := r.filterSchedule()
	if err != nil {
		return reply{}, err
	}
	p := store.ListRuns{
		Tenant: r.tenant(), JobID: r.query.text("job_id"), ScheduleID: scheduleID, WorkflowID: r.query.text("workflow_id"), Types: r.query["job_type"], TemplateIDs: r.query["template_id"],
		Labels: r.query.labels(), Text: r.query.text("q"), StartedAfter: r.query.time("started_after"),
		StartedBefore: r.query.time("started_before"), Ascending: r.query.text("sort") == "started_at",
		After: c.runMark(), Limit: r.query.limit(),
	}
	if p.JobID != "" {
		if err := id.Check(id.Job, p.JobID); err != nil {
			return reply{}, fault.From(err).At("query/job_id", string(fault.WrongIDType), "is not a job's id")
		}
	}
	for _, t := range p.TemplateIDs {
		if err := id.Check(id.Template, t); err != nil {
			return reply{}, fault.From(err).At("query/template_id", string(fault.WrongIDType), "is not a template's id")
		}
	}
	for _, st := range r.query["status"] {
		p.States = append(p.States, run.State(st))
	}
	page, err := s.Store.Runs.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	ids := make([]string, 0, len(page.Runs))
	for _, v := range page.Runs {
		ids = append(ids, v.ID)
	}
	arts, err := s.Store.Artifacts.Of(r.Context(), r.tenant(), ids...)
	if err != nil {
		return reply{}, err
	}
	made, err := s.firesOfRuns(r.Context(), page.Runs...)
	if err != nil {
		return reply{}, err
	}
	out := wire.RunList{Items: []wire.Run{}}
	for _, v := range page.Runs {
		one := wire.RunOf(v, arts[v.ID])
		one.ScheduleFire = made[v.JobID]
		out.Items = append(out.Items, one)
		out.NextCursor = r.next(page.More, cursor{ID: v.ID, AtMs: clock.Millis(v.StartedAt)})
	}
	err = s.includeRuns(r, p, page.Runs, &out)
	return reply{Status: http.StatusOK, Body: out}, err
}

func (s *service) listArtifacts(r *request) (reply, error) {
	v, err := s.run(r)
	if err != nil {
		return reply{}, err
	}
	arts, err := s.Store.Artifacts.Of(r.Context(), r.tenant(), v.ID)
	if err != nil {
		return reply{}, err
	}
	out := wire.ArtifactList{Items: []wire.Artifact{}}
	for _, a := range arts[v.ID] {
		out.Items = append(out.Items, wire.ArtifactOf(a))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// getArtifact sends the content as a download that no browser shows or runs:
// a job's output must not become a page of this server.
func (s *service) getArtifact(w http.ResponseWriter, r *request) error {
	artID, err := r.id("artifact_id", id.Artifact)
	if err != nil {
		return err
	}
	a, err := s.Store.Artifacts.Artifact(r.Context(), r.tenant(), artID)
	if err != nil {
		return err
	}
	if s.Blobs == nil {
		return fault.Newf(fault.ArtifactGone, "the content of %s is not on this server", a.ID)
	}
	content, size, err := s.Blobs.Open(r.Context(), a.SHA256)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // opened for reading: nothing can be lost
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(a.Name)}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+a.SHA256+`"`)
	out := &download{ResponseWriter: w}
	http.ServeContent(out, r.Request, "", time.Time{}, io.ReadSeeker(content))
	if out.refused == 0 {
		return nil
	}
	h.Del("Content-Disposition")
	switch out.refused {
	case http.StatusRequestedRangeNotSatisfiable:
		return fault.Newf(fault.RangeNotSatisfiable, "the content has %d bytes", size).
			At("header/Range", "out_of_range", "must be a range of bytes within the content")
	case http.StatusPreconditionFailed:
		return &stale{
			error:   fault.New(fault.VersionMismatch, "the content has another ETag").At("header/If-Match", "mismatch", "is not the current ETag"),
			current: wire.ArtifactOf(a), etag: `"` + a.SHA256 + `"`,
		}
	}
	return fmt.Errorf("send artifact %s: status %d", a.ID, out.refused)
}

// download keeps what ServeContent refuses from going out as plain text.
type download struct {
	http.ResponseWriter
	refused int
}

// WriteHeader implements http.ResponseWriter.
func (d *download) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		d.refused = status
		return
	}
	d.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (d *download) Write(b []byte) (int, error) {
	if d.refused != 0 {
		return len(b), nil
	}
	return d.ResponseWriter.Write(b)
}
