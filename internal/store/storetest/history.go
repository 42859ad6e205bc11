package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// scheduleHistoryPages: runs and skips at one nominal are each on exactly one page,
// and jobs know what made them.
func scheduleHistoryPages(t *testing.T, s store.Store) {
	a := createPlan(t, s, newSchedule("a", func(n *agenda.Schedule) { n.Zone = "Asia/Seoul" }))
	at := func(n int) time.Time { return base.Add(time.Duration(n) * time.Minute) }
	var jobs []string
	for n := range 3 {
		look, err := s.Schedules.Look(t.Context(), tenant, "a")
		if err != nil {
			t.Fatal(err)
		}
		j := newJob(named(fmt.Sprint("j", n)))
		jobs = append(jobs, j.ID)
		d := store.Decided{ID: a.ID, Tenant: tenant, Version: 1, Epoch: look.Epoch, Now: at(9), Jobs: []job.Job{j}}
		d.Outcome.State = look.Schedule.State
		d.Outcome.Decisions = []agenda.Decision{
			{Nominal: at(1), Due: at(1), Previous: at(0), Fire: true, Source: agenda.SourceManual},
			{Nominal: at(1), Due: at(1), Reason: []agenda.Reason{agenda.ReasonOverlap, agenda.ReasonPaused, agenda.ReasonMissed}[n], Last: at(1), Count: 1},
		}
		errs, err := s.Schedules.Decide(t.Context(), []store.Decided{d})
		if err != nil || errs[0] != nil {
			t.Fatal(err, errs)
		}
	}
	var got []string
	p := store.ListHistory{Tenant: tenant, ID: a.ID, Limit: 1}
	for range 10 {
		page, err := s.Schedules.History(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			got = append(got, fmt.Sprint(e.Mark().Kind, " ", e.Run.Again, e.Reason))
			p.After = e.Mark()
		}
		if !page.More {
			break
		}
	}
	want := []string{"run 3", "run 2", "run 1", "skip 0missed", "skip 0overlap", "skip 0paused"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	made, err := s.Fires.Of(t.Context(), tenant, append(jobs, "job_none")...)
	if err != nil || len(made) != 3 || made[jobs[0]].ScheduleID != a.ID || made[jobs[0]].Zone != "Asia/Seoul" || !made[jobs[0]].Previous.Equal(at(0)) {
		t.Errorf("%v, %v", made, err)
	}
	if made, err := s.Fires.Of(t.Context(), otherTenant(t, s), jobs...); err != nil || len(made) != 0 {
		t.Errorf("another tenant sees %v, %v", made, err)
	}
	page, err := s.Jobs.List(t.Context(), store.ListJobs{Tenant: tenant, ScheduleID: a.ID, Limit: 10})
	if err != nil || len(page.Jobs) != 3 {
		t.Errorf("%d jobs, %v", len(page.Jobs), err)
	}
	runs, err := s.Runs.List(t.Context(), store.ListRuns{Tenant: tenant, ScheduleID: a.ID, Limit: 10})
	if err != nil || len(runs.Runs) != 0 {
		t.Errorf("%d runs, %v", len(runs.Runs), err)
	}
}
