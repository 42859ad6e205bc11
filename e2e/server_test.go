//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// adminToken is what the tests' servers accept.
const adminToken = "end-to-end-test-token-0123456789abcdef"

// programs are the binaries under test, built once by TestMain.
type programs struct{ runsheet, witness string }

var built programs // set by TestMain only

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "runsheet-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	built = programs{filepath.Join(dir, "runsheet"), filepath.Join(dir, "witness")}
	for path, pkg := range map[string]string{built.runsheet: "../cmd/runsheet", built.witness: "./witness"} {
		cmd := exec.CommandContext(context.Background(), "go", "build", "-o", path, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	return m.Run()
}

// server is one data folder and the process that serves it, if one does.
type server struct {
	t    testing.TB
	data string
	db   string // PostgreSQL URL, "" = SQLite
	args []string
	env  []string // more variables
	// make replaces the usual command line; nil = the usual one.
	make func(ctx context.Context, args ...string) *exec.Cmd

	cmd  *exec.Cmd
	url  string
	done chan struct{}
	log  *syncBuffer
}

func newServer(t testing.TB, db string, args ...string) *server {
	t.Helper()
	s := &server{t: t, data: filepath.Join(t.TempDir(), "data"), db: db, args: args, log: &syncBuffer{}}
	t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
		if t.Failed() {
			t.Logf("server log:\n%s", s.log.tail(8000))
		}
	})
	return s
}

// dump ends the server and makes it write what each goroutine does.
func (s *server) dump() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT)
	<-s.done
	s.t.Logf("goroutines:\n%s", s.log.tail(60_000))
}

// command is the server's command line.
func (s *server) command(ctx context.Context) *exec.Cmd {
	if s.make != nil {
		return s.make(ctx, "serve")
	}
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", s.data, "--allow-command", built.witness}, s.args...)
	if s.db != "" {
		args = append(args, "--database-url", s.db)
	}
	cmd := exec.CommandContext(ctx, built.runsheet, args...)
	cmd.Env = append(append(os.Environ(), "RUNSHEET_ADMIN_TOKEN="+adminToken), s.env...)
	return cmd
}

// output runs a server that is expected to refuse to start.
func (s *server) output() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := s.command(ctx).CombinedOutput()
	if ctx.Err() != nil {
		return string(out), nil // it went on
	}
	return string(out), err
}

// start runs the server and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	s.launch()
	eventually(s.t, patience, "the server is ready", func() bool {
		code, _ := s.try(http.MethodGet, "/readyz", nil, nil)
		return code == http.StatusOK
	})
}

// launch runs the server and waits until it says its address.
func (s *server) launch() {
	s.t.Helper()
	s.cmd = s.command(context.Background())
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := make(chan string, 1)
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		r := bufio.NewReader(out)
		line, _ := r.ReadString('\n')
		lines <- line
		_, _ = io.Copy(io.Discard, r) // until the server ends
		_ = s.cmd.Wait()
	}()
	select {
	case line := <-lines:
		url, ok := strings.CutPrefix(strings.TrimSpace(line), "runsheet listening on ")
		if !ok {
			s.t.Fatalf("first line of the server is %q; log:\n%s", line, s.log.tail(4000))
		}
		s.url = url
	case <-time.After(patience):
		s.t.Fatalf("the server did not say its address; log:\n%s", s.log.tail(4000))
	}
}

// kill ends the server as a power switch would.
func (s *server) kill() {
	_ = s.cmd.Process.Signal(syscall.SIGKILL)
	<-s.done
	s.cmd = nil
}

// stop ends the server in good order.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatal("the server did not stop")
	}
	s.cmd = nil
}

// try makes a request; code 0 means that no answer came.
func (s *server) try(method, path string, body any, header map[string]string) (int, map[string]any) {
	return request(s.url, method, path, body, header)
}

func request(base, method, path string, body any, header map[string]string) (int, map[string]any) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return requestContext(ctx, base, method, path, body, header)
}

func requestContext(ctx context.Context, base, method, path string, body any, header map[string]string) (int, map[string]any) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, r)
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil
	}
	var out map[string]any
	_ = json.Unmarshal(b, &out) // text answers give nil
	return res.StatusCode, out
}

// must makes a request that has to be answered with one of the codes.
func (s *server) must(method, path string, body any, codes ...int) map[string]any {
	s.t.Helper()
	code, out := s.try(method, path, body, nil)
	if slices.Contains(codes, code) {
		return out
	}
	s.t.Fatalf("%s %s: got %d %v, want %v", method, path, code, out, codes)
	return nil
}

// all reads every page of a list.
func (s *server) all(path string) []map[string]any {
	s.t.Helper()
	var items []map[string]any
	cursor := ""
	for {
		page := s.must(http.MethodGet, path+cursor, nil, http.StatusOK)
		for _, it := range page["items"].([]any) {
			items = append(items, it.(map[string]any))
		}
		next, _ := page["next_cursor"].(string)
		if next == "" {
			return items
		}
		cursor = "&cursor=" + next
	}
}

// patience is how long an answer is waited for: far longer than one takes, also where
// everything is built and tested at once.
const patience = 90 * time.Second

// eventually polls until ok, and fails the test after d.
func eventually(t testing.TB, d time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	for !ok() {
		if clock.Sleep(ctx, clock.System{}, 10*time.Millisecond) != nil {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}
