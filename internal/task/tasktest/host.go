// Package tasktest has a task.Host that remembers everything, for the tests of
// job types.
package tasktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// File is the content of an artifact and what was said of it.
type File struct {
	MediaType string
	Content   string
}

// Host is a task.Host in memory. The zero value is ready. The Err fields are
// set before use and make the method of that name fail. Everything is safe for
// concurrent use.
type Host struct {
	ProcessErr, CheckpointErr, ArtifactErr error
	// OnLog is called after each write to the log, with all of it so far. It must
	// not write to the log.
	OnLog func(log string)

	mu          sync.Mutex
	log         bytes.Buffer
	processes   []run.Process
	progress    []run.Progress
	outputs     map[string]string
	exitCode    *int
	tokens      []run.Tokens
	checkpoints []string
	artifacts   map[string]File
	calls       []run.Call
	refused     []string
}

var _ task.Host = (*Host)(nil)

// Log returns a writer that appends to LogText.
func (h *Host) Log() io.Writer { return (*logWriter)(h) }

type logWriter Host

func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.log.Write(p)
	var all string
	if w.OnLog != nil {
		all = w.log.String()
	}
	w.mu.Unlock()
	if w.OnLog != nil {
		w.OnLog(all)
	}
	return len(p), nil
}

// Process remembers p, or returns ProcessErr.
func (h *Host) Process(_ context.Context, p run.Process) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ProcessErr == nil {
		h.processes = append(h.processes, p)
	}
	return h.ProcessErr
}

// Progress remembers p.
func (h *Host) Progress(p run.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.progress = append(h.progress, p)
}

// Output remembers the value.
func (h *Host) Output(key, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.outputs == nil {
		h.outputs = map[string]string{}
	}
	h.outputs[key] = value
}

// ExitCode remembers the code.
func (h *Host) ExitCode(code int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.exitCode = &code
}

// Tokens remembers t.
func (h *Host) Tokens(t run.Tokens) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens = append(h.tokens, t)
}

// Call remembers c.
func (h *Host) Call(ctx context.Context, c run.Call) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	h.calls = append(h.calls, c)
	return nil
}

// Refused remembers the source.
func (h *Host) Refused(_ context.Context, source string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = append(h.refused, source)
	return nil
}

// Checkpoint remembers data, or returns CheckpointErr or ctx's error.
func (h *Host) Checkpoint(ctx context.Context, data []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.CheckpointErr == nil {
		h.checkpoints = append(h.checkpoints, string(data))
	}
	return h.CheckpointErr
}

// Artifact reads r and remembers it, or returns ArtifactErr or ctx's error.
func (h *Host) Artifact(ctx context.Context, name, mediaType string, r io.Reader) (run.Artifact, error) {
	if err := ctx.Err(); err != nil {
		return run.Artifact{}, err
	}
	if h.ArtifactErr != nil {
		return run.Artifact{}, h.ArtifactErr
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return run.Artifact{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.artifacts == nil {
		h.artifacts = map[string]File{}
	}
	h.artifacts[name] = File{mediaType, string(b)}
	sum := sha256.Sum256(b)
	return run.Artifact{
		Name: name, MediaType: mediaType, Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:]),
	}, nil
}

// LogText is all that was logged.
func (h *Host) LogText() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

// Processes are the recorded processes, in order.
func (h *Host) Processes() []run.Process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.processes)
}

// ProgressList is every progress that was shown, in order.
func (h *Host) ProgressList() []run.Progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.progress)
}

// Outputs are the named results, nil if none.
func (h *Host) Outputs() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.outputs)
}

// Exit is the recorded exit code, nil if none.
func (h *Host) Exit() *int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.exitCode
}

// TokensList is every token count that was recorded, in order.
func (h *Host) TokensList() []run.Tokens {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.tokens)
}

// Calls are the recorded calls, in order.
func (h *Host) Calls() []run.Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// RefusedSources are the sources that were refused, in order.
func (h *Host) RefusedSources() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.refused)
}

// Checkpoints are the saved checkpoints, in order.
func (h *Host) Checkpoints() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.checkpoints)
}

// Artifacts are the stored artifacts by name, nil if none.
func (h *Host) Artifacts() map[string]File {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.artifacts)
}
