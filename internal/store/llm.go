package store

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
)

// Directives keeps directives and all their versions. Versions are never changed
// or removed: runs name them.
type Directives interface {
	// Create stores version 1; name_taken. p.Key as in Jobs.Add.
	Create(ctx context.Context, p PutDirective) (directive.Directive, error)
	// Directive returns the current version by id or by name; not_found.
	Directive(ctx context.Context, tenant, idOrName string) (directive.Directive, error)
	// Version returns one version by id, also of a directive that was deleted, which
	// then counts as archived; not_found.
	Version(ctx context.Context, tenant, id string, version int) (directive.Directive, error)
	// Versions returns at most limit versions by id, newest first, below the given
	// one (0 = from the newest); more says that others follow. not_found.
	Versions(ctx context.Context, tenant, id string, below, limit int) (page []directive.Directive, more bool, err error)
	// List returns a page ordered by name.
	List(ctx context.Context, p ListDirectives) (DirectivePage, error)
	// Update stores p.Directive, whose Version must be one above the stored one, as
	// the new current version; version_mismatch, name_taken, not_found.
	Update(ctx context.Context, p PutDirective) (directive.Directive, error)
	// Delete removes the directive from view and frees its name. Jobs that are
	// bound to it and have not begun will fail; not_found.
	Delete(ctx context.Context, p DeleteDirective) error
}

// PutDirective are the parameters of Directives.Create and Update.
type PutDirective struct {
	Directive directive.Directive
	// By is who makes this version.
	By    string
	Key   *Key
	Audit *audit.Entry
}

// DeleteDirective are the parameters of Directives.Delete.
type DeleteDirective struct {
	Tenant, ID string
	At         time.Time
	Audit      *audit.Entry
}

// ListDirectives are the parameters of Directives.List.
type ListDirectives struct {
	Tenant   string
	Text     string // substring of the name, any case
	Archived *bool
	// AfterName continues behind a name; "" = from the start.
	AfterName string
	Limit     int // at least 1
}

// DirectivePage is one page. More says that directives follow.
type DirectivePage struct {
	Directives []directive.Directive
	More       bool
}

// Calls keeps what questions to language models cost.
type Calls interface {
	// Record adds a call to an active run and to the sums of its day, tenant,
	// template and model. stale_lease as in Runs.Report. It is idempotent if c.Number
	// is set.
	Record(ctx context.Context, c RecordCall) error
	// Of returns the calls of a run in their order.
	Of(ctx context.Context, tenant, runID string) ([]run.Call, error)
	// Usage returns sums, ordered by day, template, job type, model.
	Usage(ctx context.Context, p ListUsage) ([]TokenUsage, error)
}

// RecordCall are the parameters of Calls.Record.
type RecordCall struct {
	RunID string
	Epoch int64
	// Number is the call's among those of its run, from 1. One that is recorded
	// already is not recorded again: whoever does not know whether it was may repeat
	// it. 0 = the next.
	Number int64
	Call   run.Call
	// Tokens are the run's counts with the call, so that they outlive a crash; nil =
	// they stay as they are.
	Tokens *run.Tokens
	// At decides the day; zero = now.
	At time.Time
}

// Day is the UTC day of a time, as the sums have it.
func Day(at time.Time) string { return at.UTC().Format(time.DateOnly) }

// ListUsage are the parameters of Calls.Usage.
type ListUsage struct {
	Tenant string
	// From and To are UTC days, both included.
	From, To   string
	TemplateID string // "" = all
	// After continues behind a day, template, job type and model; nil = from the
	// start.
	After []string
	Limit int // at least 1
}

// TokenUsage is what the calls of one day, template, job type and model cost.
type TokenUsage struct {
	Day, TemplateID, JobType, Model string
	Calls, Prompt, Completion       int64
	// Unknown is the number of calls of which a count is not known: Prompt and
	// Completion are without them.
	Unknown int64
	// Total is how long callers waited.
	Total time.Duration
}

// Budgets keeps how many tokens may be used on a day. Claims read them in their own
// transaction.
type Budgets interface {
	// List returns the budgets of a tenant by template, the tenant's own first, with
	// what is spent on the day of now; zero = now.
	List(ctx context.Context, tenant string, now time.Time) ([]job.Budget, error)
	// Put sets the tokens of a budget.
	Put(ctx context.Context, p PutBudget) error
	// Delete removes a budget; not_found.
	Delete(ctx context.Context, p PutBudget) error
}

// PutBudget are the parameters of Budgets.Put and Budgets.Delete, which looks at
// Tenant and TemplateID only.
type PutBudget struct {
	Budget job.Budget
	Audit  *audit.Entry
}
