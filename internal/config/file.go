package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/runsheet/runsheet/internal/fault"
)

// maxFile is the largest configuration file in bytes.
const maxFile = 256 << 10

// entry is one value of the file.
type entry struct {
	name  string // path with dots
	text  string
	place string // file:line:column of the key
}

// parseFile reads the YAML file into text values. It walks the syntax tree
// rather than decode it, so that each value keeps its place, and so that 010 and
// 1.10 stay what was written.
func parseFile(path string) ([]entry, error) {
	data, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, fault.Newf(fault.InvalidInput, "%s:%s", path, yamlError(err))
	}
	w := walker{path: path, seen: map[string]string{}}
	for i, doc := range tree.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			return nil, w.fail(doc.Body, "the file must hold one document")
		}
		if err := w.mapping("", doc.Body); err != nil {
			return nil, err
		}
	}
	return w.out, nil
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidInput, "cannot read the configuration file: "+err.Error())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fault.Wrap(err, fault.InvalidInput, "read the configuration file")
	}
	if len(data) > maxFile {
		return nil, fault.Newf(fault.InvalidInput, "%s: larger than %d bytes", path, maxFile)
	}
	return data, nil
}

// yamlError is the message with its position, without the picture of the
// source, which could show a secret.
func yamlError(err error) string {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		p := e.GetToken().Position
		return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, e.GetMessage())
	}
	return " not well-formed YAML"
}

type walker struct {
	path string
	seen map[string]string
	out  []entry
}

func (w *walker) place(n ast.Node) string {
	p := n.GetToken().Position
	return fmt.Sprintf("%s:%d:%d", w.path, p.Line, p.Column)
}

func (w *walker) fail(n ast.Node, format string, args ...any) error {
	return fault.Newf(fault.InvalidInput, "%s: %s", w.place(n), fmt.Sprintf(format, args...))
}

func (w *walker) mapping(prefix string, n ast.Node) error {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	case *ast.NullNode, *ast.CommentGroupNode:
		return nil
	default:
		return w.fail(n, "expected keys and values")
	}
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			return w.fail(v.Key, "a key must be plain text")
		}
		name := key.Value
		if prefix != "" {
			name = prefix + "." + name
		}
		if err := w.value(name, key, v.Value); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) value(name string, key, v ast.Node) error {
	var text string
	switch v := v.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return w.mapping(name, v)
	case *ast.SequenceNode:
		var items []string
		for _, item := range v.Values {
			s, err := w.item(item)
			if err != nil {
				return err
			}
			if strings.Contains(s, ",") {
				return w.fail(item, "an item of a list must not contain a comma")
			}
			items = append(items, s)
		}
		text = strings.Join(items, ",")
	default:
		var err error
		if text, err = w.scalar(v); err != nil {
			return err
		}
	}
	if first, dup := w.seen[name]; dup {
		return w.fail(key, "key %q stands already at %s", name, first)
	}
	w.seen[name] = w.place(key)
	w.out = append(w.out, entry{name: name, text: text, place: w.place(key)})
	return nil
}

// item is an entry of a list: text, or keys and values, which become the text
// "key=value key=value".
func (w *walker) item(n ast.Node) (string, error) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return w.scalar(n)
	}
	var words []string
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			return "", w.fail(v.Key, "a key must be plain text")
		}
		s, err := w.scalar(v.Value)
		if err != nil {
			return "", err
		}
		if strings.ContainsAny(s, " \t\n") {
			return "", w.fail(v.Value, "a value in an item of a list must not contain white space")
		}
		words = append(words, key.Value+"="+s)
	}
	return strings.Join(words, " "), nil
}

func (w *walker) scalar(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, nil
	case *ast.NullNode:
		return "", nil
	}
	return "", w.fail(n, "anchors, aliases, tags and nested lists are not supported here")
}
