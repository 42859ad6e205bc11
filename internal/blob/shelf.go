package blob

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Shelf keeps small things by name in the place of a Store, beside the content:
// the logs of runs, and what says whose the place is. Unlike content, what has a
// name may be written anew. Implementations are safe for concurrent use, also by
// several processes and hosts.
//
// A name is a path of letters, digits and ._- between single slashes, whose
// first part is no two-digit one as of content, and not "tmp".
type Shelf interface {
	// Write stores content under name, in place of what was there. Readers find
	// the old or the new, whole, also after a crash. Faults: invalid_input for a
	// name that is none, storage_full, storage_unavailable.
	Write(ctx context.Context, name string, content []byte) error
	// Read returns what name has; artifact_gone if nothing.
	Read(ctx context.Context, name string) ([]byte, error)
	// Remove takes a name away; one that is not there is no error.
	Remove(ctx context.Context, name string) error
	// Entries yields the names below a folder, which ends with a slash, in order.
	// It ends after the first error. What is written or removed meanwhile may show
	// or not.
	Entries(ctx context.Context, folder string) iter.Seq2[Entry, error]
}

// Entry is a name on a Shelf.
type Entry struct {
	Name    string
	Size    int64     // bytes
	Written time.Time // by the clock of the store
}

// CheckName returns nil when name can be one on a Shelf, invalid_input
// otherwise. What passes is safe in a path.
func CheckName(name string) error {
	first, _, _ := strings.Cut(name, "/")
	if len(first) <= 2 || first == tempDir || len(name) > 200 {
		return fault.Newf(fault.InvalidInput, "%q is no name beside content", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || !plainName(strings.ToLower(part), "_") {
			return fault.Newf(fault.InvalidInput, "%q is no name beside content", name)
		}
	}
	return nil
}

var _ Shelf = (*Folder)(nil)

// Write implements Shelf.
func (f *Folder) Write(ctx context.Context, name string, content []byte) error {
	if err := errors.Join(CheckName(name), ctx.Err()); err != nil {
		return err
	}
	tmp, err := createTemp(f.spool.dir)
	if err != nil {
		return classify(err, "create a temporary file")
	}
	path := filepath.Join(f.root, filepath.FromSlash(name))
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Sync()
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = rename(tmp, path)
	}
	_ = tmp.Close() // synced before, or of no use
	if err != nil {
		_ = os.Remove(tmp.Name()) // what stays behind is swept
		return classify(err, "write "+name)
	}
	return nil
}

// Read implements Shelf.
func (f *Folder) Read(ctx context.Context, name string) ([]byte, error) {
	if err := errors.Join(CheckName(name), ctx.Err()); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(f.root, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Newf(fault.ArtifactGone, "%s is not stored here", name)
	}
	if err != nil {
		return nil, classify(err, "read "+name)
	}
	return b, nil
}

// Remove implements Shelf. A folder that is empty afterwards goes too.
func (f *Folder) Remove(ctx context.Context, name string) error {
	if err := errors.Join(CheckName(name), ctx.Err()); err != nil {
		return err
	}
	path := filepath.Join(f.root, filepath.FromSlash(name))
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return classify(err, "remove "+name)
	}
	if dir := filepath.Dir(path); dir != f.root {
		_ = os.Remove(dir) // fails while something is in it
	}
	return nil
}

// Entries implements Shelf.
func (f *Folder) Entries(ctx context.Context, folder string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		name, whole := strings.CutSuffix(folder, "/")
		if err := CheckName(name); err != nil || !whole {
			yield(Entry{}, errors.Join(err, ctx.Err()))
			return
		}
		root := filepath.Join(f.root, filepath.FromSlash(name))
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil {
				err = ctx.Err()
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed meanwhile, or never made
			}
			if err != nil || d.IsDir() {
				return err
			}
			st, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(f.root, path)
			if err == nil && !yield(Entry{Name: filepath.ToSlash(rel), Size: st.Size(), Written: st.ModTime()}, nil) {
				return fs.SkipAll
			}
			return err
		})
		switch {
		case err == nil:
		case ctx.Err() != nil:
			yield(Entry{}, ctx.Err())
		default:
			yield(Entry{}, classify(err, "list "+folder))
		}
	}
}

// Check returns nil when the folder takes writes now, and the fault otherwise.
func (f *Folder) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tmp, err := createTemp(f.spool.dir)
	if err != nil {
		return classify(err, "write into the artifact folder")
	}
	_, err = tmp.Write([]byte("check")) // a full disk still makes empty files
	if err := errors.Join(err, discard(tmp, tmp.Name())); err != nil {
		return classify(err, "write into the artifact folder")
	}
	return nil
}

// Sweep removes temporary files that dead servers on other hosts left, and
// returns how many.
func (f *Folder) Sweep(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := f.spool.sweep()
	if err != nil {
		return n, classify(err, "clean the artifact folder")
	}
	return n, nil
}
