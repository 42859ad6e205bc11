package export

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// listName is the file in the folder of an export that names all files of the
// export, itself too, one a line.
const listName = ".runsheet-export"

// Foreign is a file that stands where an export would write, and that no earlier
// export wrote.
type Foreign struct{ Path string }

// Error implements error.
func (f *Foreign) Error() string {
	return f.Path + " exists already, and no earlier export wrote it: nothing was changed"
}

// WriteDir writes the files below dir, for their owner only, and removes files of
// an earlier export that are no longer part of it. What no export wrote stays as
// it is: where it is in the way, the error is a *Foreign and nothing was written.
func WriteDir(dir string, files []File) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	old, err := readList(root)
	if err != nil {
		return err
	}
	now := []string{listName}
	for _, f := range files {
		now = append(now, f.Path)
		info, err := root.Lstat(filepath.FromSlash(f.Path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !slices.Contains(old, f.Path) || !info.Mode().IsRegular() {
			return &Foreign{filepath.Join(dir, filepath.FromSlash(f.Path))}
		}
	}
	// An export that is interrupted must find its own files again.
	if err := writeList(root, slices.Concat(old, now)); err != nil {
		return err
	}
	for _, f := range files {
		if err := root.MkdirAll(path.Dir(f.Path), 0o700); err != nil {
			return err
		}
		if err := root.WriteFile(filepath.FromSlash(f.Path), f.Content, 0o600); err != nil {
			return err
		}
	}
	for _, p := range old {
		if slices.Contains(now, p) {
			continue
		}
		if err := root.Remove(filepath.FromSlash(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return writeList(root, now)
}

// readList returns the paths that an earlier export wrote. A list with a path
// that no export writes, such as one with marks of a merge, is refused whole:
// files are removed by it.
func readList(root *os.Root) ([]string, error) {
	b, err := root.ReadFile(listName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		p := strings.TrimRight(line, "\r\n")
		known := slices.Contains([]string{".yaml", ".json", ".jsonl"}, path.Ext(p)) && path.Clean(p) == p && filepath.IsLocal(filepath.FromSlash(p))
		if p != listName && !known {
			return nil, fmt.Errorf("%s is not a list of exported files (line %q): correct it, or move it away with the files of the old export", filepath.Join(root.Name(), listName), p)
		}
		out = append(out, p)
	}
	return out, nil
}

func writeList(root *os.Root, paths []string) error {
	paths = slices.Compact(slices.Sorted(slices.Values(paths)))
	return root.WriteFile(listName, []byte(strings.Join(paths, "\n")+"\n"), 0o600)
}
