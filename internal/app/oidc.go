package app

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/health"
	"github.com/runsheet/runsheet/internal/oidc"
)

// Times of the check: one that took longer than the check may would count as
// failing, and the server as not ready.
const (
	oidcEvery   = 30 * time.Second
	oidcTimeout = health.DefaultTimeout - time.Second
)

// openOIDC makes the way in by an OpenID provider, if one is configured. The
// provider is not asked: one that is down must not stop the server.
func (a *App) openOIDC(context.Context) (err error) {
	c := a.o.Config.OIDC
	if c.Issuer == "" {
		return nil
	}
	if c.RedirectURL == "" {
		c.RedirectURL = a.URL() + oidc.CallbackPath
	}
	a.oidc, err = oidc.New(oidc.Options{
		Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(), RedirectURL: c.RedirectURL, Scopes: c.Scopes,
		NameClaim: c.NameClaim, RolesClaim: c.RolesClaim, Roles: c.RoleMap(), DefaultRole: access.Role(c.DefaultRole),
		Tenant: c.Tenant, Domains: c.AllowedDomains,
		Store: a.store, Identity: a.identity, Clock: a.o.Clock, Logger: a.log, UserAgent: "runsheet/" + a.o.Version,
	})
	if err != nil {
		return err
	}
	// Whoever has a session, a token or a password gets in all the same.
	a.checks = append(a.checks, health.Check{Name: "oidc", Every: oidcEvery, Run: func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, oidcTimeout)
		defer cancel()
		if err := a.oidc.Check(ctx); err != nil {
			return "unavailable", health.Degrade(err)
		}
		return "", nil
	}})
	a.log.Info("people can log in at an openid provider", "issuer", c.Issuer, "redirect_url", c.RedirectURL)
	return nil
}
