package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// object reads an object from any place on. It asks for the rest of the object
// at the first read after a jump, and again where a connection breaks.
type object struct {
	ctx  context.Context // of Open: io.Reader has none
	s    *Store
	key  string
	size int64
	pos  int64
	body io.ReadCloser // nil = not asked yet
}

// maxBreaks is how often in a row a read may break without a byte.
const maxBreaks = 3

// Read implements io.Reader.
func (o *object) Read(p []byte) (int, error) {
	if o.pos >= o.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	for breaks := 0; ; breaks++ {
		if o.body == nil {
			if err := o.ask(); err != nil {
				return 0, err
			}
		}
		n, err := o.body.Read(p)
		o.pos += int64(n)
		if err == nil {
			return n, nil
		}
		o.drop()
		switch {
		case n > 0:
			return n, nil // the next read asks for what comes after
		case o.ctx.Err() != nil:
			return 0, fmt.Errorf("read an artifact: %w", o.ctx.Err())
		case errors.Is(err, io.EOF):
			return 0, o.s.classify(o.ctx, errors.New("the content is shorter than it was said to be"), "read from")
		case breaks == maxBreaks:
			return 0, o.s.classify(o.ctx, err, "read from")
		}
	}
}

// ask requests the object from pos on.
func (o *object) ask() error {
	body, err := o.s.b.get(o.ctx, o.key, o.pos)
	if err != nil {
		return o.s.classify(o.ctx, err, "read from")
	}
	o.body = body
	return nil
}

// drop ends the request under way.
func (o *object) drop() {
	if o.body != nil {
		_ = o.body.Close() // only read
		o.body = nil
	}
}

// Seek implements io.Seeker.
func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.pos
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 || whence < io.SeekStart || whence > io.SeekEnd {
		return o.pos, errors.New("seek in an artifact: a place before its start")
	}
	if offset != o.pos {
		o.drop()
	}
	o.pos = offset
	return offset, nil
}

// Close implements io.Closer.
func (o *object) Close() error {
	o.drop()
	return nil
}
