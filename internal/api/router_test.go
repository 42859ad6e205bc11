package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/task"
)

// TestRouterRefuses: a route without a scope cannot exist.
func TestRouterRefuses(t *testing.T) {
	t.Parallel()
	good := operation{
		ID: "x", Method: http.MethodGet, Path: "/api/x", Scope: access.JobsRead, Answers: []answer{{Status: http.StatusOK}},
		Handle: func(*request) (reply, error) { return reply{}, nil },
	}
	for name, spoil := range map[string]func(*operation){
		"no scope":         func(o *operation) { o.Scope = "" },
		"scope and public": func(o *operation) { o.Public = true },
		"no handler":       func(o *operation) { o.Handle = nil },
		"no answer":        func(o *operation) { o.Answers = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			op := good
			spoil(&op)
			if !panics(func() { newRouter(&service{}).add(op) }) {
				t.Error("it was registered")
			}
		})
	}
	r := newRouter(&service{})
	r.add(good)
	if !panics(func() { r.add(good) }) {
		t.Error("it was registered twice")
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// TestInternalFaultsLeakNothing: what an internal error wraps stays inside.
func TestInternalFaultsLeakNothing(t *testing.T) {
	t.Parallel()
	p := problemOf(fault.Wrap(http.ErrBodyNotAllowed, fault.InternalError, "secret path"), "req_1")
	if b, err := marshal(p); err != nil || strings.Contains(string(b), "secret") || p.Status != http.StatusInternalServerError {
		t.Errorf("%s %v", b, err)
	}
}

// TestEveryCodeHasAStatus: no code falls through to 500 unless it is internal.
func TestEveryCodeHasAStatus(t *testing.T) {
	t.Parallel()
	for _, c := range fault.Codes() {
		if s := statusOf(c); s < 400 || s > 599 || (s == 500) != (c.Entry().Kind == fault.Internal) {
			t.Errorf("%s: %d", c, s)
		}
	}
}

func FuzzRebase(f *testing.F) {
	for _, s := range []string{"/api/v1/jobs/", "/api/jobs", "/api/v1", "/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if c := rebase(r, p); c.URL.Path != p {
			t.Errorf("%q became %q", p, c.URL.Path)
		}
	})
}

// TestSchemasCompile: they are compiled when somebody needs them, each of them works.
func TestSchemasCompile(t *testing.T) {
	t.Parallel()
	s := &service{Options: Options{Direct: DirectRoutes()}}
	r := newRouter(s)
	s.register(r)
	all, err := newSchemas(Document, r.table, task.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if len(all.of) < 40 {
		t.Errorf("only %d kinds of bodies", len(all.of))
	}
	for body, schema := range all.of {
		if sch, err := schema(); err != nil || sch == nil {
			t.Errorf("%v: %v", body, err)
		}
	}
}
