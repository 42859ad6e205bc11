package oidc

import (
	"context"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/store"
)

// how is the name of this way in, and of who makes and changes users by it.
const how = "oidc"

// admit returns the user whom the provider vouches for, made or with the roles
// that it has now. It returns oidc_not_allowed, oidc_name_unusable,
// oidc_name_taken or last_admin.
func (s *Service) admit(ctx context.Context, who claims, a identity.Attempt) (access.User, error) {
	u, err := s.o.Store.Users.ByIdentity(ctx, s.o.Issuer, who.Subject)
	if fault.Is(err, fault.NotFound) {
		return s.provision(ctx, who, a)
	}
	if err != nil {
		return u, err
	}
	if u.Disabled {
		return u, fault.New(fault.OIDCNotAllowed, "the user is disabled")
	}
	if err := s.open(ctx, u.Tenant); err != nil {
		return u, err
	}
	if err := s.welcome(who); err != nil {
		return u, err
	}
	if s.o.RolesClaim == "" {
		return u, nil
	}
	roles := s.roles(who)
	if !same(u.Roles, roles) {
		if u, err = s.give(ctx, u, roles, a); err != nil {
			return u, err
		}
	}
	return u, allowed(roles)
}

// provision makes a user for somebody who comes for the first time.
func (s *Service) provision(ctx context.Context, who claims, a identity.Attempt) (access.User, error) {
	if err := s.welcome(who); err != nil {
		return access.User{}, err
	}
	roles := s.roles(who)
	if err := allowed(roles); err != nil {
		return access.User{}, err
	}
	name, err := s.name(who)
	if err != nil {
		return access.User{}, err
	}
	t, err := s.o.Store.Tenants.Tenant(ctx, s.o.Tenant)
	if fault.Is(err, fault.NotFound) {
		return access.User{}, fault.New(fault.OIDCNotAllowed, "the tenant that oidc.tenant names does not exist")
	}
	if err != nil {
		return access.User{}, err
	}
	if err := s.open(ctx, t.ID); err != nil {
		return access.User{}, err
	}
	now := s.o.Clock.Now().UTC().Truncate(time.Millisecond)
	u := access.User{
		ID: id.New(id.User, now), Tenant: t.ID, Name: name, Roles: roles, Issuer: s.o.Issuer, Subject: who.Subject,
		CreatedBy: how, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	entry := s.entry(audit.UserCreated, u, a)
	entry.After = s.o.Identity.Digest(u)
	u, err = s.o.Store.Users.Create(ctx, store.PutUser{User: u, Audit: entry})
	if !fault.Is(err, fault.NameTaken) {
		return u, err
	}
	// The other tab, or instance, was faster.
	if u, err := s.o.Store.Users.ByIdentity(ctx, s.o.Issuer, who.Subject); err == nil {
		return u, nil
	}
	return access.User{}, fault.New(fault.OIDCNameTaken, "a user with the name that the OpenID provider gives exists and is not tied to this person")
}

// give sets a user's roles. The user's sessions end, so that nobody keeps what
// was taken away.
func (s *Service) give(ctx context.Context, u access.User, roles []access.Role, a identity.Attempt) (access.User, error) {
	// Somebody else may change the user at the same time; what the provider says
	// stays true.
	for try := 0; ; try++ {
		next := u
		next.Roles, next.Version, next.UpdatedAt = roles, u.Version+1, s.o.Clock.Now().UTC().Truncate(time.Millisecond)
		entry := s.entry(audit.UserUpdated, next, a)
		entry.Before, entry.After = s.o.Identity.Digest(u), s.o.Identity.Digest(next)
		out, err := s.o.Store.Users.Update(ctx, store.PutUser{User: next, Audit: entry})
		if !fault.Is(err, fault.VersionMismatch) || try == 2 {
			return out, err
		}
		if u, err = s.o.Store.Users.User(ctx, u.Tenant, u.ID); err != nil {
			return u, err
		}
	}
}

func (s *Service) entry(what audit.Action, u access.User, a identity.Attempt) *audit.Entry {
	return &audit.Entry{
		Tenant: u.Tenant, At: s.o.Clock.Now(), Action: what, Object: u.ID, ObjectName: u.Name,
		Detail: map[string]string{"by": how, "roles": names(u.Roles)},
		Actor:  audit.Actor{Name: how, Remote: a.Remote, RequestID: a.RequestID},
	}
}

// open refuses people of a disabled tenant.
func (s *Service) open(ctx context.Context, tenant string) error {
	t, err := s.o.Store.Tenants.Tenant(ctx, tenant)
	if err == nil && t.Disabled {
		err = fault.New(fault.OIDCNotAllowed, "the tenant is disabled")
	}
	return err
}

func allowed(roles []access.Role) error {
	if len(roles) > 0 {
		return nil
	}
	return fault.New(fault.OIDCNotAllowed, "the OpenID provider gives the person nothing that oidc.roles maps to a role, and there is no oidc.default_role")
}

// same reports whether two lists grant the same roles.
func same(a, b []access.Role) bool {
	in := func(list []access.Role) func(access.Role) bool {
		return func(r access.Role) bool { return !slices.Contains(list, r) }
	}
	return !slices.ContainsFunc(a, in(b)) && !slices.ContainsFunc(b, in(a))
}
