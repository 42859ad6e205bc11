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

// sweep removes the files that no living process holds, and returns how many.
// The operating system drops the lock of a process that died, however it died;
// only those of other hosts may not show here.
func (s *Spool) sweep() (int, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range entries {
		gone, err := s.sweepOne(filepath.Join(s.dir, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return n, err
		}
		if gone {
			n++
		}
	}
	return n, nil
}

func (s *Spool) sweepOne(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	if st, err := f.Stat(); err != nil || s.young > 0 && s.clock.Now().Sub(st.ModTime()) < s.young || !lock(f) {
		return false, errors.Join(err, f.Close())
	}
	return true, discard(f, path)
}
