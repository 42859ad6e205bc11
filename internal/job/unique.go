package job

import (
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// MaxKeyParams is the most params that a key is made from by name.
const MaxKeyParams = 16

// Unique refuses a job while an equal one is there. The zero value compares all
// params, for as long as the other job waits or runs.
type Unique struct {
	// By names the params that make jobs equal, as JSON pointers; empty = all.
	By []string
	// Period bounds how long ago an equal job may have been added; 0 = whenever.
	Period time.Duration
	// States in which an equal job stands in the way; empty = as Counts says.
	States []State
	// Return says that the caller gets the equal job instead of a refusal.
	Return bool
}

// Counts are the states in force. Without a period these are the jobs that are
// not done yet; with one also those that did the work in that time.
func (u Unique) Counts() []State {
	switch {
	case len(u.States) > 0:
		return u.States
	case u.Period > 0:
		return []State{Queued, Running, Completed}
	}
	return []State{Queued, Running}
}

// Validate returns a fault that names each wrong field, or nil.
func (u Unique) Validate() error {
	f := fault.New(fault.InvalidInput, "the rule of uniqueness is not valid")
	bad := checkPointers(f, "/by", u.By)
	if u.Period < 0 {
		bad = bad.At("/period", "out_of_range", "must not be negative")
	}
	for i, s := range u.States {
		if !slices.Contains(States(), s) {
			bad = bad.At("/states/"+decimal(i), "unknown_value", "is not a job's status")
		}
	}
	if bad == f {
		return nil
	}
	return bad
}

// Key is what the equal jobs of j have in common: the tenant, what they are made
// from, and the values of the params in By.
func (u Unique) Key(j Job) (string, error) { return keyOf("unique", j, u.By) }
