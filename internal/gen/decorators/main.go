// Command decorators writes internal/metrics/store.gen.go: a wrapper of each
// role of the store, in which every operation that takes a context is timed. It
// reads the contract in internal/store. Run it from the repository's root.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"log/slog"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const out = "internal/metrics/store.gen.go"

func main() {
	if err := run(); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("decorators", "error", err)
		os.Exit(1)
	}
}

func run() error {
	fset := token.NewFileSet()
	packages, err := parser.ParseDir(fset, "internal/store", func(f os.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // SA1019: only syntax is needed
	if err != nil {
		return err
	}
	g := &generator{interfaces: map[string]*ast.InterfaceType{}, imports: map[string]string{}, used: map[string]bool{"context": true, "store": true}}
	var roles *ast.StructType
	for _, p := range packages {
		for _, f := range p.Files {
			if s := g.collect(f); s != nil {
				roles = s
			}
		}
	}
	if roles == nil {
		return errors.New("internal/store has no struct named Store")
	}
	for _, field := range roles.Fields.List {
		for _, n := range field.Names {
			if err := g.role(n.Name, types.ExprString(field.Type)); err != nil {
				return err
			}
		}
	}
	return g.write()
}

type generator struct {
	interfaces map[string]*ast.InterfaceType
	imports    map[string]string // by name
	used       map[string]bool
	wrap, body bytes.Buffer
}

// collect notes the interfaces of a file and returns the struct Store.
func (g *generator) collect(f *ast.File) (roles *ast.StructType) {
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err == nil {
			g.imports[path.Base(p)] = p
		}
	}
	for _, d := range f.Decls {
		gd, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range gd.Specs {
			ts, ok := s.(*ast.TypeSpec)
			if !ok {
				continue
			}
			switch t := ts.Type.(type) {
			case *ast.InterfaceType:
				g.interfaces[ts.Name.Name] = t
			case *ast.StructType:
				if ts.Name.Name == "Store" {
					roles = t
				}
			}
		}
	}
	return roles
}

func (g *generator) role(field, name string) error {
	it := g.interfaces[name]
	if it == nil {
		return fmt.Errorf("role %s has no interface %s", field, name)
	}
	fmt.Fprintf(&g.wrap, "if s.%[1]s != nil {\ns.%[1]s = timed%[1]s{s.%[1]s, m}\n}\n", field)
	fmt.Fprintf(&g.body, "type timed%s struct {\nstore.%s\nm *Metrics\n}\n\n", field, name)
	for _, m := range it.Methods.List {
		ft, ok := m.Type.(*ast.FuncType)
		if !ok || len(m.Names) != 1 || len(ft.Params.List) == 0 || types.ExprString(ft.Params.List[0].Type) != "context.Context" || ft.Results == nil {
			continue // what takes no context waits for nothing
		}
		if last := ft.Params.List[len(ft.Params.List)-1]; types.ExprString(last.Type) == "Waiting" {
			continue // it waits for its caller
		}
		g.method(field, name, m.Names[0].Name, ft)
	}
	return nil
}

func (g *generator) method(field, role, name string, ft *ast.FuncType) {
	params, args := []string{"ctx context.Context"}, []string{"ctx"}
	for _, p := range ft.Params.List[1:] {
		for range max(1, len(p.Names)) {
			a := fmt.Sprintf("a%d", len(args))
			t := g.typeOf(p.Type)
			params = append(params, a+" "+t)
			if strings.HasPrefix(t, "...") {
				a += "..."
			}
			args = append(args, a)
		}
	}
	var results, vars []string
	for _, r := range ft.Results.List {
		for range max(1, len(r.Names)) {
			results = append(results, g.typeOf(r.Type))
			vars = append(vars, fmt.Sprintf("r%d", len(vars)))
		}
	}
	done := ""
	switch last := len(results) - 1; results[last] {
	case "error":
		vars[last] = "err"
		done = "err"
	case "[]error":
		vars[last] = "errs"
		done = "errs..."
	}
	fmt.Fprintf(&g.body, "func (d timed%s) %s(%s) (%s) {\ndone := d.m.begin(%q, %q)\n%s := d.%s.%s(%s)\ndone(%s)\nreturn %s\n}\n\n",
		field, name, strings.Join(params, ", "), strings.Join(results, ", "), snake(field), snake(name),
		strings.Join(vars, ", "), role, name, strings.Join(args, ", "), done, strings.Join(vars, ", "))
}

// typeOf writes a type as another package does.
func (g *generator) typeOf(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.Ident:
		if ast.IsExported(t.Name) {
			return "store." + t.Name
		}
		return t.Name
	case *ast.SelectorExpr:
		g.used[types.ExprString(t.X)] = true
		return types.ExprString(t)
	case *ast.StarExpr:
		return "*" + g.typeOf(t.X)
	case *ast.ArrayType:
		if t.Len != nil {
			return "[" + g.typeOf(t.Len) + "]" + g.typeOf(t.Elt)
		}
		return "[]" + g.typeOf(t.Elt)
	case *ast.MapType:
		return "map[" + g.typeOf(t.Key) + "]" + g.typeOf(t.Value)
	case *ast.Ellipsis:
		return "..." + g.typeOf(t.Elt)
	case *ast.FuncType:
		list := func(f *ast.FieldList) string {
			if f == nil {
				return ""
			}
			var s []string
			for _, x := range f.List {
				for range max(1, len(x.Names)) {
					s = append(s, g.typeOf(x.Type))
				}
			}
			return strings.Join(s, ", ")
		}
		return "func(" + list(t.Params) + ") (" + list(t.Results) + ")"
	case *ast.ChanType:
		if t.Dir == ast.RECV {
			return "<-chan " + g.typeOf(t.Value)
		}
		return "chan " + g.typeOf(t.Value)
	case *ast.IndexExpr:
		return g.typeOf(t.X) + "[" + g.typeOf(t.Index) + "]"
	}
	return types.ExprString(e)
}

func snake(s string) string {
	var b strings.Builder
	for i, r := range s {
		if unicode.IsUpper(r) {
			if i > 0 {
				b.WriteByte('_')
			}
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (g *generator) write() error {
	var std, own []string
	for name := range g.used {
		p := g.imports[name]
		if name == "store" {
			p = "github.com/runsheet/runsheet/internal/store"
		}
		if strings.Contains(p, ".") {
			own = append(own, strconv.Quote(p))
		} else {
			std = append(std, strconv.Quote(p))
		}
	}
	slices.Sort(std)
	slices.Sort(own)
	var b bytes.Buffer
	b.WriteString("// Code generated by internal/gen/decorators from internal/store. DO NOT EDIT.\n\npackage metrics\n\n")
	fmt.Fprintf(&b, "import (\n%s\n\n%s\n)\n\n", strings.Join(std, "\n"), strings.Join(own, "\n"))
	fmt.Fprintf(&b, "// timed wraps each role of a store.\nfunc (m *Metrics) timed(s store.Store) store.Store {\n%sreturn s\n}\n\n%s", g.wrap.Bytes(), g.body.Bytes())
	text, err := format.Source(b.Bytes())
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o644)
}
