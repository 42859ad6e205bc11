//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package blob

import (
	"errors"
	"os"
	"syscall"
)

// lock takes f for this process until f is closed; false when another has it.
func lock(f *os.File) bool {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err == nil
		}
	}
}

// discard removes f's name while the lock is still held, then closes it.
func discard(f *os.File, path string) error {
	err := os.Remove(path)
	return errors.Join(err, f.Close())
}

// rename moves an open file to path.
func rename(f *os.File, path string) error { return os.Rename(f.Name(), path) }

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
