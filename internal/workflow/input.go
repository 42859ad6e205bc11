package workflow

import (
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// inputs checks the declarations of inputs.
func (b *builder) inputs() {
	for _, in := range b.d.Inputs {
		b.input(in)
	}
}

func (b *builder) input(in Input) {
	if in.Pattern != "" {
		if _, err := regexp.Compile(in.Pattern); err != nil {
			b.p.at(in.Pos, "", rulePattern, in.Name, err)
			return
		}
		if in.Type != TypeString {
			b.p.at(in.Pos, "", rulePatternFor, in.Name, in.Type)
		}
	}
	if in.Items != nil && in.Type != TypeArray {
		b.p.at(in.Pos, "", ruleItemsFor, in.Name, in.Type)
	}
	if in.Min != nil && in.Max != nil && *in.Min > *in.Max {
		b.p.at(in.Pos, "", ruleBounds, in.Name)
	}
	for _, v := range in.Enum {
		if text := in.wrong(v.Plain(), false); text != "" {
			b.p.at(v.Pos, "", ruleEnum, in.Name, text)
		}
	}
	if in.Default != nil {
		if text := in.wrong(in.Default.Plain(), true); text != "" {
			b.p.at(in.Default.Pos, "", ruleDefault, in.Name, text)
		}
		if in.Secret {
			b.p.at(in.Default.Pos, "", ruleSecretDefault, in.Name)
		}
	}
}

// wrong says what is wrong with a value, "" = nothing.
func (in Input) wrong(v any, all bool) string {
	size, ok := in.measure(v)
	switch {
	case !ok:
		return "must be " + inputWords[in.Type]
	case in.Min != nil && size < *in.Min:
		return fmt.Sprintf("must be at least %v%s", *in.Min, in.unit())
	case in.Max != nil && size > *in.Max:
		return fmt.Sprintf("must be at most %v%s", *in.Max, in.unit())
	}
	if text, is := v.(string); is && in.Pattern != "" {
		if re, err := regexp.Compile(in.Pattern); err == nil && !re.MatchString(text) {
			return "must match " + in.Pattern
		}
	}
	if all && len(in.Enum) > 0 && !slices.ContainsFunc(in.Enum, func(e *source.Value) bool { return same(e.Plain(), v) }) {
		return "must be one of the values that are listed"
	}
	if list, is := v.([]any); is && in.Items != nil {
		for i, item := range list {
			if text := in.Items.wrong(item, true); text != "" {
				return fmt.Sprintf("has a wrong item: number %d %s", i+1, text)
			}
		}
	}
	return ""
}

var inputWords = map[InputType]string{
	TypeString: "a string", TypeInteger: "a whole number", TypeNumber: "a number", TypeBoolean: "true or false", TypeArray: "a list",
	TypeObject: "an object", TypeDate: "a date such as 2026-03-29", TypeDatetime: "a time such as 2026-03-29T09:00:00Z",
	TypeDuration: "a duration such as 15m",
}

func (in Input) unit() string {
	switch in.Type {
	case TypeString:
		return " characters long"
	case TypeArray:
		return " items long"
	case TypeInteger, TypeNumber, TypeBoolean, TypeObject, TypeDate, TypeDatetime, TypeDuration:
	}
	return ""
}

// measure checks the type and returns what min and max are about.
func (in Input) measure(v any) (float64, bool) {
	switch in.Type {
	case TypeString:
		s, ok := v.(string)
		return float64(utf8.RuneCountInString(s)), ok
	case TypeInteger:
		n, ok := v.(int64)
		return float64(n), ok
	case TypeNumber:
		if n, ok := v.(int64); ok {
			return float64(n), true
		}
		f, ok := v.(float64)
		return f, ok
	case TypeBoolean:
		_, ok := v.(bool)
		return 0, ok
	case TypeArray:
		list, ok := v.([]any)
		return float64(len(list)), ok
	case TypeObject:
		_, ok := v.(map[string]any)
		return 0, ok
	case TypeDate, TypeDatetime, TypeDuration:
	}
	text, _ := v.(string)
	switch in.Type {
	case TypeDate:
		_, err := time.Parse(time.DateOnly, text)
		return 0, err == nil
	case TypeDatetime:
		_, err := time.Parse(time.RFC3339Nano, text)
		return 0, err == nil
	case TypeDuration:
		d, ok := ParseDuration(text)
		return d.Seconds(), ok
	case TypeString, TypeInteger, TypeNumber, TypeBoolean, TypeArray, TypeObject:
	}
	return 0, false
}

func same(a, b any) bool {
	x, fine := a.(int64)
	y, also := b.(float64)
	if fine && also {
		return float64(x) == y
	}
	return fmt.Sprintf("%T %v", a, a) == fmt.Sprintf("%T %v", b, b)
}

// Complete checks the inputs of a run and fills in the defaults. given has values of
// JSON. The error is invalid_input with a pointer to each wrong one below at.
func (d *Definition) Complete(given map[string]any, at string) (map[string]any, error) {
	return complete(d.Inputs, given, at, "the workflow "+d.ID)
}

// complete is Complete for the inputs of what.
func complete(inputs []Input, given map[string]any, at, what string) (map[string]any, error) {
	bad := fault.New(fault.InvalidInput, "the inputs do not fit "+what)
	out := map[string]any{}
	names := make([]string, 0, len(inputs))
	for _, in := range inputs {
		names = append(names, in.Name)
		raw, there := given[in.Name]
		if !there || raw == nil {
			switch {
			case in.Default != nil:
				out[in.Name] = in.Default.Plain()
			case in.Required:
				bad = bad.At(at+"/"+in.Name, "required", in.Name+" is required")
			default:
				out[in.Name] = nil
			}
			continue
		}
		v, err := source.Of(raw)
		if err != nil {
			bad = bad.At(at+"/"+in.Name, "wrong_type", err.Error())
			continue
		}
		out[in.Name] = v.Plain()
		if text := in.wrong(out[in.Name], true); text != "" {
			bad = bad.At(at+"/"+in.Name, "wrong_type", in.Name+" "+text)
		}
	}
	for name := range given {
		if !slices.Contains(names, name) {
			f := bad.At(at+"/"+name, "unknown_key", fmt.Sprintf("there is no input %q", name))
			if near := expression.Nearest(name, names); near != "" {
				f = f.WithHint("did you mean " + near + "?")
			}
			bad = f
		}
	}
	if len(bad.Fields) > 0 {
		return nil, bad
	}
	return out, nil
}

// MaxForm is the most fields that a form has.
const MaxForm = 50

// Form is what somebody fills in who decides: inputs by name, in the order of the
// document.
type Form []Input

// CheckForm returns what is wrong with a form.
func CheckForm(v *source.Value) []Problem {
	p := &Problems{}
	readForm(p, v)
	return p.List()
}

// FormOf reads a form from a value of JSON; the fields of an object that has no order
// are in that of their names. The error is invalid_input.
func FormOf(v any) (Form, error) {
	doc, err := source.Of(v)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidInput, "the form is no value of JSON")
	}
	p := &Problems{}
	form := readForm(p, doc.Sorted())
	if !p.Empty() {
		return nil, fault.New(fault.InvalidInput, "the form cannot be used: "+p.List()[0].Text)
	}
	return form, nil
}

func readForm(p *Problems, v *source.Value) Form {
	if v.Kind != source.Map {
		p.at(v.Pos, "", ruleObject, "form", v.Kind)
		return nil
	}
	if len(v.Pairs) > MaxForm {
		p.at(v.Pos, "", ruleFields, MaxForm)
		return nil
	}
	b := &builder{p: p}
	var out Form
	for _, pair := range v.Pairs {
		in := readInput(p, pair)
		if in.Secret {
			p.at(in.Pos, "", ruleSecretField, in.Name)
		}
		b.input(in)
		out = append(out, in)
	}
	return out
}

// Complete checks what was filled in and puts the defaults where nothing was. The
// error is invalid_input with a pointer to each wrong value below at.
func (f Form) Complete(given map[string]any, at string) (map[string]any, error) {
	return complete(f, given, at, "the approval's form")
}
