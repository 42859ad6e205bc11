package strict

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/runsheet/runsheet/internal/fault"
)

// Schema is a compiled JSON Schema (2020-12). It is safe for concurrent use.
type Schema struct{ s *jsonschema.Schema }

// Formats are checks of string formats by name. They return nil for good text.
type Formats map[string]func(string) error

const location = "https://runsheet.invalid/schema"

// Compile reads a schema document as Parse returned it. ref is the fragment of
// the part to use, "" for all. References to anything outside the document are
// refused: a schema is given by a stranger and must not make the server read
// files or the network.
func Compile(doc any, ref string, formats Formats) (*Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	for name, check := range formats {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(v any) error {
			if s, ok := v.(string); ok {
				return check(s)
			}
			return nil
		}})
	}
	if len(formats) > 0 {
		c.AssertFormat()
	}
	if err := c.AddResource(location, doc); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	s, err := c.Compile(location + ref)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	return &Schema{s}, nil
}

type noLoader struct{}

func (noLoader) Load(string) (any, error) {
	return nil, errors.New("references to other documents are not allowed")
}

// Time is the format date-time: RFC 3339, from 1970 to 9999 in UTC, because a
// time outside of that can be stored but never be written as JSON again.
func Time(s string) error {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return errors.New("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")
	}
	if year := t.UTC().Year(); year < 1970 || year > 9999 {
		return errors.New("must be a time from 1970 to 9999 in UTC")
	}
	return nil
}

// Check returns nil when doc meets the schema. Otherwise the fault is
// unknown_field, when that is all that is wrong, or invalid_input; prefix is put
// before each pointer.
func (s *Schema) Check(doc any, prefix string) error {
	return s.check(doc, report{prefix: prefix, root: s.s})
}

// CheckPartial is Check for a document whose top level may lack fields.
func (s *Schema) CheckPartial(doc any, prefix string) error {
	return s.check(doc, report{prefix: prefix, root: s.s, partial: true})
}

// CheckKeys reports only the keys of doc that the schema does not know, at any
// depth.
func (s *Schema) CheckKeys(doc any) error {
	return s.check(doc, report{root: s.s, keysOnly: true})
}

// maxPlaces bounds the answer for a document that is wrong everywhere.
const maxPlaces = 50

func (s *Schema) check(doc any, r report) error {
	err := s.s.Validate(doc)
	if err == nil {
		return nil
	}
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return fmt.Errorf("check schema: %w", err)
	}
	r.walk(v)
	if len(r.places) == 0 {
		return nil
	}
	slices.SortStableFunc(r.places, func(a, b fault.Field) int { return strings.Compare(a.Pointer, b.Pointer) })
	r.places = slices.Compact(r.places)
	f := fault.New(fault.InvalidInput, "the input does not meet its schema: "+describe(r.places[0]))
	if r.unknown == len(r.places) {
		f = fault.New(fault.UnknownField, describe(r.places[0]))
	}
	for _, p := range r.places[:min(len(r.places), maxPlaces)] {
		f = f.At(p.Pointer, p.Code, p.Detail)
	}
	if r.hint != "" {
		f = f.WithHint(r.hint)
	}
	return f
}

func describe(p fault.Field) string {
	if p.Pointer == "" {
		return p.Detail
	}
	return p.Pointer + ": " + p.Detail
}

// report collects the leaves of a tree of validation errors.
type report struct {
	prefix  string
	partial bool
	// keysOnly drops everything but unknown fields.
	keysOnly bool
	root     *jsonschema.Schema
	places   []fault.Field
	unknown  int
	hint     string
}

func (r *report) walk(v *jsonschema.ValidationError) {
	if k, ok := v.ErrorKind.(*kind.PropertyNames); ok {
		// Its causes are about the name alone and do not know the place.
		r.add(r.prefix+pointer(v.InstanceLocation)+"/"+Escape(k.Property), "bad_name", "the name is not allowed here")
		return
	}
	if len(v.Causes) > 0 {
		for _, c := range v.Causes {
			r.walk(c)
		}
		return
	}
	at := r.prefix + pointer(v.InstanceLocation)
	switch k := v.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, p := range k.Properties {
			r.refuse(at, p, v.SchemaURL)
		}
	case *kind.Required:
		if r.partial && len(v.InstanceLocation) == 0 {
			return
		}
		for _, m := range k.Missing {
			r.add(at+"/"+Escape(m), "required", "is required")
		}
	default:
		code, detail := explain(v.ErrorKind)
		r.add(at, code, detail)
	}
}

func pointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString("/" + Escape(t))
	}
	return b.String()
}

func (r *report) add(at, code, detail string) {
	if r.keysOnly && code != "unknown" {
		return
	}
	r.places = append(r.places, fault.Field{Pointer: at, Code: code, Detail: detail})
}

func (r *report) refuse(at, key, schemaURL string) {
	r.unknown++
	detail := "unknown field"
	if s := Closest(key, properties(r.root, schemaURL)); s != "" {
		detail = "unknown field; did you mean " + s + "?"
		if r.hint == "" {
			r.hint = fmt.Sprintf("%q is called %q here; names are snake_case", short(key), s)
		}
	}
	r.add(at+"/"+Escape(key), "unknown", detail)
}

// properties lists the properties of the schema at a location, found by a walk
// from the root.
func properties(root *jsonschema.Schema, url string) []string {
	seen := map[*jsonschema.Schema]bool{}
	var find func(s *jsonschema.Schema) []string
	find = func(s *jsonschema.Schema) []string {
		if s == nil || seen[s] {
			return nil
		}
		seen[s] = true
		if s.Location == url {
			var names []string
			for n := range s.Properties {
				names = append(names, n)
			}
			slices.Sort(names)
			return names
		}
		next := []*jsonschema.Schema{s.Ref, s.Items2020}
		for _, p := range s.Properties {
			next = append(next, p)
		}
		next = append(append(append(next, s.AnyOf...), s.AllOf...), s.OneOf...)
		for _, n := range next {
			if names := find(n); names != nil {
				return names
			}
		}
		return nil
	}
	return find(root)
}

// explain gives a kind of error a code and words.
func explain(k jsonschema.ErrorKind) (code, detail string) {
	switch k := k.(type) {
	case *kind.Type:
		return "wrong_type", fmt.Sprintf("is %s, must be %s", k.Got, strings.Join(k.Want, " or "))
	case *kind.Enum:
		var want []string
		for _, w := range k.Want {
			want = append(want, fmt.Sprint(w))
		}
		return "unknown_value", "must be one of " + strings.Join(want, ", ")
	case *kind.Minimum:
		return "out_of_range", "must be at least " + number(k.Want)
	case *kind.Maximum:
		return "out_of_range", "must be at most " + number(k.Want)
	case *kind.MinLength:
		return "too_short", plural(k.Want, "must have at least %d character")
	case *kind.MaxLength:
		return "too_long", plural(k.Want, "must have at most %d character")
	case *kind.MinItems:
		return "too_short", plural(k.Want, "must have at least %d item")
	case *kind.MaxItems:
		return "too_long", plural(k.Want, "must have at most %d item")
	case *kind.Format:
		return "format", strings.TrimSpace(k.Err.Error())
	case *kind.Pattern:
		return "pattern", "must match " + k.Want
	case *kind.FalseSchema:
		return "not_allowed", "is not allowed"
	}
	path := k.KeywordPath()
	code = "schema"
	if len(path) > 0 {
		code = path[len(path)-1]
	}
	return code, k.LocalizedString(message.NewPrinter(language.English))
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func plural(n int, format string) string {
	if n != 1 {
		format += "s"
	}
	return fmt.Sprintf(format, n)
}
