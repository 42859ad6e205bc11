package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

func happeningChecks() []check {
	return []check{
		{"Schedules/FiredJobWaitsForItsApproval", scheduleApproval},
		{"Schedules/ReplacedJobTakesItsApprovalAlong", scheduleApprovalReplaced},
		{"Happenings/EndOfAJobSetsOff", happeningJob},
		{"Happenings/DecisionSetsOff", happeningApproval},
		{"Happenings/NotByItsOwnJobsNorInCircles", happeningLoop},
		{"Happenings/TakenNominalMovesOn", happeningTaken},
		{"Happenings/PauseKeepsAndEditForgets", happeningPause},
		{"Happenings/StartOfAServer", happeningStart},
		{"Happenings/OldHistoryGoes", happeningExpire},
	}
}

// asking is firing with a request about the only job.
func asking(t *testing.T, d store.DueSchedule, now time.Time, minute int) (store.Decided, approval.Request) {
	t.Helper()
	item := firing(d, now, minute)
	r := question(t, item.Jobs[0].ID)
	item.Approvals = []approval.Request{r}
	return item, r
}

func scheduleApproval(t *testing.T, s store.Store) {
	pool(t, s, 5)
	for _, name := range []string{"no", "yes"} {
		createPlan(t, s, newSchedule(name))
		item, r := asking(t, claimPlans(t, s, "p", base)[0], base, 0)
		if err := decideOne(t, s, item); err != nil {
			t.Fatal(err)
		}
		look := lookAt(t, s, name)
		if len(look.Runs) != 1 || !look.Runs[0].Status.Open() {
			t.Fatalf("%s: a run that waits for an approval is not open: %+v", name, look.Runs)
		}
		// A nominal that has fired asks nobody again.
		second, r2 := asking(t, look, base, 0)
		if err := decideOne(t, s, second); err != nil {
			t.Fatal(err)
		}
		_, err := s.Approvals.Approval(t.Context(), tenant, r2.ID)
		wantCode(t, err, fault.NotFound)
		if got := claim(t, s, 5); len(got) != 0 {
			t.Fatalf("%s: it started before it was approved", name)
		}
		if _, err := decide(t, s, r, "boss", name == "yes"); err != nil {
			t.Fatal(err)
		}
		if name == "yes" {
			same(t, "started", item.Jobs[0].ID, claimOne(t, s).Job.ID)
			continue
		}
		same(t, "after a rejection", agenda.RunSkipped, lookAt(t, s, name).Runs[0].Status)
		skippedFor(t, s, item.Jobs[0].ID, approval.ReasonRejected)
	}
}

func lookAt(t testing.TB, s store.Store, name string) store.DueSchedule {
	t.Helper()
	d, err := s.Schedules.Look(t.Context(), tenant, name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func scheduleApprovalReplaced(t *testing.T, s store.Store) {
	createPlan(t, s, newSchedule("s"))
	item, r := asking(t, claimPlans(t, s, "p", base)[0], base, 0)
	if err := decideOne(t, s, item); err != nil {
		t.Fatal(err)
	}
	next := firing(claimPlans(t, s, "p", base.Add(time.Minute))[0], base.Add(time.Minute), 1)
	next.Outcome.Supersede = []string{item.Jobs[0].ID}
	if err := decideOne(t, s, next); err != nil {
		t.Fatal(err)
	}
	if got := readApproval(t, s, r.ID); got.Status != approval.Superseded {
		t.Errorf("the approval of a replaced job is %s", got.Status)
	}
}

// waits makes a schedule wait for something; a planner has looked at it already.
func waits(event agenda.Happening, subject string, delay time.Duration) func(*agenda.Schedule) {
	return func(n *agenda.Schedule) {
		n.On = agenda.On{Event: event, Subject: subject, Delay: delay}
		n.State.Next = time.Time{}
	}
}

// setOff claims at a time, decides that all is done, and tells how often each
// schedule was set off, in minutes from base.
func setOff(t testing.TB, s store.Store, now time.Time) map[string][]time.Duration {
	t.Helper()
	out := map[string][]time.Duration{}
	for _, d := range claimPlans(t, s, "p", now) {
		item := store.Decided{ID: d.Schedule.ID, Tenant: d.Schedule.Tenant, Version: d.Schedule.Version, Epoch: d.Epoch, Now: now}
		item.Outcome.State = d.Schedule.State
		item.Outcome.State.Next = time.Time{}
		for _, h := range d.Happened {
			if h.Nominal.After(d.Schedule.State.Cursor) {
				out[d.Schedule.Name] = append(out[d.Schedule.Name], h.Nominal.Sub(base))
				item.Outcome.State.Cursor = h.Nominal
			}
		}
		if err := decideOne(t, s, item); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// completed runs a job from base to a minute later.
func completed(t testing.TB, s store.Store, j job.Job) job.Job {
	t.Helper()
	add(t, s, j)
	c := claimOne(t, s)
	if err := finishWith(t, s, c, job.Succeeded{At: base.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	return c.Job
}

func happeningJob(t *testing.T, s store.Store) {
	pool(t, s, 1)
	createPlan(t, s, newSchedule("all", waits(agenda.JobCompleted, "", 0)))
	createPlan(t, s, newSchedule("named", waits(agenda.JobCompleted, "x", 0)))
	createPlan(t, s, newSchedule("labelled", waits(agenda.JobCompleted, "team=red", 0)))
	createPlan(t, s, newSchedule("other", waits(agenda.JobCompleted, "team=blue", 0)))
	createPlan(t, s, newSchedule("failed", waits(agenda.JobFailed, "", 0)))
	createPlan(t, s, newSchedule("late", waits(agenda.JobCompleted, "", time.Hour)))
	foreign := newSchedule("foreign", waits(agenda.JobCompleted, "", 0))
	foreign.Tenant = otherTenant(t, s)
	createPlan(t, s, foreign)
	if next, err := s.Schedules.NextDue(t.Context(), base); err != nil || !next.At.IsZero() {
		t.Fatalf("something is due before anything has happened: %+v, %v", next, err)
	}
	completed(t, s, newJob(named("x"), func(j *job.Job) { j.Labels = map[string]string{"team": "red"} }))
	once := []time.Duration{time.Minute}
	now := base.Add(10 * time.Minute)
	if next, err := s.Schedules.NextDue(t.Context(), now); err != nil || !next.At.Equal(base.Add(time.Minute)) {
		t.Fatalf("next due %+v, %v", next, err)
	}
	same(t, "set off", map[string][]time.Duration{"all": once, "named": once, "labelled": once}, setOff(t, s, now))
	if next, err := s.Schedules.NextDue(t.Context(), now); err != nil || !next.At.Equal(base.Add(61*time.Minute)) {
		t.Errorf("the late one is due %+v, %v", next, err)
	}
	same(t, "set off again", map[string][]time.Duration{}, setOff(t, s, now))
	same(t, "set off late", map[string][]time.Duration{"late": {61 * time.Minute}}, setOff(t, s, now.Add(time.Hour)))

	// An attempt that is tried again is no end.
	add(t, s, newJob(func(j *job.Job) { j.Retry = job.Retry{MaxAttempts: 2} }))
	for n, want := range []map[string][]time.Duration{{}, {"failed": {2 * time.Minute}}} {
		cs := claimAt(t, s, "a", 1, base.Add(30*time.Minute)).Started
		if len(cs) != 1 {
			t.Fatal("it does not start")
		}
		if err := finishWith(t, s, cs[0], job.Broke{At: base.Add(2 * time.Minute), Failure: job.Failure{Code: "x"}}); err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("after attempt ", n+1), want, setOff(t, s, base.Add(2*time.Hour)))
	}
}

func happeningApproval(t *testing.T, s store.Store) {
	createPlan(t, s, newSchedule("any", waits(agenda.ApprovalDecided, "", 0)))
	createPlan(t, s, newSchedule("no", waits(agenda.ApprovalDecided, "REJECTED", 0)))
	_, r := waitingJob(t, s)
	if _, err := s.Approvals.Rerequest(t.Context(), store.RerequestApproval{New: again(t, r), ContentHash: r.ContentHash, Now: base}); err != nil {
		t.Fatal(err)
	}
	same(t, "by asking again", map[string][]time.Duration{}, setOff(t, s, base.Add(time.Hour)))
	_, r = waitingJob(t, s)
	if _, err := decide(t, s, r, "boss", true); err != nil {
		t.Fatal(err)
	}
	same(t, "by a yes", map[string][]time.Duration{"any": {time.Minute}}, setOff(t, s, base.Add(time.Hour)))
}

func happeningLoop(t *testing.T, s store.Store) {
	pool(t, s, 1)
	createPlan(t, s, newSchedule("a", waits(agenda.JobCompleted, "", 0)))
	createPlan(t, s, newSchedule("b", waits(agenda.JobCompleted, "", 0)))
	completed(t, s, newJob())
	depth := map[string]int{}
	// Each turn, the jobs of both set off the other one, one deeper than before.
	for turn := 1; turn <= agenda.MaxDepth+2; turn++ {
		now := base.Add(time.Duration(turn) * 3 * time.Minute)
		due := claimPlans(t, s, "p", now)
		if len(due) != 2 {
			t.Fatalf("turn %d: %d schedules were set off, want 2", turn, len(due))
		}
		var items []store.Decided
		for _, d := range due {
			h := d.Happened[len(d.Happened)-1]
			if fresh := h.Nominal.After(d.Schedule.State.Cursor); !fresh || h.Depth != turn {
				t.Fatalf("turn %d of %s: %+v", turn, d.Schedule.Name, h)
			}
			depth[d.Schedule.Name] = h.Depth
			item := store.Decided{ID: d.Schedule.ID, Tenant: tenant, Version: 1, Epoch: d.Epoch, Now: now}
			item.Outcome.State = d.Schedule.State
			item.Outcome.State.Cursor, item.Outcome.State.Next = h.Nominal, time.Time{}
			item.Outcome.Decisions = []agenda.Decision{{Nominal: h.Nominal, Due: h.Nominal, Fire: true, Source: agenda.SourceEvent}}
			item.Jobs = []job.Job{newJob(named(d.Schedule.Name))}
			items = append(items, item)
		}
		errs, err := s.Schedules.Decide(t.Context(), items)
		if err != nil || errs[0] != nil || errs[1] != nil {
			t.Fatal(errs, err)
		}
		for range 2 {
			cs := claimAt(t, s, "a", 1, now).Started
			if len(cs) != 1 {
				t.Fatal("a fired job does not start")
			}
			if err := finishWith(t, s, cs[0], job.Succeeded{At: now.Add(time.Minute)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := agenda.Nominals([]agenda.Happened{{Nominal: base, Depth: agenda.MaxDepth}, {Nominal: base, Depth: depth["a"]}}, time.UTC)
	if n[0].Skip != "" || n[1].Skip == "" {
		t.Errorf("skips %q and %q: a chain of %d must end and one of %d not", n[0].Skip, n[1].Skip, depth["a"], agenda.MaxDepth)
	}
}

func happeningTaken(t *testing.T, s store.Store) {
	pool(t, s, 3)
	createPlan(t, s, newSchedule("s", waits(agenda.JobCompleted, "", 0)))
	for range 3 {
		completed(t, s, newJob())
	}
	same(t, "three at once", map[string][]time.Duration{"s": {time.Minute, time.Minute + time.Millisecond, time.Minute + 2*time.Millisecond}},
		setOff(t, s, base.Add(time.Hour)))
	// One that becomes visible late comes behind what is decided.
	completed(t, s, newJob())
	d := claimPlans(t, s, "p", base.Add(time.Hour))
	if len(d) != 1 || len(d[0].Happened) != 2 {
		t.Fatalf("want it with the one before: %+v", d)
	}
	same(t, "a late one", time.Minute+3*time.Millisecond, d[0].Happened[1].Nominal.Sub(base))
	// A planner that dies between claim and decision loses nothing.
	d = claimPlans(t, s, "q", base.Add(2*time.Hour))
	if len(d) != 1 || len(d[0].Happened) != 2 {
		t.Fatalf("it is lost with its planner: %+v", d)
	}
}

func happeningPause(t *testing.T, s store.Store) {
	pool(t, s, 1)
	p := createPlan(t, s, newSchedule("s", waits(agenda.JobCompleted, "", 0)))
	update := func(change func(*agenda.Schedule)) {
		t.Helper()
		n := lookAt(t, s, p.ID).Schedule
		change(&n)
		if _, err := s.Schedules.Update(t.Context(), store.PutSchedule{Schedule: n, By: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	update(func(n *agenda.Schedule) { n.State = n.State.Pause(base, "ann", "") })
	completed(t, s, newJob())
	if next, err := s.Schedules.NextDue(t.Context(), base.Add(time.Hour)); err != nil || !next.At.IsZero() {
		t.Fatalf("a paused schedule is due: %+v, %v", next, err)
	}
	same(t, "while paused", map[string][]time.Duration{}, setOff(t, s, base.Add(time.Hour)))
	update(func(n *agenda.Schedule) { n.State = n.State.Resume(base.Add(time.Hour), false) })
	same(t, "afterwards", map[string][]time.Duration{"s": {time.Minute}}, setOff(t, s, base.Add(time.Hour)))

	completed(t, s, newJob())
	update(func(n *agenda.Schedule) { n.Version, n.State = 2, n.State.Begin(base.Add(time.Hour)) })
	same(t, "what was before an edit", map[string][]time.Duration{}, setOff(t, s, base.Add(time.Hour)))
	completed(t, s, newJob())
	if err := s.Schedules.Delete(t.Context(), store.DeleteSchedule{Tenant: tenant, ID: p.ID, At: base}); err != nil {
		t.Fatal(err)
	}
	if next, err := s.Schedules.NextDue(t.Context(), base.Add(time.Hour)); err != nil || !next.At.IsZero() {
		t.Errorf("a deleted schedule is due: %+v, %v", next, err)
	}
	same(t, "changed by", "ann", p.ChangedBy)
}

func happeningStart(t *testing.T, s store.Store) {
	createPlan(t, s, newSchedule("s", waits(agenda.ServerStarted, "", 0)))
	createPlan(t, s, newSchedule("job", waits(agenda.JobCompleted, "", 0)))
	for _, by := range []string{"one", "one", "two"} {
		if err := s.Happenings.Started(t.Context(), store.ServerStarted{By: by, Now: base.Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "set off", map[string][]time.Duration{"s": {time.Minute, time.Minute + time.Millisecond}}, setOff(t, s, base.Add(time.Hour)))
}

func happeningExpire(t *testing.T, s store.Store) {
	createPlan(t, s, newSchedule("s", waits(agenda.ServerStarted, "", 0)))
	start := func(by string, at time.Duration) {
		t.Helper()
		if err := s.Happenings.Started(t.Context(), store.ServerStarted{By: by, Now: base.Add(at)}); err != nil {
			t.Fatal(err)
		}
	}
	start("a", time.Minute)
	setOff(t, s, base.Add(2*time.Minute))
	start("b", 3*time.Minute) // old, but not decided
	d := lookAt(t, s, "s")
	item := store.Decided{ID: d.Schedule.ID, Tenant: tenant, Version: 1, Epoch: d.Epoch, Now: base.Add(time.Minute)}
	item.Outcome.State = d.Schedule.State
	item.Outcome.Decisions = []agenda.Decision{
		{Nominal: base.Add(time.Second), Reason: agenda.ReasonOverlap, Last: base.Add(time.Second), Count: 1},
		{Nominal: base.Add(2 * time.Second), Due: base, Fire: true, Source: agenda.SourceEvent},
	}
	item.Jobs = []job.Job{newJob()}
	if err := decideOne(t, s, item); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2, 0} {
		n, err := s.Happenings.Expire(t.Context(), store.ExpireHappenings{Before: base.Add(time.Hour), Limit: 100})
		if err != nil || n != want {
			t.Fatalf("deleted %d, %v; want %d", n, err, want)
		}
	}
	same(t, "what fired stays", []string{"0 QUEUED"}, planHistory(t, s, "s"))
	same(t, "what is not decided stays", map[string][]time.Duration{"s": {3 * time.Minute}}, setOff(t, s, base.Add(time.Hour)))
}
