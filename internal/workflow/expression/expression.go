// Package expression is the one expression language of workflows: expr-lang, with
// the names of a workflow, bounded in memory, iterations and size of the result.
//
//	e, err := expression.Compile("len(outputs.facts.list) >= 5", expression.Names{})
//	e.Refs()               // outputs.facts.list
//	ok, err := e.Eval(env) // true
//
// Template is text with {{ expression }} in it.
package expression

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
)

// Limits.
const (
	// MaxLength is the longest expression, in bytes.
	MaxLength = 8 << 10
	// MaxResult is the largest result, as JSON in bytes.
	MaxResult = 1 << 20
	// memory is how many elements an evaluation may make or go through.
	memory = 500_000
)

// Names resolves bare names: it says what stands for each of them, for example
// "inputs" for topic, which is then inputs.topic, "run.id" for run_id, or "=item" for
// a second name of item. Roots need no entry.
type Names map[string]string

// Ambiguous marks a name that stands for an input and for a variable.
const Ambiguous = "?"

// roots are the names that every expression knows, see Env.
var roots = []string{"inputs", "vars", "outputs", "context", "item", "index", "result", "error", "run", "workflow", "secrets"}

// Roots lists the names that an expression begins with.
func Roots() []string { return slices.Clone(roots) }

// functions are ours; those of expr-lang come on top.
var functions = []string{"now", "round_to", "sha256", "json", "is_trading_day", "next_session"}

// Ref is something that an expression reads: a root and fixed keys below it.
type Ref struct {
	// Path begins with the root: outputs, research, json, facts.
	Path []string
	// Optional says of each part of Path whether ?. follows it, so that it may be
	// missing.
	Optional []bool
	// Offset is where the reference begins in the expression, in characters.
	Offset int
}

// Root is the first part.
func (r Ref) Root() string { return r.Path[0] }

// String returns the path with dots.
func (r Ref) String() string { return strings.Join(r.Path, ".") }

// Error says what is wrong with an expression and where, in characters from its
// beginning.
type Error struct {
	Offset int
	Text   string
	// Suggest is what may have been meant, "" = nothing is near.
	Suggest string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Suggest != "" {
		return e.Text + "; did you mean " + e.Suggest + "?"
	}
	return e.Text
}

// Expr is a compiled expression. It is safe for concurrent use.
type Expr struct {
	text    string
	refs    []Ref
	program *vm.Program
}

// Text returns the expression as it was written.
func (e *Expr) Text() string { return e.text }

// Refs returns what the expression reads, in the order of the text.
func (e *Expr) Refs() []Ref { return e.refs }

// Compile checks an expression. The error is an *Error.
func Compile(text string, names Names) (*Expr, error) {
	if len(text) > MaxLength {
		return nil, &Error{Text: fmt.Sprintf("an expression is at most %d KiB", MaxLength>>10)}
	}
	if strings.TrimSpace(text) == "" {
		return nil, &Error{Text: "the expression is empty"}
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{{") {
		return nil, &Error{Text: "this is an expression: write it without {{ and }}"}
	}
	look := &reader{names: names}
	options := []expr.Option{expr.Env(prototype()), expr.Patch(&patcher{names: names}), expr.MaxNodes(2000), expr.Optimize(false)}
	for _, name := range functions {
		options = append(options, expr.DisableBuiltin(name))
	}
	look.parse(text)
	if look.err != nil {
		return nil, look.err
	}
	program, err := expr.Compile(text, options...)
	if err != nil {
		return nil, syntaxError(err)
	}
	slices.SortStableFunc(look.refs, func(a, b Ref) int { return a.Offset - b.Offset })
	return &Expr{text: text, refs: look.refs, program: program}, nil
}

// syntaxError takes the library's picture of the text out of its message.
func syntaxError(err error) error {
	var e *file.Error
	if !errors.As(err, &e) {
		return &Error{Text: err.Error()}
	}
	return &Error{Offset: e.From, Text: e.Message}
}

// Calendars answers the functions about trading days.
type Calendars interface {
	// IsTradingDay reports whether calendar has a session on the date of t.
	IsTradingDay(calendar string, t time.Time) (bool, error)
	// NextSession returns the next open of calendar after t.
	NextSession(calendar string, t time.Time) (time.Time, error)
}

// Env is what an evaluation sees. Maps hold values of JSON.
type Env struct {
	Inputs, Vars, Outputs, Context map[string]any
	Item                           any
	Index                          int
	Result, Error                  any
	Run, Workflow                  map[string]any
	Secrets                        map[string]string
	// Now is what now() returns.
	Now       time.Time
	Calendars Calendars // nil: is_trading_day and next_session fail
}

func (e Env) values() map[string]any {
	return map[string]any{
		"inputs": e.Inputs, "vars": e.Vars, "outputs": e.Outputs, "context": e.Context, "item": e.Item, "index": e.Index,
		"result": e.Result, "error": e.Error, "run": e.Run, "workflow": e.Workflow, "secrets": e.Secrets,
		"now":      func() time.Time { return e.Now },
		"round_to": roundTo, "sha256": sum, "json": encode,
		"is_trading_day": func(calendar string, at any) (bool, error) { return e.tradingDay(calendar, at) },
		"next_session":   func(calendar string, at any) (string, error) { return e.nextSession(calendar, at) },
	}
}

// prototype has the types of values; what is in maps is looked at when it is there.
func prototype() types.Map {
	out := types.Map{}
	for name, v := range (Env{}).values() {
		out[name] = types.Any
		if reflect.ValueOf(v).Kind() == reflect.Func {
			out[name] = types.TypeOf(v)
		}
	}
	return out
}

// Eval computes the expression. The result is a value of JSON with whole numbers
// as int64; times and durations are strings.
func (e *Expr) Eval(env Env) (out any, err error) {
	machine := vm.VM{MemoryBudget: memory}
	defer func() {
		if r := recover(); r != nil { // the library has its own; this is for what it does not foresee
			err = &Error{Text: fmt.Sprint(r)}
		}
	}()
	got, err := machine.Run(e.program, env.values())
	if err != nil {
		return nil, syntaxError(err)
	}
	return normal(got)
}

// Bool computes a condition; another result than true or false is an error.
func (e *Expr) Bool(env Env) (bool, error) {
	v, err := e.Eval(env)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, &Error{Text: fmt.Sprintf("a condition must be true or false, this is %s", short(v))}
	}
	return b, nil
}

func short(v any) string {
	data, err := json.Marshal(v)
	if err != nil || len(data) > 60 {
		return fmt.Sprintf("a %T", v)
	}
	return string(data)
}

// patcher puts what bare names stand for in their place.
type patcher struct {
	names Names
}

// Visit implements ast.Visitor.
func (p *patcher) Visit(node *ast.Node) {
	id, ok := (*node).(*ast.IdentifierNode)
	if !ok {
		return
	}
	if path, ok := p.names[id.Value]; ok {
		ast.Patch(node, member(path, id.Value))
	}
}

// member is path.name, or path alone where it is a whole one ("run.id").
func member(path, name string) ast.Node {
	if root, is := strings.CutPrefix(path, "="); is {
		return &ast.IdentifierNode{Value: root}
	}
	parts := strings.Split(path, ".")
	var n ast.Node = &ast.IdentifierNode{Value: parts[0]}
	if len(parts) == 1 {
		parts = append(parts, name)
	}
	for _, part := range parts[1:] {
		n = &ast.MemberNode{Node: n, Property: &ast.StringNode{Value: part}}
	}
	return n
}
