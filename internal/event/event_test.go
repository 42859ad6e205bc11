package event_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/event"
)

// declared reads the types from the source, so that none can be forgotten.
func declared(t *testing.T) []event.Type {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []event.Type
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if ident, ok := spec.Type.(*ast.Ident); ok && ident.Name == "Type" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, event.Type(text))
		}
		return true
	})
	return out
}

func TestCatalogueIsComplete(t *testing.T) {
	t.Parallel()
	types := declared(t)
	if len(types) < 16 {
		t.Fatalf("only %d types found in event.go", len(types))
	}
	var listed []event.Type
	for _, e := range event.Catalogue() {
		if slices.Contains(listed, e.Type) {
			t.Errorf("%s is listed twice", e.Type)
		}
		listed = append(listed, e.Type)
		if !slices.Contains(types, e.Type) || !slices.Contains(event.Topics(), e.Topic) || e.When == "" || e.Type.Topic() != e.Topic {
			t.Errorf("entry of %s: topic %q, when %q", e.Type, e.Topic, e.When)
		}
		if strings.HasSuffix(e.When, ".") {
			t.Errorf("%s: When is a part of a sentence", e.Type)
		}
		for _, f := range e.Fields {
			if f.Name == "" || f.Doc == "" {
				t.Errorf("%s has a field without a name or an explanation", e.Type)
			}
		}
	}
	for _, typ := range types {
		if !slices.Contains(listed, typ) {
			t.Errorf("%s is not in the catalogue", typ)
		}
	}
}

// TestDocumentIsFresh: what docs/events.md says of the types is the catalogue.
func TestDocumentIsFresh(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range event.Catalogue() {
		if !strings.Contains(string(page), "| `"+string(e.Type)+"` | `"+string(e.Topic)+"` | "+e.When+" |") {
			t.Errorf("docs/events.md says something else of %s: make generate", e.Type)
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	started := event.Event{Type: event.JobStarted, JobID: "job_1", RunID: "run_1"}
	done := event.Event{Type: event.JobRunCompleted, JobID: "job_1", RunID: "run_1"}
	scaled := event.Event{Type: event.WorkersScaled}
	made := event.Event{Type: event.TemplateCreated, TemplateID: "tmpl_1"}
	future := event.Event{Type: "moon.risen", JobID: "job_1"}
	all := []event.Event{started, done, scaled, made, future}
	for terms, want := range map[string][]event.Event{
		"":                       all,
		"job":                    {started},
		"run":                    {done},
		"queue,template":         {scaled, made},
		"job:job_1":              {started, done, future},
		"run:run_1,queue":        {started, done, scaled},
		"run:run_2":              nil,
		"template:tmpl_1":        {made},
		"job,run,template,queue": {started, done, scaled, made},
	} {
		var list []string
		if terms != "" {
			list = strings.Split(terms, ",")
		}
		f, err := event.ParseFilter(list)
		if err != nil {
			t.Errorf("%q: %v", terms, err)
			continue
		}
		for _, e := range all {
			in := slices.ContainsFunc(want, func(w event.Event) bool { return w.Type == e.Type })
			if f.Match(e) != in {
				t.Errorf("%q lets %s through: %v, want %v", terms, e.Type, f.Match(e), in)
			}
		}
	}
	for _, bad := range []string{"", "jobs", "Job", "queue:run_1", "run:", "run:job_1", "run:run_" + strings.Repeat("x", 100), "*"} {
		if _, err := event.ParseFilter([]string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if _, err := event.ParseFilter(slices.Repeat([]string{"job"}, 51)); err == nil {
		t.Error("a filter has no bound")
	}
}

func TestRangeHolds(t *testing.T) {
	t.Parallel()
	r := event.Range{Floor: 10, Last: 20}
	for seq, want := range map[int64]bool{0: false, 9: false, 10: true, 15: true, 20: true, 21: false} {
		if r.Holds(seq) != want {
			t.Errorf("position %d: %v", seq, r.Holds(seq))
		}
	}
}
