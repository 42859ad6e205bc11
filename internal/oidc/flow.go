package oidc

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/identity"
)

// LoginLife is how long a person may take at the provider.
const LoginLife = 10 * time.Minute

// skew is how much the provider's clock may differ from ours.
const skew = time.Minute

// DefaultReturn is where people go who did not come from elsewhere.
const DefaultReturn = "/ui/"

// Start is a login that has begun.
type Start struct {
	// URL is where the browser goes now.
	URL string
	// Sealed belongs into a cookie of the browser, for LoginLife.
	Sealed string
}

// pending is what travels in the cookie. The format is nowhere kept: who comes
// back with another one begins again.
type pending struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Return   string `json:"r"`
	Until    int64  `json:"u"` // Unix seconds
}

// Begin starts a login. returnTo is where the browser shall be in the end; what
// is no path of the user interface counts as DefaultReturn. It returns
// oidc_unavailable.
func (s *Service) Begin(ctx context.Context, returnTo string) (Start, error) {
	p, err := s.find(ctx)
	if err != nil {
		return Start{}, err
	}
	t := pending{
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Return: SafeReturn(returnTo),
		Until: s.o.Clock.Now().Add(LoginLife).Unix(),
	}
	sealed, err := s.sealPending(t)
	if err != nil {
		return Start{}, err
	}
	return Start{URL: p.oauth.AuthCodeURL(t.State, goidc.Nonce(t.Nonce), oauth2.S256ChallengeOption(t.Verifier)), Sealed: sealed}, nil
}

// maxReturn bounds a return path in bytes.
const maxReturn = 512

// SafeReturn returns to if it is a path below /ui/ of this server, else
// DefaultReturn: a link to the login must not lead to somebody else's page.
func SafeReturn(to string) string {
	u, err := url.Parse(to)
	odd := func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }
	if err != nil || len(to) > maxReturn || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" ||
		strings.ContainsFunc(to, odd) || strings.ContainsFunc(u.Path, odd) || !strings.HasPrefix(to, "/ui/") || strings.Contains(u.Path, "//") ||
		path.Clean(u.Path)+"/" != u.Path && path.Clean(u.Path) != u.Path {
		return DefaultReturn
	}
	return to
}

// Callback is a browser that comes back from the provider.
type Callback struct {
	Query  url.Values
	Sealed string // of the cookie; "" = there was none
	// Attempt says who asks; its name and password are not used.
	Attempt identity.Attempt
}

// Entrance is a finished login.
type Entrance struct {
	identity.Entrance
	// Return is where the browser goes now, a path of this server.
	Return string
}

// Finish takes what the provider sent and begins a session of the user whom it
// names, who is made if need be. It returns faults whose codes begin with oidc_,
// last_admin, too_many_requests, or storage faults as they are. Every refusal is
// recorded.
func (s *Service) Finish(ctx context.Context, c Callback) (Entrance, error) {
	if err := s.o.Identity.Admit(c.Attempt.Remote); err != nil {
		return Entrance{}, err
	}
	who, in, err := s.finish(ctx, c)
	if err == nil {
		return in, nil
	}
	f := fault.From(err)
	s.log.Warn("openid login refused", "code", string(f.Code), "reason", f.Detail, "request_id", c.Attempt.RequestID)
	detail := map[string]string{"by": how, "reason": string(f.Code)}
	if who.Subject != "" {
		// With it an administrator can tie the person to a user.
		detail["subject"] = who.Subject
	}
	return Entrance{}, errors.Join(err, s.o.Identity.Refused(ctx, c.Attempt, detail))
}

func (s *Service) finish(ctx context.Context, c Callback) (claims, Entrance, error) {
	t, err := s.openPending(c.Sealed)
	if err != nil {
		return claims{}, Entrance{}, err
	}
	if subtle.ConstantTimeCompare([]byte(t.State), []byte(c.Query.Get("state"))) != 1 {
		return claims{}, Entrance{}, fault.New(fault.OIDCLoginExpired, "the answer belongs to another login than the one that this browser began")
	}
	// RFC 9207: the answer of another provider must not pass for this one's.
	if iss := c.Query.Get("iss"); iss != "" && iss != s.o.Issuer {
		return claims{}, Entrance{}, fault.New(fault.OIDCRefused, "the answer names another issuer")
	}
	if c.Query.Has("error") {
		return claims{}, Entrance{}, fault.New(fault.OIDCRefused, "the OpenID provider refused: "+plain(c.Query.Get("error")))
	}
	who, err := s.exchange(ctx, t, c.Query.Get("code"))
	if err != nil {
		return claims{}, Entrance{}, err
	}
	u, err := s.admit(ctx, who, c.Attempt)
	if err != nil {
		return who, Entrance{}, err
	}
	in, err := s.o.Identity.EnterProven(ctx, u, c.Attempt, how)
	return who, Entrance{Entrance: in, Return: t.Return}, err
}

// exchange turns a code into what the provider says of the person.
func (s *Service) exchange(ctx context.Context, t pending, code string) (claims, error) {
	if code == "" {
		return claims{}, fault.New(fault.OIDCRefused, "the answer of the OpenID provider has no code")
	}
	p, err := s.last(ctx)
	if err != nil {
		return claims{}, err
	}
	ctx, cancel := context.WithTimeout(goidc.ClientContext(ctx, s.http), 2*requestTimeout)
	defer cancel()
	token, err := p.oauth.Exchange(ctx, code, oauth2.VerifierOption(t.Verifier))
	if err != nil {
		return claims{}, explainExchange(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return claims{}, fault.New(fault.OIDCTokenInvalid, "the OpenID provider gave no ID token")
	}
	idToken, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		if _, ok := errors.AsType[*goidc.TokenExpiredError](err); ok {
			return claims{}, fault.New(fault.OIDCTokenInvalid, "the ID token has expired")
		}
		return claims{}, fault.New(fault.OIDCTokenInvalid, "the ID token has a wrong issuer, audience or signature")
	}
	if err := s.checkToken(idToken, t.Nonce, token.AccessToken); err != nil {
		return claims{}, err
	}
	who := claims{Subject: idToken.Subject}
	if err := idToken.Claims(&who.all); err != nil {
		return claims{}, fault.New(fault.OIDCTokenInvalid, "the claims of the ID token are not an object")
	}
	if !s.needsMore(who) || p.UserInfoEndpoint() == "" {
		return who, nil
	}
	return s.more(ctx, p, who, token)
}

// checkToken does what the library leaves to its caller (OpenID Connect Core,
// section 3.1.3.7).
func (s *Service) checkToken(t *goidc.IDToken, nonce, accessToken string) error {
	bad := func(why string) error { return fault.New(fault.OIDCTokenInvalid, "the ID token "+why) }
	if subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(nonce)) != 1 {
		return bad("was made for another login")
	}
	var more struct {
		AZP string `json:"azp"`
	}
	if err := t.Claims(&more); err != nil {
		return bad("has claims in a form that is not understood")
	}
	if more.AZP != "" && more.AZP != s.o.ClientID || more.AZP == "" && len(t.Audience) > 1 {
		return bad("was made for another client")
	}
	if t.IssuedAt.After(s.o.Clock.Now().Add(skew)) {
		return bad("is from the future: compare the clocks")
	}
	if t.Subject == "" || len(t.Subject) > 255 || strings.ContainsFunc(t.Subject, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return bad("has no usable subject")
	}
	if t.AccessTokenHash != "" && t.VerifyAccessToken(accessToken) != nil {
		return bad("belongs to another access token")
	}
	return nil
}

// explainExchange says what went wrong without repeating what the provider said,
// beside its error code.
func explainExchange(err error) error {
	if r, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		if r.Response != nil && r.Response.StatusCode >= 500 {
			return fault.New(fault.OIDCUnavailable, "the OpenID provider has an error of its own")
		}
		return fault.New(fault.OIDCRefused, "the OpenID provider did not take the code: "+plain(r.ErrorCode))
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fault.New(fault.OIDCUnavailable, "the OpenID provider cannot be reached: "+f.Detail)
	}
	return fault.New(fault.OIDCRefused, "the OpenID provider did not answer with a token")
}

// plain returns an error code of RFC 6749 as it is and anything else as a remark.
func plain(code string) string {
	known := []string{
		"access_denied", "consent_required", "interaction_required", "invalid_client", "invalid_grant", "invalid_request", "invalid_scope",
		"login_required", "account_selection_required", "server_error", "temporarily_unavailable", "unauthorized_client", "unsupported_grant_type",
		"unsupported_response_type",
	}
	if slices.Contains(known, code) {
		return code
	}
	return "no known reason given"
}

// sealer derives the cookie's key from the client's secret, which all instances
// have.
func sealer(secret string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "runsheet oidc login cookie 1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (s *Service) sealPending(t pending) (string, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.seal.Seal(nil, nil, b, []byte(s.o.Issuer))), nil
}

func (s *Service) openPending(sealed string) (pending, error) {
	var t pending
	expired := fault.New(fault.OIDCLoginExpired, "this browser has begun no login, or more than ten minutes ago")
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || sealed == "" {
		return t, expired
	}
	if b, err = s.seal.Open(nil, nil, b, []byte(s.o.Issuer)); err != nil {
		return t, expired
	}
	if err := json.Unmarshal(b, &t); err != nil || t.State == "" || s.o.Clock.Now().Unix() >= t.Until {
		return pending{}, expired
	}
	return t, nil
}
