package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/calendar"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func scheduleChecks() []check {
	return []check{
		{"Schedules/AllFieldsComeBack", scheduleFields},
		{"Schedules/NamesAndVersions", scheduleVersions},
		{"Schedules/ClaimedOnceByMany", scheduleClaims},
		{"Schedules/ClaimsExpireAndRenew", scheduleExpiry},
		{"Schedules/DecideIsOneTransaction", scheduleDecide},
		{"Schedules/NominalFiresOnce", scheduleOnce},
		{"Schedules/RacesOfClaimers", scheduleRace},
		{"Schedules/WaitsForTheEndOfARun", scheduleAwaits},
		{"Schedules/WaitsForARunFromBefore", scheduleAwaitsLate},
		{"Schedules/WaitsForNoRunThatIsNotThere", scheduleAwaitsNothing},
		{"Schedules/WaitsNoMore", scheduleAwaitsNoMore},
		{"Schedules/ReplacesWhatWaits", scheduleReplaces},
		{"Schedules/CalendarsPlanAgain", scheduleReplan},
		{"Schedules/ClaimFromBeforeTheClockWasSetBack", scheduleClaimAhead},
		{"Schedules/OtherTenantSeesNothing", scheduleOtherTenant},
		{"Schedules/HistoryHasPages", scheduleHistoryPages},
		{"Schedules/ConflictStandsInNobodysWay", scheduleConflictUnique},
		{"Schedules/EndOfARunOutlivesItsJob", scheduleRunExpires},
		{"Schedules/NewServerPlansCalendarsAgain", scheduleStarted},
		{"Happenings/DelayedInAPauseIsNotLost", happeningDelayed},
		{"Happenings/PauseKeepsABoundedNumber", happeningBound},
		{"Happenings/ClockThatWasAheadHidesNothing", happeningAhead},
		{"Schedules/BatchesDoNotBlockEachOther", scheduleOppositeBatches},
	}
}

func newSchedule(name string, edit ...func(*agenda.Schedule)) agenda.Schedule {
	s := agenda.Schedule{ID: id.New(id.Schedule, base), Tenant: tenant, CreatedAt: base, UpdatedAt: base}
	s.Name, s.Zone, s.Mode = name, "UTC", agenda.ModeAuto
	s.Trigger, s.Target = []byte(`{"type":"CRON"}`), agenda.Target{TemplateID: "tmpl_x"}
	s.Policy, s.State = agenda.NewPolicy(), agenda.State{}.Begin(base)
	for _, e := range edit {
		e(&s)
	}
	return s
}

func createPlan(t testing.TB, s store.Store, n agenda.Schedule) agenda.Schedule {
	t.Helper()
	out, err := s.Schedules.Create(t.Context(), store.PutSchedule{Schedule: n, By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func claimPlans(t testing.TB, s store.Store, by string, now time.Time) []store.DueSchedule {
	t.Helper()
	due, err := s.Schedules.Claim(t.Context(), store.ClaimSchedules{By: by, TTL: time.Minute, Now: now, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return due.Items
}

// firing is a decision that fires nominals, which are minutes after base.
func firing(d store.DueSchedule, now time.Time, minutes ...int) store.Decided {
	out := store.Decided{ID: d.Schedule.ID, Tenant: d.Schedule.Tenant, Version: d.Schedule.Version, Epoch: d.Epoch, Now: now}
	out.Outcome.State = d.Schedule.State
	for _, m := range minutes {
		at := base.Add(time.Duration(m) * time.Minute)
		out.Outcome.Decisions = append(out.Outcome.Decisions, agenda.Decision{Nominal: at, Due: at, Fire: true, Source: agenda.SourceSchedule})
		out.Outcome.State.Cursor, out.Outcome.State.Next = at, at.Add(time.Minute)
		out.Jobs = append(out.Jobs, newJob(named(fmt.Sprint(d.Schedule.Name, " ", m)), func(j *job.Job) { j.Trigger = job.TriggerSchedule }))
	}
	return out
}

func decideOne(t testing.TB, s store.Store, d store.Decided) error {
	t.Helper()
	errs, err := s.Schedules.Decide(t.Context(), []store.Decided{d})
	if err != nil {
		t.Fatal(err)
	}
	return errs[0]
}

func planHistory(t testing.TB, s store.Store, name string) (out []string) {
	t.Helper()
	page, err := s.Schedules.History(t.Context(), store.ListHistory{Tenant: tenant, ID: name, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Entries {
		text := fmt.Sprint(int(e.Run.Nominal.Sub(base)/time.Minute), " ", e.Run.Status)
		if e.Reason != "" {
			text = fmt.Sprint(int(e.Run.Nominal.Sub(base)/time.Minute), "-", int(e.Last.Sub(base)/time.Minute), " ", e.Reason, " ", e.Count)
		}
		out = append(out, text)
	}
	return out
}

func scheduleFields(t *testing.T, s store.Store) {
	want := newSchedule("nightly", func(n *agenda.Schedule) {
		n.Description, n.Zone, n.UsesCalendar, n.Mode = "every night", "Asia/Seoul", true, agenda.ModeApproval
		n.Target = agenda.Target{WorkflowID: "wf_1", Inputs: []byte(`{"a":1}`)}
		n.Labels = map[string]string{"team": "red"}
		n.On = agenda.On{Event: agenda.JobFailed, Subject: "x", Delay: time.Minute}
		n.Policy = agenda.Policy{
			Overlap: agenda.OverlapQueueAll, MaxQueued: 7, MaxParallel: 3, Missed: agenda.MissedAll, Grace: 2 * time.Second,
			CatchUpWindow: time.Hour, MaxCatchUp: 9, MinInterval: time.Minute, MinIntervalFrom: agenda.FromEnd, Jitter: time.Second,
			Offset: 3 * time.Second, StartDeadline: 4 * time.Second, PauseOnFailure: 5, MaxRuns: 6,
		}
		n.State.Skips, n.State.Runs, n.State.SkipNext = map[agenda.Reason]int64{agenda.ReasonOverlap: 3}, 2, []time.Time{base.Add(time.Hour)}
		n.State.Last = agenda.Run{JobID: "j", Nominal: base, Source: agenda.SourceSchedule}
	})
	got := createPlan(t, s, want)
	want.Version, want.CreatedBy, want.ChangedBy = 1, "ann", "ann"
	same(t, "created", want, got)
	for _, ref := range []string{want.ID, "nightly"} {
		read, err := s.Schedules.Schedule(t.Context(), tenant, ref)
		if err != nil {
			t.Fatal(err)
		}
		same(t, ref, want, read)
	}
}

func scheduleVersions(t *testing.T, s store.Store) {
	a := createPlan(t, s, newSchedule("a"))
	createPlan(t, s, newSchedule("b"))
	_, err := s.Schedules.Create(t.Context(), store.PutSchedule{Schedule: newSchedule("a")})
	wantCode(t, err, fault.NameTaken)
	a.Version, a.Zone = 2, "Europe/Paris"
	if _, err := s.Schedules.Update(t.Context(), store.PutSchedule{Schedule: a, By: "bob"}); err != nil {
		t.Fatal(err)
	}
	first, err := s.Schedules.Version(t.Context(), tenant, a.ID, 1)
	if err != nil || first.Zone != "UTC" {
		t.Errorf("version 1 has %q, %v", first.Zone, err)
	}
	a.Version = 4
	_, err = s.Schedules.Update(t.Context(), store.PutSchedule{Schedule: a})
	wantCode(t, err, fault.VersionMismatch)
	look, err := s.Schedules.Look(t.Context(), tenant, "a")
	if err != nil {
		t.Fatal(err)
	}
	claimPlans(t, s, "p", base)
	look.Schedule.State = look.Schedule.State.Pause(base, "bob", "")
	_, err = s.Schedules.Update(t.Context(), store.PutSchedule{Schedule: look.Schedule, Epoch: look.Epoch})
	wantCode(t, err, fault.Conflict)
	if _, err := s.Schedules.Update(t.Context(), store.PutSchedule{Schedule: look.Schedule}); err != nil {
		t.Error(err)
	}
	page, err := s.Schedules.List(t.Context(), store.ListSchedules{Tenant: tenant, Statuses: []agenda.Status{agenda.Paused}, Limit: 10})
	if err != nil || len(page.Schedules) != 1 || page.Schedules[0].Name != "a" {
		t.Errorf("paused: %v, %v", page, err)
	}
	if err := s.Schedules.Delete(t.Context(), store.DeleteSchedule{Tenant: tenant, ID: a.ID, At: base}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Schedules.Schedule(t.Context(), tenant, a.ID)
	wantCode(t, err, fault.NotFound)
	createPlan(t, s, newSchedule("a"))
}

func scheduleClaims(t *testing.T, s store.Store) {
	const n = 30
	for i := range n {
		createPlan(t, s, newSchedule(fmt.Sprintf("s%02d", i)))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	together(8, func(i int) {
		due, err := s.Schedules.Claim(t.Context(), store.ClaimSchedules{By: fmt.Sprint("p", i), TTL: time.Minute, Now: base, Limit: 10})
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, d := range due.Items {
			seen[d.Schedule.ID]++
		}
	})
	for _, d := range claimPlans(t, s, "rest", base) {
		seen[d.Schedule.ID]++
	}
	for sched, times := range seen {
		if times != 1 {
			t.Errorf("%s was claimed %d times", sched, times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d schedules were claimed", len(seen), n)
	}
}

func scheduleExpiry(t *testing.T, s store.Store) {
	createPlan(t, s, newSchedule("a"))
	next := func(now time.Time) time.Time {
		t.Helper()
		n, err := s.Schedules.NextDue(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		return n.At
	}
	if got := next(base.Add(-time.Hour)); !got.Equal(base) {
		t.Errorf("next due %v", got)
	}
	old := claimPlans(t, s, "p", base)
	if len(old) != 1 || len(claimPlans(t, s, "q", base.Add(59*time.Second))) != 0 {
		t.Fatal("the claim does not hold")
	}
	if got := next(base); !got.Equal(base.Add(time.Minute)) {
		t.Errorf("next due of what is claimed: %v", got)
	}
	if err := s.Schedules.Claims(t.Context(), store.KeepClaims{By: "p", TTL: time.Minute, Now: base.Add(30 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	if len(claimPlans(t, s, "q", base.Add(80*time.Second))) != 0 {
		t.Error("a renewed claim was taken")
	}
	fresh := claimPlans(t, s, "q", base.Add(2*time.Minute))
	if len(fresh) != 1 {
		t.Fatal("an expired claim is kept")
	}
	wantCode(t, decideOne(t, s, firing(old[0], base, 1)), fault.Conflict)
	if got := queued(t, s); len(got) != 0 {
		t.Errorf("a fenced decision left %v", got)
	}
	if err := s.Schedules.Claims(t.Context(), store.KeepClaims{By: "q"}); err != nil {
		t.Fatal(err)
	}
	if len(claimPlans(t, s, "r", base.Add(2*time.Minute))) != 1 {
		t.Error("a released schedule is not due")
	}
	if err := s.Schedules.Claims(t.Context(), store.KeepClaims{By: "s", Others: true}); err != nil {
		t.Fatal(err)
	}
	if len(claimPlans(t, s, "s", base.Add(2*time.Minute))) != 1 {
		t.Error("the claim of a dead planner stays")
	}
}

func scheduleDecide(t *testing.T, s store.Store) {
	createPlan(t, s, newSchedule("a"))
	due := claimPlans(t, s, "p", base)
	d := firing(due[0], base.Add(3*time.Minute), 3)
	skip := agenda.Decision{Nominal: base.Add(time.Minute), Last: base.Add(2 * time.Minute), Count: 2, Reason: agenda.ReasonCoalesced}
	d.Outcome.Decisions = append([]agenda.Decision{skip}, d.Outcome.Decisions...)
	if err := decideOne(t, s, d); err != nil {
		t.Fatal(err)
	}
	same(t, "history", []string{"3 QUEUED", "1-2 coalesced 2"}, planHistory(t, s, "a"))
	same(t, "queue", []string{d.Jobs[0].ID}, queued(t, s))
	look, err := s.Schedules.Look(t.Context(), tenant, "a")
	if err != nil || len(look.Runs) != 1 || look.Runs[0].JobID != d.Jobs[0].ID || look.Schedule.ClaimedBy != "" {
		t.Fatalf("after it: %+v, %v", look, err)
	}
	if st := look.Schedule.State; !st.Cursor.Equal(base.Add(3*time.Minute)) || !st.Next.Equal(base.Add(4*time.Minute)) {
		t.Errorf("state %+v", st)
	}
	// The stretch goes on, and the run's end is taken in.
	next := firing(look, base.Add(5*time.Minute))
	skip.Last, skip.Count, skip.Extends = base.Add(5*time.Minute), 2, true
	ended := look.Runs[0]
	ended.Status, ended.EndedAt = agenda.RunFailed, base.Add(4*time.Minute)
	next.Outcome.Decisions, next.Outcome.Closed = []agenda.Decision{skip}, []agenda.Run{ended}
	if err := decideOne(t, s, next); err != nil {
		t.Fatal(err)
	}
	same(t, "history", []string{"3 FAILED", "1-5 coalesced 4"}, planHistory(t, s, "a"))
}

func scheduleOnce(t *testing.T, s store.Store) {
	createPlan(t, s, newSchedule("a"))
	if err := decideOne(t, s, firing(claimPlans(t, s, "p", base)[0], base, 1)); err != nil {
		t.Fatal(err)
	}
	again := firing(claimPlans(t, s, "p", base.Add(time.Hour))[0], base, 1, 2)
	if err := decideOne(t, s, again); err != nil {
		t.Fatal(err)
	}
	if got := queued(t, s); len(got) != 2 {
		t.Errorf("two nominals fired %d times", len(got))
	}
}

// scheduleRace: several planners decide about the same schedules, some of them too
// late. Each nominal fires once.
func scheduleRace(t *testing.T, s store.Store) {
	const schedules, rounds = 5, 6
	for i := range schedules {
		createPlan(t, s, newSchedule(fmt.Sprint("s", i)))
	}
	together(4, func(p int) {
		for r := 1; r <= rounds*4; r++ {
			now := base.Add(time.Duration(r) * 10 * time.Minute)
			due, err := s.Schedules.Claim(t.Context(), store.ClaimSchedules{By: fmt.Sprint("p", p), TTL: time.Minute, Now: now, Limit: 3})
			if err != nil {
				t.Error(err)
				return
			}
			var items []store.Decided
			for i, d := range due.Items {
				m := int(d.Schedule.State.Cursor.Sub(base)/time.Minute) + 1
				if m > rounds || (i+r+p)%4 == 0 { // it crashes before this one
					continue
				}
				items = append(items, firing(d, now, m))
			}
			if _, err := s.Schedules.Decide(t.Context(), items); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range schedules {
		entries := planHistory(t, s, fmt.Sprint("s", i))
		look, err := s.Schedules.Look(t.Context(), tenant, fmt.Sprint("s", i))
		if err != nil || len(entries) != int(look.Schedule.State.Cursor.Sub(base)/time.Minute) {
			t.Errorf("schedule %d fired %v, its cursor is %v (%v)", i, entries, look.Schedule.State.Cursor, err)
		}
	}
	counts, err := s.Jobs.Counts(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for i := range schedules {
		total += len(planHistory(t, s, fmt.Sprint("s", i)))
	}
	if counts[job.Queued] != total || total == 0 {
		t.Errorf("%d jobs for %d nominals", counts[job.Queued], total)
	}
}

// awaitingPlan makes a schedule that has fired and waits for the end of that run.
func awaitingPlan(t *testing.T, s store.Store, name string) store.Decided {
	t.Helper()
	createPlan(t, s, newSchedule(name))
	d := firing(claimPlans(t, s, "p", base)[0], base, 1)
	d.Outcome.State.Next, d.Outcome.State.AwaitsEnd = time.Time{}, true
	if err := decideOne(t, s, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// nextPlan is when there is something to decide.
func nextPlan(t *testing.T, s store.Store, now time.Time) time.Time {
	t.Helper()
	n, err := s.Schedules.NextDue(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	return n.At
}

func scheduleAwaits(t *testing.T, s store.Store) {
	pool(t, s, 1)
	awaitingPlan(t, s, "a")
	later := base.Add(time.Hour)
	if len(claimPlans(t, s, "p", later)) != 0 || !nextPlan(t, s, later).IsZero() {
		t.Error("it is due while its run waits")
	}
	hints, end := s.Events.Watch()
	defer end()
	succeed(t, s, claimOne(t, s))
	awaitHint(t, hints, store.Hint{Topic: store.HintPlans})
	same(t, "next due after the end", later, nextPlan(t, s, later).In(later.Location()))
	due := claimPlans(t, s, "p", later)
	if len(due) != 1 || due[0].Runs[0].Status != agenda.RunCompleted || due[0].Runs[0].EndedAt.IsZero() {
		t.Fatalf("after the end: %+v", due)
	}
	if len(claimPlans(t, s, "q", later)) != 0 || !nextPlan(t, s, later).After(later) {
		t.Error("a second planner gets it too")
	}
	d := firing(due[0], later, 2)
	d.Outcome.State.Next, d.Outcome.Closed = time.Time{}, due[0].Runs
	if err := decideOne(t, s, d); err != nil {
		t.Fatal(err)
	}
	if len(claimPlans(t, s, "p", later)) != 0 {
		t.Error("the end of a run counts twice")
	}
	succeed(t, s, claimOne(t, s))
	if len(claimPlans(t, s, "p", later)) != 1 {
		t.Error("the second end does not count")
	}
}

// scheduleAwaitsLate: a schedule begins to wait for runs that it has fired before.
func scheduleAwaitsLate(t *testing.T, s store.Store) {
	pool(t, s, 2)
	createPlan(t, s, newSchedule("a"))
	if err := decideOne(t, s, firing(claimPlans(t, s, "p", base)[0], base, 1)); err != nil {
		t.Fatal(err)
	}
	later := base.Add(time.Hour)
	first := claimOne(t, s)
	d := firing(claimPlans(t, s, "p", later)[0], later, 2)
	d.Outcome.State.Next, d.Outcome.State.AwaitsEnd = time.Time{}, true
	if err := decideOne(t, s, d); err != nil {
		t.Fatal(err)
	}
	if len(claimPlans(t, s, "p", later)) != 0 {
		t.Error("it is due while both wait")
	}
	succeed(t, s, first)
	due := claimPlans(t, s, "p", later)
	if len(due) != 1 {
		t.Fatal("the end of the run from before does not count")
	}
	// It ended before the decision to wait was written.
	succeed(t, s, claimOne(t, s))
	d = firing(due[0], later)
	d.Outcome.Closed = due[0].Runs[:1]
	if err := decideOne(t, s, d); err != nil {
		t.Fatal(err)
	}
	if len(claimPlans(t, s, "p", later)) != 1 {
		t.Error("an end during a decision does not count")
	}
}

// scheduleAwaitsNothing: what waits for no run, for whatever reason, is due at once
// and does not wait for ever.
func scheduleAwaitsNothing(t *testing.T, s store.Store) {
	pool(t, s, 1)
	createPlan(t, s, newSchedule("a"))
	d := firing(claimPlans(t, s, "p", base)[0], base, 1)
	d.Outcome.State.Next, d.Outcome.State.AwaitsEnd = time.Time{}, true
	d.Outcome.Refuse(0, agenda.ReasonTarget)
	d.Jobs = nil
	if err := decideOne(t, s, d); err != nil {
		t.Fatal(err)
	}
	due := claimPlans(t, s, "p", base)
	if len(due) != 1 {
		t.Fatal("the nominal was refused, and the schedule waits for its run")
	}
	// A person who read the schedule earlier writes that it waits.
	d = firing(due[0], base)
	d.Outcome.State.Next, d.Outcome.State.AwaitsEnd = base.Add(time.Hour), false
	if err := decideOne(t, s, d); err != nil {
		t.Fatal(err)
	}
	n := due[0].Schedule
	n.State.Next, n.State.AwaitsEnd = time.Time{}, true
	if _, err := s.Schedules.Update(t.Context(), store.PutSchedule{Schedule: n, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	if len(claimPlans(t, s, "p", time.Now().Add(time.Second))) != 1 {
		t.Error("it waits for a run that is not there")
	}
}

// scheduleAwaitsNoMore: the end of a run is nothing to a schedule that was paused or
// deleted meanwhile, and counts again after the pause.
func scheduleAwaitsNoMore(t *testing.T, s store.Store) {
	pool(t, s, 2)
	for _, name := range []string{"deleted", "paused"} {
		awaitingPlan(t, s, name)
	}
	gone, rests := lookAt(t, s, "deleted").Schedule, lookAt(t, s, "paused").Schedule
	if err := s.Schedules.Delete(t.Context(), store.DeleteSchedule{Tenant: tenant, ID: gone.ID, At: base}); err != nil {
		t.Fatal(err)
	}
	rests.State = rests.State.Pause(base, "ann", "")
	rests, err := s.Schedules.Update(t.Context(), store.PutSchedule{Schedule: rests, By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range claim(t, s, 2) {
		succeed(t, s, w)
	}
	later := base.Add(time.Hour)
	if got := claimPlans(t, s, "p", later); len(got) != 0 || !nextPlan(t, s, later).IsZero() {
		t.Errorf("due: %+v", got)
	}
	rests.State = rests.State.Resume(later, false)
	if _, err := s.Schedules.Update(t.Context(), store.PutSchedule{Schedule: rests, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	if due := claimPlans(t, s, "p", later); len(due) != 1 || due[0].Runs[0].Status != agenda.RunCompleted {
		t.Errorf("after the pause: %+v", due)
	}
}

func scheduleReplaces(t *testing.T, s store.Store) {
	pool(t, s, 1)
	createPlan(t, s, newSchedule("a"))
	if err := decideOne(t, s, firing(claimPlans(t, s, "p", base)[0], base, 1, 2)); err != nil {
		t.Fatal(err)
	}
	started := claimOne(t, s)
	due := claimPlans(t, s, "p", base.Add(time.Hour))[0]
	d := firing(due, base.Add(time.Hour), 3)
	d.Outcome.Supersede = []string{started.Job.ID}
	wantCode(t, decideOne(t, s, d), fault.Conflict)
	if again := claimPlans(t, s, "q", base.Add(time.Hour)); len(again) != 1 {
		t.Fatal("who came too late keeps the schedule from all others until the claim ends")
	} else {
		d.Epoch = again[0].Epoch
	}
	d.Outcome.Supersede, d.Outcome.Cancel = []string{due.Runs[1].JobID}, []string{started.Job.ID}
	if err := decideOne(t, s, d); err != nil {
		t.Fatal(err)
	}
	same(t, "history", []string{"3 QUEUED", "2 SKIPPED", "1 RUNNING"}, planHistory(t, s, "a"))
	if read(t, s, started.Job.ID).CancelAskedAt.IsZero() || read(t, s, due.Runs[1].JobID).State != job.Skipped {
		t.Error("the old runs are as before")
	}
}

func scheduleReplan(t *testing.T, s store.Store) {
	far := time.Now().Add(24 * time.Hour)
	createPlan(t, s, newSchedule("a", func(n *agenda.Schedule) { n.UsesCalendar, n.State.Next = true, far }))
	createPlan(t, s, newSchedule("b", func(n *agenda.Schedule) { n.State.Next = far }))
	putOverrides(t, s, store.PutOverrides{Calendar: "XNYS", List: []calendar.Override{{Date: day(2), Kind: calendar.OverrideClosed}}, By: "a"})
	due := claimPlans(t, s, "p", far.Add(-time.Hour))
	if len(due) != 1 || due[0].Schedule.Name != "a" || !due[0].Schedule.State.Next.Before(far.Add(-time.Hour)) {
		t.Errorf("due after the change: %+v", due)
	}
}

// scheduleClaimAhead: the claims of a planner that died before the clock was set back
// do not last as much longer as the step was.
func scheduleClaimAhead(t *testing.T, s store.Store) {
	createPlan(t, s, newSchedule("a"))
	dead := claimPlans(t, s, "dead", base.Add(time.Hour))[0]
	if n := len(claimPlans(t, s, "p", base.Add(time.Hour-time.Second))); n != 0 {
		t.Fatal("a step of a second takes the schedule from a planner that may live")
	}
	due := claimPlans(t, s, "p", base)
	if len(due) != 1 {
		t.Fatal("the schedule rests until the clock has caught up")
	}
	wantCode(t, decideOne(t, s, firing(dead, base, 1)), fault.Conflict)
	if err := decideOne(t, s, firing(due[0], base, 1)); err != nil {
		t.Error(err)
	}
}

func scheduleOtherTenant(t *testing.T, s store.Store) {
	red := otherTenant(t, s)
	ours := createPlan(t, s, newSchedule("a"))
	createPlan(t, s, newSchedule("a", func(n *agenda.Schedule) { n.Tenant = red }))
	_, err := s.Schedules.Schedule(t.Context(), red, ours.ID)
	wantCode(t, err, fault.NotFound)
	wantCode(t, s.Schedules.Delete(t.Context(), store.DeleteSchedule{Tenant: red, ID: ours.ID, At: base}), fault.NotFound)
	_, err = s.Schedules.History(t.Context(), store.ListHistory{Tenant: red, ID: ours.ID, Limit: 1})
	wantCode(t, err, fault.NotFound)
}

// awaitHint waits for a hint, or for one that stands for all.
func awaitHint(t *testing.T, hints <-chan store.Hint, want store.Hint) {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		select {
		case h := <-hints:
			if h == want || h.Topic == store.HintAll {
				return
			}
		case <-timeout:
			t.Fatalf("the hint %+v did not come", want)
		}
	}
}
