package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

func accessChecks() []check {
	return []check{
		{"Users/SetUpOnce", setUpOnce},
		{"Users/CreateAndFind", userCreate},
		{"Users/NamesAreUnique", userNames},
		{"Users/UpdateEndsSessions", userUpdate},
		{"Users/TheLastAdministratorStays", lastAdmin},
		{"Users/TwoAdministratorsRemoveEachOther", lastAdminRace},
		{"Tokens/CreateAndFind", tokenCreate},
		{"Tokens/Names", tokenNames},
		{"Tokens/Revoke", tokenRevoke},
		{"Tokens/List", tokenList},
		{"Tokens/Key", tokenKey},
		{"Sessions/Life", sessionLife},
		{"Tenants/CreateAndUpdate", tenantCreate},
		{"Tenants/Disabled", tenantDisabled},
	}
}

func newUser(name string, roles ...access.Role) access.User {
	return access.User{
		ID: id.New(id.User, base), Tenant: tenant, Name: name, Roles: roles, PasswordHash: "$argon2id$" + name, CreatedBy: "tester",
		CreatedAt: base, UpdatedAt: base,
	}
}

func addUser(t testing.TB, s store.Store, u access.User) access.User {
	t.Helper()
	u, err := s.Users.Create(t.Context(), store.PutUser{User: u})
	if err != nil {
		t.Fatalf("create user: %v", err)
	}
	return u
}

func newToken(name string, edit ...func(*access.Token)) access.Token {
	t := access.Token{
		ID: id.New(id.Token, base), Tenant: tenant, Name: name, Hash: access.HashToken(name + id.New("x", base)),
		Roles: []access.Role{access.Viewer}, CreatedBy: "tester", CreatedAt: base, ExpiresAt: base.Add(time.Hour),
	}
	for _, e := range edit {
		e(&t)
	}
	return t
}

func addToken(t testing.TB, s store.Store, tok access.Token) access.Token {
	t.Helper()
	return addTokenWith(t, s, tok, nil)
}

func addTokenWith(t testing.TB, s store.Store, tok access.Token, k *store.Key) access.Token {
	t.Helper()
	tok, err := s.Tokens.Create(t.Context(), store.PutToken{Token: tok, Key: k})
	if err != nil {
		t.Fatalf("create token: %v", err)
	}
	return tok
}

func addTenant(t testing.TB, s store.Store, name string) access.Tenant {
	t.Helper()
	n, err := s.Tenants.Create(t.Context(), store.PutTenant{
		Tenant: access.Tenant{ID: id.New(id.Tenant, base), Name: name, CreatedAt: base, UpdatedAt: base},
	})
	if err != nil {
		t.Fatalf("create tenant: %v", err)
	}
	return n
}

func setUpOnce(t *testing.T, s store.Store) {
	if ok, err := s.Users.Administered(t.Context()); ok || err != nil {
		t.Errorf("administered before: %v %v", ok, err)
	}
	var made atomic.Int32
	together(8, func(i int) {
		_, err := s.Users.SetUp(t.Context(), store.PutUser{
			User: newUser(fmt.Sprintf("u%d", i), access.Admin), Audit: &audit.Entry{Tenant: tenant, Action: audit.SetUp, At: base},
		})
		if err == nil {
			made.Add(1)
		} else {
			wantCode(t, err, fault.AlreadySetUp)
		}
	})
	if made.Load() != 1 {
		t.Errorf("%d of 8 set-ups succeeded", made.Load())
	}
	if n := len(entries(t, s)); n != 1 {
		t.Errorf("%d audit entries", n)
	}
	if ok, err := s.Users.Administered(t.Context()); !ok || err != nil {
		t.Errorf("administered after: %v %v", ok, err)
	}
}

func userCreate(t *testing.T, s store.Store) {
	u := newUser("ann", access.Operator, access.Approver)
	u.Issuer, u.Subject = "https://id.example", "42"
	got := addUser(t, s, u)
	u.Version = 1
	if diff := cmp.Diff(u, got); diff != "" {
		t.Error(diff)
	}
	for name, find := range map[string]func() (access.User, error){
		"id":       func() (access.User, error) { return s.Users.User(t.Context(), tenant, u.ID) },
		"name":     func() (access.User, error) { return s.Users.User(t.Context(), tenant, "ann") },
		"any":      func() (access.User, error) { return s.Users.User(t.Context(), "", "ann") },
		"identity": func() (access.User, error) { return s.Users.ByIdentity(t.Context(), u.Issuer, "42") },
	} {
		got, err := find()
		if diff := cmp.Diff(u, got); err != nil || diff != "" {
			t.Errorf("by %s: %v %s", name, err, diff)
		}
	}
	_, err := s.Users.User(t.Context(), "ten_other", "ann")
	wantCode(t, err, fault.NotFound)
	_, err = s.Users.ByIdentity(t.Context(), u.Issuer, "43")
	wantCode(t, err, fault.NotFound)
	addUser(t, s, newUser("bob"))
	_, err = s.Users.ByIdentity(t.Context(), "", "")
	wantCode(t, err, fault.NotFound)
	page, err := s.Users.List(t.Context(), store.ListUsers{Tenant: tenant, Limit: 1})
	if err != nil || !page.More || page.Users[0].Name != "ann" {
		t.Errorf("first page %v %v", page, err)
	}
	page, err = s.Users.List(t.Context(), store.ListUsers{Tenant: tenant, AfterName: "ann", Limit: 1})
	if err != nil || page.More || len(page.Users) != 1 || page.Users[0].Name != "bob" {
		t.Errorf("second page %v %v", page, err)
	}
}

func userNames(t *testing.T, s store.Store) {
	a := newUser("ann")
	a.Issuer, a.Subject = "i", "1"
	a = addUser(t, s, a)
	b := addUser(t, s, newUser("bob"))
	other := addTenant(t, s, "other")
	again := newUser("ann")
	again.Tenant = other.ID
	_, err := s.Users.Create(t.Context(), store.PutUser{User: again})
	wantCode(t, err, fault.NameTaken)
	again = newUser("cyd")
	again.Issuer, again.Subject = "i", "1"
	_, err = s.Users.Create(t.Context(), store.PutUser{User: again})
	wantCode(t, err, fault.NameTaken)
	b.Name, b.Version = "ann", 2
	_, err = s.Users.Update(t.Context(), store.PutUser{User: b})
	wantCode(t, err, fault.NameTaken)
	if err := s.Users.Delete(t.Context(), store.DeleteUser{Tenant: tenant, ID: a.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err = s.Users.Update(t.Context(), store.PutUser{User: b}); err != nil {
		t.Errorf("the name of a deleted user is not free: %v", err)
	}
	wantCode(t, s.Users.Delete(t.Context(), store.DeleteUser{Tenant: tenant, ID: a.ID}), fault.NotFound)
	wantCode(t, s.Users.Delete(t.Context(), store.DeleteUser{Tenant: "ten_other", ID: b.ID}), fault.NotFound)
}

func login(t testing.TB, s store.Store, u access.User, at time.Time) access.Session {
	t.Helper()
	v := access.Session{
		ID: id.New(id.Session, at), UserID: u.ID, Tenant: u.Tenant, Remote: "127.0.0.1", Agent: "browser",
		CreatedAt: at, SeenAt: at, ExpiresAt: at.Add(access.SessionMax),
	}
	v.Hash = access.HashToken(v.ID)
	if err := s.Sessions.Create(t.Context(), store.PutSession{Session: v}); err != nil {
		t.Fatalf("create session: %v", err)
	}
	return v
}

func userUpdate(t *testing.T, s store.Store) {
	addUser(t, s, newUser("root", access.Admin))
	u := addUser(t, s, newUser("ann", access.Viewer))
	v := login(t, s, u, base.Add(time.Minute))
	u.Version, u.PasswordHash, u.UpdatedAt = 2, "$argon2id$new", base.Add(time.Hour)
	got, err := s.Users.Update(t.Context(), store.PutUser{User: u, KeepSessions: true})
	u.LastLoginAt = base.Add(time.Minute)
	if diff := cmp.Diff(u, got); err != nil || diff != "" {
		t.Fatalf("%v %s", err, diff)
	}
	if _, _, err := s.Sessions.ByHash(t.Context(), v.Hash); err != nil {
		t.Errorf("kept session: %v", err)
	}
	_, err = s.Users.Update(t.Context(), store.PutUser{User: u})
	wantCode(t, err, fault.VersionMismatch)
	u.Version, u.Roles = 3, []access.Role{access.Author}
	if _, err = s.Users.Update(t.Context(), store.PutUser{User: u}); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Sessions.ByHash(t.Context(), v.Hash)
	wantCode(t, err, fault.NotFound)
	stray := newUser("cyd")
	stray.Version = 2
	_, err = s.Users.Update(t.Context(), store.PutUser{User: stray})
	wantCode(t, err, fault.NotFound)
}

func lastAdmin(t *testing.T, s store.Store) {
	a := addUser(t, s, newUser("ann", access.Admin))
	other := addTenant(t, s, "other")
	o := newUser("olga", access.Admin)
	o.Tenant = other.ID
	o = addUser(t, s, o)
	for _, spoil := range []func(*access.User){
		func(u *access.User) { u.Roles = []access.Role{access.Author} },
		func(u *access.User) { u.Disabled = true },
	} {
		u := a
		u.Version++
		spoil(&u)
		_, err := s.Users.Update(t.Context(), store.PutUser{User: u})
		wantCode(t, err, fault.LastAdmin)
	}
	wantCode(t, s.Users.Delete(t.Context(), store.DeleteUser{Tenant: tenant, ID: a.ID}), fault.LastAdmin)
	if err := s.Users.Delete(t.Context(), store.DeleteUser{Tenant: other.ID, ID: o.ID}); err != nil {
		t.Errorf("another tenant's administrator: %v", err)
	}
	addUser(t, s, newUser("bob", access.Admin))
	if err := s.Users.Delete(t.Context(), store.DeleteUser{Tenant: tenant, ID: a.ID}); err != nil {
		t.Errorf("with a second one: %v", err)
	}
}

func lastAdminRace(t *testing.T, s store.Store) {
	us := []access.User{addUser(t, s, newUser("ann", access.Admin)), addUser(t, s, newUser("bob", access.Admin))}
	var gone atomic.Int32
	together(2, func(i int) {
		err := s.Users.Delete(t.Context(), store.DeleteUser{Tenant: tenant, ID: us[i].ID})
		if err == nil {
			gone.Add(1)
		} else {
			wantCode(t, err, fault.LastAdmin)
		}
	})
	if gone.Load() != 1 {
		t.Errorf("%d of 2 administrators are gone", gone.Load())
	}
}

func tokenCreate(t *testing.T, s store.Store) {
	tok := newToken("ci", func(k *access.Token) {
		k.Roles, k.Scopes = []access.Role{access.Operator, access.Author}, []access.Scope{access.JobsRead, access.JobsWrite}
		k.Templates, k.RatePerMinute = []string{"nightly-*"}, 60
	})
	if diff := cmp.Diff(tok, addToken(t, s, tok)); diff != "" {
		t.Error(diff)
	}
	got, err := s.Tokens.ByHash(t.Context(), tok.Hash)
	if diff := cmp.Diff(tok, got); err != nil || diff != "" {
		t.Errorf("by hash: %v %s", err, diff)
	}
	plain := addToken(t, s, newToken("plain", func(k *access.Token) { k.ExpiresAt = time.Time{} }))
	got, err = s.Tokens.Token(t.Context(), tenant, plain.ID)
	if diff := cmp.Diff(plain, got); err != nil || diff != "" || got.Scopes != nil || got.Templates != nil || !got.ExpiresAt.IsZero() {
		t.Errorf("by id: %v %s", err, diff)
	}
	_, err = s.Tokens.Token(t.Context(), "ten_other", plain.ID)
	wantCode(t, err, fault.NotFound)
	_, err = s.Tokens.ByHash(t.Context(), access.HashToken("?"))
	wantCode(t, err, fault.NotFound)
	use := base.Add(time.Minute)
	for _, at := range []time.Time{use, base} {
		if err := s.Tokens.Used(t.Context(), map[string]time.Time{plain.ID: at, "tok_unknown": at}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err = s.Tokens.Token(t.Context(), tenant, plain.ID); err != nil || !got.LastUsedAt.Equal(use) {
		t.Errorf("last used %v %v", got.LastUsedAt, err)
	}
}

func tokenNames(t *testing.T, s store.Store) {
	addToken(t, s, newToken("ci"))
	_, err := s.Tokens.Create(t.Context(), store.PutToken{Token: newToken("ci")})
	wantCode(t, err, fault.NameTaken)
	later := newToken("ci", func(k *access.Token) { k.CreatedAt, k.ExpiresAt = base.Add(time.Hour), base.Add(2*time.Hour) })
	addToken(t, s, later) // the first has expired
	if err := s.Tokens.Revoke(t.Context(), store.RevokeToken{Tenant: tenant, ID: later.ID, At: base}); err != nil {
		t.Fatal(err)
	}
	addToken(t, s, newToken("ci"))
}

func tokenRevoke(t *testing.T, s store.Store) {
	tok := addToken(t, s, newToken("ci"))
	wantCode(t, s.Tokens.Revoke(t.Context(), store.RevokeToken{Tenant: "ten_other", ID: tok.ID, At: base}), fault.NotFound)
	for range 2 {
		if err := s.Tokens.Revoke(t.Context(), store.RevokeToken{
			Tenant: tenant, ID: tok.ID, At: base.Add(time.Second), Audit: &audit.Entry{Tenant: tenant, Action: audit.TokenRevoked, At: base},
		}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Tokens.ByHash(t.Context(), tok.Hash)
	if err != nil || !got.RevokedAt.Equal(base.Add(time.Second)) {
		t.Errorf("revoked at %v: %v", got.RevokedAt, err)
	}
	if n := len(entries(t, s)); n != 1 {
		t.Errorf("%d audit entries for one revocation", n)
	}
}

func tokenList(t *testing.T, s store.Store) {
	var want []string
	for i := range 5 {
		tok := addToken(t, s, newToken(fmt.Sprint("t", i), func(k *access.Token) {
			k.CreatedAt, k.ExpiresAt = base.Add(time.Duration(i/2)*time.Second), base.Add(time.Duration(i)*time.Hour)
		}))
		want = append(want, tok.ID)
	}
	byAge := map[string]int{}
	for i, id := range want {
		byAge[id] = i / 2
	}
	slices.SortFunc(want, func(a, b string) int {
		if byAge[a] != byAge[b] {
			return byAge[b] - byAge[a]
		}
		return strings.Compare(b, a)
	})
	var got []string
	p := store.ListTokens{Tenant: tenant, Limit: 2}
	for {
		page, err := s.Tokens.List(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, tok := range page.Tokens {
			got = append(got, tok.ID)
			p.After = &store.TokenMark{CreatedAt: tok.CreatedAt, ID: tok.ID}
		}
		if !page.More {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	page, err := s.Tokens.List(t.Context(), store.ListTokens{Tenant: tenant, Valid: base.Add(150 * time.Minute), Limit: 9})
	if err != nil || len(page.Tokens) != 2 {
		t.Errorf("%d valid tokens, want 2: %v", len(page.Tokens), err)
	}
}

func tokenKey(t *testing.T, s store.Store) {
	k := key("k")
	k.Render = func(result any) (store.Reply, error) {
		return store.Reply{Status: 201, Body: []byte(result.(access.Token).ID)}, nil
	}
	first := addTokenWith(t, s, newToken("a"), k)
	_, err := s.Tokens.Create(t.Context(), store.PutToken{Token: newToken("b"), Key: k})
	if again, ok := errors.AsType[*store.Replay](err); !ok || string(again.Reply.Body) != first.ID {
		t.Errorf("a repetition gives %v", err)
	}
	if page, err := s.Tokens.List(t.Context(), store.ListTokens{Tenant: tenant, Limit: 9}); err != nil || len(page.Tokens) != 1 {
		t.Errorf("%d tokens: %v", len(page.Tokens), err)
	}
}

func sessionLife(t *testing.T, s store.Store) {
	u := addUser(t, s, newUser("ann", access.Viewer))
	one := login(t, s, u, base)
	got, who, err := s.Sessions.ByHash(t.Context(), one.Hash)
	if diff := cmp.Diff(one, got); err != nil || diff != "" || who.ID != u.ID || !who.LastLoginAt.Equal(base) {
		t.Errorf("%v %s %v", err, diff, who)
	}
	two := access.Session{
		ID: id.New(id.Session, base), Hash: access.HashToken("two"), UserID: u.ID, Tenant: tenant,
		CreatedAt: base.Add(time.Hour), SeenAt: base.Add(time.Hour), ExpiresAt: base.Add(access.SessionMax),
	}
	if err := s.Sessions.Create(t.Context(), store.PutSession{Session: two, Replaces: one.ID}); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Sessions.ByHash(t.Context(), one.Hash)
	wantCode(t, err, fault.NotFound)
	three := login(t, s, u, base.Add(2*time.Hour))
	list, err := s.Sessions.Of(t.Context(), u.ID)
	if diff := cmp.Diff([]access.Session{three, two}, list); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if err := s.Sessions.Seen(t.Context(), map[string]time.Time{two.ID: base.Add(13 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	// The third has been idle for 12 hours; the second was seen meanwhile.
	if n, err := s.Sessions.Purge(t.Context(), base.Add(14*time.Hour)); n != 1 || err != nil {
		t.Errorf("purged %d: %v", n, err)
	}
	if n, err := s.Sessions.Purge(t.Context(), base.Add(access.SessionMax)); n != 1 || err != nil {
		t.Errorf("purged %d: %v", n, err)
	}
	wantCode(t, s.Sessions.End(t.Context(), store.EndSession{UserID: u.ID, ID: two.ID}), fault.NotFound)
	four := login(t, s, u, base)
	wantCode(t, s.Sessions.End(t.Context(), store.EndSession{UserID: "usr_other", ID: four.ID}), fault.NotFound)
	if err := s.Sessions.End(t.Context(), store.EndSession{UserID: u.ID, ID: four.ID}); err != nil {
		t.Error(err)
	}
	five := login(t, s, u, base)
	u.Version, u.Disabled = 2, true
	if _, err := s.Users.Update(t.Context(), store.PutUser{User: u, KeepSessions: true}); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Sessions.ByHash(t.Context(), five.Hash)
	wantCode(t, err, fault.NotFound)
	wantCode(t, s.Sessions.Create(t.Context(), store.PutSession{Session: two}), fault.NotFound)
}

func tenantCreate(t *testing.T, s store.Store) {
	a := addTenant(t, s, "acme")
	_, err := s.Tenants.Create(t.Context(), store.PutTenant{Tenant: access.Tenant{ID: id.New(id.Tenant, base), Name: "acme"}})
	wantCode(t, err, fault.NameTaken)
	for _, ref := range []string{a.ID, "acme"} {
		got, err := s.Tenants.Tenant(t.Context(), ref)
		if diff := cmp.Diff(a, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", ref, err, diff)
		}
	}
	_, err = s.Tenants.Tenant(t.Context(), "nobody")
	wantCode(t, err, fault.NotFound)
	a.Name, a.Version, a.UpdatedAt = "acme2", 2, base.Add(time.Hour)
	got, err := s.Tenants.Update(t.Context(), store.PutTenant{Tenant: a})
	if diff := cmp.Diff(a, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	_, err = s.Tenants.Update(t.Context(), store.PutTenant{Tenant: a})
	wantCode(t, err, fault.VersionMismatch)
	a.Version, a.Name = 3, tenant
	_, err = s.Tenants.Update(t.Context(), store.PutTenant{Tenant: a})
	wantCode(t, err, fault.NameTaken)
	page, err := s.Tenants.List(t.Context(), "", 1)
	if err != nil || !page.More || page.Tenants[0].Name != "acme2" {
		t.Errorf("%v %v", page, err)
	}
	page, err = s.Tenants.List(t.Context(), "acme2", 1)
	if err != nil || page.More || page.Tenants[0].ID != tenant {
		t.Errorf("%v %v", page, err)
	}
}

func tenantDisabled(t *testing.T, s store.Store) {
	a := addTenant(t, s, "acme")
	tok := addToken(t, s, newToken("ci", func(k *access.Token) { k.Tenant = a.ID }))
	u := newUser("ann", access.Admin)
	u.Tenant = a.ID
	v := login(t, s, addUser(t, s, u), base)
	a.Version, a.Disabled = 2, true
	if _, err := s.Tenants.Update(t.Context(), store.PutTenant{Tenant: a}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Tokens.ByHash(t.Context(), tok.Hash)
	wantCode(t, err, fault.NotFound)
	_, _, err = s.Sessions.ByHash(t.Context(), v.Hash)
	wantCode(t, err, fault.NotFound)
}
