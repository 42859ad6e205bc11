package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

func approvalChecks() []check {
	return []check{
		{"Approvals/KeepEveryField", approvalFields},
		{"Approvals/JobWaitsUntilApproved", approvalApproved},
		{"Approvals/RejectedJobIsSkipped", approvalRejected},
		{"Approvals/ExpiredJobIsSkipped", approvalExpired},
		{"Approvals/EndOfTheJobSupersedes", approvalJobEnds},
		{"Approvals/RefuseWhatMayNotDecide", approvalRefusals},
		{"Approvals/SeveralPeople", approvalSeveral},
		{"Approvals/RerequestTakesThePlace", approvalRerequest},
		{"Approvals/ExpiryAsksAgain", approvalAsksAgain},
		{"Approvals/ListFiltersAndPages", approvalList},
		{"Approvals/OtherSubjectsAndTenants", approvalOthers},
		{"Approvals/KeyAndAuditAreOneWithTheDecision", approvalKeys},
		{"Approvals/CountAsHeld", approvalCounted},
		{"Approvals/KeepForms", approvalForm},
		{"Approvals/Withdraw", approvalWithdrawn},
		{"Approvals/Remind", approvalReminded},
		{"Approvals/DelegatesDecide", approvalDelegated},
		{"Approvals/DelegationsAreRefused", approvalDelegationRefused},
		{"Approvals/NobodyCountsTwice", approvalCountsOnce},
		{"Approvals/DelegationRaces", approvalDelegationRace},
		{"Approvals/ExactlyOneOutcome", approvalRace},
	}
}

func person(name string) approval.Person { return approval.Person{Name: name} }

// question is a valid request about a job, an hour from base.
func question(t testing.TB, jobID string, edit ...func(*approval.Request)) approval.Request {
	t.Helper()
	r := approval.Request{
		ID: id.New(id.Approval, base), Tenant: tenant, Kind: approval.KindRunJob, Subject: approval.Subject{Type: approval.SubjectJob, ID: jobID},
		Title: "Run the job?", RequestedBy: person("asker"), RequestedAt: base, ExpiresAt: base.Add(time.Hour), MaxReRequests: 2,
		Content: []byte(`{"params":{}}`),
	}
	for _, e := range edit {
		e(&r)
	}
	r, err := approval.New(r)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// waiting adds a job that waits for an approval.
func waitingJob(t testing.TB, s store.Store, edit ...func(*approval.Request)) (job.Job, approval.Request) {
	t.Helper()
	j := newJob()
	r := question(t, j.ID, edit...)
	added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{j}, Approvals: []approval.Request{r}})
	if err != nil {
		t.Fatalf("add: %v", err)
	}
	return added[0].Job, r
}

func decide(t testing.TB, s store.Store, r approval.Request, by string, yes bool) (approval.Request, error) {
	t.Helper()
	return s.Approvals.Decide(t.Context(), store.DecideApproval{
		Tenant: r.Tenant, ID: r.ID, Approve: yes, By: person(by), Comment: "c", ContentHash: r.ContentHash, Now: base.Add(time.Minute),
	})
}

func readApproval(t testing.TB, s store.Store, id string) approval.Request {
	t.Helper()
	r, err := s.Approvals.Approval(t.Context(), tenant, id)
	if err != nil {
		t.Fatalf("read approval: %v", err)
	}
	return r
}

func expireAt(t testing.TB, s store.Store, now time.Time) store.ExpiredApprovals {
	t.Helper()
	out, err := s.Approvals.Expire(t.Context(), store.ExpireApprovals{Now: now, Limit: 100})
	if err != nil {
		t.Fatalf("expire: %v", err)
	}
	return out
}

// announced are the events of a type, as approval ids and statuses.
func announced(t testing.TB, s store.Store, types ...event.Type) []string {
	t.Helper()
	var out []string
	for seq := int64(0); ; {
		evs, err := s.Events.Since(t.Context(), tenant, seq, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range evs {
			seq = e.Seq
			if slices.Contains(types, e.Type) {
				out = append(out, string(e.Type)+" "+e.Data["approval_id"]+" "+e.Data["status"])
			}
		}
		if len(evs) == 0 {
			return out
		}
	}
}

func approvalFields(t *testing.T, s store.Store) {
	j, want := waitingJob(t, s, func(r *approval.Request) {
		r.Title, r.Content = "Sorgfältig \"x\" \u2028🚀", []byte(`{"b": 1,  "a":"\u0000"}`)
		r.Summary = []approval.Field{{Name: "num_orders", Label: "Orders", Type: approval.Number, Value: "3"}, {Name: "buy_value", Type: approval.Money, Value: "12.50 USD"}}
		r.Table = approval.Listing{Columns: []approval.Column{{Name: "symbol", Type: approval.Text}}, Rows: [][]string{{"A"}, {"B"}}}
		r.RequestedBy = approval.Person{Name: "asker", ID: "usr_1", MadeBy: "maker"}
		r.Remind, r.OnExpire, r.MinApprovals = []time.Duration{time.Minute, 30 * time.Minute}, approval.ExpireReRequest, 2
		r.AllowRequester, r.RequireComment, r.MaxReRequests = true, true, 5
	})
	same(t, "stored", want, readApproval(t, s, want.ID))
	if approval.Hash(readApproval(t, s, want.ID)) != want.ContentHash {
		t.Error("what was read has another hash")
	}
	same(t, "the job waits", want.ID, j.ApprovalID)
	if !j.ApprovalUntil.Equal(want.ExpiresAt) || j.Ready() {
		t.Errorf("the job waits until %v, ready %v", j.ApprovalUntil, j.Ready())
	}
	same(t, "job as read", j, read(t, s, j.ID))
	got, err := decide(t, s, want, "ann", true)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "one of two", approval.Pending, got.Status)
	same(t, "as read", readApproval(t, s, want.ID), got)
	same(t, "decisions", []approval.Decision{{By: person("ann"), Approved: true, Comment: "c", At: base.Add(time.Minute)}}, got.Decisions)
}

func approvalApproved(t *testing.T, s store.Store) {
	pool(t, s, 2)
	j, r := waitingJob(t, s)
	if got := claim(t, s, 2); len(got) != 0 {
		t.Fatal("claimed before it was approved")
	}
	got, err := decide(t, s, r, "ann", true)
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != approval.Approved || got.Last().By.Name != "ann" || !got.DecidedAt.Equal(base.Add(time.Minute)) {
		t.Errorf("decided: %+v", got)
	}
	same(t, "as read", readApproval(t, s, r.ID), got)
	c := claimOne(t, s)
	if c.Job.ID != j.ID || c.Job.ApprovalID != r.ID {
		t.Errorf("claimed %+v", c.Job)
	}
	same(t, "events", []string{"approval.requested " + r.ID + " PENDING", "approval.decided " + r.ID + " APPROVED", "job.approved  "},
		announced(t, s, event.ApprovalRequested, event.ApprovalDecided, event.JobApproved))
}

// skippedFor fails unless the job was skipped with the reason.
func skippedFor(t testing.TB, s store.Store, jobID, reason string) {
	t.Helper()
	j := read(t, s, jobID)
	if j.State != job.Skipped {
		t.Fatalf("the job is %s", j.State)
	}
	r, err := s.Runs.Run(t.Context(), tenant, j.RunID)
	if err != nil || r.State != run.Skipped || r.Reason != reason {
		t.Errorf("its run is %s, %q, %v", r.State, r.Reason, err)
	}
}

func approvalRejected(t *testing.T, s store.Store) {
	pool(t, s, 1)
	j, r := waitingJob(t, s)
	got, err := decide(t, s, r, "asker", false) // anybody may refuse, also who asked
	if err != nil || got.Status != approval.Rejected {
		t.Fatalf("%+v, %v", got, err)
	}
	skippedFor(t, s, j.ID, approval.ReasonRejected)
	_, err = decide(t, s, r, "ann", true)
	wantCode(t, err, fault.ApprovalClosed)
	if len(claim(t, s, 1)) != 0 {
		t.Error("a rejected job was claimed")
	}
}

func approvalExpired(t *testing.T, s store.Store) {
	j, r := waitingJob(t, s)
	early := expireAt(t, s, r.ExpiresAt.Add(-time.Millisecond))
	if len(early.Requests) != 0 || !early.NextAt.Equal(r.ExpiresAt) {
		t.Fatalf("too early: %+v", early)
	}
	_, err := s.Approvals.Decide(t.Context(), store.DecideApproval{
		Tenant: tenant, ID: r.ID, Approve: true, By: person("ann"), ContentHash: r.ContentHash, Now: r.ExpiresAt,
	})
	wantCode(t, err, fault.ApprovalClosed) // nobody had looked yet, and still it is over
	out := expireAt(t, s, r.ExpiresAt)
	if len(out.Requests) != 1 || out.Requests[0].Status != approval.Expired || !out.NextAt.IsZero() {
		t.Fatalf("expired: %+v", out)
	}
	skippedFor(t, s, j.ID, approval.ReasonExpired)
	if again := expireAt(t, s, r.ExpiresAt.Add(time.Hour)); len(again.Requests) != 0 {
		t.Error("expired twice")
	}
}

func approvalJobEnds(t *testing.T, s store.Store) {
	pool(t, s, 1)
	j, r := waitingJob(t, s)
	j = mustMove(t, s, j, job.CancelAsked{At: base, By: "ann"})
	got := readApproval(t, s, r.ID)
	if got.Status != approval.Superseded || got.ReplacedBy != "" || got.Reason == "" {
		t.Errorf("after a cancel: %+v", got)
	}
	if _, err := job.Apply(j, job.Restored{At: base}); !fault.Is(err, fault.AlreadyFinished) {
		t.Errorf("restored without its approval: %v", err)
	}
	late := newJob(func(j *job.Job) { j.StartDeadline = base.Add(time.Minute) })
	second := question(t, late.ID)
	if _, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{late}, Approvals: []approval.Request{second}}); err != nil {
		t.Fatal(err)
	}
	claimAt(t, s, "a", 1, base.Add(2*time.Minute))
	skippedFor(t, s, late.ID, job.ReasonDeadline)
	same(t, "after its deadline", approval.Superseded, readApproval(t, s, second.ID).Status)
}

func approvalRefusals(t *testing.T, s store.Store) {
	j, r := waitingJob(t, s)
	_, err := decide(t, s, r, "asker", true)
	wantCode(t, err, fault.SelfApproval)
	other := r
	other.ContentHash = "sha256:00"
	_, err = decide(t, s, other, "ann", true)
	wantCode(t, err, fault.ApprovalContentChanged)
	_, err = decide(t, s, other, "ann", false)
	wantCode(t, err, fault.ApprovalContentChanged)
	other = r
	other.ID = id.New(id.Approval, base)
	_, err = decide(t, s, other, "ann", true)
	wantCode(t, err, fault.NotFound)
	same(t, "untouched", r, readApproval(t, s, r.ID))
	same(t, "job untouched", j, read(t, s, j.ID))
}

func approvalSeveral(t *testing.T, s store.Store) {
	j, r := waitingJob(t, s, func(r *approval.Request) { r.MinApprovals = 2 })
	if _, err := decide(t, s, r, "ann", true); err != nil {
		t.Fatal(err)
	}
	_, err := decide(t, s, r, "ann", true)
	wantCode(t, err, fault.AlreadyDecided)
	if read(t, s, j.ID).ApprovalUntil.IsZero() {
		t.Error("released by one of two")
	}
	got, err := decide(t, s, r, "bob", true)
	if err != nil || got.Status != approval.Approved || !read(t, s, j.ID).Ready() {
		t.Errorf("%+v, %v", got, err)
	}
}

func again(t testing.TB, r approval.Request) approval.Request {
	t.Helper()
	n, err := r.Again(id.New(id.Approval, base), person("again"), base.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func approvalRerequest(t *testing.T, s store.Store) {
	j, r := waitingJob(t, s)
	n := again(t, r)
	_, err := s.Approvals.Rerequest(t.Context(), store.RerequestApproval{New: n, ContentHash: "sha256:00", Now: base})
	wantCode(t, err, fault.ApprovalContentChanged)
	got, err := s.Approvals.Rerequest(t.Context(), store.RerequestApproval{New: n, ContentHash: r.ContentHash, Reason: "prices moved", Now: base})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the new one", readApproval(t, s, n.ID), got)
	old := readApproval(t, s, r.ID)
	if old.Status != approval.Superseded || old.ReplacedBy != n.ID || old.Reason != "prices moved" || got.Replaces != r.ID || got.Round != 2 {
		t.Errorf("old %+v, new %+v", old, got)
	}
	now := read(t, s, j.ID)
	if now.ApprovalID != n.ID || !now.ApprovalUntil.Equal(n.ExpiresAt) {
		t.Errorf("the job waits for %s until %v", now.ApprovalID, now.ApprovalUntil)
	}
	_, err = decide(t, s, r, "ann", true)
	wantCode(t, err, fault.ApprovalClosed) // old links are dead
	_, err = s.Approvals.Rerequest(t.Context(), store.RerequestApproval{New: again(t, r), ContentHash: r.ContentHash, Now: base})
	wantCode(t, err, fault.ApprovalClosed)
	if _, err := decide(t, s, n, "ann", true); err != nil || !read(t, s, j.ID).Ready() {
		t.Errorf("the new one approved: %v", err)
	}
}

func approvalAsksAgain(t *testing.T, s store.Store) {
	j, r := waitingJob(t, s, func(r *approval.Request) { r.OnExpire, r.MaxReRequests = approval.ExpireReRequest, 1 })
	out := expireAt(t, s, r.ExpiresAt)
	if len(out.Requests) != 1 || out.Requests[0].Status != approval.Expired || out.Requests[0].ReplacedBy == "" {
		t.Fatalf("%+v", out)
	}
	n := readApproval(t, s, out.Requests[0].ReplacedBy)
	if n.Status != approval.Pending || n.Round != 2 || read(t, s, j.ID).ApprovalID != n.ID || !out.NextAt.Equal(n.ExpiresAt) {
		t.Errorf("new: %+v, next %v", n, out.NextAt)
	}
	expireAt(t, s, n.ExpiresAt)
	skippedFor(t, s, j.ID, approval.ReasonExpired)
}

func approvalList(t *testing.T, s store.Store) {
	var all []approval.Request
	for i := range 5 {
		_, r := waitingJob(t, s, func(r *approval.Request) {
			r.RequestedAt = base.Add(time.Duration(i/2) * time.Second)
			if i == 3 {
				r.Kind = "other"
			}
		})
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b approval.Request) int {
		if !a.RequestedAt.Equal(b.RequestedAt) {
			return b.RequestedAt.Compare(a.RequestedAt)
		}
		return map[bool]int{true: 1, false: -1}[a.ID < b.ID]
	})
	if _, err := decide(t, s, all[0], "ann", true); err != nil {
		t.Fatal(err)
	}
	listed := func(p store.ListApprovals) (out []string) {
		p.Tenant, p.Limit = tenant, 2
		for {
			page, err := s.Approvals.List(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Requests {
				out = append(out, r.ID)
				p.After = &store.ApprovalPosition{At: r.RequestedAt, ID: r.ID}
			}
			if !page.More {
				return out
			}
		}
	}
	pick := func(f func(int, approval.Request) bool) (out []string) {
		for i, r := range all {
			if f(i, r) {
				out = append(out, r.ID)
			}
		}
		return out
	}
	same(t, "all", pick(func(int, approval.Request) bool { return true }), listed(store.ListApprovals{}))
	same(t, "pending", pick(func(i int, _ approval.Request) bool { return i > 0 }), listed(store.ListApprovals{Statuses: []approval.Status{approval.Pending}}))
	same(t, "kind", pick(func(_ int, r approval.Request) bool { return r.Kind == "other" }), listed(store.ListApprovals{Kinds: []approval.Kind{"other"}}))
	same(t, "subject", []string{all[2].ID}, listed(store.ListApprovals{Subject: all[2].Subject}))

	// Of a run of a workflow: all of its nodes, nothing of runs whose ids are near.
	flow := id.New(id.WorkflowRun, base)
	var ofRun []string
	subjects := []approval.Subject{
		approval.NodeSubject(flow, "ask"), approval.NodeSubject(flow, "zz-last"), approval.NodeSubject(flow+"0", "ask"),
		approval.NodeSubject(flow[:len(flow)-1], "ask"),
		{Type: approval.SubjectWorkflowNode, ID: flow},
		{Type: "execution", ID: flow + "/ask"},
	}
	for i, subject := range subjects {
		r := question(t, "", func(r *approval.Request) {
			r.Subject, r.RequestedAt = subject, base.Add(time.Duration(10+i)*time.Second)
		})
		if _, err := s.Approvals.Create(t.Context(), store.CreateApproval{Request: r}); err != nil {
			t.Fatal(err)
		}
		if i < 2 {
			ofRun = append([]string{r.ID}, ofRun...)
		}
	}
	same(t, "run of a workflow", ofRun, listed(store.ListApprovals{RunID: flow}))
	same(t, "run and status", ofRun, listed(store.ListApprovals{RunID: flow, Statuses: []approval.Status{approval.Pending}}))
	same(t, "another run", []string(nil), listed(store.ListApprovals{RunID: id.New(id.WorkflowRun, base)}))
}

func approvalOthers(t *testing.T, s store.Store) {
	other := func(r *approval.Request) {
		r.Subject, r.Kind = approval.Subject{Type: "execution", ID: "exec_1"}, "orders"
	}
	r := question(t, "", other)
	if _, err := s.Approvals.Create(t.Context(), store.CreateApproval{Request: r}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Approvals.Create(t.Context(), store.CreateApproval{Request: question(t, "", other)})
	wantCode(t, err, fault.Conflict)
	foreign := r
	foreign.Tenant = "ten_other"
	_, err = decide(t, s, foreign, "ann", true)
	wantCode(t, err, fault.NotFound)
	_, err = s.Approvals.Approval(t.Context(), "ten_other", r.ID)
	wantCode(t, err, fault.NotFound)
	page, err := s.Approvals.List(t.Context(), store.ListApprovals{Tenant: "ten_other", Limit: 5})
	if err != nil || len(page.Requests) != 0 {
		t.Errorf("another tenant sees %v, %v", page, err)
	}
	if got, err := decide(t, s, r, "ann", true); err != nil || got.Status != approval.Approved {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.Approvals.Create(t.Context(), store.CreateApproval{Request: question(t, "", other)}); err != nil {
		t.Errorf("a second question after the first was answered: %v", err)
	}
}

func approvalKeys(t *testing.T, s store.Store) {
	_, r := waitingJob(t, s)
	p := store.DecideApproval{
		Tenant: tenant, ID: r.ID, Approve: true, By: person("ann"), ContentHash: r.ContentHash, Now: base.Add(time.Minute),
		Key:   &store.Key{Tenant: tenant, Owner: "o", Text: "k", Hash: "h", Now: base, Expires: base.Add(time.Hour), Render: func(any) (store.Reply, error) { return store.Reply{Status: 200}, nil }},
		Audit: &audit.Entry{Tenant: tenant, At: base, Action: audit.ApprovalApproved, Object: r.ID},
	}
	if _, err := s.Approvals.Decide(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Approvals.Decide(t.Context(), p); err == nil {
		t.Error("decided twice under one key")
	} else if rep, ok := isReplay(err); !ok || rep.Status != 200 {
		t.Errorf("replay: %v", err)
	}
	p.Key = nil
	_, err := s.Approvals.Decide(t.Context(), p)
	wantCode(t, err, fault.ApprovalClosed)
	page, err := s.Audit.List(t.Context(), store.ListAudit{Tenant: tenant, Limit: 10})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Detail["status"] != "APPROVED" || page.Entries[0].Detail["content_hash"] != r.ContentHash {
		t.Errorf("audit: %+v, %v", page.Entries, err)
	}
	_, late := waitingJob(t, s)
	expireAt(t, s, late.ExpiresAt)
	if page, err = s.Audit.List(t.Context(), store.ListAudit{Tenant: tenant, Limit: 10}); err != nil || len(page.Entries) != 2 {
		t.Errorf("audit of an expiry: %+v, %v", page.Entries, err)
	}
}

// approvalCounted: a job that waits for an approval counts as held.
func approvalCounted(t *testing.T, s store.Store) {
	waitingJob(t, s)
	add(t, s, newJob())
	got, err := s.Jobs.Statistics(t.Context(), store.AskStatistics{Tenant: tenant, Since: base, Starts: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got.Queued != 2 || got.Held != 1 || got.Delayed != 0 {
		t.Errorf("%d queued, %d held, %d delayed", got.Queued, got.Held, got.Delayed)
	}
}
