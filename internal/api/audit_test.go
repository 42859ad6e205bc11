package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/store"
)

// TestEveryChangeIsRecorded makes each change that section 3.16 of the security
// model names and finds its entry.
func TestEveryChangeIsRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tenancy()
	id := func(a answer, key string) string { return want(t, a, 201, "").text(t, key) }
	tok := id(b.call("POST", "/api/tokens", `{"name":"ci","roles":["viewer"]}`), "token_id")
	b.call("DELETE", "/api/tokens/"+tok, "")
	b.call("DELETE", "/api/tokens/"+tok, "") // nothing changes: no entry
	usr := id(b.call("POST", "/api/users", `{"name":"ann","roles":["viewer"]}`), "user_id")
	b.call("PATCH", "/api/users/ann", `{"roles":["operator"]}`)
	b.call("PATCH", "/api/users/ann", `{"roles":["operator"]}`)
	b.call("PATCH", "/api/users/ann", `{"password":"`+goodPassword+`"}`)
	b.call("DELETE", "/api/users/ann", "")
	ten := id(b.call("POST", "/api/tenants", `{"name":"blue"}`), "tenant_id")
	b.call("PATCH", "/api/tenants/blue", `{"disabled":true}`)
	tmpl := id(b.call("POST", "/api/job-templates", `{"name":"t","job_type":"echo","params":{"text":"x"}}`), "template_id")
	b.call("PATCH", "/api/job-templates/t", `{"priority":1}`)
	b.call("DELETE", "/api/job-templates/t", "")
	b.call("PATCH", "/api/workers", `{"count":3}`)
	b.call("POST", "/api/scheduler/pause", `{"reason":"lunch"}`)
	b.call("POST", "/api/scheduler/resume", "")
	j := b.addNamed("a", "b")
	b.call("PUT", "/api/queue/order", `{"order":["`+j["b"]+`","`+j["a"]+`"]}`)
	b.call("POST", "/api/jobs/"+j["a"]+"/move", `{"top":true}`)
	b.call("POST", "/api/jobs/bulk", `{"job_ids":["`+j["a"]+`","`+j["b"]+`"],"action":"hold","dry_run":true}`) // changes nothing
	b.call("POST", "/api/jobs/bulk", `{"job_ids":["`+j["a"]+`","`+j["b"]+`"],"action":"hold"}`)
	b.call("PATCH", "/api/limits", `{"max_global":3}`)
	b.call("PATCH", "/api/limits", `{"max_global":3}`)
	b.call("PATCH", "/api/settings", `{"strict_order":true}`)
	want(t, b.call("POST", "/api/users", `{"name":"rita","roles":["viewer"],"tenant":"red"}`), 201, "")

	var got []string
	for _, e := range list(t, b.call("GET", "/api/audit?sort=seq&limit=200", "")) {
		got = append(got, fmt.Sprintf("%v %v", e["action"], e["object"]))
		if actor, _ := e["actor"].(map[string]any); actor["name"] != "admin" || actor["remote"] != "192.0.2.1" || !strings.HasPrefix(fmt.Sprint(actor["request_id"]), "req_") {
			t.Errorf("actor %v", actor)
		}
	}
	wanted := []string{
		"token.create " + tok, "token.revoke " + tok, "user.create " + usr, "user.update " + usr, "user.password " + usr, "user.delete " + usr,
		"tenant.create " + ten, "tenant.update " + ten, "template.create " + tmpl, "template.update " + tmpl, "template.delete " + tmpl,
		"workers.scale ", "queue.pause ", "queue.resume ",
		"queue.reorder ", "queue.reorder " + j["a"], "jobs.bulk ", "limits.update ", "settings.update ",
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
	// What is done to another tenant stands in its own chain.
	if l := list(t, b.as("stranger", "GET", "/api/audit", "")); len(l) != 1 || l[0]["action"] != "user.create" {
		t.Errorf("%v", l)
	}
	if l := list(t, b.call("GET", "/api/audit?tenant=red", "")); len(l) != 1 {
		t.Errorf("%v", l)
	}
}

func TestAuditList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range []string{"a", "b", "c"} {
		want(t, b.call("POST", "/api/tenants", `{"name":"`+name+`"}`), 201, "")
		b.clock.Advance(time.Minute)
	}
	b.mint("ci", `{"name":"ci","roles":["admin"]}`)
	want(t, b.as("ci", "PATCH", "/api/workers", `{"count":3}`), 200, "")
	for query, names := range map[string]string{
		"":                                   "5 4 3 2 1",
		"?sort=-seq":                         "5 4 3 2 1",
		"?sort=seq":                          "1 2 3 4 5",
		"?action=tenant.create":              "3 2 1",
		"?action=token.create,workers.scale": "5 4",
		"?actor=ci":                          "5",
		"?actor=nobody":                      "",
		"?object=b":                          "2",
		"?created_after=2026-01-31T12:00:00Z&created_before=2026-01-31T12:02:00Z": "2",
	} {
		var got []string
		for _, e := range list(t, b.call("GET", "/api/audit"+query, "")) {
			got = append(got, fmt.Sprint(e["seq"]))
		}
		if strings.Join(got, " ") != names {
			t.Errorf("%s: %v, want %s", query, got, names)
		}
	}
	for _, sort := range []string{"", "&sort=seq"} {
		seen, cursor := 0, ""
		for range 5 {
			a := b.call("GET", "/api/audit?limit=2"+sort+cursor, "")
			seen += len(list(t, a))
			next := a.text(t, "next_cursor")
			if next == "" {
				break
			}
			cursor = "&cursor=" + next
		}
		if seen != 5 {
			t.Errorf("%s: %d entries on all pages", sort, seen)
		}
	}
	want(t, b.call("GET", "/api/audit?who=ann", ""), 400, "unknown_parameter")
	want(t, b.call("POST", "/api/audit", `{}`), 405, "method_not_allowed")
	want(t, b.as(access.Author, "GET", "/api/audit", ""), 403, "forbidden")
}

// forged is an Audit role whose entries somebody has changed.
type forged struct {
	store.Audit
	spoil func([]audit.Entry) []audit.Entry
}

func (f forged) List(ctx context.Context, p store.ListAudit) (store.AuditPage, error) {
	page, err := f.Audit.List(ctx, p)
	page.Entries = f.spoil(page.Entries)
	return page, err
}

func TestAuditVerify(t *testing.T) {
	t.Parallel()
	spoil := func(l []audit.Entry) []audit.Entry { return l }
	b := setup(t, func(o *api.Options) {
		o.Store.Audit = forged{o.Store.Audit, func(l []audit.Entry) []audit.Entry { return spoil(l) }}
	})
	check := func(query string) (c wire.AuditCheck) {
		t.Helper()
		decode(t, want(t, b.call("GET", "/api/audit/verify"+query, ""), 200, ""), &c)
		return c
	}
	if c := check(""); !c.Valid || c.Entries != 0 || c.HeadHash != "" {
		t.Errorf("empty: %+v", c)
	}
	for i := range 3 {
		want(t, b.call("PATCH", "/api/workers", fmt.Sprintf(`{"count":%d}`, i+5)), 200, "")
	}
	good := check("")
	if !good.Valid || good.Entries != 3 || good.HeadSeq != 3 || len(good.HeadHash) != 64 || good.Error != nil {
		t.Errorf("%+v", good)
	}
	want(t, b.call("PATCH", "/api/workers", `{"count":1}`), 200, "")
	if c := check("?head=" + good.HeadHash); !c.Valid || c.Entries != 4 {
		t.Errorf("a noted head: %+v", c)
	}
	if c := check("?head=" + strings.Repeat("0", 64)); c.Valid || c.Error == nil || c.BrokenAt != nil {
		t.Errorf("a head that is gone: %+v", c)
	}
	if c := check("?head=" + strings.ToUpper(good.HeadHash)); !c.Valid {
		t.Errorf("a noted head in upper case: %+v", c)
	}
	for _, head := range []string{"abc", strings.Repeat("x", 64), good.HeadHash + "0"} {
		want(t, b.call("GET", "/api/audit/verify?head="+head, ""), 400, "invalid_parameter")
	}
	spoil = func(l []audit.Entry) []audit.Entry { l[1].Actor.Name = "somebody else"; return l }
	if c := check(""); c.Valid || c.Entries != 1 || c.BrokenAt == nil || *c.BrokenAt != 2 || !strings.Contains(*c.Error, "was changed") {
		t.Errorf("changed: %+v", c)
	}
	spoil = func(l []audit.Entry) []audit.Entry { return append(l[:1:1], l[2:]...) }
	if c := check(""); c.Valid || c.Error == nil || *c.BrokenAt != 3 {
		t.Errorf("removed: %+v", c)
	}
}

// TestLimitsOfTokensAreRecorded, and only those that were set.
func TestLimitsOfTokensAreRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want(t, b.call("POST", "/api/tokens", `{"name":"free","roles":["viewer"]}`), 201, "")
	want(t, b.call("POST", "/api/tokens", `{"name":"ci","roles":["operator"],"scopes":["jobs:read","jobs:write"],"templates":["deploy-*","test"],"rate_per_minute":60}`), 201, "")
	var got []any
	for _, e := range list(t, b.call("GET", "/api/audit?sort=seq&action=token.create", "")) {
		d, _ := e["detail"].(map[string]any)
		delete(d, "expires_at")
		got = append(got, d)
	}
	wanted := []any{
		map[string]any{"roles": "viewer"},
		map[string]any{"roles": "operator", "scopes": "jobs:read,jobs:write", "templates": "deploy-*,test", "rate_per_minute": "60"},
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
}

// TestAuditExport: what is downloaded can be verified without the server, over
// more than one page, and the export itself is the last entry.
func TestAuditExport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const more = 1203
	for i := range more {
		if _, err := b.store.Audit.Append(t.Context(), audit.Entry{
			Tenant: access.DefaultTenant, At: start.Add(time.Duration(i) * time.Millisecond), Action: audit.Login, Actor: audit.Actor{Name: "<ann> & \"bob\" é"},
			Detail: map[string]string{"n": fmt.Sprint(i)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	a := want(t, b.call("GET", "/api/audit/export", ""), 200, "")
	if a.Header.Get("Content-Type") != "application/x-ndjson" || !strings.Contains(a.Header.Get("Content-Disposition"), "audit-default.jsonl") {
		t.Errorf("%v", a.Header)
	}
	var v audit.Verifier
	var last wire.AuditEntry
	for line := range bytes.Lines(a.body) {
		last = wire.AuditEntry{}
		if err := json.Unmarshal(line, &last); err != nil {
			t.Fatal(err)
		}
		if err := v.Check(last.Domain()); err != nil {
			t.Fatal(err)
		}
	}
	if v.Seq != more+1 || last.Action != string(audit.AuditExported) || last.Actor.Name != "admin" {
		t.Errorf("%d entries, the last is %+v", v.Seq, last)
	}
	if a := b.call("HEAD", "/api/audit/export", ""); a.StatusCode != 200 || len(a.body) > 0 {
		t.Errorf("HEAD: %d %s", a.StatusCode, a.body)
	}
	if l := list(t, b.call("GET", "/api/audit?limit=1", "")); l[0]["seq"] != float64(more+1) {
		t.Errorf("HEAD was recorded: %v", l[0])
	}
}

// TestAuditExportBreaksOff: half a chain must not look whole.
func TestAuditExportBreaksOff(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) {
		o.Store.Audit = forged{o.Store.Audit, func([]audit.Entry) []audit.Entry { return nil }}
	})
	server := httptest.NewServer(b.handler)
	defer server.Close()
	r := httptest.NewRequestWithContext(t.Context(), "GET", server.URL+"/api/audit/export", nil)
	r.RequestURI = ""
	r.Header.Set("Authorization", "Bearer "+b.tokens[access.Admin])
	res, err := server.Client().Do(r)
	if err == nil {
		defer res.Body.Close() // only read
		_, err = new(bytes.Buffer).ReadFrom(res.Body)
	}
	if err == nil {
		t.Error("the answer looks complete")
	}
}

// TestUsersAreRecordedAsTheyAre: also where no request of an administrator makes
// or changes them, the entry names the state that the API gives.
func TestUsersAreRecordedAsTheyAre(t *testing.T) {
	t.Parallel()
	var who *identity.Service
	b := setup(t, func(o *api.Options) { who = o.Identity })
	b.clock.Advance(1234567 * time.Nanosecond)
	state := func() string {
		u, err := b.store.Users.User(t.Context(), access.DefaultTenant, "ann")
		if err != nil {
			t.Fatal(err)
		}
		u.LastLoginAt = time.Time{}
		return api.DigestUser(u)
	}
	last := func(a audit.Action) audit.Entry {
		page, err := b.store.Audit.List(t.Context(), store.ListAudit{Tenant: access.DefaultTenant, Actions: []audit.Action{a}, Newest: true, Limit: 1})
		if err != nil || len(page.Entries) != 1 {
			t.Fatalf("%s: %v %v", a, page, err)
		}
		return page.Entries[0]
	}
	in, err := who.SetUp(t.Context(), who.NewSetupCode(), identity.Attempt{Name: "ann", Password: goodPassword})
	if err != nil {
		t.Fatal(err)
	}
	if e := last(audit.SetUp); e.Before != "" || e.After != state() {
		t.Errorf("set-up: before %q, after %q, stored %q", e.Before, e.After, state())
	}
	r := b.anonymous("POST", "/api/session/password", `{"current_password":"`+goodPassword+`","new_password":"another good password"}`,
		"Cookie", "runsheet_session="+in.Secret, "Sec-Fetch-Site", "same-origin")
	want(t, r, 201, "")
	if e := last(audit.UserPassword); e.Before == "" || e.After == "" || e.Before == e.After {
		t.Errorf("password: before %q, after %q", e.Before, e.After)
	}
}
