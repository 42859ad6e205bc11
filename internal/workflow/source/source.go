// Package source reads YAML and JSON into one kind of tree that knows where each
// value stands in its file, so that whoever checks the tree can point there.
//
//	docs, err := source.Read("nightly.yaml", text)
//	docs[0].Get("nodes").Pos // 12:3
//
// A file may hold several YAML documents. Anchors and merge keys are resolved
// within a budget; a file that would grow beyond it is refused.
package source

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Limits of what is read.
const (
	// MaxSize is the largest file, in bytes.
	MaxSize = 256 << 10
	// MaxValues bounds the values of a file after its anchors are resolved.
	MaxValues = 100_000
	// MaxDepth bounds nesting.
	MaxDepth = 64
	// maxGrowth is how many times larger than MaxSize the texts of a file may be after
	// that.
	maxGrowth = 4
)

// Pos is a place in a file, both counted from 1. The zero value is no place.
type Pos struct{ Line, Column int }

// String returns line:column.
func (p Pos) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Column) }

// Kind is the kind of a Value.
type Kind int

// The kinds, those of JSON with whole numbers apart.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	List
	Map
)

// String returns the word that people read.
func (k Kind) String() string {
	return []string{"null", "a boolean", "an integer", "a number", "a string", "a list", "an object"}[k]
}

// Value is a node of a tree. Which fields are set follows from Kind. It must not be
// changed.
type Value struct {
	Kind Kind
	Pos  Pos
	Bool bool
	Int  int64
	// Float is set for Int as well.
	Float float64
	Str   string
	Items []*Value
	// Pairs are in the order of the file; their keys are unique.
	Pairs []Pair
}

// Pair is a key with its value.
type Pair struct {
	Key   string
	Pos   Pos // of the key
	Value *Value
}

// Get returns the value of a key, nil if there is none or v is no map.
func (v *Value) Get(key string) *Value {
	if v == nil {
		return nil
	}
	for _, p := range v.Pairs {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

// Plain returns v as values of encoding/json, but for whole numbers, which are int64.
func (v *Value) Plain() any {
	switch v.Kind {
	case Null:
		return nil
	case Bool:
		return v.Bool
	case Int:
		return v.Int
	case Float:
		return v.Float
	case String:
		return v.Str
	case List:
		out := make([]any, 0, len(v.Items))
		for _, item := range v.Items {
			out = append(out, item.Plain())
		}
		return out
	case Map:
		out := make(map[string]any, len(v.Pairs))
		for _, p := range v.Pairs {
			out[p.Key] = p.Value.Plain()
		}
		return out
	}
	return nil
}

// Error is a file that cannot be read.
type Error struct {
	File string
	Pos  Pos
	Text string
}

// Error returns file:line:column: text.
func (e *Error) Error() string {
	if e.Pos == (Pos{}) {
		return e.File + ": " + e.Text
	}
	return fmt.Sprintf("%s:%s: %s", e.File, e.Pos, e.Text)
}

// Read reads the documents of a file. It is taken for JSON if its first character
// is a brace or a bracket, and for YAML otherwise. name is for messages. The error is
// an *Error.
func Read(name string, text []byte) ([]*Value, error) {
	if len(text) > MaxSize {
		return nil, &Error{File: name, Text: fmt.Sprintf("the file is larger than %d KiB", MaxSize>>10)}
	}
	body := strings.TrimPrefix(string(text), "\ufeff")
	start := strings.TrimLeft(body, " \t\r\n")
	if strings.HasPrefix(start, "{") || strings.HasPrefix(start, "[") {
		v, err := readJSON(name, body)
		if err != nil {
			return nil, err
		}
		return []*Value{v}, nil
	}
	return readYAML(name, body)
}

// set makes v a number. JSON does not tell 2.0 from 2, so neither do we.
func (v *Value) set(f float64) {
	v.Kind, v.Float = Float, f
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		v.Kind, v.Int = Int, int64(f)
	}
}

// Of makes a tree without places from values of encoding/json. Keys are in
// alphabetic order. Other types are an error.
func Of(v any) (*Value, error) {
	switch v := v.(type) {
	case nil:
		return &Value{}, nil
	case bool:
		return &Value{Kind: Bool, Bool: v}, nil
	case int:
		return &Value{Kind: Int, Int: int64(v), Float: float64(v)}, nil
	case int64:
		return &Value{Kind: Int, Int: v, Float: float64(v)}, nil
	case float64:
		out := &Value{}
		out.set(v)
		return out, nil
	case string:
		return &Value{Kind: String, Str: v}, nil
	case []any:
		out := &Value{Kind: List}
		for _, item := range v {
			c, err := Of(item)
			if err != nil {
				return nil, err
			}
			out.Items = append(out.Items, c)
		}
		return out, nil
	case map[string]any:
		out := &Value{Kind: Map}
		for key, item := range v {
			c, err := Of(item)
			if err != nil {
				return nil, err
			}
			out.Pairs = append(out.Pairs, Pair{Key: key, Value: c})
		}
		slices.SortFunc(out.Pairs, func(a, b Pair) int { return strings.Compare(a.Key, b.Key) })
		return out, nil
	}
	return nil, fmt.Errorf("a value of the type %T cannot be in a document", v)
}
