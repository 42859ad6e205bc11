package store

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/calendar"
)

// Calendars keeps what the users of a tenant say of single dates of calendars.
// Each change adds one to the tenant's version.
type Calendars interface {
	// Version is the number of changes so far; 0 = there were none.
	Version(ctx context.Context, tenant string) (int64, error)
	// Overrides returns all overrides of a tenant, by calendar and date, with the
	// version that they are.
	Overrides(ctx context.Context, tenant string) (Overrides, error)
	// Put stores overrides of one calendar: a date that has one gets the new one.
	// With p.Replace all others of the calendar are removed. invalid_input when the
	// calendar would have more than calendar.MaxOverrides. It returns the version.
	Put(ctx context.Context, p PutOverrides) (int64, error)
	// Delete removes overrides of one calendar: those of p.Dates, or all. not_found
	// when there are none. It returns the version.
	Delete(ctx context.Context, p DeleteOverrides) (int64, error)
}

// Overrides are those of a tenant.
type Overrides struct {
	Version int64
	List    []Override
}

// Override is a stored override.
type Override struct {
	// Calendar is the calendar's code.
	Calendar string
	calendar.Override
	// Source says where it came from, for people; "" = nobody said.
	Source    string
	UpdatedBy string
	UpdatedAt time.Time
}

// PutOverrides are the parameters of Calendars.Put.
type PutOverrides struct {
	Tenant, Calendar string
	// List has each date once.
	List    []calendar.Override
	Replace bool
	Source  string
	By      string
	// At may be zero.
	At    time.Time
	Audit *audit.Entry
}

// DeleteOverrides are the parameters of Calendars.Delete.
type DeleteOverrides struct {
	Tenant, Calendar string
	Dates            []calendar.Date // nil = all
	Audit            *audit.Entry
}
