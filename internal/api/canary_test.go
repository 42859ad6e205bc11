package api_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
)

// paper is a log that may be written by many.
type paper struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.Write(b)
}

// TestSecretsStayOut sends secrets to every place that takes one, rightly and
// wrongly, and then looks for them in each table, in the log at its most
// talkative, and in each answer but the one that shows the secret.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "canary.db")
	var log paper
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b := setup(t)
	var err error
	if b.store, err = sqlite.Open(t.Context(), sqlite.Options{Path: file, Clock: b.clock}); err != nil {
		t.Fatal(err)
	}
	st := b.store
	t.Cleanup(func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	boss := access.NewToken()
	who := identity.New(identity.Options{
		Store: st, Clock: b.clock, Logger: logger,
		Static: access.Static{}.With(boss, access.Principal{Name: "boss", Tenant: access.DefaultTenant, Roles: []access.Role{access.Admin}}),
	})
	b.tokens[access.Admin] = boss
	if b.handler, err = api.New(api.Options{Store: st, Tasks: task.NewRegistry(echo{}), Identity: who, Clock: b.clock, Logger: logger}); err != nil {
		t.Fatal(err)
	}

	secrets := map[string]string{"given token": boss}
	var answers bytes.Buffer
	keep := func(a answer) answer {
		answers.Write(a.body)
		_ = a.Header.Write(&answers) // a buffer takes everything
		return a
	}
	passwords := []string{"canary-one-password", "canary-two-password", "canary-three-password", "canary-wrong-password"}
	for i, p := range passwords {
		secrets[fmt.Sprint("password ", i+1)] = p
	}
	secrets["setup code"] = who.NewSetupCode()
	keep(b.anonymous("POST", "/api/setup", `{"code":"canary-wrong-code","name":"ann","password":"`+passwords[0]+`"}`))
	secrets["wrong code"] = "canary-wrong-code"
	in := want(t, b.anonymous("POST", "/api/setup", fmt.Sprintf(`{"code":%q,"name":"ann","password":%q}`, secrets["setup code"], passwords[0])), 201, "")
	secrets["first cookie"] = sessionCookie(t, in).Value
	keep(b.call("POST", "/api/users", `{"name":"bob","roles":["viewer"],"password":"`+passwords[1]+`"}`, "Idempotency-Key", "k1"))
	want(t, keep(b.call("POST", "/api/users", `{"name":"bob","roles":["viewer"],"password":"`+passwords[1]+`"}`)), 201, "")
	keep(b.call("POST", "/api/users", `{"name":"eve","roles":["nope"],"password":"`+passwords[1]+`","pasword":"`+passwords[2]+`"}`))
	want(t, keep(b.call("PATCH", "/api/users/bob", `{"password":"`+passwords[2]+`"}`)), 200, "")
	keep(b.anonymous("POST", "/api/session", `{"name":"bob","password":"`+passwords[3]+`"}`))
	keep(b.anonymous("POST", "/api/session", `{"name":"`+passwords[3]+`","password":"x"}`))
	headers := b.login("bob", passwords[2])
	_, secrets["second cookie"], _ = strings.Cut(headers[1], "=")
	keep(b.anonymous("POST", "/api/session/password", `{"current_password":"`+passwords[3]+`","new_password":"`+passwords[1]+`"}`, headers...))
	keep(b.anonymous("GET", "/api/sessions", "", headers...))
	secrets["ticket"] = want(t, b.anonymous("POST", "/api/session/ticket", "", headers...), 201, "").text(t, "ticket")
	b.mint("ci", `{"name":"ci","roles":["operator"]}`)
	secrets["token"] = b.tokens["ci"]
	keep(b.as("ci", "POST", "/api/jobs", echoJob))
	keep(b.as("ci", "GET", "/api/nothing/"+b.tokens["ci"][:8], ""))
	keep(b.as("ci", "GET", "/api/session", ""))
	for _, path := range []string{"/api/audit?limit=200", "/api/audit/export", "/api/users", "/api/tokens", "/api/scheduler", "/api/audit/verify"} {
		keep(b.call("GET", path, ""))
	}
	if err := who.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	searchFor(t, secrets, dump(t, file), log.all.String(), answers.String())
}

// searchFor fails the test where a secret, or what was made of one, shows.
func searchFor(t *testing.T, secrets map[string]string, tables, log, answers string) {
	t.Helper()
	if !strings.Contains(tables, "argon2id") || !strings.Contains(tables, "user.password") || log == "" {
		t.Fatal("the search looks in the wrong place")
	}
	for name, secret := range secrets {
		for place, text := range map[string]string{"a table": tables, "the log": log, "an answer": answers} {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("the %s is in %s", name, place)
			}
		}
	}
	for place, text := range map[string]string{"the log": log, "an answer": answers} {
		if strings.Contains(text, "argon2id") {
			t.Errorf("a password's hash is in %s", place)
		}
	}
}

// dump returns the files of a database, with what was deleted or replaced in
// them.
func dump(t *testing.T, file string) string {
	t.Helper()
	var out strings.Builder
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(file + end)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	return out.String()
}
