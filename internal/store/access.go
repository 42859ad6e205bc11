package store

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
)

// Where a parameter has an Audit entry, it is appended to its tenant's chain in
// the same transaction, if something changed; nil appends nothing.

// Tenants keeps the owners of everything.
type Tenants interface {
	// Create stores a tenant with version 1; name_taken. p.Key as in Jobs.Add, its
	// result is an access.Tenant.
	Create(ctx context.Context, p PutTenant) (access.Tenant, error)
	// Tenant returns one by id or by name; not_found.
	Tenant(ctx context.Context, idOrName string) (access.Tenant, error)
	// List returns a page ordered by name.
	List(ctx context.Context, afterName string, limit int) (TenantPage, error)
	// Update stores p.Tenant, whose Version must be one above the stored one;
	// version_mismatch, name_taken, not_found.
	Update(ctx context.Context, p PutTenant) (access.Tenant, error)
}

// Users keeps the people who log in. Names are unique in the installation.
type Users interface {
	// SetUp stores the installation's first administrator, with version 1;
	// already_set_up when Administered, name_taken.
	SetUp(ctx context.Context, p PutUser) (access.User, error)
	// Create stores a user with version 1; name_taken (also for a taken identity).
	// p.Key as in Jobs.Add, its result is an access.User.
	Create(ctx context.Context, p PutUser) (access.User, error)
	// User returns one by id or by name; not_found. An empty tenant finds users of
	// all tenants.
	User(ctx context.Context, tenant, idOrName string) (access.User, error)
	// ByIdentity returns the user of an OpenID provider's subject; not_found.
	ByIdentity(ctx context.Context, issuer, subject string) (access.User, error)
	// List returns a page ordered by name.
	List(ctx context.Context, p ListUsers) (UserPage, error)
	// Update stores p.User, whose Version must be one above the stored one, but not
	// its tenant and times of login. Unless p.KeepSessions, the user's sessions
	// end. version_mismatch, name_taken, not_found; last_admin when the default
	// tenant would be left without an enabled administrator.
	Update(ctx context.Context, p PutUser) (access.User, error)
	// Delete removes a user and its sessions; not_found, last_admin.
	Delete(ctx context.Context, p DeleteUser) error
	// Administered reports whether the default tenant has an enabled administrator.
	Administered(ctx context.Context) (bool, error)
}

// Tokens keeps API tokens.
type Tokens interface {
	// Create stores a token; name_taken. p.Key as in Jobs.Add, its result is an
	// access.Token.
	Create(ctx context.Context, p PutToken) (access.Token, error)
	// ByHash returns the token with a hash; not_found, also when its tenant is
	// disabled. It may be expired or revoked.
	ByHash(ctx context.Context, hash [sha256.Size]byte) (access.Token, error)
	// Token returns one by id; not_found. Revoked ones are found.
	Token(ctx context.Context, tenant, id string) (access.Token, error)
	// List returns a page, newest first.
	List(ctx context.Context, p ListTokens) (TokenPage, error)
	// Revoke ends a token for ever; not_found, and a second time nothing happens.
	Revoke(ctx context.Context, p RevokeToken) error
	// Used records when tokens, by id, were used last. Earlier times change
	// nothing, unknown ids are ignored.
	Used(ctx context.Context, at map[string]time.Time) error
}

// Sessions keeps logins.
type Sessions interface {
	// Create stores a session and the time of its user's login; not_found when the
	// user is gone or, with p.UserVersion, has changed. With p.Replaces, that
	// session of the user ends.
	Create(ctx context.Context, p PutSession) error
	// ByHash returns the session with a hash and its user; not_found, also when the
	// user or the tenant is disabled. It may be over.
	ByHash(ctx context.Context, hash [sha256.Size]byte) (access.Session, access.User, error)
	// Of returns a user's sessions, newest first.
	Of(ctx context.Context, userID string) ([]access.Session, error)
	// End removes a session of a user; not_found.
	End(ctx context.Context, p EndSession) error
	// Seen records when sessions, by id, were used last, as Tokens.Used.
	Seen(ctx context.Context, at map[string]time.Time) error
	// Purge removes sessions that are over at now and returns how many.
	Purge(ctx context.Context, now time.Time) (int, error)
}

// Audit is the record of who did what.
type Audit interface {
	// Append adds an entry that belongs to no change, and returns it as stored.
	Append(ctx context.Context, e audit.Entry) (audit.Entry, error)
	// List returns a page in the order of the chain, or backwards.
	List(ctx context.Context, p ListAudit) (AuditPage, error)
	// Head returns the last entry of a tenant's chain; the zero Entry when there
	// is none.
	Head(ctx context.Context, tenant string) (audit.Entry, error)
}

// LegacyCalls keeps how often which client called which legacy endpoint.
type LegacyCalls interface {
	// Add adds numbers of calls to those of their UTC days.
	Add(ctx context.Context, calls []LegacyCalled) error
	// Usage sums up the calls since the UTC day of p.Since, most first.
	Usage(ctx context.Context, p AskLegacyUsage) (LegacyUsage, error)
	// Expire deletes the oldest day before the UTC day of a time and returns how many
	// rows it had.
	Expire(ctx context.Context, before time.Time) (int, error)
}

// LegacyCalled are calls of one client to one operation. Client and Operation are
// empty where there were too many to tell apart.
type LegacyCalled struct {
	Tenant, Client, Operation string
	Count                     int64
	LastAt                    time.Time // given to Add: its UTC day is that of all
}

// AskLegacyUsage are the parameters of LegacyCalls.Usage.
type AskLegacyUsage struct {
	Tenant string // "" = all
	Since  time.Time
	Limit  int // at least 1
}

// LegacyUsage is the answer. More says that clients or operations follow.
type LegacyUsage struct {
	Calls []LegacyCalled
	More  bool
}

// PutTenant are the parameters of Tenants.Create and Update.
type PutTenant struct {
	Tenant access.Tenant
	Key    *Key
	Audit  *audit.Entry
}

// TenantPage is one page. More says that tenants follow.
type TenantPage struct {
	Tenants []access.Tenant
	More    bool
}

// PutUser are the parameters of Users.SetUp, Create and Update.
type PutUser struct {
	User         access.User
	KeepSessions bool // Update only
	Key          *Key // Create only
	Audit        *audit.Entry
}

// DeleteUser are the parameters of Users.Delete.
type DeleteUser struct {
	Tenant, ID string
	Audit      *audit.Entry
}

// ListUsers are the parameters of Users.List. Empty fields do not filter.
type ListUsers struct {
	Tenant    string
	Text      string // substring of the name
	AfterName string // "" = from the start
	Limit     int    // at least 1
}

// UserPage is one page. More says that users follow.
type UserPage struct {
	Users []access.User
	More  bool
}

// PutToken are the parameters of Tokens.Create.
type PutToken struct {
	Token access.Token
	Key   *Key
	Audit *audit.Entry
}

// RevokeToken are the parameters of Tokens.Revoke.
type RevokeToken struct {
	Tenant, ID string
	At         time.Time
	Audit      *audit.Entry
}

// ListTokens are the parameters of Tokens.List.
type ListTokens struct {
	Tenant string
	// Valid leaves out revoked and, at that time, expired tokens; zero = all.
	Valid time.Time
	// After continues behind the last token of an earlier page.
	After *TokenMark
	Limit int // at least 1
}

// TokenMark is a place in a list of tokens.
type TokenMark struct {
	CreatedAt time.Time
	ID        string
}

// TokenPage is one page. More says that tokens follow.
type TokenPage struct {
	Tokens []access.Token
	More   bool
}

// PutSession are the parameters of Sessions.Create.
type PutSession struct {
	Session access.Session
	// UserVersion is that of the user whose password was checked, so that a login
	// does not outlive a change that ended the user's sessions; 0 = any.
	UserVersion int64
	// Replaces is the id of a session of the same user that ends; "" = none.
	Replaces string
	Audit    *audit.Entry
}

// EndSession are the parameters of Sessions.End.
type EndSession struct {
	UserID, ID string
	Audit      *audit.Entry
}

// ListAudit are the parameters of Audit.List. Empty fields do not filter.
type ListAudit struct {
	Tenant  string
	Actions []audit.Action
	Actor   string // name or id
	Object  string // id or name
	After   time.Time
	Before  time.Time
	// Newest lists backwards.
	Newest bool
	// Seq continues behind an entry in the direction of the list; 0 = from its
	// start.
	Seq   int64
	Limit int // at least 1
}

// AuditPage is one page. More says that entries follow.
type AuditPage struct {
	Entries []audit.Entry
	More    bool
}
