package logtriage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// openReal opens a regular file for reading by a path without links. It goes
// folder by folder and follows nothing, so that a link that is put there after the
// path was compared with the allow-list leads nowhere; and it does not wait for
// the writer of a FIFO.
func openReal(real string) (*os.File, error) {
	dir, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	elems := strings.Split(strings.TrimPrefix(filepath.Clean(real), "/"), "/")
	for _, e := range elems[:len(elems)-1] {
		next, err := openAt(dir, e, unix.O_PATH|unix.O_DIRECTORY)
		unix.Close(dir)
		if err != nil {
			return nil, err
		}
		dir = next
	}
	fd, err := openAt(dir, elems[len(elems)-1], unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	unix.Close(dir)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), real)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func openAt(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ELOOP):
			return -1, errLink
		}
		return fd, err
	}
}
