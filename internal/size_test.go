package internal_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The limits. A thing that outgrows one is split, not exempted.
const (
	maxFileLines    = 600
	maxTestLines    = 900
	maxFuncLines    = 80
	maxPackageFiles = 15 // without tests
	maxMethods      = 12
	maxParams       = 5 // a leading context does not count
)

// catalogues are packages with one file for each resource, role, command or part, whose number the product decides. Each file keeps the other limits.
var catalogues = map[string]int{
	"client": 26, "workflow": 20, "api": 68, "api/wire": 44, "app": 34, "cli": 54, "store/portable": 59, "store/storetest": 58,
}

// exempt lists what may be larger, as "path" or "path name", and why. The list
// may only shrink.
var exempt = map[string]string{}

func TestSizes(t *testing.T) {
	t.Parallel()
	var found []string
	files := map[string]int{}
	fset := token.NewFileSet()
	walk(t, func(name string, src []byte) {
		lines := bytes.Count(src, []byte("\n"))
		test := strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".test.ts") || strings.HasSuffix(name, ".test.tsx")
		limit := maxFileLines
		if test {
			limit = maxTestLines
		}
		if lines > limit {
			found = append(found, fmt.Sprintf("%s: %d lines, limit %d", name, lines, limit))
		}
		if filepath.Ext(name) != ".go" {
			return
		}
		if !test {
			files[filepath.Dir(name)]++
		}
		f, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, oversized(fset, name, f)...)
	})
	for dir, n := range files {
		limit := maxPackageFiles
		if n, ok := catalogues[filepath.ToSlash(strings.TrimPrefix(dir, "internal"+string(filepath.Separator)))]; ok {
			limit = n
		}
		if n > limit {
			found = append(found, fmt.Sprintf("%s: %d files, limit %d", dir, n, limit))
		}
	}
	slices.Sort(found)
	used := map[string]bool{}
	for _, f := range found {
		key, _, _ := strings.Cut(f, ":")
		if exempt[key] != "" {
			used[key] = true
			continue
		}
		t.Error(f)
	}
	for key := range exempt {
		if !used[key] {
			t.Errorf("%s keeps the limits: remove it from exempt", key)
		}
	}
}

// TestSizesNotice makes sure that the check can fail.
func TestSizesNotice(t *testing.T) {
	t.Parallel()
	src := "package p\ntype I interface {" + strings.Repeat("\n m()", maxMethods+1) + "\n}\n" +
		"func f(a, b, c, d, e, f int) {" + strings.Repeat("\n", maxFuncLines) + "}\n" +
		"func g(ctx C, a, b, c, d, e int) {" + strings.Repeat("\n", maxFuncLines-1) + "}\n"
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	got := oversized(fset, "p.go", f)
	want := []string{"p.go I: 13 methods, limit 12", "p.go f: 81 lines, limit 80", "p.go f: 6 parameters, limit 5"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// oversized lists the functions and interfaces of a file that are too large.
func oversized(fset *token.FileSet, name string, f *ast.File) []string {
	var found []string
	add := func(what, unit string, n, limit int) {
		if n > limit {
			found = append(found, fmt.Sprintf("%s %s: %d %s, limit %d", name, what, n, unit, limit))
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			add(n.Name.Name, "lines", fset.Position(n.End()).Line-fset.Position(n.Pos()).Line+1, maxFuncLines)
			add(n.Name.Name, "parameters", params(n.Type), maxParams)
		case *ast.TypeSpec:
			if i, ok := n.Type.(*ast.InterfaceType); ok {
				add(n.Name.Name, "methods", len(i.Methods.List), maxMethods)
			}
		}
		return true
	})
	return found
}

func params(f *ast.FuncType) int {
	n := 0
	for i, p := range f.Params.List {
		if i == 0 && len(p.Names) == 1 && p.Names[0].Name == "ctx" {
			continue
		}
		n += max(1, len(p.Names))
	}
	return n
}

// walk calls f for each written source file of the repository, with its path
// from the root.
func walk(t *testing.T, f func(name string, src []byte)) {
	t.Helper()
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{"node_modules", "dist", "testdata", "gen", "bin", ".git"}, d.Name()) && filepath.Base(filepath.Dir(p)) != "internal" {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".go", ".ts", ".tsx"}, filepath.Ext(p)) {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(src, []byte("// Code generated ")) {
			return nil
		}
		name, err := filepath.Rel("..", p)
		if err != nil {
			return err
		}
		f(filepath.ToSlash(name), src)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
