package doctor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/certificate/certificatetest"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/doctor"
	"github.com/runsheet/runsheet/internal/filelock"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// sound is an installation without a fault.
func sound(t *testing.T) config.Config {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	st, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "runsheet.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Health.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"artifacts/tmp", "keys", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return config.Config{Data: dir, Listen: "127.0.0.1:0"}
}

func find(t *testing.T, r doctor.Report, name string, s doctor.Status) string {
	t.Helper()
	for _, c := range r {
		if c.Name == name && c.Status == s {
			return c.Detail
		}
	}
	t.Errorf("no line %s %s in %+v", s, name, r)
	return ""
}

func TestASoundInstallation(t *testing.T) {
	t.Parallel()
	r := doctor.Examine(t.Context(), doctor.Options{Config: sound(t), Clock: clock.System{}})
	if r.Failed() {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"configuration", "address", "commands", "data folder", "lock", "database", "schema", "database log", "clock", "artifacts", "leftovers"} {
		find(t, r, name, doctor.OK)
	}
}

// TestEachCheckFails breaks one thing at a time.
func TestEachCheckFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status doctor.Status
		spoil  func(t *testing.T, c *config.Config)
		detail string
	}{
		{"data folder", doctor.Warn, func(_ *testing.T, c *config.Config) { c.Data += "/none" }, "does not exist"},
		{"data folder", doctor.Fail, func(_ *testing.T, c *config.Config) { c.Data += "/runsheet.db" }, "not a folder"},
		{"data folder", doctor.Fail, func(t *testing.T, c *config.Config) { mode(t, c.Data, 0o777) }, "others may write"},
		{"data folder", doctor.Warn, func(t *testing.T, c *config.Config) { mode(t, c.Data, 0o755) }, "others may look"},
		{"permissions", doctor.Fail, func(t *testing.T, c *config.Config) { mode(t, c.Data+"/runsheet.db", 0o644) }, "runsheet.db"},
		{"permissions", doctor.Fail, func(t *testing.T, c *config.Config) {
			write(t, c.Data+"/keys/local.json", "{}")
			mode(t, c.Data+"/keys/local.json", 0o640)
		}, "local.json"},
		{"database", doctor.Fail, func(t *testing.T, c *config.Config) {
			write(t, c.Data+"/runsheet.db", strings.Repeat("not a database ", 1000))
		}, "cannot be read"},
		{"database", doctor.Fail, func(_ *testing.T, c *config.Config) {
			c.DatabaseURL = "postgres://ann:geheim@127.0.0.1:1/x"
		}, "127.0.0.1:1"},
		{"database", doctor.Fail, func(t *testing.T, c *config.Config) {
			write(t, c.Data+"/runsheet.db.moved", "was migrated to x on h:5432 at 2026")
		}, "migrated to x"},
		{"database", doctor.Fail, func(t *testing.T, c *config.Config) { write(t, c.Data+"/restore-unfinished", "") }, "interrupted"},
		{"database", doctor.Fail, func(t *testing.T, c *config.Config) {
			write(t, c.Data+"/runsheet.db.moved", "was migrated to x on h:5432 at 2026")
			c.DatabaseURL = "postgres://ann:geheim@127.0.0.1:1/y"
		}, "migrated to x"},
		{"artifacts", doctor.Fail, func(_ *testing.T, c *config.Config) { c.BlobURL = "file:///no/such/folder" }, "no such"},
		{"artifacts", doctor.Fail, func(_ *testing.T, c *config.Config) {
			c.BlobURL, c.BlobAccessKey, c.BlobSecretKey = "s3://bucket?endpoint=http://127.0.0.1:1", "geheim-a", "geheim-b"
		}, "127.0.0.1:1"},
		{"leftovers", doctor.Warn, func(t *testing.T, c *config.Config) {
			write(t, c.Data+"/artifacts/tmp/put-1", "12345")
			old := time.Now().Add(-48 * time.Hour)
			if err := os.Chtimes(c.Data+"/artifacts/tmp/put-1", old, old); err != nil {
				t.Fatal(err)
			}
		}, "5 B"},
		{"commands", doctor.Warn, func(_ *testing.T, c *config.Config) { c.CommandAllow = []string{"*"} }, "every program"},
		{"address", doctor.Warn, func(_ *testing.T, c *config.Config) { c.Listen, c.BehindProxy = "0.0.0.0:80", true }, "no allowed host"},
		{"certificate", doctor.Fail, func(_ *testing.T, c *config.Config) { c.TLSCert, c.TLSKey = "/none", "/none" }, "tls_cert"},
		{"certificate", doctor.Fail, func(t *testing.T, c *config.Config) { certify(t, c, -time.Hour) }, "expired"},
		{"certificate", doctor.Warn, func(t *testing.T, c *config.Config) { certify(t, c, 24*time.Hour) }, "expires on"},
		{"certificate", doctor.Fail, func(t *testing.T, c *config.Config) {
			certify(t, c, 999*time.Hour)
			mode(t, c.TLSKey, 0o644)
		}, "everybody"},
	} {
		t.Run(c.name+" "+c.detail, func(t *testing.T) {
			t.Parallel()
			cfg := sound(t)
			c.spoil(t, &cfg)
			r := doctor.Examine(t.Context(), doctor.Options{Config: cfg, Clock: clock.System{}})
			if detail := find(t, r, c.name, c.status); !strings.Contains(detail, c.detail) {
				t.Errorf("detail %q, want %q", detail, c.detail)
			}
			if r.Failed() != (c.status == doctor.Fail) {
				t.Errorf("failed = %v: %+v", r.Failed(), r)
			}
			for _, l := range r {
				if strings.Contains(l.Detail+l.Remedy, "geheim") {
					t.Errorf("a secret shows: %+v", l)
				}
				if l.Status == doctor.Fail && l.Remedy == "" {
					t.Errorf("no remedy: %+v", l)
				}
			}
		})
	}
}

func TestLockIsHeld(t *testing.T) {
	t.Parallel()
	cfg := sound(t)
	f, err := filelock.Take(filepath.Join(cfg.Data, "runsheet.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if d := find(t, doctor.Examine(t.Context(), doctor.Options{Config: cfg}), "lock", doctor.OK); !strings.Contains(d, "uses the data folder") {
		t.Error(d)
	}
}

func TestSecretsInAReadableFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runsheet.yaml")
	write(t, path, "")
	load := func() doctor.Report {
		cfg, err := config.Load(config.Sources{Env: func(name string) (string, bool) {
			v, ok := map[string]string{"RUNSHEET_CONFIG": path, "RUNSHEET_DATA": filepath.Join(filepath.Dir(path), "none")}[name]
			return v, ok
		}})
		if err != nil {
			t.Fatal(err)
		}
		return doctor.Examine(t.Context(), doctor.Options{Config: cfg, Clock: clocktest.New(now)})
	}
	for text, status := range map[string]doctor.Status{
		"admin_token: " + strings.Repeat("geheim", 6):    doctor.Fail,
		"blob_session_token: geheim":                     doctor.Fail,
		"redis_url: redis://:geheim@127.0.0.1":           doctor.Fail,
		"database_url: postgres://ann:geheim@127.0.0.1/": doctor.Fail,
		"database_url: postgres://ann@127.0.0.1/":        doctor.OK,
		"workers: 3": doctor.OK,
	} {
		write(t, path, text+"\n")
		mode(t, path, 0o644)
		find(t, load(), "configuration", status)
	}
	write(t, path, "admin_token: "+strings.Repeat("geheim", 6)+"\n")
	mode(t, path, 0o600)
	find(t, load(), "configuration", doctor.OK)
}

func certify(t *testing.T, c *config.Config, left time.Duration) {
	t.Helper()
	f := certificatetest.Write(t, t.TempDir(), time.Now().Add(left))
	c.TLSCert, c.TLSKey = f.Cert, f.Key
}

func mode(t *testing.T, path string, m os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, m); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
