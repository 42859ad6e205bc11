package rehearsal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/engine/rehearsal"
	"github.com/runsheet/runsheet/internal/node/kinds"
	"github.com/runsheet/runsheet/internal/workflow"
)

const examples = "../../../examples/workflows"

// file reads and checks a file.
func file(t testing.TB, name string, text []byte) rehearsal.File {
	t.Helper()
	registry := kinds.Registry()
	docs, p := workflow.Read(name, text, registry)
	f := rehearsal.File{Name: name, Docs: docs}
	for _, d := range docs {
		if d.Workflow != nil {
			if g := workflow.Check(d.Workflow, registry, p); g != nil {
				f.Graphs = append(f.Graphs, g)
			}
		}
	}
	if !p.Empty() {
		t.Fatalf("%s: %v", name, p.List())
	}
	return f
}

// load reads a file for rehearsal.Cases.
func load(t testing.TB) func(string) (rehearsal.File, error) {
	return func(path string) (rehearsal.File, error) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return file(t, path, text), nil
	}
}

// TestExamples plays the tests of the four examples.
func TestExamples(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(filepath.Join(examples, "*"))
	if err != nil || len(names) < 5 {
		t.Fatal(names, err)
	}
	played := map[string]int{}
	for _, name := range names {
		if strings.HasSuffix(name, "model_canary.json") {
			continue // its tests are in a file of their own
		}
		f, _ := load(t)(name)
		cases, problems, err := rehearsal.Cases(f, load(t))
		if err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
		for _, c := range cases {
			played[c.Graph.Definition.ID]++
			t.Run(c.Graph.Definition.ID+"/"+c.Test.Name, func(t *testing.T) {
				t.Parallel()
				if c.Test.Name == "" {
					t.Fatal("the example has no tests")
				}
				r, differences, err := c.Play(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range differences {
					t.Errorf("%s:%s: %s", c.File, d.Pos, d.Text)
				}
				if t.Failed() {
					for _, l := range r.Lines {
						t.Logf("%-12s %-14s %-10s %s", l.At.Sub(r.Began), l.NodeID, l.State, l.Text)
					}
				}
			})
		}
	}
	for _, id := range []string{"nightly_story", "rebalance_core", "model_canary", "etl_customers"} {
		if played[id] < 3 {
			t.Errorf("%s has %d tests", id, played[id])
		}
	}
}
