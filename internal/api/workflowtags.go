package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// This file keeps the tags of versions of workflows, and finds the versions that
// people name by a number or by a tag.

func (s *service) workflowTagRoutes(one string) []operation {
	path := one + "/tags/{tag}"
	return []operation{
		{
			ID: "tag_workflow", Method: http.MethodPut, Path: path, Scope: access.WorkflowsWrite, Tag: "workflows", Summary: "Give a version a tag",
			Doc: "A tag names one version; a version may have several. A tag that names another version moves to this one. " +
				"Its name is 1 to 64 of a-z, 0-9, ., _ and -, and does not look like a number.",
			Body: wire.WorkflowTagInput{}, Matches: true, Faults: []fault.Code{fault.InvalidParameter, fault.VersionNotFound, fault.WorkflowArchived, fault.TooManyTags},
			Answers: []answer{{Status: http.StatusOK, Doc: "the tag names the version", Body: wire.WorkflowTag{}}}, Handle: s.tagWorkflow,
		},
		{
			ID: "untag_workflow", Method: http.MethodDelete, Path: path, Scope: access.WorkflowsWrite, Tag: "workflows", Summary: "Take a tag away",
			Doc: "The version stays as it is.", Matches: true, Faults: []fault.Code{fault.InvalidParameter},
			Answers: []answer{{Status: http.StatusNoContent, Doc: "there is no such tag any more"}}, Handle: s.untagWorkflow,
		},
	}
}

func (s *service) tagWorkflow(r *request) (reply, error) {
	var in wire.WorkflowTagInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	done, err := s.setTag(r, audit.WorkflowTagged, in.Version)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, ETag: etag(done.Workflow.Revision), Body: wire.WorkflowTag{
		WorkflowID: done.Workflow.ID, Tag: r.PathValue("tag"), Version: in.Version, PreviousVersion: previous(store.MovedWorkflow{From: done.From}),
	}}, nil
}

func (s *service) untagWorkflow(r *request) (reply, error) {
	_, err := s.setTag(r, audit.WorkflowUntagged, 0)
	return reply{Status: http.StatusNoContent}, err
}

// setTag lets the tag of the path name a version, or none: 0.
func (s *service) setTag(r *request, action audit.Action, version int) (store.TaggedWorkflow, error) {
	tag := r.PathValue("tag")
	if wrong := workflow.CheckTag(tag); wrong != "" {
		return store.TaggedWorkflow{}, fault.New(fault.InvalidParameter, wrong).At("path/tag", "pattern", wrong)
	}
	w, err := s.workflow(r)
	if err != nil {
		return store.TaggedWorkflow{}, err
	}
	if err := r.match(etag(w.Revision), wire.WorkflowOf(w)); err != nil {
		return store.TaggedWorkflow{}, err
	}
	detail := map[string]string{"tag": tag}
	if version > 0 {
		detail["version"] = itoa(version)
	}
	entry, err := s.record(r, change{Action: action, Object: w.ID, Name: w.Name, Detail: detail})
	if err != nil {
		return store.TaggedWorkflow{}, err
	}
	p := store.TagWorkflow{Tenant: w.Tenant, ID: w.ID, Tag: tag, Version: version, By: r.principal.Name, At: s.now(), Audit: entry}
	if r.ifMatch != nil {
		p.IfRevision = w.Revision
	}
	return s.Store.Workflows.Tag(r.Context(), p)
}

// versionOf is the version that a body names by its number or by a tag, 0 = by none.
func (s *service) versionOf(r *request, workflowID string, version int, tag string) (int, error) {
	switch {
	case tag == "":
		return version, nil
	case version != 0:
		return 0, fault.New(fault.InvalidInput, "a version and a tag cannot both be given").At("/tag", "not_allowed", "version is given")
	}
	return s.tagged(r, workflowID, tag, "/tag")
}

// versionNamed is the version that a text of the path or query names.
func (s *service) versionNamed(r *request, workflowID, text, at string) (int, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= maxVersion && !strings.HasPrefix(text, "+") {
		return n, nil
	}
	return s.tagged(r, workflowID, text, at)
}

func (s *service) tagged(r *request, workflowID, tag, at string) (int, error) {
	if workflow.CheckTag(tag) != "" {
		return 0, fault.New(fault.InvalidParameter, "a version is named by its number, from 1, or by a tag").At(at, "wrong_type", "must be a number from 1, or a tag")
	}
	n, err := s.Store.Workflows.Tagged(r.Context(), r.tenant(), workflowID, tag)
	if fault.Is(err, fault.VersionNotFound) {
		err = fault.From(err).At(at, "not_found", "there is no such tag")
	}
	return n, err
}
