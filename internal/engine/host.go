package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/workflow"
)

// host is the node.Host of an attempt of a node.
type host struct {
	t    *turn
	step *workflow.Step
	item int
	log  *lines
	once sync.Once
	dir  string
	// said is what must not be in the log; nil = the node has nothing of it.
	said *pieces
}

// Log implements node.Host: each line begins with the node's name, secrets are hidden.
func (h *host) Log() io.Writer {
	h.once.Do(func() {
		prefix := h.step.ID
		if h.item >= 0 {
			prefix = fmt.Sprintf("%s[%d]", prefix, h.item)
		}
		h.log = &lines{to: h.t.log, prefix: prefix + ": ", mask: h.t.mask, said: h.said}
	})
	return h.log
}

func (h *host) Artifact(ctx context.Context, name, mediaType string, r io.Reader) (run.Artifact, error) {
	return h.t.h.Artifact(ctx, name, mediaType, r)
}

func (h *host) Open(ctx context.Context, artifactID string) (io.ReadCloser, error) {
	return h.t.e.o.Artifacts(ctx, h.t.a.Tenant, h.t.a.RunID, artifactID)
}

func (h *host) Call(ctx context.Context, c run.Call) error { return h.t.h.Call(ctx, c) }

func (h *host) Process(ctx context.Context, p run.Process) error { return h.t.h.Process(ctx, p) }

func (h *host) Dir() string {
	name := h.step.ID
	if h.item >= 0 {
		name = fmt.Sprintf("%s-%d", name, h.item)
	}
	dir := filepath.Join(h.t.a.Dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		h.t.e.o.Logger.Error("cannot make the folder of a node", "workflow_run_id", h.t.run.ID, "error", err)
	}
	h.dir = dir
	return dir
}

// close ends what the attempt had.
func (h *host) close() {
	if h.log != nil {
		h.log.flush()
	}
	if h.dir != "" {
		if err := os.RemoveAll(h.dir); err != nil {
			h.t.e.o.Logger.Warn("cannot remove the folder of a node", "workflow_run_id", h.t.run.ID, "error", err)
		}
	}
}

func (h *host) Until() time.Time {
	if h.t.a.Until == nil {
		return time.Time{}
	}
	return h.t.a.Until()
}

func (h *host) Grace() time.Duration { return h.t.a.Grace }

// lines puts a prefix before each line. It is safe for concurrent use.
type lines struct {
	mu     sync.Mutex
	to     io.Writer
	prefix string
	mask   Mask
	said   *pieces
	rest   []byte
}

const maxLine = 64 << 10

// Write implements io.Writer: whole lines go on, the rest waits for its end.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) < maxLine {
			return len(p), nil
		}
		if i < 0 {
			i = len(l.rest) - 1
		}
		l.line(l.rest[:i+1])
		l.rest = l.rest[i+1:]
	}
}

func (l *lines) line(text []byte) {
	line := l.mask.Text(string(bytes.TrimSuffix(text, []byte("\n"))))
	if l.said != nil && l.said.in(line) {
		line = notStored
	}
	_, _ = io.WriteString(l.to, l.prefix+line+"\n")
}

// flush writes a last line that has no end.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.line(l.rest)
		l.rest = nil
	}
}

// tale is the log of a run. What the engine says of states stays in memory until a node
// prints something, the run takes long, or goes on after a wait or a crash: a file for
// each of many short runs costs more than the runs, and would say what their steps do. It is safe for concurrent use.
type tale struct {
	to   io.Writer
	from time.Time // when the turn began

	mu   sync.Mutex
	held []byte
	open bool
}

const (
	// maxHeld bounds what is held back, in bytes.
	maxHeld = 4 << 10
	// shortTurn is how long a turn may take whose log is held back.
	shortTurn = time.Second
)

// Write implements io.Writer, for what nodes print.
func (l *tale) Write(p []byte) (int, error) {
	l.release()
	return l.to.Write(p)
}

// tell adds what the engine says.
func (l *tale) tell(text string, now time.Time) {
	l.mu.Lock()
	l.held = append(l.held, text...)
	hold := !l.open && len(l.held) <= maxHeld && now.Sub(l.from) < shortTurn
	l.mu.Unlock()
	if !hold {
		l.release()
	}
}

// release writes what was held back.
func (l *tale) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
	if len(l.held) > 0 {
		_, _ = l.to.Write(l.held) // it never fails, see task.Host
		l.held = nil
	}
}
