package workflow_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/workflow"
)

// TestReasons: what is said of a document has its sentence and the values of it.
func TestReasons(t *testing.T) {
	t.Parallel()
	text := `workflow_id: w
colour: red
max_parallel: 900
timeout: soon
labels: {team: 7}
inputs:
  n: {type: strin}
  m: {type: integer, default: x}
nodes:
- node_id: a
  type: data
  data_type: set
  config: {values: {x: "{{ inputs.q }}"}}
- node_id: a
  type: stop
  depends_on: z
  config: {status: COMPLETED, reason: [1]}
- node_id: c
  type: judgment
`
	docs, p := workflow.Read("w.yaml", []byte(text), kinds())
	workflow.Check(docs[0].Workflow, kinds(), p)
	got := map[string]map[string]string{}
	for _, x := range p.List() {
		if !slices.Contains(workflow.Codes, x.Code) {
			t.Errorf("%s is no code: %s", x.Code, x)
		}
		if x.Reason != "" && !slices.Contains(workflow.Reasons, x.Reason) {
			t.Errorf("%s is no reason: %s", x.Reason, x)
		}
		got[x.Reason] = x.Values
	}
	if d := cmp.Diff(map[string]map[string]string{
		"unknown_key":               {"what": "a workflow", "name": "colour"},
		"whole_number_out_of_range": {"name": "max_parallel", "min": "1", "max": "64"},
		"wrong_form":                {"name": "timeout", "wanted": "duration"},
		"wrong_type":                {"name": "labels.team", "wanted": "string", "given": "integer"},
		"unknown_value":             {"name": "type", "known": "string, integer, number, boolean, array, object, date, datetime, duration"},
		"wrong_default":             {"name": "m", "problem": "must be a whole number"},
		"duplicate_node":            {"name": "a", "place": "10:3"},
	}, got); d != "" {
		t.Error(d)
	}
}

// TestCodes: the codes that are listed are those that the code has.
func TestCodes(t *testing.T) {
	t.Parallel()
	// Codes of sentences, of words of their own, and of kinds of nodes.
	code := regexp.MustCompile(`= rule\{"(\w+)", |\.say\([^"\n]*, "(\w+)", |Problem\{Code: "(\w+)"|\breport\([^"\n]*, "(\w+)", `)
	found := map[string]bool{}
	for _, folder := range []string{".", "../node"} {
		if err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if folder != "." && !strings.Contains(string(text), "report func(") {
				return nil
			}
			for _, m := range code.FindAllStringSubmatch(string(text), -1) {
				found[strings.Join(m[1:], "")] = true
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(found)), slices.Sorted(slices.Values(workflow.Codes))); d != "" {
		t.Error(d)
	}
}
