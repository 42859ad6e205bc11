package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// TestMembersAreCancelledWhileTheGroupStarts: cancels do not wait for claims. Those
// that come between a claim's reading of a group and its writing must be counted,
// or the group keeps its slot for ever.
func TestMembersAreCancelledWhileTheGroupStarts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		cancel, started int
	}{{"one", 1, 1}, {"all", 2, 0}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ss := newStores(t, 2)
			now := time.Now()
			if err := ss[0].Leases.Register(t.Context(), store.Instance{ID: "a", HostID: "h"}, time.Hour); err != nil {
				t.Fatal(err)
			}
			g := job.Group{
				ID: id.New(id.Group, now), Tenant: "default", Name: "g", Mode: job.Parallel, MaxParallel: 2, OnFailure: job.FailureContinue, CreatedAt: now,
			}
			var js []job.Job
			for range 2 {
				js = append(js, job.Job{
					ID: id.New(id.Job, now), Tenant: "default", Name: "j", Type: "command", Params: []byte(`{}`), Priority: 5,
					OnCrash: job.CrashFail, Trigger: job.TriggerGroup, CreatedAt: now, QueuedAt: now,
				})
			}
			added, err := ss[0].Groups.Create(t.Context(), store.AddGroup{Group: g, Jobs: js, Priority: 5})
			if err != nil {
				t.Fatal(err)
			}
			decide := func(s job.Snapshot) job.Decision {
				var d job.Decision
				_ = s.Heads.Walk(func(string) bool { return false }, func(_ job.Candidate, w *job.GroupWork) bool { // the claim returns the error
					d.Claims = []job.Claim{{JobID: w.Next[1].JobID, Needs: w.Next[1].Needs, Group: w.Group.ID}}
					return false
				})
				for _, j := range added.Jobs[:c.cancel] {
					ch, err := job.Apply(j, job.CancelAsked{At: now})
					if err == nil {
						_, err = ss[1].Jobs.Move(t.Context(), store.MoveJob{Change: ch})
					}
					if err != nil {
						t.Error(err)
					}
				}
				return d
			}
			got, err := ss[0].Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Room: 2, Decide: decide})
			if err != nil {
				t.Fatal(err)
			}
			after, err := ss[0].Groups.Group(t.Context(), "default", g.ID)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Started) != c.started || after.Cancelled != c.cancel || after.Terminal() != (c.started == 0) {
				t.Errorf("%d started, the group is %s with %d cancelled", len(got.Started), after.State, after.Cancelled)
			}
		})
	}
}

// TestAMemberChangesUnderTheStart: a change that is committed after a claim has read a
// group's members, and before it writes them, does not make the claim fail: it starts
// again.
func TestAMemberChangesUnderTheStart(t *testing.T) {
	t.Parallel()
	s, url := newStoreAt(t)
	now := time.Now()
	if err := s.Leases.Register(t.Context(), store.Instance{ID: "a", HostID: "h"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	g := job.Group{ID: id.New(id.Group, now), Tenant: "default", Name: "g", Mode: job.Parallel, MaxParallel: 1, OnFailure: job.FailureContinue, CreatedAt: now}
	j := job.Job{
		ID: id.New(id.Job, now), Tenant: "default", Name: "j", Type: "command", Params: []byte(`{}`), Priority: 5,
		OnCrash: job.CrashFail, Trigger: job.TriggerGroup, CreatedAt: now, QueuedAt: now,
	}
	if _, err := s.Groups.Create(t.Context(), store.AddGroup{Group: g, Jobs: []job.Job{j}, Priority: 5}); err != nil {
		t.Fatal(err)
	}
	conns, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conns.Close)
	edit, err := conns.Begin(t.Context())
	if err == nil {
		_, err = edit.Exec(t.Context(), `UPDATE jobs SET version = version + 1 WHERE job_id = $1`, j.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	claimed := make(chan error, 1)
	var got store.Claims
	decided := 0
	go func() {
		var err error
		got, err = s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Room: 1, Decide: func(s job.Snapshot) job.Decision {
			decided++
			return claim.Decide(s)
		}})
		claimed <- err
	}()
	for waits := 0; waits == 0; {
		err := conns.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%jobs%'`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := edit.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-claimed; err != nil || len(got.Started) != 1 || decided != 2 {
		t.Errorf("%d started after %d decisions, %v", len(got.Started), decided, err)
	}
}

// TestOtherInstancesSeeTheGroup: each instance has an index of the order of its
// own, which follows what another one groups and dissolves.
func TestOtherInstancesSeeTheGroup(t *testing.T) {
	t.Parallel()
	ss := newStores(t, 2)
	now := time.Now()
	var js []job.Job
	for range 4 {
		js = append(js, job.Job{
			ID: id.New(id.Job, now), Tenant: "default", Name: "j", Type: "command", Params: []byte(`{}`), Priority: 5,
			OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: now, QueuedAt: now,
		})
	}
	added, err := ss[0].Jobs.Add(t.Context(), store.AddJobs{Jobs: js})
	if err != nil {
		t.Fatal(err)
	}
	want := func(what string, positions ...int) {
		t.Helper()
		for n, s := range ss {
			var now []job.Job
			for _, a := range added {
				j, err := s.Jobs.Job(t.Context(), "default", a.Job.ID)
				if err != nil {
					t.Fatal(err)
				}
				now = append(now, j)
			}
			sit, err := s.Jobs.Situation(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			for i, j := range now {
				if sit.Positions[j.ID] != positions[i] {
					t.Errorf("%s, instance %d: job %d is at %d, want %d", what, n, i, sit.Positions[j.ID], positions[i])
				}
			}
		}
	}
	want("at first", 0, 1, 2, 3)
	g := job.Group{
		ID: id.New(id.Group, now), Tenant: "default", Name: "g", Mode: job.Sequential, MaxParallel: 1, OnFailure: job.FailureStop, CreatedAt: now,
	}
	if _, err := ss[1].Groups.Form(t.Context(), store.FormGroup{Group: g, JobIDs: []string{js[3].ID, js[1].ID}}); err != nil {
		t.Fatal(err)
	}
	want("grouped", 0, 1, 2, 1)
	if _, err := ss[0].Groups.Dissolve(t.Context(), store.DissolveGroup{Tenant: "default", ID: g.ID, At: now}); err != nil {
		t.Fatal(err)
	}
	want("dissolved", 0, 2, 3, 1)
}
