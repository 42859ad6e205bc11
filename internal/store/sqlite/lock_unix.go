//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes an exclusive lock that ends with the process, however it ends.
func lockFile(path string) (*os.File, error) {
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
