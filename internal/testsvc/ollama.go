//go:build unix

package testsvc

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc/gguf"
)

// The models of an OllamaServer. Each is a file of its own.
const (
	// OllamaTiny continues gguf.Tale at about a thousand tokens a second and ends
	// after some ten sentences.
	OllamaTiny = "tiny"
	// OllamaOther knows other words and is as fast.
	OllamaOther = "other"
	// OllamaSlow continues gguf.Tale at some 50 tokens a second and never ends by
	// itself.
	OllamaSlow = "slow"
)

// otherTale is the corpus of OllamaOther.
const otherTale = `the harbour woke before the sun .
two boats left and one of them came back with silver fish .
an old captain counted the fish and wrote the number down .
nobody asked why the second boat was late .
at noon the wind turned and the second boat came home .`

// OllamaServer is an Ollama server on a free loopback port with models made for
// tests; see package gguf.
type OllamaServer struct {
	// URL is http://127.0.0.1:PORT.
	URL string

	bin, base string
	env       []string
}

// sharedOllama is the server of this test binary.
type sharedOllama struct {
	once   sync.Once
	err    error
	server *OllamaServer
}

var models sharedOllama

// Ollama returns a server that the tests of a binary share: one works on one
// request at a time, so a test that measures time wants OwnOllama.
func Ollama(t testing.TB) *OllamaServer {
	t.Helper()
	models.once.Do(func() { models.server, models.err = startOllama("", nil) })
	must(t, models.err)
	return models.server
}

// OwnOllama is Ollama for the test alone, which may stop it, with further
// settings such as "OLLAMA_MAX_QUEUE=1".
func OwnOllama(t testing.TB, env ...string) *OllamaServer {
	t.Helper()
	return ownOllama(t, "", env)
}

// StockOllama is OwnOllama at the address where a stock Ollama listens, and where
// nothing else must.
func StockOllama(t testing.TB) *OllamaServer {
	t.Helper()
	return ownOllama(t, "127.0.0.1:11434", nil)
}

func ownOllama(t testing.TB, addr string, env []string) *OllamaServer {
	t.Helper()
	s, err := startOllama(addr, env)
	must(t, err)
	t.Cleanup(func() {
		s.Stop(t)
		if err := os.RemoveAll(s.base); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Stop kills the server and what it started. Its models stay.
func (s *OllamaServer) Stop(t testing.TB) {
	t.Helper()
	group, err := s.group()
	if errors.Is(err, os.ErrNotExist) {
		return // stopped before
	}
	must(t, err)
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	must(t, os.Remove(filepath.Join(s.base, "pid")))
	must(t, await(func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(s.URL, "http://"))
		if err == nil {
			return errors.Join(errors.New("it still listens"), conn.Close())
		}
		return nil
	}))
}

// group is the process group of the server, of what it started, and of its
// guardian.
func (s *OllamaServer) group() (int, error) {
	b, err := os.ReadFile(filepath.Join(s.base, "pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, err
	}
	return syscall.Getpgid(pid)
}

// Start starts a stopped server again, at the same address with the same models.
func (s *OllamaServer) Start(t testing.TB) {
	t.Helper()
	must(t, s.serve())
}

// Add gives the server one more model.
func (s *OllamaServer) Add(t testing.TB, name string, m gguf.Model) {
	t.Helper()
	must(t, s.add(name, m))
}

// Alias gives a model a second name.
func (s *OllamaServer) Alias(t testing.TB, name, model string) {
	t.Helper()
	must(t, s.post("/api/copy", map[string]string{"source": model, "destination": name}))
}

// startOllama starts a server at addr; "" = a free port.
func startOllama(addr string, env []string) (*OllamaServer, error) {
	bin, err := builtTool("ollama")
	if err != nil {
		return nil, err
	}
	s := &OllamaServer{bin: bin, env: env}
	if s.base, err = s3Account.folder("ollama"); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(s.base, "models", "blobs"), 0o700); err != nil {
		return nil, err
	}
	// Another process can take the free port before the server does.
	for range 3 {
		var free string
		if free, err = freeAddr(); err != nil {
			return nil, err
		}
		var l net.Listener
		if l, err = net.Listen("tcp", cmp.Or(addr, free)); err != nil { //nolint:noctx // only finds out whether somebody has it
			return nil, err
		}
		s.URL = "http://" + l.Addr().String()
		if err = l.Close(); err != nil {
			return nil, err
		}
		if err = s.serve(); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	for name, m := range map[string]gguf.Model{
		OllamaTiny:  {Name: OllamaTiny, End: 0.1},
		OllamaOther: {Name: OllamaOther, End: 0.1, Corpus: otherTale},
		OllamaSlow:  {Name: OllamaSlow, Blocks: 500, Width: 128, Context: 1024},
	} {
		if err := s.add(name, m); err != nil {
			return nil, fmt.Errorf("model %s: %w", name, err)
		}
	}
	return s, nil
}

func (s *OllamaServer) serve() error {
	argv := slices.Concat([]string{
		"/usr/bin/env", "OLLAMA_HOST=" + strings.TrimPrefix(s.URL, "http://"), "OLLAMA_MODELS=" + filepath.Join(s.base, "models"),
		"OLLAMA_NO_CLOUD=1", "OLLAMA_NOPRUNE=1", "OLLAMA_NUM_PARALLEL=1",
	}, s.env, []string{s.bin, "serve"})
	// It ends its runners when it is asked to end.
	return s3Account.serve(s.base, syscall.SIGTERM, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return s.do(ctx, http.MethodGet, "/api/version", nil)
	}, argv...)
}

// add writes the file to where the server keeps them, which saves sending it.
func (s *OllamaServer) add(name string, m gguf.Model) error {
	blobs := filepath.Join(s.base, "models", "blobs")
	f, err := os.CreateTemp(blobs, "new-")
	if err != nil {
		return err
	}
	sum := sha256.New()
	if err := errors.Join(m.Write(io.MultiWriter(f, sum)), f.Close()); err != nil {
		return err
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	if err := os.Rename(f.Name(), filepath.Join(blobs, "sha256-"+digest)); err != nil {
		return err
	}
	return s.post("/api/create", map[string]any{
		"model": name, "stream": false, "files": map[string]string{name + ".gguf": "sha256:" + digest},
		"template": "{{ if .System }}{{ .System }} {{ end }}{{ .Prompt }}",
		// Threads that wait for each other are slow on a machine that is busy.
		"parameters": map[string]any{"num_thread": 1},
	})
}

func (s *OllamaServer) post(path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return s.do(ctx, http.MethodPost, path, b)
}

func (s *OllamaServer) do(ctx context.Context, method, path string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Close = true // no connection stays that a test would take for a leak
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("the server answers %s: %s", resp.Status, tail(string(text), 300))
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
