package workflow

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// builtins are bare names beside inputs and variables.
var builtins = map[string]string{
	"current_workflow_id": "workflow.id", "current_version": "workflow.version", "run_id": "run.id", "node_id": "run.node_id", "port": "run.port",
}

// Check makes the graph of a definition, or adds to p what is wrong with it. The
// graph is nil if p is not empty, also by what Read has found.
func Check(d *Definition, kinds Kinds, p *Problems) *Graph {
	b := &builder{d: d, kinds: kinds, p: p, names: bareNames(d)}
	ids := map[string]source.Pos{}
	b.unique(d.Nodes, ids)
	b.inputs()
	var g *Graph
	if !b.twice { // who has two nodes of one name has no graph
		if g = b.build(d.Nodes); g != nil {
			b.values()
		}
	}
	if !p.Empty() {
		return nil
	}
	return g
}

func bareNames(d *Definition) expression.Names {
	names := expression.Names{}
	maps.Copy(names, builtins)
	for _, pair := range d.Vars.Pairs {
		names[pair.Key] = "vars"
	}
	for _, in := range d.Inputs {
		if d.Vars.Get(in.Name) != nil {
			names[in.Name] = expression.Ambiguous
			continue
		}
		names[in.Name] = "inputs"
	}
	for _, root := range expression.Roots() {
		delete(names, root)
	}
	return names
}

// unique checks that an id is there once, also inside of maps.
func (b *builder) unique(nodes []Node, ids map[string]source.Pos) {
	for _, n := range nodes {
		if at, twice := ids[n.ID]; twice {
			b.twice = true
			b.p.at(n.Pos, n.ID, ruleTwice, n.ID, at)
		}
		ids[n.ID] = n.Pos
		b.unique(n.Body, ids)
	}
}

// build makes the graph of the workflow, or of a map's body.
func (b *builder) build(nodes []Node) *Graph {
	b.g = &Graph{Definition: b.d, byID: map[string]*Step{}}
	for _, n := range nodes {
		kind, _ := b.kinds.Get(n.Type, n.Subtype)
		s := &Step{Node: n, Kind: kind}
		s.Node.OnCrash = cmp.Or(n.OnCrash, kind.OnCrash, CrashRetry)
		if s.Node.Timeout == 0 && len(n.Body) == 0 { // the run's own bounds a map
			s.Node.Timeout = DefaultNodeTimeout
		}
		b.g.Steps = append(b.g.Steps, s)
		b.g.byID[n.ID] = s
	}
	b.link()
	order, ok := b.order()
	if !ok {
		return nil
	}
	b.surely(order)
	for _, s := range b.g.Steps {
		b.step(s)
	}
	return b.g
}

// step compiles what a node says.
func (b *builder) step(s *Step) {
	if b.outer != nil && s.Kind.Type != "" && !s.Kind.InMap {
		b.p.at(s.places["type"], s.ID, ruleInMap, s.Kind.Name())
	}
	if s.Mocked != nil && s.Kind.Type != "" {
		if at, text := s.Misfit(*s.Mocked); text != "" {
			b.p.say(at, s.ID, "invalid_mock", text)
		}
	}
	if s.Node.When != "" {
		s.When = b.expr(s.Node.When, s.places["when"], s, scope{})
	}
	for _, r := range s.Node.Resources {
		if t := b.template(r.Text, r.Pos, s, scope{}); t != nil {
			s.Resources = append(s.Resources, t)
		}
	}
	if s.IdempotencyKey != "" {
		s.Key = b.template(s.IdempotencyKey, s.places["idempotency_key"], s, scope{})
	}
	if s.Retry.When != "" {
		s.RetryWhen = b.expr(s.Retry.When, s.Retry.Pos, s, scope{failed: true})
	}
	for _, o := range s.Node.Outputs {
		if e := b.expr(o.Text, o.Pos, s, scope{result: true}); e != nil {
			s.Outputs = append(s.Outputs, NamedExpr{o.Name, e})
		}
	}
	s.Config = b.config(s)
	if s.Kind.Check != nil {
		s.Kind.Check(s.Node, func(at source.Pos, code, text string) { b.p.say(at, s.ID, code, text) })
	}
	if s.Body == nil && len(s.Node.Body) > 0 {
		inner := &builder{d: b.d, kinds: b.kinds, p: b.p, names: b.itemNames(s), outer: s, above: b.g}
		s.Body = inner.build(s.Node.Body)
	}
}

// itemNames are the bare names within a map: those outside, and what the map calls its
// item.
func (b *builder) itemNames(s *Step) expression.Names {
	as := s.Node.Config.Get("as")
	if as == nil || as.Kind != source.String || as.Str == "" || as.Str == "item" {
		return b.names
	}
	if _, taken := b.names[as.Str]; taken || slices.Contains(expression.Roots(), as.Str) {
		b.p.at(as.Pos, s.ID, ruleHides, as.Str)
		return b.names
	}
	names := maps.Clone(b.names)
	names[as.Str] = "=item"
	return names
}

// values checks what stands in the document beside the nodes.
func (b *builder) values() {
	none := &Step{sure: b.g.always}
	for _, o := range b.d.Outputs {
		text := o.Text
		if !strings.Contains(text, "{{") { // as in a node's outputs, an expression needs no braces
			text = "{{ " + text + " }}"
		}
		if t := b.template(text, o.Pos, none, scope{}); t != nil {
			b.g.Outputs = append(b.g.Outputs, NamedTemplate{o.Name, t})
		}
	}
	if c := b.d.Concurrency; c != nil {
		before := &Step{}
		if b.g.Key = b.template(c.Key, c.Pos, before, scope{early: true}); strings.TrimSpace(c.Key) == "" {
			b.p.at(c.Pos, "", ruleRequired, "concurrency", "key")
		}
	}
}

// scope says what an expression may read beside inputs, vars and outputs.
type scope struct {
	result  bool     // result
	parts   []string // fields of result that have bare names
	failed  bool     // error
	secrets bool
	early   bool // nothing has run yet
	config  bool // it is a part of the config, which the kind may store
}

func (b *builder) expr(text string, pos source.Pos, s *Step, sc scope) *expression.Expr {
	names := b.names
	if len(sc.parts) > 0 {
		names = maps.Clone(names)
		for _, part := range sc.parts {
			if _, taken := b.names[part]; taken {
				names[part] = expression.Ambiguous
				continue
			}
			names[part] = "result"
		}
	}
	e, err := expression.Compile(text, names)
	if err != nil {
		b.wrong(err, pos, s)
		return nil
	}
	b.refs(e.Refs(), pos, s, sc)
	return e
}

func (b *builder) template(text string, pos source.Pos, s *Step, sc scope) *expression.Template {
	t, err := expression.ParseTemplate(text, b.names)
	if err != nil {
		b.wrong(err, pos, s)
		return nil
	}
	b.refs(t.Refs(), pos, s, sc)
	return t
}

func (b *builder) wrong(err error, pos source.Pos, s *Step) {
	e, ok := err.(*expression.Error) //nolint:errorlint // it comes bare
	if !ok {
		b.p.say(pos, s.ID, "expression", err.Error())
		return
	}
	x := ruleExpression.problem(pos, s.ID, e.Text, e.Offset+1)
	x.Suggest = e.Suggest
	b.p.add(x)
}

// refs checks that everything an expression reads is there when it runs.
func (b *builder) refs(list []expression.Ref, pos source.Pos, s *Step, sc scope) {
	for _, r := range list {
		switch r.Root() {
		case "inputs":
			if len(r.Path) > 1 && !slices.ContainsFunc(b.d.Inputs, func(in Input) bool { return in.Name == r.Path[1] }) {
				known := make([]string, 0, len(b.d.Inputs))
				for _, in := range b.d.Inputs {
					known = append(known, in.Name)
				}
				b.p.near(spot{pos, s.ID, ruleNoInput}, r.Path[1], known, r.Path[1])
			}
		case "vars":
			if len(r.Path) > 1 && b.d.Vars.Get(r.Path[1]) == nil {
				known := make([]string, 0, len(b.d.Vars.Pairs))
				for _, v := range b.d.Vars.Pairs {
					known = append(known, v.Key)
				}
				b.p.near(spot{pos, s.ID, ruleNoVariable}, r.Path[1], known, r.Path[1])
			}
		case "outputs":
			b.output(r, pos, s, sc)
		case "item", "index":
			if b.outer == nil {
				b.p.at(pos, s.ID, ruleMapOnly, r.Root())
			}
		case "result":
			if !sc.result {
				b.p.at(pos, s.ID, ruleNoResult)
			}
		case "error":
			if !sc.failed && !s.Handler && !slices.ContainsFunc(s.In, func(e Edge) bool { return e.Outcome == OutcomeError }) {
				b.p.at(pos, s.ID, ruleNoError)
			}
		case "secrets":
			switch {
			case sc.secrets && len(r.Path) > 1:
				if !slices.Contains(s.secrets, r.Path[1]) {
					s.secrets = append(s.secrets, r.Path[1])
				}
			case sc.secrets:
				b.p.at(pos, s.ID, ruleSecretName)
			default:
				b.p.at(pos, s.ID, ruleSecret)
			}
		}
	}
}

// output checks a reference to what a node gave.
func (b *builder) output(r expression.Ref, pos source.Pos, s *Step, sc scope) {
	if len(r.Path) < 2 {
		return
	}
	id := r.Path[1]
	s.reads = append(s.reads, r)
	if sc.config {
		s.given = append(s.given, r)
	}
	target, known := b.g.byID[id], b.ids()
	if target == nil && b.above != nil {
		target = b.above.byID[id]
		for _, o := range b.above.Steps {
			known = append(known, o.ID)
		}
	}
	switch {
	case target == nil:
		b.p.near(spot{pos, s.ID, ruleNoOutput}, id, known, id)
	case sc.early:
		b.p.at(pos, s.ID, ruleEarly, id)
	case sc.config && s.Kind.Stores && target.Kind.Ephemeral && len(target.Node.Outputs) == 0 && (len(r.Path) == 2 || !slices.Contains(target.Kind.Durable, r.Path[2])):
		b.p.at(pos, s.ID, ruleStored, s.ID, id)
	case id == s.ID:
		b.p.at(pos, s.ID, ruleOwn)
	case len(r.Path) == 2 || s.sure[id] || r.Optional[1]:
	default:
		rest := strings.Join(r.Path[2:], ".")
		x := ruleMaybe.problem(pos, s.ID, id)
		x.Suggest = fmt.Sprintf("outputs.%s?.%s", id, rest)
		b.p.add(x)
	}
}
