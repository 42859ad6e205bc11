package workflow

import (
	"maps"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// OutcomeError is the outcome of a node that failed, where somebody goes on from
// there: on_error names a node, or is continue.
const OutcomeError = "error"

// Graph is a checked definition: its nodes with one set of edges and compiled
// expressions. It is safe for concurrent use.
type Graph struct {
	Definition *Definition
	// Steps are in the order of the document.
	Steps []*Step
	// Outputs of the run.
	Outputs []NamedTemplate
	// Key of the concurrency, nil = none.
	Key  *expression.Template
	byID map[string]*Step
	// always are the nodes that complete in each run that completes.
	always map[string]bool
}

// Step is a node with what was made of it.
type Step struct {
	Node
	Kind Kind
	// In and Out are the edges, each once.
	In, Out []Edge
	// Handler says that no edge leads here, only on_error or compensate does.
	Handler bool
	When    *expression.Expr // nil = true
	// Config has a template in the place of each leaf that has {{ }}.
	Config    Leaf
	Resources []*expression.Template
	Outputs   []NamedExpr // nil = the whole result
	Key       *expression.Template
	RetryWhen *expression.Expr
	// Body is the graph of a map's nodes, nil for others.
	Body *Graph
	// sure are the nodes that have outputs whenever this one starts.
	sure map[string]bool
	// reads are the outputs that its expressions read, secrets the names of the secrets.
	reads []expression.Ref
	// given are those of them that are in its config.
	given   []expression.Ref
	secrets []string
}

// Given returns the references to outputs of nodes in the step's own config.
func (s *Step) Given() []expression.Ref { return s.given }

// Secrets returns the names of the secrets in the step's config.
func (s *Step) Secrets() []string { return s.secrets }

// Reads returns the references to outputs of nodes in the step's expressions, also in
// those of a map's body.
func (s *Step) Reads() []expression.Ref {
	out := s.reads
	if s.Body != nil {
		for _, inner := range s.Body.Steps {
			out = append(slices.Clip(out), inner.Reads()...)
		}
	}
	return out
}

// Ends are the outcomes that the step can have, but for OutcomeError.
func (s *Step) Ends() []string {
	known := slices.Clone(s.Kind.Outcomes)
	if s.Kind.Labels != nil {
		known = append(known, s.Kind.Labels(s.Node.Config)...)
	}
	return known
}

// Edge leads from one node to another.
type Edge struct {
	From, To string
	// Outcome on which it is taken; "" = on those of Kind.Plain.
	Outcome string
	Pos     source.Pos
}

// NamedTemplate is a name with a template.
type NamedTemplate struct {
	Name     string
	Template *expression.Template
}

// NamedExpr is a name with an expression.
type NamedExpr struct {
	Name string
	Expr *expression.Expr
}

// Step returns a node; nil if there is none.
func (g *Graph) Step(id string) *Step { return g.byID[id] }

// Roots are the nodes with which a run begins.
func (g *Graph) Roots() []*Step {
	var out []*Step
	for _, s := range g.Steps {
		if len(s.In) == 0 && !s.Handler {
			out = append(out, s)
		}
	}
	return out
}

// Descendants are the nodes that can be reached from id, with it, in the order of
// the document.
func (g *Graph) Descendants(id string) []string {
	seen := map[string]bool{id: true}
	todo := []string{id}
	for len(todo) > 0 {
		s := g.byID[todo[0]]
		todo = todo[1:]
		for _, e := range s.Out {
			if !seen[e.To] {
				seen[e.To] = true
				todo = append(todo, e.To)
			}
		}
	}
	var out []string
	for _, s := range g.Steps {
		if seen[s.ID] {
			out = append(out, s.ID)
		}
	}
	return out
}

// Taken reports whether an edge is taken when its source ended with outcome.
func (g *Graph) Taken(e Edge, outcome string) bool {
	if e.Outcome != "" {
		return e.Outcome == outcome
	}
	from := g.byID[e.From]
	if outcome == OutcomeError {
		return from.OnError == OnErrorContinue
	}
	return from.Kind.Plain == nil || slices.Contains(from.Kind.Plain, outcome)
}

// Handled reports whether a run goes on in order when id ends with outcome: it is a
// plain one, or there is an edge for it.
func (g *Graph) Handled(id, outcome string) bool {
	s := g.byID[id]
	return s.Kind.Plain == nil || slices.Contains(s.Kind.Plain, outcome) ||
		slices.ContainsFunc(s.Out, func(e Edge) bool { return e.Outcome == outcome })
}

// builder makes a graph.
type builder struct {
	d     *Definition
	kinds Kinds
	p     *Problems
	g     *Graph
	names expression.Names
	// twice: an id is there more than once.
	twice bool
	// outer is the step of the map whose body this is, nil = the workflow itself.
	outer *Step
	// above is the graph around it.
	above *Graph
}

// link makes the edges: those of next, depends_on and on_error, or, where there are
// none of the former two, from each node to the next one in the document.
func (b *builder) link() {
	written := slices.ContainsFunc(b.g.Steps, func(s *Step) bool { return len(s.DependsOn)+len(s.Next) > 0 })
	seen := map[Edge]bool{}
	add := func(from, to, outcome string, pos source.Pos, at *Step) {
		if !b.exists(from, pos, at) || !b.exists(to, pos, at) {
			return
		}
		e := Edge{From: from, To: to, Outcome: outcome}
		if seen[e] {
			return
		}
		seen[e] = true
		e.Pos = pos
		b.outcome(e, at)
		b.g.byID[from].Out = append(b.g.byID[from].Out, e)
		b.g.byID[to].In = append(b.g.byID[to].In, e)
	}
	for _, s := range b.g.Steps {
		for _, n := range s.Next {
			add(s.ID, n.Node, n.Outcome, n.Pos, s)
		}
		for _, n := range s.DependsOn {
			add(n.Node, s.ID, n.Outcome, n.Pos, s)
		}
	}
	caught := b.handlers()
	if !written {
		var last *Step
		for _, s := range b.g.Steps {
			if s.Handler || caught[s.ID] {
				continue
			}
			if last != nil {
				add(last.ID, s.ID, "", s.Pos, s)
			}
			last = s
		}
	}
	for _, s := range b.g.Steps {
		if s.OnError != OnErrorFail && s.OnError != OnErrorContinue {
			add(s.ID, s.OnError, OutcomeError, s.places["on_error"], s)
		}
	}
}

func (b *builder) ids() []string {
	out := make([]string, 0, len(b.g.Steps))
	for _, s := range b.g.Steps {
		out = append(out, s.ID)
	}
	return out
}

func (b *builder) exists(id string, pos source.Pos, at *Step) bool {
	if b.g.byID[id] != nil {
		return true
	}
	b.p.near(spot{pos, at.ID, ruleNode}, id, b.ids(), id)
	return false
}

// outcome checks the label of an edge.
func (b *builder) outcome(e Edge, at *Step) {
	from := b.g.byID[e.From]
	if e.Outcome == "" || e.Outcome == OutcomeError && from.OnError != OnErrorFail {
		return
	}
	known := from.Ends()
	if from.Kind.Type != "" && !slices.Contains(known, e.Outcome) {
		b.p.near(spot{e.Pos, at.ID, ruleOutcome}, e.Outcome, known, e.From, e.Outcome, strings.Join(known, ", "))
	}
}

// handlers finds the nodes that only the workflow's on_error and compensate lead to,
// and returns those that a node's on_error leads to.
func (b *builder) handlers() map[string]bool {
	caught := map[string]bool{}
	mark := func(id string, pos source.Pos, at string) {
		s := b.g.byID[id]
		if s == nil {
			b.p.near(spot{pos, at, ruleNode}, id, b.ids(), id)
			return
		}
		s.Handler = len(s.In) == 0
	}
	if b.outer == nil && b.d.OnError != "" {
		mark(b.d.OnError, b.d.Pos, "")
	}
	for _, s := range b.g.Steps {
		if s.OnError != OnErrorFail && s.OnError != OnErrorContinue {
			caught[s.OnError] = true
		}
		if s.Compensate != "" {
			mark(s.Compensate, s.places["compensate"], s.ID)
		}
	}
	return caught
}

// order returns the steps so that each comes behind those before it, or reports a
// cycle.
func (b *builder) order() ([]*Step, bool) {
	const open, closed = 1, 2
	state := map[string]int{}
	var out []*Step
	var path []string
	var visit func(s *Step) bool
	visit = func(s *Step) bool {
		switch state[s.ID] {
		case closed:
			return true
		case open:
			cycle := append(slices.Clone(path[slices.Index(path, s.ID):]), s.ID)
			b.p.at(s.Pos, s.ID, ruleCycle, strings.Join(cycle, " -> "))
			return false
		}
		state[s.ID] = open
		path = append(path, s.ID)
		for _, e := range s.In {
			if !visit(b.g.byID[e.From]) {
				return false
			}
		}
		path = path[:len(path)-1]
		state[s.ID] = closed
		out = append(out, s)
		return true
	}
	for _, s := range b.g.Steps {
		if !visit(s) {
			return nil, false
		}
	}
	return out, true
}

// surely computes for each step which nodes have outputs when it starts. An edge of
// the outcome error says nothing of its source.
func (b *builder) surely(order []*Step) {
	for _, s := range order {
		var sure map[string]bool
		for i, e := range s.In {
			from := b.g.byID[e.From]
			via := maps.Clone(from.sure)
			if e.Outcome != OutcomeError || from.OnError == OnErrorContinue {
				via[e.From] = true
			}
			switch {
			case s.Join == JoinAlways:
				via = map[string]bool{}
			case s.Join == JoinAny && i > 0:
				maps.DeleteFunc(sure, func(id string, _ bool) bool { return !via[id] })
				continue
			}
			if sure == nil {
				sure = map[string]bool{}
			}
			maps.Copy(sure, via)
		}
		if sure == nil {
			sure = map[string]bool{}
		}
		if b.outer != nil {
			maps.Copy(sure, b.outer.sure)
		}
		s.sure = sure
	}
	for _, s := range b.g.Steps { // what undoes a node sees what that has seen
		if c := b.g.byID[s.Compensate]; s.Compensate != "" && c != nil && c.Handler {
			maps.Copy(c.sure, s.sure)
			c.sure[s.ID] = true
		}
	}
	b.g.always = map[string]bool{}
	for _, s := range order {
		if b.certain(s) {
			b.g.always[s.ID] = true
		}
	}
}

// certain reports whether a step has outputs in each run that completes.
func (b *builder) certain(s *Step) bool {
	if s.Handler || s.When != nil || s.Node.When != "" {
		return false
	}
	for _, e := range s.In {
		from := b.g.byID[e.From]
		if e.Outcome != "" || !b.g.always[e.From] || from.OnError != OnErrorFail && from.OnError != OnErrorContinue {
			return false
		}
	}
	return true
}
