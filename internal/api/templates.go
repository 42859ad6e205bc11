package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) templateRoutes() []operation {
	const list, one = "/api/job-templates", "/api/job-templates/{template_id}"
	input := []fault.Code{fault.NameTaken, fault.JobTypeUnknown, fault.JobTypeDisabled, fault.CommandNotAllowed, fault.NotFound, fault.DirectiveArchived}
	return []operation{
		{
			ID: "create_job_template", Method: http.MethodPost, Path: list, Scope: access.TemplatesWrite, Tag: "job-templates",
			Summary: "Create a template", Body: wire.JobTemplateInput{}, Matches: false, Faults: input,
			Answers: []answer{{Status: http.StatusCreated, Doc: "created", Body: wire.JobTemplate{}}},
			Handle:  s.createTemplate,
		},
		{
			ID: "list_job_templates", Method: http.MethodGet, Path: list, Scope: access.TemplatesRead, Tag: "job-templates",
			Summary: "List templates, by name",
			Query: pageParams(listParam("job_type", "only these job types"), textParam("q", "part of the name, any case"),
				labelParam(), flagParam("archived", "only archived, or only living, templates")),
			Faults:  []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.JobTemplateList{}}},
			Handle:  s.listTemplates,
		},
		{
			ID: "get_job_template", Method: http.MethodGet, Path: one, Scope: access.TemplatesRead, Tag: "job-templates",
			Summary: "Read a template by id or name", Matches: true,
			Answers: []answer{{Status: http.StatusOK, Doc: "the current version", Body: wire.JobTemplate{}}},
			Handle:  s.getTemplate,
		},
		{
			ID: "patch_job_template", Method: http.MethodPatch, Path: one, Scope: access.TemplatesWrite, Tag: "job-templates",
			Summary: "Change a template", Doc: "A JSON merge patch (RFC 7396). It makes a new version, which reaches later jobs only.",
			Body: wire.JobTemplateInput{}, Patch: true, Matches: true, Faults: input,
			Answers: []answer{{Status: http.StatusOK, Doc: "the new version", Body: wire.JobTemplate{}}},
			Handle:  s.patchTemplate,
		},
		{
			ID: "delete_job_template", Method: http.MethodDelete, Path: one, Scope: access.TemplatesWrite, Tag: "job-templates",
			Summary: "Delete a template", Doc: "Jobs and runs that were made from it stay.", Matches: true,
			Answers: []answer{{Status: http.StatusNoContent, Doc: "deleted"}},
			Handle:  s.deleteTemplate,
		},
	}
}

func templateReply(status int, t job.Template) reply {
	out := reply{Status: status, ETag: etag(int64(t.Version)), Body: wire.TemplateOf(t)}
	if status == http.StatusCreated {
		out.Location = "/api/job-templates/" + t.ID
	}
	return out
}

func (s *service) createTemplate(r *request) (reply, error) {
	var in wire.JobTemplateInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if err := r.principal.RequireTemplate(in.Name); err != nil {
		return reply{}, err
	}
	now := s.Clock.Now().UTC().Truncate(time.Millisecond)
	t := job.Template{
		ID: id.New(id.Template, now), Tenant: r.tenant(), Version: 1,
		CreatedBy: r.principal.Name, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.fillTemplate(r, &t, in); err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.TemplateCreate, Object: t.ID, Name: t.Name, After: wire.TemplateOf(t)})
	if err != nil {
		return reply{}, err
	}
	render := func(t job.Template) reply { return templateReply(http.StatusCreated, t) }
	made, err := s.Store.Templates.Create(r.Context(), store.PutTemplate{Template: t, Key: keyed(r, render), Audit: entry})
	if err != nil {
		return reply{}, err
	}
	return render(made), nil
}

// fillTemplate checks the input beyond its schema and writes it into t.
func (s *service) fillTemplate(r *request, t *job.Template, in wire.JobTemplateInput) error {
	if looksLikeID(in.Name) {
		return fault.New(fault.InvalidInput, "a template's name must not look like an id").At("/name", "format", "must not look like an id")
	}
	kind, err := s.Tasks.Find(in.JobType)
	if err != nil {
		return fault.From(err).At("/job_type", "unknown_value", "is not a job type of this server")
	}
	if err := mayCite(r.principal, kind, in.Params, "/params"); err != nil {
		return err
	}
	retry, err := retryOf(in.RetryPolicy)
	if err != nil {
		return err
	}
	if t.DirectiveID, err = s.templateDirective(r, kind, in.DirectiveID, t.DirectiveID); err != nil {
		return err
	}
	if err := firstOf(checkLocks(in.Locks), checkLabels(in.Labels), checkTimeout(in.Timeout)); err != nil {
		return err
	}
	t.Name, t.Description, t.Type = in.Name, in.Description, in.JobType
	t.Params, t.ParamsSchema = in.Params, in.ParamsSchema
	t.Retry, t.Timeout, t.Priority = retry, in.Timeout.Or(0), job.PriorityNormal
	if in.Priority != nil {
		t.Priority = *in.Priority
	}
	if len(t.Params) == 0 {
		t.Params = []byte("{}")
	}
	t.Locks, t.Labels, t.Archived = union(in.Locks), in.Labels, in.Archived
	if err := ruleTemplate(t, kind, in); err != nil {
		return err
	}
	if t.Webhook, err = s.jobWebhook(in.WebhookURL, in.WebhookEvents, job.Webhook{}); err != nil {
		return err
	}
	return s.checkTemplateParams(kind, t)
}

func (s *service) listTemplates(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListTemplates{
		Tenant: r.tenant(), Types: r.query["job_type"], Labels: r.query.labels(), Text: r.query.text("q"), Limit: r.query.limit(),
	}
	if _, given := r.query["archived"]; given {
		b := r.query.flag("archived")
		p.Archived = &b
	}
	if c != nil {
		p.AfterName = c.Name
	}
	page, err := s.Store.Templates.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.JobTemplateList{Items: []wire.JobTemplate{}}
	for _, t := range page.Templates {
		out.Items = append(out.Items, wire.TemplateOf(t))
		out.NextCursor = r.next(page.More, cursor{Name: t.Name})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// template finds the template that the path names by id or by name.
func (s *service) template(r *request) (job.Template, error) {
	return s.templateNamed(r, "template_id", r.PathValue("template_id"))
}

// templateNamed finds the template that a part of the path names.
func (s *service) templateNamed(r *request, part, ref string) (job.Template, error) {
	if err := checkTemplateRef(ref); err != nil {
		return job.Template{}, fault.From(err).At("path/"+part, string(fault.WrongIDType), fault.From(err).Detail)
	}
	if !utf8.ValidString(ref) || strings.ContainsRune(ref, 0) {
		// No name is like this, and PostgreSQL would refuse the text itself.
		return job.Template{}, fault.Newf(fault.NotFound, "no template %q", clip(ref)).At("path/"+part, "encoding", "must be UTF-8 without NUL")
	}
	return s.Store.Templates.Template(r.Context(), r.tenant(), ref)
}

func (s *service) getTemplate(r *request) (reply, error) {
	t, err := s.template(r)
	if err != nil {
		return reply{}, err
	}
	return templateReply(http.StatusOK, t), nil
}

func (s *service) patchTemplate(r *request) (reply, error) {
	return again(func() (reply, error) {
		t, err := s.template(r)
		if err != nil {
			return reply{}, err
		}
		if err := r.match(etag(int64(t.Version)), wire.TemplateOf(t)); err != nil {
			return reply{}, err
		}
		in, err := patched(s, r, wire.TemplateInputOf(t))
		if err != nil {
			return reply{}, err
		}
		oneCrashPolicy(r.body, &in)
		// Neither may a token change what is not its own, nor make it its own.
		if err := firstOf(r.principal.RequireTemplate(t.Name), r.principal.RequireTemplate(in.Name)); err != nil {
			return reply{}, err
		}
		n := t
		if err := s.fillTemplate(r, &n, in); err != nil {
			return reply{}, err
		}
		if same(wire.TemplateInputOf(t), wire.TemplateInputOf(n)) {
			return templateReply(http.StatusOK, t), nil
		}
		n.Version++
		n.UpdatedAt = s.Clock.Now().UTC().Truncate(time.Millisecond)
		entry, err := s.record(r, change{
			Action: audit.TemplateUpdate, Object: t.ID, Name: n.Name, Before: wire.TemplateOf(t), After: wire.TemplateOf(n),
			Detail: map[string]string{"version": itoa(n.Version)},
		})
		if err != nil {
			return reply{}, err
		}
		n, err = s.Store.Templates.Update(r.Context(), store.PutTemplate{Template: n, Audit: entry})
		if err != nil {
			return reply{}, err
		}
		return templateReply(http.StatusOK, n), nil
	})
}

func (s *service) deleteTemplate(r *request) (reply, error) {
	t, err := s.template(r)
	if err != nil {
		return reply{}, err
	}
	if err := r.principal.RequireTemplate(t.Name); err != nil {
		return reply{}, err
	}
	if err := r.match(etag(int64(t.Version)), wire.TemplateOf(t)); err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.TemplateDelete, Object: t.ID, Name: t.Name, Before: wire.TemplateOf(t)})
	if err != nil {
		return reply{}, err
	}
	if err := s.Store.Templates.Delete(r.Context(), store.DeleteTemplate{
		Tenant: r.tenant(), ID: t.ID, At: s.Clock.Now(), Audit: entry,
	}); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, nil
}

// patched applies the request's merge patch to an input document and checks
// the result against the schema.
func patched[T any](s *service, r *request, current T) (T, error) {
	var zero T
	base, err := json.Marshal(current)
	if err != nil {
		return zero, err
	}
	patch, err := strict.Parse(r.body)
	if err != nil {
		return zero, err
	}
	doc, err := strict.Parse(base)
	if err != nil {
		return zero, err
	}
	if err := s.schemas.keysOf(r.op.Body, patch); err != nil {
		return zero, err
	}
	merged := mergePatch(doc, patch)
	if err := s.schemas.check(r.op.Body, merged); err != nil {
		return zero, err
	}
	b, err := json.Marshal(merged)
	if err != nil {
		return zero, err
	}
	if len(b) > MaxBody {
		return zero, fault.New(fault.BodyTooLarge, "the object would be too large after the change")
	}
	return zero, strict.Decode(b, &zero)
}

// same compares two inputs by their meaning.
func same(a, b any) bool {
	x, errX := canonical(a)
	y, errY := canonical(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func canonical(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	doc, err := strict.Parse(b)
	if err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}
