package oidc_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/oidc"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// bench is a service and a provider that does what a test wants.
type bench struct {
	t     *testing.T
	clock *clocktest.Manual
	who   *oidc.Service
	log   *bytes.Buffer
	key   *rsa.PrivateKey

	issuer string
	// discovery, when set, changes what the provider says of itself.
	discovery func(map[string]any)
	// token makes the ID token of a nonce.
	token func(nonce string) string
	// handle, when set, answers before the provider does.
	handle func(w http.ResponseWriter, r *http.Request) bool
	asked  atomic.Int64
	nonce  string
}

func open(t *testing.T, change ...func(*bench, *oidc.Options)) *bench {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, clock: clocktest.New(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)), log: &bytes.Buffer{}, key: key}
	b.token = func(nonce string) string { return b.sign(b.claims(nonce)) }
	srv := httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(srv.Close)
	b.issuer = srv.URL
	st, err := sqlite.OpenMemory(t.Context(), b.clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	o := oidc.Options{
		Issuer: srv.URL, ClientID: "us", ClientSecret: "SECRET-CANARY", RedirectURL: "http://127.0.0.1:1" + oidc.CallbackPath,
		Scopes: []string{"openid"}, NameClaim: "preferred_username", DefaultRole: access.Viewer, Tenant: access.DefaultTenant,
		Store: st, Identity: identity.New(identity.Options{Store: st, Clock: b.clock}), Clock: b.clock,
		Logger: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(b, &o)
	}
	if b.who, err = oidc.New(o); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) serve(w http.ResponseWriter, r *http.Request) {
	b.asked.Add(1)
	if b.handle != nil && b.handle(w, r) {
		return
	}
	var out map[string]any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		out = map[string]any{
			"issuer": b.issuer, "authorization_endpoint": b.issuer + "/authorize", "token_endpoint": b.issuer + "/token", "jwks_uri": b.issuer + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		}
		if b.discovery != nil {
			b.discovery(out)
		}
	case "/keys":
		out = map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": b64(b.key.N.Bytes()), "e": b64(big.NewInt(int64(b.key.E)).Bytes()),
		}}}
	case "/token":
		out = map[string]any{"access_token": "ACCESS-CANARY", "token_type": "Bearer", "expires_in": 60, "id_token": b.token(b.nonce)}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(out); err != nil {
		b.t.Error(err)
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// claims are those of a good token.
func (b *bench) claims(nonce string) map[string]any {
	now := b.clock.Now()
	return map[string]any{
		"iss": b.issuer, "sub": "person", "aud": "us", "nonce": nonce, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "preferred_username": "ann",
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b64(j)
}

func (b *bench) sign(claims map[string]any) string { return b.signWith(b.key, "1", claims) }

func (b *bench) signWith(key *rsa.PrivateKey, kid string, claims map[string]any) string {
	b.t.Helper()
	text := encode(b.t, map[string]any{"alg": "RS256", "kid": kid}) + "." + encode(b.t, claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		b.t.Fatal(err)
	}
	return text + "." + b64(sig)
}

// login begins and comes back as a browser would.
func (b *bench) login(ctx context.Context) (oidc.Entrance, error) {
	b.t.Helper()
	start, err := b.who.Begin(ctx, "/ui/jobs")
	if err != nil {
		return oidc.Entrance{}, err
	}
	u, err := url.Parse(start.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	q := u.Query()
	b.nonce = q.Get("nonce")
	if q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("redirect_uri") == "" || b.nonce == "" {
		b.t.Errorf("the login begins with %s", u)
	}
	return b.who.Finish(ctx, oidc.Callback{
		Query: url.Values{"state": {q.Get("state")}, "code": {"CODE-CANARY"}}, Sealed: start.Sealed, Attempt: identity.Attempt{Remote: "192.0.2.1"},
	})
}

// quiet fails when a secret shows.
func (b *bench) quiet(err error) {
	b.t.Helper()
	for _, text := range []string{b.log.String(), errors.Join(err, errors.New("")).Error()} {
		if strings.Contains(text, "CANARY") || strings.Contains(text, "eyJ") {
			b.t.Errorf("a secret shows: %s", text)
		}
	}
}

func TestGoodToken(t *testing.T) {
	t.Parallel()
	b := open(t)
	in, err := b.login(t.Context())
	if err != nil || in.User.Name != "ann" || in.Return != "/ui/jobs" {
		t.Fatalf("%v %+v", err, in.User)
	}
	b.quiet(nil)
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	with := func(key string, value any) func(*bench, map[string]any) {
		return func(_ *bench, c map[string]any) {
			if c[key] = value; value == nil {
				delete(c, key)
			}
		}
	}
	at := func(key string, d time.Duration) func(*bench, map[string]any) {
		return func(b *bench, c map[string]any) { c[key] = b.clock.Now().Add(d).Unix() }
	}
	for name, c := range map[string]struct {
		change func(*bench, map[string]any)
		good   bool
	}{
		"expired":                 {at("exp", -2*time.Minute), false},
		"expired by our clock":    {at("exp", -30*time.Second), true},
		"without an end":          {with("exp", nil), false},
		"not yet":                 {at("nbf", time.Hour), false},
		"from the future":         {at("iat", time.Hour), false},
		"clock a little fast":     {at("iat", 30*time.Second), true},
		"other issuer":            {with("iss", "https://evil.example"), false},
		"issuer with slash":       {func(b *bench, c map[string]any) { c["iss"] = b.issuer + "/" }, false},
		"other audience":          {with("aud", "them"), false},
		"no audience":             {with("aud", nil), false},
		"several without azp":     {with("aud", []string{"us", "them"}), false},
		"several, for us":         {func(_ *bench, c map[string]any) { c["aud"], c["azp"] = []string{"us", "them"}, "us" }, true},
		"several, for them":       {func(_ *bench, c map[string]any) { c["aud"], c["azp"] = []string{"us", "them"}, "them" }, false},
		"azp is another":          {with("azp", "them"), false},
		"azp is us":               {with("azp", "us"), true},
		"azp is no text":          {with("azp", 7), false},
		"no subject":              {with("sub", nil), false},
		"empty subject":           {with("sub", ""), false},
		"long subject":            {with("sub", strings.Repeat("x", 256)), false},
		"subject with line break": {with("sub", "a\nb"), false},
		"other nonce":             {with("nonce", "another"), false},
		"no nonce":                {with("nonce", nil), false},
		"another access token":    {with("at_hash", b64(make([]byte, 16))), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			b.token = func(nonce string) string {
				claims := b.claims(nonce)
				c.change(b, claims)
				return b.sign(claims)
			}
			_, err := b.login(t.Context())
			if c.good != (err == nil) || err != nil && !fault.Is(err, fault.OIDCTokenInvalid) {
				t.Errorf("good = %v: %v", c.good, err)
			}
			b.quiet(err)
		})
	}
}

func TestForgedTokens(t *testing.T) {
	t.Parallel()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	head := func(alg string) map[string]any { return map[string]any{"alg": alg, "kid": "1"} }
	for name, make := range map[string]func(b *bench, claims map[string]any) string{
		"another key":    func(b *bench, c map[string]any) string { return b.signWith(other, "1", c) },
		"unknown key":    func(b *bench, c map[string]any) string { return b.signWith(other, "2", c) },
		"algorithm none": func(b *bench, c map[string]any) string { return encode(b.t, head("none")) + "." + encode(b.t, c) + "." },
		"algorithm None": func(b *bench, c map[string]any) string { return encode(b.t, head("None")) + "." + encode(b.t, c) + "." },
		"no signature": func(b *bench, c map[string]any) string {
			return encode(b.t, head("RS256")) + "." + encode(b.t, c) + "."
		},
		"not signed":    func(b *bench, c map[string]any) string { return encode(b.t, head("RS256")) + "." + encode(b.t, c) },
		"nothing":       func(*bench, map[string]any) string { return "" },
		"no token":      func(*bench, map[string]any) string { return "CANARY" },
		"changed after": func(b *bench, c map[string]any) string { return swap(b, b.sign(c), c) },
		"public key as secret": func(b *bench, c map[string]any) string {
			return hs256(b, head("HS256"), c, b.key.N.Bytes())
		},
		"client secret": func(b *bench, c map[string]any) string { return hs256(b, head("HS256"), c, []byte("SECRET-CANARY")) },
		"key inside": func(b *bench, c map[string]any) string {
			h := head("RS256")
			h["jwk"] = map[string]any{"kty": "RSA", "n": b64(other.N.Bytes()), "e": "AQAB"}
			text := encode(b.t, h) + "." + encode(b.t, c)
			sum := sha256.Sum256([]byte(text))
			sig, err := rsa.SignPKCS1v15(nil, other, crypto.SHA256, sum[:])
			if err != nil {
				b.t.Fatal(err)
			}
			return text + "." + b64(sig)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			b.token = func(nonce string) string { return make(b, b.claims(nonce)) }
			_, err := b.login(t.Context())
			if !fault.Is(err, fault.OIDCTokenInvalid) {
				t.Errorf("%v", err)
			}
			b.quiet(err)
		})
	}
}

// swap puts other claims under a good signature.
func swap(b *bench, token string, claims map[string]any) string {
	parts := strings.Split(token, ".")
	claims["preferred_username"] = "root"
	return parts[0] + "." + encode(b.t, claims) + "." + parts[2]
}

func hs256(b *bench, head, claims map[string]any, secret []byte) string {
	text := encode(b.t, head) + "." + encode(b.t, claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

// fail answers a path with a status and a body that nobody may repeat.
func fail(path string, status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			http.Error(w, `{"error":"CANARY","error_description":"CANARY"}`, status)
		}
		return r.URL.Path == path
	}
}

// TestHostileProvider: whatever it says, the server reaches nothing but the
// issuer's own address, and repeats nothing.
func TestHostileProvider(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(inside.Close)
	redirect := func(path, to string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return true
		}
	}
	const config = "/.well-known/openid-configuration"
	for name, c := range map[string]struct {
		change func(*bench)
		code   fault.Code
	}{
		"discovery redirects inside":   {func(b *bench) { b.handle = redirect(config, inside.URL) }, fault.OIDCUnavailable},
		"discovery redirects anywhere": {func(b *bench) { b.handle = redirect(config, b.issuer+"/other") }, fault.OIDCUnavailable},
		"metadata service":             {func(b *bench) { b.handle = redirect(config, "http://169.254.169.254/") }, fault.OIDCUnavailable},
		"token redirects inside":       {func(b *bench) { b.handle = redirect("/token", inside.URL) }, fault.OIDCRefused},
		"keys redirect inside":         {func(b *bench) { b.handle = redirect("/keys", inside.URL) }, fault.OIDCTokenInvalid},
		"token endpoint inside":        {func(b *bench) { b.discovery = func(m map[string]any) { m["token_endpoint"] = inside.URL } }, fault.OIDCUnavailable},
		"keys inside":                  {func(b *bench) { b.discovery = func(m map[string]any) { m["jwks_uri"] = inside.URL } }, fault.OIDCTokenInvalid},
		"keys in a file":               {func(b *bench) { b.discovery = func(m map[string]any) { m["jwks_uri"] = "file:///etc/passwd" } }, fault.OIDCUnavailable},
		"page as endpoint": {func(b *bench) {
			b.discovery = func(m map[string]any) { m["authorization_endpoint"] = "javascript:alert(1)" }
		}, fault.OIDCUnavailable},
		"another issuer":   {func(b *bench) { b.discovery = func(m map[string]any) { m["issuer"] = "https://CANARY.example" } }, fault.OIDCUnavailable},
		"not JSON":         {func(b *bench) { b.handle = fail(config, 200) }, fault.OIDCUnavailable},
		"discovery fails":  {func(b *bench) { b.handle = fail(config, 500) }, fault.OIDCUnavailable},
		"code refused":     {func(b *bench) { b.handle = fail("/token", 400) }, fault.OIDCRefused},
		"token fails":      {func(b *bench) { b.handle = fail("/token", 503) }, fault.OIDCUnavailable},
		"token is no JSON": {func(b *bench) { b.handle = fail("/token", 200) }, fault.OIDCRefused},
		"userinfo fails": {func(b *bench) {
			b.discovery = func(m map[string]any) { m["userinfo_endpoint"] = b.issuer + "/userinfo" }
			b.handle = fail("/userinfo", 500)
			b.token = func(nonce string) string {
				c := b.claims(nonce)
				delete(c, "preferred_username")
				return b.sign(c)
			}
		}, fault.OIDCUnavailable},
		"keys fail": {func(b *bench) { b.handle = fail("/keys", 500) }, fault.OIDCTokenInvalid},
		"endless": {func(b *bench) {
			b.handle = func(w http.ResponseWriter, _ *http.Request) bool {
				for range 40 {
					if _, err := w.Write(bytes.Repeat([]byte(" "), 64<<10)); err != nil {
						break
					}
				}
				return true
			}
		}, fault.OIDCUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			c.change(b)
			_, err := b.login(t.Context())
			if !fault.Is(err, c.code) {
				t.Errorf("%v, want %s", err, c.code)
			}
			b.quiet(err)
		})
	}
	t.Cleanup(func() {
		if n := reached.Load(); n != 0 {
			t.Errorf("%d requests reached a server that nobody allowed", n)
		}
	})
}

// TestLeavesAFailingProviderAlone: it is asked again after a pause that grows,
// and what was found is believed for a while.
func TestLeavesAFailingProviderAlone(t *testing.T) {
	t.Parallel()
	b := open(t)
	var down atomic.Bool
	down.Store(true)
	b.handle = func(w http.ResponseWriter, _ *http.Request) bool {
		if down.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
		return down.Load()
	}
	asked := func(want int64) {
		t.Helper()
		if got := b.asked.Load(); got != want {
			t.Errorf("asked %d times, want %d", got, want)
		}
	}
	check := func(up bool) {
		t.Helper()
		if err := b.who.Check(t.Context()); up != (err == nil) || err != nil && !fault.Is(err, fault.OIDCUnavailable) {
			t.Errorf("up = %v: %v", up, err)
		}
	}
	check(false)
	check(false)
	asked(1)
	b.clock.Advance(time.Second)
	check(false)
	asked(2)
	b.clock.Advance(time.Second) // the pause is two seconds now
	check(false)
	asked(2)
	down.Store(false)
	b.clock.Advance(time.Second)
	check(true)
	check(true)
	asked(3)
	b.clock.Advance(10 * time.Minute)
	check(true)
	asked(4)
	// A caller who gives up says nothing about the provider.
	b.clock.Advance(10 * time.Minute)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.who.Check(gone); err == nil {
		t.Error("answered without asking")
	}
	check(true)
}

// TestLoginTakesTooLong: the cookie is good for ten minutes.
func TestLoginTakesTooLong(t *testing.T) {
	t.Parallel()
	b := open(t)
	start, err := b.who.Begin(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(start.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.nonce = u.Query().Get("nonce")
	b.clock.Advance(oidc.LoginLife)
	c := oidc.Callback{Query: url.Values{"state": {u.Query().Get("state")}, "code": {"c"}}, Sealed: start.Sealed}
	if _, err := b.who.Finish(t.Context(), c); !fault.Is(err, fault.OIDCLoginExpired) {
		t.Error(err)
	}
	if strings.Contains(start.Sealed, b.nonce) {
		t.Error("the cookie is not sealed")
	}
}
