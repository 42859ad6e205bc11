package rehearsal_test

import (
	cmp2 "cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/engine/rehearsal"
	"github.com/runsheet/runsheet/internal/node/kinds"
	"github.com/runsheet/runsheet/internal/workflow"
)

func TestANodeWithoutMockIsNamed(t *testing.T) {
	t.Parallel()
	f := file(t, "w.yaml", []byte(`workflow_id: w
nodes: [{node_id: ask, type: http, config: {url: "https://x.example/{{1 + 1}}", method: POST}}]
`))
	cases, _, err := rehearsal.Cases(f, nil)
	if err != nil || len(cases) != 1 {
		t.Fatal(cases, err)
	}
	_, differences, err := cases[0].Play(t.Context())
	if err != nil || len(differences) == 0 || !strings.Contains(differences[0].Text, "node ask would go outside") || !strings.Contains(differences[0].Text, "https://x.example/2") {
		t.Errorf("%v, %v", differences, err)
	}
}

func TestTimeoutsAndParallelNodes(t *testing.T) {
	t.Parallel()
	f := file(t, "w.yaml", []byte(`workflow_id: w
nodes:
  - {node_id: slow, type: http, config: {url: "https://x.example"}, timeout: 1m, on_error: continue, mock: {delay: 5m}}
  - {node_id: a, type: http, config: {url: "https://x.example"}, depends_on: [], resources: [gpu], mock: {delay: 3m}, next: end}
  - {node_id: b, type: http, config: {url: "https://x.example"}, resources: [gpu], mock: {delay: 2m}, next: end}
  - {node_id: end, type: data, data_type: set, config: {values: {}}}
`))
	r, err := rehearsal.Play(t.Context(), rehearsal.Options{Graph: f.Graphs[0]})
	if err != nil || r.Status != workflow.ResultCompleted {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := r.State.Nodes["slow"].EndedAt.Sub(r.Began); got != time.Minute || r.State.Nodes["slow"].Error.Code != "timeout" {
		t.Errorf("slow ended after %s: %+v", got, r.State.Nodes["slow"].Error)
	}
	if got := r.Ended.Sub(r.Began); got != 5*time.Minute {
		t.Errorf("two nodes under one lock took %s, want 5m", got)
	}
}

// TestAnyGraph plays random graphs: they end, the same way each time.
func TestAnyGraph(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString("workflow_id: w\ncompensation: " + rapid.SampledFrom([]string{"auto", "off"}).Draw(t, "undo") + "\nnodes:\n")
		for i := range rapid.IntRange(1, 8).Draw(t, "size") {
			fmt.Fprintf(&b, "  - {node_id: n%d, join: %s", i, rapid.SampledFrom([]string{"all", "any", "always"}).Draw(t, "join"))
			var deps []string
			for j := range i {
				if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
					deps = append(deps, fmt.Sprintf("n%d", j))
				}
			}
			if len(deps) > 0 {
				fmt.Fprintf(&b, ", depends_on: [%s]", strings.Join(deps, ", "))
			}
			if rapid.IntRange(0, 3).Draw(t, "continue") == 0 {
				b.WriteString(", on_error: continue")
			}
			b.WriteString(rapid.SampledFrom([]string{
				", type: http, config: {url: 'https://x.example'}, retry: {max_attempts: 3, jitter: 0.5}, mock: {delay: 3s, error: {code: e, class: http_5xx}}}\n",
				", type: http, config: {url: 'https://x.example'}, mock: {delay: 40s}}\n",
				// Timeouts that come at one and the same instant have no order.
				fmt.Sprintf(", type: http, config: {url: 'https://x.example'}, timeout: %dms, mock: {delay: 40s}}\n", 5000+i),
				", type: approval, config: {title: t}, mock: {outcome: rejected, delay: 7s}}\n",
				", type: approval, config: {title: t}}\n",
				", type: wait, wait_type: duration, config: {for: 10s}}\n",
				", type: data, data_type: set, config: {values: {}}}\n",
				", type: llm, config: {prompt: p}, mock: {result: {text: some words that nobody keeps}}}\n",
				fmt.Sprintf(", type: map, config: {items: '{{[1, 2, 3, 4]}}', concurrency: 2, nodes: [{node_id: m%d, type: http, config: {url: 'https://x.example'}, retry: {max_attempts: 2}, mock: {delay: 2s, items: {2: {attempts: [{error: {code: e}}, {delay: 1s}]}}}}]}}\n", i),
			}).Draw(t, "kind"))
		}
		docs, p := workflow.Read("w.yaml", []byte(b.String()), kinds.Registry())
		g := workflow.Check(docs[0].Workflow, kinds.Registry(), p)
		if g == nil {
			t.Fatalf("%v\n%s", p.List(), b.String())
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		first, err := rehearsal.Play(ctx, rehearsal.Options{Graph: g})
		if err != nil || first.Status == "" {
			t.Fatalf("%v, %s, %v\n%s", first.Stuck, first.Status, err, b.String())
		}
		for _, s := range g.Steps {
			if st := first.State.Status(s.ID); !st.Terminal() && (st != workflow.NodePending || first.Status != workflow.ResultFailed) {
				t.Fatalf("%s is %s at the end of a run that is %s\n%s", s.ID, st, first.Status, b.String())
			}
		}
		second, err := rehearsal.Play(ctx, rehearsal.Options{Graph: g})
		for _, r := range []rehearsal.Report{first, second} { // those that are cancelled end all at once
			slices.SortFunc(r.Lines, func(a, b rehearsal.Line) int {
				return cmp2.Or(a.At.Compare(b.At), strings.Compare(a.NodeID+a.State, b.NodeID+b.State))
			})
		}
		if diff := cmp.Diff(first.Lines, second.Lines); err != nil || diff != "" {
			t.Fatalf("not the same again: %v\n%s\n%s", err, diff, b.String())
		}
	})
}

// FuzzRehearsal: whatever is accepted can be played with mocks that say nothing: it
// never panics and never meets a name that it does not know.
func FuzzRehearsal(f *testing.F) {
	names, _ := filepath.Glob(filepath.Join(examples, "*"))
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	registry := kinds.Registry()
	f.Fuzz(func(t *testing.T, text []byte) {
		docs, p := workflow.Read("fuzz.yaml", text, registry)
		for _, d := range docs {
			if d.Workflow == nil {
				continue
			}
			g := workflow.Check(d.Workflow, registry, p)
			if g == nil {
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			r, err := rehearsal.Play(ctx, rehearsal.Options{Graph: g, Lenient: true, Inputs: map[string]any{"topic": "x", "model_id": "a:b", "day": "2026-03-02"}})
			cancel()
			if err != nil {
				t.Fatalf("it does not end: %v", err)
			}
			for id, n := range r.State.Nodes {
				if n.Error != nil && (n.Error.Code == "unknown_reference" || n.Error.Code == "panic" || n.Error.Code == "internal_error") {
					t.Fatalf("%s: %+v", id, n.Error)
				}
			}
			if r.Error != nil && r.Error.Code == "internal_error" {
				t.Fatalf("%+v", r.Error)
			}
		}
	})
}
