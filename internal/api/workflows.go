package api

import (
	"net/http"
	"regexp"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow/schema"
)

// documents are the content types of files with definitions. JSON is among them
// because places are told by line and column, for which the text is needed.
var documents = []string{"application/json", "application/yaml", "text/yaml"} // read-only

func (s *service) workflowRoutes() []operation {
	const list, one = "/api/workflows", "/api/workflows/{workflow_id}"
	file := textParam("file", "name of the file, for messages")
	invalid := []fault.Code{fault.WorkflowInvalid, fault.MalformedBody}
	return []operation{
		{
			ID: "apply_workflow", Method: http.MethodPost, Path: list, Scope: access.WorkflowsWrite, Tag: "workflows",
			Summary: "Apply a file with workflows",
			Doc: "The body is the file, JSON or YAML, 256 KiB at most. A workflow whose content equals the newest version makes no new one. " +
				"A file may also have documents of the kinds JobTemplate and Schedule, which need the scopes of these; with them all is checked first, " +
				"and then applied one by one: templates, workflows, schedules. Repeating it is harmless. An Idempotency-Key is kept for files with one workflow alone.",
			Body: wire.WorkflowDocument{}, Media: documents, Matches: true, Faults: append(append(legacyMade(), invalid...), fault.NameTaken, fault.CronInvalid, fault.TriggerInvalid, fault.ZoneUnknown),
			Query: []param{
				{Name: "activate", Doc: "use the new version from now on; true if absent, false makes a draft", Schema: flagParam("", "").Schema},
				textParam("message", "what was changed, for the list of versions"), file,
			},
			Answers: []answer{
				{Status: http.StatusOK, Doc: "nothing was new, or only a draft was activated", Body: wire.Applied{}},
				{Status: http.StatusCreated, Doc: "there is a new version, template or schedule", Body: wire.Applied{}},
			},
			Handle: s.applyWorkflow,
		},
		{
			ID: "validate_workflow", Method: http.MethodPost, Path: list + "/validate", Scope: access.WorkflowsRead, Tag: "workflows", Pure: true,
			Summary: "Check a file with workflows", Body: wire.WorkflowDocument{}, Media: documents, Query: []param{file},
			Answers: []answer{{Status: http.StatusOK, Doc: "what is wrong with it", Body: wire.WorkflowValidation{}}}, Handle: s.validateWorkflow,
		},
		{
			ID: "plan_workflow", Method: http.MethodPost, Path: list + "/plan", Scope: access.WorkflowsRead, Tag: "workflows", Pure: true,
			Summary: "Tell what workflows will do", Body: wire.WorkflowDocument{}, Media: documents, Query: []param{file}, Faults: invalid,
			Answers: []answer{{Status: http.StatusOK, Doc: "a plan for each workflow of the file", Body: wire.WorkflowPlans{}}}, Handle: s.planWorkflow,
		},
		{
			ID: "list_workflows", Method: http.MethodGet, Path: list, Scope: access.WorkflowsRead, Tag: "workflows", Summary: "List workflows, by id",
			Query:   pageParams(textParam("q", "part of the id or name, any case"), labelParam(), flagParam("archived", "only archived ones"), includeParam("results", "next", "approvals")),
			Faults:  []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.WorkflowList{}}}, Handle: s.listWorkflows,
		},
		{
			ID: "get_workflow", Method: http.MethodGet, Path: one, Scope: access.WorkflowsRead, Tag: "workflows", Summary: "Read a workflow", Matches: true,
			Answers: []answer{{Status: http.StatusOK, Doc: "the workflow, with the definition of its active or else newest version", Body: wire.Workflow{}}}, Handle: s.getWorkflow,
		},
		{
			ID: "delete_workflow", Method: http.MethodDelete, Path: one, Scope: access.WorkflowsWrite, Tag: "workflows", Summary: "Archive a workflow", Matches: true,
			Doc:     "No new run begins, and lists leave it out. Its versions, log and runs stay; applying a document of the id brings it back. It is refused while a schedule starts it.",
			Faults:  []fault.Code{fault.WorkflowInUse},
			Answers: []answer{{Status: http.StatusNoContent, Doc: "archived"}}, Handle: s.deleteWorkflow,
		},
	}
}

func (s *service) workflowVersionRoutes() []operation {
	const one = "/api/workflows/{workflow_id}"
	return append(s.workflowTagRoutes(one), []operation{
		{
			ID: "list_workflow_versions", Method: http.MethodGet, Path: one + "/versions", Scope: access.WorkflowsRead, Tag: "workflows",
			Summary: "List the versions of a workflow, newest first", Query: pageParams(includeParam("results")), Faults: []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.WorkflowVersionList{}}}, Handle: s.listWorkflowVersions,
		},
		{
			ID: "get_workflow_version", Method: http.MethodGet, Path: one + "/versions/{version}", Scope: access.WorkflowsRead, Tag: "workflows",
			Summary: "Read one version", Doc: "By its number, or by a tag. A version never changes, but for its tags.", Faults: []fault.Code{fault.InvalidParameter, fault.VersionNotFound},
			Answers: []answer{{Status: http.StatusOK, Doc: "the version", Body: wire.WorkflowVersion{}}}, Handle: s.getWorkflowVersion,
		},
		{
			ID: "list_workflow_activations", Method: http.MethodGet, Path: one + "/activations", Scope: access.WorkflowsRead, Tag: "workflows",
			Summary: "List which version was used when, latest first", Query: pageParams(), Faults: []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.WorkflowActivationList{}}}, Handle: s.listWorkflowActivations,
		},
		{
			ID: "diff_workflow", Method: http.MethodGet, Path: one + "/diff", Scope: access.WorkflowsRead, Tag: "workflows", Summary: "Compare two versions",
			Query:   []param{textParam("from", "a version's number or tag; the active one if absent"), textParam("to", "a version's number or tag; the newest if absent")},
			Faults:  []fault.Code{fault.VersionNotFound},
			Answers: []answer{{Status: http.StatusOK, Doc: "what differs", Body: wire.WorkflowDiff{}}}, Handle: s.diffWorkflow,
		},
		{
			ID: "activate_workflow", Method: http.MethodPost, Path: one + "/activate", Scope: access.WorkflowsWrite, Tag: "workflows",
			Summary: "Use another version", Doc: "For runs that begin from now on, and, as running says, for others.",
			Body: wire.WorkflowMoveInput{}, Matches: true, Faults: []fault.Code{fault.VersionNotFound, fault.WorkflowArchived, fault.RunningNotPossible},
			Answers: []answer{{Status: http.StatusOK, Doc: "done", Body: wire.WorkflowMoved{}}}, Handle: s.activateWorkflow,
		},
		{
			ID: "rollback_workflow", Method: http.MethodPost, Path: one + "/rollback", Scope: access.WorkflowRollback, Tag: "workflows",
			Summary: "Go back to another version", Doc: "The same as activate, with a right of its own, and noted as a rollback. Nothing of the log is rewritten. A version that is newer than the active one is refused: activate it.",
			Body: wire.WorkflowMoveInput{}, Matches: true, Faults: []fault.Code{fault.VersionNotFound, fault.WorkflowArchived, fault.RunningNotPossible, fault.Conflict},
			Answers: []answer{{Status: http.StatusOK, Doc: "done", Body: wire.WorkflowRolledBack{}}}, Handle: s.rollbackWorkflow,
		},
		{
			ID: "get_workflow_schema", Method: http.MethodGet, Path: "/api/schemas/workflow.json", Scope: access.WorkflowsRead, Tag: "workflows",
			Summary: "Read the JSON Schema of documents", Doc: "For editors. runsheet workflow schema prints the same without a server.",
			Answers: []answer{{Status: http.StatusOK, Doc: "JSON Schema (2020-12)", Media: []string{"application/json"}}},
			Stream: func(w http.ResponseWriter, r *request) error {
				w.Header().Set("Content-Type", "application/schema+json")
				if r.Method != http.MethodHead {
					_, _ = w.Write(schema.JSON(s.kinds)) // the client is gone: nobody is left to tell
				}
				return nil
			},
		},
	}...)
}

var workflowID = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

// workflow finds the workflow that the path names.
func (s *service) workflow(r *request) (store.Workflow, error) {
	ref := r.PathValue("workflow_id")
	if !workflowID.MatchString(ref) {
		if !utf8.ValidString(ref) {
			ref = "that"
		}
		return store.Workflow{}, fault.Newf(fault.NotFound, "no workflow %q", clip(ref)).
			At("path/workflow_id", "pattern", "a workflow_id is 1 to 64 of a-z, 0-9, _ and -")
	}
	return s.Store.Workflows.Workflow(r.Context(), r.tenant(), ref)
}

func (s *service) listWorkflows(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListWorkflows{Tenant: r.tenant(), Text: r.query.text("q"), Labels: r.query.labels(), Limit: r.query.limit()}
	if _, given := r.query["archived"]; given {
		b := r.query.flag("archived")
		p.Archived = &b
	}
	if c != nil {
		p.AfterID = c.Name
	}
	page, err := s.Store.Workflows.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.WorkflowList{Items: []wire.Workflow{}}
	for _, w := range page.Workflows {
		out.Items = append(out.Items, wire.WorkflowOf(w))
		out.NextCursor = r.next(page.More, cursor{Name: w.ID})
	}
	return reply{Status: http.StatusOK, Body: out}, s.includeWorkflows(r, out.Items)
}

func (s *service) getWorkflow(r *request) (reply, error) {
	w, err := s.workflow(r)
	if err != nil {
		return reply{}, err
	}
	n := w.Active
	if n == 0 {
		n = w.Newest
	}
	v, err := s.Store.Workflows.Version(r.Context(), w.Tenant, w.ID, n)
	if err != nil {
		return reply{}, err
	}
	out := wire.WorkflowOf(w)
	out.Definition = wire.Object(v.Definition)
	return reply{Status: http.StatusOK, ETag: etag(w.Revision), Body: out}, nil
}

func (s *service) deleteWorkflow(r *request) (reply, error) {
	w, err := s.workflow(r)
	if err != nil {
		return reply{}, err
	}
	if err := r.match(etag(w.Revision), wire.WorkflowOf(w)); err != nil {
		return reply{}, err
	}
	by, err := s.schedulesOf(r, w.ID)
	if err != nil {
		return reply{}, err
	}
	if len(by) > 0 {
		f := fault.Newf(fault.WorkflowInUse, "the schedule %s starts workflow %s", by[0].Name, w.ID)
		for _, x := range by[:min(len(by), 10)] {
			f = f.At("path/workflow_id", "in_use", "schedule "+x.Name+" ("+x.ScheduleID+") starts it")
		}
		return reply{}, f
	}
	entry, err := s.record(r, change{Action: audit.WorkflowDeleted, Object: w.ID, Name: w.Name, Before: wire.WorkflowOf(w)})
	if err != nil {
		return reply{}, err
	}
	p := store.ArchiveWorkflow{Tenant: w.Tenant, ID: w.ID, At: s.now(), Audit: entry}
	if r.ifMatch != nil {
		p.IfRevision = w.Revision
	}
	if _, err := s.Store.Workflows.Archive(r.Context(), p); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, nil
}

// below is where a page of numbered things of a workflow goes on, 0 = at the top.
func below(c *cursor, w store.Workflow) (int, error) {
	if c == nil {
		return 0, nil
	}
	if c.ID != w.ID || c.Seq < 1 || c.Seq > maxVersion {
		return 0, fault.New(fault.CursorInvalid, "the cursor belongs to another workflow").At("query/cursor", "invalid", "is not a next_cursor of this list")
	}
	return int(c.Seq), nil
}

func (s *service) listWorkflowVersions(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	w, err := s.workflow(r)
	if err != nil {
		return reply{}, err
	}
	from, err := below(c, w)
	if err != nil {
		return reply{}, err
	}
	page, err := s.Store.Workflows.Versions(r.Context(), store.ListWorkflowVersions{Tenant: w.Tenant, ID: w.ID, Below: from, Limit: r.query.limit()})
	if err != nil {
		return reply{}, err
	}
	out := wire.WorkflowVersionList{Items: []wire.WorkflowVersion{}}
	for _, v := range page.Versions {
		out.Items = append(out.Items, wire.WorkflowVersionOf(v))
		out.NextCursor = r.next(page.More, cursor{ID: w.ID, Seq: int64(v.Version)})
	}
	if r.includes("results") {
		found, err := s.Store.Views.VersionResults(r.Context(), w.Tenant, w.ID, latestOfFlow)
		if err != nil {
			return reply{}, err
		}
		for i := range out.Items {
			out.Items[i].Results = wire.VersionResultsOf(found[out.Items[i].Version])
		}
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) getWorkflowVersion(r *request) (reply, error) {
	w, err := s.workflow(r)
	if err != nil {
		return reply{}, err
	}
	n, err := s.versionNamed(r, w.ID, r.PathValue("version"), "path/version")
	if err != nil {
		return reply{}, err
	}
	v, err := s.Store.Workflows.Version(r.Context(), w.Tenant, w.ID, n)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: wire.WorkflowVersionOf(v)}, nil
}

func (s *service) listWorkflowActivations(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	w, err := s.workflow(r)
	if err != nil {
		return reply{}, err
	}
	from, err := below(c, w)
	if err != nil {
		return reply{}, err
	}
	page, err := s.Store.Workflows.Activations(r.Context(), store.ListActivations{Tenant: w.Tenant, ID: w.ID, Below: from, Limit: r.query.limit()})
	if err != nil {
		return reply{}, err
	}
	out := wire.WorkflowActivationList{Items: []wire.WorkflowActivation{}}
	for _, a := range page.Activations {
		out.Items = append(out.Items, wire.WorkflowActivationOf(a))
		out.NextCursor = r.next(page.More, cursor{ID: w.ID, Seq: int64(a.Seq)})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}
