package postgres

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// TestNeedsChangeWhileAClaimDecides: edits do not wait for claims. A job that needs
// something else by now was not what the claim decided about, so it waits for the next
// one; the others start.
func TestNeedsChangeWhileAClaimDecides(t *testing.T) {
	t.Parallel()
	ss := newStores(t, 2)
	now := time.Now()
	if err := ss[0].Leases.Register(t.Context(), store.Instance{ID: "a", HostID: "h"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	var js []job.Job
	for i := range 3 {
		j := job.Job{
			ID: id.New(id.Job, now), Tenant: "default", Name: "j", Type: "command", Params: []byte(`{}`), Priority: 5,
			OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: now, QueuedAt: now,
		}
		if i == 0 {
			j.Locks = []string{"gpu"}
		}
		js = append(js, j)
	}
	added, err := ss[0].Jobs.Add(t.Context(), store.AddJobs{Jobs: js})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ss[0].Queue.Scale(t.Context(), store.Scale{Workers: 4, Tenant: "default", At: now}); err != nil {
		t.Fatal(err)
	}
	edited := added[1].Job
	decide := func(s job.Snapshot) job.Decision {
		d := claim.Decide(s)
		ch, err := job.Apply(edited, job.Edited{At: now, Work: &job.Work{Params: []byte(`{}`), Locks: []string{"gpu"}}})
		if err == nil {
			_, err = ss[1].Jobs.Move(t.Context(), store.MoveJob{Change: ch})
		}
		if err != nil {
			t.Error(err)
		}
		return d
	}
	got, err := ss[0].Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Room: 9, Decide: decide})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Started) != 2 || got.Started[0].Job.ID != js[0].ID || got.Started[1].Job.ID != js[2].ID || got.Settled {
		t.Errorf("%d started, settled: %v", len(got.Started), got.Settled)
	}
	if got, err = ss[0].Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Room: 9, Decide: claim.Decide}); err != nil || len(got.Started) != 0 {
		t.Errorf("%d started although the lock is held, %v", len(got.Started), err)
	}
}
