package oidc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/outbound"
)

// How long what the provider says of itself is believed, and how long it is left
// alone after it could not be reached.
const (
	believe    = 10 * time.Minute
	firstPause = time.Second
	maxPause   = time.Minute
)

// algorithms are those of public keys. With "none" or a shared secret (HS256)
// anybody could sign.
func algorithms() []string {
	return []string{
		goidc.RS256, goidc.RS384, goidc.RS512, goidc.PS256, goidc.PS384, goidc.PS512,
		goidc.ES256, goidc.ES384, goidc.ES512, goidc.EdDSA,
	}
}

// lookup is what is known of the provider.
type lookup struct {
	// turn is held by who asks the provider.
	turn chan struct{}

	mu    sync.Mutex
	known *provider
	until time.Time // known is believed until then
	err   error     // of the last look, nil if it went well
	again time.Time // after err: not before
	pause time.Duration
}

// provider is one that was found.
type provider struct {
	*goidc.Provider
	verifier *goidc.IDTokenVerifier
	oauth    oauth2.Config
}

// find returns the provider, by what is believed or by asking it. It returns
// oidc_unavailable, at once while the provider is left alone.
func (s *Service) find(ctx context.Context) (*provider, error) {
	l := &s.provider
	if p, err, ok := l.recent(s.o.Clock.Now()); ok {
		return p, err
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, fault.Wrap(context.Cause(ctx), fault.OIDCUnavailable, "the OpenID provider was not asked in time")
	}
	// Somebody else may have asked in the meantime.
	if p, err, ok := l.recent(s.o.Clock.Now()); ok {
		return p, err
	}
	p, err := s.discover(ctx)
	now := s.o.Clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if ctx.Err() != nil {
			return nil, err // the caller left: that says nothing about the provider
		}
		l.pause = min(max(2*l.pause, firstPause), maxPause)
		l.err, l.again = err, now.Add(l.pause)
		s.log.Warn("openid provider not usable", "host", s.host, "error", fault.From(err).Detail, "again", l.pause)
		return nil, err
	}
	l.known, l.until, l.err, l.pause = p, now.Add(believe), nil, 0
	return p, nil
}

func (l *lookup) recent(now time.Time) (p *provider, err error, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil && now.Before(l.again) {
		return nil, l.err, true
	}
	return l.known, nil, l.err == nil && l.known != nil && now.Before(l.until)
}

// last returns what was found last, however long ago, or looks.
func (s *Service) last(ctx context.Context) (*provider, error) {
	s.provider.mu.Lock()
	p := s.provider.known
	s.provider.mu.Unlock()
	if p != nil {
		return p, nil
	}
	return s.find(ctx)
}

// Check reports whether people can log in by the provider: nil, or
// oidc_unavailable. It asks the provider only if nobody did for some minutes, and
// bounds that; after a failure it answers from memory for up to a minute.
func (s *Service) Check(ctx context.Context) error {
	_, err := s.find(ctx)
	return err
}

// discover asks the provider what it is.
func (s *Service) discover(ctx context.Context) (*provider, error) {
	ctx = goidc.ClientContext(ctx, s.http)
	found, err := goidc.NewProvider(ctx, s.o.Issuer)
	if err != nil {
		if _, ok := errors.AsType[*goidc.IssuerMismatchError](err); ok {
			return nil, fault.New(fault.OIDCUnavailable, "the OpenID provider calls itself another issuer than oidc.issuer")
		}
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return nil, fault.New(fault.OIDCUnavailable, "the OpenID provider cannot be reached: "+f.Detail)
		}
		return nil, fault.New(fault.OIDCUnavailable, "the OpenID provider does not describe itself at /.well-known/openid-configuration")
	}
	var about struct {
		JWKS    string   `json:"jwks_uri"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := found.Claims(&about); err != nil {
		return nil, fault.New(fault.OIDCUnavailable, "the OpenID provider describes itself in a form that is not understood")
	}
	endpoint := found.Endpoint()
	for _, raw := range []string{endpoint.AuthURL, endpoint.TokenURL, about.JWKS, found.UserInfoEndpoint()} {
		if !s.acceptable(raw) && (raw != "" || raw != found.UserInfoEndpoint()) {
			return nil, fault.New(fault.OIDCUnavailable, "the OpenID provider names an endpoint that is no https URL")
		}
	}
	// Without saying so, the library would try one way after the other, and the
	// code can be used once.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if len(about.Methods) > 0 && !slices.Contains(about.Methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &provider{
		Provider: found,
		verifier: found.VerifierContext(ctx, &goidc.Config{
			ClientID: s.o.ClientID, SupportedSigningAlgs: algorithms(),
			Now: func() time.Time { return s.o.Clock.Now().Add(-skew) },
		}),
		oauth: oauth2.Config{
			ClientID: s.o.ClientID, ClientSecret: s.o.ClientSecret, Endpoint: endpoint, RedirectURL: s.o.RedirectURL, Scopes: s.o.Scopes,
		},
	}, nil
}

// acceptable reports whether an endpoint has the issuer's scheme, or a better
// one: the client's secret must not travel in the clear.
func (s *Service) acceptable(raw string) bool {
	u, err := url.Parse(raw)
	issuer, err2 := url.Parse(s.o.Issuer)
	return err == nil && err2 == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && issuer.Scheme == "http")
}

// transport sends the libraries' requests through package outbound.
type transport struct {
	out *outbound.Client
	log *slog.Logger
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(io.LimitReader(r.Body, maxAnswer))
		if err = errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
	}
	resp, err := t.out.Do(r.Context(), outbound.Request{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: bytes.Clone(body)})
	if err != nil && r.Context().Err() == nil {
		t.log.Warn("request to the openid provider failed", "host", r.URL.Hostname(), "code", string(fault.From(err).Code))
	}
	return resp, err
}
