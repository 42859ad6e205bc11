package workflow_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// kinds are enough of the language for the tests of the language itself.
func kinds() workflow.Kinds {
	labels := func(c *source.Value) []string {
		var out []string
		if cases := c.Get("cases"); cases != nil {
			for _, x := range cases.Items {
				out = append(out, x.Get("outcome").Str)
			}
		}
		if d := c.Get("default"); d != nil {
			out = append(out, d.Str)
		}
		return out
	}
	return workflow.NewKinds(
		workflow.Kind{Type: "data", Subtype: "set", SubtypeField: "data_type", InMap: true, Outcomes: []string{"success"}, Fields: []workflow.Field{{Name: "values", Type: workflow.FieldObject, Required: true}}},
		workflow.Kind{Type: "action", Subtype: "api_call", SubtypeField: "action_type", InMap: true, Effect: true, Secrets: true, Outcomes: []string{"success"}, Fields: []workflow.Field{
			{Name: "url", Type: workflow.FieldString, Required: true},
			{Name: "method", Type: workflow.FieldString, Enum: []string{"GET", "POST"}},
			{Name: "body", Type: workflow.FieldAny},
			{Name: "wait", Type: workflow.FieldDuration},
		}},
		workflow.Kind{Type: "action", Subtype: "llm", SubtypeField: "action_type", Outcomes: []string{"success"}, Ephemeral: true, Durable: []string{"tokens_in"}, Fields: []workflow.Field{{Name: "prompt", Type: workflow.FieldString}}},
		workflow.Kind{Type: "judgment", Labels: labels, Outcomes: []string{"true", "false"}, Fields: []workflow.Field{
			{Name: "expr", Type: workflow.FieldExpr},
			{Name: "default", Type: workflow.FieldString, Constant: true},
			{Name: "cases", Type: workflow.FieldList, Fields: []workflow.Field{{Name: "outcome", Type: workflow.FieldString, Constant: true, Required: true}, {Name: "when", Type: workflow.FieldExpr, Required: true}}},
		}},
		workflow.Kind{Type: "approval", Stores: true, Outcomes: []string{"approved", "rejected", "expired"}, Plain: []string{"approved"}, Fields: []workflow.Field{{Name: "title", Type: workflow.FieldString}}},
		workflow.Kind{Type: "map", Outcomes: []string{"success", "partial"}, Fields: []workflow.Field{
			{Name: "items", Type: workflow.FieldAny, Required: true}, {Name: "as", Type: workflow.FieldString}, {Name: "nodes", Type: workflow.FieldNodes, Required: true},
		}},
		workflow.Kind{Type: "stop", Fields: []workflow.Field{{Name: "status", Type: workflow.FieldString}}},
	)
}

func read(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string,
) *workflow.Graph {
	t.Helper()
	docs, p := workflow.Read("w.yaml", []byte(text), kinds())
	if len(docs) > 0 && docs[0].Workflow != nil && p.Empty() {
		if g := workflow.Check(docs[0].Workflow, kinds(), p); g != nil {
			return g
		}
	}
	t.Fatalf("%v\n%s", p.List(), text)
	return nil
}

const head = "workflow_id: w\ninputs: {topic: {type: string}, n: {type: integer, default: 3}}\nvars: {limit: 2}\n"

func TestCheckFinds(t *testing.T) {
	t.Parallel()
	set := "type: data, data_type: set, config: {values: {}}"
	cases := map[string]struct{ text, want string }{
		"fine":               {"nodes: [{node_id: a, " + set + "}]", ""},
		"unknown key":        {"nodes:\n  - {node_id: a, " + set + ", tiemout: 5s}", `w.yaml:5:68: the node a has no field "tiemout"; did you mean timeout?`},
		"unknown type":       {"nodes:\n  - {node_id: a, type: dta}", `w.yaml:5:18: there is no node type "dta"; did you mean data?`},
		"unknown subtype":    {"nodes:\n  - {node_id: a, type: data, data_type: sett}", `there is no data_type "sett"; did you mean set?`},
		"no subtype":         {"nodes:\n  - {node_id: a, type: data}", `needs data_type: one of set`},
		"alias":              {"nodes: [{node_id: a, type: http, config: {url: x}}, {node_id: b, type: condition, config: {expr: 'n > 1'}}]", ""},
		"alias and subtype":  {"nodes: [{node_id: a, type: http, action_type: llm, config: {url: x}}]", "type http is action api_call already"},
		"no next":            {"nodes: [{node_id: a, " + set + ", next: bb}, {node_id: b, " + set + "}]", `there is no node "bb"; did you mean b?`},
		"outcome":            {"nodes: [{node_id: a, type: judgment, config: {cases: [{outcome: good, when: 'n > 1'}], default: thin}, next: {goood: b}}, {node_id: b, " + set + "}]", `never ends with "goood", but with true, false, good, thin; did you mean good?`},
		"cycle":              {"nodes: [{node_id: a, " + set + ", next: b}, {node_id: b, " + set + ", next: a}]", "circle: a -> b -> a"},
		"twice":              {"nodes: [{node_id: a, " + set + "}, {node_id: a, " + set + "}]", `there is a node "a" already`},
		"twice, referred to": {"nodes: [{node_id: a, " + set + "}, {node_id: a, " + set + "}, {node_id: s, type: data, data_type: set, config: {values: {x: '{{ outputs.a.x }}'}}}]", `there is a node "a" already`},
		"input":              {"nodes: [{node_id: a, type: data, data_type: set, config: {values: {x: '{{ inputs.topc }}'}}}]", `there is no input "topc"; did you mean topic?`},
		"bare":               {"nodes: [{node_id: a, type: data, data_type: set, config: {values: {x: '{{ topc }}'}}}]", "topc is not known here (character 4); did you mean topic?"},
		"output":             {"nodes: [{node_id: a, " + set + "}, {node_id: b, type: judgment, config: {expr: 'outputs.aa.x == 1'}}]", `there is no node "aa"; did you mean a?`},
		"not before":         {"nodes: [{node_id: a, " + set + ", when: 'n > 1', next: b}, {node_id: b, join: always, type: judgment, config: {expr: 'outputs.a.x == 1'}}]", "a need not have run before; did you mean outputs.a?.x?"},
		"maybe":              {"nodes: [{node_id: a, " + set + ", when: 'n > 1', next: b}, {node_id: b, join: always, type: judgment, config: {expr: 'outputs.a?.x == 1'}}]", ""},
		"any":                {"nodes: [{node_id: r, " + set + ", next: [a, b]}, {node_id: a, " + set + ", next: c}, {node_id: b, " + set + ", next: c}, {node_id: c, join: any, type: judgment, config: {expr: 'outputs.r.x == outputs.a.x'}}]", "a need not have run before"},
		"secret":             {"nodes: [{node_id: a, type: action, action_type: api_call, config: {url: '{{secrets.KEY}}'}}, {node_id: b, " + set + ", when: 'secrets.KEY == \"x\"'}]", "a secret can be used in the config"},
		"item":               {"nodes: [{node_id: a, " + set + ", when: 'item.x == 1'}]", "item is known inside of a map only"},
		"in map":             {"nodes: [{node_id: m, type: map, config: {items: '{{ [1] }}', nodes: [{node_id: a, type: approval}]}}]", "a node of type approval cannot be inside of a map"},
		"map":                {"nodes: [{node_id: r, " + set + "}, {node_id: m, type: map, config: {items: '{{ [1] }}', nodes: [{node_id: a, " + set + "}, {node_id: b, type: data, data_type: set, config: {values: {y: '{{ outputs.a.x + outputs.r.x + item }}'}}}]}}]", ""},
		"said, stored":       {"nodes: [{node_id: a, type: llm, config: {prompt: x}}, {node_id: b, type: approval, config: {title: '{{ outputs.a.text }}'}}]", "b would store what the node a was told"},
		"said, looked at":    {"nodes: [{node_id: a, type: llm, config: {prompt: x}}, {node_id: b, type: approval, when: 'len(outputs.a.text) > 3', config: {title: '{{ outputs.a.tokens_in }}'}}]", ""},
		"map as":             {"nodes: [{node_id: m, type: map, config: {items: '{{ [1] }}', as: row, nodes: [{node_id: a, " + set + ", when: 'row.x == 1 and row == item'}]}}]", ""},
		"map as taken":       {"nodes: [{node_id: m, type: map, config: {items: '{{ [1] }}', as: topic, nodes: [{node_id: a, " + set + "}]}}]", "as: topic hides a name"},
		"map as elsewhere":   {"nodes: [{node_id: m, type: map, config: {items: '{{ [1] }}', as: row, nodes: [{node_id: a, " + set + "}]}}, {node_id: b, " + set + ", when: 'row == 1'}]", "row is not known here"},
		"out of map":         {"nodes: [{node_id: m, type: map, config: {items: '{{ [1] }}', nodes: [{node_id: a, " + set + "}]}}, {node_id: z, " + set + ", when: 'outputs.a.x == 1'}]", `there is no node "a"`},
		"type":               {"nodes: [{node_id: a, type: http, config: {url: 5, method: PUTT}}]", "url must be a string, not an integer"},
		"enum":               {"nodes: [{node_id: a, type: http, config: {url: x, method: POTS}}]", "method must be one of GET, POST; did you mean POST?"},
		"required":           {"nodes: [{node_id: a, type: http}]", "config of a needs url"},
		"duration":           {"nodes: [{node_id: a, type: http, config: {url: x}, timeout: 5 minutes}]", "timeout must be a duration"},
		"error":              {"nodes: [{node_id: a, " + set + ", when: 'error.code == \"x\"'}]", "error is known in retry.when and in handlers only"},
		"on error":           {"nodes: [{node_id: a, " + set + ", on_error: h}, {node_id: h, " + set + ", when: 'error.code == \"x\"'}]", ""},
		"result":             {"nodes: [{node_id: a, " + set + ", outputs: {x: 'result.y'}, when: 'result.y'}]", "result is known in a node's outputs only"},
		"dsl":                {"dsl: 2\nnodes: [{node_id: a, " + set + "}]", "version 2 of the language"},
		"retry":              {"nodes: [{node_id: a, " + set + ", retry: {max_attempts: 21, on: [http_5x]}}]", "max_attempts must be a whole number from 1 to 20"},
		"constant":           {"nodes: [{node_id: a, type: judgment, config: {cases: [], default: '{{ topic }}'}}]", "default cannot be computed"},
		"concurrency":        {"concurrency: {key: '{{ outputs.a.x }}'}\nnodes: [{node_id: a, " + set + "}]", "outputs.a is not known before the run begins"},
		"outputs":            {"outputs: {x: '{{ outputs.a.x }}'}\nnodes: [{node_id: a, " + set + ", when: 'n > 1'}]", "a need not have run before"},
		"bare outputs":       {"outputs: {x: outputs.a.x, y: outputs.b.x}\nnodes: [{node_id: a, " + set + "}]", `there is no node "b"`},
		"sure outputs":       {"outputs: {x: '{{ outputs.a.x }}'}\nnodes: [{node_id: a, " + set + "}]", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs, p := workflow.Read("w.yaml", []byte(head+c.text), kinds())
			if len(docs) == 1 {
				workflow.Check(docs[0].Workflow, kinds(), p)
			}
			var all []string
			for _, x := range p.List() {
				all = append(all, x.String())
			}
			got := strings.Join(all, "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

// play runs a graph in memory. script says how a node ends: an outcome, "!" for a
// failure, "~" for a wait and then the rest. After each step the state goes through
// its durable form.
func play(t interface {
	Helper()
	Fatalf(string, ...any)
}, g *workflow.Graph, script map[string]string, pick func(n int) int,
) (workflow.State, []string) {
	t.Helper()
	s, at := workflow.Begin(), time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	var log []string
	sc := workflow.Scope{Inputs: map[string]any{"n": int64(3), "topic": nil}, Vars: map[string]any{"limit": int64(2)}}
	must := func(err error) {
		if err != nil {
			t.Fatalf("%v after %v", err, log)
		}
	}
	for range 10_000 {
		must(g.Advance(&s, sc, at))
		data, err := json.Marshal(s)
		must(err)
		again := workflow.State{}
		must(json.Unmarshal(data, &again))
		s = again.Clone()
		at = at.Add(time.Second)
		if s.Phase == workflow.PhaseOver {
			return s, log
		}
		var can []*workflow.Step
		for _, status := range []workflow.NodeStatus{workflow.NodeReady, workflow.NodeRunning, workflow.NodeWaiting} {
			can = append(can, g.With(s, status)...)
		}
		if len(can) == 0 {
			t.Fatalf("nothing can go on in phase %s after %v: %v", s.Phase, log, s.Nodes)
		}
		step := can[pick(len(can))]
		how := script[step.ID]
		log = append(log, step.ID)
		switch {
		case s.Status(step.ID) == workflow.NodeReady:
			must(s.StartNode(step.ID, at))
			log = log[:len(log)-1]
		case s.Status(step.ID) == workflow.NodeRunning && strings.HasPrefix(how, "~"):
			must(s.ParkNode(step.ID, workflow.Wait{For: workflow.WaitTimer}, at))
			log = log[:len(log)-1]
		case strings.TrimPrefix(how, "~") == "!":
			must(g.Fail(&s, step.ID, workflow.Failure{Code: "bad", Message: "it broke"}, at))
		case strings.TrimPrefix(how, "~") == "stop":
			must(g.Succeed(&s, step.ID, workflow.Done{Outcome: "success"}, at))
			s.Stop(workflow.ResultSkipped, "enough")
		default:
			outcome := strings.TrimPrefix(how, "~")
			if outcome == "" {
				outcome = "success"
				if len(step.Kind.Outcomes) > 0 {
					outcome = step.Kind.Outcomes[0]
				}
			}
			must(g.Succeed(&s, step.ID, workflow.Done{Outcome: outcome, Outputs: map[string]any{"x": int64(1)}}, at))
		}
	}
	t.Fatalf("no end after %d steps", len(log))
	return s, log
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	n := func(id, more string) string {
		return "  - {node_id: " + id + ", type: data, data_type: set, config: {values: {}}" + more + "}\n"
	}
	judge := func(id, more string) string {
		return "  - {node_id: " + id + ", type: judgment, config: {expr: 'true'}" + more + "}\n"
	}
	approve := func(id, more string) string { return "  - {node_id: " + id + ", type: approval" + more + "}\n" }
	cases := map[string]struct {
		top, nodes string
		script     map[string]string
		result     workflow.Result
		log, want  string // want: nodes with their states that are not COMPLETED
	}{
		"in order":        {"", n("a", "") + n("b", "") + n("c", ""), nil, "COMPLETED", "a b c", ""},
		"branch":          {"", judge("j", `, next: {"true": b, "false": c}`) + n("b", "") + n("c", ""), nil, "COMPLETED", "j b", "c SKIPPED"},
		"join all":        {"", judge("j", `, next: {"true": b, "false": c}`) + n("b", ", next: d") + n("c", ", next: d") + n("d", ""), nil, "COMPLETED", "j b", "c SKIPPED, d SKIPPED"},
		"join any":        {"", judge("j", `, next: {"true": b, "false": c}`) + n("b", ", next: d") + n("c", ", next: d") + n("d", ", join: any"), nil, "COMPLETED", "j b d", "c SKIPPED"},
		"join always":     {"", judge("j", `, next: {"true": b, "false": c}`) + n("b", ", next: d") + n("c", ", next: d") + n("d", ", join: always"), nil, "COMPLETED", "j b d", "c SKIPPED"},
		"both to one":     {"", judge("j", `, next: {"true": b, "false": b}`) + n("b", ""), nil, "COMPLETED", "j b", ""},
		"when":            {"", n("a", ", when: 'n > 5'") + n("b", ""), nil, "COMPLETED", "", "a SKIPPED, b SKIPPED"},
		"failure":         {"", n("a", "") + n("b", "") + n("c", ""), map[string]string{"b": "!"}, "FAILED", "a b", "b FAILED"},
		"continue":        {"", n("a", "") + n("b", ", on_error: continue") + n("c", ""), map[string]string{"b": "!"}, "COMPLETED", "a b c", "b FAILED"},
		"handler node":    {"", n("a", ", on_error: h, next: b") + n("b", "") + n("h", ""), map[string]string{"a": "!"}, "COMPLETED", "a h", "a FAILED, b SKIPPED"},
		"handler unused":  {"", n("a", ", on_error: h, next: b") + n("b", "") + n("h", ""), nil, "COMPLETED", "a b", "h SKIPPED"},
		"workflow's":      {"on_error: h\n", n("a", "") + n("b", "") + n("h", ""), map[string]string{"a": "!"}, "FAILED", "a h", "a FAILED"},
		"handler fails":   {"on_error: h\n", n("a", "") + n("h", ""), map[string]string{"a": "!", "h": "!"}, "FAILED", "a h", "a FAILED, h FAILED"},
		"handler goes on": {"on_error: h\n", n("a", "") + n("h", ", next: i") + n("i", ""), map[string]string{"a": "!"}, "FAILED", "a h i", "a FAILED"},
		"undo":            {"compensation: auto\n", n("a", ", compensate: ua, next: b") + n("b", ", compensate: ub, next: c") + n("c", ", compensate: uc") + n("ua", "") + n("ub", "") + n("uc", ""), map[string]string{"c": "!"}, "FAILED", "a b c ub ua", "a COMPENSATED, b COMPENSATED, c FAILED"},
		"undo fails":      {"compensation: auto\non_error: h\n", n("a", ", compensate: ua, next: b") + n("b", ", compensate: ub, next: c") + n("c", "") + n("ua", "") + n("ub", "") + n("h", ""), map[string]string{"c": "!", "ub": "!"}, "FAILED", "a b c ub ua h", "a COMPENSATED, c FAILED, ub FAILED"},
		"approved":        {"", approve("a", "") + n("b", ""), map[string]string{"a": "~approved"}, "COMPLETED", "a b", ""},
		"rejected":        {"", approve("a", "") + n("b", ""), map[string]string{"a": "~rejected"}, "FAILED", "a", "a FAILED"},
		"rejected to":     {"", approve("a", ", next: {approved: b, rejected: c}") + n("b", "") + n("c", ""), map[string]string{"a": "~rejected"}, "COMPLETED", "a c", "b SKIPPED"},
		"stop":            {"", judge("j", `, next: {"true": s, "false": b}`) + n("s", ", next: b") + n("b", ", join: any"), map[string]string{"s": "stop"}, "SKIPPED", "j s", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := read(t, head+c.top+"nodes:\n"+c.nodes)
			s, log := play(t, g, c.script, func(int) int { return 0 })
			var rest []string
			for _, step := range g.Steps {
				code := ""
				if step.Node.When != "" && s.Status(step.ID) == workflow.NodeSkipped {
					code = "condition_false"
				} else if s.Status(step.ID) == workflow.NodeSkipped {
					code = "not_reached"
				}
				if got := workflow.SkipCode(s.Nodes[step.ID].Reason); got != code {
					t.Errorf("%s is skipped as %q, want %q", step.ID, got, code)
				}
				if st := s.Status(step.ID); st != workflow.NodeCompleted && st != workflow.NodePending {
					rest = append(rest, fmt.Sprintf("%s %s", step.ID, st))
				}
			}
			got := fmt.Sprintf("%s: %s: %s", s.Result, strings.Join(log, " "), strings.Join(rest, ", "))
			want := fmt.Sprintf("%s: %s: %s", c.result, c.log, c.want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDeadEndSaysWhoRejected: a rejection that leads nowhere is a person's word, not
// a fault of the workflow.
func TestDeadEndSaysWhoRejected(t *testing.T) {
	t.Parallel()
	for want, done := range map[string]workflow.Done{
		"rejected by ann; no edge leads on from that outcome":         {Outcome: "rejected", Outputs: map[string]any{"decided_by": "ann"}},
		"rejected; no edge leads on from that outcome":                {Outcome: "rejected", Outputs: map[string]any{"decided_by": nil}},
		`it ended with "expired"; no edge leads on from that outcome`: {Outcome: "expired"},
	} {
		g := read(t, head+"nodes:\n  - {node_id: a, type: approval}\n  - {node_id: b, type: data, data_type: set, config: {values: {}}}\n")
		s, at := workflow.Begin(), time.Unix(1000, 0)
		if err := g.Advance(&s, workflow.Scope{}, at); err != nil {
			t.Fatal(err)
		}
		if err := s.StartNode("a", at); err != nil {
			t.Fatal(err)
		}
		if err := g.Succeed(&s, "a", done, at); err != nil {
			t.Fatal(err)
		}
		n := s.Nodes["a"]
		if n.Status != workflow.NodeFailed || n.Error == nil || n.Error.Code != done.Outcome || n.Error.Message != want {
			t.Errorf("%+v, want %q", n.Error, want)
		}
	}
}

// TestAnyGraphEnds plays random graphs with random outcomes in random order: a run
// ends, nobody works any more, and what completed had all it needed.
func TestAnyGraphEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 9).Draw(t, "size")
		var b strings.Builder
		b.WriteString(head)
		if rapid.Bool().Draw(t, "undo") {
			b.WriteString("compensation: auto\n")
		}
		b.WriteString("nodes:\n")
		script := map[string]string{}
		for i := range size {
			id := fmt.Sprintf("n%d", i)
			fmt.Fprintf(&b, "  - {node_id: %s, join: %s", id, rapid.SampledFrom([]string{"all", "any", "always"}).Draw(t, "join"))
			var deps []string
			for j := range i {
				if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
					deps = append(deps, fmt.Sprintf("n%d", j))
				}
			}
			if len(deps) > 0 {
				fmt.Fprintf(&b, ", depends_on: [%s]", strings.Join(deps, ", "))
			}
			if rapid.IntRange(0, 4).Draw(t, "continue") == 0 {
				b.WriteString(", on_error: continue")
			}
			if rapid.IntRange(0, 5).Draw(t, "when") == 0 {
				b.WriteString(", when: 'n > 5'")
			}
			script[id] = rapid.SampledFrom([]string{"", "", "~", "!", "~!", ""}).Draw(t, "end")
			if rapid.Bool().Draw(t, "approval") {
				b.WriteString(", type: approval}\n")
				if script[id] == "~" {
					script[id] = rapid.SampledFrom([]string{"~approved", "~rejected"}).Draw(t, "decision")
				}
				continue
			}
			b.WriteString(", type: data, data_type: set, config: {values: {}}}\n")
		}
		g := read(t, b.String())
		s, log := play(t, g, script, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") })
		for id, n := range s.Nodes {
			if !n.Status.Terminal() {
				t.Fatalf("%s is %s at the end", id, n.Status)
			}
		}
		if (s.Result == workflow.ResultFailed) != (s.Error != nil) {
			t.Fatalf("%s with error %v", s.Result, s.Error)
		}
		for i, id := range log {
			if slices.Contains(log[:i], id) {
				t.Fatalf("%s ran twice: %v", id, log)
			}
		}
	})
}

func TestMapState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7}).Draw(t, "order")
		m := workflow.MapState{Total: 8}
		for i, item := range order {
			m = m.Finish(item, nil)
			if m.Processed() != i+1 || !m.Done(item) {
				t.Fatalf("after %v: %+v", order[:i+1], m)
			}
			m = m.Finish(item, &workflow.FailedItem{Index: item}) // a second end changes nothing
		}
		if m.Next != 8 || len(m.Above) != 0 || len(m.Failed) != 0 {
			t.Fatalf("%+v", m)
		}
	})
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1d6h": 30 * time.Hour, "PT15M": 15 * time.Minute,
		"P1D": 24 * time.Hour, "P1W": 168 * time.Hour, "P1DT2H": 26 * time.Hour, "PT0.5S": 500 * time.Millisecond, "250ms": 250 * time.Millisecond,
	} {
		got, ok := workflow.ParseDuration(text)
		if !ok || got != want {
			t.Errorf("%s: got %v %v, want %v", text, got, ok, want)
		}
		if again, ok := workflow.ParseDuration(workflow.FormatDuration(got)); !ok || again != got {
			t.Errorf("%s is written as %s", text, workflow.FormatDuration(got))
		}
	}
	for _, text := range []string{"", "5", "P", "PT", "P1M", "P1Y", "5 minutes", "d", "-1d", "PT5", "1d-1h", "99999999999d"} {
		if got, ok := workflow.ParseDuration(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(head + "nodes: [{node_id: a, type: http, config: {url: '{{ topic }}'}}]")
	f.Add(`{"workflow_id":"w","nodes":[{"node_id":"m","type":"map","config":{"items":"{{ [1] }}","nodes":[{"node_id":"a","type":"data","data_type":"set","config":{"values":{"x":"{{item}}"}}}]}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		docs, p := workflow.Read("w", []byte(text), kinds())
		for _, d := range docs {
			if d.Workflow == nil {
				continue
			}
			g := workflow.Check(d.Workflow, kinds(), p)
			if (g == nil) == p.Empty() {
				t.Fatalf("graph %v with problems %v", g != nil, p.List())
			}
		}
	})
}
