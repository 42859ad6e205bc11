package runlog

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/runsheet/runsheet/internal/id"
)

// Summary is what a writer knows at the end.
type Summary struct {
	// Bytes is how much of the output can be read now.
	Bytes int64
	// Truncated says that output is missing: dropped from the middle at the cap,
	// or lost because it could not be written.
	Truncated bool
	// Lost is how many bytes could not be written, for want of disk space.
	Lost int64
}

// Writer appends to the log of one run. It never fails: what cannot be written
// is counted and marked in the log as soon as writing works again. It is safe
// for concurrent use; lines of concurrent writes do not mix as long as each
// Write holds whole lines.
type Writer struct {
	folder *Folder
	runID  string

	mu   sync.Mutex
	file file
	open func(path string) (file, error)
	// part is 0 while the .log file grows and 2 afterwards.
	part int
	// size is the content of the file that grows, without its header.
	size int64
	// older is the content of the .log.1 file.
	older int64
	// head is the content of the .log file once it is full.
	head int64
	// end is the place in the whole output: kept and dropped bytes.
	end     int64
	midLine bool
	lost    int64
	pending int64 // lost bytes that the log does not mention yet
	closed  bool
}

// file is what a Writer needs of an *os.File; tests put a full disk behind it.
type file interface {
	io.WriteCloser
}

// Writer returns a writer that continues the log of a run, or begins it. The
// only error is a malformed id. There must be one writer at a time for a run;
// the caller closes it.
func (f *Folder) Writer(runID string) (*Writer, error) {
	if err := id.Check(id.Run, runID); err != nil {
		return nil, err
	}
	w := &Writer{folder: f, runID: runID, open: openFile}
	f.track(runID)
	w.resume()
	return w, nil // a run that says nothing has no file
}

func openFile(path string) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// resume takes up where an earlier writer of the same run stopped.
func (w *Writer) resume() {
	parts, err := w.folder.localParts(w.runID)
	if err != nil {
		return // nothing readable there: begin
	}
	defer closeAll(parts)
	for _, p := range parts {
		switch {
		case p.start == 0:
			w.head, w.size = p.size, p.size
		case p.newest:
			w.part, w.size = 2, p.size
		default:
			w.part, w.size, w.older = 2, 0, p.size
		}
		w.end = p.start + p.size
	}
}

// Write appends p. It always returns len(p), nil.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(p) == 0 {
		return len(p), nil
	}
	if w.folder.spare != nil && w.folder.spare() {
		w.lose(len(p))
		return len(p), nil
	}
	if w.pending > 0 {
		w.mention()
	}
	w.put(p)
	w.folder.notify(w.runID)
	return len(p), nil
}

// Lost is how many bytes could not be written so far.
func (w *Writer) Lost() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Close ends the writer and says what became of the output. Later writes are
// ignored; a second Close returns the same.
func (w *Writer) Close() Summary {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		if w.pending > 0 {
			w.mention()
		}
		w.shut()
		w.closed = true
		w.folder.notify(w.runID)
		w.folder.ended(w.runID)
	}
	kept := w.size
	if w.part == 2 {
		kept += w.head + w.older
	}
	return Summary{Bytes: kept, Truncated: kept < w.end || w.lost > 0, Lost: w.lost}
}

// mention tells in the log how much was lost.
func (w *Writer) mention() {
	n := w.pending
	mark := lossMark(n)
	if w.midLine {
		mark = "\n" + mark
	}
	before := w.lost
	w.pending = 0
	w.put([]byte(mark))
	if w.lost > before { // still no room: the mark itself is not output
		w.lost, w.pending = before, n
	}
}

// put writes p over as many files as it needs.
func (w *Writer) put(p []byte) {
	for len(p) > 0 {
		room := w.room()
		if room <= 0 {
			if !w.rotate() {
				w.lose(len(p))
				return
			}
			continue
		}
		chunk := p
		if int64(len(chunk)) > room {
			chunk = chunk[:room]
			// Prefer to end a file with a whole line.
			if i := bytes.LastIndexByte(chunk, '\n'); i >= 0 || w.size > 0 && !w.midLine {
				chunk = chunk[:i+1]
			}
		}
		cut := len(chunk) < len(p)
		n := 0
		if len(chunk) > 0 {
			n = w.write(chunk)
		}
		w.size += int64(n)
		w.end += int64(n)
		if n > 0 {
			w.midLine = chunk[n-1] != '\n'
		}
		if n < len(chunk) {
			w.lose(len(p) - n)
			return
		}
		p = p[len(chunk):]
		if cut && !w.rotate() {
			w.lose(len(p))
			return
		}
	}
}

func (w *Writer) room() int64 {
	if w.part == 0 {
		return w.folder.max/2 - w.size
	}
	return w.folder.max/4 - w.size
}

// rotate makes a new .log.2 the file that grows. It reports whether it could.
func (w *Writer) rotate() bool {
	w.shut()
	older, head := w.older, w.head
	if w.part == 0 {
		head = w.size
	} else if w.size > 0 {
		newer, old := w.folder.tail(w.runID, 2), w.folder.tail(w.runID, 1)
		if _, err := os.Stat(newer); err == nil {
			if err := os.Rename(newer, old); err != nil {
				return false
			}
			older = w.size
		}
	}
	w.older, w.head = older, head
	w.part, w.size = 2, 0
	return true
}

// write appends to the file that grows and returns how much of chunk got in.
func (w *Writer) write(chunk []byte) int {
	if w.file == nil && !w.begin() {
		return 0
	}
	n, err := w.file.Write(chunk)
	if err != nil {
		w.shut()
	}
	return n
}

// begin opens the file that grows, with its header where it needs one.
func (w *Writer) begin() bool {
	path := w.folder.path(w.runID)
	if w.part == 2 {
		path = w.folder.tail(w.runID, 2)
		if w.size == 0 {
			_ = os.Remove(path) // an unfinished one; usually there is none
		}
	}
	f, err := w.open(path)
	if err != nil {
		return false
	}
	if w.part == 2 && w.size == 0 {
		if _, err := fmt.Fprintf(f, headerFormat, w.end); err != nil {
			_ = f.Close() // it is removed at the next attempt
			return false
		}
	}
	w.file = f
	return true
}

func (w *Writer) shut() {
	if w.file != nil {
		_ = w.file.Close() // not synced anyway; a loss shows when the log is read
		w.file = nil
	}
}

func (w *Writer) lose(n int) {
	w.lost += int64(n)
	w.pending += int64(n)
}
