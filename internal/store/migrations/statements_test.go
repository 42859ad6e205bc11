package migrations

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWhole: goose is shown every line of every migration, within one pair of marks.
func TestWhole(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(files, "*/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		before, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := fs.Sub(files, path.Dir(name))
		if err != nil {
			t.Fatal(err)
		}
		after, err := fs.ReadFile(whole{dir}, path.Base(name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(after), "+goose StatementBegin") != 1 || !strings.HasSuffix(string(after), ";\n-- +goose StatementEnd\n") {
			t.Errorf("%s is not one statement:\n%s", name, after)
		}
		if diff := cmp.Diff(sqlOf(string(before)), sqlOf(string(after))); diff != "" {
			t.Errorf("%s is changed:\n%s", name, diff)
		}
	}
}

// sqlOf returns the lines that are not marks of goose.
func sqlOf(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "-- +goose Statement") {
			lines = append(lines, line)
		}
	}
	return lines
}
