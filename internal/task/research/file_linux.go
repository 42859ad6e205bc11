package research

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// noFollow makes opening a link an error.
const noFollow = syscall.O_NOFOLLOW

// whereIs is the place of an open file. The kernel knows it, whatever happens to
// names meanwhile.
func whereIs(f *os.File, name string) (string, error) {
	if at, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd()))); err == nil {
		return at, nil
	}
	return filepath.EvalSymlinks(name) // without /proc
}
