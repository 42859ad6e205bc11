package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/access"
)

// TokenInput makes a token. Lists that limit are null where they do not.
type TokenInput struct {
	Name  string   `json:"name" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x20\\x7f]([^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?$" doc:"what it is for; unique among the tenant's valid tokens" example:"ci"`
	Roles []string `json:"roles" minItems:"1" maxItems:"5" enum:"viewer,operator,author,approver,admin"`
	// The two lists are never left out by a client, so that an empty one cannot
	// become one that does not limit.
	Scopes        []string  `json:"scopes" required:"false" nullable:"true" minItems:"1" maxItems:"64" doc:"only these of the scopes that the roles grant; null = all"`
	Templates     []string  `json:"templates" required:"false" nullable:"true" minItems:"1" maxItems:"32" doc:"starts and steers only jobs of templates with such names (* and ? stand for anything); null = all, and jobs without a template"`
	Tenant        *string   `json:"tenant" required:"false" maxLength:"100" doc:"id or name, for administrators of the default tenant; null = the own"`
	ExpiresIn     *Duration `json:"expires_in,omitempty" doc:"how long it can be used, P3650D at most; P90D if absent"`
	RatePerMinute int       `json:"rate_per_minute,omitempty" minimum:"0" maximum:"1000000" doc:"requests a minute, on each instance; 0 = not limited"`
}

// Token is a token without its text, which nobody but its holder knows.
type Token struct {
	TokenID       string     `json:"token_id" example:"tok_01jh0000000000000000000000"`
	Name          string     `json:"name"`
	Tenant        string     `json:"tenant" example:"default"`
	Roles         []string   `json:"roles"`
	Scopes        []string   `json:"scopes" nullable:"true" doc:"only these of the scopes that the roles grant; null = all"`
	Templates     []string   `json:"templates" nullable:"true" doc:"patterns of template names to which starting and steering jobs is limited; null = not limited"`
	RatePerMinute int        `json:"rate_per_minute" doc:"0 = not limited"`
	Valid         bool       `json:"valid" doc:"neither revoked nor expired"`
	CreatedBy     string     `json:"created_by"`
	CreatedAt     time.Time  `json:"created_at"`
	ExpiresAt     *time.Time `json:"expires_at" doc:"null = never"`
	RevokedAt     *time.Time `json:"revoked_at"`
	LastUsedAt    *time.Time `json:"last_used_at" doc:"exact to a minute"`
}

// NewToken is a token that was just made, with its text.
type NewToken struct {
	TokenID       string     `json:"token_id" example:"tok_01jh0000000000000000000000"`
	Token         string     `json:"token" doc:"what to send as Authorization: Bearer; shown this once"`
	Name          string     `json:"name"`
	Tenant        string     `json:"tenant" example:"default"`
	Roles         []string   `json:"roles"`
	Scopes        []string   `json:"scopes" nullable:"true"`
	Templates     []string   `json:"templates" nullable:"true"`
	RatePerMinute int        `json:"rate_per_minute"`
	CreatedAt     time.Time  `json:"created_at"`
	ExpiresAt     *time.Time `json:"expires_at"`
}

// NewTokenOf shows a token together with its text.
func NewTokenOf(t access.Token, text string) NewToken {
	return NewToken{
		TokenID: t.ID, Token: text, Name: t.Name, Tenant: t.Tenant, Roles: texts(t.Roles), Scopes: limits(t.Scopes), Templates: t.Templates,
		RatePerMinute: t.RatePerMinute, CreatedAt: t.CreatedAt.UTC(), ExpiresAt: instant(t.ExpiresAt),
	}
}

// TokenList is one page of tokens.
type TokenList struct {
	Items      []Token `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// TokenOf shows a token as it is at now.
func TokenOf(t access.Token, now time.Time) Token {
	return Token{
		TokenID: t.ID, Name: t.Name, Tenant: t.Tenant, Roles: texts(t.Roles), Scopes: limits(t.Scopes), Templates: t.Templates,
		RatePerMinute: t.RatePerMinute, Valid: t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt)),
		CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt.UTC(), ExpiresAt: instant(t.ExpiresAt), RevokedAt: instant(t.RevokedAt),
		LastUsedAt: instant(t.LastUsedAt),
	}
}

// UserInput makes a user.
type UserInput struct {
	Name     string   `json:"name" minLength:"1" maxLength:"128" doc:"lower case: letters, digits and . _ @ + -; unique in the installation" example:"ann"`
	Roles    []string `json:"roles" minItems:"1" maxItems:"5" enum:"viewer,operator,author,approver,admin"`
	Password *string  `json:"password" required:"false" minLength:"12" maxLength:"1024" format:"password" doc:"null = cannot log in with a password"`
	Tenant   *string  `json:"tenant" required:"false" maxLength:"100" doc:"id or name, for administrators of the default tenant; null = the own"`
}

// UserPatch is what a merge patch of a user applies to.
type UserPatch struct {
	Name     string   `json:"name" minLength:"1" maxLength:"128"`
	Roles    []string `json:"roles" minItems:"1" maxItems:"5" enum:"viewer,operator,author,approver,admin"`
	Disabled bool     `json:"disabled" doc:"cannot log in, and no session goes on"`
	Password *string  `json:"password,omitempty" minLength:"12" maxLength:"1024" format:"password" doc:"a new one; null takes it away; never shown"`
}

// User is a person who logs in.
type User struct {
	UserID      string     `json:"user_id" example:"usr_01jh0000000000000000000000"`
	Name        string     `json:"name"`
	Tenant      string     `json:"tenant" example:"default"`
	Roles       []string   `json:"roles"`
	Disabled    bool       `json:"disabled"`
	HasPassword bool       `json:"has_password" doc:"can log in with a password"`
	Issuer      *string    `json:"issuer" doc:"the OpenID provider that vouches for the person"`
	Subject     *string    `json:"subject" doc:"what the provider calls the person"`
	CreatedBy   string     `json:"created_by"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	LastLoginAt *time.Time `json:"last_login_at"`
	Version     int64      `json:"version" doc:"grows with every change; the ETag"`
}

// UserList is one page of users.
type UserList struct {
	Items      []User  `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// UserOf shows a user.
func UserOf(u access.User) User {
	return User{
		UserID: u.ID, Name: u.Name, Tenant: u.Tenant, Roles: texts(u.Roles), Disabled: u.Disabled, HasPassword: u.PasswordHash != "",
		Issuer: str(u.Issuer), Subject: str(u.Subject), CreatedBy: u.CreatedBy, CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC(),
		LastLoginAt: instant(u.LastLoginAt), Version: u.Version,
	}
}

// UserPatchOf is the document to which a patch of u applies. It never holds a
// password.
func UserPatchOf(u access.User) UserPatch {
	return UserPatch{Name: u.Name, Roles: texts(u.Roles), Disabled: u.Disabled}
}

// TenantInput makes a tenant.
type TenantInput struct {
	Name string `json:"name" minLength:"1" maxLength:"63" pattern:"^[a-z0-9][a-z0-9-]*$" doc:"unique in the installation" example:"red-team"`
}

// TenantPatch is what a merge patch of a tenant applies to.
type TenantPatch struct {
	Name     string `json:"name" minLength:"1" maxLength:"63" pattern:"^[a-z0-9][a-z0-9-]*$"`
	Disabled bool   `json:"disabled" doc:"nobody of the tenant gets in; its jobs go on"`
}

// Tenant is an owner who sees nothing of other owners.
type Tenant struct {
	TenantID  string     `json:"tenant_id" example:"ten_01jh0000000000000000000000" doc:"default is the one that was there first"`
	Name      string     `json:"name"`
	Disabled  bool       `json:"disabled"`
	CreatedAt *time.Time `json:"created_at" doc:"null for the default tenant, which was always there"`
	UpdatedAt *time.Time `json:"updated_at"`
	Version   int64      `json:"version" doc:"grows with every change; the ETag"`
}

// TenantList is one page of tenants.
type TenantList struct {
	Items      []Tenant `json:"items"`
	NextCursor *string  `json:"next_cursor"`
}

// TenantOf shows a tenant.
func TenantOf(t access.Tenant) Tenant {
	return Tenant{
		TenantID: t.ID, Name: t.Name, Disabled: t.Disabled, CreatedAt: instant(t.CreatedAt), UpdatedAt: instant(t.UpdatedAt), Version: t.Version,
	}
}

// RolesOf reads the roles of an input.
func RolesOf(in []string) []access.Role {
	out := make([]access.Role, 0, len(in))
	for _, r := range in {
		out = append(out, access.Role(r))
	}
	return out
}

// ScopesOf reads the scopes of an input; nil stays nil.
func ScopesOf(in []string) []access.Scope {
	if in == nil {
		return nil
	}
	out := make([]access.Scope, 0, len(in))
	for _, s := range in {
		out = append(out, access.Scope(s))
	}
	return out
}

func texts[T ~string](in []T) []string {
	out := make([]string, 0, len(in))
	for _, v := range in {
		out = append(out, string(v))
	}
	return out
}

// limits is texts for a list whose absence means something.
func limits[T ~string](in []T) []string {
	if in == nil {
		return nil
	}
	return texts(in)
}
