package job

import "time"

// Template is a named, versioned recipe for jobs. A job stores what it
// resolved from it, so a new version reaches only later jobs.
type Template struct {
	ID     string
	Tenant string
	// Version counts from 1; every change that is not a no-op adds one.
	Version int
	// Name is unique among the tenant's living templates, case-sensitive.
	Name        string
	Description string
	Type        string
	Params      []byte // JSON object: the defaults that a job's params merge over
	// ParamsSchema is a JSON Schema (2020-12) that the merged params must meet;
	// nil = only the job type's own schema counts.
	ParamsSchema []byte
	// DirectiveID is the directive that its jobs work under, "" = none.
	DirectiveID string
	Retry       Retry
	Timeout     time.Duration
	Priority    int
	Locks       []string
	OnCrash     CrashPolicy // "" = the job type's own
	Limits      Limits      // without Key
	Unique      *Unique     // nil = jobs may be equal
	// StartDeadline is how long after its start time, or else after it was added, a
	// job may wait for its first start; 0 = as long as it takes.
	StartDeadline time.Duration
	Labels        map[string]string
	// Webhook is what its jobs have unless they say otherwise.
	Webhook Webhook
	// Archived templates stay readable but make no new jobs.
	Archived  bool
	CreatedBy string
	CreatedAt time.Time
	UpdatedAt time.Time
}
