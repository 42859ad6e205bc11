package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// equalJobs gives all jobs of a decision one key.
func equalJobs(d store.Decided, key string) store.Decided {
	d.Unique = map[string]store.Unique{}
	for i := range d.Jobs {
		d.Jobs[i].UniqueKey = key
		d.Unique[d.Jobs[i].ID] = store.Unique{}
	}
	return d
}

// scheduleConflictUnique: a job that is not made because its decision came too late
// keeps no equal one of the same batch away.
func scheduleConflictUnique(t *testing.T, s store.Store) {
	createPlan(t, s, newSchedule("a"))
	createPlan(t, s, newSchedule("b"))
	due := claimPlans(t, s, "p", base)
	items := []store.Decided{equalJobs(firing(due[0], base, 1), "k"), equalJobs(firing(due[1], base, 1), "k")}
	items[0].Epoch--
	errs, err := s.Schedules.Decide(t.Context(), items)
	if err != nil || errs[1] != nil {
		t.Fatal(errs, err)
	}
	wantCode(t, errs[0], fault.Conflict)
	same(t, "the other one", []string{"1 QUEUED"}, planHistory(t, s, due[1].Schedule.Name))
	same(t, "queue", []string{items[1].Jobs[0].ID}, queued(t, s))
}

// scheduleOppositeBatches: two instances decide about batches that name the same
// keys, in opposite orders.
func scheduleOppositeBatches(t *testing.T, s store.Store) {
	const half, rounds = 10, 5
	for i := range 2 * half {
		createPlan(t, s, newSchedule(fmt.Sprint("s", i)))
	}
	for r := range rounds {
		now := base.Add(time.Duration(r) * time.Hour)
		var batches [2][]store.Decided
		for i, d := range claimPlans(t, s, "p", now) {
			batches[i/half] = append(batches[i/half], equalJobs(firing(d, now, r+1), fmt.Sprint("k", r, i%half)))
		}
		slices.Reverse(batches[1])
		together(2, func(p int) {
			errs, err := s.Schedules.Decide(t.Context(), batches[p])
			for _, e := range errs {
				if e != nil {
					t.Error(e)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	counts, err := s.Jobs.Counts(t.Context(), tenant)
	if err != nil || counts[job.Queued] != half*rounds {
		t.Errorf("%d jobs, want one for each of %d keys: %v", counts[job.Queued], half*rounds, err)
	}
}

// scheduleRunExpires: retention deletes the job of a run whose schedule is not due
// for long.
func scheduleRunExpires(t *testing.T, s store.Store) {
	pool(t, s, 2)
	for _, name := range []string{"kept", "deleted"} {
		n := createPlan(t, s, newSchedule(name))
		if err := decideOne(t, s, firing(claimPlans(t, s, "p", base)[0], base, 0)); err != nil {
			t.Fatal(err)
		}
		if err := finishWith(t, s, claimOne(t, s), job.Broke{At: base.Add(time.Minute), Failure: job.Failure{Code: "x"}}); err != nil {
			t.Fatal(err)
		}
		if name == "deleted" {
			if err := s.Schedules.Delete(t.Context(), store.DeleteSchedule{Tenant: tenant, ID: n.ID, At: base.Add(time.Minute)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := s.Retention.ExpireJobs(t.Context(), base.Add(time.Hour), 10); err != nil || out.Jobs != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	runs := lookAt(t, s, "kept").Runs
	if len(runs) != 1 || runs[0].Status != agenda.RunFailed || !runs[0].EndedAt.Equal(base.Add(time.Minute)) {
		t.Errorf("how it ended is lost: %+v", runs)
	}
	if n, err := s.Happenings.Expire(t.Context(), store.ExpireHappenings{Before: base.Add(time.Hour), Limit: 10}); err != nil || n != 1 {
		t.Errorf("%d rows of a deleted schedule go, %v; want its run", n, err)
	}
}

// scheduleStarted: a new server may have other calendars.
func scheduleStarted(t *testing.T, s store.Store) {
	far := base.Add(24 * time.Hour)
	createPlan(t, s, newSchedule("a", func(n *agenda.Schedule) { n.UsesCalendar, n.State.Next = true, far }))
	createPlan(t, s, newSchedule("b", func(n *agenda.Schedule) { n.State.Next = far }))
	if err := s.Happenings.Started(t.Context(), store.ServerStarted{By: "x", Now: base}); err != nil {
		t.Fatal(err)
	}
	if due := claimPlans(t, s, "p", base); len(due) != 1 || due[0].Schedule.Name != "a" {
		t.Errorf("due after a start: %+v", due)
	}
}

func updatePlan(t *testing.T, s store.Store, name string, edit func(agenda.State) agenda.State) {
	t.Helper()
	n := lookAt(t, s, name)
	n.Schedule.State = edit(n.Schedule.State)
	if _, err := s.Schedules.Update(t.Context(), store.PutSchedule{Schedule: n.Schedule, Epoch: n.Epoch, By: "ann"}); err != nil {
		t.Fatal(err)
	}
}

func happeningDelayed(t *testing.T, s store.Store) {
	pool(t, s, 1)
	createPlan(t, s, newSchedule("s", waits(agenda.JobCompleted, "", time.Hour)))
	updatePlan(t, s, "s", func(st agenda.State) agenda.State { return st.Pause(base, "ann", "") })
	completed(t, s, newJob())
	updatePlan(t, s, "s", func(st agenda.State) agenda.State { return st.Resume(base.Add(2*time.Minute), false) })
	same(t, "at once", map[string][]time.Duration{}, setOff(t, s, base.Add(3*time.Minute)))
	same(t, "after the delay", map[string][]time.Duration{"s": {61 * time.Minute}}, setOff(t, s, base.Add(2*time.Hour)))
}

func happeningBound(t *testing.T, s store.Store) {
	const kept, more = 1000, 3 // as many as a claim takes
	createPlan(t, s, newSchedule("s", waits(agenda.ServerStarted, "", 0)))
	updatePlan(t, s, "s", func(st agenda.State) agenda.State { return st.Pause(base, "ann", "") })
	for i := range kept + more {
		if err := s.Happenings.Started(t.Context(), store.ServerStarted{By: fmt.Sprint(i), Now: base.Add(time.Duration(i) * time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{2, 1, 0} {
		if n, err := s.Happenings.Expire(t.Context(), store.ExpireHappenings{Limit: 2}); err != nil || n != want {
			t.Fatalf("%d go, %v; want %d", n, err, want)
		}
	}
	same(t, "counted", map[agenda.Reason]int64{agenda.ReasonPaused: more}, lookAt(t, s, "s").Schedule.State.Skips)
	same(t, "recorded", []string{"1-2 paused 2", "0-0 paused 1"}, planHistory(t, s, "s"))
	end := base.Add((kept + more) * time.Minute)
	updatePlan(t, s, "s", func(st agenda.State) agenda.State { return st.Resume(end, false) })
	if got := setOff(t, s, end)["s"]; len(got) != kept || got[0] != more*time.Minute {
		t.Errorf("%d are left, from %v", len(got), got[0])
	}
}

// happeningAhead: a person resumes a schedule that was decided about while the clock
// was a year ahead.
func happeningAhead(t *testing.T, s store.Store) {
	start := func(by string, at time.Time) {
		t.Helper()
		if err := s.Happenings.Started(t.Context(), store.ServerStarted{By: by, Now: at}); err != nil {
			t.Fatal(err)
		}
	}
	createPlan(t, s, newSchedule("s", waits(agenda.ServerStarted, "", 0)))
	ahead := base.AddDate(1, 0, 0)
	start("a", ahead)
	if got := setOff(t, s, ahead)["s"]; len(got) != 1 {
		t.Fatal(got)
	}
	now := base.Add(time.Minute)
	start("b", now)
	for _, d := range claimPlans(t, s, "dead", now) { // it is given a nominal a year ahead
		if d.Happened[len(d.Happened)-1].Nominal.Before(ahead) {
			t.Fatal("the test tests nothing")
		}
	}
	updatePlan(t, s, "s", func(st agenda.State) agenda.State { return st.Pause(now, "ann", "").Resume(now, false) })
	now = now.Add(time.Minute)
	start("c", now)
	if got := setOff(t, s, now)["s"]; len(got) != 2 || got[1] != 2*time.Minute {
		t.Errorf("set off %v", got)
	}
}
