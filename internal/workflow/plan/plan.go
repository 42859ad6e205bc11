// Package plan tells in advance what a workflow will do: in which order, under which
// locks, with which secrets, where it calls out and where it needs a person. It is
// pure and computes nothing that only a run knows: values with {{ }} stay as they
// are written.
package plan

import (
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Plan is what is known of a workflow's runs.
type Plan struct {
	WorkflowID string
	// Nodes are in an order in which they may run; those of a map stand behind it.
	Nodes []Node
	Edges []Edge
	// Locks, Secrets and Calls are each sorted by their first node's place.
	Locks   []Use
	Secrets []Use
	Calls   []Call
	People  []Person
}

// Node is a step.
type Node struct {
	ID, Type, Subtype string
	// Within is the map that it belongs to, "" = none.
	Within string
	// Handler: only on_error or compensate leads to it.
	Handler bool
	When    string
	// Attempts are at most made.
	Attempts int
	Locks    []string
}

// Edge leads from a node to another one; Outcome "" = on every good one.
type Edge struct{ From, To, Outcome string }

// Use is a name that nodes use.
type Use struct {
	Name  string
	Nodes []string
}

// Call is a node that reaches for something outside of the server.
type Call struct {
	Node, Kind string
	// Target is the address, program or recipient as it is written, "" = the server's
	// settings say.
	Target string
	// Effect: it changes something there.
	Effect bool
}

// Person is a node that waits for somebody.
type Person struct {
	Node string
	// Why is approval, or crash: somebody has to say what an attempt did whose server
	// died.
	Why string
	// Who may decide, as it is written; empty = all who may decide approvals.
	Who []string
}

// Reasons for which a person is needed.
const (
	WhyApproval = "approval"
	WhyCrash    = "crash"
)

// Of makes the plan of a checked workflow.
func Of(g *workflow.Graph) Plan {
	p := Plan{WorkflowID: g.Definition.ID}
	p.add(g, "")
	return p
}

func (p *Plan) add(g *workflow.Graph, within string) {
	for _, s := range Order(g) {
		n := Node{ID: s.ID, Type: s.Type, Subtype: s.Subtype, Within: within, Handler: s.Handler, When: s.Node.When, Attempts: max(1, s.Retry.MaxAttempts)}
		for _, r := range s.Node.Resources {
			n.Locks = append(n.Locks, r.Text)
			p.Locks = use(p.Locks, r.Text, s.ID)
		}
		p.Nodes = append(p.Nodes, n)
		for _, e := range s.Out {
			p.Edges = append(p.Edges, Edge{e.From, e.To, e.Outcome})
		}
		p.secrets(s, s.Config)
		p.outside(s)
		p.people(s)
		if s.Body != nil {
			p.add(s.Body, s.ID)
		}
	}
}

// Order returns the steps of a graph so that each comes behind those before it, and
// otherwise as the document has them; handlers are last.
func Order(g *workflow.Graph) []*workflow.Step {
	open := map[string]int{}
	for _, s := range g.Steps {
		open[s.ID] = len(s.In)
	}
	var out []*workflow.Step
	for _, handlers := range []bool{false, true} {
		for {
			i := slices.IndexFunc(g.Steps, func(s *workflow.Step) bool {
				n, left := open[s.ID]
				return left && n == 0 && s.Handler == handlers
			})
			if i < 0 {
				break
			}
			s := g.Steps[i]
			delete(open, s.ID)
			out = append(out, s)
			for _, e := range s.Out {
				if n, left := open[e.To]; left {
					open[e.To] = n - 1
				}
			}
		}
	}
	for _, s := range g.Steps { // what only follows a handler
		if _, left := open[s.ID]; left {
			out = append(out, s)
		}
	}
	return out
}

func use(list []Use, name, node string) []Use {
	for i, u := range list {
		if u.Name == name {
			if !slices.Contains(u.Nodes, node) {
				list[i].Nodes = append(u.Nodes, node)
			}
			return list
		}
	}
	return append(list, Use{name, []string{node}})
}

func (p *Plan) secrets(s *workflow.Step, l workflow.Leaf) {
	var refs []expression.Ref
	if l.Template != nil {
		refs = append(refs, l.Template.Refs()...)
	}
	if l.Expr != nil {
		refs = append(refs, l.Expr.Refs()...)
	}
	for _, r := range refs {
		if r.Root() == "secrets" {
			name := "*" // computed: any of them
			if len(r.Path) > 1 {
				name = r.Path[1]
			}
			p.Secrets = use(p.Secrets, name, s.ID)
		}
	}
	for _, part := range l.Parts {
		p.secrets(s, part)
	}
}

// targets are the fields that say where a node leads, the first one that is there.
var targets = []string{ // read-only
	"url", "endpoint", "argv", "to", "path", "source", "registry", "model", "template_id", "workflow_id", "deployment_id", "model_id", "strategy_id", "strategy", "plan", "account",
}

func (p *Plan) outside(s *workflow.Step) {
	if !s.Kind.Effect && !s.Kind.Secrets {
		return
	}
	c := Call{Node: s.ID, Kind: s.Kind.Name(), Effect: s.Kind.Effect}
	for _, name := range targets {
		if v := s.Node.Config.Get(name); v != nil {
			c.Target = written(v)
			break
		}
	}
	p.Calls = append(p.Calls, c)
}

// written is a value on one line.
func written(v *source.Value) string {
	switch v.Kind {
	case source.String:
		return v.Str
	case source.List:
		parts := make([]string, 0, len(v.Items))
		for _, item := range v.Items {
			parts = append(parts, written(item))
		}
		return strings.Join(parts, " ")
	case source.Null, source.Bool, source.Int, source.Float, source.Map:
	}
	return string(v.JSON(false))
}

func (p *Plan) people(s *workflow.Step) {
	if s.Type == "approval" {
		who := Person{Node: s.ID, Why: WhyApproval}
		if v := s.Node.Config.Get("approvers"); v != nil {
			if v.Kind != source.List {
				who.Who = append(who.Who, written(v))
			}
			for _, item := range v.Items {
				who.Who = append(who.Who, written(item))
			}
		}
		p.People = append(p.People, who)
	}
	if s.Node.OnCrash == workflow.CrashAsk {
		p.People = append(p.People, Person{Node: s.ID, Why: WhyCrash})
	}
}
