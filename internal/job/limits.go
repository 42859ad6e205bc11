package job

import "time"

// Limits bound how many jobs run at the same time. They are part of the
// snapshot that a job takes of its template.
type Limits struct {
	// MaxRunning is the most jobs of the same template, 0 = no limit.
	MaxRunning int
	// KeyParams names the params, as JSON pointers, whose values make the
	// concurrency key; empty = no key.
	KeyParams []string
	// Key is made from them: jobs with the same key count together.
	Key string
	// MaxPerKey is the most jobs with the same key; 0 with a key counts as 1.
	MaxPerKey int
}

// Webhook is who hears of one job. Events are names from the catalogue, or
// succeeded, failed, skipped; empty = those three.
type Webhook struct {
	URL    string
	Events []string
}

// Defaults and bounds of Rules.
const (
	DefaultMaxOvertakes   = 20
	DefaultMaxOvertakeAge = 10 * time.Minute
	DefaultDirectTimeout  = 300 * time.Second
	DefaultDirectWaiting  = 100
	MaxLimit              = 1_000_000
	MaxOvertakesBound     = 10_000
	MaxModelAffinity      = 100
	MaxDirectTimeout      = time.Hour
	MaxDirectWaitingBound = 10_000
	MaxOvertakeAgeBound   = 30 * 24 * time.Hour
	MaxLockCapacity       = 1024
)

// DirectGroupPolicy says when a direct request may take the slot of a running
// group.
type DirectGroupPolicy string

// The policies.
const (
	// DirectWhole waits until the whole group has ended.
	DirectWhole DirectGroupPolicy = "whole"
	// DirectNext takes the slot when a member of the group has ended, before the
	// next one starts.
	DirectNext DirectGroupPolicy = "next"
)

// Rules are the settings by which the queue decides. They belong to the
// installation and can be changed while it works. Maps and numbers of limits: a
// missing entry is no limit, 0 lets none run.
type Rules struct {
	MaxGlobal      *int
	MaxPerJob      map[string]int // by job type
	MaxPerTemplate map[string]int // by template id
	MaxPerTenant   map[string]int // by tenant id

	// StrictOrder lets a job that was overtaken too often stop everything behind
	// it, not only what needs its locks.
	StrictOrder bool
	// MaxOvertakes and MaxOvertakeAge bound how often and for how long a job that a
	// lock or a limit blocks is overtaken before it becomes a barrier.
	MaxOvertakes   int
	MaxOvertakeAge time.Duration
	// ModelAffinity is how many jobs that need a loaded model may overtake one that
	// could start, to save a change of models; 0 = the order is sacred.
	ModelAffinity int

	DirectGroupPolicy DirectGroupPolicy
	// DirectTimeout is how long a direct request waits for its slot.
	DirectTimeout time.Duration
	// DirectWaiting is how many direct requests may wait at a time.
	DirectWaiting int
}

// DefaultRules are the rules of a new installation.
func DefaultRules() Rules {
	return Rules{
		MaxOvertakes: DefaultMaxOvertakes, MaxOvertakeAge: DefaultMaxOvertakeAge,
		DirectGroupPolicy: DirectWhole, DirectTimeout: DefaultDirectTimeout, DirectWaiting: DefaultDirectWaiting,
	}
}
