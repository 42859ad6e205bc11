//go:build linux

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/certificate/certificatetest"
	"github.com/runsheet/runsheet/internal/clock"
)

// TestDoctorOnBrokenSetups breaks an installation in one way each, and compares
// what doctor complains of and its exit code.
func TestDoctorOnBrokenSetups(t *testing.T) {
	t.Parallel()
	pair := certificatetest.Write(t, t.TempDir(), clock.System{}.Now().Add(1000*time.Hour))
	for name, c := range brokenSetups(pair) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, "")
			s.start()
			s.must(http.MethodPost, "/api/scheduler/pause", nil, http.StatusOK)
			s.stop()
			if err := os.Chmod(s.data, 0o700); err != nil {
				t.Fatal(err)
			}
			if c.spoil != nil {
				c.spoil(t, s.data)
			}
			out, talk, code := s.say(append([]string{"doctor", "--json"}, c.args...)...)
			if code != c.code || strings.Contains(out+talk, "geheim") {
				t.Errorf("exit %d, want %d\n%s%s", code, c.code, out, talk)
			}
			if code == 2 {
				return // no report
			}
			if diff := cmp.Diff(c.want, complaints(t, out, s.data)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			human, _, again := s.say(append([]string{"doctor", "-q"}, c.args...)...)
			if again != code || len(c.want) > 0 && !strings.Contains(human, "-> ") || strings.Contains(human, "geheim") {
				t.Errorf("as text: exit %d\n%s", again, human)
			}
		})
	}
}

// brokenSetup is a way to break an installation, and what doctor says then.
type brokenSetup struct {
	spoil func(t *testing.T, data string)
	args  []string
	code  int
	want  []string
}

func brokenSetups(pair certificatetest.Files) map[string]brokenSetup {
	return map[string]brokenSetup{
		"sound": {},
		"unreadable database": {
			spoil: func(t *testing.T, data string) {
				overwrite(t, filepath.Join(data, "runsheet.db"), strings.Repeat("no database ", 1000))
			},
			code: 1, want: []string{
				"fail database: it cannot be read: read schema version: file is not a database (26) -> stop the server, keep a copy of the folder, restore a backup",
			},
		},
		"wrong permissions": {
			spoil: func(t *testing.T, data string) {
				for path, mode := range map[string]os.FileMode{"": 0o770, "runsheet.db": 0o666} {
					if err := os.Chmod(filepath.Join(data, path), mode); err != nil {
						t.Fatal(err)
					}
				}
			},
			code: 1, want: []string{
				"fail data folder: others may write into DATA (mode 0770) -> chmod 700 DATA",
				"fail permissions: others may use DATA/runsheet.db (mode 0666) -> chmod 600 DATA/runsheet.db",
			},
		},
		"open folder": {
			spoil: func(t *testing.T, data string) {
				if err := os.Chmod(data, 0o755); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"warn data folder: others may look into DATA (mode 0755) -> chmod 700 DATA"},
		},
		"PostgreSQL and Redis away": {
			args: []string{"--database-url", "postgres://ann:geheim@127.0.0.1:1/x", "--redis-url", "redis://:geheim@127.0.0.1:1"},
			code: 1, want: []string{
				"warn secrets key: there is none, so no secret can be set -> give all instances the same key: RUNSHEET_SECRETS_KEY or secrets.key_file",
				"fail database: the database at 127.0.0.1:1 does not answer: connect: connection refused -> Check that PostgreSQL runs there, and host, port, database and user of --database-url (RUNSHEET_DATABASE_URL).",
				"warn redis: dial tcp 127.0.0.1:1: connect: connection refused -> start Redis or correct redis_url; until then events of other instances arrive by polling",
			},
		},
		"no TLS key": {
			args: []string{"--tls-cert", pair.Cert, "--tls-key", "/none/key.pem"},
			code: 1, want: []string{
				"fail certificate: tls_key: stat /none/key.pem: no such file or directory -> put a pair that fits into tls_cert and tls_key",
			},
		},
		"TLS key alone": {
			args: []string{"--tls-key", pair.Key},
			code: 1, want: []string{
				"fail configuration: tls_cert and tls_key belong together: one of them is missing -> correct the value and its place that the message names",
			},
		},
		"no such key": {args: []string{"--no-such-flag"}, code: 2},
	}
}

// complaints are the lines of a report that are not ok, without those about the
// machine of the test.
func complaints(t *testing.T, report, data string) []string {
	t.Helper()
	var lines []struct{ Name, Status, Detail, Remedy string }
	if err := json.Unmarshal([]byte(report), &lines); err != nil {
		t.Fatalf("%v\n%s", err, report)
	}
	var out []string
	for _, l := range lines {
		if l.Status != "ok" && !slices.Contains([]string{"disk space", "open files", "file system"}, l.Name) {
			out = append(out, strings.ReplaceAll(l.Status+" "+l.Name+": "+l.Detail+" -> "+l.Remedy, data, "DATA"))
		}
	}
	return out
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
