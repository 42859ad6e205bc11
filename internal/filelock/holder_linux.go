package filelock

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// holder finds the lock in the kernel's list: "1: FLOCK ADVISORY WRITE PID
// MAJOR:MINOR:INODE 0 EOF". Only the inode is compared: the list names a device
// as the file system does, which stat may see otherwise (btrfs, overlays).
func holder(f *os.File) int {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	list, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	inode := fmt.Sprintf(":%d", st.Ino)
	for line := range strings.Lines(string(list)) {
		w := strings.Fields(line)
		if len(w) < 6 || w[1] != "FLOCK" || !strings.HasSuffix(w[5], inode) {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(w[4], &pid); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}
