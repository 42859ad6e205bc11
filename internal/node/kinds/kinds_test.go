package kinds_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/runsheet/runsheet/internal/node/kinds"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/draw"
	"github.com/runsheet/runsheet/internal/workflow/plan"
	"github.com/runsheet/runsheet/internal/workflow/schema"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

var update = flag.Bool("update", false, "rewrite golden files")

const examples = "../../../examples/workflows"

// TestExamples: the examples are valid, and their canonical form is the same from
// YAML and from JSON, byte for byte.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(examples, "*"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".test.yaml") {
			continue // it has no workflow; internal/engine/rehearsal plays it
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			one := canonical(t, file, text)
			again := canonical(t, "canonical.yaml", one.YAML())
			if string(again.YAML()) != string(one.YAML()) {
				t.Errorf("YAML differs when it is read again:\n%s\n---\n%s", one.YAML(), again.YAML())
			}
			fromJSON := canonical(t, "canonical.json", one.JSON(true))
			if string(fromJSON.YAML()) != string(one.YAML()) || string(fromJSON.JSON(false)) != string(one.JSON(false)) {
				t.Errorf("YAML -> JSON -> YAML differs:\n%s\n---\n%s", one.YAML(), fromJSON.YAML())
			}
		})
	}
}

func canonical(t *testing.T, name string, text []byte) *source.Value {
	t.Helper()
	registry := kinds.Registry()
	docs, p := workflow.Read(name, text, registry)
	for _, d := range docs {
		if d.Kind == workflow.KindWorkflow && d.Workflow != nil {
			workflow.Check(d.Workflow, registry, p)
		}
	}
	for _, x := range p.List() {
		t.Error(x)
	}
	if t.Failed() || len(docs) == 0 {
		t.FailNow()
	}
	return docs[0].Workflow.Canonical(registry)
}

func TestKindsAreDocumented(t *testing.T) {
	t.Parallel()
	for _, k := range kinds.All() {
		if k.Doc == "" || len(k.Outcomes) == 0 && k.Labels == nil {
			t.Errorf("%s: Doc %q, outcomes %v", k.Name(), k.Doc, k.Outcomes)
		}
	}
}

func compiled(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema.JSON(kinds.Registry())))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(schema.ID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schema.ID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaAcceptsExamples: as they are written, and in their canonical form.
func TestSchemaAcceptsExamples(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	files, err := filepath.Glob(filepath.Join(examples, "*"))
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".test.yaml") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := source.Read(file, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range append(docs, canonical(t, file, text)) {
			if err := s.Validate(generic(t, d)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// generic is a value as encoding/json reads it.
func generic(t testing.TB, v *source.Value) any {
	t.Helper()
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(v.JSON(false)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSchemaIsStrict: what the language refuses for its shape, the schema refuses.
func TestSchemaIsStrict(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	const head = `{"workflow_id":"w","nodes":[`
	for text, good := range map[string]bool{
		head + `{"node_id":"a","type":"data","data_type":"set","config":{"values":{"x":1}}}]}`:                                                  true,
		head + `{"node_id":"a","type":"data/set","config":{"values":"{{inputs.x}}"}}]}`:                                                         true,
		head + `{"node_id":"a","type":"condition","config":{"expr":"true"}}]}`:                                                                  true,
		head + `{"node_id":"a","type":"http","config":{"url":"https://e.example","method":"POST"}}]}`:                                           true,
		head + `{"node_id":"a","type":"http","config":{"method":"POST"}}]}`:                                                                     false,
		head + `{"node_id":"a","type":"http","config":{"url":"https://e.example","method":"FETCH"}}]}`:                                          false,
		head + `{"node_id":"a","type":"data","data_type":"set","config":{"values":{"x":1},"more":1}}]}`:                                         false,
		head + `{"node_id":"a","type":"data","data_type":"set"}]}`:                                                                              false,
		head + `{"node_id":"a","type":"data","config":{"values":{}}}]}`:                                                                         false,
		head + `{"node_id":"a","type":"data","data_type":"sets","config":{"values":{}}}]}`:                                                      false,
		head + `{"node_id":"a","type":"stop","data_type":"set","config":{"status":"FAILED"}}]}`:                                                 false,
		head + `{"node_id":"a","type":"stop","config":{"status":"{{x}}"}}]}`:                                                                    false,
		head + `{"node_id":"a","type":"stop","config":{"status":"FAILED"},"depend_on":"b"}]}`:                                                   false,
		head + `{"node_id":"A b","type":"stop","config":{"status":"FAILED"}}]}`:                                                                 false,
		head + `{"node_id":"a","type":"wait","wait_type":"duration","config":{"for":"10m"}}]}`:                                                  true,
		head + `{"node_id":"a","type":"wait","wait_type":"duration","config":{"for":"soon"}}]}`:                                                 false,
		head + `{"node_id":"m","type":"map","config":{"items":"{{[1]}}","nodes":[{"node_id":"a","type":"data/set","config":{}}]}}]}`:            false,
		head + `{"node_id":"m","type":"map","config":{"items":"{{[1]}}","nodes":[{"node_id":"a","type":"data/set","config":{"values":{}}}]}}]}`: true,
		head + `]}`:           false,
		`{"workflow_id":"w"}`: false,
		`{"workflow_id":"w","nodes":[],"timezone":"x"}`: false,
		`{"kind":"Schedule","anything":1}`:              true,
		`{"kind":"Other","anything":1}`:                 false,
		`[]`:                                            false,
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); (err == nil) != good {
			t.Errorf("%s: %v, want accepted %v", text, err, good)
		}
	}
}

// TestSchemaDocumentsEverything: each property of the schema has a description.
func TestSchemaDocumentsEverything(t *testing.T) {
	t.Parallel()
	var doc map[string]any
	if err := json.Unmarshal(schema.JSON(kinds.Registry()), &doc); err != nil {
		t.Fatal(err)
	}
	defs, _ := doc["$defs"].(map[string]any)
	if len(defs) < 20 {
		t.Fatalf("%d definitions", len(defs))
	}
	var look func(where string, s map[string]any)
	look = func(where string, s map[string]any) {
		properties, _ := s["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			p, _ := properties[name].(map[string]any)
			if d, _ := p["description"].(string); d == "" {
				t.Errorf("%s.%s has no description", where, name)
			}
			look(where+"."+name, p)
			for _, branch := range asList(p["anyOf"]) {
				look(where+"."+name, branch)
			}
			if items, ok := p["items"].(map[string]any); ok {
				look(where+"."+name, items)
			}
		}
	}
	for name, d := range defs {
		s, _ := d.(map[string]any)
		look(name, s)
	}
}

func asList(v any) []map[string]any {
	list, _ := v.([]any)
	var out []map[string]any
	for _, x := range list {
		if m, ok := x.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func graph(t *testing.T, file string) *workflow.Graph {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, file))
	if err != nil {
		t.Fatal(err)
	}
	docs, p := workflow.Read(file, text, kinds.Registry())
	g := workflow.Check(docs[0].Workflow, kinds.Registry(), p)
	if g == nil {
		t.Fatal(p.List())
	}
	return g
}

// golden compares with a file, or writes it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is old, see -update (-want +got):\n%s", file, diff)
	}
}

// TestPlansAndPictures: what is said and drawn of each example.
func TestPlansAndPictures(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"nightly_story.yaml", "rebalance_core.yaml", "model_canary.json", "etl_customers.yaml"} {
		g := graph(t, file)
		text, err := json.MarshalIndent(plan.Of(g), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(file, ".")
		golden(t, filepath.Join("testdata", name+".plan.json"), append(text, '\n'))
		golden(t, filepath.Join("testdata", name+".graph.txt"), []byte(draw.Tree(g)+"\n"+draw.Mermaid(g)+"\n"+draw.DOT(g)))
	}
}
