//go:build unix

package app

import "syscall"

// connLimit leaves half of the files that this process may open to everything
// but connections.
func connLimit() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return maxConns
	}
	return max(16, int(min(uint64(r.Cur)/2, maxConns))) //nolint:unconvert // signed on some systems
}
