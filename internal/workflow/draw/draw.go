// Package draw shows the graph of a workflow as text: for Mermaid, for Graphviz, and
// as a tree for a terminal. It is pure.
package draw

import (
	"fmt"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/plan"
)

// Mermaid returns a flowchart.
func Mermaid(g *workflow.Graph) string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	mermaid(&b, g, "  ")
	return b.String()
}

func mermaid(b *strings.Builder, g *workflow.Graph, indent string) {
	for _, s := range g.Steps {
		label := mermaidText(s.ID + "\n" + s.Kind.Name())
		switch {
		case s.Body != nil:
			fmt.Fprintf(b, "%ssubgraph %s[\"%s\"]\n", indent, mermaidID(s.ID), label)
			mermaid(b, s.Body, indent+"  ")
			fmt.Fprintf(b, "%send\n", indent)
		case s.Type == "judgment":
			fmt.Fprintf(b, "%s%s{\"%s\"}\n", indent, mermaidID(s.ID), label)
		case s.Type == "approval" || s.Type == "wait":
			fmt.Fprintf(b, "%s%s([\"%s\"])\n", indent, mermaidID(s.ID), label)
		default:
			fmt.Fprintf(b, "%s%s[\"%s\"]\n", indent, mermaidID(s.ID), label)
		}
	}
	for _, s := range g.Steps {
		for _, e := range s.Out {
			if e.Outcome == "" {
				fmt.Fprintf(b, "%s%s --> %s\n", indent, mermaidID(e.From), mermaidID(e.To))
				continue
			}
			fmt.Fprintf(b, "%s%s -->|\"%s\"| %s\n", indent, mermaidID(e.From), mermaidText(e.Outcome), mermaidID(e.To))
		}
		if s.Compensate != "" {
			fmt.Fprintf(b, "%s%s -.->|\"compensate\"| %s\n", indent, mermaidID(s.ID), mermaidID(s.Compensate))
		}
	}
}

// mermaidID is an id that is no word of Mermaid's, such as end.
func mermaidID(id string) string { return "n_" + mermaidWords.Replace(id) }

var mermaidWords = strings.NewReplacer("_", "__", "-", "_d") // read-only

var mermaidEscapes = strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "\n", "<br/>", "\r", " ", "`", "#96;") // read-only

func mermaidText(text string) string { return mermaidEscapes.Replace(text) }

// DOT returns a graph for Graphviz.
func DOT(g *workflow.Graph) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=TB;\n  node [shape=box, style=rounded];\n", quote(g.Definition.ID))
	dot(&b, g, "  ")
	b.WriteString("}\n")
	return b.String()
}

func dot(b *strings.Builder, g *workflow.Graph, indent string) {
	for _, s := range g.Steps {
		shape := ""
		switch s.Type {
		case "judgment":
			shape = ", shape=diamond"
		case "approval", "wait":
			shape = ", shape=ellipse"
		}
		fmt.Fprintf(b, "%s%s [label=%s%s];\n", indent, quote(s.ID), quote(s.ID+"\n"+s.Kind.Name()), shape)
		if s.Body != nil {
			fmt.Fprintf(b, "%ssubgraph %s {\n%s  label=%s;\n", indent, quote("cluster_"+s.ID), indent, quote("for each item of "+s.ID))
			dot(b, s.Body, indent+"  ")
			fmt.Fprintf(b, "%s}\n", indent)
			for _, first := range s.Body.Roots() {
				fmt.Fprintf(b, "%s%s -> %s [style=dotted];\n", indent, quote(s.ID), quote(first.ID))
			}
		}
	}
	for _, s := range g.Steps {
		for _, e := range s.Out {
			label := ""
			if e.Outcome != "" {
				label = " [label=" + quote(e.Outcome) + "]"
			}
			fmt.Fprintf(b, "%s%s -> %s%s;\n", indent, quote(e.From), quote(e.To), label)
		}
		if s.Compensate != "" {
			fmt.Fprintf(b, "%s%s -> %s [label=%s, style=dashed];\n", indent, quote(s.ID), quote(s.Compensate), quote("compensate"))
		}
	}
}

var dotEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", " ") // read-only

func quote(text string) string { return `"` + dotEscapes.Replace(text) + `"` }

// Tree returns a line for each node, in an order in which they may run, with where
// it leads.
func Tree(g *workflow.Graph) string {
	var b strings.Builder
	tree(&b, g, "")
	return b.String()
}

func tree(b *strings.Builder, g *workflow.Graph, indent string) {
	steps := plan.Order(g)
	for i, s := range steps {
		branch, below := "├─ ", "│  "
		if i == len(steps)-1 {
			branch, below = "└─ ", "   "
		}
		fmt.Fprintf(b, "%s%s%s (%s)", indent, branch, s.ID, s.Kind.Name())
		if s.Handler {
			b.WriteString(" [handler]")
		}
		for n, e := range s.Out {
			switch {
			case n == 0:
				b.WriteString(" -> ")
			default:
				b.WriteString(", ")
			}
			if e.Outcome != "" {
				b.WriteString(e.Outcome + ": ")
			}
			b.WriteString(e.To)
		}
		b.WriteString("\n")
		if s.Body != nil {
			tree(b, s.Body, indent+below)
		}
	}
}
