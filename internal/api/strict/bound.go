package strict

import (
	"errors"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// MaxParts bounds a schema of a stranger after each reference was replaced by
// what it names. Each value of an enum counts too: it is compared with every item
// of an array that the schema of items describes, and a body has room for some
// 250,000 items.
const MaxParts = 2_000

var (
	errRecursive = errors.New("the schema must not refer to itself")
	errParts     = errors.New("the schema is too large when its references are written out")
)

// Bounded returns an error when checking a document against s could take for
// ever: nothing can stop a check that has begun. Two references to the next level
// on each of 30 levels make a thousand million checks out of a short text, and a
// schema that refers to itself does the same with the levels of the document.
func (s *Schema) Bounded() error {
	_, err := parts(s.s, map[*jsonschema.Schema]int{})
	return err
}

// parts counts s and everything below it. seen holds what was counted, and 0 for
// what is being counted.
func parts(s *jsonschema.Schema, seen map[*jsonschema.Schema]int) (int, error) {
	if s == nil {
		return 0, nil
	}
	if n, known := seen[s]; known {
		if n == 0 {
			return 0, errRecursive
		}
		return n, nil
	}
	if s.DynamicRef != nil || s.RecursiveRef != nil {
		return 0, errRecursive
	}
	seen[s] = 0
	sum := 1
	if s.Enum != nil {
		sum += len(s.Enum.Values)
	}
	if sum > MaxParts {
		return 0, errParts
	}
	for _, c := range below(s) {
		n, err := parts(c, seen)
		if err != nil {
			return 0, err
		}
		if sum += n; sum > MaxParts {
			return 0, errParts
		}
	}
	seen[s] = sum
	return sum, nil
}

// below lists the schemas that s consults.
func below(s *jsonschema.Schema) []*jsonschema.Schema {
	out := slices.Concat([]*jsonschema.Schema{
		s.Ref, s.Not, s.If, s.Then, s.Else, s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020,
		s.UnevaluatedItems, s.ContentSchema,
	}, s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems)
	out = slices.AppendSeq(out, maps.Values(s.Properties))
	out = slices.AppendSeq(out, maps.Values(s.PatternProperties))
	out = slices.AppendSeq(out, maps.Values(s.DependentSchemas))
	for _, v := range slices.AppendSeq([]any{s.AdditionalProperties, s.Items, s.AdditionalItems}, maps.Values(s.Dependencies)) {
		switch c := v.(type) {
		case *jsonschema.Schema:
			out = append(out, c)
		case []*jsonschema.Schema:
			out = append(out, c...)
		}
	}
	return out
}
