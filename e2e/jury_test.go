//go:build linux

package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/job"
)

// jury has read everything that is to be known about the races, when all is quiet.
type jury struct {
	t         *testing.T
	cl        *client.Client
	r         *ring
	approvals map[string]client.Approval // by id
	jobs      map[string]client.Job      // by id
	runs      map[string][]client.Run    // by job
	outcomes  map[string]int
}

func newJury(t *testing.T, r *ring) *jury {
	t.Helper()
	cl, err := client.New(client.Options{URL: r.servers[0].url, Token: adminToken})
	if err != nil {
		t.Fatal(err)
	}
	j := &jury{
		t: t, cl: cl, r: r, approvals: map[string]client.Approval{}, jobs: map[string]client.Job{},
		runs: map[string][]client.Run{}, outcomes: map[string]int{},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for a, err := range cl.Approvals(ctx, client.ApprovalFilter{PageSize: 200}) {
		if err != nil {
			t.Fatal(err)
		}
		j.approvals[a.ApprovalID] = a
	}
	for x, err := range cl.Jobs(ctx, client.JobFilter{PageSize: 200}) {
		if err != nil {
			t.Fatal(err)
		}
		j.jobs[x.JobID] = x
	}
	for x, err := range cl.Runs(ctx, client.RunFilter{PageSize: 200}) {
		if err != nil {
			t.Fatal(err)
		}
		j.runs[*x.JobID] = append(j.runs[*x.JobID], x)
	}
	return j
}

// entries are the audit record's entries about approvals.
func (j *jury) entries() []client.AuditEntry {
	j.t.Helper()
	actions := []string{"approval.approve", "approval.reject", "approval.re_request", "approval.expire"}
	out, err := client.Collect(j.cl.Audit(j.t.Context(), client.AuditFilter{Action: actions, PageSize: 200}), 0)
	if err != nil {
		j.t.Fatal(err)
	}
	return out
}

// judge proves I11 of everything that was read.
func (j *jury) judge(asked int) {
	j.t.Helper()
	if len(j.jobs) != asked {
		j.t.Errorf("%d jobs were acknowledged, %d are there", asked, len(j.jobs))
	}
	for _, a := range j.approvals {
		j.ended(a)
		if a.ReplacedBy == nil {
			j.followed(a)
		}
	}
	j.audited()
	j.kept()
	j.witnessed()
	j.t.Logf("outcomes: %v of %d approvals of %d jobs", j.outcomes, len(j.approvals), len(j.jobs))
	for _, status := range []string{"APPROVED", "REJECTED", "EXPIRED", "SUPERSEDED"} {
		if j.outcomes[status] == 0 {
			j.t.Errorf("none became %s: the race tested too little", status)
		}
	}
}

// ended: one terminal status, that its decisions bear out, in time.
func (j *jury) ended(a client.Approval) {
	t := j.t
	j.outcomes[a.Status]++
	if a.EndedAt == nil {
		t.Errorf("%s is %s at the end of everything", a.ApprovalID, a.Status)
		return
	}
	var yes []string
	no := 0
	for _, d := range a.Decisions {
		if !d.DecidedAt.Before(a.ExpiresAt) {
			t.Errorf("I11: %s, which expired at %v, was decided at %v", a.ApprovalID, a.ExpiresAt, d.DecidedAt)
		}
		if d.Approved {
			yes = append(yes, d.DecidedBy)
		} else {
			no++
		}
	}
	slices.Sort(yes)
	if len(slices.Compact(yes)) != approved(a) || slices.Contains(yes, a.RequestedBy) {
		t.Errorf("I11: %s was approved twice by one person, or by who asked: %v", a.ApprovalID, a.Decisions)
	}
	ok := false
	switch a.Status {
	case "APPROVED":
		ok = approved(a) == a.MinApprovals && no == 0 && a.ReplacedBy == nil && a.ApprovedAt != nil && a.ApprovedAt.Equal(*a.EndedAt)
	case "REJECTED":
		ok = approved(a) < a.MinApprovals && no == 1 && a.ReplacedBy == nil
	case "EXPIRED":
		ok = approved(a) < a.MinApprovals && no == 0 && !a.EndedAt.Before(a.ExpiresAt)
	case "SUPERSEDED":
		ok = approved(a) < a.MinApprovals && no == 0
	}
	if !ok {
		t.Errorf("I11: %s is %s, and that is not what was decided: %+v", a.ApprovalID, a.Status, a)
	}
}

func approved(a client.Approval) int {
	n := 0
	for _, d := range a.Decisions {
		if d.Approved {
			n++
		}
	}
	return n
}

// followed: the job did what the last approval about it says, and nothing else.
func (j *jury) followed(a client.Approval) {
	t := j.t
	x, ok := j.jobs[a.Subject.ID]
	if !ok || x.ApprovalID == nil || *x.ApprovalID != a.ApprovalID {
		t.Errorf("the job %s does not know that %s is the last about it", a.Subject.ID, a.ApprovalID)
		return
	}
	reason, started := "", 0
	for _, run := range j.runs[x.JobID] {
		if run.StartedAt != nil && (run.Status == nil || *run.Status != "SKIPPED") {
			started++
			if a.Status != "APPROVED" || run.StartedAt.Before(*a.EndedAt) {
				t.Errorf("I11: %s started at %v, and its approval is %s since %v", x.JobID, run.StartedAt, a.Status, a.EndedAt)
			}
			j.sameContent(a, x, run)
		} else if run.Reason != nil {
			reason = *run.Reason
		}
	}
	ok = false
	switch a.Status {
	case "APPROVED":
		ok = x.Status == "COMPLETED" && started > 0 || x.Status == "CANCELLED"
	case "REJECTED":
		ok = x.Status == "SKIPPED" && started == 0 && reason == approval.ReasonRejected
	case "EXPIRED":
		ok = x.Status == "SKIPPED" && started == 0 && reason == approval.ReasonExpired
	case "SUPERSEDED":
		ok = x.Status == "CANCELLED" && started == 0
	}
	if !ok {
		t.Errorf("I11: %s is %s, and its job %s is %s (%s) after %d starts", a.ApprovalID, a.Status, x.JobID, x.Status, reason, started)
	}
}

// sameContent: the hash that was approved is that of what was executed, worked out
// anew from the run.
func (j *jury) sameContent(a client.Approval, x client.Job, run client.Run) {
	made := job.Job{
		ID: x.JobID, Tenant: "default", Name: x.Name, Type: run.JobType, Params: run.Params,
		Locks: x.Locks, Trigger: job.Trigger(x.Trigger),
	}
	ask := made.Request("x", approval.Person{Name: "x"}, a.RequestedAt, 0)
	ask.MinApprovals = a.MinApprovals
	if got := approval.Hash(ask); got != a.ContentHash {
		j.t.Errorf("I11: %s was approved with the hash %s, and run %s executed %s", a.ApprovalID, a.ContentHash, run.RunID, got)
	}
}

// audited: each decision, expiry and re-request has its entry, and no other has.
func (j *jury) audited() {
	t := j.t
	got := map[string]map[string]int{}
	for _, e := range j.entries() {
		if got[e.Object] == nil {
			got[e.Object] = map[string]int{}
		}
		got[e.Object][e.Action]++
		// The entry of a re-request tells of the new one, which has the same hash.
		if a, ok := j.approvals[e.Object]; !ok || e.Detail["content_hash"] != a.ContentHash {
			t.Errorf("the entry %d is about %s, whose hash is not %s", e.Seq, e.Object, e.Detail["content_hash"])
		}
	}
	for id, a := range j.approvals {
		want := map[string]int{}
		for _, d := range a.Decisions {
			if d.Approved {
				want["approval.approve"]++
			} else {
				want["approval.reject"]++
			}
		}
		if a.Status == "EXPIRED" {
			want["approval.expire"]++
		}
		if a.Status == "SUPERSEDED" && a.ReplacedBy != nil {
			want["approval.re_request"]++
		}
		for _, action := range []string{"approval.approve", "approval.reject", "approval.re_request", "approval.expire"} {
			if got[id][action] != want[action] {
				t.Errorf("%s is %s, and the audit record has %d entries %s of it, not %d", id, a.Status, got[id][action], action, want[action])
			}
		}
	}
}

// kept: what an actor was told is how it is (I1). One request ends once, so that
// two actors were never both told that they ended it.
func (j *jury) kept() {
	ends := map[string]int{}
	for _, w := range j.r.words {
		a, ok := j.approvals[w.approval]
		if !ok {
			j.t.Errorf("%s is gone", w.approval)
			continue
		}
		switch {
		case w.status == "":
		case w.verb == "re-request":
			ends[w.approval]++
			if a.Status != "SUPERSEDED" || a.ReplacedBy == nil {
				j.t.Errorf("I1: %s was told that %s is replaced, and it is %s", w.by, w.approval, a.Status)
			}
		case w.status == "PENDING": // the first of two
			if !slices.ContainsFunc(a.Decisions, func(d client.ApprovalDecision) bool { return d.DecidedBy == w.by && d.Approved }) {
				j.t.Errorf("I1: %s approved %s, and it does not say so", w.by, w.approval)
			}
		default:
			ends[w.approval]++
			if a.Status != w.status {
				j.t.Errorf("I1: %s was told that %s is %s, and it is %s", w.by, w.approval, w.status, a.Status)
			}
		}
	}
	for id, n := range ends {
		if n > 1 {
			j.t.Errorf("I11: %d actors were told that they ended %s", n, id)
		}
	}
}

// witnessed: no command ran that was not approved.
func (j *jury) witnessed() {
	starts := 0
	for _, s := range testimony(j.t, j.r.dir) {
		if s.what != "start" {
			continue
		}
		starts++
		x := j.jobs[s.job]
		if x.ApprovalID == nil || j.approvals[*x.ApprovalID].Status != "APPROVED" {
			j.t.Errorf("I11: the witness saw %s run, which nobody approved", s.job)
		}
	}
	if starts == 0 {
		j.t.Error("nothing was approved: the race tested nothing")
	}
}
