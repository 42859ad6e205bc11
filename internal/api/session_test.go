package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/identity"
)

// ownPage are the headers of a browser on a page of the server.
var ownPage = []string{"Sec-Fetch-Site", "same-origin"}

// anonymous makes a request without a token.
func (b *bundle) anonymous(method, target, body string, headers ...string) answer {
	b.t.Helper()
	return b.as("nobody", method, target, body, headers...)
}

func sessionCookie(t *testing.T, a answer) *http.Cookie {
	t.Helper()
	if len(a.Cookies()) != 1 {
		t.Fatalf("%d cookies: %s", len(a.Cookies()), a.body)
	}
	return a.Cookies()[0]
}

// login returns the headers of a browser that is logged in.
func (b *bundle) login(name, password string, headers ...string) []string {
	b.t.Helper()
	a := want(b.t, b.anonymous("POST", "/api/session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password), append(headers, ownPage...)...), 201, "")
	c := sessionCookie(b.t, a)
	return append([]string{"Cookie", c.Name + "=" + c.Value}, ownPage...)
}

func (b *bundle) user(name, roles string) {
	b.t.Helper()
	want(b.t, b.call("POST", "/api/users", `{"name":"`+name+`","roles":["`+roles+`"],"password":"`+goodPassword+`"}`), 201, "")
}

func TestCookie(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxy  bool
		cookie string
		secure bool
	}{
		"loopback": {false, "runsheet_session", false}, "behind a proxy": {true, "__Host-runsheet_session", true},
	} {
		b := setup(t, func(o *api.Options) { o.BehindProxy = c.proxy })
		b.user("ann", "viewer")
		a := b.anonymous("POST", "/api/session", `{"name":"ANN","password":"`+goodPassword+`"}`)
		got := sessionCookie(t, want(t, a, 201, ""))
		if got.Name != c.cookie || got.Secure != c.secure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Path != "/" || got.Domain != "" {
			t.Errorf("%s: %+v", name, got)
		}
		if strings.Contains(string(a.body), got.Value) || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %v", name, a.body, a.Header)
		}
		want(t, b.anonymous("GET", "/api/session", "", "Cookie", got.Name+"="+got.Value), 200, "")
		// Two cookies of the name: one of them was planted.
		want(t, b.anonymous("GET", "/api/session", "", "Cookie", got.Name+"="+got.Value+"; "+got.Name+"=x"), 401, "unauthorized")
		other := map[bool]string{true: "runsheet_session", false: "__Host-runsheet_session"}[c.proxy]
		want(t, b.anonymous("GET", "/api/session", "", "Cookie", other+"="+got.Value), 401, "unauthorized")
	}
}

func TestSessionLife(t *testing.T) {
	t.Parallel()
	var who *identity.Service
	b := setup(t, func(o *api.Options) { who = o.Identity })
	b.user("ann", "operator")
	first := b.login("ann", goodPassword)
	if me := want(t, b.anonymous("GET", "/api/session", "", first...), 200, "").json(t); me["name"] != "ann" || me["kind"] != "user" {
		t.Errorf("%v", me)
	}
	// A login replaces the session that the browser had.
	second := b.login("ann", goodPassword, first[:2]...)
	want(t, b.anonymous("GET", "/api/session", "", first...), 401, "unauthorized")
	third := b.login("ann", goodPassword)
	sessions := list(t, b.anonymous("GET", "/api/sessions", "", third...))
	if len(sessions) != 2 {
		t.Fatalf("%v", sessions)
	}
	for _, s := range sessions {
		if s["current"] == false {
			want(t, b.anonymous("DELETE", "/api/sessions/"+fmt.Sprint(s["session_id"]), "", third...), 204, "")
		}
	}
	b.clock.Advance(2 * time.Second)
	want(t, b.anonymous("GET", "/api/session", "", second...), 401, "unauthorized")
	out := want(t, b.anonymous("DELETE", "/api/session", "", third...), 204, "")
	if c := sessionCookie(t, out); c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("%+v", c)
	}
	want(t, b.anonymous("GET", "/api/session", "", third...), 401, "unauthorized")
	want(t, b.call("DELETE", "/api/session", ""), 409, "conflict")

	// Twelve idle hours, or seven days in all.
	idle := b.login("ann", goodPassword)
	b.clock.Advance(12 * time.Hour)
	want(t, b.anonymous("GET", "/api/session", "", idle...), 401, "unauthorized")
	busy := b.login("ann", goodPassword)
	for range 14 {
		b.clock.Advance(12*time.Hour - 2*time.Minute)
		want(t, b.anonymous("GET", "/api/session", "", busy...), 200, "")
		if err := who.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.clock.Advance(time.Hour)
	want(t, b.anonymous("GET", "/api/session", "", busy...), 401, "unauthorized")
}

// TestSessionsEnd: what a user may do is looked at anew, and a session from
// before the change is over.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, patch := range map[string]string{"role": `{"roles":["viewer"]}`, "disabled": `{"disabled":true}`, "password": `{"password":"another good password"}`} {
		b.user(name, "operator")
		session := b.login(name, goodPassword)
		want(t, b.call("PATCH", "/api/users/"+name, patch), 200, "")
		b.clock.Advance(2 * time.Second)
		want(t, b.anonymous("GET", "/api/session", "", session...), 401, "unauthorized")
	}
	want(t, b.anonymous("POST", "/api/session", `{"name":"disabled","password":"`+goodPassword+`"}`), 401, "unauthorized")
	b.user("renamed", "operator")
	session := b.login("renamed", goodPassword)
	want(t, b.call("PATCH", "/api/users/renamed", `{"name":"other"}`), 200, "")
	b.clock.Advance(2 * time.Second)
	if me := want(t, b.anonymous("GET", "/api/session", "", session...), 200, "").json(t); me["name"] != "other" {
		t.Errorf("%v", me)
	}
	b.user("deleted", "operator")
	session = b.login("deleted", goodPassword)
	want(t, b.call("DELETE", "/api/users/deleted", ""), 204, "")
	b.clock.Advance(2 * time.Second)
	want(t, b.anonymous("GET", "/api/session", "", session...), 401, "unauthorized")
}

func TestOwnPassword(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.user("ann", "viewer")
	old := b.login("ann", goodPassword)
	change := func(current, next string) answer {
		return b.anonymous("POST", "/api/session/password", fmt.Sprintf(`{"current_password":%q,"new_password":%q}`, current, next), old...)
	}
	want(t, change("wrong wrong wrong", "another good password"), 422, "invalid_input")
	want(t, change(goodPassword, "a third good password"), 201, "")
	b.clock.Advance(2 * time.Second)
	want(t, b.anonymous("GET", "/api/session", "", old...), 401, "unauthorized")
	b.login("ann", "a third good password")
	want(t, b.call("POST", "/api/session/password", `{"current_password":"x","new_password":"another good password"}`), 409, "conflict")
}

// TestCrossSite: with a session nothing is changed that another page, or nobody
// knows who, asks for. A token needs no such proof.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.user("ann", "operator")
	cookie := b.login("ann", goodPassword)[:2]
	body := `{"reason":"x"}`
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"own page":           {[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		"own origin":         {[]string{"Origin", "http://localhost"}, 200},
		"no sign":            {nil, 403},
		"cross site":         {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"same site":          {[]string{"Sec-Fetch-Site", "same-site"}, 403},
		"typed":              {[]string{"Sec-Fetch-Site", "none"}, 403},
		"other origin":       {[]string{"Origin", "https://evil.example"}, 403},
		"other port":         {[]string{"Origin", "http://localhost:81"}, 403},
		"null origin":        {[]string{"Origin", "null"}, 403},
		"form":               {[]string{"Sec-Fetch-Site", "same-origin", "Content-Type", "text/plain"}, 415},
		"foreign, with form": {[]string{"Origin", "https://evil.example", "Content-Type", "application/x-www-form-urlencoded"}, 403},
	} {
		a := b.anonymous("POST", "/api/scheduler/pause", body, append(append([]string{}, cookie...), c.headers...)...)
		if a.StatusCode != c.status {
			t.Errorf("%s: %d %s, want %d", name, a.StatusCode, a.body, c.status)
		}
	}
	want(t, b.anonymous("GET", "/api/jobs", "", cookie...), 200, "")
	want(t, b.call("POST", "/api/scheduler/pause", body), 200, "")
	// Nor can a foreign page log its visitor in as somebody else.
	login := `{"name":"ann","password":"` + goodPassword + `"}`
	want(t, b.anonymous("POST", "/api/session", login, "Sec-Fetch-Site", "cross-site"), 403, "cross_origin")
	want(t, b.anonymous("POST", "/api/session", login, "Origin", "https://evil.example"), 403, "cross_origin")
}

func TestLoginsAreThrottled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.user("ann", "viewer")
	try := func(name, password string) answer {
		return b.anonymous("POST", "/api/session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password))
	}
	wrong := want(t, try("ann", "wrong"), 401, "unauthorized")
	ghost := want(t, try("ghost", "wrong"), 401, "unauthorized")
	if a, g := wrong.json(t), ghost.json(t); a["detail"] != g["detail"] {
		t.Errorf("the answer tells which names exist: %v, %v", a["detail"], g["detail"])
	}
	last := wrong
	for range 10 {
		if last = try("ann", "wrong"); last.StatusCode == 429 {
			break
		}
	}
	if last.StatusCode != 429 || last.Header.Get("Retry-After") == "" {
		t.Fatalf("%d %v", last.StatusCode, last.Header)
	}
	want(t, try("ann", goodPassword), 429, "too_many_requests")
	b.clock.Advance(time.Minute)
	want(t, try("ann", goodPassword), 201, "")
	var failed int
	for _, e := range list(t, b.call("GET", "/api/audit?limit=200&action=login.failed", "")) {
		if e["object_name"] == "ghost" {
			t.Error("a name that does not exist is in the audit: it may be a password")
		}
		failed++
	}
	if failed < 5 {
		t.Errorf("%d failed logins recorded", failed)
	}
}

func TestSetup(t *testing.T) {
	t.Parallel()
	var who *identity.Service
	b := setup(t, func(o *api.Options) { who = o.Identity })
	body := func(code string) string {
		return fmt.Sprintf(`{"code":%q,"name":"ann","password":%q}`, code, goodPassword)
	}
	want(t, b.anonymous("POST", "/api/setup", body("x")), 404, "not_found")
	old := who.NewSetupCode()
	code := who.NewSetupCode()
	want(t, b.anonymous("POST", "/api/setup", body(old)), 403, "setup_code_invalid")
	want(t, b.anonymous("POST", "/api/setup", body(access.NewToken())), 403, "setup_code_invalid")
	want(t, b.anonymous("POST", "/api/setup", strings.Replace(body(code), "ann", "Ann B", 1)), 422, "invalid_input")
	b.clock.Advance(identity.SetupLife)
	want(t, b.anonymous("POST", "/api/setup", body(code)), 404, "not_found")
	code = who.NewSetupCode()
	made := want(t, b.anonymous("POST", "/api/setup", body(code)), 201, "")
	c := sessionCookie(t, made)
	if me := want(t, b.anonymous("GET", "/api/session", "", "Cookie", c.Name+"="+c.Value), 200, "").json(t); fmt.Sprint(me["roles"]) != "[admin]" {
		t.Errorf("%v", me)
	}
	want(t, b.anonymous("POST", "/api/setup", body(code)), 404, "not_found")
	// Another instance that still shows a link: there is an administrator now.
	code = who.NewSetupCode()
	want(t, b.anonymous("POST", "/api/setup", strings.Replace(body(code), "ann", "bob", 1)), 409, "already_set_up")
	want(t, b.anonymous("POST", "/api/setup", body(code)), 404, "not_found")
}
