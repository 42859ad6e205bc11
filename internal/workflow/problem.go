package workflow

import (
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Problem is something wrong in a document, at its place.
type Problem struct {
	File string
	Pos  source.Pos
	// Node is the node it is about, "" = none.
	Node string
	// Code is stable, for programs: unknown_key, unknown_reference, cycle, ... See Codes.
	Code string
	// Reason is the sentence that Text is, see Reasons; "" = Text is another one.
	Reason string
	// Values are what the sentence of the reason speaks of, by name; nil = nothing.
	Values map[string]string
	Text   string
	// Suggest is what may have been meant.
	Suggest string
}

// same reports whether o says the same of the same place.
func (p Problem) same(o Problem) bool {
	return p.File == o.File && p.Pos == o.Pos && p.Node == o.Node && p.Code == o.Code && p.Text == o.Text && p.Suggest == o.Suggest
}

// String is the line that people read: file:line:column: text; did you mean x?
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Pos != (source.Pos{}) {
		b.WriteString(":" + p.Pos.String())
	}
	b.WriteString(": " + p.Text)
	if p.Suggest != "" {
		b.WriteString("; did you mean " + p.Suggest + "?")
	}
	return b.String()
}

// MaxProblems bounds what one check reports.
const MaxProblems = 100

// Problems collects what is wrong with a document.
type Problems struct {
	File string
	list []Problem
	more int
}

// List returns the problems in the order of the document. The last one says so if
// there were more than MaxProblems.
func (p *Problems) List() []Problem {
	out := slices.Clone(p.list)
	slices.SortStableFunc(out, func(a, b Problem) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Column - b.Pos.Column
	})
	if p.more > 0 {
		last := ruleMore.problem(source.Pos{}, "", p.more)
		last.File = p.File
		out = append(out, last)
	}
	return out
}

// Empty reports whether nothing is wrong.
func (p *Problems) Empty() bool { return len(p.list) == 0 }

func (p *Problems) add(x Problem) {
	x.File = p.File
	if len(p.list) >= MaxProblems {
		p.more++
		return
	}
	if !slices.ContainsFunc(p.list, x.same) {
		p.list = append(p.list, x)
	}
}

func (p *Problems) at(pos source.Pos, node string, r rule, args ...any) {
	p.add(r.problem(pos, node, args...))
}

// say adds a problem in words of its own.
func (p *Problems) say(pos source.Pos, node, code, text string) {
	p.add(Problem{Pos: pos, Node: node, Code: code, Text: text})
}

// spot is a place with what is wrong there.
type spot struct {
	pos  source.Pos
	node string
	rule rule
}

func (p *Problems) near(at spot, word string, known []string, args ...any) {
	x := at.rule.problem(at.pos, at.node, args...)
	x.Suggest = expression.Nearest(word, known)
	p.add(x)
}
