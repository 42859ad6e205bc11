package runlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

// All asks for a log from its beginning.
const All = -1

// FollowOptions say where a follower begins and when it ends.
type FollowOptions struct {
	// Lines is how many of the last lines come first: All, or 0 for none.
	Lines int
	// Done is closed when the run has ended. The follower then returns what is
	// left, and io.EOF. Nil = only the context ends it.
	Done <-chan struct{}
}

// Read returns the log of a run as it is now, from its last n lines on (All:
// from the beginning). The caller closes it before ctx ends. Faults: wrong_id_type,
// log_gone, those of the shelf.
func (f *Folder) Read(ctx context.Context, runID string, n int) (io.ReadCloser, error) {
	if err := id.Check(id.Run, runID); err != nil {
		return nil, err
	}
	return f.read(ctx, runID, n, -1)
}

// ReadBefore is Read of what comes before a place of the whole output, in bytes: the
// last n lines before it. A place in the middle of a line cuts the line.
func (f *Folder) ReadBefore(ctx context.Context, runID string, n int, before int64) (io.ReadCloser, error) {
	if err := id.Check(id.Run, runID); err != nil {
		return nil, err
	}
	return f.read(ctx, runID, n, max(before, 0))
}

// read reads up to the place end, or the end of the log if that is negative.
func (f *Folder) read(ctx context.Context, runID string, n int, end int64) (io.ReadCloser, error) {
	parts, err := f.parts(ctx, runID)
	if err != nil {
		return nil, err
	}
	defer closeAll(parts)
	last := parts[len(parts)-1]
	if whole := last.start + last.size; end < 0 || end > whole {
		end = whole
	}
	pos, err := begin(parts, n, end)
	if err != nil {
		return nil, fault.Wrap(err, fault.StorageUnavailable, "read the log")
	}
	return &reader{folder: f, runID: runID, ctx: ctx, from: pos, pos: pos, limit: end}, nil
}

// Follow is Read that goes on while the run does. A log that does not exist yet
// is waited for. A reader that is slower than the run misses what the cap drops
// meanwhile and finds a mark in its place. The returned reader needs little
// memory; it is not safe for concurrent use. The caller closes it.
func (f *Folder) Follow(ctx context.Context, runID string, o FollowOptions) (io.ReadCloser, error) {
	if err := id.Check(id.Run, runID); err != nil {
		return nil, err
	}
	r := &reader{folder: f, runID: runID, ctx: ctx, follow: true, done: o.Done, limit: -1}
	parts, err := f.parts(ctx, runID)
	if fault.Is(err, fault.LogGone) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer closeAll(parts)
	last := parts[len(parts)-1]
	if r.pos, err = begin(parts, o.Lines, last.start+last.size); err != nil {
		return nil, fault.Wrap(err, fault.StorageUnavailable, "read the log")
	}
	r.from = r.pos
	return r, nil
}

// From is the place in the whole output, in bytes, at which reading began.
func (r *reader) From() int64 { return r.from }

// reader walks over the parts of a log. It opens them anew whenever it comes to
// the end of one, so that a rotation cannot mislead it.
type reader struct {
	folder *Folder
	runID  string
	ctx    context.Context // of Read or Follow: io.Reader has none
	follow bool
	done   <-chan struct{}
	from   int64 // where it began
	pos    int64 // place in the whole output
	limit  int64 // place at which to end; -1 = none yet
	cur    *part
	mark   []byte // text to return before anything else
	inLine bool
	far    bool // what was read last came from the shelf, or will
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if len(r.mark) > 0 {
			n := copy(p, r.mark)
			r.mark = r.mark[n:]
			return n, nil
		}
		ended := r.ended() // before looking: what is written until then is read
		var changed <-chan struct{}
		if r.follow {
			if err := r.ctx.Err(); err != nil {
				return 0, err
			}
			changed = r.folder.changed(r.runID)
		}
		n, err := r.next(p)
		if n > 0 || err != nil {
			return n, err
		}
		if len(r.mark) > 0 || r.cur != nil {
			continue
		}
		if !r.follow || ended {
			return 0, io.EOF
		}
		if err := r.wait(changed); err != nil {
			return 0, err
		}
	}
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.drop()
	return nil
}

func (r *reader) ended() bool {
	select {
	case <-r.done: // never, when it is nil
		return true
	default:
		return false
	}
}

// next reads from the current part, or goes over to the next one. Without
// either it leaves r.cur nil.
func (r *reader) next(p []byte) (int, error) {
	if r.cur != nil {
		if r.limit >= 0 {
			p = p[:min(int64(len(p)), max(0, r.limit-r.pos))]
		}
		n, err := r.cur.at(p, r.pos)
		if n > 0 {
			r.pos += int64(n)
			r.inLine = p[n-1] != '\n'
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fault.Wrap(err, fault.StorageUnavailable, "read the log")
		}
		r.drop()
	}
	if r.limit >= 0 && r.pos >= r.limit {
		return 0, nil
	}
	parts, err := r.folder.parts(r.ctx, r.runID)
	if fault.Is(err, fault.LogGone) {
		r.far = r.folder.shelf != nil
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	r.far = parts[0].far
	for i, part := range parts {
		if part.start+part.size <= r.pos {
			continue
		}
		if gap := part.start - r.pos; gap > 0 {
			if r.inLine {
				r.mark = append(r.mark, '\n')
			}
			r.mark = append(r.mark, dropMark(gap)...)
			r.pos, r.inLine = part.start, false
		}
		closeAll(parts[:i])
		closeAll(parts[i+1:])
		r.cur = &part
		return 0, nil
	}
	closeAll(parts)
	return 0, nil
}

func (r *reader) drop() {
	if r.cur != nil {
		_ = r.cur.Close() // only read
		r.cur = nil
	}
}

func (r *reader) wait(changed <-chan struct{}) error {
	poll := r.folder.poll
	if r.far {
		poll = max(poll, shareEvery)
	}
	t := r.folder.clock.NewTimer(poll)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C():
	case <-r.done:
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	return nil
}

// begin is the place where the last n lines before the place end begin. It reads
// backwards, block by block.
func begin(parts []part, n int, end int64) (int64, error) {
	if n < 0 {
		return 0, nil
	}
	buf := make([]byte, 32<<10)
	if n == 0 {
		return end, nil
	}
	for _, p := range slices.Backward(parts) {
		for to := min(p.start+p.size, end); to > p.start; {
			from := max(p.start, to-int64(len(buf)))
			block := buf[:to-from]
			if _, err := p.at(block, from); err != nil && !errors.Is(err, io.EOF) {
				return 0, err
			}
			for j := bytes.LastIndexByte(block, '\n'); j >= 0; j = bytes.LastIndexByte(block[:j], '\n') {
				if from+int64(j)+1 == end {
					continue // the newline that ends the last line
				}
				if n--; n == 0 {
					return from + int64(j) + 1, nil
				}
			}
			to = from
		}
	}
	return min(parts[0].start, end), nil
}
