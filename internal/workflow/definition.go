// Package workflow is the language of workflows: documents, their checks, the
// graph of their nodes, versions and their differences, and what a run of one does
// next. It is pure; package engine does what it says.
//
//	docs, problems := workflow.Read("nightly.yaml", text, kinds)
//	graph := workflow.Check(docs[0].Workflow, kinds, problems)
package workflow

import (
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// DSL is the version of the language that this program reads and writes.
const DSL = 1

// Bounds of a definition.
const (
	MaxNodes       = 500
	MaxParallel    = 64
	MaxDepth       = 5 // of subworkflows
	MaxAttempts    = 20
	MaxConcurrency = 64
)

// Defaults of fields that a document leaves out.
const (
	DefaultTimeout     = 24 * time.Hour
	DefaultNodeTimeout = 10 * time.Minute
	DefaultParallel    = 4
)

// Definition is a workflow as a document has it. It must not be changed once it is
// checked.
type Definition struct {
	DSL         int
	ID          string
	Name        string
	Description string
	Labels      map[string]string
	Inputs      []Input // in the order of the document
	Vars        *source.Value
	Nodes       []Node
	Outputs     []Named
	// OnError is the node that runs once when the run is about to fail, "" = none.
	OnError string
	// Compensate says that a failed run undoes its completed nodes.
	Compensate bool
	// Timeout bounds the run, without its waits.
	Timeout     time.Duration
	Concurrency *Concurrency
	// Parallel is how many nodes of a run work at once.
	Parallel int
	Defaults Defaults
	Pos      source.Pos
}

// Named is a name with an expression or a template.
type Named struct {
	Name string
	Text string
	Pos  source.Pos
}

// InputType is the type of an input.
type InputType string

// The types. Dates are 2006-01-02, datetimes RFC 3339, durations such as 15m.
const (
	TypeString   InputType = "string"
	TypeInteger  InputType = "integer"
	TypeNumber   InputType = "number"
	TypeBoolean  InputType = "boolean"
	TypeArray    InputType = "array"
	TypeObject   InputType = "object"
	TypeDate     InputType = "date"
	TypeDatetime InputType = "datetime"
	TypeDuration InputType = "duration"
)

// InputTypes lists them.
func InputTypes() []InputType {
	return []InputType{TypeString, TypeInteger, TypeNumber, TypeBoolean, TypeArray, TypeObject, TypeDate, TypeDatetime, TypeDuration}
}

// Input is a typed parameter of a run.
type Input struct {
	Name        string
	Type        InputType
	Required    bool
	Default     *source.Value // nil = none
	Enum        []*source.Value
	Pattern     string
	Min, Max    *float64 // of the number, or of the length of a string or array
	Items       *Input   // of an array
	Description string
	// Secret inputs are masked everywhere, stored encrypted, and dropped when the run
	// ends.
	Secret bool
	Pos    source.Pos
}

// Conflict says what a run does that finds its concurrency key taken.
type Conflict string

// The answers: wait, end as skipped, or cancel the oldest.
const (
	ConflictQueue        Conflict = "queue"
	ConflictSkip         Conflict = "skip"
	ConflictCancelOldest Conflict = "cancel_oldest"
)

// Concurrency bounds how many runs with an equal key there are at once.
type Concurrency struct {
	Key        string // a template
	Limit      int
	OnConflict Conflict
	Pos        source.Pos
}

// Defaults are for nodes that do not say otherwise.
type Defaults struct {
	Retry     *Retry
	Timeout   time.Duration // 0 = DefaultNodeTimeout
	Resources []string
}

// Backoff is how the delays of retries grow.
type Backoff string

// The ways.
const (
	BackoffFixed       Backoff = "fixed"
	BackoffExponential Backoff = "exponential"
)

// Retry says when a failed attempt is repeated.
type Retry struct {
	// MaxAttempts counts the first one too.
	MaxAttempts  int
	Backoff      Backoff
	Initial, Max time.Duration
	// Jitter is the part of a delay, 0 to 1, that is random.
	Jitter float64
	// On are classes of errors; empty = all that are worth a retry.
	On []string
	// When is an expression over error; "" = always.
	When string
	Pos  source.Pos
}

// Join says when a node with several incoming edges may start.
type Join string

// The joins.
const (
	// JoinAll waits for every incoming edge and needs all of them to be active.
	JoinAll Join = "all"
	// JoinAny starts with the first active one.
	JoinAny Join = "any"
	// JoinAlways waits for all, active or not.
	JoinAlways Join = "always"
)

// CrashPolicy says what becomes of a node whose server died in the middle of it.
type CrashPolicy string

// The policies.
const (
	// CrashRetry repeats the attempt with the same idempotency key.
	CrashRetry CrashPolicy = "retry"
	// CrashFail ends it as failed: nobody knows what it did.
	CrashFail CrashPolicy = "fail"
	// CrashAsk waits for a person to say whether it is repeated.
	CrashAsk CrashPolicy = "ask"
)

// Words of OnError that are no node.
const (
	OnErrorFail     = "fail"
	OnErrorContinue = "continue"
)

// Node is a step of a workflow.
type Node struct {
	ID      string
	Type    string
	Subtype string
	Config  *source.Value // a map
	// DependsOn and Next are edges as they are written; Graph has them as one set.
	DependsOn []Source
	Next      []Target
	// When is an expression, "" = true.
	When string
	Join Join
	// Retry is never nil after Read: defaults are filled in.
	Retry      Retry
	Timeout    time.Duration
	OnError    string
	Compensate string
	Resources  []Named // templates; Name is empty
	Outputs    []Named // expressions over result
	// IdempotencyKey is a template, "" = the default one.
	IdempotencyKey string
	OnCrash        CrashPolicy // "" = that of the kind
	Mock           *source.Value
	Mocked         *Mock // Mock as it was read, nil = none
	// Body are the nodes of a map.
	Body []Node
	Pos  source.Pos
	// Places of fields, for problems.
	places map[string]source.Pos
}

// Source is a node that must be settled before, maybe with an outcome.
type Source struct {
	Node, Outcome string
	Pos           source.Pos
}

// Target is a node that comes next, maybe after an outcome only.
type Target struct {
	Node, Outcome string
	Pos           source.Pos
}

// Kind returns the name under which the registry has the node's kind.
func (n Node) Kind() string { return kindName(n.Type, n.Subtype) }

func kindName(typ, subtype string) string {
	if subtype == "" {
		return typ
	}
	return typ + "/" + subtype
}

// Constants computes the vars of the document, one after the other: each sees those
// before it. env has the inputs.
func (d *Definition) Constants(env expression.Env) (map[string]any, error) {
	out := map[string]any{}
	env.Vars = out
	for _, pair := range d.Vars.Pairs {
		v, err := computed(pair.Value, env)
		if err != nil {
			return nil, fmt.Errorf("vars.%s: %w", pair.Key, err)
		}
		out[pair.Key] = v
	}
	return out, nil
}

// computed evaluates the texts of a value that have {{ }}.
func computed(v *source.Value, env expression.Env) (any, error) {
	switch v.Kind {
	case source.String:
		tmpl, err := expression.ParseTemplate(v.Str, expression.Names{})
		if err != nil {
			return nil, err
		}
		return tmpl.Eval(env)
	case source.List:
		out := make([]any, 0, len(v.Items))
		for _, item := range v.Items {
			x, err := computed(item, env)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	case source.Map:
		out := make(map[string]any, len(v.Pairs))
		for _, pair := range v.Pairs {
			x, err := computed(pair.Value, env)
			if err != nil {
				return nil, err
			}
			out[pair.Key] = x
		}
		return out, nil
	case source.Null, source.Bool, source.Int, source.Float:
	}
	return v.Plain(), nil
}
