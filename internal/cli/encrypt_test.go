package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/runsheet/runsheet/client"
)

// TestEncryptedExport: what the recipient reads is what stdout gets without
// encryption, and nobody else reads anything.
func TestEncryptedExport(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var out any = client.Workers{Count: 3}
		if r.URL.Path == "/api/job-templates" {
			out = client.JobTemplateList{Items: []client.JobTemplate{{Name: "nightly", JobType: "command", Params: json.RawMessage(`{"argv":["/bin/true"]}`)}}}
		}
		_ = json.NewEncoder(w).Encode(out) // the test looks at what arrives
	}))
	defer s.Close()
	pair, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key, file := filepath.Join(dir, "key"), filepath.Join(dir, "e.age")
	if err := os.WriteFile(key, []byte(pair.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"yaml", "json"} {
		to := []string{"export", "--url", s.URL, "--format", format, "--encrypt-to", pair.Recipient().String()}
		_, plain, _ := call(t, "export", "--url", s.URL, "--format", format)
		if !strings.Contains(plain, "nightly") {
			t.Fatalf("plain: %q", plain)
		}
		code, piped, talk := call(t, to...)
		if code != 0 || strings.Contains(piped, "nightly") {
			t.Errorf("exit %d, %s\n%s", code, talk, piped)
		}
		if code, out, talk := call(t, append(to, "--out", file)...); code != 0 || out != "" {
			t.Errorf("exit %d, %s%s", code, out, talk)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		saved, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{piped, string(saved)} {
			r, err := age.Decrypt(strings.NewReader(secret), pair)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := got.ReadFrom(r); err != nil || got.String() != plain {
				t.Errorf("decrypted: %v\n%s", err, got.String())
			}
		}
		if code, _, talk := call(t, append(to, "--out", file)...); code != exitUsage || !strings.Contains(talk, "exists already") {
			t.Errorf("over an old file: exit %d, %s", code, talk)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, talk := call(t, "export", "--url", s.URL, "--encrypt-to", "nobody", "--out", file); code != exitUsage || !strings.Contains(talk, "age recipient") {
		t.Errorf("a wrong recipient: exit %d, %s", code, talk)
	}
}
