//go:build linux

package sqlite_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// TestSyncBeforeAcknowledgement watches the system calls of the shipped driver:
// between two acknowledgements the log must have reached the disk.
func TestSyncBeforeAcknowledgement(t *testing.T) {
	const flag, acks = "RUNSHEET_SQLITE_ACKS", 12
	if path := os.Getenv(flag); path != "" {
		acknowledge(t, path, acks)
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("strace is not installed")
		}
		t.Skip("SKIPPED WITHOUT A TEST: strace is not installed")
	}
	t.Parallel()
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	c := exec.CommandContext(t.Context(), strace, "-f", "-y", "-s", "16", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o", trace,
		os.Args[0], "-test.run=^TestSyncBeforeAcknowledgement$")
	c.Env = append(os.Environ(), flag+"="+filepath.Join(dir, "a.db"))
	if out, err := c.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "Operation not permitted") && os.Getenv("CI") == "" {
			t.Skipf("SKIPPED WITHOUT A TEST: strace is not allowed here: %s", out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	got, early := acknowledged(t, bufio.NewScanner(f))
	if got != acks || len(early) > 0 {
		t.Errorf("%d acknowledgements in the trace, want %d; too early: %v", got, acks, early)
	}
}

// acknowledged reads a trace and returns the number of acknowledgements and
// which of them came too early. Each must follow a write to the log, and no
// write to the log may come between it and the sync before it.
func acknowledged(t *testing.T, lines *bufio.Scanner) (acks int, early []int) {
	t.Helper()
	written, dirty := false, false
	for lines.Scan() {
		l := lines.Text()
		switch {
		case strings.Contains(l, "write") && strings.Contains(l, ".db-wal>"):
			written, dirty = true, true
		case strings.Contains(l, "sync(") && strings.Contains(l, ".db-wal>"):
			dirty = false
		case strings.Contains(l, `"ACK `):
			acks++
			if !written || dirty {
				early = append(early, acks)
			}
			written = false
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return acks, early
}

func acknowledge(t *testing.T, path string, n int) {
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := addOne(t, s, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Printf("ACK %d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Health.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheTraceReaderNoticesAMissingSync(t *testing.T) {
	t.Parallel()
	trace := "1 pwrite64(7</x/a.db-wal>, \"x\", 1, 0) = 1\n1 write(1<pipe:[1]>, \"ACK 0\\n\", 6) = 6\n"
	if _, early := acknowledged(t, bufio.NewScanner(strings.NewReader(trace))); len(early) != 1 {
		t.Error("an acknowledgement before the sync was accepted")
	}
}
