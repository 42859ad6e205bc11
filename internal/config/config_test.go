package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
)

const token = "0123456789abcdef0123456789abcdef"

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runsheet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func origins(c config.Config) map[string]string {
	out := map[string]string{}
	for _, s := range c.Settings() {
		out[s.Key] = s.Value + " <- " + s.Origin
	}
	return out
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Sources{Env: env("XDG_DATA_HOME", "/xdg")})
	if err != nil {
		t.Fatal(err)
	}
	got := origins(c)
	want := map[string]string{
		"config": " <- default", "listen": "127.0.0.1:8420 <- default", "behind_proxy": "false <- default",
		"pprof": " <- default", "tls_cert": " <- default", "tls_key": " <- default", "allowed_hosts": " <- default", "admin_token": " <- default", "data": "/xdg/runsheet <- default",
		"database_url": " <- default", "blob_url": " <- default", "checkpoint_ttl": "1h0m0s <- default",
		"calendars.dir":     " <- default",
		"schedules.poll":    "1s <- default",
		"sources.databases": " <- default", "sources.folders": " <- default", "schedules.claim_ttl": "2m0s <- default", "schedules.max_claim": "100 <- default",
		"secrets.key": " <- default", "secrets.key_file": " <- default",
		"blob_access_key": " <- default", "blob_secret_key": " <- default", "blob_session_token": " <- default",
		"artifacts.max_bytes": "1073741824 <- default", "artifacts.run_max_bytes": "4294967296 <- default", "artifacts.tenant_quota_bytes": "0 <- default",
		"retention.days": "30 <- default", "retention.runs": "100000 <- default", "retention.events_days": "30 <- default",
		"workers": "1 <- default", "stop_grace": "10s <- default",
		"lease_ttl": "30s <- default", "legacy.enabled": "true <- default", "legacy.timezone": "Asia/Seoul <- default", "llm.create_missing_directive": "false <- default", "llm.gpus": " <- default", "llm.gpu_capacity": " <- default", "command.allow": " <- default", "redis_url": " <- default", "outbound.allow": " <- default", "demo": "false <- default",
		"log_level": "info <- default", "log_format": "text <- default", "log_max_bytes": "10485760 <- default",
		"timezone": "UTC <- default", "oidc.issuer": " <- default", "oidc.client_id": " <- default", "oidc.client_secret": " <- default",
		"oidc.redirect_url": " <- default", "oidc.scopes": "openid,profile,email <- default", "oidc.name_claim": "preferred_username <- default",
		"oidc.roles_claim": " <- default", "oidc.roles": " <- default", "oidc.default_role": " <- default", "oidc.tenant": "default <- default",
		"notify.webhook.url": " <- default", "notify.webhook.secret": " <- default",
		"notify.smtp.host": " <- default", "notify.smtp.port": "0 <- default", "notify.smtp.username": " <- default",
		"notify.smtp.password": " <- default", "notify.smtp.from": " <- default", "notify.smtp.tls": "starttls <- default",
		"notify.ntfy.url": " <- default", "notify.ntfy.topic": " <- default", "notify.ntfy.token": " <- default", "notify.slack.url": " <- default",
		"oidc.allowed_domains": " <- default",
		"llm.url":              "http://127.0.0.1:11434 <- default", "llm.model": " <- default", "llm.servers": " <- default", "llm.allow_remote": "false <- default",
		"llm.connect_timeout": "5s <- default", "llm.first_token_timeout": "10m0s <- default", "llm.idle_timeout": "2m0s <- default",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDataFolder(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("paths of Unix")
	}
	for want, e := range map[string]func(string) (string, bool){
		"/xdg/runsheet":                   env("XDG_DATA_HOME", "/xdg", "HOME", "/home/ann"),
		"/home/ann/.local/share/runsheet": env("HOME", "/home/ann"),
		"/home/bob/.local/share/runsheet": env("HOME", "/home/bob", "XDG_DATA_HOME", "relative is ignored"),
		"/srv/data":                       env("HOME", "/home/ann", "RUNSHEET_DATA", "/srv/data"),
	} {
		if got, err := config.DataFolder(config.Sources{Env: e}); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	path := file(t, `
# comment
listen: 127.0.0.1:1111
workers: 2
timezone: Asia/Seoul
log_max_bytes: 1MiB
demo: yes-is-text
command:
  allow: [/bin/echo, "/usr/bin/*"]
lease_ttl: 45s
`)
	_, err := config.Load(config.Sources{Flags: flags(t, "--config", path)})
	if err == nil || !strings.Contains(err.Error(), path+":7:1") || !strings.Contains(err.Error(), "true or false") {
		t.Fatalf("demo: %v", err)
	}
	path = file(t, strings.ReplaceAll("listen: 127.0.0.1:1111\nworkers: 2\ntimezone: Asia/Seoul\nlog_max_bytes: 1MiB\ncommand:\n  allow: [/bin/echo, '/usr/bin/*']\nlease_ttl: 45s\n", "'", `"`))
	c, err := config.Load(config.Sources{
		Env:   env("RUNSHEET_CONFIG", "/is/overridden.yaml", "RUNSHEET_WORKERS", "3", "RUNSHEET_LOG_LEVEL", "debug", "RUNSHEET_LEASE_TTL", "50s", "HOME", "/h"),
		Flags: flags(t, "--config", path, "--lease-ttl=1m", "--demo", "--data", "/d"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := origins(c)
	for k, want := range map[string]string{
		"config":        path + " <- flag --config",
		"listen":        "127.0.0.1:1111 <- file " + path + ":1:1",
		"workers":       "3 <- environment RUNSHEET_WORKERS",
		"timezone":      "Asia/Seoul <- file " + path + ":3:1",
		"log_max_bytes": "1048576 <- file " + path + ":4:1",
		"command.allow": "/bin/echo,/usr/bin/* <- file " + path + ":6:3",
		"lease_ttl":     "1m0s <- flag --lease-ttl",
		"log_level":     "debug <- environment RUNSHEET_LOG_LEVEL",
		"demo":          "true <- flag --demo",
		"data":          "/d <- flag --data",
		"stop_grace":    "10s <- default",
	} {
		if got[k] != want {
			t.Errorf("%s = %q, want %q", k, got[k], want)
		}
	}
	if c.LeaseTTL != time.Minute || c.LogLevel != slog.LevelDebug || len(c.CommandAllow) != 2 {
		t.Errorf("%+v", c)
	}
}

func TestFileIsStrict(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"lisen: 127.0.0.1:1":                        `:1:1: unknown key "lisen"`,
		"demo: true\ncommand:\n  alow: [/bin/x]":    `:3:3: unknown key "command.alow"`,
		"Listen: 127.0.0.1:1":                       `unknown key "Listen"`,
		"demo: true\ndemo: false":                   `:2:1`,
		"workers: 4\nlisten: {a: 1}":                `unknown key "listen.a"`,
		"[1, 2]":                                    "expected keys and values",
		"a: &x 1\nb: *x":                            "not supported",
		"listen: [127.0.0.1:1\nx":                   ":",
		"workers: 010.5":                            "whole number",
		"workers: many":                             "whole number from 0 to 1024",
		"demo: true\n---\ndemo: false":              "one document",
		"command: {allow: [[/bin/x]]}":              "not supported",
		"command: {allow: [echo]}":                  "absolute path",
		"timezone: Local":                           "IANA",
		"timezone: Mars/Olympus":                    "not a known IANA",
		"? [a]\n: b":                                ":1:",
		strings.Repeat("# padding padding\n", 20e3): "larger than",
	} {
		_, err := config.Load(config.Sources{Flags: flags(t, "--config", file(t, text))})
		if !fault.Is(err, fault.InvalidInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	if _, err := config.Load(config.Sources{Flags: flags(t, "--config", "/no/such/file")}); !fault.Is(err, fault.InvalidInput) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := config.Load(config.Sources{Flags: flags(t, "--config", file(t, "\n# nothing\n"))}); err != nil {
		t.Errorf("empty file: %v", err)
	}
}

func TestSyntaxErrorShowsNoSource(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Sources{Flags: flags(t, "--config", file(t, "admin_token: "+token+"\nlisten: [\n"))})
	if err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("err = %v", err)
	}
}

func TestValidation(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"--listen=8420":                    "host:port",
		"--listen=127.0.0.1:70000":         "0 to 65535",
		"--listen=0.0.0.0:8420":            "can be reached from other machines",
		"--tls-cert=/a.pem":                "belong together",
		"--tls-key=/a.pem":                 "belong together",
		"--listen=:8420":                   "can be reached from other machines",
		"--listen=example.org:8420":        "can be reached from other machines",
		"--lease-ttl=1s":                   "from 5s",
		"--stop-grace=-1s":                 "from 0s",
		"--stop-grace=10":                  "duration",
		"--log-level=loud":                 "debug, info",
		"--log-format=xml":                 "text or json",
		"--log-max-bytes=1":                "4KiB",
		"--log-max-bytes=2000000000GiB":    "4KiB",
		"--allowed-hosts=https://x":        "host name",
		"--allow-command=/bin/[":           "pattern",
		"--allow-outbound=10.0.0.1":        "host:port",
		"--allow-outbound=10.0.0.1/8:80":   "10.0.0.0/8",
		"--workers=1025":                   "1024",
		"--database-url=mysql://u:pass@h/": "postgres://",
		"--data=":                          "empty",
		"--blob-url=ftp://h/":              "file:// or s3://",
		"--blob-url=s3://bucket":           "needs blob_access_key",
		"--blob-url=s3://u:pass@bucket/":   "user or a password",
		"--blob-url=s3://bucket?k=pass@":   "endpoint, region and path_style only",
		"--blob-url=file://relative":       "absolute path",
	} {
		_, err := config.Load(config.Sources{Flags: flags(t, arg), Env: env("HOME", "/h")})
		if !fault.Is(err, fault.InvalidInput) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%s: %v, want %q", arg, err, want)
		}
	}
	for _, args := range [][]string{
		{"--listen=[::1]:0"},
		{"--blob-url=file://" + filepath.ToSlash(t.TempDir())},
		{"--listen=localhost:8420"},
		{"--listen=127.8.8.8:1"},
		{"--listen=0.0.0.0:8420", "--behind-proxy"},
		{"--listen=0.0.0.0:8420", "--tls-cert=/a.pem", "--tls-key=/b.pem"},
		{"--allow-command=*"},
		{"--allow-command=/bin/echo, /opt/*/run"},
		{"--allow-outbound=ollama.lan:11434, 10.0.0.0/8:443,[::1]:*"},
		{"--allowed-hosts=runs.example.org"},
	} {
		if _, err := config.Load(config.Sources{Flags: flags(t, args...)}); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	if _, err := config.Load(config.Sources{Env: env("RUNSHEET_ADMIN_TOKEN", token[1:])}); !fault.Is(err, fault.InvalidInput) || strings.Contains(err.Error(), token[1:]) {
		t.Errorf("short token: %v", err)
	}
	c, err := config.Load(config.Sources{Env: env("RUNSHEET_ADMIN_TOKEN", token, "RUNSHEET_DATABASE_URL", "postgres://u:geheim@h/db",
		"RUNSHEET_BLOB_URL", "s3://bucket", "RUNSHEET_BLOB_ACCESS_KEY", "geheim-a", "RUNSHEET_BLOB_SECRET_KEY", "geheim-b")})
	if err != nil {
		t.Fatal(err)
	}
	if c.AdminToken.Reveal() != token {
		t.Error("the token is lost")
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", c.AdminToken, "url", c.DatabaseURL)
	settings, err := json.Marshal(c.Settings())
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{log.String(), string(settings), string(whole), fmt.Sprintf("%v %+v %#v %s", c, c, c, c.AdminToken)} {
		if strings.Contains(s, token) || strings.Contains(s, "geheim") {
			t.Errorf("a secret shows in %s", s)
		}
	}
	if got := origins(c)["database_url"]; !strings.HasPrefix(got, "postgres://u:xxxxx@h/db") {
		t.Errorf("database_url shows as %s", got)
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if _, err := config.ReadLocal(data); !fault.Is(err, fault.NotFound) {
		t.Errorf("missing: %v", err)
	}
	want := config.Local{URL: "http://127.0.0.1:1", Token: token}
	for range 2 {
		if err := config.WriteLocal(data, want); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := config.ReadLocal(data); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	entries, err := os.ReadDir(filepath.Join(data, "keys"))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(config.LocalPath(data), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := config.ReadLocal(data); !fault.Is(err, fault.ForbiddenScope) {
		t.Errorf("wide permissions: %v", err)
	}
}
