package rehearsal

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Difference is something that is not as a test expects it.
type Difference struct {
	// Pos is where the test says what is expected.
	Pos  source.Pos
	Text string
}

// Compare returns what is not as a test expects, nil = everything is. A node without a
// mock that would have gone outside is always a difference, and so is a run without an
// end.
func Compare(t *workflow.Test, r Report) []Difference {
	c := &comparison{r: r}
	for _, x := range r.Missing() {
		c.say(t.Pos, "%s", missing(x))
	}
	if r.Stuck != "" {
		c.say(t.Pos, "the run does not end: it waits for %s, and nothing ends that; give the node a mock", r.Stuck)
	}
	e := t.Expect
	if e.Status == nil && e.Error == nil && r.Error != nil && e.Failed == nil {
		c.say(t.Pos, "the run fails with %s", failure(r.Error))
	}
	if w := e.Status; w != nil && w.Value != string(r.Status) {
		because := ""
		if r.Error != nil {
			because = ", with " + failure(r.Error)
		}
		c.say(w.Pos, "status: want %s, got %s%s", w.Value, orNone(string(r.Status)), because)
	}
	if w := e.Error; w != nil && (r.Error == nil || r.Error.Code != w.Value) {
		c.say(w.Pos, "error: want %s, got %s", w.Value, failure(r.Error))
	}
	c.set("completed", e.Completed, workflow.NodeCompleted)
	c.set("skipped", e.Skipped, workflow.NodeSkipped)
	c.set("failed", e.Failed, workflow.NodeFailed)
	if w := e.Order; w != nil {
		if got := only(r.order(), w.Value); !slices.Equal(got, w.Value) {
			c.say(w.Pos, "order: want %s, got %s", list(w.Value), list(got))
		}
	}
	if w := e.Approvals; w != nil {
		if got := r.asked(); !slices.Equal(got, w.Value) {
			c.say(w.Pos, "approvals: want %s, got %s", list(w.Value), list(got))
		}
	}
	if w := e.Duration; w != nil && r.Ended.Sub(r.Began).Round(time.Second) != w.Value.Round(time.Second) {
		c.say(w.Pos, "duration: want %s, got %s", workflow.FormatDuration(w.Value), workflow.FormatDuration(r.Ended.Sub(r.Began).Round(time.Millisecond)))
	}
	if w := e.Outputs; w != nil {
		c.match(w.Pos, "outputs", w.Value, any(r.State.Values))
	}
	c.nodes(e.Nodes)
	c.called(e.Calls)
	return c.out
}

func missing(x Call) string {
	return fmt.Sprintf("node %s would go outside and has no mock; it would work with\n%s", x.NodeID, indented(x.Config))
}

type comparison struct {
	r   Report
	out []Difference
}

func (c *comparison) say(pos source.Pos, format string, args ...any) {
	c.out = append(c.out, Difference{pos, fmt.Sprintf(format, args...)})
}

// set compares all nodes in a state.
func (c *comparison) set(name string, w *workflow.Wanted[[]string], status workflow.NodeStatus) {
	if w == nil {
		return
	}
	var got []string
	for id, n := range c.r.State.Nodes {
		if n.Status == status {
			got = append(got, id)
		}
	}
	slices.Sort(got)
	for _, id := range slices.Sorted(slices.Values(w.Value)) {
		if !slices.Contains(got, id) {
			n := c.r.State.Nodes[id]
			why := ""
			if n.Error != nil {
				why = ", with " + failure(n.Error)
			}
			c.say(w.Pos, "%s: want %s, which is %s%s", name, id, c.r.State.Status(id), why)
		}
	}
	for _, id := range got {
		if !slices.Contains(w.Value, id) {
			c.say(w.Pos, "%s: %s too, which is not in the list", name, id)
		}
	}
}

// nodes compares single nodes.
func (c *comparison) nodes(w *workflow.Wanted[any]) {
	if w == nil {
		return
	}
	want, _ := w.Value.(map[string]any)
	for _, id := range slices.Sorted(maps.Keys(want)) {
		n := c.r.State.Nodes[id]
		got := map[string]any{
			"status": string(c.r.State.Status(id)), "outcome": n.Outcome, "attempts": int64(n.Attempt), "reason": n.Reason, "error": nil,
			"outputs": c.r.State.Outputs[id],
		}
		if n.Error != nil {
			got["error"] = n.Error.Code
		}
		c.match(w.Pos, "nodes."+id, want[id], got)
	}
}

// called compares the latest calls of nodes.
func (c *comparison) called(w *workflow.Wanted[any]) {
	if w == nil {
		return
	}
	want, _ := w.Value.(map[string]any)
	for _, id := range slices.Sorted(maps.Keys(want)) {
		var got any
		for _, call := range c.r.Calls {
			if call.NodeID == id {
				got = call.Config
			}
		}
		if got == nil {
			c.say(w.Pos, "calls.%s: the node was never called", id)
			continue
		}
		c.match(w.Pos, "calls."+id, want[id], got)
	}
}

// match compares a value: objects need only have in them what is wanted.
func (c *comparison) match(pos source.Pos, path string, want, got any) {
	if m, is := got.(map[string]map[string]any); is {
		got = m
	}
	switch want := want.(type) {
	case map[string]any:
		have, is := got.(map[string]any)
		if !is {
			break
		}
		for _, k := range slices.Sorted(maps.Keys(want)) {
			v, there := have[k]
			if !there {
				c.say(pos, "%s.%s: want %s, but there is no such field", path, k, compact(want[k]))
				continue
			}
			c.match(pos, path+"."+k, want[k], v)
		}
		return
	case []any:
		have, is := got.([]any)
		if !is || len(have) != len(want) {
			break
		}
		for i := range want {
			c.match(pos, fmt.Sprintf("%s[%d]", path, i), want[i], have[i])
		}
		return
	default:
		if equal(want, got) {
			return
		}
	}
	c.say(pos, "%s: want %s, got %s", path, compact(want), compact(got))
}

// equal compares leaves; numbers are equal however they are written.
func equal(a, b any) bool {
	x, isX := number(a)
	y, isY := number(b)
	if isX && isY {
		return x == y
	}
	if isX != isY {
		return false
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func compact(v any) string {
	data, err := json.Marshal(plain(v))
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(data) > 400 {
		return string(data[:397]) + "..."
	}
	return string(data)
}

func indented(v any) string {
	data, err := json.MarshalIndent(plain(v), "  ", "  ")
	if err != nil {
		return "  " + fmt.Sprint(v)
	}
	return "  " + string(data)
}

func failure(f *workflow.Failure) string {
	if f == nil {
		return "no error"
	}
	out := f.Code
	if f.NodeID != "" {
		out += " of " + f.NodeID
	}
	if f.Message != "" {
		out += ": " + f.Message
	}
	return out
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "no end"
	}
	return s
}

// only keeps the names that are in a list.
func only(names, of []string) []string {
	var out []string
	for _, n := range names {
		if slices.Contains(of, n) {
			out = append(out, n)
		}
	}
	return out
}

// order are the nodes that have completed, the first one first.
func (r Report) order() []string {
	var out []string
	for id, n := range r.State.Nodes {
		if n.Order > 0 {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return r.State.Nodes[a].Order - r.State.Nodes[b].Order })
	return out
}

// asked are the nodes that have asked people.
func (r Report) asked() []string {
	var out []string
	for _, c := range r.Calls {
		if c.approval {
			out = append(out, c.NodeID)
		}
	}
	return out
}
