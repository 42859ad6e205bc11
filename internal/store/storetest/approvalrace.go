package storetest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// approvalRounds is how many requests are fought over; -short takes a tenth.
const approvalRounds = 500

// approvalRace lets ten actors meet at each request: two approve, and there are
// a rejection, two expiries, a cancel of the job, a re-request, a claim, and two who hand
// it on and take it back, which decides nothing. Each request ends once, by exactly one
// of the others, and the job agrees with it.
func approvalRace(t *testing.T, s store.Store) {
	pool(t, s, 4)
	rounds := approvalRounds
	if testing.Short() {
		rounds /= 10
	}
	outcomes := map[approval.Status]int{}
	for i := range rounds {
		outcomes[approvalRound(t, s, i)]++
		if t.Failed() {
			t.Fatalf("in round %d", i)
		}
	}
	if decided, asked := len(announced(t, s, event.ApprovalDecided, event.ApprovalExpired)), len(announced(t, s, event.ApprovalRequested)); decided != asked {
		t.Errorf("%d requests were announced and %d ends", asked, decided)
	}
	t.Logf("outcomes: %v", outcomes)
}

// approvalRound is one fight. It returns how the first request ended.
func approvalRound(t *testing.T, s store.Store, round int) approval.Status {
	t.Helper()
	j, r := waitingJob(t, s)
	n := again(t, r)
	var wins, early atomic.Int32
	won := func(err error, expected ...fault.Code) {
		if err == nil {
			wins.Add(1)
			return
		}
		for _, c := range expected {
			if fault.Is(err, c) {
				return
			}
		}
		t.Errorf("an actor got %v", err)
	}
	expire := func() {
		out, err := s.Approvals.Expire(t.Context(), store.ExpireApprovals{Now: r.ExpiresAt, Limit: 10})
		if err != nil {
			t.Errorf("expire: %v", err)
		}
		for _, e := range out.Requests {
			if e.ID == r.ID {
				wins.Add(1)
			}
		}
	}
	actors := []func(){
		func() { _, err := decide(t, s, r, "ann", true); won(err, fault.ApprovalClosed) },
		func() { _, err := decide(t, s, r, "bob", true); won(err, fault.ApprovalClosed) },
		func() { _, err := decide(t, s, r, "eve", false); won(err, fault.ApprovalClosed) },
		expire, expire,
		func() { cancelWaiting(t, s, j.ID) },
		func() {
			_, err := s.Approvals.Rerequest(t.Context(), store.RerequestApproval{New: n, ContentHash: r.ContentHash, Now: base.Add(time.Minute)})
			won(err, fault.ApprovalClosed)
		},
		func() {
			if _, err := delegate(t, s, r, "cid", "dan"); err != nil && !fault.Is(err, fault.ApprovalClosed) {
				t.Errorf("delegate: %v", err)
			}
		},
		func() {
			if _, err := recall(t, s, r, "cid"); err != nil && !fault.Is(err, fault.ApprovalClosed) && !fault.Is(err, fault.NotFound) {
				t.Errorf("recall: %v", err)
			}
		},
		func() {
			c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "a", Now: base, Poll: true, Room: 4, Decide: firstRunnable})
			if err != nil {
				t.Errorf("claim: %v", err)
			}
			for _, x := range c.Started {
				if x.Job.ID == j.ID && readApproval(t, s, r.ID).Status != approval.Approved {
					early.Add(1)
				}
			}
		},
	}
	together(len(actors), func(i int) { actors[(i+round)%len(actors)]() })
	if early.Load() > 0 {
		t.Errorf("the job started unapproved")
	}
	got := readApproval(t, s, r.ID)
	if got.Status == approval.Superseded && got.ReplacedBy == "" {
		wins.Add(1) // the cancel
	}
	if wins.Load() != 1 || got.Status == approval.Pending {
		t.Errorf("%d actors won, the request is %s", wins.Load(), got.Status)
	}
	approvalAgrees(t, s, j.ID, got, n)
	approvalTidy(t, s, j.ID, n)
	return got.Status
}

// cancelWaiting cancels the job, whatever happens to it meanwhile.
func cancelWaiting(t *testing.T, s store.Store, jobID string) {
	for {
		c, err := job.Apply(read(t, s, jobID), job.CancelAsked{At: base, By: "ann"})
		if err != nil {
			if !fault.Is(err, fault.AlreadyFinished) {
				t.Errorf("cancel: %v", err)
			}
			return
		}
		_, err = s.Jobs.Move(t.Context(), store.MoveJob{Change: c})
		if err == nil {
			return
		}
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("cancel: %v", err)
			return
		}
	}
}

// approvalAgrees compares a job with the end of its request, or with the state of
// the one that took its place.
func approvalAgrees(t *testing.T, s store.Store, jobID string, r, next approval.Request) {
	t.Helper()
	j := read(t, s, jobID)
	if r.ReplacedBy != "" {
		if r.ReplacedBy != next.ID {
			t.Errorf("%s took the place", r.ReplacedBy)
		}
		if r = readApproval(t, s, next.ID); r.Status == approval.Pending {
			if !j.AwaitsApproval() || j.ApprovalID != r.ID {
				t.Errorf("%s is pending, and the job is %s", r.ID, j.State)
			}
			return
		}
	}
	switch r.Status {
	case approval.Approved:
		if j.AwaitsApproval() || j.State == job.Skipped {
			t.Errorf("approved, and the job is %s", j.State)
		}
	case approval.Rejected:
		skippedFor(t, s, jobID, approval.ReasonRejected)
	case approval.Expired:
		skippedFor(t, s, jobID, approval.ReasonExpired)
	case approval.Superseded:
		if j.State != job.Cancelled {
			t.Errorf("withdrawn, and the job is %s", j.State)
		}
	case approval.Pending:
		t.Error("nobody won")
	}
}

// approvalTidy ends what a round has left.
func approvalTidy(t *testing.T, s store.Store, jobID string, next approval.Request) {
	t.Helper()
	if j := read(t, s, jobID); j.State == job.Running {
		cs, err := s.Jobs.Running(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cs {
			if err := finishWith(t, s, c, job.Broke{At: base.Add(time.Minute), Failure: job.Failure{Code: "x"}, Fatal: true}); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	cancelWaiting(t, s, jobID)
	if _, err := s.Approvals.Approval(t.Context(), tenant, next.ID); err == nil {
		if r := readApproval(t, s, next.ID); r.Status == approval.Pending {
			t.Errorf("%s is pending, and its job is gone", r.ID)
		}
	} else if !fault.Is(err, fault.NotFound) {
		t.Fatal(errors.Unwrap(err))
	}
}
