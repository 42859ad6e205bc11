package access_test

import (
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/fault"
)

// TestMayGive: everybody may give what he has, and nobody more.
func TestMayGive(t *testing.T) {
	t.Parallel()
	in := func(tenant string, roles ...access.Role) access.Principal {
		return access.Principal{Tenant: tenant, Roles: roles}
	}
	admin, author := in(access.DefaultTenant, access.Admin), in(access.DefaultTenant, access.Author)
	limited := admin
	limited.Templates = []string{"a*", "b"}
	some := limited
	some.Templates = []string{"b"}
	wider := limited
	wider.Templates = []string{"*"}
	slow := admin
	slow.RatePerMinute = 60
	narrow := admin
	narrow.Scopes = []access.Scope{access.JobsRead}
	reader := author
	reader.Scopes = []access.Scope{access.JobsRead}
	for name, c := range map[string]struct {
		p, q access.Principal
		may  bool
	}{
		"the same":                {admin, admin, true},
		"less":                    {admin, author, true},
		"more":                    {author, admin, false},
		"other roles, no more":    {author, in(access.DefaultTenant, access.Viewer), true},
		"the right to decide":     {author, in(access.DefaultTenant, access.Approver), false},
		"of another tenant":       {admin, in("ten_x", access.Admin), true},
		"of the default tenant":   {in("ten_x", access.Admin), admin, false},
		"beyond own scopes":       {narrow, author, false},
		"within own scopes":       {narrow, reader, true},
		"some of own templates":   {limited, some, true},
		"wider templates":         {limited, wider, false},
		"not limited":             {limited, admin, false},
		"a rate where there is":   {slow, slow, true},
		"no rate where there is":  {slow, admin, false},
		"a rate where there isnt": {admin, slow, true},
		"nobody":                  {access.Principal{}, reader, false},
	} {
		err := c.p.MayGive(c.q)
		if (err == nil) != c.may || err != nil && !fault.Is(err, fault.ForbiddenScope) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckLimits(t *testing.T) {
	t.Parallel()
	good := access.Principal{Tenant: "ten_x", Roles: []access.Role{access.Operator}, Scopes: []access.Scope{access.JobsWrite}, Templates: []string{"a-[0-9]*"}}
	if err := good.CheckLimits(); err != nil {
		t.Error(err)
	}
	for pointer, spoil := range map[string]func(*access.Principal){
		"/roles/0":     func(p *access.Principal) { p.Roles = []access.Role{"root"}; p.Scopes = nil },
		"/scopes/0":    func(p *access.Principal) { p.Scopes = []access.Scope{access.WorkersWrite} }, // not in this tenant
		"/templates/1": func(p *access.Principal) { p.Templates = []string{"a", "[a"} },
	} {
		bad := good
		spoil(&bad)
		err := bad.CheckLimits()
		if f := fault.From(err); err == nil || f.Code != fault.InvalidInput || len(f.Fields) != 1 || f.Fields[0].Pointer != pointer {
			t.Errorf("%s: %v", pointer, err)
		}
	}
}
