package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/runsheet/runsheet/internal/fault"
)

// tempDir is where content lives until its hash is known. It is inside the
// root so that a rename never crosses a file system.
const tempDir = "tmp"

// Options of a Folder. The zero value has no limit.
type Options struct {
	// MaxBytes is the largest blob that Put accepts; 0 = no limit.
	MaxBytes int64
}

// Folder is a Store in a folder: content lies in ROOT/ab/cd/<sha256>, mode
// 0600. It is safe for concurrent use, also by several processes on one folder.
type Folder struct {
	root string
	max  int64
}

var _ Store = (*Folder)(nil)

// OpenFolder returns the store in root, which is created where it is missing
// (mode 0700). Temporary files that no living process holds are removed.
func OpenFolder(root string, o Options) (*Folder, error) {
	tmp := filepath.Join(root, tempDir)
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return nil, classify(err, "create the artifact folder")
	}
	f := &Folder{root: root, max: o.MaxBytes}
	if err := sweep(tmp); err != nil {
		return nil, classify(err, "clean the artifact folder")
	}
	return f, nil
}

// Put implements Store. The order is: write, fsync, rename, fsync of the
// folders; a crash at any point leaves either the whole blob or a temporary
// file that the next OpenFolder removes.
func (f *Folder) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	tmp, err := createTemp(filepath.Join(f.root, tempDir))
	if err != nil {
		return "", 0, classify(err, "create a temporary artifact file")
	}
	keep := false
	defer func() {
		_ = tmp.Close() // synced before, or of no use
		if !keep {
			_ = os.Remove(tmp.Name()) // what stays behind is swept at the next start
		}
	}()

	sum, size, err := f.fill(ctx, tmp, r)
	if err != nil {
		return "", 0, err
	}
	path := f.path(sum)
	if st, err := os.Stat(path); err == nil && st.Size() == size {
		// Another Put may have renamed it a moment ago and not have synced yet.
		return sum, size, f.syncDirs(path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", 0, classify(err, "create a folder for the artifact")
	}
	if err := tmp.Sync(); err != nil {
		return "", 0, classify(err, "sync the artifact")
	}
	if err := rename(tmp, path); err != nil {
		return "", 0, classify(err, "move the artifact into its place")
	}
	keep = true
	return sum, size, f.syncDirs(path)
}

// Open implements Store.
func (f *Folder) Open(ctx context.Context, sum string) (io.ReadSeekCloser, int64, error) {
	if err := CheckSum(sum); err != nil {
		return nil, 0, err
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	file, err := os.Open(f.path(sum))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fault.Newf(fault.ArtifactGone, "the content %s is not stored here", sum)
	}
	if err != nil {
		return nil, 0, classify(err, "open the artifact")
	}
	st, err := file.Stat()
	if err != nil {
		_ = file.Close() // only read
		return nil, 0, classify(err, "look at the artifact")
	}
	return newReader(file, sum, st.Size()), st.Size(), nil
}

// fill copies r into tmp and hashes it on the way.
func (f *Folder) fill(ctx context.Context, tmp *os.File, r io.Reader) (string, int64, error) {
	h := sha256.New()
	src := &source{ctx: ctx, r: r, max: f.max}
	size, err := io.Copy(io.MultiWriter(tmp, h), src)
	if src.err != nil {
		return "", 0, src.err
	}
	if err != nil {
		return "", 0, classify(err, "write the artifact")
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

func (f *Folder) path(sum string) string { return filepath.Join(f.root, sum[:2], sum[2:4], sum) }

// syncDirs makes the names above path durable, up to the root.
func (f *Folder) syncDirs(path string) error {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if err := syncDir(dir); err != nil {
			return classify(err, "sync the artifact folder")
		}
		if dir == f.root || len(dir) <= len(f.root) {
			return nil
		}
	}
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

// classify turns an error of the file system into a fault.
func classify(err error, doing string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(err, fault.StorageFull, doing)
	}
	return fault.Wrap(err, fault.StorageUnavailable, doing)
}
