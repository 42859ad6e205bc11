//go:build unix

package filelock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Take locks the file at path, creating it if need be, until the result is
// closed. It does not wait: a lock that is held is an error.
func Take(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // the lock's error counts
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another runsheet server uses this data folder (lock %s)", path)
		}
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	return f, nil
}
