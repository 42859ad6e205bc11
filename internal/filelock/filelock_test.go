package filelock_test

import (
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/filelock"
)

func TestTake(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := filelock.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := filelock.Take(path); err == nil {
		f.Close()
		t.Fatal("a second holder got the lock")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := filelock.Take(path)
	if err != nil {
		t.Fatal("the lock was not freed:", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
