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
	f := &Folder{}
	if _, _, err := f.fill(t.Context(), full, &endless{left: 10}); !fault.Is(err, fault.StorageFull) {
		t.Errorf("err = %v, want storage_full", err)
	}
	if err := classify(syscall.EIO, "x"); !fault.Is(err, fault.StorageUnavailable) {
		t.Errorf("EIO: %v", err)
	}
}

type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	e.left--
	return len(p), nil
}
