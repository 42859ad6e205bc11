package blob

import (
	"os"
	"syscall"
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
)

// TestFullDiskIsNamed writes to the device that is always full.
func TestFullDiskIsNamed(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here:", err)
	}
	defer full.Close()
	if _, _, err := fill(full, &source{ctx: t.Context(), r: &endless{}}); !fault.Is(err, fault.StorageFull) {
		t.Errorf("err = %v, want storage_full", err)
	}
	if err := classify(syscall.EIO, "x"); !fault.Is(err, fault.StorageUnavailable) {
		t.Errorf("EIO: %v", err)
	}
}

type endless struct{}

func (*endless) Read(p []byte) (int, error) { return len(p), nil }
