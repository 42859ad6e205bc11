//go:build linux || darwin || freebsd

package reserve

import (
	"os"
	"syscall"
)

// space measures the file system of a folder.
func space(dir string) (free, total int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	block := int64(st.Bsize)
	return int64(st.Bavail) * block, int64(st.Blocks) * block, nil
}

// SameDisk reports whether two existing files or folders are on one file
// system; true when that is unknown.
func SameDisk(a, b string) bool {
	sa, err := os.Stat(a)
	if err != nil {
		return true
	}
	sb, err := os.Stat(b)
	if err != nil {
		return true
	}
	ta, ok := sa.Sys().(*syscall.Stat_t)
	tb, both := sb.Sys().(*syscall.Stat_t)
	return !ok || !both || ta.Dev == tb.Dev
}
