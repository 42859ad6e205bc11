//go:build linux

package command

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a.csv", "a.csv", true},
		{"a.csv", "b/a.csv", false},
		{"*.csv", "a.csv", true},
		{"*.csv", "b/a.csv", false},
		{"out/*.csv", "out/a.csv", true},
		{"out/*.csv", "out/x/a.csv", false},
		{"**/*.csv", "a.csv", true},
		{"**/*.csv", "x/y/a.csv", true},
		{"out/**", "out/x/y", true},
		{"out/**", "outer/x", false},
		{"out/**/z/*.csv", "out/a/b/z/1.csv", true},
		{"out/**/z/*.csv", "out/a/b/1.csv", false},
		{"**", "x/y/z", true},
		{"x/**/**/y", "x/y", true},
		{"[ab]?.txt", "b1.txt", true},
		{strings.Repeat("**/", 200) + "q", strings.Repeat("a/", 200) + "z", false},
	} {
		if got := match(c.pattern, c.name); got != c.want {
			t.Errorf("%.40s on %.40s: %v", c.pattern, c.name, got)
		}
	}
}

func TestArtifacts(t *testing.T) {
	t.Parallel()
	b := setup(t, `mkdir -p out/deep; echo a,b > out/1.csv; echo c > out/deep/2.csv; echo '# Hi' > report.md
		echo '{}' > report.json; echo no > other.txt; printf '\211PNG\r\n\032\n' > pic; exit 4`, "out/**/*.csv", "pic", "none-*")
	if v := task.VerdictOf(b.run(t)); v == nil || v.Code != "exit_nonzero" {
		t.Errorf("got %+v", v)
	}
	want := map[string]tasktest.File{
		"out/1.csv":      {MediaType: "text/csv; charset=utf-8", Content: "a,b\n"},
		"out/deep/2.csv": {MediaType: "text/csv; charset=utf-8", Content: "c\n"},
		"pic":            {MediaType: "image/png", Content: "\x89PNG\r\n\x1a\n"},
		"report.md":      {MediaType: "text/markdown; charset=utf-8", Content: "# Hi\n"},
		"report.json":    {MediaType: "application/json", Content: "{}\n"},
	}
	if d := cmp.Diff(want, b.host.Artifacts()); d != "" {
		t.Error(d)
	}
	if !strings.Contains(b.host.LogText(), `no file matches the artifact pattern "none-*"`) {
		t.Errorf("log: %s", b.host.LogText())
	}
}

// Reports need no pattern.
func TestReportsAreAlwaysCollected(t *testing.T) {
	t.Parallel()
	b := setup(t, `echo x > report.md; mkdir report.json`)
	if err := b.run(t); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"report.md"}, slices.Collect(maps.Keys(b.host.Artifacts()))); d != "" {
		t.Error(d)
	}
}

// No trick makes a file outside the working folder an artifact.
func TestArtifactsDoNotEscape(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"link":             `ln -s SECRET a.txt; ln -s SECRET report.md`,
		"linked folder":    `ln -s DIR sub`,
		"relative link":    `ln -s ../home up; echo x > ../home/h.txt; ln -s ../checkpoint c.txt`,
		"folder swapped":   `cd /; mv "$OLDPWD" "$OLDPWD.old"; ln -s DIR "$OLDPWD"`,
		"named pipe":       `mkfifo a.txt report.json`,
		"link in a folder": `mkdir d; ln -s SECRET d/a.txt`,
		"loop":             `ln -s . loop; ln -s loop.txt loop.txt`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := strings.NewReplacer("SECRET", secret, "DIR", filepath.Dir(secret)).Replace(script)
			b := setup(t, script, "**")
			if err := b.run(t); err != nil {
				t.Errorf("%v; log: %s", err, b.host.LogText())
			}
			if got := b.host.Artifacts(); got != nil {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestTooManyArtifacts(t *testing.T) {
	t.Parallel()
	b := setup(t, `seq 1001 | xargs touch`, "*")
	v := task.VerdictOf(b.run(t))
	if v == nil || v.Code != "artifact_error" || v.Error() != "1001 files match, 1000 are kept" {
		t.Errorf("got %+v", v)
	}
	if n := len(b.host.Artifacts()); n != maxArtifacts {
		t.Errorf("%d were kept", n)
	}
}

// A result that cannot be stored fails a run that succeeded, and does not hide
// why another one failed.
func TestArtifactErrors(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"echo x > a": "artifact_error", "echo x > a; exit 99": "artifact_error", "echo x > a; exit 5": "exit_nonzero",
	} {
		b := setup(t, script, "a")
		b.host.ArtifactErr = errors.New("disk full")
		if v := task.VerdictOf(b.run(t)); v == nil || v.Code != want {
			t.Errorf("%s: got %+v", script, v)
		}
	}
}
