package app

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/secret"
	"github.com/runsheet/runsheet/internal/vault"
)

// sheet is a log that may be written by many.
type sheet struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *sheet) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(b)
}

func (s *sheet) text() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.all.Bytes())
}

const canary = "canary/Zq7+wert\"x\" 0815"

// TestSecretsLeaveNoTrace: a value is in no file of the data folder, in whatever form,
// not in the log at its most talkative, not in a backup, and not in any answer.
func TestSecretsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	search := secret.NewMasker(canary)
	found := func(b []byte) bool { return !bytes.Equal(b, search.Bytes(b)) }
	if !found([]byte("x" + base64.StdEncoding.EncodeToString([]byte("ab"+canary)))) {
		t.Fatal("the search finds nothing")
	}
	var log sheet
	c := config.Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), Workers: 1, StopGrace: time.Second, LeaseTTL: 30 * time.Second, LogMaxBytes: 1 << 20, Timezone: "UTC",
		AdminToken: config.Secret(access.NewToken()),
	}
	a := New(Options{Config: c, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceValue(a.Stop)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	ask := asker(t, a, found)
	quoted, err := json.Marshal(canary)
	if err != nil {
		t.Fatal(err)
	}
	value := string(quoted)
	if status, body := ask("POST", "/api/webhooks", `{"url":"https://example.com/hook","events":["*"]}`); status != 201 {
		t.Fatal(status, body)
	}
	for body, want := range map[string]int{
		`{"value":` + value + `,"grants":[{"workflow_id":"w","kinds":["k"],"hosts":["h"]}]}`: 201,
		`{"value":` + value + `,"no":1}`:          422,
		`{"value":[` + value + `]}`:               422,
		`{"value":` + value + `,"value":"twice"}`: 400,
		`{"value":` + value:                       400,
	} {
		if status, answer := ask("PUT", "/api/secrets/CANARY", body, "Idempotency-Key", "k"); status != want && (want < 400 || status < 400 || status >= 500) {
			t.Errorf("%.40s: %d %s", body, status, answer)
		}
	}
	if got, err := a.vault.Value(t.Context(), access.DefaultTenant, "CANARY", secret.Use{WorkflowID: "w", Kind: "k", Host: "h:443"}); err != nil || got != canary {
		t.Fatalf("the value was not kept: %v", err)
	}
	sealed, err := a.vault.Seal(t.Context(), access.DefaultTenant, "run", []byte(canary))
	if err != nil || found([]byte(sealed)) {
		t.Error("sealing shows the value", err)
	}
	for _, path := range []string{"/api/secrets", "/api/secrets/CANARY", "/api/audit?limit=50", "/api/audit/export", "/api/webhook-deliveries", "/metrics", "/api/scheduler"} {
		ask("GET", path, "")
	}
	b, err := a.backup(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := errors.Join(b.WriteTo(t.Context(), &file), b.Close()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(file.Bytes(), []byte("CANARY")) || found(file.Bytes()) {
		t.Error("the backup lacks the secret, or has its value")
	}
	if key, err := os.ReadFile(c.SecretsKeyFile()); err != nil || bytes.Contains(file.Bytes(), bytes.TrimSpace(key)) {
		t.Error("the backup has the key", err)
	}
	if found(log.text()) || len(log.text()) == 0 {
		t.Error("the log has the value, or nothing")
	}
	searchFiles(t, c.Data, found)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	searchFiles(t, c.Data, found)
	restoredWithoutKey(t, file.Bytes())
}

// asker makes requests as the administrator and looks into each answer.
func asker(t *testing.T, a *App, found func([]byte) bool) func(method, path, body string, headers ...string) (int, string) {
	return func(method, path, body string, headers ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, a.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+a.o.Config.AdminToken.Reveal())
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if found(b) {
			t.Errorf("%s %s answers with the value", method, path)
		}
		return res.StatusCode, string(b)
	}
}

// searchFiles looks into all files of a folder.
func searchFiles(t *testing.T, dir string, found func([]byte) bool) {
	t.Helper()
	names := ""
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // temporary
		}
		names += " " + d.Name()
		if found(b) {
			t.Errorf("%s has the value", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(names, "runsheet.db") || !strings.Contains(names, "secrets.key") {
		t.Errorf("searched only %s", names)
	}
}

// restoredWithoutKey: an installation that comes back without its key says so, and
// makes no other.
func restoredWithoutKey(t *testing.T, file []byte) {
	t.Helper()
	to := t.TempDir()
	if _, err := Restore(t.Context(), config.Config{Data: to, Workers: 4}, RestoreOptions{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil },
	}); err != nil {
		t.Fatal(err)
	}
	back := openOnly(t, func(c *config.Config) { c.Data = to })
	if err := back.openVault(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := back.vault.Value(t.Context(), access.DefaultTenant, "CANARY", secret.Use{WorkflowID: "w", Kind: "k", Host: "h:443"})
	if !fault.Is(err, fault.SecretsKeyMissing) {
		t.Errorf("without the key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(to, "secrets.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("another key was made")
	}
}

// TestRotateKey: the command works on a stopped installation, with the key in a file
// and with one that the operator gives.
func TestRotateKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	use := secret.Use{WorkflowID: "w", Kind: "k"}
	c := config.Config{Data: dir, Workers: 4}
	open := func(c config.Config, each func(*App)) {
		t.Helper()
		a := New(Options{Config: c})
		err := a.openOffline(t.Context())
		if err == nil {
			err = a.openVault(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		each(a)
		if err := a.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := RotateKey(t.Context(), c, RotateKeyOptions{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("without an installation: %v", err)
	}
	first := openOnly(t, func(c *config.Config) { c.Data = dir })
	if err := first.openVault(t.Context()); err != nil {
		t.Fatal(err)
	}
	putSecret(t, first)
	if _, err := RotateKey(t.Context(), c, RotateKeyOptions{}); err == nil {
		t.Error("rotated under a running server")
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	done, err := RotateKey(t.Context(), c, RotateKeyOptions{})
	if err != nil || done.Keys != 1 || done.KeyFile != c.SecretsKeyFile() || done.Kept == "" {
		t.Fatal(done, err)
	}
	check := func(a *App) {
		t.Helper()
		if got, err := a.vault.Value(t.Context(), access.DefaultTenant, "A", use); err != nil || got != canary {
			t.Errorf("after the rotation: %v", err)
		}
	}
	open(c, check)
	text, err := os.ReadFile(c.SecretsKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	given := c
	given.Secrets.Key = config.Secret(strings.TrimSpace(string(text)))
	if _, err := RotateKey(t.Context(), given, RotateKeyOptions{}); !fault.Is(err, fault.InvalidInput) {
		t.Errorf("without a place for the new key: %v", err)
	}
	fresh := filepath.Join(t.TempDir(), "new.key")
	if done, err = RotateKey(t.Context(), given, RotateKeyOptions{NewKeyFile: fresh}); err != nil || done.Keys != 1 || done.KeyFile != fresh {
		t.Fatal(done, err)
	}
	given.Secrets = config.Secrets{KeyFile: fresh}
	open(given, check)
}

// putSecret sets the secret A, which kinds without a target may use.
func putSecret(t *testing.T, a *App) {
	t.Helper()
	value, now := canary, a.o.Clock.Now()
	if _, err := a.vault.Put(t.Context(), vault.Put{Value: &value, Secret: secret.Secret{
		Tenant: access.DefaultTenant, Name: "A", Grants: []secret.Grant{{WorkflowID: "*", Kinds: []string{"*"}}},
		Version: 1, ValueVersion: 1, CreatedAt: now, UpdatedAt: now, ValueAt: now,
	}}); err != nil {
		t.Fatal(err)
	}
}
