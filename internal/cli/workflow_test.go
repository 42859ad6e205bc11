package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// offline runs a command that knows of no server.
func offline(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	var out, errs strings.Builder
	code := Main(t.Context(), args, strings.NewReader(""), &out, &errs, Options{Version: "test", Env: func(string) (string, bool) { return "", false }})
	return code, out.String(), errs.String()
}

// TestWorkflowFiles: what needs no server.
func TestWorkflowFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "hello.yaml")
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"init", file}, 0, "wrote"},
		{[]string{"init", file}, 2, "there already"},
		{[]string{"validate", file}, 0, "is valid"},
		{[]string{"fmt", file, "--check"}, 1, "not in its canonical form"},
		{[]string{"fmt", file, "--write"}, 0, ""},
		{[]string{"fmt", file, "--check"}, 0, ""},
		{[]string{"fmt", file, "--to-json"}, 0, `"workflow_id": "hello"`},
		{[]string{"graph", file}, 0, "long_enough (judgment) -> true: done, false: too_short"},
		{[]string{"graph", file, "--as", "mermaid"}, 0, "flowchart TD"},
		{[]string{"graph", file, "--as", "dot"}, 0, `digraph "hello"`},
		{[]string{"graph", file, "--as", "png"}, 2, "one of tree, mermaid, dot"},
		{[]string{"schema"}, 0, "https://json-schema.org/draft/2020-12/schema"},
		{[]string{"validate", filepath.Join(dir, "none.yaml")}, 2, "none.yaml"},
	} {
		code, out, errs := offline(t, append([]string{"workflow"}, step.args...)...)
		if code != step.code || !strings.Contains(out+errs, step.want) {
			t.Errorf("%v: %d %s%s", step.args, code, out, errs)
		}
	}
	wrong := filepath.Join(dir, "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("workflow_id: w\nnodes:\n- {node_id: a, type: data, data_type: sett}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := offline(t, "workflow", "validate", wrong)
	if code != 1 || !strings.Contains(errs, "wrong.yaml:3:") || !strings.Contains(errs, "did you mean set?") {
		t.Errorf("validate: %d %s", code, errs)
	}
}

func TestWorkflowExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "workflows", "*"))
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	if code, out, errs := offline(t, append([]string{"workflow", "validate"}, files...)...); code != 0 {
		t.Errorf("%d %s%s", code, out, errs)
	}
}
