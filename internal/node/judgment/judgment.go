// Package judgment has the node that decides which way a run goes: by one
// expression with true and false, or by the first of several cases that holds.
package judgment

import (
	"context"
	"errors"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Judgment implements node.Node. Make one with New.
type Judgment struct{ ask Asker }

// Asker lets a language model choose one of several words; "" = none of them.
type Asker func(ctx context.Context, c node.Call, model, question string, choices []string) (string, error)

// New returns the node. ask is for judgments by a language model; nil: there is
// none, and they fail.
func New(ask Asker) Judgment { return Judgment{ask: ask} }

// The outcomes of an expression.
const (
	yes = "true"
	no  = "false"
)

// Kind implements node.Node.
func (Judgment) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "judgment", Doc: "decides which way the run goes", OnCrash: workflow.CrashRetry, InMap: true,
		Fields: []workflow.Field{
			{Name: "expr", Type: workflow.FieldExpr, Doc: "true or false"},
			{Name: "cases", Type: workflow.FieldList, Doc: "the first one that holds is the outcome", Fields: []workflow.Field{
				{Name: "outcome", Type: workflow.FieldString, Required: true, Constant: true},
				{Name: "when", Type: workflow.FieldExpr, Required: true},
			}},
			{Name: "llm", Type: workflow.FieldObject, Doc: "a language model chooses", Fields: []workflow.Field{
				{Name: "model", Type: workflow.FieldString},
				{Name: "question", Type: workflow.FieldString, Required: true},
				{Name: "choices", Type: workflow.FieldList, Required: true, Constant: true},
			}},
			{Name: "default", Type: workflow.FieldString, Constant: true, Doc: "the outcome where nothing else is"},
		},
		Labels: labels, Check: check,
		Pure: func(n workflow.Node) bool { return n.Config.Get("llm") == nil },
	}
}

func labels(config *source.Value) []string {
	var out []string
	if config.Get("expr") != nil {
		out = append(out, yes, no)
	}
	if cases := config.Get("cases"); cases != nil {
		for _, c := range cases.Items {
			if o := c.Get("outcome"); o != nil {
				out = append(out, o.Str)
			}
		}
	}
	if choices := config.Get("llm").Get("choices"); choices != nil {
		for _, c := range choices.Items {
			out = append(out, c.Str)
		}
	}
	if d := config.Get("default"); d != nil {
		out = append(out, d.Str)
	}
	return out
}

func check(n workflow.Node, report func(at source.Pos, code, text string)) {
	given := 0
	for _, name := range []string{"expr", "cases", "llm"} {
		if n.Config.Get(name) != nil {
			given++
		}
	}
	if given != 1 {
		report(n.Config.Pos, "required", "a judgment needs one of expr, cases and llm")
	}
	if n.Config.Get("expr") == nil && n.Config.Get("default") == nil {
		report(n.Config.Pos, "required", "cases and llm need a default, for the time when nothing fits")
	}
}

// Run implements node.Node.
func (j Judgment) Run(ctx context.Context, c node.Call) (node.Result, error) {
	if e, ok := c.Config["expr"].(*expression.Expr); ok {
		is, err := e.Bool(c.Env)
		if err != nil {
			return node.Result{}, node.Fatal("expression", err)
		}
		if is {
			return chosen(yes), nil
		}
		return chosen(no), nil
	}
	cases, _ := c.Config["cases"].([]any)
	for _, x := range cases {
		one, _ := x.(map[string]any)
		e, _ := one["when"].(*expression.Expr)
		if e == nil {
			continue
		}
		is, err := e.Bool(c.Env)
		if err != nil {
			return node.Result{}, node.Fatal("expression", err)
		}
		if is {
			outcome, _ := one["outcome"].(string)
			return chosen(outcome), nil
		}
	}
	fallback, _ := c.Config["default"].(string)
	asks, is := c.Config["llm"].(map[string]any)
	if !is {
		return chosen(fallback), nil
	}
	return j.choose(ctx, c, asks, fallback)
}

func (j Judgment) choose(ctx context.Context, c node.Call, asks map[string]any, fallback string) (node.Result, error) {
	if j.ask == nil {
		return node.Result{}, node.Fatal("no_llm", errNoModel)
	}
	model, _ := asks["model"].(string)
	question, _ := asks["question"].(string)
	var choices []string
	list, _ := asks["choices"].([]any)
	for _, x := range list {
		if s, ok := x.(string); ok {
			choices = append(choices, s)
		}
	}
	word, err := j.ask(ctx, c, model, question, choices)
	if err != nil {
		return node.Result{}, err
	}
	if word == "" {
		word = fallback
	}
	return chosen(word), nil
}

func chosen(outcome string) node.Result {
	return node.Result{Outcome: outcome, Value: map[string]any{"outcome": outcome}}
}

var errNoModel = errors.New("no server of language models is configured")
