//go:build unix

package doctor

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// permissions says that modes of files mean something here.
const permissions = true

// fewFiles is the limit of open files below which a busy server could run out.
const fewFiles = 1024

func owner(info fs.FileInfo) (uid int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

func freeBytes(dir string) (uint64, bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return uint64(max(0, int64(st.Bavail))) * uint64(max(0, int64(st.Bsize))), true
}

func (e *exam) machine() {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err == nil {
		if lim.Cur < fewFiles {
			e.bad(Warn, "open files", "raise the limit: ulimit -n, or LimitNOFILE of the service", "a process may open %d files only", lim.Cur)
		} else {
			e.ok("open files", "at most %d", lim.Cur)
		}
	}
	e.isolation()
}
