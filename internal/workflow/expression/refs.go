package expression

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/parser"
)

// reader goes through a parsed expression: it lists what is read and refuses what
// could not be checked before it runs, or would take too long.
type reader struct {
	names Names
	refs  []Ref
	err   error
	// locals are names of let.
	locals []string
	// loops is how many predicates surround the place.
	loops int
}

func (r *reader) parse(text string) {
	config := conf.New(prototype())
	for _, name := range functions {
		config.Disabled[name] = true
	}
	tree, err := parser.ParseWithConfig(text, config)
	if err != nil {
		r.err = syntaxError(err)
		return
	}
	r.walk(tree.Node)
}

func (r *reader) fail(n ast.Node, suggest, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Offset: n.Location().From, Text: fmt.Sprintf(format, args...), Suggest: suggest}
	}
}

func (r *reader) walk(n ast.Node) {
	if r.err != nil || n == nil {
		return
	}
	switch n := n.(type) {
	case *ast.IdentifierNode, *ast.MemberNode:
		r.chain(n)
	case *ast.UnaryNode:
		r.walk(n.Node)
	case *ast.BinaryNode:
		r.walk(n.Left)
		r.walk(n.Right)
	case *ast.ChainNode:
		r.walk(n.Node)
	case *ast.SliceNode:
		r.all(n.Node, n.From, n.To)
	case *ast.CallNode:
		r.call(n)
	case *ast.BuiltinNode:
		r.builtin(n)
	case *ast.PredicateNode:
		r.loops++
		r.walk(n.Node)
		r.loops--
	case *ast.VariableDeclaratorNode:
		r.declare(n)
	case *ast.SequenceNode:
		r.all(n.Nodes...)
	case *ast.ConditionalNode:
		r.all(n.Cond, n.Exp1, n.Exp2)
	case *ast.ArrayNode:
		r.all(n.Nodes...)
	case *ast.MapNode:
		r.all(n.Pairs...)
	case *ast.PairNode:
		r.all(n.Key, n.Value)
	}
}

func (r *reader) all(nodes ...ast.Node) {
	for _, n := range nodes {
		if n != nil {
			r.walk(n)
		}
	}
}

func (r *reader) declare(n *ast.VariableDeclaratorNode) {
	if slices.Contains(roots, n.Name) || slices.Contains(functions, n.Name) || r.names[n.Name] != "" {
		r.fail(n, "", "let %s hides a name that the workflow has", n.Name)
		return
	}
	r.walk(n.Value)
	r.locals = append(r.locals, n.Name)
	r.walk(n.Expr)
	r.locals = r.locals[:len(r.locals)-1]
}

func (r *reader) call(n *ast.CallNode) {
	if id, ok := n.Callee.(*ast.IdentifierNode); ok {
		if !slices.Contains(functions, id.Value) {
			r.fail(n, Nearest(id.Value, append(slices.Clone(functions), builtin.Names...)), "there is no function %s", id.Value)
		}
	} else {
		r.fail(n, "", "only functions can be called")
	}
	r.all(n.Arguments...)
}

// looping are the builtins that go through a list with a predicate.
func looping(n *ast.BuiltinNode) bool {
	return slices.ContainsFunc(n.Arguments, func(a ast.Node) bool { _, is := a.(*ast.PredicateNode); return is })
}

// builtin refuses a loop inside a loop, unless the inner one goes through a part of
// the outer one's element: what an expression goes through stays in proportion to
// what it was given.
func (r *reader) builtin(n *ast.BuiltinNode) {
	if looping(n) && r.loops > 0 && !ofElement(n.Arguments[0]) {
		r.fail(n, "", "%s goes through a whole list for each element of another one; take the inner list from the element (#)", n.Name)
		return
	}
	r.all(n.Arguments...)
}

// ofElement reports whether n is a part of the element of the loop around it.
func ofElement(n ast.Node) bool {
	for {
		switch x := n.(type) {
		case *ast.PointerNode:
			return x.Name == ""
		case *ast.MemberNode:
			n = x.Node
		case *ast.ChainNode:
			n = x.Node
		case *ast.SliceNode:
			n = x.Node
		case *ast.BuiltinNode:
			if len(x.Arguments) == 0 {
				return false
			}
			n = x.Arguments[0]
		default:
			return false
		}
	}
}

// chain reads a name with the keys behind it.
func (r *reader) chain(n ast.Node) {
	var keys []string
	var optional []bool
	fixed := true
	at := n
	for {
		if c, ok := at.(*ast.ChainNode); ok {
			at = c.Node
			continue
		}
		m, ok := at.(*ast.MemberNode)
		if !ok {
			break
		}
		if key, ok := m.Property.(*ast.StringNode); ok {
			keys, optional = append(keys, key.Value), append(optional, m.Optional)
		} else {
			// What is behind a computed key is not known.
			r.walk(m.Property)
			keys, optional, fixed = nil, nil, false
		}
		at = m.Node
	}
	id, ok := at.(*ast.IdentifierNode)
	if !ok {
		r.walk(at)
		return
	}
	slices.Reverse(keys)
	slices.Reverse(optional)
	r.add(id, keys, optional, fixed)
}

// add notes a reference. optional says of each key whether ?. precedes it.
func (r *reader) add(id *ast.IdentifierNode, keys []string, optional []bool, fixed bool) {
	if slices.Contains(r.locals, id.Value) {
		return
	}
	path := []string{id.Value}
	if !slices.Contains(roots, id.Value) {
		to, ok := r.names[id.Value]
		if !ok {
			known := append(slices.Clone(roots), r.bare()...)
			r.fail(id, Nearest(id.Value, known), "%s is not known here", id.Value)
			return
		}
		if to == Ambiguous {
			r.fail(id, "", "%s may be inputs.%s or vars.%s: write which", id.Value, id.Value, id.Value)
			return
		}
		path = strings.Split(to, ".")
		if root, is := strings.CutPrefix(to, "="); is {
			path = []string{root}
		} else if len(path) == 1 {
			path = append(path, id.Value)
		}
	}
	ref := Ref{Offset: id.Location().From, Path: append(path, keys...)}
	ref.Optional = make([]bool, len(ref.Path))
	for i, o := range optional {
		ref.Optional[len(path)-1+i] = o
	}
	switch {
	case ref.Root() == "outputs" && len(ref.Path) == 1 && fixed:
		r.fail(id, "", "outputs needs the name of a node behind it, as in outputs.extract")
	case ref.Root() == "outputs" && len(ref.Path) == 1:
		r.fail(id, "", "the node behind outputs must be named, not computed")
	case ref.Root() == "secrets" && len(ref.Path) != 2:
		r.fail(id, "", "secrets needs a name behind it, as in secrets.API_TOKEN")
	}
	r.refs = append(r.refs, ref)
}

func (r *reader) bare() []string {
	out := make([]string, 0, len(r.names))
	for name := range r.names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Nearest returns the candidate that is written most like word, "" if none is near.
func Nearest(word string, candidates []string) string {
	best, at := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < at {
			best, at = c, d
		}
	}
	return best
}

// distance is that of Levenshtein, with swapped neighbours as one step.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 100 || len(y) > 100 {
		return 100
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range y {
		rows[0][j+1] = j + 1
	}
	for i := range x {
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			d := min(rows[i][j+1]+1, rows[i+1][j]+1, rows[i][j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(x)][len(y)]
}
