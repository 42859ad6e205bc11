// Package oidc lets people in whom an OpenID provider knows: the authorization
// code flow with PKCE, for one provider.
//
//	who, err := oidc.New(oidc.Options{Issuer: "https://id.example", ...})
//	go, err := who.Begin(ctx, "/ui/jobs")       // send the browser to go.URL, keep go.Sealed in its cookie
//	in, err := who.Finish(ctx, oidc.Callback{}) // it came back: a session, or a fault with a code oidc_*
//
// The provider is looked up when somebody first wants to log in, and looked up
// again now and then; while it cannot be reached nothing but this way to log in
// is affected. All requests to it go through package outbound: beside public
// addresses only the issuer's own host and port can be reached.
//
// Nothing is stored between Begin and Finish. What Finish must know travels in a
// cookie that is encrypted with a key derived from the client's secret, so the
// browser may come back to another instance.
//
// Texts of the provider and of the libraries, which may repeat tokens, go neither
// into faults nor into the log.
package oidc

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/store"
)

// CallbackPath is where the provider sends browsers back to.
const CallbackPath = "/api/session/oidc/callback"

// Bounds of the exchange with the provider.
const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 1 << 20
)

// Options are what New needs. Those without a remark must be given.
type Options struct {
	Issuer       string // https, or http on loopback; exactly as the provider writes it
	ClientID     string
	ClientSecret string
	// RedirectURL is the public URL of CallbackPath.
	RedirectURL string
	Scopes      []string
	// NameClaim holds the name of a new user; "" = only a verified e-mail address
	// does.
	NameClaim string
	// RolesClaim holds texts that Roles maps to roles, at each login; a dot is a
	// level. "" = roles are not the provider's business.
	RolesClaim string
	Roles      map[string]access.Role
	// DefaultRole is for people to whom nothing is mapped; "" = they may not log
	// in.
	DefaultRole access.Role
	// Tenant, by id or name, is whose users new people become.
	Tenant string
	// Domains, when not empty, are the domains of verified e-mail addresses that
	// may log in, in lower case.
	Domains []string

	Store    store.Store
	Identity *identity.Service
	Clock    clock.Clock  // nil = the system's
	Logger   *slog.Logger // nil = nothing is logged
	// UserAgent is what the provider sees; "" = runsheet.
	UserAgent string
}

// Service is one provider. It is safe for concurrent use.
type Service struct {
	o        Options
	log      *slog.Logger
	seal     cipher.AEAD
	http     *http.Client
	provider lookup
	host     string
}

// New returns a service, without asking the provider for anything.
func New(o Options) (*Service, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.ClientID == "" || o.ClientSecret == "" || o.RedirectURL == "" || o.Identity == nil || o.Store.Users == nil {
		return nil, errors.New("oidc: client, redirect URL, store and identity must be given")
	}
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("oidc: the issuer must be a URL")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	// Whoever named the issuer allowed it, wherever it is, and nothing else.
	out, err := outbound.New(outbound.Options{
		Allow: []string{net.JoinHostPort(u.Hostname(), port)}, UserAgent: o.UserAgent, MaxResponse: maxAnswer,
	})
	if err != nil {
		return nil, fmt.Errorf("oidc: issuer: %w", err)
	}
	s := &Service{o: o, log: o.Logger, host: u.Host, provider: lookup{turn: make(chan struct{}, 1)}}
	if s.seal, err = sealer(o.ClientSecret); err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	s.http = &http.Client{
		Transport: transport{out: out, log: o.Logger}, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// Name is what people know the provider by: its host.
func (s *Service) Name() string { return s.host }
