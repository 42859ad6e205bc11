package internal_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMigrationsMatch compares the two engines' folders: each number and name
// exists in both.
func TestMigrationsMatch(t *testing.T) {
	t.Parallel()
	names := func(engine string) []string {
		files, err := filepath.Glob(filepath.Join("store", "migrations", engine, "*.sql"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range files {
			files[i] = filepath.Base(files[i])
		}
		slices.Sort(files)
		return files
	}
	lite, pg := names("sqlite"), names("postgres")
	if _, err := os.Stat(filepath.Join("store", "migrations")); err == nil && len(lite) == 0 {
		t.Error("there are no migrations for SQLite")
	}
	if diff := cmp.Diff(lite, pg); diff != "" {
		t.Errorf("migrations differ (-sqlite +postgres):\n%s", diff)
	}
	seen := map[string]string{}
	for _, n := range lite {
		if len(n) < 6 || n[4] != '_' {
			t.Errorf("%s is not named NNNN_verb_noun.sql", n)
			continue
		}
		if other := seen[n[:4]]; other != "" {
			t.Errorf("%s and %s have one number", other, n)
		}
		seen[n[:4]] = n
	}
}
