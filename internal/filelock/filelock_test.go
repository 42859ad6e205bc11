package filelock_test

import (
	"os"
	"path/filepath"
	"runtime"
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

func TestHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	if _, held, err := filelock.Holder(path); held || err != nil {
		t.Errorf("no file: held %v, %v", held, err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("it made the file")
	}
	f, err := filelock.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, held, err := filelock.Holder(path)
	if !held || err != nil {
		t.Errorf("held %v, %v", held, err)
	}
	if runtime.GOOS == "linux" && pid != os.Getpid() {
		t.Errorf("pid %d, want %d", pid, os.Getpid())
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, held, err := filelock.Holder(path); held || err != nil {
		t.Errorf("after its end: held %v, %v", held, err)
	}
}
