package extract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/runsheet/runsheet/internal/process"
)

// Bounds of a child as its parent sees it.
const (
	DefaultTimeout = time.Minute
	// cpuSeconds bounds the child's processor time, also when its parent is gone.
	cpuSeconds = 60
	// addressSpace is generous, because Go reserves much more than it uses.
	addressSpace = 4 << 30
	// maxAnswer is more than MaxChars characters need as JSON.
	maxAnswer = 32 << 20
)

// errNoMain ends what would go on for ever: a program that was started to read a
// document and, because it does not call Main, starts children instead.
var errNoMain = errors.New("extract: the program must call extract.Main before anything else")

// inChild reads a document in a process of its own.
func inChild(ctx context.Context, o Options, q request, data []byte) (Document, error) {
	if len(os.Args) > 1 && os.Args[1] == Arg {
		return Document{}, errNoMain
	}
	if len(data) > maxInput {
		return Document{}, ErrLimit
	}
	self, err := os.Executable()
	if err != nil {
		return Document{}, fmt.Errorf("find the own binary: %w", err)
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	q.Size = len(data)
	head, err := json.Marshal(q)
	if err != nil {
		return Document{}, err
	}
	limited, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	out := &capped{limit: maxAnswer}
	p, err := process.Start(limited, process.Options{
		Path: self, Argv: []string{"runsheet", Arg}, Dir: o.Dir, RunID: o.RunID,
		// Nothing of the server's environment: it has secrets, and the child reads
		// what strangers wrote.
		Env:    []string{"GOMAXPROCS=1", "GOTRACEBACK=none"},
		Stdin:  slices.Concat(head, []byte("\n"), data),
		Stdout: out, Grace: time.Millisecond,
		Limits: process.Limits{CPUSeconds: cpuSeconds, MemoryBytes: addressSpace, OpenFiles: 64, FileSizeBytes: 1},
	})
	if err != nil {
		return Document{}, stopped(ctx, limited, fmt.Errorf("start the reader: %w", err))
	}
	result, err := p.Wait()
	switch {
	case err != nil || ctx.Err() != nil || limited.Err() != nil:
		return Document{}, stopped(ctx, limited, fmt.Errorf("read a document: %w", errors.Join(err)))
	case result.ExitCode == exitMemory || result.Signal == "SIGXCPU" || result.Signal == "SIGKILL" || out.full:
		return Document{}, ErrLimit
	case result.ExitCode != 0: // the runtime ended it: no memory, too deep
		return Document{}, ErrLimit
	}
	return heard(out.Bytes(), q.Kind)
}

// stopped is why a child was ended: ctx's cause, its own time, or err.
func stopped(ctx, limited context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.Err() != nil:
		return ErrLimit
	}
	return err
}

// heard checks what a child says: a parser that was taken over must not reach
// further than its own document.
func heard(b []byte, kind Kind) (Document, error) {
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		return Document{}, ErrBroken
	}
	if a.Document == nil {
		for _, known := range []error{ErrKind, ErrCharset, ErrEncrypted, ErrEmpty, ErrLimit} {
			if a.Error == known.Error() {
				return Document{}, known
			}
		}
		return Document{}, ErrBroken
	}
	d := *a.Document
	n := chars(d.Text)
	sane := d.Kind == kind && n <= MaxChars && chars(d.Title) <= maxTitle && len(d.Pages) <= MaxPages && slices.IsSorted(d.Pages)
	for _, at := range d.Pages {
		sane = sane && at >= 0 && at <= n
	}
	if !sane {
		return Document{}, ErrBroken
	}
	return finish(d)
}

// capped keeps what fits.
type capped struct {
	bytes.Buffer
	limit int
	full  bool
}

// Write implements io.Writer and always takes all.
func (c *capped) Write(p []byte) (int, error) {
	if c.full || c.Len()+len(p) > c.limit {
		c.full = true
		return len(p), nil
	}
	return c.Buffer.Write(p)
}
