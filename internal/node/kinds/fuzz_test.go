package kinds_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/node/kinds"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/draw"
	"github.com/runsheet/runsheet/internal/workflow/plan"
)

// FuzzDocuments: whatever the file, reading and checking it ends without a panic, and
// an accepted workflow is the same when its canonical form is read again, from YAML and
// from JSON.
func FuzzDocuments(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(examples, "*"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		"workflow_id: w\nnodes:\n- {node_id: a, type: stop, config: {status: FAILED}}\n",
		"workflow_id: w\nvars: {a: &x [1], b: *x}\nnodes:\n- {node_id: a, type: judgment, config: {expr: 'vars.a[0] == 1'}, next: {\"true\": b, \"false\": b}}\n- {node_id: b, type: data/set, config: {values: {x: '{{vars.b}}'}}}\n",
		"workflow_id: w\ninputs: {a: {type: array, items: {type: date}, secret: false, enum: []}}\nnodes: [{node_id: m, type: map, config: {items: '{{inputs.a}}', max_failures: 2%, nodes: [{node_id: x, type: wait, wait_type: duration, config: {for: PT0.5S}}]}}]\n",
		"workflow_id: w\nnodes: [{node_id: a, type: approval, config: {title: t, on_expire: re_request, rewind_to: a, form: {x: {type: integer}}}, on_error: a, compensate: a, depends_on: [a.b]}]\non_error: a\n",
		`{"workflow_id":"w","nodes":[{"node_id":"a","type":"command","config":{"argv":["sh","-c","{{x}}"]}}],"outputs":{"x":"{{outputs.a.y}}"}}`,
	} {
		f.Add([]byte(text))
	}
	registry := kinds.Registry()
	f.Fuzz(func(t *testing.T, text []byte) {
		docs, p := workflow.Read("fuzz.yaml", text, registry)
		for _, d := range docs {
			if d.Workflow == nil {
				continue
			}
			own := &workflow.Problems{File: p.File}
			if !p.Empty() {
				own = p
			}
			g := workflow.Check(d.Workflow, registry, own)
			if g == nil {
				if own.Empty() {
					t.Fatal("refused without a reason")
				}
				continue
			}
			plan.Of(g)
			_, _, _ = draw.Tree(g), draw.Mermaid(g), draw.DOT(g)
			reread(t, g, registry)
		}
	})
}

func reread(t *testing.T, g *workflow.Graph, registry workflow.Kinds) {
	t.Helper()
	want := g.Definition.Canonical(registry)
	for name, form := range map[string][]byte{"c.yaml": want.YAML(), "c.json": want.JSON(false)} {
		docs, p := workflow.Read(name, form, registry)
		if len(docs) != 1 || docs[0].Workflow == nil {
			t.Fatalf("%s cannot be read again: %v\n%s", name, p.List(), form)
		}
		again := workflow.Check(docs[0].Workflow, registry, p)
		if again == nil {
			t.Fatalf("%s is refused: %v\n%s", name, p.List(), form)
		}
		if got := docs[0].Workflow.Canonical(registry); string(got.JSON(false)) != string(want.JSON(false)) {
			t.Fatalf("%s differs:\n%s\n---\n%s", name, want.JSON(true), got.JSON(true))
		}
		if !workflow.Compare(g, again, registry).Empty() {
			t.Fatalf("%s: %+v", name, workflow.Compare(g, again, registry))
		}
	}
}
