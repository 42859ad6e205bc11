package job

import (
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Limits bound how many jobs run at the same time. They are part of the
// snapshot that a job takes of its template.
type Limits struct {
	// MaxRunning is the most jobs of the same template that run at once, 0 = no limit.
	MaxRunning int
	// KeyParams names the params, as JSON pointers, whose values make the
	// concurrency key; empty = no key.
	KeyParams []string
	// Key is made from them, see For: jobs of one template, or of one job type
	// without a template, that have the same key count together.
	Key string
	// MaxPerKey is the most jobs with the same key; 0 with a key counts as 1.
	MaxPerKey int
}

// Validate returns a fault that names each wrong field, or nil. Without a
// template there is nothing that MaxRunning could count.
func (l Limits) Validate(hasTemplate bool) error {
	f := fault.New(fault.InvalidInput, "the limits are not valid")
	bad := checkPointers(f, "/key", l.KeyParams)
	if l.MaxRunning < 0 || l.MaxRunning > MaxLimit {
		bad = bad.At("/max_running", "out_of_range", "must be 1 to "+decimal(MaxLimit))
	}
	if l.MaxRunning > 0 && !hasTemplate {
		bad = bad.At("/max_running", "needs", "counts the jobs of a template, and this job has none; use a lock, or max_per_job of the queue's limits")
	}
	if l.MaxPerKey < 0 || l.MaxPerKey > MaxLimit {
		bad = bad.At("/max_per_key", "out_of_range", "must be 1 to "+decimal(MaxLimit))
	}
	if l.MaxPerKey > 0 && len(l.KeyParams) == 0 {
		bad = bad.At("/max_per_key", "needs", "needs key, the params that are compared")
	}
	if bad == f {
		return nil
	}
	return bad
}

// Within returns the limits of a job that asks for l while its template says
// outer: a job may be bounded more closely than the others of its template, and
// never less.
func (l Limits) Within(outer Limits) (Limits, error) {
	out := outer
	out.MaxRunning = tighter(l.MaxRunning, outer.MaxRunning)
	switch {
	case len(outer.KeyParams) == 0:
		out.KeyParams = l.KeyParams
	case len(l.KeyParams) > 0 && !slices.Equal(l.KeyParams, outer.KeyParams):
		return out, fault.New(fault.InvalidInput, "the template says which params make the concurrency key").
			At("/key", "not_allowed", "must be absent, or as in the template")
	default:
		outer.MaxPerKey = max(outer.MaxPerKey, 1)
	}
	out.MaxPerKey = tighter(l.MaxPerKey, outer.MaxPerKey)
	return out, nil
}

func tighter(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// For returns the limits with the key that j's params make.
func (l Limits) For(j Job) (Limits, error) {
	if len(l.KeyParams) == 0 {
		l.Key, l.MaxPerKey = "", 0
		return l, nil
	}
	l.MaxPerKey = max(l.MaxPerKey, 1)
	var err error
	l.Key, err = keyOf("limit", j, l.KeyParams)
	return l, err
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
