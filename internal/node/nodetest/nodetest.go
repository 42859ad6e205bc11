// Package nodetest has a node.Host and a node.Queue in memory and calls with a config
// or from a document, for the tests of kinds of nodes.
package nodetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/run"
)

// Host is a node.Host that remembers everything. The zero value is ready, without a
// folder; New makes one with a folder. It is safe for concurrent use.
type Host struct {
	dir string
	// ProcessErr makes Process fail. It is set before use.
	ProcessErr error

	mu        sync.Mutex
	log       bytes.Buffer
	artifacts map[string]string // by name; the id is art_ and the name
	processes []run.Process
	calls     []run.Call
}

var _ node.Host = (*Host)(nil)

// New returns a host whose folder is removed after the test.
func New(t *testing.T) *Host {
	t.Helper()
	return &Host{dir: t.TempDir()}
}

// Log implements node.Host.
func (h *Host) Log() io.Writer { return (*logWriter)(h) }

type logWriter Host

// Write implements io.Writer.
func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// LogText is what was logged so far.
func (h *Host) LogText() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

// Artifact implements node.Host.
func (h *Host) Artifact(_ context.Context, name, mediaType string, r io.Reader) (run.Artifact, error) {
	content, err := io.ReadAll(r)
	if err != nil {
		return run.Artifact{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.artifacts == nil {
		h.artifacts = map[string]string{}
	}
	h.artifacts[name] = string(content)
	sum := sha256.Sum256(content)
	return run.Artifact{ID: "art_" + name, Name: name, MediaType: mediaType, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}, nil
}

// Artifacts are the contents by name.
func (h *Host) Artifacts() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.artifacts)
}

// Open implements node.Host.
func (h *Host) Open(_ context.Context, artifactID string) (io.ReadCloser, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	content, ok := h.artifacts[strings.TrimPrefix(artifactID, "art_")]
	if !ok {
		return nil, fault.Newf(fault.NotFound, "no artifact %s", artifactID)
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

// Call implements node.Host.
func (h *Host) Call(_ context.Context, c run.Call) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
	return nil
}

// Calls are those that were recorded.
func (h *Host) Calls() []run.Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// Process implements node.Host.
func (h *Host) Process(_ context.Context, p run.Process) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ProcessErr == nil {
		h.processes = append(h.processes, p)
	}
	return h.ProcessErr
}

// Processes are those that were recorded.
func (h *Host) Processes() []run.Process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.processes)
}

// Set implements node.Host; nothing keeps it.
func (*Host) Set(string, any) {}

// Dir implements node.Host.
func (h *Host) Dir() string { return h.dir }

// Until implements node.Host: never.
func (*Host) Until() time.Time { return time.Time{} }

// Grace implements node.Host.
func (*Host) Grace() time.Duration { return 10 * time.Second }
