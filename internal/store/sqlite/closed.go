package sqlite

import (
	"fmt"
	"io"
	"os"
)

// The lock file says whether the database was closed as it should be, and what its file
// was like then. While a server uses the database it says nothing; so it does after a
// crash, and the file is checked at the next start. A check reads all of it, which takes
// seconds with a million jobs.

// maxMark bounds what is read of a lock file.
const maxMark = 100

// closedMark describes the database file at path, without a log; "" if there is none, or
// if a log has something that is not in it yet.
func closedMark(path string) string {
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 || err != nil && !os.IsNotExist(err) {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("closed %d %d\n", info.Size(), info.ModTime().UnixNano())
}

// wasClosed reports whether the file at path is as a server left it that closed it, and
// takes the mark away before anything is written.
func wasClosed(lock *os.File, path string) (bool, error) {
	mark, err := io.ReadAll(io.NewSectionReader(lock, 0, maxMark))
	if err != nil {
		return false, fmt.Errorf("read the lock file: %w", err)
	}
	if len(mark) == 0 {
		return false, nil
	}
	closed := string(mark) == closedMark(path)
	if err := lock.Truncate(0); err != nil {
		return false, fmt.Errorf("empty the lock file: %w", err)
	}
	if err := lock.Sync(); err != nil {
		return false, fmt.Errorf("empty the lock file: %w", err)
	}
	return closed, nil
}

// markClosed notes that the database at path was closed. Without the note the next start
// takes longer.
func markClosed(lock *os.File, path string) {
	if mark := closedMark(path); mark != "" {
		_, _ = lock.WriteAt([]byte(mark), 0)
	}
}
