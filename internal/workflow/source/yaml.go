package source

import (
	"fmt"
	"math"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// yamlReader turns the library's tree into ours.
type yamlReader struct {
	name    string
	anchors map[string]ast.Node
	// open are the anchors that are being resolved: one inside itself has no end.
	open   map[string]bool
	budget *budget
}

// budget bounds what a file becomes when its anchors are resolved, all documents
// together.
type budget struct{ values, bytes int }

func readYAML(name, text string) (out []*Value, err error) {
	if strings.Contains(text, "\x00") {
		return nil, &Error{File: name, Text: "the file has NUL characters: it is no text"}
	}
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		return nil, yamlError(name, err)
	}
	left := &budget{values: MaxValues, bytes: maxGrowth * MaxSize}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		r := &yamlReader{name: name, anchors: map[string]ast.Node{}, open: map[string]bool{}, budget: left}
		v, err := r.value(doc.Body, 0)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil, &Error{File: name, Text: "the file is empty"}
	}
	return out, nil
}

func yamlError(name string, err error) error {
	e := &Error{File: name, Text: err.Error()}
	if known, ok := err.(yaml.Error); ok { //nolint:errorlint // the library returns it bare
		e.Text = known.GetMessage()
		if t := known.GetToken(); t != nil {
			e.Pos = Pos{t.Position.Line, t.Position.Column}
		}
	}
	e.Text, _, _ = strings.Cut(e.Text, "\n")
	return e
}

func place(n ast.Node) Pos {
	t := n.GetToken()
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		t = m.Values[0].Key.GetToken()
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		t = m.Key.GetToken()
	}
	if t == nil || t.Position == nil {
		return Pos{}
	}
	return Pos{t.Position.Line, t.Position.Column}
}

func (r *yamlReader) wrong(n ast.Node, format string, args ...any) error {
	return &Error{File: r.name, Pos: place(n), Text: fmt.Sprintf(format, args...)}
}

func (r *yamlReader) value(n ast.Node, depth int) (*Value, error) {
	if r.budget.values--; r.budget.values < 0 || depth > MaxDepth {
		return nil, r.wrong(n, "the document is too large or too deep")
	}
	v := &Value{Pos: place(n)}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		v.Kind, v.Bool = Bool, n.Value
	case *ast.StringNode:
		v.Kind, v.Str = String, n.Value
	case *ast.LiteralNode:
		v.Kind, v.Str = String, n.Value.Value
	case *ast.IntegerNode:
		switch i := n.Value.(type) {
		case int64:
			v.Kind, v.Int, v.Float = Int, i, float64(i)
		case uint64:
			if i > math.MaxInt64 {
				return nil, r.wrong(n, "the number is too large")
			}
			v.Kind, v.Int, v.Float = Int, int64(i), float64(i)
		}
	case *ast.FloatNode:
		v.set(n.Value)
	case *ast.InfinityNode, *ast.NanNode:
		return nil, r.wrong(n, "%s is no number that JSON has", n.String())
	case *ast.SequenceNode:
		v.Kind = List
		for _, item := range n.Values {
			c, err := r.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			v.Items = append(v.Items, c)
		}
	case *ast.MappingNode:
		return v, r.mapping(v, n.Values, depth)
	case *ast.MappingValueNode:
		return v, r.mapping(v, []*ast.MappingValueNode{n}, depth)
	case *ast.AnchorNode:
		r.anchors[n.Name.String()] = n.Value
		return r.value(n.Value, depth+1)
	case *ast.AliasNode:
		return r.alias(n, depth)
	case *ast.TagNode:
		return r.tagged(n, depth)
	default:
		return nil, r.wrong(n, "a %s cannot be used here", strings.ToLower(n.Type().String()))
	}
	return v, r.take(n, v.Str)
}

// take counts a text of the document.
func (r *yamlReader) take(n ast.Node, text string) error {
	if r.budget.bytes -= len(text); r.budget.bytes < 0 {
		return r.wrong(n, "the document is too large when its anchors are resolved")
	}
	return nil
}

func (r *yamlReader) alias(n *ast.AliasNode, depth int) (*Value, error) {
	name := n.Value.String()
	target, ok := r.anchors[name]
	if !ok {
		return nil, r.wrong(n, "there is no anchor &%s before", name)
	}
	if r.open[name] {
		return nil, r.wrong(n, "the anchor &%s is inside itself", name)
	}
	r.open[name] = true
	defer delete(r.open, name)
	return r.value(target, depth+1)
}

// tagged knows the tags of JSON's kinds; others would need a type of their own.
func (r *yamlReader) tagged(n *ast.TagNode, depth int) (*Value, error) {
	tag := n.Start.Value
	switch tag {
	case "!!str":
		v := &Value{Kind: String, Pos: place(n), Str: n.Value.String()}
		if s, ok := n.Value.(*ast.StringNode); ok {
			v.Str = s.Value
		}
		return v, r.take(n, v.Str)
	case "!!map", "!!seq", "!!int", "!!float", "!!bool", "!!null":
		return r.value(n.Value, depth+1)
	}
	return nil, r.wrong(n, "the tag %s is not known", tag)
}

func (r *yamlReader) mapping(v *Value, pairs []*ast.MappingValueNode, depth int) error {
	v.Kind = Map
	at := map[string]int{}
	var merged []*Value
	for _, p := range pairs {
		if p.Key.IsMergeKey() {
			list, err := r.merge(p, depth)
			if err != nil {
				return err
			}
			merged = append(merged, list...)
			continue
		}
		key, err := r.key(p)
		if err != nil {
			return err
		}
		if _, twice := at[key]; twice {
			return r.wrong(p.Key, "the key %q is there twice", key)
		}
		if err := r.take(p.Key, key); err != nil {
			return err
		}
		item, err := r.value(p.Value, depth+1)
		if err != nil {
			return err
		}
		at[key] = len(v.Pairs)
		v.Pairs = append(v.Pairs, Pair{Key: key, Pos: place(p.Key), Value: item})
	}
	for _, m := range merged {
		for _, p := range m.Pairs {
			if _, own := at[p.Key]; !own {
				at[p.Key] = len(v.Pairs)
				v.Pairs = append(v.Pairs, p)
			}
		}
	}
	return nil
}

// key reads a key. Those that YAML takes for something else than a string, such as
// true, are meant as they are written.
func (r *yamlReader) key(p *ast.MappingValueNode) (string, error) {
	switch k := p.Key.(type) {
	case *ast.StringNode:
		return k.Value, nil
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.NullNode:
		return k.GetToken().Value, nil
	case *ast.MappingKeyNode:
		if s, ok := k.Value.(*ast.StringNode); ok {
			return s.Value, nil
		}
	}
	return "", r.wrong(p.Key, "a key must be a string")
}

func (r *yamlReader) merge(p *ast.MappingValueNode, depth int) ([]*Value, error) {
	m, err := r.value(p.Value, depth+1)
	if err != nil {
		return nil, err
	}
	switch m.Kind {
	case Map:
		return []*Value{m}, nil
	case List:
		for _, item := range m.Items {
			if item.Kind != Map {
				return nil, r.wrong(p, "<< takes objects")
			}
		}
		return m.Items, nil
	case Null, Bool, Int, Float, String:
	}
	return nil, r.wrong(p, "<< takes an object")
}
