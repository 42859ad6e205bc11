package planner_test

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// floor is where the jobs of schedules run in these tests: it starts them by the
// queue's own decision, and ends them when the test says so.
type floor struct {
	t       *testing.T
	s       store.Store
	clock   clock.Clock
	running []store.Claimed
	// starts are the jobs by schedule name, in the order of their starts.
	starts map[string][]string
}

// instanceTTL outlives every downtime: the floor is not what is tested.
const instanceTTL = 10 * 366 * 24 * time.Hour

func newFloor(t *testing.T, s store.Store, c clock.Clock) *floor {
	t.Helper()
	f := &floor{t: t, s: s, clock: c, starts: map[string][]string{}}
	i := store.Instance{ID: "floor", HostID: "host", Hostname: "h", Pid: 7, Version: "v", StartedAt: c.Now()}
	if err := s.Leases.Register(t.Context(), i, instanceTTL); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Queue.Scale(t.Context(), store.Scale{Workers: 1000, Tenant: tenant, At: c.Now()}); err != nil {
		t.Fatal(err)
	}
	return f
}

// start starts every job whose locks are free.
func (f *floor) start() {
	f.t.Helper()
	c, err := f.s.Jobs.Claim(f.t.Context(), store.ClaimJobs{Instance: "floor", Now: f.clock.Now(), Room: 1000, Decide: claim.Decide})
	if err != nil {
		f.t.Fatal(err)
	}
	f.running = append(f.running, c.Started...)
	for _, x := range c.Started {
		f.starts[x.Job.Name] = append(f.starts[x.Job.Name], x.Job.ID)
	}
}

// end ends every running job.
func (f *floor) end() {
	f.t.Helper()
	for _, c := range f.running {
		j, err := f.s.Jobs.Job(f.t.Context(), tenant, c.Job.ID) // a cancel may have been asked
		if err != nil {
			f.t.Fatal(err)
		}
		var x store.Finish
		if x.Job, err = job.Apply(j, job.Succeeded{At: f.clock.Now()}); err == nil {
			x.Run, err = run.Apply(c.Run, run.Succeeded{At: f.clock.Now()})
		}
		if err == nil {
			err = f.s.Jobs.Finish(f.t.Context(), []store.Finish{x})[0]
		}
		if err != nil {
			f.t.Fatalf("end job %s of %s: %v", j.ID, j.Name, err)
		}
	}
	f.running = nil
}

// drain works until nothing is left.
func (f *floor) drain() {
	f.t.Helper()
	for {
		f.start()
		if len(f.running) == 0 {
			return
		}
		f.end()
	}
}
