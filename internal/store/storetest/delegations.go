package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

func loginOf(name string) approval.Person { return approval.Person{Name: name, ID: "usr_" + name} }

func delegate(t testing.TB, s store.Store, r approval.Request, from, to string) (approval.Request, error) {
	t.Helper()
	return s.Approvals.Delegate(t.Context(), store.DelegateApproval{
		Tenant: r.Tenant, ID: r.ID, From: loginOf(from), To: loginOf(to), Reason: "away", Now: base.Add(time.Minute),
		Audit: &audit.Entry{Tenant: r.Tenant, At: base, Action: audit.ApprovalDelegated, Object: r.ID, Actor: audit.Actor{Name: from}},
	})
}

func recall(t testing.TB, s store.Store, r approval.Request, by string) (approval.Request, error) {
	t.Helper()
	return s.Approvals.Recall(t.Context(), store.RecallApproval{
		Tenant: r.Tenant, ID: r.ID, By: loginOf(by), Now: base.Add(2 * time.Minute),
		Audit: &audit.Entry{Tenant: r.Tenant, At: base, Action: audit.ApprovalRecalled, Object: r.ID, Actor: audit.Actor{Name: by}},
	})
}

func approveAs(t testing.TB, s store.Store, r approval.Request, by string, roles ...string) (approval.Request, error) {
	t.Helper()
	return s.Approvals.Decide(t.Context(), store.DecideApproval{
		Tenant: r.Tenant, ID: r.ID, Approve: true, By: loginOf(by), Roles: roles, ContentHash: r.ContentHash, Now: base.Add(3 * time.Minute),
	})
}

func forAnn(r *approval.Request) { r.Approvers = []string{"user:ann", "role:lead"} }

func approvalDelegated(t *testing.T, s store.Store) {
	pool(t, s, 1)
	j, r := waitingJob(t, s, forAnn)
	_, err := approveAs(t, s, r, "tom", "approver")
	wantCode(t, err, fault.ForbiddenScope)
	got, err := delegate(t, s, r, "ann", "tom")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "delegations", []approval.Delegation{{From: loginOf("ann"), To: loginOf("tom"), Reason: "away", At: base.Add(time.Minute)}}, got.Delegations)
	same(t, "as read", got, readApproval(t, s, r.ID))
	if got.Status != approval.Pending || !got.ExpiresAt.Equal(r.ExpiresAt) || got.ContentHash != r.ContentHash {
		t.Errorf("a delegation changed more: %+v", got)
	}
	if len(claim(t, s, 1)) != 0 {
		t.Fatal("claimed before it was approved")
	}
	_, err = approveAs(t, s, r, "ann")
	wantCode(t, err, fault.ApprovalDelegated)
	if got, err = approveAs(t, s, r, "tom", "approver"); err != nil || got.Status != approval.Approved || len(got.Delegations) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if c := claimOne(t, s); c.Job.ID != j.ID {
		t.Errorf("claimed %s", c.Job.ID)
	}
	_, err = delegate(t, s, r, "ann", "zoe")
	wantCode(t, err, fault.ApprovalClosed)
	_, err = recall(t, s, r, "ann")
	wantCode(t, err, fault.ApprovalClosed)

	// Taken back in time, the delegate has nothing.
	_, other := waitingJob(t, s, forAnn)
	for _, step := range []error{
		second(delegate(t, s, other, "ann", "tom")), second(recall(t, s, other, "ann")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	_, err = approveAs(t, s, other, "tom", "approver")
	wantCode(t, err, fault.ForbiddenScope)
	if _, err = approveAs(t, s, other, "ann"); err != nil {
		t.Error(err)
	}
	same(t, "events", []string{"approval.delegated " + r.ID + " PENDING", "approval.delegated " + other.ID + " PENDING", "approval.recalled " + other.ID + " PENDING"},
		announced(t, s, event.ApprovalDelegated, event.ApprovalRecalled))
	page, err := s.Audit.List(t.Context(), store.ListAudit{Tenant: tenant, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "audit entries", 3, len(page.Entries))
}

func second[T any](_ T, err error) error { return err }

func approvalDelegationRefused(t *testing.T, s store.Store) {
	_, r := waitingJob(t, s, forAnn)
	for name, c := range map[string]struct {
		from, to string
		want     fault.Code
	}{
		"not named":        {"eve", "tom", fault.ForbiddenScope},
		"the requester":    {"asker", "tom", fault.SelfApproval},
		"to the requester": {"ann", "asker", fault.DelegateNotPossible},
		"to himself":       {"ann", "ann", fault.DelegateNotPossible},
	} {
		if _, err := delegate(t, s, r, c.from, c.to); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	_, err := recall(t, s, r, "ann")
	wantCode(t, err, fault.NotFound)
	foreign := r
	foreign.Tenant = "someone-else"
	_, err = delegate(t, s, foreign, "ann", "tom")
	wantCode(t, err, fault.NotFound)
	_, err = recall(t, s, foreign, "ann")
	wantCode(t, err, fault.NotFound)
	_, err = s.Approvals.Delegate(t.Context(), store.DelegateApproval{Tenant: tenant, ID: r.ID, From: loginOf("ann"), To: loginOf("tom"), Reason: "late", Now: r.ExpiresAt})
	wantCode(t, err, fault.ApprovalClosed)
	same(t, "nothing changed", r, readApproval(t, s, r.ID))
	if got := announced(t, s, event.ApprovalDelegated, event.ApprovalRecalled); len(got) != 0 {
		t.Errorf("announced %v", got)
	}
}

// approvalCountsOnce: a word that was handed on and used is used up.
func approvalCountsOnce(t *testing.T, s store.Store) {
	_, r := waitingJob(t, s, func(r *approval.Request) { r.Approvers, r.MinApprovals = []string{"user:ann", "user:bob"}, 2 })
	if _, err := delegate(t, s, r, "ann", "tom"); err != nil {
		t.Fatal(err)
	}
	got, err := approveAs(t, s, r, "tom")
	if err != nil || got.Status != approval.Pending {
		t.Fatalf("one of two: %s, %v", got.Status, err)
	}
	_, err = recall(t, s, r, "ann")
	wantCode(t, err, fault.AlreadyDecided)
	_, err = approveAs(t, s, r, "ann")
	wantCode(t, err, fault.ApprovalDelegated)
	_, err = approveAs(t, s, r, "tom")
	wantCode(t, err, fault.AlreadyDecided)
	_, err = delegate(t, s, r, "bob", "tom")
	wantCode(t, err, fault.DelegateNotPossible)
	_, err = delegate(t, s, r, "tom", "zoe")
	wantCode(t, err, fault.AlreadyDecided)
	if got, err = approveAs(t, s, r, "bob"); err != nil || got.Status != approval.Approved {
		t.Errorf("two of two: %s, %v", got.Status, err)
	}
}

// approvalDelegationRace: the one who takes his word back and the one who uses it meet.
// One of them is first, and the word is used at most once.
func approvalDelegationRace(t *testing.T, s store.Store) {
	for range 30 {
		_, r := waitingJob(t, s, func(r *approval.Request) { r.Approvers, r.MinApprovals = []string{"user:ann", "user:bob"}, 2 })
		if _, err := delegate(t, s, r, "ann", "tom"); err != nil {
			t.Fatal(err)
		}
		var words atomic.Int32
		word := func(by string) {
			switch _, err := approveAs(t, s, r, by); {
			case err == nil:
				words.Add(1)
			case !fault.Is(err, fault.ApprovalDelegated) && !fault.Is(err, fault.ForbiddenScope):
				t.Errorf("%s: %v", by, err)
			}
		}
		actors := []func(){
			func() { word("tom") },
			func() {
				if _, err := recall(t, s, r, "ann"); err != nil && !fault.Is(err, fault.AlreadyDecided) {
					t.Errorf("recall: %v", err)
				}
				word("ann")
			},
		}
		together(len(actors), func(i int) { actors[i]() })
		got := readApproval(t, s, r.ID)
		if words.Load() != 1 || got.Approvals() != 1 || got.Status != approval.Pending {
			t.Fatalf("one word became %d: %+v", words.Load(), got.Decisions)
		}
	}
}
