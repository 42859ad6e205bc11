package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/store"
)

const goodPassword = "correct horse battery"

// tenancy makes a second tenant, which the stranger belongs to.
func (b *bundle) tenancy() string {
	b.t.Helper()
	_, err := b.store.Tenants.Create(b.t.Context(), store.PutTenant{Tenant: access.Tenant{ID: "other", Name: "red", CreatedAt: start, UpdatedAt: start}})
	if err != nil {
		b.t.Fatal(err)
	}
	return "other"
}

// mint makes a token and lets b.as use it under the role's name.
func (b *bundle) mint(as access.Role, body string) string {
	b.t.Helper()
	a := want(b.t, b.call("POST", "/api/tokens", body), 201, "")
	b.tokens[as] = a.text(b.t, "token")
	return a.text(b.t, "token_id")
}

func TestTokenLife(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := want(t, b.call("POST", "/api/tokens", `{"name":"ci","roles":["viewer"],"scopes":null,"templates":null,"tenant":null}`), 201, "")
	text, tokenID := made.text(t, "token"), made.text(t, "token_id")
	if !access.WellFormed(text) || made.Header.Get("Location") != "/api/tokens/"+tokenID || made.text(t, "expires_at") != "2026-05-01T12:00:00Z" {
		t.Errorf("%s", made.body)
	}
	b.tokens["ci"] = text
	want(t, b.as("ci", "GET", "/api/jobs", ""), 200, "")
	want(t, b.as("ci", "POST", "/api/jobs", echoJob), 403, "forbidden")
	one := want(t, b.call("GET", "/api/tokens/"+tokenID, ""), 200, "")
	for _, secret := range []string{text, fmt.Sprintf("%x", access.HashToken(text)), "hash"} {
		if strings.Contains(string(one.body), secret) {
			t.Errorf("the answer holds %s: %s", secret, one.body)
		}
	}
	want(t, b.call("POST", "/api/tokens", `{"name":"ci","roles":["viewer"]}`), 409, "name_taken")
	for range 2 { // a second time changes nothing
		want(t, b.call("DELETE", "/api/tokens/"+tokenID, ""), 204, "")
	}
	b.clock.Advance(2 * time.Second)
	want(t, b.as("ci", "GET", "/api/jobs", ""), 401, "unauthorized")
	if v := want(t, b.call("GET", "/api/tokens/"+tokenID, ""), 200, "").json(t); v["valid"] != false || v["revoked_at"] == nil {
		t.Errorf("%v", v)
	}
	b.mint("short", `{"name":"ci","roles":["viewer"],"expires_in":"2d"}`)
	b.clock.Advance(48*time.Hour - time.Second)
	want(t, b.as("short", "GET", "/api/jobs", ""), 200, "")
	b.clock.Advance(time.Second)
	want(t, b.as("short", "GET", "/api/jobs", ""), 401, "unauthorized")
	if n := len(list(t, b.call("GET", "/api/tokens", ""))); n != 2 {
		t.Errorf("%d tokens", n)
	}
	if n := len(list(t, b.call("GET", "/api/tokens?valid=true", ""))); n != 0 {
		t.Errorf("%d valid tokens", n)
	}
	want(t, b.call("GET", "/api/tokens/tok_01jh0000000000000000000000", ""), 404, "not_found")
	want(t, b.call("DELETE", "/api/tokens/usr_01jh0000000000000000000000", ""), 400, "wrong_id_type")
}

func TestTokenInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for body, pointer := range map[string]string{
		`{"name":"x"}`:                                                    "/roles",
		`{"name":"x","roles":[]}`:                                         "/roles",
		`{"name":"x","roles":["root"]}`:                                   "/roles/0",
		`{"name":"","roles":["viewer"]}`:                                  "/name",
		`{"name":"x\u0007","roles":["viewer"]}`:                           "/name",
		`{"name":"x","roles":["viewer"],"scopes":[]}`:                     "/scopes",
		`{"name":"x","roles":["viewer"],"scopes":["jobs:all"]}`:           "/scopes/0",
		`{"name":"x","roles":["viewer"],"scopes":["jobs:write"]}`:         "/scopes/0",
		`{"name":"x","roles":["viewer"],"templates":[]}`:                  "/templates",
		`{"name":"x","roles":["viewer"],"templates":["["]}`:               "/templates/0",
		`{"name":"x","roles":["viewer"],"expires_in":"PT0S"}`:             "/expires_in",
		`{"name":"x","roles":["viewer"],"expires_in":"P3651D"}`:           "/expires_in",
		`{"name":"x","roles":["viewer"],"expires_in":null}`:               "/expires_in",
		`{"name":"x","roles":["viewer"],"rate_per_minute":-1}`:            "/rate_per_minute",
		`{"name":"x","roles":["viewer"],"token":"rst_chosen"}`:            "/token",
		`{"name":"x","roles":["viewer"],"scopes":["jobs:read","x\\y/z"]}`: "/scopes/1",
	} {
		a := b.call("POST", "/api/tokens", body)
		if a.StatusCode != 422 || !strings.Contains(string(a.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %d %s, want %s", body, a.StatusCode, a.body, pointer)
		}
	}
	a := b.call("POST", "/api/tokens", `{"name":"x","roles":["viewer"]}`, "Idempotency-Key", "k")
	want(t, a, 400, "invalid_header")
	if n := len(list(t, b.call("GET", "/api/tokens", ""))); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
}

// TestNobodyGivesMoreThanHeHas: neither with tokens nor with users.
func TestNobodyGivesMoreThanHeHas(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tenancy()
	b.mint("maker", `{"name":"maker","roles":["admin"],"scopes":["tokens:write","users:write","jobs:read","session:use"],"rate_per_minute":600}`)
	b.mint("narrow", `{"name":"narrow","roles":["admin"],"templates":["a*"]}`)
	admin := want(t, b.call("POST", "/api/users", `{"name":"boss","roles":["admin"],"password":"`+goodPassword+`"}`), 201, "").text(t, "user_id")
	mighty := b.mint("mighty", `{"name":"mighty","roles":["admin"]}`)
	for _, c := range []struct {
		as     access.Role
		method string
		path   string
		body   string
		status int
	}{
		{"maker", "POST", "/api/tokens", `{"name":"t1","roles":["admin"]}`, 403},
		{"maker", "POST", "/api/tokens", `{"name":"t2","roles":["viewer"],"rate_per_minute":60}`, 403},
		{"maker", "POST", "/api/tokens", `{"name":"t3","roles":["viewer"],"scopes":["jobs:read"]}`, 403}, // without a rate
		{"maker", "POST", "/api/tokens", `{"name":"t4","roles":["viewer"],"scopes":["jobs:read"],"rate_per_minute":601}`, 403},
		{"maker", "POST", "/api/tokens", `{"name":"t5","roles":["viewer"],"scopes":["jobs:read"],"rate_per_minute":60}`, 201},
		{"maker", "POST", "/api/users", `{"name":"u1","roles":["admin"]}`, 403},
		{"maker", "PATCH", "/api/users/" + admin, `{"password":"another good password"}`, 403},
		{"maker", "PATCH", "/api/users/" + admin, `{"disabled":true}`, 403},
		{"maker", "DELETE", "/api/users/" + admin, ``, 403},
		{"maker", "DELETE", "/api/tokens/" + mighty, ``, 403},
		{"narrow", "POST", "/api/tokens", `{"name":"n1","roles":["viewer"]}`, 403},
		{"narrow", "POST", "/api/tokens", `{"name":"n2","roles":["viewer"],"templates":["b"]}`, 403},
		{"narrow", "POST", "/api/tokens", `{"name":"n3","roles":["viewer"],"templates":["a*"]}`, 201},
		{"narrow", "POST", "/api/users", `{"name":"n4","roles":["viewer"]}`, 403},
		{"stranger", "POST", "/api/tokens", `{"name":"s1","roles":["viewer"],"tenant":"default"}`, 403},
		{"stranger", "POST", "/api/users", `{"name":"s2","roles":["viewer"],"tenant":"default"}`, 403},
		{"stranger", "GET", "/api/users?tenant=default", ``, 403},
		{"stranger", "GET", "/api/tokens?tenant=default", ``, 403},
		{"stranger", "GET", "/api/audit?tenant=default", ``, 403},
		{"stranger", "GET", "/api/audit/verify?tenant=default", ``, 403},
		{"stranger", "GET", "/api/audit/export?tenant=default", ``, 403},
		{"stranger", "GET", "/api/users/" + admin, ``, 404},
		{"stranger", "DELETE", "/api/users/" + admin, ``, 404},
		{"stranger", "PATCH", "/api/users/boss", `{"disabled":true}`, 404},
		{"stranger", "DELETE", "/api/tokens/" + mighty, ``, 404},
		{"stranger", "GET", "/api/tenants", ``, 403},
		{"stranger", "POST", "/api/tenants", `{"name":"x"}`, 403},
		{access.Admin, "POST", "/api/tokens", `{"name":"r","roles":["viewer"],"tenant":"red"}`, 201},
		{access.Admin, "POST", "/api/tokens", `{"name":"r","roles":["viewer"],"tenant":"blue"}`, 404},
		{access.Admin, "POST", "/api/users", `{"name":"rita","roles":["admin"],"tenant":"red"}`, 201},
		{access.Admin, "GET", "/api/users/rita", ``, 404},
		{access.Admin, "GET", "/api/users/rita?tenant=red", ``, 200},
		{"stranger", "GET", "/api/users/rita", ``, 200},
	} {
		if a := b.as(c.as, c.method, c.path, c.body); a.StatusCode != c.status {
			t.Errorf("%s %s %s %s: %d %s, want %d", c.as, c.method, c.path, c.body, a.StatusCode, a.body, c.status)
		}
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := want(t, b.call("POST", "/api/users", `{"name":"ann","roles":["viewer","operator"],"password":"`+goodPassword+`","tenant":null}`), 201, "")
	userID := made.text(t, "user_id")
	if made.Header.Get("ETag") != `"1"` || made.Header.Get("Location") != "/api/users/"+userID || strings.Contains(string(made.body), "argon2") {
		t.Errorf("%v %s", made.Header, made.body)
	}
	if v := want(t, b.call("GET", "/api/users/ann", ""), 200, "").json(t); v["user_id"] != userID || v["has_password"] != true {
		t.Errorf("%v", v)
	}
	for body, code := range map[string]string{
		`{"name":"ann","roles":["viewer"]}`:                                        "409 name_taken",
		`{"name":"Ann","roles":["viewer"]}`:                                        "422 invalid_input",
		`{"name":"usr_01jh0000000000000000000000","roles":["viewer"]}`:             "422 invalid_input",
		`{"name":"bob","roles":["viewer"],"password":"short"}`:                     "422 invalid_input",
		`{"name":"bobbobbobbob","roles":["viewer"],"password":"bobbobbobbob"}`:     "422 invalid_input",
		`{"name":"bob","roles":["viewer"],"password_hash":"$argon2id$v=19$m=8$$"}`: "422 unknown_field",
	} {
		a := b.call("POST", "/api/users", body)
		if got := fmt.Sprint(a.StatusCode, " ", a.text(t, "code")); got != code {
			t.Errorf("%s: %s, want %s", body, got, code)
		}
	}
	if v := want(t, b.call("PATCH", "/api/users/ann", `{"roles":["author"]}`, "If-Match", `"1"`), 200, "").json(t); v["version"] != 2.0 {
		t.Errorf("%v", v)
	}
	// The second of two writers does not overwrite what it has not seen.
	stale := want(t, b.call("PATCH", "/api/users/ann", `{"disabled":true}`, "If-Match", `"1"`), 412, "version_mismatch")
	if stale.json(t)["current"] == nil || stale.Header.Get("ETag") != `"2"` {
		t.Errorf("%s", stale.body)
	}
	want(t, b.call("DELETE", "/api/users/ann", "", "If-Match", `"1"`), 412, "version_mismatch")
	if a := want(t, b.call("PATCH", "/api/users/ann", `{"roles":["author"]}`), 200, ""); a.Header.Get("ETag") != `"2"` {
		t.Error("a patch that changes nothing made a version")
	}
	if v := want(t, b.call("PATCH", "/api/users/ann", `{"password":null}`), 200, "").json(t); v["has_password"] != false {
		t.Errorf("%v", v)
	}
	if v := want(t, b.call("PATCH", "/api/users/ann", `{"name":"anna"}`), 200, "").json(t); v["has_password"] != false || v["name"] != "anna" {
		t.Errorf("%v", v)
	}
	want(t, b.call("PATCH", "/api/users/anna", `{"tenant":"red"}`), 422, "unknown_field")
	want(t, b.call("PATCH", "/api/users/anna", `{"roles":null}`), 422, "invalid_input")
	want(t, b.call("DELETE", "/api/users/anna", ""), 204, "")
	want(t, b.call("GET", "/api/users/"+userID, ""), 404, "not_found")
	want(t, b.call("DELETE", "/api/users/"+userID, ""), 404, "not_found")

	want(t, b.call("POST", "/api/users", `{"name":"boss","roles":["admin"],"password":"`+goodPassword+`"}`), 201, "")
	for _, body := range []string{`{"disabled":true}`, `{"roles":["viewer"]}`} {
		want(t, b.call("PATCH", "/api/users/boss", body), 409, "last_admin")
	}
	want(t, b.call("DELETE", "/api/users/boss", ""), 409, "last_admin")
	want(t, b.call("POST", "/api/users", `{"name":"deputy","roles":["admin"]}`), 201, "")
	want(t, b.call("DELETE", "/api/users/boss", ""), 204, "")
}

// TestListsByNameHavePages: the cursor of such a list holds a name, not an id.
func TestListsByNameHavePages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range []string{"c", "a", "b"} {
		want(t, b.call("POST", "/api/users", `{"name":"`+name+`","roles":["viewer"]}`), 201, "")
		want(t, b.call("POST", "/api/tenants", `{"name":"`+name+`"}`), 201, "")
		want(t, b.call("POST", "/api/tokens", `{"name":"`+name+`","roles":["viewer"]}`), 201, "")
		want(t, b.call("POST", "/api/job-templates", `{"name":"`+name+`","job_type":"echo","params":{"text":"x"}}`), 201, "")
		b.clock.Advance(time.Second)
	}
	for path, names := range map[string]string{
		"/api/users": "a b c", "/api/tenants": "a b c default", "/api/tokens": "b a c", "/api/job-templates": "a b c",
	} {
		var got []string
		for cursor, n := "", 0; n < 9; n++ {
			a := b.call("GET", path+"?limit=1"+cursor, "")
			for _, item := range list(t, a) {
				got = append(got, fmt.Sprint(item["name"]))
			}
			next := a.text(t, "next_cursor")
			if next == "" {
				break
			}
			cursor = "&cursor=" + next
		}
		if strings.Join(got, " ") != names {
			t.Errorf("%s: %v, want %s", path, got, names)
		}
	}
}

func TestTenants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := want(t, b.call("POST", "/api/tenants", `{"name":"red"}`, "Idempotency-Key", "k"), 201, "")
	again := want(t, b.call("POST", "/api/tenants", `{"name":"red"}`, "Idempotency-Key", "k"), 201, "")
	if diff := cmp.Diff(string(made.body), string(again.body)); diff != "" || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("replay: %s %v", diff, again.Header)
	}
	want(t, b.call("POST", "/api/tenants", `{"name":"red"}`), 409, "name_taken")
	want(t, b.call("POST", "/api/tenants", `{"name":"Red Team"}`), 422, "invalid_input")
	tenantID := made.text(t, "tenant_id")
	b.mint("rita", `{"name":"rita","roles":["admin"],"tenant":"red"}`)
	want(t, b.as("rita", "GET", "/api/jobs", ""), 200, "")
	want(t, b.as("rita", "PATCH", "/api/workers", `{"count":1}`), 403, "forbidden")
	want(t, b.call("PATCH", "/api/tenants/"+tenantID, `{"disabled":true}`, "If-Match", `"7"`), 412, "version_mismatch")
	want(t, b.call("PATCH", "/api/tenants/red", `{"disabled":true}`), 200, "")
	b.clock.Advance(2 * time.Second)
	want(t, b.as("rita", "GET", "/api/jobs", ""), 401, "unauthorized")
	want(t, b.call("PATCH", "/api/tenants/"+tenantID, `{"disabled":false,"name":"rouge"}`), 200, "")
	want(t, b.as("rita", "GET", "/api/jobs", ""), 200, "")
	want(t, b.call("PATCH", "/api/tenants/default", `{"disabled":true}`), 409, "conflict")
	want(t, b.call("PATCH", "/api/tenants/default", `{"name":"main"}`), 409, "conflict")
	want(t, b.call("GET", "/api/tenants/ten_x", ""), 400, "wrong_id_type")
	want(t, b.call("GET", "/api/tenants/red", ""), 404, "not_found")
}

// TestRevokedElsewhere: a second instance, which believes what it has read,
// refuses a revoked token and an ended session within five seconds.
func TestRevokedElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokenID := b.mint("ci", `{"name":"ci","roles":["viewer"]}`)
	second := identity.New(identity.Options{Store: b.store, Clock: b.clock})
	c := access.Credential{Token: b.tokens["ci"]}
	if _, err := second.Authenticate(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(time.Second)
	want(t, b.call("DELETE", "/api/tokens/"+tokenID, ""), 204, "")
	waited := time.Duration(0)
	for ; ; waited += time.Second {
		if _, err := second.Authenticate(t.Context(), c); err != nil {
			break
		}
		b.clock.Advance(time.Second)
	}
	if waited == 0 || waited > 5*time.Second {
		t.Errorf("refused after %v", waited)
	}
}

// TestRateOfAToken: what is over its rate is refused, with the time to wait.
func TestRateOfAToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.mint("slow", `{"name":"slow","roles":["viewer"],"rate_per_minute":2}`)
	for range 2 {
		want(t, b.as("slow", "GET", "/api/jobs", ""), 200, "")
	}
	if a := want(t, b.as("slow", "GET", "/api/jobs", ""), 429, "too_many_requests"); a.Header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	b.clock.Advance(30 * time.Second)
	want(t, b.as("slow", "GET", "/api/jobs", ""), 200, "")
}

// TestRolesInDocument: the schema of inputs knows the roles that there are.
func TestRolesInDocument(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"TokenInput", "UserInput", "UserPatch"} {
		var got []access.Role
		for _, e := range api.Document().Components.Schemas.Map()[name].Properties["roles"].Items.Enum {
			got = append(got, access.Role(fmt.Sprint(e)))
		}
		if !slices.Equal(got, access.Roles()) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// steered are all ways to steer a job of a template.
func steered(b *bundle, as access.Role, jobID, runID string) map[string]answer {
	path := "/api/jobs/" + jobID
	return map[string]answer{
		"patch":   b.as(as, "PATCH", path, `{"priority":3}`),
		"hold":    b.as(as, "POST", path+"/hold", ``),
		"release": b.as(as, "POST", path+"/release", ``),
		"retry":   b.as(as, "POST", "/api/job-runs/"+runID+"/retry", ``),
		"cancel":  b.as(as, "POST", path+"/cancel", ``),
	}
}

// TestTemplatesOfAToken: a token that is limited to templates starts and steers
// jobs of these only; what it may read is not limited.
func TestTemplatesOfAToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var templates []string
	for _, name := range []string{"nightly-a", "weekly", "nightly-gone"} {
		templates = append(templates, want(t, b.call("POST", "/api/job-templates",
			`{"name":"`+name+`","job_type":"echo","params":{"text":"x"}}`), 201, "").text(t, "template_id"))
	}
	b.mint("limited", `{"name":"limited","roles":["operator","author"],"templates":["nightly-*"]}`)
	done := func(body string) string { // the run of a job that has ended
		b.addJob(body)
		c := b.claim()
		b.finish(c)
		return c.Run.ID
	}
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"its own": {`{"template_id":"nightly-a"}`, 200}, "by id": {`{"template_id":"` + templates[0] + `"}`, 200},
		"another": {`{"template_id":"weekly"}`, 403}, "another by id": {`{"template_id":"` + templates[1] + `"}`, 403}, "inline": {echoJob, 403},
	} {
		run := done(c.body)
		jobID := b.addJob(c.body)
		for verb, a := range steered(b, "limited", jobID, run) {
			if ok := a.StatusCode < 300; ok != (c.status == 200) || !ok && a.StatusCode != 403 {
				t.Errorf("%s: %s %d %s", name, verb, a.StatusCode, a.body)
			}
		}
		want(t, b.as("limited", "GET", "/api/jobs/"+jobID, ""), 200, "")
		if a := b.as("limited", "POST", "/api/jobs", c.body); (a.StatusCode == 201) != (c.status == 200) {
			t.Errorf("%s: add %d %s", name, a.StatusCode, a.body)
		}
		b.call("POST", "/api/jobs/"+jobID+"/cancel", "")
		for _, j := range list(t, b.call("GET", "/api/jobs?status=QUEUED", "")) {
			b.call("POST", fmt.Sprintf("/api/jobs/%s/cancel", j["job_id"]), "")
		}
	}
	// Nor does it change what others start, or make their templates its own.
	for target, c := range map[string]struct {
		method, body string
		status       int
	}{
		"/api/job-templates/nightly-a": {"PATCH", `{"description":"mine"}`, 200}, "/api/job-templates/weekly": {"PATCH", `{"description":"mine"}`, 403},
		"/api/job-templates/weekly?": {"PATCH", `{"name":"nightly-b"}`, 403}, "/api/job-templates/nightly-a?": {"PATCH", `{"name":"weekly2"}`, 403},
		"/api/job-templates/weekly??": {"DELETE", "", 403}, "/api/job-templates": {"POST", `{"name":"x","job_type":"echo","params":{"text":"x"}}`, 403},
	} {
		if a := b.as("limited", c.method, strings.TrimRight(target, "?"), c.body); a.StatusCode != c.status {
			t.Errorf("%s %s %s: %d %s", c.method, target, c.body, a.StatusCode, a.body)
		}
	}
	want(t, b.as("limited", "POST", "/api/job-templates", `{"name":"nightly-c","job_type":"echo","params":{"text":"x"}}`), 201, "")
	run := done(`{"template_id":"nightly-gone"}`)
	jobID := b.addJob(`{"template_id":"nightly-gone"}`)
	want(t, b.call("DELETE", "/api/job-templates/nightly-gone", ""), 204, "")
	for verb, a := range steered(b, "limited", jobID, run) {
		if a.StatusCode != 403 {
			t.Errorf("a template that is gone: %s %d %s", verb, a.StatusCode, a.body)
		}
	}
}

// TestOtherTenantsAreNumbers: jobs of others are counted and otherwise nowhere.
func TestOtherTenantsAreNumbers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tenancy()
	locked := `{"job_type":"echo","name":"private","params":{"text":"secret text","model":"m"}}`
	mine := b.addJob(locked)
	want(t, b.call("PATCH", "/api/workers", `{"count":2}`), 200, "")
	b.claim()
	b.addJob(locked)
	want(t, b.call("POST", "/api/scheduler/pause", `{"reason":"private reason"}`), 200, "")
	theirs := want(t, b.as("stranger", "POST", "/api/jobs", `{"job_type":"echo","params":{"text":"x","model":"m"}}`), 201, "")
	if v := theirs.json(t); v["position"] != 1.0 {
		t.Errorf("position %v", v["position"])
	}
	s := want(t, b.as("stranger", "GET", "/api/scheduler", ""), 200, "").json(t)
	if diff := cmp.Diff(map[string]any{"queued": 1.0, "running": 1.0}, s["other_tenants"]); diff != "" {
		t.Error(diff)
	}
	if s["paused"] != true || s["paused_by"] != nil || s["paused_reason"] != nil || s["queued"] != 1.0 || s["running"] != 0.0 {
		t.Errorf("%v", s)
	}
	if own := want(t, b.call("GET", "/api/scheduler", ""), 200, "").json(t); own["paused_by"] != "admin" || own["paused_reason"] != "private reason" {
		t.Errorf("%v", own)
	}
	want(t, b.call("POST", "/api/scheduler/resume", ""), 200, "")
	waiting, _ := want(t, b.as("stranger", "GET", "/api/jobs/"+theirs.text(t, "job_id"), ""), 200, "").json(t)["waiting"].(map[string]any)
	if waiting["code"] != "lock" || waiting["holder"] != nil || waiting["detail"] != "lock model:m is held by a job of another tenant" {
		t.Errorf("%v", waiting)
	}
	for _, path := range []string{
		"/api/jobs", "/api/jobs?q=private", "/api/job-runs", "/api/workers", "/api/scheduler", "/api/job-templates", "/api/users", "/api/tokens", "/api/audit", "/api/sessions",
	} {
		a := want(t, b.as("stranger", "GET", path, ""), 200, "")
		for _, word := range []string{mine, "private", "secret text", `"admin"`} {
			if strings.Contains(string(a.body), word) {
				t.Errorf("%s shows %q of another tenant: %s", path, word, a.body)
			}
		}
	}
}

// TestWhoamiOfATokens shows the limits.
func TestWhoamiOfAToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.mint("ci", `{"name":"ci","roles":["operator"],"scopes":["jobs:read"],"templates":["a*"]}`)
	var me wire.Me
	a := want(t, b.as("ci", http.MethodGet, "/api/session", ""), 200, "")
	decode(t, a, &me)
	if diff := cmp.Diff([]string{"jobs:read", "session:use"}, me.Scopes); diff != "" || me.Kind != "token" || !slices.Equal(me.Templates, []string{"a*"}) {
		t.Errorf("%s %s", diff, a.body)
	}
}

func decode(t *testing.T, a answer, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}
