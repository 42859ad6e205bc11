package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

func (s *service) userRoutes() []operation {
	const list, one = "/api/users", "/api/users/{user_id}"
	shown := []answer{{Status: http.StatusOK, Doc: "the user", Body: wire.User{}}}
	about := []param{tenantParam()}
	return []operation{
		{
			// A key would keep a hash of the body, by which its password could be
			// guessed much faster than by the password's own hash.
			ID: "create_user", Secret: true, Method: http.MethodPost, Path: list, Scope: access.UsersWrite, Tag: "access", Summary: "Make a user",
			Doc: "Nobody gives more than he has.", Body: wire.UserInput{}, Faults: []fault.Code{fault.NameTaken, fault.NotFound},
			Answers: []answer{{Status: http.StatusCreated, Doc: "created", Body: wire.User{}}}, Handle: s.createUser,
		},
		{
			ID: "list_users", Method: http.MethodGet, Path: list, Scope: access.UsersRead, Tag: "access", Summary: "List users, by name",
			Query:   pageParams(textParam("q", "part of the name, any case"), tenantParam()),
			Faults:  []fault.Code{fault.CursorInvalid, fault.NotFound},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.UserList{}}}, Handle: s.listUsers,
		},
		{
			ID: "get_user", Method: http.MethodGet, Path: one, Scope: access.UsersRead, Tag: "access", Summary: "Read a user by id or name",
			Query: about, Matches: true, Answers: shown, Handle: s.getUser,
		},
		{
			ID: "patch_user", Method: http.MethodPatch, Path: one, Scope: access.UsersWrite, Tag: "access", Summary: "Change a user",
			Doc:   "A change of roles, password or disabled ends all sessions of the user. Nobody changes a user who may do more than he.",
			Query: about, Body: wire.UserPatch{}, Patch: true, Matches: true, Answers: shown,
			Faults: []fault.Code{fault.NameTaken, fault.LastAdmin}, Handle: s.patchUser,
		},
		{
			ID: "delete_user", Method: http.MethodDelete, Path: one, Scope: access.UsersWrite, Tag: "access", Summary: "Delete a user and its sessions",
			Doc: "Tokens that the user made stay.", Query: about, Matches: true, Faults: []fault.Code{fault.LastAdmin},
			Answers: []answer{{Status: http.StatusNoContent, Doc: "deleted"}}, Handle: s.deleteUser,
		},
	}
}

func userReply(status int, u access.User) reply {
	out := reply{Status: status, ETag: etag(u.Version), Body: wire.UserOf(u)}
	if status == http.StatusCreated {
		out.Location = "/api/users/" + u.ID
	}
	return out
}

func checkUserName(name string) error {
	if !access.UserName.MatchString(name) || anyID.MatchString(name) {
		return fault.New(fault.InvalidInput, "this cannot be a user's name").
			At("/name", "pattern", "must have 1 to 128 of a-z, 0-9 and . _ @ + -, begin with a letter or digit, and not look like an id")
	}
	return nil
}

func (s *service) createUser(r *request) (reply, error) {
	var in wire.UserInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	ref := ""
	if in.Tenant != nil {
		ref = *in.Tenant
	}
	tenant, err := s.tenantOf(r, ref, access.TenantsWrite)
	if err != nil {
		return reply{}, err
	}
	now := s.Clock.Now().UTC().Truncate(time.Millisecond)
	u := access.User{
		ID: id.New(id.User, now), Tenant: tenant, Name: in.Name, Roles: wire.RolesOf(union(in.Roles)), Version: 1,
		CreatedBy: r.principal.Name, CreatedAt: now, UpdatedAt: now,
	}
	if err := firstOf(checkUserName(in.Name), r.principal.MayGive(u.Principal(""))); err != nil {
		return reply{}, err
	}
	if in.Password != nil {
		if u.PasswordHash, err = s.Identity.HashPassword(r.Context(), u.Name, *in.Password); err != nil {
			return reply{}, err
		}
	}
	entry, err := s.record(r, change{
		Action: audit.UserCreated, Tenant: tenant, Object: u.ID, Name: u.Name, After: wire.UserOf(u),
		Detail: map[string]string{"roles": strings.Join(union(in.Roles), " ")},
	})
	if err != nil {
		return reply{}, err
	}
	if u, err = s.Store.Users.Create(r.Context(), store.PutUser{User: u, Audit: entry}); err != nil {
		return reply{}, err
	}
	return userReply(http.StatusCreated, u), nil
}

func (s *service) listUsers(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	tenant, err := s.tenantOf(r, r.query.text("tenant"), access.TenantsRead)
	if err != nil {
		return reply{}, err
	}
	p := store.ListUsers{Tenant: tenant, Text: r.query.text("q"), Limit: r.query.limit()}
	if c != nil {
		p.AfterName = c.Name
	}
	page, err := s.Store.Users.List(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.UserList{Items: []wire.User{}}
	for _, u := range page.Users {
		out.Items = append(out.Items, wire.UserOf(u))
		out.NextCursor = r.next(page.More, cursor{Name: u.Name})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// user finds the user that the path names; scope is what another tenant's
// needs.
func (s *service) user(r *request, scope access.Scope) (access.User, error) {
	ref, err := r.name("user_id", id.User)
	if err != nil {
		return access.User{}, err
	}
	tenant, err := s.tenantOf(r, r.query.text("tenant"), scope)
	if err != nil {
		return access.User{}, err
	}
	return s.Store.Users.User(r.Context(), tenant, ref)
}

func (s *service) getUser(r *request) (reply, error) {
	u, err := s.user(r, access.TenantsRead)
	if err != nil {
		return reply{}, err
	}
	return userReply(http.StatusOK, u), nil
}

func (s *service) patchUser(r *request) (reply, error) {
	return again(func() (reply, error) {
		u, err := s.user(r, access.TenantsWrite)
		if err != nil {
			return reply{}, err
		}
		if err := r.match(etag(u.Version), wire.UserOf(u)); err != nil {
			return reply{}, err
		}
		in, err := patched(s, r, wire.UserPatchOf(u))
		if err != nil {
			return reply{}, err
		}
		n := u
		n.Name, n.Roles, n.Disabled = in.Name, wire.RolesOf(union(in.Roles)), in.Disabled
		if err := firstOf(r.principal.MayGive(u.Principal("")), r.principal.MayGive(n.Principal(""))); err != nil {
			return reply{}, err
		}
		if n.Name != u.Name {
			if err := checkUserName(n.Name); err != nil {
				return reply{}, err
			}
		}
		if n.PasswordHash, err = s.newPassword(r, n, in.Password); err != nil {
			return reply{}, err
		}
		renamed := n.PasswordHash == u.PasswordHash && same(n.Roles, u.Roles) && n.Disabled == u.Disabled
		if renamed && n.Name == u.Name {
			return userReply(http.StatusOK, u), nil
		}
		n.Version++
		n.UpdatedAt = s.Clock.Now().UTC().Truncate(time.Millisecond)
		entry, err := s.userEntry(r, u, n)
		if err != nil {
			return reply{}, err
		}
		if n, err = s.Store.Users.Update(r.Context(), store.PutUser{User: n, KeepSessions: renamed, Audit: entry}); err != nil {
			return reply{}, err
		}
		return userReply(http.StatusOK, n), nil
	})
}

// newPassword returns the hash that u has after a patch: a new one, none when the
// patch says null, or the one it had.
func (s *service) newPassword(r *request, u access.User, password *string) (string, error) {
	if password != nil {
		return s.Identity.HashPassword(r.Context(), u.Name, *password)
	}
	var said map[string]json.RawMessage
	if err := json.Unmarshal(r.body, &said); err != nil {
		return "", fault.Wrap(err, fault.MalformedBody, "the patch cannot be read")
	}
	if _, taken := said["password"]; taken {
		return "", nil
	}
	return u.PasswordHash, nil
}

func (s *service) userEntry(r *request, u, n access.User) (*audit.Entry, error) {
	c := change{
		Action: audit.UserUpdated, Tenant: u.Tenant, Object: u.ID, Name: n.Name, Before: wire.UserOf(u), After: wire.UserOf(n),
		Detail: map[string]string{"roles": strings.Join(wire.UserOf(n).Roles, " "), "disabled": yesNo(n.Disabled)},
	}
	if n.PasswordHash != u.PasswordHash {
		c.Action, c.Detail["password"] = audit.UserPassword, "set"
		if n.PasswordHash == "" {
			c.Detail["password"] = "taken away"
		}
	}
	return s.record(r, c)
}

func (s *service) deleteUser(r *request) (reply, error) {
	u, err := s.user(r, access.TenantsWrite)
	if err != nil {
		return reply{}, err
	}
	if err := r.match(etag(u.Version), wire.UserOf(u)); err != nil {
		return reply{}, err
	}
	if err := r.principal.MayGive(u.Principal("")); err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.UserDeleted, Tenant: u.Tenant, Object: u.ID, Name: u.Name, Before: wire.UserOf(u)})
	if err != nil {
		return reply{}, err
	}
	if err := s.Store.Users.Delete(r.Context(), store.DeleteUser{Tenant: u.Tenant, ID: u.ID, Audit: entry}); err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, nil
}
