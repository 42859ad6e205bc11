package filelock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Holder says who has the lock on the file at path, without waiting and without
// creating the file. pid is the process that took it, 0 if this system does not
// tell. A free lock is taken for a moment, which Take of another process bears.
func Holder(path string) (pid int, held bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("open lock file: %w", err)
	}
	defer f.Close() // gives the lock back
	err = lock(f)
	if errors.Is(err, errHeld) {
		return holder(f), true, nil
	}
	return 0, false, err
}
