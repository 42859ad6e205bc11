package workflow

import (
	"fmt"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Codes are the codes that a problem of a document may have. Nobody changes it.
var Codes = []string{
	"unknown_key", "unknown_value", "wrong_type", "out_of_range", "too_many", "required", "invalid_id", "invalid_name",
	"invalid_pattern", "newer_dsl", "unknown_type", "not_constant", "not_before", "unknown_node", "unknown_outcome",
	"cycle", "duplicate_node", "not_in_map", "not_allowed", "secret_not_allowed", "unknown_reference", "not_stored",
	"maybe_missing", "more", "syntax", "expression", "invalid_mock", "wrong_value", "shell_script", "invalid_schema",
}

// rule is one sentence about a document. Its reason never changes its meaning, so that
// a page can say the same in another language.
type rule struct {
	code, reason string
	format       string
	// names are those of the values in the format, in their order.
	names string
}

// The rules.
var (
	ruleKey           = rule{"unknown_key", "unknown_key", "%s has no field %q", "what name"}
	ruleValue         = rule{"unknown_value", "unknown_value", "%s must be one of %s", "name known"}
	ruleType          = rule{"wrong_type", "wrong_type", "%s must be %s, not %s", "name wanted given"}
	ruleForm          = rule{"wrong_type", "wrong_form", "%s must be %s", "name wanted"}
	ruleItems         = rule{"wrong_type", "wrong_items", "%s must have %s, not %s", "name wanted given"}
	ruleObject        = rule{"wrong_type", "not_an_object", "%s must be an object, not %s", "what given"}
	ruleIndex         = rule{"wrong_type", "mock_index", "items of a mock are named by their index, from 0", ""}
	ruleRange         = rule{"out_of_range", "out_of_range", "%s must be from %v to %v", "name min max"}
	ruleWhole         = rule{"out_of_range", "whole_number_out_of_range", "%s must be a whole number from %d to %d", "name min max"}
	ruleLong          = rule{"out_of_range", "duration_out_of_range", "%s must be longer than 0 and at most %s", "name max"}
	ruleBounds        = rule{"out_of_range", "min_above_max", "the min of %s is above its max", "name"}
	ruleNodes         = rule{"too_many", "too_many_nodes", "there are %d nodes; at most %d are possible", "count max"}
	ruleFields        = rule{"too_many", "too_many_fields", "a form has %d fields at most", "max"}
	ruleRequired      = rule{"required", "required", "%s needs %s", "what name"}
	ruleSubtype       = rule{"required", "subtype_required", "a node of type %s needs %s: one of %s", "type name known"}
	ruleID            = rule{"invalid_id", "invalid_id", "%s must be 1 to 64 of a-z, 0-9, _ and -", "name"}
	ruleName          = rule{"invalid_name", "invalid_name", "%q cannot be the name of %s: a name has letters, digits and _, and does not begin with a digit", "name what"}
	rulePattern       = rule{"invalid_pattern", "invalid_pattern", "the pattern of %s is no regular expression (RE2): %v", "name problem"}
	ruleDSL           = rule{"newer_dsl", "newer_dsl", "the document is of version %d of the language; this program knows up to %d", "version newest"}
	ruleNodeType      = rule{"unknown_type", "unknown_type", "there is no node type %q", "name"}
	ruleNodeSubtype   = rule{"unknown_type", "unknown_subtype", "there is no %s %q", "field name"}
	ruleConstant      = rule{"not_constant", "not_constant", "%s cannot be computed: it must be the same for each run", "name"}
	ruleBefore        = rule{"not_before", "not_before", "%s must name a node that comes before %s, and %s does not", "name node other"}
	ruleNode          = rule{"unknown_node", "unknown_node", "there is no node %q", "name"}
	ruleOutcome       = rule{"unknown_outcome", "unknown_outcome", "the node %s never ends with %q, but with %s", "node outcome known"}
	ruleCycle         = rule{"cycle", "cycle", "the nodes run in a circle: %s; to repeat something use map, wait or retry", "path"}
	ruleTwice         = rule{"duplicate_node", "duplicate_node", "there is a node %q already, at %s", "name place"}
	ruleInMap         = rule{"not_in_map", "not_in_map", "a node of type %s cannot be inside of a map", "type"}
	ruleMockError     = rule{"not_allowed", "mock_error_and_result", "a mock has an error, or a result and an outcome", ""}
	ruleAlready       = rule{"not_allowed", "subtype_already", "type %s is %s %s already", "name type subtype"}
	ruleHides         = rule{"not_allowed", "name_taken", "as: %s hides a name that the workflow has", "name"}
	rulePatternFor    = rule{"not_allowed", "pattern_of_no_string", "a pattern is for strings, %s is %s", "name type"}
	ruleItemsFor      = rule{"not_allowed", "items_of_no_array", "items are for arrays, %s is %s", "name type"}
	ruleSecretDefault = rule{"not_allowed", "default_of_secret", "%s is secret: a default would stand in the document for everybody", "name"}
	ruleSecretField   = rule{"not_allowed", "secret_field", "%s cannot be secret: an approval is on the record", "name"}
	ruleSecret        = rule{"secret_not_allowed", "secret_not_allowed", "a secret can be used in the config of data, action, notification and deploy nodes only", ""}
	ruleSecretName    = rule{"secret_not_allowed", "secret_not_named", "name the secret, as in secrets.NAME", ""}
	ruleNoInput       = rule{"unknown_reference", "unknown_input", "there is no input %q", "name"}
	ruleNoVariable    = rule{"unknown_reference", "unknown_variable", "there is no variable %q", "name"}
	ruleNoOutput      = rule{"unknown_reference", "unknown_output", "there is no node %q", "name"}
	ruleMapOnly       = rule{"unknown_reference", "outside_of_map", "%s is known inside of a map only", "name"}
	ruleNoResult      = rule{"unknown_reference", "no_result", "result is known in a node's outputs only", ""}
	ruleNoError       = rule{"unknown_reference", "no_error", "error is known in retry.when and in handlers only", ""}
	ruleEarly         = rule{"unknown_reference", "before_the_run", "outputs.%s is not known before the run begins", "node"}
	ruleOwn           = rule{"unknown_reference", "own_outputs", "the node reads its own outputs; what it gives now is result", ""}
	ruleStored        = rule{"not_stored", "not_stored", "%s would store what the node %s was told by a language model; name an artifact with save_as there, and use outputs.%[2]s.artifact_id", "name node"}
	ruleMaybe         = rule{"maybe_missing", "maybe_missing", "%s need not have run before", "node"}
	ruleDefault       = rule{"wrong_type", "wrong_default", "the default of %s %s", "name problem"}
	ruleEnum          = rule{"wrong_type", "wrong_enum", "a value of the enum of %s %s", "name problem"}
	ruleExpression    = rule{"expression", "wrong_expression", "%s (character %d)", "problem character"}
	ruleMore          = rule{"more", "more", "and %d more problems", "count"}
)

// rules are all of them.
var rules = []rule{
	ruleKey, ruleValue, ruleType, ruleForm, ruleItems, ruleObject, ruleIndex, ruleRange, ruleWhole, ruleLong, ruleBounds,
	ruleNodes, ruleFields, ruleRequired, ruleSubtype, ruleID, ruleName, rulePattern, ruleDSL, ruleNodeType,
	ruleNodeSubtype, ruleConstant, ruleBefore, ruleNode, ruleOutcome, ruleCycle, ruleTwice, ruleInMap, ruleMockError,
	ruleAlready, ruleHides, rulePatternFor, ruleItemsFor, ruleSecretDefault, ruleSecretField, ruleSecret, ruleSecretName,
	ruleNoInput, ruleNoVariable, ruleNoOutput, ruleMapOnly, ruleNoResult, ruleNoError, ruleEarly, ruleOwn, ruleStored,
	ruleMaybe, ruleDefault, ruleEnum, ruleExpression, ruleMore,
}

// Reasons are those that a problem of a document may have. Nobody changes it.
var Reasons = reasonsOf()

func reasonsOf() []string {
	out := make([]string, 0, len(rules))
	for _, r := range rules {
		out = append(out, r.reason)
	}
	return out
}

// problem says the rule of some values.
func (r rule) problem(pos source.Pos, node string, args ...any) Problem {
	p := Problem{Pos: pos, Node: node, Code: r.code, Reason: r.reason, Text: fmt.Sprintf(r.format, args...)}
	for i, name := range strings.Fields(r.names) {
		if p.Values == nil {
			p.Values = map[string]string{}
		}
		p.Values[name] = valueOf(args[i])
	}
	return p
}

// valueOf writes a value for programs: kinds and forms as single words.
func valueOf(arg any) string {
	switch v := arg.(type) {
	case source.Kind:
		return kindWords[v]
	case form:
		return string(v)
	}
	return fmt.Sprint(arg)
}

var kindWords = map[source.Kind]string{
	source.Null: "null", source.Bool: "boolean", source.Int: "integer", source.Float: "number", source.String: "string", source.List: "list", source.Map: "object",
}

// form is what a value must be.
type form string

// The forms. Those of one kind are its word.
const (
	formString     form = "string"
	formInteger    form = "integer"
	formNumber     form = "number"
	formBoolean    form = "boolean"
	formObject     form = "object"
	formList       form = "list"
	formAny        form = "value"
	formDuration   form = "duration"
	formTime       form = "time"
	formExpression form = "expression"
	formStrings    form = "strings"
	formObjects    form = "objects"
	formNodes      form = "nodes"
)

// formWords say them to people.
var formWords = map[form]string{
	formString: "a string", formInteger: "an integer", formNumber: "a number", formBoolean: "a boolean", formObject: "an object", formList: "a list",
	formAny: "a value", formDuration: "a duration such as 90s, 15m or PT15M", formTime: "a time such as 2026-03-29T09:00:00Z", formExpression: "an expression",
	formStrings: "strings", formObjects: "objects", formNodes: "names of nodes",
}

func (f form) String() string { return formWords[f] }

// formOf is the form of a kind.
func formOf(k source.Kind) form { return form(kindWords[k]) }
