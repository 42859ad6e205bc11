package oidc

import (
	"context"
	"slices"
	"strings"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/fault"
)

// claims is what the provider says of a person. The subject is certain; all else
// is what the provider lets people write about themselves.
type claims struct {
	Subject string
	all     map[string]any
}

// value returns a claim: by its whole name, because names may be URLs, else with
// each dot as a level.
func (c claims) value(name string) any {
	if v, ok := c.all[name]; ok || name == "" {
		return v
	}
	var v any = c.all
	for part := range strings.SplitSeq(name, ".") {
		m, _ := v.(map[string]any)
		if v = m[part]; v == nil {
			return nil
		}
	}
	return v
}

func (c claims) text(name string) string {
	s, _ := c.value(name).(string)
	return strings.TrimSpace(s)
}

// list returns a claim that is a list of texts, or one text.
func (c claims) list(name string) []string {
	var out []string
	switch v := c.value(name).(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, item := range v {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
	}
	return out
}

// email returns the address if the provider says that it is the person's own.
func (c claims) email() string {
	if v := c.value("email_verified"); v != true && v != "true" { // Amazon's says it as a text
		return ""
	}
	return strings.ToLower(c.text("email"))
}

// needsMore reports whether the ID token lacks something that the userinfo
// endpoint may know.
func (s *Service) needsMore(c claims) bool {
	return c.text(s.o.NameClaim) == "" && c.email() == "" ||
		len(s.o.Domains) > 0 && c.email() == "" || s.o.RolesClaim != "" && c.value(s.o.RolesClaim) == nil
}

// more adds what the userinfo endpoint says to what the ID token does not say;
// oidc_unavailable, because without an answer a person would lose roles.
func (s *Service) more(ctx context.Context, p *provider, c claims, token *oauth2.Token) (claims, error) {
	info, err := p.UserInfo(goidc.ClientContext(ctx, s.http), oauth2.StaticTokenSource(token))
	if err != nil {
		return c, fault.New(fault.OIDCUnavailable, "the OpenID provider gives no userinfo, and the ID token lacks claims")
	}
	var extra map[string]any
	if err := info.Claims(&extra); err != nil {
		return c, fault.New(fault.OIDCTokenInvalid, "the userinfo is not an object")
	}
	// Core, section 5.3.2: of somebody else it must not be used.
	if info.Subject != c.Subject {
		return c, fault.New(fault.OIDCTokenInvalid, "the userinfo is about somebody else")
	}
	if c.value("email") != nil && c.value("email") != extra["email"] {
		delete(extra, "email_verified") // it is about the other address
	}
	for k, v := range extra {
		if _, known := c.all[k]; !known {
			c.all[k] = v
		}
	}
	return c, nil
}

// name returns what a new user is called; oidc_name_unusable.
func (s *Service) name(c claims) (string, error) {
	name := strings.ToLower(c.text(s.o.NameClaim))
	if s.o.NameClaim == "email" || name == "" {
		name = c.email()
	}
	if name == "" {
		return "", fault.New(fault.OIDCNameUnusable, "the OpenID provider gives neither a name nor a verified e-mail address")
	}
	if !access.UserName.MatchString(name) {
		return "", fault.New(fault.OIDCNameUnusable, "the name that the OpenID provider gives has other characters than a-z, 0-9 and . _ @ + -")
	}
	return name, nil
}

// welcome checks the domain of the e-mail address; oidc_not_allowed.
func (s *Service) welcome(c claims) error {
	if len(s.o.Domains) == 0 {
		return nil
	}
	email := c.email()
	if at := strings.LastIndexByte(email, '@'); at >= 0 && slices.Contains(s.o.Domains, email[at+1:]) {
		return nil
	}
	return fault.New(fault.OIDCNotAllowed, "the person has no verified e-mail address of a domain in oidc.allowed_domains")
}

// roles returns what the provider's claim is mapped to, in the order of
// access.Roles; not nil.
func (s *Service) roles(c claims) []access.Role {
	out := []access.Role{}
	given := c.list(s.o.RolesClaim)
	for _, r := range access.Roles() {
		if slices.ContainsFunc(given, func(g string) bool { return s.o.Roles[g] == r }) {
			out = append(out, r)
		}
	}
	if len(out) == 0 && s.o.DefaultRole != "" {
		out = append(out, s.o.DefaultRole)
	}
	return out
}

// names joins roles for the record.
func names(roles []access.Role) string {
	var out []string
	for _, r := range roles {
		out = append(out, string(r))
	}
	return strings.Join(out, ",")
}
