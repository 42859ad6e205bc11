package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/oidc"
)

// OIDC is logging in at an OpenID provider. The zero value means that there is
// none.
type OIDC struct {
	// Issuer identifies the provider; "" = none.
	Issuer       string
	ClientID     string
	ClientSecret Secret
	// RedirectURL is the public URL of the callback; "" = on the listen
	// address, whose port is known once the server listens.
	RedirectURL string
	Scopes      []string
	NameClaim   string
	// RolesClaim holds what Roles maps; "" = roles are not taken from the provider.
	RolesClaim string
	// Roles are "text=role".
	Roles []string
	// DefaultRole is for whom nothing is mapped; "" = may not log in.
	DefaultRole string
	// Tenant, by id or name, is whose users new people become.
	Tenant string
	// AllowedDomains of verified e-mail addresses, lower case; empty = all.
	AllowedDomains []string
}

// RoleMap is Roles for lookups. Load has checked them.
func (o OIDC) RoleMap() map[string]access.Role {
	out := map[string]access.Role{}
	for _, item := range o.Roles {
		i := strings.LastIndexByte(item, '=')
		out[item[:i]] = access.Role(item[i+1:])
	}
	return out
}

func defaultOIDC() OIDC {
	return OIDC{Scopes: []string{"openid", "profile", "email"}, NameClaim: "preferred_username", Tenant: access.DefaultTenant}
}

func oidcKeys() []key {
	return []key{
		renamed("oidc-issuer", text("oidc.issuer", "OpenID provider to log in at: its issuer URL; without it there is none",
			func(c *Config) *string { return &c.OIDC.Issuer }, checkIssuer)),
		renamed("oidc-client-id", text("oidc.client_id", "id that the provider knows this server by",
			func(c *Config) *string { return &c.OIDC.ClientID }, anything)),
		secret("oidc.client_secret", "secret that belongs to the id", func(c *Config) *Secret { return &c.OIDC.ClientSecret }),
		renamed("oidc-redirect-url", text("oidc.redirect_url", "public URL of "+oidc.CallbackPath+"; without it made of the first allowed host",
			func(c *Config) *string { return &c.OIDC.RedirectURL }, checkRedirect)),
		renamed("oidc-scopes", list("oidc.scopes", "what is asked of the provider, comma-separated",
			func(c *Config) *[]string { return &c.OIDC.Scopes }, checkScope)),
		renamed("oidc-name-claim", text("oidc.name_claim", "claim with the name of a new user; else a verified e-mail address is the name",
			func(c *Config) *string { return &c.OIDC.NameClaim }, anything)),
		renamed("oidc-roles-claim", text("oidc.roles_claim", "claim with groups or roles; a dot is a level; without it roles are given here",
			func(c *Config) *string { return &c.OIDC.RolesClaim }, anything)),
		renamed("oidc-roles", list("oidc.roles", "which role a group means, comma-separated: ops=operator",
			func(c *Config) *[]string { return &c.OIDC.Roles }, checkRoleOf)),
		renamed("oidc-default-role", text("oidc.default_role", "role of people whom nothing else gives one; without it they may not log in",
			func(c *Config) *string { return &c.OIDC.DefaultRole }, func(v string) error {
				if v == "" {
					return nil
				}
				return checkRole(v)
			})),
		renamed("oidc-tenant", text("oidc.tenant", "tenant of people who log in for the first time",
			func(c *Config) *string { return &c.OIDC.Tenant }, func(v string) error {
				if v == "" {
					return errors.New("must not be empty")
				}
				return nil
			})),
		renamed("oidc-allowed-domains", list("oidc.allowed_domains", "domains of verified e-mail addresses that may log in, comma-separated",
			func(c *Config) *[]string { return &c.OIDC.AllowedDomains }, checkHost)),
	}
}

// checkSecure wants https, or http on loopback.
func checkSecure(v string) (*url.URL, error) {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("must be a URL without user, query and fragment, such as https://id.example.com")
	}
	if u.Scheme == "http" && !Loopback(net.JoinHostPort(u.Hostname(), "1")) {
		return nil, errors.New("must begin with https://, unless it is on loopback")
	}
	return u, nil
}

func checkIssuer(v string) error {
	if v == "" {
		return nil
	}
	_, err := checkSecure(v)
	return err
}

func checkRedirect(v string) error {
	if v == "" {
		return nil
	}
	u, err := checkSecure(v)
	if err == nil && u.Path != oidc.CallbackPath {
		err = errors.New("must end with " + oidc.CallbackPath)
	}
	return err
}

func checkScope(v string) error {
	if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
		return fmt.Errorf("%q is not the name of a scope", v)
	}
	return nil
}

func checkRole(v string) error {
	if slices.Contains(access.Roles(), access.Role(v)) {
		return nil
	}
	return fmt.Errorf("%q is no role; the roles are viewer, operator, author, approver and admin", v)
}

var roleOf = regexp.MustCompile(`^(.+)=([^=]+)$`)

func checkRoleOf(v string) error {
	m := roleOf.FindStringSubmatch(v)
	if m == nil {
		return fmt.Errorf("%q must be GROUP=ROLE, such as ops=operator", v)
	}
	return checkRole(m[2])
}

// finishOIDC checks what belongs together, and derives the redirect URL.
func (c *Config) finishOIDC() error {
	o := &c.OIDC
	if o.Issuer == "" {
		return nil
	}
	missing := func(key, hint string) error {
		return fault.Newf(fault.InvalidInput, "oidc.issuer (%s) is set, but not %s", c.origin("oidc.issuer"), key).WithHint(hint)
	}
	switch {
	case o.ClientID == "":
		return missing("oidc.client_id", "register this server with the provider as a confidential web application")
	case o.ClientSecret == "":
		return missing("oidc.client_secret", "set RUNSHEET_OIDC_CLIENT_SECRET")
	case !slices.Contains(o.Scopes, "openid"):
		return fault.Newf(fault.InvalidInput, "oidc.scopes (%s) must contain openid", c.origin("oidc.scopes"))
	case o.RolesClaim != "" && len(o.Roles) == 0:
		return fault.Newf(fault.InvalidInput, "oidc.roles_claim (%s) is set, but not oidc.roles", c.origin("oidc.roles_claim")).
			WithHint("say which role a group means: oidc.roles: ops=operator,admins=admin")
	case o.RedirectURL != "" || Loopback(c.Listen) && !c.BehindProxy:
		return nil
	case len(c.AllowedHosts) == 0 || c.AllowedHosts[0] == "*":
		return missing("oidc.redirect_url", "it is https://YOUR-HOST"+oidc.CallbackPath)
	}
	host := c.AllowedHosts[0]
	// A proxy has the usual port; a server without one has its own.
	if _, port, err := net.SplitHostPort(c.Listen); err == nil && !c.BehindProxy && port != "443" {
		host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	o.RedirectURL = "https://" + host + oidc.CallbackPath
	return nil
}
