package access

import (
	"crypto/sha256"
	"regexp"
	"time"
)

// User is a person who logs in. A user belongs to one tenant.
type User struct {
	ID     string // usr_...
	Tenant string
	// Name is what the person types; unique in the installation, as UserName wants
	// it.
	Name  string
	Roles []Role
	// PasswordHash is an argon2id hash in PHC form; "" = cannot log in with a
	// password. It never leaves the server.
	PasswordHash string
	// Issuer and Subject identify the person at an OpenID provider; both or none.
	Issuer, Subject string
	Disabled        bool
	CreatedBy       string
	Version         int64
	CreatedAt       time.Time
	UpdatedAt       time.Time
	LastLoginAt     time.Time // zero = never
}

// UserName is the form of a user's name: what e-mail addresses and system
// accounts are made of, in lower case, so that two names never differ in case
// only.
var UserName = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{0,127}$`)

// Token is a stored API token. The token's text is known to its holder only.
type Token struct {
	ID     string // tok_...
	Tenant string
	Name   string // unique among the tenant's valid tokens
	Hash   [sha256.Size]byte
	Roles  []Role
	// Scopes and Templates restrict the token as in Principal; nil = they do not.
	Scopes        []Scope
	Templates     []string
	RatePerMinute int // 0 = unbounded
	CreatedBy     string
	CreatedAt     time.Time
	ExpiresAt     time.Time // zero = never
	RevokedAt     time.Time // zero = valid
	// LastUsedAt is exact to a minute; zero = never.
	LastUsedAt time.Time
}

// Principal is who a request with this token comes from.
func (t Token) Principal() Principal {
	return Principal{
		Name: t.Name, Tenant: t.Tenant, Roles: t.Roles, TokenID: t.ID, MadeBy: t.CreatedBy, Scopes: t.Scopes, Templates: t.Templates, RatePerMinute: t.RatePerMinute,
	}
}

// Session is a login. Its secret is in the person's cookie, its hash here.
type Session struct {
	ID     string // ses_...
	Hash   [sha256.Size]byte
	UserID string
	Tenant string
	// Remote and Agent tell the person which session is which.
	Remote, Agent string
	CreatedAt     time.Time
	// SeenAt is exact to a minute.
	SeenAt time.Time
	// ExpiresAt is the end of the session at the latest.
	ExpiresAt time.Time
}

// The life of a session.
const (
	SessionIdle = 12 * time.Hour
	SessionMax  = 7 * 24 * time.Hour
)

// Valid reports whether the session can be used at now.
func (s Session) Valid(now time.Time) bool {
	return now.Before(s.ExpiresAt) && now.Before(s.SeenAt.Add(SessionIdle))
}

// Principal is who a request with a session of u comes from.
func (u User) Principal(sessionID string) Principal {
	return Principal{Name: u.Name, Tenant: u.Tenant, Roles: u.Roles, UserID: u.ID, SessionID: sessionID}
}
