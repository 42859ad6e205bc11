package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/task"
)

const (
	maxArtifacts = 1000
	// maxVisited bounds the search through the working folder.
	maxVisited = 200_000
)

// reports are collected from every command, whatever its patterns.
var reports = []string{"report.json", "report.md"}

// collect stores the files that the patterns name, in the order of their names.
// Only regular files inside the working folder count; links are passed over. It
// stores what it can and returns the first error.
func (a *attempt) collect(ctx context.Context) error {
	names, first := a.find()
	if len(names) > maxArtifacts {
		first = errors.Join(first, fmt.Errorf("%d files match, %d are kept", len(names), maxArtifacts))
		names = names[:maxArtifacts]
	}
	for _, name := range names {
		err := a.storeWhenRoom(ctx, name)
		if errors.Is(err, task.ErrLeaseLost) || ctx.Err() != nil {
			return err
		}
		if err != nil && first == nil {
			first = fmt.Errorf("%q: %w", name, err)
		}
	}
	return first
}

// find returns the names of the files that match, sorted.
func (a *attempt) find() ([]string, error) {
	if len(a.params.Artifacts) == 0 {
		var names []string
		for _, name := range reports {
			if st, err := a.work.Lstat(name); err == nil && st.Mode().IsRegular() {
				names = append(names, name)
			}
		}
		return names, nil
	}
	patterns := slices.Concat(a.params.Artifacts, reports)
	hits := make([]int, len(patterns))
	var names []string
	var bad error
	visited := 0
	err := fs.WalkDir(a.work.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if visited++; visited > maxVisited {
			return fmt.Errorf("the working folder has more than %d files", maxVisited)
		}
		if err != nil { // a folder that cannot be read hides only its own files
			bad = errors.Join(bad, err)
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		wanted := false
		for i, p := range patterns {
			if match(p, name) {
				hits[i]++
				wanted = true
			}
		}
		if wanted {
			names = append(names, name)
		}
		return nil
	})
	for i, p := range a.params.Artifacts {
		if hits[i] == 0 {
			a.log.note("no file matches the artifact pattern %q", p)
		}
	}
	slices.Sort(names)
	return names, errors.Join(bad, err)
}

// Pauses and their number while the server has no space for artifacts. The work
// is done, and doing it again may do harm, so space is waited for.
const (
	roomPause = 5 * time.Second
	roomTries = 120
)

// storeWhenRoom is store that waits while the server's disk, or the place of the
// artifacts, is full.
func (a *attempt) storeWhenRoom(ctx context.Context, name string) error {
	for try := 1; ; try++ {
		err := a.store(ctx, name)
		if !diskFull(err) || try == roomTries {
			return err
		}
		if try == 1 {
			a.log.note("there is no space for the artifact %q, waiting for it: %v", name, err)
		}
		if clock.Sleep(ctx, a.clk, roomPause) != nil {
			return err
		}
	}
}

func (a *attempt) store(ctx context.Context, name string) error {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return errors.New("the name is not printable")
	}
	f, err := a.work.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return errors.Join(errNotPlain, err)
	}
	head := make([]byte, 512) // all that DetectContentType looks at
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	head = head[:n]
	_, err = a.host.Artifact(ctx, name, mediaType(name, head), io.MultiReader(bytes.NewReader(head), f))
	return err
}

// mediaType goes by the extension, because a CSV or Markdown file looks like any
// text, and by the content for the rest. The table is our own: the system's
// differs from machine to machine.
func mediaType(name string, head []byte) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".md":
		return "text/markdown; charset=utf-8"
	case ".json":
		return "application/json"
	case ".jsonl", ".ndjson":
		return "application/x-ndjson"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".tsv":
		return "text/tab-separated-values; charset=utf-8"
	case ".yaml", ".yml":
		return "application/yaml"
	case ".svg":
		return "image/svg+xml"
	case ".parquet":
		return "application/vnd.apache.parquet"
	}
	return http.DetectContentType(head)
}

// checkPattern says what is wrong with a pattern of artifacts.
func checkPattern(p string) error {
	switch {
	case strings.HasPrefix(p, "/"):
		return errors.New("a pattern is relative to the working folder")
	case strings.ContainsRune(p, 0):
		return errors.New("a pattern cannot contain a NUL character")
	case path.Clean(p) != p || p == "." || p == ".." || strings.HasPrefix(p, "../"):
		return errors.New("a pattern has no empty part and none that is only dots")
	}
	for part := range strings.SplitSeq(p, "/") {
		if _, err := path.Match(part, ""); err != nil {
			return errors.New("the pattern is not well formed")
		}
	}
	return nil
}

// match reports whether pattern fits the whole of name. A part ** fits any number
// of folders, also none; the other parts are those of path.Match.
func match(pattern, name string) bool {
	parts, names := strings.Split(pattern, "/"), strings.Split(name, "/")
	// fits[j]: the parts so far fit the first j names. Going part by part keeps
	// the work at parts x names, whatever the pattern.
	fits := make([]bool, len(names)+1)
	fits[0] = true
	for _, part := range parts {
		next := make([]bool, len(names)+1)
		if part == "**" {
			for j := range next {
				next[j] = fits[j] || j > 0 && next[j-1]
			}
		} else {
			for j, n := range names {
				if fits[j] {
					next[j+1], _ = path.Match(part, n)
				}
			}
		}
		fits = next
	}
	return fits[len(names)]
}
