package app

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/task"
)

// TestDirectRoutesTakeTheParams: what the document says of a body is what the job
// type takes, and the directive.
func TestDirectRoutesTakeTheParams(t *testing.T) {
	t.Parallel()
	a := New(Options{})
	a.llm = &llm.Pool{} // nobody asks it
	if err := a.makeTasks(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range api.DirectRoutes() {
		kind, err := a.tasks.Direct(r.Kind)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := kind.(task.Guided); !ok {
			t.Errorf("%s works under no directive", r.Kind)
		}
		var schema struct{ Properties map[string]any }
		if err := json.Unmarshal(kind.Schema(), &schema); err != nil {
			t.Fatal(err)
		}
		want, got := append(slices.Collect(maps.Keys(schema.Properties)), "directive_id"), []string{}
		for f := range reflect.TypeOf(r.Body).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			got = append(got, name)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", r.Path, diff)
		}
	}
}
