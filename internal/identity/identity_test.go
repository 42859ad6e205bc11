package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)

const goodPassword = "correct horse battery"

type bundle struct {
	t     *testing.T
	clock *clocktest.Manual
	store store.Store
	who   *identity.Service
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, clock: clocktest.New(start)}
	var err error
	if b.store, err = sqlite.OpenMemory(t.Context(), b.clock); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.store.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	b.who = b.instance()
	return b
}

// instance is one more server on the same store.
func (b *bundle) instance() *identity.Service {
	return identity.New(identity.Options{Store: b.store, Clock: b.clock})
}

func (b *bundle) token(edit ...func(*access.Token)) (string, access.Token) {
	b.t.Helper()
	text := access.NewToken()
	tok := access.Token{
		ID: id.New(id.Token, start), Tenant: access.DefaultTenant, Name: id.New("n", start), Hash: access.HashToken(text),
		Roles: []access.Role{access.Viewer}, CreatedAt: start, ExpiresAt: start.Add(time.Hour),
	}
	for _, e := range edit {
		e(&tok)
	}
	tok, err := b.store.Tokens.Create(b.t.Context(), store.PutToken{Token: tok})
	if err != nil {
		b.t.Fatal(err)
	}
	return text, tok
}

func (b *bundle) user(name string) access.User {
	b.t.Helper()
	hash, err := b.who.HashPassword(b.t.Context(), name, goodPassword)
	if err != nil {
		b.t.Fatal(err)
	}
	u, err := b.store.Users.Create(b.t.Context(), store.PutUser{User: access.User{
		ID: id.New(id.User, start), Tenant: access.DefaultTenant, Name: name, Roles: []access.Role{access.Operator}, PasswordHash: hash,
		CreatedAt: start, UpdatedAt: start,
	}})
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("err = %v, want %s", err, code)
	}
}

// TestRevocationReachesAllInstances: within five seconds, as promised.
func TestRevocationReachesAllInstances(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text, tok := b.token()
	all := []*identity.Service{b.who, b.instance()}
	for _, s := range all {
		if p, err := s.Authenticate(t.Context(), access.Credential{Token: text}); err != nil || p.TokenID != tok.ID {
			t.Fatalf("%v %v", p, err)
		}
	}
	if err := b.store.Tokens.Revoke(t.Context(), store.RevokeToken{Tenant: tok.Tenant, ID: tok.ID, At: start}); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(5 * time.Second)
	for _, s := range all {
		_, err := s.Authenticate(t.Context(), access.Credential{Token: text})
		wantCode(t, err, fault.Unauthorized)
	}
}

func TestTokenExpiresWhileItIsBelieved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text, _ := b.token(func(k *access.Token) { k.ExpiresAt = start.Add(time.Second) })
	if _, err := b.who.Authenticate(t.Context(), access.Credential{Token: text}); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(time.Second)
	_, err := b.who.Authenticate(t.Context(), access.Credential{Token: text})
	wantCode(t, err, fault.Unauthorized)
}

// down is a store whose tokens cannot be read.
type down struct{ store.Tokens }

func (down) ByHash(context.Context, [32]byte) (access.Token, error) {
	return access.Token{}, fault.New(fault.StorageUnavailable, "down")
}

// TestOutageIsNotAWrongToken: a caller must not throw his token away because the
// database was down.
func TestOutageIsNotAWrongToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text, _ := b.token()
	broken := b.store
	broken.Tokens = down{b.store.Tokens}
	s := identity.New(identity.Options{Store: broken, Clock: b.clock})
	_, err := s.Authenticate(t.Context(), access.Credential{Token: text})
	wantCode(t, err, fault.StorageUnavailable)
	// What cannot be a token costs no question.
	for _, bad := range []string{"rst_", text[:len(text)-1], text + "0", strings.ToUpper(text), "Bearer " + text, access.TokenPrefix + strings.Repeat("0", 58)} {
		_, err := s.Authenticate(t.Context(), access.Credential{Token: bad})
		wantCode(t, err, fault.Unauthorized)
	}
}

func TestUseIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text, tok := b.token()
	used := func() time.Time {
		if err := b.who.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := b.store.Tokens.Token(t.Context(), tok.Tenant, tok.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got.LastUsedAt
	}
	for i, want := range []time.Time{start, start, start.Add(time.Minute)} {
		if _, err := b.who.Authenticate(t.Context(), access.Credential{Token: text}); err != nil {
			t.Fatal(err)
		}
		if got := used(); !got.Equal(want) {
			t.Errorf("use %d: %v, want %v", i, got, want)
		}
		b.clock.Advance(30 * time.Second)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text, _ := b.token(func(k *access.Token) { k.RatePerMinute = 6 })
	ask := func() error {
		_, err := b.who.Authenticate(t.Context(), access.Credential{Token: text})
		return err
	}
	for i := range 6 {
		if err := ask(); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	err := ask()
	wantCode(t, err, fault.TooManyRequests)
	if wait := fault.From(err).RetryAfter; wait != 10*time.Second {
		t.Errorf("wait %v, want 10s", wait)
	}
	b.clock.Advance(10 * time.Second)
	if err := ask(); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	wantCode(t, ask(), fault.TooManyRequests)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u := b.user("ann")
	in, err := b.who.Login(t.Context(), identity.Attempt{Name: "Ann", Password: goodPassword, Remote: "10.0.0.1", Agent: "b\x00rowser\n" + strings.Repeat("x", 500)})
	if err != nil || in.User.ID != u.ID || len(in.Session.Agent) > 200 || strings.ContainsAny(in.Session.Agent, "\x00\n") {
		t.Fatalf("%v %v", in.Session, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", in, in, in); strings.Contains(text, in.Secret) {
		t.Error("an entrance prints its secret")
	}
	p, err := b.who.Authenticate(t.Context(), access.Credential{Session: in.Secret})
	if err != nil || p.UserID != u.ID || p.SessionID != in.Session.ID {
		t.Errorf("%v %v", p, err)
	}
	// A secret of a session is no token, and the reverse.
	_, err = b.who.Authenticate(t.Context(), access.Credential{Token: in.Secret})
	wantCode(t, err, fault.Unauthorized)
	text, _ := b.token()
	_, err = b.who.Authenticate(t.Context(), access.Credential{Session: text})
	wantCode(t, err, fault.Unauthorized)
	// A second login in the same browser ends the first session.
	again, err := b.who.Login(t.Context(), identity.Attempt{
		Name: "ann", Password: goodPassword, Remote: "10.0.0.1", Replaces: access.Credential{Session: in.Secret},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.who.Authenticate(t.Context(), access.Credential{Session: in.Secret})
	wantCode(t, err, fault.Unauthorized)
	if err := b.who.Leave(t.Context(), access.Credential{Session: again.Secret}, u.Principal(again.Session.ID), audit.Actor{}); err != nil {
		t.Fatal(err)
	}
	_, err = b.who.Authenticate(t.Context(), access.Credential{Session: again.Secret})
	wantCode(t, err, fault.Unauthorized)
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u := b.user("ann")
	in, err := b.who.Enter(t.Context(), u, identity.Attempt{}, "test")
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		_, err := b.who.Authenticate(t.Context(), access.Credential{Session: in.Secret})
		return err
	}
	for b.clock.Now().Before(start.Add(access.SessionMax - 11*time.Hour)) {
		b.clock.Advance(11 * time.Hour)
		if err := ask(); err != nil {
			t.Fatalf("at %v, in use: %v", b.clock.Now(), err)
		}
		if err := b.who.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.clock.Advance(11 * time.Hour)
	wantCode(t, ask(), fault.Unauthorized) // seven days are over
	if in, err = b.who.Enter(t.Context(), u, identity.Attempt{}, "test"); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(access.SessionIdle)
	wantCode(t, ask(), fault.Unauthorized)
}

// TestWrongLoginsWait: also when they come at once, and whether the name exists
// or not.
func TestWrongLoginsWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.user("ann")
	for _, name := range []string{"ann", "nobody"} {
		var mu sync.Mutex
		codes := map[fault.Code]int{}
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				_, err := b.who.Login(t.Context(), identity.Attempt{Name: name, Password: "wrong wrong wrong", Remote: fmt.Sprint(name, i)})
				mu.Lock()
				defer mu.Unlock()
				if f, ok := errors.AsType[*fault.Error](err); ok {
					codes[f.Code]++
				}
			})
		}
		wg.Wait()
		if codes[fault.Unauthorized] != 6 || codes[fault.TooManyRequests] != 6 {
			t.Errorf("%s: %v", name, codes)
		}
	}
	_, err := b.who.Login(t.Context(), identity.Attempt{Name: "ann", Password: goodPassword, Remote: "x"})
	wantCode(t, err, fault.TooManyRequests)
	b.clock.Advance(time.Minute) // never longer
	if _, err = b.who.Login(t.Context(), identity.Attempt{Name: "ann", Password: goodPassword, Remote: "x"}); err != nil {
		t.Errorf("after a minute: %v", err)
	}
	page, err := b.store.Audit.List(t.Context(), store.ListAudit{Tenant: access.DefaultTenant, Actions: []audit.Action{audit.LoginFailed}, Limit: 50})
	if err != nil || len(page.Entries) != 12 {
		t.Errorf("%d failures recorded: %v", len(page.Entries), err)
	}
	for _, e := range page.Entries {
		if strings.Contains(fmt.Sprint(e), "nobody 1") || e.ObjectName != "" && e.ObjectName != "ann" {
			t.Errorf("what was typed is recorded: %v", e)
		}
	}
}

// TestAddressesWait: one address that tries many names.
func TestAddressesWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	refused := 0
	for i := range 30 {
		_, err := b.who.Login(t.Context(), identity.Attempt{Name: fmt.Sprint("user", i), Password: "x", Remote: "10.0.0.9"})
		if fault.Is(err, fault.TooManyRequests) {
			refused++
		}
	}
	if refused != 9 {
		t.Errorf("%d of 30 refused, want 9", refused)
	}
	// A login of one's own does not buy new tries.
	b.user("ann")
	b.clock.Advance(time.Minute)
	if _, err := b.who.Login(t.Context(), identity.Attempt{Name: "ann", Password: goodPassword, Remote: "10.0.0.9"}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		_, err := b.who.Login(t.Context(), identity.Attempt{Name: fmt.Sprint("other", i), Password: "x", Remote: "10.0.0.9"})
		if limited := fault.Is(err, fault.TooManyRequests); limited != (i == 1) {
			t.Errorf("try %d after the own login: %v", i, err)
		}
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, bad := range []string{"short", "aaaaaaaaaaaaaaaa", "annannannann", strings.Repeat("x y", 400), "bad\xffutf8 password"} {
		if _, err := b.who.HashPassword(t.Context(), "annannannann", bad); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	one, err := b.who.HashPassword(t.Context(), "ann", goodPassword)
	two, err2 := b.who.HashPassword(t.Context(), "ann", goodPassword)
	if err != nil || err2 != nil || one == two || !strings.HasPrefix(one, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s %s %v %v", one, two, err, err2)
	}
	for hash, want := range map[string]bool{one: true, "": false} {
		ok, err := b.who.CheckPassword(t.Context(), access.User{Name: "u" + hash, PasswordHash: hash}, goodPassword)
		if ok != want || err != nil {
			t.Errorf("check %q: %v %v", hash, ok, err)
		}
	}
	for _, broken := range []string{"x", "$argon2i$v=19$m=1,t=1,p=1$aa$aa", "$argon2id$v=19$m=9999999,t=2,p=1$YWFhYWFhYWE$YWFhYWFhYWFhYWFhYWFhYQ"} {
		if ok, err := b.who.CheckPassword(t.Context(), access.User{Name: "v" + broken, PasswordHash: broken}, goodPassword); ok || err == nil {
			t.Errorf("%q is usable", broken)
		}
	}
}

func TestSetUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := identity.Attempt{Name: "root", Password: goodPassword, Remote: "10.0.0.1"}
	_, err := b.who.SetUp(t.Context(), "", a)
	wantCode(t, err, fault.SetupCodeInvalid) // there is no code
	old := b.who.NewSetupCode()
	code := b.who.NewSetupCode()
	_, err = b.who.SetUp(t.Context(), old, a)
	wantCode(t, err, fault.SetupCodeInvalid)
	weak := a
	weak.Password = "short"
	_, err = b.who.SetUp(t.Context(), code, weak)
	wantCode(t, err, fault.InvalidInput)
	b.clock.Advance(identity.SetupLife)
	_, err = b.who.SetUp(t.Context(), code, a)
	wantCode(t, err, fault.SetupCodeInvalid)
	code = b.who.NewSetupCode()
	other := b.instance()
	code2 := other.NewSetupCode()
	in, err := b.who.SetUp(t.Context(), code, a)
	if err != nil || !in.User.Principal("").May(access.UsersWrite) {
		t.Fatalf("%v %v", in.User, err)
	}
	if b.who.SetupOpen() {
		t.Error("the code is still good")
	}
	_, err = other.SetUp(t.Context(), code2, identity.Attempt{Name: "mallory", Password: goodPassword, Remote: "y"})
	wantCode(t, err, fault.AlreadySetUp)
	if other.SetupOpen() {
		t.Error("the other instance's code is still good")
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := access.Credential{Token: "rst_x"}
	one, err := b.who.NewTicket(c)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.who.Redeem(one); err != nil || got != c {
		t.Errorf("%v %v", got.Token, err)
	}
	_, err = b.who.Redeem(one)
	wantCode(t, err, fault.Unauthorized)
	two, err := b.who.NewTicket(c)
	if err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(identity.TicketLife)
	_, err = b.who.Redeem(two)
	wantCode(t, err, fault.Unauthorized)
	for i := range 1000 {
		if _, err := b.who.NewTicket(access.Credential{Token: fmt.Sprint("rst_", i)}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = b.who.NewTicket(c)
	wantCode(t, err, fault.TooManyRequests)
}

func TestRunStops(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.who.Run(ctx)
	}()
	cancel()
	<-done
}
