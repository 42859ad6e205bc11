package app

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// trim gives the pages of the program itself back to the kernel: a start runs
// through most of its code and tables, and an idle server needs little of them.
// What is needed is read again from the page cache. It is about memory only, so
// whatever goes wrong is left as it is.
func trim() {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }() // only read
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		f := strings.Fields(lines.Text())
		// Only what is mapped from the file and never written.
		if len(f) < 6 || f[5] != path || f[1] != "r-xp" && f[1] != "r--p" {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(f[0], "%x-%x", &from, &to); err != nil || to <= from {
			continue
		}
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
	}
}
