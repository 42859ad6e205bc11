package api

import (
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

func (s *service) tenantRoutes() []operation {
	const list, one = "/api/tenants", "/api/tenants/{tenant_id}"
	shown := []answer{{Status: http.StatusOK, Doc: "the tenant", Body: wire.Tenant{}}}
	return []operation{
		{
			ID: "create_tenant", Method: http.MethodPost, Path: list, Scope: access.TenantsWrite, Tag: "access", Summary: "Make a tenant",
			Body: wire.TenantInput{}, Faults: []fault.Code{fault.NameTaken},
			Answers: []answer{{Status: http.StatusCreated, Doc: "created", Body: wire.Tenant{}}}, Handle: s.createTenant,
		},
		{
			ID: "list_tenants", Method: http.MethodGet, Path: list, Scope: access.TenantsRead, Tag: "access", Summary: "List tenants, by name",
			Query: pageParams(), Faults: []fault.Code{fault.CursorInvalid},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page", Body: wire.TenantList{}}}, Handle: s.listTenants,
		},
		{
			ID: "get_tenant", Method: http.MethodGet, Path: one, Scope: access.TenantsRead, Tag: "access", Summary: "Read a tenant by id or name",
			Matches: true, Answers: shown, Handle: s.getTenant,
		},
		{
			ID: "patch_tenant", Method: http.MethodPatch, Path: one, Scope: access.TenantsWrite, Tag: "access", Summary: "Rename, disable or enable a tenant",
			Doc:  "The people and tokens of a disabled tenant are refused. Its jobs go on. The default tenant stays as it is.",
			Body: wire.TenantPatch{}, Patch: true, Matches: true, Answers: shown, Faults: []fault.Code{fault.NameTaken, fault.Conflict}, Handle: s.patchTenant,
		},
	}
}

// tenantParam lets administrators of the default tenant look at another one.
func tenantParam() param {
	return textParam("tenant", "id or name of another tenant, for administrators of the default one")
}

// tenantOf is the tenant that a request is about: the caller's own when ref is
// empty, and another one only for who may use the scope, which is about the whole
// installation.
func (s *service) tenantOf(r *request, ref string, scope access.Scope) (string, error) {
	if ref == "" || ref == r.tenant() {
		return r.tenant(), nil
	}
	if err := r.principal.Require(scope); err != nil {
		return "", fault.From(err).At("/tenant", "forbidden", "names another tenant")
	}
	t, err := s.Store.Tenants.Tenant(r.Context(), ref)
	if fault.Is(err, fault.NotFound) {
		err = fault.From(err).At("/tenant", "not_found", "there is no such tenant")
	}
	return t.ID, err
}

// name returns a path parameter that holds an id of kind k or a name.
func (r *request) name(param string, k id.Kind) (string, error) {
	ref := r.PathValue(param)
	if anyID.MatchString(ref) || strings.HasPrefix(ref, string(k)+"_") {
		return r.id(param, k)
	}
	if strings.ToValidUTF8(ref, "") != ref || strings.ContainsRune(ref, 0) {
		return "", fault.Newf(fault.NotFound, "no %s %q", k.Noun(), clip(ref)).At("path/"+param, "encoding", "must be UTF-8 without NUL")
	}
	return ref, nil
}

func tenantReply(status int, t access.Tenant) reply {
	out := reply{Status: status, ETag: etag(t.Version), Body: wire.TenantOf(t)}
	if status == http.StatusCreated {
		out.Location = "/api/tenants/" + t.ID
	}
	return out
}

func (s *service) createTenant(r *request) (reply, error) {
	var in wire.TenantInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	now := s.Clock.Now().UTC().Truncate(time.Millisecond)
	t := access.Tenant{ID: id.New(id.Tenant, now), Name: in.Name, Version: 1, CreatedAt: now, UpdatedAt: now}
	entry, err := s.record(r, change{Action: audit.TenantCreated, Object: t.ID, Name: t.Name, After: wire.TenantOf(t)})
	if err != nil {
		return reply{}, err
	}
	render := func(t access.Tenant) reply { return tenantReply(http.StatusCreated, t) }
	t, err = s.Store.Tenants.Create(r.Context(), store.PutTenant{Tenant: t, Key: keyed(r, render), Audit: entry})
	if err != nil {
		return reply{}, err
	}
	return render(t), nil
}

func (s *service) listTenants(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	after := ""
	if c != nil {
		after = c.Name
	}
	page, err := s.Store.Tenants.List(r.Context(), after, r.query.limit())
	if err != nil {
		return reply{}, err
	}
	out := wire.TenantList{Items: []wire.Tenant{}}
	for _, t := range page.Tenants {
		out.Items = append(out.Items, wire.TenantOf(t))
		out.NextCursor = r.next(page.More, cursor{Name: t.Name})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

func (s *service) tenant(r *request) (access.Tenant, error) {
	ref, err := r.name("tenant_id", id.Tenant)
	if err != nil {
		return access.Tenant{}, err
	}
	return s.Store.Tenants.Tenant(r.Context(), ref)
}

func (s *service) getTenant(r *request) (reply, error) {
	t, err := s.tenant(r)
	if err != nil {
		return reply{}, err
	}
	return tenantReply(http.StatusOK, t), nil
}

func (s *service) patchTenant(r *request) (reply, error) {
	return again(func() (reply, error) {
		t, err := s.tenant(r)
		if err != nil {
			return reply{}, err
		}
		before := wire.TenantOf(t)
		if err := r.match(etag(t.Version), before); err != nil {
			return reply{}, err
		}
		old := wire.TenantPatch{Name: t.Name, Disabled: t.Disabled}
		in, err := patched(s, r, old)
		if err != nil {
			return reply{}, err
		}
		if in == old {
			return tenantReply(http.StatusOK, t), nil
		}
		if t.ID == access.DefaultTenant {
			return reply{}, fault.New(fault.Conflict, "the default tenant can be neither renamed nor disabled: the administrators of the installation are in it")
		}
		t.Name, t.Disabled, t.Version = in.Name, in.Disabled, t.Version+1
		t.UpdatedAt = s.Clock.Now().UTC().Truncate(time.Millisecond)
		entry, err := s.record(r, change{
			Action: audit.TenantUpdated, Object: t.ID, Name: t.Name, Before: before, After: wire.TenantOf(t),
			Detail: map[string]string{"disabled": yesNo(t.Disabled)},
		})
		if err != nil {
			return reply{}, err
		}
		if t, err = s.Store.Tenants.Update(r.Context(), store.PutTenant{Tenant: t, Audit: entry}); err != nil {
			return reply{}, err
		}
		return tenantReply(http.StatusOK, t), nil
	})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
