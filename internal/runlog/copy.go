package runlog

import (
	"bytes"
	"context"
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
func (f *Folder) Export(ctx context.Context, runID string, each func(name string, size int64, content io.Reader) error) error {
	if err := id.Check(id.Run, runID); err != nil {
		return err
	}
	parts, err := f.parts(ctx, runID)
	if fault.Is(err, fault.LogGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeAll(parts)
	if parts[0].far {
		return exportFar(runID, parts, each)
	}
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

// stretch is output without a gap.
type stretch struct {
	start int64
	bytes.Buffer
}

func (s *stretch) end() int64 { return s.start + int64(s.Len()) }

// exportFar gives the blocks of a log the form that it has in the folder: the
// beginning, and what is left of the rest. It holds one log in memory, because a
// block can vanish while it is read: the log of a living run drops its middle.
func exportFar(runID string, parts []part, each func(name string, size int64, content io.Reader) error) error {
	var spans []*stretch
	for _, p := range parts {
		content := make([]byte, p.size)
		n, err := p.at(content, p.start)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read log of %s: %w", runID, err)
		}
		content = content[:n]
		if len(spans) == 0 || spans[len(spans)-1].end() < p.start {
			spans = append(spans, &stretch{start: p.start})
		}
		last := spans[len(spans)-1]
		if known := last.end() - p.start; known < int64(n) {
			last.Write(content[known:]) // blocks may overlap after a crash
		}
	}
	names := []string{".log.1", ".log.2"}
	if spans[0].start == 0 {
		if err := each(runID+".log", int64(spans[0].Len()), &spans[0].Buffer); err != nil {
			return err
		}
		spans = spans[1:]
	}
	// More gaps than a log in the folder can have come from crashes; what is
	// newest counts.
	if len(spans) > len(names) {
		spans = spans[len(spans)-len(names):]
	}
	for i, s := range spans {
		content := io.MultiReader(strings.NewReader(fmt.Sprintf(headerFormat, s.start)), &s.Buffer)
		if err := each(runID+names[len(names)-len(spans)+i], int64(headerLen+s.Len()), content); err != nil {
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
