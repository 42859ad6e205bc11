//go:build !linux

package logtriage

import (
	"os"
	"path/filepath"
)

// openReal opens a regular file for reading by a path without links. Whether a
// link was put there meanwhile is checked after opening: the path must still have
// none, and must name the file that was opened.
func openReal(real string) (*os.File, error) {
	before, err := os.Lstat(real)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(real)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && (!opened.Mode().IsRegular() || !os.SameFile(before, opened)) {
		err = errLink
	}
	if now, again := filepath.EvalSymlinks(real); err == nil && (again != nil || now != real) {
		err = errLink
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
