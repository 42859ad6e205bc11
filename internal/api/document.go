package api

import (
	"cmp"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
)

// Document is the OpenAPI 3.1 description of all routes. internal/gen/openapi
// writes it to openapi.yaml; the server answers it at /api/openapi.json.
func Document() *huma.OpenAPI {
	s := &service{Options: Options{Direct: DirectRoutes()}}
	t := newRouter(s)
	s.register(t)
	return document(t.table)
}

const intro = `Runsheet runs long, costly or risky jobs in exactly the order a person wants, and shows why each one waits.

All times are RFC 3339 in UTC, durations ISO 8601 (Go style is accepted too), ids opaque with a prefix that names the kind.
Errors are application/problem+json. /api/v1 is another name of /api. Every POST whose answer holds no secret takes an Idempotency-Key.`

func document(table []*operation) *huma.OpenAPI {
	reg := newRegistry()
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Runsheet", Version: "1", Description: intro,
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Paths: map[string]*huma.PathItem{},
		Tags: []*huma.Tag{
			{Name: "job-templates"},
			{Name: "directives", Description: "instructions and permissions for work with language models"},
			{Name: "jobs"},
			{Name: "job-runs"},
			{Name: "job-groups"},
			{Name: "direct", Description: "calls that wait for their result, before every queued job"},
			{Name: "locks"},
			{Name: "workflows", Description: "steps that depend on one another, in versions"},
			{Name: "schedules", Description: "when things happen"},
			{Name: "calendars", Description: "when exchanges trade and countries work"},
			{Name: "workflows", Description: "jobs of several nodes, and what happens to them"},
			{Name: "queue"},
			{Name: "llm", Description: "language models: what they cost and what they may"},
			{Name: "events"},
			{Name: "system"},
			{Name: "session"},
			{Name: "access"},
			{Name: "audit"},
			{Name: "legacy", Description: "for programs of an earlier time: no field of theirs changes"},
		},
		Components: &huma.Components{
			Schemas:   reg,
			Responses: map[string]*huma.Response{},
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"token": {Type: "http", Scheme: "bearer", Description: "a token as Authorization: Bearer rst_..."},
			},
		},
	}
	problem := reg.Schema(reflect.TypeFor[wire.Problem](), true, "")
	for _, op := range table {
		describe(doc, reg, problem, op)
	}
	finishSchemas(reg)
	openOutputs(reg, table)
	return doc
}

func newRegistry() huma.Registry {
	return huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
}

func describe(doc *huma.OpenAPI, reg huma.Registry, problem *huma.Schema, op *operation) {
	o := &huma.Operation{
		Method: op.Method, Path: op.Path, OperationID: op.ID, Tags: []string{op.Tag},
		Summary: op.Summary, Description: op.Doc, Responses: map[string]*huma.Response{},
		Parameters: parameters(op), Deprecated: op.Successor != "",
	}
	if !op.Public {
		o.Security = []map[string][]string{{"token": {}}}
		o.Extensions = map[string]any{"x-scope": string(op.Scope)}
	}
	if op.Body != nil {
		media := "application/json"
		if op.Patch {
			media = "application/merge-patch+json"
		}
		sch := reg.Schema(reflect.TypeOf(op.Body), true, "")
		if op.Many > 0 {
			one, least := sch, 1
			sch = &huma.Schema{AnyOf: []*huma.Schema{one, {Type: huma.TypeArray, Items: one, MinItems: &least, MaxItems: &op.Many}}}
		}
		o.RequestBody = &huma.RequestBody{
			Required: !op.BodyOptional,
			Content:  map[string]*huma.MediaType{media: {Schema: sch}},
		}
		for _, m := range op.Media {
			if m == media {
				continue
			}
			o.RequestBody.Content[m] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		}
	}
	for _, a := range op.Answers {
		o.Responses[strconv.Itoa(a.Status)] = success(reg, op, a)
	}
	for status, codes := range faultsOf(op) {
		o.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: strings.Join(codes, ", "),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: problem}},
		}
	}
	doc.AddOperation(o)
}

func success(reg huma.Registry, op *operation, a answer) *huma.Response {
	r := &huma.Response{Description: a.Doc, Headers: map[string]*huma.Header{}}
	text := &huma.Schema{Type: huma.TypeString}
	if a.Status == http.StatusCreated || a.Status == http.StatusAccepted {
		r.Headers["Location"] = &huma.Header{Description: "where the object is", Schema: text}
	}
	if op.Successor != "" {
		r.Headers["Deprecation"] = &huma.Header{Description: "since when the operation is deprecated (RFC 9745)", Schema: text}
		r.Headers["Sunset"] = &huma.Header{Description: "until when it will stay at least (RFC 8594)", Schema: text}
		r.Headers["Link"] = &huma.Header{Description: "what to use instead, rel=successor-version", Schema: text}
	}
	if op.repeatable() {
		r.Headers["Idempotency-Replayed"] = &huma.Header{Description: "true when this is the stored answer of an earlier request", Schema: text}
	}
	if op.Waits {
		r.Headers["Preference-Applied"] = &huma.Header{Description: "wait=N when the server waited", Schema: text}
	}
	if op.Matches {
		r.Headers["ETag"] = &huma.Header{Description: "version, for If-Match", Schema: text}
	}
	if len(a.Media) > 0 {
		r.Content = map[string]*huma.MediaType{}
		for _, m := range a.Media {
			mt := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
			if m == "application/octet-stream" {
				mt.Schema = &huma.Schema{Type: huma.TypeString, Format: "binary"}
			}
			if len(a.Frames) > 0 {
				mt.Schema = &huma.Schema{}
				for _, f := range a.Frames {
					mt.Schema.OneOf = append(mt.Schema.OneOf, reg.Schema(reflect.TypeOf(f), true, ""))
				}
			}
			r.Content[m] = mt
		}
	}
	if a.Body != nil {
		if r.Content == nil {
			r.Content = map[string]*huma.MediaType{}
		}
		r.Content["application/json"] = &huma.MediaType{Schema: reg.Schema(reflect.TypeOf(a.Body), true, "")}
	}
	return r
}

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

func parameters(op *operation) []*huma.Param {
	var out []*huma.Param
	for _, m := range placeholder.FindAllStringSubmatch(op.Path, -1) {
		out = append(out, &huma.Param{Name: m[1], In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	for _, p := range op.Query {
		x := &huma.Param{Name: p.Name, In: "query", Description: p.Doc, Schema: p.Schema}
		if p.List || p.Repeat {
			x.Schema = &huma.Schema{Type: huma.TypeArray, Items: p.Schema}
			x.Style, x.Explode = "form", &p.Repeat
		}
		out = append(out, x)
	}
	header := func(name, doc string, sch *huma.Schema) {
		out = append(out, &huma.Param{Name: name, In: "header", Description: doc, Schema: sch})
	}
	if op.repeatable() {
		header("Idempotency-Key", "makes the request repeatable for 24 hours: a repetition gets the first answer",
			&huma.Schema{Type: huma.TypeString})
	}
	if op.Waits {
		header("Prefer", "wait=N waits up to N seconds (300 at most) for the job to end", &huma.Schema{Type: huma.TypeString, Examples: []any{"wait=30"}})
	}
	if op.Matches && op.Method != http.MethodGet {
		header("If-Match", "only if the object still has this ETag", &huma.Schema{Type: huma.TypeString})
	}
	return out
}

// faultsOf lists the codes an operation may answer, by status: its own and
// those that follow from what it takes.
func faultsOf(op *operation) map[int][]string {
	codes := slices.Clone(op.Faults)
	codes = append(codes, fault.InternalError)
	if !op.Public {
		codes = append(codes, fault.UnknownParameter, fault.Unauthorized, fault.ForbiddenScope,
			fault.TooManyRequests, fault.StorageUnavailable)
	}
	if len(op.Query) > 0 {
		codes = append(codes, fault.InvalidParameter)
	}
	if strings.Contains(op.Path, "_id}") {
		codes = append(codes, fault.NotFound, fault.WrongIDType)
	}
	if op.Body != nil {
		codes = append(codes, fault.MalformedBody, fault.DuplicateKey, fault.UnknownField, fault.InvalidInput,
			fault.UnsupportedMediaType, fault.BodyTooLarge)
	}
	if op.repeatable() {
		codes = append(codes, fault.IdempotencyMismatch, fault.IdempotencyInFlight)
	}
	if op.Matches && op.Method != http.MethodGet {
		codes = append(codes, fault.VersionMismatch)
	}
	out := map[int][]string{}
	slices.SortFunc(codes, cmp.Compare[fault.Code])
	for _, c := range slices.Compact(codes) {
		out[statusOf(c)] = append(out[statusOf(c)], string(c))
	}
	return out
}

// finishSchemas corrects what reflection cannot say: an object field that is a
// pointer may be null, a list only where its tag says so, and null is among the values of a
// nullable enum.
func finishSchemas(reg huma.Registry) {
	for name, sch := range reg.Map() {
		t := reg.TypeFromRef("#/components/schemas/" + name)
		if t == nil || t.Kind() != reflect.Struct {
			continue
		}
		for f := range t.Fields() {
			key, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
			p := sch.Properties[key]
			if p == nil {
				continue
			}
			switch {
			case p.Ref != "" && f.Type.Kind() == reflect.Pointer && !strings.Contains(opts, "omitempty"):
				sch.Properties[key] = &huma.Schema{
					Description: p.Description,
					AnyOf:       []*huma.Schema{{Ref: p.Ref}, {Type: "null"}},
				}
			case p.Type == huma.TypeArray:
				p.Nullable = f.Tag.Get("nullable") == "true"
			case p.Nullable && len(p.Enum) > 0:
				p.Enum = append(p.Enum, nil)
			}
		}
	}
}

// openOutputs lets answers have fields that a client does not know yet. Only
// what a request sends is closed.
func openOutputs(reg huma.Registry, table []*operation) {
	inputs := map[string]bool{}
	var mark func(s *huma.Schema)
	mark = func(s *huma.Schema) {
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		if name == "" || inputs[name] {
			return
		}
		inputs[name] = true
		for _, p := range reg.Map()[name].Properties {
			mark(p)
		}
	}
	for _, op := range table {
		if op.Body != nil {
			mark(reg.Schema(reflect.TypeOf(op.Body), true, ""))
		}
	}
	for name, s := range reg.Map() {
		if closed, ok := s.AdditionalProperties.(bool); ok && !closed && !inputs[name] {
			s.AdditionalProperties = nil
		}
	}
}
