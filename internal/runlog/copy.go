package runlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

// Export calls f for each file of a run's log, in the order of their names, with
// as many bytes as the file has now. A run without a log has no files.
func (f *Folder) Export(runID string, each func(name string, size int64, content io.Reader) error) error {
	if err := id.Check(id.Run, runID); err != nil {
		return err
	}
	parts, err := f.parts(runID)
	if fault.Is(err, fault.LogGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeAll(parts)
	for i, p := range parts {
		name := runID + ".log"
		switch {
		case p.skip == 0:
		case p.newest:
			name += ".2"
		default:
			name += ".1"
		}
		if i > 0 && name == runID+".log" {
			return fmt.Errorf("log of %s: two beginnings", runID)
		}
		size := p.skip + p.size
		if err := each(name, size, io.NewSectionReader(p, 0, size)); err != nil {
			return err
		}
	}
	return nil
}

// Import writes a file that Export gave away. It must not exist yet. As all logs,
// it is not synced.
func (f *Folder) Import(name string, content io.Reader) error {
	run, rest, ok := strings.Cut(name, ".log")
	if err := id.Check(id.Run, run); err != nil || !ok || rest != "" && rest != ".1" && rest != ".2" {
		return fault.Newf(fault.InvalidInput, "%q is not the name of a log", name)
	}
	file, err := os.OpenFile(filepath.Join(f.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fault.Wrap(err, fault.StorageUnavailable, "create a log")
	}
	_, err = io.Copy(file, content)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write log %s: %w", name, err)
	}
	return nil
}

// Empty reports whether there is no log at all.
func (f *Folder) Empty() (bool, error) {
	dir, err := os.Open(f.dir)
	if err != nil {
		return false, fault.Wrap(err, fault.StorageUnavailable, "open the log folder")
	}
	defer func() { _ = dir.Close() }() // only read
	for {
		names, err := dir.Readdirnames(100)
		for _, n := range names {
			if strings.HasPrefix(n, string(id.Run)+"_") {
				return false, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, fault.Wrap(err, fault.StorageUnavailable, "list the log folder")
		}
	}
}
