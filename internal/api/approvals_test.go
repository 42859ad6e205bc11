package api_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// ask adds a job that waits for an approval, asked for by a caller of setup.
func (b *bundle) ask(by string, edit ...func(*approval.Request)) approval.Request {
	b.t.Helper()
	now := b.clock.Now()
	j := job.Job{
		ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Name: "nightly", Type: "echo", Params: []byte(`{"text":"x"}`),
		OnCrash: job.CrashFail, Priority: 5, Trigger: job.TriggerSchedule, CreatedBy: by,
	}
	r := j.Request(id.New(id.Approval, now), approval.Person{Name: by}, now, time.Hour)
	for _, e := range edit {
		e(&r)
	}
	r, err := approval.New(r)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.store.Jobs.Add(b.t.Context(), store.AddJobs{Jobs: []job.Job{j}, Approvals: []approval.Request{r}}); err != nil {
		b.t.Fatal(err)
	}
	return r
}

func word(r approval.Request, more string) string {
	return `{"content_hash":"` + r.ContentHash + `"` + more + `}`
}

func TestApprovalShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.ask("operator", func(r *approval.Request) {
		r.Summary = append(r.Summary, approval.Field{Name: "buy_value", Label: "Buys", Type: approval.Money, Value: "12.50 USD"},
			approval.Field{Name: "num_orders", Type: approval.Number, Value: "3"}, approval.Field{Name: "dry", Type: approval.Flag, Value: "true"})
	})
	got := want(t, b.as(access.Viewer, "GET", "/api/approvals/"+r.ID, ""), 200, "").json(t)
	summary, _ := got["summary"].(map[string]any)
	money, _ := summary["buy_value"].(map[string]any)
	content, _ := got["content"].(map[string]any)
	params, _ := content["params"].(map[string]any)
	if got["status"] != "PENDING" || got["content_hash"] != r.ContentHash || got["decision"] != nil || money["amount"] != "12.50" || money["currency"] != "USD" ||
		summary["num_orders"] != 3.0 || summary["dry"] != true || params["text"] != "x" || got["requested_by"] != "operator" {
		t.Errorf("shown: %v", got)
	}
	// What its ids stand for, in lists too.
	tmpl := want(t, b.call("POST", "/api/job-templates", `{"name":"prices","job_type":"echo","params":{"text":"x"}}`), 201, "").text(t, "template_id")
	asks := want(t, b.call("POST", "/api/jobs", `{"template_id":"prices","name":"prices of May","approval":{}}`), 201, "").text(t, "job_id")
	named := map[string]any{}
	for _, a := range list(t, b.as(access.Viewer, "GET", "/api/approvals", "")) {
		some, _ := a["names"].(map[string]any)
		maps.Copy(named, some)
	}
	if diff := cmp.Diff(map[string]any{r.Subject.ID: "nightly", asks: "prices of May", tmpl: "prices"}, named); diff != "" {
		t.Errorf("names: %s", diff)
	}
	if diff := cmp.Diff(map[string]any{r.Subject.ID: "nightly"}, got["names"]); diff != "" {
		t.Errorf("names of one: %s", diff)
	}
	j := want(t, b.as(access.Viewer, "GET", "/api/jobs/"+r.Subject.ID, ""), 200, "").json(t)
	waits, _ := j["waiting"].(map[string]any)
	if j["approval_id"] != r.ID || waits["code"] != "approval" || waits["holder"] != r.ID || waits["until"] != got["expires_at"] {
		t.Errorf("the job: %v", j)
	}
	want(t, b.as("stranger", "GET", "/api/approvals/"+r.ID, ""), 404, "not_found")
	want(t, b.as("stranger", "POST", "/api/approvals/"+r.ID+"/approve", word(r, "")), 404, "not_found")
	want(t, b.as(access.Viewer, "GET", "/api/approvals/"+r.Subject.ID, ""), 400, "wrong_id_type")
}

func TestApprove(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.ask("admin")
	path := "/api/approvals/" + r.ID
	for _, role := range []access.Role{access.Viewer, access.Operator, access.Author} {
		want(t, b.as(role, "POST", path+"/approve", word(r, "")), 403, "forbidden")
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} { // whatever fetches links
		if a := b.as(access.Approver, method, path+"/approve", ""); a.StatusCode != 405 {
			t.Errorf("%s decides or so: %d", method, a.StatusCode)
		}
	}
	want(t, b.as(access.Admin, "POST", path+"/approve", word(r, "")), 403, "self_approval")
	want(t, b.as(access.Approver, "POST", path+"/approve", `{"content_hash":"sha256:00"}`), 409, "approval_content_changed")
	want(t, b.as(access.Approver, "POST", path+"/approve", `{}`), 422, "invalid_input")
	want(t, b.as(access.Approver, "POST", path+"/approve", word(r, `,"approved_by":"ann"`)), 422, "unknown_field")
	if a := b.call("GET", path, ""); a.json(t)["status"] != "PENDING" {
		t.Fatalf("decided: %s", a.body)
	}
	key := []string{"Idempotency-Key", "k"}
	got := want(t, b.as(access.Approver, "POST", path+"/approve", word(r, `,"comment":"fine"`), key...), 200, "").json(t)
	if got["status"] != "APPROVED" || got["decision"] != "approved" || got["approved_by"] != "approver" || got["comment"] != "fine" || got["approved_at"] == nil {
		t.Errorf("approved: %v", got)
	}
	again := want(t, b.as(access.Approver, "POST", path+"/approve", word(r, `,"comment":"fine"`), key...), 200, "")
	if again.Header.Get("Idempotency-Replayed") != "true" {
		t.Error("not a replay")
	}
	want(t, b.as(access.Approver, "POST", path+"/reject", word(r, "")), 409, "approval_closed")
	j := b.call("GET", "/api/jobs/"+r.Subject.ID, "").json(t)
	if waits, _ := j["waiting"].(map[string]any); waits["code"] == "approval" {
		t.Errorf("the job still waits: %v", j)
	}
	entries := want(t, b.call("GET", "/api/audit?object="+r.ID, ""), 200, "")
	if !strings.Contains(string(entries.body), `"approval.approve"`) || !strings.Contains(string(entries.body), r.ContentHash) {
		t.Errorf("audit: %s", entries.body)
	}
}

func TestRejectAndRetry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.ask("author", func(r *approval.Request) { r.MinApprovals = 2 })
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+r.ID+"/reject", word(r, "")), 200, "")
	j := b.call("GET", "/api/jobs/"+r.Subject.ID, "").json(t)
	if j["status"] != "SKIPPED" {
		t.Fatalf("rejected: %v", j)
	}
	runID, _ := j["run_id"].(string)
	if v := b.call("GET", "/api/job-runs/"+runID, ""); !strings.Contains(string(v.body), "approval_rejected") {
		t.Errorf("the run: %s", v.body)
	}
	// A retry does not get around it.
	again := want(t, b.as(access.Admin, "POST", "/api/job-runs/"+runID+"/retry", ""), 201, "").json(t)
	second, _ := again["approval_id"].(string)
	if waits, _ := again["waiting"].(map[string]any); waits["code"] != "approval" || second == "" || second == r.ID {
		t.Fatalf("retry: %v", again)
	}
	a := b.call("GET", "/api/approvals/"+second, "").json(t)
	if a["status"] != "PENDING" || a["requested_by"] != "admin" || a["min_approvals"] != 2.0 {
		t.Errorf("its approval: %v", a)
	}
}

func TestReRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.ask("admin", func(r *approval.Request) { r.MaxReRequests = 1 })
	b.clock.Advance(time.Minute)
	a := want(t, b.as(access.Approver, "POST", "/api/approvals/"+r.ID+"/re-request", word(r, `,"comment":"later"`)), 201, "")
	n := a.json(t)
	second, _ := n["approval_id"].(string)
	if a.Header.Get("Location") != "/api/approvals/"+second || n["round"] != 2.0 || n["replaces"] != r.ID || n["requested_by"] != "admin" {
		t.Errorf("the new one: %v", n)
	}
	old := b.call("GET", "/api/approvals/"+r.ID, "").json(t)
	if old["status"] != "SUPERSEDED" || old["replaced_by"] != second || old["reason"] != "later" {
		t.Errorf("the old one: %v", old)
	}
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+r.ID+"/approve", word(r, "")), 409, "approval_closed")
	want(t, b.as(access.Admin, "POST", "/api/approvals/"+second+"/approve", word(r, "")), 403, "self_approval")
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+second+"/re-request", word(r, "")), 409, "re_requests_exhausted")
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+second+"/approve", word(r, "")), 200, "")
}

func TestApproveByExecution(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.ask("admin")
	path := "/api/executions/" + r.Subject.ID + "/approve"
	want(t, b.as(access.Viewer, "POST", path, `{"approved":true}`), 403, "forbidden")
	want(t, b.as(access.Approver, "POST", path, `{}`), 422, "invalid_input")
	want(t, b.as(access.Approver, "POST", path, `{"approved":true,"content_hash":"sha256:00"}`), 409, "approval_content_changed")
	if got := want(t, b.as(access.Approver, "POST", path, `{"approved":true}`), 200, "").json(t); got["status"] != "APPROVED" {
		t.Errorf("%v", got)
	}
	want(t, b.as(access.Approver, "POST", path, `{"approved":false}`), 409, "approval_closed")
	want(t, b.as(access.Approver, "POST", "/api/executions/exec_01jh0000000000000000000000/approve", `{"approved":true}`), 404, "not_found")
	want(t, b.as(access.Approver, "POST", "/api/executions/run_01jh0000000000000000000000/approve", `{"approved":true}`), 400, "wrong_id_type")
}

func TestApprovalsListed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var all []approval.Request
	for range 3 {
		all = append(all, b.ask("admin"))
		b.clock.Advance(time.Second)
	}
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+all[0].ID+"/approve", word(all[0], "")), 200, "")
	if n := len(list(t, b.call("GET", "/api/approvals?status=PENDING", ""))); n != 2 {
		t.Errorf("%d pending", n)
	}
	if n := len(list(t, b.call("GET", "/api/approvals?subject_id="+all[1].Subject.ID, ""))); n != 1 {
		t.Errorf("%d about one job", n)
	}
	want(t, b.call("GET", "/api/approvals?status=pending", ""), 400, "invalid_parameter")
	page := b.call("GET", "/api/approvals?limit=2", "").json(t)
	next, _ := page["next_cursor"].(string)
	rest := list(t, b.call("GET", "/api/approvals?limit=2&cursor="+next, ""))
	if len(rest) != 1 {
		t.Errorf("second page: %v", rest)
	}
	evs, err := b.store.Events.Since(t.Context(), access.DefaultTenant, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, e := range evs {
		if e.Type == event.ApprovalRequested && e.Data["approval_id"] != "" {
			asked++
		}
	}
	if asked != 3 {
		t.Errorf("%d requests announced", asked)
	}
	node := b.askNode(`{}`)
	run, _, _ := node.Subject.Node()
	if got := list(t, b.call("GET", "/api/approvals?workflow_run_id="+run, "")); len(got) != 1 || got[0]["workflow_run_id"] != run {
		t.Errorf("of the run: %v", got)
	}
	if got := list(t, b.call("GET", "/api/approvals?workflow_run_id="+id.New(id.WorkflowRun, b.clock.Now()), "")); len(got) != 0 {
		t.Errorf("of another run: %v", got)
	}
	if got := list(t, b.as("stranger", "GET", "/api/approvals?workflow_run_id="+run, "")); len(got) != 0 {
		t.Errorf("a stranger sees %v", got)
	}
	want(t, b.call("GET", "/api/approvals?workflow_run_id="+node.ID, ""), 400, "wrong_id_type")
}

// TestApprovalMessage: webhooks get the approval as the API shows it.
func TestApprovalMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if a := b.call("POST", "/api/webhooks", `{"name":"w","url":"https://example.com/x","events":["approval.requested","approval.decided"]}`); a.StatusCode != 201 {
		t.Fatalf("webhook: %s", a.body)
	}
	r := b.ask("admin")
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+r.ID+"/approve", word(r, "")), 200, "")
	notes, err := b.store.Outbox.Notes(t.Context(), 10)
	if err != nil || len(notes) != 2 {
		t.Fatalf("%d notes, %v", len(notes), err)
	}
	status := map[event.Type]string{event.ApprovalRequested: "PENDING", event.ApprovalDecided: "APPROVED"}
	for _, n := range notes { // of one millisecond, so in no order
		body, err := wire.MessageOf(n)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		if m["event"] != string(n.Event.Type) || m["approval_id"] != r.ID || m["status"] != status[n.Event.Type] || m["content_hash"] != r.ContentHash {
			t.Errorf("message: %s", body)
		}
	}
}

// TestAskForApproval: a job of POST /api/jobs waits when it asks to.
func TestAskForApproval(t *testing.T) {
	t.Parallel()
	b := setup(t)
	add := func(rules string) string {
		return `{"job_type":"echo","params":{"text":"x"},"name":"deploy"` + rules + `}`
	}
	j := want(t, b.as(access.Author, "POST", "/api/jobs", add(`,"approval":{}`), "Idempotency-Key", "k"), 201, "").json(t)
	waits, _ := j["waiting"].(map[string]any)
	first, _ := j["approval_id"].(string)
	if waits["code"] != "approval" || waits["holder"] != first || waits["until"] == nil {
		t.Fatalf("the job: %v", j)
	}
	again := want(t, b.as(access.Author, "POST", "/api/jobs", add(`,"approval":{}`), "Idempotency-Key", "k"), 201, "").json(t)
	if again["job_id"] != j["job_id"] || len(list(t, b.call("GET", "/api/approvals", ""))) != 1 {
		t.Errorf("the same key asked twice: %v", again)
	}
	a := b.call("GET", "/api/approvals/"+first, "").json(t)
	if a["title"] != "Run deploy?" || a["requested_by"] != "author" || a["min_approvals"] != 1.0 || a["allow_requester"] != false || a["max_re_requests"] != 3.0 {
		t.Errorf("defaults: %v", a)
	}
	hash, _ := a["content_hash"].(string)
	want(t, b.as(access.Approver, "POST", "/api/approvals/"+first+"/approve", `{"content_hash":"`+hash+`"}`), 200, "")

	rules := `,"approval":{"title":"Now?","expires_in":"PT2H","on_expire":"re_request","max_re_requests":0,"min_approvals":2,"allow_requester":true,"require_comment":true}`
	j = want(t, b.as(access.Admin, "POST", "/api/jobs", add(rules)), 201, "").json(t)
	second, _ := j["approval_id"].(string)
	a = b.call("GET", "/api/approvals/"+second, "").json(t)
	if a["title"] != "Now?" || a["on_expire"] != "re_request" || a["max_re_requests"] != 0.0 || a["min_approvals"] != 2.0 {
		t.Errorf("rules: %v", a)
	}
	hash, _ = a["content_hash"].(string)
	word := `{"content_hash":"` + hash + `","comment":"x"}`
	want(t, b.as(access.Admin, "POST", "/api/approvals/"+second+"/approve", word), 200, "")
	want(t, b.as(access.Admin, "POST", "/api/approvals/"+second+"/approve", word), 409, "already_decided")

	before := len(list(t, b.call("GET", "/api/approvals", "")))
	for _, bad := range []string{`{"expires_in":"PT0.5S"}`, `{"expires_in":"P91D"}`, `{"min_approvals":0}`, `{"status":"APPROVED"}`, `[]`, `true`} {
		if got := b.as(access.Author, "POST", "/api/jobs", add(`,"approval":`+bad)); got.StatusCode != 422 || !strings.Contains(string(got.body), `"/approval`) {
			t.Errorf("%s: %d %s", bad, got.StatusCode, got.body)
		}
	}
	group := `{"name":"g","mode":"parallel","jobs":[` + add(`,"approval":{}`) + `]}`
	if got := want(t, b.as(access.Author, "POST", "/api/job-groups", group), 422, "invalid_input"); !strings.Contains(string(got.body), "/jobs/0/approval") {
		t.Errorf("a member asks: %s", got.body)
	}
	equal := add(`,"approval":{},"unique":{"by":["text"],"on_conflict":"return"}`)
	one := want(t, b.as(access.Author, "POST", "/api/jobs", equal), 201, "").json(t)
	other := want(t, b.as(access.Author, "POST", "/api/jobs", equal), 200, "").json(t)
	if one["job_id"] != other["job_id"] || len(list(t, b.call("GET", "/api/approvals", ""))) != before+1 {
		t.Errorf("an equal job asked again: %v", other)
	}
}
