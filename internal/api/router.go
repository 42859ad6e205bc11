package api

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/guard"
	"github.com/runsheet/runsheet/internal/fault"
)

// operation is one method of one path: what it is called, who may call it,
// what it takes and what does it. The OpenAPI document is made from the same
// value that the router serves.
type operation struct {
	ID, Method, Path string
	// Scope is the right that a caller needs. A route without one cannot be
	// registered, unless Public says that anybody may call it.
	Scope  access.Scope
	Public bool

	Tag, Summary, Doc string
	Query             []param
	// Body is a zero value of the request body's type; nil = the operation takes
	// none. A body that is optional may be left out.
	Body         any
	BodyOptional bool
	// Patch says that the body is a JSON merge patch (RFC 7396): it is checked
	// after it was applied, by the handler.
	Patch bool
	// Waits: Prefer: wait=N is understood. Matches: If-Match is understood.
	Waits, Matches bool
	// Ticket: ?ticket= is understood, because browsers cannot send a header.
	Ticket bool
	// Successor is the path of the operation that is used instead of this one,
	// which is deprecated; "" = it is not.
	Successor string
	// Secret: the request or its answer holds a secret, so nothing of them is
	// stored for repetitions, not even the hash that a key has.
	Secret bool
	// Private: the body is stored nowhere, nor the answer, and the hash that a key
	// has is keyed. The handler repeats what was done before, see request.earlier.
	Private bool
	// Pure: a POST that changes nothing, so it needs no Idempotency-Key.
	Pure bool
	// Many: the body may also be a list of up to as many of Body; 0 = it may not.
	Many int
	// Hint advises whoever sends a body with an unknown field; "" = what the check says.
	Hint string
	// Media are content types beside JSON whose bodies the handler reads itself.
	Media   []string
	Answers []answer
	Faults  []fault.Code

	// Handle answers with a value; Stream writes the answer itself. One is set.
	Handle func(r *request) (reply, error)
	Stream func(w http.ResponseWriter, r *request) error
}

// repeatable reports whether the operation takes an Idempotency-Key.
func (op *operation) repeatable() bool {
	return op.Method == http.MethodPost && !op.Secret && !op.Public && !op.Pure
}

// answer documents one success.
type answer struct {
	Status int
	Doc    string
	// Body is a zero value of the answer's type; nil = none.
	Body any
	// Media is the content type when it is not JSON.
	Media []string
	// Frames are zero values of what a stream of Media consists of.
	Frames []any
}

// param is one query parameter.
type param struct {
	Name, Doc string
	Schema    *huma.Schema
	// List: the value is a comma-separated list. Repeat: it may be given more than once.
	List, Repeat bool
}

// router serves registered operations and nothing else.
type router struct {
	s     *service
	mux   *http.ServeMux
	table []*operation
	paths map[string]map[string]*operation
}

func newRouter(s *service) *router {
	return &router{s: s, mux: http.NewServeMux(), paths: map[string]map[string]*operation{}}
}

// add registers an operation. It panics when the operation has neither a
// scope nor an explicit Public mark, or both, or is registered twice: a mistake
// of the programmer that must not survive the first test.
func (t *router) add(op operation) {
	name := op.Method + " " + op.Path
	if (op.Scope == "") == !op.Public {
		panic("api: " + name + " needs a scope, or the mark Public, and not both")
	}
	if (op.Handle == nil) == (op.Stream == nil) || op.ID == "" || len(op.Answers) == 0 {
		panic("api: " + name + " is not complete")
	}
	methods, known := t.paths[op.Path]
	if !known {
		methods = map[string]*operation{}
		t.paths[op.Path] = methods
		t.mux.Handle(op.Path, t.serve(methods))
	}
	if methods[op.Method] != nil {
		panic("api: " + name + " registered twice")
	}
	methods[op.Method] = &op
	t.table = append(t.table, &op)
}

// serve chooses among the methods of one path. The map is complete before the
// first request.
func (t *router) serve(methods map[string]*operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		op := methods[method]
		if op == nil {
			t.s.refuseMethod(w, r, methods)
			return
		}
		t.s.call(w, r, op)
	})
}

func (s *service) refuseMethod(w http.ResponseWriter, r *http.Request, methods map[string]*operation) {
	if strings.HasPrefix(r.URL.Path, "/api") {
		if _, err := s.authenticate(r); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	var allow []string
	for m := range methods {
		allow = append(allow, m)
		if m == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	slices.Sort(allow)
	w.Header().Set("Allow", strings.Join(allow, ", "))
	s.fail(w, r, fault.Newf(fault.MethodNotAllowed, "%s is not allowed on %s; allowed: %s",
		clip(r.Method), clip(r.URL.Path), strings.Join(allow, ", ")))
}

// ServeHTTP implements http.Handler. /api/v1 is another name of /api, and one
// trailing slash is ignored, both without a redirect.
func (t *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := r.URL.Path
	inAPI := p == "/api" || strings.HasPrefix(p, "/api/")
	// The name of a lock may hold what elsewhere is a step of the path, if it is
	// escaped: there the path as it was sent counts.
	clean := p
	if strings.HasPrefix(p, lockPath) || strings.HasPrefix(p, "/api/v1"+strings.TrimPrefix(lockPath, "/api")) {
		clean = r.URL.EscapedPath()
	}
	if inAPI || isLegacy(p) || t.s.isDirect(p) || strings.HasPrefix(p, "/problems/") || p == "/livez/" || p == "/readyz/" {
		if short, ok := strings.CutSuffix(clean, "/"); ok {
			p, clean = strings.TrimSuffix(p, "/"), short
		}
		if rest, ok := strings.CutPrefix(p, "/api/v1"); ok && (rest == "" || rest[0] == '/') {
			p = "/api" + rest
		}
		r = rebase(r, p)
	}
	// ServeMux answers unclean paths with a redirect; here they do not exist.
	if p == "" || p[0] != '/' || (path.Clean(clean) != clean && path.Clean(clean)+"/" != clean) {
		t.missing(w, r, inAPI)
		return
	}
	_, pattern := t.mux.Handler(r)
	if pattern == "" {
		t.missing(w, r, inAPI)
		return
	}
	guard.Route(r.Context(), pattern)
	t.mux.ServeHTTP(w, r)
}

func (t *router) missing(w http.ResponseWriter, r *http.Request, inAPI bool) {
	if inAPI {
		if _, err := t.s.authenticate(r); err != nil {
			t.s.fail(w, r, err)
			return
		}
	}
	if !inAPI && (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html") {
		lost(w, r)
		return
	}
	t.s.fail(w, r, fault.Newf(fault.NotFound, "there is nothing at %s", clip(r.URL.Path)))
}

// lost answers a person who has typed a wrong address, with the way to the pages.
func lost(w http.ResponseWriter, r *http.Request) {
	language, title, link := "en", "There is nothing here.", "Open Runsheet"
	if strings.HasPrefix(r.Header.Get("Accept-Language"), "ko") {
		language, title, link = "ko", "이 주소에는 아무것도 없습니다.", "Runsheet 열기"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept, Accept-Language")
	w.WriteHeader(http.StatusNotFound)
	_, _ = fmt.Fprintf(w, "<!doctype html>\n<html lang=%q><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Runsheet</title><h1>%s</h1><p><a href=\"/ui/\">%s</a></p></html>\n", language, title, link)
}

// rebase returns r with another path. The escaped form is dropped unless it
// matters: only the name of a lock contains an escaped slash.
func rebase(r *http.Request, p string) *http.Request {
	if p == r.URL.Path {
		return r
	}
	u := *r.URL
	if u.RawPath != "" {
		raw := strings.TrimSuffix(u.RawPath, "/")
		if rest, ok := strings.CutPrefix(raw, "/api/v1"); ok && (rest == "" || rest[0] == '/') {
			raw = "/api" + rest
		}
		u.RawPath = raw
	}
	u.Path = p
	c := *r
	c.URL = &u
	return &c
}

func clip(s string) string {
	const limit = 120
	if len(s) > limit {
		return fmt.Sprintf("%s...", s[:limit])
	}
	return s
}
