//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package blob

import "os"

// lock always succeeds: these systems refuse to remove a file that is open, so
// that discard spares the files of living processes.
func lock(*os.File) bool { return true }

// discard closes and removes a file; one that another process has open stays.
func discard(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	_ = os.Remove(path) // refused while another process has it open
	return nil
}

// rename closes f first: these systems do not rename an open file.
func rename(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// syncDir does nothing: a folder cannot be synced here.
func syncDir(string) error { return nil }
