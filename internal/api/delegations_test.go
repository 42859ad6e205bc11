package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/approval"
)

// people are users who are logged in, each by name.
type people struct {
	*bundle
	cookie map[string][]string
}

func (b *bundle) people(roles map[string]string) people {
	b.t.Helper()
	p := people{b, map[string][]string{}}
	for name, role := range roles {
		b.user(name, role)
		p.cookie[name] = b.login(name, goodPassword)
	}
	return p
}

func (p people) post(who, target, body string, headers ...string) answer {
	p.t.Helper()
	return p.anonymous("POST", target, body, append(headers, p.cookie[who]...)...)
}

func named(names ...string) func(*approval.Request) {
	return func(r *approval.Request) {
		for _, n := range names {
			r.Approvers = append(r.Approvers, "user:"+n)
		}
	}
}

func to(name string) string { return fmt.Sprintf(`{"to":%q,"reason":"away"}`, name) }

func TestDelegate(t *testing.T) {
	t.Parallel()
	p := setup(t).people(map[string]string{"ann": "approver", "tom": "approver", "zoe": "approver"})
	r := p.ask("operator", named("ann"))
	path := "/api/approvals/" + r.ID
	want(t, p.post("tom", path+"/approve", word(r, "")), 403, "forbidden")
	key := []string{"Idempotency-Key", "k"}
	got := want(t, p.post("ann", path+"/delegate", to("tom"), key...), 200, "").json(t)
	if diff := cmp.Diff([]any{map[string]any{"from": "ann", "to": "tom", "reason": "away", "delegated_at": start.UTC().Format("2006-01-02T15:04:05Z")}}, got["delegations"]); diff != "" {
		t.Error(diff)
	}
	if got["status"] != "PENDING" || got["content_hash"] != r.ContentHash {
		t.Errorf("delegated: %v", got)
	}
	if again := want(t, p.post("ann", path+"/delegate", to("tom"), key...), 200, ""); again.Header.Get("Idempotency-Replayed") != "true" {
		t.Error("not a replay")
	}
	want(t, p.post("ann", path+"/approve", word(r, "")), 403, "approval_delegated")
	want(t, p.post("ann", path+"/delegate", to("zoe")), 403, "approval_delegated")
	want(t, p.post("zoe", path+"/approve", word(r, "")), 403, "forbidden")
	want(t, p.post("zoe", path+"/recall", ""), 404, "not_found")
	// Taken back, and given again.
	if got := want(t, p.post("ann", path+"/recall", ""), 200, "").json(t); fmt.Sprint(got["delegations"]) != "[]" {
		t.Errorf("recalled: %v", got["delegations"])
	}
	want(t, p.post("tom", path+"/approve", word(r, "")), 403, "forbidden")
	want(t, p.post("ann", path+"/delegate", to("tom")), 200, "")
	if got := want(t, p.post("tom", path+"/approve", word(r, "")), 200, "").json(t); got["status"] != "APPROVED" || got["approved_by"] != "tom" {
		t.Errorf("approved: %v", got)
	}
	want(t, p.post("ann", path+"/recall", ""), 409, "approval_closed")
	entries := string(want(t, p.call("GET", "/api/audit?object="+r.ID, ""), 200, "").body)
	for _, part := range []string{`"approval.delegate"`, `"approval.recall"`, `"to":"tom"`, `"reason":"away"`} {
		if !strings.Contains(entries, part) {
			t.Errorf("audit lacks %s: %s", part, entries)
		}
	}
	// The same again: for this approval only.
	other := p.ask("operator", named("ann"))
	want(t, p.post("tom", "/api/approvals/"+other.ID+"/approve", word(other, "")), 403, "forbidden")
}

// TestDelegateRefused: a delegation lets nobody decide who could not be trusted with it,
// and tells an approver nothing of users.
func TestDelegateRefused(t *testing.T) {
	t.Parallel()
	p := setup(t).people(map[string]string{"ann": "approver", "tom": "approver", "ida": "approver", "mia": "approver", "vic": "viewer", "off": "approver", "eve": "admin", "amy": "author"})
	want(t, p.call("PATCH", "/api/users/off", `{"disabled":true}`), 200, "")
	r := p.ask("ida", func(r *approval.Request) { r.RequestedBy.MadeBy = "mia" }, named("ann", "ida", "mia"))
	path := "/api/approvals/" + r.ID + "/delegate"

	// Of whoever does not fit, the answer is the same but for the name that was sent.
	same := map[string]bool{}
	for _, name := range []string{"vic", "off", "none", "amy", "stranger", strings.Repeat("x", 100)} {
		a := want(t, p.post("ann", path, to(name)), 422, "delegate_not_possible")
		detail, _ := a.json(t)["detail"].(string)
		same[strings.ReplaceAll(detail, name, "X")] = true
	}
	if len(same) != 1 {
		t.Errorf("users can be told apart: %v", same)
	}
	// Four eyes: neither who asked nor the author gives it or gets it.
	want(t, p.post("ann", path, to("ida")), 422, "delegate_not_possible")
	want(t, p.post("ann", path, to("mia")), 422, "delegate_not_possible")
	want(t, p.post("ida", path, to("tom")), 403, "self_approval")
	want(t, p.post("mia", path, to("tom")), 403, "self_approval")
	want(t, p.post("ann", path, to("ann")), 422, "delegate_not_possible")
	// Who is not asked cannot give what he has not, and learns nothing of users either.
	for _, name := range []string{"tom", "none"} {
		want(t, p.post("eve", path, to(name)), 403, "forbidden")
	}
	want(t, p.post("vic", path, to("tom")), 403, "forbidden")
	want(t, p.as("stranger", "POST", path, to("tom")), 404, "not_found")
	// A user's id is no name.
	tom := want(t, p.call("GET", "/api/users/tom", ""), 200, "").json(t)["user_id"]
	want(t, p.post("ann", path, to(fmt.Sprint(tom))), 422, "delegate_not_possible")
	want(t, p.post("ann", path, `{"to":"tom"}`), 422, "invalid_input")
	want(t, p.post("ann", path, `{"to":"tom","reason":"  "}`), 422, "invalid_input")
	want(t, p.post("ann", path, `{"to":"tom","reason":"r","from":"ida"}`), 422, "unknown_field")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if a := p.call(method, path, ""); a.StatusCode != 405 {
			t.Errorf("%s: %d", method, a.StatusCode)
		}
	}
	if got := p.call("GET", "/api/approvals/"+r.ID, "").json(t); fmt.Sprint(got["delegations"]) != "[]" {
		t.Errorf("something was handed on: %v", got["delegations"])
	}

	// A token that the delegate made asked for it, of which the request knows the name only.
	want(t, p.anonymous("POST", "/api/tokens", `{"name":"bot","roles":["operator"]}`, p.cookie["eve"]...), 201, "")
	asked := p.ask("bot", named("ann", "eve"))
	want(t, p.post("ann", "/api/approvals/"+asked.ID+"/delegate", to("eve")), 422, "delegate_not_possible")
	want(t, p.post("eve", "/api/approvals/"+asked.ID+"/delegate", to("tom")), 403, "self_approval")
}

// TestDelegationEndsWithTheRight: what somebody handed on is worth as much as his own
// right, and the delegate needs his own, too.
func TestDelegationEndsWithTheRight(t *testing.T) {
	t.Parallel()
	p := setup(t).people(map[string]string{"ann": "approver", "tom": "approver", "zoe": "approver"})
	r := p.ask("operator", named("ann"))
	path := "/api/approvals/" + r.ID
	want(t, p.post("ann", path+"/delegate", to("tom")), 200, "")
	want(t, p.post("tom", path+"/delegate", to("zoe")), 200, "")
	for _, change := range []string{`{"disabled":true}`, `{"disabled":false,"roles":["viewer"]}`} {
		want(t, p.call("PATCH", "/api/users/ann", change), 200, "")
		want(t, p.post("zoe", path+"/approve", word(r, "")), 403, "forbidden")
		want(t, p.post("zoe", path+"/delegate", to("tom")), 403, "forbidden")
	}
	want(t, p.call("PATCH", "/api/users/ann", `{"roles":["approver"]}`), 200, "")
	want(t, p.call("PATCH", "/api/users/zoe", `{"roles":["operator"]}`), 200, "")
	zoe := p.login("zoe", goodPassword)
	want(t, p.anonymous("POST", path+"/approve", word(r, ""), zoe...), 403, "forbidden")
	want(t, p.call("PATCH", "/api/users/zoe", `{"roles":["approver"]}`), 200, "")
	p.cookie["zoe"] = p.login("zoe", goodPassword)
	if got := want(t, p.post("zoe", path+"/approve", word(r, "")), 200, "").json(t); got["approved_by"] != "zoe" {
		t.Errorf("approved: %v", got)
	}
}

// TestDelegateByToken: a token acts for who made it, and one that only has the name of a
// delegate does not.
func TestDelegateByToken(t *testing.T) {
	t.Parallel()
	p := setup(t).people(map[string]string{"ann": "admin", "tom": "admin", "eve": "admin"})
	token := func(by, name string) []string {
		t.Helper()
		made := want(t, p.anonymous("POST", "/api/tokens", `{"name":"`+name+`","roles":["approver"]}`, p.cookie[by]...), 201, "").json(t)
		return []string{"Authorization", fmt.Sprint("Bearer ", made["token"])}
	}
	r := p.ask("operator", named("ann"))
	path := "/api/approvals/" + r.ID
	anns, toms, impostor := token("ann", "anns"), token("tom", "toms"), token("eve", "tom")
	want(t, p.anonymous("POST", path+"/delegate", to("ann"), anns...), 422, "delegate_not_possible")
	want(t, p.anonymous("POST", path+"/delegate", to("tom"), anns...), 200, "")
	want(t, p.post("ann", path+"/approve", word(r, "")), 403, "approval_delegated")
	want(t, p.anonymous("POST", path+"/approve", word(r, ""), impostor...), 403, "forbidden")
	want(t, p.anonymous("POST", path+"/recall", "", impostor...), 404, "not_found")
	want(t, p.post("ann", path+"/recall", ""), 200, "") // of her token
	want(t, p.anonymous("POST", path+"/delegate", to("tom"), anns...), 200, "")
	// Her token is revoked: what it handed on ends.
	list := list(t, p.call("GET", "/api/tokens", ""))
	for _, x := range list {
		if x["name"] == "anns" {
			want(t, p.call("DELETE", fmt.Sprint("/api/tokens/", x["token_id"]), ""), 204, "")
		}
	}
	want(t, p.anonymous("POST", path+"/approve", word(r, ""), toms...), 403, "forbidden")
	want(t, p.post("ann", path+"/recall", ""), 200, "")
	want(t, p.post("ann", path+"/delegate", to("tom")), 200, "")
	want(t, p.anonymous("POST", path+"/approve", word(r, ""), toms...), 200, "")
	if got := p.as(access.Viewer, "GET", path, "").json(t); got["approved_by"] != "toms" {
		t.Errorf("approved: %v", got)
	}
}

// token makes a token and returns the headers of who has it, and its id.
func (p people) token(body string, by ...string) (headers []string, tokenID string) {
	p.t.Helper()
	made := want(p.t, p.anonymous("POST", "/api/tokens", body, by...), 201, "").json(p.t)
	return []string{"Authorization", fmt.Sprint("Bearer ", made["token"])}, fmt.Sprint(made["token_id"])
}

// TestTokenIsWhoMadeIt: a token that is called after an approver is none, nor is what
// it makes, and what the token of a person makes is that person's, too.
func TestTokenIsWhoMadeIt(t *testing.T) {
	t.Parallel()
	p := setup(t).people(map[string]string{"ann": "admin", "eve": "admin"})
	r := p.ask("operator", named("ann"))
	path := "/api/approvals/" + r.ID
	impostor, _ := p.token(`{"name":"ann","roles":["admin"]}`, p.cookie["eve"]...)
	child, _ := p.token(`{"name":"child","roles":["approver"]}`, impostor...)
	for _, who := range [][]string{impostor, child} {
		want(t, p.anonymous("POST", path+"/approve", word(r, ""), who...), 403, "forbidden")
		want(t, p.anonymous("POST", path+"/delegate", to("eve"), who...), 403, "forbidden")
	}
	anns, _ := p.token(`{"name":"anns","roles":["admin"]}`, p.cookie["ann"]...)
	grandchild, tokenID := p.token(`{"name":"grandchild","roles":["author"]}`, anns...)
	if by := p.call("GET", "/api/tokens/"+tokenID, "").text(t, "created_by"); by != "ann" {
		t.Errorf("made by %s", by)
	}
	job := want(t, p.anonymous("POST", "/api/jobs", `{"job_type":"echo","params":{"text":"hi"},"approval":{}}`, grandchild...), 201, "")
	own := p.call("GET", "/api/approvals/"+job.text(t, "approval_id"), "")
	hash := `{"content_hash":"` + own.text(t, "content_hash") + `"}`
	path = "/api/approvals/" + own.text(t, "approval_id")
	want(t, p.post("ann", path+"/approve", hash), 403, "self_approval")
	want(t, p.as(access.Approver, "POST", path+"/approve", hash), 200, "")
}

// TestTokensEndWithTheirMaker: what a token says counts as long as who made it may
// decide, whether it approves or handed its word on.
func TestTokensEndWithTheirMaker(t *testing.T) {
	t.Parallel()
	p := setup(t).people(map[string]string{"ann": "admin", "tom": "admin", "ida": "admin"})
	anns, _ := p.token(`{"name":"anns","roles":["approver"]}`, p.cookie["ann"]...)
	toms, _ := p.token(`{"name":"toms","roles":["approver"]}`, p.cookie["tom"]...)
	robot, _ := p.token(`{"name":"robot","roles":["approver"]}`, "Authorization", "Bearer "+p.tokens[access.Admin])
	r, open := p.ask("operator", named("ann")), p.ask("operator")
	path := "/api/approvals/" + r.ID
	want(t, p.anonymous("POST", path+"/delegate", to("tom"), anns...), 200, "")
	for _, change := range []string{`{"disabled":true}`, `{"disabled":false,"roles":["operator"]}`} {
		want(t, p.call("PATCH", "/api/users/ann", change), 200, "")
		want(t, p.post("tom", path+"/approve", word(r, "")), 403, "forbidden")
		want(t, p.anonymous("POST", "/api/approvals/"+open.ID+"/approve", word(open, ""), anns...), 403, "forbidden")
	}
	want(t, p.call("PATCH", "/api/users/ann", `{"roles":["admin"]}`), 200, "")
	// The same of the delegate's.
	want(t, p.call("PATCH", "/api/users/tom", `{"disabled":true}`), 200, "")
	want(t, p.anonymous("POST", path+"/approve", word(r, ""), toms...), 403, "forbidden")
	want(t, p.anonymous("POST", path+"/delegate", to("ida"), toms...), 403, "forbidden")
	want(t, p.call("PATCH", "/api/users/tom", `{"disabled":false}`), 200, "")
	want(t, p.anonymous("POST", path+"/approve", word(r, ""), toms...), 200, "")

	// Of a user who is gone a token is nobody's; by its own role it may go on.
	gone := p.ask("operator", named("ann"))
	want(t, p.call("DELETE", "/api/users/ann", ""), 204, "")
	want(t, p.anonymous("POST", "/api/approvals/"+gone.ID+"/approve", word(gone, ""), anns...), 403, "forbidden")
	want(t, p.anonymous("POST", "/api/approvals/"+open.ID+"/approve", word(open, ""), robot...), 200, "")
}

// TestDelegationEndsWithTheRole: who was asked because of a role hands on no more than
// he has.
func TestDelegationEndsWithTheRole(t *testing.T) {
	t.Parallel()
	p := setup(t).people(map[string]string{"ann": "admin", "eve": "admin", "tom": "approver"})
	r := p.ask("operator", func(r *approval.Request) { r.Approvers = []string{"role:admin"} })
	path := "/api/approvals/" + r.ID
	want(t, p.post("ann", path+"/delegate", to("tom")), 200, "")
	want(t, p.call("PATCH", "/api/users/ann", `{"roles":["approver"]}`), 200, "")
	want(t, p.post("tom", path+"/approve", word(r, "")), 403, "forbidden")
	want(t, p.call("PATCH", "/api/users/ann", `{"roles":["admin"]}`), 200, "")
	want(t, p.post("tom", path+"/approve", word(r, "")), 200, "")
}

// TestDelegationEndsWithTheToken: a token that is over has handed nothing on.
func TestDelegationEndsWithTheToken(t *testing.T) {
	t.Parallel()
	p := setup(t).people(map[string]string{"ann": "admin", "tom": "approver"})
	short, _ := p.token(`{"name":"short","roles":["approver"],"expires_in":"PT1M"}`, p.cookie["ann"]...)
	r := p.ask("operator", named("ann"))
	path := "/api/approvals/" + r.ID
	want(t, p.anonymous("POST", path+"/delegate", to("tom"), short...), 200, "")
	p.clock.Advance(2 * time.Minute)
	want(t, p.post("tom", path+"/approve", word(r, "")), 403, "forbidden")
	want(t, p.post("ann", path+"/recall", ""), 200, "")
	want(t, p.post("ann", path+"/approve", word(r, "")), 200, "")
}
