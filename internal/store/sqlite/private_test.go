package sqlite_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/runsheet/runsheet/internal/store/sqlite"
)

func TestTheCopyBeforeAMigrationIsPrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("permissions of Unix")
	}
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil { // a database without any migration
		t.Fatal(err)
	}
	closing(t)(sqlite.Open(t.Context(), sqlite.Options{Path: path}))
	info, err := os.Stat(path + ".before-migration")
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Errorf("mode %v, %d bytes", info.Mode(), info.Size())
	}
}
