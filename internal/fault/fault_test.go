package fault_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
)

// constants reads the values of all Code constants from the source.
func constants(t *testing.T) []fault.Code {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []fault.Code
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := v.Type.(*ast.Ident); !ok || typ.Name != "Code" {
			return true
		}
		for _, val := range v.Values {
			lit, ok := val.(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is not a literal", v.Names[0])
			}
			s, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fault.Code(s))
		}
		return true
	})
	slices.Sort(all)
	return all
}

func TestEveryCodeIsRegisteredOnce(t *testing.T) {
	t.Parallel()
	all := constants(t)
	if len(all) < 20 {
		t.Fatalf("found %d codes only", len(all))
	}
	if diff := cmp.Diff(all, fault.Codes()); diff != "" {
		t.Errorf("constants and register differ (-constants +register):\n%s", diff)
	}
}

func TestEntriesAreComplete(t *testing.T) {
	t.Parallel()
	kinds := []fault.Kind{
		fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.Missing, fault.Conflicting,
		fault.Precondition, fault.Oversized, fault.Limited, fault.Unavailable, fault.Internal,
	}
	snake := regexp.MustCompile(`^[a-z]+(_[a-z0-9]+)*$`)
	for _, c := range fault.Codes() {
		e := c.Entry()
		if !snake.MatchString(string(c)) || !slices.Contains(kinds, e.Kind) {
			t.Errorf("%s: kind %q", c, e.Kind)
		}
		if e.Title == "" || strings.HasSuffix(e.Title, ".") || !strings.HasSuffix(e.Remedy, ".") {
			t.Errorf("%s: title %q (no full stop), remedy %q (a sentence)", c, e.Title, e.Remedy)
		}
	}
}

func TestFrom(t *testing.T) {
	t.Parallel()
	if fault.From(nil) != nil {
		t.Error("nil has a fault")
	}
	plain := fault.From(io.ErrUnexpectedEOF)
	if plain.Code != fault.InternalError || !errors.Is(plain, io.ErrUnexpectedEOF) || strings.Contains(plain.Detail, "EOF") {
		t.Errorf("a plain error: %+v; want an internal fault that hides it from people and keeps it as cause", plain)
	}
	wrapped := fmt.Errorf("load: %w", fault.New(fault.NotFound, "no job"))
	if got := fault.From(wrapped); got.Code != fault.NotFound || got.Kind() != fault.Missing {
		t.Errorf("a wrapped fault: %+v", got)
	}
	if !fault.Is(wrapped, fault.NotFound) || fault.Is(wrapped, fault.Conflict) || fault.Is(nil, fault.NotFound) || fault.Is(io.EOF, fault.InternalError) {
		t.Error("Is compares something else than the code in the chain")
	}
	if !errors.Is(wrapped, &fault.Error{Code: fault.NotFound}) || errors.Is(wrapped, &fault.Error{Code: fault.Conflict}) {
		t.Error("errors.Is compares something else than codes")
	}
}

func TestUnknownCodeIsInternal(t *testing.T) {
	t.Parallel()
	if got := fault.New("made_up", "x").Kind(); got != fault.Internal {
		t.Errorf("kind %s", got)
	}
}

// TestCopiesDoNotShare: a fault that was returned never changes.
func TestCopiesDoNotShare(t *testing.T) {
	t.Parallel()
	base := fault.New(fault.InvalidInput, "bad").At("/a", "x", "1")
	one, two := base.At("/b", "x", "2"), base.At("/c", "x", "3").WithHint("try")
	if len(base.Fields) != 1 || one.Fields[1].Pointer != "/b" || two.Fields[1].Pointer != "/c" || base.Hint != "" || two.Hint != "try" {
		t.Errorf("base %+v, one %+v, two %+v", base, one, two)
	}
	if got, want := fault.Wrap(io.EOF, fault.StorageBusy, "wait").Error(), "storage_busy: wait: EOF"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}
