package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// Whoami returns who the client's token belongs to and what it is good for.
func (c *Client) Whoami(ctx context.Context) (Me, error) {
	var out Me
	err := c.get(ctx, "/api/session", nil, &out)
	return out, err
}

// TokenFilter chooses tokens. The zero value chooses all of the own tenant.
type TokenFilter struct {
	// Valid leaves out what is revoked or expired.
	Valid bool
	// Tenant is the id or name of another tenant, "" = the own.
	Tenant   string
	PageSize int
}

// CreateToken makes a token. The answer is the only one that shows its text. It
// is not repeated when the connection breaks: a second token would stay unknown.
func (c *Client) CreateToken(ctx context.Context, in TokenInput) (NewToken, error) {
	var out NewToken
	err := c.postSecret(ctx, "/api/tokens", in, &out)
	return out, err
}

// Tokens walks over all tokens that match, newest first, page by page.
func (c *Client) Tokens(ctx context.Context, f TokenFilter) iter.Seq2[Token, error] {
	return pages(func(cursor string) ([]Token, *string, error) {
		q := values{}.text("tenant", f.Tenant).number("limit", f.PageSize).text("cursor", cursor)
		if f.Valid {
			q = q.text("valid", "true")
		}
		var page TokenList
		err := c.get(ctx, "/api/tokens", q.url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// Token returns a token by id. tenant is "" for the own.
func (c *Client) Token(ctx context.Context, tenant, tokenID string) (Token, error) {
	var out Token
	err := c.get(ctx, "/api/tokens/"+escape(tokenID), of(tenant), &out)
	return out, err
}

// RevokeToken ends a token for ever; a second time nothing happens. tenant is ""
// for the own.
func (c *Client) RevokeToken(ctx context.Context, tenant, tokenID string) error {
	return c.remove(ctx, "/api/tokens/"+escape(tokenID), of(tenant), Call{})
}

// UserFilter chooses users. The zero value chooses all of the own tenant.
type UserFilter struct {
	// Query is searched in names.
	Query string
	// Tenant is the id or name of another tenant, "" = the own.
	Tenant   string
	PageSize int
}

// CreateUser makes a user. It is not repeated when the connection breaks.
func (c *Client) CreateUser(ctx context.Context, in UserInput) (User, error) {
	var out User
	err := c.postSecret(ctx, "/api/users", in, &out)
	return out, err
}

// Users walks over all users that match, by name, page by page.
func (c *Client) Users(ctx context.Context, f UserFilter) iter.Seq2[User, error] {
	return pages(func(cursor string) ([]User, *string, error) {
		q := values{}.text("q", f.Query).text("tenant", f.Tenant).number("limit", f.PageSize).text("cursor", cursor)
		var page UserList
		err := c.get(ctx, "/api/users", q.url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// User returns a user by id or name. tenant is "" for the own.
func (c *Client) User(ctx context.Context, tenant, idOrName string) (User, error) {
	var out User
	err := c.get(ctx, "/api/users/"+escape(idOrName), of(tenant), &out)
	return out, err
}

// EditUser changes a user by a merge patch (RFC 7396) of UserPatch. A change of
// anything but the name ends the user's sessions. tenant is "" for the own.
func (c *Client) EditUser(ctx context.Context, tenant, idOrName string, patch map[string]any, call Call) (User, error) {
	var out User
	err := c.patchAt(ctx, "/api/users/"+escape(idOrName), of(tenant), patch, call, &out)
	return out, err
}

// DeleteUser removes a user and its sessions. tenant is "" for the own.
func (c *Client) DeleteUser(ctx context.Context, tenant, idOrName string, call Call) error {
	return c.remove(ctx, "/api/users/"+escape(idOrName), of(tenant), call)
}

// ETag is the user's version for Call.IfMatch.
func (u User) ETag() string { return strconv.Quote(strconv.FormatInt(u.Version, 10)) }

// CreateTenant makes a tenant.
func (c *Client) CreateTenant(ctx context.Context, in TenantInput, call Call) (Tenant, error) {
	var out Tenant
	err := c.post(ctx, "/api/tenants", in, call, &out)
	return out, err
}

// Tenants walks over all tenants, by name, page by page.
func (c *Client) Tenants(ctx context.Context, pageSize int) iter.Seq2[Tenant, error] {
	return pages(func(cursor string) ([]Tenant, *string, error) {
		var page TenantList
		err := c.get(ctx, "/api/tenants", values{}.number("limit", pageSize).text("cursor", cursor).url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// Tenant returns a tenant by id or name.
func (c *Client) Tenant(ctx context.Context, idOrName string) (Tenant, error) {
	var out Tenant
	err := c.get(ctx, "/api/tenants/"+escape(idOrName), nil, &out)
	return out, err
}

// EditTenant changes a tenant by a merge patch (RFC 7396) of TenantPatch.
func (c *Client) EditTenant(ctx context.Context, idOrName string, patch map[string]any, call Call) (Tenant, error) {
	var out Tenant
	err := c.patch(ctx, "/api/tenants/"+escape(idOrName), patch, call, &out)
	return out, err
}

// ETag is the tenant's version for Call.IfMatch.
func (t Tenant) ETag() string { return strconv.Quote(strconv.FormatInt(t.Version, 10)) }

// of names a tenant in a query; nil for the own.
func of(tenant string) url.Values { return values{}.text("tenant", tenant).url() }

func (c *Client) remove(ctx context.Context, path string, query url.Values, call Call) error {
	return c.send(ctx, request{method: http.MethodDelete, path: path, query: query, accept: "application/json", call: call}, nil)
}
