package api_test

import (
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

// askNode asks about a node of a workflow.
func (b *bundle) askNode(content string, approvers ...string) approval.Request {
	b.t.Helper()
	now := b.clock.Now()
	r, err := approval.New(approval.Request{
		ID: id.New(id.Approval, now), Tenant: access.DefaultTenant, Kind: approval.KindWorkflow,
		Subject: approval.NodeSubject(id.New("wfrun", now), "ask"), Title: "Go on?", RequestedBy: approval.Person{Name: "operator"},
		RequestedAt: now, ExpiresAt: now.Add(time.Hour), Content: []byte(content), Approvers: approvers,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if r, err = b.store.Approvals.Create(b.t.Context(), store.CreateApproval{Request: r}); err != nil {
		b.t.Fatal(err)
	}
	return r
}

func TestApprovalForm(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.askNode(`{"form":{"limit":{"type":"integer","required":true,"max":10},"note":{"type":"string","default":"none"}}}`)
	path := "/api/approvals/" + r.ID
	runID, _, _ := r.Subject.Node()
	got := want(t, b.as(access.Viewer, "GET", path, ""), 200, "").json(t)
	form, _ := got["form"].(map[string]any)
	if got["workflow_run_id"] != runID || got["node_id"] != "ask" || form["limit"] == nil {
		t.Errorf("shown: %v", got)
	}
	for _, bad := range []string{"", `,"form":{}`, `,"form":{"limit":11}`, `,"form":{"limit":"5"}`, `,"form":{"limit":5,"more":1}`} {
		want(t, b.as(access.Approver, "POST", path+"/approve", word(r, bad)), 422, "invalid_input")
	}
	got = want(t, b.as(access.Approver, "POST", path+"/approve", word(r, `,"form":{"limit":5}`)), 200, "").json(t)
	decisions, _ := got["decisions"].([]any)
	one, _ := decisions[0].(map[string]any)
	filled, _ := one["form"].(map[string]any)
	if got["status"] != "APPROVED" || filled["limit"] != 5.0 || filled["note"] != "none" {
		t.Errorf("approved: %v", got)
	}
	other := b.askNode(`{}`)
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+other.ID+"/approve", word(other, `,"form":{"limit":5}`)), 422, "invalid_input")
	again := b.askNode(`{"form":{"limit":{"type":"integer","required":true}}}`)
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+again.ID+"/reject", word(again, "")), 200, "")
}

func TestApproversAreNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.askNode(`{}`, "user:ann", "role:admin")
	path := "/api/approvals/" + r.ID
	want(t, b.as(access.Approver, "POST", path+"/approve", word(r, "")), 403, "forbidden")
	want(t, b.as(access.Admin, "POST", path+"/approve", word(r, "")), 200, "")
	no := b.askNode(`{}`, "user:ann")
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+no.ID+"/reject", word(no, "")), 200, "")
}
