package api

import (
	"net/http"
	"sync"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
)

// This file has what pages show beside one resource: the frame around all of them,
// the configuration, what the disk holds.

func (s *service) overviewRoutes() []operation {
	return []operation{
		{
			ID: "get_overview", Method: http.MethodGet, Path: "/api/overview", Scope: access.SystemRead, Tag: "system",
			Summary: "Show what needs attention",
			Doc:     "Numbers for the frame of every page: whether the queue is paused, what waits for a person, what a restart has brought back and what a crash has interrupted. It is cheap.",
			Answers: []answer{{Status: http.StatusOK, Doc: "the numbers", Body: wire.Overview{}}}, Handle: s.getOverview,
		},
		{
			ID: "get_config", Method: http.MethodGet, Path: "/api/config", Scope: access.SettingsWrite, Tag: "system",
			Summary: "Show the configuration and where it comes from", Doc: "Secrets are masked. runsheet config print shows the same on the server.",
			Answers: []answer{{Status: http.StatusOK, Doc: "every value", Body: wire.ConfigList{}}}, Faults: []fault.Code{fault.NotFound}, Handle: s.getConfig,
		},
		{
			ID: "get_storage", Method: http.MethodGet, Path: "/api/storage", Scope: access.SystemRead, Tag: "system",
			Summary: "Show what the installation takes on disk", Doc: "The size of the database is that of the whole installation, artifacts are those of the tenant.",
			Answers: []answer{{Status: http.StatusOK, Doc: "sizes", Body: wire.Storage{}}}, Handle: s.getStorage,
		},
		{
			ID: "start_demo", Method: http.MethodPost, Path: "/api/demo", Scope: access.SettingsWrite, Tag: "system", Pure: true,
			Summary: "Add demonstration data", Doc: "Templates, jobs and workflows, all with the label demo: jobs to reorder, a run to retry, a version to roll back, a request to decide. Where there are some already, nothing is added.",
			Answers: []answer{{Status: http.StatusOK, Doc: "what there is", Body: wire.Demo{}}}, Faults: []fault.Code{fault.NotFound}, Handle: s.startDemo,
		},
		{
			ID: "remove_demo", Method: http.MethodDelete, Path: "/api/demo", Scope: access.SettingsWrite, Tag: "system",
			Summary: "Remove demonstration data", Doc: "Waiting jobs with the label demo are cancelled, running ones asked to stop; templates with it are deleted and workflows archived. Runs stay in the history. It is refused, and nothing is removed, while a schedule starts one of the workflows, or is made of one of the templates.",
			Answers: []answer{{Status: http.StatusNoContent, Doc: "removed"}}, Faults: []fault.Code{fault.NotFound, fault.WorkflowInUse, fault.Conflict}, Handle: s.removeDemo,
		},
	}
}

func (s *service) startDemo(r *request) (reply, error) {
	if err := s.mayDemo(r); err != nil {
		return reply{}, err
	}
	if err := s.recordDemo(r, audit.DemoAdded); err != nil {
		return reply{}, err
	}
	v, err := s.Demo.Start(r.Context())
	return reply{Status: http.StatusOK, Body: v}, err
}

func (s *service) removeDemo(r *request) (reply, error) {
	if err := s.mayDemo(r); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, s.Demo.Remove(r.Context(), func() error { return s.recordDemo(r, audit.DemoRemoved) })
}

// recordDemo comes before the change, which is made of many: what is changed names the
// server itself as who did it, and part of it stays when the rest fails.
func (s *service) recordDemo(r *request, what audit.Action) error {
	entry, err := s.record(r, change{Action: what})
	if err != nil {
		return err
	}
	_, err = s.Store.Audit.Append(r.Context(), *entry)
	return err
}

func (s *service) mayDemo(r *request) error {
	switch {
	case r.tenant() != access.DefaultTenant:
		return fault.New(fault.ForbiddenScope, "the demonstration is the default tenant's")
	case s.Demo == nil:
		return fault.New(fault.NotFound, "this server has no demonstration")
	}
	return nil
}

// restored remembers, for each tenant, how many jobs the queue had when it was first
// asked after the start.
type restored struct {
	mu sync.Mutex
	of map[string]int
}

func (s *service) overviewOf(r *request, out wire.Overview) (reply, error) {
	if r.principal.May(access.JobsRead) {
		n, err := s.restoredOf(r)
		if err != nil {
			return reply{}, err
		}
		out.Restored = &n
		out.Interrupted = &wire.Interrupted{}
		if s.Interrupted != nil {
			n := s.Interrupted(r.tenant())
			out.Interrupted = wire.InterruptedOf(n.Failed, n.Requeued, n.JobID, n.RunID).Between(n.Since, n.Until)
		}
	}
	if r.principal.May(access.ApprovalsRead) {
		n, err := s.Store.Views.PendingApprovals(r.Context(), r.tenant())
		if err != nil {
			return reply{}, err
		}
		out.PendingApprovals = &n
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) restoredOf(r *request) (int, error) {
	s.restored.mu.Lock()
	defer s.restored.mu.Unlock()
	if n, ok := s.restored.of[r.tenant()]; ok {
		return n, nil
	}
	n, err := s.Store.Views.QueuedBefore(r.Context(), r.tenant(), s.started, overviewCap)
	if err == nil {
		s.restored.of[r.tenant()] = n
	}
	return n, err
}

// hot are the settings that an operation changes while the server runs.
var hot = map[string]string{"workers": "PATCH /api/workers"} // read-only

func (s *service) getConfig(r *request) (reply, error) {
	if r.tenant() != access.DefaultTenant {
		return reply{}, fault.New(fault.ForbiddenScope, "the configuration is the default tenant's business")
	}
	if s.Config == nil {
		return reply{}, fault.New(fault.NotFound, "this server does not show its configuration")
	}
	out := wire.ConfigList{Items: []wire.ConfigSetting{}}
	for _, x := range s.Config() {
		x.Change = filled(hot[x.Key])
		x.Hot = x.Change != nil
		out.Items = append(out.Items, x)
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) getStorage(r *request) (reply, error) {
	survey, err := s.Store.Health.Survey(r.Context())
	if err != nil {
		return reply{}, err
	}
	engine, err := s.Store.Health.Version(r.Context())
	if err != nil {
		return reply{}, err
	}
	u, err := s.usage(r)
	return reply{Status: http.StatusOK, Body: wire.Storage{
		DatabaseBytes: survey.DatabaseBytes, LogBytes: survey.LogBytes, Engine: engine, Usage: u,
	}}, err
}
