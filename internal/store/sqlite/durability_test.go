package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// TestDurabilityIsReadBack: it is what the writer's connection has, not what was asked.
func TestDurabilityIsReadBack(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"": "synchronous=FULL", "NORMAL": "synchronous=NORMAL"} {
		s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "runsheet.db"), Synchronous: given})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Health.Durability(t.Context()); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %s", given, got, err, want)
		}
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	}
}
