package workflow

import (
	"maps"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow/source"
)

// FieldType is the type of a field of a node's config.
type FieldType string

// The types. Every leaf may be a {{ }} instead, but for FieldExpr and FieldNodes.
const (
	FieldString   FieldType = "string"
	FieldInteger  FieldType = "integer"
	FieldNumber   FieldType = "number"
	FieldBoolean  FieldType = "boolean"
	FieldDuration FieldType = "duration"
	FieldObject   FieldType = "object" // with Fields, or free if there are none
	FieldList     FieldType = "list"   // of anything, or of objects with Fields
	FieldAny      FieldType = "any"
	// FieldExpr is an expression without braces.
	FieldExpr FieldType = "expression"
	// FieldNodes is the body of a map.
	FieldNodes FieldType = "nodes"
)

// Field is a field of a node's config.
type Field struct {
	Name     string
	Type     FieldType
	Required bool
	Enum     []string
	Fields   []Field
	// Constant fields take no {{ }}: they decide about the graph, or about rights.
	Constant bool
	// Node says of a string that it names a node from which an edge, or several, lead
	// to this one.
	Node bool
	// Result says that an expression may read result, which the kind gives it;
	// Parts are fields of that result which it may read by their bare names too.
	Result bool
	Parts  []string
	Doc    string
}

// Kind is a type of node in the language: what its config has and what it leads to.
// How it works is the business of package node.
type Kind struct {
	Type, Subtype string
	// SubtypeField is the field of the envelope with the subtype, "" = there is none.
	SubtypeField string
	Doc          string
	Fields       []Field
	// Outcomes are what it can lead to. Labels says that config names more.
	Outcomes []string
	Labels   func(config *source.Value) []string
	// Plain are the outcomes on which edges without an outcome are taken; nil = all
	// that are not errors. Another outcome for which there is no edge fails the node.
	Plain []string
	// Effect says that it changes something outside, so that it must not be repeated
	// lightly: its attempts carry an idempotency key.
	Effect bool
	// Ephemeral says that its result is kept in memory only, but for the fields in
	// Durable.
	Ephemeral bool
	Durable   []string
	// Stores says that what its config has is stored: a title, params of a job. It may
	// not have what a language model said.
	Stores bool
	// Secrets says that its config may read secrets.
	Secrets bool
	// Soft says that a failure of it is not the run's unless the node says
	// on_error: fail.
	Soft bool
	// Pure reports whether a node only computes, in memory and at once, from what the run
	// knows: it asks nobody, stores nothing, and gives the same when it is repeated. nil =
	// no node of the kind does.
	Pure func(n Node) bool
	// InMap says that it may be a node of a map's body.
	InMap bool
	// OnCrash is what happens after a crash unless the node says otherwise.
	OnCrash CrashPolicy
	// Retryable are the classes of errors that it knows.
	Retryable []string
	// Check looks at what the fields alone do not say; nil = nothing.
	Check func(n Node, report func(at source.Pos, code, text string))
}

// Name is the type, and the subtype behind a slash.
func (k Kind) Name() string { return kindName(k.Type, k.Subtype) }

// onError is what on_error is where a node does not say.
func (k Kind) onError() string {
	if k.Soft {
		return OnErrorContinue
	}
	return OnErrorFail
}

// Kinds are the node types that there are. The zero value has none. It must not be
// changed once it is used.
type Kinds struct{ byName map[string]Kind }

// NewKinds returns a registry; a name that comes twice is a mistake of the program
// and panics.
func NewKinds(list ...Kind) Kinds {
	k := Kinds{byName: map[string]Kind{}}
	for _, kind := range list {
		if _, twice := k.byName[kind.Name()]; twice {
			panic("two kinds of node are named " + kind.Name())
		}
		k.byName[kind.Name()] = kind
	}
	return k
}

// Get finds a kind.
func (k Kinds) Get(typ, subtype string) (Kind, bool) {
	kind, ok := k.byName[kindName(typ, subtype)]
	return kind, ok
}

// List returns all kinds in the order of their names.
func (k Kinds) List() []Kind {
	out := make([]Kind, 0, len(k.byName))
	for _, name := range slices.Sorted(maps.Keys(k.byName)) {
		out = append(out, k.byName[name])
	}
	return out
}

// Types returns the types without their subtypes.
func (k Kinds) Types() []string {
	var out []string
	for _, kind := range k.List() {
		if !slices.Contains(out, kind.Type) {
			out = append(out, kind.Type)
		}
	}
	return out
}

// subtypes of a type, and the field that says which.
func (k Kinds) subtypes(typ string) (field string, list []string) {
	for _, kind := range k.List() {
		if kind.Type == typ && kind.Subtype != "" {
			field = kind.SubtypeField
			list = append(list, kind.Subtype)
		}
	}
	return field, list
}

// aliases are other words for types, which a document may use; the canonical form
// has the words of the right side.
var aliases = map[string]string{
	"condition": "judgment", "notify": "notification",
	"http": "action/api_call", "command": "action/command", "llm": "action/llm",
}

// Aliases returns the other words for types, each with what the canonical form says.
func Aliases() map[string]string { return maps.Clone(aliases) }

// resolve turns a type as it is written into type and subtype.
func resolve(typ string) (string, string) {
	if full, ok := aliases[typ]; ok {
		typ = full
	}
	t, sub, _ := strings.Cut(typ, "/")
	return t, sub
}
