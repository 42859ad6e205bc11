package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
)

// Spool keeps content in temporary files until its SHA-256 is known, because a
// store needs it for the name. It is safe for concurrent use, also by several
// processes on one folder.
type Spool struct {
	dir string
	max int64
	// young files that nobody is seen to hold may be another host's.
	young time.Duration
	clock clock.Clock
}

// OpenSpool returns the spool in dir, which is created where it is missing (mode
// 0700). Files in it that no living process holds are removed; if it is shared,
// those of a day ago.
func OpenSpool(dir string, o Options) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, classify(err, "create the artifact folder")
	}
	s := &Spool{dir: dir, max: o.MaxBytes, clock: o.Clock}
	if s.clock == nil {
		s.clock = clock.System{}
	}
	if o.Shared {
		s.young = foreignAge
	}
	if _, err := s.sweep(); err != nil {
		return nil, classify(err, "clean the artifact folder")
	}
	return s, nil
}

// foreignAge is the age at which a temporary file that another host may hold is
// nobody's any more: no Put lies still for so long.
const foreignAge = 24 * time.Hour

// Fill reads r to its end. The caller closes what it returns. Faults and errors
// are those of Store.Put.
func (s *Spool) Fill(ctx context.Context, r io.Reader) (*Spooled, error) {
	file, err := createTemp(s.dir)
	if err != nil {
		return nil, classify(err, "create a temporary artifact file")
	}
	t := &Spooled{file: file}
	if t.Sum, t.Size, err = fill(file, &source{ctx: ctx, r: r, max: s.max}); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Spooled is content in a temporary file.
type Spooled struct {
	Sum  string // SHA-256 in lower-case hex
	Size int64  // bytes
	file *os.File
	kept bool
}

// ReadAt implements io.ReaderAt.
func (t *Spooled) ReadAt(p []byte, off int64) (int, error) { return t.file.ReadAt(p, off) }

// Close removes the file, unless a Folder has taken it over.
func (t *Spooled) Close() {
	_ = t.file.Close() // synced before, or of no use
	if !t.kept {
		_ = os.Remove(t.file.Name()) // what stays behind is swept at the next start
	}
}

// fill copies src into tmp and hashes it on the way.
func fill(tmp io.Writer, src *source) (string, int64, error) {
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(tmp, h), src)
	if src.err != nil {
		return "", 0, src.err
	}
	if err != nil {
		return "", 0, classify(err, "write the artifact")
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// source reads r until its end, the context's end or the limit. It keeps its
// own error apart from those of the writers that io.Copy reports.
type source struct {
	ctx  context.Context
	r    io.Reader
	read int64
	max  int64
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = fmt.Errorf("store the artifact: %w", err)
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.read += int64(n)
	if s.max > 0 && s.read > s.max {
		s.err = fault.Newf(fault.ArtifactTooLarge, "the artifact is larger than %d bytes", s.max)
		return 0, s.err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = fmt.Errorf("read the artifact's content: %w", err)
		return n, s.err
	}
	return n, err
}
