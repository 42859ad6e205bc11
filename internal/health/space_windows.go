package health

import "golang.org/x/sys/windows"

// Space returns the bytes that this user may still write to the file system of
// a path, and its size.
func Space(path string) (free, size uint64, err error) {
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, 0, err
	}
	err = windows.GetDiskFreeSpaceEx(p, &free, &size, nil)
	return free, size, err
}
