package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// TestTheFileShrinks: what retention deletes is given back in bounded steps.
func TestTheFileShrinks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runsheet.db")
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	now := clock.System{}.Now()
	params := []byte(`{"x":"` + strings.Repeat("x", 100_000) + `"}`)
	for range 40 {
		var js []job.Job
		for range 10 {
			js = append(js, job.Job{
				ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Name: "j", Type: "command", Params: params, Priority: job.PriorityNormal,
				OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedBy: "t", CreatedAt: now, QueuedAt: now,
			})
		}
		added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: js})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range added {
			c, err := job.Apply(a.Job, job.CancelAsked{At: now})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Jobs.Move(t.Context(), store.MoveJob{Change: c}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := 1; n > 0; {
		x, err := s.Retention.ExpireJobs(t.Context(), now.Add(time.Hour), 100)
		if err != nil {
			t.Fatal(err)
		}
		n = x.Jobs
	}
	steps := 0
	for more := true; more; steps++ {
		if more, err = s.Health.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Health.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() > 4<<20 || steps < 3 {
		t.Errorf("40 MB were deleted, and after %d steps the file has %d bytes", steps, st.Size())
	}
}
