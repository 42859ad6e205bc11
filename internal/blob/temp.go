package blob

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// createTemp makes a file that sweep leaves alone while this process holds it.
func createTemp(dir string) (*os.File, error) {
	for {
		f, err := os.CreateTemp(dir, "put-*")
		if err != nil {
			return nil, err
		}
		if !lock(f) {
			// A sweep of another process has it and is about to remove it.
			_ = f.Close() // nothing was written
			continue
		}
		mine, err := f.Stat()
		if err != nil {
			_ = f.Close() // nothing was written
			return nil, err
		}
		// A sweep between creation and lock removed the name: take another.
		if there, err := os.Stat(f.Name()); err == nil && os.SameFile(mine, there) {
			return f, nil
		}
		_ = f.Close() // nothing was written
	}
}

// sweep removes the files in dir that no living process holds. The operating
// system drops the lock of a process that died, however it died.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		if lock(f) {
			err = discard(f, path)
		} else {
			err = f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
