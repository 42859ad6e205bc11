package api

import (
	"encoding/json"
	"strings"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// This file binds work to directives: it finds the version that a job or a direct
// request works under, and lets the job type complete its params by it.

// directivePointer is where requests name a directive.
const directivePointer = "/directive_id"

// underDirective finds what the job works under: the directive that the input
// names, else the template's, else none (the zero value).
func (s *service) underDirective(r *request, kind task.Task, t job.Template, named string) (directive.Directive, error) {
	own := t.DirectiveID
	if named == "" && own == "" {
		return directive.Directive{}, nil
	}
	if err := isGuided(kind); err != nil {
		return directive.Directive{}, err
	}
	if named == "" {
		d, err := s.Store.Directives.Directive(r.Context(), r.tenant(), own)
		if fault.Is(err, fault.NotFound) {
			return d, fault.Newf(fault.DirectiveArchived, "the directive of template %s was deleted", t.Name).
				At(directivePointer, "deleted", "the template's directive is not there any more")
		}
		if err != nil {
			return d, err
		}
		return d, notArchived(d)
	}
	return s.namedDirective(r, named, own)
}

// namedDirective finds the directive that a request names. A directive is a
// permission that its author gave: who may neither write directives nor jobs of
// his own cannot choose one, but may name the one that holds anyway.
func (s *service) namedDirective(r *request, named, own string) (directive.Directive, error) {
	if err := checkDirectiveRef(named); err != nil {
		return directive.Directive{}, fault.From(err).At(directivePointer, string(fault.WrongIDType), fault.From(err).Detail)
	}
	may := mayDirect(r.principal)
	d, err := s.Store.Directives.Directive(r.Context(), r.tenant(), named)
	switch {
	case may != nil && (err != nil && fault.Is(err, fault.NotFound) || err == nil && (own == "" || d.ID != own)):
		// Whether it exists is none of the caller's business.
		return directive.Directive{}, may
	case fault.Is(err, fault.NotFound) && s.CreateMissingDirective && !looksLikeDirective(named):
		if d, err = s.missingDirective(r, named); err != nil {
			return d, err
		}
	case fault.Is(err, fault.NotFound):
		return d, fault.From(err).At(directivePointer, "not_found", "there is no such directive")
	case err != nil:
		return d, err
	}
	return d, notArchived(d)
}

// mayDirect returns nil when the principal may choose directives.
func mayDirect(p access.Principal) error {
	if p.May(access.TemplatesWrite) || p.May(access.DirectivesWrite) {
		return nil
	}
	return fault.From(p.Require(access.DirectivesWrite)).
		At(directivePointer, "forbidden", "decides what may be read: name none, or the template's")
}

// missingDirective makes a directive that says and allows nothing.
func (s *service) missingDirective(r *request, name string) (directive.Directive, error) {
	in := wire.DirectiveInput{Name: name, Description: "made by a job that named it"}
	b, err := json.Marshal(in)
	if err != nil {
		return directive.Directive{}, err
	}
	doc, err := object(b)
	if err != nil {
		return directive.Directive{}, err
	}
	d := s.newDirective(r)
	if err := firstOf(s.schemas.check(in, doc), fillDirective(&d, in)); err != nil {
		return d, fault.New(fault.InvalidInput, "no directive can have this name").At(directivePointer, "pattern", "is not a directive's name")
	}
	p, err := s.putDirective(r, d, nil)
	if err != nil {
		return d, err
	}
	made, err := s.Store.Directives.Create(r.Context(), p)
	if fault.Is(err, fault.NameTaken) { // by another request at this moment
		return s.Store.Directives.Directive(r.Context(), r.tenant(), name)
	}
	return made, err
}

func notArchived(d directive.Directive) error {
	if !d.Archived {
		return nil
	}
	return fault.Newf(fault.DirectiveArchived, "directive %s is archived", d.Name).At(directivePointer, "archived", "is archived")
}

func isGuided(kind task.Task) error {
	if _, ok := kind.(task.Guided); ok {
		return nil
	}
	return fault.Newf(fault.InvalidInput, "jobs of type %s work under no directive", kind.Type()).
		At(directivePointer, "not_allowed", "is for job types that use language models")
}

// bound names the version.
func bound(d directive.Directive) run.Directive {
	return run.Directive{ID: d.ID, Name: d.Name, Version: d.Version}
}

// guide completes params that met the schema by what the directive says; the zero
// directive is none. at is where the params are in the request.
func guide(kind task.Task, params []byte, d directive.Directive, at string) ([]byte, error) {
	g, ok := kind.(task.Guided)
	if !ok {
		return params, nil
	}
	var under *directive.Snapshot
	if d.ID != "" {
		under = &directive.Snapshot{ID: d.ID, Name: d.Name, Version: d.Version, Content: d.Content}
	}
	out, err := g.Guide(params, under)
	return out, within(err, at)
}

// maxSource bounds what the audit log keeps of a refusal, in bytes.
const maxSource = 500

// refused writes into the audit log that a request was refused because of a source
// that its directive does not allow, and returns err. A direct request leaves
// nothing of what it asked, the source's name neither.
func (s *service) refused(r *request, err error, kind string, d run.Directive, direct bool) error {
	if !fault.Is(err, fault.SourceNotAllowed) {
		return err
	}
	f := fault.From(err)
	c := change{Action: audit.SourceRefused, Object: d.ID, Name: d.Name, Detail: map[string]string{"job_type": kind, "source": "not recorded: of a direct request"}}
	if !direct {
		c.Detail["source"] = strings.ToValidUTF8(f.Detail[:min(len(f.Detail), maxSource)], "")
	}
	entry, recordErr := s.record(r, c)
	if recordErr != nil {
		return recordErr
	}
	if _, appendErr := s.Store.Audit.Append(r.Context(), *entry); appendErr != nil {
		return appendErr
	}
	return err
}

// templateDirective finds the directive that a template's input names, as an id;
// "" = none. was is the one that the template has.
func (s *service) templateDirective(r *request, kind task.Task, named, was string) (string, error) {
	if named == "" {
		return "", nil
	}
	if err := isGuided(kind); err != nil {
		return "", err
	}
	if named == was { // it may be gone by now, which only new jobs mind
		return was, nil
	}
	d, err := s.namedDirective(r, named, was)
	return d.ID, err
}

// directiveAgain finds what a repetition of a run works under: the version that
// the run worked under. A version that was replaced may allow more than the directive
// does now, and only who may write directives gives that again: for others it is the
// current version.
func (s *service) directiveAgain(r *request, v run.Run) (directive.Directive, error) {
	if v.Directive.ID == "" {
		return directive.Directive{}, nil
	}
	find := func() (directive.Directive, error) {
		if r.principal.May(access.DirectivesWrite) {
			return s.Store.Directives.Version(r.Context(), r.tenant(), v.Directive.ID, v.Directive.Version)
		}
		return s.Store.Directives.Directive(r.Context(), r.tenant(), v.Directive.ID)
	}
	d, err := find()
	if err == nil && d.Archived || fault.Is(err, fault.NotFound) {
		return d, fault.Newf(fault.DirectiveArchived, "directive %s, under which run %s worked, was archived or deleted", v.Directive.Name, v.ID)
	}
	return d, err
}

// mayCite refuses params that name a run to who may not read runs: what the run
// found would come out in the result.
func mayCite(p access.Principal, kind task.Task, params []byte, at string) error {
	citing, ok := kind.(task.Citing)
	if !ok || p.May(access.JobsRead) || len(params) == 0 {
		return nil
	}
	given := map[string]json.RawMessage{}
	if json.Unmarshal(params, &given) != nil { // whose error may quote them
		return fault.New(fault.InvalidInput, "params must be an object").At(at, "wrong_type", "must be an object")
	}
	for _, name := range citing.Cites() {
		if _, set := given[name]; set {
			return fault.From(p.Require(access.JobsRead)).At(at+"/"+name, "forbidden", "names a run, which you may not read")
		}
	}
	return nil
}
