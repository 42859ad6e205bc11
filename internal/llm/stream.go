package llm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
)

// errLine says that a line is longer than maxLine.
var errLine = errors.New("line too long")

// lines cuts a stream into lines.
type lines struct {
	r   *bufio.Reader
	buf []byte
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, 16<<10)} }

// next returns a line without its end, valid until the next call, or io.EOF. A last
// line without an end is a line: the reader of its content decides.
func (l *lines) next() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if len(l.buf)+len(part) > maxLine {
			return nil, errLine
		}
		switch {
		case err == nil && len(l.buf) == 0:
			return bytes.TrimSpace(part), nil
		case err == nil:
			return bytes.TrimSpace(append(l.buf, part...)), nil
		case errors.Is(err, bufio.ErrBufferFull):
			l.buf = append(l.buf, part...)
		case errors.Is(err, io.EOF) && len(l.buf)+len(part) > 0:
			return bytes.TrimSpace(append(l.buf, part...)), nil
		default:
			return nil, err
		}
	}
}

// watch ends a context when nothing happens for too long.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	s      *server
	clk    clock.Clock
	kick   chan struct{}
	done   sync.WaitGroup

	mu    sync.Mutex
	limit time.Duration
	last  time.Time
	what  string
}

// watch begins; the caller must stop it.
func (p *Pool) watch(ctx context.Context, s *server, limit time.Duration) *watch {
	w := &watch{s: s, clk: p.clk, kick: make(chan struct{}, 1), limit: limit, last: p.clk.Now(), what: "sent nothing"}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.done.Go(w.run)
	return w
}

func (w *watch) run() {
	for {
		w.mu.Lock()
		limit, what := w.limit, w.what
		left := limit - w.clk.Now().Sub(w.last)
		w.mu.Unlock()
		if left <= 0 {
			w.cancel(fault.Newf(fault.LLMTimeout, "LLM server %s %s for %s", w.s.Name, what, limit))
			return
		}
		t := w.clk.NewTimer(left)
		select {
		case <-t.C():
		case <-w.kick:
		case <-w.ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
	}
}

// beat says that something happened, and how long the next thing may take.
func (w *watch) beat(limit time.Duration) {
	w.mu.Lock()
	shorter := limit != w.limit
	w.limit, w.last, w.what = limit, w.clk.Now(), "fell silent in the middle of the answer"
	w.mu.Unlock()
	if shorter {
		select {
		case w.kick <- struct{}{}:
		default:
		}
	}
}

// stop ends the context and waits for the watcher.
func (w *watch) stop() {
	w.cancel(nil)
	w.done.Wait()
}
