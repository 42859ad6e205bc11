package workflow

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Canonical returns the definition as a tree in its one order: fields as the
// language lists them, without what equals the default; names of the author's own
// (inputs, variables, outputs) as he has them, free objects in alphabetic order. The
// same workflow always gives the same tree, from YAML and from JSON.
func (d *Definition) Canonical(kinds Kinds) *source.Value {
	w := writer{kinds: kinds}
	v := newMap()
	v.str("kind", KindWorkflow)
	if d.DSL != 1 {
		v.int("dsl", d.DSL)
	}
	v.str("workflow_id", d.ID)
	v.str("name", d.Name)
	v.str("description", d.Description)
	v.words("labels", d.Labels)
	v.sub("inputs", w.inputs(d.Inputs))
	if len(d.Vars.Pairs) > 0 {
		vars := newMap()
		for _, p := range d.Vars.Pairs {
			vars.put(p.Key, p.Value.Sorted())
		}
		v.sub("vars", vars)
	}
	if c := d.Concurrency; c != nil {
		o := newMap()
		o.str("key", c.Key)
		o.int("limit", c.Limit)
		o.unless("on_conflict", string(c.OnConflict), string(ConflictQueue))
		v.sub("concurrency", o)
	}
	if d.Parallel != DefaultParallel {
		v.int("max_parallel", d.Parallel)
	}
	v.unless("timeout", FormatDuration(d.Timeout), FormatDuration(DefaultTimeout))
	v.sub("defaults", w.defaults(d.Defaults))
	if d.Compensate {
		v.str("compensation", "auto")
	}
	v.str("on_error", d.OnError)
	v.put("nodes", w.nodes(d.Nodes, d.Defaults))
	v.sub("outputs", namedMap(d.Outputs))
	return v.v
}

// Hash is the SHA-256 of the canonical JSON, in hex.
func (d *Definition) Hash(kinds Kinds) string {
	sum := sha256.Sum256(d.Canonical(kinds).JSON(false))
	return hex.EncodeToString(sum[:])
}

// tree builds a map in order.
type tree struct{ v *source.Value }

func newMap() tree { return tree{&source.Value{Kind: source.Map}} }

func text(s string) *source.Value { return &source.Value{Kind: source.String, Str: s} }

func (t tree) put(name string, v *source.Value) {
	t.v.Pairs = append(t.v.Pairs, source.Pair{Key: name, Value: v})
}

func (t tree) str(name, s string) {
	if s != "" {
		t.put(name, text(s))
	}
}

func (t tree) unless(name, s, normal string) {
	if s != normal {
		t.str(name, s)
	}
}

func (t tree) int(name string, n int) {
	t.put(name, &source.Value{Kind: source.Int, Int: int64(n), Float: float64(n)})
}

func (t tree) float(name string, f *float64) {
	if f != nil {
		v, _ := source.Of(*f) // a number is a value
		t.put(name, v)
	}
}

func (t tree) yes(name string, b bool) {
	if b {
		t.put(name, &source.Value{Kind: source.Bool, Bool: true})
	}
}

func (t tree) sub(name string, o tree) {
	if o.v != nil && len(o.v.Pairs) > 0 {
		t.put(name, o.v)
	}
}

func (t tree) list(name string, items []string) {
	if len(items) == 0 {
		return
	}
	v := &source.Value{Kind: source.List}
	for _, s := range items {
		v.Items = append(v.Items, text(s))
	}
	t.put(name, v)
}

func (t tree) words(name string, m map[string]string) {
	o := newMap()
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		o.put(k, text(m[k]))
	}
	t.sub(name, o)
}

func namedMap(list []Named) tree {
	o := newMap()
	for _, n := range list {
		o.put(n.Name, text(n.Text))
	}
	return o
}

type writer struct{ kinds Kinds }

func (w writer) inputs(list []Input) tree {
	o := newMap()
	for _, in := range list {
		o.put(in.Name, w.input(in))
	}
	return o
}

func (w writer) input(in Input) *source.Value {
	o := newMap()
	o.str("type", string(in.Type))
	o.yes("required", in.Required)
	if in.Default != nil {
		o.put("default", in.Default.Sorted())
	}
	if len(in.Enum) > 0 {
		o.put("enum", &source.Value{Kind: source.List, Items: in.Enum})
	}
	o.str("pattern", in.Pattern)
	o.float("min", in.Min)
	o.float("max", in.Max)
	if in.Items != nil {
		o.put("items", w.input(*in.Items))
	}
	o.str("description", in.Description)
	o.yes("secret", in.Secret)
	return o.v
}

func (w writer) defaults(d Defaults) tree {
	o := newMap()
	if d.Retry != nil {
		o.sub("retry", w.retry(d.Retry.complete()))
	}
	if d.Timeout != 0 {
		o.str("timeout", FormatDuration(d.Timeout))
	}
	o.list("resources", d.Resources)
	return o
}

func (w writer) retry(r Retry) tree {
	o := newMap()
	o.int("max_attempts", r.MaxAttempts)
	o.unless("backoff", string(r.Backoff), string(BackoffExponential))
	o.unless("initial", FormatDuration(r.Initial), FormatDuration(defaultInitial))
	o.unless("max", FormatDuration(r.Max), FormatDuration(max(defaultMax, r.Initial)))
	if r.Jitter != 0 {
		o.float("jitter", &r.Jitter)
	}
	o.list("on", r.On)
	o.str("when", r.When)
	return o
}

// same reports whether two retries say the same.
func (r Retry) same(o Retry) bool {
	r, o = r.complete(), o.complete()
	return r.MaxAttempts == o.MaxAttempts && r.Backoff == o.Backoff && r.Initial == o.Initial && r.Max == o.Max &&
		r.Jitter == o.Jitter && slices.Equal(r.On, o.On) && r.When == o.When
}

func (w writer) nodes(list []Node, d Defaults) *source.Value {
	v := &source.Value{Kind: source.List}
	for _, n := range list {
		v.Items = append(v.Items, w.node(n, d))
	}
	return v
}

func (w writer) node(n Node, d Defaults) *source.Value {
	kind, _ := w.kinds.Get(n.Type, n.Subtype)
	o := newMap()
	o.str("node_id", n.ID)
	o.str("type", n.Type)
	if n.Subtype != "" {
		o.str(kind.SubtypeField, n.Subtype)
	}
	var sources []string
	for _, s := range n.DependsOn {
		sources = append(sources, strings.TrimSuffix(s.Node+"."+s.Outcome, "."))
	}
	o.list("depends_on", sources)
	o.str("when", n.When)
	o.unless("join", string(n.Join), string(JoinAll))
	if c := w.config(n.Config, kind.Fields, n, d); len(c.v.Pairs) > 0 {
		o.sub("config", c)
	}
	var resources []string
	for _, r := range n.Resources {
		resources = append(resources, r.Text)
	}
	if !slices.Equal(resources, d.Resources) {
		if o.list("resources", resources); len(resources) == 0 {
			o.put("resources", &source.Value{Kind: source.List})
		}
	}
	base := Retry{}
	if d.Retry != nil {
		base = *d.Retry
	}
	if !n.Retry.same(base) {
		o.sub("retry", w.retry(n.Retry))
	}
	if n.Timeout != d.Timeout {
		o.str("timeout", FormatDuration(n.Timeout))
	}
	o.str("idempotency_key", n.IdempotencyKey)
	o.str("on_crash", string(n.OnCrash))
	o.unless("on_error", n.OnError, kind.onError())
	o.str("compensate", n.Compensate)
	o.sub("outputs", namedMap(n.Outputs))
	w.next(o, n.Next)
	if n.Mock != nil {
		o.put("mock", n.Mock.Sorted())
	}
	return o.v
}

// next writes one node as a string, several as a list, outcomes as an object.
func (w writer) next(o tree, list []Target) {
	var plain, order []string
	by := map[string][]string{}
	for _, t := range list {
		if t.Outcome == "" {
			plain = append(plain, t.Node)
			continue
		}
		if by[t.Outcome] == nil {
			order = append(order, t.Outcome)
		}
		by[t.Outcome] = append(by[t.Outcome], t.Node)
	}
	single := func(o tree, name string, nodes []string) {
		if len(nodes) == 1 {
			o.str(name, nodes[0])
			return
		}
		o.list(name, nodes)
	}
	if len(order) == 0 {
		single(o, "next", plain)
		return
	}
	m := newMap()
	for _, outcome := range order {
		single(m, outcome, by[outcome])
	}
	o.sub("next", m)
}

// config writes known fields in the order of the kind.
func (w writer) config(v *source.Value, fields []Field, n Node, d Defaults) tree {
	o := newMap()
	for _, f := range fields {
		got := v.Get(f.Name)
		if got == nil {
			continue
		}
		switch {
		case f.Type == FieldNodes:
			got = w.nodes(n.Body, d)
		case f.Fields != nil && got.Kind == source.Map:
			got = w.config(got, f.Fields, n, d).v
		case f.Fields != nil && got.Kind == source.List:
			list := &source.Value{Kind: source.List}
			for _, item := range got.Items {
				list.Items = append(list.Items, w.config(item, f.Fields, n, d).v)
			}
			got = list
		case f.Type == FieldDuration && got.Kind == source.String:
			if dur, ok := ParseDuration(got.Str); ok {
				got = text(FormatDuration(dur))
			}
		default:
			got = got.Sorted()
		}
		o.put(f.Name, got)
	}
	return o
}

// Deadline is when an attempt that began at start must have ended.
func (s *Step) Deadline(start time.Time) time.Time { return start.Add(s.Node.Timeout) }

// Diff is what differs between two versions, by what is in them.
type Diff struct {
	Added, Removed []string
	Changed        []NodeDiff
	// Fields of the document that differ: inputs, outputs, timeout, ...
	Fields []string
	// EdgesAdded and EdgesRemoved are written "a -> b" and "a.outcome -> b".
	EdgesAdded, EdgesRemoved []string
}

// NodeDiff is a node that is in both versions, but not the same.
type NodeDiff struct {
	ID string
	// Fields that differ, with a dot before those of config.
	Fields []string
}

// Empty reports whether nothing differs.
func (d Diff) Empty() bool {
	return len(d.Added)+len(d.Removed)+len(d.Changed)+len(d.Fields)+len(d.EdgesAdded)+len(d.EdgesRemoved) == 0
}

// Compare returns what changes from a to b.
func Compare(a, b *Graph, kinds Kinds) Diff {
	var d Diff
	va, vb := a.Definition.Canonical(kinds), b.Definition.Canonical(kinds)
	for _, f := range differing(va, vb) {
		if f != "nodes" {
			d.Fields = append(d.Fields, f)
		}
	}
	was, is := nodeValues(va), nodeValues(vb)
	for _, s := range a.Steps {
		if is[s.ID] == nil {
			d.Removed = append(d.Removed, s.ID)
		}
	}
	for _, s := range b.Steps {
		old := was[s.ID]
		if old == nil {
			d.Added = append(d.Added, s.ID)
			continue
		}
		var fields []string
		for _, f := range differing(old, is[s.ID]) {
			switch f {
			case "next", "depends_on": // these are edges
			case "config":
				for _, c := range differing(old.Get("config"), is[s.ID].Get("config")) {
					fields = append(fields, "config."+c)
				}
			default:
				fields = append(fields, f)
			}
		}
		if len(fields) > 0 {
			d.Changed = append(d.Changed, NodeDiff{s.ID, fields})
		}
	}
	ea, eb := edges(a), edges(b)
	d.EdgesAdded, d.EdgesRemoved = without(eb, ea), without(ea, eb)
	return d
}

func nodeValues(v *source.Value) map[string]*source.Value {
	out := map[string]*source.Value{}
	for _, n := range v.Get("nodes").Items {
		out[n.Get("node_id").Str] = n
	}
	return out
}

// differing lists the keys whose values differ, in the order of the documents.
func differing(a, b *source.Value) []string {
	var out []string
	seen := map[string]bool{}
	for _, v := range []*source.Value{a, b} {
		if v == nil {
			continue
		}
		for _, p := range v.Pairs {
			if !seen[p.Key] && !equal(a.Get(p.Key), b.Get(p.Key)) {
				out = append(out, p.Key)
			}
			seen[p.Key] = true
		}
	}
	return out
}

func equal(a, b *source.Value) bool {
	if a == nil || b == nil {
		return a == b
	}
	return string(a.JSON(false)) == string(b.JSON(false))
}

func edges(g *Graph) []string {
	var out []string
	for _, s := range g.Steps {
		for _, e := range s.Out {
			from := e.From
			if e.Outcome != "" {
				from += "." + e.Outcome
			}
			out = append(out, fmt.Sprintf("%s -> %s", from, e.To))
		}
	}
	return out
}

func without(list, minus []string) []string {
	var out []string
	for _, x := range list {
		if !slices.Contains(minus, x) {
			out = append(out, x)
		}
	}
	return out
}

// Obstacles lists why a run in state s of version from cannot go on with version to:
// a node that has completed, or is under way, must be there unchanged.
func Obstacles(s State, from, to *Graph, kinds Kinds) []string {
	was, is := nodeValues(from.Definition.Canonical(kinds)), nodeValues(to.Definition.Canonical(kinds))
	var out []string
	for _, step := range from.Steps {
		status := s.Status(step.ID)
		if status == NodePending || status == NodeSkipped {
			continue
		}
		switch now := is[step.ID]; {
		case now == nil:
			out = append(out, fmt.Sprintf("node %s is %s and is not in the other version", step.ID, status))
		case !equal(was[step.ID], now):
			out = append(out, fmt.Sprintf("node %s is %s and differs in %v", step.ID, status, differing(was[step.ID], now)))
		}
	}
	return out
}
