// Package access says who may do what: tenants, roles, scopes and principals.
// It is pure; finding the principal of a request is the API's work.
//
// The first form knows principals that were made at start: the administrator's
// token and the local token of the data folder. Users and stored tokens use the
// same types later.
package access

import (
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// DefaultTenant owns everything in an installation that configured no other.
const DefaultTenant = "default"

// Tenant is an isolated owner of jobs, templates, runs and everything else
// that is stored. Slots and locks of the machine are shared by all tenants.
type Tenant struct {
	ID        string // "default" or ten_...
	Name      string
	CreatedAt time.Time
}

// Role is a named bundle of scopes.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"
	Operator Role = "operator"
	Author   Role = "author"
	Approver Role = "approver"
	Admin    Role = "admin"
)

// Scope is the right to call a class of operations.
type Scope string

// The scopes of this release. Each route names exactly one.
const (
	JobsRead       Scope = "jobs:read"
	JobsWrite      Scope = "jobs:write"
	TemplatesRead  Scope = "templates:read"
	TemplatesWrite Scope = "templates:write"
	SystemRead     Scope = "system:read"
	WorkersWrite   Scope = "workers:write"
	EventsRead     Scope = "events:read"
)

// Scopes returns what a role grants, sorted as declared. An unknown role
// grants nothing.
//
// An inline job names the program to run, so adding one needs jobs:write and
// templates:write (the right to execute code), which authors have; operators
// start templates.
func (r Role) Scopes() []Scope {
	read := []Scope{JobsRead, TemplatesRead, SystemRead, EventsRead}
	switch r {
	case Viewer, Approver:
		return read
	case Operator:
		return append(read, JobsWrite, WorkersWrite)
	case Author:
		return append(read, JobsWrite, TemplatesWrite)
	case Admin:
		return append(read, JobsWrite, TemplatesWrite, WorkersWrite)
	}
	return nil
}

// Principal is who makes a request. The zero value may do nothing.
type Principal struct {
	// Name is what audit and created_by show, for example "admin-token".
	Name   string
	Tenant string
	Roles  []Role
}

// May reports whether one of p's roles grants s.
func (p Principal) May(s Scope) bool {
	return slices.ContainsFunc(p.Roles, func(r Role) bool { return slices.Contains(r.Scopes(), s) })
}

// Require returns nil when p may use s and a fault with code forbidden, which
// names the scope, otherwise.
func (p Principal) Require(s Scope) error {
	if p.May(s) {
		return nil
	}
	return fault.Newf(fault.ForbiddenScope, "this needs the scope %s", s)
}
