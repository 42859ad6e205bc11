package api

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) tokenRoutes() []operation {
	const list, one = "/api/tokens", "/api/tokens/{token_id}"
	return []operation{
		{
			ID: "create_token", Secret: true, Method: http.MethodPost, Path: list, Scope: access.TokensWrite, Tag: "access", Summary: "Make a token",
			Doc:  "The answer shows the token's text, once. Nobody hands out more than he has. A token cannot be changed: make another and revoke it.",
			Body: wire.TokenInput{}, Faults: []fault.Code{fault.NameTaken, fault.NotFound},
			Answers: []answer{{Status: http.StatusCreated, Doc: "made", Body: wire.NewToken{}}}, Handle: s.createToken,
		},
		{
			ID: "list_tokens", Method: http.MethodGet, Path: list, Scope: access.TokensRead, Tag: "access", Summary: "List tokens, newest first",
			Query:   pageParams(flagParam("valid", "true: only those that are neither revoked nor expired; false or absent: all"), tenantParam()),
			Faults:  []fault.Code{fault.CursorInvalid, fault.NotFound},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.TokenList{}}}, Handle: s.listTokens,
		},
		{
			ID: "get_token", Method: http.MethodGet, Path: one, Scope: access.TokensRead, Tag: "access", Summary: "Read a token, without its text",
			Query: []param{tenantParam()}, Answers: []answer{{Status: http.StatusOK, Doc: "the token", Body: wire.Token{}}}, Handle: s.getToken,
		},
		{
			ID: "revoke_token", Method: http.MethodDelete, Path: one, Scope: access.TokensWrite, Tag: "access", Summary: "Revoke a token for ever",
			Doc:   "Every instance refuses it within two seconds. To revoke it again changes nothing.",
			Query: []param{tenantParam()}, Answers: []answer{{Status: http.StatusNoContent, Doc: "revoked"}}, Handle: s.revokeToken,
		},
	}
}

// The life of a token.
const (
	tokenLife    = 90 * 24 * time.Hour
	maxTokenLife = 3650 * 24 * time.Hour
)

func (s *service) createToken(r *request) (reply, error) {
	var in wire.TokenInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	life := in.ExpiresIn.Or(tokenLife)
	if life < time.Second || life > maxTokenLife {
		return reply{}, fault.New(fault.InvalidInput, "a token lives from one second to ten years").
			At("/expires_in", "out_of_range", "must be from PT1S to P3650D")
	}
	ref := ""
	if in.Tenant != nil {
		ref = *in.Tenant
	}
	tenant, err := s.tenantOf(r, ref, access.TenantsWrite)
	if err != nil {
		return reply{}, err
	}
	now, text := s.Clock.Now().UTC().Truncate(time.Millisecond), access.NewToken()
	t := access.Token{
		ID: id.New(id.Token, now), Tenant: tenant, Name: in.Name, Hash: access.HashToken(text), Roles: wire.RolesOf(union(in.Roles)),
		Scopes: wire.ScopesOf(in.Scopes), Templates: in.Templates, RatePerMinute: in.RatePerMinute,
		// Of a token that a token makes, whoever made that one: it stays his.
		CreatedBy: cmp.Or(r.principal.MadeBy, r.principal.Name), CreatedAt: now, ExpiresAt: now.Add(life),
	}
	if err := firstOf(t.Principal().CheckLimits(), r.principal.MayGive(t.Principal())); err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{
		Action: audit.TokenCreated, Tenant: tenant, Object: t.ID, Name: t.Name, After: wire.TokenOf(t, now),
		Detail: tokenDetail(t, union(in.Roles)),
	})
	if err != nil {
		return reply{}, err
	}
	if t, err = s.Store.Tokens.Create(r.Context(), store.PutToken{Token: t, Audit: entry}); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusCreated, Location: "/api/tokens/" + t.ID, Body: wire.NewTokenOf(t, text)}, nil
}

// tokenDetail is what the record says of a new token: what it may do, and each
// limit that was set.
func tokenDetail(t access.Token, roles []string) map[string]string {
	out := map[string]string{"roles": strings.Join(roles, " "), "expires_at": t.ExpiresAt.Format(time.RFC3339)}
	if t.Scopes != nil {
		var scopes []string
		for _, s := range t.Scopes {
			scopes = append(scopes, string(s))
		}
		out["scopes"] = strings.Join(scopes, ",")
	}
	if t.Templates != nil {
		out["templates"] = strings.Join(t.Templates, ",")
	}
	if t.RatePerMinute > 0 {
		out["rate_per_minute"] = strconv.Itoa(t.RatePerMinute)
	}
	return out
}

func (s *service) listTokens(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	tenant, err := s.tenantOf(r, r.query.text("tenant"), access.TenantsRead)
	if err != nil {
		return reply{}, err
	}
	now := s.Clock.Now()
	p := store.ListTokens{Tenant: tenant, Limit: r.query.limit()}
	if r.query.flag("valid") {
		p.Valid = now
	}
	if c != nil {
		p.After = &store.TokenMark{CreatedAt: c.at(), ID: c.ID}
	}
	page, err := s.Store.Tokens.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.TokenList{Items: []wire.Token{}}
	for _, t := range page.Tokens {
		out.Items = append(out.Items, wire.TokenOf(t, now))
		out.NextCursor = r.next(page.More, cursor{ID: t.ID, AtMs: clock.Millis(t.CreatedAt)})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// token finds the token that the path names; scope is what another tenant's
// needs.
func (s *service) token(r *request, scope access.Scope) (access.Token, error) {
	ref, err := r.id("token_id", id.Token)
	if err != nil {
		return access.Token{}, err
	}
	tenant, err := s.tenantOf(r, r.query.text("tenant"), scope)
	if err != nil {
		return access.Token{}, err
	}
	return s.Store.Tokens.Token(r.Context(), tenant, ref)
}

func (s *service) getToken(r *request) (reply, error) {
	t, err := s.token(r, access.TenantsRead)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, Body: wire.TokenOf(t, s.Clock.Now())}, nil
}

func (s *service) revokeToken(r *request) (reply, error) {
	t, err := s.token(r, access.TenantsWrite)
	if err != nil {
		return reply{}, err
	}
	// The own token can always be given up.
	if t.ID != r.principal.TokenID {
		if err := r.principal.MayGive(t.Principal()); err != nil {
			return reply{}, err
		}
	}
	now := s.Clock.Now()
	gone := t
	gone.RevokedAt = now
	entry, err := s.record(r, change{
		Action: audit.TokenRevoked, Tenant: t.Tenant, Object: t.ID, Name: t.Name, Before: wire.TokenOf(t, now), After: wire.TokenOf(gone, now),
	})
	if err != nil {
		return reply{}, err
	}
	if err := s.Store.Tokens.Revoke(r.Context(), store.RevokeToken{Tenant: t.Tenant, ID: t.ID, At: now, Audit: entry}); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, nil
}
