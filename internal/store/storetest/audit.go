package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

func auditChecks() []check {
	return []check{
		{"Audit/RoundTrip", auditRoundTrip},
		{"Audit/OneChainWhoeverWrites", auditRace},
		{"Audit/WithTheChangeOrNotAtAll", auditWithChange},
		{"Audit/List", auditList},
	}
}

func newEntry(action audit.Action) audit.Entry {
	return audit.Entry{
		Tenant: tenant, At: base, Action: action, Object: "tok_1", ObjectName: "ci", Before: "b", After: "a",
		Actor: audit.Actor{Name: "ann", ID: "usr_1", Remote: "::1", RequestID: "req_1"}, Detail: map[string]string{"k": "v"},
	}
}

// entries reads the default tenant's chain and checks it.
func entries(t testing.TB, s store.Store) []audit.Entry {
	t.Helper()
	var out []audit.Entry
	var v audit.Verifier
	p := store.ListAudit{Tenant: tenant, Limit: 3}
	for {
		page, err := s.Audit.List(t.Context(), p)
		if err != nil {
			t.Fatalf("list audit: %v", err)
		}
		for _, e := range page.Entries {
			if err := v.Check(e); err != nil {
				t.Fatal(err)
			}
			p.Seq = e.Seq
		}
		out = append(out, page.Entries...)
		if !page.More {
			return out
		}
	}
}

func auditRoundTrip(t *testing.T, s store.Store) {
	if head, err := s.Audit.Head(t.Context(), tenant); err != nil || head.Seq != 0 {
		t.Errorf("head of nothing: %v %v", head, err)
	}
	bare := audit.Entry{Tenant: tenant, At: base.Add(1500 * time.Microsecond), Action: audit.Login, Detail: map[string]string{}}
	var want []audit.Entry
	for _, e := range []audit.Entry{newEntry(audit.TokenCreated), bare} {
		got, err := s.Audit.Append(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, got)
	}
	if diff := cmp.Diff(want, entries(t, s)); diff != "" {
		t.Error(diff)
	}
	if head, err := s.Audit.Head(t.Context(), tenant); err != nil || head.Hash != want[1].Hash {
		t.Errorf("head %v %v", head, err)
	}
	stranger := newEntry(audit.Login)
	stranger.Tenant = "ten_unknown"
	_, err := s.Audit.Append(t.Context(), stranger)
	wantCode(t, err, fault.NotFound)
	other := addTenant(t, s, "other")
	stranger.Tenant = other.ID
	if got, err := s.Audit.Append(t.Context(), stranger); err != nil || got.Seq != 1 || got.Prev != "" {
		t.Errorf("another tenant's chain begins with %v %v", got, err)
	}
}

func auditRace(t *testing.T, s store.Store) {
	together(8, func(i int) {
		for k := range 5 {
			e := newEntry(audit.TemplateCreate)
			tmpl := newTemplate(fmt.Sprintf("t%d-%d", i, k))
			if _, err := s.Templates.Create(t.Context(), store.PutTemplate{Template: tmpl, Audit: &e}); err != nil {
				t.Errorf("create: %v", err)
			}
		}
	})
	if n := len(entries(t, s)); n != 40 {
		t.Errorf("%d entries, want 40", n)
	}
}

// auditWithChange makes each change fail, and then succeed.
func auditWithChange(t *testing.T, s store.Store) {
	want := 0
	expect := func(what string, err error, more int) {
		t.Helper()
		want += more
		if (err == nil) != (more == 1) {
			t.Errorf("%s: %v", what, err)
		}
		if n := len(entries(t, s)); n != want {
			t.Errorf("%s: %d entries, want %d", what, n, want)
		}
	}
	e := newEntry(audit.TemplateCreate)
	tmpl := newTemplate("t")
	made, err := s.Templates.Create(t.Context(), store.PutTemplate{Template: tmpl, Audit: &e})
	expect("create template", err, 1)
	_, err = s.Templates.Create(t.Context(), store.PutTemplate{Template: newTemplate("t"), Audit: &e})
	expect("create template again", err, 0)
	next := made
	_, err = s.Templates.Update(t.Context(), store.PutTemplate{Template: next, Audit: &e})
	expect("update template of the same version", err, 0)
	next.Version++
	_, err = s.Templates.Update(t.Context(), store.PutTemplate{Template: next, Audit: &e})
	expect("update template", err, 1)
	expect("delete template", s.Templates.Delete(t.Context(), store.DeleteTemplate{Tenant: tenant, ID: made.ID, At: base, Audit: &e}), 1)
	expect("delete template again", s.Templates.Delete(t.Context(), store.DeleteTemplate{Tenant: tenant, ID: made.ID, At: base, Audit: &e}), 0)
	_, err = s.Queue.Scale(t.Context(), store.Scale{Workers: 3, Tenant: tenant, At: base, Audit: &e})
	expect("scale", err, 1)
	_, err = s.Queue.Scale(t.Context(), store.Scale{Workers: -3, Tenant: tenant, At: base, Audit: &e})
	expect("scale wrongly", err, 0)
	_, err = s.Queue.Pause(t.Context(), store.Pause{Paused: true, Tenant: tenant, At: base, Audit: &e})
	expect("pause", err, 1)
	if _, err = s.Queue.Pause(t.Context(), store.Pause{Paused: true, Tenant: tenant, At: base, Audit: &e}); err != nil || len(entries(t, s)) != want {
		t.Errorf("a pause that changes nothing leaves an entry, or fails: %v", err)
	}
	u := newUser("ann", "admin")
	_, err = s.Users.Create(t.Context(), store.PutUser{User: u, Audit: &e})
	expect("create user", err, 1)
	_, err = s.Users.Create(t.Context(), store.PutUser{User: u, Audit: &e})
	expect("create user again", err, 0)
	expect("delete last admin", s.Users.Delete(t.Context(), store.DeleteUser{Tenant: tenant, ID: u.ID, Audit: &e}), 0)
	_, err = s.Tokens.Create(t.Context(), store.PutToken{Token: newToken("ci"), Audit: &e})
	expect("create token", err, 1)
	_, err = s.Tokens.Create(t.Context(), store.PutToken{Token: newToken("ci"), Audit: &e})
	expect("create token again", err, 0)
}

func auditList(t *testing.T, s store.Store) {
	for i, a := range []audit.Action{audit.Login, audit.TokenCreated, audit.Login, audit.Logout} {
		e := newEntry(a)
		e.At = base.Add(time.Duration(i) * time.Minute)
		e.Object, e.Actor.Name = fmt.Sprint("o", i), fmt.Sprint("n", i%2)
		if _, err := s.Audit.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		p    store.ListAudit
		want []int64
		more bool
	}{
		"all":      {p: store.ListAudit{Limit: 9}, want: []int64{1, 2, 3, 4}},
		"newest":   {p: store.ListAudit{Newest: true, Limit: 3}, want: []int64{4, 3, 2}, more: true},
		"further":  {p: store.ListAudit{Newest: true, Seq: 2, Limit: 3}, want: []int64{1}},
		"actions":  {p: store.ListAudit{Actions: []audit.Action{audit.Login, audit.Logout}, Limit: 9}, want: []int64{1, 3, 4}},
		"actor":    {p: store.ListAudit{Actor: "n1", Limit: 9}, want: []int64{2, 4}},
		"actor id": {p: store.ListAudit{Actor: "usr_1", Limit: 9}, want: []int64{1, 2, 3, 4}},
		"object":   {p: store.ListAudit{Object: "o2", Limit: 9}, want: []int64{3}},
		"time":     {p: store.ListAudit{After: base, Before: base.Add(3 * time.Minute), Limit: 9}, want: []int64{2, 3}},
	} {
		c.p.Tenant = tenant
		page, err := s.Audit.List(t.Context(), c.p)
		var got []int64
		for _, e := range page.Entries {
			got = append(got, e.Seq)
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" || page.More != c.more {
			t.Errorf("%s: %v more %v %s", name, err, page.More, diff)
		}
	}
}
