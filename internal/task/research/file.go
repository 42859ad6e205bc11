package research

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"github.com/runsheet/runsheet/internal/directive"
)

// Errors of openFile and fetch. Their text says nothing of a source.
var (
	errNotAllowed = errors.New("it leads to a place that is not on the allow-list")
	errMissing    = errors.New("it does not exist")
	errNotRegular = errors.New("it is not a regular file")
	errForbidden  = errors.New("the server may not read it")
	errMoved      = errors.New("it was replaced while it was opened")
	errTooLarge   = errors.New("it is too large")
	errUnread     = errors.New("it could not be read")
)

// readFile reads a regular file of at most limit bytes. Links are resolved first,
// and both the name and the place to which it leads must be allowed. What was
// opened is looked at again: a link or another file that is put in its place
// meanwhile is found out, and devices and pipes are never opened.
// closed reports which places are nobody's.
func readFile(name string, d *directive.Snapshot, closed func(real string) bool, limit int64) ([]byte, error) {
	s := source{Path: name}
	if !s.allowed(d) {
		return nil, errNotAllowed
	}
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, fileError(err)
	}
	if s = (source{Path: real}); !s.allowed(d) || closed(real) {
		return nil, errNotAllowed
	}
	before, err := os.Lstat(real)
	if err != nil {
		return nil, fileError(err)
	}
	if !before.Mode().IsRegular() {
		return nil, errNotRegular
	}
	// A pipe that took the file's place would keep a plain open waiting for ever.
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileError(err)
	}
	defer f.Close()
	after, err := f.Stat()
	if err != nil {
		return nil, fileError(err)
	}
	if !after.Mode().IsRegular() || !os.SameFile(before, after) {
		return nil, errMoved
	}
	if at, err := whereIs(f, real); err != nil || at != real {
		return nil, errMoved
	}
	if after.Size() > limit {
		return nil, errTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fileError(err)
	}
	if int64(len(data)) > limit { // it grew
		return nil, errTooLarge
	}
	return data, nil
}

// whereIs is the place of an open file. On Linux the kernel knows it, whatever
// happens to names meanwhile; elsewhere it is the place to which the name leads now.
func whereIs(f *os.File, name string) (string, error) {
	if runtime.GOOS == "linux" {
		if at, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd()))); err == nil {
			return at, nil
		}
	}
	return filepath.EvalSymlinks(name)
}

// fileError drops the path, which a direct request's params have.
func fileError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return errMissing
	case errors.Is(err, fs.ErrPermission):
		return errForbidden
	}
	return errUnread
}
