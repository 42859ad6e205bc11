package api_test

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/oidc"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// site is a server with a real OpenID provider behind it.
type site struct {
	t        *testing.T
	provider *testsvc.OIDCProvider
	store    store.Store
	url      string
	log      *syncBuffer
}

// syncBuffer collects the log of handlers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func openSite(t *testing.T, change ...func(*oidc.Options)) *site {
	t.Helper()
	st, err := sqlite.OpenMemory(t.Context(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return startSite(t, testsvc.OIDC(t), st, change...)
}

// startSite starts one server on a store. Its redirect URL is on itself unless
// change says otherwise.
func startSite(t *testing.T, p *testsvc.OIDCProvider, st store.Store, change ...func(*oidc.Options)) *site {
	t.Helper()
	s := &site{t: t, provider: p, store: st, log: &syncBuffer{}}
	var handler http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	logger := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	who := identity.New(identity.Options{Store: st, Digest: api.DigestUser})
	o := oidc.Options{
		Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret, RedirectURL: srv.URL + oidc.CallbackPath,
		Scopes: []string{"openid", "profile", "email"}, NameClaim: "preferred_username", RolesClaim: "realm.groups",
		Roles:  map[string]access.Role{"ops": access.Operator, "admins": access.Admin, "readers": access.Viewer},
		Tenant: access.DefaultTenant, Store: st, Identity: who, Logger: logger,
	}
	for _, c := range change {
		c(&o)
	}
	in, err := oidc.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if handler, err = api.New(api.Options{
		Store: st, Tasks: task.NewRegistry(echo{}), Identity: who, OIDC: in, Logger: logger, Listen: strings.TrimPrefix(srv.URL, "http://"),
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// person puts somebody into the provider, with a name of the test's own.
func (s *site) person(login string, groups []string, claims map[string]any) string {
	s.t.Helper()
	name := strings.ToLower(regexp.MustCompile(`\W+`).ReplaceAllString(s.t.Name(), "-")) + "-" + login
	all := map[string]any{"preferred_username": name, "realm": map[string]any{"groups": groups}}
	for k, v := range claims {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	s.provider.Put(s.t, name, testsvc.OIDCPerson{Password: "pw-" + name, Subject: "sub-" + name, IDToken: all})
	return name
}

// browser keeps cookies and follows no redirect by itself.
type browser struct {
	t *testing.T
	*http.Client
}

func newBrowser(t *testing.T) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return browser{t, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// page is what a browser got.
type page struct {
	Status     string
	StatusCode int
	Header     http.Header
}

// do opens an address, or posts a form to it.
func (b browser) do(method, target string, form url.Values) (page, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{resp.Status, resp.StatusCode, resp.Header}, string(text)
}

// atProvider begins a login, fills in the provider's form and returns the address
// to which the provider sends the browser back.
func (b browser) atProvider(s *site, start, name string) string {
	b.t.Helper()
	resp, text := b.do("GET", start, nil)
	if resp.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("begin: %s %s", resp.Status, text)
	}
	at := resp.Header.Get("Location")
	if !strings.HasPrefix(at, s.provider.Issuer+"/authorize?") {
		b.t.Fatalf("the login leads to %s", at)
	}
	resp, text = b.do("GET", at, nil)
	action := regexp.MustCompile(`action="([^"]+)"`).FindStringSubmatch(text)
	if action == nil {
		b.t.Fatalf("no form: %s %s %s", resp.Status, resp.Header.Get("Location"), text)
	}
	to := s.provider.Issuer + html.UnescapeString(action[1])
	resp, text = b.do("POST", to, url.Values{"name": {name}, "password": {"pw-" + name}})
	back := resp.Header.Get("Location")
	if !strings.Contains(back, oidc.CallbackPath+"?") {
		b.t.Fatalf("the provider sends the browser to %q: %s %s", back, resp.Status, text)
	}
	return back
}

// login does the whole thing and returns where it ends.
func (b browser) login(s *site, name string) string {
	b.t.Helper()
	return b.callback(b.atProvider(s, s.url+"/api/session/oidc", name))
}

func (b browser) callback(back string) string {
	b.t.Helper()
	resp, text := b.do("GET", back, nil)
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Cache-Control") != "no-store" {
		b.t.Fatalf("callback: %s %v %s", resp.Status, resp.Header, text)
	}
	return resp.Header.Get("Location")
}

// me is what the session is good for; nil when there is none.
func (b browser) me(s *site) map[string]any {
	b.t.Helper()
	resp, text := b.do("GET", s.url+"/api/session", nil)
	if resp.StatusCode == http.StatusUnauthorized {
		return nil
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil || resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s", resp.Status, text)
	}
	return out
}

// records lists what the audit says was done, newest last.
func (s *site) records(actions ...audit.Action) []audit.Entry {
	s.t.Helper()
	page, err := s.store.Audit.List(s.t.Context(), store.ListAudit{Tenant: access.DefaultTenant, Actions: actions, Limit: 100})
	if err != nil {
		s.t.Fatal(err)
	}
	return page.Entries
}

func (s *site) user(name string) access.User {
	s.t.Helper()
	u, err := s.store.Users.User(s.t.Context(), "", name)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

const refusedAt = "/ui/login#error="

func wantEnd(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("the login ends at %q, want %q", got, want)
	}
}

func TestOIDCLogin(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	name := s.person("ann", []string{"ops", "whatever"}, nil)
	b := newBrowser(t)
	back := b.atProvider(s, s.url+"/api/session/oidc", name)
	wantEnd(t, b.callback(back), "/ui/")
	me := b.me(s)
	if me["name"] != name || me["kind"] != "user" || !cmp.Equal(me["roles"], []any{"operator"}) {
		t.Fatalf("me: %v", me)
	}
	u := s.user(name)
	if u.Issuer != s.provider.Issuer || u.Subject != "sub-"+name || u.PasswordHash != "" || u.CreatedBy != "oidc" || u.LastLoginAt.IsZero() {
		t.Errorf("user: %+v", u)
	}
	for _, c := range b.Jar.Cookies(mustURL(t, s.url)) {
		if c.Name != "runsheet_session" {
			t.Errorf("the cookie %s stays", c.Name)
		}
	}
	// A second browser, the same person: no second user.
	second := newBrowser(t)
	wantEnd(t, second.login(s, name), "/ui/")
	if again := s.user(name); again.ID != u.ID || again.Version != u.Version {
		t.Errorf("the second login changed the user: %+v", again)
	}
	if b.me(s) == nil {
		t.Error("the second login ended the first session")
	}
	var did []string
	for _, e := range s.records() {
		did = append(did, string(e.Action)+" "+e.Actor.Name+" "+e.Detail["by"])
	}
	if diff := cmp.Diff([]string{"user.create oidc oidc", "login " + name + " oidc", "login " + name + " oidc"}, did); diff != "" {
		t.Error(diff)
	}
	for _, secret := range []string{s.provider.ClientSecret, "pw-" + name, "eyJ", mustURL(t, back).Query().Get("code")} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestOIDCRolesFollowTheProvider(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	name := s.person("ann", []string{"ops"}, nil)
	first, second := newBrowser(t), newBrowser(t)
	wantEnd(t, first.login(s, name), "/ui/")
	s.person("ann", []string{"readers"}, nil)
	wantEnd(t, second.login(s, name), "/ui/")
	if got := second.me(s)["roles"]; !cmp.Equal(got, []any{"viewer"}) {
		t.Errorf("roles %v", got)
	}
	// What is believed of the first session ends within two seconds.
	for deadline := (clock.System{}).Now().Add(20 * time.Second); first.me(s) != nil; {
		if (clock.System{}).Now().After(deadline) {
			t.Fatal("the session with the old roles goes on")
		}
	}
	updates := s.records(audit.UserUpdated)
	if len(updates) != 1 || updates[0].Actor.Name != "oidc" || updates[0].Detail["roles"] != "viewer" {
		t.Errorf("%+v", updates)
	}
	// Nothing is left at the provider: neither roles nor a way in.
	s.person("ann", []string{"others"}, nil)
	wantEnd(t, newBrowser(t).login(s, name), refusedAt+"oidc_not_allowed")
	if u := s.user(name); len(u.Roles) != 0 {
		t.Errorf("roles stay: %v", u.Roles)
	}
	failed := s.records(audit.LoginFailed)
	want := map[string]string{"by": "oidc", "reason": "oidc_not_allowed", "subject": "sub-" + name}
	if len(failed) != 1 || !cmp.Equal(failed[0].Detail, want) {
		t.Errorf("%+v", failed)
	}
}

func TestOIDCKeepsTheLastAdministrator(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	name := s.person("root", []string{"admins"}, nil)
	wantEnd(t, newBrowser(t).login(s, name), "/ui/")
	s.person("root", []string{"ops"}, nil)
	wantEnd(t, newBrowser(t).login(s, name), refusedAt+"last_admin")
	if u := s.user(name); !cmp.Equal(u.Roles, []access.Role{access.Admin}) {
		t.Errorf("roles %v", u.Roles)
	}
}

// TestOIDCNeverTakesOver: a name at the provider says nothing about who has the
// name here.
func TestOIDCNeverTakesOver(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	name := s.person("ann", []string{"admins"}, nil)
	now := clock.System{}.Now()
	local, err := s.store.Users.Create(t.Context(), store.PutUser{User: access.User{
		ID: id.New(id.User, now), Tenant: access.DefaultTenant, Name: name, Roles: []access.Role{access.Viewer}, CreatedBy: "test", CreatedAt: now, UpdatedAt: now,
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t)
	wantEnd(t, b.login(s, name), refusedAt+"oidc_name_taken")
	if b.me(s) != nil || !cmp.Equal(s.user(name), local) {
		t.Fatalf("taken over: %+v", s.user(name))
	}
	// An administrator ties the two together.
	local.Issuer, local.Subject, local.Version = s.provider.Issuer, "sub-"+name, local.Version+1
	if _, err := s.store.Users.Update(t.Context(), store.PutUser{User: local}); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, b.login(s, name), "/ui/")
	if got := s.user(name); got.ID != local.ID || !cmp.Equal(got.Roles, []access.Role{access.Admin}) {
		t.Errorf("%+v", got)
	}
	// And disables the user.
	got := s.user(name)
	got.Disabled, got.Version, got.Roles = true, got.Version+1, []access.Role{access.Viewer}
	other := local
	other.ID, other.Name, other.Subject, other.Roles = id.New(id.User, now), "other", "other", []access.Role{access.Admin}
	if _, err := s.store.Users.Create(t.Context(), store.PutUser{User: other}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Users.Update(t.Context(), store.PutUser{User: got}); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, b.login(s, name), refusedAt+"oidc_not_allowed")
}

func TestOIDCNames(t *testing.T) {
	t.Parallel()
	mail := func(address string, verified any) map[string]any {
		return map[string]any{"preferred_username": nil, "email": address, "email_verified": verified}
	}
	for test, c := range map[string]struct {
		claims map[string]any
		name   string // "" = refused with code
		code   string
	}{
		"verified address":     {mail("Ann@Example.com", true), "ann@example.com", ""},
		"said as text":         {mail("bob@example.com", "true"), "bob@example.com", ""},
		"unverified address":   {mail("ann@example.com", false), "", "oidc_name_unusable"},
		"nothing said":         {mail("ann@example.com", nil), "", "oidc_name_unusable"},
		"neither":              {map[string]any{"preferred_username": nil}, "", "oidc_name_unusable"},
		"upper case":           {map[string]any{"preferred_username": "CAROL"}, "carol", ""},
		"not a user's name":    {map[string]any{"preferred_username": "ann bee"}, "", "oidc_name_unusable"},
		"path":                 {map[string]any{"preferred_username": "../ann"}, "", "oidc_name_unusable"},
		"a number for a name":  {map[string]any{"preferred_username": 7}, "", "oidc_name_unusable"},
		"groups of wrong type": {map[string]any{"realm": "x"}, "", "oidc_not_allowed"},
	} {
		t.Run(test, func(t *testing.T) {
			t.Parallel()
			s := openSite(t)
			login := s.person("x", []string{"readers"}, c.claims)
			b := newBrowser(t)
			if c.name == "" {
				wantEnd(t, b.login(s, login), refusedAt+c.code)
				return
			}
			wantEnd(t, b.login(s, login), "/ui/")
			if got := b.me(s)["name"]; got != c.name {
				t.Errorf("name %v, want %s", got, c.name)
			}
		})
	}
}

func TestOIDCDomainsAndUserinfo(t *testing.T) {
	t.Parallel()
	s := openSite(t, func(o *oidc.Options) { o.Domains = []string{"example.com"} })
	for _, c := range []struct {
		login string
		token map[string]any
		info  map[string]any
		end   string
	}{
		{"in", map[string]any{"email": "in@example.com", "email_verified": true}, nil, "/ui/"},
		{"out", map[string]any{"email": "out@evil.example", "email_verified": true}, nil, refusedAt + "oidc_not_allowed"},
		{"below", map[string]any{"email": "a@x.example.com", "email_verified": true}, nil, refusedAt + "oidc_not_allowed"},
		{"unverified", map[string]any{"email": "in@example.com"}, nil, refusedAt + "oidc_not_allowed"},
		{"info", nil, map[string]any{"email": "info@example.com", "email_verified": true}, "/ui/"},
		// Verified is another address than the token's.
		{"mixed", map[string]any{"email": "a@example.com"}, map[string]any{"email": "b@evil.example", "email_verified": true}, refusedAt + "oidc_not_allowed"},
		{"stranger", nil, map[string]any{"sub": "somebody else", "email": "in@example.com", "email_verified": true}, refusedAt + "oidc_token_invalid"},
	} {
		claims := map[string]any{"preferred_username": "dom-" + c.login, "realm": map[string]any{"groups": []string{"readers"}}}
		maps.Copy(claims, c.token)
		name := "domains-" + c.login
		s.provider.Put(t, name, testsvc.OIDCPerson{Password: "pw-" + name, Subject: name, IDToken: claims, UserInfo: c.info})
		if got := newBrowser(t).login(s, name); got != c.end {
			t.Errorf("%s: ends at %s, want %s", c.login, got, c.end)
		}
	}
}

func TestOIDCDefaultRole(t *testing.T) {
	t.Parallel()
	s := openSite(t, func(o *oidc.Options) { o.RolesClaim, o.Roles, o.DefaultRole = "", nil, access.Viewer })
	name := s.person("ann", []string{"admins"}, nil)
	b := newBrowser(t)
	wantEnd(t, b.login(s, name), "/ui/")
	if got := b.me(s)["roles"]; !cmp.Equal(got, []any{"viewer"}) {
		t.Errorf("roles %v", got)
	}
	// Roles are given here, so a login does not take them back.
	u := s.user(name)
	u.Roles, u.Version = []access.Role{access.Author}, u.Version+1
	if _, err := s.store.Users.Update(t.Context(), store.PutUser{User: u}); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, b.login(s, name), "/ui/")
	if got := b.me(s)["roles"]; !cmp.Equal(got, []any{"author"}) {
		t.Errorf("roles %v", got)
	}
}

func TestOIDCRefusesOddCallbacks(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	name := s.person("ann", []string{"ops"}, nil)
	edit := func(back, key, value string) string {
		u := mustURL(t, back)
		q := u.Query()
		if q.Set(key, value); value == "" {
			q.Del(key)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	for test, c := range map[string]struct {
		change func(b browser, back string) string
		code   string
	}{
		"wrong state": {func(_ browser, back string) string { return edit(back, "state", strings.Repeat("A", 26)) }, "oidc_login_expired"},
		"no state":    {func(_ browser, back string) string { return edit(back, "state", "") }, "oidc_login_expired"},
		"wrong code":  {func(_ browser, back string) string { return edit(back, "code", "x.y") }, "oidc_refused"},
		"no code":     {func(_ browser, back string) string { return edit(back, "code", "") }, "oidc_refused"},
		"wrong iss":   {func(_ browser, back string) string { return edit(back, "iss", "https://evil.example") }, "oidc_refused"},
		"error":       {func(_ browser, back string) string { return edit(back, "error", "access_denied") }, "oidc_refused"},
		"hostile error": {func(_ browser, back string) string {
			return edit(edit(back, "error", "<script>CANARY"), "error_description", "CANARY")
		}, "oidc_refused"},
		"other browser": {func(b browser, back string) string {
			*b.Client = *newBrowser(t).Client
			return back
		}, "oidc_login_expired"},
		"a later login's cookie": {func(b browser, back string) string {
			b.do("GET", s.url+"/api/session/oidc", nil)
			return back
		}, "oidc_login_expired"},
		"forged cookie": {func(b browser, back string) string {
			b.Jar.SetCookies(mustURL(t, s.url), []*http.Cookie{{Name: "runsheet_oidc", Value: strings.Repeat("A", 200), Path: "/"}})
			return back
		}, "oidc_login_expired"},
	} {
		b := newBrowser(t)
		if got := b.callback(c.change(b, b.atProvider(s, s.url+"/api/session/oidc", name))); got != refusedAt+c.code {
			t.Errorf("%s: ends at %s, want %s", test, got, c.code)
		}
		if b.me(s) != nil {
			t.Errorf("%s: logged in", test)
		}
	}
	if strings.Contains(s.log.String(), "CANARY") {
		t.Error("the log repeats what the caller sent")
	}
}

func TestOIDCReplayedCode(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	name := s.person("ann", []string{"ops"}, nil)
	b := newBrowser(t)
	back := b.atProvider(s, s.url+"/api/session/oidc", name)
	cookies := b.Jar.Cookies(mustURL(t, s.url))
	wantEnd(t, b.callback(back), "/ui/")
	wantEnd(t, b.callback(back), refusedAt+"oidc_login_expired")
	thief := newBrowser(t)
	thief.Jar.SetCookies(mustURL(t, s.url), cookies)
	wantEnd(t, thief.callback(back), refusedAt+"oidc_refused")
	if thief.me(s) != nil {
		t.Error("a code was good twice")
	}
}

func TestOIDCThrottle(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	b := newBrowser(t)
	for i := range 30 {
		if end := b.callback(s.url + oidc.CallbackPath + "?state=x&code=y"); end == refusedAt+"too_many_requests" {
			if i < 20 {
				t.Errorf("refused after %d", i)
			}
			return
		}
	}
	t.Error("an address may try for ever")
}

// TestOIDCTwoInstances: begun at one, finished at the other, as a balancer does.
func TestOIDCTwoInstances(t *testing.T) {
	t.Parallel()
	one := openSite(t)
	two := startSite(t, one.provider, one.store, func(o *oidc.Options) { o.RedirectURL = one.url + oidc.CallbackPath })
	name := one.person("ann", []string{"ops"}, nil)
	b := newBrowser(t) // cookies do not know ports
	back := b.atProvider(one, one.url+"/api/session/oidc?return=/ui/jobs", name)
	wantEnd(t, b.callback(strings.Replace(back, one.url, two.url, 1)), "/ui/jobs")
	if b.me(one) == nil || b.me(two) == nil {
		t.Error("the session is not good at both")
	}
}

func TestOIDCReturn(t *testing.T) {
	t.Parallel()
	s := openSite(t)
	name := s.person("ann", []string{"ops"}, nil)
	for to, want := range map[string]string{
		"/ui/jobs/?state=queued#top": "/ui/jobs/?state=queued#top",
		"//evil.example/ui/":         "/ui/",
	} {
		b := newBrowser(t)
		back := b.atProvider(s, s.url+"/api/session/oidc?return="+url.QueryEscape(to), name)
		if got := b.callback(back); got != want {
			t.Errorf("%s: ends at %s", to, got)
		}
	}
}

// TestOIDCProviderDown: only this way to log in is affected, and it comes back.
func TestOIDCProviderDown(t *testing.T) {
	t.Parallel()
	st, err := sqlite.OpenMemory(t.Context(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	p := testsvc.OwnOIDC(t)
	s := startSite(t, p, st)
	name := s.person("ann", []string{"ops"}, nil)
	b := newBrowser(t)
	back := b.atProvider(s, s.url+"/api/session/oidc", name)
	p.Stop(t)
	wantEnd(t, b.callback(back), refusedAt+"oidc_unavailable")
	down := startSite(t, p, st)
	resp, _ := b.do("GET", down.url+"/api/session/oidc", nil)
	wantEnd(t, resp.Header.Get("Location"), refusedAt+"oidc_unavailable")
	if resp, text := b.do("GET", down.url+"/api/session/methods", nil); resp.StatusCode != 200 || !strings.Contains(text, strings.TrimPrefix(p.Issuer, "http://")) {
		t.Errorf("%s %s", resp.Status, text)
	}
	p.Start(t)
	down.person("ann", []string{"ops"}, nil)
	for deadline := (clock.System{}).Now().Add(time.Minute); ; {
		resp, _ := b.do("GET", down.url+"/api/session/oidc", nil)
		if strings.HasPrefix(resp.Header.Get("Location"), p.Issuer) {
			break
		}
		if (clock.System{}).Now().After(deadline) {
			t.Fatal("the provider is back, the login is not")
		}
	}
	wantEnd(t, b.login(down, name), "/ui/")
}

func TestLoginMethods(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := want(t, b.as("", "GET", "/api/session/methods", ""), 200, "")
	if diff := cmp.Diff(map[string]any{"password": true, "oidc": nil, "setup": false}, a.json(t)); diff != "" {
		t.Error(diff)
	}
	if a.Header.Get("Cache-Control") != "public, max-age=30" {
		t.Errorf("cache: %s", a.Header.Get("Cache-Control"))
	}
	want(t, b.as("", "GET", "/api/session/oidc", ""), 404, "not_found")
}

// TestOIDCDisabledTenant: nobody of it gets in.
func TestOIDCDisabledTenant(t *testing.T) {
	t.Parallel()
	s := openSite(t, func(o *oidc.Options) { o.Tenant = "lab" })
	name := s.person("ann", []string{"ops"}, nil)
	wantEnd(t, newBrowser(t).login(s, name), refusedAt+"oidc_not_allowed") // there is no such tenant
	now := clock.System{}.Now()
	lab, err := s.store.Tenants.Create(t.Context(), store.PutTenant{Tenant: access.Tenant{ID: id.New(id.Tenant, now), Name: "lab", CreatedAt: now, UpdatedAt: now}})
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t)
	wantEnd(t, b.login(s, name), "/ui/")
	if got := b.me(s)["tenant"]; got != lab.ID {
		t.Errorf("tenant %v", got)
	}
	lab.Disabled, lab.Version = true, lab.Version+1
	if _, err := s.store.Tenants.Update(t.Context(), store.PutTenant{Tenant: lab}); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, newBrowser(t).login(s, name), refusedAt+"oidc_not_allowed")
}

// TestOIDCCookieWithTLS: other hosts of the domain can neither read nor plant it.
func TestOIDCCookieWithTLS(t *testing.T) {
	t.Parallel()
	p := testsvc.OIDC(t)
	b := setup(t, func(o *api.Options) {
		var err error
		if o.OIDC, err = oidc.New(oidc.Options{
			Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret, RedirectURL: "https://jobs.example" + oidc.CallbackPath,
			Scopes: []string{"openid"}, DefaultRole: access.Viewer, Tenant: access.DefaultTenant, Store: o.Store, Identity: o.Identity,
		}); err != nil {
			t.Fatal(err)
		}
		o.BehindProxy = true
	})
	a := want(t, b.as("", "GET", "/api/session/oidc", ""), 303, "")
	all := a.Cookies()
	if len(all) != 1 {
		t.Fatalf("%d cookies", len(all))
	}
	c := all[0]
	if c.Name != "__Host-runsheet_oidc" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 600 {
		t.Errorf("%+v", c)
	}
}
