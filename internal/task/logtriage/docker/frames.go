package docker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxPending bounds a line that is not finished yet; the rest of a longer one is
// dropped. It is more than what is looked at of a line.
const maxPending = 128 << 10

// streams are standard input, output, error, and errors of the engine itself.
const streams = 4

// demultiplexer reads the frames of a container without a terminal: 8 bytes of
// header, which are the number of the stream, three zeros, and the length in big
// endian, then so many bytes (Docker Engine API, ContainerAttach, "Stream
// format"). A long line comes in several frames, each of which begins with the
// time, and frames of the streams alternate: lines are put together for each
// stream by itself.
type demultiplexer struct {
	src     *bufio.Reader
	body    io.Closer
	pending [streams][]byte
	// ready are whole lines that Read has not handed out yet.
	ready []byte
	err   error
}

// Read implements io.Reader.
func (d *demultiplexer) Read(p []byte) (int, error) {
	for len(d.ready) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		d.ready = d.ready[:0]
		if d.err = d.frame(); d.err != nil {
			d.rest()
		}
	}
	n := copy(p, d.ready)
	d.ready = d.ready[n:]
	return n, nil
}

// Close ends the stream.
func (d *demultiplexer) Close() error { return d.body.Close() }

// rest hands out lines that never ended.
func (d *demultiplexer) rest() {
	for i := range d.pending {
		if len(d.pending[i]) > 0 {
			d.ready = append(append(d.ready, d.pending[i]...), '\n')
			d.pending[i] = nil
		}
	}
}

// frame reads one frame. io.EOF is the end between two.
func (d *demultiplexer) frame() error {
	var head [8]byte
	if _, err := io.ReadFull(d.src, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if head[0] >= streams || head[1]|head[2]|head[3] != 0 {
		return fmt.Errorf("%w: a frame has no header", ErrBroken)
	}
	left := int64(binary.BigEndian.Uint32(head[4:]))
	stream, first := head[0], true
	for left > 0 {
		// The length is only a claim: nothing is reserved for it.
		chunk, err := d.src.Peek(int(min(left, int64(d.src.Size()))))
		if len(chunk) == 0 && err != nil {
			return fmt.Errorf("%w: a frame is shorter than its header says", ErrBroken)
		}
		n := len(chunk)
		if first && len(d.pending[stream]) > 0 {
			chunk = withoutTime(chunk)
		}
		first = false
		d.take(stream, chunk)
		left -= int64(n)
		if _, err := d.src.Discard(n); err != nil {
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
	}
	return nil
}

// take adds a piece of a stream.
func (d *demultiplexer) take(stream byte, chunk []byte) {
	for len(chunk) > 0 {
		line, rest, ended := bytes.Cut(chunk, []byte("\n"))
		room := maxPending - len(d.pending[stream])
		d.pending[stream] = append(d.pending[stream], line[:min(len(line), room)]...)
		if ended {
			d.ready = append(append(d.ready, d.pending[stream]...), '\n')
			d.pending[stream] = d.pending[stream][:0]
		}
		chunk = rest
	}
}

// withoutTime cuts the time that the engine puts before each piece of a long line.
func withoutTime(chunk []byte) []byte {
	i := bytes.IndexByte(chunk[:min(len(chunk), len(time.RFC3339Nano)+1)], ' ')
	if i < 0 {
		return chunk
	}
	if _, err := time.Parse(time.RFC3339Nano, string(chunk[:i])); err != nil {
		return chunk
	}
	return chunk[i+1:]
}
