// Command oidcprovider is a small OpenID provider for tests: the protocol is
// done by ory/fosite, the library that Ory Hydra is made of; here is a login form,
// discovery, and a list of people that tests write.
//
//	oidcprovider -listen 127.0.0.1:5556 -client runsheet -secret S -redirect http://127.0.0.1/callback
//
// It is a module of its own, so that nothing of it is linked into Runsheet. It
// keeps everything in memory and listens without TLS: it is no provider for
// people.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"
)

// person is somebody who can log in.
type person struct {
	Password string `json:"password"`
	Subject  string `json:"subject"`
	// IDToken are claims of the ID token, UserInfo those of the userinfo endpoint.
	IDToken  map[string]any `json:"id_token"`
	UserInfo map[string]any `json:"userinfo"`
}

type server struct {
	issuer   string
	secret   string
	key      *rsa.PrivateKey
	keyID    string
	provider fosite.OAuth2Provider

	mu     sync.Mutex
	people map[string]person // by login name
}

func main() {
	listen := flag.String("listen", "127.0.0.1:5556", "host:port on loopback")
	client := flag.String("client", "runsheet", "id of the one client")
	secret := flag.String("secret", "", "secret of the client, and of who writes the people")
	redirect := flag.String("redirect", "", "where the client may be called back")
	flag.Parse()
	s, err := newServer("http://"+*listen, *client, *secret, *redirect)
	if err == nil {
		srv := &http.Server{Addr: *listen, Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second}
		err = srv.ListenAndServe()
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func newServer(issuer, client, secret, redirect string) (*server, error) {
	if secret == "" || redirect == "" {
		return nil, errors.New("-secret and -redirect must be given")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	s := &server{issuer: issuer, secret: secret, key: key, keyID: rand.Text(), people: map[string]person{}}
	global := make([]byte, 32)
	if _, err := rand.Read(global); err != nil {
		return nil, err
	}
	config := &fosite.Config{
		GlobalSecret: global, IDTokenIssuer: issuer, EnforcePKCE: true, IDTokenLifespan: time.Hour,
		HashCost: 4, MinParameterEntropy: 16, RedirectSecureChecker: fosite.IsRedirectURISecure,
	}
	config.ClientSecretsHasher = &fosite.BCrypt{Config: config}
	hash, err := config.ClientSecretsHasher.Hash(context.Background(), []byte(secret))
	if err != nil {
		return nil, err
	}
	store := storage.NewMemoryStore()
	store.Clients[client] = &fosite.DefaultClient{
		ID: client, Secret: hash, RedirectURIs: []string{redirect}, Scopes: []string{"openid", "profile", "email", "groups"},
		ResponseTypes: []string{"code"}, GrantTypes: []string{"authorization_code"},
	}
	private := func(context.Context) (any, error) { return key, nil }
	s.provider = compose.Compose(config, store, &compose.CommonStrategy{
		CoreStrategy:               compose.NewOAuth2HMACStrategy(config),
		OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(private, config),
		Signer:                     &jwt.DefaultSigner{GetPrivateKey: private},
	}, compose.OAuth2AuthorizeExplicitFactory, compose.OpenIDConnectExplicitFactory, compose.OAuth2PKCEFactory,
		compose.OAuth2TokenIntrospectionFactory)
	return s, nil
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("GET /keys", s.keys)
	mux.HandleFunc("/authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /userinfo", s.userinfo)
	mux.HandleFunc("PUT /people/{name}", s.putPerson)
	return mux
}

func (s *server) discovery(w http.ResponseWriter, _ *http.Request) {
	send(w, map[string]any{
		"issuer": s.issuer, "authorization_endpoint": s.issuer + "/authorize", "token_endpoint": s.issuer + "/token",
		"userinfo_endpoint": s.issuer + "/userinfo", "jwks_uri": s.issuer + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
		"scopes_supported":                      []string{"openid", "profile", "email", "groups"},
	})
}

func (s *server) keys(w http.ResponseWriter, _ *http.Request) {
	b64 := base64.RawURLEncoding.EncodeToString
	send(w, map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": s.keyID,
		"n": b64(s.key.N.Bytes()), "e": b64(big.NewInt(int64(s.key.E)).Bytes()),
	}}})
}

var form = template.Must(template.New("form").Parse(`<!doctype html><title>Log in</title>
<form method="post" action="/authorize?{{.}}"><input name="name"><input name="password" type="password"><button>Log in</button></form>
`))

// authorize shows the form, and takes it: whoever logs in consents.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	ar, err := s.provider.NewAuthorizeRequest(ctx, r)
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, ar, err)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = form.Execute(w, template.URL(r.URL.RawQuery)) // the browser is gone
		return
	}
	s.mu.Lock()
	p, known := s.people[r.PostFormValue("name")]
	s.mu.Unlock()
	if !known || p.Password != r.PostFormValue("password") {
		s.provider.WriteAuthorizeError(ctx, w, ar, fosite.ErrAccessDenied)
		return
	}
	for _, scope := range ar.GetRequestedScopes() {
		ar.GrantScope(scope)
	}
	session := openid.NewDefaultSession()
	session.Claims.Issuer, session.Claims.Subject, session.Claims.Extra = s.issuer, p.Subject, p.IDToken
	session.Headers = &jwt.Headers{Extra: map[string]any{"kid": s.keyID}}
	session.Subject, session.Username = p.Subject, r.PostFormValue("name")
	resp, err := s.provider.NewAuthorizeResponse(ctx, ar, session)
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, ar, err)
		return
	}
	s.provider.WriteAuthorizeResponse(ctx, w, ar, resp)
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	ar, err := s.provider.NewAccessRequest(ctx, r, openid.NewDefaultSession())
	if err != nil {
		s.provider.WriteAccessError(ctx, w, ar, err)
		return
	}
	resp, err := s.provider.NewAccessResponse(ctx, ar)
	if err != nil {
		s.provider.WriteAccessError(ctx, w, ar, err)
		return
	}
	s.provider.WriteAccessResponse(ctx, w, ar, resp)
}

func (s *server) userinfo(w http.ResponseWriter, r *http.Request) {
	_, ar, err := s.provider.IntrospectToken(r.Context(), fosite.AccessTokenFromRequest(r), fosite.AccessToken, openid.NewDefaultSession())
	if err != nil {
		http.Error(w, "token", http.StatusUnauthorized)
		return
	}
	s.mu.Lock()
	p := s.people[ar.GetSession().GetUsername()]
	s.mu.Unlock()
	out := map[string]any{"sub": ar.GetSession().GetSubject()}
	maps.Copy(out, p.UserInfo)
	send(w, out)
}

// putPerson is how a test says who there is.
func (s *server) putPerson(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+s.secret {
		http.Error(w, "secret", http.StatusUnauthorized)
		return
	}
	name, err := url.PathUnescape(r.PathValue("name"))
	var p person
	if err == nil {
		err = json.NewDecoder(r.Body).Decode(&p)
	}
	if err != nil || strings.TrimSpace(p.Subject) == "" {
		http.Error(w, fmt.Sprintf("no person: %v", err), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people[name] = p
	w.WriteHeader(http.StatusNoContent)
}

func send(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller is gone
}
