package storetest

import (
	"testing"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func loadedChecks() []check { return []check{{"Queue/NotesLoadedModels", loadedModels}} }

// loadedModels: what is started, and what the servers say, is what the next claim
// takes for loaded; what something holds is loaded whatever the servers say.
func loadedModels(t *testing.T, s store.Store) {
	pool(t, s, 5)
	seen := func() []string {
		t.Helper()
		var out []string
		if _, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Now: base, Room: 1, Decide: func(snap job.Snapshot) job.Decision {
			out = snap.Loaded
			return job.Decision{}
		}}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	set := func(models ...string) {
		t.Helper()
		if err := s.Queue.SetLoaded(t.Context(), models); err != nil {
			t.Fatal(err)
		}
	}
	set("model:a", "model:b")
	same(t, "told", []string{"model:a", "model:b"}, seen())
	add(t, s, newJob(locks("gpu:0", "model:c")))
	claimOne(t, s)
	same(t, "started", []string{"model:c"}, seen())
	set()
	same(t, "held", []string{"model:c"}, seen())
	set("model:b")
	same(t, "held and told", []string{"model:b", "model:c"}, seen())
}
