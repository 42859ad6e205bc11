package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/archive"
)

// keeper answers with the first n bytes of a backup; negative = all of it.
func keeper(t *testing.T, n int) (url string, whole []byte) {
	t.Helper()
	var b bytes.Buffer
	w, err := archive.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Table("jobs", 1, 12, strings.NewReader("[\"a\"]\n[\"b\"]\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(archive.Manifest{Schema: 1, Product: "v1", Engine: "sqlite", CreatedAt: now}); err != nil {
		t.Fatal(err)
	}
	whole = b.Bytes()
	if n < 0 {
		n = len(whole)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/backup" && r.Method == http.MethodPost {
			_, _ = w.Write(whole[:n]) // the test looks at what arrives
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, whole
}

func call(t *testing.T, args ...string) (code int, out, talk string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(t.Context(), args, strings.NewReader(""), &stdout, &stderr, Options{Version: "test", Env: func(string) (string, bool) { return "", false }})
	return code, stdout.String(), stderr.String()
}

func TestBackupIsKeptWhole(t *testing.T) {
	t.Parallel()
	url, whole := keeper(t, -1)
	file := filepath.Join(t.TempDir(), "b.tar")
	code, out, talk := call(t, "backup", "--url", url, "--out", file)
	got, err := os.ReadFile(file)
	if code != 0 || err != nil || !bytes.Equal(got, whole) || !strings.Contains(out, "runsheet v1 on sqlite") {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, talk)
	}
	if code, _, talk := call(t, "backup", "--url", url, "--out", file); code != exitUsage || !strings.Contains(talk, "exists already") {
		t.Errorf("over an old one: exit %d, %s", code, talk)
	}
	if code, out, talk := call(t, "backup", "--url", url, "--out", "-"); code != 0 || out != string(whole) || !strings.Contains(talk, "whole") {
		t.Errorf("to stdout: exit %d, %d bytes, %s", code, len(out), talk)
	}
	if code, out, talk := call(t, "backup", "verify", file, "--json"); code != 0 || !strings.Contains(out, `"schema_version"`) || !strings.Contains(talk, "whole and sound") {
		t.Errorf("verify: exit %d, %s%s", code, out, talk)
	}
	if err := os.WriteFile(file, whole[:len(whole)-512], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, talk := call(t, "backup", "verify", file); code == 0 || strings.Contains(talk, "sound") {
		t.Errorf("verify of a part: exit %d, %s", code, talk)
	}
}

// TestBackupThatBroke leaves no file that could be taken for a backup, wherever
// it broke.
func TestBackupThatBroke(t *testing.T) {
	t.Parallel()
	_, whole := keeper(t, -1)
	for n := 0; n < len(whole); n += 512 {
		url, _ := keeper(t, n)
		dir := t.TempDir()
		code, _, talk := call(t, "backup", "--url", url, "--out", filepath.Join(dir, "b.tar"))
		left, err := os.ReadDir(dir)
		if code == 0 || err != nil || len(left) > 0 {
			t.Errorf("%d bytes: exit %d, left %v %v, %s", n, code, left, err, talk)
		}
	}
}

func TestMigrateNeedsBothPlaces(t *testing.T) {
	t.Parallel()
	if code, _, talk := call(t, "migrate", "--from", "x"); code != exitUsage || !strings.Contains(talk, "--to") {
		t.Errorf("exit %d, %s", code, talk)
	}
}

// TestMigrateTakesNoOtherURL: a URL of another database is no folder.
func TestMigrateTakesNoOtherURL(t *testing.T) {
	t.Parallel()
	for flag, args := range map[string][]string{
		"--to": {"--from", "x", "--to", "mysql://ann:geheim@h/x"}, "--from": {"--from", "POSTGRES://ann:geheim@h/x", "--to", "x"},
		"--files-from": {"--from", "postgres://h/x", "--to", "x", "--files-from", "s3://geheim"},
	} {
		code, _, talk := call(t, append([]string{"migrate"}, args...)...) // without Options.Migrate
		if code != exitUsage || !strings.Contains(talk, flag+" takes no ") || strings.Contains(talk, "geheim") {
			t.Errorf("%s: exit %d, %s", flag, code, talk)
		}
	}
}

func TestMigrateSaysWhatIsNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--from", "/a", "--to", "postgres://ann:geheim@h/x"}, "next: runsheet serve --data /a --database-url postgres://ann:xxxxx@h/x\n"},
		{[]string{"--from", "postgres://h/x", "--to", "/b"}, "nothing was copied\nnext: runsheet serve --data /b\n"},
		{[]string{"--from", "postgres://h/x", "--to", "postgres://h/y"}, "--data FOLDER --database-url postgres://h/y\n"},
		{[]string{"--from", "/a", "--to", "/b", "--keep-source"}, "use one of the two only\n"},
	} {
		var out, talk strings.Builder
		code := Main(t.Context(), append([]string{"migrate", "--json"}, c.args...), strings.NewReader(""), &out, &talk, Options{
			Env:     func(string) (string, bool) { return "", false },
			Migrate: func(context.Context, Migrate) (Migrated, error) { return Migrated{Hint: "nothing was copied"}, nil },
		})
		if code != exitOK || !strings.Contains(talk.String(), c.want) || strings.Contains(talk.String(), "geheim") || !strings.Contains(out.String(), `"hint": "nothing`) {
			t.Errorf("%q: exit %d\n%s%s", c.args, code, &out, &talk)
		}
	}
}
