// Package schema writes the JSON Schema (2020-12) of workflow documents, and the
// description of the kinds of nodes for people, from what the kinds say of
// themselves. It is what editors and forms go by; the checks that a schema cannot
// express (references, cycles, expressions) are package workflow's.
package schema

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow"
)

// ID is the identifier of the schema.
const ID = "urn:runsheet:schemas:workflow:1"

type object = map[string]any

// JSON returns the schema of a document. It ends with a newline and is the same for
// equal kinds.
func JSON(kinds workflow.Kinds) []byte {
	b, err := json.MarshalIndent(document(kinds), "", "  ")
	if err != nil {
		panic("schema: " + err.Error()) // plain values always encode
	}
	return append(b, '\n')
}

// document is the schema as a tree of maps.
func document(kinds workflow.Kinds) object {
	defs := object{
		"workflow": definition(),
		"input":    input(),
		"retry":    retry(),
		"node":     node(kinds),
		"template": object{"type": "string", "pattern": `\{\{`, "description": "a {{ }}, computed when the node begins"},
		"duration": object{
			"type": "string", "pattern": `^(P[0-9DWTHMS.]+|[0-9][0-9.]*(ns|us|µs|ms|[smhd])([0-9.]+(ns|us|µs|ms|[smh]))*)$`,
			"description": "a length of time, such as 90s, 15m, 2d or PT15M",
		},
		"slug": object{"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"},
		"name": object{"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$"},
	}
	for _, k := range kinds.List() {
		defs[configName(k)] = fields(k.Fields, "the config of a node of type "+k.Name()+": "+k.Doc)
	}
	others := object{"properties": object{"kind": object{"enum": []string{workflow.KindJobTemplate, workflow.KindSchedule, workflow.KindTest}}}, "required": []string{"kind"}}
	return object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ID, "title": "Runsheet workflow",
		"description": "A document of a workflow file: a Workflow, or a JobTemplate or Schedule, whose fields are those of the API.",
		"type":        "object", "$defs": defs, "if": others, "then": object{"type": "object"}, "else": ref("workflow"),
	}
}

func ref(name string) object { return object{"$ref": "#/$defs/" + name} }

// described is s with a description. A reference gets it beside itself.
func described(s object, doc string) object {
	s["description"] = doc
	return s
}

func configName(k workflow.Kind) string { return "config_" + strings.ReplaceAll(k.Name(), "/", "_") }

func closed(doc string, required []string, properties object) object {
	out := object{"type": "object", "description": doc, "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func words(doc string, list ...string) object { return object{"enum": list, "description": doc} }

func text(doc string) object { return object{"type": "string", "description": doc} }

func whole(doc string, low, high int) object {
	return object{"type": "integer", "minimum": low, "maximum": high, "description": doc}
}

// oneOrMany accepts a string or a list of them.
func oneOrMany(doc string) object {
	return object{"anyOf": []object{{"type": "string"}, {"type": "array", "items": object{"type": "string"}}}, "description": doc}
}

func named(doc string) object {
	return object{"type": "object", "propertyNames": ref("name"), "additionalProperties": object{"type": "string"}, "description": doc}
}

func definition() object {
	return closed("a workflow", []string{"workflow_id", "nodes"}, object{
		"kind":        object{"const": workflow.KindWorkflow, "description": "what the document is; Workflow if absent"},
		"dsl":         whole("version of the language; 1 if absent", 1, workflow.DSL),
		"workflow_id": described(ref("slug"), "identity over all versions"),
		"name":        text("what people call it"),
		"description": text("Markdown"),
		"labels":      object{"type": "object", "additionalProperties": object{"type": "string"}, "description": "words to find it by"},
		"inputs": object{
			"type": "object", "propertyNames": ref("name"), "additionalProperties": ref("input"),
			"description": "what a run is given: the form of its start",
		},
		"vars":         object{"type": "object", "propertyNames": ref("name"), "description": "constants"},
		"nodes":        object{"type": "array", "items": ref("node"), "minItems": 1, "maxItems": workflow.MaxNodes, "description": "the steps; without depends_on and next they run from top to bottom"},
		"outputs":      named("the result of a run, by name"),
		"on_error":     text("a node that runs once when the run is about to fail"),
		"compensation": words("auto: a run that fails undoes its completed nodes, the last one first; off if absent", "auto", "off"),
		"timeout":      described(ref("duration"), "bounds the run, without its waits; 24h if absent"),
		"concurrency": closed("bounds how many runs with an equal key there are at once", []string{"key"}, object{
			"key":         text("a text with {{ }} over inputs"),
			"limit":       whole("runs at once; 1 if absent", 1, 1000),
			"on_conflict": words("what a run does that finds no place; queue if absent", string(workflow.ConflictQueue), string(workflow.ConflictSkip), string(workflow.ConflictCancelOldest)),
		}),
		"max_parallel": whole("nodes of a run at once; 4 if absent", 1, workflow.MaxParallel),
		"defaults": closed("for nodes that do not say otherwise", nil, object{
			"retry":     described(ref("retry"), "of nodes without retry"),
			"timeout":   described(ref("duration"), "of nodes without timeout"),
			"resources": oneOrMany("locks of nodes without resources"),
		}),
	})
}

func input() object {
	types := make([]string, 0, 9)
	for _, t := range workflow.InputTypes() {
		types = append(types, string(t))
	}
	return closed("an input", nil, object{
		"type":        words("string if absent", types...),
		"required":    object{"type": "boolean", "description": "a run cannot begin without it"},
		"default":     object{"description": "the value where none is given"},
		"enum":        object{"type": "array", "description": "the values that are allowed"},
		"pattern":     text("a regular expression (RE2) that a string must match"),
		"min":         object{"type": "number", "description": "least value, or length of a string or list"},
		"max":         object{"type": "number", "description": "greatest value, or length of a string or list"},
		"items":       described(ref("input"), "what a list has"),
		"description": text("for who fills in the form"),
		"secret":      object{"type": "boolean", "description": "masked everywhere, stored encrypted, dropped when the run ends"},
	})
}

func retry() object {
	classes := []string{"timeout", "http_5xx", "http_429", "exit_nonzero", "lock_timeout"}
	class := object{"enum": classes}
	return closed("when a failed attempt is repeated", nil, object{
		"max_attempts": whole("with the first one; 1 if absent", 1, workflow.MaxAttempts),
		"backoff":      words("how delays grow; exponential if absent", string(workflow.BackoffFixed), string(workflow.BackoffExponential)),
		"initial":      described(ref("duration"), "the first delay; 1s if absent"),
		"max":          described(ref("duration"), "the longest delay; 5m if absent"),
		"jitter":       object{"type": "number", "minimum": 0, "maximum": 1, "description": "the part of a delay that is random"},
		"on":           object{"anyOf": []object{class, {"type": "array", "items": class}}, "description": "classes of errors; all that are worth it if absent"},
		"when":         text("an expression over error"),
	})
}

// envelope are the fields that every node may have.
func envelope() object {
	return object{
		"node_id":         described(ref("slug"), "unique in the document, also within maps"),
		"config":          object{"type": "object", "description": "the fields of the type; every value may be a {{ }}"},
		"depends_on":      oneOrMany("nodes that come before; node.outcome for one outcome only"),
		"next":            next(),
		"when":            text("an expression; the node is skipped where it is false"),
		"join":            words("when a node with several edges begins; all if absent", string(workflow.JoinAll), string(workflow.JoinAny), string(workflow.JoinAlways)),
		"retry":           described(ref("retry"), "when a failed attempt is repeated"),
		"timeout":         described(ref("duration"), "of an attempt; 10m if absent"),
		"on_error":        text("fail, continue, or a node that runs then"),
		"compensate":      text("a node that undoes this one"),
		"resources":       oneOrMany("locks that an attempt holds"),
		"outputs":         named("expressions over result; the whole result if absent"),
		"idempotency_key": text("sent with side effects"),
		"on_crash":        words("what happens to an attempt whose server died; the type decides if absent", string(workflow.CrashRetry), string(workflow.CrashFail), string(workflow.CrashAsk)),
		"mock":            object{"type": "object", "description": "result, outcome and delay for runsheet workflow test"},
	}
}

func next() object {
	return object{
		"anyOf":       []object{{"type": "string"}, {"type": "array", "items": object{"type": "string"}}, {"type": "object", "additionalProperties": oneOrMany("nodes that come after the outcome")}},
		"description": "nodes that come after; an object says which for each outcome",
	}
}

// node accepts the envelope and, by the type, the config. Each branch names the ways
// in which a type can be written.
func node(kinds workflow.Kinds) object {
	properties, types, subtypes, owners := envelope(), []string{}, map[string][]string{}, map[string][]string{}
	for _, k := range kinds.List() {
		types = append(types, k.Type, k.Name())
		if k.SubtypeField != "" {
			subtypes[k.SubtypeField] = append(subtypes[k.SubtypeField], k.Subtype)
			if !slices.Contains(owners[k.SubtypeField], k.Type) {
				owners[k.SubtypeField] = append(owners[k.SubtypeField], k.Type)
			}
		}
	}
	for alias, full := range workflow.Aliases() {
		if t, sub, _ := strings.Cut(full, "/"); known(kinds, t, sub) {
			types = append(types, alias)
		}
	}
	slices.Sort(types)
	properties["type"] = words("what the node does", slices.Compact(types)...)
	for field, list := range subtypes {
		properties[field] = words("of a node of type "+strings.Join(owners[field], " or "), list...)
	}
	var branches []object
	for _, k := range kinds.List() {
		then := object{"properties": object{"config": ref(configName(k))}}
		if slices.ContainsFunc(k.Fields, func(f workflow.Field) bool { return f.Required }) {
			then["required"] = []string{"config"}
		}
		branches = append(branches, object{"if": object{"anyOf": spellings(k)}, "then": then})
	}
	for field, list := range owners {
		all := slices.Clone(list)
		for _, k := range kinds.List() {
			if slices.Contains(list, k.Type) {
				all = append(all, names(k)...)
			}
		}
		slices.Sort(all)
		branches = append(branches,
			object{"if": object{"required": []string{field}}, "then": object{"properties": object{"type": object{"enum": slices.Compact(all)}}}},
			object{"if": object{"properties": object{"type": object{"enum": list}}, "required": []string{"type"}}, "then": object{"required": []string{field}}})
	}
	slices.SortStableFunc(branches, func(a, b object) int { return strings.Compare(compact(a), compact(b)) })
	out := closed("a node", []string{"node_id", "type"}, properties)
	out["allOf"] = branches
	return out
}

func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("schema: " + err.Error()) // plain values always encode
	}
	return string(b)
}

func known(kinds workflow.Kinds, typ, subtype string) bool {
	if subtype == "" {
		return slices.Contains(kinds.Types(), typ)
	}
	_, ok := kinds.Get(typ, subtype)
	return ok
}

// names are the words for a kind that stand in type alone.
func names(k workflow.Kind) []string {
	out := []string{k.Name()}
	for alias, full := range workflow.Aliases() {
		if full == k.Name() || full == k.Type {
			out = append(out, alias)
		}
	}
	slices.Sort(out)
	return out
}

// spellings are the ways to write a kind.
func spellings(k workflow.Kind) []object {
	if k.Subtype == "" {
		return []object{{"properties": object{"type": object{"enum": names(k)}}, "required": []string{"type"}}}
	}
	short := []string{k.Name()}
	long := []string{k.Type}
	for alias, full := range workflow.Aliases() {
		switch full {
		case k.Name():
			short = append(short, alias)
		case k.Type:
			long = append(long, alias)
		}
	}
	slices.Sort(short)
	slices.Sort(long)
	return []object{
		{"properties": object{"type": object{"enum": long}, k.SubtypeField: object{"const": k.Subtype}}, "required": []string{"type", k.SubtypeField}},
		{"properties": object{"type": object{"enum": short}}, "required": []string{"type"}},
	}
}

// fields is the schema of an object with the given fields.
func fields(list []workflow.Field, doc string) object {
	properties := object{}
	var required []string
	for _, f := range list {
		properties[f.Name] = field(f)
		if f.Required {
			required = append(required, f.Name)
		}
	}
	return closed(doc, required, properties)
}

var types = map[workflow.FieldType]string{ // read-only
	workflow.FieldString: "string", workflow.FieldInteger: "integer", workflow.FieldNumber: "number", workflow.FieldBoolean: "boolean",
	workflow.FieldObject: "object", workflow.FieldList: "array", workflow.FieldExpr: "string",
}

func field(f workflow.Field) object {
	var own object
	switch f.Type {
	case workflow.FieldString:
		own = object{"type": "string"}
		if len(f.Enum) > 0 {
			own = object{"enum": f.Enum}
		}
	case workflow.FieldInteger, workflow.FieldNumber, workflow.FieldBoolean, workflow.FieldExpr:
		own = object{"type": types[f.Type]}
	case workflow.FieldDuration:
		own = ref("duration")
	case workflow.FieldObject:
		if own = (object{"type": "object"}); f.Fields != nil {
			own = fields(f.Fields, Describe(f))
		}
	case workflow.FieldList:
		if own = (object{"type": "array"}); f.Fields != nil {
			own["items"] = fields(f.Fields, "one of "+f.Name)
		}
	case workflow.FieldNodes:
		own = object{"type": "array", "items": ref("node"), "minItems": 1}
	case workflow.FieldAny:
		own = object{}
	}
	free := f.Type == workflow.FieldString && len(f.Enum) == 0 || f.Type == workflow.FieldAny || f.Type == workflow.FieldExpr || f.Type == workflow.FieldNodes
	if f.Constant || free {
		return described(own, Describe(f))
	}
	return object{"anyOf": []object{own, ref("template")}, "description": Describe(f)}
}

var plain = map[workflow.FieldType]string{ // read-only
	workflow.FieldString: "a text", workflow.FieldInteger: "a whole number", workflow.FieldNumber: "a number", workflow.FieldBoolean: "true or false",
	workflow.FieldDuration: "a duration such as 90s or PT15M", workflow.FieldObject: "an object", workflow.FieldList: "a list",
	workflow.FieldAny: "a value", workflow.FieldExpr: "an expression", workflow.FieldNodes: "nodes",
}

var tidy = regexp.MustCompile(`\s+`)

// Describe says in a line what a field is.
func Describe(f workflow.Field) string {
	switch {
	case f.Doc != "":
		return tidy.ReplaceAllString(f.Doc, " ")
	case len(f.Enum) > 0:
		return "one of " + strings.Join(f.Enum, ", ")
	}
	return plain[f.Type]
}
