package api

import (
	"context"
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/vault"
)

// Vault keeps values of secrets; it is a *vault.Vault.
type Vault interface {
	Put(ctx context.Context, p vault.Put) (secret.Secret, error)
}

func (s *service) secretRoutes() []operation {
	const one = "/api/secrets/{name}"
	return []operation{
		{
			ID: "list_secrets", Method: http.MethodGet, Path: "/api/secrets", Scope: access.SecretsRead, Tag: "secrets",
			Summary: "List secrets, by name", Doc: "Names, grants and when they were used; never values.",
			Query: pageParams(textParam("q", "part of the name")), Faults: []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.SecretList{}}}, Handle: s.listSecrets,
		},
		{
			ID: "get_secret", Method: http.MethodGet, Path: one, Scope: access.SecretsRead, Tag: "secrets",
			Summary: "Read what is known of a secret, without its value", Faults: []fault.Code{fault.SecretNotFound},
			Answers: []answer{{Status: http.StatusOK, Doc: "the secret, without its value", Body: wire.Secret{}}}, Handle: s.getSecret,
		},
		{
			ID: "put_secret", Secret: true, Method: http.MethodPut, Path: one, Scope: access.SecretsWrite, Tag: "secrets", Summary: "Set a secret",
			Doc: "The value can be written and replaced, but never read. What is absent stays: leave the value out to change grants alone. " +
				"Values, and lines of values, shorter than eight characters are not masked in logs; the answer says so.",
			Body: wire.SecretInput{}, Matches: true, Faults: []fault.Code{fault.SecretNotFound, fault.SecretsKeyMissing, fault.SecretsKeyWrong},
			Answers: []answer{
				{Status: http.StatusOK, Doc: "changed", Body: wire.Secret{}},
				{Status: http.StatusCreated, Doc: "made", Body: wire.Secret{}},
			}, Handle: s.putSecret,
		},
		{
			ID: "delete_secret", Method: http.MethodDelete, Path: one, Scope: access.SecretsWrite, Tag: "secrets", Summary: "Delete a secret",
			Doc: "Workflows that refer to it fail when they need it.", Matches: true, Faults: []fault.Code{fault.SecretNotFound},
			Answers: []answer{{Status: http.StatusNoContent, Doc: "deleted"}}, Handle: s.deleteSecret,
		},
	}
}

func (s *service) listSecrets(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListSecrets{Tenant: r.tenant(), Text: r.query.text("q"), Limit: r.query.limit()}
	if c != nil {
		p.AfterName = c.Name
	}
	page, err := s.Store.Secrets.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.SecretList{Items: []wire.Secret{}}
	for _, one := range page.Secrets {
		out.Items = append(out.Items, wire.SecretOf(one))
		out.NextCursor = r.next(page.More, cursor{Name: one.Name})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// secret finds the secret that the path names; a name that no secret can have is
// not found.
func (s *service) secret(r *request) (secret.Secret, error) {
	name := r.PathValue("name")
	if secret.CheckName(name) != nil {
		return secret.Secret{}, fault.Newf(fault.SecretNotFound, "there is no secret %q", clip(name)).
			At("path/name", "pattern", "must match [A-Za-z_][A-Za-z0-9_]{0,127}")
	}
	found, err := s.Store.Secrets.Secret(r.Context(), r.tenant(), name)
	return found.Secret, err
}

func (s *service) getSecret(r *request) (reply, error) {
	one, err := s.secret(r)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusOK, ETag: etag(one.Version), Body: wire.SecretOf(one)}, nil
}

func (s *service) putSecret(r *request) (reply, error) {
	name := r.PathValue("name")
	if err := secret.CheckName(name); err != nil {
		return reply{}, fault.New(fault.InvalidInput, fault.From(err).Detail).At("path/name", "pattern", "must match [A-Za-z_][A-Za-z0-9_]{0,127}")
	}
	var in wire.SecretInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Value != nil {
		if err := secret.CheckValue(*in.Value); err != nil {
			return reply{}, err
		}
	}
	if err := secret.CheckGrants(wire.GrantsOf(in.Grants), "/grants"); err != nil {
		return reply{}, err
	}
	return again(func() (reply, error) {
		before, err := s.secret(r)
		fresh := fault.Is(err, fault.SecretNotFound)
		if err != nil && !fresh {
			return reply{}, err
		}
		if err := r.match(etag(before.Version), wire.SecretOf(before)); err != nil {
			return reply{}, err
		}
		now := s.Clock.Now().UTC().Truncate(time.Millisecond)
		next := before
		if fresh {
			if in.Value == nil {
				return reply{}, fault.Newf(fault.InvalidInput, "there is no secret %s yet, so it needs a value", name).At("/value", "required", "must be given")
			}
			next = secret.Secret{Tenant: r.tenant(), Name: name, CreatedBy: r.principal.Name, CreatedAt: now}
		}
		if in.Grants != nil {
			next.Grants = wire.GrantsOf(in.Grants)
		}
		if in.Description != nil {
			next.Description = *in.Description
		}
		if in.Value == nil && same(wire.SecretOf(before), wire.SecretOf(next)) {
			return reply{Status: http.StatusOK, ETag: etag(before.Version), Body: wire.SecretOf(before)}, nil
		}
		next.Version, next.UpdatedBy, next.UpdatedAt = before.Version+1, r.principal.Name, now
		if in.Value != nil {
			next.ValueVersion, next.ValueAt = before.ValueVersion+1, now
		}
		return s.storeSecret(r, before, next, in.Value)
	})
}

// storeSecret stores next in place of before, whose Version is 0 if there is none.
func (s *service) storeSecret(r *request, before, next secret.Secret, value *string) (reply, error) {
	c := change{
		Action: audit.SecretSet, Name: next.Name, After: wire.SecretOf(next),
		Detail: map[string]string{"value": "kept", "grants": itoa(len(next.Grants)), "version": itoa(int(next.Version))},
	}
	out := reply{Status: http.StatusOK}
	if before.Version > 0 {
		c.Before = wire.SecretOf(before)
	} else {
		out.Status, out.Location = http.StatusCreated, "/api/secrets/"+next.Name
	}
	if value != nil {
		c.Detail["value"] = "set"
	}
	entry, err := s.record(r, c)
	if err != nil {
		return reply{}, err
	}
	if s.Vault == nil {
		return reply{}, fault.New(fault.SecretsKeyMissing, "this server keeps no secrets")
	}
	stored, err := s.Vault.Put(r.Context(), vault.Put{Secret: next, Value: value, Audit: entry})
	if err != nil {
		return reply{}, err
	}
	body := wire.SecretOf(stored)
	if value != nil {
		body.Warnings = []string{}
		if !secret.Maskable(*value) {
			body.Warnings = append(body.Warnings, "the value is shorter than eight characters, so it is not masked in logs and results")
		}
	}
	out.ETag, out.Body = etag(stored.Version), body
	return out, nil
}

func (s *service) deleteSecret(r *request) (reply, error) {
	one, err := s.secret(r)
	if err != nil {
		return reply{}, err
	}
	if err := r.match(etag(one.Version), wire.SecretOf(one)); err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.SecretDeleted, Name: one.Name, Before: wire.SecretOf(one)})
	if err != nil {
		return reply{}, err
	}
	p := store.DeleteSecret{Tenant: r.tenant(), Name: one.Name, Audit: entry}
	if r.ifMatch != nil {
		p.Version = one.Version
	}
	if err := s.Store.Secrets.Delete(r.Context(), p); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, nil
}
