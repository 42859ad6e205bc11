package claim_test

import (
	"testing"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/job"
)

func TestTake(t *testing.T) {
	t.Parallel()
	waits := func(locks ...string) []job.Candidate {
		return []job.Candidate{{JobID: "w", Rank: "b1", Needs: job.Class{Type: "x", Tenant: "default", Locks: locks}}}
	}
	held := map[string][]job.Holder{"gpu": {{Lock: "gpu", JobID: "j"}}}
	rules := job.DefaultRules()
	over := []job.Overtaken{{JobID: "w", Rank: "b1", Starts: rules.MaxOvertakes, Needs: job.Class{Type: "x", Locks: []string{"gpu", "net"}}}}
	for name, c := range map[string]struct {
		s       job.Snapshot
		waiting []job.Candidate
		want    string
	}{
		"free":                             {job.Snapshot{}, nil, ""},
		"held":                             {job.Snapshot{Held: held}, nil, "gpu"},
		"a unit left":                      {job.Snapshot{Held: held, Capacity: map[string]int{"gpu": 2}}, nil, ""},
		"a direct request":                 {job.Snapshot{Direct: []job.Direct{{RunID: "r", Locks: []string{"net"}}}}, nil, "net"},
		"a run that could go on":           {job.Snapshot{}, waits("net", "disk"), "net"},
		"a run that waits for another":     {job.Snapshot{Held: map[string][]job.Holder{"disk": {{JobID: "j"}}}}, waits("net", "disk"), ""},
		"one that was overtaken too often": {job.Snapshot{Held: map[string][]job.Holder{"disk": {{JobID: "j"}}}, Overtaken: over}, waits("net", "disk"), "net"},
		"a run that needs others":          {job.Snapshot{}, waits("disk"), ""},
		"a run that a limit of 0 stops":    {job.Snapshot{Rules: job.Rules{MaxPerJob: map[string]int{"x": 0}}}, waits("net"), ""},
	} {
		if c.s.Rules.MaxPerJob == nil {
			c.s.Rules = rules
		}
		if got := claim.Take(c.s, c.waiting, []string{"gpu", "net"}); got != c.want {
			t.Errorf("%s: blocked by %q, want %q", name, got, c.want)
		}
	}
}
