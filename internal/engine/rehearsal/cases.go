package rehearsal

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Case is a test of a file with its workflow.
type Case struct {
	File  string
	Graph *workflow.Graph
	// Test is what is expected; one without a name stands for a workflow that has no
	// tests, whose nodes' own mocks are all there is.
	Test *workflow.Test
}

// File is a file as it was read and checked.
type File struct {
	Name   string
	Docs   []workflow.Document
	Graphs []*workflow.Graph
}

// Cases are the tests of a file. load reads another file with the workflows of a test;
// what is wrong with that one is load's to tell. A file without tests has a case for
// each of its workflows.
func Cases(f File, load func(path string) (File, error)) ([]Case, []workflow.Problem, error) {
	var out []Case
	var bad []workflow.Problem
	for _, d := range f.Docs {
		if d.Test == nil {
			continue
		}
		of := f
		if d.Test.File != "" {
			var err error
			if of, err = load(filepath.Join(filepath.Dir(f.Name), filepath.FromSlash(d.Test.File))); err != nil {
				return nil, nil, err
			}
		}
		g, problem := find(d.Test, of)
		if g == nil {
			problem.File = f.Name
			bad = append(bad, problem)
			continue
		}
		for _, p := range misfits(d.Test, g) {
			p.File = f.Name
			bad = append(bad, p)
		}
		out = append(out, Case{f.Name, g, d.Test})
	}
	if len(out) == 0 && len(bad) == 0 {
		for _, g := range f.Graphs {
			out = append(out, Case{f.Name, g, &workflow.Test{Pos: g.Definition.Pos}})
		}
	}
	return out, bad, nil
}

// find is the workflow of a test.
func find(t *workflow.Test, f File) (*workflow.Graph, workflow.Problem) {
	var ids []string
	for _, g := range f.Graphs {
		ids = append(ids, g.Definition.ID)
		if t.Workflow == g.Definition.ID || t.Workflow == "" && len(f.Graphs) == 1 {
			return g, workflow.Problem{}
		}
	}
	p := workflow.Problem{Pos: t.Pos, Code: "unknown_workflow"}
	switch {
	case len(f.Graphs) == 0:
		p.Text = "the test " + t.Name + " has no workflow: there is none in " + f.Name
	case t.Workflow == "":
		p.Text = "the test " + t.Name + " does not say which workflow it is for"
	default:
		p.Text, p.Suggest = "there is no workflow \""+t.Workflow+"\" in "+f.Name, expression.Nearest(t.Workflow, ids)
	}
	return nil, p
}

// misfits are names and mocks of a test that do not go with its workflow.
func misfits(t *workflow.Test, g *workflow.Graph) []workflow.Problem {
	steps, ids := map[string]*workflow.Step{}, []string{}
	eachStep(g, func(s *workflow.Step) { steps[s.ID], ids = s, append(ids, s.ID) })
	var out []workflow.Problem
	known := func(id string, pos source.Pos) bool {
		if steps[id] == nil {
			out = append(out, workflow.Problem{Pos: pos, Node: id, Code: "unknown_node", Text: "there is no node \"" + id + "\"", Suggest: expression.Nearest(id, ids)})
		}
		return steps[id] != nil
	}
	for _, m := range t.Mocks {
		if !known(m.Node, m.Pos) {
			continue
		}
		if at, text := steps[m.Node].Misfit(m.Mock); text != "" {
			out = append(out, workflow.Problem{Pos: at, Node: m.Node, Code: "invalid_mock", Text: text})
		}
	}
	e := t.Expect
	for _, w := range []*workflow.Wanted[[]string]{e.Completed, e.Skipped, e.Failed, e.Order, e.Approvals} {
		if w != nil {
			for _, id := range w.Value {
				known(id, w.Pos)
			}
		}
	}
	for _, w := range []*workflow.Wanted[any]{e.Nodes, e.Calls} {
		if w == nil {
			continue
		}
		named, _ := w.Value.(map[string]any)
		for id := range named {
			known(id, w.Pos)
		}
	}
	slices.SortFunc(out, func(a, b workflow.Problem) int { return a.Pos.Line - b.Pos.Line })
	return out
}

// Play plays a case and compares.
func (c Case) Play(ctx context.Context) (Report, []Difference, error) {
	mocks := map[string]workflow.Mock{}
	for _, m := range c.Test.Mocks {
		mocks[m.Node] = m.Mock
	}
	r, err := Play(ctx, Options{Graph: c.Graph, Inputs: c.Test.Inputs, Mocks: mocks, Now: c.Test.Now})
	if err != nil {
		return r, nil, err
	}
	return r, Compare(c.Test, r), nil
}
