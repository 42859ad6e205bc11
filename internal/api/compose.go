package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// This file makes a job from an input and a template, and holds the checks
// that a schema cannot express.

// compose resolves everything a job needs: what the template says, over it what
// the input says, over both what the job type derives.
func (s *service) compose(r *request, in wire.JobInput) (job.Job, error) {
	t, err := s.recipe(r, in)
	if err != nil {
		return job.Job{}, err
	}
	return s.composeFrom(r, in, t)
}

// composeFrom is compose with the recipe read.
func (s *service) composeFrom(r *request, in wire.JobInput, t job.Template) (job.Job, error) {
	kind, err := s.Tasks.Find(t.Type)
	if err != nil {
		return job.Job{}, fault.From(err).At("/job_type", "unknown_value", "is not a job type of this server")
	}
	if err := firstOf(checkLocks(in.Locks), checkLabels(in.Labels), checkTimeout(in.Timeout)); err != nil {
		return job.Job{}, err
	}
	j := job.Job{
		Tenant: r.tenant(), State: job.Queued, Version: 1, Name: in.Name, Type: t.Type, TemplateID: t.ID, TemplateVersion: t.Version,
		Retry: t.Retry, Timeout: in.Timeout.Or(t.Timeout), Labels: mergeLabels(t.Labels, in.Labels),
		Trigger: job.TriggerAPI, CreatedBy: r.principal.Name, Priority: t.Priority,
	}
	if j.Name == "" {
		j.Name = t.Name
	}
	if in.Trigger != "" {
		j.Trigger = job.Trigger(in.Trigger)
	}
	if in.Priority != nil {
		j.Priority = *in.Priority
	}
	if in.RetryPolicy != nil {
		if j.Retry, err = retryOf(in.RetryPolicy); err != nil {
			return job.Job{}, err
		}
	}
	if j.Webhook, err = s.jobWebhook(in.WebhookURL, in.WebhookEvents, t.Webhook); err != nil {
		return job.Job{}, err
	}
	if in.RunAt != nil {
		j.NotBefore = in.RunAt.UTC()
	}
	if in.Hold {
		j = job.AddHeld(j, r.principal.Name)
	}
	if err := mayOverride(r.principal, kind, t, in); err != nil {
		return job.Job{}, err
	}
	if j.Params, j.Directive, err = s.guided(r, kind, t, in); err != nil {
		return job.Job{}, err
	}
	if pinned, is := kind.(task.Pinned); is {
		pin, err := pinned.Pin(r.Context(), r.tenant(), j.Params)
		if err != nil {
			return job.Job{}, within(err, "/params")
		}
		if j.Params = pin.Params; j.Name == j.Type {
			j.Name = pin.Name
		}
	}
	j.Locks = union(t.Locks, in.Locks, kind.Locks(j.Params))
	return s.ruled(r, j, in, t)
}

// mayOverride refuses params by which somebody who may only start templates would
// run code of his own: writing code is an author's right. A property in the
// template's params_schema is the author's consent.
func mayOverride(p access.Principal, kind task.Task, t job.Template, in wire.JobInput) error {
	if err := mayCite(p, kind, in.Params, "/params"); err != nil {
		return err
	}
	special, ok := kind.(task.Privileged)
	if !ok || len(in.Params) == 0 || p.May(access.TemplatesWrite) {
		return nil
	}
	given, declared := map[string]json.RawMessage{}, struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}{}
	if err := json.Unmarshal(in.Params, &given); err != nil {
		return fault.Wrap(err, fault.InvalidInput, "params must be an object").At("/params", "wrong_type", "must be an object")
	}
	if len(t.ParamsSchema) > 0 {
		if err := json.Unmarshal(t.ParamsSchema, &declared); err != nil {
			return fmt.Errorf("read params_schema of %s: %w", t.ID, err)
		}
	}
	for _, name := range special.Privileged() {
		_, set := given[name]
		if _, consent := declared.Properties[name]; set && !consent {
			return fault.From(p.Require(access.TemplatesWrite)).
				At("/params/"+name, "forbidden", "decides what runs or where data goes, and has no property in the template's params_schema")
		}
	}
	return nil
}

// recipe is the template of a job; an inline job gets an empty one.
func (s *service) recipe(r *request, in wire.JobInput) (job.Template, error) {
	if (in.TemplateID == "") == (in.JobType == "") {
		return job.Template{}, fault.New(fault.InvalidInput, "a job needs either template_id or job_type").
			At("/template_id", "one_of", "give either this or job_type").At("/job_type", "one_of", "give either this or template_id")
	}
	if in.TemplateID == "" {
		// Who names the program to run needs the right to execute code.
		if err := r.principal.Require(access.TemplatesWrite); err != nil {
			return job.Template{}, fault.From(err).WithHint("without that scope, start a job from a template")
		}
		if err := r.principal.RequireTemplate(""); err != nil {
			return job.Template{}, err
		}
		return job.Template{Name: in.JobType, Type: in.JobType, Params: []byte("{}"), Priority: job.PriorityNormal}, nil
	}
	if err := checkTemplateRef(in.TemplateID); err != nil {
		return job.Template{}, fault.From(err).At("/template_id", string(fault.WrongIDType), fault.From(err).Detail)
	}
	t, err := s.Store.Templates.Template(r.Context(), r.tenant(), in.TemplateID)
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			err = fault.From(err).At("/template_id", "not_found", "there is no such template").WithHint("GET /api/job-templates, or runsheet template ls, lists what there is")
		}
		return t, err
	}
	if err := r.principal.RequireTemplate(t.Name); err != nil {
		return t, err
	}
	if t.Archived {
		return t, fault.Newf(fault.TemplateArchived, "template %s is archived", t.Name).At("/template_id", "archived", "is archived")
	}
	return t, nil
}

// guided makes the params of a job and binds it to the directive that it names.
func (s *service) guided(r *request, kind task.Task, t job.Template, in wire.JobInput) ([]byte, run.Directive, error) {
	merged, err := s.params(kind, t, in.Params)
	if err != nil {
		return nil, run.Directive{}, err
	}
	d, err := s.underDirective(r, kind, t, in.DirectiveID)
	if err != nil {
		return nil, run.Directive{}, err
	}
	params, err := s.checked(r, kind, merged, d)
	return params, bound(d), err
}

// checked completes params by the directive and lets the job type look at them.
func (s *service) checked(r *request, kind task.Task, params []byte, d directive.Directive) ([]byte, error) {
	params, err := guide(kind, params, d, "/params")
	if err != nil {
		return nil, s.refused(r, err, kind.Type(), bound(d), false)
	}
	return params, within(kind.Check(params), "/params")
}

// params merges the input over the template's params and checks the result
// against the schemas of the job type and of the template.
func (s *service) params(kind task.Task, t job.Template, over []byte) ([]byte, error) {
	doc, err := object(t.Params)
	if err != nil {
		return nil, err
	}
	if len(over) > 0 {
		patch, err := object(over)
		if err != nil {
			return nil, err
		}
		doc = mergePatch(doc, patch)
	}
	if err := s.schemas.params[kind.Type()].Check(doc, "/params"); err != nil {
		return nil, err
	}
	if len(t.ParamsSchema) > 0 {
		sch, err := paramsSchema(t.ParamsSchema)
		if err != nil {
			return nil, err
		}
		if err := sch.Check(doc, "/params"); err != nil {
			return nil, err
		}
	}
	b, err := marshal(doc)
	if err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b), nil
}

// checkTemplateParams checks a template's defaults, in which fields that a job
// gives later may be missing.
func (s *service) checkTemplateParams(kind task.Task, t *job.Template) error {
	doc, err := object(t.Params)
	if err != nil {
		return err
	}
	if err := s.schemas.params[kind.Type()].CheckPartial(doc, "/params"); err != nil {
		return err
	}
	if len(t.ParamsSchema) > 0 {
		sch, err := paramsSchema(t.ParamsSchema)
		if err != nil {
			return err
		}
		if err := sch.CheckPartial(doc, "/params"); err != nil {
			return err
		}
	}
	return within(kind.Check(json.RawMessage(t.Params)), "/params")
}

func paramsSchema(b []byte) (*strict.Schema, error) {
	doc, err := object(b)
	if err != nil {
		return nil, err
	}
	sch, err := strict.Compile(doc, "", nil)
	if err == nil {
		err = sch.Bounded()
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidInput, "params_schema is not a JSON Schema (2020-12) without outside references").
			At("/params_schema", "schema", clip(err.Error()))
	}
	return sch, nil
}

func object(b []byte) (any, error) {
	if len(b) == 0 {
		return map[string]any{}, nil
	}
	return strict.Parse(b)
}

// mergePatch applies RFC 7396. It may reuse parts of both documents.
func mergePatch(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for k, v := range p {
		if v == nil {
			delete(t, k)
			continue
		}
		t[k] = mergePatch(t[k], v)
	}
	return t
}

// within puts prefix before the pointers of a fault.
func within(err error, prefix string) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	n := *f
	n.Fields = slices.Clone(f.Fields)
	for i := range n.Fields {
		n.Fields[i].Pointer = prefix + n.Fields[i].Pointer
	}
	return &n
}

func retryOf(in *wire.RetryPolicyInput) (job.Retry, error) {
	r := in.Domain()
	return r, within(r.Validate(), "/retry_policy")
}

func checkTimeout(d *wire.Duration) error {
	if d != nil && *d < 1e6 {
		return fault.New(fault.InvalidInput, "timeout must be longer than a millisecond").At("/timeout", "out_of_range", "must be at least PT0.001S")
	}
	return nil
}

var (
	lockName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$`)
	labelKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$`)
)

func checkLocks(locks []string) error {
	for i, l := range locks {
		if !lockName.MatchString(l) {
			return fault.Newf(fault.InvalidInput, "%q is not a lock's name", clip(l)).
				At("/locks/"+itoa(i), "pattern", "letters, digits and . _ : / -, at most 128, beginning with a letter or digit")
		}
	}
	return nil
}

// Bounds of labels.
const (
	maxLabels     = 32
	maxLabelValue = 256
)

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return fault.Newf(fault.InvalidInput, "at most %d labels", maxLabels).At("/labels", "too_long", "too many labels")
	}
	for _, k := range sortedKeys(labels) {
		at := "/labels/" + strict.Escape(k)
		if !labelKey.MatchString(k) {
			return fault.Newf(fault.InvalidInput, "%q is not a label's key", clip(k)).
				At(at, "pattern", "letters, digits and . _ / -, at most 63, beginning with a letter or digit")
		}
		if v := labels[k]; len(v) > maxLabelValue || strings.ContainsFunc(v, unicode.IsControl) {
			return fault.Newf(fault.InvalidInput, "the value of label %s cannot be used", k).
				At(at, "format", "at most 256 bytes without control characters")
		}
	}
	return nil
}

func mergeLabels(under, over map[string]string) map[string]string {
	if len(under)+len(over) == 0 {
		return nil
	}
	out := map[string]string{}
	maps.Copy(out, under)
	maps.Copy(out, over)
	return out
}

func union(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}

var anyID = regexp.MustCompile(`^[a-z]{2,8}_[0-9a-hjkmnp-tv-z]{26}$`)

// looksLikeID reports whether a name could be taken for an id.
func looksLikeID(s string) bool { return strings.HasPrefix(s, "tmpl_") || anyID.MatchString(s) }

// checkTemplateRef accepts a template's id or name, and refuses ids of other
// kinds.
func checkTemplateRef(ref string) error {
	if looksLikeID(ref) {
		return id.Check(id.Template, ref)
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
