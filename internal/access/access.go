// Package access says who may do what: tenants, users, tokens, roles, scopes
// and the principal of a request. It is pure; finding the principal of a request
// is the work of package identity, keeping users and tokens that of the store.
package access

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// DefaultTenant owns everything in an installation that configured no other.
// Only its principals can have installation scopes.
const DefaultTenant = "default"

// Tenant is an isolated owner of jobs, templates, runs and everything else
// that is stored. Slots and locks of the machine are shared by all tenants.
type Tenant struct {
	ID   string // "default" or ten_...
	Name string // unique in the installation
	// Disabled: nobody of the tenant gets in. Its jobs go on.
	Disabled  bool
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Role is a named bundle of scopes.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // sees everything of the tenant
	Operator Role = "operator" // and runs, cancels, reorders, pauses
	Author   Role = "author"   // and writes templates, which is the right to execute code
	Approver Role = "approver" // sees, and decides approvals
	Admin    Role = "admin"    // everything
)

// Roles lists all roles.
func Roles() []Role { return []Role{Viewer, Operator, Author, Approver, Admin} }

// Scope is the right to call a class of operations.
type Scope string

// The scopes. Each route names exactly one.
const (
	JobsRead       Scope = "jobs:read"
	JobsWrite      Scope = "jobs:write"
	TemplatesRead  Scope = "templates:read"
	TemplatesWrite Scope = "templates:write"
	// DirectivesRead shows system prompts, too.
	DirectivesRead  Scope = "directives:read"
	DirectivesWrite Scope = "directives:write"
	WorkflowsRead   Scope = "workflows:read"
	// WorkflowsWrite is the right to say what workflows do, which is that to execute
	// code, and which version is used.
	WorkflowsWrite Scope = "workflows:write"
	// WorkflowRollback is the right to go back to another version.
	WorkflowRollback Scope = "workflow:rollback"
	// SchedulesRead is the right to see when something fires.
	SchedulesRead Scope = "schedules:read"
	// SchedulesRun is the right to run, pause and resume schedules and to skip some of
	// their nominals.
	SchedulesRun Scope = "schedules:run"
	// SchedulesWrite is the right to say what is started and when. What it is must be
	// allowed beside it: JobsWrite, and TemplatesWrite for what an author says.
	SchedulesWrite Scope = "schedules:write"
	CalendarsRead  Scope = "calendars:read"
	// CalendarsWrite is the right to change when schedules fire.
	CalendarsWrite Scope = "calendars:write"
	// ApprovalsRead shows what is to be approved, which may be more than jobs show.
	ApprovalsRead Scope = "approvals:read"
	// ApprovalsDecide is the right to approve, reject, request again, and to let another
	// user who has it decide.
	ApprovalsDecide Scope = "approvals:decide"
	SystemRead      Scope = "system:read"
	WorkersWrite    Scope = "workers:write"
	EventsRead      Scope = "events:read"
	// MetricsRead is about all tenants: the numbers do not tell them apart.
	MetricsRead Scope = "metrics:read"
	// SessionUse is what everybody has who got in: seeing and ending the own
	// session.
	SessionUse Scope = "session:use"
	// WebhooksRead shows webhooks without what is secret of them, and deliveries.
	WebhooksRead  Scope = "webhooks:read"
	WebhooksWrite Scope = "webhooks:write"
	// SecretsRead shows names and grants of secrets; nothing shows their values.
	SecretsRead Scope = "secrets:read"
	// SecretsWrite is the right to set secrets and to say who may use them.
	SecretsWrite Scope = "secrets:write"
	UsersRead    Scope = "users:read"
	UsersWrite   Scope = "users:write"
	TokensRead   Scope = "tokens:read"
	TokensWrite  Scope = "tokens:write"
	TenantsRead  Scope = "tenants:read"
	TenantsWrite Scope = "tenants:write"
	AuditRead    Scope = "audit:read"
	// SettingsWrite is the right to change the rules of the queue, for all tenants.
	SettingsWrite Scope = "settings:write"
	LocksRead     Scope = "locks:read"
	// LocksUse is what a program outside of the queue needs in order to hold a lock.
	LocksUse Scope = "locks:use"
	// LocksWrite is the right to take a lock away from whoever has it, and to say
	// how many may have it. Locks are those of the installation.
	LocksWrite Scope = "locks:write"
	// BackupWrite is the right to a copy of everything, of all tenants.
	BackupWrite Scope = "backup:write"
)

// Scopes lists all scopes, in the order of the documentation.
func Scopes() []Scope {
	return []Scope{
		JobsRead, JobsWrite, TemplatesRead, TemplatesWrite, DirectivesRead, DirectivesWrite, WorkflowsRead, WorkflowsWrite, WorkflowRollback, SchedulesRead, SchedulesRun, SchedulesWrite, CalendarsRead, CalendarsWrite, ApprovalsRead, ApprovalsDecide, SystemRead, WorkersWrite, EventsRead, MetricsRead, SessionUse,
		WebhooksRead, WebhooksWrite, SecretsRead, SecretsWrite, UsersRead, UsersWrite, TokensRead, TokensWrite, TenantsRead, TenantsWrite, AuditRead, SettingsWrite, BackupWrite,
		LocksRead, LocksUse, LocksWrite,
	}
}

// Installation reports whether s is about the whole installation, so that only
// principals of the default tenant can have it.
func (s Scope) Installation() bool {
	return slices.Contains([]Scope{WorkersWrite, MetricsRead, TenantsRead, TenantsWrite, SettingsWrite, BackupWrite, LocksWrite}, s)
}

// Scopes returns what a role grants, sorted as declared. An unknown role
// grants nothing.
//
// An inline job names the program to run, so adding one needs jobs:write and
// templates:write (the right to execute code), which authors have; operators
// start templates.
func (r Role) Scopes() []Scope {
	read := []Scope{JobsRead, TemplatesRead, DirectivesRead, WorkflowsRead, SchedulesRead, CalendarsRead, ApprovalsRead, SystemRead, EventsRead, MetricsRead, LocksRead, SessionUse, WebhooksRead}
	switch r {
	case Viewer:
		return read
	case Approver:
		return append(read, ApprovalsDecide)
	case Operator:
		return append(read, JobsWrite, SchedulesRun, WorkersWrite, LocksUse)
	case Author:
		return append(read, JobsWrite, TemplatesWrite, DirectivesWrite, WorkflowsWrite, WorkflowRollback, SchedulesRun, SchedulesWrite, CalendarsWrite, LocksUse)
	case Admin:
		return Scopes()
	}
	return nil
}

// Principal is who makes a request. The zero value may do nothing.
type Principal struct {
	// Name is what audit and created_by show, for example "admin-token".
	Name   string
	Tenant string
	Roles  []Role
	// UserID, TokenID and SessionID say how the principal got in; empty where
	// they do not apply.
	UserID, TokenID, SessionID string
	// MadeBy is the name of who made the token; "" = it is no token, or was given at
	// start. Whoever approves with a token of his own approves himself.
	MadeBy string
	// Scopes, when not nil, restricts what the roles grant.
	Scopes []Scope
	// Templates, when not nil, are patterns of path.Match over template names: the
	// principal starts and steers only jobs of such templates. Reading is not
	// restricted.
	Templates []string
	// RatePerMinute bounds the requests of a token; 0 = unbounded.
	RatePerMinute int
}

// Owner identifies the principal among all, for idempotency keys and limits.
func (p Principal) Owner() string {
	switch {
	case p.TokenID != "":
		return p.TokenID
	case p.UserID != "":
		return p.UserID
	}
	return p.Name
}

// May reports whether one of p's roles grants s and nothing takes it away.
func (p Principal) May(s Scope) bool {
	if s.Installation() && p.Tenant != DefaultTenant {
		return false
	}
	if p.Scopes != nil && s != SessionUse && !slices.Contains(p.Scopes, s) {
		return false
	}
	return slices.ContainsFunc(p.Roles, func(r Role) bool { return slices.Contains(r.Scopes(), s) })
}

// Require returns nil when p may use s and a fault with code forbidden, which
// names the scope, otherwise.
func (p Principal) Require(s Scope) error {
	if p.May(s) {
		return nil
	}
	if s.Installation() && p.Tenant != DefaultTenant {
		return fault.Newf(fault.ForbiddenScope, "this needs the scope %s, which only the tenant %s has, because it concerns all tenants", s, DefaultTenant)
	}
	return fault.Newf(fault.ForbiddenScope, "this needs the scope %s", s)
}

// RequireTemplate returns nil when p may start and steer jobs of the template
// with the given name ("" = inline jobs), and a fault with code forbidden
// otherwise.
func (p Principal) RequireTemplate(name string) error {
	if p.Templates == nil {
		return nil
	}
	for _, pattern := range p.Templates {
		if ok, err := path.Match(pattern, name); err == nil && ok && name != "" {
			return nil
		}
	}
	return fault.Newf(fault.ForbiddenScope, "this token is for jobs of the templates %s only", strings.Join(p.Templates, ", "))
}

// Covers reports whether p has every right that roles and scopes would give, so
// that nobody hands out more than he has.
func (p Principal) Covers(tenant string, roles []Role, scopes []Scope) bool {
	q := Principal{Tenant: tenant, Roles: roles, Scopes: scopes}
	return !slices.ContainsFunc(Scopes(), func(s Scope) bool { return q.May(s) && !p.May(s) })
}
