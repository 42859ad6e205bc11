package logtriage

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of one pattern, so that it cannot walk a whole disk.
const (
	maxVisited = 100_000 // entries of folders that are looked at
	maxMatches = 2_000   // files
	maxDepth   = 32      // folders below the pattern's beginning
)

// overlap reports whether a pattern of params and one of an allow-list may have a
// path in common. It may say yes where there is none, never no where there is
// one: what is found is checked path by path.
func overlap(glob, allowed string) bool {
	if strings.HasSuffix(allowed, "/") {
		allowed += "**"
	}
	a, b := strings.Split(glob, "/"), strings.Split(allowed, "/")
	// reach[j] says that the elements of a so far and the first j of b have a path in
	// common.
	reach := make([]bool, len(b)+1)
	reach[0] = true
	open := func(row []bool) {
		for j, e := range b {
			row[j+1] = row[j+1] || row[j] && e == "**"
		}
	}
	open(reach)
	for _, x := range a {
		next := make([]bool, len(b)+1)
		for j := range next {
			switch {
			case x == "**":
				next[j] = reach[j] || j > 0 && next[j-1]
			case j > 0 && b[j-1] == "**":
				next[j] = reach[j-1] || reach[j] || next[j-1]
			case j > 0:
				next[j] = reach[j-1] && elementsMeet(x, b[j-1])
			}
		}
		open(next)
		reach = next
	}
	return reach[len(b)]
}

// elementsMeet reports whether two elements of patterns may have a name in common.
func elementsMeet(x, y string) bool {
	const meta = `*?[\`
	switch wildX, wildY := strings.ContainsAny(x, "*?"), strings.ContainsAny(y, meta); {
	case wildX && wildY:
		px, py := x[:strings.IndexAny(x, "*?")], y[:strings.IndexAny(y, meta)]
		return strings.HasPrefix(px, py) || strings.HasPrefix(py, px)
	case wildX:
		ok, err := path.Match(x, y)
		return err == nil && ok
	default:
		ok, err := path.Match(y, x)
		return err == nil && ok
	}
}

// walker finds the files of a pattern.
type walker struct {
	// may reports whether a folder without links in its path may be looked into.
	may func(real string) bool
	// closed reports whether a folder is passed by.
	closed  func(real string) bool
	visited int
	found   []string
	// outside says that the pattern leads into a folder that may not be looked into,
	// cut that a bound was reached.
	outside, cut bool
	// left says that a closed folder was passed by.
	left bool
}

// walk returns what matches, sorted, with files of every kind.
func (w *walker) walk(pattern string) []string {
	elems := strings.Split(pattern, "/")
	w.descend(elems[0]+"/", elems[1:], 0)
	slices.Sort(w.found)
	w.found = slices.Compact(w.found)
	return w.found
}

// descend looks for elems below dir, which ends with a slash.
func (w *walker) descend(dir string, elems []string, depth int) {
	for len(elems) > 1 && !strings.ContainsAny(elems[0], "*?") {
		dir, elems = dir+elems[0]+"/", elems[1:]
	}
	if w.full() || depth > maxDepth {
		w.cut = w.cut || depth > maxDepth
		return
	}
	head, rest := elems[0], elems[1:]
	if !strings.ContainsAny(head, "*?") { // the last one
		if _, err := os.Lstat(filepath.FromSlash(dir + head)); err == nil {
			w.found = append(w.found, dir+head)
		}
		return
	}
	if head == "**" && len(rest) > 0 {
		w.descend(dir, rest, depth)
	}
	for _, e := range w.list(dir) {
		name := dir + e.Name()
		if head == "**" {
			switch {
			case e.IsDir(): // a link could lead in a circle
				w.descend(name+"/", elems, depth+1)
			case len(rest) == 0:
				w.add(name)
			}
			continue
		}
		if ok, err := path.Match(head, e.Name()); err != nil || !ok {
			continue
		}
		switch {
		case len(rest) == 0 && !e.IsDir():
			w.add(name)
		case len(rest) > 0 && (e.IsDir() || e.Type()&fs.ModeSymlink != 0):
			w.descend(name+"/", rest, depth+1)
		}
	}
}

func (w *walker) add(name string) {
	if !w.full() {
		w.found = append(w.found, name)
	}
}

func (w *walker) full() bool {
	if len(w.found) >= maxMatches || w.visited >= maxVisited {
		w.cut = true
	}
	return w.cut
}

// list returns the entries of a folder, at most as many as may still be visited.
func (w *walker) list(dir string) []os.DirEntry {
	real, err := filepath.EvalSymlinks(filepath.FromSlash(dir))
	if err != nil {
		return nil
	}
	if w.closed(real) {
		w.left = true
		return nil
	}
	if !w.may(filepath.ToSlash(real)) {
		w.outside = true
		return nil
	}
	f, err := os.Open(real)
	if err != nil {
		return nil
	}
	defer f.Close()
	var all []os.DirEntry
	for w.visited < maxVisited {
		some, err := f.ReadDir(min(1000, maxVisited-w.visited))
		all = append(all, some...)
		w.visited += len(some)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				w.cut = true
			}
			break
		}
	}
	slices.SortFunc(all, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return all
}
