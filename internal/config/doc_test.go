package config

import (
	goflag "flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = goflag.Bool("update", false, "write the table of docs/configuration.md")

// Marks around the table in docs/configuration.md.
const (
	tableBegin = "<!-- keys: written by go test ./internal/config -update -->\n"
	tableEnd   = "<!-- /keys -->\n"
)

func table() string {
	var out strings.Builder
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	row := func(cells ...string) { fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | ")) }
	out.WriteString("| key | environment | flag | default | meaning |\n|---|---|---|---|---|\n")
	row("", code(fileEnv), code("--"+fileFlag), "", "this file itself")
	for _, k := range keys() {
		k = k.named()
		option, value := "", k.show(defaults(nil))
		if k.flag != "" {
			option = "--" + k.flag
		}
		if k.name == "data" {
			value = "$XDG_DATA_HOME/runsheet"
		}
		row(code(k.name), code(k.env), code(option), code(value), k.help)
	}
	return out.String()
}

func TestDocumentListsAllKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "configuration.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(b), tableBegin)
	old, tail, closed := strings.Cut(rest, tableEnd)
	if !found || !closed {
		t.Fatalf("%s has no table between its marks", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+tableBegin+table()+tableEnd+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table(), old); diff != "" {
		t.Errorf("the table is not up to date; go test ./internal/config -update writes it:\n%s", diff)
	}
}
