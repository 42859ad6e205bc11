package expression_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/workflow/expression"
)

var names = expression.Names{"topic": "inputs", "limit": "vars", "run_id": "run.id"}

func env() expression.Env {
	return expression.Env{
		Inputs: map[string]any{"topic": "cells", "n": int64(3)},
		Vars:   map[string]any{"limit": 2.5},
		Outputs: map[string]any{
			"a": map[string]any{"list": []any{int64(1), int64(2)}, "rows": []any{map[string]any{"tags": []any{"x", "y"}}}},
		},
		Run: map[string]any{"id": "run_1"}, Workflow: map[string]any{}, Context: map[string]any{},
		Item: map[string]any{"id": int64(7)}, Index: 4, Now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		Secrets: map[string]string{"KEY": "s"},
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	cases := map[string]any{
		`len(outputs.a.list) >= 2`: true,
		`topic + "!"`:              "cells!",
		`limit * 2`:                int64(5),
		`run_id`:                   "run_1",
		`outputs.b?.field`:         nil,
		`outputs.b?.field.deeper`:  nil,
		`outputs.b?.error == nil and outputs.a.list[0] == 1`: true,
		`now()`:                       "2026-03-02T09:00:00Z",
		`item.id + index`:             int64(11),
		`round_to(2.345, 1)`:          2.3,
		`round_to(inputs.n / 2, 0)`:   int64(2),
		`sha256("a")`:                 "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
		`json({"b": 1, "a": [true]})`: `{"a":[true],"b":1}`,
		`map(outputs.a.list, # * 2)`:  []any{int64(2), int64(4)},
		`filter(outputs.a.rows, any(#.tags, # == "y"))`: []any{map[string]any{"tags": []any{"x", "y"}}},
		`let x = outputs.a.list; x[0] + x[1]`:           int64(3),
		`lower("AB")`:                                   "ab",
		`duration("90s")`:                               "1m30s",
		`date("2026-01-02") < now()`:                    true,
		`secrets.KEY`:                                   "s",
		`{"a": {"b": [1]}}`:                             map[string]any{"a": map[string]any{"b": []any{int64(1)}}},
		`1 == 1.0`:                                      true,
	}
	for text, want := range cases {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			e, err := expression.Compile(text, names)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Eval(env())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		offset  int
		text    string
		suggest string
	}{
		`topc == "x"`:    {0, "topc is not known here", "topic"},
		`1 + ouputs.a.b`: {4, "ouputs is not known here", "outputs"},
		`len(outputs)`:   {4, "needs the name of a node", ""},
		`outputs[topic]`: {0, "must be named", ""},
		`secrets`:        {0, "needs a name", ""},
		`map(outputs.a.x, count(outputs.a.y, # == 1))`: {17, "for each element of another", ""},
		`map(1..10, map(1..1000000, #))`:               {11, "for each element of another", ""},
		`let inputs = 1; inputs`:                       {4, "hides a name", ""},
		`rond_to(1, 2)`:                                {0, "there is no function rond_to", "round_to"},
		`1 +`:                                          {2, "unexpected token EOF", ""},
		``:                                             {0, "empty", ""},
		strings.Repeat("1+", expression.MaxLength) + "1": {0, "at most", ""},
	}
	for text, want := range cases {
		t.Run(text[:min(len(text), 50)], func(t *testing.T) {
			t.Parallel()
			_, err := expression.Compile(text, names)
			wrong, ok := errors.AsType[*expression.Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if wrong.Offset != want.offset || !strings.Contains(wrong.Text, want.text) || wrong.Suggest != want.suggest {
				t.Errorf("got %d %q %q, want %+v", wrong.Offset, wrong.Text, wrong.Suggest, want)
			}
		})
	}
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	large := make([]any, 2000)
	for i := range large {
		large[i] = strings.Repeat("x", 1000)
	}
	e := env()
	e.Outputs["big"] = map[string]any{"list": large}
	for _, text := range []string{
		`map(1..10000000, #)`, `repeat("x", 100000000)`, `outputs.big.list`, `count(1..3000000, true)`, `join(outputs.big.list)`,
		`1 / 0`, `outputs.a.list[9]`, `outputs.a.list.x`, `int("x")`, `outputs.missing.field.x`,
	} {
		x, err := expression.Compile(text, names)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := x.Eval(e); err == nil {
			t.Errorf("%s: no error, but a %T", text, got)
		}
	}
}

func TestRefs(t *testing.T) {
	t.Parallel()
	tpl, err := expression.ParseTemplate(`ü {{outputs.a?.b["c"].d}} {{ topic }}{{ len(item.x[index]) }} {{ run_id }}`, names)
	if err != nil {
		t.Fatal(err)
	}
	type ref struct {
		path string
		at   int
	}
	var got []ref
	for _, r := range tpl.Refs() {
		got = append(got, ref{r.String(), r.Offset})
	}
	want := []ref{{"outputs.a.b.c.d", 4}, {"inputs.topic", 29}, {"item.x", 44}, {"index", 51}, {"run.id", 65}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ref{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]bool{false, true, false, false, false}, tpl.Refs()[0].Optional); diff != "" {
		t.Error(diff)
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	cases := map[string]any{
		`{{ inputs.n }}`:            int64(3),
		`{{inputs.n}} of {{limit}}`: "3 of 2.5",
		`plain`:                     "plain",
		`{{"{{"}} and {{'}}'}}`:     "{{ and }}",
		`{{ {"a": {"b": 1}} }}`:     map[string]any{"a": map[string]any{"b": int64(1)}},
		`x {{ outputs.a.list }}`:    "x [1,2]",
		`x{{ outputs.b?.y }}`:       "x",
	}
	for text, want := range cases {
		tpl, err := expression.ParseTemplate(text, names)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := tpl.Eval(env())
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	if _, err := expression.ParseTemplate(`a {{ b`, names); err == nil || !strings.Contains(err.Error(), "{{ without }}") {
		t.Errorf("got %v", err)
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`a {{ outputs.a?.list[0] }} {{"}}"}}`)
	f.Add(`{{ map(1..3, # + inputs.n) }}`)
	f.Fuzz(func(_ *testing.T, text string) {
		tpl, err := expression.ParseTemplate(text, names)
		if err != nil {
			return
		}
		_, _ = tpl.Eval(env())
	})
}
