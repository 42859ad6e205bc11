package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

func viewChecks() []check {
	return []check{
		{"Views/RunsByTime", runsByTime},
		{"Views/JobEvents", jobEvents},
		{"Views/OfNothing", viewsOfNothing},
		{"Views/DeliveryResults", deliveryResults},
		{"Views/PendingApprovals", pendingApprovals},
		{"Views/Names", namesOfIDs},
		{"Views/WorkflowResults", workflowResults},
		{"Views/ScheduleResults", scheduleResults},
		{"Schedules/ListByNext", schedulesByNext},
	}
}

func runsByTime(t *testing.T, s store.Store) {
	pool(t, s, 20)
	for i := range 5 {
		add(t, s, newJob(ofType([]string{"x", "y"}[i%2])))
		c := claimAt(t, s, "a", 1, base.Add(time.Duration(i)*11*time.Minute)).Started[0]
		if i < 2 {
			succeed(t, s, c)
		}
	}
	ask := func(f store.ListRuns, most int) ([]store.RunBar, bool) {
		t.Helper()
		f.Tenant = tenant
		bars, complete, err := s.Views.RunsByTime(t.Context(), store.RunsByTime{Filter: f, Bucket: 30 * time.Minute, Most: most})
		if err != nil {
			t.Fatal(err)
		}
		return bars, complete
	}
	all, complete := ask(store.ListRuns{}, 100)
	same(t, "bars", []store.RunBar{
		{At: base, State: run.Active, Count: 1}, {At: base, State: run.Completed, Count: 2}, {At: base.Add(30 * time.Minute), State: run.Active, Count: 2},
	}, all)
	same(t, "complete", true, complete)
	some, complete := ask(store.ListRuns{}, 2)
	same(t, "newest", []store.RunBar{{At: base.Add(30 * time.Minute), State: run.Active, Count: 2}}, some[len(some)-1:])
	same(t, "incomplete", false, complete)
	only, _ := ask(store.ListRuns{Types: []string{"y"}, States: []run.State{run.Completed}}, 100)
	same(t, "filtered", []store.RunBar{{At: base, State: run.Completed, Count: 1}}, only)
	none, _ := ask(store.ListRuns{WorkflowID: "other"}, 100)
	same(t, "of a workflow", 0, len(none))
}

func jobEvents(t *testing.T, s store.Store) {
	pool(t, s, 1)
	js := add(t, s, newJob(), newJob())
	succeed(t, s, claimOne(t, s))
	if _, err := s.Events.Since(t.Context(), tenant, 0, 100); err != nil { // numbers them
		t.Fatal(err)
	}
	read := func(p store.ListJobEvents) store.EventPage {
		t.Helper()
		page, err := s.Views.JobEvents(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	var types []event.Type
	var last int64
	for _, e := range read(store.ListJobEvents{Tenant: tenant, JobID: js[0].ID, Limit: 10}).Events {
		same(t, "job", js[0].ID, e.JobID)
		if e.Seq <= last {
			t.Errorf("event %d behind %d", e.Seq, last)
		}
		types, last = append(types, e.Type), e.Seq
	}
	same(t, "types", []event.Type{event.JobQueued, event.JobStarted, event.JobRunCompleted}, types)
	first := read(store.ListJobEvents{Tenant: tenant, JobID: js[0].ID, Limit: 2})
	same(t, "first page", 2, len(first.Events))
	same(t, "more", true, first.More)
	rest := read(store.ListJobEvents{Tenant: tenant, JobID: js[0].ID, After: first.Events[1].Seq, Limit: 2})
	same(t, "second page", 1, len(rest.Events))
	same(t, "no more", false, rest.More)
	for at, want := range map[time.Time]int{base: 0, base.Add(time.Second): 1} { // the other job still waits
		n, err := s.Views.QueuedBefore(t.Context(), tenant, at, 5)
		same(t, "queued before", want, n)
		same(t, "error", error(nil), err)
	}
	same(t, "another tenant", 0, len(read(store.ListJobEvents{Tenant: "ten_other", JobID: js[0].ID, Limit: 2}).Events))
}

func viewsOfNothing(t *testing.T, s store.Store) {
	for _, ids := range [][]string{nil, {"none"}, {"a", "b"}} {
		p := store.AskResults{Tenant: tenant, IDs: ids, Last: 3}
		w, err := s.Views.WorkflowResults(t.Context(), p)
		same(t, "workflows", 0, len(w))
		same(t, "error", error(nil), err)
		d, err := s.Views.DeliveryResults(t.Context(), p)
		same(t, "webhooks", 0, len(d))
		same(t, "error", error(nil), err)
		h, err := s.Views.ScheduleResults(t.Context(), p)
		same(t, "schedules", 0, len(h))
		same(t, "error", error(nil), err)
	}
	v, err := s.Views.VersionResults(t.Context(), tenant, "none", 10)
	same(t, "versions", 0, len(v))
	same(t, "error", error(nil), err)
	n, err := s.Views.WaitingApprovals(t.Context(), tenant)
	same(t, "approvals", 0, len(n))
	same(t, "error", error(nil), err)
}

func namesOfIDs(t *testing.T, s store.Store) {
	pool(t, s, 1)
	tmpl := create(t, s, newTemplate("nightly"))
	f := begun(t, s, func(j *job.Job) { j.Name = "report of May" })
	one := add(t, s, newJob(func(j *job.Job) { j.Name = "one" }))[0]
	if err := s.Templates.Delete(t.Context(), store.DeleteTemplate{Tenant: tenant, ID: tmpl.ID, At: base}); err != nil {
		t.Fatal(err)
	}
	ask := []string{tmpl.ID, one.ID, f.Job.ID, f.id, one.ID, "job_unknown", "other", ""}
	for range 900 { // more than one statement takes
		ask = append(ask, id.New(id.Job, base))
	}
	for who, want := range map[string]map[string]string{
		tenant:      {tmpl.ID: "nightly", one.ID: "one", f.Job.ID: "report of May", f.id: "report of May"},
		"ten_other": {},
	} {
		got, err := s.Views.Names(t.Context(), who, ask)
		same(t, "error", error(nil), err)
		same(t, "names", want, got)
	}
	got, err := s.Views.Names(t.Context(), tenant, nil)
	same(t, "error", error(nil), err)
	same(t, "no names", 0, len(got))
}

func deliveryResults(t *testing.T, s store.Store) {
	e := addEndpoint(t, s, newEndpoint("hook"))
	for i := range 3 {
		addMessage(t, s, message(e, func(d *webhook.Delivery) {
			d.CreatedAt = base.Add(time.Duration(i) * time.Second)
		}))
	}
	taken := take(t, s, base.Add(time.Minute), 1).Deliveries
	if len(taken) != 1 {
		t.Fatalf("took %d deliveries, want 1", len(taken))
	}
	if err := attempt(t, s, taken[0].Delivery, webhook.Attempt{At: base.Add(time.Minute), Status: 200}, base.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Views.DeliveryResults(t.Context(), store.AskResults{Tenant: tenant, IDs: []string{e.ID, "other"}, Last: 9})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "tally", map[string]store.DeliveryTally{e.ID: {Delivered: 1, Pending: 2}}, got)
	two, err := s.Views.DeliveryResults(t.Context(), store.AskResults{Tenant: tenant, IDs: []string{e.ID}, Last: 2})
	same(t, "newest", 2, two[e.ID].Delivered+two[e.ID].Pending)
	same(t, "error", error(nil), err)
	got, err = s.Views.DeliveryResults(t.Context(), store.AskResults{Tenant: "ten_other", IDs: []string{e.ID}, Last: 9})
	same(t, "another tenant", 0, len(got))
	same(t, "error", error(nil), err)
}

func pendingApprovals(t *testing.T, s store.Store) {
	pool(t, s, 2)
	f := begun(t, s)
	waitingJob(t, s)
	_, r := waitingJob(t, s)
	if _, err := decide(t, s, r, "ann", true); err != nil {
		t.Fatal(err)
	}
	node := question(t, "", func(r *approval.Request) { r.Subject, r.Kind = approval.NodeSubject(f.id, "ask"), "workflow_node" })
	if _, err := s.Approvals.Create(t.Context(), store.CreateApproval{Request: node}); err != nil {
		t.Fatal(err)
	}
	for x, want := range map[string]int{tenant: 2, "ten_other": 0} {
		n, err := s.Views.PendingApprovals(t.Context(), x)
		same(t, "pending", want, n)
		same(t, "error", error(nil), err)
	}
	got, err := s.Views.WaitingApprovals(t.Context(), tenant)
	same(t, "of workflows", map[string]int{"wf_a": 1}, got)
	same(t, "error", error(nil), err)
}

func workflowResults(t *testing.T, s store.Store) {
	pool(t, s, 5)
	var ids []string
	for range 3 {
		f := begun(t, s)
		ids = append(ids, f.id)
		if len(ids) == 1 {
			succeed(t, s, f.Claimed)
		}
	}
	slices.Sort(ids)
	got, err := s.Views.WorkflowResults(t.Context(), store.AskResults{Tenant: tenant, IDs: []string{"none", "wf_a"}, Last: 2})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "workflows", 1, len(got))
	same(t, "newest", []string{ids[2], ids[1]}, []string{got["wf_a"][0].RunID, got["wf_a"][1].RunID})
	same(t, "version", 3, got["wf_a"][0].Version)
	other, err := s.Views.WorkflowResults(t.Context(), store.AskResults{Tenant: "ten_other", IDs: []string{"wf_a"}, Last: 2})
	same(t, "another tenant", 0, len(other))
	same(t, "error", error(nil), err)
	tally, err := s.Views.VersionResults(t.Context(), tenant, "wf_a", 100)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "runs", 3, tally[3].Runs)
	same(t, "completed", 1, tally[3].Completed)
	same(t, "last", false, tally[3].LastAt.IsZero())
	page, err := s.Runs.List(t.Context(), store.ListRuns{Tenant: tenant, WorkflowID: "wf_a", Limit: 9})
	same(t, "job runs", 3, len(page.Runs))
	same(t, "error", error(nil), err)
}

func scheduleResults(t *testing.T, s store.Store) {
	n := createPlan(t, s, newSchedule("a", func(x *agenda.Schedule) { x.State.Next = base }))
	due := claimPlans(t, s, "p", base)
	if err := decideOne(t, s, firing(due[0], base, 0, 1, 2)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Views.ScheduleResults(t.Context(), store.AskResults{Tenant: tenant, IDs: []string{"other", n.ID}, Last: 2})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "schedules", 1, len(got))
	var at []time.Time
	for _, e := range got[n.ID] {
		at = append(at, e.Run.Nominal)
		same(t, "status", agenda.RunStatus("QUEUED"), e.Run.Status)
	}
	same(t, "latest first", []time.Time{base.Add(2 * time.Minute), base.Add(time.Minute)}, at)
	got, err = s.Views.ScheduleResults(t.Context(), store.AskResults{Tenant: "ten_other", IDs: []string{n.ID}, Last: 2})
	same(t, "another tenant", 0, len(got))
	same(t, "error", error(nil), err)
}

func schedulesByNext(t *testing.T, s store.Store) {
	for name, in := range map[string]time.Duration{"a": 3, "b": 1, "c": 0, "d": 2, "e": 1} {
		createPlan(t, s, newSchedule(name, func(x *agenda.Schedule) {
			if x.State.Next = base.Add(in * time.Hour); in == 0 {
				x.State.Next = time.Time{}
			}
		}))
	}
	var names []string
	p := store.ListSchedules{Tenant: tenant, ByNext: true, Limit: 2}
	for range 3 {
		page, err := s.Schedules.List(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page.Schedules {
			names, p.AfterName, p.AfterNext = append(names, x.Name), x.Name, x.State.Next
		}
		same(t, "more", len(names) < 5, page.More)
	}
	same(t, "those that fire next first, those that never do last", []string{"b", "e", "d", "a", "c"}, names)
}
