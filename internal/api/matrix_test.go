package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

// This file calls every route as every kind of caller (T19). The routes come
// from the router's own table, so a new one is in the matrix without anybody's
// doing; what a caller may do comes from the scope that the route names. All
// credentials are real rows.

// route is one operation of the router.
type route struct {
	method, path, target string
	public               bool
	scope                access.Scope
}

func (r route) name() string { return r.method + " " + r.path }
func (r route) safe() bool   { return r.method == "GET" || r.method == "HEAD" }

func routes() []route {
	var out []route
	for path, item := range api.Document().Paths {
		for method, op := range operations(item) {
			scope, _ := op.Extensions["x-scope"].(string)
			out = append(out, route{method, path, ids.Replace(path), len(op.Security) == 0, access.Scope(scope)})
		}
	}
	slices.SortFunc(out, func(a, b route) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return out
}

// matrix makes credentials of every kind.
type matrix struct {
	*bundle
	n      int
	tenant string
}

func (m *matrix) token(edit func(*access.Token)) string {
	m.t.Helper()
	m.n++
	text := access.NewToken()
	tok := access.Token{
		ID: id.New(id.Token, start), Tenant: access.DefaultTenant, Name: fmt.Sprint("token ", m.n), Hash: access.HashToken(text),
		Roles: []access.Role{access.Admin}, CreatedBy: "test", CreatedAt: start, ExpiresAt: start.Add(time.Hour),
	}
	edit(&tok)
	if _, err := m.store.Tokens.Create(m.t.Context(), store.PutToken{Token: tok}); err != nil {
		m.t.Fatal(err)
	}
	return text
}

func (m *matrix) revoked() string {
	var ref string
	text := m.token(func(t *access.Token) { ref = t.ID })
	if err := m.store.Tokens.Revoke(m.t.Context(), store.RevokeToken{Tenant: access.DefaultTenant, ID: ref, At: start}); err != nil {
		m.t.Fatal(err)
	}
	return text
}

// session begins a session of a new user and returns the cookie.
func (m *matrix) session(role access.Role) string {
	m.t.Helper()
	m.n++
	u := access.User{
		ID: id.New(id.User, start), Tenant: access.DefaultTenant, Name: fmt.Sprint("user", m.n), Roles: []access.Role{role}, CreatedAt: start, UpdatedAt: start,
	}
	u, err := m.store.Users.Create(m.t.Context(), store.PutUser{User: u})
	if err != nil {
		m.t.Fatal(err)
	}
	secret := access.NewToken()
	if err := m.store.Sessions.Create(m.t.Context(), store.PutSession{Session: access.Session{
		ID: id.New(id.Session, start), Hash: access.HashToken(secret), UserID: u.ID, Tenant: u.Tenant,
		CreatedAt: start, SeenAt: start, ExpiresAt: start.Add(time.Hour),
	}}); err != nil {
		m.t.Fatal(err)
	}
	return "runsheet_session=" + secret
}

// brief ends a stream as soon as its answer has begun.
type brief struct {
	*httptest.ResponseRecorder
	end context.CancelFunc
}

func (b brief) WriteHeader(status int) {
	b.ResponseRecorder.WriteHeader(status)
	if strings.HasPrefix(b.Header().Get("Content-Type"), "text/event-stream") {
		b.end()
	}
}

// ask makes one request, for which it takes at most a minute.
func (m *matrix) ask(method, target string, headers ...string) int {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, "http://localhost/", nil)
	if err := setTarget(r, target); err != nil {
		m.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := brief{httptest.NewRecorder(), cancel}
	m.handler.ServeHTTP(w, r)
	return w.Code
}

// setTarget sets the path as it would come from the wire.
func setTarget(r *http.Request, target string) error {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return err
	}
	r.URL, r.RequestURI = u, target
	return nil
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// expectation is what an answer must be like.
type expectation struct {
	status int // 0 = past the door: neither 401 nor 403, nor the server's fault
}

func (e expectation) fits(status int) bool {
	if e.status != 0 {
		return status == e.status
	}
	return status != 401 && status != 403 && status != 421 && status < 500
}

// door is what a caller with roles and scopes gets at a route.
func door(r route, p access.Principal) expectation {
	if r.public || p.May(r.scope) {
		return expectation{}
	}
	return expectation{403}
}

// TestMatrixCallers has every kind of caller call every route.
func TestMatrixCallers(t *testing.T) {
	t.Parallel()
	m := &matrix{bundle: setup(t), tenant: id.New(id.Tenant, start)}
	if _, err := m.store.Tenants.Create(t.Context(), store.PutTenant{
		Tenant: access.Tenant{ID: m.tenant, Name: "other", CreatedAt: start, UpdatedAt: start},
	}); err != nil {
		t.Fatal(err)
	}
	asked := 0
	check := func(r route, caller string, want expectation, headers ...string) {
		t.Helper()
		asked++
		if got := m.ask(r.method, r.target, headers...); !want.fits(got) {
			t.Errorf("%s as %s: %d, want %d", r.name(), caller, got, want.status)
		}
	}
	nobody := map[string]string{
		"expired": m.token(func(k *access.Token) { k.ExpiresAt = start }), "revoked": m.revoked(),
		"unknown": access.NewToken(), "garbage": "rst_x", "empty": "", "long": strings.Repeat("a", 8000),
	}
	byRole := map[access.Role]string{}
	for _, role := range access.Roles() {
		byRole[role] = m.token(func(k *access.Token) { k.Roles = []access.Role{role} })
	}
	foreign := m.token(func(k *access.Token) { k.Tenant = m.tenant })
	narrow := map[access.Scope]string{}
	for _, s := range access.Scopes() {
		narrow[s] = m.token(func(k *access.Token) { k.Scopes = []access.Scope{s} })
	}
	none := m.token(func(k *access.Token) { k.Scopes = []access.Scope{} })
	for _, r := range routes() {
		shut := expectation{401}
		if r.public {
			shut = expectation{}
			if strings.HasPrefix(r.path, "/api/") { // log in and set up: no token is needed, nor looked at
				shut = expectation{415}
				if r.safe() {
					shut = expectation{}
				}
			}
		}
		check(r, "nobody", shut)
		for name, token := range nobody {
			check(r, name+" token", shut, bearer(token)...)
		}
		check(r, "basic auth", shut, "Authorization", "Basic YWRtaW46YWRtaW4=")
		check(r, "unknown session", shut, "Cookie", "runsheet_session="+access.NewToken())
		for role, token := range byRole {
			check(r, string(role), door(r, access.Principal{Tenant: access.DefaultTenant, Roles: []access.Role{role}}), bearer(token)...)
		}
		check(r, "another tenant's admin", door(r, access.Principal{Tenant: m.tenant, Roles: []access.Role{access.Admin}}), bearer(foreign)...)
		for s, token := range narrow {
			check(r, "token for "+string(s), door(r, access.Principal{
				Tenant: access.DefaultTenant, Roles: []access.Role{access.Admin}, Scopes: []access.Scope{s},
			}), bearer(token)...)
		}
		check(r, "token without scopes", door(r, access.Principal{
			Tenant: access.DefaultTenant, Roles: []access.Role{access.Admin}, Scopes: []access.Scope{},
		}), bearer(none)...)
		m.fromBrowsers(r, check)
	}
	t.Logf("%d requests", asked)
}

// fromBrowsers are callers with a cookie, and pages of other origins.
func (m *matrix) fromBrowsers(r route, check func(route, string, expectation, ...string)) {
	m.t.Helper()
	open, csrf := expectation{}, expectation{}
	if !r.safe() && !r.public {
		csrf = expectation{403}
	}
	check(r, "session without a sign of the page", csrf, "Cookie", m.session(access.Admin))
	check(r, "session and the page of another site", foreignPage(r), "Cookie", m.session(access.Admin), "Sec-Fetch-Site", "cross-site")
	check(r, "session and the page of a sister domain", foreignPage(r), "Cookie", m.session(access.Admin), "Sec-Fetch-Site", "same-site")
	check(r, "session and another origin", foreignPage(r), "Cookie", m.session(access.Admin), "Origin", "http://evil.example")
	check(r, "session and origin null", foreignPage(r), "Cookie", m.session(access.Admin), "Origin", "null")
	check(r, "session and own page", open, "Cookie", m.session(access.Admin), "Sec-Fetch-Site", "same-origin")
	check(r, "session and own origin", open, "Cookie", m.session(access.Admin), "Origin", "http://localhost")
	own := []string{"Sec-Fetch-Site", "same-origin"}
	check(r, "session of a viewer", door(r, access.Principal{Tenant: access.DefaultTenant, Roles: []access.Role{access.Viewer}}),
		append(own, "Cookie", m.session(access.Viewer))...)
	// Two cookies of one name: one was planted by a sister domain.
	if !r.public {
		check(r, "two sessions", expectation{401}, append(own, "Cookie", m.session(access.Admin)+"; "+m.session(access.Admin))...)
	}
	// A cookie must not lend its rights to a token that has none.
	if !r.public {
		check(r, "bad token beside a good session", expectation{401}, append(own, "Cookie", m.session(access.Admin), "Authorization", "Bearer rst_x")...)
	}
	admin := bearer(m.tokens[access.Admin])
	check(r, "token and another origin", foreignPage(r), append(admin, "Origin", "http://evil.example")...)
	check(r, "foreign host", expectation{421}, append(admin, "Host", "evil.example")...)
	check(r, "foreign host with our port", expectation{421}, append(admin, "Host", "localhost.evil.example:8420")...)
}

// foreignPage is what a page of another origin gets: it may cause reads, whose
// answers its browser keeps from it, and nothing else.
func foreignPage(r route) expectation {
	if r.safe() {
		return expectation{}
	}
	return expectation{403}
}

// TestMatrixPaths asks, without a token, for things that look like routes.
func TestMatrixPaths(t *testing.T) {
	t.Parallel()
	m := &matrix{bundle: setup(t)}
	viewer := m.token(func(k *access.Token) { k.Roles = []access.Role{access.Viewer} })
	asked := 0
	for _, r := range routes() {
		p := r.target
		shapes := []string{
			p + "/", p + "//", "/" + p, p + "%2f", p + "%2F..", p + ";x=1", p + ";/health", p + "/health", p + "/configs", p + "/livez", p + ".json",
			p + "%00", p + "%20", strings.Replace(p, "/", "//", 2), strings.ToUpper(p), "/ui/.." + p, "/livez/.." + p, "/problems/.." + p,
			"/problems/%2e%2e" + p, "/ui/%2e%2e" + p, strings.Replace(p, "/api/", "/api/./", 1), strings.Replace(p, "/api/", "/api/v1/", 1),
			strings.Replace(p, "/api/", "/api/v1/v1/", 1), strings.Replace(p, "/api/", "/api%2f", 1), strings.Replace(p, "/api/", "/%61pi/", 1),
			p + "?_method=GET", p + "?access_token=" + m.tokens[access.Admin], p + "?token=" + m.tokens[access.Admin],
		}
		for _, shape := range shapes {
			asked++
			switch got := m.ask(r.method, shape); {
			case got == 401 || got == 404 || got == 405 || got == 302:
			case r.public && got < 500: // the same public route by another name
			case strings.HasPrefix(shape, "/ui/") && got == 200 && r.safe(): // pages of the interface have URLs of their own
			default:
				t.Errorf("%s %s without token: %d", r.method, shape, got)
			}
		}
		// The method is what the request line says.
		for _, h := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
			for _, method := range []string{"DELETE", "PATCH", "POST"} {
				asked++
				plain, tricked := m.ask(r.method, p, bearer(viewer)...), m.ask(r.method, p, append(bearer(viewer), h, method)...)
				if plain != tricked {
					t.Errorf("%s with %s %s: %d, without: %d", r.name(), h, method, tricked, plain)
				}
			}
		}
		for _, method := range []string{"OPTIONS", "TRACE", "PROPFIND", "get", ""} {
			asked++
			got := m.ask(method, p)
			if got != 401 && got != 405 && !(method == "" && r.method == "GET") {
				t.Errorf("%q %s without token: %d", method, p, got)
			}
		}
	}
	t.Logf("%d requests", asked)
}
