package api

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/health"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/metrics"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

func (s *service) queueRoutes() []operation {
	workers := []answer{{Status: http.StatusOK, Doc: "slots and instances", Body: wire.Workers{}}}
	status := []answer{{Status: http.StatusOK, Doc: "the state", Body: wire.Scheduler{}}}
	return []operation{
		{
			ID: "get_workers", Method: http.MethodGet, Path: "/api/workers", Scope: access.SystemRead, Tag: "queue",
			Summary: "Show the slots and what fills them", Matches: true, Answers: workers, Handle: s.getWorkers,
		},
		{
			ID: "patch_workers", Method: http.MethodPatch, Path: "/api/workers", Scope: access.WorkersWrite, Tag: "queue",
			Summary: "Change the worker count", Doc: "It is stored and takes effect at once. Surplus slots end after their job.",
			Body: wire.WorkersPatch{}, Patch: true, Matches: true, Answers: workers, Handle: s.patchWorkers,
		},
		{
			ID: "get_scheduler", Method: http.MethodGet, Path: "/api/scheduler", Scope: access.SystemRead, Tag: "queue",
			Summary: "Show the state of the queue and of the server", Answers: status, Handle: s.getScheduler,
		},
		{
			ID: "pause_scheduler", Method: http.MethodPost, Path: "/api/scheduler/pause", Scope: access.WorkersWrite, Tag: "queue",
			Summary: "Finish what runs, start nothing", Body: wire.Reason{}, BodyOptional: true, Answers: status, Handle: s.pauseScheduler,
		},
		{
			ID: "resume_scheduler", Method: http.MethodPost, Path: "/api/scheduler/resume", Scope: access.WorkersWrite, Tag: "queue",
			Summary: "Start jobs again", Answers: status, Handle: s.resumeScheduler,
		},
	}
}

func (s *service) systemRoutes() []operation {
	ok := []answer{{Status: http.StatusOK, Doc: "healthy", Body: wire.Health{}}}
	return []operation{
		{
			ID: "list_job_types", Method: http.MethodGet, Path: "/api/job-types", Scope: access.SystemRead, Tag: "system",
			Summary: "List the job types of this server", Handle: s.listJobTypes,
			Answers: []answer{{Status: http.StatusOK, Doc: "all of them", Body: wire.JobTypeList{}}},
		},
		{
			ID: "get_usage", Method: http.MethodGet, Path: "/api/usage", Scope: access.SystemRead, Tag: "system",
			Summary: "Show what the artifacts of the tenant take", Handle: s.getUsage,
			Answers: []answer{{Status: http.StatusOK, Doc: "sizes and numbers", Body: wire.Usage{}}},
		},
		{
			ID: "get_openapi_json", Method: http.MethodGet, Path: "/api/openapi.json", Scope: access.SystemRead, Tag: "system",
			Summary: "This document as JSON", Stream: s.static("application/json", func() ([]byte, error) { return s.doc() }),
			Answers: []answer{{Status: http.StatusOK, Doc: "OpenAPI 3.1", Media: []string{"application/json"}}},
		},
		{
			ID: "get_openapi_yaml", Method: http.MethodGet, Path: "/api/openapi.yaml", Scope: access.SystemRead, Tag: "system",
			Summary: "This document as YAML", Stream: s.static("application/yaml", func() ([]byte, error) { return s.docYAML() }),
			Answers: []answer{{Status: http.StatusOK, Doc: "OpenAPI 3.1", Media: []string{"application/yaml"}}},
		},
		{
			ID: "get_docs", Method: http.MethodGet, Path: "/api/docs", Scope: access.SystemRead, Tag: "system",
			Summary: "Go to the viewer of this document",
			Answers: []answer{{Status: http.StatusSeeOther, Doc: "the viewer is at /ui/api/"}},
			Handle: func(*request) (reply, error) {
				return reply{Status: http.StatusSeeOther, Location: "/ui/api/"}, nil
			},
		},
		{
			ID: "livez", Method: http.MethodGet, Path: "/livez", Public: true, Tag: "system", Summary: "Is the process alive?",
			Answers: ok, Handle: func(*request) (reply, error) { return healthy, nil },
		},
		{
			ID: "readyz", Method: http.MethodGet, Path: "/readyz", Public: true, Tag: "system", Summary: "Can the server take work?",
			Doc: "Degraded is a success: the server serves, but not everything works as it should. Details are shown to callers of " +
				"the tenant default with the scope system:read only. Each check runs at most once a second.",
			Answers: []answer{
				{Status: http.StatusOK, Doc: "ok or degraded", Body: wire.Readiness{}},
				{Status: http.StatusServiceUnavailable, Doc: "failing", Body: wire.Readiness{}},
			},
			Handle: s.ready,
		},
		{
			ID: "get_metrics", Method: http.MethodGet, Path: "/metrics", Scope: access.MetricsRead, Tag: "system",
			Summary: "Numbers for Prometheus", Doc: "docs/metrics.md explains each.", Stream: s.getMetrics,
			Answers: []answer{{Status: http.StatusOK, Doc: "Prometheus text format", Media: []string{"text/plain"}}},
		},
		{
			ID: "explain_problem", Method: http.MethodGet, Path: "/problems/{code}", Public: true, Tag: "system",
			Summary: "What a problem code means, for people (HTML) and programs (JSON)", Faults: []fault.Code{fault.NotFound},
			Answers: []answer{{Status: http.StatusOK, Doc: "the explanation", Body: wire.Explanation{}, Media: []string{"text/html"}}},
			Stream:  s.explainProblem,
		},
	}
}

var healthy = reply{Status: http.StatusOK, Body: wire.Health{Status: "ok"}}

// ready tells how the checks stand. Strangers learn their names only.
func (s *service) ready(r *request) (reply, error) {
	details := false
	if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
		who, err := s.authenticate(r.Request)
		details = err == nil && who.Tenant == access.DefaultTenant && who.May(access.SystemRead)
	}
	v := wire.ReadinessOf(s.Health.Report(r.Context()), details)
	out := reply{Status: http.StatusOK, Body: v}
	if v.Status == string(health.Failing) {
		out.Status = http.StatusServiceUnavailable
	}
	return out, nil
}

func (s *service) getMetrics(w http.ResponseWriter, r *request) error {
	if s.Metrics == nil {
		return fault.New(fault.NotFound, "this server counts nothing")
	}
	w.Header().Set("Content-Type", metrics.ContentType())
	if r.Method == http.MethodHead {
		return nil
	}
	// Rendered first, so that a failure can still be told.
	var b bytes.Buffer
	if err := s.Metrics.WriteTo(r.Context(), &b); err != nil {
		w.Header().Del("Content-Type")
		return err
	}
	_, _ = b.WriteTo(w) // the client is gone: nobody is left to tell
	return nil
}

func (s *service) static(media string, body func() ([]byte, error)) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		b, err := body()
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", media)
		if r.Method != http.MethodHead {
			_, _ = w.Write(b) // on an error the client is gone: nobody is left to tell
		}
		return nil
	}
}

func (s *service) listJobTypes(*request) (reply, error) {
	out := wire.JobTypeList{Items: []wire.JobType{}}
	for _, name := range s.Tasks.Types() {
		t, err := s.Tasks.Find(name)
		if err != nil {
			return reply{}, err
		}
		v := wire.JobType{JobType: name, ParamsSchema: wire.Object(t.Schema()), CrashPolicy: string(t.OnCrash()), Enabled: true}
		if s, is := t.(task.Switched); is {
			if err := s.Disabled(); err != nil {
				v.Enabled, v.Hint = false, fault.From(err).Hint
			}
		}
		out.Items = append(out.Items, v)
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) getUsage(r *request) (reply, error) {
	u, err := s.usage(r)
	return reply{Status: http.StatusOK, Body: u}, err
}

func (s *service) usage(r *request) (wire.Usage, error) {
	u, err := s.Store.Artifacts.Usage(r.Context(), r.tenant())
	if err != nil {
		return wire.Usage{}, err
	}
	out := wire.Usage{ArtifactBytes: u.Bytes, ArtifactCount: u.Count}
	if s.ArtifactLimits.Tenant > 0 {
		out.ArtifactQuotaBytes = &s.ArtifactLimits.Tenant
	}
	if s.ArtifactLimits.Run > 0 {
		out.ArtifactRunMaxBytes = &s.ArtifactLimits.Run
	}
	return out, nil
}

// workers shows the slots. Slots belong to the installation: those that other
// tenants use are busy, but say nothing of the job.
func (s *service) workers(r *request, set store.Settings) (wire.Workers, error) {
	var out wire.Workers
	sit, err := s.Store.Jobs.Situation(r.Context(), nil)
	if err != nil {
		return out, err
	}
	page, err := s.Store.Runs.List(r.Context(), store.ListRuns{
		Tenant: r.tenant(), States: []run.State{run.Active}, InWork: true, Ascending: true, Limit: store.MaxWorkers,
	})
	if err != nil {
		return out, err
	}
	instances, err := s.instances(r)
	if err != nil {
		return out, err
	}
	running := max(claim.Busy(sit.Snapshot), len(page.Runs))
	out = wire.Workers{Count: set.Workers, Running: running, Slots: []wire.Slot{}, Instances: wire.InstancesOf(instances)}
	if !set.UpdatedAt.IsZero() {
		at := set.UpdatedAt.UTC()
		out.UpdatedAt = &at
	}
	for i := range max(set.Workers, running) {
		sl := wire.Slot{Slot: i + 1, State: "idle"}
		if i < running {
			sl.State = "busy"
		}
		if i >= set.Workers {
			sl.State = "surplus"
		}
		if i < len(page.Runs) {
			v := page.Runs[i]
			at := v.StartedAt.UTC()
			sl.JobID, sl.RunID, sl.Name, sl.JobType, sl.InstanceID, sl.Since = &v.JobID, &v.ID, &v.JobName, &v.JobType, &v.Instance, &at
		}
		out.Slots = append(out.Slots, sl)
	}
	return out, nil
}

// instances are those of the installation. Names of machines are the default
// tenant's business.
func (s *service) instances(r *request) ([]store.Instance, error) {
	out, err := s.Store.Leases.Instances(r.Context())
	if r.tenant() == access.DefaultTenant {
		return out, err
	}
	for i := range out {
		out[i].Hostname, out[i].Pid = "", 0
	}
	return out, err
}

func (s *service) getWorkers(r *request) (reply, error) {
	set, err := s.Store.Queue.Settings(r.Context())
	if err != nil {
		return reply{}, err
	}
	w, err := s.workers(r, set)
	return reply{Status: http.StatusOK, ETag: etag(set.Version), Body: w}, err
}

func (s *service) patchWorkers(r *request) (reply, error) {
	set, err := again(func() (store.Settings, error) {
		set, err := s.Store.Queue.Settings(r.Context())
		if err != nil {
			return set, err
		}
		if r.ifMatch != nil {
			now, err := s.workers(r, set)
			if err != nil {
				return set, err
			}
			if err := r.match(etag(set.Version), now); err != nil {
				return set, err
			}
		}
		in, err := patched(s, r, wire.WorkersPatch{Count: set.Workers})
		if err != nil {
			return set, err
		}
		entry, err := s.record(r, change{
			Action: audit.WorkersScaled, Detail: map[string]string{"from": itoa(set.Workers), "to": itoa(in.Count)},
		})
		if err != nil {
			return set, err
		}
		return s.Store.Queue.Scale(r.Context(), store.Scale{
			Workers: in.Count, IfVersion: set.Version, Tenant: r.tenant(), At: s.Clock.Now(), Audit: entry,
		})
	})
	if err != nil {
		return reply{}, err
	}
	w, err := s.workers(r, set)
	return reply{Status: http.StatusOK, ETag: etag(set.Version), Body: w}, err
}

func (s *service) scheduler(r *request, set store.Settings) (wire.Scheduler, error) {
	var out wire.Scheduler
	counts, err := s.Store.Jobs.Counts(r.Context(), r.tenant())
	if err != nil {
		return out, err
	}
	instances, err := s.instances(r)
	if err != nil {
		return out, err
	}
	engine, err := s.Store.Health.Version(r.Context())
	if err != nil {
		return out, err
	}
	all, err := s.Store.Jobs.Counts(r.Context(), "")
	if err != nil {
		return out, err
	}
	now := s.Clock.Now()
	// The two counts were read one after the other: a difference may be negative.
	others := func(st job.State) int { return max(0, all[st]-counts[st]) }
	out = wire.Scheduler{
		OtherTenants: wire.OtherTenants{Queued: others(job.Queued), Running: others(job.Running)},
		Workers:      set.Workers, Running: counts[job.Running], Queued: counts[job.Queued],
		Jobs:      wire.CountsOf(counts),
		Instances: wire.InstancesOf(instances), InstanceID: s.InstanceID(), Engine: engine, Version: s.Version,
		StartedAt: s.started.UTC().Truncate(time.Millisecond), UptimeMs: now.Sub(s.started).Milliseconds(), Time: now.UTC().Truncate(time.Millisecond),
	}
	showPause(r, &out, set)
	return out, nil
}

// showPause writes into out whether, by whom and why the queue is paused.
func showPause(r *request, out *wire.Scheduler, set store.Settings) {
	out.State, out.Paused, out.PausedBy, out.PausedReason = "running", set.Paused, nil, nil
	if set.Paused {
		out.State = "paused"
	}
	// Who paused it, and why, are words of another tenant's people.
	if set.Paused && r.tenant() == access.DefaultTenant {
		out.PausedBy, out.PausedReason = &set.PausedBy, &set.PausedReason
	}
}

func (s *service) getScheduler(r *request) (reply, error) {
	set, err := s.Store.Queue.Settings(r.Context())
	if err != nil {
		return reply{}, err
	}
	v, err := s.scheduler(r, set)
	return reply{Status: http.StatusOK, Body: v}, err
}

func (s *service) pauseScheduler(r *request) (reply, error) {
	var in wire.Reason
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	return s.setPaused(r, store.Pause{Paused: true, By: r.principal.Name, Reason: in.Reason})
}

func (s *service) resumeScheduler(r *request) (reply, error) {
	return s.setPaused(r, store.Pause{})
}

func (s *service) setPaused(r *request, p store.Pause) (reply, error) {
	now, err := s.Store.Queue.Settings(r.Context())
	if err != nil {
		return reply{}, err
	}
	v, err := s.scheduler(r, now)
	if err != nil {
		return reply{}, err
	}
	render := func(set store.Settings) reply {
		out := v
		showPause(r, &out, set)
		return reply{Status: http.StatusOK, Body: out}
	}
	done := change{Action: audit.QueueResumed}
	if p.Paused {
		done = change{Action: audit.QueuePaused, Detail: map[string]string{"reason": p.Reason}}
	}
	if p.Audit, err = s.record(r, done); err != nil {
		return reply{}, err
	}
	p.Tenant, p.At, p.Key = r.tenant(), s.Clock.Now(), keyed(r, render)
	set, err := s.Store.Queue.Pause(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	return render(set), nil
}

var problemPage = template.Must(template.New("problem").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}} - Runsheet</title><link rel="stylesheet" href="/ui/api/page.css"></head>
<body><main><h1>{{.Title}}</h1><p><code>{{.Code}}</code>, HTTP status {{.Status}}</p><p>{{.Remedy}}</p></main></body></html>
`))

func (s *service) explainProblem(w http.ResponseWriter, r *request) error {
	code := fault.Code(r.PathValue("code"))
	found := false
	for _, c := range fault.Codes() {
		found = found || c == code
	}
	if !found {
		return fault.Newf(fault.NotFound, "there is no problem code %s", clip(string(code)))
	}
	e := code.Entry()
	v := wire.Explanation{Type: "/problems/" + string(code), Code: string(code), Title: e.Title, Status: statusOf(code), Remedy: e.Remedy}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		return problemPage.Execute(w, v)
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}
