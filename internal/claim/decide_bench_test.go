package claim_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/order"
	"github.com/runsheet/runsheet/internal/rank"
)

// indexed gives a decision the waiting jobs through the real index, as the store
// does, but without reading rows.
type indexed struct {
	x    *order.Index
	jobs map[rank.Rank]job.Candidate
}

func (h indexed) Walk(blocked func(string) bool, yield func(job.Candidate, *job.GroupWork) bool) error {
	h.x.Walk(blocked, func(r rank.Rank, _ string) bool { return yield(h.jobs[r], nil) })
	return nil
}

func (h indexed) Blocked(blocked func(string) bool, n int) ([]job.Candidate, error) {
	var out []job.Candidate
	for _, b := range h.x.Blocked(blocked, n, 256) {
		out = append(out, h.jobs[b.Rank])
	}
	return out, nil
}

// BenchmarkDecide is the pure part of a claim: 4 free slots beside what runs.
func BenchmarkDecide(b *testing.B) {
	for name, c := range map[string]struct {
		waiting, running int
		make             func(i int, j *job.Job)
		held             bool
	}{
		"1000 heads":                         {1000, 0, func(i int, j *job.Job) { j.Limits.Key = fmt.Sprint(i) }, false},
		"5000 classes behind a lock":         {5100, 0, func(i int, j *job.Job) { behindLock(i, j, 5000) }, true},
		"5000 classes behind a lock, 64 run": {5100, 64, func(i int, j *job.Job) { behindLock(i, j, 5000) }, true},
		"plain, 64 run":                      {1000, 64, func(int, *job.Job) {}, false},
		"explain a page of 200, 68 run":      {200, 68, func(int, *job.Job) {}, false},
	} {
		b.Run(name, func(b *testing.B) {
			h := indexed{order.New(job.ClassResources), map[rank.Rank]job.Candidate{}}
			var spots []order.Spot
			var js []job.Job
			for i := range c.waiting {
				j := job.Job{ID: fmt.Sprint("job_", i), Type: "command", Tenant: "default", State: job.Queued, Rank: rank.Natural(12, int64(i)+1)}
				c.make(i, &j)
				js, spots = append(js, j), append(spots, j.Spot())
				h.jobs[j.Rank] = job.Candidate{JobID: j.ID, Rank: j.Rank, Needs: j.Needs()}
			}
			h.x.Load(slices.Values(spots))
			s := job.Snapshot{Now: noon, Rules: job.DefaultRules(), Workers: 68, Room: 100, Heads: h, Held: map[string][]job.Holder{}}
			s.Workers = max(c.running+4, 4)
			if c.running == 68 {
				s.Workers = 68
			}
			s.Rules.MaxPerTenant = map[string]int{"default": 1000}
			for i := range c.running {
				s.Running = append(s.Running, job.Occupant{JobID: fmt.Sprint("run_", i), Needs: job.Class{Type: "command", Tenant: "default"}})
			}
			if c.held {
				s.Held["gpu"] = []job.Holder{{Lock: "gpu", Outside: "x"}}
			}
			claim.Decide(s)
			b.ReportAllocs()
			for b.Loop() {
				if c.running == 68 {
					e := claim.NewExplainer(s)
					for i, j := range js {
						e.Explain(j, i)
					}
					continue
				}
				if d := claim.Decide(s); len(d.Claims) != 4 {
					b.Fatal(len(d.Claims))
				}
			}
		})
	}
}

func behindLock(i int, j *job.Job, n int) {
	if i < n {
		j.Locks = []string{"gpu"}
		j.Limits.Key = fmt.Sprint(i)
	}
}
