package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
)

// tempDir is where content lives until its hash is known. It is inside the
// root so that a rename never crosses a file system.
const tempDir = "tmp"

// Options of a Folder or a Spool. The zero value has no limit.
type Options struct {
	// MaxBytes is the largest blob that Put accepts; 0 = no limit.
	MaxBytes int64
	// Shared says that other hosts write into the folder, whose locks may not be
	// seen here: the temporary files of others are left alone for a day.
	Shared bool
	// Clock tells how old these are; nil = the system's.
	Clock clock.Clock
}

// Folder is a Store in a folder: content lies in ROOT/ab/cd/<sha256>, mode
// 0600. It is safe for concurrent use, also by several processes on one folder.
type Folder struct {
	root  string
	spool *Spool
}

var _ Store = (*Folder)(nil)

// OpenFolder returns the store in root, which is created where it is missing
// (mode 0700). Temporary files that no living process holds are removed.
func OpenFolder(root string, o Options) (*Folder, error) {
	spool, err := OpenSpool(filepath.Join(root, tempDir), o)
	if err != nil {
		return nil, err
	}
	return &Folder{root: root, spool: spool}, nil
}

// Put implements Store. The order is: write, fsync, rename, fsync of the
// folders; a crash at any point leaves either the whole blob or a temporary
// file that the next OpenFolder removes.
func (f *Folder) Put(ctx context.Context, r io.Reader, reserve Reserve) (string, int64, error) {
	tmp, err := f.spool.Fill(ctx, r)
	if err != nil {
		return "", 0, err
	}
	defer tmp.Close()
	if reserve != nil {
		if err := reserve(tmp.Sum, tmp.Size); err != nil {
			return "", 0, err
		}
	}
	path := f.path(tmp.Sum)
	if known, err := f.refresh(tmp, path); known || err != nil {
		return tmp.Sum, tmp.Size, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", 0, classify(err, "create a folder for the artifact")
	}
	if err := tmp.file.Sync(); err != nil {
		return "", 0, classify(err, "sync the artifact")
	}
	if err := rename(tmp.file, path); err != nil {
		return "", 0, classify(err, "move the artifact into its place")
	}
	tmp.kept = true
	return tmp.Sum, tmp.Size, f.syncDirs(path)
}

// refresh reports whether path has the content already, and if so gives it the
// time of this Put, by the clock of the file system.
func (f *Folder) refresh(tmp *Spooled, path string) (bool, error) {
	if !f.has(path, tmp.Size) {
		return false, nil
	}
	st, err := tmp.file.Stat()
	if err != nil {
		return false, classify(err, "look at a temporary artifact file")
	}
	if err := os.Chtimes(path, time.Time{}, st.ModTime()); errors.Is(err, fs.ErrNotExist) {
		return false, nil // Delete was faster
	} else if err != nil {
		return false, classify(err, "note that the artifact was put again")
	}
	// Another Put may have renamed it a moment ago and not have synced yet.
	return true, f.syncDirs(path)
}

// has reports whether path has that many bytes. A file of another length was
// torn, and is replaced; one that cannot be looked at fails the replacement.
func (*Folder) has(path string, size int64) bool {
	st, err := os.Stat(path)
	return err == nil && st.Size() == size
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
	return NewReader(file, sum, st.Size()), st.Size(), nil
}

// Delete implements Store.
func (f *Folder) Delete(ctx context.Context, sum string, before time.Time) (bool, error) {
	if err := errors.Join(CheckSum(sum), ctx.Err()); err != nil {
		return false, err
	}
	path := f.path(sum)
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, classify(err, "look at the artifact")
	}
	if !st.ModTime().Before(before) {
		return false, nil
	}
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, classify(err, "remove the artifact")
	}
	return true, nil
}

// List implements Store.
func (f *Folder) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		err := filepath.WalkDir(f.root, func(path string, d fs.DirEntry, err error) error {
			if err == nil {
				err = ctx.Err()
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed meanwhile
			}
			if err != nil {
				return err
			}
			if d.IsDir() || !f.owns(path) {
				return nil
			}
			st, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && !yield(Info{Sum: d.Name(), Size: st.Size(), Put: st.ModTime()}, nil) {
				return fs.SkipAll
			}
			return err
		})
		switch {
		case err == nil:
		case ctx.Err() != nil:
			yield(Info{}, fmt.Errorf("list artifacts: %w", ctx.Err()))
		default:
			yield(Info{}, classify(err, "list artifacts"))
		}
	}
}

// owns reports whether path is one of content.
func (f *Folder) owns(path string) bool {
	sum := filepath.Base(path)
	return CheckSum(sum) == nil && path == f.path(sum)
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

// classify turns an error of the file system into a fault.
func classify(err error, doing string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(err, fault.StorageFull, doing)
	}
	return fault.Wrap(err, fault.StorageUnavailable, doing)
}
