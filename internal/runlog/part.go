package runlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/runsheet/runsheet/internal/fault"
)

// part is one open file of a log, or one block on the shelf.
type part struct {
	io.ReaderAt
	io.Closer
	// start is the place of the part's first byte in the whole output.
	start int64
	// skip is the length of the header before that byte.
	skip int64
	// size is how many bytes of output the part had when it was opened.
	size int64
	// newest marks the .log.2 file.
	newest bool
	// far marks a block on the shelf.
	far bool
}

// at reads output from place pos on, which must not be before p.start.
func (p part) at(buf []byte, pos int64) (int, error) {
	return p.ReadAt(buf, p.skip+pos-p.start)
}

func closeAll(parts []part) {
	for _, p := range parts {
		_ = p.Close() // only read
	}
}

// parts opens what there is of a log, in order. The caller closes it. A log in
// the folder is whole; it leaves it, the .log file first, when all of it is on
// the shelf. log_gone when there is none.
func (f *Folder) parts(ctx context.Context, runID string) ([]part, error) {
	if f.shelf == nil {
		return f.localParts(runID)
	}
	for range 3 {
		parts, err := f.localParts(runID)
		if fault.Is(err, fault.LogGone) {
			break
		}
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(f.path(runID)); err == nil && parts[0].start == 0 {
			return parts, nil
		}
		closeAll(parts) // it is leaving: what was opened may be less than all
	}
	return f.farParts(ctx, runID)
}

// localParts opens the files of a log, in order.
func (f *Folder) localParts(runID string) ([]part, error) {
	// A rotation between two of the opens below makes a gap where there is none:
	// look again. A gap that stays was made by a crash, and is shown.
	for try := 0; ; try++ {
		parts, err := f.tryParts(runID)
		if err != nil {
			closeAll(parts)
			return nil, fault.Wrap(err, fault.StorageUnavailable, "open the log")
		}
		if len(parts) == 0 {
			return nil, fault.Newf(fault.LogGone, "there is no log of %s here", runID)
		}
		n := len(parts)
		if try == 3 || n < 3 || parts[1].start+parts[1].size == parts[2].start {
			return parts, nil
		}
		closeAll(parts)
	}
}

func (f *Folder) tryParts(runID string) ([]part, error) {
	var parts []part
	for i, path := range []string{f.path(runID), f.tail(runID, 1), f.tail(runID, 2)} {
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return parts, err
		}
		p := part{ReaderAt: file, Closer: file, newest: i == 2}
		st, err := file.Stat()
		if err == nil && i > 0 {
			p.skip = headerLen
			p.start, err = header(file)
		}
		if err != nil {
			_ = file.Close() // only read
			if errors.Is(err, errNoHeader) {
				continue // a crash made it; nothing in it can be placed
			}
			return parts, err
		}
		p.size = st.Size() - p.skip
		parts = append(parts, p)
	}
	return parts, nil
}

var errNoHeader = errors.New("no header")

func header(r io.ReaderAt) (int64, error) {
	var buf [headerLen]byte
	if _, err := r.ReadAt(buf[:], 0); errors.Is(err, io.EOF) {
		return 0, errNoHeader
	} else if err != nil {
		return 0, err
	}
	var start int64
	if _, err := fmt.Sscanf(string(buf[:]), headerFormat, &start); err != nil || start < 0 {
		return 0, errNoHeader
	}
	return start, nil
}
