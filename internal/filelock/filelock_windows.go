package filelock

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// Take locks the file at path, creating it if need be, until the result is
// closed. It does not wait: a lock that is held is an error.
func Take(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if err != nil {
		_ = f.Close() // the lock's error counts
		return nil, fmt.Errorf("another runsheet server uses this data folder (lock %s): %w", path, err)
	}
	return f, nil
}
