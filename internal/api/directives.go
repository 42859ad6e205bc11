package api

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) directiveRoutes() []operation {
	const list, one = "/api/directives", "/api/directives/{directive_id}"
	shown := []answer{{Status: http.StatusOK, Doc: "the current version", Body: wire.Directive{}}}
	return []operation{
		{
			ID: "create_directive", Method: http.MethodPost, Path: list, Scope: access.DirectivesWrite, Tag: "directives",
			Summary: "Create a directive",
			Doc:     "The system prompt is stored, and shown to whoever may read directives.",
			Body:    wire.DirectiveInput{}, Faults: []fault.Code{fault.NameTaken},
			Answers: []answer{{Status: http.StatusCreated, Doc: "created", Body: wire.Directive{}}},
			Handle:  s.createDirective,
		},
		{
			ID: "list_directives", Method: http.MethodGet, Path: list, Scope: access.DirectivesRead, Tag: "directives",
			Summary: "List directives, by name",
			Query: pageParams(textParam("q", "part of the name, any case"),
				flagParam("archived", "only archived, or only living, directives")),
			Faults:  []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.DirectiveList{}}},
			Handle:  s.listDirectives,
		},
		{
			ID: "get_directive", Method: http.MethodGet, Path: one, Scope: access.DirectivesRead, Tag: "directives",
			Summary: "Read a directive by id or name", Matches: true, Answers: shown, Handle: s.getDirective,
		},
		{
			ID: "patch_directive", Method: http.MethodPatch, Path: one, Scope: access.DirectivesWrite, Tag: "directives",
			Summary: "Change a directive",
			Doc: "A JSON merge patch (RFC 7396). It makes a new version, which reaches later jobs only; jobs and runs that exist keep theirs. " +
				"archived is no part of a version: it holds at once, for jobs that have not begun, too.",
			Body: wire.DirectiveInput{}, Patch: true, Matches: true, Faults: []fault.Code{fault.NameTaken},
			Answers: []answer{{Status: http.StatusOK, Doc: "the new version", Body: wire.Directive{}}},
			Handle:  s.patchDirective,
		},
		{
			ID: "delete_directive", Method: http.MethodDelete, Path: one, Scope: access.DirectivesWrite, Tag: "directives",
			Summary: "Delete a directive", Doc: "Its name is free again. Versions that runs worked under stay readable by id. Jobs that are bound to it and have not begun fail.",
			Matches: true, Answers: []answer{{Status: http.StatusNoContent, Doc: "deleted"}}, Handle: s.deleteDirective,
		},
		{
			ID: "list_directive_versions", Method: http.MethodGet, Path: one + "/versions", Scope: access.DirectivesRead, Tag: "directives",
			Summary: "List the versions of a directive, newest first", Query: pageParams(), Faults: []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.DirectiveList{}}}, Handle: s.listDirectiveVersions,
		},
		{
			ID: "get_directive_version", Method: http.MethodGet, Path: one + "/versions/{version}", Scope: access.DirectivesRead, Tag: "directives",
			Summary: "Read one version", Doc: "A version never changes. By id, those of a deleted directive can be read, too.",
			Faults:  []fault.Code{fault.InvalidParameter},
			Answers: []answer{{Status: http.StatusOK, Doc: "the version", Body: wire.Directive{}}}, Handle: s.getDirectiveVersion,
		},
	}
}

func directiveReply(status int, d directive.Directive) reply {
	out := reply{Status: status, ETag: etag(int64(d.Version)), Body: wire.DirectiveOf(d)}
	if status == http.StatusCreated {
		out.Location = "/api/directives/" + d.ID
	}
	return out
}

func (s *service) createDirective(r *request) (reply, error) {
	var in wire.DirectiveInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	d := s.newDirective(r)
	if err := fillDirective(&d, in); err != nil {
		return reply{}, err
	}
	p, err := s.putDirective(r, d, nil)
	if err != nil {
		return reply{}, err
	}
	render := func(d directive.Directive) reply { return directiveReply(http.StatusCreated, d) }
	p.Key = keyed(r, render)
	made, err := s.Store.Directives.Create(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	return render(made), nil
}

// newDirective is an empty directive of the caller's.
func (s *service) newDirective(r *request) directive.Directive {
	now := s.now()
	return directive.Directive{
		ID: id.New(id.Directive, now), Tenant: r.tenant(), Version: 1, CreatedBy: r.principal.Name, CreatedAt: now, UpdatedAt: now,
	}
}

// putDirective is d with the audit entry of how it came to be; before is what it
// was, nil = it is new. The texts themselves are not in the entry, only a hash.
func (s *service) putDirective(r *request, d directive.Directive, before *directive.Directive) (store.PutDirective, error) {
	c := change{Action: audit.DirectiveCreate, Object: d.ID, Name: d.Name, After: wire.DirectiveOf(d)}
	if before != nil {
		c.Action, c.Before, c.Detail = audit.DirectiveUpdate, wire.DirectiveOf(*before), map[string]string{"version": itoa(d.Version)}
	}
	entry, err := s.record(r, c)
	return store.PutDirective{Directive: d, By: r.principal.Name, Audit: entry}, err
}

// fillDirective checks the input beyond its schema and writes it into d.
func fillDirective(d *directive.Directive, in wire.DirectiveInput) error {
	if looksLikeDirective(in.Name) {
		return fault.New(fault.InvalidInput, "a directive's name must not look like an id").At("/name", "format", "must not look like an id")
	}
	d.Name, d.Description, d.Content, d.Archived = in.Name, in.Description, in.Content(), in.Archived
	return d.Content.Validate()
}

// looksLikeDirective reports whether a name could be taken for an id.
func looksLikeDirective(s string) bool { return strings.HasPrefix(s, "dir_") || anyID.MatchString(s) }

// checkDirectiveRef accepts a directive's id or name, and refuses ids of other
// kinds.
func checkDirectiveRef(ref string) error {
	if looksLikeDirective(ref) {
		return id.Check(id.Directive, ref)
	}
	return nil
}

func (s *service) listDirectives(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListDirectives{Tenant: r.tenant(), Text: r.query.text("q"), Limit: r.query.limit()}
	if _, given := r.query["archived"]; given {
		b := r.query.flag("archived")
		p.Archived = &b
	}
	if c != nil {
		p.AfterName = c.Name
	}
	page, err := s.Store.Directives.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.DirectiveList{Items: []wire.Directive{}}
	for _, d := range page.Directives {
		out.Items = append(out.Items, wire.DirectiveOf(d))
		out.NextCursor = r.next(page.More, cursor{Name: d.Name})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// directiveRef is what the path names a directive by, an id or a name.
func directiveRef(r *request) (string, error) {
	ref := r.PathValue("directive_id")
	if err := checkDirectiveRef(ref); err != nil {
		return ref, fault.From(err).At("path/directive_id", string(fault.WrongIDType), fault.From(err).Detail)
	}
	if !utf8.ValidString(ref) || strings.ContainsRune(ref, 0) {
		// No name is like this, and PostgreSQL would refuse the text itself.
		return ref, fault.Newf(fault.NotFound, "no directive %q", clip(ref)).At("path/directive_id", "encoding", "must be UTF-8 without NUL")
	}
	return ref, nil
}

// directive finds the directive that the path names.
func (s *service) directive(r *request) (directive.Directive, error) {
	ref, err := directiveRef(r)
	if err != nil {
		return directive.Directive{}, err
	}
	return s.Store.Directives.Directive(r.Context(), r.tenant(), ref)
}

func (s *service) getDirective(r *request) (reply, error) {
	d, err := s.directive(r)
	if err != nil {
		return reply{}, err
	}
	return directiveReply(http.StatusOK, d), nil
}

func (s *service) patchDirective(r *request) (reply, error) {
	return again(func() (reply, error) {
		d, err := s.directive(r)
		if err != nil {
			return reply{}, err
		}
		if err := r.match(etag(int64(d.Version)), wire.DirectiveOf(d)); err != nil {
			return reply{}, err
		}
		in, err := patched(s, r, wire.DirectiveInputOf(d))
		if err != nil {
			return reply{}, err
		}
		n := d
		if err := fillDirective(&n, in); err != nil {
			return reply{}, err
		}
		if same(wire.DirectiveInputOf(d), wire.DirectiveInputOf(n)) {
			return directiveReply(http.StatusOK, d), nil
		}
		n.Version++
		n.UpdatedAt = s.now()
		p, err := s.putDirective(r, n, &d)
		if err != nil {
			return reply{}, err
		}
		if n, err = s.Store.Directives.Update(r.Context(), p); err != nil {
			return reply{}, err
		}
		return directiveReply(http.StatusOK, n), nil
	})
}

func (s *service) deleteDirective(r *request) (reply, error) {
	d, err := s.directive(r)
	if err != nil {
		return reply{}, err
	}
	if err := r.match(etag(int64(d.Version)), wire.DirectiveOf(d)); err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.DirectiveDelete, Object: d.ID, Name: d.Name, Before: wire.DirectiveOf(d)})
	if err != nil {
		return reply{}, err
	}
	if err := s.Store.Directives.Delete(r.Context(), store.DeleteDirective{
		Tenant: r.tenant(), ID: d.ID, At: s.Clock.Now(), Audit: entry,
	}); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, nil
}

// maxVersion is the greatest number that a version can have.
const maxVersion = 1<<31 - 1

func (s *service) listDirectiveVersions(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	d, err := s.directive(r)
	if err != nil {
		return reply{}, err
	}
	below := 0
	if c != nil {
		if c.ID != d.ID || c.Seq < 1 || c.Seq > maxVersion {
			return reply{}, fault.New(fault.CursorInvalid, "the cursor belongs to another directive").
				At("query/cursor", "invalid", "is not a next_cursor of this list")
		}
		below = int(c.Seq)
	}
	page, more, err := s.Store.Directives.Versions(r.Context(), r.tenant(), d.ID, below, r.query.limit())
	if err != nil {
		return reply{}, err
	}
	out := wire.DirectiveList{Items: []wire.Directive{}}
	for _, v := range page {
		out.Items = append(out.Items, wire.DirectiveOf(v))
		out.NextCursor = r.next(more, cursor{ID: d.ID, Seq: int64(v.Version)})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) getDirectiveVersion(r *request) (reply, error) {
	n, err := strconv.Atoi(r.PathValue("version"))
	if err != nil || n < 1 || n > maxVersion {
		return reply{}, fault.New(fault.InvalidParameter, "a version is a number from 1").At("path/version", "wrong_type", "must be a number from 1")
	}
	ref, err := directiveRef(r)
	if err != nil {
		return reply{}, err
	}
	if !looksLikeDirective(ref) {
		d, err := s.Store.Directives.Directive(r.Context(), r.tenant(), ref)
		if err != nil {
			return reply{}, err
		}
		ref = d.ID
	}
	d, err := s.Store.Directives.Version(r.Context(), r.tenant(), ref, n)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: wire.DirectiveOf(d)}, nil
}
