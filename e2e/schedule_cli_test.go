//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImportCrontab takes a crontab over, twice, and promotes a line of it.
func TestImportCrontab(t *testing.T) {
	t.Parallel()
	s := newServer(t, "", "--allow-command", "/bin/sh")
	file := filepath.Join(t.TempDir(), "crontab")
	const table = "# says hello\nGREETING=hi\nPATH=/usr/bin:/bin\nCRON_TZ=Asia/Seoul\n0 9 * * MON-FRI cat - && echo $GREETING%hello%world\n@daily sleep 0\n"
	if err := os.WriteFile(file, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.says(0, "import", "crontab", file, "-q"); got != "cat\nsleep" {
		t.Errorf("without a server: %q", got)
	}
	s.start()
	if got := s.says(0, "schedule", "ls", "-q"); got != "" {
		t.Errorf("a dry run made %q", got)
	}
	s.says(0, "import", "crontab", file, "--yes")
	if got := s.says(0, "schedule", "ls", "--json=name,state,timezone"); strings.Count(got, `"paused"`) != 2 || strings.Count(got, "Asia/Seoul") != 2 {
		t.Errorf("made %s", got)
	}
	if got := s.says(0, "import", "crontab", file, "--yes", "--json=name,status"); strings.Count(got, `"unchanged"`) != 2 {
		t.Errorf("again: %s", got)
	}
	if got := s.says(0, "schedule", "run-now", "cat", "--follow"); got != "hello\nworld\nhi" {
		t.Errorf("it printed %q", got)
	}
	s.says(0, "schedule", "enable", "cat")
	if got := s.says(0, "schedule", "get", "cat", "--json=state,run_count"); !strings.Contains(got, `"active"`) || !strings.Contains(got, "1") {
		t.Errorf("promoted: %s", got)
	}
	s.says(0, "schedule", "edit", "cat", "--cron", "0 10 * * *", "--if-version", "1")
	s.says(5, "schedule", "edit", "cat", "--cron", "0 11 * * *", "--if-version", "1")
	if got := s.says(0, "import", "crontab", file, "--yes", "--json=name,status"); strings.Count(got, `"unchanged"`) != 2 {
		t.Errorf("after an edit: %s", got)
	}
	if got := s.says(0, "schedule", "next", "cat", "--count", "3", "-q"); strings.Count(got, "T01:00:00Z") != 3 {
		t.Errorf("next: %s", got)
	}
	s.says(0, "schedule", "add", "asks", "--every", "24h", "--execution-mode", "APPROVAL_REQUIRED", "--", "/bin/sh", "-c", "exit 0")
	s.says(8, "schedule", "run-now", "asks", "--wait")
	s.says(0, "schedule", "rm", "sleep", "--yes")
	s.says(3, "schedule", "get", "sleep")
}
