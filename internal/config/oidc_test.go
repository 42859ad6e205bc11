package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
)

// provider is an environment with a complete provider and what more there is.
func provider(more ...string) config.Sources {
	return config.Sources{Env: env(append(more,
		"RUNSHEET_OIDC_ISSUER", "https://id.example.com/realms/x", "RUNSHEET_OIDC_CLIENT_ID", "runsheet", "RUNSHEET_OIDC_CLIENT_SECRET", "canary")...)}
}

func TestOIDC(t *testing.T) {
	t.Parallel()
	path := file(t, `
oidc:
  roles_claim: realm_access.roles
  roles: [ops=operator, "a=b=admin"]
  default_role: viewer
  allowed_domains: example.com
`)
	c, err := config.Load(provider("RUNSHEET_CONFIG", path))
	if err != nil {
		t.Fatal(err)
	}
	o := c.OIDC
	if o.RolesClaim != "realm_access.roles" || o.DefaultRole != "viewer" || o.RedirectURL != "" || o.ClientSecret.Reveal() != "canary" {
		t.Errorf("%+v", o)
	}
	if diff := cmp.Diff(map[string]access.Role{"ops": access.Operator, "a=b": access.Admin}, o.RoleMap()); diff != "" {
		t.Error(diff)
	}
	if text := fmt.Sprintf("%v %+v %#v %v", o, o, o, c.Settings()); strings.Contains(text, "canary") {
		t.Errorf("the secret shows: %s", text)
	}
}

func TestOIDCRedirectURL(t *testing.T) {
	t.Parallel()
	const path = "/api/session/oidc/callback"
	for want, more := range map[string][]string{
		"":                                {"RUNSHEET_LISTEN", "127.0.0.1:0"},
		"https://jobs.example.com" + path: {"RUNSHEET_BEHIND_PROXY", "1", "RUNSHEET_ALLOWED_HOSTS", "jobs.example.com,other"},
		"https://jobs.example.com:8443" + path: {
			"RUNSHEET_LISTEN", "0.0.0.0:8443", "RUNSHEET_ALLOWED_HOSTS", "jobs.example.com", "RUNSHEET_TLS_CERT", "c.pem", "RUNSHEET_TLS_KEY", "k.pem",
		},
		"https://said.example.com" + path: {"RUNSHEET_BEHIND_PROXY", "1", "RUNSHEET_OIDC_REDIRECT_URL", "https://said.example.com" + path},
	} {
		c, err := config.Load(provider(more...))
		if err != nil || c.OIDC.RedirectURL != want {
			t.Errorf("%v: %q, %v", more, c.OIDC.RedirectURL, err)
		}
	}
}

func TestOIDCRefuses(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"ISSUER":          "http://id.example.com",
		"ISSUER ":         "https://ann:pw@id.example.com",
		"ISSUER  ":        "id.example.com",
		"CLIENT_ID":       "",
		"CLIENT_SECRET":   "",
		"REDIRECT_URL":    "http://jobs.example.com/api/session/oidc/callback",
		"REDIRECT_URL ":   "https://jobs.example.com/elsewhere",
		"SCOPES":          "profile",
		"SCOPES ":         "openid,a b",
		"ROLES":           "ops",
		"ROLES ":          "ops=root",
		"ROLES_CLAIM":     "groups", // without roles
		"DEFAULT_ROLE":    "root",
		"TENANT":          "",
		"ALLOWED_DOMAINS": "@example.com",
	} {
		_, err := config.Load(provider("RUNSHEET_OIDC_"+strings.TrimSpace(name), value))
		if !fault.Is(err, fault.InvalidInput) || !strings.Contains(err.Error(), "oidc.") {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
	if _, err := config.Load(provider("RUNSHEET_BEHIND_PROXY", "1")); !fault.Is(err, fault.InvalidInput) {
		t.Errorf("no host to come back to: %v", err)
	}
}
