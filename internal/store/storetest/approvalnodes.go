package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

func aboutNode(r *approval.Request) {
	r.Kind, r.Subject = approval.KindWorkflow, approval.NodeSubject(id.New("wfrun", base), "ask")
	r.Approvers = []string{"role:approver", "user:ann"}
}

func createApproval(t testing.TB, s store.Store) approval.Request {
	t.Helper()
	r, err := s.Approvals.Create(t.Context(), store.CreateApproval{Request: question(t, "x", aboutNode)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func approvalForm(t *testing.T, s store.Store) {
	r := createApproval(t, s)
	form := []byte(`{"limit":5}`)
	got, err := s.Approvals.Decide(t.Context(), store.DecideApproval{
		Tenant: r.Tenant, ID: r.ID, Approve: true, By: person("ann"), ContentHash: r.ContentHash, Form: form, Now: base.Add(time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	again := readApproval(t, s, r.ID)
	if diff := cmp.Diff(got, again); diff != "" {
		t.Error(diff)
	}
	if string(again.Decisions[0].Form) != string(form) || !cmp.Equal(again.Approvers, r.Approvers) {
		t.Errorf("the form is %s, the approvers are %v", again.Decisions[0].Form, again.Approvers)
	}
}

func approvalWithdrawn(t *testing.T, s store.Store) {
	r := createApproval(t, s)
	ask := store.WithdrawApproval{Tenant: tenant, ID: r.ID, Reason: "the run has ended", Now: base.Add(time.Minute)}
	got, err := s.Approvals.Withdraw(t.Context(), ask)
	if err != nil || got.Status != approval.Superseded || got.Reason != ask.Reason {
		t.Fatalf("%+v, %v", got, err)
	}
	ask.Reason = "once more"
	if again, err := s.Approvals.Withdraw(t.Context(), ask); err != nil || again.Reason == ask.Reason || again.Version != got.Version {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := decide(t, s, r, "ann", true); !fault.Is(err, fault.ApprovalClosed) {
		t.Errorf("decided behind it: %v", err)
	}
	ask.Tenant = "another"
	if _, err := s.Approvals.Withdraw(t.Context(), ask); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant: %v", err)
	}
	_, mine := waitingJob(t, s)
	if _, err := s.Approvals.Withdraw(t.Context(), store.WithdrawApproval{Tenant: tenant, ID: mine.ID}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a job's: %v", err)
	}
}

func approvalReminded(t *testing.T, s store.Store) {
	r := createApproval(t, s)
	count := func() (n int) {
		t.Helper()
		for _, e := range since(t, s, 0) {
			if e.Type == event.ApprovalReminder && e.Data["approval_id"] == r.ID {
				n++
			}
		}
		return n
	}
	remind := func(after time.Duration) {
		t.Helper()
		if _, err := s.Approvals.Remind(t.Context(), store.RemindApproval{Tenant: tenant, ID: r.ID, Now: base.Add(after)}); err != nil {
			t.Fatal(err)
		}
	}
	remind(time.Minute)
	if n := count(); n != 1 {
		t.Fatalf("%d reminders, not 1", n)
	}
	remind(2 * time.Hour)
	if n := count(); n != 1 {
		t.Errorf("one that has expired is announced")
	}
	if _, err := decide(t, s, r, "ann", true); err != nil {
		t.Fatal(err)
	}
	remind(2 * time.Minute)
	if n := count(); n != 1 {
		t.Errorf("one that was decided is announced")
	}
}
