package api

import (
	"cmp"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/plan"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// maxDocuments bounds the documents of a file.
const maxDocuments = 50

// maxMessage bounds the message of a version, in characters.
const maxMessage = 1000

// file is what the body has.
type file struct {
	docs   []workflow.Document
	graphs []*workflow.Graph // by the index of docs; nil = no workflow, or not valid
	p      *workflow.Problems
}

// readFile reads and checks the body.
func (s *service) readFile(r *request) (file, error) {
	if len(r.body) > source.MaxSize {
		return file{}, fault.Newf(fault.BodyTooLarge, "a file with workflows may have at most %d bytes", source.MaxSize)
	}
	name := path.Base(strings.ToValidUTF8(r.query.text("file"), "?"))
	if name == "." || name == "/" {
		name = "workflow"
	}
	var f file
	f.docs, f.p = workflow.Read(clip(name), r.body, s.kinds)
	if len(f.docs) > maxDocuments {
		return file{}, fault.Newf(fault.WorkflowInvalid, "a file may have at most %d documents, not %d", maxDocuments, len(f.docs))
	}
	f.graphs = make([]*workflow.Graph, len(f.docs))
	seen := map[string]bool{}
	for i, d := range f.docs {
		if d.Workflow == nil {
			continue
		}
		f.graphs[i] = workflow.Check(d.Workflow, s.kinds, f.p)
		if seen[d.Workflow.ID] {
			return file{}, fault.Newf(fault.WorkflowInvalid, "the file has two workflows %s", d.Workflow.ID)
		}
		seen[d.Workflow.ID] = true
	}
	return f, nil
}

// err is what is wrong with the file, with the place of each problem.
func (f file) err() error {
	list := f.p.List()
	if len(list) == 0 {
		return nil
	}
	out := fault.New(fault.WorkflowInvalid, list[0].String())
	if len(list) > 1 {
		out = fault.Newf(fault.WorkflowInvalid, "%s (and %d more problems)", list[0], len(list)-1)
	}
	for _, p := range list {
		out = out.At(f.pointer(p), p.Code, p.String())
	}
	return out
}

// pointer is the JSON pointer of a problem's place. In a file with several documents
// it begins with the document's index.
func (f file) pointer(p workflow.Problem) string {
	found := ""
	var look func(v *source.Value, at string)
	look = func(v *source.Value, at string) {
		if v == nil {
			return
		}
		if v.Pos == p.Pos && v.Kind != source.Map && v.Kind != source.List {
			found = at
		}
		for _, pair := range v.Pairs {
			here := at + "/" + strict.Escape(pair.Key)
			if pair.Pos == p.Pos && (p.Code != "required" || found == "") {
				found = here
			}
			look(pair.Value, here)
		}
		for i, item := range v.Items {
			here := at + "/" + itoa(i)
			if item.Pos == p.Pos && (p.Code != "required" || found == "") {
				found = here
			}
			look(item, here)
		}
	}
	for i, d := range f.docs {
		prefix := ""
		if len(f.docs) > 1 {
			prefix = "/" + itoa(i)
		}
		look(d.Value, prefix)
	}
	return found
}

func (s *service) validateWorkflow(r *request) (reply, error) {
	f, err := s.readFile(r)
	if err != nil {
		return reply{}, err
	}
	out := wire.WorkflowValidation{Valid: f.p.Empty(), Problems: []wire.WorkflowProblem{}}
	for _, p := range f.p.List() {
		out.Problems = append(out.Problems, wire.WorkflowProblemOf(p))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) planWorkflow(r *request) (reply, error) {
	f, err := s.readFile(r)
	if err != nil {
		return reply{}, err
	}
	if err := f.err(); err != nil {
		return reply{}, err
	}
	out := wire.WorkflowPlans{Items: []wire.WorkflowPlan{}}
	for _, g := range f.graphs {
		if g == nil {
			continue
		}
		p := wire.WorkflowPlanOf(plan.Of(g))
		if r.principal.May(access.SchedulesRead) {
			if p.Schedules, err = s.schedulesOf(r, g.Definition.ID); err != nil {
				return reply{}, err
			}
		}
		out.Items = append(out.Items, p)
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// maxScanned bounds the schedules that are looked at for those of a workflow.
const maxScanned = 10_000

// schedulesOf returns the schedules that start a workflow.
func (s *service) schedulesOf(r *request, workflowID string) ([]wire.WorkflowSchedule, error) {
	out := []wire.WorkflowSchedule{}
	p := store.ListSchedules{Tenant: r.tenant(), Limit: 500}
	for range maxScanned / p.Limit {
		page, err := s.Store.Schedules.List(r.Context(), p)
		if err != nil {
			return nil, err
		}
		for _, x := range page.Schedules {
			p.AfterName = x.Name
			if !starts(x.Target, workflowID) {
				continue
			}
			one := wire.WorkflowSchedule{ScheduleID: x.ID, Name: x.Name, State: wire.ScheduleStateOf(x.State.Status)}
			if !x.State.Next.IsZero() {
				one.NextRunAt = &x.State.Next
			}
			out = append(out, one)
		}
		if !page.More {
			break
		}
	}
	return out, nil
}

// starts reports whether a schedule starts the workflow, also by an inline job.
func starts(t agenda.Target, workflowID string) bool {
	if t.WorkflowID == workflowID {
		return true
	}
	var inline struct {
		JobType string `json:"job_type"`
		Params  struct {
			WorkflowID string `json:"workflow_id"`
		} `json:"params"`
	}
	return len(t.Job) > 0 && json.Unmarshal(t.Job, &inline) == nil && inline.JobType == "workflow" && inline.Params.WorkflowID == workflowID
}

// applyWorkflow stores a file. All of it is checked before anything is stored.
func (s *service) applyWorkflow(r *request) (reply, error) {
	f, err := s.readFile(r)
	if err != nil {
		return reply{}, err
	}
	if err := f.err(); err != nil {
		return reply{}, err
	}
	if n := len([]rune(r.query.text("message"))); n > maxMessage {
		return reply{}, fault.Newf(fault.InvalidParameter, "a message may have %d characters at most", maxMessage).At("query/message", "too_long", "is too long")
	}
	if len(f.docs) == 1 && f.graphs[0] != nil {
		return s.applyOne(r, f.graphs[0])
	}
	if r.ifMatch != nil {
		return reply{}, fault.New(fault.InvalidHeader, "If-Match is for files with one workflow alone").At("header/If-Match", "not_allowed", "the file has other documents, too")
	}
	steps, err := s.steps(r, f)
	if err != nil {
		return reply{}, err
	}
	out, status := wire.Applied{Items: []wire.AppliedDocument{}}, http.StatusOK
	for _, step := range steps {
		done, err := step()
		if err != nil {
			return reply{}, err
		}
		if done.Result == "created" {
			status = http.StatusCreated
		}
		out.Items = append(out.Items, done)
	}
	return reply{Status: status, Body: out}, nil
}

func (s *service) applyOne(r *request, g *workflow.Graph) (reply, error) {
	render := func(a store.AppliedWorkflow) reply {
		out := reply{
			Status: http.StatusOK, Location: "/api/workflows/" + a.Workflow.ID, ETag: etag(a.Workflow.Revision),
			Body: wire.Applied{Items: []wire.AppliedDocument{wire.AppliedWorkflowOf(a)}},
		}
		if a.Created {
			out.Status = http.StatusCreated
		}
		return out
	}
	p, err := s.putWorkflow(r, g)
	if err != nil {
		return reply{}, err
	}
	if r.ifMatch != nil {
		w, err := s.Store.Workflows.Workflow(r.Context(), p.Tenant, p.ID)
		if err != nil {
			return reply{}, err
		}
		if err := r.match(etag(w.Revision), wire.WorkflowOf(w)); err != nil {
			return reply{}, err
		}
		p.IfRevision = w.Revision
	}
	p.Key = keyed(r, render)
	done, err := s.Store.Workflows.Apply(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	return render(done), nil
}

func (s *service) putWorkflow(r *request, g *workflow.Graph) (store.ApplyWorkflow, error) {
	now, d := s.now(), g.Definition
	// What the document does when it runs is the right of who wrote it.
	for _, step := range g.Steps {
		if step.Kind.Type == "rollback" {
			if err := r.principal.Require(access.WorkflowRollback); err != nil {
				return store.ApplyWorkflow{}, err
			}
		}
	}
	definition := d.Canonical(s.kinds).JSON(false)
	if len(definition) > MaxBody {
		return store.ApplyWorkflow{}, fault.Newf(fault.BodyTooLarge, "workflow %s is larger than %d bytes when its anchors are resolved", d.ID, MaxBody)
	}
	activate := true
	if _, given := r.query["activate"]; given {
		activate = r.query.flag("activate")
	}
	hash := d.Hash(s.kinds)
	entry, err := s.record(r, change{
		Action: audit.WorkflowApplied, Object: d.ID, Name: cmp.Or(d.Name, d.ID), After: json.RawMessage(definition),
		Detail: map[string]string{"content_hash": hash, "message": r.query.text("message")},
	})
	return store.ApplyWorkflow{
		Tenant: r.tenant(), ID: d.ID, Name: cmp.Or(d.Name, d.ID), Description: d.Description, Labels: d.Labels, VersionID: id.New(id.Workflow, now),
		Definition: definition, Hash: hash, Message: r.query.text("message"), By: r.principal.Name, At: now, Activate: activate, Audit: entry,
	}, err
}

// steps checks all documents and returns what stores them, in the order in which one
// may need another: templates, workflows, schedules.
func (s *service) steps(r *request, f file) ([]func() (wire.AppliedDocument, error), error) {
	rank := []string{workflow.KindJobTemplate, workflow.KindWorkflow, workflow.KindSchedule}
	var order []int
	for _, kind := range rank {
		for i, d := range f.docs {
			if d.Kind == kind {
				order = append(order, i)
			}
		}
	}
	var out []func() (wire.AppliedDocument, error)
	var templates []string
	flows := map[string]*workflow.Graph{}
	for _, i := range order {
		d, at := f.docs[i], "/"+itoa(i)
		var step func() (wire.AppliedDocument, error)
		var err error
		switch d.Kind {
		case workflow.KindJobTemplate:
			var name string
			name, step, err = s.templateStep(r, d.Value)
			templates = append(templates, name)
		case workflow.KindSchedule:
			step, err = s.scheduleStep(r, d.Value, templates, flows)
		default:
			flows[f.graphs[i].Definition.ID] = f.graphs[i]
			var p store.ApplyWorkflow
			p, err = s.putWorkflow(r, f.graphs[i])
			step = func() (wire.AppliedDocument, error) {
				done, err := s.Store.Workflows.Apply(r.Context(), p)
				return wire.AppliedWorkflowOf(done), err
			}
		}
		if err != nil {
			return nil, within(err, at)
		}
		out = append(out, step)
	}
	return out, nil
}

// part is a request for one document of a file, whose body is v without what only
// files have. slug is the field that files name it by.
func part(r *request, v *source.Value, slug, param string) (sub *request, name string, err error) {
	body := &source.Value{Kind: source.Map}
	for _, p := range v.Pairs {
		if p.Key != "kind" && p.Key != slug {
			body.Pairs = append(body.Pairs, p)
		}
	}
	if n := body.Get("name"); n != nil {
		name = n.Str
	} else if n := v.Get(slug); n != nil && n.Kind == source.String {
		name = n.Str
		body.Pairs = append(body.Pairs, source.Pair{Key: "name", Value: n})
	}
	if name == "" {
		return nil, "", fault.New(fault.WorkflowInvalid, "a document of a file needs a name").At("/name", "required", "name or "+slug+" must be given")
	}
	hr := r.Request.Clone(r.Context())
	hr.SetPathValue(param, name)
	return &request{Request: hr, principal: r.principal, op: r.op, body: body.JSON(false)}, name, nil
}

// stepOf carries a document out: patch changes what is there, create makes it.
func (s *service) stepOf(sub *request, kind string, there bool, create, patch func(*request) (reply, error)) func() (wire.AppliedDocument, error) {
	return func() (wire.AppliedDocument, error) {
		do, result := create, "created"
		if there {
			do, result = patch, "updated"
		}
		done, err := do(sub)
		if err != nil {
			return wire.AppliedDocument{}, err
		}
		out := wire.AppliedDocument{Kind: kind, Result: result}
		switch x := done.Body.(type) {
		case wire.JobTemplate:
			out.ID, out.Name, out.Version = x.TemplateID, x.Name, x.Version
		case wire.Schedule:
			out.ID, out.Name, out.Version = x.ScheduleID, x.Name, x.Version
		}
		return out, nil
	}
}

func (s *service) templateStep(r *request, v *source.Value) (string, func() (wire.AppliedDocument, error), error) {
	if err := r.principal.Require(access.TemplatesWrite); err != nil {
		return "", nil, err
	}
	sub, name, err := part(r, v, "template_id", "template_id")
	if err != nil {
		return "", nil, err
	}
	sub.op = &operation{Body: wire.JobTemplateInput{}}
	var in wire.JobTemplateInput
	if err := s.decodePart(sub, &in, wire.JobTemplateInput{}); err != nil {
		return "", nil, err
	}
	if err := r.principal.RequireTemplate(in.Name); err != nil {
		return "", nil, err
	}
	t := job.Template{Tenant: r.tenant()}
	if err := s.fillTemplate(sub, &t, in); err != nil {
		return "", nil, err
	}
	now, err := s.Store.Templates.Template(r.Context(), r.tenant(), name)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return "", nil, err
	}
	there := err == nil
	step := s.stepOf(sub, workflow.KindJobTemplate, there, s.createTemplate, s.patchTemplate)
	return name, unchanged(step, there, now.Version), nil
}

// scheduleStep checks a schedule. What it starts may come with the same file: templates
// and flows are those that do.
func (s *service) scheduleStep(r *request, v *source.Value, templates []string, flows map[string]*workflow.Graph) (func() (wire.AppliedDocument, error), error) {
	if err := r.principal.Require(access.SchedulesWrite); err != nil {
		return nil, err
	}
	sub, name, err := part(r, v, "schedule_id", "schedule_id")
	if err != nil {
		return nil, err
	}
	sub.op = &operation{Body: wire.ScheduleInput{}}
	var in wire.ScheduleInput
	if err := s.decodePart(sub, &in, wire.ScheduleInput{}); err != nil {
		return nil, err
	}
	now, err := s.Store.Schedules.Schedule(r.Context(), r.tenant(), name)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	there := err == nil
	set, err := s.Calendars.Of(r.Context(), r.tenant())
	if err != nil {
		return nil, err
	}
	check := func() error {
		_, err := s.definition(sub, set, agenda.Schedule{Tenant: r.tenant()}, in)
		return err
	}
	if g := flows[in.WorkflowID]; g != nil || slices.Contains(templates, in.TemplateID) {
		check = func() error {
			if _, err := s.rules(set, agenda.Schedule{Tenant: r.tenant()}, in); err != nil || g == nil {
				return err
			}
			return fits(g, in.Inputs)
		}
	}
	if err := check(); err != nil {
		return nil, err
	}
	return unchanged(s.stepOf(sub, workflow.KindSchedule, there, s.createSchedule, s.patchSchedule), there, now.Version), nil
}

// fits checks inputs of a workflow that is not stored yet.
func fits(g *workflow.Graph, inputs wire.Object) error {
	var given map[string]any
	if len(inputs) > 0 {
		if err := json.Unmarshal(inputs, &given); err != nil {
			return fault.Wrap(err, fault.InvalidInput, "inputs must be an object")
		}
	}
	given, _ = workflow.Plain(given).(map[string]any)
	_, err := g.Definition.Complete(given, "/inputs")
	return err
}

// unchanged tells an update that made no new version apart from one that did.
func unchanged(step func() (wire.AppliedDocument, error), there bool, version int) func() (wire.AppliedDocument, error) {
	return func() (wire.AppliedDocument, error) {
		out, err := step()
		if there && out.Version == version {
			out.Result = "unchanged"
		}
		return out, err
	}
}

// decodePart checks a document against the schema of a body and reads it.
func (s *service) decodePart(sub *request, into any, body any) error {
	doc, err := strict.Parse(sub.body)
	if err != nil {
		return err
	}
	if err := s.schemas.check(body, doc); err != nil {
		return err
	}
	return sub.decode(into)
}
