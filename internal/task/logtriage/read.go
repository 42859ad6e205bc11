package logtriage

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/runsheet/runsheet/internal/task/logtriage/docker"
)

const (
	// maxLine is how much is looked at of one line.
	maxLine = 64 << 10
	// readAhead is the size of the read buffer.
	readAhead = 256 << 10
	// checkEvery is how many lines are read between two looks at the context.
	checkEvery = 4096
)

// lineReader reads lines of any length with bounded memory.
type lineReader struct {
	src *bufio.Reader
	buf []byte
	// cut counts lines of which only the beginning was kept.
	cut int64
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{src: bufio.NewReaderSize(r, readAhead), buf: make([]byte, 0, maxLine)}
}

// next returns a line without its end, and how many bytes it took. The line is
// valid until the next call. A last line without an end is a line; err is io.EOF
// only when there is nothing any more.
func (l *lineReader) next() (line []byte, n int64, err error) {
	line, err = l.src.ReadSlice('\n')
	n = int64(len(line))
	if err == nil && len(line) <= maxLine {
		return trimEnd(line), n, nil
	}
	l.buf = append(l.buf[:0], line[:min(len(line), maxLine)]...)
	long := len(line) > maxLine
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.src.ReadSlice('\n')
		n += int64(len(line))
		long = true
	}
	if long {
		l.cut++
	}
	if err != nil && n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return trimEnd(l.buf), n, err
}

func trimEnd(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

// opened is a source that is being read.
type opened struct {
	io.Reader
	closer io.Closer
	// after is asked when everything was read for what is to be noted.
	after func(read int64, err error) []string
	notes []string
	// partial says that the text begins in the middle of a line.
	partial bool
}

// openFile opens a file and decompresses it if it is gzip. Of a larger one than
// max bytes the end is read; of a compressed one the beginning. What is written to
// it meanwhile is not read.
func openFile(real string, limit int64) (opened, error) {
	f, err := openReal(real)
	if err != nil {
		return opened{}, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return opened{}, err
	}
	size := info.Size()
	var magic [2]byte
	if n, _ := f.ReadAt(magic[:], 0); n == 2 && magic == [2]byte{0x1f, 0x8b} {
		return openGzip(f, limit)
	}
	from := max(0, size-limit)
	o := opened{Reader: io.NewSectionReader(f, from, size-from), closer: f}
	if from > 0 {
		o.notes = append(o.notes, fmt.Sprintf("only the last %d of %d bytes were read", size-from, size))
		var before [1]byte
		if n, _ := f.ReadAt(before[:], from-1); n == 1 && before[0] != '\n' {
			o.partial = true
		}
	}
	o.after = func(read int64, err error) []string {
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return []string{"could not be read to its end"}
		case err != nil && read < size-from:
			return []string{"became shorter while it was read"}
		}
		return nil
	}
	return o, nil
}

func openGzip(f *os.File, limit int64) (opened, error) {
	z, err := gzip.NewReader(bufio.NewReaderSize(f, readAhead))
	if err != nil {
		f.Close()
		return opened{}, err
	}
	o := opened{Reader: io.LimitReader(z, limit), closer: f}
	o.after = func(read int64, err error) []string {
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return []string{"is broken or was cut off: it was decompressed up to there"}
		case read >= limit:
			return []string{fmt.Sprintf("only the first %d bytes of its decompressed content were read", limit)}
		}
		return nil
	}
	return o, nil
}

// openContainer opens the log of a container.
func (t *Task) openContainer(ctx context.Context, in input, w window, now time.Time, limit int64) (opened, error) {
	o := docker.Options{Since: w.since, Until: w.until, Tail: in.from.Tail}
	since, err := instant(in.from.Since, now)
	if err != nil {
		return opened{}, err
	}
	if since.After(o.Since) {
		o.Since = since
	}
	body, err := t.engine.Logs(ctx, in.container, o)
	if err != nil {
		return opened{}, err
	}
	return opened{Reader: io.LimitReader(body, limit), closer: body, after: func(read int64, err error) []string {
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return []string{"its log broke off"}
		case read >= limit:
			return []string{fmt.Sprintf("only the first %d bytes of its log were read; tail or since bring the end nearer", limit)}
		}
		return nil
	}}, nil
}

// readInput reads one input into the collector. The error is the cause for which
// ctx ended, or why the source cannot be read at all.
func (t *Task) readInput(ctx context.Context, in input, c *collector, w window, p params) error {
	var o opened
	var err error
	if in.kind() == kindContainer {
		o, err = t.openContainer(ctx, in, w, c.now, p.MaxBytes)
	} else {
		o, err = openFile(in.real, p.MaxBytes)
	}
	if ctx.Err() != nil {
		if err == nil {
			o.closer.Close()
		}
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	defer o.closer.Close()
	src := c.begin(in.kind() == kindContainer)
	src.Notes = append(src.Notes, o.notes...)
	lines := newLineReader(o)
	var read int64
	if o.partial {
		_, n, _ := lines.next()
		read += n
	}
	for i := 0; ; i++ {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if c.totals.Lines >= p.MaxLines {
			src.Notes = append(src.Notes, fmt.Sprintf("not read further: max_lines %d is reached", p.MaxLines))
			break
		}
		line, n, errLine := lines.next()
		if read += n; errLine != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			src.Notes = append(src.Notes, o.after(read, errLine)...)
			break
		}
		c.line(line, n)
	}
	if lines.cut > 0 {
		src.Notes = append(src.Notes, fmt.Sprintf("of %d very long lines only the first %d bytes were looked at", lines.cut, maxLine))
	}
	c.end()
	return nil
}
