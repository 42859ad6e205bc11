//go:build linux || darwin

package health

import "golang.org/x/sys/unix"

// Space returns the bytes that an ordinary user may still write to the file
// system of a path, and its size.
func Space(path string) (free, size uint64, err error) {
	var st unix.Statfs_t
	for {
		err = unix.Statfs(path, &st)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return 0, 0, err
	}
	block := uint64(st.Bsize) //nolint:unconvert // signed on some systems
	return st.Bavail * block, st.Blocks * block, nil
}
